"""Parquet files of a folder as one table: the columns of all of them, and those that the folders' names stand for.

history/date=2026-09-01/part-0.parquet    time, amount            date, time, amount, country
history/date=2026-09-02/part-0.parquet    time, amount, country
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from driftd.core.errors import ConfigError, SourceRefused
from driftd.sources.files.stream import undamaged

MOST_SORTED: Final = 1 << 27
"""Values of a folder's files that are sorted in memory: 1 GB of numbers. Rows of a larger one have to be in order."""
_NOTHING: Final = "__HIVE_DEFAULT_PARTITION__"
_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")
DATES: Final = frozenset({"date", "dt", "ds", "day", "hour", "month", "year", "p_date", "event_date", "partition_date"})
"""Names of folders that say when: each value is new on its day, so as a feature it could only raise alarms."""
_INDEX: Final = re.compile(r"__index_level_\d+__")
"""How pandas names the numbers of its rows, which are no feature."""


@dataclass(frozen=True, slots=True)
class Whole:
    """``schema`` of the table, and by file the values that are the same in all of its rows."""

    schema: Any
    constants: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, folder: str, files: Sequence[str], ignore: Collection[str] = ()) -> Whole:
        """Nobody reads ``ignore``. Raises ConfigError where two files have a column of two types."""
        schema: Any = None
        for file in files:
            mine = _schema(file, ignore)
            schema = mine if schema is None else _unified(schema, mine, file, files[0])
        named = {file: _named(Path(folder), Path(file)) for file in files}
        names = [n for n in dict.fromkeys(n for each in named.values() for n in each) if n not in schema.names]
        constants: dict[str, dict[str, Any]] = {file: {} for file in files}
        for name in names:
            texts = [named[file].get(name) for file in files]
            numbers = all(text is None or _WHOLE.fullmatch(text) for text in texts)
            for file, text in zip(files, texts, strict=True):
                constants[file][name] = text if text is None or not numbers else int(text)
            schema = schema.append(pa.field(name, pa.int64() if numbers else pa.string()))
        return cls(schema, constants)

    @property
    def dates(self) -> tuple[str, ...]:
        """Columns of the folders' names that say when."""
        names = dict.fromkeys(name for each in self.constants.values() for name in each)
        return tuple(name for name in names if name.lower() in DATES)

    def fit(self, batch: Any, file: str, columns: Sequence[str]) -> Any:
        """The file's batch with these columns, of the table's types."""
        out = []
        for name in columns:
            kind = self.schema.field(name).type
            if name in batch.schema.names:
                out.append(_cast(batch.column(name), kind))
            else:
                value = pa.scalar(self.constants[file].get(name), kind)
                out.append(pa.repeat(value, len(batch)))
        fields = [self.schema.field(name) for name in columns]
        return pa.RecordBatch.from_arrays(out, schema=pa.schema(fields))


def order_of(times: NDArray[np.float64]) -> NDArray[np.intp] | None:
    """The rows in order of time, those without one at the end; None where they are in order."""
    known = times[~np.isnan(times)]
    return None if (np.diff(known) >= 0).all() else np.argsort(times, kind="stable")


def columns_in(schema: Any) -> list[str]:
    return [name for name in schema.names if not _INDEX.fullmatch(name)]


def _schema(file: str, ignore: Collection[str]) -> Any:
    try:
        with undamaged(file):
            schema = pyarrow.parquet.read_schema(file).remove_metadata()
    except (pa.ArrowException, UnicodeDecodeError) as e:  # a name that is not UTF-8
        raise SourceRefused(f"{file}: not a Parquet file: {e}") from e
    return pa.schema([pa.field(f.name, pa.null() if f.name in ignore else _simple(f.type)) for f in schema])


def _simple(kind: Any) -> Any:
    """Text is text however it is held."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.string() if pa.types.is_large_string(kind) or kind == pa.string_view() else kind


def _cast(column: Any, kind: Any) -> Any:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column if column.type == kind else column.cast(kind, safe=False)


def _unified(known: Any, more: Any, file: str, first: str) -> Any:
    if more.equals(known):
        return known
    try:
        return pa.unify_schemas([known, more], promote_options="permissive")
    except (pa.ArrowException, ValueError):
        for name in more.names:
            mine = [f.type for f in known if f.name == name]
            if mine and not _alike(mine[0], more.field(name).type):
                kinds = f"{more.field(name).type}, and {mine[0]} in {first}"
                what = f"{file}: column '{name}' is of type {kinds}; leave it out with --ignore {name}"
                raise ConfigError(what) from None
        raise ConfigError(f"{file}: expected the columns, and types, of {first}") from None


def _alike(one: Any, other: Any) -> bool:
    try:
        pa.unify_schemas([pa.schema([("x", one)]), pa.schema([("x", other)])], promote_options="permissive")
    except pa.ArrowException:
        return False
    return True


def _named(folder: Path, file: Path) -> dict[str, str | None]:
    """What the folders' names say, as Hive has them."""
    pairs = (part.partition("=") for part in file.relative_to(folder).parts[:-1] if "=" in part)
    return {unquote(name): None if text == _NOTHING else unquote(text) for name, _, text in pairs if name}
