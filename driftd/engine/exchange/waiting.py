"""What waits to be joined, as an owner saves it in the state topic: what has changed, and one range of keys whole.

checkpoint    1                2           3           ...          65
              all 64 ranges    changes 2   changes 3                changes 65
                               range 2     range 3                  range 1       changes up to 2 are not needed

So a checkpoint costs what has changed and one part in 64 of what waits. Who takes over reads each range once, and the
changes of 64 checkpoints at the most: those since the range that was written longest ago.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from driftd.core.errors import CheckpointCorrupt
from driftd.engine.exchange.scratch import Scratch
from driftd.engine.label_store import Row, row_of
from driftd.engine.parts import part_name
from driftd.engine.snapshot.waiting import WaitingSnapshot
from driftd.ingest.outcomes.pending import KEY_BYTES, Key, Pending

RANGES: Final = 64
_EVERY: Final = -1
"""In place of a range: changes, of keys of all ranges."""
_WIDTH: Final = 256 // RANGES
_AFTER: Final = b"\xff" * (KEY_BYTES + 1)


class _Part(NamedTuple):
    """``number``: of the checkpoint that wrote it first; no two parts are equal."""

    number: int
    range: int
    rows: list[Row]


_decode: Final = msgspec.msgpack.Decoder(_Part).decode


@dataclass(slots=True)
class Waiting:
    """What waits lies in ``scratch``, since the last checkpoint in Pending; ``saved``: in which parts it is saved, of
    those that this owner has written. One that takes over writes all once more: parts are an epoch's.
    """

    scratch: Scratch = field(default_factory=Scratch)
    saved: WaitingSnapshot = field(default_factory=WaitingSnapshot)
    _number: int = 0
    _anew: bool = True

    @classmethod
    def restore(cls, scratch: Scratch, saved: WaitingSnapshot, parts: Mapping[str, bytes]) -> Waiting:
        """Puts what was saved in ``scratch``: ranges, then all changes in order. Those that a range has already are
        followed by what else came for the same key until then, so they change nothing. Raises CheckpointCorrupt and
        StateError.
        """
        for name in (*(name for _, _, name in saved.ranges if name), *(name for _, name in sorted(saved.changes))):
            scratch.put(_rows(parts, name))
        return cls(scratch)

    def begin(self, pending: Pending) -> None:
        pending.base, pending.size = self.scratch, len(self.scratch) + len(pending.changed)

    def save(self, pending: Pending) -> dict[str, bytes]:
        """Takes in what has changed; the parts that are to be written, by name."""
        changes = pending.hand_over(kept=True)
        self.scratch.write(changes)
        pending.saving = {}
        if self._anew and not (self.saved.ranges or len(self.scratch)):
            return {}
        if not self._anew and not changes:
            return {}
        self._number += 1
        fresh: dict[str, bytes] = {}
        ranges = {place: (number, name) for place, number, name in self.saved.ranges}
        for place in range(RANGES) if self._anew else [self._number % RANGES]:
            rows = self.scratch.between(*_bounds(place))
            ranges[place] = self._number, self._put(fresh, place, rows) if rows else ""
        changed = [*self.saved.changes]
        if not self._anew:
            changed.append((self._number, self._put(fresh, _EVERY, map(row_of, changes, changes.values()))))
        oldest = min(number for number, _ in ranges.values())
        self.saved = WaitingSnapshot(
            [(place, *ranges[place]) for place in sorted(ranges)], [one for one in changed if one[0] > oldest]
        )
        self._anew = False
        return fresh

    def renew(self) -> None:
        """The next checkpoint writes all that waits, so that nothing is left of what was forgotten."""
        self._anew = True

    def _put(self, fresh: dict[str, bytes], place: int, rows: Iterable[Row]) -> str:
        payload = msgspec.msgpack.encode(_Part(self._number, place, [*rows]))
        name = part_name(payload)
        fresh[name] = payload
        return name


def _rows(parts: Mapping[str, bytes], name: str) -> list[Row]:
    try:
        return _decode(parts[name]).rows
    except (msgspec.MsgspecError, KeyError) as e:
        raise CheckpointCorrupt(f"what waits for labels: part {name}: {type(e).__name__}: {e}") from e


def _bounds(place: int) -> tuple[Key, Key]:
    return bytes((place * _WIDTH,)), bytes(((place + 1) * _WIDTH,)) if place + 1 < RANGES else _AFTER
