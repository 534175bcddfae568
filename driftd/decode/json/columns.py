"""Decoded events of one model to columns: what every path ends in, so that all give the same values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain
from operator import attrgetter
from types import NoneType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import AnyColumn, EventBatch, Kind, NumericColumn, Scalar
from driftd.core.reference import MAX_CATEGORY_CHARS, category
from driftd.decode.json.compiled import CompiledSchema
from driftd.decode.limits import LATEST_TIME

_read: Final = attrgetter(
    "time", "features", "prediction", "score", "label", "latency_seconds", "error", "version"
)  # fmt: skip
_ENVELOPE_COLUMNS: Final = 8
_NAIVE: Final = -1.0
"""Stands for a time without an offset: like every time before 1970 it goes to the strict path to be refused."""


class Table:
    """The events of one model, transposed; the k-th entry of each column is of the k-th event."""

    __slots__ = ("errors", "features", "labels", "latencies", "predictions", "scores", "times", "versions")

    def __init__(self, events: Sequence[Any]) -> None:
        columns: Iterable[Any] = zip(*map(_read, events), strict=True) if events else ((),) * _ENVELOPE_COLUMNS
        (
            self.times, self.features, self.predictions, self.scores,
            self.labels, self.latencies, self.errors, self.versions,
        ) = columns  # fmt: skip

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

    def doubtful(self, times: NumericColumn, timestamps: NDArray[np.float64], future_seconds: float) -> set[int]:
        """Events that the strict path must look at, because types alone do not say that they are good."""
        with np.errstate(invalid="ignore"):
            good = (times >= 0) & (times < LATEST_TIME) & ~(times > timestamps + future_seconds)
        out = set() if good.all() else set(np.flatnonzero(~good).tolist())
        if _filled(self.latencies):
            with np.errstate(invalid="ignore"):
                negative = np.array(self.latencies, np.float64) < 0
            if negative.any():
                out.update(np.flatnonzero(negative).tolist())
        types = set(map(type, self.predictions))
        if NoneType in types and NoneType in set(map(type, self.features)):
            pairs = zip(self.features, self.predictions, strict=True)
            out.update(i for i, (f, p) in enumerate(pairs) if f is None and p is None)
        if list in types:
            out.update(i for i, p in enumerate(self.predictions) if isinstance(p, list) and math.isinf(math.hypot(*p)))
        return out

    def batch(
        self, plan: CompiledSchema, offsets: NDArray[np.int64], times: NumericColumn, label_only: int, ignored: int
    ) -> EventBatch:
        """The columns. ``ignored`` counts what the strict path passed over; spare fields are added to it."""
        features: Sequence[Any] = self.features
        if set(map(type, features)) != {plan.features}:
            features = [plan.fit(f) for f in features]
        if plan.spare_values is not None:
            ignored += sum(len(row) - row.count(None) for row in map(plan.spare_values, features))
        kind = plan.schema.prediction
        return EventBatch(
            model=plan.schema.model,
            offsets=offsets,
            times=times,
            columns=_feature_columns(plan, features),
            prediction=_predictions(self.predictions, kind),
            score=_scores(self.scores, self.predictions),
            label=_labels(self.labels, kind),
            latency_seconds=np.array(self.latencies, np.float64) if _filled(self.latencies) else None,
            failed=np.fromiter(map(bool, self.errors), np.bool_, len(self.errors)) if any(self.errors) else None,
            version=version_of(self.versions),
            label_only=label_only,
            ignored_features=ignored,
        )


def version_of(values: Sequence[Any]) -> str | list[str | None] | None:
    """``EventBatch.version`` of the versions as they came."""
    names = {value: None if value is None else category(value) for value in set(values)}
    return names.popitem()[1] if len(names) == 1 else [names[value] for value in values]


def _feature_columns(plan: CompiledSchema, features: Sequence[Any]) -> dict[str, NumericColumn | AnyColumn]:
    count = len(features)
    columns: dict[Kind, Iterable[NumericColumn | AnyColumn]] = {}
    for kind, getter in plan.getters.items():
        width = sum(k is kind for k in plan.schema.features.values())
        if kind is Kind.NUMERIC:
            flat = np.fromiter(chain.from_iterable(map(getter, features)), np.float64, count * width)  # None: NaN
            columns[kind] = iter(np.ascontiguousarray(flat.reshape(count, width).T))
        else:
            convert = _categories if kind is Kind.CATEGORICAL else _scalars
            rows = zip(*map(getter, features), strict=True) if count else ((),) * width
            columns[kind] = map(convert, rows)
    iterators = {kind: iter(c) for kind, c in columns.items()}
    return {name: next(iterators[kind]) for name, kind in plan.schema.features.items()}


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


def _text(value: float | str | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return category(value)


def _predictions(values: Sequence[Any], kind: Kind) -> NumericColumn | AnyColumn | None:
    if not _filled(values):
        return None
    if kind is Kind.CATEGORICAL:
        return _categories(values)
    if list in set(map(type, values)):
        values = [math.hypot(*v) if isinstance(v, list) else v for v in values]
    return np.array(values, np.float64) if kind is Kind.NUMERIC else _scalars(values)


def _labels(values: Sequence[Any], kind: Kind) -> AnyColumn | None:
    if not _filled(values):
        return None
    if kind is Kind.CATEGORICAL:
        return _categories(values)
    if kind is Kind.NUMERIC:
        values = [float(v) if isinstance(v, bool) else v for v in values]
    return _scalars(values)


def _scores(values: Sequence[Any], predictions: Sequence[Any]) -> NumericColumn | None:
    if not _filled(values):
        return None
    if dict in set(map(type, values)):
        pairs = zip(values, predictions, strict=True)
        values = [_class_score(v, p) if isinstance(v, dict) else v for v, p in pairs]
    return np.array(values, np.float64)


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


def _filled(values: Sequence[Any]) -> bool:
    return bool(values) and (values[0] is not None or values.count(None) < len(values))


def _seconds(time: float | datetime | None) -> float:
    if isinstance(time, datetime):
        return time.timestamp() if time.tzinfo is not None else _NAIVE
    return math.nan if time is None else time
