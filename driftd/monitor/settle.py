"""Panes of a model through its windows and its judge: cut where something is complete, evaluated in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Protocol

import numpy as np

from driftd.core.act import Act
from driftd.core.channel import Role
from driftd.core.finding import Finding, Judgement
from driftd.core.pane_block import PaneBlock
from driftd.core.quality.scoring import Scoring
from driftd.core.reference import Reference, ReferenceKind
from driftd.core.slice import Slice
from driftd.core.units import MONTH_SECONDS
from driftd.core.window import Hop, Hops, Windows
from driftd.judge.ahead import LEAST_BATCHES, Ahead, ahead
from driftd.judge.natural.episodes import Turn
from driftd.judge.natural.step import start, step
from driftd.judge.step import MicroBatch
from driftd.monitor import growing, rolling
from driftd.monitor.assignment import DetectorSet, Measured
from driftd.monitor.compose import Evaluation, Rules, still_open
from driftd.monitor.evaluate import evaluate_changes, evaluate_episodes, evaluate_window, measure_windows, unturned
from driftd.monitor.exemplars import exemplified
from driftd.monitor.grading import effects_of
from driftd.monitor.incidents import folded, settled
from driftd.monitor.intake import Run, counted, take_out, together
from driftd.monitor.maintenance import muted
from driftd.monitor.quality import taken
from driftd.monitor.segments import covered
from driftd.monitor.settings import ModelSettings
from driftd.monitor.state import ModelState
from driftd.monitor.timeline import ValueReader
from driftd.monitor.told import plain, remembered

MAX_VERSIONS = 100
"""Versions of a model that are remembered, the most recent; somebody may put the request's id there."""


@dataclass(slots=True)
class Evaluated:
    """What the panes of one step led to. ``turns`` says of each period of a rolling reference that ended whether it
    became the reference, and why not. ``reached``: up to when panes have been taken so far, the same however they came.
    ``whole``: the model that the slice is a segment of, whose panes are evaluated first; None where it is none.
    """

    judgements: list[Judgement] = field(default_factory=list)
    turns: list[str] = field(default_factory=list)
    reached: float = np.inf
    whole: ModelState | None = None


@dataclass(slots=True)
class _Hopped:
    """A model's hops after a run of panes, whether that finished one (``full``), and what was found in its window."""

    hops: Hops
    full: bool
    measured: Measured | None = None


class Known(Protocol):
    """What settling needs of driftd.monitor.model.Monitor."""

    @property
    def windows(self) -> Windows: ...

    @property
    def keeps_values(self) -> bool: ...

    def settings(self, key: Slice) -> ModelSettings: ...

    def detectors(self, reference: Reference) -> DetectorSet: ...

    def reader(self, reference: Reference) -> ValueReader: ...

    def scoring(self, reference: Reference) -> Scoring | None: ...

    def rules(self, key: Slice) -> Rules: ...

    def maintenance(self, model: ModelState) -> tuple[Act, ...]: ...

    def forget(self, reference: Reference) -> None: ...


def settle(known: Known, model: ModelState, reached: int, out: Evaluated, *, end: bool = False) -> None:
    """Evaluates the model's panes up to ``reached`` that came in, in order; ``end``: nothing will follow."""
    panes = take_out(model, reached)
    if panes is not None and model.reference is not None and known.keeps_values:
        reader = known.reader(model.reference)
        model.timeline = model.timeline.take(panes, reader, known.windows.pane_seconds)
    if panes is not None and model.reference is not None and panes.outcomes and known.keeps_values:
        begin, scoring = int(panes.numbers[0]) * known.windows.pane_seconds, known.scoring(model.reference)
        model.quality = taken(model.quality, scoring, panes.outcomes, begin, known.windows.pane_seconds)
    if panes is not None:
        turns = _turns(known, model, panes)
        cuts = _cuts(known, model, panes, turns)
        runs, turning = [*together(panes, cuts)], [behind - 1 in turns for behind in cuts[1:]]
        quiet, tried, hops = deque[Ahead](), 0, _hops(known, model, runs)
        shown = max((at for at, after in enumerate(hops) if after.measured is not None), default=-1)
        for at, (run, after, behind) in enumerate(zip(runs, hops, cuts[1:], strict=True)):
            if not quiet and at >= tried:
                until = turning.index(True, at) + 1 if True in turning[at:] else len(runs)
                quiet.extend(_ahead(known, model, runs[at:until]))
                tried = at + (len(quiet) or LEAST_BATCHES)  # not again with each run
            now, out.reached = quiet.popleft() if quiet else None, (run.number + 1) * known.windows.pane_seconds
            _take(known, model, run, after, out, now, seen=at >= shown)
            if behind - 1 in turns:
                _change(known, model, run, turns[behind - 1], out)
        model.exemplars, out.reached = model.exemplars.until(np.inf), np.inf
    if end:
        _finish(known, model, out)


