"""The promise of the pipeline: what comes out depends on the events alone."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftd.core.event import (
    Decoded,
    EventBatch,
    LabelBatch,
    RecordBatch,
    RefusedValue,
    Reject,
    RejectReason,
    TopicPartition,
    concatenate,
)
from driftd.core.finding import Finding, Severity, Status
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.decode import Limits
from driftd.decode.json.fast import JsonCodec
from driftd.detectors.psi import PSI
from driftd.engine.pipeline import Pipeline
from driftd.engine.references import start_models
from driftd.engine.state import State
from driftd.learn.build import Learning, build
from driftd.monitor.model import NEW_VERSION, Monitor
from driftd.monitor.settings import ModelSettings
from tests.unit.core.make import (
    WINDOWS,
    choose,
    events,
    feed,
    frozen,
    pipeline,
    pipeline_of,
    stream,
    thawed,
    without_latency,
)

A, B = ("t", 0), ("t", 1)
N = 1200


def halves(batch: EventBatch) -> tuple[EventBatch, EventBatch]:
    """Even rows to one partition, odd rows to another, each with offsets of its own."""
    index = np.arange(len(batch))
    out = []
    for rest in (0, 1):
        part = batch.take(index[index % 2 == rest])
        part.offsets[:] = np.arange(len(part))
        out.append(part)
    return out[0], out[1]


def run(batch: EventBatch, cuts: list[int]) -> tuple[bytes, list[Finding]]:
    p, state = pipeline(), State()
    findings: list[Finding] = []
    bounds = sorted({0, len(batch), *cuts})
    for a, b in itertools.pairwise(bounds):
        findings += feed(p, state, A, batch.take(np.arange(a, b))).findings
    return frozen(p, state), findings


@cache
def undisturbed(seed: int) -> tuple[EventBatch, tuple[bytes, list[Finding]]]:
    """A stream of events with a shift, and what comes of it in one piece: worked out once, not for every example."""
    batch = stream(np.random.default_rng(seed), N, shift_at=700)
    return batch, run(batch, [])


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, N - 1), max_size=12))
def test_result_does_not_depend_on_how_records_were_batched(cuts: list[int]) -> None:
    batch, (whole, findings) = undisturbed(1)
    assert any(f.severity is Severity.TICKET for f in findings)
    assert run(batch, cuts) == (whole, findings)


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, N - 1), max_size=12), every=st.integers(2, 5))
def test_result_does_not_depend_on_how_often_it_is_settled(cuts: list[int], every: int) -> None:
    # what waits for the next settle is in a checkpoint
    batch, (whole, findings) = undisturbed(1)
    p, state = pipeline(), State()
    seen: list[Finding] = []
    bounds = sorted({0, len(batch), *cuts})
    for i, (a, b) in enumerate(itertools.pairwise(bounds)):
        part = batch.take(np.arange(a, b))
        p.ingest(state, A, int(part.offsets[-1]) + 1, Decoded(len(part), [part], []))
        if i % every == 0:
            seen += p.settle(state).findings
        state = thawed(p, frozen(p, state))
    seen += p.settle(state).findings
    assert (frozen(p, state), seen) == (whole, findings)


@cache
def interleaved(turns: str, step: int) -> tuple[bytes, list[Finding]]:
    parts = dict(zip("ab", halves(stream(np.random.default_rng(2), N, shift_at=700)), strict=True))
    p, state, at = pipeline(), State(), {"a": 0, "b": 0}
    findings: list[Finding] = []
    for partition in (A, B):  # both are assigned from the start
        p.ingest(state, partition, 0, Decoded(0, [], []))
    for who in turns + "ab" * 100:
        part, i = parts[who], at[who]
        if i < len(part):
            at[who] = min(i + step, len(part))
            findings += feed(p, state, A if who == "a" else B, part.take(np.arange(i, at[who]))).findings
    return frozen(p, state), findings


@settings(max_examples=25, deadline=None)
@given(turns=st.text("ab", min_size=20, max_size=20), step=st.integers(20, 200))
def test_result_does_not_depend_on_how_partitions_interleave(turns: str, step: int) -> None:
    assert interleaved(turns, step) == interleaved("", 50)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, N - 1), min_size=1, max_size=6))
def test_a_restart_from_a_checkpoint_at_any_moment_changes_nothing(cuts: list[int]) -> None:
    batch, (whole, findings) = undisturbed(3)
    p, state = pipeline(), State()
    seen: list[Finding] = []
    bounds = sorted({0, len(batch), *cuts})
    for a, b in itertools.pairwise(bounds):
        seen += feed(p, state, A, batch.take(np.arange(a, b))).findings
        data = frozen(p, state)
        p = pipeline()  # a new process
        state = thawed(p, data)
    assert (frozen(p, state), seen) == (whole, findings)


def test_the_drift_is_found_named_and_dated() -> None:
    batch = without_latency(stream(np.random.default_rng(6), 3000, shift_at=2000))
    _, findings = run(batch, [])
    changed = 1000.0 + 2000 / 5
    for detector, status, to_a in (("psi", Status.WARNING, 30), ("judge", Status.WARNING, 20)):  # a hop, a micro-batch
        told = {f.feature: f for f in findings if f.status is status and f.detector == detector}
        assert {"x", "color"} <= set(told)
        for feature in ("x", "color"):
            f = told[feature]
            assert f.since == pytest.approx(changed, abs=to_a)
            assert f.window_end >= changed
            assert f.ratio == pytest.approx(f.statistic / f.threshold)
        assert told["color"].moved[0].bin in {"red", "green", "blue"}
    quiet = [f for f in findings if f.window_end < changed - 60 and f.detector in {"psi", "judge"}]
    assert not quiet
    (ticket,) = [f for f in findings if f.feature is None and f.severity is Severity.TICKET]
    assert ticket.window_end <= min(f.window_end for f in findings if f.detector == "psi")


@cache
def known() -> Reference:
    return build(stream(np.random.default_rng(5), 2000), Learning(bins=5))


def verdicts(
    parts: dict[TopicPartition, EventBatch], reference: Reference, cuts: int = 1
) -> tuple[list[tuple[object, ...]], list[Status]]:
    """What the judge and PSI found (numbers and times; words and bins have units), and the model's statuses: how often
    one was judged again hangs on what is settled at once.
    """
    p, state = pipeline_of(ModelSettings(lambda _: (PSI(),)), WINDOWS), State()
    p.slices.adopt(state, Slice("m"), reference)
    for cell in parts:
        p.ingest(state, cell, 0, Decoded(0, [], []))
    found: list[Finding] = []
    statuses: list[Status] = []
    for k in range(cuts):
        for cell, part in parts.items():
            piece = part.take(np.array_split(np.arange(len(part)), cuts)[k])
            outcome = feed(p, state, cell, piece)
            found += outcome.findings
            statuses += [j.status for j in outcome.judgements]
    assert state.late == 0
    what: list[tuple[object, ...]] = [
        (f.feature, f.detector, f.status, f.statistic, f.ratio, f.since, f.window_end, f.events) for f in found
    ]
    return what, [status for status, _ in itertools.groupby(statuses)]


def in_order(batch: EventBatch) -> EventBatch:
    """The same events in order of time."""
    out = batch.take(np.argsort(batch.times, kind="stable"))
    out.offsets[:] = np.arange(len(out))
    return out


def come_and_gone() -> EventBatch:
    """No drift, drift, and none again."""
    rng = np.random.default_rng(6)
    parts = [stream(rng, 700), stream(rng, 500, shift_at=0), stream(rng, 1500)]
    for part, begin in zip(parts, (0, 140, 240), strict=True):
        part.times[:] += begin
    return in_order(concatenate(parts))


def test_the_stream_of_the_next_tests_drifts_and_recovers() -> None:
    found, statuses = verdicts({A: come_and_gone()}, known())
    told = [(feature, status) for feature, detector, status, *_ in found if detector == "judge" and feature == "x"]
    assert told == [("x", Status.WARNING), ("x", Status.OK)]
    assert statuses[-1] is Status.OK
    assert [s for s, _ in itertools.groupby(s for s in statuses if s in {Status.OK, Status.WARNING})] == [0, 2, 0]


def test_units_do_not_change_a_verdict() -> None:
    def thousandfold(batch: EventBatch) -> EventBatch:
        return replace(batch, columns={**batch.columns, "x": np.asarray(batch.columns["x"]) * 1000})

    reference = build(thousandfold(stream(np.random.default_rng(5), 2000)), Learning(bins=5))
    assert verdicts({A: thousandfold(come_and_gone())}, reference) == verdicts({A: come_and_gone()}, known())


def test_the_order_within_a_pane_does_not_change_a_verdict(rng: np.random.Generator) -> None:
    batch = come_and_gone()
    mixed = batch.take(np.lexsort((rng.random(len(batch)), np.floor_divide(batch.times, WINDOWS.pane_seconds))))
    mixed.offsets[:] = np.arange(len(mixed))
    assert not np.array_equal(mixed.times, batch.times)
    assert verdicts({A: mixed}, known()) == verdicts({A: batch}, known())


@pytest.mark.parametrize("cuts", [2, 7, 100])
def test_splitting_into_batches_does_not_change_a_verdict(cuts: int) -> None:
    assert verdicts({A: come_and_gone()}, known(), cuts) == verdicts({A: come_and_gone()}, known())


@pytest.mark.parametrize("partitions", [2, 5])
def test_sharding_over_partitions_does_not_change_a_verdict(partitions: int, rng: np.random.Generator) -> None:
    batch = come_and_gone()
    owner = rng.integers(0, partitions, len(batch))
    shards = {("t", k): batch.take(np.flatnonzero(owner == k)) for k in range(partitions)}
    latest = min(part.times[-1] for part in shards.values())  # the last events close no more panes than here
    assert np.floor(latest / 10) == np.floor(batch.times[-1] / 10)
    for part in shards.values():
        part.offsets[:] = np.arange(len(part))
    assert verdicts(shards, known(), 20) == verdicts({A: batch}, known(), 20)


@settings(max_examples=10)
@given(cuts=st.lists(st.integers(1, 2699), min_size=1, max_size=6))
def test_restarts_while_an_episode_opens_and_closes_change_nothing(cuts: list[int]) -> None:
    batch, calm = come_and_gone(), pipeline()
    state = State()
    calm.slices.adopt(state, Slice("m"), known())
    expected = list(feed(calm, state, A, batch).findings)
    whole, p, state, seen = frozen(calm, state), pipeline(), State(), list[Finding]()
    p.slices.adopt(state, Slice("m"), known())
    for a, b in itertools.pairwise(sorted({0, len(batch), *cuts})):
        seen += feed(p, state, A, batch.take(np.arange(a, b))).findings
        data = frozen(p, state)
        p = pipeline()
        state = thawed(p, data)
        start_models(state, p, {"m": known()})
    assert (frozen(p, state), seen) == (whole, expected)
    assert state.models[Slice("m")].incidents


@pytest.mark.parametrize("cuts", [1, 7, 50])
def test_with_another_reference_an_incident_ends_that_nothing_holds_open_any_more(cuts: int) -> None:
    batch, p, state = come_and_gone(), pipeline(), State()
    p.slices.adopt(state, Slice("m"), known())
    feed(p, state, A, batch.take(np.arange(1150)))
    (opened,) = state.models[Slice("m")].incidents
    assert opened.ended is None
    p.slices.adopt(state, Slice("m"), build(stream(np.random.default_rng(9), 2000), Learning(bins=6)))
    rest = batch.take(np.arange(1300, len(batch)))
    found = [
        f for part in np.array_split(np.arange(len(rest)), cuts) for f in feed(p, state, A, rest.take(part)).findings
    ]
    (ended,) = state.models[Slice("m")].incidents
    assert not [f for f in found if f.detector in {"judge", "change"}]
    assert (ended.id, ended.ended) == (opened.id, 1270.0)


def test_late_events_are_counted_and_never_merged() -> None:
    #  offset   0     1     2     3
    #  time    1000  1050  1025  1031      out of orderness 20: at 1050 the watermark is 1030
    #  pane     100   105   102   103      102 has closed, 103 has not
    p, state = pipeline(), State()
    feed(p, state, A, events([1000, 1050, 1025, 1031], [0, 0, 0, 0], ["red"] * 4))
    assert (state.received, state.accepted, state.late) == (4, 3, 1)
    assert state.balanced


def test_what_a_model_has_judged_stays_judged_when_an_idle_partition_wakes_up() -> None:
    p, state = pipeline(), State()
    p.ingest(state, B, 0, Decoded(0, [], []))
    feed(p, state, A, events([1000, 1100], [0, 0], ["red"] * 2), idle=frozenset({B}))
    assert state.frontier == 107
    feed(p, state, B, events([1050], [0], ["red"]))
    assert state.late == 1
    assert state.balanced


def test_rejects_labels_and_drops_balance() -> None:
    p, state = pipeline(), State()
    batch = events([1000.0], [0.0], ["red"])
    alone = LabelBatch(np.arange(2), np.array([1.0, 2.0]), ["a", "b"], [1.0, 0.0])
    labels = EventBatch("m", np.empty(0, np.int64), np.empty(0), {}, labels_alone=alone)
    rejects = [Reject(0, 1, RejectReason.NOT_JSON, "truncated")]
    p.ingest(state, A, 5, Decoded(4, [batch, labels], rejects))
    assert state.balanced
    assert (state.accepted, state.rejected["not_json"]) == (3, 1)
    assert state.counters(Slice("m")).unjoined_labels == 2


def test_reference_is_cut_at_exactly_the_stated_number_of_events(rng: np.random.Generator) -> None:
    p, state = pipeline(learn_events=137), State()
    feed(p, state, A, stream(rng, 600))
    reference = state.models[Slice("m")].reference
    assert reference is not None
    assert reference.summary.events == 137
    # the rest is in panes and hops: nothing is lost between learning and judging
    cell = state.models[Slice("m")]
    held = sum(h.summary.events for h in cell.hops.done) + (
        cell.hops.growing.summary.events if cell.hops.growing else 0
    )
    panes = state.partitions[A].streams[Slice("m")].panes
    open_ = 0 if panes is None else int(panes.events.sum())
    assert 137 + held + open_ + state.late == 600


def mixed(rng: np.random.Generator) -> list[bytes]:
    """JSON events; a few texts among the numbers of x while it is learned, nothing but text from event 300 on."""
    out = []
    for i, x in enumerate(rng.normal(5, 1, 500).tolist()):
        value = "DE" if i in {20, 170} or i >= 300 else {"k": 1} if i == 180 else x
        event = {"model": "m", "time": 1000.0 + i / 5, "features": {"x": value, "y": x}}
        out.append(json.dumps(event).encode())
    return out


def fed(values: list[bytes], size: int, *, restart: bool = False) -> tuple[bytes, State, dict[str, RefusedValue]]:
    """The checkpoint and the state after the records came in polls of ``size``, and the first values refused."""

    def fresh() -> Pipeline:
        settings = ModelSettings(choose, Learning(bins=5), learn_events=100)
        return Pipeline(JsonCodec(Limits(max_features=5)), Monitor(WINDOWS, settings))

    p, state = fresh(), State()
    first: dict[str, RefusedValue] = {}
    for low in range(0, len(values), size):
        part = values[low : low + size]
        offsets = np.arange(low, low + len(part))
        decoded = p.take(state, RecordBatch(*A, offsets, np.full(len(part), np.nan), part, low + len(part)))
        outcome = p.settle(state)
        for value in (*decoded.refused, *(value for _, value in outcome.refused)):
            first[value.feature] = min(first.get(value.feature, value), value, key=lambda v: v.offset)
        if restart:
            data = frozen(p, state)
            p = fresh()
            state = thawed(p, data)
    return frozen(p, state), state, first


def test_text_in_a_numeric_feature_is_treated_alike_whichever_batch_it_came_in() -> None:
    values = mixed(np.random.default_rng(8))
    whole, state, first = fed(values, len(values))
    assert state.accepted == state.received == len(values)
    reference = state.models[Slice("m")].reference
    assert reference is not None
    learned = reference.summary.events
    assert 100 <= learned < 170
    assert reference.numeric_features == ("x", "y")
    # texts that were learned from are missing; later ones are refused, and so is an object
    assert state.counters(Slice("m")).refused == {"x": 202}
    assert (first["x"].offset, first["x"].time) == (170, 1034.0)
    for size in (1, 30, 170, 171, 499):
        data, again, told = fed(values, size)
        assert data == whole
        assert again.counters(Slice("m")).refused == {"x": 202}
        assert told["x"].offset == 170
    assert fed(values, 30, restart=True)[0] == whole


def test_a_checkpoint_of_waiting_rows_keeps_what_was_refused_of_them() -> None:
    values = mixed(np.random.default_rng(8))[:190]
    p, state = pipeline(learn_events=1000), State()
    decoded = JsonCodec().decode(RecordBatch(*A, np.arange(190), np.full(190, np.nan), values, 190), {})
    p.ingest(state, A, 190, decoded)
    p.settle(state)
    back = thawed(p, frozen(p, state))
    assert frozen(p, back) == frozen(p, state)
    waiting = [*back.models[Slice("m")].rows, *back.partitions[A].streams[Slice("m")].rows]
    waiting += [message.rows for messages in back.models[Slice("m")].arrived.values() for message in messages]
    assert sum(int(rows.refused["x"].sum()) for rows in waiting if rows.refused) == 1
    assert back.counters(Slice("m")).refused == {"x": 1}


def test_a_model_that_learns_anew_survives_a_restart_of_the_daemon() -> None:
    """Version 2 answers alone: the stored reference of version 1 must not come back with the next start."""
    batch = stream(np.random.default_rng(4), 1500)
    p = pipeline_of(ModelSettings(choose, learn_events=10_000, restart=True), WINDOWS)
    old, state = build(batch.take(np.arange(500)), Learning(bins=5)), State()
    p.begin(state, {"m": old})
    later = batch.take(np.arange(500, 1500))
    feed(p, state, ("t", 0), replace(later, version=["1"] * 300 + ["2"] * 700))
    assert state.models[Slice("m")].reference is None
    assert state.models[Slice("m")].learns_anew
    again = thawed(p, frozen(p, state))
    p.begin(again, {"m": old})
    assert again.models[Slice("m")].reference is None
    assert again.partitions["t", 0].streams[Slice("m")].panes is None


@cache
def replaced(cuts: tuple[int, ...], *, restart: bool = False) -> tuple[list[Finding], list[Reference]]:
    """Version 2 answers from event 700 on, and x moves with it: it is learned from 300 events of its own."""
    batch = stream(np.random.default_rng(4), 1500, shift_at=700)
    batch = replace(batch, times=np.sort(batch.times), version=["1"] * 700 + ["2"] * 800)
    p = pipeline_of(ModelSettings(choose, Learning(bins=5), learn_events=300, restart=True), WINDOWS)
    state, findings, learned = State(), list[Finding](), list[Reference]()
    for a, b in itertools.pairwise(sorted({0, len(batch), *cuts})):
        outcome = feed(p, state, A, batch.take(np.arange(a, b)))
        findings += outcome.findings
        learned += outcome.learned
        if restart:
            state = thawed(p, frozen(p, state))
    return findings, learned


def test_a_new_version_is_learned_from_its_first_event_on() -> None:
    findings, learned = replaced(())
    times = np.sort(stream(np.random.default_rng(4), 1500).times)
    assert [r.summary.events for r in learned] == [300, 300]
    assert [r.first for r in learned] == [times[0], times[700]]
    ended = [f for f in findings if f.because == NEW_VERSION]
    assert "x" in {f.feature for f in ended if f.status is Status.OK}


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 1499), max_size=12), restart=st.booleans())
def test_when_a_new_version_is_learned_does_not_depend_on_how_records_were_batched(
    cuts: list[int], restart: bool
) -> None:
    findings, learned = replaced(())
    told, references = replaced(tuple(cuts), restart=restart)
    assert (told, [r.id for r in references]) == (findings, [r.id for r in learned])
