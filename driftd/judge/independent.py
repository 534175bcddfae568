"""The judge of channels whose events are exchangeable: has the distribution of a channel changed, and when?

S is a Shiryaev-Roberts sum of Bayes factors (driftd.judge.changes): for each candidate c of where the change began, all
that was seen before c (the reference included) against all that was seen since. The alarm is S >= A, and

    P(a false alarm within n events) <= n / A        for every n                    (Ville's inequality)

for any dependence between channels, given that events are exchangeable until the change: that is what
driftd.judge.regime tests. Neither the old distribution nor the new one is known to anybody: both are integrated out
(driftd.judge.splits, .tilts), so a short reference costs delay, not false alarms, and what the stream adds to it is
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

from driftd.event import Kind
from driftd.judge import arrays, tilts
from driftd.judge.evidence import Evidence
from driftd.judge.splits import log_factor, log_mean_of_subsets
from driftd.reference import Reference
from driftd.summary import FIRST_VALUE, MISSING, UNSEEN

Floats = NDArray[np.float64]

LOCATIONS: Final = np.array([0.08, 0.18, 0.4, 0.9])
SCALES: Final = np.array([0.1, 0.25, 0.6])
DELTAS: Final = np.concatenate([LOCATIONS, -LOCATIONS, SCALES, -SCALES])
_LOCATION: Final = 2 * len(LOCATIONS)
BORDER: Final = 0.1
"""What a reference count is worth where the column may owe its place among the frequent ones to luck."""
_CHUNK: Final = 128
"""Channels at a time: what a step works on stays in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Independent:
    """The judge's steps; it has no settings."""

    def start(self, shape: Shape) -> Evidence:
        return Evidence.start(*shape.counts.shape)

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
        c = counts.astype(np.float64)
        state = state.add(c, c.sum(axis=1), at, freeze < 0)
        factors = np.empty(state.changes.log_weight.shape)
        for low in range(0, len(c), _CHUNK):
            part = slice(low, low + _CHUNK)
            factors[:, part] = log_factors(shape.take(part), state.changes.after[:, part], state.past(part))
        return state.judged(factors)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What the reference says; it never changes. float64[channels, ...] throughout.

    counts  as counted, after Good-Turing: categories seen once stand for what comes that was never seen, so those of
            them that count as "other" are moved to unseen
    places  normal score of each column before standardising; 0 for missing and unused columns
    scores  float64[channels, 2, width]: location and scale score, mean 0 and variance 1, 0 for missing
    costs   float64[channels, 14, 9]: of the tilts (driftd.judge.tilts)
    hits, misses  float64[channels, 2, width]: what the reference counts for and against each column, alone (0) and in
            the chain (1): less than it counted where it is less sure than that (BORDER; Esty's variance)
    single, chain  float64[channels, width]: weight of each column alone; chance that it is among the subset
    weight  float64[channels, 16]: of the tilts, the singles and the chain
    """

    counts: Floats
    places: Floats
    scores: Floats
    costs: Floats
    hits: Floats
    misses: Floats
    single: Floats
    chain: Floats
    weight: Floats

    @classmethod
    def of(cls, reference: Reference, singles: Floats, doubles: Floats) -> Self:
        """``singles``, ``doubles`` float64[channels]: distinct categories that the reference saw once and twice."""
        raw = reference.summary.counts
        counts = raw.astype(np.float64)
        columns = np.arange(reference.width)
        used = columns < reference.used[:, None]
        used[reference.numeric, UNSEEN] = False
        places = normal_scores(counts, reference.places, used.astype(np.float64))
        open_ended = np.array([b.kind is Kind.CATEGORICAL and not b.identifier for b in reference.bins], np.float64)
        other = reference.used - 1
        top = used & (columns >= FIRST_VALUE) & (columns < other[:, None]) & ~reference.numeric[:, None]
        once = np.count_nonzero(top & (raw == 1), axis=1)
        rows = np.arange(len(counts))
        moved = np.clip(singles - once, 0, counts[rows, other]) * open_ended
        counts[rows, other] -= moved
        counts[:, UNSEEN] += moved
        scores = standardised(places, counts)
        hits, misses = known_of(reference, counts, used, top, (once + 2 * doubles) * open_ended)
        values = counts.copy()
        values[:, :FIRST_VALUE] = 0
        total = values.sum(axis=1)
        share = values / np.maximum(total, 1)[:, None]
        costs = np.concatenate(
            [
                tilts.table(share, scores[:, 0], total, DELTAS[:_LOCATION]),
                tilts.table(share, scores[:, 1], total, DELTAS[_LOCATION:]),
            ],
            axis=1,
        )
        single, chain, weight = weights(reference, scores, used)
        return cls(counts, places, scores, costs, hits, misses, single, chain, weight)

    def take(self, rows: slice | NDArray[np.intp]) -> Shape:
        return Shape(*(getattr(self, f.name)[rows] for f in fields(self)))


def log_factors(shape: Shape, after: Floats, past: Floats) -> Floats:
    """ln Bayes factor of each candidate, float64[candidates, channels]; ``after`` and ``past`` (without the reference)
    float64[candidates, channels, width].
    """
    m, n = after.sum(axis=2, keepdims=True), past.sum(axis=2, keepdims=True)
    alone = log_factor(after, m - after, shape.hits[:, 0] + past, shape.misses[:, 0] + n - past)
    later, earlier = _behind(after), _behind(past)
    chained = log_factor(after, later, shape.hits[:, 1] + past, shape.misses[:, 1] + earlier)
    out = np.empty((*after.shape[:2], len(DELTAS) + 2))
    moved = _tilted(shape, after, past)
    out[..., : len(DELTAS)] = moved
    with np.errstate(divide="ignore"):
        out[..., -2] = np.logaddexp.reduce(alone + np.log(shape.single), axis=2)
        out[..., -1] = log_mean_of_subsets(chained, shape.chain)
        return np.asarray(np.logaddexp.reduce(out + np.log(shape.weight), axis=2), np.float64)


def _tilted(shape: Shape, after: Floats, past: Floats) -> Floats:
    known = shape.counts[:, FIRST_VALUE:] + past[..., FIRST_VALUE:]
    since = after[..., FIRST_VALUE:]
    n, m = known.sum(axis=2), since.sum(axis=2)
    score = shape.scores[:, :, FIRST_VALUE:]
    difference = np.einsum("ckw,kiw->ick", since, score) / np.maximum(m, 1) - np.einsum(
        "ckw,kiw->ick", known, score
    ) / np.maximum(n, 1)
    place = tilts.log_ratio(shape.costs[:, :_LOCATION], DELTAS[:_LOCATION], difference[0], n, m)
    spread = tilts.log_ratio(shape.costs[:, _LOCATION:], DELTAS[_LOCATION:], difference[1], n, m)
    return np.concatenate([place, spread], axis=2)


def _behind(counts: Floats) -> Floats:
    """Of each column, what lies in the columns after it."""
    out: Floats = np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1] - counts
    return out


def known_of(
    reference: Reference, counts: Floats, used: NDArray[np.bool_], top: NDArray[np.bool_], spread: Floats
) -> tuple[Floats, Floats]:
    """hits and misses of Shape. ``spread``: what the variance of the unseen mass has beyond its count (Esty 1983)."""
    hits = counts.copy()
    # nothing was below the least value or above the greatest because these are the least and the greatest
    hits += 0.5 * (used & (counts == 0))
    behind = _behind(hits)
    total = hits.sum(axis=1, keepdims=True)
    worth = np.ones((2, *counts.shape))
    seen_once = counts[:, UNSEEN]
    worth[:, :, UNSEEN] = np.where(seen_once > 0, seen_once / np.maximum(seen_once + spread, 1e-9), 1.0)
    rows, other = np.arange(len(counts)), reference.used - 1
    rare = np.array([len(b.rare) > 0 for b in reference.bins]) & ~reference.numeric
    border = np.where(top, counts, np.inf).min(axis=1, initial=np.inf)
    lucky = top & (counts <= (border + 2 * np.sqrt(np.maximum(border, 0)))[:, None]) & rare[:, None]
    worth[:, lucky] = BORDER
    # what luck may have taken from the rest: a standard deviation of each of those columns, all the same way
    rest = counts[rows, other]
    taken = np.count_nonzero(lucky, axis=1) * np.sqrt(np.where(np.isfinite(border), border, 0.0))
    known = rest * (1 - rest / np.maximum(counts.sum(axis=1), 1)) + 1
    worth[0, rows[rare], other[rare]] = (known / (known + taken**2))[rare]
    return (
        np.stack([hits, hits], axis=1) * worth.transpose(1, 0, 2),
        np.stack([total - hits, behind], axis=1) * worth.transpose(1, 0, 2),
    )


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


def standardised(places: Floats, counts: Floats) -> Floats:
    """Location and scale scores, mean 0 and variance 1 on the values of ``counts``, 0 for missing:
    float64[channels, 2, width].
    """
    values = counts.copy()
    values[:, :FIRST_VALUE] = 0
    share = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    present = np.ones_like(places)
    present[:, :FIRST_VALUE] = 0

    def unit(x: Floats) -> Floats:
        centred = (x - np.sum(share * x, axis=1, keepdims=True)) * present
        sd = np.sqrt(np.sum(share * centred**2, axis=1, keepdims=True))
        return np.where(sd > 1e-9, centred / np.maximum(sd, 1e-9), 0.0)

    location = unit(places)
    return np.stack([location, unit(location**2)], axis=1)


def weights(reference: Reference, scores: Floats, used: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """single, chain and weight of Shape. Missing and unseen are where pipelines break: they get more than their
    share of the singles.
    """
    numeric = reference.numeric
    single = used / np.maximum(used.sum(axis=1, keepdims=True), 1) * 0.8
    single[:, MISSING] += 0.1
    single[:, UNSEEN] += 0.1 * ~numeric
    single /= single.sum(axis=1, keepdims=True)
    last = np.arange(reference.width) == reference.used[:, None] - 1
    sticks = used & ~last
    chain = np.minimum(0.25, 2 / np.maximum(sticks.sum(axis=1, keepdims=True), 1)) * sticks
    several = np.count_nonzero(reference.summary.counts[:, FIRST_VALUE:], axis=1) > 2
    place, spread = numeric & several & scores[:, 0].any(axis=1), numeric & several & scores[:, 1].any(axis=1)
    weight = np.zeros((len(single), len(DELTAS) + 2))
    weight[:, :_LOCATION] = 0.25 * place[:, None] / _LOCATION
    weight[:, _LOCATION : len(DELTAS)] = 0.15 * spread[:, None] / (len(DELTAS) - _LOCATION)
    rest = 1 - weight.sum(axis=1)
    weight[:, -2] = rest * np.where(place, 0.6, 0.5)
    weight[:, -1] = rest - weight[:, -2]
    return single, chain, weight


__all__ = ["Evidence", "Independent", "Shape", "log_factors"]
