"""What was turned away is counted alike however it came, and the example is the first in the topic."""

from __future__ import annotations

import pytest

from driftd.core.event import Reject, RejectReason
from driftd.core.refusals import MOST, Refusals

A = ("t", 0)
MIXED = [
    Reject(0, 7, RejectReason.WRONG_TYPE, "feature 'amount': expected a number, got 12", "fraud"),
    Reject(1, 5, RejectReason.NOT_JSON, "truncated at byte 55"),
    Reject(2, 6, RejectReason.WRONG_TYPE, "feature 'amount': expected a number, got 345", "price"),
    Reject(3, 8, RejectReason.WRONG_TYPE, "features: expected an object, got an array"),
    Reject(4, 9, RejectReason.NOT_JSON, "begins with 0x00"),
]


@pytest.mark.parametrize("cuts", [[5], [1, 1, 1, 1, 1], [2, 3]])
def test_counts_and_first_examples_do_not_depend_on_batches(cuts: list[int]) -> None:
    found, left = Refusals(), [*MIXED]
    for size in cuts:
        found.rejected(A, left[:size])
        left = left[size:]
    told = {key: (r.events, r.offset, r.model, r.example) for key, r in found.events.items()}
    assert told == {
        ("wrong_type", "amount"): (2, 6, "price", "expected a number, got 999"),
        ("wrong_type", "features"): (1, 8, None, "expected an object, got an array"),
        ("not_json", ""): (2, 5, None, "truncated at byte 55"),
    }


@pytest.mark.parametrize("at_once", [1, 1000])
def test_beyond_so_many_fields_only_reasons_are_told_apart(at_once: int) -> None:
    found, many = Refusals(), range(3 * MOST)
    rejects = [Reject(n, n, RejectReason.WRONG_TYPE, f"f{n}: expected text, got 1") for n in many]
    for first in range(0, len(rejects), at_once):
        found.rejected(A, rejects[first : first + at_once])
    assert len(found.events) == MOST + 1
    assert found.events["wrong_type", ""].events == 2 * MOST
    assert sum(r.events for r in found.events.values()) == len(rejects)
