"""What lies on disk: whole or not there, checked when read, and nothing bad is thrown away."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from driftd.core.errors import CheckpointCorrupt, CheckpointTooNew, CheckpointTooOld, StateError, StateUnwritable
from driftd.core.reference import Exclusion, Reference, ReferenceKind
from driftd.core.window import Windows
from driftd.engine.pipeline import Pipeline
from driftd.engine.snapshot.coding import decode_checkpoint, encode_reference
from driftd.engine.state import State
from driftd.engine.store import (
    FORMAT,
    MAGIC,
    CheckpointFile,
    ReferenceStore,
    read_file,
    read_reference,
    set_aside,
    unwritable,
    write_file,
)
from driftd.learn.build import Learning, build
from tests.unit.core.make import feed, frozen, pipeline, stream

CELL = ("t", 0)
DATA = b"\x00\xff what a checkpoint holds"
NEW = b"what the next one holds"
SAVED = 1234.5


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "state" / "checkpoint"
    write_file(path, DATA)
    return path


@pytest.fixture
def reference() -> Reference:
    return build(stream(np.random.default_rng(5), 200), Learning(bins=5))


def spent(seed: int = 6) -> tuple[Pipeline, State]:
    """A pipeline that has learned, judged and has panes open."""
    p, state = pipeline(), State()
    feed(p, state, CELL, stream(np.random.default_rng(seed), 600, shift_at=400))
    return p, state


def checkpoint(folder: Path) -> CheckpointFile:
    return CheckpointFile(folder, lambda: SAVED)


def test_what_is_written_is_read_again_and_its_size_is_told(tmp_path: Path) -> None:
    path = tmp_path / "made" / "on the way" / "checkpoint"
    assert write_file(path, DATA) == path.stat().st_size
    assert read_file(path) == DATA
    assert [p.name for p in path.parent.iterdir()] == ["checkpoint"]


def test_others_cannot_read_the_state(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_file(tmp_path / "state" / "checkpoint", DATA)
    finally:
        os.umask(before)
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "state", tmp_path / "state" / "checkpoint")]
    assert modes == [0o750, 0o640]


def test_a_write_that_fails_leaves_the_old_file(file: Path) -> None:
    before = file.read_bytes()
    file.with_name("checkpoint.tmp").mkdir()
    with pytest.raises(StateUnwritable, match="cannot be written: Is a directory; the last good one is kept") as e:
        write_file(file, NEW)
    assert e.value.retriable
    assert file.read_bytes() == before
    file.with_name("checkpoint.tmp").rmdir()
    write_file(file, NEW)
    assert read_file(file) == NEW


def test_a_new_file_takes_the_place_of_the_old_one_which_is_never_written_into(file: Path) -> None:
    other_name = file.with_name("the old one")
    other_name.hardlink_to(file)
    write_file(file, NEW)
    assert read_file(file) == NEW
    assert read_file(other_name) == DATA


def test_a_rename_that_fails_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    path.mkdir()
    with pytest.raises(StateUnwritable, match="cannot be written"):
        write_file(path, DATA)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint"]


def test_a_folder_that_is_a_file_is_unwritable(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(StateUnwritable, match="checkpoint: cannot be written"):
        write_file(tmp_path / "state" / "checkpoint", DATA)


def test_a_file_cut_short_anywhere_is_corrupt(file: Path) -> None:
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(CheckpointCorrupt, match=r"cut short|bytes where \d+ were written"):
            read_file(file)


def test_a_file_with_bytes_behind_its_end_is_corrupt(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(CheckpointCorrupt, match="bytes where"):
        read_file(file)


def test_one_flipped_bit_anywhere_is_noticed(file: Path) -> None:
    whole = file.read_bytes()
    for place in range(len(whole)):
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << bit
            file.write_bytes(flipped)
            with pytest.raises((CheckpointCorrupt, CheckpointTooNew, CheckpointTooOld)):
                read_file(file)


def test_a_newer_format_is_told_from_a_corrupt_one(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[len(MAGIC) : len(MAGIC) + 2] = (FORMAT + 1).to_bytes(2, "big")
    file.write_bytes(raw)
    with pytest.raises(CheckpointTooNew, match=rf"format {FORMAT + 1}, this driftd reads format {FORMAT}; upgrade"):
        read_file(file)


def of_format(path: Path, number: int) -> bytes:
    """Makes the file one of another format."""
    raw = bytearray(path.read_bytes())
    raw[len(MAGIC) : len(MAGIC) + 2] = number.to_bytes(2, "big")
    path.write_bytes(raw)
    return bytes(raw)


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (FORMAT - 1, "run the driftd that wrote it, or move it away: reading then goes on from the committed offsets"),
        (FORMAT + 1, "upgrade driftd, or move it away: reading then goes on from the committed offsets"),
    ],
)
def test_a_checkpoint_of_another_format_is_refused_and_stays_where_it_is(
    tmp_path: Path, number: int, message: str
) -> None:
    p, state = spent()
    file = checkpoint(tmp_path)
    file.save(state, p)
    file.save(state, p)
    raw = of_format(file.path, number)
    with pytest.raises(StateError, match=rf"checkpoint: written in format {number}, this driftd.*{message}") as e:
        file.load(p)
    assert e.value.exit_code == 4
    assert file.path.read_bytes() == raw


def test_a_reference_of_an_older_format_says_how_to_build_it_anew(tmp_path: Path, reference: Reference) -> None:
    store = ReferenceStore(tmp_path)
    store.add(reference)
    of_format(tmp_path / "m.v1.reference", FORMAT - 1)
    with pytest.raises(CheckpointTooOld, match="build the reference anew with 'driftd reference build'"):
        store.list()


@pytest.mark.parametrize("lost", [False, True], ids=["damaged", "lost between two renames"])
def test_the_checkpoint_before_a_bad_one_is_used(tmp_path: Path, lost: bool) -> None:
    p, early = spent(6)
    _, late = spent(7)
    file = checkpoint(tmp_path)
    file.save(early, p)
    file.save(late, p)
    assert frozen(p, file.load(p)[0]) == frozen(p, late)
    if lost:
        file.path.unlink()
    else:
        file.path.write_bytes(file.path.read_bytes()[:-1])
    found, said = file.load(p)
    assert frozen(p, found) == frozen(p, early)
    assert said.endswith("going on from the checkpoint before it, saved 1970-01-01 00:20:34 UTC")
    assert ("kept as checkpoint.bad" in said) is not lost


def test_a_first_checkpoint_has_none_before_it(tmp_path: Path) -> None:
    p, state = spent()
    checkpoint(tmp_path).save(state, p)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint", "parts"}


def test_a_file_that_is_not_there_or_not_ours_says_so(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="gone: cannot be read: No such file"):
        read_file(tmp_path / "gone")
    (tmp_path / "other").write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(CheckpointCorrupt, match="not a driftd state file"):
        read_file(tmp_path / "other")


def test_bad_files_are_numbered_and_none_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    names = []
    for n in range(3):
        path.write_text(f"bad {n}")
        names.append(set_aside(path).name)
    assert names == ["checkpoint.bad", "checkpoint.bad1", "checkpoint.bad2"]
    assert [(tmp_path / name).read_text() for name in names] == ["bad 0", "bad 1", "bad 2"]
    assert not path.exists()


def test_a_thousand_bad_files_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    for n in range(1000):
        (tmp_path / ("checkpoint.bad" + (str(n) if n else ""))).touch()
    path.touch()
    with pytest.raises(StateError, match="1000 bad files are kept beside it"):
        set_aside(path)
    assert path.exists()


def test_a_checkpoint_brings_back_the_state_to_the_bit(tmp_path: Path) -> None:
    p, state = spent()
    size = checkpoint(tmp_path).save(state, p)
    loaded, said = checkpoint(tmp_path).load(pipeline())
    assert said == ""
    assert size == sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert frozen(pipeline(), loaded) == frozen(p, state)
    assert decode_checkpoint(read_file(tmp_path / "checkpoint")).saved == SAVED


def test_what_comes_while_a_checkpoint_is_written_is_not_in_it(tmp_path: Path) -> None:
    p, state = spent()
    before, disk, file = frozen(p, state), threading.Event(), checkpoint(tmp_path)
    file._writer.submit(disk.wait, 60)
    written = file.begin(state, p)
    later = stream(np.random.default_rng(8), 100)
    feed(p, state, CELL, replace(later, times=later.times + 1000.0))
    assert not written.done()
    assert not file.path.exists()
    disk.set()
    assert written.result() > 0
    after = frozen(p, state)
    loaded, _ = checkpoint(tmp_path).load(pipeline())
    assert frozen(pipeline(), loaded) == before != after


def test_without_a_checkpoint_the_state_is_empty_and_nothing_is_said(tmp_path: Path) -> None:
    state, said = checkpoint(tmp_path).load(pipeline())
    assert (state, said) == (State(), "")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda raw: raw[:-1], "bytes where", id="cut short"),
        pytest.param(lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), "checksum differs", id="bit flip"),
        pytest.param(lambda _: b"", "cut short (0 bytes)", id="empty"),
    ],
)
def test_a_bad_checkpoint_is_kept_aside_and_the_state_starts_empty(
    tmp_path: Path, spoil: Callable[[bytes], bytes], message: str
) -> None:
    p, state = spent()
    file = checkpoint(tmp_path)
    file.save(state, p)
    bad = spoil(file.path.read_bytes())
    file.path.write_bytes(bad)
    found, said = file.load(p)
    assert found == State()
    assert message in said
    assert said.endswith("kept as checkpoint.bad, starting from committed offsets, LEARNING")
    assert (tmp_path / "checkpoint.bad").read_bytes() == bad
    assert not file.path.exists()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param([1, 2], id="a list"),
        pytest.param({"pane_seconds": 10}, id="no state"),
        pytest.param({"saved": 0.0, "pane_seconds": 10, "partitions": {}, "models": 3}, id="other types"),
    ],
)
def test_a_whole_file_of_other_content_is_kept_aside_too(tmp_path: Path, data: object) -> None:
    file = checkpoint(tmp_path)
    write_file(file.path, msgspec.msgpack.encode(data))
    state, said = file.load(pipeline())
    assert state == State()
    assert "checkpoint: the checkpoint's content is not what driftd writes" in said
    assert (tmp_path / "checkpoint.bad").exists()


def test_panes_of_another_length_cannot_be_used(tmp_path: Path) -> None:
    p, state = spent()
    checkpoint(tmp_path).save(state, p)
    found, said = checkpoint(tmp_path).load(pipeline(windows=Windows(pane_seconds=5)))
    assert found == State()
    assert "made with windows.pane_seconds 10, now it is 5; panes cannot be cut anew; kept as checkpoint.bad" in said


@pytest.mark.parametrize("kind", ReferenceKind)
def test_a_reference_is_read_as_it_was_written(tmp_path: Path, kind: ReferenceKind) -> None:
    windows = Windows(pane_seconds=1.0, window_seconds=2, min_events=5)
    left_out = Exclusion(1005.0, 1010.0, "sensor was off")
    learning = Learning(bins=5, kind=kind, windows=windows, exclude=(left_out, Exclusion(0, 1)))
    built = build(stream(np.random.default_rng(5), 400), learning)
    rolled = built.summary if kind is ReferenceKind.ROLLING else None
    built = ReferenceStore(tmp_path).add(replace(built, rolled=rolled))
    (path,) = tmp_path.glob("*.reference")
    found = read_reference(path)
    assert encode_reference(found) == encode_reference(built)
    assert (found.kind, found.excluded) == (kind, (left_out,))
    assert found.natural.keys() == built.natural.keys() != set()
    assert (found.slots is None, found.rolled is None) == (
        kind is not ReferenceKind.SEASONAL,
        kind is not ReferenceKind.ROLLING,
    )


def test_references_are_numbered_by_model(tmp_path: Path, reference: Reference) -> None:
    store = ReferenceStore(tmp_path / "references")
    assert store.list() == []
    assert store.latest("m") is None
    added = [store.add(r) for r in (reference, replace(reference, model="n"), reference)]
    assert [(r.model, r.version) for r in added] == [("m", 1), ("n", 1), ("m", 2)]
    assert [(r.model, r.version) for r in store.list()] == [("m", 1), ("m", 2), ("n", 1)]
    latest = store.latest("m")
    assert latest is not None
    assert latest.version == 2


def test_the_tenth_version_comes_after_the_ninth(tmp_path: Path, reference: Reference) -> None:
    store = ReferenceStore(tmp_path)
    for version in range(1, 11):
        store.keep(replace(reference, version=version))
    assert store.add(reference).version == 11


def test_a_version_is_never_overwritten(tmp_path: Path, reference: Reference) -> None:
    store = ReferenceStore(tmp_path)
    store.keep(replace(reference, reason="first"))
    store.keep(replace(reference, reason="second"))
    assert [r.reason for r in store.list()] == ["first"]


def test_numbering_writes_nothing(tmp_path: Path, reference: Reference) -> None:
    store = ReferenceStore(tmp_path / "references")
    assert store.numbered(reference).version == 1
    assert not store.folder.exists()


@pytest.mark.parametrize(
    "model",
    ["a/b", "../../etc/passwd", ".", "..", "über mich", "a b", "x" * 128, "\u202e", "nul\0byte", "m.v1", "*", "a:b"],
)
def test_odd_model_names_stay_in_the_folder_and_come_back(tmp_path: Path, reference: Reference, model: str) -> None:
    store = ReferenceStore(tmp_path / "references")
    store.add(replace(reference, model=model))
    assert [p.parent.name for p in tmp_path.rglob("*.reference")] == ["references"]
    found = store.latest(model)
    assert found is not None
    assert (found.model, found.version) == (model, 1)
    assert store.add(replace(reference, model=model)).version == 2


def test_names_that_look_alike_in_a_file_name_do_not_meet(tmp_path: Path, reference: Reference) -> None:
    store = ReferenceStore(tmp_path)
    models = ["a/b", "a b", "a_b", "x" * 100 + "1", "x" * 100 + "2"]
    for model in models:
        assert store.add(replace(reference, model=model)).version == 1
    assert len(list(tmp_path.iterdir())) == len(models)


def test_a_reference_that_cannot_be_read_is_named(tmp_path: Path, reference: Reference) -> None:
    store = ReferenceStore(tmp_path)
    store.add(reference)
    write_file(tmp_path / "n.v1.reference", msgspec.msgpack.encode({"model": "n"}))
    with pytest.raises(CheckpointCorrupt, match=r"n\.v1\.reference: not a reference"):
        store.list()


def test_a_reference_comes_back_as_it_was(tmp_path: Path, reference: Reference) -> None:
    store = ReferenceStore(tmp_path)
    store.add(reference)
    found = read_reference(tmp_path / "m.v1.reference")
    assert (found.id, found.channels, found.reason) == (reference.id, reference.channels, reference.reason)
    assert np.array_equal(found.summary.counts, reference.summary.counts)


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        pytest.param("new/state", "", id="to be made"),
        pytest.param(".", "", id="there"),
        pytest.param("file/state", "file: Not a directory", id="below a file"),
        pytest.param("/proc/driftd", "/proc: ", id="where nobody may write"),
    ],
)
def test_a_folder_that_cannot_be_written_is_told_before_and_nothing_stays(
    tmp_path: Path, folder: str, told: str
) -> None:
    (tmp_path / "file").touch()
    why = unwritable(tmp_path / folder)
    assert told in why
    assert bool(why) == bool(told)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
