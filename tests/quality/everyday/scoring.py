"""What alarms are worth on the everyday set.

A page counts for a fault if it opens, or a channel joins it, at or after the fault's start: on a faulted channel, on an
output of the model where a feature is broken, or on "*" (channels together). What was open before does not count:
nobody is called again. *named*: paged within 24 h by a page that names a faulted channel within two hours of calling.
*kind*: the faulted channel's first name is one of faults.KINDS. A ticket counts likewise, and so does a page in its
place. gradual3d is given 84 h in place of 24. *luck*: what fresh alarms of the null of the same base and reference
would find on the same channels, seen from every hour of it. Nulls count pages and tickets a month; openings less than
an hour after the last closing are one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tests.quality.everyday.faults import KINDS, Case
from tests.quality.everyday.judging import Alarm
from tests.quality.everyday.traffic import DAY, HOUR, Base

MONTH: Final = 30.44 * DAY
NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Score:
    """Of one case: seconds to the first page and to the first ticket or page (inf: none). Of nulls: months, pages,
    tickets, and channels with a ticket.
    """

    seed: int
    case: Case
    page: float = NEVER
    ticket: float = NEVER
    named: bool = False
    kind: str = ""
    luck: float = 0.0
    ticket_luck: float = 0.0
    months: float = 0.0
    pages: int = 0
    tickets: int = 0
    ticket_channels: int = 0


def allowed(case: Case, base: Base) -> set[str]:
    """On which channels an alarm counts."""
    out = {*case.channels, "*"}
    if out & set(base.features):
        out |= {"score", "prediction", "prediction_error"}
    if case.kind == "score_const":
        out |= {"prediction", "prediction_error"}
    return out


def first(alarms: Iterable[Alarm], channels: set[str], start: float, end: float, *, pages: bool) -> float:
    times = (
        t
        for alarm in alarms
        if alarm.level == "page" or not pages
        for channel, t in alarm.channels.items()
        if channel in channels and start <= t <= end + 1
    )
    return min(times, default=NEVER)


def openings(alarms: Iterable[Alarm], level: str) -> int:
    """Alarms of a level; what opens less than an hour after the last closing belongs to it."""
    n, last = 0, -NEVER
    for alarm in sorted((a for a in alarms if a.level == level), key=lambda a: a.open):
        n += alarm.open > last + HOUR
        last = max(last, alarm.close)
    return n


def score(seed: int, case: Case, base: Base, alarms: Sequence[Alarm], null: Mapping[str, Sequence[Alarm]]) -> Score:
    """``null``: alarms of the base's null by length of reference."""
    if case.kind == "null":
        months = (case.end - case.start) / MONTH
        channels = sum(len(a.channels) for a in alarms if a.level == "ticket")
        return Score(
            seed, case, months=months, pages=openings(alarms, "page"),
            tickets=openings(alarms, "ticket"), ticket_channels=channels,
        )  # fmt: skip
    ends = case.begins + (84 if case.kind == "gradual3d" else 24) * HOUR
    where = allowed(case, base)
    page = first(alarms, where, case.begins, ends, pages=True)
    ticket = first(alarms, where, case.begins, ends, pages=False)
    mine = first(alarms, set(case.channels), case.begins, page + 2 * HOUR, pages=True) if page < NEVER else NEVER
    kind = next(
        (
            a.kinds[c]
            for a in sorted(alarms, key=lambda a: a.open)
            if a.level == "page"
            for c, t in a.channels.items()
            if c in case.channels and t == mine
        ),
        "",
    )
    found = null.get(case.length, ())
    return Score(
        seed, case, page - case.begins, ticket - case.begins, mine < NEVER, kind,
        luck(found, where, base, pages=True), luck(found, where, base, pages=False),
    )  # fmt: skip


def luck(alarms: Sequence[Alarm], channels: set[str], base: Base, *, pages: bool) -> float:
    times = [t for a in alarms if a.level == "page" or not pages for c, t in a.channels.items() if c in channels]
    starts = base.judged + HOUR * np.arange(13 * 24)
    at = np.sort(np.array(times))
    return float(np.mean(np.searchsorted(at, starts + DAY, "right") > np.searchsorted(at, starts))) if times else 0.0


HEAD: Final = (
    "| | gross | paged % in 30 min / 2 h / 24 h | named % | kind % | luck % | moderate | paged % "
    "| ticket or page % (luck) | small paged % | false pages a month | tickets a month | their channels | months |\n|"
    + "---|"
    * 14
)


def line(title: str, scores: Sequence[Score]) -> str:
    """One row of the table."""

    def of(severity: str) -> list[Score]:
        return [s for s in scores if s.case.severity == severity]

    def percent(rows: Sequence[Score], what: Callable[[Score], float]) -> str:
        return f"{100 * float(np.mean([what(r) for r in rows])):.0f}" if rows else "-"

    gross, moderate, small, null = of("gross"), of("moderate"), of("small"), of("null")
    paged = [percent(gross, lambda s, h=h: s.page <= h * HOUR) for h in (0.5, 2, 24)]  # type: ignore[misc]
    named = [s for s in gross if s.named]
    months = sum(s.months for s in null)
    rates = [
        f"{sum(n) / months:.2f}" if months else "-"
        for n in zip(*((s.pages, s.tickets, s.ticket_channels) for s in null), strict=True)
    ] or ["-"] * 3
    cells = [
        title, len(gross), " / ".join(paged), percent(gross, lambda s: s.named),
        percent(named, lambda s: s.kind in KINDS[s.case.kind]), percent(gross, lambda s: s.luck),
        len(moderate), percent(moderate, lambda s: s.page < NEVER),
        f"{percent(moderate, lambda s: s.ticket < NEVER)} ({percent(moderate, lambda s: s.ticket_luck)})",
        percent(small, lambda s: s.page < NEVER), *rates, f"{months:.1f}",
    ]  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


BY: Final[dict[str, Callable[[Score], str]]] = {
    "seed": lambda s: str(s.seed),
    "reference": lambda s: s.case.length,
    "base": lambda s: f"{s.seed} {s.case.base}",
    "kind": lambda s: s.case.kind,
}


def table(scores: Sequence[Score], by: Sequence[str] = ()) -> str:
    out = [HEAD, line("all", scores)]
    for name in by:
        groups = sorted({BY[name](s) for s in scores})
        out += [line(f"{name} {g}", [s for s in scores if BY[name](s) == g]) for g in groups if g != "null"]
    return "\n".join(out)
