"""A state directory has one daemon, until that one has ended, however it ended."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from driftd.core.errors import StateLocked
from driftd.engine.lock import locked

HOLD = """
import sys
from pathlib import Path
from driftd.engine.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with holder(tmp_path / "state") as process:
        who = rf"another driftd \(process {process.pid}\) uses this state directory"
        with pytest.raises(StateLocked, match=who), locked(tmp_path / "state"):
            pass
        assert StateLocked.exit_code == 4


def test_the_kernel_lets_go_of_it_after_kill_9(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with locked(tmp_path):
            assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_the_next_one_may_have_it(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path):
            pass


def test_where_nothing_can_be_written_the_log_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING), locked(tmp_path / "file"):
        assert "cannot be locked" in caplog.text


def test_a_second_daemon_ends_with_exit_code_4(tmp_path: Path) -> None:
    with holder(tmp_path):
        command = ["run", "--bootstrap-servers", "127.0.0.1:1", "--topic", "t", "--state-dir", str(tmp_path)]
        done = subprocess.run([sys.executable, "-m", "driftd", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "uses this state directory; stop it, or give this one a directory of its own" in done.stderr
