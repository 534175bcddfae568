"""Causes of numbers that moved. Each rule asks for everything that its cause would leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Role
from driftd.core.fault_counters import LOG_UNIT
from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE
from driftd.core.text import plural
from driftd.judge.natural import features as f
from driftd.judge.natural.cause import Cause, Caused, Look
from driftd.judge.natural.moments import ONE_SIGN, Moments
from driftd.judge.natural.seen import LEAST

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

NEAR: Final = 0.35
"""How far the mean may lie from what a cause predicts, in deviations, beside three standard errors. Chosen: within two
hours the hour and the day move levels by less."""
DRIFT: Final = 0.25
"""The same in the reference's deviations, where values hardly vary within minutes. Chosen: the weather of two hours."""
DRIFT_HOUR: Final = 0.15
"""By how much more of them an hour. Chosen: a morning warms by a deviation of the month."""
ZEROS: Final = 0.1
"""How far a share of zeros may lie from another one, beside three standard errors. Chosen: rain comes and goes."""
ALIKE: Final = 1.35
"""Most that a deviation may differ from what is predicted, as a factor, beside three standard errors. Chosen: bursts
and campaigns narrow a channel by less."""
APART: Final = 3.0
"""By how many tolerances what is seen must lie from what was. Chosen: what a cause hardly changes does not show it."""
OTHER: Final = 1.25
"""The same of each of two channels that are swapped. Chosen: less, since four distances must say so."""
LATE: Final = 0.04
"""Share of the values that may be from before a change, whose start is an estimate. Chosen: two minutes of an hour."""
MIXED: Final = 0.2
"""Part of a distance that these add to a deviation. Derived: sqrt(q (1 - q)) of LATE."""
ROUGHLY: Final = 2.0
"""Tolerances within which a channel may have become another one, so that no unit is claimed. Chosen: twice as many as a
swap that is told may be away."""
EMPTY: Final = 0.002
"""Most of the values that may lie beyond a cut. Chosen: late events from before it."""
CUT: Final = 0.06
"""Least share of the values that must have lain beyond a cut. Chosen: more than one bin of twenty; what is less is the
end of a tail, which moves by itself."""
CUT_VALUES: Final = 20.0
"""Values expected beyond a cut. Chosen: the tail of a level that moved by half a deviation still has four."""
ATOM: Final = 0.6
"""Most of what lay beyond a cut that may have lain in one bin. Chosen: else one value became another."""
PILED: Final = (0.25, 2.5)
"""Least and most of what lay beyond a cut that must have come to its bin. Chosen: the hour moves what lies beyond."""
SPIKE: Final = 2.5
"""By which factor the bin of a cut must stand out from the next ones. Chosen: a level that moved makes no step."""
REST: Final = 0.12
"""Share of the values that may have moved between the bins that no cut reaches, beside chance. Chosen: an hour moves as
many."""
PAIRS: Final = 6.0
"""Neighbours that a cut makes equal from which on they are looked for. Chosen: with fewer chance decides."""
REPEATS: Final = 0.4
"""Part of these that must be equal. Chosen: two standard errors of PAIRS."""
STEPS: Final = 6
"""Hops of two hours or more over which numbers move slowly. Chosen: half a day."""
FAR: Final = 0.8
"""Least way of the mean in that time, in the reference's deviations. Chosen: more than days and hours move what has no
hours of its own."""
LARGEST: Final = 0.5
"""Largest part of the way that one step may be. Chosen: of what came at once a hop has nearly all, or two a half."""
BETTER: Final = 1.6
"""Times as many squares as a line that the best single step must leave. Measured: of means that stepped, each with an
error of .15 deviations, 2 in 1,000 are a line by these two; of those that climbed by 1.33 four in five, by 2 most."""
STILL: Final = 0.95
"""Share of the values in one bin from which on nothing is cut: it stands still. Chosen: as little as a cut leaves."""
ALL: Final = 0.95
"""Share of the values that must have what a cause gives to all. Chosen: late events from before it."""
CELSIUS: Final = (-90.0, 60.0)
"""What is read as degrees Celsius. Derived: the coldest and the hottest air ever measured."""
KELVIN: Final = 273.15
"""Derived: 0 degrees Celsius."""
FAHRENHEIT: Final = (1.8, 32.0)
"""Derived: degrees Fahrenheit are 1.8 C + 32."""
FACTORS: Final = (*(10.0**k for k in range(1, 10)), 24.0, 60.0, 3600.0, 86400.0)
"""Factors between units. Chosen: decimal ones, and those of time."""
ROUND: Final = 0.15
"""How far ln of a factor may lie from that of a known one, beside two standard errors. Chosen: the hour moves sizes by
as much."""
NARROW: Final = 1.5
"""Deviations that the least and the greatest number are apart at least. Derived: of 20 normal values they are nearer
once in 10,000 times."""
COARSE: Final = 8 * LOG_UNIT
"""Deviation of logarithms from which on they tell a channel. Derived: each is rounded to LOG_UNIT."""
DAY_HOURS: Final = 24
"""Derived."""
HOUR: Final = 3600.0
"""Seconds. Derived."""
CLOCK: Final = 0.35
"""Share of the reference's values that lie in the bins of their hour where a channel is a clock. Chosen: half of each
hour's shares are those of the hours beside it (natural.slots); of the wind a tenth lie there."""
MOST: Final = 0.95
"""Share of an hour's values that a shift must explain. Chosen: a few come late."""
WHOLE: Final = 1e-3
"""How far an edge may lie from a whole number where hours have no minutes. Derived: edges lie above values by less."""
NEAREST: Final = 0.35
"""Hours that a mean may lie from that of a shifted clock. Chosen: less than half of the distance to the next."""
MINUTE: Final = 60.0
"""Seconds. Derived."""
MOST_HOURS: Final = 12
"""Hours of a stretch that tells which hour is shown. Chosen: half a day; a whole one shows all hours."""


