"""Population stability index: how far have the bin shares moved?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import Kind
from driftd.core.reference import Reference
from driftd.core.summary import Summary
from driftd.detectors import EVERY_KIND, Fault, Group, _evidently
from driftd.detectors._bins import Floats, everywhere, merged, where_both


@dataclass(frozen=True, slots=True)
class PSI:
    """Population stability index of the window against the reference, for every channel.

    ``PSI = sum((q - p) * ln(q / p))`` over the merged bins, missing and unseen included; p and q are the
    shares of reference and window after half a count is added to each bin.
    With ``binning`` set to ``evidently`` the number is Evidently's, for comparisons during a migration: the same for
    categories and for up to 20 different numbers, near it for others.
    Unit: nats; 0 for equal shares, no upper bound.

    Settings: ``effect``, the least PSI that matters (0.1, the customary border between "no change" and
              "slight change").
    Reads:    ``Summary.counts`` of both sides, on the same bins.
    Returns:  float64[channels]; NaN where either side is empty, 0 where too few events are left for two bins.
    Noise:    ``noise_formula``. Without drift ``PSI / k`` is chi2(bins - 1) to first order, ``k = 1/n + 1/m`` (Yurdakul
              2018); the factor ``1 + 1/least`` covers the next order, which counts where bins are thin.
    Raises:   BinsDiffer if the two were binned differently.
    Source:   Jeffreys 1946; Yurdakul and Naranjo 2020.
    """

    kind: ClassVar[str] = "psi"
    title: ClassVar[str] = "Population stability index"
    metric: ClassVar[str] = "driftd_feature_psi"
    unit: ClassVar[str] = "nats"
    help: ClassVar[str] = "Population stability index of the window against the reference"
    noise_formula: ClassVar[str] = "(1/n + 1/m) * chi2 * (1 + 1/least)"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    default_for: ClassVar[frozenset[Group]] = frozenset({"features", "outputs"})
    fault: ClassVar[Fault | None] = None
    effect: float = 0.1
    binning: str = field(default="driftd", metadata={"choices": ("driftd", "evidently")})

    def applies(self, reference: Reference) -> NDArray[np.bool_]:
        return everywhere(reference)

    def statistic(self, reference: Reference, current: Summary) -> Floats:
        if self.binning == "evidently":
            return _evidently.psi(reference, current)
        both = merged(reference, current)
        p = (both.reference + 0.5) / (both.n + 0.5 * both.bins)[..., None]
        q = (both.current + 0.5) / (both.m + 0.5 * both.bins)[..., None]
        terms = (q - p) * np.log(q / p)
        return np.where(np.isnan(both.k), np.nan, np.sum(terms, axis=-1, where=both.inside))

    def noise(self, reference: Reference, current: Summary, alpha: float) -> Floats:
        both = merged(reference, current)
        return both.k * both.divergence(alpha)

    def material(self, reference: Reference, current: Summary) -> Floats:
        return where_both(reference, current, self.effect)
