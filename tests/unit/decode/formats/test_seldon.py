"""Seldon Core 2 and MLServer: calls over two topics, tensors in Protobuf and JSON, and bytes that are neither."""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.core.event import Decoded, DropReason, Headers, RejectReason
from driftd.decode import Codec, codec_of
from driftd.decode.json.strict import Refused
from driftd.decode.protocol import Body
from driftd.decode.recognise import recognised
from driftd.decode.tensors import request_of, response_of
from driftd.ingest.halves import Halves
from tests.unit.decode.formats.inference import message
from tests.unit.decode.formats.make import batch, ids, limits
from tests.unit.decode.make import NOW, accounted, only, refused

INPUTS, OUTPUTS = "seldon.default.model.tfsimple2.inputs", "seldon.default.model.tfsimple2.outputs"
KEY = b"0.tfsimple-extended.test-id"
# SeldonIO/seldon-core@057e043:docs-gb/examples/pipeline-to-pipeline.md, `seldon pipeline inspect tfsimple-extended`:
# contents and raw contents together, and a name with the generation.
NUMBERS = [2 * (i + 1) for i in range(16)]
RAW = (
    "AgAAAAQAAAAGAAAACAAAAAoAAAAMAAAADgAAABAAAAASAAAAFAAAABYAAAAYAAAAGgAAABwAAAAeAAAAIAAAAA==",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
)


def tensor(name: str, data: Sequence[int]) -> dict[str, Any]:
    return {"name": name, "datatype": "INT32", "shape": ["1", "16"], "contents": {"intContents": [*data]}}


REQUEST = {"inputs": [tensor("INPUT0", NUMBERS), tensor("INPUT1", [0] * 16)], "rawInputContents": RAW}
ANSWER = {
    "modelName": "tfsimple2_1",
    "modelVersion": "1",
    "outputs": [tensor("OUTPUT0", NUMBERS), tensor("OUTPUT1", NUMBERS)],
}
ASKED, ANSWERED = message("Request", REQUEST), message("Response", ANSWER)


def decode(
    codec: Codec, topic: str, value: bytes | None, halves: Halves, headers: Headers = (), key: bytes | None = KEY
) -> Decoded:
    records = replace(batch([(headers, value)], keys=[key]), source=topic)
    return codec.decode(records, {}, halves)


def called(asked: bytes, answered: bytes, headers: Headers = ()) -> Decoded:
    codec, halves = codec_of(limits("seldon")), Halves()
    waiting = decode(codec, INPUTS, asked, halves, headers)
    assert (waiting.received, len(halves.waiting)) == (0, 1)
    return decode(codec, OUTPUTS, answered, halves, headers)


@pytest.mark.parametrize("frame", [b"", b"\x00\x00\x00\x00\x07\x00"])
def test_the_published_call_is_one_event_with_and_without_a_schema_registry(frame: bytes) -> None:
    events = only(called(frame + ASKED, frame + ANSWERED))
    assert events.model == "default/tfsimple2"
    wanted = {f"INPUT0[{i}]": [value] for i, value in enumerate(NUMBERS)} | {f"INPUT1[{i}]": [0] for i in range(16)}
    assert {**events.columns} == wanted
    assert events.prediction is not None
    assert events.prediction[0] == pytest.approx(np.linalg.norm(NUMBERS))
    assert (list(events.ids or ()), events.times.tolist(), events.version) == (["test-id"], [NOW], None)


