"""What kind of fault it is: a name from a fixed set, from the change that was seen and what has come since."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.fault_counters import LOG_UNIT
from driftd.core.summary import MOMENT_UNIT
from driftd.judge.natural import features as f
from driftd.judge.natural.changes import CHANGES, SIZES, Change
from driftd.judge.natural.learned import SCALES, NaturalLearned
from driftd.judge.natural.shapes import STATISTICS

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Shares = tuple[tuple[float, ...], tuple[float, ...]]


class Kind(StrEnum):
    """In the order in which they explain each other: a feature that is missing is also a mix that moved."""

    MISSING = "missing"
    REFUSED = "refused"
    FROZEN = "frozen"
    ERRORS = "errors"
    UNIT = "unit"
    RENAMED = "renamed"
    NEW_VALUE = "new_value"
    RANGE = "range"
    JOINT = "joint"
    SPREAD = "spread"
    LEVEL = "level"
    GRADUAL = "gradual"
    MIX = "mix"
    LATENCY_P50 = "latency_p50"
    LATENCY_P99 = "latency_p99"
    UNKNOWN = "unknown"


KINDS: Final = tuple(Kind)
"""Derived: every kind, in the order of Kind."""
_BY_CHANGE: Final = {
    Change.MISSING: Kind.MISSING,
    Change.REFUSED: Kind.REFUSED,
    Change.FAR: Kind.RANGE,
    Change.FROZEN: Kind.FROZEN,
    Change.NEW: Kind.RANGE,
    Change.HOT: Kind.NEW_VALUE,
    Change.LOW: Kind.LEVEL,
    Change.HIGH: Kind.LEVEL,
    Change.ERRORS: Kind.ERRORS,
    Change.UNIT: Kind.UNIT,
    Change.WITHIN: Kind.SPREAD,
    Change.LEVEL: Kind.LEVEL,
    Change.SPREAD: Kind.SPREAD,
    Change.MIX: Kind.MIX,
    Change.RELATION: Kind.JOINT,
}
"""What a change is called where nothing explains it better. Chosen: the words of findings and runbooks."""
_NUMBERS: Final = (Kind.UNIT, Kind.RANGE, Kind.LEVEL, Kind.SPREAD, Kind.MIX)
"""Kinds of numbers that another unit explains. Derived: a factor moves range, level, spread and mix."""

QUANTILES: Final[dict[str, str]] = {Kind.LATENCY_P50: "p50", Kind.LATENCY_P99: "p99"}
"""Kinds whose value is a quantile in seconds, and its name. Derived: their own names."""
SHAPES: Final = (Kind.LEVEL, Kind.SPREAD, Kind.MIX)
"""Kinds that only shares of the bins show. Derived: no value is wrong in any of them."""
_SHARES: Final = {
    Kind.MISSING: (f.NULLS, f.EVENTS, Change.MISSING),
    Kind.REFUSED: (f.REFUSED, f.EVENTS, Change.REFUSED),
    Kind.FROZEN: (f.REPEATED, f.LIVE, Change.FROZEN),
    Kind.ERRORS: (f.HIGH, f.LIVE, Change.ERRORS),
    Kind.RENAMED: (f.NEW, f.LIVE, Change.NEW),
    Kind.NEW_VALUE: (f.NEW, f.LIVE, Change.NEW),
    Kind.RANGE: (f.NEW, f.LIVE, Change.NEW),
    Kind.GRADUAL: (f.NEW, f.LIVE, Change.NEW),
}
"""The share that a kind is about: hits, of what, and the change whose usual size it has. Derived: as shapes.RATES."""

ONE_WAY: Final = 0.8
"""Part of what moved between the bins of numbers that moved one way, from which on it is a level. Chosen: nine tenths
against one.
"""
LEAST_SQUARE: Final = 1e-12
"""Derived: no quotient is by 0."""
LARGEST_LOG: Final = 700.0
"""Derived: e to the power of it is still a float."""
LEAST: Final = 8
"""Values since the change below which only the change itself names it. Chosen: a tick holds as many."""
CLEAR: Final = 0.3
"""Share of missing or of refused values that names the fault, whichever change came first. Measured: set on the open
seeds 11, 12 and 13 of tests/quality/everyday.
"""
STANDING: Final = 0.7
"""Share of repeats that is called frozen, likewise. Measured: as CLEAR."""
ONE_VALUE: Final = 0.95
"""Share of repeats from which on an unseen category is one in place of all others, not their new name. Chosen: of two
categories the rarer has hardly a twentieth then."""
FACTOR: Final = 5.0
"""Least factor of a change of unit. Chosen: seconds, cents and kilobytes are more; pounds (2.2) and feet (3.3) are
changes of level.
"""
ALIKE: Final = 1.6
"""Most that the spread of the logarithms may have changed, as a factor, beside two standard errors. Measured: as CLEAR;
a unit leaves it as it is.
"""
CONSTANT: Final = 1.25
"""The same of a factor that is no power of ten. Chosen: a season moves levels and spreads alike, and is no unit."""
MIXED: Final = 0.45
"""What values from before the change add to the spread, as a part of the change, where the newest are too few. Chosen:
a mixture of parts q and 1 - q has sqrt(q (1 - q)) of their distance, .4 for a fifth and .5 for a half.
"""
ROUND: Final = 0.15
"""How far ln of a factor may lie from that of a power of ten that explains it, beside two standard errors. Chosen: the
hour moves amounts by so much; wrong units are nearly always powers of ten.
"""
WANDERED: Final = 1.0
"""How far ln of the level before a change may lie from the reference's for a power of ten between the two to be told.
Chosen: a level that has tripled is a change of its own."""
HOP: Final = SCALES[0].hop_events
"""Values that the level before a change is known from. Derived: a hop's events (learned.SCALES)."""
ABOUT: Final = 0.7
"""How far it may lie from one that is told in its place, however few the values. Chosen: half and twice as much; of a
factor of 30 neither 10 nor 100 may be said.
"""
DECISIVE: Final = 0.5
"""Least part of the values since the change that one factor must explain, where the newest are too few to say so.
Chosen: most of them; of a smaller part its share is told.
"""
SURE: Final = 30
"""Newest values from which on they say it alone. Chosen: their spread is known to a seventh."""
SIDES: Final = 0.2
"""By how much more of the values may lie at one end of the reference than had that sign, where numbers have grown by a
factor. Chosen: two standard errors of a tick; a sentinel of -999 among amounts is all at the wrong end.
"""
DECADE: Final = float(np.log(10.0))
"""Derived: ln of a power of ten is a whole number of these."""
SMALLEST: Final = 1e-4
"""Least typical size, as a part of the offset of logarithms. Chosen: a factor of 200,000; ln 0 is not finite."""
GONE: Final = 0.2
"""A known category is gone if less than this part of it is left. Chosen: a tick with the beginning holds both."""
RENAMED: Final = 0.5
"""Least of the new values, in values of categories that are gone, that is called renamed. Chosen: the larger part."""
LEAST_EXPECTED: Final = 5.0
"""Values expected of a category below which it is not missed. Chosen: at 5 none has come with probability .007; at 2
(.14) a new category among ten values was often called a renamed one."""


