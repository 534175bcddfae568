"""What pages, the API and the command line say of incidents, as plain data."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

from driftd.core.channel import JOINT, Role
from driftd.core.finding import Severity
from driftd.core.incident import Entry, Incident, Part, Step, changed_now, find, open_ones, unchanged
from driftd.core.located import ONE_SEGMENT, located
from driftd.core.slice import Slice
from driftd.core.text import plural
from driftd.monitor.cause import labelled
from driftd.monitor.sentence import began, first_began, first_told, lasting, sentence, size_in_words
from driftd.monitor.view import Snapshot
from driftd.web import words
from driftd.web.acts import looked_at

NEAR_SECONDS: Final = 3600.0
"""What else began within so long of an incident is shown with it."""
_ROWS: Final = {role.value: role.row for role in Role if role is not Role.FEATURE}
_STEPS: Final = {
    Step.JOINED: "changed",
    Step.ROSE: "pages now",
    Step.NAMED: "is known better",
    Step.CALLED: "somebody was called",
}


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """An incident in one line. ``status``: page or ticket, the worst that it has been; ``open``: whether it lasts;
    ``sentence`` as alerts have it. ``since``: as the sentence has it, ``told``: when that was first told;
    ``first_since``: when the first of its changes began, ``opened``: when the first was told; ``called``: when
    somebody was last called; ``acknowledged``: who looks at it. ``ids``: of all parts of it that once were
    incidents of their own. ``segments``: those that it is in, empty where it is in the model as a whole, or in several.
    """

    id: str
    status: str
    open: bool
    sentence: str
    kind: str | None
    cause: str | None
    detail: str | None
    new_version: str | None
    since: float
    told: float
    first_since: float
    opened: float
    called: float | None
    acknowledged: str | None
    ended: float | None
    models: tuple[str, ...]
    channels: int
    unchanged: int
    ids: tuple[str, ...]
    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PartLine:
    """A channel that takes part; ``what`` happened to it; ``size`` over the least that makes such a page or ticket."""

    model: str
    channel: str
    status: str
    open: bool
    what: str
    kind: str | None
    cause: str | None
    detail: str | None
    value: float | None
    usual: float | None
    unit: str | None
    size: float | None
    since: float
    since_error_seconds: float | None
    told: float
    ended: float | None


@dataclass(frozen=True, slots=True)
class EntryLine:
    """A line of the timeline: ``step`` is joined, rose, named, called or calmed."""

    time: float
    step: str
    model: str
    channel: str | None
    status: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Nearby:
    """What else happened at that time: a version that began to answer, or another incident, with its ``id``."""

    time: float
    model: str
    text: str
    id: str | None


@dataclass(frozen=True, slots=True)
class ExampleLine:
    """An event that somebody can look up, by its place in Kafka (or in a file, whose rows are counted from 0): none of
    its values. ``changed``: the channels of its model that had changed by then; ``id``: None where it has none, or
    nobody may see it.
    """

    model: str
    topic: str
    partition: int
    offset: int
    time: float
    id: str | None
    changed: tuple[str, ...]


def incident_line(
    i: Incident, now: float, looked: Mapping[str, str], changed: Mapping[str, Collection[str]]
) -> IncidentLine:
    """``looked``: who looks at which incident (driftd.web.acts.looked_at); ``changed``: core.incident.changed_now."""
    found = located(i)
    told = found.incident
    cause = told.cause or (ONE_SEGMENT if len(found.segments) == 1 else None)
    return IncidentLine(
        i.id,
        (i.now or i.severity).value,
        i.ended is None,
        sentence(i, now, changed=changed),
        told.kind or None,
        cause,
        told.detail or None,
        i.new_version,
        began(i),
        first_told(i),
        first_began(i),
        i.opened,
        i.called,
        next((looked[id_] for id_ in (i.id, *i.ids) if id_ in looked), None),
        i.ended,
        told.models,
        len({(p.model, p.channel) for p in told.parts if p.channel != JOINT}),
        unchanged(located(lasting(i)).incident, changed),
        i.ids,
        found.segments,
    )


def in_order(incidents: Iterable[Incident]) -> list[Incident]:
    """Open ones, pages first, then those that have ended, newest first."""
    mine = list(incidents)
    past = sorted((i for i in mine if i.ended is not None), key=lambda i: (-(i.ended or 0.0), i.id))
    return [*open_ones(mine), *past]


def incident_lines(snapshot: Snapshot, model: str = "", status: str = "") -> list[IncidentLine]:
    """``in_order``; ``status`` is open, past, page or ticket."""
    mine = in_order(i for i in snapshot.incidents if not model or _is_about(i, model))
    return lines_of((i for i in mine if status in {"", *statuses(i)}), snapshot)


def lines_of(incidents: Iterable[Incident], snapshot: Snapshot) -> list[IncidentLine]:
    looked, changed = looked_at(snapshot), changed_now(snapshot.incidents)
    return [incident_line(i, snapshot.now, looked, changed) for i in incidents]


def statuses(i: Incident) -> tuple[str, str]:
    return "past" if i.ended is not None else "open", (i.now or i.severity).value


def open_lines(snapshot: Snapshot, model: str = "") -> list[IncidentLine]:
    mine = (i for i in snapshot.incidents if i.ended is None and (not model or _is_about(i, model)))
    return lines_of(open_ones(mine), snapshot)


def _is_about(i: Incident, model: str) -> bool:
    return any(name == model or (Slice(name).within and Slice(name).whole == model) for name, _ in i.totals)


def part_lines(i: Incident) -> list[PartLine]:
    """What the sentence tells first, then the others, the strongest first."""
    first = located(i).first
    return [_part(p) for p in (first, *(p for p in i.strongest if p is not first))]


def timeline_of(i: Incident) -> list[EntryLine]:
    return [_entry(e) for e in i.timeline]


def example_lines(i: Incident) -> list[ExampleLine]:
    """In order of time, each event once: one of a segment is one of its whole, too."""
    parts, first = sorted(i.parts, key=lambda p: (p.since, p.channel)), located(i).first.model
    known = {(e.topic, e.partition, e.offset): e for e in sorted(i.examples, key=lambda e: (e.model == first, e.model))}
    return [
        ExampleLine(
            e.model, e.topic, e.partition, e.offset, e.time, e.id or None,
            tuple(p.channel for p in parts if p.model == e.model and p.since <= e.time),
        )
        for e in sorted(known.values(), key=lambda e: (e.time, e.model, e.topic, e.partition, e.offset))
    ]  # fmt: skip


def nearby(i: Incident, snapshot: Snapshot) -> list[Nearby]:
    """Versions of its models, and other incidents, that began within NEAR_SECONDS of it."""
    return sorted([*_versions(i, snapshot), *_others(i, snapshot)], key=lambda n: n.time)


def named(snapshot: Snapshot, id_: str) -> Incident | None:
    return find(snapshot.incidents, id_)


def alert_of(p: Part) -> str:
    """The alert that fires."""
    row, status = _ROWS.get(p.channel, Role.FEATURE.row), (p.now or p.severity).value
    return words.runbook(status, p.kind, row)


def incidents_headline(lines: Sequence[IncidentLine]) -> tuple[str, str]:
    """Of those that are open: the worst status, and how many there are."""
    if not lines:
        return "ok", "No incident is open"
    if len(lines) == 1:
        return lines[0].status, lines[0].sentence
    pages = sum(line.status == "page" for line in lines)
    said = f", {'all' if pages == len(lines) else pages} of them {'a page' if pages == 1 else 'pages'}" if pages else ""
    return lines[0].status, f"{len(lines)} {plural('incident', len(lines))} are open{said}"


def _part(p: Part) -> PartLine:
    return PartLine(
        p.model, p.channel, (p.now or p.severity).value, p.ended is None, size_in_words(p), p.kind or None,
        p.cause or None, p.detail or None, p.value, p.reference_value, p.unit or None,
        p.size if isfinite(p.size) else None, p.since, p.since_error_seconds, p.told, p.ended,
    )  # fmt: skip


def _entry(e: Entry) -> EntryLine:
    text = _STEPS.get(e.step, "")
    if e.step in {Step.JOINED, Step.ROSE, Step.NAMED} and (e.kind or e.channel == JOINT):
        said = words.what(e.kind, e.value, e.reference_value, e.unit)
        what = "; ".join(filter(None, [said, labelled(e.cause, e.detail)]))
        text = what if e.step is Step.JOINED else f"{text}: {what}"
    if e.step is Step.CALMED:
        text = words.over(e.detail)
    status = None if e.severity is None else Severity(e.severity).value
    return EntryLine(e.time, e.step.value, e.model, e.channel, status, text)


def _versions(i: Incident, snapshot: Snapshot) -> Iterator[Nearby]:
    for m in snapshot.models:
        first = min(m.started.values(), default=0.0)
        if m.name in i.models:
            for version, at in m.started.items():
                if at > first and abs(at - i.since) <= NEAR_SECONDS:
                    yield Nearby(at, m.name, f"version {words.name(version)} began to answer", None)


def _others(i: Incident, snapshot: Snapshot) -> Iterator[Nearby]:
    changed = changed_now(snapshot.incidents)
    for other in snapshot.incidents:
        if other.id != i.id and abs(other.since - i.since) <= NEAR_SECONDS:
            yield Nearby(other.since, other.models[0], sentence(other, snapshot.now, changed=changed), other.id)
