"""Products of scores by pane against a matrix product for each pane."""

from __future__ import annotations

import numpy as np
import pytest

from driftd.core.by_pane import ByPane
from driftd.core.products import TOGETHER, products_by_pane

Rng = np.random.Generator


@pytest.mark.parametrize("panes", [1, 7, 2000])
def test_each_pane_has_the_products_of_its_own_events(rng: Rng, panes: int) -> None:
    events = TOGETHER + 1000
    scores = rng.integers(-500, 500, (5, events)).astype(np.float64)
    # a third of the events in one pane, the others in panes of a few; in no order
    of = np.where(rng.random(events) < 1 / 3, -3, rng.integers(0, panes, events))
    by_pane = ByPane.of(of)
    first, second = np.divmod(np.arange(25), 5)
    sums = products_by_pane(scores, by_pane, first, second).reshape(-1, 5, 5)
    assert by_pane.numbers.tolist() == sorted(set(of.tolist()))
    assert sums.dtype == np.int64
    for number, products in zip(by_pane.numbers.tolist(), sums, strict=True):
        mine = scores[:, of == number].astype(np.int64)
        np.testing.assert_array_equal(products, mine @ mine.T)
