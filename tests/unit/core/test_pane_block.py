"""A block of panes against the same panes one by one: sums and cuts are exact, and nothing is lost on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.core.errors import BinsDiffer
from driftd.core.exemplars import Exemplar
from driftd.core.fault_counters import FaultCounters
from driftd.core.new_names import added
from driftd.core.pane import ClosedPane
from driftd.core.pane_block import PaneBlock, PaneData, merge
from driftd.core.quality.sums import SparseSums
from driftd.core.quality.sums import added as added_sums
from driftd.core.slice import Slice
from driftd.core.summary import LATENCY_BINS, LATENCY_LE, Summary
from driftd.core.summary import merge as merge_summaries
from driftd.core.window import TimedDetection

Panes = Mapping[int, PaneData]


def pane_of(seed: int, *, timed: bool = True) -> PaneData:
    """Three channels of four columns; every field has something in it."""
    rng = np.random.default_rng(seed)
    low = rng.normal(size=(3, 1))
    summary = Summary(
        "bins", int(rng.integers(1, 9)), rng.integers(0, 9, (3, 4)), rng.integers(-9, 9, (3, 2)),
        np.concatenate([low, low + 1], axis=1), rng.integers(0, 3, LATENCY_BINS) * timed,
        rng.integers(0, 3, len(LATENCY_LE) + 1) * timed, int(rng.integers(0, 99)), int(rng.integers(0, 3)),
        float(rng.random()), float(1 + rng.random()),
    )  # fmt: skip
    hits = tuple(TimedDetection("adwin", "x", float(rng.random()), 0.1, 0.2, 0.0) for _ in range(rng.integers(0, 3)))
    versions = frozenset(rng.choice(["1", "2", "3"], rng.integers(0, 3)).tolist())
    faults, products = FaultCounters(rng.integers(0, 9, (3, 7))), rng.integers(0, 9, (3, 3))
    exemplar = Exemplar(float(rng.random()), int(rng.integers(0, 1 << 40)), str(rng.choice(["", "9f3c", "ü"])))
    names = added((0, int(rng.integers(3)), str(rng.integers(12)), 1) for _ in range(rng.integers(0, 20)))
    outcomes = {str(v): SparseSums.of(9, rng.integers(0, 9, 4), rng.integers(1, 5, 4)) for v in rng.permutation(3)[:2]}
    return PaneData(summary, hits, rng.integers(0, 9, 5), versions, faults, products, exemplar, names, outcomes)


def block_of(panes: Panes) -> PaneBlock:
    return merge([PaneBlock.of(number, pane) for number, pane in panes.items()])


def by_hand(one: PaneData, other: PaneData) -> PaneData:
    """Both as one pane, field by field."""
    assert one.faults is not None
    assert other.faults is not None
    return PaneData(
        merge_summaries((one.summary, other.summary)),
        one.detections + other.detections,
        np.add(one.cross, other.cross),  # type: ignore[arg-type]
        one.versions | other.versions,
        FaultCounters(one.faults.values + other.faults.values),
        np.add(one.products, other.products),  # type: ignore[arg-type]
        min((e for e in (one.exemplar, other.exemplar) if e is not None), key=lambda e: e.offset),
        added((*one.names, *other.names)),
        added_sums((one.outcomes, other.outcomes)),
    )


def assert_same(block: PaneBlock | None, panes: Panes) -> None:
    found = {} if block is None else dict(block.each())
    assert [*found] == sorted(panes)
    for number, pane in panes.items():
        mine = found[number]
        assert (mine.detections, mine.versions) == (pane.detections, pane.versions)
        assert mine.names == tuple((number, *name[1:]) for name in pane.names)
        for one, other in ((mine.summary, pane.summary), (mine, pane)):
            for name in (f.name for f in fields(one) if f.name not in {"summary", "faults", "names", "outcomes"}):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
        assert mine.outcomes.keys() == pane.outcomes.keys()
        for version, sums in pane.outcomes.items():
            assert mine.outcomes[version].rows.tolist() == [number]
            np.testing.assert_array_equal(mine.outcomes[version].whole, sums.whole)
        assert (mine.faults is None) == (pane.faults is None)
        if mine.faults is not None and pane.faults is not None:
            np.testing.assert_array_equal(mine.faults.values, pane.faults.values)


numbers = st.lists(st.integers(0, 30), min_size=1, max_size=12, unique=True)


@given(numbers=numbers)
def test_what_goes_into_a_block_comes_out_of_it_in_order(numbers: Sequence[int]) -> None:
    panes = {n: pane_of(n) for n in numbers}
    assert_same(block_of(panes), panes)


@given(parts=st.lists(numbers, min_size=1, max_size=4))
def test_a_pane_that_is_in_several_blocks_is_their_sum(parts: Sequence[Sequence[int]]) -> None:
    every = [{n: pane_of(100 * i + n) for n in sorted(mine)} for i, mine in enumerate(parts)]
    expected: dict[int, PaneData] = {}
    for panes in every:
        for n, pane in panes.items():
            expected[n] = by_hand(expected[n], pane) if n in expected else pane
    assert_same(merge([block_of(panes) for panes in every]), expected)


@given(numbers=numbers, last=st.integers(-1, 31))
def test_a_cut_loses_nothing_and_what_stays_is_its_own(numbers: Sequence[int], last: int) -> None:
    panes = {n: pane_of(n) for n in numbers}
    block = block_of(panes)
    before, after = block.cut(last)
    assert_same(before, {n: pane for n, pane in panes.items() if n <= last})
    assert_same(after, {n: pane for n, pane in panes.items() if n > last})
    for part in filter(None, (before, after)):
        assert all(set(sums.rows.tolist()) <= set(part.numbers.tolist()) for sums in part.outcomes.values())
    if before is not None and after is not None:  # else a thousand panes wait in memory for one that is open
        assert after.sums.base is None


@given(numbers=numbers, data=st.data())
def test_runs_are_the_sums_of_their_panes(numbers: Sequence[int], data: st.DataObject) -> None:
    ordered = sorted(numbers)
    starts = sorted({0, *data.draw(st.sets(st.integers(0, len(ordered) - 1)))})
    runs = block_of({n: pane_of(n) for n in ordered}).summed(starts)
    assert runs.numbers.tolist() == [ordered[at] for at in starts]
    for place, (begin, end) in enumerate(zip(starts, [*starts[1:], len(ordered)], strict=True)):
        expected = merge_summaries(pane_of(n).summary for n in ordered[begin:end])
        for name in (f.name for f in fields(expected)):
            np.testing.assert_array_equal(getattr(runs.summary(place), name), getattr(expected, name), err_msg=name)


def test_what_nobody_counted_is_not_there_and_counts_nothing_beside_what_somebody_did() -> None:
    bare = replace(pane_of(1, timed=False), cross=None, products=None, faults=None, exemplar=None)
    alone = PaneBlock.of(1, bare)
    assert (alone.latency, alone.cross, alone.products, alone.faults) == (None, None, None, False)
    assert_same(alone, {1: bare})
    both = merge([alone, PaneBlock.of(2, pane_of(2))])
    assert both.faults
    for of in (both.cross, both.products, both.latency):
        assert of is not None
        assert of[1].any()
        assert not of[0].any()


def test_panes_on_different_bins_do_not_add_up() -> None:
    other = replace(pane_of(1), summary=replace(pane_of(1).summary, bins_id="others"))
    with pytest.raises(BinsDiffer):
        merge([PaneBlock.of(1, pane_of(1)), PaneBlock.of(1, other)])


def test_closed_panes_are_as_many_messages_of_one_pane() -> None:
    p = pane_of(4)
    message = ClosedPane(
        Slice("m"),
        7,
        ("t", 0),
        5,
        p.summary,
        p.cross,
        p.detections,
        p.versions,
        p.faults,
        p.products,
        p.exemplar,
        p.names,
        p.outcomes,
    )
    (again,) = message.alone.each()
    assert (again.slice, again.number, again.source, again.offset) == (Slice("m"), 7, ("t", 0), 5)
    assert_same(message.alone.panes, {7: p})
    assert_same(again.alone.panes, {7: p})
