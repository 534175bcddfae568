"""The topics through which members share models: each may be read and not written for a while, under traffic."""

from __future__ import annotations

import time
from typing import Final

from kafka.admin import ACLOperation

from tests.chaos.broker import by_password
from tests.chaos.dependencies import is_unready
from tests.chaos.experiment import Experiment, Outcome, Stage
from tests.chaos.members import beside_one_process, shared
from tests.chaos.traffic import START, Stream, close, events, settings
from tests.servers.kafka import USER
from tests.stage.daemon import DriftdProcess

PARTITIONS: Final = 2
MEMBERS: Final = 2
EVENTS_A_SECOND: Final = 500
BEFORE_SECONDS: Final = 12
"""Of traffic before the first topic is denied, and after the last one: the members have learned by then."""
NOTICED_SECONDS: Final = 120
"""Permissions are asked for each minute."""


def denied(stage: Stage, outcome: Outcome, group: list[DriftdProcess], what: str, topic: str, seconds: float) -> None:
    """For so long, and until a member says so by not being ready; then all are ready again."""
    stage.broker.allow_only(USER, topic, ACLOperation.READ)
    began, unready = time.monotonic(), False
    while (waited := time.monotonic() - began) < seconds or (not unready and waited < NOTICED_SECONDS):
        time.sleep(0.5)
        unready = unready or any(map(is_unready, group))
    stage.broker.allow_everybody(topic)
    outcome.true(f"all members were ready while the {what} topic could not be written", unready)
    for member in group:
        member.wait_ready(NOTICED_SECONDS)
    outcome.measure(f"{what} topic not writable for {max(seconds, waited):.0f} s")


def run(stage: Stage) -> Outcome:
    outcome, broker = Outcome(), stage.broker
    seconds, topics = stage.of(8, 30, 30), shared(stage)
    topic = broker.create_topic("shared", PARTITIONS)
    group = stage.members("topics", settings(broker, topic, kafka=by_password(stage), members=topics), MEMBERS)
    for member in group:
        member.start()
    for member in group:
        member.wait_ready()
    stream = Stream(broker, topic, events(1_000_000, ill=(0.01, 1)), PARTITIONS, EVENTS_A_SECOND)
    stream.start()
    time.sleep(BEFORE_SECONDS)
    for what in ("panes", "plans", "state"):
        denied(stage, outcome, group, what, topics[f"{what}_topic"], seconds)
    time.sleep(BEFORE_SECONDS)
    read = stream.stop()
    sent = read + close(broker, topic, START + read * 0.002, PARTITIONS)
    beside_one_process(stage, outcome, topic, group, sent)
    for member in group:
        outcome.equal("exit code", member.terminate(), 0)
    return outcome


EXPERIMENT = Experiment(
    "panes, plans and state topics of members not writable",
    "nothing lost, not ready meanwhile, recovers; findings those of one process",
    run,
)
