"""Records in, findings out: the one step of daemon, replay and reference build.

sampled: records -> those to take in, unpacked
take:    records -> decode -> ingest (rows)
settle:  rows -> open panes -> ClosedPanes -> monitor -> findings, model by model
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.act import Act
from driftd.core.event import Decoded, DropReason, EventBatch, RecordBatch, TopicPartition
from driftd.core.experiment import Rule
from driftd.core.finding import JUDGE
from driftd.core.hashing import Hashing
from driftd.core.quality.calibrated import Calibrated
from driftd.core.quality.expected import Expected
from driftd.core.quality.scoring import Scoring
from driftd.core.reference import Reference
from driftd.core.segmenting import SETTLE_SECONDS, SLOT_SECONDS, Census, Segmenting
from driftd.core.slice import Slice
from driftd.core.values import present
from driftd.core.window import closed_through, frontier, panes_of
from driftd.decode import Codec, Fetching
from driftd.detectors import SequentialDetector
from driftd.engine import joined, surplus
from driftd.engine.degradation import halvings
from driftd.engine.flooded import flooded, models_in
from driftd.engine.schemas import Schemas
from driftd.engine.state import FirstRefused, Outcome, State, together
from driftd.ingest import experiments, panes, partition, rate_limit
from driftd.ingest.outcomes.join import Joining, sweep
from driftd.ingest.panes import FaultCounting, SliceIngest
from driftd.ingest.rate_limit import NO_LIMITS, RateLimits
from driftd.ingest.segments import split
from driftd.ingest.state import PartitionState, Stream
from driftd.learn.growth import older
from driftd.monitor import experiments as trying
from driftd.monitor import renewal
from driftd.monitor.intake import take_in
from driftd.monitor.model import Monitor
from driftd.monitor.settle import Evaluated
from driftd.monitor.state import ModelState

NOBODY: frozenset[TopicPartition] = frozenset()
SLICE_PANES: Final = 1000
"""Panes, of all models and partitions, that are closed before driftd looks up again: a second's work or two."""
ROWS_WAITING: Final = 2_000
"""Of a segment and partition, that wait to be counted: a megabyte or so."""
ROWS_A_PANE: Final = 50
"""Rows that wait for a reference and cost about as much as a pane."""


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

    def outcome(self) -> Outcome:
        judgements = tuple(self.evaluated.judgements)
        findings = tuple(f for j in judgements for f in j.findings)
        told = tuple(self.evaluated.turns), tuple(self.refused), tuple(self.unwatched)
        return Outcome(findings, judgements, tuple(self.learned), *told)


