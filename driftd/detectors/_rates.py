"""The level that a rate exceeds by chance, when the normal rate itself is only known from a reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrik, betainc, betaincinv, nbdtrik

from driftd.detectors._bins import Floats

Counts = NDArray[np.int64]


def rate_level(hits: Counts, n: Counts, m: Counts, alpha: float) -> Floats:
    """The least ratio that a window of ``m`` events reaches with probability ``alpha`` at most, for any n and m.

    ``hits`` of ``n`` reference events, int64[channels], count against it; ``m`` int64[..., channels]. NaN where n or m
    is 0. Above 1 no window can reach it. Either kind of value takes half of alpha, since chance decides which it is:

    rare    (hits below a quarter of n) given the hits of both sides together, the window's are binomial with
            share m / (n + m): exact for Poisson rates, and binomial ones vary less.
    common  the binomial's level at Clopper and Pearson's upper bound of the reference's rate, half of the half each.
    """
    out = np.full(m.shape, np.nan)
    hits, n = np.broadcast_to(hits, m.shape), np.broadcast_to(n, m.shape)
    some = (n > 0) & (m > 0)
    for level, rows in ((_rare, some & (4 * hits < n)), (_common, some & (4 * hits >= n))):
        if rows.any():
            out[rows] = level(hits[rows], n[rows], m[rows], alpha / 2) / m[rows]
    return out


def _rare(hits: Counts, n: Counts, m: Counts, tail: float) -> Floats:
    share = m / (n + m)

    def reached(count: Floats) -> Floats:
        """The chance of ``count`` hits in the window before ``hits + 1`` in the reference."""
        return np.asarray(betainc(np.maximum(count, 1), hits + 1.0, share), np.float64)

    return _least(np.ceil(nbdtrik(1 - tail, hits + 1.0, 1 - share)) + 1, reached, tail)


def _common(hits: Counts, n: Counts, m: Counts, tail: float) -> Floats:
    bound = np.where(hits < n, betaincinv(hits + 1.0, np.maximum(n - hits, 1.0), 1 - tail / 2), 1.0)

    def reached(count: Floats) -> Floats:
        """The chance of ``count`` hits among the window's m at the rate's upper bound."""
        possible = betainc(np.clip(count, 1, m), np.maximum(m - count + 1, 1), bound)
        return np.where(count > m, 0.0, possible)

    return _least(np.ceil(bdtrik(1 - tail / 2, m, bound)) + 1, reached, tail / 2)


def _least(guess: Floats, reached: Callable[[Floats], Floats], tail: float) -> Floats:
    """The least count >= 1 with ``reached(count) <= tail``, found from nearby: inverse functions round."""
    count = np.maximum(np.nan_to_num(guess), 1)
    for _ in range(2):
        more = reached(count) > tail
        if not more.any():
            break
        count = count + more
    for _ in range(2):
        fewer = (count > 1) & (reached(count - 1) <= tail)
        if not fewer.any():
            break
        count = count - fewer
    return count


def ratio(hits: Counts, events: Counts) -> Floats:
    """The share of hits, float64[..., channels], NaN without events."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(events > 0, hits / events, np.nan)
