"""What a replay came to: timelines of findings, and the report that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import poisson

from driftd.core.finding import Finding, Severity, Status
from driftd.core.units import MONTH_SECONDS
from driftd.replay.report import Found, Page, Report, Tally, Tickets, poisson_bound
from tests.stage.judgement import finding, judgement

OK, WARNING, DRIFT = Status.OK, Status.WARNING, Status.DRIFT
BUDGET = 1.0


BEGINS = {OK: None, WARNING: Severity.TICKET, DRIFT: Severity.PAGE}


def model(
    at: float, before: Status, now: Status, *channels: str, since: float | None = None, calls: bool = False
) -> Finding:
    severity = BEGINS[now] if now > before or calls else None
    told = {"previous": before, "status": now, "window_end": at, "since": since, "severity": severity}
    return finding("m", None, detector="model", channels=channels, **told)


def channel(at: float, name: str, before: Status, now: Status, detector: str = "psi", kind: str = "") -> Finding:
    severity = BEGINS[now] if now > before else None
    told = {"previous": before, "status": now, "window_end": at, "severity": severity, "kind": kind}
    return finding("m", name, detector=detector, **told)


def reported(found: Sequence[Finding], end: float = 1000.0, start: float = 0.0) -> Report:
    tally = Tally()
    for one in found:
        tally.take([replace(judgement("m"), findings=(one,))])
    return tally.report(start, end, BUDGET)


def test_a_fault_is_one_page_however_many_channels_join_and_however_often_it_is_renewed() -> None:
    # 100 opens with a   300 b joins                  400 renewed      700 over
    report = reported([
        model(100, OK, DRIFT, "a", since=90.0),
        model(300, DRIFT, DRIFT, "a", "b", since=90.0),
        model(400, DRIFT, DRIFT, "b", since=90.0),
        model(700, DRIFT, WARNING),
    ])  # fmt: skip
    assert report.pages == (Page("m", 100.0, 700.0, 90.0, ("a", "b"), ("", "")),)


def test_a_second_fault_is_a_page_of_its_own_and_both_end_with_the_model_s() -> None:
    # 100 a is missing   200 b joins       5000 c is frozen: calls again              9000 over
    report = reported([
        channel(100, "a", OK, DRIFT, "change", "missing"), model(100, OK, DRIFT, "a"),
        channel(200, "b", OK, DRIFT, "change", "mix"), model(200, DRIFT, DRIFT, "a", "b"),
        channel(5000, "c", OK, DRIFT, "change", "frozen"), model(5000, DRIFT, DRIFT, "a", "b", "c", calls=True),
        model(9000, DRIFT, OK),
    ])  # fmt: skip
    assert [(p.at, p.ended, p.channels, p.kinds) for p in report.pages] == [
        (100, 9000, ("a", "b"), ("missing", "mix")),
        (5000, 9000, ("c",), ("frozen",)),
    ]
    assert report.found["m", "c"] == Found(5000.0, None, "frozen")


def test_a_page_lasts_as_long_as_its_own_channels_while_the_model_s_goes_on() -> None:
    # 100 a is missing   2000 c is frozen: calls again   2500 c is over   2600 c is back quietly, to 2700   9000 over
    report = reported([
        channel(100, "a", OK, DRIFT, "change", "missing"), model(100, OK, DRIFT, "a"),
        channel(2000, "c", OK, DRIFT, "change", "frozen"), model(2000, DRIFT, DRIFT, "a", "c", calls=True),
        channel(2500, "c", DRIFT, OK, "change", "frozen"), model(2500, DRIFT, DRIFT, "a"),
        replace(channel(2600, "c", OK, DRIFT, "change", "frozen"), severity=None), model(2600, DRIFT, DRIFT, "a", "c"),
        channel(2700, "c", DRIFT, OK, "change", "frozen"), model(2700, DRIFT, DRIFT, "a"),
        channel(9000, "a", DRIFT, OK, "change", "missing"), model(9000, DRIFT, OK),
    ])  # fmt: skip
    assert [(p.at, p.ended, p.channels) for p in report.pages] == [(100, 9000, ("a",)), (2000, 2700, ("c",))]


def test_a_change_that_ends_and_begins_again_at_once_is_the_same_ticket() -> None:
    tally = Tally()
    tally.take([replace(judgement("m"), findings=(channel(100, "a", OK, WARNING, "change", "mix"),))])
    again = channel(200, "a", WARNING, OK, "change", "mix"), channel(200, "a", OK, WARNING, "change", "mix")
    tally.take([replace(judgement("m"), findings=again)])
    assert tally.report(0, 1000, BUDGET).tickets == (Tickets("m", "a", "change", 1, 900.0, 100.0, True, ("mix",)),)


def test_a_statistic_of_a_window_that_makes_no_ticket_is_none() -> None:
    assert reported([replace(channel(100, "a", OK, WARNING), severity=None)]).tickets == ()


def test_a_page_after_the_last_was_over_is_another_and_one_at_the_end_is_still_open() -> None:
    report = reported([
        model(100, WARNING, DRIFT, "a"), model(200, DRIFT, OK), model(900, OK, DRIFT, "b", since=850.0),
    ])  # fmt: skip
    assert [(p.at, p.ended, p.channels) for p in report.pages] == [(100, 200, ("a",)), (900, None, ("b",))]


def test_tickets_are_counted_by_channel_and_detector_with_how_long_they_were_open() -> None:
    # psi of a:  100---200    400--------------> 1000     missing of a: 500-550
    report = reported([
        channel(100, "a", OK, WARNING),
        channel(200, "a", WARNING, OK),
        channel(400, "a", OK, WARNING),
        channel(500, "a", OK, WARNING, "missing"),
        channel(550, "a", WARNING, OK, "missing"),
    ])  # fmt: skip
    assert report.tickets == (
        Tickets("m", "a", "missing", 1, 50.0, 500.0, open=False),
        Tickets("m", "a", "psi", 2, 700.0, 100.0, open=True),
    )
    assert report.found == {("m", "a"): Found(None, 100.0)}


def test_findings_of_every_window_add_no_ticket() -> None:
    report = reported([
        channel(100, "a", OK, WARNING),
        channel(200, "a", WARNING, WARNING),
        channel(300, "a", OK, OK, "missing"),
    ])  # fmt: skip
    assert [(t.count, t.seconds) for t in report.tickets] == [(1, 900.0)]


@pytest.mark.parametrize("before", [(), (channel(20, "a", OK, WARNING), channel(50, "a", WARNING, OK))])
def test_a_ticket_that_becomes_a_page_is_counted_as_a_page_alone(before: Sequence[Finding]) -> None:
    # (20 ticket  50 over)   100 ticket   300 page
    report = reported([*before, channel(100, "a", OK, WARNING), channel(300, "a", WARNING, DRIFT)])
    assert report.tickets == ((Tickets("m", "a", "psi", 1, 30.0, 20.0, open=False),) if before else ())
    assert report.risen == 1
    assert report.found["m", "a"] == Found(300.0, 20.0 if before else 100.0)


def test_thresholds_are_those_of_the_last_judgement_where_a_detector_judged() -> None:
    tally = Tally()
    tally.take([judgement("m", ("x",))])
    report = tally.report(0, 1, BUDGET)
    assert report.thresholds["m", "x", "psi"] == 0.1
    assert report.thresholds["m", "x", "judge"] == pytest.approx(np.log1p(1e6))


@pytest.mark.parametrize(
    ("pages", "months", "within"),
    [(0, 0.01, True), (1, 0.02, True), (1, 0.005, False), (4, 1.0, True), (5, 1.0, False), (18, 10.0, True)],
)
def test_pages_are_held_against_what_chance_explains(pages: int, months: float, *, within: bool) -> None:
    found = [f for i in range(pages) for f in (model(2 * i, OK, DRIFT, "a"), model(2 * i + 1, DRIFT, OK))]
    report = reported(found, end=months * MONTH_SECONDS)
    assert report.months == pytest.approx(months)
    assert report.pages_a_month == pytest.approx(pages / months)
    assert report.within is within


@pytest.mark.parametrize("expected", [0.0, 0.005, 0.1, 1.0, 10.2, 126.0, 3000.0])
def test_the_bound_is_the_quantile_of_the_poisson_distribution(expected: float) -> None:
    assert poisson_bound(expected) == (poisson.ppf(0.99, expected) if expected else 0)


def test_nothing_watched_is_no_month() -> None:
    report = Tally().report(float("nan"), float("-inf"), BUDGET)
    assert (report.months, report.explained, report.pages) == (0.0, 0, ())
