"""The status page in a real browser: it is laid out, in light and dark, and breaks none of its own rules."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from driftd.web import HttpServer, ModelView, Snapshot, Views
from tests.stage.judgement import finding, judgement
from tests.stage.snapshot import snapshot

pytestmark = pytest.mark.integration
HOSTILE = "</title><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"

Browse = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def browse(chromium: str, tmp_path: Path) -> Browse:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--hide-scrollbars",
        ]
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        return subprocess.run([*command, profile, *arguments], capture_output=True, text=True, timeout=120, check=True)

    return run


class Stage:
    """What the page shows next."""

    def __init__(self) -> None:
        self.shown = snapshot()

    def snapshot(self) -> Snapshot:
        return self.shown


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def address(stage: Stage) -> Iterator[str]:
    views = Views(lambda _: b"", lambda: 0.0, lambda: (), lambda: (True, ""), stage.snapshot)
    server = HttpServer(("127.0.0.1", 0), views)
    server.start()
    yield f"{server.url}/?refresh=off"
    server.close(1)


def complaints(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What the page's console says, chiefly of the content security policy."""
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_painted(browse: Browse, address: str, tmp_path: Path, scheme: str) -> None:
    picture = tmp_path / f"{scheme}.png"
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    done = browse("--window-size=1300,1500", *dark, f"--screenshot={picture}", address)
    assert complaints(done) == []
    assert picture.stat().st_size > 50_000  # an unstyled or empty page is far smaller


def test_the_browser_finds_the_answers(browse: Browse, address: str) -> None:
    done = browse("--dump-dom", address)
    assert complaints(done) == []
    for part in ("fraud has drifted", "Does driftd see everything?", "Recent findings", "<svg", "<progress"):
        assert part in done.stdout


def test_hostile_names_run_nothing(browse: Browse, address: str, stage: Stage) -> None:
    j = judgement(HOSTILE, [HOSTILE], versions=(HOSTILE,))
    found = [finding(HOSTILE, HOSTILE, because=HOSTILE)]
    stage.shown = snapshot(models=[ModelView(HOSTILE, j)], findings=found, not_ready=[HOSTILE])
    done = browse("--dump-dom", address)
    assert complaints(done) == []  # a script that the policy had to stop would be one
    assert "<title>owned" not in done.stdout
    assert "<script" not in done.stdout
    assert "&lt;script&gt;" in done.stdout
