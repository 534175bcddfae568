"""Bodies of requests become records; what cannot is refused with its reason."""

from __future__ import annotations

import gzip
import json
from email.message import Message
from typing import Final

import pytest

from driftd.receive.body import JSON, LINES, MOST_EVENTS, BadRequest, Record, hint, records_of

MOST: Final = 10_000
BATCH: Final = "application/cloudevents-batch+json"
STRUCTURED: Final = "application/cloudevents+json"


def headers(**given: str) -> Message:
    out = Message()
    for name, value in given.items():
        out[name.replace("_", "-")] = value
    return out


def read(body: bytes, content_type: str = "application/json", **more: str) -> list[Record]:
    return records_of(headers(Content_Type=content_type, **more), body, MOST)


@pytest.mark.parametrize(
    ("content_type", "body", "values"),
    [
        ("application/json", b'{"model": "m"}', [b'{"model": "m"}']),
        ("application/json; charset=utf-8", b' {"a": [1, 2]}\n', [b' {"a": [1, 2]}\n']),
        ("application/json", b'[{"a": 1},  {"b": [2]}]', [b'{"a": 1}', b'{"b": [2]}']),
        ("application/json", b"garbage", [b"garbage"]),
        ("application/x-ndjson", b'{"a":1}\n\n{"b":2}\r\n', [b'{"a":1}', b'{"b":2}\r']),
        ("application/jsonl", b'[{"a":1},{"b":2}]\n{"c":3}', [b'{"a":1}', b'{"b":2}', b'{"c":3}']),
        ("Application/X-NDJSON", b"{}", [b"{}"]),
        ("application/json", b' [{"a": NaN}, {"b": 1} ,-Infinity]\n', [b'{"a": NaN}', b'{"b": 1}', b"-Infinity"]),
        ("application/json", b'[{"a": "\\ud800 ], "},{"b":1}]', [b'{"a": "\\ud800 ], "}', b'{"b":1}']),
        ("application/json", b'[{"a": NaN, "b": "\xff\xc3\xa9"}]', [b'{"a": NaN, "b": "\xff\xc3\xa9"}']),
        ("application/json", b'[{"a": "\x01\n"},' + b"9" * 5000 + b"]", [b'{"a": "\x01\n"}', b"9" * 5000]),
        ("application/jsonl", b'[{"a":NaN},{"b":2}]\n[]\n{"c":3}', [b'{"a":NaN}', b'{"b":2}', b'{"c":3}']),
        ("application/jsonl", b'{"a":1}\n[{"b":}]\n{"c":3}', [b'{"a":1}', b'[{"b":}]', b'{"c":3}']),
    ],
)
def test_plain_events_are_a_record_each_as_they_came(content_type: str, body: bytes, values: list[bytes]) -> None:
    found = read(body, content_type)
    assert [r.value for r in found] == values
    assert {(r.key, tuple(r.headers), r.envelope) for r in found} == {(None, (), False)}


def test_a_structured_cloud_event_stays_as_it_is_and_its_partition_key_is_the_records() -> None:
    body = b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "partitionkey": "k", "data": {"model": "m"}}'
    (record,) = read(body, STRUCTURED + "; charset=utf-8")
    assert record == Record(body, b"k", [("content-type", STRUCTURED.encode())], envelope=True)


def test_a_batch_of_cloud_events_becomes_structured_ones_since_kafka_has_no_batches() -> None:
    records = read(b'[{"id": "1"}, {"id": "2", "partitionkey": 5}]', BATCH)
    assert [r.value for r in records] == [b'{"id": "1"}', b'{"id": "2", "partitionkey": 5}']
    assert {r.headers[0] for r in records} == {("content-type", STRUCTURED.encode())}
    assert [r.key for r in records] == [None, None]


def test_attributes_in_headers_get_kafkas_names_and_lose_their_percent_signs() -> None:
    (record,) = read(
        b'{"instances": [[6.8, 2.8]]}',
        Ce_SpecVersion="1.0",
        Ce_Id="7d0c",
        Ce_Type="org.kubeflow.serving.inference.request",
        Ce_Source="http://localhost:9081/",
        Ce_Inferenceservicename="Euro%20%E2%82%AC",
        Ce_Partitionkey="k1",
        Authorization="secret",
    )
    assert dict(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"7d0c",
        "ce_type": b"org.kubeflow.serving.inference.request",
        "ce_source": b"http://localhost:9081/",
        "ce_inferenceservicename": "Euro €".encode(),
        "ce_partitionkey": b"k1",
        "content-type": b"application/json",
    }
    assert (record.key, record.value, record.envelope) == (b"k1", b'{"instances": [[6.8, 2.8]]}', True)


def test_a_compressed_body_is_unpacked_up_to_its_bound() -> None:
    body = json.dumps({"a": "x" * 2000}).encode()
    assert read(gzip.compress(body), Content_Encoding="gzip")[0].value == body
    for size, status in ((MOST, 200), (MOST + 1, 413), (100 * MOST, 413)):
        packed = gzip.compress(b"x" * size)
        try:
            read(packed, Content_Encoding="gzip")
            found = 200
        except BadRequest as e:
            found = e.status
        assert found == status, size


