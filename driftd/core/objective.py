"""Service level objectives of a model: which share of its predictions may fail, which may be slow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.summary import LATENCY_LE

DAYS: Final = 30
"""Budgets are over so many days; the alert rules (alert_rules/slo.yml) say the same."""
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
FAST: Final = ((14.4, HOUR, 5 * MINUTE), (6.0, 6 * HOUR, 30 * MINUTE))
SLOW: Final = ((3.0, DAY, 2 * HOUR), (1.0, 3 * DAY, 6 * HOUR))
"""How fast a budget may be used, over which two times both: of what pages, and of what makes a ticket. As the rules."""
LEAST: Final = 100
"""Predictions of the longer time, below which nothing burns. As the rules (driftd:slo:minimum_events)."""


@dataclass(frozen=True, slots=True)
class Objective:
    """``error_budget`` and ``latency_budget`` are shares 0..1 of the predictions; slow is what takes longer than
    ``latency_seconds``, one of LATENCY_LE.
    """

    error_budget: float = 0.01
    latency_budget: float = 0.01
    latency_seconds: float = 0.25

    @property
    def slow_from(self) -> int:
        """The first of the histogram's buckets whose latencies are slow."""
        return LATENCY_LE.index(self.latency_seconds) + 1

    def slow(self, latency_le: NDArray[np.int64]) -> int:
        """How many are slow, of the histogram's buckets int64[len(LATENCY_LE) + 1], each bucket's own count."""
        return int(latency_le[self.slow_from :].sum())


USUAL: Final = Objective()
"""Where nobody says otherwise."""
