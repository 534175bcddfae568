"""What is wrong with a configuration, in words: pydantic's errors as where, expected, got, what helps."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from pydantic import BaseModel

from driftd.config import describe
from driftd.config.models import Feature
from driftd.config.settings import Settings
from driftd.config.yamlfile import Place
from driftd.core.text import did_you_mean, printable

_EXPECTED: Final = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "path_type": "a path",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "greater_than": "more than {gt:,.16g}",
    "greater_than_equal": "{ge:,.16g} or more",
    "less_than": "less than {lt:,.16g}",
    "less_than_equal": "{le:,.16g} or less",
    "string_too_short": "at least one character",
    "string_too_long": "at most {max_length} characters",
}
_LENGTHS: Final = {"too_short": "at least {min_length} of them", "too_long": "at most {max_length} of them"}


def dotted(place: Place) -> str:
    """``models[0].detectors[1]``; names that are no plain words are quoted: ``features['a b']``."""
    out = ""
    for part in place:
        if isinstance(part, int):
            out += f"[{part}]"
        elif re.fullmatch(r"[\w-]+", part):
            out += f".{part}" if out else part
        else:
            out += f"[{part[:60]!r}]"
    return out


def as_written(errors: Sequence[Mapping[str, Any]], data: Any) -> list[dict[str, Any]]:
    """Pydantic's errors with the places that ``data`` has. Where a value may be one of several types it is one error,
    and only that of the type whose parts were looked at, if there is one.
    """
    placed = [{**error, "loc": _written(error, data)} for error in errors]
    tried = [len(new["loc"]) < len(_plain(old["loc"])) for new, old in zip(placed, errors, strict=True)]
    deeper = [new["loc"] for new, one in zip(placed, tried, strict=True) if one]
    out: dict[Any, dict[str, Any]] = {}
    for new, one in zip(placed, tried, strict=True):
        place = new["loc"]
        if not one:
            out[place, new["type"], id(new)] = new
        elif not any(other[: len(place)] == place and len(other) > len(place) for other in deeper):
            known = out.get(place)
            if known is None:
                out[place] = new
            elif new["type"] in _EXPECTED and known["type"] in {_ANY_OF, *_EXPECTED}:
                before = known["ctx"]["kinds"] if known["type"] == _ANY_OF else [known["type"]]
                out[place] = {**known, "type": _ANY_OF, "ctx": {"kinds": [*before, new["type"]]}}
    return [*out.values()]


_ANY_OF: Final = "any_of"


def _either(kinds: Iterable[str]) -> str:
    words = [*dict.fromkeys(_EXPECTED[kind] for kind in kinds)]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _plain(place: Place) -> Place:
    return tuple(part for part in place if part != "[key]")


def _written(error: Mapping[str, Any], data: Any) -> Place:
    """A place without what pydantic puts into it: which of several types it tried. Text is short for a mapping, and
    keeps the keys of that.
    """
    place, out = _plain(error["loc"]), list[str | int]()
    names_a_key = error["type"] in {"missing", "extra_forbidden"}
    for i, part in enumerate(place):
        if isinstance(data, str) and data.lstrip()[:1] in {"{", "["}:  # the environment has it as JSON
            try:
                data = json.loads(data)
            except ValueError:
                data = None
        there = part in data if isinstance(data, dict) else isinstance(part, int)
        if there or isinstance(data, str) or (names_a_key and i == len(place) - 1):
            out.append(part)
        if isinstance(data, dict):
            data = data[part] if there else data
        elif isinstance(data, (list, tuple)) and isinstance(part, int):
            data = data[part] if part < len(data) else None
    return tuple(out)


def explain(error: Mapping[str, Any], where: Callable[[Place], str]) -> str:
    """One line for one of the errors ``as_written``; ``where`` gives the origin of a place, with a colon."""
    place, kind = tuple(error["loc"]), error["type"]
    if kind == "extra_forbidden":
        parent, key = place[:-1], str(place[-1])
        return f"{where(place)}{_in(parent)}unknown key '{printable(key[:60])}'{_unknown(parent, key)}"
    if kind == "missing":
        return f"{where(place)}{_in(place[:-1])}missing key '{place[-1]}'"
    got = _got(error["input"], place)
    if kind == "value_error":
        text = str(error["ctx"]["error"])
    elif kind == "literal_error":
        choices = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        near = did_you_mean(error["input"], choices, listed=False)
        return f"{where(place)}{dotted(place)}: expected one of {', '.join(choices)}, got {got}{near}"
    elif kind in _LENGTHS:
        ctx = error["ctx"]
        text = f"expected {_LENGTHS[kind].format(**ctx)}, got {ctx['actual_length'] or 'none'}"
        return f"{where(place)}{dotted(place)}: {text}"
    elif kind == _ANY_OF:
        text = f"expected {_either(error['ctx']['kinds'])}"
    elif kind in _EXPECTED:
        text = "expected " + _EXPECTED[kind].format(**error.get("ctx", {}))
    else:
        text = str(error["msg"])
    quote = "; put it in quotes" if kind == "string_type" and isinstance(error["input"], (bool, int, float)) else ""
    return f"{where(place)}{dotted(place)}: {text}, got {got}{quote}"


def _in(place: Place) -> str:
    return f"{dotted(place)}: " if place else ""


def _got(value: Any, place: Place) -> str:
    if ".".join(p for p in place if isinstance(p, str)).startswith(_secrets()):
        return "something else (not shown)"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and "@" in value:  # user and password of an address
        value = "***" + value[value.rindex("@") :]
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@cache
def _secrets() -> tuple[str, ...]:
    return tuple(setting.path for setting in describe.settings() if setting.type == "secret")


def section_at(place: Place) -> type[BaseModel]:
    """The section that a place is in."""
    section: type[BaseModel] = Settings
    for part in place:
        if isinstance(part, str) and part in section.model_fields and section is not Feature:
            inner = describe.model_of(section.model_fields[part].annotation)
            section = inner or section
    return section


def _unknown(parent: Place, key: str) -> str:
    names = [info.alias or name for name, info in section_at(parent).model_fields.items()]
    homes = [s.path.rpartition(".")[0] for s in describe.settings() if s.path.rpartition(".")[2] == key and s.env]
    if homes and not parent:
        return f"; it belongs under '{homes[0]}:'"
    return did_you_mean(key, names)
