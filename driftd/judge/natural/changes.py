"""What may change, and how large a change makes a ticket or a page: the one table of sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import exp, log
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Change(StrEnum):
    """A measured change of a channel; ``Kind`` is what a person is told of it."""

    MISSING = "missing"  # share of missing values
    REFUSED = "refused"  # share of values of another type
    FAR = "far"  # share of numbers far outside the reference's middle
    FROZEN = "frozen"  # share of values that equal the one before
    NEW = "new"  # share of values outside the range, or of unseen categories
    HOT = "hot"  # share of one unseen category among many
    LOW = "low"  # share of numbers in the reference's lowest tenth
    HIGH = "high"  # in its highest tenth
    ERRORS = "errors"  # share of errors
    UNIT = "unit"  # mean of ln|x|
    WITHIN = "within"  # spread within a few minutes, of a channel that is the hour's or the weather's
    LEVEL = "level"  # mean normal score
    SPREAD = "spread"  # its deviation
    MIX = "mix"  # shares of the bins or categories
    RELATION = "relation"  # what is left of the correlations with the siblings


CHANGES: Final = tuple(Change)
"""Derived: every change; its place here is its row in a SizeTable."""
SHAPES: Final = (Change.LEVEL, Change.SPREAD, Change.MIX)
"""Changes of a distribution that the world makes too. Derived: no value is wrong in any of them."""


@dataclass(frozen=True, slots=True)
class Size:
    """The least change that makes a page, and a ticket; ``share`` of the false-alarm budget."""

    page: float
    ticket: float
    share: float


SIZES: Final[Mapping[Change, Size]] = {
    # shares, in points of 1
    Change.MISSING: Size(0.15, 0.03, 0.15),
    Change.REFUSED: Size(0.05, 0.02, 0.05),
    Change.FAR: Size(0.25, 0.05, 0.10),
    Change.FROZEN: Size(0.10, 0.08, 0.15),
    Change.NEW: Size(0.05, 0.02, 0.10),
    Change.HOT: Size(0.05, 0.02, 0.05),
    Change.LOW: Size(0.5, np.inf, 0.05),
    Change.HIGH: Size(0.5, np.inf, 0.05),
    Change.ERRORS: Size(0.05, 0.02, 0.10),
    # natural logarithm of a factor
    Change.UNIT: Size(0.9, 0.5, 0.05),
    Change.WITHIN: Size(1.2, 0.6, 0.05),
    Change.SPREAD: Size(0.7, 0.2, 0.04),
    # standard deviations of the reference
    Change.LEVEL: Size(1.0, 0.15, 0.08),
    # half the sum of absolute differences of shares
    Change.MIX: Size(0.35, 0.06, 0.08),
    # 1 is all of the correlation
    Change.RELATION: Size(0.6, 0.35, 0.05),
}
"""Least changes, and shares of the budget. Measured: set on the open seeds 11, 12 and 13 of tests/quality/everyday. The
shares add up to 1.15.
"""


@dataclass(frozen=True, slots=True)
class TraitSize:
    """Another page size of ``changes``, on channels that have all ``traits`` (learned.Traits) and not ``lacks``."""

    changes: tuple[Change, ...]
    traits: tuple[str, ...]
    page: float
    why: str
    lacks: str = ""


_BUT_FROZEN: Final = tuple(change for change in Change if change is not Change.FROZEN)
"""Derived: all changes but that of frozen values."""
TRAIT_SIZES: Final = (
    TraitSize(SHAPES, ("output",), np.inf, "answers, labels and their errors follow the features and the world"),
    TraitSize(SHAPES, ("timely",), np.inf, "weather and hour move them"),
    TraitSize(SHAPES, ("atom", "numeric"), np.inf, "rain: how often it is not 0 changes from day to day"),
    TraitSize((Change.NEW,), ("numeric",), 0.1, "levels wander beyond their range"),
    TraitSize((Change.NEW,), ("numeric", "short"), 0.2, "a reference of days has not seen all levels"),
    TraitSize((Change.NEW,), ("empty",), np.inf, "values come where there were hardly any: good news, mostly"),
    TraitSize((Change.NEW,), ("constant", "short"), 0.8, "days have shown one value: another one must replace it"),
    TraitSize((Change.NEW,), ("constant", "numeric"), 0.8, "a constant number that becomes another one"),
    TraitSize(
        (Change.NEW,),
        ("numeric", "atom", "short"),
        np.inf,
        "rain: what is rare is seldom seen, and then for hours",
        "constant",
    ),
    TraitSize((Change.NEW,), ("numeric", "atom", "timely"), np.inf, "the same, of weather", "constant"),
    TraitSize((Change.NEW,), ("numeric", "atom"), 0.6, "what is rare is seldom seen, but not most values", "constant"),
    TraitSize(
        (Change.NEW,),
        ("numeric", "short", "repetitive"),
        np.inf,
        "measured once an hour: days hold few values",
        "constant",
    ),
    TraitSize((Change.NEW,), ("numeric", "flat"), np.inf, "clear air: what hardly varied may vary one day", "constant"),
    TraitSize((Change.NEW, Change.FAR), ("output",), 0.5, "outputs follow the features and the world"),
    TraitSize((Change.NEW,), ("output", "short"), np.inf, "days have not shown all answers to the world"),
    TraitSize((Change.MIX,), ("atom",), 0.5, "most have one category: another one must have taken its place"),
    TraitSize((Change.FAR,), ("timely", "atom"), 0.8, "a downpour"),
    TraitSize((Change.MISSING,), ("timely",), 0.2, "one of several stations is silent for hours"),
    TraitSize(
        (Change.FROZEN,), (), 0.6, "bots repeat categories; at seven all customers are commuters", lacks="numeric"
    ),
    TraitSize((Change.FROZEN,), ("output",), 0.25, "those who ask again get the same answers"),
    TraitSize((Change.FROZEN,), ("output", "repetitive"), np.inf, "few values repeat by themselves", lacks="awaited"),
    TraitSize((Change.FROZEN,), ("timely", "repetitive"), np.inf, "calm weather, or measured once an hour"),
    TraitSize((Change.MISSING, Change.FROZEN), ("young",), 0.45, "half a day has hours in which more values are null"),
    TraitSize((Change.FROZEN,), ("thin", "repetitive"), np.inf, "so few events do not show how long a value lasts"),
    TraitSize((Change.UNIT,), ("timely",), 2.6, "calm air, fog: a factor of 13 is natural"),
    TraitSize((Change.UNIT, Change.RELATION), ("output",), np.inf, "outputs follow the features and the world"),
    TraitSize((Change.FROZEN,), ("awaited", "output"), 0.4, "all labels alike: no day of the world makes them"),
    TraitSize(_BUT_FROZEN, ("awaited", "output"), np.inf, "labels come late and in bursts", lacks="errors"),
    TraitSize((Change.ERRORS,), ("awaited", "errors", "output", "young"), np.inf, "hours show one part of the day"),
)
"""Page sizes by the nature of a channel; of rows that apply the largest counts. Measured: as SIZES."""


OF_THE_HOUR: Final = (*SHAPES, Change.LOW, Change.HIGH, Change.WITHIN, Change.RELATION)
"""Changes that never page on a reference that has not seen a day. Derived: the hour makes all of them."""
BEYOND: Final = 0.2
"""By what errors of prediction must exceed the highest rate that is natural (p0) to page. Measured: errors of 40 % page
where 5 or 10 % are usual, the worst two hours of the demo's flights (78 %, 20 % are usual) do not.
"""


EXACT: Final[Mapping[Change, float]] = {
    Change.MISSING: 0.01,
    Change.NEW: 0.002,
    Change.ERRORS: 0.005,
    Change.LEVEL: 0.1,
    Change.SPREAD: 0.1,
    Change.MIX: 0.03,
}
"""The least change that makes a ticket where the judge's evidence is exact: below what natural variation hides. Chosen:
in a reader's units; a shift of .05 standard deviations never alerts, two new values among a thousand make a ticket."""


