"""State that was hashed otherwise is refused and kept: with another key all its categories would be new."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from driftd.core.errors import HashedOtherwise
from driftd.core.event import Kind
from driftd.core.hashing import Hasher, Hashing
from driftd.engine.hashed import require_reference
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.engine.store import CheckpointFile
from driftd.learn.build import Learning
from driftd.monitor.settings import ModelSettings
from tests.unit.core.make import choose, feed, pipeline_of, stream

KEY, OTHER = b"0123456789abcdef", b"another key of 16"


def hashing(pipeline_hashing: Hashing, learn_events: int = 100) -> Pipeline:
    learning = Learning(bins=5, hashing=pipeline_hashing)
    return pipeline_of(ModelSettings(choose, learning, learn_events=learn_events))


def saved(folder: Path, hasher: Hasher, learn_events: int) -> CheckpointFile:
    """A checkpoint of a model with the numbers x and the text color, which is hashed."""
    p, state = hashing(hasher.hashing, learn_events), State()
    rows = stream(np.random.default_rng(3), 300)
    colors = hasher.feature("m", "color", rows.columns["color"], Kind.ANY)
    feed(p, state, ("t", 0), replace(rows, columns={**rows.columns, "color": colors}))
    file = CheckpointFile(folder, lambda: 0.0)
    file.save(state, p)
    return file


TEXT = Hasher(KEY, text=True)


@pytest.mark.parametrize("learn_events", [100, 10_000], ids=["judged", "learning"])
@pytest.mark.parametrize(
    ("now", "why"),
    [
        pytest.param(Hasher(OTHER, text=True).hashing, "color are hashed with another key", id="another key"),
        pytest.param(Hashing(), "color are hashed there, and privacy says not to", id="no key any more"),
        pytest.param(Hasher(KEY, text=True, channels=("x",)).hashing, "x were hashed by other settings", id="more"),
    ],
)
def test_a_checkpoint_that_was_hashed_otherwise_is_refused_and_stays(
    tmp_path: Path, learn_events: int, now: Hashing, why: str
) -> None:
    file = saved(tmp_path, TEXT, learn_events)
    with pytest.raises(HashedOtherwise, match=why) as e:
        file.load(hashing(now, learn_events))
    assert e.value.exit_code == 4
    assert "driftd forget m" in str(e.value)
    state, trouble = file.load(hashing(TEXT.hashing, learn_events))
    assert trouble == ""
    assert state.received == 300


def test_what_was_not_hashed_is_not_taken_for_hashes(tmp_path: Path) -> None:
    file = saved(tmp_path, Hasher(b"", channels=("nothing",)), 100)
    with pytest.raises(HashedOtherwise, match="color are not hashed there"):
        file.load(hashing(TEXT.hashing))


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(Hasher(KEY, text=True, channels=("other", "n/x")).hashing, id="other channels"),
        pytest.param(Hasher(KEY, channels=("color",)).hashing, id="by name now"),
    ],
)
def test_settings_that_change_nothing_of_the_model(tmp_path: Path, now: Hashing) -> None:
    file = saved(tmp_path, TEXT, 100)
    same = now.of("m", "color") is TEXT.hashing.of("m", "color")
    if same:
        assert file.load(hashing(now))[1] == ""
    else:
        with pytest.raises(HashedOtherwise, match="by other settings"):
            file.load(hashing(now))


def test_a_reference_names_the_channels_that_differ(tmp_path: Path) -> None:
    reference = saved(tmp_path, TEXT, 100).load(hashing(TEXT.hashing))[0].models
    (model,) = reference.values()
    assert model.reference is not None
    assert model.reference.hashing == TEXT.hashing
    require_reference(model.reference, TEXT.hashing)
    with pytest.raises(HashedOtherwise, match=r"reference m v1: values of color are hashed with another key"):
        require_reference(model.reference, Hasher(OTHER, text=True).hashing)
