"""Evidence that a share has changed, when neither the old share nor the new one is known.

A share is x of m events; of those before the change a were counted and b were not. With p ~ Beta(1/2, 1/2) before any
event, the events after have the Beta-binomial probability BB(x; m, a + 1/2, b + 1/2) while nothing has changed, and
BB(x; m, phi a + 1/2, phi b + 1/2) when all but ``memory`` events of the past no longer apply. Their ratio is the
Bayes factor of a change. No estimate is plugged in, so a small reference costs delay, not false alarms: the factor's
mean without a change is 1 averaged over p, and at most 1.1 at any p that was tried (tests).

The factor of a whole channel comes from its columns in a chain: each column against those after it. These factors are
independent, so their product over any subset of the columns is a Bayes factor too, and prod(1 - rho + rho factor) is
the average over all subsets (one share rose, two swapped, many moved), from which the empty one is taken out.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRIOR: Final = 0.5
"""Counts added to hits and misses. Derived: Jeffreys' prior, Beta(1/2, 1/2)."""
MEMORIES: Final = (4.0, 50.0)
"""Events of the past that a changed share still agrees with. Chosen: nearly none for large changes, and for small ones
as many as leave .14 standard deviations, 1 / sqrt(50)."""
STIRLING: Final = (1 / 12, 1 / 360)
"""Coefficients of Stirling's series for ln Gamma. Derived: Abramowitz and Stegun 6.1.41."""
TAIL: Final = 0.1
"""Of the distance from the expected count, what is added to the variance in the cheap bound. Measured: the bound is
above .7 of the exact factor, less 1 nat, in 99.9 % of cases above 8 nats (test_beta_binomial.py)."""
HALF_NORMAL: Final = 1.5
"""Divisor of the squared distance in the cheap bound; 2 would be the normal likelihood ratio. Measured: as above."""
FEW: Final = 512
"""Shares up to which all memories are worked out together. Measured: for few the calls cost more than the numbers, many
do not stay in the processor's cache."""
MANY: Final = 4096
"""Shares that are worked out at a time, of more. Measured: what they need stays in the processor's cache; 24,000 at
once take twice as long."""
MOST_NATS: Final = 600.0
"""Largest logarithm that is exponentiated. Derived: e**709 is the largest float."""


def _series(w: Floats) -> Floats:
    """ln Gamma(w) + w - ln(2 pi) / 2 by Stirling's series, within 1e-4 for w >= 1.5."""
    r = 1.0 / w
    out: Floats = np.log(w)
    out *= w - 0.5
    rest = r * r
    rest *= STIRLING[1]
    np.subtract(STIRLING[0], rest, out=rest)
    rest *= r
    out += rest
    return out


def log_probability(x: Floats, y: Floats, a: Floats, b: Floats) -> Floats:
    """ln of the Beta-binomial probability of x hits and y misses in one order, given Beta(a, b), a and b >= 1/2.

    ln B(x + a, y + b) - ln B(a, b). Gamma(z) is Gamma(z + 1) / z; what cancels between the six of them is left out.
    """
    xa, yb = x + a, y + b
    w = np.empty((2, 3, *xa.shape))  # all at once: for a few hundred shares the calls cost more than the numbers
    w[0, 0], w[0, 1], w[1, 0], w[1, 1] = xa, yb, a, b
    np.add(w[:, 0], w[:, 1], out=w[:, 2])
    rest = np.log((w[0, 2] / (xa * yb)) * (w[1, 0] * w[1, 1] / w[1, 2]))
    w += 1
    each = _series(w)
    beta = each[:, 0] + each[:, 1]
    beta -= each[:, 2]
    out: Floats = beta[0] - beta[1]
    out += rest
    return out


def log_factor(x: Floats, y: Floats, a: Floats, b: Floats) -> Floats:
    """ln Bayes factor of a change: x hits and y misses after, a and b before; all broadcast, all float64."""
    if x.ndim == 1 and len(x) > MANY:
        parts = (slice(low, low + MANY) for low in range(0, len(x), MANY))
        return np.concatenate([log_factor(x[part], y[part], a[part], b[part]) for part in parts])
    past = np.maximum(a + b, 1e-9)
    memories = np.array([np.inf, *MEMORIES])  # nothing is forgotten while nothing has changed
    if x.size <= FEW:
        kept = np.minimum(memories.reshape(-1, *(1,) * past.ndim) / past, 1.0)
        same, one, other = log_probability(x, y, kept * a + PRIOR, kept * b + PRIOR)
    else:
        each = (np.minimum(memory / past, 1.0) for memory in memories)
        same, one, other = (log_probability(x, y, phi * a + PRIOR, phi * b + PRIOR) for phi in each)
    out: Floats = np.maximum(one, other) + np.log1p(np.exp(-np.abs(one - other))) - (same + np.log(2))
    return out


def most_log_factor(x: Floats, y: Floats, a: Floats, b: Floats) -> Floats:
    """About the most that ``log_factor`` can be, without a logarithm: the likelihood ratio of the share seen after."""
    n = a + b + 1
    m = x + y
    p = (a + PRIOR) / n
    expected = m * p
    more = x - expected
    spread = expected * (1 - p) * (1 + m / n) + TAIL * np.abs(more) + 1e-9
    return np.asarray(more * more / (HALF_NORMAL * spread), np.float64)


def log_mean_of_subsets(log_factors: Floats, chance: Floats) -> Floats:
    """ln of the average, over all subsets but the empty one, of the product of the factors: last axis."""
    none = np.sum(np.log1p(-chance), axis=-1)
    with np.errstate(divide="ignore"):
        return some_of(np.sum(in_some(log_factors, chance), axis=-1), none, np.log(-np.expm1(none)))


def in_some(log_factors: Floats, chance: Floats) -> Floats:
    """What each column adds to the average over all subsets: ln(1 - rho + rho factor)."""
    part: Floats = np.log1p(chance * np.expm1(np.minimum(log_factors, MOST_NATS)))
    return part


def some_of(every: Floats, none: Floats, some: Floats) -> Floats:
    """ln of the average without the empty subset, from that over ``every`` subset; ``none`` and ``some``: ln of the
    chance that no column is in the subset, and that any is.
    """
    ratio = every - none
    # ln (e**ratio - 1) + none - ln (1 - e**none), without overflow
    with np.errstate(divide="ignore"):
        out: Floats = ratio + np.log(-np.expm1(-np.maximum(ratio, 1e-12))) + none - some
    return out
