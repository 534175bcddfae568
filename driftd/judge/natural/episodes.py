"""Episodes of each channel: a ticket or a page that is open while its change lasts.

A change that fires opens an episode, or makes a page of a ticket. A page ends when the newest 20 minutes show none of
its changes any more (natural.recovery). Where they cannot say so, it ends when nothing has fired for two hours, as does
a page that comes back within two hours of its end: a fault that comes and goes is one page. A ticket ends when nothing
has fired for twelve hours. Where events are rare, all of it takes longer: time alone ends nothing. A channel that paged
makes no ticket of its own for twelve hours: the page said it.

A ticket of a shape ends only when its windows are not even half as far from usual as a ticket's limit (recovery.STAYS).

A fault that comes and goes is one: a page of the same kind that comes back within the hour of its end (BACK), and is no
grosser, calls nobody. How often it came is counted. It calls when it has stayed for an hour.

    shown        |####|        |####|     |####|         |##############
    told         |call         |2nd       |3rd           |4th       call

A page that is open must not hide a second, grosser fault: a rate that has grown to a gross one since somebody was
called (25 % missing, then all) is told again, and calls again.

A window of a day still holds a change hours after it has ended: what keeps a ticket open are windows at most one step
longer than the shortest that has shown it. A page is kept open, and one that has ended comes back, only by what its
newest values show. That a relation broke says nothing where the channel itself or a sibling has a page of its own: it
cannot but break.

A ticket that ended by itself shows that the channel varies more than its reference does (a weekend that the reference
has not seen, a feast): it is natural variation that was seen later. The next one must exceed its limit by more than
that one did; half of it is forgotten in FORGET seconds. Of faults (FAULTS) that holds from the third on: the second is
a fault that came back. Pages are not affected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import log
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.judge.natural.changes import CHANGES
from driftd.judge.natural.kinds import (
    KINDS,
    ROUND,
    SHAPES,
    WITHOUT,
    Kind,
    Middles,
    Named,
    Shares,
    power_of_ten,
    share_of,
)
from driftd.judge.natural.learned import TICK
from driftd.judge.natural.recovery import BIT, LEFT, Calm, Still
from driftd.judge.natural.seen import Seen
from driftd.judge.natural.shapes import RATES

Floats = NDArray[np.float64]

GROSS: Final = 0.45
"""A share that rose by so much need last only step.SOON seconds, a smaller one LATER; one that grows to it under an
open page is another fault. Measured: set on the open seeds 11, 12 and 13 of tests/quality/everyday.
"""
NONE: Final = 0
"""Level without an episode. Derived: levels are ordered, worst last."""
TICKET: Final = 1
"""Derived: the level above NONE."""
PAGE: Final = 2
"""Derived: the level above TICKET."""
HOLD: Final = (0.0, 12 * 3600.0, 2 * 3600.0)
"""Seconds without a firing statistic that end an episode, by level. Chosen: two hours for a page, the window of the
near scale; half a day for a ticket, so that a change of every night is one ticket a night at most.
"""
QUIET: Final = 12 * 3600.0
"""Seconds after a page in which its channel makes no ticket. Chosen: as long as a ticket is held; the page said it."""
MORE: Final = 1.25
"""By which factor a ticket must exceed what ended by itself before. Measured: in 7.4 months of ordinary traffic without
a fault (docs/everyday.md, seed 32) 44 tickets became 35, beside all that changed with it.
"""
NOTHING: Final = 0.1
"""What is left of a relation from which on no less is told. Chosen: chance leaves as much."""
LESS: Final = 0.6
"""Part of what was left of a relation from which on it is said anew. Chosen: more than chance makes of a window."""
LOOK: Final = 2
"""By which factor the values since a change must have grown before its cause is looked for again. Chosen: a dozen looks
at ten thousand values."""
FORGET: Final = 28 * 86_400.0
"""Half-life of ended tickets, in seconds. Chosen: four weeks, four weekends."""


KNOWN: Final = 2.0
"""By which factor the error of a share must have fallen before it is said anew. Chosen: four times the events; it is
said anew once or twice."""
NEAR: Final = 0.2
"""Part of a share by which it may be wrong. Chosen: 10 % of which 12 are said."""
WHOLE: Final = 0.9
"""Part of the time since the change from which on a share is one of all of it. Chosen: rules date a change to within
some ticks of each other."""
VALUELESS: Final = (Kind.MISSING, Kind.REFUSED, Kind.FROZEN)
"""Kinds that leave nothing to relate. Derived: of values that are missing, of another type, or all alike."""
LOST: Final = (Kind.MISSING, Kind.REFUSED)
"""What no traffic does by itself, however often it comes. Derived: kinds without values; weather stands still, and calm
air looks like another unit."""
FAULTS: Final = (*LOST, Kind.ERRORS, Kind.UNIT, Kind.RENAMED, Kind.NEW_VALUE)
"""Kinds of faults rather than of the world: the second of them is said as well, and they are no habit of other kinds.
Derived: values or answers are wrong in them. Numbers that are far out, or stand still, may be the weather: as faults
they made 7 more tickets in the ten months of the demo."""
_SHAPES: Final = tuple(KINDS.index(kind) for kind in SHAPES)
"""Derived: their places in KINDS."""
RATES_OF: Final = {CHANGES.index(change): (hits, of) for change, hits, of in RATES}
"""The columns of the hits of each rate, and of how many. Derived: as shapes.RATES; the ends of a channel move with its
level, which has a rhythm."""
_TIMES, _FIRST, _ENDED, _MOST, _KIND, _UNTOLD, _SHOWN, _STEADY, _BACK = range(9)
"""Rows of ``Episodes.came``. Derived."""
_OPEN: Final = (
    *("called", "grew", "since", "error", "until"),
    *("size", "least", "factor", "value", "usual", "needed"),
)
"""Parts of Episodes that are known while an episode is open. Derived."""
CAME: Final = 9
"""Derived: how many these are."""
_FAULT, _OTHER, _BEFORE = 0, 1, 2
"""Rows of ``Episodes.habit``. Derived."""
FINER: Final = (Kind.FROZEN, Kind.UNIT, Kind.RENAMED, Kind.NEW_VALUE, Kind.RANGE, Kind.SPREAD, Kind.LEVEL, Kind.MIX)
"""Kinds whose cause may show later. Derived: the others are causes themselves (natural.causes)."""
AGAIN: Final = 1 << len(CHANGES)
"""The bit of a page that came back, soon or while it was open: it never ends by recovery. Derived: the one after the
changes'."""
LOWERED: Final = AGAIN << 1
"""The bit of a ticket that would be a page but for the calendar. Derived: the one after AGAIN."""
WAITED: Final = LOWERED << 1
"""The bit of a ticket whose change came at once, and would have paged but for the calendar: days later it still may.
Derived: the one after LOWERED."""
TWICE: Final = 2.0
"""Times what somebody was called for, from which on a gross rate calls again. Chosen: rhythm makes half as much more of
the share that a broken client has, not as much again; from 5 % on there are three calls at most."""
SETTLED: Final = 600.0
"""Seconds after a call in which what is seen belongs to it, and two ticks at least. Chosen: so long a small change must
last; all rates that a gross fault moves are over their limit by then."""
AWAKE: Final = 1800.0
"""Seconds after a call in which the channel calls for nothing else. Chosen: as monitor.compose.CALL_AGAIN_SECONDS."""
LASTS: Final = 300.0
"""Seconds, and two ticks at least, that a rate has been so much larger. Chosen: as step.SOON, of a gross share."""
BACK: Final = 3600.0
"""Seconds after a page's end in which its fault may come back without a call, and for which one that came back so must
stay to call. Chosen: whoever was called looks at it still; a retry or a job of every half hour is no news.
"""
WHOLLY: Final = 0.7
"""Size of a share from which on ticks alone say that it had gone: without it no two in a row are as good as free of it.
Chosen: of 8 values two or fewer show it once in 90 ticks; of less its sum must have left it.
"""
SILENCE: Final = 1800.0
"""Seconds without events that do not count as time, and the most that a tick counts. Chosen: a quarter of a page's
hold, so that it takes four ticks to end a page, however long they last; shorter pauses are ordinary."""


