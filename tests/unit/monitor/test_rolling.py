"""Rolling references and exclusions: what an independent count of the raw events says, however they come."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from driftd.core.event import EventBatch
from driftd.core.finding import JUDGE, Finding
from driftd.core.reference import Exclusion, ReferenceKind
from driftd.core.slice import Slice
from driftd.core.window import Windows
from driftd.detectors.psi import PSI
from driftd.engine.pipeline import Pipeline
from driftd.engine.snapshot.coding import encode_reference
from driftd.engine.state import Outcome, State
from driftd.learn import comparison
from driftd.learn.build import Learning
from driftd.monitor.settings import ModelSettings
from tests.unit.core.make import events, feed, frozen, pipeline_of, thawed
from tests.unit.learn.test_comparison import MONDAY

CELL = ("t", 0)
PERIOD = 400.0
WINDOWS = Windows(pane_seconds=10.0, window_seconds=40, min_events=20, out_of_orderness_seconds=20)
EVENTS = 2400
"""Twenty minutes, two a second: three periods and a bit to spare."""


def pipeline(kind: ReferenceKind = ReferenceKind.ROLLING, exclude: Sequence[Exclusion] = ()) -> Pipeline:
    learning = Learning(bins=5, kind=kind, period_seconds=PERIOD, exclude=tuple(exclude), windows=WINDOWS)
    return pipeline_of(ModelSettings(lambda _: (PSI(),), learning, learn_events=500), WINDOWS)


def stream(seed: int = 6) -> EventBatch:
    rng = np.random.default_rng(seed)
    times = MONDAY + np.arange(EVENTS) / 2 + rng.uniform(-8, 8, EVENTS)
    times = np.maximum(times, MONDAY)
    x = rng.normal(size=EVENTS)
    return events(times.tolist(), x.tolist(), rng.choice(["a", "b"], EVENTS).tolist())


def shifted(at: float, seed: int = 6) -> EventBatch:
    rows = stream(seed)
    x = np.asarray(rows.columns["x"]) + 4 * (rows.times >= MONDAY + at)
    return replace(rows, columns={**rows.columns, "x": x})


def run(rows: EventBatch, cuts: Sequence[int], p: Pipeline, *, restart: bool = False) -> tuple[State, list[Outcome]]:
    """Feeds the rows in these pieces; ``restart`` writes the state out and reads it again after each."""
    state, found = State(), list[Outcome]()
    for part in np.split(np.arange(len(rows)), sorted({c for c in cuts if 0 < c < len(rows)})):
        found.append(feed(p, state, CELL, rows.take(part)))
        if restart:
            data = frozen(p, state)
            p = Pipeline(p.codec, replace(p.monitor, _detectors={}, _guarantees={}))
            state = thawed(p, data)
    found.append(p.settle(state, end=True))
    return state, found


@cache
def undisturbed(
    kind: ReferenceKind, at: float = np.inf, exclude: tuple[Exclusion, ...] = ()
) -> tuple[State, list[Outcome]]:
    """What comes of the stream, shifted ``at`` some second, in one piece: worked out once, not for every example."""
    return run(shifted(at), [], pipeline(kind, exclude))


def findings(found: Sequence[Outcome]) -> list[Finding]:
    return [f for outcome in found for f in outcome.findings]


def period_counts(rows: EventBatch, state: State, number: int) -> NDArray[np.int64]:
    """Counts of x in the period with this number from the first Monday on, from the raw events."""
    reference = state.models[Slice("m")].reference
    assert reference is not None
    row = reference.rows["x"]
    late = np.maximum.accumulate(rows.times) - 20 >= (np.floor(rows.times / 10) + 1) * 10
    here = np.floor((rows.times - MONDAY) / PERIOD) == number
    mine = np.asarray(rows.columns["x"])[here & ~late]
    return np.bincount(reference.bins[row].place(mine), minlength=reference.width)


def test_the_period_before_is_what_the_raw_events_say() -> None:
    rows, p, state = stream(), pipeline(), State()
    turns: list[str] = []
    # the first period was not watched from its beginning: learning took 250 seconds of it
    for until, version, number in ((700, 1, None), (1100, 2, 1), (1300, 3, 2)):
        begun = state.partitions[CELL].next_offset if CELL in state.partitions else 0
        part = rows.take(np.flatnonzero((np.arange(EVENTS) >= begun) & (np.arange(EVENTS) < until * 2)))
        turns += feed(p, state, CELL, part).turns
        turns += p.settle(state, end=until == 1300).turns
        reference = state.models[Slice("m")].reference
        assert reference is not None
        assert reference.version == version
        if number is not None:
            assert reference.rolled is not None
            assert reference.reason == "rolling"
            expected = period_counts(rows, state, number)
            np.testing.assert_array_equal(reference.rolled.counts[reference.rows["x"]], expected)
    assert turns == [
        f"m: the {n} events of the period that ended are the reference, v{v}"
        for v, n in ((2, period_counts(rows, state, 1).sum()), (3, period_counts(rows, state, 2).sum()))
    ]


@settings(max_examples=6)
@given(cuts=st.lists(st.integers(1, EVENTS - 1), max_size=8))
def test_neither_polls_nor_restarts_change_what_a_rolling_reference_is(cuts: list[int]) -> None:
    rows = stream()
    whole = undisturbed(ReferenceKind.ROLLING)
    pieces = run(rows, cuts, pipeline())
    restarted = run(rows, cuts, pipeline(), restart=True)
    assert frozen(pipeline(), pieces[0]) == frozen(pipeline(), restarted[0]) == frozen(pipeline(), whole[0])
    assert findings(pieces[1]) == findings(restarted[1])
    assert [f.id for f in findings(pieces[1])] == [f.id for f in findings(whole[1])]


def test_a_period_with_an_open_episode_does_not_become_the_reference() -> None:
    state, found = run(shifted(at=600), [], pipeline())
    assert any(f.detector == JUDGE for f in findings(found))
    turns = [turn for o in found for turn in o.turns]
    assert "m: an episode was open in the period that ended: the reference before it stays" in turns
    reference = state.models[Slice("m")].reference
    assert reference is not None
    assert reference.rolled is None or reference.rolled.last < MONDAY + 800


def test_a_period_with_too_few_events_does_not_become_the_reference() -> None:
    rows = stream()
    second = (rows.times >= MONDAY + 800) & (rows.times < MONDAY + 1200)
    thin = rows.take(np.flatnonzero(~second | (np.arange(EVENTS) % 100 == 0)))
    late = events([MONDAY + 1300, MONDAY + 1400, MONDAY + 1500], [0.0] * 3, ["a"] * 3, first_offset=EVENTS)
    p, state = pipeline(), State()
    found = [feed(p, state, CELL, thin), feed(p, state, CELL, late)]
    turns = [turn for o in found for turn in o.turns]
    assert turns[0].endswith("are the reference, v2")
    assert turns[1].startswith("m: ")
    assert turns[1].endswith("of 20 events in the period that ended: the reference before it stays")


def test_a_fixed_reference_never_rolls() -> None:
    state, found = run(stream(), [], pipeline(ReferenceKind.FIXED))
    reference = state.models[Slice("m")].reference
    assert reference is not None
    assert (reference.version, reference.rolled, state.models[Slice("m")].period) == (1, None, None)
    assert not [turn for o in found for turn in o.turns]


EXCLUDED = (Exclusion(MONDAY + 100.5, MONDAY + 140, "while learning"), Exclusion(MONDAY + 701, MONDAY + 903, "later"))


@settings(max_examples=6)
@given(cuts=st.lists(st.integers(1, EVENTS - 1), max_size=8), kind=st.sampled_from(ReferenceKind))
def test_exclusions_do_not_depend_on_polls_or_restarts(cuts: list[int], kind: ReferenceKind) -> None:
    rows = shifted(at=650)
    whole = undisturbed(kind, 650, EXCLUDED)
    pieces = run(rows, cuts, pipeline(kind, EXCLUDED), restart=True)
    assert frozen(pipeline(kind, EXCLUDED), whole[0]) == frozen(pipeline(kind, EXCLUDED), pieces[0])
    assert findings(whole[1]) == findings(pieces[1])


@pytest.mark.parametrize("kind", ReferenceKind)
def test_what_is_excluded_might_as_well_be_anything(kind: ReferenceKind) -> None:
    """Events of excluded stretches are accepted and counted, and their values leave no trace."""
    rows = stream()
    inside = np.zeros(EVENTS, bool)
    for e in EXCLUDED:
        inside |= (rows.times >= e.start) & (rows.times < e.end)
    wild = replace(rows, columns={**rows.columns, "x": np.where(inside, 1e9, np.asarray(rows.columns["x"]))})
    (state, found), (other, same) = (run(r, [], pipeline(kind, EXCLUDED)) for r in (rows, wild))
    assert findings(found) == findings(same)
    assert state.balanced
    counters, reference = state.counters(Slice("m")), state.models[Slice("m")].reference
    same_reference = other.models[Slice("m")].reference
    assert reference is not None
    assert same_reference is not None
    assert 0 < counters.excluded <= np.count_nonzero(inside)
    assert counters.events + state.late == EVENTS
    assert reference.excluded == EXCLUDED[:1]
    assert encode_reference(reference) == encode_reference(same_reference)


def test_a_drift_inside_an_exclusion_pages_nobody() -> None:
    rows = shifted(at=700)
    back = np.asarray(rows.columns["x"]) - 4 * (rows.times >= MONDAY + 900)
    rows = replace(rows, columns={**rows.columns, "x": back}, fields={"prediction": np.zeros(EVENTS)})
    _, found = run(rows, [], pipeline(ReferenceKind.FIXED, [Exclusion(MONDAY + 700, MONDAY + 900)]))
    assert not [f for f in findings(found) if f.feature == "x"]
    _, found = run(rows, [], pipeline(ReferenceKind.FIXED))
    assert [f for f in findings(found) if f.feature == "x"]


def test_a_reference_that_was_rolled_over_is_not_kept_in_memory() -> None:
    p, state, rows = pipeline(), State(), stream()
    parts = np.split(np.arange(EVENTS), 8)
    for part in parts[:3]:
        feed(p, state, CELL, rows.take(part))
    first = weakref.ref(state.models[Slice("m")].reference)
    assert first() is not None
    for part in parts[3:]:
        feed(p, state, CELL, rows.take(part))
    comparison._rolled.cache_clear()  # bounded: it may hold the last 64
    gc.collect()
    assert state.models[Slice("m")].reference is not None
    assert first() is None
