"""Records of a sample by their shape: those of one topic may be of several, and a mapping is of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec.json import Decoder

from driftd.decode.json.strict import DECODE_ERRORS

_any: Final = Decoder(Any)
_ALIKE: Final = 0.5
"""Of the names of two records how many they have in common, where they are of one shape. Chosen: optional members are
fewer than half, and what an event shares with a heartbeat is less.
"""
_MOST_KINDS: Final = 20


@dataclass(slots=True)
class Kind:
    """``names``: members, those inside of others with a dot; ``values``: the records."""

    names: frozenset[str]
    values: list[bytes] = field(default_factory=list)
    _shared: set[str] = field(default_factory=set)

    @property
    def outer(self) -> list[str]:
        """The members of all of the records, those inside of others left out."""
        return sorted(name for name in self._shared if "." not in name)

    def add(self, value: bytes, names: frozenset[str]) -> None:
        self._shared = {*names} if not self.values else self._shared & names
        self.values.append(value)

    def is_like(self, names: frozenset[str]) -> bool:
        return len(self.names & names) >= _ALIKE * len(self.names | names)


def kinds_of(values: Sequence[bytes | None]) -> list[Kind]:
    """The most frequent first. What is no object is of none."""
    found: list[Kind] = []
    for value in values:
        names = frozenset(_names(value))
        if not names or value is None:
            continue
        kind = next((kind for kind in found if kind.is_like(names)), None)
        if kind is None and len(found) < _MOST_KINDS:
            found.append(kind := Kind(names))
        if kind is not None:
            kind.add(value, names)
    return sorted(found, key=lambda kind: -len(kind.values))


def shared_id(one: Kind, other: Kind) -> str | None:
    """A member whose values are the same in both, as of requests and their answers."""
    for name in one.outer:
        if name in other.outer:
            here, there = ({str(v) for v in _values(kind, name)} for kind in (one, other))
            if len(here) > 1 and 2 * len(here & there) > len(here | there):
                return name
    return None


def _values(kind: Kind, name: str) -> Iterator[Any]:
    for value in kind.values:
        record = _object(value)
        if isinstance(record.get(name), str | int):
            yield record[name]


def _object(value: bytes | None) -> dict[str, Any]:
    try:
        record = _any.decode(value or b"null")
    except DECODE_ERRORS:
        return {}
    record = record[0] if isinstance(record, list) and record else record
    return record if isinstance(record, dict) else {}


def _names(value: bytes | None) -> Iterator[str]:
    for name, inner in _object(value).items():
        yield name
        if isinstance(inner, dict):
            yield from (f"{name}.{key}" for key in inner)
