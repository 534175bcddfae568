"""An experiment so far: what panes of all sources came to, in order of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.experiment import BUCKETS, FIRST_COLUMNS, STRATUM_SECONDS, Metric, Rule
from driftd.core.quality.sums import SparseSums
from driftd.core.trials import UNIT_RANGE, Trial, Units, first_names
from driftd.judge.experiments import bernoulli, srm
from driftd.judge.experiments.bernoulli import CLAIMS
from driftd.judge.experiments.clustered import Clusters, Track, follow
from driftd.judge.experiments.sequence import FIRST_EVENTS, half_widths

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

MOST_UNITS: Final = 32_768
"""Units that are known by name. Chosen: 0.3 MB, and enough to see a split of 51 to 49 instead of 50 to 50."""
MOST_POINTS: Final = 256
"""Of the interval over time; where there are more every other one goes. Chosen: 8 kB, and more than a chart shows."""
ROUNDING: Final = 1e-11
"""Part of a mean below which a difference is none. Derived: sums of doubles are exact to 1e-16 a stratum; of values
that are all alike neither the difference nor its error is 0 then.
"""
AT_ONCE: Final = 64
"""Strata that are taken together. Chosen: a megabyte for each metric."""


@dataclass(frozen=True, slots=True, eq=False)
class Ratio:
    """Evidence against the shares: its log e-value, and what it goes by (judge.experiments.srm). ``since``: from when
    on it has been enough, NaN while it is not.
    """

    evidence: float
    seen: Floats
    expected: Floats
    since: float = np.nan

    @classmethod
    def none(cls, arms: int) -> Self:
        return cls(0.0, np.zeros(arms), np.zeros(arms))

    def take(self, ends: Floats, counts: Counts, weights: Floats) -> Ratio:
        """Strata that end at ``ends``, with counts [strata, arms] where weights [strata, arms] are known; NaN: they are
        not.
        """
        known = ~np.isnan(weights).any(axis=1)
        if not known.any():
            return self
        steps, seen, expected = srm.log_steps(counts[known], weights[known], self.seen, self.expected)
        path = np.cumsum(np.append(self.evidence, steps))
        kept = int(np.argmax(path[::-1] < srm.THRESHOLD)) if (path < srm.THRESHOLD).any() else len(path)
        # so many of the last are enough; the first of the path was so before
        since = np.nan if not kept else self.since if kept == len(path) else float(ends[known][-kept])
        return Ratio(float(path[-1]), seen, expected, since)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Units whose hash is below ``bound``, ascending: each with the arm that it came to first."""

    bound: float
    hashes: Floats
    arms: NDArray[np.int8]

    @classmethod
    def none(cls) -> Self:
        return cls(UNIT_RANGE, np.zeros(0), np.zeros(0, np.int8))

    def then(self, hashes: Floats, arms: Counts, bound: float) -> tuple[Known, Counts]:
        """With those of a stratum, in the order in which they came, and the arms of the new ones, int64[m]."""
        bound = min(self.bound, bound)
        hashes, first = np.unique(hashes, return_index=True)
        at = np.searchsorted(self.hashes, hashes)
        new = (hashes < bound) & (np.append(self.hashes, np.nan)[at] != hashes)
        out = Known(bound, self.hashes, self.arms)
        if new.any():
            mine = arms[first[new]].astype(np.int8)
            out = Known(bound, np.insert(self.hashes, at[new], hashes[new]), np.insert(self.arms, at[new], mine))
        if len(out.hashes) > MOST_UNITS:
            bound = float(out.hashes[MOST_UNITS])
        if bound < self.bound:
            kept = int(np.searchsorted(out.hashes, bound))
            out = Known(bound, out.hashes[:kept].copy(), out.arms[:kept].copy())
            new &= hashes < bound
        return out, arms[first[new]]


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """One challenger (b) beside the champion (a) on one metric; of a metric of which more is better, all is negative.

    ``counts`` int64[2] events that have it, ``totals`` int64[2] their sums in the metric's unit. ``evidence`` float64
    of the CLAIMS, for requests that are independent; ``shown`` float64[2, claims]: when each was shown first, by that
    and by the interval, NaN never. ``points`` float64[k, 4]: time, events, estimate, half the interval's width.
    """

    counts: Counts
    totals: Counts
    clusters: Clusters
    evidence: Floats
    shown: Floats
    points: Floats
    estimate: float = np.nan
    half: float = np.nan

    @classmethod
    def none(cls) -> Self:
        zero, never = np.zeros(2, np.int64), np.full((2, len(CLAIMS)), np.nan)
        return cls(zero, zero, Clusters.none(), np.zeros(len(CLAIMS)), never, np.zeros((0, 4)))

    def take(self, rule: Rule, metric: Metric, ends: Floats, cells: Counts, kept: NDArray[np.bool_]) -> Tally:
        """Strata that end at ``ends``; ``cells`` int64[strata, 2, BUCKETS, 2] as in core.experiment; ``kept``: those of
        which a point is kept.
        """
        counts, sums = cells[..., 0], cells[..., 1] * (-1 if metric.higher else 1)
        n, x = counts.sum(axis=2), sums.sum(axis=2)
        clusters, track = follow(self.clusters, counts, sums.astype(np.float64) * metric.unit)
        half = half_widths(track.errors, track.events, rule.level)
        half = np.where((track.events >= FIRST_EVENTS) & ~np.isnan(half), half, np.inf)
        noise = ROUNDING * (metric.unit + np.abs(x.sum()) * metric.unit / max(int(n.sum()), 1))
        half = np.where(np.abs(track.estimates) > noise, half, np.inf)  # all alike: what differs is rounded
        evidence, shown = self.evidence, self.shown.copy()
        if metric.share:
            steps = bernoulli.log_steps(x, n, (self.totals, self.counts), metric.margin)
            path = np.cumsum(np.concatenate([evidence[None], steps]), axis=0)[1:]
            evidence = path[-1]
            # a claim and its contrary may both be false: each has half
            shown[0] = _first(shown[0], path >= np.log(2 / rule.level), ends)
        shown[1] = _first(shown[1], _claimed(track, half, metric.margin), ends)
        rows = np.column_stack([ends, track.events, track.estimates, half])[kept]
        last = float(track.estimates[-1]), float(half[-1])
        points = np.concatenate([self.points, rows])
        return Tally(self.counts + n.sum(axis=0), self.totals + x.sum(axis=0), clusters, evidence, shown, points, *last)


