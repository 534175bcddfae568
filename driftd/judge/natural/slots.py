"""What is usual at an hour: shares of each channel's bins by hour of the day, of weekdays and weekends apart.

A reference of up to five days has one slot, up to two weeks the 24 hours, then 48. An hour borrows from its neighbours
(1/4, 1/2, 1/4), and from all hours what PSEUDO events are worth. What is expected of a window is the sum over its hops
of their values times the shares of their slot, in whole units: any split of the panes gives the same.

Measured on the open seed 13: of levels of references of 28 days 70 % in place of 51 % can show half a deviation within
eight hours, of 7 days 62 % in place of 47 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.judge.natural import features as f
from driftd.judge.natural.predictive import SHORT_DAYS
from driftd.judge.natural.runs import Rows, Runs

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

UNITS: Final = 2**20
"""Units of a share. Chosen: rounded by less than 1e-6, and sums are exact."""
PSEUDO: Final = 40.0
"""Events of all hours that are added to those of one. Chosen: little beside the 300 events of a window."""
WEEKEND_DAYS: Final = 14.5
"""Days from which weekends have slots of their own. Chosen: two weekends, and the middle of the next day."""
TINY: Final = 1e-3
"""Count added to a bin, so that no share is 0. Chosen: little beside one event."""
NEIGHBOURS: Final = 0.25
"""Weight of the hour before and of the hour after. Chosen: with .5 of its own a triangle of three hours."""
HOURS: Final = 24
"""Derived: slots of a day."""
WEEK_SLOTS: Final = 2 * HOURS
"""Derived: hours of weekdays, then of weekends."""
HOUR_SECONDS: Final = 3600.0
"""Derived: seconds of a slot."""
DAYS: Final = 7
"""Derived: days of a week."""
SATURDAY: Final = 5
"""Derived: the first day of a weekend; Monday is 0."""
_THURSDAY: Final = 3
"""Derived: 1 January 1970."""


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """``shares`` int64[slots, channels, width] in units of 1 / UNITS."""

    shares: Counts

    @classmethod
    def of(cls, values: Floats, slot: Rows, slots: int) -> Self:
        """``values`` float64[k, channels, width] of runs in ``slot`` intp[k]."""
        total = np.zeros((slots, *values.shape[1:]))
        np.add.at(total, slot, values)
        return cls(np.rint(_smooth(total) * UNITS).astype(np.int64))

    def expected(self, runs: Runs, first: Rows, last: Rows) -> Floats:
        """Shares that windows of runs should have, float64[windows, channels, width]."""
        each = self.shares[slot_of(runs, len(self.shares))] * runs.sums[:, :, f.LIVE, None]
        return shares_of(each, first, last)


def slots_of(days: float) -> int:
    return WEEK_SLOTS if days >= WEEKEND_DAYS else HOURS if days > SHORT_DAYS else 1


def is_weekend(hour: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Of hours since 1 January 1970, in UTC."""
    return (hour // HOURS + _THURSDAY) % DAYS >= SATURDAY


def slot_of(runs: Runs, slots: int) -> Rows:
    """The slot of each run, by its middle, in UTC."""
    if slots == 1:
        return np.zeros(len(runs), np.intp)
    hour = np.floor_divide((runs.start + runs.end) / 2, HOUR_SECONDS).astype(np.intp)
    weekend = is_weekend(hour) & (slots == WEEK_SLOTS)
    return hour % HOURS + HOURS * weekend


def shares_of(each: Counts, first: Rows, last: Rows) -> Floats:
    """From what each run should have, int64[k, channels, width], to shares of windows."""
    total = np.concatenate([np.zeros((1, *each.shape[1:]), np.int64), np.cumsum(each, axis=0)])
    mine = (total[last + 1] - total[first]).astype(np.float64)
    out: Floats = mine / np.maximum(mine.sum(axis=2, keepdims=True), 1.0)
    return out


def without_own(values: Floats, slot: Rows, part: Rows, slots: int) -> Counts:
    """What each run should have by the shares of all other parts (days, or blocks), int64[k, channels, width]."""
    parts = int(part.max(initial=0)) + 1
    total = np.zeros((slots, *values.shape[1:]))
    np.add.at(total, slot, values)
    out = np.empty(values.shape, np.int64)
    live = np.rint(values.sum(axis=2, keepdims=True)).astype(np.int64)
    for one in range(parts):
        mine = part == one
        own = np.zeros(total.shape)
        np.add.at(own, slot[mine], values[mine])
        shares = np.rint(_smooth(np.maximum(total - own, 0.0)) * UNITS).astype(np.int64)
        out[mine] = shares[slot[mine]] * live[mine]
    return out


def _smooth(total: Floats) -> Floats:
    """Shares float64[slots, channels, width] from counts."""
    every: Floats = total.sum(axis=0)
    used = TINY * (every > 0)
    every = (every + used) / np.maximum((every + used).sum(axis=1, keepdims=True), 1e-9)
    if len(total) == 1:
        return np.asarray(every[None], np.float64)
    out = np.empty(total.shape)
    for low in range(0, len(total), HOURS):
        day = total[low : low + HOURS]
        near = 0.5 * day + NEIGHBOURS * np.roll(day, 1, axis=0) + NEIGHBOURS * np.roll(day, -1, axis=0)
        out[low : low + HOURS] = (near + PSEUDO * every) / (near.sum(axis=2, keepdims=True) + PSEUDO)
    return out
