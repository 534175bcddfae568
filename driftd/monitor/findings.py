"""Findings about channels in words and numbers: since when, how much, how sure, and which bins moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import JOINT
from driftd.core.finding import JUDGE, Finding, MovedBin, Scores, Severity, Status
from driftd.core.reference import Reference
from driftd.core.summary import MISSING, UNSEEN, Summary
from driftd.core.text import minute, numbers, percents, plural
from driftd.core.window import Hop, Refused
from driftd.judge.natural.kinds import Kind
from driftd.judge.natural.sizes import sized
from driftd.judge.step import Judged, MicroBatch
from driftd.monitor.attribution import mean_of, moved_bins
from driftd.monitor.finding_context import NEAR_SECONDS, FindingContext, open_fault
from driftd.monitor.state import ModelState

WINDOW_ALONE: Final = "this window differs; the evidence is below the page threshold"
"""Beginning of ``because`` in tickets of the judge that are not episodes."""
_COLUMN: Final = {Kind.MISSING: MISSING, Kind.NEW_VALUE: UNSEEN}
"""Kinds that are about the share of one column of Summary.counts."""
MOSTLY: Final = 0.5
"""Part of what is missing, to the judge, from which on it is told as values of another type."""
SEVERITY: Final = {Status.OK: None, Status.WARNING: Severity.TICKET, Status.DRIFT: Severity.PAGE}
"""What a finding is that has just got this status."""


def of_window(
    about: FindingContext, window: Hop, s: Scores, before: NDArray[np.int8] | None, every: bool
) -> Iterator[Finding]:
    """Findings of a window detector: where its status changed and makes a ticket, or of every channel."""
    previous = np.zeros_like(s.status) if before is None else before
    reference = about.reference
    told = ~np.isnan(s.ratio) if every else (s.status != previous) & about.detectors.tickets
    for row in np.flatnonzero(told).tolist():
        moved = moved_bins(reference, window.summary, row) if s.status[row] >= Status.WARNING else ()
        since = float(about.standing.since[row])
        events = int(window.summary.channel_events[row])
        begins = s.status[row] > previous[row]
        yield Finding(
            slice=about.model.slice,
            feature=reference.channels[row].name,
            detector=s.detector,
            status=Status(int(s.status[row])),
            previous=Status(int(previous[row])),
            statistic=float(s.statistic[row]),
            threshold=float(s.threshold[row]),
            effect=float(s.effect[row]),
            noise=float(s.noise[row]),
            ratio=float(s.ratio[row]),
            events=events,
            window_start=window.start,
            window_end=window.end,
            since=None if np.isnan(since) else since,
            because=_because(about, window.summary, s, row, moved),
            moved=moved,
            effective_events=about.effective(row, events),
            tests=about.detectors.tests * about.models,
            regime=about.regime(row),
            severity=Severity.TICKET if begins and about.detectors.tickets[row] else None,
        )


def of_suspects(about: FindingContext, window: Hop, suspected: NDArray[np.bool_]) -> Iterator[Finding]:
    """Tickets of the judge that one window opens or closes; an open episode has its own findings."""
    before = about.standing.suspected
    before = before if len(before) == len(suspected) else np.zeros_like(suspected)
    judge, reference = about.model.judge, about.reference
    if judge is None:
        return
    changed = (suspected != before) & ~judge.state.episodes.open[:-1]
    for row in np.flatnonzero(changed).tolist():
        opened = bool(suspected[row])
        status, previous = (Status.WARNING, Status.OK) if opened else (Status.OK, Status.WARNING)
        events = int(window.summary.channel_events[row])
        statistic, threshold = (float(np.log1p(v)) for v in (judge.state.s[row], about.detectors.a[row]))
        moved = moved_bins(reference, window.summary, row, surprising=True) if opened else ()
        kind, value, usual = _change(about, window.summary if opened else None, row, window.refused)
        parts = [WINDOW_ALONE, *_moves_in_words(reference, window.summary, row, moved)]
        yield Finding(
            slice=about.model.slice,
            feature=reference.channels[row].name,
            detector=JUDGE,
            status=status,
            previous=previous,
            statistic=statistic,
            threshold=threshold,
            effect=0.0,
            noise=threshold,
            ratio=statistic / threshold,
            events=events,
            window_start=window.start,
            window_end=window.end,
            since=about.told_since(row, float(judge.state.since[row])) if opened else None,
            because="; ".join(parts) if opened else "this window no longer differs",
            moved=moved,
            effective_events=about.effective(row, events),
            tests=about.tests,
            regime=about.regime(row),
            severity=SEVERITY[status],
            kind=kind,
            value=value,
            reference_value=usual,
        )


def of_episodes(about: FindingContext, batch: MicroBatch, judged: Judged) -> Iterator[Finding]:
    """The judge's episodes that opened or closed with this micro-batch."""
    for row in judged.opened.tolist():
        yield _episode(about, batch, judged, row, opened=True)
    for row in judged.closed.tolist():
        yield _episode(about, batch, judged, row, opened=False)


