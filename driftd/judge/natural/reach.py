"""What can be seen: the least change that makes a page or a ticket nine times in ten, and within how long.

Both questions must be answered with yes: the statistic must pass its limit, and the size that of the table. The noise
of so many events is added to each, for a chance of 90 % (QUANTILE standard errors). Events come at the reference's mean
rate. What a statistic cannot reach, or not within the last of HORIZONS, is not among what is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, MISSING, MOMENT_CLIP
from driftd.judge.natural import features as f
from driftd.judge.natural import leaps
from driftd.judge.natural.changes import CHANGES, Change
from driftd.judge.natural.cusum import NAT
from driftd.judge.natural.episodes import GROSS
from driftd.judge.natural.fit import DAY
from driftd.judge.natural.latency import TESTS
from driftd.judge.natural.learned import RELATION_SCALES, RINGS, SCALES, TICK, NaturalLearned, SlowLearned
from driftd.judge.natural.relations import CELL_EVENTS, CELL_SECONDS
from driftd.judge.natural.shapes import (
    CHANGE_OF,
    FIRST_SHAPE,
    FIRST_TWICE,
    LEAST_RATE,
    LEAST_SHAPE,
    LEAST_VARIANCE,
    LEAST_WITHIN,
    QUANTILE,
    RATES,
    STATISTICS,
    angle,
    rate_of,
)
from driftd.judge.natural.standing import FROZEN
from driftd.judge.natural.step import BROKEN, LATER, SOON
from driftd.judge.natural.thresholds import Limits, Thresholds
from driftd.judge.natural.unsure import AWAY, FAR, JUMP, JUMP_OF_UNSURE, unsure
from driftd.judge.sensitivity import shares_of, shifted

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.intp]

HORIZONS: Final = (600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, DAY, 3 * DAY, 7 * DAY)
"""Seconds within which rates are promised. Chosen: a person reads ten minutes, not 543 seconds; what takes more than a
week is not seen.
"""
STEPS: Final = 40
"""Rates, shifts and factors that are tried for each channel. Chosen: rates to two or three points; between shifts
and factors is interpolated.
"""
MOST_SHIFT: Final = 6.0
"""Largest shift that is tried, in standard deviations; largest ln of a factor of the spread. Chosen: all bins are
passed then.
"""
PANE_SECONDS: Final = 10.0
"""Seconds of a pane where none are given. Derived: the default of windows.pane_seconds."""
UP: Final = 1
"""Derived: a direction; the other is -1, either is 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """Changes that are seen: ``page`` bool[k] (else a ticket); intp[k] ``change`` (places in CHANGES), ``channel`` and
    ``direction`` (UP, -1, or 0 for either way); float64[k] ``least`` in the unit of the table of sizes, ``seconds``.
    """

    page: Bools
    change: Rows
    channel: Rows
    direction: Rows
    least: Floats
    seconds: Floats

    def sees(self, channels: int) -> Bools:
        """bool[len(CHANGES), channels]: a page or a ticket is possible."""
        out = np.zeros((len(CHANGES), channels), bool)
        out[self.change, self.channel] = True
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Pace:
    """How fast events come: ``events`` a second of the model, of each channel float64[channels] ``rows`` (events that
    it applies to) and ``live`` (values); panes of ``pane`` seconds.
    """

    events: float
    rows: Floats
    live: Floats
    pane: float

    @classmethod
    def of(cls, reference: Reference, pane_seconds: float) -> Pace:
        span = max(reference.last - reference.first, 1.0)
        rows = reference.summary.channel_events / span
        live = rows - reference.summary.counts[:, MISSING] / span
        return cls(reference.summary.events / span, rows, live, pane_seconds)

    def run(self, seconds: float, events: float, part: float) -> float:
        """How long a run of ``part`` seconds each lasts that holds so many seconds and events."""
        return float(np.ceil(max(seconds, events / max(self.events, 1e-12)) / part) * part)

    @property
    def tick(self) -> float:
        return self.run(*TICK, part=self.pane)


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """How far the bins' scores move, upwards and downwards, float64[2, STEPS, channels]: their mean by shifts of the
    values in standard deviations, ``level``; ln of their deviation by ln of factors of the values' spread, ``spread``.
    """

    level: Floats
    spread: Floats

    @classmethod
    def of(cls, reference: Reference, scores: Floats) -> Moves:
        counts = reference.summary.counts.astype(np.float64)
        counts[:, :FIRST_VALUE] = 0
        by = _steps()
        usual, deviation = _moments(shares_of(counts), scores)
        level, spread = [], []
        for sign in (UP, -UP):
            mean, _ = _moments(shifted(counts, np.repeat(sign * by[:, None], len(counts), axis=1)), scores)
            _, wide = _moments(_scaled(counts, np.exp(sign * by)), scores)
            level.append(sign * (mean - usual))
            spread.append(sign * np.log(_floored(wide) / _floored(deviation)))
        return cls(np.stack(level), np.stack(spread))


