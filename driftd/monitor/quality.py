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

from driftd.core.quality.estimates import OF_NUMBERS, estimates, events, statistics
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

    @property
    def of_numbers(self) -> bool:
        return int(self.values.shape[1]) == len(OF_NUMBERS)

    def widened(self, width: int) -> History:
        """With as many statistics: an older driftd wrote the first ones, and the others are not known."""
        missing = width - self.values.shape[1]
        if missing <= 0:
            return self
        return replace(self, values=np.pad(self.values, ((0, 0), (0, missing), (0, 0)), constant_values=np.nan))

    def then(self, later: History, most: int) -> History:
        """And the later ones, the last ``most`` numbers of all. One that comes twice is as it came last."""
        values = self.widened(later.values.shape[1]).values
        if not len(later.numbers):
            return replace(self, values=values)
        low, high = int(later.numbers[-1]) - most, int(later.numbers[0])
        mine = (self.numbers > low) & (self.numbers < high)
        pairs = ((self.numbers, later.numbers), (self.events, later.events), (values, later.values))
        numbers, counts, values = (np.concatenate([old[mine], new[later.numbers > low]]) for old, new in pairs)
        return History(numbers, counts, values)


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """What is over: it changes once an hour, so a checkpoint writes it once. ``hours``: sums of the last ones."""

    hours: SparseSums
    by_hour: History
    by_day: History


@dataclass(frozen=True, slots=True, eq=False)
class Quality:
    """Of one model; ``scheme`` as in Scoring.id; ``since``: the beginning of the first pane that counts so, epoch
    seconds; ``last``: the end of the last one. ``hour`` and ``day`` are not over. ``seen``: when each version of
    ``total`` last had an event.
    """

    scheme: str
    since: float
    last: float
    hour: SparseSums
    day: SparseSums
    total: Mapping[str, SparseSums]
    past: Past
    seen: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def start(cls, scoring: Scoring, since: float) -> Quality:
        none = SparseSums(scoring.width, np.zeros(0, np.int64), np.zeros(0, np.int64))
        empty = History.none(len(statistics(scoring)))
        return cls(scoring.id, since, since, none, none, {}, Past(none, empty, empty))

    def take(self, scoring: Scoring, outcomes: Outcomes, pane_seconds: float) -> Quality:
        """With closed panes, which are later than all before."""
        mine = scoring.own(outcomes)
        if not mine:
            return self
        every, past = merged([*mine.values()]), self.past
        hour, hours_over = _cut(merged([self.hour, every.grouped(pane_seconds / HOUR)]))
        day, days_over = _cut(merged([self.day, every.grouped(pane_seconds / DAY_SECONDS)]))
        if len(hours_over):
            newest = int(hour.rows[-1])
            past = replace(
                past,
                hours=merged([past.hours, hours_over]).between(newest - HOURS, newest - 1),
                by_hour=past.by_hour.then(History.of(scoring, hours_over), MOST_HOURS),
            )
        if len(days_over):
            past = replace(past, by_day=past.by_day.then(History.of(scoring, days_over), MOST_DAYS))
        seen = dict(self.seen) | {name: (int(s.rows[-1]) + 1) * pane_seconds for name, s in mine.items()}
        total, seen = _bounded(_added(self.total, at(mine, 0)), seen)
        last = (int(every.rows[-1]) + 1) * pane_seconds
        return Quality(self.scheme, self.since, last, hour, day, total, past, seen)

    def recent(self, hours: int) -> SparseSums | None:
        """The last so many whole hours and the one that is not over; None where nothing came."""
        if not len(self.hour):
            return None
        newest = int(self.hour.rows[-1])
        return merged([self.past.hours.between(newest - hours, newest - 1), self.hour])

    def history(self, scoring: Scoring, days: bool) -> History:
        """Hours, or days, with the one that is not over."""
        past, still = (self.past.by_day, self.day) if days else (self.past.by_hour, self.hour)
        return past.then(History.of(scoring, still), MOST_DAYS if days else MOST_HOURS)


def _cut(sums: SparseSums) -> tuple[SparseSums, SparseSums]:
    """The last row, and those before it: they are over."""
    rows = sums.rows
    first, last = int(rows[0]), int(rows[-1])
    return sums.between(last, last), sums.between(first, last - 1)


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
    if scoring is None or not scoring.own(outcomes):
        return before
    if before is None or before.scheme != scoring.id:
        anew = Quality.start(scoring, first)
        if before is not None and before.past.by_day.of_numbers == scoring.numbers:
            anew = replace(anew, past=replace(anew.past, by_hour=before.past.by_hour, by_day=before.past.by_day))
        before = anew
    return before.take(scoring, outcomes, seconds)
