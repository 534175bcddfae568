"""What one source saw of an experiment: sums by pane, arm and bucket of units, and a sample of the units themselves.

All of it adds up exactly, in any order: counts and whole millionths, and of units those whose hash is small.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.quality.sums import SparseSums, merged

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

MOST_UNITS: Final = 1_024
"""Units of a pane that are kept by name: 20 kB. Of more, those with the smallest hashes."""
MOST_NAMED: Final = 3
"""Variants that are no arm of the experiment and are kept by name: enough to see a typing error."""
UNIT_RANGE: Final = float(1 << 52)
"""Hashes of units are whole numbers below it: exact as floats, among the other columns of events."""


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Which units came to which arm, of those whose hash is below the ``bounds`` of their pane: ``panes`` int64[m],
    ``hashes`` float64[m], ``arms`` int64[m], in ascending order of pane and hash, each unit once a pane, with the arm
    that it came to first. ``cut`` int64[k] are the panes that have a bound, ``bounds`` float64[k].
    """

    panes: Counts
    hashes: Floats
    arms: Counts
    cut: Counts
    bounds: Floats

    @classmethod
    def none(cls) -> Self:
        whole = np.zeros(0, np.int64)
        return cls(whole, np.zeros(0), whole, whole, np.zeros(0))

    @classmethod
    def of(cls, panes: Counts, hashes: Floats, arms: Counts) -> Units:
        """Of events in the order in which they came."""
        return _bounded(panes, hashes, arms, np.zeros(0, np.int64), np.zeros(0))

    def then(self, later: Units) -> Units:
        """And those that came later."""
        if not len(later.panes) and not len(later.cut):
            return self
        pairs = zip(self.arrays, later.arrays, strict=True)
        return _bounded(*(np.concatenate(pair) for pair in pairs))

    def between(self, first: int, last: int) -> Units:
        """Of the panes ``first`` to ``last``."""
        mine, cut = (self.panes >= first) & (self.panes <= last), (self.cut >= first) & (self.cut <= last)
        return Units(self.panes[mine], self.hashes[mine], self.arms[mine], self.cut[cut], self.bounds[cut])

    @property
    def arrays(self) -> tuple[Counts, Floats, Counts, Counts, Floats]:
        return self.panes, self.hashes, self.arms, self.cut, self.bounds

    @property
    def nbytes(self) -> int:
        return sum(x.nbytes for x in self.arrays)


def _bounded(panes: Counts, hashes: Floats, arms: Counts, cut: Counts, bounds: Floats) -> Units:
    order = np.lexsort((hashes, panes))  # stable: the first of each unit stays the first
    panes, hashes, arms = panes[order], hashes[order], arms[order]
    once = np.append(True, (panes[1:] != panes[:-1]) | (hashes[1:] != hashes[:-1]))[: len(panes)]
    panes, hashes, arms = panes[once], hashes[once], arms[once]
    numbers, start, sizes = np.unique(panes, return_index=True, return_counts=True)
    limits = dict[int, float]()
    for pane, bound in zip(cut.tolist(), bounds.tolist(), strict=True):
        limits[pane] = min(bound, limits.get(pane, UNIT_RANGE))
    for pane, at in zip(numbers[sizes > MOST_UNITS].tolist(), start[sizes > MOST_UNITS].tolist(), strict=True):
        limits[pane] = min(float(hashes[at + MOST_UNITS]), limits.get(pane, UNIT_RANGE))
    known = np.array(sorted(limits), np.int64)
    values = np.array([limits[pane] for pane in known.tolist()])
    if len(known):
        place = np.minimum(np.searchsorted(known, panes), len(known) - 1)
        kept = (known[place] != panes) | (hashes < values[place])
        panes, hashes, arms = panes[kept], hashes[kept], arms[kept]
    return Units(panes, hashes, arms, known, values)


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Of one experiment: ``sums`` in the columns of its rule (core.experiment), rows are panes. ``others``: variants
    that are no arm of it, as ``first_names``; a part of the panes keeps all of them.
    """

    sums: SparseSums
    units: Units
    others: tuple[str, ...] = ()

    def then(self, later: Trial) -> Trial:
        others = first_names(self.others, later.others)
        return Trial(merged([self.sums, later.sums]), self.units.then(later.units), others)

    def between(self, first: int, last: int) -> Trial:
        return Trial(self.sums.between(first, last), self.units.between(first, last), self.others)

    def without(self, panes: Counts) -> Trial:
        """But for these panes."""
        s, u = self.sums, self.units
        kept = ~np.isin(s.keys // s.width, panes)
        mine, cut = ~np.isin(u.panes, panes), ~np.isin(u.cut, panes)
        units = Units(u.panes[mine], u.hashes[mine], u.arms[mine], u.cut[cut], u.bounds[cut])
        return Trial(SparseSums(s.width, s.keys[kept], s.values[kept]), units, self.others)

    @property
    def nbytes(self) -> int:
        return self.sums.nbytes + self.units.nbytes


def first_names(*every: Iterable[str]) -> tuple[str, ...]:
    """The first by the alphabet: the same ones in whatever order they came."""
    return tuple(sorted(set().union(*every))[:MOST_NAMED])


Trials = Mapping[str, Trial]
"""By the id of the rule."""


def joined(every: Sequence[Trials]) -> dict[str, Trial]:
    """All of them together, in the order in which they came."""
    out: dict[str, Trial] = {}
    for trials in every:
        for name, trial in trials.items():
            out[name] = out[name].then(trial) if name in out else trial
    return out


def parted(trials: Trials, last: int) -> tuple[dict[str, Trial], dict[str, Trial]]:
    """The panes up to ``last``, and those after it."""
    now: dict[str, Trial] = {}
    later: dict[str, Trial] = {}
    for name, trial in trials.items():
        rows = trial.sums.rows
        if not len(rows) or rows[-1] <= last:
            now[name] = trial
        elif rows[0] > last:
            later[name] = trial
        else:
            now[name] = trial.between(int(rows[0]), last)
            later[name] = trial.between(last + 1, int(rows[-1]))
    return now, later
