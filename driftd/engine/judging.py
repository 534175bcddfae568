"""The model side's part of a step, slice by slice: takes in what is closed, learns, evaluates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from driftd.core.act import Act
from driftd.core.event import EventBatch, TopicPartition
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.core.values import present
from driftd.engine.slices import Slices
from driftd.engine.state import FirstRefused, Outcome, State
from driftd.ingest.state import Stream
from driftd.monitor import experiments as trying
from driftd.monitor import renewal
from driftd.monitor.model import Monitor
from driftd.monitor.settle import Evaluated


@dataclass(slots=True)
class _Step:
    """What a settle has led to so far; the fields as in Outcome."""

    evaluated: Evaluated = field(default_factory=Evaluated)
    learned: list[Reference] = field(default_factory=list)
    refused: list[FirstRefused] = field(default_factory=list)
    unwatched: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, state: State, key: Slice) -> _Step:
        """Of one slice; a segment is judged beside its whole."""
        return cls(Evaluated(whole=state.models.get(Slice(key.whole)) if key.within else None))

    def outcome(self, state: State) -> Outcome:
        """Its findings are counted."""
        judgements = tuple(self.evaluated.judgements)
        findings = tuple(f for j in judgements for f in j.findings)
        state.findings += len(findings)
        told = tuple(self.evaluated.turns), tuple(self.refused), tuple(self.unwatched)
        return Outcome(findings, judgements, tuple(self.learned), *told)


@dataclass(slots=True)
class Judging:
    """Evaluates the closed panes of a slice, and learns from them."""

    slices: Slices

    @property
    def monitor(self) -> Monitor:
        return self.slices.monitor

    def close(self, state: State, reached: int, key: Slice, *, end: bool = False) -> Iterator[Outcome]:
        """Evaluates the panes up to ``reached``; what came of each stage of a reference that grows."""
        step = _Step.of(state, key)
        touched = self.slices.exchange(state, reached, key)
        while touched:
            self._learn(state, reached, key, step)
            while self._grow(state, reached, key, step):
                yield step.outcome(state)
                step = _Step.of(state, key)
            touched = self._evaluate(state, reached, key, step)
        if end:
            self.monitor.settle(state.models[key], reached, step.evaluated, end=True)
        trying.settle(state.models[key], self.slices.rules(key), reached, self.monitor.windows.pane_seconds)
        yield step.outcome(state)

    def retire(self, state: State, key: Slice, because: str) -> Outcome:
        """Takes a model off all pages: what is open on it ends, and its state stays but for the last open panes."""
        model, step = state.models[key], _Step.of(state, key)
        self.monitor.retire(model, step.evaluated, because)
        for mine in state.partitions.values():
            stream = mine.streams.get(key)
            if stream is not None and model.reference is not None:
                mine.streams[key] = Stream(counters=stream.counters)
        model.retired, model.configured = True, key.model in self.monitor.configured
        return step.outcome(state)

    def rebaseline(self, state: State, act: Act) -> Outcome:
        """What came since ``act.start`` is the new normal, of the model or of channels of it. Between two settles.

        Raises ActRefused where that cannot be.
        """
        key = Slice(act.model)
        step = _Step.of(state, key)
        model, seconds = state.models[key], self.monitor.windows.pane_seconds
        renewal.require_renewable(model, act, self.monitor.settings(key), self.slices.counted(state, key))
        if act.channels and model.wants_rows:
            renewal.renew(model, act, seconds)
        elif act.channels:
            begun = self.slices.counted(state, key)
            begun = begun if act.start is None else max(act.start, begun)
            step.learned.append(self.monitor.renew(model, act, begun, step.evaluated))
        else:
            self.monitor.rebaseline(state.models, act, step.evaluated)
            self.slices.hold_rows(state, key)
        return step.outcome(state)

    def _evaluate(self, state: State, pane: int, key: Slice, step: _Step) -> bool:
        """Evaluates the panes up to ``pane``; whether the model learns anew on the way, for a new version."""
        for stop in self.monitor.stops(state.models[key], pane):
            self.monitor.settle(state.models[key], stop, step.evaluated)
            if self._restart(state, key, step.evaluated):
                return True
        return False

    def _restart(self, state: State, key: Slice, out: Evaluated) -> bool:
        """Lets a model whose new version answers alone learn anew; events in open panes wait for its reference."""
        told = self.monitor.restart(state.models, key, out)
        if told is None:
            return False
        out.turns.append(told)
        self.slices.hold_rows(state, key)
        return True

    def _learn(self, state: State, reached: int, key: Slice, step: _Step) -> None:
        """Gives the model its reference if there is enough to learn from now."""
        model = state.models[key]
        learns = model.reference is None and self.monitor.settings(key).grow_seconds is None
        learns = learns and self.monitor.may_learn(state.models, key)
        found = self.monitor.learn(state.models, model, reached) if learns else None
        if found is not None:
            self._adopt_anew(state, reached, key, *found, step)

    def _grow(self, state: State, reached: int, key: Slice, step: _Step) -> bool:
        """As ``_learn``, of a reference that grows: the next stage, if one is due. Panes up to it are evaluated on the
        reference before it.
        """
        pane = self.monitor.due(state.models[key], reached) if self.monitor.may_learn(state.models, key) else None
        if pane is None:
            return False
        model = state.models[key]
        if model.reference is not None and self._evaluate(state, pane, key, step):
            return True
        if (regrown := self.monitor.regrown(model, pane)) is not None:
            grafted, rows = regrown
            if rows:
                self.slices.graft(state, key, grafted, rows)
                step.learned.append(grafted)
            return True
        reference, left, because = self.monitor.grow(state.models, model)
        if reference is not None and left is not None:
            self.monitor.end_all(model, pane, step.evaluated, because)
            self._adopt_anew(state, reached, key, reference, left, step)
        elif reference is not None:
            self.monitor.adopt(state.models, key, reference)
            step.learned.append(reference)
        return True

    def _adopt_anew(
        self,
        state: State,
        reached: int,
        key: Slice,
        reference: Reference,
        left: Mapping[TopicPartition, EventBatch],
        step: _Step,
    ) -> None:
        """Goes on with a reference that was just learned; the rows ``left`` over by it are counted on its bins."""
        waiting = [rows for p in state.partitions.values() if key in p.streams for rows in p.streams[key].rows]
        step.refused += self.slices.adopt(state, key, reference, left)
        if not state.models[key].wants_rows:  # else they join at the next stage
            later = _without_channel(reference, (*left.values(), *waiting))
            step.unwatched += [(key.model, feature) for feature in later]
        self.slices.exchange(state, reached, key)
        step.learned.append(reference)


def _without_channel(reference: Reference, batches: Iterable[EventBatch]) -> Iterator[str]:
    """Features that have values in the batches, and no channel in the reference."""
    features = {channel.feature for channel in reference.channels}
    for rows in batches:
        yield from (feature for feature, column in rows.columns.items() if feature not in features and present(column))
