"""Incidents: what is open and what has ended, one line a cause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from driftd.core.incident import Incident
from driftd.core.located import located
from driftd.monitor.incidents import MOST_ENDED
from driftd.monitor.view import Snapshot
from driftd.monitor.wording import named
from driftd.web.incidents import in_order, incidents_headline, lines_of, open_lines, statuses
from driftd.web.pages.frame import Request, render

MOST_PAST: Final = 100


def page(request: Request, snapshot: Snapshot) -> bytes:
    tone, headline = incidents_headline(open_lines(snapshot))
    shown = chosen(snapshot.incidents, request)
    past = [i for i in shown if i.ended is not None]
    return render(
        "incidents.html",
        request,
        snapshot,
        tone=tone,
        headline=headline,
        open=lines_of((i for i in shown if i.ended is None), snapshot),
        past=lines_of(past[:MOST_PAST], snapshot),
        more=max(len(past) - MOST_PAST, 0),
        most=MOST_ENDED,
        kinds=sorted({located(i).incident.kind for i in snapshot.incidents} - {""}),
        named=named,
        filtered=any(request.get(name) for name in ("q", "status", "kind")),
    )


def chosen(incidents: Sequence[Incident], request: Request) -> list[Incident]:
    """What the address asks for: q, status, kind."""
    q, status, kind = request.get("q").casefold(), request.get("status"), request.get("kind")
    found = (i for i in incidents if not q or any(q in word.casefold() for word in _words(i)))
    return in_order(i for i in found if status in {"", *statuses(i)} and kind in {"", located(i).incident.kind})


def _words(i: Incident) -> Iterator[str]:
    yield from i.ids
    for p in i.parts:
        yield from (p.model, p.channel)
