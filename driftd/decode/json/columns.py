"""Decoded events of one model to columns: what every path ends in, so that all give the same values."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, compress
from operator import attrgetter
from types import NoneType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Channel
from driftd.core.event import (
    MAX_NAME_BYTES,
    SEGMENTS,
    Column,
    EventBatch,
    Kind,
    LabelBatch,
    NumericColumn,
    Scalar,
    Schema,
    scalars,
)
from driftd.core.hashing import Hasher
from driftd.core.lists import CLASSES, LISTS, coordinates
from driftd.core.values import MAX_CATEGORY_CHARS, TRUTHS, category
from driftd.decode.fields import COLUMNS, COSTS, MOST_COST, MOST_SCORED, MOST_SEGMENTS, Holds
from driftd.decode.json.compiled import CompiledSchema
from driftd.decode.json.lists import by_place, singles
from driftd.decode.limits import LATEST_TIME

_FRAME: Final = ("time", "features", "version", "id")
_read: Final = attrgetter(*_FRAME, *(field.name for field in COLUMNS))
_TABLES: Final = frozenset({Holds.NUMBERS, Holds.STRINGS})
"""Fields that have columns for each of their names."""
_NAIVE: Final = -1.0
"""Stands for a time without an offset: like every time before 1970 it goes to the strict path to be refused."""


class Table:
    """The events of one model, transposed; the k-th entry of each column is of the k-th event."""

    __slots__ = ("features", "fields", "ids", "times", "versions")

    def __init__(self, events: Sequence[Any]) -> None:
        size = len(_FRAME) + len(COLUMNS)
        columns: Iterable[Any] = zip(*map(_read, events), strict=True) if events else ((),) * size
        self.times, self.features, self.versions, self.ids, *rest = columns
        self.fields: dict[str, Sequence[Any]] = {f.name: c for f, c in zip(COLUMNS, rest, strict=True)}
        self.fields["prediction"] = singles(self.fields["prediction"])
        self.fields["score"] = by_place(self.fields["score"])

    def without(self, places: Collection[int]) -> Table:
        """The events but for those at these places."""
        return self._those([place not in places for place in range(len(self.times))])

    def only(self, places: Collection[int]) -> Table:
        """The events at these places."""
        return self._those([place in places for place in range(len(self.times))])

    def _those(self, stays: Sequence[bool]) -> Table:
        out = Table(())
        out.times, out.features, out.versions, out.ids = (
            tuple(compress(column, stays)) for column in (self.times, self.features, self.versions, self.ids)
        )
        out.fields = {name: tuple(compress(column, stays)) for name, column in self.fields.items()}
        return out

    def event_times(self, timestamps: NDArray[np.float64], fallback: NDArray[np.float64] | None) -> NumericColumn:
        """Epoch seconds: the event's own, else the envelope's, else the record's; NaN where there is none."""
        try:
            times = np.fromiter(self.times, np.float64, len(self.times))
        except TypeError:
            times = np.array([_seconds(t) for t in self.times], np.float64)
        if np.isnan(times).any():
            if fallback is not None:
                times = np.where(np.isnan(times), fallback, times)
            times = np.where(np.isnan(times), timestamps, times)
        return times

    def event_ids(self, fallback: Sequence[str | None] | None) -> Sequence[Any] | None:
        """The event's own, else the envelope's; None where no event has one."""
        if fallback is None:
            return self.ids if _filled(self.ids) else None
        return [other if mine is None else mine for mine, other in zip(self.ids, fallback, strict=True)]

    def labels_alone(self, ids: Sequence[Any] | None) -> set[int]:
        """Events that are a label with an id, and have neither prediction nor features."""
        if ids is None:
            return set()
        labels = self.fields["label"]
        return {i for i in self._empty() if labels[i] is not None and ids[i] is not None}

    def doubtful(
        self, times: NumericColumn, timestamps: NDArray[np.float64], future_seconds: float, alone: Collection[int] = ()
    ) -> set[int]:
        """Events that the strict path must look at, because types alone do not say that they are good; ``alone``: those
        of ``labels_alone``.
        """
        with np.errstate(invalid="ignore"):
            good = (times >= 0) & (times < LATEST_TIME) & ~(times > timestamps + future_seconds)
            for values in (self.fields[f.name] for f in COLUMNS if not f.signed):
                if _filled(values):
                    good &= ~(np.array(values, np.float64) < 0)
            for _, amounts in self._costs():
                good &= ~((amounts < 0) | (amounts > MOST_COST))
        bad = set() if good.all() else set(np.flatnonzero(~good).tolist())
        return bad | self._empty().difference(alone) | self._without_norm()

    def costs(self) -> dict[str, NumericColumn]:
        """What ``cost`` says, by column; an own name goes before another's."""
        out: dict[str, NumericColumn] = {}
        for name, column in self._costs():
            out[name] = np.where(np.isnan(out[name]), column, out[name]) if name in out else column
        return {name: column for name, column in out.items() if not np.isnan(column).all()}

    def _costs(self) -> Iterator[tuple[str, NumericColumn]]:
        """Each name that any event has."""
        values = self.fields["cost"]
        if not _filled(values):
            return
        there: set[str] = set().union(*filter(None, values))
        for name, others in COSTS.items():
            for key in (k for k in (name, *others) if k in there):
                yield f"cost.{name}", np.array([v.get(key) if v else None for v in values], np.float64)

    def _segments(self, schema: Schema, hasher: Hasher | None) -> dict[str, Column]:
        """What ``segments`` says, by column: the first names in order of the alphabet."""
        values = self.fields["segments"]
        if not _filled(values):
            return {}
        names = sorted(set().union(*filter(None, values)))[:MOST_SEGMENTS]
        out: dict[str, Column] = {f"{SEGMENTS}{n}": [v.get(n) if v else None for v in values] for n in names}
        if hasher is not None:
            for name, key in zip(names, out, strict=True):
                out[key] = hasher.feature(schema.model, name, out[key], Kind.CATEGORICAL)
        return out

    def _empty(self) -> set[int]:
        """Events that have neither prediction nor features."""
        predictions = self.fields["prediction"]
        if NoneType not in set(map(type, predictions)) or NoneType not in set(map(type, self.features)):
            return set()
        pairs = zip(self.features, predictions, strict=True)
        return {i for i, (f, p) in enumerate(pairs) if f is None and p is None}

    def _without_norm(self) -> set[int]:
        """Events whose prediction is a list too large for a norm."""
        predictions = self.fields["prediction"]
        if list not in set(map(type, predictions)):
            return set()
        return {i for i, p in enumerate(predictions) if isinstance(p, list) and math.isinf(math.hypot(*p))}

    def label_batch(
        self,
        model: str,
        offsets: NDArray[np.int64],
        times: NumericColumn,
        ids: Sequence[Any],
        hasher: Hasher | None = None,
    ) -> LabelBatch:
        """The labels of events that are nothing else."""
        labels: Column = _scalars(self.fields["label"])
        if hasher is not None:
            labels = hasher.answer(model, labels, Kind.ANY)
        return LabelBatch(offsets, times, ids, scalars(labels))

    def batch(
        self,
        compiled: CompiledSchema,
        offsets: NDArray[np.int64],
        times: NumericColumn,
        labels_alone: LabelBatch | None,
        ignored: int,
        hasher: Hasher | None = None,
    ) -> EventBatch:
        """The columns. ``ignored`` counts what the strict path passed over; spare fields are added to it."""
        features: Sequence[Any] = self.features
        if set(map(type, features)) != {compiled.features}:
            features = [compiled.fit(f) for f in features]
        if compiled.spare_values is not None:
            ignored += sum(len(row) - row.count(None) for row in map(compiled.spare_values, features))
        lists: dict[str, Column] = {}
        columns = _feature_columns(compiled, features, hasher, lists)
        return EventBatch(
            model=compiled.schema.model,
            offsets=offsets,
            times=times,
            columns=columns,
            fields={**self._field_columns(compiled.schema, hasher), **lists},
            version=version_of(self.versions),
            labels_alone=labels_alone,
            ignored_features=ignored,
        )

    def _field_columns(self, schema: Schema, hasher: Hasher | None) -> dict[str, Column]:
        """Those that any event fills."""
        out: dict[str, Column] = {**self.costs(), **self._segments(schema, hasher)}
        kind = _before(schema.prediction, hasher)
        for field in COLUMNS:
            values = self.fields[field.name]
            if field.holds not in _TABLES and _filled(values):
                if field.holds is Holds.PREDICTION:
                    values = _of_lists(schema.model, field.name, values, hasher, out)
                elif field.holds is Holds.SCORE:
                    out |= _class_columns(schema.model, field.name, values, hasher)
                column = _COLUMN[field.holds](values, kind, self.fields["prediction"])
                if column is not None:
                    out[field.name] = column
        for name, of in (("prediction", schema.prediction), ("label", Kind.ANY)):
            if hasher is not None and name in out:
                out[name] = hasher.answer(schema.model, out[name], of)
        return out


