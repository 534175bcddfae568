"""References and windows out of plain values, for tests of detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Channel, Role
from driftd.core.event import AnyColumn, Kind, NumericColumn
from driftd.core.reference import Bins, Reference, bins_id, category_bins, numeric_bins
from driftd.core.summary import FIRST_VALUE, Summary
from driftd.core.values import as_categories

Values = Mapping[str, NumericColumn | AnyColumn]


def reference(values: Values, *, bins: int = 20, roles: Mapping[str, Role] | None = None) -> Reference:
    """float arrays make numeric channels, anything else categorical ones."""
    made = {
        n: numeric_bins(v, bins) if isinstance(v, np.ndarray) else category_bins(as_categories(v))
        for n, v in values.items()
    }
    return on_bins(made, values, roles)


def on_bins(made: Mapping[str, Bins], values: Values, roles: Mapping[str, Role] | None = None) -> Reference:
    channels = tuple(Channel(n, (roles or {}).get(n, Role.FEATURE), b.kind) for n, b in made.items())
    all_bins = tuple(made.values())
    name = bins_id("m", channels, all_bins)
    counts = count(all_bins, list(values.values()))
    zeros, ones = np.zeros(len(channels)), np.ones(len(channels))
    return Reference("m", 1, channels, all_bins, summary(name, counts), zeros, ones, True, 0.0, 1.0)


def window(of: Reference, values: Values) -> Summary:
    return summary(of.id, count(of.bins, [values[c.name] for c in of.channels], of.width))


def count(bins: Sequence[Bins], columns: Sequence[NumericColumn | AnyColumn], width: int = 0) -> NDArray[np.int64]:
    width = width or max(b.used for b in bins)
    placed = zip(bins, columns, strict=True)
    return np.array([np.bincount(b.place(c), minlength=width) for b, c in placed], np.int64)


def summary(name: str, counts: NDArray[np.int64]) -> Summary:
    empty = Summary.empty(name, *counts.shape)
    return Summary(
        name, int(counts.sum(axis=1).max()), counts, empty.moments, empty.extremes, empty.latency, empty.latency_le
    )


def from_counts(kind: Kind, counts: NDArray[np.int64]) -> Reference:
    """A reference whose channels all hold ``counts`` int64[channels, width]; every column is in use."""
    channels, width = counts.shape
    names = tuple(f"v{i}" for i in range(width - FIRST_VALUE))
    if kind is Kind.NUMERIC:
        edges = np.arange(len(names) - 1, dtype=np.float64)
        bins = Bins(kind, edges, (), frozenset(), tuple(f"{i}..{i + 1}" for i in range(len(names))))
    else:
        bins = Bins(kind, np.empty(0), names[:-1], frozenset(), names)
    rows = tuple(Channel(f"f{i}", Role.FEATURE, kind) for i in range(channels))
    zeros, ones = np.zeros(channels), np.ones(channels)
    return Reference("m", 1, rows, (bins,) * channels, summary("b", counts), zeros, ones, True, 0.0, 1.0)