@dataclass(slots=True)
class Pipeline:
    """The stages with their settings; all that changes is in the State that it is given.

    ``max_models`` is how many models discovery may find, None without discovery; ``retire_seconds`` how long a model
    may be silent; ``limits`` how many records and events a second are taken in; ``shed`` the level of
    driftd.engine.degradation. ``labels``: how those that come later are joined, None where they are counted only,
    and ``most_slices`` how many models and parts are judged at the most; ``shows_ids``: whether ids of events may be
    seen.
    """

    codec: Codec
    monitor: Monitor
    max_models: int | None = None
    retire_seconds: float = inf
    limits: RateLimits = NO_LIMITS
    shed: int = 0
    labels: Joining | None = None
    most_slices: int = 0
    shows_ids: bool = True
    schemas: Schemas = field(init=False)
    _ingest: dict[Slice, SliceIngest] = field(init=False, default_factory=dict)
    _ahead: int | None = field(init=False, default=None)
    """Where models went ahead to last."""
    _joined: dict[Slice, int | None] = field(init=False, default_factory=dict)
    """Where segments of joined labels were closed to last: what that costs once a minute is little."""

    def __post_init__(self) -> None:
        self.schemas = Schemas(self.monitor)

    @property
    def hashing(self) -> Hashing:
        """What the codec makes of the values."""
        return self.monitor.default.learning.hashing

    def begin(
        self, state: State, references: Mapping[str, Reference], ours: Callable[[str], bool] = lambda _: True
    ) -> None:
        """Before the first record: the configured models are there, and those with a reference have it; of all that are
        ``ours``.
        """
        for name in filter(ours, self.monitor.configured):
            state.models.setdefault(Slice(name), ModelState(Slice(name)))
        for name, reference in references.items():
            if not ours(name):
                continue
            model = state.models.get(Slice(name))
            known = None if model is None else model.reference
            if model is not None and model.learns_anew:
                continue
            same = known is not None and (known.id, known.kind) == (reference.id, reference.kind)
            if not same and (known is None or not older(reference, known)):
                self.adopt(state, Slice(name), reference)

    def prepare(self, records: RecordBatch) -> None:
        """Before ``take``. Where it raises SourceError the records can be taken in later."""
        if isinstance(self.codec, Fetching):
            self.codec.prepare(records)

    def sampled(self, state: State, records: RecordBatch) -> Iterator[RecordBatch]:
        """What ``take`` is to be given of a stretch of a partition; the other records are dropped, one event each."""
        mine = state.partitions.setdefault(records.topic_partition, PartitionState(records.next_offset))
        thinned = rate_limit.thin_records(mine, records, self.limits, halvings(self.shed))
        if thinned is not None:
            state.received += sum(thinned.gone.values())
            state.dropped.update({reason.value: n for reason, n in thinned.gone.items()})
        yield from records.at(None if thinned is None else thinned.places)
        mine.next_offset = records.next_offset

    def take(self, state: State, records: RecordBatch) -> Decoded:
        """Decodes a stretch of a partition and takes its events in."""
        decoded = self.codec.decode(records, self.schemas.of(state), state.halves)
        if decoded.unwatched:  # where discovery is off nobody expects them
            wanted = tuple(u for u in decoded.unwatched if self.monitor.settings(Slice(u[0])).discover)
            decoded = replace(decoded, unwatched=wanted)
        self.ingest(state, records.topic_partition, records.next_offset, decoded)
        return decoded

    def ingest(self, state: State, source: TopicPartition, next_offset: int, decoded: Decoded) -> None:
        """Counts the events, turns the late ones away and keeps the others until the next ``settle``."""
        mine = state.partitions.setdefault(source, PartitionState(next_offset))
        mine.next_offset, mine.reached = next_offset, max(mine.reached, decoded.reached)
        state.received += decoded.received
        state.rejected.update(r.reason.value for r in decoded.rejects)
        state.dropped.update({reason.value: n for reason, n in decoded.dropped.items()})
        events = [experiments.prepared(batch, self._rules(Slice(batch.model))) for batch in decoded.batches]
        pairs = [] if self.labels is None else joined.join(state, source, events, self.labels, self._segmenting)
        whole = events if self.shows_ids else [batch.without_ids() for batch in events]
        batches, sampled_out = rate_limit.thin_events(mine, source, whole, self.limits)
        if sampled_out:
            state.dropped[DropReason.RATE_LIMIT.value] += sampled_out
        self.schemas.widen(batches)
        for batch in batches:
            key = Slice(batch.model)
            if key not in state.models:
                state.models[key] = ModelState(key)
        state.accepted += partition.take(
            mine,
            batches,
            self.monitor.windows,
            lambda key: self._closed(state, key),
            lambda key: self.about(state, key),
            lambda batch: self._segments(state, batch),
        )
        self._add_pairs(state, pairs)

    @staticmethod
    def _closed(state: State, key: Slice) -> int | None:
        """The last pane of a model that is closed: that of all, or one after it where the model went ahead."""
        frontier, taken = state.frontier, state.models[key].taken
        return taken if frontier is None or (taken is not None and taken > frontier) else frontier

    def _segmenting(self, model: str) -> Segmenting | None:
        return self.monitor.settings(Slice(model)).segmenting

    def _segments(self, state: State, batch: EventBatch) -> Iterator[EventBatch]:
        """The events of the model's segments, which are there from the first on."""
        wanted = self._segmenting(batch.model)
        if wanted is None:
            return
        for part in split(batch, wanted, state.segments.setdefault(batch.model, Census())):
            model = state.models.setdefault(Slice(part.model), ModelState(Slice(part.model)))
            model.retired = False
            yield part

    def _add_pairs(self, state: State, pairs: joined.Pairs) -> None:
        """What was joined are events of the model's labels, which are judged where there is room for another slice; and
        of segments of these, which are as many as the model's.
        """
        for source, batch in pairs:
            key = Slice(batch.model)
            if key not in state.models:
                full = Slice(key.whole) not in state.models if key.within else self._wholes(state) >= self.most_slices
                if full:
                    continue
                state.models[key] = ModelState(key)
            state.models[key].retired &= not key.within
            events = joined.in_time(state, batch, self.monitor.windows.pane_seconds)
            events = events if self.shows_ids else events.without_ids()
            seconds = self.monitor.windows.pane_seconds
            partition.add(state.partitions[source], events, lambda key: self.about(state, key), seconds)

    @staticmethod
    def _wholes(state: State) -> int:
        return sum(not key.within for key in state.models)

    def settle(self, state: State, idle: frozenset[TopicPartition] = NOBODY, *, end: bool = False) -> Outcome:
        """Closes panes, hands them to the model side and evaluates what came in.

        ``idle`` names partitions that hold nobody back; ``end`` closes everything (a file has been read to its end).
        """
        self._absorb(state)
        reached = self._closing(state, idle, end=end)
        closed = [] if reached is None else [*self.close(state, reached, end=end)]
        return together([*closed, *self.go_ahead(state, idle)])

    def stops(self, state: State, idle: frozenset[TopicPartition] = NOBODY) -> list[int]:
        """Where ``close`` has to be called for what ``settle`` does at once: the last panes of slices that hold about
        SLICE_PANES each, since the frontier may jump by days when a partition turns idle.
        """
        self._absorb(state)
        reached = self._closing(state, idle, end=False)
        return [] if reached is None else self._cuts(state, reached)

    def _cuts(self, state: State, reached: int) -> list[int]:
        streams = [stream for mine in state.partitions.values() for stream in mine.streams.values()]
        waiting = [stream.panes.numbers for stream in streams if stream.panes is not None]
        waiting += [self._panes(rows)[::ROWS_A_PANE] for stream in streams for rows in stream.rows]
        numbers = np.concatenate([np.zeros(0, np.int64), *waiting])
        numbers = np.sort(numbers[numbers <= reached])
        cuts = np.unique(numbers[SLICE_PANES - 1 :: SLICE_PANES])
        return [*cuts[cuts < reached].tolist(), reached]

    def close(
        self, state: State, reached: int, *, end: bool = False, at_most: Mapping[Slice, int] | None = None
    ) -> Iterator[Outcome]:
        """Moves the frontier to ``reached`` and evaluates model by model; what came of each, and of each stage of a
        reference that grows. Models in ``at_most`` go no further than that.
        """
        before, moved, state.frontier = state.frontier, end or reached != state.frontier, reached
        self._sweep_halves(state, inf if end else (reached + 1) * self.monitor.windows.pane_seconds)
        if self.labels is not None:
            sweep(state.outcomes, (reached + 1) * self.monitor.windows.pane_seconds, self.labels)
        self._close_slots(state, reached)
        limits = {} if at_most is None else at_most
        for key in sorted(state.models):
            apart = self.labels is not None and key.joined
            closes = state.outcomes.frontier if apart else reached
            if closes is None:
                continue
            last = closes if end or not key.within else self._minute(closes)
            to = last if apart else min(last, limits.get(key, last))
            if not (apart or moved or self.labels is None):
                continue
            if apart and key.within:
                known, self._joined[key] = self._joined.get(key), last
                if known == last and not end:
                    continue
            elif key.within and not end and before is not None and key not in limits and last == self._minute(before):
                continue
            for step in self._close(state, to, key, end=end):
                outcome = step.outcome()
                state.findings += len(outcome.findings)
                yield outcome

    def go_ahead(self, state: State, idle: frozenset[TopicPartition] = NOBODY) -> Iterator[Outcome]:
        """Evaluates models beyond the frontier, as far as the partitions go that are not flooded: those that are hold
        back only what has events in them. To be called after ``settle`` or ``close``.
        """
        late = flooded(state, self.limits) - idle
        if not late or state.frontier is None:
            return
        to = self._reached(state, self._read(state), idle | late, state.frontier, end=False)
        if to is None or to <= state.frontier or to == self._ahead:
            return
        self._ahead, waits = to, models_in(state, late)
        for cut in self._cuts(state, to):
            for key in sorted(state.models):
                apart = self.labels is not None and key.joined
                # who has not been judged yet needs no haste
                if apart or key.root in waits or state.models[key].taken is None:
                    continue
                for step in self._close(state, self._minute(cut) if key.within else cut, key, end=False):
                    outcome = step.outcome()
                    state.findings += len(outcome.findings)
                    yield outcome

    def _minute(self, pane: int) -> int:
        """The last pane up to ``pane`` that ends a minute of event time."""
        panes = max(round(SETTLE_SECONDS / self.monitor.windows.pane_seconds), 1)
        return (pane + 1) // panes * panes - 1

    def _close_slots(self, state: State, reached: int) -> None:
        """Which values are segments from now on."""
        slot = int((reached + 1) * self.monitor.windows.pane_seconds // SLOT_SECONDS)
        latest = max((p.latest for p in state.partitions.values()), default=-inf)
        read = int(latest // SLOT_SECONDS) if np.isfinite(latest) else 0
        for model, census in state.segments.items():
            wanted = self._segmenting(model)
            if wanted is not None:
                census.close(slot, wanted, read)

    @staticmethod
    def _sweep_halves(state: State, now: float) -> None:
        """Requests that have waited long enough for their answer, and answers for their request, are events dropped."""
        lost = state.halves.sweep(now)
        state.received += lost.total()
        state.dropped.update({reason.value: n for reason, n in lost.items()})

    def _close(self, state: State, reached: int, key: Slice, *, end: bool) -> Iterator[_Step]:
        step = _Step.of(state, key)
        touched = self._exchange(state, reached, key)
        while touched:
            self._learn(state, reached, key, step)
            while self._grow(state, reached, key, step):
                yield step
                step = _Step.of(state, key)
            touched = self._evaluate(state, reached, key, step)
        if end:
            self.monitor.settle(state.models[key], reached, step.evaluated, end=True)
        trying.settle(state.models[key], self._rules(key), reached, self.monitor.windows.pane_seconds)
        yield step

    def retire(self, state: State, key: Slice, because: str) -> Outcome:
        """Takes a model off all pages: what is open on it ends, and its state stays but for the last open panes."""
        model, step = state.models[key], _Step.of(state, key)
        self.monitor.retire(model, step.evaluated, because)
        for mine in state.partitions.values():
            stream = mine.streams.get(key)
            if stream is not None and model.reference is not None:
                mine.streams[key] = Stream(counters=stream.counters)
        model.retired, model.configured = True, key.model in self.monitor.configured
        outcome = step.outcome()
        state.findings += len(outcome.findings)
        return outcome

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
        self._hold_rows(state, key)
        return True

    def _hold_rows(self, state: State, key: Slice) -> None:
        """Events in open panes of a model that learns anew wait for its reference."""
        for mine in state.partitions.values():
            stream = mine.streams.get(key)
            if stream is not None:
                stream.panes = None
                stream.rows, stream.held = [*stream.held, *stream.rows], []
                stream.sequential.clear()
                stream.carry = None
        self.schemas.forget(key.model)

    def rebaseline(self, state: State, act: Act) -> Outcome:
        """What came since ``act.start`` is the new normal, of the model or of channels of it. Between two settles.

        Raises ActRefused where that cannot be.
        """
        key = Slice(act.model)
        step = _Step.of(state, key)
        model, seconds = state.models[key], self.monitor.windows.pane_seconds
        renewal.require_renewable(model, act, self.monitor.settings(key), self._counted(state, key))
        if act.channels and model.wants_rows:
            renewal.renew(model, act, seconds)
        elif act.channels:
            begun = self._counted(state, key)
            begun = begun if act.start is None else max(act.start, begun)
            step.learned.append(self.monitor.renew(model, act, begun, step.evaluated))
        else:
            self.monitor.rebaseline(state.models, act, step.evaluated)
            self._hold_rows(state, key)
        outcome = step.outcome()
        state.findings += len(outcome.findings)
        return outcome

    def _counted(self, state: State, key: Slice) -> float:
        """Until when there are panes of the model that were counted already, epoch seconds: of later ones all events
        are kept where somebody wants to learn from them.
        """
        open_ = [mine.streams[key].panes for mine in state.partitions.values() if key in mine.streams]
        last = [int(block.numbers[-1]) for block in open_ if block is not None]
        model, seconds = state.models[key], self.monitor.windows.pane_seconds
        last += [int(m.panes.numbers[-1]) for messages in model.pending.values() for m in messages]
        return (max([model.taken or 0, *last]) + 1) * seconds

    def _closing(self, state: State, idle: frozenset[TopicPartition], *, end: bool) -> int | None:
        """The last pane that closes now; None where none does. At the end what is closed already is evaluated too.
        That of joined labels is moved; where it alone moves, the frontier stays.
        """
        reached = self._reached(state, self._read(state), idle, state.frontier, end=end)
        if self.labels is None or reached is None:
            return None if reached == state.frontier and not end else reached
        before, each = state.outcomes.frontier, {at: joined.seen(p) for at, p in state.partitions.items()}
        state.outcomes.frontier = self._reached(state, each, idle, before, end=end)
        return None if (reached, before) == (state.frontier, state.outcomes.frontier) and not end else reached

    @staticmethod
    def _read(state: State) -> dict[TopicPartition, float]:
        """How far partitions have been read, in event time; without those that have nothing but labels."""
        read = {at: max(p.latest, p.reached) for at, p in state.partitions.items()}
        return {at: t for at, t in read.items() if np.isfinite(t) or state.partitions[at].labelled == -np.inf}

    def _reached(
        self,
        state: State,
        latest: Mapping[TopicPartition, float],
        idle: frozenset[TopicPartition],
        before: int | None,
        *,
        end: bool,
    ) -> int | None:
        """The last pane that may be closed now, by the ``latest`` times of partitions (-inf: nothing was read)."""
        windows = self.monitor.windows
        if end:
            known = [time for time in latest.values() if np.isfinite(time)]
            return int(panes_of(np.array([max(known)]), windows.pane_seconds)[0]) if known else before
        idle |= {source for source, p in state.partitions.items() if p.released}
        closed = {
            at: closed_through(time - windows.out_of_orderness_seconds, windows.pane_seconds)
            if np.isfinite(time)
            else None
            for at, time in latest.items()
        }
        return frontier(closed, idle, before)

    def _absorb(self, state: State) -> None:
        """The events since the last settle go into their panes; those of segments when there are many, or when panes
        close: a batch costs the same for one event and for a hundred. Of those that wait for a reference it keeps what
        can be learned from.
        """
        for source, mine in state.partitions.items():
            for key, stream in mine.streams.items():
                if stream.rows and not (key.within and sum(map(len, stream.rows)) < ROWS_WAITING):
                    surplus.let_go(self.monitor, state.models[key], source, stream, state.frontier)
                    panes.absorb(self.about(state, key), stream, self.monitor.windows.pane_seconds)

    def _rules(self, key: Slice) -> tuple[Rule, ...]:
        return self.monitor.experiments_of(key)

    def _panes(self, rows: EventBatch) -> NDArray[np.int64]:
        return panes_of(rows.times, self.monitor.windows.pane_seconds)

    def _exchange(self, state: State, reached: int, key: Slice) -> bool:
        """The slice's closed panes from the ingest side to the model side: in one process a call. Were there any, or
        did some come from other members?
        """
        seconds, touched = self.monitor.windows.pane_seconds, bool(state.models[key].pending)
        for source, mine in sorted(state.partitions.items()):
            if key.within and (stream := mine.streams.get(key)) is not None:
                panes.absorb(self.about(state, key), stream, seconds)
            for message in panes.take_closed(mine, source, reached, seconds, key):
                take_in(state.models[key], message)
                touched = True
            if trials := experiments.take_closed(mine.streams.get(key), reached):
                trying.take_in(state.models[key], source, trials)
        return touched

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
            self._graft(state, key, *regrown, step)
            return True
        reference, left, because = self.monitor.grow(state.models, model)
        if reference is not None and left is not None:
            self.monitor.end_all(model, pane, step.evaluated, because)
            self._adopt_anew(state, reached, key, reference, left, step)
        elif reference is not None:
            self.monitor.adopt(state.models, key, reference)
            step.learned.append(reference)
        return True

    def _graft(self, state: State, key: Slice, reference: Reference, rows: Sequence[int], step: _Step) -> None:
        """Goes on with a reference that differs in the channels ``rows`` alone; of panes that wait these are counted
        anew.
        """
        if not rows:
            return
        model, seconds = state.models[key], self.monitor.windows.pane_seconds
        self.monitor.graft(model, reference, rows)
        about, names = self.about(state, key), {reference.channels[row].name for row in rows}
        for source, messages in model.pending.items():
            held = [arrived.rows for arrived in model.arrived.get(source, ())]
            model.pending[source] = [
                replace(m, panes=panes.recounted(about, m.panes, rows, held, seconds)) for m in messages
            ]
        for mine in state.partitions.values():
            stream = mine.streams.get(key)
            if stream is not None:
                for detector in [known for known in stream.sequential if known[1] in names]:
                    del stream.sequential[detector]
                if stream.panes is not None:
                    stream.panes = panes.recounted(about, stream.panes, rows, stream.held, seconds)
        step.learned.append(reference)

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
        step.refused += self.adopt(state, key, reference, left)
        if not state.models[key].wants_rows:  # else they join at the next stage
            later = _without_channel(reference, (*left.values(), *waiting))
            step.unwatched += [(key.model, feature) for feature in later]
        self._exchange(state, reached, key)
        step.learned.append(reference)

    def adopt(
        self,
        state: State,
        key: Slice,
        reference: Reference,
        left: Mapping[TopicPartition, EventBatch] | None = None,
    ) -> list[FirstRefused]:
        """Makes ``reference`` the slice's; rows that waited for one, and those it ``left``, start its windows.

        Those rows were decoded before the kinds were known: what is refused of them now.
        """
        self.monitor.adopt(state.models, key, reference, anew=left is not None)
        self.monitor.begin(state.models[key])
        about = self.about(state, key)
        refused: list[FirstRefused] = []
        for source, mine in state.partitions.items():
            rows = [left[source]] if left is not None and source in left else []
            stream = mine.streams.get(key)
            if stream is not None:
                rows, stream.held = [*rows, *stream.held], []
                rows, fresh = partition.refuse_text(stream, rows, reference.numeric_features)
                refused += [(source, value) for value in fresh]
            panes.adopt(about, mine, key, rows, self.monitor.windows.pane_seconds, anew=left is not None)
        self.schemas.forget(key.model)
        return refused

    def hand_over(self, state: State, successor: Pipeline) -> None:
        """Prepares the state for a pipeline of other settings: sequential detectors that differ start afresh."""
        for mine in state.partitions.values():
            for key, stream in mine.streams.items():
                reference = state.models[key].reference
                for kind, channel in list(stream.sequential):
                    if reference is None or self.sequential_of(reference, kind, channel) != successor.sequential_of(
                        reference, kind, channel
                    ):
                        del stream.sequential[kind, channel]
        for model in state.models.values():
            if model.reference is None:
                model.standing = replace(model.standing, verdicts={})
            else:
                detectors = (*successor.monitor.detectors(model.reference).detectors, JUDGE)
                verdicts = {kind: v for kind, v in model.standing.verdicts.items() if kind in detectors}
                model.standing = replace(model.standing, verdicts=verdicts)

    def sequential_of(self, reference: Reference, kind: str, channel: str) -> SequentialDetector | None:
        """The detector that owns a sequential state, for snapshots; None when the configuration has dropped it."""
        row = reference.rows.get(channel)
        return None if row is None else self.monitor.detectors(reference).sequential_of(kind, row)

    def about(self, state: State, key: Slice) -> SliceIngest:
        """What the partition side must know of the slice."""
        reference, settings = state.models[key].reference, self.monitor.settings(key)
        exclude, prices, rules = settings.learning.exclude, settings.prices, self._rules(key)
        if reference is None:
            return SliceIngest(exclude=exclude, prices=prices, experiments=rules)
        known, hold = self._ingest.get(key), state.models[key].holds_rows or settings.restart
        shed = self.shed > 0
        if known is None or known.reference is not reference or (known.hold, known.shed) != (hold, shed):
            detectors = self.monitor.detectors(reference)
            pairs = None if detectors.judged is None or not detectors.pairs_hold else detectors.judged.pairs
            natural = detectors.natural
            faults = None if natural is None else FaultCounting(natural.limits, natural.scores, natural.scores.rows)
            known = self._ingest[key] = SliceIngest(
                reference,
                pairs,
                detectors.sequential_of_errors(reference) if shed else detectors.sequential,
                exclude,
                faults,
                hold,
                shed,
                Scoring.of(reference.learned),
                prices,
                rules,
                Expected.of(reference.learned),
                Calibrated.of(reference.learned),
            )
        return known


def _without_channel(reference: Reference, batches: Iterable[EventBatch]) -> Iterator[str]:
    """Features that have values in the batches, and no channel in the reference."""
    features = {channel.feature for channel in reference.channels}
    for rows in batches:
        yield from (feature for feature, column in rows.columns.items() if feature not in features and present(column))
