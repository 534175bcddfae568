"""How right a model should be where no labels have come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from driftd.core.quality.estimates import estimates
from driftd.core.quality.expected import MOST_OUTSIDE as FAR
from driftd.core.quality.unlabelled import LEAST_EVENTS, MOST_OUTSIDE, Estimate
from driftd.learn.quality import estimate_of
from driftd.monitor.view import ModelView
from driftd.web.quality import Quantity, quantity_of, seen_of
from driftd.web.quality_card import cell, spelled


@dataclass(frozen=True, slots=True)
class EstimatedQuality:
    """How right the model should be in the last judged window without labels: ``by`` its scores, if a score means what
    it meant in the reference, or of numbers by its inputs, if errors are as large where these are alike. ``values`` by
    statistic, empty where it cannot be said. ``outside``: the share of its events of which the reference has no label.
    ``contradicted``: the window's labels have another first statistic, their intervals lie apart. ``sentence``: the
    same for people.
    """

    events: int
    outside: float
    values: dict[str, Quantity]
    contradicted: bool
    sentence: str
    by: str


def estimated_of(m: ModelView) -> EstimatedQuality | None:
    """None where the reference has no labels with a score."""
    j = m.judgement
    found = None if j is None else estimate_of(j.reference, j.summary.counts, j.outcomes)
    if found is None:
        return None
    each = zip(found.statistics, found.values, strict=True)
    values = {name: q for name, row in each if (q := quantity_of(row)) is not None}
    seen, said = _seen_first(m), values.get(found.statistics[0])
    apart = seen is not None and said is not None and _apart(said, seen)
    return EstimatedQuality(
        found.events, found.outside, values, apart, _estimated(found, values, seen if apart else None),
        "inputs" if found.statistics[0] == "mae" else "scores",
    )  # fmt: skip


def _seen_first(m: ModelView) -> Quantity | None:
    """The first statistic, by the labels of the last judged window."""
    seen = seen_of(m)
    if seen is None or "window" not in seen.sums:
        return None
    return quantity_of(estimates(seen.scoring, seen.sums["window"].whole)[0])


def _apart(one: Quantity, other: Quantity) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.high < other.low or other.high < one.low


def _estimated(found: Estimate, values: Mapping[str, Quantity], seen: Quantity | None) -> str:
    """``seen``: what contradicts it."""
    first, *others = found.statistics
    numbers = first == "mae"
    what = "values" if numbers else "scores"
    if not found.known:
        if found.outside > (FAR if numbers else MOST_OUTSIDE):
            part = spelled("accuracy", found.outside)
            return f"No estimate: the reference has no labels for the {what} of {part} of the events."
        which = "" if numbers else " with a score"
        return f"No estimate: that needs {LEAST_EVENTS} events{which}, and as many labels in the reference."
    said = cell(first, values[first])
    rest = ", ".join(f"{name} {spelled(name, values[name].value)}" for name in others if name in values)
    title = "Mean absolute error" if numbers else "Accuracy"
    labels = "" if seen is None else f" Its labels say {spelled(first, seen.value)}: {what} mean something else now."
    return f"{title} {said.text} ({said.interval}){f', {rest}' if rest else ''}.{labels}"
