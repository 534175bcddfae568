"""Targets: records to events, and what is left of a record in a dead letter."""

from __future__ import annotations

import json
import zlib
from collections.abc import Hashable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np

from driftd.core.event import Decoded, Headers, Kind, RecordBatch, Reject, RejectReason, Schema
from driftd.core.hashing import Hasher
from driftd.decode import Limits
from driftd.decode.json.codec import EventsCodec
from driftd.decode.json.fast import JsonCodec
from driftd.sinks.kafka import LETTER_BYTES, letter
from driftd.sinks.redaction import hashed
from tests.fuzz.engine import Target, Try, sign_of
from tests.fuzz.mutate import json_bytes, json_tree
from tests.unit.decode.make import NOW, accounted, outcome, records

SEPARATOR: Final = b"\x1e"
"""Between the records of an input."""
MOST_RECORDS: Final = 12
LONGEST: Final = 4096
EVENT: Final = {
    "model": "m",
    "time": NOW,
    "id": "9f",
    "version": "7",
    "features": {"a": 1.5, "b": "red", "c": True, "d": None, 'q"': "x"},
    "prediction": 1,
    "score": {"1": 0.75, "0": 0.25},
    "label": "yes",
    "latency_seconds": 0.1,
    "error": None,
    "segments": {"country": "DE"},
    "cost": {"usd": 0.5},
}
TOKENS: Final = tuple(
    b'" \\ { } [ ] , : null true false NaN Infinity -0 1e400 1e-400 12,50 \\u0000 \\ud800 \\u00e9 \xc3\xa9 \xff '
    b'\xef\xbb\xbf \x1e "model" "time" "features" "prediction" "score" "label" "error" "data" "specversion" '
    b"2026-11-23T06:00:11Z".split(b" ")
)
SCHEMAS: Final[tuple[Mapping[str, Schema], ...]] = (
    {},
    {"m": Schema("m", {"a": Kind.NUMERIC, "b": Kind.CATEGORICAL, 'q"': Kind.ANY}, Kind.NUMERIC, open=False)},
    {"m": Schema("m", {"b": Kind.NUMERIC, "a": Kind.CATEGORICAL}, Kind.CATEGORICAL, max_features=3)},
)
KEY: Final = b"0123456789abcdef"
LIMITS: Final = (
    Limits(),
    Limits(max_models=2, max_features=3, record_bytes=4096, features_per_event=5, show_values=False),
    Limits(hasher=Hasher(KEY, text=True, channels=("a", "prediction"))),
)


def events() -> list[bytes]:
    odd = [{**EVENT, "features": None}, {**EVENT, "time": "2026-11-23T06:00:11.5Z"}, [EVENT, {"model": "n"}]]
    return [json.dumps(e).encode() for e in (EVENT, *odd)] + [
        json.dumps(EVENT).encode() + SEPARATOR + json.dumps({**EVENT, "model": "n"}).encode()
    ]


def fast_is_strict(_: Path) -> Try:
    """The fast path accepts what the strict path does and makes the same of it, whole and one record at a time."""

    def attempt(data: bytes) -> Hashable:
        values = data[:LONGEST].split(SEPARATOR)[:MOST_RECORDS]
        batch = records(values)
        signs: list[tuple[str, str]] = []
        ways = [*product(LIMITS, SCHEMAS)]
        limits, schemas = ways[zlib.crc32(data) % len(ways)]
        strict = outcome(JsonCodec(limits, fast=False), [batch], schemas, limits.max_features)
        fast = JsonCodec(limits)
        assert outcome(fast, [batch], schemas, limits.max_features) == strict
        ones = [records([value], start=i) for i, value in enumerate(values)]
        assert outcome(fast, ones, schemas, limits.max_features) == strict
        assert all(len(detail) <= 200 for _, _, detail, _ in strict["rejects"])
        signs += [(reason, sign_of(detail)) for _, reason, detail, _ in strict["rejects"]]
        signs += [(str(len(m["rows"])), ",".join(map(sign_of, m["features"]))) for m in strict["models"].values()]
        _hashed_alone(JsonCodec(LIMITS[2]).decode(batch, {}))
        return tuple(sorted(set(signs)))

    return attempt


