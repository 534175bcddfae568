"""What would make a refused record acceptable: the line of the mapping, where that can be told from what is wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from driftd.core.event import Reject, RejectReason
from driftd.decode.json.strict import DECODE_ERRORS, DETAIL_CHARS
from driftd.decode.mapping.familiar import NAMES
from driftd.decode.mapping.frames import frame_of
from driftd.decode.mapping.leaves import as_list, as_object, walk
from driftd.decode.mapping.spec import CALLED, TIMED, UNITS, RecordMapping, Source, spell

_UNMAPPED: Final = RecordMapping()


def with_hints(
    rejects: Sequence[Reject], values: Sequence[bytes | None], mapping: RecordMapping | None
) -> list[Reject]:
    """The first of each kind with the hint, if there is one: nobody is shown more, and to look for a hint takes as long
    as to decode.
    """
    seen: set[tuple[str, str]] = set()
    out: list[Reject] = []
    for reject in rejects:
        kind = kind_of(reject)
        out.append(reject if kind in seen else _hinted(reject, values[reject.index], mapping or _UNMAPPED))
        seen.add(kind)
    return out


def kind_of(reject: Reject) -> tuple[str, str]:
    """Rejects are of one kind if their details differ in numbers only."""
    return reject.reason.value, _without_numbers(reject.detail)


@lru_cache(1024)  # most rejects are like others
def _without_numbers(detail: str) -> str:
    return _NUMBER.sub("#", detail)


_NUMBER: Final = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?")


def _hinted(reject: Reject, value: bytes | None, mapping: RecordMapping) -> Reject:
    """With the hint, if there is one that is no longer than a detail may be."""
    hint = _hint(reject, value, mapping)
    return replace(reject, hint=hint) if 0 < len(hint) <= DETAIL_CHARS else reject


def _hint(reject: Reject, value: bytes | None, mapping: RecordMapping) -> str:
    field, _, why = reject.detail.partition(": ")
    match reject.reason:
        case RejectReason.NOT_JSON | RejectReason.NOT_UTF8:
            frame = frame_of(value)
            inside = "mapping.format says what is inside: avro, protobuf or jsonschema"
            return f"framed by a {frame}: {inside}" if frame else ""
        case RejectReason.MISSING_FIELD if _is_given(field, mapping):
            return ""  # somebody chose the path, and it is this record that has nothing there
        case RejectReason.MISSING_FIELD if field == "model":
            return f"mapping: `model: {found_name('model', value) or '{value: NAME}'}`"
        case RejectReason.MISSING_FIELD if field == "features" and "missing" in why:
            under = found_name("features", value)
            return f"mapping: `features: {{under: {under}}}`" if under else "`driftd check --sample` proposes a mapping"
        case RejectReason.BAD_TIME if "looks like" in why:
            return _unit_hint(why.partition("looks like ")[2], mapping.sources["time"])
        case RejectReason.BAD_TIME if not _reads_text("time", mapping):
            return "a mapping's `unit` reads numbers that are text" if why.endswith("got a string") else ""
        case RejectReason.WRONG_TYPE:
            return _type_hint(field, why, value, mapping)
    return ""


def _is_given(field: str, mapping: RecordMapping) -> bool:
    """Whether the field is read from where somebody said."""
    if field == "features":
        return mapping.features != _UNMAPPED.features
    return field in mapping.fields and mapping.path_of(field) is not None


def _reads_text(field: str, mapping: RecordMapping) -> bool:
    """Whether text of a number is read already."""
    source = mapping.sources.get(field)
    return isinstance(source, Source) and (source.unit != "" or source.type == "number")


def _unit_hint(looks_like: str, source: object) -> str:
    """The unit that a time has, of which ``looks_like`` was said after it was divided by that of the mapping."""
    if not isinstance(source, Source) or not source.path:
        return ""
    units = [*UNITS]
    place = units.index(source.unit or "s") + next(i for i, unit in enumerate(_SAID) if looks_like.startswith(unit))
    return f"mapping: `time: {{path: {spell(source.path)}, unit: {units[min(place, len(units) - 1)]}}}`"


_SAID: Final = ("seconds", "milliseconds", "microseconds", "nanoseconds")


def _type_hint(field: str, why: str, value: bytes | None, mapping: RecordMapping) -> str:
    path = mapping.path_of(field)
    if not path:
        return ""
    key, at = CALLED.get(field, field), spell(path)
    if field == "features" and why.endswith("got a list"):
        size = _length(value, path)
        names = mapping.features.names
        if names:
            return f"the mapping has {len(names)} names, and the list {size} values"
        return f"mapping: `features: {{under: {at}, names: [{'NAME, ' * min(size, 2)}...]}}`"
    if why.endswith("got an object"):
        return f"mapping: a path into it, such as `{key}: {at}.NAME`"
    if why.endswith("got a list"):
        return f"mapping: `{key}: {at}[0]` takes its first"
    if _reads_text(field, mapping):
        return ""
    if "a number" in why.partition(", got")[0] and why.endswith(("got a string", '"')) and "a string" not in why[:40]:
        how = "unit: s" if field in TIMED else "type: number"
        return f"mapping: `{key}: {{path: {at}, {how}}}` reads numbers that are text"
    if why.startswith("expected a string,") and why.endswith(("got a number", "got a boolean")):
        return f"mapping: `{key}: {{path: {at}, type: text}}`"
    return ""


def _length(value: bytes | None, path: Any) -> int:
    try:
        return len(as_list.decode(walk(value or b"null", path)))
    except DECODE_ERRORS:
        return 0


def found_name(field: str, value: bytes | None) -> str | None:
    """A member of the record whose name says that it is the field."""
    try:
        record = as_object.decode(value or b"null")
    except DECODE_ERRORS:
        return None
    return next((name for name in NAMES[field] if name in record), None)
