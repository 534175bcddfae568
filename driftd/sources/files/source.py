"""Events from a file or standard input: JSON lines here, CSV and Parquet in flat.py."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol, cast

import numpy as np
import zstandard

from driftd.core.errors import ConfigError, SourceRefused
from driftd.core.event import Cell, RecordBatch
from driftd.decode import Codec, EventsCodec, Limits
from driftd.decode.limits import DEFAULT_LIMITS
from driftd.decode.tabular.layout import Layout

ROWS: Final = 4096
"""Rows in a batch; what comes out does not depend on it."""
BATCH_BYTES: Final = 4 << 20
STDIN: Final = "-"
_JSON: Final = (".jsonl", ".ndjson", ".json")
_FLAT: Final = (".csv", ".tsv", ".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far reading has come; ``total`` is None where nobody knows (standard input)."""

    done: int
    total: int | None
    unit: str  # "bytes" or "rows"


class Events(Protocol):
    """A file of events: batches in file order, and the codec that understands them.

    ``cells`` are the partitions, where there is more than the one of a file.
    """

    name: str
    codec: Codec
    cells: tuple[Cell, ...]

    def batches(self, size: int = ROWS) -> Iterator[RecordBatch]:
        """From the beginning, once. Raises SourceRefused where the file is damaged."""
        ...

    def progress(self) -> Progress: ...


def open_events(path: str, layout: Layout | None = None, limits: Limits = DEFAULT_LIMITS) -> Events:
    """The events of ``path`` by its suffix (.gz and .zst may follow), or by its first bytes; ``-`` is standard input.

    Raises ConfigError where there is no such file, nobody knows what it is, or the layout does not fit it.
    """
    if path == STDIN:
        kind = ".jsonl"
    else:
        _require_file(path)
        kind = _kind(path)
    if kind in _JSON:
        if layout is not None and layout != Layout():
            raise ConfigError(f"{path}: columns can be named for CSV and Parquet; JSON lines name their own fields")
        return JsonLines(path, limits)
    from driftd.sources.files.flat import FlatFile  # noqa: PLC0415  pyarrow takes 0.2 s to import

    return FlatFile(path, kind, layout or Layout(), limits)


class JsonLines:
    """One event, or an array of events, a line. Offsets are line numbers from 0; blank lines are passed over."""

    def __init__(self, path: str, limits: Limits = DEFAULT_LIMITS) -> None:
        self.path = path
        self.name = "stdin" if path == STDIN else Path(path).name
        self.codec: Codec = EventsCodec(limits)
        self.cells: tuple[Cell, ...] = ()
        self._longest = limits.record_bytes
        self._raw: IO[bytes] | None = None
        self._done = 0
        self._total = None if path == STDIN else Path(path).stat().st_size

    def batches(self, size: int = ROWS) -> Iterator[RecordBatch]:
        with undamaged(self.path), open_bytes(self.path) as (stream, self._raw):
            offsets: list[int] = []
            values: list[bytes] = []
            held = 0
            for offset, value in self._lines(stream):
                offsets.append(offset)
                values.append(value)
                held += len(value)
                if len(values) >= size or held >= BATCH_BYTES:
                    yield self._batch(offsets, values)
                    offsets, values, held = [], [], 0
            if values:
                yield self._batch(offsets, values)
            self.progress()
        self._raw = None

    def progress(self) -> Progress:
        if self._raw is not None and self._total is not None:
            self._done = self._raw.tell()
        return Progress(self._done, self._total, "bytes")

    def _lines(self, stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
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

    def _batch(self, offsets: list[int], values: list[bytes]) -> RecordBatch:
        numbers = np.array(offsets, np.int64)
        return RecordBatch(self.name, 0, numbers, np.full(len(values), np.nan), values, offsets[-1] + 1)


class _Zstd(io.RawIOBase):
    """Plain bytes of zstd frames. zstandard's own reader takes a file that is cut off for a shorter one."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._packed = b""
        self._plain = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._plain:
            self._packed = self._packed or self._raw.read(1 << 16)
            if not self._packed:
                if self._frame is not None:
                    raise EOFError("cut off in the middle of a zstd frame")
                return 0
            self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
            self._plain = self._frame.decompress(self._packed)
            self._packed = self._frame.unused_data
            if self._frame.eof:
                self._frame = None
        count = min(len(buffer), len(self._plain))
        buffer[:count], self._plain = self._plain[:count], self._plain[count:]
        return count


@contextmanager
def open_bytes(path: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """A stream of the plain bytes, and the file below it, which tells how far reading has come."""
    if path == STDIN:
        yield sys.stdin.buffer, sys.stdin.buffer
        return
    with ExitStack() as stack:
        raw = stack.enter_context(Path(path).open("rb"))
        stream: IO[bytes] = raw
        if path.endswith(".gz"):
            stream = stack.enter_context(cast(IO[bytes], gzip.GzipFile(fileobj=raw)))
        elif path.endswith(".zst"):
            stream = stack.enter_context(io.BufferedReader(_Zstd(raw), 1 << 17))
        yield stream, raw


@contextmanager
def undamaged(path: str) -> Iterator[None]:
    """Tells what libraries raise for a damaged or unreadable file as SourceRefused."""
    try:
        yield
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as e:
        raise SourceRefused(f"{path}: cannot be read on: {e}") from e


def _require_file(path: str) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except OSError as e:
        raise ConfigError(f"{path}: cannot be read: {e.strerror}") from e


def _kind(path: str) -> str:
    name = Path(path.lower().removesuffix(".gz").removesuffix(".zst"))
    if name.suffix in (*_JSON, *_FLAT):
        return name.suffix
    with undamaged(path), open_bytes(path) as (stream, _):
        head = stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"PAR1"):
        return ".parquet"
    if head.startswith((b"{", b"[")):
        return ".jsonl"
    raise ConfigError(
        f"{path}: expected a name that ends in {', '.join((*_JSON, *_FLAT))}, with or without .gz or .zst"
    )
