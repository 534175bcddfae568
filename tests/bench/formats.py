"""What the formats of serving platforms cost: microseconds and events a second of a core, beside driftd's own JSON.

Run: python -m tests.bench --only formats
"""

from __future__ import annotations

import base64
import gc
import io
import json
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from driftd.core.event import Kind, RecordBatch, Schema
from driftd.decode import Limits, codec_of
from driftd.decode.mapping.spec import FeatureSource, Mappings, RecordMapping, Source
from driftd.decode.registry import RegisteredSchema, SchemaRef
from driftd.decode.tabular.layout import Layout
from driftd.ingest.halves import Halves
from driftd.sources.files.source import open_events
from tests.bench import platforms
from tests.bench.decode import NAMES, event, schema
from tests.unit.decode.formats import inference
from tests.unit.decode.formats.make import Sent, kserve

EVENTS = 20_000
BATCH = 2_000
ROUNDS = 5
Row = Mapping[str, Any]


def v1(rows: Sequence[Row], identity: str) -> list[Sent]:
    request = {"instances": [[*row["features"].values()] for row in rows]}
    return [
        kserve("request", request, identity),
        kserve("response", {"predictions": [row["prediction"] for row in rows]}, identity, "2026-11-23T06:00:10.131Z"),
    ]


def v2(rows: Sequence[Row], identity: str) -> list[Sent]:
    tensors = [
        {
            "name": name,
            "shape": [len(rows)],
            "datatype": "BYTES" if name.startswith("cat") else "FP64",
            "data": [row["features"][name] for row in rows],
        }
        for name in NAMES
    ]
    predicted = {"name": "predict", "shape": [len(rows)], "datatype": "INT64", "data": [r["prediction"] for r in rows]}
    return [
        kserve("request", {"id": identity, "inputs": tensors}, identity),
        kserve("response", {"id": identity, "outputs": [predicted]}, identity, "2026-11-23T06:00:10.131Z"),
    ]


def mlserver(rows: Sequence[Row], identity: str) -> list[Sent]:
    (_, asked), (_, told) = v2(rows, identity)
    request = [("mlserver-model", b"default/sklearn-iris"), ("mlserver-version", b"7")]
    return [(request, asked), ([("Ce-Modelid", b"default/sklearn-iris"), ("Ce-Id", identity.encode())], told)]


def own(rows: Sequence[Row], _: str) -> list[Sent]:
    return [([], json.dumps(plain(row)).encode()) for row in rows]


def avro_schema() -> dict[str, Any]:
    def kind(name: str) -> list[str]:
        return ["null", "string" if name.startswith("cat") else "double"]

    features = {"type": "record", "name": "F", "fields": [{"name": name, "type": kind(name)} for name in NAMES]}
    others = {"model": "string", "version": "string", "id": "string", "time": "double", "features": features}
    others |= {"prediction": "int", "latency_seconds": "double"}
    return {"type": "record", "name": "E", "fields": [{"name": name, "type": t} for name, t in others.items()]}


AVRO: Final = fastavro.parse_schema(avro_schema())
FRAME: Final = b"\x00\x00\x00\x00\x07"


def described() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="e.proto", syntax="proto3")
    outer, inner = file.message_type.add(name="E"), file.message_type.add(name="F")
    for number, name in enumerate(NAMES, 1):
        inner.field.add(name=name, number=number, type=9 if name.startswith("cat") else 1, label=1)
    types = {"model": 9, "version": 9, "id": 9, "time": 1, "features": 11, "prediction": 5, "latency_seconds": 1}
    for number, (name, kind) in enumerate(types.items(), 1):
        outer.field.add(name=name, number=number, type=kind, label=1, type_name=".F" if kind == 11 else None)
    return file


class Schemas:
    """Both schemas, at hand."""

    def load(self, _: SchemaRef, *, serialized: bool) -> RegisteredSchema:
        if serialized:
            return RegisteredSchema("PROTOBUF", base64.b64encode(described().SerializeToString()).decode())
        return RegisteredSchema("AVRO", json.dumps(avro_schema()))


