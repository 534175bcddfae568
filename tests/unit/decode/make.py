"""Records, events and rows for the tests of the codecs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from driftd.core.event import Decoded, EventBatch, Headers, Kind, RecordBatch, Reject, Scalar, Schema, versions
from driftd.core.lists import LISTS
from driftd.decode import Codec, Limits
from driftd.decode.json.codec import EventsCodec

NOW = 1_795_413_611.0


def records(
    values: Sequence[Any], start: int = 0, timestamp: float = NOW, headers: Sequence[Headers] | None = None
) -> RecordBatch:
    """One partition's stretch; values that are not bytes or None are encoded as JSON."""
    encoded = [v if v is None or isinstance(v, bytes) else json.dumps(v).encode() for v in values]
    offsets = np.arange(start, start + len(values), dtype=np.int64)
    stamps = np.full(len(values), timestamp)
    return RecordBatch("events", 0, offsets, stamps, encoded, start + len(values), headers=headers)


def decode(*values: Any, schema: Schema | None = None, limits: Limits | None = None, **record: Any) -> Decoded:
    """The values through the codec; the model ``m`` is known if a schema is given, else discovered."""
    schemas = {} if schema is None else {schema.model: schema}
    return EventsCodec(limits or Limits()).decode(records(values, **record), schemas)


def only(decoded: Decoded) -> EventBatch:
    assert not decoded.rejects
    (batch,) = decoded.batches
    return batch


def refused(decoded: Decoded) -> Reject:
    assert not decoded.batches
    (reject,) = decoded.rejects
    return reject


def refusals(decoded: Decoded) -> dict[str, tuple[str, list[bool]]]:
    """Of the only batch, each feature with refused values: why the first was refused, and which were."""
    batch = only(decoded)
    assert {v.feature for v in decoded.refused} == batch.refused.keys()
    for value in decoded.refused:
        at = int(np.argmax(batch.refused[value.feature]))
        assert (value.model, value.offset, value.time) == (batch.model, batch.offsets[at], batch.times[at])
    return {value.feature: (value.why, batch.refused[value.feature].tolist()) for value in decoded.refused}


def m(**fields: Any) -> dict[str, Any]:
    """An event of model ``m`` with one feature."""
    return {"model": "m", "features": {"x": 1}, **fields}


def accounted(decoded: Decoded) -> bool:
    """The identity of Decoded's docstring."""
    kept = sum(len(b) + b.label_only for b in decoded.batches)
    return decoded.received == kept + len(decoded.rejects) + sum(decoded.dropped.values())


def grown(schemas: Mapping[str, Schema], decoded: Decoded, max_features: int) -> dict[str, Schema]:
    """The schemas that the caller hands to the next call."""
    out = dict(schemas)
    for batch in decoded.batches:
        old = out.get(batch.model, Schema(batch.model, max_features=max_features))
        features = {name: old.features.get(name, Kind.ANY) for name in batch.columns}
        out[batch.model] = Schema(old.model, features, old.prediction, old.open, old.max_features)
    return out


def rows(batch: EventBatch) -> list[tuple[Any, ...]]:
    """The batch event by event, what is missing left out, so that batches of different columns compare."""
    there = [("latency", batch.latency_seconds), ("score", batch.score), ("label", batch.label)]
    fields = [*batch.columns.items(), *((f"({k})", v) for k, v in [*there, ("prediction", batch.prediction)])]
    fields += [(f"({k})", v) for k, v in batch.fields.items() if k.startswith("cost.")]
    out = []
    for i in range(len(batch)):
        cells = {name: column[i] for name, column in fields if column is not None}
        present = {k: (type(v).__name__, v) for k, v in cells.items() if v is not None and not _nan(v)}
        for name, lists in batch.fields.items():
            if name.startswith(LISTS) and (own := np.asarray(lists[i], np.float64))[0] > 0:
                present[name] = ("list", *np.trim_zeros(own, "b").tolist())
        failed = batch.failed is not None and bool(batch.failed[i])
        refused = sorted(name for name, flags in batch.refused.items() if flags[i])
        assert not present.keys() & refused
        out.append((int(batch.offsets[i]), float(batch.times[i]), present, failed, refused))
    return out


def labels_alone(batch: EventBatch) -> list[tuple[int, float, Scalar, Scalar]]:
    """Offset, time, id and label of each label that came alone."""
    alone = batch.labels_alone
    if alone is None:
        return []
    return [*zip(alone.offsets.tolist(), alone.times.tolist(), alone.ids, alone.labels, strict=True)]


def _nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def outcome(
    codec: Codec, stretches: Sequence[RecordBatch], schemas: Mapping[str, Schema], max_features: int = 200
) -> dict[str, Any]:
    """Everything that came of the stretches together, with schemas growing from one to the next."""
    models: dict[str, Any] = {}
    rejects: list[Any] = []
    dropped: dict[str, int] = {}
    first: dict[tuple[str, str], Any] = {}
    received = 0
    known = dict(schemas)
    for stretch in stretches:
        decoded = codec.decode(stretch, known)
        assert accounted(decoded)
        received += decoded.received
        rejects += [(r.offset, r.reason, r.detail, r.model) for r in decoded.rejects]
        for reason, count in decoded.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
        for value in decoded.refused:
            first.setdefault((value.model, value.feature), value)
        known = grown(known, decoded, max_features)
        for batch in decoded.batches:
            model = models.setdefault(
                batch.model, {"rows": [], "versions": set(), "labels": [], "ignored": 0, "features": ()}
            )
            model["rows"] += rows(batch)
            model["versions"] |= set(versions(batch)) - {None}
            model["labels"] += labels_alone(batch)
            model["ignored"] += batch.ignored_features
            model["features"] = tuple(batch.columns)
    told = {"rejects": rejects, "dropped": dropped, "refused": first}
    return {"received": received, "models": models, **told, "order": list(known)}
