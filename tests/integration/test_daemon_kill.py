"""kill -9 at random moments changes nothing: a real broker, real processes, an undisturbed run as the oracle."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftd.engine.snapshot.checkpoint import Checkpoint
from driftd.engine.snapshot.coding import decode_checkpoint, encode_checkpoint
from driftd.engine.store import read_file
from tests.bench.events import values
from tests.servers.kafka import Broker
from tests.stage.daemon import DriftdProcess, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

KILLS = 20
PARTITIONS = 3
EVENTS = 90_000


def settings(broker: Broker, topic: str, name: str) -> dict[str, Any]:
    return {
        "kafka": {
            "bootstrap_servers": broker.bootstrap,
            "topics": [topic],
            "group_id": f"{topic}-{name}",
            "group_instance_id": name,
            "start": "earliest",
            "max_poll_records": 500,
        },
        "learning": {"events": 5000},
        "windows": {"window_seconds": 20, "pane_seconds": 1, "out_of_orderness_seconds": 5, "idle_seconds": 3},
        "detectors": {"numeric": ["psi", "missing", "out_of_range", "adwin", "page_hinkley"]},
    }


def flights(rng: np.random.Generator) -> Iterator[bytes]:
    """Real flights in random order, so that their channels are independent and the judge watches them.

    In the middle third the temperature has lost its sign.
    """
    bodies = list(values(EVENTS))
    time_of = re.compile(rb'"time":[0-9.]+')
    for i, j in enumerate(rng.permutation(EVENTS).tolist()):
        when = time_of.search(bodies[i])
        assert when is not None
        body = time_of.sub(when.group(), bodies[j])
        yield re.sub(rb'"temp":(?=[0-9])', b'"temp":-', body) if EVENTS // 3 < i <= EVENTS * 2 // 3 else body


def produce(broker: Broker, topic: str, stop: threading.Event, seconds: float) -> None:
    """The events in turn over the partitions, spread over some seconds, with rubbish in between.

    One event a partition ends at the same time, so that the end of the topic does not depend on which partition falls
    silent first.
    """
    sent, began = 0, time.monotonic()
    with broker.producer(linger_ms=5) as producer:
        for i, body in enumerate(flights(np.random.default_rng(11))):
            producer.send(topic, b'{"model": "cut o' if i % 997 == 0 else body, partition=i % PARTITIONS)
            sent += 1
            if sent % 500 == 0 and (ahead := began + seconds * sent / EVENTS - time.monotonic()) > 0:
                stop.wait(ahead)
        last = next(iter(values(1))).replace(b'"time":1795413600.0', b'"time":1795413900.0')
        for partition in range(PARTITIONS):
            producer.send(topic, last, partition=partition)
        producer.flush(timeout=60)


NOTHING = Checkpoint(0.0, 1.0, [], [], None, 0, 0, 0)


def bits(checkpoint: Checkpoint) -> bytes:
    """All of it but wall times: when it was saved, and when it heard of each model."""
    models = [replace(m, heard=0.0) for m in checkpoint.models]
    return encode_checkpoint(replace(checkpoint, saved=0.0, models=models))


def at_rest(daemon: DriftdProcess, events: int) -> Checkpoint:
    """The checkpoint's state once everything was read, all partitions are idle and nothing moves any more."""
    daemon.wait_received(events, 180)
    checkpoint = daemon.folder / "state" / "checkpoint"

    def settled() -> Checkpoint | None:
        before = decode_checkpoint(read_file(checkpoint))
        time.sleep(4)  # longer than idle_seconds
        after = decode_checkpoint(read_file(checkpoint))
        return after if bits(before) == bits(after) else None

    return wait_until(settled, "a state at rest")


def test_twenty_kills_at_random_moments_change_nothing(kafka: Broker, tmp_path: Path, rng: np.random.Generator) -> None:
    topic = kafka.create_topic("kill", PARTITIONS)
    stop = threading.Event()
    producer = threading.Thread(target=produce, args=(kafka, topic, stop, 40.0))
    producer.start()
    disturbed = DriftdProcess(tmp_path / "disturbed", settings(kafka, topic, "disturbed")).start()
    kills = 0
    try:
        while kills < KILLS:
            disturbed.wait_ready()
            time.sleep(float(rng.uniform(0.0, 1.2)))
            disturbed.kill9()
            kills += 1
            disturbed.start()
        producer.join()
        total = EVENTS + PARTITIONS
        killed = at_rest(disturbed, total)
        disturbed_log = disturbed.log
        assert disturbed.balanced()
    finally:
        stop.set()
        disturbed.kill9()
        producer.join()
    quiet = DriftdProcess(tmp_path / "quiet", settings(kafka, topic, "quiet")).start()
    try:
        calm = at_rest(quiet, total)
    finally:
        quiet.kill9()
    assert killed.rejected == calm.rejected == {"not_json": EVENTS // 997 + 1}
    assert killed.received == calm.received == total
    for part in fields(Checkpoint):
        if part.name != "saved":
            mine, theirs = (replace(NOTHING, **{part.name: getattr(c, part.name)}) for c in (killed, calm))
            assert bits(mine) == bits(theirs), part.name
    findings = disturbed.findings()
    assert findings == quiet.findings()
    turns = {(f["feature"], f["detector"], f["previous"], f["status"]) for f in findings.values()}
    # an episode opened and closed among the kills
    assert {("temp", "judge", "OK", "WARNING"), ("temp", "judge", "WARNING", "OK")} <= turns
    assert (None, "model", "OK", "WARNING") in turns
    (model,) = killed.models
    assert model.judge is not None  # with its evidence and what waits, equal to the last bit as all of "models" is
    assert model.natural is not None
    assert disturbed_log.count("reading from") >= KILLS  # every restart went back to the checkpoint