WITHOUT: Final = 0.25
"""Most of a relation that is left where a channel has the values of other events. Chosen: by chance a tenth is left; of
a world that changed more stays."""
LEAST_KNOWN: Final = 0.01
"""Share of a category below which it is not missed. Chosen: users and shops come and go."""


def one_way(scores: Floats, usual: Floats, seen: Floats) -> Bools:
    """Whether what moved between the bins, of ``shares`` float64[..., width], moved one way: a level then, and no mix.

    Mass passes from bin to bin as far as their ``scores`` are apart: what passes upwards less what passes downwards,
    over both.
    """
    order = np.argsort(scores, axis=-1, kind="stable")
    z = np.take_along_axis(scores, order, axis=-1)
    passed = np.cumsum(np.take_along_axis(usual - seen, order, axis=-1), axis=-1)[..., :-1] * np.diff(z, axis=-1)
    out: Bools = np.abs(passed.sum(axis=-1)) >= ONE_WAY * np.maximum(np.abs(passed).sum(axis=-1), LEAST_SQUARE)
    return out


def changes_called(kind: str) -> list[Change]:
    """The changes that findings call by this kind, where that is not the change's own name."""
    new = [Change.NEW, Change.HOT]
    slow = [Change.FAR, Change.HIGH, Change.UNIT]
    known: dict[str, list[Change]] = {
        Kind.NEW_VALUE: new,
        Kind.RENAMED: new,
        Kind.GRADUAL: [Change.FAR],
        Kind.LATENCY_P50: slow,
        Kind.LATENCY_P99: slow,
    }
    return known.get(kind, [c for c, name in _BY_CHANGE.items() if name == kind])


