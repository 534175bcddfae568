"""`driftd generate`, hidden: for those who change driftd itself."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from driftd.cli import options
from driftd.cli.output import print_line


@click.command(
    hidden=True,
    epilog=options.examples(
        ("driftd generate", "renew every file that is not up to date"),
        ("driftd generate docs --check", "say which pages are not, and change nothing"),
    ),
)
@click.argument("parts", nargs=-1, metavar="[docs|dashboard|rules|chart]...")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where a file is not up to date.")
@click.option("--root", type=click.Path(path_type=Path), default=Path(), help="Top of a checkout of driftd.")
def generate(parts: tuple[str, ...], check: bool, root: Path) -> None:
    """Renew docs tables, dashboard and rules from the catalogue of metrics and the registry of detectors."""
    from driftd.generate import PARTS, outdated  # noqa: PLC0415

    if unknown := set(parts) - PARTS.keys():
        raise click.BadParameter(f"expected {', '.join(PARTS)}, got {', '.join(sorted(unknown))}", param_hint="parts")
    found = outdated(root, parts or PARTS)
    for path, text in found.items():
        print_line(f"{path}: not up to date" if check else f"{path}: renewed")
        if not check:
            path.write_text(text, encoding="utf-8")
    if check and found:
        sys.exit(1)
