"""Event time: panes, watermarks, lateness, and windows that grow until they hold enough events.

    time      0        10        20        30        40  seconds
    panes     |   0    |    1    |    2    |    3    |
    events       x x       x   x      x         x        <- latest event, watermark = its time - out_of_orderness
    watermark                    ^ panes 0 and 1 are closed; an event for them is late from here on

A *hop* is a run of panes that is at least window/hops long and holds at least min_events/hops events; the model
is judged at the end of each hop, on the window of the last ``hops`` hops. A model with ten events an hour and one
with ten thousand a second therefore need no different settings. A hop that reaches max_window/hops ends anyway.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import ceil, floor, nan
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import TopicPartition
from driftd.core.quality import sums as quality
from driftd.core.quality.sums import Outcomes
from driftd.core.summary import Summary, merge

HISTORY_WINDOWS = 4
"""Windows of hops kept, to estimate where in them a change began."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Settings of time, in seconds and events."""

    pane_seconds: float = 10.0
    window_seconds: float = 600.0
    min_events: int = 1000
    hops: int = 4
    max_window_seconds: float = 31 * 86400.0
    out_of_orderness_seconds: float = 60.0
    least_events: int = 50

    @property
    def hop_seconds(self) -> float:
        return self.window_seconds / self.hops

    @property
    def hop_events(self) -> int:
        return ceil(self.min_events / self.hops)

    @property
    def longest_hop_seconds(self) -> float:
        return self.max_window_seconds / self.hops

    def hop_start(self, last: float, start: float) -> float:
        """Where a hop begins whose first pane begins at ``start``, after one that ended at ``last``: hops touch, unless
        nothing came for longer than a hop may last.
        """
        return last if start - last < self.longest_hop_seconds else start

    def ends_hop(self, seconds: Any, events: Any) -> Any:
        """Whether a hop that holds so much is whole; of numbers, or of arrays of them."""
        full = (events >= self.hop_events) & (seconds >= self.hop_seconds)
        return full | (seconds >= self.longest_hop_seconds)


def panes_of(times: NDArray[np.float64], pane_seconds: float) -> NDArray[np.int64]:
    """The pane int64[n] of each event time."""
    return np.floor_divide(times, pane_seconds).astype(np.int64)


def closed_through(watermark: float, pane_seconds: float) -> int:
    """The last pane that a watermark has closed."""
    return floor(watermark / pane_seconds) - 1


def watermarks_before(offsets: NDArray[np.int64], times: NDArray[np.float64], latest: float) -> NDArray[np.float64]:
    """The greatest time seen in the partition before each event's record, float64[n].

    Both arrays in offset order; events of one record (equal offsets) do not make each other late, so the result
    does not depend on how the models' events of one record are ordered.
    """
    if not len(times):
        return np.empty(0)
    running = np.maximum.accumulate(np.concatenate([[latest], times]))[:-1]
    first = np.searchsorted(offsets, offsets, side="left")
    return running[first]


def frontier(
    closed: Mapping[TopicPartition, int | None], idle: frozenset[TopicPartition], before: int | None
) -> int | None:
    """The last pane that every active partition has closed; never goes back.

    ``closed`` has every assigned partition, None where nothing was read yet: it holds all others back until it has
    an event or turns idle. With every partition idle the frontier stays where it is.
    """
    active = [pane for topic_partition, pane in closed.items() if topic_partition not in idle]
    if not active or any(pane is None for pane in active):
        return before
    reached = min(pane for pane in active if pane is not None)
    return reached if before is None else max(before, reached)


@dataclass(frozen=True, slots=True)
class TimedDetection:
    """A sequential detector's detection, as it travels with its pane; ``since`` is when the change began, by how many
    values ago that was.
    """

    detector: str
    channel: str
    time: float
    before: float
    after: float
    since: float = nan


Refused = tuple[tuple[int, int], ...]
"""(row, values) of those that have any, by row."""


def added(refused: Iterable[Refused]) -> Refused:
    """Of all of them."""
    total = Counter[int]()
    for row, n in chain.from_iterable(refused):
        total[row] += n
    return tuple(sorted(total.items()))


@dataclass(frozen=True, slots=True)
class Hop:
    """A finished or growing run of panes. ``start`` and ``end`` are pane borders in epoch seconds; ``refused``: how
    many values of which channels were of another type. To the summary they are missing. ``outcomes``: of its events
    with a label, each version as one row.
    """

    start: float
    end: float
    summary: Summary
    alarms: tuple[TimedDetection, ...] = ()
    refused: Refused = ()
    outcomes: Outcomes = field(default_factory=dict)


