"""Numbers that leave what the reference has seen without a fault, and little by little: weather, and whatever was seen
for a few days only. They page where they jumped, or leapt, and are far away.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.judge.natural import features as f
from driftd.judge.natural import leaps
from driftd.judge.natural.changes import CHANGES, Change
from driftd.judge.natural.episodes import PAGE, TICKET, Fire
from driftd.judge.natural.kinds import Kind, Named, named
from driftd.judge.natural.leaps import BACK, GREAT, NEARLY, PAUSE, SOME
from driftd.judge.natural.learned import HOPS, WHOLE_DAY, YOUNG_DAYS, NaturalLearned
from driftd.judge.natural.predictive import LONG_DAYS
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.shapes import STATISTICS, mean_log, statistics
from driftd.judge.natural.thresholds import Thresholds

Counts = NDArray[np.int64]
Bools = NDArray[np.bool_]

JUMP: Final = 0.35
"""Least change of ln abs(x) within hours that is a jump. Chosen: 40 %; degrees Celsius read as Fahrenheit are more."""
JUMP_OF_UNSURE: Final = 1.0
"""Least one that pages there. Chosen: a factor of 2.7. Measured: the winds of three simulated storms rose by 1.5 to 2.5
within the hour in which they were far out; of 30 degrees Celsius Fahrenheit make 86."""
JUMP_OF_YOUNG: Final = 2.6
"""The same of a reference of less than half a day. Derived: as a timely channel's size of a unit (TRAIT_SIZES), a
factor of 13; the wind of two days later was beyond everything that three hours had shown."""
STRIDES: Final = (2.0, 4.0)
"""By how much a jump is longer than the longest way of the logarithm within two hops of the reference, on references of
weeks: where it leads AWAY, and where it only leaves the range. Measured: temperatures of three airports went .26 at
most in a week, their winds 1.6; Fahrenheit read as Celsius is a jump of 1, wind in place of temperature one of 1.6."""
AWAY: Final = (1.0, 1.5)
"""Least distance beyond the reference's hops, in ranges of theirs, of weather that pages, on references of weeks and of
days. Chosen: what is far out is a range beyond the range; a windy day is a range of its own away from calm air."""
UNIT: Final = CHANGES.index(Change.UNIT)
"""Derived: its place in CHANGES."""
FAR: Final = CHANGES.index(Change.FAR)
"""Derived: its place in CHANGES."""
NEW: Final = CHANGES.index(Change.NEW)
"""Derived: its place in CHANGES."""
AGO: Final = 16 * 3600.0
"""Seconds before now of which the hops say how a change came. Chosen: two thirds of a day. Derived: the ring of the day
keeps ten hops of two hours or more, so that one of them was over by then."""
AT_ANY_PACE: Final = (Change.MISSING, Change.REFUSED, Change.ERRORS)
"""Changes of which each bit is a fault. Derived: values or answers are wrong; the world makes the others too."""
PART: Final = 0.4
"""Part of a change that was there so long AGO where it came little by little. Chosen: of a step none was; of what grows
by as much in each hour so much was, from a day and a bit on."""
ENDS: Final = (CHANGES.index(Change.LOW), CHANGES.index(Change.HIGH))
"""Derived: their places in CHANGES."""


def unsure(learned: NaturalLearned) -> Bools:
    """bool[len(CHANGES), channels]: where numbers leave what the reference has seen little by little, without a fault:
    weather, and whatever was seen for a few days only.
    """
    out = np.zeros((len(CHANGES), len(learned.traits.numeric)), bool)
    out[FAR] = learned.traits.timely
    varies = learned.traits.numeric & ~learned.traits.constant
    out[FAR] |= learned.short & varies
    out[FAR] &= ~learned.traits.counting
    out[[NEW, *ENDS]] = varies & (learned.short | (learned.traits.timely & (learned.days_known < LONG_DAYS)))
    return out


def jumped(learned: NaturalLearned, near: Runs, channel: int, since: float, now: float, counters: Counts) -> float:
    """By how much numbers jumped: ln of the factor between their typical size since the change and that of the last hop
    before it, or of the reference where this has just begun; NaN where that was too long ago to be known. The summer is
    far from a reference of February; a wrong unit comes at once.
    """
    known = int(np.searchsorted(near.end, now, side="right"))
    before = int(np.searchsorted(near.end, since, side="right")) - 1
    if before < max(known - HOPS[0], 0) and known >= HOPS[0]:
        return np.nan
    usual = learned.usual.logs[channel] if before < 0 else mean_log(near.sums[before, channel].astype(np.float64))
    return float(np.nan_to_num(np.abs(mean_log(counters.astype(np.float64)) - usual), nan=np.inf))


def leapt_out(
    learned: NaturalLearned,
    limits: Thresholds,
    near: Runs,
    change: int,
    channel: int,
    since: float,
    now: float,
    counters: Counts,
) -> bool:
    """Whether numbers have leapt within an hour, from the last hop before the change, as far as makes a page. Of less
    than a day nobody knows how far the night is.
    """
    if learned.days_known[channel] < WHOLE_DAY:
        return False
    before = int(np.searchsorted(near.end, since, side="right")) - 1
    if before < 0 or not limits.sizes.leaps[channel] or max(now - since, since - near.end[before]) > 2 * PAUSE:
        return False
    sums = np.stack([near.sums[before], near.sums[before]])
    sums[1, channel] = counters
    least = leaps.FAR if change == FAR else GREAT[int(learned.short[channel])]
    about = learned.strides, learned.limits, learned.negative
    leapt = leaps.leap(*about, sums[0], sums[1]).over(learned.strides, least)
    return bool(leapt[channel])


def as_it_came(
    learned: NaturalLearned, channel: int, counters: Counts, name: Named, level: int, jump: float
) -> tuple[Named, int]:
    """What is told, and how, of numbers that may have left what was known little by little: by how far they jumped, NaN
    where that is forgotten. Calm air is near any wind, however far its logarithm.
    """
    if jump < JUMP or (np.isnan(jump) and not learned.short[channel]):
        return name._replace(kind=Kind.GRADUAL), TICKET
    return name, level if _jumped_out(learned, counters, channel, jump) else TICKET


def _jumped_out(learned: NaturalLearned, counters: Counts, channel: int, jump: float) -> bool:
    """Whether no weather and no unseen day jumps so far: NaN where how it came is forgotten."""
    if learned.days_known[channel] < YOUNG_DAYS and jump < JUMP_OF_YOUNG:
        return False
    if not learned.traits.timely[channel]:
        return not jump < JUMP_OF_UNSURE
    away = _away(learned, counters, channel)
    if learned.short[channel] or np.isnan(learned.strides.log[channel]):
        return bool(away and not jump < JUMP_OF_UNSURE)
    near, far = (x * float(learned.strides.log[channel]) for x in STRIDES)
    return bool((away and jump >= min(max(near, JUMP), JUMP_OF_UNSURE)) or jump >= max(far, JUMP_OF_UNSURE))


def weather(learned: NaturalLearned, change: int, channel: int, newest: Counts) -> bool:
    """Whether a typical size that fell or rose by a factor may be the weather of a week that a reference of less than
    three has not seen.
    """
    short = learned.traits.timely[channel] and learned.days_known[channel] < LONG_DAYS
    return bool(change == UNIT and short and not _away(learned, newest, channel))


def _away(learned: NaturalLearned, counters: Counts, channel: int) -> bool:
    """Whether numbers are a range of the reference's hops beyond them, as far out is; not while they are few, and so
    where the reference had too few hops to tell.
    """
    sums = np.zeros((len(learned.traits.numeric), len(counters)), np.int64)
    sums[channel] = counters
    away = leaps.ranges_beyond(learned.strides, learned.limits, learned.negative, sums)[channel]
    return bool(away >= AWAY[int(learned.short[channel])] or np.isnan(learned.strides.range[channel]))


def came_slowly(learned: NaturalLearned, day: Runs, end: float, row: int, channel: int, size: float) -> bool:
    """Whether much of a change of a statistic (place ``row`` in STATISTICS) by ``size`` was there AGO before ``end``: a
    rollout over days, a season, campaigns that come and go. Nobody has to get up for it. False where it is not known,
    and of what is a fault however it comes.
    """
    hop = _hop_of_then(day, end)
    if not len(hop) or _at_any_pace(learned, STATISTICS[row], channel):
        return False
    sums, expected = day.sums[hop], learned.slots.expected(day, hop, hop)
    then = statistics(learned.usual, sums, expected)[1][0, row, channel] - learned.near.centre[row, channel]
    return bool(then >= PART * size)


def _at_any_pace(learned: NaturalLearned, change: Change, channel: int) -> bool:
    """Whether each bit of it is a fault. A category that most have in the end is often the same as before."""
    return change in AT_ANY_PACE or (change is Change.FROZEN and bool(learned.traits.numeric[channel]))


def _hop_of_then(day: Runs, end: float) -> NDArray[np.intp]:
    """The last hop that was over AGO before ``end``, intp[1]; none where it is not known."""
    return np.flatnonzero(day.end <= end - AGO)[-1:]


def rate_came_slowly(learned: NaturalLearned, day: Runs, end: float, rule: int, size: float) -> bool:
    """The same of a ``rule``'s rate, which rose by ``size``."""
    fast, hop = learned.fast, _hop_of_then(day, end)
    channel = int(fast.rules.channel[rule])
    if not len(hop) or _at_any_pace(learned, CHANGES[int(fast.change[rule])], channel):
        return False
    sums = day.sums[hop[0], channel]
    rate = sums[fast.rules.hits[rule]] / max(int(sums[fast.rules.of[rule]]), 1)
    return bool(rate - fast.usual[rule] >= PART * size)


