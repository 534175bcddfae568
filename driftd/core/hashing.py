"""Keyed hashes in place of values: the same value has the same hash, and nobody without the key can try values out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

import numpy as np

from driftd.core.channel import Channel, Role
from driftd.core.event import Column, Kind, Scalar
from driftd.core.values import as_categories, category, number_in

MARK: Final = "#"
"""Before the digits: a hash is seen to be one, and never reads as a number."""
HASH_BYTES: Final = 6
"""12 hex digits. Of 10,000 values two share a hash with probability 2e-7."""
MOST_KEPT: Final = 100_000
"""Hashes of a table that are remembered: 20 MB. Identifiers, of which there are more, are hashed again."""
ANSWERS: Final = frozenset({Role.PREDICTION.value, Role.LABEL.value})
"""They are compared with each other, so both are replaced or neither."""
_TRUTH: Final = frozenset({"true", "false"})


class How(StrEnum):
    """Which values of a channel are replaced."""

    NOT = "not"
    TEXT = "text"  # text, but for true and false
    ALL = "all"  # numbers and booleans, too: each value is a category


@dataclass(frozen=True, slots=True)
class Hashing:
    """Which values are replaced, as the state keeps it. ``fingerprint`` tells keys apart and does not give them away;
    ``text``: text of every channel; ``channels``: patterns (``*``, ``?``) of those whose values are all replaced, with
    ``/`` of model/channel.
    """

    fingerprint: str = ""
    text: bool = False
    channels: tuple[str, ...] = ()

    def of(self, model: str, channel: str) -> How:
        names = ANSWERS if channel in ANSWERS else {channel}
        if any(self._matches(pattern, model, name) for pattern in self.channels for name in names):
            return How.ALL
        return How.TEXT if self.text else How.NOT

    def same_as(self, other: Hashing, model: str, channel: str, kind: Kind) -> bool:
        """Whether both make the same of the channel's values. Numbers have no text to replace."""
        ours, theirs = (self._seen(model, channel, kind), other._seen(model, channel, kind))
        return ours is theirs and (ours is How.NOT or self.fingerprint == other.fingerprint)

    def _seen(self, model: str, channel: str, kind: Kind) -> How:
        how = self.of(model, channel)
        return How.NOT if how is How.TEXT and kind is Kind.NUMERIC else how

    @staticmethod
    def _matches(pattern: str, model: str, name: str) -> bool:
        return fnmatchcase(f"{model}/{name}" if "/" in pattern else name, pattern)


NOT_HASHED: Final = Hashing()


class _Table(dict[str | None, str | None]):
    """What stands in place of each value, worked out when it is first met."""

    def __init__(self, replace: Callable[[str], str]) -> None:
        super().__init__()
        self._replace = replace
        self[None] = None

    def __missing__(self, value: str) -> str:
        if len(self) >= MOST_KEPT:
            self.clear()
            self[None] = None
        out = self[value] = self._replace(value)
        return out


@dataclass(slots=True)
class Hasher:
    """Replaces values as ``hashing`` says. The key stays in here: no text of it, and no copy in any state."""

    key: bytes = field(repr=False)
    text: bool = False
    channels: tuple[str, ...] = ()
    hashing: Hashing = field(init=False)
    _tables: dict[tuple[How, bool], _Table] = field(init=False, repr=False)
    _known: dict[tuple[str, str], tuple[How, _Table | None]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.key) > hashlib.blake2b.MAX_KEY_SIZE:
            self.key = hashlib.blake2b(self.key).digest()
        self.hashing = Hashing(self._digest(b"", b"driftd.key", 8).hex(), self.text, self.channels)
        self._tables = {
            (How.ALL, False): _Table(self.hash),
            (How.TEXT, False): _Table(lambda v: v if v in _TRUTH else self.hash(v)),
            # 7, "7" and "7.0" are the same answer
            (How.ALL, True): _Table(lambda v: self.hash(category(number_in(v)))),
            (How.TEXT, True): _Table(lambda v: v if isinstance(number_in(v), float) else self.hash(v)),
        }

    def hides(self, model: str, channel: str) -> bool:
        """Whether all values of the channel are replaced: lists of numbers, too."""
        return self.hashing.of(model, channel) is How.ALL

    def hash(self, value: str) -> str:
        """``#`` and 12 hex digits."""
        return MARK + self._digest(value.encode("utf-8", "surrogatepass"), b"driftd.value", HASH_BYTES).hex()

    def feature(self, model: str, name: str, column: Column, kind: Kind) -> Column:
        """The column of a feature, decoded as Kind.ANY (or as numbers), as one of ``kind``."""
        if (model, name) not in self._known:
            self._know(model, name, Channel.of_feature(name).name, answer=False)
        return self._replaced(*self._known[model, name], column, kind)

    def answer(self, model: str, column: Column, kind: Kind) -> Column:
        """The same of predictions or labels."""
        if (model, "") not in self._known:
            self._know(model, "", Role.PREDICTION.value, answer=True)
        return self._replaced(*self._known[model, ""], column, kind)

    def _know(self, model: str, name: str, channel: str, *, answer: bool) -> None:
        if len(self._known) >= MOST_KEPT:
            self._known.clear()
        how = self.hashing.of(model, channel)
        self._known[model, name] = how, self._tables.get((how, answer))

    @staticmethod
    def _replaced(how: How, table: _Table | None, column: Column, kind: Kind) -> Column:
        if how is How.ALL and table is not None:
            return [*map(table.__getitem__, as_categories(column))]
        if isinstance(column, np.ndarray):
            return column
        values: Iterable[Scalar] = column
        if table is not None:
            values = [table[v] if type(v) is str else v for v in column]
        if kind is not Kind.CATEGORICAL:
            return [*values]
        return [category(v) if type(v) is float else v for v in values]

    def _digest(self, value: bytes, purpose: bytes, size: int) -> bytes:
        return hashlib.blake2b(value, key=self.key, digest_size=size, person=purpose).digest()
