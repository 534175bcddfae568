"""Segments of a model beside the whole: what they learn from it, and which of their changes are its."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import ceil
from typing import Final

from driftd.core.finding import Finding, Severity, Status
from driftd.core.incident import Incident
from driftd.core.reference import Reference
from driftd.core.segmenting import SETTLE_SECONDS
from driftd.learn.build import kinds_of
from driftd.monitor.settings import ModelSettings
from driftd.monitor.told import plain

COVERED: Final = "the model as a whole shows it"
LEFT: Final = "the model as a whole does not show it any more"


def as_whole(settings: ModelSettings, whole: Reference) -> ModelSettings:
    """How a segment learns: its features are of the kinds that the whole's are, and so are its answers. Without that a
    country whose postal codes are digits would take codes of letters for faults.
    """
    kinds = kinds_of(whole)
    learning = replace(settings.learning, kinds={**settings.learning.kinds, **kinds}, classes=whole.classes)
    return replace(settings, learning=learning)


def rings(whole: Iterable[Incident], channel: str, at: float) -> Severity | None:
    """What the whole asked for at ``at`` because of a channel, by what had been told by then: the same however far the
    whole has been evaluated since.
    """
    found = None
    for incident in whole:
        said = [e for e in incident.timeline if e.channel == channel and e.time <= at]
        if said and found is not Severity.PAGE:
            found = said[-1].severity or found  # none where it has calmed
    return found


def covers(whole: Iterable[Incident], f: Finding, channel: str, at: float) -> bool:
    """Whether the whole rings as loud for the channel of a finding that is severe."""
    severity = rings(whole, channel, at)
    return severity is Severity.PAGE or (severity is not None and severity is f.severity)


def covered(
    whole: Sequence[Incident], waiting: Sequence[Finding], found: Sequence[Finding], at: float
) -> tuple[tuple[Finding, ...], tuple[Finding, ...], tuple[Finding, ...]]:
    """What is told of a segment's findings at ``at``, by when the whole has been evaluated to the end of the minute;
    what waits until the whole is over, as in ModelState.covered; and what the segment's incidents are made of: all of
    it, but nobody was called.

    whole     ....|#### PAGE, amount ####|......
    segment         amount: shown, rings nobody |PAGE: it is open still
                    age: PAGE
    """
    told, felt, waits = list[Finding](), list[Finding](), {(f.feature, f.detector): f for f in waiting}
    loud, known = False, ceil(at / SETTLE_SECONDS) * SETTLE_SECONDS
    for f in found:
        key, severe = (f.feature, f.detector), f.severity is not None
        names = f.channels if f.feature is None else (f.feature,)
        quiet = severe and not (loud and f.feature is None) and all(covers(whole, f, c, known) for c in names)
        if f.status < Status.WARNING or (severe and not quiet):
            waits.pop(key, None)
        if quiet:
            waits[key] = plain(f)
        loud = loud or (severe and not quiet)
        hushed = replace(f, severity=None, because=f"{f.because}; {COVERED}") if quiet else f
        told.append(hushed)
        felt.append(hushed if f.feature is None else f)
    due = [f for f in waits.values() if f.feature is not None and not covers(whole, f, f.feature, known)]
    if due:
        due += [f for f in waits.values() if f.feature is None]
        again = [replace(f, previous=f.status, window_end=at, because=f"{f.because}; {LEFT}") for f in due]
        told, felt = told + again, felt + again
        waits = {key: f for key, f in waits.items() if f not in due}
    return tuple(told), tuple(waits.values()), tuple(felt)


def ringing(incidents: Iterable[Incident], hushed: Iterable[Finding]) -> tuple[Incident, ...]:
    """A segment's open incidents without the channels that the whole rings for."""
    quiet = {(f.feature, f.detector) for f in hushed}
    out = list[Incident]()
    for i in (i for i in incidents if i.ended is None):
        parts = (replace(p, open=tuple(o for o in p.open if (p.channel, o[0]) not in quiet)) for p in i.parts)
        if left := tuple(p for p in parts if p.open):
            out.append(replace(i, parts=left))
    return tuple(out)
