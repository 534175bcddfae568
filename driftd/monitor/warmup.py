"""From a partition's cell to a model's: raw rows until there is a reference, closed panes from then on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from driftd.core.event import Cell, EventBatch, Kind, Schema, concatenate, merge_versions
from driftd.core.reference import Exclusion, Reference, outside
from driftd.core.summary import LATENCY_LE, merge
from driftd.core.window import panes_of
from driftd.learn.build import Learning, build
from driftd.monitor.assignment import Chooser, Effect
from driftd.monitor.state import ModelCell, Pane, Stream
from driftd.monitor.thresholds import MONTH_SECONDS


@dataclass(frozen=True, slots=True)
class Watch:
    """How one model is watched. The reference is learned from the first ``learn_events`` events, or from the first
    ``learn_seconds`` of event time where that is set. ``effect`` of a channel is the least change (PSI) that opens an
    episode.
    """

    choose: Chooser
    learning: Learning = field(default_factory=Learning)
    learn_events: int = 10_000
    learn_seconds: float | None = None
    max_features: int = 200
    discover: bool = True
    effect: Effect = lambda _: 0.0

    def learning_schema(self, model: str, discovered: Iterable[str] = ()) -> Schema:
        """What is decoded while the reference is learned: the configured features, and the discovered ones."""
        found = dict.fromkeys(sorted(discovered), Kind.ANY)
        return Schema(
            model, {**found, **self.learning.kinds}, Kind.ANY, open=self.discover, max_features=self.max_features
        )


def count(cell: ModelCell, batch: EventBatch) -> None:
    """Brings the model's counters up to date with accepted events."""
    totals = cell.totals
    totals.events += len(batch)
    totals.last_event = max(totals.last_event, float(batch.times.max()))
    if batch.failed is not None:
        totals.failed += int(np.count_nonzero(batch.failed))
    if batch.label is not None:
        totals.labels += sum(label is not None for label in batch.label)
    if batch.latency_seconds is not None:
        seconds = batch.latency_seconds[~np.isnan(batch.latency_seconds)]
        size = len(LATENCY_LE) + 1
        totals.latency_le = totals.latency_le + np.bincount(np.searchsorted(LATENCY_LE, seconds), minlength=size)
        totals.latency_ns += int(np.rint(np.minimum(seconds, 1e6) * 1e9).astype(np.int64).sum())
    cell.versions = merge_versions((cell.versions, batch.versions))


def unexcluded(cell: ModelCell, batch: EventBatch, exclude: Sequence[Exclusion]) -> EventBatch:
    """The events that no exclusion covers; the others are counted."""
    if not exclude:
        return batch
    keep = outside(batch.times, exclude)
    cell.totals.excluded += int(np.count_nonzero(~keep))
    return batch if keep.all() else batch.take(np.flatnonzero(keep))


def count_page(cell: ModelCell, at: float) -> None:
    cell.totals.pages += 1
    cell.totals.paged = (*(t for t in cell.totals.paged if t > at - MONTH_SECONDS), at)


def learn(
    cell: ModelCell, streams: Sequence[tuple[Cell, Stream]], reached: int, pane_seconds: float, watch: Watch
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


def closed_panes(streams: Sequence[tuple[Cell, Stream]], reached: int) -> Iterator[tuple[int, Pane]]:
    """Takes the panes up to ``reached`` out of the streams, merged over partitions, in ascending order."""
    ready = sorted({pane for _, s in streams for pane in s.panes if pane <= reached})
    for pane in ready:
        parts = [s.panes.pop(pane) for _, s in streams if pane in s.panes]
        alarms = sorted((a for p in parts for a in p.alarms), key=lambda a: (a.time, a.detector, a.channel))
        crosses = [p.cross for p in parts if p.cross is not None]
        cross = np.sum(crosses, axis=0) if crosses else None
        yield pane, Pane(merge(p.summary for p in parts), tuple(alarms), cross)
