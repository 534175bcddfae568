"""The judge of how channels move together: its bound, what it finds, and that what panes carry adds up."""

from __future__ import annotations

import numpy as np
import pytest

from driftd.core.by_pane import ByPane
from driftd.judge.exchangeable.joint import Pairs
from tests.stage.judged import PANE, ROLES, Column, first_joint_alarm, model_of, reference_of

Rng = np.random.Generator


@pytest.mark.parametrize(("learned", "pane"), [(300, 10), (1000, 50), (3000, 500)])
def test_alarms_without_drift_are_fewer_than_events_over_a(rng: Rng, learned: int, pane: int) -> None:
    events, models = 100 * pane, 20
    alarms = [
        first_joint_alarm(model_of(rng, learned + events, 10**9), learned, 10.0 * events, pane)[0]
        for _ in range(models)
    ]
    assert np.count_nonzero(np.isfinite(alarms)) <= 7  # 2 expected at most; 8 or more have probability .001


def test_categories_that_the_reference_never_saw_are_no_change_of_those_it_did(rng: Rng) -> None:
    """A fifth of what comes is new although nothing has changed: "(other)" alone must not stand for it."""
    columns: list[Column] = []
    for size in (200, 5000):
        p = 1 / np.arange(1, size + 1)
        columns.append([f"v{v}" for v in rng.choice(size, 12_000, p=p / p.sum())])
    reference, placed, *_ = reference_of(columns, 3000)
    pairs = Pairs.of(reference, placed[:, :3000], np.ones(2, bool))
    assert len(pairs.first) > 10
    state = pairs.start()
    for low in range(3000, 12_000, 50):
        state, s = pairs.step(state, pairs.cross(placed[:, low : low + 50]), 50, float(low), a=1e5)
    assert s < 1e5


@pytest.mark.parametrize(
    ("change", "pair", "within"),
    [
        pytest.param("correlation", {0, 3}, 500, id="correlation"),
        pytest.param("one group fails", {2, 4}, 1200, id="one group fails"),
        pytest.param("one group fails, another recovers", {2, 4}, 2500, id="the error rate stays"),
        pytest.param("errors move to the high third", {0, 4}, 700, id="a region of a number"),
    ],
)
def test_what_no_channel_shows_is_found(rng: Rng, change: str, pair: set[int], within: int) -> None:
    at = 1000
    found = [first_joint_alarm(model_of(rng, 3000 + at + 4000, 3000 + at, change), 3000, 1e7) for _ in range(3)]
    delays = [alarm - at for alarm, _ in found]
    assert min(delays) > 0
    assert np.median(delays) <= within
    assert set(found[0][1]) == pair


def test_matrices_add_up_exactly_in_any_split(rng: Rng) -> None:
    columns = model_of(rng, 4000, 10**9)
    reference, placed, *_ = reference_of(columns, 3000, ROLES)
    pairs = Pairs.of(reference, placed[:, :3000], np.ones(5, bool))
    events = placed[:, 3000:].copy()
    events[4, ::3] = -1  # no label, so no error
    whole = pairs.cross(events)
    assert whole.dtype == np.int64
    np.testing.assert_array_equal(whole, sum(pairs.cross(events[:, i::7]) for i in range(7)))
    split = pairs.crosses(events, ByPane.of(np.arange(1000) % 3))
    assert split is not None
    np.testing.assert_array_equal(whole, split.sum(axis=0))


def test_labels_that_come_for_fewer_events_are_no_change(rng: Rng) -> None:
    columns = model_of(rng, 3000 + 3000, 10**9)
    reference, placed, *_ = reference_of(columns, 3000, ROLES)
    pairs = Pairs.of(reference, placed[:, :3000], np.ones(5, bool))
    state, top = pairs.start(), 0.0
    placed[4, 4000:][rng.random(2000) < 0.7] = -1
    for low in range(3000, 6000, PANE):
        state, s = pairs.step(state, pairs.cross(placed[:, low : low + PANE]), PANE, float(low))
        top = max(top, s)
    assert top < 1e6


def test_after_an_alarm_the_past_keeps_its_sums_negative_ones_too(rng: Rng) -> None:
    n = 3000 + 9000
    x, noise = rng.normal(size=(2, n))
    columns: list[Column] = [x, -0.6 * x + 0.8 * noise]
    reference, placed, *_ = reference_of(columns, 3000)
    pairs = Pairs.of(reference, placed[:, :3000], np.ones(2, bool))
    state, top = pairs.start(), 0.0
    for low in range(3000, n, PANE):
        if low == 8000:
            state = state.without()
        state, s = pairs.step(state, pairs.cross(placed[:, low : low + PANE]), PANE, float(low), frozen=low >= 8000)
        top = max(top, s)
    assert state.evidence.grown[0, 1] < -1000
    assert top < 1e6


@pytest.mark.parametrize("r", [0.1, 0.3, 0.6])
def test_the_psi_of_a_pair_is_that_of_its_correlation(rng: Rng, r: float) -> None:
    x, noise = rng.normal(size=(2, 12_000))
    y = np.where(np.arange(12_000) < 6000, noise, r * x + np.sqrt(1 - r**2) * noise)
    reference, placed, *_ = reference_of([x, y], 6000)
    pairs = Pairs.of(reference, placed[:, :6000], np.ones(2, bool))
    state = pairs.start()
    for low in range(6000, 12_000, PANE):
        state, _ = pairs.step(state, pairs.cross(placed[:, low : low + PANE]), PANE, float(low), a=1e9)
    assert pairs.strongest(state)[:2] == (0, 1)
    assert pairs.psi(state) == pytest.approx(r**2 / (1 - r**2), rel=0.35)  # of normal pairs


def test_the_psi_of_a_pair_is_that_of_the_answers_in_its_group(rng: Rng) -> None:
    n = 12_000
    group = [f"g{g}" for g in rng.choice(2, n, p=[0.8, 0.2])]
    later = (np.arange(n) >= 6000) & (np.array(group) == "g1")
    error = (rng.random(n) < np.where(later, 0.5, 0.2)).astype(float)
    reference, placed, *_ = reference_of([group, error], 6000)
    pairs = Pairs.of(reference, placed[:, :6000], np.ones(2, bool))
    state = pairs.start()
    for low in range(6000, n, PANE):
        state, _ = pairs.step(state, pairs.cross(placed[:, low : low + PANE]), PANE, float(low), a=1e9)
    assert pairs.psi(state) == pytest.approx(0.2 * 0.3 * np.log(4), rel=0.2)  # odds 1 to 4, then 1 to 1
