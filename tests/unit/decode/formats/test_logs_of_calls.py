"""MLRun, BentoML and Databricks: a record a call, by records of the platforms' own code, and by hostile ones."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

import pytest

from driftd.core.event import DropReason, EventBatch, RejectReason
from driftd.decode import codec_of
from driftd.decode.mapping.spec import Source, parse
from driftd.decode.opening import PATH
from tests.unit.decode.formats.make import batch, by_id, ids, limits, lines, read
from tests.unit.decode.make import only, refused

# -- MLRun --


def when(value: bytes) -> float:
    return datetime.fromisoformat(json.loads(value)["when"]).timestamp()


def took(one: EventBatch) -> list[float] | None:
    return None if one.latency_seconds is None else one.latency_seconds.tolist()


def test_a_latency_that_wrapped_is_repaired_by_the_records_timestamp() -> None:
    """The call took 1.2 s, and MLRun's record says 0.2 s."""
    sent = lines("mlrun.jsonl")[0]
    microseconds = json.loads(sent)["microsec"]
    assert 200_000 < microseconds < 250_000
    one = only(read("mlrun", sent, timestamp=when(sent) + 1.21))
    assert took(one) == pytest.approx([1 + microseconds / 1e6] * 2)
    rows = by_id(one)
    assert (one.model, {*rows}) == ("fraud", {"a1/0", "a1/1"})
    assert {name: rows["a1/0"][name] for name in ("f0", "f1", "prediction")} == {"f0": 12.5, "f1": 1, "prediction": 1}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(0.208, 0.2, id="quick: nothing to repair"),
        pytest.param(3.25, 3.2, id="three seconds more"),
        pytest.param(0.7, None, id="half a second off: nobody can tell"),
        pytest.param(math.nan, None, id="a file has no timestamps"),
        pytest.param(-5.0, None, id="the record is older than its call"),
        pytest.param(9000.2, None, id="the record was written again"),
    ],
)
def test_a_latency_that_cannot_be_told_is_left_out(after: float, expected: float | None) -> None:
    sent = json.loads(lines("mlrun.jsonl")[0]) | {"microsec": 200_000}
    value = json.dumps(sent).encode()
    one = only(read("mlrun", value, timestamp=when(value) + after))
    assert took(one) == (None if expected is None else pytest.approx([expected] * 2))


def test_flat_inputs_are_a_row_and_errors_are_events() -> None:
    _, flat, failed = lines("mlrun.jsonl")
    late = when(flat) + 1
    one = only(read("mlrun", flat, timestamp=late, names=["amount", "flag"]))
    assert {name: column[0] for name, column in one.columns.items()} == {"amount": 12.5, "flag": 1.0}
    one = only(read("mlrun", failed, timestamp=late))
    assert one.failed is not None
    assert (one.failed.tolist(), one.prediction, ids(one)) == ([True], None, ["a3"])
    raw = json.loads(failed) | {"request": {"id": "a4", "inputs": [1.0, 2]}}
    assert len(only(read("mlrun", json.dumps(raw).encode(), timestamp=late))) == 1


def test_schemas_name_columns_and_a_sample_has_no_ids() -> None:
    sent = json.loads(lines("mlrun.jsonl")[0])
    sent["request"]["input_schema"] = ["amount", "flag"]
    sent["resp"] |= {"outputs": [[1, 0.9], [0, 0.2]], "output_schema": ["label", "score"]}
    one = only(read("mlrun", json.dumps(sent).encode(), timestamp=when(json.dumps(sent).encode())))
    assert ({*one.columns}, one.prediction) == ({"amount", "flag"}, [1.0, 0.0])
    assert one.score is not None
    assert [*one.score] == [0.9, 0.2]
    sent["sampling_percentage"] = 50
    assert only(read("mlrun", json.dumps(sent).encode(), timestamp=2e9)).ids is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"request": {"id": "a", "inputs": []}, "resp": {"outputs": []}}, RejectReason.MISSING_FIELD),
        ({"resp": {"outputs": [1]}}, RejectReason.ROWS_DIFFER),
        ({"request": {"inputs": [[1, 2]], "input_schema": ["a"]}}, RejectReason.ROWS_DIFFER),
        ({"when": "soon"}, RejectReason.BAD_TIME),
        ({"microsec": "many"}, RejectReason.WRONG_TYPE),
        ({"request": []}, RejectReason.WRONG_TYPE),
        ({"model": None}, RejectReason.MISSING_FIELD),
    ],
)
def test_calls_of_mlrun_that_cannot_be_used_are_counted(change: dict[str, Any], reason: RejectReason) -> None:
    value = json.dumps(json.loads(lines("mlrun.jsonl")[0]) | change).encode()
    decoded = read("mlrun", value, timestamp=2e9)
    assert {r.reason for r in decoded.rejects} == {reason}
    assert not decoded.batches


