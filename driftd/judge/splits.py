"""Evidence that a share has changed, when neither the old share nor the new one is known.

A split is x of m events; before the change a of them were counted and b were not. With p ~ Beta(1/2, 1/2) before any
event, what is seen after has the Beta-binomial probability BB(x; m, a + 1/2, b + 1/2) while nothing has changed, and
BB(x; m, phi a + 1/2, phi b + 1/2) when all but ``memory`` events of the past have become worthless. Their ratio is the
Bayes factor of a change. Nothing is plugged in, so a small reference is paid for by itself: its mean without a change
is 1 averaged over p, and at most 1.1 at any p that was tried (tests).

The factor of a whole channel comes from its columns in two ways:
  singles  each column against all others; averaged with weights (one share rose or fell)
  chain    each column against those after it; these are independent, so their product over any subset is a Bayes
           factor too, and prod(1 - rho + rho factor) is the average over all subsets (many shares moved, or two that
           swapped)
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRIOR: Final = 0.5
MEMORIES: Final = (4.0, 50.0)
"""Events of the past that a changed share still follows: nearly none, or within about .14 standard deviations."""
_LOG_ROOT: Final = 0.5 * np.log(2 * np.pi)


def log_gamma(z: Floats) -> Floats:
    """ln Gamma(z) for z >= 1/2, within 1e-5 (Stirling's series at z + 2): a third of the time of an exact one."""
    w = z + 2.0
    r = 1.0 / w
    out: Floats = (w - 0.5) * np.log(w) - w + (_LOG_ROOT + r * (1 / 12 - r * r / 360)) - np.log(z * (z + 1.0))
    return out


def log_probability(x: Floats, y: Floats, a: Floats, b: Floats) -> Floats:
    """ln of the Beta-binomial probability of one order of x hits and y misses, given Beta(a, b)."""
    out: Floats = (
        log_gamma(x + a) + log_gamma(y + b) - log_gamma(x + y + a + b) - log_gamma(a) - log_gamma(b) + log_gamma(a + b)
    )
    return out


def log_factor(x: Floats, y: Floats, a: Floats, b: Floats) -> Floats:
    """ln Bayes factor of a change: x hits and y misses after, a and b before; all broadcast, all float64."""
    same = log_probability(x, y, a + PRIOR, b + PRIOR)
    past = np.maximum(a + b, 1e-9)
    parts = []
    for memory in MEMORIES:
        phi = np.minimum(memory / past, 1.0)
        parts.append(log_probability(x, y, phi * a + PRIOR, phi * b + PRIOR))
    out: Floats = np.logaddexp(parts[0], parts[1]) - (same + np.log(2))
    return out


def log_mean_of_subsets(log_factors: Floats, rho: Floats) -> Floats:
    """ln prod(1 - rho + rho factor) over the last axis."""
    part = np.log1p(rho * np.expm1(np.minimum(log_factors, 600.0)))
    out: Floats = np.sum(part, axis=-1)
    return out
