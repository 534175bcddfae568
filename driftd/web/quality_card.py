"""How right a model is, as its page shows it: statistics in words, and charts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np
from markupsafe import Markup

from driftd.monitor.view import ModelView
from driftd.web.chart import Band, Line, TimeChart
from driftd.web.format import DAY, NBSP, number
from driftd.web.quality import HEADLINES, MEANS, USUAL, ModelQuality, QualityLine, Quantity, quality_of
from driftd.web.scales import Span

MOST_CLASSES: Final = 20
"""Classes on a page, those with the most labels."""


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
