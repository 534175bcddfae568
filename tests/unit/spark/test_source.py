"""What of the Spark adapter needs no Spark: where stretches end, waves, what is said where something is missing."""

from __future__ import annotations

import sys
from collections import deque

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from driftd.cli import cli
from driftd.core.errors import ConfigError
from driftd.spark import source
from driftd.spark.session import session
from driftd.spark.source import FILE, ROW, File, _stretches, _wave

BEGINS = {7: 0, 8: 100}
"""Two files, the first of a hundred rows."""


def batch(*rows: tuple[int, int, int]) -> pa.RecordBatch:
    """Of a file's rows from one to another, as Spark hands them over; x is the offset."""
    files = np.concatenate([np.full(end - begin, file, np.int64) for file, begin, end in rows])
    at = np.concatenate([np.arange(begin, end, dtype=np.int64) for _, begin, end in rows])
    x = np.array([BEGINS[file] for file in files.tolist()]) + at
    return pa.RecordBatch.from_pydict({"x": x.astype(float), FILE: files, ROW: at})


@pytest.mark.parametrize(
    ("batches", "ends"),
    [
        pytest.param([batch((7, 0, 10)), batch((7, 10, 20))], [(0, 20)], id="batches that follow each other"),
        pytest.param([batch((7, 0, 10)), batch((7, 12, 20))], [(0, 10), (12, 20)], id="rows between are elsewhere"),
        pytest.param([batch((7, 12, 20)), batch((7, 0, 10))], [(12, 20), (0, 10)], id="the later part first"),
        pytest.param([batch((7, 90, 100), (8, 0, 5))], [(90, 105)], id="from file to file"),
        pytest.param([batch((8, 0, 5), (7, 90, 100))], [(100, 105), (90, 100)], id="two files in one batch"),
        pytest.param([batch((7, 0, 70))], [(0, 32), (32, 64), (64, 70)], id="more rows than a stretch takes"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_stretches(batches: list[pa.RecordBatch], ends: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "STRETCH_ROWS", 32)
    found = [*_stretches(batches, "history", BEGINS)]
    assert [(int(stretch[0].offsets[0]), stretch[-1].next_offset) for stretch in found] == ends
    for rows in (rows for stretch in found for rows in stretch):
        assert rows.table.column_names == ["x"]
        assert rows.table["x"].to_pylist() == rows.offsets.tolist()


def test_rows_among_two_offsets() -> None:
    (stretch,) = _stretches([batch((7, 80, 100)), batch((8, 0, 20))], "history", BEGINS, (95, 103))
    assert [rows.offsets.tolist() for rows in stretch] == [[95, 96, 97, 98, 99], [100, 101, 102]]
    assert [rows.table["x"].to_pylist() for rows in stretch] == [[95, 96, 97, 98, 99], [100, 101, 102]]


def test_a_wave_is_whole_files_one_at_least() -> None:
    files = [File(str(n), n, 0, rows) for n, rows in enumerate([50, 10, 10, 10, 100])]
    waiting = deque(files)
    waves = [[file.key for file in _wave(waiting, rows)] for rows in (0, 20, 25, 40, 40)]
    assert waves == [[0], [1, 2], [3], [4], []]


def test_without_pyspark_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.errors", None)
    with pytest.raises(ConfigError, match=r"pip install 'driftd\[spark\]'"), session("local[1]"):
        pass


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--topic", "t"], "--spark reads Parquet: expected --events, and no --topic"),
        (["--events", "x", "--from", "-1h"], "--spark reads Parquet: expected --events, and no --topic"),
        (["--events", "x", "--compare", "other.yaml"], "run --compare without it"),
        (["--events", "x", "--set", "limits.events_per_second=5"], "are not for --spark; unset them"),
        (["--events", "x", "--set", "labels.join=always"], "labels.join: always is not for --spark"),
    ],
)
def test_what_does_not_go_together_is_refused_before_a_session_begins(words: list[str], why: str) -> None:
    ran = CliRunner().invoke(cli, ["replay", "--spark", "local[1]", *words])
    assert why in (ran.output + str(ran.exception))
    assert "session" not in ran.output
