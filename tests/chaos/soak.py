"""A steady stream for a while: memory, descriptors, and the count at the end."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from tests.chaos import oracle
from tests.chaos.experiment import Experiment, Outcome, Stage
from tests.chaos.kills import at_rest
from tests.chaos.traffic import Stream, events, settings
from tests.stage.daemon import DriftdProcess

PARTITIONS = 4
EVERY_SECONDS = 1.0


def resident_mb(daemon: DriftdProcess) -> float:
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def descriptors(daemon: DriftdProcess) -> int:
    assert daemon.process is not None
    return len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))


def run(stage: Stage) -> Outcome:
    outcome, broker = Outcome(), stage.broker
    seconds, rate = stage.of(20, 240, 1800), stage.of(1000, 3000, 5000)
    topic = broker.create_topic("soak", PARTITIONS)
    stream = Stream(broker, topic, events(seconds * rate * 2, seconds=1 / rate), PARTITIONS, rate)
    daemon = stage.member("soak", settings(broker, topic))
    daemon.wait_ready()
    stream.start()
    began = time.monotonic()
    rows = []
    while (now := time.monotonic() - began) < seconds:
        rows.append((now, resident_mb(daemon), descriptors(daemon)))
        daemon.get("/metrics")
        time.sleep(EVERY_SECONDS)
    sent = stream.stop()
    at_rest(daemon, sent)
    oracle.compare(outcome, oracle.recount(broker, topic), [daemon])
    when, memory, opened = np.array(rows)[len(rows) // 2 :].T
    outcome.measure(f"{sent / seconds:,.0f} events/s for {seconds / 60:.1f} min, {memory[-1]:.0f} MB")
    slope = 3600 * float(np.polyfit(when, memory, 1)[0])
    if stage.size == "full":
        outcome.at_most("in the second half memory grew by", slope, 1, "MB/h")
    else:
        outcome.measure(f"memory grew by {memory[-1] - memory[0]:.1f} MB in the second half")
    outcome.at_most("and had", float(opened[-1] - opened[0]), 3, "descriptors more")
    return outcome


EXPERIMENT = Experiment(
    "a steady stream, 4 partitions",
    "equal; memory slope under 1 MB/h in the second half, no growth of descriptors",
    run,
)
