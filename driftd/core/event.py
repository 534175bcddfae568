"""What goes in: records as they came, events as columns, and what was turned away."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain
from math import inf, isnan
from types import NoneType
from typing import Final, Self, cast

import numpy as np
from numpy.typing import NDArray

from driftd.core.lists import joined as lists_joined

Headers = Sequence[tuple[str, bytes]]
Scalar = float | str | None
TopicPartition = tuple[str, int]
"""(topic or file name, partition): the unit of position and of order."""


def places(partitions: Sequence[TopicPartition], most: int = 10) -> str:
    """For messages: ``t/1, t/2 and 5 more``."""
    shown = ", ".join(f"{topic}/{number}" for topic, number in partitions[:most])
    more = len(partitions) - most
    return f"{shown} and {more:,} more" if more > 0 else shown


class RejectReason(StrEnum):
    """Why a record or an event is not usable. The set is fixed: it is a metric label."""

    EMPTY = "empty"  # null or zero-length value (a tombstone)
    TOO_LARGE = "too_large"  # the value is over the size limit
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"  # truncated or otherwise malformed
    TOO_DEEP = "too_deep"
    NOT_FINITE = "not_finite"  # NaN, Infinity, 1e400
    NOT_AN_EVENT = "not_an_event"  # JSON, but neither an object nor an array of objects
    MISSING_FIELD = "missing_field"  # model, or features and prediction and label
    WRONG_TYPE = "wrong_type"
    BAD_TIME = "bad_time"  # not RFC 3339, not epoch seconds, out of 1970..2200
    FUTURE_TIME = "future_time"  # ahead of the record's own time by more than the tolerance
    NAME_TOO_LONG = "name_too_long"  # model or feature name over 128 bytes
    TOO_MANY_FEATURES = "too_many_features"  # in one event
    BAD_ENVELOPE = "bad_envelope"  # CloudEvents attributes missing or wrong
    ROWS_DIFFER = "rows_differ"  # a request and its answer, or two tensors, have not as many rows
    UNDECODABLE = "undecodable"  # bytes that are not what the format, or the schema of the record, says
    UNKNOWN_SCHEMA = "unknown_schema"  # the schema registry has none, or one that cannot be used
    DECOMPRESSION_BOMB = "decompression_bomb"  # its batch decompresses to more than may be held
    DAMAGED = "damaged"  # its batch cannot be read: checksum, format or codec


class DropReason(StrEnum):
    """Why driftd chose not to look at a usable event, or never saw it."""

    MODEL_LIMIT = "model_limit"  # discovery has found as many models as it may
    UNCONFIGURED_MODEL = "unconfigured_model"  # discovery is off and nobody configured the model
    RATE_LIMIT = "rate_limit"  # more events a second than limits allow: a sample is monitored
    SHED = "shed"  # driftd cannot keep up: a sample is monitored
    GAP = "gap"  # deleted from the topic (retention) before driftd read it
    DUPLICATE = "duplicate"  # a request or an answer that came before, of a platform that logs both
    UNANSWERED = "unanswered"  # a request whose answer was not logged
    NO_REQUEST = "no_request"  # an answer whose request was not logged
    NOT_A_PREDICTION = "not_a_prediction"  # a record of the platform that is neither


class LateReason(StrEnum):
    """Why an event came too late for its pane."""

    WATERMARK = "watermark"  # its own partition had gone further than out_of_orderness_seconds
    FRONTIER = "frontier"  # its partition was idle, away or flooded while the others closed the pane


class Kind(StrEnum):
    """How a channel is binned and compared."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    ANY = "any"  # not known yet: the model is still learning
    LIST = "list"  # of a schema: lists of numbers, whose norm is numeric


