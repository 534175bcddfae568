"""Panes of a slice as arrays, one row a pane: a thousand of them are summed, cut and handed over at the price of one.

numbers         100  101  103  104      panes without events have no row
sums             x    x    x    x       int64[panes, channels, columns]
summed([0, 2])  100       103           runs of panes, each under the number of its first
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.errors import BinsDiffer
from driftd.core.event_sums import EventSums, merged
from driftd.core.exemplars import Exemplar, Exemplars
from driftd.core.exemplars import merged as merged_exemplars
from driftd.core.fault_counters import COLUMNS, REFUSED, FaultCounters
from driftd.core.new_names import NewName, added
from driftd.core.products import CrossSums
from driftd.core.quality import sums as quality
from driftd.core.quality.sums import Outcomes
from driftd.core.segments import segment_sums
from driftd.core.summary import LATENCY_BINS, NO_EXTREMES, Summary
from driftd.core.window import TimedDetection

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Places = Rows | slice

MOMENTS: Final = 2
"""Columns of Summary.moments."""


NAME_BYTES: Final = 400
"""A name of new_names at most, more or less: its text of 256 characters, and the tuple around it."""


@dataclass(frozen=True, slots=True, eq=False)
class PaneData:
    """What a pane holds, whoever saw it; the fields as in core.pane.ClosedPane."""

    summary: Summary
    detections: tuple[TimedDetection, ...] = ()
    cross: Counts | None = None
    versions: frozenset[str] = frozenset()
    faults: FaultCounters | None = None
    products: Counts | None = None
    exemplar: Exemplar | None = None
    names: tuple[NewName, ...] = ()
    outcomes: Outcomes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class PaneBlock:
    """Panes in ascending order, each once; the first axis of every array is the pane.

    numbers    int64[k]
    totals     int64[k, 3]: Summary's events, latency_ns and failed
    times      float64[k, 2]: Summary's first and last
    sums       int64[k, channels, width + COLUMNS + MOMENTS]: Summary.counts, FaultCounters, Summary.moments
    extremes   float64[k, channels, 2], latency_le int64[k, le]: as in Summary
    latency    int64[k, LATENCY_BINS], None where nobody measures latencies
    faults     whether there are fault counters; where not they are 0
    cross      int64[k, pairs], products int64[k, m + 1, m + 1]: as in ClosedPane
    detections each with its pane; ``versions`` int64[j]: the panes in which each answered, in ascending order
    exemplars  one event of each pane, by its place; None where nobody knows any, or of several sources
    names      of new categories, as core.new_names has them
    outcomes   of events with a label, by pane number; empty where none has one
    """

    bins_id: str
    numbers: Counts
    totals: Counts
    times: Floats
    sums: Counts
    extremes: Floats
    latency_le: Counts
    latency: Counts | None = None
    faults: bool = False
    cross: Counts | None = None
    products: Counts | None = None
    detections: tuple[tuple[int, TimedDetection], ...] = ()
    versions: Mapping[str, Counts] = field(default_factory=dict)
    exemplars: Exemplars | None = None
    names: tuple[NewName, ...] = ()
    outcomes: Outcomes = field(default_factory=dict)

    @classmethod
    def of(cls, number: int, pane: PaneData) -> Self:
        """One pane."""
        s = pane.summary
        faults = FaultCounters.empty(len(s.counts)) if pane.faults is None else pane.faults
        return cls(
            s.bins_id,
            np.array([number], np.int64),
            np.array([[s.events, s.latency_ns, s.failed]], np.int64),
            np.array([[s.first, s.last]], np.float64),
            np.concatenate([s.counts, faults.values, s.moments], axis=1)[None],
            s.extremes[None],
            s.latency_le[None],
            s.latency[None] if s.latency.any() else None,
            pane.faults is not None,
            None if pane.cross is None else pane.cross[None],
            None if pane.products is None else pane.products[None],
            tuple((number, detection) for detection in pane.detections),
            {version: np.array([number], np.int64) for version in sorted(pane.versions)},
            None if pane.exemplar is None else Exemplars.of(pane.exemplar),
            tuple((number, *name[1:]) for name in pane.names),
            quality.at(pane.outcomes, number),
        )

    def each(self) -> Iterator[tuple[int, PaneData]]:
        """The panes one by one, with their numbers; they hold none of this block's arrays."""
        block = self.dense
        for place, number in enumerate(self.numbers.tolist()):
            yield (
                number,
                PaneData(
                    block.summary(place),
                    tuple(d for n, d in self.detections if n == number),
                    None if block.cross is None else block.cross[place].copy(),
                    frozenset(version for version, at in self.versions.items() if number in at),
                    FaultCounters(block.sums[place, :, -COLUMNS - MOMENTS : -MOMENTS].copy()) if self.faults else None,
                    None if block.products is None else block.products[place].copy(),
                    None if self.exemplars is None else self.exemplars.at(place),
                    self.names_of(number, number),
                    quality.between(self.outcomes, number, number),
                ),
            )

    def names_of(self, first: int, last: int) -> tuple[NewName, ...]:
        """Those of the panes ``first`` to ``last``."""
        return self.names[bisect_left(self.names, (first,)) : bisect_left(self.names, (last + 1,))]

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def nbytes(self) -> int:
        arrays = sum(x.nbytes for name in (*_ARRAYS, "exemplars") if (x := getattr(self, name)) is not None)
        return int(arrays) + NAME_BYTES * len(self.names) + _outcome_bytes(self.outcomes)

    @property
    def events(self) -> Counts:
        """int64[k]: events of each pane."""
        return self.totals[:, 0]

    @property
    def dense(self) -> PaneBlock:
        """With ``sums`` of every pane: for messages and checkpoints."""
        return self

    @property
    def values(self) -> Self:
        """What its channels were, without what only the judge wants to know."""
        return replace(
            self, cross=None, products=None, detections=(), versions={}, exemplars=None, names=(), outcomes={}
        )

    def with_rows(self, rows: Sequence[int], places: Sequence[int], bins_id: str, fresh: PaneBlock | None) -> PaneBlock:
        """On bins that differ in the channels ``rows`` alone: of these, and of their ``places`` among products, as in
        ``fresh``, which has some of these panes; nothing elsewhere. Pairs (``cross``) are left out.
        """
        old, mine, at = self.dense, [*rows], [1 + place for place in places]
        sums, extremes, products = old.sums.copy(), old.extremes.copy(), old.products
        sums[:, mine], extremes[:, mine] = 0, NO_EXTREMES
        if products is not None:
            products = products.copy()
            products[:, at], products[:, :, at] = 0, 0
        names = [name for name in old.names if name[1] not in mine]
        if fresh is not None:
            new = fresh.dense
            _, here, there = np.intersect1d(old.numbers, new.numbers, assume_unique=True, return_indices=True)
            for row in mine:
                sums[here, row], extremes[here, row] = new.sums[there, row], new.extremes[there, row]
            if products is not None and (known := new.products) is not None:
                for place in at:
                    products[here, place], products[here, :, place] = known[there, place], known[there, :, place]
            names += [name for name in new.names if name[1] in mine]
        about: dict[str, Any] = {"cross": None, "products": products, "names": added(names)}
        return replace(old, bins_id=bins_id, sums=sums, extremes=extremes, **about)

    def sums_of(self, starts: Rows) -> Counts:
        """``sums`` alone of runs of panes that begin at the places ``starts``, the first at 0."""
        return segment_sums(self.sums, starts)

    def cross_of(self, starts: Rows) -> Counts | None:
        """``cross`` alone."""
        return None if self.cross is None else segment_sums(self.cross, starts)

    def products_of(self, starts: Rows) -> Counts | None:
        """``products`` alone."""
        return None if self.products is None else segment_sums(self.products, starts)

    @property
    def refused(self) -> Counts:
        """int64[k, channels]: values of another type."""
        column: Counts = self.sums[:, :, REFUSED - COLUMNS - MOMENTS]
        return column

    def summary(self, place: int) -> Summary:
        """The summary of the pane at ``place``; it holds none of this block's arrays."""
        events, latency_ns, failed = self.totals[place].tolist()
        return Summary(
            self.bins_id,
            events,
            self.sums[place, :, : -COLUMNS - MOMENTS].copy(),
            self.sums[place, :, -MOMENTS:].copy(),
            self.extremes[place].copy(),
            np.zeros(LATENCY_BINS, np.int64) if self.latency is None else self.latency[place].copy(),
            self.latency_le[place].copy(),
            latency_ns,
            failed,
            *self.times[place].tolist(),
        )

    def summed(self, starts: Sequence[int] | Rows) -> PaneBlock:
        """Runs of panes as one each, under the number of their first: they begin at the places ``starts``, the first at
        0. Detections, versions, names and outcomes stay with their panes; exemplars nobody asks runs for.
        """
        if len(starts) == len(self):
            return self.dense
        at = np.asarray(starts, np.intp)
        known = ((name, getattr(self, name)) for name in _SUMS)
        arrays: dict[str, Any] = {name: segment_sums(x, at) for name, x in known if x is not None}
        for name in _OUTERMOST:
            x = getattr(self, name)
            ends = np.minimum.reduceat(x[..., 0], at, axis=0), np.maximum.reduceat(x[..., 1], at, axis=0)
            arrays[name] = np.stack(ends, axis=-1)
        arrays |= {"sums": self.sums_of(at), "cross": self.cross_of(at), "products": self.products_of(at)}
        return self._plain(numbers=self.numbers[at], exemplars=None, **arrays)

    def cut(self, last: int) -> tuple[Self | None, Self | None]:
        """The panes up to ``last`` and those after it; None: none there. The latter hold no part of longer arrays."""
        at = int(np.searchsorted(self.numbers, last, side="right"))
        if at in {0, len(self)}:
            return (self, None) if at else (None, self)
        after = self._part(slice(at, None), last + 1, int(self.numbers[-1])).changed(lambda x: x.copy())
        return self._part(slice(at), int(self.numbers[0]), last), after

    def _part(self, which: slice, first: int, last: int) -> Self:
        """The rows ``which``: the panes ``first`` to ``last``."""
        kept = {version: at[(at >= first) & (at <= last)] for version, at in self.versions.items()}
        return replace(
            self.changed(lambda x: x[which]),
            detections=tuple((number, d) for number, d in self.detections if first <= number <= last),
            versions={version: at for version, at in kept.items() if len(at)},
            names=self.names_of(first, last),
            outcomes=quality.between(self.outcomes, first, last),
        )

    def changed(self, change: Callable[[Any], Any]) -> Self:
        """With every array that has a row for each pane changed."""
        known = ((name, getattr(self, name)) for name in _ARRAYS)
        arrays: dict[str, Any] = {name: change(x) for name, x in known if x is not None}
        if self.exemplars is not None:
            arrays["exemplars"] = self.exemplars.changed(change)
        return replace(self, **arrays)

    def _plain(self, **other: Any) -> PaneBlock:
        """With other arrays, all panes summed."""
        return PaneBlock(**{f.name: getattr(self, f.name) for f in fields(PaneBlock)} | other)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EventBlock(PaneBlock):
    """Panes that hold few events: ``every`` one of them stands for the sums, ``pairs`` and ``scores`` for ``cross`` and
    ``products``, which they make of them; ``sums`` has no rows. Of one process: ``dense`` is what leaves it.
    """

    every: EventSums
    pairs: CrossSums | None
    scores: CrossSums | None

    @property
    def nbytes(self) -> int:
        names = (*_ARRAYS, "exemplars", "every")
        arrays = sum(x.nbytes for name in names if (x := getattr(self, name)) is not None)
        return int(arrays) + NAME_BYTES * len(self.names) + _outcome_bytes(self.outcomes)

    @property
    def dense(self) -> PaneBlock:
        at = np.arange(len(self))
        return self._plain(sums=self.every.each, cross=self.cross_of(at), products=self.products_of(at))

    @property
    def values(self) -> Self:
        return replace(self, pairs=None, scores=None, detections=(), versions={}, exemplars=None, names=(), outcomes={})

    def sums_of(self, starts: Rows) -> Counts:
        return self.every.summed(starts)

    def cross_of(self, starts: Rows) -> Counts | None:
        return self.every.crossed(self.pairs, starts)

    def products_of(self, starts: Rows) -> Counts | None:
        return self.every.crossed(self.scores, starts)

    def changed(self, change: Callable[[Any], Any]) -> Self:
        return replace(PaneBlock.changed(self, change), every=change(self.every))


