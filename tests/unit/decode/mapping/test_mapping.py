"""What a mapping reads, what it refuses and in which words, for JSON and for flat files."""

# ruff: noqa: E501  (records stand in one line, as on the wire)
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftd.config.mapping import MappingSection, mappings_of
from driftd.core.event import Decoded, Kind, RejectReason, Schema
from driftd.decode import Limits, codec_of
from driftd.decode.mapping.frames import frame_of, with_article
from driftd.decode.mapping.propose import propose
from driftd.decode.mapping.shape import MappedShape
from driftd.decode.mapping.spec import MAX_STEPS, parse, spell
from driftd.sources.files.source import open_events
from tests.unit.decode.make import NOW, accounted, only, records, refused, rows

HOSTILE: list[bytes | None] = [
    None,
    b"",
    b"{",
    b"null",
    b"[]",
    b"[[]]",
    b"[{}, 3]",
    b'"text"',
    b"\xff",
    b'{"ts": 1e400}',
    b'{"ts": {}, "req": []}',
    b'{"req": {"in": ' + b'{"a":' * 400 + b"1" + b"}" * 402,
    b'{"req": {"in": {"' + b"k" * 70_000 + b'": {"a": 1, "b": 2}}}}',
    json.dumps({"req": {"in": {f"x{i}": {"y": 1} for i in range(1200)}}}).encode(),
    b'{"\\ud800": 1, "req": {"in": {"\\ud800": 1}}}',
    b'{"req": null, "out": [null]}',
    b'{"req": {"in": {"a": 1}}, "req": {"in": 7}}',
    b"{" + b" " * 300_000 + b"}",
]
RECORD: dict[str, Any] = {"ts": NOW * 1e3, "req": {"in": {"a": 1.5, "b": {"c": "x"}}}, "out": [1, 2], "m": "fraud"}
MAPPING: dict[str, Any] = {
    "model": "m",
    "time": {"path": "ts", "unit": "ms"},
    "features": "req.in",
    "prediction": "out[0]",
}


def decode(mapping: dict[str, Any], *values: Any, limits: Limits | None = None, schemas: Any = None) -> Decoded:
    mappings = mappings_of(MappingSection.model_validate(mapping))
    fields = {name: getattr(limits or Limits(), name) for name in Limits.__slots__}
    return codec_of(Limits(**{**fields, "mappings": mappings})).decode(records(values), schemas or {})


def test_paths_constants_units_and_nested_features_make_an_event() -> None:
    batch = only(decode(MAPPING, RECORD, {**RECORD, "ts": f"{NOW * 1e3}"}))
    assert batch.model == "fraud"
    assert batch.times.tolist() == [NOW, NOW]
    assert batch.columns == {"a": [1.5, 1.5], "b.c": ["x", "x"]}
    assert batch.prediction == [1.0, 1.0]


