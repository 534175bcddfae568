"""When silence is news: never where the model's own traffic has had the like, soon where it has not."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.monitor.silence import LEAST_SECONDS, Quiet, Silence, silence
from driftd.monitor.timeline import EVENTS, MOST, STEPS, TOTALS, WIDTH, Level, Points, Timeline

Times = NDArray[np.float64]
HOUR, DAY, WEEK = 3600.0, 86_400.0, 7 * 86_400.0
MONDAY = 2900 * WEEK + 4 * DAY


def timeline(times: Times) -> Timeline:
    """What is kept of a model whose events came at ``times``, ascending."""
    levels = []
    for step, most in zip(STEPS, MOST, strict=True):
        numbers, n = np.unique(times // step, return_counts=True)
        kept = numbers > times[-1] // step - most
        totals = np.full((int(kept.sum()), TOTALS), np.nan, np.float32)
        totals[:, EVENTS] = n[kept]
        values = np.zeros((len(totals), 0, WIDTH), np.float32)
        levels.append(Level(None, Points.of(numbers[kept].astype(np.int64), totals, values), Points.none(0)))
    return Timeline(levels=tuple(levels))


def stopped(times: Times, at: float) -> Silence:
    """What is known when the model sends nothing from ``at`` on."""
    before = times[times < at]
    return silence(timeline(before), float(before[-1]))


def steady(an_hour: float, days: float) -> Times:
    return MONDAY + np.arange(0, days * DAY, HOUR / an_hour)


def poisson(an_hour: Callable[[Times], Times], days: float, rng: np.random.Generator) -> Times:
    t = np.arange(0.0, days * DAY, 60.0)
    n = rng.poisson(an_hour(t) / 60)
    return MONDAY + np.sort(np.repeat(t, n) + 60 * rng.random(int(n.sum())))


def day_and_night(t: Times) -> Times:
    return np.asarray(
        400 * (1 + 0.95 * np.sin(2 * np.pi * (t - 8 * HOUR) / DAY)) * np.where(t // DAY % 7 >= 5, 0.5, 1.0)
    )


def office(t: Times) -> Times:
    return np.asarray(600.0 * ((t % DAY >= 8 * HOUR) & (t % DAY < 18 * HOUR) & (t // DAY % 7 < 5)))


def false_alarms(times: Times) -> tuple[int, int]:
    """Tickets and pages in the longest gaps of a model that never stopped."""
    gaps = np.diff(times)
    longest = np.argsort(-gaps)[:40]
    known = [(gaps[i], silence(timeline(times[: i + 1]), times[i])) for i in longest if gaps[i] >= LEAST_SECONDS]
    return sum(gap >= s.ticket for gap, s in known), sum(gap >= s.page for gap, s in known)


def test_a_busy_model_that_stops_is_a_page_after_five_minutes() -> None:
    found = stopped(steady(3600, 8), MONDAY + 7.5 * DAY)
    assert (found.ticket, found.page) == (LEAST_SECONDS, LEAST_SECONDS)
    assert found.usual == pytest.approx(3600)


def test_a_slow_model_is_waited_for_until_twenty_of_its_events_are_missing_and_thirty_for_a_page() -> None:
    found = stopped(steady(60, 8), MONDAY + 7.5 * DAY)
    assert found.ticket == pytest.approx(20 * 60, rel=0.02)
    assert found.page == pytest.approx(30 * 60, rel=0.02)


def test_on_the_first_day_silence_is_a_ticket() -> None:
    """Nobody knows yet whether 15:00 is when the model's day ends."""
    found = stopped(steady(3600, 1), MONDAY + 15 * HOUR)
    assert found.ticket == LEAST_SECONDS
    assert found.page > 8 * HOUR


def test_nothing_is_said_before_half_an_hour_is_known() -> None:
    assert stopped(steady(3600, 1), MONDAY + 20 * 60.0) == Silence(inf, inf, 0.0)
    assert silence(Timeline(), MONDAY) == Silence(inf, inf, 0.0)


def test_an_evening_is_no_silence_and_a_morning_without_events_is() -> None:
    times = poisson(office, 30, np.random.default_rng(1))
    evening = stopped(times, MONDAY + 23 * DAY + 18 * HOUR)  # Wednesday
    to_nine = 15 * HOUR  # the first hour is not believed for a page: clocks are changed
    assert 14 * HOUR < evening.ticket < to_nine < evening.page < to_nine + 15 * 60
    friday = stopped(times, MONDAY + 25 * DAY + 18 * HOUR)
    assert friday.page == pytest.approx(evening.page + 2 * DAY, rel=0.01)


def test_a_quiet_day_is_waited_for_longer() -> None:
    """A holiday with a tenth of the traffic."""
    times = steady(600, 8)
    holiday = times[(times < MONDAY + 7 * DAY) | (np.arange(len(times)) % 10 == 0)]
    usual, quiet = (stopped(t, MONDAY + 7.5 * DAY) for t in (times, holiday))
    assert usual.ticket == LEAST_SECONDS
    assert quiet.ticket == pytest.approx(20 * 60, rel=0.1)


def test_what_comes_in_batches_is_waited_for_twice_as_long_as_its_gaps() -> None:
    each = np.arange(0, 8 * DAY, 1800.0)[:, None] + np.arange(100) / 10
    found = stopped(MONDAY + each.ravel(), MONDAY + 7.5 * DAY)
    assert found.ticket == pytest.approx(2 * 1800, rel=0.1)


def test_two_outages_are_no_habit() -> None:
    times = steady(600, 8)
    for begin in (6.2, 6.8):
        times = times[(times < MONDAY + begin * DAY) | (times > MONDAY + begin * DAY + 2 * HOUR)]
    assert stopped(times, MONDAY + 7.5 * DAY).ticket == LEAST_SECONDS


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("traffic", [day_and_night, office])
def test_ordinary_traffic_of_a_month_pages_nobody(seed: int, traffic: Callable[[Times], Times]) -> None:
    tickets, pages = false_alarms(poisson(traffic, 30, np.random.default_rng(seed)))
    assert pages == 0
    assert tickets <= 1  # the first evening


def test_sessions_page_nobody() -> None:
    rng = np.random.default_rng(5)
    begins = poisson(lambda t: day_and_night(t) / 20, 30, rng)
    times = np.sort((begins[:, None] + np.cumsum(rng.exponential(10, (len(begins), 30)), axis=1)).ravel())
    tickets, pages = false_alarms(times)
    assert pages == 0
    assert tickets <= 12


def test_what_is_due() -> None:
    usual = Silence(ticket=600, page=900)
    assert [Quiet(s, usual).due for s in (599, 600, 900)] == ["", "ticket", "page"]
    assert Quiet(1e9, None).due == ""
