"""The model side: panes come in, windows and episodes are evaluated, findings come out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from driftd.core.event import EventBatch, TopicPartition
from driftd.core.finding import CHANGE, Judgement
from driftd.core.pane_block import PaneBlock
from driftd.core.reference import Reference, ReferenceKind
from driftd.core.slice import Slice
from driftd.core.summary import Summary
from driftd.core.text import utc
from driftd.core.units import MONTH_SECONDS
from driftd.core.window import Hop, Hops, Windows
from driftd.judge.ahead import LEAST_BATCHES, Ahead, ahead
from driftd.judge.budget import Certificate, ModelGuarantee
from driftd.judge.natural.episodes import Turn
from driftd.judge.natural.slots import Slots
from driftd.judge.natural.step import carried, refitted, start, step
from driftd.judge.natural.thresholds import TICKET_BUDGET
from driftd.judge.runtime import ModelJudge
from driftd.judge.step import MicroBatch, ended
from driftd.monitor import growing, rolling
from driftd.monitor.assignment import DetectorSet, Measured
from driftd.monitor.evaluate import (
    Evaluation,
    Rules,
    effects_of,
    evaluate_changes,
    evaluate_end,
    evaluate_episodes,
    evaluate_window,
    measure_windows,
    unturned,
)
from driftd.monitor.intake import Run, answered, counted, since, take_out, together, waiting
from driftd.monitor.settings import ModelSettings
from driftd.monitor.state import ModelState, Standing, Verdict
from driftd.monitor.timeline import ValueReader
from driftd.monitor.told import remembered
from driftd.monitor.warmup import warm_up

NEW_VERSION = "a new version starts a new reference: what was open on the one before ends"
LEARNED_ANEW = "a new reference begins: what was open on the one before ends"
MAX_VERSIONS = 100
"""Versions of a model that are remembered, the most recent; somebody may put the request's id there."""

Models = dict[Slice, ModelState]


@dataclass(slots=True)
class Evaluated:
    """What the panes of one step led to. ``turns`` says of each period of a rolling reference that ended whether it
    became the reference, and why not.
    """

    judgements: list[Judgement] = field(default_factory=list)
    turns: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Hopped:
    """A model's hops after a run of panes, whether that finished one (``full``), and what was found in its window."""

    hops: Hops
    full: bool
    measured: Measured | None = None


