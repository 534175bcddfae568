"""Which judge a channel may have: are its events exchangeable, or do they depend on those before them?

Measured on the reference's events in order of time, on the normal score of each value and on indicators (missing, the
most frequent categories): the lag-1 autocorrelation, and the design effect W var(mean of W events) / var(one event)
for windows of W = 30, 100, 300 and 1,000 events. A channel is dependent when the autocorrelation exceeds
max(.08, 4 / sqrt(n)), or when a design effect exceeds 1.5 and the quantile of chi-squared that independent events
exceed with probability .0005.

The test sees only rhythms that the reference is long enough to show: ten minutes contain no night. So the reference's
span is part of the guarantee.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from driftd.judge.seasonal.clock import SeasonClock
from driftd.judge.seasonal.days import MOST_SEASONS
from driftd.judge.seasonal.season import PAGE_SEASONS

Floats = NDArray[np.float64]

WINDOWS: Final = (30, 100, 300, 1000)
"""Events of the windows whose means are compared. Chosen: half decades, from fewer than a micro-batch to as many as
the default window."""
DESIGN_EFFECT: Final = 1.5
"""Least design effect that is dependence. Measured on the 15 open streams: .6 to 1.6 in random order, beyond that only
within chance; 21 to 334 in real order."""
LAG_ONE: Final = 0.08
"""Least lag-1 autocorrelation that is dependence. Measured on the same streams: -.03 to .05 in random order, .86 to .99
in real order."""
STANDARD_ERRORS: Final = 4.0
"""Of the autocorrelation, 1 / sqrt(n) each. Derived: independent events exceed four with probability 3e-5."""
LEVEL: Final = 5e-4
"""Chance that the design effect of one window length calls independent events dependent. Chosen: .002 a channel."""
LEAST_EVENTS: Final = 100
"""Fewer events are taken for independent. Chosen: below, only an autocorrelation of .4 would be significant."""
LEAST_WINDOWS: Final = 3
"""Fewer windows are not compared. Chosen: the least that has a variance worth a chi-squared with 2 degrees."""
INDICATORS: Final = 6
"""The most frequent columns of a categorical channel that are tested. Chosen: rarer ones have little power."""


class Regime(StrEnum):
    INDEPENDENT = "independent"  # driftd.judge.exchangeable.independent; pages
    SEASONAL = "seasonal"  # driftd.judge.seasonal.season, from 24 weeks on; pages
    DEPENDENT = "dependent"  # dependent events, and too few weeks are known: abstains


@dataclass(frozen=True, slots=True)
class RegimeVerdict:
    """One channel's regime and why; ``design_effect`` the one that exceeds its limit most."""

    regime: Regime
    pages: bool
    design_effect: float
    because: str


def span_of(times: Floats) -> float:
    """Seconds from the first to the last of ``times`` float64[n], in order; 0 without any."""
    return float(times[-1] - times[0]) if len(times) else 0.0


def whole_weeks(times: Floats) -> int:
    """How many weeks the events of ``times`` float64[n], in order, span; a slot short of one counts as one."""
    clock = SeasonClock()
    return min(int((span_of(times) + clock.slot_seconds) // (clock.slots * clock.slot_seconds)), MOST_SEASONS)


def decide(signals: Floats, weeks: int) -> RegimeVerdict:
    """``signals`` float64[k, n], a channel's score and indicators in order of time; ``weeks`` whole ones in the
    reference.
    """
    n = signals.shape[1]
    varied = signals[signals.std(axis=1) > 1e-12] if n else signals
    if n < LEAST_EVENTS or not len(varied):
        return RegimeVerdict(Regime.INDEPENDENT, True, 1.0, "constant, or too few events to tell")
    z = (varied - varied.mean(axis=1, keepdims=True)) / varied.std(axis=1, keepdims=True)
    lag_one = float(np.max(np.mean(z[:, 1:] * z[:, :-1], axis=1)))
    effect, window, beyond = largest_design_effect(z)
    limit = max(LAG_ONE, STANDARD_ERRORS / np.sqrt(n))
    if lag_one <= limit and not beyond:
        why = f"autocorrelation {lag_one:.2f}, window means vary {effect:.1f} times as chance would"
        return RegimeVerdict(Regime.INDEPENDENT, True, effect, why)
    why = f"autocorrelation {lag_one:.2f} (limit {limit:.2f}), "
    why += f"means of {window} events vary {effect:.1f} times as chance would"
    if weeks >= PAGE_SEASONS:
        return RegimeVerdict(Regime.SEASONAL, True, effect, f"{why}; {weeks} weeks known")
    why = f"{why}; {weeks} of {PAGE_SEASONS} weeks known: natural variation judges it"
    return RegimeVerdict(Regime.DEPENDENT, False, effect, why)


def largest_design_effect(z: Floats) -> tuple[float, int, bool]:
    """The design effect most over its limit, its window, whether it is over; ``z`` float64[k, n], standardised."""
    k, n = z.shape
    best = (0.0, 1.0, 0)
    for w in WINDOWS:
        m = n // w
        if m < LEAST_WINDOWS:
            continue
        v = w * z[:, : m * w].reshape(k, m, w).mean(axis=2).var(axis=1, ddof=1)
        limit = max(DESIGN_EFFECT, float(chdtri(m - 1, LEVEL / k)) / (m - 1))
        best = max(best, (float(v.max()) / limit, float(v.max()), w))
    return best[1], best[2], best[0] > 1


def signals_of(scores: Floats, columns: NDArray[np.intp], counts: NDArray[np.int64], *, categories: bool) -> Floats:
    """What is tested of a channel, float64[k, n]: ``columns`` intp[n] of its events; ``scores`` float64[width]."""
    busiest = [c for c in np.argsort(-counts)[:INDICATORS] if 0 < counts[c] < counts.sum()] if categories else []
    rows = [columns == 0, *(columns == c for c in busiest)]
    if not categories:
        rows.append(scores[columns])
    return np.stack(rows).astype(np.float64)