class _Conversion(NamedTuple):
    """y = factor x + offset, of a reference that lies in ``low`` to ``high``."""

    detail: str
    factor: float
    offset: float
    low: float
    high: float


def _temperatures() -> Iterator[_Conversion]:
    (low, high), (factor, offset) = CELSIUS, FAHRENHEIT
    yield _Conversion("C to F", factor, offset, low, high)
    yield _Conversion("F to C", 1 / factor, -offset / factor, low * factor + offset, high * factor + offset)
    yield _Conversion("C to K", 1.0, KELVIN, low, high)
    yield _Conversion("K to C", 1.0, -KELVIN, low + KELVIN, high + KELVIN)


CONVERSIONS: Final = tuple(_temperatures())
"""Derived: of CELSIUS, FAHRENHEIT and KELVIN."""


def of_numbers(look: Look, channel: int) -> list[Caused]:
    """What explains numbers that moved, each rule by itself."""
    then, now = look.then, look.now
    hours, swapped, cut = _hours(look, channel), _swapped(look, channel, then, now), _clipped(look, channel)
    units = [Caused(Cause.UNIT, c.detail) for c in CONVERSIONS if _converted(look, channel, then, now, c)]
    later = f"{abs(hours)} {plural('hour', abs(hours))} {'later' if hours > 0 else 'earlier'}"
    return [
        *([Caused(Cause.SWAPPED, f"with {swapped}")] if swapped else []),
        *([Caused(Cause.SIGN)] if _sign(look, channel, then, now) else []),
        *([] if _taken(look, channel, then, now, ROUGHLY) else units),
        *([Caused(Cause.CLIPPED, cut)] if cut else []),
        *([Caused(Cause.HOURS, later)] if hours else []),
        *([Caused(Cause.GRADUAL)] if _gradual(look, channel) else []),
    ]


