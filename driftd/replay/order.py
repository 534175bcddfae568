"""Why events of a history are late: nobody sorted them, or one of them is far ahead of its time.

times   1  2  3 [90]  4  5  6      without the one ahead nothing is late:  "it is ahead"
times   3  1 [90] 2  50  7  4      without it most are late all the same:  "sort them"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch, RecordBatch, place_of
from driftd.core.text import duration, minute

AHEAD_SECONDS: Final = 86_400.0
"""Less than that ahead is no wrong clock. Chosen: events of a day may come in one upload."""
LATE_SHARE: Final = 0.01
"""Share of late events below which nothing is said. Chosen: a few are late in any history."""


@dataclass(slots=True)
class TimeOrder:
    """Follows the times of one partition's ``events``, from ``first`` to ``latest``.

    ``ahead`` is the event furthest ahead of all before it, by ``jump`` seconds (at first the first event), and
    ``others`` the latest time but its own. ``behind`` counts the events after it that are late because of it,
    ``unsorted`` those that would be late without it.
    """

    slack_seconds: float
    events: int = 0
    first: float = np.inf
    latest: float = -np.inf
    ahead: tuple[str, float] = ("", np.nan)
    jump: float = AHEAD_SECONDS
    others: float = -np.inf
    behind: int = 0
    unsorted: int = 0

    def note(self, records: RecordBatch, batches: Sequence[EventBatch]) -> None:
        filled = [b for b in batches if len(b)]
        if not filled:
            return
        offsets = np.concatenate([b.offsets for b in filled])
        order = np.argsort(offsets, kind="stable")
        times, offsets = np.concatenate([b.times for b in filled])[order], offsets[order]
        before = np.maximum.accumulate(np.concatenate([[self.latest], times]))
        jumps = times - before[:-1]
        if not self.events:
            jumps[0] = np.nextafter(self.jump, np.inf)  # any greater one takes the first event's place
        at = int(np.argmax(jumps))
        if jumps[at] > self.jump:
            self.jump = float(jumps[at])
            self.ahead = place_of(records, int(offsets[at])), float(times[at])
            self.others, self.behind, self.unsorted = float(before[at]), 0, 0
            self._count(times[at + 1 :])
        else:
            self._count(times)
        self.events += len(times)
        self.first, self.latest = min(self.first, float(times.min())), float(before[-1])

    def note_all(self, accepted: int, firsts: Sequence[float], latest: float, late: int) -> None:
        """Of a stretch that was counted elsewhere: which event was ahead is not known."""
        self.events += accepted + late
        self.unsorted += late
        self.first, self.latest = min(self.first, *firsts, np.inf), max(self.latest, latest)

    def _count(self, times: NDArray[np.float64]) -> None:
        others = np.maximum.accumulate(np.concatenate([[self.others], times]))
        self.behind += int(np.count_nonzero(times < self.ahead[1] - self.slack_seconds))
        self.unsorted += int(np.count_nonzero(times < others[:-1] - self.slack_seconds))
        self.others = float(others[-1])

    def remark(self, late: int) -> str:
        """Why so many of the events are late; "" where they are few."""
        if not late or late < LATE_SHARE * self.events:
            return ""
        where, time = self.ahead
        if self.behind > 2 * self.unsorted and time - self.others > AHEAD_SECONDS:
            far = duration(time - self.others)
            return f"{where}: {minute(time)} UTC is {far} ahead of the others; {late:,} events after it count as late"
        return f"{late:,} of {self.events:,} events come before an earlier one and count as late: sort them by time"
