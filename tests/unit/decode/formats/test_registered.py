"""Avro, Protobuf and JSON of schema registries: frames, schemas and bytes that are not of them."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

import fastavro
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given, settings
from hypothesis import strategies as st

from driftd.core.errors import SourceError
from driftd.core.event import Decoded, RejectReason
from driftd.decode import codec_of
from driftd.decode.mapping.spec import FeatureSource, Mappings, RecordMapping, Source, parse
from driftd.decode.registry import RegisteredSchema, SchemaRef
from tests.unit.decode.formats.make import Sent, batch
from tests.unit.decode.formats.make import limits as limits_of
from tests.unit.decode.make import NOW, accounted, only, refused

GUID = "89791762-2336-4186-9674-299b90a802e2"
"""That of confluent-kafka-python@8b1c7a6's tests."""


@dataclass
class Schemas:
    """A registry in memory. ``away``: it does not answer."""

    known: dict[str, RegisteredSchema] = field(default_factory=dict)
    asked: list[SchemaRef] = field(default_factory=list)
    away: bool = False

    def load(self, ref: SchemaRef, *, serialized: bool) -> RegisteredSchema | str:  # noqa: ARG002
        self.asked.append(ref)
        if self.away:
            raise SourceError("schema registry: no answer in 5 s")
        return self.known.get(f"{ref.kind}:{ref.value}", "no such schema")


def framed(data: bytes, number: int = 7) -> bytes:
    return b"\x00" + struct.pack(">I", number) + data


def decode(
    record_format: str, schemas: Schemas | None, *sent: bytes | Sent, mapping: RecordMapping | None = None
) -> Decoded:
    limits = replace(limits_of(record_format), registry=schemas)
    if mapping is not None:
        limits = replace(limits, mappings=Mappings(replace(mapping, format=record_format)))
    records = [one if isinstance(one, tuple) else ([], one) for one in sent]
    return codec_of(limits).decode(batch(records), {})


# -- Avro --

EVENT = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "model", "type": "string"},
        {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {
            "name": "features",
            "type": {
                "type": "record",
                "name": "Features",
                "fields": [
                    {"name": "amount", "type": ["null", "double"]},
                    {"name": "country", "type": {"type": "enum", "name": "Country", "symbols": ["DE", "FR"]}},
                    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}},
                ],
            },
        },
        {"name": "prediction", "type": "int"},
    ],
}


def avro_of(schema: Any, record: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(json.dumps(schema))), record)
    return out.getvalue()


def avro(schema: Any, references: Mapping[str, Any] | None = None) -> Schemas:
    texts = {name: json.dumps(text) for name, text in (references or {}).items()}
    return Schemas({"id:7": RegisteredSchema("AVRO", json.dumps(schema), texts)})


def event(**features: Any) -> dict[str, Any]:
    from datetime import UTC, datetime  # noqa: PLC0415
    from decimal import Decimal  # noqa: PLC0415

    given = {"amount": 12.5, "country": "FR", "price": Decimal("19.99"), **features}
    return {"model": "fraud", "time": datetime.fromtimestamp(NOW, UTC), "features": given, "prediction": 1}


def test_an_avro_event_has_its_nulls_enums_decimals_and_times() -> None:
    sent = [framed(avro_of(EVENT, each)) for each in (event(), event(amount=None))]
    events = only(decode("avro", avro(EVENT), *sent))
    assert (events.model, events.times.tolist()) == ("fraud", [NOW, NOW])
    assert {**events.columns} == {"amount": [12.5, None], "country": ["FR", "FR"], "price": [19.99, 19.99]}
    assert events.prediction == [1, 1]


def test_the_record_of_the_avro_specification_is_read_by_a_mapping() -> None:
    # Apache Avro 1.12 specification, "Complex Types": {"a": 27, "b": "foo"} is 36 06 66 6f 6f
    test = {
        "type": "record",
        "name": "test",
        "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "string"}],
    }
    mapping = RecordMapping({"model": Source(value="m")}, FeatureSource(under=()))
    events = only(decode("avro", avro(test), framed(bytes.fromhex("3606666f6f")), mapping=mapping))
    assert {**events.columns} == {"a": [27], "b": ["foo"]}


