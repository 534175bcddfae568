"""A mapping for records that somebody else has shaped: what they are recognised as, and where the fields seem to be.

A proposal, for people to read: names decide, and times by their size. `driftd check --sample` tries it on the sample.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.json import Decoder

from driftd.decode.fields import COSTS, FIELDS
from driftd.decode.json.strict import DECODE_ERRORS
from driftd.decode.mapping.batches import asked_at, by_row, rows_of
from driftd.decode.mapping.familiar import ENVELOPES, NAMES, plain
from driftd.decode.mapping.inference import propose_bodies
from driftd.decode.mapping.packed import advice, packed
from driftd.decode.mapping.proposal import Proposal, sayable
from driftd.decode.mapping.spec import CALLED, KEYS, Path, parse, spell
from driftd.decode.mapping.times import find_time, is_asked, is_called_a_time, is_of_the_call, with_unit

_MOST_STEPS: Final = 6
_MOST_PATHS: Final = 2000
"""Paths of one record that are looked at. Chosen: a record of more has another shape than one event's."""
_SUFFIX: Final = {"seconds": "s", "ms": "ms", "us": "us", "ns": "ns", "millis": "ms", "micros": "us"}
_any: Final = Decoder(Any)


_MARKS: Final = ("features_", "feature_", "feat_", "inputs_", "input_", "f_", "x_")
"""Prefixes of the names of features, where they stand beside other fields."""


_TOLD: Final = frozenset({"prediction", "features", "score", "label", *NAMES["prediction"], *NAMES["score"]})
_EVENT: Final = frozenset({*_TOLD, "model", *NAMES["model"], *NAMES["label"], "inputs", "instances", "op", *ENVELOPES})
"""Names of which an event has at least one."""
_HALVES: Final = ("request", "response", "inputs", "outputs")
_ANSWERS: Final = frozenset(
    {"output", "outputs", "result", "results", "response", "answer", "prediction", "predictions"}
)
_ANYBODYS: Final = frozenset({"id", "version", "score", "label", "class", "result", "target", "actual"})
"""Names that a user, a client or a card has as well: in what an event is made of (_OWN) they are the event's."""
_OWN: Final = frozenset(
    map(
        plain,
        {*_ANSWERS, *ENVELOPES, *NAMES["prediction"], *NAMES["label"], "score", "scores", "label", "labels"}
        | {"request", "response", "inference", "event", "meta", "metadata", "header", "headers", "context", "feedback"}
        | {"outcome", "truth", "info", "call", "model"},
    )
)
_TYPES: Final = frozenset({"string", "int", "long", "float", "double", "boolean"})
_CLOUD_EVENTS: Final = "CloudEvents envelope in the record's value"
NAMELESS: Final = "no record names its model; give the model's name as the value"


def propose(values: Sequence[bytes | None], name: str) -> Proposal | None:
    """For records of which ``name`` is the topic or file, "" for standard input. None where none is a JSON object."""
    records = [record for value in values for record in _records(value)]
    if not records:
        return None
    found = Proposal()
    # the record with the most in it: others may leave fields out
    record = max(records, key=lambda r: len(_paths(r)))
    inside, prefix = _opened(record, found)
    values_at = {prefix + path: value for path, value in _paths(inside).items()}
    outside = {path: value for path, value in _paths(record).items() if path not in values_at}
    propose_bodies(values_at, found)
    _find_time(values_at, found) or _find_time(outside, found)
    for key in ("model", "prediction", "score", "label", "latency", "id", "version"):
        if key not in found.mapping:
            _by_name(key, values_at, found) or _by_name(key, outside, found)
    _told_label(found)
    every = {**outside, **values_at}
    if (hidden := _hidden(every, found)) is not None:
        return hidden
    _costs(every, found)
    _model(record, name, found)
    if "features" not in found.mapping:
        _features(values_at, prefix, records, found)
    by_row(every, found)
    _lists(values_at, found)
    order = [CALLED[f.name] for f in FIELDS]
    found.mapping = {key: found.mapping[key] for key in order if key in found.mapping}
    found.mapping = {k: v for k, v in found.mapping.items() if k == "features" or v != KEYS[k]}
    if isinstance(when := found.mapping.get("time"), dict) and "zone" in when:
        found.remarks.append("times have no offset, and are read as UTC: if they are not, the producer has to say one")
    if "time" not in found.mapping and not isinstance(record.get("time"), str | int | float):
        read = " that driftd reads" * bool(found.warnings)
        found.remarks.append(f"no record has a time{read}: on a topic that of the Kafka record counts, a file has none")
    if any(str(record.get("type", "")).endswith(f"inference.{half}") for half in _HALVES):
        found.remarks.append("requests and answers are records of their own here, and a mapping joins none")
    elif len(types := _types(records) if _CLOUD_EVENTS in found.shapes else []) > 1:
        found.remarks.append(
            f"CloudEvents of {len(types)} types ({', '.join(types[:3])}), and a mapping is of one and joins none: "
            "where inputs and outputs are events of their own, the producer has to send one for both"
        )
    return found


