"""One daemon a state directory: two would write over each other's checkpoints, and lose events without a word."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from driftd.core.errors import StateLocked

log: Final = logging.getLogger(__name__)

NAME: Final = "lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds ``folder`` for this process. The kernel lets it go when the process ends, also by kill -9.

    Raises StateLocked where another process holds it. A folder that cannot be written, or a file system without locks,
    is held by nobody: the log says so, and the first checkpoint will say what is wrong.
    """
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as e:
        log.warning("%s: cannot be locked: %s; nothing keeps a second driftd from using it", path, e.strerror)
        yield
        return
    try:
        _take(held, path, folder)
        yield
    finally:
        os.close(held)


def _take(held: int, path: Path, folder: Path) -> None:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        who = os.read(held, 20).decode("ascii", "replace").strip()
        raise StateLocked(
            f"{folder}: another driftd{f' (process {who})' if who else ''} uses this state directory; stop it, or give "
            "this one a directory of its own (state.directory, --state-dir)"
        ) from e
    except OSError as e:
        log.warning("%s: cannot be locked: %s; nothing keeps a second driftd from using it", path, e.strerror)
        return
    with contextlib.suppress(OSError):  # a full disk; the number is only for the message above
        os.truncate(held, 0)
        os.pwrite(held, f"{os.getpid()}\n".encode(), 0)
