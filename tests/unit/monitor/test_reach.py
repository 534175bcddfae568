"""What is told of a channel's sight: what it cannot see and why, what a reference has not seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.ingest.binning import encode_with
from driftd.judge.natural.changes import CHANGES, Change
from driftd.judge.natural.learned import NaturalLearned
from driftd.judge.natural.reach import UP, Reach, reach
from driftd.judge.natural.thresholds import thresholds
from driftd.learn.build import Learning, build
from driftd.learn.natural import learn
from driftd.monitor.reach import blind, detectable, undetectable, unseen_times
from tests.unit.core.make import wide
from tests.unit.judge.natural.stage import Columns, Stage

Seen = tuple[Reference, NaturalLearned, Reach]


@pytest.fixture(scope="module")
def week() -> Seen:
    stage = Stage.of(np.random.default_rng(1), 7.0)
    return stage.reference, stage.learned, reach(stage.learned, stage.limits, stage.reference)


def learned(events: int, per_second: float) -> Seen:
    """A number, one that is nearly always 0, a category that repeats, and one that is always missing but once."""
    rng = np.random.default_rng(2)
    rows = wide(
        {
            "amount": rng.normal(size=events),
            "flat": np.where(rng.random(events) < 0.01, rng.random(events), 0.0),
            "sticky": np.repeat(["a", "b", "c", "d"], events // 4).tolist(),
        },
        per_second=per_second,
    )
    reference = replace(build(rows, Learning()), learned={})
    found = learn(reference, rows, encode_with(reference, rows), 10.0)
    return reference, found, reach(found, thresholds(found), reference)


def reasons(of: Seen, channel: str, *, proved: bool = False) -> dict[Change, str]:
    reference, natural, seen = of
    row = [c.name for c in reference.channels].index(channel)
    every = undetectable(reference, natural, seen, np.full(len(reference.channels), proved))
    return {u.change: u.why for u in every[row]}


def classes(of: Seen, channel: str, *, proved: bool = False) -> tuple[str, ...]:
    reference, natural, seen = of
    row = [c.name for c in reference.channels].index(channel)
    return blind(reference, natural, seen, np.full(len(reference.channels), proved))[row]


def test_a_channel_that_follows_the_hour_sees_faults_and_no_level(week: Seen) -> None:
    hour = "follows the hour or the weather"
    expected = dict.fromkeys((Change.NEW, Change.LEVEL, Change.SPREAD, Change.MIX), hour)
    assert reasons(week, "temp") == expected
    assert classes(week, "temp") == ("level", "mix")


@pytest.mark.parametrize("channel", ["amount", "age", "city", "shop", "error"])
def test_an_ordinary_channel_of_a_week_is_blind_to_nothing(week: Seen, channel: str) -> None:
    assert (reasons(week, channel), classes(week, channel)) == ({}, ())


@pytest.mark.parametrize("proved", [False, True])
def test_missing_labels_are_seen_where_they_come_with_their_events(proved: bool) -> None:
    def answered(columns: Columns, _: NDArray[np.bool_]) -> None:
        columns["label"] = (columns["score"] > 0.5).astype(float)

    stage = Stage.of(np.random.default_rng(3), 3.0, change=answered)
    seen = stage.reference, stage.learned, reach(stage.learned, stage.limits, stage.reference)
    assert Change.MISSING not in reasons(seen, "label", proved=proved)
    assert Change.MISSING not in reasons(seen, "score", proved=proved)


def test_a_thin_reference_shows_faults_alone_unless_the_evidence_is_exact() -> None:
    thin = learned(1000, 1.0)
    few = "fewer than 2,000 events in the reference"
    assert {c: w for c, w in reasons(thin, "amount").items() if c in {Change.LEVEL, Change.MIX}} == {
        Change.LEVEL: few,
        Change.MIX: few,
    }
    assert classes(thin, "amount") == ("level", "mix")
    assert Change.LEVEL not in reasons(thin, "amount", proved=True)
    assert classes(thin, "amount", proved=True) == ()


def test_a_flat_channel_and_one_that_repeats_say_so() -> None:
    day = learned(20_000, 0.2)
    assert reasons(day, "flat")[Change.LEVEL] == "most values are one value"
    assert reasons(day, "sticky")[Change.FROZEN] == "usually 100%: no room to rise"


def test_a_reference_of_minutes_says_that_it_has_no_windows() -> None:
    minutes = learned(6000, 10.0)
    assert reasons(minutes, "amount")[Change.LEVEL] == (
        "too few events: no window to learn from (the reference spans 10 minutes)"
    )
    # that all values come to one end is seen, but may be the hour
    assert classes(minutes, "amount") == ("level", "mix")


def test_a_longer_wait_is_told_only_where_it_shows_a_smaller_change(week: Seen) -> None:
    reference, _, seen = week
    row = [c.name for c in reference.channels].index("amount")
    pages = [s for s in detectable(seen, len(reference.channels))[row] if s.change is Change.MISSING and s.page]
    assert [s.within_seconds for s in pages] == sorted(s.within_seconds for s in pages)
    assert all(later.least < 0.96 * sooner.least for sooner, later in pairwise(pages))
    assert (pages[0].of, pages[0].unit, pages[0].direction) == ("fault", "share", "either")


@pytest.mark.parametrize(
    ("first", "last", "unseen"),
    [
        pytest.param(
            "2026-11-23 08:00", "2026-11-23 18:00", ("a night", "a weekend", "a month end"), id="a day's work"
        ),
        pytest.param("2026-11-23 08:00", "2026-11-27 18:00", ("a weekend", "a month end"), id="Monday to Friday"),
        pytest.param("2026-11-21 08:00", "2026-11-24 18:00", ("a weekend", "a month end"), id="from Saturday morning"),
        pytest.param("2026-11-20 08:00", "2026-11-23 00:00", ("a month end",), id="a whole weekend"),
        pytest.param("2026-11-21 08:00", "2026-11-28 07:45", ("a month end",), id="a week, to its last event"),
        pytest.param("2026-11-24 08:00", "2026-11-25 07:45", ("a weekend", "a month end"), id="a day"),
        pytest.param("2026-11-02 08:00", "2026-11-30 13:00", (), id="until the noon of the last day"),
    ],
)
def test_a_reference_says_what_it_has_not_seen(week: Seen, first: str, last: str, unseen: tuple[str, ...]) -> None:
    start, end = (datetime.fromisoformat(f"{t}+00:00").timestamp() for t in (first, last))
    assert unseen_times(replace(week[0], first=start, last=end)) == unseen


def test_what_is_seen_in_one_direction_alone_names_the_other(week: Seen) -> None:
    reference, natural, seen = week
    row = [c.name for c in reference.channels].index("amount")
    level = (seen.channel == row) & (seen.change == CHANGES.index(Change.LEVEL))
    upwards = replace(seen, direction=np.where(level, UP, seen.direction))
    (told,) = undetectable(reference, natural, upwards, np.zeros(len(reference.channels), bool))[row]
    assert (told.change, told.direction) == (Change.LEVEL, "down")
    assert told.why == "its limit is beyond what its values can reach"
