"""Accuracy, precision, recall and F1 from counts [..., label, prediction]; the last class stands for all the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftd.core.quality.intervals import Interval, normal, ratio, wilson

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Value = tuple[Floats, Floats, Floats]
"""A statistic with the lower and the upper end of its interval."""


@dataclass(frozen=True, slots=True, eq=False)
class OfClasses:
    """Of each class: float64[..., classes, 3] with intervals; ``support`` int64[..., classes]: labels of it."""

    precision: Floats
    recall: Floats
    f1: Floats
    support: Counts


def accuracy(counts: Counts, right: Counts) -> Value:
    """``right``: predictions that equal their label; the diagonal has no right ones of the rest."""
    n = counts.sum(axis=(-2, -1))
    share = ratio(right, n)
    return share, *wilson(share, n)


def of_classes(counts: Counts) -> OfClasses:
    """0 / 0 is not known: the precision of a class that was never predicted, the recall of one that never came."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    predicted, labels = counts.sum(axis=-2), counts.sum(axis=-1)
    union = predicted + labels - hits
    precision, recall, jaccard = ratio(hits, predicted), ratio(hits, labels), ratio(hits, union)
    return OfClasses(
        np.stack([precision, *wilson(precision, predicted)], axis=-1)[..., :-1, :],
        np.stack([recall, *wilson(recall, labels)], axis=-1)[..., :-1, :],
        # F1 = 2 J / (1 + J), which grows with J = TP / (TP + FP + FN), a share
        np.stack([2 * x / (1 + x) for x in (jaccard, *wilson(jaccard, union))], axis=-1)[..., :-1, :],
        labels[..., :-1],
    )


def macro(counts: Counts) -> tuple[Value, Value, Value]:
    """Precision, recall and F1, the mean over the classes that came; 0 for the precision of one never predicted.

    Intervals by the delta method: the counts are a multinomial draw, and each statistic a function of their shares.
    """
    whole = counts.astype(np.float64)
    hits = np.diagonal(whole, axis1=-2, axis2=-1)
    predicted, labels = whole.sum(axis=-2), whole.sum(axis=-1)
    here = labels > 0
    here[..., -1] = False  # the rest is no class
    n = here.sum(axis=-1)
    precision = np.where(here, np.nan_to_num(ratio(hits, predicted)), 0.0)
    recall = np.where(here, np.nan_to_num(ratio(hits, labels)), 0.0)
    f1 = np.where(here, np.nan_to_num(ratio(2 * hits, predicted + labels)), 0.0)

    def of(values: Floats, variance: Floats) -> Value:
        middle = ratio(values.sum(axis=-1), n)
        return middle, *_inside(middle, ratio(variance, n.astype(np.float64) ** 2))

    spread = [np.nan_to_num(ratio(p * (1 - p), m)).sum(axis=-1) for p, m in ((precision, predicted), (recall, labels))]
    return of(precision, spread[0]), of(recall, spread[1]), of(f1, _f1_variance(whole, here, hits, predicted + labels))


def _f1_variance(counts: Floats, here: NDArray[np.bool_], hits: Floats, both: Floats) -> Floats:
    """Of the sum of F1 over the classes ``here``: the squared gradient by each count, weighted by the count."""
    falls = np.where(here, np.nan_to_num(ratio(2 * hits, both**2)), 0.0)
    gradient = -falls[..., :, None] - falls[..., None, :]
    place = np.arange(counts.shape[-1])
    gradient[..., place, place] += np.where(here, np.nan_to_num(ratio(np.full(both.shape, 2.0), both)), 0.0)
    out: Floats = (counts * gradient**2).sum(axis=(-2, -1))
    return out


def _inside(value: Floats, variance: Floats) -> Interval:
    return normal(value, variance, 0.0, 1.0)
