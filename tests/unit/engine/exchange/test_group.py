"""Members that share models say what one process says, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from driftd.core.event import Decoded, EventBatch
from driftd.core.finding import Finding
from driftd.core.lists import coordinates
from driftd.core.segmenting import Segmenting
from driftd.core.slice import Slice
from driftd.core.window import Windows
from driftd.engine.exchange.reader import Phase
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.learn.build import Learning
from driftd.monitor import growing
from driftd.monitor.settings import ModelSettings
from tests.unit.core.make import feed, pipeline_of
from tests.unit.engine.exchange.group import Group, by_key
from tests.unit.judge.natural.stage import DAY, HOUR, MONDAY, batch, traffic

BEGIN = MONDAY + 9 * HOUR
WINDOWS = Windows(pane_seconds=60.0, window_seconds=600.0, min_events=100, out_of_orderness_seconds=60)
LEARNING = Learning(bins=10, windows=WINDOWS, least_span_seconds=DAY)


def learner() -> Pipeline:
    return pipeline_of(ModelSettings(lambda _: (), LEARNING, learn_events=1_000), WINDOWS)


def grower() -> Pipeline:
    return pipeline_of(ModelSettings(lambda _: (), LEARNING, grow_seconds=3 * DAY), WINDOWS)


def faulty(seed: int, days: float, at: float) -> EventBatch:
    """A day or two of ordinary traffic; from ``at`` days on one feature has no value and another is a hundredfold."""
    columns = traffic(np.random.default_rng(seed), BEGIN, BEGIN + days * DAY)
    after = columns["time"] >= BEGIN + at * DAY
    columns["age"] = np.where(after, np.nan, columns["age"])
    columns["amount"] = np.where(after, columns["amount"] * 100, columns["amount"])
    return batch(columns)


def one(make: Callable[[], Pipeline], parts: list[EventBatch]) -> list[Finding]:
    """What one process finds that reads all partitions."""
    return alone(make, parts)[0]


def alone(make: Callable[[], Pipeline], parts: list[EventBatch]) -> tuple[list[Finding], State]:
    """One process that reads all partitions."""
    p, state, found = make(), State(), list[Finding]()
    for k in range(len(parts)):
        p.ingest(state, ("t", k), 0, Decoded(0, [], []))
    edges = np.arange(BEGIN, max(part.times.max() for part in parts) + HOUR, HOUR)
    for begin, end in pairwise(edges.tolist()):
        for k, part in enumerate(parts):
            mine = np.flatnonzero((part.times >= begin) & (part.times < end))
            if len(mine):
                found += feed(p, state, ("t", k), part.take(mine)).findings
    assert state.late == 0
    return found, state


def past(state: State, until: int) -> list[bytes]:
    """What the channels were, by minute and by 10 minutes, as far as both have come."""
    timeline = state.models[Slice("m")].timeline
    parts = [timeline.points(step, None).part(None, until // 10**step) for step in (0, 1)]
    return [x.tobytes() for p in parts for x in (p.numbers, p.totals, p.values)]


@pytest.mark.parametrize(
    ("members", "kills", "seed"), [(1, 0.0, 0), (3, 0.0, 1), (2, 0.1, 2), (3, 0.1, 3), (3, 0.2, 4)]
)
def test_a_group_finds_what_one_process_finds(members: int, kills: float, seed: int) -> None:
    rows = faulty(seed, 0.6, 0.5)
    parts = by_key(rows, np.random.default_rng(seed).integers(0, 4, len(rows)))
    group = Group.of(learner, parts, members, owners=2)
    killed = group.run(np.random.default_rng(seed), most=150, kills=kills)
    assert bool(killed) == bool(kills)
    expected, state = alone(learner, parts)
    (owned,) = [o.owned.state for m in group.members for o in m.owners.values() if Slice("m") in o.owned.state.models]
    until = min(int(s.models[Slice("m")].timeline.points(0, None).numbers[-1]) for s in (state, owned))
    assert past(owned, until) == past(state, until)
    assert len(past(state, until)[0]) > 100 * 8
    assert len(expected) > 2
    assert len({plan.name for plan in group.planned}) == 1
    assert [repr(f) for f in group.told] == [repr(f) for f in expected]


@pytest.mark.parametrize(("kills", "seed"), [(0.0, 6), (0.1, 7)])
def test_a_reference_that_grows_is_one_for_all(monkeypatch: pytest.MonkeyPatch, kills: float, seed: int) -> None:
    """Its bins stay after six hours here, and from then on readers count; at a day it is learned anew from counts."""
    monkeypatch.setattr(growing, "FREEZE_LATEST", 6 * HOUR)
    monkeypatch.setattr(growing, "FREEZE_EVENTS", 100)
    rows = faulty(seed, 1.3, 1.2)
    parts = by_key(rows, np.random.default_rng(seed).integers(0, 3, len(rows)))
    group = Group.of(grower, parts, 3, owners=2)
    group.run(np.random.default_rng(seed), most=300, kills=kills)
    expected = one(grower, parts)
    assert len(expected) > 2
    assert len({plan.name for plan in group.planned}) == 1
    assert len({reference.version for reference in group.learned}) == 4
    assert [repr(f) for f in group.told] == [repr(f) for f in expected]


@pytest.mark.parametrize(("kills", "seed"), [(0.0, 8), (0.15, 9)])
def test_a_model_that_was_forgotten_is_learned_anew_as_by_a_process_that_never_saw_it(kills: float, seed: int) -> None:
    """Readers count it by then, on bins that must not come back; nor may what lies in the plans topic."""
    rows = faulty(seed, 1.0, 0.9)
    parts = by_key(rows, np.random.default_rng(seed).integers(0, 3, len(rows)))
    at = BEGIN + 10 * HOUR
    first, rest = (
        [part.take(np.flatnonzero(when(part.times, at))) for part in parts] for when in (np.less, np.greater_equal)
    )
    group = Group.of(learner, first, 3, owners=2)
    group.run(np.random.default_rng(seed), most=150, kills=kills)
    before = {plan.name for plan in group.planned}
    assert len(before) == 1
    assert not [f for f in group.told if f.severity == "page"]
    group.findings.clear()
    group.forget("m")
    assert not any(o.owned.state.models for m in group.members for o in m.owners.values())
    assert not any(r.partition.streams for m in group.members for r in m.readers.values())
    group.parts = {("t", k): part for k, part in enumerate(parts)}
    group.run(np.random.default_rng(seed), most=150, kills=kills)
    expected = one(learner, rest)
    assert len(expected) > 2
    assert [repr(f) for f in group.told] == [repr(f) for f in expected]
    assert len({plan.name for plan in group.planned} - before) == 1
    counting = [r.counting[Slice("m")].phase for m in group.members for r in m.readers.values()]
    assert counting == [Phase.COUNTS] * len(parts)


def segmented() -> Pipeline:
    wanted = Segmenting(("country",), {"country": ("DE", "FR")}, share=0.5)
    settings = ModelSettings(lambda _: (), LEARNING, learn_events=1_000, segmenting=wanted, share=wanted.whole)
    return pipeline_of(settings, WINDOWS)


@pytest.mark.parametrize(("kills", "seed"), [(0.0, 8), (0.1, 9)])
def test_segments_of_a_model_are_judged_by_its_owner_and_found_as_in_one_process(kills: float, seed: int) -> None:
    """Rows, then panes, of each segment travel as a model's do. What a segment finds, it may find in another step."""
    rows = faulty(seed, 0.6, 0.5)
    country = np.random.default_rng(seed).choice(["DE", "FR", "US"], len(rows)).tolist()
    rows = replace(rows, columns={**rows.columns, "country": country})
    parts = by_key(rows, np.random.default_rng(seed).integers(0, 3, len(rows)))
    group = Group.of(segmented, parts, 3, owners=2)
    group.run(np.random.default_rng(seed), most=150, kills=kills)
    expected, state = alone(segmented, parts)
    owners = [o for m in group.members for o in m.owners.values() if o.owned.state.models]
    assert len(owners) == 1
    assert set(owners[0].owned.state.models) == set(state.models)
    assert {key.within for key in state.models} == {"", "country=DE", "country=FR"}
    assert len({f.model for f in expected}) == 3
    assert len({plan.name for plan in group.planned}) == 3
    assert sorted(repr(f) for f in group.told) == sorted(repr(f) for f in expected)


