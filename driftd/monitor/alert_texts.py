"""What alerts say of a model's open incidents: few texts, that stay the same from scrape to scrape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote

from driftd.core.finding import Severity
from driftd.core.incident import Incident
from driftd.metrics.aggregates import IncidentText
from driftd.monitor.sentence import sentence

MOST_TICKETS: Final = 5
"""Tickets of a model that have a text, the newest."""


def texts_of(incidents: Sequence[Incident], now: float, external_url: str) -> Iterator[IncidentText]:
    """That of the page that called last, and of the newest tickets. Empty in a model without either."""
    pages = [i for i in incidents if i.now is Severity.PAGE]
    tickets = [i for i in incidents if i.now is Severity.TICKET]
    if pages:
        yield _text(max(pages, key=lambda i: (i.called or 0.0, i.opened)), now, external_url)
    for i in sorted(tickets, key=lambda i: -i.opened)[:MOST_TICKETS]:
        yield _text(i, now, external_url)


def _text(i: Incident, now: float, external_url: str) -> IncidentText:
    first, severity = i.first, i.now or i.severity
    url = incident_url(external_url, i.id)
    return IncidentText(
        i.id, severity.value, first.kind or "unknown", first.channel, sentence(i, now, values=False), url
    )


def incident_url(external_url: str, id_: str) -> str:
    """Empty where nobody said under which address people reach driftd."""
    return f"{external_url.rstrip('/')}/incident?id={quote(id_, safe='')}" if external_url else ""
