"""The judge's steps worked out ahead leave what steps one by one leave, to the bit, and step back where one matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
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


def after(count: int, mine: ModelJudge | None = None, begin: int = 0) -> ModelJudge:
    """A judge that has taken panes one by one."""
    mine = mine or guard(reference())
    for pane in seen()[begin:count]:
        for _ in mine.take(reference(), pane, limits()):
            pass
    return mine


@settings(max_examples=12)
@given(st.integers(36, 250), st.integers(1, 60))
def test_the_same_to_the_bit(begin: int, count: int) -> None:
    mine, other = after(begin), after(begin)
    part = seen()[begin : begin + count]
    steps = ahead(mine, reference(), part, limits())
    for place, step in enumerate(steps):
        other = after(begin + place + 1, other, begin + place)
        mine.state, mine.waiting = step.state, step.waiting
        for name in ("s", "since", "parts"):
            assert getattr(step.state, name).tobytes() == getattr(other.state, name).tobytes(), name
    if steps:
        assert bits(reference(), mine) == bits(reference(), other)


def test_as_many_panes_as_end_with_a_micro_batch_and_no_more_than_pay() -> None:
    mine = after(36)  # three panes a micro-batch
    assert len(ahead(mine, reference(), seen()[36:46], limits())) == 9
    assert not ahead(mine, reference(), seen()[36 : 36 + 3 * (LEAST_BATCHES - 1)], limits())
    assert len(ahead(mine, reference(), seen()[36:286], limits())) == 3 * MOST_BATCHES


def test_nothing_where_an_episode_would_open_or_is_open() -> None:
    begin = 290  # x rises with pane 300
    mine = after(begin)
    assert ahead(mine, reference(), seen()[begin : begin + 9], limits())
    assert not ahead(mine, reference(), seen()[begin : begin + 60], limits())
    mine = after(360, mine, begin)
    assert mine.state.episodes.open.any()
    assert not ahead(mine, reference(), seen()[360:420], limits())


def changed(part: MicroBatch, *, cross: bool = True, external: float = np.nan) -> MicroBatch:
    since: NDArray[np.float64] = part.external_since.copy()
    since[0] = external
    return replace(part, cross=part.cross if cross else None, external_since=since)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"external": 3400.0}, id="another detector saw a change"),
        pytest.param({"cross": False}, id="pairs are not counted"),
    ],
)
def test_nothing_where_more_than_evidence_counts(other: dict[str, float]) -> None:
    mine, parts = after(36), [*seen()[36:66]]
    assert ahead(mine, reference(), parts, limits())
    parts[15:18] = [changed(part, **other) for part in parts[15:18]]  # type: ignore[arg-type]
    assert not ahead(mine, reference(), parts, limits())


def test_nothing_where_weeks_are_judged() -> None:
    assert not ahead(guard(seasonal()), seasonal(), seen()[:60], thresholds(seasonal()))