def _before(kind: Kind, hasher: Hasher | None) -> Kind:
    """What is decoded where categories of ``kind`` are wanted: a hasher must see what is text and what is a number."""
    return Kind.ANY if hasher is not None and kind is Kind.CATEGORICAL else kind


def version_of(values: Sequence[Any]) -> str | list[str | None] | None:
    """``EventBatch.version`` of the versions as they came."""
    names = {value: None if value is None else category(value) for value in set(values)}
    return names.popitem()[1] if len(names) == 1 else [names[value] for value in values]


def _of_lists(
    model: str, channel: str, values: Sequence[Any], hasher: Hasher | None, out: dict[str, Column]
) -> Sequence[Any]:
    """The values with the norm of each list; coordinates of lists, if there are any, go to ``out``."""
    if list not in set(map(type, values)):
        return values
    lists = [v if type(v) is list else () for v in values]
    sizes = np.fromiter(map(len, lists), np.int64, len(lists))
    norms, rows = coordinates(np.fromiter(chain.from_iterable(lists), np.float64, int(sizes.sum())), sizes)
    if hasher is None or not hasher.hides(model, channel):
        out[LISTS + channel] = rows
    return [norm if type(v) is list else v for v, norm in zip(values, norms.tolist(), strict=True)]


def _feature_columns(
    compiled: CompiledSchema, features: Sequence[Any], hasher: Hasher | None, lists: dict[str, Column]
) -> dict[str, Column]:
    """By feature; the coordinates of those that are lists go to ``lists``."""
    count, model = len(features), compiled.schema.model
    columns: dict[Kind, Iterable[Column]] = {}
    for kind, getter in compiled.getters.items():
        width = sum(k is kind for k in compiled.schema.features.values())
        if kind is Kind.NUMERIC:
            flat = _numbers(getter, features, count * width)
            columns[kind] = iter(np.ascontiguousarray(flat.reshape(count, width).T))
        else:
            rows: Iterable[Sequence[Any]] = zip(*map(getter, features), strict=True) if count else ((),) * width
            if kind in {Kind.ANY, Kind.LIST}:
                names = (Channel.of_feature(n).name for n, k in compiled.schema.features.items() if k is kind)
                rows = [_of_lists(model, n, values, hasher, lists) for n, values in zip(names, rows, strict=True)]
            columns[kind] = map(_CONVERT[_before(kind, hasher)], rows)
    iterators = {kind: iter(c) for kind, c in columns.items()}
    out = {name: next(iterators[kind]) for name, kind in compiled.schema.features.items()}
    if hasher is None:
        return out
    schema = compiled.schema
    return {name: hasher.feature(schema.model, name, column, schema.features[name]) for name, column in out.items()}


