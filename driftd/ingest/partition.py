"""One partition: lateness, exclusions and counters of the events that are read from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core import values
from driftd.core.cost import cost_fields
from driftd.core.event import SEGMENTS, EventBatch, LateReason, RefusedValue, concatenate
from driftd.core.pane import Counters
from driftd.core.reference import outside
from driftd.core.slice import Slice
from driftd.core.window import Windows, panes_of, watermarks_before
from driftd.ingest import experiments
from driftd.ingest.counters import counted, refusals, spent
from driftd.ingest.panes import SliceIngest
from driftd.ingest.state import PartitionState, Stream

MOST_BATCHES: Final = 64
"""Batches of a slice that wait side by side. A batch of 16 events of five features takes three times its numbers in
memory; of a thousand models each read brings so few.
"""
NEVER: Final = -(1 << 62)
"""Before any pane."""
SliceOf = Callable[[Slice], SliceIngest]
Closed = Callable[[Slice], int | None]
"""The last pane of a model that is closed."""
Split = Callable[[EventBatch], Iterable[EventBatch]]
"""The events of a model -> those of its segments."""


def take(
    partition: PartitionState,
    batches: Sequence[EventBatch],
    windows: Windows,
    closed: Closed,
    about: SliceOf,
    segments: Split = lambda _: (),
) -> int:
    """Takes the events of one stretch in, all models' together; how many were accepted. Late ones are counted here.
    What ``segments`` makes of a model's events is taken in beside them.

    An event for a pane that is ``closed``, by whichever partition, is late.
    """
    accepted = 0
    for on_time in _on_time(partition, [b for b in batches if len(b)], windows, closed):
        accepted += len(on_time)
        add(partition, on_time, about, windows.pane_seconds)
        unseen = experiments.shadows(about(Slice(on_time.model)).experiments, on_time)
        for part in segments(on_time if unseen is None else on_time.take(np.flatnonzero(~unseen))):
            add(partition, part, about, windows.pane_seconds)
    for batch in batches:
        if batch.label_only or batch.ignored_features:
            accepted += batch.label_only
            stream = partition.streams.setdefault(Slice(batch.model), Stream())
            more = Counters(unjoined_labels=batch.label_only, ignored_features=batch.ignored_features)
            stream.counters = stream.counters.merge(more)
    return accepted


def refuse_text(
    stream: Stream, left: Sequence[EventBatch], numeric: Sequence[str]
) -> tuple[list[EventBatch], list[RefusedValue]]:
    """The stream's rows and those that are ``left`` were decoded before the kinds were known: text in the features
    ``numeric`` is refused and counted now. The rows left, and the first such value of each feature.
    """
    first: dict[str, RefusedValue] = {}

    def settled(before: EventBatch) -> EventBatch:
        rows, text = values.refuse_text(before, numeric)
        for name, flags in text.items():
            at = int(np.argmax(flags))
            offset, time = int(rows.offsets[at]), float(rows.times[at])
            value = RefusedValue(rows.model, name, offset, time, "expected a number, got a string")
            first[name] = min(first.get(name, value), value, key=attrgetter("offset"))
        stream.counters = stream.counters.merge(Counters(refused=refusals(text)))
        return rows

    stream.rows = [settled(rows) for rows in stream.rows]
    return [settled(rows) for rows in left], [*first.values()]


def _on_time(
    partition: PartitionState, batches: Sequence[EventBatch], windows: Windows, closed: Closed
) -> Sequence[EventBatch]:
    """The events whose panes are open, all models' at once; the others are counted in the partition by reason."""
    if not batches:
        return []
    times, before = np.concatenate([b.times for b in batches]), _watermarks(batches, partition.latest)
    panes = panes_of(times, windows.pane_seconds)
    watermark = (panes + 1) * windows.pane_seconds <= before - windows.out_of_orderness_seconds
    last = [NEVER if (pane := closed(Slice(b.model))) is None else pane for b in batches]
    reached = np.repeat(last, [len(b) for b in batches])
    passed = (panes <= reached) & ~watermark
    partition.latest = max(partition.latest, float(times.max()))
    late = watermark | passed
    if not late.any():
        return batches
    if watermark.any():
        _count_late(partition, LateReason.WATERMARK, before[watermark] - times[watermark])
    if passed.any():
        _count_late(partition, LateReason.FRONTIER, (reached[passed] + 1) * windows.pane_seconds - times[passed])
    kept = np.split(~late, np.cumsum([len(b) for b in batches])[:-1])
    return [
        batch if mine.all() else batch.take(np.flatnonzero(mine))
        for batch, mine in zip(batches, kept, strict=True)
        if mine.any()
    ]


def _count_late(partition: PartitionState, reason: LateReason, seconds: NDArray[np.float64]) -> None:
    partition.late[reason.value] += len(seconds)
    worst = partition.worst_lateness
    worst[reason.value] = max(worst.get(reason.value, 0.0), float(seconds.max()))


def add(partition: PartitionState, batch: EventBatch, about: SliceOf, pane_seconds: float) -> None:
    """Takes events in that come for open panes."""
    key = Slice(batch.model)
    stream, settings = partition.streams.get(key), about(key)
    if stream is None:
        stream = partition.streams[key] = Stream()
    kept = batch
    if settings.exclude:
        keep = outside(batch.times, settings.exclude)
        kept = batch if keep.all() else batch.take(np.flatnonzero(keep))
    if settings.experiments and len(kept):
        stream.trials = experiments.counted(stream.trials, settings.experiments, kept, settings.prices, pane_seconds)
    unseen = experiments.shadows(settings.experiments, batch)
    if unseen is not None:  # they are compared, and cost what they cost: nothing else of them is the model's
        stream.counters = spent(stream.counters, batch.take(np.flatnonzero(unseen)), settings.prices)
        served = replace(settings, experiments=())
        rest = batch.take(np.flatnonzero(~unseen))
        if len(rest):
            add(partition, rest, lambda _: served, pane_seconds)
        return
    stream.counters = counted(stream.counters, batch, kept, settings.prices)
    done = [name for name in kept.fields if name.startswith(SEGMENTS)]
    kept = kept.without_fields([*cost_fields(kept), *experiments.FIELDS, *done])
    if len(kept):
        stream.rows.append(kept.compact() if settings.reference is None else kept)
        if len(stream.rows) >= MOST_BATCHES:
            stream.rows = [concatenate(stream.rows)]


def _watermarks(batches: Sequence[EventBatch], latest: float) -> NDArray[np.float64]:
    """The greatest time that the partition had seen before each event of the batches, over all models."""
    if len(batches) == 1:
        return watermarks_before(batches[0].offsets, batches[0].times, latest)
    offsets = np.concatenate([b.offsets for b in batches])
    order = np.argsort(offsets, kind="stable")
    times = np.concatenate([b.times for b in batches])
    before = np.empty(len(offsets))
    before[order] = watermarks_before(offsets[order], times[order], latest)
    return before
