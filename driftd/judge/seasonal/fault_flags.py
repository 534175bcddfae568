"""Faults that need no model of the season: a day with something in it that the reference hardly has.

Four flags a channel and day: a value is missing; a category is unseen; a number lies outside the reference's range by
more than a quarter of it; one value lasts longer than any did in the reference (and every further day only when the run
is three times as long again: sensors that are stuck for a week are in most real streams).

A flagged day multiplies R_j by q_j / p, a clean one by (1 - q_j) / (1 - p): p is the Clopper-Pearson upper bound of the
reference's share of flagged days, q = p + {.1, .4, .9} (1 - p). The bound is that of exchangeable.independent, given
that days are exchangeable. They are not: an outage or a cold week flags day after day. So of flagged days in a row only
the 1st, 2nd, 3rd, 5th, 8th, 13th, ... multiply, and the others leave R as it is; that lowers the mean, so the bound
stays. A flag counts as soon as it is up: the day's outcome is settled then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.core.summary import MISSING, UNSEEN
from driftd.judge.bounds import share_bounds

Floats = NDArray[np.float64]

FAULTS: Final = ("missing", "unseen", "out of range", "stands still")
"""The flags of a day. Chosen: the faults that show in counts, extremes and runs."""
STILL: Final = 3
"""Derived: the place of "stands still" in FAULTS; the first two are the columns MISSING and UNSEEN of counts."""
GROWTH: Final = 3.0
"""How many times longer a run must be to be flagged again. Chosen: the flags of one run grow with its logarithm; at 1.5
stuck sensors were found sooner (all delays 22 % shorter)."""
MOST_GROWTHS: Final = 50.0
"""Derived: 3**50 values are more than any run; the power must stay finite."""
COUNTED: Final = np.array([1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377], np.float64)
"""Flagged days in a row that multiply R: Fibonacci numbers, the last above a year. Measured: with every day counted,
heavy-tailed weeks made 8 alarms where 2.7 are allowed; with these, 1."""
SIZES: Final = np.array([0.1, 0.4, 0.9])
"""Of the clean days, the share that a fault flags. Chosen: rare, frequent and permanent faults."""
LEAST_RUN: Final = 5
"""Runs of one value up to this length are never flagged. Chosen: they are common in rounded data."""
MISS: Final = 0.001
"""Chance that the share of flagged days is above its bound. Chosen: the guarantee of a flag holds with .999."""
ROOM: Final = 0.25
"""Of the reference's range, what a number may lie outside it. Measured: at half of it three times the false alarms on
simulated weeks."""
CEILING: Final = 1e250
"""Derived: the greatest R that can still be multiplied by the largest gain, 1 / p <= 1e9, and stay finite."""


@dataclass(frozen=True, slots=True, eq=False)
class FaultFlags:
    """low, high, longest float64[channels]: what is in range, and the reference's longest run.
    rate float64[channels, FAULTS]: upper bound of the share of flagged days; weight float64[channels, FAULTS], sum 1.
    """

    low: Floats
    high: Floats
    longest: Floats
    rate: Floats
    weight: Floats

    @classmethod
    def limits(cls, reference: Reference, low: Floats, high: Floats, longest: Floats) -> Self:
        """Limits from the reference's extremes and longest run; rates are not known yet."""
        numeric = reference.numeric
        room = ROOM * np.where(np.isfinite(high - low), high - low, 0.0)
        applies = np.stack([np.ones_like(numeric), ~numeric, numeric, numeric & (longest < np.inf)], axis=1).astype(
            np.float64
        )
        none = np.full(applies.shape, np.nan)
        return cls(
            low - room, high + room, np.maximum(longest, LEAST_RUN), none, applies / applies.sum(axis=1, keepdims=True)
        )

    def rated(self, flagged: Floats, singles: Floats) -> FaultFlags:
        """With rates from the reference's days, ``flagged`` float64[days, channels, FAULTS]; Good-Turing for unseen."""
        days = np.array(float(len(flagged)))
        counts = np.nansum(flagged, axis=0)
        counts[:, UNSEEN] = np.minimum(np.maximum(counts[:, UNSEEN], singles), days)
        rate = share_bounds(counts, days, np.array(MISS))[1]
        return FaultFlags(self.low, self.high, self.longest, np.clip(rate, 1e-9, 1 - 1e-9), self.weight)

    def flags(self, counts: NDArray[np.int64], low: Floats, high: Floats, length: Floats, in_row: Floats) -> Floats:
        """float64[channels, FAULTS] of 0 and 1 for one pane; ``in_row`` float64[channels, FAULTS]: flagged days before
        this one, in a row, or of this run of one value.
        """
        return np.stack(
            [
                counts[:, MISSING] > 0,
                counts[:, UNSEEN] > 0,
                (low < self.low) | (high > self.high),
                length > self.longest * GROWTH ** np.minimum(in_row[:, STILL], MOST_GROWTHS),
            ],
            axis=1,
        ).astype(np.float64)

    def multiplied(self, ratio: Floats, flagged: Floats, in_row: Floats, events: Floats, *, over: bool) -> Floats:
        """R float64[channels, FAULTS, SIZES] after a day of ``events`` float64[channels] (so far, unless ``over``)."""
        p = self.rate[:, :, None]
        q = p + SIZES * (1 - p)
        up = flagged > 0
        counts = np.isin(in_row + 1, COUNTED)
        counts[:, STILL] = True
        gain = np.where((up & counts)[:, :, None], q / p, np.where(up[:, :, None], 1.0, (1 - q) / (1 - p)))
        if not over:
            gain = np.where(up[:, :, None], gain, 1.0)
        before = ratio + events[:, None, None] * (1.0 if over else up[:, :, None])
        return np.minimum(before * gain, CEILING)

    def total(self, ratio: Floats) -> Floats:
        """What R adds up to a channel, float64[channels]."""
        return np.asarray(np.einsum("cf,cfj->c", self.weight, ratio) / len(SIZES))


def in_row_after(in_row: Floats, flagged: Floats, events: Floats) -> Floats:
    """``in_row`` float64[channels, FAULTS] after a day; a day without events changes nothing."""
    out = np.where(flagged > 0, in_row + 1, 0.0)
    out[:, STILL] = in_row[:, STILL] + flagged[:, STILL]
    return np.where((events > 0)[:, None], out, in_row)
