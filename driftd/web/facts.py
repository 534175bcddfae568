"""What pages, the API and the command line say of models and channels: the same numbers and words, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from driftd.core.channel import JOINT, Role
from driftd.core.event import Kind
from driftd.core.finding import CHANGE, JUDGE, Finding, Judgement, Status
from driftd.core.incident import Part
from driftd.core.slice import Slice
from driftd.core.text import in_order, plural, when
from driftd.judge.natural.cause import Cause
from driftd.monitor import hints
from driftd.monitor.cause import WITH
from driftd.monitor.incidents import part_of
from driftd.monitor.sentence import change_in_words, size_in_words
from driftd.monitor.steps import PAGES
from driftd.monitor.view import ModelView, Snapshot
from driftd.web import words
from driftd.web.format import NBSP, age
from driftd.web.snapshot import ChannelView, channel, channels, watches_changes

STALE_TIMES: Final = 2.0
"""Windows of a model after which its silence is told where nobody knows what is usual. Chosen: one may be missed."""
Opened = Mapping[tuple[str, str, str], Finding]


@dataclass(frozen=True, slots=True)
class ChannelLine:
    """A channel in one line. ``status``: page, ticket, learning or ok. ``what`` happened, in words; ``value`` since the
    change and ``usual`` in what the ``kind`` is about; ``unit`` of the channel's numbers, null where nobody says it;
    ``cause`` what has broken, with ``detail``, as far as that is known; ``sentence`` the same with the channel's name.
    ``size`` over the least that makes a ``size_of`` (page, ticket), or over the threshold of a window's statistic.
    ``hint``: where to look; ``runbook``: the alert that fires.
    """

    model: str
    channel: str
    role: str
    values: str
    status: str
    since: float | None
    what: str
    sentence: str
    kind: str | None
    cause: str | None
    detail: str | None
    value: float | None
    usual: float | None
    unit: str | None
    size: float | None
    size_of: str
    can_page: bool
    regime: str | None
    regime_because: str | None
    cannot_see: tuple[str, ...]
    hint: str
    runbook: str


@dataclass(frozen=True, slots=True)
class ModelLine:
    """A model in one line; ``sentence`` says what is worst on it, ``channel`` where. ``events_per_second`` in its last
    window; ``learning`` 0 to 1, where it has not been judged yet; ``muted_until``: it is in maintenance until then.
    ``silent_seconds``: how long nothing has arrived, null where that is natural: then nobody knows how the model is, so
    it is never ok, ``events_per_second`` is null, and if nothing else is worse ``since`` is that of its last event.
    ``last_event`` is event time, which is old while old events
    arrive.
    """

    model: str
    status: str
    sentence: str
    channel: str | None
    kind: str | None
    since: float | None
    size: float | None
    pages: int
    tickets: int
    channels: int
    events_per_second: float | None
    last_event: float | None
    versions: tuple[str, ...]
    learning: float | None
    muted_until: float | None
    silent_seconds: float | None


def channel_lines(m: ModelView, snapshot: Snapshot, opened: Opened | None = None) -> list[ChannelLine]:
    """All channels of a judged model, worst first; last how they move together, where somebody looks."""
    j = m.judgement
    if j is None:
        return []
    known = snapshot.opened if opened is None else opened
    lines = [_line(v, known) for v in channels(j, snapshot.guarantee(m.name))]
    return sorted([*_together(j, known), *lines], key=_worst)


def channel_line(m: ModelView, name: str, snapshot: Snapshot) -> tuple[ChannelLine, ChannelView] | None:
    """One channel; None where the model has none of that name, or was not judged yet."""
    j = m.judgement
    row = None if j is None else j.reference.rows.get(name)
    if j is None or row is None:
        return None
    view = channel(j, row, snapshot.guarantee(m.name))
    return _line(view, snapshot.opened), view


def model_line(m: ModelView, snapshot: Snapshot, opened: Opened) -> ModelLine:
    """The model's line: a page has a hundred models of a hundred channels, so few of them are looked at."""
    line = _judged_line(m, snapshot, opened)
    if line.silent_seconds is None:
        return line
    line = replace(line, events_per_second=None)
    if line.status in {"page", "ticket"}:
        return line
    last = _known(m.counts.last_event)
    said = silence_in_words(m, snapshot.now) if last is None else f"no {_sent(m)}s{_usually(m)}"
    return replace(line, status=silence_status(m), sentence=said, since=last, learning=None)


def silence_status(m: ModelView) -> str:
    """What a model that sends nothing makes: page or ticket."""
    return "page" if m.quiet is not None and m.quiet.due == "page" else "ticket"


def silence_in_words(m: ModelView, now: float) -> str:
    """``no event for 13 min, where 300 an hour are usual; the last is of 05:47``; "" where that is natural."""
    seconds = silent_seconds(m)
    if seconds is None:
        return ""
    usual, last = _usual(m), m.counts.last_event
    beside = f", where {usual:,.0f} an hour are usual" if usual >= 1 else ""
    return f"no {_sent(m)} for {age(seconds).replace(NBSP, ' ')}{beside}" + (
        f"; the last is of {when(last, now)}" if _known(last) else ""
    )


