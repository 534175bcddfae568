"""Sizes of changes of a distribution, from bins whose shares are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.core.summary import FIRST_VALUE
from driftd.judge.natural import features as f
from driftd.judge.natural.changes import Change
from driftd.judge.natural.shapes import STATISTICS, Usual, near_atoms, statistics

Floats = NDArray[np.float64]
BINS, EVENTS = 40, 400_000


def moved(
    usual: Floats, now: Floats, *, numeric: bool, near: NDArray[np.intp] | None = None, change: Change = Change.MIX
) -> float:
    """The size of a change of one channel with the shares ``usual`` and ``now`` float64[BINS]; ``near`` intp[BINS] the
    bins that are taken together.
    """
    width = FIRST_VALUE + BINS
    shares = np.zeros((1, width))
    shares[0, FIRST_VALUE:] = usual
    scores = np.zeros((1, width))
    scores[0, FIRST_VALUE:] = np.linspace(-2, 2, BINS)
    together = np.arange(width)
    together[FIRST_VALUE:] = FIRST_VALUE + (np.arange(BINS) if near is None else near)
    one, last = np.zeros(1), np.array([width - 1])
    about = Usual(shares, scores, one, one, last, np.array([numeric]), together[None])
    sums = np.zeros((1, 1, f.FEATURES + width), np.int64)
    sums[0, 0, f.FEATURES + FIRST_VALUE :] = np.rint(now * EVENTS)
    sums[0, 0, [f.EVENTS, f.LIVE]] = EVENTS
    _, size, _ = statistics(about, sums, shares[None])
    return float(size[0, STATISTICS.index(change), 0])


def test_numbers_that_all_go_to_the_next_bin_have_moved_little_however_many_they_are() -> None:
    """Every other bin is full, and each value moves by one: all of them are elsewhere, none is far."""
    usual = np.tile([2 / BINS, 0.0], BINS // 2)
    assert moved(usual, np.roll(usual, 1), numeric=False) == pytest.approx(1, abs=0.01)
    assert moved(usual, np.roll(usual, 1), numeric=True) == pytest.approx(2 * 2 / BINS, abs=0.01)


@pytest.mark.parametrize("to", [[0], [BINS - 1], [0, BINS - 1]], ids=["low", "high", "both"])
def test_numbers_that_go_to_an_end_or_both_count_whole(to: list[int]) -> None:
    usual = np.full(BINS, 1 / BINS)
    now = 0.6 * usual
    now[to] += 0.4 / len(to)
    away = 0.4 * (1 - len(to) / BINS)
    assert moved(usual, now, numeric=True) == pytest.approx(away, abs=0.01)


def test_values_that_leave_what_many_have_for_what_is_next_to_it_have_not_moved() -> None:
    """Four in ten are 0, and rise by a twentieth of a deviation: all of them go to the next bin. To the end is far."""
    values = np.concatenate([[0.0, 0.06], np.linspace(0.3, 6.0, BINS - 2)])
    usual = np.concatenate([[0.4, 0.02], np.full(BINS - 2, 0.58 / (BINS - 2))])
    deviation = float(np.sqrt(usual @ values**2 - (usual @ values) ** 2))
    near = near_atoms(values, usual, deviation)
    assert near.tolist() == [0, 0, *range(2, BINS)]
    next_to, far = usual.copy(), usual.copy()
    next_to[[0, 1]], far[[0, -1]] = [0.0, 0.42], [0.0, 0.4 + usual[-1]]
    assert moved(usual, next_to, numeric=True) == pytest.approx(0.4, abs=0.01)
    for change in (Change.MIX, Change.LEVEL, Change.SPREAD):
        assert moved(usual, next_to, numeric=True, near=near, change=change) == pytest.approx(0, abs=0.01)
    assert moved(usual, far, numeric=True, near=near) == pytest.approx(0.4, abs=0.01)


def test_numbers_that_stand_for_classes_are_no_neighbours() -> None:
    """0, 1 and 2 lie a deviation apart."""
    values, usual = np.array([0.0, 1.0, 2.0]), np.array([0.5, 0.3, 0.2])
    assert near_atoms(values, usual, 0.78).tolist() == [0, 1, 2]
