"""The loop: poll, take in, judge, tell, save, commit, in that order; it knows only protocols."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from typing import Final, Protocol

from driftd.core.act import Act
from driftd.core.errors import ActRefused, NotSaved, SourceError, StateUnwritable
from driftd.core.event import Decoded, RecordBatch, Reject, TopicPartition
from driftd.core.finding import Finding, Judgement
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.core.text import clean, did_you_mean, printable
from driftd.engine.acting import perform
from driftd.engine.breaker import Breaker
from driftd.engine.degradation import Ladder
from driftd.engine.desk import Desk, Done
from driftd.engine.gaps import counted
from driftd.engine.gc_tuning import give_back
from driftd.engine.pipeline import Pipeline
from driftd.engine.read_ahead import held
from driftd.engine.reporter import Reporter
from driftd.engine.retirement import configured, heard, leaving
from driftd.engine.saving import Saving, written
from driftd.engine.state import Outcome, State
from driftd.ingest.state import PartitionState
from driftd.learn.remarks import remarks, unknown_channels
from driftd.monitor import growing
from driftd.sources import Assigned, Gap, GapCause, Lost, Revoked, Source

log = logging.getLogger("driftd.daemon")

OVERDUE_TIMES: Final = 3
"""As long as so many times between two checkpoints one is written beside the loop; then the loop waits for it."""
LEARNED_BY = "driftd"
"""``Reference.created_by`` of those that driftd learned; only they have to be stored."""


class FindingSink(Protocol):
    """Raises StateUnwritable or SourceError from either; what was given to it is then given again."""

    def emit(self, findings: Iterable[Finding]) -> None: ...

    def flush(self) -> None: ...


class RejectSink(Protocol):
    @property
    def sent(self) -> int: ...

    @property
    def failed(self) -> int: ...

    def send(self, records: RecordBatch, rejects: Sequence[Reject]) -> None: ...

    def flush(self, timeout_seconds: float) -> None:
        """Waits until what was sent is acknowledged; raises SourceError where it is not, and keeps it for next time."""
        ...


class Checkpoints(Protocol):
    def begin(self, state: State, pipeline: Pipeline) -> Future[int]:
        """Takes the state as it is now, and writes it beside the loop; the bytes, or StateUnwritable."""
        ...


class References(Protocol):
    def numbered(self, reference: Reference) -> Reference: ...

    def keep(self, reference: Reference) -> None: ...


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall time in epoch seconds and monotonic time in seconds."""

    now: Callable[[], float]
    monotonic: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Timing:
    """``instance`` is written beside committed offsets, so that a member knows its own commits again;
    ``start`` says where to begin in a partition that has neither checkpoint nor committed offset.
    """

    instance: str
    start: str = "latest"
    checkpoint_seconds: float = 10.0
    idle_seconds: float = 60.0
    drain_seconds: float = 10.0
    poll_seconds: float = 0.5


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
    breaker: Breaker = field(default_factory=Breaker)
    ladder: Ladder = field(default_factory=Ladder)
    stopping: bool = False
    reloading: bool = False
    _quiet_since: dict[TopicPartition, float] = field(default_factory=dict)
    _saved_at: float = 0.0
    _saving: Saving | None = None
    _received_at: int = field(init=False)
    """What had been received when the state was last saved, or loaded."""
    _unsaved: str = ""
    _suppressed: int = 0
    """Bad records that no dead letter was sent of, because most records are bad."""
    _dirty: bool = False
    _held: frozenset[TopicPartition] = frozenset()
    _delayed: list[RecordBatch] = field(default_factory=list)
    """Read, and not to be decoded yet: a schema registry does not answer. Their offsets have not passed."""
    _kept: set[str] = field(default_factory=set)
    _backlogs: list[list[Finding]] = field(init=False)

    def __post_init__(self) -> None:
        self._backlogs = [[] for _ in self.findings]
        self._received_at = self.state.received

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
        self._saved_at = self.clock.monotonic()
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
        batches = self._prepared(batches)
        self._shed()
        for records in batches:
            self._take(records)
        for gap in [] if self._delayed else self.source.gaps():  # they may lie behind what is delayed
            self._skip(gap)
        self._note_topics()
        self._settle(self._idle(batches))
        self._retire()
        self._saved(wait=self._is_overdue())
        if self._saving is None and self.clock.monotonic() - self._saved_at >= self.timing.checkpoint_seconds:
            self.checkpoint()
        if self.rejects is not None:
            self.reporter.dead_letters(self.rejects.sent, self.rejects.failed, self._suppressed)
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
            self._dirty = True
            saved = self.checkpoint(wait=True)
            for answer, text in done:
                answer.set_result(Done(text, "" if saved else self._unsaved))

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
        self.source.hold(self._held | self._delayed_partitions)
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

    @property
    def _delayed_partitions(self) -> frozenset[TopicPartition]:
        return frozenset(records.topic_partition for records in self._delayed)

    def _prepared(self, batches: Iterable[RecordBatch]) -> list[RecordBatch]:
        """Those that can be decoded now, in order. The others wait, with all that comes behind them in a partition."""
        ready: list[RecordBatch] = []
        waiting, self._delayed = [*self._delayed, *batches], []
        for records in waiting:
            if records.topic_partition in self._delayed_partitions:
                self._delayed.append(records)
                continue
            try:
                self.pipeline.prepare(records)
            except SourceError as e:
                if not e.retriable:
                    raise
                self.reporter.out_of_reach(str(e))
                self._delayed.append(records)
            else:
                ready.append(records)
        return ready

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
        self._dirty = True
        for part in self.pipeline.sampled(self._counting(records.topic_partition), records):
            self._take_part(part)

    def _take_part(self, records: RecordBatch) -> None:
        decoded = self._decode(records)
        heard(self.state, decoded.batches, self.clock.now())
        if decoded.rejects:
            self.reporter.rejected(records, decoded.rejects)
            self.state.refusals.rejected(records.topic_partition, decoded.rejects)
        if decoded.refused:
            self.reporter.refused(records.topic_partition, decoded.refused)
            self.state.refusals.refused(records.topic_partition, decoded.refused)
        if decoded.unwatched:
            self.reporter.unwatched(decoded.unwatched)
        self._dead_letters(records, decoded.rejects)

    def _decode(self, records: RecordBatch) -> Decoded:
        return self.pipeline.take(self.state, records)

    def _counting(self, topic_partition: TopicPartition) -> State:  # noqa: ARG002  (of a member it depends on that)
        """Where records of the partition are counted."""
        return self.state

    def _skip(self, gap: Gap) -> None:
        """Records that nobody will read are counted: received, and dropped or rejected."""
        rejected = counted(self._counting(gap.topic_partition), gap)
        if rejected is not None:
            self._dead_letters(*rejected)
        partition = self.state.partitions.get(gap.topic_partition)
        if partition is not None:
            # records of the same poll that lie behind the gap are in already; only a rewound topic goes back
            rewound = gap.cause is GapCause.REWOUND
            if rewound:
                self.reporter.rewound()
            partition.next_offset = gap.next_offset if rewound else max(partition.next_offset, gap.next_offset)
        self._dirty = True
        topic, number = gap.topic_partition
        log.warning(
            "%s/%d@%d: %s (%s); %d records not read, reading goes on at %d",
            topic,
            number,
            gap.first_offset,
            gap.detail,
            gap.cause.value,
            gap.records,
            gap.next_offset,
        )

    def _dead_letters(self, records: RecordBatch, rejects: Sequence[Reject]) -> None:
        """Sends what was rejected, unless most records are; the breaker sees the good ones too."""
        bad = len({reject.index for reject in rejects})
        if self.breaker.add(len(records), bad):
            self.reporter.broken(self.breaker.is_open)
        if not rejects or self.rejects is None:
            return
        if self.breaker.is_open:
            self._suppressed += bad
        else:
            self.rejects.send(records, rejects)

    def _tell(self, outcome: Outcome) -> None:
        for source, refused in outcome.refused:
            self.reporter.refused(source, [refused])
            self.state.refusals.refused(source, [refused])
        self.reporter.unwatched(outcome.unwatched)
        for reference in outcome.learned:
            if self.references is not None:
                self.pipeline.monitor.forget(reference)  # its number may be another one
                self.state.models[Slice(reference.model)].reference = self.references.numbered(reference)
            grows = growing.told(self.state.models[Slice(reference.model)])
            log.info(
                "reference of %s learned from %d events%s", reference.model, reference.summary.events,
                grows and f"; it {grows}",
            )  # fmt: skip
            for remark in remarks(reference):
                log.warning("reference of %s: %s", printable(reference.model), remark)
            warn_of_sizes(self.pipeline, reference)
        for turn in outcome.turns:
            log.info("%s", turn)
        if outcome.findings:
            for backlog in self._backlogs:
                backlog.extend(outcome.findings)
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
            self._tell(self.pipeline.retire(state, key, because))
            self.reporter.retired(key.model, because)
            self._dirty = True

    def _emit(self) -> str:
        """Gives every sink what it has not taken yet; "" or why one of them could not."""
        failed = ""
        for sink, backlog in zip(self.findings, self._backlogs, strict=True):
            try:
                sink.emit(backlog)
            except (StateUnwritable, SourceError) as e:
                failed = str(e)
                self.reporter.out_of_reach(failed)
            else:
                backlog.clear()
        return failed

    def _keep_references(self, saved: Iterable[Reference]) -> None:
        for reference in saved:
            if self.references is None or reference.id in self._kept:
                continue
            if reference.created_by == LEARNED_BY and reference.rolled is None:
                self.references.keep(reference)
            self._kept.add(reference.id)  # not before: a full disk is tried again

    def _flush(self) -> None:
        for sink in self.findings:
            sink.flush()
        if self.rejects is not None:
            self.rejects.flush(self.timing.drain_seconds)

    def _follow_assignment(self) -> None:
        for change in self.source.changes():
            match change:
                case Assigned(partitions, owned):
                    self._forget_delayed(partitions)
                    self._release(self.state.partitions.keys() - set(owned))
                    if partitions:
                        self._assigned(partitions)
                case Lost(partitions):  # what was lost is another's to commit
                    self._release(partitions)
                case Revoked(partitions):
                    self._forget_delayed(partitions)
                    self.checkpoint(commit=partitions)

    def _release(self, partitions: Iterable[TopicPartition]) -> None:
        """These partitions are another member's now: their open panes stay ours and hold nobody back."""
        partitions = list(partitions)
        self._forget_delayed(partitions)
        if self._saving is not None:
            self._saving.leave(partitions)
        for topic_partition in partitions:
            if topic_partition in self.state.partitions:
                self.state.partitions[topic_partition].released = True
            self._quiet_since.pop(topic_partition, None)

    def _forget_delayed(self, partitions: Iterable[TopicPartition]) -> None:
        """Whoever has these partitions from now on reads what was delayed once more."""
        gone = {*partitions}
        self._delayed = [records for records in self._delayed if records.topic_partition not in gone]

    def _assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Reads on in partitions that the group gave us.

        The source announces them again at the next poll if a broker does not answer here.
        """
        try:
            committed = self.source.committed(partitions)
            start: dict[TopicPartition, int | str] = {}
            for topic_partition in partitions:
                start[topic_partition] = self._start(topic_partition, *committed.get(topic_partition, (None, "")))
            known = self.state.partitions
            mine = {
                at: known[at].topic_id
                for at, offset in start.items()
                if at in known and known[at].next_offset == offset
            }
            found = self.source.seek(start, mine)
        except SourceError as e:
            if not e.retriable:
                raise
            self.reporter.out_of_reach(str(e))
            return
        begun = self.timing.start != "earliest" and any(isinstance(offset, str) for offset in start.values())
        for topic_partition, offset in found.items():
            partition = self.state.partitions.setdefault(topic_partition, PartitionState(offset))
            partition.next_offset, partition.released = offset, False
            partition.topic_id = mine.get(topic_partition, "")
        self._dirty = True
        log.info("reading from %s", ", ".join(f"{t}/{n}@{o}" for (t, n), o in sorted(found.items())))
        if begun:  # after kill -9 before the first checkpoint "latest" would be another place
            self.checkpoint()
            self._saved(wait=True)

    def _start(self, topic_partition: TopicPartition, committed: int | None, owner: str) -> int | str:
        """Where to read on: the checkpoint's position, unless another member has gone on from there."""
        mine = self.state.partitions.get(topic_partition)
        if mine is None:
            start = "earliest" if topic_partition[0] in self.state.awaited else self.timing.start
            return start if committed is None else committed
        if committed is None or owner in {"", self.timing.instance}:
            return mine.next_offset
        ids = {self.source.topic_id(topic_partition[0]), mine.topic_id} - {""}
        return committed if len(ids) == 2 else max(committed, mine.next_offset)  # two: the topic was made anew

    def _note_topics(self) -> None:
        """Which topics the positions belong to, and which topics do not exist: all of those will be new."""
        for at, topic_id in self.source.topic_ids().items():
            if at in self.state.partitions:
                self.state.partitions[at].topic_id = topic_id
        awaited = self.state.awaited.union(self.source.health().missing_topics)
        awaited -= {topic for topic, _ in self.state.partitions}
        if awaited != self.state.awaited:
            self.state.awaited, self._dirty = awaited, True

    def _idle(self, batches: Iterable[RecordBatch]) -> frozenset[TopicPartition]:
        """Partitions that have been read to their end and silent for a while hold nobody back."""
        now = self.clock.monotonic()
        for records in (*batches, *self._delayed):
            self._quiet_since[records.topic_partition] = now
        idle = set()
        for topic_partition, lag in self.source.lag().items():
            if not lag.caught_up:
                self._quiet_since[topic_partition] = now
            elif now - self._quiet_since.setdefault(topic_partition, now) >= self.timing.idle_seconds:
                idle.add(topic_partition)
        return frozenset(idle)

    def checkpoint(self, *, commit: Iterable[TopicPartition] | None = None, wait: bool = False) -> bool:
        """Flushes the sinks and begins to save; what was saved is committed, without a saved state nothing is.

        ``commit`` names the partitions to commit at once (they are being given up); otherwise all that are ours.
        ``wait``: until the state is saved and committed, as with ``commit``. False where saving failed.
        """
        wait = wait or commit is not None
        self._saved(wait=True)
        self._saved_at = self.clock.monotonic()
        if not self._dirty and commit is None:
            return True
        positions = self._positions(commit)
        begun = self._save()
        if begun is None:
            return False
        references = [model.reference for model in self.state.models.values() if model.reference is not None]
        self._saving = Saving(begun, self._saved_at, self.state.received, positions, references)
        self._dirty = False
        return self._saved(wait=wait, commit_now=wait)

    def _saved(self, *, wait: bool = False, commit_now: bool = False) -> bool:
        """Follows a checkpoint that is being written: commits what it covers. False where it could not be written."""
        saving = self._saving
        if saving is None or not (wait or saving.written.done()):
            return True
        self._saving = None
        try:
            size = saving.written.result()
            # only now: a stored reference that the checkpoint does not know would be taken for one of the user's
            self._keep_references(saving.references)
        except StateUnwritable as e:
            self._dirty = True
            self._not_saved(str(e))
            return False
        self.reporter.checkpointed(size, self.clock.now(), self.clock.monotonic() - saving.began)
        self._received_at = saving.received
        if commit_now:
            self.source.commit_now(saving.positions, self.timing.instance, self.timing.drain_seconds / 2)
        else:
            self.source.commit(saving.positions, self.timing.instance)
        return True

    def _is_overdue(self) -> bool:
        """A checkpoint that takes long is waited for: a disk that does not answer is the watchdog's to tell."""
        saving, longest = self._saving, OVERDUE_TIMES * self.timing.checkpoint_seconds
        return saving is not None and self.clock.monotonic() - saving.began >= longest

    def _save(self) -> Future[int] | None:
        """Flushes the sinks and begins to save the state; None where that failed."""
        try:
            failed = self._emit()
            if not failed:
                self._flush()
                return self._write()
        except (StateUnwritable, SourceError) as e:
            failed = str(e)
        self._not_saved(failed)
        return None

    def _not_saved(self, why: str) -> None:
        self._unsaved = why
        self.reporter.checkpoint_failed(why)

    def _write(self) -> Future[int]:
        """Begins to save the state; the bytes that are written."""
        return written(0) if self.checkpoints is None else self.checkpoints.begin(self.state, self.pipeline)

    def _positions(self, given_up: Iterable[TopicPartition] | None) -> dict[TopicPartition, int]:
        """The offsets to commit: of the partitions that are being given up, or of all that are ours."""
        known = self.state.partitions
        if given_up is None:
            return {at: partition.next_offset for at, partition in known.items() if not partition.released}
        return {at: known[at].next_offset for at in given_up if at in known}

    def drain(self) -> None:
        """Saves and commits what was taken in, closes the source; never raises for a broker that is away.

        Raises NotSaved where the state could not be saved.
        """
        self._dirty = True
        saved = self.checkpoint(wait=True)
        self._close()
        received = self.state.received
        if not saved:
            # a member that let go of partitions, to read them again, knows no number
            number = f"{received - self._received_at:,} " if received > self._received_at else ""
            raise NotSaved(
                f"stopped without saving: {number}records since the last checkpoint are read again at the next start, "
                f"as far as the topic still has them ({self._unsaved})"
            )
        log.info("drained", extra={"received": received, "accepted": self.state.accepted})

    def _close(self) -> None:
        if self._saving is not None:
            wait_for([self._saving.written])  # while the state directory is ours
        try:
            self.source.close()
        except SourceError as e:
            log.warning("source did not close cleanly", extra={"error": str(e)})


def warn_of_sizes(pipeline: Pipeline, reference: Reference) -> None:
    """Logs the sizes of channels that the model does not have: a name that is misspelt would change nothing."""
    for unknown in unknown_channels(reference, pipeline.monitor.settings(Slice(reference.model)).sized):
        log.warning("model %s: %s", printable(reference.model), unknown)


def start_models(
    state: State, pipeline: Pipeline, references: Mapping[str, Reference], ours: Callable[[str], bool] = lambda _: True
) -> list[Judgement]:
    """Gives models that are ``ours`` their references before the first record, and evaluates anew what a checkpoint
    brought.
    """
    pipeline.begin(state, references, ours)
    configured(state, pipeline)
    for model in state.models.values():
        if model.reference is not None:
            warn_of_sizes(pipeline, model.reference)
        model.judgement = pipeline.monitor.judgement(model)
    return state.judgements
