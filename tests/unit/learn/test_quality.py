"""What a reference learns about its labels: classes, the positive one, and how right the model was."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from driftd.core.event import EventBatch
from driftd.core.lists import CLASSES
from driftd.core.quality.estimates import estimates, statistics
from driftd.core.quality.expected import Expected
from driftd.core.quality.scoring import Scoring
from driftd.ingest.binning import encode_with, summarise_with
from driftd.learn.build import Learning, build
from driftd.learn.graft import graft
from driftd.learn.quality import estimate_of


def learned(
    positive: str | None = None, classes: bool | None = None, **fields: Any
) -> tuple[Scoring, dict[str, float]]:
    n = len(next(iter(fields.values())))
    batch = EventBatch("m", np.arange(n), np.arange(n, dtype=float), {"x": np.arange(n, dtype=float)}, fields)
    reference = build(batch, Learning(classes=classes, positive=positive))
    scoring = Scoring.of(reference.learned)
    assert scoring is not None
    sums = scoring.known(reference.learned)
    if sums is None:
        return scoring, {}
    values = estimates(scoring, sums.whole)[:, 0].tolist()
    return scoring, {s.name: v for s, v in zip(statistics(scoring), values, strict=True)}


def scores(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    score = rng.random(200)
    return score, score >= 0.7


def test_of_0_and_1_the_positive_class_is_1_even_where_one_never_came() -> None:
    assert learned(prediction=np.zeros(50))[0].classes == ("0", "1")
    scoring, found = learned(prediction=[0.0] * 50, label=["false"] * 40 + ["true"] * 10)
    assert (scoring.classes, scoring.positive) == (("0", "1"), 1)
    assert found["accuracy"] == 0.8
    assert found["recall"] == 0


def test_the_positive_class_is_the_one_whose_score_it_is(rng: np.random.Generator) -> None:
    score, high = scores(rng)
    for names in (("fraud", "good"), ("zebra", "ant")):
        scoring, _ = learned(prediction=np.where(high, *names).tolist(), score=score)
        assert scoring.classes[scoring.positive] == names[0]
        assert not scoring.of_predicted


def test_scores_of_the_predicted_class_are_seen_and_the_rarer_class_is_positive(rng: np.random.Generator) -> None:
    score = rng.random(400)
    high, label = score >= 0.5, rng.random(400) < score
    fields = {"prediction": np.where(high, "b", "a").tolist(), "label": np.where(label, "b", "a").tolist()}
    plain, usual = learned("b", score=score, **fields)
    assert not plain.of_predicted
    said = np.where(high, score, 1 - score)
    scoring, found = learned("b", score=said, **fields)
    assert scoring.of_predicted
    assert found["auc"] == pytest.approx(usual["auc"], abs=0.005)
    assert found["brier"] == pytest.approx(usual["brier"])


def test_a_score_that_names_its_classes_is_of_the_predicted_one_wherever_the_model_cuts(
    rng: np.random.Generator,
) -> None:
    p = rng.beta(1, 3, 2000)
    high, label = p >= 0.2, np.where(rng.random(2000) < p, "fraud", "ok")
    said = np.where(high, "fraud", "ok")
    fields: dict[str, Any] = {"prediction": said.tolist(), "label": label.tolist(), "score": np.where(high, p, 1 - p)}
    each: dict[str, Any] = {f"{CLASSES}fraud": p, f"{CLASSES}ok": 1 - p}
    scoring, found = learned(**fields, **each)
    assert scoring.of_predicted
    assert scoring.classes[scoring.positive] == ("fraud" if high.mean() < 0.5 else "ok")
    assert found["brier"] == pytest.approx(np.mean((p - (label == "fraud")) ** 2))


def test_of_three_classes_an_object_has_the_chance_of_the_one_that_the_user_names(rng: np.random.Generator) -> None:
    p, names = rng.dirichlet([1, 2, 3], 2000), np.array(["a", "b", "c"])
    label = names[[rng.choice(3, p=row) for row in p]]
    fields: dict[str, Any] = {
        "prediction": names[p.argmax(axis=1)].tolist(),
        "label": label.tolist(),
        "score": p.max(axis=1),
    }
    each: dict[str, Any] = {CLASSES + name: p[:, i] for i, name in enumerate(names)}
    scoring, found = learned("b", **fields, **each)
    assert scoring.of_predicted
    assert found["brier"] == pytest.approx(np.mean((p[:, 1] - (label == "b")) ** 2))
    assert not learned("b", **fields)[0].of_predicted


def test_the_user_names_the_positive_class_of_two_and_of_many() -> None:
    two = ["a"] * 90 + ["b"] * 10
    assert learned(prediction=two)[0].positive == 1
    assert learned("a", prediction=two)[0].positive == 0
    scoring, found = learned("c", prediction=["a", "b", "c"] * 20, label=["a", "c", "c"] * 20)
    assert scoring.classes[scoring.positive] == "c"
    assert (found["precision"], found["recall"]) == (1.0, 0.5)
    assert learned("never", prediction=two)[0].positive == 1


def test_more_classes_than_there_is_room_for_count_as_one() -> None:
    names = [f"c{i:03}" for i in range(60)]
    scoring, found = learned(prediction=names * 3 + names[:10], label=names * 3 + names[:10])
    assert len(scoring.classes) == 50
    assert set(names[:10]) <= set(scoring.classes)
    assert found["accuracy"] == 1


def test_numbers_are_summed_about_the_mean_of_the_labels(rng: np.random.Generator) -> None:
    label = rng.normal(1e6, 3.0, 500)
    scoring, found = learned(classes=False, prediction=label + 0.5, label=label)
    assert scoring.numbers
    assert scoring.center == 1e6
    assert scoring.scale == 4.0
    later = label + rng.normal(0, 1.0, 500)
    assert learned(classes=False, prediction=later, label=later)[0].id == scoring.id
    assert [found["mae"], found["bias"]] == pytest.approx([0.5, 0.5])
    assert found["r2"] == pytest.approx(1 - 0.25 / label.var())


def test_a_reference_without_predictions_counts_nothing() -> None:
    batch = EventBatch("m", np.arange(9), np.arange(9.0), {"x": np.arange(9.0)}, {"label": [1.0] * 9})
    assert Scoring.of(build(batch, Learning()).learned) is None


def test_two_ways_of_counting_have_two_ids() -> None:
    one = Scoring(("a", "b"), positive=1)
    assert one.id == Scoring(("a", "b"), positive=1).id
    assert len({one.id, replace(one, positive=0).id, replace(one, of_predicted=True).id, Scoring(("b",)).id}) == 4


def test_without_labels_the_accuracy_follows_from_the_scores(rng: np.random.Generator) -> None:
    n = 4000
    score = np.where(np.arange(n) < 2000, rng.random(n), rng.beta(2, 3, n))  # then more scores are near one half
    truth, predicted = (rng.random(n) < score).astype(float), (score >= 0.5).astype(float)
    fields = {"prediction": predicted, "score": score, "label": truth}
    batch = EventBatch("m", np.arange(n), np.arange(n, dtype=float), {"x": rng.random(n)}, fields)
    reference = build(batch.take(np.arange(2000)), Learning())
    later = batch.take(np.arange(2000, n))
    counts = summarise_with(reference, later, encode_with(reference, later), np.zeros(2000, np.int64))[0].counts
    found = estimate_of(reference, counts, {})
    assert found is not None
    _, low, high = found.values[0]
    assert low < np.mean(predicted[2000:] == truth[2000:]) < high
    usual = np.mean(predicted[:2000] == truth[:2000])
    assert not low < usual < high  # it is the scores that it follows


def test_there_is_no_estimate_where_the_reference_has_no_labels() -> None:
    rows = np.arange(600, dtype=float)
    for fields in ({"prediction": rows % 2, "score": rows / 600}, {"prediction": rows, "score": rows / 600}):
        batch = EventBatch("m", np.arange(600), rows, {"x": rows}, fields)
        reference = build(batch, Learning())
        assert estimate_of(reference, reference.summary.counts, {}) is None


def test_a_score_that_is_learned_anew_has_no_outcomes_of_its_old_bins(rng: np.random.Generator) -> None:
    rows = np.arange(600, dtype=float)

    def batch(score: np.ndarray) -> EventBatch:
        fields = {"prediction": rows % 2, "label": rows % 2, "score": score}
        return EventBatch("m", np.arange(600), rows, {"x": rows}, fields)

    base, source = build(batch(rng.random(600)), Learning()), build(batch(rng.random(600) / 2), Learning())
    assert estimate_of(base, base.summary.counts, {}) is not None
    for names, known in ((["score"], False), (["x"], True)):
        out = graft(base, source, names)
        assert (estimate_of(out, out.summary.counts, {}) is not None) is known
        assert Scoring.of(out.learned) is not None


@pytest.mark.parametrize(("names", "known"), [(["x"], False), (["error"], True)])
def test_a_feature_that_is_learned_anew_has_no_errors_of_its_old_bins(
    names: list[str], known: bool, rng: np.random.Generator
) -> None:
    def batch() -> EventBatch:
        x = rng.random(600)
        fields = {"prediction": 2 * x, "label": (2 * x + rng.normal(size=600)).tolist()}
        return EventBatch("m", np.arange(600), np.arange(600.0), {"x": x}, fields)

    base, source = build(batch(), Learning(classes=False)), build(batch(), Learning(classes=False))
    assert Expected.of(base.learned) is not None
    assert (Expected.of(graft(base, source, names).learned) is not None) is known
