"""Redrawn exchangeable benchmark streams: real rows in random order, with a drift whose truth is known.

usage: python -m tests.quality.exchangeable DATA OUT SEED

DATA is the folder of the prediction events (events/flights.parquet, elec2.parquet, bike.parquet); OUT gets
streams/*.parquet and manifest.json in the format that the benchmark's score.py reads. Every number of a stream (which
rows, where the drift starts, what it does, how strongly) is drawn from SEED.

No stream is void: a drift is kept only if someone who knew both distributions would need at most half of the horizon to
be sure at A = 1e7, that is if KL(after, before) * horizon / 2 >= ln 1e7, measured on up to 40,000 rows of the base. The
manifest holds that number as ``oracle_events``: no detector can be quicker than about that.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.quality.drifts import Change, Frame, draw, kl_of

EVENTS: Final = 12_000
LONG: Final = 60_000
LEARNED: Final = 3_000
HORIZON: Final = 4_000
NATS: Final = math.log(1e7)
_FIRST_SECOND: Final = 1_600_041_600

KINDS: Final = {
    "abrupt": 10,
    "scale": 4,
    "unit_change": 4,
    "missing": 4,
    "merge": 4,
    "swap": 6,
    "new_category": 2,
    "rare_grows": 3,
    "stuck": 4,
    "concept": 6,
    "label_shift": 3,
    "incremental": 4,
    "correlation": 4,
    "recurring": 3,
}
"""How many streams of each kind one seed gives."""
CLASS: Final = {
    "merge": "categorical",
    "swap": "categorical",
    "new_category": "categorical",
    "rare_grows": "categorical",
}
ROLES: Final = {"proba": "proba", "prediction": "prediction", "label": "label", "error": "error"}


@dataclass(frozen=True)
class Base:
    """Real events in no order. ``types``: numeric, categorical or binary for each column; ``rows`` as drawn from."""

    name: str
    types: dict[str, str]
    rows: Frame

    def __len__(self) -> int:
        return len(next(iter(self.rows.values())))

    def pick(self, n: int, rng: np.random.Generator) -> Frame:
        chosen = rng.permutation(len(self))[:n]
        return {c: v[chosen] for c, v in self.rows.items()}


def bases(data: Path) -> list[Base]:
    def read(name: str) -> Frame:
        table = pq.read_table(data / "events" / f"{name}.parquet")
        return {c: table[c].to_numpy(zero_copy_only=False) for c in table.column_names}

    def numeric(*names: str) -> dict[str, str]:
        return dict.fromkeys(names, "numeric")

    flights, elec2, bike = read("flights"), read("elec2"), read("bike")
    known = ~np.isnan(flights["label"].astype(float)) & ~np.isnan(flights["temp"])
    flights = {c: v[known] for c, v in flights.items()}
    flights["error"] = (flights["prediction"] != flights["label"].astype(int)).astype(float)
    elec2 = {c: v[13_056:] for c, v in elec2.items()}  # since interstate trade; before it three columns are constant
    elec2["day"] = elec2["day"].astype(int).astype(str).astype(object)
    elec2["error"] = (elec2["prediction"] != elec2["label"]).astype(float)
    bike["error"] = np.abs(bike["prediction"] - bike["label"])
    answers = {"proba": "numeric", "prediction": "binary", "label": "binary", "error": "binary"}
    names = dict.fromkeys(("carrier", "origin", "dest"), "categorical")
    types = (
        numeric("hour", "distance", "temp", "wind_speed") | names | answers,
        numeric("period", "nswdemand", "vicdemand", "transfer") | {"day": "categorical"} | answers,
        numeric("temp", "hum", "windspeed", "prediction", "label", "error")
        | {"hr": "numeric", "workingday": "categorical", "weathersit": "categorical"},
    )
    return [
        Base(name, t, {c: rows[c].astype(object if k == "categorical" else float) for c, k in t.items()})
        for name, t, rows in zip(("flights", "elec2", "bike"), types, (flights, elec2, bike), strict=True)
    ]


@dataclass(frozen=True)
class Writer:
    out: Path
    streams: dict[str, Any]

    def save(self, name: str, cls: str, base: Base, frame: Frame, drifts: list[dict[str, Any]]) -> None:
        n = len(next(iter(frame.values())))
        columns: dict[str, Any] = {"ts": pa.array(_FIRST_SECOND + np.arange(n, dtype=float))}
        for c, kind in base.types.items():
            if kind == "categorical":
                columns[c] = pa.array(frame[c].tolist(), pa.string()).dictionary_encode()
            elif kind == "binary":
                columns[c] = pa.array(frame[c].astype(np.int8))
            else:
                columns[c] = pa.array(frame[c].astype(np.float32), from_pandas=True)
        path = self.out / "streams" / f"{name}.parquet"
        pq.write_table(pa.table(columns), path, compression="zstd")
        self.streams[name] = {
            "file": f"streams/{name}.parquet",
            "n": n,
            "n_ref": LEARNED,
            "cls": cls,
            "period_events": None,
            "channels": {c: {"type": k, "role": ROLES.get(c, "feature")} for c, k in base.types.items()},
            "drifts": drifts,
            "ignore": [],
            "strict_null": True,
            "source": base.name,
            "note": "",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }


def described(
    kind: str, change: Change, start: int, horizon: int, nats: float, end: int | None = None
) -> dict[str, Any]:
    return {
        "kind": CLASS.get(kind, kind),
        "start": start,
        "end": end,
        "width": change.width,
        "horizon": horizon,
        "affected": list(change.affected),
        "expected": list(change.expected),
        "must_not": list(change.must_not),
        "early_ok": None,
        "magnitude": change.what,
        "oracle_events": round(NATS / nats),
    }


def real_change(kind: str, base: Base, rng: np.random.Generator, horizon: int) -> tuple[Change, float]:
    """A change of this kind that is not void, and its KL divergence in nats an event."""
    rows = base.pick(40_000, rng)
    for _ in range(300):
        change = draw(kind, base.types, rows, rng)
        if change is None:
            continue
        after = change.apply(rows, np.ones(len(rows["label"])), rng)
        nats = kl_of(change, rows, after)
        if nats * horizon / 2 >= NATS:
            return change, nats
    raise RuntimeError(f"{base.name} has no real change of kind {kind}")


def stream(writer: Writer, name: str, kind: str, base: Base, rng: np.random.Generator) -> None:
    start = int(rng.integers(LEARNED + 1000, EVENTS - HORIZON + 1))
    at = np.arange(EVENTS)
    if kind == "recurring":
        length = int(rng.integers(1500, 2500))
        starts = [int(rng.integers(4000, 4500)), int(rng.integers(8500, 9000))]
        change, nats = real_change("abrupt", base, rng, length)
        active = np.any([(at >= s) & (at < s + length) for s in starts], axis=0).astype(float)
        drifts = [described(kind, change, s, length, nats, s + length) for s in starts]
    else:
        change, nats = real_change(kind, base, rng, HORIZON)
        active = np.clip((at - start) / change.width, 0, 1) if change.width else (at >= start).astype(float)
        drifts = [described(kind, change, start, HORIZON, nats)]
    writer.save(name, CLASS.get(kind, kind), base, change.apply(base.pick(EVENTS, rng), active, rng), drifts)


def write(data: Path, out: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    (out / "streams").mkdir(parents=True, exist_ok=True)
    sources, writer = bases(data), Writer(out, {})
    for i, base in enumerate((*sources, sources[0])):
        writer.save(f"null_{base.name}_{i}", "null_iid", base, base.pick(EVENTS, rng), [])
    for i in range(2):
        writer.save(f"null_long_{i}", "null_iid", sources[0], sources[0].pick(LONG, rng), [])
    for kind, many in KINDS.items():
        for i in range(many):
            # flights most often; the only category of elec2, the day, has seven of the same share: swapping is void
            where = [0] if kind == "rare_grows" else [0, 0, 0, 2] if kind in CLASS else [0, 0, 1, 2]
            base = sources[int(rng.choice(where))]
            stream(writer, f"{kind}_{i:02d}_{base.name}", kind, base, rng)
    meta = {"name": f"driftd redrawn exchangeable streams, seed {seed}", "streams": writer.streams}
    (out / "manifest.json").write_text(json.dumps(meta, indent=1))


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
