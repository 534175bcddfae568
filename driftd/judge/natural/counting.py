"""Numbers that count: a time, a running number, the day of the month. They leave their range without a fault, always.

Of such numbers nearly every step from one value to the next that differs goes the same way; the others are resets: a
midnight, the end of a month, a new file. Values that come in any order go up in half of the steps, and so does the
weather over a day.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ONE_WAY: Final = 0.8
"""Least share of the steps that go the same way. Derived: of weekdays six in seven; of steps in any order .8 have a
chance of .001 from STEPS on."""
STEPS: Final = 30
"""Steps from which on they show it. Chosen: with fewer a morning's temperature goes one way."""
SELDOM: Final = 0.25
"""Part of the hops that has a step, below which fewer are enough: the value changes with the day or the hour. Chosen:
other numbers differ from hop to hop."""
SELDOM_EVENTS: Final = 0.01
"""The same of events. Chosen: whole numbers that last a hundred events are the hour's or the day's."""
FACTOR: Final = 32.0
"""Factor beyond which a number that counts is far. Derived: the largest reset of a calendar, 31 to 1, is less."""


def of_hops(means: Floats) -> Bools:
    """bool[channels], from ``means`` float64[hops, channels] in order of time; NaN where a hop has none."""
    return _one_way(means, SELDOM)


def of_values(values: Floats) -> Bools:
    """bool[channels], from the values themselves, float64[channels, n] in order of time; NaN where one is missing."""
    with np.errstate(invalid="ignore"):
        whole = ~np.any(np.isfinite(values) & (values != np.rint(values)), axis=1)
    return _one_way(values.T, np.where(whole, SELDOM_EVENTS, 0.0))


def _one_way(series: Floats, seldom: Floats | float) -> Bools:
    up, down, known = np.zeros(series.shape[1]), np.zeros(series.shape[1]), np.zeros(series.shape[1])
    for channel in range(series.shape[1]):
        x = series[:, channel]
        x = x[np.isfinite(x)]
        up[channel], down[channel] = (x[1:] > x[:-1]).sum(), (x[1:] < x[:-1]).sum()
        known[channel] = max(len(x) - 1, 0)
    steps = up + down
    enough = (steps >= STEPS) | ((steps > 0) & (steps <= seldom * known))
    out: Bools = enough & (np.maximum(up, down) >= ONE_WAY * steps)
    return out
