"""`driftd report INCIDENT`: an incident as one file, for a ticket, a mail or a review."""

from __future__ import annotations

from pathlib import Path

import click

from driftd.cli import options
from driftd.cli.ask import address, asked, fetched
from driftd.cli.output import print_line
from driftd.core.errors import ConfigError
from driftd.core.text import clean


@click.command(
    epilog=options.examples(
        ("driftd status", "names the open incidents with their ids"),
        ("driftd report 09d7b9ff0eb6227c -o report.html", "what is on the incident's page, in one file"),
    )
)
@click.argument("incident")
@click.option(
    "-o", "--output", "file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    default=Path("report.html"), help="The file to write.",
)  # fmt: skip
@address
def report(incident: str, file: Path, url: str) -> None:
    """Write INCIDENT of a running driftd to one HTML file that needs no other file and no network."""
    found = asked(url, "/api/v1/incident", id=incident)
    body = fetched(url, "/report", id=incident)
    try:
        file.write_bytes(body)
    except OSError as e:
        raise ConfigError(f"{file}: {e.strerror}") from e
    print_line(f"{file}: {clean(found['incident']['sentence'], 300)}")
