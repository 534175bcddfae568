r"""Incidents inside a reference: one stretch whose values differ grossly from all the rest, with sharp borders.

What is learned with an incident inside takes it for normal, and drift of that size is invisible. Nothing is left out by
itself: people know whether it was one. A rhythm returns or has soft borders, and a weekend has its days.

    level  ~~~~~~|^^^^|~~~~~~~~~~~~~~~     an incident
    level  ~~/^\_/^\_/^\_/^\_/^\_/^\_~     days: more than one stretch
    level  ~~~~~~/^^^^\~~~~~~~~~~~~~~~     the night of a short reference: soft borders
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Role
from driftd.core.event import EventBatch
from driftd.core.reference import Reference
from driftd.core.summary import MISSING, UNSEEN
from driftd.judge.natural.features import SCORE
from driftd.judge.natural.fit import ATOM, scores_table

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

PARTS: Final = 100
"""Parts of equally many events that a reference is cut into, fewer where it has few."""
LEAST_EVENTS: Final = 50
"""Events of a part at least: a level is known to .14 standard deviations."""
LEAST_PARTS: Final = 20
"""Parts below which nothing is looked for."""
KINDS: Final = ("missing", "level", "mix")
"""What differs: share of missing values, mean normal score of numbers, shares of the bins."""
LARGE: Final = (0.2, 1.0, 0.35)
"""By how much at least: the page sizes of judge.natural.changes."""
APART: Final = 6.0
"""Robust standard deviations of the parts that it lies beyond as well."""
LONGEST: Final = 0.2
"""Of the parts, what an incident has at most: more is a part of the normal."""
SHARP: Final = 0.7
"""Of its size, what its borders have within three parts."""
FULL: Final = 0.8
"""Of its parts, those that differ at least."""
HALF_DAY: Final = 43_200.0
WEEK: Final = 14 * HALF_DAY
WEEKEND: Final = (3 * HALF_DAY, 9 * HALF_DAY)
"""A weekend with half a day around it for other time zones, in seconds since Thursday, when the epoch's weeks begin."""
PREFIX: Final = "incidents."
"""In ``Reference.learned``."""


@dataclass(frozen=True, slots=True)
class Incident:
    """``row`` of the channel; ``kind`` in KINDS, ``size`` in its unit; ``start`` to ``end`` in epoch seconds."""

    row: int
    kind: str
    size: float
    start: float
    end: float
    events: int


def find(reference: Reference, rows: EventBatch, bins: NDArray[np.intp]) -> list[Incident]:
    """From the reference's own events, in any order; ``bins`` intp[channels, n] as ingest.binning gives them."""
    n = len(rows)
    parts = min(PARTS, n // LEAST_EVENTS)
    if parts < LEAST_PARTS:
        return []
    order = np.argsort(rows.times, kind="stable")
    times, part = rows.times[order], np.arange(n) * parts // n
    edges = np.append(np.searchsorted(part, np.arange(parts)), n)
    normal, out = scores_table(reference) * SCORE, []
    shaped = _shaped(reference)
    for row in range(len(bins)):
        series = _series(
            bins[row, order], part, parts, reference.width, normal[row], numeric=bool(reference.numeric[row])
        )
        for kind, x, large in zip(KINDS[: None if shaped[row] else 1], series, LARGE, strict=False):
            found = _stretch(x, large, below=kind == "level")
            if found is None:
                continue
            first, last, size = found
            start, end = float(times[edges[first]]), float(times[edges[last + 1] - 1])
            if not _weekend(start, end):
                out.append(Incident(row, kind, size, start, end, int(edges[last + 1] - edges[first])))
            break
    return out


def _shaped(reference: Reference) -> NDArray[np.bool_]:
    """bool[channels]: whose level and mix are looked at, as in judge.natural.changes. Outputs follow the features and
    the world, and what is mostly one value, as rain is, changes from day to day. Errors are looked at.
    """
    values = reference.summary.counts[:, UNSEEN:]
    mostly = values.max(axis=1) > ATOM * np.maximum(values.sum(axis=1), 1)
    roles = [c.role for c in reference.channels]
    feature, errors = np.array([r is Role.FEATURE for r in roles]), np.array([r is Role.ERROR for r in roles])
    out: NDArray[np.bool_] = (feature & ~mostly) | errors
    return out


def _series(
    columns: NDArray[np.intp], part: Counts, parts: int, width: int, scores: Floats, *, numeric: bool
) -> tuple[Floats, Floats, Floats]:
    """Of each part the share of missing values, the mean score, and how many values lie elsewhere than usual."""
    here = columns >= 0
    flat = np.bincount(part[here] * width + columns[here], minlength=parts * width)
    counts = flat.reshape(parts, width).astype(np.float64)
    events = np.maximum(counts.sum(axis=1), 1)
    missing = counts[:, MISSING] / events
    counts[:, MISSING] = 0
    values = counts.sum(axis=1)
    shares = np.where(values >= LEAST_EVENTS / 2, 1.0, np.nan)[:, None] * counts / np.maximum(values, 1)[:, None]
    if not np.isfinite(shares).any():
        nothing = np.full(parts, np.nan)
        return missing, nothing, nothing
    usual = np.nanmedian(shares, axis=0)
    moved = 0.5 * np.abs(shares - usual / max(usual.sum(), 1e-9)).sum(axis=1)
    return missing, shares @ scores if numeric else np.full(parts, np.nan), moved


def _stretch(x: Floats, large: float, *, below: bool) -> tuple[int, int, float] | None:
    """First and last part of the only stretch that lies above the rest (or ``below``), and by how much; else None."""
    known = np.flatnonzero(np.isfinite(x))
    if len(known) < LEAST_PARTS:
        return None
    y = x[known]
    y = y - np.median(y)
    robust = 1.4826 * np.median(np.abs(y))
    differs = np.flatnonzero((np.abs(y) if below else y) > max(large, APART * robust))
    if len(differs) < 2:
        return None
    first, last = int(differs[0]), int(differs[-1])
    length = last - first + 1
    if len(differs) < FULL * length or length > LONGEST * len(y):
        return None
    size = float(np.median(y[differs]))
    if first < 2 or last > len(y) - 3:  # what begins or ends with the reference may be the normal
        return None
    # the parts in which it begins and ends hold both
    borders = ((first - 2, min(first + 1, last)), (last + 2, max(last - 1, first)))
    if any((y[inside] - y[outside]) / size < SHARP for outside, inside in borders):
        return None
    return int(known[first]), int(known[last]), size


def _weekend(start: float, end: float) -> bool:
    """Whether it is a weekend, or most of one."""
    since = (start % WEEK) - WEEKEND[0]
    return end - start >= HALF_DAY and since >= 0 and since + end - start <= WEEKEND[1] - WEEKEND[0]


def table_of(incidents: list[Incident]) -> Mapping[str, NDArray[Any]]:
    """What belongs beside the reference: ``Reference.learned``."""
    if not incidents:
        return {}
    return {PREFIX + name: np.array([getattr(i, name) for i in incidents]) for name in Incident.__slots__}


def incidents_of(reference: Reference) -> Iterator[Incident]:
    table = [reference.learned.get(PREFIX + name) for name in Incident.__slots__]
    if all(column is not None for column in table):
        for row in zip(*(column.tolist() for column in table if column is not None), strict=True):
            yield Incident(*row)
