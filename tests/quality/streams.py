"""A folder of streams with known drift: what its manifest says, and how each stream is given to `driftd replay`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from driftd.decode.fields import PARTS

MONTH_SECONDS: Final = 30 * 86_400.0
MODEL: Final = "stream"
FIELDS: Final = {MODEL, *(part.name for part in PARTS)}
"""Names that `driftd replay` takes for a part of the event when nothing else is said."""
RUN_LENGTH: Final = {False: 1e7, True: 3e5}
"""Events of a channel to one false alarm, for streams without and with a period."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stream:
    """One entry of the manifest; ``channels`` are name to (type, role)."""

    name: str
    path: Path
    n: int
    n_ref: int
    cls: str
    period: int | None
    channels: Mapping[str, tuple[str, str]]
    drifts: int
    digest: str

    @property
    def group(self) -> str:
        """As score.py groups them: iid, seasonal or real."""
        if self.cls.startswith("real") or self.cls == "null_annual":
            return "real"
        return "seasonal" if self.period else "iid"

    @property
    def run_length(self) -> float:
        return RUN_LENGTH[bool(self.period)]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a stream is given to driftd: options, columns that get another name, driftd's channel to the manifest's,
    time of each row in epoch seconds, and false alarms a month that make A the stated one.
    """

    options: tuple[str, ...]
    renamed: Mapping[str, str]
    channels: Mapping[str, str]
    times: Floats
    false_alarms_per_month: float


def streams_of(folder: Path) -> list[Stream]:
    """All streams of the folder's manifest.json."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    out = []
    for name, entry in manifest["streams"].items():
        path = folder / entry["file"]
        digest = hashlib.sha256(path.read_bytes() + json.dumps(entry, sort_keys=True).encode()).hexdigest()
        channels = {c: (what["type"], what["role"]) for c, what in entry["channels"].items()}
        period, n, n_ref = entry["period_events"], int(entry["n"]), int(entry["n_ref"])
        out.append(Stream(name, path, n, n_ref, entry["cls"], period, channels, len(entry["drifts"]), digest))
    return out


def epoch_seconds(column: pa.ChunkedArray) -> Floats:
    """Timestamps, or numbers that are seconds, milli-, micro- or nanoseconds by their size."""
    if pa.types.is_timestamp(column.type):
        return np.asarray(column.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy(), np.float64) / 1e6
    values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
    size = float(np.nanmedian(np.abs(values))) if len(values) else 0.0
    divisor = next((d for limit, d in ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6)) if size < limit), 1e9)
    return values / divisor


def plan(stream: Stream, table: pa.Table) -> Plan:
    """The stream's options. Row n without a clock is at n seconds past the epoch, as driftd numbers it."""
    columns = table.column_names
    seconds = epoch_seconds(table["ts"]) if "ts" in columns else None
    clocked = bool(stream.period) and seconds is not None and bool(np.all(np.diff(seconds) >= 0))
    times = seconds if clocked and seconds is not None else np.arange(table.num_rows, dtype=np.float64)
    parts, channels, ignored = _parts(stream, table)
    options = [x for part, column in parts.items() for x in (f"--{part}", column)]
    if clocked:
        options += ["--time", "ts"]
    ignored += [c for c in columns if c not in stream.channels and not (clocked and c == "ts")]
    options += [x for column in ignored for x in ("--ignore", column)]
    taken = {*parts.values(), *ignored, "ts"}
    features = [c for c in stream.channels if c not in taken]
    renamed = {c: f"{c}_column" for c in features if c in FIELDS}
    channels |= {renamed.get(c, c): c for c in features}
    span = float(times[stream.n_ref - 1] - times[0])
    monthly = (stream.n_ref - 1) / span * MONTH_SECONDS if span > 0 else MONTH_SECONDS
    shares = len(channels) + len(("service errors", "the joint path"))
    return Plan(tuple(options), renamed, channels, times, budget(monthly, shares, stream.run_length))


def _parts(stream: Stream, table: pa.Table) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Columns that play a part, driftd's channels of them, and columns that driftd computes itself."""
    alone: dict[str, str] = {}
    for role in ("prediction", "proba", "label", "error"):
        names = [c for c, (_, r) in stream.channels.items() if r == role]
        if len(names) == 1:
            alone[role] = names[0]
    parts = {part: alone[role] for part, role in (("prediction", "prediction"), ("score", "proba")) if role in alone}
    channels = dict(parts)
    if {"prediction", "label", "error"} <= alone.keys() and error_is_mismatch(
        table[alone["error"]], table[alone["prediction"]], table[alone["label"]]
    ):
        parts["label"] = alone["label"]
        return parts, channels | {"label": alone["label"], "prediction_error": alone["error"]}, [alone["error"]]
    return parts, channels, []


def error_is_mismatch(error: pa.ChunkedArray, prediction: pa.ChunkedArray, label: pa.ChunkedArray) -> bool:
    """Whether error is (prediction != label) on all rows that have a label, and null where there is none."""
    wanted = [None if b is None else a != b for a, b in zip(prediction.to_pylist(), label.to_pylist(), strict=True)]
    given = error.to_pylist()
    return all((e is None) if w is None else (e is not None and e == w) for e, w in zip(given, wanted, strict=True))


def budget(events_a_month: float, shares: int, run_length: float) -> float:
    """False alarms a month for the whole daemon that give every channel A = ``run_length`` events.

    From A = N shares models / F, for one model. Beside the stream's channels two take a share: service errors, which
    driftd watches in any stream, and the joint path.
    """
    return events_a_month * shares / run_length


def write_renamed(table: pa.Table, renamed: Mapping[str, str], path: Path) -> None:
    pq.write_table(table.rename_columns([renamed.get(c, c) for c in table.column_names]), path)


def last_row_before(times: Floats, window_end: float) -> int:
    """Index of the last row whose time is before the window's end: the last one that the judge had seen."""
    return int(np.searchsorted(times, window_end, side="left")) - 1
