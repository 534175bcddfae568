"""Formulas against numbers of papers, of other libraries, and worked out by a second program."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from driftd.judge.experiments import bernoulli, sequence, srm

WORSE, SLIGHTLY, NOT_WORSE, BETTER, NOT_BETTER = range(5)


def evidence(counts: list[int], weights: list[float], spread: float) -> float:
    zero = np.zeros(len(counts))
    return float(srm.log_steps(np.array([counts]), np.array([weights]), zero, zero, spread)[0][0])


@pytest.mark.parametrize(
    ("counts", "weights", "known"),
    [
        ([10, 20], [0.5, 0.5], (0.1422, 0.2562, 0.0338, 0.0035)),
        ([5000, 5200], [0.5, 0.5], (-2.4286, -0.3778, 0.5778, 0.6386)),
        ([5000, 5400], [0.5, 0.5], (3.2944, 5.2922, 5.8026, 3.5655)),
        ([860, 140], [0.9, 0.1], (4.4142, 6.0012, 3.7780, 0.7360)),
        ([821588, 815482], [0.5, 0.5], (4.4588, 6.5324, 7.6794, 8.7660)),
    ],
)
def test_evidence_of_a_ratio_is_that_of_the_paper(
    counts: list[int], weights: list[float], known: tuple[float, ...]
) -> None:
    found = [evidence(counts, weights, spread) for spread in (2, 100, 1_000, 10_000)]
    assert found == pytest.approx(known, abs=6e-5)


def test_evidence_of_a_ratio_is_the_same_in_any_pieces(rng: np.random.Generator) -> None:
    counts = rng.multinomial(100, [0.55, 0.45], size=40)
    weights, zero = np.full((40, 2), 0.5), np.zeros(2)
    steps, seen, _ = srm.log_steps(counts, weights, zero, zero)
    assert steps.sum() == pytest.approx(evidence(counts.sum(axis=0).tolist(), [0.5, 0.5], srm.SPREAD))
    assert seen.tolist() == counts.sum(axis=0).tolist()


def test_where_weights_change_the_mean_of_e_is_at_most_one(rng: np.random.Generator) -> None:
    """Theory: an e-value has mean 1 where the shares are kept, however they change."""
    b = np.repeat([0.01, 0.1, 0.5], 10)
    weights, zero = np.column_stack([1 - b, b]), np.zeros(2)
    counts = [np.array([rng.multinomial(20, w) for w in weights]) for _ in range(4_000)]
    values = [np.exp(srm.log_steps(c, weights, zero, zero)[0].sum()) for c in counts]
    assert np.mean(values) == pytest.approx(1.0, abs=0.05)


PANES = [(2, 100, 6, 100), (1, 100, 5, 100), (3, 100, 9, 100), (2, 100, 7, 100), (1, 100, 8, 100)]


def steps(panes: list[tuple[int, int, int, int]], margin: float) -> np.ndarray:
    table = np.array(panes)
    zero = np.zeros(2, np.int64)
    return bernoulli.log_steps(table[:, [0, 2]], table[:, [1, 3]], (zero, zero), margin)


def test_evidence_that_a_share_is_higher_is_that_of_the_paper() -> None:
    found = steps(PANES, 0.01)[:, SLIGHTLY]
    assert found == pytest.approx([0, 1.345286, 1.626133, 1.532318, 2.784574], abs=1e-6)
    assert found.sum() == pytest.approx(7.288311, abs=1e-6)


def test_with_a_margin_each_arm_is_compared_with_its_own_nearest_share() -> None:
    p, n = np.array([0.02, 0.05]), np.array([100.0, 100.0])
    assert bernoulli.nearest(p, n, np.array([0.01])) == pytest.approx([0.0285608], abs=1e-7)
    assert bernoulli.log_factors(np.array([2.0, 6.0]), n, p, np.array([0.01])) == pytest.approx([0.5808379], abs=1e-7)


def test_pieces_go_on_where_those_before_them_ended() -> None:
    table, zero = np.array(PANES), np.zeros(2, np.int64)
    y, n = table[:, [0, 2]], table[:, [1, 3]]
    rest = bernoulli.log_steps(y[2:], n[2:], (y[:2].sum(axis=0), n[:2].sum(axis=0)), 0.01)
    assert np.array_equal(rest, bernoulli.log_steps(y, n, (zero, zero), 0.01)[2:])


def test_a_pane_without_one_arm_says_nothing() -> None:
    assert not steps([(2, 100, 6, 100), (3, 100, 0, 0), (0, 0, 9, 100)], 0.01)[1:].any()


def test_claims_about_a_difference_that_is_large_are_the_right_ones() -> None:
    found = steps(PANES * 40, 0.01).sum(axis=0)
    assert found[WORSE] > log(1e6)
    assert found[NOT_BETTER] > log(1e6)
    assert (found[[NOT_WORSE, BETTER]] < 1).all()


def test_the_sequence_is_growthbooks() -> None:
    """GrowthBook's gbstats 0.8.0, fixture of its own tests."""
    one, events = np.array([0.1298308125]), np.array([6461.0])
    assert sequence.half_widths(one, events, 0.05, 1_000) == pytest.approx([0.4134658], abs=1e-6)
    assert sequence.half_widths(one, events, 0.05, 5_000) == pytest.approx([0.3944932], abs=1e-6)


@pytest.mark.parametrize(("events", "factor"), [(1_000, 3.86), (5_000, 3.08), (10_000, 3.04), (50_000, 3.15)])
def test_widths_in_standard_errors_are_those_of_the_paper(events: int, factor: float) -> None:
    found = sequence.half_widths(np.array([1.0]), np.array([float(events)]), 0.05)
    assert found == pytest.approx([factor], abs=0.006)
