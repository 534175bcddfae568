"""Paths into JSON: all of a mapping in one pass over the record, or one after the other.

paths  ts, request.inputs, result.list[0]  ->  structs nested as the paths are; a leaf is the value's bytes
                                                what is behind [0] is walked to, from the leaf before it
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final

from msgspec import Raw, ValidationError, defstruct
from msgspec.json import Decoder

from driftd.decode.mapping.spec import Path

NULL: Final = Raw(b"null")
as_object: Final = Decoder(dict[str, Raw])
as_list: Final = Decoder(list[Raw])


def walk(raw: Any, path: Path) -> Any:
    """The bytes of the value at ``path``; ``null`` where there is none. Raises DecodeError for what is no JSON."""
    for step in path:
        try:
            if isinstance(step, int):
                items = as_list.decode(raw)
                raw = items[step] if step < len(items) else NULL
            else:
                raw = as_object.decode(raw).get(step, NULL)
        except ValidationError:  # not an object, or not a list
            return NULL
    return raw


def value_at(value: Any, path: Path) -> Any:
    """The same of what is decoded; None where there is none."""
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return None
    return value


class Leaves:
    """Several paths at once. ``read`` gives their values' bytes, in order, those that are ``null`` or missing as null;
    it raises ValidationError or AttributeError where the record has another shape than most: then ``slowly`` does it.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = [*paths]
        cut = {path: _names(path) for path in paths}
        ends: list[Path] = []
        for names in sorted(set(cut.values()), key=len):
            if not any(names[: len(end)] == end for end in ends):
                ends.append(names)
        at = {end: i for i, end in enumerate(ends)}
        self._places = [next(at[p[:n]] for n in range(1, len(p) + 1) if p[:n] in at) for p in paths]
        self.rests = [p[len(ends[place]) :] for p, place in zip(paths, self._places, strict=True)]
        """What is left of each path behind the bytes that ``read`` gives."""
        self._struct, attributes = _struct(at)
        self.decode: Callable[[Any], Any] = Decoder(self._struct).decode
        self.read: Callable[[Any], tuple[Any, ...]] = _getter([attributes[place] for place in self._places])

    def slowly(self, record: Any) -> list[Any]:
        """The same of any record that is an object, one step at a time."""
        return [walk(record, path[: len(path) - len(r)]) for path, r in zip(self._paths, self.rests, strict=True)]


def _names(path: Path) -> Path:
    """The path up to its first list."""
    return path[: next((i for i, step in enumerate(path) if isinstance(step, int)), len(path))]


def _struct(ends: dict[Path, int]) -> tuple[Any, dict[int, str]]:
    """The struct of all ends, and the attribute of each by its number."""
    fields: list[Any] = []
    rename: dict[str, str] = {}
    attributes: dict[int, str] = {}
    for n, name in enumerate(dict.fromkeys(end[0] for end in ends)):
        below = {end[1:]: i for end, i in ends.items() if end[0] == name}
        attribute = f"a{n}"
        rename[attribute] = str(name)
        if () in below:
            fields.append((attribute, Raw, NULL))
            attributes[below[()]] = attribute
            continue
        inner, inside = _struct(below)
        fields.append((attribute, inner, inner()))
        attributes |= {i: f"{attribute}.{path}" for i, path in inside.items()}
    return defstruct("Record", fields, rename=rename, frozen=True, gc=False), attributes


def _getter(attributes: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Attrgetter that gives a tuple of however many."""
    if len(attributes) > 1:
        return attrgetter(*attributes)
    one = attrgetter(*attributes) if attributes else None
    return lambda record: () if one is None else (one(record),)
