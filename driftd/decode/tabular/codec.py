"""Rows of a flat file to event batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from driftd.core.channel import Channel
from driftd.core.errors import ConfigError
from driftd.core.event import (
    Column,
    Decoded,
    DropReason,
    EventBatch,
    FlagColumn,
    Kind,
    LabelBatch,
    NumericColumn,
    RecordBatch,
    RefusedValue,
    Reject,
    RejectReason,
    Scalar,
    Schema,
    scalars,
)
from driftd.core.hashing import ANSWERS
from driftd.core.lists import CLASSES, LISTS
from driftd.core.values import as_numbers, present
from driftd.decode.fields import COLUMNS, MOST_COST, Field, Holds
from driftd.decode.json.columns import version_of
from driftd.decode.json.lists import ONE
from driftd.decode.limits import Limits
from driftd.decode.tabular import columns as read
from driftd.decode.tabular import lists
from driftd.decode.tabular.columns import Faults, Texts
from driftd.decode.tabular.layout import Layout
from driftd.ingest.halves import Halves

Indices = NDArray[np.intp]
_NUMBERS = frozenset({Kind.NUMERIC, Kind.LIST})


@dataclass(frozen=True, slots=True)
class Rows(RecordBatch):
    """A stretch of a flat file. ``table`` is the pyarrow.RecordBatch of the rows that could be read as such;
    ``good`` says where they are among ``offsets``; ``broken`` are offset and fault of the others.
    """

    table: Any = None
    good: Indices | Sequence[int] = ()
    broken: tuple[tuple[int, str], ...] = ()

    def __len__(self) -> int:
        return len(self.offsets)

    def first(self, n: int) -> Self:
        part = RecordBatch.first(self, n)
        good = np.asarray(self.good, np.intp)
        there = int(np.searchsorted(good, n))
        broken = tuple((offset, why) for offset, why in self.broken if offset < part.next_offset)
        return replace(part, table=self.table.slice(0, there), good=good[:there], broken=broken)

    def rest(self, n: int) -> Self:
        part = RecordBatch.rest(self, n)
        good = np.asarray(self.good, np.intp)
        there = int(np.searchsorted(good, n))
        begin = int(self.offsets[n]) if n < len(self) else self.next_offset
        broken = tuple((offset, why) for offset, why in self.broken if offset >= begin)
        return replace(part, table=self.table.slice(there), good=good[there:] - n, broken=broken)


class FlatCodec:
    """Decodes Rows of one file. ``model``, ``version`` and ``variant`` are for files without such a column."""

    def __init__(
        self,
        layout: Layout,
        columns: Sequence[str],
        model: str,
        version: str | None,
        limits: Limits,
        texts: Texts,
        path: str,
        variant: str | None = None,
    ) -> None:
        self.layout = layout
        self.features = layout.features(list(columns))
        """Column by feature."""
        self.model = model
        self.version = version if "version" not in layout.columns else None
        self.variant = variant if "variant" not in layout.columns else None
        self.limits = limits
        self.texts = texts
        self._path = path
        self.dated: frozenset[str] = frozenset()

    @classmethod
    def of(cls, columns: Sequence[str], layout: Layout, limits: Limits, path: str, texts: Texts) -> FlatCodec:
        """For the columns of ``path``, a file or a folder, whose name is the model's where the layout has none.

        Raises ConfigError where the layout does not fit them.
        """
        mapping = limits.mappings.of(PurePath(path).name)
        if mapping is not None:
            layout = layout.over(Layout.of(mapping, columns, path))
        found = layout.resolve(columns, path)
        model = layout.columns.get("model") or PurePath(path.removesuffix(".gz").removesuffix(".zst")).stem
        asked = layout.columns
        return cls(found, found.needed(columns), model, asked.get("version"), limits, texts, path, asked.get("variant"))

    def require_types(self, schema: Any, *, features: bool = True) -> None:
        """Raises ConfigError for columns that cannot be read, of a file that has types. Without ``features`` those may
        be of any: their values are refused, one by one.
        """
        mistakes = []
        named = self.features.values() if features else ()
        single = {self.layout.columns.get(field) for field in ONE}
        for name in {*named, *self.layout.columns.values(), *self.layout.costs.values()}:
            kind = schema.field(name).type
            fits = read.supported(kind) or (name in named and lists.is_list(kind))
            if not (fits or (name in single and lists.holds_values(kind))):
                mistakes.append(f"{self._path}: column '{name}' is of type {kind}; leave it out with --ignore {name}")
        if mistakes:
            raise ConfigError("\n".join(sorted(mistakes)))
        dates = (pa.types.is_timestamp, pa.types.is_date)
        self.dated = frozenset(f.name for f in schema if any(is_date(f.type) for is_date in dates))

    def times(self, table: Any) -> NumericColumn:
        """Of rows of a file that has a column of times; NaN where there is none."""
        column = self.layout.columns["time"]
        each = self.layout.units.get("time")
        return read.times(read.plain(table.column(column)), column in self.dated, {}, each)

    def within(self, limits: Limits) -> FlatCodec:
        """The same with other limits."""
        twin = copy(self)
        twin.limits = limits
        return twin

    def decode(
        self,
        records: RecordBatch,
        schemas: Mapping[str, Schema],
        halves: Halves | None = None,  # noqa: ARG002  a row is a whole event
    ) -> Decoded:
        if not len(records):
            return Decoded(0, [], [])
        if not isinstance(records, Rows):
            raise TypeError(f"expected Rows of a flat file, got {type(records).__name__}")
        return _Run(self, records, schemas).decoded()


@dataclass(frozen=True, slots=True)
class _Models:
    """Names in the order in which they came, and whose each row is; None: nobody's."""

    names: list[str | None]
    codes: Indices


