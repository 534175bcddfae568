"""The monitor side, as a checkpoint holds it: models and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from typing import Any

from numpy.typing import NDArray

from driftd.core import arrays
from driftd.core.act import Act
from driftd.core.event import TopicPartition
from driftd.core.finding import Finding
from driftd.core.incident import Incident
from driftd.core.pane import ClosedPanes
from driftd.core.pane_block import PaneBlock
from driftd.core.quality.sums import SparseSums
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.core.trials import Trial
from driftd.core.window import Hops
from driftd.engine.snapshot.growth import GrowthSnapshot, RegrowthSnapshot
from driftd.engine.snapshot.rows import ArrivedSnapshot, RowsSnapshot
from driftd.judge.experiments.state import Experiment
from driftd.judge.learned import JudgeState
from driftd.judge.natural.step import NaturalState
from driftd.judge.runtime import ModelJudge, learned_of
from driftd.judge.step import MicroBatch
from driftd.monitor.exemplars import Recent
from driftd.monitor.quality import Past, Quality
from driftd.monitor.state import Came, ModelState, Period, Standing
from driftd.monitor.timeline import Level, Points, Timeline


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
