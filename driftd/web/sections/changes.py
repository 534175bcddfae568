"""What has changed, a card a model: what pages, since when, how much, how sure, and where to look; then tickets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

import numpy as np

from driftd.core.channel import JOINT
from driftd.core.finding import CHANGE, JUDGE, Finding, Joint, Judgement, Status
from driftd.detectors.registry import faults
from driftd.judge.natural.kinds import Kind
from driftd.monitor.findings import WINDOW_ALONE
from driftd.monitor.view import ModelView, Snapshot
from driftd.monitor.wording import changed, named
from driftd.web.format import html_minute, html_name, html_since, large, number
from driftd.web.snapshot import ChannelView, channels, watches_changes
from driftd.web.widgets import link, pill, runbook

MAX_MODELS: Final = 20
MAX_CHANNELS: Final = 8
_BAR, _GAP, _HIGH = 6, 4, 40
_TOGETHER: Final = "Each channel alone may look normal. Check a join, a mapping or a sign between the two."
_HINTS: Final[Mapping[str, str]] = {
    Kind.FROZEN: "Values repeat: is a cache, a job or a sensor stuck?",
    Kind.UNIT: "All numbers by one factor: did a unit, a currency or a scale change?",
    Kind.JOINT: "It no longer moves with its siblings: check a join, a mapping or a sign.",
}
"""Where to look, for kinds that are no fault of a detector."""
_GROUPS: Final = {
    Status.DRIFT: "Pages: a change of a page's size is open",
    Status.WARNING: "Tickets: can wait for the morning",
    Status.OK: "Quiet",
}


def changes(snapshot: Snapshot, models: Sequence[ModelView], model: str | None) -> Iterator[str]:
    shown = [(m, m.judgement) for m in models if m.judgement is not None]
    if model is None:
        shown = [(m, j) for m, j in shown if m.status >= Status.WARNING or (j.channel_status >= Status.WARNING).any()]
    opened = snapshot.opened
    for _, j in shown[:MAX_MODELS]:
        yield _changed_model(snapshot, j, opened, everything=model is not None)
    if len(shown) > MAX_MODELS:
        yield f"<p>{len(shown) - MAX_MODELS} more models have changes; see the table below.</p>"


def _changed_model(
    snapshot: Snapshot, j: Judgement, opened: Mapping[tuple[str, str, str], Finding], *, everything: bool
) -> str:
    views = channels(j, snapshot.guarantee(j.model))
    moved = [v for v in views if v.status >= Status.WARNING]
    shown = views if everything else moved[:MAX_CHANNELS]
    more = ""
    if len(moved) > len(shown):
        more = f'<p><a href="{link(j.model)}">{len(moved) - len(shown)} more channels have changed</a></p>'
    rows: dict[Status, list[str]] = {group: [] for group in _GROUPS}
    if j.joint is not None and (everything or j.joint.status >= Status.WARNING):
        rows[_group(j.joint.status)].append(_together(j.joint, opened.get((j.model, JOINT, JUDGE)), snapshot))
    for v in shown:
        judged, change = (opened.get((j.model, v.name, detector)) for detector in (JUDGE, CHANGE))
        rows[_group(v.status)].append(_channel(v, judged, change, snapshot))
    return (
        f'<section class="card {j.status.name}"><h2><a href="{link(j.model)}">{html_name(j.model)}</a> '
        f'{pill(j.status)}</h2><p class="facts">{_summary(j, moved, snapshot)}</p>'
        f"{_advice(j, moved, snapshot)}{_table(rows)}{more}</section>"
    )


def _table(rows: Mapping[Status, Sequence[str]]) -> str:
    """The rows under the heads of their groups; nothing where there are none."""
    bodies = "".join(
        f'<tbody><tr class="group {group.name}"><th colspan="6" scope="rowgroup">{_GROUPS[group]}</tr>{"".join(part)}'
        for group, part in rows.items()
        if part
    )
    if not bodies:
        return ""
    return (
        '<div class="wide" tabindex="0"><table><caption class="hidden">Channels, worst first</caption><thead><tr>'
        '<th scope="col">Channel<th scope="col">What, since (UTC)<th scope="col">How sure<th scope="col">How much'
        '<th scope="col">Share of events per bin <span class="key"><i class="ref"></i>reference '
        f'<i class="cur"></i>now</span><th scope="col">Look at</tr></thead>{bodies}</table></div>'
    )


def _group(status: Status) -> Status:
    return status if status in _GROUPS else Status.OK


def _summary(j: Judgement, moved: Sequence[ChannelView], snapshot: Snapshot) -> str:
    """Since when the model pages, the reason, and how many channels have tickets beside."""
    if j.status is not Status.DRIFT:
        return escape(j.because)
    since = [v.since for v in moved if v.status is Status.DRIFT and v.since is not None]
    if j.joint is not None and j.joint.status is Status.DRIFT:
        since.append(j.joint.since)
    tickets = sum(v.status is Status.WARNING for v in moved)
    parts = (
        f"pages since {html_since(min(since), snapshot.now)}" if since else "pages",
        escape(j.because),
        f"{tickets} more channels have tickets" if tickets > 1 else "1 more channel has a ticket" * tickets,
    )
    return " · ".join(filter(None, parts))


def _advice(j: Judgement, moved: Sequence[ChannelView], snapshot: Snapshot) -> str:
    """What to do about the model as a whole, where there is something to say."""
    steps = []
    if j.status is Status.DRIFT:
        steps.append(f"Follow the runbook {runbook(snapshot, 'DriftdModelDrift')}.")
    elif moved:
        steps.append("Tickets call nobody; they can wait for the morning.")
    if len(j.versions) > 1:
        versions = ", ".join(html_name(v) for v in j.versions[:5])
        steps.append(f"{len(j.versions)} versions answered in this window ({versions}): is a rollout in progress?")
    if len(moved) >= max(3, len(j.channel_status) / 2):
        steps.append("Most channels moved together. Check the pipeline first: a join, a unit, a new client.")
    return "<ul>" + "".join(f"<li>{s}" for s in steps) + "</ul>" if steps else ""


def _channel(v: ChannelView, opened: Finding | None, change: Finding | None, snapshot: Snapshot) -> str:
    moved = ", ".join(f"{html_name(b)} {p:.1%} → {q:.1%}" for b, p, q in v.moved[:2])
    changed = v.status >= Status.WARNING
    bars = f"{_bars(v.bins)}<div class=small>{moved}</div>" if v.scores or v.evidence is not None else "-"
    about = [v.role.value.replace("_", " ")]
    if v.regime:
        pages = "" if watches_changes(v.judgement) else ", pages" if v.pages else ", tickets only"
        about.append(f'<span title="{escape(v.why)}">{v.regime}{pages}</span>')
    if v.blind:
        about.append(f"cannot see: {', '.join(v.blind)}")
    return (
        f'<tr><th scope="row">{html_name(v.name)} {pill(v.status)}<div class="small">{" · ".join(about)}</div>'
        f"<td>{_what(v, opened, change)}{html_since(v.since, snapshot.now) if v.since is not None else '-'}"
        f"<td class=sure>{_sure(v, opened)}<td>{_much(v)}<td>{bars}<td>{_hint(v, snapshot) if changed else '-'}</tr>"
    )


def _what(v: ChannelView, opened: Finding | None, change: Finding | None) -> str:
    """The kind of the change, its value in the reference and now; nothing where no kind is known."""
    told = change if v.kind else opened
    if v.status < Status.WARNING or (told is None and not v.kind):
        return ""
    text = named(v.kind) if told is None else changed(told.kind, told.value, told.reference_value)
    return f"<div class=what>{html_name(text.replace('->', '→'), 120)}</div>" if text else ""


def _much(v: ChannelView) -> str:
    """The size of the change, then the statistics of the window: the worst two, and all over their thresholds."""
    size = ""
    if v.change is not None:
        scores, row = v.change
        needed = "page" if scores.status[row] == Status.DRIFT else "ticket"
        size = f"<span class=when><b class=ratio>{number(float(scores.ratio[row]))} ×</b> a {needed}'s size</span>"
    if not v.scores:
        return size or "-"
    verdicts = "".join(
        f"<li>{escape(s.detector)} {number(float(s.statistic[row]))} "
        f"{'≥' if s.ratio[row] >= 1 else '&lt;'} {number(float(s.threshold[row]))}"
        for i, (s, row) in enumerate(v.scores[:6])
        if i < 2 or s.ratio[row] >= 1
    )
    size = size or f'<span class=when><b class="ratio">{number(v.ratio)} ×</b> threshold</span>'
    return f'{size}<ul class="small">{verdicts}</ul>'


def _sure(v: ChannelView, opened: Finding | None) -> str:
    """What natural variation says, or the judge's evidence over A: when the episode opened, else now."""
    judged = v.evidence is not None and v.evidence[0].status[v.row] >= Status.WARNING
    if v.change is not None and not judged:
        budget = "pages" if v.change[0].status[v.row] == Status.DRIFT else "tickets"
        return f'beyond its natural variation<div class="small">at the budget of {budget}</div>'
    if v.evidence is None:
        return '<span class="small">no evidence is kept</span>' if v.regime else "-"
    scores, row = v.evidence
    s, a = float(np.expm1(scores.statistic[row])), float(np.expm1(scores.threshold[row]))
    status = Status(int(scores.status[row]))
    if status < Status.WARNING:
        return _evidence(s, a)
    if status is Status.WARNING and (v.pages or (opened is not None and opened.because.startswith(WINDOW_ALONE))):
        return _evidence(s, a) + '<div class="small">only the last window differs</div>'
    return _episode(opened if opened is not None and opened.status is status else None, s, a)


