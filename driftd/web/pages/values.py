"""The charts of a channel: its values over time beside what is usual then."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from driftd.core.channel import Role
from driftd.core.reference import Bins
from driftd.core.text import when
from driftd.judge.natural.kinds import Kind as ChangeKind
from driftd.monitor import timeline as t
from driftd.monitor.view import ModelView, Snapshot
from driftd.web import words
from driftd.web.chart import Band, Line, Mark, TimeChart
from driftd.web.facts import ChannelLine
from driftd.web.format import number, share, with_unit
from driftd.web.scales import Span
from driftd.web.series import Stretch, Usual, Values, column_of, grid_of, usual_of, versions_begun
from driftd.web.snapshot import ChannelView

QUANTILE_EVENTS = 40
"""Events of a point from which on its outer quantiles are drawn: two of 40 lie beyond each."""
FAILED_TITLE = "Requests that fail"
UNSEEN_TITLE = "Values that the reference never saw"


def charts_of(
    m: ModelView, view: ChannelView, line: ChannelLine, stretch: Stretch, snapshot: Snapshot
) -> tuple[list[TimeChart], bool]:
    if m.reader is None or m.reader.channels != m.timeline.channels:
        return [], False
    found = Values.of(m, stretch)
    usual = usual_of(m, view.row, grid_of(stretch, found.step), found.step)
    numeric = bool(view.judgement.reference.numeric[view.row])
    draw = _Drawing(m, view, line, stretch, found, usual, snapshot)
    made = [*(draw.numbers() if numeric else draw.categories())]
    if view.role is not Role.ERROR:  # an event has failed or not: that is never missing
        made.append(draw.missing())
    first = _first(line.kind, numeric=numeric)
    made.sort(key=lambda chart: chart.title != first)
    return [chart for chart in made if not chart.empty], usual.hourly


def _first(kind: str | None, *, numeric: bool) -> str:
    """The title of the chart in which a change of that kind shows best; "" where all do."""
    if kind == ChangeKind.ERRORS:
        return "Mean"
    titles = {t.SHARE_MISSING: "Missing"} if numeric else {t.SHARE_MISSING: "Missing", t.SHARE_UNSEEN: UNSEEN_TITLE}
    return titles.get(column_of(kind, numeric), "") if kind else ""


@dataclass(frozen=True, slots=True, eq=False)
class _Drawing:
    m: ModelView
    view: ChannelView
    line: ChannelLine
    stretch: Stretch
    found: Values
    usual: Usual
    snapshot: Snapshot

    @property
    def measured(self) -> str:
        """In what the channel's numbers are, "" where nobody says."""
        return self.line.unit or ""

    def numbers(self) -> Iterator[TimeChart]:
        unit = self.measured or "numbers as they come"
        in_words = f"{self.measured}; " if self.measured else ""
        if self.line.kind == ChangeKind.UNIT:
            yield self._chart("Typical size", f"{in_words}geometric mean of the numbers but 0", t.TYPICAL, height=130)
        if self.view.role is Role.ERROR:  # 0 or 1: quantiles say nothing
            yield self._chart(FAILED_TITLE, "share of the events; dashed: the reference's", t.MEAN, shares=True)
            return
        usual = self.usual.columns
        band = Band(self.usual.times, usual[t.P5], usual[t.P95])
        enough = self.found.totals[:, t.EVENTS] >= QUANTILE_EVENTS
        outer = [replace(o, values=np.where(enough, o.values, np.nan)) for o in map(self._outer, (t.P5, t.P95))]
        yield self._chart(
            "Median, and 5 to 95 %",
            f"{unit}; grey: 5 to 95 % of the reference",
            t.P50,
            band=band,
            more=outer,
            height=150,
        )
        yield self._chart("Mean", f"{in_words}dashed: the reference's", t.MEAN)

    def categories(self) -> Iterator[TimeChart]:
        labels = self.view.judgement.reference.bins[self.view.row].categories[: t.TOP]
        for i, label in enumerate(labels):
            yield self._chart(
                f"{words.name(label)}", "share of the values; dashed: usual", t.FIRST_SHARE + i, shares=True, height=74
            )
        yield self._chart(UNSEEN_TITLE, "share of the values", t.SHARE_UNSEEN, shares=True, height=74)

    def missing(self) -> TimeChart:
        return self._chart("Missing", "share of the events; dashed: usual", t.SHARE_MISSING, shares=True, height=74)

    def _outer(self, column: int) -> Line:
        return self._line(column, "l-soft")

    def _line(self, column: int, css: str) -> Line:
        values = self.found.values[:, self.view.row, column]
        return Line(self.found.times, values, css, self.found.gap(self.snapshot.pane_seconds))

    def _chart(
        self, title: str, unit: str, column: int, *, band: Band | None = None, more: Sequence[Line] = (),
        shares: bool = False, height: int = 110,
    ) -> TimeChart:  # fmt: skip
        whole = self._line(column, "l-ink")
        lines: list[Line] = [*more]
        if (band is None and column in self.usual.columns) or band is not None:
            lines.append(Line(self.usual.times, self.usual.columns[column], "l-ref"))
        lines.append(whole)
        since, now = self.line.since, self.snapshot.now
        if since is not None:
            half = self.found.step / 2
            lines.append(
                Line(whole.times, np.where(whole.times + half >= since, whole.values, np.nan), "l-now", whole.gap)
            )
        known = whole.values[~np.isnan(whole.values)]
        bins = self.view.judgement.reference.bins[self.view.row]
        spell = share if shares else partial(spell_value, bins, unit=self.measured)
        last = spell(float(known[-1])) if len(known) else "-"
        if column == t.MEAN and len(known) and not shares:
            sizes = self.found.values[~np.isnan(whole.values), self.view.row, t.TYPICAL]
            last = spell_mean(bins, float(known[-1]), float(sizes[-1]), self.measured)
        span, limits = self.stretch.span, [] if shares else self._ends(whole)
        marks = [Mark(at, f"version {words.name(v)}") for at, v in versions_begun(self.m, span)]
        if since is not None:
            marks.append(Mark(since, f"change {when(since, now)}", "cp"))
        said = f"{title} of {self.line.channel}, {unit}: last {last}"
        return TimeChart(title, unit, said, span, lines, band, marks, last, height, shares, limits=limits)

    def _ends(self, line: Line) -> list[tuple[float, str, str]]:
        """Where the reference's values end, if some lie beyond."""
        edges = self.view.judgement.reference.bins[self.view.row].edges
        ends = ((np.inf, edges[-1], "greatest"), (-np.inf, edges[0], "least")) if len(edges) else ()
        return [
            (float(edge), f"the reference's {word}: {with_unit(number(float(edge)), self.measured)}", "ref")
            for beyond, edge, word in ends
            if (line.values == beyond).any()
        ]


