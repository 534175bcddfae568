"""What is wrong with topics that are needed beside those that are read, found by asking on a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from typing import Final

from driftd.core.errors import DriftdError

EVERY_SECONDS: Final = 60.0
AGAIN_SECONDS: Final = 3.0
"""After an answer that names a trouble: somebody may be about to mend it."""
CLOSE_SECONDS: Final = 5.0
"""A broker that answers at all has done so by then."""


class Lookout:
    """Asks again and again. ``ask`` gives what is wrong, with what helps; it raises a DriftdError where nobody answers:
    that is told elsewhere, and what was known stays.
    """

    def __init__(self, ask: Callable[[], Collection[str]], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._troubles: Collection[str] = ()
        self._ask_at = 0.0
        self._thread: threading.Thread | None = None

    def look(self) -> Collection[str]:
        """What was wrong when it was last asked; waits for nothing."""
        now = self._monotonic()
        if now >= self._ask_at and (self._thread is None or not self._thread.is_alive()):
            self._ask_at = now + (AGAIN_SECONDS if self._troubles else EVERY_SECONDS)
            self._thread = threading.Thread(target=self._find, name="driftd-topics", daemon=True)
            self._thread.start()
        return self._troubles

    def close(self) -> None:
        """Waits for an answer that is under way."""
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    def _find(self) -> None:
        try:
            self._troubles = self._ask()
        except DriftdError:
            return
        if self._troubles:
            self._ask_at = min(self._ask_at, self._monotonic() + AGAIN_SECONDS)
