"""The certificate on the status page: how many false pages to expect at most, and what that rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

import numpy as np

from driftd.judge.budget import Certificate, ModelGuarantee
from driftd.monitor.view import Snapshot
from driftd.web.format import large
from driftd.web.format import name as name_format
from driftd.web.format import span as span_format
from driftd.web.widgets import link

MAX_CHANNELS: Final = 8
_DAY: Final = 86_400.0


def trust(snapshot: Snapshot, model: str | None = None) -> str:
    """One card: the budget, what can page, what makes tickets only and why. With ``model`` of that one alone."""
    promise = snapshot.certificate
    if promise is None:
        return ""
    if model is not None:
        mine = tuple(c for c in promise.covers if c.model == model)
        unjudged = tuple(name for name in promise.unjudged if name == model)
        promise = Certificate(promise.budget, promise.models, mine, unjudged)
    pages = sum(m.counts.pages for m in snapshot.models if model is None or m.name == model)
    recent = sum(m.counts.recent_pages for m in snapshot.models if model is None or m.name == model)
    rows = "".join(f"<div><dt>{name}<dd>{said}</div>" for name, said in _facts(promise, pages, recent))
    return f'<section class="card"><h2>Can you trust a page?</h2><dl>{rows}</dl>{_tickets(promise.covers)}</section>'


def _facts(promise: Certificate, pages: int, recent: int) -> Iterator[tuple[str, str]]:
    yield "Budget", f"{promise.budget:g} false page{'s' * (promise.budget != 1)} a month, for everything together"
    if not promise.covers:
        yield "Channels", "no model has a judge yet: nothing pages" + _unjudged(promise.unjudged)
        return
    models = len(promise.covers)
    room = f"; shares are kept for {promise.models} models" if promise.models > models + len(promise.unjudged) else ""
    yield "At most", f"{promise.bound:.2g} false pages a month to expect from the models known now{room}"
    yield "Counted", f"{recent:,} page{'s' * (recent != 1)} in the last 30 days, {pages:,} since monitoring began"
    yield "Pages", f"{promise.paging:,} of {promise.channels:,} channels{_unjudged(promise.unjudged)}"
    yield "Threshold", f"A is {large(promise.least)} events or more: chance passes it once in so many"
    span = promise.shortest_span_seconds
    short = ", so no rhythm of days is known" if span < 2 * _DAY else ""
    yield "Reference", f"spans {span_format(span)}{' or more' if models > 1 else ''}{short}"
    yield "Rests on", "each channel being what its regime says: tested on the reference, which cannot show everything"


def _unjudged(names: Sequence[str]) -> str:
    if not names:
        return ""
    said = ", ".join(name_format(n) for n in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"; {said}: a reference of counts alone, tickets only"


def _tickets(covers: Sequence[ModelGuarantee]) -> str:
    """The channels that never page, and why, as the judge measured it."""
    rows = [(c, row) for c in covers for row in np.flatnonzero(~c.pages).tolist()]
    if not rows:
        return ""
    shown = "".join(
        f'<tr><th scope="row"><a href="{link(c.model)}">{name_format(c.model)}</a> · {name_format(c.names[row])}'
        f"<td>{escape(c.regime[row])}<td>{escape(c.why[row])}</tr>"
        for c, row in rows[:MAX_CHANNELS]
    )
    more = f"<p>{len(rows) - MAX_CHANNELS} more; see the page of each model.</p>" if len(rows) > MAX_CHANNELS else ""
    return (
        f"<p>{len(rows)} channel{'s make' if len(rows) > 1 else ' makes'} tickets only, and this is why:</p>"
        '<div class="wide" tabindex="0"><table><thead><tr><th scope="col">Channel<th scope="col">Regime'
        f'<th scope="col">Measured on the reference</tr></thead><tbody>{shown}</tbody></table></div>{more}'
    )