@dataclass(frozen=True, slots=True, eq=False)
class Experiment:
    """``since``: the beginning of the first stratum, ``last``: the end of the last; ``strata``: how many there were,
    and every ``step``-th of them has a point. ``events`` int64[arms], ``named`` int64[arms] those whose unit is known.
    ``by_events`` and ``by_units`` test the shares. ``tallies`` by challenger, then metric. ``waiting``: of the stratum
    that is not over. ``others``: events of variants that are no arm, ``names`` some of these. ``controls`` by metric:
    one half of the champion's units beside the other, which must not differ; none before the first stratum.
    """

    rule: str
    since: float
    last: float
    strata: int
    step: int
    events: Counts
    named: Counts
    by_events: Ratio
    by_units: Ratio
    units: Known
    tallies: tuple[Tally, ...]
    waiting: Trial | None = None
    others: int = 0
    """Derived: none at the start."""
    names: tuple[str, ...] = ()
    controls: tuple[Tally, ...] = ()

    @classmethod
    def start(cls, rule: Rule) -> Self:
        arms, zero = len(rule.arms), np.zeros(len(rule.arms), np.int64)
        tallies = tuple(Tally.none() for _ in range(len(rule.challengers) * len(rule.metrics)))
        ratios = Ratio.none(arms), Ratio.none(arms)
        return cls(rule.id, np.nan, np.nan, 0, 1, zero, zero, *ratios, Known.none(), tallies)

    @property
    def by_unit(self) -> bool:
        """Whether events name their unit: then nothing assumes that they are independent."""
        return bool(self.named.any())

    @property
    def ratio(self) -> Ratio:
        return self.by_units if self.by_unit else self.by_events

    def take(self, rule: Rule, trials: Sequence[Trial], reached: int, pane_seconds: float) -> Experiment:
        """Closed panes come in, of all sources, in their order; ``reached`` is the last pane that is closed."""
        panes = max(1, round(STRATUM_SECONDS / pane_seconds))
        waiting = self.waiting
        for trial in trials:
            waiting = trial if waiting is None else waiting.then(trial)
        if waiting is None or not len(waiting.sums):
            return replace(self, waiting=waiting)
        rows, over = waiting.sums.rows, (reached + 1) // panes * panes - 1
        if rows[0] > over:
            return replace(self, waiting=waiting)
        ready, rest = waiting, None
        if rows[-1] > over:
            ready, rest = waiting.between(int(rows[0]), over), waiting.between(over + 1, int(rows[-1]))
        out = replace(self, waiting=rest, names=first_names(self.names, ready.others))
        for sums, units in _chunks(ready, panes):
            out = out.strata_in(rule, sums, units, panes * pane_seconds)
        return out

    def strata_in(self, rule: Rule, sums: SparseSums, units: Units, seconds: float) -> Experiment:
        """Whole strata come in; rows and panes are numbers of strata, of ``seconds`` each."""
        rows = sums.rows
        whole = sums.dense(rows)
        ours, others = whole[:, :-1].any(axis=1), self.others + int(whole[:, -1].sum())
        rows = rows[ours]
        if not len(rows):
            return replace(self, others=others)
        cells = whole[ours, :-1].reshape(len(rows), len(rule.arms), BUCKETS, rule.columns)
        begins: Floats = rows.astype(np.float64) * seconds
        ends, events = begins + seconds, cells[..., 0].sum(axis=2)
        weights = _weights(rule, begins, ends)
        known, new = _met(self.units, units, rows, len(rule.arms))
        kept = (self.strata + 1 + np.arange(len(rows))) % self.step == 0
        tallies = []
        for place, tally in enumerate(self.tallies):
            challenger, which = divmod(place, len(rule.metrics))
            first = FIRST_COLUMNS + 2 * which
            mine = cells[:, [0, challenger + 1], :, first : first + 2]
            tallies.append(tally.take(rule, rule.metrics[which], ends, mine, kept))
        first_half, never = np.arange(BUCKETS) < BUCKETS // 2, np.zeros(len(rows), bool)
        halves = cells[:, :1] * np.stack([first_half, ~first_half])[:, :, None]
        controls = [*self.controls] or [Tally.none() for _ in rule.metrics]
        for which, metric in enumerate(rule.metrics):
            first = FIRST_COLUMNS + 2 * which
            controls[which] = controls[which].take(rule, metric, ends, halves[..., first : first + 2], never)
        out = Experiment(
            self.rule,
            float(begins[0]) if self.strata == 0 else self.since,
            float(ends[-1]),
            self.strata + len(rows),
            self.step,
            self.events + events.sum(axis=0),
            self.named + cells[..., 1].sum(axis=(0, 2)),
            self.by_events.take(ends, events, weights),
            self.by_units.take(ends, new, weights),
            known,
            tuple(tallies),
            self.waiting,
            others,
            self.names,
            tuple(controls),
        )
        return out._thinned()

    def _thinned(self) -> Experiment:
        out = self
        while len(out.tallies[0].points) > MOST_POINTS:
            # those of multiples of the step are kept: the last one is the last multiple
            last = out.strata // out.step
            k = len(out.tallies[0].points)
            even = (last - np.arange(k)[::-1]) % 2 == 0
            thinner = tuple(replace(t, points=t.points[even]) for t in out.tallies)
            out = replace(out, step=out.step * 2, tallies=thinner)
        return out