def _cuts(known: Known, model: ModelState, panes: PaneBlock, turns: Iterable[int]) -> list[int]:
    """Where the panes are cut so that each part can be taken in as one: nothing but its last pane completes
    anything, and a pane at a place with ``turns`` is alone.
    """
    cuts = {0, len(panes)}
    cuts.update(place + 1 for place in model.hops.finished_by(panes.numbers, panes.events, known.windows))
    for place in turns:
        cuts |= {place, place + 1}
    if model.reference is not None:
        cuts |= _referred(known, model, model.reference, panes)
    return sorted(cuts)


def _referred(known: Known, model: ModelState, reference: Reference, panes: PaneBlock) -> set[int]:
    """Cuts where the judge, or the period of a rolling reference, completes something."""
    cuts: set[int] = set()
    if model.judge is not None:
        starts = panes.numbers.astype(np.float64) * known.windows.pane_seconds
        cuts.update(place + 1 for place in model.judge.completed_by(reference, starts, panes.events))
    if reference.kind is ReferenceKind.ROLLING:
        period_seconds = known.settings(model.slice).learning.period_seconds
        cuts.update(rolling.ended_by(panes.numbers.tolist(), known.windows, period_seconds))
    return cuts


def _hops(known: Known, model: ModelState, runs: Sequence[Run]) -> list[_Hopped]:
    """The model's hops after each run. What detectors find in a window depends on no window before it, so all that
    are compared with the same reference are measured as one.
    """
    hops, out = model.hops, list[_Hopped]()
    for run in runs:
        hops = hops.copy()
        full = hops.add(run.number, run.summary, run.detections, known.windows, run.first, run.refused, run.outcomes)
        out.append(_Hopped(hops, full))
    reference, whole = model.reference, [after for after in out if after.full and after.hops.enough(known.windows)]
    if whole and reference is not None and reference.kind is ReferenceKind.FIXED:
        windows = [after.hops.whole(known.windows) for after in whole]
        found = measure_windows(
            reference, windows, known.detectors(reference), known.rules(model.slice), model.standing.verdicts
        )
        for after, measured in zip(whole, found, strict=True):
            after.measured = measured
    return out


def _ahead(known: Known, model: ModelState, runs: Sequence[Run]) -> list[Ahead]:
    """The judge after each of the first runs, worked out at once; nothing where it has to go run by run."""
    reference = model.reference
    if model.judge is None or reference is None or len(runs) < LEAST_BATCHES:
        return []
    if reference.kind is ReferenceKind.ROLLING:
        return []
    detectors = known.detectors(reference)
    if model.standing.changes:
        model.judge.forget_pairs()
    return ahead(model.judge, reference, (_seen(known, model, run, reference) for run in runs), detectors.a)


def _take(
    known: Known, model: ModelState, run: Run, after: _Hopped, out: Evaluated, quiet: Ahead | None, *, seen: bool
) -> None:
    """``quiet``: the judge after the run, where that was worked out ahead; ``seen`` as in ``_judge_window``."""
    _roll(known, model, run.first, out)
    seconds = known.windows.pane_seconds
    for version, (first, last) in run.versions.items():
        model.saw_version(version, first * seconds, (last + 1) * seconds)
    if run.names and model.reference is not None:
        for pane, row, name, times in run.names:
            channel = model.reference.channels[row].name
            model.saw_name(channel, name, pane * seconds, (pane + 1) * seconds, times)
    model.hops = after.hops
    drifting = run.first < run.number and _drifts(model)
    if quiet is None:
        _judge_run(known, model, run, out)
    elif model.judge is not None:
        model.judge.state, model.judge.waiting = quiet.state, quiet.waiting
    rolling.take(model, run, drifting=drifting or _drifts(model))
    if after.full:
        _judge_window(known, model, out, after.measured, seen=seen)


