"""Records in, findings out: the one step of daemon, replay and reference build.

sampled: records -> those to take in, unpacked
take:    records -> decode -> ingest (rows)
settle:  rows -> open panes -> ClosedPanes -> monitor -> findings, model by model
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Final

import numpy as np

from driftd.core.event import Decoded, DropReason, EventBatch, RecordBatch, TopicPartition
from driftd.core.hashing import Hashing
from driftd.core.reference import Reference
from driftd.core.segmenting import SLOT_SECONDS, Census, Segmenting
from driftd.core.slice import Slice
from driftd.decode import Codec, Fetching
from driftd.engine import joined, surplus
from driftd.engine.degradation import halvings
from driftd.engine.flooded import flooded, models_in
from driftd.engine.frontier import closing, cuts, minute, reached_by, read
from driftd.engine.judging import Judging
from driftd.engine.schemas import Schemas
from driftd.engine.slices import Slices
from driftd.engine.state import Outcome, State, together
from driftd.ingest import experiments, panes, partition, rate_limit
from driftd.ingest.outcomes.arrived import Arrived
from driftd.ingest.outcomes.join import Joining, sweep
from driftd.ingest.rate_limit import NO_LIMITS, RateLimits
from driftd.ingest.segments import split
from driftd.ingest.state import PartitionState
from driftd.learn.growth import older
from driftd.monitor.model import Monitor
from driftd.monitor.state import ModelState

NOBODY: frozenset[TopicPartition] = frozenset()
ROWS_WAITING: Final = 2_000
"""Of a segment and partition, that wait to be counted: a megabyte or so."""


@dataclass(slots=True)
class Pipeline:
    """The stages with their settings; all that changes is in the State that it is given.

    ``max_models`` is how many models discovery may find, None without discovery; ``retire_seconds`` how long a model
    may be silent; ``limits`` how many records and events a second are taken in. ``labels``: how those that come later
    are joined, None where they are counted only, and ``most_slices`` how many models and parts are judged at the most;
    ``shows_ids``: whether ids of events may be seen.
    """

    codec: Codec
    monitor: Monitor
    max_models: int | None = None
    retire_seconds: float = inf
    limits: RateLimits = NO_LIMITS
    labels: Joining | None = None
    most_slices: int = 0
    shows_ids: bool = True
    schemas: Schemas = field(init=False)
    slices: Slices = field(init=False)
    judging: Judging = field(init=False)
    _ahead: int | None = field(init=False, default=None)
    """Where models went ahead to last."""
    _joined: dict[Slice, int | None] = field(init=False, default_factory=dict)
    """Where segments of joined labels were closed to last: what that costs once a minute is little."""

    def __post_init__(self) -> None:
        self.schemas = Schemas(self.monitor)
        self.slices = Slices(self.monitor, self.schemas)
        self.judging = Judging(self.slices)

    @property
    def shed(self) -> int:
        """The level of driftd.engine.degradation."""
        return self.slices.shed

    @shed.setter
    def shed(self, level: int) -> None:
        self.slices.shed = level

    @property
    def hashing(self) -> Hashing:
        """What the codec makes of the values."""
        return self.monitor.default.learning.hashing

    def begin(
        self, state: State, references: Mapping[str, Reference], ours: Callable[[str], bool] = lambda _: True
    ) -> None:
        """Before the first record: the configured models and those of experiments are there, and those with a reference
        have it; of all that are ``ours``. What an experiment says must not be missing: who rolls out asks for it.
        """
        tried = self.monitor.experiments if self.monitor.default.discover else ()
        for name in filter(ours, dict.fromkeys((*self.monitor.configured, *tried))):
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
                self.slices.adopt(state, Slice(name), reference)

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
        events = [experiments.prepared(batch, self.slices.rules(Slice(batch.model))) for batch in decoded.batches]
        pairs: joined.Pairs = []
        if self.labels is not None:
            named = self.shows_ids
            pairs = joined.join(state, source, events, self.labels, self._segmenting, named=named)
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
            lambda key: self.slices.about(state, key),
            lambda batch: self._segments(state, batch),
        )
        self._add_pairs(state, pairs)

    def join(self, state: State, source: TopicPartition, model: str, arrived: Arrived) -> None:
        """Joins what another member has read of a model, in a stretch of a partition."""
        if self.labels is not None:
            self._add_pairs(state, joined.take_in(state, source, model, arrived, self.labels))

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
            events = self._served(key, events if self.shows_ids else events.without_ids())
            seconds = self.monitor.windows.pane_seconds
            partition.add(state.partitions[source], events, lambda key: self.slices.about(state, key), seconds)

    def _served(self, key: Slice, pairs: EventBatch) -> EventBatch:
        """Without what shadows answered, where no experiment takes the pairs of a slice in and leaves these out."""
        rules = [r for r in self.monitor.experiments.get(key.root, ()) if key.within or r.of_labels is None]
        unseen = experiments.shadows(rules, pairs)
        return pairs if unseen is None else pairs.take(np.flatnonzero(~unseen))

    @staticmethod
    def _wholes(state: State) -> int:
        return sum(not key.within for key in state.models)

    def settle(self, state: State, idle: frozenset[TopicPartition] = NOBODY, *, end: bool = False) -> Outcome:
        """Closes panes, hands them to the model side and evaluates what came in.

        ``idle`` names partitions that hold nobody back; ``end`` closes everything (a file has been read to its end).
        """
        self._absorb(state)
        reached = closing(state, self.monitor.windows, idle, end=end, joins=self.labels is not None)
        closed = [] if reached is None else [*self.close(state, reached, end=end)]
        return together([*closed, *self.go_ahead(state, idle)])

    def stops(self, state: State, idle: frozenset[TopicPartition] = NOBODY) -> list[int]:
        """Where ``close`` has to be called for what ``settle`` does at once: the last panes of slices that hold about
        SLICE_PANES each, since the frontier may jump by days when a partition turns idle.
        """
        self._absorb(state)
        reached = closing(state, self.monitor.windows, idle, end=False, joins=self.labels is not None)
        return [] if reached is None else cuts(state, reached, self.monitor.windows.pane_seconds)

    def close(
        self,
        state: State,
        reached: int,
        *,
        end: bool = False,
        again: bool = False,
        at_most: Mapping[Slice, int] | None = None,
    ) -> Iterator[Outcome]:
        """Moves the frontier to ``reached`` and evaluates model by model; what came of each, and of each stage of a
        reference that grows. Models in ``at_most`` go no further than that; ``again``: some were, and need not wait
        any more.
        """
        before, moved, state.frontier = state.frontier, end or again or reached != state.frontier, reached
        seconds = self.monitor.windows.pane_seconds
        self._sweep_halves(state, inf if end else (reached + 1) * seconds)
        if self.labels is not None:
            sweep(state.outcomes, (reached + 1) * seconds, self.labels)
        self._close_slots(state, reached)
        limits = {} if at_most is None else at_most
        for key in sorted(state.models):
            apart = self.labels is not None and key.joined
            closes = state.outcomes.frontier if apart else reached
            if closes is None:
                continue
            last = closes if end or not key.within else minute(closes, seconds)
            to = last if apart else min(last, limits.get(key, last))
            if not (apart or moved or self.labels is None):
                continue
            if apart and key.within:
                known, self._joined[key] = self._joined.get(key), last
                if known == last and not end:
                    continue
            elif (
                key.within and not end and before is not None and key not in limits and last == minute(before, seconds)
            ):
                continue
            yield from self.judging.close(state, to, key, end=end)

    def go_ahead(self, state: State, idle: frozenset[TopicPartition] = NOBODY) -> Iterator[Outcome]:
        """Evaluates models beyond the frontier, as far as the partitions go that are not flooded: those that are hold
        back only what has events in them. To be called after ``settle`` or ``close``.
        """
        late = flooded(state, self.limits) - idle
        if not late or state.frontier is None:
            return
        windows, seconds = self.monitor.windows, self.monitor.windows.pane_seconds
        to = reached_by(state, windows, read(state), idle | late, state.frontier)
        if to is None or to <= state.frontier or to == self._ahead:
            return
        self._ahead, waits = to, models_in(state, late)
        for cut in cuts(state, to, seconds):
            for key in sorted(state.models):
                apart = self.labels is not None and key.joined
                # who has not been judged yet needs no haste
                if apart or key.root in waits or state.models[key].taken is None:
                    continue
                yield from self.judging.close(state, minute(cut, seconds) if key.within else cut, key)

    def _close_slots(self, state: State, reached: int) -> None:
        """Which values are segments from now on."""
        slot = int((reached + 1) * self.monitor.windows.pane_seconds // SLOT_SECONDS)
        latest = max((p.latest for p in state.partitions.values()), default=-inf)
        seen = int(latest // SLOT_SECONDS) if np.isfinite(latest) else 0
        for model, census in state.segments.items():
            wanted = self._segmenting(model)
            if wanted is not None:
                census.close(slot, wanted, seen)

    @staticmethod
    def _sweep_halves(state: State, now: float) -> None:
        """Requests that have waited long enough for their answer, and answers for their request, are events dropped."""
        lost = state.halves.sweep(now)
        state.received += lost.total()
        state.dropped.update({reason.value: n for reason, n in lost.items()})

    def _absorb(self, state: State) -> None:
        """The events since the last settle go into their panes; those of segments when there are many, or when panes
        close: a batch costs the same for one event and for a hundred. Of those that wait for a reference it keeps what
        can be learned from.
        """
        for source, mine in state.partitions.items():
            for key, stream in mine.streams.items():
                if stream.rows and not (key.within and sum(map(len, stream.rows)) < ROWS_WAITING):
                    surplus.let_go(self.monitor, state.models[key], source, stream, state.frontier)
                    panes.absorb(self.slices.about(state, key), stream, self.monitor.windows.pane_seconds)