def spell_value(bins: Bins, value: float, unit: str = "") -> str:
    """A number; where it lies beyond the reference's values, beyond which."""
    if math.isinf(value) and len(bins.edges):
        beyond = f"> {number(float(bins.edges[-1]))}" if value > 0 else f"< {number(float(bins.edges[0]))}"
        return with_unit(beyond, unit)
    return with_unit(number(value), unit)


def usual_and_now(
    m: ModelView, row: int, kind: str | None, usual: float | None, since: float | None, end: float, unit: str = ""
) -> str:
    """``typical size 20.9 → 2,030`` of another unit: a factor alone says nothing of the values that came. ``usual`` is
    that of the sentence; now all that came from ``since`` to the ``end``, whatever range a page shows.
    """
    if kind != ChangeKind.UNIT or since is None or usual is None:
        return ""
    found = Values.of(m, Stretch(Span(since, end), "", None))
    if row >= found.values.shape[1]:
        return ""
    values = found.values[found.times >= since, row, t.TYPICAL]
    known = values[np.isfinite(values)]
    return f"typical size {number(usual)} → {with_unit(number(float(np.median(known))), unit)}" if len(known) else ""


def spell_mean(bins: Bins, mean: float, typical: float, unit: str = "") -> str:
    """A mean; "> 761" where numbers of the ``typical`` size were too far out to count as what they are: no mean is less
    than the geometric one.
    """
    more = "> " if typical > abs(mean) and mean > 0 else ""
    return more + spell_value(bins, mean, unit)
