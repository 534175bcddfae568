"""What waits to be joined, on disk: as the checkpoint that is loaded has seen it, whatever came in between."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftd.core.errors import StateUnwritable
from driftd.engine.label_store import NAME, LabelStore, Unusable, forget
from driftd.ingest.outcomes.pending import Changes, Entry, Pending, Stage, keys_of

A, B, C, D = keys_of("fraud", "abcd")


def waits(time: float, model: str = "fraud") -> Entry:
    return Entry(Stage.WAITS, model, time, 1.0, 0.25, "v1")


def content(store: LabelStore) -> dict[bytes, Entry]:
    return dict(store.beyond(b""))


def test_entries_come_back_as_they_were(tmp_path: Path) -> None:
    store = LabelStore(tmp_path / NAME)
    early = Entry(Stage.EARLY, "fraud", 7.5, label="chargeback", source=("labels", 3), offset=9)
    done = Entry(Stage.DONE, "other", 8.0, "no", None, None, 1.0, chances={"no": 0.75, "yes": 0.25})
    store.write({A: waits(1.0), B: early, C: done}, 1)
    assert store.find([A, B, C, D]) == {A: waits(1.0), B: early, C: done}
    assert dict(store.before(8.0)) == {A: waits(1.0), B: early}
    assert [key for key, _ in store.beyond(sorted([A, B, C])[1])] == sorted([A, B, C])[1:]
    assert (len(store), store.bytes > 0) == (3, True)
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o640


def test_nothing_is_there_before_the_first_key(tmp_path: Path) -> None:
    store = LabelStore(tmp_path / NAME)
    store.open(0)
    assert (store.find([A]), len(store), store.bytes) == ({}, 0, 0)
    assert not [*tmp_path.iterdir()]


def test_it_goes_back_to_the_checkpoint_and_to_the_one_before(tmp_path: Path) -> None:
    store = LabelStore(tmp_path / NAME)
    states = {}
    steps: list[Changes] = [
        {A: waits(1.0), B: waits(2.0)},
        {A: None, C: waits(3.0)},
        {C: waits(4.0), D: waits(5.0), B: None},
    ]
    for generation, changes in enumerate(steps, 1):
        store.write(changes, generation)
        states[generation] = content(store)
        if generation < 3:  # killed before the third checkpoint was there
            store.saved(generation)
    store.close()
    for generation in (2, 1):
        store = LabelStore(tmp_path / NAME)
        store.open(generation)
        assert content(store) == states[generation]
        store.close()
    with pytest.raises(Unusable, match="has what came from 1 to 1, and the checkpoint has seen 2"):
        LabelStore(tmp_path / NAME).open(2)


def test_what_no_checkpoint_needs_is_not_kept(tmp_path: Path) -> None:
    store = LabelStore(tmp_path / NAME)
    for generation in range(1, 8):
        store.write({A: waits(float(generation))}, generation)
        store.saved(generation)
    with sqlite3.connect(tmp_path / NAME) as db:
        kept = [g for (g,) in db.execute("SELECT generation FROM undo")]
    assert kept == [6, 7]  # from 7 back to 5: before the last write 5 and 6 were on disk
    with pytest.raises(Unusable, match="from 5 to 7"):
        LabelStore(tmp_path / NAME).open(4)


def test_checkpoints_that_fail_keep_the_way_back(tmp_path: Path) -> None:
    store = LabelStore(tmp_path / NAME)
    for generation in (1, 2):
        store.write({A: waits(float(generation))}, generation)
        store.saved(generation)
    for generation in range(3, 9):  # each committed, and no checkpoint after it
        store.write({A: waits(float(generation))}, generation)
    store.close()
    store = LabelStore(tmp_path / NAME)
    store.open(2)
    assert content(store) == {A: waits(2.0)}
    store.close()
    store = LabelStore(tmp_path / NAME)
    store.open(1)
    assert content(store) == {A: waits(1.0)}


def test_it_can_be_undone_to_nothing(tmp_path: Path) -> None:
    LabelStore(tmp_path / NAME).write({A: waits(1.0)}, 1)
    store = LabelStore(tmp_path / NAME)
    store.open(0)
    assert content(store) == {}


def test_a_missing_or_damaged_database_is_told(tmp_path: Path) -> None:
    store = LabelStore(tmp_path / NAME)
    with pytest.raises(Unusable, match="missing"):
        store.open(3)
    (tmp_path / NAME).write_bytes(b"not a database" * 1000)
    with pytest.raises(Unusable, match="not a database"):
        store.open(3)
    assert store.set_aside() == f"{NAME}.bad"
    assert (tmp_path / f"{NAME}.bad").exists()
    store.write({A: waits(1.0)}, 1)
    assert content(store) == {A: waits(1.0)}


def test_damage_while_it_runs_is_noticed(tmp_path: Path) -> None:
    store = LabelStore(tmp_path / NAME)
    store.write(dict.fromkeys(keys_of("m", map(str, range(5000))), waits(1.0)), 1)
    store.close()
    store.open(1)
    raw = bytearray((tmp_path / NAME).read_bytes())
    raw[4096:] = bytes(len(raw) - 4096)
    (tmp_path / NAME).write_bytes(raw)
    assert content(store) == {}
    assert store.broken


def test_a_folder_that_cannot_be_written_keeps_the_changes(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = LabelStore(tmp_path / "file" / NAME)
    with pytest.raises(StateUnwritable, match="cannot be written"):
        store.write({A: waits(1.0)}, 1)
    assert (store.at, store.broken) == (0, "")


def test_a_database_that_cannot_be_opened_while_it_runs_is_noticed(tmp_path: Path) -> None:
    store = LabelStore(tmp_path / NAME)
    store.write({A: waits(1.0)}, 1)
    store.close()
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).mkdir()
    assert store.find([A]) == {}
    assert "unable to open" in store.broken


def test_a_model_is_forgotten(tmp_path: Path) -> None:
    store = LabelStore(tmp_path / NAME)
    store.write({A: waits(1.0), B: waits(1.0, "other")}, 1)
    store.write({A: waits(2.0), B: waits(2.0, "other")}, 2)
    store.close()
    forget(tmp_path / NAME, "fraud")
    store.open(2)
    assert content(store) == {B: waits(2.0, "other")}
    store.close()
    store.open(1)
    assert content(store) == {B: waits(1.0, "other")}


_KEYS = keys_of("m", map(str, range(12)))
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 11), st.floats(0, 9)),
        st.tuples(st.just("drop"), st.integers(0, 11), st.just(0.0)),
        st.tuples(st.just("save"), st.booleans(), st.just(0.0)),
    ),
    max_size=40,
)


@given(_STEPS)
@settings(max_examples=60, deadline=None)
def test_what_waits_is_found_wherever_it_lies(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, float]]
) -> None:
    """Against a dictionary. A save that fails leaves what it was given to the next one."""
    store = LabelStore(tmp_path_factory.mktemp("labels") / NAME)
    pending, truth, kept = Pending(store), dict[bytes, Entry](), True
    for what, which, time in steps:
        key = _KEYS[int(which)]
        if what == "put":
            pending.put(key, waits(time), new=key not in truth)
            truth[key] = waits(time)
        elif what == "drop" and key in truth:
            pending.drop(key)
            del truth[key]
        elif what == "save":
            changes = pending.hand_over(kept=kept)
            kept = bool(which)
            if kept:
                store.write(changes, pending.generation)
        assert pending.find(_KEYS) == truth
        assert dict(pending.before(5.0)) == {k: e for k, e in truth.items() if e.time < 5.0}
        assert dict(pending.beyond(_KEYS[0])) == {k: e for k, e in truth.items() if k >= _KEYS[0]}
        assert pending.size == len(truth)
    store.close()
