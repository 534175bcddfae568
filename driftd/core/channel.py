"""What is watched of a model: the table of roles, one row each, and the channels that have them.

A new role is a row here. Where its values come from an event's field that is not decoded yet, the field is a row of
driftd.decode.fields.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

import numpy as np

from driftd.core.event import Column, EventBatch, Kind, NumericColumn, scalars
from driftd.core.lists import LISTS, Part
from driftd.core.values import as_numbers, comparable, infer_kind, truths_as_numbers

JOINT: Final = "*"
"""Stands for a channel's name in what is said about how channels move together."""
_FEATURES: Final = "features."

Read = Callable[[EventBatch, str, bool], Column | None]
"""(batch, the feature's name, whether predictions are classes) -> the values; None where the batch has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRow:
    """How channels of one role are read, binned, judged and explained.

    read      the values in a batch
    kind      how they are compared; ANY is inferred from the values that the reference is learned from
    zero_one  whether they are 0 and 1, given whether predictions are classes: they have one bin each then, and
              sequential detectors take them as they are
    awaited   they come later or never: an event without one says nothing about the channel
    always    every event has one: none is ever missing
    errors    they tell what went wrong: other detectors watch them, and their alarms open episodes
    output    the model says them: a change matters soonest there, so ADWIN watches them by default
    answer    an answer in pairs of channels (driftd.judge.exchangeable.joint): never what is asked about
    aside     it is about how the model answers, not about what: bins that show how long its tail is, no detectors by
              default, no evidence, no relations; natural variation alone judges it
    alert     the alert whose runbook says what to do when such a channel drifts; ``hint`` the same in a sentence
    """

    read: Read
    kind: Kind = Kind.ANY
    zero_one: Callable[[bool], bool] = lambda _: False
    awaited: bool = False
    always: bool = False
    errors: bool = False
    output: bool = False
    answer: bool = False
    aside: bool = False
    alert: str
    hint: str

    @property
    def group(self) -> str:
        """Which of driftd's own sets of detectors watches such a channel, as detectors name them in ``default_for``."""
        return "aside" if self.aside else "errors" if self.errors else "outputs" if self.output else "features"


def of_field(name: str) -> Read:
    """The values of an event's field."""
    return lambda batch, _, __: batch.fields.get(name)


def failures(batch: EventBatch, _: str, __: bool) -> NumericColumn:
    """float64[n]: 1 where the service failed."""
    return np.zeros(len(batch)) if batch.failed is None else batch.failed.astype(np.float64)


def prediction_errors(batch: EventBatch, _: str, classes: bool) -> NumericColumn | None:
    """float64[n]: 1 where the class is wrong, 0 where right (or the absolute error); NaN without a label.

    true is 1, false is 0 and "7" is 7, so what types the two have does not matter.
    """
    if batch.label is None or batch.prediction is None:
        return None
    prediction, label = comparable(batch.prediction), comparable(batch.label)
    if classes and not (isinstance(prediction, np.ndarray) and isinstance(label, np.ndarray)):
        pairs = zip(scalars(prediction), scalars(label), strict=True)
        return np.array([np.nan if p is None or y is None else float(p != y) for p, y in pairs])
    with np.errstate(over="ignore"):
        distance = np.minimum(np.abs(as_numbers(prediction) - as_numbers(label)), np.finfo(float).max)
    return np.where(np.isnan(distance), np.nan, distance != 0).astype(np.float64) if classes else distance


def incomparable(batch: EventBatch, classes: bool) -> bool:
    """Whether labels are numbers and predicted classes text, or the other way round, and no two are the same."""
    errors = prediction_errors(batch, "", classes)
    if errors is None or batch.prediction is None or batch.label is None:
        return False
    kinds = infer_kind(comparable(batch.prediction)), infer_kind(comparable(batch.label))
    return kinds[0] is not kinds[1] and not (errors == 0).any()


