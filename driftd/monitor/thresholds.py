"""When a score is a finding: the budget's shares, hysteresis, and the estimated start of a change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftd.core.finding import OK, WARNING
from driftd.core.units import MONTH_SECONDS

CLOSE_RATIO = 0.8
"""A ratio of 1 opens a ticket; below CLOSE_RATIO it closes again."""


@dataclass(frozen=True, slots=True)
class Budget:
    """False alarms a month for everything that is watched together, and what is watched.

    ``tests`` is how many (channel, detector) pairs are judged each hop over all models; ``hop_seconds`` the
    shortest time between judgements.
    """

    false_alarms_per_month: float
    tests: int
    hop_seconds: float

    @property
    def alpha(self) -> float:
        """The chance of a false alarm that one judgement of one channel by one detector may take.

        The shares add up to the budget under any dependence (union bound). Sliding windows are paid for: each of
        the hops of a window is a judgement of its own.
        """
        judgements = max(self.tests, 1) * MONTH_SECONDS / self.hop_seconds
        return min(0.1, self.false_alarms_per_month / judgements)


def next_status(before: NDArray[np.int8], ratio: NDArray[np.float64]) -> NDArray[np.int8]:
    """int8[channels]: WARNING from a ratio of 1 until it falls below CLOSE_RATIO, else OK.

    Only the judge says DRIFT: a statistic over its threshold is a ticket. A channel whose detector abstains keeps its
    status.
    """
    with np.errstate(invalid="ignore"):
        over = (ratio >= 1) | ((before == WARNING) & (ratio >= CLOSE_RATIO))
    return np.where(np.isnan(ratio), before, np.where(over, WARNING, OK)).astype(np.int8)
