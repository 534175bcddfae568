"""The report of a replay, for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from driftd.cli import findings, output
from driftd.core.finding import CHANGE
from driftd.core.text import clean, duration, minute, plural
from driftd.judge.experiments.verdict import Result
from driftd.monitor.wording import named

if TYPE_CHECKING:
    from driftd.replay.calls import Called
    from driftd.replay.drivers import Replayed
    from driftd.replay.report import Page, Report, Tickets
    from driftd.replay.run import Accounts, RefusedFeature
    from driftd.replay.silences import Silent

LEAST_THIRD = 100
"""Events of a reference below which none is proposed."""
EACH_MINUTE = 600
"""Events an hour from which on they are told by the minute."""
_SHOWN = 30
"""Rows of a table for people; scripts get all."""


def text(report: Report, accounts: Accounts, asked: int | None = None) -> None:
    """The report of one replay; ``asked``: of how many events the user wanted the reference."""
    if not report.months:
        for line in _nothing(accounts, asked):
            output.print_line(line)
        _calls(report)
        return
    output.print_line(
        f"What this configuration would have done, {minute(report.start)} to {minute(report.end)} UTC "
        f"({duration(report.end - report.start)})",
        "bold",
    )
    _calls(report)
    output.print_line(f"  {_pages(report)}")
    if report.pages:
        header = ("paged at (UTC)", "model", "lasted", "changed since (UTC)", "channels that broke, the first first")
        output.print_table(header, _page_rows(report), indent=4)
    _tickets(report)
    if report.silences:
        many = len(report.silences)
        output.print_line(f"  {many} {plural('silence', many)}, longer than is natural for the model:")
        heads = ("no events from (UTC)", "model", "to (UTC)", "lasted", "usual then", "long enough for")
        output.print_table(heads, map(_silence_row, report.silences[:_SHOWN]), indent=4)
        if many > _SHOWN:
            output.print_line(f"    and {many - _SHOWN} more; --output json has all")


def _calls(report: Report) -> None:
    """Those of experiments, before the others."""
    for severity in ("page", "ticket"):
        mine = [c for c in report.calls if c.severity == severity]
        if mine:
            of = "an experiment" if len({c.experiment for c in mine}) == 1 else "experiments"
            output.print_line(f"  {len(mine)} {plural(severity, len(mine))} of {of}:")
            header = ("at (UTC)", "model", "experiment", "alert", "because")
            output.print_table(header, map(_call_row, mine[:_SHOWN]), indent=4)


def _call_row(c: Called) -> tuple[str, ...]:
    why = f"{clean(c.challenger, 60)} is worse: {', '.join(c.metrics)}" if c.challenger else "the split is not kept"
    return minute(c.at), c.model, c.experiment, c.alert, why


def _other(report: Report, severity: str) -> str:
    """A word that says that there are those of experiments, too."""
    return " other" if any(c.severity == severity for c in report.calls) else ""


def _silence_row(s: Silent) -> tuple[str, ...]:
    end = minute(s.end) if s.ended else "still silent"
    usual = f"{s.usual:,.0f} an hour" if s.usual < EACH_MINUTE else f"{s.usual / 60:,.0f} a minute"
    return minute(s.start), s.model, end, duration(s.end - s.start), usual, f"a {s.severity}"


def _tickets(report: Report) -> None:
    became = "became a page" if report.risen == 1 else "became pages"
    rose = f" {report.risen} more {became}." if report.risen else ""
    other = _other(report, "ticket")
    if not report.tickets:
        output.print_line(
            f"  No{other} tickets but {report.risen} that {became}." if report.risen else f"  No{other} tickets."
        )
        return
    total, channels = sum(t.count for t in report.tickets), len({(t.model, t.channel) for t in report.tickets})
    there = f"{total}{other} {plural('ticket', total)} on {channels} {plural('channel', channels)}"
    output.print_line(f"  {there}. Tickets page nobody.{rose}")
    rows = list(_ticket_rows(report))
    output.print_table(("channel", "first (UTC)", "tickets by kind (total time open)"), rows[:_SHOWN], indent=4)
    if len(rows) > _SHOWN:
        output.print_line(f"    and {len(rows) - _SHOWN} channels more; --output json has all")


def _pages(report: Report) -> str:
    budget = f"budget of {report.budget:g} false {plural('page', report.budget)} a month"
    count, other = len(report.pages), _other(report, "page")
    if not count:
        return f"No{other} pages, with a {budget}."
    rate = f", {report.pages_a_month:.2g} a month" if report.months >= 1 else ""
    chance = f"A {budget} allows at most {report.explained} by chance in this time"
    said = f"{count}{other} {plural('page', count)}{rate}. {chance}"
    return (
        f"{said}." if report.within else f"{said}: either something changed, or the budget is not held on these events."
    )


def _page_rows(report: Report) -> Iterator[tuple[str, ...]]:
    for page in report.pages[:_SHOWN]:
        names = [_of_kind(c, k) for c, k in zip_longest(page.channels, page.kinds, fillvalue="")]
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        yield minute(page.at), page.model, _lasted(report, page), minute(page.since), ", ".join(names[:10]) + more


def _of_kind(channel: str, kind: str) -> str:
    return f"{findings.channel(channel)} ({named(kind)})" if kind else findings.channel(channel)


def _lasted(report: Report, page: Page) -> str:
    if page.ended is None:
        return f"{duration(report.end - page.at)}, still open"
    return duration(page.ended - page.at)


def _ticket_rows(report: Report) -> Iterator[tuple[str, ...]]:
    several = len({t.model for t in report.tickets}) > 1
    by_channel: dict[tuple[str, str], list[Tickets]] = {}
    for t in report.tickets:
        by_channel.setdefault((t.model, t.channel), []).append(t)
    for (model, channel), mine in by_channel.items():
        name = findings.channel(channel)
        yield f"{model} {name}" if several else name, minute(min(t.first for t in mine)), ", ".join(map(_counted, mine))


def _counted(t: Tickets) -> str:
    what = " or ".join(map(named, t.kinds))
    what = what if what and t.detector == CHANGE else f"{t.detector}: {what}" if what else t.detector
    if t.open and not t.seconds:
        return f"{what} {t.count} (just opened)"
    return f"{what} {t.count} ({duration(t.seconds)}{', still open' if t.open else ''})"


def _nothing(accounts: Accounts, asked: int | None) -> Iterator[str]:
    """Why nothing was watched, and what helps."""
    accepted = accounts.accepted - accounts.labels
    if not accepted:
        alone = "all are labels without their prediction" if accounts.labels else "no event was accepted"
        yield f"Nothing was watched: {alone}."
        return
    yield "Nothing was watched: the events ended before a reference was learned."
    there = f"{accepted:,} {plural('event', accepted)} {'was' if accepted == 1 else 'were'} accepted"
    if asked is not None:
        yield f"It takes the first {asked:,} events of a model; {there}."
    else:
        yield f"Without configuration it takes 30 minutes of event time and 500 events of a model; {there}."
    if (third := accepted // 3) >= LEAST_THIRD:
        yield f"'--reference-events {third}' learns from the first {third:,}, whatever time they span."
    else:
        yield f"A reference of fewer than {LEAST_THIRD} events, with others to watch after it, says little."


def experiments(results: Sequence[Result]) -> None:
    """What each experiment comes to."""
    from driftd.cli.experiment import report_lines  # noqa: PLC0415

    for e in _experiments(results):
        output.print_line()
        for line in report_lines(e, e["last"] or 0.0):
            output.print_line(line)


def _experiments(results: Sequence[Result]) -> list[dict[str, Any]]:
    """As the API has them."""
    from driftd.web.experiments import experiment  # noqa: PLC0415

    return [asdict(experiment(r)) for r in results]


def refused(features: Sequence[RefusedFeature]) -> None:
    """Features whose values were refused, if any."""
    if not features:
        return
    output.print_line("Values refused: each counts as missing, its event is accepted.", "bold")
    rows = [
        (
            f"{f.model} {clean(f.feature)}",
            f"{f.values:,}",
            minute(f.first),
            f"{f.why}; blind: the last window has no usable value" if f.blind else f.why,
        )
        for f in features
    ]
    output.print_table(("model and feature", "values", "first (UTC)", "why"), rows[:_SHOWN], indent=4)
    if len(rows) > _SHOWN:
        output.print_line(f"    and {len(rows) - _SHOWN} features more; --output json has all")


def speed(result: Replayed) -> str:
    """``309,772 events in 3.2 s: 97,000 a second``."""
    rate = result.accounts.read / max(result.seconds, 1e-9)
    events = f"{result.accounts.read:,} {plural('event', result.accounts.read)}"
    return f"{events} in {result.seconds:.1f} s: {float(f'{rate:.2g}'):,.0f} a second"


def fields(result: Replayed) -> dict[str, Any]:
    """For scripts. ``speed`` is the only part that differs from run to run."""
    accounts, report = result.accounts, result.report
    assert report is not None
    return {
        "read": accounts.read,
        "accepted": accounts.accepted,
        "rejected": dict(accounts.rejected),
        "late": accounts.late,
        "dropped": dict(accounts.dropped),
        "refused": [asdict(f) for f in result.refused],
        "remarks": list(result.remarks),
        "findings": result.findings,
        "models": {model: status.name for model, status in result.statuses.items()},
        "start": report.start,
        "end": report.end,
        "months": report.months,
        "budget": {
            "false_alarms_per_month": report.budget,
            "pages": len(report.pages),
            "pages_per_month": report.pages_a_month,
            "chance_explains": report.explained,
            "within": report.within,
        },
        "pages": [
            {
                "model": p.model,
                "at": p.at,
                "ended": p.ended,
                "since": p.since,
                "channels": list(p.channels),
                "kinds": list(p.kinds),
            }
            for p in report.pages
        ],
        "tickets": [
            {
                "model": t.model,
                "channel": t.channel,
                "detector": t.detector,
                "kinds": list(t.kinds),
                "count": t.count,
                "seconds": t.seconds,
                "first": t.first,
                "open": t.open,
            }
            for t in report.tickets
        ],
        "tickets_that_became_pages": report.risen,
        "calls": [asdict(c) for c in report.calls],
        "silences": [asdict(s) for s in report.silences],
        "experiments": _experiments(result.experiments),
        "speed": {"seconds": result.seconds, "events_per_second": accounts.read / max(result.seconds, 1e-9)},
    }  # fmt: skip
