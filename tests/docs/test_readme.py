"""README and docs hold: the first screen's lines are what the demo prints, and links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import find_free_port

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def demo() -> str:
    port = find_free_port()
    ran = subprocess.run(
        [sys.executable, "-m", "driftd", "demo", "--exit", "--listen", f"127.0.0.1:{port}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return (ran.stdout + ran.stderr).replace(f"127.0.0.1:{port}", "127.0.0.1:9477")


def test_the_demo_finds_the_drift_in_temp(demo: str) -> None:
    assert re.search(r"DRIFT +flight-delay temp: psi", demo)


def test_the_quoted_lines_are_in_the_demos_output_in_this_order(demo: str) -> None:
    quoted = re.search(r"```text\n(.*?)```", README, re.DOTALL)
    assert quoted is not None
    printed = iter([line.rstrip() for line in demo.splitlines()])
    missing = [line for line in quoted[1].splitlines() if line != "..." and line not in printed]
    assert not missing


def test_the_commands_that_readme_names_are_targets_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"(?m)(?:^ {4}|`)make ([a-z]+)", README))
    assert {"demo", "test"} <= named
    assert not {target for target in named if not re.search(rf"(?m)^{target}:", makefile)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    relative = [link.split("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]
    assert not [link for link in relative if not (page.parent / link).exists()]
