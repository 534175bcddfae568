"""One stretch of a history to panes, without what came before it: any engine may count stretches side by side.

rows -> decode -> late ones out -> of each model whose bins stay:  its first HOT_EVENTS rows | panes of the rest
                                -> of each other model:            rows

What repeats depends on up to HOT_EVENTS events before, so whoever merges stretches (driftd.replay.merging) counts the
first rows himself, and goes on from the last of the stretch. Nobody needs to know more, but the greatest time so far:
a stretch is counted as if nothing were late that came in order, and counted again where that is not so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Final

import numpy as np
import zstandard
from numpy.typing import NDArray

from driftd.core.event import DropReason, EventBatch, RecordBatch, RefusedValue, Schema, concatenate, rejection
from driftd.core.pane import Counters
from driftd.core.pane_block import PaneBlock, merge
from driftd.core.reference import Exclusion, outside
from driftd.core.slice import Slice
from driftd.core.trials import Trial
from driftd.core.window import Windows, panes_of
from driftd.decode import Codec
from driftd.engine.codec import TypedCodec
from driftd.engine.pipeline import Pipeline
from driftd.engine.snapshot.rows import RowsSnapshot
from driftd.engine.state import State
from driftd.ingest import partition
from driftd.ingest.experiments import prepared
from driftd.ingest.fault_counts import HOT_EVENTS, Carry
from driftd.ingest.panes import Readings, SliceIngest, counted
from driftd.ingest.state import PartitionState, Stream
from driftd.monitor.model import Monitor

STRETCH_ROWS: Final = 1 << 18
"""Rows of a stretch at the most: one holds them decoded, 30 MB of ten numbers each."""
SLICE_ROWS: Final = 1 << 14
"""Rows that are put into panes at once."""
LEAST_A_PANE: Final = 8
"""Events of a pane from which on panes travel: they are as wide as all bins, so with fewer the rows are smaller."""
NOWHERE: Final = 1 << 62
"""After any pane."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reference is built from: of ``models`` (none named: of all) the ``first`` events in order of time (None:
    all) that are not in ``exclude``.
    """

    models: tuple[str, ...] = ()
    first: int | None = None
    exclude: tuple[Exclusion, ...] = ()

    def of(self, rows: EventBatch) -> EventBatch:
        """Those of a stretch that may be among them, in the order of the stretch."""
        if self.models and rows.model not in self.models:
            return rows.take(np.zeros(0, np.intp))
        if self.exclude:
            rows = rows.take(np.flatnonzero(outside(rows.times, self.exclude)))
        if self.first is None or len(rows) <= self.first:
            return rows
        return rows.take(np.sort(rows.times.argsort(kind="stable")[: self.first]))


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What who counts must know: how rows are decoded, and of the models whose bins stay how they are counted.

    ``schemas`` are all models' that are known, and ``max_features`` the limit of others; ``exclude`` has what to leave
    out of configured models, ``others`` says it of those that are not. ``wanted``: None where all events are;
    ``shows_ids``: whether ids of events may be seen.
    """

    codec: Codec
    windows: Windows
    schemas: Mapping[str, Schema]
    slices: Mapping[Slice, SliceIngest]
    exclude: Mapping[str, SliceIngest]
    others: SliceIngest
    max_features: int
    wanted: Wanted | None = None
    shows_ids: bool = True

    @classmethod
    def of(cls, pipeline: Pipeline, state: State, wanted: Wanted | None = None) -> Plan:
        monitor = pipeline.monitor
        settled = {key: pipeline.slices.about(state, key) for key, m in state.models.items() if monitor.bins_stay(m)}
        names = {*monitor.configured, *monitor.experiments}
        exclude = {name: _unlearned(monitor, Slice(name)) for name in names}
        others = SliceIngest(exclude=monitor.default.learning.exclude, prices=monitor.default.prices)
        schemas, most = dict(pipeline.schemas.of(state)), monitor.default.max_features
        return cls(pipeline.codec, monitor.windows, schemas, settled, exclude, others, most, wanted, pipeline.shows_ids)

    def about(self, key: Slice) -> SliceIngest:
        return self.slices.get(key) or self.exclude.get(key.model, self.others)


