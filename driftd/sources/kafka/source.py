"""Records from Kafka topics, as a member of a consumer group; the checkpoint, not the group, says where to read on."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Collection, Container, Iterable, Mapping
from typing import Any, Final

from kafka import TopicPartition as KafkaPartition
from kafka import errors

from driftd.core.errors import SourceError, SourceRefused
from driftd.core.event import RecordBatch, TopicPartition
from driftd.core.text import plural
from driftd.sources import Change, Gap, Health, Lag
from driftd.sources.kafka import patches
from driftd.sources.kafka.client import open_consumer, to_batch, to_offsets
from driftd.sources.kafka.diagnosis import Diagnosis
from driftd.sources.kafka.group import Membership
from driftd.sources.kafka.library_log import listen_to_library
from driftd.sources.kafka.obstacles import Obstacles
from driftd.sources.kafka.preflight import UNSEEN, Greeting, preflight
from driftd.sources.kafka.reading import Reading
from driftd.sources.kafka.refusals import NOT_OURS_ANY_MORE, REFUSALS, UNPACKING, explain
from driftd.sources.kafka.settings import KafkaSettings, milliseconds
from driftd.sources.kafka.topics import KafkaReport, TopicReport, check_topics
from driftd.sources.kafka.unread import UnreadPartitions

__all__ = ["KafkaReport", "KafkaSettings", "KafkaSource", "TopicReport", "check_topics"]

log = logging.getLogger("driftd.kafka")

STRETCHES_PER_POLL: Final = 4
LONGEST_BACKOFF_SECONDS: Final = 30.0


class KafkaSource:
    """See ``driftd.sources.Source``. Connects in poll(), and tries again for as long as it is polled.

    Raises SourceRefused out of poll() where trying again does not help (login, permission, fenced by another
    driftd of the same group_instance_id); SourceError where it does.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings
        self.greeting: Greeting | None = None
        self.fast = False
        self._reading = Reading(settings)
        self._obstacles = Obstacles(self._reading)
        self._group = Membership(settings.assignor, self._forget)
        self._known: dict[str, frozenset[int]] = {}
        self._attempt = 0
        self._retry_at = 0.0
        self._commit_failures = 0
        self._was_connected = False
        self._diagnosis = Diagnosis(lambda: preflight(settings))
        self._said_cause = ""
        self._unread = UnreadPartitions(settings.group_id, settings.metadata_max_age_seconds)

    @property
    def _consumer(self) -> Any:
        return self._reading.consumer

    def poll(self, timeout_seconds: float) -> list[RecordBatch]:
        if self._consumer is None and not self._connect(timeout_seconds):
            return []
        answer = self._ask_broker(timeout_seconds)
        # First the group, then the records: what came with an assignment is read again after its seek.
        if self._group.follow(self._consumer):
            self._unread.ask_soon()
        self._unread.look(self._consumer, self.settings.topics)
        self._notice_connection()
        batches = self._batches(answer, self._obstacles.follow_topics())
        self._obstacles.pass_over_oversized()
        return batches

    def hold(self, partitions: Collection[TopicPartition]) -> None:
        if self._consumer is None:
            return
        with contextlib.suppress(KeyError):  # one was taken away in between, on the library's thread
            assigned, paused = self._consumer.assignment(), self._consumer.paused()
            wanted = {KafkaPartition(*topic_partition) for topic_partition in partitions} & assigned
            self._consumer.pause(*(wanted - paused))
            self._consumer.resume(*(paused - wanted))
        patches.pick_up_parked(self._consumer)

    def changes(self) -> list[Change]:
        return self._group.changes(self._reading.positions)

    def gaps(self) -> list[Gap]:
        gaps, self._reading.gaps = self._reading.gaps, []
        return gaps

    def seek(
        self, positions: Mapping[TopicPartition, int | str], topic_ids: Mapping[TopicPartition, str] | None = None
    ) -> dict[TopicPartition, int]:
        mine = {
            topic_partition: position
            for topic_partition, position in positions.items()
            if topic_partition in self._group.owned
        }
        wanted = {topic_partition: position for topic_partition, position in mine.items() if isinstance(position, int)}
        # A topic that has positions was read before; so a partition of it that has none came into being since.
        read_before = {topic for topic, _ in (*wanted, *self._reading.positions)}
        places = {
            topic_partition: self._place(topic_partition, position, read_before)
            for topic_partition, position in mine.items()
            if isinstance(position, str)
        }
        wanted |= self._reading.offsets_at(places)
        for topic_partition, offset in wanted.items():
            self._reading.topic_ids[topic_partition] = (topic_ids or {}).get(topic_partition, "")
            self._reading.go_to(topic_partition, offset)
        return wanted

    def _place(self, topic_partition: TopicPartition, asked: str, read_before: Container[str]) -> str:
        return "earliest" if topic_partition[0] in read_before or self._is_new(topic_partition) else asked

    def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, tuple[int, str]]:
        return self._reading.committed(partitions)

    def commit(self, positions: Mapping[TopicPartition, int], metadata: str = "") -> None:
        if self._consumer is None or not positions:
            return
        try:
            self._consumer.commit_async(to_offsets(positions, metadata), callback=self._committed)
        except (errors.KafkaError, AssertionError) as error:
            self._commit_failed(error)

    def commit_now(
        self, positions: Mapping[TopicPartition, int], metadata: str = "", timeout_seconds: float = 5.0
    ) -> bool:
        if not positions:
            return True
        if self._consumer is None:
            return False
        if not patches.is_connected(self._consumer):
            self._commit_failed(errors.KafkaConnectionError("no broker answers"))
            return False
        try:
            self._consumer.commit(to_offsets(positions, metadata), timeout_ms=milliseconds(timeout_seconds))
        except (errors.KafkaError, AssertionError) as error:
            self._commit_failed(error)
            return False
        return True

    def positions(self) -> dict[TopicPartition, int]:
        return dict(self._reading.positions)

    def partitions(self, topics: Iterable[str]) -> list[TopicPartition]:
        """All that the topics have, whoever reads them; empty before the first connection."""
        if self._consumer is None:
            return []
        return [(topic, number) for topic in topics for number in sorted(patches.partitions_of(self._consumer, topic))]

    def generation(self) -> int:
        """Of the group: it grows with every rebalance."""
        return patches.generation(self._consumer)

    def topic_id(self, topic: str) -> str:
        return patches.topic_id(self._consumer, topic)

    def topic_ids(self) -> dict[TopicPartition, str]:
        return dict(self._reading.topic_ids)

    def lag(self) -> dict[TopicPartition, Lag]:
        return self._reading.lag()

    def health(self) -> Health:
        consumer = self._consumer
        return Health(
            connected=consumer is not None and patches.is_connected(consumer),
            last_error=self._diagnosis.cause or self._reading.last_error,
            logins=self.settings.logins.count,
            rebalances=self._group.rebalances,
            commit_failures=self._commit_failures,
            missing_topics=tuple(
                topic for topic in self.settings.topics if consumer and not patches.partitions_of(consumer, topic)
            ),
            unread_partitions=self._unread.partitions,
            members=self._unread.members,
        )

    def close(self) -> None:
        """Leave within 5 s. A static member says nothing to the group, its partitions wait for it to come back, unless
        it ``leaves``.
        """
        consumer, self._reading.consumer = self._consumer, None
        if consumer is not None:
            if self.settings.leaves:
                patches.leave_with(consumer)
            with contextlib.suppress(errors.KafkaError, AssertionError):
                consumer.close(autocommit=False, timeout_ms=5000)

    def _connect(self, timeout_seconds: float) -> bool:
        """One attempt, unless it is too early for the next; False when there is no connection yet."""
        wait = self._retry_at - time.monotonic()
        if wait > 0:
            time.sleep(min(wait, timeout_seconds))
            return False
        self._attempt += 1
        listen_to_library(self._heard)
        try:
            self.greeting = preflight(self.settings)
            self._require_permission({name for name, topic in self.greeting.topics.items() if topic.denied})
            self._reading.consumer = open_consumer(
                self.settings, **self.settings.membership(), max_poll_records=STRETCHES_PER_POLL
            )
        except SourceRefused:
            raise
        except SourceError as error:
            backoff = min(2.0 ** (self._attempt - 1), LONGEST_BACKOFF_SECONDS)
            self._retry_at = time.monotonic() + backoff
            self._reading.last_error = str(error)
            raise SourceError(f"{error}; attempt {self._attempt}, next in {backoff:g} s, nothing lost") from None
        self._known = {name: frozenset(topic.partitions) for name, topic in self.greeting.topics.items()}
        self.fast = patches.hand_over_stretches(
            self._consumer,
            self.settings.max_poll_records,
            self.settings.max_batch_bytes,
            late=self.settings.unpacks_late,
        )
        if not self.fast:
            log.warning("kafka-python is not the version we know: reading with its own unpacker, which is slower")
            self._consumer.config["max_poll_records"] = self.settings.max_poll_records
        patches.finish_partitions(self._consumer)
        patches.receive_in_place(self._consumer)
        patches.leave_positions_alone(self._consumer)
        patches.announce_revocation(self._consumer, self._group.hand_over_first)
        patches.finish_rebalances(self._consumer)
        patches.notice_oversized(self._consumer, self._obstacles.oversized.append)
        patches.fetch_by_id(self._consumer)
        self._consumer.subscribe(list(self.settings.topics), listener=self._group.notes)
        log.info("%s: connected", self.settings.where, extra={"broker_version": self.greeting.version})
        for topic in sorted(topic for topic in self.settings.topics if not self._known.get(topic)):
            log.warning("%s: topic '%s' does not exist yet; waiting for it", self.settings.where, topic)
        return True

    def _require_permission(self, denied: Collection[str]) -> None:
        """Such a topic looks like one that does not exist yet; waiting for it would not help."""
        if denied:
            topics = ", ".join(f"'{topic}'" for topic in sorted(denied))
            raise SourceRefused(f"{self.settings.where}: {plural('topic', len(denied))} {topics}: {UNSEEN}")

    def _ask_broker(self, timeout_seconds: float) -> Mapping[Any, list[Any]]:
        try:
            patches.require_membership(self._consumer)
            self._require_permission(patches.denied_topics(self._consumer))
            return self._consumer.poll(timeout_ms=milliseconds(timeout_seconds))  # type: ignore[no-any-return]
        except patches.RevokeFirst:
            pass
        except errors.OffsetOutOfRangeError as error:
            self._obstacles.out_of_range(error)
        except errors.LogTruncationError as error:
            self._obstacles.truncated(error)
        except REFUSALS as error:
            raise SourceRefused(explain(self.settings, error)) from None
        except (errors.KafkaError, *UNPACKING) as error:
            self._contain(error, timeout_seconds)
        return {}

    def _batches(self, answer: Mapping[Any, list[Any]], skip: Container[TopicPartition]) -> list[RecordBatch]:
        arrived, positions = time.time(), self._reading.positions
        batches = []
        for partition, found in answer.items():
            topic_partition = (partition.topic, partition.partition)
            if topic_partition in skip:
                continue
            for stretch in patches.stretches_of(found, fast=self.fast):
                if topic_partition not in positions or stretch.next_offset < positions[topic_partition]:
                    continue  # not seeked yet, or an answer from before a seek
                positions[topic_partition] = stretch.next_offset
                if len(stretch):
                    batches.append(to_batch(topic_partition, stretch, arrived))
                    self._reading.read(batches[-1], arrived)
                if stretch.damaged is not None:
                    self._obstacles.damaged(topic_partition, stretch)
        return batches

    def _contain(self, error: Exception, timeout_seconds: float) -> None:
        """Never spin: let go of what raised, remember it, and do not ask again at once."""
        patches.drain(self._consumer)
        if isinstance(error, NOT_OURS_ANY_MORE):
            return
        if isinstance(error, errors.CorruptRecordError | errors.UnsupportedCodecError) or not isinstance(
            error, errors.KafkaError
        ):
            self._obstacles.unreadable(error)
        said = f"{type(error).__name__}: {error}"[:300]
        if said != self._reading.last_error:
            log.warning("%s: %s", self.settings.where, said)
        self._reading.last_error = said
        time.sleep(min(timeout_seconds, 0.1))

    def _forget(self, partitions: Iterable[TopicPartition]) -> None:
        self._reading.forget(partitions)
        self._obstacles.forget(partitions)

    def _is_new(self, topic_partition: TopicPartition) -> bool:
        topic, partition = topic_partition
        return partition not in self._known.get(topic, frozenset())

    def _committed(self, _offsets: object, answer: object) -> None:
        if isinstance(answer, Exception):
            self._commit_failed(answer)

    def _commit_failed(self, error: Exception) -> None:
        self._commit_failures += 1
        self._reading.last_error = f"commit: {type(error).__name__}: {error}"[:300]
        if self._commit_failures == 1 or not isinstance(error, NOT_OURS_ANY_MORE):
            log.info("offsets not committed; the checkpoint has them", extra={"error": type(error).__name__})

    def _notice_connection(self) -> None:
        connected = patches.is_connected(self._consumer)
        if connected != self._was_connected:
            self._was_connected = connected
            if connected:
                self._attempt = 0
                log.info("%s: a broker answers", self.settings.where)
            else:
                log.warning("%s: no broker answers; trying again, nothing lost", self.settings.where)
        self._diagnosis.follow(connected)
        cause = self._diagnosis.cause
        if cause and cause != self._said_cause:
            log.warning("%s", cause)
        self._said_cause = cause

    def _heard(self, message: str) -> None:
        self._reading.last_error = message[:300]
