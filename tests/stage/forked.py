"""Commands of driftd in processes of their own that begin where its modules are imported: a start that takes a tenth
of a second, where `python -m driftd` takes two of processor time.

A process that has imported them is forked for each (multiprocessing's fork server, one a worker of the tests). To what
it does the way it began makes no difference: signals, ``kill -9``, exit codes and files are those of any process. What
depends on the interpreter itself, as memory and the environment at the start do, is tested with `python -m driftd`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

IMPORTED: Final = [
    *("tests.stage.forked", "driftd.cli", "driftd.wiring.run", "driftd.sources.kafka.source"),
    *("driftd.replay.drivers", "driftd.detectors.registry"),
]
CONTEXT: Final = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(IMPORTED)


def _run(words: Sequence[str], folder: str, out: str, err: str, environment: dict[str, str]) -> None:
    """In the new process: all that a shell would have set, then the command."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for path, descriptor in ((out, 1), (err, 2)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(opened, descriptor)
        os.close(opened)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["driftd", *words]
    from driftd.cli import main  # noqa: PLC0415  the fork server has it; pytest need not

    main()


class Forked:
    """As ``subprocess.Popen``, of driftd's command line."""

    def __init__(
        self, words: Sequence[str], folder: Path, out: Path, err: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        given = dict(os.environ if environment is None else environment)
        arguments = ([*words], str(folder), str(out), str(err), given)
        self._process = CONTEXT.Process(target=_run, args=arguments, daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("driftd", timeout or 0.0)
        return code

    def send_signal(self, sign: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sign)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def driftd(folder: Path, *words: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """What the command prints in this folder, in an environment without DRIFTD_ variables, and its exit code."""
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place) / "out", Path(place) / "err"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTD_")}
        process = Forked(words, folder, out, err, environment)
        try:
            code = process.wait(seconds)
        finally:
            process.kill()
        return subprocess.CompletedProcess(["driftd", *words], code, out.read_text(), err.read_text())
