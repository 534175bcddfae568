"""Records from Kafka topics, as a member of a consumer group; the checkpoint, not the group, says where to read on."""

from __future__ import annotations

import contextlib
import logging
import struct
import time
import zlib
from collections import deque
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np
from kafka import TopicPartition as KafkaPartition
from kafka import errors

from driftd.core.errors import SourceError, SourceRefused
from driftd.core.event import RecordBatch, TopicPartition
from driftd.core.text import plural
from driftd.sources import Assigned, Change, Gap, GapCause, Health, Lag, Lost, Revoked
from driftd.sources.kafka import patches
from driftd.sources.kafka.client import Notes, open_consumer, to_batch, to_cells, to_offsets
from driftd.sources.kafka.compression import Damage
from driftd.sources.kafka.diagnosis import Diagnosis
from driftd.sources.kafka.library_log import listen_to_library
from driftd.sources.kafka.oversize import batch_at
from driftd.sources.kafka.preflight import UNSEEN, Greeting, preflight
from driftd.sources.kafka.records import Stretch
from driftd.sources.kafka.settings import KafkaSettings, milliseconds
from driftd.sources.kafka.topics import KafkaReport, TopicReport, check_topics, read_range
from driftd.sources.kafka.unread import UnreadPartitions

__all__ = ["KafkaReport", "KafkaSettings", "KafkaSource", "TopicReport", "check_topics", "read_range"]

log = logging.getLogger("driftd.kafka")

CHECKSUM_ATTEMPTS: Final = 3
STRETCHES_PER_POLL: Final = 4
LONGEST_BACKOFF_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 10.0  # for what the loop waits for: offsets of a seek, committed offsets
REFUSALS: Final = (
    errors.AuthorizationError,
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.FencedInstanceIdError,
    errors.InvalidGroupIdError,
    errors.InconsistentGroupProtocolError,
    errors.InvalidSessionTimeoutError,
    errors.GroupMaxSizeReachedError,
)
NOT_OURS_ANY_MORE: Final = (
    errors.CommitFailedError,
    errors.RebalanceInProgressError,
    errors.UnknownMemberIdError,
    errors.IllegalGenerationError,
)
# What the stock unpacker lets out on bytes it cannot read; ours turns them into Damaged.
UNPACKING: Final = (ValueError, RuntimeError, LookupError, EOFError, TypeError, struct.error, zlib.error)


