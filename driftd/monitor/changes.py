"""Faults and changes beyond a channel's natural variation, as findings: from the turns of driftd.judge.natural."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from driftd.core.finding import CHANGE, Finding, Status
from driftd.core.summary import Summary
from driftd.core.text import percent
from driftd.judge.natural.episodes import NONE, PAGE, TICKET, Turn
from driftd.judge.natural.kinds import Kind
from driftd.monitor.attribution import mean_of, moved_bins
from driftd.monitor.findings import SEVERITY, FindingContext
from driftd.monitor.state import OpenChange

STATUS = {NONE: Status.OK, TICKET: Status.WARNING, PAGE: Status.DRIFT}
OVER = "nothing exceeds its natural variation any more: the change is over"


def after(changes: Sequence[OpenChange], turns: Sequence[Turn], told: float) -> tuple[OpenChange, ...]:
    """The changes that are open after ``turns``, by row."""
    known = {change.row: change for change in changes}
    for t in turns:
        known.pop(t.channel, None)
        if t.level != NONE:
            known[t.channel] = OpenChange(
                t.channel, STATUS[t.level], t.kind, t.size, t.since, told, t.factor, t.value, t.usual, t.needed
            )
    return tuple(change for _, change in sorted(known.items()))


def of_changes(about: FindingContext, turns: Sequence[Turn], start: float, end: float) -> Iterator[Finding]:
    """What opened, rose, got a better name or closed with the pane from ``start`` to ``end``."""
    reference = about.reference
    for turn in turns:
        row, status, opened = turn.channel, STATUS[turn.level], turn.level != NONE
        summary = about.recent(turn.since) if opened else None
        value, usual = numbers(about, turn, summary)
        moved = () if summary is None else moved_bins(reference, summary, row)
        events = 0 if summary is None else int(summary.channel_events[row])
        yield Finding(
            slice=about.model.slice,
            feature=reference.channels[row].name,
            detector=CHANGE,
            status=status,
            previous=STATUS[turn.before],
            statistic=turn.size if opened else 0.0,
            threshold=turn.needed,
            effect=turn.needed,
            noise=0.0,
            ratio=turn.size / turn.needed if opened else 0.0,
            events=events,
            window_start=turn.since if opened else start,
            window_end=end,
            since=turn.since if opened else None,
            because=because(about, turn, value, usual),
            moved=moved,
            effective_events=about.effective(row, events),
            tests=about.tests,
            regime=about.regime(row),
            severity=SEVERITY[status] if turn.level > turn.before else None,
            kind=turn.kind.value,
            value=known(value),
            reference_value=known(usual),
        )


def numbers(about: FindingContext, turn: Turn, summary: Summary | None) -> tuple[float, float]:
    """Value and reference value in what the kind is about; NaN where there is none."""
    row, reference = turn.channel, about.reference
    if np.isfinite(turn.value) or summary is None:
        return turn.value, turn.usual
    if turn.kind is Kind.SPREAD:
        return float(np.exp(turn.size)), 1.0
    if turn.kind is Kind.MIX:
        return turn.size, 0.0
    now, then = mean_of(reference, summary, row), mean_of(reference, reference.summary, row)
    if now is not None and then is not None:
        return now, then
    return turn.size, 0.0


def because(about: FindingContext, turn: Turn, value: float, usual: float) -> str:
    """What happened, in one sentence."""
    if turn.level == NONE:
        return OVER
    then, now = percent(usual) if np.isfinite(usual) else "?", percent(value)
    if turn.kind is Kind.UNIT:
        return f"{multiplied(turn.factor)}: the typical size was {usual:.4g}, now {value:.4g}"
    if turn.kind is Kind.SPREAD:
        return f"spread by {value:.2g} times the reference's" if value >= 1 else f"narrower: {value:.2g} of the spread"
    if turn.kind is Kind.LEVEL and about.reference.numeric[turn.channel]:
        return f"the mean moved from {usual:.4g} to {value:.4g}"
    text = {
        Kind.MISSING: f"missing: {then} in the reference, now {now}",
        Kind.REFUSED: f"values of another type: {then} in the reference, now {now}",
        Kind.FROZEN: f"frozen: {now} of the values repeat the one before ({then} in the reference)",
        Kind.ERRORS: f"errors: {then} in the reference, now {now}",
        Kind.RENAMED: f"known values are gone and new ones came: {now} of the values are new",
        Kind.NEW_VALUE: f"new values: {then} in the reference, now {now}",
        Kind.RANGE: f"out of the reference's range: {then} of the values, now {now}",
        Kind.JOINT: f"no longer moves with its siblings: {now} of their relation is left",
        Kind.GRADUAL: f"moved away little by little: {now} of the values are out of the reference's range",
        Kind.MIX: f"the mix of values moved: {percent(turn.size)} of them",
    }
    return text.get(turn.kind, f"changed by {turn.size:.3g}")


def known(value: float) -> float | None:
    """None for NaN, which equals nothing, not even itself."""
    return None if np.isnan(value) else value


def multiplied(factor: float) -> str:
    """``20 times larger``, ``100 times smaller``."""
    return f"{rounded(factor)} times larger" if factor >= 1 else f"{rounded(1 / factor)} times smaller"


def rounded(times: float) -> str:
    """Two digits, without an exponent."""
    return f"{float(f'{times:.2g}'):,.10g}"