def test_types_of_other_schemas_are_found_by_their_references() -> None:
    inner = {"type": "record", "name": "geo.Place", "fields": [{"name": "country", "type": "string"}]}
    outer = {
        "type": "record",
        "name": "Event",
        "fields": [{"name": "model", "type": "string"}, {"name": "features", "type": "geo.Place"}],
    }
    whole = {**outer, "fields": [outer["fields"][0], {"name": "features", "type": inner}]}
    value = framed(avro_of(whole, {"model": "m", "features": {"country": "DE"}}))
    assert {**only(decode("avro", avro(outer, {"geo.Place": inner}), value)).columns} == {"country": ["DE"]}


@pytest.mark.parametrize(
    ("ref", "headers", "value"),
    [
        ("id:7", [], b"\x00\x00\x00\x00\x07"),
        (f"guid:{GUID}", [], b"\x01" + UUID(GUID).bytes),
        (f"guid:{GUID}", [("__value_schema_id", b"\x01" + UUID(GUID).bytes)], b""),
        ("id:7", [("__value_schema_id", b"\x00\x00\x00\x00\x07")], b""),
        ("global:7", [], b"\x00" + bytes(7) + b"\x07"),
        ("global:7", [("apicurio.value.globalId", bytes(7) + b"\x07")], b""),
        ("content:7", [("apicurio.value.contentId", bytes(7) + b"\x07")], b""),
    ],
)
def test_every_frame_leads_to_its_schema(ref: str, headers: Any, value: bytes) -> None:
    schemas = Schemas({ref: avro(EVENT).known["id:7"]})
    assert len(only(decode("avro", schemas, (headers, value + avro_of(EVENT, event()))))) == 1


GOOD = framed(avro_of(EVENT, event()))
HOSTILE: list[tuple[Any, RejectReason, str]] = [
    (None, RejectReason.EMPTY, "null value"),
    (b"{}", RejectReason.UNDECODABLE, "no frame of a schema registry"),
    (b"\x00\x00", RejectReason.UNDECODABLE, "no frame"),
    (b"\x03\x00" + bytes(17), RejectReason.UNDECODABLE, "AWS Glue"),
    (framed(b"", 8), RejectReason.UNKNOWN_SCHEMA, "schema 8: the registry has none"),
    (GOOD[:-3], RejectReason.UNDECODABLE, "not a record of its schema"),
    (GOOD + b"x", RejectReason.UNDECODABLE, "1 bytes behind the record"),
    (framed(b"\xff" * 40), RejectReason.UNDECODABLE, "not a record of its schema"),
    (framed(b"\x02\xff" + avro_of(EVENT, event())[6:]), RejectReason.UNDECODABLE, "not a record"),
    (b"\x00" * 300_000, RejectReason.TOO_LARGE, "at most 262144"),
    (([("apicurio.value.globalId", b"\x01")], b"x"), RejectReason.UNDECODABLE, "expected 8 bytes, got 1"),
]


@pytest.mark.parametrize(("value", "reason", "words"), HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_record_of_its_schema_is_rejected_and_its_neighbours_are_not(
    value: Any, reason: RejectReason, words: str
) -> None:
    decoded = decode("avro", avro(EVENT), GOOD, value if isinstance(value, tuple) else ([], value), GOOD)
    assert accounted(decoded)
    assert [len(b) for b in decoded.batches] == [2]
    (reject,) = decoded.rejects
    assert (reject.index, reject.reason) == (1, reason)
    assert words in reject.detail


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "array", "items": "null"}, "items take no bytes"),
        ({"type": "array", "items": {"type": "record", "name": "E", "fields": []}}, "items take no bytes"),
        ({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}, "items take no bytes"),
        (
            {"type": "record", "name": "List", "fields": [{"name": "next", "type": ["null", "List"]}]},
            "type 'List' contains itself",
        ),
        ({"type": "nonsense"}, "not an Avro schema"),
        (3, "not an Avro schema"),
    ],
)
def test_schemas_of_which_a_few_bytes_may_be_anything_are_refused(schema: Any, words: str) -> None:
    # 0x80.. is the count of a block of an array: two to the 60 items in nine bytes
    why = refused(decode("avro", avro(schema), framed(b"\x80\x80\x80\x80\x80\x80\x80\x80\x10")))
    assert why.reason is RejectReason.UNKNOWN_SCHEMA
    assert words in why.detail