def level_before(hops: Runs, channel: int, since: float, now: float) -> float:
    """The mean of the logarithms in the last hop that ended by ``since``; NaN where it is forgotten ``now``."""
    known = int(np.searchsorted(hops.end, now, side="right"))
    before = int(np.searchsorted(hops.end, since, side="right")) - 1
    if before < max(known - HOPS[0], 0):
        return np.nan
    return float(mean_log(hops.sums[before, channel].astype(np.float64)))


def leaps_of_hops(learned: NaturalLearned, limits: Thresholds, hops: Runs, new: int) -> list[Fire]:
    """What has leapt out of its range with one of the last ``new`` hops, and stays there: a ticket, or a page."""
    sizes = limits.sizes
    stays = leaps.gone(hops.sums) & sizes.leaps & np.isfinite(sizes.ticket[FAR])
    stays[: len(hops) - new] = False
    if not stays.any():
        return []
    about = learned.strides, learned.limits, learned.negative
    some, *each = (leaps.of_hops(*about, hops, x) for x in (SOME, *GREAT))
    great = np.where(learned.short, each[1], each[0])
    stays &= some | leaps.beyond(*about, hops.sums)
    usual, fires = learned.near.centre[STATISTICS.index(Change.NEW)], []
    for h, c in np.argwhere(stays).tolist():
        page = great[h, c] and np.isfinite(sizes.page[FAR, c]) and learned.days_known[c] >= WHOLE_DAY
        level = PAGE if page or not some[h, c] else TICKET
        end, first = float(hops.end[h]), max(h - BACK, 0)
        share = hops.sums[first : h + 1, c, f.NEW] / np.maximum(hops.sums[first : h + 1, c, f.LIVE], 1)
        since = float(hops.start[h])
        if len(share) > BACK and share[-2] > share[0]:  # it began within the hop before
            since = float(hops.end[h - 1] - (share[-2] - share[0]) * (hops.end[h - 1] - hops.start[h - 1]))
        name = named(learned, NEW, c, hops.sums[h, c], hops.sums[h, c], level_before(hops, c, since, end))
        size, rest = float(share[-1] - usual[c]), 2 * (end - float(hops.start[h]))
        fires.append(
            Fire(
                end, level, c, name, size, size, since, rest, size / NEARLY, 1, NEARLY, NEW, size, name,
                float(hops.start[h]), size, holds=not some[h, c],
            )
        )  # fmt: skip
    return fires
