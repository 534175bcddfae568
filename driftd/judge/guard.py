"""The judge as a model's cell holds it: panes to micro-batches, and what was learned as data beside the reference.

panes      |. .|...|. |. .|....|. .|        a micro-batch is a run of panes with at least ``batch_events`` events; where
batches    |-------|--------|------         a channel has a season it also ends with its slot (an hour). The cut depends
                                            on how many events came and when, never on their values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.judge import arrays, model
from driftd.judge.model import Judged, Learned, Matters, State, always
from driftd.judge.seasonal import Rhythm
from driftd.reference import Reference
from driftd.summary import Summary, merge

Floats = NDArray[np.float64]

BATCH_EVENTS: Final = 50
MOST_EVENTS: Final = 1000
_LEARNED, _RHYTHM = "learned.", "rhythm."


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Panes that wait to be judged together; ``cross`` as in driftd.judge.joint, None without pairs.

    ``told`` float64[channels]: since when there is a change that another detector of the channel found in these panes,
    NaN where none did.
    """

    start: float
    end: float
    summary: Summary
    cross: NDArray[np.int64] | None
    told: Floats

    def merge(self, later: Batch) -> Batch:
        cross = later.cross if self.cross is None else self.cross if later.cross is None else self.cross + later.cross
        return Batch(self.start, later.end, merge((self.summary, later.summary)), cross, np.fmin(self.told, later.told))


@dataclass(slots=True)
class Guard:
    """One model's judge: what it learned, what it remembers, and the panes that are not a micro-batch yet."""

    learned: Learned
    state: State
    waiting: Batch | None = None

    @classmethod
    def of(cls, reference: Reference) -> Self | None:
        """At the reference's end; None where nothing was learned with the reference."""
        learned = learned_of(reference)
        if learned is None:
            return None
        rhythm = _part(reference.learned, _RHYTHM)
        return cls(learned, model.start(learned, arrays.load(Rhythm, rhythm) if rhythm else None))

    def take(
        self, reference: Reference, pane: Batch, a: Floats, matters: Matters = always
    ) -> Iterator[tuple[Batch, Judged]]:
        """Takes in one closed pane, in order of time; yields each micro-batch that this completed with its verdict."""
        if self.waiting is not None and self._other_slot(self.waiting.start, pane.start):
            yield from self.flush(reference, a, matters)
        self.waiting = pane if self.waiting is None else self.waiting.merge(pane)
        if self.waiting.summary.events >= batch_events(reference):
            yield from self.flush(reference, a, matters)

    def flush(self, reference: Reference, a: Floats, matters: Matters = always) -> Iterator[tuple[Batch, Judged]]:
        """Judges what waits, however little it is; ``matters`` as in driftd.judge.model.step."""
        batch, self.waiting = self.waiting, None
        if batch is None:
            return
        self.state, judged = model.step(
            self.learned,
            self.state,
            reference,
            batch.start,
            batch.end,
            batch.summary,
            batch.cross,
            a,
            batch.told,
            matters,
        )
        yield batch, judged

    def _other_slot(self, before: float, now: float) -> bool:
        if self.learned.season is None:
            return False
        clock = self.learned.season.clock
        return clock.cell(before) != clock.cell(now)


def batch_events(reference: Reference) -> int:
    """Events of a micro-batch: a sixtieth of the reference's. A step costs the same whatever it holds, and where the
    reference is large small changes take thousands of events to see, so they need not be looked for every fifty.
    """
    return min(max(BATCH_EVENTS, reference.summary.events // 60), MOST_EVENTS)


def table_of(learned: Learned, state: State) -> arrays.Table:
    """What belongs beside the reference: ``Reference.learned``."""
    table = {_LEARNED + name: part for name, part in arrays.dump(learned).items()}
    if state.rhythm is not None:
        table |= {_RHYTHM + name: part for name, part in arrays.dump(state.rhythm).items()}
    return table


def learned_of(reference: Reference) -> Learned | None:
    """None where nothing was learned with the reference: it was made of counts alone."""
    table = _part(reference.learned, _LEARNED)
    return arrays.load(Learned, table) if table else None


def _part(table: Any, prefix: str) -> arrays.Table:
    return {name.removeprefix(prefix): part for name, part in table.items() if name.startswith(prefix)}
