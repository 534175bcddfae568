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
from driftd.judge.exchangeable import independent
from driftd.judge.exchangeable.joint import Pairs
from driftd.judge.exchangeable.shape import Shape
from driftd.judge.learned import sightings

Floats = NDArray[np.float64]
Column = NDArray[np.float64] | list[str | None] | list[str]
LEARNED, PANE = 3000, 50
ROLES = (Role.FEATURE, Role.FEATURE, Role.FEATURE, Role.SCORE, Role.PREDICTION_ERROR)
"""Of the columns of ``model_of``."""


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
    shape = Shape.of(reference, singles, doubles)
    shape = replace(shape, hits=shape.hits * trust, misses=shape.misses * trust)
    state, alarms = shape.start(), np.full(len(columns), np.inf)
    every, since = [], []
    thresholds, frozen = np.full(len(columns), a), np.zeros(len(columns), bool)
    for low in range(learned, placed.shape[1] - pane + 1, pane):
        counts = counted(placed[:, low : low + pane], reference.width)
        state, s = independent.step(state, shape, counts, float(low - learned), thresholds, frozen)
        alarms = np.where((s >= a) & np.isinf(alarms), low + pane - learned, alarms)
        every.append(s)
        since.append(state.since)
    return Trial(alarms, np.array(every), np.array(since))


def model_of(rng: np.random.Generator, n: int, start: int, change: str = "") -> list[Column]:
    """Two numbers, a category of ten, a score that follows from them, an error; ``change`` from ``start`` on."""
    x, y = rng.normal(size=(2, n))
    group = rng.choice(10, n, p=[0.3, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05, 0.04, 0.04, 0.02])
    later = np.arange(n) >= start
    if change == "correlation":
        score = np.where(later, rng.permutation(x), x) + y + rng.normal(size=n)
    else:
        score = x + y + rng.normal(size=n)
    error = rng.random(n) < 0.2
    if change == "one group fails":
        error = np.where(later & (group == 2), rng.random(n) < 0.6, error)
    if change == "one group fails, another recovers":
        error = np.where(later & (group == 2), rng.random(n) < 0.4, error)
        error = np.where(later & (group == 3), rng.random(n) < 0.0, error)
    if change == "errors move to the high third":
        error = np.where(later, rng.random(n) < np.where(x > 0.43, 0.4, 0.1), error)
    return [x, y, [f"g{g}" for g in group], score, error.astype(float)]


def first_joint_alarm(
    columns: list[Column], learned: int, a: float, pane: int = PANE, roles: Sequence[Role] = ROLES
) -> tuple[float, tuple[int, int]]:
    """Events after the reference at the first alarm of the joint path (inf without), and the pair that it names."""
    reference, placed, *_ = reference_of(columns, learned, roles)
    pairs = Pairs.of(reference, placed[:, :learned], np.ones(len(columns), bool))
    state = pairs.start()
    for low in range(learned, placed.shape[1] - pane + 1, pane):
        state, s = pairs.step(state, pairs.cross(placed[:, low : low + pane]), pane, float(low), a=a)
        if s >= a:
            return low + pane - learned, pairs.strongest(state)[:2]
    return np.inf, (0, 0)
