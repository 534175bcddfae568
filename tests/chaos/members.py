"""Three members that share models: killed, asleep longer than the group waits, stopped and started."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.chaos import oracle
from tests.chaos.experiment import Experiment, Outcome, Stage
from tests.chaos.traffic import START, Stream, close, events, settings
from tests.stage.daemon import DriftdProcess, wait_until

PARTITIONS = 4
MEMBERS = 3
SECONDS_A_CHANGE = 6.0
SESSION_SECONDS = 6.0
"""As in ``settings``."""


def shared(stage: Stage) -> dict[str, Any]:
    """Settings of members that share models, with topics of their own."""
    kept = {"cleanup.policy": "compact"}
    topics = {"panes": (6, {}), "plans": (1, kept), "state": (3, kept)}
    made = {f"{name}_topic": stage.broker.create_topic(name, *how) for name, how in topics.items()}
    return {"enabled": True, **made}


def told(group: Sequence[DriftdProcess]) -> dict[str, dict[str, Any]]:
    """The findings of all of them, by id."""
    return {key: finding for member in group for key, finding in member.findings().items()}


def change(kind: str, member: DriftdProcess) -> None:
    assert member.process is not None
    if kind == "killed":
        member.kill9()
        member.start()
    elif kind == "stopped":
        member.terminate()
        member.start()
    else:
        member.process.send_signal(signal.SIGSTOP)
        time.sleep(SESSION_SECONDS + 3)
        member.process.send_signal(signal.SIGCONT)


def beside_one_process(stage: Stage, outcome: Outcome, topic: str, group: Sequence[DriftdProcess], sent: int) -> Any:
    """The group's counts beside a recount, and its findings beside those of one process that reads the topic alone; the
    latter, by id.
    """
    alone = stage.member("alone", settings(stage.broker, topic))
    alone.wait_received(sent, 600)
    expected = wait_until(lambda: alone.findings() if settled(alone) else None, "one process at rest", 120)
    alone.kill9()

    def received() -> float:
        return sum(member.value("driftd_events_received_total") for member in group)

    wait_until(lambda: received() == sent and told(group).keys() >= expected.keys(), "all that one process found", 600)
    oracle.compare(outcome, oracle.recount(stage.broker, topic), group)
    outcome.equal("findings", told(group), expected)
    outcome.measure(f"{len(expected)} findings, byte-equal to those of one process")
    return expected


def run(stage: Stage) -> Outcome:
    outcome = Outcome()
    changes, total = stage.of(4, 20, 60), stage.of(30_000, 150_000, 600_000)
    topic = stage.broker.create_topic("shared", PARTITIONS)
    stream = Stream(stage.broker, topic, events(total), PARTITIONS, total / changes / SECONDS_A_CHANGE)
    stream.start()
    group = stage.members("shared", settings(stage.broker, topic, members=shared(stage)), MEMBERS)
    for member in group:
        member.start()
    rng, kinds = np.random.default_rng(1), ("killed", "asleep", "stopped")
    for number in range(changes):
        time.sleep(float(rng.uniform(1.0, SECONDS_A_CHANGE)))
        change(kinds[number % len(kinds)], group[int(rng.integers(MEMBERS))])
    sent = stream.finish() + close(stage.broker, topic, START + total * 0.002, PARTITIONS)
    outcome.measure(f"{MEMBERS} members, {changes} times one was killed, asleep for 9 s, or stopped and started")
    expected = beside_one_process(stage, outcome, topic, group, sent)
    outcome.true("the fault was not told", any(f["kind"] == "missing" for f in expected.values()))
    late = sum(member.value("driftd_exchange_late_events_total") for member in group)
    outcome.equal("events that came when their pane was judged", late, 0)
    return outcome


def settled(daemon: DriftdProcess) -> bool:
    before = daemon.findings()
    time.sleep(5)  # longer than windows.idle_seconds
    return before == daemon.findings()


EXPERIMENT = Experiment(
    "3 members that share models: killed, asleep past the session's end, stopped and started",
    "equal to the recount; findings equal to those of one process, nothing judged twice",
    run,
)
