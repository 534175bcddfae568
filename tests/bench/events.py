"""Prediction events for benchmarks: real flights with 20 features, about 500 bytes of JSON each."""

from __future__ import annotations

import json
from collections.abc import Iterator

NUMBERS = ("hour", "distance", "temp", "wind_speed", "precip", "visib")
CATEGORIES = ("carrier", "origin", "dest", "dow")
RATE = 500.0
"""Events a second of event time: a busy model."""
START = 1_795_413_600.0


def values(count: int, model: str = "flight-delay") -> Iterator[bytes]:
    """The first ``count`` flights as JSON events, again from the first when they run out.

    Sixteen numbers (six of this flight, six of the one before, four differences between the two) and four categories,
    one event every 2 ms.
    """
    import pyarrow.parquet  # the consumers of these events, whose memory is measured, must not load it

    from driftd.data import flights

    table = pyarrow.parquet.read_table(flights.path())
    rows = table.select([*NUMBERS, *CATEGORIES, "prediction", "proba"]).to_pylist()
    for i in range(count):
        now, before = rows[i % len(rows)], rows[i % len(rows) - 1]
        features: dict[str, float | str | None] = {}
        for name in NUMBERS:
            features[name] = now[name] if now[name] is None else round(float(now[name]), 2)
            features[f"last_{name}"] = before[name] if before[name] is None else round(float(before[name]), 2)
        for name in NUMBERS[:4]:
            a, b = features[name], features[f"last_{name}"]
            features[f"diff_{name}"] = round(a - b, 2) if isinstance(a, float) and isinstance(b, float) else None
        features |= {name: str(now[name]) for name in CATEGORIES}
        event = {
            "model": model,
            "version": "7",
            "id": f"{i:08x}",
            "time": round(START + i / RATE, 3),
            "features": features,
            "prediction": int(now["prediction"]),
            "score": round(float(now["proba"]), 4),
        }
        yield json.dumps(event, separators=(",", ":")).encode()
