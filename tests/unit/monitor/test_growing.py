"""A reference that grows by itself: when, from what, and that nothing but the events decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from driftd.core.event import Decoded, EventBatch, TopicPartition, concatenate
from driftd.core.finding import Finding, Severity, Status
from driftd.core.reference import Drawn, Gap, Reference
from driftd.core.slice import Slice
from driftd.core.summary import FIRST_VALUE
from driftd.core.window import Windows
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.judge.natural.changes import Change, OwnSize, OwnSizes
from driftd.judge.natural.episodes import NONE, PAGE, Turn
from driftd.judge.natural.kinds import Kind
from driftd.judge.natural.runtime import natural_of
from driftd.learn import sample
from driftd.learn.build import Learning, build
from driftd.learn.gaps import gaps_of
from driftd.learn.growth import GROWING, GROWN, grown, seeded
from driftd.learn.remarks import CANNOT_TELL, remarks
from driftd.monitor.growing import MOST_FAULTS, PAGED, TICKETED, _faults, _renumbered, left_out
from driftd.monitor.model import LEARNED_ANEW
from driftd.monitor.settings import ModelSettings
from driftd.monitor.state import Growth
from tests.unit.core.make import feed, frozen, pipeline_of, thawed
from tests.unit.judge.natural.stage import DAY, HOUR, MONDAY, Columns, batch, traffic

A, B = ("t", 0), ("t", 1)
KEY = Slice("m")
WINDOWS = Windows(pane_seconds=60.0, window_seconds=600.0, min_events=100, out_of_orderness_seconds=60)
BEGIN = MONDAY + 9 * HOUR


def grower(grow_days: float = 28.0) -> Pipeline:
    learning = Learning(bins=10, windows=WINDOWS, least_span_seconds=DAY)
    return pipeline_of(ModelSettings(lambda _: (), learning, grow_seconds=grow_days * DAY), WINDOWS)


@cache
def columns(days: float) -> Columns:
    """About 2,700 events a day, most of them by day."""
    every = traffic(np.random.default_rng(7), BEGIN, BEGIN + days * DAY)
    return {name: column[::3] for name, column in every.items()}


def broken(days: float, name: str, start: float, end: float, value: object = np.nan) -> EventBatch:
    """The traffic with a column that holds one value from ``start`` to ``end`` days after the beginning."""
    own = {key: column.copy() for key, column in columns(days).items()}
    own[name][(own["time"] >= BEGIN + start * DAY) & (own["time"] < BEGIN + end * DAY)] = value
    return batch(own)


def run(
    p: Pipeline, rows: EventBatch, cuts: Sequence[int] = (), *, restart: bool = False
) -> tuple[State, list[Finding], list[Reference]]:
    state, findings, learned = State(), list[Finding](), list[Reference]()
    for a, b in pairwise(sorted({0, len(rows), *cuts})):
        outcome = feed(p, state, A, rows.take(np.arange(a, b)))
        findings += outcome.findings
        learned += outcome.learned
        if restart:
            state = thawed(p, frozen(p, state))
    return state, findings, learned


def spans(learned: Sequence[Reference]) -> list[float]:
    """Hours from the first event to the last one learned from."""
    return [round((r.last - BEGIN) / HOUR, 1) for r in learned]


@pytest.fixture
def _busy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if the model had far more events than a sample holds: bins stay after a day."""
    monkeypatch.setattr(sample, "MOST_VALUES", 12_000)
    yield
    whole.cache_clear()


@cache
def whole(days: float) -> tuple[bytes, list[Finding], list[Reference]]:
    p = grower(3.0)
    state, findings, learned = run(p, batch(columns(days)))
    return frozen(p, state), findings, learned


@pytest.mark.usefixtures("_busy")
def test_it_is_learned_at_each_stage_and_then_stays() -> None:
    # 500 events are there after more than three hours: the stage of two hours is the first
    _, _, learned = whole(3.2)
    assert spans(learned) == pytest.approx([3.3, 6.0, 24.0, 71.4], abs=0.2)
    assert [r.version for r in learned] == [1, 2, 3, 4]
    assert [r.reason for r in learned] == [GROWING, GROWING, GROWING, GROWN]
    assert learned[-1].id == learned[-2].id != learned[-3].id  # bins stay from the first day on
    days = [learned_.days for r in learned if (learned_ := natural_of(r)) is not None]
    assert days == pytest.approx([span / 24 for span in spans(learned)], rel=0.1)


