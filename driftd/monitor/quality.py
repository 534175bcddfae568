"""How right a model was over time: sums of the last hours and since the beginning, and what each hour and day came to.

panes    | | | | | | | | | |
hours    [    ][    ][    ]      sums of the last 25, all versions together; when the next hour begins: its statistics
day      [                       sums; when the next day begins: its statistics
total    [                       sums of each version since they are counted as they are now
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.quality.estimates import estimates, events, statistics
from driftd.core.quality.scoring import OTHER, Scoring
from driftd.core.quality.sums import Outcomes, SparseSums, at, merged
from driftd.core.units import DAY_SECONDS

Counts = NDArray[np.int64]

HOUR: Final = 3600.0
HOURS: Final = 24
"""Hours of which there are sums, beside the one that is not over."""
MOST_HOURS: Final = 14 * 24
MOST_DAYS: Final = 400
"""Hours and days of which the statistics are kept: two weeks, and a year and some more for who looks later."""
MOST_VERSIONS: Final = 20
"""Versions that have sums of their own; somebody may put the request's id there."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """``numbers`` int64[n], ascending: the time over the step; ``events`` int64[n] with a label; ``values``
    float32[n, statistics, 3] with intervals, as core.quality.estimates has them.
    """

    numbers: Counts
    events: Counts
    values: NDArray[np.float32]

    @classmethod
    def none(cls, width: int) -> History:
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, width, 3), np.float32))

    @classmethod
    def of(cls, scoring: Scoring, sums: SparseSums) -> History:
        """The rows of the sums."""
        rows = sums.rows
        dense = sums.dense(rows)
        return cls(rows, events(scoring, dense), estimates(scoring, dense).astype(np.float32))

    def then(self, later: History, most: int) -> History:
        """And the later ones, the last ``most`` numbers of all. One that comes twice is as it came last."""
        if not len(later.numbers):
            return self
        low, high = int(later.numbers[-1]) - most, int(later.numbers[0])
        mine = (self.numbers > low) & (self.numbers < high)
        pairs = ((self.numbers, later.numbers), (self.events, later.events), (self.values, later.values))
        numbers, counts, values = (np.concatenate([old[mine], new[later.numbers > low]]) for old, new in pairs)
        return History(numbers, counts, values)


@dataclass(frozen=True, slots=True, eq=False)
class Quality:
    """Of one model; ``scheme`` as in Scoring.id; ``since``: the beginning of the first pane that counts so, epoch
    seconds. ``last``: the last pane's end.
    """

    scheme: str
    since: float
    last: float
    hours: SparseSums
    day: SparseSums
    total: Mapping[str, SparseSums]
    past_hours: History
    past_days: History
    seen: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def start(cls, scoring: Scoring, since: float) -> Quality:
        none = SparseSums(scoring.width, np.zeros(0, np.int64), np.zeros(0, np.int64))
        empty = History.none(len(statistics(scoring)))
        return cls(scoring.id, since, since, none, none, {}, empty, empty)

    def take(self, scoring: Scoring, outcomes: Outcomes, pane_seconds: float) -> Quality:
        """With closed panes, which are later than all before."""
        mine = scoring.own(outcomes)
        if not mine:
            return self
        every = merged([*mine.values()])
        last = (int(every.rows[-1]) + 1) * pane_seconds
        hours, past_hours = _over(scoring, self.hours, every.grouped(pane_seconds / HOUR), self.past_hours, MOST_HOURS)
        day, past_days = _over(scoring, self.day, every.grouped(pane_seconds / DAY_SECONDS), self.past_days, MOST_DAYS)
        newest = int(hours.rows[-1])
        seen = dict(self.seen) | {name: (int(s.rows[-1]) + 1) * pane_seconds for name, s in mine.items()}
        total, seen = _bounded(_added(self.total, at(mine, 0)), seen)
        return Quality(
            self.scheme,
            self.since,
            last,
            hours.between(newest - HOURS, newest),
            day.between(int(day.rows[-1]), int(day.rows[-1])),
            total,
            past_hours,
            past_days,
            seen,
        )

    def recent(self, hours: int) -> SparseSums | None:
        """The last so many whole hours and the one that is not over; None where nothing came."""
        if not len(self.hours):
            return None
        newest = int(self.hours.rows[-1])
        return self.hours.between(newest - hours, newest)

    def history(self, scoring: Scoring, days: bool) -> History:
        """Hours, or days, with the one that is not over."""
        past, still = (self.past_days, self.day) if days else (self.past_hours, self._open_hour)
        return past.then(History.of(scoring, still), MOST_DAYS if days else MOST_HOURS)

    @property
    def _open_hour(self) -> SparseSums:
        if not len(self.hours):
            return self.hours
        newest = int(self.hours.rows[-1])
        return self.hours.between(newest, newest)


def _over(
    scoring: Scoring, before: SparseSums, more: SparseSums, past: History, most: int
) -> tuple[SparseSums, History]:
    """Both sums together, and the statistics of what is over with them: all rows since the last of ``before`` but for
    the new last one.
    """
    whole = merged([before, more])
    first = int(before.rows[-1]) if len(before) else int(whole.rows[0])
    last = int(whole.rows[-1])
    return whole, past.then(History.of(scoring, whole.between(first, last - 1)), most)


def _added(one: Mapping[str, SparseSums], other: Mapping[str, SparseSums]) -> dict[str, SparseSums]:
    out = dict(one)
    for name, sums in other.items():
        out[name] = merged([out[name], sums]) if name in out else sums
    return out


def _bounded(total: dict[str, SparseSums], seen: dict[str, float]) -> tuple[dict[str, SparseSums], dict[str, float]]:
    """With the versions that answered last, the others as one."""
    if len(total) <= MOST_VERSIONS:
        return total, seen
    own = sorted((name for name in total if name != OTHER), key=lambda name: (-seen[name], name))
    rest = [name for name in total if name not in own[: MOST_VERSIONS - 1]]
    kept = {name: sums for name, sums in total.items() if name not in rest}
    kept[OTHER] = merged([total[name] for name in rest])
    return kept, {name: seen[name] for name in kept if name in seen} | {OTHER: max(seen[name] for name in rest)}


def taken(
    before: Quality | None, scoring: Scoring | None, outcomes: Outcomes, first: float, seconds: float
) -> Quality | None:
    """With closed panes, of which the first begins at ``first``. Counted otherwise than before: what each hour and day
    came to stays if it means the same, sums begin anew.
    """
    if scoring is None or not outcomes:
        return before
    if before is None or before.scheme != scoring.id:
        anew = Quality.start(scoring, first)
        if before is not None and before.past_days.values.shape[1:] == anew.past_days.values.shape[1:]:
            anew = replace(anew, past_hours=before.past_hours, past_days=before.past_days)
        before = anew
    return before.take(scoring, outcomes, seconds)
