"""A command line that refuses a second value of an option that takes one: it would take the first one's place."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click


def strict(command: click.Command) -> click.Command:
    """The command and those in it."""
    make = command.make_parser

    def make_parser(ctx: click.Context) -> Any:
        parser = make(ctx)
        parse = parser.parse_args

        def parse_args(args: list[str]) -> Any:
            values, rest, order = parse(args)
            for given, times in Counter(order).items():
                if times > 1 and takes_one(given) and not ctx.resilient_parsing:
                    raise click.UsageError(f"{given.opts[0]}: given {times} times, and takes one value", ctx)
            return values, rest, order

        parser.parse_args = parse_args  # type: ignore[method-assign]  # nothing else of click says how often
        return parser

    command.make_parser = make_parser  # type: ignore[method-assign]
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        strict(inner)
    return command


def takes_one(given: click.Parameter) -> bool:
    return isinstance(given, click.Option) and not (given.multiple or given.is_flag or given.count)
