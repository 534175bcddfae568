"""Jensen-Shannon distance: how easily could the window's shares be told from the reference's?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from driftd.core.event import Kind
from driftd.core.reference import Reference
from driftd.core.summary import Summary
from driftd.detectors import EVERY_KIND, Fault, Group
from driftd.detectors._bins import Floats, everywhere, merged, where_both

_LN2: Final = float(np.log(2))


@dataclass(frozen=True, slots=True)
class JensenShannon:
    """Jensen-Shannon distance, base 2, of the window from the reference, for every channel.

    ``sqrt((KL(p, m) + KL(q, m)) / 2)`` with ``m = (p + q) / 2`` and logarithms of base 2, over the merged
    bins; p and q are the shares of reference and window, missing and unseen included.
    Unit: none; 0 for equal shares, 1 for shares that have no bin in common.

    Settings: ``effect``, the least distance that matters (0.1: a PSI of about 0.055).
    Reads:    ``Summary.counts`` of both sides, on the same bins.
    Returns:  float64[channels]; NaN where either side is empty, 0 where too few events are left for two bins.
    Noise:    ``noise_formula``. Without drift ``8 ln(2) / k * distance**2`` is chi2(bins - 1) to first order,
              ``k = 1/n + 1/m``; the factor ``1 + 1/least`` covers the next order.
    Raises:   BinsDiffer if the two were binned differently.
    Source:   Lin 1991; Endres and Schindelin 2003 (the root is a metric).
    """

    kind: ClassVar[str] = "js"
    title: ClassVar[str] = "Jensen-Shannon"
    metric: ClassVar[str] = "driftd_feature_js_distance"
    unit: ClassVar[str] = "ratio"
    help: ClassVar[str] = "Jensen-Shannon distance of the window from the reference, 0 to 1"
    noise_formula: ClassVar[str] = "sqrt((1/n + 1/m) * chi2 * (1 + 1/least) / (8 * log(2)))"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    default_for: ClassVar[frozenset[Group]] = frozenset()
    fault: ClassVar[Fault | None] = None
    effect: float = 0.1

    def applies(self, reference: Reference) -> NDArray[np.bool_]:
        return everywhere(reference)

    def statistic(self, reference: Reference, current: Summary) -> Floats:
        p, q = merged(reference, current).shares
        # KL(p, m) = sum p ln(2p) - sum p ln(p + q): no division, and an empty bin adds nothing
        twice = xlogy(p, 2 * p) + xlogy(q, 2 * q) - xlogy(p + q, p + q)
        out: Floats = np.sqrt(np.maximum(twice.sum(axis=-1), 0) / (2 * _LN2))
        return out

    def noise(self, reference: Reference, current: Summary, alpha: float) -> Floats:
        both = merged(reference, current)
        return np.sqrt(both.k * both.divergence(alpha) / (8 * _LN2))

    def material(self, reference: Reference, current: Summary) -> Floats:
        return where_both(reference, current, self.effect)
