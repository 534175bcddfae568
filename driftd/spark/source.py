"""Parquet files, or a table of files, that Spark reads and counts: stretches come back in order.

files in order of their paths   | 1 | 2 |   3   |        4        |  ...    waves, each twice as long as the one before

workers     rows -> stretches -> Counted, on the plan of when the wave began    (driftd.replay.counting.panes)
driver      Counted, in order of offsets -> panes -> judgements                 (driftd.replay.merging)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from driftd.core.errors import ConfigError, SourceRefused
from driftd.core.event import TopicPartition
from driftd.decode import Codec, Limits
from driftd.decode.limits import DEFAULT_LIMITS
from driftd.decode.tabular.codec import FlatCodec, Rows
from driftd.decode.tabular.layout import Layout
from driftd.replay.counting import STRETCH_ROWS, Counted, Plan, decode, encode, panes
from driftd.sources.files.stream import Progress

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FILE: Final = "_driftd_file"
ROW: Final = "_driftd_row"
WAVE_BYTES: Final = 256 << 20
"""What workers send in a wave, as far as that can be foreseen; two waves are in the driver at the most."""

ALL: Final = (0, 1 << 62)
"""All offsets."""


@dataclass(frozen=True, slots=True)
class File:
    """``key``: the path as a number; ``first``: the offset of its first row."""

    path: str
    key: int
    first: int
    rows: int


class SparkEvents:
    """Events of a DataFrame that is read from files. One row an event; offsets go on from file to file, in order of
    their paths.

    Raises ConfigError where the DataFrame is not one of files, or the layout does not fit it.
    """

    def __init__(
        self,
        frame: DataFrame,
        path: str,
        layout: Layout | None = None,
        limits: Limits = DEFAULT_LIMITS,
        wave_bytes: int = WAVE_BYTES,
    ) -> None:
        self.name = path.rstrip("/").rpartition("/")[2]
        self.partitions: tuple[TopicPartition, ...] = ()
        self._wave_bytes, self._done = wave_bytes, 0
        schema = frame.limit(0).toArrow().schema
        self._codec = FlatCodec.of(schema.names, layout or Layout(), limits, path, {})
        self._codec.require_types(schema)
        self.codec: Codec = self._codec
        from pyspark.errors import AnalysisException  # noqa: PLC0415  an extra

        try:
            self._frame = _numbered(frame, self._codec.layout.needed(schema.names))
            self.files = _found(frame, self.name)
        except AnalysisException as e:
            raise ConfigError(f"{self.name}: expected a table of Parquet files, as spark.read gives it: {e}") from e

    def codec_within(self, limits: Limits) -> Codec:
        return self._codec.within(limits)

    def progress(self) -> Progress:
        return Progress(self._done, sum(file.rows for file in self.files), "rows")

    def counted(self, plan: Callable[[], Plan]) -> Iterator[Counted]:
        """While the driver merges a wave the next one is counted, once there is something to count by: until then rows
        are sent as they are, so the first wave is one file, and the next waits for what comes of it.
        """
        waiting, rows = deque(self.files), 0.0
        with ThreadPoolExecutor(1) as pool:
            wave = _wave(waiting, rows)
            ahead = pool.submit(self._run, wave, plan())
            while wave:
                told = ahead.result()
                rows = sum(file.rows for file in wave)
                most = self._wave_bytes * rows / max(sum(len(data) for _, data in told), 1)
                wave, now = _wave(waiting, min(2 * rows, most)), plan()
                early = bool(now.slices) or now.wanted is not None
                if wave and early:
                    ahead = pool.submit(self._run, wave, now)
                while told:
                    stretch = decode(told.popleft()[1])
                    self._done = stretch.next
                    yield stretch
                if wave and not early:
                    ahead = pool.submit(self._run, wave, plan())

    def again(self, stretch: Counted, plan: Plan, before: float) -> Iterator[Counted]:
        begin, end = stretch.first, stretch.next
        wave = [file for file in self.files if file.first < end and begin < file.first + file.rows]
        for _, data in self._run(wave, plan, (begin, end), before):
            yield decode(data)

    def _run(
        self, wave: list[File], plan: Plan, among: tuple[int, int] = ALL, before: float = -inf
    ) -> deque[tuple[int, bytes]]:
        """One job: the first offset of each stretch, and the stretch as bytes, in order."""
        from pyspark.sql import functions as f  # noqa: PLC0415

        frame = self._frame.where(f.col(f"{FILE}_path").isin([file.path for file in wave])).drop(f"{FILE}_path")
        begins = {file.key: file.first for file in wave}
        count = partial(_count, name=self.name, begins=begins, plan=plan, among=among, before=before)
        table = frame.mapInArrow(count, "first long, counted binary").toArrow()
        told = zip(table["first"].to_pylist(), table["counted"].to_pylist(), strict=True)
        return deque(sorted(told, key=lambda stretch: stretch[0]))


def _numbered(frame: DataFrame, columns: list[str]) -> DataFrame:
    """The columns that are needed, with the file and the row that each event is in."""
    from pyspark.sql import functions as f  # noqa: PLC0415

    return frame.select(
        *(f.col(f"`{name.replace('`', '``')}`") for name in columns),
        f.xxhash64("_metadata.file_path").alias(FILE),
        f.col("_metadata.row_index").alias(ROW),
        f.col("_metadata.file_path").alias(f"{FILE}_path"),
    )


def _found(frame: DataFrame, name: str) -> list[File]:
    """The files in order of their paths."""
    from pyspark.sql import functions as f  # noqa: PLC0415

    path = f.col("_metadata.file_path")
    counts = frame.groupBy(path.alias("path"), f.xxhash64(path).alias("key")).agg(f.count(f.lit(1)).alias("rows"))
    found = sorted((row["path"], row["key"], row["rows"]) for row in counts.collect())
    if len({key for _, key, _ in found}) < len(found):
        raise SourceRefused(f"{name}: two paths have one checksum; rename a file")
    begins = np.cumsum([0, *(rows for *_, rows in found)]).tolist()
    return [File(path, key, first, rows) for (path, key, rows), first in zip(found, begins, strict=False)]


def read_parquet(spark: SparkSession, path: str) -> DataFrame:
    """The files at ``path``, which may have wildcards; a folder below this one is meant, if there is such. Raises
    SourceRefused.
    """
    from pyspark.errors import PySparkException  # noqa: PLC0415

    try:
        here = Path(path)
        return spark.read.parquet(path if here.is_absolute() or not here.exists() else here.absolute().as_uri())
    except PySparkException as e:
        raise SourceRefused(f"{path}: Spark cannot read it as Parquet: {str(e).splitlines()[0]}") from e


def _wave(waiting: deque[File], rows: float) -> list[File]:
    """The next files that have no more than so many rows together, one at least; none where there are none."""
    wave, sum_ = list[File](), 0
    while waiting and (not wave or sum_ + waiting[0].rows <= rows):
        wave.append(waiting.popleft())
        sum_ += wave[-1].rows
    return wave


def _count(
    batches: Iterable[pa.RecordBatch],
    *,
    name: str,
    begins: dict[int, int],
    plan: Plan,
    among: tuple[int, int],
    before: float,
) -> Iterator[pa.RecordBatch]:
    """What a worker does with its partition."""
    for stretch in _stretches(batches, name, begins, among):
        counted = panes(stretch, plan, before)
        first = pa.array([counted.first], pa.int64())
        yield pa.RecordBatch.from_arrays([first, pa.array([encode(counted)], pa.binary())], ["first", "counted"])


def _stretches(
    batches: Iterable[pa.RecordBatch], name: str, begins: dict[int, int], among: tuple[int, int] = ALL
) -> Iterator[list[Rows]]:
    """Rows ``among`` two offsets that follow each other, as many as one stretch takes."""
    held, end, room = list[Rows](), -1, 0
    for table in batches:
        files, row = table.column(FILE).to_numpy(), table.column(ROW).to_numpy()
        keys, which = np.unique(files, return_inverse=True)
        offsets = np.array([begins[key] for key in keys.tolist()], np.int64)[which] + row
        rest, mine = table.drop_columns([FILE, ROW]), (among[0] <= offsets) & (offsets < among[1])
        if not mine.all():
            rest, offsets = rest.filter(pa.array(mine)), offsets[mine]
        begin = 0
        for stop in (*(np.flatnonzero(np.diff(offsets) != 1) + 1).tolist(), len(offsets)):
            while begin < stop:
                if held and (offsets[begin] != end or room == 0):
                    yield held
                    held = []
                if not held:
                    room = STRETCH_ROWS
                part = min(stop - begin, room)
                held.append(_rows(rest.slice(begin, part), offsets[begin : begin + part], name))
                begin, room, end = begin + part, room - part, int(offsets[begin + part - 1]) + 1
    if held:
        yield held


def _rows(table: Any, offsets: Any, name: str) -> Rows:
    n = len(offsets)
    unknown = np.full(n, np.nan)
    return Rows(name, 0, offsets, unknown, (None,) * n, int(offsets[-1]) + 1, table=table, good=np.arange(n))
