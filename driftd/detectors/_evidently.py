"""PSI as Evidently counts it, from counts on driftd's bins: for numbers side by side.

Source: evidently 0.7.23, legacy/calculations/stattests/{psi,utils}.py. Columns of more than 20 different numbers are
cut into equal parts between the least and the greatest value of both tables, as many as Sturges (1926) has for the
rows of both. Others have a part for each value that either table has. An empty part counts as FLOOR, or as a millionth
of the smallest share where that is smaller. Missing values are left out.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, UNSEEN, Summary, require_same_bins
from driftd.detectors._bins import Floats

FLOOR: Final = 0.0001
_TINY: Final = 1e-6


def psi(reference: Reference, current: Summary) -> Floats:
    """float64[channels], or float64[windows, channels]; NaN where either side has no value. Within a bin of driftd's,
    values of continuous channels are taken to be spread evenly. Raises BinsDiffer.
    """
    require_same_bins(reference.summary, current)
    old, new = (c[..., UNSEEN:].astype(np.float64) for c in (reference.summary.counts, current.counts))
    n, m = old.sum(axis=-1), new.sum(axis=-1)
    old = np.broadcast_to(old, new.shape)
    out = _divergence(old, new, (old > 0) | (new > 0))
    for row in np.flatnonzero(reference.numeric & ~np.array([b.discrete for b in reference.bins])).tolist():
        out[..., row] = _of_numbers(reference, current, row)
    return np.where((n > 0) & (m > 0), out, np.nan)


def _divergence(old: Floats, new: Floats, parts: NDArray[np.bool_]) -> Floats:
    """float64[...] of counts float64[..., columns], of which ``parts`` count."""
    p, q = _shares(old, parts), _shares(new, parts)
    terms = (p - q) * np.log(p / q)
    return np.asarray(np.sum(terms, axis=-1, where=parts))


def _shares(counts: Floats, parts: NDArray[np.bool_]) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = counts / counts.sum(axis=-1, keepdims=True)
    least = np.min(shares, axis=-1, keepdims=True, where=parts & (shares > 0), initial=1.0)
    empty = np.where(least <= FLOOR, least * _TINY, FLOOR)
    return np.where(shares > 0, shares, empty)


def _of_numbers(reference: Reference, current: Summary, row: int) -> Floats:
    """float64[...]: the same of one continuous channel, after its counts are moved to Evidently's parts."""
    edges, used = reference.bins[row].edges, reference.bins[row].used
    ends = edges[0], edges[-1]
    old = reference.summary.counts[row, FIRST_VALUE:used].astype(np.float64)
    new = current.counts[..., row, FIRST_VALUE:used].astype(np.float64)
    least, most = (
        its if np.isfinite(its) else end for its, end in zip(reference.summary.extremes[row], ends, strict=True)
    )
    low, high = np.minimum(current.extremes[..., row, 0], least), np.maximum(current.extremes[..., row, 1], most)
    total = np.maximum(old.sum() + new.sum(axis=-1), 1.0)
    parts = np.where(high > low, np.ceil(np.log2(total) + 1), 1.0)
    step = np.arange(int(parts.max()) + 1)
    at = low[..., None] + (high - low)[..., None] * np.minimum(step / parts[..., None], 1.0)
    place = np.searchsorted(edges, at)
    begin = np.where(place == 0, np.minimum(low, ends[0])[..., None], edges[np.maximum(place, 1) - 1])
    end = np.where(place == len(edges), np.maximum(high, ends[1])[..., None], edges[np.minimum(place, len(edges) - 1)])
    with np.errstate(invalid="ignore", divide="ignore"):
        within = np.where(end > begin, (at - begin) / (end - begin), 1.0)
    counts = []
    for side in (np.broadcast_to(old, new.shape), new):
        cumulated = np.concatenate([np.zeros((*side.shape[:-1], 1)), np.cumsum(side, axis=-1)], axis=-1)
        below = np.take_along_axis(cumulated, place, -1) + within * np.take_along_axis(side, place, -1)
        below = np.where(step >= parts[..., None], cumulated[..., -1:], below)
        below[..., 0] = 0.0
        counts.append(np.diff(below, axis=-1))
    return _divergence(counts[0], counts[1], step[1:] <= parts[..., None])