@pytest.mark.usefixtures("_busy")
def test_the_hours_hold_every_event_although_the_sample_does_not() -> None:
    state, _, learned = run(grower(3.0), batch(columns(3.2)))
    assert state.models[KEY].growth is None
    times = columns(3.2)["time"]
    seen = np.count_nonzero((times >= BEGIN + DAY) & (times < BEGIN + 3 * DAY))
    # the first day is a sample: one in two or in four; the hour that was cut in two is not there
    assert seen * 0.97 < learned[-1].summary.events - learned[-2].summary.events <= seen


@pytest.mark.usefixtures("_busy")
def test_a_day_of_history_is_small() -> None:
    state, _, _ = run(grower(28.0), batch(columns(3.2)))
    growth = state.models[KEY].growth
    assert growth is not None
    assert growth.history is not None
    sizes = [len(day.hours.sums) + len(day.peaks) + len(day.cells.sums) for day in growth.history.days]
    assert len(sizes) == 3
    assert 1000 < max(sizes) < 20_000  # bytes; 8 channels of 12 columns


@pytest.mark.usefixtures("_busy")
@settings(max_examples=4, deadline=None)
@given(cuts=st.lists(st.integers(1, len(columns(3.2)["time"]) - 1), min_size=3, max_size=9), restart=st.booleans())
def test_nothing_depends_on_how_events_arrive(cuts: list[int], restart: bool) -> None:
    p = grower(3.0)
    state, findings, learned = run(p, batch(columns(3.2)), cuts, restart=restart)
    expected, told, references = whole(3.2)
    assert [r.id for r in learned] == [r.id for r in references]
    assert findings == told
    assert frozen(p, state) == expected


@pytest.mark.usefixtures("_busy")
def test_partitions_do_not_matter() -> None:
    """Two partitions with every other event each, polled in two ways."""
    rows = batch(columns(1.3))
    halves: list[tuple[TopicPartition, EventBatch]] = []
    for rest, source in enumerate((A, B)):
        part = rows.take(np.flatnonzero(np.arange(len(rows)) % 2 == rest))
        part.offsets[:] = np.arange(len(part))
        halves.append((source, part))
    out = []
    for pieces in (3, 50):
        p, state, learned = grower(1.0), State(), list[Reference]()
        for source in (A, B):  # both are assigned from the start
            p.ingest(state, source, 0, Decoded(0, [], []))
        for k in range(pieces):
            for source, part in halves:
                piece = part.take(np.array_split(np.arange(len(part)), pieces)[k])
                learned += feed(p, state, source, piece).learned
        out.append([(r.id, r.summary.events, r.last) for r in learned])
    assert out[0] == out[1]
    assert len(out[0]) >= 3


def test_a_page_makes_its_channel_wait_and_all_others_grow() -> None:
    """Null for 100 % from 20 to 50 hours, bins still change: the stage of a day comes in time, and again without those
    hours when the page has closed. The page is one.
    """
    p = grower(1.0)
    state, findings, learned = run(p, broken(2.3, "age", 20 / 24, 50 / 24), [4_000])
    turns = [f for f in findings if f.status is not f.previous]  # no better numbers
    about = [(f.feature, f.severity, f.status) for f in turns if f.feature in {"age", None}]
    page, over = (Severity.PAGE, Status.DRIFT), (None, Status.OK)
    assert [a for a in about if a[1] is Severity.PAGE] == [("age", *page), (None, *page)]
    assert [a for a in about if a[0] == "age"] == [("age", *page), ("age", *over)]
    first, last = learned[-2:]
    assert spans([first]) == pytest.approx([24], abs=0.2)
    assert 0 < last.last - closed(findings, "age") < 1.1 * HOUR
    assert [(gap.channel, gap.why) for gap in gaps_of(first) if np.isinf(gap.end)] == [("age", "missing")]
    waits = "age: waits (missing) since 2026-09-29 04:56 UTC, and is known up to then. The other channels grow"
    assert [remark.split(";")[0] for remark in remarks(first)] == [waits]
    assert not remarks(last)
    time, begin = columns(2.3)["time"], BEGIN + 20 * HOUR
    for reference, end in ((first, np.inf), (last, closed(findings, "age"))):
        n, row = reference.summary.events, reference.rows["age"]
        known = reference.summary.channel_events
        assert reference.summary.missing[row] == 0
        assert set(np.delete(known, row).tolist()) == {n}
        lost = np.count_nonzero((time >= begin) & (time < end) & (time <= reference.last))
        assert lost > 0.05 * n
        assert n - known[row] == pytest.approx(lost, rel=0.05)
    assert state.models[KEY].growth is None
    assert last.reason == GROWN


