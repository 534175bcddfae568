"""Lists of numbers end to end in one process: swapped classes and turned embeddings, whose norms stay, are found."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.config import Settings
from driftd.config.watching import LearningSection
from driftd.core.channel import Role
from driftd.core.event import Column, Decoded, EventBatch
from driftd.core.finding import Finding
from driftd.core.lists import CLASSES, LISTS, coordinates
from driftd.core.slice import Slice
from driftd.decode import Limits
from driftd.decode.json.codec import EventsCodec
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.wiring.app import pipeline_of
from tests.unit.core.make import frozen, thawed
from tests.unit.decode.make import records

BEGIN, RATE = 1_795_392_000.0, 1.0
N, FAULT = 9000, 7200
"""Two and a half hours; the fault begins after two."""
SOURCE = ("t", 0)


def watching() -> Pipeline:
    return pipeline_of(Settings(learning=LearningSection(events=1000)))


def lists(name: str, fault: bool, seed: int = 1) -> NDArray[np.float64]:
    """Class probabilities, of which two are swapped from FAULT on; or embeddings that are turned then."""
    rng, at = np.random.default_rng(seed), np.arange(N)
    hit = (at >= FAULT) & fault
    if name in {"prediction", "score"}:
        x = rng.dirichlet([6, 3, 1], N)
        return np.where(hit[:, None], x[:, [0, 2, 1]], x)
    centers = np.random.default_rng(5).normal(size=(6, 96))
    x = centers[rng.integers(6, size=N)] + 0.5 * rng.normal(size=(N, 96))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    turn, _ = np.linalg.qr(np.random.default_rng(6).normal(size=(96, 96)))
    out: NDArray[np.float64] = np.where(hit[:, None], x @ turn, x)
    return out


def traffic(name: str, fault: bool) -> EventBatch:
    x = lists(name, fault)
    if name == "score":
        each: dict[str, Column] = {f"{CLASSES}{c}": x[:, i] for i, c in enumerate(("cat", "dog", "owl"))}
        return EventBatch("m", np.arange(N), BEGIN + np.arange(N) / RATE, {}, {"score": x.max(axis=1), **each})
    norms, found = coordinates(x.ravel(), np.full(N, x.shape[1]))
    columns = {"age": np.random.default_rng(2).normal(size=N)} | ({"text": norms} if name == "text" else {})
    fields = {LISTS + name: found} | ({"prediction": norms} if name == "prediction" else {})
    return EventBatch("m", np.arange(N), BEGIN + np.arange(N) / RATE, columns, fields)


def read(p: Pipeline, state: State, rows: EventBatch, size: int = 500, until: int = N) -> list[Finding]:
    found, begin = list[Finding](), state.partitions[SOURCE].next_offset if SOURCE in state.partitions else 0
    for at in range(begin, until, size):
        end = min(at + size, until)
        p.ingest(state, SOURCE, end, Decoded(end - at, [rows.take(np.arange(at, end))], []))
        found += p.settle(state).findings
    return found


@cache
def after(name: str, fault: bool) -> tuple[State, list[Finding]]:
    p, state = watching(), State()
    return state, read(p, state, traffic(name, fault))


def rings(found: list[Finding]) -> dict[str, float]:
    """When each channel first rang, in seconds after the fault."""
    out: dict[str, float] = {}
    for f in found:
        if f.feature is not None and f.severity is not None:
            out.setdefault(f.feature, f.window_end - BEGIN - FAULT / RATE)
    return out


def test_two_classes_that_are_swapped_ring_within_minutes() -> None:
    """After 17 minutes of learning, as any feature that moves by two standard deviations does; the norm stays."""
    times = rings(after("prediction", True)[1])
    assert times.keys() == {"prediction[1]", "prediction[2]"}
    assert all(0 < seconds < 300 for seconds in times.values())


def test_two_classes_of_a_score_that_are_swapped_ring_while_the_largest_stays() -> None:
    times = rings(after("score", True)[1])
    assert times.keys() == {"score[dog]", "score[owl]"}
    assert all(0 < seconds < 300 for seconds in times.values())


def test_embeddings_that_are_turned_ring_within_minutes() -> None:
    times = rings(after("text", True)[1])
    assert times.keys() == {"text.cell", "text.distance", "text.residual"}
    assert all(0 < seconds < 300 for seconds in times.values())


def test_a_reference_that_grows_learns_lists_anew_at_each_stage() -> None:
    """At half an hour and at two hours: a centroid for each 400 lists of up to 5,000."""
    p, state, sizes = pipeline_of(Settings()), State(), list[int]()
    for until in (2500, N):
        assert not rings(read(p, state, traffic("text", False), until=until))
        reference = state.models[Slice("m")].reference
        assert reference is not None
        part = reference.channels[reference.rows["text.cell"]].part
        assert part is not None
        assert part.learned is not None
        sizes.append(len(part.learned))
    assert sizes == [4, 12]


@pytest.mark.parametrize("name", ["prediction", "score", "text"])
def test_lists_that_stay_as_they_are_call_nobody(name: str) -> None:
    _, found = after(name, False)
    assert not rings(found)


@pytest.mark.parametrize("name", ["prediction", "score", "text"])
def test_a_restart_at_any_moment_changes_nothing(name: str) -> None:
    p, rows, rng = watching(), traffic(name, True), np.random.default_rng(5)
    state, at = State(), 0
    while at < N:
        at = min(at + int(rng.integers(1, 6)) * 500, N)
        read(p, state, rows, until=at)
        p = watching()
        state = thawed(p, frozen(p, state))
    assert frozen(p, state) == frozen(watching(), after(name, True)[0])


def test_json_events_with_lists_are_watched_like_that() -> None:
    """Decoded while the kinds are open, and by the reference's own schema from then on."""
    p, state, x = watching(), State(), lists("prediction", False)
    codec = EventsCodec(Limits())
    for begin in range(0, 2000, 500):
        features = [{"v": [1.0, i % 7, 0.5], "age": i % 5} for i in range(begin, begin + 500)]
        events = [
            {"model": "m", "time": BEGIN + begin + k, "features": f, "prediction": [*x[begin + k]]}
            for k, f in enumerate(features)
        ]
        batch = records(events, start=begin, timestamp=BEGIN + begin + 500)
        p.ingest(state, SOURCE, begin + 500, codec.decode(batch, p.schemas.of(state)))
        p.settle(state)
    model = state.models[Slice("m")]
    assert model.reference is not None
    names = [c.name for c in model.reference.channels if c.role in {Role.FEATURE, Role.PREDICTION}]
    assert names == ["age", "v", "v[0]", "v[1]", "v[2]", *(["prediction"] + [f"prediction[{i}]" for i in range(3)])]
    row = model.reference.rows["v[1]"]
    pending = state.partitions[SOURCE].streams[Slice("m")].panes
    assert pending is not None
    assert pending.dense.sums[:, row, 0].sum() == 0  # none is missing
    refused = {"model": "m", "time": BEGIN + 2000, "features": {"v": 3.0, "age": 1}, "prediction": [*x[0]]}
    decoded = codec.decode(records([json.dumps(refused).encode()], start=2000), p.schemas.of(state))
    assert [(r.feature, r.why) for r in decoded.refused] == [("v", "expected a list of numbers, got a number")]
