"""The difference of two means, compared within panes and clustered by unit.

pane t   n_a, n_b events, means a and b, c the mean of both      w = n_a n_b / (n_a + n_b): what the pane can say
sums     W += w    D += w (b - a)                                by arm and bucket g of units:
         S[arm][g] += (w / n_arm) sum(x - c)                     U[arm][g] += (w / n_arm) count
estimate D / W     error: sqrt(sum over g of I[g]^2) / W,      I = (S_b - m_b U_b) - (S_a - m_a U_a), m = S / U summed

Within panes, since traffic that is shifted while the level moves makes a difference of means that is none. By unit,
since a thousand events of ten users are ten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.experiment import BUCKETS

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

LEAST_BUCKETS: Final = 30.0
"""Buckets, as many as were equally full, that each arm must have before an error is believed. Measured: with 50 users
and none asked for, 39% of null comparisons are a difference; with 30, none."""


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """The sums so far: ``weight`` W, ``difference`` D, ``events`` of panes with both arms, and ``spread``
    float64[4, BUCKETS]: S of a, U of a, S of b, U of b.
    """

    weight: float
    difference: float
    events: int
    spread: Floats

    @classmethod
    def none(cls) -> Self:
        return cls(0.0, 0.0, 0, np.zeros((4, BUCKETS)))


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """After each pane: the estimate, its standard error (NaN while none is believed), events; float64[panes]."""

    estimates: Floats
    errors: Floats
    events: Floats


def follow(before: Clusters, counts: Counts, sums: Floats) -> tuple[Clusters, Track]:
    """Panes come in: counts and sums [panes, arms a and b, BUCKETS]."""
    n, x = counts.sum(axis=2).astype(np.float64), sums.sum(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        both = (n > 0).all(axis=1)
        weight = np.where(both, n[:, 0] * n[:, 1] / n.sum(axis=1), 0.0)
        scale = np.where(both[:, None], weight[:, None] / n, 0.0)
        means = np.where(n > 0, x / n, 0.0)
        middle = np.where(both, x.sum(axis=1) / n.sum(axis=1), 0.0)
    residual = scale[:, :, None] * (sums - middle[:, None, None] * counts)
    shares = scale[:, :, None] * counts
    parts = np.stack([residual[:, 0], shares[:, 0], residual[:, 1], shares[:, 1]], axis=1)
    spread = np.cumsum(np.concatenate([before.spread[None], parts]), axis=0)[1:]
    weights = np.cumsum(np.append(before.weight, weight))[1:]
    differences = np.cumsum(np.append(before.difference, weight * (means[:, 1] - means[:, 0])))[1:]
    events = np.cumsum(np.append(before.events, np.where(both, n.sum(axis=1), 0).astype(np.int64)))[1:]
    if not len(n):
        return before, Track(np.zeros(0), np.zeros(0), np.zeros(0))
    after = Clusters(float(weights[-1]), float(differences[-1]), int(events[-1]), spread[-1].copy())
    with np.errstate(divide="ignore", invalid="ignore"):
        return after, Track(differences / weights, _errors(spread, weights), events.astype(np.float64))


def _errors(spread: Floats, weights: Floats) -> Floats:
    s_a, u_a, s_b, u_b = np.moveaxis(spread, 1, 0)

    def around(s: Floats, u: Floats) -> Floats:
        return np.asarray(s - (s.sum(axis=1) / u.sum(axis=1))[:, None] * u)

    influence = around(s_b, u_b) - around(s_a, u_a)
    errors = np.sqrt((influence**2).sum(axis=1)) / weights
    enough = np.minimum(buckets(u_a), buckets(u_b)) >= LEAST_BUCKETS
    return np.where(enough & (errors > 0), errors, np.nan)


def buckets(u: Floats) -> Floats:
    """How many buckets, equally full, would say as much."""
    return np.asarray(u.sum(axis=-1) ** 2 / (u**2).sum(axis=-1))
