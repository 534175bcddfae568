"""What was turned away, by reason and field, with one example of each: its place and its shape, never its value.

time: expected epoch seconds, got 1.79541e+12  ->  field "time", "expected epoch seconds, got 9.99999e+99"
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
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
        for r in rejects:
            where, example = taken_apart(r)
            reason = r.reason.value
            key = (reason, where) if (reason, where) in self.events or len(self.events) < MOST else (reason, "")
            known, mine = self.events.get(key), Refusal(reason, key[1], r.model, 1, example, *source, r.offset)
            first = mine if known is None or _place(mine) < _place(known) else known
            self.events[key] = replace(first, events=1 if known is None else known.events + 1)

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


def taken_apart(r: Reject) -> tuple[str, str]:
    """The field that a reject names ("": none), and what is wrong with it."""
    where, found, rest = r.detail.partition(": ")
    if not found or r.reason not in _OF_FIELDS:
        return "", shape(r.detail)
    return clean(where.removeprefix(_PLACE).strip("'\""), 80), shape(rest)


def shape(text: str) -> str:
    """Without values: what was got has 9 in place of each digit."""
    return _VALUE.sub(lambda got: re.sub(r"\d", "9", got.group()), text)
