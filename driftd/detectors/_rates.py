"""The level that a rate exceeds by chance, when the normal rate itself is only known from a reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrik, betainc, betaincinv

from driftd.detectors._bins import Floats


def rate_level(hits: NDArray[np.int64], n: NDArray[np.int64], m: NDArray[np.int64], alpha: float) -> Floats:
    """The least ratio that a window of ``m`` events reaches with probability ``alpha`` at most.

    ``hits`` of ``n`` reference events count against it; all int64[channels], NaN where n or m is 0. Half of alpha
    pays for the reference's error (Clopper and Pearson's upper bound of its rate), half for the window's (the
    binomial at that bound), so the level holds exactly, for any n and m. Above 1 no window can reach it.
    """
    tail = alpha / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = np.where(hits < n, betaincinv(hits + 1.0, np.maximum(n - hits, 1.0), 1 - tail), 1.0)
        # P(at least c of m) is betainc(c, m - c + 1, bound); bdtrik leads to the neighbourhood, two steps settle it
        count = np.clip(np.ceil(np.nan_to_num(bdtrik(1 - tail, m, bound))), 0, m) + 1
        for _ in range(2):
            count += (count <= m) & (_at_least(count, m, bound) > tail)
        for _ in range(2):
            count -= (count > 1) & (_at_least(count - 1, m, bound) <= tail)
        return np.where((n > 0) & (m > 0), count / m, np.nan)


def _at_least(count: Floats, m: NDArray[np.int64], rate: Floats) -> Floats:
    inside = (count >= 1) & (count <= m)
    safe = np.where(inside, count, 1)
    return np.where(inside, betainc(safe, np.maximum(m - safe + 1, 1), rate), np.where(count < 1, 1.0, 0.0))


def ratio(hits: NDArray[np.int64], events: NDArray[np.int64]) -> Floats:
    """The share of hits, float64[channels], NaN without events."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(events > 0, hits / events, np.nan)
