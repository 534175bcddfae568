"""History through the same pipeline, at full speed: what would have been found, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from driftd.core.event import RecordBatch, TopicPartition
from driftd.core.reference import Reference
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import Outcome, State
from driftd.ingest.state import PartitionState
from driftd.replay.report import Report, Tally


@dataclass(frozen=True, slots=True)
class Accounts:
    """The account of every event: read == accepted + sum(rejected) + late + sum(dropped)."""

    read: int
    accepted: int
    rejected: Mapping[str, int]
    late: int
    dropped: Mapping[str, int]

    @classmethod
    def of(cls, state: State) -> Accounts:
        rejected, dropped = dict(sorted(state.rejected.items())), dict(sorted(state.dropped.items()))
        return cls(state.received, state.accepted, rejected, state.late, dropped)

    def __str__(self) -> str:
        return (
            f"read {self.read} = accepted {self.accepted} + rejected {_sum(self.rejected)} + late {self.late}"
            f" + dropped {_sum(self.dropped)}"
        )


def _sum(parts: Mapping[str, int]) -> str:
    total = str(sum(parts.values()))
    return f"{total} ({', '.join(f'{name} {n}' for name, n in parts.items())})" if parts else total


@dataclass(slots=True)
class Replay:
    """One configuration running through a history. ``began`` to ``ended``: event time from which the first model was
    watched (its reference being there or learned) to the last event; NaN before there is one.

    ``partitions`` are those of a history that has more than one. Each holds the others back until it has reached their
    time, so the result does not depend on the order in which they are read.
    """

    pipeline: Pipeline
    state: State
    tally: Tally = field(default_factory=Tally)
    began: float = float("nan")
    _done: set[TopicPartition] = field(default_factory=set)

    @classmethod
    def of(
        cls, pipeline: Pipeline, references: Mapping[str, Reference], partitions: Iterable[TopicPartition] = ()
    ) -> Self:
        state = State()
        pipeline.begin(state, references)
        for topic_partition in partitions:
            state.partitions.setdefault(topic_partition, PartitionState(0))
        return cls(pipeline, state)

    def take(self, records: RecordBatch) -> Outcome:
        """Takes the next records in. An empty batch says that its partition has ended."""
        if len(records) == 0:
            self._done.add(records.topic_partition)
            return self._kept(self.pipeline.settle(self.state, frozenset(self._done)))
        watched = {key.model for key, model in self.state.models.items() if model.reference is not None}
        for batch in self.pipeline.take(self.state, records).batches:
            if batch.model in watched and len(batch):
                self.began = float(np.fmin(self.began, batch.times.min()))
        return self._kept(self.pipeline.settle(self.state, frozenset(self._done)))

    def finish(self) -> Outcome:
        """Closes every window."""
        return self._kept(self.pipeline.settle(self.state, end=True))

    def report(self) -> Report:
        return self.tally.report(self.began, self.ended, self.pipeline.monitor.false_alarms_per_month)

    @property
    def ended(self) -> float:
        return max((p.latest for p in self.state.partitions.values()), default=float("nan"))

    def _kept(self, outcome: Outcome) -> Outcome:
        self.tally.take(outcome.judgements)
        for reference in outcome.learned:
            self.began = float(np.fmin(self.began, reference.last))
        return outcome
