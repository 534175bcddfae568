"""Events that wait for their panes to close while a model learns: no more of them than its sample can need.

events of open panes   ####.##.#.#    of a million, a sample keeps the same few thousand whenever it sees the others

A table of them is large where each has another feature: a million events with one of 200 features are 1.6 GB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from driftd.core.event import EventBatch, TopicPartition, concatenate
from driftd.ingest.state import Stream
from driftd.learn import sample
from driftd.monitor import growing
from driftd.monitor.model import Monitor
from driftd.monitor.state import ModelState

MOST_TIMES: Final = 2
"""Samples of values that may wait in one stream. Chosen: half of them go at a time, so each is looked at twice."""
LEAST_EVENTS: Final = 64
"""Events from which on they may be too many. Chosen: of fewer than 12,000 features they are not."""


def let_go(monitor: Monitor, model: ModelState, source: TopicPartition, stream: Stream, frontier: int | None) -> None:
    """Lets events go that wait for the model's first reference and will not be learned from. They stay counted."""
    if model.reference is not None or not _many(stream.rows):
        return
    monitor.begin(model)
    seconds = monitor.windows.pane_seconds
    through = growing.sampled_through(model, frontier, seconds)
    if through is not None:
        stream.rows = [growing.pass_over(model, source, concatenate(stream.rows), through, seconds)]


def _many(batches: Sequence[EventBatch]) -> bool:
    """Whether they have more values, put together, than may wait."""
    events = sum(map(len, batches))
    if events < LEAST_EVENTS:
        return False
    names = {name for rows in batches for name in (*rows.columns, *rows.fields)}
    return events * len(names) > MOST_TIMES * sample.MOST_VALUES
