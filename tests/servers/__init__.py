"""Real servers for tests: each module brings its own session fixtures, and installs itself with ``--install``.

``tests/conftest.py`` loads every module of this folder as a pytest plugin, so a fixture defined in
``tests/servers/kafka.py`` is known to all tests.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
CI: Final = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
"""In CI everything must be there: what is missing fails instead of being skipped."""

LEASH: Final = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()
"""Runs a command that the kernel ends with the process that started it."""


def need(part: str, available: object, reason: str) -> None:
    """Go on where ``available`` is true; else skip the test, or fail it in CI, and say why."""
    if available:
        return
    if CI:
        pytest.fail(f"{part}: {reason}; with CI=true it must be there", pytrace=False)
    pytest.skip(f"{part}: {reason}")


def is_worker(config: pytest.Config) -> bool:
    """Is this one of several processes of pytest-xdist that run tests?"""
    return hasattr(config, "workerinput")


# Below those that Linux gives to clients (from 32768 on): else a client, perhaps one that tries to connect to that very
# port, may get it while its server is down. From a place of our own on, as other workers look for ports, too.
_ports = itertools.count(random.SystemRandom().randrange(12_000))


def find_free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that this process gives out only once."""
    for offset in _ports:
        port = 20_000 + offset % 12_000
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise AssertionError("there is always another")


def spawn(
    command: Sequence[str], log: Path, *, cwd: Path | None = None, leashed: bool = True, own_session: bool = False
) -> subprocess.Popen[bytes]:
    """Start a server that writes to ``log``. It ends with us, even if we are killed, unless it is not ``leashed``; in
    a session of its own Ctrl-C does not reach it.
    """
    with log.open("ab") as out:
        return subprocess.Popen(
            [*(LEASH if leashed else ()), *command],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=own_session,
        )
