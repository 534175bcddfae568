"""The how-tos for who comes from elsewhere: their commands, in their order, on files as the other side writes them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import yaml

from driftd.config import load
from tests.docs.test_commands import commands as lines_of
from tests.stage.forked import driftd
from tests.unit.cli.pasting import proposed
from tests.unit.migrate.test_evidently import REPORT
from tests.unit.migrate.test_sagemaker import document, numbers, texts

HOW_TO: Final = Path(__file__).parents[2] / "docs" / "how-to"
BEGIN: Final = np.datetime64("2026-09-01T00:00:00")


def commands(page: str) -> list[list[str]]:
    """The words of every command of driftd, in order."""
    return [shlex.split(line) for line in lines_of(HOW_TO / f"{page}.md")]


def said(folder: Path, words: list[str], code: int = 0) -> str:
    done = driftd(folder, *words)
    assert done.returncode == code, (words, done.stdout, done.stderr)
    return done.stdout + done.stderr


def test_from_sagemaker_each_command_follows_the_one_before(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    baseline = [numbers("amount", rng.normal(size=500)), texts("country", {"DE": 300, "FR": 200})]
    (tmp_path / "statistics.json").write_bytes(document(*baseline, numbers("fraud", rng.random(500)), events=500))
    columns = [{"name": name, "inferred_type": "Fractional", "completeness": 1.0} for name in ("amount", "fraud")]
    (tmp_path / "constraints.json").write_text(json.dumps({"version": 0.0, "features": columns}))
    imports, sample, replay = commands("from-sagemaker")
    printed = said(tmp_path, imports)
    assert (tmp_path / "fraud.reference").exists()
    assert "fraud.reference" in printed

    part = {"observedContentType": "text/csv", "encoding": "CSV"}
    lines = [
        {
            "captureData": {
                "endpointInput": {**part, "mode": "INPUT", "data": f"{i}.5,DE"},
                "endpointOutput": {**part, "mode": "OUTPUT", "data": "0.5"},
            },
            "eventMetadata": {"eventId": f"u{i}", "inferenceTime": f"2026-09-01T10:00:{i:02}Z"},
            "eventVersion": "0",
        }
        for i in range(5)
    ]
    hour = tmp_path / "captured" / "ENDPOINT" / "AllTraffic" / "2026" / "09" / "01" / "10"
    hour.mkdir(parents=True)
    (hour / "00-12-1.jsonl").write_text("\n".join(map(json.dumps, lines)))
    shown = said(tmp_path, sample, 2)
    (tmp_path / "driftd.yaml").write_text(proposed(shown))
    assert "read 5 = accepted 5 + rejected 0" in said(tmp_path, replay)


def table(rows: int, begin: np.datetime64) -> pa.Table:
    rng = np.random.default_rng(2)
    times = begin + (np.arange(rows) * 10).astype("timedelta64[s]")
    return pa.table({
        "timestamp": pa.array(times.astype("datetime64[us]"), pa.timestamp("us", "UTC")),
        "amount": rng.lognormal(size=rows),
        "country": rng.choice(["DE", "FR"], rows),
        "prediction": rng.choice([0, 1], rows),
        "target": rng.choice([0, 1], rows),
    })  # fmt: skip


def test_from_evidently_each_command_runs_on_the_tables_and_on_the_report(tmp_path: Path) -> None:
    pa.csv.write_csv(table(2000, BEGIN), tmp_path / "log.csv")
    pq.write_table(table(2000, BEGIN), tmp_path / "reference.parquet")
    pq.write_table(table(1000, BEGIN + np.timedelta64(1, "D")), tmp_path / "current.parquet")
    # the report of the tests has its score in place of a prediction
    (tmp_path / "report.json").write_bytes(REPORT.read_bytes().replace(b'"score"', b'"prediction"'))
    log, build, current, imports = commands("from-evidently")
    assert "read 2000 = accepted 2000 + rejected 0" in said(tmp_path, log)
    assert "fraud" in said(tmp_path, build)
    found = said(tmp_path, current)
    assert "References known before the events" in found
    assert "read 1000 = accepted 1000 + rejected 0" in found
    assert "fraud.reference" in said(tmp_path, imports)
    text = (HOW_TO / "from-evidently.md").read_text()
    (models,) = re.findall(r"^    models:\n(?:    .*\n)+", text, re.MULTILINE)
    (tmp_path / "driftd.yaml").write_text(models.replace("\n    ", "\n").removeprefix("    "))
    (model,) = load(tmp_path / "driftd.yaml", {}).settings.models
    assert model.name == "fraud"


@pytest.mark.parametrize("block", range(2))
def test_the_configurations_of_seldon_and_mlserver_are_valid(tmp_path: Path, block: int) -> None:
    found = re.findall(r"^```yaml\n(.*?)^```", (HOW_TO / "seldon.md").read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) == 2
    (tmp_path / "driftd.yaml").write_text(found[block])
    settings: dict[str, Any] = yaml.safe_load(found[block])
    shown = said(tmp_path, ["check", "--offline"])
    assert all(topic in shown for topic in settings["kafka"]["topics"])


def test_the_commands_of_seldon_get_as_far_as_the_broker(tmp_path: Path) -> None:
    """Which is nowhere here; what they do there is in tests/integration."""
    (tmp_path / "driftd.yaml").write_text("kafka: {bootstrap_servers: ['127.0.0.1:1']}\nmapping: {format: seldon}\n")
    sample, *replays = [words for words in commands("seldon") if words[0] != "run"]
    for words in (sample, *replays):
        there = [word.replace("broker1:9092", "127.0.0.1:1") for word in words]
        assert "127.0.0.1:1" in said(tmp_path, there, 3)
