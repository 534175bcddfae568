"""How right a model should be where its labels come later: what they said of a score, among those that come now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from driftd.core.event import EventBatch
from driftd.core.lists import CLASSES
from driftd.core.quality.scoring import BINS, Scoring
from driftd.core.quality.unlabelled import LEAST_POOLED, Estimate, pooled, spread_out
from driftd.core.reference import Reference
from driftd.ingest.binning import encode_with, summarise_with
from driftd.ingest.quality import outcomes
from driftd.learn.build import Learning, build
from driftd.learn.quality import BY_CHANCE, estimate_of

Floats = NDArray[np.float64]


def rows(model: str, score: Floats, label: Floats | None, /, **other: Any) -> EventBatch:
    n = len(score)
    fields: dict[str, Any] = {"prediction": (score >= 0.5).astype(float), "score": score, **other}
    if label is not None:
        fields["label"] = label
    features = {} if model.endswith("/labels") else {"x": np.arange(n, dtype=float)}
    return EventBatch(model, np.arange(n), np.arange(n, dtype=float), features, fields)


def truth(rng: np.random.Generator, score: Floats) -> Floats:
    """Scores are too sure of themselves."""
    return (rng.random(len(score)) < 0.25 + 0.5 * score).astype(float)


def drawn(rng: np.random.Generator, shape: str, n: int) -> Floats:
    """``rare``: half of the scores are below 1/256, as of frauds. ``digits``: scores with two digits."""
    if shape == "rare":
        return rng.beta(0.2, 8.0, n)
    score = rng.random(n)
    return np.round(score, 2) if shape == "digits" else score


def told(reference: Reference, later: Reference | None, batch: EventBatch) -> Estimate | None:
    panes = np.zeros(len(batch), np.int64)
    counts = summarise_with(reference, batch, encode_with(reference, batch), panes)[0].counts
    found = outcomes(Scoring.of(reference.learned), batch, panes)
    return estimate_of(reference, counts, found, later)


def test_the_accuracy_of_a_window_follows_from_labels_that_came_later(rng: np.random.Generator) -> None:
    """The model's reference has none; then more scores are near one half."""
    before, now = rng.random(4000), rng.beta(4, 4, 4000)
    model, later = (
        build(rows("m", before, None), Learning()),
        build(rows("m/labels", before, truth(rng, before)), Learning()),
    )
    assert BY_CHANCE in later.learned
    assert BY_CHANCE not in model.learned
    assert told(model, None, rows("m", now, None)) is None
    found = told(model, later, rows("m", now, None))
    assert found is not None
    _, low, high = found.values[0]
    expected = np.where(now >= 0.5, 0.25 + 0.5 * now, 0.75 - 0.5 * now).mean()
    usual = np.where(before >= 0.5, 0.25 + 0.5 * before, 0.75 - 0.5 * before).mean()
    assert low < expected < high
    assert high < usual
    hits, yes = (0.25 + 0.5 * now)[now >= 0.5].sum(), (0.25 + 0.5 * now).sum()
    known = [hits / (now >= 0.5).sum(), hits / yes, 2 * hits / ((now >= 0.5).sum() + yes)]
    assert found.values[1:, 0].tolist() == pytest.approx(known, abs=0.03)


@pytest.mark.parametrize("labels", [600, 3000])
@pytest.mark.parametrize("shape", ["even", "rare", "digits"])
def test_the_interval_holds_what_labels_say_as_often_as_it_says(
    labels: int, shape: str, rng: np.random.Generator
) -> None:
    model, held = build(rows("m", drawn(rng, shape, 3000), None), Learning()), 0
    for _ in range(100):
        known, now = drawn(rng, shape, labels), drawn(rng, shape, 1000)
        later = build(rows("m/labels", known, truth(rng, known)), Learning())
        found = told(model, later, rows("m", now, None))
        assert found is not None
        _, low, high = found.values[0]
        held += low <= np.mean(truth(rng, now) == (now >= 0.5)) <= high
    assert held >= 89  # 95, less 2.7 standard errors


