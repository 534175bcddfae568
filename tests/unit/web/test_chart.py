"""Charts: every tick is round and in its place, gaps are gaps, and nothing that comes from outside is markup."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.web.chart import Line, Mark, TimeChart, bullet, pixels, spark
from driftd.web.histogram import Histogram
from driftd.web.scales import HAIR, Axis, Span

DAY = 86_400.0
TUESDAY = 1_796_083_200.0
"""1 December 2026, 00:00 UTC."""


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        pytest.param([0.0, 9.7], [0, 5, 10], id="from zero where the least is near"),
        pytest.param([412.0, 371.0], [360, 380, 400, 420], id="round steps"),
        pytest.param([-3.0, 4.0], [-5, 0, 5], id="both signs"),
        pytest.param([45.0, 4500.0], [30, 100, 300, 1000, 3000], id="a hundredfold is a logarithm"),
        pytest.param([1.0, 1e5], [1, 10, 100, 1000, 10_000, 100_000], id="five decades"),
        pytest.param([7.0, 7.0], [6, 7, 8], id="one value"),
        pytest.param([math.nan, math.inf], [0, 0.5, 1.0], id="nothing known"),
    ],
)
def test_ticks_are_round(values: list[float], ticks: list[float]) -> None:
    assert Axis.of([np.array(values)]).ticks() == pytest.approx(ticks)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30), st.booleans())
def test_every_value_has_a_place_and_there_are_few_ticks(values: list[float], from_zero: bool) -> None:
    given_ = np.abs(values) if from_zero else np.array(values)
    axis = Axis.of([given_], from_zero=from_zero)
    assert axis.low <= given_.min() + 2 * HAIR * np.abs(given_).max()
    assert ((axis.place(given_) >= 0) & (axis.place(given_) <= 1)).all()
    assert 1 <= len(axis.ticks()) <= 12
    order = np.argsort(given_)
    assert (np.diff(axis.place(given_)[order]) >= 0).all()


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        pytest.param(3600, ["23:10", "23:20", "23:30", "23:40", "23:50", "Tue 00:00"], id="an hour"),
        pytest.param(2 * DAY, ["Sun 00:00", "12:00", "Mon 00:00", "12:00", "Tue 00:00"], id="two days"),
        pytest.param(
            7 * DAY, ["Tue 24", "Wed 25", "Thu 26", "Fri 27", "Sat 28", "Sun 29", "Mon 30", "Tue 1"][1:], id="a week"
        ),
        pytest.param(366 * DAY, ["Jan 2026", "Mar", "May", "Jul", "Sep", "Nov"], id="a year"),
    ],
)
def test_times_are_round_and_the_day_stands_where_it_begins(seconds: float, labels: list[str]) -> None:
    found = [label for _, label in Span(TUESDAY - seconds, TUESDAY).ticks()]
    assert found[-len(labels) :] == labels
    assert len(found) <= 8


def chart(values: list[float], **over: object) -> str:
    times = TUESDAY - 3600 + 60 * np.arange(len(values), dtype=np.float64)
    lines = [Line(times, np.array(values), gap=100.0)]
    shown = {"title": "T", "unit": "u", "said": "s", "span": Span(TUESDAY - 3600, TUESDAY), "lines": lines}
    return str(TimeChart(**(shown | over)).svg_with_caption())  # type: ignore[arg-type]


def paths(svg: str) -> list[str]:
    return re.findall(r'<path class="l-ink" d="([^"]+)"', svg)


def test_a_gap_is_a_gap_and_a_lone_value_a_dot() -> None:
    (path,) = paths(chart([1, 2, math.nan, 3, math.nan, 4, 5]))
    assert path.count("M") == 3
    assert path.count("h.1") == 1
    assert paths(chart([math.nan] * 3)) == []


def test_values_lie_where_the_scale_says() -> None:
    (path,) = paths(chart([0.0, 5.0, 10.0]))
    points = [tuple(map(float, p.split())) for p in re.findall(r"[\d.]+ [\d.]+", path)]
    assert points == [(0.0, 120.0), (16.7, 60.0), (33.3, 0.0)]


def test_beyond_the_scale_is_at_its_edge() -> None:
    (path,) = paths(chart([1.0, math.inf, 2.0, -math.inf]))
    assert set(re.findall(r" ([\d.]+)", path)) >= {"0.0", "120.0"}


def test_marks_and_names_are_text() -> None:
    hostile = "<script>\"'&"
    svg = chart([1, 2], title=hostile, unit=hostile, said=hostile, marks=[Mark(TUESDAY - 60, hostile)], last=hostile)
    svg += str(spark(np.arange(3.0), np.arange(3.0), Span(0, 3), hostile)) + str(bullet(1.0, hostile))
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg
    assert 'class="mark" x1="98.33%"' in svg


def test_a_mark_outside_is_not_drawn() -> None:
    assert "before" not in chart([1, 2], marks=[Mark(TUESDAY - 9000, "before")])


def test_words_of_marks_that_are_near_each_other_stand_below_each_other() -> None:
    """A version that began two minutes after the change had its name on that of the change."""
    marks = [
        Mark(TUESDAY - 60, "version 8"),
        Mark(TUESDAY - 65, "change 23:58", "cp"),
        Mark(TUESDAY - 3500, "version 7"),
    ]
    svg = chart([1, 2], marks=marks)
    places = {m[2]: float(m[1]) for m in re.finditer(r'<text[^>]* y="([\d.]+)"[^>]*>([^<]*)</text>', svg)}
    assert places["change 23:58"] - places["version 8"] >= 12
    assert places["version 7"] == places["version 8"]


def test_a_histogram_shows_both_on_the_same_bars() -> None:
    before, after = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.3, 0.6])
    h = Histogram("EUR", "said", before, after, edges=np.array([0.0, 10, 20, 30]), apart=[("missing", 0.0, 0.25)],
                  medians=(10.0, 21.0))  # fmt: skip
    svg = str(h.svg())
    assert "0 to 10: reference 50\u00a0%, now 10\u00a0%" in svg
    assert "median 10" in svg
    assert "now 21" in svg
    assert svg.count('class="hit"') == 3
    assert ">missing<" in svg
    labelled = str(Histogram("v", "s", before, after, labels=["a", "<b>", "c"]).svg())
    assert "&lt;b&gt;" in labelled


def test_a_bullet_has_its_tick_where_things_begin_to_count() -> None:
    assert 'width="50.0%"' in str(bullet(1.0, "said"))
    assert 'width="100.0%"' in str(bullet(1e9, "said", "page"))
    assert "svg" not in str(bullet(None, "said"))


@pytest.mark.parametrize(
    ("values", "room"),
    [
        pytest.param([0.0, 9.7], "plot", id="few digits"),
        pytest.param([1e6, 9e6], "plot y-long", id="millions"),
        pytest.param([4.3e9, 4.5e9], "plot y-longer", id="ten digits"),
        pytest.param([-9e11, 9e11], "plot y-longer", id="the longest"),
    ],
)
def test_labels_of_y_have_room_for_their_text(values: list[float], room: str) -> None:
    chart = TimeChart("Mean", "", "said", Span(0, 10), [Line(np.array([1.0, 9.0]), np.array(values))])
    html = str(chart.svg_with_caption())
    assert f'<div class="{room}">' in html
    labels = re.findall(r'text-anchor="end">([-0-9,.]+)</text>', html)
    assert max(map(pixels, labels)) <= {"plot": 36, "plot y-long": 66, "plot y-longer": 100}[room]


def test_a_limit_is_not_written_over_the_last_value() -> None:
    line = Line(np.array([1.0, 9.0]), np.array([50.0, math.inf]))
    for height in (74, 110, 150):
        chart = TimeChart("x", "", "s", Span(0, 10), [line], last="> 100", height=height,
                          limits=[(100.0, "the greatest of the whole reference", "ref")])  # fmt: skip
        found = dict(re.findall(r'y="([-0-9.]+)" dx="[^"]*" text-anchor="\w+">([^<]*)<', str(chart.svg())))
        at = {label: float(y) for y, label in found.items()}
        assert abs(at["the greatest of the whole reference"] - at["&gt; 100"]) >= 12


@pytest.mark.parametrize("limits", [(3.9, 1.0, 0.55), (1.0, 0.9, 0.8), (30.0, 29.0, 0.03)])
def test_labels_of_limits_that_lie_close_are_not_written_over_each_other(limits: tuple[float, ...]) -> None:
    line = Line(np.array([1.0, 9.0]), np.array([0.03, 23.0]))
    chart = TimeChart("x", "", "s", Span(0, 10), [line], last="last 10 minutes: 23 ×", height=130,
                      limits=[(value, f"limit {value:g}", "page") for value in limits])  # fmt: skip
    html = str(chart.svg())
    at = [float(y) for y in re.findall(r'y="([-0-9.]+)" dx="[^"]*" text-anchor="\w+">limit', html)]
    assert len(at) == 3
    assert min(abs(a - b) for i, a in enumerate(at) for b in at[:i]) >= 12
    lines = [float(y) for y in re.findall(r'<line class="th-page"[^>]* y1="([-0-9.]+)"', html)]
    if limits[0] == 3.9:  # as a size is drawn: no label lies on another's line
        assert not [y for y in lines for a in at if a - 8 < y < a]


def test_an_axis_of_a_histogram_has_more_than_one_number() -> None:
    bars = np.full(24, 1 / 24)
    html = str(Histogram("v", "s", bars, bars, edges=np.linspace(1.2, 107.0, 25), apart=[("missing", 0, 0)]).svg())
    assert [int(n) for n in re.findall(r'y="187.0" dx="0" text-anchor="\w+">([0-9]+)<', html)] == [20, 40, 60, 80]


def test_labels_under_a_histogram_do_not_meet() -> None:
    edges = np.linspace(4.1e9, 4.6e9, 25)
    bars = np.full(24, 1 / 24)
    for apart in ([], [("missing", 0.1, 0.1)]):
        html = str(Histogram("v", "s", bars, bars, edges=edges, apart=apart).svg())
        found = re.findall(r'<text( class="opt")? x="([0-9.]+)%" y="187.0" dx="0" text-anchor="(\w+)">([0-9,]+)<', html)
        for wide, shown in ((280, [f for f in found if not f[0]]), (420, found)):
            assert shown
            ends = 0.0
            for _, x, anchor, label in shown:
                begin = float(x) / 100 * wide - (pixels(label) / 2 if anchor == "middle" else 0)
                assert begin >= ends
                ends = begin + pixels(label)
