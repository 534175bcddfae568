"""The status page: one screen that says what changed, since when, how much, and what to do. No script, no assets."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final
from urllib.parse import quote

from driftd import __version__
from driftd.finding import Finding, Judgement, Status
from driftd.http import text
from driftd.http.facts import facts
from driftd.http.style import STYLE
from driftd.http.view import ChannelView, ModelView, Snapshot, channels, worst_first
from driftd.reference import Role
from driftd.sinks.metrics import QUANTILES

REFRESH_SECONDS: Final = 15
MAX_MODELS: Final = 20
MAX_CHANNELS: Final = 8
MAX_FINDINGS: Final = 20
_BAR, _GAP, _HIGH = 6, 4, 40
_STYLE_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_FOOT: Final = (
    f"<footer>driftd {escape(__version__)} · all times are UTC · <a href=/metrics>metrics</a> · "
    "<a href=/api/v1/status>this page as JSON</a></footer></body></html>"
)
_MARKS: Final = {Status.OK: "✓", Status.LEARNING: "…", Status.WARNING: "!", Status.DRIFT: "▲"}
_HINTS: Final = {
    "missing": ("DriftdMissingValues", "Values are missing: look at the producer or the join that fills it."),
    "unseen": ("DriftdUnseenCategories", "New values: a new market, release or spelling upstream?"),
    "out_of_range": ("DriftdOutOfRange", "Outside the reference's range: did a unit or a scale change?"),
}
_ROLE_HINTS: Final = {
    Role.ERROR: ("DriftdErrorDrift", "The service fails at another rate: see its own logs and deploys."),
    Role.PREDICTION_ERROR: ("DriftdErrorDrift", "Predictions are wrong at another rate: check labels, then the model."),
    Role.PREDICTION: ("DriftdPredictionDrift", "Predictions moved: a new version? Else the inputs above explain it."),
    Role.SCORE: ("DriftdPredictionDrift", "Scores moved: a new version or calibration? Else look at the inputs."),
    Role.FEATURE: ("DriftdFeatureDrift", "The values moved: what was released upstream at that time?"),
}


def render(snapshot: Snapshot, *, model: str | None = None, refresh: bool = True) -> bytes:
    """The page as UTF-8 HTML; with ``model`` all channels of that one. Every name from outside is escaped."""
    chosen = [m for m in snapshot.models if model is None or m.name == model]
    ranked = worst_first(chosen)
    parts = [
        _head(snapshot, ranked, model, refresh=refresh),
        '<main id="main">',
        *_changes(snapshot, ranked, model),
        _models(snapshot, ranked) if model is None else "",
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
        f"<title>{_MARKS[Status[tone]]} {escape(headline)} · driftd</title><style>{STYLE}</style></head><body>"
        f'<header class="{tone}"><p class="meta"><b>driftd</b> · {back}{text.time(snapshot.now)} · {turn}</p>'
        f'<h1><span aria-hidden="true">{_MARKS[Status[tone]]}</span> {escape(headline)}</h1></header>'
    )


def _headline(snapshot: Snapshot, models: Sequence[ModelView], model: str | None) -> tuple[str, str]:
    """The tone (a status by name) and the sentence that a person reads first."""
    count = {status: sum(m.status is status for m in models) for status in Status}
    one_of = f"of {len(models)} models"
    drifted = ""
    if n := count[Status.DRIFT]:
        first = next(m.name for m in models if m.status is Status.DRIFT)
        drifted = f"{first} has drifted" if n == 1 else f"{n} {one_of} have drifted"
    if snapshot.not_ready:
        reasons = "; ".join(snapshot.not_ready)
        return "DRIFT", f"driftd is not ready: {reasons}" + (f". {drifted}" if drifted else "")
    if drifted:
        return "DRIFT", drifted
    if n := count[Status.WARNING]:
        return "WARNING", f"{n} {one_of} {'has' if n == 1 else 'have'} features that drift"
    if not models:
        return "LEARNING", "No model seen yet" if model is None else f"No model is called {model}"
    if n := count[Status.LEARNING]:
        return "LEARNING", f"{n} {one_of} {'is' if n == 1 else 'are'} still learning; nothing has drifted"
    return "OK", "Nothing has drifted" if len(models) == 1 else f"Nothing has drifted in {len(models)} models"


def _changes(snapshot: Snapshot, models: Sequence[ModelView], model: str | None) -> Iterator[str]:
    shown = [(m, m.judgement) for m in models if m.judgement is not None]
    if model is None:
        shown = [(m, j) for m, j in shown if m.status >= Status.WARNING or (j.channel_status >= Status.WARNING).any()]
    for _, j in shown[:MAX_MODELS]:
        yield _changed_model(snapshot, j, everything=model is not None)
    if len(shown) > MAX_MODELS:
        yield f"<p>{len(shown) - MAX_MODELS} more models have changes; see the table below.</p>"


def _changed_model(snapshot: Snapshot, j: Judgement, *, everything: bool) -> str:
    views = channels(j)
    moved = [v for v in views if v.status >= Status.WARNING]
    rows = views if everything else moved[:MAX_CHANNELS]
    since = [v.since for v in moved if v.since is not None]
    said = [f"{j.drifted} of {len(views)} channels have drifted"]
    if since:
        said.append(f"since {text.since(min(since), snapshot.now)}")
    said.append(escape(j.because))
    more = ""
    if len(moved) > len(rows):
        more = f'<p><a href="{_link(j.model)}">{len(moved) - len(rows)} more channels have changed</a></p>'
    table = (
        '<div class="wide" tabindex="0"><table><caption class="hidden">Channels, worst first</caption><thead><tr>'
        '<th scope="col">Channel<th scope="col">Since (UTC)<th scope="col">How much'
        '<th scope="col">Share of events per bin <span class="key"><i class="ref"></i>reference '
        '<i class="cur"></i>now</span><th scope="col">Look at</tr></thead><tbody>'
        + "".join(_channel(v, snapshot) for v in rows)
        + "</tbody></table></div>"
        if rows
        else ""
    )
    return (
        f'<section class="card {j.status.name}"><h2><a href="{_link(j.model)}">{text.name(j.model)}</a> '
        f"{_pill(j.status)}</h2>"
        f'<p class="facts">{" · ".join(s for s in said if s)}</p>{_advice(j, moved, snapshot)}{table}{more}</section>'
    )


def _advice(j: Judgement, moved: Sequence[ChannelView], snapshot: Snapshot) -> str:
    """What to do about the model as a whole, where there is something to say."""
    steps = []
    if j.status is Status.DRIFT:
        steps.append(f"Follow the runbook {_runbook(snapshot, 'DriftdModelDrift')}.")
    if len(j.versions) > 1:
        versions = ", ".join(text.name(v) for v in j.versions[:5])
        steps.append(f"{len(j.versions)} versions answered in this window ({versions}): is a rollout under way?")
    if len(moved) >= max(3, len(j.channel_status) / 2):
        steps.append(
            "Most channels moved together: suspect the pipeline (a join, a unit, a new client) before the world."
        )
    return "<ul>" + "".join(f"<li>{s}" for s in steps) + "</ul>" if steps else ""


def _channel(v: ChannelView, snapshot: Snapshot) -> str:
    verdicts = "".join(
        f"<li>{escape(s.detector)} {text.number(float(s.statistic[row]))} "
        f"{'≥' if s.ratio[row] >= 1 else '&lt;'} {text.number(float(s.threshold[row]))}"
        for i, (s, row) in enumerate(v.scores[:6])
        if i < 2 or s.ratio[row] >= 1
    )
    much = (
        f'<span class=when><b class="ratio">{text.number(v.ratio)} ×</b> threshold</span>'
        f'<ul class="small">{verdicts}</ul>'
        if v.scores
        else "-"
    )
    moved = ", ".join(f"{text.name(b)} {p:.1%} → {q:.1%}" for b, p, q in v.moved[:2])
    changed = v.status >= Status.WARNING
    bars = f"{_bars(v.bins)}<div class=small>{moved}</div>" if v.scores else "-"
    return (
        f'<tr><th scope="row">{text.name(v.name)} {_pill(v.status)}'
        f'<div class="small">{v.role.value.replace("_", " ")}</div>'
        f"<td>{text.since(v.since, snapshot.now) if v.since is not None else '-'}<td>{much}<td>{bars}"
        f"<td>{_hint(v, snapshot) if changed else '-'}</tr>"
    )


def _hint(v: ChannelView, snapshot: Snapshot) -> str:
    """Where to look, for the worst of the detectors that say drift; two of them if they say different things."""
    hints = list(dict.fromkeys(_HINTS.get(detector, _ROLE_HINTS[v.role]) for detector in v.drifted_by))
    return "".join(
        f'<div>{advice}</div><div class="small">{_runbook(snapshot, runbook)}</div>'
        for runbook, advice in hints[:2] or [_ROLE_HINTS[v.role]]
    )


def _bars(bins: Sequence[tuple[str, float, float]]) -> str:
    """A pair of bars a bin, reference and now; the tooltip has the numbers, and so has the label for screen readers."""
    top = max((x for _, p, q in bins for x in (p, q) if not math.isnan(x)), default=0.0) or 1.0
    step = 2 * _BAR + _GAP
    out = []
    for i, (label, before, after) in enumerate(bins):
        out.append(f"<g><title>{text.name(label)}: {before:.1%} → {after:.1%}</title>")
        out.append(f'<rect class="hit" x="{i * step}" y="0" width="{step}" height="{_HIGH}"/>')
        for k, (share, kind) in enumerate(((before, "ref"), (after, "cur"))):
            if share > 0:
                high = max(1.0, share / top * _HIGH)
                x, y = i * step + k * _BAR, _HIGH - high
                out.append(f'<rect class="{kind}" x="{x}" y="{y:.1f}" width="{_BAR - 1}" height="{high:.1f}"/>')
        out.append("</g>")
    width = max(1, len(bins)) * step
    said = ", ".join(f"{text.name(b)} {p:.0%} to {q:.0%}" for b, p, q in bins[:12])
    return (
        f'<svg viewBox="0 0 {width} {_HIGH + 1}" width="{min(24 * max(1, len(bins)), 320)}" height="{_HIGH + 1}" '
        f'preserveAspectRatio="none" role="img" aria-label="Share per bin, reference to now: {said}">'
        f'{"".join(out)}<path class="base" d="M0 {_HIGH + 0.5}H{width}"/></svg>'
    )


def _models(snapshot: Snapshot, models: Iterable[ModelView]) -> str:
    rows = "".join(_model_row(m, snapshot) for m in models)
    if not rows:
        return '<section class="card"><h2>Models</h2><p>None yet: events make them known.</p></section>'
    columns = (
        "Model",
        "Drifted",
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
    fresh = text.ago(last, snapshot.now) if math.isfinite(last) else "-"
    name = f'<tr><th scope="row"><a href="{_link(m.name)}">{text.name(m.name)}</a> {_pill(m.status)}'
    j = m.judgement
    if j is None:
        ratio = min(max(m.learning, 0.0), 1.0)
        learnt = f"{ratio:.0%} of the reference" if ratio < 1 else "reference learned; waits for a full window"
        return (
            f'{name}<td colspan="2"><progress max="1" value="{ratio:.3f}" aria-label="reference learned"></progress> '
            f"{learnt}<td>{m.counts.predictions:,} so far<td>-<td>-<td>{fresh}<td>-</tr>"
        )
    s, r = j.summary, j.reference
    seconds = j.window_end - j.window_start
    versions = ", ".join(text.name(v) for v in j.versions[:3])
    stale = " class=stale" if math.isfinite(last) and snapshot.now - last > 2 * seconds + 60 else ""
    return (
        f"{name}<div class=small>{f'version {versions}' if versions else ''}</div>"
        f"<td><span class=when>{j.drifted} of {len(j.channel_status)}</span>"
        f"<td>{text.stretch(j.window_start, j.window_end)}<div class=small>{text.span(seconds)}</div>"
        f"<td>{s.events:,}<div class=small>{text.number(s.events / max(seconds, 1e-9))} / s</div>"
        f"<td>{text.latencies(s.latency_quantiles(QUANTILES))}"
        f"<td>{s.failed / max(s.events, 1):.2%}<td{stale}>{fresh}"
        f"<td>v{r.version}, {r.summary.events:,} events<div class=small>{text.stretch(r.first, r.last)}</div></tr>"
    )


def _daemon(snapshot: Snapshot) -> str:
    rows = "".join(
        f"<div{' class=bad' if alert else ''}><dt>{name}<dd>{escape(said)}"
        f"{f' · {_runbook(snapshot, alert)}' if alert else ''}</div>"
        for name, said, alert in facts(snapshot)
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
    who = text.name(f.model) + (f" · {text.name(f.feature)}" if f.feature is not None else " as a whole")
    since = text.since(f.since, snapshot.now) if f.since is not None else "-"
    return (
        f"<tr><td>{text.time(f.window_end)}<td>{who}"
        f"<td>{_pill(f.status)} <span class=small>was {f.previous.name}</span>"
        f"<td>{since}<td>{text.name(f.because, 300)}</tr>"
    )


def _pill(status: Status) -> str:
    return f'<span class="pill {status.name}"><span aria-hidden="true">{_MARKS[status]}</span> {status.name}</span>'


def _link(model: str) -> str:
    return f"/?model={quote(model, safe='', errors='replace')}"


def _runbook(snapshot: Snapshot, alert: str) -> str:
    if not snapshot.runbooks:
        return f"<code>runbooks/{alert}.md</code>"
    return f'<a href="{escape(snapshot.runbooks.rstrip("/"))}/{alert}.md" rel="noreferrer">{alert}</a>'
