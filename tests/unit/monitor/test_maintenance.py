"""Maintenance windows: nothing rings in one, everything is told, and what lasts rings when it is over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftd.core.act import MOST, Act, Deed, in_force, remembered, windows
from driftd.core.errors import ActRefused
from driftd.core.finding import Finding, Severity, Status
from driftd.engine.acting import perform
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.monitor.maintenance import OVER
from driftd.sinks.log import finding_json
from tests.unit.core.make import feed, frozen, thawed
from tests.unit.judge.natural.stage import HOUR
from tests.unit.monitor.test_growing import BEGIN, KEY, A, grower
from tests.unit.monitor.test_rebaseline import Watch, faulty, pages


def window(start: float, end: float, when: float = 0.0) -> Act:
    return Act(Deed.MAINTENANCE, "anna", when, "retrain", "m", (), BEGIN + start * HOUR, BEGIN + end * HOUR)


def tickets(found: list[Finding]) -> set[str]:
    return {f.feature for f in found if f.severity is Severity.TICKET and f.feature is not None}


def test_a_page_in_a_window_is_told_and_rings_when_it_is_over() -> None:
    """
    hour    7     8        9     9.5
    fault         |#################
    window  |--------------|
    """
    w = Watch(faulty(0.6, ("age", 8, 99, 100.0)))
    w.until(7)
    w.act(window(7, 9))
    found = w.until(9)
    (age,) = [f for f in found if f.feature == "age"]
    assert (age.status, age.severity) == (Status.DRIFT, None)
    assert age.because.endswith("; muted by maintenance by anna: retrain, until 2026-09-28 18:00 UTC")
    assert w.state.models[KEY].pages == 0
    assert w.state.models[KEY].incidents == ()
    assert not pages(found)
    after = w.until(9.5)
    assert pages(after) == {"age"}
    assert [f.opens_page for f in after if f.feature is None] == [True]
    assert {f.because[-len(OVER) :] for f in after if f.severity is Severity.PAGE} == {OVER}
    assert w.state.models[KEY].pages == 1
    assert len(w.state.models[KEY].incidents) == 1
    assert w.state.models[KEY].muted == ()
    assert not pages(w.until(11))  # once


def test_what_ended_in_the_window_never_rings() -> None:
    w = Watch(faulty(0.6, ("age", 7.5, 8, 100.0)))
    w.until(7)
    w.act(window(7, 11))
    assert any(f.feature == "age" and f.status is Status.DRIFT for f in w.until(11))
    w.until(12.5)
    assert not pages(w.findings)
    assert w.state.models[KEY].muted == ()
    assert w.open() == {}


def test_a_window_that_is_cancelled_rings_at_once() -> None:
    w = Watch(faulty(0.6, ("age", 8, 99, 100.0)))
    w.until(7)
    w.act(done := window(7, 99))
    assert not pages(w.until(9))
    over = Act(Deed.CANCEL, "anna", BEGIN + 9 * HOUR, "", "m", about=done.id)
    w.act(over)
    assert pages(w.until(9.5)) == {"age"}
    with pytest.raises(ActRefused, match="no maintenance window"):
        w.act(replace(over, when=BEGIN + 10 * HOUR))


def test_nothing_depends_on_how_events_arrive() -> None:
    """In one piece, or by the half hour with a restart after each: the same findings, to the byte."""
    rows, done = faulty(0.5, ("age", 8, 99, 100.0)), window(7, 9)
    w = Watch(rows)
    w.until(6.5)
    w.act(done)
    p, state = grower(28.0), State()
    cut = int((rows.times < BEGIN + 6.5 * HOUR).sum())
    found = [*feed(p, state, A, rows.take(np.arange(cut))).findings]
    perform(state, p, done)
    found += feed(p, state, A, rows.take(np.arange(cut, len(rows)))).findings
    w.until(12)
    assert [*map(finding_json, found)] == [*map(finding_json, w.findings)]
    assert pages(found) == {"age"}


def test_a_planned_window_is_the_same() -> None:
    p = grower(28.0)
    planned = replace(p.monitor.default, maintenance=(window(7, 9),))
    w = Watch(faulty(0.5, ("age", 8, 99, 100.0)), Pipeline(p.codec, replace(p.monitor, default=planned)))
    assert not pages(w.until(9))
    assert pages(w.until(9.5)) == {"age"}


def test_of_several_windows_the_longest_counts() -> None:
    both = windows([window(1, 3), window(2, 5)])
    assert [in_force(both, BEGIN + hour * HOUR) for hour in (0.9, 2.0, 5.0)] == [None, both[1], None]


def test_acts_are_bounded_but_windows_that_last_are_kept() -> None:
    acts: tuple[Act, ...] = ()
    for k in range(3 * MOST):
        acts = remembered(acts, window(k, k + 1, when=BEGIN + k * HOUR))
    assert len(acts) == MOST
    acts = ()
    for k in range(3 * MOST):
        acts = remembered(acts, window(k, 10_000 if k == 7 else k + 1, when=BEGIN + k * HOUR))
    assert [act.end == BEGIN + 10_000 * HOUR for act in acts] == [True] + [False] * MOST


def test_acts_survive_a_restart() -> None:
    w = Watch(faulty(0.3))
    w.until(1)
    w.act(window(7, 9))
    assert thawed(w.p, frozen(w.p, w.state)).models[KEY].acts == (window(7, 9),)
