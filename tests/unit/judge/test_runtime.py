"""How panes become micro-batches: by what came and when, never by how it was read, and through any restart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from driftd.core.by_pane import ByPane
from driftd.core.event import Decoded, EventBatch
from driftd.core.finding import JUDGE, Finding, Status
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.core.summary import merge
from driftd.core.window import Windows, panes_of
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.ingest.binning import block_with, encode_with
from driftd.judge.learned import believed_until
from driftd.judge.runtime import BATCH_EVENTS, MOST_EVENTS, ModelJudge, batch_events, learned_of
from driftd.judge.step import Judged, MicroBatch
from driftd.learn.build import Learning, build
from driftd.monitor.assignment import DetectorSet
from driftd.monitor.settings import ModelSettings
from driftd.monitor.state import ModelState
from tests.unit.core.make import WINDOWS, frozen, pipeline_of, thawed, wide

PANE = WINDOWS.pane_seconds
HOUR, WEEK = 3600.0, 7 * 86_400.0
MONDAY = 345_600.0 + 100 * WEEK
QUIET, SHIFTED, AFTER = 600, 400, 900
N = QUIET + SHIFTED + AFTER


@cache
def reference() -> Reference:
    rng = np.random.default_rng(1)
    return build(wide({"x": rng.normal(size=2000), "y": rng.normal(size=2000)}, per_second=2.0), Learning(bins=8))


@cache
def stream() -> EventBatch:
    """Two events a second, so that three panes make a micro-batch; x and y rise together for a while. It begins soon
    after the reference, which speaks for six hours.
    """
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=N), rng.normal(size=N)
    x[QUIET : QUIET + SHIFTED] += 1.5
    y[QUIET : QUIET + SHIFTED] = 0.3 * y[QUIET : QUIET + SHIFTED] + x[QUIET : QUIET + SHIFTED]
    return wide({"x": x, "y": y}, per_second=2.0, begin=3010.0)


@cache
def seasonal() -> Reference:
    """24 weeks of three events an hour whose level follows the hour of the day."""
    rng = np.random.default_rng(3)
    times = MONDAY + np.arange(24.0 * 168 * 3) * 1200
    x = np.sin(times * 2 * np.pi / 86_400) * 3 + rng.normal(size=len(times))
    batch = replace(wide({"x": x, "noise": rng.normal(size=len(times))}), times=times)
    out = build(batch, Learning(bins=8))
    learned = learned_of(out)
    assert learned is not None
    assert learned.seasonal[out.rows["x"]]
    assert learned.season is not None
    return out


def pipeline(windows: Windows = WINDOWS) -> Pipeline:
    return pipeline_of(ModelSettings(lambda _: ()), windows)


def panes(on: Reference, batch: EventBatch, seconds: float = PANE) -> list[MicroBatch]:
    """Every pane of the events, closed."""
    numbers, encoded = panes_of(batch.times, seconds), encode_with(on, batch)
    learned = learned_of(on)
    assert learned is not None
    by_pane = ByPane.of(numbers)
    block, crosses = block_with(on, batch, encoded, by_pane).dense, learned.pairs.crosses(encoded.bins, by_pane)
    nobody = np.full(len(on.channels), np.nan)
    return [
        MicroBatch(
            number * seconds, (number + 1) * seconds, block.summary(i), None if crosses is None else crosses[i], nobody
        )
        for i, number in enumerate(block.numbers.tolist())
    ]


def always(_row: int, _since: float) -> bool:
    """Every change matters."""
    return True


def guard(on: Reference) -> ModelJudge:
    out = ModelJudge.of(on)
    assert out is not None
    return out


def thresholds(on: Reference) -> NDArray[np.float64]:
    return DetectorSet.of(on, lambda _: ()).a


def taken(
    on: Reference, parts: Sequence[MicroBatch], mine: ModelJudge | None = None
) -> Iterator[tuple[MicroBatch, Judged]]:
    mine = mine or guard(on)
    for part in parts:
        yield from mine.take(on, part, thresholds(on))


def bits(on: Reference, mine: ModelJudge) -> bytes:
    """All that a checkpoint holds of a guard."""
    return frozen(pipeline(), State(models={Slice("m"): ModelState(Slice("m"), on, judge=mine)}))


def reborn(on: Reference, mine: ModelJudge) -> ModelJudge:
    out = thawed(pipeline(), bits(on, mine)).models[Slice("m")].judge
    assert out is not None
    return out


def same(one: Judged, other: Judged) -> None:
    for name in ("s", "ratio", "since", "opened", "closed", "open"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.pair == other.pair


def test_a_micro_batch_is_the_shortest_run_of_panes_that_holds_fifty_events() -> None:
    #  events   20  20  20  60  10  20  19   1
    #  batches |---------|---|----------------|
    assert batch_events(reference()) == BATCH_EVENTS == 50
    numbers = np.repeat(np.arange(8), [20, 20, 20, 60, 10, 20, 19, 1])
    batch = replace(stream().take(np.arange(len(numbers))), times=1000.0 + numbers.astype(np.float64) * PANE)
    mine = guard(reference())
    seen = [(b.start, b.end, b.summary.events) for b, _ in taken(reference(), panes(reference(), batch), mine)]
    assert seen == [(1000, 1030, 60), (1030, 1040, 60), (1040, 1080, 50)]
    assert mine.waiting is None


@pytest.mark.parametrize(
    ("learned", "least"), [(100, 50), (3000, 50), (10_000, 100), (40_000, 400), (10**9, MOST_EVENTS)]
)
def test_the_larger_the_reference_the_larger_the_micro_batch(learned: int, least: int) -> None:
    assert batch_events(replace(reference(), summary=replace(reference().summary, events=learned))) == least


def test_the_cut_depends_on_when_events_came_and_never_on_their_values() -> None:
    calm = stream()
    wild = replace(calm, columns={"x": np.asarray(calm.columns["x"]) * -50, "y": np.full(N, np.nan)})
    borders = [[(b.start, b.end) for b, _ in taken(reference(), panes(reference(), s))] for s in (calm, wild)]
    assert borders[0] == borders[1]


def test_a_micro_batch_of_three_panes_is_judged_as_one_pane_of_the_same_events() -> None:
    batch = stream().take(np.arange(40, 40 + 60 * 20))  # from 3,030 on, which is a border of both
    short, long = panes(reference(), batch, 10.0), panes(reference(), batch, 30.0)
    assert len(short) == 3 * len(long)
    seen = [list(taken(reference(), parts)) for parts in (short, long)]
    assert [(b.start, b.end) for b, _ in seen[0]] == [(b.start, b.end) for b in long]
    for (_, x), (_, y) in zip(*seen, strict=True):
        same(x, y)


def test_panes_far_apart_are_judged_together_and_nothing_is_lost() -> None:
    batch = stream().take(np.arange(60))
    batch.times[30:] += 1e6
    ((together, _),) = taken(reference(), panes(reference(), batch))
    assert together.summary.events == sum(p.summary.events for p in panes(reference(), batch)) == 60
    assert together.end - together.start > 1e6


def test_the_hour_ends_what_a_season_sees_and_events_end_what_the_others_see() -> None:
    #  hours         |   0   |   1   |   2   |
    #  events        65 65    10       50        a batch of 130, and an hour of 130, of 10, and one that goes on
    assert 65 < batch_events(seasonal()) < 130
    times = np.repeat(MONDAY + 25 * WEEK + np.array([0, 600, HOUR, 2 * HOUR]), [65, 65, 10, 50])
    rng = np.random.default_rng(4)
    batch = replace(wide({"x": rng.normal(size=190), "noise": rng.normal(size=190)}), times=times)
    start = float(times[0])
    mine, seen = guard(seasonal()), []
    for part in panes(seasonal(), batch):
        seen += [(b.start - start, b.summary.events) for b, _ in mine.take(seasonal(), part, thresholds(seasonal()))]
    assert seen == [(0, 130), (0, 130), (HOUR, 10)]
    assert mine.waiting is not None
    assert mine.slot is not None
    assert (mine.waiting.start - start, mine.waiting.summary.events) == (HOUR, 60)
    assert (mine.slot.start - start, mine.slot.summary.events) == (2 * HOUR, 50)
    without = replace(guard(seasonal()).learned, season=None)
    free = ModelJudge(without, replace(guard(seasonal()).state, seasonal=None))
    assert [b.summary.events for b, _ in taken(seasonal(), panes(seasonal(), batch), free)] == [130]
    assert (free.waiting is not None, free.slot) == (True, None)


def test_what_waits_is_judged_when_it_is_asked_for_and_only_once() -> None:
    mine = guard(reference())
    part = panes(reference(), stream().take(np.arange(20)))[0]
    assert list(mine.take(reference(), part, thresholds(reference()))) == []
    ((batch, judged),) = mine.flush(reference(), thresholds(reference()))
    assert (batch.start, batch.end, batch.summary.events) == (part.start, part.end, part.summary.events)
    assert judged.s[reference().rows["x"]] > 0
    assert list(mine.flush(reference(), thresholds(reference()))) == []


@pytest.mark.parametrize("seconds", [pytest.param(120, id="at a hop's end"), pytest.param(140, id="in a hop")])
def test_the_end_of_everything_judges_what_waits(seconds: int) -> None:
    p, state = pipeline(replace(WINDOWS, window_seconds=100)), State()  # a hop is three panes
    p.slices.adopt(state, Slice("m"), reference())
    batch = stream().take(np.arange(seconds * 2))
    batch = batch.take(np.flatnonzero(np.arange(len(batch)) % 5 < 3))  # 12 a pane: five panes make a batch
    p.ingest(state, ("t", 0), len(batch), Decoded(len(batch), [batch], []))
    p.settle(state)
    mine = state.models[Slice("m")].judge
    assert mine is not None
    row = reference().rows["x"]
    assert 0 < mine.state.evidence.seen[row].sum() < len(batch) - 24
    p.settle(state, end=True)
    assert mine.state.evidence.seen[row].sum() == len(batch)
    assert state.models[Slice("m")].hops.growing is None


def test_a_detection_of_another_detector_waits_with_its_pane() -> None:
    parts = panes(reference(), stream().take(np.arange(60)))
    row = reference().rows["error"]
    external_since = parts[1].external_since.copy()
    external_since[row] = parts[1].start + 3
    parts[1] = replace(parts[1], external_since=external_since)
    ((batch, judged),) = taken(reference(), parts)
    assert batch.external_since[row] == parts[1].start + 3
    assert np.isnan(np.delete(batch.external_since, row)).all()
    assert judged.opened.tolist() == [row]
    assert judged.s[row] < thresholds(reference())[row]


@settings(max_examples=15)
@given(data=st.data())
def test_a_pane_in_parts_is_the_pane(data: st.DataObject) -> None:
    """Parts of a pane come from other partitions, in any order: counts and cross products add up exactly."""
    batch = stream().take(np.arange(QUIET, QUIET + 300))
    owner = np.array(data.draw(st.lists(st.integers(0, 2), min_size=60, max_size=60)))
    of_event = np.resize(owner, len(batch))
    shards = [panes(reference(), batch.take(np.flatnonzero(of_event == k))) for k in np.unique(of_event).tolist()]
    merged = []
    for whole in panes(reference(), batch):
        parts = [p for shard in data.draw(st.permutations(shards)) for p in shard if p.start == whole.start]
        cross = np.sum([p.cross for p in parts if p.cross is not None], axis=0)
        merged.append(MicroBatch(whole.start, whole.end, merge(p.summary for p in parts), cross, whole.external_since))
    one, other = guard(reference()), guard(reference())
    for (a, x), (b, y) in zip(
        taken(reference(), panes(reference(), batch), one), taken(reference(), merged, other), strict=True
    ):
        assert (a.start, a.end, a.summary.events) == (b.start, b.end, b.summary.events)
        same(x, y)
    assert bits(reference(), one) == bits(reference(), other)


def shards() -> list[EventBatch]:
    """Every third event to a partition of its own, with offsets of its own."""
    out = []
    for k in range(3):
        part = stream().take(np.arange(k, N, 3))
        out.append(replace(part, offsets=np.arange(len(part))))
    return out


def followed(turns: list[tuple[int, int]], restarts: set[int]) -> tuple[bytes, list[Finding]]:
    p, state, at = pipeline(), State(), [0, 0, 0]
    p.slices.adopt(state, Slice("m"), reference())
    parts, findings = shards(), list[Finding]()
    for k in range(3):
        p.ingest(state, ("t", k), 0, Decoded(0, [], []))
    rest = [(k, N) for k in range(3)]
    for i, (k, n) in enumerate([*turns, *rest]):
        batch = parts[k].take(np.arange(at[k], min(at[k] + n, len(parts[k]))))
        at[k] += len(batch)
        p.ingest(state, ("t", k), at[k], Decoded(len(batch), [batch] if len(batch) else [], []))
        findings += p.settle(state).findings
        if i in restarts:
            state = thawed(p, frozen(p, state))
            for model in state.models.values():
                model.judgement = p.monitor.judgement(model)
    return frozen(p, state), findings


@cache
def calm() -> tuple[bytes, list[Finding]]:
    """Three polls, no restart: worked out once, not for every example."""
    return followed([], set())


@settings(max_examples=20)
@given(
    turns=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 200)), max_size=40),
    restarts=st.sets(st.integers(0, 40), max_size=5),
)
def test_episodes_and_evidence_do_not_depend_on_polls_partitions_and_restarts(
    turns: list[tuple[int, int]], restarts: set[int]
) -> None:
    told = [(f.feature, f.status) for f in calm()[1] if f.detector == JUDGE]
    assert ("x", Status.WARNING) in told
    assert ("x", Status.OK) in told
    assert followed(turns, restarts) == calm()


@pytest.mark.parametrize("on", [reference, seasonal], ids=["independent", "seasonal"])
def test_a_checkpoint_in_the_middle_of_a_micro_batch_goes_on_bit_for_bit(on: object) -> None:
    where = on()  # type: ignore[operator]
    batch, seconds = stream(), PANE
    if where is seasonal():
        times = MONDAY + 25 * WEEK + np.arange(float(N)) * 150.0
        columns = {"x": np.asarray(batch.columns["x"]), "noise": np.asarray(batch.columns["y"])}
        batch, seconds = replace(batch, columns=columns, times=times), 600.0
    undisturbed, restarted = guard(where), guard(where)
    waiting, verdicts = 0, 0
    for part in panes(where, batch, seconds)[:100]:
        calm = list(undisturbed.take(where, part, thresholds(where)))
        restarted = reborn(where, restarted)
        waiting += restarted.waiting is not None
        again = list(restarted.take(where, part, thresholds(where)))
        assert [(b.start, b.end) for b, _ in calm] == [(b.start, b.end) for b, _ in again]
        for (_, x), (_, y) in zip(calm, again, strict=True):
            same(x, y)
            verdicts += 1
    assert waiting > 20
    assert verdicts > 10
    assert bits(where, undisturbed) == bits(where, restarted)


def test_a_reference_of_counts_alone_has_no_judge() -> None:
    assert ModelJudge.of(replace(reference(), learned={})) is None


@pytest.mark.parametrize(
    ("span", "speaks"),
    [
        pytest.param(600.0, 6 * HOUR, id="ten minutes: then it is another part of the day"),
        pytest.param(13 * 86_400.0, 6 * HOUR, id="not yet two weeks"),
        pytest.param(2 * WEEK, np.inf, id="two weeks"),
    ],
)
def test_a_short_reference_speaks_for_hours(span: float, speaks: float) -> None:
    assert believed_until(span, 5000.0) == 5000.0 + speaks


def test_nothing_opens_where_a_short_reference_no_longer_speaks() -> None:
    #  reference    1000.. 2000 ==========                     it speaks until 23600
    #  events       3010.. 3960           ~~~x~~~              x rises: an episode
    #              33010..33960                     ~~~x~~~    the same events later: none
    late = replace(stream(), times=stream().times + 30_000.0)
    row = reference().rows["x"]
    soon, later = ([j for _, j in taken(reference(), panes(reference(), events))] for events in (stream(), late))
    assert any(row in judged.opened for judged in soon)
    assert not any(len(judged.opened) for judged in later)
    assert max(judged.ratio[row] for judged in later) > 1


def test_micro_batches_touch_in_the_order_of_time() -> None:
    seen = [b for b, _ in taken(reference(), panes(reference(), stream()))]
    assert all(a.end <= b.start for a, b in pairwise(seen))
    assert sum(b.summary.events for b in seen) > N - BATCH_EVENTS
