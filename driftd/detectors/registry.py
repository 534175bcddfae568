"""Finds the detectors by walking the package, builds them from settings, and names the defaults."""

from __future__ import annotations

import pkgutil
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from importlib import import_module
from math import inf, isfinite
from typing import Any

import driftd.detectors
from driftd.core.channel import Role
from driftd.core.errors import ConfigError
from driftd.core.event import Kind
from driftd.core.text import did_you_mean
from driftd.detectors import Fault, SequentialDetector, WindowDetector


@cache
def registry() -> dict[str, Any]:
    """Every detector class by its kind, in alphabetical order: one for each file without a leading underscore."""
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(driftd.detectors.__path__, "driftd.detectors."):
        name = module.name.rpartition(".")[2]
        if name.startswith("_") or module.name == __name__:
            continue
        for cls in vars(import_module(module.name)).values():
            if is_dataclass(cls) and isinstance(cls, type) and cls.__module__ == module.name and hasattr(cls, "kind"):
                found[cls.kind] = cls
    return dict(sorted(found.items()))


def is_sequential(name: str) -> bool:
    return hasattr(registry()[name], "errors_only")


def is_fault(name: str) -> bool:
    return getattr(registry()[name], "fault", None) is not None


@cache
def faults() -> dict[str, Fault]:
    """Alert, summary and advice of each detector of a data fault."""
    return {name: cls.fault for name, cls in registry().items() if is_fault(name)}


def settings_of(name: str) -> dict[str, Any]:
    """The settings of a detector with their defaults, in the order of its fields."""
    return {f.name: f.default for f in _fields(name)}


def in_order() -> list[str]:
    """The names as people read them: shape, data faults, what sees every value; each part in alphabetical order."""
    return sorted(registry(), key=lambda name: (is_sequential(name), is_fault(name), name))


def defaults_for(kind: Kind, role: Role) -> tuple[str, ...]:
    """The detectors of a channel for which none are configured, in the order of ``in_order``.

    One detector of the shape, one of each data fault, and ADWIN where a change matters soonest: on what the
    model says and on how often it is wrong. A rate of errors moves PSI too little to be seen (1 % to 5 % is a
    PSI of 0.07); in standard deviations (Wasserstein) it is plain.
    """
    known, group = registry(), role.row.group
    return tuple(name for name in in_order() if group in known[name].default_for and kind in known[name].kinds)


def build(name: str, /, **settings: Any) -> WindowDetector | SequentialDetector:
    """The detector with these settings; ConfigError, with the nearest name there is, for what it does not know."""
    known = registry()
    if name not in known:
        raise ConfigError(f"unknown detector '{name}'{did_you_mean(name, known)}")
    by_name = {f.name: f for f in _fields(name)}
    for key, value in settings.items():
        if key not in by_name:
            raise ConfigError(f"detector '{name}': unknown key '{key}'{did_you_mean(key, by_name)}")
        settings[key] = _checked(f"detector '{name}': {key}", by_name[key], value)
    detector: WindowDetector | SequentialDetector = known[name](**settings)
    return detector


def _fields(name: str) -> tuple[Field[Any], ...]:
    out = fields(registry()[name])
    assert all(f.default is not MISSING for f in out), f"detector '{name}': every setting has a default"
    return out


def _checked(where: str, field: Field[Any], value: Any) -> Any:
    """``value`` as the type of the field's default; text is one of the field's choices."""
    if choices := field.metadata.get("choices"):
        if value not in choices:
            raise ConfigError(f"{where}: expected {' or '.join(choices)}, got {value!r}")
        return value
    if not isinstance(field.default, bool):
        return _checked_number(where, field, value)
    if not isinstance(value, bool):
        raise ConfigError(f"{where}: expected true or false, got {value!r}")
    return value


def _checked_number(where: str, field: Field[Any], value: Any) -> int | float:
    """Finite and within the field's own bounds; a float is above 0."""
    whole = isinstance(field.default, int)
    wanted = "a whole number" if whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise ConfigError(f"{where}: expected {wanted}, got {value!r}")
    least, most = field.metadata.get("least", 0), field.metadata.get("most", inf)
    if not isfinite(value) or not least <= value <= most or (not whole and value == 0):
        raise ConfigError(f"{where}: expected {wanted} {_bounds(least, most, whole=whole)}, got {value!r}")
    return value if whole else float(value)


def _bounds(least: float, most: float, *, whole: bool) -> str:
    if whole:
        return f"at least {least}"
    return "above 0" + (f", at most {most}" if most < inf else "")
