"""A channel: its values over time beside what is usual, reference against now, statistics with their thresholds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from markupsafe import Markup

from driftd.core.finding import CHANGE, JUDGE, Status
from driftd.core.reference import Bins
from driftd.core.summary import FIRST_VALUE, MISSING, UNSEEN
from driftd.judge.natural.kinds import Kind as ChangeKind
from driftd.monitor import timeline as t
from driftd.monitor.view import ModelView, Snapshot
from driftd.web import words
from driftd.web.chart import Band, Line, Mark, TimeChart, bullet, pair
from driftd.web.facts import ChannelLine, channel_line, episodes
from driftd.web.format import large, number, share, times
from driftd.web.format import when as spell_when
from driftd.web.histogram import Histogram
from driftd.web.pages.frame import Request, render
from driftd.web.scales import LOG_FROM, Floats
from driftd.web.series import RANGES, Stretch, Usual, Values, column_of, summary_values, usual_of, versions_begun
from driftd.web.snapshot import ChannelView

BARS = 24
MOST_CATEGORIES = 12
QUANTILE_EVENTS = 40
"""Events of a point from which on its outer quantiles are drawn: two of 40 lie beyond each."""
UNSEEN_TITLE = "Values that the reference never saw"
_STATISTICS = {CHANGE: "size of the change"}
LONG_TAIL = 6.0
"""Distance of p95 from the median over that of p5, from which on a logarithm shows more."""


@dataclass(frozen=True, slots=True)
class Statistic:
    detector: str
    statistic: str
    threshold: str
    ratio: str
    status: str
    picture: Markup


@dataclass(frozen=True, slots=True)
class Category:
    label: str
    usual: float
    now: float
    picture: Markup


def page(request: Request, snapshot: Snapshot, m: ModelView, name: str) -> bytes | None:
    """None where the model has no such channel, or was not judged yet."""
    found = channel_line(m, name, snapshot)
    if found is None or m.judgement is None:
        return None
    line, view = found
    row, reference = view.row, m.judgement.reference
    stretch = Stretch.asked(request.get("range"), request.get("as_of"), snapshot.now, line.since)
    since = line.since
    hop = None if since is None else m.since(since)
    now = (m.judgement.window_start, m.judgement.window_end) if hop is None else (hop.start, hop.end)
    counts = (m.judgement.summary if hop is None else hop.summary).counts[row]
    usual, current = summary_values(m, row, since) if m.reader is not None else (np.full(t.WIDTH, np.nan),) * 2
    charts, hourly = _charts(m, view, line, stretch, snapshot)
    numeric = bool(reference.numeric[row])
    mine = [f for f in snapshot.findings if f.model == m.name and f.feature == name]
    return render(
        "channel.html",
        request,
        snapshot,
        m=m,
        line=line,
        view=view,
        reference=reference,
        stretch=stretch,
        ranges=RANGES,
        charts=[chart.svg_with_caption() for chart in charts],
        hourly=hourly,
        now_from=now[0],
        now_to=now[1],
        now_events=int(counts.sum()),
        histogram=_histogram(reference.bins[row], reference.summary.counts[row], counts, line, (usual, current))
        if numeric
        else None,
        numbers=list(_numbers(reference.bins[row], usual, current)) if numeric else [],
        categories=[] if numeric else _categories(view, counts),
        statistics=list(_statistics(view)),
        evidence=_evidence(view),
        past=[e for e in episodes(mine) if e.ended is not None][:10],
    )


def _charts(
    m: ModelView, view: ChannelView, line: ChannelLine, stretch: Stretch, snapshot: Snapshot
) -> tuple[list[TimeChart], bool]:
    if m.reader is None or m.reader.channels != m.timeline.channels:
        return [], False
    found = Values.of(m, stretch)
    grid = np.linspace(stretch.span.start, stretch.span.end, 200)
    usual = usual_of(m, view.row, grid)
    numeric = bool(view.judgement.reference.numeric[view.row])
    draw = _Drawing(m, view, line, stretch, found, usual, snapshot)
    made = [*(draw.numbers() if numeric else draw.categories()), draw.missing()]
    # first the one in which the change shows
    first = (
        {t.SHARE_MISSING: "Missing", t.SHARE_UNSEEN: UNSEEN_TITLE}.get(column_of(line.kind, numeric))
        if line.kind
        else ""
    )
    made.sort(key=lambda chart: chart.title != first)
    return [chart for chart in made if not chart.empty], usual.hourly


@dataclass(frozen=True, slots=True, eq=False)
class _Drawing:
    m: ModelView
    view: ChannelView
    line: ChannelLine
    stretch: Stretch
    found: Values
    usual: Usual
    snapshot: Snapshot

    def numbers(self) -> Iterator[TimeChart]:
        unit = "numbers as they come"
        if self.line.kind == ChangeKind.UNIT:
            yield self._chart("Typical size", "geometric mean of the numbers but 0", t.TYPICAL, height=130)
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
        yield self._chart("Mean", "dashed: the reference's", t.MEAN)

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
        spell = share if shares else partial(_spell, self.view.judgement.reference.bins[self.view.row])
        last = spell(float(known[-1])) if len(known) else "-"
        span = self.stretch.span
        marks = [Mark(at, f"version {words.name(v)}") for at, v in versions_begun(self.m, span)]
        if since is not None:
            marks.append(Mark(since, f"change {spell_when(since, now)}", "cp"))
        said = f"{title} of {self.line.channel}, {unit}: last {last}"
        return TimeChart(title, unit, said, span, lines, band, marks, last, height, shares)


def _spell(bins: Bins, value: float) -> str:
    """A number; where it lies beyond the reference's values, beyond which."""
    if math.isinf(value) and len(bins.edges):
        return f"> {number(float(bins.edges[-1]))}" if value > 0 else f"< {number(float(bins.edges[0]))}"
    return number(value)


