"""The judge of channels whose events are exchangeable: has the distribution of a channel changed, and when?

S is a Shiryaev-Roberts sum of Bayes factors (exchangeable.candidates): for each candidate c of where the change began,
all that was seen before c (the reference included) against all that was seen since. An episode opens when S >= A, and

    P(a false alarm within n events) <= n / A        for every n                    (Ville's inequality)

for any dependence between channels, given that events are exchangeable until the change: that is what
driftd.judge.regime tests. The old distribution and the new one are unknown. Both are integrated out (.beta_binomial,
.exponential_tilt), so a short reference costs delay, not false alarms. What the stream adds to the reference is used
too, but never an event that came after a likely change.

What is exact: the factors of columns have mean 1 averaged over Jeffreys' prior of the unknown share; tilts take the
score's shape from the reference, with an allowance. Both are held against simulation in the tests.

Source: Shin, Ramdas and Rinaldo 2022 (e-detectors); Shiryaev 1963, Roberts 1966; Good 1953.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.summary import FIRST_VALUE
from driftd.judge.exchangeable import exponential_tilt
from driftd.judge.exchangeable.beta_binomial import log_factor, log_mean_of_subsets, most_log_factor
from driftd.judge.exchangeable.candidates import log_sum_exp
from driftd.judge.exchangeable.evidence import Evidence
from driftd.judge.exchangeable.shape import DELTAS, N_LOCATIONS, Shape, behind

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MARGIN: Final = 3.0
"""Nats below ln A from where on evidence is worked out exactly. Measured: no alarm differs from those of evidence that
is always exact (tests/unit/judge/exchangeable); an inexact one could only be late."""
CHANCE_NATS: Final = 2.0
"""Nats that a column pays for being one of several that may have changed, in the cheap bound. Chosen: -ln of its chance
is 1.4 to 2.8. Measured: as for MARGIN."""
CHUNK: Final = 128
"""Channels at a time. Measured: what a step works on stays in the processor's cache (tests/bench/judge.py)."""


def step(
    evidence: Evidence, shape: Shape, counts: NDArray[np.int64], at: float, a: Floats, frozen: Bools
) -> tuple[Evidence, Floats]:
    """One batch: ``counts`` int64[channels, width], begun at ``at``; gives S float64[channels].

    ``a`` float64[channels]: the threshold. Where ``frozen`` bool[channels] an episode lasts: nothing joins the past,
    and the evidence is always exact.
    """
    c = np.take_along_axis(counts, shape.order, axis=1).astype(np.float64)
    evidence = evidence.add(c, c.sum(axis=1), at, frozen)
    enough = np.where(frozen, -np.inf, np.log(a) - MARGIN)
    factors = evidence.changes.log_factor.copy()
    for low in range(0, len(c), CHUNK):
        part = slice(low, min(low + CHUNK, len(c)))
        factors[:, part] = _factors(evidence, shape, part, enough[part])
    return evidence.judged(factors)


def _factors(evidence: Evidence, shape: Shape, part: slice, enough: Floats) -> Floats:
    """ln Bayes factors of the candidates of some channels, float64[candidates, channels].

    They are worked out where S may come near A (``enough``, ln), and of candidates that become one; the others keep
    what they had. That can delay an alarm, never make one.
    """
    mine, after, past = shape.take(part), evidence.changes.after[:, part], evidence.past(part)
    out = evidence.changes.log_factor[:, part].copy()
    moved = tilted(mine, after, past)
    most = np.maximum(moved, most_log_factors(mine, after, past))
    near = (evidence.changes.log_weight[:, part] + most >= enough).any(axis=0)
    rows = np.flatnonzero(near)
    if len(rows):
        out[:, rows] = log_factors(mine.take(rows), after[:, rows], past[:, rows], moved[:, rows])
    pair, rest = evidence.changes.joining, np.flatnonzero(~near)
    if pair is not None and len(rest):
        two = slice(pair, pair + 2)
        out[two, rest] = log_factors(mine.take(rest), after[two, rest], past[two, rest], moved[two, rest])
    return out


def log_factors(shape: Shape, after: Floats, past: Floats, moved: Floats) -> Floats:
    """ln Bayes factor of each candidate, float64[candidates, channels]; ``after`` and ``past`` (without the reference)
    float64[candidates, channels, width]; ``moved`` float64[candidates, channels]: ``tilted`` of them.
    """
    chained = log_factor(after, behind(after), shape.hits + past, shape.misses + behind(past))
    return np.logaddexp(moved, log_mean_of_subsets(chained, shape.chance) + np.log(shape.weight[:, -1]))


def whole_log_factors(shape: Shape, after: Floats, past: Floats) -> Floats:
    """``log_factors`` with the tilts worked out."""
    return log_factors(shape, after, past, tilted(shape, after, past))


def most_log_factors(shape: Shape, after: Floats, past: Floats) -> Floats:
    """About the most that the chain's share of ``log_factors`` can be, cheaply."""
    most = most_log_factor(after, behind(after), shape.hits + past, shape.misses + behind(past))
    most -= CHANCE_NATS
    return np.asarray(np.sum(np.maximum(most, 0.0, out=most), axis=2), np.float64)


def tilted(shape: Shape, after: Floats, past: Floats) -> Floats:
    """ln of the tilts' share of ``log_factors``, float64[candidates, channels]."""
    m = after[..., FIRST_VALUE:].sum(axis=2)
    n = shape.values.sum(axis=1) + past[..., FIRST_VALUE:].sum(axis=2)
    difference = np.einsum("ckw,kiw->ick", after, shape.scores) / np.maximum(m, 1)
    difference -= np.einsum("ckw,kiw->ick", past, shape.scores) / np.maximum(n, 1)  # the reference's own mean is 0
    place_or_spread = np.repeat(difference, (N_LOCATIONS, len(DELTAS) - N_LOCATIONS), axis=0)
    both = exponential_tilt.log_ratio(shape.costs, DELTAS, np.moveaxis(place_or_spread, 0, 2), n, m)
    with np.errstate(divide="ignore"):
        both += np.log(shape.weight[:, :-1])
    return log_sum_exp(np.moveaxis(both, 2, 0))


__all__ = ["Evidence", "Shape", "log_factors", "step", "tilted", "whole_log_factors"]
