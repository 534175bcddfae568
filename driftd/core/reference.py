"""What drift is judged against: the bins and the summary of a stretch that was taken to be normal."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import repeat
from math import inf
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Channel
from driftd.core.event import Column, Kind, Scalar
from driftd.core.hashing import NOT_HASHED, Hashing
from driftd.core.summary import FIRST_VALUE, MISSING, UNSEEN, Summary
from driftd.core.values import FLOAT32_NOISE, MAX_CATEGORY_CHARS, category, other_spellings, same_number

TOP: Final = 30
"""Most frequent categories that have a bin of their own, however rare. Chosen: a line for each fits on a page."""
MOST_TOP: Final = 100
"""Most that have one where the reference has seen each SEEN times. Measured: with 30, three of five drifts that were
missed on redrawn streams grew out of the rest, where 3 points more were 20 % in place of 17."""
SEEN: Final = 5
"""How often. Chosen: Cochran's rule (1954) for expected counts; rarer ones owe their place to luck, and come less often
again (measured: windows of 700 events then fire at 5 % in half of all cases)."""
MAX_KNOWN: Final = 10_000
"""Distinct categories the reference remembers; a feature with more is an identifier and has no unseen values."""


class ReferenceKind(StrEnum):
    """What window detectors compare a window with (driftd.learn.comparison); the judge keeps what it learned."""

    FIXED = "fixed"  # the whole reference
    ROLLING = "rolling"  # the period before this one
    SEASONAL = "seasonal"  # the same hours of the week


END = 1.3
"""How far the values of the reference's lowest and highest bin lie from the next one on average, in its widths: between
a normal (1.2) and an exponential (1.4) tail."""


@dataclass(frozen=True, eq=False)
class Bins:
    """The frozen bins of one channel.

    Numbers: ``edges`` float64[k + 1]; value bins are below edges[0], (edges[i], edges[i + 1]] for each i, above
    edges[k]; so k + 2 of them, all open at the outside. edges[0] lies just below the reference's least value, the
    others just above a value: by float32 noise, or less where another value is near.
    Categories: ``categories`` in order of frequency, then one bin for other values the reference saw (``rare``).
    ``labels`` names the value bins, from column FIRST_VALUE on. ``once`` counts the categories that the reference saw
    exactly once; ``discrete`` says that each inner bin of numbers holds one value.
    """

    kind: Kind
    edges: NDArray[np.float64]
    categories: tuple[str, ...]
    rare: frozenset[str]
    labels: tuple[str, ...]
    identifier: bool = False
    once: int = 0
    discrete: bool = False

    @cached_property
    def codes(self) -> dict[Scalar, int]:
        other = FIRST_VALUE + len(self.categories)
        known: dict[Scalar, int] = dict.fromkeys(self.rare, other)
        known.update((c, FIRST_VALUE + i) for i, c in enumerate(self.categories))
        known[None] = MISSING
        known.update((text, known[c]) for text, c in other_spellings({*self.categories, *self.rare}).items())
        return known

    @property
    def middles(self) -> NDArray[np.float64]:
        """float64[bins] of numbers: the value that each bin stands for; of the open two their edge."""
        edges, inner = self.edges, self.edges[1:]
        if not self.discrete:
            inner = (edges[:-1] + edges[1:]) / 2
            if len(inner) > 2:  # an end is long, and most of its values lie near the others
                near, far = edges[2] - edges[1], edges[-2] - edges[-3]
                inner[0] = max(inner[0], edges[1] - END * near)
                inner[-1] = min(inner[-1], edges[-2] + END * far)
        return np.concatenate([edges[:1], inner, edges[-1:]])

    @property
    def used(self) -> int:
        """Columns of Summary.counts in use, missing and unseen included."""
        return FIRST_VALUE + len(self.labels)

    def place(self, values: Column) -> NDArray[np.intp]:
        """Column of Summary.counts for each value: intp[n]. The kind of ``values`` must be that of the bins."""
        if self.kind is Kind.NUMERIC:
            numbers = np.asarray(values, np.float64)
            index = np.searchsorted(self.edges, numbers) + FIRST_VALUE
            index[np.isnan(numbers)] = MISSING
            return index
        unknown = FIRST_VALUE + len(self.categories) if self.identifier else UNSEEN
        get = self.codes.get
        index = np.fromiter(map(get, values, repeat(unknown)), np.intp, len(values))
        for i in np.flatnonzero(index == unknown).tolist():
            value = values[i]
            # numbers and long texts are known by what ``category`` makes of them
            if isinstance(value, float) or (isinstance(value, str) and len(value) > MAX_CATEGORY_CHARS):
                index[i] = get(category(value), unknown)
        return index


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A stretch of event time that is neither learned from nor judged: ``start`` to ``end``, not included."""

    start: float
    end: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of event time in which one channel is not learned from, though the others are. ``start`` -inf: it had
    no value before ``end``. ``end`` inf: it lasts, and ``why`` is the kind of the fault.
    """

    channel: str
    start: float
    end: float
    why: str = ""

    @property
    def never(self) -> bool:
        """Whether it has never had a value."""
        return self.start == -inf and self.end == inf


@dataclass(frozen=True, slots=True)
class Drawn:
    """Which events a reference is learned from: one in ``thinning`` of those that there were; ``early``: the first ones
    of a reference that grows, which nobody chose; ``gaps`` of its channels.
    """

    thinning: int = 1
    early: bool = False
    gaps: tuple[Gap, ...] = ()


ALL: Final = Drawn()


def outside(times: NDArray[np.float64], exclusions: Iterable[Exclusion]) -> NDArray[np.bool_]:
    """bool[n]: the times that no exclusion covers."""
    out = np.ones(len(times), bool)
    for e in exclusions:
        out &= (times < e.start) | (times >= e.end)
    return out


@dataclass(frozen=True, eq=False)
class Slots:
    """The reference hour of the week by hour of the week (Monday 00:00 UTC first); together they are its summary.

    events int64[168]; counts int32[168, channels, width] and moments int64[168, channels, 2] as in Summary.
    """

    events: NDArray[np.int64]
    counts: NDArray[np.int32]
    moments: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Reference:
    """Immutable and versioned. ``center`` and ``scale`` float64[channels] standardise numeric channels.

    ``places`` float64[channels, width] is each bin's place in the reference, 0..1: the reference's CDF at the
    middle of the bin (mid-rank). That is what sequential detectors are fed; NaN for missing.
    ``classes`` says that a prediction is wrong when it differs from the label; else errors are absolute.
    ``learned`` is what the judge learned from the reference's own events, as a flat table of arrays
    (driftd.judge.runtime); empty where nobody kept the events.

    ``kind`` is what windows are compared with: ``summary``, or ``slots`` (None where not seasonal), or ``rolled``, the
    summary of the last whole period (None before the first). ``natural`` is how much the reference's own windows
    differ from the rest of it, a table by detector (driftd.learn.variation); ``excluded`` what was left out;
    ``hashing`` which of its categories are hashes, and by which key.
    """

    model: str
    version: int
    channels: tuple[Channel, ...]
    bins: tuple[Bins, ...]
    summary: Summary
    center: NDArray[np.float64]
    scale: NDArray[np.float64]
    classes: bool
    first: float
    last: float
    source: str = ""
    created_by: str = ""
    reason: str = ""
    learned: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    kind: ReferenceKind = ReferenceKind.FIXED
    slots: Slots | None = None
    rolled: Summary | None = None
    natural: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    excluded: tuple[Exclusion, ...] = ()
    hashing: Hashing = NOT_HASHED

    @property
    def id(self) -> str:
        return self.summary.bins_id

    @property
    def width(self) -> int:
        return int(self.summary.counts.shape[1])

    @cached_property
    def rows(self) -> dict[str, int]:
        return {c.name: i for i, c in enumerate(self.channels)}

    @cached_property
    def numeric(self) -> NDArray[np.bool_]:
        return np.array([c.kind is Kind.NUMERIC for c in self.channels], bool)

    @cached_property
    def numeric_features(self) -> tuple[str, ...]:
        return tuple(c.feature for c in self.channels if c.feature is not None and c.kind is Kind.NUMERIC)

    @cached_property
    def used(self) -> NDArray[np.intp]:
        return np.array([b.used for b in self.bins], np.intp)

    @cached_property
    def places(self) -> NDArray[np.float64]:
        values = self.summary.counts.astype(np.float64)
        values[:, MISSING] = 0
        total = np.maximum(values.sum(axis=1, keepdims=True), 1)
        # unseen categories sit above everything the reference knows, as values above its maximum do
        order = np.concatenate([values[:, FIRST_VALUE:], values[:, UNSEEN:FIRST_VALUE]], axis=1)
        middle = (np.cumsum(order, axis=1) - order / 2) / total
        return np.concatenate([np.full((len(values), 1), np.nan), middle[:, -1:], middle[:, :-1]], axis=1)

    def label(self, row: int, column: int) -> str:
        if column == MISSING:
            return "missing"
        if column == UNSEEN:
            return "unseen"
        return self.bins[row].labels[column - FIRST_VALUE]


def numeric_bins(values: NDArray[np.float64], bins: int = 20) -> Bins:
    """Quantile bins of the finite ``values``; a bin of its own for each of at most ``bins`` distinct values.

    Edges lie above the values that they were chosen for, by float32 noise or half the way to the next value: a value
    that comes back as float32, or was learned as one, is in the same bin.
    """
    # never -0: which zero of many comes first would depend on the order of the events
    x = np.sort(values[np.isfinite(values)]) + 0.0
    if not len(x):
        return bins_from_edges(np.array([-0.0, 0.0]))
    top, above = _distinct(x)
    if len(top) <= bins:
        inner = above
        labels = [f"{v:.6g}" for v in top]
    else:
        ranks = np.ceil(np.arange(1, bins + 1) / bins * len(x)).astype(int) - 1
        inner = above[np.unique(np.searchsorted(top, x[ranks]))]
        labels = []
    below = min(np.nextafter(x[0], -np.inf), max(x[0] - FLOAT32_NOISE * abs(x[0]), -np.finfo(float).max))
    # the first quantile may be the minimum itself: then the first bin holds that one value
    return bins_from_edges(np.concatenate([[below], inner]), labels, discrete=len(top) <= bins)


_LATENCY_RANKS: Final = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
"""Quantiles at the edges of the bins of latencies."""
_LATENCY_STEPS: Final = tuple(2.0 ** (k / 2) for k in range(1, 14))
"""Further edges, as factors of the last of those quantiles. Half octaves up to 90 times: a request that usually takes
0.2 s is still told from others when it takes 18 s."""


def tail_bins(values: NDArray[np.float64], bins: int = 20, most: int | None = None) -> Bins:
    """Bins of latencies: quantiles up to the 99 % quantile, then half octaves far beyond everything that was seen. So
    they tell how long requests take that take far longer than any of the reference. Where most latencies are one
    value, none is above 0, or those were more than ``most``, as ``numeric_bins``.
    """
    x = np.sort(values[np.isfinite(values)]) + 0.0
    if not len(x) or x[int(0.5 * (len(x) - 1))] <= 0:
        return numeric_bins(values, bins)
    ranks = x[np.ceil(np.array(_LATENCY_RANKS) * len(x)).astype(int) - 1]
    with np.errstate(over="ignore"):
        edges = np.unique(np.concatenate([ranks, ranks[-1] * np.array(_LATENCY_STEPS)]))
    edges = edges[(edges > x[0]) & (edges < np.finfo(float).max / 4)]
    if most is not None and len(edges) + 2 > most:
        return numeric_bins(values, bins)
    return bins_from_edges(np.concatenate([[np.nextafter(x[0], -np.inf)], edges * (1 + FLOAT32_NOISE)]))


def _distinct(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The distinct numbers of sorted ``x``, float64[k] (of a number and its float32 the greater one); and the edge
    above each, short of the next.
    """
    distinct = np.unique(x)
    new = np.flatnonzero(~same_number(distinct[1:], distinct[:-1]))
    top, following = np.append(distinct[new], distinct[-1]), np.append(distinct[new + 1], np.inf)
    with np.errstate(over="ignore"):
        room = np.minimum(FLOAT32_NOISE * np.abs(top), (following - top) / 2)
        above = np.minimum(top + room, np.finfo(float).max)
    return top, np.where(above < following, above, top)


