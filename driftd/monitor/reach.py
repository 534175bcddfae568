"""What each channel can see, what it cannot see and why, in terms that people and scripts read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.core.text import duration, minute, percent
from driftd.judge.natural.changes import CHANGES, SHAPES, Change
from driftd.judge.natural.learned import SCALES, THIN_EVENTS, NaturalLearned
from driftd.judge.natural.reach import UP, Pace, Reach
from driftd.judge.natural.shapes import LEAST_RATE, LEAST_SHAPE, STATISTICS
from driftd.learn.renewed import Renewed, renewed_of

Bools = NDArray[np.bool_]

DAY: Final = 86_400.0
WEEK_DAYS: Final = 7
SATURDAY: Final = 5
NEARLY: Final = 0.5 / 24
"""Days that a span may lack to its first and last event. Half an hour."""
BETTER: Final = 0.95
"""A longer wait is worth naming where it shows a change of so much of the size, or less."""
HALF: Final = 0.5
"""A usual rate above this is the reason where no rise is seen."""


class ChangeClass(StrEnum):
    FAULT = "fault"
    LEVEL = "level"
    MIX = "mix"
    RELATION = "relation"


CLASSES: Final = (ChangeClass.FAULT, ChangeClass.LEVEL, ChangeClass.MIX)
"""Those that every channel is asked about."""
CLASS_OF: Final = {
    **dict.fromkeys(CHANGES, ChangeClass.FAULT),
    **dict.fromkeys((Change.LOW, Change.HIGH, Change.WITHIN, Change.LEVEL, Change.SPREAD), ChangeClass.LEVEL),
    Change.MIX: ChangeClass.MIX,
    Change.RELATION: ChangeClass.RELATION,
}
UNITS: Final = {
    **dict.fromkeys(CHANGES, "share"),
    **dict.fromkeys((Change.UNIT, Change.WITHIN, Change.SPREAD), "ln of a factor"),
    Change.LEVEL: "standard deviations",
    Change.RELATION: "part of the correlations",
}
_DIRECTIONS: Final = {UP: "up", 0: "either", -UP: "down"}
_NUMBERS: Final = frozenset({Change.FAR, Change.UNIT, Change.LEVEL, Change.SPREAD})
_LEVELS: Final = frozenset({Change.LEVEL, Change.LOW, Change.HIGH})
"""Each of them shows a shift."""
_ASKED: Final = (
    *(Change.MISSING, Change.FROZEN, Change.NEW, Change.FAR, Change.UNIT),
    *(Change.LEVEL, Change.SPREAD, Change.MIX),
)
"""Changes that a channel can have; where one is not seen, the reason is told."""
_HOUR: Final = "follows the hour or the weather"
_STILL: Final = "hardly changes, and the reference spans less than a week"
_COUNTING: Final = "counts: it leaves its range without a fault"
_CHURNING: Final = "its values come and go"
_AWAITED: Final = "may come later: none yet is not missing"
_FLAT: Final = "most values are one value"


@dataclass(frozen=True, slots=True)
class Detectable:
    """The least change that makes a page, or else a ticket, within so many seconds; ``direction`` "up", "down" or
    "either"; ``least`` in the ``unit``.
    """

    change: Change
    of: ChangeClass
    page: bool
    direction: str
    least: float
    unit: str
    within_seconds: float


@dataclass(frozen=True, slots=True)
class Undetectable:
    """A change that makes neither a page nor a ticket; ``direction`` as in Detectable."""

    change: Change
    of: ChangeClass
    direction: str
    why: str


def detectable(seen: Reach, channels: int) -> list[tuple[Detectable, ...]]:
    """Of each channel by change, pages first, then the soonest; a longer wait only where it shows a smaller change."""
    out: list[list[Detectable]] = [[] for _ in range(channels)]
    order = np.lexsort((seen.least, seen.seconds, seen.direction, ~seen.page, seen.change, seen.channel)).tolist()
    columns = seen.channel, seen.change, seen.page, seen.direction, seen.least, seen.seconds
    rows = list(zip(*(column[order].tolist() for column in columns), strict=True))
    for (channel, place, page, direction), alike in groupby(rows, key=lambda row: row[:4]):
        change, best = CHANGES[place], np.inf
        for *_, least, seconds in alike:
            if least <= BETTER * best:
                best = least
                out[channel].append(
                    Detectable(change, CLASS_OF[change], page, _DIRECTIONS[direction], least, UNITS[change], seconds)
                )
    return [tuple(found) for found in out]


def undetectable(
    reference: Reference, learned: NaturalLearned, seen: Reach, proved: Bools
) -> list[tuple[Undetectable, ...]]:
    """Of each channel; ``proved`` bool[channels]: the judge's exact evidence shows its level and its mix."""
    pace, ways = Pace.of(reference, 1.0), np.zeros((3, len(CHANGES), len(reference.channels)), bool)
    ways[seen.direction, seen.change, seen.channel] = True
    up, down = ways[0] | ways[UP], ways[0] | ways[-UP]
    out, waits = [], {reference.rows[r.channel]: r for r in renewed_of(reference) if r.blind}
    for row in range(len(reference.channels)):
        mine = []
        for change in _asked(reference, learned, row):
            place = CHANGES.index(change)
            exact = proved[row] and change in {Change.LEVEL, Change.MIX, Change.MISSING}
            exact &= not (change is Change.MISSING and learned.traits.awaited[row])  # no event lacks what may come
            if not (exact or (up[place, row] and (down[place, row] or learned.traits.latency[row]))):
                way = _DIRECTIONS[int(down[place, row]) - int(up[place, row])]
                why = _again(waits[row]) if row in waits else _why(learned, pace, change, row)
                mine.append(Undetectable(change, CLASS_OF[change], way, why))
        out.append(tuple(mine))
    return out


