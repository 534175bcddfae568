"""`driftd check`: validates the configuration, asks the broker, and shows what would be watched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftd.cli import options
from driftd.cli.output import print_json, print_line, print_table, wrapped
from driftd.core.text import clean, duration, minute, plural

if TYPE_CHECKING:
    from driftd.config import Loaded, Model, Settings
    from driftd.core.channel import Channel
    from driftd.core.reference import Reference
    from driftd.monitor.answers import Answers


@click.command(
    short_help="Validate the configuration, ask the broker.",
    epilog=options.examples(
        ("driftd check", "driftd.yaml and DRIFTD_... variables, and the broker they name"),
        ("driftd check --config driftd.yaml --offline", "in CI, where there is no broker"),
        ("driftd check --sample records.jsonl", "what driftd reads in a file or a topic, and a mapping for it"),
        (
            "driftd check --offline --false-alarms-per-month 10",
            "what is detected sooner with ten false pages a month",
        ),
        ("driftd check --output json | jq .problems", "for scripts; the exit code says the same"),
    ),
)
@options.settings("bootstrap_servers", "topic", "group_id", "start", "state_dir", "listen", "false_alarms")
@click.option(
    "--sample",
    "sampled",
    metavar="FILE|TOPIC",
    help="Read some records and show the events that driftd makes of them; propose a mapping if it cannot use them.",
)
@click.option(
    "--records",
    default=100,
    show_default=True,
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="With --sample: how many.",
)
@click.option("--offline", is_flag=True, help="Do not connect to the broker.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Show settings that have their defaults, every size of change, and details of the judge.",
)
@options.output
def check(output: str, offline: bool, everything: bool, sampled: str | None, records: int, **given: Any) -> int:
    """Validate the configuration, ask the broker, and show what driftd would detect and how often it may page.

    What a channel can see depends on its rate and its variation, so it is shown for models that have a reference. Exit
    codes: 0 no problems, 2 a mistake in the configuration, 3 the broker cannot be reached or read, or a topic not be
    written, 4 the state cannot be saved. With --sample: 0 if any record could be used, 2 if none, 3 if the file, the
    topic or the schema registry cannot be read.
    """
    loaded = options.load(given)
    if sampled is not None:
        from driftd.cli.sample import sample  # noqa: PLC0415

        return sample(loaded, sampled, records, output)
    alarms = loaded.settings.alarms
    report = {
        "config": str(loaded.path) if loaded.path else None,
        "settings": [{"setting": s, "value": v, "origin": o} for s, v, o in loaded.rows()],
        **models(loaded.settings),
        "discovery": loaded.settings.discovery.model_dump(),
        "labels": _labels(loaded.settings),
        "alarms": alarms.model_dump() | alarms.model_dump(include={"sizes"}, exclude_unset=True),
        "kafka": None if offline else kafka(loaded),
        "state": None if offline else state(loaded.settings),
    }
    of_kafka, of_state = (report[part]["problems"] if report[part] else [] for part in ("kafka", "state"))
    found = report["problems"] = [*of_kafka, *of_state]
    if output == "json":
        print_json(report)
    else:
        with wrapped():
            _print(loaded, report, everything=everything)
    if of_kafka:
        return 3
    return 4 if found else 0


def kafka(loaded: Loaded) -> dict[str, Any]:
    """What the broker says. Raises ConfigError without broker or topic."""
    from driftd.core.errors import SourceError  # noqa: PLC0415
    from driftd.sources.kafka.source import check_topics  # noqa: PLC0415
    from driftd.wiring.kafka import kafka_settings  # noqa: PLC0415

    settings = kafka_settings(loaded.settings)
    try:
        report = check_topics(settings, writes(loaded.settings), _policies(loaded.settings))
    except SourceError as e:
        return {"server": ", ".join(settings.bootstrap_servers), "topics": [], "problems": [str(e)]}
    return {
        "server": report.server,
        "version": ".".join(map(str, report.version)),
        "cluster_id": report.cluster_id,
        "topics": [
            {"topic": t.name, "partitions": t.partitions, "problem": t.problem, "state": t.state} for t in report.topics
        ],
        "problems": list(report.problems),
    }


def writes(settings: Settings) -> dict[str, str]:
    """The topics that driftd writes to, and what."""
    wanted = {settings.kafka.dead_letter_topic: "dead-letter", settings.kafka.findings_topic: "findings"}
    members = settings.members
    if members.enabled:
        wanted |= {members.panes_topic: "panes", members.plans_topic: "plans", members.state_topic: "state"}
    return {topic: what for topic, what in wanted.items() if topic is not None}


def _policies(settings: Settings) -> dict[str, str]:
    """How the topics that members share are to be kept."""
    from driftd.wiring.exchange import policies  # noqa: PLC0415

    members = settings.members
    if not members.enabled:
        return {}
    return policies(members.panes_topic, members.plans_topic, members.state_topic)


def state(settings: Settings) -> dict[str, Any]:
    """Whether the state can be saved, and findings be written."""
    from driftd.engine.store import unwritable  # noqa: PLC0415

    folders = {"state.directory": Path(settings.state.directory)}
    if settings.findings.path is not None:
        folders["findings.path"] = Path(settings.findings.path).parent
    problems = [
        f"{setting}: {why}; nothing could be saved or committed. Give driftd a folder that it may write"
        for setting, folder in folders.items()
        if (why := unwritable(folder))
    ]
    return {"directory": str(settings.state.directory), "problems": problems}


def models(settings: Settings) -> dict[str, Any]:
    """The certificate; of each model that is configured or has a reference its channels, detectors and sensitivity."""
    from driftd.cli import sensitivity  # noqa: PLC0415
    from driftd.core.slice import Slice  # noqa: PLC0415
    from driftd.learn.remarks import remarks, unknown_channels  # noqa: PLC0415
    from driftd.monitor.sensitivity import sensitivity_of  # noqa: PLC0415
    from driftd.wiring.app import pipeline_of, references_of  # noqa: PLC0415
    from driftd.wiring.detectors import chooser  # noqa: PLC0415

    references, pipeline, told = references_of(settings), pipeline_of(settings), _answers(settings)
    configured = {m.name: m for m in settings.models}
    out = []
    for name in {**configured, **references}:
        model, reference = configured.get(Slice(name).root), references.get(name)
        choose = chooser(settings, model)
        channels = list(reference.channels) if reference else list(_expected(model))
        found = None
        if reference is not None and reference.learned:  # else it holds counts alone, as the remarks say
            monitor = pipeline.monitor
            found = sensitivity_of(
                reference,
                monitor.detectors(reference),
                monitor.windows,
                monitor.false_alarms_per_month * monitor.settings(Slice(name)).share,
                monitor.budget_models,
            )
        out.append({
            "model": name,
            "configured": model is not None,
            "reference": _reference(settings, model, reference),
            "window": sensitivity.window(found),
            "joint": sensitivity.joint(found),
            "remarks": list(remarks(reference) if reference is not None else _unsaid(settings, model)),
            "unseen": list(found.unseen) if found is not None else [],
            "pages": asdict(told[name]) if name in told else None,
            "unknown_channels": list(unknown_channels(reference, model.alarms.channels)) if model and reference else [],
            "channels": [
                {
                    "channel": c.name,
                    "role": c.role.value,
                    "type": c.kind.value,
                    "detectors": _detectors(choose, c),
                    **(sensitivity.channel(found.channels[row]) if found is not None else {}),
                }
                for row, c in enumerate(channels)
            ],
        })  # fmt: skip
    certificate = sensitivity.certificate(pipeline.monitor.certificate(references.values()))
    return {"certificate": certificate, "models": out, "remarks": list(_unsaid(settings, None))}


def _answers(settings: Settings) -> dict[str, Answers]:
    """What people said of the models' last pages, as the checkpoint has it; nothing where it cannot be read now."""
    from driftd.core.errors import StateError  # noqa: PLC0415
    from driftd.core.incident import together  # noqa: PLC0415
    from driftd.engine.snapshot.coding import decode_checkpoint  # noqa: PLC0415
    from driftd.engine.store import read_file  # noqa: PLC0415
    from driftd.monitor.answers import answers  # noqa: PLC0415

    path = Path(settings.state.directory) / "checkpoint"
    if not path.exists():
        return {}
    try:
        models = decode_checkpoint(read_file(path)).models
    except StateError:
        return {}
    return answers(together(i for m in models for i in m.incidents), (act for m in models for act in m.acts))


