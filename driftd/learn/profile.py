"""What `driftd reference build` sees in a reference: regimes, rhythms, natural variation, and the kind that fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch
from driftd.core.reference import Reference, ReferenceKind
from driftd.core.window import Windows
from driftd.ingest.binning import encode_with
from driftd.judge.regime import propose, whole_seasons
from driftd.judge.runtime import learned_of
from driftd.judge.seasonal.clock import SeasonClock
from driftd.judge.seasonal.season import PAGE_SEASONS
from driftd.learn import variation
from driftd.learn.comparison import WEEK

Floats = NDArray[np.float64]

RHYTHM: Final = 0.2
"""Least correlation of hours a day (a week) apart that is called a rhythm, if it is more than chance (4 / sqrt(n))."""
WEEKLY: Final = 0.05
"""By how much hours a week apart must be more alike than hours one to six days apart."""
_DAY, _WEEK = 24, WEEK.slots
MEDIAN, LARGEST = variation.MEASURED.index("median"), variation.MEASURED.index("largest")
BEYOND: Final = variation.MEASURED.index("beyond_chance")
STATISTIC: Final = "psi"
ENOUGH_WINDOWS: Final = 25
"""From so many windows on the level of natural variation holds what it states (driftd.learn.variation)."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceProfile:
    """Of each channel: ``regime``, whether the judge ``pages``, and ``why``; ``daily`` and ``weekly`` bool[channels].

    ``whole`` and ``hours`` are natural variations (learn.variation, PSI), float64[channels, 7]: of the reference's own
    windows against the rest of it, and against the same hours of the week; None where it holds too few windows.
    ``kind`` would fit best; ``seasons`` whole ``season`` ("weeks" or "days") are known, ``needed`` more would let
    seasonal channels page.
    """

    regime: tuple[str, ...]
    pages: tuple[bool, ...]
    why: tuple[str, ...]
    daily: NDArray[np.bool_]
    weekly: NDArray[np.bool_]
    whole: Floats | None
    hours: Floats | None
    kind: ReferenceKind
    season: str
    seasons: int
    needed: int


def profile(reference: Reference, rows: EventBatch, windows: Windows, period_seconds: float) -> ReferenceProfile:
    """``rows`` are the reference's own events, in any order."""
    encoded = encode_with(reference, rows)
    learned = learned_of(reference)
    about = reference, rows, encoded, windows, period_seconds
    whole = variation.measure(*about, ReferenceKind.FIXED).get(STATISTIC)
    hours = variation.measure(*about, ReferenceKind.SEASONAL).get(STATISTIC)
    daily, weekly = rhythms(hourly(reference, encoded.bins, rows.times))
    times = np.sort(rows.times)
    weeks = whole_seasons(times, SeasonClock.weekly())
    clock = propose(times)
    seasons = whole_seasons(times, clock)
    channels = len(reference.channels)
    regime: tuple[str, ...] = ("",) * channels
    pages, why = (False,) * channels, ("",) * channels
    if learned is not None:
        regime = tuple(str(r) for r in learned.regime)
        pages, why = tuple(bool(p) for p in learned.pages), tuple(str(w) for w in learned.why)
    needed = max(PAGE_SEASONS - seasons, 0) if any(r not in ("", "independent") for r in regime) else 0
    kind = ReferenceKind.SEASONAL if _fits(whole, hours, weeks) else ReferenceKind.FIXED
    unit = "weeks" if clock == SeasonClock.weekly() else "days"
    return ReferenceProfile(
        regime, pages, why, daily, weekly, whole, hours if weeks > 1 else None, kind, unit, seasons, needed
    )


def _fits(whole: Floats | None, hours: Floats | None, weeks: int) -> bool:
    """Whether the same hours are nearer to the windows: half as far or less, in half of the channels that breathe."""
    if whole is None or hours is None or weeks < 2:
        return False
    breathing = whole[:, BEYOND] > 0
    nearer = hours[:, MEDIAN] <= whole[:, MEDIAN] / 2
    return bool(breathing.any() and np.count_nonzero(breathing & nearer) * 2 >= np.count_nonzero(breathing))


def hourly(reference: Reference, bins: NDArray[np.intp], times: Floats) -> Floats:
    """Mean place of each hour, float64[channels, hours], NaN without events; ``bins`` as ingest.binning gives them."""
    hours = np.floor_divide(times - WEEK.origin, WEEK.slot_seconds).astype(np.int64)
    hours -= hours.min()
    n = int(hours.max()) + 1
    out = np.full((len(bins), n), np.nan)
    for row, columns in enumerate(bins):
        place = np.where(columns >= 0, reference.places[row][columns], np.nan)
        here = np.isfinite(place)
        count = np.bincount(hours[here], minlength=n)
        total = np.bincount(hours[here], place[here], minlength=n)
        out[row] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return out