def closed(findings: Sequence[Finding], channel: str) -> float:
    return [f.window_end for f in findings if f.feature == channel and f.status is Status.OK][-1]


@pytest.mark.usefixtures("_busy")
def test_with_bins_that_stay_a_channel_with_a_page_waits_and_all_others_grow() -> None:
    """As above from 60 to 80 hours, and the last stage is that of three days."""
    p = grower(3.0)
    state, findings, learned = run(p, broken(3.8, "age", 60 / 24, 80 / 24))
    pages = [f for f in findings if f.severity is Severity.PAGE]
    assert {(f.feature, f.kind) for f in pages} == {("age", "missing"), (None, "missing")}
    day, first, last = learned[-3:]
    assert day.id == first.id == last.id
    assert spans([first]) == pytest.approx([71.5], abs=0.6)
    assert abs(last.last - closed(findings, "age")) < 1.1 * HOUR  # whole hours
    row, score = first.rows["age"], first.rows["score"]
    assert first.summary.channel_events[score] > 1.8 * day.summary.channel_events[score]
    time = columns(3.8)["time"]
    lost = np.count_nonzero((time >= BEGIN + 60 * HOUR) & (time < first.last))
    assert first.summary.events - first.summary.channel_events[row] == pytest.approx(lost, rel=0.1)
    assert last.summary.missing[row] == first.summary.missing[row] == 0
    assert state.models[KEY].growth is None


@cache
def held(days: float) -> tuple[list[Finding], list[str]]:
    _, findings, learned = run(grower(3.0), broken(days, "age", 20 / 24, 30 / 24))
    return findings, [r.id for r in learned]


@settings(max_examples=4, deadline=None)
@given(cuts=st.lists(st.integers(1, len(columns(1.5)["time"]) - 1), min_size=3, max_size=9), restart=st.booleans())
def test_a_channel_waits_the_same_however_events_arrive(cuts: list[int], restart: bool) -> None:
    p = grower(3.0)
    _, findings, learned = run(p, broken(1.5, "age", 20 / 24, 30 / 24), cuts, restart=restart)
    assert (findings, [r.id for r in learned]) == held(1.5)


def test_relations_stay_as_they_were_while_one_of_their_channels_waits() -> None:
    rows = batch(columns(2.0))
    learning = Learning(bins=10, windows=WINDOWS)
    reference = build(rows, learning, drawn=Drawn(early=True))
    history = seeded(reference, rows, WINDOWS.pane_seconds, Drawn(early=True))
    end = BEGIN + 1.5 * DAY
    waits, over = (
        grown(reference, history, [gap]) for gap in (Gap("age", end, np.inf, "missing"), Gap("age", end, end + DAY))
    )
    assert np.array_equal(relation(waits), relation(reference))
    assert not np.array_equal(relation(over), relation(reference))


def relation(reference: Reference | None) -> NDArray[np.float64]:
    learned = None if reference is None else natural_of(reference)
    assert learned is not None
    assert learned.relation_near is not None
    return learned.relation_near.largest.mean


def test_what_a_channel_does_again_and_again_is_learned_unless_it_is_a_fault() -> None:
    #                    row, from, to, fault
    ranges = np.array([[2.0, 10, 20, 0], [2, 30, 40, 0], [1, 50, 60, 0]])
    assert left_out(Growth(0.0, 1, 0.0, None, None, ranges)).tolist() == [[2, 10, 20], [2, 30, 40], [1, 50, 60]]
    again = np.concatenate([ranges, [[2.0, 70, 80, 0]]])
    assert MOST_FAULTS == 2
    assert left_out(Growth(0.0, 1, 0.0, None, None, again)).tolist() == [[1, 50, 60]]
    nulls = np.concatenate([again, [[3.0, k, k + 1, 1] for k in (90, 92, 94, 96)]])
    assert left_out(Growth(0.0, 1, 0.0, None, None, nulls)).tolist() == [
        [1, 50, 60], [3, 90, 91], [3, 92, 93], [3, 94, 95], [3, 96, 97]
    ]  # fmt: skip