@dataclass(frozen=True, slots=True)
class Monitor:
    """The settings of the model side; all that changes is in the ModelStates that it is given.

    ``configured`` has the models that the user named; ``default`` is for those that are discovered. ``budget_models``
    is how many models share the false-alarm budget; ``tickets_per_month`` the budget of false tickets of each.
    ``keeps_values``: whether channels have a timeline.
    """

    windows: Windows
    default: ModelSettings
    configured: Mapping[str, ModelSettings] = field(default_factory=dict)
    false_alarms_per_month: float = 1.0
    budget_models: int = 1
    every_window: bool = False
    tickets_per_month: float = TICKET_BUDGET
    keeps_values: bool = True
    _readers: dict[tuple[str, int], ValueReader] = field(default_factory=dict)
    _detectors: dict[tuple[str, int], DetectorSet] = field(default_factory=dict)
    _guarantees: dict[tuple[str, int], ModelGuarantee | str] = field(default_factory=dict)

    def settings(self, key: Slice) -> ModelSettings:
        return self.configured.get(key.model, self.default)

    def detectors(self, reference: Reference) -> DetectorSet:
        key = reference.id, reference.version
        known = self._detectors.get(key)
        if known is None:
            settings = self.settings(Slice(reference.model))
            known = self._detectors[key] = DetectorSet.of(
                reference, settings.choose, self.false_alarms_per_month, self.budget_models, settings.effect,
                settings.asked, self.tickets_per_month, settings.sizes,
            )  # fmt: skip
        return known

    def reader(self, reference: Reference) -> ValueReader:
        """How counts on the reference's bins become values over time."""
        key = reference.id, reference.version
        known = self._readers.get(key)
        if known is None:
            natural = self.detectors(reference).natural
            known = self._readers[key] = ValueReader.of(reference, None if natural is None else natural.limits.offset)
        return known

    def hours(self, reference: Reference) -> Slots | None:
        """What is usual at each hour; None where nothing was learned of hours."""
        natural = self.detectors(reference).natural
        return None if natural is None else natural.slots

    def bins_stay(self, model: ModelState) -> bool:
        """Whether the bins of the model's reference are those that its events will always be counted on."""
        reference = model.reference
        if reference is None or model.wants_rows or self.settings(model.slice).restart:
            return False
        return reference.kind is not ReferenceKind.ROLLING

    def learn(self, model: ModelState, reached: int) -> tuple[Reference, Mapping[TopicPartition, EventBatch]] | None:
        """The model's reference once enough rows have arrived, and the rows that go back to their sources."""
        return warm_up(model, reached, self.windows.pane_seconds, self.settings(model.slice))

    def begin(self, model: ModelState) -> None:
        """Before the model's first events, and with another reference: whether it grows."""
        growing.begin(model, self.settings(model.slice))

    def due(self, model: ModelState, reached: int) -> int | None:
        """The last pane of the next stage of the model's growth, if it has come; what arrived before it is taken in."""
        growing.begin(model, self.settings(model.slice))
        pane = growing.due(model, reached, self.windows.pane_seconds)
        growing.take_rows(model, reached if pane is None else pane, self.windows.pane_seconds)
        return pane

    def grow(self, model: ModelState) -> tuple[Reference | None, Mapping[TopicPartition, EventBatch] | None]:
        """The model's reference at the stage that is due, None where it waits. With bins of its own: and the rows after
        it, which go back to their sources.
        """
        anew = model.wants_rows
        reference = growing.reach(model, self.settings(model.slice))
        return reference, growing.left(model) if anew else None

    def end_all(self, model: ModelState, pane: int, out: Evaluated, because: str = LEARNED_ANEW) -> None:
        """Before a reference that is learned anew: what is open ends, but for channels that are held."""
        self._end_all(model, pane, out, because, growing.held_rows(model))

    def _end_all(
        self, model: ModelState, pane: int, out: Evaluated, because: str, held: Sequence[int]
    ) -> Sequence[Turn]:
        reference, seconds = model.reference, self.windows.pane_seconds
        if reference is None:
            return ()
        empty = Summary.empty(reference.id, len(reference.channels), reference.width)
        hop, detectors = Hop(pane * seconds, (pane + 1) * seconds, empty), self.detectors(reference)
        turns = [] if model.natural is None else model.natural.episodes.end_all(hop.end)
        if turns := [turn for turn in turns if turn.channel not in held]:
            self._keep(model, _because(evaluate_changes(model, detectors, self._rules(), hop, turns), because), out)
        if model.judge is not None:
            batch = MicroBatch(hop.start, hop.end, empty, None, np.full(len(reference.channels), np.nan))
            judged, model.judge = ended(model.judge.state, detectors.a), ModelJudge.of(reference)
            self._keep(model, _because(evaluate_episodes(model, detectors, self._rules(), batch, judged), because), out)
        return turns

    def retire(self, model: ModelState, out: Evaluated, because: str) -> None:
        """Ends all that is open on a model that leaves. What it has learned and counted stays, what its last windows
        showed does not: when it comes back they are no news.
        """
        reference = model.reference
        if reference is None or model.taken is None:
            return
        growing.ended(model, self._end_all(model, model.taken, out, because, ()))
        self._keep(model, _because(evaluate_end(model, self.detectors(reference), self._rules()), because), out)
        model.hops, model.natural, model.judgement, model.pending = Hops(), None, None, {}
        model.standing = Standing(since=np.full(len(reference.channels), np.nan))

    def adopt(self, models: Models, key: Slice, reference: Reference, *, anew: bool = False) -> None:
        """Makes ``reference`` the slice's from here on; what was judged on another reference's bins, or before it was
        learned ``anew``, is dropped.
        """
        model = models.setdefault(key, ModelState(key))
        if model.reference is not None and (anew or model.reference.id != reference.id):
            held = growing.held_rows(model) if anew else []
            model = models[key] = self._anew(model, model.reference, reference, held)
        elif model.reference is not None:
            self._refit(model, model.reference, reference)
        if model.reference is None:
            model.standing = replace(model.standing, since=np.full(len(reference.channels), np.nan))
        if model.judge is None and growing.judges(reference):
            model.judge = ModelJudge.of(reference)
        model.reference = reference
        # held for a reference that is not needed any more
        model.rows, model.learned, model.arrived, model.through, model.recent = [], 0, {}, {}, []

    def _anew(self, model: ModelState, before: Reference, after: Reference, held: Sequence[int]) -> ModelState:
        """The state on a reference with bins of its own: of channels that are ``held`` what is open stays."""
        self._close_timeline(model)
        out = model.afresh(growth=model.growth)
        rows = {row: after.rows[before.channels[row].name] for row in held if before.channels[row].name in after.rows}
        known = self.detectors(before).natural
        if rows and known is not None and model.natural is not None:
            anew = self.detectors(after).natural
            assert anew is not None
            out.natural = carried(model.natural, known, anew, rows)
            out.standing = _standing(model.standing, rows, len(after.channels))
        self.forget(before)
        return out

    def _close_timeline(self, model: ModelState) -> None:
        """Before it gets other bins."""
        if model.reference is not None:
            model.timeline = model.timeline.closed(self.reader(model.reference))

    def _refit(self, model: ModelState, before: Reference, after: Reference) -> None:
        """Natural variation was learned anew on the same bins: what it has seen stays, but the judge begins anew."""
        known, anew = self.detectors(before).natural, self.detectors(after).natural
        if model.natural is not None and known is not None and anew is not None:
            model.natural = refitted(model.natural, known, anew)
        if model.judge is not None:
            model.judge.forget()
        self.forget(before)

    def restart(self, models: Models, key: Slice, out: Evaluated) -> str | None:
        """Lets the model learn anew if a new version answers alone and the user wants a reference of its own; says so.
        Its events of the last two hops are learned from, and what was found until then stands.
        """
        model = models[key]
        if not self.settings(key).restart:
            model.recent = []
            return None
        version = model.successor()
        if version is None:
            model.recent = since(model.recent, model.hops.begin(2), self.windows.pane_seconds)
            return None
        assert model.taken is not None
        model.growth = None  # nothing is held
        self.end_all(model, model.taken, out, NEW_VERSION)
        first = model.started[version]
        self._close_timeline(model)
        models[key] = after = model.afresh(through=model.through)
        for message in since(model.recent, model.hops.begin(2), self.windows.pane_seconds):
            rows = answered(message, version, model.hops.begin(2), model.taken, self.windows.pane_seconds)
            if len(rows.rows):
                after.arrived.setdefault(message.source, []).append(rows)
        return f"{key.model}: version {version} answers alone: a new reference is learned from {utc(first)} on"

    def stops(self, model: ModelState, pane: int) -> list[int]:
        """The panes up to ``pane`` after which it is asked whether a new version answers alone: those that end a hop;
        and ``pane`` itself.
        """
        if not self.settings(model.slice).restart or model.reference is None:
            return [pane]
        numbers, events = waiting(model, pane)
        return [*(int(numbers[i]) for i in model.hops.finished_by(numbers, events, self.windows)), pane]

    def settle(self, model: ModelState, reached: int, out: Evaluated, *, end: bool = False) -> None:
        """Evaluates the model's panes up to ``reached`` that came in, in order; ``end``: nothing will follow."""
        panes = take_out(model, reached)
        if panes is not None and model.reference is not None and self.keeps_values:
            reader = self.reader(model.reference)
            model.timeline = model.timeline.take(panes, reader, self.windows.pane_seconds)
        if panes is not None:
            turns = self._turns(model, panes)
            cuts = self._cuts(model, panes, turns)
            runs, turning = [*together(panes, cuts)], [behind - 1 in turns for behind in cuts[1:]]
            quiet, tried, hops = deque[Ahead](), 0, self._hops(model, runs)
            shown = max((at for at, after in enumerate(hops) if after.measured is not None), default=-1)
            for at, (run, after, behind) in enumerate(zip(runs, hops, cuts[1:], strict=True)):
                if not quiet and at >= tried:
                    until = turning.index(True, at) + 1 if True in turning[at:] else len(runs)
                    quiet.extend(self._ahead(model, runs[at:until]))
                    tried = at + (len(quiet) or LEAST_BATCHES)  # not again with each run
                now = quiet.popleft() if quiet else None
                self._take(model, run, after, out, now, seen=at >= shown)
                if behind - 1 in turns:
                    self._change(model, run, turns[behind - 1], out)
        if end:
            self._finish(model, out)

    def judgement(self, model: ModelState) -> Judgement | None:
        """How the model stands, evaluated from its state alone (a checkpoint holds no judgement): nothing is found."""
        if model.reference is None or not model.hops.done:
            return None
        evaluation = evaluate_window(model, self.detectors(model.reference), self._rules())
        return replace(evaluation.judgement, findings=())

    def guarantee(self, reference: Reference) -> ModelGuarantee | str:
        """One model's part of the certificate; its name where its reference was made of counts alone."""
        key = reference.id, reference.version
        known = self._guarantees.get(key)
        if known is None:
            known = self._guarantees[key] = self.detectors(reference).cover(reference)
        return known

    def certificate(self, references: Iterable[Reference]) -> Certificate:
        """What is promised about pages of the models with these references."""
        return Certificate.of(self.false_alarms_per_month, self.budget_models, map(self.guarantee, references))

    def learning_ratio(self, model: ModelState) -> float:
        """How far the model's reference is, 0 to 1."""
        if model.reference is not None:
            return 1.0
        settings = self.settings(model.slice)
        if settings.grow_seconds is not None:
            return growing.ratio(model)
        if settings.learn_seconds is None:
            return min(1.0, model.learned / settings.learn_events)
        last = max((float(rows.times.max()) for rows in model.rows), default=0.0)
        first = min((float(rows.times.min()) for rows in model.rows), default=last)
        return min(1.0, (last - first) / settings.learn_seconds)

    def _cuts(self, model: ModelState, panes: PaneBlock, turns: Iterable[int]) -> list[int]:
        """Where the panes are cut so that each part can be taken in as one: nothing but its last pane completes
        anything, and a pane at a place with ``turns`` is alone.
        """
        cuts = {0, len(panes)}
        cuts.update(place + 1 for place in model.hops.finished_by(panes.numbers, panes.events, self.windows))
        for place in turns:
            cuts |= {place, place + 1}
        if model.reference is not None:
            cuts |= self._referred(model, model.reference, panes)
        return sorted(cuts)

    def _referred(self, model: ModelState, reference: Reference, panes: PaneBlock) -> set[int]:
        """Cuts where the judge, or the period of a rolling reference, completes something."""
        cuts: set[int] = set()
        if model.judge is not None:
            starts = panes.numbers.astype(np.float64) * self.windows.pane_seconds
            cuts.update(place + 1 for place in model.judge.completed_by(reference, starts, panes.events))
        if reference.kind is ReferenceKind.ROLLING:
            period_seconds = self.settings(model.slice).learning.period_seconds
            cuts.update(rolling.ended_by(panes.numbers.tolist(), self.windows, period_seconds))
        return cuts

    def _hops(self, model: ModelState, runs: Sequence[Run]) -> list[_Hopped]:
        """The model's hops after each run. What detectors find in a window depends on no window before it, so all that
        are compared with the same reference are measured as one.
        """
        hops, out = model.hops, list[_Hopped]()
        for run in runs:
            hops = hops.copy()
            full = hops.add(run.number, run.summary, run.detections, self.windows, run.first)
            out.append(_Hopped(hops, full))
        reference, whole = model.reference, [after for after in out if after.full and after.hops.enough(self.windows)]
        if whole and reference is not None and reference.kind is ReferenceKind.FIXED:
            windows = [window for after in whole if (window := after.hops.window(self.windows)) is not None]
            found = measure_windows(
                reference, windows, self.detectors(reference), self._rules(), model.standing.verdicts
            )
            for after, measured in zip(whole, found, strict=True):
                after.measured = measured
        return out

    def _ahead(self, model: ModelState, runs: Sequence[Run]) -> list[Ahead]:
        """The judge after each of the first runs, worked out at once; nothing where it has to go run by run."""
        reference = model.reference
        if model.judge is None or reference is None or len(runs) < LEAST_BATCHES:
            return []
        if reference.kind is ReferenceKind.ROLLING:
            return []
        detectors = self.detectors(reference)
        if model.standing.changes:
            model.judge.forget_pairs()
        return ahead(model.judge, reference, (self._seen(model, run, reference) for run in runs), detectors.a)

    def _take(
        self, model: ModelState, run: Run, after: _Hopped, out: Evaluated, quiet: Ahead | None, *, seen: bool
    ) -> None:
        """``quiet``: the judge after the run, where that was worked out ahead; ``seen`` as in ``_judge_window``."""
        self._roll(model, run.first, out)
        seconds = self.windows.pane_seconds
        for version, (first, last) in run.versions.items():
            model.saw_version(version, first * seconds, (last + 1) * seconds)
        model.hops = after.hops
        drifting = run.first < run.number and _drifts(model)
        if quiet is None:
            self._judge_run(model, run, out)
        elif model.judge is not None:
            model.judge.state, model.judge.waiting = quiet.state, quiet.waiting
        rolling.take(model, run, drifting=drifting or _drifts(model))
        if after.full:
            self._judge_window(model, out, after.measured, seen=seen)

    def _turns(self, model: ModelState, panes: PaneBlock) -> dict[int, list[Turn]]:
        """What judge.natural says of the panes, at the place of the pane with which it is known: the same however they
        came.
        """
        out: dict[int, list[Turn]] = {}
        if model.reference is None:
            return out
        detectors = self.detectors(model.reference)
        if detectors.natural is None or detectors.limits is None:
            return out
        state = start(detectors.natural) if model.natural is None else model.natural
        runs, products, end = counted(detectors.natural, state.tick, panes, self.windows.pane_seconds)
        model.natural, verdict = step(detectors.natural, detectors.limits, state, runs, products)
        growing.saw(model, detectors.natural, verdict)
        for turn in verdict.turns:
            out.setdefault(int(np.searchsorted(end, turn.known)), []).append(turn)
        return out

    def _change(self, model: ModelState, pane: Run, turns: Sequence[Turn], out: Evaluated) -> None:
        """Keeps an evaluation of the changes that began, grew or ended with the pane."""
        assert model.reference is not None
        seconds = self.windows.pane_seconds
        hop = Hop(pane.number * seconds, (pane.number + 1) * seconds, pane.summary)
        self._keep(model, evaluate_changes(model, self.detectors(model.reference), self._rules(), hop, turns), out)

    def _finish(self, model: ModelState, out: Evaluated) -> None:
        """Judges what waits for more events: a micro-batch, a slot, a hop."""
        if model.judge is not None and model.reference is not None:
            detectors = self.detectors(model.reference)
            steps = model.judge.flush(model.reference, detectors.a, effects_of(model, detectors))
            for batch, judged in steps:
                self._keep(model, evaluate_episodes(model, detectors, self._rules(), batch, judged), out)
        if model.hops.growing is not None:
            model.hops.finish(self.windows)
            self._judge_window(model, out)

    def _judge_run(self, model: ModelState, run: Run, out: Evaluated) -> None:
        """Lets the judge see panes; keeps an evaluation where an episode opened or closed."""
        reference = model.reference
        if model.judge is None or reference is None:
            return
        detectors, batch = self.detectors(reference), self._seen(model, run, reference)
        if model.standing.changes:
            model.judge.forget_pairs()
        for part, judged in model.judge.take(reference, batch, detectors.a, effects_of(model, detectors)):
            self._keep(model, evaluate_episodes(model, detectors, self._rules(), part, judged), out)

    def _seen(self, model: ModelState, run: Run, reference: Reference) -> MicroBatch:
        """The run as the judge takes it. A channel that has changed moves its pairs: what they say of that time is
        nothing new.
        """
        external_since, seconds = np.full(len(reference.channels), np.nan), self.windows.pane_seconds
        paging = self.detectors(reference).paging
        for detection in run.detections:
            if (detection.detector, detection.channel) in paging:
                row = reference.rows[detection.channel]
                external_since[row] = np.fmin(external_since[row], detection.since)
        start, end = run.first * seconds, run.number * seconds + seconds
        cross = None if model.standing.changes else run.cross
        return MicroBatch(start, end, run.summary, cross, external_since)

    def _judge_window(
        self, model: ModelState, out: Evaluated, measured: Measured | None = None, *, seen: bool = True
    ) -> None:
        """``seen``: whether anybody sees the judgement before that of the next window takes its place."""
        assert model.reference is not None
        _forget_versions(model)
        if not seen and measured is not None:
            standing = unturned(model, self.detectors(model.reference), self._rules(), measured)
            if standing is not None:
                model.standing = standing
                return
        self._keep(model, evaluate_window(model, self.detectors(model.reference), self._rules(), measured), out)

    def _keep(self, model: ModelState, evaluation: Evaluation | None, out: Evaluated) -> None:
        if evaluation is None:
            return
        model.standing, model.judgement = evaluation.standing, evaluation.judgement
        out.judgements.append(evaluation.judgement)
        if found := evaluation.judgement.findings:
            model.told = remembered(model.told, found)
        for finding in found:
            if finding.opens_page:
                model.pages += 1
                recent = (t for t in model.paged if t > finding.window_end - MONTH_SECONDS)
                model.paged = (*recent, finding.window_end)

    def _roll(self, model: ModelState, number: int, out: Evaluated) -> None:
        """Where the reference rolls and a period is over: makes it the reference unless something speaks against it."""
        if model.reference is None or model.reference.kind is not ReferenceKind.ROLLING:
            model.period = None
            return
        period_seconds = self.settings(model.slice).learning.period_seconds
        rolled, turn = rolling.turn(model, number, self.windows, period_seconds)
        if turn:
            out.turns.append(turn)
        if rolled is not None:
            self.forget(model.reference)
            model.reference = rolled

    def forget(self, reference: Reference) -> None:
        """Lets go of what is derived from a reference that is used no more."""
        key = reference.id, reference.version
        self._detectors.pop(key, None)
        self._readers.pop(key, None)
        self._guarantees.pop(key, None)

    def _rules(self) -> Rules:
        return Rules(self.windows, self.false_alarms_per_month, self.budget_models, self.every_window)


