"""A reference of counts alone, from what another platform kept of a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import ALONE, Channel, Role
from driftd.core.errors import ConfigError
from driftd.core.event import Kind
from driftd.core.reference import (
    MAX_KNOWN,
    MOST_TOP,
    SEEN,
    TOP,
    Bins,
    Reference,
    bins_from_edges,
    bins_id,
    numeric_bins,
)
from driftd.core.summary import FIRST_VALUE, MISSING, MOMENT_UNIT, Summary
from driftd.core.values import FLOAT32_NOISE
from driftd.migrate.columns import Buckets, Column, Counted, Profile, Weighted

IMPORTED: Final = "driftd import"
"""``Reference.created_by``."""
MOST_REPEATED: Final = 1_000_000
"""Values that a sketch is laid out to where bins are chosen. Chosen: far more than its own error can tell apart."""
_FEW_CLASSES: Final = 20
ROLES: Final = {"prediction": Role.PREDICTION, "score": Role.SCORE, "label": Role.LABEL}


def reference_of(
    profile: Profile, model: str, roles: Mapping[str, str], first: float, last: float, bins: int = 20
) -> Reference:
    """``roles`` says which column is ``prediction``, ``score`` or ``label``; all others are features. ``first`` and
    ``last`` are the times of the baseline's events, as far as somebody knows them.

    Raises: ConfigError where no column is left.
    """
    of_column = {column: ROLES[role] for role, column in roles.items()}
    found = [(_channel(c, of_column), c) for c in profile.columns]
    order = {role: i for i, role in enumerate(Role)}
    found.sort(key=lambda pair: (order[pair[0].role], pair[0].name))
    if not found:
        raise ConfigError(f"{profile.source}: no column has a distribution; nothing to compare with")
    channels = tuple(channel for channel, _ in found)
    binned = [_binned(column, bins) for _, column in found]
    all_bins = tuple(b for b, _ in binned)
    identity, width = bins_id(model, channels, all_bins), max(b.used for b in all_bins)
    summary = Summary.empty(identity, len(channels), width)
    center, scale = np.zeros(len(channels)), np.ones(len(channels))
    for row, ((channel, column), (its, counts)) in enumerate(zip(found, binned, strict=True)):
        summary.counts[row, FIRST_VALUE : its.used] = counts
        # a value that is awaited, as a label is, and does not come says nothing
        summary.counts[row, MISSING] = 0 if channel.role.row.awaited else column.missing
        if channel.kind is Kind.NUMERIC:
            mean, deviation, low, high = _location(column)
            center[row], scale[row] = mean, deviation or 1.0
            summary.moments[row, 1] = round(column.present * (deviation > 0) / MOMENT_UNIT)
            summary.extremes[row] = low, high
    whole = Summary(
        identity,
        profile.events,
        summary.counts,
        summary.moments,
        summary.extremes,
        summary.latency,
        summary.latency_le,
        first=first,
        last=last,
    )
    return Reference(
        model,
        1,
        channels,
        all_bins,
        whole,
        center,
        scale,
        _classes(found),
        first,
        last,
        profile.source,
        IMPORTED,
        "imported",
    )


def _channel(column: Column, roles: Mapping[str, Role]) -> Channel:
    kind = Kind.CATEGORICAL if isinstance(column.content, Counted) else Kind.NUMERIC
    role = roles.get(column.name)
    if role is None:
        return Channel.of_feature(column.name, kind)
    return next(Channel(c.name, c.role, kind) for c in ALONE if c.role is role)


def _classes(found: Sequence[tuple[Channel, Column]]) -> bool:
    """Whether predictions are classes: text, or few whole numbers."""
    for channel, column in found:
        if channel.role is not Role.PREDICTION or channel.kind is Kind.CATEGORICAL:
            continue
        content = column.content
        if not isinstance(content, Weighted):
            return False
        values = np.unique(content.values)
        return len(values) <= _FEW_CLASSES and bool((values == np.floor(values)).all())
    return True


def _binned(column: Column, bins: int) -> tuple[Bins, NDArray[np.int64]]:
    """The bins of a column, and how often each value bin was hit, int64[value bins]; they add up to ``present``."""
    content = column.content
    if isinstance(content, Counted):
        return _of_categories(content)
    its, counts = _of_sketch(content, bins) if isinstance(content, Weighted) else _of_buckets(content)
    return its, _whole(counts, column.present)


def _of_sketch(content: Weighted, bins: int) -> tuple[Bins, NDArray[np.float64]]:
    thin = max(1.0, content.weights.sum() / MOST_REPEATED)
    repeated = np.repeat(content.values, np.maximum(np.rint(content.weights / thin), 1).astype(np.int64))
    its = numeric_bins(repeated, bins)
    counts = np.bincount(its.place(content.values), content.weights, its.used)[FIRST_VALUE:]
    return its, np.asarray(counts, np.float64)


def _of_buckets(content: Buckets) -> tuple[Bins, NDArray[np.float64]]:
    """A bin a bucket. driftd's bins hold their upper edge, buckets their lower one: an edge lies just below the bound,
    so that a value on it is counted where the platform counted it. A bucket without a width ends just above itself.
    """
    order = np.lexsort((content.high, content.low))
    low, high, counts = content.low[order], content.high[order], content.counts[order]
    last = np.append(np.zeros(len(low) - 1, bool), True)
    ends = np.where(last | (high == low), _above(high), _below(high))
    edges, first = np.unique(np.append(_below(low[:1]), ends), return_inverse=True)
    inner = np.bincount(first[1:] - 1, counts, len(edges) - 1)
    return bins_from_edges(edges), np.concatenate([[0.0], inner, [0.0]])


def _of_categories(content: Counted) -> tuple[Bins, NDArray[np.int64]]:
    """As driftd.core.reference.category_bins has them; where names are lost, a value that is not known is one of the
    others, and none is ever new.
    """
    seen = content.counts
    ranked = sorted(seen, key=lambda v: (-seen[v], v))
    own = max(TOP, sum(seen[v] >= SEEN for v in ranked[:MOST_TOP]))
    head, rare = tuple(ranked[:own]), frozenset(ranked[own:MAX_KNOWN])
    lost = content.rest > 0 or len(ranked) > MAX_KNOWN
    once = sum(n == 1 for n in seen.values())
    its = Bins(Kind.CATEGORICAL, np.empty(0), head, rare, (*head, "(other)"), lost, once)
    others = content.rest + sum(seen[v] for v in ranked[own:])
    return its, np.array([*(seen[v] for v in head), others], np.int64)


def _location(column: Column) -> tuple[float, float, float, float]:
    """Mean, standard deviation, least and greatest value: as told, else as the histogram has them."""
    content = column.content
    if isinstance(content, Counted):
        return 0.0, 1.0, np.inf, -np.inf
    if isinstance(content, Weighted):
        middle, weights, low, high = content.values, content.weights.astype(np.float64), content.values, content.values
    else:
        middle, weights, low, high = (content.low + content.high) / 2, content.counts, content.low, content.high
    total = max(float(weights.sum()), 1.0)
    mean = column.mean if isfinite(column.mean) else float((middle * weights).sum() / total)
    spread = float(np.sqrt(((middle - mean) ** 2 * weights).sum() / total))
    return (
        mean,
        column.deviation if isfinite(column.deviation) else spread,
        column.low if isfinite(column.low) else float(low.min()),
        column.high if isfinite(column.high) else float(high.max()),
    )


def _whole(counts: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """In the same shares, whole and ``total`` together: each is within one of its share."""
    share = np.cumsum(counts) / max(float(counts.sum()), 1e-300) * total
    return np.diff(np.rint(share), prepend=0.0).astype(np.int64)


def _below(bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.minimum(bounds - FLOAT32_NOISE * np.abs(bounds), np.nextafter(bounds, -np.inf))


def _above(bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(bounds + FLOAT32_NOISE * np.abs(bounds), np.float64)
