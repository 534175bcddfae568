"""What is wrong with a refused record in the words of the record, and the line of the mapping that would accept it.

score: expected a number, got "0.5"  ->  res.p (score): expected a number, got "0.5"
                                         mapping: `score: {path: res.p, type: number}` reads numbers that are text

A line is proposed only if it was tried: with it, this event is not refused for the same field again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from driftd.core.event import RecordBatch, Reject, RejectReason, Schema
from driftd.core.text import plural
from driftd.decode.json.fast import Unwrapped
from driftd.decode.json.strict import DECODE_ERRORS, DETAIL_CHARS, Context, Refused, accept, events_of, fields_of
from driftd.decode.limits import Limits
from driftd.decode.mapping.familiar import NAMES
from driftd.decode.mapping.frames import INSIDE, frame_of, with_article
from driftd.decode.mapping.leaves import as_list, as_object, walk
from driftd.decode.mapping.rewrite import Rewriter
from driftd.decode.mapping.spec import CALLED, TIMED, UNITS, FeatureSource, Path, RecordMapping, Source, spell

_UNMAPPED: Final = RecordMapping()
_MOST_TRIED: Final = 20
"""Kinds of a batch that are looked into: to try lines takes as long as to compile a mapping, and kinds have names of
the records in them.
"""
_MOST_EVENTS: Final = 1000
"""Events of an array among which the one is looked for that was refused."""
_MOST_MEMBERS: Final = 5
"""Members of an object that are tried as a field's value."""
Cure = tuple[str, RecordMapping]
"""What to write, and the mapping with it."""


class Explaining:
    """Of a topic with one mapping, or with none."""

    def __init__(self, mapping: RecordMapping | None, limits: Limits) -> None:
        self._mapping = mapping or _UNMAPPED
        self._limits = limits
        self._own = Rewriter(self._mapping, limits)
        self._places = _places(self._mapping)

    def explained(self, rejects: Sequence[Reject], records: RecordBatch, unwrapped: Unwrapped | None) -> list[Reject]:
        """With the places of fields in their records; the first of each kind with the hint, if there is one: nobody is
        shown more. What the format refused was no event, and its detail names no field of one.
        """
        seen: set[tuple[str, str]] = set()
        out: list[Reject] = []
        for reject in rejects:
            kind, i = kind_of(reject), reject.index
            value = records.values[i] if unwrapped is None else unwrapped.values[i]
            told = reject if unwrapped is not None and i in unwrapped.refused else self._placed(reject, value)
            if kind not in seen and len(seen) < _MOST_TRIED:
                hint = self._hint(reject, value, _context(records, unwrapped, i))
                told = replace(told, hint=hint) if 0 < len(hint) <= DETAIL_CHARS else told
            seen.add(kind)
            out.append(told)
        return out

    # -- where in the record --

    def _placed(self, reject: Reject, value: bytes | None) -> Reject:
        """Fields by their paths, and numbers as they stand there: not as they are after a unit is taken off."""
        where, found, why = reject.detail.partition(": ")
        if not found or not self._places:
            return reject
        place = self._place_of(where)
        if place is not None:
            path, unit = place
            why = _in_unit(why, unit, value, path, show=self._limits.show_values)
            where = _named(where, path)
        if "so are" in why:
            why = re.sub(r"\b(prediction|label)\b", lambda m: self._called(m[1]), why)
        detail = f"{where}: {why}"
        return replace(reject, detail=detail if len(detail) <= DETAIL_CHARS else detail[: DETAIL_CHARS - 3] + "...")

    def _place_of(self, field: str) -> tuple[Path, str] | None:
        """Of a field, or of a member of one that is an object."""
        outer, _, inner = field.partition(".")
        if field in self._places or not inner or outer not in self._places:
            return self._places.get(field)
        return (*self._places[outer][0], inner), ""

    def _called(self, field: str) -> str:
        place = self._places.get(field)
        return field if place is None else _named(field, place[0])

    # -- what would help --

    def _hint(self, reject: Reject, value: bytes | None, context: Context) -> str:
        match reject.reason:
            case RejectReason.NOT_JSON | RejectReason.NOT_UTF8 if frame := frame_of(value):
                return f"framed by {with_article(frame)}: {INSIDE}"
            case RejectReason.MISSING_FIELD | RejectReason.BAD_TIME | RejectReason.WRONG_TYPE:
                pass
            case _:
                return ""
        event = next((e for e in _events(value) if self._refusal(e, self._own, context) == reject.detail), None)
        if event is None:
            return ""
        field = reject.detail.partition(": ")[0]
        for text, mapping in self._cures(reject, field, event):
            after = self._refusal(event, Rewriter(mapping, self._limits), context)
            if after is None or after.partition(": ")[0].partition(".")[0] != field.partition(".")[0]:
                return text
        return _unequal(field, event, self._mapping)

    def _refusal(self, event: Any, rewriter: Rewriter, context: Context) -> str | None:
        """What is wrong with an event under a mapping; None if it is accepted."""
        try:
            model, fields = fields_of(rewriter.rewritten(event), self._limits)
            accept(model, fields, Schema(model), self._limits, context)
        except Refused as refused:
            return refused.detail
        return None

    def _cures(self, reject: Reject, field: str, event: Any) -> Iterator[Cure]:
        """Lines that may help, the likeliest first."""
        mapping = self._mapping
        path = mapping.path_of(field)
        if reject.reason is RejectReason.MISSING_FIELD:
            if not _is_given(field, mapping):
                yield from _by_name(field, event, mapping)
        elif path:
            raw = bytes(walk(event, path)).strip()
            yield from _listed(raw, spell(path), mapping) if field == "features" else _typed(field, path, raw, mapping)
            if raw[:1] == b"{":  # whose names are not said: they are the record's
                yield from _inside(field, path, raw, mapping)


