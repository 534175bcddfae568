"""Apache Arrow's IPC streams and files: many events a record, read as columns and never as JSON (docs/how-to/arrow.md).

record -> how large it becomes -> pyarrow.RecordBatches, validated -> one table a schema -> FlatCodec, as of Parquet
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from driftd.core.errors import ConfigError
from driftd.core.event import Decoded, RecordBatch, Reject, RejectReason, Schema, TopicPartition
from driftd.decode.json.strict import Refused
from driftd.decode.limits import GROWS, Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import UNFORESEEN, Record, each, unforeseen
from driftd.decode.registry import checked

if TYPE_CHECKING:
    from driftd.decode.tabular.codec import FlatCodec
    from driftd.ingest.halves import Halves

TITLE: Final = "Arrow IPC"
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ("records over 262,144 bytes need a higher `limits: {record_bytes: ...}`",)
NEEDS: Final = "batches need columns that are fields of an event, as docs/how-to/arrow.md has them"
_STREAM, _FILE = b"\xff\xff\xff\xff", b"ARROW1\x00\x00"
"""How a stream and a file begin; a file is a stream behind its first 8 bytes."""
_LEAST_ROOM: Final = 65_536
"""Bytes that any record may become: a small one has its schema beside few values."""
_DEEPEST: Final = 16
"""Structs in structs. Chosen: as deep as anybody names features."""
_MOST_SCHEMAS: Final = 100
"""Whose codecs are kept. Chosen: more than the producers of a topic have."""
_LOOKED_AT: Final = 5
"""Rows in which fields are looked for: all have the same columns, and some a value."""
_DICTIONARY, _BATCH = 2, 3
"""Types of messages that have buffers."""


@dataclass(frozen=True, slots=True)
class _Table:
    """What is in one record. ``index``: its place among the records."""

    index: int
    table: Any


@dataclass(slots=True)
class ArrowCodec:
    """Decodes records of Arrow IPC."""

    mapping: RecordMapping
    limits: Limits
    _codecs: dict[Any, FlatCodec | Refused] = field(default_factory=dict)

    def decode(
        self,
        records: RecordBatch,
        schemas: Mapping[str, Schema],
        halves: Halves | None = None,  # noqa: ARG002  a row is a whole event
    ) -> Decoded:
        tables: list[_Table] = []
        rejects: list[Reject] = []
        for index, record in enumerate(each(records)):
            try:
                tables.append(_Table(index, _table(record, self.limits)))
            except Refused as why:
                rejects.append(Reject(index, int(records.offsets[index]), why.reason, why.detail))
            except UNFORESEEN as error:
                failed = unforeseen(error)
                rejects.append(Reject(index, int(records.offsets[index]), failed.reason, failed.detail))
        known = {**schemas}
        # those of one schema that follow one another are one table: a call for each costs more than what is in it
        runs = [[*run] for _, run in groupby(tables, lambda one: one.table.schema)]
        return _together([part for run in runs for part in self._guarded(records, run, known)], rejects)

    def _guarded(self, records: RecordBatch, run: Sequence[_Table], schemas: dict[str, Schema]) -> Iterator[Decoded]:
        """As ``_decoded``; a record that nobody foresaw is refused alone."""
        try:
            yield self._decoded(records, run, schemas)
        except UNFORESEEN as error:
            if len(run) > 1:
                for one in run:
                    yield from self._guarded(records, [one], schemas)
                return
            why, index = unforeseen(error), run[0].index
            yield Decoded(1, [], [Reject(index, int(records.offsets[index]), why.reason, why.detail)])

    def _decoded(self, records: RecordBatch, run: Sequence[_Table], schemas: dict[str, Schema]) -> Decoded:
        import pyarrow as pa  # noqa: PLC0415  0.2 s to import

        from driftd.decode.tabular.codec import Rows  # noqa: PLC0415

        places = np.array([one.index for one in run])
        codec = self._codec(run[0].table.schema, records.topic_partition)
        if isinstance(codec, Refused):
            at = zip(places.tolist(), records.offsets[places].tolist(), strict=True)
            return Decoded(len(run), [], [Reject(i, offset, codec.reason, codec.detail) for i, offset in at])
        table = pa.concat_tables([one.table for one in run]).combine_chunks()
        (flat,) = table.to_batches(max_chunksize=None) or [pa.RecordBatch.from_pylist([], table.schema)]
        index = np.repeat(places, [len(one.table) for one in run])
        offsets, stamps = records.offsets[index], records.timestamps[index]
        end, good = records.next_offset, np.arange(len(index))
        rows = Rows(*records.topic_partition, offsets, stamps, (), end, table=flat, good=good)
        decoded = codec.decode(rows, schemas)
        for batch in decoded.batches:  # found by this table: the next one adds to it
            schemas.setdefault(batch.model, Schema(batch.model, max_features=self.limits.max_features))
        return replace(decoded, rejects=[replace(r, index=int(index[r.index])) for r in decoded.rejects])

    def _codec(self, schema: Any, source: TopicPartition) -> FlatCodec | Refused:
        codec = self._codecs.get(schema)
        if codec is None:
            if len(self._codecs) >= _MOST_SCHEMAS:
                self._codecs.clear()
            try:
                codec = _codec_of(schema, self.mapping, self.limits, source[0])
            except ConfigError as error:
                codec = Refused(RejectReason.WRONG_TYPE, str(error).splitlines()[0].removeprefix(f"{source[0]}: "))
            except Refused as why:
                codec = why
            self._codecs[schema] = codec
        return codec


def codec(mapping: RecordMapping, limits: Limits) -> ArrowCodec:
    return ArrowCodec(mapping, limits)


def _codec_of(schema: Any, mapping: RecordMapping, limits: Limits, source: str) -> FlatCodec:
    """Raises ConfigError or Refused for columns that cannot be events."""
    from driftd.decode.tabular.codec import FlatCodec  # noqa: PLC0415
    from driftd.decode.tabular.layout import Layout  # noqa: PLC0415

    names = schema.names
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise Refused(RejectReason.WRONG_TYPE, f"column '{doubled[0][:60]}' appears twice")
    asked = Layout.of(mapping, names, source)
    found = asked.resolve(names, source)
    model, version, variant = (asked.columns.get(part) for part in ("model", "version", "variant"))
    made = FlatCodec(found, found.needed(names), model or "", version, limits, {}, source, variant)
    made.require_types(schema, features=False)
    if len(made.features) > limits.features_per_event:
        most = limits.features_per_event
        raise Refused(
            RejectReason.TOO_MANY_FEATURES, f"{len(made.features)} columns of features, at most {most} expected"
        )
    if any(len(name.encode()) > limits.name_bytes for name in made.features):
        raise Refused(RejectReason.NAME_TOO_LONG, f"a feature's name of more than {limits.name_bytes} bytes")
    return made


def _together(parts: Sequence[Decoded], rejects: list[Reject]) -> Decoded:
    refused = sorted([*rejects, *(r for part in parts for r in part.rejects)], key=lambda r: r.index)
    dropped: dict[Any, int] = {}
    for reason, count in (pair for part in parts for pair in part.dropped.items()):
        dropped[reason] = dropped.get(reason, 0) + count
    return Decoded(
        len(rejects) + sum(part.received for part in parts),
        [batch for part in parts for batch in part.batches],
        refused,
        dropped,
        [*{(v.model, v.feature): v for part in reversed(parts) for v in reversed(part.refused)}.values()],
        [*dict.fromkeys(pair for part in parts for pair in part.unwatched)],
    )


def first_rows(records: Iterable[Record], limits: Limits) -> list[dict[str, Any]]:
    """Of the first record that can be read, for who looks for fields in it."""
    for record in records:
        with suppress(Refused, *UNFORESEEN):
            rows: list[dict[str, Any]] = _table(record, limits).slice(0, _LOOKED_AT).to_pylist()
            return rows
    return []


# -- opening --


def _table(record: Record, limits: Limits) -> Any:
    """Structs are columns with dots. Raises Refused."""
    import pyarrow as pa  # noqa: PLC0415

    value = checked(record.value, limits).removeprefix(_FILE)
    if value[:4] != _STREAM:
        raise Refused(RejectReason.UNDECODABLE, "neither a stream nor a file of Arrow IPC")
    most = max(GROWS * len(value), _LEAST_ROOM)
    try:
        _require_room(value, most)
        with pa.ipc.open_stream(value) as reader:
            table = reader.read_all().replace_schema_metadata(None)
        table.validate(full=True)  # else what is damaged is read from anywhere in memory
        table = _flat(table)
        _require_bounds(table, len(value), most)
    except (pa.ArrowException, struct.error, OSError, ValueError) as error:  # a name that is not UTF-8 is of the last
        raise Refused(RejectReason.UNDECODABLE, f"not Arrow IPC: {type(error).__name__}") from None
    return table


def _flat(table: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    for _ in range(_DEEPEST):
        if not any(pa.types.is_struct(kind) for kind in table.schema.types):
            break
        table = table.flatten()
    return table


def _require_bounds(table: Any, size: int, most: int) -> None:
    """Raises Refused for what has no buffers of its own, and yet becomes numbers or texts."""
    if not len(table):
        raise Refused(RejectReason.EMPTY, "no rows in the record")
    if len(table) * max(1, table.num_columns) > most:
        raise Refused(RejectReason.TOO_LARGE, f"{len(table)} rows in a record of {size} bytes")
    for column in table.columns:
        if _shared_bytes(column) > most:
            raise Refused(RejectReason.TOO_LARGE, f"texts of more than {most} bytes in a record of {size}")


def _shared_bytes(column: Any) -> int:
    """Bytes of texts, each as often as it is used: of types that hold a text once for many rows."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    total = 0
    for chunk in column.chunks:
        kind = chunk.type
        if pa.types.is_dictionary(kind) and (
            pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type)
        ):
            total += len(chunk) * (pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0)
        elif kind == pa.string_view() or (pa.types.is_dictionary(kind) and kind.value_type == pa.string_view()):
            views = chunk if kind == pa.string_view() else chunk.dictionary
            sizes = np.frombuffer(views.buffers()[1], "<i4")[::4][views.offset : views.offset + len(views)]
            total += int(sizes.sum(dtype=np.int64)) if views is chunk else len(chunk) * int(sizes.max(initial=0))
    return total


