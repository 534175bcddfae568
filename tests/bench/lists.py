"""What a list of numbers costs an event: decoded and counted, beside the same events with one number in its place.

python -m tests.bench.lists --length 3        # class probabilities
python -m tests.bench.lists --length 768      # an embedding
python -m tests.bench.lists --classes 3       # a score that is an object of class to probability
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator

import numpy as np

from driftd.config import Settings
from driftd.config.watching import LearningSection
from driftd.core.event import RecordBatch
from driftd.decode import Limits
from driftd.decode.json.codec import EventsCodec
from driftd.engine.state import State
from driftd.wiring.app import pipeline_of

POLL, LEARN, ROUNDS, EACH, RATE = 500, 2000, 5, 5000, 100.0
BEGIN = 1_795_392_000.0


def topic(length: int) -> tuple[list[bytes], list[bytes]]:
    """Events with one number, and with a list of ``length``: directions of length 1 about five centers."""
    rng, n = np.random.default_rng(1), LEARN * 2 + ROUNDS * EACH
    centers = rng.normal(size=(5, length))
    out: tuple[list[bytes], list[bytes]] = ([], [])
    for i in range(n):
        x = centers[rng.integers(5)] + 0.5 * rng.normal(size=length)
        x = np.round(x / np.linalg.norm(x), 6)
        features = {f"x{k}": round(v, 4) for k, v in enumerate(rng.normal(size=10).tolist())}
        for found, value in zip(out, (float(x[0]), x.tolist()), strict=True):
            event = {"model": "m", "time": BEGIN + i / RATE, "features": {**features, "v": value}}
            found.append(json.dumps(event).encode())
    return out


def scored(classes: int) -> tuple[list[bytes], list[bytes]]:
    """Events with one score, and with one for each class."""
    rng, n = np.random.default_rng(1), LEARN * 2 + ROUNDS * EACH
    out: tuple[list[bytes], list[bytes]] = ([], [])
    for i, x in enumerate(np.round(rng.dirichlet(np.ones(classes), n), 6).tolist()):
        features = {f"x{k}": round(v, 4) for k, v in enumerate(rng.normal(size=10).tolist())}
        each = {f"class{k}": p for k, p in enumerate(x)}
        best = max(each, key=each.__getitem__)
        for found, value in zip(out, (each[best], each), strict=True):
            event = {"model": "m", "time": BEGIN + i / RATE, "features": features, "prediction": best, "score": value}
            found.append(json.dumps(event).encode())
    return out


class Watching:
    def __init__(self, values: list[bytes]) -> None:
        self.values, self.state, self.at = values, State(), 0
        self.codec, self.pipeline = EventsCodec(Limits()), pipeline_of(Settings(learning=LearningSection(events=LEARN)))

    def read(self, events: int) -> tuple[float, float]:
        """Processor seconds of decoding, and of all."""
        began, decoding = time.process_time(), 0.0
        for begin in range(self.at, self.at + events, POLL):
            end = begin + POLL
            offsets = np.arange(begin, end)
            batch = RecordBatch("t", 0, offsets, BEGIN + offsets / RATE, self.values[begin:end], end)
            before = time.process_time()
            decoded = self.codec.decode(batch, self.pipeline.schemas.of(self.state))
            decoding += time.process_time() - before
            self.pipeline.ingest(self.state, ("t", 0), end, decoded)
            self.pipeline.settle(self.state)
        self.at += events
        return decoding, time.process_time() - began


def rounds(topics: tuple[list[bytes], list[bytes]]) -> Iterator[list[float]]:
    """Microseconds an event, decoding and all: with one number, then with a list or an object."""
    both = [*map(Watching, topics)]
    for one in both:
        one.read(LEARN * 2)
    for _ in range(ROUNDS):
        yield [seconds / EACH * 1e6 for one in both for seconds in one.read(EACH)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=768)
    parser.add_argument("--classes", type=int, default=0)
    given = parser.parse_args()
    topics = scored(given.classes) if given.classes else topic(given.length)
    what = f"an object of {given.classes} classes" if given.classes else f"a list of {given.length}"
    a, b, c, d = np.median([*rounds(topics)], axis=0)
    print(
        f"10 features and one number: {b:.1f} us an event, {a:.1f} of them to decode; "
        f"and {what}: {d:.1f} us, {c:.1f} of them to decode"
    )


if __name__ == "__main__":
    main()