Withheld = tuple[RejectReason, str]
"""Why the source could not hand a record over: for the set of reasons, and in words."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """A stretch of one partition as it came, in offset order.

    offsets int64[n]; timestamps float64[n], seconds since the epoch, NaN where the source has none.
    ``keys`` and ``headers`` are None when no record of the batch has any.
    ``next_offset`` is where reading goes on after this batch (control records and compaction leave holes).
    ``refused`` has the offsets of records that the source could not hand over, and why; their values are None.
    ``unpack``: where values are packed still. They, keys and headers are empty then, and it gives the records of some
    offsets in batches of a bounded size; until then ``timestamps`` are those of the source's own batches, the latest of
    each.
    ``counts``: of a file what it has one of for each record ("line", "row", "record"), whose number, from 0, the offset
    is; "" of a topic.
    """

    source: str
    partition: int
    offsets: NDArray[np.int64]
    timestamps: NDArray[np.float64]
    values: Sequence[bytes | None]
    next_offset: int
    keys: Sequence[bytes | None] | None = None
    headers: Sequence[Headers] | None = None
    refused: Mapping[int, Withheld] = field(default_factory=dict)
    unpack: Callable[[NDArray[np.int64]], Iterator[RecordBatch]] | None = None
    counts: str = ""

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def topic_partition(self) -> TopicPartition:
        return self.source, self.partition

    def at(self, places: NDArray[np.intp] | None) -> Iterator[RecordBatch]:
        """The records at these places, in order, unpacked; None: all."""
        if self.unpack is not None:
            yield from self.unpack(self.offsets if places is None else self.offsets[places])
        elif places is None:
            yield self
        else:
            index, offsets = places.tolist(), self.offsets[places]
            there = self.refused.keys() & set(offsets.tolist()) if self.refused else ()
            yield replace(
                self,
                offsets=offsets,
                timestamps=self.timestamps[places],
                values=[self.values[i] for i in index],
                keys=None if self.keys is None else [self.keys[i] for i in index],
                headers=None if self.headers is None else [self.headers[i] for i in index],
                refused={offset: self.refused[offset] for offset in there},
            )

    def first(self, n: int) -> Self:
        """The first ``n`` records, where there are more; reading goes on behind them."""
        if n >= len(self):
            return self
        return replace(
            self,
            offsets=self.offsets[:n],
            timestamps=self.timestamps[:n],
            values=self.values[:n],
            next_offset=int(self.offsets[n]),
            keys=None if self.keys is None else self.keys[:n],
            headers=None if self.headers is None else self.headers[:n],
        )

    def rest(self, n: int) -> Self:
        """Those behind the first ``n``."""
        return replace(
            self,
            offsets=self.offsets[n:],
            timestamps=self.timestamps[n:],
            values=self.values[n:],
            keys=None if self.keys is None else self.keys[n:],
            headers=None if self.headers is None else self.headers[n:],
        )


@dataclass(frozen=True, slots=True)
class Reject:
    """One record, or one event of an array record, that is not usable.

    ``index`` is the record's place in its batch. ``detail`` is for logs and dead letters only, at most
    200 characters, and never carries the payload. ``hint``: what in driftd.yaml would have
    it accepted, if that is known.
    """

    index: int
    offset: int
    reason: RejectReason
    detail: str
    model: str | None = None
    hint: str = ""


def place_of(records: RecordBatch, offset: int) -> str:
    """``predictions/3@18211`` of a topic; ``events.jsonl, line 31`` of a file, counted from 1 as editors do."""
    if records.counts:
        return f"{records.source}, {records.counts} {offset + 1}"
    return f"{records.source}/{records.partition}@{offset}"


def rejection(records: RecordBatch, reject: Reject) -> str:
    """What is wrong with one of the records, and where: ``predictions/3@18211: model: missing; rejected (...)``."""
    where = place_of(records, reject.offset)
    helps = f"; {reject.hint}" if reject.hint else ""
    return f"{where}: {reject.detail}; rejected ({reject.reason.value}){helps}"


@dataclass(frozen=True, slots=True)
class RefusedValue:
    """One value of a feature that is not usable, in an event that is: it counts as missing. ``time`` is the event's;
    ``why`` is in words and, as in Reject, without the payload.
    """

    model: str
    feature: str
    offset: int
    time: float
    why: str


@dataclass(frozen=True, slots=True)
class Schema:
    """What the decoder must know of a model.

    ``features`` maps name to kind, in the order of the columns. An ``open`` schema collects features
    that it does not name (discovery) up to ``max_features`` in all; a closed one passes them over.
    """

    model: str
    features: Mapping[str, Kind] = field(default_factory=dict)
    prediction: Kind = Kind.ANY
    open: bool = True
    max_features: int = 200


SEGMENTS: Final = "segments."
"""Before the names in an event's ``segments``, among the fields of a batch."""
NumericColumn = NDArray[np.float64]
FlagColumn = NDArray[np.bool_]
ListColumn = NDArray[np.float32]
"""As driftd.core.lists.coordinates makes it: a row of numbers for each event."""
AnyColumn = Sequence[Scalar]
Column = NumericColumn | FlagColumn | ListColumn | AnyColumn


