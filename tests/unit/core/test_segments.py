"""Sums of runs of rows."""

from __future__ import annotations

import numpy as np
import pytest

from driftd.core.segments import WIDE, segment_sums


@pytest.mark.parametrize("columns", [3, WIDE // 2, 2 * WIDE])
@pytest.mark.parametrize("starts", [[0], [0, 1, 2, 5, 9], list(range(10)), []])
def test_each_run_is_summed_however_wide_its_rows_are(
    rng: np.random.Generator, columns: int, starts: list[int]
) -> None:
    rows = rng.integers(-9, 9, (10, 2, columns))
    ends = [*starts[1:], len(rows)]
    expected = [rows[start:end].sum(axis=0) for start, end in zip(starts, ends, strict=False)]
    np.testing.assert_array_equal(segment_sums(rows, starts), np.array(expected).reshape(len(starts), 2, columns))
