"""What the sums of a Scoring say: each statistic with its interval."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.quality import confusion, scores
from driftd.core.quality.intervals import logit, mean, ratio
from driftd.core.quality.scoring import (
    BINS,
    CALIBRATION_BINS,
    CLIPPED,
    CONFUSION,
    EDGES,
    ERRORS,
    EVENTS,
    LOSSES,
    RIGHT,
    Scoring,
    number,
)

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Statistic:
    """``better``: 1 where more is better, -1 where less is, 0 where the middle is. ``share``: it lies in 0 to 1 and
    reads as a percentage. ``scaled``: in the unit of the label.
    """

    name: str
    title: str
    better: int
    share: bool = False
    scaled: bool = False


OF_CLASSES: Final = (
    Statistic("accuracy", "Accuracy", 1, share=True),
    Statistic("precision", "Precision", 1, share=True),
    Statistic("recall", "Recall", 1, share=True),
    Statistic("f1", "F1", 1, share=True),
    Statistic("precision_macro", "Precision, mean over classes", 1, share=True),
    Statistic("recall_macro", "Recall, mean over classes", 1, share=True),
    Statistic("f1_macro", "F1, mean over classes", 1, share=True),
    Statistic("auc", "AUC", 1),
    Statistic("average_precision", "Average precision", 1),
    Statistic("log_loss", "Log loss", -1),
    Statistic("brier", "Brier score", -1),
    Statistic("calibration_error", "Calibration error", -1),
    Statistic("calibration_noise", "Calibration error by chance alone", -1),
    Statistic("auc_macro", "AUC, mean over classes", 1),
    Statistic("auc_weighted", "AUC, mean over classes by labels", 1),
)
OF_NUMBERS: Final = (
    Statistic("mae", "Mean absolute error", -1, scaled=True),
    Statistic("rmse", "Root mean squared error", -1, scaled=True),
    Statistic("bias", "Bias", 0, scaled=True),
    Statistic("r2", "R²", 1),
    Statistic("wape", "Absolute error over absolute value", -1, share=True),
)
STATISTICS: Final = (*OF_CLASSES, *OF_NUMBERS)


def statistics(scoring: Scoring) -> tuple[Statistic, ...]:
    """The statistics of a model, those that do not apply to it included."""
    return OF_NUMBERS if scoring.numbers else OF_CLASSES


def events(scoring: Scoring, sums: Counts) -> Counts:
    """int64[...]: events with a label and a prediction, of ``sums`` int64[..., width]."""
    if scoring.numbers:
        return sums[..., EVENTS]
    out: Counts = sums[..., CONFUSION : scoring.histogram].sum(axis=-1)
    return out


def clipped(scoring: Scoring, sums: Counts) -> Counts:
    """int64[...]: numbers so far off that they counted as less."""
    return sums[..., CLIPPED] if scoring.numbers else np.zeros(sums.shape[:-1], np.int64)


def estimates(scoring: Scoring, sums: Counts) -> Floats:
    """float64[..., statistics, 3]: value, lower and upper end, of ``sums`` int64[..., width]; NaN where it does not
    apply, and where there is no interval.
    """
    of = _of_numbers if scoring.numbers else _of_classes
    out = np.full((*sums.shape[:-1], len(statistics(scoring)), 3), np.nan)
    for place, value in enumerate(of(scoring, sums)):
        for column, x in enumerate(value):
            out[..., place, column] = x
    return out


def confusion_of(scoring: Scoring, sums: Counts) -> Counts:
    """int64[..., classes + 1, classes + 1]: labels by predictions."""
    return sums[..., CONFUSION : scoring.histogram].reshape(*sums.shape[:-1], scoring.sides, scoring.sides)


def histogram_of(scoring: Scoring, sums: Counts) -> tuple[Counts, Counts]:
    """Negatives and positives by bin of the score; of more than two classes the wrong and the right."""
    both = sums[..., scoring.histogram : scoring.calibration].reshape(*sums.shape[:-1], 2, BINS)
    return both[..., 0, :], both[..., 1, :]


def chances_of(scoring: Scoring, sums: Counts) -> tuple[Counts, Counts]:
    """int64[..., areas, bins]: probabilities of each of ``Scoring.areas`` where another class was the label, and where
    it was.
    """
    both = sums[..., scoring.chances :].reshape(*sums.shape[:-1], len(scoring.areas), 2, len(EDGES))
    return both[..., 0, :], both[..., 1, :]


def _of_classes(scoring: Scoring, sums: Counts) -> Iterator[tuple[Floats, ...]]:
    counts = confusion_of(scoring, sums)
    yield confusion.accuracy(counts, sums[..., RIGHT])
    nothing = (np.full(sums.shape[:-1], np.nan),) * 3
    two = scoring.positive >= 0
    if two:
        each = confusion.of_classes(counts)
        yield from (
            tuple(x[..., scoring.positive, i] for i in range(3)) for x in (each.precision, each.recall, each.f1)
        )
    else:
        yield from (nothing,) * 3
    yield from confusion.macro(counts)
    negatives, positives = histogram_of(scoring, sums)
    scored = (negatives + positives).sum(axis=-1)
    if two:
        yield scores.auc(negatives, positives)
        ap = scores.average_precision(negatives, positives)
        yield ap, *logit(ap, positives.sum(axis=-1))
    else:
        yield from (nothing,) * 2
    pairs = sums[..., scoring.losses : scoring.weighed].reshape(*sums.shape[:-1], len(LOSSES), 2)
    loss, loss2, brier, brier2 = (number(pairs[..., i, 0], pairs[..., i, 1]) for i in range(len(LOSSES)))
    weighed = sums[..., scoring.weighed] if scoring.many else scored
    yield mean(loss, loss2, weighed, 0.0)
    yield mean(brier, brier2, weighed, 0.0)
    by_bin = sums[..., scoring.calibration : scoring.losses].reshape(*sums.shape[:-1], 4, CALIBRATION_BINS)
    total = number(by_bin[..., 2, :], by_bin[..., 3, :])
    for x in scores.calibration_error(by_bin[..., 0, :], by_bin[..., 1, :], total):
        yield (x,)
    if scoring.areas:
        chances = chances_of(scoring, sums)
        yield scores.mean_auc(*chances, weighted=False)
        yield scores.mean_auc(*chances, weighted=True)


def _of_numbers(scoring: Scoring, sums: Counts) -> Iterator[tuple[Floats, ...]]:
    n, pairs = sums[..., EVENTS], sums[..., CLIPPED + 1 :].reshape(*sums.shape[:-1], len(ERRORS), 2)
    each = (number(pairs[..., i, 0], pairs[..., i, 1]) for i in range(len(ERRORS)))
    error, absolute, square, fourth, distance, distances, size = each
    scale = scoring.scale
    yield tuple(scale * x for x in mean(absolute, square, n, 0.0))
    squared, low, high = mean(square, fourth, n, 0.0)
    yield scale * np.sqrt(squared), scale * np.sqrt(low), scale * np.sqrt(high)
    yield tuple(scale * x for x in mean(error, square, n))
    spread = distances - ratio(distance**2, n)
    yield (np.where(spread > 0, 1 - ratio(square, spread), np.nan),)
    yield (ratio(absolute, size),)
