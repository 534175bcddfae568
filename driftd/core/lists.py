"""Lists of numbers: class probabilities, embeddings. What is kept of each, and what is watched of them.

A list counts as its Euclidean norm wherever one number is wanted. Beside it ``coordinates`` keep a row of bounded width
for each event, among the fields of the batch: of a short list its numbers, of a longer one its direction. Nothing is
learned for that, so every reader of a partition makes the same of an event. What is learned with a reference is in its
channels (``Part``).

All coordinates of directions are whole multiples of STEP, and so is what is learned of them: sums of their products are
exact, so no value depends on which events were decoded together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LISTS: Final = "list."
"""Before the names of lists, among the fields of a batch."""
CLASSES: Final = "class."
"""Before the names of classes, among the fields of a batch: the probability of each, where the score is an object."""
SHORT: Final = 16
"""Numbers, or classes, up to which each has a channel. Chosen: as many as a model has other channels; each takes its
share of the budget and a microsecond an event."""
WIDE: Final = 64
"""Coordinates of a longer list. Derived: distances between sketches of so many are those of the vectors within
sqrt(2 / 64), 18 %, and always by as much for the same two; 260 bytes an event while a reference is learned."""
STEP: Final = 2.0**-14
"""Of coordinates of directions. Derived: with 131,072 numbers, more than a record holds, a coordinate has at most 23
bits, and a sum of 64 products of two at most 52: both are exact."""


def _signs() -> NDArray[np.float64]:
    """+1 or -1 for each of the first 2^17 numbers of a list, the same for ever: the raw bits of a generator whose
    sequence does not change. The first WIDE are +1: a list that fits is kept as it is.
    """
    bits = np.random.PCG64(11).random_raw(1 << 11).view(np.uint8)
    out = np.unpackbits(bits).astype(np.float64) * 2 - 1
    out[:WIDE] = 1
    return out


_SIGNS: Final = _signs()
_MOST: Final = float(np.finfo(np.float32).max)


def coordinates(values: Floats, sizes: NDArray[np.int64]) -> tuple[Floats, NDArray[np.float32]]:
    """Of lists end to end, ``sizes`` int64[n] long: norms float64[n], and float32[n, 1 + width] of length and
    coordinates, with 0 behind the last. A list of nothing has norm 0 and length 0.
    """
    n, norms = len(sizes), _norms(values, sizes)
    most = int(sizes.max(initial=0))
    width = WIDE if most > SHORT else most
    out = np.zeros((n, 1 + width), np.float32)
    out[:, 0] = sizes
    if most == 0:
        return norms, out
    if (sizes == most).all():  # as they nearly always are: no index of each number
        rows = values.reshape(n, most)
        out[:, 1:] = _directions(rows, norms) if most > SHORT else np.clip(rows, -_MOST, _MOST)
        return norms, out
    row = np.repeat(np.arange(n), sizes)
    place = np.arange(len(values)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    long = sizes > SHORT
    short = ~long[row]
    out[row[short], 1 + place[short]] = np.clip(values[short], -_MOST, _MOST)
    if long.any():
        at, where = row[~short], place[~short]
        signed = np.rint(values[~short] / _unit(norms)[at]) * _SIGNS[where & (len(_SIGNS) - 1)]
        sums = np.bincount(at * WIDE + where % WIDE, signed, n * WIDE).reshape(n, WIDE)
        out[long, 1:] = sums[long] * STEP
    return norms, out


def _directions(rows: Floats, norms: Floats) -> Floats:
    """float64[n, WIDE] of lists of one length."""
    n, length = rows.shape
    units = rows / _unit(norms)[:, None]
    np.rint(units, out=units)
    units *= np.resize(_SIGNS, length)
    whole = length // WIDE * WIDE
    out: Floats = units[:, :whole].reshape(n, -1, WIDE).sum(axis=1)
    out[:, : length - whole] += units[:, whole:]
    return out * STEP


def _unit(norms: Floats) -> Floats:
    """What is one STEP of a direction; of no direction anything."""
    return np.where(norms > 0, norms, 1) * STEP


def _norms(values: Floats, sizes: NDArray[np.int64]) -> Floats:
    """What is very large or small is scaled by a power of two, so that no square leaves the range of floats."""
    out = np.zeros(len(sizes))
    there = np.flatnonzero(sizes)
    if not len(there):
        return out
    starts = (np.cumsum(sizes) - sizes)[there]
    peak = np.maximum.reduceat(np.abs(values), starts)
    scale = np.where((peak > 1e100) | (peak < 1e-100), np.ldexp(1.0, np.frexp(peak)[1] - 1), 1.0)
    scale[peak == 0] = 1
    if (scale != 1).any():
        values = values / np.repeat(scale, sizes[there])
    with np.errstate(over="ignore"):
        norms = np.sqrt(np.add.reduceat(values * values, starts)) * scale
    out[there] = np.minimum(norms, np.finfo(np.float64).max)
    return out


def joined(parts: Sequence[NDArray[np.float32] | None], sizes: Sequence[int]) -> NDArray[np.float32]:
    """Coordinates end to end, as wide as the widest; no list where a part is None."""
    width = max(part.shape[1] for part in parts if part is not None)
    out = np.zeros((sum(sizes), width), np.float32)
    end = 0
    for part, n in zip(parts, sizes, strict=True):
        end += n
        if part is not None:
            out[end - n : end, : part.shape[1]] = part
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What one channel watches of the lists ``of`` that are ``length`` long; others have no value in it.

    what      "position", "cell" (the nearest centroid), "distance" (to it), "residual" (what the components leave),
              or "class": the probability of a class in a score that is an object
    position  which number of a short list, or which class
    learned   float64[k, WIDE] in multiples of STEP: centroids; of a residual the center, then the components
    name      of the class
    """

    of: str
    what: str
    length: int
    position: int = 0
    learned: NDArray[Any] | None = None
    name: str = ""

    def _of_class(self, fields: Mapping[str, Any]) -> Floats | None:
        """Where classes are places in a list, those of a list of another length are other classes: missing."""
        column = cast("Floats | None", fields.get(CLASSES + self.name))
        if column is None or self.name != str(self.position):
            return column
        last, beyond = (cast("Floats | None", fields.get(f"{CLASSES}{self.length + i}")) for i in (-1, 0))
        if last is None:
            return None
        other = np.isnan(last) if beyond is None else np.isnan(last) | ~np.isnan(beyond)
        return np.where(other, np.nan, column)

    def values(self, fields: Mapping[str, Any]) -> Floats | list[str | None] | None:
        """One for each event, missing where its list is, or has another length; None where no event has one."""
        if self.what == "class":
            return self._of_class(fields)
        rows = fields.get(LISTS + self.of)
        if rows is None:
            return None
        here = rows[:, 0] == self.length
        if self.what == "position":
            if rows.shape[1] <= 1 + self.position:
                return np.full(len(rows), np.nan)
            return np.where(here, rows[:, 1 + self.position].astype(np.float64), np.nan)
        assert self.learned is not None
        units = np.zeros((len(rows), WIDE))
        units[:, : rows.shape[1] - 1] = rows[:, 1:]
        here &= units.any(axis=1)
        if self.what == "residual":
            return np.where(here, residuals(units, self.learned), np.nan)
        squares = distances(units, self.learned)
        if self.what == "distance":
            return np.where(here, np.sqrt(squares.min(axis=1)), np.nan)
        names = np.array([*map(cell, range(len(self.learned))), None], object)
        out: list[str | None] = names[np.where(here, squares.argmin(axis=1), len(self.learned))].tolist()
        return out


def cell(number: int) -> str:
    """The name of a centroid's cell."""
    return f"cell {number}"


def distances(units: Floats, centroids: Floats) -> Floats:
    """float64[n, k]: squares of distances."""
    squares = (units * units).sum(axis=1)[:, None] - 2 * (units @ centroids.T) + (centroids * centroids).sum(axis=1)
    out: Floats = np.maximum(squares, 0)
    return out


def residuals(units: Floats, learned: Floats) -> Floats:
    """float64[n]: what is left of each vector without its part along the components."""
    off = units - learned[0]
    along = off @ learned[1:].T
    left: Floats = np.sqrt(np.maximum((off * off).sum(axis=1) - (along * along).sum(axis=1), 0))
    return left
