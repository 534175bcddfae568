"""Records that platforms' own code made, through a real broker and a real schema registry to findings.

One process reads the topics of all platforms; each has a model of its own, whose amounts are ten times as large in the
second half.
"""

from __future__ import annotations

import json
import random
import re
import uuid
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from driftd.decode.registry import SchemaRef
from driftd.sources.registry import HttpRegistry
from tests.bench.events import START
from tests.integration.registered import FRAME, PROTO_TEXT, bodies, messages_of_text
from tests.integration.samples import SAMPLED, Call, Record
from tests.integration.test_cli_kafka import WINDOWS
from tests.integration.test_formats import TOPIC, found_in
from tests.servers.kafka import Broker, closing
from tests.servers.real_registry import Apicurio
from tests.stage.daemon import DriftdProcess
from tests.stage.forked import driftd

pytestmark = pytest.mark.integration

A_SECOND: Final = 100
LEARNED: Final = 200
_rng: Final = random.Random(5)
CALLS: Final = [
    Call(i, START + i / A_SECOND, (_rng.gauss(100, 20) * bump, _rng.gauss(100, 20) * bump))
    for i in range(400)
    for bump in [10 if i >= LEARNED else 1]
]
Sent = tuple[Call, Record]


def send(kafka: Broker, topics: Mapping[str, Iterable[Sent]]) -> None:
    with closing(kafka.admin()) as admin:
        one = {"num_partitions": 1, "replication_factor": 1, "configs": TOPIC}
        admin.create_topics(dict.fromkeys(topics, one), wait_for_metadata=True)
    with closing(kafka.producer()) as producer:
        for topic, sent in topics.items():
            for call, record in sent:
                about: dict[str, Any] = {"headers": [*record.headers], "key": record.key, "partition": 0}
                stamp = int(1000 * (call.at + record.after))
                producer.send(topic, record.value, timestamp_ms=stamp, **about)
        producer.flush(timeout=60)


def registered(apicurio: Apicurio, record_format: str) -> list[Sent]:
    """What Confluent's serializer wrote, for the registry by its API."""
    registration, made = bodies("confluent.json", record_format, CALLS, FRAME)
    frame = b"\x00" + apicurio.register(f"orders-{uuid.uuid4().hex}", registration).to_bytes(4)
    return [(call, Record(frame + body)) for call, body in zip(CALLS, made, strict=True)]


def of_glue(folder: Path) -> list[Sent]:
    """What AWS Glue's serializer writes around Avro, and the file of the schema; every other record is packed."""
    registration, made = bodies("confluent.json", "avro", CALLS, FRAME)
    version = uuid.uuid4()
    folder.mkdir()
    (folder / f"{version}.avsc").write_text(registration["schema"])
    plain, packed = b"\x03\x00" + version.bytes, b"\x03\x05" + version.bytes
    framed = (packed + zlib.compress(body) if i % 2 else plain + body for i, body in enumerate(made))
    return [(call, Record(value)) for call, value in zip(CALLS, framed, strict=True)]


