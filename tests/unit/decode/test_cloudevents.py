"""CloudEvents around the JSON: binary and structured mode, good and bad envelopes."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from driftd.core.event import Kind, RejectReason, Schema
from tests.unit.decode.make import NOW, accounted, decode, m, only, refusals, refused

BINARY = [("ce_specversion", b"1.0"), ("ce_id", b"9f"), ("ce_source", b"/serving"), ("ce_type", b"prediction")]
STRUCTURED = [("content-type", b"Application/CloudEvents+JSON; charset=UTF-8")]


def envelope(**fields: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "9f", "source": "/serving", "type": "prediction", **fields}


def test_binary_mode_lends_time_and_id() -> None:
    headers = [*BINARY, ("ce_time", b"2026-11-23T06:00:00Z")]
    batch = only(decode(m(), m(time=NOW), {"model": "m", "label": 1}, headers=[headers] * 3))
    assert batch.times.tolist() == [1795413600.0, NOW]
    assert batch.label_only == 1


def test_structured_mode_carries_the_event_as_data() -> None:
    time = "2026-11-23T06:00:00Z"
    packed = base64.b64encode(json.dumps(m()).encode()).decode()
    batch = only(decode(envelope(data=m(), time=time), envelope(data_base64=packed), headers=[STRUCTURED] * 2))
    assert batch.times.tolist() == [1795413600.0, NOW]


def test_a_refused_value_of_a_feature_costs_only_itself_in_an_envelope_too() -> None:
    bad, time = m(features={"x": "12,50"}), "2026-11-23T06:00:00Z"
    for value, headers in (
        (envelope(data=bad, time=time), STRUCTURED),
        (bad, [*BINARY, ("ce_time", time.encode())]),
    ):
        decoded = decode(value, headers=[headers], schema=Schema("m", {"x": Kind.NUMERIC}))
        assert refusals(decoded) == {"x": ('expected a number, got "12,50"', [True])}
        assert decoded.refused[0].time == 1795413600.0


def test_an_array_may_be_the_data() -> None:
    assert len(only(decode(envelope(data=[m(), m()]), headers=[STRUCTURED]))) == 2


def test_plain_and_enveloped_records_mix() -> None:
    headers = [[], BINARY, STRUCTURED, [("traceparent", b"00-1")]]
    batch = only(decode(m(), m(), envelope(data=m()), m(), headers=headers))
    assert batch.offsets.tolist() == [0, 1, 2, 3]


def test_the_future_is_judged_on_the_envelopes_time_too() -> None:
    headers = [*BINARY, ("ce_time", b"2030-01-01T00:00:00Z")]
    assert refused(decode(m(), headers=[headers])).reason is RejectReason.FUTURE_TIME


@pytest.mark.parametrize(
    ("value", "headers", "reason", "detail"),
    [
        pytest.param(m(), BINARY[:3], RejectReason.BAD_ENVELOPE, "CloudEvents type: missing", id="binary without type"),
        pytest.param(
            m(),
            [*BINARY, ("ce_specversion", b"2.0")],
            RejectReason.BAD_ENVELOPE,
            "CloudEvents specversion: expected 1.0",
            id="another version",
        ),
        pytest.param(
            m(),
            [*BINARY, ("ce_time", b"noon")],
            RejectReason.BAD_ENVELOPE,
            "CloudEvents time: expected RFC 3339",
            id="bad time",
        ),
        pytest.param(
            m(),
            [*BINARY, ("ce_time", b"2026-11-23T06:00:00")],
            RejectReason.BAD_ENVELOPE,
            "CloudEvents time: expected RFC 3339 with an offset",
            id="naive time",
        ),
        pytest.param(
            m(),
            [*BINARY, ("ce_id", b"\xff")],
            RejectReason.BAD_ENVELOPE,
            "CloudEvents id: not UTF-8",
            id="id not UTF-8",
        ),
        pytest.param(
            m(),
            [("content-type", b"application/cloudevents-batch+json")],
            RejectReason.BAD_ENVELOPE,
            "CloudEvents content-type: expected application/cloudevents+json, got another format of CloudEvents",
            id="batch mode",
        ),
        pytest.param(
            envelope(id=3, data={}),
            STRUCTURED,
            RejectReason.BAD_ENVELOPE,
            "CloudEvents id: expected a string, got a number",
            id="id a number",
        ),
        pytest.param(envelope(), STRUCTURED, RejectReason.BAD_ENVELOPE, "CloudEvents data: missing", id="no data"),
        pytest.param(
            envelope(data_base64="%"),
            STRUCTURED,
            RejectReason.BAD_ENVELOPE,
            "CloudEvents data_base64: not base64",
            id="not base64",
        ),
        pytest.param(
            envelope(data_base64="/w=="), STRUCTURED, RejectReason.NOT_UTF8, "not UTF-8 at byte 0", id="base64 of 0xff"
        ),
        pytest.param(
            b"[1]", STRUCTURED, RejectReason.BAD_ENVELOPE, "CloudEvents expected a JSON object, got a list", id="list"
        ),
        pytest.param(b"{", STRUCTURED, RejectReason.NOT_JSON, "Input data was truncated", id="truncated"),
        pytest.param(None, STRUCTURED, RejectReason.EMPTY, "null value", id="tombstone"),
        pytest.param(None, BINARY, RejectReason.EMPTY, "null value", id="tombstone in binary mode"),
        pytest.param(
            envelope(data="text"),
            STRUCTURED,
            RejectReason.NOT_AN_EVENT,
            "an event is a JSON object, got a string",
            id="data is text",
        ),
    ],
)
def test_what_is_refused(value: Any, headers: Any, reason: RejectReason, detail: str) -> None:
    decoded = decode(value, headers=[headers])
    reject = refused(decoded)
    assert (reject.reason, reject.detail) == (reason, detail)
    assert accounted(decoded)


def test_a_header_without_value_is_absent() -> None:
    headers: Any = [*BINARY, ("ce_time", None)]
    assert np.isfinite(only(decode(m(), headers=[headers])).times).all()
