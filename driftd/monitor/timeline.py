"""What each channel was over time, for people: minutes, hours and days beside each other, bounded.

panes    | | | | | | | | |    added up by minute: whole numbers, so any split of the panes gives the same
minute   [       ][       ]   when the next one begins: shares, mean and quantiles, of all channels in one call
10 min   [                    takes the sums of minutes that are over; hours take theirs, days those of hours
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.bin_values import BinValues
from driftd.core.fault_counters import COLUMNS, LOG_UNIT, LOGS, NONZERO
from driftd.core.objective import USUAL, Objective
from driftd.core.pane_block import MOMENTS, PaneBlock, merge
from driftd.core.reference import Reference
from driftd.core.summary import (
    FIRST_VALUE,
    LATENCY_BINS,
    MISSING,
    UNSEEN,
    latency_of,
)
from driftd.monitor.sizes import NOTHING, Sizer

Floats = NDArray[np.float64]
Float32s = NDArray[np.float32]
Counts = NDArray[np.int64]

STEPS: Final = (60.0, 600.0, 3600.0, 86_400.0)
"""Seconds of a point; each is a multiple of the one before."""
MOST: Final = (390, 450, 780, 400)
"""Points of each step that are kept: 6 hours, 3 days, a month, a year, and some more for who looks later."""
BATCH: Final = 8
"""Points that move together from ``tail`` to ``sealed``, which a checkpoint writes once. Derived: with a checkpoint
every 10 s, 8 to 16 minutes make the least to write of both."""

SHARE_MISSING: Final = 0
"""Of the events that the channel applies to."""
MEAN: Final = 1
"""Numbers: of values clipped at 32 standard deviations of the reference (core.summary.MOMENT_CLIP)."""
P5: Final = 2
P50: Final = 3
P95: Final = 4
"""Numbers: quantiles, interpolated in the reference's bins. Infinite where they lie beyond the reference's values."""
OF_QUANTILES: Final = (P5, P50, P95)
"""Columns of core.bin_values.QUANTILES."""
TYPICAL: Final = 5
"""Numbers: the typical size, a geometric mean of |x|; NaN where most are 0, or nobody counts logarithms."""
SHARE_UNSEEN: Final = 1
"""Categories: of the values."""
FIRST_SHARE: Final = 2
"""Categories: shares of the values that are the reference's most frequent ones."""
TOP: Final = 4
"""So many of them."""
WIDTH: Final = 6
"""Columns of a channel."""
EVENTS: Final = 0
LATENCY_P50: Final = 1
LATENCY_P99: Final = 2
"""Columns of ``Points.totals``: seconds, NaN where nobody measures latencies."""
FAILED: Final = 3
TIMED: Final = 4
SLOW: Final = 5
"""Events that failed; whose latency is known; that were slow by the objective that the model had then."""
TOTALS: Final = 6
SIZED_FROM: Final = STEPS[1]
"""Seconds of a point from which on the size of its largest change is kept: a minute holds too few events."""
_COUNTS: Final = [EVENTS, FAILED, TIMED, SLOW]

_LATENCIES: Final = np.array([latency_of(i) for i in range(LATENCY_BINS)])


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """``numbers`` int64[n], ascending: the time over the step; ``totals`` float32[n, TOTALS] of the model, ``values``
    float32[n, channels, WIDTH], by the columns above; NaN where there was nothing. ``sizes`` float16[n, channels] and
    ``largest`` int8[n, channels] as monitor.sizes has them; [n, 0] of points shorter than SIZED_FROM.
    """

    numbers: Counts
    totals: Float32s
    values: Float32s
    sizes: NDArray[np.float16]
    largest: NDArray[np.int8]

    @classmethod
    def of(cls, numbers: Counts, totals: Float32s, values: Float32s) -> Self:
        """Of which no sizes are known."""
        none = len(numbers), 0
        return cls(numbers, totals, values, np.zeros(none, np.float16), np.zeros(none, np.int8))

    @classmethod
    def none(cls, channels: int) -> Self:
        shapes = (0, TOTALS), (0, channels, WIDTH)
        totals, values = (np.zeros(shape, np.float32) for shape in shapes)
        return cls.of(np.zeros(0, np.int64), totals, values)

    def __len__(self) -> int:
        return len(self.numbers)

    def part(self, first: int | None = None, last: int | None = None) -> Points:
        """Those from number ``first`` on, before ``last``; they hold no part of longer arrays."""
        low = 0 if first is None else int(np.searchsorted(self.numbers, first))
        high = len(self) if last is None else int(np.searchsorted(self.numbers, last))
        if (low, high) == (0, len(self)):
            return self
        return Points(*(x[low:high].copy() for x in self.arrays))

    def then(self, later: Points) -> Points:
        """Where the bins have changed within a point, its values are those on the new ones; all events count."""
        if not len(later) or not len(self):
            return later if len(later) else self
        if self.numbers[-1] == later.numbers[0]:
            totals = later.totals.copy()
            totals[0, _COUNTS] += self.totals[-1, _COUNTS]
            return self.part(None, int(later.numbers[0])).then(replace(later, totals=totals))
        return Points(*(np.concatenate(both) for both in zip(self.arrays, later.arrays, strict=True)))

    @property
    def arrays(self) -> tuple[Any, ...]:
        """All of them, each with a row a point."""
        return self.numbers, self.totals, self.values, self.sizes, self.largest


