"""Every codec: never raises for what a record holds, accounts for every event, keeps the payload to itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.core.event import Kind, RecordBatch, Schema
from driftd.decode import Codec, Limits, codec_of, format_names
from driftd.decode.json.fast import JsonCodec
from driftd.decode.mapping.spec import FeatureSource, Mappings, RecordMapping
from tests.unit.decode.make import accounted, m, outcome, records

SECRET = "Jane-Doe-4111111111111111"
QUOTED = ("model", "time")
"""Of these fields the refused value is told (docs/security.md), unless `privacy` hides values; of features it never is.
"""
HOSTILE: list[bytes | None] = [
    None,
    b"",
    b"{",
    b"}",
    b"[",
    b"[]",
    b"null",
    b"NaN",
    b"\x00",
    b"\xff\xfe",
    b'"',
    b'{"a":',
    b"[" * 10_000,
    b'{"a":' * 10_000,
    b"[" * 200_000,
    b'{"model":"m","features":{"x":1e400}}',
    b'{"model":"m","features":{"x":NaN}}',
    b'{"model":"m","features":{"x":"' + b"y" * 1_000_000 + b'"}}',
    b'{"model":"m","prediction":1,"prediction":[]}',
    b'{"model":"' + SECRET.encode() * 8 + b'","features":[]}',
    b'{"model":"m","features":{"x":"' + SECRET.encode() + b'"}}',
    b'{"model":"m","time":"' + SECRET.encode() + b'","features":{}}',
    b'{"model":"m\\ud800","features":{}}',
    json.dumps([m(), 1, None, m(time="x"), [m()]]).encode(),
    b"[" + b"{}," * 80_000 + b"{}]",
    json.dumps(m(features={'"\n\\': 1})).encode(),
    json.dumps(m(features=dict.fromkeys(map(str, range(2000)), 1))).encode(),
]
CODECS = [
    pytest.param(codec_of, id="json"),
    pytest.param(lambda: JsonCodec(fast=False), id="json, strict path"),
]
SCHEMAS = {"m": Schema("m", {"x": Kind.NUMERIC}, Kind.NUMERIC), "n": Schema("n", open=False)}


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> Codec:
    make: Callable[[], Codec] = request.param
    return make()


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_records_are_counted_and_their_neighbours_kept(codec: Codec, value: bytes | None) -> None:
    decoded = codec.decode(records([m(), value, m()]), SCHEMAS)
    assert accounted(decoded)
    (batch,) = [b for b in decoded.batches if b.model == "m"]
    assert {0, 2} <= set(batch.offsets.tolist())


def test_details_are_short_and_tell_nothing_of_the_payload(codec: Codec) -> None:
    for reject in codec.decode(records(HOSTILE), SCHEMAS).rejects:
        assert 0 < len(reject.detail) <= 200
        assert SECRET not in reject.detail or reject.detail.startswith(QUOTED)


@pytest.mark.parametrize("fast", [True, False])
def test_with_privacy_no_value_of_the_payload_is_told(*, fast: bool) -> None:
    for reject in JsonCodec(Limits(show_values=False), fast=fast).decode(records(HOSTILE), SCHEMAS).rejects:
        assert SECRET not in reject.detail or reject.detail.startswith("model")


@given(st.lists(st.binary(max_size=40) | st.text(max_size=40).map(str.encode), max_size=8))
def test_any_bytes_at_all_are_accounted_for(values: list[bytes]) -> None:
    assert accounted(codec_of().decode(records(values), SCHEMAS))


def test_the_order_and_number_of_records_per_call_do_not_matter(codec: Codec) -> None:
    around = [m(), m(model="n"), m(model="new", features={"y": 1})]
    batch = records([value for hostile in HOSTILE for value in (hostile, *around)])
    single = [
        RecordBatch("events", 0, batch.offsets[i : i + 1], batch.timestamps[i : i + 1], batch.values[i : i + 1], i + 1)
        for i in range(len(batch))
    ]
    assert outcome(codec, single, SCHEMAS) == outcome(codec, [batch], SCHEMAS)


def test_the_verdict_does_not_depend_on_the_callers_stack(codec: Codec) -> None:
    deepest = b'{"model":"m","features":{},"unknown":' + b"[" * 499 + b"]" * 499 + b"}"
    deeper = b'{"model":"m","features":{},"unknown":' + b"[" * 500 + b"]" * 500 + b"}"

    def at(levels: int) -> int:
        return at(levels - 1) if levels else len(codec.decode(records([deepest, deeper]), SCHEMAS).rejects)

    assert sys.getrecursionlimit() >= 1000
    assert [at(0), at(250)] == [1, 1]


def test_an_empty_stretch_gives_nothing(codec: Codec) -> None:
    decoded = codec.decode(records([]), SCHEMAS)
    assert (decoded.received, [*decoded.batches], [*decoded.rejects], {**decoded.dropped}) == (0, [], [], {})


def test_a_small_limit_is_kept() -> None:
    decoded = codec_of(Limits(record_bytes=20)).decode(records([m()]), SCHEMAS)
    assert decoded.rejects[0].detail == "36 bytes, at most 20 expected"


def of(record_format: str) -> Codec:
    return codec_of(Limits(mappings=Mappings(RecordMapping({}, FeatureSource(), record_format))))


@pytest.mark.parametrize("record_format", format_names())
def test_every_format_counts_hostile_records_and_keeps_the_payload_to_itself(record_format: str) -> None:
    decoded = of(record_format).decode(records(HOSTILE), SCHEMAS)
    assert accounted(decoded)
    away = len({reject.index for reject in decoded.rejects}) + sum(decoded.dropped.values())
    assert away >= len(HOSTILE) - 12  # some are events; what is no call of a predictor is dropped by name
    for reject in decoded.rejects:
        assert 0 < len(reject.detail) <= 200
        assert SECRET not in reject.detail or reject.detail.startswith(QUOTED)


@pytest.mark.parametrize("record_format", format_names())
@given(values=st.lists(st.binary(max_size=60) | st.text(max_size=40).map(str.encode), max_size=6))
def test_any_bytes_at_all_are_accounted_for_in_every_format(record_format: str, values: list[bytes]) -> None:
    assert accounted(of(record_format).decode(records(values), SCHEMAS))
