"""The judge of channels whose events are exchangeable: has the distribution of a channel changed, and when?

S is a Shiryaev-Roberts sum of Bayes factors (exchangeable.candidates): for each candidate c of where the change began,
all that was seen before c (the reference included) against all that was seen since. The alarm is S >= A, and

    P(a false alarm within n events) <= n / A        for every n                    (Ville's inequality)

for any dependence between channels, given that events are exchangeable until the change: that is what
driftd.judge.regime tests. Neither the old distribution nor the new one is known to anybody: both are integrated out
(.beta_binomial, .exponential_tilt), so a short reference costs delay, not false alarms, and what the stream adds is
used without ever accepting an event as normal that came after a likely change. How exact that is: the factors of splits
have mean 1 averaged over Jeffreys' prior of the unknown share; tilts take the score's shape from the reference, with an
allowance. Both are held against simulation in the tests.

A channel's factor is the average over what may have happened to it:
  location  the mean of the normal score moved by one of four sizes, either way           weight .25 (numbers)
  scale     the mean of its square did                                                     weight .15 (numbers)
  singles   one column's share rose or fell; missing and unseen weigh more than others     half the rest (numbers: more)
  chain     any subset of the columns changed                                              the other half

Source: Shin, Ramdas and Rinaldo 2022 (e-detectors); Shiryaev 1963, Roberts 1966; Good 1953.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from driftd.core import arrays
from driftd.core.event import Kind
from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, UNSEEN
from driftd.judge.exchangeable import exponential_tilt
from driftd.judge.exchangeable.beta_binomial import log_factor, log_mean_of_subsets, most_log_factor
from driftd.judge.exchangeable.candidates import log_sum_exp
from driftd.judge.exchangeable.evidence import Evidence

Floats = NDArray[np.float64]

LOCATIONS: Final = np.array([0.08, 0.18, 0.4, 0.9])
SCALES: Final = np.array([0.1, 0.25, 0.6])
DELTAS: Final = np.concatenate([LOCATIONS, -LOCATIONS, SCALES, -SCALES])
_LOCATION: Final = 2 * len(LOCATIONS)
BORDER: Final = 0.1
"""What a reference count is worth where the column may owe its place among the frequent ones to luck."""
CHANCE: Final = 0.25
FAULT: Final = 0.1
MARGIN: Final = 3.0
"""Nats below ln A from where on evidence is worked out exactly."""
CHANCE_NATS: Final = 2.0
"""What a column at least pays for being one of several that may have changed."""
_CHUNK: Final = 128
"""Channels at a time: what a step works on stays in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Independent:
    """The judge's steps; it has no settings."""

    def start(self, shape: Shape) -> Evidence:
        return Evidence.start(*shape.values.shape)

    def dump(self, state: Evidence) -> arrays.Table:
        return arrays.dump(state)

    def load(self, table: Mapping[str, Floats]) -> Evidence:
        """Goes on bit for bit from ``dump``."""
        return arrays.load(Evidence, table)

    def step(
        self, state: Evidence, shape: Shape, counts: NDArray[np.int64], at: float, freeze: Floats
    ) -> tuple[Evidence, Floats]:
        """One pane: ``counts`` int64[channels, width], begun at ``at``; gives S float64[channels].

        Where ``freeze`` float64[channels] is negative an episode lasts: nothing joins the past.
        """
        c = np.take_along_axis(counts, shape.order, axis=1).astype(np.float64)
        state = state.add(c, c.sum(axis=1), at, freeze < 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            enough = np.where(freeze > 0, 2 * np.log(freeze) - MARGIN, -np.inf)
        factors = state.changes.log_factor.copy()
        for low in range(0, len(c), _CHUNK):
            part = slice(low, min(low + _CHUNK, len(c)))
            factors[:, part] = self._factors(state, shape, part, enough[part])
        return state.judged(factors)

    def _factors(self, state: Evidence, shape: Shape, part: slice, enough: Floats) -> Floats:
        """ln Bayes factors of the candidates of some channels, float64[candidates, channels].

        They are worked out where S may come near A (``enough``, ln), and of candidates that become one; what else is
        remembered of them may be old. So what is left out can delay an alarm at most, never make one.
        """
        mine, after, past = shape.take(part), state.changes.after[:, part], state.past(part)
        out = state.changes.log_factor[:, part].copy()
        moved = tilted(mine, after, past)
        most = np.maximum(moved, most_log_factors(mine, after, past))
        near = (state.changes.log_weight[:, part] + most >= enough).any(axis=0)
        rows = np.flatnonzero(near)
        if len(rows):
            out[:, rows] = log_factors(mine.take(rows), after[:, rows], past[:, rows], moved[:, rows])
        pair, rest = state.changes.joining, np.flatnonzero(~near)
        if pair is not None and len(rest):
            two = slice(pair, pair + 2)
            out[two, rest] = log_factors(mine.take(rest), after[two, rest], past[two, rest], moved[two, rest])
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What the reference says; it never changes. First axis channels; columns in the order of the chain.

    order   intp[channels, width]: column of Summary.counts at each place of the chain: missing, unseen, the last
            (other categories; above all the reference saw), the first value, and so on
    places  float64[channels, width]: normal score of each column of Summary.counts before standardising; 0 for missing
            and unused columns
    values  float64[channels, width]: what the reference counts in columns of values
    scores  float64[channels, 2, width]: location and scale score, mean 0 and variance 1, 0 for missing
    costs   float64[channels, 14, 9]: of the tilts (driftd.judge.exchangeable.exponential_tilt)
    hits, misses  float64[channels, width]: what the reference counts in each column, and in all columns behind it; less
            than it counted where it knows less than that (BORDER; Good-Turing with Esty's variance)
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
                exponential_tilt.table(share, scores[:, 0], total, DELTAS[:_LOCATION]),
                exponential_tilt.table(share, scores[:, 1], total, DELTAS[_LOCATION:]),
            ],
            axis=1,
        )
        hits, misses = known_of(reference, counts, used, singles, doubles)
        chance, weight = weights(reference, scores, used)
        return cls(order, places, values, scores, costs, hits, misses, chance, weight)

    def take(self, rows: slice | NDArray[np.intp]) -> Shape:
        return Shape(*(getattr(self, f.name)[rows] for f in fields(self)))


