"""Kafka's record batches (format v2), taken piece by piece from the bytes of a fetch.

    RecordBatch => BaseOffset i64, Length i32, LeaderEpoch i32, Magic i8, CRC u32, Attributes i16,
                   LastOffsetDelta i32, FirstTimestamp i64, MaxTimestamp i64, ProducerId i64, ProducerEpoch i16,
                   BaseSequence i32, Count i32, [Record]

driftd.sources.kafka.columns decodes what is in a Record.
Source: Apache Kafka, "Record Batch" in the protocol documentation; the CRC-32C covers attributes to end.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from crc32c import crc32c

from driftd.core.event import RejectReason, Withheld
from driftd.sources.kafka.columns import Damaged, KafkaBatch, Stretch, after, concatenate, decode, varints
from driftd.sources.kafka.compression import Damage, Unreadable, decompress, pieces
from driftd.sources.kafka.packed import Packed, Sealed
from driftd.sources.kafka.salvage import salvage

BATCH: Final = struct.Struct(">qiibIhiqqqhii")
START: Final = struct.Struct(">qi")
MAGIC: Final = 16
SMALLEST_MESSAGE: Final = 26  # of format v0, the shortest
LENGTH_END: Final = 12  # base offset and length come before what the length counts
CRC_START: Final = 21
SMALLEST_RECORD: Final = 7
STRETCH_BYTES: Final = 4 << 20
"""Of records, decompressed, that are decoded at once, about: events take several times as much while they are. A
fetch that is compressed may hold ten times its size."""
MOST_SEALED: Final = 10_000
"""Records of a batch that stays packed: its header says how many there are, and may lie."""
FARTHEST: Final = 1 << 62
"""Offset that no topic reaches."""
CODEC, APPEND_TIME, TRANSACTIONAL, CONTROL = 0x07, 0x08, 0x10, 0x20


class LegacyFormat(Exception):
    """The bytes hold batches of format v0 or v1, older than Kafka 0.11; kafka-python's unpacker reads them."""


class Aborted(Protocol):
    """An aborted transaction as a fetch response names it."""

    producer_id: int
    first_offset: int


@dataclass(slots=True)
class Group:
    """Batches whose records lie in one buffer, so that they are decoded together: of compressed ones STRETCH_BYTES."""

    parts: list[bytes]
    batches: list[KafkaBatch] = field(default_factory=list)
    compressed: bool = False

    def takes(self, size: int, *, compressed: bool) -> bool:
        """Whether records of so many bytes belong into it, too."""
        return self.compressed == compressed and not (compressed and self.batches[-1].stop + size > STRETCH_BYTES)


