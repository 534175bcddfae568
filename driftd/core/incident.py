"""Findings with one cause: one id, one timeline, one page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import inf
from typing import Final

from driftd.core.channel import JOINT, OWN_NAMES
from driftd.core.finding import Severity
from driftd.core.slice import Slice

ROUGH: Final = 900.0
"""Seconds from which on the error of a beginning is told in words. Chosen: who looks at a chart of an hour sees it."""
MOST_ENTRIES: Final = 60
"""Entries of a timeline that are kept: the first, and the most recent."""


class Step(StrEnum):
    """What happened to an incident."""

    JOINED = "joined"
    ROSE = "rose"
    NAMED = "named"
    CALLED = "called"
    CALMED = "calmed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline: ``step`` happened to ``channel`` (None: a call) at ``time``, event time as it was told.
    ``severity`` is that of the channel then, None where it is over; ``detail`` is then why, where no value ended it.
    """

    time: float
    step: Step
    model: str
    channel: str | None
    severity: Severity | None = None
    kind: str = ""
    value: float | None = None
    reference_value: float | None = None
    cause: str = ""
    detail: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A channel that takes part. ``kind``, ``value``, ``reference_value``, ``cause`` and ``detail`` as in the last
    Finding that had them, so counted from the start of the change; ``size`` over the least that makes such a page or
    ticket. ``severity``: the worst it has had; ``open``: which detectors hold it open, and at which severity.
    ``times``, ``first_since``, ``unit`` and ``since_error_seconds`` as in Finding.
    """

    model: str
    channel: str
    kind: str
    value: float | None
    reference_value: float | None
    size: float
    since: float
    told: float
    severity: Severity
    open: tuple[tuple[str, Severity], ...]
    ended: float | None = None
    new_version: str | None = None
    cause: str = ""
    detail: str = ""
    times: int = 1
    first_since: float | None = None
    unit: str = ""
    since_error_seconds: float | None = None

    @property
    def now(self) -> Severity | None:
        """What it asks for now."""
        found = {severity for _, severity in self.open}
        return Severity.PAGE if Severity.PAGE in found else Severity.TICKET if found else None


@dataclass(frozen=True, slots=True)
class Example:
    """An event that somebody can look up: where it lies, when it happened and which id it has ("": none)."""

    model: str
    topic: str
    partition: int
    offset: int
    time: float
    id: str


@dataclass(frozen=True)  # no slots: what follows from its parts is worked out once
class Incident:
    """One cause, of one model or, ``together``, of several.

    ``id`` is that of the finding that opened it: the same after a restart and in every member. ``since``: when the
    first change began; ``opened``: when that was told; ``called``: when somebody was last called for it, None where
    nobody was. ``totals``: how many channels each model has, ``features``: how many of them are features. ``ids``: of
    all incidents of single models that are in it. ``examples``: events of before it and since then, in order of time.
    """

    id: str
    since: float
    opened: float
    parts: tuple[Part, ...]
    timeline: tuple[Entry, ...]
    totals: tuple[tuple[str, int], ...]
    called: float | None = None
    ended: float | None = None
    ids: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    features: tuple[tuple[str, int], ...] = ()

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Those of the strongest parts first."""
        return tuple(dict.fromkeys(p.model for p in self.strongest))

    @property
    def severity(self) -> Severity:
        """The worst that it has been."""
        return worst(p.severity for p in self.parts)

    @property
    def now(self) -> Severity | None:
        """What it asks for now; None when it has ended."""
        found = [p.now for p in self.parts if p.now is not None]
        return worst(found) if found else None

    @cached_property
    def strongest(self) -> tuple[Part, ...]:
        """What lasts, what pages, what is more than a relation, what has a name, and a cause, what was told first."""
        return tuple(sorted(self.parts, key=_order))

    @property
    def first(self) -> Part:
        return self.strongest[0]

    @property
    def kind(self) -> str:
        return self.first.kind

    @property
    def cause(self) -> str:
        """That of the first part; where so many channels changed at once, the pipeline."""
        return PIPELINE if self.everything and len(self.parts) > 1 else self.first.cause

    @property
    def detail(self) -> str:
        return "" if self.cause == PIPELINE else self.first.detail

    @property
    def new_version(self) -> str | None:
        """The version that began to answer about then, where it is one."""
        new = {p.new_version for p in self.parts if p.new_version}
        return new.pop() if len(new) == 1 else None

    @property
    def everything(self) -> bool:
        """Whether so many channels of each model have changed at once that it is a pipeline rather than a feature."""
        return len(self.pipelines) == len(self.totals)

    @cached_property
    def pipelines(self) -> dict[str, tuple[int, int]]:
        """The models of which so many channels, or features, have changed: how many channels, and of how many."""
        mine = Counter(p.model for p in self.parts if p.channel != JOINT)
        inputs, features = Counter(p.model for p in self.parts if p.channel not in OWN_NAMES), dict(self.features)

        def many(n: int, total: float) -> bool:
            return n >= max(LEAST_EVERYTHING, total / 2)

        return {
            model: (mine[model], total)
            for model, total in self.totals
            if many(mine[model], total) or many(inputs[model], features.get(model, inf))
        }