def log_factors(shape: Shape, after: Floats, past: Floats, moved: Floats) -> Floats:
    """ln Bayes factor of each candidate, float64[candidates, channels]; ``after`` and ``past`` (without the reference)
    float64[candidates, channels, width]; ``moved`` float64[candidates, channels]: ``tilted`` of them.
    """
    chained = log_factor(after, behind(after), shape.hits + past, shape.misses + behind(past))
    return np.logaddexp(moved, log_mean_of_subsets(chained, shape.chance) + np.log(shape.weight[:, -1]))


def whole_log_factors(shape: Shape, after: Floats, past: Floats) -> Floats:
    """``log_factors`` with the tilts worked out."""
    return log_factors(shape, after, past, tilted(shape, after, past))


def most_log_factors(shape: Shape, after: Floats, past: Floats) -> Floats:
    """About the most that the chain's share of ``log_factors`` can be, cheaply."""
    most = most_log_factor(after, behind(after), shape.hits + past, shape.misses + behind(past))
    most -= CHANCE_NATS
    return np.asarray(np.sum(np.maximum(most, 0.0, out=most), axis=2), np.float64)


def tilted(shape: Shape, after: Floats, past: Floats) -> Floats:
    """ln of the tilts' share of ``log_factors``, float64[candidates, channels]."""
    m = after[..., FIRST_VALUE:].sum(axis=2)
    n = shape.values.sum(axis=1) + past[..., FIRST_VALUE:].sum(axis=2)
    difference = np.einsum("ckw,kiw->ick", after, shape.scores) / np.maximum(m, 1)
    difference -= np.einsum("ckw,kiw->ick", past, shape.scores) / np.maximum(n, 1)  # the reference's own mean is 0
    place = exponential_tilt.log_ratio(shape.costs[:, :_LOCATION], DELTAS[:_LOCATION], difference[0], n, m)
    spread = exponential_tilt.log_ratio(shape.costs[:, _LOCATION:], DELTAS[_LOCATION:], difference[1], n, m)
    both = np.concatenate([place, spread], axis=2)
    with np.errstate(divide="ignore"):
        both += np.log(shape.weight[:, :-1])
    return log_sum_exp(np.moveaxis(both, 2, 0))


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
    reference: Reference, counts: Floats, used: NDArray[np.bool_], singles: Floats, doubles: Floats
) -> tuple[Floats, Floats]:
    """hits and misses of Shape; ``counts`` and ``used`` in the order of the chain."""
    categories = np.array([b.kind is Kind.CATEGORICAL for b in reference.bins])
    open_ended = categories & np.array([not b.identifier for b in reference.bins])
    top = used & categories[:, None]
    top[:, : FIRST_VALUE + 1] = False
    # nothing was below the least value or above the greatest because these are the least and the greatest
    hits = counts + 0.5 * (used & (counts == 0))
    misses = behind(hits)
    worth = np.ones_like(counts)
    # categories seen once stand for those never seen (Good 1953), with Esty's variance (1983)
    n = np.maximum(counts[:, UNSEEN:].sum(axis=1), 1.0)
    once, rest = singles * open_ended, 1 - singles / n
    hits[:, UNSEEN] = np.where(once > 0, once, hits[:, UNSEEN])
    misses[:, UNSEEN] = np.where(once > 0, n - once, misses[:, UNSEEN])
    worth[:, UNSEEN] = np.where(once > 0, (once * rest + 1) / (once * rest + 2 * doubles + 1), 1.0)
    # the least frequent of the frequent may be there by luck; one that was seen once or twice always is
    border = np.where(top, counts, np.inf).min(axis=1, initial=np.inf)
    border[~np.isfinite(border)] = 0.0
    rare = np.array([len(b.rare) > 0 for b in reference.bins]) & categories
    lucky = top & (counts <= (border + 2 * np.sqrt(border))[:, None]) & rare[:, None]
    # what that luck may have taken from the rest: 1.5 standard deviations of each of those columns, all the same way
    taken = 1.5 * np.count_nonzero(lucky, axis=1) * np.sqrt(border)
    other = counts[:, FIRST_VALUE] - np.clip(once - np.count_nonzero(top & (counts == 1), axis=1), 0, None)
    hits[:, FIRST_VALUE] = np.where(categories, np.maximum(other, 0.5), hits[:, FIRST_VALUE])
    both = np.maximum(hits + misses, 1e-9)
    wrong = taken[:, None] * hits / both  # where the lucky ones stand behind a column, they are too many there
    wrong[:, FIRST_VALUE] = taken + np.sqrt(once) * misses[:, FIRST_VALUE] / both[:, FIRST_VALUE]
    known = hits * misses / both + 1
    places = np.arange(counts.shape[1]) >= FIRST_VALUE
    worth = np.where(rare[:, None] & places, known / (known + wrong**2), worth)
    worth[lucky | (top & open_ended[:, None] & (counts < 4))] = BORDER
    return hits * worth, misses * worth


