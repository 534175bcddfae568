"""The fleet: one line a model, worst first; searched, filtered and sorted by what stands in the address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from driftd.core.text import duration, in_order
from driftd.monitor.view import ModelView, Snapshot
from driftd.monitor.wording import named
from driftd.web.chart import spark
from driftd.web.facts import ModelLine, fleet_headline, silence_in_words
from driftd.web.incidents import open_lines
from driftd.web.pages.frame import Request, model_lines, render
from driftd.web.series import day_spark
from driftd.web.sizes import DAY_AXIS, day_of_sizes

MOST_INCIDENTS: Final = 5
STATUSES: Final = ("page", "ticket", "learning", "ok")
SORTS: Final[dict[str, tuple[str, Callable[[ModelLine], Any] | None]]] = {
    "worst": ("worst first", None),
    "since": ("newest change", lambda line: -(line.since or 0.0)),
    "name": ("name", lambda line: in_order(line.model)),
    "events": ("traffic", lambda line: -(line.events_per_second or 0.0)),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A line with its pictures; ``silent``: that nothing comes, "" where its sentence says so."""

    line: ModelLine
    sizes: Markup
    events: Markup
    silent: str


def page(request: Request, snapshot: Snapshot) -> bytes:
    lines = model_lines(snapshot)
    open_ = open_lines(snapshot)
    tone, headline = fleet_headline(lines, snapshot.not_ready, snapshot.now, [i.sentence for i in open_])
    shown = chosen(lines, request)
    views = {m.name: m for m in snapshot.models}
    rows = [_row(line, views[line.model], snapshot) for line in shown]
    return render(
        "fleet.html",
        request,
        snapshot,
        tone=tone,
        headline=headline,
        incidents=open_[:MOST_INCIDENTS],
        more_incidents=max(len(open_) - MOST_INCIDENTS, 0),
        counts=Counter(line.status for line in lines),
        statuses=STATUSES,
        models=len(lines),
        rows=rows,
        kinds=sorted({line.kind for line in lines if line.kind}),
        named=named,
        sorts={key: text for key, (text, _) in SORTS.items()},
        filtered=any(request.get(name) for name in ("q", "status", "kind")),
    )


def chosen(lines: Sequence[ModelLine], request: Request) -> list[ModelLine]:
    """What the address asks for: q, status, kind, sort."""
    q, wanted, kind = request.get("q").casefold(), request.get("status"), request.get("kind")
    out = [
        line
        for line in lines
        if (not q or q in line.model.casefold() or q in (line.channel or "").casefold())
        and (wanted not in STATUSES or line.status == wanted)
        and (not kind or line.kind == kind)
    ]
    key = SORTS.get(request.get("sort"), SORTS["worst"])[1]
    return out if key is None else sorted(out, key=key)


def _row(line: ModelLine, m: ModelView, snapshot: Snapshot) -> Row:
    silent = "" if line.channel is None else silence_in_words(m, snapshot.now)
    if not m.timeline.channels:
        return Row(line, Markup(), Markup(), silent)
    hot = line.status if line.channel is not None and line.status in {"page", "ticket"} else None
    since = line.since if hot else None
    ago = "" if since is None else f", changed {duration(max(snapshot.now - since, 0.0))} ago"
    said = f"Largest change of {line.model} beside a ticket's size, last 24 hours{ago}"
    times, values, span = day_of_sizes(m, snapshot.now)
    sizes = spark(times, values, span, said, since=since, css=hot or "page", axis=DAY_AXIS, ticket=1.0)
    _, events, span = day_spark(m, 0, 0, snapshot.now)
    drawn = spark(*events, span, f"events of {line.model}, last 24 hours")
    return Row(line, sizes, drawn, silent)
