"""`make bench`: driftd against the floor and a hand-written monitor, on one topic of a real broker, in one run.

usage: python -m tests.bench [--events N] [--rounds R] [--json FILE] [--only PART] [--against TREE]

Each consumer runs in a process of its own, in turn, ``rounds`` times; the ratios are taken round by round, so that a
machine that slows down slows all of them. Nothing here asserts a time: docs/benchmarks.md holds what was measured.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.bench import backlog, formats, history, members, memory, pages, parts, scrape
from tests.bench.events import values
from tests.servers.kafka import Broker, any_broker

WHO = ("floor", "by-hand", "driftd", "driftd-adwin")
PARTITIONS = 4


def machine() -> str:
    name = "unknown processor"
    if Path("/proc/cpuinfo").exists():
        models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        name = f"{len(models)} x {models[0].partition(':')[2].strip()}" if models else name
    return f"{name}, Python {platform.python_version()}, {platform.system()} {platform.release()}"


def preload(broker: Broker, events: int) -> tuple[str, float]:
    """A topic of four partitions with the events in turn; its name and the mean size of a record in bytes."""
    topic, size = broker.create_topic("bench", PARTITIONS), 0
    with broker.producer(batch_size=128 << 10, linger_ms=50, acks=1) as producer:
        for i, value in enumerate(values(events)):
            producer.send(topic, value, partition=i % PARTITIONS)
            size += len(value)
        producer.flush(timeout=300)
    return topic, size / events


def consume(who: str, broker: Broker, topic: str, events: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.consumers", who]
    command += ["--bootstrap", broker.bootstrap, "--topic", topic, "--events", str(events)]
    out = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(out.stdout.splitlines()[-1])
    return result


def throughput(events: int, rounds: int) -> dict[str, Any]:
    with any_broker() as broker:
        topic, size = preload(broker, events)
        print(f"{events} events of {size:.0f} bytes in {PARTITIONS} partitions, {broker.what}", flush=True)
        runs: dict[str, list[dict[str, Any]]] = {who: [] for who in WHO}
        for r in range(rounds):
            for who in WHO:
                runs[who].append(consume(who, broker, topic, events))
                took = runs[who][-1]["seconds"]
                print(f"  round {r + 1}: {who:<13} {took / events * 1e6:6.2f} us an event", flush=True)
    micros = {who: [r["seconds"] / events * 1e6 for r in runs[who]] for who in WHO}

    def against(peer: str, who: str) -> float:
        return float(statistics.median(b / a for a, b in zip(micros[who], micros[peer], strict=True)))

    table = [
        {
            "who": who,
            "us_per_event": round(statistics.median(micros[who]), 2),
            "events_per_second": round(1e6 / statistics.median(micros[who])),
            "times_floor": round(against("floor", who), 2),
            "times_by_hand": round(against("by-hand", who), 2),
            "peak_mb": max(r["peak_mb"] for r in runs[who]),
        }
        for who in WHO
    ]
    for row in table:
        print(row, flush=True)
    return {"events": events, "bytes": round(size), "rounds": rounds, "table": table}


def judged() -> dict[str, Any]:
    """The judge by itself on 10,000 channels, in a process of its own, for its memory."""
    out = subprocess.run([sys.executable, "-m", "tests.bench.judge"], check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(out.stdout)
    print(result, flush=True)
    return result


PARTS: Final[dict[str, Callable[[argparse.Namespace], object]]] = {
    "throughput": lambda a: throughput(a.events, a.rounds),
    "formats": lambda _: formats.measure(),
    "parts": lambda _: parts.measure(),
    "memory": lambda _: memory.measure(),
    "scrape": lambda _: scrape.measure(),
    "pages": lambda _: pages.measure(),
    "judge": lambda _: judged(),
    "history": lambda a: history.measure(against=a.against),
    "backlog": lambda _: backlog.measure(),
    "members": lambda a: members.measure(a.events, a.rounds),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--events", type=int, default=600_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--against", type=Path, help="another checkout of driftd, for the replay of history")
    a = parser.parse_args()
    print(machine(), time.strftime("%Y-%m-%d", time.gmtime()), flush=True)
    result: dict[str, Any] = {"machine": machine()}
    for part, measure in PARTS.items():
        if a.only in (None, part):
            result[part] = measure(a)
    if a.json:
        a.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