def rhythms(x: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which rows of ``x`` float64[channels, hours] are alike a day apart, and a week apart more than other days."""
    days = np.stack([alike(x, d * _DAY) for d in range(1, 7)])
    week = alike(x, _WEEK)
    limit = np.maximum(RHYTHM, 4 / np.sqrt(np.maximum(np.isfinite(x).sum(axis=1), 1)))
    daily = days[0] > limit
    with np.errstate(invalid="ignore"):
        weekly = (week > limit) & (week - np.nan_to_num(days).mean(axis=0) > WEEKLY)
    return daily, weekly


def alike(x: Floats, lag: int) -> Floats:
    """Correlation of each row with itself ``lag`` hours later, float64[channels]; NaN where there are too few."""
    if x.shape[1] < lag + _DAY:
        return np.full(len(x), np.nan)
    a, b = x[:, :-lag], x[:, lag:]
    both = np.isfinite(a) & np.isfinite(b)
    n = np.maximum(both.sum(axis=1), 1)
    a, b = np.where(both, a, 0.0), np.where(both, b, 0.0)
    a = np.where(both, a - (a.sum(axis=1) / n)[:, None], 0.0)
    b = np.where(both, b - (b.sum(axis=1) / n)[:, None], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.sum(a * b, axis=1) / np.sqrt(np.sum(a * a, axis=1) * np.sum(b * b, axis=1))
    return np.where(both.sum(axis=1) >= _DAY, r, np.nan)


def in_words(seen: ReferenceProfile, reference: Reference) -> list[str]:
    """What was seen, a line each."""
    channels = len(reference.channels)
    return [*_rhythm_words(seen, channels), *_variation_words(seen, reference), *_season_words(seen)]


def _rhythm_words(seen: ReferenceProfile, channels: int) -> list[str]:
    both = int(np.count_nonzero(seen.daily | seen.weekly))
    if not both:
        return ["no daily or weekly rhythm"]
    names = [n for n, found in (("daily", seen.daily), ("weekly", seen.weekly)) if found.any()]
    return [f"{' and '.join(names)} rhythm in {both} of {channels} channels"]


def _variation_words(seen: ReferenceProfile, reference: Reference) -> list[str]:
    if seen.whole is None:
        return [f"too few windows to know its natural variation: {variation.LEAST_WINDOWS} are needed"]
    windows = int(np.nanmax(seen.whole[:, 0], initial=0))
    breathing = seen.whole[:, BEYOND] > 0
    text = f"{windows} windows of its own differ from the rest of it by chance alone"
    if not breathing.any():
        return [text]
    far = float(np.nanmedian(seen.whole[breathing, MEDIAN]))
    share = f"{np.count_nonzero(breathing)} of {len(breathing)} channels"
    text = f"{windows} windows of its own differ from the rest of it more than chance explains in {share}: "
    text += f"PSI {far:.2g} (median)"
    few = f"; with fewer than {ENOUGH_WINDOWS} windows thresholds are wide: a longer reference narrows them"
    if seen.hours is None:
        return [text + few * (windows < ENOUGH_WINDOWS)]
    near = float(np.nanmedian(seen.hours[breathing, MEDIAN]))
    lines = [f"{text}, {near:.2g} against the same hours of the week" + few * (windows < ENOUGH_WINDOWS)]
    if seen.kind is ReferenceKind.SEASONAL and reference.kind is not ReferenceKind.SEASONAL:
        lines.append("reference.kind seasonal fits: it would compare with the same hours of the week (--kind seasonal)")
    elif seen.kind is ReferenceKind.SEASONAL:
        lines.append("reference.kind seasonal fits")
    elif reference.kind is ReferenceKind.SEASONAL:
        lines.append("reference.kind fixed fits as well: the same hours of the week are not much nearer (--kind fixed)")
    return lines


def _season_words(seen: ReferenceProfile) -> list[str]:
    if all(r in ("", "independent") for r in seen.regime):
        return []
    tickets = sum(not page for page in seen.pages)
    text = f"{seen.seasons} whole {seen.season} are known"
    if seen.needed:
        text += f"; {seen.needed} more are needed before {tickets} of {len(seen.pages)} channels can page"
    return [text]


def as_data(seen: ReferenceProfile, reference: Reference) -> Mapping[str, object]:
    """For scripts."""
    return {
        "rhythm": {"daily": _names(reference, seen.daily), "weekly": _names(reference, seen.weekly)},
        "proposed_kind": seen.kind.value,
        "season": seen.season,
        "seasons": seen.seasons,
        "seasons_needed": seen.needed,
    }


def _names(reference: Reference, rows: NDArray[np.bool_]) -> list[str]:
    return [c.name for c, mine in zip(reference.channels, rows.tolist(), strict=True) if mine]
