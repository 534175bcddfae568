"""Where in a model's traffic an incident is: in all of it, or in segments of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from driftd.core.finding import Severity
from driftd.core.incident import Incident, Part
from driftd.core.slice import Slice

ONE_SEGMENT: Final = "one_segment"
"""The cause of an incident of one segment alone, where nothing finer is known."""


@dataclass(frozen=True, slots=True)
class Located:
    """``incident`` in the names of models, without what segments show of a change of the whole; ``segments`` that it is
    in, the one that the incident tells first: empty where it is in the whole, or in several models. ``alone``: no other
    segment shows it. ``first``: the part that is told, in the name of its slice.
    """

    incident: Incident
    first: Part
    segments: tuple[str, ...] = ()
    alone: bool = False


def located(i: Incident) -> Located:
    """The whole stands for its segments where it rings as loud, unless it shows later, and diluted, what is in them;
    else the segment with the strongest change does.
    """
    families = dict[str, list[Part]]()
    for part in i.strongest:
        families.setdefault(Slice(part.model).family, []).append(part)
    if all(Slice(p.model).within == "" for parts in families.values() for p in parts):
        return Located(i, i.first)
    totals, told, where = dict(i.totals), list[Part](), dict[str, tuple[str, ...]]()
    shown = list[tuple[str, int]]()
    tellers = list[str]()
    for whole, parts in families.items():
        teller, where[whole] = _teller(whole, parts)
        mine = [p for p in parts if p.model == teller]
        known = {p.channel for p in mine}
        mine += [p for p in parts if p.model == whole and p.channel not in known]
        told += [replace(p, model=whole) for p in mine]
        tellers.append(teller)
        shown.append((whole, totals.get(teller, 0)))
    incident = replace(i, parts=tuple(told), totals=tuple(shown))
    at = [*families].index(incident.first.model)
    first = next(
        p
        for name in (tellers[at], incident.first.model)
        for p in i.parts
        if (p.model, p.channel) == (name, incident.first.channel)
    )
    segments = where[incident.first.model] if len(where) == 1 else ()
    return Located(incident, first, segments, len({p.model for p in i.parts if Slice(p.model).within}) == 1)


def _teller(whole: str, parts: Sequence[Part]) -> tuple[str, tuple[str, ...]]:
    """The slice whose parts tell of the model, and the segments that have a part."""
    own, others = [p for p in parts if p.model == whole], [p for p in parts if Slice(p.model).within]
    if own and not (others and _louder(others, own)):
        others = _before(others, own[0])
    return (others[0].model, tuple(dict.fromkeys(_within(others)))) if others else (whole, ())


def _before(others: Sequence[Part], own: Part) -> list[Part]:
    """Those that called as loud for the whole's strongest change before it did. Of a change of all traffic the whole
    has the most events, so it is told first; what is in a part of it, the whole shows later.
    """
    lasting = [p for p in others if p.channel == own.channel and (p.ended is None or own.ended is not None)]
    return [p for p in lasting if p.told < own.told and (_pages([p]) or not _pages([own]))]


def _louder(others: Sequence[Part], own: Sequence[Part]) -> bool:
    """Whether segments call somebody and the whole does not, of what lasts; of all, where nothing does."""
    lasting = any(p.ended is None for p in (*own, *others))
    ours, theirs = ([p for p in parts if p.ended is None or not lasting] for parts in (own, others))
    return not _pages(ours) and (_pages(theirs) or (bool(theirs) and not ours))


def _pages(parts: Sequence[Part]) -> bool:
    return any((p.now or p.severity) is Severity.PAGE for p in parts)


def _within(parts: Sequence[Part]) -> Iterator[str]:
    yield from (Slice(p.model).within for p in parts)
