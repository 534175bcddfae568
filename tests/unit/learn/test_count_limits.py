"""Which numbers are far: beyond what a reference shows, by more where it shows little."""

from __future__ import annotations

import numpy as np
import pytest

from driftd.learn.natural import count_limits

NO = np.zeros(1, bool)


def test_a_constant_is_far_a_hundredfold_and_a_weekday_is_not() -> None:
    limits = count_limits(np.array([[1.0] * 50, [-2.0] * 50, [0.0] * 50]), np.full(3, 3.0), young=np.zeros(3, bool))
    assert limits.high[0] == 32
    assert (limits.low[1], limits.high[1]) == (-64, -2 / 32)
    assert np.isnan([limits.low[2], limits.high[2]]).all()  # nothing is far from 0 by a factor


def test_the_first_hours_ask_for_more() -> None:
    """8 times the largest, and nothing is too small: a calm night has no wind, cents are a hundred times dollars."""
    x = np.linspace(10.0, 20.0, 1001)[None]
    day, young = count_limits(x, np.array([3.0]), young=NO), count_limits(x, np.array([0.1]), young=~NO)
    assert young.high[0] == pytest.approx(8 * 20, rel=0.01)
    assert young.high[0] > day.high[0]
    assert young.low[0] < 0 < day.low[0]
