"""Settings to objects: straight lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from driftd import history
from driftd.codecs import EventsCodec, Limits
from driftd.config import DetectorSettings, Loaded, Model, Settings
from driftd.daemon import LEARNED_BY
from driftd.detectors import SequentialDetector, WindowDetector
from driftd.detectors.registry import build, defaults_for
from driftd.errors import ConfigError
from driftd.event import Kind
from driftd.history import Stage
from driftd.learning import Learning
from driftd.pipeline import Pipeline
from driftd.plan import Chooser, Detector
from driftd.reference import Channel, Reference, Role
from driftd.sources.file import Events
from driftd.store import ReferenceStore, read_reference
from driftd.taking import Watch
from driftd.window import Windows

if TYPE_CHECKING:
    from driftd.sources.kafka import KafkaSettings

SENSITIVITY = frozenset({"delta", "threshold", "drift_threshold", "drift_confidence"})
"""Settings of sequential detectors that say how sensitive they are; where the user gives one, it stands, and what the
detector finds makes tickets: the budget does not cover it."""

_TASKS = {"auto": None, "classification": True, "regression": False}


def pipeline_of(settings: Settings, *, every_window: bool = False) -> Pipeline:
    """The pipeline that the settings describe."""
    discover = settings.discovery.enabled
    watches = {m.name: _watch(settings, m) for m in settings.models}
    return Pipeline(
        codec=EventsCodec(_limits(settings)),
        windows=_windows(settings),
        default=_watch(settings, None),
        watches=watches,
        false_alarms_per_month=settings.alarms.false_alarms_per_month,
        # a share for every model that may still be discovered: the budget holds whatever comes, and in any order
        budget_models=max(settings.discovery.max_models if discover else 0, len(watches), 1),
        every_window=every_window,
        max_models=settings.discovery.max_models if discover else None,
    )


def references_of(settings: Settings) -> dict[str, Reference]:
    """The references to judge against from the start: those named in the configuration, else the newest stored."""
    store = ReferenceStore(Path(settings.state.directory) / "references")
    newest = {r.model: r for r in store.list()}
    for model in settings.models:
        if model.reference.path is not None:
            reference = read_reference(Path(model.reference.path))
            if reference.model != model.name:
                raise ConfigError(
                    f"models.{model.name}.reference.path: {model.reference.path} is the reference of "
                    f"{reference.model!r}; build one with 'driftd reference build'"
                )
            newest[model.name] = reference
    return newest


def kafka_settings(settings: Settings) -> KafkaSettings:
    """What the Kafka source and sinks need; raises ConfigError when there is no broker or no topic."""
    from driftd.sources.kafka import KafkaSettings  # noqa: PLC0415  kafka-python takes 0.2 s to import

    k = settings.kafka
    missing = [
        f"kafka.{name}: not set; give {flag}, DRIFTD_KAFKA__{name.upper()}, or kafka.{name} in driftd.yaml"
        for name, flag, value in (
            ("bootstrap_servers", "--bootstrap-servers", k.bootstrap_servers),
            ("topics", "--topic", k.topics),
        )
        if not value
    ]
    if missing:
        raise ConfigError("\n".join(missing))

    def secret(value: SecretStr | None) -> str | None:
        return None if value is None else value.get_secret_value()

    def path(value: Path | None) -> str | None:
        return None if value is None else str(value)

    return KafkaSettings(
        bootstrap_servers=k.bootstrap_servers,
        topics=k.topics,
        group_id=k.group_id,
        group_instance_id=k.instance_id,
        client_id=k.client_id,
        start=k.start,
        security_protocol=k.security_protocol,
        sasl_mechanism=k.sasl_mechanism,
        sasl_username=k.sasl_username,
        sasl_password=secret(k.sasl_password),
        ssl_cafile=path(k.ssl_cafile),
        ssl_certfile=path(k.ssl_certfile),
        ssl_keyfile=path(k.ssl_keyfile),
        ssl_password=secret(k.ssl_password),
        assignor=k.assignor,
        max_poll_records=k.max_poll_records,
        session_timeout_seconds=k.session_timeout_seconds,
        max_poll_interval_seconds=k.max_poll_interval_seconds,
    )


def build_references(
    loaded: Loaded, events: Events, *, models: Sequence[str], first: int | None, reason: str, stage: Stage
) -> list[Reference]:
    """`driftd reference build`."""
    pipeline = pipeline_of(loaded.settings)
    return history.build_references(pipeline, events, models=models, first=first, reason=reason, stage=stage)


def _limits(settings: Settings) -> Limits:
    return Limits(
        record_bytes=settings.limits.record_bytes,
        features_per_event=settings.limits.features_per_event,
        future_seconds=settings.windows.future_seconds,
        discover=settings.discovery.enabled,
        max_models=max(settings.discovery.max_models, len(settings.models)),
        max_features=settings.discovery.max_features,
    )


def _windows(settings: Settings) -> Windows:
    w = settings.windows
    return Windows(
        w.pane_seconds, w.window_seconds, w.min_events, w.hops, w.max_window_seconds, w.out_of_orderness_seconds
    )


def _watch(settings: Settings, model: Model | None) -> Watch:
    kinds = {name: Kind(f.type) if f.type else Kind.ANY for name, f in model.features.items()} if model else {}
    source = model.reference if model else None
    events, seconds = settings.learning.events, settings.learning.seconds
    if source is not None and (source.events is not None or source.seconds is not None):
        events, seconds = source.events or events, source.seconds
    return Watch(
        choose=chooser(settings, model),
        learning=Learning(
            kinds=kinds,
            classes=_TASKS[model.task] if model else None,
            source="learned from the topic",
            created_by=LEARNED_BY,
            reason="first events of the model",
        ),
        learn_events=events,
        learn_seconds=seconds,
        max_features=settings.discovery.max_features,
        discover=settings.discovery.enabled,
    )


def chooser(settings: Settings, model: Model | None) -> Chooser:
    """Which detectors watch a channel: the feature's own, else the model's, else those for its kind, else driftd's."""
    built: dict[tuple[str, str], Detector] = {}

    def choose(channel: Channel) -> Sequence[WindowDetector | SequentialDetector]:
        feature = model.features.get(channel.name) if model and channel.role is Role.FEATURE else None
        # an empty list is a choice too: no detectors
        wanted: Sequence[DetectorSettings] | None = feature.detectors if feature is not None else None
        if wanted is None and model is not None:
            wanted = model.detectors
        if wanted is None:
            wanted = _for_kind(settings, channel)
        out = []
        for choice in wanted:
            options = choice.options
            if feature is not None and choice.kind in feature.effect:
                options["effect"] = feature.effect[choice.kind]
            key = choice.kind, repr(sorted(options.items()))
            detector = built.get(key) or built.setdefault(key, _built(choice.kind, options))
            errors = channel.role in (Role.ERROR, Role.PREDICTION_ERROR)
            if errors or not getattr(detector, "errors_only", False):
                out.append(detector)
        return out

    return choose


def _built(kind: str, options: dict[str, Any]) -> Detector:
    if options.keys() & SENSITIVITY:
        options = {"budget": False, **options}
    return build(kind, **options)


def _for_kind(settings: Settings, channel: Channel) -> Sequence[DetectorSettings]:
    if channel.role in (Role.ERROR, Role.PREDICTION_ERROR):
        chosen = settings.detectors.errors
    elif channel.kind is Kind.NUMERIC:
        chosen = settings.detectors.numeric
    else:
        chosen = settings.detectors.categorical
    if chosen is not None:
        return chosen
    return [DetectorSettings(kind=kind) for kind in defaults_for(channel.kind, channel.role)]
