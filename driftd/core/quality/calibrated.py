"""How right a model of several classes should be by the probability of each class, without labels (CBPE).

    p_c(event) = table[class][bin of its probability], then divided by their sum
    expected confusion [label c, prediction y] += p_c

The tables are isotonic, learned with the reference (driftd.learn.calibrated); REPLICATES of them from other draws of
its events say how unsure they are. All of it are sums over events, so panes add up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.quality.expected import REPLICATES, T
from driftd.core.quality.intervals import Z
from driftd.core.quality.scoring import BINS, ID, number, parts
from driftd.core.quality.sums import Outcomes, SparseSums, merged
from driftd.core.quality.unlabelled import LEAST_EVENTS, MOST_OUTSIDE, Estimate

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

STATISTICS: Final = ("accuracy", "precision_macro", "recall_macro", "f1_macro")
"""What there is an estimate of; the first has an interval."""
PREFIX: Final = "calibrated."
"""In ``Reference.learned``."""
EVENTS, OUTSIDE, SPREAD = 0, 1, 2
"""First columns of the sums: events, those without a probability of each class, and in two the variance of right ones;
then two for each replicate of the right ones, and two for each cell of the expected confusion counts."""
_RIGHT: Final = SPREAD + 2
_CELLS: Final = _RIGHT + 2 * REPLICATES


@dataclass(frozen=True, eq=False)
class Calibrated:
    """``tables`` float32[1 + REPLICATES, classes, BINS]; ``events`` with a label that they were learned from; ``id``:
    the same where the sums mean the same.
    """

    classes: tuple[str, ...]
    tables: NDArray[np.float32]
    events: int
    id: str = ""

    def identified(self) -> Self:
        about = repr(self.classes).encode("utf-8", "surrogatepass") + self.tables.tobytes()
        return replace(self, id=hashlib.blake2b(about, digest_size=ID // 2).hexdigest())

    @property
    def width(self) -> int:
        return _CELLS + 2 * len(self.classes) ** 2

    def probabilities(self, chances: Floats) -> Floats:
        """float64[1 + REPLICATES, n, classes] of ``chances`` float64[n, classes] as they came: they sum to 1."""
        at, k = np.minimum((chances * BINS).astype(np.int64), BINS - 1), np.arange(len(self.classes))
        out = self.tables[:, k, at].astype(np.float64)
        sums = out.sum(axis=2, keepdims=True)
        shares: Floats = np.divide(out, sums, out=np.full_like(out, 1 / len(k)), where=sums > 0)
        return shares

    def sums(self, chances: Floats, codes: NDArray[np.intp], outside: int, panes: Counts) -> dict[str, SparseSums]:
        """Of events with these ``chances`` float64[n, classes] of which the class ``codes`` was predicted, by pane;
        those that are ``outside`` have a pane alone, behind the others.
        """
        n, size = len(codes), len(self.classes)
        found = self.probabilities(chances)
        right = found[:, np.arange(n), codes]
        numbers = [right[0] * (1 - right[0]), *right[1:]]
        inside, missing = panes[:n], panes[n : n + outside]
        keys = [panes * self.width + EVENTS, missing * self.width + OUTSIDE]
        values = [np.ones(len(panes), np.int64), np.ones(len(missing), np.int64)]
        for place, each in enumerate(numbers):
            for low, part in enumerate(parts(each)):
                keys.append(inside * self.width + SPREAD + 2 * place + low)
                values.append(part)
        for label in range(size):
            for low, part in enumerate(parts(found[0][:, label])):
                keys.append(inside * self.width + _CELLS + 2 * (label * size + codes) + low)
                values.append(part)
        return {self.id: SparseSums.of(self.width, np.concatenate(keys), np.concatenate(values))}

    def estimate(self, outcomes: Outcomes) -> Estimate:
        """Of a window with these sums. NaN of too few events, and where too many lack a probability of each class."""
        own = [sums for name, sums in outcomes.items() if name == self.id]
        whole = merged(own).whole if own else np.zeros(self.width, np.int64)
        events, size = int(whole[EVENTS]), len(self.classes)
        values, outside = np.full((len(STATISTICS), 3), np.nan), whole[OUTSIDE] / events if events else 0.0
        n = events - int(whole[OUTSIDE])
        if n < LEAST_EVENTS or self.events < LEAST_EVENTS or outside > MOST_OUTSIDE:
            return Estimate(events, values, float(outside), STATISTICS)
        pairs = whole[SPREAD:].reshape(-1, 2)
        numbers = number(pairs[:, 0], pairs[:, 1])
        counts = numbers[1 + REPLICATES :].reshape(size, size)
        hits, labels, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
        right = float(hits.sum() / n)
        now, before = np.sqrt(numbers[0]) / n, np.std(numbers[1 : 1 + REPLICATES] / n, ddof=1)
        half = float(np.hypot(Z * now, T * before))
        values[0] = right, max(right - half, 0.0), min(right + half, 1.0)
        there = labels > 0
        each = (hits / np.where(predicted > 0, predicted, 1), hits / np.where(there, labels, 1),
                2 * hits / np.where(labels + predicted > 0, labels + predicted, 1))  # fmt: skip
        values[1:, 0] = [float(x[there].mean()) for x in each]
        return Estimate(events, values, float(outside), STATISTICS)

    @classmethod
    def of(cls, learned: Mapping[str, NDArray[Any]]) -> Self | None:
        """As ``table`` wrote it."""
        if f"{PREFIX}tables" not in learned:
            return None
        classes = tuple(map(str, learned[f"{PREFIX}classes"].tolist()))
        (events,), (known,) = learned[f"{PREFIX}events"].tolist(), learned[f"{PREFIX}id"].tolist()
        return cls(classes, learned[f"{PREFIX}tables"].astype(np.float32, copy=False), int(events), str(known))

    def table(self) -> dict[str, NDArray[Any]]:
        """What belongs beside the reference: ``Reference.learned``."""
        return {
            f"{PREFIX}classes": np.array(self.classes, np.str_),
            f"{PREFIX}tables": self.tables,
            f"{PREFIX}events": np.array([self.events]),
            f"{PREFIX}id": np.array([self.id], np.str_),
        }