def _types(records: Sequence[Mapping[str, Any]]) -> list[str]:
    return [*dict.fromkeys(name for record in records if isinstance(name := record.get("type"), str))]


def _told_label(found: Proposal) -> None:
    """What is called a label inside of an answer is what the model told."""
    path = next(iter(_used({"label": found.mapping.get("label", "label")})), ())
    if "prediction" not in found.mapping and _ANSWERS & set(map(str, path[:-1])):
        found.mapping["prediction"] = found.mapping.pop("label")


def _model(record: Mapping[str, Any], name: str, found: Proposal) -> None:
    """Who sent it, of CloudEvents that do not name one inside; else as the topic or file is called."""
    if "model" in found.mapping:
        return
    senders = ("inferenceservicename", "source") if _CLOUD_EVENTS in found.shapes else ()
    sender = next((key for key in senders if isinstance(record.get(key), str) and record[key]), None)
    found.mapping["model"] = {"value": nameless(name)} if sender is None else sender
    if sender is None:
        found.remarks.append(NAMELESS)


def _hidden(values_at: Mapping[Path, Any], found: Proposal) -> Proposal | None:
    """That the event is inside of a text, if it seems to be."""
    if "prediction" in found.mapping:
        return None
    inside = [one for one in packed(values_at) if _EVENT & one.inside.keys() or _is_body(one.path)]
    return Proposal(warnings=[advice(inside)]) if inside else None


def _is_body(path: Path) -> bool:
    last = next((step.lower() for step in reversed(path) if isinstance(step, str)), "")
    return last in ENVELOPES or any(part in last for part in ("payload", "body", "message", "request", "response"))


def unread(values: Sequence[bytes | None]) -> dict[str, dict[str, Any] | None]:
    """The members of records in driftd's own form that are no fields of an event; with each the mapping by which it
    would be read as one, if any.
    """
    own = {field.name for field in FIELDS}
    names = dict.fromkeys(name for value in values for record in _records(value) for name in record if name not in own)
    proposal = propose(values, "") if names else None
    if proposal is None:
        return {}
    features = proposal.mapping.get("features", KEYS["features"])
    fields = [(key, value) for key, value in proposal.mapping.items() if key != "features"]
    told = {path: {"features": features, key: value} for key, value in fields for path in _used({key: value})}
    return {name: told.get((name,)) for name in names if sayable(name)}


def nameless(name: str) -> str:
    """What to call the model of records that do not name one: as their topic or file."""
    return re.sub(r"\.[a-z0-9.]+$", "", name) or "MODEL"


def _records(value: bytes | None) -> list[dict[str, Any]]:
    try:
        record = _any.decode(value or b"null")
    except DECODE_ERRORS:
        return []
    return [r for r in (record if isinstance(record, list) else [record]) if isinstance(r, dict) and r]


def _paths(record: Any) -> dict[Path, Any]:
    """Every path with its value, the shallow first; of lists the first item."""
    out: dict[Path, Any] = {}
    level: list[tuple[Path, Any]] = [((), record)]
    while level and len(out) < _MOST_PATHS:
        below: list[tuple[Path, Any]] = []
        for path, value in level:
            for step, inner in _members(value):
                out[*path, step] = inner
                if len(path) + 1 < _MOST_STEPS:
                    below.append(((*path, step), inner))
        level = below
    return out


