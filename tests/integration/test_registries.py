"""A real schema registry: records of Confluent's and Apicurio's serializers through a broker to a finding."""

from __future__ import annotations

import base64
import io
import json
import random
import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import fastavro
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from driftd.decode.registry import SchemaRef
from driftd.sources.registry import HttpRegistry
from tests.bench.events import START
from tests.integration.test_cli_kafka import WINDOWS, driftd
from tests.integration.test_formats import TOPIC, found_in
from tests.servers.kafka import Broker, closing
from tests.servers.real_registry import Apicurio
from tests.unit.decode.formats.make import SAMPLES

pytestmark = pytest.mark.integration

CALLS: Final = 400
FRAME: Final = 5
INDEXES: Final = b"\x02\x02"
"""Of the second message of the schema."""
TEXT: Final = 'syntax = "proto3";\npackage shop;\nmessage Event {\n  string model = 1;\n}\n'
Given = Mapping[str, Any]


def given(name: str, record_format: str) -> tuple[Given, bytes]:
    """What the serializer registered, and what it wrote."""
    sample = json.loads((SAMPLES / name).read_text())[record_format]
    return sample["registered"], base64.b64decode(sample["value"])


def varied(at: float, number: int, amount: float, before: dict[str, Any]) -> dict[str, Any]:
    moved = datetime.fromtimestamp(at, UTC) if isinstance(before["time"], datetime) else at
    return before | {"id": f"call-{number}", "time": moved, "features": before["features"] | {"amount": amount}}


def avro(schema: str, value: bytes) -> Iterator[bytes]:
    """Read and written by the registered schema. The first is the sample's event: its bytes come out as they were."""
    parsed = fastavro.parse_schema(json.loads(schema))
    event: Any = fastavro.schemaless_reader(io.BytesIO(value), parsed, None)
    for one in (event, *events(event)):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, one)
        yield out.getvalue()


def jsonschema(_: str, value: bytes) -> Iterator[bytes]:
    event = json.loads(value)
    yield from (json.dumps(one, separators=(",", ":")).encode() for one in (event, *events(event)))


def protobuf(schema: str, value: bytes) -> Iterator[bytes]:
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(schema)).SerializeToString())
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Event"))
    assert value.startswith(INDEXES)
    event: Any = kind.FromString(value.removeprefix(INDEXES))
    yield INDEXES + event.SerializeToString()
    for one in events({"time": event.time, "features": {}}):
        event.id, event.time, event.features.amount = one["id"], one["time"], one["features"]["amount"]
        yield INDEXES + event.SerializeToString()


