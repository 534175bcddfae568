"""Statistics of windows of hours: rates, level, spread and mix of each channel against what is usual.

A statistic x has about the same noise and the same ordinary variation wherever a channel lies, so that one prior fits
all: rates as 2 asin sqrt(rate), levels in standard deviations, spreads as logarithms, mixes as the Hellinger angle less
what chance makes of it. Beside it the size d, in units that a person reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.fault_counters import LOG_UNIT
from driftd.core.summary import MISSING, MOMENT_UNIT, UNSEEN
from driftd.judge.natural import features as f
from driftd.judge.natural.changes import CHANGES, Change

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Bools = NDArray[np.bool_]

RATES: Final = (
    (Change.MISSING, f.NULLS, f.EVENTS),
    (Change.REFUSED, f.REFUSED, f.EVENTS),
    (Change.FAR, f.FAR, f.LIVE),
    (Change.FROZEN, f.REPEATED, f.LIVE),
    (Change.NEW, f.NEW, f.LIVE),
    (Change.HOT, f.HOT, f.LIVE),
    (Change.ERRORS, f.HIGH, f.LIVE),
)
"""Changes of a rate, hits, and of how many. Derived: the columns that count them."""
STATISTICS: Final = (
    *(change for change, _, _ in RATES),
    *(
        Change.UNIT,
        Change.UNIT,
        Change.WITHIN,
        Change.WITHIN,
        Change.LEVEL,
        Change.LEVEL,
        Change.SPREAD,
        Change.SPREAD,
        Change.MIX,
    ),
)
"""What each statistic is about. Derived: rates, then the others; those that go both ways come twice, upwards first."""
FIRST_SHAPE: Final = len(RATES)
"""Derived: the first statistic that is no rate."""
FIRST_TWICE: Final = STATISTICS.index(Change.WITHIN)
"""From here on statistics of the near scale must be over their limit for more hops than their window has. Derived: the
first after UNIT, which like a rate is nothing that the world does for hours.
"""
CHANGE_OF: Final = np.array([CHANGES.index(c) for c in STATISTICS], np.intp)
"""Derived: the place of each statistic's change in CHANGES."""

LEAST_RATE: Final = 12
"""Values of a window below which a rate is not looked at. Chosen: the lower bound of 12 of 12 is .88."""
LEAST_SHAPE: Final = 50
"""Values of a window below which a shape is not looked at. Chosen: the standard error of a level is .14 sd, the size of
the least ticket.
"""
QUANTILE: Final = 1.2816
"""Of a rate's lower bound, in standard errors. Derived: ndtri(.9), a one-sided bound of 90 %."""
LEAST_VARIANCE: Final = 0.02
"""Least variance of normal scores that a spread is taken of. Chosen: a seventh of the usual deviation; a channel of one
value has a spread.
"""
LEAST_WITHIN: Final = 1e-5
"""Least variance within a tick, in that of the reference. Derived: sums are whole numbers of MOMENT_UNIT, so of 8
values at 32 standard deviations the rounding alone may be 7e-6; a number that counts events has less.
"""
UNIT_OF_LEVEL: Final = 4.0
"""Most that ln of a factor is of the level that it makes, in deviations, on numbers that are often 0. Chosen: as of
numbers spread over five orders of magnitude; 0 that becomes 0.1 joins the numbers whose logarithms are told."""
TINY_SHARE: Final = 1e-12
"""Derived: groups without a share have no score."""
NEIGHBOURS: Final = 2.0
"""Most that the moved share of a number is of the greatest difference of its distribution functions. Derived: what
values make that go to two places, one on either side. Where all values of a number that repeats (prices, distances)
move by a twentieth of a deviation each goes to the next bin: of flights' distances a third moved, and the functions
differ by a tenth.
"""

ATOM_SHARE: Final = 0.2
"""Least share of a bin that is one value that many have. Chosen: twice that of a tenth."""
NEAR_ATOM: Final = 0.25
"""Deviations from such a value within which others are like it. Chosen: a level that moves by half of one matters.
Measured: where every value rose by a twentieth, 41 % of a number were 0 and went to the next bin, a page of mixes."""


