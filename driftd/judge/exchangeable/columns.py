"""The columns that channels have, side by side: rows are as wide as the widest channel, and most are nearly empty.

rows    |a a a . . . .|        columns   |a a a b b b b b b b c c c|
        |b b b b b b b|
        |c c c . . . .|        A category of a hundred values beside ten numbers leaves three of four columns empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.summary import FIRST_VALUE

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Of k columns: ``row`` intp[k], ``place`` intp[k] in the flattened rows; ``last`` intp[k] where the last column of
    the same row is among them. ``head`` intp[rows]: where each row's last column before those of values is. ``shape``:
    rows, width.
    """

    row: Rows
    place: Rows
    last: Rows
    head: Rows
    shape: tuple[int, int]

    @classmethod
    def of(cls, used: NDArray[np.bool_]) -> Self:
        """Up to the last column that is ``used`` bool[rows, width], and the first of values."""
        rows, width = used.shape
        sizes = np.maximum(width - np.argmax(used[:, ::-1], axis=1), FIRST_VALUE + 1)
        ends = np.cumsum(sizes)
        row = np.repeat(np.arange(rows), sizes)
        place = row * width + np.arange(len(row)) - (ends - sizes)[row]
        return cls(row, place, (ends - 1)[row], ends - sizes + FIRST_VALUE - 1, (rows, width))

    def take(self, rows: Floats) -> Floats:
        """float64[..., rows, width] as float64[..., k]."""
        return rows.reshape(*rows.shape[:-2], -1).take(self.place, axis=-1)

    def behind(self, counts: Floats) -> Floats:
        """Of each column, what lies in those after it in its row; ``counts`` float64[..., k], whole numbers."""
        total = np.cumsum(counts, axis=-1)
        return total.take(self.last, axis=-1) - total

    def sums(self, values: Floats, candidate: Rows, column: Rows, candidates: int) -> Floats:
        """Sums of each row of ``candidates``, float64[candidates, rows]; ``values`` float64[n] are each of a candidate
        and a column, the others 0. In the order of whole rows: no digit depends on how wide the others are.
        """
        rows, width = self.shape
        whole = np.zeros(candidates * rows * width)
        whole[candidate * (rows * width) + self.place.take(column)] = values
        return np.asarray(whole.reshape(candidates, rows, width).sum(axis=2), np.float64)

    def whole_sums(self, values: Floats) -> Floats:
        """The same of all columns: ``values`` float64[candidates, k]."""
        rows, width = self.shape
        whole = np.zeros((len(values), rows * width))
        whole[:, self.place] = values
        return np.asarray(whole.reshape(len(values), rows, width).sum(axis=2), np.float64)
