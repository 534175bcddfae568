"""Writes the flights of the demo to a topic, as a model server would: JSON, one event a record.

usage: flights.py BROKER TOPIC [EVENTS_PER_SECOND]
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq
from kafka import KafkaProducer

from driftd.data import flights

FEATURES = ("carrier", "origin", "dest", "dow", "hour", "distance", "temp", "wind_speed", "precip", "visib")


def events() -> Iterator[dict[str, Any]]:
    """driftd's event format (docs/events.md), in order of time."""
    number = itertools.count()
    for batch in pq.ParquetFile(flights.path()).iter_batches(10_000):
        for row in batch.to_pylist():
            yield {
                "model": "flight-delay",
                "version": "1",
                "id": str(next(number)),
                "time": row["ts"],
                "features": {name: row[name] for name in FEATURES},
                "prediction": row["prediction"],
                "score": row["proba"],
                "label": row["label"],
            }


def main() -> None:
    broker, topic, *rest = sys.argv[1:]
    per_second = float(rest[0]) if rest else 2000.0
    producer = KafkaProducer(
        bootstrap_servers=broker, value_serializer=lambda event: json.dumps(event).encode(), linger_ms=50
    )
    start = time.monotonic()
    for sent, event in enumerate(events(), 1):
        producer.send(topic, event)
        if sent % 1000 == 0:
            time.sleep(max(0.0, start + sent / per_second - time.monotonic()))
    producer.flush()
    print(f"{sent} events written to {topic}")


if __name__ == "__main__":
    main()
