"""Numbers that leap out of the range at once: no weather does, another unit or a sentinel does.

What follows the hour or the weather, and what was seen for a few days only, leaves its range without a fault, but
little by little. The reference shows how far a typical size goes within two hops. A leap goes several times as far, in
the number and in its logarithm (winds of a storm grow by factors), and ends out of the range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.fault_counters import LOG_UNIT, CountLimits
from driftd.judge.natural import features as f
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.shapes import LEAST_RATE

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Bools = NDArray[np.bool_]

BACK: Final = 2
"""Hops back to which the newest is compared. Chosen: a change begins within a hop, the one before is without it."""
TIMES: Final = 5.0
"""By how much a leap is longer than the longest way that the reference has gone within so many hops. Chosen: a front
goes twice as far as any of a week."""
SOME: Final = 0.5
"""Least leap, as a part of the range of the reference's hops. Chosen: less than half a range is no leap out of it."""
GREAT: Final = (2.0, 3.0)
"""Least one that pages, on references of weeks and of days. Chosen: a range beyond the range, as where numbers are far
out; of days more is natural."""
FAR: Final = 1.0
"""Least one of numbers that are far out already. Derived: far out is a range beyond the range."""
PAUSE: Final = 1800.0
"""Seconds between hops after which nobody knows how a number got there. Chosen: as episodes.SILENCE."""
NIGHT: Final = 6 * 3600.0
"""The same of a leap that ends FAR ranges beyond the range. Chosen: hours without events, in which another unit may
begin; a front of six hours does not go so far in the number and in its logarithm.
"""
NEARLY: Final = 0.9
"""Least share of the newest values that is out of the range. Chosen: all, but for what a change of hop leaves."""
ONE_SIGN: Final = 0.02
"""Share of numbers of the other sign up to which a channel has one. Chosen: some noise."""
TINY: Final = 1e-300
"""Derived: ln 0 is not finite."""


@dataclass(frozen=True, slots=True, eq=False)
class Strides:
    """float64[channels]: the longest way of a typical size within BACK hops of the reference, ``far`` in the number and
    ``log`` in its logarithm; the ``least`` and the ``most`` of all hops. NaN where hops are too few. ``inside``:
    the least of the hops that do not lie at the end towards the other sign, or beyond it, as those of a reference may
    that has grown since its bins were made; NaN where there are none.
    """

    far: Floats
    log: Floats
    least: Floats
    most: Floats
    inside: Floats

    @property
    def range(self) -> Floats:
        return self.most - self.least

    @classmethod
    def of(cls, limits: CountLimits, negative: Floats, hops: Runs) -> Strides:
        size = typical(limits, hops.sums)
        log = _logs(limits, size)
        far, longest = np.zeros(size.shape[1]), np.zeros(size.shape[1])
        for back in range(1, BACK + 1):
            near = _near(hops, back, PAUSE)[:, None]
            for values, out in ((size, far), (log, longest)):
                way = np.abs(values[back:] - values[:-back])
                np.fmax(out, np.where(near, np.nan_to_num(way), 0.0).max(axis=0, initial=0.0), out=out)
        known = np.isfinite(size).sum(axis=0) > BACK
        least = np.where(np.isfinite(size), size, np.inf).min(axis=0, initial=np.inf)
        most = np.where(np.isfinite(size), size, -np.inf).max(axis=0, initial=-np.inf)
        within = np.where(_inner(negative, hops.sums), np.nan, size)
        inside = np.fmin.reduce(within, axis=0, initial=np.nan)
        return cls(*(np.where(known, v, np.nan) for v in (far, longest, least, most, inside)))


@dataclass(frozen=True, slots=True, eq=False)
class Leap:
    """From one size to another, float64[...]: ``far``, and ``log`` (inf to 0, or to the other sign)."""

    far: Floats
    log: Floats

    def over(self, strides: Strides, least: float) -> Bools:
        """Whether it is one, of at least so many of the reference's ranges."""
        with np.errstate(invalid="ignore"):
            out: Bools = (
                (self.far >= np.maximum(TIMES * strides.far, least * strides.range))
                & (self.log >= TIMES * strides.log)
                & (strides.range > 0)
            )
        return out


def leap(strides: Strides, limits: CountLimits, negative: Floats, before: Counts, after: Counts) -> Leap:
    """Between counters int64[..., channels, columns] (natural.features); ``negative`` float64[channels]: the share that
    is below 0.
    """
    then, now = typical(limits, before), typical(limits, after)
    turned = _turned(strides, negative, after, now)
    log = np.abs(_logs(limits, now) - _logs(limits, then))
    log = np.where(turned | (now == 0), np.inf, log)
    return Leap(np.abs(np.where(turned, -now, now) - then), np.where(np.isnan(then), np.nan, log))


