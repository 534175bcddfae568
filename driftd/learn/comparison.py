"""What a window is compared with: the whole reference, its same hours of the week, or the period before.

reference (3 weeks)   |Mo Tu We Th Fr Sa Su|Mo Tu We Th Fr Sa Su|Mo Tu We Th Fr Sa Su|
window Tu 09:40-10:10       ^^                   ^^                   ^^
                      hours 9 and 10 of the three Tuesdays, weighted 20 : 10 as the window covers them
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import floor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch
from driftd.core.reference import Reference, ReferenceKind, Slots
from driftd.core.summary import Summary
from driftd.ingest.binning import Encoded, summarise_with
from driftd.judge.seasonal.clock import SeasonClock

WEEK: Final = SeasonClock()
LEAST_EVENTS: Final = 100
"""Events that the same hours of the reference must hold; with fewer a window is compared with the whole."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """``reference`` has the summary that a window is compared with; ``note`` says what that is, "" for the whole."""

    reference: Reference
    note: str = ""


def comparison_for(reference: Reference, start: float, end: float) -> Comparison:
    """What the window from ``start`` to ``end`` (epoch seconds) is compared with."""
    if reference.kind is ReferenceKind.ROLLING:
        return _rolled(reference)
    if reference.kind is ReferenceKind.SEASONAL and reference.slots is not None:
        return _same_hours(reference, tuple(covered(start, end).tolist()))
    return Comparison(reference)


@lru_cache(maxsize=64)  # detectors remember what they worked out for a reference; hops of one hour share it
def _rolled(reference: Reference) -> Comparison:
    if reference.rolled is None:
        return Comparison(reference, "no whole period yet: compared with the first reference")
    return Comparison(replace(reference, summary=reference.rolled), "compared with the period before")


@lru_cache(maxsize=64)
def _same_hours(reference: Reference, weights: tuple[float, ...]) -> Comparison:
    assert reference.slots is not None
    summary = weighted(reference, reference.slots, np.array(weights))
    if summary.events < LEAST_EVENTS:
        why = f"only {summary.events} events in the same hours of the week: compared with the whole reference"
        return Comparison(reference, why)
    return Comparison(replace(reference, summary=summary), "compared with the same hours of the week")


def period_of(at: float, period_seconds: float) -> int:
    """The number of the period that the time ``at`` (epoch seconds) is in; periods begin on a Monday 00:00 UTC."""
    return floor((at - WEEK.origin) / period_seconds)


def covered(start: float, end: float) -> NDArray[np.float64]:
    """How much of each hour of the week a stretch covers, float64[168]; 1 is the hour that it covers most."""
    seconds = np.zeros(WEEK.slots)
    week = WEEK.slots * WEEK.slot_seconds
    begin, stop = start - WEEK.origin, end - WEEK.origin
    whole = np.floor((stop - begin) / week)
    seconds += whole * WEEK.slot_seconds
    begin = begin + whole * week
    first, last = int(begin // WEEK.slot_seconds), int(np.ceil(stop / WEEK.slot_seconds))
    for hour in range(first, last):
        low, high = max(begin, hour * WEEK.slot_seconds), min(stop, (hour + 1) * WEEK.slot_seconds)
        seconds[hour % WEEK.slots] += max(high - low, 0.0)
    most = seconds.max()
    return seconds / most if most > 0 else seconds


def weighted(reference: Reference, slots: Slots, weights: NDArray[np.float64]) -> Summary:
    """The reference as it was in these hours; extremes and latencies are those of the whole."""
    some = np.flatnonzero(weights)
    share = weights[some]
    counts = np.tensordot(share, slots.counts[some], axes=1)
    moments = np.tensordot(share, slots.moments[some].astype(np.float64), axes=1)
    return replace(
        reference.summary,
        events=int(np.rint(share @ slots.events[some])),
        counts=np.rint(counts).astype(np.int64),
        moments=np.rint(moments).astype(np.int64),
    )


def slots_of(reference: Reference, rows: EventBatch, encoded: Encoded) -> Slots:
    """The hours of the week of ``rows``, which are in any order."""
    hours = np.floor_divide(rows.times - WEEK.origin, WEEK.slot_seconds).astype(np.int64) % WEEK.slots
    channels, width = reference.summary.counts.shape
    events = np.bincount(hours, minlength=WEEK.slots).astype(np.int64)
    counts = np.zeros((WEEK.slots, channels, width), np.int32)
    moments = np.zeros((WEEK.slots, channels, 2), np.int64)
    for hour, summary in summarise_with(reference, rows, encoded, hours).items():
        counts[hour], moments[hour] = summary.counts, summary.moments
    return Slots(events, counts, moments)
