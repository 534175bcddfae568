"""Files of records: JSON lines, TFRecord, and rows of Parquet where a format says what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from crc32c import crc32c
from msgspec.json import Encoder

from driftd.core.errors import SourceRefused
from driftd.core.event import Headers, RecordBatch, TopicPartition
from driftd.decode import Codec, Limits, codec_of
from driftd.decode.limits import DEFAULT_LIMITS
from driftd.decode.mapping.spec import JSON
from driftd.decode.opening import PATH
from driftd.sources.files.stream import ROWS, STDIN, Progress, open_bytes, undamaged

BATCH_BYTES: Final = 4 << 20
_MASK: Final = 0xA282EAD8
"""What TFRecord adds to its checksums: tensorflow/core/lib/hash/crc32c.h."""
_encode: Final = Encoder(decimal_format="number").encode


class RecordFile:
    """Offsets are numbers of lines, records or rows, from 0. ``named``: the folder whose name counts, where the file
    is a part of one. ``placed``: records have the file's path in a header, as formats of platforms need it.
    """

    unit = "bytes"
    counts = "record"

    def __init__(
        self, path: str, limits: Limits = DEFAULT_LIMITS, named: str | None = None, *, placed: bool = False
    ) -> None:
        self.path = path
        self.name = "stdin" if path == STDIN else Path(path if named is None else named).name
        self.codec = codec_of(limits)
        self.partitions: tuple[TopicPartition, ...] = ()
        self._longest = limits.record_bytes
        self._raw: IO[bytes] | None = None
        self._done = 0
        self._total = self._size()
        mapping = limits.mappings.of(self.name)
        placed = placed or (mapping is not None and mapping.format != JSON)
        where = (PATH, Path(path).absolute().as_posix().encode())
        self._headers: Headers | None = (where,) if placed and path != STDIN else None

    def _size(self) -> int | None:
        return None if self.path == STDIN else Path(self.path).stat().st_size

    def batches(self, size: int = ROWS) -> Iterator[RecordBatch]:
        """Raises SourceRefused where the file is damaged."""
        with undamaged(self.path):
            offsets: list[int] = []
            values: list[bytes] = []
            held = 0
            for offset, value in self.records():
                offsets.append(offset)
                values.append(value)
                held += len(value)
                if len(values) >= size or held >= BATCH_BYTES:
                    yield self._batch(offsets, values)
                    offsets, values, held = [], [], 0
            if values:
                yield self._batch(offsets, values)

    def codec_within(self, limits: Limits) -> Codec:
        return codec_of(limits)

    def progress(self) -> Progress:
        if self._raw is not None and self._total is not None:
            self._done = self._raw.tell()
        return Progress(self._done, self._total, self.unit)

    def records(self) -> Iterator[tuple[int, bytes]]:
        with open_bytes(self.path) as (stream, self._raw):
            yield from self._read(stream)
            self.progress()
        self._raw = None

    def _read(self, stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
        raise NotImplementedError

    def _batch(self, offsets: list[int], values: list[bytes]) -> RecordBatch:
        numbers = np.array(offsets, np.int64)
        headers = None if self._headers is None else [self._headers] * len(values)
        unknown = np.full(len(values), np.nan)
        end = offsets[-1] + 1
        return RecordBatch(self.name, 0, numbers, unknown, values, end, headers=headers, counts=self.counts)


class JsonLines(RecordFile):
    """One event, or an array of events, a line; blank lines are passed over."""

    counts = "line"

    def _read(self, stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
        longest = self._longest + 2
        offset = -1
        while True:
            line = stream.readline(longest)
            if not line:
                return
            offset += 1
            self._done += len(line) if self._total is None else 0
            # a line that is too long keeps one byte too many, for the codec to refuse; its rest is not held
            part = line
            while part and not part.endswith(b"\n") and len(part) == longest:
                part = stream.readline(longest)
            value = line.strip()
            if offset == 0:
                value = value.removeprefix(b"\xef\xbb\xbf")
            if value:
                yield offset, value


class TfRecords(RecordFile):
    """Length, its checksum, data, its checksum: tensorflow/core/lib/io/record_writer.h."""

    def _read(self, stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
        offset = 0
        while head := _exactly(stream, 12, self.path, start=True):
            size = int.from_bytes(head[:8], "little")
            if not _sound(head[:8], head[8:]):
                raise SourceRefused(f"{self.path}: record {offset}: its length and the checksum of that differ")
            if size > self._longest:
                yield offset, _exactly(stream, self._longest + 1, self.path)  # for the codec to refuse
                _skip(stream, size - self._longest - 1 + 4, self.path)
            else:
                data, check = _exactly(stream, size, self.path), _exactly(stream, 4, self.path)
                if not _sound(data, check):
                    raise SourceRefused(f"{self.path}: record {offset}: its data and their checksum differ")
                yield offset, data
            offset += 1


class ParquetRecords(RecordFile):
    """Rows of a Parquet file as JSON objects."""

    unit = "rows"
    counts = "row"

    def _size(self) -> int | None:
        import pyarrow as pa  # noqa: PLC0415  0.2 s to import
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            with undamaged(self.path):
                self._file = pq.ParquetFile(self.path)
        except (pa.ArrowException, UnicodeDecodeError) as e:
            raise SourceRefused(f"{self.path}: not a Parquet file: {e}") from e
        return int(self._file.metadata.num_rows)

    def records(self) -> Iterator[tuple[int, bytes]]:
        import pyarrow as pa  # noqa: PLC0415

        try:
            for table in self._file.iter_batches(ROWS >> 4):  # bodies are long
                for row in table.to_pylist():
                    yield self._done, _encode(_plain(row))
                    self._done += 1
        except (pa.ArrowException, UnicodeDecodeError) as e:
            raise SourceRefused(f"{self.path}: cannot be read on: {e}") from e


def _exactly(stream: IO[bytes], size: int, path: str, *, start: bool = False) -> bytes:
    data = stream.read(size)
    if len(data) < size and not (start and not data):
        raise SourceRefused(f"{path}: cut off in the middle of a record")
    return data


def _skip(stream: IO[bytes], size: int, path: str) -> None:
    while size > 0:
        size -= len(_exactly(stream, min(size, BATCH_BYTES), path))


def _sound(data: bytes, check: bytes) -> bool:
    crc = crc32c(data)
    masked = (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF
    return masked == int.from_bytes(check, "little")


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """With times in UTC where they name no offset, as of flat files."""
    return {name: _moment(value) for name, value in row.items()}


def _moment(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value if value.tzinfo is not None else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
