"""Events with a label and a prediction to the sums that a Scoring asks for, pane by pane."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import Column, EventBatch, Scalar, scalars
from driftd.core.lists import CLASSES
from driftd.core.quality.scoring import (
    BAD_SCORE,
    BINS,
    CALIBRATION_BINS,
    CLIPPED,
    CONFUSION,
    EDGES,
    EVENTS,
    FAR,
    LEAST_PROBABILITY,
    LIMIT,
    RIGHT,
    Scoring,
    parts,
)
from driftd.core.quality.sums import SparseSums
from driftd.core.values import as_numbers, comparable, number_in

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Found = Iterator[tuple[NDArray[np.intp] | slice, Counts, Counts]]
"""(events, columns, values) of what events add."""

ROUNDED: Final = 1e-6
"""More than 1 that a probability may be: of others together it is a sum of rounded ones."""
DENSE: Final = 32
"""Columns of all groups for each event up to which they are added up densely. Measured: a third of what sorting takes,
which below that takes less."""


def outcomes(scoring: Scoring | None, batch: EventBatch, panes: Counts) -> dict[str, SparseSums]:
    """Sums by pane, of each version that answered; ``panes`` int64[n] is the pane of each event. Nothing where no event
    has a label.
    """
    if scoring is None or batch.label is None or batch.prediction is None:
        return {}
    prediction, label = comparable(batch.prediction), comparable(batch.label)
    if scoring.numbers:
        predicted, true = as_numbers(prediction), as_numbers(label)
        here = np.flatnonzero(~np.isnan(predicted) & ~np.isnan(true))
        if not len(here):
            return {}
        rows, names = _rows(scoring, batch, panes, here)
        found = _numbers(scoring, predicted[here], true[here])
    else:
        codes, truth = codes_of(scoring, prediction), codes_of(scoring, label)
        here = np.flatnonzero((codes >= 0) & (truth >= 0))
        if not len(here):
            return {}
        rows, names = _rows(scoring, batch, panes, here)
        codes, truth = codes[here], truth[here]
        right = codes == truth
        rest = np.flatnonzero(right & (codes == len(scoring.classes)))
        if len(rest):  # neither has counts of its own
            right[rest] = _same(prediction, label, here[rest])
        score = _scores(scoring, batch, codes, here)
        chances = chances_of(scoring, batch)
        found = _classes(scoring, codes, truth, right, score, None if chances is None else chances[here])
    return _summed(scoring, rows, names, found)


def codes_of(scoring: Scoring, column: Column) -> NDArray[np.intp]:
    """The place of each value among the classes, the number of these for any other, -1 where it is missing."""
    other, known = len(scoring.classes), scoring.codes
    if isinstance(column, np.ndarray):
        numbers = sorted((value, place) for value, place in known.items() if isinstance(value, float))
        values, places = (np.array(x) for x in (zip(*numbers, strict=True) if numbers else ([np.inf], [other])))
        at = np.minimum(np.searchsorted(values, column), len(values) - 1)
        return np.where(np.isnan(column), -1, np.where(values[at] == column, places[at], other)).astype(np.intp)
    get = dict[Scalar, int]([*known.items(), (None, -1)]).get
    return np.fromiter(map(get, column, repeat(other)), np.intp, len(column))


def _same(prediction: Column, label: Column, at: NDArray[np.intp]) -> NDArray[np.bool_]:
    one, other = scalars(prediction), scalars(label)
    return np.array([one[i] == other[i] for i in at.tolist()], bool)


def _rows(
    scoring: Scoring, batch: EventBatch, panes: Counts, here: NDArray[np.intp]
) -> tuple[tuple[NDArray[np.intp], Counts, Counts], list[str]]:
    """Of the events ``here``: the group of each, intp[n], and of each group the version's place and the pane, in order
    of these; and the names of the versions.
    """
    mine, version = panes[here], batch.version
    if version is None or isinstance(version, str):
        names, codes = [version or ""], np.zeros(len(here), np.int64)
    else:
        answered = [version[i] or "" for i in here.tolist()]
        names = sorted(set(answered))
        place = {name: i for i, name in enumerate(names)}
        codes = np.fromiter(map(place.__getitem__, answered), np.int64, len(here))
    first, span = int(mine.min()), int(np.ptp(mine)) + 1
    both, group = np.unique(codes * span + (mine - first), return_inverse=True)
    codes, numbers = np.divmod(both, span)
    return (group, codes, numbers + first), [scoring.id + name for name in names]


def _scores(scoring: Scoring, batch: EventBatch, codes: NDArray[np.intp], here: NDArray[np.intp]) -> Floats:
    """Of the events ``here``, with these predictions: the probability of the positive class where there is one, else
    that of the predicted one.
    """
    if batch.score is None:
        return np.full(len(here), np.nan)
    score = as_numbers(batch.score)[here]
    if scoring.of_predicted:
        rest = 1 - score if len(scoring.classes) == 2 else np.full(len(here), np.nan)
        score = np.where(codes == scoring.positive, score, rest)
    if scoring.positive < 0 or (named := named_chances(scoring, batch)) is None:
        return score
    return np.where(np.isnan(named[here]), score, named[here])


def named_chances(scoring: Scoring, batch: EventBatch) -> Floats | None:
    """float64[n]: the probability of the positive class where a score names its classes, of two also by the other one;
    NaN where it names none of them. None where no event does.
    """
    other = 1 - scoring.positive if len(scoring.classes) == 2 else -1
    found: dict[int, Floats] = {}
    for name, column in batch.fields.items():
        if not name.startswith(CLASSES):
            continue
        code = scoring.codes.get(number_in(name.removeprefix(CLASSES)), -1)
        if code == scoring.positive:
            found.setdefault(0, as_numbers(column))
        elif code == other >= 0:
            found.setdefault(1, 1 - as_numbers(column))
    if not found:
        return None
    own, by_other = (found.get(which, np.full(len(batch), np.nan)) for which in (0, 1))
    return np.where(np.isnan(own), by_other, own)


def chances_of(scoring: Scoring, batch: EventBatch) -> Floats | None:
    """float64[n, classes + 1] of more than two classes: the probability of each and of the others together, 0 of one
    that is not named; NaN in all of an event that names none, or where one is no probability. None where no event does.
    """
    columns = {name.removeprefix(CLASSES): c for name, c in batch.fields.items() if name.startswith(CLASSES)}
    if not scoring.many or not columns:
        return None
    out, named = np.zeros((len(batch), scoring.sides)), np.zeros(len(batch), bool)
    for name, column in columns.items():
        values = as_numbers(column)
        there = ~np.isnan(values)
        named |= there
        out[:, scoring.codes.get(number_in(name), len(scoring.classes))] += np.where(there, values, 0.0)
    good = named & (out >= 0).all(axis=1) & (out <= 1 + ROUNDED).all(axis=1)
    out[~good] = np.nan
    return out


def _classes(
    scoring: Scoring,
    codes: NDArray[np.intp],
    truth: NDArray[np.intp],
    right: NDArray[np.bool_],
    score: Floats,
    chances: Floats | None,
) -> Found:
    every, ones = slice(None), np.ones(len(codes), np.int64)
    yield every, CONFUSION + truth * scoring.sides + codes, ones
    yield every, np.full(len(codes), RIGHT), right.astype(np.int64)
    if np.isnan(score).all():
        return
    good = (score >= 0) & (score <= 1)
    yield every, np.full(len(codes), BAD_SCORE), (~np.isnan(score) & ~good).astype(np.int64)
    at = np.flatnonzero(good)
    s, ones = score[at], ones[: len(at)]
    y = truth[at] == scoring.positive if scoring.positive >= 0 else right[at]
    yield at, scoring.histogram + y * BINS + np.minimum((s * BINS).astype(np.int64), BINS - 1), ones
    tenth = np.minimum((s * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    yield at, scoring.calibration + y * CALIBRATION_BINS + tenth, ones
    for place, part in enumerate(parts(s), start=2):
        yield at, scoring.calibration + place * CALIBRATION_BINS + tenth, part
    if not scoring.many:
        likely, brier = np.where(y, s, 1 - s), (s - y) ** 2
    elif chances is not None:
        at = np.flatnonzero(~np.isnan(chances[:, 0]) & (truth < len(scoring.classes)))
        mine = chances[at]
        likely = mine[np.arange(len(at)), truth[at]]
        brier = (mine**2).sum(axis=1) - likely**2 + (1 - likely) ** 2
        yield at, np.full(len(at), scoring.weighed), np.ones(len(at), np.int64)
        for place, code in enumerate(scoring.areas):
            column = scoring.chances + len(EDGES) * (2 * place + (truth[at] == code))
            yield at, column + np.searchsorted(EDGES, mine[:, code], side="right") - 1, np.ones(len(at), np.int64)
    else:
        return
    loss = -np.log(np.clip(likely, LEAST_PROBABILITY, 1.0))
    for place, values in enumerate((loss, loss**2, brier, brier**2)):
        for low, part in enumerate(parts(values)):
            yield at, np.full(len(at), scoring.losses + 2 * place + low), part


def _numbers(scoring: Scoring, predicted: Floats, true: Floats) -> Found:
    every, n = slice(None), len(true)
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.nan_to_num((predicted - true) / scoring.scale)
        distance, size = (true - scoring.center) / scoring.scale, np.abs(true) / scoring.scale
    far = (np.abs(error) > FAR) | (np.abs(distance) > FAR) | (size > LIMIT)
    yield every, np.full(n, EVENTS), np.ones(n, np.int64)
    yield every, np.full(n, CLIPPED), far.astype(np.int64)
    error, distance = np.clip(error, -FAR, FAR), np.clip(distance, -FAR, FAR)
    for place, values in enumerate((error, np.abs(error), error**2, error**4, distance, distance**2, size)):
        for low, part in enumerate(parts(values)):
            yield every, np.full(n, CLIPPED + 1 + 2 * place + low), part


def _summed(
    scoring: Scoring,
    rows: tuple[NDArray[np.intp], Counts, Counts],
    names: list[str],
    found: Found,
) -> dict[str, SparseSums]:
    """By group and column, and then by version."""
    group, codes, numbers = rows
    width = scoring.width
    size = len(numbers) * width
    if size <= DENSE * len(group):
        dense = np.zeros(size, np.int64)
        for which, columns, added in found:
            np.add.at(dense, group[which] * width + columns, added)
        keys = np.flatnonzero(dense)
        whole = SparseSums(width, keys, dense[keys])
    else:
        every = [(group[which] * width + columns, added) for which, columns, added in found]
        whole = SparseSums.of(width, *(np.concatenate(x) for x in zip(*every, strict=True)))
    out = {}
    for place, name in enumerate(names):  # once a version
        low, high = np.searchsorted(codes, [place, place + 1]).tolist()
        mine = whole.between(low, high - 1)
        if len(mine):
            at, columns = np.divmod(mine.keys, width)
            out[name] = SparseSums(width, numbers[at] * width + columns, mine.values)
    return out
