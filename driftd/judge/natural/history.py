"""What a growing reference remembers: its hours, so that natural variation can be learned anew when it is longer.

    ticks  |..|..|..|     as natural.step cuts them
    hours  |--------|     of ticks: at least an hour and 50 events; those of past days are packed

The largest g of each rate within an hour is kept beside the sums: a burst of minutes does not show in an hour's sums.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.judge.natural.changes import CHANGES
from driftd.judge.natural.features import FEATURES, Layout
from driftd.judge.natural.learned import FAST, FastLearned
from driftd.judge.natural.runs import Runs, borders, cut, joined

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Bools = NDArray[np.bool_]

HOUR: Final = 3600.0
"""Least seconds of an hour. Chosen: windows of two hours are two of them, and 28 days are 672."""
HOUR_EVENTS: Final = 50
"""Least events of an hour. Chosen: as of a hop (learned.SCALES)."""
MOMENTS: Final = 2
"""Columns of Summary.moments, which an hour holds last. Derived."""
DAY: Final = 86_400.0
"""Seconds of a day, UTC, whose hours are packed together. Derived."""

_RATES: Final = tuple(change for change, _, _ in FAST)
"""Derived: the changes that a CUSUM watches."""
_PLACES: Final = np.array([_RATES.index(c) if c in _RATES else -1 for c in CHANGES])
"""Derived: the place of each of CHANGES among them, -1 for none."""


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Runs whose sums, int64 of ``shape``, are compressed by zlib."""

    start: Floats
    end: Floats
    events: Counts
    shape: tuple[int, int, int]
    sums: bytes

    @classmethod
    def of(cls, runs: Runs) -> Self:
        k, channels, columns = runs.sums.shape
        return cls(runs.start, runs.end, runs.events, (k, channels, columns), _pack(runs.sums))

    def runs(self) -> Runs:
        sums = np.frombuffer(zlib.decompress(self.sums), np.int64).reshape(self.shape)
        return Runs(self.start, self.end, self.events, sums)


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """What began on one day, UTC: ``hours``, their ``peaks`` (compressed as well) and ``cells``, as in History."""

    hours: Packed
    peaks: bytes
    cells: Packed


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """``hours`` of the last day, sums int64[k, channels, FEATURES + width + MOMENTS]; ``peaks`` float64[k, channels,
    len(FAST)] their largest g in nats. ``waiting``: what is no whole hour yet, and ``peak`` its largest g. ``cells``:
    of relations, as natural.step keeps them.
    """

    days: tuple[Day, ...]
    hours: Runs
    peaks: Floats
    waiting: Runs
    peak: Floats
    cells: Runs

    @classmethod
    def start(cls, channels: int, width: int, related: int) -> Self:
        none, peaks = Runs.empty(channels, FEATURES + width + MOMENTS), np.zeros((0, channels, len(FAST)))
        return cls((), none, peaks, none, peaks, Runs.empty(related, 2))

    def add(self, ticks: Runs, peaks: Floats, cells: Runs) -> History:
        """``ticks`` with sums as in ``hours``; ``peaks`` float64[ticks, channels, len(FAST)]; any split will do."""
        at = borders(joined([self.waiting, ticks]).times, HOUR, HOUR_EVENTS)
        new, waiting = cut(self.waiting, ticks, HOUR, HOUR_EVENTS)
        first, stop, top = np.array(at[:-1], np.intp), at[-1], np.concatenate([self.peak, peaks])
        tops = np.maximum.reduceat(top[:stop], first, axis=0) if len(first) else top[:0]
        peak = top[stop:].max(axis=0, keepdims=True) if stop < len(top) else top[:0]
        hours, tops = joined([self.hours, new]), np.concatenate([self.peaks, tops])
        after = replace(self, hours=hours, peaks=tops, waiting=waiting, peak=peak, cells=joined([self.cells, cells]))
        return _packed(after)

    def whole(self, left_out: Floats, related: Counts) -> tuple[Runs, Floats, Runs]:
        """All hours, their peaks, and all cells. ``left_out`` float64[k, 3]: a channel, and from when to when its hours
        are as if it did not apply; of a channel of ``related``, no cells are there.
        """
        hours = joined([*(day.hours.runs() for day in self.days), self.hours])
        peaks = np.concatenate([*(_peaks(day) for day in self.days), self.peaks])
        cells = joined([*(day.cells.runs() for day in self.days), self.cells])
        for row, start, end in left_out.tolist():
            over = ~_outside(hours, start, end)
            hours.sums[over, int(row)], peaks[over, int(row)] = 0, 0.0
            if row in related:
                cells = _at(cells, _outside(cells, start, end))
        return hours, peaks, cells


def peaks_of(fast: FastLearned, channels: int, g: Floats) -> Floats:
    """``g`` float64[ticks, rules] as float64[ticks, channels, len(FAST)]; 0 where there is no rule."""
    out = np.zeros((len(g), channels, len(FAST)))
    out[:, fast.rules.channel, _PLACES[fast.change]] = g
    return out


def peaks_of_rules(peaks: Floats, channel: NDArray[np.intp], change: NDArray[np.intp]) -> Floats:
    """The inverse, of the rules of ``change`` (places in CHANGES) of ``channel``: float64[k, rules]."""
    out: Floats = peaks[:, channel, _PLACES[change]]
    return out


def hours_of(layout: Layout, ticks: Runs) -> Runs:
    """Ticks as they come in, columns of Summary.counts, FaultCounters and Summary.moments, with the sums of hours."""
    parts = [layout.features(ticks.sums), ticks.sums[:, :, : layout.width], ticks.sums[:, :, -MOMENTS:]]
    return Runs(ticks.start, ticks.end, ticks.events, np.concatenate(parts, axis=2))


def _pack(values: NDArray[np.int64] | Floats) -> bytes:
    return zlib.compress(np.ascontiguousarray(values).tobytes())


def _packed(history: History) -> History:
    """With the days that are over compressed: those before the day of the last hour."""
    number = np.floor_divide(history.hours.start, DAY)
    if not len(number) or number[0] == number[-1]:
        return history
    days, hours, peaks, cells = [*history.days], history.hours, history.peaks, history.cells
    for day in np.unique(number)[:-1].tolist():
        n = int(np.searchsorted(hours.start, (day + 1) * DAY))
        m = int(np.searchsorted(cells.start, (day + 1) * DAY))
        days.append(Day(Packed.of(hours.part(slice(n))), _pack(peaks[:n]), Packed.of(cells.part(slice(m)))))
        hours, peaks, cells = hours.part(slice(n, None)), peaks[n:], cells.part(slice(m, None))
    return replace(history, days=tuple(days), hours=hours, peaks=peaks, cells=cells)


def _peaks(day: Day) -> Floats:
    hours, channels, _ = day.hours.shape
    return np.frombuffer(zlib.decompress(day.peaks), np.float64).reshape(hours, channels, len(FAST))


def _outside(runs: Runs, start: float, end: float) -> Bools:
    return (runs.end <= start) | (runs.start >= end)


def _at(runs: Runs, kept: Bools) -> Runs:
    return Runs(runs.start[kept], runs.end[kept], runs.events[kept], runs.sums[kept])
