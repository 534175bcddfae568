"""`driftd receive`: from its configuration to its exit code."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from driftd import __version__
from driftd.config import Settings
from driftd.core.errors import ConfigError, SourceError
from driftd.decode import codec_of
from driftd.engine.systemd import notify
from driftd.receive.server import Endpoint, Metrics
from driftd.receive.topic import Topic
from driftd.sinks import log as logs
from driftd.sources.kafka.library_log import listen_to_library
from driftd.sources.kafka.topics import check_topics
from driftd.web.guard import is_loopback
from driftd.web.httpd import RouteServer, ServerLimits
from driftd.wiring.decoding import limits_of
from driftd.wiring.kafka import kafka_settings

log = logging.getLogger("driftd")

CHECK_SECONDS: Final = 5.0
"""How often Kafka is asked whether the topic can be written, while nothing is."""
STILL_GOOD_SECONDS: Final = 30.0
"""A topic that took something so recently need not be asked."""
CLOSE_SECONDS: Final = 3.0
"""For answers and acknowledgements that are under way, beyond what Kafka may take for these."""


def topic_of(settings: Settings) -> str:
    """Where events are written to. Raises ConfigError where nobody said, or there are several."""
    topics = settings.kafka.topics
    if settings.receive.topic is not None:
        return settings.receive.topic
    if len(topics) == 1:
        return topics[0]
    several = f"kafka.topics has {len(topics)}; " if topics else ""
    raise ConfigError(f"receive.topic: not set; {several}give --topic, or receive.topic in driftd.yaml")


class Lookout:
    """Whether the topic takes events: by what was written, or by asking. ``reasons`` are none if it does."""

    def __init__(self, topic: Topic, metrics: Metrics) -> None:
        self.topic, self.metrics = topic, metrics
        self.reasons: tuple[str, ...] = ("Kafka has not answered yet",)

    def look(self) -> None:
        fresh = time.monotonic() - self.topic.written_at < STILL_GOOD_SECONDS and not self.topic.problem
        found = "" if fresh else self._ask()
        if found and found not in self.reasons:
            log.warning("not ready: %s", found)
        elif not found and self.reasons:
            log.info("ready: topic '%s' can be written", self.topic.name)
        self.reasons = (found,) if found else ()
        self.metrics.up.set(not found)

    def _ask(self) -> str:
        name = self.topic.name
        try:
            (report,) = check_topics(replace(self.topic.settings, topics=()), {name: "events"}).topics
        except SourceError as e:
            return str(e)
        return f"topic '{name}': {report.problem}" if report.problem else ""


def run(settings: Settings) -> int:
    """Takes events until it is told to stop; then 0, when what was taken is in the topic and answered."""
    logs.configure(settings.log.level, settings.log.format)
    listen_to_library(lambda _: None)  # what it says is said once, in our own words
    own, name = settings.receive, topic_of(settings)
    kafka = kafka_settings(settings, (name,))
    topic, metrics = Topic(kafka, name, own.ack_seconds), Metrics(_registry())
    lookout, limits = Lookout(topic, metrics), limits_of(settings)
    endpoint = Endpoint(topic, lambda: codec_of(limits), metrics, lambda: lookout.reasons, own.body_bytes)
    server = RouteServer(
        own.address,
        endpoint.routes(),
        web_config=settings.http.web_config,
        hosts=settings.http.hosts,
        limits=ServerLimits(connections=4 * own.requests, events=own.requests),
        setting="receive.listen",
        answered=metrics.answered,
    )
    with _stopping() as stopped:
        server.start()
        log.info(
            "driftd receive %s: events on %s/events, to topic '%s' of %s", __version__, server.url, name, kafka.where
        )
        if settings.http.web_config is None and not is_loopback(own.address[0]):
            log.warning("whoever reaches %s may write events: http.web_config asks for passwords", server.url)
        notify("READY=1")
        while not stopped.is_set():
            lookout.look()
            stopped.wait(CHECK_SECONDS)
    notify("STOPPING=1")
    lookout.reasons = ("stopping",)
    server.close(own.ack_seconds + CLOSE_SECONDS)
    topic.close(CLOSE_SECONDS)
    log.info("driftd receive: stopped")
    return 0


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Set by SIGTERM and SIGINT."""
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
