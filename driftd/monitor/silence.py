"""How long a model may be silent: until so many events are missing as no hour like these, and no gap, has lacked.

    last event                      ticket                page
    -----|......................|......................|--------> time, by the clock of arrivals
         events that the quietest hours like these had, added up, reach what the model's own gaps explain

Hours alike: the same hour of the day, working days and weekends apart. A page takes an hour that begins or ends an hour
later for granted (clocks are changed, holidays begin), and at least one such hour on another day.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from driftd.judge.natural.slots import is_weekend
from driftd.monitor.timeline import STEPS

Floats = NDArray[np.float64]

MISSED: Final = 20.0
"""Events that must be missing. Chosen: of independent events so many are missing by chance once in e^20."""
GAPS: Final = 2.0
"""Times the third longest gap that the model has had. Chosen: 1 would ring at the next of its kind; what comes in
sessions (30 events each, two an hour at night) made 25 tickets a month at 1.5, and makes 6."""
OUTAGES: Final = 2
"""Longer gaps than that which are no habit but outages, where there are at least SOME others for each."""
SOME: Final = 20
PAGES: Final = 1.5
"""Times as many events must be missing for a page. Chosen: no page in twelve kinds of traffic of a month each; the
sessions made two at 1 with gaps at 1.5."""
LEAST_SECONDS: Final = 300.0
"""No shorter silence is told. Chosen: a restart of the service or of its producer takes so long."""
FORESEEN_HOURS: Final = 14 * 24
"""Derived: two weeks; what is expected less often is not missed."""
EIGHTH: Final = 8
"""Of so many hours alike the quietest is left out. Chosen: an outage a week keeps no hour from being known."""

_MINUTE, _TEN, _HOUR = 0, 1, 2
_HOUR_SECONDS: Final = STEPS[_HOUR]
_RECENT: Final = 6
"""Ten-minute stretches whose events say how busy the model is now, beside what is usual then: an hour."""
_TODAY: Final = 12
"""Hours that are not asked how busy such an hour is usually."""
_FIRST: Final = 3
"""Ten-minute stretches of which the quietest is believed for the next hour where no other day is known."""


class Events(Protocol):
    """What is remembered of a model's events; a Timeline is it."""

    def events(self, step: int) -> tuple[NDArray[np.int64], Floats]:
        """Numbers of stretches of STEPS[step] seconds, and how many events each had. A number may come twice."""
        ...


@dataclass(frozen=True, slots=True)
class Silence:
    """Seconds after the last event from which a ticket, a page is due; inf where that is not known.

    ``usual``: events an hour that are usual at that time, the median of hours alike.
    """

    ticket: float = inf
    page: float = inf
    usual: float = 0.0


@dataclass(frozen=True, slots=True)
class Quiet:
    """A model that has sent nothing for so long; ``usual`` None where another member knows that, or nobody does yet."""

    seconds: float
    usual: Silence | None = None

    @property
    def due(self) -> str:
        """``page``, ``ticket``, or "" where the silence may be natural."""
        usual = self.usual or Silence()
        return "page" if self.seconds >= usual.page else "ticket" if self.seconds >= usual.ticket else ""


