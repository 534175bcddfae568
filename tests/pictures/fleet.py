"""Many models for the pages: traffic with a daily rhythm through the real pipeline, calm or with faults at its end."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from driftd.config.service import SloSection
from driftd.config.settings import Settings
from driftd.config.watching import LearningSection, WindowsSection
from driftd.core.event import Decoded, EventBatch, Reject, RejectReason
from driftd.core.incident import Incident
from driftd.core.slice import Slice
from driftd.engine.pipeline import Pipeline
from driftd.engine.reporter import Reporter
from driftd.engine.state import State
from driftd.metrics.series import MetricsSink
from driftd.metrics.telemetry import Telemetry
from driftd.monitor.state import ModelState
from driftd.monitor.view import Snapshot
from driftd.wiring.app import pipeline_of
from tests.unit.core.make import NoCodec
from tests.unit.judge.natural.stage import DAY, HOUR, MONDAY, Columns, batch, traffic

LEARNED_DAYS: Final = 7.0
WATCHED_DAYS: Final = 2.6
AGO: Final = 40 * 60.0
"""Seconds before the end at which faults begin."""
DISTINCT: Final = 8
"""Models that are really run, two where they are wide; more are these under other names."""
NAMES: Final = (
    "fraud-card", "chargeback", "credit-limit", "search-ranking", "eta-courier", "churn-weekly", "ad-ctr",
    "recs-home",
)  # fmt: skip

WRONG: Final = (RejectReason.WRONG_TYPE, 'latency_seconds: expected a number of seconds, got "99,9"')
TORN: Final = (RejectReason.NOT_JSON, "not JSON: input data was truncated")

Fault = Callable[[Columns, NDArray[np.bool_], np.random.Generator], None]


def _unit(columns: Columns, after: NDArray[np.bool_], _: np.random.Generator) -> None:
    columns["amount"] = np.where(after, columns["amount"] * 100, columns["amount"])


def _missing(columns: Columns, after: NDArray[np.bool_], rng: np.random.Generator) -> None:
    gone = after & (rng.random(len(after)) < 0.62)
    columns["age"] = np.where(gone, np.nan, columns["age"])


def _new_value(columns: Columns, after: NDArray[np.bool_], rng: np.random.Generator) -> None:
    city = columns["city"].copy()
    city[after & (rng.random(len(after)) < 0.4)] = "unknown"
    columns["city"] = city


def _errors(columns: Columns, after: NDArray[np.bool_], rng: np.random.Generator) -> None:
    columns["error"] = np.where(after & (rng.random(len(after)) < 0.3), 1.0, columns["error"])


FAULTS: Final[dict[str, Fault]] = {
    "fraud-card": _unit, "chargeback": _missing, "search-ranking": _new_value, "eta-courier": _errors,
}  # fmt: skip


@dataclass
class Fleet:
    """What ran, with a reporter whose clock stands at the end."""

    pipeline: Pipeline
    state: State
    now: float

    @cached_property
    def reporter(self) -> Reporter:
        telemetry = Telemetry()
        for name, value in (("driftd_kafka_connected", 1), ("driftd_config_last_reload_successful", 1),
                            ("driftd_group_members", 2)):  # fmt: skip
            telemetry.set(name, value)
        for partition, records in (("0", 12), ("1", 830), ("2", 3)):
            telemetry.set("driftd_consumer_lag_records", records, "predictions", partition)
            telemetry.set("driftd_consumer_lag_seconds", records / 400, "predictions", partition)
        telemetry.set("driftd_checkpoint_timestamp_seconds", self.now - 7)
        reporter = Reporter(MetricsSink(registry=CollectorRegistry()), telemetry, self.pipeline)
        reporter.state, reporter.not_ready = self.state, ()
        reporter.counts(self.state)
        return reporter

    def snapshot(self) -> Snapshot:
        shown = self.reporter.snapshot(self.now)
        expiries = {"web pages": self.now + 41 * DAY}
        return replace(shown, expiries=expiries, memory=(412_000_000, 2_000_000_000), rate_limits={"events": 500.0})


def fleet(models: int, *, calm: bool = False, features: int = 0) -> Fleet:
    """``features``: so many more numbers in each model."""
    settings = Settings(
        learning=LearningSection(seconds=LEARNED_DAYS * DAY),
        slo=SloSection(success_objective=0.98),
        windows=WindowsSection(pane_seconds=60.0, window_seconds=1800.0, min_events=150),
    )
    pipeline, state = pipeline_of(settings, NoCodec()), State()
    end = MONDAY + 14 * DAY + WATCHED_DAYS * DAY
    rows = [
        _rows(k, name, end, calm=calm, features=features)
        for k, name in enumerate(NAMES[: min(models, 2 if features else DISTINCT)])
    ]
    for low in np.arange(min(r.times[0] for r in rows), end, 6 * HOUR).tolist():
        for k, mine in enumerate(rows):
            part = mine.take(np.flatnonzero((mine.times >= low) & (mine.times < low + 6 * HOUR)))
            pipeline.ingest(state, ("predictions", k), 0, Decoded(len(part), [part], []))
        pipeline.settle(state)
    for name, model in [*_copies(state, models)]:
        state.models[Slice(name)] = model
    state.rejected.update({"wrong_type": 212, "not_json": 3})
    state.refusals.rejected(("predictions", 1), [Reject(0, 18_211, *WRONG, "eta-courier")] * 212)
    state.refusals.rejected(("predictions", 0), [Reject(0, 90_417, *TORN)] * 3)
    return Fleet(pipeline, state, end)


def _rows(seed: int, name: str, end: float, *, calm: bool, features: int) -> EventBatch:
    rng = np.random.default_rng(seed)
    columns = traffic(rng, end - (LEARNED_DAYS + WATCHED_DAYS) * DAY, end)
    fault = FAULTS.get(name)
    if fault is not None and not calm:
        fault(columns, columns["time"] >= end - AGO, rng)
    rows = batch(columns)
    more = {f"feature_{i:02}": np.round(rng.normal(10, 3, len(rows)), 2) for i in range(features)}
    slow = 0.4 if name == "eta-courier" else 0.3
    fields = {**rows.fields, "latency_seconds": np.exp(rng.normal(-3.0, slow + 0.3, len(rows)))}
    ids = [f"{x:016x}" for x in rng.integers(0, 1 << 62, len(rows)).tolist()]
    return replace(rows, model=name, columns={**rows.columns, **more}, fields=fields, version="7", ids=ids)


def _copies(state: State, models: int) -> Iterator[tuple[str, ModelState]]:
    known = [state.models[key] for key in sorted(state.models)]
    for k in range(models - len(known)):
        model = known[k % len(known)]
        name = f"{model.name}-{k // len(known) + 2}"
        yield name, _renamed(model, name)


def _renamed(model: ModelState, name: str) -> ModelState:
    key, reference, judgement = Slice(name), model.reference, model.judgement
    assert reference is not None
    assert judgement is not None
    other = replace(reference, model=name)
    calm = replace(judgement, slice=key, reference=other)
    told = tuple(replace(f, slice=key) for f in model.told)
    incidents = tuple(_of_model(i, name) for i in model.incidents)
    return replace(model, slice=key, reference=other, judgement=calm, told=told, incidents=incidents)


def _of_model(i: Incident, name: str) -> Incident:
    """The same incident as another model would have it."""
    mine = f"{i.id[:12]}{zlib.crc32(name.encode()) & 0xFFFF:04x}"
    parts = tuple(replace(p, model=name) for p in i.parts)
    timeline = tuple(replace(e, model=name) for e in i.timeline)
    examples = tuple(replace(e, model=name) for e in i.examples)
    totals = ((name, i.totals[0][1]),)
    return replace(i, id=mine, ids=(mine,), totals=totals, parts=parts, timeline=timeline, examples=examples)
