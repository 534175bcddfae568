"""Replaying history: what an event costs with few events a pane and with many, and with many models at a fixed total.

usage: python -m tests.bench.history [--events N] [--rounds R] [--against TREE] [--latency]

Columns go directly into the pipeline, so nothing is decoded; with ``--latency`` events state one. All models have the
same reference: a week of traffic with a daily rhythm, 7 channels. Each case runs in a process of its own, and with
``--against`` a second time on another checkout of driftd, one right after the other; what is told is the median of the
rounds' ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from importlib import import_module
from inspect import signature
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
DAY, BEGIN, PANE = 86_400.0, 1_791_763_200.0, 10.0
CASES = ((1, 3), (1, 30), (1, 300), (10, 3), (100, 3), (1000, 3))
"""Models, and events of each in a pane of 10 seconds."""
COLUMNS = 5
"""Features of a model."""
LEAST = 4096
"""Events of a model at the least: with fewer, what is told is how a model begins."""


def one_of(name: str, *modules: str) -> Any:
    """Where a checkout has it: older ones have other modules."""
    for module in modules:
        try:
            return getattr(import_module(module), name)
        except (ImportError, AttributeError):
            continue
    raise ImportError(name)


def traffic(rng: np.random.Generator, begin: float, seconds: float, events: int, *, latency: bool = False) -> Any:
    time_ = begin + np.sort(rng.random(events)) * seconds
    angle, common = 2 * np.pi * time_ / DAY, rng.normal(size=events)
    columns = {
        "amount": np.exp(3 + 0.6 * common + 0.5 * rng.normal(size=events) + 0.2 * np.sin(angle)),
        "age": 40 + 7 * common + 7 * rng.normal(size=events),
        "temp": 12 + 5 * np.sin(angle) + 0.5 * rng.normal(size=events),
        "city": rng.choice(list("abcde"), events, p=[0.4, 0.25, 0.15, 0.12, 0.08]).tolist(),
        "shop": [f"s{k}" for k in (200 * rng.random(events) ** 1.8).astype(int).tolist()],
    }
    score = 1 / (1 + np.exp(1 - 0.8 * common - 0.4 * rng.normal(size=events)))
    fields = {"prediction": (score > 0.5).astype(float), "score": score}
    if latency:
        fields["latency_seconds"] = np.exp(rng.normal(-3, 0.5, events))
    batch = one_of("EventBatch", "driftd.core.event", "driftd.event")
    if "fields" in batch.__dataclass_fields__:
        return batch("m", np.arange(events), time_, columns, fields)
    return batch("m", np.arange(events), time_, columns, **fields)


def micros(models: int, each: int, total: int, *, latency: bool = False) -> float:
    """Microseconds of processor time an event, without what is judged at the end."""
    rng = np.random.default_rng(1)
    learning = one_of("Learning", "driftd.learn.build", "driftd.learning")
    build = one_of("build", "driftd.learn.build", "driftd.learning")
    reference = build(traffic(rng, BEGIN - 7 * DAY, 7 * DAY, 50_000, latency=latency), learning())
    pipeline = _pipeline()
    state = one_of("State", "driftd.engine.state", "driftd.cells")()
    decoded = one_of("Decoded", "driftd.core.event", "driftd.event")
    key = one_of("Slice", "driftd.core.slice") if _new() else str
    try:
        enough = one_of("enough", "driftd.replay.run")
    except ImportError:
        enough = _enough_before
    needs = len(signature(enough).parameters)
    names = [f"m{i:04d}" for i in range(models)]
    for name in names:
        own = replace(reference, model=name)
        getattr(pipeline, "slices", pipeline).adopt(state, key(name), own)
        (pipeline.monitor.detectors if _new() else pipeline.plan)(own)
    events = max(total // models, LEAST)
    rows = traffic(rng, BEGIN, events / each * PANE, events, latency=latency)
    one_of("collect_seldom", "driftd.engine.gc_tuning", "driftd.memory")()
    batch = one_of("ROWS", "driftd.sources.files.stream", "driftd.sources.files")
    begun, waiting, judged = time.process_time(), 0, rows.times[0]
    for part in np.array_split(np.arange(events), max(1, events * models // batch)):
        if not len(part):
            continue
        mine = rows.take(part)
        parts = [replace(mine, model=name, offsets=mine.offsets * models + i) for i, name in enumerate(names)]
        count = models * len(part)
        pipeline.ingest(state, ("t", 0), int(parts[-1].offsets[-1]) + 1, decoded(count, parts, []))
        waiting += count
        if enough(*(waiting, waiting * COLUMNS, models, (mine.times[-1] - judged) / PANE)[:needs]):
            pipeline.settle(state)
            waiting, judged = 0, mine.times[-1]
    pipeline.settle(state)
    assert state.accepted == models * events
    return (time.process_time() - begun) / (models * events) * 1e6


def _pipeline() -> Any:
    """As ``driftd replay`` has it, which shows no values over time; older checkouts kept them all the same."""
    of, settings = one_of("pipeline_of", "driftd.wiring.app", "driftd.app"), one_of("Settings", "driftd.config")()
    return of(settings, shown=False) if "shown" in signature(of).parameters else of(settings)


def _enough_before(rows: int, values: int, models: int, panes: float) -> bool:  # noqa: ARG001
    """As checkouts before 2026-11-29 have it."""

    def number(name: str, otherwise: int) -> int:
        try:
            return int(one_of(name, "driftd.replay.run"))
        except ImportError:
            return otherwise

    return rows >= number("ROWS_A_MODEL", 0) * models or values >= number("MOST_VALUES", COLUMNS << 18)


def _new() -> bool:
    try:
        import_module("driftd.core.slice")
    except ImportError:
        return False
    return True


def run(tree: Path, models: int, each: int, events: int, *, latency: bool) -> float:
    """One case in a process of its own, with the driftd of ``tree``."""
    command = [sys.executable, __file__, "--case", str(models), str(each), "--events", str(events)]
    command += ["--latency"] * latency
    environment = {**os.environ, "PYTHONPATH": str(tree), "OPENBLAS_NUM_THREADS": "1"}
    out = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tree, env=environment)
    return float(json.loads(out.stdout))


def measure(
    events: int = 150_000, against: Path | None = None, rounds: int = 3, *, latency: bool = False
) -> list[dict[str, float]]:
    mine: list[list[float]] = [[] for _ in CASES]
    other: list[list[float]] = [[] for _ in CASES]
    for _ in range(rounds):
        for place, case in enumerate(CASES):
            mine[place].append(run(ROOT, *case, events, latency=latency))
            if against is not None:
                other[place].append(run(against, *case, events, latency=latency))
    table: list[dict[str, float]] = []
    for (models, each), took, theirs in zip(CASES, mine, other, strict=True):
        row = {"models": models, "events_a_pane": each, "us_per_event": median(took)}
        row["times_the_first"] = median(a / b for a, b in zip(took, mine[0], strict=True))
        if against is not None:
            row["times_faster"] = median(a / b for a, b in zip(theirs, took, strict=True))
        table.append({name: round(value, 2) for name, value in row.items()})
        print(table[-1], flush=True)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=150_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", type=Path)
    parser.add_argument("--latency", action="store_true", help="events state a latency")
    parser.add_argument("--case", type=int, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(micros(given.case[0], given.case[1], given.events, latency=given.latency)))
    else:
        measure(given.events, given.against, given.rounds, latency=given.latency)


if __name__ == "__main__":
    main()