def test_json_bodies_say_so_in_a_header_or_begin_with_a_brace() -> None:
    asked = {"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1.5, 2.5]}]}
    answered = {"outputs": [{"name": "predict", "shape": [2], "datatype": "INT64", "data": [0, 1]}]}
    for headers in ([], [("seldon-infer-type", b"json/inferModelRequest")]):
        events = only(called(json.dumps(asked).encode(), json.dumps(answered).encode(), headers))
        assert ({**events.columns}, events.prediction) == ({"x": [1.5, 2.5]}, [0, 1])


def test_what_a_step_answered_is_the_next_ones_input() -> None:
    codec, halves = codec_of(limits("seldon")), Halves()
    decode(codec, INPUTS, ANSWERED, halves, [("seldon-infer-type", b"proto/InferModelResponse")])
    events = only(decode(codec, OUTPUTS, ANSWERED, halves))
    assert "OUTPUT0[3]" in events.columns


def test_a_call_that_failed_is_an_error_of_its_model() -> None:
    codec, halves = codec_of(limits("seldon")), Halves()
    decode(codec, INPUTS, ASKED, halves)
    named = [("seldon-pipeline-errors", b"tfsimple2")]
    events = only(decode(codec, "seldon.default.errors.errors", b"boom", halves, named))
    assert events.failed is not None
    assert (events.failed.tolist(), events.prediction) == ([True], None)


def test_pipelines_that_call_one_model_in_one_request_are_calls_of_their_own() -> None:
    codec, halves = codec_of(limits("seldon")), Halves()
    for key in (KEY, b"0.other.test-id"):
        decode(codec, INPUTS, ASKED, halves, key=key)
    assert len(halves.waiting) == 2
    pipeline = decode(codec, "my.prefix.default.pipeline.tfsimple2.outputs", ANSWERED, halves)
    assert (pipeline.received, len(halves.waiting)) == (0, 3)
    assert len(only(decode(codec, OUTPUTS, ANSWERED, halves))) == 1


def test_the_request_id_may_have_dots() -> None:
    codec, halves = codec_of(limits("seldon")), Halves()
    headers = [("x-request-id", b"order.7")]
    decode(codec, INPUTS, ASKED, halves, headers, b"0.p.order.7")
    assert list(only(decode(codec, OUTPUTS, ANSWERED, halves, headers, b"0.p.order.7")).ids or ()) == ["order.7"]


@pytest.mark.parametrize("topic", ["t", "seldon.default.model.x", "seldon.default.step.x.inputs", "a.errors"])
def test_other_topics_have_no_predictions(topic: str) -> None:
    decoded = decode(codec_of(limits("seldon")), topic, ASKED, Halves())
    assert decoded.dropped == {DropReason.NOT_A_PREDICTION: 1}


@pytest.mark.parametrize(
    ("value", "key", "reason", "words"),
    [
        (None, KEY, RejectReason.EMPTY, "null value"),
        (ASKED[:-2], KEY, RejectReason.UNDECODABLE, "a field is cut off"),
        (b"\xff\xff", KEY, RejectReason.UNDECODABLE, "a number is cut off"),
        (b"\x02\x01", KEY, RejectReason.UNDECODABLE, "a field without number"),
        (b"\x0b\x01", KEY, RejectReason.UNDECODABLE, "a field of an unknown kind"),
        (b"\x00\x00\x00\x00\x07\x00", KEY, RejectReason.EMPTY, "no rows"),
        (b"\x0a\x01\xff", KEY, RejectReason.NOT_UTF8, "not UTF-8"),
        (ASKED, None, RejectReason.MISSING_FIELD, "neither a key nor a header x-request-id"),
        (ASKED, b"\xff", RejectReason.NOT_UTF8, "key: not UTF-8"),
        (
            message("Request", {**REQUEST, "rawInputContents": RAW[:1]}),
            KEY,
            RejectReason.UNDECODABLE,
            "2 tensors and raw contents of 1",
        ),
        (
            message("Request", {**REQUEST, "rawInputContents": ["AgA=", RAW[1]]}),
            KEY,
            RejectReason.UNDECODABLE,
            "2 bytes of numbers that have 4 each",
        ),
    ],
)
def test_what_is_no_call_is_rejected(value: Any, key: bytes | None, reason: RejectReason, words: str) -> None:
    why = refused(decode(codec_of(limits("seldon")), INPUTS, value, Halves(), key=key))
    assert why.reason is reason
    assert words in why.detail


# -- tensors, beside Google's library and numpy --


def raw(kind: str, data: bytes, shape: Sequence[int]) -> Body:
    sent = {"inputs": [{"name": "x", "datatype": kind, "shape": [*map(str, shape)]}]}
    return request_of(message("Request", {**sent, "rawInputContents": [base64.b64encode(data).decode()]}))


@pytest.mark.parametrize(
    ("kind", "dtype", "values"),
    [
        ("BOOL", "?", [True, False]),
        ("INT8", "<i1", [-1, 7]),
        ("INT16", "<i2", [-300, 7]),
        ("INT64", "<i8", [-(2**62), 7]),
        ("UINT8", "<u1", [255, 7]),
        ("UINT64", "<u8", [2**63, 7]),
        ("FP16", "<f2", [0.5, -2.0]),
        ("FP32", "<f4", [0.5, -2.0]),
        ("FP64", "<f8", [0.1, -2.0]),
    ],
)
def test_raw_contents_are_little_endian_numbers(kind: str, dtype: str, values: list[Any]) -> None:
    (found,) = raw(kind, np.array(values, dtype).tobytes(), [2]).inputs or []
    assert (found.data, found.shape) == (values, [2])


def test_texts_and_bf16_are_raw_in_ways_of_their_own() -> None:
    texts = b"".join(struct.pack("<I", len(t.encode())) + t.encode() for t in ("DE", "", "Österreich"))
    assert (raw("BYTES", texts, [3]).inputs or [])[0].data == ["DE", "", "Österreich"]
    assert (raw("BF16", b"\x80\x3f\x00\xc0", [2]).inputs or [])[0].data == [1.0, -2.0]  # 0x3f80 and 0xc000


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("boolContents", [True, False]),
        ("intContents", [-5, 7]),
        ("int64Contents", [-(2**62), 7]),
        ("uintContents", [2**31, 7]),
        ("uint64Contents", [2**63, 7]),
        ("fp32Contents", [0.5, -2.0]),
        ("fp64Contents", [0.1, -2.0]),
    ],
)
def test_typed_contents_are_what_the_library_wrote(field: str, values: list[Any]) -> None:
    sent = [str(v) if "64C" in field and "fp" not in field else v for v in values]
    body = {"outputs": [{"name": "y", "shape": ["2"], "contents": {field: sent}}], "modelVersion": "3", "id": "a"}
    found = response_of(message("Response", body))
    assert ((found.outputs or [])[0].data, found.model_version, found.id) == (values, "3", "a")


