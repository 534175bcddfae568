"""A backlog of days in one partition of four, the others empty: memory, and how old the heartbeat becomes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.servers.kafka import Broker, any_broker
from tests.stage.daemon import DriftdProcess

EVENTS = 1_000_000
DAYS = 6
PARTITIONS = 4
MOST_SECONDS = 900.0


def events() -> Iterator[bytes]:
    """Small ones of one model, evenly over the days."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=EVENTS), rng.gamma(2, size=EVENTS)
    colors, labels = rng.choice(["a", "b", "c", "d"], EVENTS), rng.choice(["0", "1"], EVENTS)
    begin, gap = 1_795_413_600.0 - DAYS * 86_400, DAYS * 86_400 / EVENTS
    for i in range(EVENTS):
        yield (
            f'{{"model":"m","time":{begin + i * gap:.2f},"features":{{"x":{x[i]:.3f},"y":{y[i]:.3f},'
            f'"c":"{colors[i]}"}},"prediction":"{labels[i]}"}}'
        ).encode()


def filled(broker: Broker, partitions: int) -> str:
    """A topic with the events in so many of its partitions."""
    topic = broker.create_topic("backlog", PARTITIONS)
    with broker.producer(batch_size=200_000, linger_ms=50, acks=1) as producer:
        for i, event in enumerate(events()):
            producer.send(topic, event, partition=i % partitions)
        producer.flush(timeout=300)
    return topic


def watched(broker: Broker, topic: str, folder: Path) -> dict[str, Any]:
    """driftd with its defaults until it has judged nearly all."""
    kafka = {"bootstrap_servers": broker.bootstrap, "topics": [topic], "group_id": topic, "start": "earliest"}
    daemon = DriftdProcess(folder, {"kafka": kafka, "state": {"checkpoint_seconds": 10}}, forked=False).start()
    daemon.wait_ready()
    began, age = time.monotonic(), 0.0
    try:
        while time.monotonic() - began < MOST_SECONDS:
            time.sleep(0.2)
            age = max(age, float(daemon.get("/-/healthy")[1].split(" s ago")[0].split()[-1]))
            seen, windows = daemon.value("driftd_events_received_total"), "driftd_window_end_timestamp_seconds"
            if seen >= EVENTS and daemon.value(windows, model="m") > 1_795_413_600 - 3600:
                break
        assert daemon.process is not None
        status = Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines()
        peak = next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))
        balanced, late = daemon.balanced(), daemon.value("driftd_events_total", outcome="late")
    finally:
        daemon.terminate(60)
    seconds = round(time.monotonic() - began)
    return {"peak_mb": peak, "heartbeat_s": age, "seconds": seconds, "late": late, "balanced": balanced}


def measure() -> list[dict[str, Any]]:
    out = []
    with any_broker() as broker, tempfile.TemporaryDirectory() as folder:
        for partitions in (1, PARTITIONS):
            found = watched(broker, filled(broker, partitions), Path(folder) / str(partitions))
            out.append({"filled": partitions, **found})
            print(out[-1], flush=True)
    return out
