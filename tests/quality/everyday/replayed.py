"""The same cases through `driftd replay`, as a user runs it: with a reference of the case's length, or with none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.quality import ours
from tests.quality.everyday.judging import Alarm
from tests.quality.everyday.traffic import Base, Columns, Floats

MODEL: Final = "m"
OUTPUTS: Final = ("prediction", "score", "label", "error")


@dataclass(frozen=True, slots=True)
class Replay:
    """One base and length of reference in ``folder``. Without a reference file, the 10,000 events before the judged
    days come first, and driftd learns from what comes (``zero``).
    """

    base: Base
    folder: Path
    zero: bool

    @classmethod
    def of(cls, base: Base, length: str, folder: Path, *, zero: bool) -> Replay:
        if not zero:
            events = folder / "reference.parquet"
            pq.write_table(pa.table(_told(*base.reference(length))), events)
            target = folder / f"{base.name}-{length}.reference"
            _run("reference", "build", "--events", str(events), "--model", MODEL, "--to-file", str(target))
            setting = {"models": [{"name": MODEL, "reference": {"path": str(target)}}]}
            (folder / "driftd.yaml").write_text(json.dumps(setting))
        return cls(base, folder, zero)

    def alarms(self, times: Floats, columns: Columns, end: float) -> list[Alarm]:
        if not len(times):
            return []
        if self.zero:
            before, first = self.base.reference("10k")
            times = np.concatenate([before, times])
            columns = {name: np.concatenate([first[name], column]) for name, column in columns.items()}
        events, findings = self.folder / "events.jsonl", self.folder / "findings.jsonl"
        with events.open("w") as file:
            file.writelines(json.dumps(event) + "\n" for event in _events(times, columns))
        findings.unlink(missing_ok=True)
        more = [] if self.zero else ["--config", str(self.folder / "driftd.yaml")]
        _run("replay", "--events", str(events), "--findings", str(findings), *more)
        lines = findings.read_text().splitlines() if findings.exists() else []
        return [*alarms_of(map(json.loads, lines), end)]


def alarms_of(findings: Iterable[Mapping[str, Any]], end: float) -> Iterator[Alarm]:
    """A page of the model, which channels join, and a ticket of each channel and detector."""
    page: Alarm | None = None
    tickets: dict[tuple[str, str], Alarm] = {}
    kinds: dict[str, str] = {}
    for finding in findings:
        time, channel = finding["window_end"], finding["feature"]
        if channel is None:
            if finding["status"] == "DRIFT":
                page = page or Alarm("page", time, end, {}, {})
                for name in finding["channels"]:
                    page.channels.setdefault(name, time)
                    page.kinds.setdefault(name, kinds.get(name, ""))
            elif page is not None:
                yield Alarm("page", page.open, time, page.channels, page.kinds)
                page = None
            continue
        kinds[channel] = finding["kind"] or kinds.get(channel, "")
        key = (channel, finding["detector"])
        if finding["severity"] == "ticket" and key not in tickets:
            tickets[key] = Alarm("ticket", time, end, {channel: time}, {channel: kinds[channel]})
        elif finding["status"] != "WARNING" and key in tickets:
            ticket = tickets.pop(key)
            yield Alarm("ticket", ticket.open, time, ticket.channels, ticket.kinds)
    yield from tickets.values()
    if page is not None:
        yield page


def _told(times: Floats, columns: Columns) -> dict[str, Any]:
    return {"time": times, **{n: c.tolist() if c.dtype.kind == "O" else c for n, c in columns.items()}}


def _events(times: Floats, columns: Columns) -> Iterator[dict[str, Any]]:
    """As a producer writes them: a number that is text stays text."""
    rows = {name: [None if v != v else v for v in column.tolist()] for name, column in columns.items()}  # noqa: PLR0124  NaN
    outputs = [name for name in OUTPUTS if name in rows]
    features = [name for name in rows if name not in OUTPUTS]
    for i, time in enumerate(times.tolist()):
        event = {"model": MODEL, "time": time, "features": {name: rows[name][i] for name in features}}
        yield event | {name: rows[name][i] for name in outputs}


def _run(*command: str) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("DRIFTD_")} | {"PYTHONPATH": str(ours.ROOT)}
    folder = Path(next(c for c in reversed(command) if c.endswith((".jsonl", ".parquet", ".reference")))).parent
    line = [sys.executable, "-m", "driftd", *command]
    done = subprocess.run(line, check=False, capture_output=True, text=True, cwd=folder, env=env)
    if done.returncode != 0:
        raise RuntimeError(f"driftd {' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[-2000:]}")