@given(data=st.binary(max_size=60))
@settings(max_examples=200)
def test_any_bytes_behind_a_frame_are_accounted_for(data: bytes) -> None:
    for record_format, schemas in (("avro", avro(EVENT)), ("protobuf", Schemas({"id:7": PROTO}))):
        assert accounted(decode(record_format, schemas, framed(data)))


# -- Protobuf --


def proto_file() -> descriptor_pb2.FileDescriptorProto:
    """Messages Other, and Event with a time, features in a message of its own, and an enum of another file."""
    file = descriptor_pb2.FileDescriptorProto(
        name="event.proto",
        package="shop",
        syntax="proto3",
        dependency=["google/protobuf/timestamp.proto", "geo.proto"],
    )
    file.message_type.add(name="Other").field.add(name="x", number=1, type=1, label=1)
    event_type = file.message_type.add(name="Event")
    event_type.field.add(name="model", number=1, type=9, label=1)
    event_type.field.add(name="time", number=2, type=11, label=1, type_name=".google.protobuf.Timestamp")
    event_type.field.add(name="features", number=3, type=11, label=1, type_name=".shop.Event.Features")
    event_type.field.add(name="prediction", number=4, type=3, label=1)
    inner = event_type.nested_type.add(name="Features")
    inner.field.add(name="amount", number=1, type=1, label=1, proto3_optional=True, oneof_index=0)
    inner.oneof_decl.add(name="_amount")
    inner.field.add(name="country", number=2, type=14, label=1, type_name=".geo.Country")
    inner.field.add(name="visits", number=3, type=3, label=1)
    return file


GEO = descriptor_pb2.FileDescriptorProto(name="geo.proto", package="geo", syntax="proto3")
_country = GEO.enum_type.add(name="Country")
_country.value.add(name="XX", number=0)
_country.value.add(name="DE", number=1)


def serialized(file: descriptor_pb2.FileDescriptorProto) -> str:
    return base64.b64encode(file.SerializeToString()).decode()


PROTO = RegisteredSchema("PROTOBUF", serialized(proto_file()), {"geo.proto": serialized(GEO)})


def proto_event(visits: int = 3, amount: float | None = 12.5) -> bytes:
    from google.protobuf import timestamp_pb2  # noqa: PLC0415

    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(GEO.SerializeToString())
    pool.AddSerializedFile(proto_file().SerializeToString())
    message: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Event"))()
    message.model, message.prediction = "fraud", 2**53
    message.time.seconds = int(NOW)
    message.features.country, message.features.visits = 1, visits
    if amount is not None:
        message.features.amount = amount
    data: bytes = message.SerializeToString()
    return data


SECOND = b"\x02\x02"
"""Message indexes [1], as confluent-kafka-python writes them: a count and a place, zigzag."""


def test_a_protobuf_message_has_numbers_enums_by_name_and_null_where_it_says_nothing() -> None:
    schemas = Schemas({"id:7": PROTO})
    sent = [framed(SECOND + proto_event()), framed(SECOND + proto_event(visits=0, amount=None))]
    events = only(decode("protobuf", schemas, *sent))
    assert (events.model, events.times.tolist(), events.prediction) == ("fraud", [NOW, NOW], [2.0**53] * 2)
    assert {**events.columns} == {"amount": [12.5, None], "country": ["DE", "DE"], "visits": [3, 0]}


