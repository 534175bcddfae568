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
from scipy.special import stdtrit

Floats = NDArray[np.float64]

NU0: Final = 6.0


def blocks_of(days: float) -> int:
    """Into how many blocks a reference of so many days is cut: days, half days, or eighths of a short one."""
    return 28 if days > 20 else 14 if days > 5 else 8


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
        t = stdtrit(self.freedom, 1 - np.clip(alpha, 1e-15, 0.3))
        out: Floats = self.mean + self.deviation * t * kappa
        return out