def events(event: Any) -> Iterator[dict[str, Any]]:
    """Amounts are ten times as large in the second half."""
    rng = random.Random(5)
    for i in range(CALLS):
        yield varied(START + i / 100, i, rng.gauss(100, 20) * (10 if i >= CALLS // 2 else 1), event)


WRITERS: Final = {"avro": avro, "jsonschema": jsonschema, "protobuf": protobuf}


def replayed(
    kafka: Broker,
    tmp_path: Path,
    record_format: str,
    registry: Given,
    sent: list[tuple[list[tuple[str, bytes]], bytes]],
) -> str:
    topic = kafka.create_topic(record_format, configs=TOPIC)
    with closing(kafka.producer()) as producer:
        for headers, value in sent:
            stamp = int(1000 * (START + CALLS / 100))
            producer.send(topic, value, headers=headers, partition=0, timestamp_ms=stamp)
        producer.flush(timeout=60)
    settings = {"schema_registry": registry, "mapping": {"format": record_format}}
    (tmp_path / "driftd.yaml").write_text(json.dumps(settings))
    words = ("--bootstrap-servers", kafka.bootstrap, "--topic", topic, "--findings", "found.jsonl", *WINDOWS)
    return driftd(tmp_path, "replay", "--reference-events", "200", *words).stderr


@pytest.mark.parametrize("record_format", WRITERS)
def test_records_of_confluents_serializers_are_read_by_a_real_registry(
    kafka: Broker, apicurio: Apicurio, tmp_path: Path, record_format: str
) -> None:
    registered, value = given("confluent.json", record_format)
    number = apicurio.register(f"orders-{uuid.uuid4().hex}", registered)
    first, *bodies = WRITERS[record_format](registered["schema"], value[FRAME:])
    assert first == value[FRAME:]
    frame = b"\x00" + number.to_bytes(4)
    said = replayed(kafka, tmp_path, record_format, {"url": apicurio.confluent}, [([], frame + b) for b in bodies])
    assert re.search(rf"read {CALLS} = accepted {CALLS} \+ rejected 0", said), said
    assert found_in(tmp_path) == {("fraud", "amount"), ("fraud", None)}


@pytest.mark.parametrize("frame", ["contentId", "globalId", "id of 4 bytes", "id of 8 bytes"])
def test_avro_is_read_by_apicurios_own_api(kafka: Broker, apicurio: Apicurio, tmp_path: Path, frame: str) -> None:
    """The serializer's own are records with ``contentId`` in a header; others have the frames of the how-to."""
    registered, value = given("apicurio.json", "avro")
    group = f"shop-{uuid.uuid4().hex}"
    for name in ("another-value", registered["artifactId"]):  # the same content: one content id, two global ids
        version = apicurio.create(group, {**registered, "artifactId": name})
    content, unique = int(version["contentId"]), int(version["globalId"])
    assert content != unique
    schema = registered["firstVersion"]["content"]["content"]
    first, *bodies = avro(schema, value)
    assert first == value
    headers, before = {
        "contentId": ([("apicurio.value.contentId", content.to_bytes(8))], b""),
        "globalId": ([("apicurio.value.globalId", unique.to_bytes(8))], b""),
        "id of 4 bytes": ([], b"\x00" + content.to_bytes(4)),
        "id of 8 bytes": ([], b"\x00" + unique.to_bytes(8)),
    }[frame]
    registry = {"url": apicurio.url, "type": "apicurio"}
    said = replayed(kafka, tmp_path, "avro", registry, [(headers, before + body) for body in bodies])
    assert re.search(rf"read {CALLS} = accepted {CALLS} \+ rejected 0", said), said
    assert found_in(tmp_path) == {("fraud", "amount"), ("fraud", None)}


def test_a_schema_with_references_is_read_by_both_apis(apicurio: Apicurio) -> None:
    group = uuid.uuid4().hex
    inner = json.dumps({"type": "record", "name": "Place", "namespace": "geo", "fields": []})
    outer = json.dumps({"type": "record", "name": "Event", "fields": [{"name": "at", "type": "geo.Place"}]})
    apicurio.register(f"place-{group}", {"schema": inner, "schemaType": "AVRO"})
    refers = [{"name": "geo.Place", "subject": f"place-{group}", "version": 1}]
    number = apicurio.register(f"event-{group}", {"schema": outer, "schemaType": "AVRO", "references": refers})
    for registry in (HttpRegistry(apicurio.confluent), HttpRegistry(apicurio.url, apicurio=True)):
        found = registry.load(SchemaRef("id", str(number)), serialized=False)
        assert not isinstance(found, str), found
        assert {name: json.loads(text) for name, text in found.references.items()} == {"geo.Place": json.loads(inner)}


def test_what_a_real_registry_does_not_have_is_told(apicurio: Apicurio) -> None:
    for registry in (HttpRegistry(apicurio.confluent), HttpRegistry(apicurio.url, apicurio=True)):
        assert "has no such schema" in str(registry.load(SchemaRef("id", "1999999"), serialized=False))


def test_protobuf_that_apicurio_has_as_text_is_rejected(kafka: Broker, apicurio: Apicurio, tmp_path: Path) -> None:
    """It gives no descriptor for ``?format=serialized``, but the text that was registered (3.0.9)."""
    number = apicurio.register(f"text-{uuid.uuid4().hex}", {"schema": TEXT, "schemaType": "PROTOBUF"})
    value = b"\x00" + number.to_bytes(4) + b"\x00\x0a\x01m"
    said = replayed(kafka, tmp_path, "protobuf", {"url": apicurio.confluent}, [([], value)])
    assert "read 1 = accepted 0 + rejected 1" in said
    assert "no descriptor" in said
