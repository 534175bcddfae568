"""Findings for the person at the terminal: a block a judgement, pages before tickets, numbers as one says them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import expm1, isfinite
from typing import Final

from driftd.cli.output import clean
from driftd.core.finding import JOINT, JUDGE, Finding, Judgement, MovedBin, Status
from driftd.monitor.findings import so_many

PAGE, TICKET, OVER, SAME = "PAGE", "ticket", "over", "same"
STYLES: Final = {PAGE: "bold red", TICKET: "yellow", OVER: "green", SAME: ""}
_MOVED_SHOWN: Final = 2
_TICKETS_TOLD: Final = 2
_UNITS: Final = (
    (365.25 * 86400, "year"), (30 * 86400, "month"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"),
)  # fmt: skip


def minute(seconds: float | None) -> str:
    """``2013-03-08 18:32``, in UTC."""
    from driftd.sinks.log import utc  # noqa: PLC0415

    return utc(seconds)[:16].replace("T", " ")


def duration(seconds: float) -> str:
    """Two digits that one can say: ``30 minutes``, ``1.3 days``, ``16 months``."""
    if not isfinite(seconds):
        return "-"
    size, unit = next(((s, u) for s, u in _UNITS if seconds >= s), (1, "second"))
    count = seconds / size
    text = f"{count:.1f}" if count < 10 and round(count, 1) != round(count) else f"{count:,.0f}"
    return f"{text} {unit}{'' if text == '1' else 's'}"


def plural(word: str, count: float) -> str:
    return word if count == 1 else f"{word}s"


def percent(share: float) -> str:
    return f"{100 * share:.2g}%" if share < 0.1 else f"{100 * share:.0f}%"


def channel(name: str) -> str:
    return "how channels move together" if name == JOINT else name


def times(finding: Finding) -> str:
    """How much more evidence there is than a page needs: ``1.4 times``."""
    return so_many(expm1(min(finding.statistic, 700.0)) / max(expm1(min(finding.threshold, 700.0)), 1e-300))


def told(judgement: Judgement) -> Iterator[tuple[str, str]]:
    """Lines with their style: what a person should know of a judgement; nothing where nothing changed."""
    found = judgement.findings
    model = next((f for f in found if f.feature is None), None)
    features = [f for f in found if f.feature is not None]
    if model is not None and model.status is Status.DRIFT:
        if model.previous is Status.DRIFT:
            yield _head(model, PAGE, f"still: {_names(model.channels)}"), STYLES[PAGE]
        else:
            yield _head(model, PAGE, f"{_names(model.channels)} changed about {minute(model.since)} UTC"), STYLES[PAGE]
    for f in features:
        if f.status is Status.DRIFT and f.previous is not Status.DRIFT:
            if model is None or model.status is not Status.DRIFT:
                yield (
                    _head(f, PAGE, f"{channel(f.feature or '')} joins, changed about {minute(f.since)} UTC"),
                    STYLES[PAGE],
                )
            yield _more(f"{channel(f.feature or '')}: {_judged(f)}"), ""
    yield from _tickets([f for f in features if f.status is Status.WARNING and f.previous is not Status.WARNING])
    over = [f for f in features if f.status is Status.OK and f.previous >= Status.WARNING]
    if model is not None and model.previous is Status.DRIFT and model.status is not Status.DRIFT:
        yield _head(model, OVER, "the page is over"), STYLES[OVER]
    elif over:
        yield _head(over[0], OVER, _grouped(over)), STYLES[OVER]
    for f in features:
        if f.status is f.previous:
            yield _head(f, SAME, f"{f.feature}: {_measured(f)}; {f.status.name}"), STYLES[SAME]


def _head(finding: Finding, word: str, text: str) -> str:
    return f"{minute(finding.window_end)} UTC  {word:6}  {clean(finding.model)}: {clean(text, 300)}"


def _more(text: str) -> str:
    return f"{'':30}{clean(text, 300)}"


def _names(names: Iterable[str], most: int = 8) -> str:
    shown = [channel(name) for name in names]
    rest = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + rest


def _judged(f: Finding) -> str:
    """``evidence 1.4 times what a page needs, 14,043 events; RSW 1.4% -> 1.8%``."""
    if f.statistic < f.threshold:
        parts = [f.because.partition(";")[0]]  # another detector of its budget found it
    else:
        parts = [f"evidence {times(f)} what a page needs, in {_events(f)}"]
    if f.feature == JOINT:
        parts += [p for p in f.because.split("; ")[1:2] if p]
    return "; ".join([*parts, *_moved(f.moved)])


def _events(f: Finding) -> str:
    worth = f.effective_events
    told = f", worth {worth:,.0f} independent ones" if isfinite(worth) and worth < 0.9 * f.events else ""
    return f"{f.events:,} events{told}"


def _measured(f: Finding) -> str:
    if f.detector == JUDGE:
        return "judge, the window differs" if f.statistic < f.threshold else f"judge, evidence {times(f)} a page's"
    if f.noise == 0:  # a sequential detector counts what it noticed
        return f"{f.detector} {f.statistic:.0f} change{'s' * (f.statistic > 1)}"
    return f"{f.detector} {f.statistic:.3g} (threshold {f.threshold:.2g})"


def _moved(moved: tuple[MovedBin, ...]) -> list[str]:
    return [f"{m.bin}: {percent(m.reference)} -> {percent(m.current)}" for m in moved[:_MOVED_SHOWN]]


def _tickets(found: list[Finding]) -> Iterator[tuple[str, str]]:
    """A line a channel, its detectors side by side; one for all and one for the strongest where they are many."""
    by_channel: dict[str, list[Finding]] = {}
    for f in found:
        by_channel.setdefault(f.feature or "", []).append(f)
    # a count of what a sequential detector noticed is no measure of how far something moved
    blocks = sorted(by_channel.items(), key=lambda item: -max(f.ratio if f.noise else 1.0 for f in item[1]))
    if len(blocks) > _TICKETS_TOLD:
        names = [f"{channel(name)} ({', '.join(f.detector for f in mine)})" for name, mine in blocks]
        yield _head(found[0], TICKET, f"{len(blocks)} channels: {_names(names)}"), STYLES[TICKET]
        yield _more(_ticket(*blocks[0])), ""
        return
    for name, mine in blocks:
        yield _head(mine[0], TICKET, _ticket(name, mine)), STYLES[TICKET]


def _ticket(name: str, mine: list[Finding]) -> str:
    moved = _moved(next((f.moved for f in mine if f.moved), ()))
    return "; ".join([f"{channel(name)}: {', '.join(map(_measured, mine))}", *moved])


def _grouped(found: list[Finding]) -> str:
    by_channel: dict[str, list[str]] = {}
    for f in found:
        by_channel.setdefault(channel(f.feature or ""), []).append(f.detector)
    return "; ".join(f"{name} ({', '.join(detectors)})" for name, detectors in by_channel.items())
