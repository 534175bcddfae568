"""When may it have changed? A few candidates for each channel, and the Shiryaev-Roberts sum over them.

Each pane may be where the change began. A candidate keeps what was counted since (``after``); S = sum of weight times
Bayes factor over the candidates, a new one weighing as many events as its pane. Without a change S less the events
seen is a martingale, so P(S reaches A within n events) <= n / A (Ville's inequality).

    age in panes     500   210   95   44   20   9   4   2  1        candidates lie evenly in the logarithm of their age
                  |---|-----|-----|----|----|---|---|--|--|now

When there are too many, the two neighbours whose ages differ least become one: the likelier stays and takes over the
other's weight times factor (so S does not move, and stays a martingale). Candidate 0, all since the reference, stays
for good: it is the one that a slow drift cannot hide from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST: Final = 12
OLDEST: Final = 4096
"""Panes after which a candidate is merged into candidate 0."""
_CEILING: Final = 575.0


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """after   float64[MOST, rows, width]: counts since the candidate began
    log_weight, log_factor, begun  float64[MOST, rows]; a weight of 0 (-inf) is no candidate
    ages    float64[MOST]: in panes, 0 where the place is free
    """

    after: Floats
    log_weight: Floats
    log_factor: Floats
    begun: Floats
    ages: Floats

    @classmethod
    def start(cls, rows: int, width: int) -> Self:
        each = (MOST, rows)
        none = np.full(each, -np.inf)
        return cls(np.zeros((*each, width)), none, np.zeros(each), np.full(each, np.nan), np.zeros(MOST))

    def add(self, counts: Floats, events: Floats, at: float) -> Self:
        """A pane of ``counts`` float64[rows, width] with ``events`` float64[rows] that began ``at``."""
        room = self if (self.ages == 0).any() else self._merged()
        new = int(np.flatnonzero(room.ages == 0)[0])
        after, log_weight, begun, ages = (
            room.after + counts,
            room.log_weight.copy(),
            room.begun.copy(),
            room.ages + (room.ages > 0),
        )
        after[new:] = 0
        after[new] = counts
        with np.errstate(divide="ignore"):
            log_weight[new] = np.log(events)
        begun[new] = at
        if new:  # where the evidence began anew, this pane is candidate 0
            fresh = np.isneginf(log_weight[0])
            after[0, fresh], log_weight[0, fresh], begun[0, fresh] = counts[fresh], log_weight[new, fresh], at
            after[new, fresh], log_weight[new, fresh] = 0, -np.inf
        ages[new] = 1
        return replace(self, after=after, log_weight=log_weight, log_factor=room.log_factor, begun=begun, ages=ages)

    def judged(self, log_factor: Floats) -> tuple[Self, Floats]:
        """With the candidates' Bayes factors ln float64[MOST, rows]; gives S float64[rows]."""
        value = np.where(np.isneginf(self.log_weight), 0.0, log_factor)
        total = self.log_weight + value
        s = np.exp(np.minimum(np.logaddexp.reduce(total, axis=0), _CEILING))
        return replace(self, log_factor=value), s

    def likeliest(self) -> NDArray[np.intp]:
        out: NDArray[np.intp] = np.argmax(self.log_weight + self.log_factor, axis=0)
        return out

    @property
    def since(self) -> Floats:
        """Where the likeliest candidate began, float64[rows]; NaN before the first event."""
        return np.take_along_axis(self.begun, self.likeliest()[None], axis=0)[0]

    def without(self, rows: NDArray[np.bool_]) -> Self:
        """Begins anew in ``rows``."""
        after, log_weight = self.after.copy(), self.log_weight.copy()
        after[:, rows], log_weight[:, rows] = 0, -np.inf
        return replace(self, after=after, log_weight=log_weight, log_factor=np.where(rows, 0.0, self.log_factor))

    def _merged(self) -> Self:
        """One place fewer in use: the last is free."""
        ages = self.ages
        if ages[1] > OLDEST:
            i = 0
        else:
            i = 1 + int(np.argmin(ages[1:-1] / ages[2:]))
        total = self.log_weight + self.log_factor
        first = np.isfinite(self.log_weight[0]) if i == 0 else total[i] >= total[i + 1]
        factor = np.where(first, self.log_factor[i], self.log_factor[i + 1])
        weight = np.logaddexp(total[i], total[i + 1]) - factor
        keep = [j for j in range(MOST) if j != i + 1]

        def joined(x: Floats) -> Floats:
            wide = first.reshape(first.shape + (1,) * (x.ndim - 2))
            out = np.concatenate([x[keep], x[:1]])
            out[i] = np.where(wide, x[i], x[i + 1])
            return out

        log_weight, left = joined(self.log_weight), np.append(ages[keep], 0.0)
        log_weight[i], log_weight[-1] = weight, -np.inf
        return replace(
            self,
            after=joined(self.after),
            log_weight=log_weight,
            log_factor=joined(self.log_factor),
            begun=joined(self.begun),
            ages=left,
        )