def test_lists_are_read_by_members_as_by_one_process() -> None:
    """Centroids and components are learned by the owner, and travel with the plan."""
    rows, rng = faulty(10, 0.6, 0.5), np.random.default_rng(10)
    x = rng.normal(size=(4, 40))[rng.integers(4, size=len(rows))] + 0.3 * rng.normal(size=(len(rows), 40))
    x[rows.times > BEGIN + 0.55 * DAY] *= -1
    norms, found = coordinates(x.ravel(), np.full(len(rows), 40))
    columns, fields = {**rows.columns, "e": norms}, {**rows.fields, "list.e": found}
    rows = replace(rows, columns=columns, fields=fields)
    parts = by_key(rows, rng.integers(0, 3, len(rows)))
    group = Group.of(learner, parts, 2, owners=2)
    group.run(np.random.default_rng(10), most=300, kills=0.1)
    expected = one(learner, parts)
    assert {"e.cell", "e.distance"} & {f.feature for f in expected if f.severity is not None}
    assert [repr(f) for f in group.told] == [repr(f) for f in expected]


def test_a_plans_topic_that_lost_everything_hides_no_fault() -> None:
    """Its retention was over, or somebody made it anew: all members begin again, and readers know no plan."""
    rows = faulty(5, 0.9, 0.7)
    parts = by_key(rows, np.random.default_rng(5).integers(0, 3, len(rows)))
    at = BEGIN + 0.5 * DAY
    group = Group.of(learner, [part.take(np.flatnonzero(part.times < at)) for part in parts], 2, owners=2)
    group.run(np.random.default_rng(5), most=150)
    (before,) = {plan.name for plan in group.planned}
    for member in group.members:
        group.save(member)
    group.plans.clear()
    group.parts = {("t", k): part for k, part in enumerate(parts)}
    for place in range(2):
        group.kill(place)
    for member in group.members:  # one that took over from one that died had heard the old plan
        assert member.plans.names in ({}, {Slice("m"): before})
    group.run(np.random.default_rng(6), most=150, kills=0.05)
    expected = one(learner, parts)
    assert len(expected) > 2
    assert what(group.told) == what(expected)
    (after,) = {plan.name for plan in group.planned}
    assert after.rpartition("/")[0] == before.rpartition("/")[0], "nothing is learned anew"
    counting = [r.counting[Slice("m")].phase for m in group.members for r in m.readers.values()]
    assert counting == [Phase.COUNTS] * len(parts)


def what(findings: list[Finding]) -> list[tuple[object, ...]]:
    return [(f.model, f.feature, f.kind, f.severity) for f in findings]
