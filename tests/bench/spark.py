"""History on Spark beside one process: the same Parquet files, events a second, and the memory of all processes.

usage: python -m tests.bench.spark [--events N] [--files N] [--per-second R] [--master MASTER] [--folder DIR]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

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
    for number, (begin, end) in enumerate(pairwise(cuts)):
        pq.write_table(table(end - begin, begin, events, per_second), folder / f"part-{number:05}.parquet")


KINDS = ("driver", "java", "workers")


@dataclass(slots=True)
class Usage:
    """Of a command's processes, by kind: the greatest memory in MB (what is shared counts in parts: PSS), and
    ``ticks`` of processors by process, as last seen.
    """

    memory: Counter[str] = field(default_factory=Counter)
    ticks: dict[tuple[str, int], int] = field(default_factory=dict)

    def note(self, root: int) -> None:
        now = Counter[str]()
        for pid in (root, *children(root)):
            with contextlib.suppress(OSError):
                java = Path(f"/proc/{pid}/comm").read_text().strip() == "java"
                kind = "java" if java else "driver" if pid == root else "workers"
                now[kind] += pss(pid)
                after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                self.ticks[kind, pid] = int(after_name[11]) + int(after_name[12])
        self.memory |= now

    def row(self) -> dict[str, int]:
        per_second = os.sysconf("SC_CLK_TCK")
        cpu = {k: sum(n for (kind, _), n in self.ticks.items() if kind == k) // per_second for k in KINDS}
        return {f"{k}_mb": self.memory[k] for k in KINDS} | {f"{k}_cpu": cpu[k] for k in KINDS}


def children(root: int) -> Iterator[int]:
    for task in Path(f"/proc/{root}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            yield child
            with contextlib.suppress(OSError):
                yield from children(child)


def pss(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("Pss:"))


def ran(*words: str) -> dict[str, Any]:
    """A command of driftd: seconds of wall time, and what its processes took."""
    began, usage = time.monotonic(), Usage()
    process = subprocess.Popen([sys.executable, "-m", "driftd", *words], stdout=subprocess.DEVNULL)
    while process.poll() is None:
        usage.note(process.pid)
        time.sleep(1.0)
    return {"exit": process.returncode, "seconds": round(time.monotonic() - began), **usage.row()}


def measure(folder: Path, events: int, master: str, first: int) -> list[dict[str, Any]]:
    """Both ways: what comes out must be the same bytes."""
    out = []
    for command in ("replay", "reference build"):
        told: list[bytes] = []
        for by in ((), ("--spark", master)):
            path = folder / "told"
            more = ("--fresh", "--findings") if command == "replay" else ("--first", str(first), "--to-file")
            row = ran(*command.split(), "--events", str(folder / "fraud"), *by, *more, str(path))
            row |= {"what": " ".join((command, *by)), "events_per_second": round(events / row["seconds"])}
            told.append(path.read_bytes())
            out.append(row)
            print(row, flush=True)
        print(
            f"{command}: {'the same bytes' if told[0] == told[1] else 'DIFFERENT'}, {len(told[0]):,} of them",
            flush=True,
        )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.spark", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=50_000_000)
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--per-second", type=float, default=10.0)
    parser.add_argument("--first", type=int, default=1_000_000)
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--folder", type=Path, help="where the files are, or will be; without it they are removed")
    a = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = a.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="driftd-bench-")))
        if not (folder / "fraud").exists():
            write(folder / "fraud", a.events, a.files, a.per_second)
        measure(folder, a.events, a.master, a.first)


if __name__ == "__main__":
    main()
