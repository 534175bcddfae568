"""How labelled events of a model will be counted, and how right it was in the reference: learned with its bins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from math import frexp, isfinite, ldexp
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Role
from driftd.core.event import Column, EventBatch
from driftd.core.lists import CLASSES, SHORT
from driftd.core.quality.calibrated import Calibrated
from driftd.core.quality.estimates import histogram_of
from driftd.core.quality.expected import Expected
from driftd.core.quality.scoring import BINS, MOST_CLASSES, PREFIX, Scoring
from driftd.core.quality.sums import Outcomes, added, merged
from driftd.core.quality.unlabelled import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    LEAST_EVENTS,
    TRUE_NEGATIVE,
    TRUE_POSITIVE,
    Estimate,
    estimate,
    pooled,
    spread_out,
)
from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, MISSING
from driftd.core.values import as_numbers, category, comparable, number_in, present
from driftd.ingest.quality import codes_of, named_chances, outcomes
from driftd.learn import calibrated, expected

BY_SCORE: Final = f"{PREFIX}by_score"
"""In ``Reference.learned``: int64[width, 4], by the columns of the score's counts."""
BY_CHANCE: Final = f"{PREFIX}by_chance"
"""The same of labels that came later: int64[BINS, 4], by scores in bins of equal width."""
NEAR: Final = 4.0
"""Scales between the means about which labels are summed. Derived: at most two standard deviations off, R2 loses one
digit of twelve."""
LEAST_EACH: Final = 20
"""Predictions of each class from which on their scores say whose probability they are."""
NEARLY_ALL: Final = 0.99
"""Of them."""


def table(reference: Reference, rows: EventBatch, positive: str | None) -> Mapping[str, NDArray[Any]]:
    """What belongs beside the reference: ``Reference.learned``. ``rows``: those that say how right it was;
    ``positive``: the class that the user named.
    """
    scoring = _scoring(reference, rows, positive)
    if scoring is None:
        return {}
    known = added([{"": sums.at(0)} for sums in outcomes(scoring, rows, np.zeros(len(rows), np.int64)).values()])
    found = {**scoring.table(known.get("")), **_by_score(reference, scoring, rows)}
    return {**found, **expected.table(reference, scoring, rows), **calibrated.table(scoring, rows)}


def _by_score(reference: Reference, scoring: Scoring, rows: EventBatch) -> Mapping[str, NDArray[Any]]:
    """What the labels said of the events in each bin of the score (core.quality.unlabelled): of those that the channel
    has, and of equal ones where scores are no channel, since these are labels that came later.
    """
    if scoring.numbers or rows.score is None or rows.label is None or rows.prediction is None:
        return {}
    prediction, label = codes_of(scoring, comparable(rows.prediction)), codes_of(scoring, comparable(rows.label))
    score, row = as_numbers(rows.score), reference.rows.get(Role.SCORE.value)
    here = (prediction >= 0) & (label >= 0) & (prediction < len(scoring.classes))
    if row is None:
        here &= (score >= 0) & (score <= 1)
    if not here.any():
        return {}
    prediction, label, score = prediction[here], label[here], score[here]
    if scoring.positive < 0:
        kind = np.where(prediction == label, TRUE_POSITIVE, FALSE_POSITIVE)
    else:
        kind = 2 * (label == scoring.positive) + (prediction == scoring.positive)
    if row is None:
        name, width, bins = BY_CHANCE, BINS, np.minimum((score * BINS).astype(np.intp), BINS - 1)
    else:
        name, width, bins = BY_SCORE, reference.width, reference.bins[row].place(score)
    counts = np.bincount(bins * 4 + kind, minlength=width * 4).reshape(-1, 4)
    return {name: counts.astype(np.int64)}