def _met(known: Known, units: Units, rows: Counts, arms: int) -> tuple[Known, Counts]:
    """Units of strata in order of time: which are known then, and how many were new, int64[strata, arms]."""
    new = np.zeros((len(rows), arms), np.int64)
    for row in np.unique(np.append(units.panes, units.cut)).tolist():  # whoever sends no units has none
        mine, place = units.between(row, row), int(np.searchsorted(rows, row))
        known, fresh = known.then(mine.hashes, mine.arms, float(min(mine.bounds, default=UNIT_RANGE)))
        new[place] = np.bincount(fresh, minlength=arms)
    return known, new


def _first(since: Floats, true: NDArray[np.bool_], ends: Floats) -> Floats:
    """When each was true first: before, or at one of ``ends``; true [strata, claims]."""
    at = ends[np.argmax(true, axis=0)]
    return np.where(np.isnan(since) & true.any(axis=0), at, since)


def _claimed(track: Track, half: Floats, margin: float) -> NDArray[np.bool_]:
    """Which of the CLAIMS the interval shows, bool[strata, claims]."""
    low, high = track.estimates - half, track.estimates + half
    return np.stack([low > times * margin if sign > 0 else high < times * margin for sign, times in CLAIMS], axis=1)


def _weights(rule: Rule, begins: Floats, ends: Floats) -> Floats:
    """The shares in strata [strata, arms]; NaN where nobody said, and where they change within."""
    out = np.full((len(begins), len(rule.arms)), np.nan)
    if rule.shares:
        starts = np.array([s.start for s in rule.shares])
        table = np.array([s.weights for s in rule.shares])
        place = np.searchsorted(starts, begins, side="right") - 1
        whole = (place >= 0) & (place == np.searchsorted(starts, ends, side="left") - 1)
        out[whole] = table[place[whole]]
    return out


def _chunks(trial: Trial, panes: int) -> Iterator[tuple[SparseSums, Units]]:
    """By stratum, some at once."""
    s, u = trial.sums, trial.units
    numbers, columns = np.divmod(s.keys, s.width)
    sums = SparseSums.of(s.width, numbers // panes * s.width + columns, s.values)
    units = Units(u.panes // panes, u.hashes, u.arms, u.cut // panes, u.bounds)
    rows = sums.rows
    for at in range(0, len(rows), AT_ONCE):
        first, last = int(rows[at]), int(rows[min(at + AT_ONCE, len(rows)) - 1])
        yield sums.between(first, last), units.between(first, last)
