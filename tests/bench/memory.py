"""What driftd's memory comes to: models x features, after a day and a half, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from driftd.engine.gc_tuning import give_back

SHAPES = ((1, 20), (10, 100), (100, 100))
MONTHS = ((4, 50, 0), (4, 50, 100), (2, 100, 0), (2, 100, 100))
WIDE = (50, 100, 200, 400)
WIDE_MODELS, WIDE_EVENTS, WIDE_BATCH, WIDE_SECONDS = 6, 640, 3, 3.2
"""Of each model, three at a time, as a poll of a hundred models has them: past the first reference."""
MOMENT = (200, 300_000)
LEARN = 10_000
AFTER = 4_000
CHECKPOINTS = 6


def _status(field: str) -> float:
    """A field of /proc/self/status in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    return float("nan")


def peak_mb() -> int:
    """The most memory that this process has held; getrusage would count its parent's before exec."""
    return round(_status("VmHWM"))


class Stage:
    """``models`` x ``features`` through the default pipeline with metrics.

    The values are the flights' temperatures and distances, shifted by feature, so that no two features are alike.
    """

    def __init__(self, source: Path, models: int, features: int) -> None:
        import driftd.sources.kafka.source  # noqa: F401  what `driftd run` has loaded
        from driftd.config import load
        from driftd.engine.state import State
        from driftd.wiring.app import pipeline_of
        from driftd.wiring.run import reporter_of

        self.models, self.features, self.begin = models, features, 0
        self.source = np.load(source)
        loaded = load(None, {}, {})
        self.pipeline, self.state = pipeline_of(loaded.settings), State()
        self.reporter = reporter_of(loaded.settings, self.pipeline)

    def step(self, events: int = 200) -> None:
        """So many more events of every model, ten seconds of event time apart, judged when their time has come."""
        from driftd.core.event import Decoded, EventBatch

        offsets = np.arange(self.begin, self.begin + events)
        self.begin += events
        for m in range(self.models):
            columns = {
                f"feature_{f:03d}": self.source[(offsets + 31 * f) % len(self.source)] for f in range(self.features)
            }
            fields = {"prediction": columns["feature_000"]}
            batch = EventBatch(
                f"model_{m:03d}", offsets, np.asarray(1.79e9 + offsets * 10.0, np.float64), columns, fields
            )
            self.pipeline.ingest(self.state, ("t", m), self.begin, Decoded(events, [batch], []))
        outcome = self.pipeline.settle(self.state)
        if outcome.learned:
            give_back()  # as the daemon does
        self.reporter.judged(outcome.judgements, self.state)


