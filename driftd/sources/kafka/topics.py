"""Kafka without a group: what ``driftd check`` asks, and a stretch of a topic for replay and reference build."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kafka import TopicPartition, errors
from kafka.protocol.consumer import HeartbeatRequest
from kafka.protocol.metadata import MetadataRequest

from driftd.core.errors import SourceError, SourceRefused
from driftd.core.event import RecordBatch
from driftd.sources.kafka import patches
from driftd.sources.kafka.client import open_consumer, to_batch
from driftd.sources.kafka.library_log import listen_to_library
from driftd.sources.kafka.oversize import batch_at, fetch_request
from driftd.sources.kafka.preflight import GROUP_DENIED, TOPIC_DENIED, UNSEEN, Conversation, Greeting, preflight
from driftd.sources.kafka.records import Stretch
from driftd.sources.kafka.settings import KafkaSettings, milliseconds

OPERATIONS_VERSION: Final = 8  # of Metadata: from here on it says which operations are allowed
WRITE: Final = 4  # its number among the operations


@dataclass(frozen=True, slots=True)
class TopicReport:
    """One topic as ``driftd check`` shows it; ``problem`` is empty where it can be read, or what is written there
    (``writes``) can be written.
    """

    name: str
    partitions: int
    problem: str = ""
    writes: str = ""

    @property
    def state(self) -> str:
        return self.problem or (f"writable ({self.writes})" if self.writes else "readable")


@dataclass(frozen=True, slots=True)
class KafkaReport:
    """What a broker let us see; ``group_problem`` is empty where the group may be used."""

    server: str
    version: tuple[int, ...]
    cluster_id: str
    topics: tuple[TopicReport, ...]
    group_problem: str = ""

    @property
    def problems(self) -> tuple[str, ...]:
        found = [
            f"{topic.writes} topic '{topic.name}': {topic.problem}".strip() for topic in self.topics if topic.problem
        ]
        return (*found, self.group_problem) if self.group_problem else tuple(found)


def check_topics(settings: KafkaSettings, writes: Mapping[str, str] | None = None) -> KafkaReport:
    """Knock, log in, and ask for every topic and the group whether we may read, and for each topic of ``writes`` (with
    what is written there: "findings") whether we may write; changes nothing.

    A broker checks permission before anything else, so a fetch of one byte and the heartbeat of a member that
    does not exist tell. Raises SourceError or SourceRefused where no broker can be asked.
    """
    greeting = preflight(settings)
    with Conversation(settings, greeting.server, settings.ssl_context()) as talk:
        talk.introduce()
        read = [topic_report(talk, greeting, topic) for topic in settings.topics]
        topics = (*read, *written(talk, writes or {}))
        request = HeartbeatRequest(version=0, group_id=settings.group_id, generation_id=-1, member_id="driftd-check")
        denied = talk.ask(request, "Heartbeat").error_code == GROUP_DENIED
    problem = f"no permission to read as group '{settings.group_id}' (needs READ on the group)" if denied else ""
    return KafkaReport(greeting.server, greeting.version, greeting.cluster_id, topics, problem)


def topic_report(talk: Conversation, greeting: Greeting, topic: str) -> TopicReport:
    seen = greeting.topics.get(topic)
    if seen is None or not seen.exists:
        if seen is not None and seen.denied:
            return TopicReport(topic, 0, UNSEEN)
        return TopicReport(topic, 0, "does not exist; driftd run would wait for it")
    answer = talk.ask(fetch_request((topic, seen.partitions[0]), 0), "Fetch")
    codes = {partition.error_code for topic in answer.responses for partition in topic.partitions}
    problem = "no permission to read it (needs READ)" if TOPIC_DENIED in codes else ""
    return TopicReport(topic, len(seen.partitions), problem)


def written(talk: Conversation, writes: Mapping[str, str]) -> Iterator[TopicReport]:
    """The broker says which operations it allows us; one before Kafka 2.3 does not, and the topic is shown without."""
    if not writes:
        return
    version = min(OPERATIONS_VERSION, talk.version_of(MetadataRequest))
    request = MetadataRequest(
        version=version,
        topics=[MetadataRequest.MetadataRequestTopic(name=topic) for topic in writes],
        allow_auto_topic_creation=False,
        include_topic_authorized_operations=True,
    )
    for topic in talk.ask(request, "Metadata").topics:
        allowed: set[int] | None = topic.authorized_operations if version >= OPERATIONS_VERSION else None
        problem = ""
        if topic.error_code == TOPIC_DENIED:
            problem = "no permission to see it, or it does not exist (needs DESCRIBE and WRITE)"
        elif topic.error_code or not topic.partitions:
            problem = "does not exist; create it"
        elif allowed is not None and WRITE not in allowed:
            problem = "no permission to write it (needs WRITE)"
        yield TopicReport(topic.name, len(topic.partitions), problem, writes[topic.name])


def read_range(
    settings: KafkaSettings,
    topic: str,
    start: int | datetime | None = None,
    end: int | datetime | None = None,
    patience_seconds: float = 30.0,
) -> Iterator[RecordBatch]:
    """All records of a topic from ``start`` up to ``end`` (exclusive), without a group.

    int: an offset, in every partition; datetime (with its zone): the first record of that time or later; None:
    from the first that there is, up to the last there is now. Raises SourceError when no answer comes for
    ``patience_seconds``, SourceRefused where the topic does not exist or cannot be read.
    """
    listen_to_library(lambda _: None)
    greeting = preflight(settings)
    consumer = open_consumer(settings, group_id=None, max_poll_records=1)
    try:
        partitions = [TopicPartition(topic, one) for one in sorted(consumer.partitions_for_topic(topic) or ())]
        if not partitions:
            raise SourceRefused(f"kafka {greeting.server}: topic '{topic}' does not exist, or may not be seen")
        fast = patches.hand_over_stretches(consumer, settings.max_poll_records, settings.max_batch_bytes)
        patches.receive_in_large_pieces(consumer)
        oversized: list[object] = []
        patches.notice_oversized(consumer, oversized.append)
        first = consumer.beginning_offsets(partitions)
        last = consumer.end_offsets(partitions)
        begins = places(consumer, start, first, first, last)
        ends = places(consumer, end, last, first, last)
        open_ends = {one: ends[one] for one in partitions if begins[one] < ends[one]}
        consumer.assign(list(open_ends) or partitions)
        for one in open_ends:
            consumer.seek(one, begins[one])
        for records in _read_until(settings, consumer, open_ends, patience_seconds, fast=fast):
            if records is not None:
                yield records
            elif oversized:
                require_receivable(settings, consumer, open_ends)
    except errors.AuthorizationError as error:
        raise SourceRefused(f"kafka {greeting.server}: no permission to read topic '{topic}': {error}") from None
    except errors.KafkaError as error:
        raise SourceError(f"kafka {greeting.server}: topic '{topic}': {type(error).__name__}: {error}") from None
    finally:
        consumer.close(autocommit=False, timeout_ms=5000)


def places(
    consumer: Any, place: int | datetime | None, default: Mapping[Any, int], first: Mapping[Any, int], last: Any
) -> dict[Any, int]:
    """An offset for every partition, within what there is."""
    if place is None:
        return dict(default)
    if isinstance(place, int):
        return {one: min(max(place, first[one]), last[one]) for one in first}
    found = consumer.offsets_for_times(dict.fromkeys(first, milliseconds(place.timestamp())))
    # None: no record is of that time or later.
    return {one: last[one] if found[one] is None else min(found[one].offset, last[one]) for one in first}


def _read_until(
    settings: KafkaSettings, consumer: Any, ends: dict[Any, int], patience_seconds: float, *, fast: bool
) -> Iterator[RecordBatch | None]:
    """None where a poll brought nothing."""
    heard = time.monotonic()
    while ends:
        answer = consumer.poll(timeout_ms=500)
        if not answer:
            yield None
        if not answer and time.monotonic() - heard > patience_seconds:
            raise SourceError(f"{settings.where}: no answer in {patience_seconds:g} s")
        for partition, found in answer.items():
            heard = time.monotonic()
            for stretch in patches.stretches_of(found, fast=fast):
                end = ends.get(partition)
                if end is None:
                    continue
                wanted = before(stretch, end)
                if len(wanted):
                    yield to_batch((partition.topic, partition.partition), wanted, time.time())
                require_whole(partition, stretch)
                if stretch.next_offset >= end:
                    del ends[partition]
                    if ends:
                        consumer.assign(list(ends))  # positions of the others stay


def require_whole(partition: Any, stretch: Stretch) -> None:
    if stretch.damaged is not None:
        where = f"{partition.topic}/{partition.partition}@{stretch.damaged.first}"
        raise SourceError(f"{where}: {stretch.damaged.detail}")


def require_receivable(settings: KafkaSettings, consumer: Any, partitions: Iterable[Any]) -> None:
    """Raises SourceError where one of them goes on with a batch that is too large to be received."""
    for partition in partitions:
        topic_partition, offset = (partition.topic, partition.partition), consumer.position(partition)
        _, server = patches.leader_of(consumer, topic_partition)
        batch = batch_at(settings, server, topic_partition, offset) if server else None
        if batch is not None and (detail := batch.beyond(settings.max_stored_bytes)):
            raise SourceError(f"{partition.topic}/{partition.partition}@{offset}: {detail}; begin behind it")


def before(stretch: Stretch, end: int) -> Stretch:
    if stretch.next_offset <= end:
        return stretch
    count = int(stretch.offsets.searchsorted(end))
    return Stretch(
        offsets=stretch.offsets[:count],
        timestamps_ms=stretch.timestamps_ms[:count],
        values=stretch.values[:count],
        next_offset=end,
        keys=None if stretch.keys is None else stretch.keys[:count],
        headers=None if stretch.headers is None else stretch.headers[:count],
        refused=stretch.refused,
    )
