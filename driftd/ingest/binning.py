"""Events to bins, bins to one Summary a pane: the hot path, on columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Channel
from driftd.core.event import EventBatch, Kind, NumericColumn
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
"""Bin of an event that the channel says nothing about: no label yet, so no prediction error."""


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
        if column is None:
            out[i] = NOT_APPLICABLE if channel.role.row.awaited else MISSING
            continue
        if b.kind is Kind.NUMERIC:
            values[i] = as_numbers(column)
            out[i] = b.place(values[i])
        else:
            out[i] = b.place(column if not isinstance(column, np.ndarray) else as_categories(column))
        if channel.role.row.awaited:
            out[i][absent(column)] = NOT_APPLICABLE  # a value of another type is there, and missing
    return Encoded(out, values)


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
    n = len(batch)
    if n == 0:
        return {}
    bins, values, times = encoded.bins, encoded.values, batch.times
    latency, failed = batch.latency_seconds, batch.failed
    if np.any(panes[1:] < panes[:-1]):
        order = np.argsort(panes, kind="stable")
        panes, bins, values, times = panes[order], bins[:, order], values[:, order], times[order]
        latency = None if latency is None else latency[order]
        failed = None if failed is None else failed[order]
    starts = np.concatenate([[0], np.flatnonzero(panes[1:] != panes[:-1]) + 1])
    k, channels = len(starts), len(bins)
    local = np.repeat(np.arange(k), np.diff(np.append(starts, n)))
    # one more column on the left takes the events a channel says nothing about
    flat = (local * channels + np.arange(channels)[:, None]) * (width + 1) + bins + 1
    counts = np.bincount(flat.ravel(), minlength=k * channels * (width + 1))
    counts = np.ascontiguousarray(counts.reshape(k, channels, width + 1)[:, :, 1:])
    with np.errstate(over="ignore", invalid="ignore"):
        z = (values - center[:, None]) / scale[:, None]
    np.clip(z, -MOMENT_CLIP, MOMENT_CLIP, out=z)
    z[np.isnan(z)] = 0
    first = np.add.reduceat(np.rint(z / MOMENT_UNIT).astype(np.int64), starts, axis=1)
    second = np.add.reduceat(np.rint(z * z / MOMENT_UNIT).astype(np.int64), starts, axis=1)
    # + 0.0: whether the least of -0 and 0 is -0 would depend on the order of the events
    low = np.minimum.reduceat(np.where(np.isnan(values), np.inf, values), starts, axis=1) + 0.0
    high = np.maximum.reduceat(np.where(np.isnan(values), -np.inf, values), starts, axis=1) + 0.0
    begin, end = np.minimum.reduceat(times, starts), np.maximum.reduceat(times, starts)
    errors = np.zeros(k, np.int64) if failed is None else np.add.reduceat(failed.astype(np.int64), starts)
    sizes = np.diff(np.append(starts, n))
    sketch, le, total = _latencies(latency, local, k)
    # one array for all panes, of which each has its part: a pane may have three events
    moments, extremes = np.stack([first.T, second.T], axis=2), np.stack([low.T, high.T], axis=2)
    numbers = (x.tolist() for x in (total, errors, begin, end))
    each = zip(sizes.tolist(), counts, moments, extremes, sketch, le, *numbers, strict=True)
    return {pane: Summary(bins_id, *fields) for pane, fields in zip(panes[starts].tolist(), each, strict=True)}


def _latencies(
    latency: NumericColumn | None, local: NDArray[np.intp], panes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Sketches int64[panes, LATENCY_BINS], histogram int64[panes, le + 1] and sums int64[panes] of nanoseconds."""
    if latency is None or np.isnan(latency).all():
        return (
            np.broadcast_to(np.zeros(LATENCY_BINS, np.int64), (panes, LATENCY_BINS)),  # 5 kB a pane of nothing
            np.zeros((panes, len(LATENCY_LE) + 1), np.int64),
            np.zeros(panes, np.int64),
        )
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


def summarise_with(
    reference: Reference, batch: EventBatch, encoded: Encoded, panes: NDArray[np.int64]
) -> dict[int, Summary]:
    return summarise(reference.id, reference.width, reference.center, reference.scale, batch, encoded, panes)
