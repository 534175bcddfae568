"""Thousands of panes settled at once leave what hop by hop leaves, though most of their windows make no judgement."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from driftd.config import Settings
from driftd.core.event import Decoded, EventBatch
from driftd.core.finding import Finding, Judgement
from driftd.core.incident import Incident
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.engine.state import Outcome, State
from driftd.learn.build import Learning, build
from driftd.monitor.incidents import folded
from driftd.wiring.app import pipeline_of
from tests.unit.core.make import frozen, thawed, wide
from tests.unit.monitor.test_incidents import TICKET, finding

DAY = 86_400.0
EVENTS, WINDOW = 4000, 250


def events(days: float, seed: int, begin: float, change: str = "") -> EventBatch:
    """As many in so many days whatever these are: a micro-batch has 50."""
    rng, n = np.random.default_rng(seed), EVENTS
    x, y = rng.normal(size=(2, n))
    color = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    late = np.arange(n) >= n // 2
    if change == "level":
        x[late] += 0.4
    if change == "null":
        y[late] = np.nan
    if change == "a new color":
        color[late & (rng.random(n) < 0.3)] = "d"
    return wide({"x": x, "y": y, "color": color.tolist()}, per_second=EVENTS / days / DAY, begin=begin)


@cache
def reference(days: float) -> Reference:
    return build(events(days, 1, 0.0), Learning())


def settled(
    days: float, change: str, at_once: int, incidents: tuple[Incident, ...] = ()
) -> tuple[bytes, list[Finding], list[Judgement]]:
    """State, findings and judgements of events that are settled so many at a time; halfway there are ``incidents``."""
    p, state, outcomes = pipeline_of(Settings()), State(), list[Outcome]()
    p.slices.adopt(state, Slice("m"), reference(days))
    rows = events(days, 2, days * DAY, change)
    for low in range(0, EVENTS, at_once):
        if low == EVENTS // 2:
            state.models[Slice("m")].incidents = incidents or state.models[Slice("m")].incidents
        part = rows.take(np.arange(low, min(low + at_once, EVENTS)))
        p.ingest(state, ("t", 0), low + len(part), Decoded(len(part), [part], []))
        outcomes.append(p.settle(state))
    judgements = [j for outcome in outcomes for j in outcome.judgements]
    return frozen(p, state), [f for outcome in outcomes for f in outcome.findings], judgements


@pytest.mark.parametrize("days", [3, 15])  # the judge speaks for hours; and for good, of windows too
@pytest.mark.parametrize("change", ["", "level", "null", "a new color"])
def test_at_once_as_one_after_the_other(days: float, change: str) -> None:
    state, findings, judgements = settled(days, change, EVENTS)
    steps, found, every = settled(days, change, WINDOW // 5)
    assert state == steps
    assert findings == found
    assert bool(change) == any(f.feature is not None for f in findings)
    assert len(every) >= EVENTS / WINDOW - 4
    assert len(judgements) < len(every)
    assert judgements[-1].window_end == every[-1].window_end
    assert [s.statistic.tobytes() for s in judgements[-1].scores] == [s.statistic.tobytes() for s in every[-1].scores]


def test_an_incident_that_nothing_holds_open_ends_at_the_same_time_however_much_is_settled_at_once() -> None:
    left = folded((), [finding("x", 2.9 * DAY, TICKET, model="m")], 3)
    state, *_ = settled(3, "", EVENTS // 2, left)
    steps, *_ = settled(3, "", WINDOW // 5, left)
    assert state == steps
    assert thawed(pipeline_of(Settings()), state).models[Slice("m")].incidents[0].ended is not None
