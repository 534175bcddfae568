"""A batch that decompresses to more than may be held: good records are read, what is too large is refused by name."""

from __future__ import annotations

import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable, Sequence
from typing import Final

import lz4.frame  # type: ignore[import-untyped]
import pytest
import snappy  # type: ignore[import-untyped]
import zstandard

from driftd.core.event import RejectReason, Schema
from driftd.decode import codec_of
from driftd.sources.kafka.client import to_batch
from driftd.sources.kafka.columns import Stretch
from driftd.sources.kafka.compression import KEPT_BYTES, XERIAL, Damage
from driftd.sources.kafka.records import STRETCH_BYTES, Unpacker
from driftd.sources.kafka.salvage import MOST_RECORDS
from driftd.sources.kafka.varint import encoded
from tests.contract.kafka_batches import CODECS, Record, batch, sealed

LIMIT: Final = 1 << 20
EVENT: Final = b'{"model": "m", "time": 1795413600, "features": {"x": 1}}'
HUGE: Final = 3 * LIMIT


def gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()


def xerial(data: bytes) -> bytes:
    """Snappy as the Java client frames it."""
    blocks = [bytes(snappy.compress(data[at : at + 32_768])) for at in range(0, len(data), 32_768)]
    return XERIAL + struct.pack(">ii", 1, 1) + b"".join(struct.pack(">i", len(block)) + block for block in blocks)


PACKERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": gzip,
    "snappy": xerial,
    "lz4": lz4.frame.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
each_codec = pytest.mark.parametrize("codec", PACKERS)


def record(value: bytes, delta: int, key: bytes | None = None) -> bytes:
    start = b"\0" + encoded(10 * delta) + encoded(delta)
    keyed = b"\x01" if key is None else encoded(len(key)) + key
    body = start + keyed + encoded(len(value)) + value + encoded(0)
    return encoded(len(body)) + body


def compressed(
    records: Sequence[bytes], codec: str, first: int = 0, pack: Callable[[bytes], bytes] | None = None
) -> bytes:
    """A batch of these values, whatever their size, with a checksum that fits."""
    raw = b"".join(record(value, delta, b"key") for delta, value in enumerate(records))
    packed = (pack or PACKERS[codec])(raw)
    head = bytearray(batch([Record()], first)[:61])
    struct.pack_into(">i", head, 8, 49 + len(packed))
    struct.pack_into(">h", head, 21, CODECS[codec])
    struct.pack_into(">i", head, 23, len(records) - 1)
    struct.pack_into(">i", head, 57, len(records))
    return sealed(head + packed)


def read(data: bytes, fetch_offset: int = 0) -> Stretch:
    return Unpacker(data, fetch_offset, (), max_batch_bytes=LIMIT).take(10_000)


@each_codec
def test_good_records_around_a_huge_one_are_read(codec: str) -> None:
    values = [b"a" * 100, b"b", bytes(HUGE), b"c" * 200_000, b"d"]
    stretch = read(batch([Record(b"before")]) + compressed(values, codec, 1) + batch([Record(b"after")], 6))
    assert stretch.values == [b"before", values[0], values[1], None, values[3], values[4], b"after"]
    assert stretch.offsets.tolist() == [*range(7)]
    assert stretch.keys is not None
    assert stretch.keys[1:6] == [b"key", b"key", None, b"key", b"key"]
    assert (stretch.timestamps_ms[2:5] - stretch.timestamps_ms[1]).tolist() == [10, 20, 30]
    assert list(stretch.refused) == [3]
    assert f"{HUGE}"[:3] in stretch.refused[3][1]
    assert stretch.damaged is None
    assert stretch.next_offset == 7


@each_codec
def test_what_does_not_fit_any_more_is_a_rest_with_offsets(codec: str) -> None:
    values = [b"%d" % n + bytes(150_000) for n in range(10)]
    stretch = read(compressed(values, codec, 50) + batch([Record(b"after")], 60), 50)
    assert [value[:1] for value in stretch.values if value is not None] == [b"%d" % n for n in range(6)]
    assert stretch.damaged is not None
    assert (stretch.damaged.first, stretch.damaged.next_offset) == (56, 60)
    assert stretch.damaged.damage is Damage.TOO_LARGE
    assert stretch.next_offset == 56


