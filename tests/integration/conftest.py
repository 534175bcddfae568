"""What tests with a broker share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stage.daemon import DriftdProcess


@pytest.fixture
def daemons() -> Iterator[list[DriftdProcess]]:
    """Processes to be ended with the test."""
    running: list[DriftdProcess] = []
    yield running
    for daemon in running:
        if daemon.alive:
            daemon.kill9()
