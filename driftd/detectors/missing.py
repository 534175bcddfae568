"""Missing rate: do more events lack the value than used to?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import Kind
from driftd.core.reference import Reference
from driftd.core.summary import Summary, require_same_bins
from driftd.detectors import EVERY_KIND, Fault, Group
from driftd.detectors._bins import Floats, everywhere, where_both
from driftd.detectors._rates import rate_level, ratio


@dataclass(frozen=True, slots=True)
class Missing:
    """Share of the window's events in which the channel's value is missing, for every channel.

    One-sided: fewer missing values than in the reference are no alarm.
    Unit: share of events, 0..1. The effect is a rise: what matters is the reference's share + effect.

    Settings: ``effect``, the least rise that matters (0.01, one event in a hundred that was not so before).
    Reads:    the missing column and the row sums of ``Summary.counts``.
    Returns:  float64[channels]; NaN where either side is empty.
    Noise:    exact tests of two rates, conditional or at Clopper and Pearson's bound, whichever is lower (_rates.py).
    Raises:   BinsDiffer if the two were binned differently.
    Source:   Clopper and Pearson 1934; Przyborowski and Wilenski 1940.
    """

    kind: ClassVar[str] = "missing"
    title: ClassVar[str] = "Missing"
    metric: ClassVar[str] = "driftd_feature_missing_ratio"
    unit: ClassVar[str] = "ratio"
    help: ClassVar[str] = "Share of the window's values that are missing"
    noise_formula: ClassVar[str] = ""
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    default_for: ClassVar[frozenset[Group]] = frozenset({"features", "outputs"})
    fault: ClassVar[Fault | None] = Fault(
        alert="DriftdMissingValues",
        summary="Values of {feature} of model {model} are missing or refused",
        share="are missing or of another type",
        hint="Values are missing: look at the producer or the join that fills it.",
        changes=("missing", "refused"),
    )
    effect: float = 0.01

    def applies(self, reference: Reference) -> NDArray[np.bool_]:
        return everywhere(reference)

    def statistic(self, reference: Reference, current: Summary) -> Floats:
        require_same_bins(reference.summary, current)
        share = ratio(current.missing, current.channel_events)
        return np.where(reference.summary.channel_events > 0, share, np.nan)

    def noise(self, reference: Reference, current: Summary, alpha: float) -> Floats:
        normal = reference.summary
        return rate_level(normal.missing, normal.channel_events, current.channel_events, alpha)

    def material(self, reference: Reference, current: Summary) -> Floats:
        normal = ratio(reference.summary.missing, reference.summary.channel_events)
        return where_both(reference, current, normal + self.effect)