@dataclass(frozen=True, slots=True)
class LabelBatch:
    """Labels that came alone, of one model in one stretch of one partition, in offset order: offsets int64[n]; times
    float64[n], when each label became known; ``ids`` of the predictions that they are for; ``labels`` as in EventBatch,
    none missing.
    """

    offsets: NDArray[np.int64]
    times: NDArray[np.float64]
    ids: Sequence[Scalar]
    labels: AnyColumn

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True)
class EventBatch:
    """The usable events of one model in one stretch of one partition, as columns, in offset order.

    offsets int64[n] and times float64[n] (epoch seconds). ``columns`` has one entry a feature, n long: float64 with NaN
    for missing where the schema says numeric; a sequence of str or None where it says categorical; a sequence of float,
    str or None where it says any. Booleans have become the categories "true" and "false" (and the numbers 1 and 0 in a
    numeric prediction).

    ``fields`` has the other columns by the event's field (driftd.decode.fields); a field that no event of the batch
    fills is absent. ``prediction`` is as features are (a list of numbers has become its Euclidean norm); ``label``
    is as a feature of any kind, whatever the predictions are;
    ``segments.country`` and others are text; ``list.prediction`` and others have the coordinates of lists
    (driftd.core.lists), by the name of the channel that has the norm;
    ``score`` float64 (a class -> probability object has become the predicted class's probability, else the largest, and
    ``class.cat`` and others have each class's, float64);
    ``latency_seconds`` float64; ``error`` bool, true where the service failed; ``cost.amount``, ``cost.tokens_in`` and
    others float64 (driftd.core.cost).

    ``version`` of the model is text where all events have the same, else a sequence. ``labels_alone``: events that
    carry a label and an id but nothing to monitor: they are accepted and have no row here. ``ignored_features`` counts
    values of features beyond the schema's limit.

    ``refused`` bool[n] says of a feature which of its values were there and not usable: they are missing in its column.
    Features without a refused value are absent.

    ``ids``: what identifies the events, as it came; None where nobody needs it, or nobody may see it.

    ``partitions`` int64[n]: where the events of several partitions are kept to learn from, the number of each one's;
    None: all are of one.
    """

    model: str
    offsets: NDArray[np.int64]
    times: NDArray[np.float64]
    columns: Mapping[str, Column]
    fields: Mapping[str, Column] = field(default_factory=dict)
    version: str | Sequence[str | None] | None = None
    labels_alone: LabelBatch | None = None
    ignored_features: int = 0
    refused: Mapping[str, FlagColumn] = field(default_factory=dict)
    partitions: NDArray[np.int64] | None = None
    ids: Sequence[Scalar] | None = None

    def __len__(self) -> int:
        return len(self.times)

    @property
    def label_only(self) -> int:
        """How many labels came alone."""
        return 0 if self.labels_alone is None else len(self.labels_alone)

    @property
    def prediction(self) -> Column | None:
        return self.fields.get("prediction")

    @property
    def score(self) -> Column | None:
        return self.fields.get("score")

    @property
    def label(self) -> Column | None:
        return self.fields.get("label")

    @property
    def latency_seconds(self) -> NumericColumn | None:
        return cast("NumericColumn | None", self.fields.get("latency_seconds"))

    @property
    def failed(self) -> FlagColumn | None:
        return cast("FlagColumn | None", self.fields.get("error"))

    def take(self, index: NDArray[np.intp]) -> EventBatch:
        """The events at ``index``, in that order; what is counted beside the rows stays behind."""
        return replace(
            self,
            offsets=self.offsets[index],
            times=self.times[index],
            columns={name: take(column, index) for name, column in self.columns.items()},
            fields={name: take(column, index) for name, column in self.fields.items()},
            version=_take_version(self.version, index),
            labels_alone=None,
            ignored_features=0,
            refused=flagged({name: flags[index] for name, flags in self.refused.items()}),
            partitions=None if self.partitions is None else self.partitions[index],
            ids=None if self.ids is None else [self.ids[i] for i in index.tolist()],
        )

    def of_partition(self, number: int) -> EventBatch:
        """The same events, as those of a partition among others."""
        return replace(self, partitions=np.full(len(self), number))

    def without_fields(self, names: Collection[str]) -> EventBatch:
        """The same events, but for these fields."""
        return replace(self, fields={n: c for n, c in self.fields.items() if n not in names}) if names else self

    def without_ids(self) -> EventBatch:
        """The same events, where nobody may see what identifies them."""
        return self if self.ids is None else replace(self, ids=None)

    def compact(self) -> EventBatch:
        """The same events, columns that hold nothing but numbers as float64, without ids: what waits should be small
        and quick.
        """
        return replace(
            self,
            ids=None,
            columns={name: _compact(column) for name, column in self.columns.items()},
            fields={name: _compact(column) for name, column in self.fields.items()},
        )


