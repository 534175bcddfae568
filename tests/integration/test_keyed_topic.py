"""A topic keyed by a feature of the events: the daemon says what it says of one partition."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from driftd.engine.store import ReferenceStore
from tests.servers.kafka import Broker
from tests.stage.daemon import DriftdProcess
from tests.unit.judge.natural.stage import HOUR, MONDAY, NAMES, traffic

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

BEGIN = MONDAY + 9 * HOUR
REGIONS = ("north", "east", "south", "west")
"""Each is a partition of its own."""


def events() -> list[list[bytes]]:
    """Of each region those of 27 hours; amounts are higher in some regions."""
    columns = traffic(np.random.default_rng(11), BEGIN, BEGIN + 27 * HOUR)
    out: list[list[bytes]] = [[] for _ in REGIONS]
    where = np.random.default_rng(12).integers(0, len(REGIONS), len(columns["time"])).tolist()
    for i, (moment, region) in enumerate(zip(columns["time"].tolist(), where, strict=True)):
        features = {name: columns[name][i] for name in NAMES}
        features |= {"city": REGIONS[region], "amount": features["amount"] * (1 + region)}
        score = float(columns["score"][i])
        event = {"model": "keyed", "time": moment, "features": features, "prediction": int(score > 0.5), "score": score}
        out[region].append(json.dumps(event).encode())
    return out


@pytest.mark.parametrize("learning", [{}, {"events": 3000}], ids=["grows", "so many events"])
def test_reference_and_verdict_do_not_depend_on_partitions(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess], learning: dict[str, int]
) -> None:
    by_region = events()
    total = sum(map(len, by_region))
    in_time = sorted((e for part in by_region for e in part), key=lambda e: json.loads(e)["time"])
    told, known = [], []
    for partitions in (1, len(REGIONS)):
        topic = kafka.create_topic(f"keyed{partitions}", partitions)
        for number, part in enumerate(by_region if partitions > 1 else [in_time]):
            kafka.produce(topic, part, partition=number)
        sections = {"kafka": {"bootstrap_servers": kafka.bootstrap, "topics": [topic], "start": "earliest"}}
        daemon = DriftdProcess(tmp_path / str(partitions), {**sections, "learning": learning})
        daemons.append(daemon)
        daemon.start()
        daemon.wait_received(total)
        assert daemon.balanced()
        assert daemon.value("driftd_events_total", outcome="accepted") == total
        assert daemon.terminate() == 0
        store = ReferenceStore(tmp_path / str(partitions) / "state" / "references")
        last = store.list()[-1]  # how many stages were stored depends on how events were polled
        known.append((last.version, last.id, last.summary.events, last.last))
        told.append([(f["feature"], f["detector"], f["severity"], f["kind"]) for f in daemon.findings().values()])
    assert known[0] == known[1]
    assert told[0] == told[1]
    assert "page" not in {severity for _, _, severity, _ in told[0]}
