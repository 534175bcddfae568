"""Where reading goes on in each partition, and the questions to brokers that this takes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np
from kafka import TopicPartition as KafkaPartition
from kafka import errors

from driftd.core.errors import SourceError, SourceRefused
from driftd.core.event import RecordBatch, TopicPartition
from driftd.sources import Gap, GapCause, Lag
from driftd.sources.kafka import patches
from driftd.sources.kafka.refusals import REFUSALS, explain
from driftd.sources.kafka.settings import KafkaSettings, milliseconds

ANSWER_SECONDS: Final = 10.0  # for what the loop waits for: offsets of a seek, committed offsets


class Reading:
    """The consumer and its positions.

    ``positions`` are the next offsets to be handed out: kafka-python's own move before records are taken in.
    ``topic_ids`` says which topic each belongs to, "" where that is not known. ``gaps`` are those that nobody has
    been told of yet, ``last_error`` is what went wrong last.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings
        self.consumer: Any = None
        self.positions: dict[TopicPartition, int] = {}
        self.topic_ids: dict[TopicPartition, str] = {}
        self.gaps: list[Gap] = []
        self.last_error = ""
        self._read_until: dict[TopicPartition, float] = {}

    def go_to(self, topic_partition: TopicPartition, offset: int) -> None:
        # ValueError, AssertionError: taken away meanwhile; the next poll tells the daemon.
        with contextlib.suppress(ValueError, AssertionError, KeyError):
            self.consumer.seek(KafkaPartition(*topic_partition), offset)
            self.positions[topic_partition] = offset

    def leave_out(
        self, topic_partition: TopicPartition, first: int, next_offset: int, cause: GapCause, detail: str
    ) -> None:
        """Goes on at ``next_offset``; nobody will read what lies between."""
        self.gaps.append(Gap(topic_partition, first, next_offset, cause, detail))
        self.go_to(topic_partition, next_offset)

    def read(self, records: RecordBatch, arrived: float) -> None:
        """Notes how old the last record is that was handed out."""
        self._read_until[records.topic_partition] = float(np.nan_to_num(records.timestamps[-1], nan=arrived))

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        for topic_partition in partitions:
            self.positions.pop(topic_partition, None)
            self.topic_ids.pop(topic_partition, None)
            self._read_until.pop(topic_partition, None)

    def offsets_at(self, places: Mapping[TopicPartition, str]) -> dict[TopicPartition, int]:
        """The offset that each partition's "earliest" or "latest" stands for."""
        found: dict[TopicPartition, int] = {}
        for place in ("earliest", "latest"):
            found |= self.edges(
                [topic_partition for topic_partition in places if places[topic_partition] == place], place
            )
        return found

    def edges(self, partitions: list[TopicPartition], place: str) -> dict[TopicPartition, int]:
        if not partitions:
            return {}
        with self._asking(f"{place} offsets"):
            ask = self.consumer.beginning_offsets if place == "earliest" else self.consumer.end_offsets
            answer = ask(
                [KafkaPartition(*topic_partition) for topic_partition in partitions],
                timeout_ms=milliseconds(ANSWER_SECONDS),
            )
        return {(partition.topic, partition.partition): offset for partition, offset in answer.items()}

    def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, tuple[int, str]]:
        found: dict[TopicPartition, tuple[int, str]] = {}
        with self._asking("committed offsets"):
            partitions = [KafkaPartition(*topic_partition) for topic_partition in partitions]
            answer = patches.committed_offsets(self.consumer, partitions, milliseconds(ANSWER_SECONDS))
        for partition, one in answer.items():
            if one.offset >= 0:
                found[partition.topic, partition.partition] = one.offset, one.metadata or ""
        return found

    def lag(self) -> dict[TopicPartition, Lag]:
        """Costs no request: the broker sends the end of each partition with what it sends anyway."""
        if self.consumer is None:
            return {}
        now, connected = time.time(), patches.is_connected(self.consumer)
        assigned = self.consumer.assignment()
        found: dict[TopicPartition, Lag] = {}
        for topic_partition, next_offset in self.positions.items():
            partition = KafkaPartition(*topic_partition)
            end = self.consumer.highwater(partition) if partition in assigned else None
            if end is None:
                continue
            behind = max(0, end - next_offset)
            age = max(0.0, now - self._read_until.get(topic_partition, now)) if behind else 0.0
            found[topic_partition] = Lag(behind, age, caught_up=connected and not behind)
        return found

    @contextlib.contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        if self.consumer is None:
            raise SourceError(f"{self.settings.where}: not connected; cannot ask for {what}")
        try:
            yield
        except REFUSALS as error:
            raise SourceRefused(explain(self.settings, error)) from None
        except (errors.KafkaError, KeyError) as error:
            self.last_error = f"{what}: {type(error).__name__}: {error}"[:300]
            raise SourceError(f"{self.settings.where}: {what}: no answer ({type(error).__name__})") from None