def of_factor(look: Look, channel: int) -> list[Caused]:
    """A unit by its factor: one between units, and no other one, is what sizes have been multiplied by; as many numbers
    are 0 as were, and the spread has the same factor.
    """
    then, now = look.then, look.now
    if _clock(look, channel) is not None or _taken(look, channel, then, now, ROUGHLY):
        return []  # hours are no unit, and it may have become another channel
    n, m = now.n[channel], then.n[channel]
    if np.isfinite(now.log[channel]) and np.isfinite(then.log[channel]):
        moved = now.log[channel] - then.log[channel]
        error = then.log_deviation[channel] * np.sqrt(1 / n + 1 / m)
        alike = float(_ratio(now.log_deviation[channel], then.log_deviation[channel], n, m))
    else:
        moved = np.log(now.mean[channel] / then.mean[channel])
        error = np.abs(then.deviation[channel] / then.mean[channel]) * np.sqrt(1 / n + 1 / m)
        known = np.isfinite(now.deviation[channel])  # else it is too small to be told
        alike = float(_ratio(now.deviation[channel], np.exp(moved) * then.deviation[channel], n, m)) if known else 0.0
    near = [k for k in FACTORS if abs(abs(moved) - np.log(k)) <= ROUND + 2 * error]
    if (
        len(near) != 1
        or _narrow(look, channel, then, moved)
        or not max(alike, _zeros(now, channel, then, channel)) <= 1
    ):
        return []
    return [Caused(Cause.UNIT, f"{'x' if moved > 0 else '/'} {near[0]:,.10g}")]


def _narrow(look: Look, channel: int, then: Moments, moved: float) -> bool:
    """Whether the least and the greatest number are nearer to each other than a factor leaves them. A few values from
    before the change, far away, make a deviation as wide as it would; these two are of after it alone.
    """
    least, most = look.extremes[channel]
    if not least <= most:
        return False
    if np.isfinite(then.log_deviation[channel]):
        return bool(least * most > 0 and abs(np.log(most / least)) < NARROW * then.log_deviation[channel])
    return bool(most - least < NARROW * np.exp(moved) * then.deviation[channel])


def _ratio(seen: float, expected: float | Floats, n: float, m: float) -> Floats:
    """How far two deviations are from each other: 1 is as far as they may differ."""
    tolerance = np.log(ALIKE) + 3 * np.sqrt(0.5 / n + 0.5 / m)
    return np.asarray(np.abs(np.log(seen / np.asarray(expected))) / tolerance)


def _zeros(a: Moments, i: int, b: Moments, j: int) -> float:
    """The same of the shares of zeros, which no unit changes."""
    tolerance = ZEROS + 3 * 0.5 * np.sqrt(1 / a.n[i] + 1 / b.n[j])
    return float(np.nan_to_num(np.abs(a.zeros[i] - b.zeros[j]) / tolerance))  # a reference does not say


def _distance(a: Moments, i: int, b: Moments, j: int, *, sizes: bool, late: float = LATE) -> float:
    """How far the numbers of channel ``i`` in ``a`` are from those of ``j`` in ``b``, in what may be: the worst of what
    both tell, NaN where that is too little. ``sizes``: both have one sign, so their logarithms say it. A share of the
    numbers, ``late`` at most, may be of ``i`` in ``b``: as many as explain mean and deviation together.
    """
    sizes = bool(sizes and a.log_deviation[i] >= COARSE and b.log_deviation[j] >= COARSE)  # NaN: not told
    mean, level = (a.log[i], b.log) if sizes else (a.mean[i], b.mean)
    deviation, usual = (a.log_deviation[i], b.log_deviation[j]) if sizes else (a.deviation[i], b.deviation[j])
    tolerance, apart = usual * (NEAR + 3 * np.sqrt(1 / a.n[i] + 1 / b.n[j])), level[i] - level[j]
    wider = (deviation**2 - usual**2) / apart**2
    some = np.array([0.0, (mean - level[j]) / apart, (1 - np.sqrt(max(1 - 4 * wider, 0.0))) / 2])
    q = np.clip(np.nan_to_num(some), 0.0, late)
    q = q if np.isfinite(apart) else np.zeros(1)
    off = np.abs(mean - level[j] - q * np.nan_to_num(apart)) / tolerance
    if np.isfinite(deviation):  # else it is too small to be told beside the channel's own
        expected = np.sqrt(usual**2 + q * (1 - q) * np.nan_to_num(apart) ** 2)
        off = np.maximum(off, _ratio(deviation, expected, a.n[i], b.n[j]))
    return float(np.maximum(off.min(), _zeros(a, i, b, j)))


