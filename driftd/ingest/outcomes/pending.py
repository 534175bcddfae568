"""What waits to be joined, by key: what has changed since the last checkpoint, over what a store has.

                 put, drop                    hand_over                    kept
    changed  <--------------  saving  <-----------------  base  (driftd.engine.label_store), or none: all in memory

A key is found in the first of the three that has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple, Protocol

from driftd.core.event import Scalar

KEY_BYTES: Final = 16
"""Two of a million million ids share a key with probability 1e-15."""
Key = bytes
"""Hash of model and id. Its first bits decide on the sample, so predictions and their labels are in it together."""


class Stage(IntEnum):
    WAITS = 0  # a prediction for its label
    EARLY = 1  # a label for its prediction
    DONE = 2  # both have come: labels after it are duplicates or corrections
    GONE = 3  # beyond the horizon: labels after it are late


class Entry(NamedTuple):
    """What is kept of a key. ``time`` of the prediction, in seconds since the epoch; of the label where that came
    first. ``source`` and ``offset``: where a label that came first was read. ``variant`` and ``unit`` (its hash) of the
    prediction, where an experiment reads them. ``chances``: the probability of each class, where the score names them;
    ``segments``: those that the prediction was in.
    """

    stage: int
    model: str
    time: float
    prediction: Scalar = None
    score: float | None = None
    version: str | None = None
    label: Scalar = None
    source: tuple[str, int] | None = None
    offset: int = 0
    variant: str | None = None
    unit: float | None = None
    chances: dict[str, float] | None = None
    segments: tuple[str, ...] = ()


Changes = dict[Key, Entry | None]
"""None: the key is dropped."""


class Base(Protocol):
    """What has been saved, read while the next changes are written."""

    def find(self, keys: Sequence[Key]) -> Mapping[Key, Entry]: ...

    def before(self, time: float) -> Iterable[tuple[Key, Entry]]:
        """Those whose ``time`` is earlier."""
        ...

    def beyond(self, key: Key) -> Iterable[tuple[Key, Entry]]:
        """Those from ``key`` on, in the order of their bytes."""
        ...

    def of(self, model: str) -> Iterable[tuple[Key, Entry]]: ...

    @property
    def bytes(self) -> int:
        """What it takes."""
        ...

    def __len__(self) -> int: ...


@dataclass(slots=True)
class Pending:
    """``size``: how many keys there are; ``generation``: of what was handed over last."""

    base: Base | None = field(default=None, compare=False)
    changed: Changes = field(default_factory=dict)
    saving: Changes = field(default_factory=dict)
    size: int = 0
    generation: int = 0

    def find(self, keys: Sequence[Key]) -> dict[Key, Entry]:
        """The entries of those that there are."""
        if self.base is None:
            known = self.changed
            return {key: entry for key in keys if (entry := known.get(key)) is not None}
        out: dict[Key, Entry] = {}
        unknown: list[Key] = []
        for key in keys:
            for layer in (self.changed, self.saving):
                if key in layer:
                    if (entry := layer[key]) is not None:
                        out[key] = entry
                    break
            else:
                unknown.append(key)
        if unknown:
            out.update(self.base.find(unknown))
        return out

    def put(self, key: Key, entry: Entry, *, new: bool) -> None:
        self.changed[key] = entry
        self.size += new

    def drop(self, key: Key) -> None:
        """Of a key that is there."""
        self.size -= 1
        if self.base is None:
            del self.changed[key]
        else:
            self.changed[key] = None

    def before(self, time: float) -> list[tuple[Key, Entry]]:
        """The entries whose ``time`` is earlier."""
        mine = [(key, entry) for key, entry in self._layers() if entry is not None and entry.time < time]
        return [*mine, *self._unchanged(() if self.base is None else self.base.before(time))]

    def beyond(self, first: Key) -> list[tuple[Key, Entry]]:
        """The entries from a key on, in the order of their bytes."""
        mine = [(key, entry) for key, entry in self._layers() if entry is not None and key >= first]
        return [*mine, *self._unchanged(() if self.base is None else self.base.beyond(first))]

    def forget(self, model: str) -> None:
        """Drops what is of a model."""
        mine = [(key, entry) for key, entry in self._layers() if entry is not None and entry.model == model]
        for key, _ in [*mine, *self._unchanged(() if self.base is None else self.base.of(model))]:
            self.drop(key)

    def _layers(self) -> Iterator[tuple[Key, Entry | None]]:
        yield from self.changed.items()
        for key, entry in self.saving.items():
            if key not in self.changed:
                yield key, entry

    def _unchanged(self, entries: Iterable[tuple[Key, Entry]]) -> Iterator[tuple[Key, Entry]]:
        return (pair for pair in entries if pair[0] not in self.changed and pair[0] not in self.saving)

    def hand_over(self, *, kept: bool) -> Changes:
        """What is to be saved now. ``kept``: what was handed over before is in the base."""
        self.saving, self.changed = self.changed if kept else self.saving | self.changed, {}
        self.generation += bool(self.saving)
        return self.saving


def keys_of(model: str, ids: Iterable[str]) -> list[Key]:
    name = model.encode("utf-8", "surrogatepass")
    # the length: model "a" with id "b" is none of model "ab"
    head = hashlib.blake2b(len(name).to_bytes(4, "big") + name, digest_size=KEY_BYTES)
    out = []
    for each in ids:
        mine = head.copy()
        mine.update(each.encode("utf-8", "surrogatepass"))
        out.append(mine.digest())
    return out


def bound_of(halvings: int) -> Key | None:
    """Keys before it are in a sample of one in 2^``halvings``; None: all are."""
    return None if halvings == 0 else ((1 << 64) >> halvings).to_bytes(8, "big")
