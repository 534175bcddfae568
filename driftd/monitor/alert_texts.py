"""What alerts say of a model's open incidents: few texts, that stay the same from scrape to scrape."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import Final
from urllib.parse import quote

from driftd.core.finding import Severity
from driftd.core.incident import Incident, changed_now
from driftd.metrics.aggregates import IncidentText
from driftd.monitor import hints
from driftd.monitor.sentence import sentence

DAY: Final = 86_400.0
"""Seconds of a day, UTC."""
MOST_TICKETS: Final = 5
"""Incidents of a model whose tickets have a text, the newest."""
MOST_CHANNELS: Final = 10
"""Channels of a model that have a ticket with a text: the strongest of the newest incidents."""


def called(incidents: Sequence[Incident]) -> Incident | None:
    """The incident that called last, whatever has become of it since; None where none has."""
    known = [i for i in incidents if i.called is not None]
    return max(known, key=lambda i: (i.called or 0.0, i.opened), default=None)


def texts_of(
    incidents: Sequence[Incident], now: float, external_url: str, whole: Incident | None = None
) -> Iterator[IncidentText]:
    """That of the page that called last, and of the newest tickets. Empty in a model without either. Each channel that
    has a ticket has an alert, and each says the sentence of its incident. ``whole``: what the page is with those of
    other models, which have the same cause.
    """
    pages = [i for i in incidents if i.now is Severity.PAGE]
    tickets = [i for i in incidents if any(p.now is Severity.TICKET for p in i.parts)]
    changed = changed_now(incidents)
    if pages:
        text = _text(max(pages, key=lambda i: (i.called or 0.0, i.opened)), now, external_url, changed)
        yield text if whole is None else replace(text, **_shared(whole, now // DAY))
    newest = sorted(tickets, key=lambda i: -i.opened)[:MOST_TICKETS]
    yield from islice((t for i in newest for t in _tickets(i, now, external_url, changed)), MOST_CHANNELS)


def _tickets(
    i: Incident, now: float, external_url: str, changed: Mapping[str, Collection[str]]
) -> Iterator[IncidentText]:
    text = _text(i, now, external_url, changed)
    for p in i.strongest:
        if p.now is Severity.TICKET:
            kind = p.kind or "unknown"
            yield replace(text, severity=Severity.TICKET.value, kind=kind, feature=p.channel)


@lru_cache(maxsize=64)
def _shared(whole: Incident, day: float) -> dict[str, str]:
    """What all of its models say: of a hundred it is made once. The ``day`` decides how times are told (core.text)."""
    return {"summary": sentence(whole, day * DAY), "hint": hints.of_incident(whole)}


def _text(i: Incident, now: float, external_url: str, changed: Mapping[str, Collection[str]]) -> IncidentText:
    first, severity = i.first, i.now or i.severity
    url = incident_url(external_url, i.id)
    summary = sentence(i, now, changed=changed, values=False)
    return IncidentText(
        i.id, severity.value, first.kind or "unknown", first.channel, summary, hints.of_incident(i), url
    )


def incident_url(external_url: str, id_: str) -> str:
    """Empty where nobody said under which address people reach driftd."""
    return f"{external_url.rstrip('/')}/incident?id={quote(id_, safe='')}" if external_url else ""