def _swapped(look: Look, channel: int, then: Moments, now: Moments) -> str:
    """The one feature that shows what the channel was, and the other way round; "" for none, or several."""
    if channel not in _features(look) or not _apart(look, channel, channel, then, now) > OTHER:
        return ""
    found = [i for i in _taken(look, channel, then, now) if _apart(look, i, channel, then, now) <= 1]
    return look.reference.channels[found[0]].name if len(found) == 1 else ""


def _taken(look: Look, channel: int, then: Moments, now: Moments, most: float = 1.0) -> list[int]:
    """The features that have changed, and that the channel looks like now as they were: ``most`` tolerances away."""
    others = (i for i in _features(look) if i != channel and _apart(look, i, i, then, now) > OTHER)
    return [i for i in others if _apart(look, channel, i, then, now, LATE * most) <= most]


def _features(look: Look) -> list[int]:
    return [i for i, c in enumerate(look.reference.channels) if c.role is Role.FEATURE and look.reference.numeric[i]]


def _apart(look: Look, i: int, j: int, then: Moments, now: Moments, late: float = LATE) -> float:
    """How far what ``i`` shows is from what ``j`` showed."""
    a, b = look.learned.negative[i], look.learned.negative[j]
    positive, negative = max(a, b) <= ONE_SIGN, min(a, b) >= 1 - ONE_SIGN
    return _distance(now, i, then, j, sizes=positive or negative, late=late)


def _sign(look: Look, channel: int, then: Moments, now: Moments) -> bool:
    """All numbers that had one sign have the other, and their sizes are as they were."""
    if look.learned.traits.timely[channel]:
        return False  # degrees pass through 0 by themselves
    since, negative = look.seen.since[channel], look.learned.negative[channel]
    edges, some = look.reference.bins[channel].edges, max(int(since[f.NONZERO]), 1)
    last = look.reference.bins[channel].used - 1
    if negative <= ONE_SIGN and edges[0] >= -np.finfo(float).tiny:
        other = since[f.FEATURES + FIRST_VALUE]
    elif negative >= 1 - ONE_SIGN and edges[-1] <= 0:
        other = since[f.FEATURES + last]
    else:
        tolerance = look.reference.scale[channel] * DRIFT + 3 * now.deviation[channel] / np.sqrt(now.n[channel])
        moved = np.abs(now.mean[channel] + then.mean[channel])
        apart = np.abs(now.mean[channel] - then.mean[channel])
        alike = _ratio(now.deviation[channel], then.deviation[channel], now.n[channel], then.n[channel]) <= 1
        return bool(moved <= tolerance and apart > APART * tolerance and alike)
    # beyond the reference's end a number may have its sign still
    turned = now.mean[channel] * then.mean[channel] < 0
    return bool(turned and other >= ALL * some and _distance(now, channel, then, channel, sizes=True) <= 1)


def _converted(look: Look, channel: int, then: Moments, now: Moments, c: _Conversion) -> bool:
    """What was x is factor x + offset."""
    edges, scale = look.reference.bins[channel].edges, float(look.reference.scale[channel])
    if not (c.low <= edges[0] and edges[-1] <= c.high):
        return False
    n, m = now.n[channel], then.n[channel]
    chance = np.sqrt((now.deviation[channel] ** 2 / n) + (c.factor * then.deviation[channel]) ** 2 / m)
    hours = (sum(look.seen.now) - sum(look.seen.then)) / 2 / HOUR
    tolerance = (DRIFT + DRIFT_HOUR * hours) * c.factor * scale + 3 * chance
    off = np.abs(now.mean[channel] - (c.factor * then.mean[channel] + c.offset))
    apart = np.abs(now.mean[channel] - then.mean[channel])
    least = c.factor * then.deviation[channel] / (ALIKE * np.exp(3 * np.sqrt(0.5 / n + 0.5 / m)))
    # a few values from before the change, far away, widen it
    alike = least <= now.deviation[channel] <= c.factor * then.deviation[channel] * ALIKE + MIXED * apart
    return bool(off <= tolerance and apart > APART * tolerance and alike)


