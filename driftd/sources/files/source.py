"""Events from a file or standard input: JSON lines here, CSV and Parquet in flat.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import numpy as np

from driftd.core.errors import ConfigError
from driftd.core.event import RecordBatch, TopicPartition
from driftd.decode import Codec, Limits, codec_of
from driftd.decode.limits import DEFAULT_LIMITS
from driftd.decode.tabular.layout import Layout
from driftd.sources.files.stream import ROWS, STDIN, Events, Progress, open_bytes, undamaged

BATCH_BYTES: Final = 4 << 20
_JSON: Final = (".jsonl", ".ndjson", ".json")
_FLAT: Final = (".csv", ".tsv", ".parquet", ".pq")


def open_events(path: str, layout: Layout | None = None, limits: Limits = DEFAULT_LIMITS) -> Events:
    """The events of ``path`` by its suffix (.gz and .zst may follow), or by its first bytes. ``-`` is standard input, a
    folder has Parquet files.

    Raises ConfigError where there is no such file, nobody knows what it is, or the layout does not fit it.
    """
    if Path(path).is_dir():
        from driftd.sources.files.folder import Folder  # noqa: PLC0415  pyarrow takes 0.2 s to import

        return Folder(path, layout or Layout(), limits)
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
        self.codec = codec_of(limits)
        self.partitions: tuple[TopicPartition, ...] = ()
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

    def codec_within(self, limits: Limits) -> Codec:
        return codec_of(limits)

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