@dataclass(frozen=True, slots=True)
class Fire:
    """A statistic of a channel over its limit at ``time``. ``size`` since ``since``, ``least`` its lower bound; it may
    be silent for ``rest`` seconds although the change lasts. ``ratio``: the statistic over its ticket limit. ``reach``:
    how long the window is, 0 the shortest. ``needed``: the least size that makes its level. ``change``: its place in
    CHANGES. ``now``: the least size in the newest values alone, NaN where they are too few; ``fresh`` what these alone
    are called. ``shown``: the least size in the newest whole hop (20 minutes or more), which began at ``hop``.
    ``holds``: whether it jumped when it began is forgotten, so it keeps open what is open of it, and opens nothing.
    ``seen`` gives what all channels showed, of which the channel has had so many ``values`` since. ``lowered``: it is a
    ticket because it may be the calendar's (natural.calendar), and stays one. ``hits`` and ``of`` are a rate's in its
    newest tick. ``over``: a rate whose newest values clearly do not show it any more: a sum, or a window, still does.
    ``waits``: it would page, and may be over soon by itself (natural.calendar); it explains its siblings like a page.
    ``error``: the seconds by which ``since`` may be wrong. ``slowly``: it came over days, and calls nobody by itself.
    ``waited``: it came at once, and would page but for the calendar.
    """

    time: float
    level: int
    channel: int
    name: Named
    size: float
    least: float
    since: float
    rest: float
    ratio: float
    reach: int
    needed: float
    change: int
    now: float
    fresh: Named
    hop: float
    shown: float
    holds: bool = False
    """Derived: most changes need not have jumped."""
    seen: Callable[[], Seen] | None = field(default=None, compare=False)
    """Derived: relations have no counters of their own."""
    values: int = 0
    """Derived: none are known there."""
    lowered: bool = False
    """Derived: most pages are pages."""
    hits: int = 0
    """Derived: as ``of``."""
    of: int = 0
    """Derived: windows have no tick of their own."""
    over: bool = False
    """Derived: what is no rate is not over so soon."""
    waits: bool = False
    """Derived: most do not wait."""
    error: float = np.nan
    """Derived: a beginning is known as well as it is, or nobody knows."""
    slowly: bool = False
    """Derived: most changes come at once."""
    waited: bool = False
    """Derived: as ``lowered``."""

    @property
    def stale(self) -> bool:
        """Whether its newest values no longer show it."""
        return self.now < LEFT * self.needed


