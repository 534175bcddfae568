"""Every command of driftd in the documentation has options that it has, and every configuration is one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import pytest
import yaml

from driftd.cli import cli
from driftd.config.settings import Settings

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK: Final = re.compile(r"^```(?:sh|console|text)\n(.*?)^```|^((?:    [^\n]*\n)+)", re.MULTILINE | re.DOTALL)
_SETTINGS: Final = Settings.model_fields.keys() - {"receive"}  # which values of the chart have, too
_GIVEN: Final = re.compile(r"\.\.\.|<[a-z]|[A-Z]{3,}\b.*\|")
"""What stands for something else: such a line is no command yet."""


def commands(page: Path) -> Iterator[str]:
    """Lines that begin with driftd, joined where a backslash ends them; up to a pipe, or a comment."""
    for fenced, indented in _BLOCK.findall(page.read_text()):
        text = re.sub(r"\\\n\s*", " ", fenced or indented)
        for line in text.splitlines():
            found = re.match(r"\s*(?:\$ )?driftd +(\S.*)", line)
            if found is not None:
                command = re.split(r"\s+(?:#|\||&&|>|;|2>)", found[1])[0]
                if not _GIVEN.search(command):
                    yield command


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_commands_have_options_that_exist(page: Path) -> None:
    for line in commands(page):
        words = shlex.split(line)
        command: click.Command = cli
        name = "driftd"
        while isinstance(command, click.Group):
            assert words, line
            if words[0].startswith("-"):
                break
            name = words.pop(0)
            assert name in command.commands, line
            command = command.commands[name]
        known = {text for p in command.params for text in (*p.opts, *p.secondary_opts)} | {"--help", "-h", "--version"}
        used = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
        assert set(used) <= known, line


def configurations(page: Path) -> Iterator[dict[str, Any]]:
    """What has a setting of driftd in it: others are of Kubernetes, Prometheus or Flagger."""
    for text in re.findall(r"^```ya?ml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        for document in yaml.safe_load_all(text):
            if isinstance(document, dict) and document.keys() & _SETTINGS and "apiVersion" not in document:
                yield document


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "how-to").glob("*.md")), ids=lambda path: path.stem)
def test_configurations_of_how_tos_are_valid_by_their_shape(page: Path) -> None:
    for document in configurations(page):
        Settings.model_validate(document)


def test_there_are_commands_and_configurations_to_look_at() -> None:
    assert sum(len([*commands(page)]) for page in PAGES) > 150
    assert sum(len([*configurations(page)]) for page in PAGES) > 30
