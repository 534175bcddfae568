"""The judge of channels whose events are exchangeable: a Shiryaev-Roberts e-detector on pane counts.

For every channel and every alternative j it keeps R_j, and a pane of n events takes it to (R_j + n) * e_j, where
e_j has mean at most 1 while nothing has changed. S = sum_j weight_j R_j with weights that sum to 1, and the alarm is
S >= A. So S less the events seen is a supermartingale, and

    P(a false alarm within n events) <= n / A        for every n                    (Ville's inequality)

which holds for any dependence between channels and any data, given that (1) events are exchangeable with the
reference's until the change and (2) the reference's bounds hold: they do with probability 1 - ``miss`` per channel
and growth step (Clopper-Pearson exactly for shares, Bernstein's inequality with the estimated variance for tilts,
Good-Turing with Esty's variance asymptotically for unseen categories). (1) is what driftd.judge.regime tests.

Alternatives, each a likelihood ratio against the least favourable null inside the bounds:
  location  exp(lambda s), s the bin's standardised normal score, both signs, five lambdas   weight .35 (numeric)
  scale     the same with (s**2 - 1)                                                          weight .15 (numeric)
  bins      one bin's share rises (four sizes) or falls (three)                               the rest

Source: Shin, Ramdas and Rinaldo 2022 (e-detectors); Shiryaev 1963, Roberts 1966; Good 1953.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from driftd.event import Kind
from driftd.judge.bounds import risen, share_bounds, unseen_bound
from driftd.reference import Reference
from driftd.summary import FIRST_VALUE, MISSING, UNSEEN

Floats = NDArray[np.float64]

SIZES: Final = 5
RISES: Final = np.array([0.006, 0.03, 0.15, 0.9])
"""Nats an event that a risen bin's alternative gains: the sizes found in about 3,000, 600, 120 and 20 events."""
FALLS: Final = np.array([0.75, 0.4, 0.02])
TILTS: Final = 4 * SIZES
_EXPONENT: Final = 100.0
_CEILING: Final = 1e250


