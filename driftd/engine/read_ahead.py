r"""How far a partition may be read ahead of the others: by as much as memory allows.

partition 0   ====================|....    closed up to here by itself, held: nothing more is read of it
partition 1   =====|                       the frontier: panes behind it are evaluated
partition 2   (empty)                      holds all others back until it is idle
                   \______________/        these panes wait, and are what memory is needed for
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np

from driftd.core.event import EventBatch, TopicPartition
from driftd.core.window import Windows, closed_through
from driftd.engine.state import State
from driftd.ingest.state import PartitionState, Stream

MOST_BYTES: Final = 64 << 20
"""Of panes and rows that wait for other partitions. Half of it is left before reading goes on."""
SOONER: Final = 4
"""A part of that is enough where partitions behind have records to read: those ahead gain nothing then. Records of a
megabyte among small ones hold a partition up by a fetch each, and the others were read ahead meanwhile.
"""
TEXT_BYTES: Final = 64
"""Of a value that is text, about."""
ROWS_TIMES: Final = 4
"""A row counts so many times: it is put on bins again at every stage of a reference that grows, and that takes more."""
PANE_BYTES: Final = 1200
"""Of a channel in a pane, about. Rows become panes when there is a reference, and each may be in one of its own."""


def held(
    state: State, windows: Windows, before: frozenset[TopicPartition], unread: Collection[TopicPartition] = ()
) -> frozenset[TopicPartition]:
    """The partitions of which nothing more is to be read now. ``before``: those that are held already. ``unread``:
    those that have records to read.

    Only partitions ahead of the frontier are: those that hold it back are read on, so it moves.
    """
    ahead = {at: mine for at, mine in state.partitions.items() if _is_ahead(state, mine, windows)}
    behind = (at for at in unread if at in state.partitions and at not in ahead)
    limit = MOST_BYTES // (SOONER if any(True for _ in behind) else 1) // (2 if before else 1)
    streams = [stream for mine in ahead.values() for stream in mine.streams.values()]
    waiting = sum(waiting_bytes(stream, windows.pane_seconds) for stream in streams)
    return frozenset(ahead) if waiting > limit else frozenset()


def _is_ahead(state: State, mine: PartitionState, windows: Windows) -> bool:
    if mine.released or not np.isfinite(mine.latest):
        return False
    closed = closed_through(mine.latest - windows.out_of_orderness_seconds, windows.pane_seconds)
    return state.frontier is None or closed > state.frontier


def waiting_bytes(stream: Stream, pane_seconds: float) -> int:
    """What its open panes and its rows take, about, when they are worked on."""
    panes = 0 if stream.panes is None else stream.panes.nbytes
    panes += sum(_panes_in(rows, pane_seconds) * _channels_in(rows) * PANE_BYTES for rows in stream.rows)
    return panes + ROWS_TIMES * sum(map(_bytes_of, (*stream.rows, *stream.held)))


def _panes_in(rows: EventBatch, pane_seconds: float) -> int:
    """At most so many."""
    return min(len(rows), 2 + int(np.ptp(rows.times) / pane_seconds)) if len(rows) else 0


def _channels_in(rows: EventBatch) -> int:
    return len(rows.columns) + len(rows.fields)


def _bytes_of(rows: EventBatch) -> int:
    known = rows.times.nbytes + rows.offsets.nbytes
    for column in (*rows.columns.values(), *rows.fields.values()):
        known += column.nbytes if isinstance(column, np.ndarray) else TEXT_BYTES * len(column)
    return known