def test_explanations_and_other_records_are_no_predictions() -> None:
    explained = json.loads(lines("mlrun.jsonl")[0]) | {"op": "explain"}
    decoded = read("mlrun", json.dumps(explained).encode(), b'{"kind": "x"}')
    assert decoded.dropped == {DropReason.NOT_A_PREDICTION: 2}


# -- BentoML --


def test_a_monitors_columns_are_features_but_for_the_one_that_is_the_prediction() -> None:
    *sent, schema = lines("bentoml.jsonl")
    path = [(PATH, b"/logs/fraud2/data/data.0.log")]
    fields = {"prediction": Source(("features", "verdict"))}
    records = batch([(path, value) for value in (*sent, schema)], timestamp=2e9)
    decoded = codec_of(limits("bentoml", fields=fields)).decode(records, {})
    assert decoded.dropped == {DropReason.NOT_A_PREDICTION: 1}
    one = only(decoded)
    assert one.model == "fraud2"
    assert (one.prediction, ids(one)) == ([1.0, 0.0], [])
    assert {name: list(column) for name, column in one.columns.items()} == {
        "amount": [12.5, 3.0],
        "country": ["DE", "FR"],
    }
    moment = datetime.fromisoformat(json.loads(sent[0])["timestamp"] + "+00:00")
    assert one.times[0] == moment.timestamp()


def test_a_log_of_bentoml_that_cannot_be_used_is_counted() -> None:
    model = {"model": Source(value="fraud")}
    assert refused(read("bentoml", b'{"timestamp": "noon", "a": 1}', fields=model)).reason is RejectReason.BAD_TIME
    assert refused(read("bentoml", b"[1]", fields=model)).reason is RejectReason.WRONG_TYPE
    assert refused(read("bentoml", b"{", fields=model)).reason is RejectReason.NOT_JSON


# -- Databricks --


def row(request: Any, response: Any, **more: Any) -> bytes:
    given = {
        "databricks_request_id": "d1",
        "client_request_id": None,
        "request_time": "2026-09-01T10:00:00.120Z",
        "status_code": 200,
        "sampling_fraction": 1.0,
        "execution_duration_ms": 12,
        "served_entity_id": "fraud-7",
        "request": request if request is None else json.dumps(request),
        "response": response if response is None else json.dumps(response),
        **more,
    }
    return json.dumps(given).encode()


def databricks(*values: bytes) -> Any:
    return read("databricks", *values, fields={"model": Source(value="fraud")})


def test_a_row_of_an_inference_table_is_a_call() -> None:
    split = {"dataframe_split": {"columns": ["amount", "country"], "data": [[12.5, "DE"], [3.0, "FR"]]}}
    one = only(databricks(row(split, {"predictions": [0.9, 0.1]})))
    assert by_id(one)["d1/1"] == {
        "amount": 3.0,
        "country": "FR",
        "prediction": 0.1,
        "latency_seconds": 0.012,
        "variant": "fraud-7",
    }
    assert one.times.tolist() == [1788256800.12] * 2


