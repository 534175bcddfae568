"""The layers of configuration (file, environment, flags), laid over one another, and where each value came from."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic_settings import EnvSettingsSource

from driftd.config import describe
from driftd.config.settings import Settings
from driftd.config.yamlfile import Document, Place
from driftd.core.text import did_you_mean

CONFIG_VARIABLE: Final = "DRIFTD_CONFIG"
# Kubernetes puts the address of every service into every container: a service called driftd must not stop driftd.
_SERVICE_LINK: Final = re.compile(r"DRIFTD_(\w+_)?(SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_(TCP|UDP|SCTP)\w*)=.*")
_SERVICE_PORT: Final = re.compile(r"DRIFTD_(\w+_)?PORT=(tcp|udp|sctp)://.*")
_OWN_VARIABLES: Final = ("DRIFTD_TEST_", "DRIFTD_BENCH_")


class Flag(NamedTuple):
    """A setting from the command line: the option as the user wrote it, and its value; None: not given."""

    option: str
    value: Any


def merged(
    document: Document, file: Path | None, name: str, env: Mapping[str, str], flags: Mapping[str, Flag]
) -> tuple[dict[str, Any], dict[Place, str], list[str]]:
    """File, environment and flags as one: the data, the origin of each place, and the mistakes so far."""
    data: dict[str, Any] = {}
    origins: dict[Place, str] = {}
    mistakes = list(document.mistakes)
    overlay(data, document.data, (), lambda place: f"{name}:{line_of(document, place)}", origins)
    if file is not None:
        anchor_paths(data, file.parent)
    overlay(data, environment(env, mistakes), (), variable_of, origins)
    options = known_flags(flags, mistakes)
    given = nested({setting: flag.value for setting, flag in options.items()})
    overlay(data, given, (), lambda place: option_of(options, place), origins)
    settle_learning(data, origins)
    return data, origins, mistakes


def overlay(
    base: dict[str, Any],
    layer: Mapping[str, Any],
    place: Place,
    origin: Callable[[Place], str],
    origins: dict[Place, str],
) -> None:
    """Puts ``layer`` over ``base``: mappings merge, everything else replaces, and so do the origins."""
    for key, value in layer.items():
        here = (*place, key)
        under = base.get(key)
        if isinstance(value, dict) and isinstance(under, dict):
            origins[here] = origin(here)
            overlay(under, value, here, origin, origins)
            continue
        for old in [p for p in origins if p[: len(here)] == here]:
            del origins[old]
        base[key] = value
        for p in _places(value, here):
            origins[p] = origin(p)


def _places(value: Any, place: Place) -> Iterator[Place]:
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*place, key))


def origin_of(origins: Mapping[Place, str], place: Place) -> str:
    """``driftd.yaml:12: `` of the setting, or of the section that it is in; empty for the top as a whole."""
    ends = range(len(place), 0, -1)
    return next((f"{origins[place[:end]]}: " for end in ends if place[:end] in origins), "")


def line_of(document: Document, place: Place) -> int:
    while place not in document.lines and place:
        place = place[:-1]
    return document.lines.get(place, 1)


def environment(env: Mapping[str, str], mistakes: list[str]) -> dict[str, Any]:
    known = describe.variables()
    mine: dict[str, str | None] = {}
    for variable, value in sorted(env.items()):
        if (
            not variable.upper().startswith("DRIFTD_")
            or variable == CONFIG_VARIABLE
            or variable.startswith(_OWN_VARIABLES)
        ):
            continue
        if variable in known:
            mine[variable.lower()] = value
        elif not any(link.fullmatch(f"{variable}={value}") for link in (_SERVICE_LINK, _SERVICE_PORT)):
            help_ = did_you_mean(variable, known, listed=False) or "; docs/config.md lists them"
            mistakes.append(f"{variable}: unknown environment variable{help_}")
    source = EnvSettingsSource(Settings, case_sensitive=False)
    source.env_vars = mine
    data = source()
    if isinstance(data.get("models"), str):
        with contextlib.suppress(ValueError):  # what is no JSON is reported when it is validated
            data["models"] = json.loads(data["models"])
    return data


def variable_of(place: Place) -> str:
    """The variable that sets ``place``; models come with one variable, as JSON."""
    return describe.env_name(".".join(str(p) for p in place[: 1 if place[0] == "models" else 2]))


def known_flags(flags: Mapping[str, Flag], mistakes: list[str]) -> dict[str, Flag]:
    known = set(describe.variables().values())
    out = {}
    for setting, flag in flags.items():
        if setting not in known:
            near = did_you_mean(setting, known, listed=False)
            mistakes.append(f"{flag.option}: unknown setting '{setting}'{near}")
        elif flag.value is not None:
            out[setting] = flag
    return out


def option_of(flags: Mapping[str, Flag], place: Place) -> str:
    """The option that set ``place``, an item of it, or something in the section that ``place`` is."""
    name = ".".join(str(p) for p in place[:2])
    return next(
        flag.option
        for setting, flag in flags.items()
        if f"{name}.".startswith(f"{setting}.") or setting.startswith(f"{name}.")
    )


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for setting, value in values.items():
        section, _, key = setting.partition(".")
        if key:
            out.setdefault(section, {})[key] = value
        else:
            out[section] = value
    return out


def settle_learning(data: dict[str, Any], origins: dict[Place, str]) -> None:
    """Of events and seconds the one from the higher layer counts; both from one layer stay, and are a mistake."""
    events, seconds = ("learning", "events"), ("learning", "seconds")
    if events in origins and seconds in origins and _rank(origins[events]) != _rank(origins[seconds]):
        lower = min(events, seconds, key=lambda place: _rank(origins[place]))
        del origins[lower], data["learning"][lower[1]]


def _rank(origin: str) -> int:
    return 2 if origin.startswith("--") else 1 if origin.startswith("DRIFTD_") else 0


def anchor_paths(data: dict[str, Any], base: Path) -> None:
    """Relative paths in the file are relative to the file."""
    for setting in describe.settings():
        if setting.type == "path" and setting.env:
            section, _, key = setting.path.partition(".")
            _anchor(data.get(section), key, base)
    models = data.get("models")
    for model in models if isinstance(models, list) else ():
        _anchor(model.get("reference") if isinstance(model, dict) else None, "path", base)


def _anchor(section: Any, key: str, base: Path) -> None:
    if isinstance(section, dict) and isinstance(section.get(key), str) and section[key] not in ("", "-"):
        section[key] = str(base / section[key])
