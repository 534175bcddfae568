"""When a model sent nothing for longer than is natural for it: the rule of the daemon (monitor.silence) by event time.

events   ||| ||||| ||||                      || |||||
              last ----> ticket due ----> page due      what was known at ``last`` says when
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.monitor.silence import LEAST_SECONDS, MISSED, Quiet, silence
from driftd.monitor.timeline import MOST, STEPS

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

MINUTE, TEN, HOUR = STEPS[:3]
MOST_MINUTES: Final = 20_000
"""Minutes of a model that wait to be looked at: 320 kB. Chosen: two weeks."""
SLACK_SECONDS: Final = 2 * 86_400.0
"""What is younger waits then: partitions of a history may be read one after the other. Chosen: two days."""


@dataclass(frozen=True, slots=True)
class Silent:
    """``model`` sent nothing from ``start``, its last event, to ``end``; ``ended``: it came back. ``severity``: what it
    was long enough for (ticket or page); ``usual``: events an hour that are usual at that time.
    """

    model: str
    start: float
    end: float
    ended: bool
    severity: str
    usual: float


@dataclass(frozen=True, slots=True)
class _Points:
    """Stretches that have events: their numbers, ascending, and how many each has."""

    numbers: Counts = field(default_factory=lambda: np.zeros(0, np.int64))
    events: Counts = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def of(cls, parts: Iterable[_Points]) -> _Points:
        numbers, events = zip(*((p.numbers, p.events) for p in parts), strict=True)
        each, place = np.unique(np.concatenate(numbers), return_inverse=True)
        return cls(each, np.bincount(place, np.concatenate(events), len(each)).astype(np.int64))

    def grouped(self, by: float) -> _Points:
        return _Points.of([_Points((self.numbers // by).astype(np.int64), self.events)])

    def part(self, first: float, last: float) -> _Points:
        """Those of the numbers ``first`` to ``last``, both included."""
        here = slice(*np.searchsorted(self.numbers, [first, last + 1]))
        return _Points(self.numbers[here], self.events[here])


@dataclass(frozen=True, slots=True)
class _Until:
    """What a daemon would have remembered at ``last``, as monitor.timeline keeps it."""

    minutes: _Points
    hours: _Points
    last: float

    def events(self, step: int) -> tuple[Counts, Floats]:
        end = self.last // STEPS[step]
        first = end - MOST[step] + 1
        if STEPS[step] < HOUR:
            each = STEPS[step] / MINUTE
            found = self.minutes.part(first * each, self.last // MINUTE).grouped(each)
        else:
            found = self.hours.part(first, end)
        return found.numbers, found.events.astype(np.float64)


@dataclass(slots=True)
class Arrived:
    """The events of a model by minute and by hour, and its silences so far."""

    model: str
    silences: list[Silent] = field(default_factory=list)
    _minutes: _Points = field(default_factory=_Points)
    _hours: _Points = field(default_factory=_Points)
    _new: list[_Points] = field(default_factory=list)
    _waiting: int = 0
    _looked: int = -(1 << 62)

    def note(self, times: Floats) -> None:
        numbers, events = np.unique((times // MINUTE).astype(np.int64), return_counts=True)
        self._new.append(_Points(numbers, events))
        self._waiting += len(numbers)
        if self._waiting > MOST_MINUTES:
            self._merge()
            if len(self._minutes.numbers) > MOST_MINUTES:
                self._look(self._minutes.numbers[-1] * MINUTE - SLACK_SECONDS)

    def all(self, end: float) -> list[Silent]:
        """``end``: the last event of all models."""
        self._merge()
        self._look(inf)
        if len(self._minutes.numbers):
            self.silences += self._found(int(self._minutes.numbers[-1]), end, ended=False)
        return self.silences

    def _merge(self) -> None:
        if self._new:
            new = _Points.of(self._new)
            self._minutes, self._hours = _Points.of([self._minutes, new]), _Points.of([self._hours, new.grouped(60)])
            self._new, self._waiting = [], 0

    def _look(self, until: float) -> None:
        """At the gaps that ended before; what nobody asks for any more is forgotten."""
        at = self._minutes.numbers
        gaps = (np.diff(at) * MINUTE > LEAST_SECONDS) & (at[1:] * MINUTE <= until) & (at[:-1] >= self._looked)
        for gap in np.flatnonzero(gaps).tolist():
            self.silences += self._found(int(at[gap]), float(at[gap + 1] * MINUTE), ended=True)
        done = at[at * MINUTE <= until]
        if len(done):
            self._looked = int(done[-1])
            self._minutes = self._minutes.part(self._looked - MOST[1] * TEN / MINUTE, inf)

    def _found(self, minute: int, end: float, *, ended: bool) -> Iterator[Silent]:
        start = (minute + 1) * MINUTE  # the last event was within it
        if (end - start) / HOUR * float(self._hours.events.max(initial=0)) < MISSED:
            return  # so many are not missing, however busy the hour
        usual = silence(_Until(self._minutes, self._hours, start - 1.0), start - 1.0)
        if due := Quiet(end - start, usual).due:
            yield Silent(self.model, start, end, ended, due, usual.usual)