def estimate_of(
    reference: Reference, counts: NDArray[np.int64], outcomes_: Outcomes, later: Reference | None = None
) -> Estimate | None:
    """How right the model should be in a window with these ``counts`` int64[channels, width] and outcomes. ``later``:
    the reference of the model's joined labels, which says so where its own has too few. None where neither has any, of
    classes with a score.
    """
    if (errors := Expected.of(reference.learned)) is not None:
        return errors.estimate(outcomes_)
    if (classes := Calibrated.of(reference.learned)) is not None:
        return classes.estimate(outcomes_)
    row, table = reference.rows.get(Role.SCORE.value), reference.learned.get(BY_SCORE)
    if row is None:
        return _estimate_of_later(reference, counts, outcomes_, reference)
    if table is None or table.sum() < LEAST_EVENTS:
        found = _estimate_of_later(reference, counts, outcomes_, later)
        if found is not None:
            return replace(found, later=True)
    if table is None:
        return None
    scoring = Scoring.of(reference.learned)
    if scoring is None or table.shape != (counts.shape[1], 4):
        return None
    here = np.arange(len(table)) != MISSING
    return estimate(table * here[:, None], counts[row] * here, scoring.positive >= 0)


def _estimate_of_later(
    reference: Reference, counts: NDArray[np.int64], outcomes_: Outcomes, later: Reference | None
) -> Estimate | None:
    """By what ``later`` has learned: of a model, or of the joined labels themselves."""
    table = None if later is None else later.learned.get(BY_CHANCE)
    scoring = None if later is None else Scoring.of(later.learned)
    row = reference.rows.get(Role.SCORE.value)
    if table is None or scoring is None or table.shape != (BINS, 4) or not (row is None or reference.numeric[row]):
        return None
    if row is None and scoring.of_predicted and len(scoring.classes) > 2:
        return None  # the positive class's chance does not say what that of the predicted one was
    if row is None:
        scores = np.append(_scored(scoring, outcomes_, table), 0)
    else:
        bins = reference.bins[row]
        mine = counts[row, FIRST_VALUE : bins.used]
        scores = spread_out(mine, bins.edges, bins.discrete, table.sum(axis=1))
    return estimate(*pooled(table, scores), scoring.positive >= 0)


