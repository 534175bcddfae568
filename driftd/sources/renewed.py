"""What is made of files, and anew when they have changed: certificates and passwords are renewed while driftd runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from driftd.core.errors import ConfigError

T = TypeVar("T")
Print = tuple[tuple[int, ...], ...]


class Renewed(Generic[T]):
    """``get()`` gives the value that ``make`` makes of files, made anew where one of them has changed. Which files
    these are, ``files`` is asked each time.

    ``make`` raises ConfigError where the files are no good: the first ``get`` raises it, a later one keeps the old
    value and tells, once for each state of the files.
    """

    def __init__(self, files: Callable[[], Iterable[Path]], make: Callable[[], T], tell: Callable[[str], None]) -> None:
        self._files, self._make, self._tell = files, make, tell
        self._lock = threading.Lock()
        self._seen: Print | None = None
        self._told: Print | None = None
        self._value: T

    def get(self) -> T:
        with self._lock:
            now = self._print()
            if now == self._seen:
                return self._value
            try:
                self._value = self._make()
            except ConfigError as error:
                if self._seen is None:
                    raise
                if now != self._told:
                    self._tell(f"{error}; what was read before stays in use")
                self._told = now
            else:
                self._seen, self._told = now, None
            return self._value

    def _print(self) -> Print:
        return tuple(_print(file) for file in self._files())


def _print(file: Path) -> tuple[int, ...]:
    """What changes when a file is written, replaced or made readable."""
    try:
        found = file.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
