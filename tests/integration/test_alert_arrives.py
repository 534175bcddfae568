"""From an event to the pager, every part real: flights, Kafka, driftd, Prometheus, Alertmanager, a webhook."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bench.events import values
from tests.deploy.test_dashboard import OPEN
from tests.rules.quick import quick_alertmanager, quick_rules
from tests.servers.kafka import Broker
from tests.servers.prometheus import StartAlertmanager, StartPrometheus, serving_webhook
from tests.servers.prometheus import wait_until as wait_for
from tests.stage.daemon import DriftdProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

MODEL = "flight-delay"
ADDRESS = "https://driftd.example/watch"
QUIET, DRIFTED, AGAIN = slice(0, 14_000), slice(14_000, 24_000), slice(24_000, 40_000)

BEGIN = 1_795_413_600.0
UNITS = {"temp": (32, 1 / 1.8), "wind_speed": (0, 0.447), "visib": (0, 1.609), "distance": (0, 1609.0)}
"""What is taken off, and by what the rest is multiplied."""


def flights(rng: np.random.Generator) -> list[bytes]:
    """Real flights in random order, so that the weather of a week is no drift; from 14,000 to 24,000 it is.

    There the weather comes in other units: degrees Celsius, metres a second, kilometres; and distances in metres. A
    flight every two seconds: a change is one only if it lasts for minutes.
    """
    events = [json.loads(v) for v in values(AGAIN.stop)]
    order = rng.permutation(len(events))
    out = []
    for i, j in enumerate(order.tolist()):
        event = {**events[j], "time": BEGIN + 2 * i, "id": events[i]["id"]}
        if DRIFTED.start <= i < DRIFTED.stop:
            features = event["features"]
            for name, (offset, factor) in UNITS.items():
                for prefix in ("", "last_"):
                    value = features[prefix + name]
                    features[prefix + name] = None if value is None else round((value - offset) * factor, 2)
        out.append(json.dumps(event).encode())
    return out


@pytest.fixture
def daemon(kafka: Broker, tmp_path: Path) -> Iterator[tuple[DriftdProcess, str]]:
    topic = kafka.create_topic("pager", 2)
    process = DriftdProcess(
        tmp_path,
        {
            "kafka": {
                "bootstrap_servers": kafka.bootstrap,
                "topics": [topic],
                "group_id": topic,
                "start": "earliest",
            },
            "http": {"external_url": ADDRESS},
            "learning": {"events": 4000},
            "windows": {"window_seconds": 1200, "pane_seconds": 10, "out_of_orderness_seconds": 10},
        },
    )
    yield process.start(), topic
    if process.alive:
        process.kill9()


def queries_of(panel: Mapping[str, Any]) -> Iterator[str]:
    values = {"$__rate_interval": "10s", "$model": MODEL, "$feature": "distance"}
    for target in panel["targets"]:
        yield re.sub(r"\$\w+", lambda found: values[found.group()], target["expr"])


def test_drift_in_the_topic_rings_the_pager_and_its_end_resolves(
    kafka: Broker,
    daemon: tuple[DriftdProcess, str],
    start_prometheus: StartPrometheus,
    start_alertmanager: StartAlertmanager,
    tmp_path: Path,
    rng: np.random.Generator,
) -> None:
    driftd, topic = daemon
    events = flights(rng)

    def status() -> float:
        return driftd.value("driftd_model_status", model=MODEL)

    with serving_webhook() as pager:
        alertmanager = start_alertmanager(quick_alertmanager(pager.url))
        prometheus = start_prometheus(
            {"driftd": [f"127.0.0.1:{driftd.port}"]}, rules=quick_rules(tmp_path), alertmanager=alertmanager.url
        )
        driftd.wait_ready()
        kafka.produce(topic, events[QUIET])
        driftd.wait_received(QUIET.stop)
        driftd.wait(lambda: status() == 0, "OK on flights like the reference")
        wait_for(lambda: prometheus.query(f'driftd_model_status{{model="{MODEL}"}} == 0'), "Prometheus to see it")
        assert not pager.alerts("firing", "DriftdModelDrift")

        kafka.produce(topic, events[DRIFTED])
        driftd.wait(lambda: status() == 3, "DRIFT")
        page = pager.wait_for("firing", "DriftdModelDrift", "/page")
        assert page["labels"]["model"] == MODEL
        assert page["labels"]["severity"] == "critical"
        told = page["annotations"]["summary"]
        assert re.fullmatch(rf"{MODEL}: .* (larger|smaller|out of range|changed).* since \S+( \S+)* UTC.*", told)
        assert len(told) <= 120
        found = re.fullmatch(
            rf"{re.escape(ADDRESS)}/incident\?id=([0-9a-f]{{16}})", page["annotations"]["incident_url"]
        )
        assert found, page["annotations"]
        assert found[1] in driftd.findings()
        assert "&from=" in page["annotations"]["dashboard_url"]
        assert page["annotations"]["runbook_url"].endswith("DriftdModelDrift.md")
        drifts = [f for f in driftd.findings().values() if f["status"] == "DRIFT"]
        assert {f["detector"] for f in drifts} <= {"change", "judge", "model"}  # statistics of windows only show
        drifted = {f["feature"] for f in drifts}
        assert {"distance", "last_distance"} <= drifted
        assert not {"precip", "carrier", "origin", "hour"} & drifted
        rung = [f for f in drifts if f["feature"] is None and f["severity"] == "page"]
        assert len(rung) == 1
        assert "distance" in rung[0]["because"]
        assert page["labels"]["page"] == "1"
        described = page["annotations"]["description"]
        assert re.search(r"distance \((range|unit|level)\) since 23 Nov \d\d:\d\d", described)

        empty = [*OPEN]

        def all_show_something() -> bool:
            empty[:] = [panel for panel in empty if not any(map(prometheus.query, queries_of(panel)))]
            return not empty

        try:
            wait_for(all_show_something, "data in every panel of the dashboard that is open")
        except TimeoutError:
            pytest.fail(f"empty by default: {[panel['title'] for panel in empty]}")

        kafka.produce(topic, events[AGAIN])
        driftd.wait_received(AGAIN.stop)
        driftd.wait(lambda: status() < 3, "the end of the page")
        over = pager.wait_for("resolved", "DriftdModelDrift", "/page")
        assert over["annotations"]["summary"].startswith(f"{MODEL}: ")
        prometheus.stop()
        alertmanager.stop()
    assert driftd.balanced()
    assert driftd.value("driftd_events_total", outcome="accepted") == len(events)
    assert driftd.terminate() == 0