def _require_room(value: bytes, most: int) -> None:
    """Refuses what unpacks to too much. Raises pyarrow's errors and struct.error for what is no IPC."""
    import pyarrow as pa  # noqa: PLC0415

    reader = pa.ipc.MessageReader.open_stream(value)
    total = 0
    for message in iter(reader):
        body = message.body
        total += sum(
            _unpacked(message.metadata.to_pybytes(), memoryview(body) if body is not None else memoryview(b""))
        )
        if total > most:
            raise Refused(RejectReason.TOO_LARGE, f"unpacks to more than {most} bytes, from {len(value)}")


def _unpacked(metadata: bytes, body: memoryview) -> Iterator[int]:
    """Sizes of a message's packed buffers when they are not, which each begins with. FlatBuffers of Message.fbs."""
    message = _Flat(metadata, struct.unpack_from("<I", metadata, 0)[0])
    kind = message.number(1, "<B")
    batch = message.inner(2) if kind == _BATCH else message.inner(2).inner(1) if kind == _DICTIONARY else None
    if batch is None or not batch.at(3):
        return
    place = batch.at(2)
    begin = place + struct.unpack_from("<I", metadata, place)[0]
    for i in range(struct.unpack_from("<I", metadata, begin)[0]):
        offset, length = struct.unpack_from("<qq", metadata, begin + 4 + 16 * i)
        if length >= 8:
            yield max(struct.unpack_from("<q", body, offset)[0], length)


@dataclass(frozen=True, slots=True)
class _Flat:
    """A table of FlatBuffers."""

    data: bytes
    place: int

    def at(self, slot: int) -> int:
        """Where a field is; 0 where it is not there."""
        vtable = self.place - struct.unpack_from("<i", self.data, self.place)[0]
        if 4 + 2 * slot >= struct.unpack_from("<H", self.data, vtable)[0]:
            return 0
        offset = struct.unpack_from("<H", self.data, vtable + 4 + 2 * slot)[0]
        return self.place + offset if offset else 0

    def number(self, slot: int, kind: str) -> int:
        place = self.at(slot)
        return int(struct.unpack_from(kind, self.data, place)[0]) if place else 0

    def inner(self, slot: int) -> _Flat:
        place = self.at(slot)
        return _Flat(self.data, place + struct.unpack_from("<I", self.data, place)[0])


def recognise(record: Record) -> bool:
    value = record.value or b""
    return value[:8] == _FILE or (value[:4] == _STREAM and len(value) > 8)