class Unpacker:
    """The record batches that one fetch brought of one partition, taken piece by piece.

    ``fetch_offset``: records before it are left out (a batch may begin earlier). ``aborted``: the transactions
    to leave out, None to read uncommitted. ``max_batch_bytes`` bounds what one batch may decompress to. ``late``:
    batches stay packed where their header says which offsets they have.
    """

    def __init__(
        self,
        data: bytes,
        fetch_offset: int,
        aborted: Iterable[Aborted] | None,
        max_batch_bytes: int = 64 << 20,
        *,
        late: bool = False,
    ) -> None:
        self.next_offset = fetch_offset
        self.leader_epoch = -1
        self.bytes_read = 0
        self.done = False
        self._data = data
        self._view = memoryview(data)
        self._at = self._end = 0
        self._fetch_offset = fetch_offset
        self._committed_only = aborted is not None
        self._aborted = deque(sorted(aborted or (), key=lambda transaction: transaction.first_offset))
        self._aborted_producers: set[int] = set()
        self._max_batch_bytes = max_batch_bytes
        self._damaged: Damaged | None = None
        self._refused: dict[int, Withheld] = {}
        self._late = late

    def take(self, max_records: int, max_bytes: int = STRETCH_BYTES) -> Stretch:
        """Whole batches until about ``max_records`` or ``max_bytes`` are reached, or the bytes end.

        Raises LegacyFormat, before anything was taken, where the stock unpacker is needed.
        """
        groups: list[Group] = []
        packed = Packed(self._data, lambda data: Unpacker(data, 0, None, self._max_batch_bytes), max_records)
        records = size = 0
        while records < max_records and size < max_bytes and self._damaged is None:
            batch = self._next_batch(groups, packed)
            if batch is None:
                break
            records += batch.count
            size += batch.stop - batch.start
        if packed.batches:
            return packed.stretch(self._fetch_offset, self.next_offset, self.leader_epoch, self._damaged)
        stretches: list[Stretch | None] = []
        while groups:  # each lets go of what it was decoded from before the next one is
            stretches.append(self._decode(groups.pop(0)))
        return self._join(stretches)

    def _next_batch(self, groups: list[Group], packed: Packed) -> KafkaBatch | None:
        """Read headers until a batch with data; None at the end, or in front of a batch that is damaged, or of one that
        stays packed where those before it do not, or the other way round.
        """
        data, size = self._data, len(self._data)
        while self._at + LENGTH_END <= size:
            at = self._at
            base, length = START.unpack_from(data, at)
            end = at + LENGTH_END + length
            if end > size:
                break  # the broker cuts the last batch where the fetch size ends
            if end - at < SMALLEST_MESSAGE:
                first = max(base, self.next_offset)
                self._damaged = Damaged(first, first + 1, Damage.MALFORMED, "the batch is shorter than its header")
                break
            magic = data[at + MAGIC]
            if magic < 2:
                raise LegacyFormat
            header = data[at : at + BATCH.size].ljust(BATCH.size, b"\0")  # too short: check() says so
            (_, _, epoch, _, crc, attributes, last, first_ms, max_ms, producer, _, _, count) = BATCH.unpack(header)
            next_offset = base + last + 1
            sealed = self._late and 0 < count == last + 1 <= MOST_SEALED
            if groups if sealed else packed.batches:
                return None
            try:
                check(self._view, at, end, magic, crc, next_offset - base)
                self._require_order(base, next_offset)
                if self._is_hidden(producer, attributes, next_offset, at, end):
                    self._at, self.leader_epoch = end, epoch
                    self.next_offset = max(self.next_offset, next_offset)
                    continue
                start = at + BATCH.size
                batch = KafkaBatch(
                    base, next_offset, first_ms, max_ms, bool(attributes & APPEND_TIME), count, start, end
                )
                if sealed:
                    packed.batches.append(Sealed(base, next_offset, max_ms, at, end))
                else:
                    place(batch, attributes & CODEC, data, groups, self._max_batch_bytes)
            except Unreadable as error:
                first = max(base, self.next_offset)
                if next_offset > FARTHEST:
                    first = next_offset = self.next_offset
                self._damaged = Damaged(first, max(next_offset, first + 1), error.damage, str(error))
                break
            self._at, self.leader_epoch = end, epoch
            self._note_losses(batch, next_offset)
            self.next_offset = max(self.next_offset, batch.next_offset)
            self.bytes_read += end - at
            return batch
        self.done = True
        return None

    def _require_order(self, base: int, next_offset: int) -> None:
        """No checksum covers a batch's base offset: with a wrong one, records would be read twice, or for ever."""
        if base < self._end or next_offset > FARTHEST:
            raise Unreadable(Damage.MALFORMED, "the batch's offsets do not follow those before it")
        self._end = next_offset

    def _note_losses(self, batch: KafkaBatch, next_offset: int) -> None:
        """Records too large to be read, and the rest of a batch that was read in part only."""
        self._refused |= batch.refused
        if batch.next_offset < next_offset:
            first = max(batch.next_offset, self.next_offset)
            detail = f"the batch decompresses to more than {self._max_batch_bytes} bytes"
            self._damaged = Damaged(first, next_offset, Damage.TOO_LARGE, detail)
            self.done = True

    def _is_hidden(self, producer: int, attributes: int, next_offset: int, at: int, end: int) -> bool:
        """Control batches and, when reading committed only, batches of aborted transactions."""
        if self._committed_only and producer >= 0:
            while self._aborted and self._aborted[0].first_offset < next_offset:
                self._aborted_producers.add(self._aborted.popleft().producer_id)
            if attributes & CONTROL:
                if is_abort(self._data, at + BATCH.size, end):
                    self._aborted_producers.discard(producer)
            elif attributes & TRANSACTIONAL and producer in self._aborted_producers:
                return True
        return bool(attributes & CONTROL)

    def _decode(self, group: Group) -> Stretch | None:
        """All records of a group; on damage those before it, and the batch is noted."""
        if self._damaged is not None and self._damaged.first < group.batches[0].base_offset:
            return None
        buffer = group.parts[0] if len(group.parts) == 1 else b"".join(group.parts)
        group.parts.clear()
        try:
            return decode(buffer, group.batches)
        except (Unreadable, IndexError):
            pass
        good: list[KafkaBatch] = []
        for batch in group.batches:
            try:
                decode(buffer, [batch])
            except (Unreadable, IndexError) as error:
                detail = str(error) if isinstance(error, Unreadable) else "a record ends after its batch"
                first = max(batch.base_offset, self._fetch_offset)
                self._damaged = Damaged(first, max(batch.next_offset, first + 1), Damage.MALFORMED, detail)
                self.next_offset, self.done = first, True
                break
            good.append(batch)
        return decode(buffer, good) if good else None

    def _join(self, stretches: list[Stretch | None]) -> Stretch:
        found = [stretch for stretch in stretches if stretch is not None]
        joined = found[0] if len(found) == 1 else concatenate(found)
        skip = int(np.searchsorted(joined.offsets, self._fetch_offset))
        keys, headers = after(joined.keys, skip), after(joined.headers, skip)
        refused, self._refused = self._refused, {}
        return Stretch(
            offsets=joined.offsets[skip:],
            timestamps_ms=joined.timestamps_ms[skip:],
            values=joined.values[skip:] if skip else joined.values,
            next_offset=max(self.next_offset, self._fetch_offset),
            leader_epoch=self.leader_epoch,
            keys=keys if keys is not None and any(key is not None for key in keys) else None,
            headers=headers if headers is not None and any(headers) else None,
            damaged=self._damaged,
            refused=refused,
        )


