"""How right a model should be without labels: by hand, and against the truth of simulated streams."""

from __future__ import annotations

import numpy as np
import pytest

from driftd.core.quality.unlabelled import LEAST_EVENTS, estimate

# of each bin of the score: true negatives, false positives, false negatives, true positives
BY_SCORE = np.array([[990, 0, 10, 0], [700, 0, 300, 0], [0, 100, 0, 900]])


def test_shares_of_the_reference_are_weighted_by_the_scores_that_come() -> None:
    found = estimate(BY_SCORE, np.array([100, 600, 300]), two=True)
    accuracy, precision, recall, f1 = found.values[:, 0]
    assert accuracy == pytest.approx(0.1 * 0.99 + 0.6 * 0.7 + 0.3 * 0.9)
    hits, false, missed = 270, 30, 1 + 180
    assert [precision, recall] == pytest.approx([hits / (hits + false), hits / (hits + missed)])
    assert f1 == pytest.approx(2 * hits / (2 * hits + false + missed))
    assert np.isnan(estimate(BY_SCORE, np.array([100, 600, 300]), two=False).values[1:]).all()


@pytest.mark.parametrize(
    ("reference", "now", "known"),
    [
        pytest.param(BY_SCORE, [100, 300, 99], False, id="too few events"),
        pytest.param(BY_SCORE, [100, 300, 100], True, id="enough"),
        pytest.param(BY_SCORE // 10, [1000, 1000, 1000], False, id="too few labels in the reference"),
        pytest.param(BY_SCORE * [[1], [0], [1]], [1000, 9, 1000], True, id="hardly any outside"),
        pytest.param(BY_SCORE * [[1], [0], [1]], [1000, 90, 1000], False, id="too many outside"),
        pytest.param(BY_SCORE, [0, 0, 0], False, id="none"),
    ],
)
def test_it_abstains_where_it_knows_too_little(reference: np.ndarray, now: list[int], known: bool) -> None:
    found = estimate(reference, np.array(now), two=True)
    assert found.known is known
    assert found.events == sum(now)


@pytest.mark.parametrize(("learned", "come"), [(2_000, 2_000), (1_000, 20_000), (20_000, LEAST_EVENTS)])
def test_the_interval_holds_the_truth_as_often_as_it_says_although_scores_have_moved(
    rng: np.random.Generator, learned: int, come: int
) -> None:
    """Scores are probabilities of 20 bins. Both parts of the interval are needed: with many events now and few in the
    reference nearly all of it comes from there.
    """
    held, chance = [], (np.arange(20) + 0.5) / 20
    for _ in range(400):
        before = np.bincount(rng.integers(0, 20, learned), minlength=20)
        positives = rng.binomial(before, chance)
        high = np.arange(20) >= 10
        table = np.stack(
            [(before - positives) * ~high, (before - positives) * high, positives * ~high, positives * high], axis=1
        )
        moved = np.bincount((20 * rng.beta(2, 3, come)).astype(int), minlength=20)
        true = rng.binomial(moved, np.where(high, chance, 1 - chance)).sum() / come
        _, low, up = estimate(table, moved, two=True).values[0]
        held.append(low <= true <= up)
    assert 0.92 < np.mean(held) < 0.98