@dataclass(slots=True)
class Hops:
    """The hops of one model: the growing one and the finished ones, oldest first."""

    growing: Hop | None = None
    done: list[Hop] = field(default_factory=list)

    def add(
        self,
        pane: int,
        summary: Summary,
        alarms: tuple[TimedDetection, ...],
        windows: Windows,
        first: int | None = None,
        refused: Refused = (),
        outcomes: Outcomes = MappingProxyType({}),
    ) -> bool:
        """Takes one closed pane in, or those from ``first`` to ``pane``, none of which but the last may finish a hop;
        in ascending order. Says whether that finished a hop.
        """
        start = (pane if first is None else first) * windows.pane_seconds
        end, hop = (pane + 1) * windows.pane_seconds, self.growing
        if hop is None:
            begin = windows.hop_start(self.done[-1].end if self.done else start, start)
            hop = Hop(begin, end, summary, alarms, refused, outcomes)
        else:
            both = added((hop.refused, refused)) if refused else hop.refused
            right = quality.added((hop.outcomes, outcomes)) if outcomes else hop.outcomes
            hop = Hop(hop.start, end, merge((hop.summary, summary)), hop.alarms + alarms, both, right)
        self.growing = hop
        if windows.ends_hop(hop.end - hop.start, hop.summary.events):
            self.finish(windows)
            return True
        return False

    def finished_by(self, panes: NDArray[np.int64], events: NDArray[np.int64], windows: Windows) -> Iterator[int]:
        """At which of these panes, with so many events each, a hop will be finished: places in ``panes``."""
        starts = panes.astype(np.float64) * windows.pane_seconds
        ends = (panes + 1).astype(np.float64) * windows.pane_seconds
        total = np.cumsum(events)
        begin, before = (None, 0) if self.growing is None else (self.growing.start, -self.growing.summary.events)
        last, place = self.done[-1].end if self.done else None, 0
        while place < len(panes):
            if begin is None:
                start = float(starts[place])
                begin = windows.hop_start(start if last is None else last, start)
            whole = windows.ends_hop(ends[place:] - begin, total[place:] - before)
            if not whole.any():
                return
            place += int(np.argmax(whole))
            yield place
            begin, before, last, place = None, int(total[place]), float(ends[place]), place + 1

    def begin(self, hops: int) -> float:
        """The beginning of the last so many finished ones; -inf where there are fewer."""
        return self.done[-hops].start if len(self.done) >= hops else -np.inf

    def finish(self, windows: Windows) -> None:
        if self.growing is not None:
            self.done.append(self.growing)
            del self.done[: -windows.hops * HISTORY_WINDOWS]
            self.growing = None

    def window(self, windows: Windows) -> Hop | None:
        """As many of the last finished hops as make a whole window, as one; None before the first is finished.

        A whole window has window_seconds and min_events; it never reaches back further than max_window_seconds.
        """
        parts = self.whole(windows)
        return together(parts) if parts else None

    def whole(self, windows: Windows) -> list[Hop]:
        """The last finished hops that make a window."""
        parts: list[Hop] = []
        events = 0
        for hop in reversed(self.done):
            last = self.done[-1].end
            if parts and hop.end <= last - windows.max_window_seconds:
                break
            parts.insert(0, hop)
            events += hop.summary.events
            if last - hop.start >= windows.window_seconds and events >= windows.min_events:
                break
        return parts

    def copy(self) -> Hops:
        """One that goes on by itself."""
        return Hops(self.growing, [*self.done])

    def changed(self, change: Callable[[Summary], Summary]) -> Hops:
        """With other summaries."""
        growing = self.growing and replace(self.growing, summary=change(self.growing.summary))
        return Hops(growing, [replace(hop, summary=change(hop.summary)) for hop in self.done])

    def after(self, time: float) -> Summary | None:
        """All that is remembered of what came after ``time``, to the hop; None where that is nothing."""
        hops = [*self.done, *([self.growing] if self.growing is not None else [])]
        parts = [hop.summary for hop in hops if hop.end > time]
        return merge(parts) if parts else None

    def refused_after(self, time: float) -> Refused:
        """Of what ``after`` gives."""
        hops = [*self.done, *([self.growing] if self.growing is not None else [])]
        return added(hop.refused for hop in hops if hop.end > time)

    def begun_after(self, time: float) -> Summary | None:
        """The hops that hold nothing from before ``time``; None where there are none."""
        hops = [*self.done, *([self.growing] if self.growing is not None else [])]
        parts = [hop.summary for hop in hops if hop.start >= time]
        return merge(parts) if parts else None

    def enough(self, windows: Windows) -> bool:
        """Whether the window holds what a judgement needs.

        All of window_seconds (half a day is not judged as if it were the week that the user asked for) and
        min_events, or as many as the longest window had.
        """
        parts = self.whole(windows)
        if not parts:
            return False
        events, seconds = sum(hop.summary.events for hop in parts), parts[-1].end - parts[0].start
        grown = seconds >= windows.max_window_seconds * (1 - 1 / windows.hops)
        return (seconds >= windows.window_seconds and events >= windows.min_events) or (
            grown and events >= windows.least_events
        )


def together(hops: Sequence[Hop]) -> Hop:
    """Hops that follow each other as one."""
    alarms = tuple(a for h in hops for a in h.alarms)
    refused = added(h.refused for h in hops)
    outcomes = quality.added(h.outcomes for h in hops)
    return Hop(hops[0].start, hops[-1].end, merge(h.summary for h in hops), alarms, refused, outcomes)