def check(view: memoryview, at: int, end: int, magic: int, crc: int, offsets: int) -> None:
    if magic > 2:
        raise Unreadable(Damage.MALFORMED, f"record format v{magic}, expected v2 at most")
    if end - at < BATCH.size or offsets < 1:
        raise Unreadable(Damage.MALFORMED, "the batch is shorter than its header")
    if crc32c(view[at + CRC_START : end]) != crc:
        raise Unreadable(Damage.CHECKSUM, "the batch's checksum (CRC-32C) differs")


def place(batch: KafkaBatch, codec: int, data: bytes, groups: list[Group], max_bytes: int) -> None:
    """Put the batch into the group whose buffer holds its records, decompressed first where it must be."""
    records = expanded(batch, codec, data[batch.start : batch.stop], max_bytes) if codec else None
    size = batch.stop - batch.start if records is None else len(records)
    if not 0 <= batch.count <= size // SMALLEST_RECORD:
        raise Unreadable(Damage.MALFORMED, f"the batch claims {batch.count} records")
    if not groups or not groups[-1].takes(size, compressed=bool(codec)):
        groups.append(Group([] if codec else [data], compressed=bool(codec)))
    group = groups[-1]
    if records is not None:
        batch.start = group.batches[-1].stop if group.batches else 0
        batch.stop = batch.start + size
        group.parts.append(records)
    group.batches.append(batch)


def expanded(batch: KafkaBatch, codec: int, packed: bytes, max_bytes: int) -> bytes:
    """The batch's records, decompressed; of too large a batch those that can be had, which ``batch`` then says."""
    try:
        return decompress(codec, packed, max_bytes)
    except Unreadable as error:
        if error.damage is not Damage.TOO_LARGE:
            raise
        found = salvage(pieces(codec, packed, max_bytes), batch.count, max_bytes)
        if not found.count:
            raise
    for delta, size in found.huge.items():
        why = f"{size} bytes in a batch that decompresses to more than {max_bytes}"
        batch.refused[batch.base_offset + delta] = RejectReason.DECOMPRESSION_BOMB, why
    if found.count < batch.count:
        batch.count, batch.next_offset = found.count, batch.base_offset + found.next_delta
    return found.records


def is_abort(data: bytes, start: int, end: int) -> bool:
    """Does this control batch say that a transaction was aborted? (Its one record's key: version i16, type i16.)"""
    array = np.frombuffer(data[start:end], np.uint8)
    try:
        _, at = varints(array, np.zeros(1, np.int64))  # the record's length; then its attributes, one byte
        _, at = varints(array, at + 1)  # timestamp delta
        _, at = varints(array, at)  # offset delta
        _, at = varints(array, at)  # length of the key
        kind: int = struct.unpack_from(">hh", data, start + int(at[0]))[1]
        return kind == 0
    except (IndexError, struct.error):
        raise Unreadable(Damage.MALFORMED, "a transaction marker is cut short") from None
