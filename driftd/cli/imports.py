"""`driftd import`: references from what other platforms keep of a baseline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from driftd.cli import options, references
from driftd.cli.output import print_json, print_line
from driftd.cli.reference import store, write

if TYPE_CHECKING:
    from driftd.migrate.columns import Profile

SOURCES: Final = ("sagemaker", "evidently", "tfdv", "histograms")


@click.command(
    name="import",
    short_help="Make a reference of another platform's baseline.",
    epilog=options.examples(
        ("driftd import sagemaker statistics.json --model fraud --prediction fraud_score", "into the state directory"),
        (
            "driftd import sagemaker statistics.json --constraints constraints.json --model fraud --to-file f",
            "says what becomes of each constraint",
        ),
        ("driftd import evidently report.json --model fraud", "a report of Evidently, saved as JSON"),
        ("driftd import tfdv stats.json --model fraud", "a DatasetFeatureStatisticsList as JSON"),
        ("driftd import histograms baseline.json --model fraud", "of whylogs, or of your own (docs/how-to)"),
    ),
)
@click.argument("source", type=click.Choice(SOURCES))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--model", required=True, metavar="NAME", help="Name of the model, as in the events' field `model`.")
@click.option(
    "--constraints",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="SageMaker's constraints.json.",
)
@click.option("--prediction", metavar="COLUMN", help="Column that is the prediction.")
@click.option("--score", metavar="COLUMN", help="Column that is the score.")
@click.option("--label", metavar="COLUMN", help="Column that is the true label.")
@click.option("--ignore", metavar="COLUMN", multiple=True, help="Column that is not a feature; repeatable.")
@click.option("--from", "from_", metavar="TIME", help="Time of the baseline's first event. Default: the file's.")
@click.option("--to", metavar="TIME", help="Time of its last event. Default: the file's.")
@click.option("--to-file", metavar="FILE", help="Write the reference to this file instead of the store.")
@options.settings("state_dir")
@options.output
def import_(
    source: str,
    file: Path,
    model: str,
    constraints: Path | None,
    ignore: tuple[str, ...],
    from_: str | None,
    to: str | None,
    to_file: str | None,
    output: str,
    prediction: str | None,
    score: str | None,
    label: str | None,
    **given: Any,
) -> None:
    """Make a reference of another platform's baseline: its histograms, and nothing of their order in time.

    Statistics of windows (PSI and others) are compared with it and make tickets; nothing pages. Where you have the
    events or a table of the training data, `driftd reference build` gives all of it.
    """
    from driftd.core.errors import ConfigError  # noqa: PLC0415
    from driftd.core.text import did_you_mean  # noqa: PLC0415
    from driftd.migrate import report  # noqa: PLC0415
    from driftd.migrate.reference import reference_of  # noqa: PLC0415

    profile = _profile(source, file, constraints)
    names = {c.name for c in profile.columns} | profile.left_out.keys()
    roles = {role: name for role, name in (("prediction", prediction), ("score", score), ("label", label)) if name}
    for name in (*roles.values(), *ignore):
        if name not in names:
            raise ConfigError(f"{file}: no column '{name}'{did_you_mean(name, sorted(names))}")
    profile = _without(profile, set(ignore))
    written = file.stat().st_mtime  # it could be read
    first, last = (_time(text, written, option) for text, option in ((from_, "--from"), (to, "--to")))
    reference = reference_of(profile, model, roles, min(first, last), last)
    loaded = options.load(given)
    if to_file is None:
        reference = store(loaded).add(reference)
    else:
        write(Path(to_file), reference)
    said, text = [*report.left(profile)], report.settings(reference, to_file)
    if output == "json":
        fields = {**references.fields(reference), **references.channel_fields(reference)}
        print_json({**fields, "remarks": said, "cannot": report.CANNOT, "settings": text})
        return
    references.print_list([reference])
    print_line()
    references.print_channels(reference)
    print_line()
    for line in said:
        print_line(f"  {line}")
    print_line("The file cannot give:")
    for line in report.CANNOT:
        print_line(f"  {line}")
    print_line("For all of it: driftd reference build, from events or a table of the training data.")
    print_line()
    print_line("In driftd.yaml, for tickets:")
    print_line()
    click.echo(text, nl=False)


def _profile(source: str, file: Path, constraints: Path | None) -> Profile:
    from driftd.core.errors import ConfigError, SourceError  # noqa: PLC0415
    from driftd.migrate import evidently, histograms, sagemaker, tfdv  # noqa: PLC0415
    from driftd.migrate.checks import checked  # noqa: PLC0415
    from driftd.migrate.columns import Unreadable  # noqa: PLC0415

    if constraints is not None and source != "sagemaker":
        raise click.UsageError("--constraints goes with sagemaker")
    try:
        raw = file.read_bytes()
        if source == "sagemaker":
            return checked(sagemaker.profile_of(raw, None if constraints is None else constraints.read_bytes()))
        others = {"evidently": evidently.profile_of, "tfdv": tfdv.profile_of, "histograms": histograms.profile_of}
        return checked(others[source](raw))
    except Unreadable as e:
        raise ConfigError(f"{file}: {e}") from None
    except OSError as e:
        raise SourceError(f"{file}: cannot be read: {e.strerror}") from None


def _without(profile: Profile, ignored: set[str]) -> Profile:
    from dataclasses import replace  # noqa: PLC0415

    columns = [c for c in profile.columns if c.name not in ignored]
    return replace(profile, columns=columns, left_out={n: w for n, w in profile.left_out.items() if n not in ignored})


def _time(text: str | None, default: float, option: str) -> float:
    from driftd.config.values import moment  # noqa: PLC0415

    if text is None:
        return default
    try:
        return moment(text)
    except ValueError as e:
        raise click.BadParameter(str(e), param_hint=option) from None