def _steps() -> Floats:
    return np.linspace(0.0, MOST_SHIFT, STEPS)


def reach(
    learned: NaturalLearned, limits: Thresholds, reference: Reference, pane_seconds: float = PANE_SECONDS
) -> Reach:
    """``reference``: the one that it was learned with."""
    pace, moves = Pace.of(reference, pane_seconds), Moves.of(reference, learned.usual.scores)
    parts = []
    for page, level, sizes in ((True, limits.page, limits.sizes.page), (False, limits.ticket, limits.sizes.ticket)):
        parts += [*_fast(learned, level, sizes, pace, page=page)]
        for scale in range(len(SCALES)):
            parts += [*_slow(learned, level, sizes, pace, moves, scale, page=page)]
        parts += [*_related(learned, level, sizes, pace, page=page)]
        parts += [*_latency(learned, level, sizes, pace, page=page)]
    parts.append(_standing(learned, limits.sizes.stands, pace))
    return Reach(*(np.concatenate([getattr(p, name.name) for p in parts]) for name in fields(Reach)))


def _seen(change: Rows, channel: Rows, least: Floats, seconds: Floats | float, direction: int, *, page: bool) -> Reach:
    """Those with a finite size, within the last horizon."""
    seconds = np.broadcast_to(np.asarray(seconds, np.float64), least.shape)
    here = np.isfinite(least) & (seconds <= HORIZONS[-1])
    k = int(here.sum())
    return Reach(
        np.full(k, page), change[here], channel[here], np.full(k, direction, np.intp), least[here], seconds[here]
    )


def _fast(learned: NaturalLearned, level: Limits, sizes: Floats, pace: Pace, *, page: bool) -> Iterator[Reach]:
    """Rates by their CUSUM: for each horizon the least rate that is over its limit and large enough by then."""
    rules, change, usual = learned.fast.rules, learned.fast.change, learned.fast.usual
    size = sizes[change, rules.channel]
    a_second = np.where(rules.of == f.EVENTS, pace.rows[rules.channel], pace.live[rules.channel])
    rate = rate_of(np.linspace(angle(usual + np.minimum(size, 1.0)), np.full(len(usual), np.pi), STEPS, axis=1))
    noise = QUANTILE * np.sqrt(rate * (1 - rate))
    hit, miss = rules.hit[:, :, None] / NAT, rules.miss[:, :, None] / NAT
    gain, spread = rate[:, None] * hit + (1 - rate[:, None]) * miss, noise[:, None] * (hit - miss)
    least = usual + size
    some = QUANTILE * np.sqrt(np.clip(least * (1 - least), 0, None))
    with np.errstate(divide="ignore", invalid="ignore"):
        # g after n events is about n gain - spread sqrt(n), nine times in ten
        root = (spread + np.sqrt(spread**2 + 4 * gain * level.fast[:, None, None])) / (2 * gain)
        real = np.where(gain > 0, root, np.inf).min(axis=1)
        large = np.where(rate > least[:, None], (noise + some[:, None]) / (rate - least[:, None]), np.inf)
        events = np.maximum(real, large) ** 2
        events[~(least < 1)] = np.inf
        soon = page & (rate - usual[:, None] - noise / np.sqrt(np.maximum(events, 1)) >= GROSS)
        seconds = np.maximum(events / a_second[:, None], np.where(soon, SOON, LATER)) + 2 * pace.tick
        jumps = (change == FAR) & unsure(learned)[change, rules.channel]
        away = np.where(learned.traits.timely & page, np.take(AWAY, learned.short.astype(np.intp)), 0.0)
        jump = JUMP_OF_UNSURE if page else JUMP
        shares = leaps.surely(learned.strides, learned.limits, learned.negative, jump, away)
        anyway = (not page) & ~learned.short[rules.channel]  # far out is a ticket there whether it jumps or not
        shares = np.where(jumps & ~anyway, shares[rules.channel], 0.0)
        seconds = np.where(rate >= shares[:, None], seconds, np.inf)
    for horizon in HORIZONS:
        by_then = seconds <= horizon
        first = rate[np.arange(len(rate)), by_then.argmax(axis=1)] - usual
        yield _seen(change, rules.channel, np.where(by_then.any(axis=1), first, np.inf), horizon, 0, page=page)


