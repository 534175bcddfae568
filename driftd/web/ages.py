"""How often predictions of a day were wrong, by the labels that had come when they were so old.

Labels that take longer are often other ones, so the first labels of a day say little of all; but they say as much as
the first labels of the days before. What is compared is of one age.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.text import duration
from driftd.ingest.outcomes.counts import DAY, DELAY_LE, LabelCounts
from driftd.web.format import share

AGES: Final = (3600.0, 6 * 3600.0, 86_400.0, 3 * 86_400.0, 7 * 86_400.0, 14 * 86_400.0)
"""Seconds, each an end of DELAY_LE."""
SHOWN: Final = 7
"""Days that have a line of their own; those before them are usual."""
LEAST: Final = 30
"""Labels of which a share is told."""
_BINS: Final = len(DELAY_LE) + 1
FAR: Final = 3.0
"""Standard deviations from which on a day is told apart from the days before: of these, or of chance where that is
more. Days have weather.
"""


@dataclass(frozen=True, slots=True)
class AtAge:
    """``wrong``: share of the labels that had come by then, null where they are too few, or the day is younger;
    ``covered``: share of the day's predictions that had a label by then, null while a sample is joined. ``far``: its
    wrong ones are more or fewer than usual, by more than chance.
    """

    age: float
    labels: int
    wrong: float | None
    covered: float | None
    far: bool


@dataclass(frozen=True, slots=True)
class Cohort:
    """Predictions of the ``days`` that there are from ``start`` on (UTC)."""

    start: float
    days: int
    predictions: int
    at: tuple[AtAge, ...]


@dataclass(frozen=True, slots=True)
class Ages:
    """``ages`` of the columns; ``usual`` null where there is no day before those that have a line of their own."""

    ages: tuple[float, ...]
    usual: Cohort | None
    days: tuple[Cohort, ...]
    sentence: str


def ages_of(c: LabelCounts) -> Ages | None:
    """None before a day has an age."""
    days = c.cohorts[:, 0].tolist()
    ages = tuple(age for age in AGES if any(_is_old(day, age, c.last) for day in days))
    if not ages or not isfinite(c.last):
        return None
    before, own = c.cohorts[:-SHOWN], c.cohorts[-SHOWN:]
    usual = _cohort(c, before, ages, before[:0]) if len(before) else None
    lines = tuple(_cohort(c, row[None], ages, before) for row in own[::-1])
    return Ages(ages, usual, lines, _sentence(lines, usual))


def _is_old(day: int, age: float, now: float) -> bool:
    """Whether all predictions of the day are so old, by the last label that came."""
    return (day + 1) * DAY + age <= now


def _cohort(c: LabelCounts, rows: NDArray[Any], ages: Iterable[float], before: NDArray[Any]) -> Cohort:
    at = []
    for age in ages:
        mine, then = _sums(rows, age, c.last), _sums(before, age, c.last)
        predictions, labels, wrong = mine.sum(axis=0).tolist()
        told = wrong / labels if labels >= LEAST else None
        covered = labels / predictions if predictions and not c.unsampled else None
        at.append(AtAge(age, labels, told, covered, told is not None and _is_far(told, labels, then)))
    return Cohort(float(rows[0, 0]) * DAY, len(rows), int(rows[:, 1].sum()), tuple(at))


def _sums(rows: NDArray[Any], age: float, now: float) -> NDArray[np.int64]:
    """int64[days, 3] of the days that are old enough: predictions, labels that came by then, and wrong ones of them."""
    until = DELAY_LE.index(age) + 1
    old = rows[[_is_old(day, age, now) for day in rows[:, 0].tolist()]]
    each = old[:, 1], old[:, 2 : 2 + until].sum(axis=1), old[:, 2 + _BINS : 2 + _BINS + until].sum(axis=1)
    return np.stack(each, axis=1)


def _is_far(told: float, labels: int, before: NDArray[np.int64]) -> bool:
    n, wrong = before[:, 1].sum(), before[:, 2].sum()
    if n < LEAST:
        return False
    pooled = (told * labels + wrong) / (labels + n)
    chance = np.sqrt(pooled * (1 - pooled) * (1 / labels + 1 / n))
    known = before[before[:, 1] >= LEAST]
    days = np.std(known[:, 2] / known[:, 1], ddof=1) if len(known) > 1 else 0.0
    return bool(abs(told - wrong / n) > FAR * max(chance, days))


def _sentence(lines: Iterable[Cohort], usual: Cohort | None) -> str:
    """The newest day that can be compared, at the greatest age."""
    if usual is None:
        return ""
    for line in lines:
        for mine, then in reversed([*zip(line.at, usual.at, strict=True)]):
            if mine.wrong is not None and then.wrong is not None:
                than = (
                    "as usual" if not mine.far else "more than usual" if mine.wrong > then.wrong else "fewer than usual"
                )
                day = datetime.fromtimestamp(line.start, UTC).strftime("%-d %b")
                return (
                    f"{share(mine.wrong)} of the predictions of {day} are wrong by the labels of the first "
                    f"{duration(mine.age)}, {than} ({share(then.wrong)} at that age, of {usual.days} days before)."
                )
    return ""
