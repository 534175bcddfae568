"""Causes of numbers that moved. Each rule asks for everything that its cause would leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Role
from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE
from driftd.core.text import plural
from driftd.judge.natural import features as f
from driftd.judge.natural.cause import Cause, Caused, Look
from driftd.judge.natural.moments import ONE_SIGN, Moments
from driftd.judge.natural.seen import LEAST, Span

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
MIXED: Final = 0.2
"""Part of a distance that values from before a change add to a deviation. Derived: sqrt(q (1 - q)) of 4 % of them."""
EMPTY: Final = 0.002
"""Most of the values that may lie beyond a cut. Chosen: late events from before it."""
CUT: Final = 0.06
"""Least share of the values that must have lain beyond a cut. Chosen: more than one bin of twenty; what is less is the
end of a tail, which moves by itself."""
CUT_VALUES: Final = 20.0
"""Values expected beyond a cut. Chosen: the tail of a level that moved by half a deviation still has four."""
ATOM: Final = 0.7
"""Most of what lay beyond a cut that may have lain in one bin. Chosen: else one value became another."""
PILED: Final = (0.6, 1.5)
"""Least and most of what lay beyond a cut that must have come to its bin. Chosen: shares of both are known to a third.
"""
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
ROUND: Final = 0.1
"""How far ln of a factor may lie from that of a known one. Chosen: half of the least distance between two of them."""
DAY_HOURS: Final = 24
"""Derived."""
HOUR: Final = 3600.0
"""Seconds. Derived."""
MOST: Final = 0.8
"""Share of an hour's values that a shift must explain. Chosen: the start of a change is known to half an hour."""
CLEAR: Final = 0.1
"""By how much more of the values a shift must explain than any other. Chosen: two standard errors of a hundred values.
"""
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


def factor_in_words(factor: float) -> str:
    """``x 100``, ``/ 60``; "" of what is no factor between units."""
    size = np.log(max(factor, 1 / factor))
    known = next((k for k in FACTORS if abs(size - np.log(k)) <= ROUND), None)
    return "" if known is None else f"{'x' if factor >= 1 else '/'} {known:,.10g}"


def of_numbers(look: Look, channel: int) -> list[Caused]:
    """What explains numbers that moved, each rule by itself."""
    then, now = look.moments(look.seen.before), look.moments(look.seen.since)
    hours, swapped, cut = _hours(look, channel), _swapped(look, channel, then, now), _clipped(look, channel)
    later = f"{abs(hours)} {plural('hour', abs(hours))} {'later' if hours > 0 else 'earlier'}"
    return [
        *([Caused(Cause.SWAPPED, f"with {swapped}")] if swapped else []),
        *([Caused(Cause.SIGN)] if _sign(look, channel, then, now) else []),
        *(Caused(Cause.UNIT, c.detail) for c in CONVERSIONS if _converted(look, channel, then, now, c)),
        *([Caused(Cause.CLIPPED, cut)] if cut else []),
        *([Caused(Cause.HOURS, later)] if hours else []),
    ]


def of_factor(look: Look, channel: int, factor: float) -> list[Caused]:
    """A unit by its factor (kinds.kind_of), where that lies between units, as many numbers are 0 as were, and the
    spread has the same factor.
    """
    text = "" if _is_hour(look, channel) else factor_in_words(factor)
    then, now = look.moments(look.seen.before), look.moments(look.seen.since)
    parts, n, m = [_zeros(now, channel, then, channel)], now.n[channel], then.n[channel]
    if np.isfinite(now.log[channel]) and np.isfinite(then.log[channel]):
        parts.append(_ratio(now.log_deviation[channel], then.log_deviation[channel], n, m))
    elif np.isfinite(now.deviation[channel]):
        parts.append(_ratio(now.deviation[channel], factor * then.deviation[channel], n, m))
    return [Caused(Cause.UNIT, text)] if text and np.max(parts) <= 1 else []


