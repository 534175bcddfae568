"""Labels that come later, by segment: each finds the segments of its prediction, and where errors rise is named."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from driftd.config import Model, Settings
from driftd.config.segments import SegmentsSetting
from driftd.config.watching import LearningSection
from driftd.core.event import Decoded, EventBatch, LabelBatch
from driftd.core.finding import Finding
from driftd.core.incident import together
from driftd.core.quality.estimates import estimates
from driftd.core.segmenting import SLOT_SECONDS
from driftd.core.slice import Slice
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.monitor.sentence import sentence
from driftd.wiring.app import pipeline_of
from tests.unit.core.make import frozen, thawed

BEGIN, RATE, HOURS, FAULT, DELAY = 1_795_392_000.0, 1.0, 6.0, 5.0, 900.0
"""2026-11-23 00:00 UTC; labels come after a quarter of an hour, and those from 05:00 on say that more is wrong."""
N = int(HOURS * 3600 * RATE)
COUNTRIES = {"US": 0.6, "FR": 0.2, "DE": 0.19, "LI": 0.01}
SOURCE, LATER = ("t", 0), ("labels", 0)


def watching() -> Pipeline:
    segments = SegmentsSetting(fields=("country",), min_events=400)
    learning = LearningSection(events=500)
    return pipeline_of(Settings(models=(Model(name="fraud", segments=segments),), learning=learning))


@cache
def drawn(fault: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Country, prediction and label of each event; of ``fault`` half of the late predictions are wrong."""
    rng = np.random.default_rng(1)
    country = rng.choice([*COUNTRIES], N, p=[*COUNTRIES.values()])
    prediction = rng.integers(0, 2, N).astype(float)
    hit = (np.arange(N) / RATE >= FAULT * 3600 - DELAY) & (country == fault)
    wrong = rng.random(N) < np.where(hit, 0.5, 0.1)
    return country, prediction, np.where(wrong, 1 - prediction, prediction)


def read(p: Pipeline, state: State, fault: str, *, until: int = N, size: int = 300) -> list[Finding]:
    country, prediction, label = drawn(fault)
    found, begin = list[Finding](), state.partitions[SOURCE].next_offset if SOURCE in state.partitions else 0
    for at in range(begin, until, size):
        here = np.arange(at, min(at + size, until))
        ids = [f"{i}" for i in here.tolist()]
        columns = {"age": np.full(len(here), 1.0) + here % 7, "country": country[here].tolist()}
        rows = EventBatch("fraud", here, BEGIN + here / RATE, columns, {"prediction": prediction[here]}, "7", ids=ids)
        p.ingest(state, SOURCE, int(here[-1]) + 1, Decoded(len(here), [rows], []))
        of = here - int(DELAY * RATE)
        of = of[of >= 0]
        if len(of):
            labels = LabelBatch(of, BEGIN + of / RATE + DELAY, [f"{i}" for i in of.tolist()], label[of].tolist())
            alone = replace(rows.take(np.zeros(0, np.intp)), labels_alone=labels)
            p.ingest(state, LATER, int(of[-1]) + 1, Decoded(len(of), [alone], []))
        found += p.settle(state).findings
    return found


@cache
def after(fault: str) -> tuple[State, list[Finding]]:
    p, state = watching(), State()
    return state, read(p, state, fault)


def test_errors_of_one_segment_ring_and_are_named() -> None:
    state, found = after("DE")
    first = next(f for f in found if f.severity is not None)
    assert (first.model, first.feature) == ("fraud/labels/segments/country=DE", "prediction_error")
    assert first.segment == "country=DE"
    assert 0 < first.window_end - BEGIN - FAULT * 3600 < 900
    whole = next(f for f in found if f.severity is not None and f.model == "fraud/labels")
    assert first.window_end < whole.window_end  # it is a fifth of the labels
    alone = together(state.models[Slice(first.model)].incidents)
    (said,) = [sentence(i, BEGIN + HOURS * 3600) for i in alone]
    assert said.startswith("fraud/labels: prediction_error 4")
    assert said.endswith("% errors (usually 10%) in country=DE since 05:01 UTC; other segments unchanged")
    (incident,) = together(i for m in state.models.values() for i in m.incidents)
    assert {p.model for p in incident.parts} == {first.model, "fraud/labels"}


def test_labels_of_segments_without_a_fault_call_nobody() -> None:
    _, found = after("")
    assert not [f for f in found if f.severity is not None]


def test_each_label_finds_the_segments_of_its_prediction() -> None:
    state, _ = after("DE")
    country, _, _ = drawn("DE")
    census = state.segments["fraud"]
    for name in ("US", "FR", "DE"):
        key = Slice(f"fraud/labels/segments/country={name}")
        since = BEGIN + np.arange(N) / RATE >= census.admitted[f"country={name}"] * SLOT_SECONDS
        mine = (country == name) & since & (np.arange(N) < N - int(DELAY * RATE))
        assert state.counters(key).events == np.count_nonzero(mine)
    assert Slice("fraud/labels/segments/country=LI") not in state.models


def test_a_segment_has_a_quality_of_its_own() -> None:
    state, _ = after("DE")
    rates = {}
    for name in ("US", "DE"):
        model = state.models[Slice(f"fraud/labels/segments/country={name}")]
        assert model.quality is not None
        assert model.reference is not None
        scoring = watching().monitor.scoring(model.reference)
        assert scoring is not None
        assert [c.name for c in model.reference.channels] == ["label", "prediction_error"]
        rates[name] = float(estimates(scoring, model.quality.hour.whole)[0, 0])
    assert rates["US"] == pytest.approx(0.9, abs=0.03)
    assert rates["DE"] < 0.6


def test_a_restart_at_any_moment_changes_nothing() -> None:
    state, at, rng, p = State(), 0, np.random.default_rng(5), watching()
    while at < N:
        at = min(at + int(rng.integers(3, 12)) * 300, N)
        read(p, state, "DE", until=at)
        p, waiting = watching(), state.outcomes.pending
        state = thawed(p, frozen(p, state))
        state.outcomes.pending = waiting  # it lies in a database
    assert frozen(p, state) == frozen(watching(), after("DE")[0])