def kind_by_change(change: int, *, numeric: bool) -> Kind:
    """What a change (place in CHANGES) is called where nothing more is known of it."""
    kind = _BY_CHANGE[CHANGES[change]]
    return Kind.NEW_VALUE if kind is Kind.RANGE and not numeric else kind


class Middle(NamedTuple):
    """Where ``n`` numbers lie, from their sums: their ``mean`` in the reference's deviations, each value clipped
    (core.summary.MOMENT_CLIP), and their typical ``size`` (geometric mean, with the part that is 0), which is not;
    ``times``: how many times as large those other than 0 typically are as the reference's. NaN where it is not known.
    """

    n: int
    mean: float
    size: float
    times: float


Middles = tuple[Middle, Middle]


class Named(NamedTuple):
    """A change with its name. ``factor`` of a unit, NaN for others; ``value`` since the change and what is ``usual``:
    the share that the kind is about, of a unit the typical size (geometric mean); NaN for a level, a spread or a mix,
    of which ``shares`` are those of the bins: usual at the hours of the window that showed it, and in it; ``middle``
    of the numbers since the change, and of the newest alone.
    """

    kind: Kind
    factor: float = np.nan
    value: float = np.nan
    usual: float = np.nan
    shares: Shares | None = None
    middle: Middles | None = None


def named(
    learned: NaturalLearned, change: int, channel: int, since: Counts, latest: Counts, before: float = np.nan
) -> Named:
    """``since`` int64[FEATURES + width]: the channel's counters since the change began, as near as is known;
    ``latest``: those of the last stretch, which has nothing from before the change: how large it is now; ``before``:
    the mean of the logarithms just before the change, NaN where it is not known.
    """
    if learned.latency is not None and learned.latency.row == channel:
        half, now, then = learned.latency.moved(learned.usual.shares[channel], since[f.FEATURES :].astype(np.float64))
        return Named(Kind.LATENCY_P50 if half else Kind.LATENCY_P99, value=now, usual=then)
    if learned.traits.empty[channel] and CHANGES[change] is Change.NEW:
        usual = 1 - float(learned.near.centre[STATISTICS.index(Change.MISSING), channel])
        return Named(Kind.NEW_VALUE, np.nan, share_in(since, f.LIVE, f.EVENTS), usual)
    kind, factor = kind_of(learned, change, channel, since, latest, before)
    if kind is Kind.UNIT:
        usual = usual_size(learned, channel)
        return Named(kind, factor, usual * factor, usual)
    if kind not in _SHARES:
        return Named(kind, factor)
    hits, of, about = _SHARES[kind]
    usual = float(learned.near.centre[STATISTICS.index(about), channel])
    return Named(kind, factor, share_in(since, hits, of), usual)


