"""What counts on a reference's bins say of values: quantiles and means, of all numeric channels in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, MOMENT_UNIT, Summary

Floats = NDArray[np.float64]

STATISTICS: Final = ("mean", "p5", "p50", "p95")
"""Rows of ``BinValues.statistics``."""
QUANTILES: Final = (0.05, 0.5, 0.95)


@dataclass(frozen=True, slots=True, eq=False)
class BinValues:
    """Derived from a reference, once. ``low`` and ``span`` float64[channels, value bins]: a bin's values lie evenly in
    ``low`` to ``low + span``; the open ones begin at -inf and at inf, and ``outermost`` float64[channels, 2] are the
    edges that they lie beyond, NaN of categories. ``bins``: value bins that numbers have at the most. ``numeric``:
    their rows. ``center``, ``scale`` float64[channels]: what standardised values were standardised with.
    """

    numeric: NDArray[np.intp]
    bins: int
    low: Floats
    span: Floats
    outermost: Floats
    center: Floats
    scale: Floats

    @classmethod
    def of(cls, reference: Reference) -> Self:
        low = np.full((len(reference.channels), reference.width - FIRST_VALUE), np.inf)
        span, outermost = np.zeros(low.shape), np.full((len(low), 2), np.nan)
        for row, bins in enumerate(reference.bins):  # once a reference
            edges, inner = bins.edges, slice(1, len(bins.edges))
            if len(edges):
                low[row, 0] = -np.inf
                low[row, inner] = edges[1:] if bins.discrete else edges[:-1]
                span[row, inner] = 0.0 if bins.discrete else np.diff(edges)
                outermost[row] = edges[0], edges[-1]
        return cls(
            np.flatnonzero(reference.numeric),
            int((reference.used[reference.numeric] - FIRST_VALUE).max(initial=1)),
            low,
            span,
            outermost,
            reference.center,
            reference.scale,
        )

    def quantiles(self, counts: Floats, rows: NDArray[np.intp], extremes: Floats | None = None) -> list[Floats]:
        """QUANTILES, each [..., rows], of value counts [..., rows, value bins] of numbers; NaN without values. Beyond
        the outermost edges they are -inf and inf, or, given ``extremes`` float64[rows, 2], lie evenly up to the least
        and the greatest value.
        """
        counts = counts[..., : self.bins]
        low, span = self.low[rows, : self.bins], self.span[rows, : self.bins]
        if extremes is not None:
            first, last = (self.outermost[rows, end] for end in (0, 1))
            least, most = np.minimum(extremes[:, 0], first), np.maximum(extremes[:, 1], last)
            below, above = np.isneginf(low), np.isposinf(low)
            low = np.where(below, least[:, None], np.where(above, last[:, None], low))
            span = np.where(below, (first - least)[:, None], np.where(above, (most - last)[:, None], span))
        cumulated = np.cumsum(counts, axis=-1)
        each = np.arange(len(rows))
        out = []
        for q in QUANTILES:
            rank = q * cumulated[..., -1]
            place = np.minimum((cumulated < rank[..., None]).sum(axis=-1), counts.shape[-1] - 1)
            until, here = (np.take_along_axis(x, place[..., None], axis=-1)[..., 0] for x in (cumulated, counts))
            part = 1.0 - (until - rank) / np.maximum(here, 1e-300)
            start, length = low[each, place], span[each, place]
            value = start + np.where(np.isfinite(start), part * length, 0.0)
            out.append(np.where(cumulated[..., -1] > 0, value, np.nan))
        return out

    def mean(self, moments: Floats, values: Floats, rows: NDArray[np.intp]) -> Floats:
        """[..., rows]: of ``values`` numbers whose standardised values sum up to ``moments``, in MOMENT_UNIT; they were
        clipped (core.summary.MOMENT_CLIP).
        """
        mean = self.center[rows] + self.scale[rows] * (moments * MOMENT_UNIT / values)
        out: Floats = np.where(np.abs(mean) < self.scale[rows] * MOMENT_UNIT, 0.0, mean)  # sums tell no less
        return out

    def statistics(self, summary: Summary) -> Floats:
        """float64[STATISTICS, channels] of a summary on these bins; NaN of categories and where there is no value."""
        rows = self.numeric
        out = np.full((len(STATISTICS), len(self.low)), np.nan)
        counts = summary.counts[rows, FIRST_VALUE : FIRST_VALUE + self.bins].astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            out[0, rows] = self.mean(summary.moments[rows, 0].astype(np.float64), counts.sum(axis=1), rows)
            out[1:, rows] = self.quantiles(counts, rows, summary.extremes[rows])
        return out
