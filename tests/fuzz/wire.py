"""Target: record batches as Kafka sends them."""

from __future__ import annotations

import struct
from collections.abc import Hashable
from pathlib import Path
from typing import Final, cast

from driftd.sources.kafka.records import BATCH, LENGTH_END, START, Aborted, LegacyFormat, Unpacker
from tests.contract.kafka_batches import CODECS, AbortedTransaction, Record, batch, marker, sealed
from tests.fuzz.engine import Target, Try, sign_of

LIMIT: Final = 1 << 20
"""Of what a batch may decompress to."""
MOST_TAKES: Final = 50


def mended(data: bytes) -> bytes:
    """With lengths as they are, checksums that fit."""
    out, at = bytearray(data), 0
    while at + BATCH.size <= len(out):
        _, length = START.unpack_from(out, at)
        end = at + LENGTH_END + length
        if not at + BATCH.size <= end <= len(out):
            end = len(out)
            struct.pack_into(">i", out, at + 8, end - at - LENGTH_END)
        out[at:end] = sealed(out[at:end])
        at = end
    return bytes(out)


def unpacking(_: Path) -> Try:
    """Every fetch is read to its end or to what is damaged, in order, within the offsets that the stretch names."""

    def attempt(data: bytes) -> Hashable:
        signs: list[Hashable] = []
        for aborted in (None, [cast("Aborted", AbortedTransaction(5, 0))]):
            unpacker = Unpacker(data, 2, aborted, max_batch_bytes=LIMIT)
            before = 2
            for _ in range(MOST_TAKES):
                try:
                    stretch = unpacker.take(100, 1 << 16)
                except LegacyFormat:
                    signs.append("legacy")
                    break
                n = len(stretch)
                assert len(stretch.offsets) == len(stretch.timestamps_ms) == n
                assert all(c is None or len(c) == n for c in (stretch.keys, stretch.headers))
                offsets = stretch.offsets.tolist()
                assert offsets == sorted(set(offsets))
                assert not offsets or before <= offsets[0] <= offsets[-1] < stretch.next_offset
                assert stretch.next_offset >= before
                assert sum(len(v or b"") for v in stretch.values) <= len(data) + MOST_TAKES * LIMIT
                before = stretch.next_offset
                if stretch.damaged is not None:
                    damaged = stretch.damaged
                    assert damaged.next_offset > damaged.first >= 0
                    signs.append((damaged.damage, sign_of(damaged.detail)))
                    break
                signs.append((min(n, 4), stretch.keys is None, stretch.headers is None, bool(stretch.refused)))
                if unpacker.done:
                    break
            else:
                raise AssertionError("no end")
        return tuple(signs)

    return attempt


def batches() -> list[bytes]:
    records = [
        Record(b'{"model": "m"}', b"k", (("trace", b"7"), ("empty", None))),
        None,
        Record(None, b"k"),
        Record(b"v" * 200),
    ]
    plain = [batch(records, 0, codec) for codec in CODECS]
    transaction = batch(records, 4, "gzip", 5, transactional=True) + marker(8, 5, abort=True)
    return [*plain, plain[0] + transaction, batch(records[:1], 0, append_time_ms=5), batch([Record()], magic=1)]


TARGETS: Final = (Target("batches", unpacking, batches, mend=mended, quick=300),)
