"""Records whose schema cannot be fetched: reading waits for it, no offset passes, and nothing is read twice.

A   batch batch|batch ...    the registry is away at |: what is behind it waits, in order
B   batch batch batch        goes on
"""

from __future__ import annotations

import numpy as np
import pytest

from driftd.core.errors import SourceError
from driftd.core.event import RecordBatch
from driftd.engine.delayed import Delayed
from driftd.sources import Gap, GapCause
from tests.unit.engine.test_daemon import OTHER, A, B, Numbers, Stage, quiet


class Fetching(Numbers):
    """Cannot decode records of the partitions that are ``away``, nor those of A before the offset ``first``."""

    def __init__(self) -> None:
        self.away: set[object] = set()
        self.first = 0
        self.asked = 0

    def prepare(self, records: RecordBatch) -> None:
        self.asked += 1
        too_early = records.topic_partition == A and records.offsets[0] < self.first
        if too_early or records.topic_partition in self.away:
            raise SourceError("schema registry http://r: no answer in 5 s; reading waits, nothing is lost")


def staged(*partitions: tuple[str, int], n: int = 40) -> tuple[Stage, Fetching]:
    source = quiet(*partitions, n=n)
    source.max_poll_records = 10
    stage, codec = Stage(source), Fetching()
    stage.daemon.pipeline.codec = codec
    return stage, codec


def at(stage: Stage) -> dict[tuple[str, int], int]:
    return {place: p.next_offset for place, p in stage.state.partitions.items()}


def test_a_partition_waits_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    stage, codec = staged(A, B)
    codec.away = {A}
    stage.go(0, 1, 1, 1, 1, 1, 1, 1, 10)
    assert at(stage) == {A: 0, B: 40}
    assert stage.state.received == 40
    assert stage.source.commits[A][0] == 0  # its offset has not passed
    assert stage.reached() is None  # it is not idle: it holds the others back
    assert [r.message for r in caplog.records if "schema registry" in r.message] == [
        "schema registry http://r: no answer in 5 s; reading waits, nothing is lost"
    ]
    codec.away = set()
    stage.go(1, 1, 1, 1, 1, 1, 10)
    assert at(stage) == {A: 40, B: 40}
    assert stage.state.received == 80
    assert stage.source.commits[A][0] == 40


def test_no_more_is_read_of_it_meanwhile() -> None:
    stage, codec = staged(A)
    codec.away = {A}
    stage.go(0, *[1] * 8)
    assert len(stage.daemon._delayed.records) == 1


def test_one_that_is_idle_for_long_holds_the_others_back_while_it_waits() -> None:
    stage, codec = staged(A, B, n=10)
    codec.away = {A}
    stage.go(0, *[30] * 8)  # it is read to its end, and silent
    assert stage.reached() is None
    codec.away = set()
    stage.go(1, *[30] * 8)
    assert stage.state.late == 0
    assert stage.state.received == 20


def test_whoever_gets_the_partition_reads_what_waited_and_nobody_twice() -> None:
    stage, codec = staged(A, B)
    codec.away = {A}
    stage.go(0, 1, 1)
    stage.source.revoke([A])
    stage.go(1)
    assert not stage.daemon._delayed.records
    codec.away = set()
    stage.source.commits[A] = (0, OTHER)
    stage.source.assign([A, B])
    stage.go(*[1] * 12)
    assert at(stage) == {A: 40, B: 40}
    assert stage.state.received == 80


def test_what_could_be_decoded_waits_behind_what_cannot() -> None:
    codec, delayed, told = Fetching(), Delayed(), list[str]()
    first, second = (RecordBatch(*A, np.arange(i, i + 2), np.full(2, 1000.0), [b"1"] * 2, i + 2) for i in (0, 2))
    other = RecordBatch(*B, np.arange(2), np.full(2, 1000.0), [b"1"] * 2, 2)
    codec.first = 2
    assert delayed.ready([first, other, second], codec.prepare, told.append) == [other]
    assert told == ["schema registry http://r: no answer in 5 s; reading waits, nothing is lost"]
    codec.first = 0
    assert delayed.ready([], codec.prepare, told.append) == [first, second]


def test_a_gap_behind_what_waits_moves_no_offset() -> None:
    stage, codec = staged(A)
    codec.away = {A}
    stage.go(0)
    stage.source._gaps.append(Gap(A, 10, 20, GapCause.RETENTION, "deleted"))
    stage.go(1)
    assert at(stage) == {A: 0}
    assert stage.state.received == 0


def test_records_behind_the_delayed_ones_that_were_deleted_are_counted_when_those_are_read() -> None:
    stage, codec = staged(A)
    stage.go(0)
    codec.away = {A}
    stage.go(1)
    stage.source.delete_before(A, 30)
    stage.go(1, 1)
    before = at(stage)[A]
    codec.away = set()
    stage.go(*[1] * 6)
    assert before < 30
    assert at(stage) == {A: 40}
    assert stage.state.received == 40
    assert stage.state.balanced


def test_stopping_leaves_what_waited_for_the_next_start() -> None:
    stage, codec = staged(A)
    stage.go(0)
    codec.away = {A}
    stage.go(1)
    read = at(stage)[A]
    stage.daemon.drain()
    assert stage.source.commits[A][0] == read
