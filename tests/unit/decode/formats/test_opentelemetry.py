"""OpenTelemetry spans of language models: as its SDK and an instrumentation write them, and hostile ones."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from driftd.core.event import DropReason, RejectReason
from driftd.decode.recognise import recognised
from tests.unit.decode.formats.make import SAMPLES, batch, by_id, ids, read
from tests.unit.decode.make import only, refused

LATE = 2e9
JSON, PROTOBUF = (SAMPLES / "otlp.json").read_bytes(), (SAMPLES / "otlp.binpb").read_bytes()


@pytest.mark.parametrize("value", [JSON, PROTOBUF], ids=["json", "protobuf"])
def test_calls_of_a_language_model_are_events_and_other_spans_are_counted(value: bytes) -> None:
    decoded = read("opentelemetry", value, timestamp=LATE)
    assert (decoded.received, decoded.dropped) == (3, {DropReason.NOT_A_PREDICTION: 1})
    events = {b.model: b for b in decoded.batches}
    one = events["helpdesk/gpt-4o-mini"]
    assert (one.version, ids(one), one.prediction) == ("gpt-4o-mini-2024-07-18", ["chatcmpl-1"], ["length"])
    row = by_id(one)["chatcmpl-1"]
    assert {name: row[name] for name in ("provider", "temperature", "max_tokens", "input_tokens")} == {
        "provider": "openai",
        "temperature": 0.2,
        "max_tokens": 96.0,
        "input_tokens": 812.0,
    }
    assert (row["cost.tokens_in"], row["cost.tokens_out"]) == (812, 96)
    spans = json.loads(JSON)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert one.times[0] == int(spans[0]["startTimeUnixNano"]) / 1e9
    lasted = (int(spans[0]["endTimeUnixNano"]) - int(spans[0]["startTimeUnixNano"])) / 1e9
    assert row["latency_seconds"] == lasted
    failed = events["helpdesk/gpt-none"]
    assert failed.failed is not None
    assert (failed.failed.tolist(), failed.prediction) == ([True], None)
    assert failed.columns["error_type"][0] == "NotFoundError"


def spans(*attributes: dict[str, Any], **span: Any) -> bytes:
    def value(given: Any) -> dict[str, Any]:
        kinds: dict[type, str] = {str: "stringValue", int: "intValue", float: "doubleValue"}
        if isinstance(given, list):
            return {"arrayValue": {"values": [value(item) for item in given]}}
        return {kinds[type(given)]: str(given) if isinstance(given, int) else given}

    about = {"spanId": "0a", "startTimeUnixNano": "1788256800000000000", "endTimeUnixNano": "1788256801500000000"}
    made = [
        {**about, "attributes": [{"key": k, "value": value(v)} for k, v in given.items()], **span}
        for given in attributes
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": made}]}]}).encode()


CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}


def test_messages_are_never_read() -> None:
    secret = {"gen_ai.input.messages": "SECRET", "gen_ai.output.messages": "SECRET", "gen_ai.prompt": "SECRET"}
    one = only(read("opentelemetry", spans({**CHAT, **secret, "gen_ai.system_instructions": "SECRET"})))
    assert "SECRET" not in str(by_id(one))
    assert set(one.columns) == {"operation"}


def test_names_of_before_and_words_of_providers() -> None:
    older = {"gen_ai.system": "anthropic", "gen_ai.usage.prompt_tokens": 7, "gen_ai.usage.completion_tokens": 5}
    one = only(read("opentelemetry", spans({**CHAT, **older, "gen_ai.response.finish_reasons": ["max_tokens"]})))
    assert (one.prediction, one.columns["provider"][0], one.columns["input_tokens"][0]) == (["length"], "anthropic", 7)
    assert ids(one) == ["0a"]
    assert one.latency_seconds is not None
    assert one.latency_seconds.tolist() == [1.5]


def test_agents_and_tools_around_calls_do_not_count_twice() -> None:
    decoded = read("opentelemetry", spans({"gen_ai.operation.name": "invoke_agent"}, CHAT, {"db.system": "x"}))
    assert (len(only(decoded)), decoded.dropped) == (1, {DropReason.NOT_A_PREDICTION: 2})
    assert read("opentelemetry", spans({})).dropped == {DropReason.NOT_A_PREDICTION: 1}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, RejectReason.EMPTY),
        (b"{}", RejectReason.EMPTY),
        (b'{"resourceSpans": 1}', RejectReason.WRONG_TYPE),
        (b'{"resourceSpans": [', RejectReason.NOT_JSON),
        (PROTOBUF[:-5], RejectReason.UNDECODABLE),
        (b"\xff\xff\xff", RejectReason.UNDECODABLE),
        (spans(CHAT, startTimeUnixNano="noon"), RejectReason.BAD_TIME),
        (spans(CHAT, startTimeUnixNano="9999999999999999999"), RejectReason.BAD_TIME),
        (spans(CHAT, startTimeUnixNano=str(1_795_999_999 * 10**9)), RejectReason.FUTURE_TIME),
        (spans({"gen_ai.operation.name": "chat"}), RejectReason.MISSING_FIELD),
    ],
)
def test_spans_that_cannot_be_used_are_counted(value: bytes | None, reason: RejectReason) -> None:
    assert refused(read("opentelemetry", value)).reason is reason


def test_any_damage_is_counted() -> None:
    rng = np.random.default_rng(3)
    values = []
    for i in range(300):
        value = bytearray(PROTOBUF if i % 2 else JSON)
        for at in rng.integers(len(value), size=3):
            value[at] = rng.integers(256)
        values.append(bytes(value))
    decoded = read("opentelemetry", *values, timestamp=LATE)
    counted = sum(map(len, decoded.batches)) + len(decoded.rejects) + sum(decoded.dropped.values())
    assert decoded.received == counted
    assert decoded.received >= len(values)


def test_both_encodings_are_recognised() -> None:
    for value in (JSON, PROTOBUF):
        found = recognised([batch([([], value)])])
        assert found is not None
        assert found.mapping == {"format": "opentelemetry"}


@pytest.mark.parametrize(
    ("tokens", "first", "wanted"),
    [
        (101, 0.5, 100.0),  # it lasts 1.5 s: a hundred after the first in one second
        (2, 0.5, 1.0),
        (1, 0.5, None),  # nothing comes after the first
        (101, None, None),  # not streamed
        (101, 1.5, None),
        (101, 2.0, None),
        (101, -1.0, None),
        ("many", 0.5, None),
    ],
)
def test_tokens_a_second_are_those_behind_the_first_one(tokens: Any, first: float | None, wanted: float | None) -> None:
    said: dict[str, Any] = {"gen_ai.usage.output_tokens": tokens}
    if first is not None:
        said["gen_ai.response.time_to_first_chunk"] = first
    decoded = read("opentelemetry", spans({**CHAT, **said}))
    found = [b.columns["tokens_per_second"][0] for b in decoded.batches if "tokens_per_second" in b.columns]
    assert found == ([] if wanted is None else [wanted])


@pytest.mark.parametrize(
    ("reasons", "wanted"),
    [
        (["stop", "length"], "length"),
        (["max_tokens", "content_filter", "stop"], "content_filter"),
        (["stop", "error", "length"], "error"),
        (["tool_calls", "stop"], "tool_call"),
        (["stop", "something else"], "something else"),
        (["stop"], "stop"),
        ([], None),
    ],
)
def test_of_several_answers_the_one_that_ended_worst_counts(reasons: list[str], wanted: str | None) -> None:
    one = only(read("opentelemetry", spans({**CHAT, "gen_ai.response.finish_reasons": reasons})))
    assert one.prediction == (None if wanted is None else [wanted])
