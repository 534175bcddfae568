"""Our unpacker reads what kafka-python's reads, and passes on what that one cannot."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.sources.kafka.compression import Damage
from driftd.sources.kafka.records import Unpacker
from tests.contract.kafka_batches import (
    CODECS,
    TIME_MS,
    AbortedTransaction,
    Record,
    batch,
    marker,
    plain,
    read_fast,
    read_stock,
    sealed,
)

BINARY = st.one_of(st.none(), st.binary(max_size=300))
HEADERS = st.lists(st.tuples(st.text(max_size=10), st.one_of(st.none(), st.binary(max_size=10))), max_size=3)
RECORDS = st.lists(
    st.one_of(
        st.none(),
        st.builds(
            Record,
            value=BINARY,
            key=BINARY,
            headers=HEADERS.map(tuple),
            timestamp_ms=st.integers(0, 2**48),
        ),
    ),
    min_size=1,
    max_size=30,
).filter(lambda records: any(record is not None for record in records))
ODD = (
    Record(b"\x00" * 5000, key=b"key"),
    Record(None, key=b"tombstone"),
    None,
    Record(b"", headers=(("h", b"1"), ("h", None), ("ü", b""))),
    Record(b"x" * 70000, timestamp_ms=TIME_MS - 86_400_000),
    None,
    Record(b"last", timestamp_ms=TIME_MS + 2**33),
)


def same(data: bytes, fetch_offset: int = 0, aborted: Sequence[AbortedTransaction] = ()) -> list[bytes | None]:
    fast, fast_next = read_fast(data, fetch_offset, aborted)
    stock, stock_next = read_stock(data, fetch_offset, aborted)
    assert plain(fast) == plain(stock)
    assert fast_next == stock_next
    assert fast.leader_epoch == stock.leader_epoch
    return fast.values


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_is_read_as_kafka_python_reads_it(codec: str) -> None:
    data = batch(ODD, 5, codec) + batch([Record(b"%d" % n) for n in range(300)], 100, codec)
    assert len(same(data)) == 305


@pytest.mark.parametrize("codec", CODECS)
@given(first=RECORDS, second=RECORDS, skip=st.integers(0, 40))
def test_any_records_are_read_alike(
    codec: str, first: list[Record | None], second: list[Record | None], skip: int
) -> None:
    same(batch(first, 0, codec) + batch(second, len(first), codec), min(skip, len(first) + len(second)))


def test_codecs_may_differ_from_batch_to_batch() -> None:
    data = b"".join(batch([Record(codec.encode())] * 3, 3 * n, codec) for n, codec in enumerate(CODECS))
    assert same(data + data_after(15)) == [codec.encode() for codec in CODECS for _ in range(3)] + [b"v"]


def data_after(offset: int) -> bytes:
    return batch([Record()], offset)


def test_a_batch_that_begins_before_the_fetch_offset_is_read_from_there() -> None:
    assert same(batch([Record(b"%d" % n) for n in range(10)], 100), 107) == [b"7", b"8", b"9"]


def test_a_batch_cut_off_by_the_fetch_size_is_left_for_the_next_fetch() -> None:
    assert same(batch([Record(b"a")]) + batch([Record(b"b")], 1)[:-3]) == [b"a"]


def test_log_append_time_is_the_batchs() -> None:
    fast, _ = read_fast(batch(ODD, append_time_ms=42) + batch([Record()], 7))
    assert fast.timestamps_ms.tolist() == [42] * 5 + [TIME_MS]
    same(batch(ODD, append_time_ms=42) + batch([Record()], 7))


def test_records_of_aborted_transactions_are_left_out() -> None:
    data = (
        batch([Record(b"aborted")] * 2, 0, producer=1, transactional=True)
        + batch([Record(b"committed")], 2, producer=2, transactional=True)
        + batch([Record(b"plain")], 3)
        + marker(4, 1, abort=True)
        + marker(5, 2, abort=False)
        + batch([Record(b"later")], 6, producer=1, transactional=True)
        + marker(7, 1, abort=False)
    )
    assert same(data, 0, [AbortedTransaction(1, 0)]) == [b"committed", b"plain", b"later"]


def test_a_fetch_of_markers_alone_moves_the_position() -> None:
    fast, next_offset = read_fast(marker(4, 1, abort=False) + marker(5, 2, abort=True), 4)
    assert (fast.values, next_offset) == ([], 6)
    same(marker(4, 1, abort=False) + marker(5, 2, abort=True), 4)


def test_a_batch_emptied_by_compaction_moves_the_position() -> None:
    data = bytearray(batch([Record()], 10))
    empty = data[:61]
    struct.pack_into(">i", empty, 8, 49)
    struct.pack_into(">i", empty, 23, 4)
    struct.pack_into(">i", empty, 57, 0)
    assert same(sealed(empty), 10) == []


@pytest.mark.parametrize("magic", [0, 1])
def test_old_formats_go_through_kafka_pythons_unpacker(magic: int) -> None:
    fast, _ = read_fast(batch([Record(b"a", key=b"k"), Record(b"b")], magic=magic))
    assert (fast.values, fast.keys) == ([b"a", b"b"], [b"k", None])


@pytest.mark.parametrize("size", [1, 7, 100])
def test_taking_a_fetch_in_pieces_gives_the_same(size: int) -> None:
    data = b"".join(batch([Record(b"%d" % (10 * n + m)) for m in range(10)], 10 * n) for n in range(20))
    unpacker = Unpacker(data, 3, ())
    values: list[bytes | None] = []
    while not unpacker.done:
        piece = unpacker.take(size)
        values += piece.values
        assert piece.next_offset == unpacker.next_offset
    assert values == [b"%d" % n for n in range(3, 200)]


def test_a_wrong_checksum_ends_the_stretch_in_front_of_the_batch() -> None:
    broken = bytearray(batch([Record(b"bad")] * 3, 2))
    broken[-1] ^= 1
    fast, next_offset = read_fast(batch([Record(b"a"), Record(b"b")]) + bytes(broken) + batch([Record()], 5))
    assert fast.values == [b"a", b"b"]
    assert fast.damaged is not None
    assert (fast.damaged.first, fast.damaged.next_offset, fast.damaged.damage) == (2, 5, Damage.CHECKSUM)
    assert next_offset == 2


@pytest.mark.parametrize("base", [0, 1, -5, (1 << 63) - 10])
def test_a_batch_with_a_wrong_base_offset_is_damaged_and_nothing_is_read_twice(base: int) -> None:
    """No checksum covers it."""
    data = batch([Record(b"a"), Record(b"b")]) + batch([Record(b"c")], base)
    stretch = Unpacker(data, 0, ()).take(100)
    assert stretch.values == [b"a", b"b"]
    assert stretch.next_offset == 2
    assert stretch.damaged is not None
    assert (stretch.damaged.first, stretch.damaged.next_offset, stretch.damaged.damage) == (2, 3, Damage.MALFORMED)


def test_a_control_batch_with_a_wrong_base_offset_does_not_make_reading_go_back() -> None:
    data = batch([Record(b"a"), Record(b"b")]) + marker(-(1 << 62), 5, abort=True)
    stretch = Unpacker(data, 0, ()).take(100)
    assert (stretch.values, stretch.next_offset) == ([b"a", b"b"], 2)
