"""The judge of exchangeable channels by itself: time of a step and memory of a channel.

usage: python -m tests.bench.judge [--channels N] [--steps N] [--events N] [--json FILE]

Channels of 20 quantile bins (24 columns) of a reference of 3,000 events, then panes of normal values without drift, and
the same where a tenth of the channels drifts. Memory is the size of the arrays that are kept (state, and what the
reference says), the size of the state in a checkpoint, and what the process holds at most beyond both. Then a
model of 20 features with its pairs of channels.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from driftd.core import arrays
from driftd.core.by_pane import ByPane
from driftd.core.channel import Channel, Role
from driftd.core.event import AnyColumn, EventBatch, Kind, NumericColumn
from driftd.core.reference import Reference, bins_id, numeric_bins
from driftd.core.summary import Summary
from driftd.ingest.binning import encode_with, summarise_with
from driftd.judge import step as steps_
from driftd.judge.exchangeable import independent
from driftd.judge.exchangeable.shape import Shape
from driftd.judge.runtime import ModelJudge
from driftd.judge.step import MicroBatch
from driftd.learn.build import Learning, build

LEARNED = 3000


def reference(channels: int, rng: np.random.Generator) -> Reference:
    bins = numeric_bins(rng.normal(size=LEARNED))
    named = tuple(Channel(f"f{i}", Role.FEATURE, Kind.NUMERIC) for i in range(channels))
    all_bins = (bins,) * channels
    counts = drawn(LEARNED, channels, bins.edges, bins.used, rng)
    summary = replace(Summary.empty(bins_id("bench", named, all_bins), channels, bins.used), counts=counts)
    zeros, ones = np.zeros(channels), np.ones(channels)
    return Reference("bench", 1, named, all_bins, summary, zeros, ones, True, 0.0, float(LEARNED))


def drawn(
    events: int, channels: int, edges: NDArray[np.float64], width: int, rng: np.random.Generator, by: float = 0.0
) -> NDArray[np.int64]:
    """Counts of so many normal values; a tenth of the channels is shifted ``by``."""
    out = np.empty((channels, width), np.int64)
    for low in range(0, channels, 1000):
        x = rng.normal(size=(min(1000, channels - low), events))
        x[::10] += by
        place = np.searchsorted(edges, x) + 2 + np.arange(len(x))[:, None] * width
        out[low : low + len(x)] = np.bincount(place.ravel(), minlength=len(x) * width).reshape(len(x), width)
    return out


def size(value: object) -> int:
    return sum(a.nbytes for a in arrays.dump(value).values())


def small_model(rng: np.random.Generator, steps: int = 200, events: int = 100) -> dict[str, float]:
    """A model of 16 numbers and 4 categories on a reference of 10,000: what its pairs cost an event, and a step."""

    def batch(n: int, begin: float) -> EventBatch:
        columns: dict[str, NumericColumn | AnyColumn] = {f"f{i}": rng.normal(size=n) for i in range(16)}
        columns |= {f"c{i}": rng.choice(list("abcdefgh"), n).tolist() for i in range(4)}
        return EventBatch("bench", np.arange(n), begin + np.arange(n) / 10, columns)

    known = build(batch(10_000, 0.0), Learning())
    guard = ModelJudge.of(known)
    assert guard is not None
    channels = len(known.channels)
    a = guard.learned.thresholds(1.0, 1, np.ones(channels, np.intp))
    pairs_seconds, step_seconds = 0.0, 0.0
    for k in range(steps):
        rows, panes = batch(events, 2000.0 + 10 * k), np.zeros(events, np.int64)
        encoded = encode_with(known, rows)
        summary = summarise_with(known, rows, encoded, panes)[0]
        begun = time.process_time()
        crosses = guard.learned.pairs.crosses(encoded.bins, ByPane.of(panes))
        cross = None if crosses is None else crosses[0]
        pairs_seconds += time.process_time() - begun
        part = MicroBatch(2000.0 + 10 * k, 2010.0 + 10 * k, summary, cross, np.full(channels, np.nan))
        begun = time.process_time()
        guard.state, _ = steps_.of_events(guard.learned, guard.state, part, a)
        step_seconds += time.process_time() - begun
    return {
        "pairs_of_a_small_model": float(len(guard.learned.pairs.first)),
        "small_model_pairs_us_an_event": pairs_seconds / steps / events * 1e6,
        "small_model_seconds_a_step": step_seconds / steps,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--events", type=int, default=50)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rng = np.random.default_rng(1)
    known = reference(given.channels, rng)
    edges, width = known.bins[0].edges, known.width
    begun = time.process_time()
    shape = Shape.of(known, np.zeros(given.channels), np.zeros(given.channels))
    learned = time.process_time() - begun
    state = shape.start()
    quiet: list[float] = []
    drifting: list[float] = []
    a, frozen = np.full(given.channels, 1e8), np.zeros(given.channels, bool)
    for step in range(given.steps):
        drifts = step >= given.steps // 2
        counts = drawn(given.events, given.channels, edges, width, rng, 0.5 * drifts)
        begun = time.process_time()
        state, s = independent.step(state, shape, counts, float(step), a, frozen)
        (drifting if drifts else quiet).append(time.process_time() - begun)
    kept, fixed = size(state), size(shape)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    told = {
        "channels": given.channels,
        "events_a_pane": given.events,
        "seconds_to_learn": learned,
        "seconds_a_step": statistics.median(quiet[-10:]),
        "seconds_a_step_a_tenth_drifting": statistics.median(drifting[-10:]),
        "bytes_of_state_a_channel": kept / given.channels,
        "bytes_of_reference_a_channel": fixed / given.channels,
        "mebibytes_of_the_process": most / 2**20,
        "alarms_at_1e7": int(np.count_nonzero(s >= 1e7)),
    }
    told |= small_model(rng)
    print(json.dumps(told, indent=1))
    if given.json:
        given.json.write_text(json.dumps(told))


if __name__ == "__main__":
    main()
