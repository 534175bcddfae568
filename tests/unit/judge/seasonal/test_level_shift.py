"""Bayes factors of a step against the marginal likelihoods they stand for, and the statistics of a day."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.judge.seasonal.clock import SeasonClock
from driftd.judge.seasonal.level_shift import AUTOCORRELATED, EXCHANGEABLE, Series, autocorrelation
from driftd.judge.seasonal.slot_profile import KINDS, SlotProfile, day_statistics
from tests.unit.judge.rhythms import rhythm

Floats = NDArray[np.float64]


def marginal(y: Floats, x: Floats, noise: Floats) -> float:
    """ln of the marginal likelihood of y = x b + s noise under the right Haar prior on b and s, up to a constant."""
    inverse = np.linalg.inv(noise)
    gram = x.T @ inverse @ x
    b = np.linalg.solve(gram, x.T @ inverse @ y)
    rest = (y - x @ b) @ inverse @ (y - x @ b)
    logs = np.linalg.slogdet(noise)[1] + np.linalg.slogdet(gram)[1]
    return float(-logs / 2 - (len(y) - x.shape[1]) / 2 * np.log(rest))


@pytest.mark.parametrize("phis", [EXCHANGEABLE, AUTOCORRELATED])
def test_the_evidence_is_the_ratio_of_marginal_likelihoods(rng: np.random.Generator, phis: tuple[float, ...]) -> None:
    t, c = 30, 26
    x = np.stack([np.ones(t), rng.normal(size=t)], axis=1)
    y = rng.normal(size=t) + 2 * (np.arange(t) >= c)
    series = Series.start(1, 2, 10, phis)
    for row in range(t):
        series = series.add(y[row : row + 1], x[row : row + 1], float(row))
    step = (np.arange(t) >= c).astype(float)
    h0, h1 = [], []
    for phi in phis:
        white = np.eye(t) - phi * np.eye(t, k=-1)
        white = white if len(phis) == 1 else white[1:]  # given the first block
        v, z, d = white @ y, white @ x, white @ step
        same = np.eye(len(v))
        h0.append(marginal(v, z, same))
        h1.append(marginal(v, z, same + np.outer(d, d) / (1 - phi**2)))
    expected = np.logaddexp.reduce(h1) - np.log(len(phis)) - max(h0)
    assert series.log_factors()[c - t, 0] == pytest.approx(expected, abs=1e-4)
    assert series.begun[c - t] == c


def test_the_autocorrelation_of_an_autoregression_is_its_coefficient(rng: np.random.Generator) -> None:
    y = np.zeros((400, 50))
    for t in range(1, len(y)):
        y[t] = 0.6 * y[t - 1] + rng.normal(size=50)
    assert autocorrelation(y) == pytest.approx(0.6, abs=0.02)
    assert autocorrelation(rng.permuted(y, axis=0)) == pytest.approx(-1 / 400, abs=0.03)


def test_a_series_with_gaps_keeps_its_bound(rng: np.random.Generator) -> None:
    m, learned, later, a = 300, 24, 40, 400.0
    series, top = Series.start(m, 1, 26, AUTOCORRELATED), np.zeros(m)
    y = np.zeros(m)
    for t in range(learned + later):
        y = 0.7 * y + np.sqrt(1 - 0.49) * rng.normal(size=m)
        seen = np.where(rng.random(m) < 0.2, np.nan, y)
        series = series.add(seen, np.ones((m, 1)), float(t))
        if t == learned - 1:
            series = series.without_candidates()
        if t >= learned:
            top = np.maximum(top, series.summed(2)[0])
    assert np.mean(top >= a) <= later / a


@pytest.mark.parametrize(
    ("late", "size", "level"),
    [
        pytest.param(0, 1.0, 1.0, id="the profile itself"),
        pytest.param(1, 1.0, 1.0, id="an hour late"),
        pytest.param(-1, 1.0, 1.05, id="an hour early, 5 % more"),
        pytest.param(0, 1.4, 1.0, id="a larger rhythm"),
    ],
)
def test_a_day_s_size_and_lateness_are_what_was_done_to_it(
    rng: np.random.Generator, late: int, size: float, level: float
) -> None:
    clock = SeasonClock()
    base = 100 + 20 * rhythm(168)
    means = (base + 3 * rng.normal(size=(24, 168)))[..., None]
    slots = SlotProfile.of(means, clock)
    day = level * np.roll(100 + size * (base[:24] - 100), late)
    numbers, _ = day_statistics(np.ones((24, 1)), day[:, None], slots.day(0, clock), np.zeros(1), np.ones(1, bool))
    seen = dict(zip(KINDS, numbers[:, 0].tolist(), strict=True))
    assert seen["phase"] == pytest.approx(late, abs=0.6)
    if size != 1:
        assert np.exp(seen["swing"]) == pytest.approx(size, abs=0.25)
    assert seen["level"] == pytest.approx(np.log(level), abs=0.05)
