"""The verdict on one model at the end of a hop: scores, statuses, findings and why."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from driftd.alarm import Budget, change_starts, mean_of, moved_bins
from driftd.cells import ModelCell
from driftd.finding import Finding, Judgement, MovedBin, Scores, Status
from driftd.plan import Plan, score
from driftd.reference import Reference
from driftd.window import Hop, Windows

MODEL = "model"
"""The detector's name in findings about a model as a whole: the share of its channels that have drifted."""


MAX_VERSIONS = 100
"""Versions of a model that are remembered, the most recent; somebody may put the request's id there."""


@dataclass(frozen=True, slots=True)
class Rules:
    windows: Windows
    false_alarms_per_month: float
    budget_models: int
    model_drift_share: float
    every_window: bool


def judge(cell: ModelCell, plan: Plan, rules: Rules) -> Judgement:
    """Judges the model's window; statuses, starts and counts in the cell are brought up to date."""
    reference, window = cell.reference, cell.hops.window(rules.windows)
    assert reference is not None
    assert window is not None
    channels = len(reference.channels)
    if len(cell.since) != channels:
        cell.since = np.full(channels, np.nan)
    if not cell.hops.enough(rules.windows):
        if cell.judged and cell.judgement is not None:
            because = "too few events since; the last verdict stands"
            cell.judgement = replace(cell.judgement, because=because, findings=())
        else:
            least, seconds = rules.windows.min_events, window.end - window.start
            need = f"{window.summary.events} of {least} events in the window"
            if window.summary.events >= least:
                need = f"{seconds:.0f} of {rules.windows.window_seconds:.0f} seconds in the window"
            because = f"not enough data to say: {need}"
            learning = np.full(channels, Status.LEARNING, np.int8)
            cell.judgement = _judgement(cell, reference, window, Status.LEARNING, learning, (), because, ())
        return cell.judgement
    budget = Budget(rules.false_alarms_per_month, plan.tests * rules.budget_models, rules.windows.hop_seconds)
    before = {kind: verdict.status.copy() for kind, verdict in cell.verdicts.items()}
    scores = score(plan, reference, window, budget.alpha, cell.verdicts)
    worst = _worst(scores, channels)
    cell.since = _since(cell, reference, window, worst)
    findings = [f for s in scores for f in _channel_findings(cell, reference, window, s, before, rules)]
    drifted = int(np.count_nonzero(worst == Status.DRIFT))
    share = drifted / channels
    status = Status.OK
    if drifted:
        status = Status.DRIFT if share >= rules.model_drift_share else Status.WARNING
    because = _model_because(reference, worst, scores)
    previous = cell.status
    if status is not previous or rules.every_window or not cell.judged:
        findings.append(_model_finding(cell, window, status, previous, share, drifted, because, rules, worst))
    cell.status, cell.judged = status, cell.judged + 1
    cell.judgement = _judgement(cell, reference, window, status, worst, scores, because, tuple(findings))
    return cell.judgement


def _judgement(
    cell: ModelCell,
    reference: Reference,
    window: Hop,
    status: Status,
    worst: NDArray[np.int8],
    scores: tuple[Scores, ...],
    because: str,
    findings: tuple[Finding, ...],
) -> Judgement:
    recent = sorted(((seen, v) for v, seen in cell.versions.items() if seen >= cell.hops.done[0].start), reverse=True)
    cell.versions = {v: seen for seen, v in sorted(recent[:MAX_VERSIONS])}
    versions = tuple(sorted(v for v, seen in cell.versions.items() if seen >= window.start))
    return Judgement(
        cell.name,
        reference,
        versions,
        status,
        worst,
        cell.since.copy(),
        scores,
        window.summary,
        window.start,
        window.end,
        because,
        findings,
    )


def _worst(scores: tuple[Scores, ...], channels: int) -> NDArray[np.int8]:
    out = np.zeros(channels, np.int8)
    for s in scores:
        out = np.maximum(out, s.status)
    return out


def _since(cell: ModelCell, reference: Reference, window: Hop, worst: NDArray[np.int8]) -> NDArray[np.float64]:
    """Keeps the start of a change while it lasts; estimates it once for those that begin."""
    moving = worst >= Status.WARNING
    begins = moving & np.isnan(cell.since)
    out = np.where(moving, cell.since, np.nan)
    if begins.any():
        starts = change_starts(reference, window.summary, cell.hops.done)
        out = np.where(begins, starts, out)
    return out


def _channel_findings(
    cell: ModelCell,
    reference: Reference,
    window: Hop,
    s: Scores,
    before: dict[str, NDArray[np.int8]],
    rules: Rules,
) -> list[Finding]:
    previous = before.get(s.detector, np.zeros(len(s.status), np.int8))
    changed = s.status != previous
    if rules.every_window:
        changed = ~np.isnan(s.ratio)
    out = []
    for row in np.flatnonzero(changed).tolist():
        moved = moved_bins(reference, window.summary, row) if s.status[row] >= Status.WARNING else ()
        since = float(cell.since[row])
        out.append(
            Finding(
                model=cell.name,
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
                events=int(window.summary.channel_events[row]),
                window_start=window.start,
                window_end=window.end,
                since=None if np.isnan(since) else since,
                because=_because(reference, window, s, row, moved),
                moved=moved,
            )
        )
    return out


def _because(reference: Reference, window: Hop, s: Scores, row: int, moved: tuple[MovedBin, ...]) -> str:
    value, threshold = float(s.statistic[row]), float(s.threshold[row])
    if s.noise[row] == 0:
        parts = [f"{s.detector} noticed {value:.0f} change{'s' * (value > 1)} in the window"]
    else:
        source = "effect" if s.effect[row] >= s.noise[row] else "noise"
        parts = [f"{s.detector} {value:.4g}, threshold {threshold:.4g} ({source})"]
    parts += [f"{m.bin}: {_percent(m.reference)} -> {_percent(m.current)}" for m in moved]
    then, now = mean_of(reference, reference.summary, row), mean_of(reference, window.summary, row)
    if moved and then is not None and now is not None:
        parts.append(f"mean {then:.4g} -> {now:.4g}")
    return "; ".join(parts)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def _model_because(reference: Reference, worst: NDArray[np.int8], scores: tuple[Scores, ...]) -> str:
    ratio = np.zeros(len(worst))
    for s in scores:
        ratio = np.fmax(ratio, s.ratio)
    rows = np.flatnonzero(worst == Status.DRIFT)
    if not len(rows):
        return "no channel has drifted"
    rows = rows[np.argsort(-ratio[rows], kind="stable")]
    names = [f"{reference.channels[r].name} ({ratio[r]:.3g} x its threshold)" for r in rows[:5].tolist()]
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"{len(rows)} of {len(worst)} channels drifted: {', '.join(names)}{more}"


def _model_finding(
    cell: ModelCell,
    window: Hop,
    status: Status,
    previous: Status,
    share: float,
    drifted: int,
    because: str,
    rules: Rules,
    worst: NDArray[np.int8],
) -> Finding:
    starts = cell.since[worst == Status.DRIFT]
    return Finding(
        model=cell.name,
        feature=None,
        segment=None,
        detector=MODEL,
        status=status,
        previous=previous,
        statistic=share,
        threshold=rules.model_drift_share,
        effect=rules.model_drift_share,
        noise=0.0,
        ratio=share / rules.model_drift_share,
        events=window.summary.events,
        window_start=window.start,
        window_end=window.end,
        since=float(starts.min()) if drifted else None,
        because=because,
    )
