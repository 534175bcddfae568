"""One model at ten times what driftd can take, for a while: with a limit set, and with shedding in its place.

Events of the loud model are wide, which costs driftd much and a broker little, and its batches are made once, so that a
producer in Python can send ten times what driftd takes of the same records. What was sent is what the broker has.
The time of a record is when the broker had it: a producer that falls behind would else hold up event time itself.
"""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import cycle, islice
from typing import Any, Final

import numpy as np
from kafka import KafkaConsumer, TopicPartition

from tests.chaos.experiment import Experiment, Outcome, Stage
from tests.chaos.torrent import Torrent
from tests.chaos.traffic import Stream, fill, settings
from tests.servers.kafka import Broker, closing
from tests.stage.daemon import DriftdProcess

EACH: Final = 10
"""Events in a record of the loud model."""
WIDE: Final = 200
"""Features of its events, some kB."""
TEXTS: Final = 1000
"""Different records of it."""
QUIET: Final = ("calm", "still")
QUIET_RATE, USUAL_RATE = 30.0, 10.0
"""Records a second, of the quiet models together and of the loud one before its flood."""
LEARN: Final = 400
"""Events of a reference."""
PANE, WINDOW = 1.0, 12.0
FIRST: Final = 100
"""Records from which a model learns before it is measured what driftd takes."""
MISSING, MISSING_IN_FLOOD = 0.05, 0.3
"""Share of amounts that are null."""
SIGMAS: Final = 5.0
TIMES: Final = 10
ASKED_TIMES: Final = 11
"""Of the producer, which may fall behind what it is asked for."""
NOTICED_SECONDS: Final = 3.0
"""One or two blocks of a flood come through whole (docs/config.md)."""
MOST_SECONDS: Final = 1800.0
Window = tuple[float, float, float, float]
"""Start, end, events and share of missing amounts, of the loud model as driftd has judged it."""


def amounts(rng: np.random.Generator, count: int, missing: float) -> list[float | None]:
    lost = rng.random(count) < missing
    return [None if gone else value for gone, value in zip(lost, rng.gamma(2.0, 50.0, count).round(2), strict=True)]


def loud(seed: int, missing: float) -> list[bytes]:
    rng, records = np.random.default_rng(seed), list[bytes]()
    for _ in range(TEXTS):
        pairs = zip(amounts(rng, EACH, missing), others(rng, EACH), strict=True)
        events = [{"model": "loud", "features": {"amount": amount} | wide, "prediction": 1} for amount, wide in pairs]
        records.append(json.dumps(events, separators=(",", ":")).encode())
    return records


def others(rng: np.random.Generator, count: int) -> list[dict[str, int]]:
    """The features beside the amount."""
    values = rng.normal(500.0, 100.0, (count, WIDE - 1)).astype(int).tolist()
    return [{f"f{i}": value for i, value in enumerate(row)} for row in values]


def quiet() -> Iterator[bytes]:
    rng = np.random.default_rng(3)
    values = [(QUIET[i % 2], amount) for i, amount in enumerate(amounts(rng, 1000, MISSING))]
    texts = [json.dumps({"model": name, "features": {"amount": a}, "prediction": 1}) for name, a in values]
    return cycle([text.encode() for text in texts])


@dataclass
class Recount:
    """Of a topic by other means: events by model; of each record of the loud one when it was, and its null amounts."""

    loud_records: int = 0
    events: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    times: list[float] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)


def recount(broker: Broker, topic: str) -> Recount:
    count = Recount()
    fetches = {"max_partition_fetch_bytes": 2 << 20, "fetch_max_bytes": 4 << 20}  # they unpack to several times that
    with closing(KafkaConsumer(bootstrap_servers=broker.bootstrap, **fetches)) as consumer:
        partitions = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(p) < ends[p] for p in partitions):
            for records in consumer.poll(timeout_ms=500, max_records=20_000).values():
                for record in records:
                    _add(count, record)
    return count


def _add(count: Recount, record: Any) -> None:
    model, events, lost = told(record.value)
    count.events[model] += events
    if model == "loud":
        count.loud_records += 1
        count.times.append(record.timestamp / 1000)
        count.lost.append(lost)


@cache
def told(value: bytes) -> tuple[str, int, int]:
    """Of a record: model, events, and how many of them have no amount."""
    found = json.loads(value)
    events = found if isinstance(found, list) else [found]
    return events[0]["model"], len(events), sum(event["features"]["amount"] is None for event in events)


