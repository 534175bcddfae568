"""Small parts that every card of the status page uses."""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import quote

from driftd.core.finding import Status
from driftd.monitor.view import Snapshot

MARKS: Final = {Status.OK: "✓", Status.LEARNING: "…", Status.WARNING: "!", Status.DRIFT: "▲"}


def pill(status: Status) -> str:
    return f'<span class="pill {status.name}"><span aria-hidden="true">{MARKS[status]}</span> {status.name}</span>'


def link(model: str) -> str:
    return f"/?model={quote(model, safe='', errors='replace')}"


def runbook(snapshot: Snapshot, alert: str) -> str:
    if not snapshot.runbooks:
        return f"<code>runbooks/{alert}.md</code>"
    return f'<a href="{escape(snapshot.runbooks.rstrip("/"))}/{alert}.md" rel="noreferrer">{alert}</a>'