class _Run:
    """One call of decode."""

    def __init__(self, codec: FlatCodec, rows: Rows, schemas: Mapping[str, Schema]) -> None:
        self.codec = codec
        self.parts = codec.layout.columns
        self.rows = rows
        self.schemas = schemas
        self.good = np.asarray(rows.good, np.intp)
        self.faults: Faults = {}
        named = zip(rows.table.schema.names, rows.table.columns, strict=True)  # several may have no name
        self.columns = {name: read.plain(column) for name, column in named}
        if codec.texts:
            self.columns = {name: read.unmarked(column, self.faults) for name, column in self.columns.items()}
        self.batches: list[EventBatch] = []
        self.dropped: dict[DropReason, int] = {}
        self.refused: list[RefusedValue] = []
        self.unwatched: list[tuple[str, str]] = []
        self.found: set[str] = set()

    def decoded(self) -> Decoded:
        models = self._models()
        times = self._times()
        for model, indices in self._groups(models):
            self._take(model, indices, times)
        broken = [*self.rows.broken]
        index_of = dict(zip(self.rows.offsets.tolist(), range(len(self.rows)), strict=True)) if broken else {}
        rejects = [Reject(index_of[o], o, RejectReason.NOT_AN_EVENT, why) for o, why in broken]
        for i, (reason, detail) in self.faults.items():
            place = int(self.good[i])
            offset = int(self.rows.offsets[place])
            model = self.codec.model if models is None else models.names[models.codes[i]]
            rejects.append(Reject(place, offset, reason, detail, model or None))
        rejects.sort(key=lambda r: r.index)
        return Decoded(len(self.rows), self.batches, rejects, self.dropped, self.refused, self.unwatched)

    def _models(self) -> _Models | None:
        """Each row's model where a column tells it; None where all rows are of one model."""
        column = self.parts.get("model")
        if column is None:
            if not self.codec.model:
                self._fault(np.arange(len(self.good)), RejectReason.MISSING_FIELD, "model: missing")
            return None
        coded = pc.dictionary_encode(self.columns[column])
        given = [*read.categories(coded.dictionary, self.codec.texts.get(column)), None]
        codes = np.asarray(coded.indices.fill_null(len(given) - 1).to_numpy(zero_copy_only=False), np.intp)
        names: dict[str | None, int] = {}
        merged = [names.setdefault(None if name is None else str(name), len(names)) for name in given]
        models = _Models([*names], np.array(merged, np.intp)[codes])
        for code, name in enumerate(models.names):
            if not name:
                self._fault(np.flatnonzero(models.codes == code), RejectReason.MISSING_FIELD, "model: missing")
            elif len(name.encode()) > self.codec.limits.name_bytes:
                detail = f"model: longer than {self.codec.limits.name_bytes} bytes"
                self._fault(np.flatnonzero(models.codes == code), RejectReason.NAME_TOO_LONG, detail)
                models.names[code] = None
        return models

    def _fault(self, rows: Indices, reason: RejectReason, detail: str) -> None:
        for i in rows.tolist():
            self.faults.setdefault(i, (reason, detail))

    def _times(self) -> NumericColumn:
        """Of rows that say none, and of a record that has one, that of the record."""
        column, stamps = self.parts.get("time"), self.rows.timestamps[self.good]
        if column is None:
            return np.where(np.isnan(stamps), self.rows.offsets[self.good].astype(np.float64), stamps)
        each = self.codec.layout.units.get("time")
        times = read.times(self.columns[column], column in self.codec.dated, self.faults, each, stamps)
        ahead, most = times - stamps, self.codec.limits.future_seconds
        with np.errstate(invalid="ignore"):
            future = np.flatnonzero(ahead > most)
        for i in future.tolist():
            detail = f"time: {ahead[i]:.0f} s ahead of the record's timestamp, at most {most:.0f} s expected"
            self.faults.setdefault(i, (RejectReason.FUTURE_TIME, detail))
        return times

    def _groups(self, models: _Models | None) -> list[tuple[str, Indices]]:
        """Rows without a fault by model, the one that came first first."""
        sound = np.ones(len(self.good), np.bool_)
        sound[[*self.faults]] = False
        if models is None:
            return [(self.codec.model, np.flatnonzero(sound))] if sound.any() else []
        order = np.argsort(models.codes, kind="stable")
        order = order[sound[order]]
        ends = np.searchsorted(models.codes[order], np.arange(len(models.names) + 1))
        parts = ((name, order[ends[i] : ends[i + 1]]) for i, name in enumerate(models.names) if name)
        return [(name, part) for name, part in parts if len(part)]

    def _schema(self, model: str) -> Schema | DropReason:
        limits = self.codec.limits
        if model in self.schemas:
            return self.schemas[model]
        if not limits.discover:
            return DropReason.UNCONFIGURED_MODEL
        if model not in self.found and len(self.schemas) + len(self.found) >= limits.max_models:
            return DropReason.MODEL_LIMIT
        self.found.add(model)
        return Schema(model, max_features=limits.max_features)

    def _take(self, model: str, indices: Indices, times: NumericColumn) -> None:
        schema = self._schema(model)
        if isinstance(schema, DropReason):
            self.dropped[schema] = self.dropped.get(schema, 0) + len(indices)
            return
        alone = self._labels_alone(indices)
        labels = self._labels(schema, indices[alone], times) if alone.any() else None
        indices = indices[~alone] if labels is not None else indices
        faults: Faults = {}
        part = _Part(self, schema, indices, faults)
        batch = part.batch(times[indices])
        for i, fault in faults.items():
            self.faults.setdefault(int(indices[i]), fault)
        if faults:
            batch = batch.take(np.array([i for i in range(len(indices)) if i not in faults], np.intp))
        if labels is not None:
            batch = replace(batch, labels_alone=labels)
        if len(batch) or batch.label_only:
            self.batches.append(batch)
        if not schema.open:
            new = [(n, c) for n, c in self.codec.features.items() if n not in schema.features]
            self.unwatched += [(model, name) for name, column in new if part.column(column).null_count < len(indices)]
        self.refused += self._first_refused(part, times)

    def _labels_alone(self, indices: Indices) -> FlagColumn:
        """bool[n]: rows that are a label with an id, and have neither prediction nor features."""
        none = np.zeros(len(indices), np.bool_)
        if "label" not in self.parts or "id" not in self.parts:
            return none
        wanted = [(self.parts["label"], True), (self.parts["id"], True)]
        wanted += [(self.parts["prediction"], False)] if "prediction" in self.parts else []
        wanted += [(name, False) for name in self.codec.features.values()]
        mine = np.ones(len(indices), np.bool_)
        for name, there in wanted:
            mine &= read.given(self.columns[name], self.codec.texts.get(name))[indices] == there
            if not mine.any():
                return none
        return mine

    def _labels(self, schema: Schema, indices: Indices, times: NumericColumn) -> LabelBatch:
        """Of rows that are nothing else."""
        faults: Faults = {}
        part = _Part(self, schema, indices, faults)
        label, ids = scalars(part.label()), part.ids() or []
        for i, fault in faults.items():
            self.faults.setdefault(int(indices[i]), fault)
        good = [i for i in range(len(indices)) if i not in faults]
        offsets = self.rows.offsets[self.good[indices]]
        return LabelBatch(offsets[good], times[indices][good], [ids[i] for i in good], [label[i] for i in good])

    def _first_refused(self, part: _Part, times: NumericColumn) -> Iterator[RefusedValue]:
        """The first value of each feature that was refused in a row that was not."""
        for name, refused in part.refused.items():
            first = min((i for i in refused if i not in part.faults), default=None)
            if first is not None:
                row = part.indices[first]
                offset, time = int(self.rows.offsets[self.good[row]]), float(times[row])
                why = refused[first][1].removeprefix(f"{_where(name)}: ")
                yield RefusedValue(part.schema.model, name, offset, time, why)