def _numbers(bins: Bins, usual: Floats, now: Floats) -> Iterator[tuple[str, str, str, str]]:
    for name, column in (
        ("5 %", t.P5),
        ("median", t.P50),
        ("95 %", t.P95),
        ("mean", t.MEAN),
        ("typical size", t.TYPICAL),
    ):
        before, after = float(usual[column]), float(now[column])
        if math.isnan(before) and math.isnan(after):
            continue
        yield name, _spell(bins, before), _spell(bins, after), _factor(before, after)
    before, after = float(usual[t.SHARE_MISSING]), float(now[t.SHARE_MISSING])
    yield "missing", share(before), share(after), _points(before, after)


def _factor(before: float, after: float) -> str:
    if not (math.isfinite(before) and math.isfinite(after)):
        return ""
    if number(before) == number(after):
        return "same"
    if before > 0 and after > 0:
        factor = times(after / before)
        return "same" if factor == "1" else f"× {factor}"
    return f"{'+' if after > before else '-'} {number(abs(after - before))}"


def _points(before: float, after: float) -> str:
    if math.isnan(before) or math.isnan(after) or share(before) == share(after):
        return "same"
    return f"{'+' if after > before else '-'} {number(abs(after - before) * 100, 2)} points"


def _histogram(bins: Bins, before: Floats, after: Floats, line: ChannelLine, both: tuple[Floats, Floats]) -> Histogram:
    shares = [counts / max(counts.sum(), 1) for counts in (before, after)]
    medians = float(both[0][t.P50]), float(both[1][t.P50])
    p, q = (s[FIRST_VALUE : bins.used] for s in shares)
    apart = [("missing", float(shares[0][MISSING]), float(shares[1][MISSING]))]
    said = f"Histogram of {line.channel}: median {number(medians[0])} in the reference, {number(medians[1])} now"
    if bins.discrete and len(bins.edges) - 1 <= BARS:
        apart += [("below", float(p[0]), float(q[0]))] * bool(p[0] or q[0])
        apart += [("above", float(p[-1]), float(q[-1]))] * bool(p[-1] or q[-1])
        labels = [number(float(x)) for x in bins.edges[1:]]
        return Histogram("value", said, p[1:-1], q[1:-1], labels=labels, apart=apart)
    edges, log = _bars(bins)
    (old, *old_ends), (new, *new_ends) = (_spread(bins, x, edges) for x in (p, q))
    for label, x, y in zip((f"< {number(edges[0])}", f"> {number(edges[-1])}"), old_ends, new_ends, strict=True):
        apart += [(label, x, y)] * bool(x or y)
    return Histogram("value", said, old, new, edges=edges, log=log, apart=apart, medians=medians)


