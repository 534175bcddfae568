"""What the judge remembers of a stream: what is past, what may have come after a change, and the candidates.

    reference | grown                | seen                                        |
              | part of the past     | the past of a candidate ends where it began |
              | for good             |      candidate's past | after it            |

While an episode lasts (``frozen``) nothing that is seen joins any past: candidates are compared with the reference and
what had grown before the change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from driftd.judge.exchangeable.candidates import Candidates

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All that is remembered between batches; arrays only.

    grown   float64[rows, width]: events of the stream that are part of the past for good
    seen    float64[rows, width]: those since then (all candidates lie among them)
    frozen  float64[rows]: 1 while an episode lasts
    changes candidates of where the change began
    """

    grown: Floats
    seen: Floats
    frozen: Floats
    changes: Candidates

    @classmethod
    def start(cls, rows: int, width: int) -> Self:
        zeros = np.zeros((rows, width))
        return cls(zeros, zeros, np.zeros(rows), Candidates.start(rows, width))

    @property
    def since(self) -> Floats:
        """Begin of the likeliest change, float64[rows], in the caller's clock; NaN before the first event."""
        return self.changes.since

    def add(self, counts: Floats, events: Floats, at: float, frozen: NDArray[np.bool_]) -> Evidence:
        """One batch begun ``at``: ``counts`` float64[rows, width], ``events`` and ``frozen`` [rows]."""
        now = frozen.astype(np.float64)
        state = self.without(now != self.frozen)
        return Evidence(state.grown, state.seen + counts, now, state.changes.add(counts, events, at))

    def past(self, rows: slice | NDArray[np.intp], candidates: slice = slice(None)) -> Floats:
        """What each candidate is compared with beside the reference: float64[candidates, rows, width]."""
        before = self.seen[rows] - self.changes.after[candidates, rows]
        before *= (self.frozen[rows] == 0)[:, None]
        before += self.grown[rows]
        return before

    def judged(self, log_factors: Floats) -> tuple[Evidence, Floats]:
        """With ln of the candidates' Bayes factors, float64[candidates, rows]; gives S float64[rows]."""
        changes, s = self.changes.judged(log_factors)
        return Evidence(self.grown, self.seen, self.frozen, changes.joined()), s

    def without(self, rows: NDArray[np.bool_]) -> Evidence:
        """With the evidence of ``rows`` bool[rows] back at 0: their episode has opened (or is over). What came before
        the likeliest change is past; what came after it is forgotten.
        """
        if not rows.any():
            return self
        after = np.take_along_axis(self.changes.after, self.changes.likeliest()[None, :, None], axis=0)[0]
        joins = rows & (self.frozen == 0)
        grown = np.where(joins[:, None], self.grown + (self.seen - after), self.grown)
        seen = np.where(rows[:, None], 0.0, self.seen)
        return replace(self, grown=grown, seen=seen, changes=self.changes.without(rows))
