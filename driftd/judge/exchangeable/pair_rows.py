"""Which rows of scores the joint path watches: numbers, groups of events, and answers within a group."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, MISSING

Rows = NDArray[np.intp]
Bools = NDArray[np.bool_]

MAX_NUMBERS: Final = 32
"""Numeric channels that are paired. Chosen: 496 products; the sums of a pane cost their number times events."""
MAX_GROUPS: Final = 40
"""Groups of events, the largest first. Chosen: with MAX_ANSWERS 640 shares in every pane. It counts: with 14 numbers or
more their thirds leave no room for smaller categories."""
MAX_ANSWERS: Final = 16
"""Channels whose answers are watched within groups; errors and labels first. Chosen: with MAX_GROUPS 640 shares in
every pane."""
THIRDS: Final = 3
"""Groups of a number. Chosen: low, middle and high; finer groups have fewer events each."""
LEAST_SHARE: Final = 0.02
"""Of a group; smaller ones hold too few events to differ from chance. Chosen: 60 events of a reference of 3,000."""
FREQUENT: Final = 0.05
"""Least share of the category that an answer is about. Chosen: a category that luck made the most frequent of many has
less."""
HIGH: Final = 0.4
"""The share of events that are high where the channel's values allow it. Chosen: near a half, where a share of so many
events differs soonest from another; below it, because errors and costs change at the upper end."""


def numbers_of(reference: Reference, known: Bools) -> Rows:
    """Numeric channels that vary, outputs first, at most MAX_NUMBERS. None whose values come later or never: how many
    came would look like a change of their products.
    """
    rows = [i for i, c in enumerate(reference.channels) if reference.numeric[i] and known[i] and not c.role.row.answer]
    rows.sort(key=lambda i: reference.channels[i].feature is not None)
    return np.array(sorted(rows[:MAX_NUMBERS]), np.intp)


def groups_of(reference: Reference, known: Bools) -> tuple[Rows, NDArray[np.int64]]:
    """Channel and columns (int64[groups, width], 1 inside) of the groups, the largest first: frequent categories, and
    thirds of numbers, of features and outputs.
    """
    found: list[tuple[float, int, NDArray[np.int64]]] = []
    for i, c in enumerate(reference.channels):
        if c.role.row.answer or not known[i]:
            continue
        counts = reference.summary.counts[i].astype(np.float64)
        share = counts / counts.sum()
        if reference.numeric[i]:
            third = np.minimum(np.nan_to_num(reference.places[i]) * THIRDS, THIRDS - 1).astype(np.int64)
            third[:FIRST_VALUE] = -1
            parts = [(third == t).astype(np.int64) for t in range(THIRDS)]
        else:
            parts = list(np.eye(len(share), dtype=np.int64)[FIRST_VALUE : reference.used[i] - 1])
        found += [(float(share @ part), i, part) for part in parts if LEAST_SHARE <= share @ part < 1]
    found.sort(key=lambda f: (-f[0], f[1]))
    kept = found[:MAX_GROUPS]
    inside = np.array([f[2] for f in kept], np.int64).reshape(len(kept), reference.width)
    return np.array([f[1] for f in kept], np.intp), inside


def _frequent(reference: Reference, row: int) -> bool:
    """Whether the most frequent category is so by more than luck: of thousands alike one is by luck, for a while."""
    counts = reference.summary.counts[row]
    return bool(counts[FIRST_VALUE : reference.used[row] - 1].max(initial=0) >= FREQUENT * counts.sum())


def answers_of(reference: Reference, known: Bools) -> tuple[Rows, NDArray[np.int64], NDArray[np.int64]]:
    """Channel, high and low columns (int64[answers, width]) of the answers: errors and labels, outputs, features."""
    order = sorted(
        [i for i in np.flatnonzero(known).tolist() if reference.numeric[i] or _frequent(reference, i)],
        key=lambda i: (not reference.channels[i].role.row.answer, reference.channels[i].feature is not None, i),
    )[:MAX_ANSWERS]
    high = np.zeros((len(order), reference.width), np.int64)
    low = np.zeros_like(high)
    for row, i in enumerate(order):
        counts = reference.summary.counts[i].astype(np.float64)
        counts[:FIRST_VALUE] = 0
        value = np.arange(reference.width) >= FIRST_VALUE
        if reference.numeric[i]:
            above = counts[::-1].cumsum()[::-1] / counts.sum()  # share of this column and those above it
            inner = np.flatnonzero((above > 0) & (above < 1))
            cut = inner[np.argmin(np.abs(above[inner] - HIGH))]
            high[row] = (np.arange(reference.width) >= cut) & value
        else:
            # never the rest, "(other)": of what comes, some was never seen, while in the reference all of it was
            high[row, int(np.argmax(counts[: reference.used[i] - 1]))] = 1
            value = np.arange(reference.width) != MISSING  # a category never seen is an answer, too: not the high one
        low[row] = value & (high[row] == 0)
    return np.array(order, np.intp), high, low
