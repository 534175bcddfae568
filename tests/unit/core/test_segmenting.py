"""Which values become segments: the floor, the ceiling, and from when on."""

from __future__ import annotations

import pytest

from driftd.core.segmenting import MOST_VALUES, Census, Segmenting, ranges
from driftd.core.slice import Slice

BY_COUNTRY = Segmenting(("country",), least=100, most=3)
DAY = 144
"""Slots of ten minutes."""


def test_a_segment_is_a_slice_of_its_model_whatever_its_value_is() -> None:
    key = Slice.of_segment("team/fraud", "path=/labels")
    assert (key.whole, key.within, key.part) == ("team/fraud", "path=/labels", "path=/labels")
    assert (Slice("fraud").within, Slice("fraud/labels").within, Slice("fraud/labels").whole) == ("", "", "fraud")
    assert key.is_of("team/fraud")
    assert not key.is_of("fraud")


def test_values_with_enough_events_become_segments_the_largest_first() -> None:
    census = Census()
    census.add(10, [("country=DE", 150), ("country=FR", 300), ("country=IT", 99), ("country=US", 900)])
    assert census.close(10, BY_COUNTRY) == []  # the slot is open
    assert census.close(11, BY_COUNTRY) == ["country=US", "country=FR", "country=DE"]
    assert census.admitted == {"country=US": 12, "country=FR": 12, "country=DE": 12}
    census.add(12, [("country=IT", 500)])
    assert census.close(13, BY_COUNTRY) == []  # three are the most
    assert census.waiting == 1


def test_events_of_a_day_count_together_and_those_of_another_day_do_not() -> None:
    census = Census()
    for slot in (DAY - 2, DAY - 1, DAY, DAY + 1):
        census.add(slot, [("country=DE", 60)])
    assert census.close(DAY - 1, BY_COUNTRY) == []
    assert census.close(DAY, BY_COUNTRY) == ["country=DE"]
    late = Census()
    for slot in (DAY - 1, DAY):
        late.add(slot, [("country=DE", 60)])
    assert late.close(DAY + 1, BY_COUNTRY) == []


def test_it_does_not_matter_how_slots_are_closed() -> None:
    one, other = Census(), Census()
    for slot in range(5):
        counts = [("country=A", 30 + slot), ("country=B", 60 - slot), ("country=C", 25)]
        one.add(slot, counts)
        other.add(slot, counts)
        one.close(slot, BY_COUNTRY)
    one.close(5, BY_COUNTRY)
    other.close(5, BY_COUNTRY)
    assert one == other


def test_a_segment_that_left_makes_room_for_another() -> None:
    census = Census()
    census.add(0, [("country=DE", 200), ("country=FR", 200), ("country=IT", 200)])
    census.close(1, BY_COUNTRY)
    census.add(1, [("country=US", 200)])
    assert census.close(2, BY_COUNTRY) == []
    census.leave("country=DE")
    census.add(2, [("country=US", 200)])
    assert census.close(3, BY_COUNTRY) == ["country=US"]


def test_segments_of_a_field_that_nobody_wants_any_more_leave() -> None:
    census = Census({"device=ios": 3})
    census.close(9, BY_COUNTRY)
    assert census.admitted == {}


def test_named_values_take_places_of_the_ceiling() -> None:
    wanted = Segmenting(("country", "device"), {"device": ("ios", "web")}, least=100, most=3)
    census = Census()
    census.add(0, [("country=DE", 300), ("country=FR", 200)])
    assert census.close(1, wanted) == ["country=DE"]
    assert wanted.named == ("device=ios", "device=web")


def test_names_that_somebody_makes_up_are_bounded() -> None:
    census = Census()
    for slot in range(3):
        census.add(slot, ((f"country={slot}-{n}", 1) for n in range(20_000)))
        census.close(slot + 1, BY_COUNTRY)
    assert census.waiting == MOST_VALUES
    assert not census.open


@pytest.mark.parametrize(
    ("edges", "names"),
    [
        pytest.param((10.0,), ["..10", "10.."], id="one edge"),
        pytest.param((0.5, 100.0), ["..0.5", "0.5..100", "100.."], id="two"),
    ],
)
def test_ranges_are_named_by_their_edges(edges: tuple[float, ...], names: list[str]) -> None:
    assert ranges(edges) == names


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_whole_and_its_segments_have_one_budget_together(share: float) -> None:
    wanted = Segmenting(("country",), most=20, share=share)
    assert wanted.whole + wanted.most * wanted.each == pytest.approx(1.0)


def test_a_segment_begins_behind_all_that_has_been_read() -> None:
    census = Census()
    census.add(10, [("country=DE", 150)])
    census.close(11, BY_COUNTRY, read=40)
    assert census.admitted == {"country=DE": 41}
