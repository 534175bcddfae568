"""What a stretch of time looked like, for all channels of one model at once; merges exactly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.errors import BinsDiffer

MISSING: Final = 0
"""Column of ``Summary.counts`` that counts null values."""
UNSEEN: Final = 1
"""Column that counts categories the reference never saw."""
FIRST_VALUE: Final = 2
"""First column that counts values: below the reference's minimum for numbers, the top category otherwise."""

NO_EXTREMES: Final = (np.inf, -np.inf)
"""Of a channel without values."""

MOMENT_UNIT: Final = 2.0**-20
MOMENT_CLIP: Final = 32.0
"""Standardised values are clipped here, so one record of 1e6 moves no mean; clip**2/unit * 2**31 events < 2**63."""

LATENCY_ERROR: Final = 0.02
"""Relative error of a latency quantile (DDSketch, Masson et al. 2019)."""
_LOG_GAMMA: Final = np.log((1 + LATENCY_ERROR) / (1 - LATENCY_ERROR))
_LATENCY_LOWEST: Final = 1e-6
LATENCY_BINS: Final = int(np.ceil(np.log(1e5 / _LATENCY_LOWEST) / _LOG_GAMMA)) + 2
LATENCY_LE: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds (seconds) of the Prometheus histogram; +Inf comes on top."""


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """Counts of one stretch of events on one reference's bins; every field adds up exactly.

    bins_id  names the binning; summaries of different binnings do not merge.
    events   events summarised. A channel that does not apply to an event (no label, so no prediction
             error) counts it nowhere, so a channel's own number of events is its row sum.
    counts   int64[channels, width]: missing, unseen, then the channel's bins, then unused zeros.
    moments  int64[channels, 2]: sums of z and z**2 in units of MOMENT_UNIT, z the value standardised on the
             reference and clipped. Integers, because float sums would depend on the order of merging.
    extremes float64[channels, 2]: least and greatest value, +inf and -inf where there is none.
    latency  int64[LATENCY_BINS]: logarithmic sketch of latencies, relative error LATENCY_ERROR.
    latency_le int64[len(LATENCY_LE) + 1]: the Prometheus histogram's own buckets, not cumulative.
    latency_ns total latency in whole nanoseconds.
    failed   events with a service error.
    first, last  least and greatest event time in epoch seconds.
    """

    bins_id: str
    events: int
    counts: NDArray[np.int64]
    moments: NDArray[np.int64]
    extremes: NDArray[np.float64]
    latency: NDArray[np.int64]
    latency_le: NDArray[np.int64]
    latency_ns: int = 0
    failed: int = 0
    first: float = np.inf
    last: float = -np.inf

    @classmethod
    def empty(cls, bins_id: str, channels: int, width: int) -> Self:
        return cls(
            bins_id,
            0,
            np.zeros((channels, width), np.int64),
            np.zeros((channels, 2), np.int64),
            np.tile(np.array(NO_EXTREMES), (channels, 1)),
            np.zeros(LATENCY_BINS, np.int64),
            np.zeros(len(LATENCY_LE) + 1, np.int64),
        )

    @property
    def missing(self) -> NDArray[np.int64]:
        return self.counts[..., MISSING]

    @property
    def unseen(self) -> NDArray[np.int64]:
        return self.counts[..., UNSEEN]

    @property
    def channel_events(self) -> NDArray[np.int64]:
        """int64[channels]: events that each channel applies to, missing values included."""
        out: NDArray[np.int64] = self.counts.sum(axis=-1)
        return out

    def merge(self, other: Summary) -> Summary:
        return merge((self, other))

    def without(self, rows: Sequence[int], bins_id: str) -> Summary:
        """On bins that differ in the channels ``rows`` alone, of which nothing is known then."""
        mine = [*rows]
        counts, moments, extremes = self.counts.copy(), self.moments.copy(), self.extremes.copy()
        counts[mine], moments[mine], extremes[mine] = 0, 0, NO_EXTREMES
        return replace(self, bins_id=bins_id, counts=counts, moments=moments, extremes=extremes)

    def latency_quantiles(self, q: Iterable[float]) -> list[float]:
        """Latencies in seconds at the quantiles ``q`` (0..1), within LATENCY_ERROR; NaN without latencies."""
        cumulated = np.cumsum(self.latency)
        total = int(cumulated[-1])
        if total == 0:
            return [float("nan") for _ in q]
        ranks = [min(int(p * (total - 1)), total - 1) for p in q]
        return [latency_of(int(np.searchsorted(cumulated, rank, side="right"))) for rank in ranks]


def merge(summaries: Iterable[Summary]) -> Summary:
    """The summary of all the stretches together; associative, commutative, exact."""
    parts = list(summaries)
    head = parts[0]
    if len(parts) == 1:
        return head
    extremes, latency_le = head.extremes.copy(), _sum([s.latency_le for s in parts])
    low, high = extremes.T
    for other in parts[1:]:
        require_same_bins(head, other)
        np.minimum(low, other.extremes[:, 0], out=low)
        np.maximum(high, other.extremes[:, 1], out=high)
    # a sketch is longer than all the rest, and often nobody measures latencies
    return Summary(
        head.bins_id,
        sum(s.events for s in parts),
        _sum([s.counts for s in parts]),
        _sum([s.moments for s in parts]),
        extremes,
        _sum([s.latency for s in parts]) if np.count_nonzero(latency_le) else head.latency,
        latency_le,
        sum(s.latency_ns for s in parts),
        sum(s.failed for s in parts),
        min(s.first for s in parts),
        max(s.last for s in parts),
    )


def _sum(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Two arrays or more, one after the other: to stack them first takes longer than to add them."""
    out = parts[0] + parts[1]
    for part in parts[2:]:
        out += part
    return out


def require_same_bins(reference: Summary, current: Summary) -> None:
    if reference.bins_id != current.bins_id or reference.counts.shape[-2:] != current.counts.shape[-2:]:
        raise BinsDiffer(
            f"bins {reference.bins_id} {reference.counts.shape} and {current.bins_id} {current.counts.shape}: "
            "counts on different bins cannot be compared; rebuild the reference or drop the old state"
        )


def latency_bins(seconds: NDArray[np.float64]) -> NDArray[np.intp]:
    """Sketch bin of each latency; below a microsecond bin 0, above 1e5 seconds the last."""
    raw = np.ceil(np.log(np.clip(seconds, _LATENCY_LOWEST, 1e6) / _LATENCY_LOWEST) / _LOG_GAMMA)
    out: NDArray[np.intp] = np.minimum(raw, LATENCY_BINS - 1).astype(np.intp)
    return out


def latency_of(index: int) -> float:
    """The latency in seconds that stands for sketch bin ``index``: the point of least relative error."""
    return float(_LATENCY_LOWEST * np.exp(index * _LOG_GAMMA) * (1 - LATENCY_ERROR)) if index else _LATENCY_LOWEST
