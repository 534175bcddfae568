"""Settings to objects: straight lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from driftd.config import DetectorSettings, Feature, Model, ReferenceFrom, Settings, SizeSetting
from driftd.config.experiments import ExperimentSetting
from driftd.config.mapping import mappings_of
from driftd.core.act import Act, Deed
from driftd.core.channel import Channel
from driftd.core.contacts import NOBODY, Contacts
from driftd.core.cost import Price, Prices
from driftd.core.errors import ConfigError
from driftd.core.event import Kind
from driftd.core.experiment import By, Measure, Metric, Role, Rule, Shares
from driftd.core.finding import JUDGE
from driftd.core.hashing import NOT_HASHED, Hasher, Hashing
from driftd.core.objective import Objective
from driftd.core.reference import Exclusion, Reference, ReferenceKind
from driftd.core.segmenting import Segmenting
from driftd.core.window import Windows
from driftd.decode import Codec, Limits, codec_of
from driftd.decode.registry import Registry
from driftd.detectors import SequentialDetector, WindowDetector
from driftd.detectors.registry import build, defaults_for, registry
from driftd.engine.hashed import require_reference
from driftd.engine.pipeline import Pipeline
from driftd.engine.references import LEARNED_BY
from driftd.engine.store import ReferenceStore, read_reference
from driftd.ingest.outcomes.join import Joining
from driftd.ingest.rate_limit import RateLimits
from driftd.judge.natural.changes import Change, Own, OwnSize, OwnSizes, from_user
from driftd.learn.build import Learning
from driftd.monitor.assignment import Chooser, Detector
from driftd.monitor.model import Monitor
from driftd.monitor.settings import ModelSettings
from driftd.sinks.redaction import Redact, dropped, hashed
from driftd.sources.registry import HttpRegistry, basic
from driftd.sources.schema_files import FolderRegistry
from driftd.sources.secret_file import secret_now

if TYPE_CHECKING:
    from driftd.sources.kafka.oauth import TokenSource
    from driftd.sources.kafka.source import KafkaSettings

FLOOD_FETCH_BYTES = 4 << 20
"""Of a partition at once, where most records of it may be skipped. A round trip to the broker then costs more than the
records: one of 20 kB takes 35 us of processor time in fetches of 2 MB, 30 in these, and 37 in those of 8 MB."""
PAGE_AFTER_SECONDS = 86_400.0
"""Ten thousand events of a fast stream span minutes and know nothing of the night."""
PLANNER = "driftd.yaml"
"""Who made the windows that are planned in the configuration."""
LEARN_EVENTS = 10_000
"""Events of a reference that does not grow, where nobody says how many."""

_TASKS = {"auto": None, "classification": True, "regression": False}


def pipeline_of(
    settings: Settings, codec: Codec | None = None, *, every_window: bool = False, shown: bool = True
) -> Pipeline:
    """The pipeline that the settings describe; ``codec`` is that of Kafka records unless given. ``shown``: whether
    somebody looks at the models' values over time, on pages or for silence.
    """
    discover, joining = settings.discovery.enabled, joining_of(settings)
    configured = {m.name: model_settings(settings, m) for m in settings.models}
    # where labels are expected they have a share of their own; else those of models that were not discovered, if any
    each = 2 if joining is not None and joining.always else 1
    shares = max(settings.discovery.max_models if discover else 0, len(configured) * each, 1)
    monitor = Monitor(
        windows=_windows(settings),
        default=model_settings(settings, None),
        configured=configured,
        false_alarms_per_month=settings.alarms.false_alarms_per_month,
        tickets_per_month=settings.alarms.tickets_per_month,
        # a share for every model that may still be discovered: the budget holds whatever comes, and in any order
        budget_models=shares,
        every_window=every_window,
        keeps_values=settings.state.values and shown,
        experiments={e.model: rules_of(settings, e.model) for e in settings.experiments},
    )
    return Pipeline(
        codec=codec or codec_of(limits_of(settings)),
        monitor=monitor,
        max_models=settings.discovery.max_models if discover else None,
        retire_seconds=settings.windows.retire_seconds,
        limits=RateLimits(settings.limits.records_per_second, settings.limits.events_per_second),
        labels=joining,
        most_slices=max(shares, 2 * len(configured)),
        shows_ids=not settings.privacy.hides,
    )


def joining_of(settings: Settings) -> Joining | None:
    """How labels that come alone are joined; None where they are not. Members would each know a part of them."""
    labels = settings.labels
    if labels.join == "never" or settings.members.enabled:
        return None
    return Joining(labels.horizon_seconds, labels.max_pending, always=labels.join == "always")


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
    configured = {m.name: m for m in settings.models}
    for reference in newest.values():
        require_reference(reference, _hashing(settings))
    return {name: _as_wanted(r, kind_of(settings, configured.get(name))) for name, r in newest.items()}


def _as_wanted(reference: Reference, kind: ReferenceKind | None) -> Reference:
    """The reference as one of the kind that is configured, if any is."""
    if kind is None or kind is reference.kind:
        return reference
    if kind is ReferenceKind.SEASONAL and reference.slots is None:
        raise ConfigError(
            f"reference {reference.model} v{reference.version}: {reference.kind.value}, config asks for seasonal; "
            f"run 'driftd reference build {reference.model} --kind seasonal'"
        )
    return replace(reference, kind=kind)


def kafka_settings(settings: Settings, topics: tuple[str, ...] | None = None) -> KafkaSettings:
    """What the Kafka source and sinks need; ``topics`` instead of those of the settings. Raises ConfigError when there
    is no broker or no topic.
    """
    from driftd.sources.kafka.source import KafkaSettings  # noqa: PLC0415  kafka-python takes 0.2 s to import

    k = settings.kafka
    topics = k.topics if topics is None else topics
    missing = [
        f"kafka.{name}: not set; give {flag}, DRIFTD_KAFKA__{name.upper()}, or kafka.{name} in driftd.yaml"
        for name, flag, value in (
            ("bootstrap_servers", "--bootstrap-servers", k.bootstrap_servers),
            ("topics", "--topic", topics),
        )
        if not value
    ]
    if missing:
        raise ConfigError("\n".join(missing))

    def secret(value: SecretStr | None) -> str | None:
        return None if value is None else value.get_secret_value()

    def path(value: Path | None) -> str | None:
        return None if value is None else str(value)

    found = KafkaSettings(
        bootstrap_servers=k.bootstrap_servers,
        topics=topics,
        group_id=k.group_id,
        group_instance_id=k.instance_id,
        client_id=k.client_id,
        start=k.start,
        security_protocol=k.security_protocol,
        sasl_mechanism=k.sasl_mechanism,
        sasl_username=k.sasl_username,
        sasl_password=secret(k.sasl_password),
        sasl_password_file=path(k.sasl_password_file),
        tokens=tokens_of(settings),
        extensions=k.sasl_oauthbearer_extensions,
        ssl_cafile=path(k.ssl_cafile),
        ssl_certfile=path(k.ssl_certfile),
        ssl_keyfile=path(k.ssl_keyfile),
        ssl_password=secret(k.ssl_password),
        ssl_password_file=path(k.ssl_password_file),
        assignor=k.assignor,
        max_poll_records=k.max_poll_records,
        session_timeout_seconds=k.session_timeout_seconds,
        max_poll_interval_seconds=k.max_poll_interval_seconds,
    )
    if settings.limits.records_per_second is None:
        return found
    # a schema registry is asked before it is known which records are wanted
    late = settings.schema_registry.url is None
    return replace(found, partition_fetch_bytes=FLOOD_FETCH_BYTES, unpacks_late=late)


def tokens_of(settings: Settings) -> TokenSource | None:
    """Where the tokens of OAUTHBEARER come from; None without it."""
    from driftd.sources.kafka import oauth  # noqa: PLC0415

    k = settings.kafka
    if k.sasl_oauthbearer_token_file is not None:
        return oauth.TokenFile(k.sasl_oauthbearer_token_file)
    if k.sasl_oauthbearer_token_endpoint_url is None:
        return None
    file, secret = k.sasl_oauthbearer_client_secret_file, k.sasl_oauthbearer_client_secret
    given = None if secret is None else secret.get_secret_value()
    endpoint = oauth.TokenEndpoint(
        url=k.sasl_oauthbearer_token_endpoint_url,
        client_id=k.sasl_oauthbearer_client_id or "",
        secret=lambda: secret_now("sasl_oauthbearer_client_secret", given, file),
        scope=k.sasl_oauthbearer_scope,
        cafile=None if k.sasl_oauthbearer_cafile is None else str(k.sasl_oauthbearer_cafile),
    )
    return oauth.ClientCredentials(endpoint)


def limits_of(settings: Settings) -> Limits:
    return Limits(
        record_bytes=settings.limits.record_bytes,
        features_per_event=settings.limits.features_per_event,
        future_seconds=settings.windows.future_seconds,
        discover=settings.discovery.enabled,
        max_models=max(settings.discovery.max_models, len(settings.models)),
        max_features=settings.discovery.max_features,
        show_values=not settings.privacy.hides,
        keep_ids=not settings.privacy.hides or joining_of(settings) is not None,
        hasher=hasher_of(settings),
        mappings=mappings_of(settings.mapping),
        registry=registry_of(settings),
    )


def registry_of(settings: Settings) -> Registry | None:
    r = settings.schema_registry
    asked = _asked(settings)
    return asked if r.folder is None else FolderRegistry(r.folder, asked)


def _asked(settings: Settings) -> HttpRegistry | None:
    r = settings.schema_registry
    if r.url is None:
        return None

    def secret(value: SecretStr | None) -> str:
        return "" if value is None else value.get_secret_value()

    login = basic(r.username, secret(r.password)) if r.username else f"Bearer {secret(r.token)}" if r.token else None
    cafile, certfile, keyfile = (None if file is None else str(file) for file in (r.cafile, r.certfile, r.keyfile))
    return HttpRegistry(r.url, r.type == "apicurio", login, cafile, certfile, keyfile)


def hasher_of(settings: Settings) -> Hasher | None:
    """None where no category is hashed."""
    p = settings.privacy
    return Hasher(key_of(settings), p.hash_text, p.hash_channels) if p.hash_text or p.hash_channels else None


def key_of(settings: Settings) -> bytes:
    """The secret of hashes; config has seen to it that there is one where it is needed."""
    return b"" if settings.privacy.key is None else settings.privacy.key.get_secret_value().encode()


def redaction_of(settings: Settings) -> Redact | None:
    """What dead letters lose."""
    if settings.privacy.dead_letters == "drop":
        return dropped
    return hashed(Hasher(key_of(settings))) if settings.privacy.dead_letters == "hash" else None


def _hashing(settings: Settings) -> Hashing:
    hasher = hasher_of(settings)
    return NOT_HASHED if hasher is None else hasher.hashing


def _windows(settings: Settings) -> Windows:
    w = settings.windows
    return Windows(
        w.pane_seconds, w.window_seconds, w.min_events, w.hops, w.max_window_seconds, w.out_of_orderness_seconds
    )


def model_settings(settings: Settings, model: Model | None) -> ModelSettings:
    source = model.reference if model else ReferenceFrom()
    events, seconds, page_after = _reference_size(settings, source)
    grows = (events, seconds, kind_of(settings, model)) == (None, None, None)
    return ModelSettings(
        choose=chooser(settings, model),
        learning=Learning(
            kinds=_kinds(model),
            classes=_TASKS[model.task] if model else None,
            source="learned from the topic",
            created_by=LEARNED_BY,
            reason="first events of the model",
            least_span_seconds=page_after,
            kind=kind_of(settings, model) or ReferenceKind.FIXED,
            windows=_windows(settings),
            period_seconds=source.period_seconds or settings.learning.period_seconds,
            exclude=tuple(Exclusion(e.from_, e.to, e.why) for e in (*settings.learning.exclude, *source.exclude)),
            hashing=_hashing(settings),
            positive=_positive(settings, model),
        ),
        learn_events=events or LEARN_EVENTS,
        learn_seconds=seconds,
        grow_seconds=settings.learning.grow_seconds if grows else None,
        max_features=settings.discovery.max_features,
        discover=settings.discovery.enabled,
        effect=lambda channel: effect_of(settings, model, channel),
        asked=lambda channel: wanted(settings, model, channel) is not None,
        sizes=lambda channel: own_sizes(settings, model, channel),
        sized=() if model is None else tuple(model.alarms.channels),
        restart=(source.new_version or settings.learning.new_version) == "restart",
        maintenance=_maintenance(settings, model),
        given=source.path is not None,
        objective=_objective(settings, model),
        prices=_prices(settings),
        budget=None if model is None else model.cost.budget,
        units=settings.units | ({} if model is None else model.units),
        segmenting=(segmenting := _segmenting(settings, model)),
        share=1.0 if segmenting is None else segmenting.whole,
        contacts=NOBODY if model is None else _contacts(model),
    )


def _contacts(model: Model) -> Contacts:
    return Contacts(model.owner or "", model.upstream or "", model.fallback or "", model.runbook or "")


def _segmenting(settings: Settings, model: Model | None) -> Segmenting | None:
    """What of the model is watched by itself. Values are as events have them: hashed where these are."""
    if model is None or not model.segments.fields:
        return None
    s, hasher, values = model.segments, hasher_of(settings), dict[str, tuple[str, ...]]()
    for name, given in s.values.items():
        known = given if hasher is None else hasher.feature(model.name, name, given, Kind.CATEGORICAL)
        values[name] = tuple(str(v) for v in known)
    return Segmenting(s.fields, values, s.edges, s.min_events, s.max_segments, s.budget)


def _positive(settings: Settings, model: Model | None) -> str | None:
    """As events have it: a class that is hashed in them is known by its hash."""
    hasher = hasher_of(settings)
    if model is None or model.positive is None or hasher is None:
        return None if model is None else model.positive
    (hashed_,) = hasher.answer(model.name, [model.positive], Kind.CATEGORICAL)
    return str(hashed_)


def _objective(settings: Settings, model: Model | None) -> Objective:
    """What is set for the model, else for all."""
    own, all_ = {} if model is None else model.slo.model_dump(exclude_none=True), settings.slo.model_dump()
    wanted = all_ | own

    def budget(objective: float) -> float:
        return float(f"{1 - objective:.9g}")  # 1 - 0.99 is not 0.01

    return Objective(
        budget(wanted["success_objective"]), budget(wanted["latency_objective"]), wanted["latency_seconds"]
    )


def rules_of(settings: Settings, model: str) -> tuple[Rule, ...]:
    """Those of the experiments of a model."""
    return tuple(_rule(e) for e in settings.experiments if e.model == model)


def _rule(e: ExperimentSetting) -> Rule:
    arms = (e.champion, *e.challengers)
    steps = [(step.from_, step.shares) for step in e.ramp] or ([(0.0, e.shares)] if e.shares else [])
    return Rule(
        e.name,
        e.model,
        arms,
        tuple(
            Metric(Measure(m.measure), m.margin, Role(m.role), bool(m.higher_is_better), m.threshold_seconds, m.cap)
            for m in e.metrics
        ),
        e.alpha,
        By(e.by),
        e.start or 0.0,
        tuple(Shares(at, tuple(shares[name] / sum(shares.values()) for name in arms)) for at, shares in steps),
    )


def _prices(settings: Settings) -> Prices:
    return Prices(tuple(Price(**p.model_dump()) for p in settings.prices.models), settings.prices.currency)


def _maintenance(settings: Settings, model: Model | None) -> tuple[Act, ...]:
    """Windows that the user has planned, of all models and of this one."""
    own, name = ((), "") if model is None else (model.maintenance, model.name)
    planned = (*settings.maintenance, *own)
    return tuple(Act(Deed.MAINTENANCE, PLANNER, 0.0, w.why, name, start=w.from_, end=w.to) for w in planned)


def _kinds(model: Model | None) -> dict[str, Kind]:
    if model is None:
        return {}
    return {name: Kind(f.type) if f.type else Kind.ANY for name, f in model.features.items()}


def _reference_size(settings: Settings, source: ReferenceFrom) -> tuple[int | None, float | None, float]:
    """Events or seconds that a reference is learned from, if anybody said so, and the seconds it must span to page."""
    learning = settings.learning
    events, seconds = learning.events, learning.seconds
    if source.events is not None or source.seconds is not None:
        events, seconds = source.events, source.seconds
    page_after = learning.page_after_seconds
    if page_after is None:
        page_after = PAGE_AFTER_SECONDS if (events, seconds) == (None, None) else 0.0
    return events, seconds, page_after


def effect_of(settings: Settings, model: Model | None, channel: Channel) -> float:
    """The smallest change of a channel that opens an episode: the feature's own, else everybody's."""
    feature = _feature(model, channel)
    return settings.alarms.effect if feature is None else feature.effect.get(JUDGE, settings.alarms.effect)


def own_sizes(settings: Settings, model: Model | None, channel: Channel) -> OwnSizes:
    """The sizes that the user wants of a channel: everybody's, the model's over them, and the channel's own."""
    every = settings.alarms.sizes
    if model is None:
        return OwnSizes(_sizes(every))
    return OwnSizes(_sizes(every, model.alarms.sizes), _sizes(model.alarms.channels.get(channel.name, {})))


