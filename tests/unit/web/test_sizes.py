"""The chart of sizes: both thresholds at their places, in a page's sizes where such changes page."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftd.monitor.view import ModelView
from driftd.web.facts import ChannelLine
from driftd.web.scales import Span
from driftd.web.series import Stretch
from driftd.web.sizes import LEAST, Sizes, day_of_sizes, size_chart, sizes_of
from tests.stage.snapshot import snapshot
from tests.unit.judge.natural.stage import HOUR
from tests.unit.monitor.test_sizes import FAULT, model_after

NOW = FAULT + 2.5 * HOUR
LINE = ChannelLine(
    "m", "temp", "feature", "number", "page", FAULT, "62% missing", "temp 62% missing",
    "missing", None, None, 0.62, 0.0, None, 3.0, "page",
    True, None, None, (),
    "", "",
)  # fmt: skip


def view() -> ModelView:
    model, reader = model_after(1.5)
    return ModelView("m", model.judgement, timeline=model.timeline, reader=reader)


def stretch(hours: float) -> Stretch:
    return Stretch(Span(NOW - hours * HOUR, NOW), "", None)


def sizes(hours: float, since: float | None = FAULT) -> Sizes:
    m = view()
    assert m.reader is not None
    found = sizes_of(m, m.reader.channels.index("temp"), since, stretch(hours))
    assert found is not None
    return found


def test_points_of_ten_minutes_of_days_and_hours_of_longer() -> None:
    ten, hours = sizes(6), sizes(100)
    assert (ten.step_seconds, hours.step_seconds) == (600.0, 3600.0)
    assert np.allclose(np.diff(ten.times), 600)
    assert ten.kind == "missing"
    assert ten.page == pytest.approx(0.45 / 0.03)  # what a young reference asks for
    after = [x for t, x in zip(ten.times, ten.over_ticket, strict=True) if t > FAULT and x is not None]
    assert min(after) > 10


def test_the_limits_are_those_of_the_kind_that_is_open() -> None:
    """The largest since then was missing values, and the open change is another one."""
    m = view()
    assert m.reader is not None
    row = m.reader.channels.index("temp")
    mix = sizes_of(m, row, FAULT, stretch(6), "mix")
    assert mix is not None
    assert (mix.kind, mix.page) == ("mix", None)  # of a young reference a mix pages nobody
    chart = size_chart(mix, replace(LINE, kind="mix", status="ticket", size=2.0, size_of="ticket"), stretch(6), NOW)
    assert chart.limits[0] == (1.0, "a ticket (a mix)", "ticket")
    assert sizes_of(m, row, FAULT, stretch(6), "joint") == sizes_of(m, row, FAULT, stretch(6))


def test_the_chart_is_in_a_pages_sizes_with_both_thresholds() -> None:
    found = sizes(6)
    assert found.page is not None
    chart = size_chart(found, LINE, stretch(6), NOW)
    assert [(round(at, 4), css) for at, _, css in chart.limits[:2]] == [
        (round(1 / found.page, 4), "ticket"),
        (1.0, "page"),
    ]
    assert chart.limits[1][1] == "a page (missing values)"
    assert chart.limits[2:] == [(3.0, "this change: 3", "now")]
    assert chart.last.startswith("last 10 minutes: ")
    assert chart.last.endswith(" ×")
    assert chart.unit.startswith("times what makes a page")
    assert min(np.nanmin(line.values) for line in chart.lines) >= LEAST
    assert [mark.time for mark in chart.marks] == [FAULT]
    new = size_chart(replace(found, kind="new"), LINE, stretch(6), NOW)
    assert new.limits[1][1] == "a page (values out of range)"
    slow = replace(LINE, status="ticket", size=4.3, size_of="ticket")
    assert size_chart(replace(found, page=None), slow, stretch(6), NOW).limits[1] == (
        4.3, "this change: 4.3", "now",
    )  # fmt: skip
    categories = replace(LINE, values="category")
    assert size_chart(replace(found, kind="new"), categories, stretch(6), NOW).limits[1][1] == "a page (new values)"
    own = size_chart(replace(found, page=None), replace(LINE, status="ok"), stretch(6), NOW)
    assert own.limits == [(1.0, "a ticket (missing values)", "ticket")]
    assert own.marks == []


def test_a_stretch_that_has_just_begun_is_not_the_last_one() -> None:
    """Of its few events nothing is large: "last 10 minutes: 0" stood on a page in the middle of its fault."""
    found = sizes(6)
    begun = replace(found, times=[*found.times, found.times[-1] + 600], over_ticket=[*found.over_ticket, 0.0])
    now = found.times[-1] + 300
    assert size_chart(begun, LINE, stretch(6), now).last == size_chart(found, LINE, stretch(6), now).last
    assert size_chart(begun, LINE, stretch(6), now + 600).last == "last 10 minutes: 0 ×"


def test_the_fleet_shows_the_largest_of_all_channels() -> None:
    at, values, _ = day_of_sizes(view(), NOW)
    assert values[at > FAULT + 1800].min() > 10
    assert values[(at > NOW - 7 * HOUR) & (at < FAULT - 1800)].max() < 2


def test_nothing_is_drawn_where_nothing_was_learned() -> None:
    m = next(m for m in snapshot().models if m.judgement is not None)
    assert sizes_of(m, 0, None, stretch(6)) is None
