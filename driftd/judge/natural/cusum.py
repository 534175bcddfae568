"""Rates that jump: a CUSUM of events for each rate of each channel, against the worst rate that is natural.

    g <- min(cap, max(0, g + k ln(p1 / p0) + (n - k) ln((1 - p1) / (1 - p0))))      one step a tick, k hits of n events

p0 is what the largest two-hour rate of a new stretch may be (natural.learned), p1 = p0 + d (1 - p0) one of
two rates above it, d in DELTAS. Without a change the mean time to g >= ln A is at least A ticks (Lorden 1971), however
far the true rate lies below p0. A change is dated by the tick after which g left 0, and measured since then.

Increments are rounded to whole units, so the sums are exact and any split of the ticks gives the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Rows = NDArray[np.intp]

DELTAS: Final = np.array([0.1, 0.6])
"""d: how far p1 lies between p0 and 1. Chosen: one for small faults, one for gross ones."""
PART: Final = 0.75
"""Part of the way from p0 to the larger p1, from which on the rate that its sum has seen is what is told. Chosen: there
that sum leaves 0 with the fault, while the other may have done so hours before, for a small one."""
NAT: Final = 2**16
"""Units of g in one nat. Chosen: each increment is rounded by less than 1e-5 nats, and sums are exact."""
CAP_NATS: Final = 60.0
"""Least cap of g. Chosen: more than twice the 23 nats that a thousand tests with a budget of .1 ask for, so that g
falls soon after a change has ended.
"""
LEAST_REST: Final = 16
"""Values after the tick in which g left 0, from which on they alone say the rate. Chosen: two small ticks."""
_CHUNK: Final = 256
"""Ticks at a time. Chosen: what a step works on stays in the processor's cache; results do not depend on it."""


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """Which rates are watched: row ``channel`` and columns ``hits``, ``of`` (natural.features), intp[k];
    what a hit and a miss add, int64[k, len(DELTAS)]; ``cap`` int64[k] the largest g.
    """

    channel: Rows
    hits: Rows
    of: Rows
    hit: Counts
    miss: Counts
    cap: Counts

    @classmethod
    def of_rates(cls, channel: Rows, hits: Rows, of: Rows, p0: Floats) -> Self:
        base = p0[:, None]
        p1 = base + DELTAS * (1 - base)
        hit = np.rint(np.log(p1 / base) * NAT).astype(np.int64)
        miss = np.rint(np.log((1 - p1) / (1 - base)) * NAT).astype(np.int64)
        return cls(channel, hits, of, hit, miss, np.full(len(channel), round(CAP_NATS * NAT)))

    @property
    def p0(self) -> Floats:
        """float64[k], from what a hit adds: ln(1 + d (1 - p0) / p0)."""
        out: Floats = 1 / (1 + np.expm1(self.hit[:, 0] / NAT) / DELTAS[0])
        return out

    def capped(self, nats: Floats) -> Rules:
        """With caps float64[k] of their own."""
        return replace(self, cap=np.rint(np.maximum(nats, CAP_NATS) * NAT).astype(np.int64))

    def above(self, limit: Floats) -> Rules:
        """With caps of at least ``limit`` float64[k] in nats: below it a rate could never fire."""
        return replace(self, cap=np.maximum(self.cap, np.ceil(limit * NAT).astype(np.int64)))


@dataclass(frozen=True, slots=True, eq=False)
class Cusum:
    """int64[k, len(DELTAS)]: ``g``; ``hits`` and ``events`` since it left 0, of them ``hits_first`` and
    ``events_first`` in the tick in which it did; ``since`` float64 when that was.
    """

    g: Counts
    hits: Counts
    events: Counts
    hits_first: Counts
    events_first: Counts
    since: Floats

    @classmethod
    def start(cls, rules: int) -> Self:
        zero = np.zeros((rules, len(DELTAS)), np.int64)
        return cls(zero, zero, zero, zero, zero, np.full(zero.shape, np.nan))


@dataclass(frozen=True, slots=True, eq=False)
class Over:
    """Where g reached its limit: ``tick``, ``rule`` intp[m] in order of ticks; int64[m] and ``since`` float64[m] as in
    Cusum, of the delta whose g is largest, and of the larger delta where so many were hits since its own left 0 (PART).
    """

    tick: Rows
    rule: Rows
    hits: Counts
    events: Counts
    hits_first: Counts
    events_first: Counts
    since: Floats

    @classmethod
    def none(cls) -> Self:
        places, zero = np.zeros(0, np.intp), np.zeros(0, np.int64)
        return cls(places, places, zero, zero, zero, zero, np.zeros(0))

    @property
    def rest(self) -> tuple[Floats, Floats]:
        """Hits and events since the change, float64[m]. The tick in which it began has values from before it, and is
        chosen for its hits: the others say more, where they hold enough.
        """
        k, n = self.hits - self.hits_first, self.events - self.events_first
        enough = n >= LEAST_REST
        hits, events = np.where(enough, k, self.hits), np.where(enough, n, self.events)
        return hits.astype(np.float64), events.astype(np.float64)

    @property
    def rate(self) -> Floats:
        """float64[m]: since the change."""
        hits, events = self.rest
        out: Floats = hits / np.maximum(events, 1)
        return out