@contextmanager
def source() -> Iterator[Path]:
    """The values in a file that numpy reads: pyarrow's own memory is not driftd's."""
    import pyarrow.parquet

    from driftd.data import flights

    table = pyarrow.parquet.read_table(flights.path(), columns=["temp", "distance"])
    temperatures, distances = (np.asarray(table[name].to_numpy(), float) for name in ("temp", "distance"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source.npy"
        np.save(path, (temperatures * 1000 + distances)[:50_000])
        yield path


def fill(values: Path, models: int, features: int) -> dict[str, Any]:
    """Memory in MB after learning and some windows."""
    stage = Stage(values, models, features)
    while stage.begin < LEARN + AFTER:
        stage.step()
    assert all(m.reference is not None and m.standing.judged for m in stage.state.models.values())
    page = stage.reporter.metrics.render(gzip=True)
    return {
        "models": models,
        "features": features,
        "resident_mb": round(_status("VmRSS")),
        "peak_mb": peak_mb(),
        "series": stage.reporter.metrics.series,
        "page_bytes": len(page),
    } | checkpointed(stage)


def month(models: int, features: int, categories: int = 100) -> dict[str, Any]:
    """Memory in MB of models that have learned for 28 days, an event a minute, and what the settings' check allows for.

    Every feature has so many categories, all as frequent; without categories it is a number.
    """
    import driftd.sources.kafka.source  # noqa: F401  what `driftd run` has loaded
    from driftd.config import load
    from driftd.config.memory import OUTPUTS, needed
    from driftd.core.event import Decoded, EventBatch
    from driftd.engine.state import State
    from driftd.wiring.app import pipeline_of
    from driftd.wiring.run import reporter_of

    settings = load(None, {}, {}).settings
    pipeline, state, rng, size = pipeline_of(settings), State(), np.random.default_rng(1), 400
    reporter = reporter_of(settings, pipeline)
    for begin in range(0, 29 * 1440, size):
        offsets = np.arange(begin, begin + size)
        for m in range(models):
            columns: dict[str, Any] = {}
            for f in range(features):
                values = rng.integers(0, categories, size).tolist() if categories else []
                columns[f"feature_{f:03d}"] = [f"category_{v}" for v in values] if categories else rng.normal(size=size)
            fields = {"prediction": rng.normal(size=size)}
            batch = EventBatch(f"model_{m:03d}", offsets, np.asarray(1.79e9 + offsets * 60.0), columns, fields)
            pipeline.ingest(state, ("t", 0), begin + size, Decoded(size, [batch], []))
        outcome = pipeline.settle(state)
        if outcome.learned:
            give_back()
        reporter.judged(outcome.judgements, state)
        reporter.metrics.render(gzip=True)
    give_back()
    return {
        "models": models,
        "features": features,
        "categories": categories,
        "resident_mb": round(_status("VmRSS")),
        "peak_mb": peak_mb(),
        "allowed_for_mb": needed(settings, models, features + OUTPUTS) >> 20,
    }


def wide(models: int, features: int) -> dict[str, Any]:
    """Memory in MB a model, beside the process itself: before it has learned, after, and at most, checkpoints among it;
    and processor seconds in which each learned.
    """
    from driftd.core.event import Decoded, EventBatch
    from driftd.engine.state import State
    from driftd.engine.store import CheckpointFile
    from driftd.wiring.app import pipeline_of
    from driftd.wiring.run import reporter_of

    settings, out = _often({"max_models": models, "max_features": features}), dict[str, Any]()
    pipeline, state = pipeline_of(settings), State()
    reporter, rng, itself = reporter_of(settings, pipeline), np.random.default_rng(1), _status("VmRSS")
    with tempfile.TemporaryDirectory() as folder:
        file = CheckpointFile(Path(folder), time.time)
        for begin in range(0, WIDE_EVENTS, WIDE_BATCH):
            numbers = np.arange(begin, begin + WIDE_BATCH)
            for m in range(models):
                columns = {f"feature_{f:03d}": rng.normal(size=WIDE_BATCH) for f in range(features)}
                offsets = numbers * models + m
                batch = EventBatch(
                    f"model_{m:03d}", offsets, np.asarray(1.79e9 + numbers * WIDE_SECONDS, np.float64), columns
                )
                pipeline.ingest(state, ("t", 0), (begin + WIDE_BATCH) * models, Decoded(WIDE_BATCH, [batch], []))
            before, busy = _status("VmRSS"), time.process_time()
            outcome = pipeline.settle(state)
            if outcome.learned:
                out["learn_s"] = round((time.process_time() - busy) / models, 2)
                out["before_mb"] = round((before - itself) / models, 1)
                give_back()
            reporter.judged(outcome.judgements, state)
            if begin % 60 == 0:
                file.save(state, pipeline)
    give_back()
    after, most = ((mb - itself) / models for mb in (_status("VmRSS"), _status("VmHWM")))
    return {"models": models, "features": features, **out, "after_mb": round(after, 1), "peak_mb": round(most, 1)}


def moment(features: int, events: int) -> dict[str, Any]:
    """Memory in MB while a model learns that sends so many events of one moment, each with another of its features."""
    from driftd.core.event import Decoded, EventBatch
    from driftd.engine.state import State
    from driftd.wiring.app import pipeline_of

    pipeline, state, size = pipeline_of(_often({"max_features": features})), State(), 2000
    itself = _status("VmRSS")
    for number, begin in enumerate([*range(0, events, size), events]):
        offsets = np.arange(begin, begin + size)
        columns = {f"feature_{number % features:03d}": offsets * 1.0}
        batch = EventBatch("model", offsets, np.full(size, 1.79e9 + 60 * (begin == events)), columns)
        pipeline.ingest(state, ("t", 0), begin + size, Decoded(size, [batch], []))
        pipeline.settle(state)
    return {"features": features, "events": events, "peak_mb": round(_status("VmHWM") - itself)}


def _often(discovery: dict[str, int]) -> Any:
    """Settings of a daemon that judges often."""
    from driftd.config import load

    windows = {"window_seconds": 60, "pane_seconds": 5, "min_events": 20, "out_of_orderness_seconds": 5}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "driftd.json"
        path.write_text(json.dumps({"discovery": discovery, "windows": windows, "learning": {"grow_seconds": "28d"}}))
        return load(path, {}, {}).settings


def checkpointed(stage: Stage) -> dict[str, Any]:
    """MB and seconds of the worst of CHECKPOINTS that follow one another, each after one more event of each model: of
    the loop, the loop's of a processor, and until it is on disk. ``checkpoint_first_mb``: of the one before, which
    writes all.
    """
    from driftd.engine.store import CheckpointFile

    with tempfile.TemporaryDirectory() as folder:
        file = CheckpointFile(Path(folder), time.time)
        first = file.save(stage.state, stage.pipeline)
        seen = list[tuple[float, ...]]()
        for _ in range(CHECKPOINTS):
            stage.step(1)
            began, busy = time.perf_counter(), time.thread_time()
            written = file.begin(stage.state, stage.pipeline)
            of_loop, processor = time.perf_counter() - began, time.thread_time() - busy
            seen.append((written.result() / 1e6, of_loop, processor, time.perf_counter() - began))
    names = ("checkpoint_mb", "checkpoint_loop_s", "checkpoint_loop_processor_s", "checkpoint_s")
    worst = (max(column) for column in zip(*seen, strict=True))
    rounded = {name: round(value, 2) for name, value in zip(names, worst, strict=True)}
    return {"checkpoint_first_mb": round(first / 1e6, 1), **rounded}


def measure() -> list[dict[str, Any]]:
    out = []
    with source() as path:
        for models, features in SHAPES:
            command = [sys.executable, "-m", "tests.bench.memory", str(path), str(models), str(features)]
            run = subprocess.run(command, check=True, capture_output=True, text=True)
            out.append(json.loads(run.stdout))
            print(out[-1], flush=True)
    for shape in MONTHS:
        print(of_month(*shape), flush=True)
    for features in WIDE:
        print(_alone("wide", WIDE_MODELS, features), flush=True)
    print(_alone("moment", *MOMENT), flush=True)
    return out


def of_month(*shape: int) -> dict[str, Any]:
    """``month`` in a process of its own."""
    return _alone("month", *shape)


def _alone(what: str, *arguments: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.memory", what, *map(str, arguments)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


if __name__ == "__main__":
    measured = {"month": month, "wide": wide, "moment": moment}.get(sys.argv[1])
    if measured is not None:
        print(json.dumps(measured(*map(int, sys.argv[2:]))))
    else:
        print(json.dumps(fill(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
