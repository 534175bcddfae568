"""The flights once more, as a service would send them: two variants, and what became of each flight hours later.

Real: flights, weather, scores, delays. Invented: half of the flights go to a variant that calls a flight late from 0.25
on, the first one from 0.5 on; and a label is known three hours after the flight has landed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow.parquet as pq

from driftd.core.event import RecordBatch, TopicPartition
from driftd.data import flights
from driftd.decode import Codec, Limits
from driftd.decode.json.codec import EventsCodec
from driftd.sources.files.stream import ROWS, Progress

END: Final = 1_364_774_400.0
"""1 April 2013: the reference is February, and March is replayed in a quarter of a minute."""
THRESHOLDS: Final = {"v1": 0.5, "v2": 0.25}
"""Scores from which on each variant calls a flight late. Chosen: the second one is clearly worse."""
MILES_AN_HOUR: Final = 450.0
"""Chosen: about the cruising speed of an airliner."""
GATE_HOURS: Final = 0.5
"""On the ground. Chosen: taxiing at both ends."""
KNOWN_HOURS: Final = 3.0
"""From the landing to the label. Chosen: so that labels come hours after their predictions."""
FEATURES: Final = ("carrier", "origin", "dest", "dow", "hour", "distance", "temp", "wind_speed", "precip", "visib")
NAME: Final = "flights"


class Flights:
    """Predictions and their labels in the order in which they would be sent."""

    name = NAME
    partitions: tuple[TopicPartition, ...] = ()

    def __init__(self, limits: Limits, end: float = END) -> None:
        self.codec: Codec = EventsCodec(limits)
        self.records = sorted(_records(end), key=lambda record: record[0])
        self.predictions = sum(is_prediction for _, is_prediction, _ in self.records)
        self._done = 0

    def codec_within(self, limits: Limits) -> Codec:
        return EventsCodec(limits)

    def batches(self, size: int = ROWS) -> Iterator[RecordBatch]:
        for begin in range(0, len(self.records), size):
            some = self.records[begin : begin + size]
            offsets = np.arange(begin, begin + len(some))
            times = np.array([time for time, _, _ in some])
            yield RecordBatch(NAME, 0, offsets, times, [value for _, _, value in some], begin + len(some))
            self._done = begin + len(some)

    def progress(self) -> Progress:
        return Progress(self._done, len(self.records), "rows")


def _records(end: float) -> Iterator[tuple[float, bool, bytes]]:
    """Time, whether it is a prediction, and the record."""
    table = pq.read_table(flights.path())
    encode = msgspec.json.Encoder().encode
    for number, row in enumerate(table.slice(0, int(np.searchsorted(table["ts"].to_numpy(), end))).to_pylist()):
        name, time = f"flight-{number}", float(row["ts"])
        variant = "v2" if zlib.crc32(name.encode()) & 1 else "v1"
        event: dict[str, Any] = {
            "model": "flight-delay",
            "version": variant[1:],
            "variant": variant,
            "id": name,
            "unit": name,
            "time": time,
            "features": {feature: row[feature] for feature in FEATURES},
            "prediction": int(row["proba"] >= THRESHOLDS[variant]),
            "score": row["proba"],
        }
        yield time, True, encode(event)
        if row["label"] is not None:
            known = time + 3600 * (row["distance"] / MILES_AN_HOUR + GATE_HOURS + KNOWN_HOURS)
            label = {"model": "flight-delay", "id": name, "label": row["label"], "time": known}
            yield known, False, encode(label)
