"""What kind of fault it is: a name from a fixed set, from the change that was seen and what has come since."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftd.core.fault_counters import LOG_UNIT
from driftd.judge.natural import features as f
from driftd.judge.natural.changes import CHANGES, Change
from driftd.judge.natural.learned import NaturalLearned
from driftd.judge.natural.shapes import STATISTICS

Counts = NDArray[np.int64]
Shares = tuple[tuple[float, ...], tuple[float, ...]]


class Kind(StrEnum):
    """In the order in which they explain each other: a feature that is missing is also a mix that moved."""

    MISSING = "missing"
    REFUSED = "refused"
    FROZEN = "frozen"
    ERRORS = "errors"
    UNIT = "unit"
    RENAMED = "renamed"
    NEW_VALUE = "new_value"
    RANGE = "range"
    JOINT = "joint"
    SPREAD = "spread"
    LEVEL = "level"
    GRADUAL = "gradual"
    MIX = "mix"
    UNKNOWN = "unknown"


KINDS: Final = tuple(Kind)
"""Derived: every kind, in the order of Kind."""
_BY_CHANGE: Final = {
    Change.MISSING: Kind.MISSING,
    Change.REFUSED: Kind.REFUSED,
    Change.FAR: Kind.RANGE,
    Change.FROZEN: Kind.FROZEN,
    Change.NEW: Kind.RANGE,
    Change.HOT: Kind.NEW_VALUE,
    Change.LOW: Kind.LEVEL,
    Change.HIGH: Kind.LEVEL,
    Change.ERRORS: Kind.ERRORS,
    Change.UNIT: Kind.UNIT,
    Change.WITHIN: Kind.SPREAD,
    Change.LEVEL: Kind.LEVEL,
    Change.SPREAD: Kind.SPREAD,
    Change.MIX: Kind.MIX,
    Change.RELATION: Kind.JOINT,
}
"""What a change is called where nothing explains it better. Chosen: the words of findings and runbooks."""
_NUMBERS: Final = (Kind.UNIT, Kind.RANGE, Kind.LEVEL, Kind.SPREAD, Kind.MIX)
"""Kinds of numbers that another unit explains. Derived: a factor moves range, level, spread and mix."""

SHAPES: Final = (Kind.LEVEL, Kind.SPREAD, Kind.MIX)
"""Kinds that only shares of the bins show. Derived: no value is wrong in any of them."""
_SHARES: Final = {
    Kind.MISSING: (f.NULLS, f.EVENTS, Change.MISSING),
    Kind.REFUSED: (f.REFUSED, f.EVENTS, Change.REFUSED),
    Kind.FROZEN: (f.REPEATED, f.LIVE, Change.FROZEN),
    Kind.ERRORS: (f.HIGH, f.LIVE, Change.ERRORS),
    Kind.RENAMED: (f.NEW, f.LIVE, Change.NEW),
    Kind.NEW_VALUE: (f.NEW, f.LIVE, Change.NEW),
    Kind.RANGE: (f.NEW, f.LIVE, Change.NEW),
    Kind.GRADUAL: (f.NEW, f.LIVE, Change.NEW),
}
"""The share that a kind is about: hits, of what, and the change whose usual size it has. Derived: as shapes.RATES."""

LARGEST_LOG: Final = 700.0
"""Derived: e to the power of it is still a float."""
LEAST: Final = 8
"""Values since the change below which only the change itself names it. Chosen: a tick holds as many."""
CLEAR: Final = 0.3
"""Share of missing or of refused values that names the fault, whichever change came first. Measured: set on the open
seeds 11, 12 and 13 of tests/quality/everyday.
"""
STANDING: Final = 0.7
"""Share of repeats that is called frozen, likewise. Measured: as CLEAR."""
FACTOR: Final = 5.0
"""Least factor of a change of unit. Chosen: seconds, cents and kilobytes are more; pounds (2.2) and feet (3.3) are
changes of level.
"""
GREAT: Final = 3.0
"""A change of ln abs(x) that is one of unit even where the spread shrank. Chosen: a factor of 20."""
ALIKE: Final = 1.6
"""Most that the spread of the logarithms may have changed, as a factor. Measured: as CLEAR; a unit leaves it as it is.
"""
CONSTANT: Final = 1.25
"""The same of a factor that is no power of ten. Chosen: a season moves levels and spreads alike, and is no unit."""
MIXED: Final = 0.45
"""What values from before the change add to the spread, as a part of the change. Chosen: a mixture of parts q and 1 - q
has sqrt(q (1 - q)) of their distance, .4 for a fifth and .5 for a half.
"""
ROUND: Final = 0.15
"""How far ln of a factor may lie from that of a power of ten that is told in its place, beside two standard errors.
Chosen: the hour moves amounts by so much; wrong units are nearly always powers of ten.
"""
DECADE: Final = float(np.log(10.0))
"""Derived: ln of a power of ten is a whole number of these."""
SMALLEST: Final = 1e-4
"""Least typical size, as a part of the offset of logarithms. Chosen: a factor of 200,000; ln 0 is not finite."""
GONE: Final = 0.2
"""A known category is gone if less than this part of it is left. Chosen: a tick with the beginning holds both."""
RENAMED: Final = 0.5
"""Least of the new values, in values of categories that are gone, that is called renamed. Chosen: the larger part."""
LEAST_EXPECTED: Final = 5.0
"""Values expected of a category below which it is not missed. Chosen: at 5 none has come with probability .007; at 2
(.14) a new category among ten values was often called a renamed one."""


LEAST_KNOWN: Final = 0.01
"""Share of a category below which it is not missed. Chosen: users and shops come and go."""


def changes_called(kind: str) -> list[Change]:
    """The changes that findings call by this kind, where that is not the change's own name."""
    new = [Change.NEW, Change.HOT]
    known: dict[str, list[Change]] = {Kind.NEW_VALUE: new, Kind.RENAMED: new, Kind.GRADUAL: [Change.FAR]}
    return known.get(kind, [c for c, name in _BY_CHANGE.items() if name == kind])


