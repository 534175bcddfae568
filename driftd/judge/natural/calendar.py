"""What may be the calendar, or a thing at rest, and no fault: it makes a ticket where it would page.

A weekday, a date, a month and a flag of weekends are constants until midnight. Rain, and what comes in campaigns, is 0
until it comes again. A reference that has not seen them change cannot tell them from a fault.
"""

from __future__ import annotations

from math import ceil, inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.judge.natural import features as f
from driftd.judge.natural.changes import CHANGES, OF_THE_HOUR, Change
from driftd.judge.natural.kinds import STANDING
from driftd.judge.natural.learned import STILL_DAYS, NaturalLearned

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.intp]

WEEK: Final = 7 * 86_400.0
"""Seconds of a week, since Thursday, when the epoch's weeks begin. Derived."""
WEEKEND: Final = (1.5 * 86_400.0, 4.5 * 86_400.0)
"""A weekend with half a day around it, in such seconds. Chosen: for other time zones."""
WHOLE_WEEKEND: Final = (2 * 86_400.0, 4 * 86_400.0)
"""Saturday and Sunday in UTC, in such seconds. Derived."""
SEEN: Final = 86_400.0
"""Seconds of a weekend with events that a reference must hold to know one. Chosen: half of it."""
STAYS: Final = 43_200.0
"""Seconds after a weekend in which what began with it is not there for good. Chosen: windows of most of a day hold some
of it."""
MOST_OF_A_WEEKEND: Final = 2.0
"""Times a page's size from which on it is no weekend. Measured: ones with other customers, of whom 6 in 10 come from
one country and who spend a third, made 1.7 times in levels and 2 in mixes.
"""
MOST_OF_ENDS: Final = 1.5
"""The same of shares at the ends of the numbers. Measured: 1.3 there; when all numbers are there it is 2 at most.
"""
REPORT_SECONDS: Final = 4500.0
"""Seconds after which missing values of a channel that is the hour's or the weather's are more than one lost report.
Measured: of three stations that report each hour one was silent for an hour, six times in a year. Chosen: an hour and a
quarter."""
OF_A_REPORT: Final = 0.5
"""Lower bound of the share of missing values from which on it is no single report. Measured: shares of 0.31 to 0.44 of
one station in three."""
BAD_HOURS: Final = 7200.0
"""Seconds for which errors of prediction may be the world's. Measured: rides of one evening were wrong in 52 of 100
where 19 are usual, for 70 minutes (docs/everyday.md, seed 49). Chosen: two hours. On references of less than five days
for as long as they last: flights were wrong in 50 to 75 of 100 on most days after one on which 18 were (seed 57)."""
MOST_OF_BAD_HOURS: Final = 0.45
"""Lower bound of their rise from which on they are not. Chosen: as episodes.GROSS; decisions that turned round are."""
HOURS_DIFFER: Final = 0.08
"""By how much the highest rate of errors that is natural for two hours (p0) exceeds the usual one where hours differ.
Measured: .05 and .06 where errors do not depend on the hour, .14 to .25 for rides and flights."""
MIDNIGHTS: Final = 1800.0
"""Seconds between the midnights of time zones. Derived: zones differ by whole and half hours, but for three."""
NEAR_MIDNIGHT: Final = 60.0
"""Seconds by which clocks and panes may be off. Chosen: six panes. With two ticks of 100 s a fault begins at a midnight
once in six."""
ZEROS: Final = 0.001
"""Share of the reference's numbers that are 0, from which on a number is at rest there. Chosen: two of a thin
reference's 2,000; a number that is never 0 has none."""
MISSING: Final = CHANGES.index(Change.MISSING)
"""Derived: its place in CHANGES."""
ENDS: Final = (Change.LOW, Change.HIGH)
"""Derived: shares at the ends of the numbers."""
BROKEN: Final = (Change.MISSING, Change.REFUSED, Change.ERRORS)
"""Changes that no calendar makes. Derived: of values that are missing or of another type, and of errors."""