def normal_scores(counts: Floats, places: Floats, used: Floats) -> Floats:
    """ndtri of the reference's mid-ranks. Columns outside the reference score like their neighbours inside: a tilt
    that gives them more would hang on mass that the reference cannot bound.
    """
    inside = (counts > 0) & (used > 0)
    inside[:, :FIRST_VALUE] = False
    place = np.where(inside, places, np.nan)
    low, high = np.nanmin(np.where(inside, place, 1.0), axis=1), np.nanmax(np.where(inside, place, 0.0), axis=1)
    known = np.nan_to_num(np.clip(places, np.minimum(low, high)[:, None], np.maximum(low, high)[:, None]), nan=0.5)
    out = ndtri(np.clip(known, 1e-4, 1 - 1e-4)) * used
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


def weights(reference: Reference, scores: Floats, used: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """chance and weight of Shape. Missing, unseen and what lies outside are where pipelines break."""
    numeric = reference.numeric
    sticks = used.copy()
    sticks[np.arange(len(used)), used.shape[1] - 1 - np.argmax(used[:, ::-1], axis=1)] = False  # the last has no rest
    chance = np.minimum(CHANCE, 1.5 / np.maximum(sticks.sum(axis=1, keepdims=True), 1)) * sticks
    chance[:, : FIRST_VALUE + 1] = np.maximum(chance[:, : FIRST_VALUE + 1], FAULT * sticks[:, : FIRST_VALUE + 1])
    several = np.count_nonzero(reference.summary.counts[:, FIRST_VALUE:], axis=1) > 2
    place, spread = numeric & several & scores[:, 0].any(axis=1), numeric & several & scores[:, 1].any(axis=1)
    weight = np.zeros((len(used), len(DELTAS) + 1))
    weight[:, :_LOCATION] = 0.3 * place[:, None] / _LOCATION
    weight[:, _LOCATION : len(DELTAS)] = 0.15 * spread[:, None] / (len(DELTAS) - _LOCATION)
    weight[:, -1] = 1 - weight.sum(axis=1)
    return chance, weight


__all__ = ["Evidence", "Independent", "Shape", "log_factors"]
