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
