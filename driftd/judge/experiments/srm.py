"""Sample ratio mismatch: does each arm get the traffic that it is to get? Evidence as the log of an e-value."""

from __future__ import annotations

from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

SPREAD: Final = 1_000.0
"""Sets the deviation that is looked for, about 1/SPREAD of variance. Chosen: shares that are 1 to 3 points off."""
THRESHOLD: Final = log(1_000.0)
"""Evidence from which a ratio is broken. Chosen: 1 fair experiment in 1,000 ever gets there. With less, the many that
are fair would stop too many rollouts."""


def log_steps(
    counts: Counts, weights: Floats, seen: Floats, expected: Floats, spread: float = SPREAD
) -> tuple[Floats, Floats, Floats]:
    """What each stretch adds to the log e-value: a Dirichlet multinomial over the multinomial with ``weights``. Where
    these change, the Dirichlet's mean is the new weights, tilted as all stretches before were.

    Arguments: counts and weights [stretches, arms]; ``seen`` and ``expected`` [arms] of all before.
    Returns:   the steps; ``seen`` and ``expected`` after all.
    Known:     one stretch with [5000, 5400] at 1:1 is 5.8026; [821588, 815482] 7.6794; [860, 140] at 9:1 3.7780.
    Source:    Lindon and Malek 2020 (arXiv 2011.03567).
    """
    arms = counts.shape[1]
    sums = np.cumsum(np.concatenate([seen[None], counts]), axis=0)
    wanted = np.cumsum(np.concatenate([expected[None], weights * counts.sum(axis=1, keepdims=True)]), axis=0)
    mean = weights * (spread / arms + sums[:-1]) / (spread / arms + wanted[:-1])
    total, n = spread + sums[:-1].sum(axis=1), counts.sum(axis=1)
    prior = mean / mean.sum(axis=1, keepdims=True) * total[:, None]
    each = gammaln(prior + counts) - gammaln(prior) - counts * np.log(weights)
    return gammaln(total) - gammaln(total + n) + each.sum(axis=1), sums[-1], wanted[-1]
