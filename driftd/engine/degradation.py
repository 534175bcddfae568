r"""Less work where driftd cannot keep up, step by step, and back; windows of errors are judged at every step.

level 0   everything
level 1   without sequential detectors, but for those of errors
level 2   and half of the records
level 3   a quarter
level 4   an eighth

lag      |            ________
         |        ___/        \___
limit    |-------/----------------\-------------
half     |----__/------------------\____________
level      0  0  1  2  2  2  1 ...               a step a minute: up while it does not fall, down below half
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from driftd.sources import Lag

STEP_SECONDS: Final = 60.0
LEAST_RECORDS: Final = 10_000
"""Fewer are some seconds' work, however old they are."""
LEVELS: Final = (
    "nothing is shed",
    "sequential detectors wait, but for those of errors",
    "half of the records are read",
    "a quarter of the records is read",
    "an eighth of the records is read",
)


@dataclass(slots=True)
class Ladder:
    """``lag_seconds``: None, and nothing is ever shed."""

    lag_seconds: float | None = None
    level: int = 0
    _stepped: float = -STEP_SECONDS
    _records: int = 0

    def look(self, lags: Collection[Lag], now: float) -> int:
        """The level from now on; ``now`` is monotonic time."""
        if self.lag_seconds is None:
            self.level = 0
        if self.lag_seconds is None or now - self._stepped < STEP_SECONDS:
            return self.level
        records, seconds = sum(lag.records for lag in lags), max((lag.seconds for lag in lags), default=0.0)
        behind = seconds > self.lag_seconds and records >= LEAST_RECORDS
        if behind and records >= self._records > 0:
            self.level = min(self.level + 1, len(LEVELS) - 1)
        elif seconds < self.lag_seconds / 2 or records < LEAST_RECORDS:
            self.level = max(self.level - 1, 0)
        self._stepped, self._records = now, records if behind else 0
        return self.level


def halvings(level: int) -> int:
    """How often the records that are read are halved."""
    return max(0, level - 1)
