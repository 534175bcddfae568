"""A folder of files as one: in order of their hours or paths, and in each in order of its rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pyarrow.parquet

from driftd.core.event import RecordBatch, TopicPartition
from driftd.decode import Codec, Limits
from driftd.decode.tabular.layout import Layout
from driftd.sources.files.flat import FlatFile
from driftd.sources.files.lanes import Lanes
from driftd.sources.files.records import RecordFile
from driftd.sources.files.stream import ROWS, Progress, undamaged
from driftd.sources.files.table import MOST_SORTED, Whole

_KIND: Final = ".parquet"
_HOUR: Final = re.compile(r"(?:^|/)((?:19|20)\d\d/[01]\d/[0-3]\d(?:/[012]\d)?)/([^/]+)$")
"""Folders of a day or an hour, as platforms that write to buckets name them."""


class Folder:
    """Of Parquet files, which are one table in order of time (driftd.sources.files.table, .lanes)."""

    def __init__(self, path: str, files: Sequence[Path], layout: Layout, limits: Limits) -> None:
        self.path = path
        self.name = Path(path).name
        paths = [*map(str, files)]
        mapping = limits.mappings.of(self.name)
        ignore = () if mapping is None else mapping.features.ignore
        self._whole = Whole.of(path, paths, {*layout.ignore, *ignore})
        self._layout = replace(layout, ignore=(*layout.ignore, *self._whole.dates))
        self._limits = limits
        self._sorts = False
        first = self._first = self._open(paths[0])
        self.codec: Codec = first.codec
        self.partitions: tuple[TopicPartition, ...] = ()
        with undamaged(path):
            self._rows = sum(pyarrow.parquet.read_metadata(file).num_rows for file in paths)
        self._sorts = self._rows * len(first.layout.needed(self._whole.schema.names)) <= MOST_SORTED
        timed = "time" in first.layout.columns
        self._lanes = Lanes(self.name, paths, self._open, first.codec_within(limits), timed)
        self._done = 0

    def batches(self, size: int = ROWS) -> Iterator[RecordBatch]:
        for rows in self._lanes.batches(size):
            self._done += len(rows)
            yield rows

    def codec_within(self, limits: Limits) -> Codec:
        return self._first.codec_within(limits)

    def progress(self) -> Progress:
        return Progress(self._done, self._rows, "rows")

    def _open(self, path: str) -> FlatFile:
        file = FlatFile(path, _KIND, self._layout, self._limits, self.path, self._whole)
        file.sorts = self._sorts
        return file


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
