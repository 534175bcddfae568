"""How right a model is: each statistic with its interval, usual and now, over time, by version and by class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.quality.confusion import of_classes
from driftd.core.quality.estimates import (
    Statistic,
    chances_of,
    clipped,
    confusion_of,
    estimates,
    events,
    histogram_of,
    statistics,
)
from driftd.core.quality.scores import mean_tie_bound, tie_bound
from driftd.core.quality.scoring import BAD_SCORE, EDGES, OTHER, Scoring
from driftd.core.quality.sums import SparseSums, merged
from driftd.core.text import plural
from driftd.monitor.quality import HOUR, HOURS, History, Quality
from driftd.monitor.view import ModelView
from driftd.web.format import DAY, number

USUAL: Final = "reference"
TIMES: Final = (USUAL, "window", "hour", "day", "since")
"""Of what there are statistics: the reference, the last judged window, the last hour and 24 hours, and all that is
counted as it is now.
"""
HEADLINES: Final = ("accuracy", "auc", "auc_macro", "mae")
"""Statistics that are drawn over time; the first that a model has stands for how right it is."""
MEANS: Final = ("precision_macro", "recall_macro", "f1_macro")
FEW_DAYS: Final = 4.0
"""Days known, below which a chart shows hours."""
_BETTER: Final = {1: "more", -1: "less", 0: "zero"}
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quantity:
    """``low`` and ``high``: its interval at 95 %, of events that are independent; null where there is none."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class QualityLine:
    """``better``: more, less or zero. ``values`` by reference, window, hour, day and since, where they are known."""

    statistic: str
    title: str
    better: str
    values: dict[str, Quantity]


@dataclass(frozen=True, slots=True)
class VersionQuality:
    """A version of the model since ``ModelQuality.since``; ``last``: when it last answered an event with a label."""

    version: str
    events: int
    last: float | None
    values: dict[str, Quantity]


@dataclass(frozen=True, slots=True)
class ClassQuality:
    """A class in the last 24 hours; ``labels`` that were it."""

    name: str
    labels: int
    precision: Quantity | None
    recall: Quantity | None
    f1: Quantity | None


@dataclass(frozen=True, slots=True)
class QualitySeries:
    """A statistic at ``ModelQuality.times``; null where it was not known."""

    statistic: str
    values: list[float | None]
    low: list[float | None]
    high: list[float | None]


@dataclass(frozen=True, slots=True)
class SegmentQuality:
    """How right a model is in a segment: ``statistic`` of the ``events`` with a label of the last 24 hours, beside what
    is ``usual`` there; ``model``: the name under which these labels are watched.
    """

    statistic: str
    title: str
    value: Quantity
    usual: Quantity | None
    events: int
    model: str


