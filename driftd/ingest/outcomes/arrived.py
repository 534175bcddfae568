"""What comes to be joined: of predictions and of labels that came alone no more than a pair is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from operator import itemgetter
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch, Scalar, scalars, versions
from driftd.core.lists import CLASSES
from driftd.core.trials import UNIT_RANGE
from driftd.core.values import as_numbers, category
from driftd.ingest.outcomes.pending import KEY_BYTES, Key, keys_of

Members = Callable[[EventBatch], Sequence[tuple[str, ...]]]
"""The segments that each event of a batch is in."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Predictions that have an id, n of them, in offset order.

    offsets int64[n]; times float64[n]; ``keys``: driftd.ingest.outcomes.pending; ``ids`` as text, None where nobody may
    see them; ``values``: what was predicted; ``labels`` that they came with, None: none did; scores and units
    float64[n], NaN where one has none; ``versions`` as in EventBatch; ``chances``: of each class float64[n];
    ``segments``: the sets of segments that there are, ``within`` int64[n] in which of them each is, None: in none.
    """

    offsets: NDArray[Any]
    times: NDArray[Any]
    keys: list[Key]
    values: list[Scalar]
    ids: list[str] | None = None
    labels: list[Scalar] | None = None
    scores: NDArray[Any] | None = None
    versions: str | list[str | None] | None = None
    variants: list[Scalar] | None = None
    units: NDArray[Any] | None = None
    chances: dict[str, NDArray[Any]] = field(default_factory=dict)
    segments: list[tuple[str, ...]] = field(default_factory=list)
    within: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def is_whole(self) -> bool:
        """Whether all columns have one value for each, of their kind."""
        each = None if isinstance(self.versions, str) else self.versions
        return (
            _are_rows(self.offsets, self.times, self.keys, (self.values, self.ids, self.labels, self.variants, each))
            and None not in self.values
            and all(_is_column(x, len(self), "f") for x in (self.scores, self.units, *self.chances.values()))
            and _is_column(self.within, len(self), "i")
            and (self.within is None or bool(np.isin(self.within, np.arange(len(self.segments))).all()))
            and (self.units is None or not ((self.units < 0) | (self.units >= UNIT_RANGE)).any())
        )

    def cut(self, begin: int, end: int) -> Self:
        """Those from the place ``begin`` to before ``end``."""
        at = slice(begin, end)
        return replace(
            self,
            offsets=self.offsets[at],
            times=self.times[at],
            keys=self.keys[at],
            values=self.values[at],
            ids=None if self.ids is None else self.ids[at],
            labels=None if self.labels is None else self.labels[at],
            scores=None if self.scores is None else self.scores[at],
            versions=self.versions[at] if isinstance(self.versions, list) else self.versions,
            variants=None if self.variants is None else self.variants[at],
            units=None if self.units is None else self.units[at],
            chances={name: column[at] for name, column in self.chances.items()},
            within=None if self.within is None else self.within[at],
        )

    def chances_of(self) -> Callable[[int], dict[str, float] | None]:
        """The probability of each class, by the place of a prediction."""
        if not self.chances:
            return lambda _: None
        columns = [(name, column.tolist()) for name, column in self.chances.items()]
        return lambda i: {name: values[i] for name, values in columns if not isnan(values[i])} or None


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labels that came alone, n of them, in offset order; the columns as in Predictions, ``times`` of when each became
    known.
    """

    offsets: NDArray[Any]
    times: NDArray[Any]
    keys: list[Key]
    values: list[Scalar]
    ids: list[str] | None = None

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def is_whole(self) -> bool:
        """Whether all columns have one value for each, of their kind."""
        return _are_rows(self.offsets, self.times, self.keys, (self.values, self.ids)) and None not in self.values

    def cut(self, begin: int, end: int) -> Self:
        """Those from the place ``begin`` to before ``end``."""
        at = slice(begin, end)
        ids = None if self.ids is None else self.ids[at]
        return replace(
            self, offsets=self.offsets[at], times=self.times[at], keys=self.keys[at], values=self.values[at], ids=ids
        )


