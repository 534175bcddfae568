"""Labelled events to sums: against a count event by event, and however they are split."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.core.event import EventBatch
from driftd.core.quality.estimates import confusion_of, events, histogram_of
from driftd.core.quality.scoring import OTHER, Scoring
from driftd.core.quality.sums import added
from driftd.ingest.quality import outcomes

CLASSES = Scoring(("0", "1", "red"), positive=1)


def batch_of(n: int, seed: int = 0, **other: object) -> EventBatch:
    rng = np.random.default_rng(seed)
    values = np.array([None, 0.0, 1.0, "0", "1.0", "true", "red", "blue", "FALSE"], object)
    label, prediction = (rng.choice(values, n).tolist() for _ in range(2))
    score = rng.choice([np.nan, 0.0, 0.25, 0.999, 1.0, 1.5], n)
    version = rng.choice(np.array(["1", "2", None], object), n).tolist()
    fields = {"label": label, "prediction": prediction, "score": score, **other}
    return EventBatch("m", np.arange(n), np.arange(n, dtype=float), {}, fields, version)


def place(value: object) -> int | None:
    if value is None:
        return None
    known = {0.0: 0, 1.0: 1, "0": 0, "1.0": 1, "true": 1, "FALSE": 0, "red": 2}
    return known.get(value, 3)


@pytest.mark.parametrize("per_pane", [1, 3, 400])
def test_counts_are_those_of_the_events_one_by_one(per_pane: int) -> None:
    batch = batch_of(400)
    panes = 100 + np.arange(400) // per_pane
    found = outcomes(CLASSES, batch, panes)
    confusion, scores = dict[tuple[str, int], np.ndarray](), dict[tuple[str, int], np.ndarray]()
    assert isinstance(batch.version, list)
    columns = (panes.tolist(), batch.version, batch.fields["label"], batch.fields["prediction"], batch.fields["score"])
    for pane, version, label, prediction, score in zip(*columns, strict=True):
        y, p = place(label), place(prediction)
        if y is None or p is None:
            continue
        key = version or "", pane
        confusion.setdefault(key, np.zeros((4, 4), int))[y, p] += 1
        scores.setdefault(key, np.zeros((2, 256), int))
        if 0 <= score <= 1:
            scores[key][int(y == 1), min(int(score * 256), 255)] += 1
    for (version, pane), counts in confusion.items():
        whole = found[CLASSES.id + version].between(pane, pane).whole
        np.testing.assert_array_equal(confusion_of(CLASSES, whole), counts)
        np.testing.assert_array_equal(histogram_of(CLASSES, whole), scores[version, pane])
    assert sum(events(CLASSES, sums.whole) for sums in found.values()) == sum(c.sum() for c in confusion.values())


@given(st.integers(1, 60), st.lists(st.integers(0, 60), max_size=4), st.booleans())
def test_any_split_of_the_events_gives_the_same_sums(n: int, cuts: list[int], numbers: bool) -> None:
    scoring = Scoring(numbers=True, center=0.5, scale=2.0) if numbers else CLASSES
    batch, panes = batch_of(n, n), np.random.default_rng(n).integers(0, 9, n)
    ends = sorted({0, n, *(cut for cut in cuts if cut < n)})
    parts = [np.arange(a, b) for a, b in pairwise(ends)]
    whole = outcomes(scoring, batch, panes)
    split = added(outcomes(scoring, batch.take(part), panes[part]) for part in parts[::-1])
    assert whole.keys() == split.keys()
    for name, sums in whole.items():
        np.testing.assert_array_equal(sums.keys, split[name].keys)
        np.testing.assert_array_equal(sums.values, split[name].values)


def test_without_labels_or_a_scoring_nothing_is_counted() -> None:
    batch = batch_of(5, label=[None] * 5)
    assert outcomes(CLASSES, batch, np.zeros(5, np.int64)) == {}
    assert outcomes(None, batch_of(5), np.zeros(5, np.int64)) == {}
    del batch.fields["label"]  # type: ignore[attr-defined]
    assert outcomes(CLASSES, batch, np.zeros(5, np.int64)) == {}


def test_columns_of_numbers_and_of_texts_say_the_same() -> None:
    label, prediction = [1.0, 0.0, 1.0, 7.0], [1.0, 1.0, 0.0, 0.0]
    one = batch_of(4, label=label, prediction=prediction)
    other = batch_of(4, label=np.array(label), prediction=["true", "1", "0", "false"])
    panes = np.zeros(4, np.int64)
    for a, b in zip(outcomes(CLASSES, one, panes).values(), outcomes(CLASSES, other, panes).values(), strict=True):
        np.testing.assert_array_equal(a.whole, b.whole)


def test_the_name_of_the_rest_is_no_class() -> None:
    assert OTHER not in CLASSES.codes
