"""A loop that stands still: the stacks of all threads into the log, and an exit code of its own."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final

log = logging.getLogger("driftd")

STUCK_EXIT_CODE: Final = 5
CHECK_SECONDS: Final = 1.0
SAYING_SECONDS: Final = 5.0
"""For the log: where nobody reads standard error, it stands still too."""


@dataclass(slots=True)
class Stillness:
    """How long a counter has stood still, in time during which this process ran.

    Two looks that lie further apart than CHECK_SECONDS should mean that the process was stopped (SIGSTOP, a suspended
    machine): of that time twice CHECK_SECONDS count.
    """

    seconds: float = 0.0
    _beats: int = -1
    _looked: float = 0.0

    def look(self, beats: int, now: float) -> float:
        """``beats`` is the counter, ``now`` monotonic time; the seconds without a beat."""
        self.seconds = self.seconds + min(now - self._looked, 2 * CHECK_SECONDS) if beats == self._beats else 0.0
        self._beats, self._looked = beats, now
        return self.seconds


@contextmanager
def watched(
    beats: Callable[[], int],
    stuck_seconds: float,
    *,
    leave: Callable[[int], object] = os._exit,
    check_seconds: float = CHECK_SECONDS,
) -> Iterator[None]:
    """Watches the loop whose ``beats`` grow: after ``stuck_seconds`` without one the process ends, without saving.

    The checkpoint is whole: what came since is read again.
    """
    done = threading.Event()

    def watch() -> None:
        still = Stillness()
        while not done.wait(check_seconds):
            seconds = still.look(beats(), time.monotonic())
            if seconds >= stuck_seconds:
                telling = threading.Thread(target=tell, args=(seconds,), daemon=True)
                telling.start()
                telling.join(SAYING_SECONDS)
                leave(STUCK_EXIT_CODE)
                return

    thread = threading.Thread(target=watch, name="driftd-watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=2 * CHECK_SECONDS)


def tell(seconds: float) -> None:
    """Logs where every thread stands, one line each: places in the code, never values."""
    log.critical(
        "the loop has not gone round for %.0f s: driftd ends (exit code %d); nothing is lost, what came since the last "
        "checkpoint is read again",
        seconds,
        STUCK_EXIT_CODE,
    )
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():  # noqa: SLF001  (documented for debuggers, and this is one)
        log.critical("thread %s: %s", names.get(ident, ident), places(frame))


def places(frame: FrameType) -> str:
    """Where a thread stands, its innermost call first."""
    stack = traceback.extract_stack(frame)
    return " < ".join(f"{at.name} ({'/'.join(at.filename.split('/')[-2:])}:{at.lineno})" for at in reversed(stack))
