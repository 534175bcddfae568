"""The finding about a model as a whole: one episode, however many channels it has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import JOINT
from driftd.core.finding import DRIFT, WARNING, Finding, Joint, Severity, Status
from driftd.core.window import Hop
from driftd.judge.natural.kinds import Kind
from driftd.monitor.attribution import divergences
from driftd.monitor.finding_context import FindingContext

MODEL = "model"
"""The detector's name in findings about a model as a whole."""
NAMED = 40
"""The most channels that a finding about a model names."""


def drifted_names(about: FindingContext, worst: NDArray[np.int8], joint: Joint | None) -> tuple[str, ...]:
    """The channels whose episodes are open and page, the one that broke first first, then by how far they have moved;
    relations alone come after what has changed by itself, "*" last.
    """
    rows = np.flatnonzero(worst == DRIFT)
    if len(rows) > 1:
        told, related = np.full(len(worst), np.inf), np.zeros(len(worst), bool)
        for change in about.standing.changes:
            told[change.row], related[change.row] = change.told, change.kind is Kind.JOINT
        rows = rows[np.lexsort((-_moves(about)[rows], told[rows], related[rows]))]
    names = [about.reference.channels[row].name for row in rows.tolist()]
    if joint is not None and joint.status is Status.DRIFT:
        names.append(JOINT)
    return tuple(names)


def _moves(about: FindingContext) -> NDArray[np.float64]:
    """How far every channel has moved since the first open episode began: PSI, float64[channels]."""
    judge = about.model.judge
    summary = None
    if judge is not None and judge.state.episodes.open.any():
        summary = about.recent(float(np.nanmin(judge.state.episodes.since)))
    if summary is None:
        return np.zeros(len(about.reference.channels))
    return divergences(about.reference.summary.counts, summary.counts)


def of_model(about: FindingContext, worst: NDArray[np.int8], joint: Joint | None, names: tuple[str, ...]) -> str:
    """The status of the model as a whole, in one sentence."""
    total = len(about.reference.channels)
    if names:
        return _named([name for name in names if name != JOINT], total, JOINT in names, "channels drifted")
    rows = np.flatnonzero(worst == WARNING)
    if len(rows) > 1:
        rows = rows[np.argsort(-_windowed(about)[rows], kind="stable")]
    tickets = [about.reference.channels[row].name for row in rows.tolist()]
    together = joint is not None and joint.status is Status.WARNING
    if not tickets and not together:
        return "no channel has drifted"
    return f"tickets, no page: {_named(tickets, total, together, 'channels')}"


def _named(channels: Sequence[str], total: int, together: bool, what: str) -> str:
    more = f" and {len(channels) - NAMED} more" if len(channels) > NAMED else ""
    shown = ", ".join(channels[:NAMED]) + more
    parts = [*([shown] if shown else []), *(["how channels move together"] if together else [])]
    return f"{len(channels)} of {total} {what}: {', '.join(parts)}"


def _windowed(about: FindingContext) -> NDArray[np.float64]:
    hops = about.model.hops
    recent = hops.done[-1].summary if hops.done else hops.growing.summary if hops.growing is not None else None
    if recent is None:
        return np.zeros(len(about.reference.channels))
    return divergences(about.reference.summary.counts, recent.counts)


def about_model(
    about: FindingContext,
    window: Hop,
    status: Status,
    previous: Status,
    starts: NDArray[np.float64],
    because: str,
    names: tuple[str, ...],
    *,
    calls: bool,
    grown: Sequence[str] = (),
) -> Finding:
    """The finding about the model as a whole: one episode, however many channels it has. It ``calls`` somebody, about
    the channels that have ``grown`` where there are any.
    """
    severity = Severity.PAGE if calls else Severity.TICKET if Status.WARNING is status > previous else None
    first = about.first([*grown, *names])
    share = len(names) / len(about.reference.channels)
    known = starts[np.isfinite(starts)]
    return Finding(
        slice=about.model.slice,
        feature=None,
        detector=MODEL,
        status=status,
        previous=previous,
        statistic=share,
        threshold=1 / len(about.reference.channels),
        effect=1 / len(about.reference.channels),
        noise=0.0,
        ratio=float(len(names)),
        events=window.summary.events,
        window_start=window.start,
        window_end=window.end,
        since=float(known.min()) if status is Status.DRIFT and len(known) else None,
        because=because,
        tests=about.tests,
        channels=names,
        severity=severity,
        kind="" if first is None else first.kind.value,
        value=None if first is None or np.isnan(first.value) else first.value,
        reference_value=None if first is None or np.isnan(first.usual) else first.usual,
        cause="" if first is None else first.cause,
        detail="" if first is None else first.detail,
    )
