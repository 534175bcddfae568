"""What a page shows of the past: the right time, as fine as it is kept, beside what is usual at that hour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftd.core.reference import Slots as WeekSlots
from driftd.judge.natural.slots import UNITS, Slots
from driftd.metrics.aggregates import ModelCounts
from driftd.monitor import timeline as t
from driftd.monitor.view import ModelView
from driftd.web.scales import Span
from driftd.web.series import LEAST_SECONDS, Stretch, Values, grid_of, halved, usual_of
from tests.stage.judgement import END, judgement
from tests.stage.snapshot import view

HOUR, DAY = 3600.0, 86_400.0
MIDNIGHT = END // DAY * DAY
"""Monday, 23 November 2026."""


@pytest.mark.parametrize(
    ("name", "as_of", "since", "span"),
    [
        pytest.param("", "", None, (END - DAY, END), id="a day, calm"),
        pytest.param("", "", END - 7200, (END - 3 * 7200, END), id="three times the age of a change"),
        pytest.param("", "", END - 60, (END - LEAST_SECONDS, END), id="a fresh change: an hour and a half"),
        pytest.param("6h", "", END - 60, (END - 6 * HOUR, END), id="what was asked for"),
        pytest.param("1h", "2026-11-23 03:00", None, (MIDNIGHT + 2 * HOUR, MIDNIGHT + 3 * HOUR), id="as of"),
        pytest.param("8h", "soon", None, (END - DAY, END), id="nonsense"),
    ],
)
def test_the_stretch(name: str, as_of: str, since: float | None, span: tuple[float, float]) -> None:
    found = Stretch.asked(name, as_of, END, since)
    assert (found.span.start, found.span.end) == span


def model() -> ModelView:
    return view(judgement("m", ["x", "cat"]), ModelCounts(last_event=END))


@pytest.mark.parametrize(("name", "step"), [("1h", 60), ("6h", 600), ("48h", 3600), ("7d", 86_400), ("1y", 86_400)])
def test_what_reaches_further_back_is_taken_where_the_fine_points_do_not(name: str, step: int) -> None:
    assert Values.of(model(), Stretch.asked(name, "", END, None)).step == step  # a hundred points of each


def test_a_young_model_shows_its_finest_points() -> None:
    young = model()
    nothing = t.Points.none(3)
    pairs = zip(young.timeline.levels, t.STEPS, strict=True)
    fine = [replace(level, tail=level.tail.part(int((END - HOUR) // step))) for level, step in pairs]
    levels = (*fine[:2], *(replace(v, tail=nothing) for v in fine[2:]))
    young = replace(young, timeline=replace(young.timeline, levels=levels))
    found = Values.of(young, Stretch.asked("48h", "", END, None))
    assert (found.step, len(found.times)) == (600, 6)


def hours(shares: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """At each hour all values are in one bin, a different one for each of four hours."""
    out = np.zeros((shares, 3, 8), np.int64)
    for hour in range(shares):
        out[hour, :, 3 + hour % 4] = UNITS
    return out


def test_usual_follows_the_hour_of_the_day() -> None:
    known = replace(model(), hours=Slots(hours(24)))
    times = MIDNIGHT + np.array([0.5, 1.5, 2.5, 26.5]) * HOUR
    usual = usual_of(known, 0, times, 600.0)
    assert usual.hourly
    assert usual.columns[t.P50].tolist() == pytest.approx([5.5, 15, 25, 25])
    assert usual_of(known, 0, times, DAY).columns[t.P50].tolist() == pytest.approx([20.0] * 4)
    assert not usual_of(known, 0, times, DAY).hourly


def test_usual_knows_weekends_and_the_hour_of_the_week_where_the_reference_does() -> None:
    both = hours(48)
    both[24:] = np.roll(both[24:], 1, axis=2)
    known = replace(model(), hours=Slots(both))
    monday, saturday = MIDNIGHT + 0.5 * HOUR, MIDNIGHT + 5 * DAY + 0.5 * HOUR
    assert usual_of(known, 0, np.array([monday, saturday]), 600.0).columns[t.P50].tolist() == pytest.approx([5.5, 15])
    counts = np.zeros((168, 3, 8), np.int32)
    counts[:, :, 3] = 1
    counts[5 * 24, :, 3], counts[5 * 24, :, 6] = 0, 1
    assert known.judgement is not None
    seasonal = replace(
        known.judgement.reference, slots=WeekSlots(np.ones(168, np.int64), counts, np.zeros((168, 3, 2), np.int64))
    )
    known = replace(known, judgement=replace(known.judgement, reference=seasonal))
    found = usual_of(known, 0, np.array([monday, saturday, saturday + HOUR]), 600.0).columns[t.P50]
    assert found.tolist() == pytest.approx([5.5, 35, 5.5])


def test_the_usual_is_drawn_for_each_hour() -> None:
    month = grid_of(Stretch.asked("30d", "", END, None), 3600.0)
    assert np.diff(month) == pytest.approx(HOUR)
    assert len(grid_of(Stretch.asked("1h", "", END, None), 60.0)) == 201


def test_small_pictures_are_means_of_equal_pieces() -> None:
    times, values = np.arange(0.0, 100.0), np.arange(0.0, 100.0)
    values[10:20] = np.nan
    at, found = halved(times, values, Span(0.0, 100.0), parts=10)
    assert found.tolist() == [4.5, *(x + 4.5 for x in range(20, 100, 10))]
    assert at.tolist() == [5.0, *(x + 5.0 for x in range(20, 100, 10))]
