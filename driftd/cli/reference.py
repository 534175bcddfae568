"""`driftd reference`: what drift is judged against; build one, look at it, list what is stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftd.cli import options
from driftd.cli.output import Bar, clean, json, line
from driftd.cli.output import table as table_output
from driftd.cli.replay import Audience, open_source

if TYPE_CHECKING:
    from driftd.config import Loaded
    from driftd.core.reference import Exclusion, Reference
    from driftd.engine.store import ReferenceStore
    from driftd.replay.drivers import Built


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
        (
            "driftd reference build fraud --events q4.parquet --kind seasonal --exclude 2026-12-24/2026-12-27",
            "compare with the same hours of the week; without Christmas",
        ),
    )
)
@click.argument("models", nargs=-1)
@options.settings("bootstrap_servers", "state_dir")
@click.option("--events", metavar="FILE", help="JSON lines, CSV or Parquet (.gz, .zst too); - is standard input.")
@click.option("--topic", metavar="TOPIC", help="Instead of --events: a topic.")
@click.option("--from", "from_", metavar="TIME", help="First time of the stretch: 2026-11-23T06:00:00Z, -2h, offset:N.")
@click.option("--to", metavar="TIME", help="Where it ends; not included.")
@click.option("--first", type=click.IntRange(1), metavar="N", help="Only the first N events of each model.")
@click.option(
    "--kind",
    type=click.Choice(["fixed", "rolling", "seasonal"]),
    help="Compare windows with all of it, the period before, or the same hours of the week.",
)
@click.option(
    "--exclude", multiple=True, metavar="FROM/TO", help="Leave these dates or times out (TO not included); repeatable."
)
@click.option("--reason", default="", metavar="TEXT", help="Why it was made; kept with it.")
@click.option("--to-file", metavar="FILE", help="Write it here and do not store it (one model).")
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
    """Build the reference of MODELS (of all, when none is named) and store it as the next version.

    Says what was seen in it: which channels follow a rhythm or themselves, how much its own windows differ, which kind
    of reference would fit, and how many weeks are missing before seasonal channels can page. A running driftd takes
    it up when it reloads (SIGHUP).
    """
    from driftd.core.errors import ConfigError  # noqa: PLC0415
    from driftd.core.reference import ReferenceKind  # noqa: PLC0415
    from driftd.replay import drivers  # noqa: PLC0415
    from driftd.wiring.app import pipeline_of  # noqa: PLC0415

    exclusions = tuple(_exclusion(text) for text in exclude)
    layout = options.layout_of(given)
    topic, events_file = given.pop("topic"), given.pop("events")
    loaded = options.load(given, {"kafka.topics": ("--topic", [topic])} if topic else None)
    events = open_source(loaded, events_file, topic, given, layout)
    bar = Bar("driftd reference build")
    with bar.shown():
        pipeline, audience = pipeline_of(loaded.settings, events.codec), Audience(bar)
        built = drivers.build_references(
            pipeline,
            events,
            models=models,
            first=first,
            reason=reason,
            stage=audience,
            kind=ReferenceKind(kind) if kind else None,
            exclude=exclusions,
        )
    if not built:
        raise ConfigError(f"{events.name}: no usable events to learn from")
    if to_file is None:
        references = store(loaded)
        built = [replace(one, reference=references.add(one.reference)) for one in built]
    elif len(built) == 1:
        _write(Path(to_file), built[0].reference)
    else:
        raise click.UsageError(f"--to-file takes one model, the events have {len(built)}; name one of them")
    _told(built, output)


def _exclusion(text: str) -> Exclusion:
    from pydantic import ValidationError  # noqa: PLC0415

    from driftd import config  # noqa: PLC0415
    from driftd.config.values import stretch  # noqa: PLC0415
    from driftd.core.reference import Exclusion  # noqa: PLC0415

    try:
        found = config.Exclusion.model_validate(stretch(text))
    except (ValidationError, ValueError) as e:
        why = e.errors()[0]["msg"].removeprefix("Value error, ") if isinstance(e, ValidationError) else str(e)
        raise click.BadParameter(f"{why}, got {text!r}", param_hint="--exclude") from None
    return Exclusion(found.from_, found.to, found.why)


def _told(built: Sequence[Built], output: str) -> None:
    """The references, and what was seen in each."""
    from driftd.learn.profile import as_data, in_words  # noqa: PLC0415

    if output == "json":
        json([{**_fields(b.reference), **as_data(b.seen, b.reference), "seen": list(_seen(b))} for b in built])
        return
    _list([b.reference for b in built], output)
    for one in built:
        line()
        line(f"{clean(one.reference.model)}:", "bold")
        for text in in_words(one.seen, one.reference):
            line(f"  {text}")
        line()
        table_output(
            ("channel", "regime", "rhythm", "pages", "natural PSI: median", "largest", "same hours", "largest"),
            [
                (c["channel"], c["regime"] or "-", c["rhythm"] or "-", "yes" if c["pages"] else "no", *c["shown"])
                for c in _seen(one)
            ],
            indent=2,
        )


def _seen(built: Built) -> Iterator[dict[str, Any]]:
    from driftd.learn.profile import LARGEST, MEDIAN  # noqa: PLC0415

    seen = built.seen
    for row, channel in enumerate(built.reference.channels):
        numbers = [
            None if table is None or table[row, column] != table[row, column] else float(table[row, column])
            for table in (seen.whole, seen.hours)
            for column in (MEDIAN, LARGEST)
        ]
        names = [n for n, found in (("daily", seen.daily), ("weekly", seen.weekly)) if found[row]]
        yield {
            "channel": channel.name,
            "regime": seen.regime[row],
            "why": seen.why[row],
            "pages": seen.pages[row],
            "rhythm": " and ".join(names),
            "natural_psi": dict(zip(("median", "largest", "hours_median", "hours_largest"), numbers, strict=True)),
            "shown": ["-" if n is None else f"{n:.3g}" for n in numbers],
        }


def store(loaded: Loaded) -> ReferenceStore:
    from driftd.engine.store import ReferenceStore  # noqa: PLC0415

    return ReferenceStore(loaded.settings.state.directory / "references")


def _write(path: Path, built: Reference) -> None:
    from driftd.engine.snapshot import encode_reference  # noqa: PLC0415
    from driftd.engine.store import write_file  # noqa: PLC0415

    write_file(path, encode_reference(built))


@reference.command("list")
@options.settings("state_dir")
@options.output
def list_(output: str, **given: Any) -> None:
    """List the stored references."""
    _list(store(options.load(given)).list(), output)


def _list(references: Any, output: str) -> None:
    from driftd.sinks.log import utc  # noqa: PLC0415

    if output == "json":
        json([_fields(r) for r in references])
        return
    if not references:
        line("No references yet: driftd learns one of each model, or: driftd reference build")
        return
    table_output(
        ("model", "version", "kind", "events", "channels", "from (UTC)", "to (UTC)", "made by", "of", "because"),
        [
            (
                r.model,
                f"v{r.version}",
                r.kind.value,
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
        "kind": r.kind.value,
        "id": r.id,
        "events": r.summary.events,
        "channels": len(r.channels),
        "first": r.first,
        "last": r.last,
        "created_by": r.created_by,
        "source": r.source,
        "reason": r.reason,
        "excluded": [{"from": e.start, "to": e.end, "why": e.why} for e in r.excluded],
    }


@reference.command("show")
@click.argument("model", metavar="MODEL|FILE")
@click.option("--version", "version_", type=click.IntRange(1), metavar="N", help="Default: the newest.")
@options.settings("state_dir")
@options.output
def show_(model: str, version_: int | None, output: str, **given: Any) -> None:
    """Show a reference channel by channel: the newest of MODEL, or the one in FILE."""
    from driftd.learn.variation import MEASURED  # noqa: PLC0415
    from driftd.sinks.log import utc  # noqa: PLC0415

    found = _find(options.load(given), model, version_)
    channels = list(_channels(found))
    if output == "json":
        natural = {name: dict(zip(MEASURED, own, strict=True)) for name, *_, own, _ in channels if own}
        json({**_fields(found), "bins": {name: bins for name, *_, bins in channels}, "natural_psi": natural})
        return
    _list([found], output)
    for e in found.excluded:
        line(f"left out: {utc(e.start)} to {utc(e.end)} (UTC){': ' * bool(e.why)}{clean(e.why)}")
    line()
    table_output(
        ("channel", "type", "missing", "natural PSI", "bins: share of the events"),
        [
            (name, kind, f"{missing:.1%}", _natural(own), ", ".join(f"{b} {share:.1%}" for b, share in bins.items()))
            for name, kind, missing, own, bins in channels
        ],
    )


def _natural(own: list[float]) -> str:
    """Median to largest PSI of the reference's own windows."""
    from driftd.learn.profile import LARGEST, MEDIAN  # noqa: PLC0415

    return f"{own[MEDIAN]:.2g} to {own[LARGEST]:.2g}" if own else "-"


def _find(loaded: Loaded, model: str, version: int | None) -> Reference:
    from driftd.config.describe import did_you_mean  # noqa: PLC0415
    from driftd.core.errors import ConfigError  # noqa: PLC0415
    from driftd.engine.store import read_reference  # noqa: PLC0415

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
    from driftd.core.summary import FIRST_VALUE  # noqa: PLC0415

    for row, channel in enumerate(found.channels):
        counts = found.summary.counts[row]
        total = max(int(counts.sum()), 1)
        bins = found.bins[row]
        values = counts[FIRST_VALUE : bins.used].tolist()
        shares = {label: count / total for label, count in zip(bins.labels, values, strict=True) if count}
        own = found.natural["psi"][row].tolist() if "psi" in found.natural else []
        own = [] if any(map(isnan, own)) else own
        yield channel.name, channel.kind.value, int(counts[0]) / total, own, shares