def test_of_scores_for_which_no_labels_came_nothing_is_said(rng: np.random.Generator) -> None:
    """Loans that were granted."""
    score = rng.random(4000)
    model = build(rows("m", score, None), Learning())
    granted = score[score < 0.7]
    later = build(rows("m/labels", granted, truth(rng, granted)), Learning())
    found = told(model, later, rows("m", score, None))
    assert found is not None
    assert not found.known
    assert found.outside == pytest.approx(0.3 - 8 / 256, abs=0.05)  # a little further than labels came
    few = build(rows("m/labels", score[:400], truth(rng, score[:400])), Learning())
    unsure = told(model, few, rows("m", score, None))
    assert unsure is not None
    assert not unsure.known


def test_joined_labels_have_the_estimate_of_their_own_predictions_beside_what_they_say(
    rng: np.random.Generator,
) -> None:
    known, now = rng.random(4000), rng.beta(4, 4, 2000)
    later = build(rows("m/labels", known, truth(rng, known)), Learning())
    window = rows("m/labels", now, truth(rng, now))
    found = told(later, None, window)
    assert found is not None
    right = np.mean(np.asarray(window.fields["prediction"]) == np.asarray(window.fields["label"]))
    assert found.values[0, 1] < right < found.values[0, 2]
    wrong = replace(window, fields={**window.fields, "label": 1 - np.asarray(window.fields["label"], float)})
    same = told(later, None, wrong)
    assert same is not None
    np.testing.assert_array_equal(same.values, found.values)  # labels of the window have no part in it


def test_scores_of_the_predicted_class_are_read_as_they_come(rng: np.random.Generator) -> None:
    def of_predicted(model: str, p: Floats, label: Floats | None) -> EventBatch:
        return rows(model, p, label, score=np.maximum(p, 1 - p))

    known, now = rng.random(4000), rng.beta(4, 4, 2000)
    model = build(of_predicted("m", known, None), Learning())
    later = build(of_predicted("m/labels", known, truth(rng, known)), Learning())
    scoring = Scoring.of(later.learned)
    assert scoring is not None
    assert scoring.of_predicted
    expected = np.where(now >= 0.5, 0.25 + 0.5 * now, 0.75 - 0.5 * now).mean()
    for reference, labels, batch in (
        (model, later, of_predicted("m", now, None)), (later, None, of_predicted("m/labels", now, truth(rng, now))),
    ):  # fmt: skip
        found = told(reference, labels, batch)
        assert found is not None
        assert found.values[0, 1] < expected < found.values[0, 2]


def test_a_model_that_cuts_elsewhere_has_the_estimate_of_its_joined_labels(rng: np.random.Generator) -> None:
    """Fraud is predicted from 0.2 on: the scores of the predicted class reach down to that."""

    def cut(p: Floats) -> EventBatch:
        named = {CLASSES + "1": p, CLASSES + "0": 1 - p}
        said = (p >= 0.2).astype(float)
        return rows("m/labels", p, truth(rng, p), score=np.where(said == 1, p, 1 - p), prediction=said, **named)

    later, window = build(cut(rng.beta(1, 3, 4000)), Learning()), cut(rng.beta(2, 3, 2000))
    found = told(later, None, window)
    assert found is not None
    right = np.mean(np.asarray(window.fields["prediction"]) == np.asarray(window.fields["label"]))
    assert found.values[0, 1] < right < found.values[0, 2]


def test_of_more_classes_with_one_score_there_is_accuracy(rng: np.random.Generator) -> None:
    names = np.array(["bird", "cat", "dog"])
    score, said = rng.uniform(0.3, 1.0, 4000), rng.integers(0, 3, 4000)
    label = np.where(rng.random(4000) < score**2, said, (said + 1) % 3)
    words = {"prediction": names[said].tolist()}
    model = build(rows("m", score, None, **words), Learning())
    later = build(rows("m/labels", score, None, **words, label=names[label].tolist()), Learning())
    now = rng.uniform(0.6, 1.0, 2000)
    found = told(model, later, rows("m", now, None, prediction=names[said[:2000]].tolist()))
    assert found is not None
    assert found.values[0, 1] < np.mean(now**2) < found.values[0, 2]
    assert np.isnan(found.values[1:]).all()


