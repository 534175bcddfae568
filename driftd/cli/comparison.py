"""Two configurations side by side: pages and tickets of each, which found a change earlier, and where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import expm1, isclose, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftd.cli import findings, output, reports
from driftd.core.finding import JUDGE
from driftd.core.text import duration, minute
from driftd.monitor.wording import named

if TYPE_CHECKING:
    from driftd.config import Loaded
    from driftd.replay.drivers import Replayed
    from driftd.replay.report import Found, Report

_SHOWN = 30


def names(loaded: Sequence[Loaded]) -> list[str]:
    """The files' names; with their folders where the names alone are the same."""
    paths = [Path("no file") if one.path is None else one.path for one in loaded]
    short = [path.name for path in paths]
    return short if len(set(short)) == len(short) else [str(path) for path in paths]


def text(loaded: Sequence[Loaded], results: Sequence[Replayed]) -> None:
    both = [r.report for r in results if r.report is not None]
    heads = names(loaded)
    output.print_table(("", *heads), zip(_COUNTED, *map(_counts, both), strict=True))
    if found := list(_found(both, heads)):
        columns = (f"{what}, {h}" for what in ("page", "ticket") for h in heads)
        _print_rows("Found first (UTC)", ("channel", *columns, "earlier"), found)
    _print_rows("Settings that differ", ("setting", *heads), list(_settings(loaded)))
    _print_rows(
        "Thresholds that differ (at the last judgement)", ("detector", *heads, "channels"), list(_thresholds(both))
    )


def _print_rows(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    output.print_line()
    output.print_line(f"{title}{'' if rows else ': none'}", "bold")
    if rows:
        output.print_table(header, rows[:_SHOWN], indent=2)
    if len(rows) > _SHOWN:
        output.print_line(f"  and {len(rows) - _SHOWN} more; --output json has all")


_COUNTED = (
    "watched",
    "budget, false pages a month",
    "pages",
    "pages a month",
    "explained by chance, at most",
    "tickets",
    "channels that paged",
    "channels with tickets",
)


def _counts(report: Report) -> tuple[str, ...]:
    """In the order of _COUNTED; "-" for what is not known while the reference is being learned."""
    budget = f"{report.budget:g}"
    if not report.months:
        return "nothing (no reference yet)", budget, *["-"] * (len(_COUNTED) - 2)
    return (
        duration(report.end - report.start),
        budget,
        str(len(report.pages)),
        f"{report.pages_a_month:.2g}",
        str(report.explained),
        str(sum(t.count for t in report.tickets)),
        str(sum(f.page is not None for f in report.found.values())),
        str(len({(t.model, t.channel) for t in report.tickets})),
    )


def earlier(first: Found, second: Found) -> tuple[int, float] | None:
    """Which of the two (0, 1) was earlier, and by how many seconds (infinite: the other never found it).

    Pages count where either of them paged, else tickets. None where neither was earlier.
    """
    times = (first.page, second.page)
    if times == (None, None):
        times = (first.ticket, second.ticket)
    known = [float("inf") if t is None else t for t in times]
    if known[0] == known[1]:
        return None
    sooner = int(known[1] < known[0])
    return sooner, known[1 - sooner] - known[sooner]


def _pairs(both: Sequence[Report]) -> Iterator[tuple[tuple[str, str], Found, Found]]:
    from driftd.replay.report import Found  # noqa: PLC0415

    keys = sorted({key for r in both for key in r.found})
    pairs = [(key, both[0].found.get(key, Found()), both[1].found.get(key, Found())) for key in keys]
    never = float("inf")
    yield from sorted(pairs, key=lambda p: min(never if f.page is None else f.page for f in p[1:]))


def _found(both: Sequence[Report], heads: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for (model, channel), first, second in _pairs(both):
        who, times = earlier(first, second), (first.page, second.page, first.ticket, second.ticket)
        sooner = ""
        if who is not None:
            by = f", by {duration(who[1])}" if isfinite(who[1]) else " only"
            sooner = f"{heads[who[0]]}{by}"
        kind = first.kind or second.kind
        name = f"{model} {findings.channel(channel)}" + (f" ({named(kind)})" if kind else "")
        yield name, *("-" if t is None else minute(t) for t in times), sooner


def _settings(loaded: Sequence[Loaded]) -> Iterator[tuple[str, ...]]:
    first, second = ({setting: value for setting, value, _ in one.rows()} for one in loaded)
    for setting in dict.fromkeys((*first, *second)):
        if first.get(setting) != second.get(setting):
            yield setting, first.get(setting, "-"), second.get(setting, "-")


def _differ(both: Sequence[Report]) -> Iterator[tuple[tuple[str, str, str], float | None, float | None]]:
    for key in sorted({key for r in both for key in r.thresholds}):
        first, second = (r.thresholds.get(key) for r in both)
        if first is None or second is None or not isclose(first, second, rel_tol=1e-9):
            yield key, _plain(first, key[2]), _plain(second, key[2])


def _plain(value: float | None, detector: str) -> float | None:
    """The judge's threshold in events; others as they are."""
    return expm1(value) if value is not None and detector == JUDGE else value


def _thresholds(both: Sequence[Report]) -> Iterator[tuple[str, ...]]:
    """A row for channels whose thresholds are the same two numbers."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for (model, channel, detector), *values in _differ(both):
        what = f"{model}: {'A of the judge, in events' if detector == JUDGE else detector}"
        shown = ("-" if v is None else f"{v:,.0f}" if detector == JUDGE else f"{v:.3g}" for v in values)
        alike.setdefault((what, *shown), []).append(findings.channel(channel))
    for row, channels in alike.items():
        yield *row, ", ".join(channels)


def fields(loaded: Sequence[Loaded], results: Sequence[Replayed]) -> dict[str, Any]:
    """For scripts: each configuration's report as without --compare, and what differs."""
    both, heads = [r.report for r in results if r.report is not None], names(loaded)

    def when(found: Found) -> dict[str, float | str | None]:
        return {"page": found.page, "ticket": found.ticket, "kind": found.kind or None}

    return {
        "configurations": [{"name": h, **reports.fields(r)} for h, r in zip(heads, results, strict=True)],
        "found": [
            {"model": model, "channel": channel, "first": when(first), "second": when(second)}
            for (model, channel), first, second in _pairs(both)
        ],
        "thresholds": [
            {"model": m, "channel": c, "detector": d, "first": first, "second": second}
            for (m, c, d), first, second in _differ(both)
        ],
        "settings": [{"setting": s, "first": first, "second": second} for s, first, second in _settings(loaded)],
    }


__all__ = ["earlier", "fields", "names", "text"]