def of_risen(about: FindingContext, window: Hop, risen: NDArray[np.bool_]) -> Iterator[Finding]:
    """Tickets of the judge that have become pages: their change has grown."""
    judge = about.model.judge
    if judge is None or not risen.any():
        return
    state, rows = judge.state, np.flatnonzero(risen)
    batch = MicroBatch(window.start, window.end, window.summary, None, np.full(len(risen), np.nan))
    episodes, none = state.episodes, np.zeros(0, np.intp)
    judged = Judged(state.s, state.s / about.detectors.a, episodes.since, rows, none, episodes.open, None)
    for row in rows.tolist():
        yield replace(_episode(about, batch, judged, row, opened=True), previous=Status.WARNING)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What an episode is about: a channel, or the joint path. ``effect``: the least PSI that opens the episode."""

    name: str
    effect: float
    events: int
    effective_events: float
    regime: str


def _subject(about: FindingContext, summary: Summary, row: int) -> _Subject:
    if row == len(about.reference.channels):
        return _Subject(JOINT, 0.0, int(summary.events), float(summary.events), "")
    events = int(summary.channel_events[row])
    name, effect = about.reference.channels[row].name, float(about.detectors.effects[row])
    return _Subject(name, effect, events, about.effective(row, events), about.regime(row))


def _episode(about: FindingContext, batch: MicroBatch, judged: Judged, row: int, *, opened: bool) -> Finding:
    s, a = float(judged.s[row]), float(about.detectors.a[row])
    drift = Status.DRIFT if _pages(about, row) else Status.WARNING
    status, previous = (drift, about.before(row)) if opened else (Status.OK, drift)
    since = float(judged.since[row]) if opened else None
    if since is not None and row < len(about.reference.channels):
        since = about.told_since(row, since)
    summary = batch.summary if since is None else about.recent(since) or batch.summary
    subject = _subject(about, summary, row)
    moved: tuple[MovedBin, ...] = ()
    if opened and row < len(about.reference.channels):
        moved = moved_bins(about.reference, summary, row, surprising=True)
    statistic, threshold = float(np.log1p(s)), float(np.log1p(a))
    refused = () if since is None else about.model.hops.refused_after(since)
    kind, value, usual = _change(about, summary if opened else None, row, refused)
    return Finding(
        slice=about.model.slice,
        feature=subject.name,
        detector=JUDGE,
        status=status,
        previous=previous,
        statistic=statistic,
        threshold=threshold,
        effect=subject.effect,
        noise=threshold,
        ratio=statistic / threshold,
        events=subject.events,
        window_start=batch.start if since is None else since,
        window_end=batch.end,
        since=since,
        because=_episode_because(about, summary, judged, row, moved, opened=opened),
        moved=moved,
        effective_events=subject.effective_events,
        tests=about.tests,
        regime=subject.regime,
        severity=SEVERITY[status],
        kind=kind,
        value=value,
        reference_value=usual,
    )


def _pages(about: FindingContext, row: int) -> bool:
    """Whether the episode of a channel, or of the joint path, is a page: by its size where sizes are known."""
    assert about.learned is not None
    if about.detectors.natural is None:
        return bool(about.learned.paging[row])
    return row < len(about.reference.channels) and bool(about.standing.gross[row])


def _change(
    about: FindingContext, recent: Summary | None, row: int, refused: Refused
) -> tuple[str, float | None, float | None]:
    """Kind, value and reference value of what the judge has seen; "" and None where that cannot be said. Of values that
    are missing most may be ``refused`` ones: that is what a person can mend.
    """
    natural, limits = about.detectors.natural, about.detectors.limits
    if recent is None or natural is None or limits is None:
        return "", None, None
    if row == len(about.reference.channels):
        return Kind.JOINT.value, None, None
    fault = open_fault(about.standing, row)
    if fault is not None:
        return fault.kind.value, fault.value, None if np.isnan(fault.usual) else fault.usual
    what, reference = sized(natural, limits.sizes, recent, row), about.reference
    kind, size = what.kind[0], float(what.size[0])
    if kind is Kind.SPREAD:
        return kind.value, float(np.exp(size)), 1.0
    if kind is Kind.MIX:
        return kind.value, size, 0.0
    if kind in {Kind.RANGE, Kind.ERRORS}:
        usual = float(what.usual[0])
        return kind.value, usual + size, usual
    if kind in _COLUMN:
        now, then = recent.counts[row], reference.summary.counts[row]
        column, wrong = _COLUMN[kind], dict(refused).get(row, 0)
        if kind is Kind.MISSING and wrong >= MOSTLY * now[column]:
            return Kind.REFUSED.value, wrong / max(now.sum(), 1), 0.0
        return kind.value, now[column] / max(now.sum(), 1), then[column] / max(then.sum(), 1)
    return kind.value, mean_of(reference, recent, row), mean_of(reference, reference.summary, row)


def _episode_because(
    about: FindingContext, summary: Summary, judged: Judged, row: int, moved: tuple[MovedBin, ...], *, opened: bool
) -> str:
    if not opened:
        return "the evidence has stayed low for long enough: the change is over"
    assert about.learned is not None
    channels = about.reference.channels
    joint = row == len(channels)
    parts = [_trigger(about, judged, row)]
    if joint:
        who = "channels" if judged.pair is None else " and ".join(channels[i].name for i in judged.pair)
        parts.append(f"{who} no longer move together as in the reference")
    parts += _moves_in_words(about.reference, summary, row, moved)
    if not about.learned.paging[row]:
        why = about.learned.joint_why if joint else about.learned.why[row]
        parts.append(f"a ticket, not a page: {str(why).removesuffix(': tickets only')}")
    elif not _pages(about, row):
        parts.append("a ticket, not a page: " + ("it is about pairs" if joint else _small(about, summary, row)))
    return "; ".join(parts)


def _small(about: FindingContext, recent: Summary, row: int) -> str:
    """Why the change makes no page where its channel may."""
    natural, limits = about.detectors.natural, about.detectors.limits
    if natural is not None and limits is not None and sized(natural, limits.sizes, recent, row).gross[0]:
        return "so short a reference does not show that it is beyond natural variation"
    return "the change is small"


def _trigger(about: FindingContext, judged: Judged, row: int) -> str:
    """Why the episode opened: the judge's evidence, or the detection of another detector of the channel."""
    s, a, channels = float(judged.s[row]), float(about.detectors.a[row]), about.reference.channels
    if row < len(channels) and s < a:
        kinds = " or ".join(sorted(kind for kind, name in about.detectors.paging if name == channels[row].name))
        return f"{kinds} detected a change; its share of the budget is one false alarm in {a:.2g} events"
    return f"evidence {so_many(s / a)} the threshold A (one false alarm in {a:.2g} events)"