class _Cut(NamedTuple):
    """``at``: the bin that holds what lay beyond, counted from the cut's end; ``gone``: how much that was; ``share`` of
    the values in the bin.
    """

    at: int
    gone: float
    share: float


def _clipped(look: Look, channel: int) -> str:
    """``above 500``, ``below 3 and above 500``: nothing lies beyond, and what did is at the edge, so many are equal and
    the mean is near it; "".
    """
    reference, seen = look.reference, look.seen
    used = reference.bins[channel].used
    counts = seen.since[channel, f.FEATURES + FIRST_VALUE : f.FEATURES + used].astype(np.float64)
    usual, n = seen.expected[channel, FIRST_VALUE:used], counts.sum()
    if look.learned.traits.timely[channel]:
        before = seen.before[channel, f.FEATURES + FIRST_VALUE : f.FEATURES + used]
        usual = before / max(before.sum(), 1)
    if n < LEAST or counts.max() >= STILL * n or look.learned.traits.repetitive[channel]:
        return ""  # what repeats by itself is equal without a cut
    below, above = _cut(counts, usual), _cut(counts[::-1], usual[::-1])
    equal = n * sum(cut.share**2 for cut in (below, above) if cut is not None)
    repeats = equal >= PAIRS and seen.since[channel, f.REPEATED] >= REPEATS * equal
    low, high = (0 if cut is None else cut.at + 1 for cut in (below, above))
    if not repeats or not _rest(counts, usual, low, high):
        return ""
    mean, (least, most) = float(look.now.mean[channel]), look.extremes[channel]
    span, parts = most - least, []
    slack = 3 * min(float(reference.scale[channel]), span) / np.sqrt(n)
    if below is not None and _holds(reference, channel, below.at, least):
        parts += [f"below {least:.6g}"] if mean <= least + (1 - below.gone) * span + slack else []
    if above is not None and _holds(reference, channel, len(counts) - 1 - above.at, most):
        parts += [f"above {most:.6g}"] if mean >= most - (1 - above.gone) * span - slack else []
    return " and ".join(parts)


def _cut(counts: Floats, usual: Floats) -> _Cut | None:
    """The first bin that has values, where those that should lie before it have come to it; None: no cut."""
    n = counts.sum()
    at = int(np.argmax(np.cumsum(counts) > EMPTY * n))
    gone, beside = float(usual[:at].sum()), slice(at + 1, at + 3)
    if gone < CUT or gone * n < CUT_VALUES or usual[:at].max() > ATOM * gone or not usual[beside].size:
        return None
    piled = float(counts[at] / n - usual[at])
    noise = 3 * np.sqrt(max(usual[at], 1 / n) / n)
    stands = counts[at] > SPIKE * usual[at] / max(usual[beside].mean(), 1 / n) * counts[beside].mean()
    real = max(PILED[0] * gone, noise) <= piled <= PILED[1] * gone + noise
    return _Cut(at, gone, float(counts[at] / n)) if stands and real else None


def _rest(counts: Floats, usual: Floats, low: int, high: int) -> bool:
    """Whether the bins but the lowest and highest so many have the shares that they had."""
    part = slice(low, len(counts) - high)
    n, k = max(counts.sum(), 1.0), max(len(counts) - high - low, 1)
    moved = np.abs(counts[part] / n - usual[part]).sum() / 2
    return bool(moved <= REST + np.sqrt(k / n) / 2)


