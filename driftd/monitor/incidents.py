"""A model's incidents: a fold over its findings, so they are the same however the findings came."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from driftd.core.finding import CHANGE, Finding, Severity, Status
from driftd.core.incident import Entry, Incident, Part, Step, shortened, worst
from driftd.judge.natural.episodes import HOLD, PAGE

MOST_ENDED: Final = 50
"""Incidents of a model that are remembered when they have ended, the most recent."""
MOST_PARTS: Final = 40
"""Parts of an incident that are remembered when it has ended, the strongest."""
SAME_SECONDS: Final = 1800.0
"""Changes of a model that began within so long, or were told within so long of a call, have one cause: a channel that
breaks within it calls nobody (ADR 14).
"""
ANEW_SECONDS: Final = HOLD[PAGE]
"""A change of another kind that began so long after the first of its channel is another one, as in the judge."""


def folded(
    before: tuple[Incident, ...], findings: Iterable[Finding], channels: int, features: int | None = None
) -> tuple[Incident, ...]:
    """The incidents after ``findings`` of their model, which has so many ``channels``, and ``features`` among them, as
    far as that is known; in the order in which they opened. What ended is bounded, what is open is not.
    """
    out = list(before)
    for finding in findings:
        _take(out, finding, channels, features)
    return _bounded(out)


def settled(before: tuple[Incident, ...], is_open: Callable[[str, str], bool], at: float) -> tuple[Incident, ...]:
    """Ends what nothing holds open any more though no finding said so: a detector that is asked for no longer, a judge
    that began anew. ``is_open``: (channel, detector) -> whether it is.
    """
    parts = [(k, p) for k, i in enumerate(before) if i.ended is None for p in i.parts]
    gone = [(k, p, detector) for k, p in parts for detector, _ in p.open if not is_open(p.channel, detector)]
    out = list(before)
    for k, part, detector in gone:
        out[k] = _calmed(out[k], part.channel, detector, max(at, part.told))
    return _bounded(out) if gone else before


def _take(out: list[Incident], f: Finding, channels: int, features: int | None) -> None:
    if f.feature is None:
        if f.opens_page:
            _call(out, f)
        return
    at = _holding(out, f.feature)
    if f.status < Status.WARNING:
        if at is not None:
            out[at] = _calmed(out[at], f.feature, f.detector, f.window_end, f.detail)
        return
    carried: tuple[tuple[str, Severity], ...] = ()
    if at is not None and _is_another(_part(out[at], f.feature), f):
        carried = _part(out[at], f.feature).open
        for detector, _ in carried:
            out[at] = _calmed(out[at], f.feature, detector, f.window_end)
        at = None
    if at is None and f.times > 1:
        at = _last(out, f.feature)
    if at is not None:
        out[at] = replace(_grown(out[at], f), ended=None)
    elif f.severity is not None or f.times > 1:
        _join(out, f, channels, features, carried)


def _join(
    out: list[Incident], f: Finding, channels: int, features: int | None, carried: tuple[tuple[str, Severity], ...]
) -> None:
    """An incident of its own for a change of a channel, or the open one that it belongs to."""
    at = _cause(out, f)
    after = _opened(f, channels, features) if at is None else _grown(out[at], f)
    if at is None:
        at = len(out)
        out.append(after)
    out[at] = _held(after, f.feature or "", carried)


def _held(i: Incident, channel: str, carried: tuple[tuple[str, Severity], ...]) -> Incident:
    """With the other detectors that see the channel: they do not say which of its changes they see."""
    part = _part(i, channel)
    after = replace(part, open=tuple(sorted((dict(carried) | dict(part.open)).items())))
    return replace(i, parts=tuple(after if p is part else p for p in i.parts)) if carried else i


def _call(out: list[Incident], f: Finding) -> None:
    """Notes a call with the incident of the channels that it names that opened last."""
    for k in reversed(range(len(out))):
        if out[k].ended is None and any(p.now is Severity.PAGE and p.channel in f.channels for p in out[k].parts):
            entry = Entry(f.window_end, Step.CALLED, f.model, None, Severity.PAGE)
            out[k] = replace(out[k], called=f.window_end, timeline=shortened((*out[k].timeline, entry)))
            return


def _holding(out: list[Incident], channel: str) -> int | None:
    """Where a part of the channel is open."""
    found = (k for k, i in enumerate(out) if i.ended is None and any(p.channel == channel and p.open for p in i.parts))
    return next(found, None)


def _last(out: list[Incident], channel: str) -> int | None:
    """The incident that the channel last took part in."""
    return next((k for k in reversed(range(len(out))) if any(p.channel == channel for p in out[k].parts)), None)


def _cause(out: list[Incident], f: Finding) -> int | None:
    """The open incident that a channel's change belongs to: the one that began nearest to it."""
    since, best = _since(f), None
    for k, i in enumerate(out):
        last = i.opened if i.called is None else i.called
        if i.ended is not None or (abs(since - i.since) > SAME_SECONDS and f.window_end - last > SAME_SECONDS):
            continue
        if best is None or abs(since - i.since) < abs(since - out[best].since):
            best = k
    return best


