"""Findings for the person at the terminal: a block a judgement, pages before tickets, nothing where nothing changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import expm1, isfinite
from typing import Final

from driftd.core.channel import JOINT
from driftd.core.finding import CHANGE, JUDGE, Finding, Judgement, MovedBin, Severity, Status
from driftd.core.text import clean, minute, percents, plural
from driftd.judge.natural.kinds import Kind
from driftd.monitor.findings import so_many
from driftd.monitor.wording import named, said
from driftd.replay.report import lasting

PAGE, JOINS, BACK, TICKET, NOW, OVER, SAME = "PAGE", "joins", "back", "ticket", "now", "over", "same"
STYLES: Final = {PAGE: "bold red", JOINS: "red", BACK: "red", TICKET: "yellow", NOW: "", OVER: "green", SAME: ""}
"""PAGE: somebody is called. JOINS: a page of the model is open already. BACK: what somebody was called for has come
back within the hour. NOW: an open change has got a better name, or its size is known better.
"""
_SHAPES: Final = frozenset({"", Kind.LEVEL, Kind.SPREAD, Kind.MIX, Kind.UNKNOWN})
"""Kinds of which the bins that moved say more than the name."""
_MOVED_SHOWN: Final = 2
_TICKETS_SHOWN: Final = 2

Line = tuple[str, str]
"""Text and its style."""


def channel(name: str | None) -> str:
    return "how channels move together" if name == JOINT else name or ""


def times(finding: Finding) -> str:
    """The evidence over its threshold: ``1.4 times``."""
    return so_many(expm1(min(finding.statistic, 700.0)) / max(expm1(min(finding.threshold, 700.0)), 1e-300))


def lines(judgement: Judgement) -> Iterator[Line]:
    """What changed with a judgement; nothing where nothing did."""
    model = next((f for f in judgement.findings if f.feature is None), None)
    found = lasting(judgement.findings)
    channels = [f for f in found if f.feature is not None and not _known(judgement, f)]
    yield from _pages(model, channels)
    yield from _tickets([f for f in channels if f.severity is Severity.TICKET])
    yield from _over(model, channels)
    for f in channels:
        if f.status is f.previous or (f.times > 1 and f.severity is None and f.status is Status.DRIFT):
            yield _same(f)


def _known(judgement: Judgement, finding: Finding) -> bool:
    """Whether the judge has found what an open change of that channel has said already, with its kind."""
    if finding.detector != JUDGE or finding.severity is None:
        return False
    rows = {c.name: row for row, c in enumerate(judgement.reference.channels)}
    row = rows.get(finding.feature or "")
    changes = next((s for s in judgement.scores if s.detector == CHANGE), None)
    return row is not None and changes is not None and bool(changes.status[row] >= finding.status)


def _pages(model: Finding | None, channels: Iterable[Finding]) -> Iterator[Line]:
    mine = [f for f in channels if f.severity is Severity.PAGE]
    calls = model is not None and model.severity is Severity.PAGE
    if model is not None and (calls or not mine):
        yield from _page(model)
    for f in mine:
        text = f"{channel(f.feature)}: {_judged(f)}"
        yield _more(text) if calls else _head(f, JOINS, text)


def _page(model: Finding) -> Iterator[Line]:
    names = _names(model.channels)
    if model.severity is Severity.PAGE:
        again = model.previous is Status.DRIFT
        yield _head(model, PAGE, f"again: {names}" if again else f"{names} changed about {minute(model.since)} UTC")
    elif model.status is model.previous is Status.DRIFT:
        yield _head(model, SAME, f"the page is open: {names}")


def _same(f: Finding) -> Line:
    """A change that is open still and has got a better name, or every window was asked for."""
    if f.detector == CHANGE:
        back = f.times > 1 and f.severity is None
        return _head(f, BACK if back else NOW, f"{channel(f.feature)}: {said(f)}")
    return _head(f, SAME, f"{f.feature}: {_measured(f)}; {f.status.name}")


def _over(model: Finding | None, channels: Iterable[Finding]) -> Iterator[Line]:
    over = [f for f in channels if f.status is Status.OK and f.previous >= Status.WARNING]
    if model is not None and model.previous is Status.DRIFT and model.status is not Status.DRIFT:
        yield _head(model, OVER, "the page is over")
    elif over:
        yield _head(over[0], OVER, _grouped(over))


def _head(finding: Finding, word: str, text: str) -> Line:
    at = f"{minute(finding.window_end)} UTC"
    return f"{at}  {word:6}  {clean(finding.model)}: {clean(text, 300)}", STYLES[word]


def _more(text: str) -> Line:
    return f"{'':30}{clean(text, 300)}", ""


def _names(names: Iterable[str], most: int = 8) -> str:
    shown = [channel(name) for name in names]
    rest = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + rest


def _judged(f: Finding) -> str:
    """``missing 0% -> 62% since 2013-03-08 18:32``, ``evidence 1.4 times the threshold, from 14,043 events``."""
    parts = [said(f)] if f.kind else []
    if f.detector == JUDGE and f.statistic >= f.threshold:
        parts.append(f"evidence {times(f)} the threshold, from {_events(f)}")
    elif not parts:
        parts.append(f.because.partition(";")[0])  # another detector of its budget found it
    if f.feature == JOINT:
        parts += [p for p in f.because.split("; ")[1:2] if p]
    if f.new_version is not None:
        parts.append(f.because.rpartition("; ")[2])
    return "; ".join([*parts, *_moved(f)])


def _events(f: Finding) -> str:
    fewer = isfinite(f.effective_events) and f.effective_events < 0.9 * f.events
    return f"{f.events:,} events" + (f" (effective sample size {f.effective_events:,.0f})" if fewer else "")


def _measured(f: Finding) -> str:
    if f.kind:
        return said(f)
    if f.detector == JUDGE:
        return f"judge ({'this window differs' if f.statistic < f.threshold else f'evidence {times(f)} the threshold'})"
    if f.noise == 0:  # a sequential detector counts what it detected
        return f"{f.detector} {f.statistic:.0f} {plural('change', f.statistic)}"
    return f"{f.detector} {f.statistic:.3g} (threshold {f.threshold:.2g})"


def _moved(f: Finding | None) -> list[str]:
    """The bins that moved, where the kind does not say it."""
    moved: tuple[MovedBin, ...] = f.moved[:_MOVED_SHOWN] if f is not None and f.kind in _SHAPES else ()
    return [f"{m.bin}: {text}" for m in moved if (text := percents(m.reference, m.current))]


def _what(f: Finding) -> str:
    """The kind of change, or the detector where there is none."""
    return named(f.kind) or f.detector


def _tickets(found: list[Finding]) -> Iterator[Line]:
    """A line a channel, its detectors side by side; one for all and one for the strongest where they are many."""
    by_channel: dict[str, list[Finding]] = {}
    for f in found:
        by_channel.setdefault(f.feature or "", []).append(f)
    # the count of a sequential detector does not measure how far something moved
    blocks = sorted(by_channel.items(), key=lambda item: -max(f.ratio if f.noise or f.kind else 1.0 for f in item[1]))
    if len(blocks) > _TICKETS_SHOWN:
        names = [f"{channel(name)} ({', '.join(dict.fromkeys(map(_what, mine)))})" for name, mine in blocks]
        yield _head(found[0], TICKET, f"{len(blocks)} channels: {_names(names)}")
        yield _more(_ticket(*blocks[0]))
        return
    for name, mine in blocks:
        yield _head(mine[0], TICKET, _ticket(name, mine))


def _ticket(name: str, mine: list[Finding]) -> str:
    moved = _moved(next((f for f in mine if f.moved), None))
    return "; ".join([f"{channel(name)}: {', '.join(map(_measured, mine))}", *moved])


def _grouped(found: list[Finding]) -> str:
    by_channel: dict[str, list[str]] = {}
    for f in found:
        by_channel.setdefault(channel(f.feature), []).append(_what(f))
    return "; ".join(f"{name} ({', '.join(dict.fromkeys(what))})" for name, what in by_channel.items())
