"""When a change began that windows of hops show, and how well that is known: a step fitted to the hops.

hops     |  o  |  o  | o   |     |     |     |         o the size of a change in each, its error by its values
                        .--|--o--|-o---|---o-|
step     ---------------'                              where it fits best, within the hop by the part that has changed
known             |---------------|                    every other place that fits nearly as well
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftd.judge.natural import features as f
from driftd.judge.natural.changes import Change
from driftd.judge.natural.learned import NaturalLearned
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.shapes import FIRST_SHAPE, RATES, STATISTICS, statistics

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

WORSE: Final = 4.0
"""Squares by which a place may fit worse and be the beginning. Derived: 95 % of chi-squared(1)."""
VARIANCES: Final = {Change.LEVEL: 1.0, Change.SPREAD: 0.5, Change.WITHIN: 0.5, Change.MIX: 0.25}
"""Variance of a statistic of one value. Derived: of normal scores, of ln of their deviation (1 / 2), and at most of a
share that moved."""
LEAST_VARIANCE: Final = 0.01
"""The same of a rate, at the least. Chosen: that of a share of a hundredth."""


class Dated(NamedTuple):
    """``since``, and the most by which it is wrong, 19 times in 20, in seconds; ``inside``: whether hops before it do
    not show the change.
    """

    since: float
    error: float
    inside: bool


def dated(start: Floats, end: Floats, size: Floats, variance: Floats) -> Dated:
    """From the ``size`` of a change in each hop, float64[hops], 0 where there is none, with its ``variance``; NaN where
    a hop holds too little. Of hops that all show it the first began after it did.
    """
    known = np.isfinite(size) & np.isfinite(variance) & (variance > 0)
    weight = np.where(known, 1 / np.where(known, variance, 1.0), 0.0)
    moved, total = (np.cumsum((v * weight)[::-1])[::-1] for v in (np.where(known, size, 0.0), np.ones(len(size))))
    gain = np.where((moved > 0) & (total > 0), moved**2 / np.maximum(total, np.finfo(float).tiny), 0.0)
    best = int(np.argmax(gain))
    near = np.flatnonzero(gain >= gain[best] - WORSE)
    after = moved[best + 1] / total[best + 1] if best + 1 < len(size) and total[best + 1] > 0 else np.nan
    part = np.clip(size[best] / after, 0.0, 1.0) if known[best] and after > 0 else 1.0
    since = float(end[best] - part * (end[best] - start[best]))
    error = max(since - float(start[near[0]]), float(end[near[-1]]) - since, float(end[best] - start[best]) / 2)
    if best == 0:  # nobody knows how long before
        error = max(error, float(end[-1] - start[0]))
    return Dated(since, error, best > 0)


class Hops:
    """The hops of one window with the size of each change in each of them, which is worked out once."""

    def __init__(self, learned: NaturalLearned, hops: Runs, centre: Floats) -> None:
        """``centre`` float64[len(STATISTICS), channels]: what is usual."""
        each = np.arange(len(hops))
        self._size = statistics(learned.usual, hops.sums, learned.slots.expected(hops, each, each))[1] - centre
        self._learned, self._hops, self._centre = learned, hops, centre

    def dated(self, row: int, channel: int) -> Dated:
        """When the change of a statistic (place ``row`` in STATISTICS) began."""
        of = RATES[row][2] if row < FIRST_SHAPE else f.LIVE
        n = np.maximum(self._hops.sums[:, channel, of].astype(np.float64), 1.0)
        variance = _variance(self._learned, row, channel, float(self._centre[row, channel])) / n
        return dated(self._hops.start, self._hops.end, self._size[:, row, channel], variance)


def _variance(learned: NaturalLearned, row: int, channel: int, centre: float) -> float:
    """Of one value."""
    change = STATISTICS[row]
    if row < FIRST_SHAPE:
        return max(centre * (1 - centre), LEAST_VARIANCE)
    if change is Change.UNIT:
        return float(learned.log_deviation[channel]) ** 2
    return VARIANCES[change]


def by_chance(learned: NaturalLearned, values: Counts) -> Floats:
    """How large each statistic of a shape is by chance at most, 19 times in 20, where a stretch has so many ``values``
    int64[stretches, channels]: float64[stretches, len(STATISTICS), channels], 0 for rates, which have bounds.

    The share that moved adds up what k bins have by chance: sqrt((k - 1) 2 / (pi n)) / 2 of n values at most.
    """
    stretches, channels = values.shape
    out = np.zeros((stretches, len(STATISTICS), channels))
    for row in range(FIRST_SHAPE, len(STATISTICS)):
        change = STATISTICS[row]
        variance = learned.log_deviation**2 if change is Change.UNIT else np.full(channels, VARIANCES[change])
        out[:, row] = np.sqrt(WORSE * variance)
        if change is Change.MIX:
            out[:, row] += np.sqrt((learned.layout.width - 1) / (2 * np.pi))
    return out / np.sqrt(np.maximum(values, 1))[:, None]


def of_rate(rate: Floats, p0: Floats, events: Counts, seconds: Floats) -> Floats:
    """By how many seconds the start of a CUSUM is wrong at most, float64[k]: so many events as give WORSE / 2 nats, of
    which there were ``events`` in ``seconds`` since then.
    """
    q, p = np.clip(rate, LEAST_VARIANCE, 1 - LEAST_VARIANCE), np.clip(p0, np.finfo(float).tiny, 1 - LEAST_VARIANCE)
    nats = np.maximum(q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p)), LEAST_VARIANCE)
    out: Floats = WORSE / 2 / nats * seconds / np.maximum(events, 1.0)
    return out
