"""From the first events of a model to its Reference: kinds inferred, bins chosen, normal recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import ALONE, OUTCOMES, Channel, Role, incomparable
from driftd.core.errors import ReferenceMismatch
from driftd.core.event import EventBatch, Kind, Schema
from driftd.core.hashing import NOT_HASHED, Hashing
from driftd.core.reference import (
    ALL,
    TOP,
    Bins,
    Drawn,
    Exclusion,
    Reference,
    ReferenceKind,
    bins_from_edges,
    bins_id,
    category_bins,
    numeric_bins,
    outside,
    tail_bins,
)
from driftd.core.slice import Slice
from driftd.core.summary import Summary
from driftd.core.values import as_categories, as_numbers, infer_kind, one_spelling, present, same_number
from driftd.core.window import Windows
from driftd.ingest.binning import Encoded, encode, summarise
from driftd.judge import runtime
from driftd.judge.learned import learn, sightings
from driftd.judge.natural.runtime import table_of
from driftd.learn import incidents, natural, quality, variation
from driftd.learn.comparison import slots_of
from driftd.learn.gaps import gaps_in, masked, without
from driftd.learn.gaps import table_of as table_of_gaps
from driftd.learn.lists import classes_of, parts_of

MAX_CLASSES = 20
_TRIM = 0.005
PANE_SECONDS = 10.0
"""Panes of the reference where nobody says how long those of the stream will be; ticks begin and end with them."""


@dataclass(frozen=True, slots=True)
class Learning:
    """What the user fixed about a reference before it is learned.

    ``kinds`` fixes the kind of some features; the others are inferred. ``classes``: None to infer whether the
    prediction is a class. ``bins`` quantile bins a number, ``top`` bins a category. A reference that spans less than
    ``least_span_seconds`` makes tickets, never pages (driftd.judge). ``most_bins``: of values, for any channel (None:
    as many as it takes). ``kind`` is what windows are compared with;
    ``windows`` how the reference is cut to measure its natural variation (None: it is not), ``period_seconds`` the
    period of a rolling one. Events in ``exclude`` are left out. ``hashing``: what the decoder has made of the values.
    ``positive``: the class whose precision and recall are told (None: inferred).
    """

    kinds: Mapping[str, Kind] = field(default_factory=dict)
    classes: bool | None = None
    bins: int = 20
    top: int = TOP
    source: str = ""
    created_by: str = ""
    reason: str = ""
    least_span_seconds: float = 0.0
    kind: ReferenceKind = ReferenceKind.FIXED
    windows: Windows | None = None
    period_seconds: float = 7 * 86400.0
    exclude: tuple[Exclusion, ...] = ()
    hashing: Hashing = NOT_HASHED
    most_bins: int | None = None
    positive: str | None = None

    @property
    def pane_seconds(self) -> float:
        return PANE_SECONDS if self.windows is None else self.windows.pane_seconds


def build(rows: EventBatch, learning: Learning, version: int = 1, drawn: Drawn = ALL) -> Reference:
    """The Reference of ``rows`` (in any order: only their values matter).

    Raises ReferenceMismatch when there is nothing to learn from.
    """
    rows = _included(rows, learning.exclude)
    classes = learning.classes if learning.classes is not None else _looks_like_classes(rows)
    channels = _channels(rows, learning.kinds, classes)
    gaps = gaps_in(channels, rows, classes, drawn)
    masks = masked(channels, rows.times, gaps)
    each = [rows.take(np.flatnonzero(~mask)) if mask.any() else rows for mask in masks]
    bins = tuple(_bins(c, mine, classes, learning) for c, mine in zip(channels, each, strict=True))
    center, scale = _locations(channels, each, classes)
    identity = bins_id(rows.model, channels, bins)
    width = max(b.used for b in bins)
    encoded = without(encode(channels, bins, classes, rows), masks)
    pane = np.zeros(len(rows), np.int64)
    summary: Summary = summarise(identity, width, center, scale, rows, encoded, pane)[0]
    reference = Reference(
        rows.model,
        version,
        channels,
        bins,
        summary,
        center,
        scale,
        classes,
        float(rows.times.min()),
        float(rows.times.max()),
        learning.source,
        learning.created_by,
        learning.reason,
        kind=learning.kind,
        hashing=learning.hashing,
    )
    seasonal = learning.kind is ReferenceKind.SEASONAL
    reference = replace(
        reference,
        slots=slots_of(reference, rows, encoded) if seasonal else None,
        excluded=tuple(e for e in learning.exclude if e.end > reference.first and e.start <= reference.last),
    )
    return replace(
        reference,
        learned={
            **_judged(reference, each, rows, encoded, learning, drawn),
            **table_of_gaps(gaps),
            **quality.table(reference, _right(reference, each, rows), learning.positive),
        },
        natural=_natural(reference, rows, encoded, learning),
    )


def _right(reference: Reference, each: Sequence[EventBatch], rows: EventBatch) -> EventBatch:
    """The events that say how right the model was: not those of a time in which its errors were a fault."""
    row = reference.rows.get(Role.PREDICTION_ERROR.value)
    return rows if row is None else each[row]


def _included(rows: EventBatch, exclude: Sequence[Exclusion]) -> EventBatch:
    if exclude and len(rows):
        rows = rows.take(np.flatnonzero(outside(rows.times, exclude)))
    if len(rows) == 0:
        raise ReferenceMismatch(f"reference {rows.model}: no events to learn from")
    return rows


def _natural(
    reference: Reference, rows: EventBatch, encoded: Encoded, learning: Learning
) -> Mapping[str, NDArray[np.float64]]:
    if learning.windows is None:
        return {}
    return variation.measure(reference, rows, encoded, learning.windows, learning.period_seconds)


def _judged(
    reference: Reference,
    each: Sequence[EventBatch],
    rows: EventBatch,
    encoded: Encoded,
    learning: Learning,
    drawn: Drawn,
) -> Mapping[str, NDArray[Any]]:
    """What the judge learns from the same events; ``each``: those of each channel."""
    seen = np.zeros((len(reference.channels), 2))
    for i, (channel, mine) in enumerate(zip(reference.channels, each, strict=True)):
        column = channel.values(mine, reference.classes)
        if column is not None:
            seen[i] = sightings(column, channel.kind)
    learned, state = learn(
        reference,
        encoded.bins,
        encoded.values,
        rows.times,
        seen[:, 0],
        seen[:, 1],
        least_span_seconds=learning.least_span_seconds,
    )
    return {
        **runtime.table_of(learned, state),
        **table_of(natural.learn(reference, rows, encoded, learning.pane_seconds, drawn)),
        **incidents.table_of(incidents.find(reference, rows, encoded.bins)),
    }


def schema_of(reference: Reference) -> Schema:
    """What the decoder must know once the reference stands: its features and no others."""
    lists = {c.feature: Kind.LIST for c in reference.channels if c.part is not None and c.feature is not None}
    features = {**kinds_of(reference), **lists}
    predictions = [c.kind for c in reference.channels if c.role is Role.PREDICTION and c.part is None]
    return Schema(reference.model, features, predictions[0] if predictions else Kind.ANY, open=False)


def kinds_of(reference: Reference) -> dict[str, Kind]:
    """Of each feature; of one that is lists, that of their norm."""
    return {c.feature: c.kind for c in reference.channels if c.feature is not None and c.part is None}


def _channels(rows: EventBatch, kinds: Mapping[str, Kind], classes: bool) -> tuple[Channel, ...]:
    out: list[Channel] = []
    alone = OUTCOMES if Slice(rows.model).joined else ALONE
    for channel in (*(Channel.of_feature(name, kinds.get(name, Kind.ANY)) for name in sorted(rows.columns)), *alone):
        values = channel.values(rows, classes)
        if values is None or not present(values):  # nothing to compare with: a column that came later, or never
            continue
        if channel.role is Role.PREDICTION_ERROR and incomparable(rows, classes):
            continue
        out.append(channel if channel.kind is not Kind.ANY else replace(channel, kind=infer_kind(values)))
    taken = {channel.name for channel in out}
    return tuple(part for channel in out for part in (channel, *_of_lists(rows, channel, taken)))


def _of_lists(rows: EventBatch, channel: Channel, taken: Collection[str]) -> Iterator[Channel]:
    if channel.lists in rows.fields and channel.kind is Kind.NUMERIC:
        yield from parts_of(rows, channel, channel.name, taken)
    elif channel.role is Role.SCORE:
        yield from classes_of(rows, channel, taken)


def _bins(channel: Channel, rows: EventBatch, classes: bool, learning: Learning) -> Bins:
    if channel.role.row.zero_one(classes):
        return bins_from_edges(np.array([np.nextafter(0.0, -1.0), 0.0, 1.0]), ("0", "1"), discrete=True)
    column = channel.values(rows, classes)
    if channel.kind is Kind.NUMERIC:
        numbers, most = as_numbers(column) if column is not None else np.empty(0), learning.most_bins
        inner = learning.bins if most is None else min(learning.bins, most - 2)  # the outer two are open
        return tail_bins(numbers, inner, most) if channel.role is Role.LATENCY else numeric_bins(numbers, inner)
    categories = one_spelling(as_categories(column)) if column is not None else []
    return category_bins(categories, learning.top, learning.most_bins)


def _locations(
    channels: Sequence[Channel], each: Sequence[EventBatch], classes: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Center and scale float64[channels]; 0 and 1 for categories. ``each``: the events of each channel."""
    center, scale = np.zeros(len(channels)), np.ones(len(channels))
    for i, (c, mine) in enumerate(zip(channels, each, strict=True)):
        if c.kind is Kind.NUMERIC:
            column = c.values(mine, classes)
            center[i], scale[i] = _location(as_numbers(column) if column is not None else np.empty(0))
    return center, scale


def _location(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation of the values between their 0.5 % quantiles; a spread of 0 counts as 1."""
    x = np.sort(values[np.isfinite(values)])
    if not len(x):
        return 0.0, 1.0
    cut = int(len(x) * _TRIM)
    x = np.clip(x, x[cut], x[len(x) - 1 - cut])
    peak = float(np.abs(x).max())
    unit = peak if peak > 1e150 else 1.0  # sums and squares of what is larger would overflow
    x = x / unit
    spread = float(x.std()) * unit
    return float(x.mean()) * unit, spread if spread > 0 and not same_number(x[:1], x[-1:]).all() else 1.0


def _looks_like_classes(rows: EventBatch) -> bool:
    """A class: text, or at most 20 different whole numbers."""
    if rows.prediction is None:
        return True
    if infer_kind(rows.prediction) is Kind.CATEGORICAL:
        return True
    seen = np.unique(as_numbers(rows.prediction))
    seen = seen[~np.isnan(seen)]
    return len(seen) <= MAX_CLASSES and bool(np.all(seen == np.floor(seen)))
