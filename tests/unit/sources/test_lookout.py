"""Topics that are needed are asked about again and again, sooner where one is missing, and never in the loop."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from driftd.core.errors import SourceError
from driftd.sources.kafka.lookout import AGAIN_SECONDS, EVERY_SECONDS, Lookout


class World:
    """Questions with the answer ``troubles``; each is answered before time goes on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asked = 0
        self.troubles: Sequence[str] | None = ()
        self.lookout = Lookout(self.ask, lambda: self.now)

    def ask(self) -> Sequence[str]:
        self.asked += 1
        if self.troubles is None:
            raise SourceError("kafka b:9092: no answer in 5 s")
        return self.troubles

    def go(self, seconds: float) -> list[str]:
        self.now += seconds
        self.lookout.look()
        for thread in threading.enumerate():
            if thread.name == "driftd-topics":
                thread.join(10)
        return list(self.lookout.look())


def test_while_nothing_is_wrong_it_is_asked_seldom() -> None:
    world = World()
    assert [world.go(0), world.go(1), world.go(EVERY_SECONDS / 2)] == [[], [], []]
    assert world.asked == 1
    world.go(EVERY_SECONDS)
    assert world.asked == 2


def test_a_trouble_is_asked_about_soon_again_and_ends() -> None:
    world = World()
    world.troubles = ["topic 'plans' does not exist"]
    assert world.go(0) == world.go(1) == ["topic 'plans' does not exist"]
    assert world.asked == 1
    world.troubles = ()
    assert world.go(AGAIN_SECONDS) == []
    assert world.asked == 2


def test_what_is_known_stays_while_nobody_answers() -> None:
    world = World()
    world.troubles = ["topic 'plans' does not exist"]
    world.go(0)
    world.troubles = None
    assert world.go(AGAIN_SECONDS) == ["topic 'plans' does not exist"]
