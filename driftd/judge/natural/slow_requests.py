"""Tickets and pages of requests that take far longer than usual, and go on doing so."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.judge.natural.changes import CHANGES
from driftd.judge.natural.episodes import PAGE, TICKET, Fire
from driftd.judge.natural.features import LIVE
from driftd.judge.natural.kinds import named
from driftd.judge.natural.latency import TESTS, Lasting, Test
from driftd.judge.natural.learned import HOPS, NaturalLearned
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.shapes import angle
from driftd.judge.natural.thresholds import Thresholds

Floats = NDArray[np.float64]

BEGUN: Final = 0.3
"""Part of the newest share from which on an earlier hop shows the same change. Chosen: a third of it; the hop in which
it began may have little of it."""


def of_hops(learned: NaturalLearned, limits: Thresholds, hops: Runs, new: int) -> list[Fire]:
    """What lasts at the end of one of the last ``new`` near hops."""
    latency = learned.latency
    if latency is None or not new:
        return []
    fires = []
    for place, test in enumerate(TESTS):
        seen = Lasting.of(test, latency.row, hops, new, learned.near.hop_events)
        page, ticket = (level.latency[place] for level in (limits.page, limits.ticket))
        change, usual = CHANGES.index(test.change), float(latency.usual[place])
        sizes = [limits.sizes.least(change, latency.row, page=level == PAGE) for level in (TICKET, PAGE)]
        sizes[1] = max(sizes[1], test.least - usual)
        x, least = angle(seen.share), seen.least - usual
        with np.errstate(invalid="ignore"):
            over = [(x > limit) & (least >= size) for limit, size in zip((ticket, page), sizes, strict=True)]
        for w in np.flatnonzero(over[0] | over[1]).tolist():
            level = PAGE if over[1][w] else TICKET
            last, end = int(seen.last[w]), float(hops.end[seen.last[w]])
            first, since = _began(test, latency.row, hops, last, usual)
            counters = hops.sums[first : last + 1, latency.row].sum(axis=0)
            newest = hops.sums[last, latency.row]
            name, fresh = (named(learned, change, latency.row, c, newest) for c in (counters, newest))
            now = float(newest[test.hits] / max(newest[LIVE], 1)) - usual
            mean = float(latency.largest.mean[place])
            fires.append(
                Fire(
                    end, level, latency.row, name, float(seen.share[w]) - usual, float(least[w]), since,
                    2 * (end - float(hops.start[last])), (float(x[w]) - mean) / max(float(ticket) - mean, 1e-9),
                    0, sizes[level - 1], change, now, fresh, float(hops.start[last]), now,
                )
            )  # fmt: skip
    return fires


def _began(test: Test, row: int, hops: Runs, last: int, usual: float) -> tuple[int, float]:
    """The first hop of the change that the hop ``last`` shows, and when it began: of a hop that shows half of it the
    second half has changed. It is looked for in the hops that are always there, however many have come at once.
    """
    low = max(last - HOPS[0], 0)
    sums = hops.sums[low : last + 1, row].astype(np.float64)
    above = sums[:, test.hits] / np.maximum(sums[:, LIVE], 1) - usual
    now = max(float(above[-1]), 1e-9)
    calm = np.flatnonzero(above < BEGUN * now)
    first = int(calm[-1]) + 1 if len(calm) else 0
    at, part = low + first, min(max(float(above[first]) / now, 0.0), 1.0)
    return at, float(hops.end[at] - part * (hops.end[at] - hops.start[at]))
