"""The ingest side of a member: what was read of its partitions goes to the owners of the models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np

from driftd.core.event import Decoded, EventBatch, RecordBatch, TopicPartition, concatenate
from driftd.core.pane import ClosedPanes
from driftd.core.slice import Slice
from driftd.core.window import closed_through
from driftd.engine import joined
from driftd.engine.exchange.messages import (
    Forget,
    Given,
    HandOver,
    Labelled,
    Panes,
    Read,
    Resumed,
    Rows,
    ToJoin,
    ToOwner,
    ToReaders,
    Tried,
    Unplanned,
    number_of,
)
from driftd.engine.pipeline import Pipeline
from driftd.engine.snapshot.rows import RowsSnapshot
from driftd.engine.state import State
from driftd.ingest import panes, partition
from driftd.ingest.experiments import take_closed
from driftd.ingest.outcomes.elsewhere import Elsewhere
from driftd.ingest.state import PartitionState, Stream
from driftd.monitor.state import ModelState

ROWS_WAITING: Final = 2_000
"""Of a slice and partition, that wait for their pane to close: a megabyte or so."""


class Phase(StrEnum):
    """Who counts a slice of a partition."""

    SENDS = "sends"
    """Its owner: events go there as they are."""
    WAITS = "waits"
    """Nobody yet: events wait for what the owner has counted."""
    COUNTS = "counts"
    """Its reader."""


@dataclass(frozen=True, slots=True)
class Counting:
    """The phase of a slice of a partition, and the plan by which it is counted or will be ("": none)."""

    phase: Phase = Phase.SENDS
    plan: str = ""


@dataclass(slots=True)
class Plans:
    """What the owners have said, from the beginning of the plans topic on. ``models`` has the references of the plans:
    it is the models of every reader's state. ``numbers``: of each slice that of the last plan that was heard, also
    where that says that there is none any more. ``forgotten``: of a model the number up to which its plans are.
    ``labelled``: the models whose labels come, with the number of who said so.
    """

    pipeline: Pipeline
    models: dict[Slice, ModelState] = field(default_factory=dict)
    names: dict[Slice, str] = field(default_factory=dict)
    given: dict[tuple[TopicPartition, Slice, str], Given] = field(default_factory=dict)
    forgotten: dict[str, int] = field(default_factory=dict)
    numbers: dict[Slice, int] = field(default_factory=dict)
    labelled: dict[str, int] = field(default_factory=dict)

    def learn(self, message: ToReaders | Forget) -> None:
        if isinstance(message, Forget):
            self._forget(message)
            return
        if isinstance(message, Labelled):
            if message.number > self.forgotten.get(message.model, 0):
                self.labelled[message.model] = max(message.number, self.labelled.get(message.model, 0))
            return
        key = message.slice
        number = number_of(message.plan if isinstance(message, Given) else message.name)
        if number <= max(self.forgotten.get(key.model, 0), self.forgotten.get(key.whole, 0)):
            return  # partitions of the topic are not heard in one order
        if isinstance(message, Given):
            self.given.setdefault((message.source, key, message.plan), message)
            return
        self.numbers[key] = max(number, self.numbers.get(key, 0))
        name = "" if message.reference is None else message.name
        if self.names.get(key, "") != name:
            self.names[key] = name
            self.models[key] = ModelState(key, message.reference)
            self.pipeline.schemas.forget(key.model)

    def _forget(self, message: Forget) -> None:
        if message.number <= self.forgotten.get(message.model, 0):
            return
        self.forgotten[message.model] = message.number
        if self.labelled.get(message.model, message.number) <= message.number:
            self.labelled.pop(message.model, None)
        for key in [k for k, name in self.names.items() if self._is_old(message, k, name)]:
            del self.names[key], self.models[key]
        for at in [(source, k, plan) for source, k, plan in self.given if self._is_old(message, k, plan)]:
            del self.given[at]
        self.numbers = {k: number for k, number in self.numbers.items() if not k.is_of(message.model)}
        self.pipeline.schemas.forget(message.model)

    def _is_old(self, message: Forget, key: Slice, plan: str) -> bool:
        return key.is_of(message.model) and number_of(plan) <= message.number

    def forgotten_since(self, known: dict[str, int]) -> list[str]:
        """The models that were forgotten since it was last asked with the numbers that are ``known``."""
        models = [model for model, number in self.forgotten.items() if number > known.get(model, 0)]
        known.update(self.forgotten)
        return models


@dataclass(slots=True)
class Reader:
    """Reads one partition for the owners of the models in it.

    ``state`` has the partition, the models' references where a plan has come, and no more of the models. ``counting``
    says of each slice who counts it. ``epoch`` as in messages.Read: a reader says that it is there before it hears the
    plans topic to its end, and sends nothing else before. ``forgotten``: of models that it has forgotten the number.
    ``elsewhere``: what is to be joined by owners, and was not sent yet.
    """

    source: TopicPartition
    pipeline: Pipeline
    plans: Plans
    state: State = field(default_factory=State)
    counting: dict[Slice, Counting] = field(default_factory=dict)
    epoch: int = 0
    forgotten: dict[str, int] = field(default_factory=dict)
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    _told: tuple[int, int | None, int | None, bool] | None = None
    _cut: dict[Slice, int] = field(default_factory=dict)
    """The last pane that was taken out of a slice's stream."""
    _met: set[Slice] = field(default_factory=set)
    """Slices of which this reader has sent something."""

    def __post_init__(self) -> None:
        self.state.models = self.plans.models
        self.state.elsewhere, self.elsewhere.expected = self.elsewhere, self.plans.labelled
        self.state.partitions.setdefault(self.source, PartitionState(0))

    @property
    def partition(self) -> PartitionState:
        return self.state.partitions[self.source]

    @property
    def waits(self) -> bool:
        """For what the owner has counted."""
        return any(c.phase is Phase.WAITS for c in self.counting.values())

    def take(self, records: RecordBatch) -> Decoded:
        self.forget()
        return self.pipeline.take(self.state, records)

    def send(self, *, idle: bool = False) -> Iterator[ToOwner]:
        """What the owners have to know by now, in order."""
        self.forget()
        yield from self._to_join()
        for key, stream in sorted(self.partition.streams.items()):
            yield from self._send(key, stream)
            if (last := self._closed()) is not None and (trials := take_closed(stream, last)):
                yield Tried(self.source, key, dict(trials))
        read, closed = self.read(idle=idle), self._closed()
        told = read.epoch, closed, self._closed_at(joined.seen(self.partition)), idle
        if self._told != told:  # what is closed is all that others go by
            self._told = told
            yield read

    def _to_join(self) -> Iterator[ToJoin]:
        waiting, self.elsewhere.waiting = self.elsewhere.waiting, {}
        for model, parts in sorted(waiting.items()):
            ends = [*(int(part.offsets[-1]) + 1 for part in parts[:-1]), self.partition.next_offset]
            for part, end in zip(parts, ends, strict=True):
                yield ToJoin(self.source, Slice(model), end, part)

    def forget(self) -> None:
        """Lets go of the models that were forgotten since it last looked: what comes is counted from the first on."""
        for model in self.plans.forgotten_since(self.forgotten):
            self._met = {key for key in self._met if not key.is_of(model)}
            known = self.partition.streams, self.counting, self._cut
            for key in {k for one in known for k in one if k.is_of(model)}:
                for one in known:
                    one.pop(key, None)
            self.state.segments.pop(model, None)
            self.state.refusals.forget(model)
            self.elsewhere.forget(model)

    def read(self, *, idle: bool = False) -> Read:
        """How far the partition has been read."""
        mine = self.partition
        return Read(self.source, self.epoch, mine.next_offset, mine.latest, idle, mine.labelled, mine.reached)

    def _send(self, key: Slice, stream: Stream) -> Iterator[ToOwner]:
        now, name = self.counting.get(key, Counting()), self.plans.names.get(key, "")
        if now.plan != name:  # a plan has come, or another one, or the owner counts again
            stream.panes, stream.carry = None, None
            stream.sequential.clear()
            now = Counting(Phase.SENDS, name)
        if not name and key not in self._met:
            yield Unplanned(self.source, self.epoch, key, self.plans.numbers.get(key, 0))
        self._met.add(key)
        if now.phase is Phase.SENDS:
            waiting, stream.rows = stream.rows, []
            if waiting:
                yield Rows(self.source, key, self.partition.next_offset, RowsSnapshot.of(concatenate(waiting)))
            if name:
                now, stream.rows = Counting(Phase.WAITS, name), waiting  # an earlier reader may have asked before us
                yield HandOver(self.source, self.epoch, key, name, self.partition.next_offset)
        if now.phase is Phase.WAITS and (given := self._given(key, name)) is not None:
            self._resume(given, key, stream)
            now = Counting(Phase.COUNTS, name)
            yield from self._panes(key, stream)
            yield Resumed(self.source, self.epoch, key, name)
        elif now.phase is Phase.COUNTS:
            yield from self._panes(key, stream)
        self.counting[key] = now

    def _given(self, key: Slice, name: str) -> Given | None:
        """What the owner gave, once the partition is read up to there: a reader that began anew at an earlier position
        reads those events again.
        """
        given = self.plans.given.get((self.source, key, name))
        return given if given is not None and given.next_offset <= self.partition.next_offset else None

    def _resume(self, given: Given, key: Slice, stream: Stream) -> None:
        """Goes on from what the owner has counted, with the events that it has not."""
        reference = self.state.models[key].reference
        assert reference is not None
        fresh = given.stream.restore(reference, self.pipeline.slices.sequential_of)
        self._cut.pop(key, None)
        waiting = [rows for batch in stream.rows if len(rows := rows_from(batch, given.next_offset))]
        stream.rows = []
        stream.panes, stream.carry, stream.sequential = given.panes, fresh.carry, fresh.sequential
        # decoded before the kinds were known
        stream.rows, _ = partition.refuse_text(stream, waiting, reference.numeric_features)

    def _panes(self, key: Slice, stream: Stream) -> Iterator[Panes]:
        """What is closed now and was not before; until then events wait, since a batch costs the same for many."""
        seconds, closed = self.pipeline.monitor.windows.pane_seconds, self._closed()
        more = closed is not None and closed > self._cut.get(key, closed - 1)
        if more or sum(map(len, stream.rows)) > ROWS_WAITING:
            panes.absorb(self.pipeline.slices.about(self.state, key), stream, seconds)
        if closed is None or not more:
            return
        self._cut[key] = closed
        for message in panes.take_closed(self.partition, self.source, closed, seconds, key):
            assert isinstance(message, ClosedPanes)
            yield Panes(self.source, key, message.offset, message.panes.dense)

    def _closed(self) -> int | None:
        """The last pane that the partition alone has closed: what comes for it now is late."""
        return self._closed_at(self.partition.latest)

    def _closed_at(self, latest: float) -> int | None:
        windows = self.pipeline.monitor.windows
        if not np.isfinite(latest):
            return None
        return closed_through(latest - windows.out_of_orderness_seconds, windows.pane_seconds)


def rows_from(rows: EventBatch, offset: int) -> EventBatch:
    """Those from ``offset`` on."""
    begin = int(np.searchsorted(rows.offsets, offset))
    return rows if begin == 0 else rows.take(np.arange(begin, len(rows)))
