"""The status page: what changed, since when, how much, and what to do, on one screen. No script, no assets."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final
from urllib.parse import quote

import numpy as np

from driftd import __version__
from driftd.core.channel import JOINT
from driftd.core.finding import Finding, Status
from driftd.core.text import duration, plural
from driftd.metrics.aggregates import QUANTILES
from driftd.monitor.view import ModelView, Snapshot
from driftd.web.format import ago, html_latencies, html_name, html_range, html_since, html_time, number
from driftd.web.sections.changes import changes
from driftd.web.sections.guarantee import guarantee
from driftd.web.sections.health import health
from driftd.web.snapshot import watches_changes, worst_first
from driftd.web.style import STYLE
from driftd.web.widgets import MARKS, link, pill, runbook

REFRESH_SECONDS: Final = 15
MAX_FINDINGS: Final = 20
_STYLE_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_FOOT: Final = (
    f"<footer>driftd {escape(__version__)} · all times are UTC · <a href=/metrics>metrics</a> · "
    "<a href=/api/v1/status>this page as JSON</a></footer></body></html>"
)


def render(snapshot: Snapshot, *, model: str | None = None, refresh: bool = True) -> bytes:
    """The page as UTF-8 HTML; with ``model`` all channels of that one. Every name from outside is escaped."""
    chosen = [m for m in snapshot.models if model is None or m.name == model]
    ranked = worst_first(chosen)
    parts = [
        _head(snapshot, ranked, model, refresh=refresh),
        '<main id="main">',
        *changes(snapshot, ranked, model),
        _models(snapshot, ranked) if model is None else "",
        guarantee(snapshot, model),
        _daemon(snapshot),
        _findings(snapshot, model),
        "</main>",
        _FOOT,
    ]
    return "\n".join(parts).encode("utf-8", "replace")


def _head(snapshot: Snapshot, models: Sequence[ModelView], model: str | None, *, refresh: bool) -> str:
    tone, headline = _headline(snapshot, models, model)
    here = f"model={quote(model, errors='replace')}&amp;" if model is not None else ""
    back = '<a href="/">all models</a> · ' if model is not None else ""
    turn = (
        f'refreshes every {REFRESH_SECONDS} s · <a href="/?{here}refresh=off">stop</a>'
        if refresh
        else f'<a href="/?{here}">refresh again</a>'
    )
    again = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">' if refresh else ""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width">{again}<link rel="icon" href="data:,">'
        f"<title>{MARKS[Status[tone]]} {escape(headline)} · driftd</title><style>{STYLE}</style></head><body>"
        f'<header class="{tone}"><p class="meta"><b>driftd</b> · {back}{html_time(snapshot.now)} · {turn}</p>'
        f'<h1><span aria-hidden="true">{MARKS[Status[tone]]}</span> {escape(headline)}</h1></header>'
    )


def _headline(snapshot: Snapshot, models: Sequence[ModelView], model: str | None) -> tuple[str, str]:
    """The tone (a status by name) and the sentence that a person reads first."""
    tone, text = _of_models(models, model)
    if not snapshot.not_ready:
        return tone, text
    reasons = "; ".join(snapshot.not_ready)
    return "DRIFT", f"driftd is not ready: {reasons}" + (f". {text}" if tone == "DRIFT" else "")


def _of_models(models: Sequence[ModelView], model: str | None) -> tuple[str, str]:
    """The tone and the sentence of the worst status among ``models``."""
    if not models:
        return "LEARNING", "No model seen yet" if model is None else f"No model is called {model}"
    worst = next(s for s in (Status.DRIFT, Status.WARNING, Status.LEARNING, Status.OK) if _with(models, s))
    n, name = len(_with(models, worst)), _with(models, worst)[0].name
    of = f"{n} of {len(models)} models"
    text = {
        Status.DRIFT: f"{name} has drifted" if n == 1 else f"{of} have drifted",
        Status.WARNING: f"Tickets, no page: {f'{name} has changed' if n == 1 else f'{of} have changed'}",
        Status.LEARNING: f"{of} {'is' if n == 1 else 'are'} still learning; nothing has drifted",
        Status.OK: "Nothing has drifted" if n == 1 else f"Nothing has drifted in {n} models",
    }
    return worst.name, text[worst]


def _with(models: Sequence[ModelView], status: Status) -> list[ModelView]:
    return [m for m in models if m.status is status]


def _models(snapshot: Snapshot, models: Iterable[ModelView]) -> str:
    rows = "".join(_model_row(m, snapshot) for m in models)
    if not rows:
        return (
            '<section class="card"><h2>Models</h2><p>None yet: driftd adds a model with its first event.</p></section>'
        )
    columns = (
        "Model",
        "Pages and tickets",
        "Window (UTC)",
        "Events",
        "Latency p50 / p90 / p99",
        "Errors",
        "Last event",
        "Reference",
    )
    head = "".join(f'<th scope="col">{c}' for c in columns)
    return (
        f'<section class="card"><h2>Models</h2><div class="wide" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _model_row(m: ModelView, snapshot: Snapshot) -> str:
    last = m.counts.last_event
    fresh = ago(last, snapshot.now) if math.isfinite(last) else "-"
    name = f'<tr><th scope="row"><a href="{link(m.name)}">{html_name(m.name)}</a> {pill(m.status)}'
    j = m.judgement
    if j is None:
        ratio = min(max(m.learning, 0.0), 1.0)
        learned = f"{ratio:.0%} of the reference" if ratio < 1 else "reference learned; waits for a full window"
        return (
            f'{name}<td colspan="2"><progress max="1" value="{ratio:.3f}" aria-label="reference learned"></progress> '
            f"{learned}<td>{m.counts.predictions:,} so far<td>-<td>-<td>{fresh}<td>-</tr>"
        )
    s, r = j.summary, j.reference
    seconds = j.window_end - j.window_start
    versions = ", ".join(html_name(v) for v in j.versions[:3])
    stale = " class=stale" if math.isfinite(last) and snapshot.now - last > 2 * seconds + 60 else ""
    return (
        f"{name}<div class=small>{f'version {versions}' if versions else ''}</div>"
        f"<td>{_called(m, snapshot)}"
        f"<td>{html_range(j.window_start, j.window_end)}<div class=small>{duration(seconds)}</div>"
        f"<td>{s.events:,}<div class=small>{number(s.events / max(seconds, 1e-9))} / s</div>"
        f"<td>{html_latencies(s.latency_quantiles(QUANTILES))}"
        f"<td>{s.failed / max(s.events, 1):.2%}<td{stale}>{fresh}"
        f"<td>v{r.version}, {r.summary.events:,} events<div class=small>{html_range(r.first, r.last)}</div>"
        f"<div class=small>{escape(m.growth)}</div></tr>"
    )


def _called(m: ModelView, snapshot: Snapshot) -> str:
    """Open pages and tickets of the model, and how many of its channels can page at all."""
    j = m.judgement
    assert j is not None
    joint = j.joint is not None and j.joint.status is Status.DRIFT
    pages, tickets = j.paging + joint, int(np.count_nonzero(j.channel_status == Status.WARNING))
    guaranteed = snapshot.guarantee(m.name)
    can = "tickets only: no judge"
    if guaranteed is not None:
        can = f"{np.count_nonzero(guaranteed.pages)} of {len(guaranteed.names)} channels can page"
        if watches_changes(j):
            can = "faults and large changes can page"
    return (
        f"<span class=when>{pages} {plural('page', pages)}, {tickets} {plural('ticket', tickets)}</span>"
        f"<div class=small>{can}</div>"
    )


def _daemon(snapshot: Snapshot) -> str:
    rows = "".join(
        f"<div{' class=bad' if fact.alert else ''}><dt>{fact.name}<dd>{escape(fact.text)}"
        f"{f' · {runbook(snapshot, fact.alert)}' if fact.alert else ''}</div>"
        for fact in health(snapshot)
    )
    return f'<section class="card"><h2>Does driftd see everything?</h2><dl>{rows}</dl></section>'


def _findings(snapshot: Snapshot, model: str | None) -> str:
    chosen = [f for f in snapshot.findings if model is None or f.model == model][:MAX_FINDINGS]
    rows = "".join(_finding(f, snapshot) for f in chosen) or '<tr><td colspan="5">none since the start</tr>'
    return (
        '<section class="card"><h2>Recent findings</h2><div class="wide" tabindex="0"><table><thead><tr>'
        '<th scope="col">Evidence until (UTC)'
        '<th scope="col">Who<th scope="col">Status<th scope="col">Since (UTC)<th scope="col">Why</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _finding(f: Finding, snapshot: Snapshot) -> str:
    parts = {None: " as a whole", JOINT: " · how channels move together"}
    who = html_name(f.model) + (parts.get(f.feature) or f" · {html_name(str(f.feature))}")
    since = html_since(f.since, snapshot.now) if f.since is not None else "-"
    return (
        f"<tr><td>{html_time(f.window_end)}<td>{who}"
        f"<td>{pill(f.status)} <span class=small>was {f.previous.name}</span>"
        f"<td>{since}<td>{html_name(f.because, 300)}</tr>"
    )
