"""Smooth numbers that leap out of their range: another unit or a sentinel, which no weather looks like."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.core.fault_counters import LOG_UNIT, CountLimits
from driftd.judge.natural import features as f
from driftd.judge.natural import leaps
from driftd.judge.natural.changes import CHANGES, Change
from driftd.judge.natural.episodes import PAGE, TICKET
from driftd.judge.natural.kinds import Kind, named
from driftd.judge.natural.runs import Runs
from tests.unit.judge.natural.stage import DAY, HOUR, Columns, Stage

Floats = NDArray[np.float64]


def degrees(time: Floats) -> Floats:
    """Celsius, one sensor: a day's rhythm, and days that differ by some degrees."""
    day = 2.0 * np.sin(time / DAY / 1.3) + 1.5 * np.sin(time / DAY / 0.7)
    out: Floats = np.round(14 + 5 * np.sin(2 * np.pi * time / DAY - 2) + day, 1)
    return out


def ordinary(columns: Columns, _: NDArray[np.bool_]) -> None:
    columns["temp"] = degrees(columns["time"])


@cache
def stage(days: float) -> Stage:
    return Stage.of(np.random.default_rng(90), days, change=ordinary)


def levels(days: float, wrong: Callable[[Floats], Floats]) -> list[tuple[int, float]]:
    """Level and hour of what opens of the temperature, where it is ``wrong`` for 12 hours from 6 on."""

    def breaks(columns: Columns, on: NDArray[np.bool_]) -> None:
        ordinary(columns, on)
        columns["temp"][on] = wrong(columns["temp"][on])

    at = stage(days)
    turns = at.turns(np.random.default_rng(91), 24, breaks, at=6, ends=18)
    temp = at.channel("temp")
    return [(t.level, (t.time - at.begin) / HOUR) for t in turns if t.channel == temp and t.level > t.before]


@pytest.mark.parametrize("days", [1.0, 3.0, 7.0])
@pytest.mark.parametrize(
    ("wrong", "least"),
    [
        pytest.param(lambda t: t * 1.8 + 32, PAGE, id="Fahrenheit"),
        pytest.param(lambda t: -t, TICKET, id="the other sign"),
        pytest.param(np.zeros_like, TICKET, id="all 0"),
        pytest.param(lambda t: np.full(t.shape, -1.0), TICKET, id="all -1"),
        pytest.param(lambda t: np.full(t.shape, -999.0), PAGE, id="all -999"),
    ],
)
def test_a_smooth_number_that_leaps_is_told_within_the_hour(
    days: float, wrong: Callable[[Floats], Floats], least: int
) -> None:
    told = levels(days, wrong)
    assert told, "nothing was said"
    assert max(level for level, _ in told) >= least
    assert 6 < told[0][1] < 7


@pytest.mark.parametrize("days", [1.0, 3.0])
def test_a_ticket_of_a_leap_lasts_as_long_as_the_numbers_are_away(days: float) -> None:
    def breaks(columns: Columns, on: NDArray[np.bool_]) -> None:
        ordinary(columns, on)
        columns["temp"][on] = columns["temp"][on] + 26.0

    at = stage(days)
    temp = at.channel("temp")
    turns = [t for t in at.turns(np.random.default_rng(103), 60, breaks, at=6, ends=40) if t.channel == temp]
    assert turns[0].level == TICKET
    assert (turns[0].time - at.begin) / HOUR < 7.5
    over = [(t.time - at.begin) / HOUR for t in turns if t.level < TICKET]
    assert not over or over[0] >= 40


@pytest.mark.parametrize("days", [1.0, 3.0, 7.0])
@pytest.mark.parametrize("degrees_an_hour", [2.0, 5.0])
def test_a_front_pages_nobody(days: float, degrees_an_hour: float) -> None:
    """It is 10 degrees colder after some hours, or after two."""

    def front(t: Floats) -> Floats:
        hours = np.linspace(0, 12, len(t))
        return np.asarray(t - np.minimum(degrees_an_hour * hours, 10.0), np.float64)

    assert PAGE not in {level for level, _ in levels(days, front)}


