"""Records of Confluent's and of Apicurio's serializers, repeated as a topic would have them: only time, id and amount
differ, by the schema that the serializer registered.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import fastavro
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tests.integration.samples import Call
from tests.unit.decode.formats.make import SAMPLES

FRAME: Final = 5
"""Bytes before the data in the serializers' own values."""
INDEXES: Final = b"\x02\x02"
"""Of the second message of the schema."""
PROTO_TEXT: Final = """
syntax = "proto3";
package shop;
import "google/protobuf/wrappers.proto";
message Other {}
message Event {
  string model = 1;
  string id = 2;
  double time = 3;
  map<string, double> features = 4;
  int32 prediction = 5;
}
"""
Bodies = Iterator[bytes]


def given(name: str, record_format: str) -> tuple[Mapping[str, Any], bytes]:
    """What the serializer registered, and what it wrote."""
    sample = json.loads((SAMPLES / name).read_text())[record_format]
    return sample["registered"], base64.b64decode(sample["value"])


def avro(schema: str, value: bytes, calls: Sequence[Call]) -> Bodies:
    parsed = fastavro.parse_schema(json.loads(schema))
    event: Any = fastavro.schemaless_reader(io.BytesIO(value), parsed, None)
    for one in (event, *(varied(event, call) for call in calls)):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, one)
        yield out.getvalue()


def jsonschema(_: str, value: bytes, calls: Sequence[Call]) -> Bodies:
    event = json.loads(value)
    for one in (event, *(varied(event, call) for call in calls)):
        yield json.dumps(one, separators=(",", ":")).encode()


def protobuf(schema: str, value: bytes, calls: Sequence[Call]) -> Bodies:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(schema)).SerializeToString())
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Event"))
    event: Any = kind.FromString(value.removeprefix(INDEXES))
    yield INDEXES + event.SerializeToString()
    for call in calls:
        event.id, event.time, event.features.amount = f"call-{call.number}", call.at, call.amounts[0]
        yield INDEXES + event.SerializeToString()


def varied(event: dict[str, Any], call: Call) -> dict[str, Any]:
    at = datetime.fromtimestamp(call.at, UTC) if isinstance(event["time"], datetime) else call.at
    return event | {
        "id": f"call-{call.number}",
        "time": at,
        "features": event["features"] | {"amount": call.amounts[0]},
    }


WRITERS: Final[Mapping[str, Callable[[str, bytes, Sequence[Call]], Bodies]]] = {
    "avro": avro,
    "jsonschema": jsonschema,
    "protobuf": protobuf,
}
"""The first body is the sample's, read and written again; the others are of the calls."""


def bodies(name: str, record_format: str, calls: Sequence[Call], cut: int) -> tuple[Mapping[str, Any], list[bytes]]:
    """What is to be registered, and a body for each call."""
    registered, value = given(name, record_format)
    schema = registered["firstVersion"]["content"]["content"] if "firstVersion" in registered else registered["schema"]
    first, *others = WRITERS[record_format](schema, value[cut:], calls)
    assert first == value[cut:], "what is sent is as the serializer writes it"
    return registered, others


def messages_of_text(calls: Sequence[Call]) -> Iterator[bytes]:
    """Of PROTO_TEXT's Event, by hand: driftd shall find out what they are from the text alone."""

    def field(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    def double(number: int, value: float) -> bytes:
        return bytes([number << 3 | 1]) + fastavro_double(value)

    for call in calls:
        amount = field(1, b"amount") + double(2, call.amounts[0])
        head = field(1, b"text") + field(2, b"call-%d" % call.number) + double(3, call.at)
        yield head + field(4, amount) + b"\x28\x01"


def fastavro_double(value: float) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "double", value)  # little-endian, as Protobuf's
    return out.getvalue()
