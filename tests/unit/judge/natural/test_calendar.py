"""What may be the calendar, or a thing at rest, makes a ticket where a fault pages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.judge.natural.calendar import at_midnight, holds_a_weekend
from driftd.judge.natural.episodes import NONE, PAGE, TICKET, Turn
from tests.unit.judge.natural.stage import DAY, HOUR, MONDAY, Change, Columns, Stage

Flags = NDArray[np.bool_]


def becomes(name: str, value: Any) -> Change:
    def change(columns: Columns, on: Flags) -> None:
        columns[name] = columns[name].copy()
        columns[name][on] = value

    return change


def dry_at_times(columns: Columns, on: Flags) -> None:
    """A wet day: one value in thirty is 0."""
    columns["amount"] = np.where(np.arange(len(on)) % 30 == 0, 0.0, columns["amount"])


def worst(turns: list[Turn], stage: Stage, name: str) -> int:
    return max((turn.level for turn in turns if turn.channel == stage.channel(name)), default=0)


@pytest.mark.parametrize(
    ("name", "was", "is_now", "days", "hour", "level"),
    [
        pytest.param("city", "mon", "tue", 1.0, 24.0, TICKET, id="a day, at midnight: a weekday"),
        pytest.param("age", 306.0, 307.0, 1.0, 24.0, TICKET, id="the day of the year"),
        pytest.param("city", "mon", "tue", 1.0, 18.5, TICKET, id="at midnight in India"),
        pytest.param("city", "mon", "tue", 1.0, 13.27, PAGE, id="in the middle of an hour: a fault"),
        pytest.param("age", 306.0, 307.0, 1.0, 13.27, PAGE, id="a number, in the middle of an hour"),
        pytest.param("city", "oct", "nov", 9.0, 24.0, TICKET, id="nine days, at midnight: a month"),
    ],
)
def test_a_constant_that_another_replaces(
    rng: np.random.Generator, name: str, was: Any, is_now: Any, days: float, hour: float, level: int
) -> None:
    stage = Stage.of(rng, days, MONDAY + 14 * DAY + (hour - 1) * HOUR, becomes(name, was))

    def later(c: Columns, on: Flags) -> None:
        becomes(name, was)(c, np.ones(len(on), bool))
        becomes(name, is_now)(c, on)

    assert worst(stage.turns(rng, 6, later, 1.0), stage, name) == level


@pytest.mark.parametrize(
    ("days", "before", "level"),
    [
        pytest.param(1.0, dry_at_times, TICKET, id="a day knows 0: it does not rain any more"),
        pytest.param(1.0, None, PAGE, id="a number that is never 0"),
        pytest.param(9.0, dry_at_times, PAGE, id="nine days without one of zeros"),
    ],
)
def test_a_number_that_is_0_from_now_on(
    rng: np.random.Generator, days: float, before: Change | None, level: int
) -> None:
    stage = Stage.of(rng, days, MONDAY + 14 * DAY + 11.3 * HOUR, before)

    def later(c: Columns, on: Flags) -> None:
        if before is not None:
            before(c, on)
        becomes("amount", 0.0)(c, on)

    assert worst(stage.turns(rng, 6, later, 1.0), stage, "amount") == level


def raised(columns: Columns, on: Flags) -> None:
    columns["age"] = np.where(on, columns["age"] + 30, columns["age"])


@pytest.mark.parametrize(
    ("change", "level"),
    [
        pytest.param(raised, TICKET, id="three standard deviations: it may be the afternoon"),
        pytest.param(becomes("age", np.nan), PAGE, id="no hour makes values missing"),
        pytest.param(becomes("age", -999.0), PAGE, id="nor all of them far out"),
    ],
)
def test_half_a_day_knows_no_other_hours(rng: np.random.Generator, change: Change, level: int) -> None:
    stage = Stage.of(rng, 0.5)
    assert worst(stage.turns(rng, 8, change, 1.2), stage, "age") == level


@pytest.mark.parametrize(
    ("first", "last", "near"),
    [
        pytest.param(MONDAY - 100, MONDAY + 100, True, id="within"),
        pytest.param(MONDAY + DAY / 2 + HOUR / 2 + 50, MONDAY + DAY / 2 + HOUR / 2 + 200, True, id="50 seconds after"),
        pytest.param(MONDAY + 100, MONDAY + 300, False, id="100 seconds after"),
        pytest.param(MONDAY + 900, MONDAY + 1100, False, id="a quarter past"),
    ],
)
def test_a_midnight_is_on_a_whole_or_half_hour(first: float, last: float, near: bool) -> None:
    assert at_midnight(first, last) == near


@pytest.mark.parametrize(
    ("days", "begins", "hours", "level"),
    [
        pytest.param(4.0, 5.0, 44.0, TICKET, id="a weekend that was not seen"),
        pytest.param(4.0, 3.0, 44.0, PAGE, id="two days in the middle of the week"),
        pytest.param(9.0, 5.0, 44.0, PAGE, id="a weekend was seen, and was as other days"),
        pytest.param(4.0, 5.0, 96.0, PAGE, id="it is there after the weekend, too"),
    ],
)
def test_another_level_that_begins_with_a_weekend(
    rng: np.random.Generator, days: float, begins: float, hours: float, level: int
) -> None:
    stage = Stage.of(rng, days, MONDAY + 14 * DAY + begins * DAY)

    def older(c: Columns, on: Flags) -> None:
        c["age"] = c["age"] + np.where(on, 16.0, 0.0)  # 1.6 standard deviations

    assert worst(stage.turns(rng, hours + 24, older, 2.0, 2.0 + hours), stage, "age") == level


def test_values_that_are_missing_page_on_a_weekend_too(rng: np.random.Generator) -> None:
    stage = Stage.of(rng, 4.0, MONDAY + 19 * DAY)
    assert worst(stage.turns(rng, 8, becomes("age", np.nan), 2.0), stage, "age") == PAGE


def test_half_a_weekend_with_events_is_one() -> None:
    hour = np.arange(72, dtype=np.float64) * HOUR + (MONDAY + 4 * DAY)  # Friday to Sunday
    events = np.zeros((72, 3), np.int64)
    events[:, 0] = 5
    events[:47, 1] = 5  # until Saturday 23:00
    events[:48, 2] = 5
    assert holds_a_weekend(hour, hour + HOUR, events).tolist() == [True, False, True]


def lost(share: float, name: str = "temp") -> Change:
    """A part of the values is missing: every k-th."""

    def change(columns: Columns, on: Flags) -> None:
        part = (np.arange(len(on)) * share) % 1 < share
        columns[name] = np.where(on & part, np.nan, columns[name])

    return change


@pytest.mark.parametrize(
    ("name", "share", "hours", "level"),
    [
        pytest.param("temp", 0.35, 1.0, NONE, id="one of three stations, for an hour"),
        pytest.param("temp", 0.35, 2.0, PAGE, id="for two hours: no report that was lost"),
        pytest.param("temp", 1.0, 1.0, PAGE, id="all of them"),
        pytest.param("amount", 0.35, 1.0, PAGE, id="a number of each event"),
    ],
)
def test_a_report_that_is_lost(rng: np.random.Generator, name: str, share: float, hours: float, level: int) -> None:
    stage = Stage.of(rng, 7.0, MONDAY + 14 * DAY + 11 * HOUR)
    assert worst(stage.turns(rng, 8, lost(share, name), 1.0, 1.0 + hours), stage, name) == level


def most_alike(columns: Columns, on: Flags) -> None:
    """97 % of the events have the same country, whichever the hour."""
    columns["city"] = np.where(np.arange(len(on)) % 30 == 7, "b", "a").astype(object)


def test_what_most_events_have_does_not_stand_still(rng: np.random.Generator) -> None:
    """Two days of them: that it is renamed pages by name, as of any other category."""
    stage = Stage.of(rng, 2.0, MONDAY + 14 * DAY + 9.3 * HOUR, most_alike)
    assert not stage.learned.traits.still[stage.channel("city")]

    def later(c: Columns, on: Flags) -> None:
        most_alike(c, on)
        c["city"][on & (c["city"] == "a")] = "A"

    turns = stage.turns(rng, 4, later, 1.0)
    assert [(name, kind) for name, kind, _ in stage.pages(turns)] == [("city", "renamed")]


def test_a_weekday_that_changed_once_stands_still(rng: np.random.Generator) -> None:
    stage = Stage.of(rng, 1.2, MONDAY + 14 * DAY + 9.3 * HOUR, weekdays)
    assert stage.learned.traits.still[stage.channel("city")]


def weekdays(columns: Columns, _on: Flags) -> None:
    columns["city"] = (columns["time"] // DAY).astype(int).astype(str).astype(object)
