"""What a change of numbers is called: a factor only where all are multiplied, a level where they moved one way."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.judge.natural.episodes import Turn
from driftd.judge.natural.kinds import Kind, one_way
from tests.unit.judge.natural.stage import HOUR, Columns, Stage

Floats = NDArray[np.float64]
Population = Callable[[Floats, np.random.Generator], Floats]
SEED = 70


def normal(_: Floats, rng: np.random.Generator) -> Floats:
    """Its typical size is .5: two deviations more are four times that."""
    return rng.normal(size=len(_))


def temperature(time: Floats, _: np.random.Generator) -> Floats:
    """Measured once an hour."""
    hour = np.floor(time / HOUR)
    out: Floats = np.round(15 + 5 * np.sin(2 * np.pi * hour / 24) + 3 * np.sin(hour / 31) + 0.01 * (hour % 97), 1)
    return out


def price(time: Floats, rng: np.random.Generator) -> Floats:
    return np.exp(3.2 + 0.7 * rng.normal(size=len(time)))


@cache
def stage(population: Population) -> Stage:
    def learned(columns: Columns, _: NDArray[np.bool_]) -> None:
        columns["amount"] = population(columns["time"], np.random.default_rng(SEED))

    return Stage.of(np.random.default_rng(SEED), 7.0, change=learned)


def told(
    population: Population, fault: Callable[[Floats], Floats], share: float = 1.0, hours: float = 5.0
) -> list[Turn]:
    """What is said of some ``hours`` of ``fault`` in a share of the values."""
    rng = np.random.default_rng(SEED + 1)

    def change(columns: Columns, on: NDArray[np.bool_]) -> None:
        values = population(columns["time"], rng)
        on = on & (rng.random(on.size) < share)
        columns["amount"] = np.where(on, fault(values), values)

    at = stage(population)
    turns = at.turns(np.random.default_rng(SEED + 2), hours + 5, change, at=3, ends=hours + 3)
    return [t for t in turns if t.channel == at.channel("amount") and t.level]


@pytest.mark.parametrize("population", [normal, temperature, price])
@pytest.mark.parametrize("factor", [10.0, 100.0, 1000.0, 0.01])
def test_a_wrong_unit_is_told_with_its_factor(population: Population, factor: float) -> None:
    turns = told(population, lambda x: x * factor)
    assert turns[-1].kind is Kind.UNIT
    factors = [t.factor for t in turns if t.kind is Kind.UNIT]
    assert factors, "it was not called a unit"
    assert factors == pytest.approx([factor] * len(factors), rel=0.01)


@pytest.mark.parametrize(
    ("population", "fault", "share"),
    [
        pytest.param(normal, lambda x: x + 2, 1.0, id="two deviations up"),
        pytest.param(normal, lambda x: x + 3, 1.0, id="three up"),
        pytest.param(normal, lambda x: x - 3, 1.0, id="three down"),
        pytest.param(price, lambda x: x + 50, 1.0, id="a skewed number, two up"),
        pytest.param(temperature, lambda x: np.full(x.shape, -999.0), 1.0, id="a sentinel"),
        pytest.param(price, lambda x: np.full(x.shape, -999.0), 0.4, id="a sentinel among values"),
        pytest.param(normal, lambda x: np.full(x.shape, -999.0), 0.7, id="a sentinel in most"),
        pytest.param(price, lambda x: x * 100, 0.2, id="a fifth in another unit"),
    ],
)
def test_what_is_not_multiplied_is_no_unit(
    population: Population, fault: Callable[[Floats], Floats], share: float
) -> None:
    turns = told(population, fault, share)
    assert turns, "nothing was said"
    assert {t.kind for t in turns} <= {Kind.LEVEL, Kind.SPREAD, Kind.RANGE, Kind.FROZEN}


def test_a_sentinel_is_told_with_its_share() -> None:
    first = told(price, lambda x: np.full(x.shape, -999.0), 0.4)[0]
    assert first.kind is Kind.RANGE
    assert first.value == pytest.approx(0.4, abs=0.15)


@pytest.mark.parametrize("share", [0.15, 0.3])
def test_a_sentinel_stays_out_of_range_with_one_beginning_and_its_share(share: float) -> None:
    """A share of .3 repeats in .09 of the values: they are not frozen, and no tick's share is that since the change."""
    turns = told(price, lambda x: np.full(x.shape, -999.0), share, hours=20)
    assert {t.kind for t in turns} == {Kind.RANGE}
    began = stage(price).begin + 3 * HOUR
    assert all(abs(t.since - began) <= t.error for t in turns)
    assert max(t.since for t in turns) - min(t.since for t in turns) < 1200  # a window knows it to a hop
    assert [t.value for t in turns] == pytest.approx([share] * len(turns), rel=0.35)


