"""The topics that the members of a group share, as a member asks them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from driftd.engine.exchange.messages import Message


@dataclass(frozen=True, slots=True)
class Saved:
    """What was saved under a name, and its parts by their names (driftd.engine.parts)."""

    payload: bytes
    parts: Mapping[str, bytes]


class Exchange(Protocol):
    """The topics that the members of a group share."""

    @property
    def owners(self) -> int:
        """Partitions of the panes topic; SourceError where that is not known."""
        ...

    def owner_of(self, model: str) -> int:
        """The partition of the panes topic that a model's messages go to."""
        ...

    def send(self, messages: Iterable[Message]) -> None:
        """To whom it may concern; messages of one source arrive in order."""
        ...

    def hear(self, *, to_end: bool) -> Iterable[bytes]:
        """What has come in the plans topic since it was last asked; ``to_end``: all that was sent before now."""
        ...

    def forget(self, model: str) -> None:
        """Takes the model's plans out of the plans topic, as far as they have been heard, and what was given."""
        ...

    def load(self, names: Collection[str]) -> Mapping[str, Saved]:
        """What was last saved under each of the names, by whoever had the greatest epoch."""
        ...

    def save(self, name: str, epoch: int, payload: bytes, fresh: Mapping[str, bytes], named: Collection[str]) -> int:
        """``named``: the parts that belong to it, of which all but the ``fresh`` ones were saved under this name and
        epoch before. The bytes that were written.
        """
        ...

    def troubles(self) -> Collection[str]:
        """What is wrong with the topics, and what helps, as far as it is known; waits for nothing."""
        ...

    def flush(self) -> None:
        """Raises ExchangeFailed where something that was sent or saved did not arrive."""
        ...

    def close(self) -> None: ...
