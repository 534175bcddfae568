"""What is wrong with a certificate, a password or a permission: named at once, and driftd is back when it is mended."""

from __future__ import annotations

import time
from typing import Any

from tests.chaos.broker import by_password
from tests.chaos.experiment import Experiment, Outcome, Stage
from tests.chaos.traffic import events, fill, settings
from tests.stage.daemon import DriftdProcess, wait_until

EVENTS = 300
NAMED = {
    "authority": ("certificate not trusted", "kafka.ssl_cafile"),
    "host": ("the broker's certificate is for another host than '127.0.0.1'", "kafka.bootstrap_servers"),
    "expired certificate": ("the broker's certificate has expired", "renew it"),
    "password": ("invalid credentials", "kafka.sasl_password_file"),
    "permission": ("no permission to see it", "needs DESCRIBE and READ"),
}
"""Cause and cure."""


def wrong(stage: Stage, what: str) -> dict[str, Any]:
    """Kafka settings with this fault."""
    broker = stage.broker
    if what in {"password", "permission"}:
        return by_password(stage)
    listener = {"host": broker.elsewhere, "expired certificate": broker.expired}.get(what, broker.ssl)
    trusted = {"authority": "mtls.pem", "host": "elsewhere.pem", "expired certificate": "expired.pem"}[what]
    return {"bootstrap_servers": listener, "security_protocol": "SSL", "ssl_cafile": broker.certificate(trusted)}


def refused(daemon: DriftdProcess) -> tuple[float, float]:
    """Starts it and waits for its end: seconds to the first line of the log, and from there."""
    began = time.monotonic()
    daemon.start()
    wait_until(lambda: daemon.log, "the first line of the log")
    started = time.monotonic()
    daemon.exit_code()
    return started - began, time.monotonic() - started


def run(stage: Stage) -> Outcome:
    outcome, broker = Outcome(), stage.broker
    starts, named, back = [], [], []
    for what, said in NAMED.items():
        topic = broker.create_topic("login")
        fill(broker, topic, events(EVENTS))
        kafka = wrong(stage, what)
        (daemon,) = stage.members(topic, settings(broker, topic, kafka=kafka))
        if what == "password":
            (stage.folder / "password").write_text("wrong")
        if what == "permission":
            broker.allow_only("somebody", topic)
        start, until_named = refused(daemon)
        starts.append(start)
        named.append(until_named)
        assert daemon.process is not None
        outcome.equal(f"{what}: exit code", daemon.process.returncode, 3)
        for words in said:
            outcome.true(f"{what}: the log does not say '{words}'", words in daemon.log)
        repaired = by_password(stage)
        if what in {"authority", "host", "expired certificate"}:
            repaired = {"bootstrap_servers": broker.ssl, "security_protocol": "SSL", "ssl_cafile": broker.cafile}
        daemon.configure(settings(broker, topic, kafka={"group_id": topic, **repaired}))
        if what == "permission":
            broker.allow_everybody(topic)
        began = time.monotonic()
        daemon.start()
        daemon.wait_received(EVENTS)
        back.append(time.monotonic() - began)
        daemon.kill9()
    outcome.measure(", ".join(NAMED))
    outcome.measure(f"first line of the log {max(starts):.1f} s after the start at most")
    outcome.at_most("named and ended within", max(named), 5, "s of that")
    outcome.at_most("all events counted within", max(back), 30, "s of the start after the repair")
    return outcome


EXPERIMENT = Experiment(
    "wrong authority, host name, expired certificate, password, permission; then repaired",
    "cause and cure named within 5 s of the first line of the log, exit code 3; back within 30 s",
    run,
)
