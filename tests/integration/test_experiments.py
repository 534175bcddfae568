"""Two variants from a real broker to metrics, page and command: verdicts are those of an undisturbed run."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from driftd.cli import cli
from tests.servers.kafka import Broker
from tests.stage.daemon import DriftdProcess, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

BEGIN = 1_795_413_600.0
N, PARTITIONS, KILLS, RATE = 12_000, 3, 3, 5.0
EXPERIMENT: dict[str, Any] = {
    "name": "fraud-v8",
    "model": "fraud",
    "champion": "v7",
    "challengers": ["v8"],
    "shares": {"v7": 70, "v8": 30},
    "metrics": [
        {"measure": "errors", "margin": 0.01},
        {"measure": "latency", "threshold_seconds": 0.25, "margin": 0.2},
        {"measure": "quality", "margin": 0.1, "role": "goal"},
    ],
}


def event(i: int, rng: np.random.Generator) -> dict[str, Any]:
    """Of 2,000 users who come back; v8 fails four times as often, and is as quick and as right."""
    user = int(rng.integers(0, 2_000))
    variant = "v8" if user % 10 < 3 else "v7"
    body = {"model": "fraud", "variant": variant, "unit": f"user-{user}", "time": BEGIN + i / RATE}
    failed = rng.random() < (0.12 if variant == "v8" else 0.03)
    return {
        **body,
        "features": {"amount": float(rng.lognormal())},
        "prediction": 1,
        "label": int(rng.random() < 0.9),
        "latency_seconds": float(rng.exponential(0.1)),
        **({"error": "timeout"} if failed else {}),
    }


def settings(broker: Broker, topic: str, name: str) -> dict[str, Any]:
    return {
        "kafka": {
            "bootstrap_servers": broker.bootstrap,
            "topics": [topic],
            "group_id": f"{topic}-{name}",
            "start": "earliest",
            "max_poll_records": 300,
        },
        "learning": {"events": 2000},
        "experiments": [EXPERIMENT],
        # a partition that waits for its next part is not idle, so nothing is late however it is read
        "windows": {"out_of_orderness_seconds": 60, "idle_seconds": 600},
        "state": {"checkpoint_seconds": 0.5},
    }


def parts(rng: np.random.Generator) -> list[list[dict[str, Any]]]:
    """The events in pieces; at the end one of each partition an hour later, that closes all panes."""
    events = [event(i, rng) for i in range(N)]
    out = [events[k * N // (KILLS + 1) : (k + 1) * N // (KILLS + 1)] for k in range(KILLS + 1)]
    end = {"model": "fraud", "time": BEGIN + N / RATE + 3600, "features": {"amount": 1}, "prediction": 1}
    out[-1] += [end] * PARTITIONS
    return out


def verdicts(driftd: DriftdProcess) -> dict[str, Any]:
    """What the API says once all panes are closed."""

    def closed() -> dict[str, Any] | None:
        status, body = driftd.get("/api/v1/experiment?name=fraud-v8")
        found: dict[str, Any] = json.loads(body) if status == 200 else {}
        e = found.get("experiment")
        return e if e is not None and sum(v["events"] for v in e["variants"]) == N else None

    return wait_until(closed, "all events in the experiment")


def test_a_worse_variant_is_found_and_kills_change_nothing(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic, made = kafka.create_topic("variants", PARTITIONS), parts(np.random.default_rng(7))
    driftd = DriftdProcess(tmp_path / "disturbed", settings(kafka, topic, "disturbed")).start()
    daemons.append(driftd)
    for part, mine in enumerate(made):
        for number in range(PARTITIONS):
            kafka.produce(topic, [json.dumps(e).encode() for e in mine[number::PARTITIONS]], partition=number)
        if part < KILLS:
            driftd.wait_ready()
            time.sleep(0.7 * part)
            driftd.kill9()
            driftd.start()
    driftd.wait_received(N + PARTITIONS)
    disturbed = verdicts(driftd)
    seen = driftd.metrics()

    def gauge(family: str, metric: str) -> float:
        pairs = {"model": "fraud", "experiment": "fraud-v8", "metric": metric, "challenger": "v8"}
        return seen[family, tuple(sorted(pairs.items()))]

    assert gauge("driftd_variant_verdict", "errors") == -1
    assert gauge("driftd_variant_difference_lower", "errors") > 0.01
    assert gauge("driftd_variant_verdict", "latency_over_0.25s") == 1
    evidence = driftd.value("driftd_variant_srm_evidence", model="fraud", experiment="fraud-v8")
    assert evidence < driftd.value("driftd_variant_srm_evidence_threshold", model="fraud", experiment="fraud-v8")
    assert driftd.balanced()
    status, page = driftd.get("/experiment?name=fraud-v8")
    assert status == 200
    assert "v8: errors worse" in page
    assert "user-" not in page + driftd.log
    assert not [f for f in (tmp_path / "disturbed").rglob("*") if f.is_file() and b"user-" in f.read_bytes()]
    url = f"http://127.0.0.1:{driftd.port}"
    said = CliRunner().invoke(cli, ["experiment", "status", "fraud-v8", "--url", url], catch_exceptions=False)
    assert said.output.startswith("WORSE     fraud: experiment fraud-v8: v8 is worse\n")
    assert [v["units"] > 500 for v in disturbed["variants"]] == [True, True]

    quiet = DriftdProcess(tmp_path / "quiet", settings(kafka, topic, "quiet")).start()
    daemons.append(quiet)
    quiet.wait_received(N + PARTITIONS)
    assert verdicts(quiet) == disturbed
    assert driftd.terminate() == 0
