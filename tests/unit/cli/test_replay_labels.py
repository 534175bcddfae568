"""Labels that come later in files: rows of tables are joined as lines are, and labels without predictions are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from driftd.cli import cli

BEGIN = 1_795_413_600.0
N, WRONG = 3000, 2000


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Predictions each ten seconds, their labels some minutes later; from the 2,000th on half are wrong."""
    rng = np.random.default_rng(4)
    out = []
    for i in range(N):
        time, said = BEGIN + 10.0 * i, int(rng.random() < 0.3)
        wrong = int(rng.random() < (0.1 if i < WRONG else 0.5))
        blank = {"model": "fraud", "id": f"p{i}", "x": None, "prediction": None, "label": None}
        out.append({**blank, "time": time, "x": float(rng.normal()), "prediction": said})
        out.append({**blank, "time": time + float(rng.exponential(300.0)), "label": said ^ wrong})
    return sorted(out, key=lambda row: float(row["time"]))


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".csv":
        lines = [",".join("" if v is None else str(v) for v in row.values()) for row in rows]
        path.write_text("\n".join([",".join(rows[0]), *lines]) + "\n")
    else:
        events = []
        for row in rows:
            event = {k: v for k, v in row.items() if v is not None and k != "x"}
            events.append({**event, **({"features": {"x": row["x"]}} if row["x"] is not None else {})})
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def replayed(path: Path, *options: str) -> tuple[Result, list[dict[str, Any]]]:
    out = path.with_suffix(".findings")
    words = ["replay", "--events", str(path), "--reference-events", "800", "--set", "labels.join=always"]
    found = CliRunner().invoke(cli, [*words, "--findings", str(out), *options], catch_exceptions=False)
    return found, [json.loads(line) for line in out.read_bytes().splitlines()] if out.exists() else []


def test_labels_in_tables_find_their_predictions_as_those_in_lines_do(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    _, usual = replayed(write(tmp_path, "events.jsonl", rows))
    wrong = [f for f in usual if f["model"] == "fraud/labels" and f["feature"] == "prediction_error"]
    assert wrong
    for name in ("events.csv", "events.parquet"):
        result, found = replayed(write(tmp_path, name, rows))
        assert result.exit_code == 0
        assert found == usual
    predictions = [{k: v for k, v in row.items() if k != "label"} for row in rows if row["label"] is None]
    of_labels = [row for row in rows if row["label"] is not None]
    labels = [{k: v for k, v in row.items() if k not in {"x", "prediction"}} for row in of_labels]
    write(tmp_path, "tables/predictions.parquet", predictions)
    write(tmp_path, "tables/labels.parquet", labels)
    assert replayed(tmp_path / "tables")[1] == usual


@pytest.mark.parametrize("name", ["labels.jsonl", "labels.csv", "labels.parquet"])
def test_labels_without_predictions_are_told_with_what_helps(
    tmp_path: Path, rows: list[dict[str, Any]], name: str
) -> None:
    result, found = replayed(write(tmp_path, name, [row for row in rows if row["label"] is not None]))
    assert not found
    assert "Nothing was watched: all are labels without their prediction." in result.output
    assert "fraud: 3,000 labels, and no prediction with the id of one: give both" in result.output
    assert "--reference-events" not in result.output
