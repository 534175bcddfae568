"""Records that platforms' own code made, or that they published, repeated as a topic would have them.

Each function takes a sample and gives it another time, id and amount, by the sample's own encoding: as JSON, or in
place where the bytes are as many. Nothing else of the record is touched.

What cannot be varied here, since only the platform's code writes it: lengths of tensors, texts and counts in Protobuf
(TensorFlow Serving, Merlin, OpenTelemetry, KServe's messages). Left out: failed calls and Merlin's observations. Feast,
Hopsworks and Databricks write tables: their rows are here as what copies them to a topic would write them.
"""

from __future__ import annotations

import base64
import io
import json
import struct
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa

from driftd.core.event import Headers
from driftd.decode.opening import PATH
from driftd.sources.files.records import ParquetRecords
from tests.unit.decode.formats.inference import message
from tests.unit.decode.formats.make import SAMPLES, kserve, lines
from tests.unit.decode.formats.test_kserve import IRIS
from tests.unit.decode.formats.test_prediction_logs import merlin as merlin_sample
from tests.unit.decode.formats.test_prediction_logs import tfserving as tfserving_sample
from tests.unit.decode.formats.test_seldon import ANSWER, REQUEST


@dataclass(frozen=True)
class Call:
    number: int
    at: float
    amounts: tuple[float, float]
    """Of the two rows that most samples have."""

    @property
    def moment(self) -> str:
        return datetime.fromtimestamp(self.at, UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True)
class Record:
    """``topic``: which of the format's, ``after``: seconds after the call began."""

    value: bytes
    headers: Headers = ()
    key: bytes | None = None
    topic: int = 0
    after: float = 0.0


@dataclass(frozen=True)
class Sample:
    """``finding``: model and channel. ``rows``: events of one call. ``topics``: the ends of their names."""

    records: Callable[[Call], Iterator[Record]]
    finding: tuple[str, str]
    rows: int = 2
    mapping: dict[str, Any] = field(default_factory=dict)
    topics: tuple[str, ...] = ("",)


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def swapped(data: bytes, old: bytes, new: bytes, times: int = 1) -> bytes:
    """In place: lengths that stand before it stay true."""
    assert (data.count(old), len(old)) == (times, len(new)), (old, new)
    return data.replace(old, new)


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


# -- requests and answers --


def kserve_v1(call: Call) -> Iterator[Record]:
    identity = f"call-{call.number}"
    rows = [[amount, *row[1:]] for amount, row in zip(call.amounts, IRIS["instances"], strict=True)]
    for half, body in (("request", {"instances": rows}), ("response", {"predictions": [1, 1]})):
        headers, value = kserve(half, body, identity, call.moment)
        assert value is not None
        yield Record(value, headers)


def kserve_v2(call: Call) -> Iterator[Record]:
    made = json.loads((SAMPLES / "kserve.json").read_text())
    made["request"]["inputs"][0]["data"] = [*call.amounts]
    for half, name in (("request", "request"), ("response", "answer")):
        made[name]["id"] = f"call-{call.number}"
        headers, value = kserve(half, made[name], f"call-{call.number}", call.moment)
        assert value is not None
        yield Record(value, headers)


def mlserver(call: Call) -> Iterator[Record]:
    for topic, line in enumerate(lines("mlserver.jsonl")):
        text = line.decode().replace("call-1", f"call-{call.number}")
        made = json.loads(text)
        body = json.loads(made["value"])
        if not topic:
            body["inputs"][0]["data"] = [*call.amounts]
        headers = [(name, value.encode()) for name, value in made["headers"]]
        yield Record(encoded(body), headers, made["key"].encode(), topic, 0.004 * topic)


def seldon(call: Call) -> Iterator[Record]:
    """The published call, whose numbers stand twice: as contents and raw. Its first number is the amount."""
    asked = deepcopy(REQUEST)
    amount = int(call.amounts[0])
    raw = base64.b64decode(asked["rawInputContents"][0])  # type: ignore[arg-type]
    asked["inputs"][0]["contents"]["intContents"][0] = amount  # type: ignore[index]
    first = base64.b64encode(struct.pack("<i", amount) + raw[4:]).decode()
    asked["rawInputContents"] = [first, asked["rawInputContents"][1]]
    key = f"0.tfsimple-extended.call-{call.number}".encode()
    yield Record(message("Request", asked), key=key)
    yield Record(message("Response", ANSWER), key=key, topic=1, after=0.004)