def _members(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        yield from ((name, inner) for name, inner in value.items() if sayable(name))
    elif isinstance(value, list) and value:
        yield 0, value[0]


def _opened(record: dict[str, Any], found: Proposal) -> tuple[dict[str, Any], Path]:
    """What is inside the envelopes, and where that is."""
    prefix: Path = ()
    inside = record
    if _is_cloud_event(record) and isinstance(record["data"], list):
        prefix, inside = ("data", 0), record["data"][0]
    elif _is_cloud_event(record):
        prefix, inside = ("data",), record["data"]
        found.remarks.append("a producer that sets content-type: application/cloudevents+json needs no mapping for it")
    if prefix:
        found.shapes.append(_CLOUD_EVENTS)
        found.mapping |= {key: key for key in ("time", "id") if key in record}
    payload = inside.get("payload") if "schema" in inside else None
    if isinstance(payload, dict):
        prefix, inside = (*prefix, "payload"), payload
    if "op" in inside and isinstance(inside.get("after"), dict):
        found.shapes.append("Debezium envelope")
        found.remarks.append("deletes (after: null) have no fields and are rejected")
        if isinstance(inside.get("source"), dict) and "ts_ms" in inside["source"]:
            found.mapping["time"] = {"path": spell((*prefix, "source", "ts_ms")), "unit": "ms"}
        prefix, inside = (*prefix, "after"), inside["after"]
    while (name := _envelope_in(inside)) is not None:
        prefix, inside = (*prefix, name), inside[name]
    return inside, prefix


def _is_cloud_event(record: Mapping[str, Any]) -> bool:
    data = record.get("data")
    held = data[0] if isinstance(data, list) and data else data
    return "specversion" in record and "type" in record and isinstance(held, dict)


def _envelope_in(record: Mapping[str, Any]) -> str | None:
    """The member that holds the event, where the record itself is none."""
    if _TOLD & record.keys():
        return None
    return next((n for n in ENVELOPES if isinstance(record.get(n), dict) and _EVENT & record[n].keys()), None)


def _by_name(key: str, values_at: Mapping[Path, Any], found: Proposal) -> bool:
    """The shallowest path whose last name says that it is the field, best to the letter, and whose value fits."""
    own = "latency_seconds" if key == "latency" else key
    used = [*_used(found.mapping)]
    for name in (own, *NAMES[key]):
        alike = [(path, value) for path, value in values_at.items() if plain(str(path[-1])) == plain(name)]
        for path, value in sorted(alike, key=lambda one: (len(one[0]), one[0][-1] != name)):  # as it is spelled, first
            if any(path[: len(other)] == other[: len(path)] for other in used):
                continue
            if is_asked(path) or _is_of_another(key, path):
                continue
            at, inner = _unwrapped(path, value)
            unit = _SUFFIX.get(name.rpartition("_")[2], "")
            source = _source(key, at, inner, unit or "s")
            if source is not None:
                found.mapping[key] = source
                if key == "latency" and not unit:
                    found.remarks.append(f"`{spell(at)}` is read as seconds: if it is of milliseconds, add `unit: ms`")
                return True
    return False


def _is_of_another(key: str, path: Path) -> bool:
    """`client.version` is not the model's, `user.id` not the event's."""
    names = [plain(step) for step in path if isinstance(step, str)]
    if len(names) < 2 or names[-1] not in _ANYBODYS:
        return False
    return names[-2] not in _OWN or (key == "id" and names[-2] == "model")


def _unwrapped(path: Path, value: Any) -> tuple[Path, Any]:
    """Without the name of its type, which Avro's JSON has around a value of a union; of an object that is a model its
    name.
    """
    if isinstance(value, dict) and isinstance(value.get("name"), str) and path[-1] == "model":
        return (*path, "name"), value["name"]
    if isinstance(value, dict) and len(value) == 1 and value.keys() <= _TYPES:
        ((name, inner),) = value.items()
        return (*path, name), inner
    return path, value


def _costs(values_at: Mapping[Path, Any], found: Proposal) -> None:
    """Tokens and money under the names that others have for them, wherever they are."""
    paths: dict[str, str] = {}
    for name, others in COSTS.items():
        for other in others:
            for path, value in values_at.items():
                if other in {path[-1], ".".join(map(str, path))} and _is_number(value):
                    paths.setdefault(name, spell(path))
    if paths:
        found.mapping["cost"] = paths


def _lists(values_at: Mapping[Path, Any], found: Proposal) -> None:
    """That a mapping reads the first of a list of events, where its features are not read by row."""
    if rows_of(found) is not None:
        return
    for path in _used({key: value for key, value in found.mapping.items() if key != "features"}):
        at = next((i for i, step in enumerate(path) if step == 0), None)
        several = values_at.get(path[:at]) if at else None
        if (
            isinstance(several, list)
            and len(several) > 1
            and isinstance(several[0], dict | list)
            and "data" not in path[at:]
        ):
            found.one_row(len(several))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _used(mapping: Mapping[str, Any]) -> Iterator[Path]:
    """What is read as a value: nothing else can be read from inside it."""
    for value in mapping.values():
        if isinstance(value, str):
            yield parse(value)
        elif "path" in value:
            yield parse(value["path"])
        else:
            yield from map(parse, value.get("paths", {}).values())


def _source(key: str, path: Path, value: Any, unit: str) -> Any:
    """How the mapping gives it, a latency in ``unit``; None where the value cannot be the field's."""
    text = spell(path)
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
        number = float(value)
    match key:
        case "latency":
            return None if number is None else with_unit(text, unit, isinstance(value, str))
        case "model":
            return text if isinstance(value, str) and value else None
        case "prediction" if isinstance(value, list) and value and not isinstance(value[0], list | dict):
            return spell((*path, 0)) if len(value) == 1 else text
        case "prediction" if isinstance(value, list) and value and isinstance(value[0], list):
            return spell((*path, 0)) if value[0] and all(map(_is_number, value[0])) else None
        case "score" if isinstance(value, dict):
            return text if value and all(map(_is_number, value.values())) else None
        case "score" if isinstance(value, list):
            return text if value and all(map(_is_number, value)) else None
        case "score" if isinstance(value, str):
            return None if number is None else {"path": text, "type": "number"}
        case "label" | "prediction" | "score" | "id" | "version":
            return text if isinstance(value, int | float | str) else None
    return None


def _find_time(values_at: Mapping[Path, Any], found: Proposal) -> bool:
    """With a word on others that could be it, and on those that cannot."""
    if "time" in found.mapping:
        return True
    when = find_time(values_at)
    if when.source is not None:
        found.mapping["time"] = when.source
        if when.guessed:
            found.remarks.append(f"`{spell(when.path)}` is taken for the time, since its name ends like one")
        elif when.others:
            others = ", ".join(f"`{spell(path)}`" for path in when.others[:3])
            are = "is a time, too" if len(when.others) == 1 else "are times, too"
            found.remarks.append(f"`{spell(when.path)}` is taken for the time by its name; {others} {are}")
    elif when.unreadable:
        found.warnings.append(
            f"`{spell(when.unreadable[0])}` seems to be a time that driftd does not read: it takes RFC 3339 "
            "(2026-09-01T10:00:00Z), or a number of s, ms, us or ns since 1970"
        )
    return when.source is not None


def _features(
    values_at: Mapping[Path, Any], prefix: Path, records: Sequence[Mapping[str, Any]], found: Proposal
) -> None:
    """The object or list that is called like features; else what is beside the prediction."""
    for name in ("features", *NAMES["features"]):
        for path, value in values_at.items():
            if plain(str(path[-1])) == plain(name) and isinstance(value, dict | list) and value:
                found.mapping["features"] = asked_at(path, value, records, found)
                return
    told = next(iter(_used({"prediction": found.mapping["prediction"]})), ()) if "prediction" in found.mapping else ()
    told = told[:-1] if told and told[-1] in _TYPES else told
    at = told[:-1] if told[: len(prefix)] == prefix and told and isinstance(told[-1], str) else prefix
    used = {*_used(found.mapping), *((*at, f.name) for f in FIELDS)}
    left = [p for p, v in values_at.items() if p[:-1] == at and not isinstance(_unwrapped(p, v)[1], list | dict)]
    names = [str(path[-1]) for path in left if path not in used]
    marked = next((mark for mark in _MARKS if sum(name.startswith(mark) for name in names) > 1), None)
    if not names:
        return
    found.mapping["features"] = {"under": spell(at)} | ({} if marked is None else {"prefix": marked})
    others = find_time({path: values_at[path] for path in left if path not in used})
    event = next((values_at.get(path) for path in _used({k: v for k, v in found.mapping.items() if k == "time"})), None)
    # a second time is no feature: it only grows
    times = [p for p in others.all() if is_called_a_time(p) or is_of_the_call(values_at[p], event)]
    if marked is None and times:
        found.mapping["features"]["ignore"] = [spell(path[len(at) :]) for path in times]
