"""What findings are made from: the model with its reference, and what is remembered of the time since a change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.finding import Status
from driftd.core.reference import Reference
from driftd.core.summary import Summary
from driftd.judge.learned import Learned
from driftd.judge.natural.episodes import GROSS, HOLD, PAGE
from driftd.judge.natural.kinds import Kind
from driftd.judge.runtime import batch_events
from driftd.monitor.assignment import DetectorSet
from driftd.monitor.state import ModelState, OpenChange, Standing

NEAR_SECONDS: Final = 3600.0
"""A version that began to answer within so long of a change is named with it."""
SAME_SECONDS: Final = HOLD[PAGE]
"""Estimates of the start of one change differ by less: as long as a page is held, a window of the near scale."""
BATCH_TIMES: Final = 1.5
"""Times as long as batches take about then that one may have taken. Chosen: hours of a day differ by as much."""
DATED: Final = frozenset(
    {Kind.MISSING, Kind.REFUSED, Kind.FROZEN, Kind.ERRORS, Kind.UNIT, Kind.RENAMED, Kind.NEW_VALUE, Kind.RANGE}
)
"""Kinds of faults that begin at once: counted by the tick, they are dated to a minute or two where they are GROSS, and
plain counts tell their share. The judge dates to a micro-batch; of a smaller fault ticks may have seen a part only.
"""


@dataclass(frozen=True, slots=True, eq=False)
class FindingContext:
    """What findings are made from; ``models`` share the budget; ``compared`` says with what the window was compared."""

    model: ModelState
    standing: Standing
    reference: Reference
    detectors: DetectorSet
    models: int
    compared: str = ""

    @property
    def learned(self) -> Learned | None:
        return self.detectors.judged

    @property
    def tests(self) -> int:
        """How many things share the false-alarm budget of pages: channels and joint paths of all models."""
        return (len(self.reference.channels) + 1) * self.models

    def effective(self, row: int, events: float) -> float:
        """The effective sample size: how many independent events carry as much information."""
        return events if self.learned is None else events / float(self.learned.design_effect[row])

    def regime(self, row: int) -> str:
        return "" if self.learned is None else str(self.learned.regime[row])

    def before(self, row: int) -> Status:
        """What the judge said of a channel before its episode opened."""
        suspected = self.standing.suspected
        return Status.WARNING if row < len(suspected) and suspected[row] else Status.OK

    def recent(self, since: float) -> Summary | None:
        return self.model.hops.after(since)

    def extremes(self, since: float) -> NDArray[np.float64]:
        """float64[channels, 2]: least and greatest value of what is remembered that lies wholly after ``since``; inf
        and -inf without any.
        """
        hops = self.model.hops
        every = [*hops.done, *([] if hops.growing is None else [hops.growing])]
        ends = [hop.summary.extremes for hop in every if hop.start >= since]
        none = np.tile([np.inf, -np.inf], (len(self.reference.channels), 1))
        low, high = (np.stack([none, *ends])[:, :, end] for end in (0, 1))
        return np.stack([low.min(axis=0), high.max(axis=0)], axis=1)

    def names(self, row: int, since: float) -> tuple[tuple[str, int], ...]:
        """The new categories of a channel that have come since then, with how often; the most frequent first."""
        came = self.model.names.get(self.reference.channels[row].name, {})
        found = [(name, c.times) for name, c in came.items() if c.last > since and c.first > since - NEAR_SECONDS]
        return tuple(sorted(found, key=lambda pair: (-pair[1], pair[0])))

    def told_since(self, row: int, since: float, kind: str = "", size: float = 0.0) -> float:
        """When a change of a channel began: as it was said already, by whatever found it first, where this is the same
        change: of the same ``kind``, or begun within SAME_SECONDS. Of a fault that is DATED and of a
        GROSS ``size`` the judge knows no better.
        """
        known = [(change.since, change.kind.value) for change in self.standing.changes if change.row == row]
        if self.model.judge is not None and self.model.judge.state.episodes.open[row]:
            begun = float(self.model.judge.state.episodes.since[row])
            if not (kind in DATED and (size >= GROSS or self._in_batch(begun, since))):
                known.append((begun, ""))
        same = (begun for begun, what in known if (kind and kind == what) or abs(begun - since) <= SAME_SECONDS)
        return next(same, since)

    def _in_batch(self, begun: float, time: float) -> bool:
        """Whether ``time`` lies in the judge's micro-batch that had ``begun`` then, by how often events came then."""
        hops = [*self.model.hops.done, *([] if self.model.hops.growing is None else [self.model.hops.growing])]
        each = (
            batch_events(self.reference) / max(h.summary.events, 1) * (h.end - h.start)
            for h in hops
            if h.start <= begun < h.end
        )
        return 0 <= time - begun <= BATCH_TIMES * next(each, 0.0)

    def first(self, names: Sequence[str]) -> OpenChange | None:
        """The open change of the first of ``names`` that has one."""
        by_name = {self.reference.channels[c.row].name: c for c in self.standing.changes}
        return next((by_name[name] for name in names if name in by_name), None)


def open_fault(standing: Standing, row: int) -> OpenChange | None:
    """The open change of a channel, where it is one that plain counts do not tell as well: it is DATED, counts from its
    own beginning, and tells what is refused from what is missing.
    """
    mine = (c for c in standing.changes if c.row == row and c.kind in DATED and np.isfinite(c.value))
    return next(mine, None)