def block_of(every: EventSums, pairs: CrossSums | None, scores: CrossSums | None, **other: Any) -> PaneBlock:
    """Summed up where that takes less time."""
    none = np.zeros((0, *every.shape[1:]), np.int64)
    out = EventBlock(sums=none, every=every, pairs=pairs, scores=scores, **other)
    return out if every.sparse else out.dense


_SUMS: Final = ("totals", "latency_le", "latency")
"""The fields of PaneBlock that add up, whatever it keeps."""
_COUNTS: Final = ("sums", "cross", "products")
"""Those for which an EventBlock has events."""
_OUTERMOST: Final = ("times", "extremes")
"""Those whose least and greatest value counts."""
_ARRAYS: Final = ("numbers", *_COUNTS, *_SUMS, *_OUTERMOST)


def merge(blocks: Sequence[PaneBlock]) -> PaneBlock:
    """All panes of at least one block; one that is in several of them is their sum. Exact, in any order but for
    detections, which come in the order of the blocks.
    """
    head = blocks[0]
    if len(blocks) == 1:
        return head
    if any((b.bins_id, b.sums.shape[1:]) != (head.bins_id, head.sums.shape[1:]) for b in blocks):
        raise BinsDiffer("panes that were counted on different bins cannot be added")
    numbers = np.unique(np.concatenate([b.numbers for b in blocks]))
    places = [_places(numbers, b.numbers) for b in blocks]
    versions: dict[str, list[Counts]] = {}
    for version, at in chain.from_iterable(b.versions.items() for b in blocks):
        versions.setdefault(version, []).append(at)

    def of(name: str) -> list[NDArray[Any] | None]:
        return [getattr(b, name) for b in blocks]

    arrays: dict[str, Any] = {name: _added(of(name), places, len(numbers)) for name in _SUMS}
    arrays |= {name: _outermost(of(name), places, len(numbers)) for name in _OUTERMOST}
    arrays |= {
        "bins_id": head.bins_id,
        "numbers": numbers,
        "faults": any(b.faults for b in blocks),
        "detections": tuple(chain.from_iterable(b.detections for b in blocks)),
        "exemplars": merged_exemplars([b.exemplars for b in blocks], places, len(numbers)),
        "names": added(name for b in blocks for name in b.names),
        "outcomes": quality.added(b.outcomes for b in blocks),
        "versions": {v: at[0] if len(at) == 1 else np.unique(np.concatenate(at)) for v, at in versions.items()},
    }
    events = [b for b in blocks if isinstance(b, EventBlock)]
    if len(events) == len(blocks) and len({(id(b.pairs), id(b.scores)) for b in events}) == 1:
        others = _added([b.every.others for b in events], places, len(numbers))
        every = merged([b.every for b in events], [np.arange(len(numbers))[at] for at in places], others)
        return block_of(every, events[0].pairs, events[0].scores, **arrays)
    blocks = [b.dense for b in blocks]
    return PaneBlock(**arrays, **{name: _added(of(name), places, len(numbers)) for name in _COUNTS})


