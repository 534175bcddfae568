"""`driftd reference`: builds, shows and lists references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftd.cli import options, references
from driftd.cli.output import Bar, print_json, print_line
from driftd.cli.replay import Listener, opened
from driftd.core.text import clean, did_you_mean, minute

if TYPE_CHECKING:
    from driftd.config import Loaded
    from driftd.core.errors import ConfigError
    from driftd.core.reference import Exclusion, Reference
    from driftd.engine.store import ReferenceStore
    from driftd.replay.drivers import Built, Replayed


@click.group(
    short_help="Build, show and list references.",
    epilog=options.examples(
        ("driftd reference build fraud --events last-month.parquet --time ts", "into the state directory"),
        (
            "driftd reference build --topic predictions --from -7d --to -1d",
            "of every model, from a time range of a topic",
        ),
        ("driftd reference show fraud", "the newest, channel by channel"),
        ("driftd reference list", "all versions of all models"),
    ),
)
def reference() -> None:
    """Build, show and list references, which drift is judged against."""


@reference.command(
    epilog=options.examples(
        (
            "driftd reference build --events february.csv --model flights --time ts --prediction late",
            "from a flat file",
        ),
        ("driftd reference build fraud --events all.jsonl --first 50000", "only this model, from its first events"),
        ("driftd reference build fraud --events a.parquet --to-file fraud.reference", "for models[].reference.path"),
        (
            "driftd reference build fraud --events q4.parquet --kind seasonal --exclude 2026-12-24/2026-12-27",
            "compares with the same hours of the week; leaves Christmas out",
        ),
        (
            "driftd reference build fraud --events 's3a://bucket/events/*.parquet' --first 200000 --spark submitted",
            "from the first events of a history on a cluster",
        ),
    )
)
@click.argument("models", nargs=-1)
@options.settings("bootstrap_servers", "state_dir")
@options.events
@click.option("--first", type=click.IntRange(1), metavar="N", help="Only the first N events of each model.")
@click.option(
    "--kind",
    type=click.Choice(["fixed", "rolling", "seasonal"]),
    help="Compare windows with the whole reference, the period before, or the same hours of the week.",
)
@click.option(
    "--exclude", multiple=True, metavar="FROM/TO", help="Leave out this time range (TO not included); repeatable."
)
@click.option("--reason", default="", metavar="TEXT", help="Reason for building it; stored with the reference.")
@click.option("--to-file", metavar="FILE", help="Write the reference to this file instead of the store (one model).")
@options.spark
@options.columns
@options.output
def build(
    models: tuple[str, ...],
    first: int | None,
    kind: str | None,
    exclude: tuple[str, ...],
    reason: str,
    to_file: str | None,
    output: str,
    **given: Any,
) -> None:
    """Build the reference of MODELS (default: of all) and store it as the next version.

    The report names the regime and rhythm of each channel, how much the reference's own windows differ, the kind of
    reference that fits, and how many weeks the judge lacks for dependent ones. A running driftd uses the new version
    after a reload (SIGHUP).
    """
    from driftd.cli import reports  # noqa: PLC0415
    from driftd.core.errors import ConfigError  # noqa: PLC0415
    from driftd.core.reference import ReferenceKind  # noqa: PLC0415
    from driftd.replay import drivers  # noqa: PLC0415
    from driftd.wiring.app import pipeline_of  # noqa: PLC0415

    exclusions = tuple(_exclusion(text) for text in exclude)
    (loaded,), events = opened(given)
    bar = Bar("driftd reference build")
    listener = _Listener(bar)
    with bar.shown():
        pipeline = pipeline_of(loaded.settings, events.codec, shown=False)
        built = drivers.build_references(
            pipeline,
            events,
            models=models,
            first=first,
            reason=reason,
            listener=listener,
            kind=ReferenceKind(kind) if kind else None,
            exclude=exclusions,
        )
    for text in listener.told:
        print_line(text, err=True)
    if not built:
        raise ConfigError(f"{events.name}: no usable events to learn from")
    built = _keep(built, loaded, to_file)
    if output == "json":
        print_json([references.profile_fields(one) for one in built])
        return
    references.print_list([one.reference for one in built])
    for one in built:
        print_line()
        references.print_profile(one)
        reports.refused(one.refused)


class _Listener(Listener):
    """``told``: what of the events could not be used, if there is anything."""

    told: tuple[str, ...] = ()

    def done(self, result: Replayed) -> None:
        if result.accounts.accepted < result.accounts.read:
            self.told = (*result.remarks, str(result.accounts))


def _keep(built: list[Built], loaded: Loaded, to_file: str | None) -> list[Built]:
    """Stores the references, or writes the only one to the file; returns them with the versions that they got."""
    if to_file is None:
        stored = store(loaded)
        return [replace(one, reference=stored.add(one.reference)) for one in built]
    if len(built) > 1:
        raise click.UsageError(f"--to-file takes one model, the events have {len(built)}; name one of them")
    write(Path(to_file), built[0].reference)
    return built


def _exclusion(text: str) -> Exclusion:
    from pydantic import ValidationError  # noqa: PLC0415

    from driftd import config  # noqa: PLC0415
    from driftd.config.values import stretch  # noqa: PLC0415
    from driftd.core.reference import Exclusion  # noqa: PLC0415

    try:
        found = config.ExcludedStretch.model_validate(stretch(text))
    except (ValidationError, ValueError) as e:
        why = e.errors()[0]["msg"].removeprefix("Value error, ") if isinstance(e, ValidationError) else str(e)
        raise click.BadParameter(f"{why}, got {text!r}", param_hint="--exclude") from None
    return Exclusion(found.from_, found.to, found.why)


def store(loaded: Loaded) -> ReferenceStore:
    from driftd.engine.store import ReferenceStore  # noqa: PLC0415

    return ReferenceStore(loaded.settings.state.directory / "references")


def write(path: Path, built: Reference) -> None:
    from driftd.engine.snapshot.coding import encode_reference  # noqa: PLC0415
    from driftd.engine.store import write_file  # noqa: PLC0415

    write_file(path, encode_reference(built))


@reference.command("list")
@options.settings("state_dir")
@options.output
def list_(output: str, **given: Any) -> None:
    """List the stored references."""
    found = store(options.load(given)).list()
    if output == "json":
        print_json([references.fields(r) for r in found])
    else:
        references.print_list(found)


@reference.command("show")
@click.argument("model", metavar="MODEL|FILE")
@click.option("--version", "version_", type=click.IntRange(1), metavar="N", help="Default: the newest.")
@options.settings("state_dir")
@options.output
def show_(model: str, version_: int | None, output: str, **given: Any) -> None:
    """Show a reference channel by channel: the newest of MODEL, or the one in FILE."""
    found = _find(options.load(given), model, version_)
    if output == "json":
        print_json({**references.fields(found), **references.channel_fields(found)})
        return
    references.print_list([found])
    for e in found.excluded:
        print_line(f"Left out: {minute(e.start)} to {minute(e.end)} UTC{': ' * bool(e.why)}{clean(e.why)}")
    print_line()
    references.print_channels(found)


def _find(loaded: Loaded, model: str, version: int | None) -> Reference:
    from driftd.engine.store import read_reference  # noqa: PLC0415

    if Path(model).is_file():
        return read_reference(Path(model))
    every = store(loaded).list()
    chosen = [r for r in every if r.model == model and version in (None, r.version)]
    if not chosen:
        raise _none_stored(every, model, version)
    return chosen[-1]


def _none_stored(every: Sequence[Reference], model: str, version: int | None) -> ConfigError:
    from driftd.core.errors import ConfigError  # noqa: PLC0415

    versions = ", ".join(f"v{r.version}" for r in every if r.model == model)
    if versions:
        return ConfigError(f"no reference v{version} of model '{model}'; there are {versions}")
    there = sorted({r.model for r in every})
    near = did_you_mean(model, there) if there else ": none are stored yet"
    return ConfigError(f"no reference of model '{model}'{near}; build one with 'driftd reference build {model}'")
