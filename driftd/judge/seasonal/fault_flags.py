"""FaultFlags that need no model of the season: a day in which something happened that the reference hardly has.

Four flags a channel and day: a value is missing; a category is unseen; a number lies outside the reference's range by
more than a quarter of it; a sensor stands still longer than it ever did in the reference (and every further day only
when the run is three times as long again: sensors that stand still for a week are in most real streams). A flagged day
multiplies R_j by q_j / p, a clean one by (1 - q_j) / (1 - p): p is the Clopper-Pearson upper bound of the reference's
share of flagged days, q = p + {.1, .4, .9} (1 - p). Same bound as exchangeable.independent, given that days are
exchangeable. They are not: an outage or a cold week flags day after day. So of flagged days in a row only the 1st, 2nd,
3rd, 5th, 8th, 13th, ... multiply, the others leave R as it is; that lowers the mean, so the bound stays.
A flag counts as soon as it is up: the day's outcome is then known.
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
STILL: Final = 3
GROWTH: Final = 3.0
_MOST: Final = 50.0
_COUNTED: Final = np.array([1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377], np.float64)
_SIZES: Final = np.array([0.1, 0.4, 0.9])
_LEAST_RUN: Final = 5
_MISS: Final = 0.001
_CEILING: Final = 1e250


@dataclass(frozen=True, slots=True, eq=False)
class FaultFlags:
    """low, high, longest float64[channels]: what is in range, and the reference's longest run.
    rate float64[channels, 4]: upper bound of the share of flagged days; weight float64[channels, 4], sum 1.
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
        room = 0.25 * np.where(np.isfinite(high - low), high - low, 0.0)
        applies = np.stack([np.ones_like(numeric), ~numeric, numeric, numeric & (longest < np.inf)], axis=1).astype(
            np.float64
        )
        none = np.full(applies.shape, np.nan)
        return cls(
            low - room, high + room, np.maximum(longest, _LEAST_RUN), none, applies / applies.sum(axis=1, keepdims=True)
        )

    def rated(self, flagged: Floats, singles: Floats) -> FaultFlags:
        """With rates from the reference's days, ``flagged`` float64[days, channels, 4]; Good-Turing for unseen."""
        days = np.array(float(len(flagged)))
        counts = np.nansum(flagged, axis=0)
        counts[:, UNSEEN] = np.minimum(np.maximum(counts[:, UNSEEN], singles), days)
        rate = share_bounds(counts, days, np.array(_MISS))[1]
        return FaultFlags(self.low, self.high, self.longest, np.clip(rate, 1e-9, 1 - 1e-9), self.weight)

    def flags(self, counts: NDArray[np.int64], low: Floats, high: Floats, length: Floats, stood: Floats) -> Floats:
        """float64[channels, 4] of 0 and 1 for one pane; ``stood`` float64[channels, 4]: flagged days before this one,
        in a row, or of this run of one value.
        """
        return np.stack(
            [
                counts[:, MISSING] > 0,
                counts[:, UNSEEN] > 0,
                (low < self.low) | (high > self.high),
                length > self.longest * GROWTH ** np.minimum(stood[:, STILL], _MOST),
            ],
            axis=1,
        ).astype(np.float64)

    def weighed(
        self, ratio: Floats, flagged: Floats, stood: Floats, events: Floats, *, over: bool
    ) -> tuple[Floats, Floats]:
        """R after a day of ``events`` float64[channels] (so far, unless ``over``), and what it adds up to a channel."""
        p = self.rate[:, :, None]
        q = p + _SIZES * (1 - p)
        up = flagged > 0
        counts = np.isin(stood + 1, _COUNTED)
        counts[:, STILL] = True
        gain = np.where((up & counts)[:, :, None], q / p, np.where(up[:, :, None], 1.0, (1 - q) / (1 - p)))
        if not over:
            gain = np.where(up[:, :, None], gain, 1.0)
        before = ratio + events[:, None, None] * (1.0 if over else up[:, :, None])
        after = np.minimum(before * gain, _CEILING)
        return after, self.total(after)

    def total(self, ratio: Floats) -> Floats:
        """What R float64[channels, 4, 3] adds up to a channel."""
        return np.asarray(np.einsum("cf,cfj->c", self.weight, ratio) / len(_SIZES))


def stood_since(stood: Floats, flagged: Floats, events: Floats) -> Floats:
    """``stood`` float64[channels, 4] after a day; a day without events changes nothing."""
    out = np.where(flagged > 0, stood + 1, 0.0)
    out[:, STILL] = stood[:, STILL] + flagged[:, STILL]
    return np.where((events > 0)[:, None], out, stood)
