"""CSV and Parquet files of one row an event: read as columns, never as JSON."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from driftd.core.errors import ConfigError, SourceRefused
from driftd.core.event import TopicPartition
from driftd.decode import Codec, Limits
from driftd.decode.tabular.codec import FlatCodec, Rows
from driftd.decode.tabular.columns import MARK, MARKING, Texts, sniff
from driftd.decode.tabular.layout import Layout
from driftd.sources.files.looks import looks_like
from driftd.sources.files.stream import MOST_VALUES, ROWS, Progress, open_bytes, undamaged
from driftd.sources.files.table import Whole, columns_in, order_of

_BLOCK_BYTES: Final = 1 << 20
_HEADER_BYTES: Final = 1 << 20


class FlatFile:
    """One row an event; offsets are row numbers from 0. Without a time column, row n is at n seconds past the epoch.

    ``named``: the folder whose name counts, where it is a part of one; ``whole``: the table that the folder is.
    """

    def __init__(
        self, path: str, kind: str, layout: Layout, limits: Limits, named: str | None = None, whole: Whole | None = None
    ) -> None:
        self.path = path
        self._whole = whole
        self.name = Path(path if named is None else named).name
        self._raw: IO[bytes] | None = None
        self._done = 0
        self._parquet = kind in {".parquet", ".pq"}
        self._delimiter = ","
        self._texts: Texts = {}
        self.sorts = False
        """Whether rows that are in no order of time are sorted, in memory."""
        with undamaged(path):
            columns = self._open_parquet() if self._parquet else self._open_csv(kind)
        doubled = sorted({c for c in columns if c and columns.count(c) > 1})
        if doubled:
            raise ConfigError(f"{path}: column '{doubled[0]}' appears twice; expected names that differ")
        self._codec = FlatCodec.of(columns, layout, limits, path if named is None else named, self._texts)
        self.layout = self._codec.layout
        self._columns = self.layout.needed(columns)
        if self._parquet:
            self._codec.require_types(self.schema)
        self.codec: Codec = self._codec
        self.partitions: tuple[TopicPartition, ...] = ()

    def _open_parquet(self) -> list[str]:
        try:
            self._file = pyarrow.parquet.ParquetFile(self.path)
            names = columns_in(self._file.schema_arrow if self._whole is None else self._whole.schema)
        except (pa.ArrowException, UnicodeDecodeError) as e:  # a name that is not UTF-8
            raise SourceRefused(f"{self.path}: not a Parquet file: {e}") from e
        self._total = self._file.metadata.num_rows
        return names

    def _open_csv(self, kind: str) -> list[str]:
        self._total = Path(self.path).stat().st_size
        with open_bytes(self.path) as (stream, _):
            head = stream.read(_HEADER_BYTES)
        text = head.decode("utf-8-sig", MARKING)
        first = text.partition("\n")[0]
        if MARK in first or not first.strip():
            known = looks_like(head)
            broken = "the first line is not UTF-8; expected" if MARK in first else "expected a first line with"
            raise ConfigError(f"{self.path}: {broken} the names of the columns{'. ' * bool(known)}{known}")
        self._delimiter = "\t" if kind == ".tsv" else max(",;\t|", key=lambda d: (first.count(d), d == ","))
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter)
        columns = next(rows)
        self._texts.update(sniff(columns, rows))
        return columns

    @property
    def schema(self) -> Any:
        """The pyarrow.Schema of a Parquet file."""
        return self._file.schema_arrow if self._whole is None else self._whole.schema

    def batches(self, size: int = ROWS) -> Iterator[Rows]:
        """Rows in file order. Raises SourceRefused where the file is damaged."""
        try:
            with undamaged(self.path):
                yield from self._parquet_rows(size) if self._parquet else self._csv_rows(size)
        except (pa.ArrowException, UnicodeDecodeError) as e:
            raise SourceRefused(f"{self.path}: cannot be read on: {e}") from e

    def codec_within(self, limits: Limits) -> Codec:
        return self._codec.within(limits)

    def progress(self) -> Progress:
        if self._raw is not None:
            self._done = self._raw.tell()
        return Progress(self._done, self._total, "rows" if self._parquet else "bytes")

    def _parquet_rows(self, size: int) -> Iterator[Rows]:
        size = min(size, max(1, MOST_VALUES // max(1, len(self._columns))))
        for table in self._parquet_batches(size):
            start, self._done = self._done, self._done + len(table)
            yield self._rows(table, np.arange(start, self._done), [])

    def _parquet_batches(self, size: int) -> Iterator[Any]:
        if self._whole is None:
            yield from self._file.iter_batches(size, columns=self._columns)
        elif (order := self._order()) is None:
            yield from (
                self._fit(batch, self._columns) for batch in self._file.iter_batches(size, columns=self._mine())
            )
        else:
            batches = self._file.read(columns=self._mine()).combine_chunks().to_batches()
            whole = pa.Table.from_batches([self._fit(batch, self._columns) for batch in batches]).take(pa.array(order))
            yield from whole.combine_chunks().to_batches(max_chunksize=size)

    def _order(self) -> NDArray[np.intp] | None:
        """Of rows that are in no order of time, and few enough to be sorted."""
        name = self.layout.columns.get("time", "")
        if not self.sorts or name not in self._file.schema_arrow.names:
            return None
        batches = self._file.read(columns=[name]).combine_chunks().to_batches()
        return order_of(np.concatenate([np.zeros(0), *(self._codec.times(self._fit(b, [name])) for b in batches)]))

    def _fit(self, batch: Any, columns: Sequence[str]) -> Any:
        assert self._whole is not None
        return self._whole.fit(batch, self.path, columns)

    def _mine(self) -> list[str]:
        return [name for name in self._columns if name in self._file.schema_arrow.names]

    def _csv_rows(self, size: int) -> Iterator[Rows]:
        broken: list[tuple[int, str]] = []

        def skip(row: Any) -> str:
            # rows are numbered from 1 with the header, blank lines left out
            broken.append((row.number - 2, f"expected {row.expected_columns} columns, got {row.actual_columns}"))
            return "skip"

        with open_bytes(self.path) as (stream, self._raw):
            reader = pyarrow.csv.open_csv(
                _Utf8(stream),
                read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=skip
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=self._columns,
                    column_types=dict.fromkeys(self._columns, pa.string()),
                    strings_can_be_null=False,
                ),
            )
            row = 0
            for block in reader:
                for start in range(0, len(block), size):
                    table = block.slice(start, size)
                    bad = _before(broken, row, len(table))
                    del broken[: len(bad)]
                    numbers = np.arange(row, row + len(table) + len(bad))
                    row += len(numbers)
                    yield self._rows(table, numbers, bad)
            if broken:
                none = pa.RecordBatch.from_pydict({c: pa.array([], pa.string()) for c in self._columns})
                yield self._rows(none, np.array([n for n, _ in broken]), broken)
            self.progress()
        self._raw = None

    def _rows(self, table: Any, numbers: NDArray[Any], broken: list[tuple[int, str]]) -> Rows:
        offsets = numbers.astype(np.int64)
        good = np.flatnonzero(~np.isin(offsets, [n for n, _ in broken])) if broken else np.arange(len(offsets))
        unknown = np.full(len(offsets), np.nan)
        values = (None,) * len(offsets)
        end = int(offsets[-1]) + 1
        return Rows(
            self.name, 0, offsets, unknown, values, end, table=table, good=good, broken=tuple(broken), counts="row"
        )


class _Utf8(io.RawIOBase):
    """The stream with MARK for what is not UTF-8, because pyarrow cannot even report a bad row that is not."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")(MARKING)
        self._rest = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._rest and not self._ended:
            raw = self._stream.read(size if size > 0 else _BLOCK_BYTES)
            self._ended = not raw
            self._rest = self._decoder.decode(raw, self._ended).encode()
        # never more than asked for: a mark is longer than the byte it stands for
        out, self._rest = (self._rest[:size], self._rest[size:]) if size > 0 else (self._rest, b"")
        return out


def _before(broken: list[tuple[int, str]], row: int, good: int) -> list[tuple[int, str]]:
    """Those broken rows that lie before the end of ``good`` readable rows from number ``row`` on."""
    end = row + good
    out = []
    for number, why in broken:
        if number >= end:
            break
        out.append((number, why))
        end += 1
    return out
