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
_NUMBERS: Final = (Kind.RANGE, Kind.LEVEL, Kind.SPREAD, Kind.MIX)
"""Kinds of numbers that another unit explains. Derived: a factor moves range, level, spread and mix."""

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
MIXED: Final = 0.45
"""What values from before the change add to the spread, as a part of the change. Chosen: a mixture of parts q and 1 - q
has sqrt(q (1 - q)) of their distance, .4 for a fifth and .5 for a half.
"""
GONE: Final = 0.2
"""A known category is gone if less than this part of it is left. Chosen: a tick with the beginning holds both."""
RENAMED: Final = 0.5
"""Least of the new values, in values of categories that are gone, that is called renamed. Chosen: the larger part."""
LEAST_EXPECTED: Final = 2.0
"""Values expected of a category below which it is not missed. Chosen: at 2 none has come with probability .14."""


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
    the share that the kind is about, of a unit the typical size (geometric mean); NaN for a level, a spread or a mix.
    """

    kind: Kind
    factor: float = np.nan
    value: float = np.nan
    usual: float = np.nan


def named(learned: NaturalLearned, change: int, channel: int, since: Counts, latest: Counts) -> Named:
    """``since`` int64[FEATURES + width]: the channel's counters since the change began, as near as is known;
    ``latest``: those of the last stretch, which has nothing from before the change: how large it is now.
    """
    if learned.traits.empty[channel] and CHANGES[change] is Change.NEW:
        usual = 1 - float(learned.near.centre[STATISTICS.index(Change.MISSING), channel])
        return Named(Kind.NEW_VALUE, np.nan, _share(f.LIVE, f.EVENTS, since, latest), usual)
    kind, factor = kind_of(learned, change, channel, since, latest)
    if kind is Kind.UNIT:
        now = latest if latest[f.NONZERO] >= LEAST else since
        value = float(np.exp(now[f.LOGS] * LOG_UNIT / max(int(now[f.NONZERO]), 1)))
        usual = float(np.exp(learned.usual.logs[channel]))
        return Named(kind, value / usual, value, usual)
    if kind not in _SHARES:
        return Named(kind, factor)
    hits, of, about = _SHARES[kind]
    usual = float(learned.near.centre[STATISTICS.index(about), channel])
    return Named(kind, factor, _share(hits, of, since, latest), usual)


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
        factors = (_factor(learned, channel, one) for one in (latest, since))
        factor = next((factor for factor in factors if np.isfinite(factor)), np.nan)
        if np.isfinite(factor):
            return Kind.UNIT, factor
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
    """By what all numbers are multiplied; NaN if that does not explain the change."""
    n = int(since[f.NONZERO])
    usual = float(learned.log_deviation[channel])
    if n < LEAST:
        return np.nan
    mean = since[f.LOGS] * LOG_UNIT / n
    deviation = float(np.sqrt(max(since[f.LOG_SQUARES] * LOG_UNIT / n - mean**2, 0.0)))
    moved = float(mean - learned.usual.logs[channel])
    # the tick in which it began holds both: a mixture
    most = usual * ALIKE + MIXED * abs(moved)
    alike = deviation <= most and (deviation >= usual / ALIKE or abs(moved) > GREAT)
    return float(np.exp(moved)) if abs(moved) >= np.log(FACTOR) and alike else np.nan


def _category(learned: NaturalLearned, kind: Kind, channel: int, since: Counts) -> Kind:
    """A category's new values are renamed ones where as much of the known ones is gone."""
    if learned.traits.numeric[channel] or kind not in {Kind.RANGE, Kind.NEW_VALUE}:
        return kind
    new = int(since[f.NEW])
    values = since[f.FEATURES :].astype(np.float64)
    expected = learned.usual.shares[channel] * max(int(since[f.LIVE]), 1)
    gone = expected[(expected >= LEAST_EXPECTED) & (values < GONE * expected)].sum()
    return Kind.RENAMED if gone >= RENAMED * new else Kind.NEW_VALUE
