"""The verdict on one model: what its windows show, what the judge's episodes say, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from driftd.core.finding import JUDGE, Finding, Joint, Judgement, Scores, Status
from driftd.core.reference import Reference
from driftd.core.window import Hop, Windows
from driftd.judge.step import Judged, Matters, MicroBatch
from driftd.judge.tickets import selected, window_evidence
from driftd.learn.comparison import comparison_for
from driftd.monitor.assignment import DetectorSet, score
from driftd.monitor.attribution import divergences
from driftd.monitor.change_point import change_starts
from driftd.monitor.findings import (
    FindingContext,
    about_model,
    drifted_names,
    of_episodes,
    of_model,
    of_suspects,
    of_window,
)
from driftd.monitor.state import ModelState, Verdict
from driftd.monitor.thresholds import Budget

MAX_VERSIONS = 100
"""Versions of a model that are remembered, the most recent; somebody may put the request's id there."""


@dataclass(frozen=True, slots=True)
class Rules:
    windows: Windows
    false_alarms_per_month: float
    budget_models: int
    every_window: bool


def judge(cell: ModelState, plan: DetectorSet, rules: Rules) -> Judgement:
    """Judges the model's window; statuses, starts and counts in the cell are brought up to date."""
    reference, window = cell.reference, cell.hops.window(rules.windows)
    assert reference is not None
    assert window is not None
    channels = len(reference.channels)
    if len(cell.since) != channels:
        cell.since = np.full(channels, np.nan)
    if not cell.hops.enough(rules.windows):
        return _composed(cell, plan, rules, window, None, ())
    budget = Budget(rules.false_alarms_per_month, plan.tests * rules.budget_models, rules.windows.hop_seconds)
    before = {kind: verdict.status.copy() for kind, verdict in cell.verdicts.items()}
    against = comparison_for(reference, window.start, window.end)
    scores = score(plan, against.reference, window, budget.alpha, cell.verdicts)
    worst = worst_of(scores, channels)
    cell.since = _since(cell, against.reference, window, worst)
    about = FindingContext(cell, against.reference, plan, rules.budget_models, against.note)
    suspected = suspects(cell, window, rules)
    found = [f for s in scores for f in of_window(about, window, s, before.get(s.detector), rules.every_window)]
    found += of_suspects(replace(about, reference=reference), window, suspected)
    cell.suspected = suspected
    cell.judged += 1
    return _composed(cell, plan, rules, window, scores, found)


def turned(cell: ModelState, plan: DetectorSet, rules: Rules, batch: MicroBatch, judged: Judged) -> Iterator[Judgement]:
    """What a micro-batch of the judge changed: a judgement where an episode opened or closed, else nothing."""
    if not len(judged.opened) and not len(judged.closed):
        return
    assert cell.reference is not None
    if len(cell.since) != len(cell.reference.channels):
        cell.since = np.full(len(cell.reference.channels), np.nan)
    about = FindingContext(cell, cell.reference, plan, rules.budget_models)
    found = [*of_episodes(about, batch, judged)]
    if len(cell.suspected):
        cell.suspected = cell.suspected & ~judged.open[:-1]
    window = cell.hops.window(rules.windows) or Hop(batch.start, batch.end, batch.summary)
    yield _composed(cell, plan, rules, window, None, found, at=batch.end)


def suspects(cell: ModelState, window: Hop, rules: Rules) -> NDArray[np.bool_]:
    """bool[channels]: whose window alone is evidence enough for a ticket, at the budget's share of one judgement.

    Only independent channels: the others' windows follow their rhythm. An open episode needs no ticket.
    """
    assert cell.reference is not None
    if cell.guard is None:
        return np.zeros(len(cell.reference.channels), bool)
    state, learned = cell.guard.state, cell.guard.learned
    watched = learned.independent & ~state.episodes.open[:-1]
    e, rows = np.full(len(watched), np.nan), learned.rows
    e[rows] = window_evidence(learned.shape, state.evidence, window.summary.counts[rows])
    e[~watched] = np.nan
    return selected(e, Budget(rules.false_alarms_per_month, rules.budget_models, rules.windows.hop_seconds).alpha)


def matters(cell: ModelState, plan: DetectorSet) -> Matters:
    """Whether what came since a change differs by at least ``DetectorSet.effects``: PSI on the reference's bins."""

    def large(row: int, since: float) -> bool:
        recent = cell.hops.after(since)
        if cell.reference is None or recent is None:
            return True
        then, now = cell.reference.summary.counts[row : row + 1], recent.counts[row : row + 1]
        return bool(divergences(then, now)[0] >= plan.effects[row])

    return large


def _windows_only(scores: tuple[Scores, ...]) -> tuple[Scores, ...]:
    return tuple(s for s in scores if s.detector != JUDGE)


