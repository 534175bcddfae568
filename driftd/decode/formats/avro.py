"""Avro records of a schema registry (docs/how-to/schema-registry.md)."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final

from msgspec import MsgspecError
from msgspec.json import Encoder

from driftd.core.event import RejectReason
from driftd.decode.json.strict import Refused
from driftd.decode.limits import Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import Record
from driftd.decode.registry import Decode, Registered, RegisteredSchema

TITLE: Final = "Avro"
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ()
NEEDS: Final = "records need the fields of an event, or a mapping that says where they are"
_encode: Final = Encoder(decimal_format="number").encode
_MOST_TYPES: Final = 10_000
"""In one schema, each name as often as it is used. Chosen: a record of 1000 features has a tenth of it."""
_EMPTY: Final = frozenset({"null"})


def opener(mapping: RecordMapping, limits: Limits) -> Registered:  # noqa: ARG001  the mapping is the codec's
    return Registered(_compiled, limits)


def recognise(record: Record) -> bool:  # noqa: ARG001
    return False  # the frame alone does not tell; `check --sample` names it


def _compiled(schema: RegisteredSchema) -> Decode:
    import fastavro  # noqa: PLC0415  an extra

    if schema.type not in {"AVRO", ""}:
        raise Refused(RejectReason.UNKNOWN_SCHEMA, f"is of {schema.type.title()}, and mapping.format is avro")
    try:
        named: dict[str, Any] = {}
        for text in schema.references.values():
            fastavro.parse_schema(_parsed(text), named_schemas=named)
        parsed = fastavro.parse_schema(_parsed(schema.text), named_schemas=named)
        _require_finite(parsed, named)
    except (fastavro.schema.SchemaParseException, fastavro.schema.UnknownType, *_WRONG) as e:
        raise Refused(RejectReason.UNKNOWN_SCHEMA, f"not an Avro schema: {type(e).__name__}") from None
    read = fastavro.schemaless_reader

    def decode(data: bytes, rest: bytes | None) -> bytes:  # noqa: ARG001  Avro has nothing behind the id
        stream = BytesIO(data)
        try:
            record = read(stream, parsed, None)
            left = len(data) - stream.tell()
            if left:
                raise _undecodable(f"{left} bytes behind the record")
            return _encode(record)
        except (*_WRONG, MsgspecError) as e:
            raise _undecodable(f"not a record of its schema: {type(e).__name__}") from None

    return decode


_WRONG: Final = (ValueError, TypeError, KeyError, IndexError, EOFError, OverflowError, AttributeError, RecursionError)
"""What fastavro raises for bytes that are not of the schema: what its decoders happen to hit."""


def _parsed(text: str) -> Any:
    from msgspec.json import decode  # noqa: PLC0415

    try:
        return decode(text)
    except MsgspecError:
        return text  # the name of a type alone


def _undecodable(detail: str) -> Refused:
    return Refused(RejectReason.UNDECODABLE, detail)


def _require_finite(schema: Any, named: Mapping[str, Any]) -> None:
    """Refuses schemas of which a few bytes may be a value of any size: it would fill the memory, or the stack."""
    budget = [_MOST_TYPES]
    _least_bytes(schema, named, (), budget)


def _least_bytes(schema: Any, named: Mapping[str, Any], within: tuple[str, ...], budget: list[int]) -> int:
    """The fewest bytes that a value takes. Raises Refused."""
    budget[0] -= 1
    if budget[0] < 0:
        raise Refused(RejectReason.UNKNOWN_SCHEMA, f"has more than {_MOST_TYPES} types")
    if isinstance(schema, list):
        return 1 + min((_least_bytes(branch, named, within, budget) for branch in schema), default=0)
    if isinstance(schema, str):
        if schema in within:
            raise Refused(RejectReason.UNKNOWN_SCHEMA, f"type '{schema[:60]}' contains itself, which is not read")
        return _least_bytes(named[schema], named, within, budget) if schema in named else int(schema not in _EMPTY)
    kind = schema["type"]
    if kind in {"record", "error"}:
        inside = (*within, schema["name"])
        return sum(_least_bytes(f["type"], named, inside, budget) for f in schema["fields"])
    if kind == "array":
        if not _least_bytes(schema["items"], named, within, budget):
            raise Refused(RejectReason.UNKNOWN_SCHEMA, "has an array whose items take no bytes")
        return 1
    if kind == "map":
        _least_bytes(schema["values"], named, within, budget)
        return 1
    if kind == "fixed":
        return int(schema["size"])
    return 1 if kind == "enum" else _least_bytes(kind, named, within, budget)
