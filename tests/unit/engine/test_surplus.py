"""What waits while a model learns is bounded by its sample, and what is learned is the same as if all had waited."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from driftd.core.event import Decoded, EventBatch, concatenate
from driftd.core.slice import Slice
from driftd.core.window import Windows
from driftd.engine import surplus
from driftd.engine.pipeline import Pipeline
from driftd.engine.snapshot.coding import encode_reference
from driftd.engine.state import State
from driftd.learn import sample
from driftd.learn.build import Learning
from driftd.monitor.settings import ModelSettings
from tests.unit.core.make import feed, frozen, pipeline_of, thawed

HERE, KEY = ("t", 0), Slice("m")
WINDOWS = Windows(pane_seconds=60.0, window_seconds=600.0, min_events=100, out_of_orderness_seconds=60)
BEGIN, STAGE, MOST = 1_790_000_040.0, 1800.0, 4000
FEATURES = 20


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "MOST_VALUES", MOST)


def batches() -> Iterator[EventBatch]:
    """8,000 events of the first minute, 100 at a time with a feature each; then all features, past the first stage in
    the middle of a batch, where another 8,000 lie in one minute.

    |8,000 in a minute|... an event in 2 s ...|8,000 in the minute after the stage|... 2 s ...
    """
    quick, slow = np.linspace(0, 59, 8000), np.arange(60.0, STAGE - 61, 2.0)
    times = BEGIN + np.concatenate(
        [quick, slow, STAGE - 60 + np.linspace(0, 119, 8000), STAGE + np.arange(60, 2400, 2)]
    )
    offsets, rng = np.arange(len(times)), np.random.default_rng(5)
    for number, begin in enumerate(range(0, len(times), 100)):
        mine = slice(begin, min(begin + 100, len(times)))
        names = [f"f{number % FEATURES}"] if begin < 8000 else [f"f{i}" for i in range(FEATURES)]
        columns = {name: rng.normal(size=len(times[mine])) for name in names}
        yield EventBatch("m", offsets[mine], times[mine], columns, version=f"v{number % 7}" if begin < 8000 else "v9")


def pipeline() -> Pipeline:
    learning = Learning(bins=10, windows=WINDOWS, least_span_seconds=86400.0)
    return pipeline_of(ModelSettings(lambda _: (), learning, grow_seconds=28 * 86400.0), WINDOWS)


def run(*, restart: bool = False, together: int = 1) -> tuple[State, list[bytes], int]:
    """The state, the references and the most values that waited in a table during the first stage."""
    p = pipeline()
    state, learned, most, every = State(), list[bytes](), 0, [*batches()]
    for begin in range(0, len(every), together):
        outcome = feed(p, state, HERE, concatenate(every[begin : begin + together]))
        learned += map(encode_reference, outcome.learned)
        waiting = state.partitions[HERE].streams[KEY].rows
        if every[begin].times[0] < BEGIN + STAGE - 60:
            most = max(most, sum(map(len, waiting)) * len({name for rows in waiting for name in rows.columns}))
        if restart:
            state = thawed(p, frozen(p, state))
    return state, learned, most


def whole(state: State) -> bytes:
    """All of the state, but for how the events that are learned from are cut."""
    model = state.models[KEY]
    assert model.growth is not None
    assert model.growth.sample is not None
    rows = model.growth.sample.all()
    kept = replace(model.growth.sample, rows=(rows,), units=(np.sort(np.concatenate(model.growth.sample.units)),))
    model.growth = replace(model.growth, sample=kept)
    return frozen(pipeline(), state)


def every_event_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surplus, "let_go", lambda *_: None)


@pytest.mark.parametrize(("restart", "together"), [(False, 1), (True, 1), (False, 7), (True, 30)])
def test_what_is_learned_and_counted_is_as_if_all_had_waited(
    monkeypatch: pytest.MonkeyPatch, restart: bool, together: int
) -> None:
    state, learned, most = run(restart=restart, together=together)
    every_event_waits(monkeypatch)
    other, wanted, all_of_them = run(restart=restart, together=together)
    assert all_of_them > 1.5 * most
    assert learned == wanted
    assert len(learned) == 1
    assert state.models[KEY].started == other.models[KEY].started
    assert whole(state) == whole(other)


def test_what_waits_is_bounded_by_the_sample() -> None:
    _, _, most = run()
    assert MOST < most <= surplus.MOST_TIMES * MOST + 100 * FEATURES


def test_events_that_nobody_can_say_are_learned_from_wait() -> None:
    """The second partition has not been read: its events may be of half an hour before, and end the stage sooner."""
    p, first = pipeline(), next(batches())
    state = State()
    p.ingest(state, ("t", 1), 0, Decoded(0, [], []))
    for n in range(100):
        feed(p, state, HERE, replace(first, offsets=first.offsets + 100 * n))
    assert sum(map(len, state.partitions[HERE].streams[KEY].rows)) == 10_000


def test_a_model_begins_with_its_first_event_though_the_sample_drops_it() -> None:
    """|1 event|8,000 in the next minute|: the sample keeps one in so many, so of some of these offsets not that one."""
    first, begun, kept = next(batches()), list[float](), 0
    for place in range(6):
        p, state = pipeline(), State()
        alone = first.take(np.array([0]))
        feed(p, state, HERE, replace(alone, times=alone.times - 60.0, offsets=alone.offsets + 64 * place))
        for n in range(1, 80):
            feed(p, state, HERE, replace(first, offsets=first.offsets + 1000 * n))
        feed(p, state, HERE, replace(first, times=first.times + 300.0, offsets=first.offsets + 100_000))
        growth = state.models[KEY].growth
        assert growth is not None
        assert growth.sample is not None
        begun.append(growth.begun)
        kept += bool(growth.sample.all().times[0] < BEGIN)
    assert begun == [BEGIN - 60.0] * 6
    assert kept < 6