def bins_from_edges(edges: NDArray[np.float64], labels: Sequence[str] = (), *, discrete: bool = False) -> Bins:
    low, high = edges[:-1].copy(), edges[1:]
    low[0] = np.nextafter(low[0], np.inf) + 0.0  # the least value itself reads better, and 0 better than -0
    ends = [(f"{a:.6g}", f"{b:.6g}") for a, b in zip(low, high, strict=True)]
    inner = list(labels) or [a if a == b else f"{a}..{b}" for a, b in ends]
    names = (f"< {low[0]:.6g}", *inner, f"> {edges[-1]:.6g}")
    return Bins(Kind.NUMERIC, edges, (), frozenset(), names, discrete=discrete)


def category_bins(values: Iterable[str | None], top: int = TOP, most: int | None = None) -> Bins:
    """The ``top`` most frequent categories (ties by name), up to MOST_TOP of those seen SEEN times, then one bin for
    the rest; ``most`` bins in all.
    """
    seen: dict[str, int] = {}
    for v in values:
        if v is not None:
            seen[v] = seen.get(v, 0) + 1
    ranked = sorted(seen, key=lambda v: (-seen[v], v))
    identifier = len(ranked) > MAX_KNOWN
    own = max(top, sum(seen[v] >= SEEN for v in ranked[:MOST_TOP]))
    own = own if most is None else min(own, most - 1)
    rare = frozenset(ranked[own:MAX_KNOWN])
    head = tuple(ranked[:own])
    once = sum(n == 1 for n in seen.values())
    return Bins(Kind.CATEGORICAL, np.empty(0), head, rare, (*head, "(other)"), identifier, once)


def bins_id(model: str, channels: Sequence[Channel], bins: Sequence[Bins]) -> str:
    """A digest of everything that decides where a value is counted."""
    h = hashlib.blake2b(model.encode(), digest_size=8)
    for c, b in zip(channels, bins, strict=True):
        h.update(repr((c.name, c.role.value, c.kind.value, b.categories, sorted(b.rare), b.identifier)).encode())
        h.update(b.edges.tobytes())
        if c.part is not None:
            h.update(repr((c.part.of, c.part.what, c.part.length, c.part.position)).encode())
            h.update(b"" if c.part.learned is None else c.part.learned.tobytes())
    return h.hexdigest()
