"""Hellinger distance: the angle between the roots of the bin shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import Kind
from driftd.core.reference import Reference
from driftd.core.summary import Summary
from driftd.detectors import EVERY_KIND, Fault, Group
from driftd.detectors._bins import Floats, everywhere, merged, where_both


@dataclass(frozen=True, slots=True)
class Hellinger:
    """Hellinger distance of the window from the reference, for every channel.

    ``sqrt(sum((sqrt(p) - sqrt(q))**2) / 2)`` over the merged bins; p and q are the shares of reference and
    window, missing and unseen included.
    Unit: none; 0 for equal shares, 1 for shares that have no bin in common.

    Settings: ``effect``, the least distance that matters (0.1: a PSI of about 0.08).
    Reads:    ``Summary.counts`` of both sides, on the same bins.
    Returns:  float64[channels]; NaN where either side is empty, 0 where too few events are left for two bins.
    Noise:    ``noise_formula``. Without drift ``8 / k * distance**2`` is chi2(bins - 1) to first order,
              ``k = 1/n + 1/m``; the factor ``1 + 1/least`` covers the next order.
    Raises:   BinsDiffer if the two were binned differently.
    Source:   Hellinger 1909; Beran 1977.
    """

    kind: ClassVar[str] = "hellinger"
    title: ClassVar[str] = "Hellinger"
    metric: ClassVar[str] = "driftd_feature_hellinger_distance"
    unit: ClassVar[str] = "ratio"
    help: ClassVar[str] = "Hellinger distance of the window from the reference, 0 to 1"
    noise_formula: ClassVar[str] = "sqrt((1/n + 1/m) * chi2 * (1 + 1/least) / 8)"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    default_for: ClassVar[frozenset[Group]] = frozenset()
    fault: ClassVar[Fault | None] = None
    effect: float = 0.1

    def applies(self, reference: Reference) -> NDArray[np.bool_]:
        return everywhere(reference)

    def statistic(self, reference: Reference, current: Summary) -> Floats:
        p, q = merged(reference, current).shares
        out: Floats = np.sqrt(np.sum((np.sqrt(p) - np.sqrt(q)) ** 2, axis=-1) / 2)
        return out

    def noise(self, reference: Reference, current: Summary, alpha: float) -> Floats:
        both = merged(reference, current)
        return np.sqrt(both.k * both.divergence(alpha) / 8)

    def material(self, reference: Reference, current: Summary) -> Floats:
        return where_both(reference, current, self.effect)
