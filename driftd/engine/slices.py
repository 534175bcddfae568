"""What both sides have of a slice: its reference, on whose bins panes are counted; how another takes its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from driftd.core.event import EventBatch, TopicPartition
from driftd.core.experiment import Rule
from driftd.core.finding import JUDGE
from driftd.core.quality.calibrated import Calibrated
from driftd.core.quality.expected import Expected
from driftd.core.quality.scoring import Scoring
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.detectors import SequentialDetector
from driftd.engine.schemas import Schemas
from driftd.engine.state import FirstRefused, State
from driftd.ingest import experiments, panes, partition
from driftd.ingest.panes import FaultCounting, SliceIngest
from driftd.monitor import experiments as trying
from driftd.monitor.intake import take_in
from driftd.monitor.model import Monitor


@dataclass(slots=True)
class Slices:
    """Changes a slice's reference on both sides: rows that wait, open panes and sequential detectors go along.

    ``shed``: the level of driftd.engine.degradation.
    """

    monitor: Monitor
    schemas: Schemas
    shed: int = 0
    _ingest: dict[Slice, SliceIngest] = field(default_factory=dict)

    def about(self, state: State, key: Slice) -> SliceIngest:
        """What the partition side must know of the slice."""
        reference, settings = state.models[key].reference, self.monitor.settings(key)
        exclude, prices, rules = settings.learning.exclude, settings.prices, self.rules(key)
        if reference is None:
            return SliceIngest(exclude=exclude, prices=prices, experiments=rules)
        known, hold = self._ingest.get(key), state.models[key].holds_rows or settings.restart
        shed = self.shed > 0
        if known is None or known.reference is not reference or (known.hold, known.shed) != (hold, shed):
            detectors = self.monitor.detectors(reference)
            pairs = None if detectors.judged is None or not detectors.pairs_hold else detectors.judged.pairs
            natural = detectors.natural
            faults = None if natural is None else FaultCounting(natural.limits, natural.scores, natural.scores.rows)
            known = self._ingest[key] = SliceIngest(
                reference,
                pairs,
                detectors.sequential_of_errors(reference) if shed else detectors.sequential,
                exclude,
                faults,
                hold,
                shed,
                Scoring.of(reference.learned),
                prices,
                rules,
                Expected.of(reference.learned),
                Calibrated.of(reference.learned),
            )
        return known

    def rules(self, key: Slice) -> tuple[Rule, ...]:
        return self.monitor.experiments_of(key)

    def exchange(self, state: State, reached: int, key: Slice) -> bool:
        """The slice's closed panes from the ingest side to the model side: in one process a call. Were there any, or
        did some come from other members?
        """
        seconds, touched = self.monitor.windows.pane_seconds, bool(state.models[key].pending)
        for source, mine in sorted(state.partitions.items()):
            if key.within and (stream := mine.streams.get(key)) is not None:
                panes.absorb(self.about(state, key), stream, seconds)
            for message in panes.take_closed(mine, source, reached, seconds, key):
                take_in(state.models[key], message)
                touched = True
            if trials := experiments.take_closed(mine.streams.get(key), reached):
                trying.take_in(state.models[key], source, trials)
        return touched

    def adopt(
        self,
        state: State,
        key: Slice,
        reference: Reference,
        left: Mapping[TopicPartition, EventBatch] | None = None,
    ) -> list[FirstRefused]:
        """Makes ``reference`` the slice's; rows that waited for one, and those it ``left``, start its windows.

        Those rows were decoded before the kinds were known: what is refused of them now.
        """
        self.monitor.adopt(state.models, key, reference, anew=left is not None)
        self.monitor.begin(state.models[key])
        about = self.about(state, key)
        refused: list[FirstRefused] = []
        for source, mine in state.partitions.items():
            rows = [left[source]] if left is not None and source in left else []
            stream = mine.streams.get(key)
            if stream is not None:
                rows, stream.held = [*rows, *stream.held], []
                rows, fresh = partition.refuse_text(stream, rows, reference.numeric_features)
                refused += [(source, value) for value in fresh]
            panes.adopt(about, mine, key, rows, self.monitor.windows.pane_seconds, anew=left is not None)
        self.schemas.forget(key.model)
        return refused

    def graft(self, state: State, key: Slice, reference: Reference, rows: Sequence[int]) -> None:
        """Goes on with a reference that differs in the channels ``rows`` alone; of panes that wait these are counted
        anew.
        """
        model, seconds = state.models[key], self.monitor.windows.pane_seconds
        self.monitor.graft(model, reference, rows)
        about, names = self.about(state, key), {reference.channels[row].name for row in rows}
        for source, messages in model.pending.items():
            held = [arrived.rows for arrived in model.arrived.get(source, ())]
            model.pending[source] = [
                replace(m, panes=panes.recounted(about, m.panes, rows, held, seconds)) for m in messages
            ]
        for mine in state.partitions.values():
            stream = mine.streams.get(key)
            if stream is not None:
                for detector in [known for known in stream.sequential if known[1] in names]:
                    del stream.sequential[detector]
                if stream.panes is not None:
                    stream.panes = panes.recounted(about, stream.panes, rows, stream.held, seconds)

    def hold_rows(self, state: State, key: Slice) -> None:
        """Events in open panes of a model that learns anew wait for its reference."""
        for mine in state.partitions.values():
            stream = mine.streams.get(key)
            if stream is not None:
                stream.panes = None
                stream.rows, stream.held = [*stream.held, *stream.rows], []
                stream.sequential.clear()
                stream.carry = None
        self.schemas.forget(key.model)

    def counted(self, state: State, key: Slice) -> float:
        """Until when there are panes of the model that were counted already, epoch seconds: of later ones all events
        are kept where somebody wants to learn from them.
        """
        open_ = [mine.streams[key].panes for mine in state.partitions.values() if key in mine.streams]
        last = [int(block.numbers[-1]) for block in open_ if block is not None]
        model, seconds = state.models[key], self.monitor.windows.pane_seconds
        last += [int(m.panes.numbers[-1]) for messages in model.pending.values() for m in messages]
        return (max([model.taken or 0, *last]) + 1) * seconds

    def hand_over(self, state: State, successor: Slices) -> None:
        """Prepares the state for a pipeline of other settings: sequential detectors that differ start afresh."""
        for mine in state.partitions.values():
            for key, stream in mine.streams.items():
                reference = state.models[key].reference
                for kind, channel in list(stream.sequential):
                    if reference is None or self.sequential_of(reference, kind, channel) != successor.sequential_of(
                        reference, kind, channel
                    ):
                        del stream.sequential[kind, channel]
        for model in state.models.values():
            if model.reference is None:
                model.standing = replace(model.standing, verdicts={})
            else:
                detectors = (*successor.monitor.detectors(model.reference).detectors, JUDGE)
                verdicts = {kind: v for kind, v in model.standing.verdicts.items() if kind in detectors}
                model.standing = replace(model.standing, verdicts=verdicts)

    def sequential_of(self, reference: Reference, kind: str, channel: str) -> SequentialDetector | None:
        """The detector that owns a sequential state, for snapshots; None when the configuration has dropped it."""
        row = reference.rows.get(channel)
        return None if row is None else self.monitor.detectors(reference).sequential_of(kind, row)
