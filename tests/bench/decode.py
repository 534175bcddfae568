"""What decoding costs: microseconds per event, bytes to columns, for each path an event can take.

Run: python -m tests.bench.decode
"""

from __future__ import annotations

import gc
import json
import random
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from driftd.core.event import Headers, Kind, RecordBatch, Schema
from driftd.core.hashing import Hasher
from driftd.decode import Codec, Limits
from driftd.decode.json.codec import EventsCodec
from driftd.decode.json.fast import JsonCodec
from driftd.decode.mapping.spec import ROOT, FeatureSource, Mappings, RecordMapping, Source, parse

EVENTS = 20_000
BATCH = 2_000


def event(rng: random.Random, model: str, numbers: int = 16, nulls: float = 0.0) -> bytes:
    features: dict[str, float | str | None] = {
        f"num_{i:02d}": None if rng.random() < nulls else round(rng.gauss(100, 30), 3) for i in range(numbers)
    }
    features |= {f"cat_{i}": rng.choice(["red", "green", "blue", "DE", "FR"]) for i in range(4)}
    return json.dumps(
        {
            "model": model, "version": "7", "id": f"{rng.getrandbits(40):x}", "time": 1795413611.8 + rng.random(),
            "features": features, "prediction": rng.randrange(2), "latency_seconds": round(rng.random() / 50, 4),
        }
    ).encode()  # fmt: skip


def schema(model: str, numbers: int = 16, *, is_open: bool = True, learned: bool = True) -> Schema:
    features = {f"num_{i:02d}": Kind.NUMERIC if learned else Kind.ANY for i in range(numbers)}
    features |= {f"cat_{i}": Kind.CATEGORICAL if learned else Kind.ANY for i in range(4)}
    return Schema(model, features, Kind.NUMERIC if learned else Kind.ANY, open=is_open)


def batches(values: list[bytes], headers: Headers | None = None) -> list[RecordBatch]:
    out = []
    for start in range(0, len(values), BATCH):
        part = values[start : start + BATCH]
        offsets = np.arange(start, start + len(part))
        stamps = np.full(len(part), 1795413613.0)
        every = None if headers is None else [headers] * len(part)
        out.append(RecordBatch("t", 0, offsets, stamps, part, start + len(part), headers=every))
    return out


def measure(name: str, codec: Codec, stretch: list[RecordBatch], schemas: Mapping[str, Schema]) -> None:
    best = float("inf")
    for _ in range(7):
        began = time.process_time()
        for batch in stretch:
            decoded = codec.decode(batch, schemas)
        best = min(best, time.process_time() - began)
    events = sum(codec.decode(batch, schemas).received for batch in stretch)
    rejected = len(decoded.rejects)
    print(f"{name:58s} {best / events * 1e6:7.2f}   {np.mean([len(v or b'') for v in batch.values]):6.0f}   {rejected}")


def source(path: str, **other: str) -> Source:
    return Source(parse(path), **other)


def flat(e: dict[str, Any]) -> dict[str, Any]:
    return {**_renamed(e), **e["features"], "y": e["prediction"], "took_ms": e["latency_seconds"] * 1e3}


def nested(e: dict[str, Any]) -> dict[str, Any]:
    result = {"class": e["prediction"], "took_ms": e["latency_seconds"] * 1e3}
    return {**_renamed(e), "request": {"inputs": e["features"]}, "result": result}


def listed(e: dict[str, Any]) -> dict[str, Any]:
    return {**_renamed(e), "instances": [[*e["features"].values()]], "predictions": [e["prediction"]]}


def _renamed(e: dict[str, Any]) -> dict[str, Any]:
    return {"ts": round(e["time"] * 1e3), "request_id": e["id"], "model_name": "fraud", "model_version": "7"}


