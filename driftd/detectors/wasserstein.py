"""Wasserstein distance: how far must the reference's values be carried to become the window's?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from driftd.core.event import Kind
from driftd.core.reference import Bins, Reference
from driftd.core.summary import FIRST_VALUE, Summary, require_same_bins
from driftd.core.values import FLOAT32_NOISE
from driftd.detectors import NUMBERS, Fault, Group
from driftd.detectors._bins import Floats, where_both

DRAWS: Final = 8192
ANCHOR: Final = 0.01
"""The level is simulated down to this alpha and carried on from there by theory."""


@dataclass(frozen=True, slots=True)
class Wasserstein:
    """First Wasserstein (earth mover's) distance in standard deviations of the reference, for numeric channels.

    ``sum(|F_i - G_i| * (x_{i+1} - x_i)) / sd``; F and G are the shares of the present values up to bin i, x is
    where the bin's mass is taken to stand, sd the reference's standard deviation on the same x. A bin of one
    value stands on it, a bin of many at its middle. The outermost bins, open at the outside, stand no further
    out than the width of their neighbour: so one value of 1e6 among a thousand moves neither sd nor distance.
    A value far beyond the reference counts as one beside it; out_of_range says how many there are.
    Unit: reference standard deviations; a plain shift by half of one gives 0.5. For 0/1 errors with rate p it
    is the change of the rate over ``sqrt(p (1 - p))``.

    Settings: ``effect``, the least distance that matters (0.1, a tenth of a standard deviation).
    Reads:    ``Summary.counts`` of both sides and the edges of the reference's bins.
    Returns:  float64[channels]; NaN for categories, where the reference is constant, where a side is empty.
    Noise:    the statistic over ``sqrt(1/n + 1/m)`` is, without drift, the integral of |Brownian bridge|.
              Its quantile at 1 % is simulated on the reference's own bins (8,192 draws, seeded, once a
              reference); further out, by Ehrhard's inequality, it grows by at most one sd a normal quantile.
              On top come the Cornish-Fisher term for skewness and, where it is the larger, the sd of both
              sides together: without them rare errors reach the level for 1e-4 six to forty times as often.
    Raises:   BinsDiffer if the two were binned differently.
    Source:   Vallender 1974; del Barrio, Gine and Matran 1999; Ehrhard 1983.
    """

    kind: ClassVar[str] = "wasserstein"
    title: ClassVar[str] = "Wasserstein"
    metric: ClassVar[str] = "driftd_feature_wasserstein_distance"
    unit: ClassVar[str] = "reference sd"
    help: ClassVar[str] = "Wasserstein distance in the reference's standard deviations"
    noise_formula: ClassVar[str] = ""
    kinds: ClassVar[frozenset[Kind]] = NUMBERS
    default_for: ClassVar[frozenset[Group]] = frozenset({"errors"})
    fault: ClassVar[Fault | None] = None
    effect: float = 0.1

    def applies(self, reference: Reference) -> NDArray[np.bool_]:
        return scale_of(reference).varies

    def statistic(self, reference: Reference, current: Summary) -> Floats:
        require_same_bins(reference.summary, current)
        scale = scale_of(reference)
        g = np.cumsum(current.counts[..., FIRST_VALUE:], axis=-1)
        with np.errstate(invalid="ignore"):
            distance = np.abs(scale.cdf - g / g[..., -1:])[..., :-1]
        return np.where(scale.varies, np.sum(distance * scale.gaps, axis=-1), np.nan)

    def noise(self, reference: Reference, current: Summary, alpha: float) -> Floats:
        scale = scale_of(reference)
        both = reference.summary.counts[:, FIRST_VALUE:], current.counts[..., FIRST_VALUE:]
        n, m = both[0].sum(axis=-1), both[1].sum(axis=-1)
        z = -ndtri(min(alpha, ANCHOR))
        with np.errstate(divide="ignore", invalid="ignore"):
            k = 1 / n + 1 / m
            level = np.sqrt(k) * (anchors_of(reference) + z + ndtri(ANCHOR))
            skew = scale.third * (1 / n**2 + 1 / m**2) / k * (z**2 - 1) / 6
        # a reference that holds too few of the rare values by chance has too small an sd as well
        sd = np.maximum(_sd(both[0] + both[1], scale), 1)
        return np.where((n > 0) & (m > 0), (level + skew) * sd, np.nan)

    def material(self, reference: Reference, current: Summary) -> Floats:
        return where_both(reference, current, np.where(self.applies(reference), self.effect, np.nan))


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """What depends on the reference alone.

    cdf     float64[channels, bins]: the reference's share of values up to each bin.
    gaps    float64[channels, bins - 1]: from bin to bin, in the reference's standard deviations.
    third   float64[channels]: third absolute moment of the standardised values.
    """

    cdf: Floats
    gaps: Floats
    third: Floats

    @property
    def varies(self) -> NDArray[np.bool_]:
        """bool[channels]: numbers that are not all the same; the detector abstains from the others."""
        return np.asarray(self.gaps.any(axis=1), np.bool_)


_SCALES: WeakKeyDictionary[Reference, Scale] = WeakKeyDictionary()
_ANCHORS: WeakKeyDictionary[Reference, Floats] = WeakKeyDictionary()
_POSITIONS: WeakKeyDictionary[Bins, Floats] = WeakKeyDictionary()
_NOWHERE: Final = np.empty(0)


def scale_of(reference: Reference) -> Scale:
    """Worked out once a reference."""
    known = _SCALES.get(reference)
    if known is None:
        known = _SCALES[reference] = _scale(reference)
    return known


def anchors_of(reference: Reference) -> Floats:
    """float64[channels]: level of the normalised statistic at ANCHOR, NaN where the detector abstains.

    Worked out once a reference: about 2 ms a channel.
    """
    known = _ANCHORS.get(reference)
    if known is None:
        known = _ANCHORS[reference] = _anchors(reference, scale_of(reference))
    return known


def _sd(counts: NDArray[np.int64], scale: Scale) -> Floats:
    """Standard deviation of the values counted, float64[channels], in those of the reference."""
    x = np.concatenate([np.zeros((len(scale.gaps), 1)), np.cumsum(scale.gaps, axis=1)], axis=1)
    p = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    mean = np.sum(p * x, axis=-1, keepdims=True)
    out: Floats = np.sqrt(np.sum(p * (x - mean) ** 2, axis=-1))
    return out


def _scale(reference: Reference) -> Scale:
    """Channels with as many bins at once: learning asks for the scale of each window's rest."""
    counts = reference.summary.counts[:, FIRST_VALUE:].astype(np.float64)
    channels, bins = counts.shape
    cdf, gaps = np.zeros_like(counts), np.zeros((channels, bins - 1))
    third, total = np.zeros(channels), counts.sum(axis=1)
    places = [positions_of(b) if b.kind is Kind.NUMERIC else _NOWHERE for b in reference.bins]
    used = np.where(total > 0, [*map(len, places)], 0)
    for width in np.unique(used[used > 0]).tolist():
        rows = np.flatnonzero(used == width)
        x, all_of_it = np.stack([places[row] for row in rows.tolist()]), total[rows, None]
        p = counts[rows, :width] / all_of_it
        away = np.abs(x - np.sum(p * x, axis=1, keepdims=True))
        most = away.max(axis=1)
        most[most == 0] = 1.0  # squares of numbers beyond 1e154 are not finite
        sd = most * np.sqrt(np.sum(p * (away / most[:, None]) ** 2, axis=1))
        cdf[rows] = np.cumsum(counts[rows], axis=1) / all_of_it
        varies = sd > 0
        rows, sd = rows[varies], sd[varies, None]
        gaps[rows, : width - 1] = np.diff(x[varies], axis=1) / sd
        third[rows] = np.sum(p[varies] * (away[varies] / sd) ** 3, axis=1)
    return Scale(cdf, gaps, third)


