"""Tutorial and how-tos: what they show is what happens, and their commands exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import click
import pytest

from driftd.cli import cli
from driftd.config import load

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = [DOCS / "tutorial.md", DOCS / "troubleshooting.md", DOCS / "incident-playbook.md"]
PAGES.extend(sorted((DOCS / "how-to").glob("*.md")))
RUNBOOKS: Final = sorted((ROOT / "alert_rules" / "runbooks").glob("*.md"))
each_page = pytest.mark.parametrize("page", [*PAGES, *RUNBOOKS], ids=lambda page: page.stem)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def run(*words: str | Path, cwd: Path, text: str | None = None) -> str:
    done = subprocess.run([str(w) for w in words], cwd=cwd, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_tutorial_s_first_page_comes_as_it_says(tmp_path: Path) -> None:
    (tmp_path / "events.py").write_text(blocks(DOCS / "tutorial.md", "python")[0])
    run(sys.executable, "events.py", cwd=tmp_path)
    command, _, shown = blocks(DOCS / "tutorial.md", "console")[0].partition("\n")
    words = shlex.split(command)[2:]
    assert run(sys.executable, "-m", "driftd", *words, cwd=tmp_path) == shown


def commands(page: Path) -> list[list[str]]:
    """Each line of a code block, or piece of code in a sentence, that calls driftd."""
    text = page.read_text()
    lines = re.findall(r"^(?:    |\$ )(driftd .*)$", text, re.MULTILINE)
    lines += [line for block in blocks(page, "sh") for line in block.splitlines() if line.startswith("driftd ")]
    lines += re.findall(r"`(driftd [a-z][^`\n]*)`", text)
    return [shlex.split(re.split(r" [>|#] ", line.partition("  #")[0])[0])[1:] for line in lines]


def parsed(words: list[str]) -> None:
    """Raises ClickException where there is no such command or option."""
    command: click.Command = cli
    context = click.Context(cli, info_name="driftd")
    while isinstance(command, click.Group) and words:
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
        context = click.Context(command, info_name=name, parent=context)
    if words:
        command.parse_args(context, [*words])


@each_page
def test_commands_exist_with_their_options(page: Path) -> None:
    for words in commands(page):
        parsed(words)


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for wrong in (["replya"], ["replay", "--event", "x"], ["generate", "rule"], ["generate", "rules", "--format", "x"]):
        with pytest.raises(click.ClickException):
            parsed(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_configurations_are_valid(page: Path, tmp_path: Path) -> None:
    """Those of driftd.yaml; values of the chart are tests/deploy's, and manifests of others are theirs."""
    for text in blocks(page, "yaml"):
        if page.stem not in {"kubernetes", "rollouts"}:
            file = tmp_path / "driftd.yaml"
            file.write_text(text.replace("/etc/driftd", str(tmp_path)))
            for secret in re.findall(r"/etc/driftd/([\w.-]+)", text):
                (tmp_path / secret).write_text("secret")
                (tmp_path / secret).chmod(0o600)
            load(file, env={})
