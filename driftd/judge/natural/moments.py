"""Where the numbers of a stretch lie and how far they spread, in their own units."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.fault_counters import LOG_UNIT
from driftd.core.reference import Reference
from driftd.core.summary import MOMENT_CLIP, MOMENT_UNIT, UNSEEN
from driftd.judge.natural import features as f
from driftd.judge.natural.learned import NaturalLearned
from driftd.judge.natural.seen import LEAST

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SATURATED: Final = 0.6
"""Part of MOMENT_CLIP that a mean, or one with three deviations, may reach. Chosen: beyond, clipped values decide."""
FINE: Final = 5.0
"""Least deviation, in what a sum of squares can tell. Derived: rounding then adds 2 % to it."""
BESIDE: Final = 0.5
"""Most that the least and the greatest value may be apart, as a part of how far the mean is away. Chosen: beyond, one
may be of before the change, or they are of a tail."""
NEGLIGIBLE: Final = 0.2
"""Most that the offset of logarithms may be, as a part of the typical size. Chosen: it moves the mean of the logarithms
by less than .2."""
ONE_SIGN: Final = 0.02
"""Most of a reference's numbers that may have the other sign where sizes are compared. Chosen: of 50 values one."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """float64[channels] of the numbers of a stretch, NaN where it does not tell: ``mean`` and ``deviation`` (within
    minutes), ``log`` and ``log_deviation`` of ln abs(x), ``zeros`` their share; ``n`` how many.
    """

    n: Floats
    mean: Floats
    deviation: Floats
    log: Floats
    log_deviation: Floats
    zeros: Floats

    @classmethod
    def usual(cls, reference: Reference, learned: NaturalLearned) -> Self:
        """Those of the whole reference, of numbers whose level is not the hour's or the weather's; how many are 0 is
        not kept.
        """
        counts, told = reference.summary.counts.astype(np.float64), reference.numeric & ~learned.traits.timely
        n = counts[:, UNSEEN:].sum(axis=1)
        z = reference.summary.moments[:, 0] * MOMENT_UNIT / np.maximum(n, 1)
        told &= n >= LEAST
        log, deviation, sized = _plain(learned.usual.logs, learned.log_deviation, learned.limits.offset)
        sized &= told
        return cls(
            np.where(told, n, 0.0),
            np.where(told, reference.center + reference.scale * z, np.nan),
            np.where(told, reference.scale * np.exp(learned.usual.within), np.nan),
            np.where(sized, log, np.nan),
            np.where(sized, deviation, np.nan),
            np.full(len(n), np.nan),
        )

    def otherwise(self, other: Moments) -> Moments:
        """With those of ``other`` where this stretch has too few values."""
        few = self.n < LEAST
        return Moments(*(np.where(few, getattr(other, one.name), getattr(self, one.name)) for one in fields(Moments)))

    @classmethod
    def of(
        cls, reference: Reference, learned: NaturalLearned, counters: Counts, extremes: Floats | None = None
    ) -> Self:
        """``counters`` int64[channels, FEATURES + width]. Where clipped values decide, mean and deviation are those
        that the least and the greatest value have between them, if these lie on one side of what is clipped.
        """
        c = counters.astype(np.float64)
        n, some = c[:, f.LIVE], np.maximum(c[:, f.NONZERO], 1)
        z = c[:, f.MEAN] * MOMENT_UNIT / np.maximum(n, 1)
        within = np.sqrt(c[:, f.WITHIN] * MOMENT_UNIT / np.maximum(c[:, f.FREE], 1))
        known = reference.numeric & (n >= LEAST)
        inside = known & (np.abs(z) + 3 * within < SATURATED * MOMENT_CLIP)
        fine = inside & (within > FINE * np.sqrt(MOMENT_UNIT))
        mean = np.where(inside, reference.center + reference.scale * z, np.nan)
        spread = np.where(fine, reference.scale * within, np.nan)
        if extremes is not None:
            low, high = np.where(np.isfinite(extremes), extremes, np.nan).T
            beyond = known & ~inside & (low < high) & (high - low < BESIDE * np.abs(z) * reference.scale)
            mean = np.where(beyond, (low + high) / 2, mean)
            spread = np.where(beyond, (high - low) / _apart(n), spread)
        log = c[:, f.LOGS] * LOG_UNIT / some
        deviation = np.sqrt(np.maximum(c[:, f.LOG_SQUARES] * LOG_UNIT / some - log**2, 0.0))
        log, deviation, sized = _plain(log, deviation, learned.limits.offset)
        sized &= known & (c[:, f.NONZERO] >= LEAST)
        return cls(
            n,
            mean,
            spread,
            np.where(sized, log, np.nan),
            np.where(sized, deviation, np.nan),
            np.where(known, 1 - c[:, f.NONZERO] / np.maximum(n, 1), np.nan),
        )


def _apart(n: Floats) -> Floats:
    """How many deviations the least and the greatest of ``n`` normal numbers are apart (Gumbel): 3.9 of 20."""
    a = np.sqrt(2 * np.log(np.maximum(n, 2)))
    return np.asarray(2 * (a - (np.log(a**2 / 2) + np.log(4 * np.pi)) / (2 * a) + np.euler_gamma / a))


def _plain(log: Floats, deviation: Floats, offset: Floats) -> tuple[Floats, Floats, Bools]:
    """Mean and deviation of the logarithms of sizes, from those of sizes and an offset; and where that can be said."""
    size = np.exp(log)
    some = offset < NEGLIGIBLE * size
    left = np.where(some, size - offset, 1.0)
    return np.log(left), deviation * size / left, some