def power_of_ten(factor: float) -> bool:
    """Whether a factor, or one over it, is told as a power of ten."""
    return factor > 0 and f"{max(factor, 1 / factor):.6e}".startswith("1.000000")


def usual_size(learned: NaturalLearned, channel: int) -> float:
    """The typical size of the reference's numbers other than 0."""
    size, offset = float(np.exp(learned.usual.logs[channel])), float(learned.limits.offset[channel])
    return max(size - offset, SMALLEST * offset)


def middles(learned: NaturalLearned, channel: int, since: Counts, newest: Counts) -> Middles:
    """Of counters int64[FEATURES + width] of the channel."""
    return _middle(learned, channel, since), _middle(learned, channel, newest)


def _middle(learned: NaturalLearned, channel: int, counters: Counts) -> Middle:
    n, live = int(counters[f.NONZERO]), int(counters[f.LIVE])
    mean = float(counters[f.MEAN]) * MOMENT_UNIT / live if live else np.nan
    log, offset = float(counters[f.LOGS]) * LOG_UNIT / max(n, 1), float(learned.limits.offset[channel])
    size = max(float(np.exp(min(log, LARGEST_LOG))) - offset, 0.0) if n else np.nan
    times = size / usual_size(learned, channel) if np.isfinite(learned.usual.logs[channel]) else np.nan
    return Middle(live, mean, size * n / max(live, 1), times)


def share_of(kind: Kind) -> tuple[int, int] | None:
    """The columns of hits, and of what, of the share that a kind is about; None where it is about none."""
    return _SHARES[kind][:2] if kind in _SHARES else None


def share_in(counters: Counts, hits: int, of: int) -> float:
    """Of all that came since the change: of the last minutes, a handful of values, the largest would be told."""
    return float(counters[hits] / max(int(counters[of]), 1))


def kind_of(
    learned: NaturalLearned, change: int, channel: int, since: Counts, latest: Counts, before: float = np.nan
) -> tuple[Kind, float]:
    """The kind, and for a unit its factor (else NaN); the counters as in ``named``."""
    kind = _explained(learned, _BY_CHANGE[CHANGES[change]], channel, since)
    if kind in {Kind.JOINT, Kind.ERRORS} or max(int(since[f.EVENTS]), 1) < LEAST:
        return _category(learned, kind, channel, since), np.nan
    plain = _plain(learned, kind, channel, since)
    if plain is not None:
        return plain, np.nan
    if kind in _NUMBERS and learned.traits.numeric[channel]:
        factor = _factor(learned, channel, since, latest, before)
        if np.isfinite(factor):
            return Kind.UNIT, factor
    if kind is Kind.UNIT:  # numbers of another size that are not all multiplied by the same
        new = since[f.NEW] > CLEAR * max(int(since[f.LIVE]), 1)
        return Kind.RANGE if new else Kind.LEVEL, np.nan
    return _category(learned, kind, channel, since), np.nan


def _explained(learned: NaturalLearned, kind: Kind, channel: int, since: Counts) -> Kind:
    """Values that repeat because so many are a sentinel, or those of another channel, are out of range before they are
    frozen: where no more repeat than are out of it, and not nearly all of them do.
    """
    if kind is not Kind.FROZEN or since[f.REPEATED] > STANDING * since[f.LIVE]:
        return kind
    usual = _usual_rate(learned, Change.NEW, channel)
    beyond = since[f.NEW] - (usual + SIZES[Change.NEW].ticket) * since[f.LIVE]
    return Kind.RANGE if beyond > 0 and since[f.NEW] >= since[f.REPEATED] else kind


_WITHOUT: Final = ((Kind.MISSING, f.NULLS, Change.MISSING), (Kind.REFUSED, f.REFUSED, Change.REFUSED))
"""Derived: kinds of events without a value, the column that counts them, and their change."""


