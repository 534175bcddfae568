"""Missing, unseen and out-of-range rates: one-sided, exact, silent on what a reference cannot know."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats as _stats

from driftd.core.reference import Reference
from driftd.core.summary import Summary
from driftd.detectors import WindowDetector
from driftd.detectors._rates import rate_level
from driftd.detectors.missing import Missing
from driftd.detectors.out_of_range import OutOfRange
from driftd.detectors.unseen import Unseen
from tests.unit.detectors import make

stats: Any = _stats  # its types say that an array of counts gives a number


def level(hits: int, n: int, m: int, alpha: float) -> float:
    return float(rate_level(np.array([hits]), np.array([n]), np.array([m]), alpha)[0])


def alarm(detector: WindowDetector, ref: Reference, window: Summary, alpha: float = 1e-6) -> list[bool]:
    threshold = np.maximum(detector.material(ref, window), detector.noise(ref, window, alpha))
    alarms: list[bool] = (detector.statistic(ref, window) >= threshold).tolist()
    return alarms


@pytest.mark.parametrize("alpha", [1e-2, 1e-6, 1e-8])
@pytest.mark.parametrize(("hits", "n", "m"), [(0, 3000, 1000), (30, 3000, 1000), (5, 10**6, 10**4), (700, 3000, 90)])
def test_rare_values_have_the_level_of_the_negative_binomial(hits: int, n: int, m: int, alpha: float) -> None:
    count = round(level(hits, n, m, alpha) * m)
    # window hits before the reference's next hit; scipy.stats goes another way to the same tail
    tail = stats.nbinom.sf([count - 1, count - 2], hits + 1, n / (n + m))
    assert tail[0] <= alpha / 2 < tail[1]


@pytest.mark.parametrize("alpha", [1e-2, 1e-6])
@pytest.mark.parametrize(("hits", "n", "m"), [(900, 3000, 1000), (2900, 3000, 1000), (50, 100, 10**6)])
def test_common_values_have_the_level_of_the_binomial_at_the_upper_bound(
    hits: int, n: int, m: int, alpha: float
) -> None:
    bound = stats.binomtest(hits, n, alternative="less").proportion_ci(1 - alpha / 4).high
    count = round(level(hits, n, m, alpha) * m)
    assert stats.binom.sf(count - 1, m, bound) <= alpha / 4 < stats.binom.sf(count - 2, m, bound)


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.3, 0.9])
@pytest.mark.parametrize(("n", "m"), [(3000, 1000), (1000, 10_000), (100_000, 1000)])
def test_the_level_is_reached_no_more_often_than_alpha(rate: float, n: int, m: int, rng: np.random.Generator) -> None:
    draws = 200_000
    hits, window = rng.binomial(n, rate, draws), rng.binomial(m, rate, draws) / m
    known, back = np.unique(hits, return_inverse=True)
    for alpha in (1e-2, 1e-3):
        levels = rate_level(known, np.full(len(known), n), np.full(len(known), m), alpha)[back]
        assert np.sum(window >= levels) <= stats.binom.ppf(0.999, draws, alpha)


@pytest.mark.parametrize(
    ("hits", "n", "m"),
    [
        pytest.param(10, 10, 10, id="everything is missing already"),
        pytest.param(0, 1, 1, id="one event each"),
    ],
)
def test_no_window_reaches_what_cannot_be_told(hits: int, n: int, m: int) -> None:
    assert level(hits, n, m, 1e-6) > 1


@pytest.mark.parametrize(
    ("before", "now", "alarms"),
    [
        pytest.param(0.02, 0.02, False, id="as before"),
        pytest.param(0.02, 0.028, False, id="a rise too small to matter"),
        pytest.param(0.02, 0.12, True, id="a rise"),
        pytest.param(0.0, 0.03, True, id="none before"),
        pytest.param(0.5, 0.0, False, id="a fall is no alarm"),
        pytest.param(0.9, 1.0, True, id="the feature has vanished"),
        pytest.param(0.0, 0.001, False, id="one record"),
    ],
)
def test_missing(before: float, now: float, alarms: bool) -> None:
    def values(share: float, n: int) -> np.ndarray:
        return np.where(np.arange(n) < round(share * n), np.nan, np.arange(n, dtype=float))

    ref = make.reference({"x": values(before, 10_000)})
    window = make.window(ref, {"x": values(now, 1000)})
    assert Missing().statistic(ref, window)[0] == pytest.approx(now)
    assert Missing().material(ref, window)[0] == pytest.approx(before + 0.01)
    assert alarm(Missing(), ref, window) == [alarms]


def test_out_of_range_counts_both_sides_and_one_wild_record_is_no_alarm(rng: np.random.Generator) -> None:
    ref = make.reference({"x": rng.normal(size=10_000), "c": ["a"] * 10_000})
    x = rng.normal(size=1000).clip(-3, 3)
    x[:1] = 1e6
    window = make.window(ref, {"x": x, "c": ["b"] * 1000})
    assert OutOfRange().statistic(ref, window)[0] == 0.001
    assert alarm(OutOfRange(), ref, window) == [False, False]
    x[:20], x[20:40] = 1e6, -1e6
    window = make.window(ref, {"x": x, "c": ["b"] * 1000})
    assert OutOfRange().statistic(ref, window)[0] == 0.04
    assert alarm(OutOfRange(), ref, window) == [True, False]


def test_quiet_values_leave_the_range_no_more_often_than_alpha(rng: np.random.Generator) -> None:
    alpha, false = 0.01, []
    for _ in range(400):
        x = rng.normal(size=1000)
        ref = make.reference({"x": x})
        count = round(OutOfRange().noise(ref, ref.summary, alpha)[0] * 1000)
        beyond = stats.norm.cdf(x.min()) + stats.norm.sf(x.max())  # known exactly, so the chance is too
        false.append(stats.binom.sf(count - 1, 1000, beyond))
    assert 0.1 * alpha < np.mean(false) < alpha


@pytest.mark.parametrize(
    ("reference", "window", "alarms"),
    [
        pytest.param(["a", "b"] * 5000, ["a", "b"] * 500, False, id="nothing new"),
        pytest.param(["a", "b"] * 5000, ["a"] * 950 + ["z"] * 50, True, id="a new category"),
        pytest.param(["a", "b"] * 5000, ["a"] * 999 + ["z"], False, id="one record"),
        pytest.param(
            [str(i) for i in range(5000)], [f"{i}x" for i in range(1000)], False, id="almost every value is new"
        ),
    ],
)
def test_unseen(reference: list[str], window: list[str], alarms: bool) -> None:
    ref = make.reference({"c": reference})
    assert alarm(Unseen(), ref, make.window(ref, {"c": window})) == [alarms]


def test_unseen_has_nothing_to_say_of_numbers_and_identifiers() -> None:
    ref = make.reference({"x": np.arange(10_001.0), "id": [str(i) for i in range(10_001)], "c": ["a"] * 10_001})
    assert Unseen().applies(ref).tolist() == [False, False, True]


def test_categories_still_to_come_are_no_alarm(rng: np.random.Generator) -> None:
    p = 1 / np.arange(1, 5001)
    names = np.arange(5000).astype(str)
    ref = make.reference({"c": rng.choice(names, 3000, p=p / p.sum()).tolist()})
    window = make.window(ref, {"c": rng.choice(names, 1000, p=p / p.sum()).tolist()})
    assert Unseen().statistic(ref, window)[0] > 0.1
    assert alarm(Unseen(), ref, window, 1e-3) == [False]