@pytest.mark.parametrize(
    ("mapping", "record", "expected"),
    [
        ({"latency": {"path": "took", "unit": "ms"}}, {"took": 250}, {"(latency)": 0.25}),
        ({"score": {"path": "p", "type": "number"}}, {"p": "0.25"}, {"(score)": 0.25}),
        ({"label": {"path": "y", "type": "text"}}, {"y": 7}, {"(label)": "7"}),
        ({"prediction": "p.q[1].r"}, {"p": {"q": [0, {"r": "yes"}]}}, {"(prediction)": "yes"}),
        ({"prediction": '"p.q"."r s"'}, {"p.q": {"r s": 3}}, {"(prediction)": 3.0}),
        ({"features": {"under": "x[0]", "names": ["a", "b"]}}, {"x": [[1, "DE"]]}, {"a": 1.0, "b": "DE"}),
        ({"features": {"paths": {"a": "x[1].v", "b": "y"}}}, {"x": [{}, {"v": 4}], "y": 5}, {"a": 4.0, "b": 5.0}),
        ({"features": {"under": ".", "ignore": ["host"]}}, {"host": {"n": 1}, "a": {"b": 2}}, {"a.b": 2.0}),
        ({"features": {"under": "x", "paths": {"a": "y"}}}, {"x": {"b": 1}, "y": 2}, {"a": 2.0, "b": 1.0}),
        (
            {"features": {"prefix": "f_"}},
            {"f_a": 1, "f_b": {"c": 2}, "g": {"f_a": 3}, "f_": 4, "host": "h"},
            {"a": 1.0, "b.c": 2.0},
        ),
        ({"features": {"prefix": "f_"}}, {"f_a": 1, "host": "h"}, {"a": 1.0}),
        (
            {"features": {"under": "x", "prefix": "f_", "ignore": ["f_b"]}},
            {"x": {"f_a": 1, "f_b": 2, "c": 3}},
            {"a": 1.0},
        ),
        ({"features": {"prefix": "f_", "paths": {"z2": "y.z"}}}, {"f_a": 1, "y": {"z": 2}}, {"a": 1.0, "z2": 2.0}),
        ({"error": {"value": None}}, {"error": "what the user typed"}, {}),
        ({"prediction": "label"}, {"label": 1}, {"(prediction)": 1.0}),
    ],
)
def test_a_field_of_any_shape_is_read(mapping: Any, record: Any, expected: Any) -> None:
    extra = {"features": {"z": 1}} if "features" not in mapping else {}
    decoded = decode({"model": {"value": "m"}, **mapping}, {**extra, **record})
    ((_, time, found, failed, _),) = rows(only(decoded))
    found.pop("z", None)
    assert (time, {name: value for name, (_, value) in found.items()}, failed) == (NOW, expected, False)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-23 06:00:11", NOW),
        ("2026-11-23T06:00", NOW - 11),
        ("2026-11-23T06:00:11.500000", NOW + 0.5),
        ("2026-11-23T07:00:11+01:00", NOW),
        (NOW, NOW),
    ],
)
def test_times_without_an_offset_are_read_in_the_zone_of_the_mapping(text: Any, time: float) -> None:
    mapping = {**MAPPING, "time": {"path": "ts", "zone": "UTC"}}
    assert only(decode(mapping, {**RECORD, "ts": text})).times.tolist() == [time]
    proposal = propose([json.dumps({**RECORD, "timestamp": "2026-11-23 06:00:11"}).encode()], "topic")
    assert proposal is not None
    assert proposal.mapping["time"] == {"path": "timestamp", "zone": "UTC"}


def test_a_topic_has_a_mapping_of_its_own_and_others_that_for_all() -> None:
    section = MappingSection.model_validate({**MAPPING, "topics": {"other": {"model": "name"}}})
    codec = codec_of(Limits(mappings=mappings_of(section)))
    assert only(codec.decode(records([RECORD]), {})).model == "fraud"
    other = records([{"name": "n", "features": {"a": 1}}])
    object.__setattr__(other, "source", "other")
    assert only(codec.decode(other, {})).model == "n"
    section = MappingSection.model_validate({"topics": {"other": {"model": "name"}}})
    plain = codec_of(Limits(mappings=mappings_of(section))).decode(records([{"model": "m", "prediction": 1}]), {})
    assert only(plain).model == "m"


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("features", ["req.in", ".", {"under": "req.in", "paths": {"z": "out[1]"}}])
def test_hostile_records_are_counted_and_their_neighbours_kept(features: Any, value: bytes | None) -> None:
    decoded = decode({**MAPPING, "features": features}, RECORD, value, RECORD)
    assert accounted(decoded)
    assert {0, 2} <= {o for batch in decoded.batches for o in batch.offsets.tolist()}
    assert all(0 < len(r.detail) <= 200 and len(r.hint) <= 200 for r in decoded.rejects)


def test_what_is_flattened_is_bounded() -> None:
    long = {"k" * 100: {"l" * 100: {"a": 1}}}
    assert refused(decode(MAPPING, {**RECORD, "req": {"in": long}})).reason is RejectReason.NAME_TOO_LONG
    many = {f"x{i}": {"y": 1} for i in range(1001)}
    assert refused(decode(MAPPING, {**RECORD, "req": {"in": many}})).reason is RejectReason.TOO_MANY_FEATURES


