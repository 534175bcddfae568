"""Segments over a real broker: a fault of a tenth of the traffic, through kill -9, in metrics, alerts and pages."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.servers.kafka import Broker
from tests.stage.daemon import DriftdProcess, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

BEGIN, N, FAULT, EACH, PARTITIONS = 1_795_413_600.0, 10_000, 8_500, 2.0, 3
"""Five and a half hours, an event each two seconds; amounts of DE are a hundredfold in the last 50 minutes."""
SEGMENT = "fraud/segments/country=DE"


def settings(broker: Broker, topic: str) -> dict[str, Any]:
    return {
        "kafka": {
            "bootstrap_servers": broker.bootstrap,
            "topics": [topic],
            "group_id": topic,
            "start": "earliest",
            "max_poll_records": 500,
        },
        "models": [{"name": "fraud", "segments": {"fields": ["country"], "values": {"country": ["DE", "FR", "US"]}}}],
        "learning": {"events": 500},
        "windows": {"idle_seconds": 3},
        "state": {"checkpoint_seconds": 1},
    }


def produce(broker: Broker, topic: str) -> None:
    rng = np.random.default_rng(5)
    country = rng.choice(["US", "FR", "DE", "LI"], N, p=[0.6, 0.29, 0.1, 0.01]).tolist()
    amount = rng.lognormal(3, 1, N) * np.where((np.arange(N) >= FAULT) & (np.array(country) == "DE"), 100, 1)
    age = rng.integers(18, 90, N)
    with broker.producer(linger_ms=5) as producer:
        for i in range(N):
            features = {"amount": round(float(amount[i]), 2), "age": float(age[i])}
            event = {
                "model": "fraud",
                "time": BEGIN + EACH * i,
                "features": features,
                "segments": {"country": country[i]},
            }
            producer.send(topic, json.dumps(event).encode(), partition=i % PARTITIONS)
        producer.flush(timeout=60)


def test_a_fault_of_one_country_pages_once_and_says_where(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = kafka.create_topic("predictions", PARTITIONS)
    writer = threading.Thread(target=produce, args=(kafka, topic))
    writer.start()
    driftd = DriftdProcess(tmp_path, settings(kafka, topic)).start()
    daemons.append(driftd)
    driftd.wait_received(N // 3, 120)
    driftd.kill9()
    driftd.start()
    writer.join()
    driftd.wait_received(N, 200)

    def page() -> list[dict[str, Any]] | None:
        found = [f for f in driftd.findings().values() if f["severity"] == "page" and f["feature"] is not None]
        return found or None

    (first,) = wait_until(page, "a page")
    assert (first["model"], first["segment"], first["feature"], first["kind"]) == (
        SEGMENT, "country=DE", "amount", "unit",
    )  # fmt: skip
    assert BEGIN + EACH * FAULT < first["window_end"] < BEGIN + EACH * FAULT + 2400
    assert driftd.balanced()
    wait_until(lambda: driftd.value("driftd_segments", model="fraud") == 3, "three segments")
    assert driftd.value("driftd_segments_limit", model="fraud") == 20
    assert driftd.value("driftd_segment_status", model="fraud", segment="country=DE") == 3
    assert driftd.value("driftd_segment_status", model="fraud", segment="country=US") == 0
    assert driftd.value("driftd_feature_status", model=SEGMENT, feature="amount") == 3
    assert driftd.value("driftd_predictions_total", model="fraud") == N

    metrics = driftd.get("/metrics")[1].splitlines()
    assert not [line for line in metrics if 'model="fraud/segments/country=US"' in line and "driftd_feature" in line]
    (info,) = [line for line in metrics if line.startswith("driftd_incident_info") and 'severity="page"' in line]
    assert "fraud: amount is 100 times larger" in info
    assert "in country=DE since" in info
    assert len([line for line in metrics if line.startswith("driftd_page_info")]) == 1

    status, page_of_model = driftd.get("/model?model=fraud")
    assert status == 200
    assert "in country=DE" in page_of_model
    assert "Segments, largest change first" in page_of_model
    body = json.loads(driftd.get("/api/v1/model?model=fraud")[1])
    assert body["segments"][0]["segment"] == "country=DE"
    assert body["model"]["status"] == "page"
    (incident,) = [i for i in json.loads(driftd.get("/api/v1/incidents")[1])["incidents"] if i["status"] == "page"]
    assert (incident["models"], incident["segments"]) == (["fraud"], ["country=DE"])
    assert SEGMENT not in driftd.get("/")[1].replace("in country=DE", "")
    assert driftd.terminate() == 0
