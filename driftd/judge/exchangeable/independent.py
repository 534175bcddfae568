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

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.judge.exchangeable import exponential_tilt
from driftd.judge.exchangeable.beta_binomial import in_some, log_factor, most_log_factor, some_of
from driftd.judge.exchangeable.candidates import log_sum_exp
from driftd.judge.exchangeable.evidence import Evidence
from driftd.judge.exchangeable.shape import DELTAS, N_LOCATIONS, Shape

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MARGIN: Final = 3.0
"""Nats below ln A from where on evidence is worked out exactly. Measured: no alarm differs from those of evidence that
is always exact (tests/unit/judge/exchangeable); an inexact one could only be late."""
CHANCE_NATS: Final = 2.0
"""Nats that a column pays for being one of several that may have changed, in the cheap bound. Chosen: -ln of its chance
is 1.4 to 2.8. Measured: as for MARGIN."""


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
    for part, mine in shape.parts:
        _work_out(factors[:, part], evidence, mine, part, enough[part])
    return evidence.judged(factors)


def _work_out(out: Floats, evidence: Evidence, shape: Shape, part: slice, enough: Floats) -> None:
    """ln Bayes factors of the candidates of some channels, float64[candidates, channels], in place.

    They are worked out where S may come near A (``enough``, ln), and of candidates that become one; the others keep
    what they had. That can delay an alarm, never make one.
    """
    changes = evidence.changes
    compared = Compared.of(shape, changes.after[:, part], evidence.past(part))
    near = np.any(changes.log_weight[:, part] + compared.most() >= enough, axis=0)
    exact: Bools = np.repeat(near[None], len(out), axis=0)
    pair = changes.joining
    if pair is not None:
        exact[pair : pair + 2] = True
    if exact.any():
        out[exact] = compared.log_factors(exact)[exact]


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Candidates, and what each is compared with, in the columns of a Shape: float64[candidates, columns] of hits and
    misses ``after`` a change (a column, and those behind it) and ``before`` it, the reference among them; ``tilted``
    float64[candidates, channels] ln of the tilts' share of the factor.
    """

    shape: Shape
    hits_after: Floats
    misses_after: Floats
    hits_before: Floats
    misses_before: Floats
    tilted: Floats

    @classmethod
    def of(cls, shape: Shape, after: Floats, past: Floats) -> Self:
        """``after`` and ``past`` (without the reference) float64[candidates, channels, width]."""
        known, columns = shape.known, shape.known.columns
        hits, hits_past = columns.take(after), columns.take(past)
        misses, misses_past = columns.behind(hits), columns.behind(hits_past)
        m, n = misses[:, columns.head], misses_past[:, columns.head] + known.values
        tilts = _tilted(shape, after, past, m, n)
        return cls(shape, hits, misses, known.hits + hits_past, known.misses + misses_past, tilts)

    def log_factors(self, wanted: Bools) -> Floats:
        """ln Bayes factors, float64[candidates, channels], where they are ``wanted`` bool[candidates, channels]."""
        known = self.shape.known
        candidate, column = wanted.take(known.columns.row, axis=1).nonzero()
        at, counts = candidate * len(known.chance) + column, (self.hits_after, self.misses_after)
        chained = log_factor(*(x.take(at) for x in (*counts, self.hits_before, self.misses_before)))
        part = in_some(chained, known.chance.take(column))
        every = known.columns.sums(part, candidate, column, len(wanted))
        return np.logaddexp(self.tilted, some_of(every, known.none, known.some) + known.chain)

    def most(self) -> Floats:
        """About the most that ``log_factors`` can be, cheaply."""
        most = most_log_factor(self.hits_after, self.misses_after, self.hits_before, self.misses_before)
        most -= CHANCE_NATS
        chain = self.shape.known.columns.whole_sums(np.maximum(most, 0.0, out=most))
        return np.maximum(self.tilted, chain, out=chain)


def whole_log_factors(shape: Shape, after: Floats, past: Floats) -> Floats:
    """ln Bayes factor of each candidate, float64[candidates, channels]; ``after`` and ``past`` as in Compared."""
    past = np.broadcast_to(past, after.shape)
    return Compared.of(shape, after, past).log_factors(np.ones(after.shape[:2], bool))


def _tilted(shape: Shape, after: Floats, past: Floats, m: Floats, n: Floats) -> Floats:
    """``tilted`` of Compared; ``m`` and ``n`` float64[candidates, channels]: values after and before."""
    difference = np.einsum("ckw,kiw->cki", after, shape.scores) / np.maximum(m, 1)[..., None]
    # the reference's own mean is 0
    difference -= np.einsum("ckw,kiw->cki", past, shape.scores) / np.maximum(n, 1)[..., None]
    place_or_spread = np.repeat(difference, (N_LOCATIONS, len(DELTAS) - N_LOCATIONS), axis=2)
    both = exponential_tilt.log_ratio(shape.known.costs, DELTAS, place_or_spread, n, m)
    both += shape.known.tilts
    return log_sum_exp(both.transpose(2, 0, 1))


__all__ = ["Evidence", "Shape", "step", "whole_log_factors"]
