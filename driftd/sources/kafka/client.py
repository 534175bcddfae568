"""kafka-python as driftd uses it: a consumer that leaves nothing behind when it fails, its listener."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from kafka import KafkaConsumer, errors
from kafka import TopicPartition as KafkaPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.structs import OffsetAndMetadata
from numpy.typing import NDArray

from driftd.core.errors import SourceError
from driftd.core.event import RecordBatch, TopicPartition
from driftd.sources.kafka.columns import Stretch
from driftd.sources.kafka.settings import KafkaSettings
from driftd.sources.kafka.sockets import close_failed_attempts


def open_consumer(settings: KafkaSettings, **options: Any) -> Any:
    """A KafkaConsumer that has found its cluster. Raises SourceError; leaves no thread behind when it does."""
    close_failed_attempts()
    opened: list[Any] = []
    make = KafkaConsumer.DEFAULT_CONFIG["kafka_client"]

    def client(**config: Any) -> Any:
        opened.append(make(**config))
        return opened[0]

    try:
        return KafkaConsumer(**settings.reading() | {"kafka_client": client} | options)
    except (errors.KafkaTimeoutError, errors.IncompatibleBrokerVersion) as error:
        for one in opened:
            one.close()
        raise SourceError(f"{settings.where}: {error}") from None


def to_batch(topic_partition: TopicPartition, stretch: Stretch, arrived: float) -> RecordBatch:
    """Milliseconds to seconds; a record is never younger than its arrival, whatever the producer's clock says."""
    timestamps = stretch.timestamps_ms / 1000.0
    timestamps[stretch.timestamps_ms < 0] = np.nan

    def unpack(offsets: NDArray[np.int64]) -> Iterator[RecordBatch]:
        assert stretch.packed is not None
        for part in stretch.packed.of(offsets):
            yield to_batch(topic_partition, part, arrived)

    return RecordBatch(
        source=topic_partition[0],
        partition=topic_partition[1],
        offsets=stretch.offsets,
        timestamps=np.minimum(timestamps, arrived),
        values=stretch.values,
        next_offset=stretch.next_offset,
        keys=stretch.keys,
        headers=stretch.headers,
        refused=stretch.refused,
        unpack=None if stretch.packed is None else unpack,
    )


def to_offsets(positions: Mapping[TopicPartition, int], metadata: str) -> dict[Any, Any]:
    return {
        KafkaPartition(*topic_partition): OffsetAndMetadata(offset, metadata, -1)
        for topic_partition, offset in positions.items()
    }


def to_cells(partitions: Any) -> set[TopicPartition]:
    return {(partition.topic, partition.partition) for partition in partitions}


class Notes(ConsumerRebalanceListener):  # type: ignore[misc]  # Any: kafka-python has no types
    """Runs on kafka-python's thread, which also sends the heartbeats: it only takes notes."""

    def __init__(self) -> None:
        self._notes: deque[tuple[str, set[TopicPartition]]] = deque()

    def on_partitions_assigned(self, assigned: Any) -> None:
        self._notes.append(("assigned", to_cells(assigned)))

    def on_partitions_revoked(self, revoked: Any) -> None:
        self._notes.append(("revoked", to_cells(revoked)))

    def on_partitions_lost(self, lost: Any) -> None:
        self._notes.append(("lost", to_cells(lost)))

    def take(self) -> list[tuple[str, set[TopicPartition]]]:
        notes = []
        while self._notes:
            notes.append(self._notes.popleft())
        return notes
