"""Settings to the pipeline, and to the references that it begins with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from driftd.config import Settings
from driftd.core.errors import ConfigError
from driftd.core.reference import Reference, ReferenceKind
from driftd.decode import Codec, codec_of
from driftd.engine.hashed import require_reference
from driftd.engine.pipeline import Pipeline
from driftd.engine.store import ReferenceStore, read_reference
from driftd.ingest.rate_limit import RateLimits
from driftd.monitor.model import Monitor
from driftd.wiring.decoding import hashing_of, joining_of, limits_of
from driftd.wiring.models import kind_of, model_settings, rules_of, windows_of


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
        windows=windows_of(settings),
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
        require_reference(reference, hashing_of(settings))
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