def _standing(learned: NaturalLearned, stands: Bools, pace: Pace) -> Reach:
    """What stands still: all values repeat, for so long and two hops."""
    rows = np.flatnonzero(stands)
    hop = pace.run(RINGS[1].hop_seconds, RINGS[1].of(learned.events)[1], pace.tick) + pace.tick
    usual = learned.near.centre[STATISTICS.index(Change.FROZEN), rows]
    return _seen(np.full(len(rows), FROZEN), rows, 1 - usual, learned.patience[rows] + 2 * hop, 0, page=True)


def _latency(learned: NaturalLearned, level: Limits, sizes: Floats, pace: Pace, *, page: bool) -> Iterator[Reach]:
    """Shares of slow requests that last: the hops of a window, and the one in which it begins."""
    latency = learned.latency
    if latency is None:
        return
    hop, row = pace.run(RINGS[0].hop_seconds, learned.near.hop_events, pace.tick) + pace.tick, np.array([latency.row])
    for place, test in enumerate(TESTS):
        change, usual = CHANGES.index(test.change), float(latency.usual[place])
        window = pace.run(test.seconds, test.hops * learned.near.hop_events, hop)
        root = np.sqrt(max(float(pace.live[latency.row]) * window, 1e-12))
        least = max(usual + float(sizes[change, latency.row]), test.least)
        if not least < 1 or np.isnan(level.latency[place]):
            continue
        bound = least + QUANTILE * np.sqrt(least * (1 - least)) / root
        rate = float(rate_of(np.array(min(max(level.latency[place], angle(np.array(bound))) + QUANTILE / root, np.pi))))
        seen = np.array([rate - usual if bound < 1 else np.inf])
        yield _seen(np.array([change]), row, seen, window + hop + pace.tick, UP, page=page)


def _slow(
    learned: NaturalLearned, level: Limits, sizes: Floats, pace: Pace, moves: Moves, scale: int, *, page: bool
) -> Iterator[Reach]:
    """What windows of one scale show of rates and shapes."""
    fitted, limit = learned.slow[scale], level.slow[scale]
    if fitted is None or limit is None:
        return
    # a hop ends with the tick that fills it
    hop = pace.run(RINGS[min(scale, 1)].hop_seconds, fitted.hop_events, pace.tick) + pace.tick
    window = pace.run(SCALES[scale].seconds, fitted.events, hop)
    n = np.maximum(pace.live * window, 1e-12)
    size = sizes[CHANGE_OF]
    least = np.concatenate(
        [
            _rates(limit, size, fitted.centre, np.where(_of_events(), pace.rows, pace.live) * window),
            np.where(
                n >= LEAST_SHAPE, _shapes(learned, moves, fitted, limit[FIRST_SHAPE:], size[FIRST_SHAPE:], n), np.inf
            ),
        ]
    )
    unseen = unsure(learned) & (learned.short | page)
    least[unseen[CHANGE_OF]] = np.inf  # whether numbers came far out at once shows in ticks alone
    twice = 2 * window + hop if scale == 0 else window + hop
    channel = np.arange(least.shape[1])
    for row, place in enumerate(CHANGE_OF.tolist()):
        seconds = pace.tick + (twice if row >= FIRST_TWICE else window + hop)
        change = np.full(len(channel), place)
        if STATISTICS.count(CHANGES[place]) == 1:
            yield _seen(change, channel, least[row], seconds, 0, page=page)
        elif STATISTICS.index(CHANGES[place]) == row:
            up, down = least[row], least[row + 1]
            both = np.isfinite(up) & np.isfinite(down)
            yield _seen(change, channel, np.maximum(up, down), seconds, 0, page=page)
            yield _seen(change, channel, np.where(both, np.inf, up), seconds, UP, page=page)
            yield _seen(change, channel, np.where(both, np.inf, down), seconds, -UP, page=page)


def _of_events() -> Bools:
    """bool[rates, 1]: shares of events, not of values."""
    return np.array([of == f.EVENTS for _, _, of in RATES])[:, None]


def _rates(limit: Floats, size: Floats, centre: Floats, n: Floats) -> Floats:
    """Points above the usual rate: seen ones must pass the limit, and their lower bound the size."""
    rates = slice(0, FIRST_SHAPE)
    least = centre[rates] + size[rates]
    root = np.sqrt(np.maximum(n, 1e-12))
    with np.errstate(invalid="ignore"):
        # the rate whose lower bound (Wilson) is ``least``
        bound = least + QUANTILE * np.sqrt(least * (1 - least)) / root
        needed = np.maximum(limit[rates], angle(bound))
        seen = (needed < np.pi) & (bound < 1) & (n >= LEAST_RATE)
    rate = rate_of(np.minimum(needed + QUANTILE / root, np.pi))
    return np.where(seen, rate - centre[rates], np.inf)


