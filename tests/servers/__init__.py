"""Real servers for tests: each module brings its own session fixtures, and installs itself with ``--install``.

``tests/conftest.py`` loads every module of this folder as a pytest plugin, so a fixture defined in
``tests/servers/kafka.py`` is known to all tests.
"""

from __future__ import annotations

import os
import socket
from typing import Final

import pytest

CI: Final = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
"""In CI everything must be there: what is missing fails instead of being skipped."""


def need(part: str, available: object, reason: str) -> None:
    """Go on where ``available`` is true; else skip the test, or fail it in CI, and say why."""
    if available:
        return
    if CI:
        pytest.fail(f"{part}: {reason}; with CI=true it must be there", pytrace=False)
    pytest.skip(f"{part}: {reason}")


def find_free_port() -> int:
    """A port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