def _unlearned(monitor: Monitor, key: Slice) -> SliceIngest:
    """Of a model whose bins are not known."""
    settings = monitor.settings(key)
    rules = monitor.experiments_of(key)
    return SliceIngest(exclude=settings.learning.exclude, prices=settings.prices, experiments=rules)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One model in a stretch. ``rows``: the first of it, or all; then ``panes``, which the events at ``times``
    float64[n] are in, with what sequential detectors read of these and the ``carry`` after them.
    """

    model: str
    first: float
    counters: Counters
    rows: RowsSnapshot | None = None
    panes: PaneBlock | None = None
    times: NDArray[Any] | None = None
    readings: list[tuple[int, NDArray[Any]]] = field(default_factory=list)
    carry: Carry | None = None
    trials: dict[str, Trial] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """A stretch, from the offset ``first`` to ``next``. ``before``: the greatest time that was known to come before it;
    ``earliest``: the first pane of its events; ``known``: models of the plan.

    ``rejects`` has the first in words for each reason; the others are as in State and PartitionState.
    """

    first: int
    next: int
    before: float
    earliest: int
    latest: float
    known: int
    received: int
    accepted: int
    late: dict[str, int]
    worst_lateness: dict[str, float]
    rejected: dict[str, int]
    dropped: dict[str, int]
    rejects: list[tuple[str, str]]
    refused: list[RefusedValue]
    unwatched: list[tuple[str, str]]
    parts: list[Part]


_CODEC: Final = TypedCodec(Counted)


def encode(stretch: Counted) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(_CODEC.encode(stretch))


def decode(data: bytes) -> Counted:
    return _CODEC.decode(zstandard.ZstdDecompressor().decompress(data))


def panes(stretch: Iterable[RecordBatch], plan: Plan, before: float = -inf) -> Counted:
    """Counts a stretch: rows that follow each other, in one batch or many. ``before``: the greatest event time before
    it, where that is known.
    """
    mine, tally = PartitionState(0, before), _Tally(dict(plan.schemas))
    for records in stretch:
        tally.take(records, mine, plan)
    return Counted(
        tally.offset,
        mine.next_offset,
        before,
        tally.earliest,
        mine.latest,
        len(plan.schemas),
        tally.received,
        tally.accepted,
        dict(mine.late),
        mine.worst_lateness,
        dict(tally.rejected),
        dict(tally.dropped),
        [*tally.rejects.items()],
        [*tally.refused.values()],
        [*tally.unwatched],
        [_part(plan, key, stream, tally.first.get(key.model, inf)) for key, stream in sorted(mine.streams.items())],
    )


@dataclass(slots=True)
class _Tally:
    """What is counted of a stretch beside its panes. ``schemas`` grow by the models that it shows."""

    schemas: dict[str, Schema]
    offset: int = -1
    received: int = 0
    accepted: int = 0
    earliest: int = NOWHERE
    first: dict[str, float] = field(default_factory=dict)
    rejected: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    rejects: dict[str, str] = field(default_factory=dict)
    refused: dict[tuple[str, str], RefusedValue] = field(default_factory=dict)
    unwatched: dict[tuple[str, str], None] = field(default_factory=dict)

    def take(self, records: RecordBatch, mine: PartitionState, plan: Plan) -> None:
        if self.offset < 0:
            self.offset = int(records.offsets[0])
        mine.next_offset = records.next_offset
        decoded = plan.codec.decode(records, self.schemas)
        events = [prepared(batch, plan.about(Slice(batch.model)).experiments) for batch in decoded.batches]
        batches = events if plan.shows_ids else [batch.without_ids() for batch in events]
        self.received += decoded.received
        self.dropped.update({reason.value: n for reason, n in decoded.dropped.items()})
        for reject in decoded.rejects:
            self.rejected[reject.reason.value] += 1
            self.rejects.setdefault(reject.reason.value, rejection(records, reject))
        for value in decoded.refused:
            of = value.model, value.feature
            if of not in self.refused or value.time < self.refused[of].time:
                self.refused[of] = value
        self.unwatched.update(dict.fromkeys(decoded.unwatched))
        for batch in batches:
            self.schemas.setdefault(batch.model, Schema(batch.model, max_features=plan.max_features))
            if len(batch):
                begin = float(batch.times.min())
                self.first[batch.model] = min(begin, self.first.get(batch.model, inf))
                self.earliest = min(self.earliest, int(panes_of(np.array([begin]), plan.windows.pane_seconds)[0]))
        self.accepted += partition.take(mine, batches, plan.windows, lambda _: None, plan.about)


def _part(plan: Plan, key: Slice, stream: Stream, first: float) -> Part:
    part = _rows_part(plan, key, stream, first)
    return replace(part, trials=dict(stream.trials)) if stream.trials else part


def _rows_part(plan: Plan, key: Slice, stream: Stream, first: float) -> Part:
    if not stream.rows:
        return Part(key.model, first, stream.counters)
    rows, about = concatenate(stream.rows), plan.about(key)
    if plan.wanted is not None:
        rows = plan.wanted.of(rows)
    numbers = panes_of(rows.times, plan.windows.pane_seconds)
    if about.reference is None or len(rows) < max(2 * HOT_EVENTS, LEAST_A_PANE * len(np.unique(numbers))):
        return Part(key.model, first, stream.counters, RowsSnapshot.of(rows) if len(rows) else None)
    blocks, readings, fresh = [], list[Readings](), Stream()
    for batch, mine in _cut(rows, numbers):
        block, read = counted(about, about.reference, fresh, batch, mine)
        blocks.append(block)
        readings.append(read)
    head, *rest = readings
    values = [(row, np.concatenate([r.values[row] for r in rest])) for row in head.values]
    return Part(
        key.model,
        first,
        stream.counters,
        RowsSnapshot.of(rows.take(np.arange(HOT_EVENTS))),
        merge(blocks[1:]).dense,
        np.concatenate([r.times for r in rest]) if values else None,
        values,
        fresh.carry,
    )


def _cut(rows: EventBatch, numbers: NDArray[Any]) -> Iterator[tuple[EventBatch, NDArray[Any]]]:
    """The first HOT_EVENTS rows, and then as many at a time as are put into panes at once."""
    begin = 0
    for end in (HOT_EVENTS, *range(SLICE_ROWS, len(rows), SLICE_ROWS), len(rows)):
        at = np.arange(begin, end)
        yield rows.take(at), numbers[begin:end]
        begin = end


def over_limit(stretch: Counted, known: Iterable[str], most: int) -> bool:
    """Whether the limit of models may have met others than those that it meets with what is ``known`` by now."""
    names = {*known}
    if stretch.known == len(names):
        return False
    return DropReason.MODEL_LIMIT.value in stretch.dropped or len(names | {p.model for p in stretch.parts}) > most
