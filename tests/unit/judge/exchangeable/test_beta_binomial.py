"""Bayes factors of shares and of means against their definitions and against each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import betaln, logsumexp
from scipy.stats import binom, norm

from driftd.judge.exchangeable import exponential_tilt
from driftd.judge.exchangeable.beta_binomial import (
    MEMORIES,
    log_factor,
    log_mean_of_subsets,
    log_probability,
    most_log_factor,
)


def test_the_probability_is_the_beta_binomials(rng: np.random.Generator) -> None:
    x, y = rng.integers(0, 2000, (2, 1000)).astype(float)
    a, b = np.exp(rng.uniform(np.log(0.5), 12, (2, 1000)))
    assert log_probability(x, y, a, b) == pytest.approx(betaln(x + a, y + b) - betaln(a, b), abs=1e-3)


@pytest.mark.parametrize("learned", [300, 3000])
@pytest.mark.parametrize("events", [10, 200, 1000])
def test_the_mean_of_a_factor_without_change_is_about_one_at_most_at_any_share(learned: int, events: int) -> None:
    """Over reference and window, both random: exact sums, no simulation. Jeffreys' prior makes 1 of it on average."""
    x, means = np.arange(events + 1.0), []
    for p in np.array([0.02, 0.3, 1, 2, 5, 20, 100]) / learned:
        k = np.arange(learned + 1.0)
        kept = k[binom.pmf(k, learned, p) > 1e-12]
        factor = np.exp(np.minimum(log_factor(x, events - x, kept[:, None], learned - kept[:, None]), 600))
        means.append(float(binom.pmf(kept, learned, p) @ factor @ binom.pmf(x, events, p)))
    assert max(means) <= 1.1


def test_taking_the_reference_for_the_truth_would_break_that() -> None:
    learned, events, p = 300, 1000, 0.1
    k, x = np.arange(learned + 1.0), np.arange(events + 1.0)
    factor = np.exp(np.minimum(log_factor(x, events - x, 1000 * k[:, None], 1000 * (learned - k[:, None])), 600))
    assert binom.pmf(k, learned, p) @ factor @ binom.pmf(x, events, p) > 100


def test_the_cheap_bound_lies_above_the_factor(rng: np.random.Generator) -> None:
    a, m = rng.integers(0, 3000, 4000), rng.integers(1, 2000, 4000)
    x = rng.binomial(m, rng.beta(0.3, 1, 4000))
    exact = log_factor(*(v.astype(float) for v in (x, m - x, a, 3000 - a)))
    bound = most_log_factor(*(v.astype(float) for v in (x, m - x, a, 3000 - a)))
    strong = exact > 8
    assert strong.sum() > 500
    assert np.mean(bound[strong] >= 0.7 * np.minimum(exact[strong], 20) - 1) > 0.999


def test_subsets_are_all_but_the_empty_one() -> None:
    factors, chance = np.array([2.0, 0.5, 7.0]), np.array([0.1, 0.2, 0.3])
    total = 0.0
    for subset in range(1, 8):
        inside = np.array([subset >> i & 1 for i in range(3)], bool)
        total += np.prod(np.where(inside, chance, 1 - chance)) * np.prod(factors[inside])
    none = np.prod(1 - chance)
    assert log_mean_of_subsets(np.log(factors), chance) == pytest.approx(np.log(total / (1 - none)))
    assert len(MEMORIES) == 2


def test_tilts_have_mean_one_without_change_for_skewed_scores(rng: np.random.Generator) -> None:
    share = np.array([0.9, 0.07, 0.03])
    score = np.array([-0.2, 1.0, 3.0])
    score = score - share @ score
    score /= np.sqrt(share @ score**2)
    deltas = np.array([0.1, 0.4, -0.1, -0.4])
    h = exponential_tilt.table(share[None], score[None], np.array([1e9]), deltas)
    for n, m in [(3000, 50), (300, 300), (1000, 4000)]:
        before = rng.multinomial(n, share, 200_000) @ score / n
        after = rng.multinomial(m, share, 200_000) @ score / m
        e = exponential_tilt.log_ratio(
            exponential_tilt.ratios_first(h),
            deltas,
            (after - before)[:, None, None],
            np.full((200_000, 1), float(n)),
            np.full((200_000, 1), float(m)),
        )[:, 0]
        spread = deltas**2 * n * m / (n + m)
        assert np.all(np.mean(np.exp(e[:, spread < 3]), axis=0) <= 1.08)  # simulated; wider ones hang on rare events
        assert np.all(np.mean(np.exp(e[:, spread < 3]), axis=0) >= 0.9)


def test_tilts_of_a_normal_score_are_the_likelihood_ratio() -> None:
    z = np.linspace(-6, 6, 2001)
    share = norm.pdf(z) / norm.pdf(z).sum()
    h = exponential_tilt.table(share[None], z[None], np.array([1e12]), np.array([0.4]))
    assert h[0, 0] == pytest.approx(0.4**2 / 2, rel=1e-4)


def test_a_mean_of_values_far_apart_has_a_cost_that_is_a_number() -> None:
    """Where e to the power of a value is more than a float, and where a value has no share at all."""
    share = np.array([[0.5, 0.499999, 1e-6, 0.0], [0.5, 0.5, 0.0, 0.0]])
    score = np.array([[-1.0, 1, 900, 2000], [-1, 1, 0, 9]])
    delta = 3.0
    with np.errstate(all="raise", under="ignore"):
        found = exponential_tilt.table(share, score, np.full(2, 1e12), np.array([delta]))[:, 0, 4]
    wanted = [sum(logsumexp(delta * half * score[row], b=share[row]) / 0.5 for half in (0.5, -0.5)) for row in range(2)]
    raised = 1 + 1.5 * np.sqrt(np.maximum(np.sum(share * score**4, axis=1) - 1, 0) / 1e12)
    assert found == pytest.approx(np.array(wanted) * raised)
