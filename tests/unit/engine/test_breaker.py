"""Open while most records are bad."""

from __future__ import annotations

from driftd.engine.breaker import Breaker


def test_opens_above_half_and_closes_below_a_quarter() -> None:
    breaker = Breaker(share=0.5, least=1000)
    assert not breaker.add(900, 900), "too few to say"
    assert breaker.add(200, 200)
    assert breaker.is_open
    assert not breaker.add(400, 100)
    assert breaker.add(10_000, 0)
    assert not breaker.is_open


def test_a_share_that_stays_between_the_two_changes_nothing() -> None:
    closed, opened = Breaker(), Breaker()
    assert opened.add(1000, 1000)
    for _ in range(100):
        assert not closed.add(100, 40)
        assert not opened.add(100, 40)
    assert (closed.is_open, opened.is_open) == (False, True)
