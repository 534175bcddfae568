"""The smallest change named is found by the judge itself 9 times in 10, on simulated values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.core.channel import Channel, Role
from driftd.core.event import Kind
from driftd.core.reference import Reference, bins_id, numeric_bins
from driftd.core.summary import MISSING, Summary
from driftd.judge import sensitivity
from driftd.judge.exchangeable import independent
from driftd.judge.exchangeable.shape import Shape

Floats = NDArray[np.float64]
STREAMS = 100
PANES = 20


def references(rng: np.random.Generator, events: int) -> tuple[Reference, Shape]:
    """STREAMS channels of independent normal values, each with a reference of its own."""
    values = rng.normal(size=(STREAMS, events))
    channels = tuple(Channel(f"f{i}", Role.FEATURE, Kind.NUMERIC) for i in range(STREAMS))
    bins = tuple(numeric_bins(v) for v in values)
    width = max(b.used for b in bins)
    counts = np.stack([np.bincount(b.place(v), minlength=width) for b, v in zip(bins, values, strict=True)])
    empty = Summary.empty(bins_id("m", channels, bins), STREAMS, width)
    zeros, ones = np.zeros(STREAMS), np.ones(STREAMS)
    reference = Reference("m", 1, channels, bins, replace(empty, counts=counts, events=events), zeros, ones, True, 0, 1)
    return reference, Shape.of(reference, zeros, zeros)


def counts_of(reference: Reference) -> Floats:
    return reference.summary.counts.astype(np.float64)


def share_found(reference: Reference, shape: Shape, a: float, values: Floats) -> float:
    """Of how many streams the judge reaches ``a``; values float64[STREAMS, events] come right after the reference."""
    state, found = shape.start(), np.zeros(STREAMS, bool)
    for number, pane in enumerate(np.split(values, PANES, axis=1)):
        rows = zip(reference.bins, pane, strict=True)
        counts = np.stack([np.bincount(b.place(v), minlength=reference.width) for b, v in rows])
        state, s = independent.step(state, shape, counts, float(number), np.full(STREAMS, a), np.zeros(STREAMS, bool))
        found |= s >= a
    return float(np.mean(found))


@pytest.mark.parametrize(
    ("known", "within", "a"),
    [
        pytest.param(3000, 1000, 1e6, id="a short reference"),
        pytest.param(3000, 2000, 1e9, id="a small budget"),
        pytest.param(20_000, 1000, 1e9, id="a larger reference"),
        pytest.param(20_000, 4000, 1e6, id="a small shift of a larger reference"),
    ],
)
def test_the_shift_named_is_found_9_times_in_10(rng: np.random.Generator, known: int, within: int, a: float) -> None:
    reference, shape = references(rng, known)
    few = np.full(STREAMS, a), np.full(STREAMS, float(within))
    shift = sensitivity.smallest_shift(shape, counts_of(reference), *few)
    values = rng.normal(size=(STREAMS, within)) + np.where(np.arange(STREAMS) % 2, shift, -shift)[:, None]
    assert 0.84 <= share_found(reference, shape, a, values) <= 0.97


@pytest.mark.parametrize(("known", "within", "a"), [(3000, 1000, 1e6), (20_000, 2000, 1e9)])
def test_the_missing_values_named_are_found_9_times_in_10(
    rng: np.random.Generator, known: int, within: int, a: float
) -> None:
    reference, shape = references(rng, known)
    few = np.full(STREAMS, a), np.full(STREAMS, float(within))
    rise = sensitivity.smallest_rise(shape, counts_of(reference), *few, np.full(STREAMS, MISSING))
    values = rng.normal(size=(STREAMS, within))
    values[rng.random(values.shape) < rise[:, None]] = np.nan
    assert 0.84 <= share_found(reference, shape, a, values) <= 0.99


def test_more_events_a_larger_budget_and_a_larger_reference_see_smaller_shifts(rng: np.random.Generator) -> None:
    shape, larger = references(rng, 1000), references(rng, 10_000)
    one = np.ones(5)

    def shift(of: tuple[Reference, Shape], a: float, events: float) -> float:
        reference, shape = of
        counts = counts_of(reference)[:5]
        return float(np.median(sensitivity.smallest_shift(shape.take(slice(0, 5)), counts, a * one, events * one)))

    assert shift(shape, 1e6, 500) > shift(shape, 1e6, 2000)
    assert shift(shape, 1e6, 500) > shift(shape, 1e4, 500)
    assert shift(shape, 1e6, 2000) > shift(larger, 1e6, 2000)


def test_the_answer_is_always_the_same_and_nan_where_nothing_is_found(rng: np.random.Generator) -> None:
    reference, shape = references(rng, 1000)
    shape = shape.take(slice(0, 3))
    few = counts_of(reference)[:3], np.full(3, 1e6), np.array([500.0, 500.0, 2.0])
    shift = sensitivity.smallest_shift(shape, *few)
    assert np.array_equal(shift, sensitivity.smallest_shift(shape, *few), equal_nan=True)
    assert np.isnan(shift).tolist() == [False, False, True]


def test_a_shift_moves_every_value_by_so_many_deviations(rng: np.random.Generator) -> None:
    reference, _ = references(rng, 50_000)
    moved = sensitivity.shifted(counts_of(reference), np.full(STREAMS, 0.5))[0]
    seen = np.bincount(reference.bins[0].place(rng.normal(0.5, 1, 200_000)), minlength=reference.width) / 200_000
    assert moved.sum() == pytest.approx(1)
    assert np.abs(moved - seen).max() < 0.01
