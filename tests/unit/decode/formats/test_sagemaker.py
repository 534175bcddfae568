"""SageMaker's data capture: by the published record, and by bodies of other shapes, hostile ones too."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftd.core.errors import ConfigError
from driftd.core.event import Decoded, DropReason, RejectReason
from driftd.decode.mapping.spec import Source
from driftd.sources.files.source import open_events
from tests.unit.decode.formats.make import by_id, ids, limits, lines, read
from tests.unit.decode.make import only, refused


def captured(asked: Any = None, told: Any = None, **about: Any) -> bytes:
    parts = {"endpointInput": asked, "endpointOutput": told}
    given = {"eventId": "e1", "inferenceTime": "2026-09-01T10:00:00Z", **about}
    return json.dumps(
        {"captureData": {name: part for name, part in parts.items() if part is not None}, "eventMetadata": given}
    ).encode()


def part(data: Any, encoding: str = "CSV", content: str = "text/csv") -> dict[str, Any]:
    return {"observedContentType": content, "mode": "INPUT", "data": data, "encoding": encoding}


def sagemaker(*values: bytes | None, **other: Any) -> Decoded:
    return read("sagemaker", *values, fields={"model": Source(value="fraud")}, **other)


def test_the_published_capture_is_one_event() -> None:
    one = only(sagemaker(*lines("sagemaker.jsonl")))
    assert (len(one), len(one.columns), one.prediction) == (1, 69, [0.0254181120544672])
    assert {name: one.columns[name][0] for name in ("f0", "f2", "f68")} == {"f0": 69.0, "f2": 153.7, "f68": 0.0}
    assert one.times.tolist() == [1644859549.0]
    assert ids(one) == ["aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"]


def test_each_line_of_csv_is_an_event_with_the_names_of_the_mapping() -> None:
    value = captured(part("12.5,DE\n3.0,\n"), part("0.9\n0.1\n"), inferenceId="mine")
    one = only(sagemaker(value, names=["amount", "country"]))
    assert by_id(one) == {
        "mine/0": {"amount": 12.5, "country": "DE", "prediction": 0.9},
        "mine/1": {"amount": 3.0, "country": None, "prediction": 0.1},
    }


def test_answers_in_one_line_are_those_of_the_rows() -> None:
    assert only(sagemaker(captured(part("1\n2\n3"), part("0.9,0.1,0.5")))).prediction == [0.9, 0.1, 0.5]
    several = only(sagemaker(captured(part("1\n2"), part("0.9,0.1\n0.3,0.7"))))
    assert several.prediction == [0.9, 0.3]


def test_postcodes_quotes_and_words_for_nothing_in_csv() -> None:
    one = only(sagemaker(captured(part('01234,"a, ""b""",nan,1e999,-0.5'), part("1"))))
    assert [one.columns[f"f{i}"][0] for i in (0, 1, 4)] == ["01234", 'a, "b"', -0.5]
    assert not {"f2", "f3"} & {name for name, column in one.columns.items() if column[0] is not None}


def test_a_number_beyond_floats_in_csv_is_a_refused_value() -> None:
    one = only(sagemaker(captured(part("1e999,-inf,nan,2.5"), part("1"))))
    assert {name: flags.tolist() for name, flags in one.refused.items()} == {"f0": [True], "f1": [True]}
    assert one.columns["f3"][0] == 2.5


