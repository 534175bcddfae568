"""What driftd's memory comes to: models x features, after learning and some windows, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SHAPES = ((1, 20), (10, 100), (100, 100))
LEARN = 10_000
AFTER = 4_000


def _status(field: str) -> float:
    """A field of /proc/self/status in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    return float("nan")


def peak_mb() -> int:
    """The most memory that this process has held; getrusage would count its parent's before exec."""
    return round(_status("VmHWM"))


def fill(models: int, features: int) -> dict[str, Any]:
    """Feeds columns of ``models`` x ``features`` through the default pipeline with metrics; resident memory in MB.

    The values are the flights' temperatures and distances, shifted by feature, so that no two features are alike.
    """
    import gc

    import numpy as np
    import pyarrow.parquet

    from driftd.app import pipeline_of
    from driftd.cells import State
    from driftd.config import load
    from driftd.data import flights
    from driftd.event import Decoded, EventBatch
    from driftd.run import reporter_of
    from driftd.sources import kafka  # noqa: F401  what `driftd run` has loaded

    table = pyarrow.parquet.read_table(flights.path(), columns=["temp", "distance"])
    source = np.asarray(table["temp"].to_numpy(), float) * 1000 + np.asarray(table["distance"].to_numpy(), float)
    del table
    gc.collect()
    loaded = load(None, {}, {})
    pipeline = pipeline_of(loaded.settings)
    reporter, state = reporter_of(loaded.settings, pipeline), State()
    step = 2000
    for begin in range(0, LEARN + AFTER, step):
        times = 1.79e9 + np.arange(begin, begin + step) / 2.0
        for m in range(models):
            columns = {
                f"feature_{f:03d}": source[(begin + 31 * f + np.arange(step)) % len(source)] for f in range(features)
            }
            batch = EventBatch(f"model_{m:03d}", np.arange(begin, begin + step), times, columns, columns["feature_000"])
            pipeline.ingest(state, ("t", m), begin + step, Decoded(step, [batch], []))
        outcome = pipeline.settle(state)
        reporter.judged(outcome.judgements, state)
    assert all(m.reference is not None and m.judged for m in state.models.values())
    page = reporter.metrics.render(gzip=True)
    return {
        "models": models,
        "features": features,
        "resident_mb": round(_status("VmRSS")),
        "peak_mb": peak_mb(),
        "series": reporter.metrics.series,
        "page_bytes": len(page),
    }


def measure() -> list[dict[str, Any]]:
    out = []
    for models, features in SHAPES:
        command = [sys.executable, "-m", "tests.bench.memory", str(models), str(features)]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
        out.append(json.loads(run.stdout))
        print(out[-1], flush=True)
    return out


if __name__ == "__main__":
    print(json.dumps(fill(int(sys.argv[1]), int(sys.argv[2]))))
