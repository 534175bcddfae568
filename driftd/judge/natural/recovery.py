"""Whether a change that made a page is over: the newest stretch alone, whose values all came after the change began.

A window of two hours holds a fault for two hours after its end, and a CUSUM falls slowly. The newest 20 minutes and 100
events hold nothing of it. A change is over where the stretch shows clearly less than half of the size of a page:
of a rate by its upper bound, so that few events end nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.judge.natural.changes import CHANGES, SIZES, Change
from driftd.judge.natural.latency import TESTS
from driftd.judge.natural.leaps import NEARLY
from driftd.judge.natural.learned import FAST, RINGS, NaturalLearned
from driftd.judge.natural.runs import Runs, summed, windows
from driftd.judge.natural.shapes import CHANGE_OF, FIRST_SHAPE, LEAST_RATE, QUANTILE, STATISTICS, statistics
from driftd.judge.natural.thresholds import Thresholds

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Rows = NDArray[np.intp]
Bools = NDArray[np.bool_]

LEFT: Final = 0.5
"""Part of the least size of a page below which a change is over. Chosen: half; a change that lasts at a page's size
does not fall so low by chance.
"""
STAYS: Final = 0.5
"""Part of the way from a usual block's largest statistic to a ticket's limit, above which an open ticket stays. Chosen:
half; a change that is just large enough for a ticket lasts through windows in which chance makes it smaller."""
LEAST_LEFT: Final = 0.035
"""Least share that is left of a rate's change. Chosen: what none of 50 values leaves possible."""
HOPS_OF_EVENTS: Final = 2
"""Hops' worth of events that a stretch holds. Chosen: 100 events; with 50 an hour an hour's pause is no end."""
FEW: Final = 0.09
"""Size of a page below which 100 events may show none of it by chance. Derived: .91 to the power of 100 is 1e-4."""
HOPS_OF_FEW: Final = 4
"""The same where a page's size is a share below FEW. Chosen: 200 events, of which none shows a share of .05 once in
30,000 stretches."""
SURE: Final = 9.2
"""Nats against a page's size that a stretch must have there. Chosen: a fault that lasts at that size has so few hits
once in 10,000 stretches."""
BIT: Final = 1 << np.arange(len(CHANGES), dtype=np.int64)
"""The bit of each change. Derived: a set of changes is a sum of bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Calm:
    """At ``time``: of the changes ``about`` (bits) those that the stretch from ``start`` on still shows, ``left``
    int64[channels] (bits).
    """

    time: float
    start: float
    about: int
    left: Counts


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """At ``time``: of which channels a window of a distribution, ``reach`` as in Fire, is still far from usual, bool
    [channels]; the next window comes within ``rest`` seconds.
    """

    time: float
    reach: int
    rest: float
    channels: Bools


def most_rate(hits: Floats, events: Floats) -> Floats:
    """The upper 90 % bound of a rate (Wilson 1927); NaN with few events."""
    n = np.maximum(events, 1.0)
    r, z = hits / n, QUANTILE
    bound = (r + z * z / (2 * n) + z * np.sqrt(r * (1 - r) / n + z * z / (4 * n * n))) / (1 + z * z / n)
    return np.where(events >= LEAST_RATE, bound, np.nan)


def of_hops(learned: NaturalLearned, limits: Thresholds, hops: Runs, new: int) -> list[Calm]:
    """What the stretches that end with the last ``new`` near hops still show."""
    rare = limits.sizes.page < FEW
    first, last, left = _stretches(learned, limits, rare, hops, new, HOPS_OF_EVENTS)
    _, known, longer = _stretches(learned, limits, rare, hops, new, HOPS_OF_FEW)
    same = np.searchsorted(known, last)
    for i, (at, end) in enumerate(zip(same.tolist(), last.tolist(), strict=True)):
        told = at < len(known) and known[at] == end
        left[i] = np.where(rare, longer[at] if told else True, left[i])
    left[:, CHANGES.index(Change.RELATION)] = False
    about = int(BIT.sum() - BIT[CHANGES.index(Change.RELATION)])
    bits = np.einsum("hrc,r->hc", left, BIT)
    times = zip(hops.end[last].tolist(), hops.start[first].tolist(), bits, strict=True)
    return [Calm(end, start, about, b) for end, start, b in times]


def _stretches(
    learned: NaturalLearned, limits: Thresholds, rare: Bools, hops: Runs, new: int, of_events: int
) -> tuple[Rows, Rows, Bools]:
    """The first and last hops of stretches of so many hops' worth of events, and what each still shows,
    bool[stretches, len(CHANGES), channels]. ``rare`` bool[len(CHANGES), channels]: small shares make a page.
    """
    first, last = windows(hops, new, RINGS[0].hop_seconds, of_events * learned.near.hop_events)
    sums = summed(hops, first, last)
    x, size, _ = statistics(learned.usual, sums, learned.slots.expected(hops, first, last))
    mix = STATISTICS.index(Change.MIX)
    size[:, mix] = np.sin(x[:, mix] / 2)  # few values move by chance; the angle is without it
    shown = np.full((len(sums), len(CHANGES), sums.shape[1]), -np.inf)
    for row in range(FIRST_SHAPE, len(CHANGE_OF)):
        shown[:, CHANGE_OF[row]] = np.maximum(shown[:, CHANGE_OF[row]], size[:, row])
    counts, usual = sums.astype(np.float64), _usual(learned)
    floor = np.zeros((len(CHANGES), 1))
    for change, hits, of in FAST:
        place = CHANGES.index(change)
        k, n = counts[:, :, hits], counts[:, :, of]
        shown[:, place] = most_rate(k, n) - usual[place]
        # of a small share few values show none by chance, and a fault that lasts has several stretches an hour
        sure = ~rare[place] | (_nats(k, n, usual[place] + limits.sizes.page[place]) >= SURE)
        shown[:, place] = np.where(sure, shown[:, place], np.inf)
        floor[place] = LEAST_LEFT
    page = limits.sizes.page.copy()
    page[CHANGES.index(Change.FROZEN), limits.sizes.stands] = SIZES[Change.FROZEN].page
    new = CHANGES.index(Change.NEW)
    page[new] = np.where(limits.sizes.leaps, np.minimum(page[new], NEARLY), page[new])  # a leap pages in spite of it
    most = np.maximum(LEFT * page, floor)
    return first, last, ~(shown < most)  # what cannot be said is not over


def _nats(hits: Floats, events: Floats, rate: Floats) -> Floats:
    """By how much so few hits speak against ``rate`` (Chernoff's bound); 0 where they are not fewer than it expects."""
    n, p = np.maximum(events, 1.0), np.clip(rate, 1e-9, 1 - 1e-9)
    r = np.clip(hits / n, 1e-12, 1 - 1e-12)
    nats = n * (r * np.log(r / p) + (1 - r) * np.log((1 - r) / (1 - p)))
    return np.where(r < p, nats, 0.0)


def of_relations(
    limits: Thresholds, channels: Rows, known: Floats, start: Floats, fall: Floats, error: Floats
) -> list[Calm]:
    """The same of windows of relations: ``fall`` float64[windows, k] of T and its standard ``error``, ``channels``
    intp[k] of all of them. In 120 events a weak relation seems whole by chance, so its upper 90 % bound counts.
    """
    place = CHANGES.index(Change.RELATION)
    least = LEFT * limits.sizes.page[place, channels]
    bits = np.zeros((len(fall), limits.sizes.page.shape[1]), np.int64)
    bits[:, channels] = np.where(fall + QUANTILE * error < least, 0, BIT[place])
    times = zip(known.tolist(), start.tolist(), bits, strict=True)
    return [Calm(time, since, int(BIT[place]), b) for time, since, b in times]


def _usual(learned: NaturalLearned) -> Floats:
    """Usual rates, float64[len(CHANGES), channels]; NaN for a rate that is not watched."""
    usual = np.full((len(CHANGES), len(learned.traits.numeric)), np.nan)
    usual[CHANGE_OF[:FIRST_SHAPE]] = learned.near.centre[:FIRST_SHAPE]
    usual[learned.fast.change, learned.fast.rules.channel] = learned.fast.usual
    if learned.latency is not None:
        usual[[CHANGES.index(test.change) for test in TESTS], learned.latency.row] = learned.latency.usual
    return usual
