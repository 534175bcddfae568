"""Evidence that the mean of a bounded score has moved by delta standard deviations, the old mean being unknown.

With N events before and m after, D the difference of their means and e = N m / (N + m),

    exp(e (delta D - h)),     e h = m K(delta N / (N + m)) + N K(-delta m / (N + m)),

has mean exactly 1 while nothing has changed when K is the cumulant generating function of the (standardised) score: it
is the likelihood ratio of what does not depend on the unknown mean (for normal scores h = delta**2 / 2). K is taken
from the reference and raised by 1.5 standard errors of the variance. h depends on m / (N + m) alone and is tabulated;
h is nearly linear in between, and convex enough that the straight line lies above.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RATIOS: Final = np.linspace(0, 1, 9)
"""m / (N + m) at which h is tabulated. Chosen: steps of 1/8, between which the straight line lies above h."""
ERRORS: Final = 1.5
"""Standard errors of the reference's variance by which K is raised. Measured: test_independent holds the bound for
heavy tails on references of 300."""
LARGEST_POWER: Final = 700.0
"""From 709.8 on e to the power of it is no float. Rare values of a reference of few events can lie so far out."""
SPENT: Final = 150.0
"""delta**2 e from where on a size is given up. Chosen: e**75 of evidence; a mean that had moved so far would have been
found long before, and the error of K grows with it."""


def table(share: Floats, score: Floats, events: Floats, deltas: Floats) -> Floats:
    """h, float64[rows, deltas, RATIOS]. ``share`` and ``score`` float64[rows, atoms], mean 0 and variance 1;
    ``events`` float64[rows] that they were counted from.
    """
    fourth = np.sum(share * score**4, axis=1)
    raised = 1 + ERRORS * np.sqrt(np.maximum(fourth - 1, 0.0) / np.maximum(events, 1))

    large = np.max(np.abs(score), initial=0.0) * np.max(np.abs(deltas), initial=0.0) > LARGEST_POWER

    def k(theta: float) -> Floats:
        power, far = theta * score, 0.0
        if large:
            power = np.where(share > 0, power, -np.inf)
            far = np.maximum(np.max(power, axis=1, keepdims=True) - LARGEST_POWER, 0.0)
        out: Floats = np.log(np.sum(share * np.exp(power - far), axis=1)) + np.ravel(far)
        return out

    out = np.empty((len(share), len(deltas), len(RATIOS)))
    for j, delta in enumerate(deltas.tolist()):
        for i, ratio in enumerate(RATIOS.tolist()):
            after = k(delta * (1 - ratio)) / (1 - ratio) if ratio < 1 else 0.0
            before = k(-delta * ratio) / ratio if ratio > 0 else 0.0
            out[:, j, i] = after + before
    return np.asarray(out * raised[:, None, None], np.float64)


def ratios_first(h: Floats) -> Floats:
    """``table`` as ``log_ratio`` reads it, float64[rows, RATIOS, deltas]."""
    return np.ascontiguousarray(np.moveaxis(h, 2, 1))


def log_ratio(h: Floats, deltas: Floats, difference: Floats, before: Floats, after: Floats) -> Floats:
    """ln of the evidence, float64[..., rows, deltas]: ``h`` of ``ratios_first``; ``difference`` float64[..., rows,
    deltas], or 1 for all of them; the rest float64[..., rows].
    """
    both = np.maximum(before + after, 1e-9)
    place = after / both * (len(RATIOS) - 1)
    low = np.minimum(place.astype(np.intp), len(RATIOS) - 2)
    rest = (place - low)[..., None]
    flat = h.reshape(-1, h.shape[2])
    low += np.arange(0, len(flat), len(RATIOS))
    cost = (1 - rest) * np.take(flat, low, axis=0)
    cost += rest * np.take(flat, low + 1, axis=0)
    e = (before * after / both)[..., None]
    out = deltas * difference - cost
    out *= e
    out[deltas**2 * e > SPENT] = -np.inf
    return out