def seldon_of_kserve(call: Call) -> Iterator[Record]:
    """The messages of KServe's own library, which Seldon's pipelines carry as they are."""
    made = json.loads((SAMPLES / "kserve.json").read_text())
    key = f"0.pipe.call-{call.number}".encode()
    asked = base64.b64decode(made["request_protobuf"])
    yield Record(swapped(asked, struct.pack("<2d", 12.5, 3.0), struct.pack("<2d", *call.amounts)), key=key)
    yield Record(base64.b64decode(made["answer_protobuf"]), key=key, topic=1, after=0.004)


# -- whole calls --


def mlrun(call: Call) -> Iterator[Record]:
    made = json.loads(lines("mlrun.jsonl")[0])
    made["request"]["id"] = made["resp"]["id"] = f"call-{call.number}"
    made["request"]["inputs"] = [
        [amount, row[1]] for amount, row in zip(call.amounts, made["request"]["inputs"], strict=True)
    ]
    made["when"] = call.moment.replace("T", " ")
    yield Record(encoded(made))


def bentoml(call: Call) -> Iterator[Record]:
    path = [(PATH, b"/logs/fraud2/data/data.0.log")]
    *rows, _ = lines("bentoml.jsonl")  # the last is the log of schemas
    for row, amount in zip(rows, call.amounts, strict=True):
        made = json.loads(row)
        stamp = call.moment.removesuffix("+00:00")
        yield Record(encoded(made | {"amount": amount, "timestamp": stamp, "request_id": str(call.number)}), path)


def feast(call: Call) -> Iterator[Record]:
    (batch,) = ParquetRecords(str(SAMPLES / "feast.parquet")).batches()
    for i, amount in enumerate(call.amounts):
        row = json.loads(batch.values[0] or b"")
        row |= {"driver_hourly_stats__conv_rate": amount, "__log_timestamp": call.moment}
        yield Record(encoded(row | {"__request_id": f"call-{call.number}-{i}"}))


def hopsworks(call: Call) -> Iterator[Record]:
    for row, amount in zip(lines("hopsworks.jsonl"), call.amounts, strict=True):
        stamp = call.moment.removesuffix("+00:00")
        yield Record(encoded(json.loads(row) | {"amount": amount, "log_time": stamp}))


def sagemaker(call: Call) -> Iterator[Record]:
    (line,) = lines("sagemaker.jsonl")
    made = json.loads(line)
    asked = made["captureData"]["endpointInput"]
    asked["data"] = asked["data"].replace("153.7", f"{call.amounts[0]:.1f}")
    made["eventMetadata"] |= {"eventId": f"call-{call.number}", "inferenceTime": call.moment}
    yield Record(encoded(made))


def tfserving(call: Call) -> Iterator[Record]:
    value = swapped(tfserving_sample()[0], struct.pack("<2f", 12.5, 3.0), struct.pack("<2f", *call.amounts))
    yield Record(swapped(value, varint(1788256800), varint(int(call.at))))


def merlin(call: Call) -> Iterator[Record]:
    value = merlin_sample()["prediction"]
    for old, new in zip((0.8, 0.5), call.amounts, strict=True):
        value = swapped(value, b"\x11" + struct.pack("<d", old), b"\x11" + struct.pack("<d", new))
    value = swapped(value, b"1234", b"%04d" % call.number)
    yield Record(swapped(value, varint(1788256800), varint(int(call.at))))


def otlp_json(call: Call) -> Iterator[Record]:
    made = json.loads((SAMPLES / "otlp.json").read_text())
    spans = made["resourceSpans"][0]["scopeSpans"][0]["spans"]
    for span in spans:
        span |= {"startTimeUnixNano": str(nanos(call)), "endTimeUnixNano": str(nanos(call) + 10**8)}
    (tokens,) = [a for a in spans[0]["attributes"] if a["key"] == "gen_ai.usage.output_tokens"]
    tokens["value"] = {"intValue": str(int(call.amounts[0]))}
    yield Record(encoded(made))