@dataclass(frozen=True, slots=True)
class ModelQuality:
    """``events`` with a label and a prediction, by the keys of QualityLine.values. ``positive``: the class that
    precision, recall and scores are about. ``last``: up to when labels have come; ``since`` when they are counted so.
    """

    positive: str | None
    last: float
    since: float
    events: dict[str, int]
    lines: list[QualityLine]
    classes: list[ClassQuality]
    versions: list[VersionQuality]
    remarks: list[str]
    step_seconds: float
    times: list[float]
    series: list[QualitySeries]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a model."""

    scoring: Scoring
    quality: Quality
    sums: Mapping[str, SparseSums]


def quality_of(m: ModelView) -> ModelQuality | None:
    """None where the model has no labels, or no reference yet."""
    seen = seen_of(m)
    if seen is None:
        return None
    scoring, q = seen.scoring, seen.quality
    whole = {name: sums.whole for name, sums in seen.sums.items()}
    values = {name: estimates(scoring, sums) for name, sums in whole.items()}
    history, step = _history(seen)
    lines = [line for place, s in enumerate(statistics(scoring)) if (line := _line(place, s, values)).values]
    positive = scoring.classes[scoring.positive] if scoring.positive >= 0 else None
    return ModelQuality(
        positive,
        q.last,
        q.since,
        {name: int(events(scoring, sums)) for name, sums in whole.items()},
        lines,
        [*_classes(scoring, whole.get("day"))],
        [*_versions(seen)],
        [*_remarks(scoring, whole.get("day"))],
        step,
        ((history.numbers + 0.5) * step).tolist(),
        [_series(place, s, history) for place, s in enumerate(statistics(scoring)) if s.name in HEADLINES],
    )


def segment_quality_of(m: ModelView) -> SegmentQuality | None:
    """None where the segment has had no labels for a day, or no reference yet."""
    seen = seen_of(m)
    if seen is None or "day" not in seen.sums:
        return None
    scoring, values = seen.scoring, {name: seen.sums[name].whole for name in ("day", USUAL) if name in seen.sums}
    known = {name: estimates(scoring, sums)[0] for name, sums in values.items()}
    first, value = statistics(scoring)[0], quantity_of(known["day"])
    if value is None:
        return None
    usual = quantity_of(known[USUAL]) if USUAL in known else None
    return SegmentQuality(first.name, first.title, value, usual, int(events(scoring, values["day"])), m.name)


def seen_of(m: ModelView) -> Seen | None:
    if m.judgement is None or m.quality is None:
        return None
    reference = m.judgement.reference
    scoring = Scoring.of(reference.learned)
    if scoring is None or scoring.id != m.quality.scheme:
        return None
    q, window = m.quality, [*scoring.own(m.judgement.outcomes).values()]
    sums = {
        USUAL: scoring.known(reference.learned),
        "window": merged(window) if window else None,
        "hour": q.recent(0),
        "day": q.recent(HOURS),
        "since": merged([*q.total.values()]),
    }
    return Seen(scoring, q, {name: s for name, s in sums.items() if s is not None and len(s)})


def quantity_of(values: Floats) -> Quantity | None:
    value, low, high = (float(x) for x in values)
    if not isfinite(value):
        return None
    return Quantity(value, *(x if isfinite(x) else None for x in (low, high)))


def _line(place: int, s: Statistic, values: Mapping[str, Floats]) -> QualityLine:
    found = {name: q for name, each in values.items() if (q := quantity_of(each[place])) is not None}
    return QualityLine(s.name, s.title, _BETTER[s.better], found)


def _classes(scoring: Scoring, sums: NDArray[np.int64] | None) -> Iterator[ClassQuality]:
    if sums is None or not scoring.classes:
        return
    each = of_classes(confusion_of(scoring, sums))
    for place in np.argsort(-each.support, kind="stable").tolist():
        three = (quantity_of(x[place]) for x in (each.precision, each.recall, each.f1))
        yield ClassQuality(scoring.classes[place], int(each.support[place]), *three)


def _versions(seen: Seen) -> Iterator[VersionQuality]:
    q, scoring = seen.quality, seen.scoring
    for name in sorted(q.total, key=lambda name: (name == OTHER, -q.seen.get(name, 0.0), name)):
        sums = q.total[name].whole
        found = estimates(scoring, sums)
        values = {s.name: v for i, s in enumerate(statistics(scoring)) if (v := quantity_of(found[i])) is not None}
        yield VersionQuality(name, int(events(scoring, sums)), q.seen.get(name), values)


def _remarks(scoring: Scoring, sums: NDArray[np.int64] | None) -> Iterator[str]:
    """What one should know of the last 24 hours before one believes the numbers."""
    if sums is None:
        return
    if scoring.numbers:
        if (far := int(clipped(scoring, sums))) > 0:
            yield f"{far:,} {plural('error', far)} beyond 2,048 standard deviations of the label counted as that."
        return
    if (bad := int(sums[BAD_SCORE])) > 0:
        yield f"{bad:,} {plural('score', bad)} outside 0 to 1 counted for the classes alone."
    counts = confusion_of(scoring, sums)
    if (other := int(counts[-1].sum() + counts[:-1, -1].sum())) > 0:
        yield f"{other:,} {plural('event', other)} had a class that the reference has not; accuracy counts them."
    if scoring.positive >= 0 and (bound := float(tie_bound(*histogram_of(scoring, sums)))) >= 0.001:
        yield f"Scores are kept in 256 bins: the AUC of the scores themselves is within {number(bound, 2)} of this one."
    if scoring.areas:
        bounds = [float(mean_tie_bound(*chances_of(scoring, sums), weighted=by)) for by in (False, True)]
        if (bound := max(bounds)) >= 0.001:  # not where it is not known
            yield (
                f"Probabilities are kept in {len(EDGES)} bins: AUC of the probabilities themselves, as mean over "
                f"classes, is within {number(bound, 2)} of this one."
            )
        if len(scoring.areas) < len(scoring.classes):
            yield f"AUC as mean over classes is of the {len(scoring.areas)} that came most in the reference."


def _history(seen: Seen) -> tuple[History, float]:
    """Hours of the last days, or days where more are known, and their seconds."""
    days = seen.quality.history(seen.scoring, days=True)
    if len(days.numbers) and days.numbers[-1] - days.numbers[0] >= FEW_DAYS:
        return days, DAY
    return seen.quality.history(seen.scoring, days=False), HOUR


def _series(place: int, s: Statistic, history: History) -> QualitySeries:
    three = (_known(history.values[:, place, column]) for column in range(3))
    return QualitySeries(s.name, *three)


def _known(values: NDArray[np.float32]) -> list[float | None]:
    return [float(f"{x:.6g}") if isfinite(x) else None for x in values.tolist()]
