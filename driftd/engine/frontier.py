"""How far panes are closed: the last one that all active partitions have closed, and the slices to get there in."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Final

import numpy as np

from driftd.core.event import TopicPartition
from driftd.core.segmenting import SETTLE_SECONDS
from driftd.core.window import Windows, closed_through, frontier, panes_of
from driftd.engine import joined
from driftd.engine.state import State

SLICE_PANES: Final = 1000
"""Panes, of all models and partitions, that are closed before driftd looks up again: a second's work or two."""
ROWS_A_PANE: Final = 50
"""Rows that wait for a reference and cost about as much as a pane."""


def closing(
    state: State, windows: Windows, idle: frozenset[TopicPartition], *, end: bool, joins: bool = False
) -> int | None:
    """The last pane that closes now; None where none does. At the end what is closed already is evaluated too.
    That of joined labels is moved where there are any (``joins``); where it alone moves, the frontier stays.
    """
    closed = reached_by(state, windows, read(state), idle, state.frontier, end=end)
    if not joins or closed is None:
        return None if closed == state.frontier and not end else closed
    before, each = state.outcomes.frontier, {at: joined.seen(p) for at, p in state.partitions.items()}
    state.outcomes.frontier = reached_by(state, windows, each, idle, before, end=end)
    return None if (closed, before) == (state.frontier, state.outcomes.frontier) and not end else closed


def read(state: State) -> dict[TopicPartition, float]:
    """How far partitions have been read, in event time; without those that have nothing but labels."""
    latest = {at: max(p.latest, p.reached) for at, p in state.partitions.items()}
    return {at: t for at, t in latest.items() if np.isfinite(t) or state.partitions[at].labelled == -inf}


def reached_by(
    state: State,
    windows: Windows,
    latest: Mapping[TopicPartition, float],
    idle: frozenset[TopicPartition],
    before: int | None,
    *,
    end: bool = False,
) -> int | None:
    """The last pane that may be closed now, by the ``latest`` times of partitions (-inf: nothing was read)."""
    if end:
        known = [time for time in latest.values() if np.isfinite(time)]
        return int(panes_of(np.array([max(known)]), windows.pane_seconds)[0]) if known else before
    idle |= {source for source, p in state.partitions.items() if p.released}
    closed = {
        at: closed_through(time - windows.out_of_orderness_seconds, windows.pane_seconds) if np.isfinite(time) else None
        for at, time in latest.items()
    }
    return frontier(closed, idle, before)


def cuts(state: State, to: int, pane_seconds: float) -> list[int]:
    """The last panes of slices, up to ``to``, that hold about SLICE_PANES each."""
    streams = [stream for mine in state.partitions.values() for stream in mine.streams.values()]
    waiting = [stream.panes.numbers for stream in streams if stream.panes is not None]
    waiting += [panes_of(rows.times, pane_seconds)[::ROWS_A_PANE] for stream in streams for rows in stream.rows]
    numbers = np.concatenate([np.zeros(0, np.int64), *waiting])
    numbers = np.sort(numbers[numbers <= to])
    found = np.unique(numbers[SLICE_PANES - 1 :: SLICE_PANES])
    return [*found[found < to].tolist(), to]


def minute(pane: int, pane_seconds: float) -> int:
    """The last pane up to ``pane`` that ends a minute of event time."""
    panes = max(round(SETTLE_SECONDS / pane_seconds), 1)
    return (pane + 1) // panes * panes - 1
