"""`driftd run`: the daemon."""

from __future__ import annotations

from typing import Any

import click

from driftd.cli import options


@click.command(
    epilog=options.examples(
        ("driftd run", "with driftd.yaml and DRIFTD_... variables"),
        ("driftd run --bootstrap-servers broker1:9092 --topic predictions", "nothing else is needed"),
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
def run(**given: Any) -> int:
    """Monitor topics until stopped.

    SIGTERM and SIGINT drain, save and commit, then exit 0. SIGHUP or a POST to /-/reload reads the configuration again.
    """
    loaded = options.load(given)
    from driftd.wiring.run import run as run_daemon  # noqa: PLC0415

    return run_daemon(loaded)