def counted(seconds: Floats, events: NDArray[np.int64]) -> Floats:
    """How much of stretches of so many seconds and events counts as time at most (Clock), float64[k]."""
    return np.minimum(seconds, SILENCE * np.maximum(events / TICK[1], 1.0))


@dataclass(frozen=True, slots=True)
class Turn:
    """An episode that opened, rose to a page, got a better name or size, or closed (``level`` 0). ``known`` is the end
    of the tick with which that was seen, just after ``time``; the other fields as in Fire and Named. ``looks``: nothing
    but that more values are there to say the cause by. ``grew``: a page whose fault has become so much grosser at
    ``since`` that somebody has to be called again. ``times``: how often a page that comes and goes has come since
    ``first``; ``quiet``: it came back so soon that nobody is called.
    """

    time: float
    known: float
    channel: int
    before: int
    level: int
    kind: Kind
    size: float
    least: float
    since: float
    factor: float
    value: float
    usual: float
    reach: int = 0
    """Derived: the shortest window."""
    needed: float = np.nan
    shares: Shares | None = None
    middle: Middles | None = None
    seen: Seen | None = field(default=None, compare=False)
    """Derived: what ended has nothing to show."""
    looks: bool = False
    """Derived: most turns change something."""
    grew: bool = False
    """Derived: most faults stay as they are."""
    times: int = 1
    """Derived: most come once."""
    first: float = np.nan
    quiet: bool = False
    """Derived: most call."""
    error: float = np.nan
    """Derived: as in Fire."""

    @property
    def returned(self) -> bool:
        """Whether a page that is open has come again."""
        return self.quiet and self.before == PAGE


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """Time in which there were events: a night without any ends no episode, nor do hours with a few. ``end`` float64
    [ticks]; ``lost`` float64[ticks] seconds that do not count up to the end of each; ``before`` up to the first.
    """

    end: Floats
    lost: Floats
    before: float

    @classmethod
    def of(cls, last: float, lost: float, start: Floats, end: Floats) -> Self:
        """``last``: the end of the tick before (NaN: there was none), with ``lost`` seconds up to it."""
        gaps = start - np.append(last, end[:-1])[: len(start)]
        idle = np.where(gaps > SILENCE, gaps, 0.0) + np.maximum(end - start - SILENCE, 0.0)
        return cls(end, np.cumsum(np.append(lost, idle))[1:], lost)

    def seen(self, time: float) -> float:
        """The time less the seconds without events."""
        place = int(np.searchsorted(self.end, time, side="right")) - 1
        return time - (float(self.lost[place]) if place >= 0 else self.before)

    def passed(self, seen: float) -> tuple[float, float]:
        """When that was, at the latest, and the end of the first tick after it."""
        place = int(np.searchsorted(self.end - self.lost, seen, side="right"))
        known = float(self.end[place])
        return min(seen + float(self.lost[place]), known), known


