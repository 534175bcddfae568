"""Batches that are unpacked late give the records that an Unpacker gives at once, and none is unpacked in vain."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.core.event import RejectReason
from driftd.sources.kafka import records
from driftd.sources.kafka.columns import Stretch
from driftd.sources.kafka.compression import decompress
from driftd.sources.kafka.records import Unpacker
from tests.contract.kafka_batches import CODECS, TIME_MS, AbortedTransaction, Record, batch, marker, sealed

SOME = [Record(b"%d" % n, b"key" if n % 3 else None, (("h", b"1"),) * (n % 2), TIME_MS + n) for n in range(30)]


def taken(data: bytes, *, late: bool, fetch_offset: int = 0, aborted: Sequence[Any] = ()) -> list[Stretch]:
    unpacker, out = Unpacker(data, fetch_offset, aborted, late=late), list[Stretch]()
    while not unpacker.done:
        out.append(unpacker.take(1000))
    return out


def opened(stretches: Sequence[Stretch], wanted: set[int] | None = None) -> list[tuple[Any, ...]]:
    """Offset, time, value, key and headers of all their records, or of the wanted ones."""
    out = list[tuple[Any, ...]]()
    for one in stretches:
        offsets = one.offsets if wanted is None else one.offsets[np.isin(one.offsets, list(wanted))]
        for part in [one] if one.packed is None else one.packed.of(offsets):
            n = len(part)
            keys, headers = part.keys or [None] * n, part.headers or [()] * n
            own = part.offsets.tolist(), part.timestamps_ms.tolist(), part.values, keys, map(tuple, headers)
            out += zip(*own, strict=True)
    return [row for row in out if wanted is None or row[0] in wanted]


@pytest.mark.parametrize("codec", CODECS)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    skip=st.integers(0, 20),
    wanted=st.sets(st.integers(0, 71)),
    gone=st.sets(st.integers(0, 71), max_size=2),
)
def test_all_and_some_records_are_those_of_a_reader_that_unpacks_at_once(
    codec: str, sizes: list[int], skip: int, wanted: set[int], gone: set[int]
) -> None:
    """``gone``: compaction took them, so the headers of their batches do not say which offsets there are."""
    data, first = b"", 0
    for size in sizes:
        some = [None if n in gone else SOME[n % len(SOME)] for n in range(first, first + size)]
        data += batch(some, first, codec) if any(some) else b""
        first += size
    at_once, late = (taken(data, late=late, fetch_offset=skip) for late in (False, True))
    assert opened(late) == opened(at_once)
    assert late[-1].next_offset == at_once[-1].next_offset
    assert opened(late, wanted) == opened(at_once, wanted)


def test_a_packed_stretch_has_the_offsets_of_its_records_and_the_latest_time_of_each_batch() -> None:
    data = batch(SOME[:3], 5, "lz4") + batch(SOME[3:6], 8, append_time_ms=TIME_MS + 99)
    (stretch,) = taken(data, late=True, fetch_offset=6)
    assert stretch.packed is not None
    assert (stretch.offsets.tolist(), len(stretch), stretch.next_offset, stretch.leader_epoch) == (
        [6, 7, 8, 9, 10],
        5,
        11,
        7,
    )
    assert (stretch.timestamps_ms - TIME_MS).tolist() == [2, 2, 99, 99, 99]


def test_only_batches_with_a_wanted_record_are_decompressed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = list[int]()

    def counted(codec: int, data: bytes, max_bytes: int) -> bytes:
        calls.append(codec)
        return decompress(codec, data, max_bytes)

    monkeypatch.setattr(records, "decompress", counted)
    (stretch,) = taken(b"".join(batch(SOME, 30 * n, "zstd") for n in range(20)), late=True)
    assert stretch.packed is not None
    assert [part.offsets.tolist() for part in stretch.packed.of(np.array([31, 33, 290]))] == [[31, 33, 290]]
    assert len(calls) == 2
    assert not [*stretch.packed.of(np.zeros(0, np.int64))]
    assert len(calls) == 2


def test_wanted_records_of_a_batch_that_cannot_be_read_are_refused_and_those_behind_it_come() -> None:
    broken = bytearray(batch(SOME[:5], 5))
    broken[-3:] = b"\xff\xff\xff"  # with the checksum that fits: its producer wrote it so
    data = batch(SOME[:5]) + sealed(broken) + batch(SOME[:5], 10, "gzip")
    (stretch,) = taken(data, late=True)
    assert stretch.packed is not None
    parts = [*stretch.packed.of(np.array([1, 6, 9, 11]))]
    assert [(part.offsets.tolist(), part.values) for part in parts] == [
        ([1], [b"1"]),
        ([6, 9], [None, None]),
        ([11], [b"1"]),
    ]
    assert {reason for reason, _ in parts[1].refused.values()} == {RejectReason.DAMAGED}
    assert not parts[0].refused


def test_a_checksum_that_differs_ends_a_packed_stretch_in_front_of_its_batch() -> None:
    broken = bytearray(batch(SOME, 30, "lz4"))
    broken[-1] ^= 1
    unpacker = Unpacker(batch(SOME, 0, "lz4") + bytes(broken), 0, (), late=True)
    stretch = unpacker.take(1000)
    assert (len(stretch), stretch.next_offset) == (30, 30)
    assert stretch.damaged is not None


def test_records_of_aborted_transactions_are_left_out() -> None:
    data = batch(SOME[:2], producer=9, transactional=True) + marker(2, 9, abort=True) + batch(SOME[:2], 3)
    found = taken(data, late=True, aborted=[AbortedTransaction(9, 0)])
    assert [row[0] for row in opened(found)] == [3, 4]
    assert found[-1].next_offset == 5


def test_a_header_that_claims_a_billion_records_makes_no_array_of_them() -> None:
    lying = bytearray(batch(SOME))
    struct.pack_into(">i", lying, 23, 10**9 - 1)
    struct.pack_into(">i", lying, 57, 10**9)
    (stretch,) = taken(sealed(lying), late=True)
    assert (len(stretch), stretch.packed) == (0, None)
    assert stretch.damaged is not None
