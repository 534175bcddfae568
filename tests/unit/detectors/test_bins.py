"""Bins are merged until theory holds, and the window's drift is still seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from driftd.core.errors import BinsDiffer
from driftd.detectors._bins import EXPECTED, Floats, merge_counts, merged
from tests.unit.detectors import make


def one(*counts: float) -> Floats:
    return np.array([counts], np.float64)


@pytest.mark.parametrize(
    ("reference", "current", "bins"),
    [
        pytest.param([500, 500], [500, 500], 2, id="enough on either side"),
        pytest.param([500, 500, 5], [500, 500, 5], 2, id="a thin bin at the end joins the last"),
        pytest.param([5, 500, 500], [5, 500, 500], 2, id="a thin bin at the beginning joins the next"),
        pytest.param([0, 1000, 0], [0, 1000, 0], 1, id="one bin holds everything"),
        pytest.param([1000, 0], [500, 500], 2, id="a bin that only the window fills stands alone"),
        pytest.param([1000, 1000], [10, 10], 1, id="the smaller side decides"),
        pytest.param([0, 0], [10, 10], 1, id="no reference"),
    ],
)
def test_merging(reference: list[float], current: list[float], bins: int) -> None:
    assert merge_counts(one(*reference), one(*current)).bins.tolist() == [bins]


counts = hnp.arrays(np.float64, (3, 12), elements=st.integers(0, 400).map(float))


@given(counts, counts)
def test_merging_keeps_every_count_and_every_bin_is_thick_enough(reference: Floats, current: Floats) -> None:
    both = merge_counts(reference, current)
    np.testing.assert_array_equal(both.reference.sum(axis=1), reference.sum(axis=1))
    np.testing.assert_array_equal(both.current.sum(axis=1), current.sum(axis=1))
    several = both.bins > 1
    assert (both.least[several] >= EXPECTED - 1e-9).all()
    assert not both.reference[~both.inside].any()


@given(counts, counts)
def test_merging_all_channels_at_once_is_merging_each_alone(reference: Floats, current: Floats) -> None:
    together = merge_counts(reference, current)
    for row in range(len(reference)):
        alone = merge_counts(reference[row : row + 1], current[row : row + 1])
        np.testing.assert_array_equal(alone.reference[0], together.reference[row])
        np.testing.assert_array_equal(alone.current[0], together.current[row])


def test_other_bins_are_refused(rng: np.random.Generator) -> None:
    ref = make.reference({"x": rng.normal(size=100)})
    other = make.reference({"x": rng.normal(size=100)})
    with pytest.raises(BinsDiffer):
        merged(ref, other.summary)
