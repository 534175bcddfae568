"""A slice without a reference: raw rows are held until there are enough to learn one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from driftd.core.event import EventBatch, TopicPartition, concatenate
from driftd.core.pane import RawRows, merge_times
from driftd.core.reference import Reference
from driftd.learn.build import build
from driftd.monitor.settings import ModelSettings
from driftd.monitor.state import ModelState


def warm_up(
    model: ModelState, reached: int, pane_seconds: float, settings: ModelSettings
) -> tuple[Reference, Mapping[TopicPartition, EventBatch]] | None:
    """Holds the rows that arrived; once there are enough, the reference, and the rows that it does not need.

    Rows come in the order of pane, partition, offset, so the reference does not depend on how partitions were polled.
    It is cut at exactly ``learn_events`` rows; the rest goes back to its source.
    """
    arrived = [_joined(messages) for _, messages in sorted(model.arrived.items())]
    model.arrived = {}
    if not arrived:
        return None
    panes = np.concatenate([message.panes for message in arrived])
    source = np.repeat(np.arange(len(arrived)), [len(message.rows) for message in arrived])
    place = np.concatenate([np.arange(len(message.rows)) for message in arrived])
    order = np.lexsort((place, source, panes))
    done = False
    if settings.learn_seconds is not None:
        first = min(float(rows.times.min()) for rows in (*model.rows, *(m.rows for m in arrived)))
        until = np.floor(first / pane_seconds) * pane_seconds + settings.learn_seconds
        done = (reached + 1) * pane_seconds >= until
        order = order[(panes[order] + 1) * pane_seconds <= until]
    elif model.learned + len(order) >= settings.learn_events:
        order, done = order[: settings.learn_events - model.learned], True
    taken = np.zeros(len(panes), bool)
    taken[order] = True
    for message in arrived:
        merge_times(model.versions, {version: span.last for version, span in message.rows.versions.items()})
    left: dict[TopicPartition, EventBatch] = {}
    for i, message in enumerate(arrived):
        mine = taken[source == i]
        if mine.any():
            model.rows.append(message.rows.take(np.flatnonzero(mine)))
        if not mine.all():
            left[message.source] = message.rows.take(np.flatnonzero(~mine))
    model.learned += len(order)
    if not done or not model.rows:
        return None
    return build(concatenate(model.rows), settings.learning), left


def _joined(messages: Sequence[RawRows]) -> RawRows:
    if len(messages) == 1:
        return messages[0]
    rows, panes = concatenate([m.rows for m in messages]), np.concatenate([m.panes for m in messages])
    return replace(messages[-1], rows=rows, panes=panes)