def kind_by_change(change: int, *, numeric: bool) -> Kind:
    """What a change (place in CHANGES) is called where nothing more is known of it."""
    kind = _BY_CHANGE[CHANGES[change]]
    return Kind.NEW_VALUE if kind is Kind.RANGE and not numeric else kind


class Named(NamedTuple):
    """A change with its name. ``factor`` of a unit, NaN for others; ``value`` since the change and what is ``usual``:
    the share that the kind is about, of a unit the typical size (geometric mean); NaN for a level, a spread or a mix,
    of which ``shares`` are those of the bins: usual at the hours of the window that showed it, and in it.
    """

    kind: Kind
    factor: float = np.nan
    value: float = np.nan
    usual: float = np.nan
    shares: Shares | None = None


def named(learned: NaturalLearned, change: int, channel: int, since: Counts, latest: Counts) -> Named:
    """``since`` int64[FEATURES + width]: the channel's counters since the change began, as near as is known;
    ``latest``: those of the last stretch, which has nothing from before the change: how large it is now.
    """
    if learned.traits.empty[channel] and CHANGES[change] is Change.NEW:
        usual = 1 - float(learned.near.centre[STATISTICS.index(Change.MISSING), channel])
        return Named(Kind.NEW_VALUE, np.nan, _share(f.LIVE, f.EVENTS, since, latest), usual)
    kind, factor = kind_of(learned, change, channel, since, latest)
    if kind is Kind.UNIT:
        usual = float(np.exp(learned.usual.logs[channel]))
        return Named(kind, factor, usual * factor, usual)
    if kind not in _SHARES:
        return Named(kind, factor)
    hits, of, about = _SHARES[kind]
    usual = float(learned.near.centre[STATISTICS.index(about), channel])
    return Named(kind, factor, _share(hits, of, since, latest), usual)


def share_of(kind: Kind) -> tuple[int, int] | None:
    """The columns of hits, and of what, of the share that a kind is about; None where it is about none."""
    return _SHARES[kind][:2] if kind in _SHARES else None


def _share(hits: int, of: int, since: Counts, latest: Counts) -> float:
    """The larger: the last minutes tell more than a mixture, unless the fault has just paused."""
    parts = [part for part in (latest, since) if part[of] >= LEAST] or [since]
    return max(float(now[hits]) / max(int(now[of]), 1) for now in parts)