def _near(a: Moments, i: int, b: Moments, j: int, *, sizes: bool) -> float:
    """How far the mean of channel ``i`` in ``a`` lies from that of ``j`` in ``b``, in what chance and the hour explain;
    of the logarithms where ``sizes`` are compared.
    """
    chance = 3 * np.sqrt(1 / a.n[i] + 1 / b.n[j])
    seen, usual, deviation = (a.log, b.log, b.log_deviation) if sizes else (a.mean, b.mean, b.deviation)
    return float(np.abs(seen[i] - usual[j]) / (deviation[j] * (NEAR + chance)))


def _ratio(seen: float, expected: float, n: float, m: float) -> float:
    """The same of two deviations: 1 is as far as they may differ."""
    tolerance = np.log(ALIKE) + 3 * np.sqrt(0.5 / n + 0.5 / m)
    return float(np.abs(np.log(seen / expected)) / tolerance)


def _zeros(a: Moments, i: int, b: Moments, j: int) -> float:
    """The same of the shares of zeros, which no unit changes."""
    tolerance = ZEROS + 3 * 0.5 * np.sqrt(1 / a.n[i] + 1 / b.n[j])
    return float(np.abs(a.zeros[i] - b.zeros[j]) / tolerance)


def _distance(a: Moments, i: int, b: Moments, j: int, *, sizes: bool) -> float:
    """How far the numbers of channel ``i`` in ``a`` are from those of ``j`` in ``b``, in what may be: the worst of what
    both tell, NaN where that is too little. ``sizes``: both have one sign, so their logarithms say it.
    """
    sizes = bool(sizes and np.isfinite(a.log[i]) and np.isfinite(b.log[j]))
    parts = [_zeros(a, i, b, j), _near(a, i, b, j, sizes=sizes)]
    seen, usual = (a.log_deviation, b.log_deviation) if sizes else (a.deviation, b.deviation)
    if np.isfinite(seen[i]):  # else it is too small to be told beside the channel's own
        parts.append(_ratio(seen[i], usual[j], a.n[i], b.n[j]))
    return float(np.max(parts))


def _swapped(look: Look, channel: int, then: Moments, now: Moments) -> str:
    """The one feature that shows what the channel was, and the other way round; "" for none, or several."""
    reference, negative = look.reference, look.learned.negative
    features = [i for i, c in enumerate(reference.channels) if c.role is Role.FEATURE and reference.numeric[i]]
    if channel not in features:
        return ""
    one = (negative <= ONE_SIGN) | (negative >= 1 - ONE_SIGN)

    def apart(i: int, j: int) -> float:
        same = bool(one[i] and one[j] and (negative[i] < ONE_SIGN) == (negative[j] < ONE_SIGN))
        return _distance(now, i, then, j, sizes=same)

    if not apart(channel, channel) > OTHER:
        return ""
    found = [
        i
        for i in features
        if i != channel and apart(i, i) > OTHER and apart(channel, i) <= 1 and apart(i, channel) <= 1
    ]
    return reference.channels[found[0]].name if len(found) == 1 else ""


def _sign(look: Look, channel: int, then: Moments, now: Moments) -> bool:
    """All numbers that had one sign have the other, and their sizes are as they were."""
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
    return bool(other >= ALL * some and _distance(now, channel, then, channel, sizes=True) <= 1)


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


