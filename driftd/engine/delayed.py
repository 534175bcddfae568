"""Records that were read and cannot be decoded yet, since a schema registry does not answer: their offsets wait."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from driftd.core.errors import SourceError
from driftd.core.event import RecordBatch, TopicPartition


@dataclass(slots=True)
class Delayed:
    records: list[RecordBatch] = field(default_factory=list)

    @property
    def partitions(self) -> frozenset[TopicPartition]:
        return frozenset(records.topic_partition for records in self.records)

    def ready(
        self,
        batches: Iterable[RecordBatch],
        prepare: Callable[[RecordBatch], None],
        out_of_reach: Callable[[str], None],
    ) -> list[RecordBatch]:
        """Those that can be decoded now, in order. The others wait, with all that comes behind them in a partition.

        ``prepare`` raises SourceError where it cannot be; one that is retriable is given to ``out_of_reach``.
        """
        ready: list[RecordBatch] = []
        waiting, self.records = [*self.records, *batches], []
        for records in waiting:
            if records.topic_partition in self.partitions:
                self.records.append(records)
                continue
            try:
                prepare(records)
            except SourceError as e:
                if not e.retriable:
                    raise
                out_of_reach(str(e))
                self.records.append(records)
            else:
                ready.append(records)
        return ready

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Whoever has these partitions from now on reads what was delayed once more."""
        gone = {*partitions}
        self.records = [records for records in self.records if records.topic_partition not in gone]
