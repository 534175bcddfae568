"""Labels that break: the label or its errors are named, not the features and outputs that lean on it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.judge.natural.episodes import Turn
from driftd.judge.natural.kinds import Kind
from tests.unit.judge.natural.stage import Columns, Stage

Flags = NDArray[np.bool_]
Fault = Callable[[Columns, Flags], None]


def answered(columns: Columns, on: Flags) -> None:
    """Gives every event a label that the score predicts well, and no prediction."""
    noise = np.random.default_rng(len(on)).random(on.size)
    columns["label"] = (noise < 1 / (1 + np.exp(-10 * (columns["score"] - 0.4)))).astype(float)
    columns["unpredicted"] = on


def predicted(columns: Columns, on: Flags) -> None:
    answered(columns, on)
    del columns["unpredicted"]


def flipped(columns: Columns, on: Flags) -> None:
    columns["label"][on] = 1 - columns["label"][on]


def shuffled_label(columns: Columns, on: Flags) -> None:
    columns["label"][on] = np.random.default_rng(2).permutation(columns["label"][on])


def shuffled_age(columns: Columns, on: Flags) -> None:
    columns["age"][on] = np.random.default_rng(3).permutation(columns["age"][on])


@pytest.fixture(scope="module")
def scored() -> Stage:
    return Stage.of(np.random.default_rng(4), 7.0, change=answered)


@pytest.fixture(scope="module")
def labelled() -> Stage:
    return Stage.of(np.random.default_rng(4), 7.0, change=predicted)


def turns_of(stage: Stage, give: Fault, fault: Fault) -> list[Turn]:
    def change(columns: Columns, on: Flags) -> None:
        give(columns, np.ones(on.size, bool))
        fault(columns, on)

    return stage.turns(np.random.default_rng(5), 24, change, at=6, ends=14)


def related(stage: Stage, turns: list[Turn]) -> set[str]:
    """The channels that are said to have lost their relations."""
    return {stage.reference.channels[t.channel].name for t in turns if t.level and t.kind is Kind.JOINT}


@pytest.mark.parametrize("fault", [flipped, shuffled_label])
def test_the_label_is_named_where_all_that_lean_on_it_lose_it(scored: Stage, fault: Fault) -> None:
    turns = turns_of(scored, answered, fault)
    assert related(scored, turns) == {"label"}
    assert scored.pages(turns) == []


def test_a_feature_of_other_events_is_named_itself(scored: Stage) -> None:
    names = related(scored, turns_of(scored, answered, shuffled_age))
    assert "age" in names
    assert "label" not in names


def test_answers_that_are_missing_do_not_blame_the_label(scored: Stage) -> None:
    def silent(columns: Columns, on: Flags) -> None:
        columns["score"][on] = np.nan

    turns = turns_of(scored, answered, silent)
    assert [(name, kind) for name, kind, _ in scored.pages(turns)] == [("score", "missing")]
    assert related(scored, turns) == set()


def test_flipped_labels_are_one_page_of_errors(labelled: Stage) -> None:
    turns = turns_of(labelled, predicted, flipped)
    assert [(name, kind) for name, kind, _ in labelled.pages(turns)] == [("prediction_error", "errors")]
    assert related(labelled, turns) == set()