def _unsaid(settings: Settings, model: Model | None) -> Iterator[str]:
    """That a kind was chosen, and not how much is learned."""
    from driftd.core.reference import ReferenceKind  # noqa: PLC0415
    from driftd.wiring.models import LEARN_EVENTS, kind_of  # noqa: PLC0415

    said = [settings.learning.events, settings.learning.seconds]
    said += [] if model is None else [model.reference.events, model.reference.seconds]
    kind = kind_of(settings, model)
    if kind in {ReferenceKind.SEASONAL, ReferenceKind.ROLLING} and not any(said):
        weeks = ". It needs weeks: learning.seconds=14d" if kind is ReferenceKind.SEASONAL else ""
        yield (
            f"learning.kind {kind.value} without learning.events or learning.seconds: a reference is learned from the "
            f"first {LEARN_EVENTS:,} events{weeks}"
        )


def _expected(model: Model | None) -> Iterator[Channel]:
    """The channels that are known before the reference is learned."""
    from driftd.core.channel import ALONE, Channel  # noqa: PLC0415
    from driftd.core.event import Kind  # noqa: PLC0415

    for name, feature in model.features.items() if model else ():
        yield Channel.of_feature(name, Kind(feature.type) if feature.type else Kind.ANY)
    yield from ALONE


