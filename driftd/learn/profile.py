"""What `driftd reference build` reports of a reference: regimes, rhythms, natural variation, and the kind that fits."""

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
from driftd.judge.regime import whole_weeks
from driftd.judge.runtime import learned_of
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
    ``kind`` would fit best; ``weeks`` whole ones are known, with ``needed`` more the judge would know all.
    """

    regime: tuple[str, ...]
    pages: tuple[bool, ...]
    why: tuple[str, ...]
    daily: NDArray[np.bool_]
    weekly: NDArray[np.bool_]
    whole: Floats | None
    hours: Floats | None
    kind: ReferenceKind
    weeks: int
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
    weeks = whole_weeks(times)
    channels = len(reference.channels)
    regime: tuple[str, ...] = ("",) * channels
    pages, why = (False,) * channels, ("",) * channels
    if learned is not None:
        regime = tuple(str(r) for r in learned.regime)
        pages, why = tuple(bool(p) for p in learned.pages), tuple(str(w) for w in learned.why)
    needed = max(PAGE_SEASONS - weeks, 0) if any(r not in ("", "independent") for r in regime) else 0
    kind = ReferenceKind.SEASONAL if _fits(whole, hours, weeks) else ReferenceKind.FIXED
    return ReferenceProfile(regime, pages, why, daily, weekly, whole, hours if weeks > 1 else None, kind, weeks, needed)


def _fits(whole: Floats | None, hours: Floats | None, weeks: int) -> bool:
    """Whether the same hours are nearer to the windows: half as far or less, in half of the channels that vary."""
    if whole is None or hours is None or weeks < 2:
        return False
    varying = whole[:, BEYOND] > 0
    nearer = hours[:, MEDIAN] <= whole[:, MEDIAN] / 2
    return bool(varying.any() and np.count_nonzero(varying & nearer) * 2 >= np.count_nonzero(varying))


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


def in_words(found: ReferenceProfile, reference: Reference) -> list[str]:
    """The profile for people, a line each: rhythm, natural variation, the kind that fits, seasons."""
    lines = [_rhythm_words(found, len(reference.channels)), _variation_words(found)]
    return [*lines, *_kind_words(found, reference), *_season_words(found)]


def _rhythm_words(found: ReferenceProfile, channels: int) -> str:
    both = int(np.count_nonzero(found.daily | found.weekly))
    if not both:
        return "Rhythm: no daily or weekly rhythm"
    names = [n for n, has in (("daily", found.daily), ("weekly", found.weekly)) if has.any()]
    return f"Rhythm: {' and '.join(names)} in {both} of {channels} channels"


def _variation_words(found: ReferenceProfile) -> str:
    if found.whole is None:
        return f"Natural variation: unknown; it takes {variation.LEAST_WINDOWS} windows or more"
    windows = int(np.nanmax(found.whole[:, 0], initial=0))
    varying = found.whole[:, BEYOND] > 0
    if not varying.any():
        return f"Natural variation: the reference's own {windows} windows differ by chance alone"
    share = f"{np.count_nonzero(varying)} of {len(varying)} channels"
    text = f"Natural variation: in {share} the reference's own {windows} windows differ by more than chance, "
    text += f"median PSI {float(np.nanmedian(found.whole[varying, MEDIAN])):.2g}"
    if found.hours is not None:
        near = float(np.nanmedian(found.hours[varying, MEDIAN]))
        text += f" ({near:.2g} against the same hours of the week)"
    few = f"; fewer than {ENOUGH_WINDOWS} windows make thresholds wide, a longer reference narrows them"
    return text + few * (windows < ENOUGH_WINDOWS)


def _kind_words(found: ReferenceProfile, reference: Reference) -> list[str]:
    if found.hours is None or found.whole is None or not (found.whole[:, BEYOND] > 0).any():
        return []
    same_hours = "it compares a window with the same hours of the week"
    match (found.kind, reference.kind):
        case (ReferenceKind.SEASONAL, ReferenceKind.SEASONAL):
            return [f"Kind: seasonal fits; {same_hours}"]
        case (ReferenceKind.SEASONAL, _):
            return [f"Kind: seasonal fits better (--kind seasonal); {same_hours}"]
        case (_, ReferenceKind.SEASONAL):
            return ["Kind: fixed fits as well (--kind fixed); the same hours of the week are not much nearer"]
    return []


def _season_words(found: ReferenceProfile) -> list[str]:
    if all(r in ("", "independent") for r in found.regime):
        return []
    tickets = f"{sum(not page for page in found.pages)} of {len(found.pages)} channels"
    more = f"; {found.needed} more are needed before the judge knows {tickets}" if found.needed else ""
    return [f"Seasons: {found.weeks} whole weeks{more}"]


def as_data(found: ReferenceProfile, reference: Reference) -> Mapping[str, object]:
    """For scripts."""
    return {
        "rhythm": {"daily": _names(reference, found.daily), "weekly": _names(reference, found.weekly)},
        "proposed_kind": found.kind.value,
        "weeks": found.weeks,
        "weeks_needed": found.needed,
    }


def _names(reference: Reference, rows: NDArray[np.bool_]) -> list[str]:
    return [c.name for c, mine in zip(reference.channels, rows.tolist(), strict=True) if mine]
