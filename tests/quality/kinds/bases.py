"""Traffic that causes are put into: models of tests/quality/everyday, and the flights of the demo."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from driftd.data import flights
from tests.quality.everyday.answers import Answers
from tests.quality.everyday.traffic import DAY, Base, draw

NUMBERS = ("hour", "distance", "temp", "wind_speed", "precip", "visib")
CATEGORIES = ("carrier", "origin", "dest", "dow")


LATENCY, VERSION = "latency", "version"
"""Columns that every base has beside those of its traffic: seconds to answer, and the version that answers."""
USUAL: Final = 0.08
"""Seconds: the median of usual latencies; by day a fifth more."""


@cache
def everyday(number: int, seed: int) -> Base:
    return _served(draw(number, seed, every=True), np.random.default_rng([seed, 8, number]))


def _served(base: Base, rng: np.random.Generator) -> Base:
    """With a version, and latencies that are lognormal and follow the hour."""
    busy = 1 + 0.2 * np.sin(2 * np.pi * base.times / DAY)
    latency = USUAL * busy * np.exp(0.5 * rng.normal(size=len(base.times)))
    versions = np.full(len(base.times), "7", object)
    return replace(base, columns=base.columns | {LATENCY: latency, VERSION: versions})


@cache
def of_flights(number: int, seed: int) -> Base:
    """28 days of the year from a day that is drawn, and the two weeks after them."""
    table = pq.read_table(flights.path())
    times = table.column("ts").to_numpy().astype(np.float64)
    order = np.argsort(times, kind="stable")
    columns: dict[str, NDArray[Any]] = {n: table.column(n).to_numpy().astype(np.float64)[order] for n in NUMBERS}
    columns |= {n: np.array(table.column(n).to_pylist(), object)[order] for n in CATEGORIES}
    columns |= {"score": table.column("proba").to_numpy().astype(np.float64)[order]}
    columns |= {n: table.column(n).to_numpy().astype(np.float64)[order] for n in ("prediction", "label")}
    columns["error"] = np.zeros(len(order))
    answers = Answers((), 0.0, 0.0, regression=False)
    day = int(np.random.default_rng([seed, 7, number]).integers(0, 270))
    start = float(times.min() // DAY * DAY) + day * DAY
    base = Base("flights", times[order], columns, NUMBERS, CATEGORIES, answers, start, ("temp",))
    return _served(base, np.random.default_rng([seed, 9, number]))
