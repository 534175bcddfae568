"""The judge's steps worked out ahead leave what steps one by one leave, to the bit, and step back where one matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from driftd.core.event import EventBatch
from driftd.judge.ahead import LEAST_BATCHES, MOST_BATCHES, ahead
from driftd.judge.runtime import ModelJudge
from driftd.judge.step import MicroBatch
from tests.unit.core.make import wide
from tests.unit.judge.test_runtime import bits, guard, panes, reference, seasonal, thresholds

N = 9000


@cache
def stream() -> EventBatch:
    """Two events a second; x rises after event 6,000."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(2, N))
    x[6000:] += 1.0
    return wide({"x": x, "y": y}, per_second=2.0, begin=3010.0)


@cache
def seen() -> Sequence[MicroBatch]:
    return panes(reference(), stream())


@cache
def limits() -> NDArray[np.float64]:
    return thresholds(reference())


def after(count: int, mine: ModelJudge | None = None, begin: int = 0, *, cross: bool = True) -> ModelJudge:
    """A judge that has taken panes one by one."""
    mine = mine or guard(reference())
    for pane in seen()[begin:count]:
        for _ in mine.take(reference(), changed(pane, cross=cross), limits()):
            pass
    return mine


def changed(part: MicroBatch, *, cross: bool = True, external: float = np.nan) -> MicroBatch:
    since: NDArray[np.float64] = part.external_since.copy()
    since[0] = external
    return replace(part, cross=part.cross if cross else None, external_since=since)


@settings(max_examples=16)
@given(st.integers(3, 280), st.integers(1, 60), st.booleans())
@example(280, 60, True)  # on the way x rises
@example(200, 30, False)
@example(3, 60, True)  # with fewer candidates than there is room for
def test_the_same_to_the_bit(begin: int, count: int, cross: bool) -> None:
    mine, other = after(begin), after(begin)
    if not cross:
        mine.forget_pairs()
        other.forget_pairs()
    steps = ahead(mine, reference(), [changed(p, cross=cross) for p in seen()[begin : begin + count]], limits())
    assert steps or count < 3 * LEAST_BATCHES + 2
    for place, step in enumerate(steps):
        other = after(begin + place + 1, other, begin + place, cross=cross)
        mine.state, mine.waiting = step.state, step.waiting
        for name in ("s", "since", "parts"):
            assert getattr(step.state, name).tobytes() == getattr(other.state, name).tobytes(), name
    assert bits(reference(), mine) == bits(reference(), other)


def test_as_many_panes_as_end_with_a_micro_batch_and_no_more_than_pay() -> None:
    mine = after(36)  # three panes a micro-batch
    assert len(ahead(mine, reference(), seen()[36:47], limits())) == 9
    assert not ahead(mine, reference(), seen()[36 : 36 + 3 * (LEAST_BATCHES - 1)], limits())
    assert len(ahead(mine, reference(), seen()[36:286], limits())) == 3 * MOST_BATCHES


def test_up_to_where_an_episode_would_open_and_nothing_while_it_is_open() -> None:
    begin = 285  # x rises with pane 300
    steps = ahead(after(begin), reference(), seen()[begin : begin + 60], limits())
    assert 15 <= len(steps) < 60
    mine = after(begin + len(steps))
    assert not mine.state.episodes.open.any()
    assert after(begin + len(steps) + 3, mine, begin + len(steps)).state.episodes.open.any()
    assert not ahead(mine, reference(), seen()[begin + len(steps) + 3 : begin + 90], limits())


def test_up_to_where_another_detector_sees_a_change() -> None:
    parts = [changed(part, external=3400.0 if 15 <= i < 18 else np.nan) for i, part in enumerate(seen()[36:66])]
    assert len(ahead(after(36), reference(), parts, limits())) == 15


def test_nothing_where_pairs_are_counted_in_some_batches_only() -> None:
    parts = [changed(part, cross=not 15 <= i < 18) for i, part in enumerate(seen()[36:66])]
    assert not ahead(after(36), reference(), parts, limits())


def test_nothing_where_weeks_are_judged() -> None:
    assert not ahead(guard(seasonal()), seasonal(), seen()[:60], thresholds(seasonal()))
