"""A partition far ahead of the others waits for them: memory does not depend on how partitions are filled."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftd.core.event import Decoded, TopicPartition
from driftd.core.finding import Finding
from driftd.engine import frontier, read_ahead
from driftd.engine.pipeline import Pipeline
from driftd.engine.read_ahead import SOONER, held, waiting_bytes
from driftd.engine.reporter import Reporter
from driftd.engine.state import State, together
from driftd.engine.store import CheckpointFile
from tests.unit.core.make import WINDOWS, events, feed, frozen, pipeline, stream
from tests.unit.engine.test_daemon import A, B, Source, Stage, numbers

C = ("t", 2)
NONE: frozenset[TopicPartition] = frozenset()


def partitions(a: float, b: float | None, *, learned: bool = False) -> tuple[Pipeline, State]:
    """Partition A read up to the event time ``a``, B up to ``b``, C without an event."""
    p, state = pipeline(learn_events=100), State()
    if learned:
        feed(p, state, ("before", 0), stream(np.random.default_rng(1), 500))
        state.partitions[("before", 0)].released = True
    for source in (A, B, C):
        p.ingest(state, source, 0, Decoded(0, [], []))
    for source, end in ((A, a), (B, b)):
        if end is not None:
            times = np.arange(1200.0, end, 10.0)
            p.ingest(
                state,
                source,
                1,
                Decoded(len(times), [events(times.tolist(), [0.0] * len(times), ["red"] * len(times))], []),
            )
    p.settle(state)
    return p, state


def waiting_in(state: State, at: TopicPartition) -> int:
    return sum(waiting_bytes(stream, WINDOWS.pane_seconds) for stream in state.partitions[at].streams.values())


def test_rows_that_wait_for_a_reference_count_as_the_panes_that_they_become() -> None:
    rows, panes = (waiting_in(partitions(5000, 2000, learned=learned)[1], A) for learned in (False, True))
    assert panes > 500_000
    assert 0.8 < rows / panes < 3


#   A  ==============|
#   B  =====|
#   C  (empty)
@pytest.mark.parametrize("learned", [False, True], ids=["rows", "panes"])
def test_who_is_ahead_waits_and_who_holds_the_others_back_is_read_on(
    monkeypatch: pytest.MonkeyPatch, learned: bool
) -> None:
    p, state = partitions(5000, 2000, learned=learned)
    assert held(state, p.monitor.windows, NONE) == NONE  # there is memory
    size = sum(waiting_in(state, at) for at in (A, B))
    assert size > 1000
    monkeypatch.setattr(read_ahead, "MOST_BYTES", size - 1)
    assert held(state, WINDOWS, NONE) == {A, B}
    monkeypatch.setattr(read_ahead, "MOST_BYTES", size)
    assert held(state, WINDOWS, NONE) == NONE
    assert held(state, WINDOWS, frozenset({A})) == {A, B}  # half of it must be free before reading goes on
    p.settle(state, frozenset({C}))  # C is idle: B holds A back
    monkeypatch.setattr(read_ahead, "MOST_BYTES", 0)
    assert held(state, WINDOWS, NONE) == {A}
    p.settle(state, frozenset({B, C}))
    assert held(state, WINDOWS, frozenset({A})) == NONE


def test_who_is_ahead_waits_sooner_where_those_behind_have_something_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    p, state = partitions(5000, 2000)
    p.settle(state, frozenset({C}))  # C is idle: B holds A back
    size = waiting_in(state, A)
    monkeypatch.setattr(read_ahead, "MOST_BYTES", SOONER * (size - 1))
    assert held(state, WINDOWS, NONE, [A]) == NONE
    assert held(state, WINDOWS, NONE, [A, B]) == {A}
    monkeypatch.setattr(read_ahead, "MOST_BYTES", SOONER * size)
    assert held(state, WINDOWS, NONE, [A, B]) == NONE


def test_a_partition_of_another_member_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    _, state = partitions(5000, None)
    monkeypatch.setattr(read_ahead, "MOST_BYTES", 0)
    assert held(state, WINDOWS, NONE) == {A}
    state.partitions[A].released = True
    assert held(state, WINDOWS, NONE) == NONE


@settings(max_examples=15, deadline=None)
@given(size=st.integers(1, 60), cuts=st.lists(st.integers(1, 899), max_size=6))
def test_slices_lead_to_what_one_settle_leads_to(size: int, cuts: list[int]) -> None:
    batch = stream(np.random.default_rng(2), 900, 500)
    results = []
    for sliced in (False, True):
        p, state, found = pipeline(), State(), list[Finding]()
        for low, high in itertools.pairwise(sorted({0, 900, *cuts})):
            part = batch.take(np.arange(low, high))
            p.ingest(state, A, high, Decoded(len(part), [part], []))
            if not sliced:
                found += p.settle(state).findings
                continue
            with pytest.MonkeyPatch.context() as here:
                here.setattr(frontier, "SLICE_PANES", size)
                found += together([o for stop in p.stops(state) for o in p.close(state, stop)]).findings
        results.append((frozen(p, state), found))
    assert results[0][1]
    assert results[0] == results[1]


def test_a_long_jump_of_the_frontier_is_cut_into_slices() -> None:
    p, state = pipeline(learn_events=100), State()
    feed(p, state, A, stream(np.random.default_rng(1), 500))
    times = np.arange(1200.0, 61_200.0, 10.0)
    rows = events(times.tolist(), [0.0] * len(times), ["red"] * len(times))
    rows = replace(rows, offsets=rows.offsets + 500)
    p.ingest(state, A, 6500, Decoded(len(times), [rows], []))
    stops = p.stops(state)
    assert len(stops) == 6
    assert np.diff(stops).tolist()[:-1] == [frontier.SLICE_PANES] * 4


def lopsided(n: int = 3000) -> Source:
    values, times = numbers(n)
    return Source({A: values, B: [], C: []}, times={A: times})


def test_a_backlog_beside_empty_partitions_is_read_no_further_than_memory_allows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = lopsided()
    source.max_poll_records = 100
    stage = Stage(source)
    stage.daemon.checkpoints = CheckpointFile(tmp_path, lambda: 0.0)
    monkeypatch.setattr(read_ahead, "MOST_BYTES", 1_000_000)
    stage.go(*[1.0] * 50)
    read = stage.state.received
    assert 100 < read < 2500
    assert stage.telemetry.get("driftd_held_partitions") == 1
    stage.go(*[1.0] * 60)  # the empty ones are idle now: nobody is ahead any more
    assert stage.state.received == 3000
    assert stage.telemetry.get("driftd_held_partitions") == 0
    assert stage.state.balanced
    assert stage.state.late == 0


def test_the_heart_beats_between_slices_and_a_stop_need_not_wait_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontier, "SLICE_PANES", 5)
    stage = Stage(lopsided(1500))
    beats: list[int | None] = []
    monkeypatch.setattr(Reporter, "beat", lambda *_: beats.append(stage.reached()))
    stage.go(0.0, 1.0, 1.0)
    assert stage.reached() is None
    beats.clear()
    stage.source.append(A, [b"0"], [2000.0])
    stage.go(61.0)
    assert len(set(beats)) > 5
    again = Stage(lopsided(1500))
    again.go(0.0, 1.0, 1.0)
    again.daemon.stopping = True
    again.source.append(A, [b"0"], [2000.0])
    again.go(61.0)
    first = again.reached()
    assert first is not None
    assert first == beats[0]
    again.daemon.stopping = False
    again.go(1.0)
    assert again.reached() == stage.reached()
    assert frozen(again.daemon.pipeline, again.state) == frozen(stage.daemon.pipeline, stage.state)
