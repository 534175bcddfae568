"""History on Spark, local[2]: what one process finds, to the byte."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from driftd.cli import cli
from driftd.core.errors import ConfigError, SourceRefused
from driftd.replay.counting import Counted, decode
from driftd.sinks.log import finding_json
from tests.bench.spark import table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("spark"), pytest.mark.timeout(900)]

PAGE = Path(__file__).parents[2] / "docs" / "spark.md"
EVENTS = 12_000
PER_SECOND = 1 / 220
"""A month: bins stay after a week. An hour holds 16 events."""
SETTINGS = ("--set", "windows.pane_seconds=1h", "--set", "windows.window_seconds=8h", "--set", "state.directory=none")


def written(folder: Path, events: pa.Table, files: int) -> Path:
    """The events as so many files in the folder, in this order."""
    folder.mkdir()
    for number, part in enumerate(np.array_split(np.arange(len(events)), files)):
        pq.write_table(events.slice(part[0], len(part)), folder / f"part-{number:03}.parquet")
    return folder


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("history") / "fraud", table(EVENTS, 0, EVENTS, PER_SECOND), 12)


def driftd(*words: str) -> Result:
    ran = CliRunner().invoke(cli, words, catch_exceptions=False, standalone_mode=False)
    assert ran.return_value in {0, None}, ran.output
    return ran


def replayed(folder: Path, told: Path, *more: str) -> tuple[bytes, list[str]]:
    """The findings, and the report without what depends on the machine."""
    ran = driftd("replay", "--events", str(folder), "--findings", str(told), *SETTINGS, *more)
    lines = [line for line in ran.output.splitlines() if not re.search(r" s: |^driftd replay: |WARN|^Using|log", line)]
    return told.read_bytes(), lines


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(("--reference-events", "2000"), id="learned once"),
        pytest.param(("--reference-events", "500", "--model", "city"), id="a model a city"),
    ],
)
def test_findings_and_report_are_those_of_one_process(history: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    alone, report = replayed(history, tmp_path / "alone", *more)
    apart, other = replayed(history, tmp_path / "apart", "--spark", "local[2]", *more)
    assert alone.count(b"\n") >= 2
    assert (sorted(apart.splitlines()), other) == (sorted(alone.splitlines()), report)
    if "city" not in more:
        assert apart == alone


def out_of_order(folder: Path, files: int) -> Path:
    events = table(EVENTS, 0, EVENTS, PER_SECOND)
    at = np.concatenate([np.arange(4000), np.arange(7000, 9000), np.arange(4000, 7000), np.arange(9000, EVENTS)])
    return written(folder, events.take(at), files)


def test_rows_that_are_not_in_order_of_time_are_counted_as_one_process_counts_them(tmp_path: Path) -> None:
    (file,) = out_of_order(tmp_path / "fraud", 1).iterdir()
    alone, report = replayed(file, tmp_path / "alone", "--reference-events", "2000")
    apart, other = replayed(file, tmp_path / "apart", "--spark", "local[2]", "--reference-events", "2000")
    assert re.search(r"late [1-9]", "\n".join(report))
    assert (apart, other[-1]) == (alone, report[-1])


def test_files_that_are_not_in_order_of_time_are_sorted_by_one_process_and_late_on_spark(tmp_path: Path) -> None:
    folder = out_of_order(tmp_path / "fraud", 8)
    _, report = replayed(folder, tmp_path / "alone", "--reference-events", "2000")
    _, other = replayed(folder, tmp_path / "apart", "--spark", "local[2]", "--reference-events", "2000")
    assert re.search(rf"accepted {EVENTS} \+ rejected 0 \+ late 0", "\n".join(report))
    found = re.search(r"read (\d+) = accepted (\d+) \+ rejected 0 \+ late ([1-9]\d*) \+ dropped 0", "\n".join(other))
    assert found
    assert int(found[1]) == EVENTS == int(found[2]) + int(found[3])


def test_labels_that_come_later_are_counted_and_it_is_said_that_nobody_joined_them(tmp_path: Path) -> None:
    rows = [{"time": 1e9 + i, "id": str(i % 500), "prediction": 1.0, "label": None, "x": 0.5} for i in range(500)]
    rows += [{"time": 1e9 + 500 + i, "id": str(i), "prediction": None, "label": 1.0, "x": None} for i in range(500)]
    folder = written(tmp_path / "fraud", pa.Table.from_pylist(rows), 2)
    _, report = replayed(folder, tmp_path / "apart", "--spark", "local[1]")
    said = (
        "fraud: 500 labels without their prediction were counted, and not joined: a replay without --spark joins them"
    )
    assert said in report
    assert report[-1].startswith("read 1000 = accepted 1000 ")


@pytest.mark.parametrize("more", [("--exclude", "2026-10-13/2026-10-15", "--first", "5000"), ()])
def test_a_reference_is_the_same_file(history: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    build = ("reference", "build", "fraud", "--events", str(history), *SETTINGS, *more)
    driftd(*build, "--to-file", str(tmp_path / "alone"))
    driftd(*build, "--to-file", str(tmp_path / "apart"), "--spark", "local[2]")
    assert (tmp_path / "alone").read_bytes() == (tmp_path / "apart").read_bytes()


def test_a_notebook_gets_findings_of_a_data_frame_and_panes_travel_once_bins_stay(
    spark: SparkSession, history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from driftd import spark as ours  # noqa: PLC0415  an extra
    from driftd.spark import source  # noqa: PLC0415

    monkeypatch.chdir(tmp_path)
    kinds: list[str] = []

    def watched(data: bytes) -> Counted:
        stretch = decode(data)
        kinds.extend("rows" if part.panes is None else "panes" for part in stretch.parts)
        return stretch

    monkeypatch.setattr(source, "decode", watched)
    (tmp_path / "driftd.yaml").write_text("windows:\n  pane_seconds: 1h\n  window_seconds: 8h\n")
    found = ours.replay(spark.read.parquet(str(history)), model="fraud")
    alone, _ = replayed(history, tmp_path / "alone")
    assert b"".join(finding_json(finding) + b"\n" for finding in found.findings) == alone
    assert found.result is not None
    assert found.result.accounts.accepted == EVENTS
    assert set(kinds) == {"rows", "panes"}
    assert kinds == sorted(kinds, reverse=True)  # rows first: waves of 1, 2, 4 and 5 files, bins stay in the third file


def test_what_cannot_be_read_is_said(spark: SparkSession, history: Path, tmp_path: Path) -> None:
    from driftd import spark as ours  # noqa: PLC0415

    with pytest.raises(SourceRefused, match="nowhere: Spark cannot read it as Parquet"):
        ours.replay(str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="expected a table of Parquet files"):
        ours.replay(spark.createDataFrame([(1.0, 2.0)], "time double, x double"))
    with pytest.raises(ConfigError, match="unknown columns ts; expected some of model"):
        ours.replay(str(history), ts="time")
    (tmp_path / "driftd.yaml").write_text("limits:\n  events_per_second: 5\n")
    with pytest.raises(ConfigError, match="are not for --spark; unset them"):
        ours.replay(str(history), tmp_path / "driftd.yaml")


def test_the_pages_commands_and_code_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "history", table(6000, 0, 6000, 1.0), 2)
    page = PAGE.read_text()
    commands = [line.strip() for line in page.splitlines() if line.startswith("    driftd ") and "local[" in line]
    assert len(commands) >= 2
    for command in commands:
        driftd(*shlex.split(command)[1:])
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), {})
    assert (tmp_path / "findings.jsonl").exists()
    assert (tmp_path / "fraud.reference").exists()