@dataclass
class Watch:
    """What a daemon says while time goes by."""

    daemon: DriftdProcess
    heartbeat: float = 0.0
    level: float = 0.0
    highest: float = 0.0
    windows: set[Window] = field(default_factory=set)

    def look(self) -> float:
        """How long ago the oldest of the quiet models' last windows ended."""
        self.heartbeat = max(self.heartbeat, float(self.daemon.get("/-/healthy")[1].split(" s ago")[0].split()[-1]))
        now, seen = time.time(), self.daemon.metrics()
        mine = (("model", "loud"),)
        start, end, events = (
            seen.get((f"driftd_window_{what}", mine), 0.0)
            for what in ("start_timestamp_seconds", "end_timestamp_seconds", "events")
        )
        share = seen.get(("driftd_feature_missing_ratio", (("feature", "amount"), *mine)))
        if share is not None:
            self.windows.add((start, end, events, share))
        self.level = seen.get(("driftd_degradation_level", ()), 0.0)
        self.highest = max(self.highest, self.level)
        ends = [seen.get(("driftd_window_end_timestamp_seconds", (("model", name),)), 0.0) for name in QUIET]
        return now - min(ends)

    def during(self, seconds: float) -> list[float]:
        ages, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            ages.append(self.look())
            time.sleep(0.5)
        return ages


def given(stage: Stage, topics: list[str], **limits: float) -> dict[str, Any]:
    windows = {"window_seconds": WINDOW, "pane_seconds": PANE, "out_of_orderness_seconds": 2, "idle_seconds": 3}
    learning = {"events": LEARN}
    return settings(
        stage.broker, topics[0], kafka={"topics": topics}, learning=learning, windows=windows, limits=limits
    )


def capacity(stage: Stage) -> float:
    """Events of the loud model that driftd takes a second, reading them as fast as it can."""
    topic, records = stage.broker.create_topic("capacity"), stage.of(2000, 4000, 4000)
    daemon = stage.member("capacity", given(stage, [topic]))
    daemon.wait_ready()
    fill(stage.broker, topic, loud(1, MISSING)[:FIRST])
    daemon.wait_received(FIRST * EACH)
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGSTOP)
    fill(stage.broker, topic, islice(cycle(loud(1, MISSING)), records))
    daemon.process.send_signal(signal.SIGCONT)
    began = time.monotonic()
    daemon.wait_received((FIRST + records) * EACH, 300)
    took = time.monotonic() - began
    daemon.kill9()
    return records * EACH / took


@dataclass
class Flood:
    """A topic of two quiet models and one of a loud one, and the streams into them."""

    stage: Stage
    name: str
    limits: dict[str, float]
    streams: list[Stream] = field(default_factory=list)
    begin: float = 0.0
    end: float = 0.0
    rate: float = 0.0
    _before: int = 0

    def __post_init__(self) -> None:
        create, configs = self.stage.broker.create_topic, {"message.timestamp.type": "LogAppendTime"}
        self.topics = [create(f"{self.name}-{what}", configs=configs) for what in ("quiet", "loud")]
        self.flood: Torrent
        self.watch = Watch(self.stage.member(self.name, given(self.stage, self.topics, **self.limits)))

    def calm(self) -> float:
        """All are judged; how late the quiet models' windows then are."""
        self.watch.daemon.wait_ready()
        rates = (quiet(), QUIET_RATE), (cycle(loud(1, MISSING)), USUAL_RATE)
        for topic, (values, rate) in zip(self.topics, rates, strict=True):
            self.streams.append(Stream(self.stage.broker, topic, values, 1, rate))
            self.streams[-1].start()
        self.watch.daemon.wait(lambda: self.watch.look() < 60 and self.watch.windows, "windows of all models", 180)
        return max(self.watch.during(2 * WINDOW))  # a hop of theirs takes 17 s: 250 events

    def begin_flood(self, rate: float) -> None:
        """The loud model has so many events a second from now on; by one producer, whose times only grow."""
        self.streams.pop().stop()
        self.flood = Torrent(self.stage.broker, self.topics[1], loud(2, MISSING_IN_FLOOD), rate / EACH)
        self._before, self.begin = self._records(), time.time()
        self.flood.start()

    def end_flood(self) -> None:
        self.end = time.time()
        self.rate = (self._records() - self._before) * EACH / (self.end - self.begin)
        self.flood.stop()

    def _records(self) -> int:
        """That the broker has of the loud model."""
        with closing(KafkaConsumer(bootstrap_servers=self.stage.broker.bootstrap)) as consumer:
            partition = TopicPartition(self.topics[1], 0)
            return int(consumer.end_offsets([partition])[partition])

    def stop(self) -> None:
        for stream in self.streams:
            stream.stop()


