"""An incident on a terminal, as its page has it: what it did, its timeline, what to do, events to look up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from driftd.core.text import clean, percent, plural, when

SHOWN: Final = 2
"""Incidents that are told whole. Chosen: two fill a screen; of the others the sentence says which to ask for."""
MOST_ENTRIES: Final = 12
"""Lines of a timeline: how it began, and what came last."""
_BEGINNING: Final = 4


def concerned(lines: Sequence[Mapping[str, Any]], at: float | None) -> list[str]:
    """The ids of incidents that are open, or that lasted at that time."""
    if at is None:
        return [line["id"] for line in lines if line["open"]]
    return [line["id"] for line in lines if line["first_since"] <= at <= (line["ended"] or at)]


def incident_lines(bodies: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """``bodies`` as the API has them."""
    for body in bodies[:SHOWN]:
        yield from _whole(body)
    for body in bodies[SHOWN:]:
        yield _head(body["incident"])


def _head(line: Mapping[str, Any]) -> str:
    who = f" ({clean(line['acknowledged'], 100)} looks at it)" if line["acknowledged"] else ""
    status = line["status"].upper() if line["open"] else "ENDED"
    return f"Incident {line['id']}: {status} {clean(line['sentence'], 200)}{who}"


def _whole(body: Mapping[str, Any]) -> Iterator[str]:
    now = body["time"]
    yield _head(body["incident"])
    for e in body["effects"]:
        about = f", about {e['touched']:,} of them touched ({percent(e['share'])})" if e["touched"] is not None else ""
        yield f"  {clean(e['model'], 60)}: {e['events']:,} {plural('event', e['events'])} since{about}"
        for a in e["answers"]:
            moved = "changed" if a["changed"] else "nothing beyond what is natural"
            yield f"    {a['channel']} {moved}: {_plain(a['text'])}"
    yield "  Timeline (UTC)"
    entries = body["timeline"]
    left_out = len(entries) - MOST_ENTRIES
    shown = entries if left_out <= 0 else [*entries[:_BEGINNING], None, *entries[_BEGINNING - MOST_ENTRIES :]]
    for e in shown:
        yield f"    ... {left_out} more ..." if e is None else f"    {when(e['time'], now):<12}  {_entry(e)}"
    for n in body["nearby"]:
        about = "" if n["id"] else f"{clean(n['model'], 60)}: "  # an incident's sentence names its models
        yield f"    {when(n['time'], now):<12}  beside it: {about}{_plain(n['text'])}"
    yield "  What to do"
    for number, step in enumerate(body["steps"], 1):
        yield f"    {number}. {_plain(step, 600)}"
    if body["examples"]:
        yield "  Events to look up (topic / partition / offset)"
    for x in body["examples"]:
        then = f"since {', '.join(clean(c, 40) for c in x['changed'])} changed" if x["changed"] else "before"
        name = f"  id {clean(x['id'], 64)}" if x["id"] else ""
        place = f"{clean(x['topic'], 80)} / {x['partition']} / {x['offset']}"
        yield f"    {when(x['time'], now):<12}  {place}{name}  {then}"


def _entry(e: Mapping[str, Any]) -> str:
    channel = "" if e["channel"] is None else f", {clean(e['channel'], 60)}"
    status = "" if e["status"] is None else f" ({e['status']})"
    return f"{clean(e['model'], 60)}{channel}: {_plain(e['text'])}{status}"


def _plain(text: str, most: int = 200) -> str:
    return clean(text.replace("\u00a0", " "), most)
