"""Faults and changes beyond natural variation, from events to findings: named, sized, the same however events came."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.config.settings import Settings
from driftd.core.event import EventBatch
from driftd.core.finding import CHANGE, JUDGE, Finding, Severity, Status
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.engine.pipeline import Pipeline
from driftd.engine.references import start_models
from driftd.engine.state import State
from driftd.judge.natural.episodes import PAGE, Clock, Episodes, Fire
from driftd.judge.natural.kinds import Kind, Named
from driftd.judge.natural.sizes import sized
from driftd.learn.build import Learning, build
from driftd.monitor.changes import multiplied
from driftd.monitor.finding_context import FindingContext
from driftd.monitor.state import OpenChange
from driftd.wiring.app import pipeline_of
from tests.unit.core.make import feed, frozen, thawed
from tests.unit.judge.natural.stage import DAY, HOUR, MONDAY, Columns, batch, traffic

CELL = ("t", 0)
Floats = NDArray[np.float64]
BEGIN = MONDAY + 14 * DAY


@cache
def week() -> Reference:
    """Seven days of a model with a rhythm of days."""
    return build(batch(traffic(np.random.default_rng(1), BEGIN - 7 * DAY, BEGIN)), Learning())


def live(hours: float) -> Columns:
    return traffic(np.random.default_rng(2), BEGIN, BEGIN + hours * HOUR)


def during(columns: Columns, start: float, end: float) -> NDArray[np.bool_]:
    age = (columns["time"] - BEGIN) / HOUR
    return (age >= start) & (age < end)


def watched(
    columns: Columns,
    polls: int = 20,
    *,
    restart: bool = False,
    p: Pipeline | None = None,
    reference: Reference | None = None,
) -> tuple[bytes, list[Finding]]:
    """What is found, and the state that is left."""
    p = p or pipeline_of(Settings())
    state, rows, found = State(), batch(columns), list[Finding]()
    p.slices.adopt(state, Slice("m"), reference or week())
    for part in np.array_split(np.arange(len(rows)), polls):
        found += feed(p, state, CELL, rows.take(part)).findings
        if restart:
            state = thawed(p, frozen(p, state))
    return frozen(p, state), found


def asked(findings: list[Finding], severity: Severity = Severity.PAGE) -> list[tuple[str | None, str]]:
    return [(f.feature, f.kind) for f in findings if f.severity is severity]


def test_a_missing_feature_pages_within_minutes_says_so_and_ends() -> None:
    columns = live(14)
    columns["amount"][during(columns, 6, 9)] = np.nan
    _, found = watched(columns)
    assert asked(found) == [("amount", "missing"), (None, "missing")]
    page, model = (f for f in found if f.severity is Severity.PAGE)
    assert page.detector == CHANGE
    assert BEGIN + 6 * HOUR < page.window_end < BEGIN + 6.5 * HOUR
    assert page.since == pytest.approx(BEGIN + 6 * HOUR, abs=600)
    assert page.reference_value == 0.0
    assert page.value is not None
    assert page.value > 0.5
    assert page.because.startswith("missing: 0% in the reference, now ")
    assert model.opens_page
    (over,) = [f for f in found if f.feature == "amount" and f.detector == CHANGE and f.status is Status.OK]
    assert BEGIN + 9.3 * HOUR <= over.window_end <= BEGIN + 9.8 * HOUR  # the first 20 minutes that show nothing of it
    assert over.previous is Status.DRIFT


@pytest.mark.parametrize(
    ("alarms", "own", "asked_of_amount"),
    [
        ({}, {}, {"page"}),
        ({"sizes": {"missing": {"page": None}}}, {}, {"ticket"}),
        ({"sizes": {"missing": {"page": None}}}, {"sizes": {"missing": {"page": 0.4}}}, {"page"}),
        (
            {"sizes": {"missing": {"page": 0.95}}},
            {"channels": {"city": {"missing": {"page": 0.1}}}},
            {"ticket"},
        ),
        ({}, {"channels": {"amount": {"missing": {"ticket": None, "page": None}}}}, set()),
    ],
    ids=["the table", "no page", "but of this model", "of another channel", "of this channel nothing"],
)
def test_sizes_of_the_user_decide_between_page_and_ticket(
    alarms: dict[str, Any], own: dict[str, Any], asked_of_amount: set[str]
) -> None:
    settings = Settings.model_validate({"alarms": alarms, "models": [{"name": "m", "alarms": own}]})
    columns = live(9)
    broken = during(columns, 3, 9) & (np.random.default_rng(7).random(len(columns["time"])) < 0.6)
    columns["amount"][broken] = np.nan
    _, found = watched(columns, p=pipeline_of(settings))
    severities = {str(f.severity) for f in found if f.feature == "amount" and f.severity is not None}
    assert severities <= {"ticket", *asked_of_amount}
    assert asked_of_amount <= severities


def test_an_ordinary_day_asks_for_nothing_and_statistics_of_windows_alone_tell_nothing() -> None:
    _, found = watched(live(24))
    assert [f for f in found if f.severity is not None] == []
    assert {f.feature for f in found} <= {None}


@pytest.mark.parametrize(("polls", "restart"), [(3, True), (29, True), (211, False)])
def test_neither_polls_nor_restarts_change_what_is_found(polls: int, restart: bool) -> None:
    columns = live(10)
    columns["amount"][during(columns, 3, 5)] *= 100
    columns["city"][during(columns, 4, 10)] = "zz"
    state, found = watched(columns)
    assert ("amount", "range") in asked(found) or ("amount", "unit") in asked(found)
    assert ("city", "renamed") in asked(found) or ("city", "new_value") in asked(found)
    other, again = watched(columns, polls, restart=restart)
    assert other == state
    assert [f.id for f in again] == [f.id for f in found]


def test_a_second_fault_calls_again_but_not_what_breaks_with_the_first() -> None:
    columns = live(8)
    columns["amount"][during(columns, 2, 8)] = np.nan
    columns["age"][during(columns, 2.1, 8)] = np.nan
    columns["error"][during(columns, 5, 8)] = 1.0
    _, found = watched(columns)
    calls = [f for f in found if f.opens_page]
    assert [f.previous for f in calls] == [Status.OK, Status.DRIFT] or [f.previous for f in calls][1:] == [Status.DRIFT]
    assert len(calls) == 2
    assert "error" in calls[1].channels
    assert calls[1].window_end > BEGIN + 5 * HOUR
    # each call since its own fault began
    assert [call.since for call in calls] == pytest.approx([BEGIN + 2 * HOUR, BEGIN + 5 * HOUR], abs=600)


@pytest.mark.parametrize("hours", [0.5, 5.0])
def test_a_change_is_told_since_one_time_whoever_has_found_it(hours: float) -> None:
    """The judge's episode is open when natural variation is exceeded, and the other way round."""
    p, state = pipeline_of(Settings()), State()
    p.slices.adopt(state, Slice("m"), week())
    model, row = state.models[Slice("m")], week().rows["age"]
    context = FindingContext(model, model.standing, week(), p.monitor.detectors(week()), 1)
    known = OpenChange(row, Status.WARNING, Kind.LEVEL, 1.0, BEGIN, BEGIN, np.nan, np.nan, np.nan, 0.15)
    told = replace(context, standing=replace(model.standing, changes=(known,)))
    later = BEGIN + hours * HOUR
    assert context.told_since(row, later) == later
    assert told.told_since(row, later) == (BEGIN if hours < 2 else later)  # hours later it is another change
    assert told.told_since(row, later, Kind.LEVEL) == BEGIN  # unless it is of the same kind
    assert told.told_since(row + 1, later) == later
    assert model.judge is not None
    model.judge.state.episodes.open[row], model.judge.state.episodes.since[row] = True, BEGIN + 60
    assert context.told_since(row, later) == (BEGIN + 60 if hours < 2 else later)
    assert told.told_since(row, BEGIN + 60) == BEGIN
    assert context.told_since(row, later, Kind.MISSING, 0.9) == later  # the judge dates to a batch, a fault to a tick
    small = context.told_since(row, later, Kind.MISSING, 0.05)  # ticks may have seen a part of it only
    assert small == (BEGIN + 60 if hours < 2 else later)


