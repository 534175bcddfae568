"""Small models, batches and pipelines for tests of the core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from driftd.core.channel import Channel, Role
from driftd.core.event import Decoded, EventBatch, RecordBatch, Schema, TopicPartition
from driftd.core.finding import Judgement
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.core.window import Windows
from driftd.detectors import SequentialDetector, WindowDetector
from driftd.detectors.adwin import Adwin
from driftd.detectors.psi import PSI
from driftd.engine.pipeline import Pipeline
from driftd.engine.snapshot.checkpoint import Checkpoint
from driftd.engine.snapshot.coding import decode_checkpoint, encode_checkpoint
from driftd.engine.state import Outcome, State
from driftd.learn.build import Learning
from driftd.monitor.model import Monitor
from driftd.monitor.settings import ModelSettings

WINDOWS = Windows(pane_seconds=10.0, window_seconds=40.0, min_events=40, out_of_orderness_seconds=20)


class NoCodec:
    """For tests that start from columns."""

    def decode(self, records: RecordBatch, schemas: Mapping[str, Schema], halves: object = None) -> Decoded:  # noqa: ARG002
        raise AssertionError("this test starts from columns")


def choose(channel: Channel) -> Sequence[WindowDetector | SequentialDetector]:
    return (PSI(), Adwin()) if channel.role in (Role.ERROR, Role.PREDICTION, Role.FEATURE) else (PSI(),)


def pipeline(learn_events: int = 100, windows: Windows = WINDOWS, **settings: Any) -> Pipeline:
    return pipeline_of(ModelSettings(choose, Learning(bins=5), learn_events=learn_events), windows, **settings)


def pipeline_of(settings: ModelSettings, windows: Windows = WINDOWS, **rest: Any) -> Pipeline:
    return Pipeline(NoCodec(), Monitor(windows, settings, **rest))


def frozen(p: Pipeline, state: State) -> bytes:
    """The state as a checkpoint has it, but for wall times."""
    checkpoint = Checkpoint.of(state, p.slices.sequential_of, p.monitor.windows.pane_seconds, 0.0)
    return encode_checkpoint(replace(checkpoint, models=[replace(m, heard=0.0) for m in checkpoint.models]))


def thawed(p: Pipeline, data: bytes) -> State:
    """The state after a restart."""
    return decode_checkpoint(data).restore(p.slices.sequential_of)


def events(
    times: Sequence[float], x: Sequence[float], color: Sequence[str | None], model: str = "m", first_offset: int = 0
) -> EventBatch:
    n = len(times)
    numbers = np.asarray(x, np.float64)
    return EventBatch(
        model,
        np.arange(first_offset, first_offset + n, dtype=np.int64),
        np.asarray(times, np.float64),
        {"x": numbers, "color": list(color)},
        {
            "prediction": (numbers > 0).astype(np.float64),
            "label": [float(v > 0.5) for v in numbers],
            "latency_seconds": np.abs(numbers) / 100,
            "error": numbers > 2,
        },
        version="1",
    )


def without_latency(rows: EventBatch) -> EventBatch:
    """The same events, of a service that states none: it has neither evidence nor detectors to test."""
    return replace(rows, fields={name: column for name, column in rows.fields.items() if name != "latency_seconds"})


def wide(
    columns: Mapping[str, Any], *, per_second: float = 50.0, begin: float = 1000.0, first_offset: int = 0
) -> EventBatch:
    """Events of model "m" with these features, numbers or texts, evenly in time and in order of it."""
    n = len(next(iter(columns.values())))
    offsets = np.arange(first_offset, first_offset + n, dtype=np.int64)
    return EventBatch("m", offsets, begin + np.arange(n) / per_second, dict(columns))


def judged(reference: Reference, batch: EventBatch, p: Pipeline | None = None) -> tuple[Judgement, ...]:
    """All judgements of a model that is watched by the judge alone (or by ``p``) from the first event on."""
    p = p or pipeline_of(ModelSettings(lambda _: ()))
    state = State()
    p.slices.adopt(state, Slice("m"), reference)
    p.ingest(state, ("t", 0), len(batch), Decoded(len(batch), [batch], []))
    return p.settle(state, end=True).judgements


def feed(
    p: Pipeline, state: State, cell: TopicPartition, batch: EventBatch, idle: frozenset[TopicPartition] = frozenset()
) -> Outcome:
    p.ingest(state, cell, int(batch.offsets[-1]) + 1, Decoded(len(batch), [batch], []))
    return p.settle(state, idle)


def stream(rng: np.random.Generator, n: int, shift_at: int | None = None) -> EventBatch:
    """n events, about five a second, a little out of order; from ``shift_at`` on x is 2 higher and color is red."""
    times = np.arange(n) / 5 + rng.uniform(-8, 8, n) + 1000.0
    x = rng.normal(size=n)
    color = rng.choice(["red", "green", "blue"], n).tolist()
    if shift_at is not None:
        x[shift_at:] += 2
        color[shift_at:] = ["red"] * (n - shift_at)
    return events(times.tolist(), x.tolist(), color)
