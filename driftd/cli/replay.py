"""`driftd replay` and `driftd demo`: history through the whole pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftd.cli import options
from driftd.cli.output import Bar, instead, json, line

if TYPE_CHECKING:
    from driftd.config import Loaded, Settings
    from driftd.core.finding import Finding, Judgement
    from driftd.decode import Limits
    from driftd.replay.drivers import Configured, Replayed
    from driftd.sources.files.stream import Events, Progress


class Audience:
    """The person at the terminal, or the script: a bar, findings above it, and what it came to.

    ``findings`` says how they are told: "text", "json" (one object a line) or "" for not at all.
    """

    def __init__(self, bar: Bar, findings: str = "") -> None:
        self.bar = bar
        self._findings = findings

    def progress(self, progress: Progress) -> None:
        self.bar.update(progress)

    def judged(self, judgement: Judgement) -> None:
        if self._findings == "text":
            from driftd.cli.findings import told  # noqa: PLC0415

            for text, style in told(judgement):
                self.bar.above(text, style)
        elif self._findings == "json":
            from driftd.sinks.log import finding_json  # noqa: PLC0415

            for finding in judgement.findings:
                click.echo(finding_json(finding))

    def serving(self, url: str) -> None:
        self.bar.above(f"Metrics: {url.rstrip('/')}/metrics   Status page: {url.rstrip('/')}/")

    def done(self, result: Replayed) -> None:
        """Nothing: `driftd replay` says what it came to when the bar has gone."""


class DemoAudience(Audience):
    """Tells pages, and the first ticket of each channel; at the end what it came to, and that it goes on serving."""

    def __init__(self, bar: Bar, hint: str) -> None:
        super().__init__(bar, "text")
        self._hint = hint
        self._told: set[str] = set()

    def judged(self, judgement: Judgement) -> None:
        from dataclasses import replace  # noqa: PLC0415

        new = [f for f in judgement.findings if self._is_new(f)]
        self._told |= {f.feature for f in new if f.feature is not None}
        super().judged(replace(judgement, findings=tuple(new)))

    def _is_new(self, finding: Finding) -> bool:
        if finding.feature is None or finding.status.name == "DRIFT":
            return True
        return finding.status.name == "WARNING" and finding.feature not in self._told

    def done(self, result: Replayed) -> None:
        from driftd.cli import reports  # noqa: PLC0415

        assert result.report is not None
        self.bar.stop()
        line()
        reports.text(result.report)
        line(f"All events accounted for: {result.accounts}")
        if self._hint:
            line(self._hint)


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
        ("driftd replay --events events.jsonl --compare other.yaml", "what would another configuration have done?"),
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
@click.option("--compare", metavar="FILE", help="A second configuration: what would each have done with these events?")
@options.columns
@options.output
def replay(every_window: bool, findings: str | None, compare: str | None, output: str, **given: Any) -> int:
    """Run events through the pipeline as fast as it can; say how often this configuration would have paged, and why.

    The same events give the same findings, byte for byte. The exit code is 0 also when drift was found; the last line
    on standard error accounts for every event.
    """
    if findings == "-" and output == "json":
        raise click.UsageError("--findings - and --output json would both write to standard output")
    layout = options.layout_of(given)
    topic, events_file = given.pop("topic"), given.pop("events")
    topics = {"kafka.topics": ("--topic", [topic])} if topic else None
    loaded = [options.load(given, topics)]
    if compare is not None:
        loaded.append(options.load({**given, "config_file": compare}, topics))
    events = open_source(loaded[0], events_file, topic, given, layout)
    from driftd.replay import drivers  # noqa: PLC0415  a second to import

    bar = Bar("driftd replay")
    with bar.shown():
        told = "json" if findings == "-" else "text" if findings is None and output == "text" and not compare else ""
        path = None if findings in {None, "-"} else Path(str(findings))
        runs = [configured(one, events, every_window, learn=given["reference_events"] is not None) for one in loaded]
        results = drivers.replay(runs, events, path, Audience(bar, told))
    _report(loaded, results, output, to_stdout=findings != "-")
    line(str(results[0].accounts), err=True)
    return 0


def configured(loaded: Loaded, events: Events, every_window: bool, *, learn: bool) -> Configured:
    from driftd.replay.drivers import Configured, codec_within  # noqa: PLC0415
    from driftd.wiring.app import pipeline_of, references_of  # noqa: PLC0415

    settings = learn_all(loaded.settings) if learn else loaded.settings
    codec = codec_within(events, limits_of(loaded))
    pipeline = pipeline_of(settings, codec, every_window=every_window)
    return Configured(pipeline, {} if learn else references_of(settings))


def _report(loaded: list[Loaded], results: list[Replayed], output: str, *, to_stdout: bool) -> None:
    """What it came to. Where standard output is for findings, people find it on standard error."""
    from driftd.cli import comparison, reports  # noqa: PLC0415

    report = results[0].report
    assert report is not None
    if output == "json":
        json(comparison.fields(loaded, results) if len(results) > 1 else reports.fields(results[0]))
        return
    with instead(err=not to_stdout):
        if len(results) > 1:
            comparison.text(loaded, results)
        else:
            reports.text(report)
    line(reports.speed(results[0]), err=True)


def learn_all(settings: Settings) -> Settings:
    """For --reference-events: the first events of every model are its reference, whatever else was configured."""
    nowhere = {"events": None, "seconds": None, "path": None}
    models = tuple(
        model.model_copy(update={"reference": model.reference.model_copy(update=nowhere)}) for model in settings.models
    )
    learning = settings.learning.model_copy(update={"seconds": None})
    return settings.model_copy(update={"models": models, "learning": learning})


def limits_of(loaded: Loaded) -> Limits:
    from driftd.decode import EventsCodec  # noqa: PLC0415
    from driftd.wiring.app import pipeline_of  # noqa: PLC0415

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
        from driftd.sources.files.source import open_events  # noqa: PLC0415

        return open_events(file, layout, limits_of(loaded))
    if layout is not None:
        raise click.UsageError("columns can be named for CSV and Parquet, not for a topic")
    from driftd.sources.kafka.stretch import TopicEvents, place  # noqa: PLC0415
    from driftd.wiring.app import kafka_settings  # noqa: PLC0415

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
    from driftd.sources.files.source import open_events  # noqa: PLC0415

    loaded = config.load(flights.config(), env={}, flags={"http.listen": config.Flag("--listen", listen)})
    events = open_events(str(flights.path()), flights.LAYOUT)
    from driftd.replay import drivers  # noqa: PLC0415
    from driftd.wiring.app import pipeline_of  # noqa: PLC0415

    bar = Bar("driftd demo")
    hint = "" if exit_after else "Still serving; Ctrl-C ends."
    bar.above(f"{flights.EVENTS:,} predictions for flights out of New York in 2013; the reference is February.")
    with bar.shown():
        pipeline, audience = pipeline_of(loaded.settings, events.codec), DemoAudience(bar, hint)
        return drivers.demo(loaded, pipeline, events, exit_after=exit_after, speed=speed, stage=audience)
