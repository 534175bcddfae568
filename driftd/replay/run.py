"""History through the same pipeline, as fast as it can: what would have been found, and when."""

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
    """What became of every event: read == accepted + sum(rejected) + late + sum(dropped)."""

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
    """One configuration going through a history. ``began`` and ``ended``: event time from which the first model was
    watched (its reference being there or learned) to the last event; NaN before there is one.

    ``cells`` are the partitions of a history that has more than one: each holds the others back until its own time has
    come, so the result does not depend on how they were read.
    """

    pipeline: Pipeline
    state: State
    ledger: Tally = field(default_factory=Tally)
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
        return self.ledger.report(self.began, self.ended, self.pipeline.monitor.false_alarms_per_month)

    @property
    def ended(self) -> float:
        return max((p.latest for p in self.state.partitions.values()), default=float("nan"))

    def _kept(self, outcome: Outcome) -> Outcome:
        self.ledger.take(outcome.judgements)
        for reference in outcome.learned:
            self.began = float(np.fmin(self.began, reference.last))
        return outcome
