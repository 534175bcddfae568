"""What a finite reference can promise: upper and lower bounds of shares, and of the mass it never saw."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

_HALVINGS: Final = 40

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


def unseen_bound(singles: Floats, spread: Floats, events: Floats, deviations: Floats) -> Floats:
    """Upper bound of the mass of categories a sample never saw: Good-Turing, plus ``deviations`` standard errors.

    The sample's ``singles`` (categories seen once) estimate it: singles / events, with variance at most
    (singles + spread) / events**2, spread twice the categories seen twice (Esty 1983); the
    quadratic term keeps it above Clopper-Pearson near zero.
    Asymptotic, not exact.
    """
    slack = deviations * np.sqrt(singles + spread + 1) + deviations**2 / 2
    return np.minimum((singles + slack) / np.maximum(events, 1), 1.0)


def divergence(q: Floats, p: Floats) -> Floats:
    """Kullback-Leibler divergence of Bernoulli(q) from Bernoulli(p), nats."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one = np.where(q > 0, q * np.log(q / p), 0.0)
        two = np.where(q < 1, (1 - q) * np.log((1 - q) / (1 - p)), 0.0)
    return one + two


def risen(p: Floats, nats: Floats) -> Floats:
    """The q > p with divergence(q, p) = ``nats``; where there is none, the q halfway to 1 in logarithm of 1 - q."""
    low, high = np.broadcast_arrays(p, np.ones_like(nats) * (1 - (1 - p) * 1e-3))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        over = divergence(middle, p) > nats
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.asarray((low + high) / 2, np.float64)
