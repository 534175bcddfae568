"""What people do about a running driftd's models: `driftd rebaseline`, `maintenance`, `ack` and `feedback`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from driftd.cli import options
from driftd.cli.ask import address, asked
from driftd.cli.output import print_json, print_line
from driftd.core.text import clean

F = TypeVar("F", bound=Callable[..., Any])


def _text(*names: str, help: str, metavar: str = "TEXT", required: bool = False) -> Callable[[F], F]:  # noqa: A002
    if required:  # with any default, also None, click takes it as given
        return click.option(*names, metavar=metavar, required=True, help=help)
    return click.option(*names, metavar=metavar, default="", show_default=False, help=help)


_name = _text("--as", "as_", metavar="NAME", help="Who you are, for the history.")
_from = _text("--from", "from_", metavar="TIME", help="Start, in UTC; now, -30m and +2h, too.")
_to = _text("--to", metavar="TIME", help="End: as --from.")
_why = "Why, for the history."


@click.command(
    epilog=options.examples(
        ('driftd rebaseline fraud --because "prices in cents"', "the model learns anew from now on"),
        (
            'driftd rebaseline fraud amount --from "2026-12-01 14:20" --because cents',
            "of what came since",
        ),
    )
)
@click.argument("model")
@click.argument("channels", metavar="[CHANNEL]...", nargs=-1)
@_text("--because", help=_why, required=True)
@_from
@_to
@_name
@address
@options.output
def rebaseline(
    model: str, channels: Sequence[str], because: str, from_: str, to: str, as_: str, url: str, output: str
) -> None:
    """Say that what MODEL, or a CHANNEL of it, sends is the new normal.

    What is open on it ends with your reason.
    """
    named = [("channel", channel) for channel in channels]
    do(url, output, ("do", "rebaseline"), ("model", model), ("from", from_), ("to", to), ("because", because),
        ("as", as_), *named)  # fmt: skip


@click.command(
    epilog=options.examples(
        ("driftd maintenance", "the windows that are not over, with their ids"),
        ('driftd maintenance fraud --to +2h --because "planned retrain"', "nothing of fraud rings for two hours"),
        ('driftd maintenance --all --from "2026-12-01 22:00" --to "2026-12-01 23:30" --because release', "of no model"),
        ("driftd maintenance --cancel 3f2a9c01", "it is over now"),
    )
)
@click.argument("model", required=False)
@click.option("--all", "every", is_flag=True, help="All models that there are.")
@_text("--cancel", metavar="ID", help="End a window.")
@_text("--because", help=_why)
@_from
@_to
@_name
@address
@options.output
def maintenance(
    model: str | None, every: bool, cancel: str, because: str, from_: str, to: str, as_: str, url: str, output: str
) -> None:
    """Keep pages and tickets of MODEL from ringing for a while, or list the windows.

    What is found is told and shown all the same; what lasts when the window is over rings then.
    """
    if every and model is not None:
        raise click.UsageError(f"'{clean(model)}' and --all contradict each other: name one model, or give --all")
    if cancel and (every or from_ or to):
        raise click.UsageError("--cancel ends a window by its id: --all, --from and --to say nothing about it")
    if cancel:
        do(url, output, ("do", "cancel"), ("about", cancel), ("model", model or ""), ("because", because), ("as", as_))
    elif model is None and not every:
        if because or from_ or to:
            raise click.UsageError("whose maintenance? name a MODEL, or give --all")
        _list(asked(url, "/api/v1/acts"), output)
    else:
        named = ("all", "1") if every else ("model", model or "")
        do(url, output, ("do", "maintenance"), named, ("from", from_), ("to", to), ("because", because), ("as", as_))


@click.command(
    epilog=options.examples(("driftd ack 5d0c1e7a9b3f2c64 --as anna --note 'looking'", "others see that anna looks"))
)
@click.argument("incident")
@_text("--note", help="What you know or do.")
@_name
@address
@options.output
def ack(incident: str, note: str, as_: str, url: str, output: str) -> None:
    """Say that you look at an INCIDENT."""
    do(url, output, ("do", "acknowledge"), ("about", incident), ("because", note), ("as", as_))


@click.command(
    epilog=options.examples(
        ("driftd feedback 5d0c1e7a9b3f2c64 --real --because 'unit changed upstream'", "the page was right"),
        ("driftd feedback 5d0c1e7a9b3f2c64 --false-alarm", "counted beside the promised budget"),
    )
)
@click.argument("incident")
@click.option("--real", is_flag=True, show_default=False, help="Something was wrong.")
@click.option("--false-alarm", is_flag=True, show_default=False, help="Nothing was wrong.")
@_text("--because", help=_why)
@_name
@address
@options.output
def feedback(incident: str, real: bool, false_alarm: bool, because: str, as_: str, url: str, output: str) -> None:
    """Say whether an INCIDENT was real; driftd counts false ones beside the promised budget."""
    if real == false_alarm:
        raise click.UsageError("was it real? give one of --real and --false-alarm")
    verdict = "real" if real else "false_alarm"
    do(url, output, ("do", "feedback"), ("about", incident), ("verdict", verdict), ("because", because), ("as", as_))


def do(url: str, output: str, *form: tuple[str, str]) -> None:
    """Asks for it, and prints what came of it."""
    from driftd.cli.group import sent  # noqa: PLC0415

    body = sent(url, "/api/v1/act", [field for field in form if field[1]])
    if output == "json":
        print_json(body)
        return
    for line in str(body["done"]).splitlines():
        print_line(clean(line, 400))


def _list(body: dict[str, Any], output: str) -> None:
    from driftd.core.text import minute  # noqa: PLC0415

    if output == "json":
        print_json(body["windows"])
        return
    if not body["windows"]:
        print_line("no maintenance is planned")
    for w in body["windows"]:
        now = " (now)" if w["start"] <= body["time"] < (w["end"] or float("inf")) else ""
        until = "-" if w["end"] is None else minute(w["end"])
        who = f"{clean(w['why'], 200)} ({clean(w['who'], 120)})"
        print_line(f"{w['id']}  {clean(w['model'], 60)}: {minute(w['start'])} to {until}{now}: {who}")
