"""Learns natural variation from the ticks of a reference."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Role
from driftd.core.fault_counters import LOG_UNIT, CountLimits
from driftd.core.reference import ALL, Drawn, Reference
from driftd.core.summary import FIRST_VALUE, MISSING, UNSEEN
from driftd.judge.exchangeable.shape import normal_scores
from driftd.judge.natural import counting
from driftd.judge.natural import features as f
from driftd.judge.natural.calendar import holds_a_weekend
from driftd.judge.natural.changes import SHAPES, Change, rows_of
from driftd.judge.natural.cusum import Cusum, Rules, run
from driftd.judge.natural.features import Layout
from driftd.judge.natural.history import peaks_of_rules
from driftd.judge.natural.known_hours import LEAST_DAYS
from driftd.judge.natural.latency import TESTS, Lasting, LatencyLearned, row_of
from driftd.judge.natural.leaps import Strides
from driftd.judge.natural.learned import (
    EMPTY,
    FAST,
    FILLED,
    LEAST_P0,
    LEAST_P0_RANGE,
    MANY,
    MOST_P0,
    ONCE,
    RELATION_SCALES,
    RINGS,
    SCALES,
    STILL_DAYS,
    TAU,
    TAU_CUSUM,
    TAU_HOURLY,
    TAU_MANY,
    THIN_EVENTS,
    WHERE,
    WHOLE_DAY,
    WORST,
    YOUNG_DAYS,
    YOUNG_NEW,
    FastLearned,
    NaturalLearned,
    RelationLearned,
    Scale,
    SlowLearned,
    Traits,
)
from driftd.judge.natural.predictive import NU0, SHORT_DAYS, Predictive, blocks_of, without_chance
from driftd.judge.natural.relations import Cells, Relations, Scores
from driftd.judge.natural.runs import Runs, cut, events_of, summed, windows
from driftd.judge.natural.shapes import (
    LEAST_RATE,
    RATES,
    STATISTICS,
    Usual,
    angle,
    near_atoms,
    rate_of,
    spread_within,
    statistics,
)
from driftd.judge.natural.slots import TINY, Slots, shares_of, slot_of, slots_of, without_own
from driftd.judge.natural.standing import patience

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.intp]

DAY: Final = 86_400.0
"""Derived: seconds of a day."""
TIMELY: Final = 0.45
"""Share of the variance between runs of 20 minutes, from which on a level is the time's: weather has .55 to 1, a strong
daily rhythm up to .41. Measured: on the open seeds 11, 12 and 13.
"""
HOURLY: Final = 0.25
"""The same of what the hour of the day does not explain, up to which a timely channel is hourly. Chosen: an hour that
is a feature has .04 to .08, weather .5 and more.
"""
STILL: Final = 0.9
"""Share of repeats above which a feature is still. Chosen: its values last ten events and more."""
STAYING: Final = 0.5
"""Part of the repeats that chance does not make, up to which values do not stay. Chosen: half of what could."""
SOME_OTHERS: Final = 20
"""Values that are not the most frequent one, from which on it shows how they come. Chosen: the hour after a midnight
has fewer."""
FLAT: Final = 0.97
"""Share of one bin above which a channel is flat. Chosen: a window of 100 holds three other values."""
FLAT_DAYS: Final = 20.0
"""Days below which a flat channel has no far values. Chosen: what is rare comes once in weeks."""
DRY: Final = 0.9
"""Share of one value above which the others may come and go like rain. Chosen: nine of ten."""
TIMELY_DRY: Final = 0.2
"""TIMELY of such numbers. Measured: of rain at three airports .38 to .52 of the variance lies between hops, of other
numbers that are mostly 0 up to .03; three showers of two weeks paged where it was .39."""
ATOM: Final = 0.5
"""Share of one value above which a channel has an atom. Derived: its median is that value."""
REPETITIVE: Final = 0.3
"""Share of repeats above which a channel is repetitive. Measured: set on the open seeds 11, 12 and 13."""
RESTING: Final = 0.2
"""REPETITIVE of what is timely, and where the reference is thin. Measured: of the wind of three airports .29 repeated
on a windy day, and in the calm of the next ten days it paged four times as standing still."""
MOST_CAP: Final = 1000.0
"""Cap of g while the reference is run, in nats. Chosen: above what any rate of a reference should reach."""
CAP_ROOM: Final = 3.0
"""Cap of g over the largest of the reference. Chosen: most limits lie below it, and g still falls after a change."""
USUAL_ROOM: Final = 1.3
"""Least p0 over the usual rate. Measured: set on the open seeds 11, 12 and 13."""
CHURNING: Final = 0.3
"""Share of values that no other part of the reference has, above which new ones are no news, nor one that comes again.
Chosen: users who come for some requests; the longer ago the reference is, the more of them it has not seen.
"""
LEAST_WINDOWS: Final = 8
"""Windows of relations below which their variation is unknown. Chosen: as many as a short reference has blocks."""
MOST_WINDOWS: Final = 40
"""Most windows of relations that count as independent. Chosen: windows of a day follow each other."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceRuns:
    """A reference as runs: ``ticks`` with sums int64[ticks, channels, FEATURES], ``rings`` the hops of RINGS with sums
    int64[hops, channels, FEATURES + width]; ``cells`` the sums of products, int64[cells, m + 1, m + 1] from ``begun``.
    One that has grown has hours in place of ticks, with their ``peaks`` (natural.history), and in place of products its
    ``related`` channels with whole cells, None without any.
    """

    ticks: Runs
    rings: tuple[Runs, Runs]
    begun: Floats
    cells: Counts
    peaks: Floats | None = None
    related: tuple[Relations, Runs] | None = None
    drawn: Drawn = ALL
    """Derived: as somebody chose them."""
    counting: Bools | None = None
    """bool[channels]: which count, by their values (natural.counting); None where the hops alone tell. Derived: as
    above."""


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """The reference cut into ``n`` blocks of ``seconds`` from ``first`` on."""

    first: float
    seconds: float
    n: int

    @property
    def days(self) -> float:
        return self.seconds * self.n / DAY

    def known(self, ticks: Runs, awaited: Bools) -> Floats:
        """Days that each channel is learned from, float64[channels]: those of ticks that it applies to."""
        lasts = ticks.end - ticks.start
        lost = lasts @ ((ticks.sums[:, :, f.EVENTS] == 0) & ~awaited)
        out: Floats = self.days * (1 - lost / max(float(lasts.sum()), 1.0))
        return out

    def of(self, start: Floats, end: Floats) -> Rows:
        return np.clip(((start + end) / 2 - self.first) // self.seconds, 0, self.n - 1).astype(np.intp)


def scores_table(reference: Reference) -> Counts:
    """int64[channels, width]: the normal score of each bin in units of features.SCORE."""
    used = (np.arange(reference.width) < reference.used[:, None]).astype(np.float64)
    z = normal_scores(reference.summary.counts.astype(np.float64), reference.places, used)
    out: Counts = np.rint(np.clip(z, -4, 4) / f.SCORE).astype(np.int64)
    return out


def runs_of(
    layout: Layout,
    ticks: Runs,
    novel: Counts,
    begun: Floats,
    cells: Counts,
    drawn: Drawn = ALL,
    left_out: Bools | None = None,
    counting: Bools | None = None,
) -> ReferenceRuns:
    """``ticks``: sums as in Layout.features; ``novel`` int64[ticks, channels]: values that no other block has;
    ``left_out`` bool[ticks, channels]: what is not learned from, where counters do not say it.
    """
    features = layout.features(ticks.sums)
    if left_out is not None:
        features[left_out] = 0
    features[:, :, f.NEW] = novel
    told = Runs(ticks.start, ticks.end, ticks.events, features)
    every = Runs(
        ticks.start, ticks.end, ticks.events, np.concatenate([features, ticks.sums[:, :, : layout.width]], axis=2)
    )
    return ReferenceRuns(told, _rings(every), begun, cells, drawn=drawn, counting=counting)


def runs_of_hours(
    layout: Layout, hours: Runs, peaks: Floats, relations: Relations | None, cells: Runs
) -> ReferenceRuns:
    """As natural.history gives them."""
    told = Runs(hours.start, hours.end, hours.events, hours.sums[:, :, : f.FEATURES])
    every = Runs(hours.start, hours.end, hours.events, hours.sums[:, :, : f.FEATURES + layout.width])
    none = np.zeros((0, 1, 1), np.int64)
    related = None if relations is None else (relations, cells)
    return ReferenceRuns(told, _rings(every), np.zeros(0), none, peaks, related, Drawn(early=True))


def _rings(every: Runs) -> tuple[Runs, Runs]:
    """The hops of RINGS."""
    none = Runs.empty(*every.sums.shape[1:])
    n = int(every.events.sum())
    near, day = (cut(none, every, s.hop_seconds, s.of(n)[1])[0] for s in RINGS)
    return near, day


def learn(
    reference: Reference, layout: Layout, runs: ReferenceRuns, limits: CountLimits, scores: Scores
) -> NaturalLearned:
    first = float(runs.ticks.start[0]) if len(runs.ticks) else reference.first
    span = max(reference.last - first, 1.0)
    blocks = Blocks(first, span / blocks_of(span / DAY), blocks_of(span / DAY))
    last = reference.used - 1
    z = layout.table[:, :, 4].astype(np.float64) * f.SCORE
    sums = runs.ticks.sums.sum(axis=0).astype(np.float64)
    some = np.maximum(sums[:, f.NONZERO], 1)
    mean = sums[:, f.LOGS] * LOG_UNIT / some
    deviation: Floats = np.sqrt(np.maximum(sums[:, f.LOG_SQUARES] * LOG_UNIT / some - mean**2, 0.0))
    blank = Usual(np.zeros(z.shape), z, np.zeros(len(z)), mean, last, reference.numeric, _near(reference))
    awaited = np.array([c.role.row.awaited or c.role is Role.ERROR for c in reference.channels], bool)
    days = blocks.known(runs.ticks, awaited)
    labels = np.zeros(len(z), bool) if layout.labels is None else layout.labels
    zeros = 1 - sums[:, f.NONZERO] / np.maximum(sums[:, f.LIVE], 1)
    traits = _traits(reference, layout, runs, blocks, days, awaited, blank)
    usual = _usual(reference, runs.rings[0], blank)
    slots = slots_of(blocks.days)
    slow = [_slow(scale, runs, blocks, days, traits, usual, slots, limits, labels) for scale in SCALES]
    ring = runs.rings[0]
    values = usual.values(ring.sums[:, :, f.FEATURES :].astype(np.float64))
    hours = Slots.of(values, slot_of(ring, slots), slots)
    related, relations = _relations(reference, runs, blocks, traits, scores)
    assert slow[0] is not None
    negative = _negative(reference)
    weekend = holds_a_weekend(runs.ticks.start, runs.ticks.end, runs.ticks.sums[:, :, f.EVENTS])
    return NaturalLearned(
        limits, scores, layout, traits, usual, hours, _fast(runs, blocks, days, traits, limits, labels), slow[0],
        slow[1], slow[2], relations, related[0], related[1], related[2], related[3], deviation,
        negative, zeros, patience(traits, _same(reference, runs), runs.rings[1]),
        Strides.of(limits, negative, ring), weekend, blocks.seconds, blocks.days, int(runs.ticks.events.sum()),
        _latency(reference, runs, blocks, traits, slow[0]),
        np.array([first, reference.last]) if LEAST_DAYS <= blocks.days < WHOLE_DAY else None,
    )  # fmt: skip


def _traits(
    reference: Reference,
    layout: Layout,
    runs: ReferenceRuns,
    blocks: Blocks,
    days: Floats,
    awaited: Bools,
    usual: Usual,
) -> Traits:
    """``days`` float64[channels]: how long each is learned from."""
    feature = np.array([c.role is Role.FEATURE for c in reference.channels], bool)
    counts = reference.summary.counts[:, UNSEEN:].astype(np.float64)
    live, most, same = np.maximum(counts.sum(axis=1), 1), counts.max(axis=1), _same(reference, runs)
    known = np.array([len(b.categories) + len(b.rare) for b in reference.bins])
    missing = reference.summary.counts[:, MISSING] / np.maximum(reference.summary.counts.sum(axis=1), 1)
    once = np.array([b.once for b in reference.bins])
    ring, early, nonzero = runs.rings[0], runs.drawn.early, runs.ticks.sums[:, :, f.NONZERO].any(axis=0)
    events = np.where(awaited, reference.summary.events, reference.summary.counts.sum(axis=1))
    thin, slots = events < THIN_EVENTS, slots_of(blocks.days)
    dry = feature & reference.numeric & (most > DRY * live)
    timely = _between(usual, ring.sums) > np.where(dry, TIMELY_DRY, TIMELY)
    hourly = timely & (slots > 1) & (_between(usual, ring.sums, _expected(usual, ring, blocks, slots)) < HOURLY)
    return Traits(
        timely=timely,
        hourly=hourly,
        still=feature & (same > STILL) & ~_scattered(reference, same) & (days < STILL_DAYS),
        flat=most > FLAT * live,
        atom=most > ATOM * live,
        repetitive=same > np.where(timely | thin, RESTING, REPETITIVE),
        constant=(most == counts.sum(axis=1)) & (most > 0) & (~reference.numeric | nonzero),
        empty=~awaited & (missing >= EMPTY),
        numeric=reference.numeric,
        output=layout.outputs,
        awaited=awaited,
        errors=layout.errors,
        many=~reference.numeric & ((known > MANY) | ((once > ONCE * live) & thin)),
        flag=feature & reference.numeric & (np.count_nonzero(counts, axis=1) == 2) & ~timely,
        counting=feature & reference.numeric & _counting(runs) & ~hourly,
        churning=~reference.numeric & (runs.ticks.sums[:, :, f.NEW].sum(axis=0) > CHURNING * live),
        thin=thin,
        young=early & (days < YOUNG_DAYS),
        whole=(not early) | (days >= WHOLE_DAY),
        short=blocks.days < SHORT_DAYS,
    )


def _counting(runs: ReferenceRuns) -> Bools:
    """bool[channels]: by the values themselves, or by the means of hops."""
    sums = runs.rings[0].sums
    means = np.where(sums[:, :, f.LIVE] > 0, sums[:, :, f.MEAN] / np.maximum(sums[:, :, f.LIVE], 1), np.nan)
    by_hops = counting.of_hops(means)
    return by_hops if runs.counting is None else runs.counting | by_hops


def _negative(reference: Reference) -> Floats:
    """float64[channels]: the share of the numbers that are below 0, by the middles of their bins."""
    out = np.zeros(len(reference.channels))
    for row in np.flatnonzero(reference.numeric).tolist():
        middles = reference.bins[row].middles
        counts = reference.summary.counts[row, FIRST_VALUE:][: len(middles)]
        out[row] = counts[middles < 0].sum() / max(counts.sum(), 1)
    return out


def _same(reference: Reference, runs: ReferenceRuns) -> Floats:
    """float64[channels]: the share of values that are like the one before."""
    live = np.maximum(reference.summary.counts[:, UNSEEN:].sum(axis=1), 1)
    out: Floats = runs.ticks.sums[:, :, f.REPEATED].sum(axis=0) / live
    return out


def _scattered(reference: Reference, same: Floats) -> Bools:
    """bool[channels]: whether values repeat because most are alike, not because they stay: one kind of customers in
    nine of ten events. A weekday that has changed once stays.
    """
    counts = reference.summary.counts[:, UNSEEN:].astype(np.float64)
    live = np.maximum(counts.sum(axis=1), 1)
    chance = ((counts / live[:, None]) ** 2).sum(axis=1)
    others = live - counts.max(axis=1)
    out: Bools = (others >= SOME_OTHERS) & (same - chance <= STAYING * (1 - chance))
    return out


def _expected(usual: Usual, ring: Runs, blocks: Blocks, slots: int) -> Counts:
    """What each hop should have by the same hour of the other days (of the other blocks, without hours), int64[hops,
    channels, width].
    """
    values = usual.values(ring.sums[:, :, f.FEATURES :].astype(np.float64))
    days = np.floor_divide((ring.start + ring.end) / 2 - blocks.first, DAY).astype(np.intp)
    part = blocks.of(ring.start, ring.end) if slots == 1 else np.maximum(days, 0)
    return without_own(values, slot_of(ring, slots), part, slots)


def _between(usual: Usual, sums: Counts, expected: Counts | None = None) -> Floats:
    """Share of the variance that lies between hops, beyond what their few events explain, and beyond what was
    ``expected`` of them; of categories the mean.
    """
    values = usual.values(sums[:, :, f.FEATURES :].astype(np.float64))
    n = values.sum(axis=2)
    if len(sums) < 4:
        return np.zeros(sums.shape[1])
    known = n > 0
    seen = values / np.maximum(n, 1)[:, :, None]
    share = values.sum(axis=0) / np.maximum(n.sum(axis=0), 1)[:, None]
    chance = np.where(known, 1 / np.maximum(n, 1), 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    if expected is not None:
        seen = seen - expected / np.maximum(expected.sum(axis=2, keepdims=True), 1)
    mean = (seen * usual.scores).sum(axis=2)
    variance = (share * usual.scores**2).sum(axis=1) - (share * usual.scores).sum(axis=1) ** 2
    number = _spread_of(mean, known) / np.maximum(variance, 1e-9)
    part = share * (1 - share)
    category = _spread_of(seen, known[:, :, None]).sum(axis=1) / np.maximum(part.sum(axis=1), 1e-9)
    out: Floats = (np.where(usual.numeric, number, category) - chance) / np.maximum(1 - chance, 1e-9)
    return out


def _spread_of(values: Floats, known: Bools) -> Floats:
    """Variance over the first axis of what is known."""
    n = np.maximum(np.broadcast_to(known, values.shape).sum(axis=0), 1)
    mean = np.where(known, values, 0.0).sum(axis=0) / n
    out: Floats = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0) / np.maximum(n - 1, 1)
    return out


def _usual(reference: Reference, ring: Runs, blank: Usual) -> Usual:
    used = (np.arange(reference.width) < reference.used[:, None]) & (np.arange(reference.width) >= FIRST_VALUE)
    total = blank.values(reference.summary.counts.astype(np.float64))
    shares = (total + TINY * used) / np.maximum(total.sum(axis=1, keepdims=True), 1)
    first, last = windows(ring, len(ring), SCALES[0].seconds, SCALES[0].of(reference.summary.events)[0])
    within = spread_within(summed(ring, first, last).astype(np.float64)) if len(first) else np.zeros((1, len(total)))
    middle = np.array([np.median(w[np.isfinite(w)]) if np.isfinite(w).any() else 0.0 for w in within.T])
    return Usual(shares, blank.scores, middle, blank.logs, blank.last, blank.numeric, blank.near)


def _near(reference: Reference) -> NDArray[np.intp]:
    """``Usual.near`` of the reference's channels."""
    out = np.tile(np.arange(reference.width), (len(reference.channels), 1))
    for row in np.flatnonzero(reference.numeric).tolist():
        middles = reference.bins[row].middles
        counts = reference.summary.counts[row, FIRST_VALUE:][: len(middles)]
        shares = counts / max(int(counts.sum()), 1)
        largest = max(float(np.abs(middles).max(initial=0.0)), TINY)
        part = middles / largest  # squares of the largest numbers, and differences, are none
        deviation = sqrt(max(float(shares @ part**2 - (shares @ part) ** 2), 0.0))
        out[row, FIRST_VALUE : FIRST_VALUE + len(middles)] = FIRST_VALUE + near_atoms(part, shares, deviation)
    return out


def _slow(
    scale: Scale,
    runs: ReferenceRuns,
    blocks: Blocks,
    known: Floats,
    traits: Traits,
    usual: Usual,
    slots: int,
    limits: CountLimits,
    labels: Bools,
) -> SlowLearned | None:
    ring = runs.rings[0] if scale is SCALES[0] else runs.rings[1]
    events, hop = scale.of(int(runs.ticks.events.sum()))
    first, last = windows(ring, len(ring), scale.seconds, events)
    if scale.least_days and (blocks.days < scale.least_days or len(first) < 4):
        return None
    block = blocks.of(ring.start[first], ring.end[last])
    expected = shares_of(_expected(usual, ring, blocks, slots), first, last)
    x, size, _ = statistics(usual, summed(ring, first, last), expected)
    tau = np.repeat(np.array([TAU[c] for c in STATISTICS])[:, None], x.shape[2], axis=1)
    tau[STATISTICS.index(Change.NEW), traits.many] = TAU_MANY
    shapes = np.array([c in SHAPES for c in STATISTICS])
    tau[shapes[:, None] & traits.hourly] = TAU_HOURLY
    where = looked(traits, known, limits.low, labels)
    where[Change.NEW] = where[Change.NEW] & ~(traits.young | traits.empty)
    mine = np.array([where[c] & (SCALES.index(scale) in WHERE[c]) & (known >= scale.least_days) for c in STATISTICS])
    mine[STATISTICS.index(Change.UNIT) + 1, traits.latency] = False  # downwards: faster
    largest = Predictive.of(np.where(mine, x, np.nan), block, blocks.n, tau)
    return SlowLearned(events, hop, largest, _centre(runs, size))


def _centre(runs: ReferenceRuns, size: Floats) -> Floats:
    """The median rates of windows; those of the whole reference where no window is long enough; 0 of shapes."""
    total = runs.ticks.sums.sum(axis=0)
    out = np.zeros(size.shape[1:])
    for row, (_, hits, of) in enumerate(RATES):
        out[row] = total[:, hits] / np.maximum(total[:, of], 1)
        for channel in np.flatnonzero(np.isfinite(size[:, row]).any(axis=0)).tolist():
            out[row, channel] = np.nanmedian(size[:, row, channel])
    return out


def looked(traits: Traits, days: Floats, low: Floats, labels: Bools) -> dict[Change, Bools]:
    """bool[channels] by change: where it says something of a channel; ``days`` float64[channels] it is learned from.
    ``labels`` may come with their events: those that always did can be missing.
    """
    t = traits
    old = ~t.young
    shape = ~((t.timely & ~t.hourly) | t.thin | t.flat | t.still | t.counting) & t.whole
    tail = t.numeric & shape & ~(t.timely | t.output | t.atom | t.errors)
    tail |= t.flag & t.whole & ~(t.thin | t.still | t.counting)
    every = {
        Change.MISSING: ~t.awaited | labels,
        Change.REFUSED: ~t.awaited,
        Change.FAR: t.numeric
        & np.isfinite(low)
        & (t.constant | t.counting | ~((t.still & t.atom) | (t.flat & (days < FLAT_DAYS)))),
        Change.UNIT: t.numeric & old & ~(t.still | t.flat | t.errors | t.counting) & np.isfinite(low),
        Change.FROZEN: ~(t.errors | t.churning),
        Change.NEW: (t.empty & old)
        | (
            ~(t.timely | t.counting | (t.still & ~(t.constant & (days >= WHOLE_DAY))))
            & (~t.numeric | t.whole)
            & ~(t.many & (t.thin | t.young))
            & ~t.churning
        ),
        Change.HOT: t.many & ~(t.timely | t.thin | t.churning) & old,
        Change.LOW: tail,
        Change.HIGH: tail,
        Change.ERRORS: t.errors,
        Change.WITHIN: t.timely & t.numeric & ~(t.still | t.atom | t.repetitive | t.counting) & t.whole,
        Change.LEVEL: shape & t.numeric,
        Change.SPREAD: shape & t.numeric,
        Change.MIX: shape | (t.flat & ~(t.numeric | t.timely | t.thin | t.still | t.output) & t.whole),
    }
    unit = t.latency & old & np.isfinite(low)
    return {change: np.where(t.latency, unit & (change is Change.UNIT), where) for change, where in every.items()}


def _latency(
    reference: Reference, runs: ReferenceRuns, blocks: Blocks, traits: Traits, near: SlowLearned
) -> LatencyLearned | None:
    row, ring = row_of(reference), runs.rings[0]
    if row is None:
        return None
    total = runs.ticks.sums[:, row].sum(axis=0)
    parts = []
    for test in TESTS:
        seen = Lasting.of(test, row, ring, len(ring), near.hop_events)
        block = blocks.of(ring.start[seen.first], ring.end[seen.last])
        known = np.where((test.change is Change.HIGH) & ~traits.whole[row], np.nan, angle(seen.share))
        parts.append(Predictive.of(known, block, blocks.n, np.array(TAU[test.change])))
    largest = Predictive(*(np.array([getattr(p, name) for p in parts]) for name in Predictive.__slots__))
    usual = np.array([total[test.hits] for test in TESTS]) / max(int(total[f.LIVE]), 1)
    return LatencyLearned(row, reference.bins[row].edges, usual, largest)


def _fast(
    runs: ReferenceRuns, blocks: Blocks, days: Floats, traits: Traits, limits: CountLimits, labels: Bools
) -> FastLearned:
    ring, ticks = runs.rings[0], runs.ticks
    events, _ = SCALES[0].of(int(ticks.events.sum()))
    first, last = windows(ring, len(ring), SCALES[0].seconds, events)
    sums = summed(ring, first, last)
    block = blocks.of(ring.start[first], ring.end[last])
    apart = len(first) / float(np.mean(last - first + 1)) if len(first) else 0.0
    where = looked(traits, days, limits.low, labels)
    total = ticks.sums.sum(axis=0)
    silent, still = ((s[:, :, f.EVENTS] == 0) & ~traits.awaited for s in (sums, ticks.sums))
    found: list[tuple[Change, int, int, int, float, float]] = []
    for change, hits, of in (*FAST, FILLED):
        n = sums[:, :, of]
        k = sums[:, :, hits].astype(np.float64)
        # labels come in bursts, and hours differ in how many answers are wrong
        true = np.where(
            traits.awaited & traits.output, k / np.maximum(n, 1), without_chance(k, n.astype(np.float64), apart)
        )
        rate = np.where(n >= LEAST_RATE, true, np.where(silent, np.nan, 0.0))
        tau = np.where(traits.many & (change is Change.NEW), TAU_MANY, TAU[change])
        worst = rate_of(Predictive.of(angle(rate), block, blocks.n, tau).limit(WORST))
        usual = total[:, hits] / np.maximum(total[:, of], 1)
        p0 = np.fmax(np.fmax(worst, USUAL_ROOM * usual), LEAST_P0[change])
        if change is Change.NEW:
            p0 = np.where(traits.young, np.fmax(p0, YOUNG_NEW), p0)
        if change is Change.NEW:
            p0 = np.where(traits.numeric | traits.many, np.fmax(p0, LEAST_P0_RANGE), p0)
        mine = where[change] & ((traits.empty == (hits == f.LIVE)) if change is Change.NEW else True)
        rows = np.flatnonzero(mine & (p0 < MOST_P0))
        found += [(change, c, hits, of, float(p0[c]), float(usual[c])) for c in rows.tolist()]
    found.sort(key=lambda rule: rule[1])  # by channel: Recent reduces over the rules of each
    channels, hit, among = (np.array([rule[i] for rule in found], np.intp) for i in (1, 2, 3))
    rules = Rules.of_rates(channels, hit, among, np.array([rule[4] for rule in found], np.float64))
    rules = rules.capped(np.full(len(found), MOST_CAP))
    _, _, top = run(Cusum.start(len(found)), rules, ticks.sums, ticks.start, np.full(len(found), np.inf))
    top = top * runs.drawn.thinning  # g of a burst is in proportion to its events
    if runs.peaks is not None:
        top = np.fmax(top, peaks_of_rules(runs.peaks, channels, rows_of([rule[0] for rule in found])))
    block, tau = blocks.of(ticks.start, ticks.end), np.full(len(found), TAU_CUSUM)
    largest = Predictive.of(np.where(still[:, channels], np.nan, top), block, blocks.n, tau)
    rules = rules.capped(CAP_ROOM * top.max(axis=0, initial=0.0))
    usuals = np.array([rule[5] for rule in found], np.float64)
    return FastLearned(rules, rows_of([rule[0] for rule in found]), usuals, largest)


def _relations(
    reference: Reference, runs: ReferenceRuns, blocks: Blocks, traits: Traits, scores: Scores
) -> tuple[list[RelationLearned | None], Relations | None]:
    nothing: list[RelationLearned | None] = [None] * len(RELATION_SCALES)
    related = _related(reference, runs, traits, scores) if runs.related is None else runs.related
    if related is None or (runs.drawn.early and blocks.days < WHOLE_DAY):
        return nothing, None
    relations, cells = related
    span = blocks.seconds * blocks.n
    return [relation_of(scale, relations, cells, span) for scale in RELATION_SCALES], relations


def relation_of(scale: Scale, relations: Relations, cells: Runs, span: float) -> RelationLearned | None:
    """From whole cells of ``span`` seconds; None where they are too few for the scale."""
    first, last = windows(cells, len(cells), scale.seconds, scale.events)
    if len(first) < LEAST_WINDOWS or span < scale.least_days * DAY:
        return None
    left = relations.left(summed(cells, first, last), events_of(cells, first, last))
    n = float(np.clip(span / np.median(cells.end[last] - cells.start[first]), 2, MOST_WINDOWS))
    freedom = NU0 + n - 1
    variance = (NU0 * TAU[Change.RELATION] ** 2 + n * left.var(axis=0, ddof=1)) / freedom
    deviation = np.sqrt(variance * (1 + 1 / n))
    return RelationLearned(Predictive(left.mean(axis=0), deviation, np.full(len(deviation), freedom)))


def _related(
    reference: Reference, runs: ReferenceRuns, traits: Traits, scores: Scores
) -> tuple[Relations, Runs] | None:
    """The relations of a reference of ticks, and its whole cells."""
    if reference.summary.events < THIN_EVENTS or not len(runs.cells):
        return None
    relations = Relations.of(reference, scores, runs.cells, traits.timely | traits.counting)
    if not len(relations.rows):
        return None
    cells, _, _ = Cells.empty(len(scores.rows)).step(relations, runs.begun, runs.cells)
    return relations, cells
