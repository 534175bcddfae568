"""driftd as its users run it: `driftd replay` in a process of its own, default configuration, findings to a file."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from tests.quality.streams import MODEL, Floats, Plan, Stream, last_row_before, plan, write_renamed

ROOT: Final = Path(__file__).resolve().parents[2]
NAME: Final = "driftd"
JOINT: Final = "*"


@dataclass(frozen=True, slots=True)
class TimedDetection:
    """A page: the channel as the caller names it, the last row seen, who found it, and its threshold."""

    feature: str
    index: int
    detector: str
    threshold: float | None


def replay(
    file: Path, n_ref: int, false_alarms_per_month: float, options: Iterable[str]
) -> tuple[list[dict[str, Any]], float]:
    """The findings, and the processor seconds that it took. Raises RuntimeError with what driftd said."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("DRIFTD_")} | {"PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as folder:
        findings = Path(folder) / "findings.jsonl"
        command = [sys.executable, "-m", "driftd", "replay", "--events", str(file), "--reference-events", str(n_ref)]
        command += ["--findings", str(findings), "--model", MODEL, *options]
        command += ["--false-alarms-per-month", f"{false_alarms_per_month:.10g}"]
        command += ["--set", "windows.out_of_orderness_seconds=0", "--set", "discovery.max_models=1"]
        started = children_seconds()
        # in a folder of its own: no driftd.yaml lies there
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=env)
        took = children_seconds() - started
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command[2:])}: exit {done.returncode}: {done.stderr.strip()[-2000:]}")
        lines = findings.read_text().splitlines() if findings.exists() else []
    return [json.loads(line) for line in lines], took


def children_seconds() -> float:
    """Processor time of all processes that this one has waited for: other work on the machine is not in it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def alarms_of(
    findings: Iterable[Mapping[str, Any]], channels: Mapping[str, str], times: Floats, *, tickets: bool = False
) -> list[TimedDetection]:
    """What pages, and with ``tickets`` what the judge or natural variation make a ticket of; ``channels`` is driftd's
    name to the caller's.
    """
    asked = {"page", "ticket"} if tickets else {"page"}
    return [
        TimedDetection(
            channels.get(f["feature"], f["feature"]),
            last_row_before(times, f["window_end"]),
            f["detector"],
            f["threshold"],
        )
        for f in findings
        if f["feature"] is not None and f["severity"] in asked and f["previous"] != f["status"]
    ]


def run(stream: Stream) -> tuple[list[TimedDetection], float, Plan]:
    """Alarms of one stream, processor seconds, and how it was given."""
    table = pq.read_table(stream.path)
    given = plan(stream, table)
    with tempfile.TemporaryDirectory() as folder:
        file = stream.path
        if given.renamed:
            file = Path(folder) / "stream.parquet"
            write_renamed(table, given.renamed, file)
        findings, took = replay(file, stream.n_ref, given.false_alarms_per_month, given.options)
    return alarms_of(findings, given.channels, given.times, tickets=True), took, given
