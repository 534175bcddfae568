"""What channels were over time: exact, the same however panes come, bounded, and kept over references and restarts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftd.core.event import EventBatch
from driftd.core.objective import Objective
from driftd.core.pane_block import merge
from driftd.core.slice import Slice
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.learn.build import Learning, build
from driftd.monitor import timeline as t
from driftd.monitor.timeline import BATCH, MOST, STEPS, Points, Timeline, ValueReader
from tests.unit.core.make import feed, frozen, pipeline, stream, thawed

SOURCE = ("t", 0)
PANE = 10.0
MINUTE = 0


def watched(batch: EventBatch, p: Pipeline | None = None, *, at_once: int = 0) -> tuple[Pipeline, State]:
    """A model with a reference of its first 100 events that has seen the batch, so many events at once (0: all)."""
    p, state = p or pipeline(), State()
    for low in range(0, len(batch), at_once or len(batch)):
        feed(p, state, SOURCE, batch.take(np.arange(low, min(low + (at_once or len(batch)), len(batch)))))
    return p, state


def points(p: Pipeline, state: State, step: int = MINUTE) -> tuple[Points, ValueReader]:
    model = state.models[Slice("m")]
    assert model.reference is not None
    reader = p.monitor.reader(model.reference)
    return model.timeline.points(step, reader), reader


def test_a_minute_is_what_its_events_were(rng: np.random.Generator) -> None:
    batch = replace(stream(rng, 6000), times=np.arange(6000) / 5 + 1200.0)
    p, state = watched(batch)
    found, reader = points(p, state)
    assert (np.diff(found.numbers) == 1).all()
    middle = len(found) // 2
    mine = np.flatnonzero(batch.times // 60 == found.numbers[middle])
    x, color = reader.channels.index("x"), reader.channels.index("color")
    values = np.asarray(batch.columns["x"])[mine]
    assert found.totals[middle, t.EVENTS] == len(mine) == 300
    assert found.values[middle, x, t.MEAN] == pytest.approx(values.mean(), abs=1e-3)
    assert found.values[middle, x, t.P50] == pytest.approx(np.median(values), abs=0.15)  # within one of five bins
    assert found.values[middle, x, t.SHARE_MISSING] == 0
    logs = np.exp(np.log(np.abs(values) + reader.offset[x]).mean()) - reader.offset[x]
    assert found.values[middle, x, t.TYPICAL] == pytest.approx(logs, rel=2e-3)
    colors = [batch.columns["color"][i] for i in mine.tolist()]
    for top, label in enumerate(reader.labels[color]):
        share = colors.count(label) / len(mine)
        assert found.values[middle, color, t.FIRST_SHARE + top] == pytest.approx(share)
    latencies = np.asarray(batch.fields["latency_seconds"])[mine]
    assert found.totals[middle, t.LATENCY_P99] == pytest.approx(np.quantile(latencies, 0.99, method="lower"), rel=0.03)
    failed, timed, slow = (int(found.totals[middle, c]) for c in (t.FAILED, t.TIMED, t.SLOW))
    errors = batch.fields.get("error", np.zeros(len(batch), bool))
    assert failed == np.count_nonzero(np.asarray(errors)[mine])
    assert (timed, slow) == (300, int((latencies > Objective().latency_seconds).sum()))


def test_the_mean_of_zeros_is_zero(rng: np.random.Generator) -> None:
    """Sums hold how far each is from the reference's centre, in whole units: of 0 little is left."""
    batch = replace(stream(rng, 3000), times=np.arange(3000) / 5 + 1200.0)
    x = np.where(np.arange(3000) < 1000, np.asarray(batch.columns["x"]) / 30 + 0.01, 0.0)
    found, reader = points(*watched(replace(batch, columns={**batch.columns, "x": x})))
    means = found.values[:, reader.channels.index("x"), t.MEAN]
    assert means[0] != 0
    assert (means[-3:] == 0).all()


def test_missing_values_and_values_beyond_the_reference_show() -> None:
    rng = np.random.default_rng(8)
    batch = replace(stream(rng, 3000), times=np.arange(3000) / 5 + 1200.0)
    x = np.asarray(batch.columns["x"]).copy()
    x[2000:] *= 100
    x[2000::4] = np.nan
    p, state = watched(replace(batch, columns={**batch.columns, "x": x}))
    found, reader = points(p, state)
    now = found.values[-3, reader.channels.index("x")]
    assert now[t.SHARE_MISSING] == pytest.approx(0.25)
    assert (now[t.P5], now[t.P95]) == (-np.inf, np.inf)
    assert now[t.TYPICAL] > 30 * found.values[2, reader.channels.index("x"), t.TYPICAL]


def test_quantiles_are_those_of_numpy_to_a_bin_and_of_single_values_exact(rng: np.random.Generator) -> None:
    many, few = rng.gamma(2.0, 50.0, 20_000), rng.integers(0, 4, 20_000).astype(float)
    batch = EventBatch("m", np.arange(20_000), np.arange(20_000.0), {"many": many, "few": few})
    reference = build(batch, Learning())
    reader = ValueReader.of(reference, None)
    counts = reference.summary.counts[:, 2:].astype(np.float64)[None]
    rows = np.flatnonzero(reference.numeric)
    quantiles = dict(zip(t.OF_QUANTILES, reader.numbers.quantiles(counts[:, rows], rows), strict=True))
    for column, q in ((t.P5, 0.05), (t.P50, 0.5), (t.P95, 0.95)):
        found = dict(zip(reader.channels, quantiles[column][0], strict=False))
        assert found["many"] == pytest.approx(np.quantile(many, q), rel=0.002)
        assert found["few"] == pytest.approx(np.quantile(few, q, method="inverted_cdf"), abs=1e-5)


