"""The data folder's own score.py, one call a contestant and group of streams."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.quality.streams import Stream

Found = Mapping[str, Sequence[tuple[str, int]]]
"""Stream to its alarms: (channel, index)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of score.py: shares in percent, delays in events; NaN where nothing was found."""

    cls: str
    drifts: int
    detected: float
    luck: float
    own: float
    wait: float
    median_delay: float


@dataclass(frozen=True, slots=True)
class Score:
    """What score.py says of a contestant on a group of streams; the last row is all classes together.

    ``false_alarms`` were counted on ``channel_events`` of stretches without drift.
    """

    rows: tuple[Row, ...]
    false_alarms: int
    channel_events: int

    @property
    def all(self) -> Row:
        return self.rows[-1]

    @property
    def per_100k(self) -> float:
        return 1e5 * self.false_alarms / max(self.channel_events, 1)


def score(
    script: Path, manifest: Path, streams: Iterable[Stream], group: str, found: Found, extra: Sequence[str]
) -> Score:
    """``streams`` are those that the contestant saw; ``extra`` channels that it watches beside each stream's own."""
    watched = [s for s in streams if s.group == group]
    with tempfile.TemporaryDirectory() as folder:
        alarms, monitored, out = (Path(folder) / name for name in ("alarms.csv", "monitored.csv", "score.json"))
        pairs = [(s.name, f, i) for s in watched for f, i in found.get(s.name, ())]
        _write(alarms, ["stream", "feature", "index"], pairs)
        _write(monitored, ["stream", "feature"], [(s.name, f) for s in watched for f in [*s.channels, *extra]])
        command = [sys.executable, str(script), str(alarms), "--manifest", str(manifest), "--group", group]
        command += ["--monitored", str(monitored), "--json", str(out)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{script}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-2000:]}")
        return read(json.loads(out.read_text()))


def read(result: Mapping[str, Any]) -> Score:
    """From score.py's --json."""
    rows = tuple(
        Row(r["cls"], int(r["drifts"]), *(_number(r[k]) for k in ("det", "chance", "own", "wait", "med_delay")))
        for r in result["classes"]
    )
    false = result["false"].values()
    return Score(rows, sum(int(g["counted"]) for g in false), sum(int(g["channel_events"]) for g in false))


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _write(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(head)
        writer.writerows(rows)