def _hashed_alone(decoded: Decoded) -> None:
    """Where text is hashed, no other text is in a column."""
    for batch in decoded.batches:
        columns = [*batch.columns.values(), *batch.fields.values()]
        texts = {v for column in columns if not isinstance(column, np.ndarray) for v in column if isinstance(v, str)}
        answers = (batch.fields.get(name, ()) for name in ("prediction", "label"))
        plain = {v for answer in answers if not isinstance(answer, np.ndarray) for v in answer if isinstance(v, str)}
        assert all(v.startswith("#") or v in {"true", "false"} for v in texts - plain)


def _record(data: bytes) -> tuple[Headers, bytes]:
    """Lines ``name: value``, a blank line, and the record's value."""
    head, _, value = data.partition(b"\n\n")
    pairs = (line.partition(b": ") for line in head.split(b"\n")[:20])
    return [(name.decode("utf-8", "replace"), text) for name, _, text in pairs if name], value


def envelopes() -> list[bytes]:
    event = json.dumps(EVENT).encode()
    names = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "time": "2026-11-23T06:00:11Z"}
    binary = "\n".join(f"ce_{k}: {v}" for k, v in names.items()).encode()
    structured = b"content-type: application/cloudevents+json; charset=utf-8"
    packed = json.dumps({**names, "data_base64": "eyJtb2RlbCI6Im0iLCJmZWF0dXJlcyI6eyJhIjoxfX0="}).encode()
    return [
        binary + b"\n\n" + event,
        structured + b"\n\n" + json.dumps({**names, "data": EVENT}).encode(),
        structured + b"\n\n" + packed,
    ]


def cloudevents(_: Path) -> Try:
    """Every record ends in a batch, a reject or a drop count."""
    codec = EventsCodec(Limits(record_bytes=16_384))

    def attempt(data: bytes) -> Hashable:
        headers, value = _record(data)
        decoded = codec.decode(records([value, b"{}"], headers=[headers, ()]), {})
        assert accounted(decoded)
        return tuple((r.reason, sign_of(r.detail)) for r in decoded.rejects), len(decoded.batches)

    return attempt


def redacted(_: Path) -> Try:
    """No value of the record is in a hashed dead letter, which stays small enough to be sent."""
    redact = hashed(Hasher(KEY))

    def attempt(data: bytes) -> Hashable:
        headers, value = _record(data)
        batch = RecordBatch("t", 0, np.arange(1), np.array([np.nan]), [value], 1, [data[:20]], [headers])
        left, key, told = letter(batch, Reject(0, 0, RejectReason.NOT_JSON, "not JSON"), redact)
        assert len(left or b"") + len(key or b"") <= LETTER_BYTES
        assert left is not None or dict(told)["__driftd.errors.bytes"].isdigit()
        if left is None:
            return "dropped"
        tree = json.loads(left)
        assert all(leaf is None or (isinstance(leaf, str) and leaf.startswith("#")) for leaf in leaves(tree))
        return type(tree).__name__, min(len(leaves(tree)), 10)

    return attempt


def leaves(tree: Any) -> Sequence[Any]:
    inner = list(tree.values()) if isinstance(tree, dict) else tree if isinstance(tree, list) else None
    return [tree] if inner is None else [leaf for item in inner for leaf in leaves(item)]


TARGETS: Final = (
    Target("json", fast_is_strict, events, TOKENS, parse=json_tree, unparse=json_bytes, quick=300),
    Target("cloudevents", cloudevents, envelopes, TOKENS, quick=600),
    Target("redaction", redacted, lambda: [b"\n\n" + e for e in events()] + envelopes(), TOKENS, quick=600),
)