def kind_of(learned: NaturalLearned, change: int, channel: int, since: Counts, latest: Counts) -> tuple[Kind, float]:
    """The kind, and for a unit its factor (else NaN); ``since`` and ``latest`` as in ``named``."""
    kind = _BY_CHANGE[CHANGES[change]]
    if kind in {Kind.JOINT, Kind.ERRORS} or max(int(since[f.EVENTS]), 1) < LEAST:
        return _category(learned, kind, channel, since), np.nan
    plain = _plain(learned, kind, channel, since)
    if plain is not None:
        return plain, np.nan
    if kind in _NUMBERS and learned.traits.numeric[channel]:
        # the newest values say whether it is one factor; all since the change, which are more, say which; small ones
        # hardly vary beside the offset, and are hidden by those from before
        newest, all_ = (_factor(learned, channel, one) for one in (latest, since))
        factor = all_ if all_ > 1 or np.isnan(newest) else newest
        if np.isfinite(newest if latest[f.NONZERO] >= LEAST else factor):
            return Kind.UNIT, factor
    if kind is Kind.UNIT:  # numbers of another size that are not all multiplied by the same
        new = since[f.NEW] > CLEAR * max(int(since[f.LIVE]), 1)
        return Kind.RANGE if new else Kind.LEVEL, np.nan
    return _category(learned, kind, channel, since), np.nan


def _plain(learned: NaturalLearned, kind: Kind, channel: int, since: Counts) -> Kind | None:
    """The fault that so many of the values show that it has its name, whatever change came first; None: no fault."""
    events, live = max(int(since[f.EVENTS]), 1), max(int(since[f.LIVE]), 1)
    t = learned.traits
    if since[f.NULLS] / events > CLEAR and kind is not Kind.REFUSED and not t.awaited[channel]:
        return Kind.MISSING
    if since[f.REFUSED] / events > CLEAR:
        return Kind.REFUSED
    unseen = not t.numeric[channel] and since[f.NEW] / live > CLEAR
    if since[f.REPEATED] / live > STANDING and not (t.repetitive[channel] or unseen or kind is Kind.MISSING):
        return Kind.FROZEN
    return None


def _factor(learned: NaturalLearned, channel: int, since: Counts) -> float:
    """By what numbers are multiplied; NaN if one factor does not explain the change.

    Values from before the change, or that it has spared, are a part 1 - q of them: their logarithms have moved by
    D = q m on average, and their variance has grown by E = q (1 - q) m^2, so that m = D + E / D.
    """
    n = int(since[f.NONZERO])
    usual = float(learned.log_deviation[channel])
    if n < LEAST:
        return np.nan
    mean = since[f.LOGS] * LOG_UNIT / n
    variance = max(float(since[f.LOG_SQUARES] * LOG_UNIT / n - mean**2), 0.0)
    deviation, moved = float(np.sqrt(variance)), float(mean - learned.usual.logs[channel])
    if not moved:
        return np.nan
    # the logarithms are of numbers plus a small offset, below which their size and spread hardly show
    offset, before = float(learned.limits.offset[channel]), float(learned.usual.logs[channel])
    size = np.exp(min(before + moved + max(variance - usual**2, 0.0) / moved, LARGEST_LOG)) - offset
    whole = float(np.log(max(size, SMALLEST * offset) / (np.exp(before) - offset)))
    # the tick in which it began holds both: a mixture
    most = usual * ALIKE + MIXED * abs(moved)
    alike = deviation <= most and (deviation >= usual / ALIKE or abs(moved) > GREAT or size < offset)
    if abs(whole) < np.log(FACTOR) or not alike:
        return np.nan
    decade = DECADE * round(whole / DECADE)
    if abs(whole - decade) <= ROUND + 2 * usual / np.sqrt(n):
        return float(np.exp(decade))
    constant = usual / CONSTANT <= deviation <= usual * CONSTANT
    return float(np.exp(whole)) if constant else np.nan


def _category(learned: NaturalLearned, kind: Kind, channel: int, since: Counts) -> Kind:
    """A category's new values are renamed ones where as much of the known ones is gone."""
    if learned.traits.numeric[channel]:
        return kind
    new = int(since[f.NEW])
    if kind is Kind.FROZEN and new > CLEAR * max(int(since[f.LIVE]), 1):
        kind = Kind.NEW_VALUE  # one unseen category in place of all others
    if kind not in {Kind.RANGE, Kind.NEW_VALUE}:
        return kind
    values = since[f.FEATURES :].astype(np.float64)
    expected = learned.usual.shares[channel] * max(int(since[f.LIVE]), 1)
    known = (expected >= LEAST_EXPECTED) & (learned.usual.shares[channel] >= LEAST_KNOWN)
    gone = expected[known & (values < GONE * expected)].sum()
    return Kind.RENAMED if gone >= RENAMED * new else Kind.NEW_VALUE
