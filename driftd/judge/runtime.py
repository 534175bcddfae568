"""The judge of one model at run time: panes to micro-batches, and what was learned as data beside the reference.

panes      |. .|...|. |. .|....|. .|        independent channels: a run of panes with at least ``batch_events`` events
batches    |-------|--------|------         seasonal channels: the panes of one slot of their clock, an hour
slots      |----------|----------|--        The cuts depend on how many events came and when, never on their values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core import arrays
from driftd.core.reference import Reference
from driftd.judge import step
from driftd.judge.learned import JudgeState, Learned, believed_until, start
from driftd.judge.seasonal.clock import SeasonClock
from driftd.judge.seasonal.season import SeasonState
from driftd.judge.step import Effects, Judged, MicroBatch, unbounded

Floats = NDArray[np.float64]

BATCH_EVENTS: Final = 50
"""Least events of a micro-batch. Chosen: a step costs milliseconds whatever it holds; a fault is seen 49 events later
at most (ADR 10)."""
MOST_EVENTS: Final = 500
"""Most events of a micro-batch. Chosen: the same for large references (ADR 10)."""
BATCHES: Final = 100
"""Micro-batches that the reference's events would make. Chosen: a large reference is there to see small changes, which
take thousands of events (ADR 10)."""
_LEARNED, _SEASONAL = "learned.", "seasonal."
"""Prefixes in ``Reference.learned``. Chosen: the names of what they hold."""


@dataclass(slots=True)
class ModelJudge:
    """One model's judge: what it learned, what it remembers, and the panes that wait: for more events, and for the end
    of their slot.
    """

    learned: Learned
    state: JudgeState
    waiting: MicroBatch | None = None
    slot: MicroBatch | None = None

    @classmethod
    def of(cls, reference: Reference) -> Self | None:
        """At the reference's end; None where nothing was learned with the reference."""
        learned = learned_of(reference)
        if learned is None:
            return None
        season = _part(reference.learned, _SEASONAL)
        return cls(learned, start(learned, arrays.load(SeasonState, season) if season else None))

    def take(
        self, reference: Reference, pane: MicroBatch | None, a: Floats, effects: Effects = unbounded
    ) -> Iterator[tuple[MicroBatch, Judged]]:
        """Takes in one closed pane or more, in order of time; yields each batch that this completed with its verdict.

        None: nothing will follow, and what waits is judged, however little it is. ``effects`` as in
        driftd.judge.step.
        """
        slot, batch = self._completed(reference, pane)
        if slot is not None:
            self.state, judged = step.of_season(self.learned, self.state, slot, reference, a, effects)
            yield slot, judged
        if batch is not None:
            until = believed_until(self.learned.span_seconds, reference.last)
            self.state, judged = step.of_events(self.learned, self.state, batch, a, effects, until)
            yield batch, judged

    def flush(
        self, reference: Reference, a: Floats, effects: Effects = unbounded
    ) -> Iterator[tuple[MicroBatch, Judged]]:
        """Judges what waits."""
        return self.take(reference, None, a, effects)

    def completed_by(self, reference: Reference, starts: Floats, events: NDArray[np.int64]) -> Iterator[int]:
        """Behind which of these panes something is complete: places in ``starts``. Up to there ``take`` may have
        them as one.
        """
        if self.learned.season is not None:
            yield from self._slots_ended(self.learned.season.clock, starts.tolist())
        if self.learned.independent.any():
            yield from self._batches_filled(batch_events(reference), events)

    def _slots_ended(self, clock: SeasonClock, starts: Sequence[float]) -> Iterator[int]:
        """A slot ends with its last pane, and is judged with the first of the next one."""
        slot = None if self.slot is None else clock.slot_of(self.slot.start)
        for place, now in enumerate(map(clock.slot_of, starts)):
            if now != slot and slot is not None:
                yield from (place - 1, place) if place else (place,)
            slot = now

    def _batches_filled(self, full: int, events: NDArray[np.int64]) -> Iterator[int]:
        total = np.cumsum(events)
        before = 0 if self.waiting is None else -self.waiting.summary.events
        while (place := int(np.searchsorted(total, before + full))) < len(total):
            yield place
            before = int(total[place])

    def forget(self) -> None:
        """Takes what has been seen so far out of the evidence, unless an episode is open on it: a reference that was
        learned anew has these events, or left them out.
        """
        rows = self.learned.rows
        if len(rows):
            closed = ~self.state.episodes.open[rows]
            self.state = replace(self.state, evidence=self.state.evidence.without(closed))
        self.forget_pairs()

    def leave(self, rows: Sequence[int], bins_id: str) -> None:
        """Goes on without the channels ``rows``, in which alone the bins differ: what it has seen of them is no
        evidence.
        """
        mine = np.isin(self.learned.rows, [*rows])
        if mine.any():
            s = self.state.s.copy()
            s[self.learned.rows[mine]] = 0.0
            self.state = replace(self.state, evidence=self.state.evidence.without(mine), s=s)
        for name in ("waiting", "slot"):
            batch = getattr(self, name)
            if batch is not None:
                setattr(self, name, replace(batch, summary=batch.summary.without(rows, bins_id)))

    def forget_pairs(self) -> None:
        """Takes what pairs of channels have shown so far out of the evidence, unless their episode is open."""
        if self.waiting is not None and self.waiting.cross is not None:
            self.waiting = replace(self.waiting, cross=None)
        if self.learned.joint and not self.state.episodes.open[-1]:
            self.state = step.without_pairs(self.state)

    def _completed(self, reference: Reference, pane: MicroBatch | None) -> tuple[MicroBatch | None, MicroBatch | None]:
        """The slot and the micro-batch that ``pane`` completes; the pane joins what waits."""
        slot, batch = self.slot, self.waiting
        if pane is None:
            self.slot = self.waiting = None
            return slot, batch
        if self.learned.season is not None:
            slot = self._ended_slot(self.learned.season.clock, pane)
        if self.learned.independent.any():
            batch = self._full_batch(batch_events(reference), pane)
        return slot, batch

    def _ended_slot(self, clock: SeasonClock, pane: MicroBatch) -> MicroBatch | None:
        slot = self.slot
        if slot is None or clock.slot_of(slot.start) != clock.slot_of(pane.start):
            self.slot = pane
            return slot
        self.slot = slot.merge(pane)
        return None

    def _full_batch(self, full: int, pane: MicroBatch) -> MicroBatch | None:
        batch = pane if self.waiting is None else self.waiting.merge(pane)
        if batch.summary.events >= full:
            self.waiting = None
            return batch
        self.waiting = batch
        return None


def batch_events(reference: Reference) -> int:
    """Events of a micro-batch: a hundredth of the reference's, from BATCH_EVENTS to MOST_EVENTS."""
    return min(max(BATCH_EVENTS, reference.summary.events // BATCHES), MOST_EVENTS)


def table_of(learned: Learned, state: JudgeState) -> arrays.Table:
    """What belongs beside the reference: ``Reference.learned``."""
    table = {_LEARNED + name: part for name, part in arrays.dump(learned).items()}
    if state.seasonal is not None:
        table |= {_SEASONAL + name: part for name, part in arrays.dump(state.seasonal).items()}
    return table


def learned_of(reference: Reference) -> Learned | None:
    """None where nothing was learned with the reference: it was made of counts alone."""
    table = _part(reference.learned, _LEARNED)
    return arrays.load(Learned, table) if table else None


def _part(table: Any, prefix: str) -> arrays.Table:
    return {name.removeprefix(prefix): part for name, part in table.items() if name.startswith(prefix)}