def _evidence(s: float, a: float) -> str:
    return f'<span class=when>{number(s / a)} × A</span><div class="small">A: {large(a)} events</div>'


def _episode(opened: Finding | None, s: float, a: float) -> str:
    """The evidence when the episode opened; ``s`` and ``a`` are those of now."""
    if opened is None:  # before a restart
        return f'<span class=when>an episode is open</span><div class="small">evidence since {number(s / a)} × A</div>'
    s, a = math.expm1(opened.statistic), math.expm1(opened.threshold)
    first = f'<b class="ratio">{number(s / a)} × A</b>' if s >= a else f"{escape(opened.because.split(';')[0])}"
    counted = f"{opened.events:,} events"
    if opened.effective_events < 0.95 * opened.events:
        counted += f" (effective sample size {opened.effective_events:,.0f})"
    return (
        f"<span class=when>{first}</span>"
        f'<div class="small">{html_minute(opened.window_end)} from {counted}; '
        f"without drift A is reached once in {large(a)} events</div>"
    )


def _together(joint: Joint, opened: Finding | None, snapshot: Snapshot) -> str:
    changed = joint.status >= Status.WARNING
    since = html_since(joint.since, snapshot.now) if changed and math.isfinite(joint.since) else "-"
    s, a = math.expm1(joint.statistic), math.expm1(joint.threshold)
    sure = _episode(opened, s, a) if changed else _evidence(s, a)
    pages = "tickets only" if joint.status is Status.WARNING else "pages"
    pair = html_name(opened.because.split("; ")[-1], 200) if changed and opened is not None else "-"
    return (
        f'<tr><th scope="row">how channels move together {pill(joint.status)}<div class="small">joint, {pages}</div>'
        f"<td>{since}<td class=sure>{sure}<td>-<td>{pair}"
        f"<td>{f'<div>{_TOGETHER}</div>' if changed else '-'}</tr>"
    )


