"""Relations of a channel to its siblings: how much of the reference's correlations is left.

    T = sum_e r_e r0_e / sum_e r0_e**2        over siblings e with .1 < |r0| < .98; 1 intact, 0 nothing left

r is a correlation of normal scores within cells of at least 20 minutes: the hour is taken out. Categories count as
numbers: the mean of the model's output in the category. A shift of one channel leaves T as it is: a channel whose
values lie at one end of its bins, with one score for most of them, is mute, and counts as if all its relations held.

A cell carries sums of products of all watched channels, int64[m + 1, m + 1], a column of ones first: they add up over
partitions and panes. Of a whole cell only two whole numbers a channel are kept, so windows of cells cost little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.by_pane import ByPane
from driftd.core.channel import Role
from driftd.core.products import placed, products_by_pane
from driftd.core.reference import Reference
from driftd.core.segments import segment_sums
from driftd.core.summary import FIRST_VALUE
from driftd.judge.natural.features import SCORE
from driftd.judge.natural.runs import Runs

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Rows = NDArray[np.intp]
Bools = NDArray[np.bool_]

CELL_SECONDS: Final = 1200.0
"""Least seconds of a cell. Chosen: short against an hour, whose levels move channels together."""
CELL_EVENTS: Final = 30
"""Least events of a cell. Chosen: to take out its mean costs a thirtieth of it."""
MAX_CHANNELS: Final = 32
"""Channels that are related. Chosen: a pane carries 33 * 33 sums of products."""
LEAST: Final = 0.1
"""Least correlation with a sibling. Chosen: smaller ones are noise on a window of a hundred events."""
MOST: Final = 0.98
"""Most correlation with a sibling. Chosen: beyond, one is computed from the other, and would outweigh all others."""
LEAST_TOTAL: Final = 0.02
"""Sum of squares of a channel's correlations with its siblings. Chosen: two siblings at LEAST; with less there is
nothing to lose.
"""
AWAY: Final = 1.2
"""Distance of a cell's mean score from that of the reference, in deviations, from which on a channel is mute. Chosen: a
third of the values lie in the outermost bins then, and have one score each.
"""
FLAT: Final = 0.35
"""Part of the deviation of its scores in the reference below which a channel is mute in a cell. Chosen: a third; what
is left is a few values in other bins."""
OF_CATEGORY: Final = 30
"""Values of a category in the reference from which on their mean output is known. Chosen: to a fifth of a deviation."""
OF_VALUES: Final = 0.5
"""Least part of the values that must be in such categories. Chosen: half; prices as text, and users, have most of
theirs in no other part of the reference."""
STEADIED: Final = 30.0
"""Events with the reference's spread that a sibling's spread in a cell is taken together with. Chosen: CELL_EVENTS."""
LEAST_SQUARE: Final = 1e-9
"""Derived: no quotient is by 0."""
KNOWN: Final = 0.5
"""Least part of the events that a feature must be learned from. Chosen: what the others are related by is the rest."""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """``rows`` intp[m]: the channels; ``table`` int64[m, width]: the score of each bin in units of SCORE."""

    rows: Rows
    table: Counts

    def cross(self, bins: NDArray[np.intp]) -> Counts:
        """int64[m + 1, m + 1] of some events; ``bins`` intp[channels, events]."""
        z = self._placed(bins)
        out: Counts = np.rint(z @ z.T).astype(np.int64)
        return out

    def crosses(self, bins: NDArray[np.intp], panes: ByPane) -> Counts | None:
        """``cross`` of each pane, int64[k, m + 1, m + 1]; None where there is one channel alone."""
        rows = len(self.rows) + 1
        if rows < 3:
            return None
        first, second = np.divmod(np.arange(rows * rows), rows)
        return products_by_pane(self._placed(bins), panes, first, second).reshape(-1, rows, rows)

    def _placed(self, bins: NDArray[np.intp]) -> Floats:
        """float64[m + 1, events]: ones, then the score of every event, 0 where the channel does not apply."""
        return np.concatenate([np.ones((1, bins.shape[1])), placed(self.table, bins[self.rows])])


def scores_of(reference: Reference, normal: Counts, bins: NDArray[np.intp]) -> Scores:
    """``normal`` int64[channels, width]: normal scores of numbers' bins; ``bins`` intp[channels, n] of the reference's
    events. Errors are left out: they are rare, and have a path of their own.
    """
    table = normal.copy()
    lead = _lead(reference)
    for row in np.flatnonzero(~reference.numeric).tolist():
        table[row] = 0
        if lead is not None and lead != row:
            table[row] = _by_category(
                bins[row], normal[lead, bins[lead]] * SCORE, int(reference.used[row]), reference.width
            )
    known = (bins >= 0).mean(axis=1) >= KNOWN
    alone = [c.role.row.errors or c.role.row.aside for c in reference.channels]
    rows = [
        i
        for i, c in enumerate(reference.channels)
        if not alone[i] and (reference.numeric[i] or lead != i) and (known[i] or c.role.row.awaited)
    ]
    rows.sort(key=lambda i: reference.channels[i].role is Role.FEATURE)
    kept = np.array(sorted(rows[:MAX_CHANNELS]), np.intp)
    return Scores(kept, table[kept])


def _lead(reference: Reference) -> int | None:
    """The channel whose mean makes numbers of categories: the score, else the prediction."""
    roles = [c.role for c in reference.channels]
    return next((roles.index(role) for role in (Role.SCORE, Role.PREDICTION) if role in roles), None)


def _by_category(bins: NDArray[np.intp], output: Floats, used: int, width: int) -> Counts:
    """The bin ``used`` - 1 is of all others: how often it comes says nothing of a value."""
    here = bins >= FIRST_VALUE
    n = np.bincount(bins[here], minlength=width).astype(np.float64)
    score = np.bincount(bins[here], weights=output[here], minlength=width) / np.maximum(n, 1)
    share = n / max(n.sum(), 1)
    score -= share @ score
    often = n >= OF_CATEGORY
    if share[: used - 1][often[: used - 1]].sum() < OF_VALUES:
        return np.zeros(width, np.int64)
    score = np.where(often, score, 0.0)
    out: Counts = np.rint(np.clip(score / max(np.sqrt(share @ score**2), 1e-9), -4, 4) / SCORE).astype(np.int64)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Relations:
    """``rows`` intp[k]: places in ``Scores.rows`` of the channels that have relations; ``weight`` float64[k, m];
    ``strongest`` float64[k]: the largest correlation of each with a sibling. ``deviation`` float64[m]: of the scores
    within cells of the reference, in units of SCORE; None in references of a driftd before it.
    """

    rows: Rows
    weight: Floats
    strongest: Floats
    deviation: Floats | None = None
    """Derived: see above."""

    def about(self, places: Bools) -> Bools:
        """bool[k]: those of a channel of ``places`` bool[m], or to one."""
        out: Bools = places[self.rows] | (self.weight[:, places] != 0).any(axis=1)
        return out

    @classmethod
    def of(cls, reference: Reference, scores: Scores, cells: Counts, timely: Bools) -> Self:
        """From the cells int64[cells, m + 1, m + 1] of the reference. ``timely`` bool[channels]: those whose level is
        the hour's or the weather's; they relate to the time, not to each other.
        """
        roles = [reference.channels[i].role for i in scores.rows]
        features = np.array([r is Role.FEATURE for r in roles], bool)
        awaited = np.array([r.row.awaited for r in roles], bool)
        steady = ~timely[scores.rows]
        total = sum((centred(cell) for cell in cells), np.zeros((len(roles), len(roles))))
        sd = np.sqrt(np.maximum(np.diag(total), 1.0))
        r = total / np.outer(sd, sd)
        sibling = (features[:, None] & features | awaited) & steady & ~np.eye(len(roles), dtype=bool)
        kept = np.where(sibling & (np.abs(r) > LEAST) & (np.abs(r) < MOST), r, 0.0)
        strength = np.sum(kept**2, axis=1)
        rows = np.flatnonzero(steady & ~awaited & (strength > LEAST_TOTAL))
        # divided by the siblings' reference deviations; the channel's own is that of the window
        weight = kept[rows] / np.maximum(strength[rows, None], 1e-9) / sd
        n = max(float(cells[:, 0, 0].sum()), 1.0)
        return cls(rows, weight * np.sqrt(n), np.abs(kept[rows]).max(axis=1, initial=0.0), sd / np.sqrt(n))

    def runs(self, start: Sequence[float], end: Sequence[float], cells: Sequence[Counts]) -> Runs:
        """Whole cells as runs: sums int64[cells, k, 2] of a channel's products with its siblings, and squares."""
        if not cells:
            return Runs.empty(len(self.rows), 2)
        every = np.array(cells)
        moved, own = self._sums(every)
        return Runs(np.array(start), np.array(end), every[:, 0, 0], np.stack([moved, own], axis=2).astype(np.int64))

    def _sums(self, cells: Counts) -> tuple[Floats, Floats]:
        """A channel's products with its siblings, and its squares, about the means of cells, float64[cells, k]. Of a
        channel that is mute in a cell both are as if all held.
        """
        s, rows = centred(cells), self.rows
        parts, square = self.weight * s[:, rows], np.maximum(np.diagonal(s, axis1=1, axis2=2), 0.0)
        if self.deviation is None:
            return np.rint(parts.sum(axis=2)), np.rint(square[:, rows])
        usual, n = np.maximum(self.deviation, LEAST_SQUARE), np.maximum(cells[:, :1, 0].astype(np.float64), 1.0)
        left = np.sqrt(square / n) / usual
        mute = (left < FLAT) | (np.abs(cells[:, 0, 1:]) * SCORE > AWAY * n)
        own = np.where(mute, usual**2 * n, square)[:, rows]
        parts = parts / np.sqrt((square + STEADIED * usual**2) / (n + STEADIED) / usual**2)[:, None, :]
        share = (self.weight * usual) ** 2
        share /= np.maximum(share.sum(axis=1, keepdims=True), LEAST_SQUARE)
        whole = share * np.sqrt(own * n)[:, :, None]
        moved = np.where(mute[:, None, :] | mute[:, rows, None], whole, parts)
        return np.rint(moved.sum(axis=2)), np.rint(own)

    def left(self, sums: Counts, events: Counts) -> Floats:
        """T of windows, float64[windows, k]."""
        own = np.sqrt(np.maximum(sums[:, :, 1], 1) * np.maximum(events[:, None], 1.0))
        out: Floats = sums[:, :, 0] / own
        return out

    def error(self, events: Counts) -> Floats:
        """The standard error of T in windows of so many events where nothing relates, float64[windows, k]."""
        out: Floats = np.sqrt(np.sum(self.weight**2, axis=1)) / SCORE / np.sqrt(np.maximum(events[:, None], 1.0))
        return out


