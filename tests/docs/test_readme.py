"""README and docs hold: what they quote is what the demo and `driftd check` print, and links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import find_free_port

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
DATA = ROOT / "driftd" / "data"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def driftd(*words: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "driftd", *words], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout + ran.stderr


def quoted(page: str) -> list[list[str]]:
    """The lines of each block of output, without those that mark what is left out."""
    blocks = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    return [[line for line in block.splitlines() if line.strip() not in {"...", ""}] for block in blocks]


def missing(lines: list[str], output: str) -> list[str]:
    """Those that the output does not have, in this order."""
    printed = iter([line.rstrip() for line in output.splitlines()])
    return [line for line in lines if line not in printed]


@pytest.fixture(scope="module")
def demo() -> str:
    port = find_free_port()
    return driftd("demo", "--exit", "--listen", f"127.0.0.1:{port}").replace(f"127.0.0.1:{port}", "127.0.0.1:9477")


def test_the_demo_pages_for_missing_weather_and_makes_tickets_of_new_places_and_of_the_summer(demo: str) -> None:
    assert re.search(r"ticket +flight-delay: dest: new value 0% -> 0.22%", demo)
    assert re.search(r"PAGE +flight-delay: temp, wind_speed, precip, visib changed", demo)
    assert re.search(r"temp +\S+ \S+ +.*gradual", demo)
    assert not re.search(r"\(gradual\)", demo)
    pages = re.search(r"(\d+) pages, ", demo)
    assert pages is not None
    assert demo.count("(missing)") >= int(pages[1]) - 1


def test_what_readme_quotes_is_in_the_demos_output_in_this_order(demo: str) -> None:
    (lines,) = quoted(README)
    assert not missing(lines, demo)


def test_what_the_commands_page_quotes_of_a_replay_is_what_the_demo_prints(demo: str) -> None:
    _, lines = quoted(COMMANDS)
    assert not missing(lines, demo)


def test_what_the_commands_page_quotes_of_check_is_what_it_says_of_the_flights(tmp_path: Path) -> None:
    mine = ("--config", str(DATA / "demo.yaml"), "--state-dir", str(tmp_path))
    columns = ("--time", "ts", "--prediction", "prediction", "--score", "proba", "--label", "label")
    events = ("--events", str(DATA / "flights.parquet"), "--model", "flight-delay", *columns)
    driftd("reference", "build", "flight-delay", *events, "--first", "24951", *mine)
    lines, _ = quoted(COMMANDS)
    assert not missing(lines, driftd("check", "--offline", *mine))


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