def _anchors(reference: Reference, scale: Scale) -> Floats:
    counts = reference.summary.counts[:, FIRST_VALUE:].astype(np.float64)
    out = np.full(len(counts), np.nan)
    normals = np.random.Generator(np.random.PCG64(1974)).standard_normal((DRAWS, counts.shape[1]))
    for row, channel_bins in enumerate(reference.bins):
        total = counts[row].sum()
        if channel_bins.kind is not Kind.NUMERIC or total == 0 or not scale.varies[row]:
            continue
        used = len(positions_of(channel_bins))
        out[row] = _anchor(counts[row, :used] / total, scale.gaps[row, : used - 1], normals[:, :used])
    return out


def _anchor(p: Floats, gaps: Floats, normals: Floats) -> float:
    """Quantile 1 - ANCHOR of ``sum(|bridge| * gaps)``, at its upper 99 % confidence bound."""
    steps = normals * np.sqrt(p)
    steps -= steps.sum(axis=1, keepdims=True) * p
    draws = np.abs(np.cumsum(steps, axis=1)[:, :-1]) @ gaps
    rank = int(np.ceil(DRAWS * (1 - ANCHOR) + 2.33 * np.sqrt(DRAWS * ANCHOR * (1 - ANCHOR))))
    return float(np.partition(draws, rank)[rank])


def positions_of(bins: Bins) -> Floats:
    """``positions``, worked out once a channel's bins."""
    known = _POSITIONS.get(bins)
    if known is None:
        known = _POSITIONS[bins] = positions(bins)
    return known


def positions(bins: Bins) -> Floats:
    """float64[value bins], ascending: where each bin's mass is taken to stand."""
    low, high = bins.edges[:-1], bins.edges[1:]
    # a bin of one value stands at that value
    single = bins.discrete | (high <= np.maximum(low + 4 * FLOAT32_NOISE * np.abs(low), np.nextafter(low, np.inf)))
    inner = np.where(single, high, (low + high) / 2)
    if not single.all():
        # a quantile bin reaches as far as the wildest value the reference saw
        inner[-1] = min(inner[-1], 2 * low[-1] - low[-2]) if len(low) > 2 else inner[-1]
        inner[0] = max(inner[0], 2 * high[0] - high[1]) if len(low) > 2 else inner[0]
    elif len(inner) > 2:
        inner[-1] = min(inner[-1], 2 * inner[-2] - inner[-3])
        inner[0] = max(inner[0], 2 * inner[1] - inner[2])
    below, above = inner[0] - (inner[1] - inner[0]) if len(inner) > 1 else inner[0], inner[-1]
    above += inner[-1] - inner[-2] if len(inner) > 1 else 0
    return np.concatenate([[below], inner, [above]])
