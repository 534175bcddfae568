"""`driftd check --sample` of events inside of something else: as an object, a list, text, base64."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.unit.cli.pasting import Sampled, lines

AT: Final = "2026-09-01T10:00:00Z"
MILLIS: Final = 1_788_256_800_000
NESTED: Final = {"model_name": "fraud", "ts": MILLIS, "inputs": {"amount": 2.5}, "pred": 1}
FLAT: Final = {"model_name": "fraud", "ts": MILLIS, "amount": 2.5, "pred": 1}
OWN: Final = {"model": "fraud", "time": AT, "features": {"amount": 2.5}, "prediction": 1}
EVENT: Final = {"specversion": "1.0", "type": "scored", "source": "/s", "id": "1"}
BRIDGE: Final = {"version": "0", "id": "x", "detail-type": "Scored", "source": "my.app", "time": AT, "region": "eu"}
NOTICE: Final = {"Type": "Notification", "MessageId": "x", "TopicArn": "arn:aws:sns:eu:1:t", "Timestamp": AT}
KCAT: Final = {"topic": "t", "partition": 0, "offset": 1, "tstype": "create", "ts": MILLIS, "broker": 0, "key": "k"}


def text(inside: Any) -> str:
    return json.dumps(inside)


def base64_of(inside: Any) -> str:
    return base64.b64encode(json.dumps(inside).encode()).decode()


@pytest.fixture
def sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sampled:
    monkeypatch.chdir(tmp_path)
    return Sampled(capsys)


def usable(sampled: Sampled) -> None:
    """All of it, with the proposal; each event is what was wrapped."""
    report = sampled.pasted()
    assert (report["accepted"], report["rejected"], report["refused_values"]) == (2, [], [])
    for event in report["events"]:
        assert (event["model"], event["features"], event["prediction"]) == ("fraud", {"amount": 2.5}, 1.0)
        assert event["time"] == MILLIS / 1e3


@pytest.mark.parametrize("inside", [NESTED, FLAT, OWN], ids=["nested", "flat", "driftd's own"])
@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda e: {"event": e}, id="event"),
        pytest.param(lambda e: {"payload": e, "schema": {"type": "struct"}}, id="Connect's JSON with a schema"),
        pytest.param(lambda e: {**BRIDGE, "detail": e}, id="EventBridge"),
        pytest.param(lambda e: {"_index": "i", "_id": "1", "_score": 1.0, "_source": e}, id="Elasticsearch"),
        pytest.param(lambda e: {"date": 1_788_256_900.5, "log": e, "kubernetes": {"pod": "p"}}, id="Fluent Bit"),
        pytest.param(lambda e: {"topic": "t", "key": None, "value": e, "partition": 0, "offset": 1}, id="REST Proxy"),
        pytest.param(lambda e: {"data": {"event": e}}, id="two of them"),
        pytest.param(lambda e: {"op": "c", "before": None, "after": e, "source": {"ts_ms": MILLIS}}, id="Debezium"),
        pytest.param(lambda e: {**EVENT, "time": AT, "data": e}, id="CloudEvents"),
    ],
)
def test_an_event_inside_of_an_object_is_proposed_by_its_paths(sampled: Sampled, wrap: Any, inside: Any) -> None:
    sampled.check([wrap(inside)] * 2)
    usable(sampled)


@pytest.mark.skipif(shutil.which("jq") is None, reason="the command is for jq")
@pytest.mark.parametrize("inside", [NESTED, OWN], ids=["somebody's", "driftd's own"])
@pytest.mark.parametrize(
    ("wrap", "said"),
    [
        pytest.param(lambda e: {"data": text(e)}, "`data` is JSON as text", id="text"),
        pytest.param(lambda e: {"payload": base64_of(e)}, "`payload` is JSON as base64", id="base64"),
        pytest.param(lambda e: {**KCAT, "payload": text(e)}, "`payload` is JSON as text", id="kcat -J"),
        pytest.param(lambda e: {**NOTICE, "Message": text(e)}, "`Message` is JSON as text", id="SNS"),
        pytest.param(
            lambda e: {"Messages": [{"MessageId": "a", "Body": text(e)}]}, "`Messages[0].Body` is JSON", id="SQS"
        ),
        pytest.param(
            lambda e: {"Records": [{"kinesis": {"data": base64_of(e)}}]}, "`Records[0].kinesis.data` is", id="Kinesis"
        ),
        pytest.param(lambda e: {"date": 1.5, "log": text(e), "pod": "p"}, "`log` is JSON as text", id="Fluent Bit"),
        pytest.param(lambda e: {**EVENT, "data": text(e)}, "`data` is JSON as text", id="CloudEvents"),
        pytest.param(lambda e: {**EVENT, "data_base64": base64_of(e)}, "`data_base64` is", id="CloudEvents, base64"),
        pytest.param(lambda e: {"after": {"id": 1, "body": text(e)}, "op": "c"}, "`after.body` is JSON", id="outbox"),
    ],
)
def test_an_event_inside_of_text_is_told_with_the_command_that_unpacks_it(
    sampled: Sampled, wrap: Any, said: str, inside: Any
) -> None:
    records = [wrap(inside)] * 2
    out = sampled.check(records)
    assert said in out
    assert (sampled.code, sampled.proposal) == (2, "")
    command = out.partition("\"jq -c '")[2].partition("'\"")[0]
    done = subprocess.run(["jq", "-c", command], input=lines(records), capture_output=True, check=True)
    sampled.check(done.stdout)
    if sampled.proposal:
        usable(sampled)
    else:
        assert "2 events, 2 can be used" in sampled.out


def test_what_jq_cannot_unpack_has_no_command(sampled: Sampled) -> None:
    packed = base64.b64encode(gzip.compress(json.dumps(OWN).encode(), mtime=0)).decode()
    out = sampled.check([{"data": packed}] * 2)
    assert "`data` is JSON as gzip and base64, and a mapping does not read into that: let the producer" in out
    assert sampled.proposal == ""


def test_text_with_json_in_it_beside_a_prediction_is_no_envelope(sampled: Sampled) -> None:
    sampled.check([{**NESTED, "context": text({"model": "x", "trace": 1})}] * 2)
    usable(sampled)


@pytest.mark.parametrize("wrap", [lambda e: {"events": [e, e]}, lambda e: {"hits": {"hits": [{"_source": e}] * 3}}])
def test_of_a_list_of_events_it_is_said_that_a_mapping_reads_the_first(sampled: Sampled, wrap: Any) -> None:
    out = sampled.check([wrap(NESTED)] * 2)
    assert "Note: a record holds several rows; a mapping reads the first." in out


def test_values_with_the_names_of_their_types_are_read_inside(sampled: Sampled) -> None:
    typed = {"model_name": {"string": "fraud"}, "ts": {"long": MILLIS}, "amount": {"double": 2.5}, "pred": {"int": 1}}
    sampled.check([typed] * 2)
    report = sampled.pasted()
    assert (report["accepted"], report["events"][0]["features"]) == (2, {"amount.double": 2.5})


def test_features_of_which_no_value_can_be_used_are_left_out(sampled: Sampled) -> None:
    out = sampled.check([{**FLAT, "tags": ["a", "b"], "at.x": [{"a": 1}]}] * 2)
    assert "features: {under: ., ignore: [tags, " in out
    usable(sampled)


def test_cloud_events_of_several_types_are_told_to_be_joined_by_nobody(sampled: Sampled) -> None:
    """Azure ML's data collector: inputs and outputs are events of their own."""
    halves = {"model_inputs": [{"amount": 1.5}], "model_outputs": [{"label": 1}]}
    events = [
        {"specversion": "1.0", "id": f"{name}{i}", "source": "/endpoints/e", "time": "2026-11-20T10:00:00Z",
         "type": f"azureml.inference.{name}", "data": data, "correlationid": str(i)}
        for i in range(20) for name, data in halves.items()
    ]  # fmt: skip
    told = "CloudEvents of 2 types (azureml.inference.model_inputs, azureml.inference.model_outputs)"
    assert told in sampled.check(events)
    assert "types (" not in sampled.check(events[::2])