def holds_a_weekend(start: Floats, end: Floats, events: Counts) -> Bools:
    """bool[channels]: whether stretches from ``start`` to ``end`` float64[n] with ``events`` int64[n, channels] hold
    half of a weekend.
    """
    since = start % WEEK
    part = np.minimum(since + (end - start), WHOLE_WEEKEND[1]) - np.maximum(since, WHOLE_WEEKEND[0])
    out: Bools = (np.maximum(part, 0.0)[:, None] * (events > 0)).sum(axis=0) >= SEEN
    return out


def of_a_weekend(since: float, now: float) -> bool:
    """Whether it began with a weekend that is not over yet."""
    begun = since % WEEK
    return WEEKEND[0] <= begun < WEEKEND[1] and begun + now - since < WEEKEND[1] + STAYS


def waits_for_monday(
    learned: NaturalLearned, change: int, channel: int, began: tuple[float, float], times: float
) -> bool:
    """Whether what would page makes a ticket, since it began with a weekend that is not over and the channel was
    learned over none: levels and mixes, ``times`` a page's size. ``began``: when, and now.
    """
    what = CHANGES[change]
    most = inf if what is Change.RELATION else MOST_OF_ENDS if what in ENDS else MOST_OF_A_WEEKEND
    of_it = what in OF_THE_HOUR and times < most  # what is left of a relation lies between its sizes in any case
    return bool(of_it and not learned.weekend[channel] and of_a_weekend(*began))


def reports(
    learned: NaturalLearned, change: Rows, channel: Rows, lasts: Floats, share: Floats, newest: Floats | Counts
) -> Bools:
    """bool[k]: whether values that have been missing for so many seconds, ``share`` of them at least, may be one report
    that was lost, of what is measured once an hour and the same for many events; and of numbers that hardly varied in a
    few days, as clear air does. ``newest`` [k]: how many of the newest are missing; with none it is over.
    """
    t = learned.traits
    hourly = t.timely | (learned.short & t.numeric & t.flat)
    one = (lasts < REPORT_SECONDS) | (newest == 0)
    out: Bools = (change == MISSING) & hourly[channel] & one & (share < OF_A_REPORT)
    return out


def bad_hours(learned: NaturalLearned, change: int, channel: int, lasts: float, rise: float) -> bool:
    """Whether errors of prediction that have risen for so many seconds, by ``rise`` at least, may be the world's: where
    the reference's own hours differ in them. Days differ there, too: a reference of a few has not seen how much.
    """
    t, fast = learned.traits, learned.fast
    mine = CHANGES[change] is Change.ERRORS and t.awaited[channel] and t.output[channel]
    if not mine or not (learned.short[channel] or (lasts < BAD_HOURS and rise < MOST_OF_BAD_HOURS)):
        return False
    rules = (fast.rules.channel == channel) & (fast.change == change)
    return bool(((fast.rules.p0 - fast.usual)[rules] >= HOURS_DIFFER).any())


def asks_for_less(
    learned: NaturalLearned, change: int, channel: int, began: tuple[float, float], since: Counts, newest: Counts
) -> bool:
    """Whether a page is a ticket only. The change ``began`` between these times; counters ``since`` then and of the
    ``newest`` values.

    Of a constant: a number that varies now, as clear air does one day; what comes with a midnight; and with the
    weekend, that a reference of less than a week has not seen. Of a number that such a reference knows as 0 at times:
    that it is 0 now.
    """
    what, t = CHANGES[change], learned.traits
    if what in BROKEN:
        return False
    weekless, zeros = bool(learned.days_known[channel] < STILL_DAYS), learned.zeros
    at_rest = t.numeric[channel] and not t.output[channel] and newest[f.LIVE] and not newest[f.NONZERO]
    if weekless and at_rest and zeros is not None and zeros[channel] >= ZEROS:
        return True
    if not t.constant[channel] or what not in {Change.NEW, Change.FAR}:
        return False
    varies = since[f.REPEATED] < STANDING * since[f.LIVE] and what is Change.NEW
    weekend = weekless and WEEKEND[0] <= began[0] % WEEK < WEEKEND[1]
    return bool(weekend or at_midnight(*began) or (varies and t.numeric[channel]))


def at_midnight(first: float, last: float) -> bool:
    """Whether a midnight of some time zone lies between the two times, or near them."""
    return ceil((first - NEAR_MIDNIGHT) / MIDNIGHTS) * MIDNIGHTS <= last + NEAR_MIDNIGHT
