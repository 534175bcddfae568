"""One step: panes in, what changed out. The same whether panes come one by one or many at once.

state, verdict = step(learned, thresholds, state, panes, products)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.fault_counters import COLUMNS
from driftd.judge.natural import features as f
from driftd.judge.natural import slow_requests, standing
from driftd.judge.natural.calendar import asks_for_less, bad_hours, reports, waits_for_monday
from driftd.judge.natural.changes import CHANGES, SIZES, Change
from driftd.judge.natural.changes import SHAPES as OF_SHAPE
from driftd.judge.natural.cusum import Cusum, Over, Rules, run
from driftd.judge.natural.dating import Dated, Hops, by_chance, of_rate
from driftd.judge.natural.episodes import GROSS, NONE, PAGE, TICKET, Episodes, Fire, Turn, counted
from driftd.judge.natural.kinds import (
    SHAPES,
    Kind,
    Named,
    middles,
    named,
    one_way,
    share_in,
    share_of,
)
from driftd.judge.natural.known_hours import hours_known
from driftd.judge.natural.learned import (
    HOPS,
    RELATION_CELLS,
    RELATION_SCALES,
    RINGS,
    SCALES,
    TICK,
    NaturalLearned,
)
from driftd.judge.natural.recovery import LEFT, STAYS, Calm, Still, of_hops, of_relations
from driftd.judge.natural.relations import Cells
from driftd.judge.natural.runs import Runs, cut, events_of, joined, summed, windows
from driftd.judge.natural.seen import Recent, Witness
from driftd.judge.natural.shapes import (
    CHANGE_OF,
    FIRST_SHAPE,
    FIRST_TWICE,
    RATES,
    STATISTICS,
    least_rate,
    statistics,
)
from driftd.judge.natural.thresholds import Thresholds
from driftd.judge.natural.unsure import (
    JUMP,
    as_it_came,
    came_slowly,
    jumped,
    leaps_of_hops,
    leapt_out,
    level_before,
    rate_came_slowly,
    unsure,
    weather,
)

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.intp]

SOON: Final = 300.0
"""Seconds from the change to the page of a gross share. Chosen: three ticks; a page within minutes."""
SOME_HITS: Final = 2.0
"""Hits that a change must have made among the newest values for these to say that it is over. Chosen: none come of two
with probability .14, and the next tick says it then."""
LATER: Final = 600.0
"""Seconds of a smaller one, and of a ticket. Chosen: twice as long; bursts of bots and deploys end sooner."""
AT_ONCE: Final = 1.6
"""Part of the way from what is usual to the limit of a ticket, from which on one window of a shape says enough: where
500 events come a day a second one ends a day later. Chosen: more than half as far again. Not of few days: their hours
are not known."""
CALM_NATS: Final = 2.0
"""g below which a rate is calm. Chosen: far below any limit; counters since then name the kind."""
_SHAPED: Final = np.array([change in OF_SHAPE for change in STATISTICS])
"""Derived: the statistics of a distribution, which has its hours."""
RELATION: Final = CHANGES.index(Change.RELATION)
"""Derived: its place in CHANGES."""
TOP_RELATION: Final = 0.15
"""Of relations that fall together the largest are named: those within so much of the largest fall. Measured: as GROSS.
"""
SHARED: Final = 0.85
"""Part of a feature's loss that all outputs must have lost too for the label to be named. Chosen: nearly as much; the
outputs keep what other features give them.
"""
TURNED: Final = 1.25
"""Loss from which on a relation has turned round. Chosen: a quarter of it the other way, more than chance makes."""
BROKEN: Final = 0.4
"""abs(T) below which a relation is gone and may page. Measured: as GROSS; one that turned round is the world's."""


