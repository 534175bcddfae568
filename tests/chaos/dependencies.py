"""Where driftd writes: dead-letter and findings topics without permission, a full disk, a disk that is read-only."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.chaos import oracle
from tests.chaos.broker import by_password
from tests.chaos.experiment import Experiment, Outcome, Stage
from tests.chaos.kills import at_rest
from tests.chaos.traffic import Stream, events, settings
from tests.stage.daemon import DriftdProcess

DISK_MB = 16


def mount(*words: str) -> bool:
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


def is_unready(daemon: DriftdProcess) -> bool:
    return daemon.get("/-/ready")[0] == 503


def wait_more(daemon: DriftdProcess, metric: str, than: float) -> None:
    daemon.wait(lambda: daemon.value(metric) > than, f"{metric} over {than}")


def without_topics(
    stage: Stage, outcome: Outcome, daemon: DriftdProcess, topics: dict[str, str], seconds: float
) -> None:
    """One after the other may not be written for a while."""
    for what, topic in topics.items():
        stage.broker.allow_only("somebody", topic)
        began, unready, told = time.monotonic(), False, len(daemon.findings())
        while time.monotonic() < began + seconds:
            time.sleep(0.5)
            unready = unready or is_unready(daemon)
        stage.broker.allow_everybody(topic)
        waits = what == "dead-letter" or len(daemon.findings()) > told  # rejected records come all the time
        outcome.true(f"ready while the {what} topic could not be written", unready or not waits)
        outcome.measure(f"{what} topic not writable for {seconds:.0f} s{'' if waits else ', with nothing to write'}")
        daemon.wait_ready()


def without_disk(outcome: Outcome, daemon: DriftdProcess, disk: Path) -> None:
    """The disk is full, then read-only; killed while it is, so that all since the last checkpoint is read again."""
    filler = disk / "filler"
    for what in ("full", "read-only"):
        failures = daemon.value("driftd_checkpoint_failures_total")
        if what == "full":
            with filler.open("wb", buffering=0) as file:
                while True:
                    try:
                        file.write(bytes(1 << 16))
                    except OSError:
                        break
        else:
            mount("--bind", str(disk), str(disk))
            mount("-o", "remount,bind,ro", str(disk))
        wait_more(daemon, "driftd_checkpoint_failures_total", failures)
        time.sleep(2)
        outcome.true(f"ready while the disk was {what}", is_unready(daemon))
        daemon.kill9()
        if what == "full":
            filler.unlink()
        else:
            subprocess.run(["umount", str(disk)], check=True)
        daemon.start()
        daemon.wait_ready()
        wait_more(daemon, "driftd_checkpoint_timestamp_seconds", daemon.value("driftd_checkpoint_timestamp_seconds"))
        outcome.measure(f"disk {what}, killed meanwhile")


def run(stage: Stage) -> Outcome:
    outcome, broker = Outcome(), stage.broker
    topic = broker.create_topic("dependencies", 2)
    letters, findings = broker.create_topic("letters"), broker.create_topic("findings")
    seconds = stage.of(8, 30, 30)
    (daemon,) = stage.members(
        "dependencies",
        settings(broker, topic, kafka={**by_password(stage), "dead_letter_topic": letters, "findings_topic": findings}),
    )
    disk = daemon.folder / "state"
    disk.mkdir()
    mounted = mount("-t", "tmpfs", "-o", f"size={DISK_MB}m", "none", str(disk))
    try:
        stream = Stream(broker, topic, events(1_000_000, ill=(0.005, 1)), 2, 1000)
        stream.start()
        daemon.start()
        daemon.wait_received(15_000)
        without_topics(stage, outcome, daemon, {"dead-letter": letters, "findings": findings}, seconds)
        if mounted:
            without_disk(outcome, daemon, disk)
        else:
            outcome.measure("disk: not run, mounting needs root")
        at_rest(daemon, stream.stop())
        count = oracle.recount(broker, topic)
        oracle.compare(outcome, count, [daemon])
        outcome.equal("exit code", daemon.terminate(), 0)
    finally:
        if mounted:
            if daemon.alive:
                daemon.kill9()
            subprocess.run(["umount", "-l", str(disk)], check=True)
    found = oracle.letters(broker, letters)
    lost = len(count.bad.keys() - found.keys())
    outcome.measure(f"{count.rejected} rejected, {len(found)} of them in the dead-letter topic")
    outcome.equal("dead letters lost", lost, 0)
    sent, written = oracle.findings(broker, findings), daemon.findings()
    outcome.measure(f"{len(written)} findings, {len(sent)} of them in the topic")
    outcome.equal("findings in the topic", sent, written)
    return outcome


EXPERIMENT = Experiment(
    "dead-letter and findings topics not writable, disk full, disk read-only",
    "nothing lost, not ready meanwhile, recovers",
    run,
)
