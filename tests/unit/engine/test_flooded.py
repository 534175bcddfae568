"""A flood of one model delays no other: a partition that is over its limit holds back only what has events in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from driftd.core.event import Decoded, EventBatch, LateReason, RecordBatch, Schema, TopicPartition
from driftd.core.finding import Finding
from driftd.core.slice import Slice
from driftd.engine.flooded import flooded
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.ingest.rate_limit import RateLimits, is_over
from driftd.ingest.state import Pace
from tests.unit.core.make import events, frozen, pipeline, stream, thawed
from tests.unit.engine.test_daemon import Numbers, Source, Stage

QUIET, LOUD = ("t", 0), ("t", 1)
LIMIT = RateLimits(events_per_second=20)
CALM = replace(stream(np.random.default_rng(1), 1000, shift_at=600), model="calm")
"""1000 s to 1200 s, with a drift at 1120 s."""
FLOOD = 1060.0


def loud() -> EventBatch:
    """10 events a second, and 1,000 from 1060 s to 1100 s."""
    parts = np.arange(1000, FLOOD, 0.1), np.arange(FLOOD, 1100, 0.001), np.arange(1100, 1230, 0.1)
    times = np.concatenate(parts)
    numbers = np.random.default_rng(2).normal(size=len(times))
    batch = events(times.tolist(), numbers.tolist(), ["red"] * len(times), model="loud")
    return replace(batch, offsets=2 * batch.offsets)


ALL = loud()
"""What the partition has of the loud model."""


def beside(batch: EventBatch) -> EventBatch:
    """The same events where those of the loud model are."""
    return replace(batch, offsets=2 * np.searchsorted(ALL.times, batch.times) + 1)


def until(batch: EventBatch, time: float) -> EventBatch:
    return batch.take(np.flatnonzero(batch.times < time))


def since(batch: EventBatch, time: float) -> EventBatch:
    return batch.take(np.flatnonzero(batch.times >= time))


def feed(p: Pipeline, state: State, at: TopicPartition, *batches: EventBatch) -> list[Finding]:
    """Takes them in a hundred seconds at a time, as polls do, and settles after each."""
    found: list[Finding] = []
    for begin in range(0, 3000, 100):
        parts = [until(since(batch, begin), begin + 100) for batch in batches]
        parts = [part for part in parts if len(part)]
        if parts:
            p.ingest(state, at, max(int(b.offsets[-1]) for b in parts) + 1, Decoded(sum(map(len, parts)), parts, []))
            found += p.settle(state).findings
    return found


def read_late(*, limits: RateLimits = LIMIT, loud_until: float = 1070.0) -> tuple[Pipeline, State, list[Finding]]:
    """The quiet partition to its end, the loud one up to a moment."""
    p, state = replace(pipeline(), limits=limits), State()
    p.ingest(state, QUIET, 0, Decoded(0, [], []))
    found = feed(p, state, LOUD, until(ALL, loud_until))
    return p, state, found + feed(p, state, QUIET, CALM)


def of(findings: list[Finding], model: str) -> list[Finding]:
    return [f for f in findings if f.model == model]


def judged_until(state: State, model: str) -> float:
    taken = state.models[Slice(model)].taken
    return -np.inf if taken is None else (taken + 1) * 10.0


#   loud   ======|          1070 s, over its limit since 1060 s
#   calm   ============|    1200 s
def test_who_has_nothing_in_a_flooded_partition_does_not_wait_for_it() -> None:
    p, state, found = read_late()
    assert flooded(state, LIMIT) == {LOUD}
    assert judged_until(state, "calm") == 1180, "its own watermark: the last event less 20 s"
    assert judged_until(state, "loud") <= 1050
    alone = State()
    assert of(found, "calm") == feed(pipeline(), alone, QUIET, CALM)
    assert any(f.feature == "x" for f in of(found, "calm"))
    found += feed(p, state, LOUD, since(ALL, 1070))
    assert state.balanced
    assert not state.late


def test_who_went_ahead_ends_where_who_waited_does() -> None:
    p, ahead, found = read_late()
    ahead = thawed(p, frozen(p, ahead))  # a restart on the way changes nothing
    found += feed(p, ahead, LOUD, since(ALL, 1070))
    q, waited = replace(pipeline(), limits=LIMIT), State()
    q.ingest(waited, QUIET, 0, Decoded(0, [], []))
    theirs = feed(q, waited, LOUD, ALL)
    assert not waited.findings
    theirs += feed(q, waited, QUIET, CALM)
    for model in ("calm", "loud"):
        assert of(found, model) == of(theirs, model)
    assert frozen(p, ahead) == frozen(q, waited)


@pytest.mark.parametrize(
    ("limits", "loud_until"),
    [
        pytest.param(RateLimits(), 1070.0, id="no limit"),
        pytest.param(LIMIT, FLOOD, id="not noticed yet"),
        pytest.param(LIMIT, 1115.0, id="over"),
    ],
)
def test_a_partition_within_its_limit_holds_all_back(limits: RateLimits, loud_until: float) -> None:
    _, state, _ = read_late(limits=limits, loud_until=loud_until)
    assert judged_until(state, "calm") <= loud_until - 20


def test_who_has_events_in_the_flooded_partition_waits_for_them() -> None:
    p, state = replace(pipeline(), limits=LIMIT), State()
    p.ingest(state, QUIET, 0, Decoded(0, [], []))
    some = beside(CALM.take(np.arange(0, 200, 20)))
    found = feed(p, state, LOUD, until(ALL, 1070), some)
    found += feed(p, state, QUIET, CALM)
    assert judged_until(state, "calm") <= 1050
    assert not of(found, "calm")


def test_the_first_events_of_a_model_in_a_flooded_partition_are_late_where_it_went_ahead() -> None:
    p, state, _ = read_late()
    first = since(beside(CALM.take(np.argsort(CALM.times))), 1070)
    feed(p, state, LOUD, since(ALL, 1070), first)
    assert state.partitions[LOUD].late[LateReason.FRONTIER.value] == np.count_nonzero(first.times < 1180) > 100
    assert state.balanced
    assert judged_until(state, "calm") == 1180


class ByPartition(Numbers):
    """Each partition has a model of its own."""

    def decode(self, records: RecordBatch, schemas: Mapping[str, Schema], halves: object = None) -> Decoded:
        decoded = super().decode(records, schemas, halves)
        name = {LOUD: "loud", QUIET: "calm"}[records.topic_partition]
        return replace(decoded, batches=[replace(batch, model=name) for batch in decoded.batches])


def test_records_over_their_limit_are_read_late_and_the_loop_tells_what_others_found_meanwhile() -> None:
    flood, calm = ALL.take(np.arange(20_000)), CALM.take(np.argsort(CALM.times))
    source = Source(
        {LOUD: [b"1"] * len(flood), QUIET: [repr(x).encode() for x in np.asarray(calm.columns["x"]).tolist()]},
        times={LOUD: flood.times.tolist(), QUIET: calm.times.tolist()},
        max_poll_records=500,
    )
    stage = Stage(source)
    pipeline = stage.daemon.pipeline
    pipeline.codec, pipeline.limits = ByPartition(), RateLimits(records_per_second=20)
    stage.go(*[1.0] * 5)
    assert 0 < stage.state.partitions[LOUD].latest < 1062
    assert judged_until(stage.state, "calm") == 1180
    assert any(f.feature == "x" for f in of(stage.sink.taken, "calm"))
    assert stage.state.balanced


@pytest.mark.parametrize(
    ("pace", "expected"),
    [
        (Pace(), False),
        (Pace(300, (0.0, 50.0), 51.0), False),
        (Pace(300, (50.0, 51.0), 52.0), True),
        (Pace(300, (50.0, 51.0), 61.0), False),
        (Pace(300, (51.0, 50.0), 52.0), False),
    ],
    ids=["nothing came", "within the limit", "over it", "no block for 10 s", "time went back"],
)
def test_over_the_limit_is_who_would_be_thinned(pace: Pace, expected: bool) -> None:
    assert is_over(pace) == expected
