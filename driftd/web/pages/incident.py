"""An incident: what happened, since when, where, what else changed then; as a page and as one file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from driftd.core.channel import JOINT
from driftd.core.incident import Incident
from driftd.core.located import located
from driftd.monitor import hints
from driftd.monitor.view import Snapshot
from driftd.monitor.wording import named as kind_in_words
from driftd.web import words
from driftd.web.acts import about_incident
from driftd.web.chart import bullet
from driftd.web.effects import effects
from driftd.web.facts import channel_line
from driftd.web.format import times
from driftd.web.incidents import (
    ExampleLine,
    PartLine,
    alert_of,
    example_lines,
    lines_of,
    named,
    nearby,
    part_lines,
    timeline_of,
)
from driftd.web.pages.frame import Request, render, static
from driftd.web.pages.values import charts_of, usual_and_now
from driftd.web.runbook import step
from driftd.web.scales import Span
from driftd.web.series import LEAST_SECONDS, Stretch
from driftd.web.todo import names_of, todo

MOST_PARTS: Final = 60
MOST_CHARTS: Final = 2


@dataclass(frozen=True, slots=True)
class Row:
    line: PartLine
    size: Markup
    said: str


def page(request: Request, snapshot: Snapshot) -> bytes | None:
    """None where no incident has the id."""
    found = named(snapshot, request.get("id"))
    return (
        None if found is None else render("incident.html", request, snapshot, acting=True, **_values(found, snapshot))
    )


def report(request: Request, snapshot: Snapshot) -> bytes | None:
    """One file that needs no other: the style in it, and links only where driftd's address is known."""
    found = named(snapshot, request.get("id"))
    if found is None:
        return None
    base = snapshot.external_url.rstrip("/")
    values = _values(found, snapshot) | {"address": lambda path: f"{base}{path}" if base else ""}
    css = Markup(static("driftd.css").decode())  # noqa: S704  ours
    return render("report.html", request, snapshot, css=css, acting=False, **values)


def _values(i: Incident, snapshot: Snapshot) -> dict[str, Any]:
    parts, (line,) = part_lines(i), lines_of((i,), snapshot)
    examples, (charts, beside) = _examples(i), _charts(i, snapshot)
    return {
        "line": line,
        "hint": hints.of_incident(i),
        "alert": alert_of(located(i).first),
        "parts": [_row(p) for p in parts[:MOST_PARTS]],
        "more_parts": max(len(parts) - MOST_PARTS, 0),
        "calmed": sum(not p.open for p in parts),
        "timeline": timeline_of(i),
        "nearby": nearby(i, snapshot),
        "effects": effects(i, snapshot),
        "examples": examples,
        "last_example": examples[-1][1][-1] if examples else None,
        "steps": [step(text, names_of(i, snapshot)) for text in todo(i, snapshot)],
        "charts": charts,
        "beside": beside,
        "how_much": parts[0].what.removeprefix("is ").removeprefix("was "),
        "acts": about_incident(snapshot, i),
        "joint": JOINT,
        "known": {m.name for m in snapshot.models},
        "named": kind_in_words,
        "address": lambda path: path,
    }


def _row(p: PartLine) -> Row:
    said = "" if p.size is None else f"{times(p.size)} × a {p.status}'s size"
    css = p.status if p.open else ""
    return Row(p, bullet(p.size, f"{words.channel_name(p.channel)}: {said}", css), said)


def _examples(i: Incident) -> list[tuple[str, list[ExampleLine]]]:
    """Those of the model of the part that is told first, in order of time, under what had changed by then."""
    groups, model = dict[tuple[str, ...], list[ExampleLine]](), located(i).first.model
    for line in example_lines(i):
        if line.model == model:
            groups.setdefault(line.changed, []).append(line)
    return [(_by_then(changed), lines) for changed, lines in groups.items()]


def _by_then(changed: tuple[str, ...]) -> str:
    if not changed:
        return "Before the change"
    return f"Since the change of {words.several([words.channel_name(channel) for channel in changed])}"


def _charts(i: Incident, snapshot: Snapshot) -> tuple[list[Markup], str]:
    """The strongest channel over time: from before the change to now, or to as long after its end; and what its numbers
    were before and since, where its sentence does not say so.
    """
    part = located(i).first
    m = next((m for m in snapshot.models if m.name == part.model), None)
    found = None if m is None else channel_line(m, part.channel, snapshot)
    if m is None or found is None:
        return [], ""
    line, view = found
    end = snapshot.now if i.ended is None else i.ended
    around = max((end - i.since) / 2, LEAST_SECONDS / 2)
    last = end if i.ended is None else min(end + around, snapshot.now)
    stretch = Stretch(Span(i.since - around, last), "", None)
    charts = charts_of(m, view, line, stretch, snapshot)[0][:MOST_CHARTS]
    beside = usual_and_now(m, view.row, part.kind, part.reference_value, part.since, end, part.unit)
    return [chart.svg_with_caption() for chart in charts], beside
