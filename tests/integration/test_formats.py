"""Records of serving platforms through a real broker: two partitions, kill -9 between the halves, a finding."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import fastavro
import pytest

from tests.bench import platforms
from tests.bench.events import START
from tests.docs.test_formats import EVENT
from tests.integration.test_cli_kafka import WINDOWS
from tests.servers.kafka import Broker, closing
from tests.servers.registry import Registry
from tests.stage.daemon import DriftdProcess
from tests.stage.forked import driftd
from tests.unit.decode.formats.inference import message
from tests.unit.decode.formats.make import SAMPLES, Sent, kserve

pytestmark = pytest.mark.integration

CALLS: Final = 3000
UNANSWERED: Final = 50
"""One call in so many has no answer."""
TOPIC: Final = {"message.timestamp.after.max.ms": str(2**63 - 1), "retention.ms": "-1"}
MAPPING: Final = """
mapping:
  format: kserve
  features: {names: [amount, country]}
"""


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def calls() -> Iterator[tuple[int, Sent]]:
    """Partition and record, as Knative's sink spreads them; amounts are ten times as large in the second half."""
    rng = random.Random(5)
    for i in range(CALLS):
        amount = rng.gauss(100, 20) * (10 if i >= CALLS // 2 else 1)
        about = {"identity": f"call-{i}", "inferenceservicename": "fraud", "namespace": "shop"}
        begin = START + i / 100
        body = {"instances": [[round(amount, 2), rng.choice(["DE", "FR"])]]}
        yield rng.randrange(2), kserve("request", body, time=moment(begin), **about)
        if i % UNANSWERED:
            yield rng.randrange(2), kserve("response", {"predictions": [i % 2]}, time=moment(begin + 0.004), **about)


def send(kafka: Broker, topic: str, sent: Iterable[tuple[int, Sent]]) -> None:
    with closing(kafka.producer()) as producer:
        stamp = int(1000 * (START + CALLS / 100))
        for partition, (headers, value) in sent:
            producer.send(topic, value, headers=[*headers], partition=partition, timestamp_ms=stamp)
        producer.flush(timeout=60)


def test_calls_of_kserve_are_joined_over_partitions_and_their_drift_is_found(kafka: Broker, tmp_path: Path) -> None:
    topic = kafka.create_topic("kserve", partitions=2, configs=TOPIC)
    send(kafka, topic, calls())
    source = ("--bootstrap-servers", kafka.bootstrap)

    shown = driftd(tmp_path, "check", "--sample", topic, *source, "--output", "json")
    proposal = json.loads(shown.stdout)["proposal"]
    assert proposal["recognised"] == ["KServe inference logger"]
    assert proposal["mapping"] == {"format": "kserve"}

    (tmp_path / "driftd.yaml").write_text(MAPPING)
    words = ("--topic", topic, *source, "--reference-events", "1000", "--findings", "found.jsonl", *WINDOWS)
    done = driftd(tmp_path, "replay", *words)
    assert done.returncode == 0, done.stderr
    lost = CALLS // UNANSWERED
    assert (
        f"read {CALLS} = accepted {CALLS - lost} + rejected 0 + late 0 + dropped {lost} (unanswered {lost})"
        in done.stderr
    )
    findings = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    told = {(f["model"], f["feature"]) for f in findings if f["status"] in {"WARNING", "DRIFT"}}
    assert ("shop/fraud", "amount") in told
    assert ("shop/fraud", "country") not in told


def test_a_daemon_that_is_killed_between_the_halves_joins_each_call_once(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = kafka.create_topic("kserve", partitions=2, configs=TOPIC)
    records = [*calls()]
    settings: dict[str, Any] = {
        "kafka": {"bootstrap_servers": kafka.bootstrap, "topics": [topic], "group_id": topic, "start": "earliest"},
        "mapping": {"format": "kserve", "features": {"names": ["amount", "country"]}},
        "state": {"checkpoint_seconds": 0.2},
        # the partitions are read as far as each happens to be: nothing is late that a killed daemon reads again
        "windows": {"out_of_orderness_seconds": 3600},
    }
    daemon = DriftdProcess(tmp_path, settings)
    daemons.append(daemon)
    daemon.start()
    size = 0
    for end in (1500, 2700, 4100, len(records)):
        send(kafka, topic, records[size:end])
        size = end
        ids = [dict(headers)["ce_id"] for _, (headers, _) in records[:size]]
        answered = len(ids) - len({*ids})
        daemon.wait_received(answered)
        if end < len(records):
            daemon.kill9()
            daemon.start()
    lost = CALLS // UNANSWERED
    about = {"service": "shop/fraud"}
    daemon.wait(lambda: daemon.value("driftd_logged_calls_waiting") == lost, "the last calls")
    assert daemon.value("driftd_logged_calls_total", outcome="answered", **about) == CALLS - lost
    assert daemon.value("driftd_logged_calls_total", outcome="duplicate", **about) == 0
    assert daemon.value("driftd_events_received_total") == CALLS - lost
    assert daemon.balanced()


def avro_values(schema: Any, number: int, calls: Iterable[int]) -> list[bytes]:
    """Amounts that in the second half of all calls are ten times as large."""
    parsed, values = fastavro.parse_schema(json.loads(json.dumps(schema))), []
    for i in calls:
        amount = random.Random(i).gauss(100, 20) * (10 if i >= CALLS // 2 else 1)
        out = io.BytesIO()
        moved = datetime.fromtimestamp(START + i / 100, UTC)
        event = {"model": "fraud", "time": moved, "features": {"amount": amount}, "prediction": i % 2}
        fastavro.schemaless_writer(out, parsed, event)
        values.append(b"\x00" + number.to_bytes(4) + out.getvalue())
    return values


def of_registry(kafka: Broker, topic: str, registry: Registry) -> dict[str, Any]:
    return {
        "kafka": {"bootstrap_servers": kafka.bootstrap, "topics": [topic], "group_id": topic, "start": "earliest"},
        "schema_registry": {"url": registry.url},
        "mapping": {"format": "avro"},
        "learning": {"events": 1000},
        "windows": {"window_seconds": 1, "pane_seconds": 0.25, "min_events": 100, "out_of_orderness_seconds": 1},
        "detectors": {"numeric": ["psi"]},
    }


def test_avro_waits_for_its_registry_and_loses_nothing(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = kafka.create_topic("avro", configs=TOPIC)
    stamp = int(1000 * (START + CALLS / 100))
    kafka.produce(topic, avro_values(EVENT, 7, range(CALLS)), timestamp_ms=stamp)
    registry = Registry()
    registry.schema(7, json.dumps(EVENT))
    daemon = DriftdProcess(tmp_path, of_registry(kafka, topic, registry))
    daemons.append(daemon)
    daemon.start()
    daemon.wait(lambda: "reading waits, nothing is lost" in daemon.log, "the registry to be missed")
    assert daemon.value("driftd_events_received_total") == 0
    daemon.kill9()
    registry.start()
    try:
        daemon.start()
        daemon.wait_received(CALLS)
        assert daemon.balanced()
        assert daemon.value("driftd_events_total", outcome="accepted") == CALLS
        assert registry.asked == ["/schemas/ids/7"]
        daemon.wait(lambda: any(f["feature"] == "amount" for f in daemon.findings().values()), "a finding")
    finally:
        registry.stop()


def test_a_registry_that_goes_down_during_a_run_stops_what_is_new_alone_and_loses_nothing(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    """Schema 7 was asked for before; a producer with schema 8 starts while the registry is away.

    calls     0 ... 1000  1000 ... 1500  1500 ... 2000    2000 ... 3000
    schema    7           7              8                7
    registry  up          down           down             up again
    """
    topic = kafka.create_topic("avro-during", configs=TOPIC)
    stamp = int(1000 * (START + CALLS / 100))
    registry = Registry()
    registry.schema(7, json.dumps(EVENT))
    registry.schema(8, json.dumps(EVENT | {"doc": "the next one"}))
    registry.start()
    daemon = DriftdProcess(tmp_path, of_registry(kafka, topic, registry))
    daemons.append(daemon)
    daemon.start()
    kafka.produce(topic, avro_values(EVENT, 7, range(1000)), timestamp_ms=stamp)
    daemon.wait_received(1000)
    registry.stop()
    try:
        kafka.produce(topic, avro_values(EVENT, 7, range(1000, 1500)), timestamp_ms=stamp)
        daemon.wait_received(1500)
        assert "reading waits" not in daemon.log
        kafka.produce(topic, avro_values(EVENT, 8, range(1500, 2000)), timestamp_ms=stamp)
        daemon.wait(lambda: "reading waits, nothing is lost" in daemon.log, "the registry to be missed")
        assert daemon.value("driftd_events_received_total") == 1500
        assert daemon.alive
    finally:
        registry.start()
    try:
        kafka.produce(topic, avro_values(EVENT, 7, range(2000, CALLS)), timestamp_ms=stamp)
        daemon.wait_received(CALLS)
        assert daemon.value("driftd_events_total", outcome="accepted") == CALLS
        assert daemon.balanced()
        assert registry.asked[:1] == ["/schemas/ids/7"]
        assert {*registry.asked[1:]} == {"/schemas/ids/8"}
        daemon.wait(lambda: any(f["feature"] == "amount" for f in daemon.findings().values()), "a finding")
    finally:
        registry.stop()


def test_calls_of_seldon_are_joined_over_their_topics_and_their_drift_is_found(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    prefix = f"seldon-{random.randrange(10**9)}"
    topics = [kafka.create_named(f"{prefix}.default.model.fraud.{way}", 1, TOPIC) for way in ("inputs", "outputs")]
    rng, begin = random.Random(5), 1000 * START
    with closing(kafka.producer()) as producer:
        for i in range(CALLS):
            amount = rng.gauss(100, 20) * (10 if i >= CALLS // 2 else 1)
            inputs = [{"name": "amount", "datatype": "FP64", "shape": ["1"], "contents": {"fp64Contents": [amount]}}]
            outputs = [{"name": "y", "datatype": "INT64", "shape": ["1"], "contents": {"int64Contents": [str(i % 2)]}}]
            halves = message("Request", {"inputs": inputs}), message("Response", {"outputs": outputs})
            for topic, value, later in zip(topics, halves, (0, 4), strict=True):
                stamp = int(begin + 10 * i + later)
                producer.send(topic, value, key=f"0.pipe.call-{i}".encode(), partition=0, timestamp_ms=stamp)
        producer.flush(timeout=60)
    settings: dict[str, Any] = {
        "kafka": {"bootstrap_servers": kafka.bootstrap, "topics": topics, "group_id": prefix, "start": "earliest"},
        "mapping": {"format": "seldon"},
        "learning": {"events": 1000},
        "windows": {"window_seconds": 1, "pane_seconds": 0.25, "min_events": 100, "out_of_orderness_seconds": 1},
        "detectors": {"numeric": ["psi"]},
    }
    daemon = DriftdProcess(tmp_path, settings)
    daemons.append(daemon)
    daemon.start()
    daemon.wait_received(CALLS)
    daemon.wait(lambda: any(f["feature"] == "amount" for f in daemon.findings().values()), "a finding")
    assert daemon.value("driftd_logged_calls_total", service="default/fraud", outcome="answered") == CALLS
    assert daemon.balanced()


WHOLE: Final[dict[str, Any]] = {
    "arrow": platforms.arrow,
    "bentoml": platforms.bentoml,
    "databricks": platforms.databricks,
    "merlin": platforms.merlin,
    "mlrun": platforms.mlrun,
    "sagemaker": platforms.sagemaker,
    "tfserving": platforms.tfserving,
}
TITLES: Final = {name: import_module(f"driftd.decode.formats.{name}").TITLE for name in (*WHOLE, "opentelemetry")}


def found_in(tmp_path: Path) -> set[tuple[str, str]]:
    findings = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    return {(f["model"], f["feature"]) for f in findings if f["status"] in {"WARNING", "DRIFT"}}


def replayed(kafka: Broker, tmp_path: Path, topic: str, record_format: str, mapping: dict[str, Any]) -> str:
    """Of a topic that is recognised first; what the replay prints."""
    source = ("--bootstrap-servers", kafka.bootstrap)
    shown = driftd(tmp_path, "check", "--sample", topic, *source, "--output", "json")
    proposal = json.loads(shown.stdout)["proposal"]
    assert (proposal["recognised"], proposal["mapping"]["format"]) == ([TITLES[record_format]], record_format)
    (tmp_path / "driftd.yaml").write_text(json.dumps({"mapping": {"format": record_format, **mapping}}))
    words = ("--topic", topic, *source, "--reference-events", "1000", "--findings", "found.jsonl", *WINDOWS)
    done = driftd(tmp_path, "replay", *words)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("record_format", WHOLE)
def test_records_of_whole_calls_end_in_a_finding(kafka: Broker, tmp_path: Path, record_format: str) -> None:
    """Amounts that in the second half are ten times as large; ten rows a record."""
    topic = kafka.create_topic(record_format, configs=TOPIC)
    rng, each = random.Random(5), 1 if record_format == "bentoml" else 10
    with closing(kafka.producer()) as producer:
        for i in range(0, CALLS, each):
            scale = 10 if i >= CALLS // 2 else 1
            rows = [
                {
                    "features": {"amount": rng.gauss(100, 20) * scale, "country": rng.choice(["DE", "FR"])},
                    "prediction": rng.randrange(2),
                }
                for _ in range(each)
            ]
            at = START + i / 100
            for _, value in WHOLE[record_format](rows, f"call-{i}", at):
                producer.send(topic, value, partition=0, timestamp_ms=int(1000 * at) + 1011)
        producer.flush(timeout=60)
    listed = {"names": ["amount", "country"]} if record_format in {"mlrun", "sagemaker"} else None
    mapping = {"model": {"value": "fraud"}} | ({"features": listed} if listed else {})
    said = replayed(kafka, tmp_path, topic, record_format, mapping)
    assert f"read {CALLS} = accepted {CALLS} + rejected 0 + late 0 + dropped 0" in said
    assert ("fraud", "amount") in found_in(tmp_path)
    assert ("fraud", "country") not in found_in(tmp_path)


def test_spans_of_language_models_end_in_a_finding(kafka: Broker, tmp_path: Path) -> None:
    """The instrumentation's own span, moved in time; answers that in the second half are ten times as long."""
    topic = kafka.create_topic("otlp", configs=TOPIC)
    rng, sample = random.Random(5), json.loads((SAMPLES / "otlp.json").read_text())
    spans = sample["resourceSpans"][0]["scopeSpans"][0]["spans"]
    span = spans[0]
    del spans[1:]  # the failed call, which would stay where it is
    with closing(kafka.producer()) as producer:
        for i in range(CALLS):
            at = int(1e9 * (START + i / 100))
            span |= {"startTimeUnixNano": str(at), "endTimeUnixNano": str(at + 10**9)}
            (tokens,) = [a for a in span["attributes"] if a["key"] == "gen_ai.usage.output_tokens"]
            tokens["value"] = {"intValue": str(int(rng.gauss(100, 20) * (10 if i >= CALLS // 2 else 1)))}
            producer.send(topic, json.dumps(sample).encode(), partition=0, timestamp_ms=2_000_000_000_000)
        producer.flush(timeout=60)
    said = replayed(kafka, tmp_path, topic, "opentelemetry", {})
    assert f"dropped {CALLS} (not_a_prediction {CALLS})" in said
    assert ("helpdesk/gpt-4o-mini", "output_tokens") in found_in(tmp_path)
