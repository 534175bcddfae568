"""Kolmogorov-Smirnov: the widest gap between the two distribution functions."""

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


@dataclass(frozen=True, slots=True)
class KolmogorovSmirnov:
    """Two-sample Kolmogorov-Smirnov statistic at the bin edges, for numeric channels.

    ``D = max |F - G|`` over the edges of the reference's bins; F and G are the shares of the present values
    up to the edge, in reference and window. Missing values are not part of it.
    Unit: share of values, 0..1. The statistic of the raw values is larger by at most one bin's share.

    Settings: ``effect``, the least D that matters (0.1: a shift by a quarter of a standard deviation).
    Reads:    ``Summary.counts`` of both sides, on the same bins.
    Returns:  float64[channels]; NaN for categories and where either side has no values.
    Noise:    ``noise_formula``, n and m of the values present: the bound for continuous values. Bins and ties only
              lower D, so it errs to the quiet side.
    Raises:   BinsDiffer if the two were binned differently.
    Source:   Smirnov 1939; Massart 1990.
    """

    kind: ClassVar[str] = "ks"
    title: ClassVar[str] = "Kolmogorov-Smirnov"
    metric: ClassVar[str] = "driftd_feature_ks_statistic"
    unit: ClassVar[str] = "ratio"
    help: ClassVar[str] = "Largest distance between the two distribution functions, 0 to 1"
    noise_formula: ClassVar[str] = "min(sqrt(-log(alpha / 2) * (1/n + 1/m) / 2), 1)"
    kinds: ClassVar[frozenset[Kind]] = NUMBERS
    default_for: ClassVar[frozenset[Group]] = frozenset()
    fault: ClassVar[Fault | None] = None
    effect: float = 0.1

    def applies(self, reference: Reference) -> NDArray[np.bool_]:
        return reference.numeric

    def statistic(self, reference: Reference, current: Summary) -> Floats:
        require_same_bins(reference.summary, current)
        f, g = (np.cumsum(s.counts[..., FIRST_VALUE:], axis=-1) for s in (reference.summary, current))
        with np.errstate(invalid="ignore"):
            gap = np.abs(f / f[..., -1:] - g / g[..., -1:])
        return np.where(reference.numeric, gap.max(axis=-1), np.nan)

    def noise(self, reference: Reference, current: Summary, alpha: float) -> Floats:
        n, m = (s.counts[..., FIRST_VALUE:].sum(axis=-1) for s in (reference.summary, current))
        with np.errstate(divide="ignore"):
            level = np.sqrt(-np.log(alpha / 2) * (1 / n + 1 / m) / 2)
        return np.where(reference.numeric & (n > 0) & (m > 0), np.minimum(level, 1), np.nan)

    def material(self, reference: Reference, current: Summary) -> Floats:
        return where_both(reference, current, np.where(reference.numeric, self.effect, np.nan))