@dataclass(frozen=True, eq=False)
class ValueReader:
    """How counts on a reference's bins become values; derived from it, for all channels at once.

    ``labels``: the most frequent categories of each channel, none of numbers. ``slow_from``: as in core.objective.
    ``sizer``: None where nothing was learned.
    """

    channels: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    categorical: NDArray[np.intp]
    numbers: BinValues
    offset: Floats
    slow_from: int
    sizer: Sizer | None

    @classmethod
    def of(cls, reference: Reference, sizer: Sizer | None, objective: Objective = USUAL) -> Self:
        offset = None if sizer is None else sizer.learned.limits.offset
        return cls(
            tuple(c.name for c in reference.channels),
            tuple(bins.categories[:TOP] for bins in reference.bins),
            np.flatnonzero(~reference.numeric),
            BinValues.of(reference),
            np.zeros(len(reference.channels)) if offset is None else offset,
            objective.slow_from,
            sizer,
        )

    def points(self, block: PaneBlock, step: float) -> Points:
        """One point of ``step`` seconds for each row of the block, whose ``numbers`` are those of the points."""
        points = Points.of(block.numbers.copy(), _totals(block, self.slow_from), self.values(block.sums))
        if step < SIZED_FROM:
            return points
        sizes, largest = _unsized(points.values) if self.sizer is None else self.sizer.of(block, step)
        return replace(points, sizes=sizes, largest=largest)

    def values(self, sums: Counts) -> Float32s:
        """float32[k, channels, WIDTH] of sums as in core.pane_block."""
        counts = sums[:, :, : -COLUMNS - MOMENTS]
        out = np.full((*counts.shape[:2], WIDTH), np.nan, np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            every = counts.sum(axis=2).astype(np.float64)
            out[:, :, SHARE_MISSING] = counts[:, :, MISSING] / every
            self._numbers(sums, out)
            rows, live = self.categorical, (every - counts[:, :, MISSING])[:, self.categorical]
            out[:, rows, SHARE_UNSEEN] = counts[:, rows, UNSEEN] / live
            for top in range(min(TOP, counts.shape[2] - FIRST_VALUE)):
                has = np.array([len(self.labels[row]) > top for row in rows], bool)
                share = counts[:, rows, FIRST_VALUE + top] / live
                out[:, rows, FIRST_SHARE + top] = np.where(has, share, np.nan)
        return out

    def _numbers(self, sums: Counts, out: Float32s) -> None:
        rows, last = self.numbers.numeric, FIRST_VALUE + self.numbers.bins
        values = sums[:, rows, FIRST_VALUE:last].astype(np.float64)
        live = values.sum(axis=2)
        out[:, rows, MEAN] = self.numbers.mean(sums[:, rows, -MOMENTS].astype(np.float64), live, rows)
        for column, value in zip(OF_QUANTILES, self.numbers.quantiles(values, rows), strict=True):
            out[:, rows, column] = value
        faults = sums[:, rows, -COLUMNS - MOMENTS : -MOMENTS]
        size = np.exp(faults[:, :, LOGS] * LOG_UNIT / faults[:, :, NONZERO]) - self.offset[rows]
        most = faults[:, :, NONZERO] * 2 > live
        out[:, rows, TYPICAL] = np.where(most & np.isfinite(size), size, np.nan)


def _unsized(values: Float32s) -> tuple[NDArray[np.float16], NDArray[np.int8]]:
    return np.full(values.shape[:2], np.nan, np.float16), np.full(values.shape[:2], NOTHING, np.int8)


def _totals(block: PaneBlock, slow_from: int) -> Float32s:
    out = np.full((len(block), TOTALS), np.nan, np.float32)
    out[:, EVENTS], out[:, FAILED] = block.events, block.totals[:, 2]
    out[:, TIMED], out[:, SLOW] = block.latency_le.sum(axis=1), block.latency_le[:, slow_from:].sum(axis=1)
    if block.latency is not None:
        cumulated = np.cumsum(block.latency, axis=1)
        total = cumulated[:, -1]
        for column, q in ((LATENCY_P50, 0.5), (LATENCY_P99, 0.99)):
            rank = np.floor(q * (total - 1))
            place = np.minimum((cumulated <= rank[:, None]).sum(axis=1), LATENCY_BINS - 1)
            out[:, column] = np.where(total > 0, _LATENCIES[place], np.nan)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """The points of one step. ``open``: sums of the last one, under its number; ``tail``: points since ``sealed``."""

    open: PaneBlock | None
    sealed: Points
    tail: Points

    def take(self, block: PaneBlock, reader: ValueReader, step: float, most: int) -> tuple[Level, PaneBlock | None]:
        """With the sums of ``block``, whose rows have the numbers of points; and the sums of those that are over."""
        whole = block if self.open is None else merge([self.open, block])
        last = int(whole.numbers[-1])
        over, still = whole.cut(last - 1)
        tail = self.tail if over is None else self.tail.then(reader.points(over, step))
        sealed, batch = self.sealed, last // BATCH * BATCH
        if len(tail) and tail.numbers[0] < batch:
            sealed, tail = sealed.then(tail.part(None, batch)).part(batch - most), tail.part(batch)
        return Level(still, sealed, tail), over


def _grouped(block: PaneBlock, seconds: float, step: float) -> PaneBlock:
    """Rows of ``seconds`` each as rows of ``step`` seconds, under their numbers."""
    numbers = np.floor_divide(block.numbers * seconds, step).astype(np.int64)
    first = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
    return replace(block.summed(first), numbers=numbers[first])


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Of one model; ``channels`` and ``labels`` of all points as in ValueReader. Immutable: readers need no lock."""

    channels: tuple[str, ...] = ()
    labels: tuple[tuple[str, ...], ...] = ()
    levels: tuple[Level, ...] = field(
        default_factory=lambda: (Level(None, Points.none(0), Points.none(0)),) * len(STEPS)
    )

    def take(self, panes: PaneBlock, reader: ValueReader, pane_seconds: float) -> Timeline:
        """With closed panes, which are later than all before. Nothing is found: pages show it."""
        known = self._on(reader)
        block: PaneBlock | None = panes.values
        levels, seconds = [*known.levels], pane_seconds
        for place, (step, most) in enumerate(zip(STEPS, MOST, strict=True)):
            if block is None:
                break
            levels[place], block = levels[place].take(_grouped(block, seconds, step), reader, step, most)
            seconds = step
        return replace(known, levels=tuple(levels))

    def closed(self, reader: ValueReader) -> Timeline:
        """Before the model gets other bins: what is open becomes points, as far as it came."""
        return replace(
            self,
            levels=tuple(
                Level(None, level.sealed, level.tail if still is None else level.tail.then(reader.points(still, step)))
                for step, level, still in zip(STEPS, self.levels, self._open(), strict=True)
            ),
        )

    def regrafted(self, reader: ValueReader, change: Callable[[PaneBlock], PaneBlock]) -> Timeline:
        """On bins that differ in some channels alone; ``change`` makes open sums those of the new ones. What is open of
        the other channels goes on.
        """
        still = [level.open for level in self.levels]
        known = self._on(reader) if self.channels else self
        levels = zip(known.levels, still, strict=True)
        return replace(
            known, levels=tuple(replace(v, open=None if block is None else change(block)) for v, block in levels)
        )

    def points(self, step: int, reader: ValueReader | None) -> Points:
        """All of the step with this place in STEPS; with a ``reader`` also what is open."""
        level = self.levels[step]
        done = level.sealed.then(level.tail)
        if reader is None or reader.channels != self.channels:
            return done
        still = self._open()[step]
        return done if still is None else done.then(reader.points(still, STEPS[step]))

    def events(self, step: int) -> tuple[Counts, Floats]:
        """Numbers and events of all points of the step, with what is open. A number may come twice: both count."""
        level, still = self.levels[step], self._open()[step]
        parts = [(p.numbers, p.totals[:, EVENTS].astype(np.float64)) for p in (level.sealed, level.tail)]
        if still is not None:
            parts.append((still.numbers, still.events.astype(np.float64)))
        numbers, events = zip(*parts, strict=True)
        return np.concatenate(numbers), np.concatenate(events)

    def _open(self) -> list[PaneBlock | None]:
        """What is open of each step, with what the steps before it have not handed on."""
        block: PaneBlock | None = None
        out, seconds = list[PaneBlock | None](), STEPS[0]
        for level, step in zip(self.levels, STEPS, strict=True):
            before = [] if block is None else [_grouped(block, seconds, step)]
            parts = [*([] if level.open is None else [level.open]), *before]
            block, seconds = merge(parts) if parts else None, step
            out.append(block)
        return out

    def recent(self, step: int, first: int, channel: int) -> Points:
        """Closed points of the step from number ``first`` on, of one channel: cheap, for small pictures of many."""
        level = self.levels[step]
        one = slice(channel, channel + 1)
        out = [
            Points(p.numbers, p.totals, p.values[:, one], p.sizes[:, one], p.largest[:, one]).part(first)
            for p in (level.sealed, level.tail)
        ]
        return out[0].then(out[1])

    def sizes(self, step: int, first: int) -> tuple[Counts, Floats]:
        """Closed points of the step from number ``first`` on: the largest size of all channels, float64[n]."""
        level = self.levels[step]
        parts = [(p, int(np.searchsorted(p.numbers, first))) for p in (level.sealed, level.tail)]
        sizes = np.concatenate([np.fmax.reduce(p.sizes[low:], axis=1, initial=np.nan) for p, low in parts])
        return np.concatenate([p.numbers[low:] for p, low in parts]), sizes.astype(np.float64)

    def _on(self, reader: ValueReader) -> Timeline:
        """The points by the channels and labels of another reference: what neither has in common is not known."""
        if (self.channels, self.labels) == (reader.channels, reader.labels):
            return self
        old: Mapping[str, int] = {name: row for row, name in enumerate(self.channels)}
        pairs = [(row, old[name]) for row, name in enumerate(reader.channels) if name in old]
        mine = _same(self.labels, reader.labels, pairs)
        levels = tuple(
            Level(None, *(_moved(points, len(reader.channels), mine) for points in (v.sealed, v.tail)))
            for v in self.levels
        )
        return Timeline(reader.channels, reader.labels, levels)


def _same(
    old: Sequence[Sequence[str]], new: Sequence[Sequence[str]], pairs: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Places (row, column) in the new values and the places in the old ones that mean the same."""
    found: list[tuple[int, int, int, int]] = []
    for row, before in pairs:
        one, other = new[row], old[before]
        shared = [SHARE_MISSING, *([SHARE_UNSEEN] if one and other else [])]
        if not one and not other:
            shared = [*range(WIDTH)]
        found += [(row, column, before, column) for column in shared]
        found += [
            (row, FIRST_SHARE + i, before, FIRST_SHARE + other.index(label))
            for i, label in enumerate(one)
            if label in other
        ]
    rows, columns, before_rows, before_columns = np.array(found, np.intp).reshape(-1, 4).T
    return rows, columns, before_rows, before_columns


def _moved(points: Points, channels: int, same: tuple[Any, Any, Any, Any]) -> Points:
    rows, columns, before_rows, before_columns = same
    values = np.full((len(points), channels, WIDTH), np.nan, np.float32)
    values[:, rows, columns] = points.values[:, before_rows, before_columns]
    if not points.sizes.shape[1]:
        return replace(points, values=values)
    sizes, largest = _unsized(values)
    sizes[:, rows], largest[:, rows] = points.sizes[:, before_rows], points.largest[:, before_rows]
    return replace(points, values=values, sizes=sizes, largest=largest)
