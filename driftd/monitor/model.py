"""The model side: panes come in, windows and episodes are evaluated, findings come out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from driftd.core.act import Act, windows
from driftd.core.event import EventBatch, TopicPartition
from driftd.core.experiment import Rule
from driftd.core.finding import CHANGE, Judgement
from driftd.core.quality.scoring import Scoring
from driftd.core.reference import Reference, ReferenceKind
from driftd.core.slice import Slice
from driftd.core.summary import Summary
from driftd.core.text import utc
from driftd.core.window import Hop, Hops, Windows
from driftd.judge.budget import Certificate, ModelGuarantee
from driftd.judge.natural.episodes import Turn
from driftd.judge.natural.graft import regrafted
from driftd.judge.natural.slots import Slots
from driftd.judge.natural.step import carried, refitted
from driftd.judge.natural.thresholds import TICKET_BUDGET
from driftd.judge.runtime import ModelJudge
from driftd.judge.step import MicroBatch, ended, ended_of
from driftd.monitor import growing, regrowth, renewal
from driftd.monitor.assignment import DetectorSet
from driftd.monitor.compose import Evaluation, Rules
from driftd.monitor.evaluate import evaluate_changes, evaluate_end, evaluate_episodes, evaluate_window
from driftd.monitor.intake import answered, since, waiting
from driftd.monitor.segments import as_whole
from driftd.monitor.settings import ModelSettings
from driftd.monitor.settle import Evaluated, keep, settle
from driftd.monitor.sizes import Sizer
from driftd.monitor.state import ModelState, Standing, Verdict
from driftd.monitor.timeline import ValueReader
from driftd.monitor.warmup import warm_up

NEW_VERSION = "a new version starts a new reference: what was open on the one before ends"
LEARNED_ANEW = "a new reference begins: what was open on the one before ends"

Models = dict[Slice, ModelState]


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
    experiments: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    _parts: dict[str, ModelSettings] = field(default_factory=dict)
    _readers: dict[tuple[str, int], ValueReader] = field(default_factory=dict)
    _detectors: dict[tuple[str, int], DetectorSet] = field(default_factory=dict)
    _scorings: dict[tuple[str, int], Scoring | None] = field(default_factory=dict)
    _guarantees: dict[tuple[str, int], ModelGuarantee | str] = field(default_factory=dict)

    def settings(self, key: Slice) -> ModelSettings:
        known = self.configured.get(key.model)
        if known is None and key.part:
            known = self._parts.get(key.model)
            if known is None:
                whole = self.settings(Slice(key.whole))
                known = self._parts[key.model] = whole.of_segment if key.within else whole.of_part
        return self.default if known is None else known

    def experiments_of(self, key: Slice) -> tuple[Rule, ...]:
        """The rules of the experiments of a model, or of its joined labels; its segments have none."""
        if key.within:
            return ()
        whole = self.experiments.get(key.whole, ())
        return tuple(part for rule in whole if (part := rule.of_labels) is not None) if key.part and whole else whole

    def detectors(self, reference: Reference) -> DetectorSet:
        key = reference.id, reference.version
        known = self._detectors.get(key)
        if known is None:
            settings = self.settings(Slice(reference.model))
            known = self._detectors[key] = DetectorSet.of(
                reference, settings.choose, self.false_alarms_per_month, self.budget_models, settings.effect,
                settings.asked, self.tickets_per_month, settings.sizes, settings.share,
            )  # fmt: skip
        return known

    def reader(self, reference: Reference) -> ValueReader:
        """How counts on the reference's bins become values over time."""
        key = reference.id, reference.version
        known = self._readers.get(key)
        if known is None:
            natural, limits = self.detectors(reference).natural, self.detectors(reference).limits
            sizer = None if natural is None or limits is None else Sizer(natural, limits)
            objective = self.settings(Slice(reference.model)).objective
            known = self._readers[key] = ValueReader.of(reference, sizer, objective)
        return known

    def scoring(self, reference: Reference) -> Scoring | None:
        """How events with a label are counted."""
        key = reference.id, reference.version
        if key not in self._scorings:
            self._scorings[key] = Scoring.of(reference.learned)
        return self._scorings[key]

    def hours(self, reference: Reference) -> Slots | None:
        """What is usual at each hour; None where nothing was learned of hours."""
        natural = self.detectors(reference).natural
        return None if natural is None else natural.slots

    def bins_stay(self, model: ModelState) -> bool:
        """Whether the bins of the model's reference are those that its events will always be counted on."""
        reference = model.reference
        if reference is None or model.holds_rows or self.settings(model.slice).restart:
            return False
        return reference.kind is not ReferenceKind.ROLLING

    def learn(
        self, models: Models, model: ModelState, reached: int
    ) -> tuple[Reference, Mapping[TopicPartition, EventBatch]] | None:
        """The model's reference once enough rows have arrived, and the rows that go back to their sources."""
        return warm_up(model, reached, self.windows.pane_seconds, self._learning(models, model))

    def may_learn(self, models: Models, key: Slice) -> bool:
        """A segment's channels are what the whole's are, so it waits for these."""
        return not key.within or ((whole := models.get(Slice(key.whole))) is not None and whole.reference is not None)

    def _learning(self, models: Models, model: ModelState) -> ModelSettings:
        """How the model learns: a segment takes from the whole what its channels are."""
        settings, key = self.settings(model.slice), model.slice
        whole = models.get(Slice(key.whole)) if key.within else None
        return settings if whole is None or whole.reference is None else as_whole(settings, whole.reference)

    def begin(self, model: ModelState) -> None:
        """Before the model's first events, and with another reference: whether it grows."""
        growing.begin(model, self.settings(model.slice))

    def due(self, model: ModelState, reached: int) -> int | None:
        """The last pane of the next stage of the model's growth, if it has come; what arrived before it is taken in."""
        seconds = self.windows.pane_seconds
        growing.begin(model, self.settings(model.slice))
        regrowth.begin(model, seconds)
        ways = growing.due(model, reached, seconds), regrowth.due(model, reached, seconds)
        pane = min((last for last in ways if last is not None), default=None)
        for source, taken in growing.take_rows(model, reached if pane is None else pane, seconds):
            regrowth.add(model, taken.rows, taken.panes, source[1])
        return pane

    def regrown(self, model: ModelState, pane: int) -> tuple[Reference, Sequence[int]] | None:
        """With the stage that ends with ``pane``: the model's reference with channels that were learned anew beside the
        others, and their rows, none where they wait. None where no such stage ends.
        """
        seconds = self.windows.pane_seconds
        last = regrowth.due(model, pane, seconds)
        if last is None or model.reference is None:
            return None
        reference, names = regrowth.reach(model, pane, self.settings(model.slice), seconds)
        return reference, [reference.rows[name] for name in names]

    def grow(
        self, models: Models, model: ModelState
    ) -> tuple[Reference | None, Mapping[TopicPartition, EventBatch] | None, str]:
        """The model's reference at the stage that is due, None where it waits. With bins of its own: and the rows after
        it, which go back to their sources. And why what is open ends with it.
        """
        anew = model.wants_rows
        reference, because = growing.reach(model, self._learning(models, model))
        return reference, growing.left(model) if anew else None, because or LEARNED_ANEW

    def end_all(self, model: ModelState, pane: int, out: Evaluated, because: str) -> None:
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
        turns = self._end_changes(model, pane, out, because, held)
        if model.judge is not None:
            batch = MicroBatch(hop.start, hop.end, empty, None, np.full(len(reference.channels), np.nan))
            judged, model.judge = ended(model.judge.state, detectors.a), ModelJudge.of(reference)
            keep(
                self,
                model,
                _because(evaluate_episodes(model, detectors, self.rules(model.slice), batch, judged), because),
                out,
            )
        return turns

    def _end_changes(
        self, model: ModelState, pane: int, out: Evaluated, because: str, held: Sequence[int]
    ) -> Sequence[Turn]:
        """What natural variation holds open ends, but for the channels that are held."""
        reference, seconds = model.reference, self.windows.pane_seconds
        if reference is None or model.natural is None:
            return ()
        empty = Summary.empty(reference.id, len(reference.channels), reference.width)
        hop = Hop(pane * seconds, (pane + 1) * seconds, empty)
        turns = [turn for turn in model.natural.episodes.end_all(hop.end) if turn.channel not in held]
        if turns:
            found = evaluate_changes(model, self.detectors(reference), self.rules(model.slice), hop, turns)
            keep(self, model, _because(found, because), out)
        return turns

    def retire(self, model: ModelState, out: Evaluated, because: str) -> None:
        """Ends all that is open on a model that leaves. What it has learned and counted stays, what its last windows
        showed does not: when it comes back they are no news.
        """
        reference = model.reference
        if reference is None or model.taken is None:
            return
        self._end_open(model, reference, out, because)
        model.hops, model.natural, model.judgement, model.pending = Hops(), None, None, {}
        model.standing = Standing(since=np.full(len(reference.channels), np.nan))

    def _end_open(self, model: ModelState, reference: Reference, out: Evaluated, because: str) -> None:
        """All that is open ends, tickets of windows too."""
        assert model.taken is not None
        growing.ended(model, self._end_all(model, model.taken, out, because, ()))
        keep(
            self, model, _because(evaluate_end(model, self.detectors(reference), self.rules(model.slice)), because), out
        )

    def rebaseline(self, models: Models, act: Act, out: Evaluated) -> None:
        """Lets a model with a reference learn anew: from those of its events since ``act.start`` that are kept, and
        from what comes. What is open ends.
        """
        key = Slice(act.model)
        model = models[key]
        assert model.reference is not None
        assert model.taken is not None
        now = (model.taken + 1) * self.windows.pane_seconds
        growth = renewal.again(model, act, now)
        self._end_open(model, model.reference, out, act.by)
        self._close_timeline(model)
        self.forget(model.reference)
        models[key] = model.afresh(growth, model.through)

    def renew(self, model: ModelState, act: Act, begun: float, out: Evaluated) -> Reference:
        """Lets channels of a model whose events are not kept learn anew beside the others, from ``begun`` on: what is
        open on them ends. The model's reference that says so.
        """
        assert model.reference is not None
        rows = [model.reference.rows[name] for name in act.channels]
        self._end_rows(model, model.reference, out, act.by, rows)
        if model.growth is not None:
            held = tuple(name for name in model.growth.held if name not in act.channels)
            model.growth = replace(model.growth, held=held)
        reference = regrowth.started(model, act, begun)
        self.graft(model, reference, rows)
        return reference

    def _end_rows(
        self, model: ModelState, reference: Reference, out: Evaluated, because: str, rows: Sequence[int]
    ) -> None:
        """What is open on some channels ends, and on relations that rest on them."""
        assert model.taken is not None
        detectors, rules = self.detectors(reference), self.rules(model.slice)
        model.judgement = self.judgement(model) if model.judgement is None else model.judgement
        others = [row for row in range(len(reference.channels)) if row not in rows]
        self._end_changes(model, model.taken, out, because, others)
        if model.judge is not None:
            seconds, empty = self.windows.pane_seconds, Summary.empty(reference.id, len(reference.channels), 1)
            pairs = np.isin(model.judge.learned.pairs.rows, [*rows]).any()
            mine = [*rows, *([len(reference.channels)] if pairs else [])]
            judged, model.judge.state = ended_of(model.judge.state, detectors.a, mine)
            start = model.taken * seconds
            batch = MicroBatch(start, start + seconds, empty, None, np.full(len(reference.channels), np.nan))
            keep(self, model, _because(evaluate_episodes(model, detectors, rules, batch, judged), because), out)
        keep(self, model, _because(evaluate_end(model, detectors, rules, rows), because), out)

    def graft(self, model: ModelState, reference: Reference, rows: Sequence[int]) -> None:
        """Goes on with a reference that differs in the channels ``rows`` alone: these begin anew, the others do not
        notice. Panes that wait are not on its bins yet.
        """
        before = model.reference
        assert before is not None
        known, anew = self.detectors(before).natural, self.detectors(reference).natural
        if model.natural is not None and known is not None and anew is not None:
            model.natural = regrafted(model.natural, known, anew, rows)
        model.hops = model.hops.changed(lambda summary: summary.without(rows, reference.id))
        if model.judge is not None:
            model.judge.leave(rows, reference.id)
        places = () if anew is None else [p for p, row in enumerate(anew.scores.rows.tolist()) if row in rows]
        model.timeline = model.timeline.regrafted(
            self.reader(reference), lambda block: block.with_rows(rows, places, reference.id, None)
        )
        model.standing = _without(model.standing, rows)
        model.names = {name: came for name, came in model.names.items() if reference.rows[name] not in rows}
        model.reference = reference
        self.forget(before)

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
        settle(self, model, reached, out, end=end)

    def maintenance(self, model: ModelState) -> tuple[Act, ...]:
        """The model's maintenance windows, planned in the configuration or made by somebody."""
        return windows((*self.settings(model.slice).maintenance, *model.acts))

    def judgement(self, model: ModelState) -> Judgement | None:
        """How the model stands, evaluated from its state alone (a checkpoint holds no judgement): nothing is found."""
        if model.reference is None or not model.hops.done:
            return None
        evaluation = evaluate_window(model, self.detectors(model.reference), self.rules(model.slice))
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

    def forget(self, reference: Reference) -> None:
        """Lets go of what is derived from a reference that is used no more."""
        key = reference.id, reference.version
        self._detectors.pop(key, None)
        self._readers.pop(key, None)
        self._guarantees.pop(key, None)
        self._scorings.pop(key, None)

    def rules(self, key: Slice) -> Rules:
        budget = self.false_alarms_per_month * self.settings(key).share
        return Rules(self.windows, budget, self.budget_models, self.every_window)


def _because(evaluation: Evaluation | None, because: str) -> Evaluation | None:
    """With other words in its findings: what ends so ends for a reason that no value shows."""
    if evaluation is None:
        return None
    found = tuple(replace(f, because=because, detail=because) for f in evaluation.judgement.findings)
    return replace(evaluation, judgement=replace(evaluation.judgement, findings=found))


def _without(standing: Standing, rows: Sequence[int]) -> Standing:
    """Where the model stands, with nothing of the channels ``rows``."""
    mine, verdicts = [*rows], {}
    for kind, verdict in standing.verdicts.items():
        status = verdict.status.copy()
        status[mine] = 0
        verdicts[kind] = Verdict(status, verdict.detections)
    flags = {}
    for name, nothing in (("since", np.nan), ("suspected", False), ("gross", False)):
        values = getattr(standing, name).copy()
        if len(values):
            values[mine] = nothing
        flags[name] = values
    changes = tuple(change for change in standing.changes if change.row not in mine)
    return replace(standing, verdicts=verdicts, changes=changes, **flags)


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
