"""A topic of records that another program shaped: mapped, read through a real broker, and told about."""

# ruff: noqa: E501  (records stand in one line, as on the wire)
from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Final

import pytest

from tests.bench.events import START
from tests.integration.test_cli_kafka import WINDOWS
from tests.servers.kafka import Broker
from tests.stage.forked import driftd

pytestmark = pytest.mark.integration

EVENTS: Final = 3000
MAPPING: Final = """
mapping:
  topics:
    TOPIC:
      model: request.model_name
      time: {path: meta.ts, unit: ms}
      features: {under: "request.rows[0]", names: [amount, country]}
      prediction: "answers[0].class"
      latency: {path: meta.took_us, unit: us}
"""


def records() -> list[bytes]:
    """Amounts that in the second half are ten times as large; one record in a hundred has no answer, and a late time."""
    rng, out = random.Random(5), []
    for i in range(EVENTS):
        amount = rng.gauss(100, 20) * (10 if i >= EVENTS // 2 else 1)
        record: dict[str, Any] = {
            "request": {"model_name": "fraud", "rows": [[round(amount, 2), rng.choice(["DE", "FR"])]], "trace": {"a": []}},
            "meta": {"ts": round((START + i / 100) * 1000), "took_us": rng.randrange(1000, 9000)},
            "answers": [{"class": rng.randrange(2)}],
        }  # fmt: skip
        if i % 100 == 7:
            record["meta"]["ts"] *= 1000
        out.append(json.dumps(record).encode())
    return out


def test_a_mapped_topic_is_read_and_its_drift_is_found(kafka: Broker, tmp_path: Path) -> None:
    configs = {"message.timestamp.after.max.ms": str(2**63 - 1), "retention.ms": "-1"}
    topic = kafka.create_topic("mapped", configs=configs)
    kafka.produce(topic, records(), timestamp_ms=int(1000 * (START + EVENTS / 100)))
    source = ("--bootstrap-servers", kafka.bootstrap)

    unmapped = driftd(tmp_path, "check", "--sample", topic, *source, "--output", "json")
    report = json.loads(unmapped.stdout)
    assert (unmapped.returncode, report["accepted"], report["received"]) == (2, 0, 100)
    assert report["proposal"]["mapping"]["model"] == "request.model_name"
    assert report["proposal"]["mapping"]["time"] == {"path": "meta.ts", "unit": "ms"}

    (tmp_path / "driftd.yaml").write_text(MAPPING.replace("TOPIC", topic))
    mapped = driftd(tmp_path, "check", "--sample", topic, *source, "--records", "50", "--output", "json")
    report = json.loads(mapped.stdout)
    assert (mapped.returncode, report["accepted"], report["received"]) == (0, 49, 50)
    assert {*report["events"][0]["features"]} == {"amount", "country"}
    assert report["rejected"][0]["hint"] == "mapping: `time: {path: meta.ts, unit: us}`"

    words = ("--topic", topic, *source, "--reference-events", "1000", "--findings", "found.jsonl", *WINDOWS)
    done = driftd(tmp_path, "replay", *words)
    assert done.returncode == 0, done.stderr
    assert (
        f"read {EVENTS} = accepted {EVENTS * 99 // 100} + rejected {EVENTS // 100} (bad_time {EVENTS // 100})"
        in done.stderr
    )
    findings = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    told = {(f["model"], f["feature"]) for f in findings if f["status"] in {"WARNING", "DRIFT"}}
    assert ("fraud", "amount") in told
    assert ("fraud", "country") not in told
