"""Means and quantiles from counts on a reference's bins, beside numpy's of the values themselves."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.core.bin_values import STATISTICS, BinValues
from driftd.core.event import Column, EventBatch
from driftd.core.reference import Reference
from driftd.ingest.binning import encode_with, summarise_with
from driftd.learn.build import Learning, build

N = 20_000


def batch_of(amount: NDArray[np.float64]) -> EventBatch:
    columns: dict[str, Column] = {"amount": amount, "few": np.arange(N) % 4 + 0.0, "city": ["DE", "FR"] * (N // 2)}
    return EventBatch("m", np.arange(N), np.arange(N, dtype=np.float64), columns)


def statistics(reference: Reference, batch: EventBatch) -> dict[str, NDArray[np.float64]]:
    panes = np.zeros(N, np.int64)
    summary = summarise_with(reference, batch, encode_with(reference, batch), panes)[0]
    found = BinValues.of(reference).statistics(summary)
    assert found.shape == (len(STATISTICS), len(reference.channels))
    return {c.name: found[:, row] for row, c in enumerate(reference.channels)}


def test_statistics_are_numpys_to_a_bin(rng: np.random.Generator) -> None:
    amount = rng.gamma(2.0, 50.0, N)
    found = statistics(build(batch_of(amount), Learning()), batch_of(amount))
    assert found["amount"] == pytest.approx([amount.mean(), *np.quantile(amount, [0.05, 0.5, 0.95])], rel=0.002)
    assert found["few"] == pytest.approx([1.5, 0, 1, 3], abs=1e-5)
    assert np.isnan(found["city"]).all()


def test_a_window_far_beyond_the_reference_has_finite_quantiles_between_its_edge_and_its_greatest_value(
    rng: np.random.Generator,
) -> None:
    amount = rng.uniform(1, 2, N)
    found = statistics(build(batch_of(amount), Learning()), batch_of(amount * 100))["amount"]
    # 20,000 values lie evenly from the edge at 2 to the greatest, 200: they really lie from 100 on
    assert found[1:] == pytest.approx([2 + 0.05 * 198, 2 + 0.5 * 198, 2 + 0.95 * 198], rel=0.01)
    below = statistics(build(batch_of(amount), Learning()), batch_of(-amount))["amount"]
    assert (np.diff(below[1:]) > 0).all()
    assert -2 <= below[1] < below[3] <= 1


def test_without_a_value_there_is_no_statistic(rng: np.random.Generator) -> None:
    reference = build(batch_of(rng.uniform(1, 2, N)), Learning())
    assert np.isnan(statistics(reference, batch_of(np.full(N, np.nan)))["amount"]).all()
