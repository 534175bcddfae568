"""Findings in words and numbers: who, since when, how much, how sure, and which bins moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftd.alarm import divergences, mean_of, moved_bins
from driftd.cells import ModelCell
from driftd.finding import JOINT, JUDGE, Finding, Joint, MovedBin, Scores, Status
from driftd.judge.guard import Batch
from driftd.judge.model import Judged, Learned
from driftd.plan import Plan
from driftd.reference import Reference
from driftd.summary import Summary
from driftd.window import Hop

MODEL = "model"
"""The detector's name in findings about a model as a whole."""

NAMED = 40
"""Channels that a finding about a model names."""


@dataclass(frozen=True, slots=True, eq=False)
class Circumstances:
    """What findings are told from; ``models`` share the budget; ``compared`` says with what a window was compared."""

    cell: ModelCell
    reference: Reference
    plan: Plan
    models: int
    compared: str = ""

    @property
    def learned(self) -> Learned | None:
        return self.plan.judged

    @property
    def tests(self) -> int:
        """How many things share the false-alarm budget of pages: channels and joint paths of all models."""
        return (len(self.reference.channels) + 1) * self.models

    def effective(self, row: int, events: float) -> float:
        """How many independent events tell as much."""
        return events if self.learned is None else events / float(self.learned.inflation[row])

    def regime(self, row: int) -> str:
        return "" if self.learned is None else str(self.learned.regime[row])

    def recent(self, since: float) -> Summary | None:
        return self.cell.hops.after(since)


def of_window(
    about: Circumstances, window: Hop, s: Scores, before: NDArray[np.int8] | None, every: bool
) -> Iterator[Finding]:
    """What a window detector has to say: where its status changed, or of every channel."""
    previous = np.zeros_like(s.status) if before is None else before
    reference = about.reference
    for row in np.flatnonzero(~np.isnan(s.ratio) if every else s.status != previous).tolist():
        moved = moved_bins(reference, window.summary, row) if s.status[row] >= Status.WARNING else ()
        since = float(about.cell.since[row])
        events = int(window.summary.channel_events[row])
        yield Finding(
            model=about.cell.name,
            feature=reference.channels[row].name,
            segment=None,
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
            tests=about.plan.tests * about.models,
            regime=about.regime(row),
        )


def of_episodes(about: Circumstances, batch: Batch, judged: Judged) -> Iterator[Finding]:
    """The judge's episodes that opened or closed with this micro-batch."""
    for row in judged.opened.tolist():
        yield _episode(about, batch, judged, row, opened=True)
    for row in judged.closed.tolist():
        yield _episode(about, batch, judged, row, opened=False)


def _episode(about: Circumstances, batch: Batch, judged: Judged, row: int, *, opened: bool) -> Finding:
    reference, learned = about.reference, about.learned
    assert learned is not None
    joint = row == len(reference.channels)
    s, a = float(judged.s[row]), float(about.plan.a[row])
    drift = Status.DRIFT if learned.paging[row] else Status.WARNING
    since = float(judged.since[row]) if opened else None
    summary = (about.recent(since) if since is not None else None) or batch.summary
    moved: tuple[MovedBin, ...] = ()
    if opened and not joint:
        moved = moved_bins(reference, summary, row)
    events = int(summary.events if joint else summary.channel_events[row])
    statistic, threshold = float(np.log1p(s)), float(np.log1p(a))
    return Finding(
        model=about.cell.name,
        feature=JOINT if joint else reference.channels[row].name,
        segment=None,
        detector=JUDGE,
        status=drift if opened else Status.OK,
        previous=Status.OK if opened else drift,
        statistic=statistic,
        threshold=threshold,
        effect=0.0,
        noise=threshold,
        ratio=statistic / threshold,
        events=events,
        window_start=batch.start if since is None else since,
        window_end=batch.end,
        since=since,
        because=_episode_because(about, summary, judged, row, moved, opened=opened),
        moved=moved,
        effective_events=float(events) if joint else about.effective(row, events),
        tests=about.tests,
        regime="" if joint else about.regime(row),
    )


