"""The ingest side, as a checkpoint holds it: partitions with their streams, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf

from driftd.core.event import TopicPartition
from driftd.core.pane import Counters
from driftd.core.pane_block import PaneBlock, PaneData, merge
from driftd.core.reference import Reference
from driftd.core.segmenting import Census
from driftd.core.slice import Slice
from driftd.core.trials import Trial
from driftd.detectors import SequentialDetector
from driftd.engine.snapshot.rows import RowsSnapshot
from driftd.ingest.fault_counts import Carry
from driftd.ingest.halves import CallCounts, Half, Halves
from driftd.ingest.outcomes.counts import LabelCounts
from driftd.ingest.outcomes.join import Outcomes
from driftd.ingest.outcomes.pending import Pending
from driftd.ingest.state import START, Pace, Stream

FindDetector = Callable[[Reference, str, str], SequentialDetector | None]
"""(reference, detector's kind, channel) -> the detector that watches the channel now, if any."""


@dataclass(frozen=True, slots=True)
class SequentialSnapshot:
    """A sequential detector's state, as the detector packs it, and the settings under which it was gathered."""

    detector: str
    channel: str
    settings: str
    state: bytes


@dataclass(frozen=True, slots=True)
class StreamSnapshot:
    slice: Slice
    rows: list[RowsSnapshot]
    panes: list[tuple[int, PaneData]]
    sequential: list[SequentialSnapshot]
    counters: Counters
    carry: Carry | None
    held: list[RowsSnapshot] = field(default_factory=list)
    pace: Pace = START
    trials: dict[str, Trial] = field(default_factory=dict)

    @classmethod
    def of(cls, key: Slice, stream: Stream, reference: Reference | None, find: FindDetector) -> StreamSnapshot:
        sequential = []
        for (kind, channel), value in sorted(stream.sequential.items()):
            owner = None if reference is None else find(reference, kind, channel)
            if owner is not None:
                sequential.append(SequentialSnapshot(kind, channel, repr(owner), owner.dump(value)))
        return cls(
            key,
            [RowsSnapshot.of(r) for r in stream.rows],
            [] if stream.panes is None else [*stream.panes.each()],
            sequential,
            stream.counters,
            stream.carry,
            [RowsSnapshot.of(r) for r in stream.held],
            stream.pace,
            dict(stream.trials),
        )

    def restore(self, reference: Reference | None, find: FindDetector) -> Stream:
        rows, held = ([r.restore() for r in part] for part in (self.rows, self.held))
        panes = merge([PaneBlock.of(number, pane) for number, pane in self.panes]) if self.panes else None
        stream = Stream(rows, panes, {}, self.counters, self.carry, held, self.pace, self.trials)
        for s in self.sequential:
            owner = None if reference is None else find(reference, s.detector, s.channel)
            if owner is not None and repr(owner) == s.settings:  # other settings start afresh
                stream.sequential[s.detector, s.channel] = owner.load(s.state)
        return stream


@dataclass(frozen=True, slots=True)
class PartitionSnapshot:
    source: TopicPartition
    next_offset: int
    latest: float
    released: bool
    streams: list[StreamSnapshot]
    late: dict[str, int]
    worst_lateness: dict[str, float]
    topic_id: str
    pace: Pace = START
    labelled: float = -inf
    reached: float = -inf


@dataclass(frozen=True, slots=True)
class OutcomesSnapshot:
    """Outcomes, but for what waits: that lies in driftd.engine.label_store, and ``generation`` says as of when."""

    generation: int = 0
    halvings: int = 0
    swept: int | None = None
    frontier: int | None = None
    counts: dict[str, LabelCounts] = field(default_factory=dict)

    @classmethod
    def of(cls, o: Outcomes) -> OutcomesSnapshot:
        return cls(o.pending.generation, o.halvings, o.swept, o.frontier, dict(sorted(o.counts.items())))

    def restore(self) -> Outcomes:
        pending = Pending(generation=self.generation)
        return Outcomes(pending, dict(self.counts), self.halvings, self.swept, self.frontier)


@dataclass(frozen=True, slots=True)
class HalvesSnapshot:
    """Halves; both lists in the order of the dicts that they were, since the oldest go first."""

    waiting: list[tuple[bytes, Half]] = field(default_factory=list)
    done: list[bytes] = field(default_factory=list)
    counts: dict[str, CallCounts] = field(default_factory=dict)
    swept: float = -inf

    @classmethod
    def of(cls, h: Halves) -> HalvesSnapshot:
        return cls([*h.waiting.items()], [*h.done], h.counts, h.swept)

    def restore(self) -> Halves:
        size = sum(half.size for _, half in self.waiting)
        return Halves(dict(self.waiting), dict.fromkeys(self.done), self.counts, size, self.swept)

    def without(self, model: str) -> HalvesSnapshot:
        waiting = [(key, half) for key, half in self.waiting if half.model != model]
        return replace(self, waiting=waiting, counts={k: v for k, v in self.counts.items() if k != model})


@dataclass(frozen=True, slots=True)
class CensusSnapshot:
    """A Census; what is by number is a list, since keys are text."""

    admitted: dict[str, int]
    last: dict[str, int]
    open: list[tuple[int, dict[str, int]]]
    days: list[tuple[int, dict[str, int]]]
    other: int
    missing: int

    @classmethod
    def of(cls, c: Census) -> CensusSnapshot:
        return cls(c.admitted, c.last, sorted(c.open.items()), sorted(c.days.items()), c.other, c.missing)

    def restore(self) -> Census:
        return Census(dict(self.admitted), dict(self.last), dict(self.open), dict(self.days), self.other, self.missing)
