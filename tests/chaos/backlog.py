"""Days of events in one partition of four, the others empty: memory, and how old the heartbeat becomes."""

from __future__ import annotations

import time
from typing import Final

from tests.chaos import oracle
from tests.chaos.experiment import Experiment, Outcome, Stage
from tests.chaos.kills import at_rest
from tests.chaos.traffic import START, close, events, fill
from tests.stage.daemon import DriftdProcess

DAYS: Final = 6
PARTITIONS: Final = 4
PANE, OUT_OF_ORDER = 10.0, 60.0
"""driftd's defaults."""


def oldest_heartbeat(daemon: DriftdProcess, received: int) -> float:
    """The greatest age that /-/healthy has told until so many records were counted."""
    age, end = 0.0, time.monotonic() + 900
    while daemon.value("driftd_events_received_total") < received:
        assert time.monotonic() < end, "the backlog was not read"
        age = max(age, float(daemon.get("/-/healthy")[1].split(" s ago")[0].split()[-1]))
        time.sleep(0.1)
    return age


def run(stage: Stage) -> Outcome:
    outcome, broker = Outcome(), stage.broker
    total = stage.of(60_000, 500_000, 1_000_000)
    topic = broker.create_topic("backlog", PARTITIONS)
    each, begin = DAYS * 86_400 / total, START - DAYS * 86_400
    sent = fill(broker, topic, events(total, seconds=each, begin=begin, late=0, ill=(2 / 3, 0.7)))
    kafka = {"bootstrap_servers": broker.bootstrap, "topics": [topic], "start": "earliest"}
    given = {"kafka": kafka, "state": {"checkpoint_seconds": 10}, "windows": {"idle_seconds": stage.of(10, 60, 60)}}
    daemon = stage.member("backlog", given)
    daemon.wait_ready()
    age = oldest_heartbeat(daemon, sent)
    sent += close(broker, topic, START + 600, PARTITIONS)
    at_rest(daemon, sent)
    outcome.at_most("heartbeat at most", max(age, oldest_heartbeat(daemon, sent)), 5, "s old")
    outcome.at_most("peak memory", daemon.peak_memory_bytes() / (1 << 20), 300, "MB")
    count = oracle.recount(broker, topic, pane=PANE, out_of_order=OUT_OF_ORDER)
    oracle.compare(outcome, count, [daemon])
    told = {finding["kind"] for finding in daemon.findings().values()}
    outcome.true("the fault in the backlog was not told", "missing" in told)
    return outcome


EXPERIMENT = Experiment(
    "a backlog of 6 days in one of 4 partitions beside empty ones",
    "equal; memory bounded, heartbeat under 5 s",
    run,
)
