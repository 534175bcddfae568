"""The fast path accepts what the strict path accepts and makes the same columns, however records are batched."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st

from driftd.core.event import Kind, RecordBatch, Schema
from driftd.core.hashing import Hasher
from driftd.decode import Limits
from driftd.decode.json.fast import JsonCodec
from tests.unit.decode.make import NOW, outcome, records

MODELS = ["m", "n", 'q"', "\u00e9", "", "x" * 200]
NAMES = ["a", "b", "c", 'q"uote', "new\nline", "back\\slash", "\u00e9", "\x7ff0", "", "y" * 129, "model"]
numbers = st.sampled_from([0, -0.0, 1, 1.5, -3, 1e300, 10**30, 10**400, 2**64, 1e-320, float("nan"), float("inf")])
texts = st.sampled_from(["", "red", "12,50", "true", "x" * 300, "\u00e9", "\ud800", "\ud83d\ude00", "\x00"])
scalars = st.one_of(numbers, texts, st.booleans(), st.none())
odd: st.SearchStrategy[Any] = st.one_of(scalars, st.just([]), st.just({}), st.just([1, [2]]), st.just({"k": 1}))
times = st.one_of(
    st.sampled_from(
        [
            NOW,
            NOW - 5,
            int(NOW),
            NOW + 299,
            NOW + 301,
            NOW * 1000,
            -1,
            0,
            "2026-11-23T06:00:11Z",
            "2026-11-23 06:00:11+02:00",
            "2026-11-23T06:00:11",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-10:00",
            "noon",
            None,
            True,
            1e300,
        ]
    )
)
LISTED = [[], [3, 4], [-2.5], [0.5, -0.0, 1e300], [1.0] * 20, [0] * 17]
some_numbers = st.dictionaries(st.sampled_from(NAMES[:3]), st.sampled_from([1, 2.5, -0.0, None, *LISTED]), max_size=3)
some_texts = st.dictionaries(
    st.sampled_from(NAMES[3:8]), st.sampled_from(["red", "x" * 300, True, 7, None]), max_size=3
)
plausible = st.fixed_dictionaries(
    {
        "model": st.sampled_from([*MODELS[:4], "m", "m"]),
        "features": st.builds(lambda a, b: {**a, **b}, some_numbers, some_texts),
    },
    optional={
        "prediction": st.sampled_from([1, 0.5, True, None, *LISTED]),
        "time": st.sampled_from([NOW, "2026-11-23T06:00:11.5Z", None]),
        "id": st.sampled_from(["9f", 7, None]),
        "label": st.sampled_from([1, "yes", False, None]),
        "score": st.sampled_from([0.9, None, {"1": 0.25, "yes": 0.5, "true": 0.75}, {}, [0.5], [0.25, 0.75], []]),
        "latency_seconds": st.sampled_from([0.1, 0, None]),
        "error": st.sampled_from([None, False, True, "", "late", {"code": 1}, 0]),
        "version": st.sampled_from(["7", 7, None]),
        "variant": st.sampled_from(["v7", "v8", 8, 8.5, None]),
        "unit": st.sampled_from(["u1", 17, None]),
        "cost": st.dictionaries(st.sampled_from(["amount", "tokens_in", "x"]), st.sampled_from([0, 2.5, -1, None])),
    },
)
ANYTHING: dict[str, st.SearchStrategy[Any]] = {
    "model": st.one_of(st.sampled_from(MODELS), odd),
    "features": st.one_of(odd, st.dictionaries(st.sampled_from(NAMES), odd, max_size=6)),
    "prediction": st.one_of(odd, st.lists(scalars, max_size=3), st.just([1.7e308, 1.7e308]), st.just([["a"]])),
    "time": st.one_of(times, st.just(NOW + 301)),
    "id": odd,
    "label": odd,
    "score": st.one_of(
        odd, st.lists(scalars, max_size=3), st.dictionaries(st.sampled_from(["1", "yes"]), scalars, max_size=2)
    ),
    "latency_seconds": st.one_of(odd, st.just(-1)),
    "error": odd,
    "version": odd,
    "variant": odd,
    "unit": odd,
    "cost": st.one_of(
        odd,
        st.dictionaries(st.sampled_from(["usd", "tokens_in", "gen_ai.usage.input_tokens"]), st.one_of(odd, numbers)),
    ),
    "segments": st.one_of(odd, st.dictionaries(st.sampled_from(["country"]), odd)),
    "unknown": odd,
}
hostile = st.fixed_dictionaries({}, optional=ANYTHING)


@st.composite
def nearly(draw: st.DrawFn) -> dict[str, Any]:
    """A usable event but for one field that may be anything, and one that may be gone."""
    name = draw(st.sampled_from([*ANYTHING]))
    fields = {**draw(plausible), name: draw(ANYTHING[name])}
    gone = draw(st.sampled_from([*[""] * 9, "features", "model"]))
    return {name: value for name, value in fields.items() if name != gone}


event = st.one_of(plausible, nearly(), nearly(), hostile)


@st.composite
def value(draw: st.DrawFn) -> bytes | None:
    kind = draw(st.integers(0, 19))
    if kind == 0:
        return draw(
            st.sampled_from([None, b"", b"{", b"[]", b"[", b"null", b"5", b"\xff", b"[" * 600, b"\xef\xbb\xbf{}"])
        )
    if kind == 1:
        return draw(st.binary(max_size=30))
    body = draw(st.lists(event, max_size=4)) if kind < 4 else draw(event)
    text = json.dumps(body, ensure_ascii=draw(st.booleans()))
    encoded = text.encode("utf-8", "surrogatepass")
    if kind == 4 and encoded:  # one byte changed
        at = draw(st.integers(0, len(encoded) - 1))
        return encoded[:at] + draw(st.binary(max_size=2)) + encoded[at + 1 :]
    if kind == 5:  # keys twice
        more = json.dumps(draw(event)).encode()
        return encoded[:-1] + b"," + more[1:]
    return encoded


kinds = st.sampled_from(list(Kind))
numeric = st.sampled_from([Kind.NUMERIC, Kind.LIST, Kind.ANY])
likely = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES[:3], numeric))
others = st.dictionaries(st.sampled_from(NAMES[3:8]), st.sampled_from([Kind.CATEGORICAL, Kind.ANY]), max_size=2)
schema = st.builds(
    Schema,
    st.sampled_from([*MODELS[:4], "m", "m"]),
    st.one_of(st.builds(lambda a, b: {**a, **b}, likely, others), st.dictionaries(st.sampled_from(NAMES[:8]), kinds)),
    kinds.filter(lambda kind: kind is not Kind.LIST),
    st.booleans(),
    st.integers(0, 8),
)
limits = st.one_of(
    st.just(Limits()),
    st.just(Limits(hasher=Hasher(b"0123456789abcdef", text=True, channels=("a", "label")), show_values=False)),
    st.builds(Limits, max_models=st.integers(0, 3), max_features=st.integers(1, 4)),
    st.builds(
        Limits,
        record_bytes=st.sampled_from([100, 262_144]),
        features_per_event=st.sampled_from([2, 1000]),
        discover=st.booleans(),
    ),
)


def split(batch: RecordBatch, cuts: list[int]) -> list[RecordBatch]:
    out = []
    edges = sorted({0, len(batch), *(c % (len(batch) + 1) for c in cuts)})
    for a, b in pairwise(edges):
        out.append(RecordBatch("events", 0, batch.offsets[a:b], batch.timestamps[a:b], batch.values[a:b], b))
    return out


def run(values: list[Any], schemas: list[Schema], given_limits: Limits, cuts: list[int], patience: int) -> None:
    batch = records(values)
    known = {s.model: s for s in schemas}
    most = given_limits.max_features
    with patch("driftd.decode.json.fast._RECOMPILE_AFTER", patience):
        strict = outcome(JsonCodec(given_limits, fast=False), [batch], known, most)
        fast = JsonCodec(given_limits)
        assert outcome(fast, [batch], known, most) == strict
        assert outcome(fast, split(batch, cuts), known, most) == strict
        assert outcome(fast, [batch], known, most) == strict


@settings(max_examples=600)
@given(
    st.lists(value(), max_size=12),
    st.lists(schema, max_size=3, unique_by=lambda s: s.model),
    limits,
    st.lists(st.integers(0, 12), max_size=4),
    st.sampled_from([1, 2, 32]),
)
@example(
    [{"model": "m", "features": {"a": 1, 'q"uote': 2}}] * 3,
    [Schema("m", {'q"uote': Kind.NUMERIC, "\x7ff0": Kind.ANY}, open=False)],
    Limits(),
    [1],
    1,
)
@example(
    [{"model": "m", "features": {"a": 1, "b": None}}, {"model": "m", "features": {"b": 1}}] * 3, [], Limits(), [2], 1
)
def test_the_paths_agree(
    values: list[Any], schemas: list[Schema], given_limits: Limits, cuts: list[int], patience: int
) -> None:
    run(values, schemas, given_limits, cuts, patience)
