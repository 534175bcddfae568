"""How right a model was over time: sums of hours and days, by hand; and through the pipeline with a restart."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.core.event import EventBatch
from driftd.core.quality.estimates import events
from driftd.core.quality.scoring import OTHER, Scoring
from driftd.core.quality.sums import Outcomes, added
from driftd.core.slice import Slice
from driftd.engine.state import State
from driftd.ingest.quality import outcomes
from driftd.monitor.quality import MOST_DAYS, MOST_VERSIONS, Quality, taken
from driftd.monitor.state import ModelState
from tests.unit.core.make import feed, frozen, pipeline, stream, thawed

TWO = Scoring(("0", "1"), positive=1)
HOUR = 360
"""Panes of ten seconds."""


def right_and_wrong(pane: int, right: int, wrong: int, version: str = "1") -> Outcomes:
    n = right + wrong
    fields = {"label": np.ones(n), "prediction": np.arange(n) < right}
    fields["prediction"] = fields["prediction"].astype(float)
    batch = EventBatch("m", np.arange(n), np.zeros(n), {}, fields, version)  # type: ignore[arg-type]
    return outcomes(TWO, batch, np.full(n, pane, np.int64))


def after(*panes: Outcomes) -> Quality:
    q: Quality | None = None
    for found in panes:
        q = taken(q, TWO, found, 0.0, 10.0)
    assert q is not None
    return q


def test_hours_and_days_have_the_accuracy_of_their_events() -> None:
    """
    hour   0      1    2 ... 24
    panes  8/10 6/10   -     5/5
    """
    q = after(right_and_wrong(3, 8, 2), right_and_wrong(HOUR + 5, 6, 4), right_and_wrong(24 * HOUR, 5, 0))
    hours, days = q.history(TWO, days=False), q.history(TWO, days=True)
    assert hours.numbers.tolist() == [0, 1, 24]
    assert hours.events.tolist() == [10, 10, 5]
    assert hours.values[:, 0, 0].tolist() == pytest.approx([0.8, 0.6, 1.0])
    assert days.numbers.tolist() == [0, 1]
    assert days.values[:, 0, 0].tolist() == pytest.approx([0.7, 1.0])
    recent, hour = q.recent(24), q.recent(0)
    assert recent is not None
    assert hour is not None
    assert [int(events(TWO, s.whole)) for s in (recent, hour, q.total["1"])] == [25, 5, 25]
    assert q.last == 24 * 3600 + 10


def test_a_day_without_labels_ends_the_last_day() -> None:
    q = after(right_and_wrong(0, 1, 1), right_and_wrong(72 * HOUR, 3, 0))
    recent = q.recent(24)
    assert recent is not None
    assert events(TWO, recent.whole) == 3
    assert q.history(TWO, days=True).events.tolist() == [2, 3]


@given(st.lists(st.integers(0, 4000), min_size=1, max_size=12, unique=True), st.lists(st.integers(0, 12), max_size=3))
def test_any_split_of_the_panes_gives_the_same(panes: list[int], cuts: list[int]) -> None:
    every = [right_and_wrong(pane, pane % 5, pane % 3 + 1) for pane in sorted(panes)]
    ends = sorted({0, len(every), *(c for c in cuts if c < len(every))})
    one = after(added(every))
    other = after(*(added(every[a:b]) for a, b in pairwise(ends)))
    for mine, its in ((one.hour, other.hour), (one.day, other.day), (one.past.hours, other.past.hours)):
        np.testing.assert_array_equal(mine.keys, its.keys)
        np.testing.assert_array_equal(mine.values, its.values)
    for days in (False, True):
        np.testing.assert_array_equal(one.history(TWO, days).values, other.history(TWO, days).values)
        np.testing.assert_array_equal(one.history(TWO, days).numbers, other.history(TWO, days).numbers)
    assert one.seen == other.seen


def test_history_is_bounded_and_so_are_versions() -> None:
    q = after(*(right_and_wrong(day * 24 * HOUR, 1, 0, str(day)) for day in range(MOST_DAYS + 50)))
    days = q.history(TWO, days=True)
    assert len(days.numbers) == MOST_DAYS
    assert days.numbers[-1] == MOST_DAYS + 49
    assert len(q.total) == MOST_VERSIONS
    assert sum(int(events(TWO, s.whole)) for s in q.total.values()) == MOST_DAYS + 50
    assert {str(MOST_DAYS + 49), OTHER} <= q.total.keys()
    assert set(q.seen) == set(q.total)


def test_counted_in_another_way_sums_begin_anew_and_the_past_stays() -> None:
    other = Scoring(("0", "1"), positive=0)
    before = after(right_and_wrong(0, 8, 2), right_and_wrong(24 * HOUR, 5, 0))
    found = {other.id + name[8:]: sums for name, sums in right_and_wrong(48 * HOUR, 1, 1).items()}
    q = taken(before, other, found, 48 * 3600.0, 10.0)
    assert q is not None
    assert events(other, q.total["1"].whole) == 2
    assert q.since == 48 * 3600.0
    assert q.history(other, days=True).numbers.tolist() == [0, 2]
    assert taken(q, TWO, {}, 0.0, 10.0) is q


def test_hours_of_an_older_driftd_that_knew_fewer_statistics_go_on() -> None:
    q = after(right_and_wrong(3, 8, 2), right_and_wrong(HOUR + 5, 6, 4))
    width = q.past.by_hour.values.shape[1]
    older = replace(q, past=replace(q.past, by_hour=replace(q.past.by_hour, values=q.past.by_hour.values[:, :13])))
    later = taken(older, TWO, right_and_wrong(2 * HOUR, 5, 0), 0.0, 10.0)
    other = taken(older, replace(TWO, positive=0), {}, 0.0, 10.0)
    assert later is not None
    assert other is older
    for known in (older, later):
        hours = known.history(TWO, days=False)
        assert hours.values.shape[1:] == (width, 3)
        assert hours.values[:2, 0, 0].tolist() == pytest.approx([0.8, 0.6])
        assert np.isnan(hours.values[:, 13:]).all()


def test_what_a_model_was_like_is_the_same_after_a_restart_and_however_it_was_read(rng: np.random.Generator) -> None:
    batch = stream(rng, 1500)
    states = []
    for step in (1500, 100, 37):
        p, state = pipeline(), State()
        for low in range(0, 1500, step):
            feed(p, state, ("t", 0), batch.take(np.arange(low, min(low + step, 1500))))
            if step == 100:
                state = thawed(p, frozen(p, state))
        p.settle(state, end=True)
        states.append(state)
    qualities = [state.models[Slice("m")].quality for state in states]
    scoring = Scoring.of(states[0].models[Slice("m")].reference.learned)  # type: ignore[union-attr]
    assert scoring is not None
    for q in qualities:
        assert q is not None
        assert q.scheme == scoring.id
        assert qualities[0] is not None
        np.testing.assert_array_equal(q.total["1"].whole, qualities[0].total["1"].whole)
    model = states[0].models[Slice("m")]
    window = model.hops.window(p.monitor.windows)
    assert window is not None
    assert events(scoring, scoring.own(window.outcomes)["1"].whole) == window.summary.events


def test_a_model_that_learns_anew_keeps_what_it_was_like() -> None:
    q = after(right_and_wrong(3, 8, 2))
    assert ModelState(Slice("m"), quality=q).afresh().quality is q
