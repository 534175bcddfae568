"""How right a model is: each statistic with its interval, usual and now, over time, by version and by class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from driftd.core.quality.confusion import of_classes
from driftd.core.quality.estimates import (
    Statistic,
    clipped,
    confusion_of,
    estimates,
    events,
    histogram_of,
    statistics,
)
from driftd.core.quality.expected import MOST_OUTSIDE as FAR
from driftd.core.quality.scores import tie_bound
from driftd.core.quality.scoring import BAD_SCORE, OTHER, Scoring
from driftd.core.quality.sums import SparseSums, merged
from driftd.core.quality.unlabelled import LEAST_EVENTS, MOST_OUTSIDE, Estimate
from driftd.core.text import plural
from driftd.learn.quality import estimate_of
from driftd.monitor.quality import HOUR, HOURS, History, Quality
from driftd.monitor.view import ModelView
from driftd.web.chart import Band, Line, TimeChart
from driftd.web.format import DAY, NBSP, number
from driftd.web.scales import Span

USUAL: Final = "reference"
TIMES: Final = (USUAL, "window", "hour", "day", "since")
"""Of what there are statistics: the reference, the last judged window, the last hour and 24 hours, and all that is
counted as it is now.
"""
HEADLINES: Final = ("accuracy", "auc", "mae")
"""Statistics that are drawn over time; the first that a model has stands for how right it is."""
MEANS: Final = ("precision_macro", "recall_macro", "f1_macro")
FEW_DAYS: Final = 4.0
"""Days known, below which a chart shows hours."""
MOST_CLASSES: Final = 20
"""Classes on a page, those with the most labels."""
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
class _Seen:
    """What is known of a model."""

    scoring: Scoring
    quality: Quality
    sums: Mapping[str, SparseSums]


def quality_of(m: ModelView) -> ModelQuality | None:
    """None where the model has no labels, or no reference yet."""
    seen = _seen(m)
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
    seen = _seen(m)
    if seen is None or "day" not in seen.sums:
        return None
    scoring, values = seen.scoring, {name: seen.sums[name].whole for name in ("day", USUAL) if name in seen.sums}
    known = {name: estimates(scoring, sums)[0] for name, sums in values.items()}
    first, value = statistics(scoring)[0], _quantity(known["day"])
    if value is None:
        return None
    usual = _quantity(known[USUAL]) if USUAL in known else None
    return SegmentQuality(first.name, first.title, value, usual, int(events(scoring, values["day"])), m.name)


def _seen(m: ModelView) -> _Seen | None:
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
    return _Seen(scoring, q, {name: s for name, s in sums.items() if s is not None and len(s)})


def _quantity(values: Floats) -> Quantity | None:
    value, low, high = (float(x) for x in values)
    if not isfinite(value):
        return None
    return Quantity(value, *(x if isfinite(x) else None for x in (low, high)))


def _line(place: int, s: Statistic, values: Mapping[str, Floats]) -> QualityLine:
    found = {name: q for name, each in values.items() if (q := _quantity(each[place])) is not None}
    return QualityLine(s.name, s.title, _BETTER[s.better], found)


def _classes(scoring: Scoring, sums: NDArray[np.int64] | None) -> Iterator[ClassQuality]:
    if sums is None or not scoring.classes:
        return
    each = of_classes(confusion_of(scoring, sums))
    for place in np.argsort(-each.support, kind="stable").tolist():
        three = (_quantity(x[place]) for x in (each.precision, each.recall, each.f1))
        yield ClassQuality(scoring.classes[place], int(each.support[place]), *three)


def _versions(seen: _Seen) -> Iterator[VersionQuality]:
    q, scoring = seen.quality, seen.scoring
    for name in sorted(q.total, key=lambda name: (name == OTHER, -q.seen.get(name, 0.0), name)):
        sums = q.total[name].whole
        found = estimates(scoring, sums)
        values = {s.name: v for i, s in enumerate(statistics(scoring)) if (v := _quantity(found[i])) is not None}
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


def _history(seen: _Seen) -> tuple[History, float]:
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


@dataclass(frozen=True, slots=True)
class Cell:
    """A value and its interval in words."""

    text: str
    interval: str


@dataclass(frozen=True, slots=True)
class QualityCard:
    """As the model's page shows it: ``rows`` of (title, cells), one cell for each of ``times``; ``few``: whether there
    are more classes.
    """

    quality: ModelQuality
    times: tuple[str, ...]
    rows: list[tuple[str, list[Cell]]]
    classes: list[tuple[str, int, list[Cell]]]
    few: bool
    versions: list[tuple[str, int, float | None, list[Cell]]]
    headlines: list[str]
    charts: list[Markup]


def quality_card(m: ModelView) -> QualityCard | None:
    q = quality_of(m)
    if q is None:
        return None
    shown = [line for line in q.lines if line.statistic not in MEANS or q.positive is None or len(q.classes) > 2]
    times = tuple(name for name in (USUAL, "window", "day", "since") if name in q.events)
    rows = [(line.title, [cell(line.statistic, line.values.get(name)) for name in times]) for line in shown]
    many = q.classes if len(q.classes) > 2 else []
    classes = [
        (c.name, c.labels, [cell("precision", c.precision), cell("recall", c.recall), cell("f1", c.f1)])
        for c in many[:MOST_CLASSES]
    ]
    heads = [line for line in shown if line.statistic in (*HEADLINES, "bias", "f1")]
    versions = [
        (v.version or "(none)", v.events, v.last, [cell(h.statistic, v.values.get(h.statistic)) for h in heads])
        for v in q.versions
    ]
    charts = [chart.svg_with_caption() for chart in _charts(q, shown) if not chart.empty]
    few = len(many) > MOST_CLASSES
    return QualityCard(q, times, rows, classes, few, versions, [h.title for h in heads], charts)


def _charts(q: ModelQuality, lines: list[QualityLine]) -> Iterator[TimeChart]:
    known = {line.statistic: line for line in lines}
    for series in q.series:
        if series.statistic not in known or len(q.times) < 2:
            continue
        line = known[series.statistic]
        times = np.array(q.times)
        value, low, high = (np.array(x, np.float64) for x in (series.values, series.low, series.high))
        usual = line.values.get(USUAL)
        ref = [] if usual is None else [Line(times, np.full(len(times), usual.value), "l-ref")]
        per = "an hour" if q.step_seconds < DAY else "a day"
        span = Span(times[0] - q.step_seconds / 2, times[-1] + q.step_seconds / 2)
        last = spelled(series.statistic, float(value[-1])) if isfinite(value[-1]) else ""
        drawn = [*ref, Line(times, value, "l-now", 3.1 * q.step_seconds)]
        yield TimeChart(
            line.title, f"{per}; shaded: its interval, dashed: the reference", f"{line.title}, {per}; last {last}",
            span, drawn, Band(times, low, high), last=last, height=90,
        )  # fmt: skip


def cell(statistic: str, q: Quantity | None) -> Cell:
    if q is None:
        return Cell("–", "")
    between = "" if q.low is None or q.high is None else f"{spelled(statistic, q.low)} to {spelled(statistic, q.high)}"
    return Cell(spelled(statistic, q.value), between)


_SHARES: Final = frozenset({"accuracy", "precision", "recall", "f1", *MEANS, "wape"})


def spelled(statistic: str, value: float) -> str:
    """``94.7 %`` of a share, else three digits."""
    if statistic not in _SHARES or not isfinite(value):
        return number(value)
    percent = 100 * value
    places = 1 if 0.1 <= percent <= 99.9 or percent in {0.0, 100.0} else 2
    return f"{percent:.{places}f}{NBSP}%"


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
    values = {name: q for name, row in each if (q := _quantity(row)) is not None}
    seen, said = _seen_first(m), values.get(found.statistics[0])
    apart = seen is not None and said is not None and _apart(said, seen)
    return EstimatedQuality(
        found.events, found.outside, values, apart, _estimated(found, values, seen if apart else None),
        "inputs" if found.statistics[0] == "mae" else "scores",
    )  # fmt: skip


def _seen_first(m: ModelView) -> Quantity | None:
    """The first statistic, by the labels of the last judged window."""
    seen = _seen(m)
    if seen is None or "window" not in seen.sums:
        return None
    return _quantity(estimates(seen.scoring, seen.sums["window"].whole)[0])


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