@dataclass(frozen=True, slots=True, eq=False)
class Products:
    """Sums of products for relations, by the pane they came with: ``at`` float64[k] its start, ``sums``
    int64[k, m + 1, m + 1] (natural.relations). Panes may bring them together, as long as it is within the
    same 20 minutes.
    """

    at: Floats
    sums: Counts

    @classmethod
    def none(cls, channels: int) -> Products:
        return cls(np.zeros(0), np.zeros((0, channels + 1, channels + 1), np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Ring:
    """The last hops of one length, and what waits to become the next."""

    hops: Runs
    waiting: Runs


@dataclass(frozen=True, slots=True, eq=False)
class NaturalState:
    """What is kept between steps. ``tick``: panes that wait to become a tick; ``recent`` int64[channels,
    FEATURES + width]: counters since the channel's rates were last calm; ``runs`` int64[2, len(STATISTICS), channels]:
    for how many hops the near statistics have been over their page and ticket limit; ``begun`` float64[2,
    len(STATISTICS), channels]: when the change began that holds them over their ticket limit, and its error.
    """

    tick: Runs
    cusum: Cusum
    recent: Counts
    near: Ring
    day: Ring
    runs: Counts
    begun: Floats
    cell: Cells
    cells: Runs
    episodes: Episodes


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """``turns``: episodes that opened, changed or closed in these panes, in order of time. What was seen: whole
    ``ticks`` with sums as panes have them, the largest ``g`` after each in nats, float64[ticks, rules], and whole
    ``cells`` of relations.
    """

    turns: list[Turn]
    ticks: Runs
    g: Floats
    cells: Runs


def start(learned: NaturalLearned) -> NaturalState:
    """At the reference's end."""
    channels, width = len(learned.traits.numeric), learned.layout.width
    every = f.FEATURES + width
    related = 0 if learned.relations is None else len(learned.relations.rows)
    none = Runs.empty(channels, every)
    return NaturalState(
        Runs.empty(channels, width + COLUMNS + 2),
        Cusum.start(len(learned.fast.change)),
        np.zeros((channels, every), np.int64),
        Ring(none, none),
        Ring(none, none),
        np.zeros((2, len(STATISTICS), channels), np.int64),
        np.full((2, len(STATISTICS), channels), np.nan),
        Cells.empty(len(learned.scores.rows)),
        Runs.empty(related, 2),
        Episodes.start(channels),
    )


def step(
    learned: NaturalLearned, limits: Thresholds, state: NaturalState, panes: Runs, products: Products | None = None
) -> tuple[NaturalState, Verdict]:
    """``panes``: sums int64[panes, channels, width + COLUMNS + 2]: Summary.counts, FaultCounters, Summary.moments."""
    fires: list[Fire] = []
    calms: list[Calm] = []
    cell, cells, new = _relations(learned, limits, state, products, fires, calms)
    ticks, tick = cut(state.tick, panes, *TICK)
    state = replace(state, tick=tick, cell=cell, cells=cells)
    g = np.zeros((0, len(learned.fast.change)))
    if not len(ticks) and not fires and not calms:
        return state, Verdict([], ticks, g, new)
    stills: list[Still] = []
    if len(ticks):
        state, g = _ticks(learned, limits, state, ticks, fires, calms, stills)
    episodes, turns = state.episodes.step(fires, ticks.start, ticks.end, learned.siblings, calms, stills)
    return replace(state, episodes=episodes), Verdict(turns, ticks, g, new)


def _ticks(
    learned: NaturalLearned,
    limits: Thresholds,
    state: NaturalState,
    ticks: Runs,
    fires: list[Fire],
    calms: list[Calm],
    stills: list[Still],
) -> tuple[NaturalState, Floats]:
    """Takes whole ticks in: rates, and the hops and windows that they complete; gives the largest g of each tick."""
    told = learned.layout.features(ticks.sums)
    sums = np.concatenate([told, ticks.sums[:, :, : learned.layout.width]], axis=2)
    every = Runs(ticks.start, ticks.end, ticks.events, sums)
    near_hops, near_waiting = cut(state.near.waiting, every, RINGS[0].hop_seconds, learned.near.hop_events)
    hop_events = RINGS[1].of(learned.events)[1]
    day_hops, day_waiting = cut(state.day.waiting, every, RINGS[1].hop_seconds, hop_events)
    near, day = joined([state.near.hops, near_hops]), joined([state.day.hops, day_hops])
    cusum, witness, top = _fast(learned, limits, state, every, (near, day), fires)
    runs, begun = _slow(learned, limits, 0, witness, len(near_hops), (state.runs, state.begun), fires, stills)
    for scale in (1, 2):
        _slow(learned, limits, scale, witness, len(day_hops), None, fires, stills)
    fires += standing.of_hops(learned, limits, day, len(day_hops))
    fires += slow_requests.of_hops(learned, limits, near, len(near_hops))
    fires += leaps_of_hops(learned, limits, near, len(near_hops))
    if _paging(state, fires):
        calms += of_hops(learned, limits, near, len(near_hops))
    after = replace(
        state,
        cusum=cusum,
        recent=witness.recent.last(),
        near=Ring(near.part(slice(max(len(near) - HOPS[0], 0), None)), near_waiting),
        day=Ring(day.part(slice(max(len(day) - HOPS[1], 0), None)), day_waiting),
        runs=runs,
        begun=begun,
    )
    return after, top


def _paging(state: NaturalState, fires: list[Fire]) -> bool:
    """Whether a page is open, or may be in these ticks: nothing else is over."""
    return bool((state.episodes.level == PAGE).any()) or any(fire.level == PAGE for fire in fires)


def _fast(
    learned: NaturalLearned,
    limits: Thresholds,
    state: NaturalState,
    ticks: Runs,
    rings: tuple[Runs, Runs],
    fires: list[Fire],
) -> tuple[Cusum, Witness, Floats]:
    """Rates that jump; ``rings``: the near hops up to the last tick, and those of days."""
    fast, near = learned.fast, rings[0]
    least, rules = np.fmin(limits.page.fast, limits.ticket.fast), fast.rules.above(limits.fast)
    rests = 2 * counted(ticks.end - ticks.start, ticks.events)
    cusum, over, top = run(state.cusum, rules, ticks.sums, ticks.start, least)
    recent = Recent.of(state.recent, fast.rules.channel, ticks, top >= CALM_NATS)
    witness = Witness(learned, *rings, recent, ticks.end)
    if not len(over.tick):
        return cusum, witness, top
    size, bound = (rate - fast.usual[over.rule] for rate in _rates_since(over))
    newest = ticks.sums[over.tick, fast.rules.channel[over.rule]]
    rows = np.arange(len(newest))
    k, n = (newest[rows, column[over.rule]].astype(np.float64) for column in (fast.rules.hits, fast.rules.of))
    now = np.where(n > 0, least_rate(k, n) - fast.usual[over.rule], np.nan)
    gone = _gone(k / np.maximum(n, 1) - fast.usual[over.rule], n, size)
    end = ticks.end[over.tick]
    hop, shown = _hop(learned, near, over.rule, end)
    age, errors = _ages(rules, over, ticks, size + fast.usual[over.rule])
    g = top[over.tick, over.rule]
    channel, change = fast.rules.channel[over.rule], fast.change[over.rule]
    old = age >= np.where(size >= GROSS, SOON, LATER)
    ratio, slow = g / limits.ticket.fast[over.rule], unsure(learned)
    page = (g >= limits.page.fast[over.rule]) & (bound >= limits.sizes.page[change, channel]) & old
    ticket = (g >= limits.ticket.fast[over.rule]) & (bound >= limits.sizes.ticket[change, channel]) & (age >= LATER)
    for i in np.flatnonzero((page | ticket) & ~reports(learned, change, channel, age, bound, k)).tolist():
        c, t = int(channel[i]), int(over.tick[i])
        counters = recent.since(t, c)
        before = level_before(near, c, over.since[i], end[i])
        name = named(learned, int(change[i]), c, counters, ticks.sums[t, c], before)
        level = PAGE if page[i] else TICKET
        if share_of(name.kind) == (int(fast.rules.hits[over.rule[i]]), int(fast.rules.of[over.rule[i]])):
            name = name._replace(value=float(over.rate[i]))  # without the tick in which it began
        if name.kind is Kind.LEVEL:
            name = _of_ticks(learned, name, near, end[i], (counters, ticks.sums[t, c]), c)
        holds = False
        if slow[change[i], c]:
            jump = jumped(learned, near, c, over.since[i], end[i], counters)
            leapt = leapt_out(learned, limits, near, int(change[i]), c, over.since[i], end[i], counters)
            if not leapt and jump < JUMP and learned.short[c]:
                continue
            if not leapt:
                name, level = as_it_came(learned, c, counters, name, level, jump)
            holds = bool(learned.short[c] and np.isnan(jump))
        began = float(over.since[i]), float(over.since[i]) + 2 * float(ticks.end[t] - ticks.start[t])
        times = float(bound[i] / limits.sizes.page[change[i], c])
        lowered = level == PAGE and (
            asks_for_less(learned, int(change[i]), c, began, counters, ticks.sums[t, c])
            or waits_for_monday(learned, int(change[i]), c, (began[0], float(end[i])), times)
        )
        waits = level == PAGE and bad_hours(learned, int(change[i]), c, float(age[i]), float(bound[i]))
        would, level = level == PAGE, TICKET if lowered or waits else level
        slowly = would and rate_came_slowly(learned, rings[1], float(end[i]), int(over.rule[i]), float(size[i]))
        needed = limits.sizes.least(int(change[i]), c, page=level == PAGE)
        fresh = named(learned, int(change[i]), c, ticks.sums[t, c], ticks.sums[t, c], before)
        fires.append(
            Fire(
                float(end[i]), level, c, name, float(size[i]), float(bound[i]), float(over.since[i]), float(rests[t]),
                float(ratio[i]), 0, needed, int(change[i]), float(now[i]), fresh, float(hop[i]), float(shown[i]),
                holds, partial(witness.seen, float(over.since[i]), float(end[i])), int(counters[f.LIVE]), lowered,
                int(k[i]), int(n[i]), bool(gone[i]), waits, float(errors[i]),
                slowly, would and level < PAGE and not slowly,
            )
        )  # fmt: skip
    return cusum, witness, top


def _rates_since(over: Over) -> tuple[Floats, Floats]:
    """Each rate since its change and its lower bound, float64[m]; of all values, or without the tick in which it began,
    which has some from before: whichever says more.
    """
    both = (over.hits.astype(np.float64), over.events.astype(np.float64)), over.rest
    least = np.stack([least_rate(*each) for each in both])
    rates = np.stack([hits / np.maximum(events, 1) for hits, events in both])
    return np.where(least[1] > least[0], rates[1], rates[0]), least.max(axis=0)


def _ages(rules: Rules, over: Over, ticks: Runs, rate: Floats) -> tuple[Floats, Floats]:
    """For how long changes to the ``rate`` have lasted, and how well that is known, float64[k] in seconds."""
    age = ticks.end[over.tick] - over.since
    return age, (ticks.end - ticks.start)[over.tick] + of_rate(rate, rules.p0[over.rule], over.events, age)


def _gone(newest: Floats, events: Floats | Counts, size: Floats) -> Bools:
    """Whether a change of a rate by ``size`` is over: the ``newest`` of so many values show less than half of it, where
    they should have shown some.
    """
    with np.errstate(invalid="ignore"):
        out: Bools = (newest < LEFT * size) & (events * size >= SOME_HITS)
    return out


def _hop(learned: NaturalLearned, near: Runs, rule: Rows, end: Floats) -> tuple[Floats, Floats]:
    """The newest whole hop at ``end`` float64[k]: when it began (-inf: there was none), and the lower bound of how far
    the rates ``rule`` intp[k] were above their usual ones in it.
    """
    at = np.searchsorted(near.end, end, side="right") - 1
    if not len(near):
        return np.full(len(end), -np.inf), np.full(len(end), -np.inf)
    rules, sums = learned.fast.rules, near.sums[at, learned.fast.rules.channel[rule]]
    row = np.arange(len(end))
    hits, of = (sums[row, column[rule]].astype(np.float64) for column in (rules.hits, rules.of))
    above = np.where(of > 0, least_rate(hits, of) - learned.fast.usual[rule], -np.inf)
    return np.where(at >= 0, near.start[at], -np.inf), np.where(at >= 0, above, -np.inf)


def _slow(
    learned: NaturalLearned,
    limits: Thresholds,
    scale: int,
    witness: Witness,
    new: int,
    runs: tuple[Counts, Floats] | None,
    fires: list[Fire],
    stills: list[Still],
) -> tuple[Counts, Floats]:
    """The windows of one scale; ``runs``: of the near scale ``NaturalState.runs`` and ``begun``, given anew."""
    fitted, ring = learned.slow[scale], witness.day if scale else witness.near
    after = (np.zeros((2, 0, 0), np.int64), np.zeros((2, 0, 0))) if runs is None else runs
    page, ticket = limits.page.slow[scale], limits.ticket.slow[scale]
    if fitted is None or page is None or ticket is None or not new:
        return after
    first, last = windows(ring, new, SCALES[scale].seconds, fitted.events)
    if not len(first):
        return after
    sums = summed(ring, first, last)
    expected = learned.slots.expected(ring, first, last)
    x, size, least = statistics(learned.usual, sums, expected)
    size, least = size - fitted.centre, least - fitted.centre
    with np.errstate(invalid="ignore"):
        over = np.stack([x > page, x > ticket])
        large = np.stack([least >= limits.sizes.page[CHANGE_OF], least >= limits.sizes.ticket[CHANGE_OF]])
    strange = ~hours_known(learned.hours, ring.start[first], ring.end[last])
    over[:, strange[:, None] & _SHAPED] = False
    rest = 2 * counted(ring.end[last] - ring.start[last], ring.events[last])
    usual = fitted.largest.mean
    far = ((x > usual + STAYS * (ticket - usual)) & large[1])[:, FIRST_SHAPE:].any(axis=1)
    stills += [
        Still(float(ring.end[last[w]]), scale + 1, float(rest[w]), far[w]) for w in np.flatnonzero(far.any(axis=1))
    ]
    if not over.any():
        return after if runs is None else (np.zeros_like(runs[0]), np.full_like(runs[1], np.nan))
    ratio = (x - fitted.largest.mean) / (ticket - fitted.largest.mean)
    now, sure, gone = _of_newest(learned, ring, last, fitted.centre, size)
    hops, begun = _Windows(learned, ring, first, last, fitted.centre), np.zeros(0)
    if runs is not None:
        lengths = _lengths(over, runs[0])
        begun = _since_first(over[1], lengths[1], hops, runs[1])
        after = lengths[:, -1], np.where(over[1, -1], begun[-1], np.nan)
        twice = lengths > (last - first + 1)[:, None, None]
        lasts = np.stack([twice[0], twice[1] | ((ratio >= AT_ONCE) & ~learned.short)])
        over[:, :, FIRST_TWICE:] &= lasts[:, :, FIRST_TWICE:]
    firing = over & large
    # whether numbers left the range at once shows in ticks; of a few days nothing else is told
    firing[0] &= ~unsure(learned)[CHANGE_OF]
    firing[1] &= ~(unsure(learned) & learned.short)[CHANGE_OF]
    for w, row, c, since, error in _dated(hops, firing, least, None if runs is None else begun):
        change = int(CHANGE_OF[row])
        before = level_before(ring, c, float(ring.start[first[w]]), float(ring.end[last[w]]))
        begins = _whole_after(ring, since, first[w], last[w])
        counters, newest = summed(ring, begins, last[w : w + 1])[0], ring.sums[last[w], c]
        name = _with_share(learned, named(learned, change, c, counters[c], newest, before), c, counters[c])
        if name.kind in SHAPES:
            expected = learned.slots.expected(ring, begins, last[w : w + 1])[0]
            name = _shaped(learned, name, change, expected, counters, c, newest)
        began = since, float(ring.end[last[w]])  # of a constant ticks say when
        less = (
            asks_for_less(learned, change, c, began, newest, newest)
            or weather(learned, change, c, newest)
            or waits_for_monday(learned, change, c, began, float(least[w, row, c] / limits.sizes.page[change, c]))
            or bad_hours(learned, change, c, began[1] - began[0], float(least[w, row, c]))
        )
        would, level = bool(firing[0, w, row, c]), PAGE if firing[0, w, row, c] and not less else TICKET
        slowly = would and came_slowly(learned, witness.day, began[1], row, c, float(size[w, row, c]))
        needed = limits.sizes.least(change, c, page=level == PAGE)
        fresh = _fresh(learned, change, ring, last[w : w + 1], c, before)
        fires.append(
            Fire(
                float(ring.end[last[w]]), level, c, name, float(size[w, row, c]), float(least[w, row, c]),
                since, float(rest[w]), float(ratio[w, row, c]), scale + 1, needed,
                change, float(now[w, row, c]), fresh, float(ring.start[last[w]]), float(sure[w, row, c]), False,
                partial(witness.seen, since, float(ring.end[last[w]]), counters),
                _values_since(since, counters[c], float(ring.start[begins[0]]), float(ring.end[last[w]])),
                over=bool(gone[w, row, c]), error=error, slowly=slowly, waited=would and level < PAGE and not slowly,
            )
        )  # fmt: skip
    return after


def _values_since(since: float, counters: Counts, start: float, end: float) -> int:
    """How many values came since a change that is older than its window, if they came as in the window."""
    return int(counters[f.LIVE] * max((end - since) / (end - start), 1.0))


def _of_newest(
    learned: NaturalLearned, ring: Runs, last: Rows, centre: Floats, size: Floats
) -> tuple[Floats, Floats, Bools]:
    """Of the newest hop of each window alone: the least size of each change, that without what chance makes of it, and
    whether a rate that changed by ``size`` is over by then.
    """
    _, shown, now = (v - centre for v in statistics(learned.usual, ring.sums[last], _expected(learned, ring, last)))
    sure = now - by_chance(learned, ring.sums[last][:, :, f.LIVE])
    events = ring.sums[last][:, :, [of for _, _, of in RATES]].transpose(0, 2, 1)
    gone = np.zeros(now.shape, bool)
    gone[:, :FIRST_SHAPE] = _gone(shown[:, :FIRST_SHAPE], events, size[:, :FIRST_SHAPE])
    return now, sure, gone


def _expected(learned: NaturalLearned, ring: Runs, hops: Rows) -> Floats:
    """The shares that are expected in each of some hops."""
    return learned.slots.expected(ring, hops, hops)


def _fresh(learned: NaturalLearned, change: int, ring: Runs, hop: Rows, c: int, before: float) -> Named:
    """What a change is called by the values of one hop, intp[1]."""
    sums = ring.sums[hop[0]]
    name = named(learned, change, c, sums[c], sums[c], before)
    if name.kind not in SHAPES:
        return name
    return _shaped(learned, name, change, _expected(learned, ring, hop)[0], sums, c, sums[c])


@dataclass(slots=True)
class _Windows:
    """The windows of a ring with their hops, each asked for once; ``centre`` as in dating.Hops."""

    learned: NaturalLearned
    ring: Runs
    first: Rows
    last: Rows
    centre: Floats
    known: dict[int, Hops] = field(default_factory=dict)

    def dated(self, w: int, row: int, channel: int) -> Dated:
        """When the change of a statistic began that window ``w`` shows."""
        if w not in self.known:
            part = slice(int(self.first[w]), int(self.last[w]) + 1)
            self.known[w] = Hops(self.learned, self.ring.part(part), self.centre)
        return self.known[w].dated(row, channel)

    def when(self, w: int, row: int, channel: int, begun: Floats | None) -> tuple[float, float]:
        """That, and its error: of the window's run where it is known (``_since_first``), else of the window alone."""
        if begun is not None and np.isfinite(begun[w, 0, row, channel]):
            return float(begun[w, 0, row, channel]), float(begun[w, 1, row, channel])
        found = self.dated(w, row, channel)
        return found.since, found.error


def _dated(
    hops: _Windows, firing: Bools, least: Floats, begun: Floats | None
) -> Iterator[tuple[int, int, int, float, float]]:
    """Window, statistic and channel of what is ``firing`` bool[2, windows, ...], with when it began and the error of
    that; but for what may be one lost report.
    """
    for w, row, c in np.argwhere(firing.any(axis=0)).tolist():
        since, error = hops.when(w, row, c, begun)
        newest, share = hops.last[w : w + 1], least[w, row, c : c + 1]
        lasts = hops.ring.start[newest] - since - np.nan_to_num(error)  # at least: hops know when to a hop
        nulls = hops.ring.sums[newest, c, f.NULLS]
        if not reports(hops.learned, CHANGE_OF[row : row + 1], np.array([c]), lasts, share, nulls)[0]:
            yield w, row, c, since, error


def _since_first(over: Bools, lengths: Counts, hops: _Windows, before: Floats) -> Floats:
    """When the change began of each run of windows ``over`` bool[windows, len(STATISTICS), channels], and how well that
    is known: float64[windows, 2, ...]. The first windows say it, while they hold hops from before it; ``before`` what
    was known of runs that go on, float64[2, ...].
    """
    out, known = np.empty((len(over), *before.shape)), before.copy()
    for w in range(len(over)):
        known[:, ~over[w]] = np.nan
        for row, c in np.argwhere(over[w] & (lengths[w] <= HOPS[0])).tolist():
            found = hops.dated(w, row, c)
            if found.inside or lengths[w, row, c] == 1:
                known[:, row, c] = found.since, found.error
        out[w] = known
    return out


def _whole_after(ring: Runs, since: float, first: int, last: int) -> Rows:
    """The first hop of a window that is all after the change, intp[1]."""
    return np.clip(np.searchsorted(ring.start, [since], side="right"), first, last)


def _with_share(learned: NaturalLearned, name: Named, channel: int, counters: Counts) -> Named:
    """With the share that the kind is about among ``counters``, all of them since the change."""
    share = share_of(name.kind)
    if share is None or learned.traits.empty[channel]:
        return name
    return name._replace(value=share_in(counters, *share))


def _of_ticks(
    learned: NaturalLearned, name: Named, near: Runs, now: float, counters: tuple[Counts, Counts], channel: int
) -> Named:
    """With the shares of the channel's bins: expected as in the last hop before ``now``, and in ``counters`` int64
    [columns] since the change; and of the newest values alone.
    """
    at = np.searchsorted(near.end, [now], side="right") - 1
    if at[0] < 0:
        return name
    usual = learned.slots.expected(near, at, at)[0, channel]
    every = np.zeros((len(learned.traits.numeric), len(counters[0]) - f.FEATURES))
    every[channel] = counters[0][f.FEATURES :]
    seen = learned.usual.values(every)[channel]
    shares = tuple(usual.tolist()), tuple((seen / max(seen.sum(), 1.0)).tolist())
    return name._replace(shares=shares, middle=middles(learned, channel, *counters))


def _shaped(
    learned: NaturalLearned, name: Named, change: int, expected: Floats, counters: Counts, channel: int, newest: Counts
) -> Named:
    """With the shares of the channel's bins, ``expected`` float64[channels, width] and in ``counters``, and how much
    that is of a spread or a mix; numbers that moved one way are a level.
    """
    usual, seen = expected[channel], learned.usual.values(counters[:, f.FEATURES :].astype(np.float64))[channel]
    seen /= max(seen.sum(), 1.0)
    level = name.kind is Kind.MIX and learned.traits.numeric[channel]
    if level and one_way(learned.usual.scores[channel], usual, seen):
        name = name._replace(kind=Kind.LEVEL)
    size = statistics(learned.usual, counters[None], expected[None])[1][0, :, channel]
    if name.kind is Kind.MIX:
        name = name._replace(value=float(size[STATISTICS.index(Change.MIX)]), usual=0.0)
    far = abs(size[STATISTICS.index(Change.LEVEL)]) >= SIZES[Change.LEVEL].page
    if name.kind is Kind.SPREAD and CHANGES[change] is not Change.WITHIN and far:
        name = name._replace(kind=Kind.LEVEL)  # at the end of the bins all scores are alike
    if name.kind is Kind.SPREAD:
        of = Change.WITHIN if CHANGES[change] is Change.WITHIN else Change.SPREAD
        name = name._replace(value=float(np.exp(size[STATISTICS.index(of)])), usual=1.0)
    shares = tuple(usual.tolist()), tuple(seen.tolist())
    return name._replace(shares=shares, middle=middles(learned, channel, counters[channel], newest))


def _lengths(over: Bools, before: Counts) -> Counts:
    """How many windows in a row were over the limit, up to each: ``over`` bool[2, windows, ...]."""
    count = np.arange(1, over.shape[1] + 1)[None, :, None, None]
    broken = np.maximum.accumulate(np.where(over, 0, count), axis=1)
    out: Counts = count - broken + np.where(broken == 0, before[:, None], 0)
    return out


def _relations(
    learned: NaturalLearned,
    limits: Thresholds,
    state: NaturalState,
    products: Products | None,
    fires: list[Fire],
    calms: list[Calm],
) -> tuple[Cells, Runs, Runs]:
    """The cell that is being filled, the last whole ones, and those that are new."""
    relations = learned.relations
    if relations is None or products is None or not len(products.at):
        return state.cell, state.cells, state.cells.part(slice(0))
    new, cell, closed = state.cell.step(relations, products.at, products.sums)
    if not len(new):
        return cell, state.cells, new
    cells = joined([state.cells, new])
    scales = zip(RELATION_SCALES, learned.related, limits.page.related, limits.ticket.related, strict=True)
    rows = learned.scores.rows[relations.rows]
    newest = np.full((len(new), len(rows)), np.nan)
    for i, (scale, fitted, page, ticket) in enumerate(scales):
        if fitted is None or page is None or ticket is None:
            continue
        first, last = windows(cells, len(new), scale.seconds, scale.events)
        if not len(first):
            continue
        rest = 2 * counted(cells.end[last] - cells.start[last], cells.events[last])
        known = closed[last - len(cells)].tolist()  # windows end with the newest cells
        events = events_of(cells, first, last)
        left = relations.left(summed(cells, first, last), events)
        usual = fitted.largest.mean
        fall = usual - left
        if i == 0:
            newest[last - (len(cells) - len(new))] = fall
            error = relations.error(events)
            calms += of_relations(limits, rows, np.array(known), cells.start[first], fall, error)
        ratio = fall / (usual - ticket)
        levels = _fallen(limits, rows, left, usual, page, ticket)
        common = _common(learned, left, usual)
        for w, k in np.argwhere(levels > NONE).tolist():
            d, c, level = float(fall[w, k]), int(rows[k]), int(levels[w, k])
            since = float(cells.start[first[w]])
            name = Named(Kind.JOINT, value=float(left[w, k]), usual=float(usual[k]))
            now = float(newest[last[w] - (len(cells) - len(new)), k])
            if waits_for_monday(learned, RELATION, c, (since, known[w]), d / limits.sizes.page[RELATION, c]):
                level = TICKET
            needed = limits.sizes.least(RELATION, c, page=level == PAGE)
            if common[w, k] >= 0:  # the one that many relations share
                c, level = int(common[w, k]), TICKET
                needed = limits.sizes.least(RELATION, c, page=False)
            fires.append(
                Fire(
                    known[w], level, c, name, d, d, since, float(rest[w]), float(ratio[w, k]), max(i, 1), needed,
                    RELATION, now, name, float(cells.start[last[w]]), now, error=known[w] - since,
                )
            )  # fmt: skip
    return cell, cells.part(slice(max(len(cells) - RELATION_CELLS, 0), None)), new


def _fallen(limits: Thresholds, rows: Rows, left: Floats, usual: Floats, page: Floats, ticket: Floats) -> Counts:
    """int64[windows, k]: the level of each relation that fell, for the largest falls of each window, else NONE; a page
    needs that it is gone. ``left`` float64[windows, k], the others float64[k]; ``rows`` intp[k]: the channels.
    """
    fall = usual - left
    real = (left < ticket) & (fall >= limits.sizes.ticket[RELATION, rows])
    gone = (left < page) & (fall >= limits.sizes.page[RELATION, rows]) & (np.abs(left) < BROKEN)
    largest = np.where(real, fall, -np.inf).max(axis=1, initial=-np.inf)
    named = real & (fall > largest[:, None] - TOP_RELATION)
    return np.where(named, np.where(gone, PAGE, TICKET), NONE)


def _common(learned: NaturalLearned, left: Floats, usual: Floats) -> Counts:
    """int64[windows, k]: the label (its channel) to name where a relation to it alone broke, else -1.

    An output relates to labels only, so the label is named. A feature is named itself, for its values may be those of
    other events; but not where the outputs have lost as much, nor where it turned round, which such values do not do.
    """
    relations, rows = learned.relations, learned.scores.rows
    assert relations is not None
    out = np.full(left.shape, -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        lost = 1 - left / usual  # where there was no relation nothing is lost
    alone = np.count_nonzero(relations.weight, axis=1) == 1
    output = learned.traits.output[rows[relations.rows]]
    for place in np.flatnonzero(learned.traits.awaited[rows]).tolist():
        mine = alone & (relations.weight[:, place] != 0)
        outputs = lost[:, mine & output].min(axis=1, initial=np.inf)
        shared = np.isfinite(outputs)[:, None] & (outputs[:, None] >= SHARED * lost)
        out[mine & (output | shared | (lost > TURNED))] = rows[place]
    return out


def refitted(state: NaturalState, before: NaturalLearned, after: NaturalLearned) -> NaturalState:
    """The state of a reference that was learned anew on the same bins: a rate that is watched on keeps its g."""
    channels = len(before.traits.numeric)
    return replace(state, cusum=moved(state.cusum, before, after, {row: row for row in range(channels)}))


def carried(
    state: NaturalState, before: NaturalLearned, after: NaturalLearned, rows: Mapping[int, int]
) -> NaturalState:
    """The state of a reference with bins of its own: all begins anew, but that the channels of ``rows``, with their
    rows in ``after``, keep their episodes, and what their rates have shown.
    """
    channels, fresh = len(after.traits.numeric), start(after)
    episodes = state.episodes.moved([*rows], [*rows.values()], channels, SCALES[0].seconds)
    return replace(fresh, cusum=moved(state.cusum, before, after, rows), episodes=episodes)


def moved(cusum: Cusum, before: NaturalLearned, after: NaturalLearned, rows: Mapping[int, int]) -> Cusum:
    """What the rates of the channels ``rows`` have shown, for the rules of ``after``."""
    known = ((rows.get(channel), change) for channel, change in _rules_of(before))
    places = {key: i for i, key in enumerate(known)}
    now = _rules_of(after)
    kept = np.array([i for i, key in enumerate(now) if key in places], np.intp)
    old = np.array([places[now[i]] for i in kept.tolist()], np.intp)
    out = Cusum.start(len(now))
    for name in Cusum.__slots__:
        values = getattr(out, name).copy()
        values[kept] = getattr(cusum, name)[old]
        out = replace(out, **{name: values})
    return out


def _rules_of(learned: NaturalLearned) -> list[tuple[int, int]]:
    """Channel and change of each rate that is watched."""
    return [*zip(learned.fast.rules.channel.tolist(), learned.fast.change.tolist(), strict=True)]
