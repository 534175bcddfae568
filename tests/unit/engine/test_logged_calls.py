"""Calls whose halves are records of their own, through the pipeline: every one is counted, over checkpoints too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from driftd.core.event import RecordBatch
from driftd.decode import codec_of
from driftd.engine.forget import _without
from driftd.engine.pipeline import Pipeline
from driftd.engine.snapshot.checkpoint import Checkpoint
from driftd.engine.state import State
from tests.unit.core.make import frozen, pipeline, thawed
from tests.unit.decode.formats.inference import message
from tests.unit.decode.formats.make import Sent, batch, kserve, limits
from tests.unit.engine.test_reporter import reporter

SECONDS = 1_795_413_600


def at(second: int) -> str:
    return f"2026-11-23T06:{second // 60:02d}:{second % 60:02d}Z"


def call(i: int, *, answered: bool = True) -> list[Sent]:
    request = kserve("request", {"instances": [[i, "DE"]]}, str(i), at(i))
    return [request, *([kserve("response", {"predictions": [i % 2]}, str(i), at(i + 1))] if answered else [])]


def watched() -> Pipeline:
    p = pipeline()
    return replace(p, codec=codec_of(limits("kserve")))


def feed(p: Pipeline, state: State, sent: Sequence[Sent], start: int = 0) -> None:
    p.take(state, batch(sent, start, SECONDS + 3600.0))
    p.settle(state)
    assert state.balanced


def test_every_half_ends_in_one_count() -> None:
    p, state = watched(), State()
    calls = [call(i, answered=i % 10 > 0) for i in range(50)]
    feed(p, state, [one for each in calls for one in each])
    assert (state.received, state.accepted, len(state.halves.waiting)) == (45, 45, 5)
    later = [
        kserve("request", {"instances": [[1, "DE"]]}, "x", at(1500)),
        kserve("response", {"predictions": [1]}, "x", at(1501)),
    ]
    feed(p, state, later, 1000)
    assert (state.received, state.accepted) == (51, 46)
    assert state.dropped == {"unanswered": 5}
    told = reporter(p)
    told.counts(state)
    outcomes = dict(told.telemetry.rows("driftd_logged_calls_total"))
    assert outcomes["default/sklearn-iris", "unanswered"] == 5
    assert outcomes["default/sklearn-iris", "answered"] == 46
    assert told.telemetry.get("driftd_logged_calls_waiting") == 0


def test_at_the_end_of_a_file_nothing_waits() -> None:
    p, state = watched(), State()
    p.take(state, batch([*call(1), *call(2, answered=False)]))
    p.settle(state, end=True)
    assert state.balanced
    assert state.dropped == {"unanswered": 1}


def test_a_checkpoint_between_the_halves_changes_nothing() -> None:
    sent = [one for i in range(40) for one in call(i, answered=i % 7 > 0)]
    order = np.argsort(np.arange(len(sent)) + np.random.default_rng(3).uniform(0, 16, len(sent)))  # by 16 s at the most
    mixed = [sent[i] for i in order]
    through, p = State(), watched()
    feed(p, through, mixed)
    broken = State()
    for begin in range(0, len(mixed), 9):
        p = watched()
        feed(p, broken, mixed[begin : begin + 9], begin)
        broken = thawed(p, frozen(p, broken))
    assert broken.halves == through.halves
    assert [*broken.halves.waiting] == [*through.halves.waiting]
    assert (broken.received, broken.accepted, broken.dropped) == (through.received, through.accepted, through.dropped)


def test_a_model_that_is_forgotten_leaves_no_half_behind() -> None:
    p, state = watched(), State()
    p.take(state, batch([*call(1), *call(2, answered=False)]))
    checkpoint = Checkpoint.of(state, p.slices.sequential_of, 1.0, 0.0)
    gone = _without(checkpoint, "default/sklearn-iris").halves.restore()
    assert (gone.waiting, gone.counts, gone.size) == ({}, {}, 0)
    assert len(_without(checkpoint, "other").halves.waiting) == 1


def test_records_are_of_the_topic_that_they_came_from() -> None:
    other = RecordBatch("u", 0, np.arange(1), np.full(1, float(SECONDS)), [b"{}"], 1)
    p, state = watched(), State()
    p.take(state, other)
    assert state.rejected == {"bad_envelope": 1}


def test_a_topic_of_requests_alone_holds_nobody_back() -> None:
    """
    inputs    Q Q Q Q Q     every call is complete where its answer is read, and no event is of this partition
    outputs    A A A A A
    """
    p, state = replace(pipeline(), codec=codec_of(limits("seldon"))), State()
    asked = message("Request", {"inputs": [{"name": "x", "shape": ["1"], "contents": {"fp64Contents": [1.5]}}]})
    told = message("Response", {"outputs": [{"name": "y", "shape": ["1"], "contents": {"int64Contents": ["1"]}}]})
    for i in range(0, 200, 10):
        for topic, value, later in (("inputs", asked, 0), ("outputs", told, 1)):
            one = batch([([("x-request-id", str(i).encode())], value)], i, SECONDS + i + later)
            p.take(state, replace(one, source=f"seldon.default.model.m.{topic}"))
        p.settle(state)
    assert state.accepted == 20
    assert state.frontier is not None
    # 20 s of out-of-orderness behind the last request, in panes of 10 s
    assert (state.frontier + 1) * 10 == SECONDS + 190 - 20
    assert state.late == 0


@pytest.mark.parametrize(
    ("time", "reason"), [("2026-11-23T09:00:00Z", "future_time"), ("1890-11-23T09:00:00Z", "bad_time")]
)
def test_the_clock_of_a_request_closes_no_pane_early(time: str, reason: str) -> None:
    p, state = watched(), State()
    p.take(state, batch([*call(1), kserve("request", {"instances": [[1, "DE"]]}, "x", time)], timestamp=SECONDS + 20.0))
    assert state.rejected == {reason: 1}
    assert [partition.reached for partition in state.partitions.values()] == [SECONDS + 2.0]
    assert state.balanced
