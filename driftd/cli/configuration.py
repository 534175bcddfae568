"""`driftd config`: the settings in force and their origins."""

from __future__ import annotations

from typing import Any

import click

from driftd.cli import options
from driftd.cli.output import print_json, print_line, print_table


@click.command(
    short_help="Show every setting with its value and origin.",
    epilog=options.examples(
        ("driftd config", "every setting with its value and the line, variable or flag that set it"),
        ("DRIFTD_WINDOWS__HOPS=6 driftd config --given", "only settings that somebody set"),
    ),
)
@options.settings("bootstrap_servers", "topic", "group_id")
@click.option("--given", "only_given", is_flag=True, help="Leave out settings at their defaults.")
@options.output
def config(output: str, only_given: bool, **given: Any) -> None:
    """Show every setting with its value and its origin, without contacting the broker. Secrets are masked."""
    rows = [row for row in options.load(given).rows() if not only_given or row[2] != "default"]
    if output == "json":
        print_json([{"setting": setting, "value": value, "origin": origin} for setting, value, origin in rows])
    elif rows:
        print_table(("setting", "value", "from"), rows)
    else:
        print_line("Every setting has its default.")
