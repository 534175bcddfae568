"""Every setting in force with its value as text and its origin; secrets stay masked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from pydantic import BaseModel

from driftd.config import describe
from driftd.config.alarms import DetectorSettings, ModelAlarms, SizeSetting
from driftd.config.errors import dotted
from driftd.config.mapping import FeaturesMapping, FieldMapping, MappingFields
from driftd.config.models import Feature
from driftd.config.settings import Settings
from driftd.config.values import spell_moment, spell_seconds
from driftd.config.watching import ExcludedStretch, ReferenceFrom
from driftd.config.yamlfile import Place

_MODEL: Final = r"models\[(\d+)\]\.(name|task|positive|detectors|reference\.\w+|alarms\.\w+|features)(.*)"


def complete(settings: Settings, origins: Mapping[Place, str]) -> dict[str, str]:
    """Origins of every setting, ``default`` where nobody gave it."""
    out = {}
    for setting in describe.settings():
        if setting.env and setting.path != "models":
            out[setting.path] = origins.get(tuple(setting.path.split(".")), "default")
    for i, model in enumerate(settings.models):
        leaves: list[Place] = [
            ("name",),
            ("task",),
            ("positive",),
            ("detectors",),
            *(("reference", k) for k in ReferenceFrom.model_fields),
            *(("alarms", k) for k in ModelAlarms.model_fields),
        ]
        for leaf in [*leaves, *(("features", name) for name in model.features)]:
            place: Place = ("models", i, *leaf)
            out[dotted(place)] = origins.get(place, "default")
    return out


def value_of(settings: Settings, path: str) -> Any:
    value: Any = settings
    match = re.match(_MODEL, path, re.DOTALL)
    if match:
        value = settings.models[int(match.group(1))]
        for key in match.group(2).split("."):
            value = getattr(value, key)
        if match.group(2) == "features":
            return next(f for name, f in value.items() if dotted(("x", name)) == f"x{match.group(3)}")
        return value
    for key in path.split("."):
        value = getattr(value, key)
    return value


def show(value: Any, path: str) -> str:
    """``value`` of the setting ``path`` as text."""
    match value:
        case None:
            return "unset"
        case float():
            return _number(value, path)
        case bool():
            return str(value).lower()
        case tuple():
            return ", ".join(show(v, "") for v in value) or "none"
        case ExcludedStretch():
            return f"{spell_moment(value.from_)}/{spell_moment(value.to)} {value.why}".strip()
        case dict():
            return ", ".join(f"{name}: {show(v, '')}" for name, v in value.items()) or "none"
        case BaseModel():
            return _section(value)
    return str(value)


def _section(value: BaseModel) -> str:
    match value:
        case SizeSetting():
            return " ".join(f"{k} {_size(getattr(value, k))}" for k in sorted(value.model_fields_set, reverse=True))
        case DetectorSettings():
            return _detector(value)
        case FieldMapping() | FeaturesMapping() | MappingFields():
            return _mapping(value)
        case Feature():
            return _feature(value)
    return str(value)


def _number(value: float, path: str) -> str:
    return spell_seconds(value) if re.sub(r"\[\d+\]", "[]", path) in _durations() else f"{value:g}"


def _detector(chosen: DetectorSettings) -> str:
    options = " ".join(f"{k}={v}" for k, v in chosen.options.items())
    return f"{chosen.kind}({options})" if options else chosen.kind


def _mapping(value: FieldMapping | FeaturesMapping | MappingFields) -> str:
    given = {name: getattr(value, name) for name in sorted(value.model_fields_set)}
    first = next(iter(given), "")
    if len(given) == 1 and first in {"path", "under"}:
        return str(given[first])
    shown = ", ".join(f"{name}: {show(v, '')}" for name, v in given.items())
    return f"{{{shown}}}"


def _size(value: float | None) -> str:
    return "never" if value is None else f"{value:g}"


def _feature(feature: Feature) -> str:
    parts: list[str] = [feature.type or "inferred"]
    if feature.detectors is not None:
        parts.append(show(feature.detectors, ""))
    return ", ".join([*parts, *(f"{kind} effect {size:g}" for kind, size in feature.effect.items())])


@cache
def _durations() -> frozenset[str]:
    return frozenset(s.path for s in describe.settings() if s.type == "duration")