def test_records_of_platforms_own_end_in_findings(
    kafka: Broker, apicurio: Apicurio, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    run = uuid.uuid4().hex[:8]
    topics: dict[str, list[Sent]] = {}
    mappings: dict[str, Any] = {}
    for name, sample in SAMPLED.items():
        ends = [f"{name}-{run}.{end}".strip(".") for end in sample.topics]
        mappings |= {end: {"format": name.partition("-")[0], **sample.mapping} for end in ends}
        topics |= {end: [] for end in ends}
        for call in CALLS:
            for record in sample.records(call):
                topics[ends[record.topic]].append((call, record))
    for record_format in ("avro", "jsonschema", "protobuf"):
        topics[f"{record_format}-{run}"] = registered(apicurio, record_format)
        mappings[f"{record_format}-{run}"] = {"format": record_format, "model": {"value": record_format}}
    topics[f"glue-{run}"] = of_glue(tmp_path / "schemas")
    mappings[f"glue-{run}"] = {"format": "avro", "model": {"value": "glue"}}
    send(kafka, topics)
    settings: dict[str, Any] = {
        "kafka": {"bootstrap_servers": kafka.bootstrap, "topics": [*topics], "group_id": run, "start": "earliest"},
        "schema_registry": {"url": apicurio.confluent, "folder": str(tmp_path / "schemas")},
        "mapping": {"topics": mappings},
        "learning": {"events": LEARNED},
        "windows": {"window_seconds": 1, "pane_seconds": 0.25, "min_events": 100, "out_of_orderness_seconds": 1},
    }
    daemon = DriftdProcess(tmp_path, settings)
    daemons.append(daemon)
    daemon.start()
    events = len(CALLS) * (sum(sample.rows for sample in SAMPLED.values()) + 4)
    daemon.wait(lambda: daemon.value("driftd_events_total", outcome="accepted") == events, f"{events} events")
    wanted = {sample.finding for sample in SAMPLED.values()}
    wanted |= {(name, "amount") for name in ("avro", "jsonschema", "protobuf", "glue")}

    def told() -> set[tuple[str, str | None]]:
        return {(f["model"], f["feature"]) for f in daemon.findings().values() if f["status"] in {"WARNING", "DRIFT"}}

    daemon.wait(lambda: wanted <= told(), "a finding of each platform")
    assert {one for one in told() if one[1] is not None} == wanted, "and nothing else has changed"
    assert daemon.value("driftd_events_total", outcome="rejected") == 0
    assert daemon.balanced()
    assert "Warning" not in daemon.log


def test_halves_in_two_topics_are_replayed_and_so_is_every_frame_of_apicurio(
    kafka: Broker, apicurio: Apicurio, tmp_path: Path
) -> None:
    """Avro in each of the frames that lead to Apicurio's own API, in one topic; MLServer's calls are of two more."""
    registration, made = bodies("apicurio.json", "avro", CALLS, 0)
    group, run = f"shop-{uuid.uuid4().hex}", uuid.uuid4().hex[:8]
    for name in ("another-value", registration["artifactId"]):  # the same content: one content id, two global ids
        version = apicurio.create(group, {**registration, "artifactId": name})
    content, unique = int(version["contentId"]), int(version["globalId"])
    assert content != unique
    frames: list[tuple[list[tuple[str, bytes]], bytes]] = [
        ([("apicurio.value.contentId", content.to_bytes(8))], b""),  # the serializer's own
        ([("apicurio.value.globalId", unique.to_bytes(8))], b""),
        ([], b"\x00" + content.to_bytes(4)),
        ([], b"\x00" + unique.to_bytes(8)),
    ]
    text = {"contentType": "application/x-protobuf", "content": PROTO_TEXT}
    proto = {"artifactId": "text", "artifactType": "PROTOBUF", "firstVersion": {"content": text}}
    of_text = b"\x00" + int(apicurio.create(group, proto)["contentId"]).to_bytes(4) + b"\x07\x0a\x05Event"
    halves: tuple[list[Sent], list[Sent]] = [], []
    for call in CALLS:
        for record in SAMPLED["mlserver"].records(call):
            halves[record.topic].append((call, record))
    avro, text_topic, asked, answered = (f"{name}-{run}" for name in ("avro", "text", "in", "out"))
    framed = [
        (call, Record(before + body, headers))
        for call, body, (headers, before) in zip(CALLS, made, frames * (len(CALLS) // len(frames)), strict=True)
    ]
    texts = [(call, Record(of_text + body)) for call, body in zip(CALLS, messages_of_text(CALLS), strict=True)]
    send(kafka, {avro: framed, text_topic: texts, asked: halves[0], answered: halves[1]})
    formats = {avro: "avro", text_topic: "protobuf", asked: "mlserver", answered: "mlserver"}
    mappings: dict[str, Any] = {topic: {"format": name} for topic, name in formats.items()}
    mappings[avro]["model"] = {"value": "orders"}
    settings = {
        "schema_registry": {"url": apicurio.url, "type": "apicurio"},
        "mapping": {"topics": mappings},
    }
    (tmp_path / "driftd.yaml").write_text(json.dumps(settings))
    named = [word for topic in formats for word in ("--topic", topic)]
    words = ("--bootstrap-servers", kafka.bootstrap, *named, "--findings", "found.jsonl", *WINDOWS)
    done = driftd(tmp_path, "replay", "--reference-events", str(LEARNED), *words)
    rows = 4 * len(CALLS)
    assert re.search(rf"read {rows} = accepted {rows} \+ rejected 0 \+ late 0 \+ dropped 0", done.stderr), done.stderr
    assert found_in(tmp_path) >= {("orders", "amount"), ("text", "amount"), ("fraud", "amount")}


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
        assert "has no such schema" in str(registry.load(SchemaRef("id", "1999999"), serialized=False))


def test_a_schema_that_confluents_api_of_apicurio_has_as_text_is_compiled(apicurio: Apicurio) -> None:
    """Of Confluent's serializers for Java: they register text, and Apicurio gives it for ``?format=serialized``."""
    body = {"schema": PROTO_TEXT, "schemaType": "PROTOBUF"}
    number = apicurio.register(f"text-{uuid.uuid4().hex}", body)
    found = HttpRegistry(apicurio.confluent).load(SchemaRef("id", str(number)), serialized=True)
    assert not isinstance(found, str), found
    assert [*found.references] == ["google/protobuf/wrappers.proto"]
