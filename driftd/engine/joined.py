"""Labels and predictions of a stretch of a partition find each other, and what they make comes for open panes.

Panes of joined labels have a frontier of their own: labels may be hours behind in event time, if their producer gives
them the time of what they are about, and must hold back nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from driftd.core.event import EventBatch, TopicPartition
from driftd.core.segmenting import Census, Segmenting
from driftd.core.window import panes_of
from driftd.engine.state import State
from driftd.ingest.outcomes import join as outcomes
from driftd.ingest.outcomes.arrived import Arrived
from driftd.ingest.outcomes.join import Joining
from driftd.ingest.segments import membership
from driftd.ingest.state import PartitionState

Pairs = Sequence[tuple[TopicPartition, EventBatch]]


def join(
    state: State,
    source: TopicPartition,
    batches: Sequence[EventBatch],
    settings: Joining,
    segmenting: Callable[[str], Segmenting | None] = lambda _: None,
    *,
    named: bool = True,
) -> Pairs:
    """The pairs that are complete now, each at the partition that its label was read from, if that still is ours; those
    of segments, by the ``segmenting`` of a model, too. What is joined elsewhere waits to be sent there, ``named``: with
    ids.
    """
    mine = state.partitions[source]
    for batch in batches:
        if batch.labels_alone is not None:
            mine.labelled = max(mine.labelled, float(batch.labels_alone.times.max()))
    pairs = list[tuple[TopicPartition, EventBatch]]()
    for batch in batches:
        wanted, census = segmenting(batch.model), state.segments.get(batch.model, Census())
        members = None if wanted is None else partial(membership, wanted=wanted, census=census)
        if state.elsewhere is None:
            pairs += outcomes.join(state.outcomes, batch, source, settings, members)
        elif state.elsewhere.wants(batch) or settings.always:
            state.elsewhere.keep(batch, members, named=named)
    return _placed(state, source, pairs)


def take_in(state: State, source: TopicPartition, model: str, arrived: Arrived, settings: Joining) -> Pairs:
    """As ``join``, of what another member has read of a model."""
    return _placed(state, source, outcomes.take_in(state.outcomes, model, arrived, source, settings))


def _placed(state: State, source: TopicPartition, pairs: Pairs) -> Pairs:
    return [(at if at in state.partitions else source, batch) for at, batch in pairs]


def in_time(state: State, batch: EventBatch, pane_seconds: float) -> EventBatch:
    """The events, those whose pane is closed at the beginning of the first that is open: none is lost."""
    closed = state.outcomes.frontier
    if closed is None or not (late := panes_of(batch.times, pane_seconds) <= closed).any():
        return batch
    return replace(batch, times=np.where(late, (closed + 1) * pane_seconds, batch.times))


def seen(partition: PartitionState) -> float:
    """How far a partition has been read, in event time; -inf where nothing was read."""
    return max(partition.latest, partition.labelled, partition.reached)
