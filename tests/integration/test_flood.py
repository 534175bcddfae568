"""One model floods a topic that others share: they lose nothing, and kill -9 changes nothing of what stays of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.kafka import Broker
from tests.stage.daemon import DriftdProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

NOON = 1_795_413_600
LOUD, QUIET = 40_000, 1_000
EVENTS = LOUD + QUIET


def values() -> Iterator[bytes]:
    """For 100 s 400 events a second of a model that has 100 at other times, and 10 of another one."""
    for i in range(EVENTS):
        model = "quiet" if i % (EVENTS // QUIET) == 0 else "loud"
        event = {"model": model, "time": NOON + i * 100 / EVENTS, "features": {"x": i % 7}}
        yield json.dumps(event).encode()


def settings(broker: Broker, topic: str, group: str) -> dict[str, Any]:
    return {
        "kafka": {
            "bootstrap_servers": broker.bootstrap,
            "topics": [topic],
            "group_id": group,
            "group_instance_id": group,
            "start": "earliest",
            "session_timeout_seconds": 6,
            "max_poll_records": 500,
        },
        "limits": {"events_per_second": 50},
        "state": {"checkpoint_seconds": 0.2},
    }


def test_a_flood_of_one_model_costs_no_other_an_event_also_over_kill_9(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = kafka.create_topic("flood")
    sent = list(values())
    kafka.produce(topic, sent[:20_000], partition=0)
    counted = []
    for name in ("undisturbed", "killed"):
        (folder := tmp_path / name).mkdir()
        daemon = DriftdProcess(folder, settings(kafka, topic, f"{name}-{topic}"))
        daemons.append(daemon)
        daemon.start()
        daemon.wait_received(20_000)
        if name == "undisturbed":
            kafka.produce(topic, sent[20_000:], partition=0)
        else:
            daemon.wait(lambda d=daemon: d.value("driftd_checkpoint_timestamp_seconds") > 0, "a checkpoint")  # type: ignore[misc]
            daemon.kill9()
            daemon.start()
        daemon.wait_received(EVENTS)
        assert daemon.balanced()
        counted.append(
            {
                (metric, model): daemon.value(f"driftd_{metric}_total", model=model)
                for metric in ("predictions", "sampled_out_events")
                for model in ("loud", "quiet")
            }
        )
        dropped = daemon.value("driftd_events_dropped_total", reason="rate_limit")
        assert dropped == counted[-1]["sampled_out_events", "loud"]
        assert daemon.terminate() == 0
    (one, other) = counted
    assert one == other
    assert one["predictions", "quiet"] == QUIET
    assert one["predictions", "loud"] + one["sampled_out_events", "loud"] == LOUD
    # 500 a block: two whole ones, of the rest 50 in 400
    assert one["predictions", "loud"] == pytest.approx(1000 + 39_000 / 8, rel=0.1)