def kind_of(reject: Reject) -> tuple[str, str]:
    """Rejects are of one kind if their details differ in values only."""
    return reject.reason.value, _without_values(reject.detail)


@lru_cache(1024)  # most rejects are like others
def _without_values(detail: str) -> str:
    return _NUMBER.sub("#", _TEXT.sub('got "#"', detail))


_NUMBER: Final = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?", re.IGNORECASE)
_TEXT: Final = re.compile(r'got "(?:[^"\\]|\\.)*(?:"|$)')
_GOT_NUMBER: Final = re.compile(r"(?<=, got )[-+0-9.eE]+")
_LONG: Final = {"ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_LOOKS: Final = re.compile(r"(?<=it looks like )\w+")


def _places(mapping: RecordMapping) -> dict[str, tuple[Path, str]]:
    """Path and unit of every field that somebody gave a path for, by its name in details."""
    out: dict[str, tuple[Path, str]] = {}
    for name, source in mapping.fields.items():
        if not isinstance(source, Source):
            out |= {f"{name}.{inner}": (path, "") for inner, path in source.items()}
        elif source.path is not None:
            out[name] = source.path, source.unit
    under = mapping.features.under
    return out | ({} if under is None or under == _UNMAPPED.features.under else {"features": (under, "")})


def _named(field: str, path: Path) -> str:
    key, _, inner = field.partition(".")
    called = f"{CALLED.get(key, key)}{'.' * bool(inner)}{inner}"
    return called if spell(path) == called else f"{spell(path)} ({called})"


def _in_unit(why: str, unit: str, value: bytes | None, path: Path, *, show: bool) -> str:
    """What was expected and what came, in the unit that the record has."""
    if not unit or unit == "s":
        return why
    why = why.replace("epoch seconds", f"epoch {_LONG[unit]}").replace("of seconds", f"of {_LONG[unit]}")
    units = ("seconds", *_LONG.values())
    shift = units.index(_LONG[unit])
    why = _LOOKS.sub(lambda m: units[min(units.index(m[0]) + shift, len(units) - 1)], why)
    if show:
        try:
            raw = bytes(walk(value or b"null", path)).strip(b' \t\r\n"')
        except DECODE_ERRORS:
            raw = b""
        if re.fullmatch(rb"[-+0-9.eE]{1,40}", raw):  # not of an array of records, whose paths are of its items
            why = _GOT_NUMBER.sub(raw.decode(), why, count=1)
    return why


def _context(records: RecordBatch, unwrapped: Unwrapped | None, i: int) -> Context:
    timestamp = float(records.timestamps[i])
    times, ids = (None, None) if unwrapped is None else (unwrapped.times, unwrapped.ids)
    return Context(timestamp, math.nan if times is None else float(times[i]), None if ids is None else ids[i])


def _events(value: bytes | None) -> Sequence[Any]:
    try:
        return events_of(value or b"")[:_MOST_EVENTS]
    except Refused:
        return ()


def _is_given(field: str, mapping: RecordMapping) -> bool:
    """Whether the field is read from where somebody said; then it is the record that has nothing there."""
    if field == "features":
        return mapping.features != _UNMAPPED.features
    return field in mapping.fields and mapping.path_of(field) is not None


def _with(mapping: RecordMapping, field: str, source: Source) -> RecordMapping:
    return replace(mapping, fields={**mapping.fields, field: source})


def _under(mapping: RecordMapping, path: Path, names: Sequence[str] = ()) -> RecordMapping:
    return replace(mapping, features=FeatureSource(path, (*names,)))


def _by_name(field: str, event: Any, mapping: RecordMapping) -> Iterator[Cure]:
    """A field that is nowhere: a member of the record whose name says that it is it."""
    name = found_name(field, event) if field in {"model", "features"} else None
    if field == "model":
        if name is not None:
            yield f"mapping: `model: {name}`", _with(mapping, field, Source((name,)))
        yield "mapping: `model: {value: NAME}`", _with(mapping, field, Source(value="NAME"))
    elif field == "features":
        if name is not None:
            yield f"mapping: `features: {{under: {name}}}`", _under(mapping, (name,))
        yield "`driftd check --sample` proposes a mapping", _with(mapping, "prediction", Source(value="any"))


def _typed(field: str, path: Path, raw: bytes, mapping: RecordMapping) -> Iterator[Cure]:
    """A value of another type, or in another unit."""
    key, at, source = CALLED.get(field, field), spell(path), mapping.sources.get(field)
    given = source if isinstance(source, Source) else Source(path)
    is_text = raw[:1] == b'"'
    helps = " reads numbers that are text" if is_text else ""
    if raw[:1] == b"[":
        yield f"mapping: `{key}: {at}[0]` takes its first", _with(mapping, field, replace(given, path=(*path, 0)))
    elif field in TIMED:
        for unit in UNITS:
            line = f"mapping: `{key}: {{path: {at}, unit: {unit}}}`{helps}"
            yield line, _with(mapping, field, replace(given, unit=unit))
        if is_text and field == "time":
            unit = f"unit: {given.unit}, " * bool(given.unit)
            line = f"mapping: `time: {{path: {at}, {unit}zone: UTC}}` if these times are of UTC"
            yield line, _with(mapping, field, replace(given, zone="UTC"))
    elif raw[:1] != b"{":
        kind = "number" if is_text else "text"
        line = f"mapping: `{key}: {{path: {at}, type: {kind}}}`{helps}"
        yield line, _with(mapping, field, replace(given, type=kind))


def _inside(field: str, path: Path, raw: bytes, mapping: RecordMapping) -> Iterator[Cure]:
    """An object, of which one member may be the value."""
    line = f"mapping: a path into it, such as `{CALLED.get(field, field)}: {spell(path)}.NAME`"
    names = [name for name in as_object.decode(raw) if name.isprintable() and not {'"', "\\"} & {*name}]
    for name in names[:_MOST_MEMBERS]:
        source = mapping.sources.get(field)
        given = source if isinstance(source, Source) else Source(path)
        yield line, _with(mapping, field, replace(given, path=(*path, name)))


def _listed(raw: bytes, at: str, mapping: RecordMapping) -> Iterator[Cure]:
    """Features that are a list: its items need names."""
    size = _length(raw)
    if size and not mapping.features.names and mapping.features.under:
        names = [f"f{i}" for i in range(size)]
        text = f"mapping: `features: {{under: {at}, names: [{'NAME, ' * min(size, 2)}...]}}`"
        yield text, _under(mapping, mapping.features.under, names)


def _unequal(field: str, event: Any, mapping: RecordMapping) -> str:
    """That a list has not as many values as the mapping has names, where that is what is wrong."""
    names, under = mapping.features.names, mapping.features.under
    size = _length(bytes(walk(event, under))) if field == "features" and names and under is not None else 0
    return f"the mapping has {len(names)} {plural('name', len(names))}, and the list {size} values" * bool(size)


def _length(raw: bytes) -> int:
    try:
        return len(as_list.decode(raw))
    except DECODE_ERRORS:
        return 0


def found_name(field: str, value: Any) -> str | None:
    """A member of the record whose name says that it is the field."""
    try:
        record: Mapping[str, Any] = as_object.decode(value or b"null")
    except DECODE_ERRORS:
        return None
    return next((name for name in NAMES[field] if name in record), None)
