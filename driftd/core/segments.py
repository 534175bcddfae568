"""Sums of runs of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

WIDE: Final = 128
"""Numbers in a row from which on each run is summed by a call of its own. Measured: ``reduceat`` goes down the columns
one by one, and takes five to ten times as long for rows of hundreds of numbers."""


def segment_sums(rows: NDArray[np.int64], starts: Sequence[int] | NDArray[np.intp]) -> NDArray[np.int64]:
    """Sums of runs of ``rows`` int64[k, ...], which begin at ``starts`` (ascending, none twice): int64[runs, ...]. The
    last one goes to the end.
    """
    if not len(starts) or rows[0].size < WIDE:
        return np.add.reduceat(rows, starts, axis=0) if len(starts) else rows[:0]
    out, ends = np.empty((len(starts), *rows.shape[1:]), np.int64), [*starts[1:], len(rows)]
    for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
        np.add.reduce(rows[start:end], axis=0, out=out[place])
    return out
