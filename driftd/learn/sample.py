"""Events of a stretch, as many as memory allows, chosen the same however they arrived.

Events are kept or left by units: up to UNIT_EVENTS that follow each other in one partition, in one pane. So what
compares an event with the one before it (values that repeat) still can, every partition has its part, and every hour.
A unit has a number that looks random; where there are too many events, units with an odd number go, then those that are
no multiple of four, and so on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch, concatenate

UNIT_EVENTS: Final = 64
MOST_VALUES: Final = 400_000
"""Values that a sample holds: 3 MB of numbers; 20,000 events of 20 fields."""
_BITS: Final = 32
_PIECES: Final = 64
"""Batches from which on they are put together: many small ones cost more than their values."""
_LEAST_PIECES: Final = 4
"""The same of a model of any width. Chosen: to put fewer together each time costs more than they do."""
_COLUMNS: Final = 1280
"""Columns of all batches together, likewise. Chosen: 64 batches of 20 fields; of 200, 64 batches of three events took
five times what their values do."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """``rows`` in the order of arrival, ``units`` uint32[n] the number of each one's unit. ``offered`` int64[33]:
    events that were offered, by the number of zero bits at the end of their unit's number; ``names`` all fields seen.
    """

    rows: tuple[EventBatch, ...]
    units: tuple[NDArray[np.uint32], ...]
    offered: NDArray[np.int64]
    names: tuple[str, ...] = ()

    @classmethod
    def empty(cls) -> Self:
        return cls((), (), np.zeros(_BITS + 1, np.int64))

    @property
    def events(self) -> int:
        """Events that were offered."""
        return int(self.offered.sum())

    @property
    def thinning(self) -> int:
        """One event in so many was kept: a power of two."""
        return 1 << _level(self.offered, len(self.names))

    def add(self, rows: EventBatch, panes: NDArray[np.int64], partition: int) -> Sample:
        """With events of one partition; ``panes`` int64[n]. The same sample however the events are split."""
        units = units_of(rows.offsets, panes, partition)
        names = tuple(sorted({*self.names, *_names(rows)}))
        offered = self.offered + np.bincount(_zeros(units), minlength=_BITS + 1)
        before, level = _level(self.offered, len(self.names)), _level(offered, len(names))
        out = self if level == before else self._thinned(level)
        kept = np.flatnonzero(_zeros(units) >= level)
        if len(kept):
            batch = rows if len(kept) == len(rows) else rows.take(kept)
            out = replace(out, rows=(*out.rows, batch.of_partition(partition)), units=(*out.units, units[kept]))
        if len(out.rows) > min(_PIECES, max(_COLUMNS // max(len(names), 1), _LEAST_PIECES)):
            out = out.put_together()
        return replace(out, offered=offered, names=names)

    def surplus(self, rows: EventBatch, panes: NDArray[np.int64], partition: int) -> NDArray[np.bool_]:
        """bool[n]: which of events that will be offered will not be kept, whatever else is offered; arguments as in
        ``add``.
        """
        units = units_of(rows.offsets, panes, partition)
        offered = self.offered + np.bincount(_zeros(units), minlength=_BITS + 1)
        out: NDArray[np.bool_] = _zeros(units) < _level(offered, len({*self.names, *_names(rows)}))
        return out

    def passed_over(self, rows: EventBatch, panes: NDArray[np.int64], partition: int) -> Sample:
        """As ``add`` with events that are ``surplus``: they were offered, and are not kept."""
        offered = self.offered + np.bincount(_zeros(units_of(rows.offsets, panes, partition)), minlength=_BITS + 1)
        return replace(self, offered=offered, names=tuple(sorted({*self.names, *_names(rows)})))

    def all(self) -> EventBatch:
        """Its events in order of time."""
        rows = concatenate(self.rows)
        return rows.take(in_time(rows))

    def put_together(self) -> Sample:
        """With the last batches as one, as far as each is not larger than twice all after it: so few are left, and what
        is large is seldom copied, and seldom written anew by checkpoints.
        """
        after = np.cumsum([0, *(len(rows) for rows in reversed(self.rows))])
        large = np.flatnonzero(np.diff(after)[1:] > 2 * after[1:-1])
        last = 1 + int(large[0]) if len(large) else len(self.rows)
        if last < 2:
            return self
        rows, units = concatenate(self.rows[-last:]), np.concatenate(self.units[-last:])
        return replace(self, rows=(*self.rows[:-last], rows), units=(*self.units[:-last], units))

    def _thinned(self, level: int) -> Sample:
        rows, units = [], []
        for batch, mine in zip(self.rows, self.units, strict=True):
            kept = np.flatnonzero(_zeros(mine) >= level)
            if len(kept):
                rows.append(batch.take(kept))
                units.append(mine[kept])
        return replace(self, rows=tuple(rows), units=tuple(units))


def _names(rows: EventBatch) -> Iterator[str]:
    """One for each number that an event has; the coordinates of lists are half as long."""
    yield from rows.columns
    for name, column in rows.fields.items():
        yield name
        if isinstance(column, np.ndarray) and column.ndim == 2:
            yield from (f"{name}[{i}]" for i in range(1, column.shape[1], 2))


def units_of(offsets: NDArray[np.int64], panes: NDArray[np.int64], partition: int) -> NDArray[np.uint32]:
    """The number of each event's unit, uint32[n]."""
    return _mixed(offsets // UNIT_EVENTS, panes, np.full(len(offsets), partition))


def in_time(rows: EventBatch) -> NDArray[np.intp]:
    """The order of time, intp[n]. Events of one moment are in an order that looks random: one partition after the other
    would look as if values came in runs.
    """
    none = np.zeros(len(rows), np.int64)
    partitions = none if rows.partitions is None else rows.partitions
    return np.lexsort((rows.offsets, partitions, _mixed(rows.offsets, none, partitions), rows.times))


def _mixed(a: NDArray[np.int64], b: NDArray[np.int64], c: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Numbers that look random, uint32[n]: the upper half of splitmix64 (Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        x = a.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x += b.astype(np.uint64) * np.uint64(0xD1B54A32D192ED03) + c.astype(np.uint64)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    out: NDArray[np.uint32] = ((x ^ (x >> np.uint64(31))) >> np.uint64(_BITS)).astype(np.uint32)
    return out


def _zeros(units: NDArray[np.uint32]) -> NDArray[np.int64]:
    """How many bits at the end of each number are 0, int64[n]; 32 of 0."""
    x = units.astype(np.int64)
    lowest = (x & -x).astype(np.float64)
    return np.where(x == 0, _BITS, np.frexp(lowest)[1].astype(np.int64) - 1)


def _level(offered: NDArray[np.int64], names: int) -> int:
    """The least number of zero bits with which no more than MOST_VALUES are kept."""
    kept = np.cumsum(offered[::-1])[::-1] * max(names, 1)
    return int(np.argmax(np.append(kept <= MOST_VALUES, True)))
