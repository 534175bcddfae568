"""What waits to be joined, as the checkpoint of an owner names it: the parts that it lies in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class WaitingSnapshot:
    """As a checkpoint holds it: ``ranges``, as of which number each was written whole and in which part ("": it was
    empty), and the parts with what has changed, by number.
    """

    ranges: list[tuple[int, int, str]] = field(default_factory=list)
    changes: list[tuple[int, str]] = field(default_factory=list)

    @property
    def names(self) -> frozenset[str]:
        """The parts that belong to it."""
        return frozenset({name for _, _, name in self.ranges if name} | {name for _, name in self.changes})
