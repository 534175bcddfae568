"""Panes kept as events against the same panes summed one by one."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from driftd.core.by_pane import ByPane
from driftd.core.event_sums import EventSums
from driftd.core.fault_counters import COLUMNS
from driftd.core.pane_block import MOMENTS, EventBlock, PaneBlock, block_of, merge
from driftd.core.summary import LATENCY_LE

CHANNELS = 3
LAST = COLUMNS + MOMENTS


@dataclass(frozen=True)
class Pairs:
    """Products of the first two channels' bins."""

    times: int = 1

    def crosses(self, bins: NDArray[np.intp], panes: ByPane) -> NDArray[np.int64]:
        return self.times * panes.sums((bins[0] * bins[1])[None]).T


PAIRS = Pairs()


def block(rng: np.random.Generator, numbers: list[int], width: int = 40) -> PaneBlock:
    """Panes with these numbers, ascending, of one to three events each."""
    k = len(numbers)
    sizes = rng.integers(1, 4, k)
    bins = rng.integers(-1, width, (CHANNELS, int(sizes.sum())))
    others = rng.integers(0, 9, (k, CHANNELS, LAST))
    return block_of(
        EventSums.of(bins, np.cumsum(sizes) - sizes, others, width),
        PAIRS,
        PAIRS,
        bins_id="bins",
        numbers=np.array(numbers),
        totals=np.stack([sizes, sizes, sizes], axis=1),
        times=np.zeros((k, 2)),
        extremes=np.zeros((k, CHANNELS, 2)),
        latency_le=np.zeros((k, len(LATENCY_LE) + 1), np.int64),
    )


def assert_same(one: PaneBlock | None, other: PaneBlock | None) -> None:
    assert (one is None) == (other is None)
    if one is None or other is None:
        return
    for (number, pane), (same, whole) in zip(one.each(), other.each(), strict=True):
        assert number == same
        np.testing.assert_array_equal(pane.summary.counts, whole.summary.counts)
        for mine, theirs in ((pane.cross, whole.cross), (pane.products, whole.products)):
            np.testing.assert_array_equal(mine, theirs)
    for f in fields(PaneBlock):
        np.testing.assert_array_equal(getattr(one.dense, f.name), getattr(other.dense, f.name), err_msg=f.name)


panes = st.lists(st.integers(0, 30), min_size=1, max_size=12, unique=True).map(sorted)


def test_each_event_counts_where_it_belongs_and_nowhere_without_a_bin() -> None:
    bins, others = np.array([[2, -1, 0], [-1, -1, 1]]), np.array([[[7], [8]], [[5], [6]]])
    sums = EventSums.of(bins, np.array([0, 2]), others, 3)
    assert sums.shape == (2, 2, 4)
    assert sums.each.tolist() == [[[0, 0, 1, 7], [0, 0, 0, 8]], [[1, 0, 0, 5], [0, 1, 0, 6]]]
    assert sums.summed(np.array([0])).tolist() == [[[1, 0, 1, 12], [0, 1, 0, 14]]]


@given(numbers=panes, last=st.integers(-1, 31), seed=st.integers(0, 99))
def test_events_are_cut_as_their_sums_are(numbers: list[int], last: int, seed: int) -> None:
    mine = block(np.random.default_rng(seed), numbers)
    assert isinstance(mine, EventBlock)
    for part, whole in zip(mine.cut(last), mine.dense.cut(last), strict=True):
        assert_same(part, whole)
    _, after = mine.cut(last)
    if isinstance(after, EventBlock) and after is not mine:  # else a thousand panes wait in memory for one
        assert after.every.places.base is None


@given(parts=st.lists(panes, min_size=1, max_size=4), seed=st.integers(0, 99), summed=st.booleans(), anew=st.booleans())
def test_events_are_merged_as_their_sums_are(parts: list[list[int]], seed: int, *, summed: bool, anew: bool) -> None:
    rng = np.random.default_rng(seed)
    blocks = [block(rng, numbers) for numbers in parts]
    if anew and isinstance(blocks[-1], EventBlock):  # the last was counted with pairs that were learned since
        blocks[-1] = replace(blocks[-1], pairs=Pairs(2))
    mine = [blocks[0].dense, *blocks[1:]] if summed else blocks
    assert_same(merge(mine), merge([b.dense for b in blocks]))


@given(numbers=panes, seed=st.integers(0, 99), data=st.data())
def test_runs_of_events_are_summed_as_their_sums_are(numbers: list[int], seed: int, data: st.DataObject) -> None:
    mine = block(np.random.default_rng(seed), numbers)
    starts = sorted({0, *data.draw(st.sets(st.integers(0, len(numbers) - 1)))})
    assert_same(mine.summed(starts), mine.dense.summed(starts))
    assert mine.cross is None
    assert mine.dense.cross is not None
    assert mine.values.summed(starts).cross is mine.values.dense.products is None


def test_many_events_of_one_pane_become_its_sums(rng: np.random.Generator) -> None:
    mine, every = block(rng, [7]), 1
    while isinstance(mine, EventBlock):
        mine, every = merge([mine, block(rng, [7])]), every + 1
        assert every < 100
    assert not isinstance(merge([mine, block(rng, [7])]), EventBlock)
