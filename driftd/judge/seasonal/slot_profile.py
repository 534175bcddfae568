"""The profile of a season, and the statistics of one day against it.

Numeric channels are compared with their slot (an hour of the week, or of the day):

  z = clip((slot mean - median of the slot) / smoothed MAD of the slot, +-4)

Each day has four statistics of a channel, weighted by the number of values:
  level   ln of the day's mean over the mean that its slots expect where values cannot be negative, else mean z
  spread  mean sqrt|z|: grows with any distance from the profile
  swing, phase   the day's values regressed on the profile and its slope: ln of the rhythm's size, and its lateness in
          hours. Neither depends on the level (as long as few slots are clipped), so a shift of the clock shows however
          much levels vary
and the level of each eighth of the day. Their contrasts distinguish kinds of days (weather, season): covariates.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from driftd.judge.seasonal.clock import SeasonClock

Floats = NDArray[np.float64]
P = ParamSpec("P")
T = TypeVar("T")

KINDS: Final = ("level", "spread", "swing", "phase")
"""Statistics of a day. Chosen: one for each way in which a rhythm can change."""
LEVEL: Final = 0
"""Derived: the place of "level" in KINDS."""
PARTS: Final = 8
"""Parts of a day. Chosen: three hours each; fewer blur the shape of the day, more hold few values."""
COVERED: Final = 0.4
"""Of the usual slots, what a day needs. Chosen: a day with most of its hours lost has no level."""
WINSOR: Final = 4.0
"""Where z is clipped. Chosen: four robust deviations, so that one slot moves a day's mean by 1/6 at most."""
LEAST_SLOTS: Final = 8
"""Seasons that a slot needs for a median of its own. Chosen: the standard error of a median of 8 is .44 sd."""
RIDGE: Final = 0.02
"""Of the profile's own variance, what holds a day's rhythm to it. Chosen: pulls swing and phase 2 % towards the
profile's, and keeps them finite on a flat profile."""
SMOOTHING: Final = (1, 2, 3, 2, 1)
"""Weights of neighbouring slots. Chosen: a triangle of five hours; one hour and seven move delays by less than 8 %."""
LEAST_SPREAD: Final = 0.15
"""Of the overall spread, the least of a slot. Chosen: hours in which nothing ever varies (nights of 0) must not have
infinite z."""
NORMAL_MAD: Final = 1.4826
"""Standard deviation over median absolute deviation of normal values. Derived: 1 / ndtri(.75)."""
USUAL_SLOT: Final = 0.5
"""A slot is usual when this share of the seasons have values in it. Chosen: most of them."""
SWING_LIMITS: Final = (0.2, 5.0)
"""Limits of a day's rhythm over the profile's. Chosen: beyond a factor of five the regression is noise."""
LATEST_HOURS: Final = 6.0
"""Limit of a day's lateness. Chosen: the slope's linear approximation holds for no more than a quarter of a day."""
HOUR_SECONDS: Final = 3600.0
"""Derived: the unit of lateness."""


@dataclass(frozen=True, slots=True, eq=False)
class SlotProfile:
    """A season's profile, float64[slots, channels] each: median and spread of slot means; slope: the profile's change
    an hour; ridge: how strongly a day's rhythm is held to the profile's; usual 1 where most seasons have values.
    """

    middle: Floats
    spread: Floats
    slope: Floats
    ridge: Floats
    usual: Floats

    @classmethod
    def of(cls, means: Floats, clock: SeasonClock) -> SlotProfile:
        """From slot means float64[seasons, slots, channels] (NaN: empty)."""
        middle, spread = quietly(profile, means, clock)
        smooth = circular(middle)
        slope = (np.roll(smooth, -1, axis=0) - np.roll(smooth, 1, axis=0)) / 2 * (HOUR_SECONDS / clock.slot_seconds)
        ridge = RIDGE * middle.var(axis=0) / spread**2
        usual = (np.isfinite(means).mean(axis=0) >= USUAL_SLOT).astype(np.float64)
        return cls(middle, spread, slope, ridge, usual)

    def day(self, number: int, clock: SeasonClock) -> SlotProfile:
        start = number % clock.days * clock.slots_per_day
        return SlotProfile(*(getattr(self, f.name)[start : start + clock.slots_per_day] for f in fields(self)))


def circular(x: Floats) -> Floats:
    """Smoothed over five neighbouring slots, the season being a circle; axis -2."""
    out, reach = np.zeros_like(x), len(SMOOTHING) // 2
    for shift, w in zip(range(-reach, reach + 1), SMOOTHING, strict=True):
        out += w / sum(SMOOTHING) * np.roll(x, shift, axis=-2)
    return out