@dataclass(frozen=True, slots=True, eq=False)
class Usual:
    """``shares`` float64[channels, width] of the values' bins; ``scores`` float64[channels, width] normal scores;
    float64[channels]: ``within`` ln of the usual spread within minutes, ``logs`` the usual mean of ln|x|; ``last``
    intp[channels] the last bin in use; ``near`` intp[channels, width]: the bin that each is taken together with where
    a size is measured, itself for most (``near_atoms``).
    """

    shares: Floats
    scores: Floats
    within: Floats
    logs: Floats
    last: NDArray[np.intp]
    numeric: Bools
    near: NDArray[np.intp]

    def values(self, counts: Floats) -> Floats:
        """Counts of values; unseen categories, which a reference has none of, belong to "(other)"."""
        out = counts.copy()
        rows = np.flatnonzero(~self.numeric)
        out[..., rows, self.last[rows]] += out[..., rows, UNSEEN]
        out[..., rows, UNSEEN] = 0
        out[..., MISSING] = 0
        return out


def near_atoms(middles: Floats, shares: Floats, deviation: float) -> NDArray[np.intp]:
    """For each bin of a number, with its middle and share, float64[bins], the bin that it is taken together with,
    intp[bins]: next to a value that many have lies what is the same for a reader. The first and the last are open.
    """
    out = np.arange(len(middles))
    for atom in np.flatnonzero(shares >= ATOM_SHARE).tolist():
        mine = np.abs(middles - middles[atom]) <= NEAR_ATOM * deviation
        beside = np.abs(np.arange(len(middles)) - atom) <= 1
        free = shares < ATOM_SHARE
        free[[0, -1]] = False  # open ends
        out[mine & beside & free] = atom
    return out


def angle(rate: Floats) -> Floats:
    out: Floats = 2 * np.arcsin(np.sqrt(np.clip(rate, 0, 1)))
    return out


def rate_of(angles: Floats) -> Floats:
    out: Floats = np.sin(np.clip(angles, 0, np.pi) / 2) ** 2
    return out


def least_rate(hits: Floats, events: Floats) -> Floats:
    """The lower 90 % bound of a rate (Wilson 1927)."""
    n = np.maximum(events, 1.0)
    r, z = hits / n, QUANTILE
    out: Floats = (r + z * z / (2 * n) - z * np.sqrt(r * (1 - r) / n + z * z / (4 * n * n))) / (1 + z * z / n)
    return out


def spread_within(sums: Floats) -> Floats:
    """ln of the deviation within ticks, in the reference's; NaN with few values."""
    free = np.maximum(sums[..., f.FREE], 1)
    ln = 0.5 * np.log(np.maximum(sums[..., f.WITHIN] * MOMENT_UNIT / free, LEAST_WITHIN))
    return np.where(sums[..., f.LIVE] >= LEAST_SHAPE, ln, np.nan)


def mean_log(sums: Floats) -> Floats:
    """Mean of ln|x| of numbers other than 0; NaN with few."""
    n = sums[..., f.NONZERO]
    return np.where(n >= LEAST_RATE, sums[..., f.LOGS] * LOG_UNIT / np.maximum(n, 1), np.nan)


def statistics(usual: Usual, sums: Counts, shares: Floats) -> tuple[Floats, Floats, Floats]:
    """x, size and its lower bound, float64[windows, len(STATISTICS), channels]; NaN where a window holds too little.

    sums    int64[windows, channels, FEATURES + width]
    shares  float64[windows, channels, width]: what is expected of their values
    """
    s = sums.astype(np.float64)
    windows, channels = s.shape[:2]
    x = np.full((windows, len(STATISTICS), channels), np.nan)
    size, least = x.copy(), x.copy()
    k, n = s[:, :, [hits for _, hits, _ in RATES]], s[:, :, [of for _, _, of in RATES]]
    k, n = k.transpose(0, 2, 1), n.transpose(0, 2, 1)
    enough, first = n >= LEAST_RATE, slice(len(RATES))
    size[:, first] = rate = np.where(enough, k / np.maximum(n, 1), np.nan)
    x[:, first], least[:, first] = angle(rate), np.where(enough, least_rate(k, n), np.nan)
    unit = mean_log(s) - usual.logs
    within = spread_within(s) - usual.within
    level, spread, distance, moved = _shape(usual, s, shares)
    x[:, FIRST_SHAPE:] = np.stack([*_both_ways(unit, within, level, spread), distance], axis=1)
    unit, level, spread, moved = _of_readers(usual, s, shares, (unit, level, spread, moved))
    size[:, FIRST_SHAPE:] = np.stack([*_both_ways(unit, within, level, spread), moved], axis=1)
    least[:, FIRST_SHAPE:] = size[:, FIRST_SHAPE:]
    return x, size, least


