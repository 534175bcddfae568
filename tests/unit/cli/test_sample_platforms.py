"""`driftd check --sample` of platforms' records of which nothing, or only a part, can be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.pasting import Sampled

AT = "2026-09-01T10:00:00Z"


@pytest.fixture
def sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sampled:
    monkeypatch.chdir(tmp_path)
    return Sampled(capsys)


def sagemaker(**parts: str) -> dict[str, Any]:
    captured = {
        f"endpoint{name.title()}": {"observedContentType": "text/csv", "mode": name.upper(), "data": text}
        for name, text in parts.items()
    }
    for part in captured.values():
        part["encoding"] = "CSV"
    return {"captureData": captured, "eventMetadata": {"eventId": "u", "inferenceTime": AT}, "eventVersion": "0"}


def kserve(half: str, data: Any, identity: str = "a", **more: str) -> dict[str, Any]:
    head = {"specversion": "1.0", "type": f"org.kubeflow.serving.inference.{half}", "source": "/", "id": identity}
    return {**head, "time": AT, "inferenceservicename": "fraud", "data": data, **more}


def databricks(request: str | None, response: str | None) -> dict[str, Any]:
    about = {"databricks_request_id": "r", "request_time": AT, "status_code": 200, "execution_duration_ms": 5}
    return {**about, "request": request, "response": response}


def mlrun(answer: dict[str, Any], **request: Any) -> dict[str, Any]:
    about = {"class": "C", "worker": "0", "model": "fraud", "function_uri": "p/f", "endpoint_id": "e", "op": "infer"}
    when = "2026-09-01 10:00:00.120000+00:00"
    return {**about, "request": {"id": "a", **request}, "resp": answer, "when": when, "microsec": 11000}


def spans(*attributes: dict[str, str]) -> dict[str, Any]:
    times = {"startTimeUnixNano": "1788256800000000000", "endTimeUnixNano": "1788256801000000000"}
    own = [[{"key": name, "value": {"stringValue": text}} for name, text in given.items()] for given in attributes]
    return {"resourceSpans": [{"scopeSpans": [{"spans": [{"spanId": "b", **times, "attributes": a} for a in own]}]}]}


def bentoml(**columns: Any) -> dict[str, Any]:
    return {**columns, "timestamp": "2026-09-01T10:00:00", "request_id": "1", "trace_id": "2"}


CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt"}
SPLIT = '{"dataframe_records": [{"a": 1}]}'


@pytest.mark.parametrize(
    ("records", "title", "why", "cure"),
    [
        pytest.param(
            [sagemaker(), sagemaker()],
            "SageMaker data capture",
            "2 rejected (missing_field), first at 0: captureData: neither endpointInput nor endpointOutput",
            "CaptureOptions Input and Output",
            id="SageMaker captured neither half",
        ),
        pytest.param(
            [kserve("request", {"instances": []}), kserve("response", {"predictions": []})],
            "KServe inference logger",
            "1 rejected (empty), first at 0: no rows in the request",
            "`logger: {mode: all}`",
            id="KServe calls without rows",
        ),
        pytest.param(
            [kserve("request", {"instances": [[1.0]]}, component="transformer")],
            "KServe inference logger",
            "1 not used (not_a_prediction)",
            "predictor needs `logger: {mode: all}`",
            id="KServe logs the transformer alone",
        ),
        pytest.param(
            [databricks(None, None)] * 3,
            "Databricks inference table",
            "3 rejected (missing_field), first at 0: request: neither a request nor an answer in the row",
            "none over 1 MiB",
            id="Databricks kept no body",
        ),
        pytest.param(
            [{"meta_data": {"bento_name": "b", "bento_version": "1"}, "columns": [{"name": "a", "role": "feature"}]}],
            "BentoML monitoring log",
            "1 not used (not_a_prediction)",
            "`prediction: features.NAME`",
            id="BentoML's log of schemas",
        ),
        pytest.param(
            [mlrun({}), mlrun({}, inputs=[])],
            "MLRun monitoring stream",
            "2 rejected (missing_field), first at 0: features: no inputs in the request",
            "requests need inputs",
            id="MLRun without inputs",
        ),
        pytest.param(
            [spans({"http.method": "GET"}, {}), spans({"gen_ai.operation.name": "execute_tool"})],
            "OpenTelemetry spans",
            "3 not used (not_a_prediction)",
            "0 of 3 spans are calls of language models; the others are 1 execute_tool, 2 without gen_ai.operation.name",
            id="spans of no language model",
        ),
    ],
)
def test_records_of_a_platform_that_hold_nothing_are_named_and_nothing_is_proposed(
    sampled: Sampled, records: list[Any], title: str, why: str, cure: str
) -> None:
    out = sampled.check(records)
    assert sampled.code == 2
    assert f"Recognised: {title}. 0 of " in out
    assert f"  {why}\n" in out
    assert cure in out.partition("Note: ")[2]
    assert sampled.proposal == ""
    assert "model: missing" not in out, "they were read as what they are not"


@pytest.mark.parametrize(
    ("records", "lacks", "cure"),
    [
        pytest.param([sagemaker(input="1,2")] * 2, "no event has a prediction", "CaptureOptions", id="SageMaker"),
        pytest.param([databricks(SPLIT, None)] * 2, "no event has a prediction", "1 MiB", id="Databricks"),
        pytest.param([mlrun({}, inputs=[[1, 2]])] * 2, "no event has a prediction", "outputs", id="MLRun"),
        pytest.param([bentoml(amount=2.5)] * 2, "no event has a prediction", "features.NAME", id="BentoML"),
        pytest.param([bentoml(verdict=1)], "no event has a prediction", "features.NAME", id="BentoML, of another name"),
        pytest.param([spans(CHAT, CHAT)], "no event has a prediction", "finish_reasons", id="OpenTelemetry"),
        pytest.param(
            [databricks(SPLIT, None), databricks(SPLIT, '{"predictions": [1]}')],
            "1 of 2 events have no prediction",
            "1 MiB",
            id="a part of the answers",
        ),
        pytest.param(
            [sagemaker(output="1")],
            "no event has features: driftd would watch the predictions alone",
            "CaptureOptions",
            id="answers without requests",
        ),
    ],
)
def test_a_proposal_says_what_the_events_lack_and_what_the_platform_has_to_write(
    sampled: Sampled, records: list[Any], lacks: str, cure: str
) -> None:
    out = sampled.check(records)
    assert lacks in out
    assert cure in out.partition(lacks)[2]
    report = sampled.pasted()
    assert (sampled.code, report["rejected"]) == (0, [])


def test_whole_calls_lack_nothing(sampled: Sampled) -> None:
    out = sampled.check([mlrun({"outputs": [1]}, inputs=[[1, 2]])])
    assert "Note:" not in out


def test_the_column_that_is_called_as_predictions_are_is_proposed_as_one(sampled: Sampled) -> None:
    out = sampled.check([bentoml(amount=2.5, y_pred=1), bentoml(amount=3.5, y_pred=0)])
    assert "  prediction: features.y_pred\n" in out
    assert "Note: no event" not in out
    events = sampled.pasted()["events"]
    assert [(e["prediction"], e["features"]) for e in events] == [(1.0, {"amount": 2.5}), (0.0, {"amount": 3.5})]


def test_what_a_proposal_leaves_is_told_with_it(sampled: Sampled) -> None:
    whole = databricks(SPLIT, '{"predictions": [1]}')
    out = sampled.check([databricks(None, None), whole, whole])
    assert "With this in driftd.yaml 2 of 3 could be used:" in out
    left = "1 rejected (missing_field), first at 0: request: neither a request nor an answer in the row"
    assert f"Not used with it:\n  {left}\n" in out
    assert sampled.pasted()["rejected_by_reason"] == {"missing_field": 1}


def test_few_calls_of_language_models_among_many_spans_are_counted(sampled: Sampled) -> None:
    tool = {"gen_ai.operation.name": "execute_tool"}
    out = sampled.check([spans({"http.method": "GET"}, {}, CHAT, tool), spans({}, {})])
    assert "Recognised: OpenTelemetry spans. With this in driftd.yaml 1 of 6 could be used:" in out
    counted = "the others are 1 execute_tool, 4 without gen_ai.operation.name"
    assert f"1 of 6 spans are calls of language models; {counted}" in out
    assert sampled.pasted()["dropped"] == {"not_a_prediction": 5}


def test_a_proposal_for_records_without_a_time_says_that_the_file_has_none(sampled: Sampled) -> None:
    out = sampled.check([{"amount": 2.5, "pred": 1}] * 3)
    assert "With this in driftd.yaml 3 of 3 could be used on a topic, and 0 of this file for want of times:" in out
    report = sampled.pasted()
    assert (report["accepted"], report["on_topic"]) == (0, 3)


def test_attributes_of_other_conventions_are_named(sampled: Sampled) -> None:
    out = sampled.check([spans({"llm.model_name": "gpt", "openinference.span.kind": "LLM", "http.method": "GET"})])
    assert "have llm.model_name, openinference.span.kind: their instrumentation is of other conventions" in out
    assert "http.method" not in out


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (
            {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "x"}}]}]}]},
            "logs of OpenTelemetry",
        ),
        ({"resourceMetrics": [{"scopeMetrics": []}]}, "metrics of OpenTelemetry"),
    ],
)
def test_other_signals_of_opentelemetry_are_named_and_not_mapped(sampled: Sampled, record: Any, said: str) -> None:
    out = sampled.check([record] * 2)
    assert f"These are {said}, and driftd reads its spans" in out
    assert (sampled.code, sampled.proposal) == (2, "")