def test_ordinary_days_leap_nowhere() -> None:
    for days in (1.0, 3.0):
        at = stage(days)
        turns = at.turns(np.random.default_rng(92), 72, ordinary)
        assert [t for t in turns if t.channel == at.channel("temp") and t.level == PAGE] == []


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [
        pytest.param(1.0, 10.0, Kind.LEVEL, id="from a night near 0 to an ordinary noon"),
        pytest.param(14.0, 140.0, Kind.UNIT, id="ten times as many as there ever were"),
        pytest.param(14.0, 1.4, Kind.UNIT, id="a tenth"),
    ],
)
def test_only_sizes_that_the_reference_never_had_are_another_unit(before: float, now: float, kind: Kind) -> None:
    at = stage(7.0)
    temp = at.channel("temp")
    offset = float(at.learned.limits.offset[temp])
    counters = np.zeros(f.FEATURES + at.learned.layout.width, np.int64)
    counters[[f.EVENTS, f.LIVE, f.NONZERO]] = 60
    log = np.log(now + offset)
    counters[[f.LOGS, f.LOG_SQUARES]] = np.rint(60 * np.array([log, log**2]) / LOG_UNIT)
    told = named(at.learned, CHANGES.index(Change.UNIT), temp, counters, counters, float(np.log(before + offset)))
    assert told.kind is kind


def flag(columns: Columns, on: NDArray[np.bool_]) -> None:
    """Six of ten are "yes"."""
    columns["city"] = np.where(np.random.default_rng(94).random(len(on)) < 0.6, "yes", "no").astype(object)


def test_a_flag_that_has_one_value_for_half_a_day_pages() -> None:
    def sticks(columns: Columns, on: NDArray[np.bool_]) -> None:
        flag(columns, on)
        columns["city"][on] = "yes"

    at = Stage.of(np.random.default_rng(95), 7.0, change=flag)
    pages = at.pages(at.turns(np.random.default_rng(96), 24, sticks, at=4))
    assert [(name, kind) for name, kind, _ in pages] == [("city", "frozen")]
    assert pages[0][2] < 4 + 15
    assert at.pages(at.turns(np.random.default_rng(97), 24, flag)) == []


def test_far_numbers_are_surely_a_jump_only_where_every_way_there_is_one() -> None:
    """From 10..20 to beyond 60 is a leap, or below 2 the jump ln 5; to 22 is neither; where leaps are long, ln 3."""
    limits = CountLimits(np.array([2.0, 2.0, 2.0]), np.array([60.0, 22.0, 60.0]), np.zeros(3))
    log = np.array([0.01, 0.01, 1.0])
    strides = leaps.Strides(np.array([0.1, 0.1, 9.0]), log, np.full(3, 10.0), np.full(3, 20.0), np.full(3, 10.0))
    sure = leaps.surely(strides, limits, np.zeros(3), 0.5, np.zeros(3))
    assert sure[0] == pytest.approx(0.5 / np.log(5))
    assert sure[1] > 1  # no share is enough
    assert sure[2] == pytest.approx(0.5 / np.log(3))
    weather = leaps.surely(strides, limits, np.zeros(3), 0.5, np.ones(3))
    assert weather[2] > 1  # below 2 is no range of 10 below 10


def winds(time: Floats, rng: np.random.Generator) -> Floats:
    """An hour each 6 to 30, and a sensor that adds some noise."""
    hours = np.exp(2.5 + 0.4 * np.sin(np.floor(time / HOUR) * 0.9) + 0.3 * np.sin(np.floor(time / HOUR) * 2.3))
    return np.asarray(hours + rng.normal(0, 1.2, len(time)), np.float64)


@pytest.mark.parametrize(("days", "windy"), [(1.0, 0.0), (2.0, 0.0), (7.0, 0.0), (1.0, 16.0)])
def test_calm_air_pages_nobody_and_another_unit_does(days: float, windy: float) -> None:
    """Its logarithm is far from that of any wind, the wind itself is not; after a ``windy`` day by a day's range."""
    rng = np.random.default_rng(98)

    def ordinary_wind(columns: Columns, _: NDArray[np.bool_]) -> None:
        columns["temp"] = winds(columns["time"], rng) + windy

    def calm(columns: Columns, on: NDArray[np.bool_]) -> None:
        ordinary_wind(columns, on)
        columns["temp"][on] = rng.normal(0, 1.2, on.sum())

    def thousand(columns: Columns, on: NDArray[np.bool_]) -> None:
        ordinary_wind(columns, on)
        columns["temp"][on] *= 1000

    at = Stage.of(np.random.default_rng(99), days, change=ordinary_wind)
    for ends in (7, 9, 16):
        turns = at.turns(np.random.default_rng(100), 24, calm, at=6, ends=ends)
        assert [t for t in turns if t.channel == at.channel("temp") and t.level == PAGE] == []
    assert "temp" in {name for name, _, _ in at.pages(at.turns(rng, 24, thousand, at=6))}