@pytest.mark.parametrize(
    ("indexes", "name"), [(b"\x00", "Other"), (b"\x02\x00", "Other"), (SECOND, "Event"), (b"\x04\x02\x00", "Features")]
)
def test_message_indexes_choose_the_message(indexes: bytes, name: str) -> None:
    # known answers of confluent-kafka-python@8b1c7a6: [0] is 00, [1] is 02 02, [2, 0] is 04 04 00
    mapping = RecordMapping({"model": Source(value="m")}, FeatureSource(under=()))
    events = only(decode("protobuf", Schemas({"id:7": PROTO}), framed(indexes), mapping=mapping))
    found = {"Other": {"x"}, "Features": {"amount", "country", "visits"}}.get(name, {"prediction"})
    assert found <= {*events.columns} | {*events.fields}


def test_the_indexes_may_stand_in_the_header() -> None:
    headers = [("__value_schema_id", b"\x01" + UUID(GUID).bytes + SECOND)]
    schemas = Schemas({f"guid:{GUID}": PROTO})
    assert only(decode("protobuf", schemas, (headers, proto_event()))).model == "fraud"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "a number is cut off"),
        (b"\x80", "a number is cut off"),
        (b"\xff" * 20, "longer than 64 bits"),
        (b"\x02\x10", "the schema has no message [8]"),
        (b"\x02\x01", "the schema has no message [-1]"),
        (b"\x80\x01" + bytes(64), "expected at most 32"),
        (SECOND + b"\xff\xff", "not a message of its schema"),
        (SECOND + proto_event()[:-1], "not a message of its schema"),
    ],
)
def test_bytes_that_are_no_message_are_rejected(data: bytes, words: str) -> None:
    why = refused(decode("protobuf", Schemas({"id:7": PROTO}), framed(data)))
    assert why.reason is RejectReason.UNDECODABLE
    assert words in why.detail


APICURIO: Final = replace(PROTO, type="")
"""Its API does not say of what type a schema is."""
REF: Final = b"\x07\x0a\x05Event"
"""Ref{name = 1}, with its length before it. Known answer: Apicurio/apicurio-registry@4b406a3f, serdes/generic/
serde-common-protobuf/src/test/.../ProtobufDeserializerFallbackTest.java (buildApicurioWireFormat)."""


@pytest.mark.parametrize(
    ("headers", "before", "found"),
    [
        pytest.param([], b"\x00\x00\x00\x00\x07" + REF, "fraud", id="a Ref names the message"),
        pytest.param([], b"\x00" + bytes(7) + b"\x07" + REF, "fraud", id="behind an id of 8 bytes"),
        pytest.param(
            [("apicurio.value.contentId", bytes(7) + b"\x07"), ("apicurio.protobuf.type", b"Event")],
            b"",
            "fraud",
            id="a header names it",
        ),
        pytest.param([("apicurio.value.contentId", bytes(7) + b"\x07")], REF, "fraud", id="a Ref behind a header"),
    ],
)
def test_a_message_of_apicurios_serializers_is_found_by_its_name(
    headers: list[tuple[str, bytes]], before: bytes, found: str
) -> None:
    schemas = Schemas({f"{kind}:7": APICURIO for kind in ("id", "content", "global")})
    assert only(decode("protobuf", schemas, (headers, before + proto_event()))).model == found


@pytest.mark.parametrize("before", [b"", b"\x00"], ids=["without a Ref", "with an empty one"])
def test_without_a_name_it_is_the_first_message(before: bytes) -> None:
    first = replace(APICURIO, text=serialized(swapped(proto_file())))
    assert only(decode("protobuf", Schemas({"id:7": first}), framed(before + proto_event()))).model == "fraud"


def swapped(file: descriptor_pb2.FileDescriptorProto) -> descriptor_pb2.FileDescriptorProto:
    """With Event as the first message."""
    messages = [*file.message_type]
    del file.message_type[:]
    file.message_type.extend(reversed(messages))
    return file


def test_a_name_that_the_schema_does_not_have_is_rejected() -> None:
    headers = [("apicurio.value.contentId", bytes(7) + b"\x07"), ("apicurio.protobuf.type", b"Nobody")]
    why = refused(decode("protobuf", Schemas({"content:7": APICURIO}), (headers, proto_event())))
    assert (why.reason, why.detail) == (RejectReason.UNDECODABLE, "the schema has no message 'Nobody'")


