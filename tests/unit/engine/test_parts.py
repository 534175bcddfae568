"""A checkpoint writes what has changed: references and samples lie in files of their own, and nothing else differs."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftd.core.errors import StateUnwritable
from driftd.core.slice import Slice
from driftd.engine import parts, store
from driftd.engine.pipeline import Pipeline
from driftd.engine.snapshot import coding
from driftd.engine.snapshot.coding import decode_checkpoint
from driftd.engine.state import State
from driftd.engine.store import CheckpointFile, read_file
from driftd.learn.build import Learning
from driftd.monitor.settings import ModelSettings
from tests.unit.core.make import choose, feed, frozen, pipeline_of, stream
from tests.unit.monitor.test_quality import TWO, after, right_and_wrong

SOURCE = ("t", 0)
N = 11_000
STEP = 300


@pytest.fixture(autouse=True)
def every_batch_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "LEAST_BYTES", 0)


def growing() -> Pipeline:
    return pipeline_of(ModelSettings(choose, Learning(bins=5), grow_seconds=28 * 86_400.0))


def fed(p: Pipeline, state: State, low: int, high: int) -> None:
    batch = stream(np.random.default_rng(2), N, 7000)
    feed(p, state, SOURCE, batch.take(np.arange(low, high)))


def made(folder: Path, *, saves: int = 1) -> tuple[CheckpointFile, Pipeline, State]:
    """Half an hour and more of a model whose reference grows, saved."""
    p, state, file = growing(), State(), CheckpointFile(folder, lambda: 0.0)
    fed(p, state, 0, N - STEP * saves)
    growth = state.models[Slice("m")].growth
    assert state.models[Slice("m")].reference is not None
    assert growth is not None
    assert growth.sample is not None
    for save in range(saves, 0, -1):
        file.save(state, p)
        fed(p, state, N - STEP * save, N - STEP * (save - 1))
    return file, p, state


def on_disk(folder: Path) -> dict[str, Any]:
    return {path.name: path.stat().st_ino for path in (folder / "parts").iterdir()}


def loaded(folder: Path, p: Pipeline) -> State:
    state, trouble = CheckpointFile(folder, lambda: 0.0).load(p)
    assert not trouble
    return state


def test_what_has_not_changed_is_not_written_again_also_after_a_restart(tmp_path: Path) -> None:
    file, p, state = made(tmp_path)
    before = on_disk(tmp_path)
    assert len(before) >= 2
    first = file.save(state, p)
    after = on_disk(tmp_path)
    assert after.items() >= before.items()
    assert first < sum(path.stat().st_size for path in (tmp_path / "parts").iterdir())
    again = CheckpointFile(tmp_path, lambda: 0.0)
    state, _ = again.load(p)
    again.save(state, p)
    assert on_disk(tmp_path) == after


@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(1, N - 1), max_size=5))
def test_restarts_at_any_moment_change_nothing(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as here:
        here.setattr(parts, "LEAST_BYTES", 0)
        results = []
        for restarts in (False, True):
            p, state = growing(), State()
            for low, high in itertools.pairwise(sorted({0, N, *cuts})):
                fed(p, state, low, high)
                if restarts:
                    CheckpointFile(folder, lambda: 0.0).save(state, p)
                    state = loaded(folder, p)
            results.append(frozen(p, state))
        assert results[0] == results[1]


def test_parts_stay_while_the_checkpoint_or_the_one_before_names_them(tmp_path: Path) -> None:
    file, p, state = made(tmp_path, saves=3)
    names = [parts.names_in(decode_checkpoint(read_file(path))) for path in (file.path, file.previous)]
    assert names[0] != names[1]
    assert {f"{name}.part" for name in names[0] | names[1]} == on_disk(tmp_path).keys()
    before = frozen(p, loaded(tmp_path, p))
    assert before != frozen(p, state)
    file.path.write_bytes(b"damaged")
    previous, trouble = CheckpointFile(tmp_path, lambda: 0.0).load(p)
    assert "going on from the checkpoint before it" in trouble
    assert previous.models[Slice("m")].reference is not None


@pytest.mark.parametrize("damage", ["gone", "one bit"])
def test_a_part_that_is_gone_or_damaged_is_a_damaged_checkpoint(tmp_path: Path, damage: str) -> None:
    file, p, _ = made(tmp_path, saves=3)
    names = [parts.names_in(decode_checkpoint(read_file(path))) for path in (file.path, file.previous)]
    path = tmp_path / "parts" / f"{min(names[0] - names[1])}.part"
    raw = path.read_bytes()
    path.unlink()
    if damage == "one bit":
        path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    state, trouble = CheckpointFile(tmp_path, lambda: 0.0).load(p)
    assert "a part of the checkpoint is unusable" in trouble
    assert "going on from the checkpoint before it" in trouble
    assert state.models[Slice("m")].reference is not None


def test_a_crash_between_the_parts_and_the_checkpoint_leaves_the_old_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, p, state = made(tmp_path)
    old = frozen(p, loaded(tmp_path, p))
    with monkeypatch.context() as here:

        def full(*_: Any, **__: Any) -> int:
            raise StateUnwritable("no space")

        here.setattr(store, "write_file", full)
        with pytest.raises(StateUnwritable):
            file.save(state, p)
    assert frozen(p, loaded(tmp_path, p)) == old
    for _ in range(3):
        file.save(state, p)
    assert frozen(p, loaded(tmp_path, p)) == frozen(p, state)
    assert {f"{name}.part" for name in parts.names_in(decode_checkpoint(read_file(file.path)))} == on_disk(
        tmp_path
    ).keys()


def test_parts_that_could_not_be_written_are_written_with_the_next_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, p, state = made(tmp_path)
    write = file.parts.write

    def full(_: Any) -> int:
        raise StateUnwritable("no space")

    monkeypatch.setattr(file.parts, "write", full)
    with pytest.raises(StateUnwritable):
        file.save(state, p)
    monkeypatch.setattr(file.parts, "write", write)
    file.save(state, p)
    assert frozen(p, loaded(tmp_path, p)) == frozen(p, state)


def test_small_batches_stay_in_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "LEAST_BYTES", 1 << 30)
    _, p, state = made(tmp_path)
    assert len(on_disk(tmp_path)) == 1  # the reference
    CheckpointFile(tmp_path, lambda: 0.0).save(state, p)
    assert frozen(p, loaded(tmp_path, p)) == frozen(p, state)


def test_how_right_a_model_was_is_written_once_an_hour(tmp_path: Path) -> None:
    file, p, state = made(tmp_path)
    model = state.models[Slice("m")]
    before = names_of_past(file, p, state)
    q = model.quality = after(right_and_wrong(3, 8, 2), right_and_wrong(365, 6, 4))
    first = names_of_past(file, p, state)
    model.quality = q.take(TWO, right_and_wrong(370, 1, 1), 10.0)
    assert names_of_past(file, p, state) == first != before
    model.quality = model.quality.take(TWO, right_and_wrong(800, 1, 1), 10.0)
    assert names_of_past(file, p, state) != first
    again = loaded(tmp_path, p).models[Slice("m")].quality
    assert again is not None
    for days in (False, True):
        np.testing.assert_array_equal(
            again.history(TWO, days=days).values, model.quality.history(TWO, days=days).values
        )
    recent, known = again.recent(24), model.quality.recent(24)
    assert recent is not None
    assert known is not None
    np.testing.assert_array_equal(recent.whole, known.whole)


def names_of_past(file: CheckpointFile, p: Pipeline, state: State) -> str:
    """The part that has the past of the model's quality."""
    file.save(state, p)
    quality = decode_checkpoint(read_file(file.path)).models[0].quality
    assert quality is not None
    assert isinstance(quality.past, str)
    return quality.past


def test_parts_are_held_and_written_a_portion_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred models that learn at once they would be as large as the state."""
    monkeypatch.setattr(parts, "PORTION_BYTES", 1)
    file, write, portions = CheckpointFile(tmp_path, lambda: 0.0), CheckpointFile(tmp_path, lambda: 0.0).parts.write, []

    def counted(files: Any) -> int:
        portions.append(len(files))
        return write(files)

    monkeypatch.setattr(file.parts, "write", counted)
    p, state = growing(), State()
    fed(p, state, 0, N)
    file.save(state, p)
    assert max(portions) == 1 < sum(portions)
    assert frozen(p, loaded(tmp_path, p)) == frozen(p, state)


def test_a_part_that_is_not_what_it_was_called_is_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, p, state = made(tmp_path)
    before = frozen(p, loaded(tmp_path, p))
    encode, calls = coding.encode_rows, itertools.count()
    monkeypatch.setattr(parts, "encode_rows", lambda rows: encode(rows) + b"." * next(calls))
    fed(p, state, N - STEP, N)
    with pytest.raises(StateUnwritable, match="changed while it was saved"):
        file.save(state, p)
    assert frozen(p, loaded(tmp_path, p)) == before