NAMES = (*(f"num_{i:02d}" for i in range(16)), *(f"cat_{i}" for i in range(4)))
FIELDS = {
    "model": source("model_name"),
    "version": source("model_version"),
    "time": source("ts", unit="ms"),
    "id": source("request_id"),
}
FLAT = FIELDS | {"prediction": source("y"), "latency_seconds": source("took_ms", unit="ms")}
NESTED = FIELDS | {"prediction": source("result.class"), "latency_seconds": source("result.took_ms", unit="ms")}
LISTED = FIELDS | {"prediction": source("predictions[0]")}
MAPPED = (
    ("a flat record, times and latencies in ms", RecordMapping(FLAT, FeatureSource(ROOT)), flat),
    ("nested, features under request.inputs", RecordMapping(NESTED, FeatureSource(parse("request.inputs"))), nested),
    ("a list with names", RecordMapping(LISTED, FeatureSource(parse("instances[0]"), NAMES)), listed),
    (
        "an id of numbers as text: records are rewritten",
        RecordMapping(FLAT | {"id": source("request_id", type="text")}, FeatureSource(ROOT)),
        flat,
    ),
)


def main() -> None:
    rng = random.Random(7)
    one = {"fraud": schema("fraud")}
    plain = [event(rng, "fraud") for _ in range(EVENTS)]
    many = {f"m{i}": schema(f"m{i}") for i in range(100)}
    spread = [event(rng, f"m{rng.randrange(100)}") for _ in range(EVENTS)]
    wide = [event(rng, "fraud", numbers=96) for _ in range(EVENTS // 4)]
    late = [b'{"features"' + v.partition(b', "features"')[2][:-1] + b', "model": "fraud"}' for v in plain]
    dated = [json.dumps({**json.loads(v), "time": "2026-11-23T06:00:11.25Z"}).encode() for v in plain]
    arrays = [b"[" + b",".join(plain[i : i + 10]) + b"]" for i in range(0, EVENTS, 10)]
    wrong = [v.replace(b'"num_15": ', b'"num_15": "12,50", "num_16": ') for v in plain]
    binary = [(f"ce_{k}", b"1.0") for k in ("specversion", "id", "source", "type")]
    gc.collect()
    print(f"{'path':58s} us/event  bytes  rejects in last batch")
    fast = EventsCodec()
    measure("fast: one open model, 16 numbers and 4 categories", fast, batches(plain), one)
    text, named = (Hasher(bytes(32), text=t, channels=c) for t, c in ((True, ()), (False, ("cat_*", "prediction"))))
    measure("fast: text is hashed (4 categories)", EventsCodec(Limits(hasher=text)), batches(plain), one)
    measure("fast: all values of 5 channels are hashed", EventsCodec(Limits(hasher=named)), batches(plain), one)
    distinct = [v.replace(b'"cat_0": "', b'"cat_0": "%d-' % i) for i, v in enumerate(plain)]
    measure("fast: an identifier, as it came", fast, batches(distinct), one)
    measure("fast: an identifier, hashed", EventsCodec(Limits(hasher=text)), batches(distinct), one)
    measure("fast: closed schema", fast, batches(plain), {"fraud": schema("fraud", is_open=False)})
    measure("fast: learning (kinds not known yet)", fast, batches(plain), {"fraud": schema("fraud", learned=False)})
    measure("fast: one in twenty numbers null", fast, batches([event(rng, "fraud", nulls=0.05) for _ in plain]), one)
    measure("fast: 100 models mixed", fast, batches(spread), many)
    measure("fast: 100 features", fast, batches(wide), {"fraud": schema("fraud", numbers=96)})
    measure("fast: model is the last field", fast, batches(late), one)
    measure("fast: RFC 3339 times", fast, batches(dated), one)
    measure("fast: arrays of 10 events", fast, batches(arrays), one)
    measure("fast: CloudEvents, binary mode", fast, batches(plain, binary), one)
    measure("fast: not ASCII", fast, batches([v.replace(b'"red"', '"\u00e9"'.encode()) for v in plain]), one)
    for name, mapping, write in MAPPED:
        codec = EventsCodec(Limits(mappings=Mappings(mapping)))
        measure(f"mapped: {name}", codec, batches([json.dumps(write(json.loads(v))).encode() for v in plain]), one)
    closed = EventsCodec(Limits(discover=False))
    measure("drop: model not configured", closed, batches(plain), {})
    full = {"fraud": Schema("fraud", dict(list(one["fraud"].features.items())[:10]), Kind.NUMERIC, max_features=10)}
    measure("fast: 10 of 20 features beyond the limit", fast, batches(plain), full)
    measure("strict: every event", JsonCodec(fast=False), batches(plain), one)
    measure("strict: every event has a wrong type", fast, batches(wrong), one)


if __name__ == "__main__":
    main()
