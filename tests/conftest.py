"""Fixtures that all tests share: seeded chance, free ports, and the real servers of tests/servers/."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from tests.servers import CI, find_free_port

pytest_plugins = [
    f"tests.servers.{module.stem}"
    for module in sorted(Path(__file__).with_name("servers").glob("*.py"))
    if module.stem != "__init__"
]

# Two cores shared with a broker: an example's time says nothing. Derandomised: a red run is red again.
settings.register_profile("driftd", deadline=None, derandomize=True)
settings.load_profile("driftd")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261123)


@pytest.fixture
def free_port() -> int:
    return find_free_port()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true a skipped integration test is a failure: a skip there would hide a missing server."""
    report = yield
    if CI and report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("integration"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but CI must run it: {report.longreprtext or report.longrepr}"
    return report
