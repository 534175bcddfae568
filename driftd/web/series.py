"""What a channel was over a stretch of time, and what is usual then: arrays for charts and for the API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, MISSING
from driftd.judge.natural.kinds import Kind
from driftd.judge.natural.moments import Moments
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.slots import HOUR_SECONDS, UNITS, slot_of
from driftd.monitor import timeline as t
from driftd.monitor.since import Since, sums_of
from driftd.monitor.view import ModelView
from driftd.web.format import DAY, read_time
from driftd.web.scales import Floats, Span

RANGES: Final = {"1h": 3600.0, "6h": 6 * 3600.0, "48h": 2 * DAY, "7d": 7 * DAY, "30d": 30 * DAY, "1y": 366 * DAY}
FINEST: Final = (6 * 3600.0, 3 * DAY, 31 * DAY)
"""Longest ranges that are shown by the steps of a timeline, but for the last."""
LEAST_SECONDS: Final = 5400.0
AGES: Final = 3.0
"""With an open change the page shows so many times its age."""
LEAST_GRID: Final = 200
MOST_GRID: Final = 900
_WEEK: Final = 168
_MONDAY: Final = 4 * 24
"""1 January 1970 was a Thursday."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is looked at: ``span``; ``name`` of the range ("" for one that follows from the open change); ``as_of`` as
    it was asked for, None for now.
    """

    span: Span
    name: str
    as_of: float | None

    @classmethod
    def asked(cls, name: str, as_of: str, now: float, since: float | None) -> Stretch:
        """From the address, of which driftd.web.query has refused what makes no sense."""
        at = read_time(as_of) if as_of else None
        end = now if at is None else at
        if name in RANGES:
            return cls(Span(end - RANGES[name], end), name, at)
        if since is None or not since < end:
            return cls(Span(end - DAY, end), "", at)
        seconds = min(max(AGES * (end - since), LEAST_SECONDS), RANGES["1y"])
        return cls(Span(end - seconds, end), "", at)

    @property
    def seconds(self) -> float:
        return self.span.end - self.span.start


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """Points of one stretch: ``times`` the middle of each, ``step`` its seconds; arrays as in monitor.timeline."""

    step: float
    times: Floats
    totals: Floats
    values: Floats

    @classmethod
    def of(cls, m: ModelView, stretch: Stretch) -> Values:
        """Of all channels, as fine as the range needs and as the points reach."""
        start, end = stretch.span.start, stretch.span.end
        wanted = next((i for i, most in enumerate(FINEST) if stretch.seconds <= most), len(t.STEPS) - 1)
        for step in range(wanted, len(t.STEPS)):
            points = m.timeline.points(step, m.reader)
            if step + 1 == len(t.STEPS) or (len(points) and points.numbers[0] * t.STEPS[step] <= start):
                break
            coarser = m.timeline.levels[step + 1]
            older = next((p.numbers[0] for p in (coarser.sealed, coarser.tail) if len(p)), None)
            if older is None or (len(points) and (older + 1) * t.STEPS[step + 1] >= points.numbers[0] * t.STEPS[step]):
                break  # the next step reaches no further back
        seconds = t.STEPS[step]
        part = points.part(int(start // seconds), int(end // seconds) + 1)
        times = np.asarray((part.numbers + 0.5) * seconds, np.float64)
        return cls(seconds, times, part.totals.astype(np.float64), part.values.astype(np.float64))

    def gap(self, pane_seconds: float) -> float:
        """Seconds between two points from which on a line is broken: something usually comes more often."""
        usual = float(np.median(np.diff(self.times))) if len(self.times) > 1 else 0.0
        return max(1.6 * max(self.step, pane_seconds), 3.1 * usual)

    @property
    def events_per_second(self) -> Floats:
        return self.totals[:, t.EVENTS] / self.step


@dataclass(frozen=True, slots=True, eq=False)
class Usual:
    """What the reference says of a channel at some times: quantiles of numbers, shares of categories; float64[n] each.
    ``hourly``: whether hours differ in it.
    """

    times: Floats
    columns: dict[int, Floats]
    hourly: bool


def usual_of(m: ModelView, row: int, times: Floats, step: float) -> Usual:
    """By hour of the week where that is known, by hour of the day, or the same at all times; of points that are days
    always the same.
    """
    assert m.reader is not None
    assert m.judgement is not None
    reference = m.judgement.reference
    counts, slot, hourly = _hours(m, reference, row, times, step)
    values = counts[:, FIRST_VALUE:]
    whole = np.maximum(values.sum(axis=1), 1e-300)
    missing = reference.summary.counts[row, MISSING] / max(int(reference.summary.channel_events[row]), 1)
    columns = {t.SHARE_MISSING: np.full(len(times), missing)}
    if reference.numeric[row]:
        one = np.array([row])
        for column, value in zip(t.OF_QUANTILES, m.reader.numbers.quantiles(values[:, None, :], one), strict=True):
            columns[column] = value[:, 0][slot]
        columns[t.MEAN] = np.full(len(times), _mean(m, row))
    else:
        columns[t.SHARE_UNSEEN] = np.zeros(len(times))
        for top in range(len(m.reader.labels[row])):
            columns[t.FIRST_SHARE + top] = (values[:, top] / whole)[slot]
    return Usual(times, columns, hourly)


def grid_of(stretch: Stretch, step: float) -> Floats:
    """Times at which the usual is drawn: each hour in what is longer than some days."""
    points = min(max(int(stretch.seconds // max(step, HOUR_SECONDS)), LEAST_GRID), MOST_GRID)
    return np.linspace(stretch.span.start, stretch.span.end, points + 1)


def _hours(
    m: ModelView, reference: Reference, row: int, times: Floats, step: float
) -> tuple[Floats, NDArray[np.intp], bool]:
    """Counts float64[slots, width] of the channel and the slot of each time."""
    if step >= DAY:
        return reference.summary.counts[row][None].astype(np.float64), np.zeros(len(times), np.intp), False
    if reference.slots is not None:
        hours = np.floor_divide(times, HOUR_SECONDS).astype(np.intp)
        return reference.slots.counts[:, row].astype(np.float64), (hours - _MONDAY) % _WEEK, True
    if m.hours is not None and m.hours.shares.shape[1:] == reference.summary.counts.shape:
        slots = len(m.hours.shares)
        runs = Runs(times, times, np.zeros(len(times), np.int64), np.zeros((len(times), 0, 0), np.int64))
        return m.hours.shares[:, row] / UNITS, slot_of(runs, slots), slots > 1
    return reference.summary.counts[row][None].astype(np.float64), np.zeros(len(times), np.intp), False


def _mean(m: ModelView, row: int) -> float:
    assert m.judgement is not None
    return float(summary_values(m, row, now_of(m, row, None))[0][t.MEAN])


def now_of(m: ModelView, row: int, since: float | None) -> Since:
    """What came of a channel since its open change, else in the last window."""
    j = m.judgement
    assert j is not None
    found = None if since is None else m.since(row, since)
    if found is not None:
        return found
    return Since(j.window_start, j.window_end, sums_of(j.summary.counts[row], j.summary.moments[row]))


def summary_values(m: ModelView, row: int, now: Since) -> tuple[Floats, Floats]:
    """The columns of monitor.timeline of a channel's reference, and of ``now``."""
    assert m.judgement is not None
    assert m.reader is not None
    reference = m.judgement.reference
    usual = sums_of(reference.summary.counts[row], reference.summary.moments[row])
    sums = np.zeros((2, len(m.reader.channels), len(usual)), np.int64)
    sums[:, row] = usual, now.sums
    before, after = m.reader.values(sums)[:, row].astype(np.float64)
    if reference.numeric[row] and m.reader.sizer is not None:
        before[t.TYPICAL] = np.exp(Moments.usual(reference, m.reader.sizer.learned).log[row])
    return before, after


