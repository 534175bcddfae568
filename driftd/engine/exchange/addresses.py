"""Where the members of a group are reached: each says so of the models that it judges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from driftd.engine.exchange.messages import Address


@dataclass(slots=True)
class Addresses:
    """``own`` is this member's; "" where nobody is to be told. Of several that a partition of the panes topic has had
    the one of the greatest epoch counts; HTTP threads ask, so what is known is never changed, but made anew.
    """

    own: str = ""
    _known: dict[int, Address] = field(default_factory=dict)
    _last: dict[int, Address] = field(default_factory=dict)
    """As they lie in the topic: what remains of a partition when it is compacted."""

    def learn(self, message: Address) -> None:
        self._last[message.owner] = message
        before = self._known.get(message.owner)
        if before is None or before.epoch <= message.epoch:
            self._known = {**self._known, message.owner: message}

    def of(self, owner: int) -> str:
        """Of another member that judges the models of a partition; "" where none has said so."""
        found = self._known.get(owner)
        return "" if found is None or found.url == self.own else found.url

    def others(self) -> tuple[str, ...]:
        """Of all other members that judge models."""
        return tuple(sorted({address.url for address in self._known.values()} - {self.own}))

    def to_tell(self, owned: Iterable[tuple[int, int]]) -> Iterator[Address]:
        """What is to be said of the partitions that are ``owned``, each with its epoch, where that is not the last that
        was heard. Who was followed by another says nothing any more.
        """
        for owner, epoch in owned if self.own else ():
            mine, known = Address(owner, epoch, self.own), self._known.get(owner)
            if self._last.get(owner) != mine and (known is None or known.epoch <= epoch):
                self._last[owner] = mine
                yield mine
