"""Several batches at once: what the evidence becomes, batch after batch, while no episode is open.

A step of a small model costs calls, not numbers. Which two candidates become one depends on their ages alone, so the
joins of a stretch are known before it; what comes of one depends on the counts of its two candidates, and on the joins
that these came from. So joins that do not wait for each other are worked out together:

    batch        0     1     2     3        nodes   candidates before the stretch, batches, and what joins made
    joins       a+b   c+0   1+2   ...       waves   {a+b, c+0, 1+2, ...}, then those that need one of them, and so on

Every number is the one that steps one by one give, to the bit: counts are whole numbers, whose sums are exact in any
order, and the rest is worked out by the same calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from driftd.judge.exchangeable.candidates import CEILING, MOST_CANDIDATES, Candidates, joining_of, log_sum_exp
from driftd.judge.exchangeable.evidence import Evidence

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Bools = NDArray[np.bool_]

KEPT: Final = MOST_CANDIDATES - 1
"""Candidates after each batch, once there are enough. Derived: there is room for the next batch."""
FREE: Final = KEPT - 1
"""The candidate that stands for a free place while there are fewer. Derived: the last of them, so it is free then."""
NONE: Final = -1
"""No two candidates become one. Derived: it is no place."""


class Compared(Protocol):
    """Candidates beside what each is compared with: ln of their Bayes factors, float64[n, rows]."""

    def log_factors(self, wanted: Bools) -> Floats:
        """Where they are ``wanted`` bool[n, rows]."""
        ...

    def most(self) -> Floats:
        """About the most that they can be."""
        ...


Compare = Callable[[Floats, Floats], Compared]
"""Of the counts ``after`` each of n candidates began, and of those before it, float64[n, rows, width]."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """float64[batches, rows]: S of each batch, and when the likeliest change began; ``factor`` float64[batches,
    MOST_CANDIDATES, rows], ln, of the candidates that were there.
    """

    s: Floats
    since: Floats
    factor: Floats
    nodes: _Nodes
    joins: _Joins

    def evidence(self, batch: int) -> Evidence:
        """After so many batches and one."""
        return self.nodes.evidence(self.joins, self.factor[batch], batch)


def ready(evidence: Evidence) -> bool:
    """Whether a stretch may begin: something was seen in each row, so none begins anew, and no episode is open."""
    changes = evidence.changes
    return bool(changes.ages[0] and not evidence.frozen.any() and np.isfinite(changes.log_weight[0]).all())


def stretch(
    evidence: Evidence, counts: Floats, events: Floats, begun: Floats, enough: Floats, compare: Compare
) -> Stretch:
    """Batches of ``counts`` float64[batches, rows, width] with ``events`` float64[batches, rows] that began at
    ``begun`` float64[batches], on evidence that is ``ready``. Where S may reach ``enough`` float64[rows], ln, it is
    exact, as in driftd.judge.exchangeable.independent.
    """
    nodes, joins = _Nodes.of(evidence, counts, events, begun), _Joins.of(evidence.changes.ages, len(counts))
    joined = np.empty((len(counts), 2, counts.shape[1]))
    for wave in joins.waves():
        joined[wave] = nodes.join(joins, wave, compare)
    there = joins.there
    compared, weight = nodes.compared(np.arange(len(there))[:, None], there, compare), nodes.log_weight[there]
    near = np.any(weight + compared.most().reshape(weight.shape) >= enough, axis=1)
    some, exact = near.any(axis=1), np.zeros_like(weight)
    if some.any():
        wanted, (batch, older) = np.repeat(near[:, None], MOST_CANDIDATES, axis=1), joins.made
        wanted[batch, older] = wanted[batch, older + 1] = False  # known
        exact = compared.log_factors(wanted.reshape(-1, near.shape[1])).reshape(weight.shape)
    factor, held, s = np.empty_like(weight), nodes.log_factor.copy(), np.empty_like(weight[:, 0])
    for i, (mine, pair) in enumerate(zip(there, joins.pair.tolist(), strict=True)):
        if some[i]:  # the others keep what they had
            held[mine] = np.where(near[i], exact[i], held[mine])
        now = held[mine]
        if pair != NONE:
            now[pair : pair + 2] = joined[i]
        factor[i] = np.where(np.isneginf(weight[i]), 0.0, now)
        s[i] = np.exp(np.minimum(log_sum_exp(weight[i] + factor[i]), CEILING))
    return Stretch(s, nodes.since(joins, weight + factor), factor, nodes, joins)


@dataclass(frozen=True, slots=True, eq=False)
class _Joins:
    """Which candidates are there with each batch and which two become one, [batches]; candidates are places in _Nodes.

    there   intp[batches, MOST_CANDIDATES]: the oldest first, then FREE while there are fewer
    pair    intp[batches]: the place of the older of the two in ``there``; NONE while there is room
    wave    intp[batches]: how many joins wait for each other up to this one; 0 while there is room
    ages    float64[batches, MOST_CANDIDATES]: as in Candidates, after it
    """

    there: Rows
    pair: Rows
    wave: Rows
    ages: Floats

    @classmethod
    def of(cls, ages: Floats, batches: int) -> Self:
        """From the ages before the first batch."""
        now, wave = [*range(np.count_nonzero(ages))], [0] * (KEPT + batches)
        there, pairs, every = [], [], []
        for batch in range(batches):
            ages = ages + (ages > 0)
            ages[len(now)] = 1
            now.append(KEPT + batch)
            there.append([*now, *[FREE] * (MOST_CANDIDATES - len(now))])
            pair = joining_of(ages) if len(now) == MOST_CANDIDATES else NONE
            wave.append(0 if pair == NONE else 1 + max(wave[now[pair]], wave[now[pair + 1]]))
            if pair != NONE:
                now[pair : pair + 2] = [KEPT + batches + batch]
                ages = np.append(np.delete(ages, pair + 1), 0.0)
            pairs.append(pair)
            every.append(ages)
        return cls(np.array(there), np.array(pairs), np.array(wave[KEPT + batches :]), np.array(every))

    @property
    def made(self) -> tuple[Rows, Rows]:
        """The batches with which two become one, and the places of the older ones."""
        batches = np.flatnonzero(self.pair != NONE)
        return batches, self.pair[batches]

    def waves(self) -> Iterator[Rows]:
        """Batches whose joins wait for none but those of the waves before."""
        for wave in range(1, int(self.wave.max()) + 1):
            yield np.flatnonzero(self.wave == wave)

    @property
    def kept(self) -> Rows:
        """intp[batches, MOST_CANDIDATES]: ``there`` with the new candidate in the place of the older of the two; the
        younger one's place is free.
        """
        out, (batches, older) = self.there.copy(), self.made
        out[batches, older] = KEPT + len(out) + batches
        return out


@dataclass(slots=True, eq=False)
class _Nodes:
    """All candidates of a stretch: those before it, then one for each batch, then one for each join.

    start   the evidence before the stretch
    total   float64[batches, rows, width]: counts of the stretch up to each batch
    before  float64[nodes, rows, width]: of ``total``, what came before the candidate began (less than 0: it is older)
    log_weight, log_factor, begun  float64[nodes, rows]: as in Candidates, when the node is made
    """

    start: Evidence
    total: Floats
    before: Floats
    log_weight: Floats
    log_factor: Floats
    begun: Floats

    @classmethod
    def of(cls, evidence: Evidence, counts: Floats, events: Floats, begun: Floats) -> Self:
        batches, rows, width = counts.shape
        changes, total = evidence.changes, np.cumsum(counts, axis=0)
        nodes, fresh = KEPT + 2 * batches, slice(KEPT, KEPT + batches)
        before, log_weight, log_factor, begins = np.zeros((nodes, rows, width)), *np.zeros((3, nodes, rows))
        before[:KEPT], before[fresh] = -changes.after[:KEPT], total - counts
        log_weight[:KEPT], log_factor[:KEPT] = changes.log_weight[:KEPT], changes.log_factor[:KEPT]
        with np.errstate(divide="ignore"):
            log_weight[fresh] = np.log(events)
        begins[:KEPT], begins[fresh] = changes.begun[:KEPT], begun[:, None]
        return cls(evidence, total, before, log_weight, log_factor, begins)

    def compared(self, batches: Rows, nodes: Rows, compare: Compare) -> Compared:
        """Of ``nodes`` intp[batches, k] with ``batches`` intp[batches, 1]: side by side."""
        after = self.total[batches] - self.before[nodes]
        past = (self.start.seen + self.start.grown + self.total)[batches] - after
        flat = (-1, *after.shape[2:])
        return compare(after.reshape(flat), past.reshape(flat))

    def join(self, joins: _Joins, batches: Rows, compare: Compare) -> Floats:
        """Makes the nodes of the joins with ``batches``; gives the factors of the two, float64[batches, 2, rows]."""
        pair = joins.pair[batches]
        two = joins.there[batches[:, None], pair[:, None] + np.arange(2)]
        weight = self.log_weight[two]
        every = np.ones((two.size, weight.shape[2]), bool)
        value = self.compared(batches[:, None], two, compare).log_factors(every).reshape(weight.shape)
        value[np.isneginf(weight)] = 0.0
        total = weight + value
        oldest = np.isfinite(self.log_weight[two[:, 0]])
        first = np.where((pair == 0)[:, None], oldest, total[:, 0] >= total[:, 1])
        made = KEPT + len(joins.pair) + batches
        self.log_factor[made] = np.where(first, value[:, 0], value[:, 1])
        self.log_weight[made] = np.logaddexp(total[:, 0], total[:, 1]) - self.log_factor[made]
        self.begun[made] = np.where(first, self.begun[two[:, 0]], self.begun[two[:, 1]])
        self.before[made] = np.where(first[..., None], self.before[two[:, 0]], self.before[two[:, 1]])
        return value

    def since(self, joins: _Joins, total: Floats) -> Floats:
        """When the likeliest change began, after each batch: ``total`` float64[batches, MOST_CANDIDATES, rows] are ln
        of weight times factor of those that are there.
        """
        kept, (batches, older) = joins.kept, joins.made
        made = kept[batches, older]
        total = total.copy()
        total[batches, older], total[batches, older + 1] = self.log_weight[made] + self.log_factor[made], -np.inf
        likeliest = np.take_along_axis(kept, np.argmax(total, axis=1), axis=1)
        return np.take_along_axis(self.begun, likeliest, axis=0)

    def evidence(self, joins: _Joins, factor: Floats, batch: int) -> Evidence:
        """After ``batch``, with the ``factor`` float64[MOST_CANDIDATES, rows] of those that were there."""
        pair, total, start = int(joins.pair[batch]), self.total[batch], self.start
        kept, ages = joins.kept[batch], joins.ages[batch].copy()
        begun, factor = self.begun[kept], factor.copy()
        if pair != NONE:
            factor[pair] = self.log_factor[kept[pair]]
            kept = np.append(np.delete(kept, pair + 1), FREE)
            factor, begun = (_without(x, pair + 1) for x in (factor, begun))
        free = ages == 0
        after, log_weight = total - self.before[kept], self.log_weight[kept]
        after[free], log_weight[free], factor[free] = 0.0, -np.inf, 0.0
        changes = Candidates(after, log_weight, factor, begun, ages)
        return Evidence(start.grown, start.seen + total, start.frozen, changes)


def _without(values: Floats, place: int) -> Floats:
    """Without the one at ``place``, and a free one at the end: float64[MOST_CANDIDATES, rows]."""
    return np.concatenate([np.delete(values, place, axis=0), np.zeros_like(values[:1])])
