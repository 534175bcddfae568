"""For any JSON and any mapping: what comes out is what plain Python finds when it walks the paths."""

# ruff: noqa: E501  (records stand in one line, as on the wire)
from __future__ import annotations

import json
import math
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from driftd.core.event import Kind, Schema
from driftd.decode import Limits
from driftd.decode.json.codec import EventsCodec
from driftd.decode.json.fast import JsonCodec
from driftd.decode.mapping.shape import MappedShape
from driftd.decode.mapping.spec import ROOT, UNITS, FeatureSource, Mappings, Path, RecordMapping, Source, spell
from tests.unit.decode.make import NOW, outcome, records

LIMITS = Limits(features_per_event=6, name_bytes=12)
KEYS = ["a", "b", "c", "ts", "model", "time", "features", "prediction", "x y", "d.e", "\u00e9", "%b"]
names = st.sampled_from(KEYS)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["m", "n", "DE", "", "{", "[{", "12", " 1.5 ", "1_0", "-.5e1", "\u00e9", '"\\', f"{NOW}", f"{NOW * 1e3}"]),
    st.sampled_from([NOW, NOW * 1e3, NOW * 1e6, 1e300]),
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5), max_leaves=12
)
# most keys at the top, so that paths find something
documents = st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, values))
paths = st.tuples(names, st.lists(names | st.integers(0, 2), max_size=2)).map(lambda p: (p[0], *p[1]))
MISSING = object()


@st.composite
def mappings(draw: st.DrawFn) -> RecordMapping:
    fields: dict[str, Any] = {}
    sources = st.builds(Source, paths, type=st.sampled_from(["", "number", "text"]))
    for name in draw(st.sets(st.sampled_from(["model", "version", "prediction", "score", "label", "id", "error"]))):
        fields[name] = draw(sources)
    for name in draw(st.sets(st.sampled_from(["time", "latency_seconds"]))):
        fields[name] = Source(draw(paths), unit=draw(st.sampled_from(["", *UNITS])))
    for name in draw(st.sets(st.sampled_from(["model", "variant"]))):
        fields[name] = Source(value=draw(st.sampled_from(["m", "50 %b", None])))
    if draw(st.booleans()):
        fields["segments"] = draw(st.dictionaries(names, paths, max_size=2))
    features = FeatureSource(
        draw(st.sampled_from([None, ROOT]) | paths),
        tuple(draw(st.lists(names, max_size=3, unique=True))),
        draw(st.dictionaries(names, paths, max_size=2)),
        tuple(spell((name,)) for name in draw(st.lists(names, max_size=2))),
    )
    return RecordMapping(fields, features)


def walked(value: Any, path: Path) -> Any:
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else None
    return value


def number(value: Any, each: float) -> Any:
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", value, re.IGNORECASE):
        value = float(value)
    return float(value) / each if isinstance(value, int | float) and not isinstance(value, bool) else value


def text(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, int | float) else value


def flat(value: dict[str, Any], skip: set[str], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, inner in value.items():
        name = prefix + key
        if name not in skip:
            # a name that is too long already is where flattening ends: the event is refused for it
            out |= flat(inner, skip, f"{name}.") if isinstance(inner, dict) and len(name) <= 12 else {name: inner}
    return out


def dotted(path: Path) -> str:
    return ".".join(map(str, path[: next((i for i, s in enumerate(path) if isinstance(s, int)), len(path))]))


def event(mapping: RecordMapping, record: Any) -> Any:
    """The event that the record is, by the words of the documentation."""
    if not isinstance(record, dict):
        return 0
    f = mapping.features
    own = {"model", "version", "time", "variant", "id", "prediction", "score", "label", "latency_seconds", "error", "cost", "segments"}  # fmt: skip
    taken = {p for s in mapping.fields.values() for p in ([s.path] if isinstance(s, Source) else s.values())}
    taken |= set(f.paths.values())
    sources = {name: Source((name,)) for name in own if (name,) not in taken} | dict(mapping.fields)
    out: dict[str, Any] = {}
    read: list[Path] = [*f.paths.values()]
    for name, source in sources.items():
        if not isinstance(source, Source):
            out[name] = {key: walked(record, path) for key, path in source.items()}
            read += source.values()
        elif source.path is None:
            out[name] = source.value
        else:
            found = walked(record, source.path)
            read.append(source.path)
            each = UNITS.get(source.unit, 1.0)
            wanted = number(found, each) if source.unit or source.type == "number" else found
            out[name] = text(found) if source.type == "text" else wanted
    picked = {name: walked(record, path) for name, path in f.paths.items()}
    if f.under is None:
        return out | ({"features": picked} if picked else {})
    n = len(f.under)
    skip = {dotted(p[n:]) for p in read if len(p) > n and p[:n] == f.under}
    skip = (skip - {""}) | {name.strip('"') for name in f.ignore}
    under = walked(record, f.under)
    if isinstance(under, list) and f.names and len(under) == len(f.names):
        under = dict(zip(f.names, under, strict=True))
    elif isinstance(under, dict):
        under = flat(under, skip)
    elif under is not None or not picked:
        return out | {"features": under}
    return out | {"features": (under or {}) | picked if not isinstance(under, list) else under}


def stripped(told: dict[str, Any]) -> Any:
    """Without words, which name the record's own size."""
    return {**told, "rejects": [(offset, reason) for offset, reason, *_ in told["rejects"]]}


@given(mappings(), st.lists(documents | values | st.lists(documents, min_size=1, max_size=3), min_size=1, max_size=6))
def test_any_record_is_what_plain_python_finds_in_it(mapping: RecordMapping, documents: list[Any]) -> None:
    plain = [
        [event(mapping, item) for item in d] if isinstance(d, list) and d else d if d in ([], None) and d != {} else event(mapping, d)
        for d in documents
    ]  # fmt: skip
    limits = Limits(**{**{f: getattr(LIMITS, f) for f in LIMITS.__slots__}, "mappings": Mappings(mapping)})
    mapped = outcome(EventsCodec(limits), [records(documents)], {})
    assert stripped(mapped) == stripped(outcome(EventsCodec(LIMITS), [records(plain)], {}))


@given(mappings(), st.lists(documents, min_size=1, max_size=6), st.booleans(), st.booleans())
def test_one_pass_gives_what_the_strict_path_gives(
    mapping: RecordMapping, documents: list[Any], known: bool, is_open: bool
) -> None:
    shape = MappedShape(mapping, LIMITS)
    features = dict.fromkeys(("a", "a.b", "ts", "é"), Kind.ANY) if known else {}
    schemas = {"m": Schema("m", features, open=is_open, max_features=6)}
    # again and again: the first time teaches the schema that the others are decoded with
    stretches = [records(documents, start=9 * i) for i in range(3)]
    fast = outcome(JsonCodec(LIMITS, shape=shape), stretches, schemas)
    assert fast == outcome(JsonCodec(LIMITS, shape=shape, fast=False), stretches, schemas)


def test_the_reference_can_tell() -> None:
    mapping = RecordMapping({"time": Source(("ts",), unit="ms")})
    assert event(mapping, {"ts": 1000, "model": "m"})["time"] == 1.0
    assert math.isclose(event(mapping, {"ts": " 1.5 "})["time"], 0.0015)
