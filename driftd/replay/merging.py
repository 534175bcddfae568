"""Stretches that were counted elsewhere come together, in order of their offsets, as if they had been read here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from driftd.core.event import RefusedValue, TopicPartition
from driftd.core.slice import Slice
from driftd.core.trials import joined
from driftd.core.window import panes_of
from driftd.engine.pipeline import Pipeline
from driftd.engine.snapshot.rows import RowsSnapshot
from driftd.engine.state import State
from driftd.ingest import panes, partition
from driftd.ingest.fault_counts import HOT_EVENTS
from driftd.ingest.panes import Readings
from driftd.ingest.state import PartitionState, Stream
from driftd.monitor.state import ModelState
from driftd.replay.counting import Counted, Part, Plan, Wanted, over_limit
from driftd.replay.stretches import Stretches, in_order


def source_of(events: Stretches) -> TopicPartition:
    return events.name, 0


def stretches(pipeline: Pipeline, state: State, events: Stretches, wanted: Wanted | None = None) -> Iterator[Counted]:
    """Stretches to be taken in one after the other, each counted as it is after those before it."""
    source = source_of(events)
    yield from in_order(
        events,
        lambda: Plan.of(pipeline, state, wanted),
        lambda stretch: agrees(pipeline, state, source, stretch),
        lambda: state.partitions[source].latest if source in state.partitions else -np.inf,
    )


def agrees(pipeline: Pipeline, state: State, source: TopicPartition, stretch: Counted) -> bool:
    """Whether the stretch was counted as it is after all that ``state`` has seen. If not: count it again, from
    ``latest`` of its partition, with a plan of now.
    """
    windows, known = pipeline.monitor.windows, state.partitions.get(source)
    latest = -np.inf if known is None else known.latest
    ends = (stretch.earliest + 1) * windows.pane_seconds
    in_time = stretch.before == latest or ends > latest - windows.out_of_orderness_seconds
    if pipeline.max_models is None:  # nothing is discovered
        return in_time
    most = max(pipeline.max_models, len(pipeline.monitor.configured))
    return in_time and not over_limit(stretch, pipeline.schemas.of(state), most)


def merge(pipeline: Pipeline, state: State, source: TopicPartition, stretch: Counted) -> Iterator[RefusedValue]:
    """Takes the stretch in, as Pipeline.take does with its records. The first values of features that are refused only
    now, since their kinds were not known there.
    """
    mine = state.partitions.setdefault(source, PartitionState(0))
    mine.next_offset = stretch.next
    mine.latest = max(mine.latest, stretch.latest)
    mine.late.update(stretch.late)
    for reason, seconds in stretch.worst_lateness.items():
        mine.worst_lateness[reason] = max(seconds, mine.worst_lateness.get(reason, 0.0))
    state.received += stretch.received
    state.accepted += stretch.accepted
    state.rejected.update(stretch.rejected)
    state.dropped.update(stretch.dropped)
    for part in stretch.parts:
        key = Slice(part.model)
        state.models.setdefault(key, ModelState(key))
        stream = mine.streams.setdefault(key, Stream())
        stream.counters = stream.counters.merge(part.counters)
        stream.trials = joined([stream.trials, part.trials])
        if part.rows is not None:
            yield from _rows(pipeline, state.models[key], stream, part.rows)
        if part.panes is not None:
            _panes(pipeline, state, key, stream, part)


def _rows(pipeline: Pipeline, model: ModelState, stream: Stream, told: RowsSnapshot) -> list[RefusedValue]:
    rows, refused = told.restore(), list[RefusedValue]()
    pipeline.schemas.widen([rows])
    if model.reference is not None:  # decoded by who did not know the kinds
        fresh = Stream(counters=stream.counters)
        (rows,), refused = partition.refuse_text(fresh, [rows], model.reference.numeric_features)
        stream.counters = fresh.counters
    stream.rows.append(rows)
    return refused


def _panes(pipeline: Pipeline, state: State, key: Slice, stream: Stream, part: Part) -> None:
    about, seconds = pipeline.slices.about(state, key), pipeline.monitor.windows.pane_seconds
    assert about.reference is not None
    assert part.panes is not None
    panes.absorb(about, stream, seconds)  # the first rows: what repeats there goes on from the stretch before
    times = np.zeros(0) if part.times is None else part.times
    readings = Readings(times, dict(part.readings))
    panes.add(about, about.reference, stream, part.panes, readings, panes_of(times, seconds))
    if part.carry is not None and stream.carry is not None:
        before = stream.carry.place - HOT_EVENTS
        carry = part.carry
        stream.carry = replace(carry, place=carry.place + before, hot_place=carry.hot_place + before)
