"""kafka-python's own log, kept out of ours: it repeats itself every second, and at DEBUG prints what it sends."""

from __future__ import annotations

import logging
from collections.abc import Callable


class Hear(logging.Handler):
    """Gives warnings to a callback; the cause of a failed connection is told nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.callback: Callable[[str], None] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        # The selector complains of tasks over 0.1 s: a busy machine, not an error.
        if self.callback is not None and not record.name.startswith("kafka.net.selector"):
            self.callback(record.getMessage())


_hear = Hear()


def listen_to_library(callback: Callable[[str], None]) -> None:
    """Silence the logger ``kafka``, whatever the configured level, and hear its warnings.

    At DEBUG it would print requests with their bytes, which hold passwords (SASL PLAIN) and payloads.
    """
    logger = logging.getLogger("kafka")
    if _hear not in logger.handlers:
        logger.addHandler(_hear)
        logger.propagate = False
    if logger.getEffectiveLevel() < logging.WARNING or logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
    _hear.callback = callback
