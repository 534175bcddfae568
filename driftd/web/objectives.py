"""A model's service level objectives: what was promised, what came of it in 30 days, and how fast the budget goes now.

                 30 days, by the hour                  now
|--------------------------------------------------------|
  bad / (allowed * predictions) = part of the budget used
                                   3 d   1 d   6 h  1 h     burn rate: bad share / allowed
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np

from driftd.core.objective import DAY, DAYS, FAST, HOUR, LEAST, SLOW, Objective
from driftd.core.text import plural
from driftd.monitor import timeline as t
from driftd.monitor.timeline import Points
from driftd.monitor.view import ModelView, Snapshot
from driftd.web.chart import Line, TimeChart
from driftd.web.format import age, number, share, times
from driftd.web.scales import Floats, Span

_REACH: Final = tuple(step * (most - t.BATCH) for step, most in zip(t.STEPS, t.MOST, strict=True))
"""Seconds that points of each step reach back."""
_HOURS: Final = 2
FEW_DAYS: Final = 4.0
"""Days known, below which a chart shows hours."""


@dataclass(frozen=True, slots=True)
class ObjectiveLine:
    """``objective``: success or latency; ``target`` the share of the predictions that must be good, latency: not take
    longer than ``seconds``. Over the last ``span_seconds`` that are known, 30 days at most, ``bad`` of
    ``predictions`` were not. ``budget_left``: of what may be bad, 1 to below 0; ``burn_rate``: how fast it goes in the
    last hour, 1 uses it up in 30 days; null where there are too few predictions. ``burning``: page or ticket where an
    alert's condition holds, with its ``runbook``.
    """

    objective: str
    target: float
    seconds: float | None
    span_seconds: float
    predictions: int
    bad: int
    budget_left: float | None
    burn_rate: float | None
    burning: str | None
    runbook: str | None
    sentence: str


@dataclass(frozen=True, slots=True, eq=False)
class _Kind:
    """One objective of a model: its columns in ``Points.totals``."""

    name: str
    allowed: float
    seconds: float | None
    every: int
    bad: int

    @property
    def alert(self) -> str:
        return "ErrorBudget" if self.name == "success" else "LatencyBudget"


def objective_lines(m: ModelView, snapshot: Snapshot) -> list[ObjectiveLine]:
    """Success, and latency where it is measured; none where driftd keeps no values over time."""
    return [_line(kind, _Seen(m, _end(snapshot))) for kind in _kinds(m)]


def objective_charts(m: ModelView, snapshot: Snapshot) -> list[TimeChart]:
    """What was bad over 30 days, in the order of ``objective_lines``."""
    return [_chart(kind, _Seen(m, _end(snapshot))) for kind in _kinds(m)]


def _kinds(m: ModelView) -> Iterator[_Kind]:
    o: Objective = m.counts.objective
    if not m.timeline.channels:
        return
    yield _Kind("success", o.error_budget, None, t.EVENTS, t.FAILED)
    if m.counts.latency_le is not None and m.counts.latency_le.any():
        yield _Kind("latency", o.latency_budget, o.latency_seconds, t.TIMED, t.SLOW)


def _end(snapshot: Snapshot) -> float:
    """Up to when all events are in: of a backlog that is read the last hour is one of then."""
    return snapshot.reached if isfinite(snapshot.reached) else snapshot.now


class _Seen:
    """A model's events and those that were bad, of any time up to ``end``."""

    def __init__(self, m: ModelView, end: float) -> None:
        self.end = end
        self._m = m
        self._points: dict[int, Points] = {}

    def points(self, step: int) -> Points:
        if step not in self._points:
            self._points[step] = self._m.timeline.points(step, self._m.reader)
        return self._points[step]

    def last(self, kind: _Kind, seconds: float) -> tuple[int, int]:
        """Predictions and bad ones of the last so many seconds, by the finest points that reach back so far."""
        step = next((k for k, reach in enumerate(_REACH) if seconds <= reach), len(_REACH) - 1)
        part = self.points(step).part(round((self.end - seconds) / t.STEPS[step]))
        every, bad = part.totals[:, [kind.every, kind.bad]].sum(axis=0, dtype=np.float64).tolist()
        return round(every), round(bad)

    def burn(self, kind: _Kind, seconds: float, least: int = 1) -> float:
        """How fast the budget goes; 0 of fewer predictions than ``least``."""
        every, bad = self.last(kind, seconds)
        return bad / every / kind.allowed if every >= least and kind.allowed > 0 else 0.0

    def burning(self, kind: _Kind) -> str | None:
        for word, rules in (("page", FAST), ("ticket", SLOW)):
            for rate, long, short in rules:
                if self.burn(kind, long, LEAST) > rate and self.burn(kind, short) > rate:
                    return word
        return None

    @property
    def span(self) -> float:
        """Seconds that are known, 30 days at the most."""
        points = self.points(_HOURS)
        first = float(points.numbers[0]) * t.STEPS[_HOURS] if len(points) else self.end
        return min(max(self.end - first, 0.0), DAYS * DAY)


