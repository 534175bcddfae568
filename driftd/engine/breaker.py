"""While most records are bad the topic is not one of events, and copying it to the dead letters helps nobody."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Breaker:
    """Open while most records are bad. Looks at the last ``least`` to ``2 * least`` records.

    Opens above ``share`` of bad ones, closes below half of that. The first bad records have been sent by then, enough
    to see what is wrong.
    """

    share: float = 0.5
    least: int = 1000
    is_open: bool = False
    _seen: float = 0.0
    _bad: float = 0.0

    def add(self, records: int, bad: int) -> bool:
        """Takes note of a batch, good records too; True when the breaker has just opened or closed."""
        self._seen += records
        self._bad += bad
        while self._seen > 2 * self.least:
            self._seen /= 2
            self._bad /= 2
        before = self.is_open
        if self._seen >= self.least:
            self.is_open = self._bad > self._seen * (self.share / 2 if before else self.share)
        return before != self.is_open