class Role(StrEnum):
    """What a channel is of its model, in the order in which a reference has them. Features are many; of every other
    role there is one channel, which has the role's name.
    """

    row: RoleRow

    def __new__(cls, name: str, *row: RoleRow) -> Self:  # not ``row: RoleRow``: to mypy Role("score") is a call of this
        role = str.__new__(cls, name)
        role._value_ = name
        (role.row,) = row
        return role

    FEATURE = (
        "feature",
        RoleRow(
            read=lambda batch, feature, _: batch.columns.get(feature),
            alert="DriftdFeatureDrift",
            hint="The values moved: what was released upstream at that time?",
        ),
    )
    PREDICTION = (
        "prediction",
        RoleRow(
            read=of_field("prediction"),
            output=True,
            alert="DriftdPredictionDrift",
            hint="Predictions moved: a new version? Else the inputs above explain it.",
        ),
    )
    SCORE = (
        "score",
        RoleRow(
            read=of_field("score"),
            kind=Kind.NUMERIC,
            output=True,
            alert="DriftdPredictionDrift",
            hint="Scores moved: a new version or calibration? Else look at the inputs.",
        ),
    )
    ERROR = (  # service errors
        "error",
        RoleRow(
            read=failures,
            kind=Kind.NUMERIC,
            zero_one=lambda _: True,
            always=True,
            errors=True,
            answer=True,
            alert="DriftdErrorDrift",
            hint="The service fails at another rate: see its own logs and deploys.",
        ),
    )
    LABEL = (  # the true value
        "label",
        RoleRow(
            read=of_field("label"),
            awaited=True,
            answer=True,
            alert="DriftdFeatureDrift",
            hint="The true values moved: has the world changed, or how it is labelled?",
        ),
    )
    PREDICTION_ERROR = (
        "prediction_error",
        RoleRow(
            read=prediction_errors,
            kind=Kind.NUMERIC,
            zero_one=lambda classes: classes,
            awaited=True,
            errors=True,
            answer=True,
            alert="DriftdErrorDrift",
            hint="Predictions are wrong at another rate: check labels, then the model.",
        ),
    )
    LATENCY = (  # seconds to answer
        "latency",
        RoleRow(
            read=lambda batch, _, __: batch.latency_seconds,
            kind=Kind.NUMERIC,
            awaited=True,  # a request that states none says nothing about how long requests take
            aside=True,
            alert="DriftdLatencyDrift",
            hint="Answers take longer: what the model calls, its machines and its load, before the model itself.",
        ),
    )


OWN_NAMES: Final = frozenset({JOINT, *(role.value for role in Role if role is not Role.FEATURE)})
"""Names that a feature's channel cannot have."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One monitored stream of values of a model.

    Features have a name space of their own: where a feature is called as another channel is, its channel is called by
    its path in the event, ``features.score``. So is one whose name looks like such a path.

    ``part`` is what it watches of a list (None: the value itself, of a list its norm). Two channels are the same
    whatever was learned for that.
    """

    name: str
    role: Role
    kind: Kind
    part: Part | None = field(default=None, compare=False)

    @classmethod
    def of_feature(cls, feature: str, kind: Kind = Kind.ANY) -> Channel:
        apart = feature in OWN_NAMES or feature.startswith(_FEATURES)
        return cls(_FEATURES + feature if apart else feature, Role.FEATURE, kind)

    @property
    def feature(self) -> str | None:
        """The feature's name in events and in the configuration; None for other roles."""
        if self.role is not Role.FEATURE:
            return None
        return (self.name if self.part is None else self.part.of).removeprefix(_FEATURES)

    @property
    def lists(self) -> str:
        """The field of a batch that has the coordinates of its lists."""
        return LISTS + (self.name if self.part is None else self.part.of)

    def values(self, batch: EventBatch, classes: bool) -> Column | None:
        """The channel's values in the batch; None where no event has one. Numeric labels read as they are compared, and
        of other numbers true is 1.
        """
        if self.part is not None:
            return self.part.values(batch.fields)
        column = self.role.row.read(batch, self.feature or "", classes)
        if column is None or self.kind is not Kind.NUMERIC:
            return column
        return comparable(column) if self.role is Role.LABEL else truths_as_numbers(column)


ALONE: Final = tuple(Channel(role.value, role, role.row.kind) for role in Role if role is not Role.FEATURE)
"""The channels that every model may have beside its features."""
OUTCOMES: Final = tuple(channel for channel in ALONE if channel.role in {Role.LABEL, Role.PREDICTION_ERROR})
"""Those of joined labels: what was predicted is watched when it is predicted."""