def test_a_fetch_that_begins_within_a_bomb_does_not_go_back() -> None:
    data = compressed([b"%d" % n + bytes(150_000) for n in range(10)], "zstd", 50)
    stretch = read(data, 58)
    assert len(stretch) == 0
    assert stretch.damaged is not None
    assert (stretch.damaged.first, stretch.damaged.next_offset, stretch.next_offset) == (58, 60, 58)


def test_a_record_that_never_ends_costs_a_bounded_time_and_memory() -> None:
    """Of a batch of a gigabyte four times the limit is looked at."""
    data = compressed([b"good", bytes(256 * LIMIT)], "zstd")
    assert len(data) < 100_000
    tracemalloc.start()
    began = time.process_time()
    stretch = read(data)
    took = time.process_time() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (stretch.values, stretch.next_offset) == ([b"good"], 1)
    assert stretch.damaged is not None
    assert (stretch.damaged.first, stretch.damaged.next_offset) == (1, 2)
    assert took < 1
    assert peak < 8 * LIMIT


def test_a_million_records_in_a_bomb_are_not_all_read() -> None:
    values = [b"", bytes(2 * HUGE), *[b""] * (MOST_RECORDS + 10)]
    stretch = Unpacker(compressed(values, "zstd"), 0, (), max_batch_bytes=2 * LIMIT).take(10**9)
    assert len(stretch) == MOST_RECORDS
    assert stretch.damaged is not None
    assert stretch.damaged.first == MOST_RECORDS


def test_a_bare_snappy_bomb_cannot_be_read_in_part() -> None:
    data = compressed([b"a", bytes(HUGE)], "snappy", pack=lambda raw: bytes(snappy.compress(raw)))
    stretch = read(data + batch([Record(b"after")], 2))
    assert len(stretch) == 0
    assert stretch.damaged is not None
    assert (stretch.damaged.damage, stretch.damaged.next_offset) == (Damage.TOO_LARGE, 2)


def test_a_bomb_whose_records_make_no_sense_is_refused_as_a_whole() -> None:
    data = compressed([b"a"], "gzip", pack=lambda _: gzip(b"\xff" * HUGE))
    stretch = read(data)
    assert stretch.damaged is not None
    assert (len(stretch), stretch.damaged.damage) == (0, Damage.TOO_LARGE)


def test_the_huge_record_is_rejected_with_its_own_reason_and_everything_adds_up() -> None:
    stretch = read(compressed([EVENT, bytes(HUGE), EVENT], "zstd", 100), 100)
    records = to_batch(("t", 0), stretch, time.time())
    decoded = codec_of().decode(records, {"m": Schema("m")})
    (reject,) = decoded.rejects
    assert (reject.offset, reject.index, reject.reason) == (101, 1, RejectReason.DECOMPRESSION_BOMB)
    assert "in a batch that decompresses to more than 1048576" in reject.detail
    assert sum(map(len, decoded.batches)) == 2
    assert decoded.received == 3


def held(data: bytes) -> tuple[Stretch, int]:
    """What was read, and the most that was held meanwhile."""
    tracemalloc.start()
    try:
        stretch = Unpacker(data, 0, ()).take(10_000)
        return stretch, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_a_bomb_is_not_held_until_it_is_known_to_be_one(codec: str) -> None:
    """A record of 100 MB where 64 MiB may be held."""
    pack = {"zstd": lambda raw: zstandard.ZstdCompressor(write_content_size=False).compress(raw)}.get(codec)
    data = compressed([b"good", bytes(100_000_000), b"too"], codec, pack=pack)
    stretch, peak = held(data)
    assert (stretch.values, list(stretch.refused)) == ([b"good", None, b"too"], [1])
    assert peak < KEPT_BYTES + (12 << 20)


@each_codec
def test_a_batch_that_just_fits_is_held_once_beside_its_records(codec: str) -> None:
    values = [b"%d" % n + bytes(1_000_000) for n in range(60)]
    stretch, peak = held(compressed(values, codec))
    assert stretch.values == values
    assert peak < 2.3 * sum(map(len, values))


def test_what_unpacks_to_much_is_taken_bit_by_bit() -> None:
    """Sixty batches of a megabyte each, in a fetch of a few kilobytes."""
    unpacker = Unpacker(b"".join(compressed([b"%d" % n + bytes(1_000_000)], "zstd", n) for n in range(60)), 0, ())
    read = list[bytes]()
    tracemalloc.start()
    while not unpacker.done:
        read += [value[:2] for value in unpacker.take(10_000).values if value]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read == [b"%d" % n + bytes(n < 10) for n in range(60)]
    assert peak < 4 * STRETCH_BYTES
