"""A bank that may not show a country or an account: nothing that driftd writes, sends or serves has one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kafka import KafkaConsumer, KafkaProducer

from driftd.core.hashing import Hasher
from tests.servers.kafka import Broker
from tests.stage.daemon import DriftdProcess

pytestmark = pytest.mark.integration

KEY = "6d0f5d2c9b1e4a7f8c3b2a1908f7e6d5"
COUNTRIES = ("Ruritania", "Freedonia", "Sylvania")
ACCOUNTS = tuple(f"ACCT-{n}" for n in range(700_001, 700_041))
NUMBERS = tuple(range(81_600_100, 81_600_140))
"""Of customers; numbers in JSON."""
SECRETS = (*COUNTRIES, *ACCOUNTS, *map(str, NUMBERS), "4711,50", "trace-of-Ruritania")
BEGIN = 1_795_413_600.0
SLOWLY = 200.0


def bank(events: str, letters: str, findings: str, bootstrap: str) -> dict[str, Any]:
    return {
        "kafka": {
            "bootstrap_servers": [bootstrap],
            "topics": [events],
            "group_id": f"g-{events}",
            "start": "earliest",
            "dead_letter_topic": letters,
            "findings_topic": findings,
        },
        "learning": {"events": 1000},
        "windows": {"window_seconds": 60, "pane_seconds": 5, "min_events": 200, "out_of_orderness_seconds": 5},
        "privacy": {
            "key_file": "privacy.key",
            "hash_text": True,
            "hash_channels": ["customer_*"],
            "dead_letters": "hash",
        },
        "log": {"level": "debug"},
    }


def event(rng: np.random.Generator, i: int, *, drifted: bool) -> dict[str, Any]:
    return {
        "model": "fraud",
        "time": BEGIN + i / 20,
        "features": {
            "country": COUNTRIES[2] if drifted else COUNTRIES[int(rng.integers(2))],
            "account": ACCOUNTS[int(rng.integers(len(ACCOUNTS)))],
            "customer_number": NUMBERS[int(rng.integers(len(NUMBERS)))],
            "amount": round(float(rng.normal(100, 20)), 2),
        },
        "prediction": COUNTRIES[int(rng.integers(2))],
        "label": COUNTRIES[int(rng.integers(2))],
    }


def bad(good: dict[str, Any]) -> Iterator[tuple[bytes, str]]:
    """Records that are rejected, and why."""
    yield json.dumps({**good, "time": "4711,50"}).encode(), "bad_time"
    yield json.dumps({**good, "latency_seconds": "4711,50"}).encode(), "wrong_type"
    yield json.dumps({**good, "time": float(NUMBERS[0]) * 1e5}).encode(), "bad_time"
    yield json.dumps({**good, "model": None}).encode(), "missing_field"
    yield json.dumps(good).encode()[:-9], "not_json"
    yield json.dumps(good).encode() + b"\xff", "not_utf8"
    yield json.dumps(COUNTRIES[0]).encode(), "not_an_event"
    yield json.dumps({**good, "model": f"{ACCOUNTS[0]} " * 20}).encode(), "name_too_long"


def consumed(broker: Broker, topic: str, count: int) -> list[Any]:
    consumer = KafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=10_000
    )
    found = []
    for record in consumer:
        found.append(record)
        if len(found) == count:
            break
    consumer.close()
    return found


def shown(where: str, text: bytes) -> list[str]:
    return [f"{secret} in {where}" for secret in SECRETS if secret.encode() in text]


def test_no_value_leaves_the_process(kafka: Broker, tmp_path: Path) -> None:
    events, letters, findings = (kafka.create_topic(name) for name in ("bank", "bank-letters", "bank-findings"))
    driftd = DriftdProcess(tmp_path, bank(events, letters, findings, kafka.bootstrap))
    key = tmp_path / "privacy.key"
    key.write_text(KEY)
    key.chmod(0o600)
    rng = np.random.default_rng(1)
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
    good = [event(rng, i, drifted=i >= 2000) for i in range(4000)]
    reasons = []
    for i, one in enumerate(good):
        producer.send(events, json.dumps(one).encode(), key=one["features"]["account"].encode())
        if i == 1500:
            one["features"]["amount"] = "4711,50"  # refused, the event is not
            producer.send(events, json.dumps(one).encode())
            for value, reason in bad(good[0]):
                producer.send(events, value, key=ACCOUNTS[0].encode(), headers=[("trace", b"trace-of-Ruritania")])
                reasons.append(reason)
    producer.flush()
    producer.close()
    driftd.start()
    driftd.wait_received(len(good) + 1 + len(reasons), SLOWLY)
    driftd.wait(
        lambda: any(f["kind"] or f["status"] != "LEARNING" for f in driftd.findings().values()), "a finding", SLOWLY
    )
    driftd.wait(
        lambda: driftd.value("driftd_dead_letters_total", outcome="sent") == len(reasons), "dead letters", SLOWLY
    )
    api = "/api/v1/channel?model=fraud&channel=country"
    paths = "/metrics", "/", "/health", "/model?model=fraud", api, "/api/v1/health", "/api/v1/incidents", "/-/ready"
    pages = {path: driftd.get(path)[1] for path in paths}
    assert driftd.terminate() == 0

    sent = consumed(kafka, letters, len(reasons))
    found = consumed(kafka, findings, 1)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".reference" for path in files)
    assert [dict(record.headers)["__driftd.errors.code"].decode() for record in sent] == reasons
    told = [
        *(s for path, text in pages.items() for s in shown(path, text.encode())),
        *(s for path in files for s in shown(path.name, path.read_bytes())),
        *(s for record in (*sent, *found) for s in shown(record.topic, repr(record).encode())),
    ]
    assert told == []

    # what is shown in their place
    hasher = Hasher(KEY.encode())
    hashes = [hasher.hash(country) for country in COUNTRIES]
    assert all(h in pages[api] for h in hashes[:2])
    letter = json.loads(sent[0].value)
    assert letter["features"]["country"] == hasher.hash(good[0]["features"]["country"])
    assert letter["features"]["customer_number"] == hasher.hash(str(good[0]["features"]["customer_number"]))
    assert "got a string" in driftd.log
    assert KEY not in driftd.log + "".join(pages.values())

    # another key: refused, and the state stays
    key.write_text("another key, as long")
    driftd.start()
    assert driftd.exit_code(SLOWLY) == 4
    assert "hashed with another key" in driftd.log
    assert not list(tmp_path.rglob("*.bad"))
    key.write_text(KEY)
    driftd.start()
    driftd.wait_ready(SLOWLY)
    assert driftd.terminate() == 0


def test_the_key_is_masked_where_settings_are_shown(tmp_path: Path) -> None:
    (tmp_path / "driftd.yaml").write_text(f"privacy: {{key: {KEY}, hash_text: true}}\n")
    out = subprocess.run([sys.executable, "-m", "driftd", "config"], cwd=tmp_path, capture_output=True, check=True)
    assert b"privacy.hash_text" in out.stdout
    assert KEY.encode() not in out.stdout
