"""What a source counts of a slice: totals since the beginning, whatever becomes of the events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from driftd.core.cost import FREE, NOTHING, Prices
from driftd.core.event import EventBatch, FlagColumn
from driftd.core.pane import Counters, added
from driftd.core.summary import LATENCY_LE
from driftd.core.values import present

LONGEST_SECONDS = 1e6
"""A latency counts as at most eleven days in the sum, so that no record can overflow it."""


def counted(before: Counters, batch: EventBatch, kept: EventBatch, prices: Prices = FREE) -> Counters:
    """``before``, and the accepted events; ``kept`` are those outside excluded stretches."""
    le, total = before.latency_le, before.latency_ns
    if batch.latency_seconds is not None:
        seconds = batch.latency_seconds[~np.isnan(batch.latency_seconds)]
        le = le + np.bincount(np.searchsorted(LATENCY_LE, seconds), minlength=len(LATENCY_LE) + 1)
        total += int(np.rint(np.minimum(seconds, LONGEST_SECONDS) * 1e9).astype(np.int64).sum())
    spent = prices.spending(batch)
    return Counters(
        before.events + len(batch),
        before.excluded + len(batch) - len(kept),
        before.failed + (0 if batch.failed is None else int(np.count_nonzero(batch.failed))),
        before.labels + (0 if batch.label is None else present(batch.label)),
        before.unjoined_labels,
        before.ignored_features,
        added(before.refused, refusals(kept.refused)),
        le,
        total,
        max(before.last_event, float(batch.times.max())),
        before.sampled_out,
        before.spending if spent is NOTHING else before.spending.merge(spent).bounded(),
    )


def spent(before: Counters, batch: EventBatch, prices: Prices) -> Counters:
    """``before``, and what the events cost that are no traffic."""
    return replace(before, spending=before.spending.merge(prices.spending(batch)).bounded())


def refusals(refused: Mapping[str, FlagColumn]) -> dict[str, int]:
    """Refused values by feature."""
    return {name: int(np.count_nonzero(flags)) for name, flags in refused.items()}
