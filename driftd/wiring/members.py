"""A member of a group that shares models, and several of them on one host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from driftd.config.settings import Settings
from driftd.engine.daemon import Clock, Daemon, FindingSink, RejectSink, Timing
from driftd.engine.exchange.member import Member
from driftd.engine.exchange.reader import Plans
from driftd.engine.pipeline import Pipeline
from driftd.engine.reporter import Reporter
from driftd.engine.state import State
from driftd.sources.kafka.settings import KafkaSettings
from driftd.sources.kafka.source import KafkaSource
from driftd.wiring.app import pipeline_of, references_of
from driftd.wiring.exchange import KafkaExchange


@dataclass(frozen=True, slots=True)
class Outfit:
    """What a daemon has, alone or in a group; the fields as in Daemon."""

    kafka: KafkaSettings
    pipeline: Pipeline
    reporter: Reporter
    clock: Clock
    timing: Timing
    findings: list[FindingSink]
    rejects: RejectSink | None
    reload: Callable[[Daemon], bool]


def member_of(settings: Settings, outfit: Outfit) -> Daemon:
    """Reads its share of the topics and of the panes topic, in one group."""
    topics = settings.members
    exchange = KafkaExchange(outfit.kafka, topics.panes_topic, topics.plans_topic, topics.state_topic)
    source = KafkaSource(replace(outfit.kafka, topics=(*outfit.kafka.topics, topics.panes_topic)))
    return Member(
        outfit.pipeline,
        State(),
        source,
        None,
        outfit.reporter,
        outfit.clock,
        outfit.timing,
        outfit.findings,
        outfit.rejects,
        reload=outfit.reload,
        exchange=exchange,
        panes_topic=topics.panes_topic,
        plans=Plans(pipeline_of(settings)),
        given=references_of(settings),
        sources=lambda: source.partitions(outfit.kafka.topics),
        generation=source.generation,
    )