def _outcome_bytes(outcomes: Outcomes) -> int:
    return sum(sums.nbytes for sums in outcomes.values())


def _places(numbers: Counts, mine: Counts) -> Places:
    """Where ``mine`` are among ``numbers``; both ascend."""
    low, high = np.searchsorted(numbers, mine[[0, -1]]).tolist()
    return slice(low, high + 1) if high + 1 - low == len(mine) else np.searchsorted(numbers, mine)


def _added(parts: Sequence[NDArray[Any] | None], places: Sequence[Places], rows: int) -> Any:
    """Each part added to its places, the longest first; None where no part is there."""
    known = sorted(((x, at) for x, at in zip(parts, places, strict=True) if x is not None), key=lambda p: -len(p[0]))
    if not known:
        return None
    (most, at), others = known[0], known[1:]
    if len(most) == rows and not others:
        return most
    out = np.empty((rows, *most.shape[1:]), most.dtype)
    out[at] = most
    lacking = np.ones(rows, bool)
    lacking[at] = False
    out[lacking] = 0
    for part, its in others:
        out[its] += part
    return out


def _outermost(parts: Sequence[NDArray[Any] | None], places: Sequence[Places], rows: int) -> NDArray[Any]:
    """Least and greatest, [..., 2], of the parts at their places."""
    known = [part for part in parts if part is not None]
    out = np.empty((rows, *known[0].shape[1:]))
    out[..., 0], out[..., 1] = np.inf, -np.inf
    for part, at in zip(known, places, strict=True):
        out[at, ..., 0] = np.minimum(out[at, ..., 0], part[..., 0])
        out[at, ..., 1] = np.maximum(out[at, ..., 1], part[..., 1])
    return out
