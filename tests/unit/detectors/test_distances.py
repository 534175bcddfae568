"""PSI, Jensen-Shannon, Hellinger, chi-squared and KS: the same numbers as scipy, and the levels theory promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from driftd.core.event import Kind
from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, Summary
from driftd.detectors import WindowDetector
from driftd.detectors._bins import merged
from driftd.detectors.chi2 import Chi2
from driftd.detectors.hellinger import Hellinger
from driftd.detectors.js import JensenShannon
from driftd.detectors.ks import KolmogorovSmirnov
from driftd.detectors.psi import PSI
from tests.unit.detectors import make

DISTANCES: list[WindowDetector] = [PSI(), JensenShannon(), Hellinger(), Chi2()]


@pytest.fixture
def pair(rng: np.random.Generator) -> tuple[Reference, Summary]:
    values = {"x": rng.normal(size=3000), "y": rng.exponential(size=3000)}
    ref = make.reference(values)
    return ref, make.window(ref, {"x": rng.normal(0.3, 1, 1000), "y": rng.exponential(1.2, 1000)})


def columns(pair: tuple[Reference, Summary], row: int) -> tuple[np.ndarray, np.ndarray]:
    both = merged(*pair)
    bins = int(both.bins[row])
    return both.reference[row, :bins], both.current[row, :bins]


@pytest.mark.parametrize("row", [0, 1])
class TestIndependentImplementations:
    def test_psi_is_the_sum_of_both_relative_entropies(self, pair: tuple[Reference, Summary], row: int) -> None:
        a, b = (c + 0.5 for c in columns(pair, row))
        known = stats.entropy(a, b) + stats.entropy(b, a)
        assert PSI().statistic(*pair)[row] == pytest.approx(known, rel=1e-9)

    def test_jensen_shannon_is_scipys(self, pair: tuple[Reference, Summary], row: int) -> None:
        known = jensenshannon(*columns(pair, row), base=2)
        assert JensenShannon().statistic(*pair)[row] == pytest.approx(known, rel=1e-9)

    def test_hellinger_is_one_minus_bhattacharyyas_coefficient(self, pair: tuple[Reference, Summary], row: int) -> None:
        a, b = columns(pair, row)
        known = np.sqrt(1 - np.sum(np.sqrt(a / a.sum() * b / b.sum())))
        assert Hellinger().statistic(*pair)[row] == pytest.approx(known, rel=1e-9)

    def test_chi2_is_scipys(self, pair: tuple[Reference, Summary], row: int) -> None:
        known = stats.chi2_contingency(np.array(columns(pair, row)), correction=False).statistic
        assert Chi2().statistic(*pair)[row] == pytest.approx(known, rel=1e-9)

    def test_ks_is_scipys_on_values_rounded_to_bins(self, pair: tuple[Reference, Summary], row: int) -> None:
        ref, window = pair
        a, b = (
            np.repeat(np.arange(ref.width - FIRST_VALUE), c[row, FIRST_VALUE:])
            for c in (ref.summary.counts, window.counts)
        )
        known = stats.ks_2samp(a, b, method="asymp").statistic
        assert KolmogorovSmirnov().statistic(*pair)[row] == pytest.approx(known, rel=1e-9)


@pytest.mark.parametrize(
    ("shift", "fires"),
    [
        pytest.param(0.0, False, id="same distribution"),
        pytest.param(0.05, False, id="shift too small to matter"),
        pytest.param(0.6, True, id="shift by half a standard deviation"),
        pytest.param(50.0, True, id="most bins empty, score still finite"),
    ],
)
@pytest.mark.parametrize("detector", [*DISTANCES, KolmogorovSmirnov()], ids=lambda d: d.kind)
def test_verdict(detector: WindowDetector, shift: float, fires: bool, rng: np.random.Generator) -> None:
    ref = make.reference({"x": rng.normal(size=3000)})
    window = make.window(ref, {"x": rng.normal(shift, 1, 1000)})
    threshold = np.maximum(detector.material(ref, window), detector.noise(ref, window, 1e-6))
    statistic = detector.statistic(ref, window)
    assert np.isfinite(statistic).all()
    assert (statistic >= threshold).tolist() == [fires]


@pytest.mark.parametrize("detector", [*DISTANCES, KolmogorovSmirnov()], ids=lambda d: d.kind)
def test_one_record_of_a_million_neither_fakes_nor_hides_drift(
    detector: WindowDetector, rng: np.random.Generator
) -> None:
    quiet, moved = rng.normal(size=1000), rng.normal(0.6, 1, 1000)
    values = rng.normal(size=3000)
    values[0] = 1e6
    for reference in (rng.normal(size=3000), values):
        ref = make.reference({"x": reference})
        for window, fires in ((quiet, False), (moved, True)):
            window[0] = 1e6
            summary = make.window(ref, {"x": window})
            threshold = np.maximum(detector.material(ref, summary), detector.noise(ref, summary, 1e-6))
            assert (detector.statistic(ref, summary) >= threshold).tolist() == [fires]


def zipf(values: int) -> np.ndarray:
    weights = 1 / np.arange(1.0, values + 1)
    return np.asarray(weights / weights.sum())


SHARES = {
    "20 equal bins": (Kind.NUMERIC, np.r_[0.02, 0, 0, np.full(20, 0.98 / 20), 0]),
    "229 categories": (Kind.CATEGORICAL, np.r_[0.02, 0, 0.98 * zipf(229), 0]),
}


@pytest.mark.parametrize("events", [1000, 200])
@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("detector", DISTANCES, ids=lambda d: d.kind)
def test_a_quiet_window_reaches_the_noise_level_as_often_as_alpha_says(
    detector: WindowDetector, shares: str, events: int, rng: np.random.Generator
) -> None:
    kind, p = SHARES[shares]
    draws = 20_000 if kind is Kind.NUMERIC else 6_000
    ref = make.from_counts(kind, rng.multinomial(3000, p, draws))
    window = make.summary("b", rng.multinomial(events, p, draws))
    statistic = detector.statistic(ref, window)
    for alpha in (1e-2, 1e-3):
        false = int(np.sum(statistic >= detector.noise(ref, window, alpha)))
        assert stats.binom.ppf(0.0001, draws, alpha * 0.4) <= false <= stats.binom.ppf(0.9999, draws, alpha * 1.15)


def test_ks_errs_to_the_quiet_side(rng: np.random.Generator) -> None:
    p = SHARES["20 equal bins"][1]
    ref = make.from_counts(Kind.NUMERIC, rng.multinomial(3000, p, 20_000))
    window = make.summary("b", rng.multinomial(1000, p, 20_000))
    ks = KolmogorovSmirnov()
    false = np.mean(ks.statistic(ref, window) >= ks.noise(ref, window, 1e-2))
    assert 0.002 < false < 0.01


@pytest.mark.parametrize(
    ("n", "m", "alpha", "psi", "js", "ks"),
    [
        pytest.param(3_000, 1_000, 2e-7, 0.091, 0.128, 0.104, id="50 features, 100M events a month, M=1,000"),
        pytest.param(100_000, 10_000, 2e-6, 0.0068, None, 0.028, id="M=10,000, N=100,000"),
    ],
)
def test_levels_are_those_worked_out_by_hand(
    n: int, m: int, alpha: float, psi: float, js: float | None, ks: float
) -> None:
    width = FIRST_VALUE + 20
    counts = np.zeros((1, width), np.int64)
    counts[0, FIRST_VALUE:] = n // 20
    ref = make.from_counts(Kind.NUMERIC, counts)
    window = make.summary("b", counts * m // n)
    assert PSI().noise(ref, window, alpha)[0] == pytest.approx(psi, rel=0.04)
    assert KolmogorovSmirnov().noise(ref, window, alpha)[0] == pytest.approx(ks, rel=0.04)
    if js is not None:
        assert JensenShannon().noise(ref, window, alpha)[0] == pytest.approx(js, rel=0.04)


@pytest.mark.parametrize("values", [229, 5000])
def test_many_categories_without_drift_do_not_look_like_drift_and_drift_is_still_seen(
    values: int, rng: np.random.Generator
) -> None:
    p, names = zipf(values), np.arange(values).astype(str)
    ref = make.reference({"c": rng.choice(names, 3000, p=p).tolist()})
    quiet = make.window(ref, {"c": rng.choice(names, 1000, p=p).tolist()})
    moved = make.window(ref, {"c": rng.choice(names, 1000, p=np.roll(p, 3)).tolist()})
    for detector in DISTANCES:
        level = np.maximum(detector.material(ref, quiet), detector.noise(ref, quiet, 1e-4))
        assert detector.statistic(ref, quiet) < level
        assert detector.statistic(ref, moved) > np.maximum(
            detector.material(ref, moved), detector.noise(ref, moved, 1e-6)
        )