@dataclass(frozen=True, slots=True, eq=False)
class _Hours:
    """``events`` float64[hours] from hour number ``first`` on, whole hours only."""

    first: int
    events: Floats

    def alike(self, hours: NDArray[np.int64]) -> Floats:
        """float64[hours, days]: events of hours like each of ``hours``, NaN where there was none or it was not like."""
        if not len(self.events):
            return np.full((len(hours), 0), np.nan)
        last = self.first + len(self.events)
        days = np.arange(self.first // 24, last // 24 + 1)
        at = days * 24 + (hours % 24)[:, None]
        here = (at >= self.first) & (at < last) & (is_weekend(at) == is_weekend(hours)[:, None])
        return np.where(here, self.events[np.clip(at - self.first, 0, len(self.events) - 1)], np.nan)

    def low(self, hours: NDArray[np.int64]) -> Floats:
        """float64[hours]: events of the quietest hours alike, without one in eight; of a single one half. 0 where there
        is none: nothing is expected then.
        """
        alike = np.sort(self.alike(hours), axis=1)  # NaN last
        n = np.isfinite(alike).sum(axis=1)
        if not alike.shape[1]:
            return np.zeros(len(hours))
        low = np.take_along_axis(alike, np.minimum(n // EIGHTH, alike.shape[1] - 1)[:, None], axis=1)[:, 0]
        return np.where(n == 0, 0.0, np.where(n == 1, low / 2, low))


def silence(timeline: Events, last: float) -> Silence:
    """What is known of a model whose last event was at ``last``, epoch seconds; that hour need not be over."""
    hour = int(last // _HOUR_SECONDS)
    known = _known(timeline, hour)
    ahead = np.arange(hour, hour + FORESEEN_HOURS)
    low, alike = known.low(ahead), known.alike(ahead[:1])
    around = np.minimum.reduce([known.low(ahead - 1), low, known.low(ahead + 1)])
    busy = _busy(timeline, known, last)
    needed = max(MISSED, GAPS * _gap(timeline, known, last, busy))
    ticket, page = _until(low * busy, last, needed), _until(around * busy, last, PAGES * needed)
    if np.isfinite(alike).any():
        return Silence(ticket, page, float(np.nanmedian(alike)))
    soon, usual = _first_day(timeline, last)
    return Silence(min(soon, ticket), page, usual)


def _stretches(timeline: Events, step: int, before: float) -> tuple[int, Floats]:
    """The number of the first stretch that is known from its beginning, and the events of each up to ``before``."""
    end = int(before // STEPS[step])
    numbers, each = timeline.events(step)
    if not len(numbers):
        return end, np.zeros(0)
    first = int(numbers[0]) + 1  # the first one may have begun before driftd did
    events, inside = np.zeros(max(end - first, 0)), (numbers >= first) & (numbers < end)
    np.add.at(events, numbers[inside] - first, each[inside])
    return first, events


def _known(timeline: Events, hour: int) -> _Hours:
    return _Hours(*_stretches(timeline, _HOUR, hour * _HOUR_SECONDS))


def _expected(known: _Hours, first: int, n: int, step: int) -> Floats:
    """float64[n]: events that the quietest hours alike had in each of ``n`` stretches from number ``first`` on."""
    each = int(_HOUR_SECONDS / STEPS[step])
    numbers = np.arange(first, first + n)
    hours, place = np.unique(numbers // each, return_inverse=True)
    return known.low(hours)[place] / each if n else np.zeros(0)


def _busy(timeline: Events, known: _Hours, last: float) -> float:
    """How busy the last hour was beside the quietest alike, 1 at most: a quiet holiday misses events later."""
    first, events = _stretches(timeline, _TEN, last)
    n = min(_RECENT, len(events))
    before = _Hours(known.first, known.events[: max(0, len(known.events) - _TODAY)])
    usual = float(_expected(before, first + len(events) - n, n, _TEN).sum())
    return 1.0 if usual <= 0 else min(1.0, float(events[len(events) - n :].sum()) / usual)


def _gap(timeline: Events, known: _Hours, last: float, busy: float) -> float:
    """The third longest gap of the last hours by the minute, of the last days by ten minutes: in events that were
    expected meanwhile, so that nights are none.
    """
    return max(_longest(*_stretches(timeline, step, last), known, step) for step in (_MINUTE, _TEN)) * busy


def _longest(first: int, events: Floats, known: _Hours, step: int) -> float:
    return _gap_of(events, _expected(known, first, len(events), step))


def _gap_of(events: Floats, weight: Floats) -> float:
    """The longest gap between stretches with ``events``, without outages, as the ``weight`` of its stretches."""
    there = np.flatnonzero(events > 0)
    if len(there) < 2:
        return 0.0
    added = np.append(0.0, np.cumsum(weight))
    gaps = np.where(np.diff(there) > 1, added[there[1:] + 1] - added[there[:-1] + 1], 0.0)
    return float(np.sort(gaps)[-1 - min(OUTAGES, len(gaps) // SOME)])


def _until(low: Floats, last: float, needed: float) -> float:
    """Seconds after ``last`` until ``needed`` events are missing, at ``low`` events in each hour from that of ``last``
    on; inf where they never are.
    """
    begun = last % _HOUR_SECONDS
    added = np.append(0.0, np.cumsum(low)) - low[0] * begun / _HOUR_SECONDS
    reached = int(np.searchsorted(added, needed))
    if reached == len(added):
        return inf
    part = (needed - added[reached - 1]) / low[reached - 1]
    return max(LEAST_SECONDS, float(reached - 1 + part) * _HOUR_SECONDS - begun)


def _first_day(timeline: Events, last: float) -> tuple[float, float]:
    """Before another such hour is known: seconds, from the quietest of the last stretches, believed for an hour; and
    events an hour.
    """
    _, events = _stretches(timeline, _TEN, last)
    if len(events) < _FIRST:
        return inf, 0.0
    an_hour = events[-_FIRST:] * _HOUR_SECONDS / STEPS[_TEN]
    _, minutes = _stretches(timeline, _MINUTE, last)
    gap = _gap_of(minutes, np.full(len(minutes), STEPS[_MINUTE]))
    seconds = max(LEAST_SECONDS, GAPS * gap, MISSED / max(float(an_hour.min()), 1e-9) * _HOUR_SECONDS)
    return seconds if seconds <= _HOUR_SECONDS else inf, float(np.median(an_hour))
