"""Fixtures that all tests share: seeded chance, and the real servers of tests/servers/."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

# As in deploy/; read when numpy is imported. On a busy machine OpenBLAS' threads wait for one another, at full speed.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings

from tests.servers import CI, is_worker

# run comes first: the others import it, and pytest wants to be the first that does.
pytest_plugins = [
    f"tests.servers.{name}"
    for name in sorted(
        (p.stem for p in Path(__file__).with_name("servers").glob("[a-z]*.py")), key=lambda name: (name != "run", name)
    )
]

# Two cores shared with a broker: an example's time says nothing. Derandomised: a red run is red again.
settings.register_profile("driftd", deadline=None, derandomize=True)
settings.load_profile("driftd")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261123)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true a skipped integration test is a failure: a skip there would hide a missing server."""
    report = yield
    if CI and report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("integration"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but CI must run it: {report.longreprtext or report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> Generator[None, int, int]:
    """For ``-n auto`` two more than xdist would take, which are as many as there are cores: tests with servers wait for
    them.
    """
    cores = yield
    given = "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ
    return cores if given or "not integration" in config.option.markexpr else cores + 2


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Workers begin with the files whose tests wait for servers: at the end all have something to do until the end."""
    if is_worker(config):
        waits = {item.path for item in items if item.get_closest_marker("integration")}
        items.sort(key=lambda item: item.path not in waits)
