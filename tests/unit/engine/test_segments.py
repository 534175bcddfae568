"""Segments end to end in one process: a fault of a tenth of the traffic is found and named, one fault rings once."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from driftd.config import Model, Settings
from driftd.config.segments import SegmentsSetting
from driftd.config.watching import LearningSection
from driftd.core.act import Act, Deed
from driftd.core.event import Decoded, EventBatch
from driftd.core.finding import Finding, Severity
from driftd.core.incident import together
from driftd.core.segmenting import SLOT_SECONDS
from driftd.core.slice import Slice
from driftd.engine.acting import perform
from driftd.engine.pipeline import Pipeline
from driftd.engine.retirement import leaving
from driftd.engine.state import State
from driftd.monitor.sentence import sentence
from driftd.wiring.app import pipeline_of
from tests.unit.core.make import frozen, thawed

BEGIN, RATE, HOURS, FAULT = 1_795_392_000.0, 1.0, 6.0, 5.0
"""2026-11-23 00:00 UTC; the fault begins at 05:00."""
N = int(HOURS * 3600 * RATE)
COUNTRIES = {"US": 0.6, "FR": 0.19, "IT": 0.1, "DE": 0.1, "LI": 0.01}
SOURCE = ("t", 0)


def watching(**segments: Any) -> Pipeline:
    given: dict[str, Any] = {"fields": ("country",), "min_events": 200, **segments}
    chosen = SegmentsSetting() if segments == {"off": 1} else SegmentsSetting(**given)
    model = Model(name="fraud", segments=chosen)
    return pipeline_of(Settings(models=(model,), learning=LearningSection(events=500)))


def traffic(fault: str = "", seed: int = 1) -> EventBatch:
    """Amounts of ``fault`` (a country, or "all") are a hundredfold from 05:00 on."""
    rng = np.random.default_rng(seed)
    times = BEGIN + np.arange(N) / RATE
    country = rng.choice([*COUNTRIES], N, p=[*COUNTRIES.values()])
    amount, age = rng.lognormal(3, 1, N), rng.normal(40, 10, N)
    hit = (times >= BEGIN + FAULT * 3600) & ((country == fault) | (fault == "all"))
    columns = {"amount": np.where(hit, 100 * amount, amount), "age": age, "country": country.tolist()}
    return EventBatch("fraud", np.arange(N), times, columns, {"score": rng.uniform(size=N)}, "7")


def read(p: Pipeline, state: State, rows: EventBatch, *, until: int = N, size: int = 300) -> list[Finding]:
    found, begin = list[Finding](), state.partitions[SOURCE].next_offset if SOURCE in state.partitions else 0
    for at in range(begin, until, size):
        end = min(at + size, until)
        p.ingest(state, SOURCE, end, Decoded(end - at, [rows.take(np.arange(at, end))], []))
        found += p.settle(state).findings
    return found


@cache
def after(fault: str) -> tuple[State, list[Finding]]:
    p, state = watching(), State()
    return state, read(p, state, traffic(fault))


def told(state: State) -> list[str]:
    every = together(i for m in state.models.values() for i in m.incidents)
    return [sentence(i, BEGIN + HOURS * 3600) for i in every]


def test_a_fault_of_a_tenth_of_the_traffic_pages_within_minutes_and_says_where() -> None:
    state, found = after("DE")
    pages = [f for f in found if f.severity is Severity.PAGE and f.feature is not None]
    assert [(f.model, f.segment, f.feature, f.kind) for f in pages] == [
        ("fraud/segments/country=DE", "country=DE", "amount", "unit")
    ]
    assert BEGIN + FAULT * 3600 < pages[0].window_end < BEGIN + FAULT * 3600 + 900
    (said,) = told(state)
    assert said.startswith("fraud: amount is 100 times larger (usually 2")
    assert said.endswith(" in country=DE since 05:00 UTC; other segments unchanged")
    assert {key.model: m.pages for key, m in state.models.items() if m.pages} == {"fraud/segments/country=DE": 1}


def test_what_the_whole_pages_for_its_segments_show_and_nobody_else_is_called() -> None:
    state, found = after("all")
    assert [(f.model, f.feature) for f in found if f.opens_page] == [("fraud", None)]
    assert {key.model: m.pages for key, m in state.models.items() if m.pages} == {"fraud": 1}
    (said,) = told(state)
    assert said.startswith("fraud: amount is 100 times larger (usually 2")
    assert "country" not in said
    (whole,) = together(i for m in state.models.values() for i in m.incidents)
    assert {p.model for p in whole.parts} >= {"fraud", "fraud/segments/country=DE", "fraud/segments/country=US"}


def test_events_are_counted_once_for_the_model_and_once_for_each_segment() -> None:
    state, _ = after("DE")
    assert state.balanced
    assert state.accepted == N
    assert state.counters(Slice("fraud")).events == N
    census, de = state.segments["fraud"], Slice("fraud/segments/country=DE")
    assert set(census.admitted) == {"country=US", "country=FR", "country=IT", "country=DE"}  # LI is below the floor
    rows = traffic("DE")
    mine = np.array([c == "DE" for c in rows.columns["country"]])
    since = rows.times >= census.admitted["country=DE"] * SLOT_SECONDS
    assert state.counters(de).events == np.count_nonzero(mine & since)
    segments = sum(state.counters(key).events for key in state.models if key.within)
    assert segments + census.other == N


def test_what_a_segment_learns_is_of_the_kinds_of_the_whole() -> None:
    """Codes of one country are digits alone: learned by itself it would take others' letters for another type."""
    rng, n = np.random.default_rng(3), 6000
    country = rng.choice(["DE", "FR"], n).tolist()
    codes: list[Any] = [float(rng.integers(9)) if c == "DE" else f"f{rng.integers(9)}" for c in country]
    rows = EventBatch(
        "fraud", np.arange(n), BEGIN + np.arange(n, dtype=np.float64), {"country": country, "code": codes}
    )
    p, state = watching(), State()
    read(p, state, rows, until=n)
    references = {key.within: m.reference for key, m in state.models.items()}
    for where in ("", "country=DE", "country=FR"):
        reference = references[where]
        assert reference is not None
        assert not reference.numeric[reference.rows["code"]]


