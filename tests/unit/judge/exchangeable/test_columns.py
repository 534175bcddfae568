"""Columns side by side say the same as rows that are filled up, to the last digit."""

from __future__ import annotations

import numpy as np

from driftd.judge.exchangeable.columns import Columns

WIDTH = 103
USED = np.array([24, 103, 6, 2, 65])
ROWS = np.arange(WIDTH) < USED[:, None]


def test_counts_behind_each_column_are_those_of_its_row(rng: np.random.Generator) -> None:
    columns = Columns.of(ROWS)
    counts = rng.integers(0, 9, (12, *ROWS.shape)) * ROWS.astype(float)
    behind = np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1] - counts
    np.testing.assert_array_equal(columns.behind(columns.take(counts)), columns.take(behind))
    values = columns.behind(columns.take(counts))[:, columns.head]
    np.testing.assert_array_equal(values, counts[..., 2:].sum(axis=-1))


def test_sums_are_those_of_whole_rows(rng: np.random.Generator) -> None:
    columns = Columns.of(ROWS)
    numbers = rng.normal(size=(12, *ROWS.shape)) * ROWS
    np.testing.assert_array_equal(columns.whole_sums(columns.take(numbers)), numbers.sum(axis=-1))
    wanted = rng.random((12, len(ROWS))) < 0.5
    candidate, column = wanted[:, columns.row].nonzero()
    values = columns.take(numbers)[candidate, column]
    some = columns.sums(values, candidate, column, 12)
    np.testing.assert_array_equal(some, np.where(wanted, numbers.sum(axis=-1), 0.0))