def _sent(m: ModelView) -> str:
    return "label" if Slice(m.name).joined else "event"


def _usual(m: ModelView) -> float:
    """Events an hour; 0 where nobody knows."""
    return 0.0 if m.quiet is None or m.quiet.usual is None else m.quiet.usual.usual


def _usually(m: ModelView) -> str:
    return f" (usually {_usual(m):,.0f} an hour)" if _usual(m) >= 1 else ""


def _judged_line(m: ModelView, snapshot: Snapshot, opened: Opened) -> ModelLine:
    j = m.judgement
    last, muted_until = m.counts.last_event, None if m.muted is None else m.muted.end
    if j is None:
        ready = min(max(m.learning, 0.0), 1.0)
        said = f"{ready:.0%} of the reference" if ready < 1 else "reference learned; waits for a full window"
        return ModelLine(
            m.name, "learning", said, None, None, None, None, 0, 0, 0, None, _known(last), (), ready,
            muted_until, silent_seconds(m),
        )  # fmt: skip
    first, alike = _worst_of(j, snapshot, opened)
    pages, tickets = (int(np.count_nonzero(j.channel_status == status)) for status in (Status.DRIFT, Status.WARNING))
    if j.joint is not None:
        pages, tickets = pages + (j.joint.status is Status.DRIFT), tickets + (j.joint.status is Status.WARNING)
    seconds = max(j.window_end - j.window_start, 1e-9)
    return ModelLine(
        m.name,
        words.STATUS_WORDS[j.status],
        _CALM[j.status is Status.LEARNING] if first is None else sentence(first, alike),
        None if first is None else first.channel,
        None if first is None else first.kind,
        None if first is None else first.since,
        None if first is None else first.size,
        pages,
        tickets,
        len(j.channel_status),
        j.summary.events / seconds,
        _known(last),
        j.versions,
        None,
        muted_until,
        silent_seconds(m),
    )


def silent_seconds(m: ModelView) -> float | None:
    """For how long nothing of a model has arrived, if longer than is natural for it; where nobody knows, than its
    windows. By the clock of arrivals alone: a backlog and a replay are old, and not silent.
    """
    quiet, j = m.quiet, m.judgement
    if quiet is None:
        return None
    if quiet.usual is not None:
        return quiet.seconds if quiet.due else None
    if j is None:
        return None
    return quiet.seconds if quiet.seconds > STALE_TIMES * (j.window_end - j.window_start) + 60 else None


def _worst_of(j: Judgement, snapshot: Snapshot, opened: Opened) -> tuple[ChannelLine | None, list[str]]:
    """What is worst on a model, and the channels to which the same has happened: looked for in arrays, a line is made
    for those alone that may be it.
    """
    rows = np.flatnonzero(j.channel_status >= Status.WARNING)
    together = [*_together(j, opened, changed=True)]
    if not len(rows) and not together:
        return None, []
    change = next((np.nan_to_num(s.ratio) for s in j.scores if s.detector == CHANGE), np.zeros(len(j.channel_status)))
    largest = np.zeros(len(change))
    for s in j.scores:
        if s.detector not in {CHANGE, JUDGE}:
            np.fmax(largest, s.ratio, out=largest)
    order = np.lexsort((-largest[rows], -change[rows], -j.channel_status[rows]))[:_CANDIDATES]
    guarantee = snapshot.guarantee(j.model)
    lines = [_line(channel(j, row, guarantee), opened) for row in rows[order].tolist()]
    first = min([*together, *lines], key=_worst)
    status = next(s for s, word in words.STATUS_WORDS.items() if word == first.status)
    alike = [row for row, kind in sorted(j.kinds.items()) if kind == first.kind and j.channel_status[row] == status]
    return first, [j.reference.channels[row].name for row in alike]


def sentence(first: ChannelLine, alike: Sequence[str] = ()) -> str:
    """What is worst, with all channels that are ``alike``."""
    told = {first.channel, (first.detail or "").removeprefix(WITH) if first.cause == Cause.SWAPPED else ""}
    others = [name for name in alike if name not in told]
    return f"{first.sentence}, like {words.several(others)}" if others else first.sentence


def since_when(text: str, since: float | None, now: float) -> str:
    return text if since is None else f"{text} since {when(since, now)} UTC"


