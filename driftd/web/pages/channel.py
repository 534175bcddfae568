"""A channel: its values over time beside what is usual, reference against now, statistics with their thresholds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from driftd.core.finding import CHANGE, JUDGE, Status
from driftd.core.pane_block import Counts
from driftd.core.reference import Bins
from driftd.core.slice import Slice
from driftd.core.summary import FIRST_VALUE, MISSING, UNSEEN
from driftd.monitor import timeline as t
from driftd.monitor.view import ModelView, Snapshot
from driftd.web import words
from driftd.web.acts import act_lines
from driftd.web.chart import bullet, pair, pixels
from driftd.web.episodes import episodes
from driftd.web.facts import ChannelLine, channel_line, silence_in_words, silence_status
from driftd.web.format import large, number, share, times, with_unit
from driftd.web.histogram import Histogram
from driftd.web.pages.frame import Request, render
from driftd.web.pages.values import charts_of, spell_mean, spell_value, usual_and_now
from driftd.web.scales import LOG_FROM, Floats
from driftd.web.series import RANGES, Stretch, now_of, summary_values
from driftd.web.sizes import size_chart, sizes_of
from driftd.web.snapshot import ChannelView

BARS = 24
MOST_BEYOND = 56
"""Pixels of the name of a bar beside the others: a fifth of a phone's width."""
MOST_CATEGORIES = 12
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
    now = now_of(m, row, since)
    counts = now.counts
    usual, current = summary_values(m, row, now) if m.reader is not None else (np.full(t.WIDTH, np.nan),) * 2
    charts, hourly = charts_of(m, view, line, stretch, snapshot)
    sizes = sizes_of(m, row, since, stretch, line.kind)
    sized = None if sizes is None else size_chart(sizes, line, stretch, snapshot.now)
    numeric = bool(reference.numeric[row])
    mine = [f for f in snapshot.findings if f.model == m.name and f.feature == name]
    return render(
        "channel.html",
        request,
        snapshot,
        m=m,
        line=line,
        beside=usual_and_now(m, row, line.kind, line.usual, since, snapshot.now, line.unit or ""),
        silent=silence_in_words(m, snapshot.now),
        silence_status=silence_status(m),
        part=Slice(m.name).part,
        reference=reference,
        stretch=stretch,
        ranges=RANGES,
        charts=[chart.svg_with_caption() for chart in charts],
        hourly=hourly,
        sizes=None if sized is None or sized.empty else sized.svg_with_caption(),
        came=now,
        now_events=int(counts.sum()),
        histogram=_histogram(reference.bins[row], reference.summary.counts[row], counts, line, (usual, current))
        if numeric
        else None,
        numbers=list(_numbers(reference.bins[row], usual, current)) if numeric else [],
        quantiles=any(chart.band is not None for chart in charts),
        categories=[] if numeric else _categories(view, counts),
        statistics=list(_statistics(view)),
        evidence=_evidence(view),
        acts=[act for act in act_lines(m) if not act.channels or name in act.channels],
        past=[e for e in episodes(mine) if e.ended is not None][:10],
    )


def _numbers(bins: Bins, usual: Floats, now: Floats) -> Iterator[tuple[str, str, str, str]]:
    for name, column in (
        ("5 %", t.P5),
        ("median", t.P50),
        ("95 %", t.P95),
        ("mean", t.MEAN),
        ("typical size", t.TYPICAL),
    ):
        before, after = float(usual[column]), float(now[column])
        if (math.isnan(before) and math.isnan(after)) or (column == t.TYPICAL and math.isnan(before + after)):
            continue  # nobody counts the typical size of a window
        told, factor = spell_value(bins, after), _factor(before, after)
        if column == t.MEAN:
            told = spell_mean(bins, after, float(now[t.TYPICAL]))
            factor = factor.replace("× ", "× over ") if told.startswith(">") else factor
        yield name, spell_value(bins, before), told, factor
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


def _histogram(bins: Bins, before: Counts, after: Counts, line: ChannelLine, both: tuple[Floats, Floats]) -> Histogram:
    shares = [counts / max(counts.sum(), 1) for counts in (before, after)]
    medians = float(both[0][t.P50]), float(both[1][t.P50])
    p, q = (s[FIRST_VALUE : bins.used] for s in shares)
    apart = [("missing", float(shares[0][MISSING]), float(shares[1][MISSING]))]
    usual, now = (with_unit(number(median), line.unit) for median in medians)
    said = f"Histogram of {line.channel}: median {usual} in the reference, {now} now"
    if bins.discrete and len(bins.edges) - 1 <= BARS:
        apart += [("below", float(p[0]), float(q[0]))] * bool(p[0] or q[0])
        apart += [("above", float(p[-1]), float(q[-1]))] * bool(p[-1] or q[-1])
        labels = [number(float(x)) for x in bins.edges[1:]]
        return Histogram("value", said, p[1:-1], q[1:-1], labels=labels, apart=apart)
    edges, log = _bars(bins)
    (old, *old_ends), (new, *new_ends) = (_spread(bins, x, edges) for x in (p, q))
    beyond = (f"< {number(edges[0])}", f"> {number(edges[-1])}")
    short = max(map(pixels, beyond)) <= MOST_BEYOND
    for label, x, y in zip(beyond if short else ("below", "above"), old_ends, new_ends, strict=True):
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


def _categories(view: ChannelView, counts: Counts) -> list[Category]:
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
