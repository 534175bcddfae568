"""Records of serving platforms for tests: as the platform's own code or published sample has them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from driftd.core.event import Decoded, EventBatch, Headers, RecordBatch
from driftd.decode import Limits, codec_of
from driftd.decode.mapping.spec import FeatureSource, Mappings, RecordMapping
from driftd.ingest.halves import Halves
from tests.unit.decode.make import NOW

SAMPLES: Final = Path(__file__).parent / "samples"
Sent = tuple[Headers, bytes | None]
"""Headers and value of a record."""


def batch(sent: Sequence[Sent], start: int = 0, timestamp: float = NOW, keys: Any = None) -> RecordBatch:
    offsets = np.arange(start, start + len(sent))
    values, headers = [value for _, value in sent], [names for names, _ in sent]
    stamps = np.full(len(sent), timestamp)
    return RecordBatch("t", 0, offsets, stamps, values, start + len(sent), keys, headers)


def limits(record_format: str, names: Sequence[str] = (), fields: Mapping[str, Any] | None = None) -> Limits:
    features = FeatureSource(names=tuple(names))
    return Limits(mappings=Mappings(RecordMapping(fields or {}, features, record_format)))


def decode(record_format: str, *sent: Sent, halves: Halves | None = None, **other: Any) -> Decoded:
    return codec_of(limits(record_format, **other)).decode(batch(sent), {}, halves)


def lines(name: str) -> list[bytes]:
    """Of a sample that a platform's own code has made."""
    return (SAMPLES / name).read_bytes().splitlines()


def read(record_format: str, *values: bytes | None, timestamp: float = NOW, **other: Any) -> Decoded:
    """Records without headers, of whole calls."""
    return codec_of(limits(record_format, **other)).decode(batch([([], v) for v in values], timestamp=timestamp), {})


def ids(one: EventBatch) -> list[Any]:
    return [] if one.ids is None else [*one.ids]


def by_id(one: EventBatch) -> dict[Any, dict[str, Any]]:
    """Features and other fields of each event."""
    columns = {**one.columns, **one.fields}
    return {name: {field: column[i] for field, column in columns.items()} for i, name in enumerate(ids(one))}


def kserve(half: str, body: Any, identity: str = "7d0c", time: str = "2026-11-23T06:00:10.120Z", **more: str) -> Sent:
    """Binary mode, as the Knative sink for Kafka writes what `pkg/logger/worker.go` sends."""
    given = {
        "specversion": "1.0",
        "id": identity,
        "source": "http://localhost:9081/",
        "type": f"org.kubeflow.serving.inference.{half}",
        "time": time,
        "inferenceservicename": "sklearn-iris",
        "namespace": "default",
        "component": "predictor",
        "endpoint": "",
        "metadata": "{}",
        **more,
    }
    headers = [("content-type", b"application/json"), *((f"ce_{k}", v.encode()) for k, v in given.items())]
    return headers, body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