def test_older_tables_and_failed_calls() -> None:
    old = {"request_time": None, "timestamp_ms": 1788256800120, "execution_duration_ms": None, "execution_time_ms": 9}
    about = {"request_metadata": [["model_name", "risk"], ["model_version", "3"]]}
    one = only(read("databricks", row({"instances": [{"a": 1}]}, {"predictions": [1]}, **old, **about)))
    assert (one.model, one.version, one.times.tolist()) == ("risk", "3", [1788256800.12])
    assert took(one) == [0.009]
    failed = only(databricks(row({"inputs": [[1.0]]}, {"error_code": "BAD_REQUEST"}, status_code=400)))
    assert failed.failed is not None
    assert (failed.failed.tolist(), failed.prediction) == ([True], None)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (row(None, None), RejectReason.MISSING_FIELD),
        (row({"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}, None), RejectReason.ROWS_DIFFER),
        (row({"inputs": {"a": [1], "b": [1, 2]}}, None), RejectReason.ROWS_DIFFER),
        (row({"dataframe_split": 7}, None), RejectReason.WRONG_TYPE),
        (row({"inputs": [[1]]}, {"predictions": [1, 2]}), RejectReason.ROWS_DIFFER),
        (row({}, None).replace(b'"{}"', b'"{"'), RejectReason.NOT_JSON),
        (row(None, None, request_time="x"), RejectReason.BAD_TIME),
    ],
)
def test_rows_that_cannot_be_used_are_counted(value: bytes, reason: RejectReason) -> None:
    assert refused(databricks(value)).reason is reason


def test_what_all_rows_of_a_call_share_is_bounded_before_it_is_in_each_of_them() -> None:
    """8,000 rows with an id of 60 kB would be half a gigabyte; with one of 400 bytes they are 3 MB."""
    for length, usable in ((400, True), (60_000, False)):
        calls = row({"inputs": [[1]] * 8_000}, {"predictions": [1] * 8_000}, databricks_request_id="i" * length)
        decoded = databricks(calls)
        if usable:
            assert len(only(decoded)) == 8_000
        else:
            assert refused(decoded).reason is RejectReason.TOO_LARGE
            assert "8000 rows, each with 60" in refused(decoded).detail


# -- logs of feature stores --

FEAST = {
    "driver_id": 1,
    "stats__trips": 7,
    "stats__trips__timestamp": "2026-09-01T10:00:00+00:00",
    "stats__trips__status": 1,
    "stats__rate": 0.5,
    "stats__rate__timestamp": "2026-09-01T09:00:00+00:00",
    "stats__rate__status": 1,
    "__log_timestamp": "2026-09-01T10:00:00.120000+00:00",
    "__log_date": "2026-09-01",
    "__request_id": "r1",
}
"""As feast-dev/feast@f0bc070 has it in sdk/python/feast/feature_logging.py."""


def feast(**changed: Any) -> bytes:
    return json.dumps(FEAST | changed).encode()


def test_a_feature_of_feast_has_a_value_where_its_status_is_present() -> None:
    rows = [feast(stats__rate__status=status, __request_id=f"r{status}") for status in (0, 1, 2, 3, 4, None, "1")]
    one = only(
        read("feast", *rows, fields={"model": Source(value="driver"), "unit": Source(parse("entities.driver_id"))})
    )
    assert [*one.columns["stats__rate"]] == [None, 0.5, None, None, None, None, None]
    assert [*one.columns["stats__trips"]] == [7.0] * 7
    assert sorted(one.columns) == ["stats__rate", "stats__trips"]
    assert ids(one)[:2] == ["r0", "r1"]
    assert one.times.tolist() == [1788256800.12] * 7
    assert [*one.fields["unit"]] == [1.0] * 7


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            b'{"__request_id": "r", "__log_timestamp": "2026-09-01T10:00:00Z", "driver_id": 1}',
            RejectReason.MISSING_FIELD,
        ),
        (feast(__log_timestamp="yesterday"), RejectReason.BAD_TIME),
        (feast(__request_id=[1]), RejectReason.WRONG_TYPE),
        (b"[1]", RejectReason.WRONG_TYPE),
        (feast()[:-1], RejectReason.NOT_JSON),
        (b"\xff", RejectReason.NOT_UTF8),
        (None, RejectReason.EMPTY),
    ],
)
def test_rows_of_feast_that_cannot_be_used_are_counted(value: bytes | None, reason: RejectReason) -> None:
    done = read("feast", value, feast(), fields={"model": Source(value="driver")})
    assert ([r.reason for r in done.rejects], [len(one) for one in done.batches]) == ([reason], [1])


LATER = 1_796_060_000.0
"""Than the sample was made."""


def test_rows_of_hopsworks_own_are_predictions() -> None:
    one = only(read("hopsworks", *lines("hopsworks.jsonl"), timestamp=LATER))
    assert (one.model, one.version, ids(one)) == ("fraud", "7", ["r1", "r2"])
    assert {name: [*column] for name, column in one.columns.items()} == {"amount": [12.5, 3.0], "country": ["DE", None]}
    assert one.prediction == [1.0, 0.0]
    assert one.times[0] == pytest.approx(1796050398.185010, abs=1e-5)  # of its log_time, as UTC


def test_the_first_of_several_predictions_of_hopsworks_counts_until_the_mapping_says_another() -> None:
    row = {"log_id": "l1", "log_time": "2026-09-01T10:00:00Z", "model_name": "m", "amount": 1, "request_id": None}
    row |= {"predicted_fraud": 1, "predicted_loss": 41.5, "request_parameters": "{}", "td_version": 3}
    one = only(read("hopsworks", json.dumps(row).encode()))
    assert (one.prediction, ids(one), sorted(one.columns)) == ([1.0], ["l1"], ["amount"])
    one = only(read("hopsworks", json.dumps(row).encode(), fields={"prediction": Source(parse("outputs.loss"))}))
    assert one.prediction == [41.5]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"log_time": "yesterday"}, RejectReason.BAD_TIME),
        ({"log_time": 1788256800000}, RejectReason.BAD_TIME),
        ({"model_name": None}, RejectReason.MISSING_FIELD),
        ({"predicted_fraud": {"a": 1}}, RejectReason.WRONG_TYPE),
        ({"request_id": {}}, RejectReason.WRONG_TYPE),
    ],
)
def test_rows_of_hopsworks_that_cannot_be_used_are_counted(changed: dict[str, Any], reason: RejectReason) -> None:
    good = lines("hopsworks.jsonl")[0]
    done = read("hopsworks", json.dumps(json.loads(good) | changed).encode(), good, timestamp=LATER)
    assert ([r.reason for r in done.rejects], [len(one) for one in done.batches]) == ([reason], [1])
    for none in (b'{"amount": 1}', b"[]", b"3"):
        assert refused(read("hopsworks", none)).reason in {RejectReason.MISSING_FIELD, RejectReason.WRONG_TYPE}
