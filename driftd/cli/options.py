"""Options that several commands share, and the configuration that they give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from driftd.decode.fields import PARTS

if TYPE_CHECKING:
    from driftd.config import Loaded
    from driftd.decode.tabular.layout import Layout

F = TypeVar("F", bound=Callable[..., Any])

_SETTINGS: Final[Mapping[str, tuple[str, str, Mapping[str, Any]]]] = {
    "bootstrap_servers": ("--bootstrap-servers", "kafka.bootstrap_servers", {"metavar": "HOST:PORT[,...]"}),
    "topic": ("--topic", "kafka.topics", {"metavar": "TOPIC", "multiple": True}),
    "group_id": ("--group-id", "kafka.group_id", {"metavar": "NAME"}),
    "start": ("--start", "kafka.start", {"type": click.Choice(["latest", "earliest"])}),
    "state_dir": ("--state-dir", "state.directory", {"metavar": "DIR"}),
    "listen": ("--listen", "http.listen", {"metavar": "HOST:PORT"}),
    "log_level": ("--log-level", "log.level", {"type": click.Choice(["debug", "info", "warning", "error"])}),
    "log_format": ("--log-format", "log.format", {"type": click.Choice(["text", "json"])}),
    "findings_to": ("--findings", "findings.path", {"metavar": "FILE"}),
    "false_alarms": (
        "--false-alarms-per-month",
        "alarms.false_alarms_per_month",
        {"metavar": "F", "type": click.FloatRange(0, 1e6, min_open=True)},
    ),
    "reference_events": ("--reference-events", "learning.events", {"metavar": "N", "type": click.IntRange(1)}),
}
_HELP: Final = {
    "bootstrap_servers": "Brokers to connect to first.",
    "topic": "Topic with prediction events; repeatable.",
    "group_id": "Consumer group.",
    "start": "Where to start a partition without a checkpoint or committed offset.",
    "state_dir": "Folder of checkpoints and references.",
    "listen": "Address of /metrics and the web pages.",
    "log_level": "Lowest level that is logged.",
    "log_format": "Log lines for people or for machines.",
    "findings_to": "Append findings to this file, one JSON object a line.",
    "false_alarms": "Budget: false pages a month that you accept, for all models together.",
    "reference_events": "Learn the reference from the first N events of each model.",
}
output = click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", help="For people or for scripts."
)


def examples(*lines: tuple[str, str]) -> str:
    """The end of a help page; the escape keeps click from filling the lines."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}\n      {what}" for command, what in lines)


def settings(*names: str) -> Callable[[F], F]:
    """--config, --set and those of the table above that the command takes."""

    def decorate(command: F) -> F:
        for name in reversed(names):
            option, _, more = _SETTINGS[name]
            command = click.option(option, name, default=None, help=_HELP[name], **more)(command)
        command = click.option(
            "--set", "set_", metavar="KEY=VALUE", multiple=True, help="Any setting, such as windows.hops=6."
        )(command)
        return click.option("--config", "config_file", metavar="FILE", help="Default: driftd.yaml, if it exists.")(
            command
        )

    return decorate


def _one(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> str | None:
    """The file; a second one would silently take the first one's place."""
    if len(values) > 1:
        raise click.BadParameter(
            f"given {len(values)} times; give one file. JSON lines are joined by: cat A B | driftd ... --events -"
        )
    return values[0] if values else None


def events(command: F) -> F:
    """--events, or --topic with --from and --to: the history that a command reads."""
    for option in (
        click.option("--to", metavar="TIME", help="End of the range; not included."),
        click.option(
            "--from", "from_", metavar="TIME", help="Start of the range: 2026-11-23T06:00:00Z, -2h, offset:N."
        ),
        click.option("--topic", metavar="TOPIC", multiple=True, help="Instead of --events: a topic; repeatable."),
        click.option(
            "--events",
            metavar="FILE",
            multiple=True,
            callback=_one,
            help="JSON lines, CSV or Parquet (.gz, .zst too), or a folder of Parquet files; - is standard input.",
        ),
    ):
        command = option(command)
    return command


def spark(command: F) -> F:
    """--spark: who counts the history."""
    return click.option(
        "--spark",
        metavar="MASTER",
        help="Count Parquet on Spark: local[4], spark://HOST:PORT, or submitted: as spark-submit says (docs/spark.md).",
    )(command)


def columns(command: F) -> F:
    """--model, --time, ... --ignore: what the columns of a flat file mean."""
    ignore = click.option("--ignore", metavar="COLUMN", multiple=True, help="Column that is not a feature; repeatable.")
    command = ignore(command)
    for part in reversed(PARTS):
        command = click.option(f"--{part.option}", f"column_{part.name}", metavar="COLUMN", help=part.help)(command)
    return command


def layout_of(given: dict[str, Any]) -> Layout | None:
    """Takes the options of ``columns`` out of ``given``; None where none was used."""
    from driftd.decode.tabular.layout import Layout  # noqa: PLC0415

    asked = {part.name: given.pop(f"column_{part.name}") for part in PARTS}
    layout = Layout({name: column for name, column in asked.items() if column}, given.pop("ignore"))
    return None if layout == Layout() else layout


def load(
    given: Mapping[str, Any], extra: Mapping[str, tuple[str, Any]] | None = None, *, secrets: bool = True
) -> Loaded:
    """The configuration of the options in ``given``; ``extra`` are further settings with the option they came from."""
    from driftd import config  # noqa: PLC0415  pydantic takes 0.2 s to import

    flags = {}
    for name, (option, setting, _) in _SETTINGS.items():
        value = given.get(name)
        if value not in (None, ()):
            flags[setting] = config.Flag(option, list(value) if isinstance(value, tuple) else value)
    for setting, (option, value) in (extra or {}).items():
        flags[setting] = config.Flag(option, value)
    for pair in given.get("set_", ()):
        key, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter("expected KEY=VALUE, such as windows.hops=6", param_hint="--set")
        flags[key.strip()] = config.Flag(f"--set {key.strip()}", value)
    return config.load(given.get("config_file"), flags=flags, secrets=secrets)