def _scored(scoring: Scoring, outcomes_: Outcomes, table: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[BINS]: pairs by their score as it came. Where that is of the predicted class and they are counted by that
    of the positive one, as many of each bin were predicted to be positive as of the labels in ``table`` int64[BINS, 4].
    """
    own = [*scoring.own(outcomes_).values()]
    both = histogram_of(scoring, merged(own).whole) if own else np.zeros((2, BINS), np.int64)
    scores: NDArray[np.int64] = both[0] + both[1]
    if not scoring.of_predicted or scoring.positive < 0:
        return scores
    positive = table[:, [FALSE_POSITIVE, TRUE_POSITIVE]].sum(axis=1)
    negative = table[::-1, [TRUE_NEGATIVE, FALSE_NEGATIVE]].sum(axis=1)
    known = positive + negative
    share = np.where(known > 0, positive / np.maximum(known, 1), np.arange(BINS) >= BINS // 2)
    so = np.rint(scores * share).astype(np.int64)
    return so + (scores - so)[::-1]


def _scoring(reference: Reference, rows: EventBatch, positive: str | None) -> Scoring | None:
    if rows.prediction is None or not present(rows.prediction):
        return None
    if not reference.classes:
        return _numbers(reference)
    prediction = comparable(rows.prediction)
    seen = _counted(prediction)
    both = seen + (_counted(comparable(rows.label)) if rows.label is not None else Counter())
    if both.keys() <= {"0", "1"}:  # one of them may not have come yet
        both = Counter({"0": 1, "1": 1}) + both
    kept = sorted(sorted(both), key=lambda text: -both[text])[:MOST_CLASSES]
    often = set(kept[:SHORT]) if any(name.startswith(CLASSES) for name in rows.fields) else set()
    classes = tuple(sorted(kept, key=_in_order))
    if positive is not None and (named := _text(positive)) in classes:
        place = classes.index(named)
        return Scoring(classes, positive=place, of_predicted=_of_predicted(prediction, rows, classes, place))
    if len(classes) != 2:
        return Scoring(classes, areas=tuple(place for place, text in enumerate(classes) if text in often))
    predicted = _of_predicted(prediction, rows, classes)
    return Scoring(
        classes, positive=_positive(prediction, rows, classes, seen, predicted=predicted), of_predicted=predicted
    )


def _numbers(reference: Reference) -> Scoring:
    """About the mean of the reference's labels, or of its predictions where it has none."""
    by_role = {channel.role: row for row, channel in enumerate(reference.channels) if reference.numeric[row]}
    row = by_role.get(Role.LABEL, by_role.get(Role.PREDICTION))
    center, spread = (0.0, 1.0) if row is None else (float(reference.center[row]), float(reference.scale[row]))
    scale = _power(spread)
    # near it is enough, and so a reference that is learned anew counts as the one before
    near = np.rint(center / (NEAR * scale)) * NEAR * scale if isfinite(center) else 0.0
    return Scoring(numbers=True, center=float(near), scale=scale)


def _power(spread: float) -> float:
    """The power of two that is no less: whole numbers stay exact."""
    if not isfinite(spread) or spread <= 0:
        return 1.0
    mantissa, exponent = frexp(spread)
    return ldexp(1.0, max(-900, min(900, exponent - (mantissa == 0.5))))


def _counted(column: Column) -> Counter[str]:
    """How often each class came, by its text."""
    if isinstance(column, np.ndarray):
        values, times = np.unique(column[~np.isnan(column)], return_counts=True)
        return Counter({category(v): n for v, n in zip(values.tolist(), times.tolist(), strict=True)})
    found = Counter[str]()
    for value, n in Counter(v for v in column if v is not None).items():
        found[category(value)] += n
    return found


def _in_order(text: str) -> tuple[bool, float, str]:
    """Numbers by size, then texts."""
    value = number_in(text)
    return (True, 0.0, text) if isinstance(value, str) else (False, value, "")


def _text(named: str) -> str:
    return category(number_in(named))


def _scores_of(prediction: Column, rows: EventBatch, classes: tuple[str, ...]) -> list[NDArray[np.float64]]:
    """The scores of the predictions of each class."""
    if rows.score is None:
        return [np.zeros(0) for _ in classes]
    score, known = as_numbers(rows.score), [number_in(text) for text in classes]
    if isinstance(prediction, np.ndarray):
        masks = [prediction == value if isinstance(value, float) else np.zeros(len(score), bool) for value in known]
    else:
        masks = [np.fromiter((v == value for v in prediction), bool, len(score)) for value in known]
    return [score[mask & ~np.isnan(score)] for mask in masks]


def _of_predicted(prediction: Column, rows: EventBatch, classes: tuple[str, ...], positive: int = 0) -> bool:
    """Whether scores are of the class that was predicted: nearly all name the positive one, wherever the model cuts, or
    of two classes nearly none is below one half.
    """
    named = named_chances(Scoring(classes, positive=positive), rows)
    if named is not None and rows.score is not None:
        scored = ~np.isnan(as_numbers(rows.score))
        return bool(scored.any() and np.mean(~np.isnan(named[scored])) >= NEARLY_ALL)
    each = _scores_of(prediction, rows, classes)
    return len(classes) == 2 and all(
        len(s) >= LEAST_EACH and np.mean((s >= 0.5) & (s <= 1)) >= NEARLY_ALL for s in each
    )


def _positive(
    prediction: Column, rows: EventBatch, classes: tuple[str, ...], seen: Counter[str], *, predicted: bool
) -> int:
    """1 of 0 and 1; else the class that is predicted where scores are high, else the one that is predicted less."""
    if classes == ("0", "1"):
        return 1
    each = _scores_of(prediction, rows, classes)
    if not predicted and all(len(s) for s in each):
        return int(np.argmax([s.mean() for s in each]))
    return 1 if seen[classes[1]] <= seen[classes[0]] else 0