def _is_another(p: Part, f: Finding) -> bool:
    """Whether the finding begins another change of the channel than the one that is open."""
    other = bool(p.kind) and bool(f.kind) and p.kind != f.kind
    return f.severity is not None and other and _since(f) - p.since > ANEW_SECONDS


def _opened(f: Finding, channels: int, features: int | None) -> Incident:
    part, entry = part_of(f), _entry(f, Step.JOINED)
    known = () if features is None else ((f.model, features),)
    totals = ((f.model, channels),)
    return Incident(f.id, part.since, f.window_end, (part,), (entry,), totals, ids=(f.id,), features=known)


def _grown(i: Incident, f: Finding) -> Incident:
    """With a channel that joined, or more about one that is there."""
    known = next((p for p in i.parts if p.channel == f.feature), None)
    if known is None or not known.open:
        others = tuple(p for p in i.parts if p is not known)
        part = part_of(f)
        if known is not None:
            since = part.since if f.times > 1 else min(known.since, part.since)
            part = replace(part, since=since, severity=worst((known.severity, part.severity)))
        return _noted(replace(i, parts=(*others, part)), _entry(f, Step.JOINED))
    part = _with(known, f)
    after = replace(i, parts=tuple(part if p is known else p for p in i.parts))
    if part.now is Severity.PAGE and known.now is not Severity.PAGE:
        return _noted(after, _entry(f, Step.ROSE))
    if _said(part) != _said(known):
        return _noted(after, _entry(f, Step.NAMED))
    return after


def _said(p: Part) -> tuple[object, ...]:
    """What the sentence says of it."""
    return p.kind, p.value, p.reference_value, p.cause, p.detail, p.times


def _with(p: Part, f: Finding) -> Part:
    """A fault or change names itself; what else has seen it names it only where nothing better did."""
    severity, before = _severity(f), dict(p.open)
    out = replace(
        p, open=tuple(sorted((before | {f.detector: severity}).items())), severity=worst((p.severity, severity))
    )
    if not f.kind or (p.kind and f.detector != CHANGE and CHANGE in before):
        return out
    since = p.since if f.since is None else f.since
    return replace(
        out,
        kind=f.kind,
        value=f.value,
        reference_value=f.reference_value,
        size=f.ratio,
        since=since,
        told=f.window_end if since > p.told else p.told,  # another change of it, while something holds the first open
        new_version=f.new_version or p.new_version,
        cause=f.cause,
        detail=f.detail,
        times=max(f.times, p.times),
        first_since=f.first_since or p.first_since,
        unit=f.unit,
        since_error_seconds=f.since_error_seconds,
    )


def _calmed(i: Incident, channel: str, detector: str, at: float, why: str = "") -> Incident:
    """``why``: an act or another reference ended it, no value did."""
    part = _part(i, channel)
    left = tuple(held for held in part.open if held[0] != detector)
    if left == part.open:
        return i
    after = replace(part, open=left, ended=None if left else at)
    out = replace(i, parts=tuple(after if p is part else p for p in i.parts))
    if left:
        return out
    out = _noted(out, Entry(at, Step.CALMED, part.model, channel, detail=why))
    return out if any(p.open for p in out.parts) else replace(out, ended=at)


def part_of(f: Finding) -> Part:
    """What a finding of a channel says of it."""
    severity = _severity(f)
    return Part(
        f.model, f.feature or "", f.kind, f.value, f.reference_value, f.ratio, _since(f), f.window_end, severity,
        ((f.detector, severity),), None, f.new_version, f.cause, f.detail, f.times, f.first_since,
        f.unit, f.since_error_seconds,
    )  # fmt: skip


def _part(i: Incident, channel: str) -> Part:
    return next(p for p in i.parts if p.channel == channel)


def _noted(i: Incident, entry: Entry) -> Incident:
    return replace(i, timeline=shortened((*i.timeline, entry)))


def _entry(f: Finding, step: Step) -> Entry:
    return Entry(
        f.window_end, step, f.model, f.feature, _severity(f), f.kind, f.value, f.reference_value, f.cause,
        f.detail, f.unit,
    )  # fmt: skip


def _severity(f: Finding) -> Severity:
    return Severity.PAGE if f.status is Status.DRIFT else Severity.TICKET


def _since(f: Finding) -> float:
    return f.window_end if f.since is None else f.since


def _bounded(incidents: list[Incident]) -> tuple[Incident, ...]:
    ended = [k for k, i in enumerate(incidents) if i.ended is not None]
    gone = set(ended[: max(0, len(ended) - MOST_ENDED)])
    return tuple(_short(i) if i.ended is not None else i for k, i in enumerate(incidents) if k not in gone)


def _short(i: Incident) -> Incident:
    return i if len(i.parts) <= MOST_PARTS else replace(i, parts=i.strongest[:MOST_PARTS])
