"""A runbook, as the link of an alert or of an incident leads to it: with its model and channel filled in."""

from __future__ import annotations

from driftd.monitor.view import Snapshot
from driftd.web.pages.frame import Request, link, render
from driftd.web.runbook import page_of
from driftd.web.todo import about


def page(request: Request, snapshot: Snapshot) -> bytes | None:
    """None for a name that no alert has. Names need not be known: a model may have gone since it rang."""
    alert, model, channel = request.get("alert"), request.get("model"), request.get("feature")
    names = about(snapshot, alert, model, channel, request.get("incident"))
    asked = {"model": model, "feature": channel, "incident": names.incident}
    known = {name: value for name, value in asked.items() if value}
    try:
        text = page_of(alert, names, lambda other: link("/runbook", alert=other, **known))
    except KeyError:
        return None
    return render(
        "runbook.html",
        request,
        snapshot,
        alert=alert,
        text=text,
        names=names,
        watched=any(m.name == names.model for m in snapshot.models),
    )