def test_three_faults_of_three_kinds_are_no_habit() -> None:
    def faults(*kinds: Kind) -> NDArray[np.float64]:
        ends = [(9.0 + k, kind) for k, kind in enumerate(kinds)]
        turns = [Turn(at, at, 1, PAGE, NONE, kind, 1, 1, at - 4, np.nan, 1, 0) for at, kind in ends]
        return left_out(Growth(0.0, 1, 0.0, None, None, _faults(turns, 100.0)))

    assert len(faults(Kind.FROZEN, Kind.RENAMED, Kind.UNIT)) == 3
    assert len(faults(Kind.UNIT, Kind.UNIT, Kind.UNIT)) == 0
    assert len(faults(Kind.LEVEL, Kind.MIX, Kind.SPREAD)) == 0, "the world, told three ways"


def test_tickets_count_by_themselves() -> None:
    #                   row, from, to, how it counts
    faults = np.array([[1.0, 10, 20, PAGED], [1, 30, 40, PAGED], [1, 50, 60, TICKETED]])
    assert left_out(Growth(0.0, 1, 0.0, None, None, faults)).tolist() == [[1, 10, 20], [1, 30, 40], [1, 50, 60]]
    more = np.concatenate([faults, [[1.0, 70, 80, TICKETED], [1, 90, 95, TICKETED]]])
    assert left_out(Growth(0.0, 1, 0.0, None, None, more)).tolist() == [[1, 10, 20], [1, 30, 40]]


def test_a_fault_that_made_only_a_ticket_is_not_learned() -> None:
    """6 hours of 4 % errors on the second day: the reference of three days does not know of them."""
    own = {key: column.copy() for key, column in columns(3.3).items()}
    on = (own["time"] >= BEGIN + 1.2 * DAY) & (own["time"] < BEGIN + 1.45 * DAY)
    own["error"][on & (np.random.default_rng(3).random(on.size) < 0.06)] = 1.0
    _, findings, learned = run(grower(7.0), batch(own))
    told = [f.severity for f in findings if f.feature == "error" and f.severity is not None]
    assert set(told) == {Severity.TICKET}
    reference = learned[-1]
    assert spans([reference]) == pytest.approx([72.0], abs=0.2)
    row = reference.rows["error"]
    before = on.argmax()
    assert reference.summary.channel_events[row] < len(on) * 72 / 79.2 - 0.9 * on.sum()
    assert errors(reference) == pytest.approx(np.mean(own["error"][:before]), abs=0.003)


@pytest.mark.usefixtures("_busy")
def test_the_judge_does_not_come_back_at_a_stage_to_a_fault_that_is_over() -> None:
    """Evidence of the second day counts no more when the reference of three days lets the judge speak again."""
    rows = broken(3.4, "age", 1.6, 1.8)
    _, findings, learned = run(grower(7.0), rows)
    assert spans(learned)[-1] == pytest.approx(72.0, abs=1.0)
    told = [f for f in findings if f.feature == "age" and f.severity is not None]
    assert told
    assert max(f.window_end for f in told) < BEGIN + 2 * DAY


def errors(reference: Reference) -> float:
    """Their share in it."""
    counts = reference.summary.counts[reference.rows["error"], FIRST_VALUE:]
    return float(counts[2] / counts.sum())


def test_a_gross_fault_is_not_learned_although_nobody_wanted_to_be_called() -> None:
    """Null for good on a channel that may not page: the ticket stays, and a day is learned of the others alone."""
    learning = Learning(bins=10, windows=WINDOWS, least_span_seconds=DAY)
    never = OwnSizes({Change.MISSING: OwnSize(page=np.inf)})
    p = pipeline_of(ModelSettings(lambda _: (), learning, grow_seconds=28 * DAY, sizes=lambda _: never), WINDOWS)
    state, findings, learned = run(p, broken(1.6, "age", 20 / 24, 9.0))
    assert spans(learned) == pytest.approx([3.3, 6.0, 24.0], abs=0.2)
    assert learned[-1].summary.missing[learned[-1].rows["age"]] == 0
    assert {f.severity for f in findings if f.feature == "age" and f.status is not f.previous} == {Severity.TICKET}
    assert not any(f.status is Status.OK for f in findings if f.feature == "age")
    assert state.models[KEY].growth is not None


