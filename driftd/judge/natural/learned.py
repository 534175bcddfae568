"""What a reference says of natural variation, for every channel at once: immutable, beside the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.ingest.fault_counts import CountLimits
from driftd.judge.natural import features as f
from driftd.judge.natural.changes import Change
from driftd.judge.natural.cusum import Rules
from driftd.judge.natural.features import Layout
from driftd.judge.natural.predictive import Predictive
from driftd.judge.natural.relations import Relations, Scores
from driftd.judge.natural.shapes import Usual
from driftd.judge.natural.slots import Slots

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TICK: Final = (100.0, 8)
"""Least seconds and events of a tick."""
SHORT_DAYS: Final = 5.0
THIN_EVENTS: Final = 2000
MANY: Final = 60
"""Known categories from which on new ones are ordinary: there a new value must take a share (Change.HOT)."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A window's least seconds and events, and those of the hops it is made of."""

    seconds: float
    events: int
    hop_seconds: float
    hop_events: int
    least_days: float

    def of(self, events: int) -> tuple[int, int]:
        """Events of a window and of a hop, fewer where the reference has few."""
        need = min(self.events, max(events // 24, 24))
        return need, max(min(self.hop_events, need // 5), 1)


SCALES: Final = (
    Scale(7200.0, 300, 1200.0, 50, 0.0),
    Scale(8 * 3600.0, 600, 7200.0, 100, 3.0),
    Scale(20 * 3600.0, 1000, 7200.0, 100, 5.0),
)
RINGS: Final = (SCALES[0], SCALES[1])
"""Scales with hops of their own; the third takes the second's."""
HOPS: Final = (6, 10)
"""Hops that the longest window of a ring can need."""

RELATION_SCALES: Final = (
    Scale(2400.0, 120, 0.0, 0, 0.0),
    Scale(7200.0, 300, 0.0, 0, 0.0),
    Scale(8 * 3600.0, 600, 0.0, 0, 2.0),
    Scale(20 * 3600.0, 1000, 0.0, 0, 5.0),
)
"""Of relations, whose cells are no hops."""
RELATION_CELLS: Final = 60

WHERE: Final = {
    Change.MISSING: (0, 1),
    Change.REFUSED: (0,),
    Change.FAR: (0,),
    Change.FROZEN: (0, 1),
    Change.NEW: (0, 1, 2),
    Change.HOT: (0,),
    Change.ERRORS: (0, 1),
    Change.UNIT: (0,),
    Change.WITHIN: (0,),
    Change.LEVEL: (0, 1, 2),
    Change.SPREAD: (0, 1, 2),
    Change.MIX: (0, 1, 2),
}
"""On which scales a change is looked for."""
TAU: Final = {
    Change.MISSING: 0.05,
    Change.REFUSED: 0.03,
    Change.FAR: 0.05,
    Change.FROZEN: 0.08,
    Change.NEW: 0.06,
    Change.HOT: 0.06,
    Change.LOW: 0.10,
    Change.HIGH: 0.10,
    Change.ERRORS: 0.06,
    Change.UNIT: 0.2,
    Change.WITHIN: 0.2,
    Change.LEVEL: 0.10,
    Change.SPREAD: 0.06,
    Change.MIX: 0.08,
    Change.RELATION: 0.08,
}
"""How much the largest statistic of a block varies on ordinary traffic."""
TAU_MANY: Final = 0.15
"""For unseen values of a category that has over a hundred."""
TAU_CUSUM: Final = 0.8
LEAST_P0: Final = {
    Change.MISSING: 0.01,
    Change.REFUSED: 0.01,
    Change.FAR: 0.03,
    Change.FROZEN: 0.01,
    Change.NEW: 0.005,
    Change.HOT: 0.01,
    Change.LOW: 0.12,
    Change.HIGH: 0.12,
    Change.ERRORS: 0.01,
}
LEAST_P0_RANGE: Final = 0.03
"""Of numbers out of range: levels wander, and each new extreme is one."""
MOST_P0: Final = 0.93
WORST: Final = 0.003
"""Chance that a new block has a larger two-hour rate than p0."""
FAST: Final = (
    (Change.MISSING, f.NULLS, f.EVENTS),
    (Change.REFUSED, f.REFUSED, f.EVENTS),
    (Change.FAR, f.FAR, f.LIVE),
    (Change.FROZEN, f.REPEATED, f.LIVE),
    (Change.NEW, f.NEW, f.LIVE),
    (Change.HOT, f.HOT, f.LIVE),
    (Change.LOW, f.LOW, f.LIVE),
    (Change.HIGH, f.HIGH, f.LIVE),
    (Change.ERRORS, f.HIGH, f.LIVE),
)


@dataclass(frozen=True, slots=True, eq=False)
class Traits:
    """bool[channels]: ``timely`` (its level is the hour's, the day's or the weather's), ``still`` (hardly changed in a
    short reference), ``flat`` (nearly all one value), ``atom`` (mostly one value), ``repetitive``, ``numeric``,
    ``output``, ``awaited``, ``errors``; of the reference ``short`` and ``thin`` (few days, few events).
    """

    timely: Bools
    still: Bools
    flat: Bools
    atom: Bools
    repetitive: Bools
    numeric: Bools
    output: Bools
    awaited: Bools
    errors: Bools
    many: Bools
    short: bool
    thin: bool


@dataclass(frozen=True, slots=True, eq=False)
class FastLearned:
    """Rates watched by a CUSUM: ``change`` intp[k] (places in CHANGES), ``usual`` float64[k] their usual rate."""

    rules: Rules
    change: NDArray[np.intp]
    usual: Floats
    largest: Predictive


@dataclass(frozen=True, slots=True, eq=False)
class SlowLearned:
    """Of one scale, float64[len(STATISTICS), channels]: ``centre`` the median size of rates, 0 for the others."""

    events: int
    hop_events: int
    largest: Predictive
    centre: Floats


@dataclass(frozen=True, slots=True, eq=False)
class RelationLearned:
    """Of one scale, float64[k]: the predictive of T of a window."""

    largest: Predictive


@dataclass(frozen=True, slots=True, eq=False)
class NaturalLearned:
    """All of it. ``block_seconds``: how long a block of the reference is; ``log_deviation``
    float64[channels] of ln|x|: what a unit change is named by.
    """

    limits: CountLimits
    scores: Scores
    layout: Layout
    traits: Traits
    usual: Usual
    slots: Slots
    fast: FastLearned
    near: SlowLearned
    day: SlowLearned | None
    long: SlowLearned | None
    relations: Relations | None
    relation_soon: RelationLearned | None
    relation_near: RelationLearned | None
    relation_day: RelationLearned | None
    relation_long: RelationLearned | None
    log_deviation: Floats
    block_seconds: float
    days: float
    events: int

    @property
    def siblings(self) -> Bools:
        """bool[channels, channels]: itself, and those that a channel's relation is about."""
        out = np.eye(len(self.traits.numeric), dtype=bool)
        if self.relations is not None:
            rows = self.scores.rows
            out[np.ix_(rows[self.relations.rows], rows)] |= self.relations.weight != 0
        return out

    @property
    def slow(self) -> tuple[SlowLearned | None, ...]:
        return self.near, self.day, self.long

    @property
    def related(self) -> tuple[RelationLearned | None, ...]:
        return self.relation_soon, self.relation_near, self.relation_day, self.relation_long