def _hint(v: ChannelView, snapshot: Snapshot) -> str:
    """Where to look, by the kind of change, else by the worst of the detectors that fire; two hints at most."""
    own = v.role.row.alert, v.role.row.hint
    if v.kind:
        by_kind = {kind: (fault.alert, fault.hint) for fault in faults().values() for kind in fault.changes}
        alert, advice = by_kind.get(v.kind, (own[0], _HINTS.get(v.kind, own[1])))
        return f'<div>{advice}</div><div class="small">{runbook(snapshot, alert)}</div>'
    known = {name: (fault.alert, fault.hint) for name, fault in faults().items()}
    hints = list(dict.fromkeys(known.get(detector, own) for detector in v.firing))
    return "".join(
        f'<div>{advice}</div><div class="small">{runbook(snapshot, alert)}</div>'
        for alert, advice in hints[:2] or [own]
    )


def _bars(bins: Sequence[tuple[str, float, float]]) -> str:
    """Two bars a bin, reference and now; the tooltip and the label for screen readers have the numbers."""
    top = max((x for _, p, q in bins for x in (p, q) if not math.isnan(x)), default=0.0) or 1.0
    step = 2 * _BAR + _GAP
    out = []
    for i, (label, before, after) in enumerate(bins):
        out.append(f"<g><title>{html_name(label)}: {before:.1%} → {after:.1%}</title>")
        out.append(f'<rect class="hit" x="{i * step}" y="0" width="{step}" height="{_HIGH}"/>')
        for k, (share, kind) in enumerate(((before, "ref"), (after, "cur"))):
            if share > 0:
                high = max(1.0, share / top * _HIGH)
                x, y = i * step + k * _BAR, _HIGH - high
                out.append(f'<rect class="{kind}" x="{x}" y="{y:.1f}" width="{_BAR - 1}" height="{high:.1f}"/>')
        out.append("</g>")
    width = max(1, len(bins)) * step
    said = ", ".join(f"{html_name(b)} {p:.0%} to {q:.0%}" for b, p, q in bins[:12])
    return (
        f'<svg viewBox="0 0 {width} {_HIGH + 1}" width="{min(24 * max(1, len(bins)), 320)}" height="{_HIGH + 1}" '
        f'preserveAspectRatio="none" role="img" aria-label="Share per bin, reference to now: {said}">'
        f'{"".join(out)}<path class="base" d="M0 {_HIGH + 0.5}H{width}"/></svg>'
    )
