"""How right a model should be by its scores alone: the reference's outcomes in each bin of the score, weighted anew.

bin of score     0..0.1   0.1..0.5   0.5..1
reference        99 %     70 %       90 %     right, by its labels
now              10 %     60 %       30 %     of the events: accuracy 0.1 * 99 + 0.6 * 70 + 0.3 * 90 = 79 %
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.quality.intervals import Z, ratio

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


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """``values`` float64[statistics, 3] with the interval of the first; ``outside``: the share of events that lie where
    the reference has no label: they are left out.
    """

    events: int
    values: Floats
    outside: float
    statistics: tuple[str, ...] = STATISTICS

    @property
    def known(self) -> bool:
        return bool(np.isfinite(self.values[0, 0]))


def estimate(by_score: Counts, scores: Counts, two: bool) -> Estimate:
    """Of events with these ``scores`` int64[bins]; ``by_score`` int64[bins, 4]: the reference's outcomes. NaN of too
    few events, and where too many of them lie outside.

    The interval of accuracy has two parts: chance among the events now, and among those of the reference in each bin.
    """
    seen = by_score.sum(axis=1)
    events, here = int(scores.sum()), np.where(seen > 0, scores, 0).astype(np.float64)
    n = float(here.sum())
    values, outside = np.full((len(STATISTICS), 3), np.nan), 1 - n / events if events else 0.0
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
