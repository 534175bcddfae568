"""A partition's events: which are late and why, what is counted, and which versions answered when."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from driftd.core.cost import Price, Prices
from driftd.core.event import EventBatch, LateReason, concatenate, versions
from driftd.core.experiment import BUCKETS, Measure, Metric, Rule
from driftd.core.pane import ClosedPanes, Counters, merge_counters
from driftd.core.reference import Exclusion, Reference
from driftd.core.slice import Slice
from driftd.ingest.panes import SliceIngest, absorb, take_closed
from driftd.ingest.partition import MOST_BATCHES, take
from driftd.ingest.state import PartitionState
from driftd.learn.build import Learning, build
from tests.unit.core.make import WINDOWS, events, stream

KEY = Slice("m")


def open_(_: Slice) -> int | None:
    """No pane is closed."""
    return None


@pytest.fixture(scope="module")
def reference() -> Reference:
    return build(stream(np.random.default_rng(1), 300), Learning(bins=5))


def at(*times: float, **over: object) -> EventBatch:
    n = len(times)
    return replace(events(times, [0.0] * n, ["red"] * n), **over)  # type: ignore[arg-type]


def test_a_late_event_is_counted_by_its_reason_with_the_worst_lateness() -> None:
    #  time     1000  1050 |  1025  1005   watermark 1050 - 20 = 1030: panes to 102 have closed
    #  time     1052  1041 |                frontier 104: pane 104 is closed by the others, though not by the watermark
    partition = PartitionState(0)
    first = take(partition, [at(1000, 1050, 1025, 1005)], WINDOWS, open_, lambda _: SliceIngest())
    second = take(partition, [at(1052, 1041)], WINDOWS, lambda _: 104, lambda _: SliceIngest())
    assert (first, second) == (2, 1)
    assert partition.late == {LateReason.WATERMARK: 2, LateReason.FRONTIER: 1}
    # by how much out_of_orderness_seconds, or idle_seconds, would have had to be larger at least
    assert partition.worst_lateness == {LateReason.WATERMARK: 45.0, LateReason.FRONTIER: 9.0}


def test_an_event_of_one_model_makes_a_later_one_of_another_late() -> None:
    #  offset   0     1     2     3
    #  model    m     n     m     n
    #  time     1000  1050  1025  1045  watermark after 1050: 1030, so pane 102 is closed for m too, and n keeps its two
    partition = PartitionState(0)
    batches = [
        replace(at(1000, 1025), offsets=np.array([0, 2])),
        replace(at(1050, 1045), model="n", offsets=np.array([1, 3])),
        replace(at(), model="late"),
    ]
    assert take(partition, batches, WINDOWS, open_, lambda _: SliceIngest()) == 3
    kept = {key.model: [t for rows in stream_.rows for t in rows.times] for key, stream_ in partition.streams.items()}
    assert kept == {"m": [1000.0], "n": [1050.0, 1045.0]}
    assert (partition.late, partition.latest) == ({LateReason.WATERMARK: 1}, 1050.0)


def test_excluded_events_are_counted_and_go_no_further(reference: Reference) -> None:
    partition = PartitionState(0)
    about = SliceIngest(reference, exclude=(Exclusion(1010, 1020),))
    take(partition, [at(1000, 1012, 1015, 1021)], WINDOWS, open_, lambda _: about)
    stream_ = partition.streams[KEY]
    absorb(about, stream_, 10.0)
    assert (stream_.counters.events, stream_.counters.excluded, stream_.counters.last_event) == (4, 2, 1021.0)
    assert stream_.panes is not None
    assert {number: pane.summary.events for number, pane in stream_.panes.each()} == {100: 1, 102: 1}


def test_a_pane_names_the_versions_that_answered_in_it_however_events_were_batched(reference: Reference) -> None:
    #  pane       100       101   102   103
    #  version    7 7       8     7 8   none
    times, versions = [1000, 1003, 1011, 1021, 1022, 1031], ["7", "7", "8", "7", "8", None]
    expected = {100: {"7"}, 101: {"8"}, 102: {"7", "8"}, 103: set[str]()}
    for cuts in ([0, 6], [0, 2, 6], [0, 1, 2, 3, 4, 5, 6]):
        partition, about = PartitionState(0), SliceIngest(reference)
        for a, b in pairwise(cuts):
            batch = at(*times[a:b], version=versions[a:b], offsets=np.arange(a, b, dtype=np.int64))
            take(partition, [batch], WINDOWS, open_, {KEY: about}.__getitem__)
            if b % 2 == 0:
                absorb(about, partition.streams[KEY], 10.0)
        (closed,) = take_closed(partition, ("t", 0), 103, 10.0, KEY)
        assert isinstance(closed, ClosedPanes)
        assert {pane.number: set(pane.versions) for pane in closed.each()} == expected


def test_a_closed_pane_says_how_far_its_source_had_come(reference: Reference) -> None:
    partition, about = PartitionState(7), SliceIngest(reference)
    take(partition, [at(1000, 1010)], WINDOWS, open_, lambda _: about)
    absorb(about, partition.streams[KEY], 10.0)
    (closed,) = take_closed(partition, ("t", 3), 100, 10.0, KEY)
    assert isinstance(closed, ClosedPanes)
    (pane,) = closed.each()
    assert (pane.slice, pane.number, pane.source, pane.offset) == (KEY, 100, ("t", 3), 7)
    still_open = partition.streams[KEY].panes
    assert still_open is not None
    assert still_open.numbers.tolist() == [101]


def test_refused_values_are_counted_by_feature_but_not_those_of_late_and_excluded_events(reference: Reference) -> None:
    #  time      1000   1012        1021        1050 |  1005
    #  x         ok     refused     refused     ok      refused
    #                   excluded                        late
    partition = PartitionState(0)
    about = SliceIngest(reference, exclude=(Exclusion(1010, 1020),))
    refused = {"x": np.array([False, True, True, False, True])}
    take(partition, [at(1000, 1012, 1021, 1050, 1005, refused=refused)], WINDOWS, open_, lambda _: about)
    assert partition.streams[KEY].counters.refused == {"x": 1}


def test_counts_of_refused_values_add_up_in_any_order() -> None:
    a, b, c = (Counters(refused=r) for r in ({"x": 1}, {"x": 2, "y": 3}, {}))
    assert merge_counters([a, b, c]).refused == merge_counters([c, b, a]).refused == {"x": 3, "y": 3}
    assert a.refused == {"x": 1}


def test_few_batches_wait_side_by_side_whatever_came_in_how_many(reference: Reference) -> None:
    partition = PartitionState(0)
    for i in range(3 * MOST_BATCHES):
        take(partition, [at(1000 + i, version=f"v{i // 100}")], WINDOWS, open_, lambda _: SliceIngest(reference))
    rows = partition.streams[KEY].rows
    assert len(rows) < MOST_BATCHES
    assert concatenate(rows).times.tolist() == [1000.0 + i for i in range(3 * MOST_BATCHES)]
    assert [*versions(concatenate(rows))] == [f"v{i // 100}" for i in range(3 * MOST_BATCHES)]


def test_what_a_shadow_answers_is_compared_and_costs_and_nothing_else_of_it_is_the_models() -> None:
    rule = Rule("r", "m", ("a", "b"), (Metric(Measure.ERRORS, 0.01),), shadow=True)
    settings = SliceIngest(None, experiments=(rule,), prices=Prices((Price("m", event=2.0),)))
    fields = {"variant": ["a", "b", None, "b", "c"], "error": np.array([1, 1, 0, 0, 0], bool)}
    parts, partition = list[EventBatch](), PartitionState(0)

    def segments(batch: EventBatch) -> list[EventBatch]:
        parts.append(batch)
        return []

    batch = at(1000, 1001, 1002, 1003, 1004, fields=fields)
    assert take(partition, [batch], WINDOWS, open_, lambda _: settings, segments) == 5
    mine = partition.streams[KEY]
    assert (mine.counters.events, mine.counters.failed) == (3, 1)
    assert mine.counters.spending.whole.events == 5
    (rows,) = mine.rows
    assert rows.times.tolist() == parts[0].times.tolist() == [1000.0, 1002.0, 1004.0]
    (trial,) = mine.trials.values()
    of_arms = trial.sums.whole[:-1].reshape(2, BUCKETS, rule.columns).sum(axis=1)
    assert of_arms[:, 0].tolist() == [1, 2]
    take(partition, [at(1010, 1011, fields={"variant": ["b", "b"]})], WINDOWS, open_, lambda _: settings, segments)
    assert (mine.counters.events, len(mine.rows), len(parts[1])) == (3, 1, 0)
