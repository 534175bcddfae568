"""A report of Evidently that Evidently 0.7.23 wrote, as a reference; and what is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from driftd.core.summary import FIRST_VALUE, MISSING
from driftd.migrate import evidently
from driftd.migrate.columns import Buckets, Unreadable
from driftd.migrate.reference import reference_of

REPORT: Final = Path(__file__).with_name("evidently.json")
"""``Report([DataSummaryPreset()]).run(Dataset.from_pandas(...)).json()`` of 2,000 rows: amounts of a lognormal (mean 3,
deviation 1 of the logarithm) of which every fiftieth is missing, countries, ages, scores."""


def report(*metrics: Any, rows: float = 100) -> bytes:
    count = {"config": {"type": "evidently:metric_v2:RowCount"}, "value": rows}
    return json.dumps({"metrics": [count, *metrics]}).encode()


def metric(kind: str, value: Any, column: str = "x", **config: Any) -> dict[str, Any]:
    return {"config": {"type": f"evidently:metric_v2:{kind}", "column": column, **config}, "value": value}


def test_quantiles_and_counts_of_a_report_become_a_reference() -> None:
    profile = evidently.profile_of(REPORT.read_bytes())
    found = reference_of(profile, "m", {"score": "score"}, 0.0, 1.0)
    names = [channel.name for channel in found.channels]
    assert (profile.events, sorted(names), profile.left_out) == (2000, ["age", "amount", "country", "score"], {})
    rows = dict(zip(names, found.summary.counts, strict=True))
    assert (rows["amount"][MISSING], rows["country"][MISSING]) == (40, 0)
    assert rows["amount"][FIRST_VALUE:].sum() == 1960
    assert sorted(rows["country"][FIRST_VALUE:].tolist())[-3:] == [201, 580, 1219]
    (amount,) = [c for c in profile.columns if c.name == "amount"]
    true = np.exp(3 + np.array([-0.6745, 0.0, 0.6745]))  # quartiles of that lognormal
    assert isinstance(amount.content, Buckets)
    assert amount.content.low[1:] == pytest.approx(true, rel=0.1)
    assert amount.content.counts.tolist() == [490] * 4
    assert profile.remarks == (evidently.REMARK,)


def test_more_quantiles_make_more_bins() -> None:
    ends = metric("MinValue", 0), metric("MaxValue", 20)
    tenths = [metric("QuantileValue", i, quantile=i / 20) for i in range(1, 20)]
    (column,) = evidently.profile_of(report(*ends, *tenths)).columns
    assert isinstance(column.content, Buckets)
    assert (len(column.content.counts), column.content.counts.sum()) == (20, pytest.approx(100))
    assert not evidently.profile_of(report(*ends, *tenths)).remarks


def test_a_column_without_a_distribution_is_left_out_and_named() -> None:
    profile = evidently.profile_of(report(metric("MeanValue", 3.0), metric("DriftedColumnsCount", 1, "y")))
    assert (list(profile.columns), sorted(profile.left_out)) == ([], ["x", "y"])


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"{", "not JSON"),
        (b'{"metrics": {}}', "metrics: expected a list"),
        (b'{"metrics": []}', "expected RowCount"),
        (report(metric("MissingValueCount", 3)), "expected an object"),
        (report(metric("UniqueValueCount", {"counts": {"a": -1}})), "expected a count"),
        (
            report(metric("MinValue", 9), metric("MaxValue", 1), metric("QuantileValue", 5, quantile=0.5)),
            "quantiles in order",
        ),
        (report(metric("QuantileValue", 5, quantile="half")), "expected a number"),
    ],
)
def test_what_is_no_report_is_told(raw: bytes, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        evidently.profile_of(raw)