def plain(row: Row) -> dict[str, Any]:
    return {**row, "time": 1_795_413_610.12, "model": "default/sklearn-iris"}


def avro(rows: Sequence[Row], _: str) -> list[Sent]:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, AVRO, plain(rows[0]))
    return [([], FRAME + out.getvalue())]


def protobuf(rows: Sequence[Row], _: str) -> list[Sent]:
    message = MESSAGE()
    json_format.ParseDict(plain(rows[0]), message)
    return [([], FRAME + b"\x00" + message.SerializeToString())]


def seldon(rows: Sequence[Row], identity: str) -> list[Sent]:
    """One raw tensor a feature, numbers alone."""
    numbers, shape = NAMES[:16], [str(len(rows))]
    tensors = [{"name": name, "datatype": "FP64", "shape": shape} for name in numbers]
    raw = [base64.b64encode(np.array([r["features"][n] for r in rows]).tobytes()).decode() for n in numbers]
    told = [str(row["prediction"]) for row in rows]
    answer = {"name": "predict", "datatype": "INT64", "shape": shape, "contents": {"int64Contents": told}}
    headers = [("x-request-id", identity.encode())]
    return [
        (headers, inference.message("Request", {"inputs": tensors, "rawInputContents": raw})),
        (headers, inference.message("Response", {"outputs": [answer]})),
    ]


POOL: Final = descriptor_pool.DescriptorPool()
POOL.AddSerializedFile(described().SerializeToString())
MESSAGE: Final = message_factory.GetMessageClass(POOL.FindMessageTypeByName("E"))


def framed(rows: Sequence[Row], _: str) -> list[Sent]:
    return [([], FRAME + json.dumps(plain(rows[0])).encode())]


Shape = Callable[[Sequence[Row], str], list[Sent]]
CASES: list[tuple[str, str, Shape, int, tuple[str, ...]]] = [
    ("driftd's own events", "json", own, 1, ()),
    ("JSON behind a registry's frame", "jsonschema", framed, 1, ()),
    ("Avro", "avro", avro, 1, ()),
    ("Protobuf", "protobuf", protobuf, 1, ()),
    ("KServe, V1: a row a call", "kserve", v1, 1, NAMES),
    ("KServe, V1: 10 rows a call", "kserve", v1, 10, NAMES),
    ("KServe, V2: 20 tensors, a row a call", "kserve", v2, 1, ()),
    ("KServe, V2: 20 tensors, 10 rows a call", "kserve", v2, 10, ()),
    ("Seldon: 16 raw tensors, a row a call", "seldon", seldon, 1, ()),
    ("Seldon: 16 raw tensors, 10 rows a call", "seldon", seldon, 10, ()),
    ("MLServer: 20 tensors, 10 rows a call", "mlserver", mlserver, 10, ()),
    ("SageMaker, CSV: a row a call", "sagemaker", platforms.sagemaker, 1, NAMES),
    ("SageMaker, CSV: 10 rows a call", "sagemaker", platforms.sagemaker, 10, NAMES),
    ("MLRun: a row a call", "mlrun", platforms.mlrun, 1, NAMES),
    ("MLRun: 10 rows a call", "mlrun", platforms.mlrun, 10, NAMES),
    ("BentoML", "bentoml", platforms.bentoml, 1, ()),
    ("Feast", "feast", platforms.feast, 1, ()),
    ("Hopsworks", "hopsworks", platforms.hopsworks, 1, ()),
    ("Databricks: a row a call", "databricks", platforms.databricks, 1, ()),
    ("Databricks: 10 rows a call", "databricks", platforms.databricks, 10, ()),
    ("OpenTelemetry, JSON: a span a record", "opentelemetry", platforms.opentelemetry, 1, ()),
    ("OpenTelemetry, JSON: 10 spans a record", "opentelemetry", platforms.opentelemetry, 10, ()),
    ("TensorFlow Serving: a row a call", "tfserving", platforms.tfserving, 1, ()),
    ("TensorFlow Serving: 10 rows a call", "tfserving", platforms.tfserving, 10, ()),
    ("Merlin: a row a call", "merlin", platforms.merlin, 1, ()),
    ("Merlin: 10 rows a call", "merlin", platforms.merlin, 10, ()),
    ("Arrow: 10 rows a record", "arrow", platforms.arrow, 10, ()),
    ("Arrow: 1,000 rows a record", "arrow", platforms.arrow, 1000, ()),
]


