"""How the events of a model that have a label are counted: which classes, which score, about which mean.

classes     no yes other    columns of the sums: right | confusion counts 3 x 3 | scores: histogram, calibration, losses
                            | of more than two classes: the histogram of each one's probability
numbers     center, scale   columns of the sums: events | sums of e, e**2, ... with e = (prediction - label) / scale

A sum of numbers is kept in two columns of whole numbers, so that it does not depend on the order of events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.quality.sums import Outcomes, SparseSums
from driftd.core.values import number_in

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST_CLASSES: Final = 50
"""Classes that have counts of their own; the rest count as one. Chosen: 51 x 51 counts are 20 kB where all occur."""
OTHER: Final = "__other__"
BINS: Final = 256
"""Of scores, of equal width: their edges are exact in binary, so no rounding moves a score to its neighbour."""
_MIDDLE: Final = np.arange(8, 121) / 128
_SMALL: Final = np.append(0.0, 2.0 ** -np.arange(16, 4, -1)[:, None] * (1 + np.arange(4) / 4))
EDGES: Final = np.concatenate([_SMALL, _MIDDLE, 1 - _SMALL[:0:-1]])
"""Lower ends of bins of one class's probability, exact in binary: 1/128 in the middle, below 1/16 and beyond 15/16 four
for each half, down to 2**-16. Of several classes most probabilities lie near 0: bins of equal width would tie them."""
CALIBRATION_BINS: Final = 10
"""Of scores, of equal width: what everybody's calibration error has."""
LEAST_PROBABILITY: Final = 1e-15
"""Scores are clipped there for log loss: one that was sure and wrong costs 34.5."""
UNIT: Final = 2.0**-40
"""Of sums of numbers: 1e-12."""
LOW_BITS: Final = 30
"""Of the column with the low part. Derived: 2**33 events do not overflow it, and of numbers up to LIMIT 2**31 events
not that with the high part."""
LIMIT: Final = 2.0**22
"""Greatest number of which there is a sum."""
FAR: Final = 2.0**11
"""Errors and distances from the mean are clipped there, in units of the scale, as their squares are summed."""
ID: Final = 8
"""Letters of ``Scoring.id``."""
PREFIX: Final = "quality."
"""In ``Reference.learned``."""

RIGHT, BAD_SCORE = 0, 1
"""First columns of classes: predictions that equal the label, and scores that are no probability."""
CONFUSION: Final = 2
"""First column of counts [label, prediction]."""
LOSSES: Final = ("log_loss", "log_loss_squared", "brier", "brier_squared")
"""Sums over events with a score, two columns each; of more than two classes over those with one of each class."""
EVENTS, CLIPPED = 0, 1
"""First columns of numbers: events, and those that were clipped."""
ERRORS: Final = ("error", "absolute", "square", "fourth", "distance", "distance_squared", "size")
"""Sums of numbers, two columns each: of e, abs e, e**2, e**4, of y - mean and its square, and of abs y."""