def _numbers(getter: Callable[[Any], tuple[Any, ...]], features: Sequence[Any], count: int) -> NumericColumn:
    """float64[count] of numbers, booleans and TRUTHS; None is NaN."""
    values = chain.from_iterable(map(getter, features))
    try:
        return np.fromiter(values, np.float64, count)
    except ValueError:  # "true"
        values = chain.from_iterable(map(getter, features))
        return np.fromiter((TRUTHS.get(v, v) if type(v) is str else v for v in values), np.float64, count)


def _categories(values: Sequence[Any]) -> list[Scalar]:
    """Text or None. Looks at distinct values only: in most columns they are few."""
    for value in set(values):
        if value is not None and not (type(value) is str and len(value) <= MAX_CATEGORY_CHARS):
            return [None if v is None else _text(v) for v in values]
    return list(values)


def _scalars(values: Sequence[Any]) -> list[Scalar]:
    """Floats, text or None; booleans become text, and long text is cut so that learning cannot fill the memory."""
    types = set(map(type, values))
    if bool in types or (str in types and any(type(v) is str and len(v) > MAX_CATEGORY_CHARS for v in set(values))):
        return [_text(v) if isinstance(v, str | bool) else v for v in values]
    return list(values)


def _floats(values: Sequence[Any]) -> NumericColumn:
    return np.array(values, np.float64)


