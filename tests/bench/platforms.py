"""Records of whole calls as platforms write them, for tests.bench.formats: of rows as tests.bench.decode has them."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa

from driftd.core.event import Kind, Schema
from driftd.decode.opening import PATH
from tests.unit.decode.formats.make import Sent as One

MODEL: Final = "bench"
LLM: Final = Schema(
    "llm",
    dict.fromkeys(("operation", "provider"), Kind.CATEGORICAL)
    | dict.fromkeys(("input_tokens", "output_tokens", "max_tokens"), Kind.NUMERIC),
    Kind.CATEGORICAL,
)
"""Of the model that spans are of."""
AT: Final = 1_795_413_610.12
"""Epoch seconds of the calls, where nobody says another time."""
Row = Mapping[str, Any]
Sent = list[One]


def names(rows: Sequence[Row]) -> list[str]:
    return [*rows[0]["features"]]


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")


def _json(record: Any, headers: Any = ()) -> Sent:
    return [(headers, json.dumps(record).encode())]


def sagemaker(rows: Sequence[Row], identity: str, at: float = AT) -> Sent:
    asked = "\n".join(",".join(str(row["features"][name]) for name in names(rows)) for row in rows)
    told = "\n".join(str(row["prediction"]) for row in rows)
    parts = {
        name: {"observedContentType": "text/csv", "mode": mode, "data": data, "encoding": "CSV"}
        for name, mode, data in (("endpointInput", "INPUT", asked), ("endpointOutput", "OUTPUT", told))
    }
    place = f"/captured/{MODEL}/AllTraffic/2026/11/23/06/00-1.jsonl".encode()
    about = {"eventId": identity, "inferenceTime": moment(at)}
    return _json({"captureData": parts, "eventMetadata": about, "eventVersion": "0"}, [(PATH, place)])


def mlrun(rows: Sequence[Row], identity: str, at: float = AT) -> Sent:
    inputs = [[row["features"][name] for name in names(rows)] for row in rows]
    return _json({
        "class": "M", "worker": "0", "model": MODEL, "function_uri": "p/f", "endpoint_id": "e", "op": "infer",
        "sampling_percentage": 100.0, "request": {"id": identity, "inputs": inputs},
        "resp": {"id": identity, "outputs": [row["prediction"] for row in rows]},
        "when": moment(at).replace("T", " "), "microsec": 11000,
    })  # fmt: skip


def bentoml(rows: Sequence[Row], identity: str, at: float = AT) -> Sent:
    columns = {
        **rows[0]["features"],
        "timestamp": moment(at).removesuffix("+00:00"),
        "request_id": identity,
        "trace_id": "1",
    }
    return _json(columns, [(PATH, f"/logs/{MODEL}/data/data.0.log".encode())])


def feast(rows: Sequence[Row], identity: str, at: float = AT) -> Sent:
    row: dict[str, Any] = {"driver_id": 1}
    for name, value in rows[0]["features"].items():
        row |= {f"view__{name}": value, f"view__{name}__timestamp": moment(at), f"view__{name}__status": 1}
    return _json(row | {"__log_timestamp": moment(at), "__log_date": "2026-11-23", "__request_id": identity})


def hopsworks(rows: Sequence[Row], identity: str, at: float = AT) -> Sent:
    about = {"log_id": identity, "log_time": moment(at), "model_name": MODEL, "model_version": "7", "td_version": 1}
    return _json({**rows[0]["features"], "request_id": identity, "predicted_y": rows[0]["prediction"], **about})


def databricks(rows: Sequence[Row], identity: str, at: float = AT) -> Sent:
    split = {"columns": names(rows), "data": [[row["features"][name] for name in names(rows)] for row in rows]}
    return _json({
        "databricks_request_id": identity, "request_time": moment(at), "status_code": 200, "execution_duration_ms": 12,
        "request": json.dumps({"dataframe_split": split}), "request_metadata": {"model_name": MODEL},
        "response": json.dumps({"predictions": [row["prediction"] for row in rows]}),
    })  # fmt: skip


def opentelemetry(rows: Sequence[Row], identity: str, at: float = AT) -> Sent:
    texts = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": LLM.model}
    texts |= {"gen_ai.response.id": identity, "gen_ai.response.model": "m-2026"}
    attributes: list[Any] = [{"key": name, "value": {"stringValue": text}} for name, text in texts.items()]
    counts = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.request.max_tokens")
    attributes += [{"key": name, "value": {"intValue": "512"}} for name in counts]
    reasons = {"arrayValue": {"values": [{"stringValue": "stop"}]}}
    attributes += [{"key": "gen_ai.response.finish_reasons", "value": reasons}]
    times = {"startTimeUnixNano": str(int(at * 1e9)), "endTimeUnixNano": str(int(at * 1e9) + 10**9)}
    span = {"traceId": "5b8aa5a2d2c872e8", "spanId": "051581bf3cb55c13", "name": "chat", "kind": 3, **times}
    spans = [{**span, "attributes": attributes} for _ in rows]
    return _json({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})


def tfserving(rows: Sequence[Row], _: str, at: float = AT) -> Sent:
    """A tensor a feature, as `tf.make_tensor_proto` has them."""
    inputs = b"".join(_entry(2, name, _tensor([row["features"][name] for row in rows])) for name in names(rows))
    outputs = _entry(1, "prediction", _tensor([float(row["prediction"]) for row in rows]))
    spec = _field(1, MODEL.encode())
    about = _field(1, spec) + b"\x20" + _varint(int(at))
    return [((), _field(1, about) + _field(6, _field(1, _field(1, spec) + inputs) + _field(2, outputs)))]


def merlin(rows: Sequence[Row], identity: str, at: float = AT) -> Sent:
    asked = {"columns": names(rows), "data": [[row["features"][name] for name in names(rows)] for row in rows]}
    told = {"columns": ["prediction"], "data": [[row["prediction"]] for row in rows]}
    seconds = b"\x08" + _varint(int(at)) + b"\x10" + _varint(int(at % 1 * 1e9))
    sides = _field(10, _field(1, _struct(asked))) + _field(11, _field(1, _struct(told)))
    return [((), _field(1, identity.encode()) + _field(4, MODEL.encode()) + sides + _field(20, seconds))]


def arrow(rows: Sequence[Row], _: str, at: float = AT) -> Sent:
    batch = pa.RecordBatch.from_pylist([
        {"model": MODEL, "time": at, "features": row["features"], "prediction": row["prediction"]}
        for row in rows
    ])  # fmt: skip
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return [((), sink.getvalue().to_pybytes())]


# -- Protobuf --


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _entry(number: int, name: str, data: bytes) -> bytes:
    return _field(number, _field(1, name.encode()) + _field(2, data))


def _tensor(values: Sequence[Any]) -> bytes:
    shape = _field(2, _field(2, b"\x08" + _varint(len(values))))
    if isinstance(values[0], str):
        return b"\x08\x07" + shape + b"".join(_field(8, value.encode()) for value in values)
    return b"\x08\x02" + shape + _field(4, struct.pack(f"<{len(values)}d", *values))


def _struct(table: Mapping[str, Any]) -> bytes:
    return b"".join(_entry(1, name, _value(value)) for name, value in table.items())


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        return _field(3, value.encode())
    if isinstance(value, Sequence):
        return _field(6, b"".join(_field(1, _value(item)) for item in value))
    return b"\x11" + struct.pack("<d", value)