def _because(about: FindingContext, summary: Summary, s: Scores, row: int, moved: tuple[MovedBin, ...]) -> str:
    value, threshold, reference = float(s.statistic[row]), float(s.threshold[row]), about.reference
    if s.noise[row] == 0:
        parts = [f"{s.detector} detected {value:.0f} {plural('change', value)} in the window"]
    else:
        source = "effect" if s.effect[row] >= s.noise[row] else "natural" if s.natural[row] else "noise"
        parts = [f"{s.detector} {value:.4g}, threshold {threshold:.4g} ({source})"]
        parts += [about.compared] * bool(about.compared)
    return "; ".join([*parts, *_moves_in_words(reference, summary, row, moved)])


def _moves_in_words(reference: Reference, summary: Summary, row: int, moved: tuple[MovedBin, ...]) -> list[str]:
    """The shares of the bins that moved and the channel's mean, before and now; nothing where no bin moved."""
    if not moved:
        return []
    bins = [f"{m.bin}: {text}" for m in moved if (text := percents(m.reference, m.current))]
    then, now = mean_of(reference, reference.summary, row), mean_of(reference, summary, row)
    text = numbers(then, now) if then is not None and now is not None else ""
    return [*bins, f"mean {text}"] if text else bins


def so_many(times: float) -> str:
    """``7.0 times``, ``340 times``, ``over a million times``."""
    if times >= 1e6:
        return "over a million times"
    return f"{times:.1f} times" if times < 10 else f"{float(f'{times:.2g}'):,.0f} times"


def with_version(model: ModelState, finding: Finding) -> Finding:
    """Names the version that began to answer when a change began."""
    if finding.severity is None or finding.since is None:
        return finding
    begun = model.begun_near(finding.since, NEAR_SECONDS)
    if begun is None:
        return finding
    version, at = begun
    because = f"{finding.because}; version {version} answers since {minute(at)}"
    return replace(finding, new_version=version, because=because)