def _plain(learned: NaturalLearned, kind: Kind, channel: int, since: Counts) -> Kind | None:
    """The fault that so many of the values show that it has its name, whatever change came first; None: no fault."""
    events, live = max(int(since[f.EVENTS]), 1), max(int(since[f.LIVE]), 1)
    t = learned.traits
    more = {k: float(since[at]) / events - _usual_rate(learned, change, channel) for k, at, change in _WITHOUT}
    if more[Kind.MISSING] > CLEAR and kind is not Kind.REFUSED and not t.awaited[channel]:
        return Kind.MISSING
    if more[Kind.REFUSED] > CLEAR:
        return Kind.REFUSED
    unseen = not t.numeric[channel] and since[f.NEW] / live > CLEAR
    if since[f.REPEATED] / live > STANDING and not (t.repetitive[channel] or unseen or kind is Kind.MISSING):
        return Kind.FROZEN
    return None


def _usual_rate(learned: NaturalLearned, change: Change, channel: int) -> float:
    return float(np.nan_to_num(learned.near.centre[STATISTICS.index(change), channel]))


def _factor(learned: NaturalLearned, channel: int, since: Counts, latest: Counts, before: float) -> float:
    """By what numbers are multiplied; NaN if one factor does not explain the newest values, all of them.

    A factor leaves the spread of the logarithms as it is, and every sign. A sentinel has no spread, a shift has another
    one, and where a part is multiplied its share says more. Within minutes what follows the hour hardly varies: there
    the factor is measured from the level just ``before`` (NaN: not known).
    """
    enough = latest[f.NONZERO] >= LEAST
    newest, every = _Logs.of(latest if enough else since), _Logs.of(since)
    if newest.n < LEAST:
        return np.nan
    usual, level = float(learned.log_deviation[channel]), float(learned.usual.logs[channel])
    # the logarithms are of numbers plus a small offset, below which their size and spread hardly show
    offset = float(learned.limits.offset[channel])
    narrow = bool(learned.traits.timely[channel] or learned.traits.repetitive[channel])
    if narrow and not np.isfinite(before):
        return np.nan
    level = before if narrow else level
    moved = newest.mean - level
    much = ALIKE * (1 + np.sqrt(2 / newest.n))
    # of a large number that hardly varies the sums are too coarse to tell more than that
    coarse = np.sqrt((abs(newest.mean) + 0.5) * LOG_UNIT)
    most = max(usual * much, coarse) + (0.0 if enough else MIXED * abs(moved))
    flat = narrow or np.exp(newest.mean) < 2 * offset  # those alone say how small they are: the others outweigh them
    least = min(newest.deviation, every.deviation)
    alike = newest.deviation <= most and (flat or least >= usual / much)
    few = newest.n < SURE and every.part(level, usual) < DECISIVE
    if narrow and _within(learned, channel, newest):
        return np.nan
    whole, n = _ln_factor(offset, level, moved), newest.n
    if abs(whole) < np.log(FACTOR) or not alike or few or (whole > 0 and _wrong_side(learned, channel, latest)):
        return np.nan
    error = 0.0 if narrow else usual / np.sqrt(n)
    if enough and not flat:
        all_ = _ln_factor(offset, level, every.moved(level, usual))
        if abs(all_ - whole) > ROUND + 3 * error:
            return np.nan  # what is multiplied is multiplied all the time
        whole, error = (all_, usual / np.sqrt(every.n)) if every.n > n else (whole, error)
    if not narrow and np.isfinite(before):  # the level may have wandered since the reference: a unit changes at once
        near = _ln_factor(offset, before, newest.mean - before)
        decade = DECADE * round(near / DECADE)
        error_near = usual * np.sqrt(1 / n + 1 / HOP)
        if decade and abs(near - decade) <= ROUND + 2 * error_near and abs(near - whole) <= WANDERED:
            return float(np.exp(decade))
    error *= np.exp(newest.mean) / max(np.exp(newest.mean) - offset, SMALLEST * offset)
    decade = DECADE * round(whole / DECADE)
    if abs(whole - decade) <= ROUND + 2 * error:
        return float(np.exp(decade if abs(whole - decade) <= ABOUT else whole))
    constant = not narrow and newest.deviation <= usual * CONSTANT and least >= usual / CONSTANT
    return float(np.exp(whole)) if constant else np.nan


