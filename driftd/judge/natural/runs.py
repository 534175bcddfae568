"""Counters of stretches of time, cut into runs that hold enough seconds and enough events, and windows of these.

panes   |.|..| |.|...|.|..|.|.|     10 s each, empty ones left out
ticks   |----------|---------|--    at least 100 s and 8 events
hops    |--------------------|--    of ticks: at least 1,200 s and 50 events; of hops the next longer ones

Where a run ends depends on how many events came and when, never on their values, and not on how many panes are handed
over at once: what is not yet a whole run waits. All sums are whole numbers, so any split gives the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.segments import segment_sums

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Rows = NDArray[np.intp]
Times = tuple[Floats, Floats, Counts]
"""``start``, ``end`` and ``events`` of runs."""


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """In order of time: ``start``, ``end`` float64[k]; ``events`` int64[k]; ``sums`` int64[k, channels, columns]."""

    start: Floats
    end: Floats
    events: Counts
    sums: Counts

    def __len__(self) -> int:
        return len(self.start)

    @classmethod
    def empty(cls, channels: int, columns: int) -> Self:
        return cls(np.zeros(0), np.zeros(0), np.zeros(0, np.int64), np.zeros((0, channels, columns), np.int64))

    @property
    def times(self) -> Times:
        """All but the sums."""
        return self.start, self.end, self.events

    def part(self, which: slice) -> Runs:
        return Runs(self.start[which], self.end[which], self.events[which], self.sums[which])


def joined(parts: Sequence[Runs]) -> Runs:
    """One after the other."""
    return Runs(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Runs)))


def borders(times: Times, seconds: float, events: int) -> list[int]:
    """Where whole runs of runs begin, and where the last one ends: each the shortest with enough seconds and events."""
    start, end, count = times
    n = len(start)
    total = np.concatenate([[0], np.cumsum(count)])
    long = np.searchsorted(end, start + seconds)
    many = np.searchsorted(total[1:], total[:-1] + events)
    after = (np.maximum(long, many) + 1).tolist()
    out = [0]
    while out[-1] < n and after[out[-1]] <= n:
        out.append(after[out[-1]])
    return out


def begins(waiting: Runs, new: Times, seconds: float, events: int) -> Rows:
    """Where ``cut`` begins another run among what is new: places, the first 0. Sums from each to the next give the same
    whole runs.
    """
    start, end, count = (np.concatenate(x) for x in zip(waiting.times, new, strict=True))
    at = np.array(borders((start, end, count), seconds, events), np.intp) - len(waiting)
    return np.append(0, at[(at > 0) & (at < len(new[0]))])


def cut(waiting: Runs, new: Runs, seconds: float, events: int) -> tuple[Runs, Runs]:
    """Whole runs out of what waited (at most one run) and what is new, and what waits on (at most one run)."""
    start, end, count = (np.concatenate([x, y]) for x, y in zip(waiting.times, new.times, strict=True))
    every = Runs(start, end, count, waiting.sums)  # their sums are not put together: those of panes are long
    at = borders(every.times, seconds, events)
    k, stop = len(waiting), at[-1]
    if k and at[1:2] == [k]:  # it has become whole by itself, since fewer events are asked for
        one, rest = cut(waiting.part(slice(0)), new, seconds, events)
        return joined([waiting, one]), rest
    first, last = np.array(at[:-1], np.intp), np.array(at[1:], np.intp) - 1
    sums = segment_sums(new.sums[: max(stop - k, 0)], np.maximum(first - k, 0))
    left = new.sums[max(stop - k, 0) :].sum(axis=0, keepdims=True)
    if k:
        (sums if stop else left)[0] += waiting.sums[0]
    whole = Runs(every.start[first], every.end[last], segment_sums(every.events[:stop], first), sums)
    if stop == len(every):
        return whole, new.part(slice(0, 0))
    return whole, Runs(every.start[stop : stop + 1], every.end[-1:], every.events[stop:].sum(keepdims=True), left)


def windows(runs: Runs, new: int, seconds: float, events: int) -> tuple[Rows, Rows]:
    """For each of the last ``new`` runs the shortest window that ends with it and holds enough: first and last run.

    Runs with which no window is long enough are left out.
    """
    last = np.arange(len(runs) - new, len(runs))
    total = np.concatenate([[0], np.cumsum(runs.events)])
    long = np.searchsorted(runs.start, runs.end[last] - seconds, side="right") - 1
    many = np.searchsorted(total, total[last + 1] - events, side="right") - 1
    first = np.minimum(np.minimum(long, many), last)
    whole = first >= 0
    return first[whole], last[whole]


def summed(runs: Runs, first: Rows, last: Rows) -> Counts:
    """Sums of the windows, int64[windows, channels, columns]."""
    total = np.concatenate([np.zeros((1, *runs.sums.shape[1:]), np.int64), np.cumsum(runs.sums, axis=0)])
    out: Counts = total[last + 1] - total[first]
    return out


def events_of(runs: Runs, first: Rows, last: Rows) -> Counts:
    """Events of the windows, int64[windows]."""
    total = np.concatenate([[0], np.cumsum(runs.events)])
    out: Counts = total[last + 1] - total[first]
    return out
