"""What a checkpoint and a stored reference hold, and how the state comes out of them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import inf, nan
from typing import Any, Final, TypeVar

import msgspec
from numpy.typing import NDArray

from driftd.core import arrays
from driftd.core.act import Act
from driftd.core.errors import CheckpointCorrupt
from driftd.core.event import EventBatch, TopicPartition
from driftd.core.finding import Finding
from driftd.core.hashing import NOT_HASHED, Hashing
from driftd.core.incident import Incident
from driftd.core.pane import ClosedPanes, Counters, RawRows
from driftd.core.pane_block import PaneBlock, PaneData, merge
from driftd.core.quality.sums import SparseSums
from driftd.core.reference import Reference
from driftd.core.refusals import Refusal, Refusals
from driftd.core.segmenting import Census
from driftd.core.slice import Slice
from driftd.core.trials import Trial
from driftd.core.window import Hops
from driftd.detectors import SequentialDetector
from driftd.engine.codec import TypedCodec
from driftd.engine.state import State
from driftd.ingest.fault_counts import Carry
from driftd.ingest.halves import CallCounts, Half, Halves
from driftd.ingest.outcomes.counts import LabelCounts
from driftd.ingest.outcomes.join import Outcomes
from driftd.ingest.outcomes.pending import Pending
from driftd.ingest.state import START, Pace, PartitionState, Stream
from driftd.judge.experiments.state import Experiment
from driftd.judge.learned import JudgeState
from driftd.judge.natural.history import History
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.step import NaturalState
from driftd.judge.runtime import ModelJudge, learned_of
from driftd.judge.step import MicroBatch
from driftd.learn.sample import Sample
from driftd.monitor.exemplars import Recent
from driftd.monitor.quality import Past, Quality
from driftd.monitor.state import Came, Growth, ModelState, Period, Regrowth, Renewal, Standing
from driftd.monitor.timeline import Level, Points, Timeline

FindDetector = Callable[[Reference, str, str], SequentialDetector | None]
"""(reference, detector's kind, channel) -> the detector that watches the channel now, if any."""


@dataclass(frozen=True, slots=True)
class RowsSnapshot:
    """An EventBatch. A column is an array or a list, which one type cannot say to msgspec: hence Any."""

    model: str
    offsets: NDArray[Any]
    times: NDArray[Any]
    columns: list[tuple[str, Any]]
    fields: list[tuple[str, Any]]
    version: Any
    refused: list[tuple[str, NDArray[Any]]] = field(default_factory=list)
    partitions: NDArray[Any] | None = None

    @classmethod
    def of(cls, rows: EventBatch) -> RowsSnapshot:
        columns, others, refused = [*rows.columns.items()], [*rows.fields.items()], [*rows.refused.items()]
        return cls(rows.model, rows.offsets, rows.times, columns, others, rows.version, refused, rows.partitions)

    def restore(self) -> EventBatch:
        columns, others = dict(self.columns), dict(self.fields)
        return EventBatch(
            self.model,
            self.offsets,
            self.times,
            columns,
            others,
            self.version,
            refused=dict(self.refused),
            partitions=self.partitions,
        )


@dataclass(frozen=True, slots=True)
class ArrivedSnapshot:
    """RawRows."""

    through: int
    source: TopicPartition
    offset: int
    rows: RowsSnapshot
    panes: NDArray[Any]

    @classmethod
    def of(cls, m: RawRows) -> ArrivedSnapshot:
        return cls(m.through, m.source, m.offset, RowsSnapshot.of(m.rows), m.panes)

    def restore(self, key: Slice) -> RawRows:
        rows = self.rows.restore()
        return RawRows(key, self.through, self.source, self.offset, rows, self.panes)


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
class JudgeSnapshot:
    """A ModelJudge: its state as a table of arrays; what it learned is beside the reference."""

    state: dict[str, NDArray[Any]]
    waiting: MicroBatch | None
    slot: MicroBatch | None

    @classmethod
    def of(cls, judge: ModelJudge) -> JudgeSnapshot:
        return cls(arrays.dump(judge.state), judge.waiting, judge.slot)

    def restore(self, reference: Reference | None) -> ModelJudge | None:
        learned = None if reference is None else learned_of(reference)
        return (
            None
            if learned is None
            else ModelJudge(learned, arrays.load(JudgeState, self.state), self.waiting, self.slot)
        )


@dataclass(frozen=True, slots=True)
class GrowthSnapshot:
    """A Growth; ``rows``, ``units``, ``offered`` and ``names`` are its sample's, None without one. On disk some of
    ``rows`` are names of driftd.engine.parts.
    """

    begun: float
    stage: int
    wait: float
    rows: list[RowsSnapshot | str] | None
    units: list[NDArray[Any]]
    offered: NDArray[Any] | None
    names: list[str]
    history: History | None
    faults: NDArray[Any]
    held: list[str]
    renewals: tuple[Renewal, ...]

    @classmethod
    def of(cls, g: Growth) -> GrowthSnapshot:
        s, rest = g.sample, (g.history, g.faults, [*g.held], g.renewals)
        if s is None:
            return cls(g.begun, g.stage, g.wait, None, [], None, [], *rest)
        rows: list[RowsSnapshot | str] = [RowsSnapshot.of(r) for r in s.rows]
        return cls(g.begun, g.stage, g.wait, rows, [*s.units], s.offered, [*s.names], *rest)

    def restore(self) -> Growth:
        sample = None
        if self.rows is not None and self.offered is not None:
            rows = tuple(r.restore() for r in self.rows if not isinstance(r, str))
            sample = Sample(rows, tuple(self.units), self.offered, tuple(self.names))
        rest = self.history, self.faults, tuple(self.held), self.renewals
        return Growth(self.begun, self.stage, self.wait, sample, *rest)


@dataclass(frozen=True, slots=True)
class RegrowthSnapshot:
    """A Regrowth."""

    channels: tuple[str, ...]
    end: float
    growth: GrowthSnapshot
    cells: Runs | None

    @classmethod
    def of(cls, r: Regrowth) -> RegrowthSnapshot:
        return cls(r.channels, r.end, GrowthSnapshot.of(r.growth), r.cells)

    def restore(self) -> Regrowth:
        return Regrowth(self.channels, self.end, self.growth.restore(), self.cells)


@dataclass(frozen=True, slots=True)
class TimelineSnapshot:
    """A Timeline; by step the open sums, the points since the sealed ones, and these. On disk some of ``sealed`` are
    names of driftd.engine.parts.
    """

    channels: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    open: list[PaneBlock | None]
    tails: list[Points]
    sealed: list[Points | str]

    @classmethod
    def of(cls, t: Timeline) -> TimelineSnapshot:
        sealed: list[Points | str] = [level.sealed for level in t.levels]
        return cls(t.channels, t.labels, [v.open for v in t.levels], [v.tail for v in t.levels], sealed)

    def restore(self) -> Timeline:
        parts = zip(self.open, self.sealed, self.tails, strict=True)
        levels = tuple(Level(still, sealed, tail) for still, sealed, tail in parts if not isinstance(sealed, str))
        return Timeline(self.channels, self.labels, levels)


@dataclass(frozen=True, slots=True)
class QualitySnapshot:
    """A Quality. On disk ``past`` is a name of driftd.engine.parts where it is large."""

    scheme: str
    since: float
    last: float
    hour: SparseSums
    day: SparseSums
    total: Mapping[str, SparseSums]
    past: Past | str
    seen: Mapping[str, float]

    @classmethod
    def of(cls, q: Quality) -> QualitySnapshot:
        return cls(q.scheme, q.since, q.last, q.hour, q.day, q.total, q.past, q.seen)

    def restore(self) -> Quality:
        assert not isinstance(self.past, str)
        return Quality(self.scheme, self.since, self.last, self.hour, self.day, self.total, self.past, self.seen)


@dataclass(frozen=True, slots=True)
class ModelSnapshot:
    """A ModelState without its judgement, which is evaluated anew. On disk the reference is a name of
    driftd.engine.parts.
    """

    slice: Slice
    reference: Reference | str | None
    pending: list[ClosedPanes]
    arrived: list[ArrivedSnapshot]
    through: list[tuple[TopicPartition, int]]
    rows: list[RowsSnapshot]
    learned: int
    taken: int | None
    hops: Hops
    judge: JudgeSnapshot | None
    natural: NaturalState | None
    standing: Standing
    period: Period | None
    versions: dict[str, float]
    started: dict[str, float]
    pages: int
    paged: tuple[float, ...]
    growth: GrowthSnapshot | None
    recent: list[ArrivedSnapshot]
    timeline: TimelineSnapshot
    told: tuple[Finding, ...]
    acts: tuple[Act, ...]
    muted: tuple[Finding, ...]
    incidents: tuple[Incident, ...]
    names: dict[str, dict[str, Came]]
    exemplars: Recent = field(default_factory=Recent)
    heard: float = nan
    retired: bool = False
    configured: bool = False
    regrowths: list[RegrowthSnapshot] = field(default_factory=list)
    quality: QualitySnapshot | None = None
    experiments: dict[str, Experiment] = field(default_factory=dict)
    trials: list[tuple[TopicPartition, dict[str, Trial]]] = field(default_factory=list)
    tried: int | None = None
    covered: tuple[Finding, ...] = ()

    @property
    def growths(self) -> list[GrowthSnapshot]:
        """Of the model, and of channels of it."""
        return [*([] if self.growth is None else [self.growth]), *(r.growth for r in self.regrowths)]

    @classmethod
    def of(cls, m: ModelState) -> ModelSnapshot:
        return cls(
            m.slice,
            m.reference,
            [message.dense for _, messages in sorted(m.pending.items()) for message in messages],
            [ArrivedSnapshot.of(rows) for _, messages in sorted(m.arrived.items()) for rows in messages],
            sorted(m.through.items()),
            [RowsSnapshot.of(rows) for rows in m.rows],
            m.learned,
            m.taken,
            m.hops,
            None if m.judge is None else JudgeSnapshot.of(m.judge),
            m.natural,
            m.standing,
            m.period,
            m.versions,
            m.started,
            m.pages,
            m.paged,
            None if m.growth is None else GrowthSnapshot.of(m.growth),
            [ArrivedSnapshot.of(rows) for rows in m.recent],
            TimelineSnapshot.of(m.timeline),
            m.told,
            m.acts,
            m.muted,
            m.incidents,
            m.names,
            m.exemplars,
            m.heard,
            m.retired,
            m.configured,
            [RegrowthSnapshot.of(r) for r in m.regrowths],
            None if m.quality is None else QualitySnapshot.of(m.quality),
            m.experiments,
            [(source, dict(trials)) for source, trials in sorted(m.trials.items())],
            m.tried,
            m.covered,
        )

    def restore(self) -> ModelState:
        assert not isinstance(self.reference, str)
        model = ModelState(
            self.slice,
            self.reference,
            through=dict(self.through),
            rows=[r.restore() for r in self.rows],
            learned=self.learned,
            taken=self.taken,
            hops=self.hops,
            judge=None if self.judge is None else self.judge.restore(self.reference),
            natural=self.natural,
            standing=self.standing,
            period=self.period,
            growth=None if self.growth is None else self.growth.restore(),
            versions=self.versions,
            started=self.started,
            pages=self.pages,
            paged=self.paged,
            heard=self.heard,
            retired=self.retired,
            configured=self.configured,
            timeline=self.timeline.restore(),
            told=self.told,
            acts=self.acts,
            muted=self.muted,
            incidents=self.incidents,
            exemplars=self.exemplars,
            names=self.names,
            regrowths=tuple(r.restore() for r in self.regrowths),
            quality=None if self.quality is None else self.quality.restore(),
            experiments=self.experiments,
            trials=dict(self.trials),
            tried=self.tried,
            covered=self.covered,
        )
        for message in self.pending:
            model.pending.setdefault(message.source, []).append(message)
        model.recent = [recent.restore(self.slice) for recent in self.recent]
        for arrived in self.arrived:
            model.arrived.setdefault(arrived.source, []).append(arrived.restore(self.slice))
        return model


@dataclass(frozen=True, slots=True)
class ExchangeSnapshot:
    """What members that share models know of each other (driftd.engine.exchange): ``epoch`` of who wrote it; of a
    reader ``counting``, (phase, plan) by slice; of both ``forgotten``; of an owner the rest, as in its Owned.
    """

    counting: list[tuple[Slice, str, str]] = field(default_factory=list)
    epoch: int = 0
    next_offset: int = 0
    epochs: list[tuple[TopicPartition, int]] = field(default_factory=list)
    idle: list[TopicPartition] = field(default_factory=list)
    sent: list[tuple[TopicPartition, Slice, int]] = field(default_factory=list)
    asked: list[tuple[TopicPartition, Slice]] = field(default_factory=list)
    resumed: list[tuple[TopicPartition, Slice]] = field(default_factory=list)
    handed: list[tuple[TopicPartition, Slice, str]] = field(default_factory=list)
    limits: list[tuple[TopicPartition, Slice, int]] = field(default_factory=list)
    told: list[tuple[Slice, str]] = field(default_factory=list)
    late: int = 0
    foreign: int = 0
    forgotten: list[tuple[str, int]] = field(default_factory=list)


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


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``saved`` is wall time, epoch seconds; ``pane_seconds`` the length of every pane in it. ``exchange``: None where
    one process reads and judges. ``hashing``: what the decoder had made of the values.
    """

    saved: float
    pane_seconds: float
    partitions: list[PartitionSnapshot]
    models: list[ModelSnapshot]
    frontier: int | None
    received: int
    accepted: int
    findings: int
    rejected: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    awaited: list[str] = field(default_factory=list)
    exchange: ExchangeSnapshot | None = None
    hashing: Hashing = NOT_HASHED
    refused_events: list[Refusal] = field(default_factory=list)
    refused_values: list[Refusal] = field(default_factory=list)
    outcomes: OutcomesSnapshot = field(default_factory=OutcomesSnapshot)
    halves: HalvesSnapshot = field(default_factory=HalvesSnapshot)
    segments: dict[str, CensusSnapshot] = field(default_factory=dict)

    @classmethod
    def of(
        cls, state: State, find: FindDetector, pane_seconds: float, saved: float, hashing: Hashing = NOT_HASHED
    ) -> Checkpoint:
        def streams(partition: PartitionState) -> list[StreamSnapshot]:
            return [
                StreamSnapshot.of(key, stream, _reference(state.models, key), find)
                for key, stream in sorted(partition.streams.items())
            ]

        return cls(
            saved,
            pane_seconds,
            [
                PartitionSnapshot(
                    source,
                    p.next_offset,
                    p.latest,
                    p.released,
                    streams(p),
                    dict(p.late),
                    p.worst_lateness,
                    p.topic_id,
                    p.pace,
                    p.labelled,
                    p.reached,
                )
                for source, p in sorted(state.partitions.items())
            ],
            [ModelSnapshot.of(model) for _, model in sorted(state.models.items())],
            state.frontier,
            state.received,
            state.accepted,
            state.findings,
            dict(state.rejected),
            dict(state.dropped),
            sorted(state.awaited),
            hashing=hashing,
            refused_events=[*state.refusals.events.values()],
            refused_values=[*state.refusals.values.values()],
            outcomes=OutcomesSnapshot.of(state.outcomes),
            halves=HalvesSnapshot.of(state.halves),
            segments={model: CensusSnapshot.of(census) for model, census in sorted(state.segments.items())},
        )

    def restore(self, find: FindDetector, models: dict[Slice, ModelState] | None = None) -> State:
        """The state; with ``models`` that somebody else holds."""
        models = {m.slice: m.restore() for m in self.models} if models is None else models
        state = State(models=models, frontier=self.frontier)
        state.received, state.accepted, state.findings = self.received, self.accepted, self.findings
        state.rejected, state.dropped = Counter(self.rejected), Counter(self.dropped)
        state.awaited = frozenset(self.awaited)
        state.refusals = Refusals.of(self.refused_events, self.refused_values)
        state.outcomes = self.outcomes.restore()
        state.halves = self.halves.restore()
        state.segments = {model: census.restore() for model, census in self.segments.items()}
        for p in self.partitions:
            streams = {s.slice: s.restore(_reference(models, s.slice), find) for s in p.streams}
            state.partitions[p.source] = PartitionState(
                p.next_offset,
                p.latest,
                p.released,
                streams,
                Counter(p.late),
                p.worst_lateness,
                p.topic_id,
                p.pace,
                p.labelled,
                p.reached,
            )
        return state


def _reference(models: Mapping[Slice, ModelState], key: Slice) -> Reference | None:
    return models[key].reference if key in models else None


_T = TypeVar("_T")
_CHECKPOINT: Final = TypedCodec(Checkpoint)
_REFERENCE: Final = TypedCodec(Reference)
_ROWS: Final = TypedCodec(RowsSnapshot)
_POINTS: Final = TypedCodec(Points)
_PAST: Final = TypedCodec(Past)
_WRONG: Final = (msgspec.MsgspecError, KeyError, TypeError, ValueError, IndexError)


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    return _CHECKPOINT.encode(checkpoint)


def decode_checkpoint(data: bytes) -> Checkpoint:
    """Raises CheckpointCorrupt when the data is not what ``encode_checkpoint`` made."""
    return _decoded(_CHECKPOINT, data, "the checkpoint's content is not what driftd writes")


def encode_reference(reference: Reference) -> bytes:
    return _REFERENCE.encode(reference)


def decode_reference(data: bytes) -> Reference:
    """Raises CheckpointCorrupt when the data is not what ``encode_reference`` made."""
    return _decoded(_REFERENCE, data, "not a reference")


def encode_rows(rows: RowsSnapshot) -> bytes:
    return _ROWS.encode(rows)


def decode_rows(data: bytes) -> RowsSnapshot:
    """Raises CheckpointCorrupt when the data is not what ``encode_rows`` made."""
    return _decoded(_ROWS, data, "not rows of events")


def encode_points(points: Points) -> bytes:
    return _POINTS.encode(points)


def decode_points(data: bytes) -> Points:
    """Raises CheckpointCorrupt when the data is not what ``encode_points`` made."""
    return _decoded(_POINTS, data, "not values over time")


def encode_past(past: Past) -> bytes:
    return _PAST.encode(past)


def decode_past(data: bytes) -> Past:
    """Raises CheckpointCorrupt when the data is not what ``encode_past`` made."""
    return _decoded(_PAST, data, "not how right a model was")


def _decoded(codec: TypedCodec[_T], data: bytes, otherwise: str) -> _T:
    try:
        return codec.decode(data)
    except _WRONG as e:
        raise CheckpointCorrupt(f"{otherwise}: {type(e).__name__}: {e}") from e
