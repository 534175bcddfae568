"""Schemas from a folder: AWS Glue's Avro and Protobuf, and ids of other registries that nobody asks.

Frames and the number of a message as awslabs/aws-glue-schema-registry@12d5fcb has them: MessageIndexFinder,
ProtobufWireFormatEncoder, GlueSchemaRegistryDeserializerDataParser.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from driftd.core.event import Decoded, RejectReason
from driftd.decode import codec_of
from driftd.decode.limits import Limits
from driftd.decode.mapping.spec import Mappings, RecordMapping, Source
from driftd.decode.registry import RegisteredSchema, SchemaRef
from driftd.sources.schema_files import FolderRegistry
from tests.unit.decode.formats.make import batch
from tests.unit.decode.formats.test_registered import EVENT, avro_of, event, framed
from tests.unit.decode.make import only, refused

VERSION = UUID("b7b4a7f0-9c96-41e4-8c1b-0f7b3a9d0c11")
PROTO = """
syntax = "proto3";
package shop;
message B {
  message C { string model = 1; int32 prediction = 2; }
  message A { message D { string model = 1; double prediction = 2; } }
}
message Z { string model = 1; bool prediction = 2; }
"""
"""The example of MessageIndexFinder: B is 0, B.A 1, B.A.D 2, B.C 3; and Z 4."""


def glue(data: bytes, *, packed: bool = False) -> bytes:
    return b"\x03\x05" + VERSION.bytes + zlib.compress(data) if packed else b"\x03\x00" + VERSION.bytes + data


def decode(record_format: str, registry: Any, *values: bytes) -> Decoded:
    mapping = RecordMapping({"time": Source(value=None)} if record_format == "protobuf" else {}, format=record_format)
    limits = Limits(mappings=Mappings(mapping), registry=registry)
    return codec_of(limits).decode(batch([([], value) for value in values]), {})


@pytest.mark.parametrize("packed", [False, True])
def test_avro_of_aws_glue_is_read_by_the_file_of_its_schema_version(tmp_path: Path, packed: bool) -> None:
    (tmp_path / f"{VERSION}.avsc").write_text(json.dumps(EVENT))
    one = only(decode("avro", FolderRegistry(tmp_path), glue(avro_of(EVENT, event()), packed=packed)))
    assert (one.model, one.columns["amount"]) == ("fraud", [12.5])


@pytest.mark.parametrize(
    ("number", "body", "prediction"),
    [
        (3, b"\x0a\x01m\x10\x07", 7),
        (2, b"\x0a\x01m\x11" + b"\0" * 6 + b"\xf8?", 1.5),
        (4, b"\x0a\x01m\x10\x01", "true"),
    ],
)
def test_protobuf_of_aws_glue_is_the_message_of_that_number_by_name(
    tmp_path: Path, number: int, body: bytes, prediction: float | str
) -> None:
    (tmp_path / f"{VERSION}.proto").write_text(PROTO)
    registry = FolderRegistry(tmp_path)
    one = only(decode("protobuf", registry, glue(bytes([number]) + body)))
    assert (one.model, one.prediction) == ("m", [prediction])
    for wrong in (b"\x80", b"\x05", b"\xff" * 11, bytes([number]) + b"\xff\xff"):
        assert refused(decode("protobuf", registry, glue(wrong))).reason is RejectReason.UNDECODABLE


@pytest.mark.parametrize("registry", [None, "folder"])
def test_a_schema_version_without_a_file_is_told_by_its_name(tmp_path: Path, registry: str | None) -> None:
    given = None if registry is None else FolderRegistry(tmp_path)
    why = refused(decode("avro", given, glue(avro_of(EVENT, event()))))
    assert why.reason is RejectReason.UNDECODABLE
    assert f"put schema version {VERSION} into schema_registry.folder" in why.detail


class Asked:
    def __init__(self) -> None:
        self.refs: list[SchemaRef] = []

    def load(self, ref: SchemaRef, *, serialized: bool) -> RegisteredSchema | str:
        self.refs.append(ref)
        return RegisteredSchema("AVRO", json.dumps(EVENT)) if not serialized else "none"


def test_what_the_folder_does_not_have_is_asked_for_but_aws_glues(tmp_path: Path) -> None:
    (tmp_path / "7.avsc").write_text(json.dumps(EVENT))
    behind = Asked()
    registry = FolderRegistry(tmp_path, behind)
    data = avro_of(EVENT, event())
    decoded = decode("avro", registry, framed(data, 7), framed(data, 8), glue(data))
    assert ([len(found) for found in decoded.batches], len(decoded.rejects)) == ([2], 1)
    assert behind.refs == [SchemaRef("id", "8")]


def test_a_file_that_is_no_schema_is_told_and_read_again_when_it_is_changed(tmp_path: Path) -> None:
    path = tmp_path / f"{VERSION}.proto"
    registry = FolderRegistry(tmp_path)
    path.write_text("message {")
    said = registry.load(SchemaRef("glue", str(VERSION)), serialized=True)
    assert isinstance(said, str)
    assert str(path) in said
    path.write_text(PROTO + "\n")
    assert isinstance(registry.load(SchemaRef("glue", str(VERSION)), serialized=True), RegisteredSchema)
