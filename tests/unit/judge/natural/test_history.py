"""Hours of a growing reference: exact sums for any split, the worst minute of each, faults left out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from driftd.judge.natural.features import FEATURES
from driftd.judge.natural.history import MOMENTS, History
from driftd.judge.natural.learned import FAST
from driftd.judge.natural.runs import Runs

Floats = NDArray[np.float64]
CHANNELS, WIDTH, TICKS = 2, 3, 4 * 24 * 6
COLUMNS = FEATURES + WIDTH + MOMENTS
NOTHING, RELATED = np.empty((0, 3)), np.array([1])


def ticks() -> tuple[Runs, Floats, Runs]:
    """Four days of ten minutes with 20 events each, their largest g, and a cell every twenty minutes."""
    rng = np.random.default_rng(5)
    start = np.linspace(1_790_553_600.0, 1_790_553_600.0 + 600 * (TICKS - 1), TICKS)
    sums = rng.integers(0, 9, (TICKS, CHANNELS, COLUMNS))
    runs = Runs(start, start + 600, np.full(TICKS, 20), sums)
    cells = Runs(start[::2], start[::2] + 1200, np.full(TICKS // 2, 40), rng.integers(0, 9, (TICKS // 2, 3, 2)))
    return runs, rng.random((TICKS, CHANNELS, len(FAST))), cells


def of(cuts: list[int]) -> History:
    runs, peaks, cells = ticks()
    out = History.start(CHANNELS, WIDTH, 3)
    bounds = sorted({0, TICKS, *cuts})
    for a, b in pairwise(bounds):
        out = out.add(runs.part(slice(a, b)), peaks[a:b], cells.part(slice((a + 1) // 2, (b + 1) // 2)))
    return out


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, TICKS - 1), max_size=10))
def test_any_split_of_the_ticks_gives_the_same_hours(cuts: list[int]) -> None:
    whole, parts = of([]), of(cuts)
    assert [day.hours.sums for day in parts.days] == [day.hours.sums for day in whole.days]
    assert [day.peaks for day in parts.days] == [day.peaks for day in whole.days]
    for one, other in zip(parts.whole(NOTHING, RELATED), whole.whole(NOTHING, RELATED), strict=True):
        a = one.sums if isinstance(one, Runs) else one
        b = other.sums if isinstance(other, Runs) else other
        np.testing.assert_array_equal(a, b)


def test_hours_hold_what_their_ticks_hold() -> None:
    runs, peaks, cells = ticks()
    hours, tops, kept = of([100, 101, 300]).whole(NOTHING, RELATED)
    assert len(hours) == 96
    np.testing.assert_array_equal(hours.sums, runs.sums.reshape(96, 6, CHANNELS, COLUMNS).sum(axis=1))
    np.testing.assert_array_equal(tops, peaks.reshape(96, 6, CHANNELS, len(FAST)).max(axis=1))
    np.testing.assert_array_equal(kept.sums, cells.sums)


def test_past_days_are_packed_and_the_last_is_open() -> None:
    history = of([])
    assert len(history.days) == 3
    assert len(history.hours) == 24


def test_hours_of_a_fault_are_left_out_of_its_channel() -> None:
    day = 1_790_553_600.0
    fault = day + 3600 * 30.5, day + 3600 * 32.2
    hours, peaks, cells = of([]).whole(np.array([[1.0, *fault], [0.0, *fault]]), RELATED)
    whole, tops, _ = of([]).whole(NOTHING, RELATED)
    lost = np.isin(hours.start, day + 3600 * np.array([30.0, 31.0, 32.0]))
    assert np.count_nonzero(lost) == 3
    assert not hours.sums[lost][:, [0, 1]].any()
    assert not peaks[lost][:, [0, 1]].any()
    for column in (0, 1):
        whole.sums[lost, column], tops[lost, column] = 0, 0
    np.testing.assert_array_equal(hours.sums, whole.sums)
    np.testing.assert_array_equal(peaks, tops)
    assert len(cells) == 96 * 3 - 6  # from 30:20 to 32:20
    assert len(of([]).whole(np.array([[0.0, *fault]]), RELATED)[2]) == 96 * 3  # not of a channel with relations