def _episode_because(
    about: Circumstances, summary: Summary, judged: Judged, row: int, moved: tuple[MovedBin, ...], *, opened: bool
) -> str:
    s, a, joint = float(judged.s[row]), float(about.plan.a[row]), row == len(about.reference.channels)
    told = not joint and s < a
    if not opened:
        return "the evidence of a change has died down"
    assert about.learned is not None
    channels = about.reference.channels
    parts = [f"evidence {s:.2g}, threshold {a:.2g} (events to one false alarm)"]
    if told:
        kinds = " or ".join(sorted(kind for kind, name in about.plan.paging if name == channels[row].name))
        parts = [f"{kinds} found a change; its share of the budget is one false alarm in {a:.2g} events"]
    if joint:
        first, second = (channels[i].name for i in judged.pair)
        parts.append(f"{first} and {second} no longer move together as they did")
    parts += [f"{m.bin}: {percent(m.reference)} -> {percent(m.current)}" for m in moved]
    if not joint:
        parts += _means(about.reference, summary, row, moved)
        if not about.learned.pages[row]:
            parts.append(f"a ticket, not a page: {about.learned.why[row]}")
    return "; ".join(parts)


def _because(about: Circumstances, summary: Summary, s: Scores, row: int, moved: tuple[MovedBin, ...]) -> str:
    value, threshold, reference = float(s.statistic[row]), float(s.threshold[row]), about.reference
    if s.noise[row] == 0:
        parts = [f"{s.detector} noticed {value:.0f} change{'s' * (value > 1)} in the window"]
    else:
        source = "effect" if s.effect[row] >= s.noise[row] else "natural" if s.natural[row] else "noise"
        parts = [f"{s.detector} {value:.4g}, threshold {threshold:.4g} ({source})"]
        parts += [about.compared] * bool(about.compared)
    parts += [f"{m.bin}: {percent(m.reference)} -> {percent(m.current)}" for m in moved]
    return "; ".join([*parts, *_means(reference, summary, row, moved)])


def _means(reference: Reference, summary: Summary, row: int, moved: tuple[MovedBin, ...]) -> list[str]:
    then, now = mean_of(reference, reference.summary, row), mean_of(reference, summary, row)
    return [f"mean {then:.4g} -> {now:.4g}"] if moved and then is not None and now is not None else []


def percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def drifted_names(about: Circumstances, worst: NDArray[np.int8], joint: Joint | None) -> tuple[str, ...]:
    """The channels whose episodes are open and page, the one that moved most first; "*" last."""
    rows = np.flatnonzero(worst == Status.DRIFT)
    if len(rows) > 1:
        rows = rows[np.argsort(-_moves(about)[rows], kind="stable")]
    names = [about.reference.channels[row].name for row in rows.tolist()]
    if joint is not None and joint.status is Status.DRIFT:
        names.append(JOINT)
    return tuple(names)


def _moves(about: Circumstances) -> NDArray[np.float64]:
    """How far every channel has moved since the first open episode began: PSI, float64[channels]."""
    guard = about.cell.guard
    summary = None
    if guard is not None and guard.state.episodes.open.any():
        summary = about.recent(float(np.nanmin(guard.state.episodes.since)))
    if summary is None:
        return np.zeros(len(about.reference.channels))
    return divergences(about.reference.summary.counts, summary.counts)


def of_model(about: Circumstances, worst: NDArray[np.int8], names: tuple[str, ...]) -> str:
    """What the model as a whole came to, in one sentence."""
    total = len(about.reference.channels)
    if names:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        shown = ["how channels move together" if name == JOINT else name for name in names[:NAMED]]
        channels = sum(name != JOINT for name in names)
        return f"{channels} of {total} channels drifted: {', '.join(shown)}{more}"
    rows = np.flatnonzero(worst == Status.WARNING)
    if not len(rows):
        return "no channel has drifted"
    tickets = [about.reference.channels[row].name for row in rows[np.argsort(-_windowed(about)[rows], kind="stable")]]
    more = f" and {len(tickets) - NAMED} more" if len(tickets) > NAMED else ""
    return f"tickets, no page: {len(tickets)} of {total} channels: {', '.join(tickets[:NAMED])}{more}"


def _windowed(about: Circumstances) -> NDArray[np.float64]:
    hops = about.cell.hops
    recent = hops.done[-1].summary if hops.done else hops.growing.summary if hops.growing is not None else None
    if recent is None:
        return np.zeros(len(about.reference.channels))
    return divergences(about.reference.summary.counts, recent.counts)


def about_model(
    about: Circumstances,
    window: Hop,
    status: Status,
    previous: Status,
    starts: NDArray[np.float64],
    because: str,
    names: tuple[str, ...],
) -> Finding:
    """The finding about the model as a whole: one episode, however many channels it has."""
    share = len(names) / len(about.reference.channels)
    known = starts[np.isfinite(starts)]
    return Finding(
        model=about.cell.name,
        feature=None,
        segment=None,
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
    )