@pytest.mark.parametrize(
    ("asked", "features"),
    [
        ({"instances": [{"amount": 12.5}]}, {"amount": 12.5}),
        ({"instances": [[12.5, 1]]}, {"f0": 12.5, "f1": 1.0}),
        ([[12.5, 1]], {"f0": 12.5, "f1": 1.0}),
        # AWS, "Common data formats for inference"
        ({"features": [12.5, 1]}, {"f0": 12.5, "f1": 1.0}),
        ({"instances": [{"features": [12.5, 1]}]}, {"f0": 12.5, "f1": 1.0}),
        ({"data": {"features": {"values": [12.5, 1]}}}, {"f0": 12.5, "f1": 1.0}),
        ({"instances": [{"configuration": {}, "data": {"features": {"values": [12.5], "shape": [1]}}}]}, {"f0": 12.5}),
        ({"features": 3, "data": 2}, {"features": 3.0, "data": 2.0}),
        ([12.5, 1], {"f0": 12.5, "f1": 1.0}),
        ({"amount": 12.5}, {"amount": 12.5}),
        ({"dataframe_split": {"columns": ["amount"], "data": [[12.5]]}}, {"amount": 12.5}),
        ({"dataframe_records": [{"amount": 12.5}]}, {"amount": 12.5}),
        ({"inputs": {"amount": [12.5]}}, {"amount": 12.5}),
        ({"inputs": [{"name": "amount", "shape": [1], "datatype": "FP64", "data": [12.5]}]}, {"amount": 12.5}),
    ],
)
def test_requests_as_json_of_any_common_shape(asked: Any, features: dict[str, float]) -> None:
    value = captured(part(json.dumps(asked), "JSON", "application/json"), part("1"))
    one = only(sagemaker(value))
    assert {name: column[0] for name, column in one.columns.items()} == features


@pytest.mark.parametrize(
    ("told", "prediction", "score"),
    [
        ({"predictions": [{"score": 0.9, "predicted_label": 1}]}, 1.0, 0.9),
        ({"predictions": [{"score": 0.9}]}, 0.9, None),
        ({"predictions": [[0.5]]}, 0.5, None),
        ([0.5], 0.5, None),
        (0.5, 0.5, None),
        ({"outputs": [{"name": "y", "shape": [1], "datatype": "FP64", "data": [0.5]}]}, 0.5, None),
    ],
)
def test_answers_as_json_of_any_common_shape(told: Any, prediction: float, score: float | None) -> None:
    one = only(sagemaker(captured(part("1"), part(json.dumps(told), "JSON", "application/json"))))
    assert one.prediction == [prediction]
    assert (None if one.score is None else [*one.score]) == (None if score is None else [score])


def test_rows_of_values_have_the_mappings_names_and_sparse_ones_are_refused() -> None:
    rows = '{"features": [12.5, "DE"]}\n{"features": [3.0, "FR"]}'
    value = captured(part(rows, "JSON", "application/jsonlines"), part("0.9\n0.1"), inferenceId="mine")
    assert by_id(only(sagemaker(value, names=["amount", "country"]))) == {
        "mine/0": {"amount": 12.5, "country": "DE", "prediction": 0.9},
        "mine/1": {"amount": 3.0, "country": "FR", "prediction": 0.1},
    }
    sparse = json.dumps({"instances": [{"data": {"features": {"keys": [5, 9], "values": [1.5, 2.5]}}}]})
    why = refused(sagemaker(captured(part(sparse, "JSON", "application/json"), part("1"))))
    assert (why.reason, "sparse" in why.detail) == (RejectReason.UNDECODABLE, True)


def test_json_lines_and_base64_of_text() -> None:
    asked = part('{"amount": 12.5}\n{"amount": 3}\n', "JSON", "application/jsonlines")
    told = part(base64.b64encode(b"0.9\n0.1").decode(), "BASE64", "text/csv; charset=utf-8")
    assert only(sagemaker(captured(asked, told))).prediction == [0.9, 0.1]


def test_a_half_alone_is_an_event_of_what_there_is() -> None:
    assert only(sagemaker(captured(part("1")))).prediction is None
    assert only(sagemaker(captured(None, part("0.5")))).prediction == [0.5]


def test_ground_truth_is_a_label_for_its_id() -> None:
    truth = {"groundTruthData": {"data": "1\n0", "encoding": "CSV"}, "eventMetadata": {"eventId": "mine"}}
    decoded = sagemaker(json.dumps(truth).encode())
    alone = only(decoded).labels_alone
    assert alone is not None
    assert (list(alone.ids), list(alone.labels)) == (["mine/0", "mine/1"], [1.0, 0.0])
    merged = json.loads(captured(part("1"), part("0.9"))) | {"groundTruthData": {"data": "1", "encoding": "CSV"}}
    one = only(sagemaker(json.dumps(merged).encode()))
    assert (one.prediction, one.label) == ([0.9], [1.0])


