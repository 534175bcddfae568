"""Output: aligned text with colour on terminals only, JSON for scripts, progress on standard error."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import IO, TYPE_CHECKING, Any, Final

import click

from driftd.core.text import clean, jsonable

if TYPE_CHECKING:
    from rich.console import Console

    from driftd.sources.files.stream import Progress

_PLAIN_WIDTH: Final = 240
_PAGE_WIDTH: Final = 100
_PLAIN_EVERY_SECONDS: Final = 10.0
STATUS_STYLES: Final = {"OK": "green", "LEARNING": "cyan", "WARNING": "yellow", "DRIFT": "bold red"}


def colourful(stream: IO[str]) -> bool:
    """A terminal, and nobody asked for no colour (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def console(*, err: bool = False, whole: bool = False) -> Console:
    """A rich console that never takes data for markup, and does not cut lines where there is no terminal, nor breaks
    them where they are to be ``whole``.
    """
    from rich.console import Console  # noqa: PLC0415  0.1 s that `driftd --help` need not wait

    stream = sys.stderr if err else sys.stdout
    return Console(
        file=stream,
        no_color=not colourful(stream),
        markup=False,
        highlight=False,
        emoji=False,
        width=None if stream.isatty() else _PAGE_WIDTH if any(_WRAPPED) and not whole else _PLAIN_WIDTH,
    )


_TO_STDERR: list[bool] = []
_WRAPPED: list[bool] = []


@contextmanager
def wrapped() -> Iterator[None]:
    """Lines and tables keep to the width of the terminal, or to 100 columns where there is none."""
    _WRAPPED.append(True)
    try:
        yield
    finally:
        _WRAPPED.pop()


def _broken(text: str) -> str:
    """In lines of the width, each as far in as the first."""
    lead = " " * (len(text) - len(text.lstrip()))
    return textwrap.fill(text, console().width, subsequent_indent=lead, break_long_words=False, break_on_hyphens=False)


@contextmanager
def to_stderr(*, when: bool) -> Iterator[None]:
    """Lines and tables go to standard error ``when`` standard output is for data."""
    _TO_STDERR.append(when)
    try:
        yield
    finally:
        _TO_STDERR.pop()


def print_line(text: str = "", style: str | None = None, *, err: bool = False) -> None:
    err = err or any(_TO_STDERR)
    stream = sys.stderr if err else sys.stdout
    text = _broken(text) if any(_WRAPPED) and text else text
    if style is None or not colourful(stream):
        click.echo(text, err=err)
    else:
        console(err=err).print(text, style=style, soft_wrap=True)


def print_json(value: Any) -> None:
    click.echo(json.dumps(jsonable(value), indent=2, ensure_ascii=False, default=str))


def print_table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    indent: int = 0,
    most: Sequence[int | None] = (),
    *,
    whole: bool = False,
) -> None:
    """Columns under bold heads, ``most`` characters wide; the last one takes what room is left. ``whole``: a line a row
    where there is no terminal.
    """
    from rich.padding import Padding  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name, width in zip_longest(header, most):
        shown.add_column(Text(name), overflow="fold", max_width=width)
    for row in rows:
        shown.add_row(*(Text(clean(cell, 400), style=STATUS_STYLES.get(cell, "")) for cell in row))
    err = any(_TO_STDERR)
    target = console(err=err, whole=whole)
    with target.capture() as capture:
        target.print(Padding(shown, (0, 0, 0, indent)))
    for text in capture.get().splitlines():
        click.echo(text.rstrip(), err=err, color=colourful(sys.stderr if err else sys.stdout))


class Bar:
    """Progress: a bar on a terminal, else a line every ten seconds."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._rich: Any = None
        self._task: Any = None
        self._shown_at = time.monotonic()

    @contextmanager
    def shown(self) -> Iterator[Bar]:
        if not sys.stderr.isatty():
            yield self
            return
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415

        self._rich = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[count]}"),
            TimeRemainingColumn(),
            console=console(err=True),
            transient=True,
        )
        self._task = self._rich.add_task(self.title, total=None, count="")
        with self._rich:
            yield self

    def update(self, progress: Progress) -> None:
        count = f"{progress.done:,} {progress.unit}" if progress.unit != "bytes" else f"{progress.done / 1e6:,.1f} MB"
        if self._rich is not None:
            self._rich.update(self._task, completed=progress.done, total=progress.total, count=count)
        elif time.monotonic() - self._shown_at >= _PLAIN_EVERY_SECONDS:
            self._shown_at = time.monotonic()
            share = f" ({progress.done / progress.total:.0%})" if progress.total else ""
            click.echo(f"{self.title}: {count}{share}", err=True)

    def stop(self) -> None:
        """Takes the bar away for good."""
        if self._rich is not None:
            self._rich.stop()

    def above(self, text: str, style: str = "") -> None:
        """A line of output that stays, above the bar."""
        if self._rich is not None and sys.stdout.isatty():
            from rich.text import Text  # noqa: PLC0415

            self._rich.console.print(Text(text, style=style), soft_wrap=True)
        else:
            print_line(text, style or None)
