"""Events of a model to those of its segments."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from driftd.core.event import SEGMENTS, EventBatch
from driftd.core.segmenting import SLOT_SECONDS, Census, Segmenting
from driftd.ingest.segments import split

NAMED = Segmenting(("country",), {"country": ("DE", "FR", "7")})


def batch(n: int = 8, **columns: object) -> EventBatch:
    values = dict(columns) or {"country": ["DE", "US", None, "FR", "DE", 7.0, "DE", "FR"]}
    features: dict[str, Any] = {"x": np.arange(float(n)), **values}
    return EventBatch("m", np.arange(n), 1000.0 + np.arange(float(n)), features)


def by_name(rows: EventBatch, wanted: Segmenting, census: Census | None = None) -> dict[str, list[int]]:
    return {part.model: part.offsets.tolist() for part in split(rows, wanted, census or Census())}


def test_each_value_gets_its_events_in_order_and_the_others_are_counted() -> None:
    census = Census()
    found = by_name(batch(), NAMED, census)
    assert found == {
        "m/segments/country=DE": [0, 4, 6],
        "m/segments/country=FR": [3, 7],
        "m/segments/country=7": [5],
    }
    assert (census.other, census.missing) == (1, 1)
    assert not census.open  # the user named them all


def test_numbers_make_ranges_that_begin_with_their_edge() -> None:
    wanted, census = Segmenting(("x",), edges={"x": (2.0, 5.0)}), Census()
    rows = batch(8, x=np.array([0.0, 2.0, np.nan, 4.9, 5.0, 1.0, 7.0, 2.0]))
    assert by_name(rows, wanted, census) == {
        "m/segments/x=..2": [0, 5],
        "m/segments/x=2..5": [1, 3, 7],
        "m/segments/x=5..": [4, 6],
    }
    assert (census.other, census.missing) == (0, 1)


def test_versions_variants_and_the_events_own_segments_may_be_fields() -> None:
    fields = {"variant": ["a", "b", "a", None], f"{SEGMENTS}tier": ["gold", "gold", None, "free"]}
    rows = EventBatch("m", np.arange(4), np.full(4, 1e3), {}, fields, ["1", "2", "2", "1"])
    values = {"variant": ("a",), "version": ("2",), "tier": ("gold", "free")}
    assert by_name(rows, Segmenting(("variant", "version", "tier"), values)) == {
        "m/segments/variant=a": [0, 2],
        "m/segments/version=2": [1, 2],
        "m/segments/tier=gold": [0, 1],
        "m/segments/tier=free": [3],
    }


def test_values_that_nobody_named_have_their_events_from_their_slot_on() -> None:
    slot = 100
    times = slot * SLOT_SECONDS + np.array([0.0, 1.0, SLOT_SECONDS, SLOT_SECONDS + 1])
    rows = EventBatch("m", np.arange(4), times, {"country": ["DE", "FR", "DE", "FR"]})
    census = Census({"country=DE": slot + 1})
    assert by_name(rows, Segmenting(("country",)), census) == {"m/segments/country=DE": [2]}
    assert census.open == {100: {"country=DE": 1, "country=FR": 1}, 101: {"country=FR": 1}}
    assert census.last == {"country=DE": 101}


@pytest.mark.parametrize("size", [1, 3, 50, 400])
def test_it_does_not_matter_how_events_are_cut_into_batches(size: int) -> None:
    rng = np.random.default_rng(1)
    names = rng.choice(["DE", "FR", "US", ""], 400).tolist()
    rows = EventBatch("m", np.arange(400), rng.uniform(0, 3000, 400), {"country": [v or None for v in names]})
    wanted, census, found = Segmenting(("country",)), Census({"country=DE": 2}), Counter[str]()
    for begin in range(0, 400, size):
        for part in split(rows.take(np.arange(begin, min(begin + size, 400))), wanted, census):
            found.update({part.model: len(part)})
    whole = Census({"country=DE": 2})
    assert found == Counter({part.model: len(part) for part in split(rows, wanted, whole)})
    assert (census.open, census.other, census.missing, census.last) == (
        whole.open, whole.other, whole.missing, whole.last,
    )  # fmt: skip


def test_a_field_that_no_event_has_is_missing_in_all() -> None:
    census = Census()
    assert not by_name(batch(), Segmenting(("device",)), census)
    assert census.missing == 8
