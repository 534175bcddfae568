"""One consumer of the benchmark in a process of its own: prints a JSON line with events, seconds and memory.

usage: python -m tests.bench.consumers floor|by-hand|driftd|driftd-adwin --bootstrap HOST:PORT --topic T --events N

floor         kafka-python's stock poll and a typed msgspec decode, nothing else: less is no monitor
by-hand       what a user would write: kafka-python, json, river's ADWIN and a PSI histogram a feature, gauges
driftd        the daemon's own loop with its default detectors
driftd-adwin  the same with ADWIN on every feature as well, like by-hand
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from math import log
from pathlib import Path
from typing import Any

from tests.bench.events import CATEGORIES, NUMBERS
from tests.bench.memory import peak_mb

NUMERIC = [*NUMBERS, *(f"last_{n}" for n in NUMBERS), *(f"diff_{n}" for n in NUMBERS[:4])]
LEARN = 10_000
PSI_EVERY = 1000


def consumer(bootstrap: str, topic: str) -> Any:
    from kafka import KafkaConsumer, TopicPartition

    client = KafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=2000,
        fetch_max_bytes=8 << 20,
        max_partition_fetch_bytes=2 << 20,
    )
    client.assign([TopicPartition(topic, p) for p in sorted(client.partitions_for_topic(topic))])
    return client


def floor(bootstrap: str, topic: str, events: int) -> float:
    import msgspec

    features = msgspec.defstruct(
        "Features",
        [*((n, float | None, None) for n in NUMERIC), *((n, str | None, None) for n in CATEGORIES)],
        gc=False,
    )
    event = msgspec.defstruct(
        "Event",
        [("model", str), ("time", float), ("features", features), ("prediction", float), ("score", float)],
        gc=False,
    )
    decode = msgspec.json.Decoder(event).decode
    client = consumer(bootstrap, topic)
    seen, began = 0, 0.0
    while seen < events:
        for records in client.poll(500).values():
            began = began or time.perf_counter()
            for record in records:
                decode(record.value)
            seen += len(records)
    return time.perf_counter() - began


class ByHand:
    """One feature as a user would watch it: a histogram of 20 bins against the first 10,000 values, and ADWIN."""

    def __init__(self, name: str, gauges: Any) -> None:
        from river.drift import ADWIN

        self.name, self.gauges = name, gauges
        self.first: list[Any] = []
        self.edges: list[float] = []
        self.codes: dict[str, int] = {}
        self.expected: list[float] = []
        self.counts: list[int] = []
        self.adwin: Any = ADWIN()  # type: ignore[no-untyped-call]
        self.drifts = 0

    def place(self, value: Any) -> int:
        if self.codes:
            return self.codes.get(value, len(self.codes))
        return bisect_right(self.edges, value)

    def learn(self) -> None:
        present = [v for v in self.first if v is not None]
        if isinstance(present[0], str):
            self.codes = {v: i for i, (v, _) in enumerate(Counter(present).most_common(30))}
        else:
            present.sort()
            self.edges = sorted({present[int(i / 20 * len(present))] for i in range(1, 20)})
        bins = len(self.codes or self.edges) + 1
        counts = [0] * bins
        for v in present:
            counts[self.place(v)] += 1
        self.expected = [(c + 0.5) / (len(present) + bins / 2) for c in counts]
        self.counts = [0] * bins

    def update(self, value: Any) -> None:
        if value is None:
            return
        if not self.expected:
            self.first.append(value)
            if len(self.first) == LEARN:
                self.learn()
            return
        self.counts[self.place(value)] += 1
        if not self.codes:
            self.adwin.update(value)
            if self.adwin.drift_detected:
                self.drifts += 1

    def publish(self) -> None:
        total = sum(self.counts)
        if not total:
            return
        bins = len(self.counts)
        shares = [(c + 0.5) / (total + bins / 2) for c in self.counts]
        self.gauges.labels(self.name).set(sum((q - p) * log(q / p) for q, p in zip(shares, self.expected, strict=True)))
        self.counts = [0] * bins


def by_hand(bootstrap: str, topic: str, events: int) -> float:
    from prometheus_client import Gauge

    gauges = Gauge("psi", "PSI", ["feature"])
    client = consumer(bootstrap, topic)
    watched = {name: ByHand(name, gauges) for name in (*NUMERIC, *CATEGORIES)}
    began = 0.0
    for seen, record in enumerate(client, 1):
        began = began or time.perf_counter()
        event = json.loads(record.value)
        for name, value in event["features"].items():
            watched[name].update(value)
        if seen % PSI_EVERY == 0:
            for feature in watched.values():
                feature.publish()
        if seen == events:
            break
    return time.perf_counter() - began


def driftd(bootstrap: str, topic: str, events: int, adwin: bool = False) -> float:
    from driftd.config import load
    from driftd.config.layers import Flag
    from driftd.engine.daemon import Daemon
    from driftd.engine.gc_tuning import collect_seldom
    from driftd.engine.store import CheckpointFile
    from driftd.engine.timing import Clock, Timing
    from driftd.sources.kafka.source import KafkaSource
    from driftd.wiring.app import pipeline_of
    from driftd.wiring.kafka import kafka_settings
    from driftd.wiring.run import reporter_of

    given = {
        "kafka.bootstrap_servers": bootstrap,
        "kafka.topics": topic,
        "kafka.group_id": f"bench-{time.time_ns()}",
        "kafka.group_instance_id": "",
        "kafka.start": "earliest",
        **({"detectors.numeric": "psi,missing,out_of_range,adwin"} if adwin else {}),
    }
    loaded = load(None, {}, {name: Flag(name, value) for name, value in given.items()})
    pipeline = pipeline_of(loaded.settings)
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = CheckpointFile(Path(folder), time.time)
        state, _ = checkpoints.load(pipeline)
        daemon = Daemon(
            pipeline,
            state,
            KafkaSource(kafka_settings(loaded.settings)),
            checkpoints,
            reporter_of(loaded.settings, pipeline),
            Clock(time.time, time.monotonic),
            Timing("bench", "earliest"),
        )
        collect_seldom()
        began = 0.0
        while state.received < events:
            before = time.perf_counter()
            daemon.round()
            if state.received and not began:
                began = before
        took = time.perf_counter() - began
        assert state.accepted == events, (state.accepted, state.late, state.rejected, state.dropped)
        daemon.drain()
    return took


RUN: dict[str, Callable[[str, str, int], float]] = {
    "floor": floor,
    "by-hand": by_hand,
    "driftd": driftd,
    "driftd-adwin": lambda b, t, n: driftd(b, t, n, adwin=True),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("who", choices=RUN)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--events", type=int, required=True)
    a = parser.parse_args()
    began = time.process_time()
    seconds = RUN[a.who](a.bootstrap, a.topic, a.events)
    cpu = time.process_time() - began
    print(json.dumps({"who": a.who, "events": a.events, "seconds": seconds, "cpu_seconds": cpu, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
