"""Findings in words: pages before tickets, and nothing where nothing changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftd.cli.comparison import earlier
from driftd.cli.findings import lines as lines_of
from driftd.core.finding import Finding, MovedBin, Severity, Status
from driftd.core.text import minute
from driftd.replay.report import Found
from tests.stage.judgement import END, finding, judgement, scores

OK, WARNING, DRIFT = Status.OK, Status.WARNING, Status.DRIFT
AT = f"{minute(END)} UTC  "
MORE = " " * 30


def lines(*found: Finding) -> list[str]:
    return [text for text, _ in lines_of(replace(judgement("m"), findings=found))]


def severity(now: Status, before: Status) -> Severity | None:
    by_status = {WARNING: Severity.TICKET, DRIFT: Severity.PAGE}
    return by_status[now] if now > before and now in by_status else None


def judge(feature: str, now: Status = DRIFT, before: Status = OK, **over: object) -> Finding:
    over = {"severity": severity(now, before)} | over
    given = {"statistic": np.log1p(7e6), "threshold": np.log1p(1e6), "events": 1000, "effective_events": 1000.0}
    return finding("m", feature, **({"detector": "judge", "status": now, "previous": before} | given | over))


def model(now: Status, before: Status, *channels: str) -> Finding:
    return finding(
        "m", None, detector="model", status=now, previous=before, channels=channels, severity=severity(now, before)
    )


def ticket(feature: str, detector: str = "psi", **over: object) -> Finding:
    ends = over.get("status", WARNING) is not WARNING
    given = {"detector": detector, "status": WARNING, "severity": None if ends else Severity.TICKET}
    return finding("m", feature, **(given | over))


def change(feature: str, kind: str, value: float | None, usual: float | None, **over: object) -> Finding:
    given = {"detector": "change", "status": DRIFT, "severity": Severity.PAGE, "noise": 0.0}
    return finding("m", feature, **(given | {"kind": kind, "value": value, "reference_value": usual} | over))


def test_a_page_names_its_channels_since_when_and_how_sure_it_is() -> None:
    assert lines(judge("a"), judge("*", moved=(), because="x; a and b part"), model(DRIFT, OK, "a", "*")) == [
        f"{AT}PAGE    m: a, how channels move together changed about {minute(END - 420)} UTC",
        f"{MORE}a: evidence 7.0 times the threshold, from 1,000 events; 30..40: 25% -> 70%; 0..10: 25% -> 5%",
        f"{MORE}how channels move together: evidence 7.0 times the threshold, from 1,000 events; a and b part",
    ]


def test_the_version_that_began_with_a_change_stands_behind_it() -> None:
    because = "missing: 0% in the reference, now 62%; version 8 answers since 2026-11-29 01:00"
    given = change("a", "missing", 0.62, 0.0, because=because, new_version="8", moved=())
    assert lines(given, model(DRIFT, OK, "a"))[1].endswith("; version 8 answers since 2026-11-29 01:00")


def test_events_that_follow_each_other_have_a_smaller_effective_sample_size() -> None:
    (_, text) = lines(judge("a", effective_events=100.0, moved=()), model(DRIFT, OK, "a"))
    assert text.endswith("from 1,000 events (effective sample size 100)")


def test_a_change_that_another_detector_found_names_it() -> None:
    (_, text) = lines(
        judge("error", statistic=1.0, because="adwin detected a change; its share", moved=()), model(DRIFT, OK, "error")
    )
    assert text == f"{MORE}error: adwin detected a change"


def test_a_channel_that_joins_an_open_page_is_shown_but_calls_nobody_again() -> None:
    (line,) = lines(judge("b", moved=()), model(DRIFT, DRIFT, "a", "b"))
    assert line == f"{AT}joins   m: b: evidence 7.0 times the threshold, from 1,000 events"
    assert lines(model(DRIFT, DRIFT, "a", "b")) == [f"{AT}same    m: the page is open: a, b"]


@pytest.mark.parametrize(
    ("kind", "value", "usual", "says"),
    [
        ("missing", 0.62, 0.0, "missing 0% -> 62%"),
        ("new_value", 0.031, 0.001, "new value 0.1% -> 3.1%"),
        ("unit", 1230.0, 12.3, "unit: about 100 times larger, typical size was 12.3"),
        ("unit", 0.123, 12.3, "unit: about 100 times smaller, typical size was 12.3"),
        ("unit", 246.0, 12.3, "unit: 20 times larger, typical size 12.3 -> 246"),
        ("missing", 0.7733, 0.7711, "missing 77.1% -> 77.3%"),
        ("missing", 0.77, 0.77, "missing"),
        ("gradual", 0.4, 0.0, "gradual: out of range 0% -> 40%"),
        ("joint", 0.33, 0.98, "relation to other channels 0.98 -> 0.33"),
        ("joint", -0.02, 0.97, "relation to other channels 0.97 -> 0"),
        ("joint", -0.72, 0.97, "relation to other channels 0.97 -> 0, it has turned round"),
        ("frozen", None, None, "frozen"),
    ],
)
def test_a_change_says_its_kind_and_its_size(kind: str, value: float | None, usual: float | None, says: str) -> None:
    head, text = lines(change("a", kind, value, usual), model(DRIFT, OK, "a"))
    assert head == f"{AT}PAGE    m: a changed about {minute(END - 420)} UTC"
    assert text == f"{MORE}a: {says} since {minute(END - 420)}"


@pytest.mark.parametrize(
    ("kind", "value", "usual", "says"),
    [
        ("level", 3.5, 2.0, "mean 2 -> 3.5"),
        ("spread", 2.31, 1.0, "spread 2.3 times the reference's"),
        ("mix", 0.12, 0.0, "mix: 12% of the values moved"),
        ("mix", 0.0, 0.0, "mix: the values moved by little"),
    ],
)
def test_a_change_of_shape_shows_the_bins_beside_it(kind: str, value: float, usual: float, says: str) -> None:
    (line,) = lines(change("a", kind, value, usual, status=WARNING, severity=Severity.TICKET))
    assert line == f"{AT}ticket  m: a: {says} since {minute(END - 420)}; 30..40: 25% -> 70%; 0..10: 25% -> 5%"


def test_a_second_fault_calls_again_and_a_better_name_does_not() -> None:
    again = replace(model(DRIFT, DRIFT, "a", "b"), severity=Severity.PAGE)
    head, text = lines(change("b", "frozen", 1.0, 0.02), again)
    assert head == f"{AT}PAGE    m: again: a, b"
    assert text == f"{MORE}b: frozen 2% -> 100% since {minute(END - 420)}"
    (line,) = lines(change("a", "missing", 1.0, 0.0, previous=DRIFT, severity=None))
    assert line == f"{AT}now     m: a: missing 0% -> 100% since {minute(END - 420)}"


def test_what_ends_and_begins_again_at_once_is_not_said() -> None:
    ends = change("a", "range", 1.0, 0.0, status=OK, previous=DRIFT, severity=None)
    assert lines(ends, change("a", "range", 1.0, 0.0)) == []


def test_what_an_open_change_has_said_the_judge_does_not_repeat() -> None:
    j = judgement("m", ("a",), verdicts=(scores("change", [3.0, 0.0]),))
    assert list(lines_of(replace(j, findings=(judge("a", WARNING),)))) == []
    assert list(lines_of(replace(j, findings=(judge("prediction", WARNING),)))) != []


def test_a_ticket_is_a_line_and_many_are_two() -> None:
    moved = (MovedBin("30..40", 0.25, 0.7),)
    assert lines(ticket("a", moved=moved), ticket("a", "missing", statistic=0.02, threshold=0.01)) == [
        f"{AT}ticket  m: a: psi 0.31 (threshold 0.1), missing 0.02 (threshold 0.01); 30..40: 25% -> 70%"
    ]
    counted = ticket("c", "adwin", statistic=45.0, ratio=45.0, noise=0.0, moved=())
    first, second = lines(ticket("a"), counted, ticket("b", ratio=4.0, moved=(MovedBin("x", 0.001, 0.02),)))
    assert first == f"{AT}ticket  m: 3 channels: b (psi), a (psi), c (adwin)"
    assert second == f"{MORE}b: psi 0.31 (threshold 0.1); x: 0.1% -> 2%"


def test_what_ends_is_one_line() -> None:
    over = ticket("a", status=OK, previous=WARNING), ticket("b", status=OK, previous=WARNING)
    assert lines(*over) == [f"{AT}over    m: a (psi); b (psi)"]
    gone = change("a", "new_value", None, None, status=OK, previous=WARNING, severity=None)
    assert lines(gone) == [f"{AT}over    m: a (new value)"]
    assert lines(judge("a", OK, DRIFT), model(OK, DRIFT)) == [f"{AT}over    m: the page is over"]


def test_nothing_is_said_where_nothing_changed_unless_every_window_was_asked_for() -> None:
    assert lines(model(OK, Status.LEARNING)) == []
    assert lines(ticket("a", status=OK, severity=None)) == [f"{AT}same    m: a: psi 0.31 (threshold 0.1); OK"]


@pytest.mark.parametrize(
    ("finding", "says"),
    [
        (ticket("a", "judge", statistic=1.0, threshold=13.8), "judge (this window differs)"),
        (judge("a", WARNING), "judge (evidence 7.0 times the threshold)"),
    ],
)
def test_a_ticket_of_the_judge_says_how_far_its_evidence_is(finding: Finding, says: str) -> None:
    (line,) = lines(replace(finding, moved=()))
    assert line == f"{AT}ticket  m: a: {says}"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param(Found(10.0, 5.0), Found(30.0, 1.0), (0, 20.0), id="pages count before tickets"),
        pytest.param(Found(None, 5.0), Found(30.0, None), (1, float("inf")), id="only one paged"),
        pytest.param(Found(None, 5.0), Found(None, 1.0), (1, 4.0), id="tickets where nobody paged"),
        pytest.param(Found(7.0, 5.0), Found(7.0, 1.0), None, id="at the same time"),
        pytest.param(Found(), Found(), None, id="never"),
    ],
)
def test_who_found_it_earlier(first: Found, second: Found, expected: tuple[int, float] | None) -> None:
    assert earlier(first, second) == expected
