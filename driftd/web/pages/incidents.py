"""Incidents: what is open and what has ended, one line a cause."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from driftd.core.incident import Incident
from driftd.monitor.incidents import MOST_ENDED
from driftd.monitor.view import Snapshot
from driftd.monitor.wording import named
from driftd.web.incidents import IncidentLine, incident_lines, incidents_headline
from driftd.web.pages.frame import Request, render

MOST_PAST: Final = 100


def page(request: Request, snapshot: Snapshot) -> bytes:
    lines = incident_lines(snapshot)
    tone, headline = incidents_headline([line for line in lines if line.open])
    shown = chosen(lines, snapshot.incidents, request)
    past = [line for line in shown if not line.open]
    return render(
        "incidents.html",
        request,
        snapshot,
        tone=tone,
        headline=headline,
        open=[line for line in shown if line.open],
        past=past[:MOST_PAST],
        more=max(len(past) - MOST_PAST, 0),
        most=MOST_ENDED,
        kinds=sorted({line.kind for line in lines if line.kind}),
        named=named,
        filtered=any(request.get(name) for name in ("q", "status", "kind")),
    )


def chosen(lines: Sequence[IncidentLine], incidents: Sequence[Incident], request: Request) -> list[IncidentLine]:
    """What the address asks for: q, status, kind."""
    q, status, kind = request.get("q").casefold(), request.get("status"), request.get("kind")
    words = {i.id: "\n".join((*i.ids, *(f"{p.model}\n{p.channel}" for p in i.parts))).casefold() for i in incidents}
    return [line for line in lines if q in words[line.id] and status in {"", line.status} and kind in {"", line.kind}]
