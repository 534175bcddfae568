"""The judge of exchangeable channels: its bound without drift, its delays with, and what must not change a verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import poisson

from driftd.core import arrays
from driftd.judge.exchangeable import independent
from driftd.judge.exchangeable.candidates import MOST_CANDIDATES, Candidates
from driftd.judge.exchangeable.evidence import Evidence
from driftd.judge.exchangeable.shape import Shape
from tests.stage.judged import LEARNED, PANE, Column, Floats, counted, judged, reference_of

Rng = np.random.Generator
Draw = Callable[[Rng, int], Column]


def names(values: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> list[str]:
    return [str(v) for v in values]


KINDS: dict[str, Draw] = {
    "normal": lambda r, n: r.normal(size=n),
    "heavy tails": lambda r, n: r.standard_t(1.2, size=n),
    "binary": lambda r, n: (r.random(n) < 0.3).astype(float),
    "rare ones": lambda r, n: (r.random(n) < 0.005).astype(float),
    "a third missing": lambda r, n: np.where(r.random(n) < 0.3, np.nan, r.normal(size=n)),
    "nearly always zero": lambda r, n: np.where(r.random(n) < 0.97, 0.0, r.exponential(size=n)),
    "few values": lambda r, n: r.integers(0, 6, n).astype(float),
    "constant": lambda r, n: np.ones(n) + 0 * r.random(),
    "three categories": lambda r, n: names(r.choice(3, n, p=[0.6, 0.3, 0.1])),
    "100 equal categories": lambda r, n: names(r.integers(0, 100, n)),
    "frequent, rare and unique ones": lambda r, n: names(
        np.where(
            r.random(n) < 0.5,
            r.integers(0, 5, n),
            np.where(r.random(n) < 0.6, r.integers(10, 110, n), r.integers(200, 10**6, n)),
        )
    ),
    "5,000 categories": lambda r, n: names(r.integers(0, 5000, n)),
    "endless categories": lambda r, n: names(np.minimum(r.zipf(1.3, n), 10**7)),
    "few and endless": lambda r, n: names(np.minimum(r.zipf(2.0, n), 10**7)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("learned", "pane", "events"), [(300, 10, 1000), (1000, 50, 4000), (3000, 500, 25_000)])
def test_alarms_without_drift_are_fewer_than_events_over_a(
    rng: Rng, kind: str, learned: int, pane: int, events: int
) -> None:
    channels, a = 30, 10.0 * events
    seen = judged([KINDS[kind](rng, learned + events) for _ in range(channels)], a, learned, pane)
    alarms = int(np.count_nonzero(np.isfinite(seen.alarms)))
    # 3 expected at most; the bound holds at any smaller A too: a tenth of it must not be passed by nearly all
    assert poisson.sf(alarms - 1, channels * events / a) > 1e-3
    assert np.mean(seen.s[-1] >= a / 10) < 0.7


def test_taking_the_reference_for_the_truth_breaks_the_bound(rng: Rng) -> None:
    columns = [KINDS["normal"](rng, 300 + 4000) for _ in range(20)]
    assert np.isfinite(judged(columns, 1e5, 300, trust=1000.0).alarms).mean() > 0.5


def test_evidence_without_drift_has_mean_at_most_the_events_seen(rng: Rng) -> None:
    columns = [KINDS["normal"](rng, 1000 + 500) for _ in range(400)]
    s = judged(columns, 1.0, 1000).s  # a = 1: everything is worked out exactly
    events = np.arange(1, len(s) + 1) * PANE
    assert np.all(s.mean(axis=1) <= events * 1.5)
    assert s[0].mean() == pytest.approx(PANE, rel=0.3)  # and not much less: nothing is given away at the start


@pytest.mark.parametrize(
    ("drift", "within"),
    [
        pytest.param(lambda x, _: x + 0.15, 4000, id="a shift of .15"),
        pytest.param(lambda x, _: x + 0.3, 900, id="a shift of .3"),
        pytest.param(lambda x, _: x + 1.0, 150, id="a shift of 1"),
        pytest.param(lambda x, _: x * 2, 150, id="twice as wide"),
        pytest.param(lambda x, _: x * 0.7, 450, id="narrower"),
        pytest.param(lambda x, _: x * 1000, 100, id="another unit"),
        pytest.param(lambda x, _: x * 0 + 0.1, 100, id="stuck"),
        pytest.param(lambda x, r: np.where(r.random(len(x)) < 0.03, np.nan, x), 500, id="3 % missing"),
        pytest.param(lambda x, _: x + np.linspace(0, 1, len(x)), 2500, id="a ramp"),
    ],
)
def test_drift_of_numbers_is_found(rng: Rng, drift: Callable[[Floats, Rng], Floats], within: int) -> None:
    at = 1000
    columns = []
    for _ in range(5):
        x = rng.normal(size=LEARNED + at + 5000)
        x[LEARNED + at :] = drift(x[LEARNED + at :], rng)
        columns.append(x)
    delays = judged(columns, 1e7).alarms - at
    assert delays.min() > 0
    assert np.median(delays) <= within


@pytest.mark.parametrize(
    ("after", "within"),
    [
        pytest.param([0.20, 0.25, 0.30, 0.15, 0.05, 0.05], 700, id="two swap"),
        pytest.param([0.30, 0.25, 0.20, 0.00, 0.20, 0.05], 200, id="one merged into another"),
        pytest.param([0.30, 0.25, 0.20, 0.15, 0.02, 0.08], 1500, id="a rare one grows"),
    ],
)
def test_drift_of_categories_is_found(rng: Rng, after: list[float], within: int) -> None:
    before, at = [0.30, 0.25, 0.20, 0.15, 0.05, 0.05], 1000
    columns = [
        names(np.concatenate([rng.choice(6, LEARNED + at, p=before), rng.choice(6, 4000, p=after)])) for _ in range(5)
    ]
    delays = judged(columns, 1e7).alarms - at
    assert delays.min() > 0
    assert np.median(delays) <= within


def test_the_likeliest_change_is_where_it_was(rng: Rng) -> None:
    x = rng.normal(size=(8, LEARNED + 4000))
    x[:, LEARNED + 2000 :] += 0.6
    seen = judged(list(x), 1e7)
    for k in range(8):
        pane = int(seen.alarms[k]) // PANE - 1
        assert abs(seen.since[pane, k] - 2000) <= 300


def test_units_and_the_order_within_a_pane_do_not_matter(rng: Rng) -> None:
    x = rng.normal(size=LEARNED + 2000)
    x[LEARNED:] += 0.4
    panes = rng.permuted(x[LEARNED:].reshape(-1, PANE), axis=1).ravel()
    plain = judged([x], 1e7).s
    np.testing.assert_array_equal(plain, judged([x * 1000], 1e7).s)
    np.testing.assert_array_equal(plain, judged([np.concatenate([x[:LEARNED], panes])], 1e7).s)


def test_channels_do_not_know_of_each_other(rng: Rng) -> None:
    columns = list(rng.normal(size=(300, LEARNED + 500)))
    together = judged(columns, 10.0).s
    np.testing.assert_array_equal(together[:, 137:139], judged(columns[137:139], 10.0).s)


def test_what_is_not_worked_out_far_from_the_threshold_changes_no_alarm(rng: Rng) -> None:
    x = rng.normal(size=(20, LEARNED + 3000))
    x[::2, LEARNED + 1000 :] += 0.35
    lazy, exact = judged(list(x), 1e7), judged(list(x), 1e7)
    always = np.isfinite(lazy.alarms)
    assert always[::2].all()
    np.testing.assert_array_equal(lazy.alarms, exact.alarms)
    whole = judged(list(x), 1e-6)  # every step exactly
    passed = whole.s >= 1e7
    first = np.where(passed.any(axis=0), (passed.argmax(axis=0) + 1.0) * PANE, np.inf)
    np.testing.assert_array_equal(lazy.alarms, first)


def test_an_episode_freezes_the_past_and_the_state_survives_a_checkpoint(rng: Rng) -> None:
    x = rng.normal(size=LEARNED + 6000)
    x[LEARNED + 1000 :] += 1.0
    reference, placed, singles, doubles = reference_of([x])
    shape = Shape.of(reference, singles, doubles)
    state = shape.start()
    alarms: list[int] = []
    for low in range(LEARNED, placed.shape[1] - PANE + 1, PANE):
        counts = counted(placed[:, low : low + PANE], reference.width)
        rest = shape, counts, float(low), np.array([1e6]), np.array([bool(alarms)])
        copy, s = independent.step(arrays.load(Evidence, arrays.dump(state)), *rest)
        state, same = independent.step(state, *rest)
        assert s == same
        for name, part in arrays.dump(state).items():
            np.testing.assert_array_equal(part, arrays.dump(copy)[name])
        if s[0] >= 1e6:
            alarms.append(low + PANE - LEARNED)
            state = state.without(np.array([True]))
    assert alarms[0] <= 1150
    assert len(alarms) > 20  # it goes on being found, against what came before it
    assert 900 <= state.grown.sum() <= 1100


def test_two_shards_make_the_same_counts_and_so_the_same_evidence(rng: Rng) -> None:
    x = rng.normal(size=LEARNED + 2000)
    reference, placed, *_ = reference_of([x])
    halves = [counted(placed[:, LEARNED:][:, i::2], reference.width) for i in (0, 1)]
    np.testing.assert_array_equal(halves[0] + halves[1], counted(placed[:, LEARNED:], reference.width))


def test_making_one_of_two_candidates_does_not_move_the_sum(rng: Rng) -> None:
    changes = Candidates.start(3, 2)
    for i in range(200):
        changes = changes.add(rng.poisson(3, (3, 2)).astype(float), np.full(3, 6.0), float(i))
        changes, s = changes.judged(rng.normal(size=(MOST_CANDIDATES, 3)))
        joined = changes.joined()
        np.testing.assert_allclose(joined.judged(joined.log_factor)[1], s, rtol=1e-12)
        changes = joined
        assert (changes.ages[:-1] >= changes.ages[1:]).all()
    assert changes.begun[0].tolist() == [0.0] * 3
    assert changes.ages[0] == 200


def test_beginning_anew_starts_at_candidate_0() -> None:
    state = Evidence.start(2, 1)
    for i in range(5):
        state = state.add(np.ones((2, 1)), np.ones(2), float(i), np.zeros(2, bool))
    state = state.without(np.array([True, False]))
    state = state.add(np.ones((2, 1)), np.ones(2), 5.0, np.zeros(2, bool))
    assert state.changes.begun[0].tolist() == [5.0, 0.0]
    assert state.seen.ravel().tolist() == [1.0, 6.0]
    assert replace(state).since.shape == (2,)
