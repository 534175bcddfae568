"""What a finite reference can promise: upper and lower bounds of shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

Floats = NDArray[np.float64]


def share_bounds(counts: Floats, events: Floats, level: Floats) -> tuple[Floats, Floats]:
    """Clopper-Pearson (lower, upper) of a share, each missed with probability at most ``level``.

    ``counts``, ``events`` and ``level`` broadcast. Quantile bins are cut on the same sample; a bin between order
    statistics holds Beta(k, n + 1 - k) of the mass, and the bounds below are that distribution's quantiles (within
    one count), so they hold for such bins too. Proved for fixed bins (Clopper and Pearson 1934).
    """
    k, n, a = np.broadcast_arrays(counts, events, level)
    with np.errstate(invalid="ignore"):
        low = np.where(k > 0, betaincinv(np.maximum(k, 1), n - k + 1, a), 0.0)
        high = np.where(k < n, betaincinv(k + 1, np.maximum(n - k, 1), 1 - a), 1.0)
    return low, high