def batches(sent: Sequence[Sent], topic: str = "t") -> list[RecordBatch]:
    out = []
    for start in range(0, len(sent), BATCH):
        part = sent[start : start + BATCH]
        values, headers = [value for _, value in part], [names for names, _ in part]
        offsets, stamps = np.arange(start, start + len(part)), np.full(len(part), 1_795_413_613.0)
        out.append(RecordBatch(topic, 0, offsets, stamps, values, start + len(part), headers=headers))
    return out


def timed(title: str, record_format: str, shape: Shape, rows_a_call: int, names: tuple[str, ...]) -> dict[str, Any]:
    rng = random.Random(7)
    events = [json.loads(event(rng, "m")) for _ in range(EVENTS)]
    sent = [s for i in range(0, EVENTS, rows_a_call) for s in shape(events[i : i + rows_a_call], f"call-{i}")]
    fields = {"model": Source(value=platforms.MODEL)} if record_format == "feast" else {}
    mapping = RecordMapping(fields, FeatureSource(names=names), record_format)
    codec = codec_of(
        Limits(
            mappings=Mappings(mapping if record_format != "json" else None), registry=Schemas(), record_bytes=1 << 20
        )
    )
    models = ("default/sklearn-iris", platforms.MODEL)
    known = {model: Schema(model, schema("m").features, Kind.NUMERIC) for model in models}
    known["llm"] = platforms.LLM
    stretch = batches(sent)
    if record_format == "seldon":
        topics = (
            batches(sent[i::2], f"seldon.default.model.sklearn-iris.{way}puts") for i, way in enumerate(("in", "out"))
        )
        stretch = [batch for pair in zip(*topics, strict=True) for batch in pair]
    gc.collect()
    best = float("inf")
    for _ in range(ROUNDS):
        halves, began = Halves(), time.process_time()
        decoded = [codec.decode(batch, known, halves) for batch in stretch]
        best = min(best, time.process_time() - began)
    accepted = sum(len(b) for d in decoded for b in d.batches)
    return shown(title, best, sum(len(value or b"") for _, value in sent), accepted)


def shown(title: str, best: float, size: int, accepted: int) -> dict[str, Any]:
    print(f"{title:42s} {best / EVENTS * 1e6:8.2f} {EVENTS / best:12,.0f} {size / EVENTS:8.0f} {accepted}", flush=True)
    return {"what": title, "us_per_event": round(best / EVENTS * 1e6, 2), "events_per_second": round(EVENTS / best)}


def flat(suffix: str) -> dict[str, Any]:
    """A file of columns, read and decoded."""
    rng = random.Random(7)
    events = [json.loads(event(rng, "m")) for _ in range(EVENTS)]
    rows = [{"ts": e["time"], "y": e["prediction"], **e["features"]} for e in events]
    layout = Layout({"model": "m", "time": "ts", "prediction": "y"}, ())
    best, accepted = float("inf"), 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"events.{suffix}"
        write = pa.csv.write_csv if suffix == "csv" else pa.parquet.write_table
        write(pa.Table.from_pylist(rows), path)
        for _ in range(ROUNDS):
            began, source = time.process_time(), open_events(str(path), layout)
            decoded = [source.codec.decode(batch, {"m": schema("m")}) for batch in source.batches()]
            best = min(best, time.process_time() - began)
            accepted = sum(len(b) for d in decoded for b in d.batches)
        return shown(f"A file of {suffix}", best, path.stat().st_size, accepted)


def measure() -> list[dict[str, Any]]:
    print(f"{'records':42s} us/event     events/s    bytes accepted")
    return [*(timed(*case) for case in CASES), *map(flat, ("csv", "parquet"))]


if __name__ == "__main__":
    measure()
