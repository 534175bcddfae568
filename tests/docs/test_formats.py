"""The how-tos of serving platforms: their records, their settings and what their commands print."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from driftd.config.mapping import mappings_of, mistakes
from driftd.config.settings import MappingSection
from driftd.core.event import EventBatch
from driftd.decode import Limits, format_names
from driftd.sources.files.source import open_events
from tests.servers.registry import serving
from tests.stage.forked import driftd
from tests.unit.decode.formats.make import SAMPLES, by_id, lines
from tests.unit.decode.make import only

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGES: Final = {
    "kserve": "inference.jsonl",
    "mlrun": "stream.jsonl",
    "opentelemetry": "spans.jsonl",
    "platform-files": "fraud/data/data.0.log",
    "prediction-logs": "log.tfrecord",
    "sagemaker": "captured/fraud/AllTraffic/2026/09/01/10/00-12-1.jsonl",
}
"""And where the sample of the page is. A page without one is of a sample that a platform's own code has made."""
MADE: Final = {"prediction-logs": SAMPLES / "tfserving.tfrecord"}
REFUSED: Final = {"prediction-logs": 1}
"""Records of the sample that are refused on purpose."""
EVENT: Final[dict[str, Any]] = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "model", "type": "string"},
        {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {
            "name": "features",
            "type": {"type": "record", "name": "Features", "fields": [{"name": "amount", "type": "double"}]},
        },
        {"name": "prediction", "type": "int"},
    ],
}
"""What the record of the page about schema registries is of."""


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / "how-to" / f"{page}.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_sample_is_recognised_and_read_as_the_page_shows(page: str, tmp_path: Path) -> None:
    before, after = (block.partition("\n") for block in blocks(page, "console"))
    words = before[0].removeprefix("$ driftd ").split()
    assert before[0] == after[0]
    sample = tmp_path / PAGES[page]
    sample.parent.mkdir(parents=True, exist_ok=True)
    sample.write_bytes(MADE[page].read_bytes() if page in MADE else blocks(page, "json")[0].encode())
    shown = driftd(tmp_path, *words)
    assert (shown.stdout, shown.returncode) == (before[2], 2)
    (tmp_path / "driftd.yaml").write_text(blocks(page, "yaml")[-1])
    shown = driftd(tmp_path, *words)
    assert (shown.stdout, shown.returncode) == (after[2], 0)
    lines = "".join(blocks(page, "sh")).splitlines()
    replay = next(line for line in lines if line.startswith("driftd replay --events")).split()[1:]
    done = driftd(tmp_path, *replay)
    assert done.returncode == 0, done.stderr
    assert f"rejected {REFUSED.get(page, 0)} " in done.stderr


def test_every_format_has_its_row_in_events() -> None:
    table = (DOCS / "events.md").read_text().partition("## Formats")[2].partition("\n## ")[0]
    named = [
        name for row in re.findall(r"^\|([^|]*)\|", table, re.MULTILINE) for name in re.findall("`([a-z0-9-]+)`", row)
    ]
    assert sorted({*named} - {"format"}) == format_names()


def part(platform: str) -> str:
    """Of the page of files."""
    return (DOCS / "how-to" / "platform-files.md").read_text().partition(f"## {platform}\n")[2].partition("\n## ")[0]


def mapping_of(platform: str) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load(part(platform).partition("```yml\n")[2].partition("```")[0])
    return settings


def mapped(platform: str) -> Limits:
    """The limits of the page's mapping for it."""
    section = MappingSection.model_validate(mapping_of(platform)["mapping"])
    assert not [*mistakes(section)]
    return Limits(mappings=mappings_of(section))


def events_in(path: Path, limits: Limits) -> EventBatch:
    events = open_events(str(path), None, limits)
    (records,) = events.batches()
    return only(events.codec.decode(records, {}))


def tried(tmp_path: Path, platform: str, title: str) -> None:
    """What the part of the page says to type, before and after its mapping."""
    check, replay = (
        line.split()[1:] for line in part(platform).partition("```sh\n")[2].partition("```")[0].splitlines()
    )
    shown = driftd(tmp_path, *check)
    assert f"Recognised: {title}. With this in driftd.yaml 2 of 2 could be used" in shown.stdout, shown.stdout
    (tmp_path / "driftd.yaml").write_text(yaml.safe_dump(mapping_of(platform)))
    assert driftd(tmp_path, *check).returncode == 0
    done = driftd(tmp_path, *replay)
    assert "read 2 = accepted 2 + rejected 0" in done.stderr, done.stderr


