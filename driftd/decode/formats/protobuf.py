"""Protobuf records of a schema registry (docs/how-to/schema-registry.md), by the descriptors that it gives.

Confluent  message indexes, then the message
Apicurio   Ref{name = 1} with its length, then the message; or the name in a header; or neither: the first message
Source: apicurio-registry, serdes/generic/serde-common-protobuf/.../ProtobufDeserializer.java.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.json import encode

from driftd.core.event import RejectReason
from driftd.decode.json.strict import Refused
from driftd.decode.limits import Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import Record
from driftd.decode.registry import Decode, Registered, RegisteredSchema
from driftd.decode.wire import Varints

TITLE: Final = "Protobuf"
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ()
NEEDS: Final = "records need the fields of an event, or a mapping that says where they are"
_MOST_INDEXES: Final = 32
"""As Confluent's readers have it: how deep a message may be nested in others."""
_MAIN: Final = ".driftd.proto"
"""Name of the schema's own file, which the registry does not say."""


def opener(mapping: RecordMapping, limits: Limits) -> Registered:  # noqa: ARG001  the mapping is the codec's
    return Registered(_compiled, limits, serialized=True)


def recognise(record: Record) -> bool:  # noqa: ARG001
    return False  # the frame alone does not tell; `check --sample` names it


def _compiled(schema: RegisteredSchema) -> Decode:
    if schema.type not in {"PROTOBUF", ""}:
        raise Refused(RejectReason.UNKNOWN_SCHEMA, f"is of {schema.type.title()}, and mapping.format is protobuf")
    places: dict[tuple[int, ...], Any] = {}
    find, top = _messages(schema)
    names, by_name = [one.name for one in top], _in_order(top) if schema.glue else []

    def decode(data: bytes, rest: bytes | None) -> bytes:
        from google.protobuf.message import DecodeError  # noqa: PLC0415  an extra

        if schema.glue:
            place, behind = _numbered(data, by_name)
        else:
            place, behind = _named(data, rest, names) if not schema.type else _indexed(data, rest)
        if place not in places:
            places[place] = find(place)
        message = places[place]()
        try:
            message.ParseFromString(behind)
        except (DecodeError, RecursionError):
            raise Refused(RejectReason.UNDECODABLE, "not a message of its schema") from None
        return encode(as_dict(message))

    return decode


def _messages(schema: RegisteredSchema) -> tuple[Callable[[tuple[int, ...]], Any], Sequence[Any]]:
    """What finds a message's class by its place in the schema; those that are in no other. Raises Refused."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: PLC0415
    from google.protobuf.message import DecodeError  # noqa: PLC0415

    pool, default = descriptor_pool.DescriptorPool(), descriptor_pool.Default()
    try:
        main = ""
        for name, text in (*schema.references.items(), (_MAIN, schema.text)):
            file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(text, validate=True))
            file.name = main = name if name != _MAIN or not file.name else file.name
            for wanted in file.dependency:
                _add_known(wanted, pool, default)
            pool.AddSerializedFile(file.SerializeToString())
        top = [*pool.FindFileByName(main).message_types_by_name.values()]
    except (DecodeError, TypeError, KeyError, ValueError, binascii.Error) as e:
        raise Refused(
            RejectReason.UNKNOWN_SCHEMA, f"no descriptor that can be used (?format=serialized): {type(e).__name__}"
        ) from None

    def find(indexes: tuple[int, ...]) -> Any:
        level, found = top, None
        for index in indexes:
            if not 0 <= index < len(level):
                raise Refused(RejectReason.UNDECODABLE, f"the schema has no message {[*indexes]}")
            found = level[index]
            level = list(found.nested_types)
        return message_factory.GetMessageClass(found)

    return find, top


def _add_known(name: str, pool: Any, default: Any) -> None:
    """Files that come with Protobuf itself, which a registry does not list as references."""
    from google.protobuf import (  # noqa: F401, PLC0415  importing puts them into the default pool
        any_pb2,
        duration_pb2,
        field_mask_pb2,
        struct_pb2,
        timestamp_pb2,
        wrappers_pb2,
    )

    try:
        pool.FindFileByName(name)
    except KeyError:
        if not name.startswith("google/protobuf/"):
            return
        file = default.FindFileByName(name)
        for other in file.dependencies:
            _add_known(other.name, pool, default)
        pool.AddSerializedFile(file.serialized_pb)


def _in_order(top: Sequence[Any]) -> list[tuple[int, ...]]:
    """Places of all messages, nested ones too, in the order of their full names: as AWS Glue numbers them."""
    level: list[tuple[tuple[int, ...], Any]] = [((i,), one) for i, one in enumerate(top)]
    found: list[tuple[tuple[int, ...], Any]] = []
    while level:
        found += level
        level = [((*place, i), inner) for place, one in level for i, inner in enumerate(one.nested_types)]
    return [place for place, _ in sorted(found, key=lambda entry: entry[1].full_name)]


def _numbered(data: bytes, places: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], bytes]:
    """The message's place in the schema, and the message, of AWS Glue's serializers."""
    reader = Varints(data)
    number = reader.varint()
    if number >= len(places):
        raise Refused(RejectReason.UNDECODABLE, f"the schema has {len(places)} messages, and none of number {number}")
    return places[number], data[reader.at :]


def _indexed(data: bytes, rest: bytes | None) -> tuple[tuple[int, ...], bytes]:
    """The message's place in the schema, and the message."""
    place, behind = _indexes(data if rest is None else rest)
    return place, behind if rest is None else data


