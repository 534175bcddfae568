"""Events to bins, bins to the sums of panes: the hot path, on columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftd.core.by_pane import ByPane
from driftd.core.channel import Channel
from driftd.core.event import EventBatch, Kind, NumericColumn
from driftd.core.event_sums import EventSums
from driftd.core.fault_counters import COLUMNS
from driftd.core.pane_block import MOMENTS, PaneBlock, block_of
from driftd.core.products import CrossSums
from driftd.core.reference import Bins, Reference
from driftd.core.summary import (
    LATENCY_BINS,
    LATENCY_LE,
    MISSING,
    MOMENT_CLIP,
    MOMENT_UNIT,
    Summary,
    latency_bins,
)
from driftd.core.values import absent, as_categories, as_numbers

NOT_APPLICABLE = -1
"""Bin of an event that the channel says nothing about: no label yet, so no prediction error; a request that failed, and
has neither prediction nor score.
"""


@dataclass(frozen=True, slots=True)
class Encoded:
    """bins intp[channels, n]: column of Summary.counts or NOT_APPLICABLE; values float64[channels, n]: NaN where the
    channel is categorical or the value is missing.
    """

    bins: NDArray[np.intp]
    values: NDArray[np.float64]


def encode(channels: Sequence[Channel], bins: Sequence[Bins], classes: bool, batch: EventBatch) -> Encoded:
    """Finds the bin of every value of every channel."""
    n = len(batch)
    out = np.full((len(channels), n), MISSING, np.intp)
    values = np.full((len(channels), n), np.nan)
    for i, (channel, b) in enumerate(zip(channels, bins, strict=True)):
        column = channel.values(batch, classes)
        unanswered = batch.failed if channel.role.row.output else None
        if column is None:
            out[i] = NOT_APPLICABLE if channel.role.row.awaited else MISSING
            if unanswered is not None:
                out[i][unanswered] = NOT_APPLICABLE
            continue
        if b.kind is Kind.NUMERIC:
            values[i] = as_numbers(column)
            out[i] = b.place(values[i])
        else:
            out[i] = b.place(column if not isinstance(column, np.ndarray) else as_categories(column))
        if channel.role.row.awaited:
            out[i][absent(column)] = NOT_APPLICABLE  # a value of another type is there, and missing
        elif unanswered is not None:
            out[i][unanswered & absent(column)] = NOT_APPLICABLE
    return Encoded(out, values)


def block(
    bins_id: str,
    width: int,
    center: NDArray[np.float64],
    scale: NDArray[np.float64],
    batch: EventBatch,
    encoded: Encoded,
    panes: ByPane,
    flagged: NDArray[np.int64] | None = None,
    pairs: CrossSums | None = None,
    scores: CrossSums | None = None,
) -> PaneBlock:
    """The panes of a batch with at least one event. ``flagged`` as driftd.ingest.fault_counts.flags gives it; ``pairs``
    make what is ``cross`` in a PaneBlock, ``scores`` its ``products``.
    """
    bins, values, times = (panes.sorted(x) for x in (encoded.bins, encoded.values, batch.times))
    k, channels, starts = len(panes.starts), len(bins), panes.starts
    local = np.repeat(np.arange(k), panes.sizes)
    others = np.zeros((k, channels, COLUMNS + MOMENTS), np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        z = (values - center[:, None]) / scale[:, None]
    np.clip(z, -MOMENT_CLIP, MOMENT_CLIP, out=z)
    z[np.isnan(z)] = 0
    moments = np.array([np.rint(z / MOMENT_UNIT), np.rint(z * z / MOMENT_UNIT)]).astype(np.int64)
    others[:, :, -MOMENTS:] = np.add.reduceat(moments, starts, axis=2).T
    if flagged is not None:
        others[:, :, :COLUMNS] = panes.sums(flagged).T
    # + 0.0: whether the least of -0 and 0 is -0 would depend on the order of the events
    low = np.minimum.reduceat(np.where(np.isnan(values), np.inf, values), starts, axis=1) + 0.0
    high = np.maximum.reduceat(np.where(np.isnan(values), -np.inf, values), starts, axis=1) + 0.0
    begin, end = np.minimum.reduceat(times, starts), np.maximum.reduceat(times, starts)
    failed = np.zeros(k, np.int64) if batch.failed is None else panes.sums(batch.failed.astype(np.int64))
    latency = None if batch.latency_seconds is None else panes.sorted(batch.latency_seconds)
    sketch, le, total = _latencies(latency, local, k)
    return block_of(
        EventSums.of(bins, starts, others, width),
        pairs,
        scores,
        bins_id=bins_id,
        numbers=panes.numbers,
        totals=np.stack([panes.sizes, total, failed], axis=1),
        times=np.stack([begin, end], axis=1),
        extremes=np.stack([low.T, high.T], axis=2),
        latency_le=le,
        latency=sketch,
        faults=flagged is not None,
    )


def summarise(
    bins_id: str,
    width: int,
    center: NDArray[np.float64],
    scale: NDArray[np.float64],
    batch: EventBatch,
    encoded: Encoded,
    panes: NDArray[np.int64],
) -> dict[int, Summary]:
    """One Summary for each distinct pane of ``panes`` int64[n] (the pane of each event)."""
    if not len(batch):
        return {}
    of_panes = block(bins_id, width, center, scale, batch, encoded, ByPane.of(panes)).dense
    return {number: of_panes.summary(place) for place, number in enumerate(of_panes.numbers.tolist())}


def _latencies(
    latency: NumericColumn | None, local: NDArray[np.intp], panes: int
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64], NDArray[np.int64]]:
    """Sketches int64[panes, LATENCY_BINS] (None: nobody measures latencies, and they would be 5 kB a pane), histogram
    int64[panes, le + 1] and sums int64[panes] of nanoseconds.
    """
    if latency is None or np.isnan(latency).all():
        return None, np.zeros((panes, len(LATENCY_LE) + 1), np.int64), np.zeros(panes, np.int64)
    here = ~np.isnan(latency)
    seconds, place = latency[here], local[here]
    sketch = np.bincount(place * LATENCY_BINS + latency_bins(seconds), minlength=panes * LATENCY_BINS)
    size = len(LATENCY_LE) + 1
    le = np.bincount(place * size + np.searchsorted(LATENCY_LE, seconds), minlength=panes * size)
    total = np.zeros(panes, np.int64)
    np.add.at(total, place, np.rint(np.minimum(seconds, 1e6) * 1e9).astype(np.int64))
    return sketch.reshape(panes, LATENCY_BINS), le.reshape(panes, size), total


def encode_with(reference: Reference, batch: EventBatch) -> Encoded:
    return encode(reference.channels, reference.bins, reference.classes, batch)


def block_with(
    reference: Reference,
    batch: EventBatch,
    encoded: Encoded,
    panes: ByPane,
    flagged: NDArray[np.int64] | None = None,
    pairs: CrossSums | None = None,
    scores: CrossSums | None = None,
) -> PaneBlock:
    center, scale = reference.center, reference.scale
    return block(reference.id, reference.width, center, scale, batch, encoded, panes, flagged, pairs, scores)


def summarise_with(
    reference: Reference, batch: EventBatch, encoded: Encoded, panes: NDArray[np.int64]
) -> dict[int, Summary]:
    return summarise(reference.id, reference.width, reference.center, reference.scale, batch, encoded, panes)
