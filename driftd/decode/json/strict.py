"""One event, field by field: the definition of what driftd accepts, and the words for what it does not.

A feature's value that is not usable costs only itself: it is missing in an event that is accepted. Any other field
costs the event.

The fast path (compiled.py, fast.py) may accept only what is accepted here, with the same values; a property test
holds them together. Whatever the fast path refuses, for whatever reason, is decided here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec import DecodeError, MsgspecError, Raw, ValidationError, defstruct
from msgspec.json import Decoder, encode

from driftd.core.event import Kind, RejectReason, Schema
from driftd.decode.fields import COST_NAMES, FIELDS, MOST_COST, Holds
from driftd.decode.json.compiled import FEATURE, PREDICTION, TYPES, CompiledSchema, StrictEnvelope
from driftd.decode.json.lists import ONE, of_one
from driftd.decode.limits import DEFAULT_LIMITS, GROWS, LATEST_TIME, MAX_DEPTH, Limits

DECODE_ERRORS: Final = (MsgspecError, UnicodeError, RecursionError)
DETAIL_CHARS: Final = 200
_NULL: Final = Raw(b"null")


class Refused(Exception):
    """The event is not usable: why, and in words."""

    def __init__(self, reason: RejectReason, detail: str, model: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail if len(detail) <= DETAIL_CHARS else detail[: DETAIL_CHARS - 3] + "..."
        self.model = model


_fields: Final[Decoder[Any]] = Decoder(defstruct("Fields", [(f.name, Raw, _NULL) for f in FIELDS], gc=False))
_items: Final = Decoder(list[Raw])
_model: Final = Decoder(str | None)
_names: Final = Decoder(dict[str, Raw] | None)
_time: Final[Decoder[Any]] = Decoder(TYPES[Holds.TIME])
_feature: Final[Mapping[Kind, Decoder[Any]]] = {k: Decoder(t) for k, t in FEATURE.items()}

_EXPECTED_FEATURE: Final = {
    Kind.NUMERIC: "a number",
    Kind.CATEGORICAL: "a string, a number or a boolean",
    Kind.ANY: "a string, a number, a boolean or a list of numbers",
    Kind.LIST: "a list of numbers",
}
_EXPECTED_PREDICTION: Final = {
    Kind.NUMERIC: "a number, a boolean or a list of numbers",
    Kind.CATEGORICAL: "a string, a number or a boolean",
    Kind.ANY: "a number, a string, a boolean or a list of numbers",
}
_VALUE_ALONE: Final = frozenset({RejectReason.WRONG_TYPE, RejectReason.NOT_FINITE})
"""What is wrong with a feature's value and not with the event."""
_UNITS: Final = (("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9))
_EXPECTED_TIME: Final = next(f.expected for f in FIELDS if f.holds is Holds.TIME)


def _readers(kind: Kind) -> tuple[tuple[str, Decoder[Any], str, bool], ...]:
    """(name, decoder, what it expects, whether it may be negative) of the fields that are read by themselves; ``kind``
    is that of the model's predictions.
    """
    return tuple(
        (f.name, Decoder(PREDICTION[kind]), _EXPECTED_PREDICTION[kind], f.signed)
        if f.holds is Holds.PREDICTION
        else (f.name, Decoder(TYPES[f.holds]), f.expected, f.signed)
        for f in _ALONE
    )


_ALONE: Final = tuple(f for f in FIELDS if f.holds not in {Holds.MODEL, Holds.TIME, Holds.FEATURES})
_raws: Final = attrgetter(*(f.name for f in _ALONE))
_READERS: Final = {kind: _readers(kind) for kind in PREDICTION}


class Context(NamedTuple):
    """What is known of an event from outside it. Times in epoch seconds, NaN where there is none."""

    timestamp: float
    fallback_time: float = math.nan
    fallback_id: str | None = None


class Accepted(NamedTuple):
    """A usable event. ``event`` is a StrictEnvelope, its ``owner`` the model; ``new`` are features to discover,
    ``nulls`` unknown names without a value that are none of them, ``over`` unknown names beyond the schema's limit.
    """

    event: Any
    new: Sequence[str] = ()
    nulls: Sequence[str] = ()
    over: Sequence[str] = ()


class _Features(NamedTuple):
    """``values`` by name, None where ``refused`` says why not, and without new names that are null or over; None if the
    event has none. The lists as in Accepted.
    """

    values: Any
    refused: dict[str, str]
    new: list[str]
    nulls: list[str]
    over: list[str]

    def admits(self, name: str, schema: Schema, limits: Limits, *, null: bool) -> bool:
        """Whether a name that the schema does not know becomes a feature; it is new, null or over from then on. One
        without a value does if it may: a column that is null from the first event on can then be told.
        """
        full = len(schema.features) + len(self.new) >= schema.max_features
        if null and (full or not 0 < len(name.encode("utf-8", "surrogatepass")) <= limits.name_bytes):
            self.nulls.append(name)
            return False
        require_name(name, "feature", limits)
        if full:
            self.over.append(name)
            return False
        self.new.append(name)
        return True


def events_of(value: bytes) -> list[bytes | Raw]:
    """The events of a record: the value itself, or the items of its array. Refuses an empty array."""
    if value.lstrip(b" \t\r\n")[:1] != b"[":
        return [value]
    try:
        items = _items.decode(value)
    except DECODE_ERRORS as error:
        raise malformed(value, error) from None
    if not items:
        raise Refused(RejectReason.EMPTY, "an array without events")
    return [*items]


def fields_of(value: bytes | Raw, limits: Limits) -> tuple[str, Any]:
    """The event's model and its undecoded fields."""
    try:
        fields = _fields.decode(value)
    except ValidationError:
        raise Refused(RejectReason.NOT_AN_EVENT, f"an event is a JSON object, got {got(value, limits)}") from None
    except DECODE_ERRORS as error:
        raise malformed(bytes(value), error) from None
    model = _decode(_model, fields.model, "model", "a string", limits)
    if not model:
        raise Refused(RejectReason.MISSING_FIELD, "model: " + ("missing" if model is None else "an empty string"))
    return model, fields


def unwatched(value: bytes | Raw, compiled: Mapping[str, CompiledSchema], limits: Limits) -> list[tuple[str, str]]:
    """(model, feature) of the event's features that have a value, and no column in the model's closed schema."""
    try:
        model, fields = fields_of(value, limits)
        schema = compiled[model].schema if model in compiled else None
        features = _names.decode(fields.features) if schema is not None and not schema.open else None
    except (Refused, *DECODE_ERRORS):
        return []
    if schema is None or features is None:
        return []
    return [
        (model, name)
        for name, raw in features.items()
        if name not in schema.features
        and bytes(raw).strip()[:1] not in {b"n", b"[", b"{"}
        and 0 < len(name.encode("utf-8", "surrogatepass")) <= limits.name_bytes
    ]


def require_name(name: str, what: str, limits: Limits) -> None:
    """A name that no schema holds yet: not empty, and not longer than the limit."""
    if not name:
        raise Refused(RejectReason.MISSING_FIELD, f"{what}: an empty name")
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > limits.name_bytes:
        begins = f" {name[:32]!r}..." if limits.show_values else ""
        raise Refused(RejectReason.NAME_TOO_LONG, f"{what}{begins}: {size} bytes, at most {limits.name_bytes} expected")


def accept(model: str, fields: Any, schema: Schema, limits: Limits, context: Context) -> Accepted:
    """Decodes every field that driftd reads, or raises Refused with the first thing that is wrong."""
    try:
        return _accept(model, fields, schema, limits, context)
    except Refused as refused:
        refused.model = model if len(model) <= limits.name_bytes else None
        raise


# Whole, because it runs for every event on the strict path, and its checks need all that was decoded before them.
def _accept(model: str, fields: Any, schema: Schema, limits: Limits, context: Context) -> Accepted:
    time = _decode(_time, fields.time, "time", _EXPECTED_TIME, limits, RejectReason.BAD_TIME)
    features = _features(fields.features, schema, limits)
    event = StrictEnvelope(
        owner=model,
        time=_event_time(time, fields.time, limits, context),
        features=features.values,
        refused=features.refused,
    )
    for (name, decoder, expected, signed), raw in zip(_READERS[schema.prediction], _raws(fields), strict=True):
        if raw is not _NULL:  # the field is there
            value = _decode(decoder, of_one(raw) if name in ONE else raw, name, expected, limits)
            if not signed and value is not None and value < 0:
                number = got(raw, limits, quoted=True) if limits.show_values else "a negative number"
                raise Refused(RejectReason.WRONG_TYPE, f"{name}: expected 0 or more, got {number}")
            setattr(event, name, value)
    if event.cost:
        _require_costs(event.cost, limits)
    if isinstance(event.prediction, list) and math.isinf(math.hypot(*event.prediction)):
        raise Refused(RejectReason.NOT_FINITE, "prediction: the norm of the list is beyond the range of a float")
    if event.features is not None or event.prediction is not None:
        return Accepted(event, features.new, features.nulls, features.over)
    if event.label is not None and (event.id is not None or context.fallback_id is not None):
        return Accepted(event)  # a label alone
    wanted = "label without id" if event.label is not None else "missing, and so are prediction and label"
    raise Refused(RejectReason.MISSING_FIELD, f"features: {wanted}")


def _require_costs(cost: Mapping[str, float | None], limits: Limits) -> None:
    for name, value in cost.items():
        if name in COST_NAMES and value is not None and not 0 <= value <= MOST_COST:
            wanted = "0 or more" if value < 0 else f"at most {MOST_COST:,.0f}"
            number = f"{value:g}" if limits.show_values else "a negative number" if value < 0 else "more"
            raise Refused(RejectReason.WRONG_TYPE, f"cost.{name}: expected {wanted}, got {number}")


def _features(raw: Raw, schema: Schema, limits: Limits) -> _Features:
    values = _raw_features(raw, limits)
    if values is None:
        return _Features(None, {}, [], [], [])
    known, out = schema.features, _Features({}, {}, [], [], [])
    unknown = Kind.ANY if schema.open else None
    for name, item in values.items():
        kind = known.get(name, unknown)
        if kind is None:
            continue
        why = ""
        try:
            value = _feature[kind].decode(item)
        except DECODE_ERRORS as error:
            value, why = None, _refusal(name, kind, item, error, limits)
        if name not in known and not out.admits(name, schema, limits, null=value is None and not why):
            continue
        out.values[name] = value
        if why:
            out.refused[name] = why
    return out


def _raw_features(raw: Raw, limits: Limits) -> dict[str, Raw] | None:
    values: dict[str, Raw] | None = _decode(_names, raw, "features", "an object of name to value", limits)
    if values is not None and len(values) > limits.features_per_event:
        raise Refused(
            RejectReason.TOO_MANY_FEATURES, f"features: {len(values)}, at most {limits.features_per_event} expected"
        )
    return values


def _refusal(name: str, kind: Kind, raw: Raw, error: Exception, limits: Limits) -> str:
    """Why the value of a feature is refused; raises Refused where that is the event's fault."""
    reason, why = _fault(_EXPECTED_FEATURE[kind], raw, error, limits)
    if reason not in _VALUE_ALONE:
        raise Refused(reason, f"feature {shown(name)}: {why}") from None
    return why


def _event_time(time: float | datetime | None, raw: Raw, limits: Limits, context: Context) -> float:
    if isinstance(time, datetime):
        if time.tzinfo is None:
            text = f"{got(raw, limits, quoted=True)}, " if limits.show_values else ""
            raise Refused(RejectReason.BAD_TIME, f"time: expected {_EXPECTED_TIME}, got {text}a time without an offset")
        time = time.timestamp()
    if time is None:
        time = context.timestamp if math.isnan(context.fallback_time) else context.fallback_time
        if math.isnan(time):
            raise Refused(RejectReason.BAD_TIME, "time: missing, and the record has no timestamp")
    if not 0 <= time < LATEST_TIME:
        hint = next((f"; it looks like {unit}" for unit, per in _UNITS if 0 < time / per < LATEST_TIME), "")
        where = "after the year 2200" if time > 0 else "before 1970"
        number = got(raw, limits, quoted=True) if limits.show_values and raw is not _NULL else "a number"
        raise Refused(RejectReason.BAD_TIME, f"time: expected epoch seconds, got {number}, {where}{hint}")
    if time > context.timestamp + limits.future_seconds:
        ahead = time - context.timestamp
        raise Refused(
            RejectReason.FUTURE_TIME,
            f"time: {ahead:.0f} s ahead of the record's timestamp, at most {limits.future_seconds:.0f} s expected",
        )
    return time


def _decode(
    decoder: Decoder[Any],
    raw: Raw,
    where: str,
    expected: str,
    limits: Limits,
    reason: RejectReason = RejectReason.WRONG_TYPE,
) -> Any:
    try:
        return decoder.decode(raw)
    except DECODE_ERRORS as error:
        reason, why = _fault(expected, raw, error, limits, reason, quoted=True)
        if inside := _wrong_member(decoder, raw, expected):
            name, item, wanted = inside
            quoted = expected != "an object of numbers"  # of tokens and money no text is shown: it may be a message's
            where, why = f"{where}.{name}", f"expected {wanted}, got {got(item, limits, quoted=quoted)}"
        raise Refused(reason, f"{where}: {why}") from None


_MEMBERS: Final = {"an object of numbers": "a number", "an object of strings": "a string"}
_OF_CLASSES: Final = "an object of class to probability"


def _wrong_member(decoder: Decoder[Any], raw: Raw, expected: str) -> tuple[str, Raw, str] | None:
    """Name and value of the first member of an object that has to be of another type, and which; None where it is no
    object, or none of its members alone is what is wrong.
    """
    wanted = "a number" if _OF_CLASSES in expected else _MEMBERS.get(expected)
    if wanted is None or bytes(raw)[:1] != b"{":
        return None
    try:
        members = _names.decode(raw) or {}
    except DECODE_ERRORS:
        return None
    for name, item in members.items():
        try:
            decoder.decode(encode({name: item}))
        except ValidationError as error:
            if "out of range" not in str(error):
                return (name if re.fullmatch(r"[\w.-]{1,64}", name) else shown(name)), item, wanted
        except DECODE_ERRORS:
            continue
    return None


def _fault(
    expected: str,
    raw: Raw,
    error: Exception,
    limits: Limits,
    reason: RejectReason = RejectReason.WRONG_TYPE,
    *,
    quoted: bool = False,
) -> tuple[RejectReason, str]:
    """Why a value is not usable, and in words."""
    if isinstance(error, UnicodeError):
        return RejectReason.NOT_UTF8, "not UTF-8"
    if "out of range" in str(error):
        return RejectReason.NOT_FINITE, "a number beyond the range of a float"
    return reason, f"expected {expected}, got {got(raw, limits, quoted=quoted)}"


def shown(name: str) -> str:
    """A name from outside, quoted and escaped, short enough for a message."""
    return repr(name) if len(name) <= 64 else repr(name[:61] + "...")


_TYPES: Final = {
    b'"': "a string", b"{": "an object", b"[": "a list", b"t": "a boolean", b"f": "a boolean", b"n": "null",
}  # fmt: skip
_LIKE_A_NUMBER: Final = re.compile(rb'"[-+0-9.,eE%]{1,12}"')


_MOST_QUOTED: Final = 40
"""Characters of a value in a message: a time with its offset, and more than any number has."""


def got(raw: bytes | Raw, limits: Limits, *, quoted: bool = False) -> str:
    """The type of a JSON value in words, or the value where it may be shown: of features short text that is nearly a
    number, for they hold what people are. ``quoted``: of another field, whose text, number or boolean is shown.
    """
    text = bytes(raw).strip()
    kind = _TYPES.get(text[:1], "a number")
    if not limits.show_values:
        return kind
    if quoted and text[:1] not in {b"{", b"[", b"n", b""}:
        value = text.decode(errors="replace")
        return value if len(value) <= _MOST_QUOTED else f"{value[: _MOST_QUOTED - 3]}..."
    return text.decode() if _LIKE_A_NUMBER.fullmatch(text) else kind


def expected_in(error: ValidationError) -> str:
    """What was expected, and the type that came; nothing of the value."""
    said = str(error).partition(" - at `$")[0].replace("`", "")
    return f": {said[0].lower()}{said[1:]}" if said.startswith(("Expected", "Object missing")) else ""


def malformed(value: bytes, error: Exception) -> Refused:
    """What is wrong with a value that does not decode at all."""
    if isinstance(error, UnicodeError):
        return Refused(RejectReason.NOT_UTF8, "not UTF-8")
    if isinstance(error, RecursionError):
        return Refused(RejectReason.TOO_DEEP, f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(error, DecodeError):
        # the standard library also takes what JSON forbids: NaN, Infinity, lone surrogates
        constants: list[str] = []
        try:
            json.loads(value.decode(), parse_constant=constants.append, parse_int=len, parse_float=len)
        except (ValueError, RecursionError):
            pass
        else:
            if constants:
                return Refused(RejectReason.NOT_FINITE, f"{constants[0]} is not JSON; null says missing")
            return Refused(RejectReason.NOT_UTF8, "an escaped surrogate without its partner")
    return Refused(RejectReason.NOT_JSON, str(error).replace("JSON is malformed", "not JSON"))


_STEPS: Final = np.zeros(256, np.int8)
"""How much deeper each byte leads."""
_STEPS[[*b"[{"]] = 1
_STEPS[[*b"]}"]] = -1
_IN_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)


def too_deep(value: bytes) -> bool:
    """Whether brackets outside strings nest deeper than MAX_DEPTH, in a value that need not be JSON."""
    if len(value) <= 2 * MAX_DEPTH:
        return False
    # split and not count: over few hits it runs on memchr, some ten times as fast
    if len(value.split(b"[", MAX_DEPTH)) + len(value.split(b"{", MAX_DEPTH)) - 2 < MAX_DEPTH:
        return False
    outside = np.frombuffer(_IN_STRINGS.sub(b"", value), np.uint8)
    return bool(np.cumsum(_STEPS[outside], dtype=np.int64).max(initial=0) > MAX_DEPTH)


def examine(value: bytes | None, limits: Limits) -> bytes:
    """The value, if it is fit to be decoded: there, not too large, UTF-8, not too deep."""
    if not value:
        raise Refused(RejectReason.EMPTY, "null value" if value is None else "empty value")
    if len(value) > limits.record_bytes:
        raise Refused(RejectReason.TOO_LARGE, f"{len(value)} bytes, at most {limits.record_bytes} expected")
    if not value.isascii():
        try:
            value.decode()
        except UnicodeDecodeError as error:
            raise Refused(RejectReason.NOT_UTF8, f"not UTF-8 at byte {error.start}") from None
    if too_deep(value):
        raise Refused(RejectReason.TOO_DEEP, f"nested deeper than {MAX_DEPTH} levels")
    return value


def require_room(rows: int, shared: int, own: int) -> None:
    """Raises Refused where ``shared`` bytes that a record has once would be in each of its ``rows``, and that is too
    much (limits.GROWS); ``own``: the bytes of all rows.
    """
    if rows > 1 and rows * shared > GROWS * max(own + shared, DEFAULT_LIMITS.record_bytes):
        raise Refused(RejectReason.TOO_LARGE, f"{rows} rows, each with {shared} bytes that all of them share")


def crowded(value: bytes | Raw, limits: Limits) -> bool:
    """Whether the value may hold an event with too many features: then only the strict path may decide."""
    size = memoryview(value).nbytes
    return size > 4 * limits.features_per_event and bytes(value).count(b":") > limits.features_per_event
