"""While no broker answers its cause is looked for, not too often, and forgotten once one answers."""

from __future__ import annotations

import threading

from driftd.core.errors import SourceError, SourceRefused
from driftd.sources.kafka.diagnosis import AFTER_SECONDS, EVERY_SECONDS, Diagnosis


class World:
    """Questions that fail with ``error``; each is answered before time goes on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asked = 0
        self.error: Exception | None = SourceRefused("kafka b:9092: TLS: the broker's certificate has expired")
        self.diagnosis = Diagnosis(self.ask, lambda: self.now)

    def ask(self) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error

    def go(self, seconds: float, connected: bool = False) -> str:
        self.now += seconds
        self.diagnosis.follow(connected)
        for thread in threading.enumerate():
            if thread.name == "driftd-kafka-diagnosis":
                thread.join(10)
        return self.diagnosis.cause


def test_a_short_silence_is_not_looked_into() -> None:
    world = World()
    assert [world.go(0, True), world.go(1), world.go(AFTER_SECONDS / 2), world.go(0, True), world.go(1)] == [""] * 5
    assert world.asked == 0


def test_the_cause_is_found_asked_again_and_forgotten_with_the_next_answer() -> None:
    world = World()
    world.go(0)
    assert "has expired" in world.go(AFTER_SECONDS)
    assert "has expired" in world.go(EVERY_SECONDS / 2)
    assert world.asked == 1
    world.error = SourceError("kafka b:9092: connection refused")
    assert world.go(EVERY_SECONDS) == "kafka b:9092: connection refused"
    world.error = None
    assert world.go(EVERY_SECONDS) == ""
    world.error = SourceError("kafka b:9092: no answer in 5 s")
    assert world.go(EVERY_SECONDS)
    assert world.go(1, True) == ""
    assert world.asked == 4
