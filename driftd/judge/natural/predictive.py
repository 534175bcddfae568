"""How large a statistic may naturally become: the largest of a new block, predicted from the largest of each block.

The reference is cut into K blocks of time; y_k is the largest value in block k. A new block's largest is about

    mean(y) + s sqrt(1 + 1/K) t,        t Student with nu degrees of freedom,        nu = NU0 + K - 1
    s**2 = (NU0 tau**2 + sum (y_k - mean(y))**2) / nu

the predictive of a normal mean with a conjugate prior on its variance: NU0 blocks of ordinary traffic, which vary by
tau. Hours, days and campaigns are paid for by the spread of the maxima, a short reference by its few blocks (Gelman et
al. 2013, 3.2). KAPPA pays for what a reference has not lived to see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, stdtrit

Floats = NDArray[np.float64]

NU0: Final = 6.0
"""Weight of the prior on a variance, in blocks. Chosen: about as much as the 8 blocks of a short reference."""
BLOCKS: Final = (8, 14, 28)
"""K of a reference of up to SHORT_DAYS, up to LONG_DAYS, and more. Chosen: four weeks by days, one week by half days,
and a short reference so that each block holds several windows.
"""
SHORT_DAYS: Final = 5.0
"""Days up to which a reference is short. Chosen: a working week; a shorter one has not seen how levels wander."""
LONG_DAYS: Final = 20.0
"""Days above which a reference is long. Chosen: nearly three weeks; blocks are then at least 17 hours."""
LEAST_ALPHA: Final = 1e-15
"""Derived: below, 1 - alpha is 1 in floats and the limit infinite."""
MOST_ALPHA: Final = 0.3
"""Largest alpha. Chosen: a limit stays above the mean of the maxima, whatever the budget."""
SURE: Final = 0.95
"""Chance that rates vary by no more than is taken for true. Chosen: one-sided, the usual one."""


def blocks_of(days: float) -> int:
    """Into how many blocks a reference of so many days is cut: days, half days, or eighths of a short one."""
    short, middle, long = BLOCKS
    return long if days > LONG_DAYS else middle if days > SHORT_DAYS else short


@dataclass(frozen=True, slots=True, eq=False)
class Predictive:
    """float64, one for each test: ``mean`` (NaN: no test), ``deviation`` (s sqrt(1 + 1/K)), ``freedom`` (nu)."""

    mean: Floats
    deviation: Floats
    freedom: Floats

    @classmethod
    def of(cls, x: Floats, block: NDArray[np.intp], blocks: int, tau: Floats) -> Self:
        """From ``x`` float64[k, ...] of windows in ``block`` intp[k]; NaN counts nowhere. NaN with under two blocks."""
        largest = np.full((blocks, *x.shape[1:]), -np.inf)
        np.maximum.at(largest, block, np.nan_to_num(x, nan=-np.inf))
        known = np.isfinite(largest)
        n = known.sum(axis=0).astype(np.float64)
        mean = np.where(known, largest, 0.0).sum(axis=0) / np.maximum(n, 1)
        squares = (np.where(known, largest - mean, 0.0) ** 2).sum(axis=0)
        freedom = NU0 + np.maximum(n, 1) - 1
        deviation = np.sqrt((NU0 * tau**2 + squares) / freedom * (1 + 1 / np.maximum(n, 1)))
        return cls(np.where(n >= 2, mean, np.nan), deviation, freedom)

    def limit(self, alpha: Floats | float, kappa: Floats | float = 1.0) -> Floats:
        """What a new block's largest exceeds with probability ``alpha``, the t quantile times ``kappa``."""
        t = stdtrit(self.freedom, 1 - np.clip(alpha, LEAST_ALPHA, MOST_ALPHA))
        out: Floats = self.mean + self.deviation * t * kappa
        return out


def without_chance(hits: Floats, events: Floats, apart: float) -> Floats:
    """Rates of windows, float64[k, ...] like ``hits`` and ``events``, drawn to their mean by as much as chance moves
    them: of 300 events with 1 % errors the largest of a week has 2.6 % by chance alone, and no hour is worse than
    another. ``apart``: how many windows do not overlap.

    With V the variance of the rates (its upper bound at SURE, of normal rates) and c the mean of p (1 - p) / n, what
    chance alone makes of the mean rate p, a rate r becomes p + sqrt(max(0, 1 - c / V)) (r - p): their variance is then
    V - c, that of the true rates (Louis 1984).
    """
    n = np.maximum(events, 1.0)
    rate, known = hits / n, events > 0
    count = np.maximum(known.sum(axis=0), 1)
    mean = hits.sum(axis=0) / np.maximum(events.sum(axis=0), 1.0)
    variance = np.where(known, (rate - mean) ** 2, 0.0).sum(axis=0) / count
    chance = mean * (1 - mean) * (np.where(known, 1 / n, 0.0).sum(axis=0) / count)
    freedom = max(apart - 1, 1.0)
    most = np.maximum(variance * freedom / chdtri(freedom, SURE), np.finfo(np.float64).tiny)
    out: Floats = mean + np.sqrt(np.maximum(1 - chance / most, 0.0)) * (rate - mean)
    return out