@dataclass(frozen=True, slots=True, eq=False)
class Null:
    """What is computed from a reference's counts; all of it follows from ``counts`` and the settings.

    scores  float64[channels, 2, width]: location and scale score of each column, mean 0 and variance 1
    tilt    float64[channels, 4, SIZES]: lambda with its sign, for location +, -, scale +, -
    cost    float64[channels, 4, SIZES]: log of the greatest mean that exp(lambda score) has under the null
    hit     float64[channels, width, 7]: log likelihood ratio of an event in the column
    base    float64[channels, width, 7]: that of an event outside it
    weight  float64[channels, 20 + 7 width]: mixing weights, sum 1; 0 for a channel without alternatives
    """

    scores: Floats
    tilt: Floats
    cost: Floats
    hit: Floats
    base: Floats
    weight: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All that is remembered between panes; arrays only, first axis channels.

    counts  float64[channels, width]: the reference, grown with accepted events
    used_counts  the same when ``null`` was last computed
    young, old   float64[channels, width]: events waiting to be accepted, at least a lag each
    steps   float64[channels]: how often the null was computed anew
    ratio   float64[channels, 20 + 7 width]: R of each alternative
    start   float64[channels, 20 + 7 width]: when the change would have begun (mean over R), in the caller's clock
    events  float64[channels]: events seen since the reference
    """

    counts: Floats
    used_counts: Floats
    young: Floats
    old: Floats
    steps: Floats
    ratio: Floats
    start: Floats
    events: Floats
    null: Null

    def without(self, rows: NDArray[np.bool_]) -> Evidence:
        """With the evidence of ``rows`` bool[channels] back at 0: their episode has opened."""
        return replace(self, ratio=np.where(rows[:, None], 0.0, self.ratio))


@dataclass(frozen=True, slots=True)
class Independent:
    """Settings. ``miss`` is the chance that a reference bound of a channel does not hold; ``lag`` and ``growth`` say
    when events join the reference (after lag events, up to growth times its size); ``regrow`` when bounds are redone.
    """

    miss: float = 0.01
    lag: int = 1000
    growth: float = 20.0
    regrow: float = 1.2

    def start(self, shape: Shape) -> Evidence:
        channels, width = shape.counts.shape
        zeros, many, none = np.zeros_like(shape.counts), np.zeros((channels, TILTS + 7 * width)), np.zeros(channels)
        null = self.null(shape, shape.counts, none)
        return Evidence(shape.counts, shape.counts, zeros, zeros, none, many, many, none, null)

    def dump(self, state: Evidence) -> dict[str, Floats]:
        """Everything but what follows from it."""
        return {f.name: getattr(state, f.name) for f in fields(state) if f.name != "null"}

    def load(self, shape: Shape, table: Mapping[str, Floats]) -> Evidence:
        """Goes on bit for bit from ``dump``."""
        null = self.null(shape, table["used_counts"], table["steps"])
        return Evidence(**{f.name: np.array(table[f.name]) for f in fields(Evidence) if f.name != "null"}, null=null)

    def null(self, shape: Shape, counts: Floats, steps: Floats) -> Null:
        return shape.null(counts, self.miss / ((steps + 1) * (steps + 2)))

    def step(
        self, state: Evidence, shape: Shape, counts: NDArray[np.int64], at: float, freeze: Floats
    ) -> tuple[Evidence, Floats]:
        """One pane: ``counts`` int64[channels, width], begun at ``at``; gives S float64[channels].

        Where S exceeds ``freeze`` float64[channels] (the square root of A) the reference does not grow.
        """
        c = counts.astype(np.float64)
        n = c.sum(axis=1)
        null = state.null
        gain = log_ratios(null, c, n)
        before = state.ratio + n[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            start = np.where(before > 0, (state.ratio * state.start + n[:, None] * at) / before, at)
        ratio = np.minimum(before * np.exp(np.minimum(gain, _EXPONENT)), _CEILING)
        s = np.einsum("kj,kj->k", null.weight, ratio)
        grown = self._grow(replace(state, ratio=ratio, start=start, events=state.events + n), shape, c, s < freeze)
        return grown, s

    def _grow(self, state: Evidence, shape: Shape, counts: Floats, quiet: NDArray[np.bool_]) -> Evidence:
        """Young events wait a lag, old ones another, then they join: what is judged is never its own reference."""
        young = np.where(quiet[:, None], state.young + counts, 0.0)
        old = np.where(quiet[:, None], state.old, 0.0)
        due = young.sum(axis=1) >= self.lag
        room = state.counts.sum(axis=1) < self.growth * shape.counts.sum(axis=1)
        total = np.where((due & room)[:, None], state.counts + old, state.counts)
        old = np.where(due[:, None], young, old)
        young = np.where(due[:, None], 0.0, young)
        rows = np.flatnonzero(total.sum(axis=1) >= self.regrow * np.maximum(state.used_counts.sum(axis=1), 1))
        state = replace(state, counts=total, young=young, old=old)
        if not len(rows):
            return state
        used, steps = state.used_counts.copy(), state.steps.copy()
        used[rows] = total[rows]
        steps[rows] += 1
        part = self.null(shape.take(rows), used[rows], steps[rows])
        merged = {}
        for f in fields(Null):
            whole = getattr(state.null, f.name).copy()
            whole[rows] = getattr(part, f.name)
            merged[f.name] = whole
        return replace(state, used_counts=used, steps=steps, null=Null(**merged))


def log_ratios(null: Null, counts: Floats, events: Floats) -> Floats:
    """Log e-value of every alternative for one pane: float64[channels, 20 + 7 width]."""
    channels, width = counts.shape
    u = np.einsum("kw,kiw->ki", counts, null.scores)
    tilts = null.tilt * np.repeat(u, 2, axis=1)[:, :, None] - null.cost * events[:, None, None]
    bins = counts[:, :, None] * (null.hit - null.base) + events[:, None, None] * null.base
    return np.concatenate([tilts.reshape(channels, TILTS), bins.reshape(channels, 7 * width)], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What stays as it is while the reference grows: float64[channels, ...] throughout.

    counts  the reference's, after Good-Turing: categories seen once stand for what comes that was never seen, so
            those of them that count as "other" are moved to unseen
    places  normal score of each column before standardising; 0 for missing and unused columns
    used    1 for columns in use
    numeric 1 for numbers
    kinds   distinct categories (columns of numbers): the bounds hold for all of them at once, because the bins are
            those that happened to be frequent
    moved   how many counts that were
    other   1 for the column of categories that are seen but not frequent
    spread  what the variance of the unseen mass has beyond its count: top categories seen once,
            and twice those seen twice
    """

    counts: Floats
    places: Floats
    used: Floats
    numeric: Floats
    kinds: Floats
    moved: Floats
    other: Floats
    spread: Floats

    @classmethod
    def of(cls, reference: Reference, singles: Floats, doubles: Floats) -> Self:
        """``singles``, ``doubles`` float64[channels]: distinct categories that the reference saw once and twice."""
        raw = reference.summary.counts
        counts = raw.astype(np.float64)
        columns = np.arange(reference.width)
        used = (columns < reference.used[:, None]).astype(np.float64)
        used[reference.numeric, UNSEEN] = 0
        open_ended = np.array([b.kind is Kind.CATEGORICAL and not b.identifier for b in reference.bins], np.float64)
        other = reference.used - 1
        top = (used > 0) & (columns >= FIRST_VALUE) & (columns < other[:, None])
        singles_top = np.count_nonzero(top & (raw == 1), axis=1)
        rows = np.arange(len(counts))
        moved = np.clip(singles - singles_top, 0, counts[rows, other]) * open_ended
        counts[rows, other] -= moved
        counts[:, UNSEEN] += moved
        places = normal_scores(raw.astype(np.float64), reference.places, used)
        kinds = np.array([len(b.categories) + len(b.rare) for b in reference.bins], np.float64) + reference.used
        numeric, rest = reference.numeric.astype(np.float64), (columns == other[:, None]) * open_ended[:, None]
        return cls(counts, places, used, numeric, kinds, moved, rest, (singles_top + 2 * doubles) * open_ended)

    def take(self, rows: NDArray[np.intp]) -> Shape:
        return Shape(*(getattr(self, f.name)[rows] for f in fields(self)))

    def null(self, counts: Floats, miss: Floats) -> Null:
        scores = standardised(self.places, counts)
        tilt, cost = tilts(scores, counts, miss / 8)
        hit, base = bin_ratios(counts, self, miss / (4 * self.kinds))
        return Null(scores, tilt, cost, hit, base, weights(self, counts))


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