@pytest.mark.parametrize(
    ("value", "reason", "words"),
    [
        (None, RejectReason.EMPTY, "null value"),
        (b"{", RejectReason.NOT_JSON, ""),
        (captured(part("1\n2"), part("1\n2\n3")), RejectReason.ROWS_DIFFER, "2 rows, and its answer 3"),
        (captured(part("AAAA", "BASE64", "application/x-npy")), RejectReason.UNDECODABLE, "neither CSV nor JSON"),
        (captured(part("%%", "BASE64")), RejectReason.UNDECODABLE, "not base64 of text"),
        (captured(part("/w==", "BASE64")), RejectReason.UNDECODABLE, "not base64 of text"),
        (captured(part("1", "XML")), RejectReason.UNDECODABLE, "expected CSV, JSON or BASE64"),
        (captured(part(1.5)), RejectReason.WRONG_TYPE, "expected a string"),
        (captured(part("{", "JSON")), RejectReason.NOT_JSON, ""),
        (captured(part("")), RejectReason.EMPTY, "no rows in the request"),
        (captured(), RejectReason.MISSING_FIELD, "neither endpointInput nor endpointOutput"),
        (captured(part("1"), inferenceTime="yesterday"), RejectReason.BAD_TIME, "inferenceTime"),
        (captured(part("1"), inferenceTime="2999-01-01T00:00:00Z"), RejectReason.BAD_TIME, ""),
        (captured(part("1"), eventId=7), RejectReason.WRONG_TYPE, "eventMetadata.eventId"),
        (b'{"captureData": []}', RejectReason.WRONG_TYPE, "captureData"),
    ],
)
def test_captures_that_cannot_be_used_are_counted(value: bytes | None, reason: RejectReason, words: str) -> None:
    reject = refused(sagemaker(value))
    assert reject.reason is reason
    assert words in reject.detail


def test_what_is_neither_capture_nor_truth_is_no_prediction() -> None:
    assert sagemaker(b'{"a": 1}').dropped == {DropReason.NOT_A_PREDICTION: 1}


def test_files_by_the_hour_say_endpoint_and_variant_and_are_read_in_the_order_of_their_hours(tmp_path: Path) -> None:
    for variant, hour in (("b", 9), ("a", 10), ("b", 11), ("a", 8)):
        folder = tmp_path / f"captured/fraud/{variant}/2026/09/01/{hour:02d}"
        folder.mkdir(parents=True)
        text = captured(part("1"), part("0.5"), inferenceTime=f"2026-09-01T{hour:02d}:30:00Z").decode()
        (folder / "12-1.jsonl").write_text(f"{text}\n{text}\n")
    events = open_events(str(tmp_path / "captured"), None, limits("sagemaker"))
    read = [(records, only(events.codec.decode(records, {}))) for records in events.batches()]
    assert [b.model for _, b in read] == ["fraud"] * 4
    assert [b.fields["variant"] for _, b in read] == [["a"] * 2, ["b"] * 2, ["a"] * 2, ["b"] * 2]
    assert [(b.times[0] % 86400 - 1800) / 3600 for _, b in read] == [8, 9, 10, 11]
    assert [r.offsets.tolist() for r, _ in read] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert {r.source for r, _ in read} == {"captured"}


def test_truths_in_files_are_known_at_the_end_of_their_hour(tmp_path: Path) -> None:
    folder = tmp_path / "truth/2026/09/01/10"
    folder.mkdir(parents=True)
    truth = {"groundTruthData": {"data": "1", "encoding": "CSV"}, "eventMetadata": {"eventId": "mine"}}
    (folder / "x.jsonl").write_text(json.dumps(truth))
    given = limits("sagemaker", fields={"model": Source(value="fraud")})
    events = open_events(str(tmp_path / "truth"), None, given)
    (records,) = events.batches()
    alone = only(events.codec.decode(records, {})).labels_alone
    assert alone is not None
    assert alone.times.tolist() == [1788260400.0]  # 2026-09-01T11:00:00Z


