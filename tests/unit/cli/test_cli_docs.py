"""docs/cli.md names every command with its options, and nothing that is not there."""

import re
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click

from driftd.cli import cli

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()


def commands(group: click.Group = cli, prefix: str = "driftd") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def test_every_command_has_its_section_with_its_help_its_options_and_its_examples() -> None:
    sections = dict(re.findall(r"^## (driftd .*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
    assert list(sections) == [name for name, _ in commands()]
    for name, command in commands():
        text = sections[name]
        context = click.Context(command, info_name=name)
        assert text.startswith(f"\n{cleandoc(command.help or '')}\n")
        options = [p.get_help_record(context) for p in command.params if isinstance(p, click.Option)]
        rows = [
            f"| `{o.replace('|', chr(92) + '|')}` | {help_.replace('|', 'or')} |" for o, help_ in filter(None, options)
        ]
        assert re.findall(r"^\| `.*", text, re.MULTILINE) == rows
        examples = re.findall(r"^  (\S.*)\n      (.*)", command.epilog or "", re.MULTILINE)
        assert all(f"$ {line}   # {what}\n" in text for line, what in examples)