def _named(data: bytes, rest: bytes | None, names: Sequence[str]) -> tuple[tuple[int, ...], bytes]:
    """The same, of Apicurio's serializers."""
    if rest is not None:
        name, behind = rest, data
    elif len(data) > 2 and data[0] < 0x80 and data[1] == 0x0A and data[2] == data[0] - 2:  # Ref{name = 1}
        end = 1 + data[0]
        name, behind = data[3:end], data[end:]
    else:
        return (0,), data[1:] if data[:1] == b"\0" else data  # an empty Ref, or none
    if (text := name.decode(errors="replace")) not in names:
        if rest is None:
            return (0,), data
        raise Refused(RejectReason.UNDECODABLE, f"the schema has no message '{text[:60]}'")
    return (names.index(text),), behind


def _indexes(data: bytes) -> tuple[tuple[int, ...], bytes]:
    """Which message of the schema it is, and what is behind that. A single 0 is the first one."""
    reader = Varints(data)
    count = reader.zigzag()
    if not 0 <= count <= _MOST_INDEXES:
        raise Refused(RejectReason.UNDECODABLE, f"message indexes: expected at most {_MOST_INDEXES}, got {count}")
    return tuple(reader.zigzag() for _ in range(count)) or (0,), data[reader.at :]


# -- messages as JSON has them --

_TIMES: Final = frozenset({"google.protobuf.Timestamp", "google.protobuf.Duration"})
_STRUCTS: Final = frozenset({"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"})
_WRAPPERS: Final = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)


def as_dict(message: Any) -> Any:
    """By the names of the schema: numbers as numbers, 64 bits too; enums by name; what may be absent and is, null."""
    return {field.name: value for field, value in _fields(message)}


def _fields(message: Any) -> Iterator[tuple[Any, Any]]:
    for field in message.DESCRIPTOR.fields:
        if field.is_repeated:
            values = getattr(message, field.name)
            if field.message_type is not None and field.message_type.GetOptions().map_entry:
                of = field.message_type.fields_by_name["value"]
                yield field, {str(key): _value(of, values[key]) for key in values}
            else:
                yield field, [_value(field, value) for value in values]
        elif field.has_presence and not message.HasField(field.name):
            yield field, None
        else:
            yield field, _value(field, getattr(message, field.name))


def _value(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return _message(field.message_type.full_name, value)
    if field.enum_type is not None:
        named = field.enum_type.values_by_number.get(value)
        return value if named is None else named.name
    return value


def _message(name: str, value: Any) -> Any:
    if name in _TIMES:  # seconds since 1970, or of a duration
        return value.seconds + value.nanos / 1e9
    if name in _WRAPPERS:
        return value.value
    if name in _STRUCTS:
        from google.protobuf.json_format import MessageToDict  # noqa: PLC0415

        return MessageToDict(value)
    return as_dict(value)
