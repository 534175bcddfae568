"""What is seen of a change: before it, wholly in it, and the same however many panes come at once."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.judge.natural import features as f
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.seen import Recent, Seen, Witness
from tests.unit.judge.natural.stage import DAY, Stage

HOP = 1200.0


@cache
def stage() -> Stage:
    return Stage.of(np.random.default_rng(9), 1.0)


def hops(n: int, seconds: float, events: int) -> Runs:
    """The k-th has k + 1 values a channel."""
    learned = stage().learned
    start = 10 * DAY + seconds * np.arange(n, dtype=np.float64)
    sums = np.zeros((n, len(learned.traits.numeric), f.FEATURES + learned.layout.width), np.int64)
    sums[:, :, f.LIVE] = np.arange(1, n + 1)[:, None]
    return Runs(start, start + seconds, np.full(n, events), sums)


def seen(near: int, day: int, begun: float, end: float, events: int = 60, window: int | None = None) -> Seen:
    """With so many hops of both rings; times in near hops."""
    none = Runs.empty(len(stage().learned.traits.numeric), f.FEATURES + stage().learned.layout.width)
    recent = Recent.of(np.zeros(none.sums.shape[1:], np.int64), np.zeros(0, np.intp), none, np.zeros((0, 0), bool))
    ticks = Recent(
        np.zeros((2, *none.sums.shape[1:]), np.int64), np.zeros((1, len(recent.before)), np.intp), recent.before
    )
    begin = 10 * DAY
    witness = Witness(
        stage().learned, hops(near, HOP, events), hops(day, 6 * HOP, 6 * events), ticks, np.array([begin + end * HOP])
    )
    counters = None if window is None else np.full(none.sums.shape[1:], window, np.int64)
    return witness.seen(begin + begun * HOP, begin + end * HOP, counters)


def values(counters: NDArray[np.int64]) -> int:
    return int(counters[0, f.LIVE])


@pytest.mark.parametrize(
    ("begun", "end", "before", "since"),
    [
        pytest.param(5.5, 9, 4 + 5, 8 + 9, id="two hops of 60 events before, and after it all but the first"),
        pytest.param(6.0, 9, 5 + 6, 8 + 9, id="a change at a border"),
        pytest.param(7.5, 9, 6 + 7, 40, id="one hop after it may begin too soon: what the window holds"),
        pytest.param(2.5, 9, 0, 5 + 6 + 7 + 8 + 9, id="what was before the last six hops is forgotten"),
    ],
)
def test_before_and_since(begun: float, end: float, before: int, since: int) -> None:
    found = seen(9, 0, begun, end, window=40)
    assert (values(found.before), values(found.since)) == (before, since)


def test_what_near_hops_have_forgotten_those_of_hours_remember() -> None:
    found = seen(30, 5, 13, 30)
    assert values(found.before) == 2  # the second hop of six, which ended at 12
    assert found.then == (10 * DAY + 6 * HOP, 10 * DAY + 12 * HOP)


def test_hops_that_come_later_change_nothing() -> None:
    some, more = seen(9, 1, 2.5, 9, window=40), seen(20, 3, 2.5, 9, window=40)
    assert values(some.before) == values(more.before)
    np.testing.assert_array_equal(some.since, more.since)
    np.testing.assert_array_equal(some.expected, more.expected)
    np.testing.assert_array_equal(some.path, more.path)