@pytest.mark.parametrize("at_once", [1, 7, 450])
def test_any_split_of_the_events_and_any_restart_gives_the_same_bytes(at_once: int) -> None:
    batch = stream(np.random.default_rng(3), 1800, shift_at=1200)
    p, whole = watched(batch)
    _, parts = watched(batch, p, at_once=at_once)
    assert frozen(p, parts) == frozen(p, whole)
    again = State()
    for low in range(0, 1800, 300):
        feed(p, again, SOURCE, batch.take(np.arange(low, low + 300)))
        again = thawed(p, frozen(p, again))
    assert frozen(p, again) == frozen(p, whole)
    assert len(points(p, whole)[0]) > 3


def synthetic(minutes: int) -> tuple[Timeline, ValueReader]:
    """A pane a minute for so long, a thousand at a time."""
    p, state = watched(stream(np.random.default_rng(4), 400))
    model = state.models[Slice("m")]
    _, reader = points(p, state)
    one = model.timeline.levels[0].open
    assert one is not None
    out = Timeline()
    for low in range(0, minutes, 1000):
        rows = [replace(one, numbers=np.array([n * 6])) for n in range(low, min(low + 1000, minutes))]
        out = out.take(merge(rows), reader, PANE)
    return out, reader


def test_every_step_holds_all_events_and_no_more_points_than_it_may() -> None:
    days = 40
    out, reader = synthetic(days * 1440)
    each = out.points(3, reader).totals[0, t.EVENTS]
    assert len(out.points(3, reader)) == days
    for step, (seconds, most) in enumerate(zip(STEPS, MOST, strict=True)):
        found = out.points(step, reader)
        assert (np.diff(found.numbers) == 1).all()
        assert min(most, days * 86_400 / seconds) <= len(found) <= most + BATCH + 1
        assert (found.totals[:, t.EVENTS] * 86_400 == each * seconds).all()
    channels = len(reader.channels)
    arrays = [x for v in out.levels for p in (v.sealed, v.tail) for x in p.arrays]
    taken = sum(x.nbytes for x in arrays) + sum(v.open.nbytes for v in out.levels if v.open is not None)
    assert taken < channels * 60_000 + 40_000  # what the setting's description promises; the sketches on top


def test_a_year_of_days_has_a_bound_of_bytes() -> None:
    channels, full = 10, sum(MOST) + BATCH * len(MOST)
    sizes = 3 * (full - MOST[0] - BATCH)  # float16 and int8, not of minutes
    assert full * (channels * t.WIDTH + t.TOTALS) * 4 / channels + sizes < 60_000


def test_another_reference_keeps_what_both_have_in_common() -> None:
    p, state = watched(stream(np.random.default_rng(5), 900))
    before, reader = points(p, state)
    batch = stream(np.random.default_rng(6), 900)
    others = {"x": batch.columns["x"], "new": batch.columns["x"], "color": ["green"] * 500 + ["blue"] * 400}
    other = build(replace(batch, columns=others), Learning(bins=5))
    after = ValueReader.of(other, None)
    state.models[Slice("m")].timeline = state.models[Slice("m")].timeline.closed(reader)._on(after)
    found = state.models[Slice("m")].timeline.points(MINUTE, after)
    new, old = after.channels.index("new"), reader.channels.index("color")
    color = after.channels.index("color")
    assert (found.numbers == before.numbers).all()
    assert np.isnan(found.values[:, new]).all()
    x = found.values[:, after.channels.index("x")], before.values[:, reader.channels.index("x")]
    np.testing.assert_array_equal(*x)
    for label in ("green", "blue"):
        mine, its = (r.labels[c].index(label) for r, c in ((after, color), (reader, old)))
        np.testing.assert_array_equal(
            found.values[:, color, t.FIRST_SHARE + mine], before.values[:, old, t.FIRST_SHARE + its]
        )


def test_bins_that_change_within_a_minute_lose_no_event() -> None:
    out, reader = synthetic(3)
    one = out.levels[0].open
    assert one is not None
    later = out.closed(reader).take(replace(one, numbers=np.array([2 * 6 + 1])), reader, PANE)
    events = out.points(MINUTE, reader).totals[:, t.EVENTS]
    assert later.points(MINUTE, reader).totals[:, t.EVENTS].tolist() == [*events[:2], 2 * events[2]]
    timed = out.points(MINUTE, reader).totals[:, t.TIMED]
    assert later.points(MINUTE, reader).totals[:, t.TIMED].tolist() == [*timed[:2], 2 * timed[2]]


def test_without_the_setting_nothing_is_kept() -> None:
    p = pipeline(keeps_values=False)
    _, state = watched(stream(np.random.default_rng(7), 900), p)
    assert state.models[Slice("m")].timeline.points(MINUTE, None).numbers.tolist() == []
    assert state.models[Slice("m")].reference is not None
