"""A folder of files as one: in order of their hours or paths, and in each in order of its rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pyarrow.parquet

from driftd.core.errors import SourceRefused
from driftd.core.event import RecordBatch, TopicPartition
from driftd.decode import Codec, Limits
from driftd.decode.tabular.codec import Rows
from driftd.decode.tabular.layout import Layout
from driftd.sources.files.flat import FlatFile
from driftd.sources.files.lanes import Lanes
from driftd.sources.files.records import RecordFile
from driftd.sources.files.stream import ROWS, Progress, undamaged

_KIND: Final = ".parquet"
_HOUR: Final = re.compile(r"(?:^|/)((?:19|20)\d\d/[01]\d/[0-3]\d(?:/[012]\d)?)/([^/]+)$")
"""Folders of a day or an hour, as platforms that write to buckets name them."""


class Folder:
    """Of Parquet files. Offsets go on from file to file. All files have the columns of the first."""

    def __init__(self, path: str, files: Sequence[Path], layout: Layout, limits: Limits) -> None:
        self.path = path
        self.name = Path(path).name
        self._files = [*map(str, files)]
        self._layout, self._limits = layout, limits
        self._first = self._open(self._files[0])
        self.codec: Codec = self._first.codec
        self.partitions: tuple[TopicPartition, ...] = ()
        self._done = self._known = 0

    def batches(self, size: int = ROWS) -> Iterator[Rows]:
        for path in self._files:
            begin, file = self._done, self._open(path)
            if file.schema != self._first.schema:
                raise SourceRefused(f"{path}: expected the columns, and types, of {self._files[0]}")
            for rows in file.batches(size):
                self._done = begin + rows.next_offset
                yield replace(rows, offsets=rows.offsets + begin, next_offset=self._done)

    def codec_within(self, limits: Limits) -> Codec:
        return self._first.codec_within(limits)

    def progress(self) -> Progress:
        if not self._known:
            with undamaged(self.path):
                self._known = sum(pyarrow.parquet.read_metadata(file).num_rows for file in self._files)
        return Progress(self._done, self._known, "rows")

    def _open(self, path: str) -> FlatFile:
        return FlatFile(path, _KIND, self._layout, self._limits, self.path)


class RecordFolder:
    """Of files of records, in order of their times (driftd.sources.files.lanes)."""

    def __init__(
        self, path: str, files: Sequence[Path], limits: Limits, open_file: Callable[[str], RecordFile]
    ) -> None:
        self.path = path
        paths = [*map(str, files)]
        self._first = open_file(paths[0])
        self.name = self._first.name
        self.codec: Codec = self._first.codec
        self.partitions: tuple[TopicPartition, ...] = ()
        self._lanes = Lanes(self.name, paths, open_file, self._first.codec_within(limits))

    def batches(self, size: int = ROWS) -> Iterator[RecordBatch]:
        return self._lanes.batches(size)

    def codec_within(self, limits: Limits) -> Codec:
        return self._first.codec_within(limits)

    def progress(self) -> Progress:
        return Progress(self._lanes.read, len(self._lanes.paths), "files")


def files_of(folder: Path, kinds: Sequence[str]) -> list[Path]:
    """Its files of these kinds, packed ones and those of folders in it too: by hour where their folders are hours, else
    by path. Names that begin with _ or . are of whoever wrote them.
    """
    found = [f for kind in kinds for end in ("", ".gz", ".zst") for f in folder.rglob(f"*{kind}{end}") if f.is_file()]
    return sorted((f for f in found if not any(part[0] in "_." for part in f.relative_to(folder).parts)), key=_order)


def _order(file: Path) -> tuple[str, str, str]:
    path = file.absolute().as_posix()
    hour = _HOUR.search(path)
    return (hour[1], hour[2], path) if hour else ("", "", path)