def _clipped(look: Look, channel: int) -> str:
    """``above 500``, ``below 3 and above 500``: no values beyond, and those that were there are at the edge, so the
    mean is as near to it as they make it; "".
    """
    reference, learned, seen = look.reference, look.learned, look.seen
    first, last = f.FEATURES + FIRST_VALUE, f.FEATURES + reference.bins[channel].used
    counts = seen.since[channel, first:last].astype(np.float64)
    usual = seen.expected[channel, FIRST_VALUE : reference.bins[channel].used]
    if learned.traits.timely[channel]:
        before = seen.before[channel, first:last]
        usual = before / max(before.sum(), 1)
    n = counts.sum()
    if n < LEAST or counts.max() >= STILL * n:
        return ""
    now = look.moments(seen.since)
    mean, (low, high) = float(now.mean[channel]), look.extremes
    slack = 3 * reference.scale[channel] / np.sqrt(n)
    below, above = _cut(counts, usual, n), _cut(counts[::-1], usual[::-1], n)
    parts = []
    if below is not None and _holds(reference, channel, below[0], low):
        if mean > low + (1 - below[1]) * (high - low) + slack:
            return ""
        parts.append(f"below {low:.6g}")
    if above is not None and _holds(reference, channel, len(counts) - 1 - above[0], high):
        if mean < high - (1 - above[1]) * (high - low) - slack:
            return ""
        parts.append(f"above {high:.6g}")
    return " and ".join(parts)


def _cut(counts: Floats, usual: Floats, n: float) -> tuple[int, float] | None:
    """The bin from which on there are values, where those that should lie before it have come to it, and the share of
    these; None: no cut.
    """
    beyond = np.cumsum(counts)
    at = int(np.argmax(beyond > EMPTY * n))
    gone = float(usual[:at].sum())
    if gone < CUT or gone * n < CUT_VALUES or usual[:at].max() > ATOM * gone:
        return None
    piled = counts[at] / n - usual[at]
    noise = 3 * np.sqrt(max(usual[at], 1 / n) / n)
    return (at, gone) if max(PILED[0] * gone, noise) <= piled <= PILED[1] * gone + noise else None


def _holds(reference: Reference, channel: int, at: int, value: float) -> bool:
    """Whether the value is known and lies in the bin ``at``."""
    return bool(np.isfinite(value) and reference.bins[channel].place(np.array([value]))[0] == at + FIRST_VALUE)


def _hours(look: Look, channel: int) -> int:
    """By how many hours an hour of the day is shifted, -11 to 12; 0 where it is not, or none is shown."""
    reference = look.reference
    if not _is_hour(look, channel):
        return 0
    since = _shift(reference, channel, look.seen.since[channel], look.seen.now)
    slots = look.learned.slots.shares[:, channel]
    if since is None or len(slots) < DAY_HOURS:
        return 0
    usual = [
        sum(slots[h, _bins(reference, channel, np.array([h, h + 0.5]) + k)].sum() for h in range(DAY_HOURS))
        for k in range(DAY_HOURS)
    ]
    hours = (since - int(np.argmax(usual))) % DAY_HOURS
    return hours - DAY_HOURS if hours > DAY_HOURS / 2 else hours


def _is_hour(look: Look, channel: int) -> bool:
    """Whether the channel may be the hour of the day."""
    edges = look.reference.bins[channel].edges
    return bool(look.learned.traits.timely[channel] and edges[0] > -1 and MOST_HOURS < edges[-1] <= DAY_HOURS)


def _shift(reference: Reference, channel: int, counters: Counts, span: Span) -> int | None:
    """By how many hours, 0 to 23, the hours of ``span`` are shifted to show what was counted; None where that is not
    clear.
    """
    counts = counters[f.FEATURES :]
    total = counts[FIRST_VALUE:].sum()
    if total < LEAST or not 0 < span[1] - span[0] <= MOST_HOURS * HOUR:
        return None
    hours = np.arange(span[0], span[1], MINUTE) / HOUR
    shown = [counts[_bins(reference, channel, hours + k)].sum() / total for k in range(DAY_HOURS)]
    second, most = np.sort(shown)[-2:]
    return int(np.argmax(shown)) if most >= MOST and most - second >= CLEAR else None


def _bins(reference: Reference, channel: int, hours: Floats) -> NDArray[np.intp]:
    """The bins that the hours of the day fall into, each once; some have the minutes in them, others none."""
    return np.unique(reference.bins[channel].place(np.concatenate([hours, np.floor(hours)]) % DAY_HOURS))
