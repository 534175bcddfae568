"""Out-of-range rate: do values lie beyond the least and the greatest that the reference saw?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import Kind
from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, Summary, require_same_bins
from driftd.detectors import NUMBERS, Fault, Group
from driftd.detectors._bins import Floats, where_both
from driftd.detectors._rates import rate_level, ratio


@dataclass(frozen=True, slots=True)
class OutOfRange:
    """Share of the window's events below the reference's least or above its greatest value, for numbers.

    A unit that changed (cents for euros) shows here first. One wild value among a thousand does not reach it.
    Unit: share of events, 0..1. The effect is a rise: what matters is the reference's share + effect.

    Settings: ``effect``, the least rise that matters (0.01, one event in a hundred that was not so before).
    Reads:    the outermost value columns and the row sums of ``Summary.counts``.
    Returns:  float64[channels]; NaN for categories and where either side is empty.
    Noise:    exact test of two rates (_rates.py). The mass beyond the two extremes of n values is Beta(2, n - 1)
              for continuous values, as if one of the n had been out of range, and less for values with ties.
    Raises:   BinsDiffer if the two were binned differently.
    Source:   Wilks 1941 (tolerance limits); Clopper and Pearson 1934.
    """

    kind: ClassVar[str] = "out_of_range"
    title: ClassVar[str] = "Out of range"
    metric: ClassVar[str] = "driftd_feature_out_of_range_ratio"
    unit: ClassVar[str] = "ratio"
    help: ClassVar[str] = "Share of the window's values outside the reference's range"
    noise_formula: ClassVar[str] = ""
    kinds: ClassVar[frozenset[Kind]] = NUMBERS
    default_for: ClassVar[frozenset[Group]] = frozenset({"features", "outputs", "errors"})
    fault: ClassVar[Fault | None] = Fault(
        alert="DriftdOutOfRange",
        summary="Values of {feature} of model {model} lie outside the range of its reference",
        share="lie outside the range of the reference",
        hint="Outside the reference's range: did a unit or a scale change?",
        changes=("range",),
    )
    effect: float = 0.01

    def applies(self, reference: Reference) -> NDArray[np.bool_]:
        return reference.numeric

    def statistic(self, reference: Reference, current: Summary) -> Floats:
        require_same_bins(reference.summary, current)
        share = ratio(beyond(reference, current), current.channel_events)
        return np.where(self.applies(reference) & (reference.summary.channel_events > 0), share, np.nan)

    def noise(self, reference: Reference, current: Summary, alpha: float) -> Floats:
        normal = reference.summary
        # the 1 is what makes the bound Beta(2, n - 1): without it the reference's own extremes would count as proof
        # that nothing lies beyond them, and every second window of a quiet month would hold one value that does
        hits = np.minimum(beyond(reference, normal) + 1, normal.channel_events)
        level = rate_level(hits, normal.channel_events, current.channel_events, alpha)
        return np.where(self.applies(reference), level, np.nan)

    def material(self, reference: Reference, current: Summary) -> Floats:
        normal = ratio(beyond(reference, reference.summary), reference.summary.channel_events)
        return where_both(reference, current, np.where(self.applies(reference), normal + self.effect, np.nan))


def beyond(reference: Reference, summary: Summary) -> NDArray[np.int64]:
    """int64[..., channels]: values in the two open bins of numeric channels, 0 for categories."""
    rows = np.arange(len(reference.channels))
    values = summary.counts[..., FIRST_VALUE] + summary.counts[..., rows, reference.used - 1]
    return np.where(reference.numeric, values, 0)
