"""From the user's one number to thresholds: A of every channel, and the certificate that says what is promised.

Channel k sees N_k events a month; F false pages a month are accepted in all; shares w_k sum to at most 1. With
A_k = N_k / (w_k F) the chance that channel k pages falsely in a month is at most w_k F, so the expected number of false
pages is at most sum w_k F / (1 - w_k F), about F, under any dependence between channels (union bound).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MONTH_SECONDS: Final = 30 * 86_400.0


def even_share(among: NDArray[np.bool_]) -> float:
    """The share of each of those that ``among`` bool[n] marks."""
    return 1 / max(int(np.count_nonzero(among)), 1)


def thresholds(events_a_second: Floats, shares: Floats, false_alarms_per_month: float) -> Floats:
    """A of every channel, in events; at least 100, so that a rare channel cannot page on its first event."""
    monthly = np.maximum(events_a_second * MONTH_SECONDS, 1.0)
    with np.errstate(divide="ignore"):
        return np.maximum(monthly / (shares * false_alarms_per_month), 100.0)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What ``driftd check`` and the page show. ``bound`` is the expected number of false pages a month at most;
    ``confidence`` the chance that all reference bounds hold.
    """

    budget: float
    channels: int
    bound: float
    confidence: float
    least: float
    greatest: float

    @classmethod
    def of(cls, shares: Floats, a: Floats, false_alarms_per_month: float, miss: float) -> Certificate:
        p = np.minimum(shares * false_alarms_per_month, 0.999)
        confidence = max(0.0, 1 - miss * len(shares))
        return cls(
            false_alarms_per_month, len(shares), float(np.sum(p / (1 - p))), confidence, float(a.min()), float(a.max())
        )


def smallest_shift(a: float, reference_events: float, within_events: float, deviations: float = 3.5) -> float:
    """The shift (standard deviations) that the location tilts find within so many events, about 9 times in 10.

    From delay = 2 (ln A + ln 1/weight) / (shift - deviations / sqrt(reference))**2, plus 1.28 standard deviations of
    the evidence's own scatter. An estimate, not yet checked by simulation; not a bound.
    """
    nats = np.log(a) - np.log(max(min(within_events, a / 10), 1.0)) / 2 + np.log(1 / 0.035)
    root = (1.28 + np.sqrt(1.28**2 + 2 * nats)) / np.sqrt(within_events)
    return float(root + deviations / np.sqrt(reference_events))
