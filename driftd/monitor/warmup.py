"""A slice without a reference: raw rows are held until there are enough to learn one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch, TopicPartition, concatenate, versions
from driftd.core.pane import RawRows
from driftd.core.reference import Reference
from driftd.learn.build import build
from driftd.learn.sample import in_time
from driftd.monitor.settings import ModelSettings
from driftd.monitor.state import ModelState


def warm_up(
    model: ModelState, reached: int, pane_seconds: float, settings: ModelSettings
) -> tuple[Reference, Mapping[TopicPartition, EventBatch]] | None:
    """Holds the rows that arrived; once there are enough, the reference, and the rows that it does not need.

    Rows come in order of time, those of one moment mixed, so the reference does not depend on how partitions were
    polled, and is no more of one than of another. It is cut at exactly ``learn_events`` rows; the rest goes back to its
    source.
    """
    arrived = [_joined(messages) for _, messages in sorted(model.arrived.items())]
    model.arrived = {}
    if not arrived:
        return None
    note_versions(model, arrived, pane_seconds)
    wanted, done = _wanted(model, arrived, reached, pane_seconds, settings)
    left: dict[TopicPartition, EventBatch] = {}
    for message, mine in zip(arrived, wanted, strict=True):
        if mine.any():
            model.rows.append(message.rows.take(np.flatnonzero(mine)).of_partition(message.source[1]))
            model.learned += int(np.count_nonzero(mine))
        if not mine.all():
            left[message.source] = message.rows.take(np.flatnonzero(~mine))
    if not done or not model.rows:
        return None
    rows = concatenate(model.rows)
    return build(rows.take(in_time(rows)), settings.learning), left


def note_versions(model: ModelState, arrived: Sequence[RawRows], pane_seconds: float) -> None:
    """Which versions of the model answered in events that are not in panes."""
    for message in arrived:
        for number, version in set(zip(message.panes.tolist(), versions(message.rows), strict=True)):
            if version is not None:
                model.saw_version(version, number * pane_seconds, (number + 1) * pane_seconds)


def _wanted(
    model: ModelState, arrived: Sequence[RawRows], reached: int, pane_seconds: float, settings: ModelSettings
) -> tuple[list[NDArray[np.bool_]], bool]:
    """Which rows of each message the reference needs, bool[n] each, and whether it is complete with them."""
    panes = np.concatenate([message.panes for message in arrived])
    sizes = [len(message.rows) for message in arrived]
    order = in_time(concatenate([m.rows.of_partition(m.source[1]) for m in arrived]))
    order = order[np.argsort(panes[order], kind="stable")]
    done = False
    if settings.learn_seconds is not None:
        first = min(float(rows.times.min()) for rows in (*model.rows, *(m.rows for m in arrived)))
        until = np.floor(first / pane_seconds) * pane_seconds + settings.learn_seconds
        done = (reached + 1) * pane_seconds >= until
        order = order[(panes[order] + 1) * pane_seconds <= until]
    elif model.learned + len(order) >= settings.learn_events:
        order, done = order[: settings.learn_events - model.learned], True
    wanted = np.zeros(len(panes), bool)
    wanted[order] = True
    return np.split(wanted, np.cumsum(sizes)[:-1]), done


def _joined(messages: Sequence[RawRows]) -> RawRows:
    if len(messages) == 1:
        return messages[0]
    rows, panes = concatenate([m.rows for m in messages]), np.concatenate([m.panes for m in messages])
    return replace(messages[-1], rows=rows, panes=panes)
