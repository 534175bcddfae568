"""`driftd reference`: what drift is judged against; build one, look at it, list what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftd.cli import options, show
from driftd.cli.replay import Audience, open_source

if TYPE_CHECKING:
    from driftd.config import Loaded
    from driftd.reference import Reference
    from driftd.store import ReferenceStore


@click.group(
    epilog=options.examples(
        ("driftd reference build fraud --events last-month.parquet --time ts", "into the state directory"),
        ("driftd reference build --topic predictions --from -7d --to -1d", "of every model in a stretch of a topic"),
        ("driftd reference show fraud", "the newest, channel by channel"),
        ("driftd reference list", "all versions of all models"),
    )
)
def reference() -> None:
    """Build, show and list references: what drift is judged against."""


@reference.command(
    epilog=options.examples(
        (
            "driftd reference build --events february.csv --model flights --time ts --prediction late",
            "from a flat file",
        ),
        ("driftd reference build fraud --events all.jsonl --first 50000", "only this model, from its first events"),
        ("driftd reference build fraud --events a.parquet --to-file fraud.reference", "for models[].reference.path"),
    )
)
@click.argument("models", nargs=-1)
@options.settings("bootstrap_servers", "state_dir")
@click.option("--events", metavar="FILE", help="JSON lines, CSV or Parquet (.gz, .zst too); - is standard input.")
@click.option("--topic", metavar="TOPIC", help="Instead of --events: a topic.")
@click.option("--from", "from_", metavar="TIME", help="First time of the stretch: 2026-11-23T06:00:00Z, -2h, offset:N.")
@click.option("--to", metavar="TIME", help="Where it ends; not included.")
@click.option("--first", type=click.IntRange(1), metavar="N", help="Only the first N events of each model.")
@click.option("--reason", default="", metavar="TEXT", help="Why it was made; kept with it.")
@click.option("--to-file", metavar="FILE", help="Write it here and do not store it (one model).")
@options.columns
@options.output
def build(
    models: tuple[str, ...], first: int | None, reason: str, to_file: str | None, output: str, **given: Any
) -> None:
    """Build the reference of MODELS (of all, when none is named) and store it as the next version.

    A running driftd takes it up when it reloads (SIGHUP).
    """
    from driftd import history  # noqa: PLC0415
    from driftd.app import pipeline_of  # noqa: PLC0415
    from driftd.errors import ConfigError  # noqa: PLC0415

    layout = options.layout_of(given)
    topic, events_file = given.pop("topic"), given.pop("events")
    loaded = options.load(given, {"kafka.topics": ("--topic", [topic])} if topic else None)
    events = open_source(loaded, events_file, topic, given, layout)
    bar = show.Bar("driftd reference build")
    with bar.shown():
        pipeline, audience = pipeline_of(loaded.settings), Audience(bar)
        built = history.build_references(pipeline, events, models=models, first=first, reason=reason, stage=audience)
    if not built:
        raise ConfigError(f"{events.name}: no usable events to learn from")
    if to_file is None:
        references = store(loaded)
        built = [references.add(one) for one in built]
    elif len(built) == 1:
        _write(Path(to_file), built[0])
    else:
        raise click.UsageError(f"--to-file takes one model, the events have {len(built)}; name one of them")
    _list(built, output)


def store(loaded: Loaded) -> ReferenceStore:
    from driftd.store import ReferenceStore  # noqa: PLC0415

    return ReferenceStore(loaded.settings.state.directory / "references")


def _write(path: Path, built: Reference) -> None:
    from driftd.snapshot import dump_reference  # noqa: PLC0415
    from driftd.store import write_file  # noqa: PLC0415

    write_file(path, dump_reference(built))


@reference.command("list")
@options.settings("state_dir")
@options.output
def list_(output: str, **given: Any) -> None:
    """List the stored references."""
    _list(store(options.load(given)).list(), output)


def _list(references: Any, output: str) -> None:
    from driftd.sinks.log import utc  # noqa: PLC0415

    if output == "json":
        show.json([_fields(r) for r in references])
        return
    if not references:
        show.line("No references yet: driftd learns one of each model, or: driftd reference build")
        return
    show.table(
        ("model", "version", "events", "channels", "from (UTC)", "to (UTC)", "made by", "of", "because"),
        [
            (
                r.model,
                f"v{r.version}",
                f"{r.summary.events:,}",
                str(len(r.channels)),
                utc(r.first),
                utc(r.last),
                r.created_by or "-",
                r.source or "-",
                r.reason or "-",
            )
            for r in references
        ],
    )


def _fields(r: Reference) -> dict[str, Any]:
    return {
        "model": r.model,
        "version": r.version,
        "id": r.id,
        "events": r.summary.events,
        "channels": len(r.channels),
        "first": r.first,
        "last": r.last,
        "created_by": r.created_by,
        "source": r.source,
        "reason": r.reason,
    }


@reference.command("show")
@click.argument("model", metavar="MODEL|FILE")
@click.option("--version", "version_", type=click.IntRange(1), metavar="N", help="Default: the newest.")
@options.settings("state_dir")
@options.output
def show_(model: str, version_: int | None, output: str, **given: Any) -> None:
    """Show a reference channel by channel: the newest of MODEL, or the one in FILE."""
    found = _find(options.load(given), model, version_)
    channels = list(_channels(found))
    if output == "json":
        show.json({**_fields(found), "bins": {name: bins for name, *_, bins in channels}})
        return
    _list([found], output)
    show.line()
    show.table(
        ("channel", "type", "missing", "bins: share of the events"),
        [
            (name, kind, f"{missing:.1%}", ", ".join(f"{label} {share:.1%}" for label, share in bins.items()))
            for name, kind, missing, bins in channels
        ],
    )


def _find(loaded: Loaded, model: str, version: int | None) -> Reference:
    from driftd.config.describe import did_you_mean  # noqa: PLC0415
    from driftd.errors import ConfigError  # noqa: PLC0415
    from driftd.store import read_reference  # noqa: PLC0415

    if Path(model).is_file():
        return read_reference(Path(model))
    every = store(loaded).list()
    mine = [r for r in every if r.model == model]
    if not mine:
        there = sorted({r.model for r in every})
        near = did_you_mean(model, there) if there else ": none are stored yet"
        raise ConfigError(f"no reference of model '{model}'{near}; build one with 'driftd reference build {model}'")
    chosen = [r for r in mine if version in (None, r.version)]
    if not chosen:
        versions = ", ".join(f"v{r.version}" for r in mine)
        raise ConfigError(f"no reference v{version} of model '{model}'; there are {versions}")
    return chosen[-1]


def _channels(found: Reference) -> Any:
    from driftd.summary import FIRST_VALUE  # noqa: PLC0415

    for row, channel in enumerate(found.channels):
        counts = found.summary.counts[row]
        total = max(int(counts.sum()), 1)
        bins = found.bins[row]
        values = counts[FIRST_VALUE : bins.used].tolist()
        shares = {label: count / total for label, count in zip(bins.labels, values, strict=True) if count}
        yield channel.name, channel.kind.value, int(counts[0]) / total, shares
