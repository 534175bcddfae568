"""Hour slots: what the seasonal judge remembers of a stretch, and the clock that numbers hours, days and weeks.

A slot summary is the merged panes of one slot of the clock (an hour by default). It needs only what Summary carries:
values and sums come from counts and moments, ranges from extremes, and a stuck sensor shows as consecutive panes whose
least and greatest value are the same number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.core.summary import MOMENT_UNIT, UNSEEN, Summary

Floats = NDArray[np.float64]

MONDAY: Final = 345_600.0
"""Epoch seconds of a Monday 00:00 UTC. Derived: the epoch was a Thursday."""
LEAST_WEEKS_OLD: Final = 2
"""Weeks that a change must be old. Chosen: a single odd week (a holiday, an outage) is no change."""
WEEKS_BACK: Final = 26
"""Weeks ago that a change may have begun at most. Chosen: half a year; each week more costs memory and evidence."""


@dataclass(frozen=True, slots=True)
class SeasonClock:
    """A week of ``slots`` slots, a block of evidence; ``slots_per_day`` of them make a day. It begins at ``origin``, a
    Monday 00:00 UTC.
    """

    slot_seconds: float = 3600.0
    """Chosen: an hour is what people plan by, and most streams have events in every one."""
    slots: int = 168
    """Derived: hours of a week."""
    slots_per_day: int = 24
    """Derived: hours of a day."""
    origin: float = MONDAY

    @property
    def days(self) -> int:
        return self.slots // self.slots_per_day

    def slot_of(self, at: float) -> int:
        """Number of the slot since the origin; its season is number // slots, its day number // slots_per_day."""
        return int((at - self.origin) // self.slot_seconds)

    def slot_begin(self, number: int) -> float:
        return self.origin + number * self.slot_seconds


@dataclass(frozen=True, slots=True, eq=False)
class SlotSummary:
    """One slot of one season. counts int64[channels, width]; values, sums float64[channels]: present values and
    their sum in the channel's own unit; low, high float64[channels]: extremes, inf and -inf where there is none.
    """

    number: int
    counts: NDArray[np.int64]
    values: Floats
    sums: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, number: int, summary: Summary, reference: Reference) -> Self:
        values = summary.counts[:, UNSEEN:].sum(axis=1).astype(np.float64)
        sums = reference.center * values + reference.scale * summary.moments[:, 0] * MOMENT_UNIT
        return cls(number, summary.counts, values, sums, summary.extremes[:, 0], summary.extremes[:, 1])


def slots_of_events(
    bins: NDArray[np.intp], values: Floats, times: Floats, width: int, clock: SeasonClock
) -> tuple[list[SlotSummary], Floats]:
    """Slot summaries of events in order of time, and the longest run of each channel (inf: it never changes).

    bins intp[channels, n]: column of Summary.counts, negative where the channel does not apply; values
    float64[channels, n]: NaN where missing or not a number; times float64[n].
    """
    channels, n = bins.shape
    numbers = np.floor((times - clock.origin) / clock.slot_seconds).astype(np.int64)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(numbers)) + 1]) if n else np.empty(0, np.int64)
    local = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, n)))
    flat = (local * channels + np.arange(channels)[:, None]) * (width + 1) + np.maximum(bins, -1) + 1
    counts = np.bincount(flat.ravel(), minlength=len(starts) * channels * (width + 1))
    counts = counts.reshape(len(starts), channels, width + 1)[:, :, 1:]
    here = np.isfinite(values)
    sums = np.add.reduceat(np.where(here, values, 0.0), starts, axis=1)
    low = np.minimum.reduceat(np.where(here, values, np.inf), starts, axis=1)
    high = np.maximum.reduceat(np.where(here, values, -np.inf), starts, axis=1)
    present = counts[:, :, UNSEEN:].sum(axis=2).astype(np.float64)
    slots = [
        SlotSummary(int(numbers[s]), counts[i], present[i], sums[:, i], low[:, i], high[:, i])
        for i, s in enumerate(starts.tolist())
    ]
    return slots, np.array([longest_run(v[np.isfinite(v)]) for v in values])


def longest_run(x: Floats) -> float:
    """The most equal values in a row; inf where all are equal."""
    if len(x) < 2:
        return float("inf")
    changes = np.flatnonzero(x[1:] != x[:-1]) + 1
    if not len(changes):
        return float("inf")
    return float(np.diff(np.concatenate([[0], changes, [len(x)]])).max())


@dataclass(frozen=True, slots=True, eq=False)
class StuckRun:
    """How long each channel has had the same value: ``value`` float64[channels] (NaN: not), ``length`` in values.

    A pane continues a run when all its values are the run's value; a pane that is not constant ends it, an empty one
    does not. Within a busy pane shorter runs are not seen: the count is a lower bound.
    """

    value: Floats
    length: Floats

    @classmethod
    def start(cls, channels: int) -> Self:
        return cls(np.full(channels, np.nan), np.zeros(channels))

    def add(self, low: Floats, high: Floats, values: Floats) -> StuckRun:
        constant, empty = (low == high) & (values > 0), values == 0
        same = constant & (low == self.value)
        length = np.where(empty, self.length, np.where(same, self.length + values, np.where(constant, values, 0.0)))
        value = np.where(empty, self.value, np.where(constant, low, np.nan))
        return StuckRun(value, length)
