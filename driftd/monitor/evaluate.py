"""The verdict on one model: what its windows show, what the judge's episodes say, and why. Nothing is written here:
an evaluation returns where the model stands after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from driftd.core.finding import CHANGE, JUDGE, OK, WARNING, Finding, Status
from driftd.core.reference import Reference
from driftd.core.window import Hop
from driftd.judge.natural.episodes import Turn
from driftd.judge.step import Judged, MicroBatch
from driftd.learn.comparison import comparison_for
from driftd.monitor.assignment import DetectorSet, Measured, kept, measure, score
from driftd.monitor.change_point import change_starts
from driftd.monitor.changes import after, caused, of_changes
from driftd.monitor.compose import Composer, Evaluation, Rules
from driftd.monitor.finding_context import FindingContext
from driftd.monitor.findings import of_episodes, of_risen, of_suspects, of_window
from driftd.monitor.grading import graded, suspects, weighs_windows
from driftd.monitor.own_scores import asked_for, worst_of
from driftd.monitor.state import ModelState, Standing, Verdict
from driftd.monitor.thresholds import Budget


def measure_windows(
    reference: Reference,
    windows: Sequence[Sequence[Hop]],
    detectors: DetectorSet,
    rules: Rules,
    verdicts: Mapping[str, Verdict],
) -> list[Measured]:
    """What the detectors find in windows, the hops of each, that are compared with the same ``reference``: the same as
    in each alone. ``verdicts``: those of the window before.
    """
    budget = Budget(rules.false_alarms_per_month, detectors.tests * rules.budget_models, rules.windows.hop_seconds)
    return measure(detectors, reference, windows, budget.alpha, verdicts)


def evaluate_window(
    model: ModelState, detectors: DetectorSet, rules: Rules, measured: Measured | None = None
) -> Evaluation:
    """Evaluates the last window of a model that has finished a hop; ``measured``: what was found in it already."""
    reference, window = model.reference, model.hops.window(rules.windows) if measured is None else measured.window
    assert reference is not None
    assert window is not None
    before = _sized(model.standing, reference)
    if measured is None and not model.hops.enough(rules.windows):
        return Composer(model, reference, detectors, rules, before).compose(window, None, ())
    comparison = comparison_for(reference, window.start, window.end)
    if measured is None:
        (measured,) = measure_windows(comparison.reference, [[window]], detectors, rules, before.verdicts)
    scores = score(measured, before.verdicts)
    verdicts = {**before.verdicts, **{s.detector: Verdict(s.status, s.detections) for s in scores}}
    since = _since(model, before, comparison.reference, window, worst_of(scores, len(reference.channels)))
    suspected = suspects(model, detectors, window, rules)
    gross = graded(model, detectors, before)
    standing = replace(before, verdicts=verdicts, since=since, gross=gross)
    context = FindingContext(model, standing, comparison.reference, detectors, rules.budget_models, comparison.note)
    found: list[Finding] = []
    for s in scores:
        known = before.verdicts.get(s.detector)
        if rules.every_window or known is None or s.status.tobytes() != known.status.tobytes():
            found += of_window(context, window, s, None if known is None else known.status, rules.every_window)
    context = replace(context, reference=reference)
    found += of_suspects(context, window, suspected)
    found += of_risen(context, window, gross & ~before.gross)
    standing = replace(standing, suspected=suspected, judged=before.judged + 1)
    return Composer(model, reference, detectors, rules, standing).compose(window, scores, found)


def unturned(model: ModelState, detectors: DetectorSet, rules: Rules, measured: Measured) -> Standing | None:
    """Where the model stands after a window in which nothing turns: what ``evaluate_window`` leaves, without a
    judgement. None where it has to be asked: something is open, or a status changes.
    """
    before, reference = model.standing, model.reference
    assert reference is not None
    channels = len(reference.channels)
    if rules.every_window or before.status is not Status.OK or not before.judged or before.changes:
        return None
    if not len(before.since) == len(before.gross) == len(before.suspected) == channels:
        return None
    if before.gross.any() or before.suspected.any() or not {JUDGE, CHANGE} <= before.verdicts.keys():
        return None
    if model.judge is None or model.judge.state.episodes.open.any():
        return None
    if any(incident.ended is None for incident in model.incidents):
        return None
    over = kept(measured, before.verdicts)
    if over is None or not np.array_equal(over, ~np.isnan(before.since)):
        return None
    if asked_for(before.verdicts, detectors, channels).any():
        return None
    if weighs_windows(model) and suspects(model, detectors, measured.window, rules).any():
        return None
    return replace(before, judged=before.judged + 1)


def evaluate_episodes(
    model: ModelState, detectors: DetectorSet, rules: Rules, batch: MicroBatch, judged: Judged
) -> Evaluation | None:
    """What a micro-batch of the judge changed: an evaluation where an episode opened or closed, else nothing."""
    if not len(judged.opened) and not len(judged.closed):
        return None
    reference = model.reference
    assert reference is not None
    standing = _sized(model.standing, reference)
    standing = replace(standing, gross=graded(model, detectors, standing))
    found = [*of_episodes(FindingContext(model, standing, reference, detectors, rules.budget_models), batch, judged)]
    if len(standing.suspected):
        standing = replace(standing, suspected=standing.suspected & ~judged.open[:-1])
    window = model.hops.window(rules.windows) or Hop(batch.start, batch.end, batch.summary)
    return Composer(model, reference, detectors, rules, standing).compose(window, None, found, at=batch.end)


def evaluate_end(
    model: ModelState, detectors: DetectorSet, rules: Rules, rows: Sequence[int] | None = None
) -> Evaluation | None:
    """Nothing will follow, of the channels ``rows`` (None: of all): the tickets of windows end; None where there are no
    windows.
    """
    reference, window = model.reference, model.hops.window(rules.windows)
    if reference is None or window is None or model.judgement is None:
        return None
    before, ends = _sized(model.standing, reference), np.zeros(len(reference.channels), bool)
    ends[slice(None) if rows is None else [*rows]] = True
    own = {JUDGE, CHANGE}
    shown = (s for s in model.judgement.scores if s.detector not in own)
    scores = tuple(replace(s, status=np.where(ends, np.int8(OK), s.status)) for s in shown)
    verdicts = {s.detector: Verdict(s.status, s.detections) for s in scores}
    context = FindingContext(model, before, reference, detectors, rules.budget_models)
    found: list[Finding] = []
    for s in scores:
        known = before.verdicts.get(s.detector)
        found += of_window(context, window, s, None if known is None else known.status, every=False)
    suspected = before.suspected & ~ends if len(before.suspected) == len(ends) else np.zeros(len(ends), bool)
    found += of_suspects(context, window, suspected)
    standing = replace(
        before,
        verdicts={**before.verdicts, **verdicts},
        since=np.where(ends, np.nan, before.since),
        suspected=suspected,
    )
    return Composer(model, reference, detectors, rules, standing).compose(window, scores, found)


def evaluate_changes(
    model: ModelState, detectors: DetectorSet, rules: Rules, pane: Hop, turns: Sequence[Turn]
) -> Evaluation:
    """What judge.natural's turns that are known with ``pane`` change."""
    reference = model.reference
    assert reference is not None
    standing = _sized(model.standing, reference)
    before = FindingContext(model, standing, reference, detectors, rules.budget_models)
    turns = [t if t.grew or t.returned else _dated(before, t) for t in turns]
    told = caused(before, turns)
    standing = replace(standing, changes=after(standing.changes, told, pane.end))
    context = replace(before, standing=standing)
    found = [*of_changes(context, told, pane.start, pane.end)]
    window = model.hops.window(rules.windows) or pane
    return Composer(model, reference, detectors, rules, standing).compose(window, None, found, at=pane.end)


def _dated(before: FindingContext, turn: Turn) -> Turn:
    """With the beginning that was told of its change; it may be wrong by as much more as the two differ."""
    since = before.told_since(turn.channel, turn.since, turn.kind.value, turn.size)
    told = (c.error for c in before.standing.changes if c.row == turn.channel and c.since == since)
    return replace(turn, since=since, error=next(told, turn.error + abs(turn.since - since)))


def _sized(standing: Standing, reference: Reference) -> Standing:
    """With arrays of the reference's channels, where there were none yet."""
    channels = len(reference.channels)
    if len(standing.since) != channels:
        standing = replace(standing, since=np.full(channels, np.nan))
    return standing if len(standing.gross) == channels else replace(standing, gross=np.zeros(channels, bool))


def _since(
    model: ModelState, before: Standing, reference: Reference, window: Hop, worst: NDArray[np.int8]
) -> NDArray[np.float64]:
    """Keeps the start of a change while it lasts; estimates it once for those that begin."""
    moving = worst >= WARNING
    begins = moving & np.isnan(before.since)
    out = np.where(moving, before.since, np.nan)
    if begins.any():
        starts = change_starts(reference, window.summary, model.hops.done)
        out = np.where(begins, starts, out)
    return out
