"""Columns of values put before the judge of exchangeable channels, pane by pane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Channel, Role
from driftd.core.event import Kind
from driftd.core.reference import Bins, Reference, bins_id, category_bins, numeric_bins
from driftd.core.summary import Summary
from driftd.judge.exchangeable.independent import Independent, Shape
from driftd.judge.learned import sightings

Floats = NDArray[np.float64]
Column = NDArray[np.float64] | list[str | None] | list[str]
LEARNED, PANE = 3000, 50


def reference_of(
    columns: Sequence[Column], learned: int = LEARNED, roles: Sequence[Role] = ()
) -> tuple[Reference, NDArray[np.intp], Floats, Floats]:
    """A reference of the first ``learned`` events; the columns of all; singles and doubles."""
    kinds = [Kind.NUMERIC if isinstance(c, np.ndarray) else Kind.CATEGORICAL for c in columns]
    named = list(zip(kinds, roles or [Role.FEATURE] * len(kinds), strict=True))
    channels = tuple(Channel(f"f{i}", role, kind) for i, (kind, role) in enumerate(named))
    bins: list[Bins] = [
        numeric_bins(c[:learned]) if isinstance(c, np.ndarray) else category_bins(c[:learned]) for c in columns
    ]
    width = max(b.used for b in bins)
    placed = np.stack([b.place(c) for b, c in zip(bins, columns, strict=True)])
    summary = replace(
        Summary.empty(bins_id("m", channels, bins), len(columns), width), counts=counted(placed[:, :learned], width)
    )
    k = len(columns)
    reference = Reference("m", 1, channels, tuple(bins), summary, np.zeros(k), np.ones(k), True, 0.0, float(learned))
    seen = np.array([sightings(c[:learned], kind) for c, kind in zip(columns, kinds, strict=True)], float)
    return reference, placed, seen[:, 0], seen[:, 1]


def counted(placed: NDArray[np.intp], width: int) -> NDArray[np.int64]:
    return np.stack([np.bincount(row, minlength=width) for row in placed])


@dataclass(frozen=True)
class Trial:
    """``alarms`` of each channel: events after the reference at the first alarm, inf without; ``s`` of each pane and
    channel; ``since`` of each pane and channel, in events after the reference.
    """

    alarms: Floats
    s: Floats
    since: Floats


def judged(columns: Sequence[Column], a: float, learned: int = LEARNED, pane: int = PANE, trust: float = 1.0) -> Trial:
    """``trust`` above 1 takes the reference for that many times as many events as it has."""
    reference, placed, singles, doubles = reference_of(columns, learned)
    shape, judge = Shape.of(reference, singles, doubles), Independent()
    shape = replace(shape, hits=shape.hits * trust, misses=shape.misses * trust)
    state, alarms = judge.start(shape), np.full(len(columns), np.inf)
    every, since = [], []
    freeze = np.full(len(columns), np.sqrt(a))
    for low in range(learned, placed.shape[1] - pane + 1, pane):
        counts = counted(placed[:, low : low + pane], reference.width)
        state, s = judge.step(state, shape, counts, float(low - learned), freeze)
        alarms = np.where((s >= a) & np.isinf(alarms), low + pane - learned, alarms)
        every.append(s)
        since.append(state.since)
    return Trial(alarms, np.array(every), np.array(since))
