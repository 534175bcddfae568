"""`driftd replay` and `driftd demo`: history through the whole pipeline."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftd.cli import options, show

if TYPE_CHECKING:
    from driftd.codecs import Limits
    from driftd.config import Loaded, Settings
    from driftd.finding import Finding
    from driftd.history import Replayed
    from driftd.sources.file import Events, Progress


_MOVED_SHOWN = 3


def told(finding: Finding) -> tuple[str, str]:
    """A finding in a line or two for people, and the style of its status."""
    from driftd.sinks.log import utc  # noqa: PLC0415

    name = finding.status.name
    who = finding.model if finding.feature is None else f"{finding.model} {finding.feature}"
    line = f"{_minute(utc(finding.window_end))} UTC  {name:8} {show.clean(who)}: "
    if finding.feature is None:
        line += show.clean(finding.because, 300)
    else:
        line += f"{finding.detector} {finding.statistic:.3g}, threshold {finding.threshold:.3g}"
    if finding.since is not None and finding.status.name in {"WARNING", "DRIFT"}:
        line += f", since {_minute(utc(finding.since))} UTC"
        moved = [f"{m.bin} from {m.reference:.1%} to {m.current:.1%}" for m in finding.moved[:_MOVED_SHOWN]]
        if moved:
            line += f"\n{'':32}{show.clean('; '.join(moved), 300)}"
    return line, show.STATUS_STYLES[name]


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


class Audience:
    """The person at the terminal, or the script: a bar, findings above it, and what it came to.

    ``findings`` says how they are told: "text", "json" (one object a line) or "" for not at all.
    """

    def __init__(self, bar: show.Bar, findings: str = "", *, summary: bool = False, hint: str = "") -> None:
        self.bar = bar
        self._findings = findings
        self._summary = summary
        self._hint = hint

    def progress(self, progress: Progress) -> None:
        self.bar.update(progress)

    def finding(self, finding: Finding) -> None:
        if self._findings == "text":
            text, style = told(finding)
            first, _, rest = text.partition("\n")
            self.bar.above(first, style)
            if rest:
                self.bar.above(rest)
        elif self._findings == "json":
            from driftd.sinks.log import finding_json  # noqa: PLC0415

            click.echo(finding_json(finding))

    def serving(self, url: str) -> None:
        self.bar.above(f"Metrics: {url.rstrip('/')}/metrics   Status page: {url.rstrip('/')}/")

    def done(self, result: Replayed) -> None:
        if not self._summary:
            return
        self.bar.stop()
        counted = Counter(status.name for status in result.statuses.values())
        models = ", ".join(f"{n} {status}" for status, n in sorted(counted.items())) or "none seen"
        self.bar.above(f"{result.findings} findings; models: {models}")
        self.bar.above(f"All events accounted for: {result.accounts}")
        if self._hint:
            self.bar.above(self._hint)


@click.command(
    short_help="Run events through the pipeline, write findings.",
    epilog=options.examples(
        ("driftd replay --events events.jsonl --reference-events 10000", "no configuration is needed"),
        ("driftd replay --config driftd.yaml --events events.jsonl --findings findings.jsonl", "JSON lines in and out"),
        (
            "driftd replay --events flat.parquet --model fraud --time ts --prediction p --label y",
            "other columns: features",
        ),
        ("driftd replay --topic predictions --from -24h --to latest", "a stretch of a topic"),
        ("zcat events.gz | driftd replay --events - --findings -", "from one pipe into another"),
    ),
)
@options.settings("bootstrap_servers", "reference_events", "false_alarms")
@click.option("--events", metavar="FILE", help="JSON lines, CSV or Parquet (.gz, .zst too); - is standard input.")
@click.option("--topic", metavar="TOPIC", help="Instead of --events: a topic.")
@click.option("--from", "from_", metavar="TIME", help="First time of the stretch: 2026-11-23T06:00:00Z, -2h, offset:N.")
@click.option("--to", metavar="TIME", help="Where it ends; not included.")
@click.option("--findings", metavar="FILE", help="Write findings here, one JSON object a line; - is standard output.")
@click.option("--every-window", is_flag=True, help="Write every judged window, not only what changed.")
@options.columns
@options.output
def replay(every_window: bool, findings: str | None, output: str, **given: Any) -> int:
    """Run events through the pipeline as fast as it can, and write what it finds.

    The same events give the same findings, byte for byte. The exit code is 0 also when drift was found; the last line
    on standard error accounts for every event.
    """
    if findings == "-" and output == "json":
        raise click.UsageError("--findings - and --output json would both write to standard output")
    layout = options.layout_of(given)
    topic, events_file = given.pop("topic"), given.pop("events")
    loaded = options.load(given, {"kafka.topics": ("--topic", [topic])} if topic else None)
    events = open_source(loaded, events_file, topic, given, layout)
    from driftd import history  # noqa: PLC0415  a second to import
    from driftd.app import pipeline_of, references_of  # noqa: PLC0415

    bar = show.Bar("driftd replay")
    with bar.shown():
        audience = Audience(bar, "json" if findings == "-" else "text" if findings is None and output == "text" else "")
        path = None if findings in {None, "-"} else Path(str(findings))
        learning = given["reference_events"] is not None
        settings = learn_all(loaded.settings) if learning else loaded.settings
        pipeline = pipeline_of(settings, every_window=every_window)
        result = history.replay(pipeline, {} if learning else references_of(settings), events, path, audience)
    accounts = result.accounts
    if output == "json":
        show.json({
            "read": accounts.read,
            "accepted": accounts.accepted,
            "rejected": dict(accounts.rejected),
            "late": accounts.late,
            "dropped": dict(accounts.dropped),
            "findings": result.findings,
            "models": {model: status.name for model, status in result.statuses.items()},
        })  # fmt: skip
    show.line(str(accounts), err=True)
    return 0


def learn_all(settings: Settings) -> Settings:
    """For --reference-events: the first events of every model are its reference, whatever else was configured."""
    nowhere = {"events": None, "seconds": None, "path": None}
    models = tuple(
        model.model_copy(update={"reference": model.reference.model_copy(update=nowhere)}) for model in settings.models
    )
    learning = settings.learning.model_copy(update={"seconds": None})
    return settings.model_copy(update={"models": models, "learning": learning})


def limits_of(loaded: Loaded) -> Limits:
    from driftd.app import pipeline_of  # noqa: PLC0415
    from driftd.codecs import EventsCodec  # noqa: PLC0415

    codec = pipeline_of(loaded.settings).codec
    assert isinstance(codec, EventsCodec)
    return codec.limits


def open_source(loaded: Loaded, file: str | None, topic: str | None, given: Any, layout: Any) -> Events:
    """The file, or the stretch of a topic, that the options name."""
    if (file is None) == (topic is None):
        raise click.UsageError("expected either --events FILE or --topic TOPIC")
    begin, end = given.pop("from_"), given.pop("to")
    if file is not None:
        if begin or end:
            raise click.UsageError("--from and --to are for --topic")
        from driftd.sources.file import open_events  # noqa: PLC0415

        return open_events(file, layout, limits_of(loaded))
    if layout is not None:
        raise click.UsageError("columns can be named for CSV and Parquet, not for a topic")
    from driftd.app import kafka_settings  # noqa: PLC0415
    from driftd.sources.topic import TopicEvents, place  # noqa: PLC0415

    assert topic is not None
    start, stop = place(begin, "--from"), place(end, "--to")
    return TopicEvents(kafka_settings(loaded.settings), topic, start, stop, limits_of(loaded))


@click.command(
    epilog=options.examples(
        ("driftd demo", "replay, then serve /metrics until Ctrl-C"),
        ("driftd demo --exit", "replay and leave"),
        ("driftd demo --speed 100000 --listen 127.0.0.1:9999", "a day in a second, on another port"),
    )
)
@click.option("--exit", "exit_after", is_flag=True, help="Leave after the replay.")
@click.option(
    "--speed",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    help="So many times real time. Default: as fast as it can.",
)
@click.option(
    "--listen", metavar="HOST:PORT", default="127.0.0.1:9477", help="Address of /metrics and the status page."
)
def demo(exit_after: bool, speed: float | None, listen: str) -> int:
    """Find the drift in 309,772 real predictions, without Kafka.

    "Will this flight be late?", for every flight out of New York in 2013. The reference is February; the year goes on.
    """
    from driftd import config  # noqa: PLC0415
    from driftd.data import flights  # noqa: PLC0415
    from driftd.sources.file import open_events  # noqa: PLC0415

    loaded = config.load(flights.config(), env={}, flags={"http.listen": config.Flag("--listen", listen)})
    events = open_events(str(flights.path()), flights.LAYOUT)
    from driftd import history  # noqa: PLC0415
    from driftd.app import pipeline_of  # noqa: PLC0415

    bar = show.Bar("driftd demo")
    hint = "" if exit_after else "Still serving; Ctrl-C ends."
    bar.above(f"{flights.EVENTS:,} predictions for flights out of New York in 2013; the reference is February.")
    with bar.shown():
        audience = Audience(bar, "text", summary=True, hint=hint)
        pipeline = pipeline_of(loaded.settings)
        return history.demo(loaded, pipeline, events, exit_after=exit_after, speed=speed, stage=audience)
