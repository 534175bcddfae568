"""What was turned away, by reason and field, with one example of each: its place and its shape, never its value.

time: expected epoch seconds, got 1.79541e+12  ->  field "time", "expected epoch seconds, got 9.99999e+99"
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from driftd.core.event import RefusedValue, Reject, RejectReason, TopicPartition
from driftd.core.text import clean

MOST: Final = 200
"""Reasons with fields, and features, that are told apart; more are counted under their reason alone. Chosen: names of
fields come from outside."""
_OF_FIELDS: Final = frozenset(
    {
        RejectReason.MISSING_FIELD,
        RejectReason.WRONG_TYPE,
        RejectReason.NOT_FINITE,
        RejectReason.BAD_TIME,
        RejectReason.FUTURE_TIME,
        RejectReason.NAME_TOO_LONG,
        RejectReason.TOO_MANY_FEATURES,
        RejectReason.BAD_ENVELOPE,
    }
)
"""The reasons whose details begin with a field."""
_VALUE: Final = re.compile(r"(got|begins) .*")
_TEXT: Final = re.compile(r'"[^"]*"?')
_PLACE: Final = "feature "


@dataclass(frozen=True, slots=True)
class Refusal:
    """``events`` for this ``reason`` in this ``field`` ("": of the event as a whole); ``example``: what was expected
    and of which shape it was, of the first, at ``topic``, ``partition`` and ``offset``. ``model`` is None where that
    cannot be read.
    """

    reason: str
    field: str
    model: str | None
    events: int
    example: str
    topic: str
    partition: int
    offset: int


@dataclass(slots=True)
class Refusals:
    """``events`` by (reason, field) are rejects; ``values`` by (model, feature) refused values of events that were
    accepted, of which nobody counts here. Bounded.
    """

    events: dict[tuple[str, str], Refusal] = field(default_factory=dict)
    values: dict[tuple[str, str], Refusal] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Iterable[Refusal], values: Iterable[Refusal]) -> Refusals:
        return cls({(r.reason, r.field): r for r in events}, {(r.model or "", r.field): r for r in values})

    def forget(self, model: str) -> None:
        """Examples of a model; how many there were stays."""
        self.values = {key: r for key, r in self.values.items() if r.model != model}
        self.events = {
            key: replace(r, model=None, example="") if r.model == model else r for key, r in self.events.items()
        }

    def rejected(self, source: TopicPartition, rejects: Iterable[Reject]) -> None:
        counts, firsts = Counter[tuple[str, str]](), dict[tuple[str, str], Reject]()
        room = MOST - len(self.events)
        for r in rejects:
            key = r.reason.value, _field_of(r)
            if key not in self.events and key not in firsts:
                key, room = (key if room > 0 else (key[0], "")), room - 1
            counts[key] += 1
            if firsts.setdefault(key, r).offset > r.offset:
                firsts[key] = r
        for key, r in firsts.items():
            known, mine = self.events.get(key), Refusal(*key, r.model, 0, _example(r), *source, r.offset)
            first = mine if known is None or _place(mine) < _place(known) else known
            self.events[key] = replace(first, events=counts[key] + (0 if known is None else known.events))

    def refused(self, source: TopicPartition, values: Iterable[RefusedValue]) -> None:
        """The first of each feature."""
        for v in values:
            key, mine = (v.model, v.feature), Refusal("", v.feature, v.model, 0, shape(v.why), *source, v.offset)
            known = self.values.get(key)
            if (known is None and len(self.values) < MOST) or (known is not None and _place(mine) < _place(known)):
                self.values[key] = mine


def _place(r: Refusal) -> tuple[int, str, int]:
    """Which of two examples is the first, in whichever order partitions are read."""
    return r.offset, r.topic, r.partition


def _field_of(r: Reject) -> str:
    """The field that a reject names; "": none."""
    where, found, _ = r.detail.partition(": ")
    return _name(where) if found and r.reason in _OF_FIELDS else ""


@lru_cache(MOST)
def _name(where: str) -> str:
    return clean(where.removeprefix(_PLACE).strip("'\""), 80)


def _example(r: Reject) -> str:
    """What is wrong with the field, or the event."""
    _, found, rest = r.detail.partition(": ")
    return shape(rest if found and r.reason in _OF_FIELDS else r.detail)


def shape(text: str) -> str:
    """Without values: what was got has 9 in place of each digit, and x in place of each letter of a text."""
    return _VALUE.sub(lambda got: _TEXT.sub(_lettered, re.sub(r"\d", "9", got.group())), text)


def _lettered(text: re.Match[str]) -> str:
    return re.sub(r"[^\W\d]", "x", text.group())