def _bars(bins: Bins) -> tuple[Floats, bool]:
    """Borders of bars of equal width over what the reference's values span, but for a tail longer than that."""
    edges = bins.edges
    low, high = float(edges[0]), float(edges[-1])
    middle, near, far = (float(edges[i]) for i in (len(edges) // 2, min(1, len(edges) - 1), max(len(edges) - 2, 0)))
    if near > 0 and far / near >= LOG_FROM and far - middle > LONG_TAIL * (middle - near):
        return np.geomspace(max(low, near / 10), min(high, far * 10), BARS + 1), True
    room = 0.5 * (far - near)
    return np.linspace(max(low, near - room), max(min(high, far + room), near - room + 1e-9), BARS + 1), False


def _spread(bins: Bins, shares: Floats, edges: Floats) -> tuple[Floats, float, float]:
    """Shares of the bins as shares of the bars, and what lies below and above them; within a bin evenly spread."""
    low, high = bins.edges[:-1], bins.edges[1:]
    if bins.discrete:
        low = high - np.maximum(np.abs(high), 1.0) * 1e-9
    cumulated = np.concatenate([[0.0], np.cumsum(shares[1:-1])])
    if bins.discrete:
        ends = np.ravel(np.column_stack([low, high]))
        steps = np.ravel(np.column_stack([cumulated[:-1], cumulated[1:]]))
    else:
        ends, steps = bins.edges, cumulated
    at = np.interp(edges, ends, steps)
    return np.diff(at), float(shares[0] + at[0]), float(shares[-1] + cumulated[-1] - at[-1])


def _categories(view: ChannelView, counts: Floats) -> list[Category]:
    """Those that moved most, and the most frequent ones, by the reference's frequency."""
    reference, row = view.judgement.reference, view.row
    before, after = (c / max(c.sum(), 1) for c in (reference.summary.counts[row], counts))
    used = int(reference.used[row])
    columns = [c for c in range(used) if before[c] or after[c]]
    most = sorted(columns, key=lambda c: -max(abs(after[c] - before[c]) * 3, before[c], after[c]))[:MOST_CATEGORIES]
    top = max((max(before[c], after[c]) for c in most), default=1.0)
    out = []
    for c in sorted(most, key=lambda c: (c in {MISSING, UNSEEN}, -before[c])):
        label, x, y = reference.label(row, c), float(before[c]), float(after[c])
        said = f"{words.name(label)}: usual {share(x)}, now {share(y)}"
        out.append(Category(label, x, y, pair(x, y, top, said)))
    return out


def _statistics(view: ChannelView) -> Iterator[Statistic]:
    for scores, row in view.every:
        if scores.detector == JUDGE:
            continue
        status = words.STATUS_WORDS[Status(int(scores.status[row]))]
        statistic, threshold, ratio = (float(x[row]) for x in (scores.statistic, scores.threshold, scores.ratio))
        known = ratio if math.isfinite(ratio) else None
        said = f"{scores.detector}: {times(ratio)} times its threshold"
        css = status if status in {"page", "ticket"} else ""
        yield Statistic(
            _STATISTICS.get(scores.detector, scores.detector), number(statistic), number(threshold), times(ratio),
            status, bullet(known, said, css),
        )  # fmt: skip


def _evidence(view: ChannelView) -> str:
    """The judge's evidence over its threshold A, in words; "" where it keeps none."""
    if view.evidence is None:
        return ""
    scores, row = view.evidence
    s, a = (float(np.expm1(min(float(x[row]), 700.0))) for x in (scores.statistic, scores.threshold))
    return f"{times(s / max(a, 1e-300))} × A; without drift, A = {large(a)} events pass before it is reached once"
