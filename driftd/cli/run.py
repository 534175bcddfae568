"""`driftd run`: the daemon."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from driftd.cli import options


@click.command(
    epilog=options.examples(
        ("driftd run", "with driftd.yaml and DRIFTD_... variables"),
        ("driftd run --bootstrap-servers broker1:9092 --topic predictions", "nothing else is needed"),
        ("driftd run --members 4", "four processes that share the partitions and the models"),
        ("driftd run --set windows.window_seconds=1h --set kafka.assignor=cooperative-sticky", "any other setting"),
    )
)
@options.settings(
    "bootstrap_servers",
    "topic",
    "group_id",
    "start",
    "state_dir",
    "listen",
    "log_level",
    "log_format",
    "findings_to",
    "false_alarms",
)
@click.option(
    "--members",
    metavar="N",
    type=click.IntRange(1, 64),
    help="So many processes in one group, on ports one after the other (docs/members.md).",
)
def run(members: int | None, **given: Any) -> int:
    """Monitor topics until stopped.

    SIGTERM and SIGINT drain, save and commit, then exit 0. SIGHUP or a POST to /-/reload reads the configuration again.
    """
    loaded = options.load(given)
    if members is not None:
        from driftd.wiring.members import Members  # noqa: PLC0415

        return Members(loaded.settings, without_members(sys.argv[1:]), members).run()
    from driftd.wiring.run import run as run_daemon  # noqa: PLC0415

    return run_daemon(loaded)


def without_members(arguments: Sequence[str]) -> list[str]:
    """The command line of one of them."""
    out: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--members":
            next(words, None)
        elif not word.startswith("--members="):
            out.append(word)
    return out
