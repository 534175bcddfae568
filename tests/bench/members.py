"""Two members that share models, and two processes that do not, against one: events a second of one topic.

usage: python -m tests.bench --only members

Broker and consumers share the machine. The rate is that from a fifth to nine tenths of the events, so that all of them
run by then and none has nothing left to read.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any, Final

from tests.bench.events import values
from tests.chaos.experiment import Stage
from tests.chaos.members import shared
from tests.chaos.poison import processor_seconds
from tests.servers.kafka import LocalBroker, local_broker
from tests.stage.daemon import DriftdProcess

PARTITIONS: Final = 8
MODELS: Final = 6
WAYS: Final = (
    ("one process", 1, False),
    ("one member", 1, True),
    ("two members", 2, True),
    ("two processes", 2, False),
)
FIRST, LAST = 0.2, 0.9
MOST_SECONDS: Final = 1200.0


def preload(broker: LocalBroker, events: int) -> str:
    """A topic of so many events in turn of MODELS models."""
    topic = broker.create_topic("members", PARTITIONS)
    texts = [json.loads(text) for text in islice(values(10_000), 10_000)]
    with broker.producer(batch_size=128 << 10, linger_ms=50, acks=1) as producer:
        for n in range(events):
            event = texts[n % len(texts)] | {
                "model": f"m{n // PARTITIONS % MODELS}",
                "time": 1_795_413_600.0 + n * 0.01,
            }
            producer.send(topic, json.dumps(event).encode(), partition=n % PARTITIONS)
        producer.flush(timeout=300)
    return topic


def consume(stage: Stage, topic: str, events: int, name: str, count: int, *, share: bool) -> dict[str, float]:
    kafka = {"bootstrap_servers": stage.broker.bootstrap, "topics": [topic], "start": "earliest"}
    given = {"kafka": kafka, "state": {"checkpoint_seconds": 10}, "learning": {"events": 10_000}}
    group = stage.members(name, {**given, **({"members": shared(stage)} if share else {})}, count)
    for member in group:
        member.start()
    seen, end = list[tuple[float, float]](), time.monotonic() + MOST_SECONDS
    while not seen or seen[-1][1] < events:
        assert time.monotonic() < end, f"{name}: {seen[-1:]} of {events}"
        time.sleep(0.2)
        seen.append((time.monotonic(), sum(map(received, group))))
    first, last = (next(s for s in seen if s[1] >= part * events) for part in (FIRST, LAST))
    spent = sum(map(processor_seconds, group))
    for member in group:
        member.kill9()
    return {"events_per_second": (last[1] - first[1]) / (last[0] - first[0]), "us": spent / events * 1e6}


def received(member: DriftdProcess) -> float:
    try:
        return member.value("driftd_events_received_total")
    except OSError:
        return 0.0  # it starts


def measure(events: int = 600_000, rounds: int = 3) -> list[dict[str, Any]]:
    """A row for each of WAYS; ratios are the median of those of each round."""
    runs = dict[str, list[dict[str, float]]]()
    with local_broker() as broker, tempfile.TemporaryDirectory(prefix="driftd-bench-") as folder:
        stage, topic = Stage(broker, Path(folder), "full"), preload(broker, events)
        try:
            for turn in range(rounds):
                for what, count, share in WAYS:
                    name = f"{what.replace(' ', '-')}-{turn}"
                    runs.setdefault(what, []).append(consume(stage, topic, events, name, count, share=share))
        finally:
            stage.close()
    one = [run["events_per_second"] for run in runs["one process"]]
    rows = []
    for what, _, _ in WAYS:
        rates = [run["events_per_second"] for run in runs[what]]
        rows.append(
            {
                "who": what,
                "events_per_second": round(statistics.median(rates)),
                "times_one_process": round(statistics.median(a / b for a, b in zip(rates, one, strict=True)), 2),
                "processor_us_per_event": round(statistics.median(run["us"] for run in runs[what]), 1),
            }
        )
        print(rows[-1], flush=True)
    return rows
