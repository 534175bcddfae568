"""Timelines with a known answer: gross faults page within minutes and by name, ordinary traffic does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.core.fault_counters import COLUMNS
from driftd.core.summary import MOMENT_UNIT
from driftd.judge.natural import features
from driftd.judge.natural.changes import CHANGES, SIZES, Change
from driftd.judge.natural.episodes import PAGE, TICKET
from driftd.judge.natural.kinds import Kind, named
from driftd.judge.natural.shapes import LEAST_WITHIN
from driftd.judge.natural.thresholds import thresholds
from tests.unit.judge.natural.stage import DAY, HOUR, MONDAY, Columns, Stage

Flags = NDArray[np.bool_]


def null(columns: Columns, on: Flags) -> None:
    columns["amount"][on] = np.nan


def no_city(columns: Columns, on: Flags) -> None:
    columns["city"][on] = None


def hundredfold(columns: Columns, on: Flags) -> None:
    columns["amount"][on] *= 100


def older(columns: Columns, on: Flags) -> None:
    columns["age"][on] += 20


def hundredth(columns: Columns, on: Flags) -> None:
    columns["amount"][on] /= 100


def frozen(columns: Columns, on: Flags) -> None:
    columns["age"][on] = columns["age"][on][0]


def frozen_weather(columns: Columns, on: Flags) -> None:
    columns["temp"][on] = columns["temp"][on][0]


def new_city(columns: Columns, on: Flags) -> None:
    tenth = on & (np.arange(on.size) % 10 == 0)
    columns["city"][tenth] = "brand-new"


def renamed_city(columns: Columns, on: Flags) -> None:
    columns["city"][on & (columns["city"] == "b")] = "B"


def new_shop(columns: Columns, on: Flags) -> None:
    columns["shop"][on & (np.arange(on.size) % 10 == 0)] = "brand-new"


def failing(columns: Columns, on: Flags) -> None:
    columns["error"][on & (np.arange(on.size) % 5 == 0)] = 1.0


def constant_answer(columns: Columns, on: Flags) -> None:
    columns["score"][on] = 0.25


@pytest.fixture(scope="module")
def week() -> Stage:
    return Stage.of(np.random.default_rng(1), 7.0)


@pytest.fixture(scope="module")
def half_day() -> Stage:
    """Noon to midnight: it has not seen a morning."""
    return Stage.of(np.random.default_rng(2), 0.5, MONDAY + 15 * DAY)


@pytest.mark.parametrize(
    ("change", "channel", "kinds", "minutes"),
    [
        pytest.param(null, "amount", {"missing"}, 10, id="a feature turns null"),
        pytest.param(no_city, "city", {"missing"}, 10, id="a category turns null"),
        pytest.param(hundredfold, "amount", {"unit"}, 15, id="a unit times 100"),
        pytest.param(hundredth, "amount", {"unit"}, 15, id="a unit by 100"),
        pytest.param(frozen, "age", {"frozen"}, 10, id="a number freezes"),
        pytest.param(frozen_weather, "temp", {"frozen"}, 30, id="a number that follows the hour freezes"),
        pytest.param(new_city, "city", {"new_value"}, 60, id="a new category takes a tenth"),
        pytest.param(new_shop, "shop", {"new_value"}, 90, id="a new category among hundreds takes a tenth"),
        pytest.param(renamed_city, "city", {"renamed", "new_value"}, 40, id="a category is renamed"),
        pytest.param(failing, "error", {"errors"}, 60, id="a fifth of the calls fails"),
        pytest.param(constant_answer, "score", {"frozen"}, 15, id="the answer is constant"),
    ],
)
def test_a_gross_fault_pages_soon_and_by_name(
    week: Stage, change: Callable[[Columns, Flags], None], channel: str, kinds: set[str], minutes: float
) -> None:
    turns = week.turns(np.random.default_rng(3), 16, change, at=12)
    pages = week.pages(turns)
    assert pages, "nobody was called"
    assert pages[0][0] == channel
    assert pages[0][1] in kinds
    assert 0 < (pages[0][2] - 12) * 60 <= minutes


@pytest.mark.parametrize("days", [0.4, 1.0])
def test_calls_that_fail_page_on_a_short_reference_too(days: float) -> None:
    """Days have not shown how wrong a model can be, but that calls seldom fail."""
    stage = Stage.of(np.random.default_rng(6), days)
    pages = stage.pages(stage.turns(np.random.default_rng(7), 8, failing, at=4))
    assert [(name, kind) for name, kind, _ in pages] == [("error", "errors")]


def test_values_of_another_type_are_refused_not_missing(week: Stage) -> None:
    pages = week.pages(week.turns(np.random.default_rng(4), 14, null, at=12, refused="amount"))
    assert [(name, kind) for name, kind, _ in pages] == [("amount", "refused")]
    assert (pages[0][2] - 12) * 60 <= 10


@pytest.mark.parametrize("days", [0.5, 1.0, 7.0])
def test_ordinary_days_page_nobody(days: float) -> None:
    stage = Stage.of(np.random.default_rng(5), days)
    assert stage.pages(stage.turns(np.random.default_rng(6), 72)) == []


def test_a_night_that_the_reference_has_not_seen_pages_nobody(half_day: Stage) -> None:
    assert half_day.pages(half_day.turns(np.random.default_rng(7), 36)) == []


def test_half_a_day_of_reference_is_enough_for_a_null(half_day: Stage) -> None:
    pages = half_day.pages(half_day.turns(np.random.default_rng(8), 14, null, at=12))
    assert [(name, kind) for name, kind, _ in pages] == [("amount", "missing")]
    assert (pages[0][2] - 12) * 60 <= 15


def test_a_weekend_that_the_reference_has_not_seen_pages_nobody() -> None:
    """Monday to Friday; on Saturday everybody is half a deviation older and twice as many come from b."""

    def weekend(columns: Columns, on: Flags) -> None:
        rng = np.random.default_rng(9)
        columns["age"][on] += 5.0
        moved = on & (rng.random(on.size) < 0.15)
        columns["city"][moved] = "b"

    stage = Stage.of(np.random.default_rng(10), 4.9, MONDAY + 19 * DAY)
    assert stage.pages(stage.turns(np.random.default_rng(11), 48, weekend)) == []


def clock(shift: float) -> Callable[[Columns, Flags], None]:
    """The hour of the day in place of the temperature, ``shift`` hours late where it is on."""

    def change(columns: Columns, on: Flags) -> None:
        columns["temp"] = np.floor((columns["time"] / HOUR + shift * on) % 24)

    return change


def test_an_hour_that_is_late_is_told_where_the_hours_are_known() -> None:
    """As when the time zone of a producer changes."""
    stage = Stage.of(np.random.default_rng(43), 8.0, change=clock(0))
    hour = stage.channel("temp")
    assert stage.learned.traits.timely[hour]
    assert stage.learned.traits.hourly[hour]
    assert not [t for t in stage.turns(np.random.default_rng(44), 72, clock(0)) if t.channel == hour]
    told = [t for t in stage.turns(np.random.default_rng(45), 30, clock(5), at=6) if t.channel == hour]
    assert told
    assert 6 < (told[0].time - stage.begin) / HOUR < 12


def wander(columns: Columns, on: Flags) -> None:
    """Everybody is 4 years older every 12 hours, up to 48 years: no fault, but out of what one day has shown."""
    hours = (columns["time"] - columns["time"][0]) / HOUR
    columns["age"][on] += np.floor(hours[on] / 12) * 4.0


def test_what_leaves_the_range_of_one_day_little_by_little_is_not_told() -> None:
    stage = Stage.of(np.random.default_rng(40), 1.0)
    age = stage.channel("age")
    turns = [t for t in stage.turns(np.random.default_rng(41), 144, wander) if t.channel == age]
    assert turns  # the level
    assert {t.kind for t in turns}.isdisjoint({Kind.RANGE, Kind.GRADUAL})
    at_once = stage.pages(stage.turns(np.random.default_rng(42), 30, hundredfold, at=26))
    assert ("amount", "unit") in [(name, kind) for name, kind, _ in at_once]


def stations(columns: Columns) -> None:
    """What three stations measure once an hour: half of the values are like the one before."""
    hour = np.floor(columns["time"] / HOUR)
    station = np.random.default_rng(5).integers(0, 3, hour.size)
    columns["temp"] = np.round(10 + 5 * np.sin(2 * np.pi * hour / 24) + station + 0.01 * (hour % 97), 2)


def test_who_wants_no_ticket_of_frozen_values_has_none_before_the_page() -> None:
    def hangs(columns: Columns, on: Flags) -> None:
        stations(columns)
        columns["temp"][on] = 12.3

    stage = Stage.of(np.random.default_rng(50), 7.0, change=lambda columns, _: stations(columns))
    place, temp, levels = (CHANGES.index(Change.FROZEN), stage.channel("temp")), stage.channel("temp"), []
    for wanted in (float(stage.limits.sizes.ticket[place]), np.inf):
        ticket = stage.limits.sizes.ticket.copy()
        ticket[place] = wanted
        limits = replace(stage.limits, sizes=replace(stage.limits.sizes, ticket=ticket))
        turns = replace(stage, limits=limits).turns(np.random.default_rng(52), 48, hangs, at=6, ends=34)
        levels.append(next(t.level for t in turns if t.channel == temp and t.kind is Kind.FROZEN))
    assert levels == [TICKET, PAGE]


@pytest.mark.parametrize(
    ("value", "hours"),
    [
        pytest.param(12.3, (12, 17), id="a value"),
        pytest.param(0.0, (12, 17), id="nothing, which it never was"),
    ],
)
def test_weather_that_stands_still_for_most_of_a_day_pages(value: float, hours: tuple[float, float] | None) -> None:
    def hangs(columns: Columns, on: Flags) -> None:
        stations(columns)
        columns["temp"][on] = value

    stage = Stage.of(np.random.default_rng(50), 7.0, change=lambda columns, _: stations(columns))
    temp = stage.channel("temp")
    assert stage.learned.traits.timely[temp]
    calm = stage.turns(np.random.default_rng(51), 48, lambda columns, _: stations(columns))
    assert [t for t in calm if t.channel == temp and t.level == PAGE] == []
    turns = stage.turns(np.random.default_rng(52), 48, hangs, at=6, ends=34)
    frozen = [t for t in turns if t.channel == temp and t.level == PAGE and t.kind is Kind.FROZEN]
    if hours is None:
        assert frozen == []
        return
    assert hours[0] < (frozen[0].time - stage.begin) / HOUR - 6 < hours[1]
    assert frozen[0].value == 1.0
    last = [t for t in turns if t.channel == temp and t.before == PAGE and t.level < PAGE]
    assert 34 <= (last[-1].time - stage.begin) / HOUR < 38


@pytest.mark.parametrize("score", [0.1, 0.9])
def test_a_model_that_gives_all_requests_the_same_class_pages(week: Stage, score: float) -> None:
    """About a third are of class 1; the score goes on varying."""
    rng = np.random.default_rng(53)

    def alike(columns: Columns, on: Flags) -> None:
        columns["score"][on] = score + 0.05 * rng.random(int(on.sum()))

    assert week.learned.traits.repetitive[week.channel("prediction")]
    told = week.pages(week.turns(np.random.default_rng(54), 24, alike, at=6))
    hours = [time - 6 for name, kind, time in told if (name, kind) == ("prediction", "frozen")]
    assert 4 < hours[0] < 9


def test_a_rare_decision_may_stay_away_for_a_quiet_day() -> None:
    """A yes comes in clusters of hours, and is one answer in eight: half a day without one is no constant model."""
    rng = np.random.default_rng(111)

    def decided(columns: Columns, on: Flags) -> None:
        busy = 0.12 * (1 + np.sin(2 * np.pi * columns["time"] / (5 * HOUR)))
        columns["score"] = np.where((rng.random(on.size) < busy) & ~on, 0.9, 0.1) + 0.05 * rng.random(on.size)

    def usual(columns: Columns, on: Flags) -> None:
        decided(columns, np.zeros_like(on))

    stage = Stage.of(np.random.default_rng(112), 7.0, change=usual)
    prediction = stage.channel("prediction")
    for ends, pages in ((20, 0), (46, 1)):
        turns = stage.turns(np.random.default_rng(113), 48, decided, at=6, ends=ends)
        assert sum(t.channel == prediction and t.level == PAGE for t in turns) >= pages
        assert pages or not [t for t in turns if t.channel == prediction and t.level == PAGE]


def test_a_new_category_among_small_ones_is_not_a_renamed_one(week: Stage) -> None:
    """One value in six is new, and one of the rare cities has not come by chance."""
    city = week.channel("city")
    counters = np.zeros(features.FEATURES + week.learned.layout.width, np.int64)
    usual = week.learned.usual.shares[city]
    rare = int(np.argmin(np.where(usual > 0, usual, 1.0)))
    values = np.rint(usual * 30).astype(np.int64)
    values[rare] = 0
    counters[features.FEATURES :] = values
    counters[features.NEW], counters[features.LIVE], counters[features.EVENTS] = 5, 35, 35
    assert named(week.learned, CHANGES.index(Change.NEW), city, counters, counters).kind is Kind.NEW_VALUE


def hourly(columns: Columns) -> None:
    """Measured once an hour at one place."""
    hour = np.floor(columns["time"] / HOUR)
    columns["temp"] = np.round(12 + 5 * np.sin(2 * np.pi * hour / 24) + 0.01 * (hour % 97), 2)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda temp: temp * 1000, id="a unit"),
        pytest.param(lambda temp: np.full(temp.shape, -9999.0), id="a sentinel"),
    ],
)
def test_weather_that_is_far_out_pages_on_a_reference_of_days(
    wrong: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> None:
    def breaks(columns: Columns, on: Flags) -> None:
        hourly(columns)
        columns["temp"][on] = wrong(columns["temp"][on])

    stage = Stage.of(np.random.default_rng(56), 3.0, change=lambda columns, _: hourly(columns))
    temp = stage.channel("temp")
    assert stage.learned.traits.still[temp]
    calm = stage.turns(np.random.default_rng(57), 72, lambda columns, _: hourly(columns))
    assert [t for t in calm if t.channel == temp] == []
    told = stage.pages(stage.turns(np.random.default_rng(58), 24, breaks, at=6))
    assert [name for name, _, _ in told] == ["temp"]
    assert 6 < told[0][2] < 6.5


def test_one_missing_answer_does_not_end_a_run_of_equal_ones(week: Stage) -> None:
    rng = np.random.default_rng(59)

    def alike(columns: Columns, on: Flags) -> None:
        columns["score"][on] = 0.1 + 0.05 * rng.random(int(on.sum()))
        columns["score"][on & (rng.random(on.size) < 0.003)] = np.nan

    told = week.pages(week.turns(np.random.default_rng(60), 24, alike, at=6))
    assert [(name, kind) for name, kind, _ in told if name == "prediction"] == [("prediction", "frozen")]


def test_a_number_that_counts_events_does_not_spread(week: Stage) -> None:
    """In a tick it hardly varies beside its days: what is left of its spread there is rounding, more so far from 0."""
    layout, temp = week.learned.layout, week.channel("temp")
    sums = np.zeros((32, len(week.reference.channels), layout.width + COLUMNS + 2), np.int64)
    for level in range(32):
        z = level + 1e-4 * np.arange(8)
        sums[level, temp, layout.width - 2] = 8
        sums[level, temp, -2:] = np.rint(z / MOMENT_UNIT).sum(), np.rint(z * z / MOMENT_UNIT).sum()
    told = layout.features(sums)[:, temp]
    within = np.log(np.maximum(told[:, features.WITHIN] * MOMENT_UNIT / told[:, features.FREE], LEAST_WITHIN)) / 2
    assert np.ptp(within) < SIZES[Change.WITHIN].page / 2


def test_a_campaign_pages_nobody(week: Stage) -> None:
    """Six hours of higher amounts, and of one city more than usual."""

    def campaign(columns: Columns, on: Flags) -> None:
        columns["amount"][on] *= 1.4
        columns["city"][on & (np.random.default_rng(12).random(on.size) < 0.15)] = "c"

    assert week.pages(week.turns(np.random.default_rng(13), 30, campaign, at=10, ends=16)) == []


def test_a_burst_of_five_percent_errors_for_four_minutes_pages_nobody(week: Stage) -> None:
    def deploy(columns: Columns, on: Flags) -> None:
        columns["error"][on & (np.random.default_rng(14).random(on.size) < 0.05)] = 1.0

    assert week.pages(week.turns(np.random.default_rng(15), 30, deploy, at=13, ends=13 + 4 / 60)) == []


@pytest.mark.parametrize("sd", [0.05, 0.1])
def test_a_small_shift_never_alerts(week: Stage, sd: float) -> None:
    def shift(columns: Columns, on: Flags) -> None:
        columns["age"][on] += 10 * sd

    names = [c.name for c in week.reference.channels]
    turns = week.turns(np.random.default_rng(16), 72, shift)
    assert [names[t.channel] for t in turns if t.level and names[t.channel] == "age"] == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(older, False, id="a level: the judge's"),
        pytest.param(hundredfold, True, id="a wrong unit"),
        pytest.param(null, True, id="no values"),
    ],
)
def test_where_the_judge_knows_the_weeks_only_wrong_values_are_told(
    week: Stage, change: Callable[[Columns, Flags], None], told: bool
) -> None:
    clocked = np.ones(len(week.reference.channels), bool)
    quiet = replace(week, limits=thresholds(week.learned, clocked=clocked))
    assert week.turns(np.random.default_rng(31), 30, change, at=6)
    turns = quiet.turns(np.random.default_rng(31), 30, change, at=6)
    assert bool(turns) == told
    assert {t.level for t in turns if t.level} <= {2}


def test_a_number_that_never_varied_makes_a_ticket_when_it_does() -> None:
    clear = Stage.of(np.random.default_rng(32), 10, change=frozen)
    age = [t for t in clear.turns(np.random.default_rng(33), 12) if t.channel == clear.channel("age")]
    assert {t.level for t in age if t.level} == {1}


def test_an_episode_lasts_as_long_as_its_change(week: Stage) -> None:
    turns = week.turns(np.random.default_rng(17), 60, null, at=12, ends=40)
    mine = [t for t in turns if t.channel == week.channel("amount")]
    assert [t.level for t in mine] == [2, 0]
    closed = (mine[-1].time - week.begin) / HOUR
    assert 40.3 <= closed <= 40.8
    assert abs(mine[0].since - (week.begin + 12 * HOUR)) <= 600


@pytest.mark.parametrize("times", [10.0, 100.0, 1000.0, 0.1, 0.01])
@pytest.mark.parametrize("seed", [51, 52, 53])
def test_a_wrong_unit_is_told_by_its_factor(week: Stage, times: float, seed: int) -> None:
    def factor(columns: Columns, on: Flags) -> None:
        columns["amount"][on] *= times

    turns = week.turns(np.random.default_rng(seed), 16, factor, at=12)
    told = [t for t in turns if t.channel == week.channel("amount") and t.level == 2 and t.kind is Kind.UNIT]
    assert told
    assert told[-1].factor == pytest.approx(times, rel=0.01)


def test_a_factor_that_only_half_of_the_values_have_is_told_as_it_is(week: Stage) -> None:
    def half(columns: Columns, on: Flags) -> None:
        columns["amount"][on & (np.random.default_rng(54).random(on.size) < 0.6)] *= 1000

    turns = week.turns(np.random.default_rng(55), 20, half, at=12)
    factors = [t.factor for t in turns if t.channel == week.channel("amount") and t.kind is Kind.UNIT]
    assert factors == pytest.approx([1000.0] * len(factors), rel=0.01)


def test_a_season_is_no_unit(week: Stage) -> None:
    """Everything 300 more: numbers of another size, but not by one factor."""

    def season(columns: Columns, on: Flags) -> None:
        columns["age"][on] = 300 + columns["age"][on]

    turns = week.turns(np.random.default_rng(56), 20, season, at=12)
    mine = [t for t in turns if t.channel == week.channel("age") and t.level]
    assert mine
    assert Kind.UNIT not in {t.kind for t in mine}


def test_one_new_category_in_place_of_all_is_no_frozen_one(week: Stage) -> None:
    def one(columns: Columns, on: Flags) -> None:
        columns["city"][on] = "X"

    turns = week.turns(np.random.default_rng(57), 14, one, at=12)
    kinds = {t.kind for t in turns if t.channel == week.channel("city") and t.level == 2}
    assert kinds <= {Kind.NEW_VALUE, Kind.RENAMED}
    assert kinds


def test_a_level_says_the_shares_of_the_window_that_showed_it(week: Stage) -> None:
    """Half of the cities become b: what is told adds up to the change, however little of it is remembered."""

    def moved(columns: Columns, on: Flags) -> None:
        columns["city"][on & (np.random.default_rng(58).random(on.size) < 0.5)] = "b"

    turns = week.turns(np.random.default_rng(59), 30, moved, at=6)
    mine = next(t for t in turns if t.channel == week.channel("city") and t.kind is Kind.MIX)
    assert mine.shares is not None
    then, now = (np.array(shares) for shares in mine.shares)
    assert then.sum() == pytest.approx(1, abs=0.01)
    assert np.abs(now - then).sum() / 2 == pytest.approx(mine.value, abs=0.02)
    assert mine.value == pytest.approx(0.375, abs=0.03)  # half of the three quarters that were no b, not of the window


def part_null(share: float) -> Callable[[Columns, Flags], None]:
    def change(columns: Columns, on: Flags) -> None:
        columns["amount"][on & (np.random.default_rng(41).random(on.size) < share)] = np.nan

    return change


@pytest.mark.parametrize(
    ("change", "channel"),
    [
        pytest.param(part_null(0.3), "amount", id="a third null"),
        pytest.param(part_null(1.0), "amount", id="all null"),
        pytest.param(hundredfold, "amount", id="a unit times 100"),
        pytest.param(frozen, "age", id="a number freezes"),
        pytest.param(new_city, "city", id="a new category takes a tenth"),
        pytest.param(failing, "error", id="a fifth of the calls fails"),
        pytest.param(older, "age", id="two standard deviations older"),
        pytest.param(constant_answer, "score", id="the answer is constant"),
    ],
)
@pytest.mark.parametrize("hours", [3.0, 26.0])
def test_a_fault_is_one_page_that_ends_when_it_does(
    week: Stage, change: Callable[[Columns, Flags], None], channel: str, hours: float
) -> None:
    turns = week.turns(np.random.default_rng(42), hours + 22, change, at=10, ends=10 + hours)
    mine = [t for t in turns if t.channel == week.channel(channel) and 2 in {t.before, t.level}]
    assert [t.level for t in mine if t.level != t.before] == [2, 0]
    assert 0 < (mine[-1].time - week.begin) / HOUR - (10 + hours) <= 0.8


def test_a_fault_that_comes_and_goes_is_two_pages_at_most(week: Stage) -> None:
    """Ten minutes without values in each hour, for ten hours."""

    def coming(columns: Columns, on: Flags) -> None:
        columns["amount"][on & (columns["time"] % HOUR < 600)] = np.nan

    turns = week.turns(np.random.default_rng(43), 24, coming, at=9, ends=19)
    mine = [t for t in turns if t.channel == week.channel("amount")]
    assert [t.level for t in mine if t.level != t.before] in ([2, 0], [2, 0, 2, 0])
    assert 0 < (mine[-1].time - week.begin) / HOUR - 19 <= 2.5  # it was held, until nothing came for two hours


@pytest.mark.parametrize("seed", [46, 47, 48])
def test_what_is_over_does_not_page_again_by_chance(week: Stage, seed: int) -> None:
    """A city that stood still for six hours: its evidence is high for hours after, and few values repeat by luck."""

    def still(columns: Columns, on: Flags) -> None:
        columns["city"][on] = "a"

    turns = week.turns(np.random.default_rng(seed), 34, still, at=10, ends=16)
    mine = [t for t in turns if t.channel == week.channel("city") and 2 in {t.before, t.level}]
    assert [t.level for t in mine if t.level != t.before] == [2, 0]


@pytest.mark.parametrize("seed", [50, 51, 52, 53, 54, 55])
def test_a_small_share_of_refused_values_is_one_page_for_as_long_as_it_lasts(week: Stage, seed: int) -> None:
    """Six in a hundred, for two days: now and then none of a hundred values is refused."""
    rng = np.random.default_rng(seed)

    def some(columns: Columns, on: Flags) -> None:
        columns["amount"][on & (rng.random(on.size) < 0.06)] = np.nan

    turns = week.turns(rng, 60, some, at=10, ends=58, refused="amount")
    mine = [t for t in turns if t.channel == week.channel("amount") and 2 in {t.before, t.level}]
    assert [t.level for t in mine if t.level != t.before] == [2, 0]
    assert 58 < (mine[-1].time - week.begin) / HOUR < 60


def test_another_fault_of_the_same_channel_is_called_what_it_is(week: Stage) -> None:
    """Null for an hour, and 50 minutes later 100 times too large: its own page, with its own beginning and name."""

    def two(columns: Columns, on: Flags) -> None:
        age = (columns["time"] - week.begin) / HOUR
        columns["amount"][on & (age < 13)] = np.nan
        columns["amount"][on & (age >= 13 + 50 / 60)] *= 100

    turns = week.turns(np.random.default_rng(44), 15, two, at=12)
    pages = [t for t in turns if t.channel == week.channel("amount") and t.level == 2 and t.before < 2]
    assert [str(t.kind) for t in pages] == ["missing", "unit"]
    assert (pages[1].since - week.begin) / HOUR > 13
    assert (pages[1].time - week.begin) / HOUR < 14.2


def test_an_open_page_does_not_hide_a_second_fault(week: Stage) -> None:
    def two(columns: Columns, on: Flags) -> None:
        null(columns, on)
        columns["city"][columns["time"] >= week.begin + 15 * HOUR] = None

    pages = week.pages(week.turns(np.random.default_rng(18), 18, two, at=12))
    assert [name for name, _, _ in pages] == ["amount", "city"]
    assert (pages[1][2] - 15) * 60 <= 10


def test_relations_that_break_are_told_although_no_marginal_moves(week: Stage) -> None:
    def shuffle(columns: Columns, on: Flags) -> None:
        rng = np.random.default_rng(19)
        for hour in np.unique(columns["time"][on] // HOUR):
            here = np.flatnonzero(on & (columns["time"] // HOUR == hour))
            columns["age"][here] = columns["age"][rng.permutation(here)]

    pages = week.pages(week.turns(np.random.default_rng(20), 18, shuffle, at=12))
    assert "joint" in {kind for _, kind, _ in pages}
    assert "age" in {name for name, _, _ in pages}


def test_a_share_is_that_of_all_that_came_since_the_change(week: Stage) -> None:
    """A quarter of 200 values missing since the change: told as a quarter whether none or all of the last ten are."""
    row = week.reference.rows["age"]
    since, latest = (np.zeros(features.FEATURES + week.learned.layout.width, np.int64) for _ in range(2))
    since[[features.EVENTS, features.NULLS, features.LIVE]] = 200, 50, 150
    latest[[features.EVENTS, features.LIVE]] = 10, 10
    told = named(week.learned, CHANGES.index(Change.MISSING), row, since, latest)
    assert (told.kind, told.value) == (Kind.MISSING, 0.25)
    latest[[features.NULLS, features.LIVE]] = 10, 0
    assert named(week.learned, CHANGES.index(Change.MISSING), row, since, latest).value == 0.25


def wind(columns: Columns) -> None:
    """Measured once an hour: about 5, from 2 to 12."""
    hour = np.floor(columns["time"] / HOUR)
    columns["temp"] = np.round(np.exp(1.6 + 0.5 * np.sin(hour / 5) + 0.4 * np.sin(hour / 1.7)), 1)


@pytest.mark.parametrize(
    ("gusts", "level"),
    [
        pytest.param((1.7, 2.8, 4.8, 8.0, 8.0, 3.0), 1, id="a storm rises from hour to hour"),
        pytest.param((10.0,) * 6, PAGE, id="another unit comes at once"),
    ],
)
def test_a_storm_is_a_ticket_where_a_wrong_unit_pages(gusts: tuple[float, ...], level: int) -> None:
    def storm(columns: Columns, _: Flags) -> None:
        wind(columns)
        hours = np.floor((columns["time"] - columns["time"][0]) / HOUR).astype(int) - 26
        on = (hours >= 0) & (hours < len(gusts))
        columns["temp"][on] *= np.array(gusts)[hours[on]]

    stage = Stage.of(np.random.default_rng(61), 7.0, change=lambda columns, _: wind(columns))
    temp = stage.channel("temp")
    assert stage.learned.traits.timely[temp]
    turns = stage.turns(np.random.default_rng(62), 40, storm)
    assert max(t.level for t in turns if t.channel == temp) == level