@pytest.mark.parametrize(
    ("mapping", "record", "reason", "hint"),
    [
        ({}, {"model_name": "m"}, "missing_field", "mapping: `model: model_name`"),
        ({}, {"x": 1}, "missing_field", "mapping: `model: {value: NAME}`"),
        ({}, {"model": "m", "inputs": {}}, "missing_field", "mapping: `features: {under: inputs}`"),
        ({}, {"model": "m", "prediction": 1, "time": NOW * 1e3}, "bad_time", "mapping: `time: {path: time, unit: ms}`"),
        ({"time": "a.t"}, {"model": "m", "prediction": 1, "a": {"t": NOW * 1e9}}, "bad_time", "mapping: `time: {path: a.t, unit: ns}`"),
        ({"time": {"path": "t", "unit": "ms"}}, {"model": "m", "prediction": 1, "t": NOW * 1e6}, "bad_time", "mapping: `time: {path: t, unit: us}`"),
        ({}, {"model": "m", "features": [1, 2, 3]}, "wrong_type", "mapping: `features: {under: features, names: [NAME, NAME, ...]}`"),
        ({"features": {"under": "x", "names": ["a"]}}, {"model": "m", "x": [1, 2]}, "wrong_type", "the mapping has 1 name, and the list 2 values"),
        ({}, {"model": "m", "prediction": 1, "cost": {"amount": "1"}}, "wrong_type", ""),
        ({}, {"model": "m", "prediction": 1, "label": [0.5, 0.5]}, "wrong_type", "mapping: `label: label[0]` takes its first"),
        ({}, {"model": "m", "prediction": 1, "score": ["high"]}, "wrong_type", ""),
        ({}, {"model": "m", "prediction": {"a": {"b": 1}}}, "wrong_type", ""),
        ({}, {"model": "m", "prediction": 1, "time": 1e30}, "bad_time", ""),
        ({}, {"model": "m", "prediction": 1, "time": f"{NOW * 1e3:.0f}"}, "bad_time", "mapping: `time: {path: time, unit: ms}` reads numbers that are text"),
        ({}, {"model": "m", "prediction": {"a": 1}}, "wrong_type", "mapping: a path into it, such as `prediction: prediction.NAME`"),
        ({"score": "p"}, {"model": "m", "prediction": 1, "p": "0.5"}, "wrong_type", "mapping: `score: {path: p, type: number}` reads numbers that are text"),
        ({}, {"model": 3, "prediction": 1}, "wrong_type", "mapping: `model: {path: model, type: text}`"),
        ({}, {"model": "m", "prediction": 1, "latency_seconds": -1}, "wrong_type", ""),
        ({"features": {"under": "x[0]"}}, {"model": "m", "x": []}, "missing_field", ""),
        ({"features": {"under": "x"}}, {"model": "m", "inputs": {}}, "missing_field", ""),
        ({"features": {"paths": {}, "ignore": ["a"]}}, {"model": "m", "inputs": {}}, "missing_field", ""),
        ({"model": "a.b"}, {"model_name": "m", "prediction": 1}, "missing_field", ""),
        ({"model": {"value": None}}, {"prediction": 1}, "missing_field", "mapping: `model: {value: NAME}`"),
        ({"score": "p"}, {"model_name": "m", "prediction": 1}, "missing_field", "mapping: `model: model_name`"),
        ({"time": {"path": "t", "unit": "ms"}}, {"model": "m", "prediction": 1, "t": "soon"}, "bad_time", ""),
        ({"score": {"path": "p", "type": "number"}}, {"model": "m", "prediction": 1, "p": "much"}, "wrong_type", ""),
        ({"latency": {"path": "p", "unit": "ms"}}, {"model": "m", "prediction": 1, "p": "long"}, "wrong_type", ""),
    ],
)  # fmt: skip
def test_the_hint_is_a_line_that_would_have_it_accepted(mapping: Any, record: Any, reason: str, hint: str) -> None:
    reject = refused(decode(mapping, record))
    assert (reject.reason.value, reject.hint) == (reason, hint)


SCORED = {
    "model": "m",
    "time": {"path": "a.t", "unit": "ms"},
    "features": "req",
    "prediction": "res.k",
    "score": "res.p",
    "latency": {"path": "took", "unit": "ms"},
    "cost": {"amount": "usd"},
}
SOUND = {"m": "fraud", "a": {"t": NOW * 1e3}, "req": {"x": 1}, "res": {"k": 1, "p": 0.5}, "took": 12, "usd": 1}


