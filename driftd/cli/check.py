"""`driftd check`: is the configuration right, can the broker be read, and what would be watched?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from driftd.cli import options
from driftd.cli.output import clean, json, line, table

if TYPE_CHECKING:
    from driftd.config import Loaded, Model, Settings
    from driftd.core.reference import Channel, Reference


@click.command(
    short_help="Validate the configuration, ask the broker.",
    epilog=options.examples(
        ("driftd check", "driftd.yaml and DRIFTD_... variables, and the broker they name"),
        ("driftd check --config driftd.yaml --offline", "in CI, where there is no broker"),
        (
            "driftd check --offline --false-alarms-per-month 10",
            "what would be seen sooner with ten false pages a month?",
        ),
        ("driftd check --output json | jq .problems", "for scripts; the exit code says the same"),
    ),
)
@options.settings("bootstrap_servers", "topic", "group_id", "start", "state_dir", "listen", "false_alarms")
@click.option("--offline", is_flag=True, help="Do not connect to the broker.")
@click.option("--all", "everything", is_flag=True, help="Show settings that have their defaults, too.")
@options.output
def check(output: str, offline: bool, everything: bool, **given: Any) -> int:
    """Validate the configuration, ask the broker, and say what this configuration can see and how seldom it will page.

    A reference tells the rate and the regime of each channel, so for models that have one every number is given. The
    exit code is 0 when all is well, 2 for a mistake in the configuration, 3 when the broker cannot be reached or read.
    """
    loaded = options.load(given)
    report = {
        "config": str(loaded.path) if loaded.path else None,
        "settings": [{"setting": s, "value": v, "origin": o} for s, v, o in loaded.rows()],
        **models(loaded.settings),
        "discovery": loaded.settings.discovery.model_dump(),
        "alarms": loaded.settings.alarms.model_dump(),
        "kafka": None if offline else kafka(loaded),
    }
    found = report["kafka"]["problems"] if isinstance(report["kafka"], dict) else []
    report["problems"] = found
    if output == "json":
        json(report)
    else:
        _print(loaded, report, everything=everything)
    return 3 if found else 0


def kafka(loaded: Loaded) -> dict[str, Any]:
    """What the broker says. Raises ConfigError without broker or topic."""
    from driftd.core.errors import SourceError  # noqa: PLC0415
    from driftd.sources.kafka.source import check_topics  # noqa: PLC0415
    from driftd.wiring.app import kafka_settings  # noqa: PLC0415

    settings = kafka_settings(loaded.settings)
    try:
        report = check_topics(settings)
    except SourceError as e:
        return {"server": ", ".join(settings.bootstrap_servers), "topics": [], "problems": [str(e)]}
    return {
        "server": report.server,
        "version": ".".join(map(str, report.version)),
        "cluster_id": report.cluster_id,
        "topics": [{"topic": t.name, "partitions": t.partitions, "problem": t.problem} for t in report.topics],
        "problems": list(report.problems),
    }


def models(settings: Settings) -> dict[str, Any]:
    """What would be watched of each model that is configured or has a reference, how well, and what is promised."""
    from driftd.cli import sensitivity  # noqa: PLC0415
    from driftd.monitor.sensitivity import sensitivity_of  # noqa: PLC0415
    from driftd.wiring.app import chooser, pipeline_of, references_of  # noqa: PLC0415

    references, pipeline = references_of(settings), pipeline_of(settings)
    configured = {m.name: m for m in settings.models}
    out = []
    for name in {**configured, **references}:
        model, reference = configured.get(name), references.get(name)
        choose = chooser(settings, model)
        channels = list(reference.channels) if reference else list(_expected(model))
        sight = None
        if reference is not None:
            plan, budget = pipeline.monitor.detectors(reference), pipeline.monitor.false_alarms_per_month
            sight = sensitivity_of(reference, plan, pipeline.monitor.windows, budget, pipeline.monitor.budget_models)
        out.append({
            "model": name,
            "configured": model is not None,
            "reference": _reference(settings, model, reference),
            "window": sensitivity.window(sight),
            "joint": sensitivity.joint(sight),
            "channels": [
                {
                    "channel": c.name,
                    "role": c.role.value,
                    "type": c.kind.value,
                    "detectors": _detectors(choose, c),
                    **(sensitivity.channel(sight.channels[row]) if sight is not None else {}),
                }
                for row, c in enumerate(channels)
            ],
        })  # fmt: skip
    return {"certificate": sensitivity.certificate(pipeline.monitor.certificate(references.values())), "models": out}


def _expected(model: Model | None) -> Iterator[Channel]:
    """The channels that are known before the reference is learned."""
    from driftd.core.event import Kind  # noqa: PLC0415
    from driftd.core.reference import Channel, Role  # noqa: PLC0415

    for name, feature in model.features.items() if model else ():
        yield Channel(name, Role.FEATURE, Kind(feature.type) if feature.type else Kind.ANY)
    yield Channel("prediction", Role.PREDICTION, Kind.ANY)
    yield Channel("score", Role.SCORE, Kind.NUMERIC)
    yield Channel("error", Role.ERROR, Kind.NUMERIC)
    yield Channel("prediction_error", Role.PREDICTION_ERROR, Kind.NUMERIC)


def _detectors(choose: Any, channel: Channel) -> list[dict[str, Any]] | None:
    """Kind and settings; None where the type of the channel must be learned first."""
    from dataclasses import asdict  # noqa: PLC0415

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
    source = model.reference if model else None
    seconds = (source.seconds if source else None) or (None if source and source.events else settings.learning.seconds)
    events = None if seconds else (source.events if source else None) or settings.learning.events
    return {"learn_events": events, "learn_seconds": seconds}


def _print(loaded: Loaded, report: dict[str, Any], *, everything: bool) -> None:
    from driftd.cli import sensitivity  # noqa: PLC0415

    rows = loaded.rows()
    given = [row for row in rows if everything or row[2] != "default"]
    line(f"Configuration: {report['config'] or 'no file'}", "bold")
    if given:
        table(("setting", "value", "from"), given, indent=2)
    if len(given) < len(rows):
        line(f"  {len(rows) - len(given)} settings have their defaults; --all shows them.")
    _print_kafka(report["kafka"])
    for model in report["models"]:
        _print_model(model)
    discovery = loaded.settings.discovery
    line()
    sensitivity.print_certificate(report["certificate"])
    if discovery.enabled:
        line(
            f"Discovery: on; up to {discovery.max_models} models of up to {discovery.max_features} features are taken "
            "in as they come, types inferred."
        )
    else:
        line("Discovery: off; events of models that are not configured are dropped and counted.")
    if report["problems"]:
        line(f"{len(report['problems'])} problem(s) found.", "bold red")
    else:
        line("No problems found." if report["kafka"] else "No problems found; the broker was not asked.", "green")


def _print_kafka(kafka: dict[str, Any] | None) -> None:
    if kafka is None:
        return
    line()
    cluster = f", cluster {kafka['cluster_id']}" if "cluster_id" in kafka else ""
    line(f"Kafka: {kafka['server']}{cluster}", "bold")
    if kafka["topics"]:
        rows = [(t["topic"], str(t["partitions"]), clean(t["problem"], 400) or "readable") for t in kafka["topics"]]
        table(("topic", "partitions", "state"), rows, indent=2)
    told = {f"topic '{t['topic']}': {t['problem']}" for t in kafka["topics"]}
    for problem in kafka["problems"]:
        if problem not in told:
            line(f"  {problem}", "red")


def _print_model(model: dict[str, Any]) -> None:
    from driftd.cli import sensitivity  # noqa: PLC0415
    from driftd.config.values import spell_seconds  # noqa: PLC0415
    from driftd.sinks.log import utc  # noqa: PLC0415

    reference = model["reference"]
    line()
    line(f"Model: {clean(model['model'])}" + ("" if model["configured"] else " (discovered)"), "bold")
    if "version" in reference:
        stretch = f"{utc(reference['first'])} to {utc(reference['last'])} (UTC)"
        line(f"  reference v{reference['version']}: {reference['events']:,} events, {stretch}, {reference['source']}")
    elif reference["learn_seconds"]:
        line(f"  reference: learned from the first {spell_seconds(reference['learn_seconds'])} of event time")
    else:
        line(f"  reference: learned from the first {reference['learn_events']:,} events")
    if model["window"] is not None:
        sensitivity.print_channels(model)
        return
    rows = [(c["channel"], c["role"], _type(c), _spelled(c["detectors"])) for c in model["channels"]]
    table(("channel", "role", "type", "detectors"), rows, indent=2)
    line("  What can be seen is known with the reference: after learning, or 'driftd reference build'.")


def _type(channel: dict[str, Any]) -> str:
    return "to be learned" if channel["type"] == "any" else str(channel["type"])


def _spelled(detectors: list[dict[str, Any]] | None) -> str:
    """``psi (effect 0.1), adwin``: settings but for the effect are shown by `driftd detectors`."""
    if detectors is None:
        return "by its type"
    parts = [
        f"{d['detector']} (effect {d['settings']['effect']:g})" if "effect" in d["settings"] else d["detector"]
        for d in detectors
    ]
    return ", ".join(parts) or "none"