@pytest.mark.parametrize("days", [1.0, 3.0, 7.0])
def test_cold_that_turns_milder_is_no_other_sign(days: float) -> None:
    """Below all that was seen for hours, and rising again: what is larger than before is not therefore negative."""

    def fahrenheit(columns: Columns, _: NDArray[np.bool_]) -> None:
        columns["temp"] = np.round(degrees(columns["time"]) * 1.8 + 32, 1)

    def cold(columns: Columns, on: NDArray[np.bool_]) -> None:
        fahrenheit(columns, on)
        hours = np.linspace(0, 12, on.sum())
        columns["temp"][on] = np.round(34 - 3 * np.minimum(hours, 4) + 2 * np.maximum(hours - 4, 0), 1)

    at = Stage.of(np.random.default_rng(101), days, change=fahrenheit)
    turns = at.turns(np.random.default_rng(102), 24, cold, at=6, ends=18)
    assert [t for t in turns if t.channel == at.channel("temp") and t.level == PAGE] == []


@pytest.mark.parametrize(
    ("pause", "now", "told"),
    [
        pytest.param(60.0, 59.0, True, id="at once"),
        pytest.param(5000.0, 59.0, True, id="after an hour without events"),
        pytest.param(5000.0, 30.0, False, id="after an hour, near the range"),
        pytest.param(30_000.0, 59.0, False, id="after a night nobody knows how"),
    ],
)
def test_a_unit_that_changes_in_a_pause_is_told(pause: float, now: float, told: bool) -> None:
    """Celsius of 6 to 23 become Fahrenheit."""
    limits = CountLimits(np.array([-45.0]), np.array([75.0]), np.array([0.7]))
    strides = leaps.Strides(np.array([1.0]), np.array([0.1]), np.array([6.0]), np.array([23.0]), np.array([6.0]))
    sums = np.zeros((2, 1, f.FEATURES), np.int64)
    sums[:, :, [f.EVENTS, f.LIVE, f.NONZERO]] = 60
    sums[:, 0, f.LOGS] = np.rint(60 * np.log(np.array([15.0, now]) + 0.7) / LOG_UNIT)
    sums[1, 0, f.NEW] = 60
    start = np.array([0.0, 1200.0 + pause])
    hops = Runs(start, start + 1200.0, np.full(2, 60), sums)
    assert leaps.of_hops(strides, limits, np.zeros(1), hops, leaps.SOME)[1, 0] == told


@pytest.mark.parametrize(("now", "told"), [(31.0, False), (43.0, True)])
def test_beyond_bins_that_were_made_early_is_no_other_sign_where_the_reference_itself_has_been(
    now: float, told: bool
) -> None:
    """Degrees Fahrenheit: bins of 32 and more, and a day of 29 that was learned later. 31 is no -31; -43 is one."""
    limits = CountLimits(np.array([-45.0]), np.array([120.0]), np.array([0.7]))

    def hops(sizes: list[float], cold: int) -> Runs:
        sums = np.zeros((len(sizes), 1, f.FEATURES), np.int64)
        sums[:, :, [f.EVENTS, f.LIVE, f.NONZERO]] = 60
        sums[:, 0, f.LOGS] = np.rint(60 * np.log(np.array(sizes) + 0.7) / LOG_UNIT)
        sums[cold, 0, [f.NEW, f.LOW]] = 60
        start = np.arange(len(sizes)) * np.float64(1200)
        return Runs(start, start + 1200.0, np.full(len(sizes), 60), sums)

    learned = hops([46.0, 43.0, 40.0, 36.0, 29.0, 36.0, 40.0, 43.0], cold=4)
    strides = leaps.Strides.of(limits, np.zeros(1), learned)
    told_now = leaps.of_hops(strides, limits, np.zeros(1), hops([46.0, 43.0, now], cold=2), leaps.GREAT[0])
    assert told_now[2, 0] == told
