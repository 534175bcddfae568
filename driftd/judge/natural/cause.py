"""Causes: what has broken, from a fixed set, and what they are looked for in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.judge.natural.learned import NaturalLearned
from driftd.judge.natural.moments import Moments
from driftd.judge.natural.seen import Seen


class Cause(StrEnum):
    """What has happened to a channel. The set is fixed: people and programs branch on it."""

    MISSING = "missing"
    TYPE = "type_changed"
    FROZEN = "frozen"
    ERRORS = "errors"
    SWAPPED = "swapped"
    UNIT = "unit"
    SIGN = "sign_flipped"
    CLIPPED = "clipped"
    HOURS = "hours_shifted"
    RENAMED = "renamed"
    NEW_VALUE = "new_value"
    JOIN = "join_broken"
    GRADUAL = "gradual"


class Caused(NamedTuple):
    """A cause, or "" where none is known. ``detail``: what else is known, in a few words; "" for nothing."""

    cause: Cause | str
    detail: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a cause is looked for in. ``extremes`` float64[channels, 2]: least and greatest value of stretches that lie
    wholly in the change; inf and -inf where there is none. ``names``: new categories that came since, with how often,
    the most frequent first (core.new_names).
    """

    reference: Reference
    learned: NaturalLearned
    seen: Seen
    extremes: NDArray[np.float64]
    names: tuple[tuple[str, int], ...] = ()

    @property
    def then(self) -> Moments:
        """Just before the change; of the whole reference where that is forgotten."""
        usual = Moments.usual(self.reference, self.learned)
        return Moments.of(self.reference, self.learned, self.seen.before).otherwise(usual)

    @property
    def now(self) -> Moments:
        return Moments.of(self.reference, self.learned, self.seen.since, self.extremes)
