"""The health page: what was turned away, by reason and field, members, limits and certificates."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from driftd.core.certificates import expiry_of
from driftd.core.event import RefusedValue, Reject, RejectReason
from driftd.core.refusals import MOST, Refusals
from driftd.engine.state import State
from driftd.metrics.aggregates import ModelCounts
from driftd.monitor.view import ModelView
from driftd.web.health import Fact, health
from driftd.web.site import answer, request_of
from tests.stage.snapshot import NOW, snapshot, telemetry
from tests.unit.core.make import frozen, pipeline, thawed
from tests.unit.web.test_site import said

AT = ("predictions", 3)
WRONG = RejectReason.WRONG_TYPE
DAY = 86_400.0
# openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -days 1000 (and 13000)
TO_2049 = """-----BEGIN CERTIFICATE-----
MIIBbDCCAROgAwIBAgIUBimnBLNBTcOqoo2iUcI/02O5QfswCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAeFw0yNjExMjkyMTM4NDJaFw0yOTA4MjUyMTM4NDJaMAwx
CjAIBgNVBAMMAXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASGOkZHLkvnuJ7d
+ZZTK34V90wxEldRyZi+lxrqzPsSXPzV9vB688RXDoQ76c4VZsbL2IKffSpI98dF
xCZoSejvo1MwUTAdBgNVHQ4EFgQUTSjdYAUHQBf9aWHiG7X001Yl130wHwYDVR0j
BBgwFoAUTSjdYAUHQBf9aWHiG7X001Yl130wDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNHADBEAiBmHS8Zc4Sd8ZdAw4PPlpcNzTp/KvkCHjl5hU6w25ANfQIg
IsbkhVB9F/jCsj9lWrC2RNcge68+5KuI+uV63MQigwU=
-----END CERTIFICATE-----
"""
LATER = """-----BEGIN CERTIFICATE-----
MIIBbzCCARWgAwIBAgIUNiEM1jouAgaEL3FWJtLzqGlSNr0wCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAgFw0yNjExMjkyMTM4NDJaGA8yMDYyMDcwMzIxMzg0Mlow
DDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAFloWHKsqcC
QR+Et8RxCZv8Ducde1bDpb/CF+xY5lhdpdPFeDgvckmbL+OU1CVEAGNG1plFQfUy
fo9oPFegVn2jUzBRMB0GA1UdDgQWBBSunUWLYAebw78HRkke8ZBFxY0w4DAfBgNV
HSMEGDAWgBSunUWLYAebw78HRkke8ZBFxY0w4DAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0gAMEUCIQCnT9FaCGG1QOB/DmLxU6RQnAsS4BGOQk4iElZVWHC0
XAIgJTP5U9yKdBZywltJ7CGp8EivEG+75C4UlYfvOTUs7HU=
-----END CERTIFICATE-----
"""
"""Dates have two digits of the year up to 2049, and four from then on."""


def reject(detail: str, offset: int = 5, reason: RejectReason = WRONG) -> Reject:
    return Reject(0, offset, reason, detail, "fraud")


def test_a_silent_model_is_not_seen_and_a_partition_is_one() -> None:
    silent = facts()["Silent"]
    assert silent.text.replace("\u00a0", " ") == "churn for 1 h 6 min"
    assert silent.alert == "DriftdNoData"
    assert "driftd sees everything" not in answer(request_of("/health", None), snapshot).body.decode()
    there = [replace(m, quiet=None) for m in snapshot().models]
    assert "Silent" not in facts(models=there)
    one = telemetry()
    one.replace("driftd_consumer_lag_records", {("predictions", "0"): 12.0})
    assert facts(telemetry=one)["Lag"].text.endswith("over 1 partition")


def facts(**over: object) -> dict[str, Fact]:
    return {fact.name: fact for fact in health(snapshot(**over))}


def api(**over: object) -> Any:
    known = snapshot(**over)
    return orjson.loads(answer(request_of("/api/v1/health", None), lambda: known).body)


@pytest.mark.parametrize(
    ("detail", "reason", "field", "example"),
    [
        pytest.param('latency_seconds: expected a number of seconds, got "12,50"', WRONG, "latency_seconds",
                     'expected a number of seconds, got "99,99"', id="a number as text"),
        pytest.param("time: expected epoch seconds, got 1.79e+12, after the year 2200", RejectReason.BAD_TIME, "time",
                     "expected epoch seconds, got 9.99e+99, after the year 9999", id="a time"),
        pytest.param("feature 'age_2': expected a number, got a list", WRONG, "age_2",
                     "expected a number, got a list", id="a feature keeps its name"),
        pytest.param("model: missing", RejectReason.MISSING_FIELD, "model", "missing", id="a missing field"),
        pytest.param("not JSON: trailing characters (byte 12)", RejectReason.NOT_JSON, "",
                     "not JSON: trailing characters (byte 12)", id="of the event as a whole"),
    ],
)  # fmt: skip
def test_a_reject_names_its_field_and_the_shape_and_no_value(
    detail: str, reason: RejectReason, field: str, example: str
) -> None:
    known = Refusals()
    known.rejected(AT, [reject(detail, reason=reason), reject(detail, 9, reason)])
    (found,) = known.events.values()
    assert (found.reason, found.field, found.example, found.events) == (reason.value, field, example, 2)
    assert (found.topic, found.partition, found.offset) == (*AT, 5)


def test_fields_from_outside_do_not_fill_the_memory() -> None:
    known = Refusals()
    known.rejected(AT, [reject(f"feature 'x{i}': expected a number, got a list") for i in range(3 * MOST)])
    assert len(known.events) == MOST + 1
    assert sum(r.events for r in known.events.values()) == 3 * MOST
    known.refused(AT, [RefusedValue("m", f"x{i}", i, 0.0, "expected a number, got a list") for i in range(3 * MOST)])
    assert len(known.values) == MOST


def test_a_forgotten_model_leaves_counts_and_no_examples() -> None:
    known = Refusals()
    known.rejected(AT, [reject("label: expected a number, got a list")])
    known.refused(AT, [RefusedValue("fraud", "x", 1, 0.0, "expected a number, got a list")])
    known.forget("fraud")
    assert known.values == {}
    assert [(r.events, r.example, r.model) for r in known.events.values()] == [(1, "", None)]


def test_rejects_and_refused_values_are_on_the_page_and_in_the_api() -> None:
    known = Refusals()
    known.rejected(AT, [reject("label: expected a number, got a list", 18_211)] * 30)
    known.refused(AT, [RefusedValue("fraud", "amount", 77, 0.0, 'expected a number, got "12,50"')])
    counts = ModelCounts(9_000, refused={"amount": 12}, last_event=NOW)
    given = {"refusals": known, "models": [ModelView("fraud", None, counts=counts)], "findings": ()}
    text = said("/health", snapshot(**given))
    assert "wrong_type label 30 expected a number, got a list fraud, predictions / 3 @ 18211" in text
    assert "wrong_type 70" in text  # those of before fields were kept
    assert 'amount fraud 12 expected a number, got "99,99" fraud, predictions / 3 @ 77' in text
    body = api(**given)
    assert [(r["field"], r["events"], r["offset"]) for r in body["rejected"]] == [("", 70, None), ("label", 30, 18211)]
    assert body["refused"][0] == {
        "model": "fraud", "channel": "amount", "values": 12, "example": 'expected a number, got "99,99"',
        "topic": "predictions", "partition": 3, "offset": 77,
    }  # fmt: skip


def test_what_was_turned_away_survives_a_restart() -> None:
    p, state = pipeline(), State()
    state.refusals.rejected(AT, [reject("label: expected a number, got a list")])
    state.refusals.refused(AT, [RefusedValue("fraud", "x", 1, 0.0, "expected a number, got a list")])
    again = thawed(p, frozen(p, state))
    assert again.refusals == state.refusals


def test_members_limits_and_memory() -> None:
    given = snapshot()
    given.telemetry.set("driftd_group_members", 3)
    named = {fact.name: fact.text for fact in health(given)}
    assert named["Members"] == "3 in the group; this one reads predictions/0, predictions/1"
    assert named["Degraded"] == "no: nothing is shed"
    assert "Costs" not in named
    given.telemetry.set("driftd_million_events_processor_seconds", 18.4)
    assert {f.name: f.text for f in health(given)}["Costs"] == "18.4 processor seconds for a million events"
    found = facts(memory=(412_000_000, 2_000_000_000), rate_limits={"events": 500.0})
    assert found["Memory"].text == "412 MB of 2,000 MB (limits.memory_bytes)"
    assert found["Rate limit"].text == "500 events a second of a model and partition; 0 left out so far"
    assert facts(memory=(3_000_000_000, 2_000_000_000))["Memory"].wrong
    assert not {"Memory", "Rate limit", "Certificate"} & facts().keys()
    assert api()["limits"] == []
    assert api(limits={"models": (4, 100)})["limits"] == [{"name": "models", "used": 4, "most": 100}]


@pytest.mark.parametrize(
    ("expiry", "text", "wrong"),
    [
        pytest.param(NOW + 25.5 * DAY, "25\u00a0d 12\u00a0h", False, id="valid"),
        pytest.param(NOW + 3 * DAY, "3\u00a0d; renew it", True, id="soon over"),
        pytest.param(NOW - 2 * DAY, "expired 2\u00a0d ago", True, id="over"),
        pytest.param(float("nan"), "cannot be read", True, id="unreadable"),
    ],
)
def test_certificates_and_until_when(expiry: float, text: str, wrong: bool) -> None:
    found = facts(expiries={"web pages": expiry})["Certificate"]
    assert found.text.startswith("of the web pages: ")
    assert found.text.endswith(text)
    assert found.wrong is wrong
    page = said("/health", snapshot(expiries={"web pages": expiry}))
    assert (f"Certificate: {found.text}".replace("\u00a0", " ") in page) is wrong  # the headline


@pytest.mark.parametrize(
    ("pem", "until"),
    [
        pytest.param(TO_2049, datetime(2029, 8, 25, 21, 38, 42, tzinfo=UTC), id="before 2050"),
        pytest.param(LATER, datetime(2062, 7, 3, 21, 38, 42, tzinfo=UTC), id="after 2049"),
    ],
)
def test_a_certificate_says_until_when_it_is_valid(tmp_path: Path, pem: str, until: datetime) -> None:
    file = tmp_path / "tls.crt"
    file.write_text(f"a comment\n{pem}{TO_2049}")  # its own comes first, then its authority's
    assert expiry_of(file) == until.timestamp()


@pytest.mark.parametrize("text", ["", "no certificate", TO_2049[:200], TO_2049.replace("M", "A", 9)])
def test_what_is_no_certificate_has_no_date(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tls.crt"
    file.write_text(text)
    assert expiry_of(file) != expiry_of(file)  # NaN
    assert expiry_of(tmp_path / "none") != expiry_of(tmp_path / "none")


def test_the_page_shows_the_shape_of_a_text_and_not_the_text() -> None:
    from driftd.core.refusals import shape  # noqa: PLC0415

    assert shape('expected a number, got "high 12"') == 'expected a number, got "xxxx 99"'
    assert shape("expected a number, got a string") == "expected a number, got a string"
