"""The loop: poll, take in, judge, tell, save, commit, in that order; it knows only protocols."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from driftd.core.act import Act
from driftd.core.errors import ActRefused, NotSaved, SourceError, StateUnwritable
from driftd.core.event import Decoded, RecordBatch, Reject, TopicPartition
from driftd.core.slice import Slice
from driftd.core.text import clean, did_you_mean
from driftd.engine.acting import perform
from driftd.engine.dead_letters import DeadLetterGate, RejectSink
from driftd.engine.degradation import Ladder
from driftd.engine.delayed import Delayed
from driftd.engine.desk import Desk, Done
from driftd.engine.gaps import counted, log_gap, pass_over
from driftd.engine.gc_tuning import give_back
from driftd.engine.idle import Idle
from driftd.engine.outbox import FindingSink, Outbox
from driftd.engine.pipeline import Pipeline
from driftd.engine.positions import begin, note_topics
from driftd.engine.read_ahead import held
from driftd.engine.references import Learned, References
from driftd.engine.reporter import Reporter
from driftd.engine.retirement import heard, leaving
from driftd.engine.saving import Saver, written
from driftd.engine.state import Outcome, State
from driftd.engine.timing import Clock, Timing
from driftd.sources import Assigned, Gap, GapCause, Lost, Revoked, Source

log = logging.getLogger("driftd.daemon")


class Checkpoints(Protocol):
    def begin(self, state: State, pipeline: Pipeline) -> Future[int]:
        """Takes the state as it is now, and writes it beside the loop; the bytes, or StateUnwritable."""
        ...


@dataclass(slots=True)
class Daemon:
    """One process on the topic.

    Each round: 1. do what people ask for, and save it; note assigned and lost partitions; 2. poll; 3. take the records
    in and judge; 4. emit findings; 5. if it is time, flush the sinks and begin a checkpoint, which is written beside
    the loop; once it is on disk, its offsets are committed; 6. record own metrics. A crash between two steps may repeat
    a finding (it carries the same id) and loses none: the checkpoint holds the positions beside the state that they
    produced, and after a restart
    reading goes on from there. ``checkpoints``: None where nothing is saved in files.
    """

    pipeline: Pipeline
    state: State
    source: Source
    checkpoints: Checkpoints | None
    reporter: Reporter
    clock: Clock
    timing: Timing
    findings: Sequence[FindingSink] = ()
    rejects: RejectSink | None = None
    references: References | None = None
    reload: Callable[[Daemon], bool] = lambda _: False
    desk: Desk = field(default_factory=Desk)
    ladder: Ladder = field(default_factory=Ladder)
    stopping: bool = False
    reloading: bool = False
    _idle: Idle = field(default_factory=Idle)
    _held: frozenset[TopicPartition] = frozenset()
    _delayed: Delayed = field(default_factory=Delayed)
    _outbox: Outbox = field(init=False)
    _dead_letters: DeadLetterGate = field(init=False)
    _learned: Learned = field(init=False)
    _saver: Saver = field(init=False)

    def __post_init__(self) -> None:
        self._outbox, self._dead_letters = Outbox(self.findings), DeadLetterGate(self.rejects)
        self._learned = Learned(self.references)
        self._saver = Saver(self.state, self.source, self._learned, self.reporter, self.clock, self.timing, self._save)

    def stop(self) -> None:
        """Only sets a flag: safe in a signal handler."""
        self.stopping = True

    def others(self) -> Collection[str]:
        """Addresses of other members of the group that judge models. Safe in an HTTP thread."""
        return ()

    def ask_reload(self) -> None:
        """Only sets a flag: safe in a signal handler and from the HTTP thread."""
        self.reloading = True

    def run(self) -> None:
        """Runs until stopped, then drains: emits, saves, commits, closes.

        After an error the state may have half a batch in it, so it is not saved: the last checkpoint is whole, and
        the next start goes on from there.
        """
        self._saver.start()
        try:
            while not self.stopping:
                self.round()
        except BaseException:
            self._close()
            raise
        self.drain()

    def round(self) -> None:
        if self.reloading:
            self.reloading = False
            self.reloaded(self.reload(self))
        self._act()
        self._hold()
        batches = self._poll()
        self._follow_assignment()
        batches = self._delayed.ready(batches, self.pipeline.prepare, self.reporter.out_of_reach)
        self._shed()
        for records in batches:
            self._take(records)
        for gap in [] if self._delayed.records else self.source.gaps():  # they may lie behind what is delayed
            self._skip(gap)
        self._saver.dirty |= note_topics(self.state, self.source)
        came, now = [*batches, *self._delayed.records], self.clock.monotonic()
        self._settle(self._idle.partitions(self.source.lag(), came, now, self.timing.idle_seconds))
        self._retire()
        self._saver.look()
        if self.rejects is not None:
            self.reporter.dead_letters(self.rejects.sent, self.rejects.failed, self._dead_letters.suppressed)
        self.reporter.round(self.state, self.source, self.clock.now(), self._troubles())

    def _troubles(self) -> Collection[str]:
        """What is wrong with topics that are needed beside those that are read (of members)."""
        return ()

    def _act(self) -> None:
        """Does what people ask for. They are told when it is saved: kill -9 after that changes nothing."""
        done = list[tuple[Future[Done], str]]()
        for acts, answer in self.desk.orders():
            texts, refused = list[str](), list[ActRefused]()
            for act in acts:
                try:
                    texts.append(self._perform(act))
                except ActRefused as e:
                    refused.append(e)
            if texts:  # of several some may be refused: the others are done, and saved
                done.append((answer, "\n".join([*texts, *map(str, refused)])))
            else:
                answer.set_exception(refused[0])
        if done:
            self._saver.dirty = True
            saved = self._saver.save(wait=True)
            for answer, text in done:
                answer.set_result(Done(text, "" if saved else self._saver.unsaved))

    def _perform(self, act: Act) -> str:
        state = self._judging(Slice(act.model))
        outcome, said = perform(state, self.pipeline, act)
        self._tell(outcome)
        self.reporter.acted(act)
        return said

    def _judging(self, key: Slice) -> State:
        """Where the model is judged. Raises ActRefused where it is not."""
        if key not in self.state.models:
            raise ActRefused(
                f"no model '{clean(key.model)}'{did_you_mean(key.model, [k.model for k in self.state.models])}"
            )
        return self.state

    def _settle(self, idle: frozenset[TopicPartition]) -> None:
        """Closes panes and judges, slice by slice: the heart beats, and whoever stops driftd need not wait for all."""
        for stop in self.pipeline.stops(self.state, idle):
            learned = False
            for outcome in self.pipeline.close(self.state, stop):
                self._tell(outcome)
                learned = learned or bool(outcome.learned)
                self.reporter.beat(self.clock.now())
            if learned:
                give_back()
            if self.stopping:
                return
        for outcome in self.pipeline.go_ahead(self.state, idle):
            self._tell(outcome)
            self.reporter.beat(self.clock.now())

    def _hold(self) -> None:
        """What is far ahead of the other partitions waits for them."""
        before = self._held
        unread = [at for at, lag in self.source.lag().items() if lag.records]
        self._held = held(self.state, self.pipeline.monitor.windows, before, unread)
        self.source.hold(self._held | self._delayed.partitions)
        self.reporter.held(before, self._held)

    def _shed(self) -> None:
        """Less work while driftd cannot keep up, where the user wants that."""
        lags = self.source.lag().values()
        level = self.ladder.look(lags, self.clock.monotonic())
        if level != self.pipeline.shed:
            self.reporter.degraded(self.pipeline.shed, level, max((lag.seconds for lag in lags), default=0.0))
            self.pipeline.shed = level

    def _poll(self) -> list[RecordBatch]:
        return self._polled(self.timing.poll_seconds)

    def _polled(self, timeout_seconds: float) -> list[RecordBatch]:
        try:
            return self.source.poll(timeout_seconds)
        except SourceError as e:
            if not e.retriable:
                raise
            self.reporter.out_of_reach(str(e))
            return []

    def reloaded(self, done: bool) -> None:
        self.reporter.reloaded(done, self.clock.now())
        self.reporter.judged(self.state.judgements, self.state)

    def _take(self, records: RecordBatch) -> None:
        self._saver.dirty = True
        for part in self.pipeline.sampled(self._counting(records.topic_partition), records):
            self._take_part(part)

    def _take_part(self, records: RecordBatch) -> None:
        decoded = self._decode(records)
        heard(self.state, decoded.batches, self.clock.now())
        if decoded.rejects:
            self.reporter.once.rejected(records, decoded.rejects)
            self.state.refusals.rejected(records.topic_partition, decoded.rejects)
        if decoded.refused:
            self.reporter.once.refused(records.topic_partition, decoded.refused)
            self.state.refusals.refused(records.topic_partition, decoded.refused)
        if decoded.unwatched:
            self.reporter.once.unwatched(decoded.unwatched)
        self._pass_on(records, decoded.rejects)

    def _decode(self, records: RecordBatch) -> Decoded:
        return self.pipeline.take(self.state, records)

    def _counting(self, topic_partition: TopicPartition) -> State:  # noqa: ARG002  (of a member it depends on that)
        """Where records of the partition are counted."""
        return self.state

    def _skip(self, gap: Gap) -> None:
        """Records that nobody will read are counted: received, and dropped or rejected."""
        rejected = counted(self._counting(gap.topic_partition), gap)
        if rejected is not None:
            self._pass_on(*rejected)
        partition = self.state.partitions.get(gap.topic_partition)
        if partition is not None:
            pass_over(partition, gap)
            if gap.cause is GapCause.REWOUND:
                self.reporter.rewound()
        self._saver.dirty = True
        log_gap(gap)

    def _pass_on(self, records: RecordBatch, rejects: Sequence[Reject]) -> None:
        if self._dead_letters.pass_on(records, rejects):
            self.reporter.broken(self._dead_letters.breaker.is_open)

    def _tell(self, outcome: Outcome) -> None:
        for source, refused in outcome.refused:
            self.reporter.once.refused(source, [refused])
            self.state.refusals.refused(source, [refused])
        self.reporter.once.unwatched(outcome.unwatched)
        for reference in outcome.learned:
            self._learned.note(self.state, self.pipeline, reference)
        for turn in outcome.turns:
            log.info("%s", turn)
        if outcome.findings:
            self._outbox.add(outcome.findings)
            self._emit()
        self.reporter.judged(outcome.judgements, self.state)
        self.reporter.found(outcome.findings)

    def _retire(self) -> None:
        self._retire_from(self.state)

    def _retire_from(self, state: State) -> None:
        """Models that have been silent for long, or left the configuration, leave: nothing of them stays open."""
        lags = self.source.lag().values()
        caught_up = bool(lags) and all(lag.caught_up for lag in lags)
        for key, because in [*leaving(state, self.pipeline, self.clock.now(), caught_up=caught_up)]:
            self._tell(self.pipeline.judging.retire(state, key, because))
            self.reporter.retired(key.model, because)
            self._saver.dirty = True

    def _emit(self) -> str:
        """Gives the sinks what they have not taken yet; "" or why one of them could not."""
        failed = self._outbox.emit()
        for why in failed:
            self.reporter.out_of_reach(why)
        return failed[-1] if failed else ""

    def _follow_assignment(self) -> None:
        for change in self.source.changes():
            match change:
                case Assigned(partitions, owned):
                    self._delayed.forget(partitions)
                    self._release(self.state.partitions.keys() - set(owned))
                    if partitions:
                        self._assigned(partitions)
                case Lost(partitions):  # what was lost is another's to commit
                    self._release(partitions)
                case Revoked(partitions):
                    self._delayed.forget(partitions)
                    self._saver.save(commit=partitions)

    def _release(self, partitions: Iterable[TopicPartition]) -> None:
        """These partitions are another member's now: their open panes stay ours and hold nobody back."""
        partitions = list(partitions)
        self._delayed.forget(partitions)
        self._saver.leave(partitions)
        for topic_partition in partitions:
            if topic_partition in self.state.partitions:
                self.state.partitions[topic_partition].released = True
            self._idle.forget(topic_partition)

    def _assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Reads on in partitions that the group gave us.

        The source announces them again at the next poll if a broker does not answer here.
        """
        try:
            begun = begin(self.state, self.source, self.timing, partitions)
        except SourceError as e:
            if not e.retriable:
                raise
            self.reporter.out_of_reach(str(e))
            return
        self._saver.dirty = True
        log.info("reading from %s", ", ".join(f"{t}/{n}@{o}" for (t, n), o in sorted(begun.found.items())))
        if begun.by_name:  # after kill -9 before the first checkpoint "latest" would be another place
            self._saver.save()
            self._saver.follow(wait=True)

    def _save(self) -> Future[int] | None:
        """Flushes the sinks and begins to save the state; None where that failed."""
        try:
            failed = self._emit()
            if not failed:
                self._outbox.flush()
                if self.rejects is not None:
                    self.rejects.flush(self.timing.drain_seconds)
                return self._write()
        except (StateUnwritable, SourceError) as e:
            failed = str(e)
        self._saver.failed(failed)
        return None

    def _write(self) -> Future[int]:
        """Begins to save the state; the bytes that are written."""
        return written(0) if self.checkpoints is None else self.checkpoints.begin(self.state, self.pipeline)

    def drain(self) -> None:
        """Saves and commits what was taken in, closes the source; never raises for a broker that is away.

        Raises NotSaved where the state could not be saved.
        """
        self._saver.dirty = True
        saved = self._saver.save(wait=True)
        self._close()
        received = self.state.received
        if not saved:
            # a member that let go of partitions, to read them again, knows no number
            number = f"{received - self._saver.received:,} " if received > self._saver.received else ""
            raise NotSaved(
                f"stopped without saving: {number}records since the last checkpoint are read again at the next start, "
                f"as far as the topic still has them ({self._saver.unsaved})"
            )
        log.info("drained", extra={"received": received, "accepted": self.state.accepted})

    def _close(self) -> None:
        self._saver.close()
        try:
            self.source.close()
        except SourceError as e:
            log.warning("source did not close cleanly", extra={"error": str(e)})
