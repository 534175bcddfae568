"""AUC of several classes, each against the rest, from bins of probabilities: beside scikit-learn, and by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics  # type: ignore[import-untyped]

from driftd.core.event import EventBatch
from driftd.core.lists import CLASSES
from driftd.core.quality.estimates import chances_of, estimates, statistics
from driftd.core.quality.scores import auc, mean_auc, mean_tie_bound
from driftd.core.quality.scoring import EDGES, Scoring
from driftd.core.quality.sums import added
from driftd.ingest.quality import outcomes
from driftd.learn.build import Learning, build

Floats = NDArray[np.float64]
MEANS = {"auc_macro": "macro", "auc_weighted": "weighted"}


def drawn(rng: np.random.Generator, n: int, sides: int, spread: float) -> tuple[NDArray[np.intp], Floats]:
    """Labels by their own probabilities, of classes that come one, two, three ... times as often."""
    z = rng.normal(size=(n, sides)) * spread + np.log(np.arange(1, sides + 1))
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return (rng.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1).clip(0, sides - 1), p


def names(sides: int) -> list[str]:
    return [f"c{i:02}" for i in range(sides)]


def batch_of(labels: NDArray[np.intp], p: Floats, **other: Any) -> EventBatch:
    n, sides = p.shape
    fields: dict[str, Any] = {
        "label": [names(sides)[i] for i in labels], "prediction": [names(sides)[i] for i in p.argmax(axis=1)],
        "score": p.max(axis=1), **{f"{CLASSES}{name}": p[:, i] for i, name in enumerate(names(sides))}, **other,
    }  # fmt: skip
    return EventBatch("m", np.arange(n), np.arange(n, dtype=float), {"x": np.arange(n, dtype=float)}, fields)


def scoring_of(sides: int) -> Scoring:
    return Scoring(tuple(names(sides)), areas=tuple(range(sides)))


def sums_of(scoring: Scoring, batch: EventBatch) -> NDArray[np.int64]:
    (found,) = outcomes(scoring, batch, np.zeros(len(batch), np.int64)).values()
    return found.whole


def told(scoring: Scoring, sums: NDArray[np.int64]) -> dict[str, tuple[float, float, float]]:
    found = estimates(scoring, sums)
    return {s.name: tuple(found[i].tolist()) for i, s in enumerate(statistics(scoring))}


@pytest.mark.parametrize(("sides", "spread"), [(3, 1.0), (3, 6.0), (12, 1.0), (12, 4.0), (16, 12.0)], ids=str)
def test_areas_are_scikit_learns_within_the_bound_of_their_bins(
    sides: int, spread: float, rng: np.random.Generator
) -> None:
    labels, p = drawn(rng, 4000, sides, spread)
    scoring = scoring_of(sides)
    sums = sums_of(scoring, batch_of(labels, p))
    found, each = told(scoring, sums), chances_of(scoring, sums)
    for name, average in MEANS.items():
        truth = metrics.roc_auc_score(labels, p, multi_class="ovr", average=average)
        bound = float(mean_tie_bound(*each, weighted=average == "weighted"))
        assert abs(found[name][0] - truth) <= bound
        assert found[name][0] == pytest.approx(truth, abs=5e-4)
        assert bound < 0.02
        assert found[name][1] < truth < found[name][2]


def test_probabilities_at_the_edges_of_bins_have_scikit_learns_areas_to_all_digits(rng: np.random.Generator) -> None:
    cuts = np.sort(rng.integers(8, 120, (2000, 2)), axis=1)
    p = np.diff(cuts, axis=1, prepend=0, append=128) / 128  # sums of 1, in bins of 1/128 or narrower ones
    p = np.where(p < 1 / 16, 0.0, p)  # there bins begin elsewhere
    p[:, 0] += 1 - p.sum(axis=1)
    labels = (rng.random(2000)[:, None] > p.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    found = told(scoring_of(3), sums_of(scoring_of(3), batch_of(labels, p)))
    for name, average in MEANS.items():
        truth = metrics.roc_auc_score(labels, p, multi_class="ovr", average=average)
        assert found[name][0] == pytest.approx(truth, abs=1e-12)


def test_four_events_by_hand() -> None:
    """
    label  p(c00) p(c01) p(c02)
    c00     .6     .3     .1      c00: .6 .2 against .5 .1: 3 of 4 pairs
    c00     .2     .5     .3      c01: .4 against .3 .5 .1: 2 of 3
    c01     .5     .4     .1      c02: .8 against .1 .3 .1: all
    c02     .1     .1     .8
    """
    p = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]])
    found = told(scoring_of(3), sums_of(scoring_of(3), batch_of(np.array([0, 0, 1, 2]), p)))
    assert found["auc_macro"][0] == pytest.approx((3 / 4 + 2 / 3 + 1) / 3)
    assert found["auc_weighted"][0] == pytest.approx((2 * 3 / 4 + 2 / 3 + 1) / 4)
    assert np.isnan(found["auc_macro"][1:]).all()  # of one event of a class nobody knows how others would differ
    assert np.isnan(found["auc"]).all()


def test_the_mean_is_over_classes_that_came_and_were_not_alone() -> None:
    p = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.5, 0.4, 0.1]])
    found = told(scoring_of(3), sums_of(scoring_of(3), batch_of(np.array([0, 0, 1]), p)))
    assert found["auc_macro"][0] == pytest.approx((1 / 2 + 1 / 2) / 2)
    alone = told(scoring_of(3), sums_of(scoring_of(3), batch_of(np.array([1, 1, 1]), p)))
    assert np.isnan(alone["auc_macro"]).all()
    assert np.isnan(alone["auc_weighted"]).all()


def test_of_two_mirrored_classes_the_interval_is_the_one_of_the_area(rng: np.random.Generator) -> None:
    """They move as one, so that bound is exact."""
    negatives, positives = rng.integers(0, 9, 50), rng.integers(0, 9, 50) + np.arange(50)
    both = np.stack([negatives, positives[::-1]]), np.stack([positives, negatives[::-1]])
    for weighted in (False, True):
        assert [float(x) for x in mean_auc(*both, weighted=weighted)] == pytest.approx(
            [float(x) for x in auc(negatives, positives)]
        )


@pytest.mark.parametrize(("sides", "spread"), [(3, 1.5), (8, 2.0)])
def test_intervals_hold_the_truth_at_least_as_often_as_they_say(
    sides: int, spread: float, rng: np.random.Generator
) -> None:
    scoring = scoring_of(sides)
    truth = told(scoring, sums_of(scoring, batch_of(*drawn(rng, 200_000, sides, spread))))
    found = [told(scoring, sums_of(scoring, batch_of(*drawn(rng, 600, sides, spread)))) for _ in range(100)]
    for name in MEANS:
        held = [each[name][1] <= truth[name][0] <= each[name][2] for each in found]
        half = np.mean([each[name][2] - each[name][1] for each in found]) / 2
        assert np.mean(held) >= 0.95
        assert half / 1.96 < 2.2 * np.std([each[name][0] for each in found])  # and are not of any width


def test_any_split_of_the_events_gives_the_same_sums(rng: np.random.Generator) -> None:
    batch, scoring = batch_of(*drawn(rng, 500, 5, 2.0)), scoring_of(5)
    panes = rng.integers(0, 9, 500)
    (whole,) = outcomes(scoring, batch, panes).values()
    parts = [np.arange(a, b) for a, b in pairwise([0, 3, 170, 171, 500])]
    (split,) = added(outcomes(scoring, batch.take(part), panes[part]) for part in parts[::-1]).values()
    np.testing.assert_array_equal(whole.keys, split.keys)
    np.testing.assert_array_equal(whole.values, split.values)


def test_an_event_without_probabilities_or_of_an_unknown_class_counts_in_no_area(rng: np.random.Generator) -> None:
    labels, p = drawn(rng, 50, 3, 1.0)
    batch = batch_of(labels, p)
    odd = [*batch.fields["label"]]
    odd[7] = "newcomer"
    one = np.asarray(batch.fields[f"{CLASSES}c01"]).copy()
    one[9] = 1.5
    sums = sums_of(scoring_of(3), replace(batch, fields={**batch.fields, "label": odd, f"{CLASSES}c01": one}))
    assert [x.sum() for x in chances_of(scoring_of(3), sums)] == [48 * 2, 48]
    known = np.delete(np.arange(50), [7, 9])
    assert [x.tolist() for x in chances_of(scoring_of(3), sums)] == [
        x.tolist() for x in chances_of(scoring_of(3), sums_of(scoring_of(3), batch.take(known)))
    ]


def test_a_reference_keeps_areas_of_the_classes_that_came_most(rng: np.random.Generator) -> None:
    labels, p = drawn(rng, 4000, 20, 1.0)
    batch = batch_of(labels, p)
    scoring = Scoring.of(build(batch, Learning()).learned)
    assert scoring is not None
    kept = {scoring.classes[place] for place in scoring.areas}
    both = [*batch.fields["label"], *batch.fields["prediction"]]
    often = sorted(names(20), key=lambda name: -both.count(name))
    assert len(scoring.classes) == 20
    assert kept == set(often[:16])
    bare = {name: column for name, column in batch.fields.items() if not name.startswith(CLASSES)}
    plain = Scoring.of(build(replace(batch, fields=bare), Learning()).learned)
    assert plain is not None
    assert plain.areas == ()
    assert plain.width < scoring.width


def test_a_reference_that_an_older_driftd_wrote_counts_as_it_did() -> None:
    """Its id, which is in its checkpoints; columns before the new ones are the same."""
    old, new = Scoring(("a", "b", "c")), Scoring(("a", "b", "c"), areas=(0, 1, 2))
    assert old.id == "dda4ba5f"
    assert old.id != new.id
    assert old.width == new.chances == new.width - 6 * len(EDGES)
    read = Scoring.of(old.table(None))
    assert read is not None
    assert read.id == old.id
    again = Scoring.of(new.table(None))
    assert again is not None
    assert again.id == new.id