def test_answers_that_turn_wrong_soon_after_the_first_stage_do_not_become_normal() -> None:
    """Labels are the opposite of the answers: 5 % are wrong, then 95 %. No stage learns it, and the ticket stays."""
    own = {key: column.copy() for key, column in columns(1.3).items()}
    own["label"] = own["score"] > 0.5
    wrong = np.random.default_rng(3).random(len(own["time"])) < 0.05
    own["label"] = np.where(wrong ^ (own["time"] >= BEGIN + 3.5 * HOUR), ~own["label"], own["label"])
    rows = batch({**own, "label": own["label"].astype(float)})
    state, findings, learned = run(grower(), rows)
    told = [f for f in findings if f.feature == "prediction_error" and f.detector == "change"]
    assert [(f.kind, f.severity) for f in told[:1]] == [("errors", Severity.TICKET)]
    assert not [f for f in told if f.status is Status.OK]
    last = learned[-1]
    assert spans(learned)[-1] == pytest.approx(24.0, abs=0.2)
    counts = last.summary.counts[last.rows["prediction_error"], FIRST_VALUE:]
    assert counts[2] / counts.sum() == pytest.approx(0.05, abs=0.03)
    assert {gap.channel for gap in gaps_of(last)} == {"prediction", "prediction_error"}
    assert state.models[KEY].growth is not None


def test_a_ticket_ends_when_the_reference_is_learned_anew() -> None:
    """A level that rose after a day is a ticket; at the stage of three days it is how things are."""
    own = {key: column.copy() for key, column in columns(3.3).items()}
    own["age"][own["time"] >= BEGIN + 1.2 * DAY] += 5  # half a standard deviation
    rows = batch(own)
    _, findings, _ = run(grower(7.0), rows)
    told = [f for f in findings if f.feature == "age" and f.detector == "change"]
    assert told[0].severity is not None
    assert [f.because for f in told if f.status is Status.OK][-1] == LEARNED_ANEW


@pytest.mark.parametrize(
    ("hour", "severity", "knows"),
    [
        pytest.param(39, Severity.TICKET, True, id="at a midnight: a calendar, known from the next stage on"),
        pytest.param(39.26, Severity.PAGE, False, id="in the middle of an hour: a fault, not learned while it lasts"),
    ],
)
def test_a_constant_that_changes_at_midnight(hour: float, severity: Severity, knows: bool) -> None:
    own = {key: column.copy() for key, column in columns(3.3).items()}
    own["city"] = np.where(own["time"] < BEGIN + hour * HOUR, "oct", "nov").astype(object)
    _, findings, learned = run(grower(7.0), batch(own))
    told = [f for f in findings if f.feature == "city" and f.detector == "change"]
    assert (Severity.PAGE in {f.severity for f in told}) == (severity is Severity.PAGE)
    assert ([f.because for f in told if f.status is Status.OK] == [LEARNED_ANEW]) == knows
    assert ("nov" in learned[-1].bins[learned[-1].rows["city"]].categories) == knows


def test_answers_that_follow_the_world_are_learned() -> None:
    """Scores of Sundays: a ticket on the first, while a day is known, and no page on the second."""
    own = {key: column.copy() for key, column in columns(9.3).items()}
    for day in (2.0, 9.0):
        own["score"][(own["time"] >= BEGIN + day * DAY) & (own["time"] < BEGIN + (day + 0.2) * DAY)] += 2.0
    _, findings, _ = run(grower(), batch(own))
    told = [(f.window_end > BEGIN + 8 * DAY, f.severity) for f in findings if f.feature == "score" and f.severity]
    assert told[0] == (False, Severity.TICKET)
    assert Severity.PAGE not in {severity for _, severity in told}


def test_the_first_weekend_is_learned_and_the_next_is_none() -> None:
    """Other customers on Saturdays and Sundays: the first weekend makes a ticket, the second nothing."""
    own = {key: column.copy() for key, column in columns(13.5).items()}
    days = (own["time"] - MONDAY) / DAY
    own["age"][days % 7 >= 5] += 12  # more than a standard deviation
    _, findings, learned = run(grower(), batch(own))
    told = [(f.window_end < MONDAY + 9 * DAY, f.severity) for f in findings if f.feature == "age" and f.severity]
    assert told
    assert {severity for _, severity in told} == {Severity.TICKET}
    assert all(first for first, _ in told)
    assert not [gap for gap in gaps_of(learned[-1]) if gap.channel == "age"]


