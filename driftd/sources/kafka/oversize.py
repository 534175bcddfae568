"""Batches that are too large to be fetched: found by their headers, so that reading can go on behind them.

A broker sends a batch whole, however little was asked for. Its header comes first: we read that and hang up.

    Fetch response v4 => Size i32, CorrelationId i32, ThrottleMs i32, [Topic string, [Partition i32, Error i16,
                         HighWatermark i64, LastStable i64, [Aborted i64 i64], Records i32 + bytes]]
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from kafka.protocol.consumer import FetchRequest

from driftd.core.event import TopicPartition
from driftd.sources.kafka.preflight import Conversation
from driftd.sources.kafka.records import LENGTH_END, MAGIC, START
from driftd.sources.kafka.settings import KafkaSettings

FETCH_VERSION: Final = 4  # Kafka 0.11; Kafka 4 still speaks it
BEFORE_TOPIC: Final = struct.Struct(">iiiih")  # size, correlation, throttle, topics, length of the topic's name
BEFORE_RECORDS: Final = struct.Struct(">iihqqii")  # partitions, partition, error, two offsets, aborted, size of records
LAST_DELTA: Final = struct.Struct(">i")
LAST_DELTA_AT: Final = 23
BATCH_BYTES: Final = LAST_DELTA_AT + LAST_DELTA.size
"""Of a batch's header, as much as is needed."""


@dataclass(frozen=True, slots=True)
class FoundBatch:
    """A batch on a broker: its size there, and the offset behind its last record."""

    size_bytes: int
    next_offset: int

    def beyond(self, most: int) -> str:
        """In words, if it is larger than that."""
        return f"a batch of {self.size_bytes} bytes, at most {most} are fetched" if self.size_bytes > most else ""


def fetch_request(topic_partition: TopicPartition, offset: int) -> FetchRequest:
    """Asks for one byte: the broker answers with one batch, or none."""
    topic, number = topic_partition
    partition = FetchRequest.FetchTopic.FetchPartition(partition=number, fetch_offset=offset, partition_max_bytes=1)
    return FetchRequest(
        version=FETCH_VERSION,
        replica_id=-1,
        max_wait_ms=0,
        min_bytes=0,
        max_bytes=1,
        isolation_level=0,
        topics=[FetchRequest.FetchTopic(topic=topic, partitions=[partition])],
    )


def batch_at(settings: KafkaSettings, server: str, topic_partition: TopicPartition, offset: int) -> FoundBatch | None:
    """The batch at this offset, of which no more than its header is received; None where there is none.

    Raises SourceError or SourceRefused.
    """
    topic = len(topic_partition[0].encode())
    with Conversation(settings, server, settings.ssl_context()) as talk:
        talk.introduce()
        head = talk.begin_of_answer(
            fetch_request(topic_partition, offset),
            "Fetch",
            BEFORE_TOPIC.size + topic + BEFORE_RECORDS.size + BATCH_BYTES,
        )
    return batch_in(head, BEFORE_TOPIC.size + topic)


def batch_in(answer: bytes, at: int) -> FoundBatch | None:
    """What the begin of a Fetch response says; ``at`` is where the topic's name ends."""
    records = at + BEFORE_RECORDS.size
    if len(answer) < records + BATCH_BYTES:
        return None
    _, _, error, _, _, _, size = BEFORE_RECORDS.unpack_from(answer, at)
    if error or size <= 0:
        return None
    base, length = START.unpack_from(answer, records)
    # In formats before v2 a set of messages has the offset of its last one.
    last = LAST_DELTA.unpack_from(answer, records + LAST_DELTA_AT)[0] if answer[records + MAGIC] >= 2 else 0
    return FoundBatch(length + LENGTH_END, base + last + 1)