def test_a_models_own_labels_come_first(rng: np.random.Generator) -> None:
    score = rng.random(2000)
    own = build(rows("m", score, (score >= 0.5).astype(float)), Learning())
    later = build(rows("m/labels", score, (score < 0.5).astype(float)), Learning())
    found = told(own, later, rows("m", score, None))
    assert found is not None
    assert (found.values[0, 0], found.later) == (1.0, False)
    few = np.where(np.arange(2000) < 400, (score >= 0.5).astype(float), np.nan)
    sparse = build(rows("m", score, few), Learning())
    unsure, sure = told(sparse, None, rows("m", score, None)), told(sparse, later, rows("m", score, None))
    assert unsure is not None
    assert not unsure.known
    assert sure is not None
    assert (sure.values[0, 0], sure.later) == (0.0, True)


def test_a_bin_of_the_channel_is_spread_as_labels_are_in_it() -> None:
    """
    edges     1/8          1/4             1/2
    counts  4      |  6    |      9        |  1
    labels    -            3:1 in 2 bins       -
    """
    seen = np.zeros(BINS, np.int64)
    seen[[40, 50]] = 3, 1
    found = spread_out(np.array([4, 8, 9, 1]), np.array([1 / 8, 1 / 4, 1 / 2]), False, seen)
    assert found[[40, 50]].tolist() == [6, 2]
    assert found[:32].tolist() == pytest.approx([4 / 32] * 32)  # nothing is known: even
    assert found[64:128].tolist() == pytest.approx([9 / 64] * 64)
    assert found[128:256].tolist() == pytest.approx([1 / 128] * 128)
    assert found[BINS] == 0
    one = spread_out(np.array([0, 7, 5, 0]), np.array([-1e-12, 0.25 + 1e-8, 0.5 + 1e-8]), True, seen)
    assert np.flatnonzero(one).tolist() == [64, 128]
    beyond = spread_out(np.array([2, 0, 3]), np.array([-1.0, 1.0]), False, seen)
    assert beyond[BINS] == 5


def test_neighbours_are_pooled_until_there_are_labels_enough() -> None:
    table = np.zeros((BINS, 4), np.int64)
    table[[10, 11, 12, 30, 60], 3] = 20, 5, 30, 24, 10
    scores = np.zeros(BINS + 1)
    scores[[2, 9, 11, 20, 38, 39, 61, 200]] = 1, 2, 4, 8, 16, 32, 64, 128
    counts, n = pooled(table, scores)
    assert counts[:, 3].tolist() == [25, 30, 34, 0]  # 10 and 11; 12; 30 and 60
    assert n.tolist() == [1 + 2 + 4, 8, 16 + 64, 32 + 128]
    few, _ = pooled(table * (np.arange(BINS) == 60)[:, None], scores)
    assert few[:, 3].tolist() == [10, 0]
    none, all_ = pooled(np.zeros((BINS, 4), np.int64), scores)
    assert (none.sum(), all_.tolist()) == (0, [255])


@given(st.lists(st.integers(0, 60), min_size=BINS, max_size=BINS), st.integers(0, 2**32))
def test_no_event_and_no_label_is_lost_in_pools(seen: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = np.zeros((BINS, 4), np.int64)
    table[:, seed % 4] = seen
    edges = np.sort(rng.random(9))
    counts = rng.integers(0, 50, 10)
    scores = spread_out(counts, edges, False, np.array(seen))
    assert scores.sum() == pytest.approx(counts.sum())
    found, n = pooled(table, scores)
    assert found.sum() == sum(seen)
    assert n.sum() == pytest.approx(counts.sum())
    assert (found[:-1].sum(axis=1) >= min(LEAST_POOLED, sum(seen))).all()
    assert not found[-1].any()


@pytest.mark.parametrize("shape", ["even", "rare"])
def test_it_says_what_labels_in_the_events_would_have_said(shape: str, rng: np.random.Generator) -> None:
    known, now = drawn(rng, shape, 20_000), drawn(rng, shape, 5000)
    label = truth(rng, known)
    own, model = build(rows("m", known, label), Learning()), build(rows("m", known, None), Learning())
    later = build(rows("m/labels", known, label), Learning())
    one, other = told(own, None, rows("m", now, None)), told(model, later, rows("m", now, None))
    assert one is not None
    assert other is not None
    half = (one.values[0, 2] - one.values[0, 0]).item()
    assert other.values[0].tolist() == pytest.approx(one.values[0].tolist(), abs=half / 10)
