"""Bins that are too thin for theory are merged with their neighbours, for all channels at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, MISSING, UNSEEN, Summary, require_same_bins

EXPECTED: Final = 20
"""Events that a merged bin holds in expectation on either side, at the least. With 10 (uniform bins, 4e6 draws)
Hellinger's distance exceeds its level for 1e-6 with probability 1.4e-4 and PSI with 1.2e-5; with 20 both are
at 3e-6."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """Counts of reference and window on the same merged bins; of several windows with a first axis more.

    reference, current  float64[channels, columns], zeros behind the last merged bin.
    bins  float64[channels]: merged bins, at least 1; theory has ``bins - 1`` degrees of freedom.
    n, m  float64[channels]: events of the channel in reference and window.
    k     float64[channels]: 1/n + 1/m, NaN where either side is empty (there every detector abstains).
    least float64[channels]: expected events in the thinnest merged bin of the smaller side.
    """

    reference: Floats
    current: Floats
    bins: Floats
    n: Floats
    m: Floats
    k: Floats
    least: Floats

    @property
    def shares(self) -> tuple[Floats, Floats]:
        """Shares of reference and window, float64[channels, columns] each, NaN where the side is empty."""
        n = np.where(self.n > 0, self.n, np.nan)[..., None]
        m = np.where(self.m > 0, self.m, np.nan)[..., None]
        return self.reference / n, self.current / m

    @property
    def inside(self) -> NDArray[np.bool_]:
        """bool[channels, columns]: the columns that are a merged bin."""
        out: NDArray[np.bool_] = np.arange(self.reference.shape[-1]) < self.bins[..., None]
        return out

    def level(self, alpha: float) -> Floats:
        """What chi-squared of ``bins - 1`` degrees of freedom exceeds with probability ``alpha``; 0 for one bin."""
        level = np.where(self.bins > 1, chdtri(np.maximum(self.bins - 1, 1), alpha), 0)
        return np.where(np.isnan(self.k), np.nan, level)

    def divergence(self, alpha: float) -> Floats:
        """The same for divergences, which are chi-squared to first order only.

        The next order raises their mean by 1/2 (PSI), 7/16 (Hellinger) or 3/8 (Jensen-Shannon) of an event
        in ``least``, and the tail by up to twice that.
        """
        return self.level(alpha) * (1 + 1 / self.least)


@lru_cache(maxsize=4)  # statistic and noise of up to five detectors ask for the same pair one after the other
def merged(reference: Reference, current: Summary) -> Merged:
    """Neighbouring bins merged until each holds EXPECTED events on either side, if nothing has changed.

    Expected counts come from both sides pooled. Without drift the pooled counts say nothing about who has
    which share of them, so choosing the bins by them leaves the null distribution as it is; with drift a bin
    that only the window fills stands on its own. Missing comes last, behind the rare categories or the highest
    values, so that a thin one does not dilute the most frequent category. A category that the reference never
    saw counts as a rare one: the reference has none of them by definition, so a bin of their own would show
    a PSI above 1 in every quiet window of a channel with thousands of categories.
    Raises BinsDiffer.
    """
    require_same_bins(reference.summary, current)
    return merge_counts(_columns(reference, reference.summary.counts), _columns(reference, current.counts))


def merge_counts(reference: Floats, current: Floats) -> Merged:
    """float64[channels, columns] of either side, neighbours side by side; of several windows float64[windows, channels,
    columns] ``current``.
    """
    shape = current.shape
    reference = np.broadcast_to(reference, shape).reshape(-1, shape[-1])
    current = current.reshape(-1, shape[-1])
    n, m = reference.sum(axis=1), current.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        k = np.where((n > 0) & (m > 0), 1 / n + 1 / m, np.nan)
        scale = np.where(np.isnan(k), np.nan, np.minimum(n, m) / (n + m))
        need = EXPECTED / scale
    need = np.where(np.isnan(k), np.inf, need)  # an empty side: one bin
    pooled = reference + current
    channels, columns = pooled.shape
    group = np.empty((columns, channels), np.intp)
    closed = np.zeros(channels, np.intp)
    held = np.zeros(channels)
    for column, count in enumerate(pooled.T):
        group[column] = closed
        held += count
        full = held >= need
        closed += full
        held[full] = 0
    # what is left over behind the last full group joins it
    last = np.maximum(closed - 1, 0)
    cells = (np.minimum(group, last) + np.arange(channels) * columns).T.ravel()
    size = channels * columns

    def add(counts: Floats) -> Floats:
        return np.asarray(np.bincount(cells, counts.ravel(), size), np.float64).reshape(channels, columns)

    sums = add(reference), add(current)
    bins = last + 1.0
    thinnest = np.min(sums[0] + sums[1], axis=1, where=np.arange(columns) < bins[:, None], initial=np.inf)
    each = (x.reshape(shape[:-1]) for x in (bins, n, m, k, thinnest * scale))
    return Merged(*(x.reshape(shape) for x in sums), *each)


def _columns(reference: Reference, counts: NDArray[np.int64]) -> Floats:
    """The columns in the order in which they may be merged, unseen categories counted with the rare ones."""
    ends = counts[..., UNSEEN : UNSEEN + 1], counts[..., MISSING : MISSING + 1]
    out = np.concatenate([counts[..., FIRST_VALUE:], *ends], axis=-1).astype(np.float64)
    rows = np.flatnonzero(~reference.numeric)
    out[..., rows, reference.used[rows] - 1 - FIRST_VALUE] += counts[..., rows, UNSEEN]
    out[..., rows, -2] = 0
    return out


def everywhere(reference: Reference) -> NDArray[np.bool_]:
    return np.ones(len(reference.channels), bool)


def where_both(reference: Reference, current: Summary, value: float | Floats) -> Floats:
    """float64[channels]: ``value`` where both sides have events, NaN elsewhere."""
    both = (reference.summary.channel_events > 0) & (current.channel_events > 0)
    return np.where(both, value, np.nan)
