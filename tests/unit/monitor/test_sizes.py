"""Sizes over time: beside what a ticket needs, from the counts of a stretch alone."""

from __future__ import annotations

from functools import cache
from math import log

import numpy as np
import pytest

from driftd.core.event import EventBatch
from driftd.core.window import panes_of
from driftd.engine.state import State
from driftd.judge.natural.changes import SIZES, Change
from driftd.judge.natural.shapes import STATISTICS, least_rate
from driftd.monitor.sizes import NOTHING, name_of
from driftd.monitor.state import ModelState
from driftd.monitor.timeline import STEPS, Points, ValueReader
from tests.unit.core.make import feed, frozen, thawed
from tests.unit.judge.natural.stage import HOUR, batch, traffic
from tests.unit.monitor.test_growing import BEGIN, KEY, A, grower

FAULT = BEGIN + 20 * HOUR


@cache
def rows() -> EventBatch:
    """From the 20th hour on ages are a hundredfold, and 62 % of temperatures and all scores missing."""
    columns = traffic(np.random.default_rng(3), BEGIN, BEGIN + 22.5 * HOUR)
    after = columns["time"] >= FAULT
    columns["age"][after] *= 100
    columns["temp"][after & (np.random.default_rng(1).random(len(after)) < 0.62)] = np.nan
    columns["score"][after] = np.nan
    return batch(columns)


@cache
def model_after(hours: float, *, restart: bool = False) -> tuple[ModelState, ValueReader]:
    """The model after all of it, so many hours at once."""
    pipeline, state, every = grower(28.0), State(), rows()
    at = (every.times - BEGIN) / HOUR
    for low in np.arange(0, 22.5, hours):
        feed(pipeline, state, A, every.take(np.flatnonzero((at >= low) & (at < low + hours))))
        state = thawed(pipeline, frozen(pipeline, state)) if restart else state
    model = state.models[KEY]
    assert model.reference is not None
    return model, pipeline.monitor.reader(model.reference)


def watched(hours: float, *, restart: bool = False) -> tuple[Points, Points, ValueReader]:
    """Points of ten minutes and of hours."""
    model, reader = model_after(hours, restart=restart)
    return model.timeline.points(1, reader), model.timeline.points(2, reader), reader


def channel(points: Points, reader: ValueReader, name: str) -> tuple[list[float], list[str]]:
    """Sizes and names of what is wholly after the fault."""
    row, seconds = reader.channels.index(name), STEPS[1] if len(points) > 40 else STEPS[2]
    mine = (points.numbers * seconds >= FAULT) & (points.largest[:, row] != NOTHING)
    return points.sizes[mine, row].tolist(), [name_of(k) for k in points.largest[mine, row].tolist()]


def test_a_share_is_its_lower_bound_over_a_tickets_size() -> None:
    ten, hours, reader = watched(1.5)
    sizes, names = channel(hours, reader, "temp")
    assert set(names) == {Change.MISSING}
    every, missing = rows(), np.isnan(np.asarray(rows().columns["temp"], np.float64))
    number = int(FAULT // HOUR)
    hour = panes_of(every.times, HOUR) == number
    k, n = (np.array([float(np.count_nonzero(x))]) for x in (hour & missing, hour))
    assert sizes[0] == pytest.approx(float(least_rate(k, n)[0]) / SIZES[Change.MISSING].ticket, rel=0.02)
    assert min(channel(ten, reader, "temp")[0]) > 10


def test_a_channel_that_is_gone_is_far_off_for_as_long() -> None:
    for points in watched(1.5)[:2]:
        sizes, names = channel(points, watched(1.5)[2], "score")
        assert set(names) == {Change.MISSING}
        assert min(sizes) > 10


def test_a_factor_shows_in_each_stretch_and_what_is_calm_in_none() -> None:
    ten, _, reader = watched(1.5)
    sizes, names = channel(ten, reader, "age")
    assert min(sizes) > 3
    assert set(names) <= {Change.UNIT, Change.FAR, Change.NEW, Change.LEVEL}
    assert max(sizes) < 1.1 * max(log(100) / SIZES[Change.UNIT].ticket, 1 / SIZES[Change.NEW].ticket)
    learned = ten.numbers * STEPS[1] >= BEGIN + 13 * HOUR
    before = learned & (ten.numbers * STEPS[1] < FAULT - STEPS[1])
    assert np.nanmax(ten.sizes[before][:, [reader.channels.index(n) for n in ("age", "temp", "city")]]) < 1


def test_any_split_and_any_restart_gives_the_same() -> None:
    one, other = watched(1.5)[:2], watched(0.75, restart=True)[:2]
    for mine, its in zip(one, other, strict=True):
        for x, y in zip(mine.arrays, its.arrays, strict=True):
            np.testing.assert_array_equal(x, y)


def test_a_page_over_a_ticket_is_that_of_the_table() -> None:
    _, _, reader = watched(1.5)
    assert reader.sizer is not None
    over = reader.sizer.page_over_ticket
    row = reader.channels.index("temp")
    missing = SIZES[Change.MISSING]
    assert over(STATISTICS.index(Change.MISSING), row) >= missing.page / missing.ticket
    assert (
        over(STATISTICS.index(Change.LEVEL), reader.channels.index("prediction")) == np.inf
    )  # outputs follow the world
