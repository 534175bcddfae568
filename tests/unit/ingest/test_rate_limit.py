"""Beyond its limit a model is sampled down: evenly, whatever the polls, and nobody else with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from driftd.core.event import Decoded, DropReason, EventBatch, RecordBatch, RejectReason
from driftd.core.slice import Slice
from driftd.engine.state import State
from driftd.ingest.rate_limit import PARTS, RateLimits, _stays, paced, thin_events, thin_records
from driftd.ingest.state import Pace, PartitionState
from tests.unit.core.make import events, frozen, pipeline, thawed

A = ("t", 0)
LIMIT = RateLimits(events_per_second=100)


def flood(seed: int = 3) -> EventBatch:
    """200 s at 50 events a second, 60 s at 1,000, and 200 s at 50 again; x ~ N(5, 2), three of ten are blue."""
    rng = np.random.default_rng(seed)
    times = np.concatenate([np.arange(0, 200, 1 / 50), np.arange(200, 260, 1 / 1000), np.arange(260, 460, 1 / 50)])
    color = np.where(rng.random(len(times)) < 0.3, "blue", "red").tolist()
    return events(times.tolist(), rng.normal(5, 2, len(times)).tolist(), color)


def kept_of(batch: EventBatch, cuts: list[int], limits: RateLimits = LIMIT) -> EventBatch:
    mine, offsets = PartitionState(0), []
    for a, b in pairwise(sorted({0, len(batch), *cuts})):
        (part,), _ = thin_events(mine, A, [batch.take(np.arange(a, b))], limits)
        offsets.append(part.offsets)
    return batch.take(np.concatenate(offsets))


def test_below_the_limit_nothing_is_lost_and_a_flood_is_cut_to_it() -> None:
    batch = flood()
    kept = kept_of(batch, [])
    per_ten_seconds = np.histogram(kept.times, np.arange(0, 470, 10))[0]
    assert np.abs(per_ten_seconds[:20] - 500).max() <= 1, "all of them; an edge may round to either side"
    assert 1800 < per_ten_seconds[20] < 3100, "one or two blocks of 1,000 come through before the flood is noticed"
    # limit times 10 s, a binomial share of 102 / 1024 of 10,000
    assert np.abs(per_ten_seconds[21:26] - 10_000 * 102 / 1024).max() < 4 * np.sqrt(10_000 * 0.1 * 0.9)
    assert np.abs(per_ten_seconds[27:] - 500).max() <= 1, "ten seconds after its end all stay"


def test_what_stays_of_a_flood_is_distributed_like_all_of_it() -> None:
    batch = flood()
    kept = kept_of(batch, [])
    inside = kept.take(np.flatnonzero((kept.times >= 210) & (kept.times < 260)))
    x, n = np.asarray(inside.columns["x"], np.float64), len(inside)
    blue = np.mean([color == "blue" for color in inside.columns["color"]])
    assert abs(blue - 0.3) < 4 * np.sqrt(0.3 * 0.7 / n)
    assert abs(x.mean() - 5) < 4 * 2 / np.sqrt(n)
    # quantiles of N(5, 2); the deviation of a sample quantile is sqrt(p (1 - p) / n) / density
    for p, q, density in ((0.1, 2.437, 0.0877), (0.5, 5.0, 0.1995), (0.9, 7.563, 0.0877)):
        assert abs(np.quantile(x, p) - q) < 4 * np.sqrt(p * (1 - p) / n) / density


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(1, 79_999), max_size=12), limit=st.sampled_from([0.05, 1.0, 99.9, 100.0]))
def test_what_stays_does_not_depend_on_polls(cuts: list[int], limit: float) -> None:
    batch = flood()
    limits = RateLimits(events_per_second=limit)
    assert kept_of(batch, cuts, limits).offsets.tolist() == kept_of(batch, [], limits).offsets.tolist()


@pytest.mark.parametrize(
    ("times", "parts"),
    [
        # limit 0.3 a second: blocks of 3 events
        pytest.param([0, 5, 10, 15, 20, 25, 30, 35, 40], [1024] * 9, id="3 in 15 s"),
        pytest.param([0, 1, 2, 3, 4, 5, 6, 7, 8], [1024] * 6 + [307] * 3, id="3 in 3 s: 3 of 10 stay, once known"),
        pytest.param([0, 0, 0, 0, 0, 0, 0, 0, 0], [1024] * 6 + [1] * 3, id="all at once"),
        pytest.param([9, 8, 7, 6, 5, 4, 3, 2, 1], [1024] * 9, id="time goes back: not known"),
        pytest.param([np.nan] * 9, [1024] * 9, id="no times"),
        pytest.param(
            [0, 1, 9e9, 3, 4, 5, 6, 7, 8, 9, 10, 11], [1024] * 9 + [307] * 3, id="one of a far future, known again soon"
        ),
    ],
)
def test_a_block_is_thinned_by_how_long_the_one_before_it_lasted(times: list[float], parts: list[int]) -> None:
    assert paced(Pace(), np.array(times, np.float64), 0.3)[1].tolist() == parts


def test_the_choice_is_even_and_the_same_for_ever() -> None:
    offsets = np.arange(200_000)
    half = _stays(A, offsets, np.full(len(offsets), PARTS // 2))
    other = _stays(("t", 1), offsets, np.full(len(offsets), PARTS // 2))

    def deviations(where: NDArray[np.bool_]) -> float:
        """Of a share from a half, in standard deviations."""
        return float(abs(where.mean() - 0.5) * 2 * np.sqrt(len(where)))

    assert deviations(half) < 4
    assert deviations(half[1:] == half[:-1]) < 4, "neighbours are independent"
    assert deviations(half == other) < 4, "and so are partitions"
    tenth = _stays(A, offsets, np.full(len(offsets), PARTS // 10))
    assert not (tenth & ~half).any(), "what stays of less stays of more"
    assert np.flatnonzero(half[:16]).tolist() == KNOWN, "another hash would choose others after an upgrade"


KNOWN = [0, 1, 3, 4, 14]


def test_events_of_one_record_are_chosen_one_by_one() -> None:
    one_record = np.full(10_000, 7)
    assert 4800 < np.count_nonzero(_stays(A, one_record, np.full(10_000, PARTS // 2))) < 5200


def test_a_flood_of_one_model_costs_no_other_an_event_and_every_event_is_accounted_for() -> None:
    batch = flood()
    quiet = replace(batch.take(np.arange(0, len(batch), 40)), model="quiet")
    quiet.offsets[:], batch.offsets[:] = 2 * quiet.offsets + 1, 2 * batch.offsets
    p, state = replace(pipeline(), limits=LIMIT), State()
    p.ingest(state, A, 2_000_000, Decoded(len(batch) + len(quiet), [batch, quiet], []))
    mine = state.partitions[A].streams
    assert (mine[Slice("quiet")].counters.events, mine[Slice("quiet")].counters.sampled_out) == (len(quiet), 0)
    loud = mine[Slice("m")].counters
    assert loud.events + loud.sampled_out == len(batch)
    assert state.dropped == {DropReason.RATE_LIMIT: loud.sampled_out}
    assert loud.sampled_out > 40_000
    assert state.balanced


def test_after_a_restart_the_same_events_stay() -> None:
    batch = flood()
    p, whole, state = replace(pipeline(), limits=LIMIT), State(), State()
    p.ingest(whole, A, len(batch), Decoded(len(batch), [batch], []))
    for a, b in pairwise([0, 30_123, 41_000, len(batch)]):
        p.ingest(state, A, b, Decoded(b - a, [batch.take(np.arange(a, b))], []))
        state = thawed(p, frozen(p, state))
    pace, expected = (s.partitions[A].streams[Slice("m")].pace for s in (state, whole))
    assert repr(pace) == repr(expected)  # nan is not nan
    assert state.counters(Slice("m")).sampled_out == whole.counters(Slice("m")).sampled_out
    assert (state.accepted, state.dropped) == (whole.accepted, whole.dropped)


def test_records_beyond_the_limit_are_not_decoded_and_those_that_stay_keep_what_is_theirs() -> None:
    n = 40_000
    values = [b"%d" % i for i in range(n)]
    refused = dict.fromkeys((5, n - 1), (RejectReason.DAMAGED, "damaged"))
    records = RecordBatch("t", 0, np.arange(n), np.arange(n) / 1000, values, n, keys=values, refused=refused)
    p, state = replace(pipeline(), limits=RateLimits(records_per_second=100)), State()
    (part,) = p.sampled(state, records)
    assert list(part.values) == [values[i] for i in part.offsets] == list(part.keys or ())
    assert part.timestamps.tolist() == (part.offsets / 1000).tolist()
    assert part.refused.keys() == refused.keys() & set(part.offsets.tolist())
    assert state.partitions["t", 0].next_offset == n
    assert state.received == state.dropped[DropReason.RATE_LIMIT.value] == n - len(part)
    # two blocks of 1,000 whole, of the rest one in ten
    assert abs(len(part) - 2000 - 38_000 * 102 / 1024) < 4 * np.sqrt(38_000 * 0.1 * 0.9)


def test_records_that_are_packed_are_unpacked_where_they_stay() -> None:
    n, asked = 40_000, list[int]()

    def unpack(offsets: NDArray[np.int64]) -> Iterator[RecordBatch]:
        asked.extend(offsets.tolist())
        for some in np.array_split(offsets, 3):
            yield RecordBatch("t", 0, some, some / 1000, [b"%d" % i for i in some], int(some[-1]) + 1)

    whole = RecordBatch("t", 0, np.arange(n), np.arange(n) / 1000, [b"%d" % i for i in range(n)], n)
    p, one, other = replace(pipeline(), limits=RateLimits(records_per_second=100)), State(), State()
    (part,) = p.sampled(one, whole)
    parts = [*p.sampled(other, replace(whole, values=[], unpack=unpack))]
    assert [value for few in parts for value in few.values] == list(part.values)
    assert asked == part.offsets.tolist()
    assert (one.received, one.dropped, one.partitions["t", 0].next_offset) == (
        other.received,
        other.dropped,
        other.partitions["t", 0].next_offset,
    )


def test_what_overload_halves_is_a_part_of_what_the_limit_leaves_and_each_has_its_reason() -> None:
    n = 40_000
    records = RecordBatch("t", 0, np.arange(n), np.arange(n) / 1000, [b""] * n, n)
    limits = RateLimits(records_per_second=100)
    allowed, halved, alone = (
        thin_records(PartitionState(0), records, *rest) for rest in ((limits, 0), (limits, 1), (RateLimits(), 1))
    )
    assert allowed is not None
    assert halved is not None
    assert alone is not None
    assert set(halved.places.tolist()) < set(allowed.places.tolist())
    assert halved.gone[DropReason.RATE_LIMIT] == allowed.gone[DropReason.RATE_LIMIT] == n - len(allowed.places)
    assert sum(halved.gone.values()) == n - len(halved.places)
    assert abs(len(halved.places) - len(allowed.places) / 2) < 4 * np.sqrt(len(allowed.places) / 4)
    assert alone.gone == {DropReason.SHED: n - len(alone.places)}
    assert abs(len(alone.places) - n / 2) < 4 * np.sqrt(n / 4)


def test_without_limits_batches_go_through_as_they_are() -> None:
    mine, batch = PartitionState(0), flood()
    assert thin_events(mine, A, [batch], RateLimits()) == ([batch], 0)
    assert mine.streams == {}
    assert thin_records(mine, RecordBatch("t", 0, np.arange(3), np.zeros(3), [b""] * 3, 3), RateLimits()) is None
