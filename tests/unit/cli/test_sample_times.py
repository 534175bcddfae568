"""`driftd check --sample`: the member that is the time is found under the names and in the forms that people have."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from tests.unit.cli.pasting import Sampled

SECONDS: Final = 1_788_256_800
ISO: Final = "2026-09-01T10:00:00Z"
REST: Final = {"model": "m", "features": {"x": 1.5}, "prediction": 1}


@pytest.fixture
def sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sampled:
    monkeypatch.chdir(tmp_path)
    return Sampled(capsys)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"ts": SECONDS}, "ts"),
        ({"ts": SECONDS + 0.0}, "ts"),
        ({"timestamp": SECONDS * 10**3}, "{path: timestamp, unit: ms}"),
        ({"event_time": SECONDS * 10**6}, "{path: event_time, unit: us}"),
        ({"created_at": SECONDS * 10**9}, "{path: created_at, unit: ns}"),
        ({"ts": str(SECONDS * 10**3)}, "{path: ts, unit: ms}"),
        ({"timeMs": SECONDS * 10**3}, "{path: timeMs, unit: ms}"),
        ({"epoch_ms": SECONDS * 10**3}, "{path: epoch_ms, unit: ms}"),
        ({"@timestamp": ISO}, "'@timestamp'"),
        ({"Timestamp": ISO}, "Timestamp"),
        ({"eventTime": "2026-09-01T12:00:00+02:00"}, "eventTime"),
        ({"inferenceTime": ISO}, "inferenceTime"),
        ({"ts": "2026-09-01 10:00:00"}, "{path: ts, zone: UTC}"),
        ({"time": "2026-09-01 10:00:00"}, "{path: time, zone: UTC}"),
        ({"meta": {"time": ISO}}, "meta.time"),
        ({"meta": {"time": SECONDS * 10**3}}, "{path: meta.time, unit: ms}"),
        ({"ts": {"$date": ISO}}, "ts.$date"),
        ({"ts": {"long": SECONDS * 10**3}}, "{path: ts.long, unit: ms}"),
        ({"decided_at": ISO}, "decided_at"),
        ({"time": None, "ts": SECONDS}, "ts"),
    ],
)
def test_a_time_is_proposed_in_its_unit_and_read_when_it_is_pasted(
    sampled: Sampled, given: dict[str, Any], line: str
) -> None:
    out = sampled.check([REST | given] * 2)
    assert f"\n  time: {line}\n" in out
    report = sampled.pasted()
    assert (report["accepted"], report["rejected"]) == (2, [])
    assert {event["time"] for event in report["events"]} == {SECONDS}


def test_of_several_times_the_surest_name_is_taken_and_the_others_are_named(sampled: Sampled) -> None:
    out = sampled.check([REST | {"created_at": ISO, "ts": SECONDS, "meta": {"updated_at": ISO}}])
    assert "\n  time: ts\n" in out
    assert "`ts` is taken for the time by its name; `created_at`, `meta.updated_at` are times, too." in out


def test_a_name_that_only_ends_like_a_time_is_told_to_be_a_guess(sampled: Sampled) -> None:
    assert "`decided_at` is taken for the time, since its name ends like one." in sampled.check(
        [REST | {"decided_at": ISO}]
    )


def test_a_time_among_the_features_is_not_that_of_the_event(sampled: Sampled) -> None:
    out = sampled.check([REST | {"features": {"x": 1.5, "timestamp": SECONDS}}] * 2)
    assert sampled.proposal == ""
    assert "With the time that a topic gives its records 2 of 2 can be used." in out


@pytest.mark.parametrize("text", ["01.09.2026 10:00", "Tue, 01 Sep 2026 10:00:00 GMT", "1.9.2026", "20260901T100000Z"])
def test_a_time_of_another_form_is_named_with_the_forms_that_are_read(sampled: Sampled, text: str) -> None:
    out = sampled.check([REST | {"timestamp": text}] * 2)
    assert "`timestamp` seems to be a time that driftd does not read: it takes RFC 3339" in out
    assert text not in out


def test_without_any_time_it_is_said_whose_counts(sampled: Sampled) -> None:
    out = sampled.check([{"model_name": "m", "x": 1.5, "pred": 1}] * 2)
    assert "no record has a time: on a topic that of the Kafka record counts, a file has none" in out
