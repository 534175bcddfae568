"""All that a checkpoint holds, and how the state comes out of it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from driftd.core.event import TopicPartition
from driftd.core.hashing import NOT_HASHED, Hashing
from driftd.core.reference import Reference
from driftd.core.refusals import Refusal, Refusals
from driftd.core.slice import Slice
from driftd.engine.snapshot.ingest import (
    CensusSnapshot,
    FindDetector,
    HalvesSnapshot,
    OutcomesSnapshot,
    PartitionSnapshot,
    StreamSnapshot,
)
from driftd.engine.snapshot.model import ModelSnapshot
from driftd.engine.snapshot.waiting import WaitingSnapshot
from driftd.engine.state import State
from driftd.ingest.outcomes.arrived import Arrived
from driftd.ingest.state import PartitionState
from driftd.monitor.state import ModelState


@dataclass(frozen=True, slots=True)
class ExchangeSnapshot:
    """What members that share models know of each other (driftd.engine.exchange): ``epoch`` of who wrote it; of a
    reader ``counting``, (phase, plan) by slice, and ``to_join``, what was not sent yet; of both ``forgotten``; of an
    owner the rest, as in its Owned, and what is ``waiting`` to be joined.
    """

    counting: list[tuple[Slice, str, str]] = field(default_factory=list)
    epoch: int = 0
    next_offset: int = 0
    epochs: list[tuple[TopicPartition, int]] = field(default_factory=list)
    idle: list[TopicPartition] = field(default_factory=list)
    sent: list[tuple[TopicPartition, Slice, int]] = field(default_factory=list)
    asked: list[tuple[TopicPartition, Slice]] = field(default_factory=list)
    resumed: list[tuple[TopicPartition, Slice]] = field(default_factory=list)
    handed: list[tuple[TopicPartition, Slice, str]] = field(default_factory=list)
    limits: list[tuple[TopicPartition, Slice, int]] = field(default_factory=list)
    told: list[tuple[Slice, str]] = field(default_factory=list)
    late: int = 0
    foreign: int = 0
    forgotten: list[tuple[str, int]] = field(default_factory=list)
    to_join: list[tuple[str, list[Arrived]]] = field(default_factory=list)
    waiting: WaitingSnapshot = field(default_factory=WaitingSnapshot)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``saved`` is wall time, epoch seconds; ``pane_seconds`` the length of every pane in it. ``exchange``: None where
    one process reads and judges. ``hashing``: what the decoder had made of the values.
    """

    saved: float
    pane_seconds: float
    partitions: list[PartitionSnapshot]
    models: list[ModelSnapshot]
    frontier: int | None
    received: int
    accepted: int
    findings: int
    rejected: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    awaited: list[str] = field(default_factory=list)
    exchange: ExchangeSnapshot | None = None
    hashing: Hashing = NOT_HASHED
    refused_events: list[Refusal] = field(default_factory=list)
    refused_values: list[Refusal] = field(default_factory=list)
    outcomes: OutcomesSnapshot = field(default_factory=OutcomesSnapshot)
    halves: HalvesSnapshot = field(default_factory=HalvesSnapshot)
    segments: dict[str, CensusSnapshot] = field(default_factory=dict)

    @classmethod
    def of(
        cls, state: State, find: FindDetector, pane_seconds: float, saved: float, hashing: Hashing = NOT_HASHED
    ) -> Checkpoint:
        def streams(partition: PartitionState) -> list[StreamSnapshot]:
            return [
                StreamSnapshot.of(key, stream, _reference(state.models, key), find)
                for key, stream in sorted(partition.streams.items())
            ]

        return cls(
            saved,
            pane_seconds,
            [
                PartitionSnapshot(
                    source,
                    p.next_offset,
                    p.latest,
                    p.released,
                    streams(p),
                    dict(p.late),
                    p.worst_lateness,
                    p.topic_id,
                    p.pace,
                    p.labelled,
                    p.reached,
                )
                for source, p in sorted(state.partitions.items())
            ],
            [ModelSnapshot.of(model) for _, model in sorted(state.models.items())],
            state.frontier,
            state.received,
            state.accepted,
            state.findings,
            dict(state.rejected),
            dict(state.dropped),
            sorted(state.awaited),
            hashing=hashing,
            refused_events=[*state.refusals.events.values()],
            refused_values=[*state.refusals.values.values()],
            outcomes=OutcomesSnapshot.of(state.outcomes),
            halves=HalvesSnapshot.of(state.halves),
            segments={model: CensusSnapshot.of(census) for model, census in sorted(state.segments.items())},
        )

    def restore(self, find: FindDetector, models: dict[Slice, ModelState] | None = None) -> State:
        """The state; with ``models`` that somebody else holds."""
        models = {m.slice: m.restore() for m in self.models} if models is None else models
        state = State(models=models, frontier=self.frontier)
        state.received, state.accepted, state.findings = self.received, self.accepted, self.findings
        state.rejected, state.dropped = Counter(self.rejected), Counter(self.dropped)
        state.awaited = frozenset(self.awaited)
        state.refusals = Refusals.of(self.refused_events, self.refused_values)
        state.outcomes = self.outcomes.restore()
        state.halves = self.halves.restore()
        state.segments = {model: census.restore() for model, census in self.segments.items()}
        for p in self.partitions:
            streams = {s.slice: s.restore(_reference(models, s.slice), find) for s in p.streams}
            state.partitions[p.source] = PartitionState(
                p.next_offset,
                p.latest,
                p.released,
                streams,
                Counter(p.late),
                p.worst_lateness,
                p.topic_id,
                p.pace,
                p.labelled,
                p.reached,
            )
        return state


def _reference(models: Mapping[Slice, ModelState], key: Slice) -> Reference | None:
    return models[key].reference if key in models else None
