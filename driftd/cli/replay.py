"""`driftd replay` and `driftd demo`: history through the whole pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftd.cli import options
from driftd.cli.output import Bar, print_json, print_line, to_stderr
from driftd.core.text import clean, minute

MOST_NAMED = 8
"""References that are named."""

if TYPE_CHECKING:
    from driftd.config import Loaded, Settings
    from driftd.core.finding import Finding, Judgement
    from driftd.replay.drivers import Configured, Replayed
    from driftd.replay.stretches import Stretches
    from driftd.sources.files.stream import Events, Progress


class Listener:
    """Shows the progress of a replay as a bar, and findings above it as ``findings`` says: "text", "json" (one object
    a line) or "" for not at all.
    """

    def __init__(self, bar: Bar, findings: str = "") -> None:
        self.bar = bar
        self._findings = findings

    def progress(self, progress: Progress) -> None:
        self.bar.update(progress)

    def judged(self, judgement: Judgement) -> None:
        if self._findings == "text":
            from driftd.cli.findings import lines  # noqa: PLC0415

            for text, style in lines(judgement):
                self.bar.above(text, style)
        elif self._findings == "json":
            from driftd.sinks.log import finding_json  # noqa: PLC0415

            for finding in judgement.findings:
                click.echo(finding_json(finding))

    def serving(self, url: str) -> None:
        self.bar.above(f"Metrics: {url.rstrip('/')}/metrics   Pages: {url.rstrip('/')}/")

    def done(self, result: Replayed) -> None:
        """Nothing: `driftd replay` prints its report when the bar has gone."""


class DemoListener(Listener):
    """Shows pages and the first ticket of each channel; at the end the report, and ``hint``."""

    def __init__(self, bar: Bar, hint: str) -> None:
        super().__init__(bar, "text")
        self._hint = hint
        self._shown: set[str] = set()

    def judged(self, judgement: Judgement) -> None:
        from dataclasses import replace  # noqa: PLC0415

        new = [f for f in judgement.findings if self._is_new(f)]
        self._shown |= {f.feature for f in new if f.feature is not None}
        super().judged(replace(judgement, findings=tuple(new)))

    def _is_new(self, finding: Finding) -> bool:
        if finding.feature is None or finding.severity == "page":
            return True
        return finding.severity == "ticket" and finding.feature not in self._shown

    def done(self, result: Replayed) -> None:
        from driftd.cli import reports  # noqa: PLC0415

        assert result.report is not None
        self.bar.stop()
        print_line()
        reports.text(result.report, result.accounts)
        reports.refused(result.refused)
        print_line(f"All events accounted for: {result.accounts}")
        if self._hint:
            print_line(self._hint)


@click.command(
    short_help="Run events through the pipeline, write findings.",
    epilog=options.examples(
        ("driftd replay --events events.jsonl --reference-events 10000", "no configuration is needed"),
        ("driftd replay --config driftd.yaml --events events.jsonl --findings findings.jsonl", "JSON lines in and out"),
        (
            "driftd replay --events flat.parquet --model fraud --time ts --prediction p --label y",
            "the other columns are features",
        ),
        ("driftd replay --topic predictions --from -24h --to latest", "a time range of a topic"),
        ("driftd replay --topic calls.inputs --topic calls.outputs", "of several topics"),
        ("driftd replay --events events.jsonl --compare other.yaml", "what another configuration would have done"),
        ("zcat events.gz | driftd replay --events - --findings -", "from one pipe into another"),
        ("driftd replay --events history/ --spark local[4]", "a folder of Parquet, on four processors"),
    ),
)
@options.settings("bootstrap_servers", "reference_events", "false_alarms")
@options.events
@click.option("--findings", metavar="FILE", help="Write findings here, one JSON object a line; - is standard output.")
@click.option("--every-window", is_flag=True, help="Write findings of every judged window, not only changes.")
@click.option("--fresh", is_flag=True, help="Learn references from the events, whatever is stored or configured.")
@click.option("--compare", metavar="FILE", help="A second configuration to run on the same events.")
@options.spark
@options.columns
@options.output
def replay(
    every_window: bool, fresh: bool, findings: str | None, compare: str | None, output: str, **given: Any
) -> int:
    """Run events through the pipeline at full speed; report the pages and tickets that this configuration opens.

    The same events and references give the same findings, byte for byte. The first lines say which references of the
    state directory are used. The exit code is 0 also when drift was found, and 2 if no event could be used or there
    was none. The last line on standard error accounts for every event.
    """
    if findings == "-" and output == "json":
        raise click.UsageError("--findings - and --output json would both write to standard output")
    if compare is not None and given["spark"] is not None:
        raise click.UsageError("--spark counts with one configuration; run --compare without it")
    loaded, events = opened(given, *([compare] if compare is not None else []))
    from driftd.replay import drivers  # noqa: PLC0415  a second to import

    learn = given["reference_events"] is not None
    runs = [configured(one, events, every_window, learn=learn, fresh=fresh) for one in loaded]
    _references_used(loaded, runs)
    bar = Bar("driftd replay")
    with bar.shown():
        path = None if findings in {None, "-"} else Path(str(findings))
        results = drivers.replay(runs, events, path, Listener(bar, _shown(findings, output, compare)))
    _report(loaded, results, output, to_stdout=findings != "-", asked=given["reference_events"])
    for remark in results[0].remarks:
        print_line(remark, err=True)
    if not results[0].accounts.read:
        print_line(f"{events.name}: there is no event in it", err=True)
    print_line(str(results[0].accounts), err=True)
    return 2 if results[0].unusable else 0


def _shown(findings: str | None, output: str, compare: str | None) -> str:
    """How findings are shown as they come, as ``Listener`` takes it."""
    if findings == "-":
        return "json"
    return "text" if findings is None and output == "text" and compare is None else ""


def _references_used(loaded: list[Loaded], runs: list[Configured]) -> None:
    """Says on standard error which references there are, where from, and how to do without."""
    for one, run in zip(loaded, runs, strict=True):
        known = [f"{r.model} v{r.version} ({minute(r.first)} to {minute(r.last)})" for r in run.references.values()]
        if known:
            more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
            names = clean(", ".join(known[:MOST_NAMED]), 400)
            where = one.settings.state.directory
            print_line(
                f"References known before the events, from {where} or the configuration: {names}{more}.", err=True
            )
            print_line("'--fresh' learns them from the events instead.", err=True)


def configured(
    loaded: Loaded, events: Events | Stretches, every_window: bool, *, learn: bool, fresh: bool = False
) -> Configured:
    from driftd.replay.drivers import Configured  # noqa: PLC0415
    from driftd.wiring.app import pipeline_of, references_of  # noqa: PLC0415
    from driftd.wiring.decoding import limits_of  # noqa: PLC0415

    settings = learn_all(loaded.settings) if learn else without_paths(loaded.settings) if fresh else loaded.settings
    codec = events.codec_within(limits_of(loaded.settings))
    pipeline = pipeline_of(settings, codec, every_window=every_window, shown=False)
    return Configured(pipeline, {} if learn or fresh else references_of(settings))


def _report(loaded: list[Loaded], results: list[Replayed], output: str, *, to_stdout: bool, asked: int | None) -> None:
    """On standard error where standard output is for findings."""
    from driftd.cli import comparison, reports  # noqa: PLC0415

    report = results[0].report
    assert report is not None
    if output == "json":
        print_json(comparison.fields(loaded, results) if len(results) > 1 else reports.fields(results[0]))
        return
    with to_stderr(when=not to_stdout):
        if len(results) > 1:
            comparison.text(loaded, results)
        else:
            reports.text(report, results[0].accounts, asked)
        reports.experiments(results[0].experiments)
        reports.refused(results[0].refused)
    print_line(reports.speed(results[0]), err=True)


def without_paths(settings: Settings) -> Settings:
    """For --fresh: no model has a given reference."""
    models = tuple(
        model.model_copy(update={"reference": model.reference.model_copy(update={"path": None})})
        for model in settings.models
    )
    return settings.model_copy(update={"models": models})


def learn_all(settings: Settings) -> Settings:
    """For --reference-events: every model learns from its first events, whatever else was configured."""
    nowhere = {"events": None, "seconds": None, "path": None}
    models = tuple(
        model.model_copy(update={"reference": model.reference.model_copy(update=nowhere)}) for model in settings.models
    )
    learning = settings.learning.model_copy(update={"seconds": None})
    return settings.model_copy(update={"models": models, "learning": learning})


def opened(given: dict[str, Any], *others: str) -> tuple[list[Loaded], Events | Stretches]:
    """The configuration, further ones from the files ``others``, and the events that the options name."""
    layout = options.layout_of(given)
    topics, file, master = given.pop("topic"), given.pop("events"), given.pop("spark")
    more = {"kafka.topics": ("--topic", [*topics])} if topics else None
    loaded = [options.load(given, more), *(options.load({**given, "config_file": o}, more) for o in others)]
    if master is not None:
        return loaded, _on_spark(loaded[0], file, topics, given, layout, master)
    return loaded, open_source(loaded[0], file, topics, given, layout)


def _on_spark(
    loaded: Loaded, file: str | None, topics: tuple[str, ...], given: Any, layout: Any, master: str
) -> Stretches:
    """Parquet files that Spark reads; the session lasts as long as the command."""
    begin, end = given.pop("from_"), given.pop("to")
    if file is None or topics or begin or end:
        raise click.UsageError("--spark reads Parquet: expected --events, and no --topic, --from and --to")
    from driftd.spark import whole  # noqa: PLC0415  an extra
    from driftd.spark.session import session  # noqa: PLC0415
    from driftd.spark.source import SparkEvents, read_parquet  # noqa: PLC0415
    from driftd.wiring.decoding import limits_of  # noqa: PLC0415

    limits = limits_of(whole(loaded.settings))
    spark = click.get_current_context().with_resource(session(master))
    return SparkEvents(read_parquet(spark, file), file, layout, limits)


def open_source(loaded: Loaded, file: str | None, topics: tuple[str, ...], given: Any, layout: Any) -> Events:
    """The file, or the range of topics, that the options name."""
    if (file is None) == (not topics):
        raise click.UsageError("expected either --events FILE or --topic TOPIC")
    from driftd.wiring.decoding import limits_of  # noqa: PLC0415
    from driftd.wiring.kafka import kafka_settings  # noqa: PLC0415

    begin, end = given.pop("from_"), given.pop("to")
    limits = limits_of(loaded.settings)
    if file is not None:
        if begin or end:
            raise click.UsageError("--from and --to are for --topic")
        from driftd.sources.files.source import open_events  # noqa: PLC0415

        return open_events(file, layout, limits)
    if layout is not None:
        raise click.UsageError("columns can be named for CSV and Parquet, not for a topic")
    from driftd.sources.kafka.stretch import TopicEvents, place  # noqa: PLC0415

    start, stop = place(begin, "--from"), place(end, "--to")
    return TopicEvents(kafka_settings(loaded.settings), topics, start, stop, limits)


@click.command(
    epilog=options.examples(
        ("driftd demo", "replay, then serve /metrics until Ctrl-C"),
        ("driftd demo --exit", "replay, then exit"),
        ("driftd demo --scene labels", "labels that come hours later, two variants, airlines, prices"),
        ("driftd demo --speed 100000 --listen 127.0.0.1:9999", "about a day a second, on another port"),
    )
)
@click.option("--exit", "exit_after", is_flag=True, help="Exit after the replay.")
@click.option(
    "--speed",
    type=click.FloatRange(0, min_open=True),
    metavar="X",
    help="Speed relative to real time. Default: full speed.",
)
@click.option("--listen", metavar="HOST:PORT", default="127.0.0.1:9477", help="Address of /metrics and the web pages.")
@click.option(
    "--scene",
    type=click.Choice(["drift", "labels"]),
    default="drift",
    help="labels: what became of each flight comes hours later; two variants, airlines as segments, and prices.",
)
def demo(exit_after: bool, speed: float | None, listen: str, scene: str) -> int:
    """Find the drift in 309,772 real predictions, without Kafka.

    The model predicted for every flight out of New York in 2013 whether it would be late. The reference is February.
    """
    if scene == "labels":
        return _labels(exit_after, speed, listen)
    from driftd import config  # noqa: PLC0415
    from driftd.data import flights  # noqa: PLC0415
    from driftd.sources.files.source import open_events  # noqa: PLC0415

    loaded = config.load(flights.config(), env={}, flags={"http.listen": config.Flag("--listen", listen)})
    events = open_events(str(flights.path()), flights.LAYOUT)
    from driftd.replay import drivers  # noqa: PLC0415
    from driftd.wiring.app import pipeline_of  # noqa: PLC0415

    bar = Bar("driftd demo")
    hint = "" if exit_after else "Still serving metrics and the web pages; Ctrl-C ends the demo."
    bar.above(f"{flights.EVENTS:,} predictions for flights out of New York in 2013; the reference is February.")
    with bar.shown():
        pipeline, listener = pipeline_of(loaded.settings, events.codec), DemoListener(bar, hint)
        return drivers.demo(loaded, pipeline, events, exit_after=exit_after, speed=speed, listener=listener)


def _labels(exit_after: bool, speed: float | None, listen: str) -> int:
    """The demo's second scene."""
    from driftd import config  # noqa: PLC0415
    from driftd.data import flights  # noqa: PLC0415
    from driftd.data.scene import Flights  # noqa: PLC0415
    from driftd.replay import drivers  # noqa: PLC0415
    from driftd.wiring.app import pipeline_of  # noqa: PLC0415
    from driftd.wiring.decoding import limits_of  # noqa: PLC0415

    loaded = config.load(flights.labels_config(), env={}, flags={"http.listen": config.Flag("--listen", listen)})
    events = Flights(limits_of(loaded.settings))
    bar = Bar("driftd demo")
    hint = "" if exit_after else "Still serving metrics and the web pages; Ctrl-C ends the demo."
    bar.above(
        f"{events.predictions:,} predictions for flights out of New York, February and March 2013, by two variants; "
        f"{len(events.records) - events.predictions:,} labels come hours later."
    )
    with bar.shown():
        pipeline, listener = pipeline_of(loaded.settings, events.codec), DemoListener(bar, hint)
        return drivers.demo(loaded, pipeline, events, exit_after=exit_after, speed=speed, listener=listener)
