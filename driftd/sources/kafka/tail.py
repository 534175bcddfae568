"""A topic from its beginning on, without a group: what every member of a group has to know."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from kafka import TopicPartition as KafkaPartition
from kafka import errors

from driftd.core.errors import SourceError
from driftd.sources.kafka.client import open_consumer
from driftd.sources.kafka.settings import KafkaSettings

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Kept:
    """A record of a compacted topic; ``value`` None: its key is gone."""

    partition: int
    key: bytes
    value: bytes | None


@dataclass(slots=True)
class Tail:
    """Reads ``topic``, all of its partitions or those that are given, in order of offset.

    Opens its consumer with the first question, and anew from the beginning after an error: who asks must not mind to be
    told twice.
    """

    settings: KafkaSettings
    topic: str
    partitions: tuple[int, ...] = ()
    _consumer: Any = None
    _at: list[Any] = field(default_factory=list)

    def poll(self) -> list[Kept]:
        """What has come; waits for nothing."""
        found: list[Kept] = []
        try:
            while more := self._take(0):
                found += more
        except errors.KafkaError as error:
            self.close()
            raise SourceError(f"{self.settings.where}: topic '{self.topic}': {type(error).__name__}: {error}") from None
        return found

    def to_end(self) -> list[Kept]:
        """All that was in the topic when it was asked. Raises SourceError where no answer comes."""
        try:
            found = self._take(0)
            ends = self._consumer.end_offsets(self._at)
            until = time.monotonic() + PATIENCE_SECONDS
            while any(self._consumer.position(one) < end for one, end in ends.items()):
                if time.monotonic() > until:
                    raise SourceError(f"{self.settings.where}: topic '{self.topic}': not read to its end in 30 s")
                found += self._take(200)
        except errors.KafkaError as error:
            self.close()
            raise SourceError(f"{self.settings.where}: topic '{self.topic}': {type(error).__name__}: {error}") from None
        return found

    def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close(autocommit=False, timeout_ms=2000)

    def _take(self, wait_ms: int) -> list[Kept]:
        self._open()
        answer = self._consumer.poll(timeout_ms=wait_ms)
        return [Kept(one.partition, r.key or b"", r.value) for one, records in answer.items() for r in records]

    def _open(self) -> None:
        if self._consumer is not None:
            return
        consumer = open_consumer(self.settings, group_id=None, auto_offset_reset="earliest")
        known = consumer.partitions_for_topic(self.topic)
        if not known:
            consumer.close(autocommit=False, timeout_ms=2000)
            raise SourceError(
                f"{self.settings.where}: topic '{self.topic}' does not exist (create it), or may not be seen"
            )
        self._at = [KafkaPartition(self.topic, one) for one in sorted(self.partitions or known)]
        consumer.assign(self._at)
        consumer.seek_to_beginning(*self._at)
        self._consumer = consumer
