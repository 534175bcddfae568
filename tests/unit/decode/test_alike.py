"""One value is read alike in every format: lists of one, scores that are lists, numbers that are text."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from driftd.config.mapping import MappingSection, mappings_of
from driftd.core.event import Decoded, EventBatch, Kind, Schema
from driftd.core.lists import CLASSES, LISTS, Part
from driftd.decode import Limits, codec_of
from driftd.decode.json.fast import JsonCodec
from tests.unit.decode.formats.make import batch, kserve, limits
from tests.unit.decode.make import NOW, m, only, records, refused

SCHEMA = {kind: {"m": Schema("m", {"x": Kind.NUMERIC}, kind)} for kind in (Kind.NUMERIC, Kind.CATEGORICAL, Kind.ANY)}


def mapped(**mapping: Any) -> Limits:
    return Limits(mappings=mappings_of(MappingSection.model_validate(mapping)))


def fast(events: list[Any], schemas: dict[str, Schema]) -> Decoded:
    return JsonCodec().decode(records(events), schemas)


def strict(events: list[Any], schemas: dict[str, Schema]) -> Decoded:
    return JsonCodec(fast=False).decode(records(events), schemas)


def by_path(events: list[Any], schemas: dict[str, Schema]) -> Decoded:
    moved = [
        {"model": "m", "features": e["features"], "out": {k: e.get(k) for k in ("prediction", "score", "label")}}
        for e in events
    ]
    mapping = mapped(prediction="out.prediction", score="out.score", label="out.label")
    return codec_of(mapping).decode(records(moved), schemas)


def rewritten(events: list[Any], schemas: dict[str, Schema]) -> Decoded:
    """A mapping that no structs can say."""
    mapping = mapped(model={"path": "model", "type": "text"})
    return codec_of(mapping).decode(records(events), schemas)


def arrow(events: list[Any], schemas: dict[str, Schema]) -> Decoded:
    names = ("prediction", "score", "label")
    columns = {n: [e.get(n) for e in events] for n in names if any(n in e for e in events)}
    x = [e["features"]["x"] for e in events]
    table = pa.table({"model": ["m"] * len(events), "time": [NOW] * len(events), "x": x, **columns})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return codec_of(limits("arrow")).decode(batch([([], sink.getvalue().to_pybytes())]), schemas)


WAYS = pytest.mark.parametrize("way", [fast, strict, by_path, rewritten, arrow])


def told(one: EventBatch) -> dict[str, Any]:
    """Every value of the fields; what is missing as None."""
    out: dict[str, Any] = {}
    for name, column in one.fields.items():
        values = [[None if isinstance(v, float) and np.isnan(v) else v for v in np.asarray(column).ravel().tolist()]]
        if any(v is not None for v in values[0]):
            out[name] = values[0]
    return out


@WAYS
@pytest.mark.parametrize(
    ("kind", "predictions", "expected"),
    [
        pytest.param(Kind.NUMERIC, [[0.7], [-0.25]], [0.7, -0.25], id="numbers keep their sign"),
        pytest.param(Kind.ANY, [[0.7], [-0.25]], [0.7, -0.25], id="of a model that is new"),
        pytest.param(Kind.ANY, [[[0.7]], [[-2.0]]], [0.7, -2.0], id="in another list"),
        pytest.param(Kind.ANY, [["cat"], ["dog"]], ["cat", "dog"], id="classes"),
        pytest.param(Kind.CATEGORICAL, [["cat"], ["dog"]], ["cat", "dog"], id="classes of a known model"),
        pytest.param(Kind.CATEGORICAL, [[["cat"]], [["dog"]]], ["cat", "dog"], id="classes in another list"),
        pytest.param(Kind.CATEGORICAL, [[1.0], [2.0]], ["1", "2"], id="numbers that are classes"),
        pytest.param(Kind.NUMERIC, [[True], [False]], [1.0, 0.0], id="booleans"),
    ],
)
def test_a_prediction_that_is_a_list_of_one_is_that_one(way: Any, kind: Kind, predictions: Any, expected: Any) -> None:
    one = only(way([m(prediction=p) for p in predictions], SCHEMA[kind]))
    assert told(one) == {"prediction": expected}


@WAYS
def test_a_list_of_one_beside_longer_ones_is_a_number_all_the_same(way: Any) -> None:
    one = only(way([m(prediction=[-2.0]), m(prediction=[3.0, 4.0])], SCHEMA[Kind.NUMERIC]))
    assert told(one)["prediction"] == [-2.0, 5.0]
    assert np.asarray(one.fields[f"{LISTS}prediction"])[:, 0].tolist() == [0, 2]


@WAYS
def test_labels_and_scores_are_read_alike(way: Any) -> None:
    one = only(
        way(
            [m(prediction=1.0, score=[0.7], label=[1.0]), m(prediction=1.0, score=[0.5], label=[0.0])], SCHEMA[Kind.ANY]
        )
    )
    assert told(one) == {"prediction": [1.0, 1.0], "score": [0.7, 0.5], "label": [1.0, 0.0]}


@WAYS
@pytest.mark.parametrize("kind", [Kind.NUMERIC, Kind.CATEGORICAL, Kind.ANY])
def test_a_score_that_is_a_list_has_a_column_for_each_class(way: Any, kind: Kind) -> None:
    events = [
        m(prediction=1.0, score=[0.6, 0.4]),
        m(prediction=0.0, score=[0.9, 0.1]),
        m(prediction=5.0, score=[0.2, 0.8]),
    ]
    one = only(way(events, SCHEMA[kind]))
    assert one.score is not None
    # of the predicted class, and of one that has no probability the largest
    assert np.asarray(one.score).tolist() == [0.4, 0.9, 0.8]
    names = {n.removeprefix(CLASSES): np.asarray(c).tolist() for n, c in one.fields.items() if n.startswith(CLASSES)}
    assert names == {"0": [0.6, 0.9, 0.2], "1": [0.4, 0.1, 0.8]}


@WAYS
def test_classes_in_words_are_no_places_and_lists_of_many_have_no_columns(way: Any) -> None:
    many = [0.001] * 99 + [0.9]
    one = only(way([m(prediction="cat", score=[0.6, 0.4]), m(prediction="99", score=many)], SCHEMA[Kind.ANY]))
    assert one.score is not None
    assert np.asarray(one.score).tolist() == [0.6, 0.9]
    assert np.isnan(one.fields[f"{CLASSES}1"][1])  # type: ignore[arg-type]
    assert sum(n.startswith(CLASSES) for n in one.fields) == 2


@WAYS
def test_a_probability_that_is_missing_is_missing(way: Any) -> None:
    one = only(way([m(prediction=1.0, score=[0.6, None, 0.2])], SCHEMA[Kind.ANY]))
    assert told(one) == {"prediction": [1.0], "score": [0.6], f"{CLASSES}0": [0.6], f"{CLASSES}2": [0.2]}


@WAYS
@pytest.mark.parametrize(
    "event", [m(prediction=["cat", "dog"]), m(prediction=1.0, label=[1.0, 0.0]), m(prediction=1.0, label=["a", "b"])]
)
def test_longer_lists_where_one_value_is_meant_are_refused(way: Any, event: Any) -> None:
    reject = refused(way([event], SCHEMA[Kind.ANY]))
    assert reject.reason == "wrong_type"
    assert ("prediction" if "label" not in event else "label") in reject.detail


@WAYS
def test_a_list_is_no_class(way: Any) -> None:
    assert refused(way([m(prediction=[1.0, 2.0])], SCHEMA[Kind.CATEGORICAL])).reason == "wrong_type"


def test_numbers_that_are_text_are_read_in_a_list_of_one_too() -> None:
    decoded = codec_of(mapped(prediction={"path": "p", "type": "number"})).decode(
        records([{"model": "m", "p": ["0.5"]}]), {}
    )
    assert told(only(decoded)) == {"prediction": [0.5]}


def test_a_list_of_another_length_is_missing_in_the_channels_of_its_places() -> None:
    events = [m(prediction=0.0, score=s) for s in ([0.7, 0.3], [0.2, 0.3, 0.5], [1.0], {"0": 0.6, "1": 0.4})]
    fields = only(fast(events, {})).fields
    first, second = (Part("score", "class", 2, i, name=str(i)).values(fields) for i in range(2))
    np.testing.assert_array_equal(np.asarray(first), [0.7, np.nan, np.nan, 0.6])
    np.testing.assert_array_equal(np.asarray(second), [0.3, np.nan, np.nan, 0.4])
    named = only(fast([m(prediction="a", score={"a": 0.7}), m(prediction="a", score={"a": 0.5, "b": 0.5})], {})).fields
    np.testing.assert_array_equal(np.asarray(Part("score", "class", 2, 0, name="a").values(named)), [0.7, 0.5])


@pytest.mark.parametrize("answers", [[0.7], [[0.7]], [[[0.7]]], [{"score": [0.7]}], [{"output": [[0.7]]}]])
def test_kserves_answers_are_read_however_deep(answers: Any) -> None:
    sent = (kserve("request", {"instances": [[1.5]]}), kserve("response", {"predictions": answers}))
    one = only(codec_of(limits("kserve")).decode(batch(sent), {}))
    assert told(one)["prediction"] == [0.7]


@pytest.mark.parametrize(
    ("data", "shape"),
    [([0.7, 0.2], [2, 1]), ([[0.7], [0.2]], [2, 1]), ([[[0.7]], [[0.2]]], [2, 1, 1]), ([0.7, 0.2], [2])],
)
def test_tensors_of_one_column_are_read_however_deep(data: Any, shape: list[int]) -> None:
    outputs = [{"name": "p", "shape": shape, "datatype": "FP32", "data": data}]
    asked = {"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1.0, 2.0]}]}
    sent = (kserve("request", asked), kserve("response", {"outputs": outputs}))
    assert told(only(codec_of(limits("kserve")).decode(batch(sent), {})))["prediction"] == [0.7, 0.2]


def test_rows_of_databricks_are_read_however_deep() -> None:
    row = {"databricks_request_id": "r", "request_time": "2026-11-23T06:00:11Z", "status_code": 200,
           "request": json.dumps({"dataframe_records": [{"x": 1}, {"x": 2}]}),
           "response": json.dumps({"predictions": [[0.7], [[0.2]]]})}  # fmt: skip
    fields = {"model": mapped(model={"value": "m"}).mappings.default.fields["model"]}  # type: ignore[union-attr]
    decoded = codec_of(limits("databricks", fields=fields)).decode(batch([([], json.dumps(row).encode())]), {})
    assert told(only(decoded))["prediction"] == [0.7, 0.2]


@WAYS
@pytest.mark.parametrize("kind", [Kind.NUMERIC, Kind.CATEGORICAL, Kind.ANY])
def test_text_of_numbers_is_text_in_every_format_that_has_types(way: Any, kind: Kind) -> None:
    texts = ["12.5", "abc", "1e5", " 7 ", "true", "", "1", "nan", "01234", None]
    decoded = way([m(prediction=1.0, features={"x": v}) for v in texts], {"m": Schema("m", {"x": kind}, Kind.NUMERIC)})
    one = only(decoded)
    if kind is Kind.NUMERIC:
        np.testing.assert_array_equal(one.columns["x"], [*[np.nan] * 4, 1.0, np.nan, 1.0, np.nan, np.nan, np.nan])
        assert np.flatnonzero(one.refused["x"]).tolist() == [0, 1, 2, 3, 5, 7, 8]
        assert {v.feature for v in decoded.refused} == {"x"}
    else:
        assert [*one.columns["x"]] == texts
