"""What ``driftd check`` asks: which topics and group may be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from kafka.protocol.admin import DescribeConfigsRequest
from kafka.protocol.consumer import HeartbeatRequest
from kafka.protocol.metadata import MetadataRequest

from driftd.sources.kafka.oversize import fetch_request
from driftd.sources.kafka.preflight import GROUP_DENIED, TOPIC_DENIED, UNSEEN, Conversation, Greeting, preflight
from driftd.sources.kafka.settings import KafkaSettings

OPERATIONS_VERSION: Final = 8  # of Metadata: from here on it says which operations are allowed
WRITE: Final = 4  # its number among the operations
TOPIC: Final = 2  # its number among what has a configuration
POLICY: Final = "cleanup.policy"


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


def check_topics(
    settings: KafkaSettings, writes: Mapping[str, str] | None = None, policies: Mapping[str, str] | None = None
) -> KafkaReport:
    """Knock, log in, and ask for every topic and the group whether we may read, and for each topic of ``writes`` (with
    what is written there: "findings") whether we may write, and whether those of ``policies`` have these
    (cleanup.policy); changes nothing.

    A broker checks permission before anything else, so a fetch of one byte and the heartbeat of a member that
    does not exist tell. Raises SourceError or SourceRefused where no broker can be asked.
    """
    greeting = preflight(settings)
    with Conversation(settings, greeting.server, settings.ssl_context()) as talk:
        talk.introduce()
        read = [topic_report(talk, greeting, topic) for topic in settings.topics]
        others = kept_otherwise(talk, policies or {})
        topics = tuple(
            replace(one, problem=one.problem or others.get(one.name, ""))
            for one in (*read, *written(talk, writes or {}))
        )
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


def kept_otherwise(talk: Conversation, policies: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the cleanup.policy of topics. Brokers tell whoever has DESCRIBE_CONFIGS on a topic; of others
    nothing is known.
    """
    if not policies:
        return {}
    kinds = [
        DescribeConfigsRequest.DescribeConfigsResource(
            resource_type=TOPIC, resource_name=topic, configuration_keys=[POLICY]
        )
        for topic in policies
    ]
    request = DescribeConfigsRequest(version=talk.version_of(DescribeConfigsRequest), resources=kinds)
    seen = {
        result.resource_name: one.value or ""
        for result in talk.ask(request, "DescribeConfigs").results
        for one in result.configs or ()
        if not result.error_code and one.name == POLICY
    }
    return {
        topic: f"{POLICY} is {seen[topic]}; driftd needs {wanted}: kafka-configs.sh --alter --entity-type "
        f"topics --entity-name {topic} --add-config {POLICY}={wanted}"
        for topic, wanted in policies.items()
        if seen.get(topic, wanted) != wanted
    }
