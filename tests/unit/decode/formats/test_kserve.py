"""KServe's inference logger: calls of both protocols, whole and in halves, and what must not be taken for one."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from driftd.core.event import DropReason, RejectReason
from driftd.decode import codec_of
from driftd.decode.json.strict import Refused
from driftd.decode.mapping.spec import Source, parse
from driftd.decode.payload import asked
from driftd.decode.protocol import answer_of, body_of, requested_of
from driftd.decode.tensors import request_of, response_of
from driftd.ingest.halves import Halves
from tests.unit.decode.formats.make import SAMPLES, batch, decode, ids, kserve, limits, lines
from tests.unit.decode.make import accounted, only, refused

# The call of kserve/kserve@00ad214:docs/samples/logger/basic/README.md, as its message dumper printed it.
IRIS = {"instances": [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]}
SAMPLE = (
    kserve("request", IRIS, "0009174a-24a8-4603-b098-09c8799950e9", "2021-04-10T00:23:26.0789529Z"),
    kserve("response", {"predictions": [1, 1]}, "0009174a-24a8-4603-b098-09c8799950e9", "2021-04-10T00:23:26.080736Z"),
)
# Tensors as kserve/kserve@aaac4e2:docs/predict-api/v2/rest_predict_v2.yaml has them.
V2 = {
    "id": "a1",
    "inputs": [
        {"name": "amount", "shape": [2, 1], "datatype": "FP64", "data": [12.5, 3.0]},
        {"name": "country", "shape": [2], "datatype": "BYTES", "data": ["DE", "FR"]},
    ],
}


def v2(*outputs: Any, **more: Any) -> dict[str, Any]:
    tensors = [{"name": name, "shape": shape, "datatype": "FP32", "data": data} for name, shape, data in outputs]
    return {"model_name": "fraud", "id": "a1", "outputs": tensors, **more}


def test_the_published_sample_is_two_events_with_the_latency_of_the_call() -> None:
    events = only(decode("kserve", *SAMPLE, names=("sepal_length", "sepal_width", "petal_length", "petal_width")))
    assert events.model == "default/sklearn-iris"
    assert {name: [*column] for name, column in events.columns.items()} == {
        "sepal_length": [6.8, 6.0],
        "sepal_width": [2.8, 3.4],
        "petal_length": [4.8, 4.5],
        "petal_width": [1.4, 1.6],
    }
    assert events.prediction == [1, 1]
    assert events.latency_seconds is not None
    assert events.latency_seconds.tolist() == pytest.approx([0.0017831, 0.0017831], abs=1e-6)
    assert events.times.tolist() == pytest.approx([1618014206.0789529] * 2, abs=1e-6)
    assert list(events.ids or ()) == [f"0009174a-24a8-4603-b098-09c8799950e9/{row}" for row in (0, 1)]


def test_the_halves_find_each_other_in_either_order_and_over_batches() -> None:
    codec, halves = codec_of(limits("kserve")), Halves()
    first = codec.decode(batch(SAMPLE[1:]), {}, halves)
    assert (first.received, [*first.batches], len(halves.waiting)) == (0, [], 1)
    second = codec.decode(batch(SAMPLE[:1], start=1), {}, halves)
    assert accounted(second)
    assert [*only(second).columns] == ["f0", "f1", "f2", "f3"]
    assert (halves.waiting, halves.size) == ({}, 0)


def test_columns_of_v2_tensors_are_features_and_the_version_is_the_answers() -> None:
    answer = v2(("predict", [2], [0, 1]), ("predict_proba", [2, 2], [0.9, 0.1, 0.2, 0.8]), model_version="3")
    events = only(decode("kserve", kserve("request", V2), kserve("response", answer)))
    assert {**events.columns} == {"amount": [12.5, 3.0], "country": ["DE", "FR"]}
    assert (events.prediction, events.version) == ([0, 1], "3")
    assert events.score is not None
    assert [*events.score] == [0.9, 0.8]


@pytest.mark.parametrize(
    ("data", "shape"), [([1, 2, 3, 4], [2, 2]), ([[1, 2], [3, 4]], [2, 2]), ([[[1], [2]], [[3], [4]]], [2, 2, 1])]
)
def test_one_tensor_of_many_columns_has_a_feature_for_each(data: Any, shape: list[int]) -> None:
    body = {"inputs": [{"name": "x", "shape": shape, "datatype": "INT64", "data": data}]}
    call = kserve("request", body), kserve("response", v2(("y", [2, 1], [7, 8])))
    assert {**only(decode("kserve", *call)).columns} == {"x[0]": [1, 3], "x[1]": [2, 4]}
    assert {**only(decode("kserve", *call, names=("a", "b"))).columns} == {"a": [1, 3], "b": [2, 4]}


def test_instances_may_be_objects_or_single_values_and_predictions_lists_of_one() -> None:
    request = {"instances": [{"amount": 12.5, "country": "DE"}, {"amount": 3, "country": "FR"}]}
    events = only(decode("kserve", kserve("request", request), kserve("response", {"predictions": [[-0.5], [2.0]]})))
    assert {**events.columns} == {"amount": [12.5, 3.0], "country": ["DE", "FR"]}
    assert events.prediction == [-0.5, 2.0]
    single = only(
        decode("kserve", kserve("request", {"instances": ["a text"]}), kserve("response", {"predictions": [1]}))
    )
    assert {**single.columns} == {"f0": ["a text"]}
    assert list(single.ids or ()) == ["7d0c"]


def test_a_mapping_chooses_among_outputs_and_names_the_model() -> None:
    fields = {"model": Source(value="fraud"), "prediction": Source(parse("outputs.b[1]"))}
    answer = v2(("a", [1], [0]), ("b", [1, 2], [5, 6]))
    one = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1.5]}]}
    events = only(decode("kserve", kserve("request", one), kserve("response", answer), fields=fields))
    assert (events.model, events.prediction) == ("fraud", [6])


def test_a_batch_that_failed_is_an_error_for_each_of_its_rows() -> None:
    # kserve/kserve@aaac4e2:pkg/batcher/handler.go answers 200 without predictions, and with a message
    failed = {"message": "no response", "batchId": "b", "predictions": None}
    events = only(decode("kserve", kserve("request", IRIS), kserve("response", failed)))
    assert events.failed is not None
    assert events.failed.tolist() == [True, True]
    assert events.prediction is None


def test_the_endpoint_is_the_variant_and_batch_ids_do_no_harm() -> None:
    answer = {"message": "", "batchId": "b", "predictions": [1, 1]}
    decoded = decode(
        "kserve", kserve("request", IRIS, endpoint="canary"), kserve("response", answer, endpoint="canary")
    )
    assert len(only(decoded)) == 2


def test_headers_of_the_request_are_for_a_mapping_to_read() -> None:
    """kserve@0217bdab, pkg/logger/handler.go: allow-listed headers, by name a list of values."""
    told = {"X-Variant": ["canary"], "X-User": ["u1", "u2"]}
    asked = kserve("request", {"instances": [[1.0]]}, metadata=json.dumps(told))
    fields = {"variant": Source(parse("metadata.X-Variant[0]")), "unit": Source(parse("metadata.X-User[0]"))}
    one = only(decode("kserve", asked, kserve("response", {"predictions": [1]}), fields=fields))
    assert ([*one.fields["variant"]], [*one.fields["unit"]]) == (["canary"], ["u1"])
    for damaged in ("{", "[]", '{"X-Variant": 3}', ""):
        asked = kserve("request", {"instances": [[1.0]]}, metadata=damaged)
        assert len(only(decode("kserve", asked, kserve("response", {"predictions": [1]}), fields=fields))) == 1


def test_halves_that_come_again_are_duplicates_and_count_once() -> None:
    halves = Halves()
    decoded = decode("kserve", SAMPLE[0], SAMPLE[0], SAMPLE[1], SAMPLE[1], SAMPLE[0], halves=halves)
    assert accounted(decoded)
    assert len(only(decoded)) == 2
    assert decoded.dropped == {DropReason.DUPLICATE: 3}
    (counts,) = halves.counts.values()
    assert (counts.answered, counts.duplicate) == (1, 3)


def test_the_same_id_of_two_services_is_two_calls() -> None:
    other = kserve("response", {"predictions": [1, 1]}, inferenceservicename="other")
    halves = Halves()
    assert decode("kserve", kserve("request", IRIS), other, halves=halves).received == 0
    assert len(halves.waiting) == 2


def test_records_that_are_no_call_of_the_predictor_are_dropped_by_name() -> None:
    sent = (
        kserve("request", IRIS, component="transformer"),
        kserve("request", IRIS, type="io.seldon.serving.feedback"),
        *SAMPLE,
    )
    decoded = decode("kserve", *sent)
    assert decoded.dropped == {DropReason.NOT_A_PREDICTION: 2}
    assert len(only(decoded)) == 2


def test_structured_mode_is_read_with_and_without_its_header() -> None:
    lines = []
    for headers, value in SAMPLE:
        attributes = {name[3:]: text.decode() for name, text in headers if name.startswith("ce_")}
        lines.append(json.dumps({**attributes, "data": json.loads(value or b"")}).encode())
    structured = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    for headers in ([], structured):
        assert only(decode("kserve", *((headers, line) for line in lines))).prediction == [1, 1]


TENSOR = {"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}
HOSTILE: list[tuple[Any, RejectReason, str]] = [
    (None, RejectReason.EMPTY, "null value"),
    (b"", RejectReason.EMPTY, "empty value"),
    (b"\x00\x01", RejectReason.NOT_JSON, "not JSON"),
    (b"\xff", RejectReason.NOT_UTF8, "not UTF-8 at byte 0"),
    (b'{"instances": [1', RejectReason.NOT_JSON, "truncated"),
    (b'{"instances": ' + b"[" * 600 + b"]" * 600 + b"}", RejectReason.TOO_DEEP, "nested deeper"),
    (b'{"instances": [NaN]}', RejectReason.NOT_FINITE, "NaN is not JSON"),
    ([], RejectReason.WRONG_TYPE, "body: not as the inference protocol has it: expected object, got array"),
    ({"inputs": [{"name": 5}]}, RejectReason.WRONG_TYPE, "has it: expected str, got int"),
    ({}, RejectReason.MISSING_FIELD, "neither instances nor inputs"),
    ({"instances": []}, RejectReason.EMPTY, "no rows"),
    ({"instances": {"a": 1}}, RejectReason.WRONG_TYPE, "instances"),
    ({"inputs": []}, RejectReason.EMPTY, "no rows"),
    ({"inputs": [{**TENSOR, "shape": [2]}]}, RejectReason.WRONG_TYPE, "1 values do not fit the shape"),
    ({"inputs": [{**TENSOR, "shape": [-1, -1]}]}, RejectReason.WRONG_TYPE, "do not fit the shape"),
    ({"inputs": [{**TENSOR, "shape": [10**9] * 40}]}, RejectReason.WRONG_TYPE, "do not fit the shape"),
    ({"inputs": [{**TENSOR, "shape": [10**9, 0], "data": []}]}, RejectReason.EMPTY, "no rows"),
    ({"inputs": [{**TENSOR, "shape": [0, 10**9], "data": []}]}, RejectReason.EMPTY, "no rows"),
    ({"inputs": [{**TENSOR, "shape": [0, 10**9], "data": []}, TENSOR]}, RejectReason.ROWS_DIFFER, "0 and of 1 rows"),
    ({"inputs": [{**TENSOR, "shape": "x"}]}, RejectReason.WRONG_TYPE, "inputs"),
    ({"inputs": [{**TENSOR, "data": [[1], 2], "shape": [2]}]}, RejectReason.WRONG_TYPE, "lists beside values"),
    ({"inputs": [{**TENSOR, "name": "n" * 200}]}, RejectReason.NAME_TOO_LONG, "128 bytes"),
    ({"inputs": [TENSOR, TENSOR]}, RejectReason.WRONG_TYPE, "inputs: two of the name 'x'"),
    (
        {"inputs": [{**TENSOR, "shape": [1, 2], "data": [1, 2]}, {**TENSOR, "name": "x[1]"}]},
        RejectReason.WRONG_TYPE,
        "inputs: two of the name 'x[1]'",
    ),
    ({"inputs": [TENSOR, {**TENSOR, "shape": [2], "data": [1, 2]}]}, RejectReason.ROWS_DIFFER, "1 and of 2 rows"),
    (
        {"inputs": [{**TENSOR, "parameters": {"binary_data_size": 8}}]},
        RejectReason.WRONG_TYPE,
        "binary data behind the JSON",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("body", "reason", "words"), HOSTILE, ids=[f"{i} {r}" for i, (_, r, _) in enumerate(HOSTILE)])
def test_a_request_that_cannot_be_read_is_rejected_and_its_neighbours_are_not(
    body: Any, reason: RejectReason, words: str
) -> None:
    decoded = decode("kserve", kserve("request", body, "other"), *SAMPLE)
    assert accounted(decoded)
    assert [len(b) for b in decoded.batches] == [2]
    (reject,) = decoded.rejects
    assert (reject.index, reject.reason) == (0, reason)
    assert words in reject.detail


def test_an_answer_with_other_rows_than_its_request_is_rejected() -> None:
    decoded = decode("kserve", kserve("request", IRIS), kserve("response", {"predictions": [1]}))
    assert refused(decoded).detail == "the request has 2 rows, and its answer 1"
    assert refused(decoded).reason is RejectReason.ROWS_DIFFER


def test_two_names_that_are_one_are_refused_in_answers_and_in_tables_too() -> None:
    told = v2(("score", [2], [0.9, 0.1]), ("x", [2], [1, 0]), ("x", [2], [0, 1]))
    decoded = decode("kserve", kserve("request", V2), kserve("response", told))
    assert refused(decoded).detail == "outputs: two of the name 'x'"
    with pytest.raises(Refused, match="columns: two of the name 'a'"):
        asked(b'{"dataframe_split": {"columns": ["a", "a"], "data": [[1, 2]]}}', listed=False)


@pytest.mark.parametrize("missing", ["id", "type", "source", "inferenceservicename"])
def test_an_envelope_without_what_it_needs_is_rejected(missing: str) -> None:
    headers, body = kserve("request", IRIS)
    decoded = decode("kserve", ([(k, v) for k, v in headers if k != f"ce_{missing}"], body))
    assert refused(decoded).reason is RejectReason.BAD_ENVELOPE
    assert missing in refused(decoded).detail


def test_rows_of_a_single_value_have_the_one_name_of_the_mapping() -> None:
    call = kserve("request", {"instances": [12.5, 3.0]}), kserve("response", {"predictions": [1, 0]})
    one = only(decode("kserve", *call, names=["amount"]))
    assert [*one.columns["amount"]] == [12.5, 3.0]


def test_answers_that_are_objects_say_prediction_and_score() -> None:
    told = {"predictions": [{"scores": 0.9, "predicted_label": "fraud"}]}
    one = only(decode("kserve", kserve("request", {"instances": [[1]]}), kserve("response", told)))
    assert one.prediction == ["fraud"]
    assert one.score is not None
    assert [*one.score] == [0.9]


def test_bodies_of_kserves_own_library_are_joined() -> None:
    made = json.loads((SAMPLES / "kserve.json").read_text())
    one = only(decode("kserve", kserve("request", made["request"]), kserve("response", made["answer"])))
    assert {name: [*column] for name, column in one.columns.items()} == {
        "amount": [12.5, 3.0],
        "country": ["DE", "FR"],
    }
    assert (one.prediction, one.version) == ([1.0, 0.0], "7")


def test_messages_of_kserves_own_library_are_read_as_its_json() -> None:
    made = json.loads((SAMPLES / "kserve.json").read_text())
    asked, told = (base64.b64decode(made[f"{name}_protobuf"]) for name in ("request", "answer"))
    assert requested_of(request_of(asked), listed=False) == requested_of(
        body_of(json.dumps(made["request"]).encode()), listed=False
    )
    assert answer_of(response_of(told)) == answer_of(body_of(json.dumps(made["answer"]).encode()))


def test_records_of_mlservers_own_library_are_joined() -> None:
    records = [json.loads(line) for line in lines("mlserver.jsonl")]
    sent = [([(name, text.encode()) for name, text in r["headers"]], r["value"].encode()) for r in records]
    keys = [r["key"].encode() for r in records]
    one = only(codec_of(limits("mlserver")).decode(batch(sent, keys=keys), {}))
    assert (one.model, one.version, ids(one)) == ("fraud", "7", ["call-1/0", "call-1/1"])
    assert ([*one.columns["amount"]], one.prediction) == ([12.5, 3.0], [1.0, 0.0])
