"""What another member joins: predictions and labels of a partition wait until they are sent to it."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from driftd.core.event import EventBatch
from driftd.ingest.outcomes.arrived import Arrived, Members


@dataclass(slots=True)
class Elsewhere:
    """``expected``: the models whose labels come, as far as somebody said so; ``seen``: those of which labels have come
    here. ``waiting``: what is to be sent, by model, in the order of offsets.
    """

    expected: Container[str] = frozenset()
    seen: set[str] = field(default_factory=set)
    waiting: dict[str, list[Arrived]] = field(default_factory=dict)

    def wants(self, batch: EventBatch) -> bool:
        """Whether what it has is joined with labels, or will be."""
        if batch.label_only:
            self.seen.add(batch.model)
        return batch.model in self.seen or batch.model in self.expected

    def keep(self, batch: EventBatch, members: Members | None, *, named: bool) -> None:
        """``members`` and ``named`` as in Arrived.of."""
        arrived = Arrived.of(batch, members, named=named)
        if len(arrived.offsets):
            self.waiting.setdefault(batch.model, []).append(arrived)

    def forget(self, model: str) -> None:
        self.seen.discard(model)
        self.waiting.pop(model, None)