def test_a_folder_of_two_kinds_of_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}")
    (tmp_path / "b.parquet").write_text("")
    with pytest.raises(ConfigError, match=r"files of one kind, got \.parquet and \.jsonl"):
        open_events(str(tmp_path))


@pytest.mark.parametrize("encoding", ["CSV", "JSON"])
@pytest.mark.parametrize("content", ["text/csv", "application/json"])
@pytest.mark.parametrize("asked", ["12.5,DE", '[12.5, "DE"]', '[[12.5, "DE"]]'])
@pytest.mark.parametrize("told", ["[0.25, 0.75]", "[[0.25, 0.75]]", "[[0.25,\n0.75]]\n", '"[0.25, 0.75]"'])
def test_lists_that_are_called_csv_are_lists(told: str, asked: str, content: str, encoding: str) -> None:
    value = captured(part(asked, "CSV"), part(told, encoding, content))
    one = only(sagemaker(value, names=["amount", "country"]))
    assert by_id(one).keys() == {"e1"}
    assert {name: column[0] for name, column in one.columns.items()} == {"amount": 12.5, "country": "DE"}
    assert np.asarray(one.fields["list.prediction"]).tolist() == [[2.0, 0.25, 0.75]]


@pytest.mark.parametrize("told", ["[0.25, 0.75]\n[0.5, 0.5]", "[[0.25, 0.75], [0.5, 0.5]]", "[0.25, 0.75], [0.5, 0.5]"])
def test_each_list_of_several_is_a_rows(told: str) -> None:
    one = only(sagemaker(captured(part("1\n2"), part(told))))
    assert np.asarray(one.fields["list.prediction"]).tolist() == [[2.0, 0.25, 0.75], [2.0, 0.5, 0.5]]


def test_a_list_of_as_many_numbers_as_rows_is_one_for_each() -> None:
    assert only(sagemaker(captured(part("1\n2"), part("[0.25, 0.75]")))).prediction == [0.25, 0.75]
    assert only(sagemaker(captured(part("1"), part("[0.25]")))).prediction == [0.25]


def test_an_answer_of_autopilot_is_its_class_and_lists_stay_lists() -> None:
    line = "cat,0.75,\"[0.75, 0.25]\",\"['cat', 'dog']\"\n"
    mapping = {"model": Source(value="fraud"), "score": Source(("outputs", 2))}
    one = only(read("sagemaker", captured(part("1"), part(line)), fields=mapping))
    assert (one.prediction, np.asarray(one.score).tolist()) == (["cat"], [0.75])
    assert np.asarray(one.fields["class.1"]).tolist() == [0.25]


@pytest.mark.parametrize("told", ["0.7,[0.25", "cat,[0.25, 0.75]", "[0.25;0.75]", "[0.25, 0.75", "{0.25"])
@pytest.mark.parametrize("half", ["asked", "told"])
def test_half_a_list_is_no_class(told: str, half: str) -> None:
    reject = refused(sagemaker(captured(**{"asked": part("1"), "told": part("1"), half: part(told)})))
    assert reject.reason is RejectReason.UNDECODABLE
    assert reject.detail == "data: half a list: commas in a value of CSV need quotes around it"


@pytest.mark.parametrize("truth", ["1\n0", "[1, 0]", "[[1], [0]]", "[1]\n[0]"])
@pytest.mark.parametrize("encoding", ["CSV", "JSON"])
def test_ground_truth_that_is_a_list_is_a_label_for_each_row(truth: str, encoding: str) -> None:
    merged = json.loads(captured(part("1\n2"), part("1\n1"))) | {"groundTruthData": part(truth, encoding)}
    one = only(sagemaker(json.dumps(merged).encode()))
    assert one.label == [1.0, 0.0]


def test_a_list_as_numpy_prints_it_is_a_list() -> None:
    one = only(sagemaker(captured(part("1"), part("[0.25 -7.5e-01]"))))
    assert np.asarray(one.fields["list.prediction"]).tolist() == [[2.0, 0.25, -0.75]]
