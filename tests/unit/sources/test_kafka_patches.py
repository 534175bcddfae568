"""Hostile and broken record batches: bounded, contained, told."""

from __future__ import annotations

import contextlib
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import lz4.frame  # type: ignore[import-untyped]
import pytest
import snappy  # type: ignore[import-untyped]
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from kafka import errors
from kafka.consumer.fetcher import Fetcher

import driftd
from driftd.sources import Source
from driftd.sources.kafka import patches
from driftd.sources.kafka.compression import Damage, Unreadable, decompress
from driftd.sources.kafka.records import LegacyFormat, Unpacker
from tests.contract.kafka_batches import Record, batch, part, sealed
from tests.stage.memory import MemorySource

ZEROS = bytes(32 << 20)
BATCHES = b"".join(batch([Record(b"%d" % n, key=b"k", headers=(("h", b"x"),))] * 5, 5 * n, "none") for n in range(4))


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()


def snap(data: bytes) -> bytes:
    return bytes(snappy.compress(data))


@pytest.mark.parametrize(
    ("codec", "pack"),
    [
        pytest.param(1, deflate, id="gzip"),
        pytest.param(2, snap, id="snappy"),
        pytest.param(3, lz4.frame.compress, id="lz4"),
        pytest.param(4, zstandard.ZstdCompressor().compress, id="zstd"),
        pytest.param(4, zstandard.ZstdCompressor(write_content_size=False).compress, id="zstd of unknown size"),
    ],
)
def test_a_bomb_is_not_unpacked(codec: int, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(ZEROS)
    assert decompress(codec, bomb, len(ZEROS)) == ZEROS
    with pytest.raises(Unreadable, match="decompresses to more than") as error:
        decompress(codec, bomb, len(ZEROS) - 1)
    assert error.value.damage is Damage.TOO_LARGE


@pytest.mark.parametrize("codec", [1, 2, 3, 4, 5, 7])
@given(data=st.binary(max_size=200))
def test_bytes_that_no_codec_wrote_are_unreadable(codec: int, data: bytes) -> None:
    with contextlib.suppress(Unreadable):
        decompress(codec, data, 1 << 20)


@given(changes=st.lists(st.tuples(st.integers(17, 200), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_malformed_batch_with_a_good_checksum_never_does_harm(changes: list[tuple[int, int]]) -> None:
    data = bytearray(BATCHES)
    (length,) = struct.unpack_from(">i", data, 8)
    for place, byte in changes:
        if place < 12 + length:
            data[place] = byte
    data[: 12 + length] = sealed(data[: 12 + length])
    unpacker = Unpacker(bytes(data), 0, ())
    stretch = unpacker.take(1000)
    assert len(stretch) == len(stretch.offsets) == len(stretch.timestamps_ms)
    assert all(first < second for first, second in zip(stretch.offsets[:-1], stretch.offsets[1:], strict=True))
    assert stretch.damaged is not None or stretch.next_offset >= 5


@given(data=st.binary(max_size=300))
def test_any_bytes_at_all_are_survived(data: bytes) -> None:
    try:
        stretch = Unpacker(data, 0, ()).take(1000)
    except LegacyFormat:
        return
    assert stretch.next_offset >= 0


@pytest.mark.parametrize(
    ("claim", "detail"),
    [
        pytest.param((57, ">i", 1_000_000_000), "claims 1000000000 records", id="more records than bytes"),
        pytest.param((57, ">i", -1), "claims -1 records", id="fewer than none"),
        pytest.param((57, ">i", 4), "do not add up", id="fewer than there are"),
        pytest.param((23, ">i", 2), "outside of its batch", id="offsets beyond its last"),
        pytest.param((16, ">b", 3), "format v3", id="a format yet to come"),
    ],
)
def test_what_a_header_claims_is_checked(claim: tuple[int, str, int], detail: str) -> None:
    data = bytearray(batch([Record()] * 5))
    place, kind, value = claim
    struct.pack_into(kind, data, place, value)
    damaged = Unpacker(sealed(data), 0, ()).take(1000).damaged
    assert damaged is not None
    assert detail in damaged.detail
    assert damaged.next_offset > damaged.first == 0


def test_records_in_front_of_a_malformed_batch_are_kept() -> None:
    broken = bytearray(batch([Record()] * 5, 5))
    struct.pack_into(">i", broken, 23, 2)
    unpacker = Unpacker(batch([Record()] * 5) + sealed(broken) + batch([Record()], 10), 0, ())
    stretch = unpacker.take(1000)
    assert (len(stretch), stretch.next_offset) == (5, 5)
    assert stretch.damaged is not None
    assert unpacker.done


def test_a_partition_whose_unpacking_raises_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Unpacker, "take", fail)
    records = part(BATCHES, 0, [], fast=True)
    with pytest.raises(MemoryError):
        records.take(1)
    assert not records, "kafka-python would ask it again, for ever"


def test_the_stock_unpacker_is_let_go_from_outside() -> None:
    class Consumer:
        class _fetcher:  # noqa: N801
            _next_partition_records = Fetcher.PartitionRecords(0, None, None)

    patches.drain(Consumer())
    assert not Consumer._fetcher._next_partition_records


class Fetches:
    """A fetcher as the library's, whose answers come when it is told: each is one stretch, or two."""

    def __init__(self, answers: list[list[str]], *, late: int = 0) -> None:
        self._completed_fetches = list[list[str]]()
        self._next_partition_records = list[str]()
        self.answers, self.late, self.sent = answers, late, 0

    def send_fetches(self) -> None:
        self.sent += 1

    def fetched_records(self, _: int | None, *, update_offsets: bool) -> tuple[list[str], bool]:  # noqa: ARG002
        if not self._next_partition_records and self._completed_fetches:
            self._next_partition_records = self._completed_fetches.pop(0)
        found, self._next_partition_records = self._next_partition_records[:1], self._next_partition_records[1:]
        return found, bool(self._completed_fetches)

    def fetch_records(self, _: int | None, **__: object) -> tuple[list[str], bool]:
        if self.late:  # the answer comes when it has looked for records, and is not waited for any more
            self.late -= 1
            self._completed_fetches.append(self.answers.pop(0))
            return [], True
        if not (self._completed_fetches or self._next_partition_records):
            self._completed_fetches.append(self.answers.pop(0))
        return self.fetched_records(None, update_offsets=True)[0], False


def fetching(answers: list[list[str]], *, late: int = 0) -> Fetches:
    class Consumer:
        _fetcher = Fetches(answers, late=late)

    assert patches.finish_partitions(Consumer())
    return Consumer._fetcher


def test_the_next_fetch_is_under_way_once_all_of_an_answer_is_handed_over() -> None:
    fetcher = fetching([["a", "b"], ["c"]])
    sent = []
    for expected in "abc":
        assert fetcher.fetch_records(1) == ([expected], False)
        sent.append(fetcher.sent)
    assert sent == [0, 1, 2], "not while some of it is left"


def test_an_answer_that_came_at_a_bad_moment_is_not_slept_over() -> None:
    assert fetching([["a"]], late=1).fetch_records(1) == (["a"], False)


def test_every_error_of_the_library_that_driftd_names_exists() -> None:
    """One that does not is an AttributeError in the middle of an outage: the library has no types to check against."""
    folder = Path(driftd.__file__).parent
    named = {
        name
        for path in (*(folder / "sources" / "kafka").glob("*.py"), folder / "sinks" / "kafka.py")
        for name in re.findall(r"\berrors\.([A-Z]\w+)", path.read_text())
    }
    assert len(named) > 10
    assert {name for name in named if not hasattr(errors, name)} == set()


def test_the_source_in_memory_keeps_the_protocol() -> None:
    source: Source = MemorySource({("t", 0): [b"a", b"b", b"c"]}, max_poll_records=2)
    assert source.poll(0) == [], "nothing before seek"
    (assigned,) = source.changes()
    assert source.seek(dict.fromkeys(assigned.partitions, "earliest")) == {("t", 0): 0}
    assert source.changes() == []
    assert [batch.values for batch in source.poll(0)] == [[b"a", b"b"]]
    assert source.lag()["t", 0].records == 1
    assert source.commit_now({("t", 0): 2}, "me")
    assert source.committed([("t", 0)]) == {("t", 0): (2, "me")}
