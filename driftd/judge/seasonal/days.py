"""The reference's slots as arrays, and its days compared with the seasons that they are not part of.

A day is closer to a profile that it helped to make, by about one part in the number of seasons, and a long stream
would show that as a change. So each season of the reference is compared with a profile of the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, MISSING, UNSEEN
from driftd.judge.seasonal.clock import SeasonClock, SlotSummary
from driftd.judge.seasonal.fault_flags import FAULTS
from driftd.judge.seasonal.slot_profile import KINDS, NORMAL_MAD, PARTS, SlotProfile, day_statistics

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

CATEGORY: Final = len(KINDS)
"""The kind of a series that is a category's share. Derived: the number after the kinds of numeric series."""
TOP_CATEGORIES: Final = 10
"""Categories that have a series of their own. Chosen: each one more dilutes the channel's evidence."""
MOST_SEASONS: Final = 520
"""Seasons of a reference that are kept, the latest. Chosen: ten years of weeks; a wrong clock cannot fill memory."""
USUAL: Final = 0.5
"""A category has a series of its own when this share of the seasons have it. Chosen: its median week is not 0 then."""
FULL_SEASON: Final = 0.5
"""Of the median number of values, what a season needs to count. Chosen: the first and the last may be cut short."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceDays:
    """values, sums float64[seasons, slots, channels]; counts float64[days, channels, width]; flags float64[days,
    channels, FAULTS] (missing, unseen; ranges and runs are the reference's own, so 0). ``whole`` days are over; the
    last may have begun.
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
    def of(cls, slots: Sequence[SlotSummary], clock: SeasonClock) -> ReferenceDays:
        last = slots[-1].number // clock.slots
        slots = [slot for slot in slots if slot.number // clock.slots > last - MOST_SEASONS]
        first = slots[0].number // clock.slots
        seasons = last - first + 1
        channels, width = slots[0].counts.shape
        values, sums = np.zeros((seasons, clock.slots, channels)), np.zeros((seasons, clock.slots, channels))
        counts = np.zeros((seasons * clock.days, channels, width))
        low, high = np.full(channels, np.inf), np.full(channels, -np.inf)
        for slot in slots:
            season, place = divmod(slot.number - first * clock.slots, clock.slots)
            values[season, place] += slot.values
            sums[season, place] += slot.sums
            counts[season * clock.days + place // clock.slots_per_day] += slot.counts
            low, high = np.minimum(low, slot.low), np.maximum(high, slot.high)
        flags = np.zeros((len(counts), channels, len(FAULTS)))
        flags[:, :, MISSING], flags[:, :, UNSEEN] = counts[:, :, MISSING] > 0, counts[:, :, UNSEEN] > 0
        first_day = first * clock.days
        whole = (slots[-1].number + 1) // clock.slots_per_day - first_day
        return cls(first_day, whole, values, sums, counts, flags, low, high)

    @property
    def means(self) -> Floats:
        """Means of the slots, float64[seasons, slots, channels]; NaN where a slot is empty."""
        some = self.values > 0
        return np.where(some, self.sums / np.where(some, self.values, 1), np.nan)

    @property
    def seasons(self) -> int:
        """Seasons that have enough of the usual number of values."""
        each = self.values.sum(axis=(1, 2))
        return int(np.count_nonzero(each > FULL_SEASON * np.median(each)))

    def today(self, clock: SeasonClock) -> tuple[Floats, Floats, Floats]:
        """values, sums float64[slots a day, channels] and counts of the day that has begun; zeros where none has."""
        day = clock.slots_per_day
        if self.whole >= len(self.counts):
            return np.zeros((day, *self.low.shape)), np.zeros((day, *self.low.shape)), np.zeros(self.counts.shape[1:])
        part = slice(self.whole * day, (self.whole + 1) * day)
        flat = (-1, len(self.low))
        return self.values.reshape(flat)[part], self.sums.reshape(flat)[part], self.counts[self.whole]

    def statistics(
        self, clock: SeasonClock, profile: SlotProfile, floor: Floats, positive: Bools
    ) -> tuple[Floats, Floats]:
        """Statistics float64[days, len(KINDS), channels] and parts float64[days, PARTS, channels] of the whole days."""
        means, channels = self.means, len(self.low)
        out = np.full((self.whole, len(KINDS), channels), np.nan)
        parts = np.full((self.whole, PARTS, channels), np.nan)
        for season in range(len(means)):
            others = SlotProfile.of(np.delete(means, season, axis=0), clock)
            others = replace(others, usual=profile.usual)
            for d in range(season * clock.days, min((season + 1) * clock.days, self.whole)):
                part = slice(d % clock.days * clock.slots_per_day, (d % clock.days + 1) * clock.slots_per_day)
                out[d], parts[d] = day_statistics(
                    self.values[season, part], self.sums[season, part], others.day(d, clock), floor, positive
                )
        return out, parts

    def usual(self, row: int, columns: Bools, clock: SeasonClock) -> bool:
        """Whether most seasons have values of channel ``row`` in ``columns`` bool[width]."""
        seen = self.counts[:, row][:, columns].sum(axis=1).reshape(-1, clock.days).sum(axis=1) > 0
        return bool(seen.mean() >= USUAL)


@dataclass(frozen=True, slots=True, eq=False)
class DayLayout:
    """Which series there are, m of them: channel, kind of statistic (index in KINDS, or CATEGORY) and columns of counts
    bool[m, width].
    """

    channel: Ints
    kind: Ints
    columns: Bools

    @classmethod
    def of(cls, reference: Reference, days: ReferenceDays, clock: SeasonClock) -> DayLayout:
        """One series a statistic of a numeric channel; one a usual category of the ten most frequent, one the rest of
        them; one what is missing, where that is usual.
        """
        series: list[tuple[int, int, Bools]] = []
        columns = np.arange(reference.width)
        for row in range(len(reference.bins)):
            if days.usual(row, columns == MISSING, clock):
                series.append((row, CATEGORY, columns == MISSING))
            if reference.numeric[row]:
                series += [(row, kind, columns < 0) for kind in range(len(KINDS))]
            else:
                series += [(row, CATEGORY, part) for part in category_parts(reference, days, row, clock)]
        return cls(
            np.array([s[0] for s in series], np.intp),
            np.array([s[1] for s in series], np.intp),
            np.array([s[2] for s in series], bool).reshape(len(series), reference.width),
        )

    def where(self, keep: Bools) -> DayLayout:
        return DayLayout(self.channel[keep], self.kind[keep], self.columns[keep])

    def gathered(self, numbers: Floats, counts: Floats) -> Floats:
        """One day's series, float64[m], from its statistics [len(KINDS), channels] and counts [channels, width]."""
        category = self.kind == CATEGORY
        out = np.asarray(numbers[np.minimum(self.kind, len(KINDS) - 1), self.channel], np.float64)
        out[category] = arcsine(counts, self.channel[category], self.columns[category])
        return out


def category_parts(reference: Reference, days: ReferenceDays, row: int, clock: SeasonClock) -> Iterator[Bools]:
    """The columns bool[width] of each usual category among the most frequent of a channel, then of all the others."""
    bins, columns = reference.bins[row], np.arange(reference.width)
    rest = (columns < bins.used) & (columns != MISSING)
    for column in range(FIRST_VALUE, FIRST_VALUE + min(TOP_CATEGORIES, len(bins.categories))):
        if days.usual(row, columns == column, clock):
            rest[column] = False
            yield columns == column
    if days.usual(row, rest, clock):
        yield rest


def arcsine(counts: Floats, channel: Ints, columns: Bools) -> Floats:
    """Arcsine square root of the share that ``columns`` bool[m, width] hold of their channels' values: float64[m].

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
    mad = NORMAL_MAD * np.nanmedian(np.abs(y - middle), axis=0)
    return middle, np.maximum(mad, np.nanstd(y, axis=0) / 2)
