"""`driftd check --sample` of topics that hold several models, or records of several shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from driftd.config.yamlfile import read
from tests.unit.cli.pasting import Sampled

AT: Final = "2026-09-01T10:00:00Z"
MILLIS: Final = 1_788_256_800_000


@pytest.fixture
def sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sampled:
    monkeypatch.chdir(tmp_path)
    return Sampled(capsys)


def own(i: int, model: str = "m") -> dict[str, Any]:
    return {"model": model, "time": AT, "id": f"r{i}", "features": {"x": 1.5 + i}, "prediction": 1}


def scored(i: int, model: str = "fraud") -> dict[str, Any]:
    return {"model_name": model, "ts": MILLIS + i, "request_id": f"r{i}", "inputs": {"amount": 2.5}, "pred": 1}


def beat(i: int) -> dict[str, Any]:
    return {"type": "heartbeat", "host": "a", "uptime": i}


def test_events_are_counted_by_model(sampled: Sampled) -> None:
    out = sampled.check([*(own(i, "a") for i in range(4)), *(own(i, "b") for i in range(2))])
    assert "  2 models: a 4, b 2\n" in out
    out = sampled.check([*(scored(i, "a") for i in range(4)), *(scored(i, "b") for i in range(2))])
    assert "  2 models: a 4, b 2\n" in out
    assert sampled.pasted()["models"] == {"a": 4, "b": 2}


def test_heartbeats_beside_events_are_no_events_and_change_no_proposal(sampled: Sampled) -> None:
    out = sampled.check([*map(own, range(4)), *map(beat, range(3))])
    assert "7 events, 4 can be used" in out
    assert "Records of 2 shapes, and a topic has one mapping" in out
    assert "    3 with host, type, uptime: none used\n" in out
    assert sampled.proposal == ""


@pytest.mark.parametrize("beats", [3, 30], ids=["few", "most"])
def test_the_mapping_is_of_the_records_that_have_predictions(sampled: Sampled, beats: int) -> None:
    out = sampled.check([*map(scored, range(4)), *map(beat, range(beats))])
    assert f"With this in driftd.yaml 4 of {4 + beats} could be used:" in out
    assert "    4 with inputs, model_name, pred, request_id, ts: 4 used\n" in out
    assert f"    {beats} with host, type, uptime: none used\n" in out
    report = sampled.pasted()
    assert (report["accepted"], report["rejected_by_reason"]) == (4, {"missing_field": beats})


def test_kinds_that_have_the_same_members_outside_are_told_apart_by_those_inside(sampled: Sampled) -> None:
    alive = {"type": "alive", "payload": {"host": "h", "uptime": 3}}
    records = [*({"type": "scored", "payload": scored(i)} for i in range(4)), alive, alive]
    assert "With this in driftd.yaml 4 of 6 could be used:" in sampled.check(records)
    assert sampled.pasted()["accepted"] == 4


def test_labels_beside_predictions_are_read_by_one_mapping(sampled: Sampled) -> None:
    labels = [{"model_name": "fraud", "request_id": f"r{i}", "actual": 1, "ts": MILLIS + 1000} for i in range(3)]
    out = sampled.check([*map(scored, range(4)), *labels])
    assert "  label: actual\n" in out
    report = sampled.pasted()
    assert (report["accepted"], report["rejected"]) == (7, [])


def test_another_shape_of_predictions_has_its_own_proposal(sampled: Sampled) -> None:
    other = {"service": "churn", "when": AT, "features": {"age": 3}, "yhat": 0.3}
    out = sampled.check([*map(scored, range(4)), other, other])
    assert "    2 with features, service, when, yhat: none used; on a topic of their own `mapping: {" in out
    block = out.partition("of their own `")[2].partition("`")[0]
    Path("driftd.yaml").write_text(block)
    assert set(read(Path("driftd.yaml"), "driftd.yaml").data["mapping"]) == {"model", "time", "features", "prediction"}
    assert "6 events, 2 can be used" in sampled.run("check", "--sample", "records.jsonl")


def test_requests_and_answers_of_nobody_known_are_told_to_need_one_record(sampled: Sampled) -> None:
    asked = [{"request_id": f"r{i}", "ts": MILLIS, "inputs": {"a": 1.5}, "model_name": "m"} for i in range(4)]
    told = [{"request_id": f"r{i}", "at": AT, "result": {"class": 1}, "took": 3} for i in range(4)]
    out = sampled.check([record for pair in zip(asked, told, strict=True) for record in pair])
    assert "`request_id` is the same in two shapes, as of requests and answers. A mapping joins none" in out


def test_members_that_only_some_have_make_no_other_shape(sampled: Sampled) -> None:
    records = [scored(i) | ({"note": "x"} if i % 2 else {}) | ({"ab": 1} if i % 3 else {}) for i in range(6)]
    out = sampled.check(records)
    assert "shapes" not in out
    assert sampled.pasted()["accepted"] == 6