def _within(learned: NaturalLearned, channel: int, newest: _Logs) -> bool:
    """Whether the reference's own hours had such sizes: degrees that come from 0 are ten times as many soon."""
    size = float(np.exp(min(newest.mean, LARGEST_LOG)) - learned.limits.offset[channel])
    return bool(learned.strides.least[channel] <= size <= learned.strides.most[channel])


class _Logs(NamedTuple):
    """How many numbers other than 0 there are, and the mean and the deviation of their logarithms.

    Where some of them come from before a factor m, a part q of them is multiplied: the mean has moved by D = q m, and
    the variance has grown by E = q (1 - q) m^2, so that m = D + E / D and q = D^2 / (D^2 + E).
    """

    n: int
    mean: float
    deviation: float

    @classmethod
    def of(cls, counters: Counts) -> Self:
        n = int(counters[f.NONZERO])
        mean = float(counters[f.LOGS] * LOG_UNIT / max(n, 1))
        variance = float(counters[f.LOG_SQUARES] * LOG_UNIT / max(n, 1)) - mean**2
        return cls(n, mean, float(np.sqrt(max(variance, 0.0))))

    def part(self, level: float, usual: float) -> float:
        """q, where the logarithms had the mean ``level`` and the deviation ``usual``."""
        square = (self.mean - level) ** 2
        return square / max(square + max(self.deviation**2 - usual**2, 0.0), LEAST_SQUARE)

    def moved(self, level: float, usual: float) -> float:
        """m, likewise."""
        return (self.mean - level) / max(self.part(level, usual), LEAST_SQUARE)


def _ln_factor(offset: float, level: float, moved: float) -> float:
    """ln of the factor of typical sizes, where the logarithms of sizes and an offset moved from ``level`` on."""
    size = np.exp(min(level + moved, LARGEST_LOG)) - offset
    return float(np.log(max(size, SMALLEST * offset) / (np.exp(level) - offset)))


def _wrong_side(learned: NaturalLearned, channel: int, latest: Counts) -> bool:
    """Whether too many of the values lie at the low, or at the high end for numbers that have grown by a factor: it
    keeps their signs.
    """
    live, negative = max(int(latest[f.LIVE]), 1), float(learned.negative[channel])
    return bool(latest[f.LOW] > (negative + SIDES) * live or latest[f.HIGH] > (1 - negative + SIDES) * live)


def _category(learned: NaturalLearned, kind: Kind, channel: int, since: Counts) -> Kind:
    """A category's new values are renamed ones where as much of the known ones is gone."""
    if learned.traits.numeric[channel]:
        return kind
    new = int(since[f.NEW])
    if kind is Kind.FROZEN and new > CLEAR * max(int(since[f.LIVE]), 1):
        kind = Kind.NEW_VALUE  # one unseen category in place of all others
    if kind not in {Kind.RANGE, Kind.NEW_VALUE}:
        return kind
    values = since[f.FEATURES :].astype(np.float64)
    if since[f.REPEATED] > ONE_VALUE * since[f.LIVE]:
        return Kind.NEW_VALUE
    expected = learned.usual.shares[channel] * max(int(since[f.LIVE]), 1)
    known = (expected >= LEAST_EXPECTED) & (learned.usual.shares[channel] >= LEAST_KNOWN)
    gone = expected[known & (values < GONE * expected)].sum()
    return Kind.RENAMED if gone >= RENAMED * new else Kind.NEW_VALUE
