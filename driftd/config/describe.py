"""The settings as a table: the source of docs/config.md, `driftd config` and the messages about unknown settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from driftd.config.alarms import Detectors, SizeSetting
from driftd.config.experiments import ExperimentSetting, MetricSetting, RampSetting
from driftd.config.mapping import FeaturesMapping, FieldMapping, MappedNames, MappingFields
from driftd.config.models import Feature, Model
from driftd.config.service import PriceSetting
from driftd.config.settings import Settings
from driftd.config.values import Moment, PositiveSeconds, Seconds, spell_seconds
from driftd.config.watching import ExcludedStretch

_DURATIONS: Final = (get_args(Seconds), get_args(PositiveSeconds))
_PLAIN: Final = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
    SecretStr: "secret",
}
_ITEMS: Final[dict[type[BaseModel] | None, str]] = {
    Model: "models",
    ExcludedStretch: "time ranges",
    PriceSetting: "prices",
    ExperimentSetting: "experiments",
    MetricSetting: "metrics",
    RampSetting: "steps",
}
_LISTS: Final = frozenset({"models", "prices.models", "experiments", "experiments[].metrics", "experiments[].ramp"})
"""Whose items have settings of their own."""

_MAPPED: Final[dict[Any, str]] = {Feature: "features", SizeSetting: "sizes", MappingFields: "mappings"}
_PATHS: Final[dict[Any, str]] = {FieldMapping: "path or mapping", FeaturesMapping: "path or mapping"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``path`` is dotted, ``[]`` for an item of a list, ``<feature>`` for a key of one's own.

    ``env`` is the variable that sets it; empty for settings of one model, which come with DRIFTD_MODELS as JSON.
    """

    path: str
    type: str
    default: str
    env: str
    meaning: str


@cache
def settings() -> tuple[Setting, ...]:
    """Every setting there is, in the order of the code."""
    return tuple(_walk(Settings, ""))


@cache
def variables() -> dict[str, str]:
    """Environment variable to dotted path."""
    return {s.env: s.path for s in settings() if s.env}


def env_name(path: str) -> str:
    return "DRIFTD_" + path.upper().replace(".", "__")


def model_of(annotation: Any) -> type[BaseModel] | None:
    """The section that an annotation is about, through Optional, list and mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        if (found := model_of(inner)) is not None:
            return found
    return None


def _walk(section: type[BaseModel], prefix: str) -> Iterator[Setting]:
    for name, info in section.model_fields.items():
        path = f"{prefix}{info.alias or name}"
        inner = model_of(info.annotation)
        if isinstance(info.annotation, type) and inner is not None:
            yield from _walk(inner, f"{path}.")
            continue
        env = "" if "[]" in path else env_name(path)
        yield Setting(path, _type(info.annotation, info.metadata), _default(info), env, info.description or "")
        if inner is not None and path in _LISTS:
            yield from _walk(inner, f"{path}[].")
        if inner is Feature:
            yield from _walk(inner, f"{path}.<feature>.")


def _default(info: Any) -> str:
    value = info.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "unset"
    if isinstance(value, (tuple, dict)):
        return "none"
    if _duration(info.metadata):
        return spell_seconds(value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _duration(metadata: Iterable[Any]) -> bool:
    return any(validator in metadata for args in _DURATIONS for validator in args[1:])


def _type(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is not None and hasattr(annotation, "__metadata__"):
        return _type(args[0], annotation.__metadata__)
    if annotation in get_args(Detectors):
        return "list of detectors"
    if set(get_args(MappedNames)) <= set(args):
        return "path or mapping"
    if origin is None:
        if any(validator in metadata for validator in get_args(Moment)[1:]):
            return "time"
        return "duration" if _duration(metadata) else (_PATHS.get(annotation) or _PLAIN[annotation])
    return _generic(origin, args)


def _generic(origin: Any, args: tuple[Any, ...]) -> str:
    """The type of an annotation with arguments: a choice, a list, a mapping, or a union."""
    if origin is Literal:
        return " or ".join(str(a) for a in args)
    if origin is tuple:
        return f"list of {_ITEMS.get(model_of(args[0])) or _type(args[0])}"
    if origin is dict:
        bare = args[1].__origin__ if hasattr(args[1], "__metadata__") else args[1]
        return f"mapping of {_MAPPED[bare]}" if bare in _MAPPED else f"mapping to {_type(args[1])}"
    return " or ".join(_type(a) for a in args if a is not type(None))  # a union
