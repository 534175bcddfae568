"""How large the errors of a model of numbers should be, without labels: as large as the reference's were where channels
had these values (direct loss estimation).

    h(event) = mean + sum over pairs of channels of table[pair][bin of one, bin of the other]

The tables are learned with the reference (driftd.learn.expected), so the mean error of a window is a sum over its
events, and sums of panes add up. Beside h there are the same for squared errors, and REPLICATES of h that were learned
from other draws of the reference's events: they differ by as much as h itself is unsure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.quality.intervals import Z
from driftd.core.quality.scoring import ID, number, parts
from driftd.core.quality.sums import Outcomes, SparseSums, merged
from driftd.core.quality.unlabelled import LEAST_EVENTS, Estimate

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

STATISTICS: Final = ("mae", "rmse")
"""What there is an estimate of; the first has an interval."""
REPLICATES: Final = 8
"""Chosen: their spread is known within a quarter, and a table is ten numbers a cell."""
T: Final = 2.364624
"""Of Student's distribution with 7 degrees of freedom, at 97.5 %: the spread comes from eight replicates."""
MOST_OUTSIDE: Final = 0.05
"""Share of events with a value of which the reference has no labels. More than of scores, as one channel of eight is
little of what is known of an event; chosen."""
PREFIX: Final = "expected."
"""In ``Reference.learned``."""
EVENTS, OUTSIDE = 0, 1
"""Columns of the sums: events, and those with a value of which the reference has no labels; then two for each of h, its
variance about h, squared errors and the replicates."""
_SUMS: Final = 3 + REPLICATES
WIDTH: Final = 2 + 2 * _SUMS


@dataclass(frozen=True, eq=False)
class Expected:
    """``channels``: names of those that are looked up; ``pairs`` int[p, 2] of places among them; ``tables``
    float32[p, width * width, 2 + REPLICATES] of cells with h, squares and replicates; ``mean`` float64 of the same;
    ``seen`` bool[channels, width]: bins that events with a label had; ``nearest`` int[channels, width]: where each is
    looked up, of numbers beyond all others at the end. All in units of ``scale``, a power of two;
    ``events`` with a label that it was learned from. ``id``: the same where the sums mean the same.
    """

    channels: tuple[str, ...]
    pairs: NDArray[np.int64]
    tables: NDArray[np.float32]
    mean: Floats
    seen: NDArray[np.bool_]
    nearest: NDArray[np.int64]
    scale: float
    events: int
    id: str = ""

    def identified(self) -> Self:
        known = hashlib.blake2b(repr((self.channels, self.scale)).encode("utf-8", "surrogatepass"), digest_size=ID // 2)
        for array in (self.pairs, self.tables, self.mean, self.seen, self.nearest):
            known.update(np.ascontiguousarray(array).tobytes())
        return replace(self, id=known.hexdigest())

    def sums(self, rows: Mapping[str, int], bins: NDArray[np.intp], panes: Counts) -> dict[str, SparseSums]:
        """Of events with these ``bins`` intp[channels, n] of the reference's ``rows``, by pane."""
        n = bins.shape[1]
        if not n or not all(name in rows for name in self.channels):
            return {}
        mine, width = bins[[rows[name] for name in self.channels]], self.seen.shape[1]
        outside = ~np.take_along_axis(self.seen, mine, axis=1).all(axis=0)
        found = self.values(np.take_along_axis(self.nearest, mine, axis=1), width)
        # of single events they may be below 0: cut off there, the mean of easy ones would be too large
        error, squares = found[:, 0], found[:, 1]
        columns = [error, squares - error**2, squares, *found[:, 2:].T]
        whole = [np.ones(n, np.int64), outside.astype(np.int64), *(p for each in columns for p in parts(each))]
        keys = panes[:, None] * WIDTH + np.arange(WIDTH)
        return {self.id: SparseSums.of(WIDTH, keys.ravel(), np.stack(whole, axis=1).ravel())}

    def values(self, bins: NDArray[np.intp], width: int) -> Floats:
        """float64[n, 2 + REPLICATES]: of each event, before anything is cut off."""
        out = np.tile(self.mean, (bins.shape[1], 1))
        for (one, other), table in zip(self.pairs.tolist(), self.tables, strict=True):
            out += table[bins[one] * width + bins[other]]
        return out

    def estimate(self, outcomes: Outcomes) -> Estimate:
        """Of a window with these sums. NaN of too few events, and where too many of them lie outside."""
        own = [sums for name, sums in outcomes.items() if name == self.id]
        whole = merged(own).whole if own else np.zeros(WIDTH, np.int64)
        n, values = int(whole[EVENTS]), np.full((len(STATISTICS), 3), np.nan)
        outside = float(whole[OUTSIDE] / n) if n else 0.0
        if n < LEAST_EVENTS or self.events < LEAST_EVENTS or outside > MOST_OUTSIDE:
            return Estimate(n, values, outside, STATISTICS)
        mae, spread, squares, *replicates = (self.scale**p * x for p, x in zip(_POWERS, _means(whole), strict=True))
        mae, squares = max(mae, 0.0), max(squares, mae**2)
        now, before = np.sqrt(max(spread, 0.0) / n), np.std(replicates, ddof=1)
        half = float(np.hypot(Z * now, T * before))
        values[0] = mae, max(mae - half, 0.0), mae + half
        values[1, 0] = np.sqrt(squares)
        return Estimate(n, values, outside, STATISTICS)

    @classmethod
    def of(cls, learned: Mapping[str, NDArray[Any]]) -> Self | None:
        """As ``table`` wrote it."""
        if f"{PREFIX}about" not in learned:
            return None
        scale, events = learned[f"{PREFIX}about"].tolist()
        (known,) = learned[f"{PREFIX}id"].tolist()
        names = tuple(map(str, learned[f"{PREFIX}channels"].tolist()))
        pairs, tables, mean, seen, nearest = (learned[PREFIX + name] for name in _ARRAYS)
        tables = tables.astype(np.float32, copy=False)
        return cls(names, pairs, tables, mean, seen.astype(bool), nearest, scale, int(events), str(known))

    def table(self) -> dict[str, NDArray[Any]]:
        """What belongs beside the reference: ``Reference.learned``."""
        return {
            f"{PREFIX}about": np.array([self.scale, float(self.events)]),
            f"{PREFIX}id": np.array([self.id], np.str_),
            f"{PREFIX}channels": np.array(self.channels, np.str_),
            f"{PREFIX}pairs": self.pairs,
            f"{PREFIX}tables": self.tables,
            f"{PREFIX}mean": self.mean,
            f"{PREFIX}seen": self.seen.astype(np.int64),
            f"{PREFIX}nearest": self.nearest,
        }


_ARRAYS: Final = ("pairs", "tables", "mean", "seen", "nearest")
_POWERS: Final = (1, 2, 2, *([1] * REPLICATES))


def _means(whole: Counts) -> Floats:
    pairs = whole[2:].reshape(_SUMS, 2)
    out: Floats = number(pairs[:, 0], pairs[:, 1]) / whole[EVENTS]
    return out
