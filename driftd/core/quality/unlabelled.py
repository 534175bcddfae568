"""How right a model should be by its scores alone: the reference's outcomes in each bin of the score, weighted anew.

bin of score     0..0.1   0.1..0.5   0.5..1
reference        99 %     70 %       90 %     right, by its labels
now              10 %     60 %       30 %     of the events: accuracy 0.1 * 99 + 0.6 * 70 + 0.3 * 90 = 79 %

Where labels come later, outcomes are known of another reference than that on whose bins scores are counted. Then they
are by BINS of equal width: ``spread_out`` has the scores so, and ``pooled`` has enough labels in each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.quality.intervals import Z, ratio
from driftd.core.quality.scoring import BINS

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

STATISTICS: Final = ("accuracy", "precision", "recall", "f1")
"""What there is an estimate of; the last three of two classes."""
TRUE_NEGATIVE, FALSE_POSITIVE, FALSE_NEGATIVE, TRUE_POSITIVE = 0, 1, 2, 3
"""Columns of ``by_score``. Of more than two classes what is wrong counts as FALSE_POSITIVE, what is right as
TRUE_POSITIVE.
"""
LEAST_EVENTS: Final = 500
"""With a score, now and in the reference with a label: with fewer the interval says nothing."""
MOST_OUTSIDE: Final = 0.01
"""Share of events in bins of which the reference has no label."""
LEAST_POOLED: Final = 25
"""Labels in a pool of bins. Derived: a share of so few looks steadier than it is by a 25th, of one as if it were sure.
"""
REACH: Final = 8
"""Bins from one with labels to one without up to which they are alike: 1/32. Chosen."""
_POINT: Final = 1e-9
"""Width of a bin of one value: less than there is between this and its upper edge."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """``values`` float64[statistics, 3] with the interval of the first; ``outside``: the share of events that lie where
    the reference has no label: they are left out. ``later``: it was learned from joined labels, as the model's own
    reference has not enough.
    """

    events: int
    values: Floats
    outside: float
    statistics: tuple[str, ...] = STATISTICS
    later: bool = False

    @property
    def known(self) -> bool:
        return bool(np.isfinite(self.values[0, 0]))


def spread_out(counts: Counts, edges: Floats, discrete: bool, seen: Counts) -> Floats:
    """float64[BINS + 1]: events by bins of equal width, and those that no bin holds, from ``counts`` int64[k + 2]
    between and beyond ``edges`` float64[k + 1] as in core.reference.Bins. Within a bin of theirs they are spread as
    ``seen`` int[BINS] is.
    """
    low, high = (np.clip(np.append(*x), 0.0, 1.0) for x in ((0.0, edges), (edges, 1.0)))
    if discrete:
        low[1:-1] = high[1:-1] - _POINT
    starts = np.arange(BINS) / BINS
    overlap = np.minimum(high[:, None], starts + 1 / BINS) - np.maximum(low[:, None], starts)
    overlap = np.maximum(overlap, 0.0)
    likely = overlap * seen
    weights = np.where(likely.any(axis=1, keepdims=True), likely, overlap)
    whole = weights.sum(axis=1)
    return np.append(counts @ np.nan_to_num(ratio(weights, whole[:, None])), counts[whole == 0].sum())


def pooled(by_score: Counts, scores: Floats) -> tuple[Counts, Floats]:
    """Neighbours of ``by_score`` int64[BINS, 4] as one until LEAST_POOLED labels are in it, and ``scores``
    float64[BINS + 1] in the same pools; the last has no labels, and the events that are far from all of them.
    """
    known, pool, filled = np.flatnonzero(by_score.sum(axis=1)), [0], 0
    for n in by_score.sum(axis=1)[known].tolist():
        pool.append(pool[-1] + (filled + n >= LEAST_POOLED))
        filled = 0 if pool[-1] > pool[-2] else filled + n
    mine = np.array(pool[:-1], np.intp)
    if filled and len(mine) and mine[-1] > 0:
        mine[mine == mine[-1]] -= 1  # the last one has too few
    last = int(mine.max(initial=-1)) + 1
    place = np.full(BINS + 1, last, np.intp)
    if len(known):
        distance = np.abs(np.arange(BINS)[:, None] - known)
        place[:BINS] = np.where(distance.min(axis=1) <= REACH, mine[distance.argmin(axis=1)], last)
    table = np.zeros((last + 1, by_score.shape[1]), np.int64)
    np.add.at(table, mine, by_score[known])
    return table, np.bincount(place, scores, last + 1).astype(np.float64)


def estimate(by_score: Counts, scores: Counts | Floats, two: bool) -> Estimate:
    """Of events with these ``scores`` int64[bins]; ``by_score`` int64[bins, 4]: the reference's outcomes. NaN of too
    few events, and where too many of them lie outside.

    The interval of accuracy has two parts: chance among the events now, and among those of the reference in each bin.
    """
    seen = by_score.sum(axis=1)
    events, here = round(float(scores.sum())), np.where(seen > 0, scores, 0).astype(np.float64)
    n = float(here.sum())
    values, outside = np.full((len(STATISTICS), 3), np.nan), max(1 - n / events, 0.0) if events else 0.0
    if events < LEAST_EVENTS or seen.sum() < LEAST_EVENTS or outside > MOST_OUTSIDE:
        return Estimate(events, values, outside)
    shares = np.nan_to_num(ratio(by_score, seen[:, None]))
    negative, false, missed, hits = (here @ shares).tolist()
    right = shares[:, TRUE_NEGATIVE] + shares[:, TRUE_POSITIVE]
    spread, accuracy = right * (1 - right), (negative + hits) / n
    now = float(here @ spread) / n**2
    before = float(((here / n) ** 2 * np.nan_to_num(ratio(spread, seen))).sum())
    half = Z * np.sqrt(now + before)
    values[0] = accuracy, max(accuracy - half, 0.0), min(accuracy + half, 1.0)
    if two:
        pairs = ((hits, hits + false), (hits, hits + missed), (2 * hits, 2 * hits + false + missed))
        values[1:, 0] = [part / whole if whole > 0 else np.nan for part, whole in pairs]
    return Estimate(events, values, outside)