@pytest.mark.parametrize(
    ("change", "detail", "hint"),
    [
        ({"res": {"p": "high"}}, 'res.p (score): expected a number, an object of class to probability or a list of probabilities, got "high"', ""),
        ({"res": {"p": "0.5"}}, 'res.p (score): expected a number, an object of class to probability or a list of probabilities, got "0.5"', "mapping: `score: {path: res.p, type: number}` reads numbers that are text"),
        ({"res": {"p": {"yes": "0.5"}}}, 'res.p.yes (score.yes): expected a number, got "0.5"', ""),
        ({"a": {"t": 1788220800000000}}, "a.t (time): expected epoch milliseconds, got 1788220800000000, after the year 2200; it looks like microseconds", "mapping: `time: {path: a.t, unit: us}`"),
        ({"a": {"t": "1.9.2026 10:00"}}, 'a.t (time): expected RFC 3339 with an offset, or epoch milliseconds, got "1.9.2026 10:00"', ""),
        ({"a": {"t": "2026-09-01 10:00:00"}}, 'a.t (time): expected RFC 3339 with an offset, or epoch milliseconds, got "2026-09-01 10:00:00", a time without an offset', "mapping: `time: {path: a.t, unit: ms, zone: UTC}` if these times are of UTC"),
        ({"took": -12}, "took (latency): expected 0 or more, got -12", ""),
        ({"took": "12 ms"}, 'took (latency): expected a number of milliseconds, got "12 ms"', ""),
        ({"usd": "1.50"}, 'usd (cost.amount): expected a number, got "1.50"', ""),
        ({"m": 7}, "m (model): expected a string, got 7", "mapping: `model: {path: m, type: text}`"),
        ({"req": 3}, "req (features): expected an object of name to value, got 3", ""),
        ({"req": None, "res": None}, "req (features): missing, and so are res.k (prediction) and label", ""),
        ({"m": None}, "m (model): missing", ""),
        ({"m": "x" * 60, "took": "y" * 60}, f'took (latency): expected a number of milliseconds, got "{"y" * 36}...', ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_the_place_and_value_in_the_record(change: Any, detail: str, hint: str) -> None:
    reject = refused(decode(SCORED, {**SOUND, **change}))
    assert (reject.detail, reject.hint) == (detail, hint)
    hidden = refused(decode(SCORED, {**SOUND, **change}, limits=Limits(show_values=False)))
    assert not any(value in hidden.detail for value in ("high", "0.5", "1.9.", "2026", "17882", "-12", "12 ms", "yy"))


def test_the_event_of_an_array_that_was_refused_has_the_hint() -> None:
    sound, wrong = {**SOUND, "took": 1}, {**SOUND, "res": {"p": "0.5"}}
    (reject,) = decode(SCORED, [sound, sound, wrong]).rejects
    assert reject.hint == "mapping: `score: {path: res.p, type: number}` reads numbers that are text"


def test_the_first_of_each_kind_has_the_hint() -> None:
    late = [{**RECORD, "ts": NOW * 1e6 + 1e9 * i} for i in range(3)]
    text, listed, framed = {**RECORD, "score": "0.5"}, {**RECORD, "label": [1, 2]}, b"\0\0\0\0\x07abc"
    rejects = decode(MAPPING, *late, text, framed, text, listed, late[0], framed, listed).rejects
    assert len(rejects) == 10
    assert {r.index: r.hint for r in rejects if r.hint} == {
        0: "mapping: `time: {path: ts, unit: us}`",
        3: "mapping: `score: {path: score, type: number}` reads numbers that are text",
        4: "framed by a schema registry, schema id 7: mapping.format says what is inside: avro, protobuf or jsonschema",
        6: "mapping: `label: label[0]` takes its first",
    }


def test_a_hint_names_nothing_of_the_record_but_known_names() -> None:
    reject = refused(decode({}, {"model": "m", "prediction": {"4111": "Jane"}}))
    assert "4111" not in reject.hint + reject.detail


FRAMES = {
    b"\0\0\x01\x86\xca{}": "schema registry, schema id 100042",
    bytes.fromhex("01897917622336418696 74299b90a802e2") + b"{}": "schema registry, schema GUID 89791762-2336-4186-9674-299b90a802e2",
    b"\0" + (7).to_bytes(8) + b"{}": "Apicurio registry, global id 7",
}  # fmt: skip


@pytest.mark.parametrize("value", FRAMES)
def test_a_frame_of_a_schema_registry_is_named(value: bytes) -> None:
    assert frame_of(value) == FRAMES[value]
    reject = refused(decode({}, value))
    assert reject.reason in {RejectReason.NOT_JSON, RejectReason.NOT_UTF8}
    assert (
        reject.hint
        == f"framed by {with_article(FRAMES[value])}: mapping.format says what is inside: avro, protobuf or jsonschema"
    )


def test_the_header_of_a_frame_is_named_and_json_is_none() -> None:
    assert frame_of(b"{}", [("__value_schema_id", b"\1" + bytes(16))]) is not None
    assert frame_of(b'{"a": 1}', [("content-type", b"json")]) is None


@pytest.mark.parametrize("text", ["a", "a.b[0].c", '"a.b"."c d"', "a[0][12]", "."])
def test_a_path_is_spelled_as_it_is_parsed(text: str) -> None:
    assert spell(parse(text)) == text


@pytest.mark.parametrize("text", ["", "a..b", ".a", "a.", "[0]", "a[x]", "a b", 'a."', ".".join("a" * (MAX_STEPS + 1))])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse(text)


@pytest.mark.parametrize(
    ("mapping", "direct"),
    [
        (MAPPING, True),
        ({**MAPPING, "features": "."}, True),
        ({**MAPPING, "features": {"under": "x[0]", "names": ["a"]}}, True),
        ({**MAPPING, "model": "a.b"}, False),
        ({**MAPPING, "id": {"path": "n", "type": "text"}}, False),
    ],
)
def test_most_mappings_are_decoded_in_one_pass(mapping: Any, direct: bool) -> None:
    mappings = mappings_of(MappingSection.model_validate(mapping))
    assert mappings.default is not None
    assert MappedShape(mappings.default, Limits()).direct is direct


def flat(folder: Path, text: str, mapping: Any) -> Decoded:
    file = folder / "x.csv"
    file.write_text(text)
    mappings = mappings_of(MappingSection.model_validate(mapping))
    events = open_events(str(file), None, Limits(mappings=mappings))
    (batch,) = events.batches()
    return events.codec.decode(batch, {})


def test_columns_of_a_flat_file_are_mapped_by_name_with_their_units(tmp_path: Path) -> None:
    mapping = {
        "model": {"value": "m"},
        "time": {"path": "when", "unit": "us"},
        "latency": {"path": "took", "unit": "ms"},
    }
    text = "when,in.a,in.b,took,other\n86400000000,1,DE,250,9\n"
    batch = only(flat(tmp_path, text, {**mapping, "features": "in", "prediction": "other"}))
    ((_, time, found, _, _),) = rows(batch)
    assert (batch.model, time) == ("m", 86400.0)
    assert {name: value for name, (_, value) in found.items()} == {
        "a": 1.0,
        "b": "DE",
        "(latency)": 0.25,
        "(prediction)": 9.0,
    }
    picked = flat(tmp_path, text, {**mapping, "features": {"paths": {"size": "in.a"}}})
    assert [*only(picked).columns] == ["size"]


def test_a_column_that_the_mapping_names_and_the_file_has_not_is_told(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"mapping\.prediction: no column 'amuont'; did you mean 'amount'"):
        flat(tmp_path, "amount\n1\n", {"prediction": "amuont"})


V2 = {
    "model_name": "iris",
    "id": "a",
    "inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1.5]}, {"name": "y", "shape": [1], "data": [2]}],
    "outputs": [{"name": "p", "shape": [1], "datatype": "INT64", "data": [1]}],
}  # fmt: skip
V1 = {"instances": [[1, 2]], "predictions": [0]}
SHAPES: dict[str, Any] = {
    "open inference protocol V2": V2,
    "open inference protocol V1": V1,
    "CloudEvents envelope in the record's value": {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "time": "2026-11-23T06:00:00Z", "data": V1},
    "Debezium envelope": {"payload": {"op": "c", "after": {"model": "m", "amount": 2, "y_pred": 1}, "source": {"ts_ms": NOW * 1e3}}, "schema": {}},
    "Seldon's data.ndarray": {"request": {"data": {"names": ["a"], "ndarray": [[1]]}}, "response": {"data": {"ndarray": [[0.5]]}}},
    "": {"ts": NOW * 1e3, "amount": 2.5, "prediction": 1},
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_a_known_shape_is_recognised_and_its_proposal_uses_the_record(shape: str) -> None:
    proposal = propose([json.dumps(SHAPES[shape]).encode()], "topic")
    assert proposal is not None
    assert (shape in proposal.shapes) is bool(shape)
    batch = only(decode(proposal.mapping, SHAPES[shape]))
    assert len(batch) == 1
    assert batch.prediction is not None
    assert batch.columns
    assert not batch.refused


@pytest.mark.parametrize("values", [[b"{"], [None], [b"3"], [b"[" * 10_000], [b"\xff"], [b"{}"]])
def test_what_is_no_object_has_no_proposal(values: list[bytes | None]) -> None:
    assert propose(values, "topic") is None


def test_units_and_nested_features_are_read_in_one_pass_too() -> None:
    known = {"fraud": Schema("fraud", {"a": Kind.NUMERIC, "b.c": Kind.CATEGORICAL}, Kind.NUMERIC)}
    mapping = {**MAPPING, "latency": {"path": "took", "unit": "us"}}
    batch = only(decode(mapping, {**RECORD, "took": 1500}, schemas=known))
    ((_, time, found, _, _),) = rows(batch)
    assert time == NOW
    assert {name: value for name, (_, value) in found.items()} == {
        "a": 1.5,
        "b.c": "x",
        "(latency)": 0.0015,
        "(prediction)": 1.0,
    }


def test_flattened_names_cannot_multiply_what_a_record_holds() -> None:
    mappings = mappings_of(MappingSection.model_validate(MAPPING))
    assert mappings.default is not None
    value = json.dumps({"req": {"in": {"k" * 100_000: {f"x{i}": i for i in range(500)}}}}).encode()
    assert len(MappedShape(mappings.default, Limits()).own(value)) < 2 * len(value)


ROWS = {"model": {"value": "m"}, "features": {"under": "req.instances[0]", "names": ["a", "b"]}, "prediction": "res.predictions[0]", "id": "id"}  # fmt: skip


def of_rows(*rows: list[float], told: Any, **more: Any) -> dict[str, Any]:
    return {"id": "c1", "req": {"instances": rows}, "res": {"predictions": told}, **more}


@pytest.mark.parametrize(
    "more", [{}, {"version": {"path": "v", "type": "text"}}, {"time": {"path": "t", "zone": "UTC"}}]
)
@pytest.mark.parametrize("known", [False, True])
def test_a_record_of_several_rows_is_an_event_a_row(more: Any, known: bool) -> None:
    three = of_rows([1, 2], [3, 4], [5, 6], told=[0.1, 0.2, 0.3])
    one = of_rows([7, 8], told=[0.4])
    schema = Schema("m", {"a": Kind.NUMERIC, "b": Kind.NUMERIC}, Kind.NUMERIC)
    section = MappingSection.model_validate({**ROWS, **more})
    limits = Limits(mappings=mappings_of(section), keep_ids=True)
    decoded = codec_of(limits).decode(records([one, three, [one, three], one]), {"m": schema} if known else {})
    assert (decoded.received, accounted(decoded)) == (9, True)
    batch = only(decoded)
    assert [*batch.columns["a"]] == [7, 1, 3, 5, 7, 1, 3, 5, 7]
    assert [*batch.columns["b"]] == [8, 2, 4, 6, 8, 2, 4, 6, 8]
    np.testing.assert_array_equal(batch.prediction, [0.4, 0.1, 0.2, 0.3, 0.4, 0.1, 0.2, 0.3, 0.4])
    assert batch.offsets.tolist() == [0, 1, 1, 1, 2, 2, 2, 2, 3]
    assert [*(batch.ids or ())][:4] == ["c1", "c1/0", "c1/1", "c1/2"]


def test_rows_may_be_objects_and_predictions_lie_deeper() -> None:
    mapping = {"model": {"value": "m"}, "features": "data[0]", "prediction": "out[0].ndarray[0][1]"}
    record = {"data": [{"a": 1}, {"a": 2}], "out": [{"ndarray": [[0.9, 0.1], [0.2, 0.8]]}]}
    batch = only(decode(mapping, record))
    assert ([*batch.columns["a"]], batch.prediction) == ([1.0, 2.0], [0.1, 0.8])


def test_what_nobody_reads_is_not_in_each_row_and_what_all_share_is_bounded() -> None:
    """20,000 rows beside a text of 125 kB were 2.6 GB."""
    many = [[1.0, 2.0]] * 5_000
    batch = only(decode(ROWS, of_rows(*many, told=[0.5] * 5_000, junk="x" * 100_000)))
    assert len(batch) == 5_000
    reject = refused(decode({**ROWS, "version": "v"}, of_rows(*many, told=[0.5] * 5_000, v="x" * 100_000)))
    assert reject.reason is RejectReason.TOO_LARGE
    assert re.fullmatch(r"5000 rows, each with 100\d\d\d bytes that all of them share", reject.detail)


@pytest.mark.parametrize("told", [[0.1], [0.1, 0.2, 0.3], [], None, 0.5])
def test_rows_without_an_answer_each_are_refused(told: Any) -> None:
    decoded = decode(ROWS, of_rows([1, 2], [3, 4], told=told))
    reject = refused(decoded)
    assert reject.reason is RejectReason.ROWS_DIFFER
    assert "2 rows of features" in reject.detail
    assert accounted(decoded)
