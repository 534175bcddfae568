"""The table of roles, and the names that features' channels have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from driftd.core.channel import ALONE, JOINT, OWN_NAMES, Channel, Role, incomparable, prediction_errors
from driftd.core.event import EventBatch, Kind


def batch(**fields: Any) -> EventBatch:
    return EventBatch("m", np.arange(2), np.arange(2.0), {"x": [1.0, None]}, fields)


@pytest.mark.parametrize(
    ("feature", "channel"),
    [
        *((role.value, f"features.{role.value}") for role in Role if role is not Role.FEATURE),
        (JOINT, "features.*"),
        ("features.score", "features.features.score"),
        ("features.", "features.features."),
        ("feature", "feature"),
        ("features", "features"),
        ("Score", "Score"),
        ("score ", "score "),
        ("latency_seconds", "latency_seconds"),
        ("", ""),
    ],
)
def test_a_feature_called_as_another_channel_is_called_by_its_path(feature: str, channel: str) -> None:
    made = Channel.of_feature(feature)
    assert made.name == channel
    assert made.feature == feature
    assert made.name not in OWN_NAMES


def test_no_two_features_share_a_channel() -> None:
    names = [prefix + name for prefix in ("", "features.", "features.features.") for name in ("x", "score", JOINT)]
    assert len({Channel.of_feature(name).name for name in names}) == len(names)


def test_a_reference_of_an_earlier_driftd_still_reads_its_features() -> None:
    assert Channel("score", Role.FEATURE, Kind.NUMERIC).feature == "score"


def test_every_role_but_features_has_one_channel_of_its_name() -> None:
    assert [c.name for c in ALONE] == ["prediction", "score", "error", "label", "prediction_error", "latency"]
    assert all(c.name == c.role.value and c.feature is None for c in ALONE)


VALUES: Mapping[str, list[float | None] | None] = {
    "prediction": [0.0, 1.0],
    "score": [0.25, 0.75],
    "label": [1.0, None],
    "error": [0.0, 1.0],
    "prediction_error": [1.0, None],
    "latency": [0.1, None],
}


@pytest.mark.parametrize("channel", [*ALONE, Channel.of_feature("x")], ids=lambda c: c.name)
def test_each_role_reads_its_values(channel: Channel) -> None:
    rows = batch(
        prediction=np.array([0.0, 1.0]),
        score=np.array([0.25, 0.75]),
        label=[1.0, None],
        error=np.array([False, True]),
        latency_seconds=np.array([0.1, np.nan]),
    )
    values = channel.values(rows, classes=True)
    assert values is not None
    assert [None if v is None or np.isnan(v) else v for v in values] == VALUES.get(channel.name, [1.0, None])


@pytest.mark.parametrize("channel", ALONE, ids=lambda c: c.name)
def test_where_no_event_has_a_value_there_is_no_column_but_of_errors(channel: Channel) -> None:
    values = channel.values(batch(), classes=True)
    assert values is None if not channel.role.row.always else np.array_equal(np.asarray(values), [0, 0])


@pytest.mark.parametrize(
    ("role", "classes", "expected"),
    [
        (Role.ERROR, False, True),
        (Role.PREDICTION_ERROR, True, True),
        (Role.PREDICTION_ERROR, False, False),
        (Role.SCORE, True, False),
    ],
)
def test_errors_are_0_or_1_but_for_the_distance_of_numbers(role: Role, classes: bool, expected: bool) -> None:
    assert role.row.zero_one(classes) is expected


def test_what_comes_later_is_never_missing_and_is_an_answer() -> None:
    assert {role for role in Role if role.row.awaited and not role.row.aside} == {Role.LABEL, Role.PREDICTION_ERROR}
    assert all(role.row.answer for role in Role if (role.row.awaited or role.row.errors) and not role.row.aside)
    assert not any(role.row.awaited and role.row.always for role in Role)


@pytest.mark.parametrize(
    ("prediction", "label", "expected"),
    [
        (["true", "false"], np.array([1.0, 1.0]), [0, 1]),
        (np.array([7.0, 7.0]), ["7", "7.0"], [0, 0]),
        (["cat", "7"], ["cat", 7.0], [0, 0]),
        (["01234", "a"], [1234.0, None], [1, None]),
        (["9007199254740993", "yes"], ["9007199254740992", "Yes"], [1, 1]),
    ],
)
def test_classes_are_compared_whatever_their_types(prediction: Any, label: Any, expected: list[float | None]) -> None:
    errors = prediction_errors(batch(prediction=prediction, label=label), "", True)
    assert errors is not None
    assert [None if np.isnan(e) else e for e in errors] == expected


@pytest.mark.parametrize(
    ("prediction", "label", "expected"),
    [
        (["yes", "no"], [1.0, 0.0], True),
        ([1.0, 0.0], ["yes", "no"], True),
        (["yes", "no"], ["no", "yes"], False),  # of one type: wrong, but comparable
        (["true", "true"], [0.0, 0.0], False),
        (["a", "7"], [3.0, 7.0], False),
    ],
)
def test_text_and_numbers_without_a_common_value_cannot_be_compared(
    prediction: Any, label: Any, expected: bool
) -> None:
    assert incomparable(batch(prediction=prediction, label=label), True) is expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(Kind.NUMERIC, [1.0, 0.0, 1.0, "yes", None]), (Kind.CATEGORICAL, ["true", 0.0, 1.0, "yes", None])],
)
def test_true_is_1_where_predictions_are_numbers_although_it_was_decoded_before_that_was_known(
    kind: Kind, expected: list[Any]
) -> None:
    given = batch(prediction=["true", 0.0, 1.0, "yes", None])
    assert list(Channel("prediction", Role.PREDICTION, kind).values(given, True) or ()) == expected
