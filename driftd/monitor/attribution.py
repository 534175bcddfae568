"""What moved: bins, means, and a measure to rank channels by."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10

import numpy as np
from numpy.typing import NDArray

from driftd.core.finding import MovedBin
from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, MOMENT_UNIT, Summary

LEAST_MOVE = 0.001
"""A bin whose share moved by less is not named."""


def moved_bins(
    reference: Reference, window: Summary, row: int, most: int = 3, *, surprising: bool = False
) -> tuple[MovedBin, ...]:
    """The bins of channel ``row`` whose shares moved most, largest first; none where nothing moved to speak of.

    ``surprising``: by how many standard deviations of chance, as evidence is weighed, and only those within half of
    the greatest; five flights to a place that was never seen say more than a point of the busiest place's share.
    """
    used = int(reference.used[row])
    then, now = reference.summary.counts[row, :used], window.counts[row, :used]
    p, q = then / max(then.sum(), 1), now / max(now.sum(), 1)
    move = np.abs(q - p)
    rank, least = move, max(LEAST_MOVE, float(move.max(initial=0.0)) / 10)
    if surprising:
        rank = move / np.sqrt(p + 0.5 / max(int(then.sum()), 1))
        least = float(rank.max(initial=0.0)) / 2
    order = np.argsort(-rank, kind="stable")[:most]
    return tuple(_moved(reference, row, int(b), p, q) for b in order if rank[b] >= least and move[b] > 0)


def moved_shares(
    reference: Reference, row: int, then: Sequence[float], now: Sequence[float], most: int = 3
) -> tuple[MovedBin, ...]:
    """The same from shares [width] of the values."""
    used = int(reference.used[row])
    p, q = np.asarray(then)[:used], np.asarray(now)[:used]
    move = np.abs(q - p)
    least = max(LEAST_MOVE, float(move.max(initial=0.0)) / 10)
    order = np.argsort(-move, kind="stable")[:most]
    return tuple(_moved(reference, row, int(b), p, q) for b in order if move[b] >= least)


def _moved(
    reference: Reference, row: int, column: int, then: NDArray[np.float64], now: NDArray[np.float64]
) -> MovedBin:
    return MovedBin(reference.label(row, column), round(float(then[column]), 6), round(float(now[column]), 6))


def mean_of(reference: Reference, summary: Summary, row: int) -> float | None:
    """The mean of a numeric channel, of values clipped far out, to a thousandth of the reference's spread.

    None where there are no values, and for categories.
    """
    count = int(summary.counts[row, FIRST_VALUE:].sum())
    if not reference.numeric[row] or count == 0:
        return None
    mean = float(summary.moments[row, 0]) * MOMENT_UNIT / count
    return rounded(reference, row, float(reference.center[row]) + mean * float(reference.scale[row]))


def mean_at(reference: Reference, row: int, shares: Sequence[float]) -> float | None:
    """The mean of a numeric channel whose values have these ``shares`` [width] of the bins, as ``mean_of``: what moved
    from bin to bin moved from middle to middle. Beyond the outermost edges nothing moves.
    """
    usual = mean_of(reference, reference.summary, row)
    if usual is None:
        return None
    middle, counts = reference.bins[row].middles, reference.summary.counts[row, FIRST_VALUE:]
    move = np.asarray(shares)[FIRST_VALUE:] - counts / max(counts.sum(), 1)
    return rounded(reference, row, usual + float(move[: len(middle)] @ middle))


def rounded(reference: Reference, row: int, mean: float) -> float:
    """A mean of the channel, to a thousandth of the reference's spread."""
    return round(mean, 3 - floor(log10(float(reference.scale[row])))) + 0.0  # never -0


def divergences(reference: NDArray[np.int64], current: NDArray[np.int64]) -> NDArray[np.float64]:
    """PSI of every channel's bins as they are, float64[channels]: for ranking, not for judging."""
    p, q = smoothed_shares(reference), smoothed_shares(current)
    out: NDArray[np.float64] = np.sum((q - p) * np.log(q / p), axis=1)
    return out


def beyond_chance(then: NDArray[np.int64], now: NDArray[np.int64]) -> NDArray[np.float64]:
    """PSI of every channel, of each bin what is more than chance makes of it on average: float64[channels].

    Chance adds about 1/n + 1/m to a bin that both may expect to fill. A bin that is empty in both counts nothing.
    """
    p, q = smoothed_shares(then), smoothed_shares(now)
    m, n = (np.maximum(counts.sum(axis=1, keepdims=True), 1) for counts in (then, now))
    pooled = (then + now) / (m + n)
    chance = (1 / n + 1 / m) * np.minimum(np.minimum(n, m) * pooled, 1.0)
    more = np.where(pooled > 0, (q - p) * np.log(q / p) - chance, 0.0)
    out: NDArray[np.float64] = np.sum(np.maximum(more, 0.0), axis=1)
    return out


def smoothed_shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    smoothed = counts + 0.5
    out: NDArray[np.float64] = smoothed / smoothed.sum(axis=1, keepdims=True)
    return out
