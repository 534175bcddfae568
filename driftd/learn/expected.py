"""What is learned of how large errors are where, from the reference's events with a label: boosted tables of pairs.

Each table takes half of what the others have left in its cells, drawn towards 0 where these have few events, in turns:
as gradient boosting does with trees of two splits, on the bins that the reference has anyway. ADR 37 has what it was
compared with.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Role
from driftd.core.event import EventBatch
from driftd.core.quality.expected import REPLICATES, Expected
from driftd.core.quality.scoring import Scoring
from driftd.core.quality.unlabelled import LEAST_EVENTS
from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE
from driftd.core.values import as_numbers, comparable
from driftd.ingest.binning import encode_with

Floats = NDArray[np.float64]

MOST_CHANNELS: Final = 8
"""Those that tell errors apart best. Measured on NannyML's cars (docs/performance.md): with six two thirds of the fall
of the error are seen, with eight all of it; tables grow by the square."""
MOST_EVENTS: Final = 50_000
"""That are learned from: 1.5 s of processor time, which is less than the rest of a reference of as many takes."""
ROUNDS: Final = 10
RATE: Final = 0.5
PRIOR: Final = 50.0
"""Events without an error of their own that each cell has more: a cell of as many has half its mean."""
FAR: Final = 0.001
"""The largest errors are cut to those of this share: squares of a few would be all that is learned."""


def table(reference: Reference, scoring: Scoring, rows: EventBatch) -> Mapping[str, NDArray[Any]]:
    """What belongs beside the reference; nothing where it has few labels, or no more than one channel."""
    if not scoring.numbers or rows.label is None or rows.prediction is None:
        return {}
    error = np.abs(as_numbers(comparable(rows.prediction)) - as_numbers(comparable(rows.label))) / scoring.scale
    here = np.flatnonzero(np.isfinite(error))
    names = [c.name for c in reference.channels if c.role in {Role.FEATURE, Role.PREDICTION}]
    if len(here) < LEAST_EVENTS or len(names) < 2:
        return {}
    bins = encode_with(reference, rows).bins[[reference.rows[name] for name in names]][:, here]
    error = error[here]
    every = np.array([np.bincount(row, minlength=reference.width) > 0 for row in bins])
    # by value, so that the order in which events came does not matter
    order = np.lexsort((*bins[:4], error, rows.times[here]))
    order = order[np.linspace(0, len(order) - 1, min(len(order), MOST_EVENTS)).astype(np.intp)]
    found = fit(bins[:, order], error[order], reference.width)
    if found is None:
        return {}
    kept, pairs, tables, mean = found
    channels = tuple(names[i] for i in kept)
    numeric = [bool(reference.numeric[reference.rows[name]]) for name in channels]
    nearest = np.array([_nearest(every[i], each) for i, each in zip(kept, numeric, strict=True)])
    return Expected(channels, pairs, tables, mean, every[kept], nearest, scoring.scale, len(order)).identified().table()


def fit(
    bins: NDArray[np.intp], error: Floats, width: int
) -> tuple[list[int], NDArray[np.int64], NDArray[np.float32], Floats] | None:
    """Of ``bins`` intp[channels, n] and errors float64[n]: the channels that are kept, and the pairs, tables and mean
    of Expected. None where there is nothing to tell errors apart by.
    """
    error = np.minimum(error, np.quantile(error, 1 - FAR))
    kept = _best(bins, error - error.mean(), width)
    if len(kept) < 2:
        return None
    weights = np.vstack([np.ones((2, len(error))), draws(len(error))])
    targets = np.vstack([error, error**2, np.tile(error, (REPLICATES, 1))])
    mean = (targets * weights).sum(axis=1) / weights.sum(axis=1)
    left = targets - mean[:, None]
    pairs = [*combinations(range(len(kept)), 2)]
    cells = [bins[kept[a]] * width + bins[kept[b]] for a, b in pairs]
    tables = np.zeros((len(pairs), width * width, len(targets)))
    for _ in range(ROUNDS):
        for table_, cell in zip(tables, cells, strict=True):
            for k, weight in enumerate(weights):
                sizes = np.bincount(cell, weight, width * width) + PRIOR
                step = RATE * np.bincount(cell, left[k] * weight, width * width) / sizes
                table_[:, k] += step
                left[k] -= step[cell]
    return kept, np.array(pairs, np.int64), tables.astype(np.float32), mean


def _nearest(seen: NDArray[np.bool_], numeric: bool) -> NDArray[np.int64]:
    """int64[width]: of numbers in a bin without events the nearest that has some, as a tree of splits would have it."""
    out, known = np.arange(len(seen)), np.flatnonzero(seen[FIRST_VALUE:]) + FIRST_VALUE
    if numeric and len(known):
        values = out[FIRST_VALUE:]
        out[FIRST_VALUE:] = known[np.abs(values[:, None] - known).argmin(axis=1)]
    return out


def _best(bins: NDArray[np.intp], error: Floats, width: int) -> list[int]:
    """The channels whose bins have the most different errors, in their order."""
    gains = []
    for each in bins:
        sums, sizes = np.bincount(each, error, width), np.bincount(each, minlength=width)
        gains.append(float((sums**2 / (sizes + PRIOR)).sum()))
    return sorted(sorted(range(len(gains)), key=lambda i: (-gains[i], i))[:MOST_CHANNELS])


def draws(n: int) -> Floats:
    """float64[REPLICATES, n]: how often each event is in a draw of as many, which is near Poisson's distribution with
    mean 1; the raw bits of a generator whose sequence does not change.
    """
    raw = np.random.PCG64(11).random_raw(REPLICATES * n).astype(np.float64) / 2.0**64
    chances = np.exp(-1.0) / np.cumprod([1.0, *range(1, 12)])
    return np.searchsorted(np.cumsum(chances), raw).reshape(REPLICATES, n).astype(np.float64)
