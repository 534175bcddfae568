"""Labels that come later on a topic of their own: a real broker, real processes, errors that rise, and kill -9."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftd.core.slice import Slice
from driftd.engine.label_store import NAME, LabelStore
from driftd.engine.snapshot.checkpoint import Checkpoint
from driftd.engine.snapshot.coding import decode_checkpoint, encode_checkpoint
from driftd.engine.snapshot.model import ModelSnapshot
from driftd.engine.store import read_file
from driftd.ingest.outcomes.pending import Entry
from driftd.monitor.state import ModelState
from tests.servers.kafka import Broker
from tests.stage.daemon import DriftdProcess, wait_until

NOTHING = Checkpoint(0.0, 1.0, [], [], None, 0, 0, 0)
pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

BEGIN = 1_795_413_600.0
N, PARTITIONS, KILLS = 20_000, 3, 8
DELAY = 2 * 3600.0
"""Five and a half hours of predictions, one a second; each label two hours after its prediction."""
WRONG = 8000
"""From this prediction on six in ten are wrong, before that one in ten."""


def settings(broker: Broker, topics: list[str], name: str) -> dict[str, Any]:
    return {
        "kafka": {
            "bootstrap_servers": broker.bootstrap,
            "topics": topics,
            "group_id": f"{topics[0]}-{name}",
            "group_instance_id": name,
            "start": "earliest",
            "max_poll_records": 500,
        },
        "labels": {"join": "always", "horizon_seconds": 6 * 3600},
        "learning": {"events": 3000},
        "windows": {"window_seconds": 1200, "pane_seconds": 60, "out_of_orderness_seconds": 60, "idle_seconds": 3},
        # sequential detectors read labels in the order in which they find their predictions
        "detectors": {"errors": ["psi"], "numeric": ["psi"], "categorical": ["psi"]},
    }


def events() -> Iterator[tuple[int, int, bytes]]:
    """In order of time: which topic (0 has predictions, 1 labels), which partition, and the record. One label in twenty
    never comes, one in fifty twice.
    """
    rng = np.random.default_rng(5)
    wrong = rng.uniform(size=N) < np.where(np.arange(N) < WRONG, 0.1, 0.6)
    said, fate, x = rng.integers(0, 2, N), rng.uniform(size=N), rng.normal(size=N).round(4)
    for second in range(N):
        event = {"model": "fraud", "id": f"p{second}", "time": BEGIN + second, "features": {"x": float(x[second])}}
        yield 0, second % PARTITIONS, json.dumps({**event, "prediction": int(said[second])}).encode()
        i = second - int(DELAY)
        if i >= 0 and fate[i] > 0.05:
            label = {"model": "fraud", "id": f"p{i}", "time": BEGIN + second, "label": int(said[i] ^ wrong[i])}
            for _ in range(1 + (fate[i] > 0.98)):  # a copy on another partition might be the first there to be read
                yield 1, (i // PARTITIONS) % PARTITIONS, json.dumps(label).encode()


def produce(broker: Broker, topics: list[str], stop: threading.Event, seconds: float) -> dict[int, int]:
    """Spread over some seconds; how many records of each topic."""
    sent, began, every = {0: 0, 1: 0}, time.monotonic(), 2 * N - int(DELAY)
    with broker.producer(linger_ms=5) as producer:
        for topic, partition, body in events():
            producer.send(topics[topic], body, partition=partition)
            sent[topic] += 1
            total = sum(sent.values())
            if total % 500 == 0 and (ahead := began + seconds * total / every - time.monotonic()) > 0:
                stop.wait(ahead)
        producer.flush(timeout=60)
    return sent


def test_errors_that_rise_are_found_hours_later_and_the_page_says_how_labels_are(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topics = [kafka.create_topic("predictions", PARTITIONS), kafka.create_topic("labels", PARTITIONS)]
    sent = produce(kafka, topics, threading.Event(), 0.0)
    driftd = DriftdProcess(tmp_path, settings(kafka, topics, "one")).start()
    daemons.append(driftd)
    driftd.wait_received(sum(sent.values()), 120)

    def found() -> list[dict[str, Any]] | None:
        mine = [f for f in driftd.findings().values() if f["model"] == "fraud/labels" and f["feature"] is not None]
        return [f for f in mine if f["feature"] == "prediction_error"] or None

    (first, *_) = sorted(wait_until(found, "a finding about the errors"), key=lambda f: float(f["window_end"]))
    assert BEGIN + WRONG + DELAY < first["window_end"] < BEGIN + WRONG + DELAY + 3600
    assert not [f for f in driftd.findings().values() if f["model"] == "fraud" and f["feature"] == "prediction_error"]

    joined = driftd.value("driftd_label_joins_total", model="fraud", outcome="joined")
    twice = driftd.value("driftd_label_joins_total", model="fraud", outcome="duplicate")
    assert joined + twice == sent[1]
    assert joined == driftd.value("driftd_label_delay_seconds_bucket", model="fraud", le="21600.0")
    assert driftd.value("driftd_label_delay_seconds_bucket", model="fraud", le="3600.0") == 0
    assert driftd.value("driftd_prediction_joins_total", model="fraud", outcome="labelled") == joined
    assert driftd.balanced()
    status, page = driftd.get("/model?model=fraud")
    assert status == 200
    assert f"{int(joined):,} of {sent[1]:,}" in page
    assert "fraud/labels" in driftd.get("/")[1]
    assert driftd.terminate() == 0


def at_rest(daemon: DriftdProcess, records: int) -> tuple[Checkpoint, dict[bytes, Entry]]:
    """The checkpoint and what waits, once everything was read and nothing moves any more."""
    daemon.wait_received(records, 180)
    path = daemon.folder / "state" / "checkpoint"

    def settled() -> Checkpoint | None:
        before = decode_checkpoint(read_file(path))
        time.sleep(4)  # longer than idle_seconds
        after = decode_checkpoint(read_file(path))
        return after if bits(before) == bits(after) else None

    found = wait_until(settled, "a state at rest")
    assert daemon.terminate() == 0
    store = LabelStore(daemon.folder / "state" / NAME)
    store.open(decode_checkpoint(read_file(path)).outcomes.generation)
    waits = dict(store.beyond(b""))
    store.close()
    return found, waits


def bits(c: Checkpoint) -> bytes:
    """All of it but wall times, and how often it was saved."""
    models = [replace(m, heard=0.0) for m in c.models]
    return encode_checkpoint(replace(c, saved=0.0, models=models, outcomes=replace(c.outcomes, generation=0)))


def facts(c: Checkpoint) -> Iterator[bytes]:
    """What does not depend on the order in which the partitions of predictions and labels were read: with it pairs come
    in another order, and how often a value repeats the one before is another number. Ids of examples are not kept
    while a model is learned.
    """
    for p in c.partitions:
        streams = [
            replace(s, carry=None, panes=[(n, replace(pane, faults=None, exemplar=None)) for n, pane in s.panes])
            for s in p.streams
        ]
        yield bits(replace(NOTHING, partitions=[replace(p, streams=streams)]))
    empty = ModelSnapshot.of(ModelState(Slice("")))
    for m in c.models:
        same = {name: getattr(m, name) for name in ("slice", "reference", "taken", "hops", "judge", "told")}
        same["incidents"] = tuple(replace(i, examples=()) for i in m.incidents)
        yield bits(replace(NOTHING, models=[replace(empty, **same)]))
    yield bits(replace(NOTHING, outcomes=c.outcomes, received=c.received, accepted=c.accepted, findings=c.findings))


def test_kills_at_random_moments_join_each_label_once(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess], rng: np.random.Generator
) -> None:
    topics = [kafka.create_topic("predictions", PARTITIONS), kafka.create_topic("labels", PARTITIONS)]
    stop, sent = threading.Event(), dict[int, int]()
    producer = threading.Thread(target=lambda: sent.update(produce(kafka, topics, stop, 25.0)))
    producer.start()
    killed = DriftdProcess(tmp_path / "killed", settings(kafka, topics, "killed")).start()
    daemons.append(killed)
    try:
        for _ in range(KILLS):
            killed.wait_ready()
            time.sleep(float(rng.uniform(0.0, 1.5)))
            killed.kill9()
            killed.start()
        producer.join()
    finally:
        stop.set()
        producer.join()
    mine = at_rest(killed, sum(sent.values()))
    quiet = DriftdProcess(tmp_path / "quiet", settings(kafka, topics, "quiet")).start()
    daemons.append(quiet)
    theirs = at_rest(quiet, sum(sent.values()))
    (counts,) = mine[0].outcomes.counts.values()
    assert counts.balanced
    assert counts.joined + counts.duplicates == sent[1]
    assert mine[1] == theirs[1]
    assert {m.slice.model for m in mine[0].models} == {"fraud", "fraud/labels"}
    for of_killed, of_quiet in zip(facts(mine[0]), facts(theirs[0]), strict=True):
        assert of_killed == of_quiet
    assert killed.findings() == quiet.findings()
    assert "lost" not in killed.log