@dataclass(frozen=True, slots=True, eq=False)
class Episodes:
    """One a channel: ``level`` int64, ``kind`` int64 (places in KINDS); float64: ``since`` when the change began,
    ``error`` of that, ``until`` when the episode ends unless something fires, ``paged`` when a page last fired, ``own``
    when one that is not about its siblings did, ``size``, ``least``, ``factor``, ``value``, ``usual``, ``needed``. NaN
    where there is none. ``habit`` float64[3, channels]: by how much tickets exceeded their limit (0: none), the last of
    FAULTS, the last of other kinds, and of FAULTS the one before; ``end`` the last end. ``reach`` int64: of the
    shortest window that has shown the change. ``shown`` int64: bits of the changes of a page that are not seen to be
    over, and AGAIN; of a ticket LOWERED and WAITED. ``looked`` int64: values since the change when its cause was last
    looked for. ``called`` float64: when a page last called, by the clock of events; ``base`` float64[len(CHANGES),
    channels]: how large its rates were about then; ``more`` float64[3, len(CHANGES), channels]: since when they have
    been so much larger, and their hits and values since; ``grew`` when what was last told of it began, where that is
    later than ``since``. ``came`` float64[9, channels] of pages: how often the last one has come (0: there was none),
    since when it did so first, when it ended, the largest size that somebody was called for, its kind (place in KINDS),
    whether it came back untold, when its newest values last showed it, and since when they have without a pause, by the
    clock of events, and when it began that came back with the last tick. ``until`` is by that clock, too; ``last`` is
    the end of the last tick, and ``lost`` the seconds without events up to then (Clock).
    """

    level: NDArray[np.int64]
    kind: NDArray[np.int64]
    since: Floats
    until: Floats
    paged: Floats
    own: Floats
    size: Floats
    least: Floats
    factor: Floats
    value: Floats
    usual: Floats
    needed: Floats
    habit: Floats
    end: Floats
    reach: NDArray[np.int64]
    shown: NDArray[np.int64]
    looked: NDArray[np.int64]
    called: Floats
    base: Floats
    more: Floats
    grew: Floats
    came: Floats
    error: Floats
    last: float
    lost: float

    @classmethod
    def start(cls, channels: int) -> Self:
        zero, nan, none = np.zeros(channels, np.int64), np.full(channels, np.nan), np.zeros((3, channels))
        unknown = np.full(channels, len(KINDS) - 1)
        rates = np.zeros((len(CHANGES), channels))
        return cls(
            zero, unknown, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, none, nan, zero, zero, zero,
            nan, rates, _nothing()[:, None, None] * np.ones((len(CHANGES), channels)), nan, np.zeros((CAME, channels)),
            nan, np.nan, 0.0,
        )  # fmt: skip

    def step(
        self,
        fires: Sequence[Fire],
        start: Floats,
        end: Floats,
        siblings: NDArray[np.bool_],
        calms: Sequence[Calm] = (),
        stills: Sequence[Still] = (),
    ) -> tuple[Episodes, list[Turn]]:
        """Takes in what fired, what is over and what lasts, in order of time, up to the last of the ticks from
        ``start`` to ``end`` float64[ticks]; ``siblings`` bool[channels, channels].
        """
        clock = Clock.of(self.last, self.lost, start, end)
        last, lost = (float(end[-1]), float(clock.lost[-1])) if len(end) else (self.last, self.lost)
        if not fires and not self.level.any():
            return replace(self, last=last, lost=lost), []
        copied = {name: v.copy() for name in self.__slots__ if isinstance(v := getattr(self, name), np.ndarray)}
        after = replace(self, last=last, lost=lost, **copied)
        turns: list[Turn] = []
        every: list[Fire | Calm | Still] = [*fires, *calms, *stills]
        for fire in sorted(every, key=_in_time):
            if isinstance(fire, Calm):
                turns += after.recover(fire)
            elif isinstance(fire, Still):
                turns += after.close(fire.time, clock)
                after.stay(fire, clock.seen(fire.time))
            elif fire.name.kind is not Kind.JOINT:
                turns += after.close(fire.time, clock)
                turns += after.open(fire, clock) if not fire.holds else after.hold(fire, clock)
            elif not after.changed(siblings[fire.channel], fire.since).any() and not after.explained(fire.channel):
                turns += after.open(fire, clock)
        if len(end):
            turns += after.close(last, clock)
        return after, turns

    def hold(self, fire: Fire, clock: Clock) -> list[Turn]:
        """Keeps open what is open of the change, at the level that it has."""
        level = min(fire.level, int(self.level[fire.channel]))
        return self.open(replace(fire, level=level), clock) if self.has(fire) else []

    def has(self, fire: Fire) -> bool:
        """Whether the change is that of an open page, which it has shown itself, or of an open ticket; hops do not know
        when it began, there it is one of the same kind.
        """
        c = fire.channel
        if self.level[c] == PAGE:
            return bool(self.shown[c] & BIT[fire.change])
        same = self.since[c] == fire.since or (fire.reach > 0 and KINDS[int(self.kind[c])] is fire.name.kind)
        return bool(self.level[c] == TICKET and same)

    def close(self, now: float, clock: Clock) -> list[Turn]:
        """Ends what has been silent for long enough when the tick ends at ``now``."""
        over = np.flatnonzero((self.level > NONE) & (self.until < clock.seen(now)))
        order = over[np.argsort(self.until[over], kind="stable")].tolist()
        return [self._end(c, *clock.passed(float(self.until[c]))) for c in order]

    def stay(self, still: Still, seen: float) -> None:
        """Keeps the tickets of shapes open of which a window is far from usual, if it is short enough (``_hold``)."""
        mine = (self.level == TICKET) & still.channels & (still.reach <= self.reach + 1) & np.isin(self.kind, _SHAPES)
        self.until[mine] = np.maximum(self.until[mine], seen + max(HOLD[TICKET], still.rest))

    def recover(self, calm: Calm) -> list[Turn]:
        """Ends the pages of which the newest stretch shows nothing any more; it must have begun after their change."""
        mine = (self.level == PAGE) & (self.since < calm.start)
        self.shown[mine] &= calm.left[mine] | ~calm.about
        return [self._end(c, calm.time, calm.time) for c in np.flatnonzero(mine & (self.shown == 0)).tolist()]

    def _end(self, c: int, time: float, known: float) -> Turn:
        turn = self._turn(c, time, known, int(self.level[c]), NONE)
        if self.level[c] == PAGE:
            self.came[_ENDED, c], self.came[_KIND, c] = time, self.kind[c]
        self.end[c], self.level[c], self.shown[c] = time, NONE, 0
        self.base[:, c], self.more[:, :, c] = 0.0, _nothing()[:, None]
        for name in _OPEN:
            getattr(self, name)[c] = np.nan
        return turn

    def end_all(self, time: float) -> list[Turn]:
        """Turns that end whatever is open."""
        rows = np.flatnonzero(self.level > NONE).tolist()
        return [self._turn(c, time, time, int(self.level[c]), NONE) for c in rows]

    def moved(self, rows: Sequence[int], to: Sequence[int], channels: int, rest: float) -> Episodes:
        """Those of ``rows`` in the rows ``to`` of so many channels; the others begin anew. They stay open for ``rest``
        seconds at least: so long it takes until windows can show the change again.
        """
        none = Episodes.start(channels)
        parts = {name: v.copy() for name in self.__slots__ if isinstance(v := getattr(none, name), np.ndarray)}
        for name, values in parts.items():
            values[..., to] = getattr(self, name)[..., rows]  # habit has three rows
        until = np.fmax(parts["until"], self.last - self.lost + rest)
        parts["until"] = np.where(parts["level"] > NONE, until, np.nan)
        return replace(none, last=self.last, lost=self.lost, **parts)

    def open(self, fire: Fire, clock: Clock) -> list[Turn]:
        """Opens an episode, makes a page of a ticket, gives it a better name, or keeps it open."""
        c, before = fire.channel, int(self.level[fire.channel])
        if before == NONE:
            if fire.over or self._says_nothing(fire):
                return []
            fire = self._afresh(fire)
        if self._calls_nobody(fire, before):
            fire = replace(fire, level=TICKET)
        if before < PAGE:
            self.shown[c] |= (LOWERED if fire.lowered else 0) | (WAITED if fire.waited else 0)
        if (turns := self._again(fire, before, clock)) is not None:
            return turns
        if fire.level == PAGE:
            self.shown[c] = (self.shown[c] & ~(LOWERED | WAITED)) | self._bits(fire, before)
            self.paged[c] = fire.time
            self.own[c] = self.own[c] if fire.name.kind is Kind.JOINT else fire.time
        self.own[c] = fire.time if fire.waits else self.own[c]
        level = max(before, fire.level)
        quiet = before < PAGE == level and self._comes_back(fire, clock)
        if level == TICKET:
            group = _group(fire)
            if before == NONE and group == _FAULT:
                self.habit[_BEFORE, c], self.habit[_FAULT, c] = self._faded(fire, _FAULT), 0.0
            known = self._faded(fire, group) if before == NONE else float(self.habit[group, c])
            self.habit[group, c] = max(known, fire.ratio - 1)
        self._hold(fire, before, clock.seen(fire.time) + max(HOLD[level], fire.rest))
        kind = KINDS.index(fire.name.kind)
        if fire.level < before or (fire.level == before and (fire.over or kind >= self.kind[c])):
            return self._measured(fire) if self._known_better(fire) or self._fell(fire) else self._looked(fire)
        # a new country under a ticket about a campaign is not as old as the campaign; a page has one beginning
        other = kind != self.kind[c] and fire.since - self.since[c] > HOLD[PAGE]
        anew = before == NONE or (before == TICKET and other)
        self._date(fire, anew=anew)
        self.level[c], self.kind[c] = level, kind
        self.size[c], self.least[c], self.factor[c] = fire.size, fire.least, fire.name.factor
        self.value[c], self.usual[c], self.needed[c] = fire.name.value, fire.name.usual, fire.needed
        turn = self._turn(c, fire.time, fire.time, before, level)
        grew = level > before and bool(np.isfinite(self.grew[c]))
        return [self._seen(fire, replace(turn, grew=grew and not quiet, quiet=quiet))]

    def _date(self, fire: Fire, *, anew: bool) -> None:
        """Its change is another one, ``anew``, or began before what is known."""
        c = fire.channel
        if anew or fire.since < self.since[c]:
            self.since[c], self.error[c] = fire.since, fire.error

    def _again(self, fire: Fire, before: int, clock: Clock) -> list[Turn] | None:
        """The same page, grown or come back; None for anything else."""
        turns = self._grown(fire, before, clock)
        return self._returned(fire, before, clock) if turns is None else turns

    def _comes_back(self, fire: Fire, clock: Clock) -> bool:
        """Counts how often a page that opens has come; whether nobody is called for it: it was there within the hour
        and is no grosser than it was then.
        """
        c, came, kind = fire.channel, self.came[:, fire.channel], KINDS.index(fire.name.kind)
        since, shown = max(fire.since, float(np.nan_to_num(self.end[c]))), clock.seen(fire.time)
        if not came[_TIMES] or came[_KIND] != kind or fire.time - came[_ENDED] > BACK:
            came[:] = 1, since, np.nan, fire.size, kind, 0, shown, shown, np.nan
            return False
        grosser = fire.size >= max(GROSS, TWICE * came[_MOST], came[_MOST] + fire.needed)
        came[_TIMES] += 1
        came[_MOST], came[_UNTOLD], came[[_SHOWN, _STEADY]] = max(came[_MOST], fire.size), not grosser, shown
        self.grew[c] = np.nan
        return not grosser

    def _returned(self, fire: Fire, before: int, clock: Clock) -> list[Turn] | None:
        """The same page, where its fault had gone and has come back while it was open, or has stayed for so long since
        it came back untold that somebody is called; None for anything else. Of rates ticks know both.
        """
        c, came = fire.channel, self.came[:, fire.channel]
        if before < PAGE or fire.holds or fire.over or fire.stale or (fire.change in RATES_OF and not fire.of):
            return None
        now, shown, kind = clock.seen(fire.time), float(came[_SHOWN]), KINDS[int(self.kind[c])]
        gone = bool(fire.of) and now - shown >= max(SETTLED, fire.rest)
        came[_SHOWN] = now if fire.of else shown
        came[_STEADY] = now if gone else came[_STEADY]
        if fire.level < PAGE or kind is not fire.name.kind:
            return None
        about = share_of(kind)
        rate = bool(fire.of) and about is not None and about == RATES_OF.get(fire.change)
        new = clock.seen(fire.since) >= shown  # else the sum still holds the time before, and it began in this tick
        if rate and gone and (new or came[_MOST] >= WHOLLY):
            came[_BACK] = fire.since if new else fire.time - fire.rest / 2
            return []  # it is counted with the next tick, which is all of it
        back, began = bool(np.isfinite(came[_BACK])), self._told_since(c)
        if back:
            self.grew[c] = began = float(came[_BACK])
            came[_TIMES] += 1
            came[_UNTOLD], came[_BACK], self.shown[c] = True, np.nan, self.shown[c] | AGAIN
        stays = bool(came[_UNTOLD]) and now - float(came[_STEADY]) >= BACK
        if not back and not stays:
            return None
        if stays:
            self.called[c], came[_UNTOLD] = now, False
        self._hold(fire, before, now + max(HOLD[PAGE], fire.rest))
        name = fire.fresh if fire.since < began and fire.fresh.kind is fire.name.kind else fire.name
        self.size[c], self.least[c], self.factor[c] = fire.size, fire.least, name.factor
        self.value[c], self.usual[c], self.needed[c] = name.value, name.usual, fire.needed
        came[_MOST] = np.fmax(came[_MOST], name.value - name.usual if rate else fire.size)
        turn = self._turn(c, fire.time, fire.time, PAGE, PAGE)
        return [self._seen(fire, replace(turn, grew=stays, quiet=not stays))]

    def _grown(self, fire: Fire, before: int, clock: Clock) -> list[Turn] | None:
        """The same page, where one of its rates has become gross, and so much larger than it was when somebody was
        called that this is another fault; [] where it has not lasted yet. What is seen soon after a call belongs to
        what was called for. None where nothing has grown.
        """
        c, k, now = fire.channel, fire.change, clock.seen(fire.time)
        if before < PAGE and fire.level == PAGE:
            self.called[c] = now
            gross = before == TICKET and fire.size >= max(GROSS, TWICE * self.size[c]) and k in RATES_OF
            self.grew[c] = fire.since if gross and fire.since > self.since[c] else np.nan
        if max(before, fire.level) < PAGE or not fire.of or fire.holds or k not in RATES_OF:
            return None
        if now - self.called[c] <= max(SETTLED, fire.rest):
            self.base[k, c] = max(fire.size, fire.now)
        base = float(self.base[k, c])
        if fire.level < PAGE or fire.slowly or not fire.now >= max(GROSS, TWICE * base, base + fire.needed):
            self.more[:, k, c] = _nothing()
            return None
        first, began = np.isnan(self.more[0, k, c]), fire.time - fire.rest / 2
        rest = (0, 0) if first else (fire.hits, fire.of)  # the first tick holds values from before it
        self.more[:, k, c] = np.fmin(self.more[0, k, c], began), *(self.more[1:, k, c] + rest)
        begun, hits, of = self.more[:, k, c].tolist()
        self._hold(fire, before, now + max(HOLD[PAGE], fire.rest))
        if now - self.called[c] < AWAKE:
            return None
        if first or now - clock.seen(begun) < LASTS:
            return []
        self.called[c], self.kind[c] = now, KINDS.index(fire.fresh.kind)
        self.grew[c] = fire.since if abs(fire.since - begun) < SETTLED else begun
        self.base[k, c], self.more[:, :, c] = fire.now, _nothing()[:, None]
        self.shown[c] |= BIT[k]
        self.paged[c] = self.own[c] = fire.time
        rate = share_of(fire.fresh.kind) == RATES_OF[k]
        self.size[c], self.least[c], self.factor[c] = fire.now, fire.now, fire.fresh.factor
        self.value[c] = hits / of if rate else fire.fresh.value
        self.usual[c], self.needed[c] = fire.fresh.usual, fire.needed
        return [self._seen(fire, replace(self._turn(c, fire.time, fire.time, PAGE, PAGE), grew=True))]

    def _seen(self, fire: Fire, turn: Turn) -> Turn:
        """With what all channels showed."""
        self.looked[fire.channel] = fire.values
        if turn.kind is fire.name.kind:
            turn = replace(turn, shares=fire.name.shares, middle=fire.name.middle)
        return turn if fire.seen is None else replace(turn, seen=fire.seen())

    def _looked(self, fire: Fire) -> list[Turn]:
        """The same episode, where there are so many more values of the same change that its cause may show by now."""
        c, level = fire.channel, int(self.level[fire.channel])
        same = abs(fire.since - self._told_since(c)) <= HOLD[PAGE]
        if not same or KINDS[int(self.kind[c])] not in FINER or fire.stale or fire.seen is None:
            return []
        if fire.values < LOOK * max(int(self.looked[c]), 1):
            return []
        return [self._seen(fire, replace(self._turn(c, fire.time, fire.time, level, level), looks=True))]

    def _calls_nobody(self, fire: Fire, before: int) -> bool:
        """Whether it makes no page where none is open: it came over days, is over, or was the calendar's."""
        over = before == TICKET and (fire.over or self._was_lowered(fire) or self._has_ended(fire))
        return over or (before < PAGE and fire.slowly and not self.shown[fire.channel] & WAITED)

    def _was_lowered(self, fire: Fire) -> bool:
        """Whether it is what the calendar made a ticket of: hours later ticks no longer tell when it began so well."""
        c = fire.channel
        return bool(self.shown[c] & LOWERED) and abs(fire.since - float(self.since[c])) < HOLD[PAGE]

    def _known_better(self, fire: Fire) -> bool:
        """Whether a share is known so much better by now that what was said of it is not near. A rate that fell and
        rose again is counted from then on, which is no share since the change.
        """
        c = fire.channel
        mine, told = fire.time - fire.since, fire.time - self._told_since(c)
        if fire.name.kind is Kind.UNIT is KINDS[int(self.kind[c])]:
            more = not fire.stale and not fire.over and fire.values >= LOOK * max(int(self.looked[c]), 1)
            better = not power_of_ten(float(self.factor[c]))  # a power of ten stays told: it explains all that is near
            return more and better and abs(log(fire.name.factor / float(self.factor[c]))) > ROUND
        if fire.over or (fire.hop >= fire.since and fire.shown < LEFT * fire.least):
            return False
        if mine < WHOLE * told or (np.isfinite(self.grew[c]) and told < WHOLE * mine):
            return False
        if KINDS.index(fire.name.kind) != self.kind[c] or fire.reach or fire.stale or share_of(fire.name.kind) is None:
            return False
        error, value = float(self.size[c] - self.least[c]), float(self.value[c])
        return KNOWN * (fire.size - fire.least) < error and abs(fire.name.value - value) > min(error, NEAR * value)

    def _fell(self, fire: Fire) -> bool:
        """Whether so much less of a relation is left than was said: its window held values from before the change."""
        c = fire.channel
        told, joint = abs(float(self.value[c])), KINDS[int(self.kind[c])] is fire.name.kind is Kind.JOINT
        most = min(LESS * told, WITHOUT * float(self.usual[c]))
        return joint and not fire.stale and abs(fire.name.value) <= most < told and told > NOTHING

    def _measured(self, fire: Fire) -> list[Turn]:
        """The same episode, with what is known of its size by now."""
        c, level = fire.channel, int(self.level[fire.channel])
        self.size[c], self.least[c] = fire.size, fire.least
        self.value[c], self.factor[c] = fire.name.value, fire.name.factor
        if fire.of:
            self.base[fire.change, c] = fire.size  # somebody was called for less than it seemed
        return [self._seen(fire, self._turn(c, fire.time, fire.time, level, level))]

    def _says_nothing(self, fire: Fire) -> bool:
        """Whether it opens no episode: its window still holds what has ended, or it would be a ticket of a channel that
        has just paged (which stays quiet for longer then) or varies so much by itself.
        """
        c = fire.channel
        if fire.since < self.end[c] and (fire.reach > self.reach[c] + 1 or self._has_ended(fire)):
            return True
        if fire.level == PAGE:
            return False
        if fire.time - self.paged[c] < QUIET:
            self.paged[c] = fire.time
            return True
        habit = self._habit(fire)
        return habit > 0 and fire.ratio < MORE * (1 + habit)

    def _has_ended(self, fire: Fire) -> bool:
        """Whether it is the channel's last change, which is over: it began before that end, and has not come back. The
        newest whole hop would show it, and have begun since then; a few values do so by chance.
        """
        end = self.end[fire.channel]
        return bool(fire.since < end and not (fire.shown >= fire.needed and fire.hop >= end))

    def _soon(self, fire: Fire) -> bool:
        """Whether the channel's last episode ended less than two hours ago."""
        return bool(self.end[fire.channel] > fire.time - HOLD[PAGE])

    def _afresh(self, fire: Fire) -> Fire:
        """A change after another one began after that one's end; what it shares with it does not say what it is."""
        end = float(self.end[fire.channel])
        shared = fire.since < end or self._soon(fire)
        return replace(fire, since=max(fire.since, end), name=fire.fresh) if shared else fire

    def _bits(self, fire: Fire, before: int) -> int:
        """What of a page is not seen to be over, by a fire of it."""
        again = before == NONE and self._soon(fire)
        return (0 if fire.stale and before == PAGE else int(BIT[fire.change])) | (AGAIN if again else 0)

    def _hold(self, fire: Fire, before: int, until: float) -> None:
        """Keeps the episode open ``until`` then, if the window is short enough to say that the change lasts."""
        c = fire.channel
        if before == PAGE and fire.stale:
            return
        if before == NONE or fire.reach < self.reach[c]:
            self.reach[c] = fire.reach
        if before == NONE or (fire.reach <= self.reach[c] + 1 and until > self.until[c]):
            self.until[c] = until

    def changed(self, among: NDArray[np.bool_], since: float) -> NDArray[np.bool_]:
        """Which channels have had a page of their own since then."""
        out: NDArray[np.bool_] = among & (self.own >= since)
        return out

    def explained(self, c: int) -> bool:
        """Whether the channel has no values of its own now, page or ticket: its relations cannot but break."""
        return bool(self.level[c] > NONE) and KINDS[int(self.kind[c])] in VALUELESS

    def _habit(self, fire: Fire) -> float:
        """By how much such tickets of the channel exceeded their limit, less what is forgotten since they ended. Faults
        are a habit when they have come twice.
        """
        group = _group(fire)
        habit = self._faded(fire, group)
        return min(habit, self._faded(fire, _BEFORE)) if group == _FAULT else habit

    def _faded(self, fire: Fire, row: int) -> float:
        habit, end = float(self.habit[row, fire.channel]), float(self.end[fire.channel])
        return habit if np.isnan(end) else habit * 0.5 ** (max(fire.time - end, 0.0) / FORGET)

    def _told_since(self, c: int) -> float:
        return float(self.since[c] if np.isnan(self.grew[c]) else self.grew[c])

    def _turn(self, c: int, time: float, known: float, before: int, level: int) -> Turn:
        since = self._told_since(c) if level > NONE else float(self.since[c])  # none of it is learned
        return Turn(
            time, known, c, before, level, KINDS[int(self.kind[c])], float(self.size[c]), float(self.least[c]),
            since, float(self.factor[c]), float(self.value[c]), float(self.usual[c]),
            int(self.reach[c]), float(self.needed[c]), times=max(int(self.came[_TIMES, c]), 1) if level == PAGE else 1,
            first=float(self.came[_FIRST, c]) if level == PAGE else np.nan,
            error=float(self.error[c]) if np.isnan(self.grew[c]) else np.nan,
        )  # fmt: skip


def _nothing() -> Floats:
    """Of ``Episodes.more`` where nothing has grown: no start, no hits of no values."""
    return np.array([np.nan, 0.0, 0.0])


def _group(fire: Fire) -> int:
    """Its row in ``habit``."""
    return _FAULT if fire.name.kind in FAULTS else _OTHER


def _in_time(what: Fire | Calm | Still) -> tuple[float, int]:
    """Of what comes at the same time pages first, what is over last."""
    return what.time, -what.level if isinstance(what, Fire) else int(isinstance(what, Calm))
