"""Why events are late, however they were read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.core.event import EventBatch, RecordBatch
from driftd.replay.order import AHEAD_SECONDS, TimeOrder

DAY = AHEAD_SECONDS
SORTED = [100.0 * i for i in range(40)]


def followed(times: list[float], cuts: list[int]) -> TimeOrder:
    order = TimeOrder(10.0)
    for index in np.split(np.arange(len(times)), sorted(cuts)):
        n = len(index)
        part = EventBatch("m", index.astype(np.int64), np.array(times)[index], {})
        halves = [part.take(np.flatnonzero(index % 2 == r)) for r in (1, 0)]  # of two models
        order.note(RecordBatch("f", 0, index.astype(np.int64), np.full(n, np.nan), [b""] * n, 0), halves)
    return order


@pytest.mark.parametrize(
    ("times", "late", "remark"),
    [
        (SORTED, 0, ""),
        (
            [*SORTED[:20], 9 * DAY, *SORTED[20:]],
            20,
            "f/0@20: 1970-01-10 00:00 UTC is 9 days ahead of the others; 20 events",
        ),
        ([9 * DAY, *SORTED], 40, "f/0@0: 1970-01-10 00:00 UTC is 9 days ahead of the others; 40 events"),
        ([*SORTED[:20], 5 * DAY, 9 * DAY, *SORTED[20:]], 20, "20 of 42 events come before"),  # two of them are wrong
        (SORTED[::-1], 39, "39 of 40 events come before"),
        ([*SORTED, *(t + 9 * DAY for t in SORTED)], 0, ""),  # a gap
        ([*SORTED, *(t + 9 * DAY for t in SORTED), *SORTED], 40, "40 of 120 events come before"),
    ],
)
@given(cuts=st.lists(st.integers(0, 40), max_size=4))
def test_the_remark_does_not_depend_on_how_records_were_batched(
    times: list[float], late: int, remark: str, cuts: list[int]
) -> None:
    told = followed(times, cuts).remark(late)
    assert told.startswith(remark)
    assert bool(told) is bool(remark)


def test_a_few_late_events_are_not_told() -> None:
    assert not followed(SORTED * 10, []).remark(3)
    assert followed(SORTED * 10, []).remark(4)
