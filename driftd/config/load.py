"""Flags, environment and driftd.yaml to Settings, with the origin of each; all mistakes are reported at once."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from driftd.config import checks, layers, listing, yamlfile
from driftd.config.errors import as_written, dotted, explain
from driftd.config.layers import Flag
from driftd.config.secrets import with_secrets
from driftd.config.settings import Settings
from driftd.config.yamlfile import MAX_DEPTH, Place
from driftd.core.errors import ConfigError

DEFAULT_PATH: Final = "driftd.yaml"
_PLACEHOLDER: Final = "\0missing"
"""Stands for a missing name while the rest is checked."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force and where each came from.

    ``origins`` maps the dotted name of a setting to ``driftd.yaml:12``, ``DRIFTD_KAFKA__GROUP_ID``, ``--topic`` or
    ``default``. ``path`` is the file that was read, None without one.
    """

    settings: Settings
    origins: Mapping[str, str]
    path: Path | None
    again: Callable[[], Loaded] = field(repr=False, compare=False)
    """Reads everything again, as for SIGHUP; raises ConfigError and leaves this one unchanged."""

    def rows(self) -> list[tuple[str, str, str]]:
        """(setting, value, origin) of every setting; secrets are masked."""
        return [
            (path, listing.show(listing.value_of(self.settings, path), path), origin)
            for path, origin in self.origins.items()
        ]


def load(
    path: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, Flag] | None = None,
    *,
    secrets: bool = True,
) -> Loaded:
    """Flags win over environment over file over defaults. Raises ConfigError with one line a mistake.

    Without ``path`` the file is the one that DRIFTD_CONFIG names, else driftd.yaml where there is one.
    ``flags`` has the dotted names of settings as keys. Without ``secrets`` their files are not read: for those who only
    look at settings, on a machine that may have none of them.
    """
    variables = os.environ if env is None else env
    file, name = _find(path, variables)
    document = yamlfile.read(file, name) if file else yamlfile.Document({}, {}, ())
    data, origins, mistakes = layers.merged(document, file, name, variables, flags or {})
    where = partial(layers.origin_of, origins)
    settings, wrong = _validate(data)
    written = as_written(wrong, data)
    mistakes += [explain(error, where) for error in written]
    if not wrong:
        settings = with_secrets(settings, where, mistakes, read=secrets)
    found = checks.apart(settings) if wrong else checks.together(settings, frozenset(origins))
    beside = [(place, text) for place, text in found if not any(w["loc"][: len(place)] == place for w in written)]
    mistakes += [_explained(place, text, where) for place, text in beside if _PLACEHOLDER not in text]
    if mistakes:
        raise ConfigError("\n".join(sorted(dict.fromkeys(mistakes), key=_by_line)))
    return Loaded(settings, listing.complete(settings, origins), file, partial(load, path, env, flags, secrets=secrets))


def _explained(place: Place, text: str, where: Callable[[Place], str]) -> str:
    """A contradiction with its place; an unknown key is named by the mapping that it is in."""
    return f"{where(place)}{dotted(place[:-1] if text.startswith('unknown key ') else place)}: {text}"


def _validate(data: dict[str, Any]) -> tuple[Settings, list[Mapping[str, Any]]]:
    """The settings and pydantic's errors; with errors, the settings are what is left without the wrong parts."""
    data, wrong = copy.deepcopy(data), list[Mapping[str, Any]]()
    for _ in range(MAX_DEPTH):  # what is taken out may bring out one more mistake a level up
        try:
            return Settings(**data), wrong
        except ValidationError as e:
            errors = e.errors(include_url=False)
            wrong = wrong or list(errors)
            for error in errors:
                _remove(data, tuple(p for p in error["loc"] if p != "[key]"), missing=error["type"] == "missing")
    return Settings(), wrong


def _remove(data: Any, place: Place, *, missing: bool) -> None:
    """Takes out the innermost mapping's value that ``place`` is in; for a ``missing`` key a placeholder is put in.

    Lists, and text from the environment, are taken out as a whole: places behind them must stay valid.
    """
    inside, parent, key = data, data, place[0]
    for part in place:
        if isinstance(inside, dict):
            parent, key, inside = inside, part, inside.get(part)
        elif isinstance(inside, list) and isinstance(part, int):
            inside = inside[part]
        else:
            break
    if missing:
        parent[key] = f"{_PLACEHOLDER}{place}"
    else:
        parent.pop(key, None)


def _find(path: str | Path | None, env: Mapping[str, str]) -> tuple[Path | None, str]:
    """The file, None where there is none, and what it is called in messages."""
    chosen = path or env.get(layers.CONFIG_VARIABLE)
    if chosen:
        return Path(chosen), str(chosen)
    return Path(DEFAULT_PATH) if Path(DEFAULT_PATH).is_file() else None, DEFAULT_PATH


def _by_line(mistake: str) -> tuple[str, int, str]:
    match = re.match(r"(.*?):(\d+): ", mistake)
    return (match.group(1), int(match.group(2)), "") if match else ("\uffff", 0, mistake)