def flagged(refused: Mapping[str, FlagColumn]) -> dict[str, FlagColumn]:
    """``EventBatch.refused`` without the features that have no refused value."""
    return {name: flags for name, flags in refused.items() if flags.any()}


def _take_version(
    version: str | Sequence[str | None] | None, index: NDArray[np.intp]
) -> str | Sequence[str | None] | None:
    return version if version is None or isinstance(version, str) else [version[i] for i in index.tolist()]


def _compact(column: Column) -> Column:
    if isinstance(column, np.ndarray) or not set(map(type, column)) <= {float, NoneType}:
        return column
    return np.array(column, np.float64)


def take(column: Column, index: NDArray[np.intp]) -> Column:
    if isinstance(column, np.ndarray):
        return column[index]
    return [column[i] for i in index.tolist()]


# Whole, because it is a plain list: one line for each field of the batch says how that field is joined.
def concatenate(batches: Sequence[EventBatch]) -> EventBatch:
    """One batch of all the events, in the order given; a column that only some batches have is missing elsewhere."""
    head = batches[0]
    if len(batches) == 1:
        return head
    sizes = [*map(len, batches)]
    return replace(
        head,
        offsets=np.concatenate([b.offsets for b in batches]),
        times=np.concatenate([b.times for b in batches]),
        columns=_joined([b.columns for b in batches], sizes),
        fields=_joined([b.fields for b in batches], sizes),
        version=_version(batches),
        labels_alone=_joined_labels([b.labels_alone for b in batches if b.labels_alone is not None]),
        ignored_features=sum(b.ignored_features for b in batches),
        refused=_joined_flags([b.refused for b in batches], sizes),
        partitions=_joined_partitions(batches),
        ids=_joined_ids(batches),
    )


def _joined_labels(parts: Sequence[LabelBatch]) -> LabelBatch | None:
    if not parts:
        return None
    offsets, times = np.concatenate([p.offsets for p in parts]), np.concatenate([p.times for p in parts])
    ids, labels = (chain.from_iterable(part) for part in ([p.ids for p in parts], [p.labels for p in parts]))
    return LabelBatch(offsets, times, [*ids], [*labels])