def surely(strides: Strides, limits: CountLimits, negative: Floats, jump: float, away: Floats) -> Floats:
    """The share of far numbers that makes a jump of ``jump`` (ln of a factor), or a leap, at either end and whatever
    the level was before: float64[channels], inf where numbers may be far out without either. A jump must lead ``away``
    float64[channels] ranges of the reference's hops beyond them.
    """
    least = np.maximum(TIMES * strides.far, FAR * strides.range)
    sides = []
    one = np.minimum(negative, 1 - negative) <= ONE_SIGN
    for inner in (False, True):
        # in sizes: the end away from 0, and the one towards it, which lies beyond 0 or not
        end = np.where((negative > 0.5) ^ inner, -limits.low, limits.high) * np.where(inner, -1.0, 1.0)
        size = np.abs(end)
        turned = one & inner & (end <= 0)
        way = np.where(turned, size + strides.least, np.maximum(size - strides.most, strides.least - size))
        log = np.maximum(
            _logs(limits, size) - _logs(limits, strides.most), _logs(limits, strides.least) - _logs(limits, size)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            by_jump = np.where(log > 0, jump / log, np.inf)
            by_jump = np.where(away > 0, np.maximum(by_jump, away * strides.range / way), by_jump)
            by_jump = np.where(way > 0, by_jump, np.inf)
            by_leap = np.maximum(least / way, np.where(turned, 0.5, TIMES * strides.log / log))
        by_leap = np.where((way > 0) & (turned | (log > 0)), by_leap, np.inf)
        sides.append(np.nan_to_num(np.minimum(by_jump, by_leap), nan=np.inf))
    out: Floats = np.max(sides, axis=0)
    return out


def _inner(negative: Floats, sums: Counts) -> Bools:
    """Whether numbers of one sign lie at their end towards the other sign."""
    inner = np.where(negative > 0.5, sums[..., f.HIGH], sums[..., f.LOW])
    out: Bools = (2 * inner > sums[..., f.LIVE]) & (np.minimum(negative, 1 - negative) <= ONE_SIGN)
    return out


def _turned(strides: Strides, negative: Floats, sums: Counts, size: Floats) -> Bools:
    """Whether numbers of one sign have the other one: they lie beyond their end towards it, and are no smaller than
    those of the reference on this side of it.
    """
    with np.errstate(invalid="ignore"):
        out: Bools = _inner(negative, sums) & (size >= strides.inside)
    return out


def typical(limits: CountLimits, sums: Counts) -> Floats:
    """The typical size of numbers (geometric mean, with the part that is 0), float64[..., channels]; NaN of few."""
    n, live = sums[..., f.NONZERO], sums[..., f.LIVE]
    with np.errstate(over="ignore"):
        mean = np.exp(sums[..., f.LOGS] * LOG_UNIT / np.maximum(n, 1)) - limits.offset
    size = np.where(n > 0, np.maximum(mean, 0.0), 0.0) * n / np.maximum(live, 1)
    return np.where(live >= LEAST_RATE, size, np.nan)


def _logs(limits: CountLimits, size: Floats) -> Floats:
    out: Floats = np.log(np.maximum(size + limits.offset, TINY))
    return out


def _near(hops: Runs, back: int, seconds: float) -> Bools:
    """bool[hops - back]: whether there is no pause of ``seconds`` between a hop and the one so many before."""
    pause = np.append(hops.start[1:] - hops.end[:-1] > seconds, False)[: max(len(hops) - 1, 0)]
    total = np.append(0, np.cumsum(pause))
    out: Bools = total[back:] == total[: len(total) - back]
    return out[: max(len(hops) - back, 0)]


def gone(sums: Counts) -> Bools:
    """bool[..., channels]: whether nearly all values are out of the range."""
    live = sums[..., f.LIVE]
    out: Bools = (sums[..., f.NEW] >= NEARLY * live) & (live >= LEAST_RATE)
    return out


def beyond(strides: Strides, limits: CountLimits, negative: Floats, sums: Counts) -> Bools:
    """bool[..., channels]: whether they are clearly beyond the reference's hops, by SOME of their range."""
    size = typical(limits, sums)
    with np.errstate(invalid="ignore"):
        away = np.maximum(size - strides.most, strides.least - size) >= SOME * strides.range
        out: Bools = gone(sums) & (away | _turned(strides, negative, sums, size))
    return out


def ranges_beyond(strides: Strides, limits: CountLimits, negative: Floats, sums: Counts) -> Floats:
    """float64[..., channels]: how far the typical size lies beyond the reference's hops, in ranges of theirs; beyond 0
    where numbers of one sign have the other one. NaN where hops were too few.
    """
    size = typical(limits, sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        away = np.maximum(size - strides.most, strides.least - size)
        away = np.where(_turned(strides, negative, sums, size), size + strides.least, away)
        out: Floats = away / strides.range
    return out


def of_hops(strides: Strides, limits: CountLimits, negative: Floats, hops: Runs, least: float) -> Bools:
    """bool[hops, channels]: whether the values of a hop have leapt out of the range since one of the BACK before; from
    out of it far enough that they have not come back from a leap.
    """
    out = np.zeros(hops.sums.shape[:2], bool)
    over, clearly = gone(hops.sums), beyond(strides, limits, negative, hops.sums)
    away = ranges_beyond(strides, limits, negative, hops.sums) >= FAR
    for back in range(1, BACK + 1):
        if len(hops) <= back:
            continue
        leapt = leap(strides, limits, negative, hops.sums[:-back], hops.sums[back:]).over(strides, least)
        known = _near(hops, back, PAUSE)[:, None] | (_near(hops, back, NIGHT)[:, None] & away[back:])
        out[back:] |= leapt & (clearly[back:] | (over[back:] & ~over[:-back])) & known
    return out