def otlp_protobuf(call: Call) -> Iterator[Record]:
    """In place: times have 8 bytes, the count has one (up to 127), so it is a tenth of the amount."""
    value = (SAMPLES / "otlp.binpb").read_bytes()
    for span in json.loads((SAMPLES / "otlp.json").read_text())["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for name, later in (("startTimeUnixNano", 0), ("endTimeUnixNano", 10**8)):
            value = swapped(value, struct.pack("<Q", int(span[name])), struct.pack("<Q", nanos(call) + later))
    tokens = b"gen_ai.usage.output_tokens\x12\x02\x18"
    yield Record(swapped(value, tokens + b"\x60", tokens + bytes([min(int(call.amounts[0] / 10), 127)])))


# -- tables --


def databricks(call: Call) -> Iterator[Record]:
    """A row of an inference table as what copies it to a topic would write it."""
    request = {"dataframe_split": {"columns": ["amount", "country"], "data": [[a, "DE"] for a in call.amounts]}}
    row = {
        "databricks_request_id": f"call-{call.number}",
        "request_time": call.moment,
        "status_code": 200,
        "execution_duration_ms": 12,
        "request": json.dumps(request),
        "response": json.dumps({"predictions": [[1], [1]]}),
    }
    yield Record(encoded(row))


def arrow(call: Call) -> Iterator[Record]:
    """Written by Arrow's own library; scores are lists of probabilities."""
    columns = {
        "model": ["arrow", "arrow"],
        "time": pa.array([round(call.at * 1e6)] * 2, pa.timestamp("us", "UTC")),
        "amount": [*call.amounts],
        "prediction": [[1.0], [1.0]],
        "score": [[0.25, 0.75], [0.25, 0.75]],
    }
    table, out = pa.table(columns), io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    yield Record(out.getvalue())


def nanos(call: Call) -> int:
    return int(call.at * 1e9)


def named(model: str) -> dict[str, Any]:
    return {"model": {"value": model}}


SAMPLED: Final = {
    "kserve-v1": Sample(kserve_v1, ("default/sklearn-iris", "f0")),
    "kserve-v2": Sample(kserve_v2, ("iris-v2", "amount"), mapping=named("iris-v2")),
    "mlserver": Sample(mlserver, ("fraud", "amount"), topics=("in", "out")),
    "seldon": Sample(
        seldon, ("default/tfsimple2", "INPUT0[0]"), rows=1,
        topics=("default.model.tfsimple2.inputs", "default.model.tfsimple2.outputs"),
    ),
    "seldon-protobuf": Sample(
        seldon_of_kserve, ("default/fraud", "amount"),
        topics=("default.model.fraud.inputs", "default.model.fraud.outputs"),
    ),
    "mlrun": Sample(mlrun, ("mlrun", "f0"), mapping=named("mlrun")),
    "bentoml": Sample(bentoml, ("fraud2", "amount"), mapping={"prediction": "features.verdict"}),
    "sagemaker": Sample(sagemaker, ("churn", "f2"), rows=1, mapping=named("churn")),
    "tfserving": Sample(tfserving, ("tfserving", "amount"), mapping=named("tfserving")),
    "feast": Sample(feast, ("drivers", "driver_hourly_stats__conv_rate"), mapping=named("drivers")),
    "hopsworks": Sample(hopsworks, ("hopsworks", "amount"), mapping=named("hopsworks")),
    "merlin": Sample(merlin, ("shop/fraud", "amount")),
    "databricks": Sample(databricks, ("databricks", "amount"), mapping=named("databricks")),
    "arrow": Sample(arrow, ("arrow", "amount")),
    "opentelemetry-json": Sample(otlp_json, ("helpdesk/gpt-4o-mini", "output_tokens")),
    "opentelemetry-protobuf": Sample(otlp_protobuf, ("helpdesk", "output_tokens"), mapping=named("helpdesk")),
}  # fmt: skip
"""The model and channel of each are what its how-to says of such a record; a model has another name where two samples
have the same. The spans of a call are two: one failed."""