def test_a_stored_reference_that_was_growing_goes_on() -> None:
    """Its checkpoint is lost: it is used, and the next stage is the first that is longer than it."""
    p = grower(28.0)
    _, _, learned = run(p, batch(columns(0.3)))
    assert spans(learned) == pytest.approx([3.3, 6.0], abs=0.2)
    state = State()
    again = grower(28.0)
    again.begin(state, {"m": learned[-1]})
    outcome = feed(again, state, A, batch(columns(1.3)))
    assert spans(outcome.learned) == pytest.approx([24.0], abs=0.2)


def test_features_that_come_later_join_at_the_next_stage() -> None:
    rows = batch(columns(0.3))
    early, late = rows.take(np.arange(600)), rows.take(np.arange(600, len(rows)))
    late.columns["a"] = np.random.default_rng(1).normal(size=len(late))  # type: ignore[index]
    _, _, learned = run(grower(), concatenate([early, late]), [600])
    assert "a" not in learned[0].rows
    assert "a" in learned[-1].rows
    age = learned[0].rows["age"], learned[-1].rows["age"]
    assert age[0] != age[1]  # a fault of it goes on being its own
    moved = _renumbered(np.array([[age[0], 10.0, 20.0, 1.0]]), learned[0], learned[-1])
    assert moved.tolist() == [[age[1], 10, 20, 1]]


def test_a_model_with_few_events_waits_for_enough() -> None:
    rows = batch(columns(1.3))
    quiet, silent = rows.take(np.arange(0, len(rows), 10)), rows.take(np.arange(0, len(rows), 60))  # 270, 45 a day
    _, _, learned = run(grower(), quiet)
    assert spans(learned) == pytest.approx([6.5, 24], abs=0.6)
    assert learned[0].summary.events >= 100
    assert run(grower(), silent)[2] == []


def late(cuts: Sequence[int] = ()) -> tuple[list[Finding], list[Reference]]:
    """``age`` has its first value after 28 hours, and none from 48 to 50 hours."""
    own = {key: column.copy() for key, column in columns(2.2).items()}
    hours = (own["time"] - BEGIN) / HOUR
    own["age"][(hours < 28) | ((hours >= 48) & (hours < 50))] = np.nan
    _, findings, learned = run(grower(), batch(own), cuts)
    return findings, learned


def test_a_feature_that_comes_late_was_not_missing_before() -> None:
    findings, learned = late()
    first = columns(2.2)["time"][columns(2.2)["time"] >= BEGIN + 28 * HOUR].min()
    assert spans(learned) == pytest.approx([3.3, 6, 24, 30], abs=0.2)
    dead, begun = Gap("age", -np.inf, np.inf, "missing"), Gap("age", -np.inf, float(first))
    assert [[g for g in gaps_of(r) if g.channel == "age"] for r in learned] == [[dead], [dead], [dead], [begun]]
    assert "age" not in learned[2].rows
    never, came = (remarks(r) for r in learned[2:])
    assert never == (f"age: 100% missing since the first event, so not watched. {CANNOT_TELL}",)
    assert came == ("age: first seen at 2026-09-29 13:00 UTC; what came before does not count as missing",)
    assert learned[-1].summary.missing[learned[-1].rows["age"]] == 0
    pages = [(f.feature, f.kind, f.window_end) for f in findings if f.severity is Severity.PAGE and f.feature]
    assert [page[:2] for page in pages] == [("age", "missing")]
    assert 0 < pages[0][2] - (BEGIN + 48 * HOUR) < 1800


def test_when_a_late_feature_joins_does_not_depend_on_how_events_arrive() -> None:
    whole, parts = late(), late([100, 2_800, 3_000, 3_001, 3_400, 5_000])
    assert (whole[0], [r.id for r in whole[1]]) == (parts[0], [r.id for r in parts[1]])


def test_values_where_there_were_hardly_any_are_a_ticket() -> None:
    own = {key: column.copy() for key, column in columns(1.8).items()}
    rare = np.random.default_rng(3).random(len(own["time"])) < 0.06
    own["age"][~rare & (own["time"] < BEGIN + 1.3 * DAY)] = np.nan
    _, findings, learned = run(grower(), batch(own))
    asked = [(f.severity, f.kind) for f in findings if f.feature == "age" and f.severity]
    assert asked == [(Severity.TICKET, "new_value")]
    told = next(f for f in findings if f.feature == "age" and f.severity)
    assert 0 < told.window_end - (BEGIN + 1.3 * DAY) < HOUR
    assert told.value == 1.0
    assert told.reference_value == pytest.approx(0.06, abs=0.02)
    assert any(CANNOT_TELL in remark and "% missing since the first event" in remark for remark in remarks(learned[2]))


