"""`driftd forget`: takes a model out of the state directory, or has all members of a group forget it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftd.cli import options
from driftd.cli.act import do
from driftd.cli.ask import URL
from driftd.cli.output import print_json, print_line
from driftd.core.text import clean, did_you_mean, plural

if TYPE_CHECKING:
    from driftd.engine.forget import Forgotten


@click.command(
    epilog=options.examples(
        ("driftd forget fraud", "its references, episodes and counters are removed; driftd must not run"),
        ("driftd forget fraud --state-dir /var/lib/driftd", "in another state directory"),
        (
            "driftd forget fraud --url http://driftd-0:9477 --because retired",
            "by all members of a group, while they run",
        ),
    )
)
@click.argument("model")
@click.option(
    "--url",
    metavar="URL",
    default="",
    show_default=False,
    help=f"Any running member of a group; with members.enabled {URL}.",
)
@click.option("--because", metavar="TEXT", default="", show_default=False, help="Why, for the log of the members.")
@click.option(
    "--as", "as_", metavar="NAME", default="", show_default=False, help="Who you are, for the log of the members."
)
@options.settings("state_dir")
@options.output
def forget(model: str, url: str, because: str, as_: str, output: str, **given: Any) -> None:
    """Remove MODEL from the state directory, or from all members of a group, for good.

    Exit code 4 while a daemon uses the directory. Members that share models must run: any of them is asked, with
    --because. If events of the model come again, it is learned anew.
    """
    from driftd.core.errors import ConfigError  # noqa: PLC0415
    from driftd.engine.forget import StateDirectory  # noqa: PLC0415
    from driftd.engine.lock import locked  # noqa: PLC0415

    settings = options.load(given).settings
    folder = Path(settings.state.directory)
    if url or settings.members.enabled:
        do(url or URL, output, ("do", "forget"), ("model", model), ("because", because), ("as", as_))
        return
    if because or as_:
        raise click.UsageError(
            "--because and --as are for the log of members: a state directory has none; leave them out"
        )
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such state directory (state.directory, --state-dir)")
    with locked(folder):
        state = StateDirectory(folder)
        if model not in state.models:
            there = did_you_mean(model, state.models) if state.models else ": there are no models"
            raise ConfigError(f"{folder}: no model '{clean(model)}'{there}")
        told = state.forget(model)
    if output == "json":
        print_json(fields(told))
    else:
        print_told(told)


def fields(told: Forgotten) -> dict[str, Any]:
    versions = [r.version for r in told.references]
    return {
        "model": told.model,
        "references": versions,
        "open_episodes": told.open_episodes,
        "predictions": told.predictions,
        "pages": told.pages,
    }


def print_told(told: Forgotten) -> None:
    versions = ", ".join(f"v{r.version}" for r in told.references) or "none stored"
    ended = "; nobody is told that they ended" if told.open_episodes else ""
    print_line(f"{clean(told.model)}: removed from the state directory")
    print_line(f"  references  {versions}")
    print_line(f"  episodes    {told.open_episodes} open{ended}")
    predictions, pages = (
        f"{n:,} {plural(word, n)}" for n, word in ((told.predictions, "prediction"), (told.pages, "page"))
    )
    print_line(f"  counters    {predictions}, {pages}")
