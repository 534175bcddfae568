"""Settings to the detectors of a channel, and to what is large enough there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from driftd.config import DetectorSettings, Feature, Model, Settings, SizeSetting
from driftd.core.channel import Channel
from driftd.core.event import Kind
from driftd.core.finding import JUDGE
from driftd.detectors import SequentialDetector, WindowDetector
from driftd.detectors.registry import build, defaults_for, registry
from driftd.judge.natural.changes import Change, Own, OwnSize, OwnSizes, from_user
from driftd.monitor.assignment import Chooser, Detector


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