def _because(evaluation: Evaluation | None, because: str) -> Evaluation | None:
    """With other words in its findings."""
    if evaluation is None:
        return None
    found = tuple(replace(f, because=because) for f in evaluation.judgement.findings)
    return replace(evaluation, judgement=replace(evaluation.judgement, findings=found))


def _standing(before: Standing, rows: Mapping[int, int], channels: int) -> Standing:
    """That of the channels that are held, with their ``rows`` in another reference of so many channels."""
    verdicts = {}
    if CHANGE in before.verdicts:
        old, status, detections = before.verdicts[CHANGE], np.zeros(channels, np.int8), np.zeros(channels, np.int64)
        status[[*rows.values()]] = old.status[[*rows]]
        detections[[*rows.values()]] = old.detections[[*rows]]
        verdicts = {CHANGE: Verdict(status, detections)}
    changes = sorted(
        (replace(c, row=rows[c.row]) for c in before.changes if c.row in rows), key=lambda change: change.row
    )
    return Standing(before.status, verdicts, named=before.named, changes=tuple(changes))


def _drifts(model: ModelState) -> bool:
    """Whether an episode of the judge is open."""
    return model.judge is not None and bool(model.judge.state.episodes.open.any())


def _forget_versions(model: ModelState) -> None:
    """Keeps the versions that answered in what the hops remember, the most recent of them."""
    oldest = model.hops.done[0].start
    recent = sorted(((seen, v) for v, seen in model.versions.items() if seen > oldest), reverse=True)
    model.versions = {v: seen for seen, v in sorted(recent[:MAX_VERSIONS])}
    first = sorted(model.started.items(), key=lambda begun: begun[1])[:1]  # by it the others are new
    model.started = {v: at for v, at in model.started.items() if v in model.versions} | dict(first)
