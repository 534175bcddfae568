"""Faults and days of ordinary traffic that were missed, or paged, when whole weeks of it were judged."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.judge.natural.changes import CHANGES, Change
from driftd.judge.natural.episodes import TICKET
from driftd.judge.natural.predictive import without_chance
from driftd.judge.natural.size_table import sizes_of
from tests.unit.judge.natural.stage import DAY, HOUR, MONDAY, Columns, Stage

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def test_what_chance_makes_of_rates_is_taken_out() -> None:
    """Of one rate nothing is left; of rates that differ their true variance, by a simulation."""
    rng = np.random.default_rng(5)
    n = np.full((4000, 2), 300.0)
    true = np.stack([np.full(4000, 0.02), rng.beta(2.0, 98.0, 4000)], axis=1)
    hits = rng.binomial(300, true).astype(np.float64)
    told = without_chance(hits, n, 4000.0)
    raw = hits / n
    assert raw[:, 0].max() > 0.04
    assert told[:, 0].max() < 0.03
    assert told[:, 1].std() == pytest.approx(true[:, 1].std(), rel=0.05)
    assert raw[:, 1].std() > 1.1 * true[:, 1].std()


def test_a_burst_stays_what_it_was() -> None:
    """Five errors in one window of 100 where none ever came are no chance."""
    hits = np.zeros((100, 1))
    hits[40] = 30.0
    told = without_chance(hits, np.full((100, 1), 100.0), 100.0)
    assert told[40, 0] > 0.28
    assert without_chance(np.zeros((5, 1)), np.zeros((5, 1)), 1.0).tolist() == [[0.0]] * 5


def weather(columns: Columns, _: Bools) -> None:
    """Degrees Fahrenheit of some weeks, ``temp``; in place of ``age`` the wind of three stations, calm at times."""
    t = columns["time"]
    columns["temp"] = np.round(72 + 9 * np.sin(2 * np.pi * t / DAY - 2) + 6 * np.sin(t / DAY / 1.3), 0)
    station = np.random.default_rng(4).integers(-3, 4, t.size)
    wind = 9 + 7 * np.sin(t / DAY * 2.1) + 4 * np.sin(2 * np.pi * t / DAY) + station
    columns["age"] = np.round(np.maximum(wind, 0.0), 0)


@cache
def stage(days: float) -> Stage:
    return Stage.of(np.random.default_rng(6), days, change=weather)


def frozen(at: float) -> list[tuple[str, str, float]]:
    """The pages where the wind stands still from the second hour on."""

    def breaks(columns: Columns, on: Bools) -> None:
        weather(columns, on)
        columns["age"][on] = at

    found = stage(10.0)
    return found.pages(found.turns(np.random.default_rng(7), 40, breaks, at=2))


def test_another_unit_of_the_weather_pages_also_where_it_is_no_factor_of_three() -> None:
    """65 degrees that read 149 have grown by 2.3, in a night without events: nobody saw the leap."""

    def breaks(columns: Columns, on: Bools) -> None:
        weather(columns, on)
        columns["temp"][on] = np.round(columns["temp"][on] * 1.8 + 32, 1)
        hours = (columns["time"] - columns["time"][0]) / HOUR
        for name in columns:
            columns[name] = columns[name][(hours < 22) | (hours >= 30)]

    found = stage(10.0)
    told = found.pages(found.turns(np.random.default_rng(7), 40, breaks, at=23))
    assert [name for name, _, _ in told] == ["temp"]
    assert 30 < told[0][2] < 32


def test_a_wind_that_stands_at_0_pages_later_than_one_that_stands_elsewhere() -> None:
    """It has been calm for hours before; not for most of a day."""
    elsewhere, calm = frozen(7.0), frozen(0.0)
    assert [kind for _, kind, _ in elsewhere + calm] == ["frozen", "frozen"]
    assert elsewhere[0][2] > 12
    assert elsewhere[0][2] + 4 < calm[0][2] < 26


def test_a_flag_in_another_unit_pages_by_what_is_not_0() -> None:
    """A fifth of the values are 1 and become 100: no more than a fifth can be far out."""

    def flag(columns: Columns, _: Bools) -> None:
        rng = np.random.default_rng(8)
        columns["age"] = (rng.random(len(columns["time"])) < 0.2).astype(float)

    def breaks(columns: Columns, on: Bools) -> None:
        flag(columns, on)
        columns["age"][on] *= 100

    found = Stage.of(np.random.default_rng(9), 3, change=flag)
    told = found.pages(found.turns(np.random.default_rng(10), 16, breaks, at=10))
    assert [(name, kind) for name, kind, _ in told] == [("age", "unit")]
    assert told[0][2] < 10.5


def rain(columns: Columns, showers: list[tuple[float, float, float]]) -> None:
    """0 in ``age`` but for showers of (first hour, last hour, amount), in half of the places."""
    hours = (columns["time"] - columns["time"][0]) / HOUR
    wet = np.random.default_rng(11).random(hours.size) < 0.5
    columns["age"] = np.zeros(hours.size)
    for first, last, amount in showers:
        now = (hours >= first) & (hours < last) & wet
        columns["age"][now] = np.round(amount * (0.5 + np.random.default_rng(12).random(int(now.sum()))), 2)


def test_rain_after_dry_weeks_is_weather() -> None:
    """Ten days with three light showers; then it pours ten times as much."""
    light = [(30.0, 37.0, 0.02), (100.0, 107.0, 0.03), (180.0, 187.0, 0.02)]
    found = Stage.of(np.random.default_rng(13), 10, change=lambda columns, _: rain(columns, light))
    assert found.learned.traits.timely[found.channel("age")]
    heavy = [(20.0, 23.0, 0.2), (60.0, 62.0, 0.2)]
    turns = found.turns(np.random.default_rng(14), 80, lambda columns, _: rain(columns, heavy))
    assert found.pages(turns) == []


def test_a_level_far_over_its_ticket_is_told_with_the_first_window() -> None:
    """Of 600 events a day a window holds half a day: twice as long would be the next day."""

    def thin(columns: Columns, _: Bools) -> None:
        keep = np.random.default_rng(15).random(len(columns["time"])) < 600 / 8000
        for name in columns:
            columns[name] = columns[name][keep]

    def moved(columns: Columns, on: Bools) -> None:
        columns["age"][on] += 9.0
        thin(columns, on)

    found = Stage.of(np.random.default_rng(16), 28, change=thin)
    turns = found.turns(np.random.default_rng(17), 30, moved, at=2)
    told = [t for t in turns if t.channel == found.channel("age") and t.level >= TICKET]
    assert told
    assert (told[0].time - found.begin) / HOUR < 20


def test_channels_with_holes_of_their_own_page_later() -> None:
    def holes(columns: Columns, _: Bools) -> None:
        columns["age"][np.random.default_rng(18).random(len(columns["time"])) < 0.06] = np.nan

    found = Stage.of(np.random.default_rng(19), 7, change=holes)
    table = sizes_of(found.learned)
    missing = CHANGES.index(Change.MISSING)
    assert table.least(missing, found.channel("age"), page=True) == 0.2
    assert table.least(missing, found.channel("amount"), page=True) == 0.15


def test_errors_of_prediction_of_other_hours_page_nobody_after_three() -> None:
    """A morning in which 5 % were wrong; of the rest of the day 40 % are."""

    def labelled(columns: Columns, on: Bools, wrong: float = 0.05) -> None:
        rng = np.random.default_rng(20)
        right = (columns["score"] > 0.5).astype(float)
        columns["label"] = np.where(rng.random(len(right)) < np.where(on, wrong, 0.05), 1 - right, right)

    def later(columns: Columns, on: Bools) -> None:
        labelled(columns, on, 0.4)

    def morning(columns: Columns, _: Bools) -> None:
        labelled(columns, np.zeros(len(columns["time"]), bool))

    found = Stage.of(np.random.default_rng(21), 0.125, change=morning)
    assert found.pages(found.turns(np.random.default_rng(22), 8, later, at=1)) == []


def rare(columns: Columns, _: Bools) -> None:
    """In place of ``age`` a flag that few events have, of ``city`` a currency that nearly all have."""
    rng = np.random.default_rng(int(columns["time"][0]))
    columns["age"] = (rng.random(columns["time"].size) < 0.02).astype(float)
    columns["city"] = np.where(rng.random(columns["time"].size) < 0.98, "EUR", "USD").astype(object)


@pytest.mark.parametrize("days", [2.0, 10.0])
def test_a_rare_flag_that_all_events_have_pages_and_so_does_a_rare_category(days: float) -> None:
    """One bin has 98 %: chance tells nothing of the rest, but another value in its place is a fault."""
    found = Stage.of(np.random.default_rng(6), days, change=rare)

    def one(columns: Columns, on: Bools) -> None:
        rare(columns, on)
        columns["age"][on] = 1.0

    def other(columns: Columns, on: Bools) -> None:
        rare(columns, on)
        columns["city"][on] = "USD"

    (page,) = found.pages(found.turns(np.random.default_rng(7), 12, one, at=6))
    assert page[0] == "age"
    assert page[2] < 6.5
    pages = found.pages(found.turns(np.random.default_rng(7), 12, other, at=6))
    assert {page[0] for page in pages} == {"city"}
    assert not [t for t in found.turns(np.random.default_rng(7), 48, rare) if t.level]


def test_a_unit_is_told_from_the_level_just_before_it() -> None:
    """Amounts that wander over days stand at their top, twice the usual; then cents come: a hundred times, not 200."""

    def wander(columns: Columns, _: Bools) -> None:
        days = (columns["time"] - MONDAY) / DAY - 14
        columns["amount"] = np.round(columns["amount"] * np.exp(0.8 * np.cos(2 * np.pi * days / 4)), 2)

    def cents(columns: Columns, on: Bools) -> None:
        wander(columns, on)
        columns["amount"][on] *= 100

    found = Stage.of(np.random.default_rng(6), 10.0, change=wander)
    told = [
        t for t in found.turns(np.random.default_rng(7), 12, cents, at=6)
        if t.level == 2 and t.channel == found.channel("amount")
    ]  # fmt: skip
    assert told
    assert {str(t.kind) for t in told} == {"unit"}
    assert [t.factor for t in told] == pytest.approx([100.0] * len(told))


def test_one_unseen_category_in_place_of_all_is_no_new_name() -> None:
    found = Stage.of(np.random.default_rng(6), 10.0)

    def default(columns: Columns, on: Bools) -> None:
        columns["shop"] = np.where(on, "none", columns["shop"])

    (page,) = found.pages(found.turns(np.random.default_rng(7), 9, default, at=6))
    assert page[:2] == ("shop", "new_value")


def test_what_is_mostly_missing_anyway_is_not_missing_when_its_values_change() -> None:
    """Coupons that a tenth of the events have are others from one week to the next."""

    def coupons(columns: Columns, on: Bools) -> None:
        some = np.random.default_rng(int(columns["time"][0])).random(columns["time"].size)
        columns["shop"] = np.where(on, np.where(some < 0.05, "C4", "C5"), np.where(some < 0.05, "C1", "C2")).astype(
            object
        )
        columns["shop"][some >= 0.1] = None

    def first(columns: Columns, _: Bools) -> None:
        coupons(columns, np.zeros(columns["time"].size, bool))

    found = Stage.of(np.random.default_rng(6), 10.0, change=first)
    kinds = {page[:2] for page in found.pages(found.turns(np.random.default_rng(7), 12, coupons, at=6))}
    assert kinds
    assert kinds <= {("shop", "new_value"), ("shop", "renamed")}
