"""Findings: pages and tickets that are open and past, and everything that was told, newest first."""

from __future__ import annotations

from math import isfinite

from driftd.core.channel import JOINT
from driftd.core.text import in_order
from driftd.monitor.view import Snapshot
from driftd.web import words
from driftd.web.episodes import Episode, episodes, finding_line
from driftd.web.format import read_time
from driftd.web.pages.frame import Request, render

MOST_TOLD = 100
MOST_PAST = 50


def page(request: Request, snapshot: Snapshot) -> bytes:
    asked = read_time(request.get("as_of")) if request.get("as_of") else None
    until = snapshot.now if asked is None else asked
    model, status = request.get("model"), request.get("status")
    mine = [f for f in snapshot.findings if f.window_end <= until and (not model or f.model == model)]
    every = [
        e for e in episodes(mine) if e.channel is not None and (status not in {"page", "ticket"} or e.status == status)
    ]
    open_ = sorted((e for e in every if e.ended is None), key=lambda e: (e.status != "page", -e.told))
    return render(
        "findings.html",
        request,
        snapshot,
        open=open_,
        past=[e for e in every if e.ended is not None][:MOST_PAST],
        told=[finding_line(f) for f in mine[:MOST_TOLD]],
        models=sorted((m.name for m in snapshot.models), key=in_order),
        headline=_headline(open_),
        as_of=asked if asked is not None and isfinite(asked) else None,
        channel_name=words.channel_name,
        joint=JOINT,
    )


def _headline(found: list[Episode]) -> tuple[str, str]:
    pages = sum(e.status == "page" for e in found)
    tickets = len(found) - pages
    if not found:
        return "ok", "Nothing is open"
    parts = [f"{n} {word}" + ("s" if n != 1 else "") for n, word in ((pages, "page"), (tickets, "ticket")) if n]
    return ("page" if pages else "ticket"), f"Open on channels: {' and '.join(parts)}"
