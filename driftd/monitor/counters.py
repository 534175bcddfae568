"""A model's counters."""

from __future__ import annotations

import numpy as np

from driftd.core.event import EventBatch, merge_versions
from driftd.core.summary import LATENCY_LE
from driftd.monitor.state import ModelState
from driftd.monitor.thresholds import MONTH_SECONDS


def count(cell: ModelState, batch: EventBatch) -> None:
    """Brings the model's counters up to date with accepted events."""
    totals = cell.totals
    totals.events += len(batch)
    totals.last_event = max(totals.last_event, float(batch.times.max()))
    if batch.failed is not None:
        totals.failed += int(np.count_nonzero(batch.failed))
    if batch.label is not None:
        totals.labels += sum(label is not None for label in batch.label)
    if batch.latency_seconds is not None:
        seconds = batch.latency_seconds[~np.isnan(batch.latency_seconds)]
        size = len(LATENCY_LE) + 1
        totals.latency_le = totals.latency_le + np.bincount(np.searchsorted(LATENCY_LE, seconds), minlength=size)
        totals.latency_ns += int(np.rint(np.minimum(seconds, 1e6) * 1e9).astype(np.int64).sum())
    cell.versions = merge_versions((cell.versions, batch.versions))


def count_page(cell: ModelState, at: float) -> None:
    cell.totals.pages += 1
    cell.totals.paged = (*(t for t in cell.totals.paged if t > at - MONTH_SECONDS), at)
