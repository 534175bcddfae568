"""From a partition's cell to a model's: raw rows until there is a reference, closed panes from then on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from driftd.core.event import EventBatch, TopicPartition, concatenate
from driftd.core.reference import Exclusion, Reference, outside
from driftd.core.window import panes_of
from driftd.ingest.state import Stream
from driftd.learn.build import build
from driftd.monitor.settings import ModelSettings
from driftd.monitor.state import ModelState


def unexcluded(cell: ModelState, batch: EventBatch, exclude: Sequence[Exclusion]) -> EventBatch:
    """The events that no exclusion covers; the others are counted."""
    if not exclude:
        return batch
    keep = outside(batch.times, exclude)
    cell.totals.excluded += int(np.count_nonzero(~keep))
    return batch if keep.all() else batch.take(np.flatnonzero(keep))


def learn(
    cell: ModelState,
    streams: Sequence[tuple[TopicPartition, Stream]],
    reached: int,
    pane_seconds: float,
    watch: ModelSettings,
) -> Reference | None:
    """Moves rows of closed panes to the model; builds its reference once there are enough, and returns it.

    Rows come in the order of pane, partition, offset, so the reference does not depend on how partitions were
    polled. It is cut at exactly ``learn_events`` rows; the rest stays with the streams.
    """
    waiting = [(stream, concatenate(stream.rows)) for _, stream in streams if stream.rows]
    if not waiting:
        return None
    panes = np.concatenate([panes_of(rows.times, pane_seconds) for _, rows in waiting])
    source = np.repeat(np.arange(len(waiting)), [len(rows) for _, rows in waiting])
    place = np.concatenate([np.arange(len(rows)) for _, rows in waiting])
    ready = np.flatnonzero(panes <= reached)
    ready = ready[np.lexsort((place[ready], source[ready], panes[ready]))]
    done = False
    if watch.learn_seconds is not None:
        first = min([float(b.times.min()) for b in cell.rows] + [float(rows.times.min()) for _, rows in waiting])
        until = (np.floor(first / pane_seconds)) * pane_seconds + watch.learn_seconds
        done = (reached + 1) * pane_seconds >= until
        ready = ready[(panes[ready] + 1) * pane_seconds <= until]
    elif cell.learned + len(ready) >= watch.learn_events:
        ready, done = ready[: watch.learn_events - cell.learned], True
    taken = np.zeros(len(panes), bool)
    taken[ready] = True
    for i, (stream, rows) in enumerate(waiting):
        mine = taken[source == i]
        if mine.any():
            cell.rows.append(rows.take(np.flatnonzero(mine)))
        stream.rows = [rows] if not mine.any() else [] if mine.all() else [rows.take(np.flatnonzero(~mine))]
    cell.learned += len(ready)
    if done and cell.rows:
        cell.reference = build(concatenate(cell.rows), watch.learning)
        cell.rows = []
        cell.since = np.full(len(cell.reference.channels), np.nan)
        return cell.reference
    return None