@pytest.mark.parametrize("seed", [3, 26, 29])
def test_new_values_in_a_third_are_told_since_their_tick_though_the_judges_batch_began_before(seed: int) -> None:
    begin, fault = MONDAY + 9 * HOUR, MONDAY + 37.75 * HOUR
    columns = traffic(np.random.default_rng(seed), begin, fault + HOUR)
    columns["city"][(columns["time"] >= fault) & (columns["time"] % 1 < 0.3)] = "atlantis"
    p, state, rows, found = pipeline_of(Settings()), State(), batch(columns), list[Finding]()
    for part in np.array_split(np.arange(len(rows)), len(rows) // 100):
        found += feed(p, state, CELL, rows.take(part)).findings
    page = next(f for f in found if f.feature == "city" and f.severity is Severity.PAGE)
    assert page.since == pytest.approx(fault, abs=110)  # a tick


def test_no_size_no_ticket_however_sure() -> None:
    p = pipeline_of(Settings())
    detectors = p.monitor.detectors(week())
    assert detectors.natural is not None
    assert detectors.limits is not None
    row = week().rows["age"]
    recent = week().summary
    assert not sized(detectors.natural, detectors.limits.sizes, recent).matters.any()
    counts = recent.counts.copy()
    counts[row, 0] += counts[row].sum() // 50  # two points missing
    told = sized(detectors.natural, detectors.limits.sizes, replace(recent, counts=counts), row)
    assert told.matters[0]
    assert not told.gross[0]
    assert told.kind[0] is Kind.MISSING


def test_the_judge_alone_makes_a_ticket_of_what_is_small() -> None:
    rng = np.random.default_rng(3)
    n = 40_000
    columns = traffic(rng, BEGIN, BEGIN + 4 * DAY)
    take = np.arange(min(n, len(columns["time"])))
    columns = {name: column[take] for name, column in columns.items()}
    columns["error"][during(columns, 24, 96)] = (rng.random(int(during(columns, 24, 96).sum())) < 0.03).astype(float)
    long = {**week().learned, "learned.span_seconds": np.array(14 * DAY)}
    assert long.keys() == week().learned.keys()
    _, found = watched(columns, reference=replace(week(), learned=long))
    told = [f for f in found if f.feature == "error" and f.severity is not None]
    assert told
    assert {f.severity for f in told} == {Severity.TICKET}
    assert JUDGE in {f.detector for f in told}


def test_sizes_of_channels_that_a_model_does_not_have_are_logged_when_it_starts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sizes = {"missing": {"page": 0.5}}
    wanted = {"models": [{"name": "m", "alarms": {"channels": {"amuont": sizes, "age": sizes}}}]}
    start_models(State(), pipeline_of(Settings.model_validate(wanted)), {"m": week()})
    told = "model m: alarms.channels: the reference has no channel 'amuont'; did you mean 'amount'?"
    assert [message for message in caplog.messages if "alarms" in message] == [told]


def fire(time: float, level: int = PAGE) -> Fire:
    name = Named(Kind.MISSING)
    return Fire(time, level, 0, name, 1.0, 1.0, time - 300, 200.0, 2.0, 0, 0.2, 0, 1.0, name, time, 1.0)


def test_a_night_without_events_ends_no_episode() -> None:
    #   ticks  |0..100| page |100..200|      nothing for 8 h       |29000..29100| nothing fires for 2 h of events: over
    siblings = np.eye(1, dtype=bool)
    episodes, turns = Episodes.start(1).step([fire(200.0)], np.array([0.0, 100.0]), np.array([100.0, 200.0]), siblings)
    assert [t.level for t in turns] == [PAGE]
    starts: Floats = 29_000.0 + 100 * np.arange(80, dtype=np.float64)
    episodes, turns = episodes.step([], starts[:1], starts[:1] + 100, siblings)
    assert turns == []
    episodes, turns = episodes.step([], starts[1:], starts[1:] + 100, siblings)
    assert [(t.level, t.time) for t in turns] == [(0, 29_000.0 + 7200)]
    assert turns[0].known == 29_000.0 + 7300


def test_the_clock_of_events_is_the_same_however_ticks_are_handed_over() -> None:
    start, end = np.array([0.0, 100.0, 5000.0, 9000.0]), np.array([100.0, 200.0, 5100.0, 9100.0])
    whole = Clock.of(np.nan, 0.0, start, end)
    assert whole.lost.tolist() == [0.0, 0.0, 4800.0, 8700.0]
    first = Clock.of(np.nan, 0.0, start[:3], end[:3])
    second = Clock.of(float(end[2]), float(first.lost[-1]), start[3:], end[3:])
    assert second.lost.tolist() == [8700.0]
    assert second.seen(9100.0) == whole.seen(9100.0) == 400.0


def test_a_level_that_pages_within_minutes_is_told_by_what_came_since() -> None:
    """Two deviations down, from 40 to 20; the hop holds an hour of 40. Beyond the lowest edge bins know no middle."""
    columns = live(20)
    on = during(columns, 6, 20)
    columns["age"][on] -= 20
    _, found = watched(columns)
    mine = [f for f in found if f.feature == "age" and f.detector == CHANGE]
    told = [f for f in mine if f.kind == Kind.LEVEL and f.value]
    assert told
    for f in mine:
        assert f.since is not None
        assert f.since_error_seconds is not None
        assert abs(f.since - BEGIN - 6 * HOUR) <= f.since_error_seconds
        assert ("before or after then" in f.because) is (f.since_error_seconds >= 900)
    assert told[-1].value == pytest.approx(float(columns["age"][on].mean()), abs=5)


def flagged(hours: float, factor: float) -> tuple[list[Finding], float]:
    """A flag that is 1 for a third of the events and 0 for the others, times ``factor`` from six hours on: what is told
    of it, and its mean since then.
    """

    def flag(columns: Columns, seed: int) -> Floats:
        return (np.random.default_rng(seed).random(len(columns["time"])) < 1 / 3).astype(np.float64)

    before = traffic(np.random.default_rng(1), BEGIN - 7 * DAY, BEGIN)
    before["amount"] = flag(before, 5)
    columns = live(hours)
    columns["amount"] = flag(columns, 6)
    on = during(columns, 6, hours)
    columns["amount"][on] *= factor
    _, found = watched(columns, reference=build(batch(before), Learning()))
    return [f for f in found if f.feature == "amount" and f.detector == CHANGE], float(columns["amount"][on].mean())


@pytest.mark.parametrize("factor", [3.0, 100.0])
def test_means_come_from_values_and_not_from_bins_that_have_ends(factor: float) -> None:
    found, mean = flagged(16, factor)
    told = [f for f in found if f.kind in {Kind.LEVEL, Kind.UNIT} and f.value and f.reference_value]
    assert told
    for finding in told:
        usual, now = (1.0, factor) if finding.kind == Kind.UNIT else (1 / 3, mean)
        assert finding.reference_value == pytest.approx(usual, abs=0.02)
        assert finding.value == pytest.approx(now, rel=0.2)


def test_a_page_that_turns_gross_calls_again_and_says_what_it_was() -> None:
    columns = live(16)
    rng = np.random.default_rng(11)
    age = (columns["time"] - BEGIN) / HOUR
    columns["amount"][(age >= 4) & (age < 8) & (rng.random(len(age)) < 0.25)] = np.nan
    columns["amount"][(age >= 8) & (age < 14)] = np.nan
    _, found = watched(columns)
    calls = [f for f in found if f.opens_page]
    assert len(calls) == 2
    assert all(call.kind == "missing" and call.channels == ("amount",) for call in calls)
    assert calls[1].previous is Status.DRIFT
    assert calls[1].window_end - BEGIN == pytest.approx(8.1 * HOUR, abs=0.2 * HOUR)
    assert calls[1].since == pytest.approx(BEGIN + 8 * HOUR, abs=600)
    assert calls[1].value == pytest.approx(1.0, abs=0.05)
    (grown,) = [f for f in found if f.feature == "amount" and f.previous is f.status is Status.DRIFT and f.severity]
    assert "it has grown: missing 2" in grown.because
    assert len({f.id for f in found}) == len(found)


@pytest.mark.parametrize(
    ("bouts", "calls"),
    [
        pytest.param([(6 + k / 2, 6 + k / 2 + 1 / 6) for k in range(8)], [6.0], id="10 minutes of each 30"),
        pytest.param([(6, 6.5), (7.5, 8.0)], [6.0], id="back within the hour"),
        pytest.param([(6, 6.5), (11, 11.5)], [6.0, 11.0], id="back hours later: another page"),
        pytest.param([(6, 6.5), (7.5, 14)], [6.0, 8.5], id="back, and stays for more than an hour"),
    ],
)
def test_a_fault_that_comes_and_goes_is_one_page_with_how_often_it_came(
    bouts: list[tuple[float, float]], calls: list[float]
) -> None:
    columns = live(18)
    for start, end in bouts:
        columns["amount"][during(columns, start, end)] = np.nan
    p, state = pipeline_of(Settings()), State()
    p.slices.adopt(state, Slice("m"), week())
    rows, found, quiet = batch(columns), list[Finding](), list[bool]()
    for part in np.array_split(np.arange(len(rows)), 60):
        found += feed(p, state, CELL, rows.take(part)).findings
        standing = state.models[Slice("m")].standing
        quiet += [standing.quiet] if standing.status is Status.DRIFT else []
    assert any(quiet) == (bouts[1] == (7.5, 8.0) or bouts[1] == (7.5, 14))  # its page had ended, and its alert with it
    assert not quiet[0]
    called = [f for f in found if f.opens_page]
    assert [(f.window_end - BEGIN) / HOUR for f in called] == pytest.approx(calls, abs=0.35)
    mine = [f for f in found if f.feature == "amount" and f.detector == CHANGE and f.status is Status.DRIFT]
    soon = len(bouts) if len(calls) == 1 or calls[1] < 10 else 1
    assert max(f.times for f in mine) == soon
    assert len([f for f in mine if f.severity]) == len(calls)
    model = state.models[Slice("m")]
    assert model.pages == len(calls)
    incidents = [i for i in model.incidents if any(p.channel == "amount" for p in i.parts)]
    assert len(incidents) == (1 if soon > 1 else 2)
    assert incidents[-1].first.times == soon
    if soon > 1:
        assert f"{soon}{'nd' if soon == 2 else 'th'} time since 2026" in mine[-1].because


@pytest.mark.parametrize(("second", "calls"), [(0.3, 1), (1.0, 2)])
def test_what_comes_back_grosser_calls(second: float, calls: int) -> None:
    columns = live(12)
    rng = np.random.default_rng(3)
    for start, end, share in ((6, 6.6, 0.35), (7.5, 8.4, second)):
        columns["amount"][during(columns, start, end) & (rng.random(len(columns["time"])) < share)] = np.nan
    _, found = watched(columns)
    assert len([f for f in found if f.opens_page]) == calls


def independent(rng: np.random.Generator, begin: float, days: float, per_day: int = 2_000) -> EventBatch:
    """Events that do not depend on each other, nor on the hour."""
    time = np.sort(begin + days * DAY * rng.random(int(days * per_day)))
    features = {"amount": rng.normal(50, 10, time.size), "age": rng.normal(40, 9, time.size)}
    return EventBatch("m", np.arange(time.size), time, features, fields={})


@pytest.mark.parametrize(("refused", "kind"), [(True, "refused"), (False, "missing")])
def test_the_judge_says_what_is_refused_and_what_is_missing(refused: bool, kind: str) -> None:
    """1.5 %: only exact evidence sees it."""
    rng = np.random.default_rng(12)
    reference = build(independent(rng, BEGIN - 15 * DAY, 15.0), Learning())
    rows = independent(rng, BEGIN, 4.0)
    gone = (rows.times > BEGIN + DAY) & (rng.random(len(rows)) < 0.015)
    np.asarray(rows.columns["amount"])[gone] = np.nan
    if refused:
        rows = replace(rows, refused={"amount": gone})
    p, state, found = pipeline_of(Settings()), State(), list[Finding]()
    p.slices.adopt(state, Slice("m"), reference)
    for part in np.array_split(np.arange(len(rows)), 20):
        found += feed(p, state, CELL, rows.take(part)).findings
    said = [f for f in found if f.feature == "amount" and f.severity is not None]
    assert [(f.detector, f.kind) for f in said] == [(JUDGE, kind)]
    assert said[0].value == pytest.approx(0.015, abs=0.01)
    assert said[0].reference_value == 0.0


@pytest.mark.parametrize(("hours", "told"), [(12.0, False), (24.0, True)], ids=["half a day", "a day"])
def test_the_judge_leaves_levels_to_the_hours_that_the_reference_has_seen(hours: float, told: bool) -> None:
    rng = np.random.default_rng(13)
    reference = build(independent(rng, BEGIN - hours * HOUR, hours / 24, 12_000), Learning())
    rows = independent(rng, BEGIN, 0.4, 12_000)
    evening = rows.times > BEGIN + 2 * HOUR
    amount, age = (np.asarray(rows.columns[name]) for name in ("amount", "age"))  # the columns themselves
    amount[evening] += 4.0
    age[evening & (rng.random(len(rows)) < 0.4)] = np.nan
    p, state, found = pipeline_of(Settings()), State(), list[Finding]()
    p.slices.adopt(state, Slice("m"), reference)
    for part in np.array_split(np.arange(len(rows)), 10):
        found += feed(p, state, CELL, rows.take(part)).findings
    assert any(f.feature == "amount" and f.severity for f in found) is told
    assert any(f.feature == "age" and f.severity is Severity.PAGE for f in found)


def test_a_typical_size_has_no_exponent() -> None:
    assert multiplied(4.4091e9, 4.4091e11) == "about 100 times larger, typical size was 4,410,000,000"
    assert multiplied(37.5, 0.375) == "about 100 times smaller, typical size was 37.5"
