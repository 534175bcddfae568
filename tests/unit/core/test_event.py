"""Batches of events: what taking, joining and settling them does to values that were refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from driftd.core.event import EventBatch, concatenate
from driftd.core.values import refuse_text
from tests.unit.core.make import events

REFUSED = {"x": np.array([False, True, False]), "color": np.array([True, True, False])}


def batch(first: int = 0) -> EventBatch:
    rows = events([1.0, 2.0, 3.0], [0.0, np.nan, 1.0], [None, None, "red"], first_offset=first)
    return replace(rows, refused=REFUSED)


def flags(rows: EventBatch) -> dict[str, list[bool]]:
    return {name: values.tolist() for name, values in rows.refused.items()}


def test_taking_events_takes_their_refused_values_and_forgets_features_without_any() -> None:
    assert flags(batch().take(np.array([1, 0]))) == {"x": [True, False], "color": [True, True]}
    assert flags(batch().take(np.array([0, 2]))) == {"color": [True, False]}
    assert flags(batch().take(np.array([2]))) == {}
    assert flags(batch().compact()) == flags(batch())


def test_joined_batches_have_refused_values_where_their_parts_have_them() -> None:
    other = events([4.0], [1.0], ["red"], first_offset=3)
    joined = concatenate([other, batch(4), other])
    assert flags(joined) == {"x": [False, False, True, False, False], "color": [False, True, True, False, False]}
    assert not concatenate([other, other]).refused


def test_text_is_refused_once_a_feature_is_known_to_be_numeric() -> None:
    rows = replace(
        events([1.0, 2.0, 3.0, 4.0], [0.0] * 4, ["red"] * 4),
        columns={"x": [1.0, None, "DE", "true"], "color": ["red", 1.0, None, "blue"], "y": [1.0, 2.0, None, 4.0]},
        refused={"x": np.array([False, True, False, False])},
    )
    settled, text = refuse_text(rows, ["x", "y", "gone"])
    np.testing.assert_array_equal(settled.columns["x"], [1, np.nan, np.nan, 1])
    assert flags(settled) == {"x": [False, True, True, False]}
    assert {name: values.tolist() for name, values in text.items()} == {"x": [False, False, True, False]}
    assert settled.columns["color"] == rows.columns["color"]
    assert refuse_text(settled, ["x"]) == (settled, {})
