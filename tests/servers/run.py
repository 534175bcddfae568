"""What one run of tests shares, whatever the number of its workers: a folder, and servers that end with the run.

The process that begins a run (under pytest-xdist the one that hands out the tests) holds a lock on ``run.lock`` until
it ends. The first worker that needs a server starts its keeper, a process that holds ``keepers.lock``, tells in a file
where the server listens, and stops it once it gets ``run.lock``. The kernel frees a lock however its holder ends: by
the last test, Ctrl-C, a crash or ``kill -9``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import pytest

from tests.servers import ROOT, is_worker, spawn

FOLDER: Final = pytest.StashKey[Path]()
LOCK: Final = pytest.StashKey[IO[bytes]]()
START_SECONDS: Final = 180.0


@contextlib.contextmanager
def locked(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[IO[bytes]]:
    """Hold a lock on the file; waits until nobody else does."""
    with path.open("ab") as file:
        fcntl.flock(file, how)
        yield file


def pytest_configure(config: pytest.Config) -> None:
    if is_worker(config):
        config.stash[FOLDER] = Path(config.workerinput["run_folder"])  # type: ignore[attr-defined]  # xdist's
        return
    folder = config.stash[FOLDER] = Path(tempfile.mkdtemp(prefix="driftd-tests-"))
    lock = config.stash[LOCK] = (folder / "run.lock").open("ab")
    fcntl.flock(lock, fcntl.LOCK_EX)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """A worker of pytest-xdist is about to start: tell it the folder."""
    node.workerinput["run_folder"] = str(node.config.stash[FOLDER])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Which servers the tests had."""
    for told in sorted(terminalreporter.config.stash[FOLDER].glob("*.json")):
        facts = json.loads(told.read_text())
        terminalreporter.write_line(f"{told.stem}: {facts['what']} at {facts['bootstrap']}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """The run is over: its servers stop, and nothing of it stays."""
    if LOCK not in config.stash:
        return
    folder = config.stash[FOLDER]
    config.stash[LOCK].close()
    with locked(folder / "keepers.lock"):  # all keepers have ended
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def run_folder(pytestconfig: pytest.Config) -> Path:
    """A folder that all workers of this run of tests share."""
    return pytestconfig.stash[FOLDER]


def kept(folder: Path, name: str, keeper: Sequence[str]) -> dict[str, Any]:
    """What the keeper of a server tells; who asks first starts it with the command ``keeper``, the others wait."""
    told, log = folder / f"{name}.json", folder / f"{name}.log"
    with locked(folder / f"{name}.lock"):
        if not told.exists():
            process = spawn(keeper, log, cwd=ROOT, own_session=True, leashed=False)

            end = time.monotonic() + START_SECONDS
            while not told.exists():
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"{name} did not start\n{log.read_text(errors='replace')[-3000:]}")
                time.sleep(0.1)
            process.returncode = 0  # it outlives this worker; Popen shall not complain
    facts: dict[str, Any] = json.loads(told.read_text())
    return facts


@contextlib.contextmanager
def keeping(folder: Path) -> Iterator[None]:
    """In a keeper, around all it does: the run waits for it to end."""
    with locked(folder / "keepers.lock", fcntl.LOCK_SH):
        yield


def tell(folder: Path, name: str, facts: Mapping[str, object]) -> None:
    """The server is up: to those who wait in ``kept``, and for the summary."""
    new = folder / f"{name}.new"
    new.write_text(json.dumps(facts))
    new.rename(folder / f"{name}.json")


def wait_for_the_end(folder: Path) -> None:
    with locked(folder / "run.lock", fcntl.LOCK_SH):
        """Now nobody else holds it."""
