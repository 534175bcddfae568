"""What the reference says of each independent channel: its columns, scores, counts and weights.

A channel's Bayes factor is the average over what may have happened to it (driftd.judge.exchangeable.independent):
  location  the mean of the normal score moved by one of four sizes, either way           weight .30 (numbers)
  scale     the mean of its square did, by one of three sizes                              weight .15 (numbers)
  chain     any subset of the columns changed its share                                    the rest
Missing, unseen and out of range are more likely to be in the subset than other columns.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from driftd.core.event import Kind
from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, UNSEEN
from driftd.judge.exchangeable import exponential_tilt
from driftd.judge.exchangeable.columns import Columns
from driftd.judge.exchangeable.evidence import Evidence

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LOCATIONS: Final = np.array([0.08, 0.18, 0.4, 0.9])
"""Sizes of a shift, in standard deviations of the normal score. Chosen: a factor of 2.2 apart, so that any size between
is within a factor of 1.5 of one of them, whose evidence grows at 3/4 of the best rate or more (2 r - r^2 of it)."""
SCALES: Final = np.array([0.1, 0.25, 0.6])
"""Sizes of a change of scale, in standard deviations of the squared score. Chosen: a factor of 2.5 apart, as above."""
DELTAS: Final = np.concatenate([LOCATIONS, -LOCATIONS, SCALES, -SCALES])
"""Derived: both signs of each."""
N_LOCATIONS: Final = 2 * len(LOCATIONS)
"""Derived: how many of them are locations."""
LOCATION_WEIGHT: Final = 0.3
"""Weight of the locations together. Chosen: costs 1.2 of the 16 nats that A = 1e7 needs."""
SCALE_WEIGHT: Final = 0.15
"""Weight of the scales together. Chosen: half of it, because changes of scale alone are rarer."""
CHANGES: Final = 1.5
"""Columns that change, in expectation. Chosen: one or two; each that does costs ln(columns / 1.5) nats."""
MOST_CHANCE: Final = 0.25
"""Most that a column's chance to change may be. Chosen: matters only with fewer than six columns."""
FAULT_CHANCE: Final = 0.1
"""Least chance of missing, unseen and the outermost column. Chosen: pipelines break there; costs 2.3 nats, where
another of 22 columns costs 2.7."""
NEVER: Final = 0.5
"""What a column counts that the reference never filled. Derived: Jeffreys' half; an extreme is one because nothing was
beyond it."""
FEW: Final = 4
"""Categories seen fewer times may be frequent by luck. Chosen: the standard error of a count of 4 is half of it."""
BORDER: Final = 0.1
"""What a reference count is worth where the category may owe its place among the frequent ones to luck. Chosen:
cautious; without it three more of 96 simulated changes were found, at no more false alarms."""
LUCK_SD: Final = 2.0
"""Standard deviations above the least frequent of the frequent categories within which luck may have chosen. Chosen:
two; one finds three more of 96 simulated changes."""
TAKEN_SD: Final = 1.5
"""Standard deviations of each such category that luck may have taken from the rest, all the same way. Chosen: between
one and two; half of it and double move delays by 2 and 6 %."""
CHUNK: Final = 128
"""Channels at a time. Measured: what a step works on stays in the processor's cache (tests/bench/judge.py)."""
PLACE_CLIP: Final = 1e-4
"""Where ranks are clipped before they become normal scores. Chosen: scores within +-3.72, whatever the reference."""


