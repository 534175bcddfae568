"""How a stream is given to driftd, and how its findings become alarms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.quality.ours import TimedDetection, alarms_of
from tests.quality.streams import (
    MONTH_SECONDS,
    Stream,
    epoch_seconds,
    error_is_mismatch,
    last_row_before,
    plan,
)

ROLES = {
    "x": ("numeric", "feature"),
    "proba": ("numeric", "proba"),
    "prediction": ("binary", "prediction"),
    "label": ("binary", "label"),
    "error": ("binary", "error"),
}


def stream(channels: dict[str, tuple[str, str]], period: int | None = None, cls: str = "abrupt") -> Stream:
    return Stream("s", Path("s.parquet"), 6, 3, cls, period, channels, 1, "digest")


def table(**more: list[float | None]) -> pa.Table:
    return pa.table({
        "ts": [3000, 1000, 2000, 5000, 4000, 6000],
        "x": [1.0] * 6,
        "proba": [0.1, 0.9, 0.2, 0.8, 0.3, 0.7],
        "prediction": [0, 1, 0, 1, 0, 1],
        "label": [0, 1, 1, 0, 0, 1],
        "error": [0, 0, 1, 1, 0, 0],
        **more,
    })  # fmt: skip


def test_roles_become_parts_and_driftds_channels_map_back() -> None:
    p = plan(stream(ROLES), table())
    assert " ".join(p.options) == "--prediction prediction --score proba --label label --ignore error --ignore ts"
    assert p.channels == {
        "prediction": "prediction",
        "score": "proba",
        "label": "label",
        "prediction_error": "error",
        "x": "x",
    }
    assert not p.renamed


def test_an_error_that_is_no_mismatch_is_a_feature_under_another_name() -> None:
    p = plan(stream(ROLES), table(error=[1, 0, 1, 1, 0, 0]))
    assert "--label" not in p.options
    assert p.renamed == {"label": "label_column", "error": "error_column"}
    assert p.channels["error_column"] == "error"
    assert p.channels["label_column"] == "label"
    assert p.channels["score"] == "proba"


def test_features_called_as_a_part_of_the_event_are_renamed() -> None:
    channels = dict.fromkeys(("id", "score", "missing"), ("numeric", "feature"))
    data = pa.table({name: [1.0, 2.0, 3.0, 4.0, 5.0, 6.0] for name in channels})
    p = plan(stream(channels), data)
    assert p.renamed == {"id": "id_column", "score": "score_column"}
    assert p.channels == {"id_column": "id", "score_column": "score", "missing": "missing"}


@pytest.mark.parametrize(
    ("period", "ts", "clocked"),
    [
        pytest.param(168, [0, 3600, 7200, 7200, 10800, 14400], True, id="a period and times in order: a clock"),
        pytest.param(168, [0, 7200, 3600, 7200, 10800, 14400], False, id="shuffled times are none"),
        pytest.param(None, [0, 3600, 7200, 7200, 10800, 14400], False, id="nor are times without a period"),
    ],
)
def test_whose_clock(period: int | None, ts: list[int], clocked: bool) -> None:
    data = pa.table({"ts": ts, "x": [1.0] * 6})
    p = plan(stream({"x": ("numeric", "feature")}, period), data)
    assert ("--time" in p.options) is clocked
    assert ("--ignore" in p.options) is not clocked
    assert p.times.tolist() == (list(map(float, ts)) if clocked else [0, 1, 2, 3, 4, 5])


def test_the_budget_gives_every_channel_the_stated_run_length() -> None:
    # the channel, service errors, and the joint path
    hourly = plan(
        stream({"x": ("numeric", "feature")}, 168), pa.table({"ts": [3600 * i for i in range(6)], "x": [1.0] * 6})
    )
    assert hourly.false_alarms_per_month == pytest.approx(720 * 3 / 3e5)
    by_second = plan(stream({"x": ("numeric", "feature")}), pa.table({"x": [1.0] * 6}))
    assert by_second.false_alarms_per_month == pytest.approx(MONTH_SECONDS * 3 / 1e7)


def test_columns_that_are_no_channels_are_ignored() -> None:
    p = plan(stream({"x": ("numeric", "feature")}), pa.table({"x": [1.0] * 6, "note": ["a"] * 6}))
    assert p.options == ("--ignore", "note")


def test_nulls_of_a_label_are_nulls_of_the_error() -> None:
    prediction = pa.chunked_array([[1, 0, 1]])
    label = pa.chunked_array([[1, None, 0]])
    assert error_is_mismatch(pa.chunked_array([[0, None, 1]]), prediction, label)
    assert error_is_mismatch(pa.chunked_array([[False, None, True]]), prediction, label)
    assert not error_is_mismatch(pa.chunked_array([[0, 1, 1]]), prediction, label)


@pytest.mark.parametrize("unit", [1, 1e3, 1e6, 1e9])
def test_times_in_any_unit(unit: float) -> None:
    column = pa.chunked_array([[1_600_000_000.0 * unit]])
    assert epoch_seconds(column).tolist() == [1_600_000_000.0]


@pytest.mark.parametrize(
    ("end", "index"),
    [
        pytest.param(10.0, 0, id="the row at the end belongs to the next window"),
        pytest.param(10.5, 1, id="a row before it was seen"),
        pytest.param(99.0, 3, id="the last row at the latest"),
        pytest.param(0.0, -1, id="nothing was seen"),
    ],
)
def test_the_last_row_that_a_window_has_seen(end: float, index: int) -> None:
    #       row 0        1        2  3
    times = np.array([0.0, 10.0, 20.0, 20.0])
    assert last_row_before(times, end) == index


def finding(feature: str | None, status: str, previous: str) -> dict[str, object]:
    return {
        "feature": feature,
        "status": status,
        "previous": previous,
        "window_end": 15.0,
        "detector": "judge",
        "threshold": 7.0,
        "severity": None if status in {"OK", previous} else {"DRIFT": "page", "WARNING": "ticket"}[status],
    }


def test_a_channel_that_begins_to_page_is_an_alarm_and_a_ticket_where_it_counts() -> None:
    findings = [
        finding("score", "DRIFT", "OK"),
        finding("score", "DRIFT", "DRIFT"),
        finding("score", "WARNING", "OK"),
        finding("score", "OK", "DRIFT"),
        finding(None, "DRIFT", "OK"),
        finding("*", "DRIFT", "WARNING"),
    ]
    times = np.array([0.0, 10.0, 20.0])
    assert alarms_of(findings, {"score": "proba"}, times) == [
        TimedDetection("proba", 1, "judge", 7.0),
        TimedDetection("*", 1, "judge", 7.0),
    ]
    assert len(alarms_of(findings, {"score": "proba"}, times, tickets=True)) == 3


def test_groups_are_score_pys() -> None:
    x = {"x": ("numeric", "feature")}
    assert stream(x).group == "iid"
    assert stream(x, 24).group == "seasonal"
    assert stream(x, 24, "real_abrupt").group == "real"
    assert stream(x, 24, "null_annual").group == "real"
