"""The rule of an experiment: which variants of a model are compared, by what, and what difference matters."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import msgspec

BUCKETS: Final = 256
"""Of units by their hash: the clusters whose differences say how sure an estimate is. More would be no better where a
guarantee needs 30 of them, and cost state."""
RESOLUTION: Final = 1e-6
"""Values are summed in whole millionths, so that sums are the same in any order."""
MOST_VALUE: Final = 1e6
"""Of one event: beyond it a value counts as this. Millions of events of it can be summed in int64."""
COLUMNS_A_METRIC: Final = 2
"""Events that have it, and their sum."""
FIRST_COLUMNS: Final = 2
"""Of a bucket before those of its metrics: events, and those that named their unit."""
STRATUM_SECONDS: Final = 60.0
"""Variants are compared within stretches so long, or panes where these are longer, and never across: traffic that is
shifted while the level moves would look like a difference. Chosen: at an event a second and a tenth of it for the
challenger both have events in each, and a step of a rollout takes longer."""


class Measure(StrEnum):
    """What is compared."""

    ERRORS = "errors"  # share of calls that failed
    LATENCY = "latency"  # share of calls that took longer than a threshold
    QUALITY = "quality"  # share of predictions that differ from the label; with a cap the distance
    SCORE = "score"  # mean
    COST = "cost"  # mean money of an event


class Role(StrEnum):
    GOAL = "goal"  # to be better at
    GUARDRAIL = "guardrail"  # not to be worse at


class By(StrEnum):
    """What names the variant of an event."""

    VARIANT = "variant"
    VERSION = "version"


@dataclass(frozen=True, slots=True)
class Metric:
    """``margin``: the smallest difference that matters, in the metric's unit. ``higher``: more of it is better.
    ``beyond``: the threshold of a latency in seconds. ``cap``: values count as at most this, and at least minus this.
    """

    measure: Measure
    margin: float
    role: Role = Role.GUARDRAIL
    higher: bool = False
    beyond: float | None = None
    cap: float | None = None

    @property
    def name(self) -> str:
        return f"{self.measure.value}_over_{self.beyond:g}s" if self.beyond is not None else self.measure.value

    @property
    def share(self) -> bool:
        """Whether each event has or has not what is counted."""
        quality = self.measure is Measure.QUALITY and self.cap is None
        return quality or self.measure in {Measure.ERRORS, Measure.LATENCY}

    @property
    def unit(self) -> float:
        """Of a whole number in sums."""
        return 1.0 if self.share else RESOLUTION


@dataclass(frozen=True, slots=True)
class Shares:
    """The traffic that each arm is to get, from ``start`` on, in epoch seconds; they add up to 1."""

    start: float
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """``arms``: the champion, then its challengers. ``start``: events before it do not count, epoch seconds.
    ``shares`` by ascending start; none: nobody said, so nobody can test them. ``shadow``: challengers answer requests
    that the champion answers, too, and nobody sees what they answer.
    """

    name: str
    model: str
    arms: tuple[str, ...]
    metrics: tuple[Metric, ...]
    alpha: float = 0.05
    by: By = By.VARIANT
    start: float = 0.0
    shares: tuple[Shares, ...] = ()
    shadow: bool = False

    @property
    def champion(self) -> str:
        return self.arms[0]

    @property
    def challengers(self) -> tuple[str, ...]:
        return self.arms[1:]

    @property
    def id(self) -> str:
        """What makes it another comparison, which begins anew; shares may change, since each stretch is its own."""
        about = (self.model, self.arms, self.metrics, self.alpha, self.by, self.start)
        said = msgspec.json.encode((*about, "shadow") if self.shadow else about)
        return f"{self.name}/{hashlib.sha256(said).hexdigest()[:12]}"

    @property
    def level(self) -> float:
        """The chance of a wrong verdict of one challenger on one metric: together they have ``alpha``."""
        return self.alpha / (len(self.challengers) * len(self.metrics))

    @property
    def of_labels(self) -> Rule | None:
        """The same on joined labels, which have nothing but quality."""
        own = tuple(m for m in self.metrics if m.measure is Measure.QUALITY)
        return replace(self, metrics=own, alpha=self.level * len(self.challengers) * len(own)) if own else None

    @property
    def columns(self) -> int:
        """Of one bucket."""
        return FIRST_COLUMNS + COLUMNS_A_METRIC * len(self.metrics)

    @property
    def width(self) -> int:
        """Columns of a pane: arm, bucket, and those of the bucket; the last is events of variants that are no arm."""
        return len(self.arms) * BUCKETS * self.columns + 1