def test_a_feature_log_of_feast_is_recognised_and_read_as_the_page_says(tmp_path: Path) -> None:
    one = events_in(SAMPLES / "feast.parquet", mapped("Feast"))
    assert (one.model, one.times.tolist()) == ("driver_activity", [1788256800.12, 1788256801.12])
    view = "driver_hourly_stats__"
    assert by_id(one) == {
        "r1": {f"{view}conv_rate": 0.5, f"{view}avg_daily_trips": 7.0},
        "r2": {f"{view}conv_rate": 0.25, f"{view}avg_daily_trips": None},
    }
    (tmp_path / "log.parquet").write_bytes((SAMPLES / "feast.parquet").read_bytes())
    tried(tmp_path, "Feast", "Feast feature log")


def test_a_log_of_hopsworks_is_recognised_and_read_as_the_page_says(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in lines("hopsworks.jsonl")]
    table = pa.Table.from_pylist([row | {"log_time": datetime.fromisoformat(row["log_time"])} for row in rows])
    pq.write_table(table, tmp_path / "log.parquet")
    one = events_in(tmp_path / "log.parquet", mapped("Hopsworks"))
    assert (one.model, one.version) == ("fraud", "7")
    assert by_id(one) == {
        "r1": {"amount": 12.5, "country": "DE", "prediction": 1.0},
        "r2": {"amount": 3.0, "country": None, "prediction": 0.0},
    }
    tried(tmp_path, "Hopsworks", "Hopsworks feature log")


def test_a_folder_of_an_inference_table_is_read_by_its_mapping_and_recognised(tmp_path: Path) -> None:
    row = {
        "databricks_request_id": "d1",
        "request_time": datetime(2026, 9, 1, 10, tzinfo=UTC),
        "status_code": 200,
        "execution_duration_ms": 12,
        "request": json.dumps({"dataframe_records": [{"amount": 12.5}, {"amount": 3.0}]}),
        "response": json.dumps({"predictions": [0.9, 0.1]}),
        "request_metadata": {"model_name": "fraud"},
    }
    folder = tmp_path / "fraud_payload"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist([row]), folder / "part-0.parquet")
    one = events_in(folder, mapped("Databricks"))
    assert by_id(one)["d1/1"] == {"amount": 3.0, "prediction": 0.1, "latency_seconds": 0.012}
    shown = driftd(tmp_path, "check", "--sample", "fraud_payload/part-0.parquet")
    assert "Recognised: Databricks inference table. With this in driftd.yaml 2 of 2 could be used" in shown.stdout


def test_the_framed_record_of_the_page_is_named_and_read_with_its_settings(tmp_path: Path) -> None:
    page = "schema-registry"
    words = blocks(page, "sh")[0]
    value = base64.b64decode(re.findall("<<< (\\S+)", words)[0])
    (tmp_path / "record.json").write_bytes(value)
    shown = driftd(tmp_path, *words.splitlines()[1].split()[1:])
    said = blocks(page, "console")[0]
    assert (shown.stdout.startswith(said), shown.returncode) == (True, 2)
    with serving() as registry:
        registry.schema(7, json.dumps(EVENT))
        settings = yaml.safe_load(blocks(page, "yaml")[0])
        settings["schema_registry"] = {"url": registry.url}
        settings["mapping"]["topics"]["record.json"] = settings["mapping"]["topics"]["predictions"]
        (tmp_path / "driftd.yaml").write_text(yaml.safe_dump(settings))
        read = driftd(tmp_path, *words.splitlines()[1].split()[1:])
        assert read.returncode == 0, read.stdout
        assert "2026-09-01 10:00 UTC  pricing  1           amount=12.5" in read.stdout
    away = driftd(tmp_path, "replay", "--events", "record.json")
    assert away.returncode == 3
    assert "connection refused; reading waits, nothing is lost" in away.stderr
