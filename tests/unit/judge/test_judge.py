"""The judge: its bound on drift-free streams, its verdicts on drifts, and its state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftd.core import arrays
from driftd.judge import step
from driftd.judge.bounds import share_bounds
from driftd.judge.learned import JudgeState, Learned, learn
from driftd.judge.regime import Regime, decide
from driftd.judge.step import MicroBatch
from tests.stage.judged import LEARNED, PANE, counted, reference_of


def test_a_change_of_correlation_alone_is_found_and_the_state_survives_a_checkpoint(rng: np.random.Generator) -> None:
    n = LEARNED + 3000
    x, noise = rng.normal(size=n), rng.normal(size=n)
    y = np.where(np.arange(n) < LEARNED + 500, 0.8 * x + 0.6 * noise, noise)
    reference, placed, singles, doubles = reference_of([x, y])
    values, times = np.stack([x, y]), np.arange(n, dtype=float)
    learned, state = learn(reference, placed[:, :LEARNED], values[:, :LEARNED], times[:LEARNED], singles, doubles)
    assert learned.regime.tolist() == [Regime.INDEPENDENT] * 2
    learned = arrays.load(Learned, arrays.dump(learned))
    a, found = np.full(3, 1e7), []
    for low in range(LEARNED, n, PANE):
        here = placed[:, low : low + PANE]
        summary = replace(reference.summary, events=PANE, counts=counted(here, reference.width))
        cross = learned.pairs.cross(here)
        again = arrays.load(JudgeState, arrays.dump(state))
        panes = MicroBatch(float(low), float(low + PANE), summary, cross, np.full(2, np.nan))
        _, copy = step.of_events(learned, again, panes, a)
        state, out = step.of_events(learned, state, panes, a)
        np.testing.assert_array_equal(copy.s, out.s)
        found += [(int(row), low + PANE - LEARNED - 500) for row in out.opened]
    assert [row for row, _ in found] == [2]
    assert 0 < found[0][1] <= 500


def test_events_that_follow_each_other_are_not_called_independent(rng: np.random.Generator) -> None:
    x = np.zeros((1, 5000))
    for i in range(1, 5000):
        x[0, i] = 0.9 * x[0, i - 1] + rng.normal()
    assert decide(x, 0).regime is Regime.DEPENDENT
    assert not decide(x, 12).pages
    assert decide(x, 24).pages
    assert decide(rng.permuted(x, axis=1), 0).regime is Regime.INDEPENDENT


def test_bounds_of_shares_are_those_of_the_binomial() -> None:
    low, high = share_bounds(np.array([0.0, 5.0, 20.0]), np.array(20.0), np.array(0.025))
    assert low == pytest.approx([0, 0.0866, 0.8316], abs=1e-4)  # Clopper and Pearson's table for n = 20
    assert high == pytest.approx([0.1684, 0.4910, 1], abs=1e-4)
