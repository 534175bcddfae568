"""Partitions that have been read to their end and silent for a while: they hold nobody back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from driftd.core.event import RecordBatch, TopicPartition
from driftd.sources import Lag


@dataclass(slots=True)
class Idle:
    _since: dict[TopicPartition, float] = field(default_factory=dict)

    def partitions(
        self, lags: Mapping[TopicPartition, Lag], came: Iterable[RecordBatch], now: float, idle_seconds: float
    ) -> frozenset[TopicPartition]:
        """Those that are idle at ``now``, by monotonic time, where ``came`` has come."""
        for records in came:
            self._since[records.topic_partition] = now
        idle = set()
        for topic_partition, lag in lags.items():
            if not lag.caught_up:
                self._since[topic_partition] = now
            elif now - self._since.setdefault(topic_partition, now) >= idle_seconds:
                idle.add(topic_partition)
        return frozenset(idle)

    def forget(self, topic_partition: TopicPartition) -> None:
        """It is another member's now."""
        self._since.pop(topic_partition, None)
