"""When a score is a finding: the budget's shares, hysteresis, and the estimated start of a change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

import numpy as np
from numpy.typing import NDArray

from driftd.core.finding import MovedBin, Status
from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, MOMENT_UNIT, Summary
from driftd.core.window import Hop

MONTH_SECONDS = 30 * 86400.0
CLOSE_RATIO = 0.8
"""A ratio of 1 opens a ticket; below CLOSE_RATIO it closes again."""


@dataclass(frozen=True, slots=True)
class Budget:
    """False alarms a month for everything that is watched together, and what is watched.

    ``tests`` is how many (channel, detector) pairs are judged each hop over all models; ``hop_seconds`` the
    shortest time between judgements.
    """

    false_alarms_per_month: float
    tests: int
    hop_seconds: float

    @property
    def alpha(self) -> float:
        """The chance of a false alarm that one judgement of one channel by one detector may take.

        The shares add up to the budget under any dependence (union bound). Sliding windows are paid for: each of
        the hops of a window is a judgement of its own.
        """
        judgements = max(self.tests, 1) * MONTH_SECONDS / self.hop_seconds
        return min(0.1, self.false_alarms_per_month / judgements)


def next_status(before: NDArray[np.int8], ratio: NDArray[np.float64]) -> NDArray[np.int8]:
    """int8[channels]: WARNING from a ratio of 1 until it falls below CLOSE_RATIO, else OK.

    Only the judge says DRIFT: a statistic over its threshold is a ticket. A channel whose detector abstains keeps its
    status.
    """
    with np.errstate(invalid="ignore"):
        over = (ratio >= 1) | ((before == Status.WARNING) & (ratio >= CLOSE_RATIO))
    return np.where(np.isnan(ratio), before, np.where(over, Status.WARNING, Status.OK)).astype(np.int8)


def change_starts(reference: Reference, window: Summary, history: Sequence[Hop]) -> NDArray[np.float64]:
    """Where each channel's change began: epoch seconds float64[channels], on hop borders.

    The start is the hop from which on the log likelihood ratio of the window's shares against the reference's
    adds up to most (the CUSUM estimate of the change point, Page 1954).
    """
    p, q = _shares(reference.summary.counts), _shares(window.counts)
    tilt = np.log(q / p)
    evidence = np.array([np.sum(hop.summary.counts * tilt, axis=1) for hop in history])
    remaining = np.cumsum(evidence[::-1], axis=0)[::-1]
    starts = np.array([hop.start for hop in history])
    out: NDArray[np.float64] = starts[np.argmax(remaining, axis=0)]
    return out


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
    return tuple(
        MovedBin(reference.label(row, int(b)), round(float(p[b]), 6), round(float(q[b]), 6))
        for b in order
        if rank[b] >= least and move[b] > 0
    )


def mean_of(reference: Reference, summary: Summary, row: int) -> float | None:
    """The mean of a numeric channel, of values clipped far out, to a thousandth of the reference's spread.

    None where there are no values, and for categories.
    """
    count = int(summary.counts[row, FIRST_VALUE:].sum())
    if not reference.numeric[row] or count == 0:
        return None
    scale = float(reference.scale[row])
    mean = float(reference.center[row]) + float(summary.moments[row, 0]) * MOMENT_UNIT / count * scale
    return round(mean, 3 - floor(log10(scale))) + 0.0  # never -0


def divergences(reference: NDArray[np.int64], current: NDArray[np.int64]) -> NDArray[np.float64]:
    """PSI of every channel's bins as they are, float64[channels]: for ranking, not for judging."""
    p, q = _shares(reference), _shares(current)
    out: NDArray[np.float64] = np.sum((q - p) * np.log(q / p), axis=1)
    return out


def _shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    smoothed = counts + 0.5
    out: NDArray[np.float64] = smoothed / smoothed.sum(axis=1, keepdims=True)
    return out
