"""How right a model of several classes should be without labels: as CBPE with scikit-learn's isotonic regression."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression  # type: ignore[import-untyped]

from driftd.core.event import EventBatch
from driftd.core.lists import CLASSES
from driftd.core.quality.calibrated import STATISTICS, Calibrated
from driftd.core.quality.scoring import Scoring
from driftd.core.quality.sums import added
from driftd.core.quality.unlabelled import Estimate
from driftd.core.reference import Reference
from driftd.ingest.calibrated import likely
from driftd.learn.build import Learning, build
from driftd.learn.calibrated import isotonic
from driftd.learn.quality import estimate_of

NAMES = ("bird", "cat", "dog")


def world(rng: np.random.Generator, n: int, sharp: float = 1.0) -> EventBatch:
    """Probabilities that are too sure of themselves, on a grid of hundredths; the sharper the easier."""
    true = rng.dirichlet([0.7 / sharp] * 3, n)
    said = true**1.5
    said = np.round(said / said.sum(axis=1, keepdims=True), 2)
    label = (rng.random(n)[:, None] > true.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    best = said.argmax(axis=1)
    fields = {
        "prediction": [NAMES[i] for i in best],
        "label": [NAMES[i] for i in label],
        "score": said.max(axis=1),
        **{f"{CLASSES}{name}": said[:, i] for i, name in enumerate(NAMES)},
    }
    return EventBatch("m", np.arange(n), np.arange(n) / 10.0, {"x": rng.normal(size=n)}, fields)


def learned(rows: EventBatch) -> tuple[Reference, Calibrated, Scoring]:
    reference = build(rows, Learning())
    found, scoring = Calibrated.of(reference.learned), Scoring.of(reference.learned)
    assert found is not None
    assert scoring is not None
    return reference, found, scoring


def estimate(known: tuple[Reference, Calibrated, Scoring], rows: EventBatch) -> Estimate:
    reference, calibrated, scoring = known
    found = estimate_of(
        reference, reference.summary.counts, likely(calibrated, scoring, rows, np.arange(len(rows)) % 7)
    )
    assert found is not None
    return found


def accuracy(rows: EventBatch) -> float:
    return float(np.mean(np.array(rows.fields["prediction"]) == np.array(rows.fields["label"])))


def cbpe(reference: EventBatch, rows: EventBatch) -> list[float]:
    """As NannyML has it: one class against the rest, calibrated, divided by their sum."""
    found: NDArray[np.float64] = np.zeros((len(rows), len(NAMES)))
    for i, name in enumerate(NAMES):
        hit = np.array(reference.fields["label"]) == name
        fitted = IsotonicRegression(out_of_bounds="clip").fit(reference.fields[f"{CLASSES}{name}"], hit)
        found[:, i] = fitted.predict(rows.fields[f"{CLASSES}{name}"])
    found /= found.sum(axis=1, keepdims=True)
    predicted = np.array([NAMES.index(str(p)) for p in np.array(rows.fields["prediction"])])
    counts = np.array([[found[predicted == j, i].sum() for j in range(3)] for i in range(3)])
    hits = np.diag(counts)
    precision, recall = hits / counts.sum(axis=0), hits / counts.sum(axis=1)
    f1 = 2 * hits / (counts.sum(axis=0) + counts.sum(axis=1))
    return [hits.sum() / len(rows), precision.mean(), recall.mean(), f1.mean()]


@pytest.mark.parametrize("sharp", [0.5, 1.0, 3.0])
def test_it_is_cbpe(sharp: float, rng: np.random.Generator) -> None:
    rows, now = world(rng, 5000), world(rng, 4000, sharp)
    found = estimate(learned(rows), now)
    assert found.statistics == STATISTICS
    assert found.values[:, 0] == pytest.approx(cbpe(rows, now), abs=2e-4)
    _, low, high = found.values[0]
    assert low < accuracy(now) < high


def test_the_interval_holds_what_labels_say_as_often_as_it_says(rng: np.random.Generator) -> None:
    held = 0
    for _ in range(100):
        known, rows = learned(world(rng, 1000)), world(rng, 2000, 0.5)
        _, low, high = estimate(known, rows).values[0]
        held += low <= accuracy(rows) <= high
    assert held >= 88  # 0.95, less three standard errors


def test_panes_add_up_and_the_order_of_events_does_not_matter(rng: np.random.Generator) -> None:
    rows, now = world(rng, 3000), world(rng, 1000)
    (_, calibrated, scoring), (_, again, _) = learned(rows), learned(rows.take(rng.permutation(3000)))
    assert calibrated.id == again.id
    whole = likely(calibrated, scoring, now, np.zeros(1000, np.int64))[calibrated.id].whole
    parts = [likely(calibrated, scoring, now.take(np.arange(k, 1000, 3)), np.full(333 + (k < 1), k)) for k in range(3)]
    np.testing.assert_array_equal(added(parts)[calibrated.id].whole, whole)


def test_events_that_name_no_classes_or_another_one_are_outside(rng: np.random.Generator) -> None:
    known, now = learned(world(rng, 3000)), world(rng, 1000)
    at = np.arange(1000)
    without = {
        f"{CLASSES}{name}": np.where(at < 10, np.nan, np.asarray(now.fields[f"{CLASSES}{name}"])) for name in NAMES
    }
    some = replace(now, fields={**now.fields, **without})
    assert estimate(known, some).outside == 0.01
    assert estimate(known, some).known
    other = ["owl" if i < 20 else p for i, p in enumerate(list(now.fields["prediction"]))]
    assert estimate(known, replace(now, fields={**now.fields, "prediction": other})).outside == 0.02
    assert not estimate(known, replace(now, fields={**now.fields, "prediction": other})).known
    assert not estimate(known, now.take(np.arange(499))).known


def test_shares_rise_as_scikit_learn_has_them_rise(rng: np.random.Generator) -> None:
    n = np.where(rng.random(256) < 0.3, 0.0, rng.integers(1, 30, 256))
    hits = np.floor(n * np.clip(np.linspace(0, 1, 256) + rng.normal(0, 0.3, 256), 0, 1))
    some, centers = n > 0, (np.arange(256) + 0.5) / 256
    fitted = IsotonicRegression(out_of_bounds="clip").fit(centers[some], hits[some] / n[some], n[some])
    np.testing.assert_allclose(isotonic(hits, n), fitted.predict(centers), atol=1e-12)
