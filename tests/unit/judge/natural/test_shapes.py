"""Sizes of changes of a distribution, from bins whose shares are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.core.summary import FIRST_VALUE
from driftd.judge.natural import features as f
from driftd.judge.natural.changes import Change
from driftd.judge.natural.shapes import STATISTICS, Usual, statistics

Floats = NDArray[np.float64]
BINS, EVENTS = 40, 400_000


def moved(usual: Floats, now: Floats, *, numeric: bool) -> float:
    """The size of the mix of one channel with the shares ``usual`` and ``now`` float64[BINS]."""
    width = FIRST_VALUE + BINS
    shares = np.zeros((1, width))
    shares[0, FIRST_VALUE:] = usual
    scores = np.zeros((1, width))
    scores[0, FIRST_VALUE:] = np.linspace(-2, 2, BINS)
    about = Usual(shares, scores, np.zeros(1), np.zeros(1), np.array([width - 1]), np.array([numeric]))
    sums = np.zeros((1, 1, f.FEATURES + width), np.int64)
    sums[0, 0, f.FEATURES + FIRST_VALUE :] = np.rint(now * EVENTS)
    sums[0, 0, [f.EVENTS, f.LIVE]] = EVENTS
    _, size, _ = statistics(about, sums, shares[None])
    return float(size[0, STATISTICS.index(Change.MIX), 0])


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