@dataclass(frozen=True, slots=True, eq=False)
class Arrived:
    """What a stretch of a partition has of one model. ``nameless`` int64: the offsets of predictions without an id,
    which nothing can be joined to.
    """

    predictions: Predictions | None = None
    labels: Labels | None = None
    nameless: NDArray[Any] = field(default_factory=lambda: np.empty(0, np.int64))

    @classmethod
    def of(cls, batch: EventBatch, members: Members | None = None, *, named: bool = True) -> Self:
        """Of a batch of events. ``members``: None where the model has no segments; ``named``: with their ids."""
        found, nameless = (None, np.empty(0, np.int64)) if not len(batch) else _predictions(batch, members, named)
        return cls(found, _labels(batch, named), nameless)

    @property
    def is_whole(self) -> bool:
        parts = [part for part in (self.predictions, self.labels) if part is not None]
        return _is_column(self.nameless, len(self.nameless), "i") and all(part.is_whole for part in parts)

    @property
    def offsets(self) -> NDArray[Any]:
        """Of everything, each once, in order."""
        parts = [part.offsets for part in (self.predictions, self.labels) if part is not None]
        return np.unique(np.concatenate([self.nameless, *parts]))

    def before(self, offset: int) -> Self:
        return self._cut(None, offset)

    def since(self, offset: int) -> Self:
        return self._cut(offset, None)

    def _cut(self, begin: int | None, end: int | None) -> Self:
        def between(offsets: NDArray[Any]) -> tuple[int, int]:
            first = 0 if begin is None else int(np.searchsorted(offsets, begin))
            return first, len(offsets) if end is None else int(np.searchsorted(offsets, end))

        predictions, labels = self.predictions, self.labels
        first, last = between(self.nameless)
        return replace(
            self,
            predictions=None if predictions is None else predictions.cut(*between(predictions.offsets)),
            labels=None if labels is None else labels.cut(*between(labels.offsets)),
            nameless=self.nameless[first:last],
        )


def _are_rows(
    offsets: NDArray[Any], times: NDArray[Any], keys: Sequence[Key], lists: Sequence[Sequence[Any] | None]
) -> bool:
    return (
        _is_column(offsets, len(keys), "i")
        and _is_column(times, len(keys), "f")
        and set(map(len, keys)) <= {KEY_BYTES}
        and all(column is None or len(column) == len(keys) for column in lists)
        and bool(np.isfinite(times).all() and (np.diff(offsets) >= 0).all())
    )


def _is_column(x: NDArray[Any] | None, n: int, kind: str) -> bool:
    return x is None or (x.shape == (n,) and x.dtype.kind == kind and x.dtype.itemsize == 8)


def _predictions(batch: EventBatch, members: Members | None, named: bool) -> tuple[Predictions | None, NDArray[Any]]:
    nobody = np.empty(0, np.int64)
    if batch.prediction is None:
        return None, nobody
    n, values, ids = len(batch), scalars(batch.prediction), _texts(batch.ids, len(batch))
    there = [value is not None for value in values]
    known = [yes and name is not None for yes, name in zip(there, ids, strict=True)]
    nameless = batch.offsets[np.array(there) & ~np.array(known)]
    if not any(known):
        return None, nameless
    at = np.flatnonzero(known)
    pick = _all if len(at) == n else _picker(at)
    texts = [str(name) for name in pick(ids)]
    each = versions(batch)
    variants, label = batch.fields.get("variant"), batch.label
    segments, within = ([], None) if members is None else _sets(pick(members(batch)))
    chances = {name.removeprefix(CLASSES): c for name, c in batch.fields.items() if name.startswith(CLASSES)}
    units, scores = batch.fields.get("unit"), batch.score
    return (
        Predictions(
            batch.offsets[at],
            batch.times[at],
            keys_of(batch.model, texts),
            [*pick(values)],
            texts if named else None,
            None if label is None else [*pick(scalars(label))],
            None if scores is None else as_numbers(scores)[at],
            batch.version if batch.version is None or isinstance(batch.version, str) else [*pick(each)],
            None if variants is None else [*pick(scalars(variants))],
            None if units is None else as_numbers(units)[at],
            {name: as_numbers(column)[at] for name, column in chances.items()},
            segments,
            within,
        ),
        nameless,
    )


def _labels(batch: EventBatch, named: bool) -> Labels | None:
    alone = batch.labels_alone
    if alone is None or not len(alone):
        return None
    ids = [str(name) for name in _texts(alone.ids, len(alone))]
    keys = keys_of(batch.model, ids)
    return Labels(alone.offsets, alone.times, keys, [*alone.labels], ids if named else None)


def _all(values: Sequence[Any]) -> Sequence[Any]:
    return values


def _picker(at: NDArray[np.intp]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    if len(at) == 1:
        (place,) = at.tolist()
        return lambda values: [values[place]]
    return itemgetter(*at.tolist())


def _sets(each: Sequence[tuple[str, ...]]) -> tuple[list[tuple[str, ...]], NDArray[np.int64]]:
    places = {one: place for place, one in enumerate(dict.fromkeys(each))}
    return [*places], np.fromiter(map(places.__getitem__, each), np.int64, len(each))


def _texts(ids: Sequence[Scalar] | None, n: int) -> list[str | None]:
    """7 and "7" are the same id."""
    if ids is None:
        return [None] * n
    return [None if v is None else v if isinstance(v, str) else category(v) for v in ids]
