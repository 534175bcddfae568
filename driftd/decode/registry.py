"""Records framed by a schema registry: which schema they are of, and the loop that decodes them by it.

record -> frame (schema, data) -> what was compiled of the schema -> JSON

Schemas are loaded before a batch is decoded (``prepare``): where that fails nothing has been read of it.
Sources: confluent-kafka-python, schema_registry/common/serde.py; apicurio-registry, serdes/generic/serde-common.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from driftd.core.event import RecordBatch, RejectReason
from driftd.decode.json.fast import Unwrapped
from driftd.decode.json.strict import Refused
from driftd.decode.limits import Limits
from driftd.decode.opening import EachRecord, Record, each
from driftd.ingest.halves import Halves

MOST_SCHEMAS: Final = 1000
"""Compiled at a time. Chosen: more than a topic has."""
_GUID: Final = 16
_GLUE, _PLAIN, _ZLIB = 3, 0, 5
GLUE: Final = "glue"
"""Kind of a schema of AWS Glue, whose registry takes signed requests alone: driftd does not ask it."""


class SchemaRef(NamedTuple):
    """``kind``: ``id`` (of a frame), ``guid``, ``global`` or ``content`` (Apicurio's, where it says which),
    ``glue``.
    """

    kind: str
    value: str

    def __str__(self) -> str:
        return f"schema {'' if self.kind == 'id' else f'{self.kind} '}{self.value}"


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """``type``: AVRO, PROTOBUF or JSON; "" where the registry does not say (Apicurio). ``text``: as the registry has
    it, of Protobuf a FileDescriptorProto in base64. ``references``: by the names that the text has for them, in an
    order in which each comes after those that it refers to itself. ``glue``: AWS Glue's serializers wrote the records.
    """

    type: str
    text: str
    references: Mapping[str, str] = field(default_factory=dict)
    glue: bool = False


class Registry(Protocol):
    def load(self, ref: SchemaRef, *, serialized: bool) -> RegisteredSchema | str:
        """The schema; or why there is none, in words. ``serialized``: as a FileDescriptorProto.

        Raises SourceError where the registry does not answer.
        """
        ...


class Framed(NamedTuple):
    """``rest``: what came behind the schema's id in a header, or Apicurio's name of a message of Protobuf; None where
    there is none: then it is in the value, before ``data``.
    """

    ref: SchemaRef
    data: bytes
    rest: bytes | None


Decode = Callable[[bytes, bytes | None], bytes]
"""(data, what came behind the id in a header) -> JSON. Raises Refused."""
Compile = Callable[[RegisteredSchema], Decode]
"""Raises Refused for a schema that cannot be used."""


def unframed(record: Record, limits: Limits) -> Framed:
    """Raises Refused."""
    value = checked(record.value, limits)
    header = record.headers.get("__value_schema_id")
    if header is not None:
        ref, rest = _ref(header)
        return Framed(ref, value, rest)
    for kind in ("global", "content"):
        given = record.headers.get(f"apicurio.value.{kind}id")
        if given is not None:
            if len(given) != 8:
                raise _bad(f"header apicurio.value.{kind}Id: expected 8 bytes, got {len(given)}")
            named = record.headers.get("apicurio.protobuf.type")
            return Framed(SchemaRef(kind, str(int.from_bytes(given))), value, named)
    ref, data = _glued(value, limits) if value[0] == _GLUE else _ref(value)
    return Framed(ref, data, None)


def checked(value: bytes | None, limits: Limits) -> bytes:
    """The value of a record that is no text, if it is there and not too large. Raises Refused."""
    if not value:
        raise Refused(RejectReason.EMPTY, "null value" if value is None else "empty value")
    if len(value) > limits.record_bytes:
        raise Refused(RejectReason.TOO_LARGE, f"{len(value)} bytes, at most {limits.record_bytes} expected")
    return value


def _ref(framed: bytes) -> tuple[SchemaRef, bytes]:
    """The schema of a frame, and what is behind it."""
    match framed[0] if framed else None:
        case 0 if len(framed) >= 9 and not any(framed[1:5]):  # Apicurio's ids of 8 bytes: no schema has the id 0
            return SchemaRef("global", str(int.from_bytes(framed[1:9]))), framed[9:]
        case 0 if len(framed) >= 5:
            return SchemaRef("id", str(int.from_bytes(framed[1:5]))), framed[5:]
        case 1 if len(framed) > _GUID:
            return SchemaRef("guid", str(UUID(bytes=framed[1 : _GUID + 1]))), framed[_GUID + 1 :]
    raise _bad("no frame of a schema registry: expected a first byte 0 and an id, or 1 and a GUID")


def _glued(value: bytes, limits: Limits) -> tuple[SchemaRef, bytes]:
    """AWS Glue's: 03, 00 or 05 (zlib), a UUID, the data. Raises Refused."""
    if len(value) <= 2 + _GUID or value[1] not in {_PLAIN, _ZLIB}:
        raise _bad("no frame of AWS Glue's schema registry: expected 3, then 0 or 5, and a UUID")
    ref, data = SchemaRef(GLUE, str(UUID(bytes=value[2 : 2 + _GUID]))), value[2 + _GUID :]
    if value[1] == _PLAIN:
        return ref, data
    unpacking = zlib.decompressobj()
    try:
        data = unpacking.decompress(data, limits.record_bytes + 1)
    except zlib.error:
        raise _bad("not zlib behind the frame of AWS Glue") from None
    if len(data) <= limits.record_bytes and not unpacking.eof:
        raise _bad("zlib behind the frame of AWS Glue is cut off")
    return ref, checked(data, limits)


def _bad(detail: str) -> Refused:
    return Refused(RejectReason.UNDECODABLE, detail)


@dataclass(slots=True)
class Registered:
    """An Opener of records that are decoded by their schema."""

    compile: Compile
    limits: Limits
    serialized: bool = False
    _known: dict[SchemaRef, Decode | Refused] = field(default_factory=dict)

    def prepare(self, records: RecordBatch) -> None:
        """Has all schemas of the records. Raises SourceError."""
        refs: dict[SchemaRef, None] = {}
        for record in each(records):
            try:
                refs[unframed(record, self.limits).ref] = None
            except Refused:
                continue
        if len(self._known) > MOST_SCHEMAS:
            self._known = {ref: known for ref, known in self._known.items() if ref in refs}
        for ref in refs:
            if ref not in self._known:
                self._load(ref)

    def _load(self, ref: SchemaRef) -> None:
        if self.limits.registry is None:
            return
        schema = self.limits.registry.load(ref, serialized=self.serialized)
        if isinstance(schema, str):
            return  # asked for again, as often as the registry wants to be
        try:
            self._known[ref] = self.compile(schema)
        except Refused as why:
            self._known[ref] = Refused(why.reason, f"{ref}: {why.detail}")

    def open(self, records: RecordBatch, halves: Halves) -> Unwrapped:
        self.prepare(records)
        return EachRecord(self, self.limits).open(records, halves)

    def read(self, record: Record) -> bytes:
        framed = unframed(record, self.limits)
        decode = self._known.get(framed.ref)
        if decode is None and framed.ref.kind == GLUE:
            need = f"put schema version {framed.ref.value} into schema_registry.folder; JSON behind it is jsonschema"
            raise _bad(f"framed by AWS Glue's schema registry, which driftd does not ask: {need}")
        if decode is None:
            where = "the registry has none" if self.limits.registry else "neither schema_registry.url nor folder is set"
            raise Refused(RejectReason.UNKNOWN_SCHEMA, f"{framed.ref}: {where}")
        if isinstance(decode, Refused):
            raise Refused(decode.reason, decode.detail)
        return decode(framed.data, framed.rest)
