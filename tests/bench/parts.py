"""What each part costs an event: labels, estimates, experiments, segments, cost, lists; beside the same without it.

python -m tests.bench.parts            # or python -m tests.bench --only parts

JSON records of one model with ten features, decoded, counted and judged in this process, the parts by turns. A label
that comes later is a record of its own; what both records take is told of one prediction.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from driftd.config import Model, Settings
from driftd.config.experiments import ExperimentSetting, MetricSetting
from driftd.config.segments import SegmentsSetting
from driftd.config.service import PriceSetting, PricesSection
from driftd.config.watching import LearningSection
from driftd.core.event import RecordBatch
from driftd.decode import Limits
from driftd.decode.json.codec import EventsCodec
from driftd.engine.state import State
from driftd.wiring.app import pipeline_of

POLL, LEARN, ROUNDS, EACH, RATE = 500, 2000, 5, 5000, 100.0
BEGIN: Final = 1_795_392_000.0
WARM: Final = 15_000
"""Events before the first round: models and segments have learned by then, labels that come later too."""
DELAY: Final = 60.0
"""Seconds until a label comes by itself."""
COUNTRIES: Final = ("DE", "FR", "IT", "US", "ES")

Change = Callable[[dict[str, Any], int, np.random.Generator], list[dict[str, Any]]]
"""(event, its number, random numbers) -> the records that it makes, in the place of the event alone."""


@dataclass(frozen=True)
class Part:
    """``settings`` of driftd beside those of all."""

    name: str
    change: Change
    settings: dict[str, Any] = field(default_factory=dict)


def with_fields(**fields: Callable[[int, np.random.Generator], Any]) -> Change:
    return lambda event, i, rng: [event | {name: make(i, rng) for name, make in fields.items()}]


def labelled(event: dict[str, Any], _: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    return [event | {"label": event["prediction"] if rng.random() < 0.9 else "no"}]


def later(event: dict[str, Any], i: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """The label of the prediction of a minute before."""
    before = i - int(DELAY * RATE)
    label = {"model": "m", "id": f"e{before}", "label": "yes" if rng.random() < 0.5 else "no", "time": event["time"]}
    return [event | {"id": f"e{i}"}, *([label] if before >= 0 else [])]


def classes(event: dict[str, Any], i: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Labels as long as driftd learns."""
    x = dict(zip(("cat", "dog", "owl"), np.round(rng.dirichlet([1, 1, 1]), 3).tolist(), strict=True))
    best = max(x, key=x.__getitem__)
    return [event | {"prediction": best, "score": x} | ({"label": best if i % 3 else "dog"} if i < LEARN else {})]


def one_class(event: dict[str, Any], i: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    (more,) = classes(event, i, rng)
    return [more | {"score": more["score"][more["prediction"]]}]


def numbers(event: dict[str, Any], i: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    x = round(float(event["features"]["x0"]), 3)
    return [event | {"prediction": x} | ({"label": round(x + float(rng.normal()), 3)} if i < LEARN else {})]


def country(event: dict[str, Any], i: int, _: np.random.Generator) -> list[dict[str, Any]]:
    return [event | {"features": event["features"] | {"country": COUNTRIES[i % len(COUNTRIES)]}}]


SEGMENTS: Final = SegmentsSetting(fields=("country",), values={"country": COUNTRIES})
SEGMENTED: Final = {"models": (Model(name="m", segments=SEGMENTS),)}
TRIED: Final = ExperimentSetting(
    name="e", model="m", champion="a", challengers=("b",), metrics=(MetricSetting(measure="score", margin=0.01),)
)
PRICED: Final = PricesSection(models=(PriceSetting(input=3.0, output=15.0),))
EMBEDDING: Final = np.round(np.random.default_rng(5).normal(size=(8, 128)), 4)

PARTS: Final = (
    Part("ten features, prediction and score", lambda event, _, __: [event]),
    Part("and a label in the event", labelled),
    Part("and a label that comes a minute later", later),
    Part("three classes, one score, labels in the reference", one_class),
    Part("and a score for each class: channels and estimate", classes),
    Part("numbers, labels in the reference: estimate of errors", numbers),
    Part("a category more", country),
    Part("and its five segments", country, SEGMENTED),
    Part(
        "and labels that come later, by segment",
        lambda event, i, rng: later(country(event, i, rng)[0], i, rng),
        SEGMENTED,
    ),
    Part(
        "variant and unit, an experiment on the score",
        with_fields(variant=lambda i, _: "ab"[i % 2], unit=lambda i, _: f"u{i % 1000}"),
        {"experiments": (TRIED,)},
    ),
    Part(
        "tokens with a price",
        with_fields(cost=lambda i, rng: {"tokens_in": 100 + i % 50, "tokens_out": int(rng.integers(10, 90))}),
        {"prices": PRICED},
    ),
    Part(
        "an embedding of 128 numbers",
        lambda event, i, _: [event | {"features": event["features"] | {"e": EMBEDDING[i % 8].tolist()}}],
    ),
)


class Watching:
    def __init__(self, part: Part) -> None:
        self.part, self.state, self.at, self.offset = part, State(), 0, 0
        self.rng = np.random.default_rng(1)
        self.codec = EventsCodec(Limits())
        self.pipeline = pipeline_of(Settings(**{"learning": LearningSection(events=LEARN), **part.settings}))

    def records(self, events: int) -> Iterator[list[bytes]]:
        for begin in range(self.at, self.at + events, POLL):
            out = list[bytes]()
            for i in range(begin, begin + POLL):
                features = {f"x{k}": v for k, v in enumerate(np.round(self.rng.normal(size=10), 4).tolist())}
                event = {"model": "m", "time": BEGIN + i / RATE, "features": features}
                event |= {"prediction": "yes" if i % 2 else "no", "score": round(self.rng.random(), 4)}
                out += [json.dumps(record).encode() for record in self.part.change(event, i, self.rng)]
            yield out
        self.at += events

    def read(self, events: int) -> float:
        """Processor seconds."""
        spent = 0.0
        for values in self.records(events):
            end = self.offset + len(values)
            now = BEGIN + (self.at + events) / RATE
            batch = RecordBatch("t", 0, np.arange(self.offset, end), np.full(len(values), now), values, end)
            began = time.process_time()
            decoded = self.codec.decode(batch, self.pipeline.schemas.of(self.state))
            self.pipeline.ingest(self.state, ("t", 0), end, decoded)
            self.pipeline.settle(self.state)
            spent += time.process_time() - began
            self.offset = end
        return spent


def measure() -> list[dict[str, Any]]:
    every = [*map(Watching, PARTS)]
    for each in every:
        each.read(WARM)
    micros = np.median([[each.read(EACH) / EACH * 1e6 for each in every] for _ in range(ROUNDS)], axis=0)
    table = [{"part": part.name, "us_per_event": round(float(us), 1)} for part, us in zip(PARTS, micros, strict=True)]
    for row in table:
        print(f"  {row['part']:<56} {row['us_per_event']:6.1f} us an event", flush=True)
    return table


if __name__ == "__main__":
    measure()
