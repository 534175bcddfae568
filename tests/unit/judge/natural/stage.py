"""Traffic with a daily rhythm, its reference, and the counters of a stretch of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch
from driftd.core.reference import Reference
from driftd.ingest.binning import encode_with
from driftd.judge.natural.episodes import Turn
from driftd.judge.natural.learned import NaturalLearned
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.step import Products, start, step
from driftd.judge.natural.thresholds import Thresholds, thresholds
from driftd.learn.build import Learning, build
from driftd.learn.natural import learn, products_of, ticks_of

Columns = dict[str, NDArray[Any]]
Change = Callable[[Columns, NDArray[np.bool_]], None]
"""Breaks the columns in place where the flags are true."""

MONDAY = 1_790_553_600.0
DAY, HOUR = 86_400.0, 3_600.0
PER_DAY = 8_000
NAMES = ("amount", "age", "temp", "city", "shop")


def traffic(rng: np.random.Generator, begin: float, end: float) -> Columns:
    """Events of an ordinary model: more by day than by night, levels that follow the hour, two related numbers."""
    minutes = np.arange(begin, end, 60.0)
    hour = (minutes / HOUR) % 24
    rate = 0.3 + np.exp(-(((hour - 14) / 5) ** 2))
    each = np.repeat(minutes, rng.poisson(rate / 0.67 * PER_DAY / 1440))
    time = np.sort(each + 60 * rng.random(each.size))
    n, angle = time.size, 2 * np.pi * time / DAY
    common = rng.normal(size=n)
    amount = np.exp(3 + 0.8 * (0.7 * common + 0.7 * rng.normal(size=n) + 0.2 * np.sin(angle)))
    age = 40 + 10 * (0.7 * common + 0.7 * rng.normal(size=n))
    temp = 12 + 5 * np.sin(angle - 2) + 3 * np.sin(2 * np.pi * time / (9 * DAY)) + 0.4 * rng.normal(size=n)
    city = np.array(["a", "b", "c", "d", "e"], object)[rng.choice(5, n, p=[0.4, 0.25, 0.15, 0.12, 0.08])]
    shop = np.array([f"s{k}" for k in range(200)], object)[(200 * rng.random(n) ** 1.8).astype(int)]
    score = 1 / (1 + np.exp(-(-1 + 0.8 * common + 0.4 * rng.normal(size=n))))
    return {
        "time": time, "amount": np.round(amount, 2), "age": np.round(age, 1), "temp": np.round(temp, 1),
        "city": city, "shop": shop, "score": np.round(score, 4), "error": (rng.random(n) < 0.01).astype(float),
    }  # fmt: skip


def batch(columns: Columns) -> EventBatch:
    features: dict[str, Any] = {}
    for name in NAMES:
        column = columns[name]
        features[name] = column.tolist() if column.dtype == object else column
    fields = {"score": columns["score"], "error": columns["error"].astype(bool)}
    if "label" in columns:
        fields["label"] = columns["label"]
    if "unpredicted" not in columns:
        fields["prediction"] = (columns["score"] > 0.5).astype(float)
    return EventBatch("m", np.arange(len(columns["time"])), columns["time"], features, fields=fields)


@dataclass(frozen=True, slots=True)
class Stage:
    """A learned reference of some days, ending at ``begin``."""

    reference: Reference
    learned: NaturalLearned
    limits: Thresholds
    begin: float

    @classmethod
    def of(
        cls, rng: np.random.Generator, days: float, begin: float = MONDAY + 14 * DAY, change: Change | None = None
    ) -> Stage:
        """``change`` is in the whole reference."""
        columns = traffic(rng, begin - days * DAY, begin)
        if change is not None:
            change(columns, np.ones(len(columns["time"]), bool))
        rows = batch(columns)
        reference = replace(build(rows, Learning()), learned={})
        learned = learn(reference, rows, encode_with(reference, rows), 10.0)
        return cls(reference, learned, thresholds(learned), begin)

    def channel(self, name: str) -> int:
        return [c.name for c in self.reference.channels].index(name)

    def counters(self, columns: Columns, refused: str | None = None) -> tuple[Runs, Products]:
        """The counters of a stretch; ``refused``: the number that has NaN where its type was wrong."""
        rows = batch(columns)
        encoded = encode_with(self.reference, rows)
        wrong = np.zeros(encoded.bins.shape, bool)
        if refused is not None:
            wrong[self.channel(refused)] = np.isnan(columns[refused])
        told = ticks_of(self.reference, rows, encoded, self.learned.limits, None, 10.0, refused=wrong)
        return told.ticks, products_of(self.learned.scores, encoded.bins, rows.times)

    def turns(
        self,
        rng: np.random.Generator,
        hours: float,
        change: Change | None = None,
        at: float = 0.0,
        ends: float = np.inf,
        refused: str | None = None,
    ) -> list[Turn]:
        """What is said of ``hours`` of traffic; from ``at`` to ``ends`` hours ``change`` is in it."""
        columns = traffic(rng, self.begin, self.begin + hours * HOUR)
        age = (columns["time"] - self.begin) / HOUR
        if change is not None:
            change(columns, (age >= at) & (age < ends))
        panes, products = self.counters(columns, refused)
        return step(self.learned, self.limits, start(self.learned), panes, products)[1].turns

    def pages(self, turns: list[Turn]) -> list[tuple[str, str, float]]:
        """(channel, kind, hours) of the pages that opened."""
        names = [c.name for c in self.reference.channels]
        found = [t for t in turns if t.level == 2 and t.before < 2]
        return [(names[t.channel], str(t.kind), (t.time - self.begin) / HOUR) for t in found]
