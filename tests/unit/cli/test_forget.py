"""`driftd forget` takes a model out of a state directory, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftd.cli import main
from driftd.core.event import Decoded
from driftd.core.slice import Slice
from driftd.engine.lock import locked
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.engine.store import CheckpointFile, ReferenceStore
from tests.unit.core.make import frozen, pipeline, stream

SOURCE = ("t", 0)
FRAUD = Slice("fraud")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two models with a page each, their references, the checkpoint and the one before it."""
    p, state = two()
    file, store = CheckpointFile(tmp_path, lambda: 7.0), ReferenceStore(tmp_path / "references")
    for _ in range(2):
        file.save(state, p)
    for model in state.models.values():
        assert model.reference is not None
        assert model.pages == 1
        store.add(model.reference)
        store.add(model.reference)
    return tmp_path


def two() -> tuple[Pipeline, State]:
    p, state = pipeline(learn_events=3000), State()
    batch = stream(np.random.default_rng(3), 8000, 4500)
    np.asarray(batch.columns["x"])[4500:] += 500
    for low in range(0, 8000, 500):
        part = batch.take(np.arange(low, low + 500))
        both = [replace(part, model=name) for name in ("fraud", "churn")]
        p.ingest(state, SOURCE, low + 500, Decoded(1000, both, []))
        p.settle(state)
    return p, state


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as leaving:
        main([*words])
    out = capsys.readouterr()
    return int(leaving.value.code or 0), out.out, out.err


def test_it_says_what_was_removed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "forget", "fraud", "--state-dir", str(folder))
    assert code == 0
    assert out.startswith("fraud: removed from the state directory\n  references  v1, v2\n  episodes    ")
    assert " open; nobody is told that they ended\n  counters    8,000 predictions, 1 page\n" in out
    code, out, _ = run(capsys, "forget", "churn", "--state-dir", str(folder), "--output", "json")
    told = json.loads(out)
    assert (told["model"], told["references"], told["predictions"], told["pages"]) == ("churn", [1, 2], 8000, 1)
    assert told["open_episodes"] > 0


def test_nothing_of_the_model_is_left_and_all_of_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    p, before = two()
    assert run(capsys, "forget", "fraud", "--state-dir", str(folder))[0] == 0
    assert {r.model for r in ReferenceStore(folder / "references").list()} == {"churn"}
    for path in (folder / "checkpoint", folder / "checkpoint.previous"):
        assert b"fraud" not in path.read_bytes()
    for damaged in (False, True):
        if damaged:
            (folder / "checkpoint").write_bytes(b"")
        state, _ = CheckpointFile(folder, lambda: 0.0).load(p)
        assert (state.received, state.findings) == (before.received, before.findings)
        del before.models[FRAUD]
        before.partitions[SOURCE].streams.pop(FRAUD)
        assert frozen(p, state) == frozen(p, before)
        _, before = two()


def test_after_a_crash_on_the_way_the_model_can_be_forgotten_again(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as here:
        here.setattr(ReferenceStore, "remove", dies)
        assert run(capsys, "forget", "fraud", "--state-dir", str(folder))[0] == 130
    code, out, _ = run(capsys, "forget", "fraud", "--state-dir", str(folder))
    assert code == 0
    assert "references  v1, v2" in out
    assert run(capsys, "forget", "fraud", "--state-dir", str(folder))[0] == 2


def test_while_a_daemon_holds_the_directory_it_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with locked(folder):
        code, _, err = run(capsys, "forget", "fraud", "--state-dir", str(folder))
    assert code == 4
    assert "another driftd" in err
    assert len(ReferenceStore(folder / "references").list()) == 4


@pytest.mark.parametrize(
    ("model", "damage", "code", "says"),
    [
        pytest.param("fruad", False, 2, "no model 'fruad'; did you mean 'fraud'?", id="misspelt"),
        pytest.param("fraud", True, 4, "checksum differs", id="a damaged checkpoint"),
    ],
)
def test_a_mistake_removes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], model: str, damage: bool, code: int, says: str
) -> None:
    path = folder / "checkpoint"
    if damage:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    found, _, err = run(capsys, "forget", model, "--state-dir", str(folder))
    assert found == code
    assert says in err
    assert len(ReferenceStore(folder / "references").list()) == 4


def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "forget", "fraud", "--state-dir", str(tmp_path / "gone"))
    assert code == 2
    assert "no such state directory" in err
    assert not (tmp_path / "gone").exists()
