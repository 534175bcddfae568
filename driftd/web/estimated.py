"""How right a model should be where no labels have come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from driftd.core.quality.estimates import estimates
from driftd.core.quality.expected import MOST_OUTSIDE as FAR
from driftd.core.quality.unlabelled import LEAST_EVENTS, MOST_OUTSIDE, Estimate
from driftd.core.slice import Slice
from driftd.learn.quality import estimate_of
from driftd.monitor.view import ModelView, Snapshot
from driftd.web.quality import Quantity, quantity_of, seen_of
from driftd.web.quality_card import cell, spelled


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Of the events of a window that have labels: the first statistic that the estimate ``said``, what their labels
    ``seen`` say, and whether these contradict it: their intervals lie apart.
    """

    said: Quantity
    seen: Quantity
    contradicted: bool


@dataclass(frozen=True, slots=True)
class EstimatedQuality:
    """How right the model should be in the last judged window without labels: ``by`` its scores, if a score means what
    it meant in the reference, or of numbers by its inputs, if errors are as large where these are alike. ``values`` by
    statistic, empty where it cannot be said. ``outside``: the share of its events of which the reference has no label.
    ``confirmed``: the same of events whose labels have come, in the same window, or in the last one of the joined
    labels ``learned_from``, where the model's own reference has too few ("" where it has enough); null where there are
    none. ``contradicted`` by them. ``sentence``: the same for people.
    """

    events: int
    outside: float
    values: dict[str, Quantity]
    contradicted: bool
    sentence: str
    by: str
    learned_from: str
    confirmed: Confirmed | None


def estimated_of(m: ModelView, snapshot: Snapshot) -> EstimatedQuality | None:
    """None where neither the reference nor that of the joined labels has labels with a score."""
    j = m.judgement
    if j is None:
        return None
    labels = _labels(m, snapshot)
    later = None if labels is None or labels.judgement is None else labels.judgement.reference
    found = estimate_of(j.reference, j.summary.counts, j.outcomes, later)
    if found is None:
        return None
    taught = labels if found.later else None
    values, confirmed, name = _values(found), _confirmed(taught or m), "" if taught is None else taught.name
    return EstimatedQuality(
        found.events, found.outside, values, confirmed is not None and confirmed.contradicted,
        _estimated(found, values, confirmed, name), "inputs" if found.statistics[0] == "mae" else "scores", name,
        confirmed,
    )  # fmt: skip


def _labels(m: ModelView, snapshot: Snapshot) -> ModelView | None:
    """The joined labels of the model."""
    name = Slice(m.name).labels.model
    return next((other for other in snapshot.models if other.name == name != m.name), None)


def _values(found: Estimate) -> dict[str, Quantity]:
    each = zip(found.statistics, found.values, strict=True)
    return {name: q for name, row in each if (q := quantity_of(row)) is not None}


def _confirmed(m: ModelView) -> Confirmed | None:
    """What the labels of the last judged window say of the estimate of the same."""
    j, seen = m.judgement, seen_of(m)
    found = None if j is None else estimate_of(j.reference, j.summary.counts, j.outcomes)
    if found is None or seen is None or "window" not in seen.sums:
        return None
    said = quantity_of(found.values[0])
    true = quantity_of(estimates(seen.scoring, seen.sums["window"].whole)[0])
    return None if said is None or true is None else Confirmed(said, true, _apart(said, true))


def _apart(one: Quantity, other: Quantity) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.high < other.low or other.high < one.low


def _estimated(found: Estimate, values: Mapping[str, Quantity], confirmed: Confirmed | None, later: str) -> str:
    """``later``: of which joined labels it was learned, "" of none."""
    first, *others = found.statistics
    numbers = first == "mae"
    what = "values" if numbers else "scores"
    whose = f"reference of {later}" if later else "reference"
    if not found.known:
        if found.outside > (FAR if numbers else MOST_OUTSIDE):
            part = spelled("accuracy", found.outside)
            return f"No estimate: the {whose} has no labels for the {what} of {part} of the events."
        which = "" if numbers else " with a score"
        return f"No estimate: that needs {LEAST_EVENTS} events{which}, and as many labels in the {whose}."
    said = cell(first, values[first])
    rest = ", ".join(f"{name} {spelled(name, values[name].value)}" for name in others if name in values)
    title = "Mean absolute error" if numbers else "Accuracy"
    text = f"{title} {said.text} ({said.interval}){f', {rest}' if rest else ''}."
    if confirmed is None or not (later or confirmed.contradicted):
        return text
    seen = spelled(first, confirmed.seen.value)
    if later:
        text += f" The last labels that came say {seen}, where scores alone said {spelled(first, confirmed.said.value)}"
        return f"{text}: {what} mean something else now." if confirmed.contradicted else f"{text}."
    return f"{text} Its labels say {seen}: {what} mean something else now."
