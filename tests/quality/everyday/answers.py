"""A model for the traffic: boosted sums of one-feature tables, so that its answers follow its inputs, broken or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

ROUNDS: Final = 25
RATE: Final = 0.2
SHRINK: Final = 20.0
"""Events that a bin's mean is shrunk by."""
TOP: Final = 40


@dataclass(frozen=True, slots=True)
class Table:
    """What one feature adds: by quantile bin of a number, or by category; the last entry is missing or unknown."""

    name: str
    edges: Floats
    codes: dict[str, int]
    values: Floats

    def place(self, column: NDArray[Any]) -> NDArray[np.intp]:
        last = len(self.values) - 1
        if self.codes:
            return np.array([self.codes.get(v, last) for v in column], np.intp)
        x = np.array([v if isinstance(v, float) else np.nan for v in column]) if column.dtype == object else column
        return np.where(np.isnan(x), last, np.searchsorted(self.edges, x)).astype(np.intp)


@dataclass(frozen=True, slots=True)
class Answers:
    """``of(columns)`` gives a prediction, and for classes the score it was cut from."""

    tables: tuple[Table, ...]
    base: float
    cut: float
    regression: bool

    @classmethod
    def fit(cls, columns: Columns, numbers: tuple[str, ...], categories: tuple[str, ...], *, regression: bool) -> Self:
        y = columns["label"].astype(np.float64)
        tables = [_table(name, columns[name], name in numbers) for name in (*numbers, *categories)]
        places = [t.place(columns[t.name]) for t in tables]
        base = (
            float(y.mean())
            if regression
            else float(np.log(y.mean().clip(0.01, 0.99) / (1 - y.mean().clip(0.01, 0.99))))
        )
        total = np.full(y.size, base)
        for _ in range(ROUNDS):
            for t, place in zip(tables, places, strict=True):
                rest = y - (total if regression else 1 / (1 + np.exp(-total)))
                n = np.bincount(place, minlength=t.values.size) + SHRINK
                step = RATE * np.bincount(place, weights=rest, minlength=t.values.size) / n * (1 if regression else 4)
                t.values[:] += step
                total += step[place]
        score = 1 / (1 + np.exp(-total))
        cut = float(np.round(np.quantile(score, 1 - max(y.mean(), 0.02)), 4)) if not regression else 0.0
        return cls(tuple(tables), base, cut, regression)

    def of(self, columns: Columns) -> Columns:
        total = np.full(len(columns["label"]), self.base)
        for t in self.tables:
            total += t.values[t.place(columns[t.name])]
        if self.regression:
            return {"prediction": np.round(total, 3)}
        score = np.round(1 / (1 + np.exp(-total)), 5)
        return {"score": score, "prediction": (score > self.cut).astype(np.float64)}


def _table(name: str, column: NDArray[Any], number: bool) -> Table:
    if number:
        edges = np.unique(np.nanquantile(column, np.linspace(0.03, 0.97, 31)))
        return Table(name, edges, {}, np.zeros(edges.size + 2))
    known, n = np.unique(np.array([v for v in column if v is not None], object).astype(str), return_counts=True)
    top = known[np.argsort(-n, kind="stable")[:TOP]]
    return Table(name, np.zeros(0), {str(v): i for i, v in enumerate(top)}, np.zeros(top.size + 1))
