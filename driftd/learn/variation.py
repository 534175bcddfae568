"""How much a reference's own windows differ from the rest of it, and what that says of the next window.

Real traffic breathes: hours, shifts and batches differ although nothing is wrong, and far more than independent events
would. So the reference is cut as the stream will be, and each detector says of every window of it what it would have
said. Where these statistics are no larger than chance explains there is nothing to add; elsewhere a window must exceed

    natural = max(largest, mean * F(1 - alpha; nu, m nu))

``largest`` because the reference is normal by definition, its strangest window included; a new one exceeds the largest
of m with probability 1 / (m + 1), far too often for a budget of one a month. Hence the other, for the tail beyond it:
divergences of overdispersed counts are to first order sums of weighted chi-squared variables (Rao and Scott 1981),
about ``mean / nu * chi2(nu)`` with nu = 2 mean**2 / variance, at least 1 (Satterthwaite 1946), and the mean of m such
statistics is known no better than their number allows: hence F. The variance is taken two standard errors high,
sqrt((2 + 12 / nu) / m) each, for a nu that is too large makes the tail too thin. m counts independent windows: an
autocorrelation rho of successive ones leaves m (1 - rho) / (1 + rho) of them.

Exact for statistics that are chi-squared (nu 1 to 15; 20,000 references): a new window exceeds the level for alpha 1e-2
to 1e-6 with at most 1.1 alpha from 25 windows on; with 10 windows 1e-2 holds, 1e-4 is exceeded with up to 2.7e-4 and
1e-6 with 5e-5; with 5 it is 2e-3 and 8e-4. A reference of few windows is better than none, and no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri

from driftd.core.event import EventBatch
from driftd.core.reference import Reference, ReferenceKind, Slots
from driftd.core.summary import Summary
from driftd.core.window import Windows, panes_of
from driftd.detectors import WindowDetector
from driftd.detectors.out_of_range import OutOfRange
from driftd.detectors.registry import build, is_sequential, registry
from driftd.detectors.unseen import Unseen
from driftd.ingest.binning import Encoded, summarise_with
from driftd.learn import leave_one_out
from driftd.learn.comparison import LEAST_EVENTS, covered, period_of, slots_of, weighted

Floats = NDArray[np.float64]

LEAST_WINDOWS: Final = 5
"""Fewer windows say nothing of how windows differ: the table is empty."""
MOST_WINDOWS: Final = 128
"""Of more, so many are measured, spread over the reference."""
_GOLDEN: Final = (np.sqrt(5) - 1) / 2
_CHANCE: Final = 0.01
_ERRORS: Final = 2.0

MEASURED: Final = ("windows", "independent", "median", "mean", "freedom", "largest", "beyond_chance")
"""The columns of a table: windows measured, how many independent ones they are worth; median, mean and largest
statistic; nu; 1 where the largest is more than chance explains (at .01 over all windows), else 0."""


@cache
def detectors() -> tuple[WindowDetector, ...]:
    return tuple(d for kind in registry() if not is_sequential(kind) and isinstance(d := build(kind), WindowDetector))


def measure(
    reference: Reference,
    rows: EventBatch,
    encoded: Encoded,
    windows: Windows,
    period_seconds: float,
    kind: ReferenceKind | None = None,
) -> Mapping[str, Floats]:
    """By kind of detector float64[channels, len(MEASURED)], NaN where it abstains; empty with too few windows.

    ``rows`` in any order, as ``encoded``. ``kind``: as if the reference were of this kind. A rolling one's windows are
    measured against the period before theirs, where the reference has enough that have one.
    """
    cut = windows_of(rows.times, windows)
    if len(cut) < LEAST_WINDOWS:
        return {}
    chosen = _spread(len(cut))
    parts = [*_parts(reference, rows, encoded, [cut[i] for i in chosen], windows.pane_seconds)]
    kind = kind or reference.kind
    compared = [*_compared(reference, rows, encoded, parts, kind, period_seconds)]
    if len(compared) < LEAST_WINDOWS:
        compared = [*_compared(reference, rows, encoded, parts, ReferenceKind.FIXED, period_seconds)]
    new = _novelties(reference, rows, encoded, parts)
    adjacent = len(chosen) == len(cut)
    out: dict[str, Floats] = {}
    for d in detectors():
        found = np.array([d.statistic(rest, part.summary) for part, rest in compared])
        if d.kind in new:
            with np.errstate(divide="ignore", invalid="ignore"):
                events = np.array([part.summary.channel_events for part in parts])
                found = np.where(d.applies(reference), new[d.kind].T / events, np.nan)
        first, rest = compared[0]
        chance = d.noise(rest, first.summary, _CHANCE / len(compared))
        out[d.kind] = _table(found, chance, adjacent=adjacent)
    return out


def windows_of(times: Floats, windows: Windows) -> list[tuple[int, int]]:
    """(first, last) pane of each window that the events would have filled, one after the other; whole ones only."""
    panes, events = np.unique(panes_of(times, windows.pane_seconds), return_counts=True)
    out: list[tuple[int, int]] = []
    first, held = None, 0
    for pane, n in zip(panes.tolist(), events.tolist(), strict=True):
        first = pane if first is None else first
        held += n
        seconds = (pane + 1 - first) * windows.pane_seconds
        full = seconds >= windows.window_seconds and held >= windows.min_events
        if full or seconds >= windows.max_window_seconds:
            out.append((first, pane))
            first, held = None, 0
    return out


def _spread(n: int) -> list[int]:
    """At most MOST_WINDOWS of n, in order, at no regular distance: a rhythm must not hide between them."""
    if n <= MOST_WINDOWS:
        return list(range(n))
    return sorted({int(n * (i * _GOLDEN % 1)) for i in range(MOST_WINDOWS)})


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A window of the reference, ``start`` to ``end``: which events it has, and their summary."""

    start: float
    end: float
    events: NDArray[np.intp]
    summary: Summary


