"""`driftd config`: the settings in force and where they came from."""

from __future__ import annotations

from typing import Any

import click

from driftd.cli import options
from driftd.cli.output import json, table


@click.command(
    short_help="Show every setting with its value and origin.",
    epilog=options.examples(
        ("driftd config", "every setting, its value, and the file's line, variable or flag it came from"),
        ("DRIFTD_WINDOWS__HOPS=6 driftd config --given", "only what somebody set"),
    ),
)
@options.settings("bootstrap_servers", "topic", "group_id")
@click.option("--given", "only_given", is_flag=True, help="Leave out what has its default.")
@options.output
def config(output: str, only_given: bool, **given: Any) -> None:
    """Show every setting with its value and its origin; the broker is not asked. Secrets are masked."""
    rows = [row for row in options.load(given).rows() if not only_given or row[2] != "default"]
    if output == "json":
        json([{"setting": setting, "value": value, "origin": origin} for setting, value, origin in rows])
    else:
        table(("setting", "value", "from"), rows)
