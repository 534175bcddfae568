"""What each window of a reference has that the rest of it never had: the out of range and unseen values of its own.

A reference's bins know its own extremes and categories, so none of its windows is out of range on them. Asked of the
events: where all occurrences of a category, or all values beyond everything else, lie in one window, that window would
have been news to a reference without it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch
from driftd.core.reference import Reference
from driftd.core.values import FLOAT32_NOISE, as_categories

Floats = NDArray[np.float64]
NOWHERE = -1
"""The window of an event that is in none of those that are measured."""


def out_of_range(values: Floats, window: NDArray[np.int64], windows: int) -> NDArray[np.int64]:
    """int64[channels, windows]: values beyond all values outside the window. ``values`` float64[channels, n]."""
    out = np.zeros((len(values), windows), np.int64)
    for row, x in enumerate(values):
        here = np.isfinite(x)
        if not here.any():
            continue
        for y in (x[here], -x[here]):
            w = window[here]
            mine = int(w[np.argmax(y)])
            others = y[w != mine]
            if mine != NOWHERE and len(others):
                out[row, mine] += np.count_nonzero(y[w == mine] > others.max() + FLOAT32_NOISE * abs(others.max()))
    return out


def unseen(reference: Reference, rows: EventBatch, window: NDArray[np.int64], windows: int) -> NDArray[np.int64]:
    """int64[channels, windows]: values of categories that only this window has; 0 for numbers."""
    out = np.zeros((len(reference.channels), windows), np.int64)
    for row, channel in enumerate(reference.channels):
        column = channel.values(rows, reference.classes)
        if reference.numeric[row] or reference.bins[row].identifier or column is None:
            continue
        codes: dict[str | None, int] = {}
        index = np.array([codes.setdefault(v, len(codes)) for v in as_categories(column)], np.int64)
        here = index != codes.get(None, -1)
        index, w = index[here], window[here]
        first, last = np.full(len(codes), windows), np.full(len(codes), NOWHERE)
        np.minimum.at(first, index, w)
        np.maximum.at(last, index, w)
        alone = (first[index] == last[index]) & (w != NOWHERE)
        out[row] = np.bincount(w[alone], minlength=windows)
    return out
