"""History through the same pipeline, at full speed: what would have been found, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Final, Self

import numpy as np

from driftd.core.channel import Channel
from driftd.core.event import EventBatch, RecordBatch, RefusedValue, Reject, TopicPartition, rejection
from driftd.core.reference import Reference
from driftd.core.segmenting import SLOT_SECONDS
from driftd.core.slice import Slice
from driftd.core.summary import MISSING
from driftd.core.text import plural, printable
from driftd.engine.gaps import counted
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import Outcome, State, together
from driftd.ingest.state import PartitionState
from driftd.judge.experiments.verdict import Result
from driftd.learn.remarks import remarks, strange_times, unknown_channels, unwatched
from driftd.monitor.experiments import results
from driftd.replay import merging
from driftd.replay.calls import calls
from driftd.replay.counting import Counted
from driftd.replay.order import TimeOrder
from driftd.replay.report import Report, Tally
from driftd.replay.silences import Arrived, Silent
from driftd.replay.stretches import Stretches
from driftd.sources import Gap

ROWS_A_MODEL: Final = 32_000
"""Records for each model that are read before they are judged; what comes out does not depend on it. A model's step
costs milliseconds whatever it holds, so with four records each a thousand models would cost fifty times as much.
Measured: half as many cost a tenth more."""
VALUES_A_MODEL: Final = 1 << 15
"""Values of features for each model that wait at the most, for they take memory: 256 kB of numbers, less than the rest
of the model. Measured: with a quarter of them a thousand models cost 1.4 times as much an event."""
LEAST_VALUES: Final = 1 << 22
"""As many may wait however few models there are: 32 MB."""

ROWS_FINDING_SEGMENTS: Final = 256
"""Records that are read at once where values become segments: their events count from behind all that has been read.
Chosen: at an event each two seconds that is as soon as live. Measured: at one each four seconds it takes six times
as long."""


def enough(rows: int, values: int, models: int) -> bool:
    """Whether so many records with so many values of features are judged now."""
    return rows >= ROWS_A_MODEL * models or values >= max(LEAST_VALUES, VALUES_A_MODEL * models)


@dataclass(frozen=True, slots=True)
class Accounts:
    """The account of every event: read == accepted + sum(rejected) + late + sum(dropped). ``labels``: of those
    accepted, labels that came without their prediction, to be joined.
    """

    read: int
    accepted: int
    rejected: Mapping[str, int]
    late: int
    dropped: Mapping[str, int]
    labels: int = 0

    @classmethod
    def of(cls, state: State) -> Accounts:
        rejected, dropped = dict(sorted(state.rejected.items())), dict(sorted(state.dropped.items()))
        labels = sum(counts.labels for counts in state.outcomes.counts.values())
        return cls(state.received, state.accepted, rejected, state.late, dropped, labels)

    def __str__(self) -> str:
        return (
            f"read {self.read} = accepted {self.accepted} + rejected {_sum(self.rejected)} + late {self.late}"
            f" + dropped {_sum(self.dropped)}"
        )


@dataclass(slots=True)
class FirstRejected:
    """In words the first event that was rejected for each reason, as the daemon logs it."""

    _told: dict[str, str] = field(default_factory=dict)

    def note(self, records: RecordBatch, rejects: Iterable[Reject]) -> None:
        for reject in rejects:
            if reject.reason.value not in self._told:
                self._told[reject.reason.value] = rejection(records, reject)

    def note_all(self, rejects: Iterable[tuple[str, str]]) -> None:
        """Of a stretch that was decoded elsewhere: reasons, each with the words."""
        for reason, words in rejects:
            self._told.setdefault(reason, words)

    def remarks(self, accounts: Accounts) -> tuple[str, ...]:
        told = tuple(self._told.values())
        if accounts.accepted or not accounts.read:
            return told
        return *told, f"{_none_of(accounts.read)} be used; 'driftd check --sample' shows why."


@dataclass(frozen=True, slots=True)
class RefusedFeature:
    """How many values of a feature were refused in accepted events, when the first was (event time), and why.
    ``blind``: the last judged window has no value of it that could be used.
    """

    model: str
    feature: str
    values: int
    first: float
    why: str
    blind: bool = False


def _sum(parts: Mapping[str, int]) -> str:
    total = str(sum(parts.values()))
    return f"{total} ({', '.join(f'{name} {n}' for name, n in parts.items())})" if parts else total


@dataclass(slots=True)
class Replay:
    """One configuration running through a history. ``began`` to ``ended``: event time from which the first model was
    watched (its reference being there or learned) to the last event; NaN before there is one.

    ``partitions`` are those of a history that has more than one. Each holds the others back until it has reached their
    time, so the result does not depend on the order in which they are read.
    """

    pipeline: Pipeline
    state: State
    tally: Tally = field(default_factory=Tally)
    began: float = float("nan")
    _rejected: FirstRejected = field(default_factory=FirstRejected)
    _refused: dict[tuple[str, str], RefusedValue] = field(default_factory=dict)
    _order: dict[TopicPartition, TimeOrder] = field(default_factory=dict)
    _unwatched: dict[tuple[str, str], None] = field(default_factory=dict)
    _done: set[TopicPartition] = field(default_factory=set)
    _waiting: int = 0
    _slot: float = -np.inf
    _finds_segments: bool = False
    """Whether a model has segments that nobody named."""
    _values: int = 0
    _arrived: dict[str, Arrived] = field(default_factory=dict)
    _since: dict[str, float] = field(default_factory=dict)
    """By model, the end of its first reference; one that grows ends later and later."""

    @classmethod
    def of(
        cls, pipeline: Pipeline, references: Mapping[str, Reference], partitions: Iterable[TopicPartition] = ()
    ) -> Self:
        state = State()
        pipeline.begin(state, references)
        for topic_partition in partitions:
            state.partitions.setdefault(topic_partition, PartitionState(0))
        wanted = [settings.segmenting for settings in pipeline.monitor.configured.values()]
        finds = any(one is not None and one.found for one in wanted)
        return cls(pipeline, state, _since=dict.fromkeys(references, -np.inf), _finds_segments=finds)

    def take(self, records: RecordBatch | Gap) -> Outcome:
        """Takes the next records in. An empty batch says that its partition has ended."""
        if isinstance(records, Gap):
            if rejected := counted(self.state, records):
                self._rejected.note(*rejected)
            return Outcome()
        if len(records) == 0:
            self._done.add(records.topic_partition)
            return self._kept(self.pipeline.settle(self.state, frozenset(self._done)))
        if not self._finds_segments:
            return self._taken(records)
        size = ROWS_FINDING_SEGMENTS
        return together([self._taken(records.rest(at).first(size)) for at in range(0, len(records), size)])

    def _taken(self, records: RecordBatch) -> Outcome:
        for part in self.pipeline.sampled(self.state, records):
            self._take(part)
        self._waiting += len(records)
        if not enough(self._waiting, self._values, len(self.state.models)) and not self._slot_is_over():
            return Outcome()
        self._waiting = self._values = 0
        return self._kept(self.pipeline.settle(self.state, frozenset(self._done)))

    def _slot_is_over(self) -> bool:
        """Whether segments may be found that are live from now on."""
        if not self._finds_segments:
            return False
        latest = max((p.latest for p in self.state.partitions.values()), default=-np.inf)
        before, self._slot = self._slot, latest // SLOT_SECONDS
        return self._slot > before

    def _take(self, records: RecordBatch) -> None:
        watched = {key.model for key, model in self.state.models.items() if model.reference is not None}
        decoded = self.pipeline.take(self.state, records)
        self._rejected.note(records, decoded.rejects)
        self._follow(records, decoded.batches)
        self._note(decoded.refused)
        self._unwatched.update(dict.fromkeys(decoded.unwatched))
        for batch in decoded.batches:
            if len(batch):
                self._arrived.setdefault(batch.model, Arrived(batch.model)).note(batch.times)
            if batch.model in watched and len(batch):
                self.began = float(np.fmin(self.began, batch.times.min()))
        self._values += sum(len(batch) * len(batch.columns) for batch in decoded.batches)

    def take_all(self, events: Stretches) -> Iterator[Outcome]:
        """Takes a history in that is counted elsewhere."""
        for stretch in merging.stretches(self.pipeline, self.state, events):
            yield self._take_counted(stretch, merging.source_of(events))

    def _take_counted(self, stretch: Counted, source: TopicPartition) -> Outcome:
        watched = {key.model for key, model in self.state.models.items() if model.reference is not None}
        self._rejected.note_all(stretch.rejects)
        self._note((*stretch.refused, *merging.merge(self.pipeline, self.state, source, stretch)))
        expected = (u for u in stretch.unwatched if self.pipeline.monitor.settings(Slice(u[0])).discover)
        self._unwatched.update(dict.fromkeys(expected))
        self._order.setdefault(source, TimeOrder(0.0)).note_all(
            stretch.accepted, [part.first for part in stretch.parts], stretch.latest, sum(stretch.late.values())
        )
        for part in stretch.parts:
            if part.model in watched:
                self.began = float(np.fmin(self.began, part.first))
        return self._kept(self.pipeline.settle(self.state))

    def finish(self) -> Outcome:
        """Closes every window."""
        return self._kept(self.pipeline.settle(self.state, end=True))

    def report(self) -> Report:
        report = self.tally.report(self.began, self.ended, self.pipeline.monitor.false_alarms_per_month)
        return replace(report, silences=tuple(self._silences()), calls=calls(self.experiments()))

    def _silences(self) -> Iterator[Silent]:
        """Of models from their reference on, in order of time; not of a history that is counted elsewhere."""
        found = [s for a in self._arrived.values() if a.model in self._since for s in a.all(self.ended)]
        yield from sorted((s for s in found if s.start >= self._since[s.model]), key=lambda s: (s.start, s.model))

    def remarks(self) -> tuple[str, ...]:
        """What was rejected; and by model what its reference cannot be used for, and what it does not have."""
        out = [*self._rejected.remarks(Accounts.of(self.state)), *self._times(), *self._labels()]
        for key, model in sorted(self.state.models.items()):
            new = sorted(name for owner, name in self._unwatched if owner == key.model)
            sized = self.pipeline.monitor.settings(key).sized
            about = model.reference
            known = () if about is None else (*unknown_channels(about, sized), *remarks(about))
            out += [f"{printable(key.model)}: {text}" for text in (*known, *([unwatched(new)] if new else []))]
        return tuple(out)

    def _follow(self, records: RecordBatch, batches: Sequence[EventBatch]) -> None:
        windows = self.pipeline.monitor.windows
        slack = windows.out_of_orderness_seconds + windows.pane_seconds
        self._order.setdefault(records.topic_partition, TimeOrder(slack)).note(records, batches)

    def _labels(self) -> Iterator[str]:
        """Whose labels have found no prediction at all, or were not looked at where counting was done elsewhere."""
        if self.pipeline.labels is None:
            return
        for key in sorted(self.state.models):
            alone = 0 if key.model in self.state.outcomes.counts else self.state.counters(key).unjoined_labels
            if alone:
                there = f"{printable(key.model)}: {alone:,} {plural('label', alone)} without their prediction"
                yield f"{there} were counted, and not joined: a replay without --spark joins them"
        for model, counts in sorted(self.state.outcomes.counts.items()):
            if counts.labels and counts.early + counts.unmatched == counts.labels:
                there = f"{printable(model)}: {counts.labels:,} {plural('label', counts.labels)}"
                yield (
                    f"{there}, and no prediction with the id of one: give both (a folder of the two tables, or both "
                    "topics), and 'labels.join: always' where labels come hours later"
                )

    def _times(self) -> Iterator[str]:
        """What is wrong with the events' times, by partition."""
        for at, order in sorted(self._order.items()):
            remark = order.remark(self.state.partitions[at].late.total())
            if remark:
                yield remark
        if not any(model.reference is not None for model in self.state.models.values()):
            orders = self._order.values()
            yield from strange_times(
                min((o.first for o in orders), default=np.inf), max((o.latest for o in orders), default=-np.inf)
            )

    def experiments(self) -> tuple[Result, ...]:
        """What those of the configuration come to."""
        models, rules = self.state.models, self.pipeline.monitor.experiments
        return tuple(r for model in sorted(rules) for r in results(models, Slice(model), rules[model]))

    def refused(self) -> tuple[RefusedFeature, ...]:
        """Features with refused values, by model and name."""
        counts = {
            (key.model, feature): n
            for key in self.state.models
            for feature, n in self.state.counters(key).refused.items()
        }
        return tuple(
            RefusedFeature(*of, n, self._refused[of].time, self._refused[of].why, self._blind(*of))
            for of, n in sorted(counts.items())
        )

    def _blind(self, model: str, feature: str) -> bool:
        known = self.state.models[Slice(model)]
        judgement, name = known.judgement, Channel.of_feature(feature).name
        if known.reference is not None and name not in known.reference.rows:
            return True  # there was never a usable value to watch
        row = None if judgement is None else judgement.reference.rows.get(name)
        if judgement is None or row is None:
            return False
        summary = judgement.summary
        return bool(summary.channel_events[row] == summary.counts[row, MISSING])

    def _note(self, refused: Iterable[RefusedValue]) -> None:
        for value in refused:
            of = value.model, value.feature
            self._refused[of] = min(self._refused.get(of, value), value, key=attrgetter("time"))

    @property
    def ended(self) -> float:
        return max((p.latest for p in self.state.partitions.values()), default=float("nan"))

    def _kept(self, outcome: Outcome) -> Outcome:
        self.tally.take(outcome.judgements)
        self._note(value for _, value in outcome.refused)
        self._unwatched.update(dict.fromkeys(outcome.unwatched))
        for reference in outcome.learned:
            self.began = float(np.fmin(self.began, reference.last))
            self._since.setdefault(reference.model, reference.last)
        return outcome


def _none_of(events: int) -> str:
    return "The one event could not" if events == 1 else f"None of the {events:,} events could"