def tilts(scores: Floats, counts: Floats, level: Floats) -> tuple[Floats, Floats]:
    """Lambdas from 3 / sqrt(n) to 1 (scale: a half), and the log of the mean exp(lambda score) may have at most."""
    n = np.maximum(counts.sum(axis=1), 1)
    least = np.minimum(3 / np.sqrt(n), 0.3)
    grid = least[:, None] ** np.linspace(1, 0, SIZES)[None, :]
    half = (2 * least[:, None]) ** np.linspace(1, 0, SIZES)[None, :] / 2
    tilt = np.stack([grid, -grid, half, -half], axis=1)
    score = np.repeat(scores, 2, axis=1)
    share = counts / n[:, None]
    z = -ndtri(level)[:, None]
    cost = np.empty_like(tilt)
    for j in range(SIZES):
        e = np.exp(tilt[:, :, j, None] * score)
        mean = np.einsum("kw,kiw->ki", share, e)
        spread = np.maximum(np.einsum("kw,kiw->ki", share, e**2) - mean**2, 0)
        reach = e.max(axis=2) - e.min(axis=2)
        cost[:, :, j] = np.log(mean + z * np.sqrt(spread / n[:, None]) + z**2 * reach / (6 * n[:, None]))
    return tilt, cost


def bin_ratios(counts: Floats, shape: Shape, level: Floats) -> tuple[Floats, Floats]:
    """Log likelihood ratios of one event in and outside each column, for the rises and falls: [channels, width, 7]."""
    n = counts.sum(axis=1)
    low, high = share_bounds(counts, n[:, None], level[:, None])
    most = share_bounds(np.minimum(counts + shape.moved[:, None], n[:, None]), n[:, None], level[:, None])[1]
    high = np.where(shape.other > 0, most, high)
    unseen = unseen_bound(counts[:, UNSEEN], shape.spread, n, -ndtri(level))
    high[:, UNSEEN] = np.where(shape.numeric > 0, high[:, UNSEEN], np.maximum(high[:, UNSEEN], unseen))
    z = -ndtri(level)[:, None]
    rough = counts - z * np.sqrt(counts + counts[:, UNSEEN, None] + shape.spread[:, None] + 1) - z**2 / 2
    low = np.where(shape.other > 0, np.minimum(low, np.maximum(rough, 0) / np.maximum(n[:, None], 1)), low)
    high = np.clip(high, 1e-12, 1 - 1e-9)[:, :, None]
    low = np.clip(low, 0, 1 - 1e-9)[:, :, None]
    up, down = risen(high, RISES), low * FALLS
    with np.errstate(divide="ignore", invalid="ignore"):
        hit = np.concatenate([np.log(up / high), np.where(low > 0, np.log(FALLS), 0.0)], axis=2)
        base = np.concatenate([np.log1p(-up) - np.log1p(-high), np.log1p(-down) - np.log1p(-low)], axis=2)
    return hit * shape.used[:, :, None], base * shape.used[:, :, None]


def weights(shape: Shape, counts: Floats) -> Floats:
    """Mixing weights. Missing and unseen are where pipelines break: they get more than their share of the bins."""
    channels, width = counts.shape
    moving = (standardised(shape.places, counts)[:, 0].any(axis=1) * shape.numeric)[:, None]
    tilt = (
        np.concatenate([np.full((channels, 2 * SIZES), 0.35), np.full((channels, 2 * SIZES), 0.15)], axis=1)
        * moving
        / (2 * SIZES)
    )
    column = shape.used / np.maximum(shape.used.sum(axis=1, keepdims=True), 1) * 0.8
    column[:, MISSING] += 0.1
    column[:, UNSEEN] += 0.1 * (shape.numeric == 0)
    column *= (1 - tilt.sum(axis=1, keepdims=True)) / np.maximum(column.sum(axis=1, keepdims=True), 1e-9)
    sizes = np.array([0.125] * 4 + [1 / 6] * 3)
    bins = (column[:, :, None] * sizes).reshape(channels, 7 * width)
    return np.concatenate([tilt, bins], axis=1)


__all__ = ["Evidence", "Independent", "Null", "Shape", "log_ratios"]
