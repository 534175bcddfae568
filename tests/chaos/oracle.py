"""A count of the topic by other means: kafka-python's own consumer, the standard library's JSON, sums in plain Python.

It imports nothing of driftd. What it knows of driftd are its documents: which records are events (docs/events.md), when
one is late, and what the metrics mean (docs/metrics.md).
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from kafka import KafkaConsumer, TopicPartition

from tests.chaos.experiment import Outcome
from tests.servers.kafka import Broker, closing
from tests.stage.daemon import DriftdProcess

RECORD_BYTES: Final = 262_144
DEPTH: Final = 500
MOST_BYTES: Final = 1_000_000
"""Of a bad record so much is kept."""
FEATURES: Final[dict[str, type | tuple[type, ...]]] = {"amount": float, "age": float, "country": str}
"""Of the events of traffic.py. All numbers are read as floats."""
Place = tuple[int, int]
"""Partition and offset."""
MISSING: Final = "driftd_feature_missing_ratio"
REFUSED: Final = "driftd_values_refused_total"
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass
class Counted:
    """Of one model: sums over its accepted events, and of each event when it was and which features it lacks."""

    events: int = 0
    errors: int = 0
    labels: int = 0
    latencies: int = 0
    latency: float = 0.0
    refused: int = 0
    last: float = -math.inf
    times: list[float] = field(default_factory=list)
    missing: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))

    def add(self, event: dict[str, Any], when: float) -> None:
        self.events += 1
        self.errors += bool(event.get("error"))
        self.labels += event.get("label") is not None
        self.last = max(self.last, when)
        if (seconds := event.get("latency_seconds")) is not None:
            self.latencies += 1
            self.latency += seconds
        self.times.append(when)
        features = event.get("features") or {}
        for name, kinds in FEATURES.items():
            value = features.get(name)
            usable = isinstance(value, kinds) and value not in {math.inf, -math.inf}
            self.missing[name].append(not usable)
            self.refused += value is not None and not usable


@dataclass
class Count:
    received: int = 0
    late: int = 0
    rejected: int = 0
    bad: dict[Place, bytes] = field(default_factory=dict)
    models: dict[str, Counted] = field(default_factory=lambda: defaultdict(Counted))

    @property
    def accepted(self) -> int:
        return sum(model.events for model in self.models.values())


def event_of(value: bytes | None) -> dict[str, Any] | None:
    """The record's event, None where it has none."""
    if not value or len(value) > RECORD_BYTES or depth(value) > DEPTH:
        return None
    try:
        event = json.loads(value.decode("utf-8"), parse_int=float, parse_constant=_refuse)
    except ValueError:
        return None
    if not isinstance(event, dict) or not isinstance(event.get("model"), str) or not event["model"]:
        return None
    features, answer = event.get("features"), event.get("prediction")
    if (features is None and answer is None) or not isinstance(features, dict | None):
        return None
    if not isinstance(answer, float | bool | str | list | None) or (isinstance(answer, float) and math.isinf(answer)):
        return None
    when = event.get("time")
    return event if isinstance(when, float) and 0 <= when < 7_258_118_400 else None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def depth(value: bytes) -> int:
    """How deep brackets nest; of short texts and those of few brackets it does not matter."""
    if value.count(b"[") + value.count(b"{") <= DEPTH:
        return 0
    deepest = now = 0
    inside = escaped = False
    for byte in value:
        if inside:
            inside, escaped = escaped or byte != 0x22, byte == 0x5C and not escaped
        elif byte == 0x22:
            inside = True
        elif byte in b"[{":
            now += 1
            deepest = max(deepest, now)
        elif byte in b"]}":
            now -= 1
    return deepest


def recount(
    broker: Broker, topic: str, *, pane: float = 1.0, out_of_order: float = 5.0, into: Count | None = None
) -> Count:
    """Reads the topic from its beginning to its end. ``into`` goes on with what was counted of a topic of that name."""
    count = Count() if into is None else into
    sizes = {"max_partition_fetch_bytes": 4 << 20, "receive_message_max_bytes": 1 << 30}
    with closing(KafkaConsumer(bootstrap_servers=broker.bootstrap, **sizes)) as consumer:
        partitions = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        latest = dict.fromkeys(range(len(partitions)), -math.inf)
        while any(consumer.position(p) < ends[p] for p in partitions):
            for at, records in consumer.poll(timeout_ms=500, max_records=20_000).items():
                for record in records:
                    _add(count, latest, at.partition, record, pane, out_of_order)
    return count


def _add(count: Count, latest: dict[int, float], partition: int, record: Any, pane: float, out_of_order: float) -> None:
    count.received += 1
    event = event_of(record.value)
    if event is None:
        count.rejected += 1
        count.bad[partition, record.offset] = (record.value or b"")[:MOST_BYTES]
        return
    when, before = float(event["time"]), latest[partition]
    latest[partition] = max(before, when)
    if (math.floor(when / pane) + 1) * pane <= before - out_of_order:
        count.late += 1
    else:
        count.models[event["model"]].add(event, when)