def _detectors(choose: Any, channel: Channel) -> list[dict[str, Any]] | None:
    """Kind and settings; None where the type of the channel must be learned first."""
    from driftd.core.event import Kind  # noqa: PLC0415

    if channel.kind is Kind.ANY:
        return None
    return [{"detector": d.kind, "settings": asdict(d)} for d in choose(channel)]


def _reference(settings: Settings, model: Model | None, reference: Reference | None) -> dict[str, Any]:
    if reference is not None:
        return {
            "version": reference.version,
            "events": reference.summary.events,
            "first": reference.first,
            "last": reference.last,
            "source": reference.source,
        }
    from driftd.wiring.models import model_settings  # noqa: PLC0415

    wanted = model_settings(settings, model)
    grows = wanted.grow_seconds is not None
    events = None if grows or wanted.learn_seconds is not None else wanted.learn_events
    return {"learn_events": events, "learn_seconds": wanted.learn_seconds, "grow_seconds": wanted.grow_seconds}


def _print(loaded: Loaded, report: dict[str, Any], *, everything: bool) -> None:
    from driftd.cli import reach, sensitivity  # noqa: PLC0415

    _print_settings(loaded, everything=everything)
    _print_kafka(report["kafka"])
    for problem in report["state"]["problems"] if report["state"] else ():
        print_line(problem, "red")
    letters: dict[str, str] = {}
    for model in report["models"]:
        _print_model(model, letters, everything=everything)
    reach.print_legend([m for m in report["models"] if m["window"] is not None], letters, everything=everything)
    print_line()
    for line in report["remarks"]:
        print_line(clean(line, 600), "red")
    if loaded.settings.members.enabled:
        print_line(
            "Members share models: references that they learned lie in topics and are not looked at here; the pages of "
            "the members show what they can see."
        )
    else:
        sensitivity.print_certificate(report["certificate"])
    discovery = loaded.settings.discovery
    if discovery.enabled:
        print_line(
            f"Discovery: on. driftd adds models and features as they appear, up to {discovery.max_models} models of "
            f"{discovery.max_features} features."
        )
    else:
        print_line("Discovery: off. Events of models that are not configured are dropped and counted.")
    print_line(_labels(loaded.settings))
    for line in _segments(loaded.settings):
        print_line(line)
    if report["problems"]:
        count = len(report["problems"])
        print_line(f"{count} {plural('problem', count)} found.", "bold red")
    else:
        print_line("No problems found." if report["kafka"] else "No problems found (broker not contacted).", "green")


def _segments(settings: Settings) -> Iterator[str]:
    """What of which model is watched by itself."""
    from driftd.core.text import clean, plural  # noqa: PLC0415

    for model in (model for model in settings.models if model.segments.fields):
        s = model.segments
        found = [f for f in s.fields if f not in s.values and f not in s.edges]
        floor = f", values of {', '.join(found)} from {s.min_events:,} events a day on" if found else ""
        yield clean(
            f"Segments of {model.name}: by {', '.join(s.fields)}; up to {s.max_segments:,} "
            f"{plural('segment', s.max_segments)}{floor}. Together they have {s.budget:.0%} of its budgets.",
            300,
        )


