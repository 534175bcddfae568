"""What comes over days is a ticket, what comes at once a page; and what is over raises nothing. Timelines by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.judge.natural.changes import Change
from driftd.judge.natural.dating import by_chance
from driftd.judge.natural.episodes import PAGE, TICKET, Episodes
from driftd.judge.natural.features import FEATURES, LIVE
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.shapes import STATISTICS, statistics
from driftd.judge.natural.step import Products, start, step
from tests.unit.judge.natural.stage import DAY, HOUR, MONDAY, Columns, Stage, traffic
from tests.unit.judge.natural.test_episodes import SIBLINGS, fire

Flags = NDArray[np.bool_]
Pace = Callable[[Columns, float], None]
"""Breaks the columns in so many days."""
BEGIN = MONDAY + 14 * DAY


def rise(columns: Columns, days: float, hours: float) -> NDArray[np.float64]:
    """From 0 at so many ``hours`` after the reference to 1 so many ``days`` later."""
    age = columns["time"] - BEGIN - hours * HOUR
    return np.clip(age / (days * DAY), 0.0, 1.0) if days else (age >= 0).astype(np.float64)


def older(columns: Columns, days: float) -> None:
    columns["age"] = columns["age"] + 20 * rise(columns, days, 24.0)  # two standard deviations


def rolled_out(columns: Columns, days: float) -> None:
    place = np.arange(len(columns["city"])) * 0.618 % 1  # a fixed part of any stretch
    columns["city"] = np.where(place < rise(columns, days, 24.0), "e", columns["city"])


CHANGES = [pytest.param("age", older), pytest.param("city", rolled_out)]


@pytest.mark.parametrize(("name", "change"), CHANGES)
@pytest.mark.parametrize(("days", "level"), [(0.0, PAGE), (4.0, TICKET)], ids=["at once", "in four days"])
def test_what_comes_over_days_calls_nobody(
    rng: np.random.Generator, name: str, change: Pace, days: float, level: int
) -> None:
    stage = Stage.of(rng, 9.0, BEGIN)

    turns = stage.turns(rng, 24 * 6, lambda columns, _: change(columns, days))
    assert max((t.level for t in turns if t.channel == stage.channel(name)), default=0) == level


def test_what_came_over_days_depends_on_no_batch(rng: np.random.Generator) -> None:
    stage, columns = Stage.of(rng, 9.0, BEGIN), traffic(rng, BEGIN, BEGIN + 5 * DAY)
    rolled_out(columns, 4.0)
    panes, products = stage.counters(columns)
    whole = step(stage.learned, stage.limits, start(stage.learned), panes, products)[1].turns
    state, pieces = start(stage.learned), []
    cuts = [0, *np.arange(500, len(panes.start), 777).tolist(), len(panes.start)]
    for first, last in pairwise(cuts):
        part = Runs(*(getattr(panes, name)[first:last] for name in ("start", "end", "events", "sums")))
        ends = panes.start[last] if last < len(panes.start) else np.inf
        mine = (products.at >= part.start[0]) & (products.at < ends)
        state, verdict = step(
            stage.learned, stage.limits, state, part, Products(products.at[mine], products.sums[mine])
        )
        pieces += verdict.turns
    shown = [(t.time, t.channel, t.level, t.kind) for t in whole if t.level > t.before]
    assert shown == [(t.time, t.channel, t.level, t.kind) for t in pieces if t.level > t.before]
    assert shown


def test_missing_values_page_at_any_pace(rng: np.random.Generator) -> None:
    stage = Stage.of(rng, 9.0, BEGIN)

    def dying(columns: Columns, _: Flags) -> None:
        place = np.arange(len(columns["amount"])) * 0.618 % 1
        columns["amount"] = np.where(place < rise(columns, 4.0, 24.0), np.nan, columns["amount"])

    assert [name for name, _, _ in stage.pages(stage.turns(rng, 24 * 6, dying))] == ["amount"]


def after_a_page(again: float, shown: float) -> list[tuple[float, int]]:
    """(time, level) of what is told of a page from 300 to 1,800, and of fires that know no later beginning: a window
    that still holds it makes a ticket, a sum a page, ``again`` seconds later; their newest hop has ``shown``.
    """
    page = fire(1800.0, 2.0, PAGE)
    end = np.arange(1800.0, 60 * HOUR, 1800.0)
    old = replace(fire(again, 9.0, TICKET), since=600.0, shown=shown, hop=again - 1200.0)
    sums = replace(old, level=PAGE, time=again + 1800.0, hop=again + 600.0)
    _, turns = Episodes.start(1).step([page, old, sums], end - 1800.0, end, SIBLINGS)
    return [(t.time, t.level) for t in turns if t.level > t.before]


def test_what_is_over_opens_no_ticket_and_makes_no_page_of_one() -> None:
    later = 30 * HOUR
    assert after_a_page(later, 0.0) == [(1800.0, PAGE)]
    assert after_a_page(later, 1.0) == [(1800.0, PAGE), (later, TICKET), (later + 1800.0, PAGE)]


def test_a_ticket_of_its_own_is_not_raised_by_a_sum_that_holds_what_is_over() -> None:
    page, later = fire(1800.0, 2.0, PAGE), 30 * HOUR
    end = np.arange(1800.0, 60 * HOUR, 1800.0)
    mine = fire(later, 9.0, TICKET)
    old = replace(fire(later + 1800.0, 9.0, PAGE), since=600.0, shown=0.0)
    _, turns = Episodes.start(1).step([page, mine, old], end - 1800.0, end, SIBLINGS)
    assert [(t.time, t.level) for t in turns if t.level > t.before] == [(1800.0, PAGE), (later, TICKET)]


@pytest.mark.parametrize("values", [60, 400])
def test_a_stretch_shows_less_than_chance_makes_nineteen_times_in_twenty(rng: np.random.Generator, values: int) -> None:
    """Of numbers drawn from the shares that are expected."""
    stage, row = Stage.of(rng, 9.0, BEGIN), 0
    learned, width = stage.learned, stage.learned.layout.width
    drawn = rng.multinomial(values, learned.usual.shares[row] / learned.usual.shares[row].sum(), size=400)
    bins = np.zeros((400, len(learned.traits.numeric), width), np.int64)
    bins[:, row] = drawn
    sums = np.concatenate([np.zeros((*bins.shape[:2], FEATURES), np.int64), bins], axis=2)
    sums[:, :, LIVE] = bins.sum(axis=2)
    size = statistics(learned.usual, sums, np.broadcast_to(learned.usual.shares, bins.shape))[1]
    most, mix = by_chance(learned, sums[:, :, LIVE]), STATISTICS.index(Change.MIX)
    assert np.mean(size[:, mix, row] <= most[:, mix, row]) >= 0.95
