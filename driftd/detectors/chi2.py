"""Pearson's chi-squared: are the window's counts too far from what the reference leads to expect?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import Kind
from driftd.core.reference import Reference
from driftd.core.summary import Summary
from driftd.detectors import EVERY_KIND, Fault, Group
from driftd.detectors._bins import Floats, everywhere, merged


@dataclass(frozen=True, slots=True)
class Chi2:
    """Pearson's chi-squared statistic of the 2 x bins table of reference and window, for every channel.

    ``X2 = sum((q - p)**2 / t) / k`` over the merged bins, missing and unseen included; p, q and t are the
    shares of reference, window and both together, ``k = 1/n + 1/m``.
    Unit: none; about ``bins - 1`` without drift, grows with the number of events under drift. The effect is
    therefore stated in Cohen's w, ``w = sqrt(k * X2)``, which does not grow: what matters is w**2 / k.

    Settings: ``effect``, the least w that matters (0.3, Cohen's "medium": a PSI of about 0.09).
    Reads:    ``Summary.counts`` of both sides, on the same bins.
    Returns:  float64[channels]; NaN where either side is empty, 0 where too few events are left for two bins.
    Noise:    ``noise_formula``, chi-squared of bins - 1 degrees of freedom; usable with hundreds of categories.
    Raises:   BinsDiffer if the two were binned differently.
    Source:   Pearson 1900; Cohen 1988 (w).
    """

    kind: ClassVar[str] = "chi2"
    title: ClassVar[str] = "Chi-squared"
    metric: ClassVar[str] = "driftd_feature_chi2_statistic"
    unit: ClassVar[str] = "1"
    help: ClassVar[str] = "Chi-squared statistic of the window's bins against the reference's"
    noise_formula: ClassVar[str] = "chi2"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    default_for: ClassVar[frozenset[Group]] = frozenset()
    fault: ClassVar[Fault | None] = None
    effect: float = 0.3

    def applies(self, reference: Reference) -> NDArray[np.bool_]:
        return everywhere(reference)

    def statistic(self, reference: Reference, current: Summary) -> Floats:
        both = merged(reference, current)
        p, q = both.shares
        with np.errstate(divide="ignore", invalid="ignore"):
            both_shares = (both.reference + both.current) / (both.n + both.m)[..., None]
            terms = (q - p) ** 2 / both_shares
        out: Floats = np.sum(terms, axis=-1, where=both.inside) / both.k
        return out

    def noise(self, reference: Reference, current: Summary, alpha: float) -> Floats:
        return merged(reference, current).level(alpha)

    def material(self, reference: Reference, current: Summary) -> Floats:
        return self.effect**2 / merged(reference, current).k