def test_a_gzip_of_several_members_is_one_body() -> None:
    packed = gzip.compress(b'[{"a": 1},') + gzip.compress(b"") + gzip.compress(b'{"b": 2}]')
    assert [r.value for r in read(packed, Content_Encoding="gzip")] == [b'{"a": 1}', b'{"b": 2}']
    for more, status, text in (
        (gzip.compress(b"x" * (MOST + 1)), 413, "when it is unpacked"),
        (b"garbage", 400, "is not"),
        (gzip.compress(b" ", mtime=0)[:-3], 400, "cut short"),
        (gzip.compress(b" ") * 100, 413, "more than 100 members"),
    ):
        with pytest.raises(BadRequest, match=text) as raised:
            read(gzip.compress(b"{}") + more, Content_Encoding="gzip")
        assert raised.value.status == status


@pytest.mark.parametrize(
    ("content_type", "item", "body"),
    [
        ("application/json", b"{}", b"[%b]"),
        (BATCH, b"{}", b"[%b]"),
        ("application/json", b"NaN", b"[%b]"),
        ("application/x-ndjson", b"{}", b"[%b]\n"),
    ],
)
def test_events_of_a_request_are_as_many_as_may_be(content_type: str, item: bytes, body: bytes) -> None:
    assert len(read(body % b",".join([item] * MOST_EVENTS), content_type)) == MOST_EVENTS
    with pytest.raises(BadRequest, match="more than 10,000 events; send them in several requests") as raised:
        read(body % b",".join([item] * (MOST_EVENTS + 1)), content_type)
    assert raised.value.status == 413


def test_lines_of_a_request_are_as_many_as_may_be_and_empty_ones_are_none() -> None:
    assert len(read(b"{}\n\n" * MOST_EVENTS, "application/x-ndjson")) == MOST_EVENTS
    with pytest.raises(BadRequest, match="more than 10,000 events"):
        read(b"{}\n" * (MOST_EVENTS + 1), "application/x-ndjson")


@pytest.mark.parametrize(
    ("content_type", "body", "more", "status", "text"),
    [
        ("text/csv", b"a,b", {}, 415, "expected application/json, application/x-ndjson, .* got text/csv"),
        ("application/x-www-form-urlencoded", b"{}", {}, 415, "got application/x-www-form-urlencoded"),
        ("application/cloudevents+avro", b"x", {}, 415, "got application/cloudevents[+]avro"),
        ("application/json", b"{}", {"Content_Encoding": "br"}, 415, "content-encoding: expected gzip"),
        ("application/json", b"{}", {"Content_Encoding": "gzip"}, 400, "says gzip, and the body is not"),
        ("application/json", gzip.compress(b"{}", mtime=0)[:-9], {"Content_Encoding": "gzip"}, 400, "cut short"),
        ("application/json", b"", {}, 400, "no events in it"),
        ("application/json", b"[]", {}, 400, "no events in it"),
        ("application/x-ndjson", b"\n \n", {}, 400, "no events in it"),
        ("application/json", b'[{"a": 1}, {"b"', {}, 400, "not an array of JSON"),
        (BATCH, b"{}", {}, 400, "not an array of JSON"),
        (BATCH, b"[]", {}, 400, "no events in it"),
        ("application/json", b'[{"a": 1}, {"b": }]', {}, 400, "not an array of JSON: .* none is taken; JSON lines"),
        ("application/json", b'[{"a": NaN}] [1]', {}, 400, "not an array of JSON"),
        ("application/json", b'[{"a": NaN},]', {}, 400, "not an array of JSON"),
        ("application/json", b"[" * 5000 + b"]" * 5000, {}, 400, "nested too deep"),
    ],
)
def test_what_is_no_request_is_told(
    content_type: str, body: bytes, more: dict[str, str], status: int, text: str
) -> None:
    with pytest.raises(BadRequest, match=text) as refused:
        read(body, content_type, **more)
    assert refused.value.status == status


def test_no_content_type_is_told_as_such() -> None:
    with pytest.raises(BadRequest, match="got none"):
        records_of(headers(), b"{}", MOST)


ENVELOPE: Final = b'{"specversion": "1.0", "id": "1", "type": "t", "source": "/s", "data": {}}'
EVENT: Final = b'{"model": "m", "prediction": 1}'


@pytest.mark.parametrize(
    ("content_type", "body", "said"),
    [
        (
            JSON,
            EVENT + b"\n" + EVENT,
            "the body looks like application/x-ndjson, and content-type says application/json",
        ),
        (JSON, ENVELOPE, "the body looks like application/cloudevents+json"),
        (JSON, b"[" + ENVELOPE + b"]", "the body looks like application/cloudevents-batch+json"),
        (STRUCTURED, b"[" + ENVELOPE + b"]", "the body looks like application/cloudevents-batch+json"),
        (BATCH, ENVELOPE, "the body looks like application/cloudevents+json"),
        (STRUCTURED, EVENT, "the body looks like application/json"),
        (JSON, gzip.compress(EVENT, mtime=0), "the body is gzip: content-encoding: gzip says so"),
        (JSON, EVENT, ""),
        (LINES[0], EVENT, ""),
        (JSON, b"nothing", ""),
        (JSON, b"[1, 2]", ""),
    ],
)
def test_a_body_of_another_kind_than_it_says_is_told_by_its_looks(content_type: str, body: bytes, said: str) -> None:
    assert hint(headers(Content_Type=content_type), body).startswith(said)
    assert bool(hint(headers(Content_Type=content_type), body)) == bool(said)


def test_a_form_of_curl_is_told_what_it_looks_like() -> None:
    with pytest.raises(
        BadRequest, match=r"got application/x-www-form-urlencoded; this body looks like application/json"
    ):
        read(EVENT, "application/x-www-form-urlencoded")
    with pytest.raises(BadRequest, match=r"no events in it: expected an event or an array of events, and the body"):
        read(b"", JSON)