@pytest.mark.parametrize(
    ("values", "begin", "asked"),
    [
        pytest.param((1.0, 0.0), 1.3, {Severity.PAGE}, id="1 becomes 0"),
        pytest.param((1.0, 2.0), 1.3, {Severity.PAGE}, id="1 becomes 2"),
        pytest.param(("web", "app"), 1.3, {Severity.PAGE}, id="a category becomes another"),
        pytest.param((0.0, 1.0), 1.3, set(), id="rain: 0 is what may come to an end"),
        pytest.param((1.0, 0.0), 0.3, set(), id="hours do not know what is constant"),
        pytest.param((1.0, 0.0), 4.7, {Severity.TICKET}, id="on Saturday, and no week is known"),
    ],
)
def test_a_constant_that_becomes_another(values: tuple[object, object], begin: float, asked: set[Severity]) -> None:
    own = {key: column[::2].copy() for key, column in columns(begin + 0.3).items()}
    after = own["time"] >= BEGIN + begin * DAY
    own["city"] = np.array([values[int(later)] for later in after], object)
    _, findings, learned = run(grower(), batch(own))
    assert {f.severity for f in findings if f.feature == "city" and f.severity} == asked
    assert any("city (" in remark for remark in remarks(learned[-1]))


def test_a_stored_reference_is_not_learned_anew_from_less_for_a_feature_that_comes_late() -> None:
    _, _, learned = run(grower(), batch(columns(0.3)))
    again, state = grower(), State()
    again.begin(state, {"m": learned[-1]})
    rows = batch(columns(1.3))
    later = rows.take(np.flatnonzero(rows.times > learned[-1].last))
    later.columns["a"] = np.random.default_rng(1).normal(size=len(later))  # type: ignore[index]
    outcome = feed(again, state, A, later)
    assert [r.last - r.first for r in outcome.learned] == pytest.approx([0.95 * DAY], rel=0.06)


@pytest.mark.parametrize(("every", "low"), [(1, False), (10, True)], ids=["2,700 a day", "270 a day"])
def test_few_values_do_not_show_what_is_too_small(every: int, low: bool) -> None:
    """A calm night of a day of 270 events: below nothing that is positive is anything far."""
    rows = batch(columns(1.1))
    rows = rows.take(np.arange(0, len(rows), every))
    reference = build(rows, Learning(), drawn=Drawn(early=True))
    learned = natural_of(reference)
    assert learned is not None
    assert bool(learned.limits.low[reference.rows["amount"]] < 0) is low


@pytest.mark.parametrize("channel", ["age", "amount"])
def test_a_fault_that_lasts_is_not_over_while_it_lasts_nor_learned(channel: str) -> None:
    """On a reference of six hours. Where its jump lies too far back to be seen, it is still the change that jumped."""
    begins, ends = 8, 20
    own = {key: column.copy() for key, column in columns(2).items()}
    hours = (own["time"] - BEGIN) / HOUR
    own[channel][(hours >= begins) & (hours < ends)] *= 100
    _, findings, learned = run(grower(), batch(own), cuts=range(0, len(hours), 500))
    assert findings == run(grower(), batch(own))[1]
    mine = [f for f in findings if f.feature == channel]
    assert [(f.kind, f.severity, f.status) for f in mine][:1] == [("unit", Severity.PAGE, Status.DRIFT)]
    assert sum(f.severity is Severity.PAGE for f in mine) == 1
    closed_at = (mine[-1].window_end - BEGIN) / HOUR
    assert mine[-1].status is Status.OK
    assert ends < closed_at < ends + 2.5
    row = learned[-1].rows[channel]
    assert learned[-1].bins[row].edges[-1] < 1000


@pytest.mark.usefixtures("_busy")
def test_the_last_stage_is_where_the_user_wants_it() -> None:
    """Also between two of the stages that there are."""
    state, _, learned = run(grower(1.25), batch(columns(1.6)))
    assert state.models[KEY].growth is None
    assert spans(learned)[-1] == pytest.approx(30, abs=0.2)
    assert learned[-1].reason == GROWN
