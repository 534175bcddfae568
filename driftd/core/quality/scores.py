"""AUC, average precision, log loss, Brier score and calibration error from sums by bin of the score.

``negatives`` and ``positives`` int64[..., bins], from the least score to the greatest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from driftd.core.quality.intervals import Z, ratio

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def auc(negatives: Counts, positives: Counts) -> tuple[Floats, Floats, Floats]:
    """The area under the ROC curve, ties within a bin as half. Interval: DeLong, DeLong and Clarke-Pearson 1988, from
    bins; none with fewer than two of either kind, and where no two of them lie the other way round.
    """
    area, of_positives, of_negatives = _area(negatives, positives)
    return area, *_about(area, np.sqrt(of_positives + of_negatives))


def mean_auc(negatives: Counts, positives: Counts, *, weighted: bool) -> tuple[Floats, Floats, Floats]:
    """The mean over classes of ``auc`` of each against the rest, by int64[..., classes, bins]: over those that came and
    were not alone, each the same or by how often it came.

    The interval is at least as wide as it should be. Bins of single classes do not say how these move together, so it
    takes the less of two bounds: all move as one, or negatives do (the positives of two classes are other events).
    """
    area, of_positives, of_negatives = _area(negatives, positives)
    weights = np.where(np.isnan(area), 0, positives.sum(axis=-1) if weighted else 1)
    share = np.nan_to_num(ratio(weights, weights.sum(axis=-1, keepdims=True)))
    middle = np.where(share.any(axis=-1), (share * np.nan_to_num(area)).sum(axis=-1), np.nan)

    def total(deviations: Floats) -> Floats:
        out: Floats = np.where(share > 0, share * deviations, 0.0).sum(axis=-1)
        return out

    apart = np.sqrt(np.where(share > 0, share**2 * of_positives, 0.0).sum(axis=-1)) + total(np.sqrt(of_negatives))
    return middle, *_about(middle, np.minimum(total(np.sqrt(of_positives + of_negatives)), apart))


def mean_tie_bound(negatives: Counts, positives: Counts, *, weighted: bool) -> Floats:
    """``tie_bound`` of ``mean_auc``."""
    bound = tie_bound(negatives, positives)
    weights = np.where(np.isnan(bound), 0, positives.sum(axis=-1) if weighted else 1)
    return ratio((weights * np.nan_to_num(bound)).sum(axis=-1), weights.sum(axis=-1))


def _about(area: Floats, deviation: Floats) -> tuple[Floats, Floats]:
    half = Z * np.where(deviation > 0, deviation, np.nan)
    return np.clip(area - half, 0.0, 1.0), np.clip(area + half, 0.0, 1.0)


def _area(negatives: Counts, positives: Counts) -> tuple[Floats, Floats, Floats]:
    """With the parts of its variance that positives and negatives have."""
    n, p = negatives.astype(np.float64), positives.astype(np.float64)
    many, few = n.sum(axis=-1), p.sum(axis=-1)
    below = (np.cumsum(n, axis=-1) - n / 2) / np.where(many > 0, many, np.nan)[..., None]
    above = 1 - (np.cumsum(p, axis=-1) - p / 2) / np.where(few > 0, few, np.nan)[..., None]
    area = ratio((p * np.nan_to_num(below)).sum(axis=-1), np.where(many > 0, few, 0.0))
    of_positives = _variance(p, below, few) / np.where(few > 0, few, np.nan)
    return area, of_positives, _variance(n, above, many) / np.where(many > 0, many, np.nan)


def _variance(weights: Floats, values: Floats, n: Floats) -> Floats:
    """The sample variance of values that came ``weights`` times, ``n`` in all; NaN of fewer than two."""
    values, n = np.nan_to_num(values), np.where(n > 1, n, np.nan)
    middle = (weights * values).sum(axis=-1) / n
    out: Floats = (weights * (values - middle[..., None]) ** 2).sum(axis=-1) / (n - 1)
    return out


def tie_bound(negatives: Counts, positives: Counts) -> Floats:
    """How far the AUC of the scores themselves may lie from that of their bins, to either side."""
    pairs = negatives.sum(axis=-1).astype(np.float64) * positives.sum(axis=-1)
    return ratio((negatives.astype(np.float64) * positives).sum(axis=-1), 2 * pairs)


def average_precision(negatives: Counts, positives: Counts) -> Floats:
    """The mean over positives of the precision at their bin, from the top: steps, no interpolation."""
    hits, false = (np.cumsum(x[..., ::-1], axis=-1).astype(np.float64) for x in (positives, negatives))
    precision = np.nan_to_num(ratio(hits, hits + false))
    return ratio((positives[..., ::-1] * precision).sum(axis=-1), positives.sum(axis=-1))


def calibration_error(negatives: Counts, positives: Counts, scores: Floats) -> tuple[Floats, Floats]:
    """The expected calibration error, and what it would be of perfect scores: it is never 0 by chance alone.

    ``scores`` float64[..., bins]: their sum in each bin.
    """
    n = (negatives + positives).astype(np.float64)
    every = n.sum(axis=-1)
    error = ratio(np.abs(scores - positives).sum(axis=-1), every)
    said = np.clip(np.nan_to_num(ratio(scores, n)), 0.0, 1.0)
    # the mean distance of a binomial share from its expectation, as of a normal: sqrt(2 / pi) standard deviations
    noise = ratio(np.sqrt(2 * said * (1 - said) * n / np.pi).sum(axis=-1), every)
    return error, noise
