"""Requests and answers that wait for each other: bounded, counted, and none twice."""

from __future__ import annotations

import itertools
import math

import pytest

from driftd.core.event import DropReason
from driftd.ingest import halves as module
from driftd.ingest.halves import HORIZON_SECONDS, SWEEPS, Half, Halves

EACH = HORIZON_SECONDS / SWEEPS


def half(identity: str, *, answer: bool = False, time: float = 0.0, model: str = "m", rows: int = 1) -> Half:
    return Half(model, identity, answer, time, b"", (b'"x":1',) * rows)


def outcome(halves: Halves) -> tuple[int, int, int, int]:
    c = halves.counts["m"]
    return c.answered, c.unanswered, c.no_request, c.duplicate


@pytest.mark.parametrize("order", [*itertools.permutations("QQAA")])
def test_two_requests_and_two_answers_of_an_id_are_one_call_in_any_order(order: tuple[str, ...]) -> None:
    halves = Halves()
    got = [halves.take("t", half("1", answer=each == "A")) for each in order]
    assert [type(g) for g in got].count(Half) == 1
    assert got.count(DropReason.DUPLICATE) == 2
    assert outcome(halves) == (1, 0, 0, 2)
    assert (halves.waiting, halves.size) == ({}, 0)


def test_topics_and_models_have_ids_of_their_own() -> None:
    halves = Halves()
    assert halves.take("t", half("1")) is None
    assert halves.take("u", half("1", answer=True)) is None
    assert halves.take("t", half("1", answer=True, model="n")) is None
    assert halves.take("t", half("1", answer=True)) == half("1")


def test_what_waits_for_the_horizon_is_let_go_and_counted_by_what_it_was() -> None:
    halves = Halves()
    for i in range(4):
        halves.take("t", half(str(i), time=i * EACH, answer=i == 1))
    assert halves.sweep(HORIZON_SECONDS + EACH * 0.5) == {}
    assert halves.sweep(HORIZON_SECONDS + EACH * 2) == {DropReason.UNANSWERED: 1, DropReason.NO_REQUEST: 1}
    assert outcome(halves) == (0, 1, 1, 0)
    assert halves.sweep(math.inf) == {DropReason.UNANSWERED: 2}
    assert (halves.waiting, halves.size) == ({}, 0)


def test_halves_that_are_further_apart_than_the_horizon_are_no_call_also_where_nothing_was_swept_between() -> None:
    halves = Halves()
    assert halves.take("t", half("1")) is None
    assert halves.take("t", half("1", answer=True, time=HORIZON_SECONDS + 1)) is None
    assert halves.overflow() == {DropReason.UNANSWERED: 1}
    assert halves.sweep(math.inf) == {DropReason.NO_REQUEST: 1}
    assert outcome(halves) == (0, 1, 1, 0)
    assert halves.overflow() == {}


def test_the_oldest_go_where_more_wait_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    halves = Halves()
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    for i in range(5):
        halves.take("t", half(str(i)))
    assert halves.overflow() == {DropReason.UNANSWERED: 2}
    assert [h.id for h in halves.waiting.values()] == ["2", "3", "4"]
    monkeypatch.setattr(module, "MOST_BYTES", 2 * half("2").size)
    assert halves.overflow() == {DropReason.UNANSWERED: 1}
    assert halves.size == 2 * half("3").size


def test_only_the_calls_that_were_completed_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    halves = Halves()
    monkeypatch.setattr(module, "MOST_DONE", 2)
    for identity in "abc":
        halves.take("t", half(identity))
        halves.take("t", half(identity, answer=True))
    assert halves.take("t", half("c")) is DropReason.DUPLICATE
    assert halves.take("t", half("a")) is None
    assert len(halves.done) == 2


def test_models_are_counted_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    halves = Halves()
    monkeypatch.setattr(module, "MOST_MODELS", 2)
    for model in "lmn":
        halves.take("t", half("1", model=model))
        halves.take("t", half("1", model=model, answer=True))
    assert {*halves.counts} == {"l", "m"}
