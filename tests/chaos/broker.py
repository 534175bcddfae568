"""The broker is killed; topics are made anew, grow and get partitions; permission is withdrawn and given back."""

from __future__ import annotations

import time
from typing import Any

from tests.chaos import oracle
from tests.chaos.experiment import Experiment, Outcome, Stage
from tests.chaos.kills import at_rest
from tests.chaos.traffic import START, Stream, events, fill, settings
from tests.servers.kafka import PASSWORD, USER
from tests.stage.daemon import DriftdProcess

DOWN_SECONDS = 2.0
LATER = START + 7200


def by_password(stage: Stage) -> dict[str, Any]:
    """Settings of a daemon that logs in, so that it may be refused something."""
    password = stage.folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    return {
        "bootstrap_servers": stage.broker.sasl,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_username": USER,
        "sasl_password_file": str(password),
    }


def killed(stage: Stage, outcome: Outcome, daemon: DriftdProcess, topic: str, times: int) -> None:
    """kill -9 of the broker under live traffic, and how long after its return driftd counts a new record."""
    stream = Stream(stage.broker, topic, events(times * 8000, late=0), 2, 1000, retries=100)
    stream.start()
    back = []
    for _ in range(times):
        time.sleep(2)
        stage.broker.kill9()
        time.sleep(DOWN_SECONDS)
        stage.broker.start()
        stream.renew()
        returned, before = time.monotonic(), daemon.value("driftd_events_received_total")
        fill(stage.broker, topic, [b"not an event"])
        daemon.wait_received(before + 1)
        back.append(time.monotonic() - returned)
    stream.stop()
    outcome.measure(f"broker killed {times} times")
    outcome.at_most("consuming again within", max(back), 3, "s")


def run(stage: Stage) -> Outcome:
    outcome, broker = Outcome(), stage.broker
    topic = broker.create_topic("broker", 2)
    daemon = stage.member("broker", settings(broker, topic, kafka=by_password(stage)))
    daemon.wait_ready()
    killed(stage, outcome, daemon, topic, stage.of(1, 4, 10))

    broker.add_partitions(topic, 3)
    fill(broker, topic, events(3000, late=0, begin=LATER), 3)
    count = oracle.recount(broker, topic)
    at_rest(daemon, count.received)
    outcome.measure("a partition added")

    broker.recreate(topic, 3)
    fill(broker, topic, events(3000, late=0, begin=LATER + 600), 3)
    oracle.recount(broker, topic, into=count)
    at_rest(daemon, count.received)
    outcome.equal("exit code", daemon.terminate(), 0)
    broker.recreate(topic, 3)
    fill(broker, topic, events(9000, late=0, begin=LATER + 1200), 3)
    daemon.start()
    at_rest(daemon, count.received + 9000)
    outcome.measure("the topic made anew while driftd ran, and while it was down, grown past the old position")

    refused(stage, outcome, daemon, topic)
    fill(broker, topic, events(3000, late=0, begin=LATER + 1800), 3)
    oracle.recount(broker, topic, into=count)
    at_rest(daemon, count.received)
    oracle.compare(outcome, count, [daemon])
    return outcome


def refused(stage: Stage, outcome: Outcome, daemon: DriftdProcess, topic: str) -> None:
    """Permission to read is withdrawn: the daemon ends and says why. Its supervisor starts it until it is back."""
    stage.broker.allow_only("somebody", topic)
    code = daemon.exit_code()
    outcome.equal("exit code without permission", code, 3)
    outcome.true("the missing permission was not named", "no permission to read" in daemon.log)
    stage.broker.allow_everybody(topic)
    returned = time.monotonic()
    daemon.start()
    daemon.wait_ready()
    outcome.measure(
        f"permission withdrawn (exit code {code}); ready {time.monotonic() - returned:.1f} s after it was back"
    )


EXPERIMENT = Experiment(
    "broker killed, topic made anew, grown, partitions added, permission withdrawn and given back",
    "equal to the recount; consuming again within 3 s of the broker's return",
    run,
)
