"""Several batches at once are the same as one after the other, to the bit."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from driftd.core import arrays
from driftd.judge.exchangeable import beta_binomial, independent
from driftd.judge.exchangeable.evidence import Evidence
from driftd.judge.exchangeable.independent import MARGIN, Compared
from driftd.judge.exchangeable.joint import Pairs
from driftd.judge.exchangeable.shape import Shape
from driftd.judge.exchangeable.stretch import KEPT, Stretch, ready, stretch
from tests.stage.judged import Floats, counted, model_of, reference_of

LEARNED, EVENTS, BATCH = 1000, 4000, 40
Places = NDArray[np.intp]


@cache
def channels(change: str) -> tuple[Shape, Pairs, Places]:
    """Of five channels, and the column of each event after the reference; from event 2,500 on something changes."""
    rng = np.random.default_rng(7)
    columns = model_of(rng, LEARNED + EVENTS, LEARNED + 2500, change)
    if change == "level":
        first = columns[0]
        assert isinstance(first, np.ndarray)
        first[LEARNED + 2500 :] += 0.3
    reference, placed, singles, doubles = reference_of(columns, LEARNED)
    allowed = np.ones(len(columns), bool)
    after = placed[:, LEARNED:].copy()
    after[4, rng.random(EVENTS) < 0.97] = -1  # labels are rare: batches without one
    return Shape.of(reference, singles, doubles), Pairs.of(reference, placed[:, :LEARNED], allowed), after


def batch(shape: Shape, placed: Places, at: int) -> NDArray[np.int64]:
    here = placed[:, at * BATCH : (at + 1) * BATCH]
    return np.stack([counted(row[row >= 0][None], shape.order.shape[1])[0] for row in here])


def same(one: Evidence, other: Evidence) -> None:
    mine, theirs = arrays.dump(one), arrays.dump(other)
    assert {name: x.tobytes() for name, x in mine.items()} == {name: x.tobytes() for name, x in theirs.items()}


@settings(max_examples=20)
@given(
    st.sampled_from(["", "level", "correlation"]),
    st.integers(1, 70),
    st.integers(1, 29),
    st.sampled_from([0.0, 8.0, 16.0, 700.0]),
)
@example("level", KEPT, 29, 0.0)  # everything exact from the first batch on
@example("", 2, 29, 8.0)  # there is room for candidates at first, then there is not
@example("", 3, 5, 0.0)  # and where it stays so
@example("level", 60, 29, 16.0)  # the change begins in the middle
def test_channels(change: str, begin: int, batches: int, log_a: float) -> None:
    shape, _, placed = channels(change)
    a, open_, one = np.full(len(shape.order), np.exp(log_a)), np.zeros(len(shape.order), bool), shape.start()
    every = [batch(shape, placed, i) for i in range(begin + batches)]
    for i in range(begin):
        one, _ = independent.step(one, shape, every[i], float(i), a, open_)
    if not ready(one):  # a label has not come yet
        return
    chained = np.take_along_axis(np.array(every[begin:]), shape.order[None], axis=2).astype(np.float64)
    begun = np.arange(begin, begin + batches, dtype=np.float64)
    got = stretch(one, chained, chained.sum(axis=2), begun, np.log(a) - MARGIN, partial(Compared.of, shape))
    steps: list[tuple[Floats, Floats]] = []
    for i in range(begin, begin + batches):
        one, s = independent.step(one, shape, every[i], float(i), a, open_)
        steps.append((s, one.since))
    told(got, one, steps)


@settings(max_examples=15)
@given(st.sampled_from(["", "correlation"]), st.integers(1, 70), st.integers(1, 29), st.sampled_from([1.0, 1e4, 1e9]))
@example("correlation", 60, 29, 1e4)
@example("", 1, 29, 1e4)
def test_pairs(change: str, begin: int, batches: int, a: float) -> None:
    _, pairs, placed = channels(change)
    every = [pairs.cross(placed[:, i * BATCH : (i + 1) * BATCH]) for i in range(begin + batches)]
    state = pairs.start()
    for i in range(begin):
        state, _ = pairs.step(state, every[i], BATCH, float(i), a=a)
    assert ready(state.evidence)
    sums = np.array([pairs.with_events(cross, BATCH) for cross in every[begin:]])[:, None]
    begun, enough = np.arange(begin, begin + batches, dtype=np.float64), np.log([a]) - MARGIN
    got = stretch(state.evidence, sums, sums[:, :, 0], begun, enough, pairs.compared)
    steps: list[tuple[Floats, Floats]] = []
    for i in range(begin, begin + batches):
        state, s = pairs.step(state, every[i], BATCH, float(i), a=a)
        steps.append((np.array([s]), state.evidence.since))
    told(got, state.evidence, steps)


def told(got: Stretch, after: Evidence, steps: list[tuple[Floats, Floats]]) -> None:
    assert got.s.tobytes() == np.array([s for s, _ in steps]).tobytes()
    assert got.since.tobytes() == np.array([since for _, since in steps]).tobytes()
    same(got.evidence(len(steps) - 1), after)


def test_a_stretch_waits_until_each_row_has_a_candidate_and_no_episode_is_open() -> None:
    shape, _, placed = channels("level")
    a, nobody, one = np.full(len(shape.order), 1e7), np.zeros(len(shape.order), bool), shape.start()
    assert not ready(one)
    for i in range(50):
        there = np.isfinite(one.changes.log_weight[0]).all()  # labels are rare
        assert ready(one) == there
        one, _ = independent.step(one, shape, batch(shape, placed, i), float(i), a, nobody)
    assert ready(one)
    frozen, _ = independent.step(one, shape, batch(shape, placed, 50), 50.0, a, ~nobody)
    assert not ready(frozen)
    assert not ready(one.without(~nobody))


@pytest.mark.parametrize("n", [beta_binomial.MANY - 1, beta_binomial.MANY, 2 * beta_binomial.MANY + 3])
def test_so_many_shares_are_the_same_in_pieces(rng: np.random.Generator, n: int) -> None:
    x, y, a, b = rng.integers(0, 1000, (4, n)).astype(np.float64)
    whole = beta_binomial.log_factor(x[None], y[None], a[None], b[None])[0]  # two axes are never cut
    assert beta_binomial.log_factor(x, y, a, b).tobytes() == whole.tobytes()
