"""Findings in words: pages before tickets, and nothing where nothing changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftd.cli.comparison import earlier
from driftd.cli.findings import lines as lines_of
from driftd.core.finding import Finding, MovedBin, Status
from driftd.core.text import minute
from driftd.replay.report import Found
from tests.stage.judgement import END, finding, judgement

OK, WARNING, DRIFT = Status.OK, Status.WARNING, Status.DRIFT
AT = f"{minute(END)} UTC  "
MORE = " " * 30


def lines(*found: Finding) -> list[str]:
    return [text for text, _ in lines_of(replace(judgement("m"), findings=found))]


def judge(feature: str, now: Status = DRIFT, before: Status = OK, **over: object) -> Finding:
    given = {"statistic": np.log1p(7e6), "threshold": np.log1p(1e6), "events": 1000, "effective_events": 1000.0}
    return finding("m", feature, **({"detector": "judge", "status": now, "previous": before} | given | over))


def model(now: Status, before: Status, *channels: str) -> Finding:
    return finding("m", None, detector="model", status=now, previous=before, channels=channels)


def ticket(feature: str, detector: str = "psi", **over: object) -> Finding:
    return finding("m", feature, **({"detector": detector, "status": WARNING} | over))


def test_a_page_names_its_channels_since_when_and_how_sure_it_is() -> None:
    assert lines(judge("a"), judge("*", moved=(), because="x; a and b part"), model(DRIFT, OK, "a", "*")) == [
        f"{AT}PAGE    m: a, how channels move together changed about {minute(END - 420)} UTC",
        f"{MORE}a: evidence 7.0 times the threshold, from 1,000 events; 30..40: 25% -> 70%; 0..10: 25% -> 5%",
        f"{MORE}how channels move together: evidence 7.0 times the threshold, from 1,000 events; a and b part",
    ]


def test_events_that_follow_each_other_have_a_smaller_effective_sample_size() -> None:
    (_, text) = lines(judge("a", effective_events=100.0, moved=()), model(DRIFT, OK, "a"))
    assert text.endswith("from 1,000 events (effective sample size 100)")


def test_a_change_that_another_detector_found_names_it() -> None:
    (_, text) = lines(
        judge("error", statistic=1.0, because="adwin detected a change; its share", moved=()), model(DRIFT, OK, "error")
    )
    assert text == f"{MORE}error: adwin detected a change"


def test_a_channel_that_joins_an_open_page_is_shown_but_calls_nobody_again() -> None:
    first, *_ = lines(judge("b"))
    assert first == f"{AT}PAGE    m: b joins, changed about {minute(END - 420)} UTC"
    assert lines(model(DRIFT, DRIFT, "b", "a")) == [f"{AT}PAGE    m: still: b, a"]


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
    assert lines(judge("a", OK, DRIFT), model(OK, DRIFT)) == [f"{AT}over    m: the page is over"]


def test_nothing_is_said_where_nothing_changed_unless_every_window_was_asked_for() -> None:
    assert lines(model(OK, Status.LEARNING)) == []
    assert lines(ticket("a", status=OK)) == [f"{AT}same    m: a: psi 0.31 (threshold 0.1); OK"]


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