class _Part:
    """The rows of one model, column by column."""

    def __init__(self, run: _Run, schema: Schema, indices: Indices, faults: Faults) -> None:
        self.run = run
        self.schema = schema
        self.indices = indices
        self.faults = faults
        self.refused: dict[str, Faults] = {}
        self.lists: dict[str, Column] = {}
        self.all = len(indices) == len(run.good)

    def column(self, name: str) -> Any:
        column = self.run.columns[name]
        return column if self.all else column.take(pa.array(self.indices))

    def batch(self, times: NumericColumn) -> EventBatch:
        columns, ignored = self.features()
        return EventBatch(
            model=self.schema.model,
            offsets=self.run.rows.offsets[self.run.good[self.indices]],
            times=times,
            columns=columns,
            fields={**self.fields(), **self.lists},
            version=self.version(),
            ignored_features=ignored,
            refused={name: self.flags(faults) for name, faults in self.refused.items()},
            ids=self.ids() if self.run.codec.limits.keep_ids else None,
        )

    def ids(self) -> list[Scalar] | None:
        column = self.run.parts.get("id")
        return None if column is None else read.categories(self.column(column), self.run.codec.texts.get(column))

    def flags(self, faults: Faults) -> FlagColumn:
        out = np.zeros(len(self.indices), np.bool_)
        out[[*faults]] = True
        return out

    def features(self) -> tuple[dict[str, Column], int]:
        """Columns by feature, and how many values were passed over because discovery was full."""
        there = self.run.codec.features
        out: dict[str, Column] = {}
        for name, kind in self.schema.features.items():
            if name in there:
                out[name] = self.feature(name, kind)
            else:
                missing = len(self.indices)
                out[name] = np.full(missing, np.nan) if kind in _NUMBERS else [None] * missing
        if not self.schema.open:
            return out, 0
        new = [name for name in there if name not in out]
        room = max(0, self.schema.max_features - len(out))
        for name in new[:room]:
            out[name] = self.feature(name, Kind.ANY)
        return out, sum(len(self.indices) - self.column(there[name]).null_count for name in new[room:])

    def feature(self, name: str, kind: Kind) -> Column:
        faults: Faults = {}
        where = _where(name)
        source = self.run.codec.features[name]
        column, text = self.column(source), self.run.codec.texts.get(source)
        if lists.is_list(column.type) and kind in {Kind.ANY, Kind.LIST}:
            norms = self.of_lists(column, Channel.of_feature(name).name, where, faults)
            if faults:
                self.refused[name] = faults
            return norms if kind is Kind.LIST else [None if np.isnan(v) else v for v in norms.tolist()]
        if not read.supported(column.type) or kind is Kind.LIST:
            wanted = "a list of numbers" if kind is Kind.LIST else "a number or a string"
            detail = f"{where}: expected {wanted}, got a column of {column.type}"[:200]
            there = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False)).tolist()
            if there:
                self.refused[name] = dict.fromkeys(there, (RejectReason.WRONG_TYPE, detail))
            return np.full(len(column), np.nan) if kind in _NUMBERS else [None] * len(column)
        if kind is Kind.CATEGORICAL:
            read.require_finite(column, where, faults, text)
        hasher = self.run.codec.limits.hasher
        if hasher is None or kind is Kind.NUMERIC:
            values = read.typed(column, kind, where, faults, text)
        else:
            any_kind = read.typed(column, Kind.ANY, where, faults, text)
            values = hasher.feature(self.schema.model, name, any_kind, kind)
        if faults:
            self.refused[name] = faults
        return values

    def of_lists(self, column: Any, channel: str, where: str, faults: Faults) -> NumericColumn:
        """The norms; coordinates are among the fields unless nobody may see them."""
        norms, rows = lists.of_lists(column, where, faults, singles=channel in ONE)
        hasher = self.run.codec.limits.hasher
        if rows is not None and (hasher is None or not hasher.hides(self.schema.model, channel)):
            self.lists[LISTS + channel] = rows
        return norms

    def fields(self) -> dict[str, Column]:
        """Columns of the event's other fields; those that no row fills are absent."""
        out: dict[str, Column] = {}
        predicted: Column | None = None
        for field in COLUMNS:
            name = self.run.parts.get(field.name)
            if name is None:
                continue
            column, as_read = self.field(field, name, predicted)
            if field.holds is Holds.PREDICTION:
                predicted = as_read
            if field.name in self.run.codec.layout.units:
                column = as_numbers(column) / self.run.codec.layout.units[field.name]
            if not field.signed:
                self.require_unsigned(field.name, as_numbers(column))
            if present(column):
                out[field.name] = column
        return out | self.given() | self.costs()

    def field(self, field: Field, name: str, predicted: Column | None) -> tuple[Column, Column]:
        """The column ``name`` as a field, hashed where its values are; and as a score that names classes needs it."""
        text = self.run.codec.texts.get(name)
        hasher = self.run.codec.limits.hasher if field.name in ANSWERS else None
        kind = self.schema.prediction if field.holds is Holds.PREDICTION else Kind.ANY
        wanted = Kind.ANY if hasher is not None and kind is Kind.CATEGORICAL else kind
        source = self.column(name)
        if field.name in ONE:
            source = lists.opened(source, field.name, self.faults)
        if lists.is_list(source.type):
            column = self.listed(source, field, wanted, predicted)
        else:
            column = read.FIELD[field.holds](source, wanted, field.name, self.faults, text)
        as_read = column
        if field.holds is Holds.PREDICTION and pa.types.is_boolean(source.type):
            as_read = read.numbers(source, field.name, self.faults)
        return (column if hasher is None else hasher.answer(self.schema.model, column, kind)), as_read

    def label(self) -> Column:
        """Of rows that have one each."""
        (field,) = (field for field in COLUMNS if field.holds is Holds.LABEL)
        return self.field(field, self.run.parts[field.name], None)[0]

    def listed(self, column: Any, field: Field, kind: Kind, predicted: Column | None) -> Column:
        """A field that may be a list of numbers, or one of one."""
        if field.holds is Holds.SCORE:
            return self.of_classes(column, field.name, predicted)
        if kind is Kind.CATEGORICAL or field.holds is Holds.LABEL:
            return self.of_singles(column, field, kind)
        return self.of_lists(column, field.name, field.name, self.faults)

    def of_singles(self, column: Any, field: Field, kind: Kind) -> Column:
        """Of lists that may be of one number alone."""
        lists.require_single(column, field.name, self.faults)
        values, _ = lists.of_lists(column, field.name, self.faults, singles=True)
        return read.FIELD[field.holds](pa.array(values, from_pandas=True), kind, field.name, self.faults, None)

    def of_classes(self, column: Any, channel: str, predicted: Column | None) -> NumericColumn:
        """The score; columns of its classes are among the fields unless nobody may see them."""
        scores, classes = lists.of_classes(column, predicted, channel, self.faults)
        hasher = self.run.codec.limits.hasher
        if hasher is None or not hasher.hides(self.schema.model, channel):
            names = [*classes]
            known = names if hasher is None else hasher.answer(self.schema.model, names, Kind.CATEGORICAL)
            self.lists |= {f"{CLASSES}{name}": classes[of] for of, name in zip(names, known, strict=True)}
        return scores

    def given(self) -> dict[str, Column]:
        """What is the same in all rows."""
        variant = self.run.codec.variant
        return {} if variant is None else {"variant": [variant] * len(self.indices)}

    def costs(self) -> dict[str, Column]:
        """What ``cost`` says, by column."""
        out: dict[str, Column] = {}
        for where, name in self.run.codec.layout.costs.items():
            amounts = read.numbers(self.column(name), where, self.faults)
            self.require_unsigned(where, amounts)
            with np.errstate(invalid="ignore"):
                for i in np.flatnonzero(amounts > MOST_COST).tolist():
                    self.faults.setdefault(i, (RejectReason.WRONG_TYPE, f"{where}: expected at most {MOST_COST:,.0f}"))
            if present(amounts):
                out[where] = amounts
        return out

    def require_unsigned(self, name: str, values: NumericColumn) -> None:
        with np.errstate(invalid="ignore"):
            for i in np.flatnonzero(values < 0).tolist():
                detail = f"{name}: expected 0 or more, got a negative number"
                self.faults.setdefault(i, (RejectReason.WRONG_TYPE, detail))

    def version(self) -> str | list[str | None] | None:
        column = self.run.parts.get("version")
        if column is None:
            return self.run.codec.version
        return version_of(read.categories(self.column(column), self.run.codec.texts.get(column)))


def _where(feature: str) -> str:
    return f"feature '{feature[:64]}'"
