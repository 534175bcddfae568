"""The same answer for any split of the panes, through any checkpoint, and for any split of the events into batches."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from driftd.core import arrays
from driftd.core.by_pane import ByPane
from driftd.core.event import scalars
from driftd.core.fault_counters import (
    FAR,
    HOT,
    LOGS,
    NONZERO,
    REFUSED,
    REPEATED,
    CountLimits,
)
from driftd.ingest.binning import encode_with
from driftd.ingest.fault_counts import Carry, flags
from driftd.judge.natural.episodes import Turn
from driftd.judge.natural.learned import NaturalLearned
from driftd.judge.natural.runs import Runs, begins, borders, cut, joined, summed, windows
from driftd.judge.natural.step import NaturalState, Products, start, step
from driftd.judge.natural.thresholds import thresholds
from tests.unit.judge.natural.stage import HOUR, Stage, batch, traffic

HOURS = 20.0


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage.of(np.random.default_rng(31), 6.0)


@pytest.fixture(scope="module")
def stretch(stage: Stage) -> tuple[Runs, Products]:
    """Twenty hours: after eight the amounts turn null and then grow a hundredfold."""
    columns = traffic(np.random.default_rng(32), stage.begin, stage.begin + HOURS * HOUR)
    age = (columns["time"] - stage.begin) / HOUR
    columns["amount"][(age > 8) & (age < 10)] = np.nan
    columns["amount"][age > 15] *= 100
    return stage.counters(columns)


@pytest.fixture(scope="module")
def made(stage: Stage, stretch: tuple[Runs, Products]) -> Made:
    return Made([stage, stretch])


class Made(list[Any]):
    """A stage and its stretch, which hypothesis need not print."""

    def __repr__(self) -> str:
        return "made"


def same(first: Any, second: Any) -> None:
    a, b = arrays.dump(first), arrays.dump(second)
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert value.dtype == b[name].dtype, name
        np.testing.assert_array_equal(value, b[name], err_msg=name)


def keys(turns: list[Turn]) -> list[tuple[float, int, int, str]]:
    return [(t.time, t.channel, t.level, str(t.kind)) for t in turns]


def in_parts(
    stage: Stage, panes: Runs, products: Products, at: list[int], *, reload: bool
) -> tuple[NaturalState, list[Turn]]:
    state, turns, given_ = start(stage.learned), list[Turn](), 0
    for low, high in zip([0, *at], [*at, len(panes)], strict=True):
        part = panes.part(slice(low, high))
        # products come with the panes of their 20 minutes
        upto = len(products.at) if high == len(panes) else int(np.searchsorted(products.at, panes.start[high]))
        mine = slice(given_, max(upto, given_))
        given_ = mine.stop
        state, verdict = step(
            stage.learned, stage.limits, state, part, Products(products.at[mine], products.sums[mine])
        )
        turns += verdict.turns
        if reload:
            state = arrays.load(NaturalState, arrays.dump(state))
    return state, turns


@settings(max_examples=12)
@given(shares=st.lists(st.floats(0, 1), max_size=12), reload=st.booleans())
def test_any_split_of_the_panes_gives_the_same_state(made: Made, shares: list[float], reload: bool) -> None:
    stage, (panes, products) = made
    at = sorted(round(share * len(panes)) for share in shares)
    whole, told = in_parts(stage, panes, products, [], reload=False)
    parted, turns = in_parts(stage, panes, products, at, reload=reload)
    same(parted, whole)
    assert keys(turns) == keys(told)


def test_pane_by_pane_is_the_same_as_all_at_once(stage: Stage, stretch: tuple[Runs, Products]) -> None:
    panes, products = stretch
    whole, told = in_parts(stage, panes, products, [], reload=False)
    parted, turns = in_parts(stage, panes, products, list(range(1, len(panes))), reload=True)
    same(parted, whole)
    assert keys(turns) == keys(told)
    assert {t.level for t in told} >= {0, 2}


def test_what_was_learned_goes_through_a_dump(stage: Stage, stretch: tuple[Runs, Products]) -> None:
    again = arrays.load(NaturalLearned, arrays.dump(stage.learned))
    same(again, stage.learned)
    copy = replace(stage, learned=again, limits=thresholds(again))
    same(in_parts(copy, *stretch, [], reload=False)[0], in_parts(stage, *stretch, [], reload=False)[0])


@pytest.fixture(scope="module")
def day() -> Stage:
    return Stage.of(np.random.default_rng(33), 1.0)


@settings(max_examples=20)
@given(shares=st.lists(st.floats(0.01, 0.99), max_size=6))
def test_any_split_of_the_events_gives_the_same_counters(day: Stage, shares: list[float]) -> None:
    stage = day
    columns = traffic(np.random.default_rng(34), stage.begin, stage.begin + HOUR)
    columns["shop"][::7] = "brand-new"
    rows = batch(columns)
    panes = (rows.times // 10).astype(np.int64)
    at = sorted({max(1, round(share * len(rows))) for share in shares})
    parts: list[dict[int, NDArray[np.int64]]] = []
    for borders_ in ([], at):
        total: dict[int, NDArray[np.int64]] = {}
        carry = Carry.start(len(stage.reference.channels))
        for low, high in zip([0, *borders_], [*borders_, len(rows)], strict=True):
            some = rows.take(np.arange(low, high))
            encoded = encode_with(stage.reference, some)
            names = [c.name for c in stage.reference.channels]
            listed = [list(scalars(some.columns[n])) if n in {"city", "shop"} else None for n in names]
            flagged, carry = flags(listed, encoded.bins, encoded.values, stage.learned.limits, carry)
            by_pane = ByPane.of(panes[low:high])
            for pane, one in zip(by_pane.numbers.tolist(), by_pane.sums(flagged).T, strict=True):
                total[pane] = total.get(pane, 0) + one
        parts.append(total)
    assert parts[0].keys() == parts[1].keys()
    for pane, one in parts[0].items():
        np.testing.assert_array_equal(one, parts[1][pane])


def test_counters_by_hand() -> None:
    values = np.array([[1.0, 1.0, np.nan, -3.0, 0.0, 200.0], [np.nan] * 6])
    bins = np.array([[3, 3, 0, 2, 3, 5], [1, 2, 1, 1, 0, 1]])
    shop = ["x", "a", "x", "x", None, "y"]
    limits = CountLimits(np.array([-2.0, np.nan]), np.array([100.0, np.nan]), np.zeros(2))
    refused = np.zeros((2, 6), bool)
    refused[0, 2] = True
    flagged, carry = flags([None, shop], bins, values, limits, Carry.start(2), refused)
    assert flagged[REPEATED].tolist() == [[0, 1, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0]]
    assert flagged[FAR, 0].tolist() == [0, 0, 0, 1, 0, 1]
    assert flagged[REFUSED, 0].tolist() == [0, 0, 1, 0, 0, 0]
    assert flagged[HOT, 1].tolist() == [0, 0, 0, 1, 0, 0]  # the third x
    assert flagged[NONZERO, 0].tolist() == [1, 1, 0, 1, 0, 1]
    assert flagged[LOGS, 0].tolist() == [0, 0, 0, 1125, 0, 5425]  # ln 3, ln 200 in units of 1 / 1024
    again, _ = flags(
        [None, ["x", "y"]], np.array([[5, 3], [1, 1]]), np.array([[200.0, 1.0], [np.nan] * 2]), limits, carry
    )
    assert again[REPEATED].tolist() == [[1, 0], [0, 0]]
    assert again[HOT, 1].tolist() == [1, 0]


def test_runs_end_when_they_are_long_and_full() -> None:
    """Panes of 10 s:  0 |..   ......|.. ..|. : at least 30 s and 4 events."""
    start_ = np.array([0.0, 10, 50, 60, 70, 80])
    panes = Runs(start_, start_ + 10, np.array([1, 1, 2, 2, 1, 1]), np.ones((6, 1, 1), np.int64))
    assert borders(panes.times, 30.0, 4) == [0, 3, 6]
    whole, rest = cut(Runs.empty(1, 1), panes, 30.0, 5)
    assert whole.start.tolist() == [0.0]
    assert whole.end.tolist() == [70.0]
    assert whole.events.tolist() == [6]
    assert rest.start.tolist() == [70.0]
    assert rest.events.tolist() == [2]
    first, last = windows(joined([panes]), 2, 35.0, 2)
    assert (first.tolist(), last.tolist()) == ([1, 2], [4, 5])
    assert summed(panes, first, last)[:, 0, 0].tolist() == [4, 4]


@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=40),
    gaps=st.lists(st.integers(1, 4), min_size=40, max_size=40),
    at=st.integers(0, 39),
    least=st.integers(1, 12),
)
def test_panes_that_are_summed_before_they_are_cut_make_the_same_runs(
    sizes: list[int], gaps: list[int], at: int, least: int
) -> None:
    start_ = 10.0 * np.cumsum(gaps[: len(sizes)])
    panes = Runs(start_, start_ + 10, np.array(sizes), np.arange(len(sizes)).reshape(-1, 1, 1))
    _, waiting = cut(Runs.empty(1, 1), panes.part(slice(at)), 30.0, 12)  # fewer may be asked for now
    new = panes.part(slice(at, None))
    first = begins(waiting, new.times, 30.0, least)
    if not len(new):
        return
    last = np.append(first[1:], len(new)) - 1
    few = Runs(new.start[first], new.end[last], *(np.add.reduceat(x, first) for x in (new.events, new.sums)))
    for one, other in zip(cut(waiting, new, 30.0, least), cut(waiting, few, 30.0, least), strict=True):
        for f in fields(Runs):
            np.testing.assert_array_equal(getattr(one, f.name), getattr(other, f.name))
