"""A small daemon for source tests: seeks what it is given, remembers what it read, commits when asked to give up."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from driftd.core.event import RecordBatch, TopicPartition
from driftd.sources import Assigned, Change, Gap, GapCause, Lost, Revoked
from driftd.sources.kafka.source import KafkaSettings, KafkaSource
from tests.servers.kafka import PASSWORD, USER, Broker


def settings(bootstrap: str, topic: str, **other: Any) -> KafkaSettings:
    defaults: dict[str, Any] = {
        "group_id": f"g-{uuid.uuid4().hex[:8]}",
        "start": "earliest",
        "metadata_max_age_seconds": 0.5,
        "session_timeout_seconds": 6.0,
        "heartbeat_seconds": 0.3,
        "request_timeout_seconds": 10.0,
    }
    return KafkaSettings(bootstrap_servers=(bootstrap,), topics=(topic,), **defaults | other)


def secure(broker: Broker, topic: str, password: str = PASSWORD) -> KafkaSettings:
    return settings(
        broker.sasl,
        topic,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-256",
        sasl_username=USER,
        sasl_password=password,
    )


@dataclass
class Reader:
    """What came, in order: values by cell, the changes, the gaps. ``known`` and ``ids`` stand for a checkpoint."""

    source: KafkaSource
    known: dict[TopicPartition, int] = field(default_factory=dict)
    ids: dict[TopicPartition, str] = field(default_factory=dict)
    values: list[bytes | None] = field(default_factory=list)
    batches: list[RecordBatch] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    def round(self, timeout_seconds: float = 0.2) -> None:
        for batch in self.source.poll(timeout_seconds):
            before = self.known.get(batch.topic_partition, batch.offsets[0])
            assert batch.offsets[0] >= before, "read again without a seek"
            self.batches.append(batch)
            self.values.extend(batch.values)
            self.known[batch.topic_partition] = batch.next_offset
        gaps = self.source.gaps()
        self.gaps.extend(gaps)
        self.known |= {gap.topic_partition: gap.next_offset for gap in gaps if gap.cause is GapCause.REWOUND}
        self.ids |= self.source.topic_ids()
        for change in self.source.changes():
            self.changes.append(change)
            self.follow(change)

    def follow(self, change: Change) -> None:
        if isinstance(change, Assigned):
            committed = self.source.committed(change.partitions)
            start = self.source.settings.start
            self.known |= self.source.seek(
                {
                    topic_partition: committed[topic_partition][0]
                    if topic_partition in committed
                    else self.known.get(topic_partition, start)
                    for topic_partition in change.partitions
                },
                self.ids,
            )
        elif isinstance(change, Revoked):
            positions = {
                topic_partition: self.known[topic_partition]
                for topic_partition in change.partitions
                if topic_partition in self.known
            }
            assert self.source.commit_now(positions, "me")
        else:
            assert isinstance(change, Lost)

    def until(self, done: Callable[[], bool], seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, f"not in {seconds} s: {self.source.health()} {self.known} {len(self.values)}"
            self.round()

    def read(self, count: int, seconds: float = 30.0) -> list[bytes | None]:
        self.until(lambda: len(self.values) >= count, seconds)
        return self.values

    @property
    def owned(self) -> set[TopicPartition]:
        owned: set[TopicPartition] = set()
        for change in self.changes:
            owned = set(change.owned) if isinstance(change, Assigned) else owned - set(change.partitions)
        return owned


@contextmanager
def reading(options: KafkaSettings) -> Iterator[Reader]:
    reader = Reader(KafkaSource(options))
    try:
        yield reader
    finally:
        reader.source.close()


def numbers(start: int, stop: int) -> list[bytes | None]:
    return [b"%d" % n for n in range(start, stop)]


def twice(values: list[bytes | None]) -> list[bytes | None]:
    return [value for value, count in Counter(values).items() if count > 1]
