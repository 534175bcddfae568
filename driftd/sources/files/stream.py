"""Bytes of a file or of standard input, plain or packed, and how far reading has come."""

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

import zstandard

from driftd.core.errors import SourceRefused
from driftd.core.event import RecordBatch, TopicPartition
from driftd.decode import Codec, Limits
from driftd.sources import Gap

ROWS: Final = 1 << 14
"""Rows in a batch; what comes out does not depend on it. A model in it costs the same however few of them are its own.
Measured: with 1,000 models a replay takes 1.6 times as long at a quarter of it, and no less at twice as much."""
MOST_VALUES: Final = 1 << 20
"""Values in a batch of a file that has many columns: 8 MB of numbers."""


STDIN: Final = "-"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far reading has come; ``total`` is None where nobody knows (standard input)."""

    done: int
    total: int | None
    unit: str  # "bytes", "rows" or "files"


class Events(Protocol):
    """A file or a stretch of a topic: batches in order, and the codec that understands them.

    ``partitions`` is empty where there is only the one of a file.
    """

    name: str
    codec: Codec
    partitions: tuple[TopicPartition, ...]

    def batches(self, size: int = ROWS) -> Iterator[RecordBatch | Gap]:
        """From the beginning, once; and what cannot be read. Raises SourceRefused where the file is damaged."""
        ...

    def codec_within(self, limits: Limits) -> Codec:
        """A codec of its own for another reader of the same events."""
        ...

    def progress(self) -> Progress: ...


class FileEvents(Events, Protocol):
    """Of a file all can be read."""

    def batches(self, size: int = ROWS) -> Iterator[RecordBatch]: ...


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
