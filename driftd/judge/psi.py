"""PSI of a change that a few numbers describe, so that one least effect holds for all of them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_CORRELATION: Final = 0.999
"""Correlation at which a larger one is taken. Derived: PSI of a correlation of 1 is not finite."""


def of_correlations(then: Floats, now: Floats) -> Floats:
    """Between normal pairs with these correlations: the Kullback-Leibler divergence there and back."""
    r, s = (np.clip(v, -MOST_CORRELATION, MOST_CORRELATION) for v in (then, now))
    out: Floats = (1 - r * s) * (1 / (1 - r**2) + 1 / (1 - s**2)) - 2
    return out