def _composed(
    cell: ModelState,
    plan: DetectorSet,
    rules: Rules,
    window: Hop,
    scores: tuple[Scores, ...] | None,
    found: Iterable[Finding],
    at: float | None = None,
) -> Judgement:
    """The judgement of the model as it stands: ``scores`` of its window (None: the last ones that there were), and its
    episodes. ``at``: when an episode turned, None at a hop's end.

    Statuses come from the cell and not from the last judgement, which a checkpoint does not hold: what is found after a
    restart must be what would have been found without it.
    """
    reference = cell.reference
    assert reference is not None
    channels = len(reference.channels)
    known, findings, learning = cell.judgement, [*found], not cell.judged
    if scores is None:
        scores = _windows_only(known.scores) if known is not None and known.reference.id == reference.id else ()
    mine, joint = evidence(cell, plan)
    every = (*scores, mine) if mine is not None else scores
    worst = worst_of(cell.verdicts.values(), channels)
    if learning:
        worst = np.maximum(worst, np.int8(Status.LEARNING))
    since = cell.since.copy()
    if cell.guard is not None:
        episodes = cell.guard.state.episodes
        since = np.where(episodes.open[:-1], episodes.since[:-1], since)
    status = _model_status(worst, joint, learning=learning)
    about = FindingContext(cell, reference, plan, rules.budget_models)
    names = drifted_names(about, worst, joint)
    if learning and not names:
        because = _too_few(window, rules.windows)
    elif at is None and not names and not cell.hops.enough(rules.windows):
        because = "too few events since; the last verdict stands"
    else:
        because = of_model(about, worst, joint, names)
    previous, cell.status = cell.status, status
    grown = status is Status.DRIFT and not set(names) <= set(cell.named) and at is None
    if status is not previous or grown or (rules.every_window and at is None and not learning):
        end = window.end if at is None else at
        starts = np.append(since[worst == Status.DRIFT], [] if joint is None else joint.since)
        findings.append(about_model(about, replace(window, end=end), status, previous, starts, because, names))
        cell.named = names
    cell.judgement = _judgement(cell, window, status, worst, since, every, because, tuple(findings), joint)
    return cell.judgement


def _too_few(window: Hop, windows: Windows) -> str:
    least, seconds = windows.min_events, window.end - window.start
    need = f"{window.summary.events} of {least} events in the window"
    if window.summary.events >= least:
        need = f"{seconds:.0f} of {windows.window_seconds:.0f} seconds in the window"
    return f"not enough data to say: {need}"


def evidence(cell: ModelState, plan: DetectorSet) -> tuple[Scores | None, Joint | None]:
    """The judge's evidence as scores, in nats: ln(1 + S) beside ln(1 + A); its ratio passes 1 when S passes A.

    Once an episode is open the evidence begins again from 0; the status is the episode's.
    """
    guard = cell.guard
    if guard is None:
        return None, None
    state, learned = guard.state, guard.learned
    open_, pages = state.episodes.open, learned.paging
    watched = np.append(learned.independent | learned.rhythmic, learned.joint)
    s = np.where(watched, np.log1p(state.s), np.nan)
    a = np.where(watched, np.log1p(plan.a), np.nan)
    status = np.where(open_, np.where(pages, Status.DRIFT, Status.WARNING), Status.OK).astype(np.int8)
    if len(cell.suspected) == len(status) - 1:
        status[:-1] = np.maximum(status[:-1], np.where(cell.suspected, Status.WARNING, Status.OK))
    before = cell.verdicts.get(JUDGE)
    if before is None:
        before = Verdict(np.zeros(len(s) - 1, np.int8), np.zeros(len(s) - 1, np.int64))
    entered = (status[:-1] >= Status.WARNING) & (before.status < Status.WARNING)
    verdict = cell.verdicts[JUDGE] = Verdict(status[:-1], before.detections + entered)
    scores = Scores(JUDGE, s[:-1], a[:-1], np.zeros(len(s) - 1), a[:-1], (s / a)[:-1], status[:-1], verdict.detections)
    joint = None
    if learned.joint:
        joint = Joint(float(s[-1]), float(a[-1]), Status(int(status[-1])), float(state.episodes.since[-1]))
    return scores, joint


def _model_status(worst: NDArray[np.int8], joint: Joint | None, *, learning: bool) -> Status:
    """DRIFT while an episode that pages is open, WARNING while there is a ticket."""
    if joint is not None:
        worst = np.append(worst, joint.status)
    top = Status(int(worst.max(initial=0)))
    return Status.LEARNING if learning and top is Status.OK else top


def _judgement(
    cell: ModelState,
    window: Hop,
    status: Status,
    worst: NDArray[np.int8],
    since: NDArray[np.float64],
    scores: tuple[Scores, ...],
    because: str,
    findings: tuple[Finding, ...],
    joint: Joint | None,
) -> Judgement:
    assert cell.reference is not None
    oldest = cell.hops.done[0].start if cell.hops.done else window.start
    recent = sorted(((seen, v) for v, seen in cell.versions.items() if seen >= oldest), reverse=True)
    cell.versions = {v: seen for seen, v in sorted(recent[:MAX_VERSIONS])}
    versions = tuple(sorted(v for v, seen in cell.versions.items() if seen >= window.start))
    return Judgement(
        cell.name,
        cell.reference,
        versions,
        status,
        worst,
        since,
        scores,
        window.summary,
        window.start,
        window.end,
        because,
        findings,
        joint,
    )


def worst_of(verdicts: Iterable[Scores | Verdict], channels: int) -> NDArray[np.int8]:
    out = np.zeros(channels, np.int8)
    for v in verdicts:
        out = np.maximum(out, v.status)
    return out


def _since(cell: ModelState, reference: Reference, window: Hop, worst: NDArray[np.int8]) -> NDArray[np.float64]:
    """Keeps the start of a change while it lasts; estimates it once for those that begin."""
    moving = worst >= Status.WARNING
    begins = moving & np.isnan(cell.since)
    out = np.where(moving, cell.since, np.nan)
    if begins.any():
        starts = change_starts(reference, window.summary, cell.hops.done)
        out = np.where(begins, starts, out)
    return out
