"""Intervals, bounds, verdicts and losses of the benchmark."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tests.quality import nulls, report, sensitivity
from tests.quality.cache import Cache
from tests.quality.contest import Contestant
from tests.quality.losses import DataSet, losses
from tests.quality.scoring import Row, Score, read


@pytest.mark.parametrize("count", [0, 1, 7, 60])
def test_each_end_of_the_interval_is_missed_half_a_percent(count: int) -> None:
    low, high = nulls.poisson_interval(count)
    assert stats.poisson.cdf(count, high) == pytest.approx(0.005)
    assert low == 0 if count == 0 else stats.poisson.sf(count - 1, low) == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("pages", "verdict"),
    [
        pytest.param(0, "held", id="the whole interval is below the budget"),
        pytest.param(20, "inside", id="the interval holds the budget"),
        pytest.param(60, "BROKEN", id="the whole interval is above it"),
    ],
)
def test_what_the_interval_says_of_a_budget_of_20_pages(pages: int, verdict: str) -> None:
    assert nulls.Measured("x", 0.1, pages, 200.0, {}, 0.0, 0).verdict == verdict


def test_a_month_of_each_clock() -> None:
    assert nulls.BURSTS.monthly == 3000
    assert nulls.HOURLY.monthly == 720
    assert nulls.SPARSE.monthly == 180
    assert np.all(np.diff(nulls.BURSTS.times(100)) > 0)
    assert np.all(np.diff(nulls.HOURLY.times(5)) == 3600)


@pytest.mark.parametrize("kind", nulls.KINDS, ids=lambda k: k.name)
def test_a_seed_makes_the_same_columns_of_the_right_length(kind: nulls.Null) -> None:
    first, second = (kind.make(np.random.default_rng(3), 200) for _ in range(2))
    assert all(len(column) == 200 for column in first.values())
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_autoregressive_columns_have_the_correlation_they_say(rng: np.random.Generator) -> None:
    x = nulls.autoregressive(0.9, 1)(rng, 40_000)["x0"]
    assert np.corrcoef(x[1:], x[:-1])[0, 1] == pytest.approx(0.9, abs=0.01)
    assert x.std() == pytest.approx(1, abs=0.05)


def test_bounds_of_the_delay() -> None:
    # ln 1e7 = 16.118; a shift of 1 carries 1/2 nat an event
    assert sensitivity.any_test(1.0, 1e7) == pytest.approx(32.236, abs=1e-3)
    assert sensitivity.finite_reference(0.5, 1e9, 3000) == pytest.approx(2 * 20.7233 / (0.5 - 0.0639) ** 2, rel=1e-3)
    assert sensitivity.finite_reference(0.05, 1e7, 3000) == math.inf
    assert sensitivity.finite_reference(0.05, 1e7, 10**12) == pytest.approx(sensitivity.any_test(0.05, 1e7), rel=1e-3)


def test_a_median_over_seeds_that_did_not_all_find_it() -> None:
    assert sensitivity.Delay(3000, 0.1, (10, 30), 3).median == 30
    assert sensitivity.Delay(3000, 0.1, (10,), 3).median == math.inf


def row(cls: str, detected: float, wait: float, delay: float) -> Row:
    return Row(cls, 4, detected, 0.0, detected, wait, delay)


def contestant(name: str, found: Row, false: int) -> Contestant:
    return Contestant(name, name, {}, {"iid": 1.0}, {"iid": Score((found,), false, 100_000)})


def test_every_loss_is_told_and_whether_it_was_bought_with_false_alarms() -> None:
    driftd = contestant("driftd", row("ALL", 90, 20, 300), 2)
    quick = contestant("quick", row("ALL", 100, 30, 100), 50)
    quiet = contestant("quiet", row("ALL", 50, 60, math.nan), 0)
    worse = contestant("worse", row("ALL", 80, 40, 500), 3)
    found = list(losses(DataSet("x", 1, [driftd, quick, quiet, worse])))
    assert [(x.peer, x.what, x.fair) for x in found] == [
        ("quick", "found %", False),
        ("quick", "median delay", False),
        ("quiet", "false alarms per 100k", True),
    ]


def test_a_score_is_read_from_score_pys_json() -> None:
    line = {"cls": "ALL", "drifts": 2, "det": 50.0, "chance": 1.0, "own": 50.0, "wait": 60.0, "med_delay": None}
    groups = {"null_iid": {"counted": 2, "channel_events": 150_000}, "pre": {"counted": 1, "channel_events": 50_000}}
    s = read({"classes": [line], "false": groups})
    assert s.per_100k == pytest.approx(1.5)
    assert s.all.detected == 50
    assert math.isnan(s.all.median_delay)


def test_a_result_is_found_again_by_its_whole_key(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "new")
    assert cache.of(lambda: [1], "driftd", "a") == [1]
    assert cache.of(lambda: [2], "driftd", "a") == [1]
    assert cache.of(lambda: [2], "driftd", "b") == [2]


def test_a_torn_result_is_measured_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.path("x").write_text('{"half')
    assert cache.of(lambda: 3, "x") == 3


@pytest.mark.parametrize(
    ("x", "digits", "text"),
    [(math.nan, 0, "-"), (math.inf, 0, "never"), (1234.4, 0, "1,234"), (-0.001, 2, "0.00"), (0.11, 2, "0.11")],
)
def test_numbers_for_readers(x: float, digits: int, text: str) -> None:
    assert report.number(x, digits) == text