def _sizes(*layers: Mapping[str, SizeSetting]) -> Own:
    """As one: the last layer that says a size counts."""
    said: dict[str, dict[str, float]] = {}
    for layer in layers:
        for name, size in layer.items():
            given = {k: getattr(size, k) for k in size.model_fields_set}
            sizes = {k: inf if v is None else from_user(Change(name), v) for k, v in given.items()}
            said.setdefault(name, {}).update(sizes)
    return {Change(name): OwnSize(**given) for name, given in said.items()}


def _feature(model: Model | None, channel: Channel) -> Feature | None:
    """What the user wants of the channel's feature; None where nobody said, and for channels of other roles."""
    return model.features.get(channel.feature) if model is not None and channel.feature is not None else None


def kind_of(settings: Settings, model: Model | None) -> ReferenceKind | None:
    """What the user wants windows compared with; None where nobody said."""
    kind = (model.reference.kind if model else None) or settings.learning.kind
    return None if kind is None else ReferenceKind(kind)


def chooser(settings: Settings, model: Model | None) -> Chooser:
    """Which detectors watch a channel: the feature's own, else the model's, else those for its kind, else driftd's."""
    built: dict[tuple[str, str], Detector] = {}

    def choose(channel: Channel) -> Sequence[WindowDetector | SequentialDetector]:
        feature, chosen = _feature(model, channel), wanted(settings, model, channel)
        if chosen is None:
            chosen = [DetectorSettings(kind=kind) for kind in defaults_for(channel.kind, channel.role)]
        out = []
        for choice in chosen:
            options = choice.options
            if feature is not None and choice.kind in feature.effect:
                options["effect"] = feature.effect[choice.kind]
            key = choice.kind, repr(sorted(options.items()))
            detector = built.get(key) or built.setdefault(key, _built(choice.kind, options))
            if channel.role.row.errors or not getattr(detector, "errors_only", False):
                out.append(detector)
        return out

    return choose


def _built(kind: str, options: dict[str, Any]) -> Detector:
    """Where the user gives the sensitivity, it stands and the budget does not cover it: detections make tickets."""
    if getattr(registry().get(kind), "sensitivity", None) in options:
        options = {"budget": False, **options}
    return build(kind, **options)


def wanted(settings: Settings, model: Model | None, channel: Channel) -> Sequence[DetectorSettings] | None:
    """The detectors that the user chose for a channel: an empty list is a choice too. None where nobody chose,
    and where none applies: how long answers take is heavy-tailed, and follows the load.
    """
    feature = _feature(model, channel)
    if channel.role.row.aside:
        return None
    if feature is not None and feature.detectors is not None:
        return feature.detectors
    if model is not None and model.detectors is not None:
        return model.detectors
    if channel.role.row.errors:
        return settings.detectors.errors
    return settings.detectors.numeric if channel.kind is Kind.NUMERIC else settings.detectors.categorical
