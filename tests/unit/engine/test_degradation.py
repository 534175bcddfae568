"""A step a minute: up while the lag does not fall, down below half of the limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.core.event import Decoded, RecordBatch
from driftd.core.finding import Status
from driftd.core.slice import Slice
from driftd.detectors.adwin import Adwin
from driftd.engine.degradation import LEVELS, Ladder
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.sources import Lag
from tests.unit.core.make import events, feed, pipeline, stream

A = ("t", 0)


def levels(looks: list[tuple[float, int, float]], limit: float | None = 600) -> list[int]:
    ladder = Ladder(limit)
    return [
        ladder.look([Lag(records, seconds, caught_up=False), Lag(0, 0, caught_up=True)], now)
        for now, records, seconds in looks
    ]


def grows(n: int) -> list[tuple[float, int, float]]:
    return [(60.0 * i, 20_000 * (i + 1), 700.0 + i) for i in range(n)]


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        # (now, records behind, seconds behind); the limit is 600 s
        pytest.param(grows(7), [0, 1, 2, 3, 4, 4, 4], id="it grows: a step a minute, to the last"),
        pytest.param([(0, 10**6, 9000), (60, 9 * 10**5, 8000), (120, 8 * 10**5, 7000)], [0, 0, 0], id="it catches up"),
        pytest.param([(i, 20_000 + i, 700) for i in range(60)], [0] * 60, id="within a minute"),
        pytest.param([(60.0 * i, 5_000, 10**7) for i in range(5)], [0] * 5, id="old records, but few"),
        pytest.param([(60.0 * i, 10**6, 500) for i in range(5)], [0] * 5, id="many records, but young"),
        pytest.param(
            [*grows(3), (180, 50_000, 650), (240, 40_000, 400), (300, 30_000, 290), (360, 20_000, 290), (420, 9, 0)],
            [0, 1, 2, 2, 2, 1, 0, 0],
            id="it falls: nothing between the limit and its half, then down",
        ),
        pytest.param(
            [*grows(3), (180, 50_000, 400), (240, 60_000, 700), (300, 70_000, 700)], [0, 1, 2, 2, 2, 3], id="again"
        ),
    ],
)
def test_levels(looks: list[tuple[float, int, float]], expected: list[int]) -> None:
    assert levels(looks) == expected


def test_without_a_limit_nothing_is_ever_shed() -> None:
    assert levels(grows(9), None) == [0] * 9


def test_when_the_limit_is_taken_away_nothing_is_shed_any_more() -> None:
    ladder = Ladder(600)
    for now, records, seconds in grows(4):
        ladder.look([Lag(records, seconds, caught_up=False)], now)
    assert ladder.level == 3
    ladder.lag_seconds = None
    assert ladder.look([Lag(10**6, 9000, caught_up=False)], 181) == 0


def erring(level: int) -> tuple[Pipeline, State]:
    """1,200 events of which one in forty, then one in four is an error; x changes as much."""
    p, state = pipeline(learn_events=300), State()
    batch = stream(np.random.default_rng(5), 1200, 700)
    rate = np.where(np.arange(len(batch)) < 700, 1 / 40, 1 / 4)
    batch.fields["error"][:] = np.random.default_rng(6).random(len(batch)) < rate  # type: ignore[index]
    p.shed = level
    for a, b in pairwise(range(0, 1201, 100)):
        feed(p, state, A, batch.take(np.arange(a, b)))
    return p, state


def test_at_level_one_errors_are_judged_as_ever_and_other_sequential_detectors_wait() -> None:
    (_, whole), (_, shed) = erring(0), erring(1)
    one, other = (s.partitions[A].streams[Slice("m")].sequential for s in (whole, shed))
    assert {channel for _, channel in one} > {channel for _, channel in other} == {"error"}
    assert Adwin().dump(one["adwin", "error"]) == Adwin().dump(other["adwin", "error"])
    before, after = (s.judgements[0] for s in (whole, shed))
    row = before.reference.rows["error"]
    assert before.channel_status[row] == after.channel_status[row] > Status.OK


def records_of(offsets: NDArray[np.int64]) -> RecordBatch:
    return RecordBatch("t", 0, offsets, offsets / 10, [b""] * len(offsets), int(offsets[-1]) + 1)


def unpacked(offsets: NDArray[np.int64]) -> Iterator[RecordBatch]:
    for part in np.array_split(offsets, 3):
        yield records_of(part)


@pytest.mark.parametrize("packed", [False, True])
def test_from_level_two_on_records_are_halved_and_every_one_is_accounted_for(packed: bool) -> None:
    n, read = 20_000, []
    whole = records_of(np.arange(n))
    records = replace(whole, values=[], unpack=unpacked) if packed else whole
    for level in range(len(LEVELS)):
        p, state = pipeline(), State()

        class Codec:
            def decode(self, records: RecordBatch, schemas: object, halves: object = None) -> Decoded:  # noqa: ARG002
                x = np.zeros(len(records))
                batch = events(records.timestamps.tolist(), x.tolist(), ["red"] * len(x))
                batch.offsets[:] = records.offsets
                return Decoded(len(records), [batch], [])

        p.codec, p.shed = Codec(), level
        for part in p.sampled(state, records):
            p.take(state, part)
        assert (state.received, state.balanced, state.partitions[A].next_offset) == (n, True, n)
        assert state.dropped.get("shed", 0) == n - state.accepted
        read.append(state.accepted)
    assert read[:2] == [n, n]
    for share, accepted in zip((1 / 2, 1 / 4, 1 / 8), read[2:], strict=True):
        assert abs(accepted - share * n) < 4 * np.sqrt(n * share * (1 - share))
