"""Statistics from sums against known answers, and against the same statistics by their definitions, event by event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import fsum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics  # type: ignore[import-untyped]

from driftd.core.event import EventBatch
from driftd.core.lists import CLASSES
from driftd.core.quality.confusion import of_classes
from driftd.core.quality.estimates import clipped, confusion_of, estimates, events, histogram_of, statistics
from driftd.core.quality.intervals import wilson
from driftd.core.quality.scores import auc, tie_bound
from driftd.core.quality.scoring import LIMIT, Scoring, number, parts
from driftd.core.quality.sums import SparseSums, added, at, between, merged
from driftd.ingest.quality import outcomes

TWO = Scoring(("0", "1"), positive=1)
NUMBERS = Scoring(numbers=True, center=90.0, scale=64.0)


def batch_of(label: Sequence[object], prediction: Sequence[object], score: Sequence[float] | None = None) -> EventBatch:
    n = len(label)
    fields = {"label": [*label], "prediction": [*prediction]}
    if score is not None:
        fields["score"] = np.array(score, float)  # type: ignore[assignment]
    return EventBatch("m", np.arange(n), np.arange(n, dtype=float), {}, fields)  # type: ignore[arg-type]


def sums_of(scoring: Scoring, batch: EventBatch) -> SparseSums:
    (found,) = outcomes(scoring, batch, np.zeros(len(batch), np.int64)).values()
    return found


def told(scoring: Scoring, batch: EventBatch) -> dict[str, tuple[float, float, float]]:
    found = estimates(scoring, sums_of(scoring, batch).whole)
    return {s.name: tuple(found[i].tolist()) for i, s in enumerate(statistics(scoring))}


def test_six_pairs_have_the_scores_that_scikit_learn_gives_them() -> None:
    score = [0.9, 0.4, 0.4, 0.2, 0.7, 0.6]
    found = told(TWO, batch_of([1.0, 1.0, 0.0, 0.0, 1.0, 0.0], [float(s >= 0.5) for s in score], score))
    known = {
        "auc": 5 / 6, "average_precision": 13 / 15, "log_loss": 0.5047643497, "brier": 0.17,
        "accuracy": 2 / 3, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "f1_macro": 2 / 3,
    }  # fmt: skip
    assert {name: found[name][0] for name in known} == pytest.approx(known, abs=1e-10)


def test_three_classes_have_the_means_over_classes_that_scikit_learn_gives_them() -> None:
    found = told(
        Scoring(("0", "1", "2")),
        batch_of([0.0, 1.0, 2.0, 2.0, 1.0, 0.0, 2.0, 1.0], [0.0, 2.0, 2.0, 2.0, 1.0, 0.0, 1.0, 1.0]),
    )
    for name in ("precision_macro", "recall_macro", "f1_macro"):
        assert found[name][0] == pytest.approx(7 / 9)
    assert found["accuracy"][0] == 0.75
    assert np.isnan([found[name][0] for name in ("precision", "auc", "log_loss", "calibration_error")]).all()


def test_four_numbers_have_the_errors_that_scikit_learn_gives_them() -> None:
    found = told(NUMBERS, batch_of([100.0, 200.0, 50.0, 0.0], [110.0, 180.0, 65.0, 5.0]))
    known = {"mae": 12.5, "bias": 2.5, "rmse": 13.6930639376, "wape": 1 / 7, "r2": 0.9657142857}
    assert {name: found[name][0] for name in known} == pytest.approx(known, rel=1e-10)


@pytest.mark.parametrize(
    ("part", "n", "low", "high"),
    [
        (0, 10, 0, 0.2775328), (1, 10, 0.0178762, 0.4041500),
        (8, 10, 0.4901625, 0.9433178), (20, 400, 0.0325974, 0.0759636),
    ],
)  # fmt: skip
def test_the_interval_of_a_share_is_wilsons(part: int, n: int, low: float, high: float) -> None:
    found = wilson(np.array(part / n), np.array(n))
    assert [float(x) for x in found] == pytest.approx([low, high], abs=1e-7)


def test_counts_of_a_large_sample_have_their_known_accuracy_and_f1() -> None:
    counts = np.array([[2262, 152, 0], [111, 2475, 0], [0, 0, 0]])  # labels by predictions
    found = of_classes(counts)
    assert found.f1[1, 0] == pytest.approx(0.9495492, abs=5e-8)
    assert found.precision[1, 0] == 2475 / 2627
    assert found.recall[1, 0] == 2475 / 2586


def test_a_class_that_was_never_predicted_has_no_precision_and_counts_in_the_mean_as_none() -> None:
    batch = batch_of(["a", "b", "b"], ["b", "b", "b"])
    scoring = Scoring(("a", "b"), positive=0)
    found = told(scoring, batch)
    assert np.isnan(found["precision"]).all()
    assert found["recall"][0] == 0
    assert found["precision_macro"][0] == pytest.approx((0 + 2 / 3) / 2)


def test_probabilities_of_each_class_give_the_losses_that_scikit_learn_gives_them() -> None:
    """scikit-learn 1.9.1: log_loss and brier_score_loss, of rows that name all classes."""
    chances = {"bird": [0.2, 0.1, 0.5, np.nan], "cat": [0.7, 0.6, 0.0, np.nan], "dog": [0.1, 0.3, 0.5, np.nan]}
    batch = batch_of(["cat", "dog", "dog", "cat"], ["cat", "cat", "bird", "dog"], [0.7, 0.6, 0.5, 0.4])
    batch = replace(batch, fields={**batch.fields, **{f"{CLASSES}{k}": np.array(v) for k, v in chances.items()}})
    found = told(Scoring(("bird", "cat", "dog")), batch)
    assert found["log_loss"][0] == pytest.approx(0.7512649763)
    assert found["brier"][0] == pytest.approx(0.5)
    assert found["accuracy"][0] == 0.25  # of the one without a probability of each, too
    sure = replace(batch, fields={**batch.fields, f"{CLASSES}dog": np.array([0.1, np.nan, 1.5, np.nan])})
    assert told(Scoring(("bird", "cat", "dog")), sure)["log_loss"][0] == pytest.approx(
        (0.3566749439 - np.log(1e-15)) / 2
    )


def test_a_class_without_counts_of_its_own_is_right_only_where_it_is_the_same() -> None:
    batch = batch_of(["a", "x", "x", "b"], ["a", "x", "y", "z"])
    found = told(Scoring(("a", "b")), batch)
    assert found["accuracy"][0] == 0.5
    whole = sums_of(Scoring(("a", "b")), batch).whole
    assert confusion_of(Scoring(("a", "b")), whole).tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 2]]
    assert found["recall_macro"][0] == 0.5  # of a and b; the rest is no class


def test_the_area_is_the_share_of_pairs_in_order_and_its_variance_delongs(rng: np.random.Generator) -> None:
    positives, negatives = np.floor(rng.beta(3, 2, 80) * 256), np.floor(rng.beta(2, 3, 120) * 256)
    wins = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
    variance = wins.mean(axis=1).var(ddof=1) / 80 + wins.mean(axis=0).var(ddof=1) / 120
    counts = [np.bincount(x.astype(int), minlength=256) for x in (negatives, positives)]
    area, low, high = auc(*counts)
    assert float(area) == pytest.approx(wins.mean())
    assert float(high - low) == pytest.approx(2 * 1.959963984540054 * np.sqrt(variance))
    assert float(tie_bound(*counts)) == pytest.approx((positives[:, None] == negatives).mean() / 2)


def test_the_interval_of_accuracy_and_of_auc_holds_the_truth_as_often_as_it_says(rng: np.random.Generator) -> None:
    """Scores are probabilities, so the truth is known: the AUC of s ~ U(0, 1) with y ~ Bernoulli(s) is 5/6."""
    held = np.zeros(3)
    for _ in range(400):
        score = rng.random(300)
        label = (rng.random(300) < score).astype(float)
        found = told(TWO, batch_of(label.tolist(), (score >= 0.5).astype(float).tolist(), score.tolist()))
        truth = {"accuracy": 0.75, "auc": 5 / 6, "brier": 1 / 6}
        held += [found[name][1] <= value <= found[name][2] for name, value in truth.items()]
    assert (held / 400 > 0.92).all()  # 0.95, less 2.7 standard errors
    assert (held / 400 < 0.98).all()


def test_intervals_of_means_over_classes_hold_the_truth_as_often_as_they_say(rng: np.random.Generator) -> None:
    shares = np.array([[0.4, 0.05, 0.05], [0.02, 0.2, 0.08], [0.01, 0.03, 0.16]])
    hits = np.diag(shares)
    truth = {
        "precision_macro": (hits / shares.sum(axis=0)).mean(),
        "recall_macro": (hits / shares.sum(axis=1)).mean(),
        "f1_macro": (2 * hits / (shares.sum(axis=0) + shares.sum(axis=1))).mean(),
    }
    scoring, held = Scoring(("a", "b", "c")), np.zeros(3)
    whole = np.zeros((400, scoring.width), np.int64)
    whole[:, 2:18].reshape(400, 4, 4)[:, :3, :3] = rng.multinomial(500, shares.ravel(), 400).reshape(400, 3, 3)
    found, names = estimates(scoring, whole), [s.name for s in statistics(scoring)]
    held = np.array(
        [np.mean((found[:, names.index(k), 1] <= v) & (v <= found[:, names.index(k), 2])) for k, v in truth.items()]
    )
    assert (held > 0.92).all()
    assert (held < 0.98).all()


def test_a_perfect_separation_has_no_interval_for_its_area() -> None:
    area, low, _ = auc(np.array([5, 0]), np.array([0, 5]))
    assert float(area) == 1
    assert np.isnan(low)


def test_calibrated_scores_have_the_calibration_error_that_chance_makes(rng: np.random.Generator) -> None:
    error, noise = [], []
    for _ in range(300):
        score = rng.random(500)
        found = told(TWO, batch_of((rng.random(500) < score).astype(float).tolist(), [1.0] * 500, score.tolist()))
        error.append(found["calibration_error"][0])
        noise.append(found["calibration_noise"][0])
    assert np.mean(noise) == pytest.approx(np.mean(error), rel=0.03)


def test_scores_of_the_predicted_class_are_turned_to_those_of_the_positive_one() -> None:
    y, score = [1.0, 1.0, 0.0, 0.0, 1.0, 0.0], np.array([0.9, 0.4, 0.4, 0.2, 0.7, 0.6])
    predicted = (score >= 0.5).astype(float)
    said = np.where(predicted == 1, score, 1 - score)
    other = Scoring(("0", "1"), positive=1, of_predicted=True)
    assert told(other, batch_of(y, predicted.tolist(), said.tolist()))["auc"][0] == pytest.approx(5 / 6)


def test_a_score_that_is_no_probability_counts_for_the_classes_alone() -> None:
    scoring, batch = TWO, batch_of([1.0, 0.0], [1.0, 0.0], [1.7, 0.2])
    whole = sums_of(scoring, batch).whole
    assert [x.sum() for x in histogram_of(scoring, whole)] == [1, 0]
    assert whole[1] == 1  # BAD_SCORE
    assert events(scoring, whole) == 2


def test_a_gross_error_is_clipped_and_counted() -> None:
    found = sums_of(NUMBERS, batch_of([0.0, 1e300], [1e300, 1.0])).whole
    assert clipped(NUMBERS, found) == 2
    assert np.isfinite(estimates(NUMBERS, found)[:, 0]).all()


@given(st.lists(st.floats(-LIMIT, LIMIT), min_size=1, max_size=50))
def test_a_sum_in_whole_numbers_is_that_of_the_numbers(values: list[float]) -> None:
    high, low = parts(np.array(values))
    assert float(number(high.sum(), low.sum())) == pytest.approx(fsum(values), abs=1e-12 * len(values), rel=1e-15)


entries = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4), st.integers(-5, 5)), max_size=12)


def of_entries(found: list[tuple[int, int, int]]) -> SparseSums:
    rows, columns, values = np.array(found, np.int64).reshape(-1, 3).T
    return SparseSums.of(5, rows * 5 + columns, values)


@given(st.lists(entries, min_size=1, max_size=4))
def test_sums_merge_in_any_order_to_what_dense_arrays_add_up_to(every: list[list[tuple[int, int, int]]]) -> None:
    dense = np.zeros((10, 5), np.int64)
    for row, column, value in (entry for mine in every for entry in mine):
        dense[row, column] += value
    sums = [of_entries(mine) for mine in every]
    for order in (sums, sums[::-1]):
        found = merged([merged(order[:1]), *order[1:]])
        np.testing.assert_array_equal(found.dense(np.arange(10)), dense)
        np.testing.assert_array_equal(found.whole, dense.sum(axis=0))
        assert (np.diff(found.keys) > 0).all()
        assert (found.values != 0).all()


@given(entries, st.integers(-1, 10), st.integers(-1, 10))
def test_a_part_of_sums_has_its_rows_and_no_others(found: list[tuple[int, int, int]], first: int, last: int) -> None:
    dense = of_entries(found).dense(np.arange(10))
    dense[[not first <= row <= last for row in range(10)]] = 0
    np.testing.assert_array_equal(of_entries(found).between(first, last).dense(np.arange(10)), dense)


def test_versions_are_summed_apart_and_rows_by_hour_together() -> None:
    one, other = SparseSums(5, np.array([2, 37]), np.array([1, 4])), SparseSums(5, np.array([2]), np.array([2]))
    both = added([{"1": one}, {"1": other, "2": other}])
    assert {name: sums.values.tolist() for name, sums in both.items()} == {"1": [3, 4], "2": [2]}
    assert both["1"].grouped(1 / 7).keys.tolist() == [2, 7]  # rows 0 and 7 are rows 0 and 1
    assert at(both, 3)["1"].keys.tolist() == [17]
    assert [*between(both, 5, 9)] == ["1"]


def test_random_events_have_the_statistics_that_scikit_learn_gives_them(rng: np.random.Generator) -> None:
    score = np.floor(rng.random(3000) * 256) / 256 + 1 / 512
    label, predicted = (rng.random(3000) < score).astype(float), (score >= 0.6).astype(float)
    found = told(TWO, batch_of(label.tolist(), predicted.tolist(), score.tolist()))
    known = {
        "accuracy": metrics.accuracy_score(label, predicted),
        "precision": metrics.precision_score(label, predicted),
        "recall": metrics.recall_score(label, predicted),
        "f1": metrics.f1_score(label, predicted),
        "precision_macro": metrics.precision_score(label, predicted, average="macro"),
        "recall_macro": metrics.recall_score(label, predicted, average="macro"),
        "f1_macro": metrics.f1_score(label, predicted, average="macro"),
        "auc": metrics.roc_auc_score(label, score),
        "average_precision": metrics.average_precision_score(label, score),
        "log_loss": metrics.log_loss(label, score),
        "brier": metrics.brier_score_loss(label, score),
    }
    assert {name: found[name][0] for name in known} == pytest.approx(known, abs=1e-10)
    truth = rng.normal(500, 30, 3000)
    said = truth + rng.normal(3, 10, 3000)
    numbers = told(Scoring(numbers=True, center=500.0, scale=32.0), batch_of(truth.tolist(), said.tolist()))
    known = {
        "mae": metrics.mean_absolute_error(truth, said),
        "rmse": metrics.root_mean_squared_error(truth, said),
        "r2": metrics.r2_score(truth, said),
    }
    assert {name: numbers[name][0] for name in known} == pytest.approx(known, rel=1e-10)


@pytest.mark.parametrize("of_predicted", [False, True])
@pytest.mark.parametrize("named", [("fraud", "ok"), ("fraud",), ("ok",)])
def test_a_score_that_names_its_classes_is_that_of_the_positive_one_wherever_the_model_cuts(
    rng: np.random.Generator, of_predicted: bool, named: tuple[str, ...]
) -> None:
    """Classes that are predicted from 0.2 on: what an object says of the predicted one is below one half there."""
    p = rng.beta(1, 3, 3000)
    said, true = np.where(p >= 0.2, "fraud", "ok"), np.where(rng.random(3000) < p, "fraud", "ok")
    each = {"fraud": p, "ok": 1 - p}
    batch = batch_of(true.tolist(), said.tolist(), np.where(said == "fraud", p, 1 - p).tolist())
    batch = replace(batch, fields={**batch.fields, **{CLASSES + name: each[name] for name in named}})
    scoring = Scoring(("fraud", "ok"), positive=0, of_predicted=of_predicted)
    found = told(scoring, batch)
    y = true == "fraud"
    assert found["log_loss"][0] == pytest.approx(metrics.log_loss(y, p), abs=1e-9)
    assert found["brier"][0] == pytest.approx(metrics.brier_score_loss(y, p), abs=1e-9)
    assert found["auc"][0] == pytest.approx(metrics.roc_auc_score(y, p), abs=0.005)


def test_of_more_classes_an_object_has_the_probability_of_the_one_that_the_user_names(
    rng: np.random.Generator,
) -> None:
    p = rng.dirichlet([1, 2, 3], 2000)
    names, true = np.array(["a", "b", "c"]), np.array([rng.choice(3, p=row) for row in p])
    batch = batch_of(names[true].tolist(), names[p.argmax(axis=1)].tolist(), p.max(axis=1).tolist())
    batch = replace(batch, fields={**batch.fields, **{CLASSES + n: p[:, i] for i, n in enumerate(names)}})
    found = told(Scoring(("a", "b", "c"), positive=1), batch)
    assert found["log_loss"][0] == pytest.approx(metrics.log_loss(true == 1, p[:, 1]), abs=1e-9)
    assert found["auc"][0] == pytest.approx(metrics.roc_auc_score(true == 1, p[:, 1]), abs=0.005)