def profile(means: Floats, clock: SeasonClock) -> tuple[Floats, Floats]:
    """Median and spread of ``means`` float64[seasons, slots, channels] (NaN: empty): [slots, channels].

    Slots that fewer than 8 seasons fill borrow from their neighbours, then from the hour of the day, then from all.
    """
    channels = means.shape[2]
    seen = np.isfinite(means).sum(axis=0)
    middle = np.nanmedian(means, axis=0)
    if (seen < LEAST_SLOTS).any():
        wide = np.concatenate([np.roll(means, 1, axis=1), means, np.roll(means, -1, axis=1)], axis=0)
        by_hour = means.reshape(len(means) * clock.days, clock.slots_per_day, -1)
        everything = np.nan_to_num(np.nanmedian(means.reshape(-1, channels), axis=0))
        fallback = np.tile(np.nanmedian(by_hour, axis=0), (clock.days, 1))
        fallback = np.where(np.isfinite(wide).sum(axis=0) >= LEAST_SLOTS, np.nanmedian(wide, axis=0), fallback)
        fallback = np.where(np.isfinite(fallback), fallback, everything)
        part = np.clip(seen / LEAST_SLOTS, 0, 1)
        middle = np.where(part >= 1, middle, part * np.nan_to_num(middle) + (1 - part) * fallback)
    away = np.abs(means - middle)
    overall = NORMAL_MAD * np.nanmedian(away.reshape(-1, channels), axis=0)
    overall = np.where(overall > 0, overall, np.nanstd(means.reshape(-1, channels), axis=0))
    own = NORMAL_MAD * np.nanmedian(away, axis=0)
    spread = circular(np.where(np.isfinite(own), own, overall))
    return middle, np.where(overall > 0, np.maximum(spread, LEAST_SPREAD * overall), 1.0)


def quietly(f: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls ``f``; means and medians of nothing are NaN here, and meant to be."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        return f(*args, **kwargs)


def day_statistics(
    values: Floats, sums: Floats, slots: SlotProfile, floor: Floats, positive: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """float64[len(KINDS), channels] and the level of each part of the day float64[PARTS, channels]; NaN where less
    than 40 % of the usual slots have values.

    ``values``, ``sums`` float64[slots a day, channels]; ``floor`` float64[channels]: 2 % of a usual value.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        x = sums / values
        z = np.clip((x - slots.middle) / slots.spread, -WINSOR, WINSOR)
        here = np.isfinite(z)
        w, x, z = np.where(here, values, 0.0), np.where(here, x, 0.0), np.where(here, z, 0.0)
        total = w.sum(axis=0)
        usual = np.maximum(slots.usual.sum(axis=0), 1.0)
        enough = (here * slots.usual).sum(axis=0) >= COVERED * usual
        expected = np.where(here, slots.middle, 0.0)
        level = np.where(positive, log_ratio(w * x, w * expected, w, floor), np.sum(w * z, axis=0) / total)
        spread = np.sum(w * np.sqrt(np.abs(z)), axis=0) / total
        swing, phase = regressed(slots.middle + slots.spread * z, w / np.maximum(total, 1) * len(w), slots)
        out = np.stack([level, spread, swing, phase])
    return np.where(enough, out, np.nan), np.where(enough, by_part(w, x, z, expected, floor, positive), np.nan)


def log_ratio(seen: Floats, expected: Floats, weight: Floats, floor: Floats) -> Floats:
    """ln of the weighted mean over the expected one, over axis 0; NaN where there is no weight."""
    total = weight.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        top = np.maximum(seen.sum(axis=0) / total, 0) + floor
        return np.asarray(np.log(top / (np.maximum(expected.sum(axis=0) / total, 0) + floor)))


def by_part(w: Floats, x: Floats, z: Floats, expected: Floats, floor: Floats, positive: NDArray[np.bool_]) -> Floats:
    """The level of each part of the day, float64[PARTS, channels]; NaN where there is nothing."""

    def parts(a: Floats) -> Floats:
        return np.moveaxis(np.stack(np.array_split(a, PARTS)) if len(a) % PARTS == 0 else ragged(a), 1, 0)

    ratio = log_ratio(parts(w * x), parts(w * expected), parts(w), floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(positive, ratio, parts(w * z).sum(axis=0) / parts(w).sum(axis=0)))


def ragged(a: Floats) -> Floats:
    """Parts of unequal length, filled up with zeros: float64[PARTS, longest, channels]."""
    pieces = np.array_split(a, PARTS)
    longest = max(len(p) for p in pieces)
    return np.stack([np.concatenate([p, np.zeros((longest - len(p), a.shape[1]))]) for p in pieces])


def regressed(x: Floats, values: Floats, slots: SlotProfile) -> tuple[Floats, Floats]:
    """ln of the rhythm's size (1: the profile's, held to .2 to 5) and its lateness in hours (+-6), float64[channels]
    each, from slot means on the profile and its slope; held to the profile by a ridge of 2 % of its own variance.
    """
    w = values / slots.spread**2
    total = np.maximum(w.sum(axis=0), 1e-300)

    def centred(a: Floats) -> Floats:
        return np.asarray(a - np.sum(w * a, axis=0) / total)

    y, p, q = centred(x), centred(slots.middle), centred(slots.slope)
    ridge = slots.ridge.sum(axis=0) + 1e-9
    pp, qq, pq = np.sum(w * p * p, axis=0) + ridge, np.sum(w * q * q, axis=0) + ridge, np.sum(w * p * q, axis=0)
    py, qy = np.sum(w * p * y, axis=0) + ridge, np.sum(w * q * y, axis=0)
    determinant = pp * qq - pq**2
    size = np.clip((qq * py - pq * qy) / determinant, *SWING_LIMITS)
    return np.log(size), np.clip((pq * py - pp * qy) / determinant / size, -LATEST_HOURS, LATEST_HOURS)