def _turns(known: Known, model: ModelState, panes: PaneBlock) -> dict[int, list[Turn]]:
    """What judge.natural says of the panes, at the place of the pane with which it is known: the same however they
    came.
    """
    out: dict[int, list[Turn]] = {}
    if model.reference is None:
        return out
    detectors = known.detectors(model.reference)
    if detectors.natural is None or detectors.limits is None:
        return out
    state = start(detectors.natural) if model.natural is None else model.natural
    runs, products, end = counted(detectors.natural, state.tick, panes, known.windows.pane_seconds)
    model.natural, verdict = step(detectors.natural, detectors.limits, state, runs, products)
    growing.saw(model, detectors.natural, verdict)
    for turn in verdict.turns:
        out.setdefault(int(np.searchsorted(end, turn.known)), []).append(turn)
    return out


def _change(known: Known, model: ModelState, pane: Run, turns: Sequence[Turn], out: Evaluated) -> None:
    """Keeps an evaluation of the changes that began, grew or ended with the pane."""
    assert model.reference is not None
    seconds = known.windows.pane_seconds
    hop = Hop(pane.number * seconds, (pane.number + 1) * seconds, pane.summary)
    detectors, rules = known.detectors(model.reference), known.rules(model.slice)
    keep(known, model, evaluate_changes(model, detectors, rules, hop, turns), out)


def _finish(known: Known, model: ModelState, out: Evaluated) -> None:
    """Judges what waits for more events: a micro-batch, a slot, a hop."""
    if model.judge is not None and model.reference is not None:
        detectors = known.detectors(model.reference)
        steps = model.judge.flush(model.reference, detectors.a, effects_of(model, detectors))
        for batch, judged in steps:
            keep(known, model, evaluate_episodes(model, detectors, known.rules(model.slice), batch, judged), out)
    if model.hops.growing is not None:
        model.hops.finish(known.windows)
        _judge_window(known, model, out)


def _judge_run(known: Known, model: ModelState, run: Run, out: Evaluated) -> None:
    """Lets the judge see panes; keeps an evaluation where an episode opened or closed."""
    reference = model.reference
    if model.judge is None or reference is None:
        return
    detectors, batch = known.detectors(reference), _seen(known, model, run, reference)
    if model.standing.changes:
        model.judge.forget_pairs()
    for part, judged in model.judge.take(reference, batch, detectors.a, effects_of(model, detectors)):
        keep(known, model, evaluate_episodes(model, detectors, known.rules(model.slice), part, judged), out)


def _seen(known: Known, model: ModelState, run: Run, reference: Reference) -> MicroBatch:
    """The run as the judge takes it. A channel that has changed moves its pairs: what they say of that time is
    nothing new.
    """
    external_since, seconds = np.full(len(reference.channels), np.nan), known.windows.pane_seconds
    paging = known.detectors(reference).paging
    for detection in run.detections:
        if (detection.detector, detection.channel) in paging:
            row = reference.rows[detection.channel]
            external_since[row] = np.fmin(external_since[row], detection.since)
    start, end = run.first * seconds, run.number * seconds + seconds
    detectors = known.detectors(reference)
    cross = None if model.standing.changes or not detectors.pairs_hold else run.cross
    summary = run.summary
    if detectors.renewed.any():  # it knows nothing of them
        counts = np.where(detectors.renewed[:, None], 0, summary.counts)
        summary = replace(summary, counts=counts)
    return MicroBatch(start, end, summary, cross, external_since)


def _judge_window(
    known: Known, model: ModelState, out: Evaluated, measured: Measured | None = None, *, seen: bool = True
) -> None:
    """``seen``: whether anybody sees the judgement before that of the next window takes its place."""
    assert model.reference is not None
    _forget_names(model)
    waiting = bool(model.muted) or any(incident.ended is None for incident in model.incidents)
    if not seen and measured is not None and not waiting:
        standing = unturned(model, known.detectors(model.reference), known.rules(model.slice), measured)
        if standing is not None:
            model.standing = standing
            return
    detectors, rules = known.detectors(model.reference), known.rules(model.slice)
    keep(known, model, evaluate_window(model, detectors, rules, measured), out)


