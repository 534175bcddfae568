"""The certificate on the status page: how many false pages to expect at most, and what that rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

import numpy as np

from driftd.core.text import duration, plural
from driftd.judge.budget import Certificate, ModelGuarantee
from driftd.monitor.view import Snapshot
from driftd.web.format import html_name, large
from driftd.web.snapshot import watches_changes
from driftd.web.widgets import link

MAX_CHANNELS: Final = 8
_DAY: Final = 86_400.0


def guarantee(snapshot: Snapshot, model: str | None = None) -> str:
    """One card: the budget, what can page, what opens tickets only and why. With ``model`` of that one alone."""
    certificate = snapshot.certificate
    if certificate is None:
        return ""
    if model is not None:
        certificate = _of_model(certificate, model)
    counts = [m.counts for m in snapshot.models if model is None or m.name == model]
    pages, recent = sum(c.pages for c in counts), sum(c.recent_pages for c in counts)
    rows = "".join(f"<div><dt>{name}<dd>{text}</div>" for name, text in _facts(certificate, pages, recent))
    tickets = _tickets(certificate.covers, snapshot)
    return f'<section class="card"><h2>Can you trust a page?</h2><dl>{rows}</dl>{tickets}</section>'


def _of_model(certificate: Certificate, model: str) -> Certificate:
    mine = tuple(g for g in certificate.covers if g.model == model)
    unjudged = tuple(name for name in certificate.unjudged if name == model)
    return Certificate(certificate.budget, certificate.models, mine, unjudged)


def _facts(certificate: Certificate, pages: int, recent: int) -> Iterator[tuple[str, str]]:
    c, models = certificate, len(certificate.covers)
    yield "Budget", f"{c.budget:g} false {plural('page', c.budget)} a month, for all models together"
    if not models:
        yield "Channels", "no model has a judge yet: nothing pages" + _unjudged(c.unjudged)
        return
    room = f"; the budget is shared by up to {c.models} models" if c.models > models + len(c.unjudged) else ""
    yield "At most", f"{c.bound:.2g} expected false pages a month from the models known now{room}"
    yield "Counted", f"{recent:,} {plural('page', recent)} in the last 30 days, {pages:,} since monitoring began"
    yield "Pages", f"{c.paging:,} of {c.channels:,} channels{_unjudged(c.unjudged)}"
    yield "Threshold", f"A is {large(c.least)} events or more: without drift one false alarm in so many events"
    span = c.shortest_span_seconds
    short = "; daily patterns are unknown to driftd" if span < 2 * _DAY else ""
    yield "Reference", f"spans {duration(span)}{' or more' if models > 1 else ''}{short}"
    yield "Assumes", "that each channel keeps the regime that was measured on the reference"


def _unjudged(names: Sequence[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(html_name(n) for n in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"; {shown}: the reference holds counts alone, tickets only"


def _watched(snapshot: Snapshot) -> set[str]:
    """The models on which faults and large changes page."""
    return {m.name for m in snapshot.models if m.judgement is not None and watches_changes(m.judgement)}


def _tickets(guarantees: Sequence[ModelGuarantee], snapshot: Snapshot) -> str:
    """The channels on which the judge's evidence never pages, and its reason."""
    rows = [(g, row) for g in guarantees for row in np.flatnonzero(~g.pages).tolist()]
    if not rows:
        return ""
    said = f"{len(rows)} {plural('channel', len(rows))} can open tickets only:"
    watched = _watched(snapshot)
    if {g.model for g, _ in rows} <= watched:
        said = f"{len(rows)} {plural('channel', len(rows))} can page only for faults and large changes:"
    shown = "".join(
        f'<tr><th scope="row"><a href="{link(g.model)}">{html_name(g.model)}</a> · {html_name(g.names[row])}'
        f"<td>{escape(g.regime[row])}<td>{escape(g.why[row])}</tr>"
        for g, row in rows[:MAX_CHANNELS]
    )
    more = f"<p>{len(rows) - MAX_CHANNELS} more; see the page of each model.</p>" if len(rows) > MAX_CHANNELS else ""
    return (
        f"<p>{said}</p>"
        '<div class="wide" tabindex="0"><table><thead><tr><th scope="col">Channel<th scope="col">Regime'
        f'<th scope="col">Measured on the reference</tr></thead><tbody>{shown}</tbody></table></div>{more}'
    )