@given(st.binary(max_size=80) | st.integers(0, len(ASKED)).map(lambda n: ASKED[:n] + ASKED[n + 1 :]))
def test_any_bytes_are_a_body_or_refused(data: bytes) -> None:
    for read in (request_of, response_of):
        with suppress(Refused):
            assert isinstance(read(data), Body)


@pytest.mark.parametrize("field", range(1, 10))
def test_any_byte_that_is_another_makes_another_body_or_none(field: int) -> None:
    """Floats where integers belong, say: a record that ended driftd would end it after each start."""
    for read, whole in ((request_of, ASKED), (response_of, ANSWERED)):
        for at in range(len(whole)):
            for other in (field << 3 | 1, field << 3 | 5, whole[at] ^ 1 << (field - 1) % 8):
                with suppress(Refused):
                    assert isinstance(read(whole[:at] + bytes([other]) + whole[at + 1 :]), Body)


def test_a_record_that_driftd_did_not_foresee_is_refused_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says has the place in driftd, and nothing of the record."""
    secret = message("Request", {**REQUEST, "id": "4929"})

    def fails(data: bytes) -> Body:
        if b"4929" in data:
            raise KeyError(data)
        return request_of(data)

    monkeypatch.setattr("driftd.decode.formats.seldon.request_of", fails)
    why = refused(decode(codec_of(limits("seldon")), INPUTS, secret, Halves()))
    assert why.reason is RejectReason.UNDECODABLE
    assert re.fullmatch(r"driftd failed on it, please report it: KeyError in test_seldon.py:\d+", why.detail)
    assert decode(codec_of(limits("seldon")), INPUTS, ASKED, Halves()).received == 0  # it waits for its answer


@given(st.binary(min_size=1, max_size=80))
def test_any_value_of_a_topic_is_accounted_for(value: bytes) -> None:
    assert accounted(decode(codec_of(limits("seldon")), INPUTS, value, Halves()))


# -- MLServer --

# Names of headers as SeldonIO/MLServer@2098ff2:mlserver/kafka/handlers.py and mlserver/cloudevents.py have them.
ASK: Headers = [("mlserver-model", b"mnist-svm"), ("mlserver-version", b"v1.2.3")]
TELL: Headers = [
    ("Ce-Id", b"a1"),
    ("Ce-Modelid", b"mnist-svm"),
    ("Ce-Specversion", b"0.3"),
    ("Ce-Type", b"io.seldon.serving.inference.response"),
]
BODY = json.dumps({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1.5]}]}).encode()
PREDICT = {"name": "predict", "shape": [1], "datatype": "INT64", "data": [8]}
TOLD = json.dumps({"model_name": "mnist-svm", "id": "a1", "outputs": [PREDICT]}).encode()


def test_a_request_of_mlserver_and_its_answer_are_one_event() -> None:
    codec, halves = codec_of(limits("mlserver")), Halves()
    assert decode(codec, "mlserver-output", TOLD, halves, TELL, b"a1").received == 0
    events = only(decode(codec, "mlserver-input", BODY, halves, ASK, b"a1"))
    assert (events.model, events.version, list(events.ids or ())) == ("mnist-svm", "v1.2.3", ["a1"])
    assert ({**events.columns}, events.prediction) == ({"x[0]": [0.5], "x[1]": [1.5]}, [8])


def test_without_a_key_the_body_has_the_id_and_without_both_no_answer_can_be_found() -> None:
    codec, halves = codec_of(limits("mlserver")), Halves()
    named = json.dumps({**json.loads(BODY), "id": "a1"}).encode()
    decode(codec, "mlserver-input", named, halves, ASK, None)
    assert len(only(decode(codec, "mlserver-output", TOLD, halves, TELL, None))) == 1
    why = refused(decode(codec, "mlserver-input", BODY, halves, ASK, None))
    assert (why.reason, "neither a key nor an id" in why.detail) == (RejectReason.MISSING_FIELD, True)
    other = decode(codec, "mlserver-input", BODY, halves, [("x", b"1")], b"a2")
    assert other.dropped == {DropReason.NOT_A_PREDICTION: 1}


def test_bodies_without_headers_are_halves_by_what_is_in_them_and_the_answer_names_the_model() -> None:
    codec, halves = codec_of(limits("mlserver")), Halves()
    asked, told = (json.dumps({**json.loads(body), "id": "a1", "model_name": "iris"}).encode() for body in (BODY, TOLD))
    assert not decode(codec, "dump", asked, halves, [], None).batches
    one = only(decode(codec, "dump", told, halves, [], None))
    assert (one.model, [str(name)[:2] for name in ids(one)][:1]) == ("iris", ["a1"])
    for neither in (b"{}", b'{"id": "a2", "inputs": [], "outputs": []}', b'{"id": "a2", "inputs": [{"data": [1]}]}'):
        assert decode(codec, "dump", neither, halves, [], None).dropped == {DropReason.NOT_A_PREDICTION: 1}
    assert not halves.waiting
    assert "" not in halves.counts


def test_both_are_recognised() -> None:
    seldon = replace(batch([([], ASKED)], keys=[KEY]), source=INPUTS)
    for records, name in ((seldon, "seldon"), (batch([(ASK, BODY), (TELL, TOLD)]), "mlserver")):
        found = recognised([records])
        assert found is not None
        assert found.mapping == {"format": name}
