"""A page that is open hides no grosser fault, and nothing is told by a recovery: against timelines by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.judge.natural import changes
from driftd.judge.natural.episodes import GROSS, NONE, PAGE, Episodes, Fire, Turn
from driftd.judge.natural.kinds import Kind, Named
from tests.unit.judge.natural.stage import HOUR, Change, Columns, Stage

Flags = NDArray[np.bool_]

SIBLINGS = np.eye(1, dtype=bool)
MISSING = changes.CHANGES.index(changes.Change.MISSING)
TICK = 100.0


@pytest.fixture(scope="module")
def week() -> Stage:
    return Stage.of(np.random.default_rng(1), 7.0)


def two_steps(rng: np.random.Generator, first: Change, then: Change) -> Callable[[Columns, Flags], None]:
    """A part of the values for the first four hours of the fault, all of them afterwards."""

    def change(columns: Columns, on: Flags) -> None:
        begun = columns["time"][on].min()
        late = on & (columns["time"] >= begun + 4 * HOUR)
        first(columns, on & ~late & (rng.random(len(on)) < 0.25))
        then(columns, late)

    return change


def null(columns: Columns, on: Flags) -> None:
    columns["amount"][on] = np.nan


def repeat(columns: Columns, on: Flags) -> None:
    columns["amount"][on] = 21.5


def fail(columns: Columns, on: Flags) -> None:
    columns["error"][on] = 1.0


def new_city(columns: Columns, on: Flags) -> None:
    columns["city"][on] = "zz"


def called(turns: list[Turn], channel: int) -> list[tuple[Kind, bool, float]]:
    """What somebody is called for: kind, whether it had grown, and when."""
    mine = [t for t in turns if t.channel == channel and t.level == PAGE and (t.before < PAGE or t.grew)]
    return [(t.kind, t.grew, t.time) for t in mine]


@pytest.mark.parametrize(
    ("channel", "fault", "kind"),
    [
        pytest.param("amount", null, Kind.MISSING, id="25 % missing, then all"),
        pytest.param("error", fail, Kind.ERRORS, id="25 % errors, then nothing else"),
        pytest.param("city", new_city, Kind.NEW_VALUE, id="25 % new values, then no others"),
    ],
)
def test_a_share_that_turns_gross_calls_again_once(week: Stage, channel: str, fault: Change, kind: Kind) -> None:
    rng = np.random.default_rng(3)
    turns = week.turns(rng, 26.0, two_steps(rng, fault, fault), at=6.0, ends=20.0)
    first, second = called(turns, week.channel(channel))
    assert first[:2] == (kind, False)
    assert second[:2] == (kind, True)
    assert 10.0 < (second[2] - week.begin) / HOUR < 10.5
    (grown,) = [t for t in turns if t.grew]
    assert grown.value > 0.95
    assert (grown.since - week.begin) / HOUR == pytest.approx(10.0, abs=0.15)
    (over,) = [t for t in turns if t.channel == week.channel(channel) and t.level == NONE]
    assert (over.since - week.begin) / HOUR == pytest.approx(6.0, abs=0.3)  # none of it is learned


def test_a_ticket_that_turns_gross_pages_at_once_since_then(week: Stage) -> None:
    rng = np.random.default_rng(4)

    def change(columns: Columns, on: Flags) -> None:
        late = on & (columns["time"] >= week.begin + 14 * HOUR)
        null(columns, late | (on & (rng.random(len(on)) < 0.06)))

    (page,) = called(week.turns(rng, 20.0, change, at=6.0), week.channel("amount"))
    assert 14.0 < (page[2] - week.begin) / HOUR < 14.3
    assert page[:2] == (Kind.MISSING, True)


def test_a_level_that_becomes_another_unit_calls_again(week: Stage) -> None:
    def change(columns: Columns, on: Flags) -> None:
        late = on & (columns["time"] >= week.begin + 14 * HOUR)
        columns["age"][on & ~late] += 17.0
        columns["age"][late] *= 100.0

    turns = week.turns(np.random.default_rng(5), 20.0, change, at=4.0)
    first, second = called(turns, week.channel("age"))
    assert first[:2] == (Kind.LEVEL, False)
    assert second[:2] == (Kind.UNIT, True)
    assert 14.0 < (second[2] - week.begin) / HOUR < 14.3


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 1.0])
def test_a_share_that_stays_as_it_is_calls_once(week: Stage, share: float) -> None:
    rng = np.random.default_rng(6)
    turns = week.turns(rng, 36.0, lambda columns, on: null(columns, on & (rng.random(len(on)) < share)), at=2.0)
    assert len(called(turns, week.channel("amount"))) <= 1


@pytest.mark.parametrize("seed", [7, 8, 9])
def test_a_fault_that_ends_says_nothing_more(week: Stage, seed: int) -> None:
    rng = np.random.default_rng(seed)
    end = week.begin + 3.0 * HOUR
    turns = week.turns(rng, 8.0, lambda columns, on: fail(columns, on & (rng.random(len(on)) < 0.3)), at=2.0, ends=3.0)
    mine = [t for t in turns if t.channel == week.channel("error")]
    assert mine
    assert [t for t in mine if t.time > end + 300.0 and t.level > NONE] == []


def fire(time: float, now: float, level: int = PAGE, of: int = 40) -> Fire:
    name = Named(Kind.MISSING, value=now, usual=0.0)
    made = Fire(time, level, 0, name, now, now, 0.0, 2 * TICK, 3.0, 0, 0.2, MISSING, now, name, -np.inf, -np.inf)
    return replace(made, hits=round(now * of), of=of)


def told(*steps: tuple[float, float]) -> list[float]:
    """When somebody is called, in hours, of a share that is so large from each of the hours on, for 12 hours."""
    end = np.arange(TICK, 12 * HOUR, TICK)
    fires = [fire(t, next(now for hour, now in reversed(steps) if t > hour * HOUR)) for t in end.tolist()]
    _, turns = Episodes.start(1).step(fires, end - TICK, end, SIBLINGS)
    return [round(t.time / HOUR, 1) for t in turns if t.before < PAGE or t.grew]


def test_each_call_asks_for_twice_what_was_called_for() -> None:
    assert told((0, 0.25), (6, 0.9)) == [0.0, 6.1]
    assert told((0, 0.1), (4, 0.46), (8, 0.95)) == [0.0, 4.1, 8.1]
    assert told((0, 0.25), (6, 0.45)) == [0.0]  # not twice as much
    assert told((0, 0.1), (6, GROSS - 0.01)) == [0.0]  # not gross
    assert told((0, 0.25), (0.1, 0.9)) == [0.0]  # what is seen soon after the call belongs to it
    assert told((0, 0.25), (0.25, 0.9)) == [0.0, 0.5]  # the channel has just called


def test_a_moment_is_no_growth() -> None:
    assert told((0, 0.25), (6, 0.9), (6 + 1.5 * TICK / HOUR, 0.25)) == [0.0]
