"""What a window is compared with: the hours that it covers, the period before, or the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftd.core.event import EventBatch
from driftd.core.reference import Reference, ReferenceKind
from driftd.ingest.binning import encode_with
from driftd.learn.build import Learning, build
from driftd.learn.comparison import LEAST_EVENTS, WEEK, comparison_for, covered, slots_of, weighted
from tests.unit.core.make import events

HOUR, DAY, WEEK_SECONDS = 3600.0, 86_400.0, 604_800.0
MONDAY = WEEK.origin + 2000 * WEEK_SECONDS
SEASONAL = Learning(bins=5, kind=ReferenceKind.SEASONAL)


def weeks(rng: np.random.Generator, n: int = 4000, span: float = 3 * WEEK_SECONDS) -> EventBatch:
    """n events over three weeks; x and color follow the hour of the day."""
    times = np.sort(rng.uniform(MONDAY, MONDAY + span, n))
    hour = (times - MONDAY) % DAY / HOUR
    x = np.sin(hour / 24 * 2 * np.pi) + rng.normal(0, 0.2, n)
    color = np.where(rng.random(n) < hour / 24, "red", "blue")
    return events(times.tolist(), x.tolist(), color.tolist())


@pytest.fixture
def seasonal(rng: np.random.Generator) -> Reference:
    return build(weeks(rng), SEASONAL)


@settings(max_examples=25)
@given(
    hours=st.lists(st.floats(0, 3 * 168), min_size=60, max_size=120),
    seed=st.integers(0, 1000),
)
def test_the_hours_of_the_week_add_up_to_the_whole(hours: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = [MONDAY + h * HOUR for h in hours]
    color = [("a", "b", None)[i] for i in rng.integers(0, 3, len(times))]
    reference = build(events(times, rng.normal(size=len(times)).tolist(), color), SEASONAL)
    assert reference.slots is not None
    whole, slots = reference.summary, reference.slots
    assert slots.events.sum() == whole.events
    np.testing.assert_array_equal(slots.counts.sum(axis=0), whole.counts)
    np.testing.assert_array_equal(slots.moments.sum(axis=0), whole.moments)
    every = weighted(reference, slots, np.ones(WEEK.slots))
    np.testing.assert_array_equal(every.counts, whole.counts)
    assert every.events == whole.events


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param(9, 10, {9: 1}, id="one hour"),
        pytest.param(9.25, 9.75, {9: 1}, id="half of it"),
        pytest.param(9.5, 11, {9: 0.5, 10: 1}, id="half of one, all of the next"),
        pytest.param(167.5, 168.5, {167: 1, 0: 1}, id="over the end of the week"),
        pytest.param(-1, 1, {167: 1, 0: 1}, id="before the origin"),
        pytest.param(0, 168, dict.fromkeys(range(168), 1), id="a week"),
        pytest.param(5, 5 + 2 * 168, dict.fromkeys(range(168), 1), id="two weeks from anywhere"),
        pytest.param(0, 169, {0: 1, **dict.fromkeys(range(1, 168), 0.5)}, id="a week and an hour"),
    ],
)
def test_a_stretch_covers_hours_of_the_week(start: float, end: float, expected: dict[int, float]) -> None:
    found = covered(WEEK.origin + start * HOUR, WEEK.origin + end * HOUR)
    assert {int(i): pytest.approx(found[i]) for i in np.flatnonzero(found)} == expected


@settings(max_examples=25)
@given(start=st.floats(0, 1000), hours=st.floats(0.1, 1000))
def test_what_is_covered_is_as_long_as_the_stretch(start: float, hours: float) -> None:
    found = covered(start * HOUR, (start + hours) * HOUR)
    most = max(1.0, hours / 168) if hours >= 1 else hours
    assert found.max() == 1
    assert found.sum() * HOUR <= 168 * HOUR + 1e-3
    # the hour that is covered most: one for each whole week, and at most one more
    assert hours / found.sum() <= most + 1 + 1e-6


def test_a_window_is_compared_with_its_own_hours(seasonal: Reference) -> None:
    rows = weeks(np.random.default_rng(20261123))
    start = MONDAY + 40 * WEEK_SECONDS + DAY + 9 * HOUR  # a Tuesday, from nine to three
    found = comparison_for(seasonal, start, start + 6 * HOUR)
    assert found.note == "compared with the same hours of the week"
    hour = (rows.times - MONDAY) % WEEK_SECONDS / HOUR
    mine = np.flatnonzero((hour >= 33) & (hour < 39))
    assert found.reference.summary.events == len(mine) > LEAST_EVENTS
    x = seasonal.rows["x"]
    expected = np.bincount(seasonal.bins[x].place(np.asarray(rows.columns["x"])[mine]), minlength=seasonal.width)
    np.testing.assert_array_equal(found.reference.summary.counts[x], expected)
    assert found.reference.id == seasonal.id


def test_where_the_same_hours_are_too_thin_the_whole_is_taken_and_it_is_said(seasonal: Reference) -> None:
    found = comparison_for(seasonal, MONDAY, MONDAY + 600)
    assert found.reference is seasonal
    assert found.note.startswith("only ")
    assert found.note.endswith("events in the same hours of the week: compared with the whole reference")


def test_a_fixed_reference_is_itself_at_any_time(rng: np.random.Generator) -> None:
    fixed = build(weeks(rng), Learning(bins=5))
    found = comparison_for(fixed, MONDAY, MONDAY + DAY)
    assert found.reference is fixed
    assert found.note == ""
    assert fixed.slots is None


def test_a_rolling_reference_is_the_period_before_once_there_is_one(rng: np.random.Generator) -> None:
    first = build(weeks(rng), Learning(bins=5, kind=ReferenceKind.ROLLING))
    assert comparison_for(first, 0, 1).reference is first
    assert "no whole period yet" in comparison_for(first, 0, 1).note
    other = replace(first.summary, events=7)
    rolled = replace(first, rolled=other)
    assert comparison_for(rolled, 0, 1).reference.summary is other
    assert comparison_for(rolled, 0, 1).note == "compared with the period before"


def test_the_order_of_events_does_not_matter_for_the_hours(rng: np.random.Generator, seasonal: Reference) -> None:
    rows = weeks(np.random.default_rng(20261123))
    mixed = rows.take(rng.permutation(len(rows)))
    found = slots_of(seasonal, mixed, encode_with(seasonal, mixed))
    assert seasonal.slots is not None
    np.testing.assert_array_equal(found.counts, seasonal.slots.counts)
    np.testing.assert_array_equal(found.moments, seasonal.slots.moments)
