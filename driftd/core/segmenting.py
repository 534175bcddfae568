"""Which events of a model make segments: what the user asked for, and which values were seen to be large enough.

A segment is named by its field and value, ``country=DE``, ``amount=10..100``, and is a slice of its own
(``Slice.of_segment``). Values that nobody named are counted by slots of ten minutes of event time. When a slot is
closed, those with enough events in a day become segments, the largest first; their events are theirs from the end of
the next slot on, which no partition has been read of by then: it depends neither on polls nor on which is read first.
In a backlog partitions are read hours ahead of each other; then they begin behind all that has been read, since a
segment of some partitions only would learn what is not so.

slot         |  s  | s+1 | s+2 | s+3 |
counted      |#####|     |     |     |
segment      |     |     |#####|#####|     s is closed before anything of s+2 is read
             |     |     |     |#####|     a partition has been read up to s+2 when s is closed
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from driftd.core.units import DAY_SECONDS

SLOT_SECONDS: Final = 600.0
"""Chosen: what a new country waits for its segment, and more than partitions of one topic are apart in a calm time."""
SETTLE_SECONDS: Final = 60.0
"""Segments are settled once in so long of event time, after their whole: what a slice costs a settle is then little,
however many there are. Chosen: what is found of a segment is found up to a minute later."""
MOST_VALUES: Final = 1000
"""Values of a model that are counted on their way to the floor, the largest of each slot: names come from outside."""
MOST_OPEN: Final = 10_000
"""The same while a slot is open, the first ones."""
_DAY: Final = round(DAY_SECONDS / SLOT_SECONDS)


@dataclass(frozen=True, slots=True)
class Segmenting:
    """What the user wants watched by itself. ``fields``: features, or fields of events; ``values`` that are segments of
    a field, of the others those with ``least`` events a day; ``edges`` of a field of numbers: below the first, between
    two, from the last on. ``most`` segments in all. ``share`` of the model's budget is theirs.
    """

    fields: tuple[str, ...]
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    edges: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    least: int = 1000
    most: int = 20
    share: float = 0.5

    @property
    def found(self) -> tuple[str, ...]:
        """The fields whose values nobody named."""
        return tuple(name for name in self.fields if name not in self.values and name not in self.edges)

    @property
    def named(self) -> tuple[str, ...]:
        """The segments that the user named."""
        values = (named(f, v) for f in self.fields for v in self.values.get(f, ()))
        return (*values, *(named(f, v) for f in self.fields if f in self.edges for v in ranges(self.edges[f])))

    @property
    def whole(self) -> float:
        """The share of the budget that the model as a whole keeps."""
        return 1.0 - self.share

    @property
    def each(self) -> float:
        """That of each segment: the same whether there are many or few of them, or the thresholds would move."""
        return self.share / self.most


def named(name: str, value: str) -> str:
    return f"{name}={value}"


def ranges(edges: tuple[float, ...]) -> list[str]:
    """``..10``, ``10..100``, ``100..``: where a value belongs to the range that it is the lower edge of."""
    texts = [f"{edge:.12g}" for edge in edges]
    return [f"{low}..{high}" for low, high in zip(["", *texts], [*texts, ""], strict=True)]


@dataclass(slots=True)
class Census:
    """Which values of a model are segments, and how many events the others have. Belongs to the state.

    ``admitted``: segment -> the first slot whose events are its own; ``last``: the last slot in which it had any.
    ``open``: slot -> (segment, events) of values that are none yet; ``days``: day -> the same, of closed slots.
    ``other``: events, of all fields, whose value is no segment; ``missing`` those without a value.
    """

    admitted: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    open: dict[int, dict[str, int]] = field(default_factory=dict)
    days: dict[int, dict[str, int]] = field(default_factory=dict)
    other: int = 0
    missing: int = 0

    @property
    def waiting(self) -> int:
        """Values that are counted on their way to the floor."""
        return len({name for day in self.days.values() for name in day} - self.admitted.keys())

    def add(self, slot: int, counts: Iterable[tuple[str, int]]) -> None:
        """Events of values that are no segments."""
        mine = self.open.setdefault(slot, {})
        for name, n in counts:
            if name in mine or len(mine) < MOST_OPEN:
                mine[name] = mine.get(name, 0) + n

    def close(self, slot: int, wanted: Segmenting, read: int = 0) -> list[str]:
        """All slots before ``slot`` are closed, and ``read`` is the last of which any partition has been read; the
        segments that there are from now on. Those of fields that are not wanted any more leave.
        """
        new, found = list[str](), wanted.found
        for name in [name for name in self.admitted if name.partition("=")[0] not in found]:
            self.leave(name)
        for closed in sorted(s for s in self.open if s < slot):
            day = closed // _DAY
            self.days = {d: counts for d, counts in self.days.items() if d >= day - 1}
            mine = Counter(self.days.get(day, {}))
            mine.update(self.open.pop(closed))
            ranked = sorted(mine.items(), key=lambda pair: (-pair[1], pair[0]))
            for name, n in ranked:
                if n < wanted.least or len(self.admitted) + len(wanted.named) >= wanted.most:
                    break
                if name not in self.admitted:
                    self.admitted[name] = max(closed + 2, read + 1)
                    new.append(name)
            left = [pair for pair in ranked if pair[0] not in self.admitted]
            self.days[day] = dict(left[:MOST_VALUES])
        return new

    def leave(self, name: str) -> None:
        """A segment that has had no events for long: another one may take its place."""
        self.admitted.pop(name, None)
        self.last.pop(name, None)
