"""What a reference says of natural variation, for every channel at once: immutable, beside the reference."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.fault_counters import CountLimits
from driftd.judge.natural import features as f
from driftd.judge.natural.changes import Change
from driftd.judge.natural.cusum import Rules
from driftd.judge.natural.features import Layout
from driftd.judge.natural.latency import LatencyLearned
from driftd.judge.natural.leaps import Strides
from driftd.judge.natural.predictive import SHORT_DAYS, Predictive
from driftd.judge.natural.relations import Relations, Scores
from driftd.judge.natural.shapes import RATES, Usual
from driftd.judge.natural.slots import Slots

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TICK: Final = (100.0, 8)
"""Least seconds and events of a tick. Chosen: a fault is seen within minutes, and a step costs the same for any events.
"""
THIN_EVENTS: Final = 2000
"""Events below which a reference has no shapes and no relations. Measured: set on the open seeds 11, 12 and 13 of
tests/quality/everyday, which have references of 500 events.
"""
YOUNG_DAYS: Final = 0.45
"""Days below which a reference is young: only what no hour makes is looked for. Chosen: nearly half a day."""
YOUNG_NEW: Final = 0.3
"""Least p0 of new categories where the reference is young. Chosen: hours bring values of their own, but not a third."""
STILL_DAYS: Final = 6.5
"""Days below which values that do not change are held against a reference. Chosen: with less than a week it may be the
weekday's value."""
WHOLE_DAY: Final = 0.9
"""Days from which a reference has seen a day: from then on levels, shapes and relations are looked at. Chosen: a day
whose first and last hours are missing.
"""
MANY: Final = 60
"""Known categories above which new ones are ordinary: there a new value must take a share (Change.HOT). Measured: as
THIN_EVENTS.
"""
ONCE: Final = 0.1
"""Share of the values that are categories seen once, above which a thin reference has many. Chosen: of the next values
as many are new (Good 1953)."""
EMPTY: Final = 0.9
"""Share of missing values from which on a channel is empty: any value is new then. Chosen: as learn.remarks."""
PARTS: Final = 24
"""Windows that the reference's events would make at least. Chosen: three in each block of a short reference."""
LEAST_WINDOW: Final = 24
"""Least events of a window, whatever the reference. Chosen: a rate's lower bound of 24 of 24 is .94."""
WINDOW_HOPS: Final = 5
"""Hops that a window of a small reference holds. Chosen: it slides by a fifth of itself, as larger ones by a sixth."""


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
        need = min(self.events, max(events // PARTS, LEAST_WINDOW))
        return need, max(min(self.hop_events, need // WINDOW_HOPS), 1)


SCALES: Final = (
    Scale(7200.0, 300, 1200.0, 50, 0.0),
    Scale(8 * 3600.0, 600, 7200.0, 100, 3.0),
    Scale(20 * 3600.0, 1000, 7200.0, 100, 5.0),
)
"""Windows of slow statistics. Chosen: hours, a third of a day, most of a day; their events show a level to .06, .04 and
.03 sd.
"""
RINGS: Final = (SCALES[0], SCALES[1])
"""Scales with hops of their own. Derived: the third takes the second's."""
HOPS: Final = (6, 10)
"""Hops that the longest window of a ring can need. Derived: 7,200 / 1,200 seconds, and 1,000 / 100 events."""

RELATION_SCALES: Final = (
    Scale(2400.0, 120, 0.0, 0, 0.0),
    Scale(7200.0, 300, 0.0, 0, 0.0),
    Scale(8 * 3600.0, 600, 0.0, 0, 2.0),
    Scale(20 * 3600.0, 1000, 0.0, 0, 5.0),
)
"""Windows of relations, made of cells. Chosen: SCALES, and one of 40 minutes for those that break at once."""
RELATION_CELLS: Final = 60
"""Cells that are kept. Derived: 20 hours of 20 minutes."""

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
"""On which of SCALES a change is looked for; LOW, HIGH and RELATION on none. Measured: as THIN_EVENTS; small changes
show on the longer ones.
"""
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
"""tau: how much the largest statistic of a block varies on ordinary traffic. Measured: as THIN_EVENTS."""
TAU_MANY: Final = 0.15
"""tau of unseen values of a category that has more than MANY. Measured: as TAU."""
TAU_HOURLY: Final = 0.25
"""tau of shapes of channels that are the hour's. Chosen: a Sunday is not quite a Saturday, and an hour that is three
hours late moves by .6."""
TAU_CUSUM: Final = 0.8
"""tau of a block's largest g, in nats. Measured: as TAU."""
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
"""Least p0. Measured: as THIN_EVENTS; a usual rate of 0 may rise without a fault."""
LEAST_P0_RANGE: Final = 0.03
"""Least p0 of numbers out of range, and of new values among many. Measured: as LEAST_P0; levels wander, and each new
extreme is one.
"""
MOST_P0: Final = 0.93
"""p0 from which on a rate is not watched. Chosen: it has no room to rise; p1 would be .937."""
WORST: Final = 0.003
"""Chance that a new block has a larger two-hour rate than p0, by the predictive. Measured: as LEAST_P0."""
FAST: Final = (*RATES, (Change.LOW, f.LOW, f.LIVE), (Change.HIGH, f.HIGH, f.LIVE))
"""Rates that a CUSUM watches. Derived: all rates, and the ends of a channel, where one value for all shows."""
FILLED: Final = (Change.NEW, f.LIVE, f.EVENTS)
"""In their place new values of an empty channel: any value is one. Derived: as FAST."""


@dataclass(frozen=True, slots=True, eq=False)
class Traits:
    """bool[channels]: ``timely`` (its level is the hour's, the day's or the weather's), ``hourly`` (timely, and the
    same at the same hour), ``still`` (hardly changed in a short reference), ``flat`` (nearly all one value), ``atom``
    (mostly one value), ``repetitive``, ``constant`` (one value alone; not 0, which is what rain is on most days),
    ``empty`` (hardly any value), ``numeric``, ``output``, ``awaited``, ``errors``, ``many`` (known categories),
    ``counting`` (a number that only goes up, or down, but for resets, and is not hourly: natural.counting),
    ``flag`` (a feature's number with two values), ``churning`` (its categories come and go), ``thin`` (few events),
    ``young`` (learned from less than half a day of a reference that grows), ``whole`` (from a day). ``short``: the
    reference has few days.
    """

    timely: Bools
    hourly: Bools
    still: Bools
    flat: Bools
    atom: Bools
    repetitive: Bools
    constant: Bools
    empty: Bools
    numeric: Bools
    output: Bools
    awaited: Bools
    errors: Bools
    many: Bools
    counting: Bools
    flag: Bools
    churning: Bools
    thin: Bools
    young: Bools
    whole: Bools
    short: bool

    @property
    def latency(self) -> Bools:
        """bool[channels]: how long requests take, the only number that is awaited and neither answer nor error."""
        return self.awaited & self.numeric & ~self.output & ~self.errors


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


@dataclass(frozen=True, eq=False)
class NaturalLearned:
    """All of it. ``block_seconds``: how long a block of the reference is; ``log_deviation``
    float64[channels] of ln|x|: what a unit change is named by; ``negative`` float64[channels]: the share of the numbers
    that are below 0, ``zeros`` of those that are 0 (None: it was not counted yet); ``patience`` float64[channels]:
    seconds that numbers must stand still to page (natural.standing); ``strides``: how far they go within minutes
    (natural.leaps); ``weekend`` bool[channels]: which were learned over a weekend (natural.calendar).
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
    negative: Floats
    zeros: Floats | None
    patience: Floats
    strides: Strides
    weekend: Bools
    block_seconds: float
    days: float
    events: int
    latency: LatencyLearned | None = None
    """Derived: models whose events state none have no such channel, nor have references of a driftd before it."""
    hours: Floats | None = None
    """Derived: most references have seen all hours of a day (natural.known_hours)."""
    own_days: Floats | None = None
    own_blocks: Floats | None = None
    """float64[channels], of those that were grafted (natural.graft): the days that each was learned from, and seconds
    of their blocks; NaN of the others. Derived: none was."""
    tests: NDArray[np.int64] | None = None
    """int64[len(CHANGES)]: tests that share the budget, where channels were grafted since. Derived: those that are."""

    @cached_property
    def days_known(self) -> Floats:
        """float64[channels]: the days of the reference that each was learned with."""
        return np.full(len(self.traits.numeric), self.days) if self.own_days is None else _or(self.own_days, self.days)

    @cached_property
    def block_lengths(self) -> Floats:
        """float64[channels], seconds."""
        every = np.full(len(self.traits.numeric), self.block_seconds)
        return every if self.own_blocks is None else _or(self.own_blocks, self.block_seconds)

    @cached_property
    def short(self) -> Bools:
        """bool[channels]: learned from few days (Traits.short)."""
        few: Bools = self.days_known < SHORT_DAYS
        return few

    @cached_property
    def siblings(self) -> Bools:
        """bool[channels, channels]: itself, and those that a channel's relation is about; with the label its errors."""
        out, t = np.eye(len(self.traits.numeric), dtype=bool), self.traits
        if self.relations is not None:
            rows = self.scores.rows
            out[np.ix_(rows[self.relations.rows], rows)] |= self.relations.weight != 0
        labels = np.flatnonzero(t.awaited & ~t.errors & ~t.latency)
        errors = np.flatnonzero(t.awaited & t.errors)
        out[:, errors] |= out[:, labels].any(axis=1, keepdims=True)
        outputs = np.flatnonzero(t.output & ~t.awaited)  # a label is named where its relation to an output broke
        out[np.ix_(labels, outputs)] |= out[np.ix_(outputs, labels)].T
        return out

    @property
    def slow(self) -> tuple[SlowLearned | None, ...]:
        return self.near, self.day, self.long

    @property
    def related(self) -> tuple[RelationLearned | None, ...]:
        return self.relation_soon, self.relation_near, self.relation_day, self.relation_long


def _or(own: Floats, every: float) -> Floats:
    return np.where(np.isnan(own), every, own)
