"""The loop's order: tell, save, commit; and that whatever fails on the way is done again, not lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from driftd.core.errors import NotSaved, SourceError, SourceRefused, StateUnwritable
from driftd.core.event import Decoded, EventBatch, RecordBatch, Reject, RejectReason, Schema, TopicPartition
from driftd.core.finding import Finding, Status
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.engine import store
from driftd.engine.daemon import Daemon
from driftd.engine.degradation import Ladder
from driftd.engine.pipeline import Pipeline
from driftd.engine.references import LEARNED_BY, start_models
from driftd.engine.reporter import Reporter
from driftd.engine.state import State
from driftd.engine.store import CheckpointFile
from driftd.engine.timing import Clock, Timing
from driftd.ingest.state import PartitionState
from driftd.learn.build import Learning, build
from driftd.metrics.series import MetricsSink
from driftd.metrics.telemetry import Telemetry
from driftd.monitor.model import Monitor
from driftd.monitor.settings import ModelSettings
from driftd.sources import Gap, GapCause, Lag
from tests.stage.memory import MemorySource
from tests.unit.core.make import WINDOWS, choose, events, frozen, stream

A, B = ("t", 0), ("t", 1)
ME, OTHER = "me", "other"
N, SHIFT = 700, 450


class Numbers:
    """A record is a number, the event's x, at the record's own time; anything else is rejected."""

    def decode(self, records: RecordBatch, schemas: Mapping[str, Schema], halves: object = None) -> Decoded:  # noqa: ARG002
        x = np.array([float(v or "nan") if v != b"junk" else np.nan for v in records.values])
        good = np.flatnonzero(~np.isnan(x))
        bad = np.flatnonzero(np.isnan(x)).tolist()
        batch: EventBatch = events(records.timestamps[good].tolist(), x[good].tolist(), ["red"] * len(good))
        batch.offsets[:] = records.offsets[good]
        rejects = [Reject(i, int(records.offsets[i]), RejectReason.NOT_JSON, "not a number") for i in bad]
        return Decoded(len(x), [batch] if len(good) else [], rejects)


class Journal(list[str]):
    """What happened, in order."""


class Source(MemorySource):
    """Writes its commits into the journal, and stops the daemon after ``polls_left`` polls."""

    journal: Journal
    daemon: Daemon | None = None
    polls_left = 0

    def poll(self, timeout_seconds: float) -> list[RecordBatch]:
        self.polls_left -= 1
        if self.daemon is not None and self.polls_left <= 0:
            self.daemon.stop()
        return super().poll(timeout_seconds)

    def commit_now(
        self, positions: Mapping[TopicPartition, int], metadata: str = "", timeout_seconds: float = 5.0
    ) -> bool:
        self.journal.append("commit")
        return super().commit_now(positions, metadata, timeout_seconds)


@dataclass
class Sink:
    journal: Journal
    error: Exception | None = None
    flush_error: Exception | None = None
    offered: list[list[Finding]] = field(default_factory=list)
    taken: list[Finding] = field(default_factory=list)

    def emit(self, findings: Iterable[Finding]) -> None:
        given = list(findings)
        if not given:
            return
        self.offered.append(given)
        if self.error is not None:
            raise self.error
        self.journal.append("emit")
        self.taken += given

    def flush(self) -> None:
        if self.flush_error is not None:
            raise self.flush_error
        self.journal.append("flush")


@dataclass
class Checkpoints:
    journal: Journal
    error: Exception | None = None
    positions: dict[TopicPartition, int] = field(default_factory=dict)

    slow: bool = False
    begun: int = 0
    writing: Callable[[], None] = lambda: None

    def begin(self, state: State, pipeline: Pipeline) -> Future[int]:  # noqa: ARG002
        positions = {topic_partition: p.next_offset for topic_partition, p in state.partitions.items()}
        written = Written(lambda: self.end(written, positions))
        self.begun += 1
        if not self.slow:
            written.finish()
        self.writing = written.finish
        return written

    def end(self, written: Future[int], positions: dict[TopicPartition, int]) -> None:
        if self.error is not None:
            written.set_exception(self.error)
        else:
            self.journal.append("save")
            self.positions = positions
            written.set_result(7)


class Written(Future[int]):
    """Done when ``finish`` is called, or somebody waits for it."""

    def __init__(self, finish: Callable[[], None]) -> None:
        super().__init__()
        self.finish = finish

    def result(self, timeout: float | None = None) -> int:
        if not self.done():
            self.finish()
        return super().result(timeout)


@dataclass
class References:
    journal: Journal
    error: Exception | None = None
    kept: list[Reference] = field(default_factory=list)

    def numbered(self, reference: Reference) -> Reference:
        return reference

    def keep(self, reference: Reference) -> None:
        if self.error is not None:
            raise self.error
        self.journal.append("keep")
        self.kept.append(reference)


@dataclass
class Rejects:
    sent: int = 0
    failed: int = 0
    error: Exception | None = None
    details: list[str] = field(default_factory=list)
    given: list[tuple[int, list[int]]] = field(default_factory=list)
    flushed: int = 0

    def send(self, records: RecordBatch, rejects: Sequence[Reject]) -> None:
        self.given.append((len(records), [r.offset for r in rejects]))
        self.details += [r.detail for r in rejects]
        self.sent += len(rejects)

    def flush(self, timeout_seconds: float) -> None:  # noqa: ARG002
        if self.error is not None:
            raise self.error
        self.flushed += 1


class Stage:
    """A daemon with everything around it in memory; ``go`` makes it turn, time passing before each round."""

    def __init__(self, source: Source, *, start: str = "earliest", state: State | None = None) -> None:
        self.time = 0.0
        self.journal = source.journal = Journal()
        self.source, self.sink = source, Sink(self.journal)
        self.checkpoints, self.references, self.rejects = Checkpoints(self.journal), References(self.journal), Rejects()
        watch = ModelSettings(choose, Learning(bins=5, created_by=LEARNED_BY), learn_events=100)
        pipeline = Pipeline(Numbers(), Monitor(WINDOWS, watch))
        self.telemetry = Telemetry()
        self.daemon = Daemon(
            pipeline,
            state or State(),
            source,
            self.checkpoints,
            Reporter(MetricsSink(), self.telemetry, pipeline),
            Clock(lambda: 1e9 + self.time, lambda: self.time),
            Timing(ME, start),
            [self.sink],
            self.rejects,
            self.references,
        )

    @property
    def state(self) -> State:
        return self.daemon.state

    def reached(self) -> int | None:
        return self.daemon.state.frontier

    def go(self, *seconds: float) -> None:
        for s in seconds:
            self.time += s
            self.daemon.round()


def numbers(n: int = N, shift_at: int = SHIFT) -> tuple[list[bytes], list[float]]:
    batch = stream(np.random.default_rng(11), n, shift_at)
    x = np.asarray(batch.columns["x"], np.float64)
    return [repr(v).encode() for v in x.tolist()], batch.times.tolist()


def drifting(topic_partition: TopicPartition = A) -> Source:
    values, times = numbers()
    return Source({topic_partition: values}, times={topic_partition: times})


def quiet(*partitions: TopicPartition, n: int = 20) -> Source:
    """A few records a partition, a second apart."""
    times = [1000.0 + i for i in range(n)]
    return Source(
        {topic_partition: [b"1"] * n for topic_partition in partitions}, times=dict.fromkeys(partitions, times)
    )


def full_disk() -> StateUnwritable:
    return StateUnwritable("checkpoint: cannot be written: No space left on device; the last good one is kept")


def test_findings_are_told_before_the_state_is_saved_before_offsets_are_committed() -> None:
    stage = Stage(drifting())
    stage.go(0, 10)
    assert stage.journal == ["emit", "flush", "save", "keep", "commit"]
    assert {f.status for f in stage.sink.taken} >= {Status.WARNING}
    assert stage.checkpoints.positions == {A: N}
    assert stage.source.commits == {A: (N, ME)}


def test_between_checkpoints_nothing_is_saved_or_committed() -> None:
    stage = Stage(drifting())
    stage.go(0, 4, 5)
    assert stage.journal == ["emit"]
    stage.go(1)
    assert stage.journal == ["emit", "flush", "save", "keep", "commit"]


def test_without_news_nothing_is_saved_again() -> None:
    stage = Stage(quiet(A))
    stage.go(0, 10, 10, 10)
    assert stage.journal == ["flush", "save", "commit"]


def test_nothing_is_committed_while_the_checkpoint_fails_and_it_is_tried_again() -> None:
    stage = Stage(quiet(A))
    stage.checkpoints.error = full_disk()
    stage.go(0, 10, 10)
    assert stage.source.commits == {}
    assert stage.telemetry.get("driftd_checkpoint_failures_total") == 2
    stage.source.append(A, [b"1"], [1020.0])
    stage.go(1)
    assert stage.state.accepted == 21  # monitoring goes on
    stage.checkpoints.error = None
    stage.go(10)
    assert stage.source.commits == {A: (21, ME)}
    assert stage.telemetry.get("driftd_checkpoint_bytes") == 7


def test_a_checkpoint_is_committed_when_it_is_on_disk_and_the_loop_does_not_wait_for_it() -> None:
    stage = Stage(quiet(A))
    stage.checkpoints.slow = True
    stage.go(0, 10)
    stage.source.append(A, [b"1"], [1020.0])
    stage.go(10, 10)
    assert stage.state.accepted == 21
    assert stage.checkpoints.begun == 1, "one at a time"
    assert stage.source.commits == {}
    stage.checkpoints.writing()
    stage.go(1)
    assert stage.source.commits == {A: (20, ME)}, "what the checkpoint holds, and not what came since"
    assert stage.checkpoints.begun == 2
    stage.checkpoints.error = full_disk()
    stage.checkpoints.writing()
    stage.go(1)
    assert stage.telemetry.get("driftd_checkpoint_failures_total") == 1
    assert stage.source.commits == {A: (20, ME)}
    stage.checkpoints.error, stage.checkpoints.slow = None, False
    stage.go(10)
    assert stage.source.commits == {A: (21, ME)}


@pytest.mark.parametrize("goes", ["lost", "revoked", "stopped"])
def test_partitions_that_go_while_a_checkpoint_is_written(goes: str) -> None:
    stage = Stage(quiet(A, B))
    stage.checkpoints.slow = True
    stage.go(0, 10)
    stage.source.append(A, [b"1"], [1020.0])
    if goes == "lost":
        stage.source.lose([A])
        stage.go(1)
        stage.checkpoints.writing()
        stage.go(1)
        assert stage.source.commits == {B: (20, ME)}, "what was lost is another's to commit"
    elif goes == "revoked":
        stage.go(1)
        stage.source.revoke([A])
        stage.go(1)
        assert stage.source.commits == {A: (21, ME), B: (20, ME)}, "it waits, and saves what came since"
    else:
        stage.go(1)
        stage.daemon.drain()
        assert stage.source.commits == {A: (21, ME), B: (20, ME)}
        assert stage.checkpoints.positions == {A: 21, B: 20}


def test_a_sink_that_cannot_flush_holds_the_checkpoint_back() -> None:
    stage = Stage(quiet(A))
    stage.sink.flush_error = SourceError("kafka: findings are not acknowledged")
    stage.go(0, 10)
    assert stage.journal == []
    stage.sink.flush_error = None
    stage.go(10)
    assert stage.journal == ["flush", "save", "commit"]


@pytest.mark.parametrize("error", [full_disk(), SourceError("kafka: no answer")], ids=["full disk", "broker away"])
def test_a_findings_sink_that_fails_gets_the_same_findings_again(error: Exception) -> None:
    stage = Stage(drifting())
    other = Sink(stage.journal)
    stage.daemon.findings = [stage.sink, other]
    stage.daemon.__post_init__()
    stage.sink.error = error
    stage.go(0, 10)
    assert "save" not in stage.journal
    assert stage.source.commits == {}
    stage.sink.error = None
    stage.go(10)
    assert len(stage.sink.offered) == 3  # when found, at the failed checkpoint, and at the next
    assert stage.sink.offered[0] == stage.sink.offered[1] == stage.sink.taken
    assert other.taken == stage.sink.taken  # and the one that works gets them once
    assert stage.source.commits == {A: (N, ME)}


def test_commits_that_are_refused_lose_nothing() -> None:
    stage = Stage(quiet(A))
    stage.source.refuse_commits = True
    stage.go(0, 10)
    assert stage.source.commits == {}
    assert stage.checkpoints.positions == {A: 20}
    assert stage.telemetry.get("driftd_commit_failures_total") == 1


@pytest.mark.parametrize(
    ("mine", "committed", "start", "expected"),
    [
        # the log holds offsets 3 to 19
        pytest.param(5, None, "latest", 5, id="own checkpoint, nothing committed"),
        pytest.param(5, (9, ME), "latest", 5, id="own checkpoint, committed by itself: the state is that of 5"),
        pytest.param(5, (9, OTHER), "latest", 9, id="own checkpoint, another instance went on to 9"),
        pytest.param(9, (5, OTHER), "latest", 9, id="own checkpoint is further on than another instance"),
        pytest.param(5, (9, ""), "latest", 5, id="own checkpoint, committed by who knows whom"),
        pytest.param(None, (7, OTHER), "latest", 7, id="no checkpoint, committed by another instance"),
        pytest.param(None, (7, ME), "latest", 7, id="no checkpoint, committed by itself: the state was lost"),
        pytest.param(None, (7, ""), "earliest", 7, id="a committed offset goes before the start policy"),
        pytest.param(None, None, "latest", 20, id="neither: latest"),
        pytest.param(None, None, "earliest", 3, id="neither: earliest"),
    ],
)
def test_start_position(mine: int | None, committed: tuple[int, str] | None, start: str, expected: int) -> None:
    source = quiet(A)
    source.delete_before(A, 3)
    if committed is not None:
        source.commits[A] = committed
    state = State() if mine is None else State(partitions={A: PartitionState(mine, released=True)})
    stage = Stage(source, start=start, state=state)
    stage.go(0)
    assert source.positions() == {A: expected}
    assert stage.state.partitions[A].next_offset == expected
    assert not stage.state.partitions[A].released


@pytest.mark.parametrize(
    ("mine", "committed", "start", "expected", "rewinds"),
    [
        # the topic's id is "new" now; the log holds offsets 3 to 19
        pytest.param((5, "new"), None, "latest", 5, 0, id="the same topic"),
        pytest.param((5, ""), None, "latest", 5, 0, id="the id was not known"),
        pytest.param((5, "old"), None, "latest", 3, 1, id="made anew: from its beginning"),
        pytest.param((5, "old"), (9, ME), "latest", 3, 1, id="made anew, with a commit of our old position"),
        pytest.param((15, "old"), (9, OTHER), "latest", 9, 0, id="made anew, and another instance has read it"),
        pytest.param(None, None, "latest", 20, 0, id="never read"),
    ],
)
def test_a_position_belongs_to_a_topic_and_not_to_its_name(
    mine: tuple[int, str] | None, committed: tuple[int, str] | None, start: str, expected: int, rewinds: int
) -> None:
    source = quiet(A)
    source.delete_before(A, 3)
    source.topics = {"t": "new"}
    if committed is not None:
        source.commits[A] = committed
    state = State()
    if mine is not None:
        state.partitions[A] = PartitionState(mine[0], released=True, topic_id=mine[1])
    stage = Stage(source, start=start, state=state)
    source.max_poll_records = 0  # rewinds are found, nothing is read
    stage.go(0, 1)
    assert source.positions() == {A: expected}
    partition = stage.state.partitions[A]
    assert (partition.next_offset, partition.topic_id) == (expected, "new")
    assert stage.telemetry.get("driftd_rewinds_total") == rewinds
    assert stage.state.balanced


def test_a_topic_that_did_not_exist_when_we_stopped_is_read_from_its_beginning() -> None:
    before = Stage(quiet(A))
    before.source.missing = ("later",)
    before.go(0)
    assert before.state.awaited == {"later"}
    source = quiet(A, ("later", 0))
    stage = Stage(source, start="latest", state=State(awaited=before.state.awaited))
    stage.go(0)
    assert source.positions() == {A: 20, ("later", 0): 0}
    assert stage.state.awaited == frozenset()


def test_a_committed_offset_of_zero_is_a_position() -> None:
    source = quiet(A)
    source.commits[A] = (0, OTHER)
    stage = Stage(source, start="latest")
    stage.go(0)
    assert source.positions() == {A: 0}


def test_a_broker_that_is_away_at_the_assignment_is_asked_again() -> None:
    source = quiet(A)
    source.connected = False
    stage = Stage(source)
    stage.go(0, 1)
    assert stage.state.partitions == {}
    assert stage.daemon.reporter.not_ready
    source.connected = True
    stage.go(1, 1)
    assert stage.state.accepted == 20
    assert stage.daemon.reporter.not_ready == ()


def test_a_poll_that_fails_for_now_is_repeated() -> None:
    stage = Stage(quiet(A))
    stage.source.error = SourceError("kafka: no answer")
    stage.go(0, 1, 1)
    assert stage.state.accepted == 20


def test_after_an_error_the_last_whole_checkpoint_stands_and_the_source_is_closed() -> None:
    stage = Stage(quiet(A))
    stage.go(0, 10)
    stage.source.append(A, [b"1"], [1020.0])
    stage.go(1)
    stage.source.error = SourceRefused("kafka: not authorised")
    with pytest.raises(SourceRefused):
        stage.daemon.run()
    assert stage.checkpoints.positions == {A: 20}
    assert stage.source.commits == {A: (20, ME)}
    assert stage.source.closed


def test_a_partition_that_is_caught_up_and_silent_is_idle_and_holds_nobody_back() -> None:
    source = quiet(A, n=100)  # times 1000 to 1099, out of orderness 20: closed through pane 106
    source.append(B, [])
    source.assign([A, B])
    stage = Stage(source)
    stage.go(0, 1, 58)
    assert stage.reached() is None  # B might still have something to say
    stage.go(2)
    assert stage.reached() is None  # now both are idle, and with nobody active nothing moves
    source.append(A, [b"1"], [1100.0])
    stage.go(1)
    assert stage.reached() == 107


def test_a_partition_that_wakes_up_counts_again() -> None:
    source = quiet(A, n=100)
    source.append(B, [])
    source.assign([A, B])
    stage = Stage(source)
    stage.go(0, 61)
    source.append(A, [b"1"], [1100.0])
    stage.go(1)
    before = stage.reached()
    source.append(B, [b"1"], [1101.0])
    source.append(A, [b"1"], [1300.0])
    stage.go(60)
    assert before == 107
    assert stage.reached() == 107  # B is at 1101 and held A back


def test_a_partition_that_is_behind_is_never_idle() -> None:
    source = quiet(A, B, n=100)
    source.max_poll_records = 10  # A is read first, so B waits
    stage = Stage(source)
    stage.go(0, *[100.0] * 10)
    assert stage.source.positions() == {A: 100, B: 0}
    assert stage.reached() is None
    stage.go(*[1.0] * 10)
    assert stage.reached() == 106
    assert stage.state.late == 0


def test_silence_while_the_broker_is_away_is_not_idleness() -> None:
    source = quiet(A)
    source.append(B, [])
    source.assign([A, B])
    stage = Stage(source)
    stage.go(0, 1)
    source.connected = False
    stage.go(1000)
    source.connected = True
    source.append(A, [b"1"], [2000.0])
    stage.go(1)
    assert stage.reached() is None


def test_a_gap_is_counted_as_received_and_dropped_and_reading_goes_on_behind_it() -> None:
    source = quiet(A)
    source.commits[A] = (15, OTHER)
    stage = Stage(source)
    stage.go(0)
    source.delete_before(A, 20)
    stage.go(10)
    assert (stage.state.received, stage.state.dropped["gap"]) == (5, 5)
    assert stage.state.balanced
    assert stage.state.partitions[A].next_offset == 20
    assert source.commits == {A: (20, ME)}
    source.append(A, [b"1"], [1020.0])
    stage.go(10)
    assert (stage.state.received, stage.state.accepted) == (6, 1)
    assert source.commits == {A: (21, ME)}


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        pytest.param(GapCause.TOO_LARGE, "decompression_bomb", id="a bomb"),
        pytest.param(GapCause.DAMAGED, "damaged", id="a checksum that differs"),
        pytest.param(GapCause.OVERSIZED, "too_large", id="a batch that is too large to be fetched"),
    ],
)
def test_records_that_cannot_be_read_are_rejected_and_one_dead_letter_says_where(cause: GapCause, reason: str) -> None:
    source = quiet(A, n=3)
    stage = Stage(source)
    stage.go(0, 1)
    source._gaps.append(Gap(A, 103, 110, cause, "no good"))
    stage.go(10)
    assert (stage.state.received, stage.state.accepted, stage.state.rejected[reason]) == (10, 3, 7)
    assert stage.state.balanced
    assert stage.state.dropped.total() == 0
    assert stage.state.partitions[A].next_offset == 110
    assert stage.rejects.given[-1] == (1, [103])
    assert stage.rejects.details[-1] == "offsets 103 to 109: no good"


def test_a_gap_before_records_of_the_same_poll_does_not_put_the_position_back() -> None:
    source = quiet(A)
    source.commits[A] = (15, OTHER)
    stage = Stage(source)
    stage.go(0)
    source.delete_before(A, 20)
    source.append(A, [b"1", b"1"], [1020.0, 1020.0])
    stage.go(10)
    assert (stage.state.received, stage.state.accepted, stage.state.dropped["gap"]) == (7, 2, 5)
    assert stage.state.partitions[A].next_offset == 22
    stage.go(20)
    assert source.commits == {A: (22, ME)}


def test_a_topic_made_anew_is_read_from_its_beginning_and_nothing_is_dropped() -> None:
    source = quiet(A)
    source.commits[A] = (500, OTHER)
    source.delete_before(A, 20)
    stage = Stage(source)
    stage.go(0, 10)
    assert stage.state.dropped.total() == 0
    assert source.commits == {A: (20, ME)}


def test_drain_saves_and_commits_what_was_taken_in_and_closes() -> None:
    stage = Stage(drifting())
    stage.source.daemon, stage.source.polls_left = stage.daemon, 2
    stage.daemon.run()
    assert stage.journal == ["emit", "flush", "save", "keep", "commit"]
    assert stage.source.commits == {A: (N, ME)}
    assert stage.source.closed


def test_drain_closes_though_the_disk_is_full_and_commits_nothing() -> None:
    stage = Stage(quiet(A))
    stage.source.daemon, stage.source.polls_left = stage.daemon, 2
    stage.checkpoints.error = full_disk()
    with pytest.raises(NotSaved, match=r"without saving: 20 records .* are read again .* No space left on device"):
        stage.daemon.run()
    assert stage.source.commits == {}
    assert stage.source.closed


def test_who_has_let_go_of_what_it_read_names_no_number_of_records() -> None:
    stage = Stage(quiet(A))
    stage.go(1.0)
    stage.daemon._saver.save(wait=True)
    stage.state.received -= 15  # as of a member whose partitions went
    stage.checkpoints.error = full_disk()
    with pytest.raises(NotSaved, match=r"without saving: records since the last checkpoint are read again"):
        stage.daemon.drain()


def test_a_start_at_the_topics_end_is_saved_before_anything_is_read() -> None:
    """kill -9 before the first checkpoint: what came in between must not be skipped by another "latest"."""
    source = quiet(A)
    stage = Stage(source, start="latest")
    stage.go(0)
    assert stage.journal == ["flush", "save", "commit"]
    assert stage.checkpoints.positions == {A: 20}
    assert source.commits == {A: (20, ME)}
    again = Stage(quiet(A), start="earliest")
    again.go(0)
    assert again.journal == []


def test_so_is_the_beginning_of_a_topic_that_came_after_the_start() -> None:
    """After kill -9 nobody would know that it was awaited, and "latest" would skip all of it."""
    source = quiet(A)
    stage = Stage(source, start="latest", state=State(awaited=frozenset({A[0]})))
    stage.go(0)
    assert source.positions() == {A: 0}
    assert stage.journal == ["flush", "save", "commit"]
    assert source.commits == {A: (0, ME)}


def test_references_are_kept_only_after_the_checkpoint_that_knows_them() -> None:
    stage = Stage(drifting())
    stage.checkpoints.error = full_disk()
    stage.go(0, 10)
    reference = stage.state.models[Slice("m")].reference
    assert reference is not None
    assert stage.references.kept == []
    stage.checkpoints.error = None
    stage.go(10)
    assert [r.id for r in stage.references.kept] == [reference.id]
    stage.source.append(A, [b"1"], [2000.0])
    stage.go(10)
    assert len(stage.references.kept) == 1


def test_a_reference_that_a_full_disk_refused_is_kept_at_the_next_checkpoint() -> None:
    stage = Stage(drifting())
    stage.references.error = full_disk()
    stage.go(0, 10)
    assert stage.source.commits == {}
    stage.references.error = None
    stage.go(10)
    assert len(stage.references.kept) == 1
    assert stage.source.commits == {A: (N, ME)}


def test_a_reference_of_the_users_is_used_and_not_stored_again() -> None:
    stage = Stage(drifting())
    users = build(stream(np.random.default_rng(12), 300), Learning(bins=5, created_by="cli"))
    assert start_models(stage.state, stage.daemon.pipeline, {"m": users}) == []
    stage.go(0, 10)
    assert stage.state.models[Slice("m")].reference is users
    assert stage.references.kept == []
    assert "save" in stage.journal


def test_partitions_being_taken_away_are_saved_and_committed_at_once() -> None:
    stage = Stage(quiet(A, B))
    stage.go(0, 1)
    stage.source.revoke([B])
    stage.go(1)
    assert stage.source.commits == {B: (20, ME)}
    assert stage.journal == ["flush", "save", "commit"]


def test_what_others_own_already_is_not_committed_and_holds_nobody_back() -> None:
    source = quiet(A, n=100)
    source.append(B, [b"1"], [1000.0])
    source.assign([A, B])
    stage = Stage(source)
    stage.go(0, 1)
    assert stage.reached() == 97
    source.lose([B])
    stage.go(10)
    assert stage.state.partitions[B].released
    assert stage.reached() == 106
    assert source.commits == {A: (100, ME)}


def test_an_assignment_releases_what_is_not_in_it() -> None:
    stage = Stage(quiet(A, B))
    stage.go(0, 1)
    stage.source.assign([A])
    stage.go(10)
    assert stage.state.partitions[B].released
    assert set(stage.source.commits) == {A}


def test_what_is_rejected_goes_to_the_dead_letters_before_the_state_is_saved() -> None:
    source = quiet(A, n=3)
    source.append(A, [b"junk", None], [1003.0, 1004.0])
    stage = Stage(source)
    stage.go(0, 1)
    source.append(A, [b"1"], [1005.0])
    stage.go(10)
    assert stage.rejects.given == [(5, [3, 4])]
    assert stage.rejects.flushed == 1
    assert stage.telemetry.get("driftd_dead_letters_total", "sent") == 2
    assert stage.state.rejected["not_json"] == 2
    assert stage.state.balanced


def test_no_offset_passes_a_dead_letter_that_waits() -> None:
    source = quiet(A, n=3)
    source.append(A, [b"junk"], [1003.0])
    stage = Stage(source)
    stage.rejects.error = SourceError("topic 'dead': 1 dead letters wait: no broker answers")
    stage.go(0, 10)
    assert (stage.journal, source.commits) == (["flush"], {})
    assert "nothing is saved: topic 'dead': 1 dead letters wait" in stage.daemon.reporter.not_ready[-1]
    assert stage.telemetry.get("driftd_ready") == 1, "the models are watched all the while"
    stage.rejects.error = None
    stage.go(10)
    assert (stage.journal, source.commits) == (["flush", "flush", "save", "commit"], {A: (4, ME)})
    assert stage.daemon.reporter.not_ready == ()


def test_while_most_records_are_bad_no_dead_letters_are_sent_and_every_one_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Timeline: 200 good, 1,500 bad in three polls, 3,500 good in seven, 1 bad."""
    caplog.set_level("INFO")
    source = quiet(A, n=200)
    stage, at = Stage(source), 1200.0
    opened = []
    for values in ([], [b"junk"] * 500, [b"junk"] * 500, [b"junk"] * 500, *[[b"1"] * 500] * 7, [b"junk"]):
        source.append(A, values, [at] * len(values))
        stage.go(1)
        opened.append(stage.telemetry.get("driftd_circuit_breaker_open"))
    assert opened == [0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    assert [n for n, _ in stage.rejects.given] == [700, 1]
    assert stage.telemetry.get("driftd_dead_letters_total", "suppressed") == 1000
    assert stage.state.rejected["not_json"] == 1501
    assert stage.state.balanced
    said = [r.message for r in caplog.records if "most records" in r.message]
    assert [r.split(":")[0] for r in said] == ["most records are rejected", "most records are usable again"]


def test_what_is_shed_is_told_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(quiet(A))
    behind = [Lag(20_000, 700, caught_up=False)]
    stage.source.lag = lambda: dict.fromkeys([A], behind[0])  # type: ignore[method-assign]
    stage.daemon.ladder = Ladder(600)
    told = []
    for _ in range(4):
        stage.go(60)
        told.append((stage.telemetry.get("driftd_degradation_level"), stage.daemon.pipeline.shed))
        behind[0] = Lag(30_000, 700, caught_up=False) if len(told) < 3 else Lag(0, 0, caught_up=True)
    assert told == [(0, 0), (1, 1), (2, 2), (1, 1)]
    assert [r.getMessage() for r in caplog.records if "keep" in r.getMessage()] == [
        "driftd does not keep up: level 1, sequential detectors wait, but for those of errors (0 before); 700 s behind",
        "driftd does not keep up: level 2, half of the records are read (1 before); 700 s behind",
        "driftd keeps up again: level 1, sequential detectors wait, but for those of errors (2 before); 0 s behind",
    ]


def test_a_reload_is_done_between_rounds_and_told() -> None:
    stage = Stage(quiet(A))
    asked: list[Daemon] = []

    def fails(daemon: Daemon) -> bool:
        asked.append(daemon)
        return False

    stage.daemon.reload = fails
    stage.go(0)
    stage.daemon.ask_reload()
    stage.go(1, 1)
    assert asked == [stage.daemon]
    assert stage.telemetry.get("driftd_config_last_reload_successful") == 0


@pytest.mark.parametrize("disk", ["quick", "slow"])
@pytest.mark.parametrize("dies_after", [1, 3, 5, 7])
def test_after_a_crash_the_result_is_the_same_and_repeated_findings_have_the_same_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_after: int, disk: str
) -> None:
    """Killed without a drain: the offsets committed and the findings told may be ahead of the checkpoint or behind. On
    a slow disk the first checkpoint is there only when the daemon dies.
    """
    durable = threading.Event()
    monkeypatch.setattr(store, "_sync", lambda _: durable.wait())

    def run(folder: Path, *, crash: bool) -> tuple[bytes, list[str]]:
        source, told = drifting(), list[str]()
        source.max_poll_records = 100
        file = CheckpointFile(folder, lambda: 0.0)
        stage = Stage(source)
        durable.clear() if crash and disk == "slow" else durable.set()
        for i in range(12):
            if crash and i == dies_after:
                durable.set()
                told += [f.id for f in stage.sink.taken]
                source.assign([A])
                state, said = file.load(stage.daemon.pipeline)
                assert not said
                stage = Stage(source, state=state)
            stage.daemon.checkpoints = file
            stage.go(4)
        while stage.state.partitions[A].next_offset < N:  # the fewer checkpoints, the more is read again
            stage.go(4)
        told += [f.id for f in stage.sink.taken]
        return frozen(stage.daemon.pipeline, stage.state), list(dict.fromkeys(told))

    whole = run(tmp_path / "whole", crash=False)
    assert whole[1]
    assert run(tmp_path / "crash", crash=True) == whole
