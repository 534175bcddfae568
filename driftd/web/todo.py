"""What to do about one incident: the steps of its cause with its names and times, and what is to be said of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from driftd.core.channel import JOINT, OWN_NAMES
from driftd.core.contacts import NOBODY
from driftd.core.incident import Incident, Part, find, open_ones
from driftd.core.located import located
from driftd.core.text import clean, minute, plural
from driftd.judge.natural.cause import Cause
from driftd.monitor import branches, steps
from driftd.monitor.cause import WITH
from driftd.monitor.sentence import began
from driftd.monitor.view import ModelView, Snapshot
from driftd.web.incidents import alert_of
from driftd.web.runbook import Names


def todo(i: Incident, snapshot: Snapshot) -> list[str]:
    """In their order, as Markdown (driftd.monitor.steps)."""
    return [*(_while_open(i, snapshot) if i.ended is None else _after(i)), *([] if snapshot.replay else [_said(i)])]


def names_of(i: Incident, snapshot: Snapshot, part: Part | None = None) -> Names:
    """What is filled into them: those of ``part``, else of the strongest."""
    p = located(i).first if part is None else part
    other = p.detail.removeprefix(WITH) if p.cause == Cause.SWAPPED else ""
    channel = "" if p.channel == JOINT else p.channel
    since = began(i) if part is None and i.ended is None else p.since
    return Names(p.model, channel, snapshot.external_url.rstrip("/"), minute(since), i.id, other, i.new_version or "")


def about(snapshot: Snapshot, alert: str, model: str, channel: str, id_: str) -> Names:
    """What is filled into the runbook of an alert: from the incident ``id_``, else from the one that is open on the
    channel, or on one whose alert it is, of several the last; the names alone where there is none.
    """
    found = find(snapshot.incidents, id_) if id_ else None
    mine = [found] if found is not None else sorted(open_ones(snapshot.incidents), key=lambda i: -i.opened)
    for i in mine:
        for p in i.strongest:
            if p.model == model and (p.channel == channel if channel else alert_of(p) == alert):
                return names_of(i, snapshot, p)
    return Names(model, channel, snapshot.external_url.rstrip("/"))


def _while_open(i: Incident, snapshot: Snapshot) -> Iterator[str]:
    if not snapshot.replay:
        yield f"Say that you look at it, so that nobody else does: {branches.ACK}."
    found = located(i)
    told, first, where = found.incident, found.first, found.segments
    branch = steps.branch_of(told.kind, told.cause, first.channel)
    if where:
        name = clean(where[0].replace("`", ""), 60)
        beside = "other segments are as usual" if found.alone else "others show less of it"
        if len(where) > 1:
            beside = f"and in {len(where) - 1} more"
        yield f"It is in segment `{name}`, {beside}: who sends or fills that part, and what was released there?"
    m = next((m for m in snapshot.models if m.name == first.model), None)
    help_ = NOBODY if m is None else m.contacts
    if help_.owner:
        yield f"The model's owner is {_plain(help_.owner)}."
    if help_.upstream and first.channel not in OWN_NAMES:
        yield f"Its inputs come from {_plain(help_.upstream)}: ask what was released there shortly before `SINCE` UTC."
    if i.new_version is not None:
        yield "Version `VERSION` began to answer about then: roll it back first, then look on."
    yield from branch.steps
    if help_.fallback:
        yield f"While its answers cannot be trusted: {_plain(help_.fallback)}"
    if help_.runbook:
        yield f"The model's own runbook: {_plain(help_.runbook)}"
    if branch.stays and m is not None and m.judgement is not None and not snapshot.replay:
        others = len(told.models) - 1
        also = f" The same for the other {plural('model', others)}." if others else ""
        yield f"{steps.new_normal(branch, _command(first, m))}{also}"


def _plain(text: str) -> str:
    """The owners' words, as they are: nothing in them is Markdown, or filled in."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&-])", r"\\\1", text)


def _command(p: Part, m: ModelView) -> str:
    """How the model, or the channel alone, learns anew."""
    if m.given:
        return branches.BUILD
    return branches.REBASELINE if m.renews and p.channel != JOINT else branches.WHOLE


def _after(i: Incident) -> Iterator[str]:
    span = f"{minute(i.since)} to {minute(i.ended)} UTC"
    yield f"Answers from {span}: the model's owner decides whether they are made again."
    yield "Keep that time out of later references: `learning.exclude` in driftd.yaml, with the reason."


def _said(i: Incident) -> str:
    return f"{'When it is over' if i.ended is None else 'Then'}, say whether it was real: {branches.VERDICT}."
