"""How much a reference's own windows differ: nothing where chance explains it, and a level that holds its budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import chdtrc

from driftd.core.event import EventBatch
from driftd.core.reference import Reference, ReferenceKind
from driftd.core.slice import Slice
from driftd.core.window import Hop, Windows
from driftd.detectors.psi import PSI
from driftd.ingest.binning import encode_with, summarise_with
from driftd.learn import leave_one_out, variation
from driftd.learn.build import Learning, build
from driftd.learn.variation import MEASURED, level, windows_of
from driftd.monitor.assignment import DetectorSet, measure, score
from driftd.monitor.finding_context import FindingContext
from driftd.monitor.findings import of_window
from driftd.monitor.state import ModelState, Standing
from tests.unit.core.make import events
from tests.unit.learn.test_comparison import DAY, HOUR, MONDAY, WEEK_SECONDS, weeks

HOURLY = Windows(pane_seconds=600.0, window_seconds=6 * HOUR, min_events=20)
X, BEYOND, LARGEST, MEDIAN = "x", MEASURED.index("beyond_chance"), MEASURED.index("largest"), MEASURED.index("median")


def alike(rng: np.random.Generator, n: int = 6000) -> EventBatch:
    """Nothing differs but by chance."""
    times = np.sort(rng.uniform(MONDAY, MONDAY + 3 * WEEK_SECONDS, n))
    return events(times.tolist(), rng.normal(size=n).tolist(), rng.choice(["a", "b"], n).tolist())


def table(rows: EventBatch, windows: Windows = HOURLY, **more: object) -> tuple[Reference, Mapping[str, NDArray]]:  # type: ignore[type-arg]
    reference = build(rows, Learning(bins=5, windows=windows, **more))  # type: ignore[arg-type]
    return reference, reference.natural


@pytest.mark.parametrize("seed", range(4))
def test_where_nothing_but_chance_is_at_work_there_is_nothing_to_add(seed: int) -> None:
    reference, found = table(alike(np.random.default_rng(seed)))
    psi = found["psi"]
    assert (psi[reference.rows[X], MEASURED.index("windows")]) > 50
    assert level(psi, 1e-5, len(psi))[reference.rows[X]] == 0


def test_a_rhythm_is_natural(rng: np.random.Generator) -> None:
    reference, found = table(weeks(rng))
    row = reference.rows[X]
    psi = found["psi"][row]
    assert psi[BEYOND] == 1
    assert level(found["psi"], 1e-4, len(found["psi"]))[row] >= psi[LARGEST] > 0.5


def test_the_same_hours_are_much_nearer_than_the_whole(rng: np.random.Generator) -> None:
    whole = table(weeks(rng, 8000))[1]["psi"]
    reference, found = table(weeks(rng, 8000), kind=ReferenceKind.SEASONAL)
    row = reference.rows[X]
    assert found["psi"][row, MEDIAN] < whole[row, MEDIAN] / 5


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(ReferenceKind))
def test_the_order_of_events_within_a_pane_changes_nothing(seed: int, kind: ReferenceKind) -> None:
    rows = weeks(np.random.default_rng(7), 1500)
    pane = np.floor(rows.times / HOURLY.pane_seconds)
    mixed = rows.take(np.lexsort((np.random.default_rng(seed).random(len(rows)), pane)))
    first, second = (table(r, kind=kind)[1] for r in (rows, mixed))
    assert first.keys() == second.keys() == {d.kind for d in variation.detectors()}
    for name, numbers in first.items():
        np.testing.assert_array_equal(numbers, second[name], err_msg=name)


def test_psi_of_each_window_against_the_rest_is_what_was_measured(rng: np.random.Generator) -> None:
    rows = weeks(rng, 2000)
    reference, found = table(rows)
    pane = np.floor_divide(rows.times, HOURLY.pane_seconds)
    seen = []
    for first, last in windows_of(rows.times, HOURLY):
        mine = (pane >= first) & (pane <= last)
        window, rest = (rows.take(np.flatnonzero(m)) for m in (mine, ~mine))
        zeros = (np.zeros(len(part), np.int64) for part in (window, rest))
        both = [
            summarise_with(reference, part, encode_with(reference, part), z)[0]
            for part, z in zip((window, rest), zeros, strict=True)
        ]
        seen.append(PSI().statistic(_with(reference, both[1]), both[0]))
    assert found["psi"][0, 0] == len(seen)
    np.testing.assert_allclose(found["psi"][:, LARGEST], np.max(seen, axis=0), rtol=1e-12)
    np.testing.assert_allclose(found["psi"][:, MEDIAN], np.median(seen, axis=0), rtol=1e-12)


def _with(reference: Reference, summary: object) -> Reference:
    return replace(reference, summary=summary)  # type: ignore[arg-type]


@pytest.mark.parametrize("alpha", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("freedom", [1, 2, 5, 15])
@pytest.mark.parametrize("windows", [25, 60])
def test_a_new_window_exceeds_the_level_no_more_often_than_stated(freedom: int, windows: int, alpha: float) -> None:
    """Statistics as theory has them, chi-squared: the chance that a new one is over the level."""
    rng = np.random.default_rng(freedom * 100 + windows)
    own = rng.chisquare(freedom, (windows, 5000))
    found = level(variation._table(own, np.zeros(5000), adjacent=True), alpha, 5000)
    assert chdtrc(freedom, found).mean() <= 1.5 * alpha


def test_the_natural_level_is_the_threshold_where_it_is_the_largest_and_the_finding_says_so() -> None:
    rows = alike(np.random.default_rng(1), 2000)
    reference = build(rows, Learning(bins=5))
    row = reference.rows[X]
    own = np.full((len(reference.channels), len(MEASURED)), np.nan)
    own[row] = [50, 50, 0.2, 0.3, 1, 3.5, 1]
    reference = replace(reference, natural={"psi": own})
    summary = replace(reference.summary, counts=reference.summary.counts[:, ::-1].copy())
    (measured,) = measure(DetectorSet.of(reference, lambda _: (PSI(),)), reference, [[Hop(0, 1, summary)]], 1e-3, {})
    scores = score(measured, {})[0]
    assert scores.noise[row] == scores.threshold[row] == level(own[row : row + 1], 1e-3, 1)[0] > 3.5
    assert scores.natural.tolist() == [r == row for r in range(len(reference.channels))]
    about = FindingContext(
        ModelState(Slice("m")),
        Standing(since=np.full(len(reference.channels), np.nan)),
        reference,
        DetectorSet.of(reference, lambda _: (PSI(),)),
        1,
        "compared with X",
    )
    found = {f.feature: f.because for f in of_window(about, Hop(0, 1, summary), scores, None, every=True)}
    assert f"threshold {scores.threshold[row]:.4g} (natural); compared with X" in found[X]
    assert "(natural)" not in found["color"]


def test_an_autocorrelation_of_windows_counts_them_as_fewer(rng: np.random.Generator) -> None:
    noise = rng.normal(size=(4000, 2))
    own = np.empty_like(noise)
    own[0] = noise[0]
    for i in range(1, len(own)):
        own[i] = [0.6, 0.0] * own[i - 1] + noise[i]
    measured = variation._table(own**2, np.zeros(2), adjacent=True)
    # the squares of an AR(1) of .6 have autocorrelation .36
    np.testing.assert_allclose(measured[:, 1], [4000 * 0.64 / 1.36, 4000], rtol=0.12)


def test_the_largest_of_m_windows_is_exceeded_with_probability_one_in_m_plus_one() -> None:
    rng = np.random.default_rng(3)
    own = rng.chisquare(3, (9, 20_000))
    measured = variation._table(own, np.zeros(20_000), adjacent=True)
    over = rng.chisquare(3, 20_000) > measured[:, LARGEST]
    assert over.mean() == pytest.approx(0.1, abs=0.01)


def test_with_too_few_windows_nothing_is_known(rng: np.random.Generator) -> None:
    _, found = table(weeks(rng, 1000), Windows(pane_seconds=600.0, window_seconds=5 * DAY, min_events=1))
    assert found == {}
    np.testing.assert_array_equal(level(None, 1e-3, 3), np.zeros(3))


@pytest.mark.parametrize(
    ("times", "windows", "expected"),
    [
        pytest.param([0, 1, 2, 3, 4, 5], (1, 2, 1), [(0, 1), (2, 3), (4, 5)], id="by time"),
        pytest.param([0, 1, 2, 3, 4, 5], (1, 1, 3), [(0, 2), (3, 5)], id="until they hold enough"),
        pytest.param([0, 1, 9, 10], (1, 2, 1), [(0, 1), (9, 10)], id="a window begins with an event"),
        pytest.param([0, 9], (1, 2, 1), [(0, 9)], id="and lasts until one"),
        pytest.param([0, 1, 2], (1, 2, 1), [(0, 1)], id="the last is left out"),
        pytest.param([], (1, 2, 1), [], id="none"),
    ],
)
def test_windows_are_cut_as_the_stream_would_fill_them(
    times: list[float], windows: tuple[float, float, int], expected: list[tuple[int, int]]
) -> None:
    pane, seconds, least = windows
    assert windows_of(np.array(times, float), Windows(pane, seconds, least)) == expected


def test_what_only_one_window_has_is_its_own() -> None:
    values = np.array([[1.0, 2, 9, 8, 3, np.nan], [5, 5, 5, 5, 5, 5]])
    window = np.array([0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(leave_one_out.out_of_range(values, window, 3), [[2, 2, 0], [0, 0, 0]])
    outside = np.array([leave_one_out.NOWHERE, 0, 1, leave_one_out.NOWHERE, 2, 2])
    np.testing.assert_array_equal(leave_one_out.out_of_range(values, outside, 3), [[0, 1, 0], [0, 0, 0]])


def test_categories_of_one_window_are_unseen_by_the_rest() -> None:
    rows = events([1, 2, 3, 4, 5, 6], [0.0] * 6, ["a", "b", "b", "a", None, "c"])
    reference = build(rows, Learning(bins=5))
    found = leave_one_out.unseen(reference, rows, np.array([0, 1, 1, 2, 2, 2]), 3)
    np.testing.assert_array_equal(found[reference.rows["color"]], [0, 2, 1])
    np.testing.assert_array_equal(found[reference.rows[X]], [0, 0, 0])


def test_a_rolling_reference_is_measured_against_the_period_before(rng: np.random.Generator) -> None:
    """Weeks of a level of their own: the period before is further away than the mean of all."""
    n = 6000
    times = np.sort(rng.uniform(MONDAY, MONDAY + 6 * WEEK_SECONDS, n))
    week = ((times - MONDAY) // WEEK_SECONDS).astype(int)
    x = np.array([0, 3, 0, 3, 0, 3])[week] + rng.normal(0, 1, n)
    rows = events(times.tolist(), x.tolist(), ["a"] * n)
    windows = Windows(pane_seconds=HOUR, window_seconds=DAY, min_events=20)
    fixed, rolling = (
        table(rows, windows, kind=kind)[1]["psi"] for kind in (ReferenceKind.FIXED, ReferenceKind.ROLLING)
    )
    row = build(rows, Learning(bins=5)).rows[X]
    assert rolling[row, 0] < fixed[row, 0]  # the first week has none before it
    assert rolling[row, MEDIAN] > 2 * fixed[row, MEDIAN]
