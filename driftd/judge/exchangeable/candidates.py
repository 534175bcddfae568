"""When may it have changed? A few candidates for each channel, and the Shiryaev-Roberts sum over them.

Each batch may be where the change began. A candidate keeps what was counted since (``after``); S is the sum of weight
times Bayes factor over the candidates, and the weight of a new one is the number of events of its batch. Without a
change S less the events seen is a martingale, so P(S reaches A within n events) <= n / A (Ville's inequality).

    age in batches 500  210   95   44   20   9   4   2  1        candidates lie evenly in the logarithm of their age
                  |---|-----|-----|----|----|---|---|--|--|now

When there are too many, the two neighbours whose ages differ least become one: the likelier stays and takes over the
other's weight times factor (so S does not move, and stays a martingale). Candidate 0, all since the reference, stays
for good: it shows a slow drift that no younger candidate does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_CANDIDATES: Final = 12
"""Candidates of a channel. Chosen: time and memory of a step are proportional to it, and their ages are a factor of
about 2 apart, so that one of them began near any change."""
OLDEST: Final = 4096
"""Batches after which a candidate joins candidate 0. Chosen: 2**12, so that twelve of them are a factor of 2 apart."""
CEILING: Final = 575.0
"""Largest ln S. Derived: e**575 is 5e249; S must stay finite when weighted and summed."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """after   float64[MOST_CANDIDATES, rows, width]: counts since the candidate began
    log_weight, log_factor, begun  float64[MOST_CANDIDATES, rows]; a weight of 0 (-inf) is no candidate
    ages    float64[MOST_CANDIDATES]: in batches, 0 where the place is free
    """

    after: Floats
    log_weight: Floats
    log_factor: Floats
    begun: Floats
    ages: Floats

    @classmethod
    def start(cls, rows: int, width: int) -> Self:
        each = (MOST_CANDIDATES, rows)
        none = np.full(each, -np.inf)
        return cls(np.zeros((*each, width)), none, np.zeros(each), np.full(each, np.nan), np.zeros(MOST_CANDIDATES))

    def add(self, counts: Floats, events: Floats, at: float) -> Self:
        """A batch of ``counts`` float64[rows, width] with ``events`` float64[rows] that began ``at``."""
        new = int(np.count_nonzero(self.ages))
        after, ages = np.zeros_like(self.after), self.ages + (self.ages > 0)
        np.add(self.after[:new], counts, out=after[:new])
        after[new], ages[new] = counts, 1
        log_weight, begun, log_factor = self.log_weight.copy(), self.begun.copy(), self.log_factor.copy()
        with np.errstate(divide="ignore"):
            log_weight[new] = np.log(events)
        begun[new], log_factor[new] = at, 0
        fresh = np.isneginf(log_weight[0])
        if new and fresh.any():  # where the evidence began anew, this batch is candidate 0
            after[0, fresh], log_weight[0, fresh], begun[0, fresh] = counts[fresh], log_weight[new, fresh], at
            after[new, fresh], log_weight[new, fresh], log_factor[0, fresh] = 0, -np.inf, 0
        return type(self)(after, log_weight, log_factor, begun, ages)

    def judged(self, log_factor: Floats) -> tuple[Self, Floats]:
        """With the candidates' Bayes factors ln float64[MOST_CANDIDATES, rows]; gives S float64[rows]."""
        value = np.where(np.isneginf(self.log_weight), 0.0, log_factor)
        judged = type(self)(self.after, self.log_weight, value, self.begun, self.ages)
        return judged, np.exp(np.minimum(log_sum_exp(self.log_weight + value), CEILING))

    @property
    def joining(self) -> int | None:
        """The candidate that ``joined`` will make one with the next younger; None while there is room."""
        return None if self.ages[-1] == 0 else joining_of(self.ages)

    def likeliest(self) -> NDArray[np.intp]:
        out: NDArray[np.intp] = np.argmax(self.log_weight + self.log_factor, axis=0)
        return out

    @property
    def since(self) -> Floats:
        """Where the likeliest candidate began, float64[rows]; NaN before the first event."""
        return np.asarray(np.take_along_axis(self.begun, self.likeliest()[None], axis=0)[0], np.float64)

    def without(self, rows: NDArray[np.bool_]) -> Self:
        """Begins anew in ``rows``."""
        after, log_weight = self.after.copy(), self.log_weight.copy()
        after[:, rows], log_weight[:, rows] = 0, -np.inf
        return replace(self, after=after, log_weight=log_weight, log_factor=np.where(rows, 0.0, self.log_factor))

    def joined(self) -> Self:
        """With room for the next batch. The factors of the two candidates that become one must be up to date."""
        i = self.joining
        if i is None:
            return self
        total = self.log_weight + self.log_factor
        first = np.isfinite(self.log_weight[0]) if i == 0 else total[i] >= total[i + 1]
        factor = np.where(first, self.log_factor[i], self.log_factor[i + 1])
        weight = np.logaddexp(total[i], total[i + 1]) - factor
        other = np.flatnonzero(~first)

        def moved(x: Floats) -> Floats:
            out = np.empty_like(x)
            out[: i + 1], out[i + 1 : -1], out[-1] = x[: i + 1], x[i + 2 :], 0
            out[i, other] = x[i + 1, other]
            return out

        log_weight, ages = moved(self.log_weight), np.zeros_like(self.ages)
        log_weight[i], log_weight[-1] = weight, -np.inf
        ages[: i + 1], ages[i + 1 : -1] = self.ages[: i + 1], self.ages[i + 2 :]
        return type(self)(moved(self.after), log_weight, moved(self.log_factor), moved(self.begun), ages)


def joining_of(ages: Floats) -> int:
    """``joining`` of so many candidates as there can be."""
    return 0 if ages[1] > OLDEST else 1 + int(np.argmin(ages[1:-1] / ages[2:]))


def log_sum_exp(logs: Floats) -> Floats:
    """ln of the sum of e**logs over the first axis."""
    most = np.maximum.reduce(logs, axis=0, initial=-1e300)
    with np.errstate(divide="ignore"):
        out: Floats = most + np.log(np.add.reduce(np.exp(logs - most), axis=0))
    return out
