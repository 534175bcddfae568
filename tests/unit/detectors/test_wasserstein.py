"""Wasserstein: scipy's numbers at the same places, a level that holds for any shape of distribution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from driftd.core.channel import Role
from driftd.core.summary import FIRST_VALUE
from driftd.detectors.wasserstein import Wasserstein, positions, scale_of
from tests.unit.detectors import make

Draw = Callable[[np.random.Generator, int], np.ndarray]


def normal(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(size=n)


def lognormal(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.lognormal(0, 1.5, n)


def errors(share: float) -> Draw:
    return lambda rng, n: (rng.random(n) < share).astype(float)


@pytest.mark.parametrize("draw", [normal, lognormal, errors(0.05)], ids=["normal", "lognormal", "errors"])
def test_it_is_scipys_distance_over_the_references_sd(draw: Draw, rng: np.random.Generator) -> None:
    ref = make.reference({"x": draw(rng, 3000)})
    window = make.window(ref, {"x": draw(rng, 1000) * 1.3})
    x = positions(ref.bins[0])
    a, b = (c[0, FIRST_VALUE : FIRST_VALUE + len(x)] for c in (ref.summary.counts, window.counts))
    known = stats.wasserstein_distance(x, x, a, b) / np.std(np.repeat(x, a))
    assert Wasserstein().statistic(ref, window)[0] == pytest.approx(known, rel=1e-9)


@pytest.mark.parametrize("shift", [0.25, 0.5, 1.0])
def test_a_shift_reads_in_standard_deviations(shift: float, rng: np.random.Generator) -> None:
    ref = make.reference({"x": rng.normal(7, 3, 20_000)})
    window = make.window(ref, {"x": rng.normal(7 + 3 * shift, 3, 20_000)})
    assert Wasserstein().statistic(ref, window)[0] == pytest.approx(shift, rel=0.1)


def test_an_error_rate_reads_in_standard_deviations_of_one_error(rng: np.random.Generator) -> None:
    ref = make.reference({"error": errors(0.01)(rng, 10_000)}, roles={"error": Role.ERROR})
    window = make.window(ref, {"error": errors(0.05)(rng, 1000)})
    w = Wasserstein()
    assert w.statistic(ref, window)[0] == pytest.approx(0.04 / np.sqrt(0.01 * 0.99), rel=0.25)
    assert w.statistic(ref, window) > np.maximum(w.material(ref, window), w.noise(ref, window, 1e-7))


@pytest.mark.parametrize("where", ["reference", "window"])
def test_one_record_of_a_million_moves_neither_distance_nor_unit(where: str, rng: np.random.Generator) -> None:
    values = {"reference": rng.normal(size=3000), "window": rng.normal(0.5, 1, 1000)}

    def distance() -> float:
        ref = make.reference({"x": values["reference"]})
        return float(Wasserstein().statistic(ref, make.window(ref, {"x": values["window"]}))[0])

    clean = distance()
    values[where][0] = 1e6
    assert distance() == pytest.approx(clean, rel=0.02)


def test_it_abstains_where_the_reference_is_constant_or_has_categories(rng: np.random.Generator) -> None:
    values: make.Values = {"same": np.full(500, 5.0), "c": ["a", "b"] * 250, "x": rng.normal(size=500)}
    ref = make.reference(values)
    w = Wasserstein()
    assert w.applies(ref).tolist() == [False, False, True]
    for seen in (w.statistic(ref, ref.summary), w.noise(ref, ref.summary, 1e-3), w.material(ref, ref.summary)):
        assert np.isfinite(seen).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("draw", "n", "m"),
    [
        pytest.param(normal, 3000, 1000, id="normal"),
        pytest.param(lognormal, 3000, 1000, id="lognormal, heavy tail"),
        pytest.param(errors(0.05), 10_000, 1000, id="errors"),
        pytest.param(errors(0.001), 10_000, 1000, id="errors so rare that the window expects one"),
    ],
)
def test_a_quiet_window_reaches_the_noise_level_no_more_often_than_alpha(
    draw: Draw, n: int, m: int, rng: np.random.Generator
) -> None:
    w, hits, draws = Wasserstein(), np.zeros(2), 0
    for _ in range(15):
        ref = make.reference({"x": draw(rng, n)})
        p = make.window(ref, {"x": draw(rng, 200_000)}).counts[0] / 200_000
        for counts in rng.multinomial(m, p, 200):
            window = make.summary(ref.id, counts[None, :])
            hits += [w.statistic(ref, window)[0] >= w.noise(ref, window, a)[0] for a in (1e-2, 1e-3)]
            draws += 1
    # windows share 15 references, so the count varies more than a binomial: twice alpha leaves room for that
    assert (hits <= stats.binom.ppf(0.999, draws, [2e-2, 2e-3])).all()
    if draw is normal:
        assert hits[0] >= stats.binom.ppf(0.001, draws, 2e-3), "not so wide that it is blind"


@pytest.mark.parametrize("alpha", [1e-2, 1e-4])
def test_the_level_holds_where_a_window_expects_two_errors(alpha: float, rng: np.random.Generator) -> None:
    w, false = Wasserstein(), []
    for _ in range(200):
        ref = make.reference({"error": errors(0.002)(rng, 10_000)})
        if ref.width < FIRST_VALUE + 4:
            continue  # no error in the reference: it abstains
        for seen in range(1, 1000):
            window = make.window(ref, {"error": (np.arange(1000) < seen).astype(float)})
            if w.statistic(ref, window)[0] >= w.noise(ref, window, alpha)[0]:
                false.append(stats.binom.sf(seen - 1, 1000, 0.002))
                break
    assert 1e-7 < np.mean(false) < alpha


def test_the_level_grows_by_one_sd_a_normal_quantile(rng: np.random.Generator) -> None:
    ref = make.reference({"x": rng.normal(size=100_000)})
    window = make.window(ref, {"x": rng.normal(size=100_000)})
    low, high = (Wasserstein().noise(ref, window, a)[0] for a in (1e-2, 1e-6))
    assert high - low == pytest.approx(np.sqrt(2 / 1e5) * (stats.norm.isf(1e-6) - stats.norm.isf(1e-2)), rel=0.02)


def test_what_depends_on_the_reference_alone_is_worked_out_once_and_let_go(rng: np.random.Generator) -> None:
    ref = make.reference({"x": rng.normal(size=100)})
    assert scale_of(ref) is scale_of(ref)


def test_numbers_whose_squares_are_not_finite_have_the_scale_of_small_ones(rng: np.random.Generator) -> None:
    """Warnings are errors here."""
    x = lognormal(rng, 2000)
    small, large = (scale_of(make.reference({"x": x * by})) for by in (1.0, 2.0**530))
    assert large.gaps == pytest.approx(small.gaps)
    assert large.third == pytest.approx(small.third)


def test_channels_with_other_bins_do_not_change_the_scale_of_a_channel(rng: np.random.Generator) -> None:
    """Channels with as many bins are worked out together: to the bit what each is alone."""
    columns = {f"n{k}": np.asarray(rng.normal(size=500) ** 3, np.float64) for k in range(5)}
    columns |= {f"d{k}": np.asarray(rng.integers(0, k, 500), np.float64) for k in range(1, 9)}
    columns |= {"huge": rng.normal(size=500) * 1e160, "none": np.full(500, np.nan)}
    every = make.reference(columns)
    together = scale_of(every)
    for name, row in every.rows.items():
        one = make.reference({name: columns[name]})
        alone, bins = scale_of(one), one.width - FIRST_VALUE
        assert together.cdf[row, :bins].tobytes() == alone.cdf[0].tobytes()
        assert together.gaps[row, : bins - 1].tobytes() == alone.gaps[0].tobytes()
        assert together.third[row] == alone.third[0]
