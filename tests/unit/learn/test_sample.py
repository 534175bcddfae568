"""A sample is the same however events arrive, never too large, and has its part of every partition and hour."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftd.core.event import EventBatch, concatenate
from driftd.learn import sample
from driftd.learn.sample import Sample

N = 6000


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "MOST_VALUES", 1500)


def events(begin: int, end: int) -> EventBatch:
    index = np.arange(begin, end)
    return EventBatch("m", index.astype(np.int64), index.astype(np.float64), {"x": index.astype(np.float64)})


def of(cuts: list[int]) -> Sample:
    out = Sample.empty()
    bounds = sorted({0, N, *cuts})
    for a, b in pairwise(bounds):
        for partition in (0, 1):
            rows = events(a, b)
            out = out.add(rows, (rows.times // 100).astype(np.int64), partition)
    return out


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, N - 1), max_size=8))
def test_any_split_of_the_events_gives_the_same_sample(cuts: list[int]) -> None:
    whole, parts = of([]), of(cuts)
    assert parts.thinning == whole.thinning > 1
    assert parts.events == whole.events == 2 * N
    assert parts.all().offsets.tolist() == whole.all().offsets.tolist()
    assert parts.all().times.tolist() == whole.all().times.tolist()


def test_it_is_never_larger_than_it_may_be_and_holds_its_share() -> None:
    rows = of([]).all()
    assert len(rows) <= 1500
    assert len(rows) == pytest.approx(2 * N / of([]).thinning, rel=0.5)


def test_few_events_are_all_kept() -> None:
    rows = events(0, 1500)
    out = Sample.empty().add(rows, (rows.times // 100).astype(np.int64), 0)
    assert (out.thinning, len(out.all())) == (1, 1500)


def test_every_partition_and_every_hour_has_its_part() -> None:
    out = Sample.empty()
    for partition in range(8):
        rows = events(0, 64 * 400)
        out = out.add(rows, (rows.times // 6400).astype(np.int64), partition)
    # 8 * 400 units are thinned to about 23: a deviation of 4 standard errors of a binomial is 20
    times = concatenate(out.rows).times
    assert len(times) / 64 == pytest.approx(8 * 400 / out.thinning, abs=20)
    assert times.mean() / (64 * 400) == pytest.approx(0.5, abs=0.25)


def test_neighbours_stay_together() -> None:
    # a value that repeats shows only beside the one before it
    gaps = np.diff(np.sort(of([]).rows[0].offsets))
    assert np.mean(gaps <= 1) > 0.9


def test_batches_of_many_features_are_few_and_large_ones_are_seldom_copied() -> None:
    """2,000 batches of three events: of 200 features they must not lie side by side, of which each is an array."""
    out, copied, names = Sample.empty(), 0, [f"f{i}" for i in range(200)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample, "MOST_VALUES", 2_000_000)
        for n in range(2000):
            index = np.arange(3 * n, 3 * n + 3)
            rows = EventBatch("m", index, index.astype(np.float64), dict.fromkeys(names, index * 1.0))
            before = out.rows
            out = out.add(rows, index // 100, 0)
            copied += sum(len(r) for r in out.rows if not any(r is b for b in (*before, rows))) - 3
            assert len(out.rows) <= 6 + np.log2(6000)
    assert out.all().offsets.tolist() == list(range(6000))
    assert copied < 6000 * np.log2(2000)


def test_batches_of_few_features_lie_side_by_side() -> None:
    out = Sample.empty()
    for n in range(60):
        rows = events(3 * n, 3 * n + 3)
        out = out.add(rows, (rows.times // 100).astype(np.int64), 0)
    assert len(out.rows) == 60
