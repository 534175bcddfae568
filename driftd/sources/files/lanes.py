"""Files of a folder in order of time. Those that overlap are read side by side, each as a partition of its own, because
a partition has one watermark: read one after the other, all that the second holds would be late.

    a/10.jsonl  ====            lane 0: a/10, a/11
    b/10.jsonl    ====          lane 1: b/10
    a/11.jsonl         ====
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from driftd.core.event import RecordBatch
from driftd.decode import Codec
from driftd.ingest.halves import Halves

LOOKED_AT: Final = 8
"""Records at an end of a stretch whose times say when it begins or ends."""
ASTRAY_SECONDS: Final = 86_400.0
"""Further from the middle one of them is a wrong clock."""
MOST_LANES: Final = 200
"""Files that are open at once. Chosen: systems allow 256 and more; what overlaps beyond them is late."""
PATIENCE_SECONDS: Final = 3600.0
"""How far others may be ahead of a lane that has no file, before it holds them back no longer."""


class Piece(Protocol):
    """One file."""

    def batches(self, size: int) -> Iterator[RecordBatch]: ...


class _Waiting(NamedTuple):
    """``first``: when the file begins; where nobody knows, as the one before it."""

    first: float
    place: int
    path: str


@dataclass(slots=True)
class _Lane:
    """``held`` is read and not yet handed over; its events end about ``ahead``, those before it about ``reached``."""

    number: int
    end: int = 0
    begin: int = 0
    reached: float = -math.inf
    rest: Iterator[RecordBatch] = field(default_factory=lambda: iter(()))
    held: RecordBatch | None = None
    ahead: float = -math.inf
    ended: bool = False


@dataclass(slots=True)
class Lanes:
    """``name`` is the folder's. ``codec`` is for nothing else: it finds the times. Without ``timed`` files have none,
    and are read in the order of their paths. ``read`` counts files that were begun.
    """

    name: str
    paths: Sequence[str]
    open_piece: Callable[[str], Piece]
    codec: Codec
    timed: bool = True
    read: int = 0
    _lanes: list[_Lane] = field(default_factory=list)

    def batches(self, size: int) -> Iterator[RecordBatch]:
        """An empty batch says that a lane has ended, where there are several."""
        waiting = deque(self._waiting())
        while True:
            lane = min((one for one in self._lanes if one.held is not None), key=lambda one: one.ahead, default=None)
            if waiting and self._is_due(waiting[0], lane):
                lane = self._begin(waiting.popleft(), size)
                if self._reading() > 1 or (waiting and self._is_due(waiting[0], lane)):
                    yield from self._announced(lane)
            elif lane is not None:
                yield self._pop(lane)
                yield from self._idle(lane.reached - PATIENCE_SECONDS if waiting else math.inf)
            else:
                return

    def _waiting(self) -> list[_Waiting]:
        """The files in the order in which they begin."""
        out, known = [], -math.inf
        for place, path in enumerate(self.paths):
            first = next(self.open_piece(path).batches(LOOKED_AT), None) if self.timed else None
            time = math.nan if first is None else self._span(first)[0]
            known = known if math.isnan(time) else time
            out.append(_Waiting(known, place, path))
        return sorted(out)

    def _is_due(self, file: _Waiting, lane: _Lane | None) -> bool:
        """Whether it has to be begun before the lane's next batch is handed over."""
        return lane is None or (file.first < lane.ahead and self._reading() < MOST_LANES)

    def _reading(self) -> int:
        return sum(one.held is not None for one in self._lanes)

    def _begin(self, file: _Waiting, size: int) -> _Lane:
        free = [one for one in self._lanes if one.held is None and not one.ended and one.reached <= file.first]
        lane = max(free, key=lambda one: one.reached, default=None)
        if lane is None:
            lane = _Lane(len(self._lanes))
            self._lanes.append(lane)
        self.read += 1
        lane.begin, lane.reached = lane.end, max(lane.reached, file.first)
        lane.rest = self.open_piece(file.path).batches(size)
        self._advance(lane)
        return lane

    def _announced(self, lane: _Lane) -> Iterator[RecordBatch]:
        """Its first record: a partition that has given nothing holds nobody back."""
        if lane.held is not None and len(lane.held) > 1:
            yield self._placed(lane, lane.held.first(1))
            lane.held = lane.held.rest(1)

    def _pop(self, lane: _Lane) -> RecordBatch:
        assert lane.held is not None
        out = self._placed(lane, lane.held)
        lane.reached = lane.ahead
        self._advance(lane)
        return out

    def _placed(self, lane: _Lane, records: RecordBatch) -> RecordBatch:
        """Offsets go on from file to file."""
        lane.end = lane.begin + records.next_offset
        return replace(records, partition=lane.number, offsets=records.offsets + lane.begin, next_offset=lane.end)

    def _advance(self, lane: _Lane) -> None:
        lane.held = next(lane.rest, None)
        if lane.held is not None and self.timed:
            _, time = self._span(lane.held.rest(max(0, len(lane.held) - LOOKED_AT)))
            lane.ahead = lane.reached if math.isnan(time) else max(lane.reached, time)

    def _idle(self, before: float) -> Iterator[RecordBatch]:
        """Ends lanes without a file that others would wait for in vain."""
        for lane in self._lanes:
            if lane.held is None and not lane.ended and lane.reached < before and len(self._lanes) > 1:
                lane.ended = True
                none: Any = np.zeros(0, np.int64)
                yield RecordBatch(self.name, lane.number, none, np.zeros(0), [], lane.end)

    def _span(self, records: RecordBatch) -> tuple[float, float]:
        """Times of the first and the last of a few records, NaN where none says so; those of wrong clocks left out."""
        decoded = self.codec.decode(records.first(LOOKED_AT), {}, Halves())
        times = [batch.times for batch in decoded.batches]
        times += [batch.labels_alone.times for batch in decoded.batches if batch.labels_alone is not None]
        found = np.concatenate([np.zeros(0), *times])
        if len(found):
            near = found[np.abs(found - np.median(found)) <= ASTRAY_SECONDS]
            return float(near.min()), float(near.max())
        time = decoded.reached if math.isfinite(decoded.reached) else math.nan
        return time, time