def _line(kind: _Kind, seen: _Seen) -> ObjectiveLine:
    every, bad = seen.last(kind, DAYS * DAY)
    left = 1 - bad / (kind.allowed * every) if every and kind.allowed > 0 else None
    burn = seen.burn(kind, HOUR) if seen.last(kind, HOUR)[0] >= LEAST else None
    burning = seen.burning(kind)
    speed = {"page": "Fast", "ticket": "Slow"}.get(burning or "", "")
    runbook = f"Driftd{kind.alert}Burn{speed}" if speed else None
    return ObjectiveLine(
        kind.name, float(f"{1 - kind.allowed:.9g}"), kind.seconds, seen.span, every, bad, left, burn, burning, runbook,
        " ".join(_sentences(kind, seen, every, bad, left, burn)),
    )  # fmt: skip


def _sentences(kind: _Kind, seen: _Seen, every: int, bad: int, left: float | None, burn: float | None) -> Iterator[str]:
    good = share(1 - kind.allowed)
    slow = "" if kind.seconds is None else f"{number(kind.seconds * 1000)} ms"
    yield f"{good} must {f'take at most {slow}' if slow else 'succeed'}, over {DAYS} days."
    if left is None:
        yield "No prediction is known of that time."
        return
    what = "were slower" if slow else "failed"
    of = f"{bad:,} of {every:,} {plural('prediction', every)}"
    yield f"In the last {age(seen.span)} {of} {what}, {share(bad / every)}:"
    yield f"{share(left)} of the budget is left." if left > 0 else "the budget is used up."
    if burn is None:
        yield f"In the last hour there were fewer than {LEAST}."
    elif burn < 0.01:
        yield f"In the last hour none {what}." if seen.last(kind, HOUR)[1] == 0 else "In the last hour hardly any did."
    else:
        rest = f"; at that rate the rest lasts {age(left * DAYS * DAY / burn)}" if left > 0 and burn > 1 else ""
        yield f"The last hour used it {times(burn)} times as fast as it may{rest}."


def _chart(kind: _Kind, seen: _Seen) -> TimeChart:
    step = _HOURS if seen.span < FEW_DAYS * DAY else _HOURS + 1
    span = Span(seen.end - max(seen.span, HOUR), seen.end)
    part = seen.points(step).part(int(span.start // t.STEPS[step]))
    every, bad = (part.totals[:, column].astype(np.float64) for column in (kind.every, kind.bad))
    with np.errstate(divide="ignore", invalid="ignore"):
        values: Floats = np.where(every > 0, bad / every, np.nan)
    middle = np.asarray((part.numbers + 0.5) * t.STEPS[step], np.float64)
    per = "an hour" if step == _HOURS else "a day"
    name = "Failed" if kind.seconds is None else f"Slower than {number(kind.seconds * 1000)} ms"
    said = f"{name}, share of the predictions {per}; may be {share(kind.allowed)}"
    limits = [(kind.allowed, f"budget {share(kind.allowed)}", "ticket")]
    return TimeChart(name, f"share {per}", said, span, [Line(middle, values)], height=70, shares=True, limits=limits)