def test_a_part_in_another_unit_is_told_with_its_share() -> None:
    """A hundredfold in a fifth: most of it out of range."""
    turns = told(price, lambda x: x * 100, 0.2, hours=20)
    assert all(0.1 < t.value < 0.27 for t in turns if t.kind is Kind.RANGE)


def test_numbers_that_move_one_way_are_a_level_whatever_has_shown_it() -> None:
    """One deviation is .38 of the values in other bins, more than the .35 that page."""
    turns = told(normal, lambda x: x + 1, hours=16)
    assert turns
    assert {t.kind for t in turns} == {Kind.LEVEL}


@pytest.mark.parametrize("shift", [-2.5, 2.5])
def test_what_moves_to_the_end_of_the_bins_is_a_level_and_no_narrower_spread(shift: float) -> None:
    """The scores of bins end where the reference does: there all are alike."""
    turns = told(normal, lambda x: x + shift, hours=8)
    assert turns
    assert Kind.SPREAD not in {t.kind for t in turns}


def test_one_way_says_whether_mass_moved_up_or_down_and_not_both() -> None:
    scores = np.array([-1.0, 0.0, 1.0, 2.0])
    usual = np.array([0.25, 0.25, 0.25, 0.25])
    assert one_way(scores, usual, np.array([0.0, 0.25, 0.25, 0.5]))
    assert one_way(scores[::-1], usual, np.array([0.0, 0.25, 0.25, 0.5]))
    assert not one_way(scores, usual, np.array([0.4, 0.1, 0.1, 0.4]))
    assert not one_way(scores, usual, np.array([0.0, 0.5, 0.5, 0.0]))


def holes(share: float, seed: int) -> list[Turn]:
    """What is said of six hours in which a share of the amounts is missing, from three hours on."""
    rng = np.random.default_rng(seed)

    def change(columns: Columns, on: NDArray[np.bool_]) -> None:
        columns["amount"][on & (rng.random(on.size) < share)] = np.nan

    at = stage(price)
    turns = at.turns(np.random.default_rng(seed + 1), 10, change, at=3, ends=9)
    return [t for t in turns if t.channel == at.channel("amount") and t.level]


@pytest.mark.parametrize("share", [0.1, 0.2, 0.6])
def test_a_share_is_that_since_the_change_and_is_told_again_when_it_is_known_better(share: float) -> None:
    told = [holes(share, seed) for seed in range(80, 92, 2)]
    assert all(turns and {t.kind for t in turns} == {Kind.MISSING} for turns in told)
    assert np.mean([turns[0].value for turns in told]) == pytest.approx(share, rel=0.2)
    # by the end some hundred values say it
    assert [turns[-1].value for turns in told] == pytest.approx([share] * len(told), rel=0.35)
    assert max(len(turns) for turns in told) <= 5  # ticket, page, and now and then a better number


@pytest.mark.parametrize("shift", [0.8, 1.0, 1.5])
def test_a_level_is_dated_by_its_beginning_not_by_the_window_that_shows_it(shift: float) -> None:
    turns = told(normal, lambda x: x + shift, hours=16)
    assert (turns[0].since - stage(normal).begin) / HOUR == pytest.approx(3.0, abs=0.4)


@pytest.mark.parametrize("factor", [0.4, 1.5])
def test_a_spread_is_told_as_a_factor_above_or_below_1(factor: float) -> None:
    turns = told(normal, lambda x: x * factor, hours=8)
    spreads = [t.value for t in turns if t.kind is Kind.SPREAD]
    assert spreads == pytest.approx([factor] * len(spreads), rel=0.35)  # bins have an end
    assert spreads