def run(state: Cusum, rules: Rules, sums: Counts, start: Floats, limit: Floats) -> tuple[Cusum, Over, Floats]:
    """Ticks with ``sums`` int64[ticks, channels, FEATURES], begun at ``start`` float64[ticks]; ``limit`` float64[k] in
    nats. Gives also the largest g after each tick in nats, float64[ticks, k].
    """
    parts, tops = [], []
    for low in range(0, len(sums), _CHUNK):
        part = slice(low, low + _CHUNK)
        state, over, top = _run(state, rules, sums[part], start[part], limit)
        parts.append(replace(over, tick=over.tick + low))
        tops.append(top)
    if not parts:
        return state, Over.none(), np.zeros((0, len(rules.channel)))
    joined = (np.concatenate([getattr(p, name) for p in parts]) for name in Over.__slots__)
    return state, Over(*joined), np.concatenate(tops)


def _run(state: Cusum, rules: Rules, sums: Counts, start: Floats, limit: Floats) -> tuple[Cusum, Over, Floats]:
    k, n = sums[:, rules.channel, rules.hits], sums[:, rules.channel, rules.of]
    gain = k[:, :, None] * rules.hit + (n - k)[:, :, None] * rules.miss
    total = np.cumsum(gain, axis=0) + state.g
    g = total - np.minimum(np.minimum.accumulate(total, axis=0), 0)
    if (g > rules.cap[:, None]).any():
        g = _capped(state.g, gain, rules.cap[:, None])
    top = np.asarray(g.max(axis=2) / NAT, np.float64)
    over = np.flatnonzero((top >= limit).any(axis=0))
    found = Over.none()
    if len(over):
        told = _since(state, over, k[:, over], n[:, over], start, _last_zero(g[:, over]))
        tick, place = np.nonzero(top[:, over] >= limit[over])
        best = g[tick, over[place]].argmax(axis=1)
        hits, events = told[0][tick, place, -1], told[1][tick, place, -1]
        p0 = rules.p0[over[place]]
        gross = hits >= (p0 + PART * DELTAS[-1] * (1 - p0)) * np.maximum(events, 1)
        gross &= g[tick, over[place], -1] >= limit[over[place]] * NAT
        chosen = tick, place, np.where(gross, len(DELTAS) - 1, best)
        k_, n_, k_first, n_first, since = told
        found = Over(tick, over[place], k_[chosen], n_[chosen], k_first[chosen], n_first[chosen], since[chosen])
    told = _since(state, np.arange(len(rules.channel)), k, n, start, _last_zero(g)[-1:])
    return Cusum(g[-1], *(part[-1] for part in told)), found, top


def _last_zero(g: Counts) -> Rows:
    """How many ticks had passed when g was last 0, up to each tick; 0 for never."""
    count = np.arange(1, len(g) + 1)[:, None, None]
    out: Rows = np.maximum.accumulate(np.where(g == 0, count, 0), axis=0)
    return out


def _since(
    state: Cusum, rules: Rows, k: Counts, n: Counts, start: Floats, zero: Rows
) -> tuple[Counts, Counts, Counts, Counts, Floats]:
    """As in Cusum what came since g left 0, for the last ticks that ``zero`` int[ticks, k, deltas] is about."""
    old, ticks = zero == 0, slice(1 + len(k) - len(zero), None)
    every, first = [], []
    for values, carried, carried_first in (
        (k, state.hits, state.hits_first),
        (n, state.events, state.events_first),
    ):
        none = np.zeros([1, k.shape[1]], np.int64)
        total = np.concatenate([none, np.cumsum(values, axis=0)])
        at = np.take_along_axis(total[:, :, None], zero, axis=0)
        every.append(total[ticks][:, :, None] - at + np.where(old, carried[rules], 0))
        own = np.take_along_axis(np.concatenate([values, none])[:, :, None], zero, axis=0)
        first.append(np.where(old & np.isfinite(state.since[rules]), carried_first[rules], own))
    begun = np.append(start, np.nan)[zero]
    carried_since = state.since[rules]
    since = np.where(old & np.isfinite(carried_since), carried_since, begun)
    return every[0], every[1], first[0], first[1], since


def _capped(g: Counts, gain: Counts, cap: Counts) -> Counts:
    """Tick by tick: only while something has changed by far."""
    out = np.empty_like(gain)
    for i, one in enumerate(gain):
        g = np.clip(g + one, 0, cap)
        out[i] = g
    return out
