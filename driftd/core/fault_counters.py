"""What a pane carries beyond its Summary so that faults show on any traffic; adds up exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

REFUSED: Final = 0
"""Values of another type than the channel's; Summary counts them as missing."""
FAR: Final = 1
"""Numbers far outside the reference's middle (CountLimits)."""
REPEATED: Final = 2
"""Values equal to the value of the event before, in the same partition."""
HOT: Final = 3
"""Unseen categories that came twice before among the last HOT_EVENTS events of the partition."""
NONZERO: Final = 4
"""Numbers other than 0: those that the next two columns are about."""
LOGS: Final = 5
"""Sum of ln(|x| + offset) in units of LOG_UNIT; the offset is the channel's (CountLimits)."""
LOG_SQUARES: Final = 6
"""Sum of its squares in units of LOG_UNIT."""
COLUMNS: Final = 7

LOG_UNIT: Final = 2.0**-10
"""(ln 1e308)**2 / unit * 2**31 events < 2**63."""


@dataclass(frozen=True, slots=True, eq=False)
class CountLimits:
    """float64[channels]: numbers below ``low`` or above ``high`` are far (NaN: none is); ``offset`` is added to |x|
    before its logarithm, so that values near 0 are not infinitely far from others.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    offset: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FaultCounters:
    """``values`` int64[channels, COLUMNS]: counters of one stretch of events, by the columns above."""

    values: NDArray[np.int64]

    @classmethod
    def empty(cls, channels: int) -> Self:
        return cls(np.zeros((channels, COLUMNS), np.int64))
