"""The judge: its bound on drift-free streams, its verdicts on drifts, and its state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.event import Kind
from driftd.judge import arrays, model
from driftd.judge.bounds import divergence, risen, share_bounds
from driftd.judge.factor import Series
from driftd.judge.independent import Independent, Shape
from driftd.judge.regime import Regime, decide
from driftd.reference import Bins, Channel, Reference, Role, bins_id, category_bins, numeric_bins
from driftd.summary import Summary

Floats = NDArray[np.float64]
LEARNED, PANE = 3000, 50


def reference_of(
    columns: list[NDArray[np.float64] | list[str | None]],
) -> tuple[Reference, NDArray[np.intp], Floats, Floats]:
    """A reference of the first LEARNED events; the columns of all; singles and doubles."""
    kinds = [Kind.NUMERIC if isinstance(c, np.ndarray) else Kind.CATEGORICAL for c in columns]
    channels = tuple(Channel(f"f{i}", Role.FEATURE, k) for i, k in enumerate(kinds))
    bins: list[Bins] = [
        numeric_bins(c[:LEARNED]) if isinstance(c, np.ndarray) else category_bins(c[:LEARNED]) for c in columns
    ]
    width = max(b.used for b in bins)
    placed = np.stack([b.place(c) for b, c in zip(bins, columns, strict=True)])
    summary = replace(
        Summary.empty(bins_id("m", channels, bins), len(columns), width), counts=counted(placed[:, :LEARNED], width)
    )
    k = len(columns)
    reference = Reference("m", 1, channels, tuple(bins), summary, np.zeros(k), np.ones(k), True, 0.0, float(LEARNED))
    seen = np.array([model.sightings(c[:LEARNED], kind) for c, kind in zip(columns, kinds, strict=True)], float)
    return reference, placed, seen[:, 0], seen[:, 1]


def counted(placed: NDArray[np.intp], width: int) -> NDArray[np.int64]:
    return np.stack([np.bincount(row, minlength=width) for row in placed])


def judged(columns: list[NDArray[np.float64] | list[str | None]], a: float) -> tuple[list[int], list[float]]:
    """Rows and events (after the reference) of the alarms, first of each row."""
    reference, placed, singles, doubles = reference_of(columns)
    shape, judge = Shape.of(reference, singles, doubles), Independent()
    state, rows, events = judge.start(shape), [], []
    for low in range(LEARNED, placed.shape[1] - PANE + 1, PANE):
        state, s = judge.step(
            state,
            shape,
            counted(placed[:, low : low + PANE], reference.width),
            float(low),
            np.full(len(columns), np.sqrt(a)),
        )
        for row in np.flatnonzero(s >= a).tolist():
            if row not in rows:
                rows.append(row)
                events.append(float(low + PANE - LEARNED))
    return rows, events


def test_without_a_change_a_pane_is_evidence_worth_its_own_events_on_average(rng: np.random.Generator) -> None:
    """S less the events seen is a supermartingale whatever was drawn for the reference, so E[S] <= n after n events."""
    channels, panes = 60, 10
    n = LEARNED + panes * PANE
    numbers: list[Floats | list[str | None]] = [rng.normal(size=n) for _ in range(channels)]
    texts: list[Floats | list[str | None]] = [
        rng.choice(["a", "b", "c"], n, p=[0.7, 0.29, 0.01]).tolist() for _ in range(channels)
    ]
    for columns in (numbers, texts):
        reference, placed, singles, doubles = reference_of(columns)
        shape = Shape.of(reference, singles, doubles)
        seen = np.empty((channels, panes))
        for k in range(panes):
            low = LEARNED + k * PANE
            counts = counted(placed[:, low : low + PANE], reference.width)
            seen[:, k] = Independent().step(Independent().start(shape), shape, counts, 0.0, np.ones(channels))[1] / PANE
        mean, error = seen.mean(), seen.mean(axis=1).std(ddof=1) / np.sqrt(channels)
        assert mean <= 1 + 3 * error
        assert error < 0.2


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(lambda r, n: r.normal(size=n), id="normal"),
        pytest.param(lambda r, n: r.standard_t(1.2, size=n), id="heavy tails"),
        pytest.param(lambda r, n: (r.random(n) < 0.3).astype(float), id="binary"),
        pytest.param(lambda r, n: np.where(r.random(n) < 0.3, np.nan, r.normal(size=n)), id="a third missing"),
        pytest.param(lambda r, n: [str(v) for v in r.integers(0, 5000, n)], id="5,000 categories"),
        pytest.param(lambda r, n: [str(v) for v in np.minimum(r.zipf(1.3, n), 10**7)], id="endless categories"),
    ],
)
def test_alarms_without_drift_are_fewer_than_events_over_a(rng: np.random.Generator, draw: object) -> None:
    n, channels, a = 10_000, 10, 1e5
    columns = [draw(rng, LEARNED + n) for _ in range(channels)]  # type: ignore[operator]
    rows, _ = judged(columns, a)
    assert len(rows) <= 4  # the bound is 1 in expectation; above 4 it holds with probability .0037


@pytest.mark.parametrize(
    ("drift", "within"),
    [
        pytest.param(lambda x, _: x + 0.3, 1500, id="a shift of .3"),
        pytest.param(lambda x, _: x * 2, 200, id="twice as wide"),
        pytest.param(lambda x, _: x * 1000, 100, id="another unit"),
        pytest.param(lambda x, _: x * 0 + 0.1, 100, id="stuck"),
        pytest.param(lambda x, r: np.where(r.random(len(x)) < 0.05, np.nan, x), 500, id="5 % missing"),
    ],
)
def test_drift_is_found(rng: np.random.Generator, drift: object, within: int) -> None:
    x = rng.normal(size=LEARNED + 2000)
    x[LEARNED:] = drift(x[LEARNED:], rng)  # type: ignore[operator]
    rows, events = judged([x], 1e7)
    assert rows == [0]
    assert events[0] <= within


def test_units_do_not_matter(rng: np.random.Generator) -> None:
    x = rng.normal(size=LEARNED + 2000)
    x[LEARNED:] += 0.4
    assert judged([x], 1e7) == judged([x * 1000], 1e7)


def test_a_change_of_correlation_alone_is_found_and_the_state_survives_a_checkpoint(rng: np.random.Generator) -> None:
    n = LEARNED + 3000
    x, noise = rng.normal(size=n), rng.normal(size=n)
    y = np.where(np.arange(n) < LEARNED + 500, 0.8 * x + 0.6 * noise, noise)
    reference, placed, singles, doubles = reference_of([x, y])
    values, times = np.stack([x, y]), np.arange(n, dtype=float)
    learned, state = model.learn(reference, placed[:, :LEARNED], values[:, :LEARNED], times[:LEARNED], singles, doubles)
    assert learned.regime.tolist() == [Regime.INDEPENDENT] * 2
    assert learned.paging.tolist() == [True] * 3
    learned = arrays.load(model.Learned, arrays.dump(learned))
    a, found = np.full(3, 1e7), []
    for low in range(LEARNED, n, PANE):
        here = placed[:, low : low + PANE]
        summary = replace(reference.summary, events=PANE, counts=counted(here, reference.width))
        cross = learned.pairs.cross(here)
        again = model.load_state(learned, model.dump_state(state))
        _, copy = model.step(learned, again, reference, float(low), float(low + PANE), summary, cross, a)
        state, out = model.step(learned, state, reference, float(low), float(low + PANE), summary, cross, a)
        np.testing.assert_array_equal(copy.s, out.s)
        found += [(int(row), low + PANE - LEARNED - 500) for row in out.opened]
    assert [row for row, _ in found] == [2]
    assert 0 < found[0][1] <= 500


def test_events_that_follow_each_other_are_not_called_independent(rng: np.random.Generator) -> None:
    x = np.zeros((1, 5000))
    for i in range(1, 5000):
        x[0, i] = 0.9 * x[0, i - 1] + rng.normal()
    times = np.arange(5000.0)
    assert decide(x, times, 0).regime is Regime.DEPENDENT
    assert not decide(x, times, 12).pages
    assert decide(x, times, 24).pages
    assert decide(rng.permuted(x, axis=1), times, 0).regime is Regime.INDEPENDENT


@pytest.mark.parametrize("phi", [0.0, 0.6])
def test_bayes_factors_hold_their_bound_on_24_autocorrelated_weeks(rng: np.random.Generator, phi: float) -> None:
    learned, weeks, m, a = 24, 50, 400, 500.0
    y = np.zeros((learned + weeks, m))
    y[0] = rng.normal(size=m)
    for t in range(1, len(y)):
        y[t] = phi * y[t - 1] + rng.normal(size=m)
    series, top = Series.start(m, 2, 26), np.zeros(m)
    for t in range(1, len(y)):
        series = series.add(y[t], np.stack([np.ones(m), y[t - 1]], axis=1), float(t))
        if t == learned - 1:
            series = replace(series, begun=np.full_like(series.begun, np.nan))
        if t >= learned:
            top = np.maximum(top, np.exp(series.log_factors()).sum(axis=0))
    assert np.mean(top >= a) <= weeks / a


def test_bounds_of_shares_are_those_of_the_binomial() -> None:
    low, high = share_bounds(np.array([0.0, 5.0, 20.0]), np.array(20.0), np.array(0.025))
    assert low == pytest.approx([0, 0.0866, 0.8316], abs=1e-4)  # Clopper and Pearson's table for n = 20
    assert high == pytest.approx([0.1684, 0.4910, 1], abs=1e-4)
    q = risen(np.array([0.1]), np.array([0.15]))
    assert divergence(q, np.array([0.1])) == pytest.approx([0.15])
