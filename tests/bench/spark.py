"""History on Spark beside one process: the same Parquet files, events a second, and the memory of all processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

BEGIN = 1_791_763_200.0
DAY = 86_400.0
DRIFT = 0.75
"""From this part of the history on ``amount`` is higher, and a city comes that was never seen."""


def table(events: int, first: int, total: int, per_second: float, seed: int = 1) -> pa.Table:
    """``events`` of ``total``, from the number ``first`` on; in order of time."""
    rng = np.random.default_rng([seed, first])
    at = first + np.arange(events)
    time = BEGIN + (at + rng.random(events)) / per_second
    angle, common = 2 * np.pi * time / DAY, rng.normal(size=events)
    drifted = at > DRIFT * total
    city = np.array([*"abcde", "new"])[rng.choice(5, events, p=[0.4, 0.25, 0.15, 0.12, 0.08])]
    city[drifted & (rng.random(events) < 0.1)] = "new"
    score = 1 / (1 + np.exp(1 - 0.8 * common - 0.4 * rng.normal(size=events)))
    return pa.table(
        {
            "time": time,
            "amount": np.exp(3 + 0.6 * common + 0.5 * rng.normal(size=events) + 0.5 * drifted),
            "age": np.floor(40 + 7 * common + 7 * rng.normal(size=events)),
            "temp": 12 + 5 * np.sin(angle) + 0.5 * rng.normal(size=events),
            "city": pa.array(city),
            "shop": pa.array(np.char.add("s", (60 * rng.random(events) ** 1.8).astype(int).astype(str))),
            "prediction": (score > 0.5).astype(np.int64),
            "score": score,
            "label": pa.array((rng.random(events) < score).astype(np.int64), mask=rng.random(events) < 0.5),
        }
    )


def write(folder: Path, events: int, files: int, per_second: float) -> None:
    """The history as so many files, in order of time."""
    folder.mkdir(parents=True)
    cuts = np.linspace(0, events, files + 1).astype(int).tolist()
    for number, (begin, end) in enumerate(zip(cuts, cuts[1:], strict=False)):
        pq.write_table(table(end - begin, begin, events, per_second), folder / f"part-{number:05}.parquet")
