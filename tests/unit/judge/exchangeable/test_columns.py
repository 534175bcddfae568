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


def test_sums_do_not_depend_on_the_rows_that_are_left_out(rng: np.random.Generator) -> None:
    columns = Columns.of(ROWS)
    numbers = rng.normal(size=(12, *ROWS.shape)) * ROWS
    whole = numbers.sum(axis=-1)
    np.testing.assert_array_equal(columns.sums(columns.take(numbers)), whole)
    for rows in (USED > 20, USED == 6, USED > 0):
        chosen = columns.chosen(rows)
        part = columns.take(numbers)[:, chosen.which]
        np.testing.assert_array_equal(columns.sums(part, chosen), whole[:, rows])
