"""Records in, findings out: where the stages meet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import Decoded, EventBatch, RecordBatch, Schema, TopicPartition
from driftd.core.finding import JUDGE, Judgement
from driftd.core.reference import Reference, ReferenceKind, Role
from driftd.core.summary import merge
from driftd.core.window import TimedDetection, Windows, closed_through, frontier, panes_of, watermarks_before
from driftd.decode import Codec
from driftd.detectors import SequentialDetector
from driftd.engine.state import Outcome, State
from driftd.ingest.binning import Encoded, encode_with, summarise_with
from driftd.ingest.panes import closed_panes
from driftd.ingest.state import Pane, PartitionState, Stream
from driftd.judge.budget import Certificate, ModelGuarantee
from driftd.judge.runtime import ModelJudge
from driftd.judge.step import MicroBatch
from driftd.learn.build import schema_of
from driftd.monitor import evaluate, rolling, warmup
from driftd.monitor.assignment import DetectorSet
from driftd.monitor.counters import count, count_page
from driftd.monitor.settings import ModelSettings
from driftd.monitor.state import ModelState


@dataclass(slots=True)
class Pipeline:
    """The stages with their settings; all that changes is in the State it is given.

    ``watches`` has the models that were configured; ``default`` is for those that are discovered. ``budget_models``
    is how many models share the false-alarm budget.
    """

    codec: Codec
    windows: Windows
    default: ModelSettings
    watches: Mapping[str, ModelSettings] = field(default_factory=dict)
    false_alarms_per_month: float = 1.0
    budget_models: int = 1
    every_window: bool = False
    max_models: int | None = None
    _schemas: dict[str, Schema] = field(default_factory=dict)
    _plans: dict[tuple[str, int], DetectorSet] = field(default_factory=dict)
    _covers: dict[tuple[str, int], ModelGuarantee | str] = field(default_factory=dict)

    def watch(self, model: str) -> ModelSettings:
        return self.watches.get(model, self.default)

    def plan(self, reference: Reference) -> DetectorSet:
        key = reference.id, reference.version
        plan = self._plans.get(key)
        if plan is None:
            watch = self.watch(reference.model)
            plan = self._plans[key] = DetectorSet.of(
                reference, watch.choose, self.false_alarms_per_month, self.budget_models, watch.effect
            )
        return plan

    def schemas(self, state: State) -> Mapping[str, Schema]:
        """What the decoder must know: learned models as their reference says, the others as configured."""
        for name in self.watches:
            state.models.setdefault(name, ModelState(name))
        for name, cell in state.models.items():
            if name not in self._schemas:
                self._schemas[name] = (
                    schema_of(cell.reference)
                    if cell.reference is not None
                    else self.watch(name).learning_schema(name, _discovered(state, cell))
                )
        return self._schemas

    def hand_over(self, state: State, successor: Pipeline) -> None:
        """Prepares the state for a pipeline of other settings: sequential detectors that differ start afresh."""
        for partition in state.partitions.values():
            for model, stream in partition.streams.items():
                reference = state.models[model].reference
                for kind, channel in list(stream.sequential):
                    if reference is None or self.sequential_of(reference, kind, channel) != successor.sequential_of(
                        reference, kind, channel
                    ):
                        del stream.sequential[kind, channel]
        for cell in state.models.values():
            detectors = (*successor.plan(cell.reference).detectors, JUDGE) if cell.reference is not None else ()
            cell.verdicts = {kind: v for kind, v in cell.verdicts.items() if kind in detectors}

    def advance(
        self, state: State, records: RecordBatch, idle: frozenset[TopicPartition] = frozenset()
    ) -> tuple[Decoded, Outcome]:
        """Takes a stretch of a partition in and judges what it closed."""
        decoded = self.codec.decode(records, self.schemas(state))
        self.ingest(state, records.cell, records.next_offset, decoded)
        return decoded, self.settle(state, idle)

    def ingest(self, state: State, cell: TopicPartition, next_offset: int, decoded: Decoded) -> None:
        """Counts the events, turns the late ones away and puts the others into the partition's open panes."""
        partition = state.partitions.setdefault(cell, PartitionState(next_offset))
        partition.next_offset = next_offset
        state.received += decoded.received
        state.rejected.update(r.reason.value for r in decoded.rejects)
        state.dropped.update({reason.value: n for reason, n in decoded.dropped.items()})
        for batch in decoded.batches:
            schema = self._schemas.get(batch.model)
            if schema is None or (schema.open and not batch.columns.keys() <= schema.features.keys()):
                known = schema.features if schema is not None else {}
                self._schemas[batch.model] = self.watch(batch.model).learning_schema(
                    batch.model, {*known, *batch.columns}
                )
        batches = [b for b in decoded.batches if len(b)]
        for batch, before in zip(batches, _watermarks(batches, partition.latest), strict=True):
            self._take_batch(state, partition, batch, before)
        for batch in decoded.batches:
            state.accepted += batch.label_only
            totals = state.models.setdefault(batch.model, ModelState(batch.model)).totals
            totals.unjoined_labels += batch.label_only
            totals.ignored_features += batch.ignored_features

    def _take_batch(
        self, state: State, partition: PartitionState, batch: EventBatch, before: NDArray[np.float64]
    ) -> None:
        panes = panes_of(batch.times, self.windows.pane_seconds)
        closes = (panes + 1) * self.windows.pane_seconds
        late = closes <= before - self.windows.out_of_orderness_seconds
        if state.frontier is not None:
            late |= panes <= state.frontier
        partition.latest = max(partition.latest, float(batch.times.max()))
        state.late += int(np.count_nonzero(late))
        if late.any():
            keep = np.flatnonzero(~late)
            batch, panes = batch.take(keep), panes[keep]
        if not len(batch):
            return
        state.accepted += len(batch)
        cell = state.models.setdefault(batch.model, ModelState(batch.model))
        count(cell, batch)
        kept = warmup.unexcluded(cell, batch, self.watch(batch.model).learning.exclude)
        if len(kept) < len(batch):
            batch, panes = kept, panes_of(kept.times, self.windows.pane_seconds)
            if not len(batch):
                return
        stream = partition.streams.setdefault(batch.model, Stream())
        if cell.reference is None:
            stream.rows.append(batch.compact())
        else:
            self._open_panes(cell.reference, stream, batch, panes)

    def _open_panes(self, reference: Reference, stream: Stream, batch: EventBatch, panes: NDArray[np.int64]) -> None:
        encoded = encode_with(reference, batch)
        judged = self.plan(reference).judged
        crosses = judged.pairs.crosses(encoded.bins, panes) if judged is not None else {}
        for pane, summary in summarise_with(reference, batch, encoded, panes).items():
            known, cross = stream.panes.get(pane), crosses.get(pane)
            if known is None:
                stream.panes[pane] = Pane(summary, cross=cross)
            else:
                known.summary = merge((known.summary, summary))
                known.cross = cross if known.cross is None else known.cross if cross is None else known.cross + cross
        for pane, alarm in self._sequential(reference, stream, batch, encoded, panes):
            stream.panes[pane].alarms += (alarm,)

    def _sequential(
        self, reference: Reference, stream: Stream, batch: EventBatch, encoded: Encoded, panes: NDArray[np.int64]
    ) -> list[tuple[int, TimedDetection]]:
        """Feeds the sequential detectors in offset order; their detections, each with the pane of its event."""
        found: list[tuple[int, TimedDetection]] = []
        for kind, pairs in self.plan(reference).sequential.items():
            for row, detector in pairs:
                channel = reference.channels[row]
                if channel.role is Role.ERROR or (channel.role is Role.PREDICTION_ERROR and reference.classes):
                    values = encoded.values[row]
                else:
                    values = np.where(encoded.bins[row] >= 0, reference.places[row][encoded.bins[row]], np.nan)
                here = np.flatnonzero(~np.isnan(values))
                if not len(here):
                    continue
                key = (kind, channel.name)
                if key not in stream.sequential:
                    stream.sequential[key] = detector.start()
                for hit in detector.feed(stream.sequential[key], values[here]):
                    at = here[hit.index]
                    time, rate = float(batch.times[at]), self._rate(reference, row)
                    # by the channel's rate: the change may have begun in an earlier poll, and polls must not matter
                    alarm = TimedDetection(kind, channel.name, time, hit.before, hit.after, time - hit.width / rate)
                    found.append((int(panes[at]), alarm))
        return found

    def _rate(self, reference: Reference, row: int) -> float:
        """Events a second of a channel, as in the reference."""
        events, span = int(reference.summary.counts[row].sum()), reference.last - reference.first
        return max(events, 1) / max(span, 1.0)

    def settle(self, state: State, idle: frozenset[TopicPartition] = frozenset(), *, end: bool = False) -> Outcome:
        """Moves closed panes into their models and judges those that finished a hop.

        ``idle`` names partitions that hold nobody back; ``end`` closes everything (a file has been read to its end).
        """
        idle = idle | {cell for cell, p in state.partitions.items() if p.released}
        closed = {
            cell: closed_through(p.latest - self.windows.out_of_orderness_seconds, self.windows.pane_seconds)
            if np.isfinite(p.latest)
            else None
            for cell, p in state.partitions.items()
        }
        reached = frontier(closed, idle, state.frontier)
        if end:
            latest = [p.latest for p in state.partitions.values() if np.isfinite(p.latest)]
            reached = int(panes_of(np.array([max(latest)]), self.windows.pane_seconds)[0]) if latest else reached
        if reached is None or (reached == state.frontier and not end):
            return Outcome()
        state.frontier = reached
        judgements: list[Judgement] = []
        learned: list[Reference] = []
        turns: list[str] = []
        for name in sorted(state.models):
            judgements += self._settle_model(state, name, reached, learned, turns, end=end)
        findings = tuple(f for j in judgements for f in j.findings)
        state.findings += len(findings)
        for f in findings:
            if f.opens_page:
                count_page(state.models[f.model], f.window_end)
        return Outcome(findings, tuple(judgements), tuple(learned), tuple(turns))

    def _settle_model(
        self, state: State, name: str, reached: int, learned: list[Reference], turns: list[str], *, end: bool
    ) -> Iterator[Judgement]:
        """Takes the model's closed panes in, in order; yields what was judged on the way."""
        cell = state.models[name]
        streams = [(c, p.streams[cell.name]) for c, p in sorted(state.partitions.items()) if cell.name in p.streams]
        if cell.reference is None:
            reference = warmup.learn(cell, streams, reached, self.windows.pane_seconds, self.watch(cell.name))
            if reference is None:
                return
            self.adopt(state, cell.name, reference)
            learned.append(reference)
        for number, pane in closed_panes(streams, reached):
            cell.taken = number
            self._roll(cell, number, turns)
            full = cell.hops.add(number, pane.summary, pane.alarms, self.windows)
            yield from self._watch_pane(cell, number, pane)
            rolling.take(cell, pane)
            if full:
                yield self._judge(cell)
        if end:
            yield from self._watch_rest(cell)
        if end and cell.hops.growing is not None:
            cell.hops.finish(self.windows)
            yield self._judge(cell)

    def _roll(self, cell: ModelState, pane: int, turns: list[str]) -> None:
        """Where the reference rolls and a period is over: makes it the reference unless something speaks against it."""
        if cell.reference is None or cell.reference.kind is not ReferenceKind.ROLLING:
            cell.period = None
            return
        rolled, turn = rolling.turn(cell, pane, self.windows, self.watch(cell.name).learning.period_seconds)
        if turn:
            turns.append(turn)
        if rolled is not None:
            before = cell.reference.id, cell.reference.version
            self._plans.pop(before, None)
            self._covers.pop(before, None)
            cell.reference = rolled

    def _watch_pane(self, cell: ModelState, number: int, pane: Pane) -> Iterator[Judgement]:
        """Lets the judge see a closed pane; yields a judgement where an episode opened or closed."""
        if cell.guard is None or cell.reference is None:
            return
        plan, seconds = self.plan(cell.reference), self.windows.pane_seconds
        external_since = np.full(len(cell.reference.channels), np.nan)
        for alarm in pane.alarms:
            if (alarm.detector, alarm.channel) in plan.paging:
                row = cell.reference.rows[alarm.channel]
                external_since[row] = np.fmin(external_since[row], alarm.since)
        batch = MicroBatch(number * seconds, (number + 1) * seconds, pane.summary, pane.cross, external_since)
        for part, judged in cell.guard.take(cell.reference, batch, plan.a, evaluate.matters(cell, plan)):
            yield from evaluate.turned(cell, plan, self._rules(), part, judged)

    def _watch_rest(self, cell: ModelState) -> Iterator[Judgement]:
        if cell.guard is not None and cell.reference is not None:
            plan = self.plan(cell.reference)
            for part, judged in cell.guard.flush(cell.reference, plan.a, evaluate.matters(cell, plan)):
                yield from evaluate.turned(cell, plan, self._rules(), part, judged)

    def adopt(self, state: State, model: str, reference: Reference) -> None:
        """Makes ``reference`` the model's from here on; rows that waited for one start its windows.

        What was judged on another reference's bins is dropped.
        """
        cell = state.models.setdefault(model, ModelState(model))
        if cell.reference is not None and cell.reference.id != reference.id:
            kept = ModelState(model, totals=cell.totals, versions=cell.versions, taken=cell.taken)
            cell = state.models[model] = kept
        if cell.reference is None or cell.guard is None:
            cell.guard = ModelJudge.of(reference)
        cell.reference = reference
        cell.rows, cell.learned = [], 0  # held for a reference that is not needed any more
        for partition in state.partitions.values():
            stream = partition.streams.get(model)
            if stream is None:
                continue
            if any(p.summary.bins_id != reference.id for p in stream.panes.values()):
                stream.panes.clear()
                stream.sequential.clear()
            for rows in stream.rows:
                self._open_panes(reference, stream, rows, panes_of(rows.times, self.windows.pane_seconds))
            stream.rows.clear()
        self._schemas.pop(model, None)

    def sequential_of(self, reference: Reference, kind: str, channel: str) -> SequentialDetector | None:
        """The detector that owns a sequential state, for snapshots; None when the configuration has dropped it."""
        row = reference.rows.get(channel)
        return None if row is None else self.plan(reference).sequential_of(kind, row)

    def look_again(self, cell: ModelState) -> Judgement | None:
        """The judgement of a model's last window, after a restart: nothing changes and nothing is found."""
        if cell.reference is None or not cell.hops.done:
            return None
        kept = dict(cell.verdicts), cell.since.copy(), cell.status, cell.judged, cell.named, cell.suspected
        cell.judgement = replace(self._judge(cell), findings=())
        cell.verdicts, cell.since, cell.status, cell.judged, cell.named, cell.suspected = kept
        return cell.judgement

    def certificate(self, references: Iterable[Reference]) -> Certificate:
        """What is promised about pages of the models with these references."""
        covers = map(self.cover, references)
        return Certificate.of(self.false_alarms_per_month, self.budget_models, covers)

    def cover(self, reference: Reference) -> ModelGuarantee | str:
        """One model's part of the certificate; its name where its reference was made of counts alone."""
        key = reference.id, reference.version
        cover = self._covers.get(key)
        if cover is None:
            cover = self._covers[key] = self.plan(reference).cover(reference)
        return cover

    def learning_ratio(self, cell: ModelState) -> float:
        """How far the model's reference is, 0 to 1."""
        if cell.reference is not None:
            return 1.0
        watch = self.watch(cell.name)
        if watch.learn_seconds is None:
            return min(1.0, cell.learned / watch.learn_events)
        first = min((float(rows.times.min()) for rows in cell.rows), default=cell.totals.last_event)
        return min(1.0, max(0.0, (cell.totals.last_event - first) / watch.learn_seconds))

    def _judge(self, cell: ModelState) -> Judgement:
        assert cell.reference is not None
        return evaluate.judge(cell, self.plan(cell.reference), self._rules())

    def _rules(self) -> evaluate.Rules:
        return evaluate.Rules(self.windows, self.false_alarms_per_month, self.budget_models, self.every_window)


def _discovered(state: State, cell: ModelState) -> set[str]:
    """The features that a learning model has shown so far."""
    waiting = [rows for p in state.partitions.values() if cell.name in p.streams for rows in p.streams[cell.name].rows]
    return {name for rows in (*cell.rows, *waiting) for name in rows.columns}


def _watermarks(batches: list[EventBatch], latest: float) -> list[NDArray[np.float64]]:
    """For each batch, the greatest time that the partition had seen before each event, over all models."""
    if len(batches) == 1:
        return [watermarks_before(batches[0].offsets, batches[0].times, latest)]
    if not batches:
        return []
    offsets = np.concatenate([b.offsets for b in batches])
    order = np.argsort(offsets, kind="stable")
    times = np.concatenate([b.times for b in batches])
    before = np.empty(len(offsets))
    before[order] = watermarks_before(offsets[order], times[order], latest)
    return np.split(before, np.cumsum([len(b) for b in batches])[:-1])
