"""The command line: one module a command; what is heavy is imported when a command runs."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from driftd import __version__
from driftd.cli.act import ack, feedback, maintenance, rebaseline
from driftd.cli.ask import explain, status
from driftd.cli.check import check
from driftd.cli.completion import completion
from driftd.cli.configuration import config
from driftd.cli.detectors import detectors
from driftd.cli.experiment import experiment
from driftd.cli.forget import forget
from driftd.cli.generate import generate
from driftd.cli.imports import import_
from driftd.cli.incident_report import report
from driftd.cli.options import examples
from driftd.cli.receive import receive
from driftd.cli.reference import reference
from driftd.cli.replay import demo, replay
from driftd.cli.run import run
from driftd.cli.strict import strict
from driftd.core.errors import DriftdError

INTERRUPTED = 130


class ReaderGone(Exception):
    """Standard output was closed by its reader, as ``head`` does."""


class Commands(click.Group):
    """click takes an output that was closed for a failure (1), and does not say of what."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _reader_may_go():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _reader_may_go():
            return super().invoke(ctx)


@contextmanager
def _reader_may_go() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as e:
        poll = select.poll()  # not every pipe that breaks is the one to our reader
        poll.register(1, 0)
        if poll.poll(0):
            raise ReaderGone from e
        raise


@click.group(
    name="driftd",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True},
    epilog=examples(
        ("driftd demo", "find drift in real data, without Kafka"),
        ("driftd run --bootstrap-servers broker1:9092 --topic predictions", "watch a topic; models are discovered"),
        ("driftd check --config driftd.yaml", "what driftd would watch and detect"),
        ("driftd replay --events last-week.parquet --reference-events 20000", "what driftd would have found"),
    ),
)
@click.option("--debug", is_flag=True, help="Show where in the code an error came from.")
@click.version_option(__version__, prog_name="driftd", message="%(prog)s %(version)s")
def cli(debug: bool) -> None:
    """Watch machine-learning models in production: prediction events from Kafka in, drift to Prometheus out.

    All times are UTC. Exit codes: 0 done or drained (also when drift was found), 1 a bug, 2 configuration or usage,
    3 Kafka or a file out of reach, 4 state unusable, 5 the loop stood still.
    """


@cli.command()
def version() -> None:
    """Print the version."""
    click.echo(f"driftd {__version__}")


for command in (
    *(run, receive, check, status, explain, experiment, report, rebaseline, maintenance, ack, feedback),
    *(demo, replay, reference, import_, forget, detectors, config, completion, generate),
):
    cli.add_command(command)
strict(cli)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits with its code."""
    words = sys.argv[1:] if arguments is None else arguments
    # Before numpy is imported. A thread of OpenBLAS waits for the others at full speed, so on a busy machine a product
    # of matrices that takes 3 ms took 0.7 s, in which the loop stands still.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        code = cli.main(words, prog_name="driftd", standalone_mode=False)
    except DriftdError as e:
        if "--debug" in words:
            raise
        click.echo(str(e), err=True)
        code = e.exit_code
    except click.ClickException as e:
        e.show()
        code = e.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except ReaderGone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python reports it once more when it flushes at exit
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
