"""What an event costs where its model has segments, beside the same events of a model without: in one run, in turns.

python -m tests.bench.segments --rate 100 --segments 20
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np

from driftd.config import Model, Settings
from driftd.config.segments import SegmentsSetting
from driftd.config.watching import LearningSection
from driftd.core.event import Decoded, EventBatch
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.wiring.app import pipeline_of

POLL = 500
LEARN = 1000
MINUTES = 5
"""Of events in each of ROUNDS, taken by turns."""
ROUNDS = 4


def watching(segments: int) -> Pipeline:
    names = tuple(f"c{k}" for k in range(segments))
    chosen = SegmentsSetting(fields=("country",), values={"country": names}, max_segments=max(segments, 1))
    model = Model(name="m", segments=chosen if segments else SegmentsSetting())
    return pipeline_of(Settings(models=(model,), learning=LearningSection(events=LEARN)))


def traffic(rate: float, segments: int) -> EventBatch:
    """As many as all segments have learned by, and ROUNDS rounds; half of the segments have most events."""
    rng, n = np.random.default_rng(1), int(segments * LEARN * 3 + rate * 60 * (10 + MINUTES * ROUNDS))
    weight = 1.0 / np.arange(1, segments + 1) ** 0.5
    columns = {f"x{k}": rng.normal(size=n) for k in range(20)}
    country = rng.choice([f"c{k}" for k in range(segments)], n, p=weight / weight.sum()).tolist()
    every = {**columns, "country": country}
    return EventBatch("m", np.arange(n), 1.7e9 + np.arange(n) / rate, every, {"score": rng.uniform(size=n)})


def spent(p: Pipeline, state: State, rows: EventBatch, begin: int, end: int) -> float:
    """Processor seconds of one stretch."""
    began = time.process_time()
    for at in range(begin, end, POLL):
        until = min(at + POLL, end)
        p.ingest(state, ("t", 0), until, Decoded(until - at, [rows.take(np.arange(at, until))], []))
        p.settle(state)
    return time.process_time() - began


def rounds(rate: float, segments: int) -> Iterator[tuple[float, float]]:
    """Microseconds an event, without and with segments, round by round."""
    rows, each = traffic(rate, segments), int(rate * 60 * MINUTES)
    both = [(watching(n), State()) for n in (0, segments)]
    first = len(rows) - ROUNDS * each
    for p, state in both:
        spent(p, state, rows, 0, first)
    learned = [m.reference is not None for m in both[1][1].models.values()]
    assert all(learned)
    assert len(learned) == segments + 1
    for k in range(ROUNDS):
        begin = first + k * each
        one, other = (spent(p, state, rows, begin, begin + each) for p, state in both)
        yield one / each * 1e6, other / each * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=100.0, help="events a second")
    parser.add_argument("--segments", type=int, default=20)
    given = parser.parse_args()
    found = np.array([*rounds(given.rate, given.segments)])
    without, with_ = np.median(found, axis=0)
    print(
        f"{given.segments} segments, {given.rate:g} events a second of 21 features, decoded: {without:.1f} us an "
        f"event without segments, {with_:.1f} us with; ratio {np.median(found[:, 1] / found[:, 0]):.2f}"
    )


if __name__ == "__main__":
    main()
