r"""Episodes: what pages. One opens when S reaches A, and closes when S has stayed small for long enough.

S   ....../\\..........~~~~~~____
A   -----/--------------------      opened at S >= A; S starts again from 0 and the test goes on
calm ---/----------------\\----      quiet: S < max(sqrt(A), A / 20) all along
        |open             |quiet for three times as many events as finding it took: closed

Without drift S is about as large as the number of events it has seen, which passes sqrt(A) in time. While a change
lasts, S reaches A again in about as many events as finding it took, so it does not stay small for three times as many.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

QUIET_TIMES: Final = 3.0
"""Quiet events that close an episode, over the events that finding the change took. Chosen: while a change lasts S
reaches A again in about as many; at half of it one of 48 changes made two episodes."""
LEAST_QUIET: Final = 500.0
"""Least quiet events that close an episode. Chosen: ten micro-batches of the least size; at half of it one of 48
simulated changes made two episodes."""
CALM: Final = 0.05
"""Share of A below which S is quiet. Chosen: 3 nats below A; without drift S needs A / 20 events or more, on average,
to get there."""
PATIENCE: Final = 3.0
"""Nats by which an episode that ended by itself raises the threshold of the next. Chosen: a weekend that the reference
has not seen makes a ticket or two, not ten; a change that lasts passes 3 nats within a batch or two."""
MOST_ENDED: Final = 4.0
"""Most episodes that count. Chosen: twelve nats; more would blind the channel."""
FORGET: Final = 28 * 86_400.0
"""Seconds in which half of them is forgotten. Chosen: as in natural/episodes.py."""


@dataclass(frozen=True, slots=True, eq=False)
class Episodes:
    """float64[channels]: ``opened`` when it opened (NaN: closed), ``since`` when the change began, ``need`` quiet
    events that close it, ``quiet`` events so far; ``ended`` how many ended by themselves, the last at ``end``.
    """

    opened: Floats
    since: Floats
    need: Floats
    quiet: Floats
    ended: Floats
    end: Floats

    @classmethod
    def start(cls, channels: int) -> Self:
        nan, zero = np.full(channels, np.nan), np.zeros(channels)
        return cls(nan, nan, zero, zero, zero, nan)

    @property
    def open(self) -> NDArray[np.bool_]:
        return np.isfinite(self.opened)

    def bar(self, now: float) -> Floats:
        """By what A is multiplied, float64[channels]: a channel whose episodes end by themselves varies more than its
        reference shows.
        """
        if not self.ended.any():
            return np.ones(len(self.ended))
        ended = np.where(self.ended > 0, self.ended * 0.5 ** ((now - self.end) / FORGET), 0.0)
        out: Floats = np.exp(PATIENCE * np.minimum(ended, MOST_ENDED))
        return out

    def quietly(self) -> Episodes:
        """``step`` where nothing is open and nothing opens."""
        return replace(self, quiet=np.zeros(len(self.quiet))) if self.quiet.any() else self

    def step(
        self,
        s: Floats,
        a: Floats,
        opens: NDArray[np.bool_],
        events: Floats,
        since: Floats,
        took: Floats,
        at: float,
    ) -> tuple[Episodes, Rows, Rows]:
        """One batch of ``events`` float64[channels] that ended at ``at``; gives the rows that opened and that closed.

        ``opens`` bool[channels]: whose episode opens now; ``took`` float64[channels]: events from ``since`` to now (0
        where evidence need not start again after opening).
        """
        with np.errstate(invalid="ignore"):
            calm = self.open & (s < np.maximum(np.sqrt(a), a * CALM))
        quiet = np.where(calm, self.quiet + events, 0.0)
        closes = calm & (quiet >= self.need)
        opened = np.where(opens, at, np.where(closes, np.nan, self.opened))
        begun = np.where(opens, np.where(np.isfinite(since), since, at), np.where(closes, np.nan, self.since))
        need = np.where(opens, np.where(took > 0, np.maximum(QUIET_TIMES * took, LEAST_QUIET), 0.0), self.need)
        known = self.ended * 0.5 ** (np.nan_to_num(at - self.end) / FORGET)
        ended, end = np.where(closes, known + 1, self.ended), np.where(closes, at, self.end)
        return Episodes(opened, begun, need, quiet, ended, end), np.flatnonzero(opens), np.flatnonzero(closes)