PIPELINE: Final = "pipeline"
"""The cause of an incident in which everything has changed at once."""
LEAST_EVERYTHING: Final = 3
"""Channels that are many, of a model that has few."""


def worst(severities: Iterable[Severity]) -> Severity:
    return Severity.PAGE if Severity.PAGE in severities else Severity.TICKET


def _order(p: Part) -> tuple[bool, bool, bool, bool, bool, float, float, str, str]:
    page = (p.now or p.severity) is not Severity.PAGE
    relation = p.channel == JOINT or p.kind == "joint"
    return p.ended is not None, page, relation, not p.kind, not p.cause, p.told, -p.size, p.model, p.channel


def shortened(timeline: Sequence[Entry]) -> tuple[Entry, ...]:
    """At most MOST_ENTRIES of them."""
    if len(timeline) <= MOST_ENTRIES:
        return tuple(timeline)
    return (timeline[0], *timeline[len(timeline) - MOST_ENTRIES + 1 :])


SAME_START: Final = 600.0
"""Changes of models that began within so many seconds may have one cause. Chosen: a start is known to minutes."""
FAMILY_START: Final = 1800.0
"""The same of a model and its segments. Chosen: of a tenth of the traffic the whole shows the start less sharply, and
changes of one model within half an hour are one anyway (driftd.monitor.incidents).
"""
ALIKE: Final = 2.0
"""Times as large as another model's a change may be and have its cause. Chosen: a producer that fails does so for about
the same share of all that read it; 13% of one model and all of another are two faults."""
_BY_FACTOR: Final = frozenset({"unit", "level", "latency_p50", "latency_p99"})
"""Kinds whose value is a number of the channel; of the others it is a share or a factor already."""


