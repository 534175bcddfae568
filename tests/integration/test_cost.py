"""What a model costs, from a real broker to /metrics, page and `driftd explain`: the sums by hand, through kill -9."""

from __future__ import annotations

import json
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.servers.kafka import Broker
from tests.stage.daemon import DriftdProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

BEGIN = 1_795_413_600.0
N, PARTITIONS, KILLS = 12_000, 3, 3
PRICES: dict[str, Any] = {"currency": "EUR", "models": [{"model": "chat*", "input": 3, "cached": 0.3, "output": 15}]}


def event(i: int, rng: np.random.Generator) -> dict[str, Any]:
    """Under the names of OpenTelemetry; each tenth states its money, each hundredth fails and states nothing."""
    body: dict[str, Any] = {"m": "chat", "v": "7" if i < N // 2 else "8", "ts": BEGIN + i, "in": {"turns": i % 9}}
    if i % 100 == 0:
        return {**body, "failed": "timeout"}
    tokens = {"input_tokens": int(rng.integers(10, 4000)), "output_tokens": int(rng.integers(1, 900))}
    body["attributes"] = {f"gen_ai.usage.{k}": n for k, n in tokens.items()} | {"gen_ai.prompt": "never read"}
    return {**body, "paid": 0.001} if i % 10 == 1 else body


def settings(broker: Broker, topic: str) -> dict[str, Any]:
    usage = 'attributes."gen_ai.usage.'
    return {
        "kafka": {
            "bootstrap_servers": broker.bootstrap,
            "topics": [topic],
            "start": "earliest",
            "max_poll_records": 300,
        },
        "mapping": {
            "model": "m",
            "version": "v",
            "time": "ts",
            "features": "in",
            "error": "failed",
            "cost": {"tokens_in": f'{usage}input_tokens"', "tokens_out": f'{usage}output_tokens"', "amount": "paid"},
        },
        "learning": {"events": 2000},
        "prices": PRICES,
        "models": [{"name": "chat", "cost": {"budget": 10}}],
        "windows": {"out_of_orderness_seconds": 1_000_000, "idle_seconds": 3},  # nothing is late, however it is read
        "state": {"checkpoint_seconds": 0.5},
    }


def test_sums_are_those_by_hand_through_kills(kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]) -> None:
    topic, rng = kafka.create_topic("chat", PARTITIONS), np.random.default_rng(7)
    events = [event(i, rng) for i in range(N)]
    driftd = DriftdProcess(tmp_path, settings(kafka, topic)).start()
    daemons.append(driftd)
    for part in range(KILLS + 1):
        mine = events[part * N // (KILLS + 1) : (part + 1) * N // (KILLS + 1)]
        for number in range(PARTITIONS):
            kafka.produce(topic, [json.dumps(e).encode() for e in mine[number::PARTITIONS]], partition=number)
        if part < KILLS:
            driftd.wait_ready()
            time.sleep(0.7 * part)
            driftd.kill9()
            driftd.start()
    driftd.wait_received(N)

    usage = {"in": "gen_ai.usage.input_tokens", "out": "gen_ai.usage.output_tokens"}
    money = Fraction(0)
    for version in ("7", "8"):
        said = [e for e in events if e["v"] == version and "attributes" in e]
        tokens = {kind: sum(e["attributes"][name] for e in said) for kind, name in usage.items()}
        for kind, total in tokens.items():
            assert driftd.value("driftd_tokens_total", model="chat", version=version, type=kind) == total
        nanos = sum(
            10**6 if "paid" in e else e["attributes"][usage["in"]] * 3000 + e["attributes"][usage["out"]] * 15000
            for e in said
        )
        found = driftd.value("driftd_cost_total", model="chat", version=version, currency="EUR")
        assert found == float(Fraction(nanos, 10**9))
        assert driftd.value("driftd_cost_events_total", model="chat", version=version) == len(said)
        money += Fraction(nanos, 10**9)
    assert driftd.balanced()
    assert driftd.value("driftd_cost_month", model="chat", currency="EUR") == float(money)
    status, page = driftd.get("/model?model=chat")
    assert status == 200
    assert f"{float(money):,.2f} EUR this month (UTC), of a budget of 10.00; over budget." in page
    assert "never read" not in page
    body = json.loads(driftd.get("/api/v1/model?model=chat")[1])
    assert [v["version"] for v in body["cost"]["versions"]] == sorted(
        "78", key=lambda v: -driftd.value("driftd_cost_total", model="chat", version=v, currency="EUR")
    )
    assert driftd.terminate() == 0
