"""Numbers that count leave their range every day; columns that say little are no siblings."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.judge.natural import counting
from driftd.judge.natural.kinds import Kind
from tests.unit.judge.natural.stage import DAY, HOUR, Columns, Stage

Bools = NDArray[np.bool_]
HOURS = np.arange(0, 21 * DAY, HOUR)


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        (1.79e9 + HOURS, True),
        (-HOURS, True),
        ((HOURS / HOUR) % 24, True),
        ((HOURS // DAY) % 7, True),
        ((HOURS // DAY + 27) % 30 + 1, True),
        (10 + np.sin(2 * np.pi * HOURS / DAY), False),  # half of a day it falls
        (np.random.default_rng(1).normal(size=HOURS.size), False),
        (np.cumsum(np.random.default_rng(2).normal(size=HOURS.size)), False),
        (np.full(HOURS.size, 3.0), False),
    ],
    ids=["epoch", "countdown", "hour", "weekday", "day", "rhythm", "noise", "walk", "constant"],
)
def test_what_counts_goes_one_way_but_for_its_resets(values: NDArray[np.float64], counts: bool) -> None:
    assert counting.of_hops(values[:, None]).tolist() == [counts]


def test_a_morning_of_weather_is_not_taken_for_a_count() -> None:
    """Three reports of a rising temperature are too few; three hours as whole numbers are the clock's."""
    degrees = np.repeat([11.4, 12.1, 13.0, 14.2], 400)
    assert counting.of_values(np.stack([degrees, np.repeat([8.0, 9.0, 10.0, 11.0], 400)])).tolist() == [False, True]


def test_missing_values_hide_no_count() -> None:
    values = np.arange(1000.0)
    values[::3] = np.nan
    assert counting.of_values(values[None]).tolist() == [True]


def clocks(columns: Columns, _: Bools) -> None:
    """In place of ``age`` the time itself; of ``temp`` the day of the month."""
    columns["age"] = columns["time"].copy()
    columns["temp"] = np.array([datetime.fromtimestamp(t, UTC).day for t in columns["time"]], float)


@pytest.mark.parametrize("days", [0.6, 2.0, 10.0, 25.0])
def test_a_time_and_a_date_go_on_without_a_word(days: float) -> None:
    found = Stage.of(np.random.default_rng(6), days, change=clocks)
    told = found.turns(np.random.default_rng(7), 5 * 24, clocks)
    assert {t.channel for t in told if t.level} & {found.channel("age"), found.channel("temp")} == set()


def test_a_time_in_milliseconds_or_one_that_stands_still_pages() -> None:
    found = Stage.of(np.random.default_rng(6), 10.0, change=clocks)

    def thousand(columns: Columns, on: Bools) -> None:
        clocks(columns, on)
        columns["age"][on] *= 1000

    def same(columns: Columns, on: Bools) -> None:
        clocks(columns, on)
        columns["age"][on] = columns["time"][0]

    (page,) = found.pages(found.turns(np.random.default_rng(7), 12, thousand, at=6))
    assert page[:2] == ("age", "unit")
    assert page[2] < 6.5
    (page,) = found.pages(found.turns(np.random.default_rng(7), 12, same, at=6))
    assert page[:2] == ("age", "frozen")


def test_prices_as_text_are_no_siblings_of_the_price() -> None:
    """Each has a mean output of its own, known from a handful of events: there is nothing that could be lost."""

    def text(columns: Columns, _: Bools) -> None:
        columns["shop"] = np.array([f"{x:.1f}" for x in columns["amount"]], object)

    found = Stage.of(np.random.default_rng(6), 3.0, change=text)
    place = found.learned.scores.rows.tolist().index(found.channel("shop"))
    assert not found.learned.scores.table[place].any()
    told = found.turns(np.random.default_rng(7), 3 * 24, text)
    assert not [t for t in told if t.level and t.kind is Kind.JOINT]