def _parts(
    reference: Reference, rows: EventBatch, encoded: Encoded, cut: list[tuple[int, int]], pane_seconds: float
) -> Iterator[Part]:
    panes = panes_of(rows.times, pane_seconds)
    order = np.argsort(panes, kind="stable")
    starts = np.searchsorted(panes[order], [first for first, _ in cut])
    ends = np.searchsorted(panes[order], [last for _, last in cut], side="right")
    for (first, last), a, b in zip(cut, starts.tolist(), ends.tolist(), strict=True):
        mine = order[a:b]
        summary = summarise_with(reference, *_of(mine, rows, encoded), np.zeros(len(mine), np.int64))[0]
        yield Part(first * pane_seconds, (last + 1) * pane_seconds, mine, summary)


def _of(mine: NDArray[np.intp], rows: EventBatch, encoded: Encoded) -> tuple[EventBatch, Encoded]:
    return rows.take(mine), Encoded(encoded.bins[:, mine], encoded.values[:, mine])


def _compared(
    reference: Reference,
    rows: EventBatch,
    encoded: Encoded,
    parts: Sequence[Part],
    kind: ReferenceKind,
    period_seconds: float,
) -> Iterator[tuple[Part, Reference]]:
    """Each window, and what it is compared with: the reference without its events, the same hours of that, or the
    period before; none where there is no period before.
    """
    slots, periods = None, dict[int, Summary]()
    if kind is ReferenceKind.SEASONAL:
        slots = reference.slots or slots_of(reference, rows, encoded)
    elif kind is ReferenceKind.ROLLING:
        numbers = np.array([period_of(t, period_seconds) for t in rows.times.tolist()], np.int64)
        periods = summarise_with(reference, rows, encoded, numbers)
    for part in parts:
        rest: Summary | None = _without(reference.summary, part.summary)
        if slots is not None:
            own = slots_of(reference, *_of(part.events, rows, encoded))
            others = Slots(slots.events - own.events, slots.counts - own.counts, slots.moments - own.moments)
            same = weighted(reference, others, covered(part.start, part.end))
            rest = same if same.events >= LEAST_EVENTS else rest
        elif kind is ReferenceKind.ROLLING:
            rest = periods.get(period_of(np.nextafter(part.end, part.start), period_seconds) - 1)
        if rest is not None:
            yield part, replace(reference, summary=rest)


def _novelties(
    reference: Reference, rows: EventBatch, encoded: Encoded, parts: Sequence[Part]
) -> Mapping[str, NDArray[np.int64]]:
    """By detector int64[channels, windows]: values that only this window has."""
    window = np.full(len(rows), leave_one_out.NOWHERE, np.int64)
    for i, part in enumerate(parts):
        window[part.events] = i
    return {
        OutOfRange.kind: leave_one_out.out_of_range(encoded.values, window, len(parts)),
        Unseen.kind: leave_one_out.unseen(reference, rows, window, len(parts)),
    }


def _without(whole: Summary, part: Summary) -> Summary:
    return replace(
        whole,
        events=whole.events - part.events,
        counts=whole.counts - part.counts,
        moments=whole.moments - part.moments,
    )


def _table(statistics: Floats, chance: Floats, *, adjacent: bool) -> Floats:
    """``statistics`` float64[windows, channels] in order of time; ``adjacent``: every window is among them."""
    known = np.isfinite(statistics)
    n = known.sum(axis=0).astype(np.float64)
    out = np.full((statistics.shape[1], len(MEASURED)), np.nan)
    rows = n >= LEAST_WINDOWS
    if not rows.any():
        return out
    s, n = statistics[:, rows], n[rows]
    middle, mean = np.nanmedian(s, axis=0), np.nanmean(s, axis=0)
    variance = np.nansum((s - mean) ** 2, axis=0) / (n - 1)
    away = np.nan_to_num(s - mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        lag = np.sum(away[1:] * away[:-1], axis=0) / np.sum(away**2, axis=0)
        rho = np.clip(np.nan_to_num(lag), 0, 1) if adjacent else np.zeros(len(n))
        freedom = np.clip(np.nan_to_num(2 * mean**2 / variance, nan=1.0, posinf=1e6), 1.0, 1e6)
        high = variance * (1 + _ERRORS * np.sqrt((2 + 12 / freedom) / n))
        freedom = np.nan_to_num(2 * mean**2 / high, nan=1.0, posinf=1e6)
    independent = np.maximum(n * (1 - rho) / (1 + rho), 1.0)
    largest = np.nanmax(s, axis=0)
    beyond = (largest > np.nan_to_num(chance[rows], nan=np.inf)).astype(np.float64)
    out[rows] = np.stack([n, independent, middle, mean, np.clip(freedom, 1.0, 1e6), largest, beyond], axis=1)
    return out


def level(table: Floats | None, alpha: float, channels: int) -> Floats:
    """What a window without drift exceeds with probability ``alpha`` at most, float64[channels]; 0 where chance says
    it all or nothing is known.
    """
    if table is None:
        return np.zeros(channels)
    _, independent, _, mean, freedom, largest, beyond = table.T
    tail = mean * fdtri(freedom, np.maximum(independent * freedom, 1e-9), 1 - alpha)
    return np.where(beyond > 0, np.fmax(largest, np.nan_to_num(tail)), 0.0)
