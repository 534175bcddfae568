"""Events that were not sent: why, how many, and which of them the log has."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

TELL_EVERY_SECONDS: Final = 60.0
"""Between log lines about events that are dropped for the same reason: many are."""


class Drop(StrEnum):
    """Why an event was not sent."""

    FULL = "full"  # the queue: more comes than goes out, or nothing goes out
    UNUSABLE = "unusable"  # it cannot be written as JSON
    REFUSED = "refused"  # by the other side, for good
    UNDELIVERED = "undelivered"  # tried for give_up_seconds, or until the process ended
    CLOSED = "closed"  # logged after close()
    NO_THREAD = "no_thread"  # the process may not start one


WHY: Final = {
    Drop.FULL: "more would wait than max_events and max_bytes allow",
    Drop.UNDELIVERED: "the time to send them is over",
    Drop.CLOSED: "the client is closed",
    Drop.NO_THREAD: "no thread could be started",
}
"""In the log, where no error says it."""


@dataclass(frozen=True, slots=True)
class Stats:
    """logged = sent + waiting + the sum of dropped. ``values_refused``: values that were sent as null."""

    logged: int = 0
    sent: int = 0
    waiting: int = 0
    dropped: Mapping[Drop, int] = field(default_factory=dict)
    values_refused: int = 0
    last_error: str = ""


class Losses:
    """Whoever calls holds the client's lock."""

    def __init__(self) -> None:
        self.dropped: Counter[Drop] = Counter()
        self.last_error = ""
        self._errors: dict[Drop, str] = {}
        self._told: Counter[Drop] = Counter()
        self._tell_at: dict[Drop, float] = {}

    def lose(self, why: Drop, events: int, text: str) -> bool:
        """Whether the log is to have it now: the first, and what has come together since the last line."""
        self.dropped[why] += events
        if text:
            self._errors[why] = self.last_error = text
        return time.monotonic() >= self._tell_at.get(why, 0.0)

    def untold(self, reasons: Iterable[Drop]) -> list[tuple[int, str, str]]:
        """(events, refused or lost, why) of what the log does not have yet; it counts as told from now on."""
        told = []
        for why in reasons:
            lost, self._told[why] = self.dropped[why] - self._told[why], self.dropped[why]
            if lost:
                self._tell_at[why] = time.monotonic() + TELL_EVERY_SECONDS
                word = "refused" if why is Drop.REFUSED else "lost"
                told.append((lost, word, self._errors.get(why) or WHY.get(why, why.value)))
        return told
