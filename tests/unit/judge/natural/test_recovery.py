"""A relation is over where its newest events say so, and not where they are too few to say anything."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from driftd.judge.natural.changes import CHANGES, Change
from driftd.judge.natural.features import SCORE
from driftd.judge.natural.recovery import of_relations
from driftd.judge.natural.relations import Relations, centred

EVENTS = 150


def related(r: float) -> Relations:
    """One channel, related to the other one by ``r``; the weights are those of Relations.of for normal scores."""
    return Relations(np.array([0]), np.array([[0.0, SCORE / r]]), np.array([r]))


def cells(rng: np.random.Generator, r: float, n: int) -> Any:
    """Sums of products of ``n`` windows, int64[n, 3, 3]."""
    z = rng.normal(size=(n, 3, EVENTS))
    z[:, 2] = r * z[:, 1] + np.sqrt(1 - r * r) * z[:, 2]
    scores = np.rint(z / SCORE)
    scores[:, 0] = 1
    return np.rint(np.einsum("wie,wje->wij", scores, scores)).astype(np.int64)


def left(relations: Relations, sums: Any) -> Any:
    runs = relations.runs([0.0] * len(sums), [1.0] * len(sums), list(sums))
    return relations.left(runs.sums, runs.events)


@pytest.mark.parametrize("r", [0.15, 0.5])
def test_the_error_is_that_of_windows_without_a_relation(rng: np.random.Generator, r: float) -> None:
    relations, sums = related(r), cells(rng, 0.0, 2000)
    assert centred(sums).shape == (2000, 2, 2)
    assert np.std(left(relations, sums)) == pytest.approx(relations.error(np.array([EVENTS]))[0, 0], rel=0.1)


@pytest.mark.parametrize(
    ("r", "now", "most", "least"),
    [
        pytest.param(0.15, 0.0, 0.03, 0.0, id="a weak one that is gone: by chance hardly ever"),
        pytest.param(0.6, 0.0, 0.001, 0.0, id="a strong one that is gone"),
        pytest.param(0.6, 0.6, 1.0, 0.7, id="a strong one that is back: soon"),
    ],
)
def test_how_often_a_window_ends_a_relation(
    rng: np.random.Generator, r: float, now: float, most: float, least: float
) -> None:
    relations = related(r)
    fall = 1 - left(relations, cells(rng, now, 1000))
    page = np.full((len(CHANGES), 2), 0.6)
    limits = cast(Any, SimpleNamespace(sizes=SimpleNamespace(page=page)))
    error, times = relations.error(np.full(1000, EVENTS)), np.arange(1000.0)
    calms = of_relations(limits, np.array([0]), times, times, fall, error)
    assert calms[0].about == 1 << CHANGES.index(Change.RELATION)
    ended = float(np.mean([calm.left[0] == 0 for calm in calms]))
    assert least <= ended <= most
