"""What came of a channel since its change began, and nothing from before it: of the sums that driftd keeps the largest.

change            |
hops       .  |   '  .   |      .   |     .    kept for pages: those begun after it
judge's       .   ' |        .        |   .    and what waits for the next: begun after it
restless          '.......................    counters of the channel since its rates were last calm: faults alone
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.fault_counters import COLUMNS, LOGS, NONZERO
from driftd.core.pane_block import MOMENTS
from driftd.core.summary import merge
from driftd.core.window import Hop, Hops
from driftd.judge.natural import features as f
from driftd.judge.natural.runs import joined
from driftd.judge.natural.step import NaturalState
from driftd.monitor.timeline import STEPS, Timeline

Counts = NDArray[np.int64]

LEAST: Final = 20
"""Events that show how a channel is. Chosen: of fewer a histogram is chance; a fault that pages has more."""
SLACK: Final = 1.0
"""Seconds by which sums may begin before a change. Derived: both are ends of panes, of a second or more."""


@dataclass(frozen=True, slots=True, eq=False)
class Since:
    """``sums`` int64[width + COLUMNS + MOMENTS] of one channel, columns as in core.pane_block, of ``start`` to ``end``;
    ``mixed``: with events from before the change.
    """

    start: float
    end: float
    sums: Counts
    mixed: bool = False

    @property
    def counts(self) -> Counts:
        """By bin, as Summary.counts."""
        return self.sums[: -COLUMNS - MOMENTS]


def since(hops: Hops, natural: NaturalState | None, timeline: Timeline, row: int, time: float) -> Since | None:
    """Of what is remembered of the channel ``row`` after ``time``; mixed where too little is known of that alone. None
    where nothing is remembered.
    """
    clean = [s for s in (*_hops(hops, row, time), *_judged(natural, timeline, row, time)) if s.counts.sum() >= LEAST]
    if clean:
        return max(clean, key=lambda s: int(s.counts.sum()))
    parts = [hop for hop in _every(hops) if hop.end > time]
    if not parts:
        return None
    summary = merge(hop.summary for hop in parts)
    mixed = parts[0].start < time - SLACK
    return Since(parts[0].start, parts[-1].end, sums_of(summary.counts[row], summary.moments[row]), mixed)


def _every(hops: Hops) -> list[Hop]:
    return [*hops.done, *([] if hops.growing is None else [hops.growing])]


def _hops(hops: Hops, row: int, time: float) -> Iterator[Since]:
    parts = [hop for hop in _every(hops) if hop.start >= time - SLACK]
    if parts:
        summary = merge(hop.summary for hop in parts)
        yield Since(parts[0].start, parts[-1].end, sums_of(summary.counts[row], summary.moments[row]))


def _judged(natural: NaturalState | None, timeline: Timeline, row: int, time: float) -> Iterator[Since]:
    """What the judge keeps of the channel."""
    if natural is None or row >= len(natural.recent):
        return
    near = joined([natural.near.hops, natural.near.waiting])
    if not len(near):
        return
    after = near.part(slice(int(np.searchsorted(near.start, time - SLACK)), None))
    if len(after):
        yield Since(float(after.start[0]), float(after.end[-1]), _told(after.sums[:, row].sum(axis=0)))
    # rates that were restless before this change have counters from before it
    restless, end = natural.recent[row], float(near.end[-1])
    if restless[f.EVENTS] <= _events(timeline, time, end):
        yield Since(time, end, _told(restless))


def _events(timeline: Timeline, start: float, end: float) -> float:
    """Of the model in the minutes that hold this time."""
    numbers, events = timeline.events(0)
    return float(events[(numbers >= start // STEPS[0]) & (numbers <= end // STEPS[0])].sum())


def _told(sums: Counts) -> Counts:
    """From the judge's columns: features, then counts by bin."""
    faults = np.zeros(COLUMNS, np.int64)
    faults[LOGS], faults[NONZERO] = sums[f.LOGS], sums[f.NONZERO]
    return np.concatenate([sums[f.FEATURES :], faults, [sums[f.MEAN], 0]])


def sums_of(counts: Counts, moments: Counts) -> Counts:
    """Those of a channel in a summary, which has no fault counters."""
    return np.concatenate([counts, np.zeros(COLUMNS, np.int64), moments])
