"""How large a change is, from the plain counts of what came since: for the judge, whose evidence has no size."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftd.core.fault_counters import COLUMNS
from driftd.core.summary import Summary
from driftd.judge.natural.changes import CHANGES, EXACT, Change, SizeTable
from driftd.judge.natural.kinds import Kind, kind_by_change, one_way
from driftd.judge.natural.learned import NaturalLearned
from driftd.judge.natural.shapes import CHANGE_OF, STATISTICS, Usual, statistics

_ROWS: Final = np.flatnonzero([CHANGES[change] in EXACT for change in CHANGE_OF.tolist()])
"""Statistics that plain counts tell. Derived: those of EXACT."""
_ERRORS: Final = np.equal(CHANGE_OF, CHANGES.index(Change.ERRORS))[:, None]
"""Derived: the statistic that is about error channels alone."""
_MIX: Final = STATISTICS.index(Change.MIX)
"""Derived: its row."""
_NARROWER: Final = STATISTICS.index(Change.SPREAD) + 1
"""Derived: the row of a spread downwards, the one after upwards."""
_LEVELS: Final = np.flatnonzero([change is Change.LEVEL for change in STATISTICS])
"""Derived: the rows of levels, upwards and downwards."""


class Sized(NamedTuple):
    """Of each channel ``part``, its largest change over the least that makes a ticket where evidence is exact; whether
    it is ``gross`` (a page); the ``kind`` of what changed most, its ``size`` (below 0 of a spread that is narrower)
    and, of a rate, what is ``usual``.
    """

    part: NDArray[np.float64]
    gross: NDArray[np.bool_]
    kind: tuple[Kind, ...]
    size: NDArray[np.float64]
    usual: NDArray[np.float64]

    @property
    def matters(self) -> NDArray[np.bool_]:
        """bool[channels]: a ticket, where evidence is exact."""
        return self.part >= 1


def sized(learned: NaturalLearned, sizes: SizeTable, recent: Summary, row: int | None = None) -> Sized:
    """``recent``: what came since the change; of one channel alone where ``row`` is given."""
    rows = slice(None) if row is None else slice(row, row + 1)
    counts, layout = recent.counts[rows], replace(learned.layout, table=learned.layout.table[rows], labels=None)
    none = np.zeros((len(counts), COLUMNS), np.int64)
    told = layout.features(np.concatenate([counts, none, recent.moments[rows]], axis=1)[None])
    usual = Usual(*(getattr(learned.usual, f.name)[rows] for f in fields(Usual)))
    _, size, least = (v[0] for v in statistics(usual, np.concatenate([told, counts[None]], axis=2), usual.shares[None]))
    centre = learned.near.centre[:, rows]
    # of another channel the same count is that of its highest tenth
    centre = np.where(_ERRORS & ~learned.traits.errors[rows], np.nan, centre)
    size, least = np.nan_to_num(size - centre, nan=-np.inf), np.nan_to_num(least - centre, nan=-np.inf)
    size[STATISTICS.index(Change.ERRORS), ~learned.traits.errors[rows]] = -np.inf  # to others it is a tenth of them
    # what is not known (-inf) of a change that never makes a ticket (inf) is no number
    part = np.nan_to_num(size[_ROWS] / sizes.exact[CHANGE_OF[_ROWS]][:, rows], nan=-np.inf)
    best, numeric = _ROWS[part.argmax(axis=0)], usual.numeric.tolist()
    seen = usual.values(counts.astype(np.float64))
    level = usual.numeric & one_way(usual.scores, usual.shares, seen / np.maximum(seen.sum(axis=1, keepdims=True), 1))
    best = np.where((best == _MIX) & level, size[_LEVELS].argmax(axis=0) + _LEVELS[0], best)
    return Sized(
        part=part.max(axis=0),
        gross=(least >= sizes.page[CHANGE_OF][:, rows]).any(axis=0),
        kind=tuple(kind_by_change(int(CHANGE_OF[b]), numeric=n) for b, n in zip(best.tolist(), numeric, strict=True)),
        size=size[best, np.arange(len(counts))] * np.where(best == _NARROWER, -1, 1),
        usual=centre[best, np.arange(len(counts))],
    )
