"""Findings for the person at the terminal: a block a judgement, pages before tickets, nothing where nothing changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import expm1, isfinite
from typing import Final

from driftd.core.channel import JOINT
from driftd.core.finding import JUDGE, Finding, Judgement, MovedBin, Status
from driftd.core.text import clean, minute, percent, plural
from driftd.monitor.findings import so_many

PAGE, TICKET, OVER, SAME = "PAGE", "ticket", "over", "same"
STYLES: Final = {PAGE: "bold red", TICKET: "yellow", OVER: "green", SAME: ""}
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
    channels = [f for f in judgement.findings if f.feature is not None]
    yield from _pages(model, channels)
    yield from _tickets([f for f in channels if _entered(f, Status.WARNING)])
    yield from _over(model, channels)
    for f in channels:
        if f.status is f.previous:  # every window was asked for
            yield _head(f, SAME, f"{f.feature}: {_measured(f)}; {f.status.name}")


def _entered(finding: Finding, status: Status) -> bool:
    return finding.status is status and finding.previous is not status


def _pages(model: Finding | None, channels: Iterable[Finding]) -> Iterator[Line]:
    paged = model if model is not None and model.status is Status.DRIFT else None
    if paged is not None:
        names = _names(paged.channels)
        still = paged.previous is Status.DRIFT
        yield _head(paged, PAGE, f"still: {names}" if still else f"{names} changed about {minute(paged.since)} UTC")
    for f in channels:
        if _entered(f, Status.DRIFT):
            if paged is None:
                yield _head(f, PAGE, f"{channel(f.feature)} joins, changed about {minute(f.since)} UTC")
            yield _more(f"{channel(f.feature)}: {_judged(f)}")


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
    """``evidence 1.4 times the threshold, from 14,043 events; RSW: 1.4% -> 1.8%``."""
    if f.statistic < f.threshold:
        parts = [f.because.partition(";")[0]]  # another detector of its budget found it
    else:
        parts = [f"evidence {times(f)} the threshold, from {_events(f)}"]
    if f.feature == JOINT:
        parts += [p for p in f.because.split("; ")[1:2] if p]
    return "; ".join([*parts, *_moved(f.moved)])


def _events(f: Finding) -> str:
    fewer = isfinite(f.effective_events) and f.effective_events < 0.9 * f.events
    return f"{f.events:,} events" + (f" (effective sample size {f.effective_events:,.0f})" if fewer else "")


def _measured(f: Finding) -> str:
    if f.detector == JUDGE:
        return f"judge ({'this window differs' if f.statistic < f.threshold else f'evidence {times(f)} the threshold'})"
    if f.noise == 0:  # a sequential detector counts what it detected
        return f"{f.detector} {f.statistic:.0f} {plural('change', f.statistic)}"
    return f"{f.detector} {f.statistic:.3g} (threshold {f.threshold:.2g})"


def _moved(moved: tuple[MovedBin, ...]) -> list[str]:
    return [f"{m.bin}: {percent(m.reference)} -> {percent(m.current)}" for m in moved[:_MOVED_SHOWN]]


def _tickets(found: list[Finding]) -> Iterator[Line]:
    """A line a channel, its detectors side by side; one for all and one for the strongest where they are many."""
    by_channel: dict[str, list[Finding]] = {}
    for f in found:
        by_channel.setdefault(f.feature or "", []).append(f)
    # the count of a sequential detector does not measure how far something moved
    blocks = sorted(by_channel.items(), key=lambda item: -max(f.ratio if f.noise else 1.0 for f in item[1]))
    if len(blocks) > _TICKETS_SHOWN:
        names = [f"{channel(name)} ({', '.join(f.detector for f in mine)})" for name, mine in blocks]
        yield _head(found[0], TICKET, f"{len(blocks)} channels: {_names(names)}")
        yield _more(_ticket(*blocks[0]))
        return
    for name, mine in blocks:
        yield _head(mine[0], TICKET, _ticket(name, mine))


def _ticket(name: str, mine: list[Finding]) -> str:
    moved = _moved(next((f.moved for f in mine if f.moved), ()))
    return "; ".join([f"{channel(name)}: {', '.join(map(_measured, mine))}", *moved])


def _grouped(found: list[Finding]) -> str:
    by_channel: dict[str, list[str]] = {}
    for f in found:
        by_channel.setdefault(channel(f.feature), []).append(f.detector)
    return "; ".join(f"{name} ({', '.join(detectors)})" for name, detectors in by_channel.items())
