"""Labels that break: the label or its errors are named, not the features and outputs that lean on it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.core.reference import Drawn, Gap
from driftd.judge.natural.changes import CHANGES, Change
from driftd.judge.natural.episodes import PAGE, Turn
from driftd.judge.natural.kinds import Kind
from driftd.judge.natural.runtime import natural_of
from driftd.learn.build import Learning, build
from tests.unit.judge.natural.stage import DAY, MONDAY, Columns, Stage, batch, traffic

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


@pytest.mark.parametrize(("hours", "pages"), [(1.2, 0), (4.0, 1)], ids=["a bad hour", "a bad evening"])
def test_answers_that_are_wrong_more_often_page_once_they_stay_so(labelled: Stage, hours: float, pages: int) -> None:
    """Four in five of the labels are the opposite: for an hour a ticket, for longer a page."""

    def often(columns: Columns, on: Flags) -> None:
        some = on & (np.random.default_rng(6).random(on.size) < 0.8)
        columns["label"][some] = 1 - columns["label"][some]

    def change(columns: Columns, on: Flags) -> None:
        predicted(columns, np.ones(on.size, bool))
        often(columns, on)

    turns = labelled.turns(np.random.default_rng(5), 24, change, at=6, ends=6 + hours)
    mine = [t for t in turns if t.channel == labelled.channel("prediction_error") and t.level > t.before]
    assert [t.kind for t in mine][:1] == [Kind.ERRORS]
    assert [name for name, _, _ in labelled.pages(turns)] == ["prediction_error"] * pages


def test_errors_that_no_hour_changes_page_within_the_hour() -> None:
    """5 % of the labels are the opposite, whatever the hour; then 40 %: nobody waits for two hours."""

    def wrong(share: float) -> Fault:
        def fault(columns: Columns, on: Flags) -> None:
            answers = columns["score"] > 0.5
            missed = np.random.default_rng(len(on)).random(on.size) < np.where(on, share, 0.05)
            columns["label"] = (answers ^ missed).astype(float)

        return fault

    steady = Stage.of(np.random.default_rng(4), 7.0, change=wrong(0.05))
    turns = steady.turns(np.random.default_rng(5), 12, wrong(0.4), at=6)
    (page,) = [t for t in turns if t.level == PAGE and t.before < PAGE]
    assert page.channel == steady.channel("prediction_error")
    assert 6 < (page.time - steady.begin) / 3600 < 7


@pytest.fixture(scope="module")
def partly() -> Stage:
    """A reference in which 30 % of the events have a label."""
    return Stage.of(np.random.default_rng(4), 7.0, change=partly_labelled)


def partly_labelled(columns: Columns, on: Flags) -> None:
    answered(columns, on)
    columns["label"][np.random.default_rng(len(on)).random(on.size) > 0.3] = np.nan


def unchanged(_columns: Columns, _on: Flags) -> None:
    """Nothing breaks."""


def no_label(columns: Columns, on: Flags) -> None:
    columns["label"][on] = np.nan


def of_labels(turns: list[Turn], stage: Stage) -> list[tuple[Kind, int, float]]:
    """Kind, level and hour of what opened about the label."""
    mine = [t for t in turns if t.channel == stage.channel("label") and t.level > t.before]
    return [(t.kind, t.level, (t.time - stage.begin) / 3600.0) for t in mine]


def test_labels_that_came_with_all_events_and_stop_are_a_ticket(labelled: Stage) -> None:
    (ticket,) = of_labels(turns_of(labelled, predicted, no_label), labelled)
    assert ticket[:2] == (Kind.MISSING, 1)
    assert 6.0 < ticket[2] < 7.0


def test_labels_that_come_with_some_events_are_missed_when_all_of_them_stop(partly: Stage) -> None:
    (ticket,) = of_labels(turns_of(partly, partly_labelled, no_label), partly)
    assert ticket[:2] == (Kind.MISSING, 1)
    assert 6.0 < ticket[2] < 10.0
    assert of_labels(turns_of(partly, partly_labelled, unchanged), partly) == []


def test_hours_without_labels_that_are_left_out_are_not_learned() -> None:
    rng = np.random.default_rng(6)
    columns = traffic(rng, MONDAY, MONDAY + DAY)
    predicted(columns, np.ones(len(columns["time"]), bool))
    columns["label"][columns["time"] > MONDAY + 0.8 * DAY] = np.nan
    rows = batch(columns)
    gap = Gap("label", MONDAY + 0.8 * DAY, np.inf)
    usual = []
    for drawn in (Drawn(early=True), Drawn(early=True, gaps=(gap,))):
        learned = natural_of(build(rows, Learning(), 1, drawn))
        assert learned is not None
        fast, row = learned.fast, int(np.flatnonzero(learned.layout.labels)[0])  # type: ignore[arg-type]
        mine = (fast.rules.channel == row) & (fast.change == CHANGES.index(Change.MISSING))
        usual.append(fast.usual[mine].tolist())
    assert usual == [[], [0.0]]  # where they were learned, labels that stop are how things are