_CONVERT: Final[Mapping[Kind, Callable[[Sequence[Any]], Column]]] = {
    Kind.CATEGORICAL: _categories,
    Kind.ANY: _scalars,
    Kind.LIST: _floats,
}


def _text(value: float | str | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return category(value)


def _predictions(values: Sequence[Any], kind: Kind) -> Column:
    if kind is Kind.CATEGORICAL:
        return _categories(values)
    return np.array(values, np.float64) if kind is Kind.NUMERIC else _scalars(values)


def _scores(values: Sequence[Any], predictions: Sequence[Any]) -> Column:
    if dict in set(map(type, values)):
        pairs = zip(values, predictions, strict=True)
        values = [_class_score(v, p) if isinstance(v, dict) else v for v, p in pairs]
    return np.array(values, np.float64)


def _flags(values: Sequence[Any]) -> Column | None:
    return np.fromiter(map(bool, values), np.bool_, len(values)) if any(values) else None


_COLUMN: Final[Mapping[Holds, Callable[[Sequence[Any], Kind, Sequence[Any]], Column | None]]] = {
    Holds.PREDICTION: lambda values, kind, _: _predictions(values, kind),
    Holds.LABEL: lambda values, _, __: _scalars(values),
    Holds.SCORE: lambda values, _, predictions: _scores(values, predictions),
    Holds.NUMBER: lambda values, _, __: np.array(values, np.float64),
    Holds.FLAG: lambda values, _, __: _flags(values),
    Holds.NAME: lambda values, _, __: _categories(values),
    Holds.TEXT: lambda values, _, __: _scalars(values),
}
"""(values of a field, kind of the model's predictions, predictions) -> a column; None where it would be empty."""


def _class_score(scores: dict[str, float | None], prediction: Any) -> float | None:
    """The probability of the predicted class, else the largest; None of an empty object."""
    classes: tuple[str, ...] = ()
    if isinstance(prediction, bool):
        classes = (_text(prediction), str(int(prediction)))
    elif isinstance(prediction, float):
        classes = (category(prediction), repr(prediction))
    elif isinstance(prediction, str):
        classes = (prediction,)
    there = {name: p for name, p in scores.items() if p is not None}
    for name in classes:
        if name in there:
            return there[name]
    return max(there.values(), default=None)


def _class_columns(model: str, channel: str, values: Sequence[Any], hasher: Hasher | None) -> dict[str, Column]:
    """The probability of each class, by column, of scores that are objects; of events that name more classes none."""
    if dict not in set(map(type, values)) or (hasher is not None and hasher.hides(model, channel)):
        return {}
    objects = [v if type(v) is dict and len(v) <= MOST_SCORED else {} for v in values]
    names = sorted(
        {name for name in set().union(*objects) if len(name.encode("utf-8", "surrogatepass")) <= MAX_NAME_BYTES}
    )
    names = names[:MOST_SCORED]
    known = names if hasher is None else hasher.answer(model, names, Kind.CATEGORICAL)
    out: dict[str, Column] = {}
    for name, shown in zip(names, known, strict=True):
        column = np.array([v.get(name) for v in objects], np.float64)
        if not np.isnan(column).all():
            out[f"{CLASSES}{shown}"] = column
    return out


def _filled(values: Sequence[Any]) -> bool:
    return bool(values) and (values[0] is not None or values.count(None) < len(values))


def _seconds(time: float | datetime | None) -> float:
    if isinstance(time, datetime):
        return time.timestamp() if time.tzinfo is not None else _NAIVE
    return math.nan if time is None else time