def _joined_partitions(batches: Sequence[EventBatch]) -> NDArray[np.int64] | None:
    parts = [b.partitions for b in batches if b.partitions is not None]
    return np.concatenate(parts) if len(parts) == len(batches) else None


def _joined_ids(batches: Sequence[EventBatch]) -> Sequence[Scalar] | None:
    if all(b.ids is None for b in batches):
        return None
    return [*chain.from_iterable([None] * len(b) if b.ids is None else b.ids for b in batches)]


def _version(batches: Sequence[EventBatch]) -> str | Sequence[str | None] | None:
    first = batches[0].version
    if (first is None or isinstance(first, str)) and all(b.version == first for b in batches):
        return first
    return same_or_all([v for b in batches for v in versions(b)])


def _joined_flags(tables: Sequence[Mapping[str, FlagColumn]], sizes: Sequence[int]) -> dict[str, FlagColumn]:
    ends = np.cumsum(sizes).tolist()
    out: dict[str, FlagColumn] = {}
    for table, size, end in zip(tables, sizes, ends, strict=True):
        for name, flags in table.items():
            out.setdefault(name, np.zeros(ends[-1], np.bool_))[end - size : end] = flags
    return out


def _joined(tables: Sequence[Mapping[str, Column]], sizes: Sequence[int]) -> dict[str, Column]:
    names: Iterable[str] = tables[0]
    if any(table.keys() != tables[0].keys() for table in tables):
        names = dict.fromkeys(name for table in tables for name in table)
    return {name: _joined_column([table.get(name) for table in tables], sizes) for name in names}


def _joined_column(parts: Sequence[Column | None], sizes: Sequence[int]) -> Column:
    """The parts end to end; where one is absent, its values are missing (a flag is not set)."""
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if arrays and arrays[0].ndim == 2:
        return lists_joined(cast("Sequence[NDArray[np.float32] | None]", parts), sizes)
    if len(arrays) == len(parts):
        return cast("NumericColumn | FlagColumn", np.concatenate(arrays))
    if len(arrays) == sum(part is not None for part in parts):
        absent = np.False_ if arrays[0].dtype == bool else np.nan
        joined: NumericColumn | FlagColumn = np.concatenate(
            [np.full(n, absent) if part is None else part for part, n in zip(parts, sizes, strict=True)]
        )
        return joined
    if not arrays and None not in parts:
        return [*chain.from_iterable(cast("Sequence[AnyColumn]", parts))]
    out: list[Scalar] = []
    for part, n in zip(parts, sizes, strict=True):
        out.extend([None] * n if part is None else scalars(part))
    return out


def versions(batch: EventBatch) -> Sequence[str | None]:
    """The model's version of each event."""
    version = batch.version
    return [version] * len(batch) if version is None or isinstance(version, str) else version


def same_or_all(values: Sequence[str | None]) -> str | list[str | None] | None:
    """One value for all where they are all the same, as ``EventBatch.version`` has it."""
    first = values[0] if values else None
    return first if all(v == first for v in values) else list(values)


def scalars(column: Column) -> AnyColumn:
    """The column as Python values, None for missing."""
    if isinstance(column, np.ndarray):
        return [None if isnan(v) else v for v in column.tolist()]
    return column


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one RecordBatch turned into; ``received`` counts events (an array record counts each of its own).
    ``refused`` has the first refused value of each model and feature. ``unwatched`` has (model, feature) pairs that
    have a value and no column in the model's closed schema; of JSON those of the last event, as looking takes time.
    ``reached``: the greatest time of requests and answers that wait for each other, or did: there may be no event.

    received == sum(len(b) + b.label_only for b in batches) + len(rejects) + sum(dropped.values()).
    """

    received: int
    batches: Sequence[EventBatch]
    rejects: Sequence[Reject]
    dropped: Mapping[DropReason, int] = field(default_factory=dict)
    refused: Sequence[RefusedValue] = ()
    unwatched: Sequence[tuple[str, str]] = ()
    reached: float = -inf


MAX_NAME_BYTES: Final = 128
