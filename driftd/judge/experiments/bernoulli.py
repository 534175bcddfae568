"""Two shares, compared pane by pane: evidence that is exact at any time, rate and split of the traffic.

Each pane bets with the shares that the panes before it showed. What both arms have in common may drift: nothing is
pooled over panes. Holds where requests are given to the arms one by one.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

PRIOR: Final = 0.18
"""Failures, and as many successes, that each arm is thought to have had before. Chosen: Turner, Ly and Grunwald's."""
HALVINGS: Final = 32
"""Of an interval below 1. Derived: what is left, 2e-10, changes a bet by its square, for the nearest share is where it
is least."""

CLAIMS: Final = ((1, 1), (1, 0), (-1, 1), (-1, 0), (1, -1))
"""What can be shown of b - a: that it is above (1) or below (-1) so many margins. Derived: verdicts are made of these:
worse by more than the margin, worse, not worse by the margin, better, not better by the margin."""


def shares(events: Floats, failures: Floats) -> Floats:
    """What an arm's share is thought to be."""
    return np.asarray((PRIOR + failures) / (2 * PRIOR + events))


def nearest(p: Floats, n: Floats, margins: Floats) -> Floats:
    """The share q of a, where that of b is q + margin, that is nearest to ``p`` [..., 2] of ``n`` [..., 2] events: it
    minimises n_a KL(p_a | q) + n_b KL(p_b | q + margin). For each of the ``margins``, [..., margins].
    """
    shape = (*p.shape[:-1], len(margins))
    low, high = np.broadcast_to(np.maximum(0.0, -margins), shape), np.broadcast_to(np.minimum(1.0, 1 - margins), shape)
    (p_a, p_b), (n_a, n_b) = (np.moveaxis(x, -1, 0)[..., None] for x in (p, n))
    for _ in range(HALVINGS):
        q = (low + high) / 2
        r = q + margins
        with np.errstate(divide="ignore", invalid="ignore"):
            falls = n_a * (q - p_a) * (r * (1 - r)) + n_b * (r - p_b) * (q * (1 - q)) < 0
        low, high = np.where(falls, q, low), np.where(falls, high, q)
    return np.asarray((low + high) / 2)


def log_factors(failures: Floats, events: Floats, p: Floats, margins: Floats) -> Floats:
    """What panes say for ``p`` against the nearest shares that are so far apart; all [..., 2], out [..., margins]."""
    q = nearest(p, events, margins)
    null = np.stack([q, q + margins], axis=-1)
    y, n, mine = (x[..., None, :] for x in (failures, events, p))
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = y * np.log(mine / null) + (n - y) * np.log((1 - mine) / (1 - null))
    return np.asarray(np.nan_to_num(steps.sum(axis=-1), nan=0.0, posinf=0.0, neginf=0.0))


def log_steps(failures: Counts, events: Counts, before: tuple[Counts, Counts], margin: float) -> Floats:
    """What each pane adds to the log e-value of each of the CLAIMS, float64[panes, claims].

    Arguments: failures and events [panes, arms a and b]; ``before`` the sums [arms] of earlier panes.
    Abstains:  a pane without events of one arm says nothing.
    Known:     (2 of 100, 6 of 100), (1, 5), (3, 9), (2, 7), (1, 8): 7.288311 for "worse".
    Source:    Turner, Ly and Grunwald 2021 (arXiv 2106.02693); the null with a margin is ours (docs/adr/0031).
    """
    now = zip(before, (failures, events), strict=True)
    past = [np.cumsum(np.concatenate([start[None], x[:-1]]), axis=0).astype(np.float64) for start, x in now]
    p = shares(past[1], past[0])
    both, difference = np.asarray((events > 0).all(axis=1)), p[:, 1] - p[:, 0]
    y, n = failures.astype(np.float64), np.maximum(events, 1e-9)
    times = np.array([1.0, 0.0, -1.0])
    found = log_factors(y, n, p, times * margin)[:, [int(1 - at) for _, at in CLAIMS]]
    far = np.array([at for _, at in CLAIMS]) * margin
    claimed = both[:, None] & (np.array([sign for sign, _ in CLAIMS]) * (difference[:, None] - far) > 0)
    return np.where(claimed, found, 0.0)
