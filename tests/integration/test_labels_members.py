"""Labels that come later, joined by members of a group: a real broker, three processes, kill -9 and rebalance."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.test_labels import BEGIN, DELAY, PARTITIONS, WRONG, produce, settings
from tests.integration.test_members import KEPT, SESSION_SECONDS
from tests.servers.kafka import Broker
from tests.stage.daemon import DriftdProcess, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

KILLS = 5
CONFIGURED = {"discovery": {"enabled": False}, "models": [{"name": "fraud", "features": {"x": "numeric"}}]}
"""Nothing is discovered: who reads a partition knows the model before there is a plan of it."""
LABELS = ("joined", "duplicate", "correction", "late", "unmatched", "unsampled", "lost")
PREDICTIONS = ("labelled", "unlabelled", "duplicate", "conflict", "unsampled", "lost", "no_id")


def counted(group: list[DriftdProcess]) -> dict[str, float]:
    """What became of labels and predictions, over the group."""
    shown = [member.metrics() for member in group]

    def total(name: str, model: str = "fraud", **labels: str) -> float:
        return sum(seen.get((name, tuple(sorted({"model": model, **labels}.items()))), 0.0) for seen in shown)

    out = {f"label {o}": total("driftd_label_joins_total", outcome=o) for o in LABELS}
    out |= {f"prediction {o}": total("driftd_prediction_joins_total", outcome=o) for o in PREDICTIONS}
    out |= {f"waiting {what}": total("driftd_joins_waiting", what=what) for what in ("predictions", "labels")}
    out |= {f"within {le}": total("driftd_label_delay_seconds_bucket", le=le) for le in ("3600.0", "21600.0")}
    return {**out, "last": total("driftd_last_event_timestamp_seconds", "fraud/labels")}


def test_three_members_some_of_them_killed_join_each_label_once(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess], rng: np.random.Generator
) -> None:
    topics = [kafka.create_topic("predictions", PARTITIONS), kafka.create_topic("labels", PARTITIONS)]
    shared = {"panes_topic": ("panes", 3), "plans_topic": ("plans", 1), "state_topic": ("state", 2)}
    members = {name: kafka.create_topic(prefix, count, KEPT[prefix]) for name, (prefix, count) in shared.items()}

    def member(name: str) -> DriftdProcess:
        wanted: dict[str, Any] = settings(kafka, topics, name)
        wanted["kafka"] |= {"group_id": f"{topics[0]}-group", "session_timeout_seconds": SESSION_SECONDS}
        wanted |= {"state": {"checkpoint_seconds": 1}, "members": {"enabled": True, **members}, **CONFIGURED}
        return DriftdProcess(tmp_path / name, wanted)

    stop, sent = threading.Event(), dict[int, int]()
    producer = threading.Thread(target=lambda: sent.update(produce(kafka, topics, stop, 40.0)))
    producer.start()
    group = [member(name) for name in ("a", "b", "c")]
    daemons += group
    try:
        for one in group:
            one.start()
        for _ in range(KILLS):  # predictions wait by then, and whoever takes over must have them
            time.sleep(float(rng.uniform(2.0, 5.0)))
            victim = group[int(rng.integers(len(group)))]
            victim.kill9()
            if rng.random() < 0.4:
                time.sleep(SESSION_SECONDS + 2)  # until others have its partitions
            victim.start()
        producer.join()
    finally:
        stop.set()
        producer.join()
    alone = DriftdProcess(tmp_path / "alone", {**settings(kafka, topics, "alone"), **CONFIGURED})
    daemons.append(alone)
    alone.start()
    total = sum(sent.values())
    alone.wait_received(total, 120)
    assert {victim.alive for victim in group} == {True}

    def same() -> bool:
        return counted(group) == counted([alone])

    wait_until(lambda: sum(m.value("driftd_events_received_total") for m in group) == total, "all events, once", 120)
    try:
        wait_until(same, "the counts of one process", 90)
    except AssertionError:
        assert counted(group) == counted([alone])
    found = counted(group)
    assert sum(found[f"label {o}"] for o in LABELS) + found["waiting labels"] == sent[1]
    assert sum(found[f"prediction {o}"] for o in PREDICTIONS) + found["waiting predictions"] == sent[0]
    assert found["label lost"] == found["prediction lost"] == 0
    assert found["label joined"] > 10_000
    assert found["last"] > BEGIN + WRONG + DELAY

    def told(*processes: DriftdProcess) -> dict[str, dict[str, Any]]:
        return {key: f for one in processes for key, f in one.findings().items()}

    expected = told(alone)
    assert max(f["window_end"] for f in expected.values() if f["model"] == "fraud/labels") > BEGIN + WRONG + DELAY
    assert {f["feature"] for f in expected.values() if f["model"] == "fraud/labels"} >= {"prediction_error"}
    wait_until(lambda: told(*group).keys() >= expected.keys(), "what one process found", 60)
    assert told(*group) == expected
    (judge,) = [m for m in group if m.value("driftd_label_joins_total", model="fraud", outcome="joined")]
    assert f"{int(found['label joined']):,} of {sent[1]:,}" in judge.get("/model?model=fraud")[1]
    assert alone.terminate() == 0
    assert [one.terminate() for one in group] == [0, 0, 0]