def _again(mark: Renewed) -> str:
    return f"learning again since {minute(mark.since)} UTC, ready at {minute(mark.due)} UTC at the earliest"


def _classes(sees: Bools) -> set[ChangeClass]:
    """The classes of the changes that are seen, bool[len(CHANGES)]; a level only where a shift is."""
    mine = {CLASS_OF[change] for change in CHANGES if sees[CHANGES.index(change)]} - {ChangeClass.LEVEL}
    return mine | ({ChangeClass.LEVEL} if any(sees[CHANGES.index(change)] for change in _LEVELS) else set())


def blind(reference: Reference, learned: NaturalLearned, seen: Reach, proved: Bools) -> tuple[tuple[str, ...], ...]:
    """The classes of change that each channel cannot see at all."""
    sees = seen.sees(len(reference.channels))
    out = []
    for row in range(len(reference.channels)):
        asked = {CLASS_OF[change] for change in _asked(reference, learned, row)}
        mine = _classes(sees[:, row])
        out.append(tuple(c.value for c in CLASSES if c in asked and c not in mine and not proved[row]))
    return tuple(out)


def _month_end(day: datetime, last: datetime) -> bool:
    """Whether it is the last day of a month, known up to its noon."""
    return (day + timedelta(1)).day == 1 and day + timedelta(0.5) <= last


def unseen_times(reference: Reference) -> tuple[str, ...]:
    """What the reference does not hold: a night, a weekend, a month end."""
    first, last = (datetime.fromtimestamp(t, UTC) for t in (reference.first, reference.last))
    days = (reference.last - reference.first) / DAY
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    whole = [d for n in range(int(days) + 2) if first <= (d := midnight + timedelta(n)) <= last]
    weekend = any(d.weekday() == SATURDAY and d + timedelta(2) <= last for d in whole)
    ends = any(_month_end(d, last) for d in (midnight, *whole))
    seen = {
        "a night": days >= 1 - NEARLY,
        "a weekend": weekend or days >= WEEK_DAYS - NEARLY,
        "a month end": ends,
    }
    return tuple(name for name, known in seen.items() if not known)


def _asked(reference: Reference, learned: NaturalLearned, row: int) -> tuple[Change, ...]:
    """The changes that are looked for in principle."""
    role, t = reference.channels[row].role.row, learned.traits
    if t.errors[row]:
        return (Change.ERRORS,)
    if t.latency[row]:
        return (Change.FAR, Change.UNIT)
    return tuple(
        change
        for change in _ASKED
        if (t.numeric[row] or change not in _NUMBERS) and not (change is Change.MISSING and role.always)
    )


def _why(learned: NaturalLearned, pace: Pace, change: Change, row: int) -> str:
    usual = float(learned.near.centre[STATISTICS.index(change), row])
    if CLASS_OF[change] is ChangeClass.FAULT and usual > HALF:
        return f"usually {percent(usual)}: no room to rise"
    fast = (learned.fast.rules.channel == row) & (learned.fast.change == CHANGES.index(change))
    rows = [i for i, c in enumerate(STATISTICS) if c is change]
    slow = any(scale is not None and np.isfinite(scale.largest.mean[rows, row]).any() for scale in learned.slow)
    least = LEAST_SHAPE if change not in CHANGES[: CHANGES.index(Change.UNIT)] else LEAST_RATE
    window = max(pace.live[row] / max(pace.events, 1e-12) * learned.near.events, pace.live[row] * SCALES[0].seconds)
    if fast.any() or slow:
        if window < least:
            return f"too few values: {window:.0f} in a window, {least} are needed"
        return f"its limit is beyond what its values can reach{_short(learned, row)}"
    return _not_looked(learned, change, row) or f"too few events: no window to learn from{_short(learned, row)}"


def _short(learned: NaturalLearned, row: int) -> str:
    days = float(learned.days_known[row])
    return f" (the reference spans {duration(days * DAY)})" if learned.short[row] else ""


def _not_looked(learned: NaturalLearned, change: Change, row: int) -> str:
    """Why a change is not looked for (fit.looked); empty where the channel's nature does not say it."""
    t = learned.traits
    labels = learned.layout.labels
    if t.awaited[row] and change is Change.MISSING and (labels is None or not labels[row]):
        return _AWAITED
    if t.flat[row] and change not in {Change.MISSING, Change.FROZEN, Change.NEW}:
        return _FLAT
    if t.still[row] and change not in {Change.MISSING, Change.FROZEN, Change.ERRORS}:
        return _STILL
    if t.counting[row] and change not in {Change.MISSING, Change.FROZEN, Change.FAR}:
        return _COUNTING
    hours = t.timely[row] and not (t.hourly[row] and change in SHAPES)
    if hours and change not in {Change.MISSING, Change.FROZEN, Change.FAR, Change.UNIT, Change.ERRORS}:
        return _HOUR
    if t.churning[row] and change in {Change.NEW, Change.FROZEN}:
        return _CHURNING
    if change is Change.FAR and not np.isfinite(learned.limits.low[row]):
        return _FLAT
    if t.thin[row]:
        return f"fewer than {THIN_EVENTS:,} events in the reference"
    return ""
