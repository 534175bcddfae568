"""A member of a group that shares models, and several of them on one host."""

from __future__ import annotations

import logging
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Final

from driftd.config.settings import Settings
from driftd.core.errors import ConfigError
from driftd.decode import pairs
from driftd.engine.daemon import Daemon
from driftd.engine.dead_letters import RejectSink
from driftd.engine.exchange.addresses import Addresses
from driftd.engine.exchange.member import Member, View
from driftd.engine.exchange.reader import Plans
from driftd.engine.outbox import FindingSink
from driftd.engine.pipeline import Pipeline
from driftd.engine.reporter import Reporter
from driftd.engine.timing import Clock, Timing
from driftd.sources.kafka.settings import KafkaSettings
from driftd.sources.kafka.source import KafkaSource
from driftd.wiring.app import pipeline_of, references_of
from driftd.wiring.exchange import KafkaExchange

log = logging.getLogger("driftd")

AGAIN_SECONDS: Final = 1.0
"""Before a member that ended by itself is started again."""
GIVEN_UP: Final = frozenset({2, 3, 4})
"""Exit codes of members that starting them again would not help: configuration, permission, state."""


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
    url: str
    """Where its pages are, as it listens."""


def _require_whole_records(settings: Settings) -> None:
    """A request and its answer may lie in two partitions, and those are read by two members."""
    mapping = settings.mapping
    for name, fields in (("", mapping), *mapping.topics.items()):
        if pairs(fields.format):
            where = f"mapping.topics.{name}.format" if name else "mapping.format"
            raise ConfigError(
                f"{where}: requests and answers of '{fields.format}' are joined where one process reads both; "
                "set members.enabled: false"
            )


def member_of(settings: Settings, outfit: Outfit) -> Daemon:
    """Reads its share of the topics and of the panes topic, in one group. Raises ConfigError."""
    topics = settings.members
    _require_whole_records(settings)
    exchange = KafkaExchange(outfit.kafka, topics.panes_topic, topics.plans_topic, topics.state_topic)
    source = KafkaSource(
        # its state lies in a topic: whoever is there goes on at once
        replace(outfit.kafka, topics=(*outfit.kafka.topics, topics.panes_topic), leaves=True)
    )
    return Member(
        outfit.pipeline,
        View(pane_seconds=settings.windows.pane_seconds),
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
        panes_partitions=lambda: len(source.partitions((topics.panes_topic,))),
        group=outfit.kafka.group_id,
        generation=source.generation,
        scratch=Path(settings.state.directory),
        addresses=Addresses(address_of(settings, outfit.url)),
    )


def address_of(settings: Settings, url: str) -> str:
    """Where others reach the pages that are at ``url`` for this host: under its name, where it listens everywhere."""
    if settings.members.address is not None:
        return settings.members.address.rstrip("/")
    host, port = settings.http.address
    everywhere = host in {"", "0.0.0.0", "::"}  # noqa: S104  (what the user set)
    return f"{url.partition('://')[0]}://{socket.getfqdn()}:{port}" if everywhere else url.rstrip("/")


@dataclass(slots=True)
class Members:
    """Several `driftd run` on this host, each a process: they have one configuration, and ports one after the other.

    One that is killed is started again; one that refuses to run ends all, with its exit code.
    """

    settings: Settings
    command: Sequence[str]
    count: int
    stopping: bool = False
    _running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def run(self) -> int:
        """Until SIGTERM or SIGINT, which go on to all members, as does SIGHUP."""
        before = {
            number: signal.signal(number, self._pass_on) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }
        try:
            for place in range(self.count):
                self._start(place)
            while self._running:
                code = self._look()
                if code:
                    return code
                time.sleep(0.2)
            return 0
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)

    def options(self, place: int) -> list[str]:
        """What a member has of its own."""
        host, port = self.settings.http.address
        name = f"{self.settings.kafka.instance_id or 'member'}-{place}"
        at = f"[{host}]:{port + place}" if ":" in host else f"{host}:{port + place}"
        own = {"members.enabled": "true", "kafka.group_instance_id": name, "http.listen": at}
        known = self.settings.members.address
        if known is not None and (begin := re.fullmatch(r"(.*:)(\d+)/?", known)):
            own["members.address"] = f"{begin[1]}{int(begin[2]) + place}"
        return [word for key, value in own.items() for word in ("--set", f"{key}={value}")]

    def _start(self, place: int) -> None:
        command = [sys.executable, "-m", "driftd", *self.command, *self.options(place)]
        # of its own session: ^C comes through us alone
        self._running[place] = subprocess.Popen(command, start_new_session=True)  # noqa: S603  (our own command line)

    def _look(self) -> int:
        for place, process in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            del self._running[place]
            if self.stopping:
                continue
            if code in GIVEN_UP:
                return code
            log.error("member %d ended with %d; starting it again, nothing is lost", place, code)
            time.sleep(AGAIN_SECONDS)
            self._start(place)
        return 0

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self.stopping = self.stopping or number != signal.SIGHUP
        for process in self._running.values():
            process.send_signal(number)

    def _end(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.wait()