@dataclass(frozen=True, slots=True)
class OwnSize:
    """What the user wants instead of a page or a ticket size; None: as it is, ``inf``: never."""

    page: float | None = None
    ticket: float | None = None


Own = Mapping[Change, OwnSize]


@dataclass(frozen=True, slots=True)
class OwnSizes:
    """The sizes that the user wants of a channel: ``table`` in place of SIZES, where the channel's nature may ask for
    more (TRAIT_SIZES); ``channel`` as it stands.
    """

    table: Own = field(default_factory=dict)
    channel: Own = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class SizeTable:
    """float64[len(CHANGES), channels]: ``page``, ``ticket``; ``exact`` of tickets where evidence is exact. ``stands``
    bool[channels]: no share of repeats pages, but numbers that stand still for long do (natural.standing). ``leaps``
    bool[channels]: what leaps out of its range is told (natural.leaps).
    """

    page: Floats
    ticket: Floats
    exact: Floats
    stands: Bools
    leaps: Bools

    def least(self, change: int, channel: int, *, page: bool) -> float:
        """The least ``change`` (place in CHANGES) that makes a page, or a ticket."""
        return float((self.page if page else self.ticket)[change, channel])


FACTORS: Final = (Change.UNIT, Change.WITHIN, Change.SPREAD)
"""Changes that users size as factors (2: twice as large), and SIZES as their logarithms. Derived: SIZES says so."""
MOST_LEVEL: Final = 5.0
"""Most standard deviations that a level's size may be. Chosen: normal scores of bins lie within 4."""
MOST_LOSS: Final = 2.0
"""Most of a correlation that can be lost. Derived: it has turned round."""


def from_user(change: Change, size: float) -> float:
    """What the user calls ``size``, as in SIZES."""
    return log(size) if change in FACTORS else size


def to_user(change: Change, size: float) -> float:
    """The other way."""
    return exp(size) if change in FACTORS else size


def wrong(change: Change, size: float) -> str:
    """Why the user's size can be none; "" where it can."""
    if change in FACTORS:
        return "" if size > 1 else f"expected a factor above 1, got {size:g}; 2 is twice as large, or half"
    if change is Change.LEVEL:
        return "" if size <= MOST_LEVEL else f"expected {MOST_LEVEL:g} standard deviations or less, got {size:g}"
    if change is Change.RELATION:
        return "" if size <= MOST_LOSS else f"expected {MOST_LOSS:g} or less, got {size:g}; 1 is all of the relation"
    return "" if size < 1 else f"expected a share below 1, got {size:g}; 5 % is 0.05, null is never"


def rows_of(changes: Sequence[Change]) -> NDArray[np.intp]:
    """Places in CHANGES."""
    return np.array([CHANGES.index(c) for c in changes], np.intp)