def records(broker: Broker, topic: str) -> Iterator[Any]:
    """All of a topic of one partition."""
    with closing(KafkaConsumer(bootstrap_servers=broker.bootstrap)) as consumer:
        at = TopicPartition(topic, 0)
        consumer.assign([at])
        consumer.seek_to_beginning(at)
        end = consumer.end_offsets([at])[at]
        while consumer.position(at) < end:
            for some in consumer.poll(timeout_ms=500).values():
                yield from some


def letters(broker: Broker, topic: str) -> dict[Place, list[bytes | None]]:
    """The dead letters, by the place of the record that each is about."""
    found: dict[Place, list[bytes | None]] = defaultdict(list)
    for record in records(broker, topic):
        headers = dict(record.headers)
        place = (int(headers["__driftd.errors.partition"]), int(headers["__driftd.errors.offset"]))
        found[place].append(record.value)
    return found


def findings(broker: Broker, topic: str) -> dict[str, dict[str, Any]]:
    """The findings in a topic, by their id; the same one may come again."""
    return {finding["id"]: finding for finding in (json.loads(record.value) for record in records(broker, topic))}


def compare(outcome: Outcome, count: Count, members: Sequence[DriftdProcess]) -> None:
    """What the members' metrics say of all events together must be what was counted."""
    seen: Series = {}
    for key, number in (item for member in members for item in member.metrics().items()):
        seen[key] = seen.get(key, 0.0) + number

    def value(name: str, **labels: str) -> float:
        return seen.get((name, tuple(sorted(labels.items()))), 0.0)

    outcomes = {name: value("driftd_events_total", outcome=name) for name in ("accepted", "rejected", "late")}
    wanted = {"accepted": count.accepted, "rejected": count.rejected, "late": count.late}
    outcome.equal("events received", value("driftd_events_received_total"), count.received)
    outcome.equal("events by outcome", outcomes, wanted)
    compared = 4
    for name, model in sorted(count.models.items()):
        found = {
            "events": value("driftd_predictions_total", model=name),
            "errors": value("driftd_prediction_errors_total", model=name),
            "labels": value("driftd_labels_total", model=name),
            "refused": sum(v for (n, labels), v in seen.items() if n == REFUSED and ("model", name) in labels),
            "latencies": value("driftd_prediction_latency_seconds_count", model=name),
            "latency": round(value("driftd_prediction_latency_seconds_sum", model=name), 5),
        }
        own = {key: getattr(model, key) for key in found} | {"latency": round(model.latency, 5)}
        outcome.equal(f"sums of {name}", found, own)
        compared += len(found)
        if len(members) == 1:
            outcome.equal(f"last event of {name}", value("driftd_last_event_timestamp_seconds", model=name), model.last)
            compared += 1 + _compare_window(outcome, seen, name, model)
    outcome.measure(f"{compared} numbers on {count.received:,} records compared with the recount")


def _compare_window(outcome: Outcome, seen: Series, name: str, model: Counted) -> int:
    """The last window that was judged: its events, and of each feature the share that is missing."""
    mine = (("model", name),)
    if not any(key[0] == MISSING and ("model", name) in key[1] for key in seen):
        return 0  # it still learns
    times = np.array(model.times)
    begin, end = (seen[f"driftd_window_{edge}_timestamp_seconds", mine] for edge in ("start", "end"))
    inside = (times >= begin) & (times < end)
    outcome.equal(f"events in {name}'s window", seen["driftd_window_events", mine], int(inside.sum()))
    shares = {
        feature: (
            seen.get((MISSING, (("feature", feature), ("model", name)))),
            float(f"{np.array(flags)[inside].mean():.6g}") if inside.any() else None,
        )
        for feature, flags in model.missing.items()
    }
    outcome.equal(
        f"missing values in {name}'s window",
        {feature: found for feature, (found, _) in shares.items()},
        {feature: own for feature, (_, own) in shares.items()},
    )
    return 1 + len(shares)


OPERATION: Final = (
    *("process_", "python_", "driftd_checkpoint", "driftd_consumer_lag", "driftd_loop", "driftd_commit_failures"),
    *("driftd_rebalances", "driftd_config_", "driftd_dead_letters", "driftd_findings_total", "driftd_kafka"),
    "driftd_million_events_processor_seconds",
)
"""Metrics that are about the process and its day, not about the events."""


def series(daemon: DriftdProcess) -> Series:
    """All that it says of the events."""
    return without(daemon.metrics(), OPERATION)


def without(all_series: Series, names: Iterable[str]) -> Series:
    """Those whose names begin otherwise."""
    left_out = tuple(names)
    return {key: value for key, value in all_series.items() if not key[0].startswith(left_out)}


def compare_series(outcome: Outcome, one: Series, other: Series, what: str) -> None:
    differing = sorted(str(key) for key in one.keys() | other.keys() if one.get(key) != other.get(key))
    outcome.measure(f"{len(differing)} differences in {len(one)} series {what}")
    outcome.true(f"series that differ {what}: {', '.join(differing[:3])}", not differing)
