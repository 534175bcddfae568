"""The pages and tickets of a stretch of history, how long they lasted, and whether the budget was held.

findings   ---w--------D----+----D--o----------D----->|      w ticket, D calls, + more channels join, o over
tally         |ticket  |page     |page         |page  |end   what is still open at the end lasts until then
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtr

from driftd.core.finding import CHANGE, Finding, Judgement, Scores, Severity, Status
from driftd.core.units import MONTH_SECONDS
from driftd.replay.calls import Called
from driftd.replay.silences import Silent

CONFIDENCE: Final = 0.99
"""Probability that chance alone pages no more often than ``Report.explained``."""


@dataclass(frozen=True, slots=True)
class Page:
    """One call about one model: when, when the last of its channels was over, or the model was (None: still open), and
    the estimated start of the change; ``channels`` that broke, the first first, with those that joined later; ``kinds``
    of what each of them did ("" where that is not known).
    """

    model: str
    at: float
    ended: float | None
    since: float | None
    channels: tuple[str, ...]
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tickets:
    """All tickets of one detector on one channel: how many, for how long in all, and whether one is still open;
    ``kinds`` of change that they named, in their order.
    """

    model: str
    channel: str
    detector: str
    count: int
    seconds: float
    first: float
    open: bool
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """When a channel was first part of a page, and when it first had a ticket; None for never. ``kind`` of the first
    change that had one.
    """

    page: float | None = None
    ticket: float | None = None
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """``start`` to ``end`` in event time, without the stretch that references were learned from; ``budget`` false pages
    a month are accepted.
    """

    start: float
    end: float
    budget: float
    pages: tuple[Page, ...]
    tickets: tuple[Tickets, ...]
    found: Mapping[tuple[str, str], Found]
    thresholds: Mapping[tuple[str, str, str], float]
    """Of (model, channel, detector), when it was last judged."""
    silences: tuple[Silent, ...] = ()
    calls: tuple[Called, ...] = ()
    """Of experiments: beside the budget, as each has its own alpha."""
    risen: int = 0
    """Tickets that became pages: these are counted as pages alone."""

    @property
    def months(self) -> float:
        """0 where nothing was watched: then ``start`` is NaN or after ``end``."""
        return (self.end - self.start) / MONTH_SECONDS if self.end > self.start else 0.0

    @property
    def pages_a_month(self) -> float:
        """NaN where nothing was watched."""
        return len(self.pages) / self.months if self.months else float("nan")

    @property
    def explained(self) -> int:
        """The most pages that chance alone explains at that budget (Poisson, CONFIDENCE)."""
        return poisson_bound(self.budget * self.months)

    @property
    def within(self) -> bool:
        return len(self.pages) <= self.explained


def poisson_bound(expected: float) -> int:
    """The least count that Poisson events, ``expected`` on average, exceed with probability 1 - CONFIDENCE at most."""
    count = int(expected)
    while pdtr(count, expected) < CONFIDENCE:
        count += 1
    while count > 0 and pdtr(count - 1, expected) >= CONFIDENCE:
        count -= 1
    return count


def lasting(findings: Sequence[Finding]) -> list[Finding]:
    """Without what ended and began again at the same time: after a quiet night a change can do both."""
    turns: dict[tuple[str | None, str], list[Finding]] = {}
    for f in findings:
        turns.setdefault((f.feature, f.detector), []).append(f)
    back = {key for key, mine in turns.items() if len(mine) > 1 and mine[0].previous is mine[-1].status}
    return [f for f in findings if (f.feature, f.detector) not in back]


@dataclass(slots=True)
class Tally:
    """Counts pages and tickets of judgements as they come, in order; ``report`` closes the account."""

    _open: dict[str, list[int]] = field(default_factory=dict)
    _pages: list[Page] = field(default_factory=list)
    _tickets: dict[tuple[str, str, str], Tickets] = field(default_factory=dict)
    _since: dict[tuple[str, str, str], float] = field(default_factory=dict)
    _found: dict[tuple[str, str], Found] = field(default_factory=dict)
    _judged: dict[str, Judgement] = field(default_factory=dict)
    _kinds: dict[tuple[str, str], str] = field(default_factory=dict)
    _drifting: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """The detectors by which a channel of a model is in a page; none of one that has left it."""
    _risen: int = 0

    def take(self, judgements: Iterable[Judgement]) -> None:
        for judgement in judgements:
            self._judged[judgement.model] = judgement
            for finding in lasting(judgement.findings):
                if finding.feature is None:
                    self._model(finding)
                else:
                    self._channel(finding, finding.feature)
            self._end_what_is_over(judgement)

    def _model(self, f: Finding) -> None:
        pages = self._open.setdefault(f.model, [])
        if f.status is not Status.DRIFT:
            self._end(pages, f.window_end)
            return
        known = {channel for i in pages for channel in self._pages[i].channels}
        new = [channel for channel in f.channels if channel not in known]
        if f.severity is Severity.PAGE:
            pages.append(len(self._pages))
            self._pages.append(self._named(Page(f.model, f.window_end, None, f.since, ()), new or f.channels))
        elif (last := self._back(f, pages, new)) is not None:
            pages.append(last)
            self._pages[last] = replace(self._pages[last], ended=None)
        elif pages:
            page = self._pages[pages[-1]]
            self._pages[pages[-1]] = self._named(page, (*page.channels, *new))
        for channel in f.channels:
            self._first(f.model, channel, page=f.window_end)

    def _back(self, f: Finding, pages: Sequence[int], new: Sequence[str]) -> int | None:
        """The page that has come again, if nobody was called: a fault that comes and goes is one page."""
        ended = [i for i in reversed(range(len(self._pages))) if self._pages[i].model == f.model and i not in pages]
        if f.severity or not ended:
            return None
        if not pages:
            return ended[0]
        return next((i for i in ended if set(new) and set(new) <= set(self._pages[i].channels)), None)

    def _end_what_is_over(self, judgement: Judgement) -> None:
        """Ends the pages all of whose channels have left it, of which one does now; the model's may go on."""
        left = {f.feature for f in judgement.findings if f.previous is Status.DRIFT and f.status is not Status.DRIFT}
        pages = self._open.get(judgement.model, [])
        for i in pages.copy() if left - {None} else ():
            page = self._pages[i]
            if left & {*page.channels} and not any(self._drifting.get((page.model, c), {c}) for c in page.channels):
                self._pages[i] = replace(page, ended=max(f.window_end for f in judgement.findings))
                pages.remove(i)

    def _end(self, pages: list[int], time: float) -> None:
        for i in pages:
            self._pages[i] = replace(self._pages[i], ended=time)
        pages.clear()

    def _named(self, page: Page, channels: Sequence[str]) -> Page:
        kinds = tuple(self._kinds.get((page.model, channel), "") for channel in channels)
        return replace(page, channels=tuple(channels), kinds=kinds)

    def _channel(self, f: Finding, channel: str) -> None:
        key = f.model, channel, f.detector
        if f.kind and f.status >= Status.WARNING:
            self._kinds[f.model, channel] = f.kind
        if f.status is Status.DRIFT:
            self._drifting.setdefault((f.model, channel), set()).add(f.detector)
        elif f.previous is Status.DRIFT:
            self._drifting.setdefault((f.model, channel), set()).discard(f.detector)
        if f.severity is Severity.PAGE:
            self._first(f.model, channel, page=f.window_end)
        if f.severity is Severity.TICKET and key not in self._since:
            self._since[key] = f.window_end
            before = self._tickets.get(key, Tickets(*key, 0, 0.0, f.window_end, open=True))
            kinds = tuple(dict.fromkeys((*before.kinds, *([f.kind] if f.kind else []))))
            self._tickets[key] = replace(before, count=before.count + 1, open=True, kinds=kinds)
            self._first(f.model, channel, ticket=f.window_end)
        elif f.status is not Status.WARNING and key in self._since:
            lasted = f.window_end - self._since.pop(key)
            before = self._tickets[key]
            if f.status is Status.OK:
                self._tickets[key] = replace(before, seconds=before.seconds + lasted, open=False)
                return
            self._risen += 1
            self._tickets[key] = replace(before, count=before.count - 1, open=False)
            if before.count == 1:
                del self._tickets[key]

    def _first(self, model: str, channel: str, page: float | None = None, ticket: float | None = None) -> None:
        before = self._found.get((model, channel), Found())
        self._found[model, channel] = Found(
            before.page if before.page is not None else page,
            before.ticket if before.ticket is not None else ticket,
            before.kind or self._kinds.get((model, channel), ""),
        )

    def report(self, start: float, end: float, budget: float) -> Report:
        """Of what was watched from ``start`` to ``end`` (epoch seconds)."""
        tickets = [
            replace(t, seconds=t.seconds + max(end - self._since[key], 0.0)) if key in self._since else t
            for key, t in sorted(self._tickets.items())
        ]
        thresholds = {
            (model, channel.name, scores.detector): value
            for model, judgement in sorted(self._judged.items())
            for scores in judgement.scores
            if scores.detector != CHANGE  # the size that an open change needs is no threshold of the configuration
            for channel, value in zip(judgement.reference.channels, _levels(scores).tolist(), strict=True)
            if np.isfinite(value)
        }
        pages, found = tuple(self._pages), dict(sorted(self._found.items()))
        return Report(start, end, budget, pages, tuple(tickets), found, thresholds, risen=self._risen)


def _levels(scores: Scores) -> NDArray[np.float64]:
    return np.where(np.isnan(scores.ratio), np.nan, scores.threshold)
