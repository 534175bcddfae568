"""Requests and their answers, where a platform logs each by itself: they find each other by id, in either order.

arrives     | nothing known | its other half waits | the same half waits | both have come
a half      | it waits      | they are one call    | duplicate           | duplicate
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from typing import Final

from driftd.core.event import DropReason

HORIZON_SECONDS: Final = 600.0
"""How long a half waits, in event time. Chosen: longer than any call lasts that somebody waits for."""
SWEEPS: Final = 16
"""Times in a horizon that what has waited too long is looked for: looking reads all that waits."""
MOST_WAITING: Final = 50_000
MOST_BYTES: Final = 32 << 20
"""Of what waits, which is in every checkpoint: 600 s of 1,000 calls a second of which one in twelve has no answer."""
MOST_DONE: Final = 20_000
"""Calls that are remembered when they are complete, so that a half that is delivered again is a duplicate: brokers
deliver again within seconds."""
MOST_MODELS: Final = 1000
"""Models that are counted by name; names come from records."""
OVERHEAD: Final = 200
"""Bytes of a half beside its rows, about."""


@dataclass(frozen=True, slots=True)
class Half:
    """A request, or an answer. ``head`` and each of ``rows`` are members of events as JSON, without braces; an answer
    without rows is for all rows of its request. ``time`` in epoch seconds. ``scope``: what the other half has the same
    of, beside model and id.
    """

    model: str
    id: str
    answer: bool
    time: float
    head: bytes
    rows: tuple[bytes, ...] = ()
    scope: str = ""

    @property
    def size(self) -> int:
        return OVERHEAD + len(self.head) + sum(map(len, self.rows))

    @property
    def lost_as(self) -> DropReason:
        return DropReason.NO_REQUEST if self.answer else DropReason.UNANSWERED


@dataclass(slots=True)
class CallCounts:
    """What became of a model's calls: those that were complete, and halves that were not."""

    answered: int = 0
    unanswered: int = 0
    no_request: int = 0
    duplicate: int = 0


@dataclass(slots=True)
class Halves:
    """All that waits, in the order in which it came. ``swept``: up to which part of a horizon it was looked through.

    ``size`` in bytes of what waits; ``done`` has the keys of the calls that were completed last; ``lost`` what has
    ended since ``overflow`` was called.
    """

    waiting: dict[bytes, Half] = field(default_factory=dict)
    done: dict[bytes, None] = field(default_factory=dict)
    counts: dict[str, CallCounts] = field(default_factory=dict)
    size: int = 0
    swept: float = -inf
    lost: Counter[DropReason] = field(default_factory=Counter)

    def take(self, source: str, half: Half) -> Half | DropReason | None:
        """The other half, or that this one is a duplicate; None: it waits."""
        key = _key(source, half)
        other = self.waiting.get(key)
        if key in self.done or (other is not None and other.answer is half.answer):
            self._count(half.model).duplicate += 1
            return DropReason.DUPLICATE
        if other is not None and abs(half.time - other.time) > HORIZON_SECONDS:  # whether a sweep came between or not
            self.lost[self._lose(key, other)] += 1
            other = None
        if other is None:
            self.waiting[key] = half
            self.size += half.size
            return None
        self._drop(key, other)
        self.done[key] = None
        if len(self.done) > MOST_DONE:
            del self.done[next(iter(self.done))]
        self._count(half.model).answered += 1
        return other

    def overflow(self) -> Counter[DropReason]:
        """Lets the oldest go where more wait than may; all that ended since the last call."""
        lost, self.lost = self.lost, Counter()
        while len(self.waiting) > MOST_WAITING or self.size > MOST_BYTES:
            ((key, half),) = islice(self.waiting.items(), 1)
            lost[self._lose(key, half)] += 1
        return lost

    def sweep(self, now: float) -> Counter[DropReason]:
        """Lets go what has waited for the horizon at ``now``, in event time; inf: nothing more comes."""
        lost: Counter[DropReason] = Counter()
        each = HORIZON_SECONDS / SWEEPS
        part = now // each if now < inf else inf
        if self.waiting and part > self.swept:
            self.swept = part
            begin = part * each - HORIZON_SECONDS
            for key, half in [(k, h) for k, h in self.waiting.items() if h.time < begin]:
                lost[self._lose(key, half)] += 1
        return lost

    def _lose(self, key: bytes, half: Half) -> DropReason:
        self._drop(key, half)
        counts = self._count(half.model)
        counts.no_request += half.answer
        counts.unanswered += not half.answer
        return half.lost_as

    def _drop(self, key: bytes, half: Half) -> None:
        del self.waiting[key]
        self.size -= half.size

    def _count(self, model: str) -> CallCounts:
        if not model or (model not in self.counts and len(self.counts) >= MOST_MODELS):
            return CallCounts()
        return self.counts.setdefault(model, CallCounts())


def _key(source: str, half: Half) -> bytes:
    """Of 16 bytes: two of a million million ids share one with probability 1e-15."""
    # with the lengths: model "a" with id "b" is none of model "ab"
    sizes = f"{len(source)}:{len(half.scope)}:{len(half.model)}:"
    text = f"{sizes}{source}{half.scope}{half.model}{half.id}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
