"""The new normal: what is open ends for the act's reason, what was is no news, and the next fault pages again."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from driftd.core.act import Act, Deed
from driftd.core.errors import ActRefused
from driftd.core.event import EventBatch
from driftd.core.finding import Finding, Severity, Status
from driftd.core.reference import Reference
from driftd.engine.acting import perform
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.learn.build import Learning
from driftd.monitor.settings import ModelSettings
from tests.unit.core.make import feed, frozen, pipeline_of, thawed
from tests.unit.judge.natural.stage import DAY, HOUR, Columns, batch, traffic
from tests.unit.monitor.test_growing import BEGIN, KEY, WINDOWS, A, grower

WHY = "amounts are in cents from now on"


def act(*channels: str, start: float | None = None, end: float | None = None) -> Act:
    return Act(Deed.REBASELINE, "anna", 1.0, WHY, "m", channels, start, end)


@cache
def columns(days: float) -> Columns:
    """About 8,000 events a day."""
    return traffic(np.random.default_rng(7), BEGIN, BEGIN + days * DAY)


def faulty(days: float, *faults: tuple[str, float, float, float]) -> EventBatch:
    """The traffic with columns that are so many times larger between two hours after the beginning."""
    own = {key: column.copy() for key, column in columns(days).items()}
    for name, start, end, factor in faults:
        own[name][(own["time"] >= BEGIN + start * HOUR) & (own["time"] < BEGIN + end * HOUR)] *= factor
    return batch(own)


class Watch:
    """A model that is watched hour by hour; a restart comes after each of them."""

    def __init__(self, rows: EventBatch, p: Pipeline | None = None) -> None:
        self.rows, self.p, self.state, self.at = rows, p or grower(28.0), State(), 0.0
        self.findings: list[Finding] = []
        self.learned: list[Reference] = []

    def until(self, hour: float) -> list[Finding]:
        """What was found since it was last asked."""
        found = list[Finding]()
        for end in np.arange(self.at + 0.5, hour + 0.1, 0.5):
            times = self.rows.times - BEGIN
            mine = np.flatnonzero((times >= (end - 0.5) * HOUR) & (times < end * HOUR))
            outcome = feed(self.p, self.state, A, self.rows.take(mine))
            found += outcome.findings
            self.learned += outcome.learned
            self.state = thawed(self.p, frozen(self.p, self.state))
        self.at = hour
        self.findings += found
        return found

    def act(self, done: Act) -> str:
        outcome, said = perform(self.state, self.p, done)
        self.findings += outcome.findings
        return said

    def open(self) -> dict[tuple[str | None, str], Status]:
        last = {(f.feature, f.detector): f.status for f in self.findings}
        return {key: status for key, status in last.items() if status >= Status.WARNING}


def pages(found: list[Finding]) -> set[str]:
    return {f.feature or "" for f in found if f.severity is Severity.PAGE} - {""}


def test_a_model_learns_anew_from_its_kept_events_and_the_next_fault_pages() -> None:
    w = Watch(faulty(1.3, ("age", 8, 99, 100.0), ("age", 26, 99, 100.0)))
    assert pages(w.until(11)) == {"age"}
    before = w.state.models[KEY].reference
    assert "learns anew from" in w.act(act(start=BEGIN + 8 * HOUR))
    assert w.open() == {}
    assert {f.because for f in w.findings[-2:]} == {f"rebaseline by anna: {WHY}"}
    assert not pages(w.until(25.5))
    after = w.learned[1 if before is None else -1]
    assert after.first >= BEGIN + 8 * HOUR
    assert w.state.models[KEY].acts == (act(start=BEGIN + 8 * HOUR),)
    assert pages(w.until(28)) == {"age"}


def test_a_channel_learns_anew_and_the_others_do_not_notice() -> None:
    """A page of another channel stays open meanwhile, with its beginning."""
    w = Watch(faulty(1.3, ("age", 8, 99, 100.0), ("amount", 9, 20, 100.0), ("age", 26, 99, 100.0)))
    assert pages(w.until(11)) == {"age", "amount"}
    before = w.state.models[KEY].reference
    assert "age: learned anew from what came since 2026-09-28 17:00 UTC" in w.act(act("age", start=BEGIN + 8 * HOUR))
    found = w.until(13)
    assert [(f.feature, f.status, f.detail) for f in found if f.feature is not None] == [
        ("age", Status.OK, f"rebaseline by anna: {WHY}")
    ]
    after = w.state.models[KEY].reference
    assert before is not None
    assert after is not None
    assert after.center[after.rows["age"]] == pytest.approx(100 * before.center[before.rows["age"]], rel=0.1)
    assert after.center[after.rows["amount"]] == pytest.approx(before.center[before.rows["amount"]], rel=0.1)
    assert {name for name, _ in w.open()} - {None} == {"amount"}
    assert not pages(w.until(25.5))
    assert pages(w.until(28)) == {"age"}


def test_a_channel_of_which_too_little_is_known_waits_for_half_an_hour() -> None:
    w = Watch(faulty(1.0, ("age", 8, 99, 100.0)))
    w.until(9)
    w.act(act("age"))
    assert ("age", "change") in w.open()
    w.until(11)  # half an hour and 500 events are there
    assert ("age", "change") not in w.open()
    growth = w.state.models[KEY].growth
    assert growth is not None
    assert growth.renewals == ()


def test_a_model_that_keeps_no_events_learns_from_now_on() -> None:
    p = pipeline_of(ModelSettings(lambda _: (), Learning(bins=10, windows=WINDOWS), learn_events=1000), WINDOWS)
    w = Watch(faulty(1.3, ("age", 12, 99, 100.0), ("age", 26, 99, 100.0)), p)
    w.until(20)
    assert ("age", "change") in w.open()
    assert "it judges again after 1,000 events" in w.act(act(start=BEGIN + 12 * HOUR))
    assert w.open() == {}
    assert w.state.models[KEY].reference is None
    assert not pages(w.until(25.5))
    w.until(28)
    assert ("age", "change") in w.open()
    with pytest.raises(ActRefused, match="is learned once: a channel of it alone cannot be learned anew"):
        w.act(act("age"))


@pytest.mark.parametrize(
    ("done", "given", "why"),
    [
        (act("aeg"), False, "no channel 'aeg'; did you mean 'age'"),
        (act(), True, "is a file"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(done: Act, given: bool, why: str) -> None:
    learning = Learning(bins=10, windows=WINDOWS)
    w = Watch(faulty(0.5), pipeline_of(ModelSettings(lambda _: (), learning, learn_events=500, given=given), WINDOWS))
    with pytest.raises(KeyError):
        w.act(done)
    w.until(10)
    before = frozen(w.p, w.state)
    with pytest.raises(ActRefused, match=why):
        w.act(done)
    assert frozen(w.p, w.state) == before


def test_a_model_that_learns_has_nothing_to_replace() -> None:
    w = Watch(faulty(0.5))
    w.until(1)
    with pytest.raises(ActRefused, match="is learning its reference"):
        w.act(act())
    assert w.state.models[KEY].acts == ()
