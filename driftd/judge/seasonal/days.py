"""The reference's cells as arrays, and its days judged against the seasons they are not part of.

A day compared with a profile that it helped to make looks too good, by about one part in the number of seasons, and a
long stream would find that: so each season of the reference is compared with the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, MISSING, UNSEEN
from driftd.judge.seasonal.clock import SeasonClock, SlotSummary
from driftd.judge.seasonal.slot_profile import KINDS, PARTS, SlotProfile, day_statistics

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

CATEGORY = len(KINDS)
TOP = 10
MOST_SEASONS = 520
USUAL = 0.5
"""A category is followed by itself when this share of the seasons have it."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceDays:
    """values, sums float64[seasons, slots, channels]; counts float64[days, channels, width]; flags float64[days,
    channels, 4] (missing, unseen; ranges and runs are the reference's own, so 0). ``whole`` days are over; the last
    may have begun.
    """

    first_day: int
    whole: int
    values: Floats
    sums: Floats
    counts: Floats
    flags: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, cells: Sequence[SlotSummary], clock: SeasonClock) -> ReferenceDays:
        last = cells[-1].number // clock.slots
        # one wrong clock must not fill the memory
        cells = [c for c in cells if c.number // clock.slots > last - MOST_SEASONS]
        first = cells[0].number // clock.slots
        seasons = last - first + 1
        channels, width = cells[0].counts.shape
        values, sums = np.zeros((seasons, clock.slots, channels)), np.zeros((seasons, clock.slots, channels))
        counts = np.zeros((seasons * clock.days, channels, width))
        low, high = np.full(channels, np.inf), np.full(channels, -np.inf)
        for cell in cells:
            season, slot = divmod(cell.number - first * clock.slots, clock.slots)
            values[season, slot] += cell.values
            sums[season, slot] += cell.sums
            counts[season * clock.days + slot // clock.day] += cell.counts
            low, high = np.minimum(low, cell.low), np.maximum(high, cell.high)
        flags = np.zeros((len(counts), channels, 4))
        flags[:, :, MISSING], flags[:, :, UNSEEN] = counts[:, :, MISSING] > 0, counts[:, :, UNSEEN] > 0
        first_day = first * clock.days
        whole = (cells[-1].number + 1) // clock.day - first_day
        return cls(first_day, whole, values, sums, counts, flags, low, high)

    @property
    def means(self) -> Floats:
        """SlotSummary means float64[seasons, slots, channels]; NaN where a cell is empty."""
        some = self.values > 0
        return np.where(some, self.sums / np.where(some, self.values, 1), np.nan)

    @property
    def seasons(self) -> int:
        """Seasons that have at least half of the usual number of values."""
        each = self.values.sum(axis=(1, 2))
        return int(np.count_nonzero(each > 0.5 * np.median(each)))

    def today(self, clock: SeasonClock) -> tuple[Floats, Floats, Floats]:
        """values, sums float64[slots a day, channels] and counts of the day that has begun; zeros where none has."""
        day = clock.day
        if self.whole >= len(self.counts):
            return np.zeros((day, *self.low.shape)), np.zeros((day, *self.low.shape)), np.zeros(self.counts.shape[1:])
        part = slice(self.whole * day, (self.whole + 1) * day)
        flat = (-1, len(self.low))
        return self.values.reshape(flat)[part], self.sums.reshape(flat)[part], self.counts[self.whole]

    def days(self, clock: SeasonClock, slots: SlotProfile, floor: Floats, positive: Bools) -> tuple[Floats, Floats]:
        """Statistics float64[days, len(KINDS), channels] and parts float64[days, PARTS, channels] of the whole days."""
        means, channels = self.means, len(self.low)
        out = np.full((self.whole, len(KINDS), channels), np.nan)
        parts = np.full((self.whole, PARTS, channels), np.nan)
        for season in range(len(means)):
            others = SlotProfile.of(np.delete(means, season, axis=0), clock)
            others = replace(others, usual=slots.usual)
            for d in range(season * clock.days, min((season + 1) * clock.days, self.whole)):
                part = slice(d % clock.days * clock.day, (d % clock.days + 1) * clock.day)
                out[d], parts[d] = day_statistics(
                    self.values[season, part], self.sums[season, part], others.day(d, clock), floor, positive
                )
        return out, parts


@dataclass(frozen=True, slots=True, eq=False)
class DayLayout:
    """Which series there are, m of them: channel, kind of statistic (index in KINDS, or CATEGORY) and columns of counts
    bool[m, width].
    """

    channel: Ints
    kind: Ints
    columns: Bools

    @classmethod
    def of(cls, reference: Reference, past: ReferenceDays, clock: SeasonClock) -> DayLayout:
        """One series a statistic of a numeric channel; one a usual category of the ten most frequent, one the rest of
        them; one what is missing, where that is usual.
        """
        series: list[tuple[int, int, Bools]] = []
        width = reference.width
        for row, bins in enumerate(reference.bins):
            nothing = np.zeros(width, bool)
            lost = nothing.copy()
            lost[MISSING] = True
            if usual(past, row, lost, clock):
                series.append((row, CATEGORY, lost))
            if reference.numeric[row]:
                series += [(row, kind, nothing) for kind in range(len(KINDS))]
                continue
            rest = np.arange(width) < bins.used
            rest[MISSING] = False
            for column in range(FIRST_VALUE, min(FIRST_VALUE + TOP, FIRST_VALUE + len(bins.categories))):
                one = nothing.copy()
                one[column] = True
                if usual(past, row, one, clock):
                    rest[column] = False
                    series.append((row, CATEGORY, one))
            if usual(past, row, rest, clock):
                series.append((row, CATEGORY, rest))
        return cls(
            np.array([s[0] for s in series], np.intp),
            np.array([s[1] for s in series], np.intp),
            np.array([s[2] for s in series], bool).reshape(len(series), width),
        )

    def where(self, keep: Bools) -> DayLayout:
        return DayLayout(self.channel[keep], self.kind[keep], self.columns[keep])

    def gathered(self, numbers: Floats, counts: Floats) -> Floats:
        """One day's series, float64[m], from its statistics [len(KINDS), channels] and counts [channels, width]."""
        category = self.kind == CATEGORY
        out = np.asarray(numbers[np.minimum(self.kind, len(KINDS) - 1), self.channel], np.float64)
        out[category] = arcsine(counts, self.channel[category], self.columns[category])
        return out


def usual(past: ReferenceDays, row: int, columns: Bools, clock: SeasonClock) -> bool:
    seen = past.counts[:, row][:, columns].sum(axis=1).reshape(-1, clock.days).sum(axis=1) > 0
    return bool(seen.mean() >= USUAL)


def arcsine(counts: Floats, channel: Ints, columns: Bools) -> Floats:
    """Arcsine root of the share that ``columns`` bool[m, width] hold of their channels' values: float64[m].

    Missing values are a share of all, categories of what is there.
    """
    rows = counts[channel]
    total = rows[:, UNSEEN:].sum(axis=1) + np.where(columns[:, MISSING], rows[:, MISSING], 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.sum(rows * columns, axis=1) / total
    return np.where(total > 0, np.arcsin(np.sqrt(np.clip(share, 0, 1))), np.nan)


def spread_of(y: Floats) -> tuple[Floats, Floats]:
    """Median and max(1.4826 MAD, sd / 2) over axis 0."""
    middle = np.nanmedian(y, axis=0)
    mad = 1.4826 * np.nanmedian(np.abs(y - middle), axis=0)
    return middle, np.maximum(mad, np.nanstd(y, axis=0) / 2)
