"""The systemd unit: valid, told when driftd is ready, and with few rights."""

from __future__ import annotations

import configparser
import re
import shutil
from pathlib import Path

import pytest

from driftd.engine.timing import Timing
from tests.deploy.reading import DEPLOY, ROOT, run
from tests.servers import need

UNIT = DEPLOY / "systemd" / "driftd.service"
RECEIVE = DEPLOY / "systemd" / "driftd-receive.service"
each_unit = pytest.mark.parametrize("path", [UNIT, RECEIVE], ids=lambda path: path.stem)
LEAST_EXPOSED = 1.3
"""systemd-analyze's score from 0 (safe) to 10; what is left is that driftd talks to the network."""


@pytest.fixture(scope="module")
def systemd_analyze() -> str:
    path = shutil.which("systemd-analyze")
    need("systemd-analyze", path, "no systemd on this machine")
    return str(path)


@pytest.fixture(scope="module")
def service() -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNIT)
    return parser["Service"]


@pytest.mark.integration
@each_unit
def test_unit_is_valid(systemd_analyze: str, tmp_path: Path, path: Path) -> None:
    """With a program that exists in place of the installed one, and a user that exists."""
    unit = tmp_path / path.name
    text = path.read_text().replace("/opt/driftd/bin/driftd", shutil.which("true") or "/bin/true")
    unit.write_text(re.sub("^(User|Group)=driftd$", r"\1=root", text, flags=re.MULTILINE))
    run(systemd_analyze, "verify", "--man=no", unit)


@pytest.mark.integration
@each_unit
def test_unit_exposes_little(systemd_analyze: str, path: Path) -> None:
    run(systemd_analyze, "security", "--offline=true", f"--threshold={LEAST_EXPOSED * 10:.0f}", path)


def test_the_receivers_unit_differs_in_what_it_runs_and_in_nothing_that_protects() -> None:
    mine, other = (
        dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line and line[:1] not in "#[")
        for path in (RECEIVE, UNIT)
    )
    assert mine["ExecStart"] == "/opt/driftd/bin/driftd receive --config /etc/driftd/driftd.yaml"
    of_its_own = {"Description", "ExecStart", "MemoryHigh", "MemoryMax"}
    of_the_loop = {"ExecReload", "WatchdogSec", "TimeoutStartSec"}
    of_the_state = {"StateDirectory", "StateDirectoryMode", "WorkingDirectory"}
    assert {name for name in mine if mine[name] != other.get(name)} == of_its_own
    assert other.keys() - mine.keys() == of_the_loop | of_the_state
    assert "STATE" not in RECEIVE.read_text()


def test_systemd_hears_that_driftd_is_ready_and_reloads_it_by_signal(service: configparser.SectionProxy) -> None:
    assert service["Type"] == "notify"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"


def test_time_to_stop_is_longer_than_the_drain(service: configparser.SectionProxy) -> None:
    assert float(service["TimeoutStopSec"]) > 2 * Timing("driftd-0").drain_seconds


def test_wrong_configuration_is_not_tried_again(service: configparser.SectionProxy) -> None:
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"] == "2"


def test_watchdog_is_on_only_if_driftd_feeds_it(service: configparser.SectionProxy) -> None:
    """Else systemd would kill a healthy driftd every few minutes."""
    code = "".join(path.read_text() for path in (ROOT / "driftd").rglob("*.py") if path.name != "systemd.py")
    assert ("WatchdogSec" in service) <= ("WATCHDOG=1" in code)