def _labels(settings: Settings) -> str:
    """What becomes of labels that come alone."""
    from driftd.core.text import duration  # noqa: PLC0415

    labels = settings.labels
    if labels.join == "never":
        return "Labels that come alone: counted only (labels.join: never)."
    joined = f"Labels that come alone: joined to predictions by id, within {duration(labels.horizon_seconds)}"
    if settings.members.enabled:
        return f"{joined}, by the member that judges the model, whoever reads them."
    group = clean(settings.kafka.group_id, 100)
    return f"{joined}. This process must read both: another one in group '{group}' would join a part of them."


def _print_settings(loaded: Loaded, *, everything: bool) -> None:
    rows = loaded.rows()
    given = [row for row in rows if everything or row[2] != "default"]
    print_line(f"Configuration: {loaded.path or 'no file'}", "bold")
    if given:
        print_table(("setting", "value", "from"), given, indent=2)
    if left := len(rows) - len(given):
        print_line(f"  {left} more {plural('setting', left)} at the default; --all shows them.")


def _print_kafka(kafka: dict[str, Any] | None) -> None:
    if kafka is None:
        return
    print_line()
    cluster = f", cluster {kafka['cluster_id']}" if "cluster_id" in kafka else ""
    print_line(f"Kafka: {kafka['server']}{cluster}", "bold")
    if kafka["topics"]:
        rows = [(t["topic"], str(t["partitions"]), clean(t["state"], 400)) for t in kafka["topics"]]
        print_table(("topic", "partitions", "state"), rows, indent=2)
    shown = tuple(f"topic '{t['topic']}': {t['problem']}" for t in kafka["topics"])
    for problem in kafka["problems"]:
        if not problem.endswith(shown):
            print_line(f"  {problem}", "red")


def _print_model(model: dict[str, Any], letters: dict[str, str], *, everything: bool) -> None:
    from driftd.cli import reach, sensitivity  # noqa: PLC0415

    print_line()
    print_line(f"Model: {clean(model['model'])}" + ("" if model["configured"] else " (discovered)"), "bold")
    print_line(f"  {_spelled_reference(model['reference'], model['window'])}")
    if model["pages"] is not None:
        print_line(f"  Pages: {_spelled_pages(model['pages'])} (driftd feedback)")
    for line in (*model["unknown_channels"], *model["remarks"]):
        print_line(f"  {clean(line, 600)}", "red")
    if model["window"] is not None:
        reach.print_reach(model, letters, everything=everything)
        if everything:
            sensitivity.print_judge(model)
        return
    rows = [(c["channel"], c["role"], _type(c), _spelled(c["detectors"])) for c in model["channels"]]
    print_table(("channel", "role", "type", "detectors"), rows, indent=2)
    if "version" not in model["reference"]:
        print_line("  Sensitivity is shown once there is a reference: after learning, or 'driftd reference build'.")


def _spelled_reference(reference: dict[str, Any], window: dict[str, Any] | None) -> str:
    if "version" in reference:
        span = f"{minute(reference['first'])} to {minute(reference['last'])} UTC"
        source = f", {reference['source']}" if reference["source"] else ""
        rate = "" if window is None else f" ({window['events_per_second'] * 86400:,.0f} a day)"
        return f"Reference v{reference['version']}: {reference['events']:,} events{rate}, {span}{source}"
    if reference["grow_seconds"]:
        return (
            "Reference: grows by itself. Faults (missing, refused, frozen, far out) after 30 min and 500 events, "
            f"all changes after a day, better until {duration(reference['grow_seconds'])}"
        )
    if reference["learn_seconds"]:
        return f"Reference: learned from the first {duration(reference['learn_seconds'])} of event time"
    return f"Reference: learned from the first {reference['learn_events']:,} events"


def _spelled_pages(pages: dict[str, int]) -> str:
    from driftd.monitor.answers import Answers  # noqa: PLC0415

    return str(Answers(**pages))


def _type(channel: dict[str, Any]) -> str:
    return "to be learned" if channel["type"] == "any" else str(channel["type"])


def _spelled(detectors: list[dict[str, Any]] | None) -> str:
    """``psi (effect 0.1), adwin``: settings but for the effect are shown by `driftd detectors`."""
    if detectors is None:
        return "depend on the type"
    parts = [
        f"{d['detector']} (effect {d['settings']['effect']:g})" if "effect" in d["settings"] else d["detector"]
        for d in detectors
    ]
    return ", ".join(parts) or "none"