def _holds(reference: Reference, channel: int, at: int, value: float) -> bool:
    """Whether the value is known and lies in the bin ``at``."""
    return bool(np.isfinite(value) and reference.bins[channel].place(np.array([value]))[0] == at + FIRST_VALUE)


def _hours(look: Look, channel: int) -> int:
    """By how many hours an hour of the day is shifted, -11 to 12; 0 where it is not, or none is shown."""
    usual, since = _clock(look, channel), _shift(look, channel)
    if usual is None or since is None:
        return 0
    hours = (since - usual) % DAY_HOURS
    return hours - DAY_HOURS if hours > DAY_HOURS / 2 else hours


def _clock(look: Look, channel: int) -> int | None:
    """By how many hours the clock of the reference is shifted that the channel shows; None where it shows none."""
    edges, slots = look.reference.bins[channel].edges, look.learned.slots.shares[:DAY_HOURS, channel]
    in_day = edges[0] > -1 and MOST_HOURS < edges[-1] <= DAY_HOURS
    if not (in_day and look.learned.traits.timely[channel] and len(slots) == DAY_HOURS):
        return None
    shown = [
        sum(slots[h, _bins(look.reference, channel, np.array([h, h + 0.5]) + k)].sum() for h in range(DAY_HOURS))
        for k in range(DAY_HOURS)
    ]
    best = int(np.argmax(shown))
    return best if shown[best] >= CLOCK * slots.sum() else None


def _gradual(look: Look, channel: int) -> bool:
    """Whether the mean has moved one way for hours, in no single step."""
    path = look.seen.path[:, channel]
    return not look.learned.traits.timely[channel] and any(_ramp(path[-n:]) for n in range(STEPS + 1, len(path) + 1))


def _ramp(path: Floats) -> bool:
    """Whether a straight line fits the means of hops better than one step at any place would."""
    at = np.arange(len(path), dtype=np.float64)
    slope, level = np.polyfit(at, path, 1)
    moved, largest = np.abs(slope) * at[-1], (np.sign(slope) * np.diff(path)).max()
    below, n = np.cumsum(path)[:-1], at[1:]
    step = (path**2).sum() - (below**2 / n + (path.sum() - below) ** 2 / (len(path) - n)).max()
    line = ((path - level - slope * at) ** 2).sum()
    return bool(moved >= FAR and step >= BETTER * line and largest <= LARGEST * moved)


def _shift(look: Look, channel: int) -> int | None:
    """By how many hours, 0 to 23, the clock is shifted that shows this mean; None where that is not clear, or the day
    of that clock turns within the stretch.
    """
    seen, mean = look.seen, float(look.now.mean[channel])
    if not 0 < seen.now[1] - seen.now[0] <= MOST_HOURS * HOUR or not np.isfinite(mean):
        return None
    hours = [np.arange(start, end, MINUTE) / HOUR for start, end, _ in seen.parts]
    off = np.full(DAY_HOURS, np.inf)
    for k in range(DAY_HOURS):
        shown = [_shown(look.reference, channel, h + k) for h in hours]
        if max(x.max() for x in shown) - min(x.min() for x in shown) <= MOST_HOURS:
            off[k] = np.abs(mean - np.average([x.mean() for x in shown], weights=seen.parts[:, 2]))
    best = int(np.argmin(off))
    counts, bins = seen.since[channel, f.FEATURES :], _bins(look.reference, channel, np.concatenate(hours) + best)
    most = counts[bins].sum() >= MOST * counts[FIRST_VALUE:].sum()
    return best if off[best] <= NEAREST and most else None


def _shown(reference: Reference, channel: int, hours: Floats) -> Floats:
    """What a clock shows: some have the minutes in it, others none."""
    edges = reference.bins[channel].edges
    whole = np.abs(edges - np.rint(edges)).max() < WHOLE
    return (np.floor(hours) if whole else hours) % DAY_HOURS


def _bins(reference: Reference, channel: int, hours: Floats) -> NDArray[np.intp]:
    """The bins that these hours of the day fall into, each once."""
    return np.unique(reference.bins[channel].place(_shown(reference, channel, hours)))