def _shapes(
    learned: NaturalLearned, moves: Moves, fitted: SlowLearned, limit: Floats, size: Floats, n: Floats
) -> Floats:
    """Unit, within, level, spread, upwards and downwards, and mix; those after FIRST_SHAPE."""
    error = QUANTILE / np.sqrt(n)
    at = {change: STATISTICS.index(change) - FIRST_SHAPE for change in STATISTICS[FIRST_SHAPE:]}
    needed = np.maximum(limit, size)  # NaN where there is no test
    against = fitted.largest.mean[FIRST_SHAPE:]

    def ways(change: Change, noise: Floats) -> Floats:
        """What x must be beyond, float64[2, channels]: chance, or the rhythm at its lowest, may be against it."""
        row = at[change]
        lowest = np.nan_to_num(against[[row + 1, row]])
        return needed[row : row + 2] + np.maximum(noise, lowest)

    unit, within = ways(Change.UNIT, error * learned.log_deviation), ways(Change.WITHIN, error / np.sqrt(2))
    most = np.stack([np.log(MOMENT_CLIP) - learned.usual.within, learned.usual.within - np.log(LEAST_WITHIN) / 2])
    within = np.where(within < most, within, np.inf)
    level, spread = ways(Change.LEVEL, error), ways(Change.SPREAD, error / np.sqrt(2))
    moved = np.stack([_inverse(*pair) for pair in zip(moves.level, level, strict=True)])
    widened = np.stack([_inverse(*pair) for pair in zip(moves.spread, spread, strict=True)])
    h = limit[at[Change.MIX]] + error
    share = learned.usual.shares
    rarest = np.where(share > 0, share, 1.0).min(axis=1)
    mix = np.maximum(np.sin(np.clip(h, 0, np.pi) / 2), size[at[Change.MIX]] + error / 2)
    # shares that moved by m have an angle of at least 2 asin m, and at most 2 acos sqrt(rarest)
    mix = np.where((h < 2 * np.arccos(np.sqrt(rarest))) & (mix < 1 - rarest), mix, np.inf)
    out = np.concatenate([unit, within, moved, widened, mix[None]])
    return np.where(np.isnan(needed), np.inf, out)


def _floored(deviation: Floats) -> Floats:
    return np.maximum(deviation, np.sqrt(LEAST_VARIANCE))


def _moments(shares: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation of the scores, float64[..., channels]."""
    mean = (shares * scores).sum(axis=-1)
    return mean, np.sqrt(np.maximum((shares * scores**2).sum(axis=-1) - mean**2, 0.0))


def _scaled(counts: Floats, by: Floats) -> Floats:
    """Shares of channels whose normal score is ``by`` float64[k] times itself, float64[k, channels, width]."""
    upper = ndtri(np.clip(np.cumsum(shares_of(counts), axis=1), 0.0, 1.0))
    out: Floats = np.diff(ndtr(upper / by[:, None, None]), axis=-1, prepend=0.0)
    return out


def _inverse(values: Floats, needed: Floats) -> Floats:
    """Where ``values`` float64[STEPS, channels], which grow, reach ``needed`` float64[channels]; else inf."""
    by = _steps()
    grown = np.maximum.accumulate(values, axis=0)
    over = (grown < needed).sum(axis=0)
    seen = (over < len(by)) & ~np.isnan(needed)
    high, channel = np.clip(over, 1, len(by) - 1), np.arange(values.shape[1])
    below, above = grown[high - 1, channel], grown[high, channel]
    part = np.clip((needed - below) / np.maximum(above - below, 1e-12), 0, 1)
    return np.where(seen, by[high - 1] + part * (by[high] - by[high - 1]), np.inf)


def _related(learned: NaturalLearned, level: Limits, sizes: Floats, pace: Pace, *, page: bool) -> Iterator[Reach]:
    """What windows of relations show, as the part of the correlations that is lost."""
    if learned.relations is None:
        return
    channel = learned.scores.rows[learned.relations.rows]
    place = CHANGES.index(Change.RELATION)
    cell = pace.run(CELL_SECONDS, CELL_EVENTS, pace.pane)
    for scale, fitted, limit in zip(RELATION_SCALES, learned.related, level.related, strict=True):
        if fitted is None or limit is None:
            continue
        usual, noise = fitted.largest.mean, QUANTILE * fitted.largest.deviation
        left = np.minimum(limit, usual - sizes[place, channel])
        left = np.minimum(left, BROKEN) if page else left
        least = np.where(left > noise, usual - left + noise, np.inf)
        seconds = pace.run(scale.seconds, scale.events, cell) + 2 * cell
        yield _seen(np.full(len(channel), place), channel, least, seconds, 0, page=page)


__all__ = ("HORIZONS", "Pace", "Reach", "reach")
