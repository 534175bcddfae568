"""How much of a relation is left: what moves the values of one channel alone is no loss of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.judge.natural.changes import SIZES, Change
from driftd.judge.natural.relations import Cells
from tests.unit.judge.natural.stage import HOUR, Columns, Stage, traffic

Floats = NDArray[np.float64]
HOURS = 12


@pytest.fixture(scope="module")
def week() -> Stage:
    return Stage.of(np.random.default_rng(1), 7.0)


def losses(stage: Stage, change: Callable[[Columns], None]) -> dict[str, float]:
    """The part of its relations that each channel has lost, of half a day in which there is a ``change``."""
    columns = traffic(np.random.default_rng(2), stage.begin + 8 * HOUR, stage.begin + (8 + HOURS) * HOUR)
    change(columns)
    learned, (_, products) = stage.learned, stage.counters(columns)
    assert learned.relations is not None
    relations, related = learned.relations, learned.related[1]
    assert related is not None
    cells, _, _ = Cells.empty(len(learned.scores.rows)).step(relations, products.at, products.sums)
    sums, events = cells.sums.sum(axis=0)[None], np.array([int(cells.events.sum())])
    usual = related.largest.mean
    left = relations.left(sums, events)[0]
    names = [stage.reference.channels[row].name for row in learned.scores.rows[relations.rows].tolist()]
    return dict(zip(names, (1 - left / usual).tolist(), strict=True))


def moved(name: str, deviations: float) -> Callable[[Columns], None]:
    def change(columns: Columns) -> None:
        columns[name] += deviations * float(columns[name].std())

    return change


@pytest.mark.parametrize("name", ["age", "amount"])
@pytest.mark.parametrize("deviations", [-8.0, -3.0, -2.0, 2.0, 3.0, 8.0])
def test_a_shift_of_one_channel_is_no_loss_though_its_values_lie_at_one_end(
    week: Stage, name: str, deviations: float
) -> None:
    """With two deviations most values are in the outermost bins, with eight all."""
    found = losses(week, moved(name, deviations))
    assert {"age", "amount"} <= found.keys()
    assert max(found.values()) < SIZES[Change.RELATION].ticket


def shuffled(columns: Columns) -> None:
    rng, hour = np.random.default_rng(3), columns["time"] // HOUR
    for one in np.unique(hour):
        here = np.flatnonzero(hour == one)
        columns["age"][here] = columns["age"][rng.permutation(here)]


def shuffled_and_moved(columns: Columns) -> None:
    shuffled(columns)
    columns["age"] += 8.0


@pytest.mark.parametrize("fault", [shuffled, shuffled_and_moved])
def test_values_of_other_events_are_a_loss_wherever_they_lie(week: Stage, fault: Callable[[Columns], None]) -> None:
    assert losses(week, fault)["age"] > SIZES[Change.RELATION].page


def test_nothing_is_lost_of_ordinary_traffic(week: Stage) -> None:
    assert max(losses(week, lambda _: None).values()) < 0.2
