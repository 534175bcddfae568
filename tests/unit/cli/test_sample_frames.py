"""`driftd check --sample` of records with a frame of a schema registry: the proposal is of the schema's own fields."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from pathlib import Path
from typing import Any, Final

import fastavro
import pytest

from tests.servers.registry import Registry, serving
from tests.unit.cli.pasting import Sampled
from tests.unit.decode.formats.make import SAMPLES

SCHEMA: Final[dict[str, Any]] = {
    "type": "record",
    "name": "Scored",
    "fields": [
        {"name": "model_name", "type": "string"},
        {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {
            "name": "inputs",
            "type": {"type": "record", "name": "Inputs", "fields": [{"name": "amount", "type": "double"}]},
        },
        {"name": "pred", "type": "int"},
    ],
}
RECORD: Final = {"model_name": "fraud", "ts": 1_788_256_800_000, "inputs": {"amount": 12.5}, "pred": 1}
GUID: Final = bytes(range(0x20, 0x30))
AS_TEXT: Final = "20212223-2425-2627-2829-2a2b2c2d2e2f"
FILE: Final = "records.tfrecord"
CONFLUENT: Final = json.loads((SAMPLES / "confluent.json").read_bytes())
"""Records that Confluent's own serializers have framed, with their schemas."""


@pytest.fixture
def sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sampled:
    monkeypatch.chdir(tmp_path)
    return Sampled(capsys)


def avro(frame: bytes) -> list[bytes]:
    written = io.BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(SCHEMA), RECORD)
    return [frame + written.getvalue()] * 3


def asking(registry: Registry) -> str:
    return f"schema_registry: {{url: '{registry.url}'}}\n"


def test_fields_of_an_avro_schema_are_proposed_by_their_names(sampled: Sampled) -> None:
    with serving() as registry:
        registry.schema(7, json.dumps(SCHEMA))
        out = sampled.check(avro(b"\0\0\0\0\x07"), FILE, config=asking(registry))
        assert "Framed by a schema registry, schema id 7." in out
        assert "With this in driftd.yaml 3 of 3 could be used:" in out
        fields = "model: model_name\n  time: ts\n  features: inputs\n  prediction: pred"
        assert sampled.proposal.strip() == f"mapping:\n  format: avro\n  {fields}"
        report = sampled.pasted(FILE, more=asking(registry))
    assert (report["accepted"], report["rejected"]) == (3, [])
    assert report["events"][0]["features"] == {"amount": 12.5}


def test_a_registry_of_the_environment_stands_in_what_is_to_be_pasted(
    sampled: Sampled, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as registry:
        registry.schema(7, json.dumps(SCHEMA))
        monkeypatch.setenv("DRIFTD_SCHEMA_REGISTRY__URL", registry.url)
        out = sampled.check(avro(b"\0\0\0\0\x07"), FILE)
        block = "schema_registry: " + out.partition("\nschema_registry: ")[2]
        monkeypatch.delenv("DRIFTD_SCHEMA_REGISTRY__URL")
        Path("driftd.yaml").write_text(block)
        assert "3 events, 3 can be used" in sampled.run("check", "--sample", FILE)


@pytest.mark.parametrize("kind", ["avro", "jsonschema", "protobuf"])
def test_what_confluent_s_serializers_write_is_proposed_in_its_format(sampled: Sampled, kind: str) -> None:
    given = CONFLUENT[kind]
    value, number = b64decode(given["value"]), {"avro": 1, "jsonschema": 2, "protobuf": 3}[kind]
    with serving() as registry:
        about = given["registered"]
        registry.schema(number, about["schema"], about["schemaType"])
        if kind == "protobuf":
            registry.schema(number, about["schema"], about["schemaType"], form="?format=serialized")
        sampled.check([value], FILE, config=asking(registry))
        assert f"format: {kind}" in sampled.proposal
        report = sampled.pasted(FILE, more=asking(registry))
    (event,) = report["events"]
    assert (event["model"], event["features"]) == ("fraud", {"amount": 12.5, "country": "FR"})
    assert report["rejected"] == []


@pytest.mark.parametrize(
    ("frame", "named", "cure"),
    [
        (b"\0\0\0\0\x07", "a schema registry, schema id 7", "{url: http://HOST:8081}"),
        (b"\x01" + GUID, f"a schema registry, schema GUID {AS_TEXT}", "{url: http://HOST:8081}"),
        (b"\0" + (9).to_bytes(8), "an Apicurio registry, global id 9", "{url: http://HOST:8080, type: apicurio}"),
        (b"\x03\0" + GUID, f"an AWS Glue schema registry, schema version {AS_TEXT}", "{folder: FOLDER}"),
    ],
    ids=["Confluent", "GUID", "Apicurio", "AWS Glue"],
)
def test_without_a_registry_the_frame_is_named_and_what_to_configure(
    sampled: Sampled, frame: bytes, named: str, cure: str
) -> None:
    out = sampled.check(avro(frame), FILE)
    assert sampled.code == 2
    assert f"Framed by {named}." in out
    assert f"`schema_registry: {cure}`" in out
    assert sampled.proposal == ""
    assert "not JSON" not in out


@pytest.mark.parametrize("frame", [b"\x03\0" + GUID, b"\x01" + GUID], ids=["AWS Glue", "GUID"])
def test_a_folder_of_schemas_is_as_good_as_a_registry(sampled: Sampled, frame: bytes) -> None:
    Path("schemas").mkdir()
    Path("schemas", f"{AS_TEXT}.avsc").write_text(json.dumps(SCHEMA))
    config = "schema_registry: {folder: schemas}\n"
    sampled.check(avro(frame), FILE, config=config)
    assert "format: avro" in sampled.proposal
    report = sampled.pasted(FILE, more=config)
    assert (report["accepted"], report["rejected"]) == (3, [])


def test_a_schema_that_the_registry_does_not_have_is_told(sampled: Sampled) -> None:
    with serving() as registry:
        out = sampled.check(avro(b"\0\0\0\0\x07"), FILE, config=asking(registry))
    assert "has no such schema. Put the schema into a folder as 7.avsc or 7.proto" in out
    assert sampled.proposal == ""


def test_a_package_that_is_missing_is_named_in_place_of_a_mapping_that_would_not_load(
    sampled: Sampled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftd.decode.recognise.find_spec", lambda _: None)
    with serving() as registry:
        registry.schema(7, json.dumps(SCHEMA))
        out = sampled.check(avro(b"\0\0\0\0\x07"), FILE, config=asking(registry))
    assert "pip install 'driftd[avro]'" in out
    assert sampled.proposal == ""


def test_a_frame_on_few_of_the_records_is_none_of_the_sample(sampled: Sampled) -> None:
    event = {"model": "m", "time": 1_788_256_800, "features": {"x": 1}, "prediction": 1}
    out = sampled.check([event, event, b"\0\0\0\0\x07abc"])
    assert "3 events, 2 can be used" in out
    assert "  Framed by" not in out


def test_binary_records_in_a_file_of_lines_are_told_to_be_cut(sampled: Sampled) -> None:
    value = b"\0\0\0\0\x07" + b"\x02a\nfraud\n1\n2"
    out = sampled.check(value)
    assert "Framed by a schema registry, schema id 7." in out
    assert "A file of lines holds no binary records whole" in out
    assert "Framed" not in sampled.check(bytes(range(256)) * 4), "binary, and no frame"