@dataclass(frozen=True, eq=False)
class Shape:
    """What the reference says; immutable. First axis channels; columns in the order of the chain.

    order   intp[channels, width]: column of Summary.counts at each place of the chain: missing, unseen, the last
            (other categories; above all the reference saw), the first value, and so on
    places  float64[channels, width]: normal score of each column of Summary.counts before standardising; 0 for missing
            and unused columns
    values  float64[channels, width]: what the reference counts in columns of values
    scores  float64[channels, 2, width]: location and scale score, mean 0 and variance 1, 0 for missing
    costs   float64[channels, 14, 9]: of the tilts (driftd.judge.exchangeable.exponential_tilt)
    hits, misses  float64[channels, width]: what the reference counts in each column, and in all columns behind it; less
            than it counted where the counts say less than that (BORDER; Good-Turing with Esty's variance)
    chance  float64[channels, width]: that the column is among those that changed
    weight  float64[channels, 15]: of the tilts and the chain
    """

    order: NDArray[np.intp]
    places: Floats
    values: Floats
    scores: Floats
    costs: Floats
    hits: Floats
    misses: Floats
    chance: Floats
    weight: Floats

    @classmethod
    def of(cls, reference: Reference, singles: Floats, doubles: Floats) -> Self:
        """``singles``, ``doubles`` float64[channels]: distinct categories that the reference saw once and twice."""
        counts = reference.summary.counts.astype(np.float64)
        columns = np.arange(reference.width)
        used = columns < reference.used[:, None]
        used[reference.numeric, UNSEEN] = False
        places = normal_scores(counts, reference.places, used.astype(np.float64))
        order = order_of(reference)
        counts, used = np.take_along_axis(counts, order, axis=1), np.take_along_axis(used, order, axis=1)
        values = np.where(order >= FIRST_VALUE, counts, 0.0)
        scores = standardised(np.take_along_axis(places, order, axis=1), values)
        total = values.sum(axis=1)
        share = values / np.maximum(total, 1)[:, None]
        costs = np.concatenate(
            [
                exponential_tilt.table(share, scores[:, 0], total, DELTAS[:N_LOCATIONS]),
                exponential_tilt.table(share, scores[:, 1], total, DELTAS[N_LOCATIONS:]),
            ],
            axis=1,
        )
        hits, misses = known_of(reference, counts, used, singles, doubles)
        chance, weight = weights(reference, scores, used)
        return cls(order, places, values, scores, costs, hits, misses, chance, weight)

    def start(self) -> Evidence:
        """No evidence yet."""
        return Evidence.start(*self.values.shape)

    @cached_property
    def known(self) -> Known:
        """What each step needs of it."""
        return Known.of(self)

    @cached_property
    def parts(self) -> tuple[tuple[slice, Shape], ...]:
        """CHUNK channels at a time."""
        lows = range(0, len(self.order), CHUNK)
        if len(lows) == 1:
            return ((slice(0, len(self.order)), self),)
        return tuple((part, self.take(part)) for part in (slice(low, low + CHUNK) for low in lows))

    def take(self, rows: slice | NDArray[np.intp]) -> Shape:
        return Shape(*(getattr(self, f.name)[rows] for f in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What follows from a Shape: its ``columns``, and of each of them ``hits``, ``misses`` and ``chance`` float64[k].

    values  float64[rows]: what the reference counts in columns of values
    none    float64[rows]: ln of the chance that no column has changed; ``some`` of the chance that any has
    tilts, chain  float64[rows, 14], float64[rows]: ln of the weights
    costs   float64[rows, 9, 14]: as in Shape, ratios first
    """

    columns: Columns
    hits: Floats
    misses: Floats
    chance: Floats
    values: Floats
    none: Floats
    some: Floats
    tilts: Floats
    chain: Floats
    costs: Floats

    @classmethod
    def of(cls, shape: Shape) -> Self:
        columns = Columns.of(shape.hits > 0)
        none = np.sum(np.log1p(-shape.chance), axis=-1)
        with np.errstate(divide="ignore"):
            weights, some = np.log(shape.weight), np.log(-np.expm1(none))
        hits, misses, chance = (columns.take(x) for x in (shape.hits, shape.misses, shape.chance))
        return cls(
            columns, hits, misses, chance, shape.values.sum(axis=1), none, some, weights[:, :-1], weights[:, -1],
            exponential_tilt.ratios_first(shape.costs),
        )  # fmt: skip


def behind(counts: Floats) -> Floats:
    """Of each column, what lies in the columns after it."""
    out: Floats = np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1] - counts
    return out


def order_of(reference: Reference) -> NDArray[np.intp]:
    """``order`` of Shape: the last column in use comes third; unused ones stay at the end."""
    columns, last = np.arange(reference.width), reference.used[:, None] - 1
    shifted = np.where((columns > FIRST_VALUE) & (columns <= last), columns - 1, columns)
    return np.where(columns == FIRST_VALUE, last, shifted)


def known_of(
    reference: Reference, counts: Floats, used: Bools, singles: Floats, doubles: Floats
) -> tuple[Floats, Floats]:
    """hits and misses of Shape; ``counts`` and ``used`` in the order of the chain."""
    categories = np.array([b.kind is Kind.CATEGORICAL for b in reference.bins])
    open_ended = categories & np.array([not b.identifier for b in reference.bins])
    top = used & categories[:, None]
    top[:, : FIRST_VALUE + 1] = False
    hits = counts + NEVER * (used & (counts == 0))
    misses = behind(hits)
    worth = np.ones_like(counts)
    once = singles * open_ended
    _count_unseen(hits, misses, worth, counts, once, doubles)
    # the least frequent of the frequent may be there by luck; one that was seen once or twice always is
    border = np.where(top, counts, np.inf).min(axis=1, initial=np.inf)
    border[~np.isfinite(border)] = 0.0
    rare = np.array([len(b.rare) > 0 for b in reference.bins]) & categories
    lucky = top & (counts <= (border + LUCK_SD * np.sqrt(border))[:, None]) & rare[:, None]
    # what that luck may have taken from the rest, from each of those columns the same way
    taken = TAKEN_SD * np.count_nonzero(lucky, axis=1) * np.sqrt(border)
    other = counts[:, FIRST_VALUE] - np.clip(once - np.count_nonzero(top & (counts == 1), axis=1), 0, None)
    hits[:, FIRST_VALUE] = np.where(categories, np.maximum(other, NEVER), hits[:, FIRST_VALUE])
    both = np.maximum(hits + misses, 1e-9)
    wrong = taken[:, None] * hits / both  # where the lucky ones stand behind a column, they are too many there
    wrong[:, FIRST_VALUE] = taken + np.sqrt(once) * misses[:, FIRST_VALUE] / both[:, FIRST_VALUE]
    known = hits * misses / both + 1
    places = np.arange(counts.shape[1]) >= FIRST_VALUE
    worth = np.where(rare[:, None] & places, known / (known + wrong**2), worth)
    worth[lucky | (top & open_ended[:, None] & (counts < FEW))] = BORDER
    return hits * worth, misses * worth


def _count_unseen(hits: Floats, misses: Floats, worth: Floats, counts: Floats, once: Floats, doubles: Floats) -> None:
    """Sets the unseen column, in place: categories seen once stand for those never seen (Good 1953), and count as many
    events as Esty's variance (1983) leaves them.
    """
    n = np.maximum(counts[:, UNSEEN:].sum(axis=1), 1.0)
    rest = 1 - once / n
    hits[:, UNSEEN] = np.where(once > 0, once, hits[:, UNSEEN])
    misses[:, UNSEEN] = np.where(once > 0, n - once, misses[:, UNSEEN])
    worth[:, UNSEEN] = np.where(once > 0, (once * rest + 1) / (once * rest + 2 * doubles + 1), 1.0)


def normal_scores(counts: Floats, places: Floats, used: Floats) -> Floats:
    """ndtri of the reference's mid-ranks. Columns outside the reference score like their neighbours inside: with a
    higher score the tilt would depend on mass that the reference cannot bound.
    """
    inside = (counts > 0) & (used > 0)
    inside[:, :FIRST_VALUE] = False
    place = np.where(inside, places, np.nan)
    low, high = np.nanmin(np.where(inside, place, 1.0), axis=1), np.nanmax(np.where(inside, place, 0.0), axis=1)
    known = np.nan_to_num(np.clip(places, np.minimum(low, high)[:, None], np.maximum(low, high)[:, None]), nan=0.5)
    out = ndtri(np.clip(known, PLACE_CLIP, 1 - PLACE_CLIP)) * used
    out[:, :FIRST_VALUE] = 0
    return np.asarray(out, np.float64)


def standardised(places: Floats, values: Floats) -> Floats:
    """Location and scale scores, mean 0 and variance 1 on the counts ``values``, 0 for missing:
    float64[channels, 2, width].
    """
    share = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    present = np.ones_like(places)
    present[:, :FIRST_VALUE] = 0

    def unit(x: Floats) -> Floats:
        centred = (x - np.sum(share * x, axis=1, keepdims=True)) * present
        sd = np.sqrt(np.sum(share * centred**2, axis=1, keepdims=True))
        return np.where(sd > 1e-9, centred / np.maximum(sd, 1e-9), 0.0)

    location = unit(places)
    return np.stack([location, unit(location**2)], axis=1)


def weights(reference: Reference, scores: Floats, used: Bools) -> tuple[Floats, Floats]:
    """chance and weight of Shape. Missing, unseen and what lies outside are where pipelines break."""
    numeric = reference.numeric
    sticks = used.copy()
    sticks[np.arange(len(used)), used.shape[1] - 1 - np.argmax(used[:, ::-1], axis=1)] = False  # the last has no rest
    chance = np.minimum(MOST_CHANCE, CHANGES / np.maximum(sticks.sum(axis=1, keepdims=True), 1)) * sticks
    chance[:, : FIRST_VALUE + 1] = np.maximum(chance[:, : FIRST_VALUE + 1], FAULT_CHANCE * sticks[:, : FIRST_VALUE + 1])
    several = np.count_nonzero(reference.summary.counts[:, FIRST_VALUE:], axis=1) > 2
    place, spread = numeric & several & scores[:, 0].any(axis=1), numeric & several & scores[:, 1].any(axis=1)
    weight = np.zeros((len(used), len(DELTAS) + 1))
    weight[:, :N_LOCATIONS] = LOCATION_WEIGHT * place[:, None] / N_LOCATIONS
    weight[:, N_LOCATIONS : len(DELTAS)] = SCALE_WEIGHT * spread[:, None] / (len(DELTAS) - N_LOCATIONS)
    weight[:, -1] = 1 - weight.sum(axis=1)
    return chance, weight