@pytest.mark.parametrize(
    ("record_format", "schema", "words"),
    [
        ("avro", PROTO, "is of Protobuf, and mapping.format is avro"),
        ("protobuf", RegisteredSchema("AVRO", "{}"), "is of Avro, and mapping.format is protobuf"),
        ("protobuf", RegisteredSchema("PROTOBUF", 'syntax = "proto3";'), "no descriptor that can be used"),
        ("protobuf", replace(PROTO, references={}), "no descriptor that can be used"),
    ],
)
def test_a_schema_of_another_kind_is_told(record_format: str, schema: RegisteredSchema, words: str) -> None:
    why = refused(decode(record_format, Schemas({"id:7": schema}), framed(b"\x00")))
    assert (why.reason, words in why.detail) == (RejectReason.UNKNOWN_SCHEMA, True)


# -- JSON, and the registry --


def test_json_behind_a_frame_needs_no_registry() -> None:
    value = json.dumps({"model": "m", "features": {"x": 1}}).encode()
    assert only(decode("jsonschema", None, framed(value))).model == "m"
    assert refused(decode("jsonschema", None, value)).reason is RejectReason.UNDECODABLE


def test_a_schema_is_asked_for_once_and_one_that_is_not_there_each_time() -> None:
    schemas = avro(EVENT)
    codec = codec_of(replace(limits_of("avro"), registry=schemas))
    for _ in range(3):
        codec.decode(batch([([], GOOD), ([], GOOD), ([], framed(b"", 8))]), {})
    assert schemas.asked == [SchemaRef("id", "7")] + [SchemaRef("id", "8")] * 3


def test_nothing_is_decoded_where_the_registry_does_not_answer() -> None:
    schemas = avro(EVENT)
    schemas.away = True
    with pytest.raises(SourceError, match="no answer"):
        decode("avro", schemas, GOOD)


def test_without_a_registry_records_are_told_what_is_missing() -> None:
    assert refused(decode("avro", None, GOOD)).detail == "schema 7: neither schema_registry.url nor folder is set"


def test_a_mapping_is_of_the_decoded_record() -> None:
    mapping = RecordMapping(
        {"model": Source(value="other"), "score": Source(parse("features.amount"))},
        FeatureSource(paths={"land": parse("features.country")}, under=None),
    )
    events = only(decode("avro", avro(EVENT), GOOD, mapping=mapping))
    assert (events.model, {**events.columns}) == ("other", {"land": ["FR"]})
    assert events.score is not None
    assert [*events.score] == [12.5]


GLUE: Final = bytes.fromhex("b7b4a7f09c9641e48c1b0f7b3a9d0c11")


@pytest.mark.parametrize("packed", [False, True])
def test_json_behind_a_frame_of_aws_glue_is_read(packed: bool) -> None:
    value = json.dumps({"model": "m", "features": {"x": 1}}).encode()
    framed = b"\x03\x05" + GLUE + zlib.compress(value) if packed else b"\x03\x00" + GLUE + value
    assert only(decode("jsonschema", None, framed)).model == "m"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\x03\x05" + GLUE + zlib.compress(bytes(10_000_000)), RejectReason.TOO_LARGE),
        (b"\x03\x05" + GLUE + zlib.compress(b"{}" * 100)[:-5], RejectReason.UNDECODABLE),
        (b"\x03\x05" + GLUE + b"{}", RejectReason.UNDECODABLE),
        (b"\x03\x07" + GLUE + b"{}", RejectReason.UNDECODABLE),
        (b"\x03\x00" + GLUE[:-1], RejectReason.UNDECODABLE),
        (b"\x03\x00" + GLUE, RejectReason.UNDECODABLE),
    ],
)
def test_frames_of_aws_glue_that_hold_nothing_usable_are_refused(value: bytes, reason: RejectReason) -> None:
    assert refused(decode("jsonschema", None, value)).reason is reason