def bounded(outcome: Outcome, watch: Watch, how: str) -> None:
    outcome.at_most(f"{how} the heartbeat was at most", watch.heartbeat, 5, "s old")
    outcome.at_most("peak memory", watch.daemon.peak_memory_bytes() / (1 << 20), 300, "MB")


def unbiased(outcome: Outcome, flood: Flood, count: Recount) -> None:
    """Windows that lie in the flood, once it was noticed, have the share of missing amounts that all events have."""
    times, lost = np.array(count.times), np.array(count.lost)
    compared, worst, kept = 0, 0.0, 0.0
    for start, end, events, share in sorted(flood.watch.windows):
        if not flood.begin + NOTICED_SECONDS <= start < end <= flood.end or not events:
            continue
        inside = (times >= start) & (times < end)
        true = lost[inside].sum() / (EACH * inside.sum())
        worst = max(worst, abs(share - true) / np.sqrt(true * (1 - true) / events))
        kept = max(kept, events / (EACH * inside.sum()))
        compared += 1
    outcome.true("no window lies in the flood", compared)
    outcome.at_most(
        f"in {compared} windows of {100 * kept:.0f} % of the events at most the share differs by",
        worst,
        SIGMAS,
        "deviations",
    )


def limited(stage: Stage, outcome: Outcome, takes: float, seconds: float) -> None:
    """With a limit: the others are on time, and what stays of the loud model is like all of it."""
    flood = Flood(stage, "limited", {"records_per_second": max(1.5 * QUIET_RATE, takes / EACH / 5)})
    before = flood.calm()
    flood.begin_flood(ASKED_TIMES * takes)
    after = max(flood.watch.during(seconds))
    flood.end_flood()
    flood.watch.during(2 * WINDOW)  # the last windows of the flood are judged only now
    outcome.measure(f"{flood.rate:,.0f} events/s, {flood.rate / takes:.1f} times that, for {seconds:.0f} s")
    outcome.true(f"only {flood.rate / takes:.1f} times what driftd takes", flood.rate >= TIMES * takes)
    outcome.at_most("with a limit the other models' windows were late by", max(0.0, after - before), WINDOW, "s")
    flood.stop()
    bounded(outcome, flood.watch, "meanwhile")
    daemon, counts = flood.watch.daemon, [recount(stage.broker, topic) for topic in flood.topics]
    of_loud = counts[1]

    def account() -> dict[str, float]:
        told = {name: daemon.value("driftd_predictions_total", model=name) for name in QUIET}
        decoded = daemon.value("driftd_predictions_total", model="loud") / EACH
        return told | {"loud": decoded + daemon.value("driftd_events_dropped_total", reason="rate_limit")}

    wanted = {name: float(counts[0].events[name]) for name in QUIET} | {"loud": float(of_loud.loud_records)}
    with contextlib.suppress(AssertionError):
        daemon.wait(lambda: account() == wanted, "all that was sent", 120)
    outcome.equal("events of the quiet models, and records of the loud one", account(), wanted)
    unbiased(outcome, flood, of_loud)
    daemon.terminate()


def shed(stage: Stage, outcome: Outcome, rate: float) -> None:
    """Without a limit the lag grows until driftd does less; then it catches up and does all again."""
    flood = Flood(stage, "shed", {"shed_lag_seconds": 5})
    flood.calm()
    watch, end = flood.watch, time.monotonic() + MOST_SECONDS
    flood.begin_flood(rate)
    while time.monotonic() < end and not watch.level:
        watch.during(1)
    flood.end_flood()
    outcome.measure(f"{flood.rate:,.0f} events/s for {flood.end - flood.begin:.0f} s")
    outcome.true("driftd_degradation_level did not rise", watch.level)
    while time.monotonic() < end and watch.level:
        watch.during(1)
    flood.stop()
    outcome.equal("driftd_degradation_level at the end", watch.level, 0.0)
    took = time.time() - flood.end
    outcome.measure(f"without a limit the level rose to {watch.highest:.0f}, and was 0 again {took:.0f} s after it")
    bounded(outcome, watch, "meanwhile")
    outcome.true("not balanced", watch.daemon.balanced())


def run(stage: Stage) -> Outcome:
    outcome, seconds = Outcome(), stage.of(30, 60, 60)
    takes = capacity(stage)
    outcome.measure(f"driftd takes {takes:,.0f} events/s")
    limited(stage, outcome, takes, seconds)
    shed(stage, outcome, 2 * takes)
    return outcome


EXPERIMENT = Experiment(
    "one model at ten times what driftd takes, with a limit and without",
    "memory bounded, heartbeat under 5 s; with a limit the others on time, shares unbiased; without, the level of "
    "degradation rises and falls",
    run,
)