def _both_ways(*values: Floats) -> list[Floats]:
    return [v for one in values for v in (one, -one)]


def _of_readers(
    usual: Usual, s: Floats, expected: Floats, sizes: tuple[Floats, Floats, Floats, Floats]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Unit, level, ln spread and moved share, but no more than they are with the bins taken together that are near a
    value that many have (``Usual.near``).
    """
    rows = np.flatnonzero((usual.near != np.arange(usual.near.shape[1])).any(axis=1))
    if not len(rows):
        return sizes
    whole = (usual.near[rows][:, :, None] == np.arange(usual.near.shape[1])).astype(np.float64)
    every = usual.shares[rows][:, :, None] * whole
    scores = (every * usual.scores[rows][:, :, None]).sum(axis=1) / np.maximum(every.sum(axis=1), TINY_SHARE)
    values = usual.values(s[:, :, f.FEATURES :])[:, rows]
    seen = np.einsum("wcb,cbg->wcg", values / np.maximum(values.sum(axis=2, keepdims=True), 1.0), whole)
    then = np.einsum("wcb,cbg->wcg", expected[:, rows], whole)
    out = [v.copy() for v in sizes]
    level, spread = _moments(seen, then, scores)
    unit = np.copysign(UNIT_OF_LEVEL * level, sizes[0][:, rows])
    for mine, told in zip((unit, level, spread, _moved(seen, then)), out, strict=True):
        known = told[:, rows]
        alike = np.where(known * mine > 0, np.copysign(np.minimum(np.abs(known), np.abs(mine)), known), 0.0)
        told[:, rows] = np.where(np.isnan(known), known, alike)
    return out[0], out[1], out[2], out[3]


def _moved(seen: Floats, expected: Floats) -> Floats:
    """The share of numbers that moved, float64[windows, channels] (NEIGHBOURS)."""
    far = NEIGHBOURS * np.abs((seen - expected).cumsum(axis=2)).max(axis=2)
    out: Floats = np.minimum(0.5 * np.abs(seen - expected).sum(axis=2), far)
    return out


def _moments(seen: Floats, expected: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """Level and ln spread of ``seen`` against ``expected`` shares float64[windows, channels, width]."""
    mean, usual_mean = (seen * scores).sum(axis=2), (expected * scores).sum(axis=2)
    square, usual_square = (seen * scores**2).sum(axis=2), (expected * scores**2).sum(axis=2)
    variance, usual_variance = square - mean**2, usual_square - usual_mean**2
    spread = 0.5 * np.log(np.maximum(variance, LEAST_VARIANCE) / np.maximum(usual_variance, LEAST_VARIANCE))
    return mean - usual_mean, spread


def _shape(usual: Usual, s: Floats, expected: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Level, ln spread, Hellinger angle and moved share against what is expected, float64[windows, channels]. Of the
    last two that is taken away, in squares, which chance makes of so few events.
    """
    values = usual.values(s[:, :, f.FEATURES :])
    n = np.maximum(values.sum(axis=2), 1.0)
    seen = values / n[:, :, None]
    enough = s[:, :, f.LIVE] >= LEAST_SHAPE
    cosine = np.minimum(np.sqrt(seen * expected).sum(axis=2), 1.0)
    chance = (np.count_nonzero(expected > 0.5 / n[:, :, None], axis=2) - 1) / n
    distance = np.sqrt(np.maximum((2 * np.arccos(cosine)) ** 2 - chance, 0.0))
    noise = 0.5 * np.sqrt(2 / np.pi * expected * np.clip(1 - expected, 0, 1) / n[:, :, None]).sum(axis=2)
    moved = np.where(usual.numeric, _moved(seen, expected), 0.5 * np.abs(seen - expected).sum(axis=2))
    moved = np.sqrt(np.maximum(moved**2 - noise**2, 0.0))
    level, spread = _moments(seen, expected, usual.scores)
    number = enough & usual.numeric
    nan = np.nan
    return (
        np.where(number, level, nan),
        np.where(number, spread, nan),
        np.where(enough, distance, nan),
        np.where(enough, moved, nan),
    )
