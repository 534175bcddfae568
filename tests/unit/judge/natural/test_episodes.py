"""Episodes against timelines by hand: what a channel is known to do by itself makes no second ticket."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftd.judge.natural.episodes import FORGET, HOLD, MORE, PAGE, TICKET, Episodes, Fire
from driftd.judge.natural.kinds import Kind, Named
from driftd.judge.natural.recovery import Still

SIBLINGS = np.eye(1, dtype=bool)
STEP = HOLD[TICKET] + 3600.0
"""Longer than a ticket lasts after its last fire."""


def fire(time: float, ratio: float, level: int = TICKET, kind: Kind = Kind.MIX) -> Fire:
    name = Named(kind)
    return Fire(time, level, 0, name, 1.0, 1.0, time - 300, 200.0, ratio, 0, 0.06, 0, 1.0, name, time, 1.0)


def told(*fires: Fire) -> list[tuple[float, int]]:
    """(time, level) of what opened or rose, with ticks every half hour."""
    episodes, out = Episodes.start(1), []
    last = fires[-1].time + 2 * STEP
    end = np.arange(1800.0, last, 1800.0)
    episodes, turns = episodes.step(list(fires), end - 1800.0, end, SIBLINGS)
    out = [(t.time, t.level) for t in turns if t.level > t.before]
    assert not episodes.level.any()
    return out


def test_a_channel_that_does_again_what_ended_by_itself_makes_no_ticket() -> None:
    assert told(fire(1800.0, 2.0), fire(1800.0 + STEP, 2.0)) == [(1800.0, TICKET)]


def test_a_larger_one_does() -> None:
    second = 1800.0 + STEP
    assert told(fire(1800.0, 2.0), fire(second, 2.0 * MORE + 0.01)) == [(1800.0, TICKET), (second, TICKET)]


def test_the_largest_of_an_episode_counts() -> None:
    first, second = fire(1800.0, 1.2), fire(3600.0, 3.0)
    assert told(first, second, fire(3600.0 + STEP, 2.5)) == [(1800.0, TICKET)]


def test_half_of_it_is_forgotten_after_weeks() -> None:
    """3 times the limit, after one half-life 2 times, times MORE."""
    after = 1800.0 + HOLD[TICKET] + FORGET
    assert told(fire(1800.0, 3.0), fire(after, 2.0 * MORE + 0.05)) == [(1800.0, TICKET), (after, TICKET)]
    assert told(fire(1800.0, 3.0), fire(after, 2.0 * MORE - 0.05)) == [(1800.0, TICKET)]


def test_a_long_episode_is_forgotten_no_faster() -> None:
    again = 1800.0 + STEP + FORGET / 4
    many = [fire(again + 1800.0 * k, 1.2 if k else 3.0) for k in range(100)]
    assert told(fire(1800.0, 2.0), *many, fire(many[-1].time + STEP, 3.0)) == [(1800.0, TICKET), (again, TICKET)]


def test_what_only_holds_raises_no_ticket() -> None:
    """Whether it jumped is forgotten, so it keeps open what is open, at the level that it has."""
    first, page = fire(1800.0, 2.0), fire(3600.0, 9.0, PAGE)
    held = replace(page, since=first.since, holds=True)
    assert told(first, held) == [(1800.0, TICKET)]
    assert told(replace(first, holds=True)) == []
    assert told(first, replace(held, holds=False)) == [(1800.0, TICKET), (3600.0, PAGE)]


def test_a_page_is_never_a_habit() -> None:
    again = 1800.0 + 2 * STEP
    assert told(fire(1800.0, 9.0), fire(again, 1.1, PAGE)) == [(1800.0, TICKET), (again, PAGE)]
    #  what was seen while a page was open is the fault's, not the channel's
    page, shape = fire(1800.0, 9.0, PAGE), fire(1900.0, 9.0)
    assert told(page, shape, fire(again, 1.5)) == [(1800.0, PAGE), (again, TICKET)]


def test_missing_values_are_no_habit_of_a_mix() -> None:
    again = 1800.0 + STEP
    fires = fire(1800.0, 9.0), fire(again, 1.5, kind=Kind.MISSING)
    assert told(*fires) == [(1800.0, TICKET), (again, TICKET)]


def test_a_fault_that_comes_back_is_said_and_is_a_habit_from_the_third_on() -> None:
    times = [1800.0 + STEP * k for k in range(4)]
    assert told(*(fire(t, 2.0, kind=Kind.ERRORS) for t in times)) == [(t, TICKET) for t in times[:2]]
    assert told(*(fire(t, 2.0, kind=Kind.RANGE) for t in times)) == [(times[0], TICKET)]


def test_a_habit_stays_with_its_channel_when_others_come() -> None:
    end = np.arange(1800.0, 4 * STEP, 1800.0)
    episodes, _ = Episodes.start(1).step([fire(1800.0, 2.0)], end - 1800.0, end, SIBLINGS)
    moved = episodes.moved([0], [1], 3, 0.0)
    again = replace(fire(end[-1] + 1800.0, 2.0), channel=1)
    other = replace(again, channel=0)
    _, turns = moved.step([again, other], end[-1:], end[-1:] + 1800.0, np.eye(3, dtype=bool))
    assert [(t.channel, t.level) for t in turns] == [(0, TICKET)]


@pytest.mark.parametrize(
    ("hours", "ends"),
    [
        pytest.param(3.0, 4, id="8 events in 3 hours: four ticks without the change"),
        pytest.param(0.05, 41, id="in 3 minutes: two hours"),
    ],
)
def test_time_alone_ends_no_page(hours: float, ends: int) -> None:
    """Forty ticks that show the change, and a hundred that do not; ``ends``: how many of these it takes."""
    end = np.arange(1.0, 141.0) * hours * 3600.0
    fires = [fire(float(at), 2.0, PAGE) for at in end[:40]]
    _, turns = Episodes.start(1).step(fires, end - hours * 3600.0, end, SIBLINGS)
    opened, closed = turns[0], turns[-1]
    assert [(t.before, t.level) for t in turns] == [(0, PAGE), (PAGE, 0)]
    assert opened.time == end[0]
    assert np.searchsorted(end, closed.known) == pytest.approx(39 + ends, abs=1)


@pytest.mark.parametrize(
    ("kind", "hours"),
    [
        pytest.param(Kind.LEVEL, 60.0, id="a level: windows are far from usual for two days more, and 12 hours"),
        pytest.param(Kind.MISSING, 12.0, id="missing values: their own rate says so"),
    ],
)
def test_a_ticket_of_a_shape_lasts_while_its_windows_are_far_from_usual(kind: Kind, hours: float) -> None:
    end = np.arange(1.0, 101.0) * 3600.0
    stills = [Still(float(at), 1, 0.0, np.array([True])) for at in end[:48]]
    short = end - 1800.0  # a tick that counts in full
    _, turns = Episodes.start(1).step([fire(float(end[0]), 2.0, kind=kind)], short, end, SIBLINGS, (), stills)
    assert [(t.before, t.level) for t in turns] == [(0, TICKET), (TICKET, 0)]
    assert (turns[-1].time - turns[0].time) / 3600 == pytest.approx(hours, abs=1.1)


def test_what_stays_opens_no_ticket() -> None:
    end = np.arange(1.0, 10.0) * 1800.0
    stills = [Still(float(at), 1, 0.0, np.array([True])) for at in end]
    assert not Episodes.start(1).step([], end - 1800.0, end, SIBLINGS, (), stills)[1]