def test_the_ceiling_keeps_the_largest() -> None:
    p, state = watching(max_segments=2), State()
    read(p, state, traffic(), until=3600, size=900)
    assert {key.within for key in state.models if key.within} == {"country=US", "country=FR"}
    assert state.segments["fraud"].other > 3600 * 0.2


@pytest.mark.parametrize("size", [77, 450])
def test_what_is_found_does_not_depend_on_how_the_topic_is_polled(size: int) -> None:
    state, found = State(), list[Finding]()
    p = watching()
    found = read(p, state, traffic("DE"), size=size)
    before, other = after("DE")
    assert told(state) == told(before)
    rings = [(f.id, f.severity) for f in other if f.severity is not None]
    assert sorted((f.id, f.severity) for f in found if f.severity is not None) == sorted(rings)
    assert state.segments == before.segments


def test_a_restart_at_any_moment_changes_nothing() -> None:
    p, rows, rng = watching(), traffic("DE"), np.random.default_rng(5)
    state, at = State(), 0
    while at < N:
        at = min(at + int(rng.integers(1, 5)) * 300, N)
        read(p, state, rows, until=at)
        p = watching()
        state = thawed(p, frozen(p, state))
    q, undisturbed = watching(), State()
    read(q, undisturbed, rows)
    assert frozen(p, state) == frozen(q, undisturbed)


def test_whole_and_segments_may_ring_falsely_no_more_often_than_the_whole_alone_might() -> None:
    state, _ = after("")
    p = watching()
    references = [m.reference for m in state.models.values() if m.reference is not None]
    alone = watching(off=1)
    (whole,) = [r for r in references if r.model == "fraud"]
    assert p.monitor.certificate(references).bound <= alone.monitor.certificate([whole]).budget
    shares = [p.monitor.settings(Slice(r.model)).share for r in references]
    assert shares == [0.5, *[0.5 / 20] * 4]
    with_, without = (q.monitor.detectors(whole) for q in (p, alone))
    assert with_.limits is not None
    assert without.limits is not None
    assert (with_.a[:-1][np.isfinite(with_.a[:-1])] > without.a[:-1][np.isfinite(without.a[:-1])]).all()


def test_traffic_without_a_fault_calls_nobody() -> None:
    state, found = after("")
    assert not [f for f in found if f.severity is Severity.PAGE]
    assert not told(state)


def test_what_is_said_of_the_model_is_true_of_its_segments() -> None:
    p, state = watching(), State()
    read(p, state, traffic(), until=3600)
    act = Act(Deed.MAINTENANCE, "anna", BEGIN, "release", "fraud", start=BEGIN, end=BEGIN + 9e4)
    perform(state, p, act)
    assert all(m.acts == (act,) for key, m in state.models.items() if key.is_of("fraud"))


def test_a_segment_that_sends_nothing_for_long_leaves_and_makes_room() -> None:
    p, state = watching(), State()
    p = replace(p, retire_seconds=3600.0)
    rows = traffic()
    read(p, state, rows, until=7200)
    gone = rows.take(np.array([i for i, c in enumerate(rows.columns["country"]) if i < 7200 or c != "DE"]))
    gone = replace(gone, offsets=np.arange(len(gone)))
    read(p, state, gone, until=len(gone))
    left = [key.within for key, _ in leaving(state, p, 0.0, caught_up=True)]
    assert left == ["country=DE"]
    assert "country=DE" not in state.segments["fraud"].admitted


def test_a_segment_has_the_events_of_all_partitions_or_of_none() -> None:
    """In a backlog one is read to its end before the other begins."""
    rows, p, state = traffic(), watching(), State()
    parts = [rows.take(np.arange(k, N // 2, 2)) for k in range(2)]
    for k in range(2):
        p.ingest(state, ("t", k), 0, Decoded(0, [], []))
    for k, part in enumerate(parts):
        for at in range(0, len(part), 500):
            end = min(at + 500, len(part))
            batch = replace(part.take(np.arange(at, end)), offsets=np.arange(at, end))
            p.ingest(state, ("t", k), end, Decoded(end - at, [batch], []))
            p.settle(state)
    more = replace(rows.take(np.arange(N // 2, N)), offsets=np.arange(N // 2))
    read(p, state, more, until=N // 2)
    key = Slice("fraud/segments/country=DE")
    begin = state.segments["fraud"].admitted[key.within] * SLOT_SECONDS
    assert begin >= BEGIN + N / RATE / 2  # behind all that was read of the first
    assert [at for at, q in state.partitions.items() if key in q.streams] == [("t", 0)]


def test_segments_leave_with_the_configuration_that_asked_for_them() -> None:
    state = thawed(watching(), frozen(watching(), after("")[0]))
    gone = {key.within for key, _ in leaving(state, watching(off=1), 0.0, caught_up=True)}
    assert gone == {"country=US", "country=FR", "country=IT", "country=DE"}
