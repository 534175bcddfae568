"""Why no broker answers while driftd runs: kafka-python tries again and again, and says only that it failed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from driftd.core.errors import DriftdError

AFTER_SECONDS: Final = 2.0
EVERY_SECONDS: Final = 15.0


class Diagnosis:
    """Knocks anew, as at the start, on a thread of its own: the loop goes on meanwhile.

    ``ask`` raises a DriftdError that names the cause and what helps. ``cause`` is its text, "" while nothing is known.
    """

    def __init__(self, ask: Callable[[], object], monotonic: Callable[[], float] = time.monotonic) -> None:
        self.cause = ""
        self._ask = ask
        self._monotonic = monotonic
        self._ask_at: float | None = None
        self._thread: threading.Thread | None = None

    def follow(self, connected: bool) -> None:
        """To be called again and again."""
        now = self._monotonic()
        if connected:
            self.cause, self._ask_at = "", None
        elif self._ask_at is None:
            self._ask_at = now + AFTER_SECONDS
        elif now >= self._ask_at and (self._thread is None or not self._thread.is_alive()):
            self._ask_at = now + EVERY_SECONDS
            self._thread = threading.Thread(target=self._find, name="driftd-kafka-diagnosis", daemon=True)
            self._thread.start()

    def _find(self) -> None:
        try:
            self._ask()
        except DriftdError as error:
            self.cause = str(error)
        else:
            self.cause = ""
