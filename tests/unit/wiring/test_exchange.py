"""States and plans larger than a message: cut, put together again, old or new and never a mix."""

from __future__ import annotations

import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.engine.exchange.topics import Saved
from driftd.engine.parts import part_name
from driftd.sources.kafka.tail import Kept
from driftd.wiring import exchange
from driftd.wiring.exchange import Pieces, answers_about, owner_of


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PIECE_BYTES", 10)


def messages(writer: Pieces, name: str, epoch: int, payload: bytes) -> list[Kept]:
    return [Kept(0, key, value) for key, value in writer.cut(name, epoch, payload)]


def read(log: list[Kept]) -> dict[str, bytes]:
    reader = Pieces()
    for kept in log:
        reader.take(kept)
    return {name: saved.payload for name, (_, saved) in reader.known.items()}


def compacted(log: list[Kept]) -> list[Kept]:
    last = {kept.key: i for i, kept in enumerate(log)}
    return [kept for i, kept in enumerate(log) if last[kept.key] == i and kept.value is not None]


def test_what_was_cut_is_put_together() -> None:
    log = messages(Pieces(), "a#b|c\x00d", 1, b"0123456789abcdefghijklm")
    assert len(log) == 4
    assert read(log) == {"a#b|c\x00d": b"0123456789abcdefghijklm"}


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_write_that_was_cut_short_leaves_the_one_before(cut: int) -> None:
    writer = Pieces()
    log = messages(writer, "x", 1, b"a" * 35) + messages(writer, "x", 1, b"b" * 45)
    before = len(log) - 6
    for end in (compacted(log[: before + min(cut, 5)]), log[: before + min(cut, 5)]):
        assert read(end) == {"x": b"a" * 35}
    assert read(log)["x"] == b"b" * 45


@given(st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=60)), min_size=1, max_size=8))
def test_compaction_changes_nothing(writes: list[tuple[int, bytes]]) -> None:
    log, epoch, writer = list[Kept](), 0, Pieces()
    for more, payload in writes:
        if more:  # another member goes on
            epoch += more
            writer = Pieces()
            for kept in log:
                writer.take(kept)
        log += messages(writer, "x", epoch, payload)
        assert read(log)["x"] == payload
        assert read(compacted(log))["x"] == payload


PARTS = {part_name(payload): payload for payload in (b"", b"one", b"t" * 25, b"three" * 7)}


@given(st.lists(st.tuples(st.integers(0, 1), st.sets(st.sampled_from(sorted(PARTS)))), min_size=1, max_size=8))
def test_parts_are_written_once_and_belong_to_who_names_them(writes: list[tuple[int, set[str]]]) -> None:
    log, epoch, writer, written = list[Kept](), 0, Pieces(), set[str]()
    for number, (more, named) in enumerate(writes):
        if more:  # another member goes on
            epoch, writer, written = epoch + 1, Pieces(), set()
            for kept in log:
                writer.take(kept)
        before = read_all(log)
        fresh = {part: PARTS[part] for part in named - written}
        added = [Kept(0, *one) for one in writer.cut("x", epoch, b"%d" % number, fresh, named)]
        for end in range(len(added)):  # killed on the way: the one before, or this one
            found = read_all(compacted(log + added[:end]))
            assert found in (before, {"x": Saved(b"%d" % number, {part: PARTS[part] for part in named})})
        log += added
        written = named
        assert read_all(log) == read_all(compacted(log))
        assert read_all(log)["x"] == Saved(b"%d" % number, {part: PARTS[part] for part in named})


def read_all(log: list[Kept]) -> dict[str, Saved]:
    reader = Pieces()
    for kept in log:
        reader.take(kept)
    return {name: saved for name, (_, saved) in reader.known.items()}


def test_who_was_thought_dead_does_not_overwrite_who_came_after() -> None:
    zombie = Pieces()
    log = messages(zombie, "x", 1, b"old" * 9)
    heir = Pieces()
    for kept in log:
        heir.take(kept)
    log += messages(heir, "x", 2, b"new" * 9)
    log += messages(zombie, "x", 1, b"stale" * 9)
    assert read(log)["x"] == b"new" * 9
    assert read(compacted(log))["x"] == b"new" * 9


def test_what_was_said_of_a_forgotten_model_is_found_among_names_like_it_and_deleted() -> None:
    """Names of models may have any characters; those of topics may not."""
    keys = [
        *("a|plan", "a|given|t.x/0", "a|given|t-y/11"),
        *("a|plan|plan", "a|given|t/0|plan", "a|given|t/0|given|t/0", "aa|plan", "b|plan", "a|forget", "|address|0"),
    ]
    names = [f"g\0{key}|{'0f' * 16}" for key in keys]
    log = [kept for name in names for kept in messages(Pieces(), name, 0, b"0123456789abc")]
    writer = Pieces()
    for kept in log:
        writer.take(kept)
    found = answers_about("a", writer.names())
    assert found == names[:3]
    gone = [Kept(0, key, value) for name in found for key, value in writer.gone(name)]
    assert set(map(_name_of, compacted([*log, *gone]))) == set(names[3:])
    assert answers_about("a|given|t/0", names) == [names[4], names[5]]


def _name_of(kept: Kept) -> str:
    return kept.key.partition(b"\0")[2].decode()


def test_models_are_spread_over_owners_by_a_hash_that_any_engine_has() -> None:
    assert owner_of("fraud", 12) == zlib.crc32(b"fraud") % 12
    counts = np.bincount([owner_of(f"model-{i}", 4) for i in range(4_000)])
    assert counts.min() > 900


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param(b"\xff\xfe", b"x", id="a key that is not UTF-8"),
        pytest.param(b"", b"x", id="no key"),
        pytest.param(b"=1\0x", b"{}", id="no manifest"),
        pytest.param(b"=1\0x", msgspec.msgpack.encode([1, 0, 1 << 40, b""]), id="a million million pieces"),
    ],
)
def test_what_somebody_else_wrote_is_left_alone(key: bytes, value: bytes) -> None:
    log = messages(Pieces(), "x", 1, b"a" * 35)
    assert read([Kept(0, key, value), *log]) == {"x": b"a" * 35}
    assert read([*log, Kept(0, key, value)]) == {"x": b"a" * 35}
