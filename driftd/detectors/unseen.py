"""Unseen rate: do categories turn up that the reference never saw?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import Kind
from driftd.core.reference import Reference
from driftd.core.summary import Summary, require_same_bins
from driftd.detectors import CATEGORIES, Fault, Group
from driftd.detectors._bins import Floats, where_both
from driftd.detectors._rates import rate_level, ratio


@dataclass(frozen=True, slots=True)
class Unseen:
    """Share of the window's events whose category the reference never saw, for categorical channels.

    The share to expect is not 0: a reference with many rare categories has more of them still to come.
    Unit: share of events, 0..1. The effect is a rise: what matters is the expected share + effect.

    Settings: ``effect``, the least rise that matters (0.01, one event in a hundred that was not so before).
    Reads:    the unseen column and the row sums of ``Summary.counts``.
    Returns:  float64[channels]; NaN for numbers, for identifiers (every value is new) and where either side
              is empty.
    Noise:    exact test of two rates (_rates.py), with Good and Turing's estimate of what is still to come, the
              categories seen once, in the place of the reference's hits.
    Raises:   BinsDiffer if the two were binned differently.
    Source:   Good 1953; McAllester and Schapire 2000; Clopper and Pearson 1934.
    """

    kind: ClassVar[str] = "unseen"
    title: ClassVar[str] = "Unseen"
    metric: ClassVar[str] = "driftd_feature_unseen_ratio"
    unit: ClassVar[str] = "ratio"
    help: ClassVar[str] = "Share of the window's values that the reference never saw"
    noise_formula: ClassVar[str] = ""
    kinds: ClassVar[frozenset[Kind]] = CATEGORIES
    default_for: ClassVar[frozenset[Group]] = frozenset({"features", "outputs"})
    fault: ClassVar[Fault | None] = Fault(
        alert="DriftdUnseenCategories",
        summary="Feature {feature} of model {model} takes values that its reference never saw",
        share="were never seen in the reference",
        hint="New values: a new market, release or spelling upstream?",
        changes=("new_value", "renamed"),
    )
    effect: float = 0.01

    def applies(self, reference: Reference) -> NDArray[np.bool_]:
        identifier = np.array([b.identifier for b in reference.bins], bool)
        out: NDArray[np.bool_] = ~reference.numeric & ~identifier
        return out

    def statistic(self, reference: Reference, current: Summary) -> Floats:
        require_same_bins(reference.summary, current)
        share = ratio(current.unseen, current.channel_events)
        return np.where(self.applies(reference) & (reference.summary.channel_events > 0), share, np.nan)

    def noise(self, reference: Reference, current: Summary, alpha: float) -> Floats:
        normal = reference.summary
        level = rate_level(expected(reference), normal.channel_events, current.channel_events, alpha)
        return np.where(self.applies(reference), level, np.nan)

    def material(self, reference: Reference, current: Summary) -> Floats:
        normal = ratio(expected(reference), reference.summary.channel_events)
        return where_both(reference, current, np.where(self.applies(reference), normal + self.effect, np.nan))


def expected(reference: Reference) -> NDArray[np.int64]:
    """int64[channels]: unseen values to expect among as many events as the reference has (Good and Turing)."""
    once = np.array([b.once for b in reference.bins], np.int64)
    out: NDArray[np.int64] = np.minimum(once + reference.summary.unseen, reference.summary.channel_events)
    return out
