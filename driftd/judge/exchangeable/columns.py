"""The columns that channels have, side by side: rows are as wide as the widest channel, and most are nearly empty.

rows    |a a a . . . .|        columns   |a a a b b b b b b b c c c|
        |b b b b b b b|
        |c c c . . . .|        A category of a hundred values beside ten numbers leaves three of four columns empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.summary import FIRST_VALUE

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


class Chosen(NamedTuple):
    """The columns ``which`` of some ``rows``, and the ``place`` of each in these rows by themselves, flattened."""

    which: Rows
    place: Rows
    rows: int


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

    def chosen(self, rows: NDArray[np.bool_]) -> Chosen:
        """Those of ``rows`` bool[rows]."""
        which, number = rows[self.row].nonzero()[0], np.cumsum(rows) - 1
        left_out = (np.arange(len(rows)) - number) * self.shape[1]
        return Chosen(which, self.place[which] - left_out[self.row[which]], int(number[-1]) + 1)

    def sums(self, values: Floats, chosen: Chosen | None = None) -> Floats:
        """Sums of each row, float64[candidates, rows], of ``values`` float64[candidates, k] of all columns or those
        ``chosen``. In the order of whole rows: no digit depends on how wide the others are.
        """
        _, place, rows = chosen or Chosen(self.row, self.place, self.shape[0])
        whole = np.zeros((len(values), rows, self.shape[1]))
        whole.reshape(len(values), -1)[:, place] = values
        return np.asarray(whole.sum(axis=2), np.float64)