def cells_of(at: Floats) -> Rows:
    """Where another 20 minutes begin, intp[k]: places in ``at`` float64[k], in order of time."""
    begun = np.floor_divide(at, CELL_SECONDS)
    return np.flatnonzero(np.append(True, begun[1:] != begun[:-1])) if len(at) else np.zeros(0, np.intp)


def centred(cell: Counts) -> Floats:
    """Sums of products about the cell's own means, float64[..., m, m]."""
    n = np.maximum(cell[..., :1, :1].astype(np.float64), 1.0)
    first = cell[..., 0, 1:].astype(np.float64)
    out: Floats = cell[..., 1:, 1:] - first[..., :, None] * first[..., None, :] / n
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The cell that is being filled: ``start`` and ``last``, the beginning of its first and of its last 20 minutes
    (NaN: none yet), and its sums int64[m + 1, m + 1].
    """

    start: float
    last: float
    sums: Counts

    @classmethod
    def empty(cls, channels: int) -> Self:
        return cls(np.nan, np.nan, np.zeros((channels + 1, channels + 1), np.int64))

    def step(self, relations: Relations, at: Floats, sums: Counts) -> tuple[Runs, Cells, Floats]:
        """Takes in ``sums`` int64[k, m + 1, m + 1] of panes that began at ``at`` float64[k], in order of time; gives
        the cells that are whole, and when each was known to be: just after the beginning of the pane that closed it.
        A cell with too few events goes on into the next 20 minutes.
        """
        starts, ends, whole, known = list[float](), list[float](), list[Counts](), list[float]()
        start, last, held = self.start, self.last, self.sums
        cut = cells_of(at)
        begun = np.floor_divide(at[cut], CELL_SECONDS) * CELL_SECONDS
        for cell, part, pane in zip(begun.tolist(), segment_sums(sums, cut), at[cut], strict=True):
            if cell != last and held[0, 0] >= CELL_EVENTS:
                starts.append(start)
                ends.append(last + CELL_SECONDS)
                whole.append(held)
                known.append(float(np.nextafter(pane, np.inf)))
                start, held = cell, np.zeros_like(held)
            start = cell if np.isnan(start) else start
            last, held = cell, held + part
        return relations.runs(starts, ends, whole), Cells(start, last, held), np.array(known)