def keep(known: Known, model: ModelState, evaluation: Evaluation | None, out: Evaluated) -> None:
    """Where the model stands now, and what was found."""
    if evaluation is None:
        return
    judgement = _muted(known, model, evaluation)
    felt = judgement.findings
    if out.whole is not None:
        judgement, felt = _covered(out.whole, model, evaluation, judgement, out.reached)
    model.standing, model.judgement = evaluation.standing, judgement
    out.judgements.append(judgement)
    if found := tuple(map(plain, judgement.findings)):
        model.told = remembered(model.told, found)
        features = sum(c.role is Role.FEATURE for c in judgement.reference.channels)
        model.incidents = folded(model.incidents, map(plain, felt), len(judgement.channel_status), features)
    if any(incident.ended is None for incident in model.incidents):
        model.incidents = settled(model.incidents, still_open(evaluation), judgement.window_end)
        model.exemplars = model.exemplars.until(out.reached)
        model.incidents = exemplified(model.incidents, model.exemplars, model.name, out.reached)
    for finding in found:
        if finding.opens_page:
            model.pages += 1
            recent = (t for t in model.paged if t > finding.window_end - MONTH_SECONDS)
            model.paged = (*recent, finding.window_end)


def _roll(known: Known, model: ModelState, number: int, out: Evaluated) -> None:
    """Where the reference rolls and a period is over: makes it the reference unless something speaks against it."""
    if model.reference is None or model.reference.kind is not ReferenceKind.ROLLING:
        model.period = None
        return
    period_seconds = known.settings(model.slice).learning.period_seconds
    rolled, turn = rolling.turn(model, number, known.windows, period_seconds)
    if turn:
        out.turns.append(turn)
    if rolled is not None:
        known.forget(model.reference)
        model.reference = rolled


def _muted(known: Known, model: ModelState, evaluation: Evaluation) -> Judgement:
    judgement, planned = _in_units(evaluation.judgement, known.settings(model.slice).units), known.maintenance(model)
    if not planned and not model.muted:
        return judgement
    holds = still_open(evaluation)
    waiting = [f for f in model.muted if f.feature is None or holds(f.feature, f.detector)]
    at = max((judgement.window_end, *(f.window_end for f in judgement.findings)))
    told, model.muted = muted(planned, waiting, judgement.findings, at)
    return replace(judgement, findings=told)


def _in_units(j: Judgement, units: Mapping[str, str]) -> Judgement:
    """With the units that somebody gave to channels."""
    if not units:
        return j
    found = tuple(replace(f, unit=units.get(f.feature or "", "")) for f in j.findings)
    return replace(j, findings=found, units=units)


def _covered(
    whole: ModelState, model: ModelState, evaluation: Evaluation, judgement: Judgement, reached: float
) -> tuple[Judgement, tuple[Finding, ...]]:
    """Without the severity of what the whole rings for; and what is part of the segment's incidents nevertheless."""
    holds = still_open(evaluation)
    waiting = [f for f in model.covered if f.feature is None or holds(f.feature, f.detector)]
    if not waiting and not judgement.findings:
        model.covered = ()
        return judgement, ()
    at = reached if isfinite(reached) else max(f.window_end for f in (*waiting, *judgement.findings))
    told, model.covered, felt = covered(whole.incidents, waiting, judgement.findings, at)
    return replace(judgement, findings=told), felt


def _drifts(model: ModelState) -> bool:
    """Whether an episode of the judge is open."""
    return model.judge is not None and bool(model.judge.state.episodes.open.any())


def _forget_names(model: ModelState) -> None:
    """Keeps the versions that answered, and the new categories that came, in what the hops remember; the most recent of
    the versions.
    """
    oldest = model.hops.done[0].start
    recent = sorted(((seen, v) for v, seen in model.versions.items() if seen > oldest), reverse=True)
    model.versions = {v: seen for seen, v in sorted(recent[:MAX_VERSIONS])}
    named = ((c, {n: came for n, came in mine.items() if came.last > oldest}) for c, mine in model.names.items())
    model.names = {channel: mine for channel, mine in named if mine}
    first = sorted(model.started.items(), key=lambda begun: (begun[1], begun[0]))[:1]  # by it the others are new
    model.started = {v: at for v, at in model.started.items() if v in model.versions} | dict(first)
