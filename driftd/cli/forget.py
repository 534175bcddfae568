"""`driftd forget`: takes a model out of the state directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftd.cli import options
from driftd.cli.output import print_json, print_line
from driftd.core.text import clean, did_you_mean, plural

if TYPE_CHECKING:
    from driftd.engine.forget import Forgotten


@click.command(
    epilog=options.examples(
        ("driftd forget fraud", "its references, episodes and counters are removed; driftd must not run"),
        ("driftd forget fraud --state-dir /var/lib/driftd", "in another state directory"),
    )
)
@click.argument("model")
@options.settings("state_dir")
@options.output
def forget(model: str, output: str, **given: Any) -> None:
    """Remove MODEL from the state directory, for good.

    Exit code 4 while a daemon uses the directory. If events of the model come again, it is learned anew.
    """
    from driftd.core.errors import ConfigError  # noqa: PLC0415
    from driftd.engine.forget import StateDirectory  # noqa: PLC0415
    from driftd.engine.lock import locked  # noqa: PLC0415

    settings = options.load(given).settings
    folder = Path(settings.state.directory)
    if settings.members.enabled:
        raise ConfigError(
            "members.enabled: members keep their state in topics, and nothing is removed from there; a model that "
            "sends nothing leaves /metrics by itself (windows.retire_seconds)"
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