@dataclass(frozen=True, eq=False)
class Scoring:
    """``classes``: texts of the classes, in order; none where predictions are numbers. ``positive``: of two classes the
    one whose probability the score is, or would be; -1 otherwise. ``of_predicted``: the score is the probability of the
    class that was predicted. ``areas``: places of the classes that have a histogram of their probability, of more than
    two. ``center`` of labels and ``scale``, a power of two near their standard deviation.
    """

    classes: tuple[str, ...] = ()
    numbers: bool = False
    positive: int = -1
    of_predicted: bool = False
    center: float = 0.0
    scale: float = 1.0
    areas: tuple[int, ...] = ()

    @cached_property
    def id(self) -> str:
        """The same where the columns mean the same."""
        about = [self.classes, self.numbers, self.positive, self.of_predicted, self.center, self.scale]
        if self.many:
            about = [*about, "with losses", *([self.areas] if self.areas else [])]
        return hashlib.blake2b(repr(tuple(about)).encode("utf-8", "surrogatepass"), digest_size=ID // 2).hexdigest()

    @cached_property
    def codes(self) -> dict[str | float, int]:
        """The place of each class as ``driftd.core.values.comparable`` has it."""
        return {number_in(text): place for place, text in enumerate(self.classes)}

    @property
    def sides(self) -> int:
        """Classes with the rest as one more."""
        return len(self.classes) + 1

    @property
    def histogram(self) -> int:
        """First column of scores by bin: of negatives, then of positives."""
        return CONFUSION + self.sides**2

    @property
    def calibration(self) -> int:
        """First column by bin of calibration: negatives, positives, sums of scores in high parts and in low ones."""
        return self.histogram + 2 * BINS

    @property
    def losses(self) -> int:
        """First column of LOSSES."""
        return self.calibration + 4 * CALIBRATION_BINS

    @property
    def weighed(self) -> int:
        """The column of events in LOSSES, where that are not all with a score: there are more than two classes."""
        return self.losses + 2 * len(LOSSES)

    @property
    def chances(self) -> int:
        """First column of probabilities by bin: of each of ``areas`` those of other labels, then of its own."""
        return self.weighed + self.many

    @property
    def many(self) -> bool:
        """Whether predictions are classes and none of them is the positive one."""
        return not self.numbers and self.positive < 0

    @property
    def width(self) -> int:
        """Columns."""
        return CLIPPED + 1 + 2 * len(ERRORS) if self.numbers else self.chances + 2 * len(EDGES) * len(self.areas)

    def own(self, outcomes: Outcomes) -> dict[str, SparseSums]:
        """What was counted so, by version."""
        return {name[ID:]: sums for name, sums in outcomes.items() if name[:ID] == self.id}

    @classmethod
    def of(cls, learned: Mapping[str, NDArray[Any]]) -> Self | None:
        """As ``table`` wrote it; None where predictions are not known."""
        if f"{PREFIX}about" not in learned:
            return None
        numbers, positive, predicted, center, scale = learned[f"{PREFIX}about"].tolist()
        classes = tuple(map(str, learned[f"{PREFIX}classes"].tolist()))
        areas = tuple(map(int, learned[f"{PREFIX}areas"].tolist())) if f"{PREFIX}areas" in learned else ()
        return cls(classes, bool(numbers), int(positive), bool(predicted), center, scale, areas)

    def table(self, sums: SparseSums | None) -> dict[str, NDArray[Any]]:
        """What belongs beside the reference: ``Reference.learned``, with the sums of its own events."""
        about = [float(self.numbers), float(self.positive), float(self.of_predicted), self.center, self.scale]
        out: dict[str, NDArray[Any]] = {
            f"{PREFIX}about": np.array(about, np.float64),
            f"{PREFIX}classes": np.array(self.classes, np.str_),
        }
        if self.areas:
            out[f"{PREFIX}areas"] = np.array(self.areas, np.int64)
        if sums is not None and len(sums):
            out |= {f"{PREFIX}keys": sums.keys, f"{PREFIX}values": sums.values}
        return out

    def known(self, learned: Mapping[str, NDArray[Any]]) -> SparseSums | None:
        """The sums of the reference's own events; None where none of them had a label."""
        if f"{PREFIX}keys" not in learned:
            return None
        return SparseSums(self.width, learned[f"{PREFIX}keys"], learned[f"{PREFIX}values"])


def parts(values: Floats) -> tuple[Counts, Counts]:
    """Numbers up to LIMIT in whole numbers, high and low parts: sums of them are exact."""
    units = np.rint(np.clip(values, -LIMIT, LIMIT) / UNIT).astype(np.int64)
    return units >> LOW_BITS, units & ((1 << LOW_BITS) - 1)


def number(high: Counts, low: Counts) -> Floats:
    """What two columns are together."""
    out: Floats = high * (UNIT * 2.0**LOW_BITS) + low * UNIT
    return out
