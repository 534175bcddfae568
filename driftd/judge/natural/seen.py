"""What all channels showed before a change and since: a cause needs more than the channel that has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.summary import MOMENT_UNIT
from driftd.judge.natural import features as f
from driftd.judge.natural.learned import HOPS, NaturalLearned
from driftd.judge.natural.runs import Runs

Counts = NDArray[np.int64]
Rows = NDArray[np.intp]
Span = tuple[float, float]

ENOUGH: Final = 100
"""Events of whole hops from which on they say what has been since a change, and before it. Chosen: as a hop of hours
(learned.SCALES) holds."""
LEAST: Final = 30
"""Values that say what is now. Chosen: their spread is known to a seventh."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """int64[channels, FEATURES + width]: counters ``since`` a change began, and just ``before`` it (0: forgotten).
    ``then`` and ``now``: from when to when these are; ``parts`` float64[k, 3] of now: start, end and events;
    ``expected`` float64[channels, width]: shares of the values that are usual at the hours of now; ``path`` float64[k,
    channels]: the mean of each of the last hops of hours, in the reference's deviations.
    """

    before: Counts
    since: Counts
    then: Span
    now: Span
    expected: NDArray[np.float64]
    parts: NDArray[np.float64]
    path: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Recent:
    """Counters of each channel since its rates were last calm. ``total`` int64[ticks + 1, channels, columns] sums up to
    each tick, ``calm`` intp[ticks, channels] how many ticks had passed then (0: never), ``before`` what was carried.
    """

    total: Counts
    calm: Rows
    before: Counts

    @classmethod
    def of(cls, before: Counts, channel: Rows, ticks: Runs, restless: NDArray[np.bool_]) -> Self:
        """``restless`` bool[ticks, rules]: whose rates are not calm; ``channel`` of each rule, ascending."""
        mine = np.zeros((len(ticks), before.shape[0]), bool)
        if len(channel):
            first = np.flatnonzero(np.append(True, channel[1:] != channel[:-1]))
            mine[:, channel[first]] = np.logical_or.reduceat(restless, first, axis=1)
        count = np.arange(1, len(ticks) + 1)[:, None]
        calm = np.maximum.accumulate(np.where(mine, 0, count), axis=0)
        zero = np.zeros((1, *before.shape), np.int64)
        return cls(np.concatenate([zero, np.cumsum(ticks.sums, axis=0)]), calm, before)

    def since(self, tick: int, channel: int) -> Counts:
        """int64[columns] up to a tick."""
        calm = int(self.calm[tick, channel])
        out: Counts = self.total[tick + 1, channel] - self.total[calm, channel]
        return out if calm else out + self.before[channel]

    def every(self, tick: int) -> Counts:
        """int64[channels, columns] up to a tick."""
        calm, rows = self.calm[tick], np.arange(len(self.before))
        out: Counts = self.total[tick + 1] - self.total[calm, rows] + np.where(calm[:, None] == 0, self.before, 0)
        return out

    def last(self) -> Counts:
        """int64[channels, columns] up to the last tick."""
        return self.every(len(self.calm) - 1) if len(self.calm) else self.before


@dataclass(frozen=True, slots=True, eq=False)
class Witness:
    """What a step knows of all channels: the hops of both rings, and what came since rates were calm, up to each of its
    ticks, which ended at ``ends``.
    """

    learned: NaturalLearned
    near: Runs
    day: Runs
    recent: Recent
    ends: NDArray[np.float64]

    def _rings(self, end: float) -> list[Runs]:
        """As they were at ``end``: what is seen must not depend on how many panes come at once."""
        rings = []
        for hops, most in zip((self.near, self.day), HOPS, strict=True):
            known = int(np.searchsorted(hops.end, end, side="right"))
            rings.append(hops.part(slice(max(known - most, 0), known)))
        return rings

    def seen(self, begun: float, end: float, window: Counts | None = None) -> Seen:
        """Of a change that had ``begun`` by then, as it was at ``end``: whole hops, or where these hold too little what
        came since each channel's rates were calm, else the ``window`` int64[channels, columns] that showed it.
        """
        rings = self._rings(end)
        since = next((hops for hops in (_after(h, begun) for h in rings) if hops.events.sum() >= ENOUGH), None)
        if since is None:
            recent = self.recent.every(int(np.searchsorted(self.ends, end)))
            part = recent if window is None else np.where(recent[:, f.LIVE, None] >= LEAST, recent, window)
            since = Runs(np.array([begun]), np.array([end]), np.ones(1, np.int64), part[None])
        before = next((hops for hops in (_before(h, begun) for h in rings) if len(hops)), None)
        ends = np.zeros(1, np.intp), np.full(1, len(since) - 1)
        return Seen(
            np.zeros_like(since.sums[0]) if before is None else before.sums.sum(axis=0),
            since.sums.sum(axis=0),
            (begun, begun) if before is None else (float(before.start[0]), float(before.end[-1])),
            (float(since.start[0]), float(since.end[-1])),
            self.learned.slots.expected(since, *ends)[0],
            np.column_stack(since.times),
            rings[1].sums[:, :, f.MEAN] * MOMENT_UNIT / np.maximum(rings[1].sums[:, :, f.LIVE], 1),
        )


def _after(hops: Runs, begun: float) -> Runs:
    """Those after the change but the first, which may hold values from before it: when it began is an estimate."""
    return hops.part(slice(int(np.searchsorted(hops.start, begun)) + 1, None))


def _before(hops: Runs, begun: float) -> Runs:
    """The last hops that ended when it had ``begun``, as few as hold ENOUGH events."""
    last = int(np.searchsorted(hops.end, begun, side="right"))
    first = last
    while first > 0 and hops.events[first:last].sum() < ENOUGH:
        first -= 1
    return hops.part(slice(first, last))
