"""The promise of the pipeline: what comes out depends on the events alone."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftd.cells import State
from driftd.event import Decoded, EventBatch, Reject, RejectReason
from driftd.finding import Finding, Status
from driftd.pipeline import Pipeline
from driftd.snapshot import FindDetector, dump_state, load_state
from tests.unit.core.make import events, feed, pipeline, stream

A, B = ("t", 0), ("t", 1)
N = 1200


def find(p: Pipeline) -> FindDetector:
    return p.sequential_of


def frozen(p: Pipeline, state: State) -> bytes:
    return msgspec.msgpack.encode(dump_state(state, find(p)))


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


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, N - 1), max_size=12))
def test_result_does_not_depend_on_how_records_were_batched(cuts: list[int]) -> None:
    batch = stream(np.random.default_rng(1), N, shift_at=700)
    whole, findings = run(batch, [])
    assert any(f.status is Status.DRIFT for f in findings)
    assert run(batch, cuts) == (whole, findings)


@settings(max_examples=25, deadline=None)
@given(order=st.lists(st.sampled_from("ab"), min_size=20, max_size=20), step=st.integers(20, 200))
def test_result_does_not_depend_on_how_partitions_interleave(order: list[str], step: int) -> None:
    batch = stream(np.random.default_rng(2), N, shift_at=700)
    parts = dict(zip("ab", halves(batch), strict=True))

    def go(turns: list[str]) -> tuple[bytes, list[Finding]]:
        p, state, at = pipeline(), State(), {"a": 0, "b": 0}
        findings: list[Finding] = []
        for who, cell in (("a", A), ("b", B)):  # both are assigned from the start
            p.ingest(state, cell, 0, Decoded(0, [], []))
            assert who in parts
        for who in [*turns, *"ab" * 100]:
            part, i = parts[who], at[who]
            if i < len(part):
                at[who] = min(i + step, len(part))
                findings += feed(p, state, A if who == "a" else B, part.take(np.arange(i, at[who]))).findings
        return frozen(p, state), findings

    assert go(order) == go([])


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, N - 1), min_size=1, max_size=6))
def test_a_restart_from_a_checkpoint_at_any_moment_changes_nothing(cuts: list[int]) -> None:
    batch = stream(np.random.default_rng(3), N, shift_at=700)
    whole, findings = run(batch, [])
    p, state = pipeline(), State()
    seen: list[Finding] = []
    bounds = sorted({0, len(batch), *cuts})
    for a, b in itertools.pairwise(bounds):
        seen += feed(p, state, A, batch.take(np.arange(a, b))).findings
        data = msgspec.msgpack.decode(frozen(p, state))
        p = pipeline()  # a new process
        state = load_state(data, find(p))
    assert (frozen(p, state), seen) == (whole, findings)


def test_the_drift_is_found_named_and_dated() -> None:
    batch = stream(np.random.default_rng(4), 3000, shift_at=2000)
    _, findings = run(batch, [])
    drifted = {f.feature: f for f in findings if f.status is Status.DRIFT and f.detector == "psi"}
    assert {"x", "color"} <= set(drifted)
    changed = 1000.0 + 2000 / 5
    for feature in ("x", "color"):
        f = drifted[feature]
        assert f.since == pytest.approx(changed, abs=30)  # to a hop
        assert f.window_end >= changed
        assert f.ratio == pytest.approx(f.statistic / f.threshold)
    assert drifted["color"].moved[0].bin in {"red", "green", "blue"}
    quiet = [f for f in findings if f.window_end < changed - 60 and f.status is Status.DRIFT and f.detector == "psi"]
    assert not quiet


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
    labels = EventBatch("m", np.empty(0, np.int64), np.empty(0), {}, label_only=2)
    rejects = [Reject(0, 1, RejectReason.NOT_JSON, "truncated")]
    p.ingest(state, A, 5, Decoded(4, [batch, labels], rejects))
    assert state.balanced
    assert (state.accepted, state.rejected["not_json"]) == (3, 1)
    assert state.models["m"].totals.unjoined_labels == 2


def test_reference_is_cut_at_exactly_the_stated_number_of_events(rng: np.random.Generator) -> None:
    p, state = pipeline(learn_events=137), State()
    feed(p, state, A, stream(rng, 600))
    reference = state.models["m"].reference
    assert reference is not None
    assert reference.summary.events == 137
    # the rest is in panes and hops: nothing is lost between learning and judging
    cell = state.models["m"]
    held = sum(h.summary.events for h in cell.hops.done) + (
        cell.hops.growing.summary.events if cell.hops.growing else 0
    )
    open_ = sum(pane.summary.events for pane in state.partitions[A].streams["m"].panes.values())
    assert 137 + held + open_ + state.late == 600