def fleet_headline(
    lines: Sequence[ModelLine], not_ready: Sequence[str], now: float, incidents: Sequence[str] = ()
) -> tuple[str, str]:
    """The worst status, and the sentence that a person reads first; ``lines`` worst first, as are the sentences of the
    open ``incidents``.
    """
    pages = [(line.model, since_when(line.sentence, line.since, now)) for line in lines if line.status == "page"]
    tickets = [line.model for line in lines if line.status == "ticket"]
    learning = sum(line.status == "learning" for line in lines)
    silent = next((line for line in lines if line.status == "ticket" and line.channel is None), None)
    text = words.fleet(pages, tickets, learning, len(lines))
    if pages and incidents:
        rest = len(incidents) - 1
        more = f" ({rest} more {plural('incident', rest)})" if rest else ""
        text = f"{incidents[0]}{more}"
    if silent is not None and len(tickets) == 1 and not pages:
        text = f"No page. {words.name(silent.model)}: {since_when(silent.sentence, silent.since, now)}"
    status = "page" if pages else "ticket" if tickets else "learning" if learning == len(lines) else "ok"
    if not_ready:
        return "blind", f"driftd is not ready: {'; '.join(not_ready)}" + (f". {text}" if pages else "")
    return status, text


_CANDIDATES = 4
_CALM = ("nothing has changed", "too few events to judge yet")
_UNITS: Final[Mapping[Role, str]] = {Role.LATENCY: "s"}
"""Of roles whose numbers driftd reads itself (docs/events.md)."""
_ORDER = {"page": 0, "ticket": 1, "learning": 2, "ok": 3}


def worst_first(line: ModelLine) -> tuple[Any, ...]:
    return _ORDER[line.status], -(line.size or 0.0) if line.status in {"page", "ticket"} else 0.0, in_order(line.model)


def _worst(line: ChannelLine) -> tuple[Any, ...]:
    """Changes whose kind is known first: they have a size of their own."""
    return _ORDER[line.status], line.size_of == "threshold", -(line.size or 0.0), in_order(line.channel)


def _line(v: ChannelView, opened: Opened) -> ChannelLine:
    model, j = v.judgement.model, v.judgement
    told = opened.get((model, v.name, CHANGE if v.kind else JUDGE))
    kind = v.kind or ("" if told is None else told.kind)
    changed = v.status >= Status.WARNING
    value, usual = (None, None) if told is None or not changed else (told.value, told.reference_value)
    size, size_of = _size(v)
    part = None if told is None or not (changed and kind) else part_of(told)
    cause, detail = (None, None) if part is None else (part.cause or None, part.detail or None)
    word = words.STATUS_WORDS[v.status]
    advice = hints.hint(v.kind, cause or "", v.role.row.hint, v.firing) if changed else ""
    alert = words.runbook(word, v.kind, v.role.row) if changed else ""
    what = _what(v, part, kind) if changed else ""
    return ChannelLine(
        model,
        v.name,
        v.role.value.replace("_", " "),
        "number" if j.reference.channels[v.row].kind is Kind.NUMERIC else "category",
        word,
        v.since if changed else None,
        what,
        _sentence(v.name, part, what) if changed else "",
        kind if changed and kind else None,
        cause,
        detail,
        value,
        usual,
        j.units.get(v.name) or _UNITS.get(v.role),
        size,
        size_of,
        v.pages or watches_changes(j),
        v.regime or None,
        v.why or None,
        v.blind,
        advice,
        alert,
    )


def _sentence(name: str, part: Part | None, what: str) -> str:
    return f"{words.channel_name(name)}: {what}" if part is None else change_in_words(name, part)


def _what(v: ChannelView, part: Part | None, kind: str) -> str:
    if part is not None or kind:
        return words.what(kind, None, None) if part is None else size_in_words(part)
    if moved := v.moved:
        label, before, after = moved[0]
        return f"{words.name(label)}: {before:.1%} → {after:.1%} of the events"
    return "has changed"


def _size(v: ChannelView) -> tuple[float | None, str]:
    if v.change is not None:
        scores, row = v.change
        return _known(float(scores.ratio[row])), "page" if scores.status[row] == Status.DRIFT else "ticket"
    return _known(v.ratio), "threshold"


def _together(j: Judgement, opened: Opened, *, changed: bool = False) -> list[ChannelLine]:
    joint = j.joint
    if joint is None or (changed and joint.status < Status.WARNING):
        return []
    told = opened.get((j.model, JOINT, JUDGE))
    fires = joint.status >= Status.WARNING
    said = "" if told is None else told.because.split("; ")[-1]
    what = (said or "two channels no longer move together") if fires else ""
    ratio = math.expm1(joint.statistic) / max(math.expm1(joint.threshold), 1e-9)
    return [
        ChannelLine(
            j.model, JOINT, "joint", "pairs", words.STATUS_WORDS[joint.status], _known(joint.since) if fires else None,
            what, f"{words.TOGETHER}: {what}" if fires else "", "joint" if fires else None, None, None, None, None,
            None, ratio, "threshold", True, None, None, (), hints.TOGETHER if fires else "",
            (PAGES if joint.status is Status.DRIFT else "DriftdFeatureDrift") if fires else "",
        )
    ]  # fmt: skip


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
