"""Faults that need no model of the season: a day in which something happened that the reference hardly has.

Four flags a channel and day: a value is missing; a category is unseen; a number lies outside the reference's range by
more than a quarter of it; a sensor stands still longer than it ever did in the reference (and every further day only
when the run is three times as long again, so that one long run is not counted twice: sensors that stand still for a
week are in most real streams). A flagged day multiplies
R_j by q_j / p, a clean one by (1 - q_j) / (1 - p): p is the Clopper-Pearson upper bound of the reference's share of
flagged days, q = p + {.1, .4, .9} (1 - p). Same bound as driftd.judge.independent, given that days are exchangeable.
A flag counts as soon as it is up: the day's outcome is then known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.judge.bounds import share_bounds
from driftd.reference import Reference
from driftd.summary import MISSING, UNSEEN

Floats = NDArray[np.float64]

FAULTS: Final = ("missing", "unseen", "out of range", "stands still")
STILL: Final = 3
GROWTH: Final = 3.0
_MOST: Final = 50.0
_SIZES: Final = np.array([0.1, 0.4, 0.9])
_LEAST_RUN: Final = 5
_MISS: Final = 0.001
_CEILING: Final = 1e250


@dataclass(frozen=True, slots=True, eq=False)
class Faults:
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

    def rated(self, flagged: Floats, singles: Floats) -> Faults:
        """With rates from the reference's days, ``flagged`` float64[days, channels, 4]; Good-Turing for unseen."""
        days = np.array(float(len(flagged)))
        counts = np.nansum(flagged, axis=0)
        counts[:, UNSEEN] = np.minimum(np.maximum(counts[:, UNSEEN], singles), days)
        rate = share_bounds(counts, days, np.array(_MISS))[1]
        return Faults(self.low, self.high, self.longest, np.clip(rate, 1e-9, 1 - 1e-9), self.weight)

    def flags(self, counts: NDArray[np.int64], low: Floats, high: Floats, length: Floats, stood: Floats) -> Floats:
        """float64[channels, 4] of 0 and 1 for one pane; ``stood`` float64[channels]: flagged days of this run."""
        return np.stack(
            [
                counts[:, MISSING] > 0,
                counts[:, UNSEEN] > 0,
                (low < self.low) | (high > self.high),
                length > self.longest * GROWTH ** np.minimum(stood, _MOST),
            ],
            axis=1,
        ).astype(np.float64)

    def weighed(self, ratio: Floats, flagged: Floats, events: Floats, over: bool) -> tuple[Floats, Floats]:
        """R after a day of ``events`` float64[channels] (so far, unless ``over``), and what it adds up to a channel."""
        p = self.rate[:, :, None]
        q = p + _SIZES * (1 - p)
        up = flagged[:, :, None] > 0
        gain = np.where(up, q / p, (1 - q) / (1 - p) if over else 1.0)
        before = ratio + events[:, None, None] * (up if not over else 1.0)
        after = np.minimum(before * gain, _CEILING)
        return after, np.asarray(np.sum(self.weight * after.mean(axis=2), axis=1), np.float64)
