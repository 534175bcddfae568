"""Baselines in driftd's own words: of whylogs (docs/how-to/from-whylogs-tfdv.md), and of anybody."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from driftd.cli import cli
from driftd.core.errors import ConfigError
from driftd.core.summary import FIRST_VALUE, MISSING
from driftd.migrate import histograms, tfdv
from driftd.migrate.columns import Unreadable
from driftd.migrate.reference import reference_of

HERE: Final = Path(__file__).parent
PAGE: Final = (HERE.parents[2] / "docs" / "how-to" / "from-whylogs-tfdv.md").read_text()
WHYLOGS: Final = HERE / "whylogs.json"
"""What the page's script wrote of ``frame()`` with whylogs 1.6.4."""
TFDV: Final = HERE / "tfdv.json"
"""A DatasetFeatureStatisticsList that protobuf 7.36 wrote, with the messages of tensorflow-metadata 1.21."""


def frame() -> pd.DataFrame:
    rng, n = np.random.default_rng(11), 5000
    table = pd.DataFrame(
        {
            "amount": rng.lognormal(3, 1, n),
            "age": rng.integers(18, 30, n),
            "country": rng.choice(["DE", "FR", "IT"], n, p=[0.6, 0.3, 0.1]),
        }
    )
    table.loc[:99, "amount"] = np.nan
    table.loc[:49, "country"] = None
    return table


def test_a_profile_of_whylogs_has_the_shares_of_its_table() -> None:
    profile = histograms.profile_of(WHYLOGS.read_bytes())
    found, table = reference_of(profile, "m", {}, 0.0, 1.0), frame()
    assert (profile.source, found.summary.events) == ("whylogs", 5000)
    assert found.summary.counts[:, MISSING].tolist() == [0, 100, 50]
    for row, channel in enumerate(found.channels):
        column = table[channel.name].dropna()
        values: Any = column.tolist() if channel.name == "country" else column.to_numpy(np.float64)
        truth = np.bincount(found.bins[row].place(values), minlength=found.width)[FIRST_VALUE:]
        counts = found.summary.counts[row, FIRST_VALUE:]
        assert counts.sum() == len(column)
        # a sketch's ranks are right within 1.3 % (its k is 200), and a bin has two ends; categories are counted
        assert np.abs(counts - truth).max() <= (0 if channel.name == "country" else 0.026 * 5000)


def test_the_page_s_script_writes_that(tmp_path: Path) -> None:
    if importlib.util.find_spec("whylogs") is None:
        pytest.skip("whylogs is not installed (it does not run with numpy 2)")
    whylogs: Any = importlib.import_module("whylogs")
    whylogs.log(frame()).writer("local").write(dest=str(tmp_path / "profile.bin"))
    script = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1]
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "profile.bin")], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout).keys() == json.loads(WHYLOGS.read_bytes()).keys()


def test_the_page_s_example_is_read() -> None:
    example = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0]
    found = reference_of(histograms.profile_of(example.encode()), "m", {}, 0.0, 1.0)
    assert found.summary.counts[:, FIRST_VALUE:].tolist() == [[0, 1600, 1700, 1600, 0], [2970, 1485, 495, 0, 0]]
    assert found.summary.counts.sum(axis=1).tolist() == [5000, 5000]


def test_what_protobuf_writes_of_tfdv_is_read() -> None:
    found = reference_of(tfdv.profile_of(TFDV.read_bytes()), "m", {}, 0.0, 1.0)
    assert [c.name for c in found.channels] == ["s", "x"]
    assert found.summary.counts[:, MISSING].tolist() == [20, 20]
    assert found.summary.counts[1, FIRST_VALUE:].tolist() == [0, 20, 30, 50, 0]


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ({"edges": [1, 2], "counts": [1, 2]}, "columns.x.edges: expected one more than counts, in order"),
        ({"edges": [2, 1], "counts": [1]}, "expected one more than counts, in order"),
        ({"edges": [1, "a"], "counts": [1]}, "columns.x.edges: expected a number"),
        ({"values": {"a": -1}}, "columns.x.values.a: expected a count"),
        ({}, "columns.x.edges: expected a list"),
    ],
)
def test_what_is_no_column_is_told(column: dict[str, Any], told: str) -> None:
    with pytest.raises(Unreadable, match=told):
        histograms.profile_of(json.dumps({"columns": {"x": column}}).encode())


X: Final = {"edges": [0, 10], "counts": [90], "missing": 10}


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ({**X, "counts": [-5]}, "columns.x.counts: expected a count, 0 to 2**53, got -5"),
        ({**X, "counts": [1e300]}, "columns.x.counts: expected a number up to 1e+150, got 1e+300"),
        ({**X, "counts": [1e17]}, "columns.x.counts: expected a count, 0 to 2**53, got 1e+17"),
        ({**X, "missing": 500}, "column 'x': 90 values and 500 missing are more than the 100 events"),
        ({**X, "missing": 60}, "column 'x': 90 values and 60 missing are more than the 100 events"),
        ({**X, "counts": [0]}, "column 'x': no values are counted"),
        ({"values": {}}, "column 'x': no values are counted"),
        ({"values": {"a": 900}}, "column 'x': 900 values and 0 missing are more than the 100 events"),
        ({**X, "std": -1}, "column 'x': its standard deviation -1 is below 0"),
        ({**X, "std": 11}, "column 'x': its standard deviation 11 is larger than its range, 0 to 10"),
        ({**X, "mean": 11}, "column 'x': its mean 11 is not between its least value 0 and its greatest 10"),
        ({**X, "mean": 1e308}, "columns.x.mean: expected a number up to 1e+150, got 1e+308"),
        ({**X, "mean": "high"}, "columns.x.mean: expected a number"),
        ({**X, "edges": [-1e308, 1e308]}, "columns.x.edges: expected a number up to 1e+150, got -1e+308"),
        ({**X, "min": 5, "max": 1}, "column 'x': its least value 5 is above its greatest 1"),
    ],
)
def test_what_cannot_be_a_baseline_is_refused_and_leaves_no_reference(
    column: dict[str, Any], told: str, tmp_path: Path
) -> None:
    done = imported(column, tmp_path)
    assert isinstance(done.exception, ConfigError)
    assert f"b.json: {told}" in str(done.exception)
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize("told", [{}, {"mean": 5, "std": 3}, {"mean": 10, "std": 0}, {"mean": None, "std": None}])
def test_what_can_be_a_baseline_is_taken(told: dict[str, Any], tmp_path: Path) -> None:
    assert imported({**X, **told}, tmp_path).exit_code == 0
    assert (tmp_path / "f").exists()


def test_texts_of_a_sketch_whose_counts_are_upper_bounds_are_taken(tmp_path: Path) -> None:
    assert imported({"values": {"a": 80, "b": 60}, "missing": 10}, tmp_path).exit_code == 0


def imported(column: dict[str, Any], folder: Path) -> Result:
    (folder / "b.json").write_text(json.dumps({"events": 100, "columns": {"x": column}}))
    arguments = ["import", "histograms", str(folder / "b.json"), "--model", "m", "--to-file", str(folder / "f")]
    return CliRunner().invoke(cli, arguments)
