"""Whole numbers by row and column of which most are 0: merged exactly, whatever the order.

pane   accuracy  score histogram ...            kept: key = row * width + column, and the value, in order of keys
 17    . 3 . . 1 . . . . . . 2 . . 1 . .        a pane of three events keeps some twenty numbers of its 600 columns
 18    . 1 . . . . . . . . . . . 1 . . .
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class SparseSums:
    """``keys`` int64[m], ascending, each once: row * ``width`` + column; ``values`` int64[m]."""

    width: int
    keys: Counts
    values: Counts

    @classmethod
    def of(cls, width: int, keys: Counts, values: Counts) -> Self:
        """Of keys in any order; what comes several times is added up."""
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else np.zeros(0, np.intp)
        sums = np.add.reduceat(values[order], starts) if len(starts) else values[:0]
        some = sums != 0
        return cls(width, keys[starts][some], sums[some])

    @property
    def nbytes(self) -> int:
        return self.keys.nbytes + self.values.nbytes

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def rows(self) -> Counts:
        """The rows that have anything, in ascending order."""
        return np.unique(self.keys // self.width)

    def between(self, first: int, last: int) -> SparseSums:
        """The rows ``first`` to ``last``; it holds no part of longer arrays."""
        low, high = np.searchsorted(self.keys, [first * self.width, (last + 1) * self.width]).tolist()
        if (low, high) == (0, len(self)):
            return self
        return SparseSums(self.width, self.keys[low:high].copy(), self.values[low:high].copy())

    def grouped(self, step: float) -> SparseSums:
        """With what has the number of a row times ``step``, rounded down, as one row of that number."""
        rows, columns = np.divmod(self.keys, self.width)
        return SparseSums.of(self.width, np.floor(rows * step).astype(np.int64) * self.width + columns, self.values)

    def at(self, row: int) -> SparseSums:
        """All of it as one row of this number."""
        return SparseSums.of(self.width, self.keys % self.width + row * self.width, self.values)

    def dense(self, rows: Counts) -> Counts:
        """int64[len(rows), width] of these rows, in ascending order; 0 of what is not there."""
        out = np.zeros((len(rows), self.width), np.int64)
        mine, columns = np.divmod(self.keys, self.width)
        place = np.searchsorted(rows, mine)
        here = place < len(rows)
        here[here] = rows[place[here]] == mine[here]
        out[place[here], columns[here]] = self.values[here]
        return out

    @property
    def whole(self) -> Counts:
        """int64[width]: of all rows together."""
        out = np.zeros(self.width, np.int64)
        np.add.at(out, self.keys % self.width, self.values)
        return out


Outcomes = Mapping[str, SparseSums]
"""Sums by pane, of each way of counting and version that answered: the text is Scoring.id, then the version."""


def merged(parts: Sequence[SparseSums]) -> SparseSums:
    """Of at least one, all of the same width."""
    if len(parts) == 1:
        return parts[0]
    keys, values = np.concatenate([p.keys for p in parts]), np.concatenate([p.values for p in parts])
    return SparseSums.of(parts[0].width, keys, values)


def added(every: Iterable[Outcomes]) -> dict[str, SparseSums]:
    """All of them together."""
    parts: dict[str, list[SparseSums]] = {}
    for outcomes in every:
        for name, sums in outcomes.items():
            parts.setdefault(name, []).append(sums)
    return {name: merged(parts[name]) for name in sorted(parts)}


def between(outcomes: Outcomes, first: int, last: int) -> dict[str, SparseSums]:
    """The rows ``first`` to ``last`` of each."""
    kept = {name: sums.between(first, last) for name, sums in outcomes.items()}
    return {name: sums for name, sums in kept.items() if len(sums)}


def at(outcomes: Outcomes, row: int) -> dict[str, SparseSums]:
    """Each as one row of this number."""
    return {name: sums.at(row) for name, sums in outcomes.items()}
