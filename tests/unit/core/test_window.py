"""Event time against hand-drawn timelines."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.core.event import TopicPartition
from driftd.core.summary import LATENCY_BINS, LATENCY_LE, Summary
from driftd.core.window import Hops, Windows, closed_through, frontier, panes_of, watermarks_before

A, B, C = ("t", 0), ("t", 1), ("t", 2)


def summary(events: int, at: float = 0.0) -> Summary:
    counts = np.array([[0, 0, events]])
    zero = np.zeros((1, 2), np.int64)
    extremes = np.zeros((1, 2))
    sketch, le = np.zeros(LATENCY_BINS, np.int64), np.zeros(len(LATENCY_LE) + 1, np.int64)
    return Summary("b", events, counts, zero, extremes, sketch, le, first=at, last=at)


def test_panes_are_half_open_and_go_below_zero() -> None:
    assert panes_of(np.array([-0.5, 0.0, 9.999, 10.0]), 10).tolist() == [-1, 0, 0, 1]


@pytest.mark.parametrize(
    ("watermark", "closed"),
    [
        pytest.param(9.99, -1, id="one step before the end of pane 0"),
        pytest.param(10.0, 0, id="at its end"),
        pytest.param(25.0, 1, id="in the middle of pane 2"),
    ],
)
def test_a_pane_closes_when_the_watermark_passes_its_end(watermark: float, closed: int) -> None:
    assert closed_through(watermark, 10) == closed


def test_watermark_before_an_event_is_the_greatest_time_of_earlier_records() -> None:
    #   offset   5    5    6    7     (two events of one array record at 5)
    #   time    10   30   20   40
    before = watermarks_before(np.array([5, 5, 6, 7]), np.array([10.0, 30, 20, 40]), latest=4.0)
    assert before.tolist() == [4.0, 4.0, 30.0, 30.0]


@pytest.mark.parametrize(
    ("closed", "idle", "before", "after"),
    [
        pytest.param({A: 5, B: 3}, (), None, 3, id="the slowest partition decides"),
        pytest.param({A: 5, B: None}, (), 2, 2, id="a partition not read yet holds back"),
        pytest.param({A: 5, B: None}, (B,), 2, 5, id="unless it is idle"),
        pytest.param({A: 5, B: 3}, (A, B), 2, 2, id="all idle: time stands still"),
        pytest.param({A: 5, B: 3}, (), 4, 4, id="it never goes back"),
        pytest.param({}, (), None, None, id="nothing assigned"),
    ],
)
def test_frontier(
    closed: dict[TopicPartition, int | None], idle: tuple[TopicPartition, ...], before: int | None, after: int | None
) -> None:
    assert frontier(closed, frozenset(idle), before) == after


def test_a_hop_ends_when_it_is_long_enough_and_full_enough() -> None:
    # window 40 s and 40 events in 4 hops: a hop needs 10 s and 10 events
    #   pane      0   1   2   3   4   5
    #   events    4   4   4   30  9   1
    #   hop ends          ^   ^       ^
    windows = Windows(pane_seconds=10.0, window_seconds=40, min_events=40)
    hops = Hops()
    ends = [hops.add(i, summary(n), (), windows) for i, n in enumerate([4, 4, 4, 30, 9, 1])]
    assert ends == [False, False, True, True, False, True]
    assert [(h.start, h.end, h.summary.events) for h in hops.done] == [(0, 30, 12), (30, 40, 30), (40, 60, 10)]
    window = hops.window(windows)
    assert window is not None
    assert (window.start, window.end, window.summary.events) == (0, 60, 52)


@given(
    steps=st.lists(st.tuples(st.sampled_from([1, 2, 30, 90]), st.integers(1, 15)), max_size=40), cut=st.integers(0, 40)
)
def test_where_hops_end_is_known_before_and_panes_up_to_there_may_come_as_one(
    steps: list[tuple[int, int]], cut: int
) -> None:
    # (panes since the one before, events), so there are gaps longer than a hop may last
    windows = Windows(pane_seconds=10.0, window_seconds=40, min_events=40, max_window_seconds=2000)
    panes, counts = np.cumsum([s for s, _ in steps]).tolist(), [n for _, n in steps]
    cut = min(cut, len(steps))
    single, hops = Hops(), Hops()
    for pane, n in zip(panes[:cut], counts[:cut], strict=True):
        single.add(pane, summary(n), (), windows)
        hops.add(pane, summary(n), (), windows)
    known = [
        cut + place
        for place in hops.finished_by(np.array(panes[cut:], np.int64), np.array(counts[cut:], np.int64), windows)
    ]
    ends = [i for i in range(cut, len(panes)) if single.add(panes[i], summary(counts[i]), (), windows)]
    assert known == ends
    for low, high in pairwise(sorted({cut, *(i + 1 for i in ends), len(panes)})):
        if low < high:
            hops.add(panes[high - 1], summary(sum(counts[low:high])), (), windows, panes[low])
    told = [[(h.start, h.end, h.summary.events) for h in of.done] for of in (single, hops)]
    assert told[0] == told[1]


def test_a_window_grows_back_in_time_until_it_holds_enough() -> None:
    # one event every 100 s, 40 wanted in 4 hops: a hop is 10 events or 1,000 s, whatever window_seconds says
    windows = Windows(pane_seconds=10.0, window_seconds=40, min_events=40)
    hops = Hops()
    judged = [i for i in range(60) if hops.add(i * 10, summary(1), (), windows)]
    assert judged == [9, 19, 29, 39, 49, 59]
    assert hops.enough(windows)
    window = hops.window(windows)
    assert window is not None
    assert window.summary.events == 40


def test_the_longest_window_is_judged_with_what_it_has() -> None:
    windows = Windows(
        pane_seconds=10.0, window_seconds=40, min_events=10_000, max_window_seconds=4000, least_events=200
    )
    hops = Hops()
    # one event every 10 s: 100 a longest hop, 400 a longest window
    enough = [hops.enough(windows) for i in range(400) if hops.add(i, summary(1), (), windows)]
    assert enough == [False, False, True, True]  # judged once three of four longest hops are in


def test_after_a_long_silence_old_hops_are_out_of_the_window() -> None:
    windows = Windows(pane_seconds=10.0, window_seconds=40, min_events=40, max_window_seconds=4000)
    hops = Hops()
    for pane in (0, 1, 1000, 1001):
        hops.add(pane, summary(50), (), windows)
    window = hops.window(windows)
    assert window is not None
    assert (window.start, window.summary.events) == (10_000, 100)
