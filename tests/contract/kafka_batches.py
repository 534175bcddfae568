"""Record batches as a broker would send them, made with kafka-python's own builder and then marked by hand."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from crc32c import crc32c
from kafka.consumer.fetcher import Fetcher
from kafka.protocol.consumer import IsolationLevel
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder
from kafka.structs import TopicPartition

from driftd.sources.kafka.columns import Stretch
from driftd.sources.kafka.patches import partition_records, stretch_of

CODECS: Final = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
TIME_MS: Final = 1795413611828
PARTITION: Final = TopicPartition("t", 0)


@dataclass(frozen=True)
class Record:
    value: bytes | None = b"v"
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: int = TIME_MS


@dataclass(frozen=True)
class AbortedTransaction:
    producer_id: int
    first_offset: int


def batch(
    records: Sequence[Record | None],
    first: int = 0,
    codec: str = "none",
    producer: int = -1,
    *,
    transactional: bool = False,
    append_time_ms: int | None = None,
    magic: int = 2,
) -> bytes:
    """One batch whose records begin at offset ``first``; None is a record that compaction took."""
    builder = MemoryRecordsBuilder(magic, CODECS[codec], 1 << 18)
    for offset, record in enumerate(records):
        if record is None:
            builder.skip(1)
        elif builder.append(record.timestamp_ms, record.key, record.value, list(record.headers)) is None:
            raise AssertionError(f"record {offset} does not fit")
    builder.close()
    data = bytearray(builder.buffer())
    if magic < 2:
        return bytes(data)
    attributes = struct.unpack_from(">h", data, 21)[0] | (0x10 if transactional else 0)
    if append_time_ms is not None:
        attributes |= 0x08
        struct.pack_into(">q", data, 35, append_time_ms)
    struct.pack_into(">q", data, 0, first)
    struct.pack_into(">i", data, 12, 7)  # leader epoch
    struct.pack_into(">i", data, 23, len(records) - 1)
    struct.pack_into(">h", data, 21, attributes)
    struct.pack_into(">qh", data, 43, producer, 0 if producer >= 0 else -1)
    return sealed(data)


def marker(first: int, producer: int, *, abort: bool) -> bytes:
    """The control batch that ends a transaction."""
    record = Record(value=b"\0\0\0\0\0\0", key=struct.pack(">hh", 0, 0 if abort else 1))
    data = bytearray(batch([record], first, producer=producer, transactional=True))
    struct.pack_into(">h", data, 21, struct.unpack_from(">h", data, 21)[0] | 0x20)
    return sealed(data)


def sealed(data: bytearray) -> bytes:
    """With the checksum that fits."""
    struct.pack_into(">I", data, 17, crc32c(bytes(data[21:])))
    return bytes(data)


def part(data: bytes, fetch_offset: int, aborted: Sequence[AbortedTransaction], *, fast: bool) -> Any:
    stock = Fetcher.PartitionRecords
    make = partition_records(stock, max_records=1_000_000, max_batch_bytes=64 << 20, late=False) if fast else stock
    return make(
        fetch_offset,
        PARTITION,
        MemoryRecords(data),
        check_crcs=True,
        isolation_level=IsolationLevel.READ_COMMITTED,
        aborted_transactions=list(aborted),
    )


def read_fast(data: bytes, fetch_offset: int = 0, aborted: Sequence[AbortedTransaction] = ()) -> tuple[Stretch, int]:
    """What our path makes of the bytes, and where it would read on."""
    records = part(data, fetch_offset, aborted, fast=True)
    (stretch,) = records.take(1) or [stretch_of([], records.next_fetch_offset, records.leader_epoch)]
    assert not records or stretch.damaged is None
    return stretch, records.next_fetch_offset


def read_stock(data: bytes, fetch_offset: int = 0, aborted: Sequence[AbortedTransaction] = ()) -> tuple[Stretch, int]:
    """What kafka-python makes of the same bytes."""
    records = part(data, fetch_offset, aborted, fast=False)
    found = records.take(None)
    return stretch_of(found, records.next_fetch_offset, records.leader_epoch), records.next_fetch_offset


def plain(stretch: Stretch) -> dict[str, Any]:
    headers = None if stretch.headers is None else [list(one) for one in stretch.headers]
    return {
        "offsets": stretch.offsets.tolist(),
        "timestamps_ms": stretch.timestamps_ms.tolist(),
        "values": stretch.values,
        "keys": stretch.keys,
        "headers": headers,
        "next_offset": stretch.next_offset,
    }