class KafkaSource:
    """See ``driftd.sources.Source``. Connects in poll(), and tries again for as long as it is polled.

    Raises SourceRefused out of poll() where trying again does not help (login, permission, fenced by another
    driftd of the same group_instance_id); SourceError where it does.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings
        self.greeting: Greeting | None = None
        self.fast = False
        self._consumer: Any = None
        self._notes = Notes()
        self._changes: list[Change] = []
        self._gaps: list[Gap] = []
        self._owned: set[TopicPartition] = set()
        self._next: dict[TopicPartition, int] = {}  # our own positions: kafka-python's move before records are taken in
        self._topic_ids: dict[TopicPartition, str] = {}  # of the topic that the position belongs to
        self._read_until: dict[TopicPartition, float] = {}
        self._oversized: deque[Any] = deque()  # nodes that sent more than may be received; kafka-python's thread adds
        self._must_hand_over = False
        self._announced = False
        self._known: dict[str, frozenset[int]] = {}
        self._damage: dict[TopicPartition, tuple[int, int]] = {}
        self._attempt = 0
        self._retry_at = 0.0
        self._rebalances = 0
        self._commit_failures = 0
        self._last_error = ""
        self._was_connected = False
        self._diagnosis = Diagnosis(lambda: preflight(settings))
        self._said_cause = ""
        self._unread = UnreadPartitions(settings.group_id, settings.metadata_max_age_seconds)

    def poll(self, timeout_seconds: float) -> list[RecordBatch]:
        if self._consumer is None and not self._connect(timeout_seconds):
            return []
        answer = self._ask_broker(timeout_seconds)
        # First the group, then the records: what came with an assignment is read again after its seek.
        self._follow_group()
        self._unread.look(self._consumer, self.settings.topics)
        self._notice_connection()
        batches = self._batches(answer, self._follow_topics())
        self._pass_over_oversized()
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
        changes, self._changes = self._changes, []
        waiting = tuple(sorted(self._owned - self._next.keys()))
        if waiting and not self._announced:
            changes.append(Assigned(waiting, tuple(sorted(self._owned))))
        return changes

    def gaps(self) -> list[Gap]:
        gaps, self._gaps = self._gaps, []
        return gaps

    def seek(
        self, positions: Mapping[TopicPartition, int | str], topic_ids: Mapping[TopicPartition, str] | None = None
    ) -> dict[TopicPartition, int]:
        mine = {
            topic_partition: position
            for topic_partition, position in positions.items()
            if topic_partition in self._owned
        }
        wanted = {topic_partition: position for topic_partition, position in mine.items() if isinstance(position, int)}
        # A topic that has positions was read before; so a partition of it that has none came into being since.
        read_before = {topic for topic, _ in (*wanted, *self._next)}
        places = {
            topic_partition: self._place(topic_partition, position, read_before)
            for topic_partition, position in mine.items()
            if isinstance(position, str)
        }
        wanted |= self._offsets_at(places)
        for topic_partition, offset in wanted.items():
            self._topic_ids[topic_partition] = (topic_ids or {}).get(topic_partition, "")
            self._go_to(topic_partition, offset)
        return wanted

    def _place(self, topic_partition: TopicPartition, asked: str, read_before: Container[str]) -> str:
        return "earliest" if topic_partition[0] in read_before or self._is_new(topic_partition) else asked

    def _offsets_at(self, places: Mapping[TopicPartition, str]) -> dict[TopicPartition, int]:
        """The offset that each partition's "earliest" or "latest" stands for."""
        found: dict[TopicPartition, int] = {}
        for place in ("earliest", "latest"):
            found |= self._edges(
                [topic_partition for topic_partition in places if places[topic_partition] == place], place
            )
        return found

    def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, tuple[int, str]]:
        found: dict[TopicPartition, tuple[int, str]] = {}
        with self._asking("committed offsets"):
            partitions = [KafkaPartition(*topic_partition) for topic_partition in partitions]
            answer = patches.committed_offsets(self._consumer, partitions, milliseconds(ANSWER_SECONDS))
        for partition, one in answer.items():
            if one.offset >= 0:
                found[partition.topic, partition.partition] = one.offset, one.metadata or ""
        return found

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
        return dict(self._next)

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
        return dict(self._topic_ids)

    def lag(self) -> dict[TopicPartition, Lag]:
        """Costs no request: the broker sends the end of each partition with what it sends anyway."""
        if self._consumer is None:
            return {}
        now, connected = time.time(), patches.is_connected(self._consumer)
        assigned = self._consumer.assignment()
        found: dict[TopicPartition, Lag] = {}
        for topic_partition, next_offset in self._next.items():
            partition = KafkaPartition(*topic_partition)
            end = self._consumer.highwater(partition) if partition in assigned else None
            if end is None:
                continue
            behind = max(0, end - next_offset)
            age = max(0.0, now - self._read_until.get(topic_partition, now)) if behind else 0.0
            found[topic_partition] = Lag(behind, age, caught_up=connected and not behind)
        return found

    def health(self) -> Health:
        consumer = self._consumer
        return Health(
            connected=consumer is not None and patches.is_connected(consumer),
            last_error=self._diagnosis.cause or self._last_error,
            logins=self.settings.logins.count,
            rebalances=self._rebalances,
            commit_failures=self._commit_failures,
            missing_topics=tuple(
                topic for topic in self.settings.topics if consumer and not patches.partitions_of(consumer, topic)
            ),
            unread_partitions=self._unread.partitions,
            members=self._unread.members,
        )

    def close(self) -> None:
        """Leave within 5 s. A static member says nothing to the group: its partitions wait for it to come back."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
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
            self._consumer = open_consumer(
                self.settings, **self.settings.membership(), max_poll_records=STRETCHES_PER_POLL
            )
        except SourceRefused:
            raise
        except SourceError as error:
            backoff = min(2.0 ** (self._attempt - 1), LONGEST_BACKOFF_SECONDS)
            self._retry_at = time.monotonic() + backoff
            self._last_error = str(error)
            raise SourceError(f"{error}; attempt {self._attempt}, next in {backoff:g} s, nothing lost") from None
        self._known = {name: frozenset(topic.partitions) for name, topic in self.greeting.topics.items()}
        self.fast = patches.hand_over_stretches(
            self._consumer, self.settings.max_poll_records, self.settings.max_batch_bytes
        )
        if not self.fast:
            log.warning("kafka-python is not the version we know: reading with its own unpacker, which is slower")
            self._consumer.config["max_poll_records"] = self.settings.max_poll_records
        patches.receive_in_large_pieces(self._consumer)
        patches.leave_positions_alone(self._consumer)
        patches.announce_revocation(self._consumer, self._hand_over_first)
        patches.finish_rebalances(self._consumer)
        patches.notice_oversized(self._consumer, self._oversized.append)
        patches.fetch_by_id(self._consumer)
        self._consumer.subscribe(list(self.settings.topics), listener=self._notes)
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
            self._out_of_range(error)
        except errors.LogTruncationError as error:
            self._truncated(error)
        except REFUSALS as error:
            raise SourceRefused(self._explain(error)) from None
        except (errors.KafkaError, *UNPACKING) as error:
            self._contain(error, timeout_seconds)
        return {}

    def _batches(self, answer: Mapping[Any, list[Any]], skip: Container[TopicPartition]) -> list[RecordBatch]:
        arrived = time.time()
        batches = []
        for partition, found in answer.items():
            topic_partition = (partition.topic, partition.partition)
            if topic_partition in skip:
                continue
            for stretch in patches.stretches_of(found, fast=self.fast):
                if topic_partition not in self._next or stretch.next_offset < self._next[topic_partition]:
                    continue  # not seeked yet, or an answer from before a seek
                self._next[topic_partition] = stretch.next_offset
                if len(stretch):
                    batches.append(to_batch(topic_partition, stretch, arrived))
                    self._read_until[topic_partition] = float(np.nan_to_num(batches[-1].timestamps[-1], nan=arrived))
                if stretch.damaged is not None:
                    self._damaged(topic_partition, stretch)
        return batches

    def _damaged(self, topic_partition: TopicPartition, stretch: Stretch) -> None:
        """A checksum may differ because of the wire: fetch it again, twice. Else pass the batch over, counted."""
        damaged = stretch.damaged
        assert damaged is not None
        offset, attempts = self._damage.get(topic_partition, (damaged.first, 0))
        attempts = attempts + 1 if offset == damaged.first else 1
        self._damage[topic_partition] = damaged.first, attempts
        where = f"{topic_partition[0]}/{topic_partition[1]}@{damaged.first}"
        self._last_error = f"{where}: {damaged.detail}"
        if damaged.damage is Damage.CHECKSUM and attempts < CHECKSUM_ATTEMPTS:
            log.warning("%s: %s; fetching it again", where, damaged.detail)
            self._go_to(topic_partition, damaged.first)
            return
        del self._damage[topic_partition]
        log.error("%s: %s; passing over everything before %d", where, damaged.detail, damaged.next_offset)
        cause = GapCause.TOO_LARGE if damaged.damage is Damage.TOO_LARGE else GapCause.DAMAGED
        self._gaps.append(Gap(topic_partition, damaged.first, damaged.next_offset, cause, damaged.detail))
        self._go_to(topic_partition, damaged.next_offset)

    def _pass_over_oversized(self) -> None:
        """Looks for the batch that could not be received, and goes to the offset behind it."""
        nodes = set()
        while self._oversized:
            nodes.add(self._oversized.popleft())
        for topic_partition, offset in list(self._next.items()) if nodes else ():
            node, server = patches.leader_of(self._consumer, topic_partition)
            if node not in nodes:
                continue
            try:
                batch = batch_at(self.settings, server, topic_partition, offset)
            except SourceError as failure:
                self._last_error = str(failure)  # it will be noticed again
                return
            if batch is not None and (detail := batch.beyond(self.settings.max_stored_bytes)):
                self._gaps.append(Gap(topic_partition, offset, batch.next_offset, GapCause.OVERSIZED, detail))
                self._go_to(topic_partition, batch.next_offset)

    def _contain(self, error: Exception, timeout_seconds: float) -> None:
        """Never spin: let go of what raised, remember it, and do not ask again at once."""
        patches.drain(self._consumer)
        if isinstance(error, NOT_OURS_ANY_MORE):
            return
        if isinstance(error, errors.CorruptRecordError | errors.UnsupportedCodecError) or not isinstance(
            error, errors.KafkaError
        ):
            self._pass_over(error)
        said = f"{type(error).__name__}: {error}"[:300]
        if said != self._last_error:
            log.warning("%s: %s", self.settings.where, said)
        self._last_error = said
        time.sleep(min(timeout_seconds, 0.1))

    def _pass_over(self, error: Exception) -> None:
        """The stock unpacker does not say which partition it stumbled over: it is the one it would read next."""
        for partition in list(self._consumer.assignment()):
            topic_partition = (partition.topic, partition.partition)
            end = self._consumer.highwater(partition)
            if (
                topic_partition in self._next
                and end is not None
                and self._next[topic_partition] < end
                and str(partition) in str(error)
            ):
                after = self._next[topic_partition] + 1
                self._gaps.append(
                    Gap(topic_partition, self._next[topic_partition], after, GapCause.DAMAGED, str(error)[:200])
                )
                self._go_to(topic_partition, after)

    def _out_of_range(self, error: errors.OffsetOutOfRangeError) -> None:
        for partition, offset in error.args[0].items():
            topic_partition = (partition.topic, partition.partition)
            try:
                first, end = (
                    self._edges([topic_partition], place)[topic_partition] for place in ("earliest", "latest")
                )
            except SourceError as failure:
                self._last_error = str(failure)
                continue  # the next fetch raises again
            if offset < first:
                detail = f"deleted before they were read: offsets {offset} to {first - 1}"
                self._gaps.append(Gap(topic_partition, offset, first, GapCause.RETENTION, detail))
            else:
                detail = f"the topic ends at {end}, before our position {offset}: it was made anew; from its beginning"
                self._gaps.append(Gap(topic_partition, offset, first, GapCause.REWOUND, detail))
                self._topic_ids.pop(topic_partition, None)
            log.warning("%s/%d: %s", *topic_partition, detail)
            self._go_to(topic_partition, first)

    def _truncated(self, error: errors.LogTruncationError) -> None:
        for partition, diverged in error.divergent_offsets.items():
            topic_partition = (partition.topic, partition.partition)
            if diverged is None or topic_partition not in self._next:
                continue
            detail = f"the log was cut back to {diverged.offset} (unclean leader election); reading on from there"
            log.warning("%s/%d: %s", *topic_partition, detail)
            self._gaps.append(
                Gap(topic_partition, self._next[topic_partition], diverged.offset, GapCause.REWOUND, detail)
            )
            self._go_to(topic_partition, diverged.offset)

    def _follow_topics(self) -> list[TopicPartition]:
        """Goes to the beginning of a topic that was made anew under its old name: our position in it means nothing."""
        ids = {topic: self.topic_id(topic) for topic in self.settings.topics}
        anew = []
        for topic_partition in self._next:
            now, was = ids.get(topic_partition[0], ""), self._topic_ids.get(topic_partition)
            if now and was and now != was:
                anew.append(topic_partition)
            elif now:
                self._topic_ids[topic_partition] = now
        try:
            firsts = self._edges(anew, "earliest")
        except SourceError as failure:
            self._last_error = str(failure)  # the next poll asks again
            return anew
        for topic_partition, first in firsts.items():
            was, now = self._topic_ids[topic_partition], ids[topic_partition[0]]
            detail = f"the topic was made anew (its id was {was}, now {now}); from its beginning"
            self._gaps.append(Gap(topic_partition, self._next[topic_partition], first, GapCause.REWOUND, detail))
            self._topic_ids[topic_partition] = now
            self._go_to(topic_partition, first)
        return anew

    def _go_to(self, topic_partition: TopicPartition, offset: int) -> None:
        # ValueError, AssertionError: taken away meanwhile; the next poll tells the daemon.
        with contextlib.suppress(ValueError, AssertionError, KeyError):
            self._consumer.seek(KafkaPartition(*topic_partition), offset)
            self._next[topic_partition] = offset

    def _edges(self, partitions: list[TopicPartition], place: str) -> dict[TopicPartition, int]:
        if not partitions:
            return {}
        with self._asking(f"{place} offsets"):
            ask = self._consumer.beginning_offsets if place == "earliest" else self._consumer.end_offsets
            answer = ask(
                [KafkaPartition(*topic_partition) for topic_partition in partitions],
                timeout_ms=milliseconds(ANSWER_SECONDS),
            )
        return {(partition.topic, partition.partition): offset for partition, offset in answer.items()}

    def _is_new(self, topic_partition: TopicPartition) -> bool:
        topic, partition = topic_partition
        return partition not in self._known.get(topic, frozenset())

    @contextlib.contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        if self._consumer is None:
            raise SourceError(f"{self.settings.where}: not connected; cannot ask for {what}")
        try:
            yield
        except REFUSALS as error:
            raise SourceRefused(self._explain(error)) from None
        except (errors.KafkaError, KeyError) as error:
            self._last_error = f"{what}: {type(error).__name__}: {error}"[:300]
            raise SourceError(f"{self.settings.where}: {what}: no answer ({type(error).__name__})") from None

    def _hand_over_first(self) -> bool:
        """Called by poll() when the group wants to rebalance: must the daemon save first?"""
        if self.settings.assignor != "sticky":
            return self._must_hand_over
        if not self._owned or self._announced:
            return False
        self._announced = True
        self._changes.append(Revoked(tuple(sorted(self._owned))))
        return True

    def _follow_group(self) -> None:
        """Turn what the listener noted on kafka-python's thread into changes."""
        self._must_hand_over = False
        for what, partitions in self._notes.take():
            self._unread.ask_soon()
            if what == "assigned":
                self._rebalances += 1
                kept = to_cells(self._consumer.assignment())
                # Eager: all partitions were given up, and those that came back are seeked anew.
                gone = self._owned - kept if self.settings.assignor != "sticky" else set(self._owned)
                self._forget(gone)
                self._owned = kept
                self._announced = False
                if not kept:
                    self._changes.append(Assigned((), ()))
            elif what == "lost":
                self._forget(partitions)
                self._owned -= partitions
                self._announced = False
                self._changes.append(Lost(tuple(sorted(partitions))))
            elif self.settings.assignor == "sticky":
                if partitions and not self._announced:  # should poll() not have announced it (see _fetch, part 4)
                    self._announced = True
                    self._changes.append(Revoked(tuple(sorted(partitions))))
            else:
                # Cooperative: they are out of our assignment already, but nobody has them before we rejoin.
                self._forget(partitions)
                self._owned -= partitions
                self._must_hand_over = True
                self._changes.append(Revoked(tuple(sorted(partitions))))
                self._changes.append(Assigned((), tuple(sorted(self._owned))))  # they are not ours from here on

    def _forget(self, partitions: Iterable[TopicPartition]) -> None:
        for topic_partition in partitions:
            self._next.pop(topic_partition, None)
            self._topic_ids.pop(topic_partition, None)
            self._read_until.pop(topic_partition, None)
            self._damage.pop(topic_partition, None)

    def _committed(self, _offsets: object, answer: object) -> None:
        if isinstance(answer, Exception):
            self._commit_failed(answer)

    def _commit_failed(self, error: Exception) -> None:
        self._commit_failures += 1
        self._last_error = f"commit: {type(error).__name__}: {error}"[:300]
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
        self._last_error = message[:300]

    def _explain(self, error: Exception) -> str:
        settings = self.settings
        text = f"{type(error).__name__.removesuffix('Error')}: {error}"[:300]
        if isinstance(error, errors.FencedInstanceIdError):
            who = f"group_instance_id '{settings.group_instance_id}' in group '{settings.group_id}'"
            text = f"another driftd uses {who}"
        elif isinstance(error, errors.GroupAuthorizationFailedError):
            text = f"no permission to read as group '{settings.group_id}' (needs READ on the group)"
        elif isinstance(error, errors.TopicAuthorizationFailedError):
            topics = ", ".join(sorted(error.args[0])) if error.args else "a topic"
            text = f"no permission to read {topics} (needs READ and DESCRIBE on the topic)"
        return f"{settings.where}: {text}"