def together(incidents: Iterable[Incident]) -> list[Incident]:
    """Incidents of single models, those with one cause as one: the same start, and everything at once, or a channel of
    the same name or the same kind, of a like size. Newest first. What belongs together depends on nothing but the
    incidents: each joins the first before it that it is like, so a chain of many small steps is not one cause.
    """
    groups: list[list[Incident]] = []
    at: dict[int, list[tuple[_Look, list[Incident]]]] = {}
    for incident in sorted(incidents, key=lambda i: (i.opened, i.id)):
        slot, look = int(incident.since // FAMILY_START), _Look.of(incident)
        near = (known for k in (slot - 1, slot, slot + 1) for known in at.get(k, ()))
        group = next((g for first, g in near if first.like(look) and not _models_meet(g, incident)), None)
        if group is None:
            group = []
            groups.append(group)
            at.setdefault(slot, []).append((look, group))
        group.append(incident)
    return sorted(map(_merged, groups), key=lambda i: (-i.opened, i.id))


@dataclass(frozen=True, slots=True)
class _Look:
    """What two incidents are compared by."""

    since: float
    first: Part
    channels: Mapping[str, Part]
    everything: bool
    family: str

    @classmethod
    def of(cls, i: Incident) -> _Look:
        strongest = i.strongest
        channels = {p.channel: p for p in reversed(strongest) if p.channel != JOINT}
        return cls(i.since, strongest[0], channels, i.everything, Slice(strongest[0].model).family)

    def like(self, other: _Look) -> bool:
        if self.family == other.family and abs(self.since - other.since) <= FAMILY_START:
            return bool(self.channels.keys() & other.channels)  # the whole shows the change of a part diluted
        if abs(self.since - other.since) > SAME_START:
            return False
        if self.everything and other.everything:
            return True
        if any(_alike(self.channels[name], other.channels[name]) for name in self.channels.keys() & other.channels):
            return True
        return bool(self.first.kind) and self.first.kind == other.first.kind and _alike(self.first, other.first)


def _alike(a: Part, b: Part) -> bool:
    """Whether two changes may be one by their size; of different kinds, and where one is not known, nobody can say."""
    x, y = _measure(a), _measure(b)
    if a.kind != b.kind or x is None or y is None or x == y:
        return True
    return x * y > 0 and 1 / ALIKE <= x / y <= ALIKE


def _measure(p: Part) -> float | None:
    """What two models have in common of a change: the share, or how many times as much it is."""
    value, usual = p.value, p.reference_value
    if p.kind not in _BY_FACTOR or value is None:
        return value
    return value / usual if usual else None


def _models_meet(group: Sequence[Incident], incident: Incident) -> bool:
    """Two incidents of one model that were told apart stay apart."""
    return any(i.totals[0][0] == incident.totals[0][0] for i in group)


def _merged(group: Sequence[Incident]) -> Incident:
    first = group[0]
    if len(group) == 1:
        return first
    ends = [i.ended for i in group]
    calls = [i.called for i in group if i.called is not None]
    return Incident(
        first.id,
        min(i.since for i in group),
        first.opened,
        tuple(p for i in group for p in i.parts),
        shortened(sorted((e for i in group for e in i.timeline), key=lambda e: (e.time, e.model))),
        tuple(total for i in group for total in i.totals),
        max(calls, default=None),
        None if None in ends else max(e for e in ends if e is not None),
        tuple(id_ for i in group for id_ in i.ids),
        tuple(e for i in group for e in i.examples),
        tuple(known for i in group for known in i.features),
    )


def find(incidents: Iterable[Incident], id_: str) -> Incident | None:
    """By the id of the whole, or of what is in it: an id that was told once leads there for good."""
    return next((i for i in incidents if i.id == id_ or id_ in i.ids), None)


def changed_now(incidents: Iterable[Incident]) -> dict[str, set[str]]:
    """By model, the channels that any of its incidents holds open."""
    out: dict[str, set[str]] = {}
    for p in (p for i in incidents if i.ended is None for p in i.parts):
        if p.now is not None and p.channel != JOINT:
            out.setdefault(p.model, set()).add(p.channel)
    return out


def unchanged(i: Incident, changed: Mapping[str, Collection[str]]) -> int:
    """Channels of its models that neither take part in it nor are in ``changed`` (``changed_now``)."""
    parts = {(p.model, p.channel) for p in i.parts if p.channel != JOINT}
    others = {(model, channel) for model, _ in i.totals for channel in changed.get(model, ())}
    return max(sum(total for _, total in i.totals) - len(parts | others), 0)


def open_ones(incidents: Iterable[Incident]) -> Iterator[Incident]:
    """Those that last, pages first, newest first."""
    yield from sorted((i for i in incidents if i.ended is None), key=lambda i: (i.now is not Severity.PAGE, -i.opened))