def column_of(kind: str | None, numeric: bool) -> int:
    """The column in which a change of that kind shows."""
    if kind in {Kind.MISSING, Kind.REFUSED}:
        return t.SHARE_MISSING
    if not numeric:
        return t.SHARE_UNSEEN if kind in {Kind.NEW_VALUE, Kind.RENAMED, Kind.RANGE} else t.FIRST_SHARE
    if kind == Kind.LATENCY_P99:
        return t.P95  # as near as values over time have it
    return t.TYPICAL if kind == Kind.UNIT else t.P50 if kind in {Kind.FROZEN, Kind.LATENCY_P50} else t.MEAN


def halved(times: Floats, values: Floats, span: Span, parts: int = 48) -> tuple[Floats, Floats]:
    """Means of those of ``parts`` equal pieces of the span that have a value, and the middles of these."""
    size = (span.end - span.start) / parts
    place = np.floor_divide(times - span.start, size).astype(np.intp)
    known = np.isfinite(values) & (place >= 0) & (place < parts)
    total = np.bincount(place[known], values[known], parts)
    count = np.bincount(place[known], minlength=parts)
    there = np.flatnonzero(count)
    return np.asarray(span.start + (there + 0.5) * size, np.float64), total[there] / count[there]


Small = tuple[Floats, Floats]
"""Times and values of a small picture."""


def day_spark(m: ModelView, row: int, column: int, now: float) -> tuple[Small, Small, Span]:
    """One channel's column and the events a second over the last 24 hours, in 48 pieces at the most."""
    span, step = Span(now - DAY, now), t.STEPS[1]
    points = m.timeline.recent(1, int(span.start // step), row)
    times = np.asarray((points.numbers + 0.5) * step, np.float64)
    values = points.values[:, 0, column].astype(np.float64) if points.values.shape[1] else np.full(len(times), np.nan)
    events = points.totals[:, t.EVENTS].astype(np.float64) / step
    return halved(times, values, span), halved(times, events, span), span


def versions_begun(m: ModelView, span: Span) -> Iterator[tuple[float, str]]:
    """Versions that began within the span, but for the first of all."""
    first = min(m.started.values(), default=np.inf)
    for version, at in sorted(m.started.items(), key=lambda item: item[1]):
        if at > first and span.start <= at <= span.end:
            yield at, version
