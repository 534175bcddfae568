"""Batches that stay as they came until one of their records is wanted: most of a flood is skipped unread.

With ``limits.records_per_second`` few records of a flood are taken in, and offsets and times say which. A batch's
header has both, so a batch of which no record is wanted is never decompressed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from driftd.core.event import RejectReason
from driftd.sources.kafka.columns import Damaged, Ints, Stretch
from driftd.sources.kafka.compression import Damage


@dataclass(frozen=True, slots=True)
class Sealed:
    """A batch that has a record at each offset from ``first`` to ``next_offset`` (exclusive): where it lies."""

    first: int
    next_offset: int
    latest_ms: int
    begin: int
    end: int


class Unpacks(Protocol):
    done: bool

    def take(self, max_records: int) -> Stretch: ...


@dataclass(slots=True, eq=False)
class Packed:
    """Batches in the ``data`` of a fetch. ``unpacker`` reads such data from its begin on, in stretches of about
    ``max_records``.
    """

    data: bytes
    unpacker: Callable[[bytes], Unpacks]
    max_records: int
    batches: list[Sealed] = field(default_factory=list)

    def stretch(self, fetch_offset: int, next_offset: int, leader_epoch: int, damaged: Damaged | None) -> Stretch:
        """The records from ``fetch_offset`` on, without values; the time of each is the latest of its batch."""
        count = [batch.next_offset - batch.first for batch in self.batches]
        offsets = np.concatenate([np.arange(batch.first, batch.next_offset) for batch in self.batches])
        times = np.repeat(np.array([batch.latest_ms for batch in self.batches], np.int64), count)
        skip = int(np.searchsorted(offsets, fetch_offset))
        return Stretch(offsets[skip:], times[skip:], [], next_offset, leader_epoch, damaged=damaged, packed=self)

    def of(self, wanted: Ints) -> Iterator[Stretch]:
        """The records of these offsets, in order. Those of a batch that cannot be read are refused."""
        begins = np.searchsorted(wanted, [batch.first for batch in self.batches])
        ends = np.searchsorted(wanted, [batch.next_offset for batch in self.batches])
        left = [batch for batch, some in zip(self.batches, begins < ends, strict=True) if some]
        while left:
            unpacker = self.unpacker(b"".join([self.data[batch.begin : batch.end] for batch in left]))
            damaged: Damaged | None = None
            while damaged is None and not unpacker.done:
                found = unpacker.take(self.max_records)
                damaged = found.damaged
                yield from chosen(found, wanted)
            left = [] if damaged is None else [batch for batch in left if batch.first >= damaged.next_offset]
            if damaged is not None:
                yield from refused(damaged, wanted)


def chosen(found: Stretch, wanted: Ints) -> Iterator[Stretch]:
    """Those of them that are wanted, if any."""
    places = np.flatnonzero(np.isin(found.offsets, wanted, assume_unique=True))
    if not len(places):
        return
    index, offsets = places.tolist(), found.offsets[places]
    yield replace(
        found,
        offsets=offsets,
        timestamps_ms=found.timestamps_ms[places],
        values=[found.values[i] for i in index],
        next_offset=int(offsets[-1]) + 1,
        keys=None if found.keys is None else [found.keys[i] for i in index],
        headers=None if found.headers is None else [found.headers[i] for i in index],
        damaged=None,
        refused={offset: found.refused[offset] for offset in found.refused.keys() & set(offsets.tolist())},
    )


def refused(damaged: Damaged, wanted: Ints) -> Iterator[Stretch]:
    """Wanted records of a batch that cannot be read, if any."""
    offsets = wanted[(wanted >= damaged.first) & (wanted < damaged.next_offset)]
    if not len(offsets):
        return
    bomb = damaged.damage is Damage.TOO_LARGE
    why = (RejectReason.DECOMPRESSION_BOMB if bomb else RejectReason.DAMAGED, damaged.detail)
    values: list[bytes | None] = [None] * len(offsets)
    yield Stretch(
        offsets, np.full(len(offsets), -1), values, damaged.next_offset, refused=dict.fromkeys(offsets.tolist(), why)
    )
