"""A folder of Parquet files as one: in order of their paths, and in each in order of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet

from driftd.core.errors import ConfigError, SourceRefused
from driftd.core.event import TopicPartition
from driftd.decode import Codec, Limits
from driftd.decode.tabular.codec import Rows
from driftd.decode.tabular.layout import Layout
from driftd.sources.files.flat import FlatFile
from driftd.sources.files.stream import ROWS, Progress, undamaged

_KIND = ".parquet"


class Folder:
    """Offsets go on from file to file. All files have the columns of the first."""

    def __init__(self, path: str, layout: Layout, limits: Limits) -> None:
        self.path = path
        self.name = Path(path).name
        self._files = [str(file) for file in files_of(Path(path))]
        if not self._files:
            raise ConfigError(f"{path}: expected a folder with files that end in {_KIND}")
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


def files_of(folder: Path) -> list[Path]:
    """Its Parquet files, those of folders in it too. Names that begin with _ or . are of whoever wrote them."""
    found = folder.rglob(f"*{_KIND}")
    return sorted(f for f in found if not any(part[0] in "_." for part in f.relative_to(folder).parts))
