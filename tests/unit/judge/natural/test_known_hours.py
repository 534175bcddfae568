"""A reference of half a day: its evenings make no tickets, faults in them ring, and its own hours are watched."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.judge.natural.episodes import PAGE, Turn
from driftd.judge.natural.kinds import SHAPES, Kind
from driftd.judge.natural.known_hours import hours_known
from tests.unit.judge.natural.stage import DAY, HOUR, MONDAY, Change, Columns, Stage

Flags = NDArray[np.bool_]
BEGIN, END = 8.0, 20.0


@pytest.fixture(scope="module")
def daytime() -> Stage:
    return Stage.of(np.random.default_rng(1), (END - BEGIN) / 24, begin=MONDAY + 14 * DAY + END * HOUR)


def mixed(columns: Columns, on: Flags) -> None:
    rng = np.random.default_rng(on.size)
    columns["city"][on & (rng.random(on.size) < 0.5)] = "e"
    columns["age"][on] += 9.0


def by_night(columns: Columns, _on: Flags) -> None:
    hour = columns["time"] / HOUR % 24
    mixed(columns, (hour < BEGIN) | (hour >= END))


def by_night_and(fault: Change) -> Change:
    def change(columns: Columns, on: Flags) -> None:
        by_night(columns, on)
        fault(columns, on)

    return change


def null(columns: Columns, on: Flags) -> None:
    columns["age"][on] = np.nan


def hundredfold(columns: Columns, on: Flags) -> None:
    columns["amount"][on] *= 100.0


def frozen(columns: Columns, on: Flags) -> None:
    columns["amount"][on] = 17.5


def shapes(turns: list[Turn]) -> list[Kind]:
    return [t.kind for t in turns if t.level > t.before and t.kind in SHAPES]


@pytest.mark.parametrize("seed", [2, 3])
def test_hours_that_were_not_seen_make_no_tickets_of_levels_and_mixes(daytime: Stage, seed: int) -> None:
    assert shapes(daytime.turns(np.random.default_rng(seed), 72.0, by_night)) == []


def test_in_its_own_hours_it_tells_them(daytime: Stage) -> None:
    turns = daytime.turns(np.random.default_rng(4), 24.0, by_night_and(mixed), at=14.0, ends=22.0)
    assert {daytime.reference.channels[t.channel].name for t in turns if t.kind in SHAPES} >= {"city"}
    assert all(t.time > daytime.begin + 14 * HOUR for t in turns if t.kind in SHAPES)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(null, Kind.MISSING), (hundredfold, Kind.UNIT), (frozen, Kind.FROZEN)],
    ids=["null", "hundredfold", "frozen"],
)
def test_gross_faults_page_in_the_hours_that_were_not_seen(daytime: Stage, fault: Change, kind: Kind) -> None:
    turns = daytime.turns(np.random.default_rng(5), 12.0, by_night_and(fault), at=3.0, ends=9.0)
    ((_, named, at),) = [p for p in daytime.pages(turns) if p[1] in {kind, Kind.RANGE}][:1]
    assert named == kind
    assert 3.0 < at < 4.0
    assert any(t.level == PAGE for t in turns)


def test_half_of_a_stretch_must_lie_in_hours_that_were_seen() -> None:
    """A reference from 8 to 20 o'clock; the next day, and the one after."""
    span = np.array([BEGIN, END]) * HOUR
    begin = np.array([19.0, 19.5, 6.5, 7.5, 12.0, 2.0, 32.0, 30.5, 46.0])
    known = hours_known(span, begin * HOUR, (begin + 2) * HOUR)
    assert known.tolist() == [True, False, False, True, True, False, True, False, False]
    assert hours_known(None, begin, begin).all()
