"""Faults and changes beyond a channel's natural variation, as findings: from the turns of driftd.judge.natural."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from driftd.core.channel import Role
from driftd.core.finding import CHANGE, Finding, Status
from driftd.core.incident import ROUGH
from driftd.core.summary import Summary
from driftd.core.text import duration, in_unit, latencies, minute, numbers, ordinal, percent, to_digits
from driftd.judge.natural.cause import Cause, Caused, Look
from driftd.judge.natural.causes import MOVED, cause_of
from driftd.judge.natural.changes import SIZES, Change
from driftd.judge.natural.episodes import NONE, PAGE, TICKET, Turn
from driftd.judge.natural.kinds import QUANTILES, Kind, Named, power_of_ten, share_of
from driftd.judge.natural.step import TURNED
from driftd.monitor.attribution import mean_at, mean_of, moved_bins, moved_shares, rounded
from driftd.monitor.cause import WITH, in_words
from driftd.monitor.finding_context import FindingContext
from driftd.monitor.findings import SEVERITY
from driftd.monitor.state import OpenChange

STATUS = {NONE: Status.OK, TICKET: Status.WARNING, PAGE: Status.DRIFT}
SUMMED = 30
"""Values since a change from which on their own mean is said. Chosen: the standard error is a fifth of a deviation."""
OVER = "nothing exceeds its natural variation any more: the change is over"


NOT_KNOWN: Final = Caused("")


@dataclass(frozen=True, slots=True)
class Told:
    """A turn as it is told: with its cause, whether there is a finding about it, and what was told of the change before
    it grew.
    """

    turn: Turn
    cause: str = ""
    detail: str = ""
    new: bool = True
    before: OpenChange | None = None


def caused(about: FindingContext, turns: Sequence[Turn]) -> list[Told]:
    """The turns with their causes. What was told of a change stays until something else is known: with more values a
    rule that held may be undecided. A look at more values that brings nothing new is none.
    """
    known, out = {c.row: (c.kind, Caused(c.cause, c.detail)) for c in about.standing.changes}, list[Told]()
    for turn in turns:
        kind, before = known.get(turn.channel, (Kind.UNKNOWN, NOT_KNOWN))
        found = NOT_KNOWN if turn.level == NONE else _cause(about, turn) or NOT_KNOWN
        if found.cause == Cause.JOIN and about.reference.channels[turn.channel].role is not Role.FEATURE:
            found = NOT_KNOWN  # answers follow the features, and labels the world
        if found.cause == Cause.JOIN and any(k is Kind.JOINT for row, (k, _) in known.items() if row != turn.channel):
            found = NOT_KNOWN  # both have lost their relation to each other
        partner = _partner(about, known, turn)
        if turn.level != NONE and partner and found.cause in {"", Cause.UNIT}:
            found = Caused(Cause.SWAPPED, f"{WITH}{partner}")
        same = turn.kind is kind or {turn.kind, kind} <= {*MOVED, Kind.FROZEN, Kind.JOINT}
        if NONE not in {turn.level, turn.before} and same and _says_more(before, found):
            found = before
        known[turn.channel] = (turn.kind, found)
        smaller = next((c for c in about.standing.changes if turn.grew and c.row == turn.channel), None)
        out.append(Told(turn, str(found.cause), found.detail, not turn.looks or found != before, smaller))
        if found.cause == Cause.SWAPPED and found != before:
            out += _told_of_other(about, turn, found, known, {t.channel for t in turns})
    return out


def _told_of_other(
    about: FindingContext, turn: Turn, found: Caused, known: dict[int, tuple[Kind, Caused]], turning: set[int]
) -> Iterator[Told]:
    """The other channel of a swap: its change is open, it is not ``turning`` now, and nothing finer was known of it."""
    other = about.reference.rows.get(found.detail.removeprefix(WITH), -1)
    mine = Caused(Cause.SWAPPED, f"{WITH}{about.reference.channels[turn.channel].name}")
    for c in about.standing.changes:
        if (
            c.row == other
            and other not in turning
            and known[other][0] in MOVED
            and known[other][1].cause in {"", Cause.UNIT}
        ):
            known[other] = (known[other][0], mine)
            level = next(level for level, status in STATUS.items() if status is c.status)
            again = Turn(
                turn.time, turn.known, other, level, level, c.kind, c.size, c.size, c.since, c.factor, c.value, c.usual,
                0, c.needed, looks=True, error=c.error,
            )  # fmt: skip
            yield Told(again, str(mine.cause), mine.detail)


def _partner(about: FindingContext, known: Mapping[int, tuple[Kind, Caused]], turn: Turn) -> str:
    """The channel that is said to have swapped with this one; "" for none."""
    names = [c.name for c in about.reference.channels]
    mine = Caused(Cause.SWAPPED, f"{WITH}{names[turn.channel]}")
    return next((names[row] for row, (_, told) in known.items() if told == mine), "") if turn.kind in MOVED else ""


def _says_more(before: Caused, found: Caused) -> bool:
    return not found.cause or (found.cause == before.cause and not found.detail)


def _cause(about: FindingContext, turn: Turn) -> Caused | None:
    learned, look = about.detectors.natural, None
    if learned is not None and turn.seen is not None:
        extremes, names = about.extremes(turn.seen.now[0]), about.names(turn.channel, turn.since)
        look = Look(about.reference, learned, turn.seen, extremes, names)
    return cause_of(look, Named(turn.kind, turn.factor, turn.value, turn.usual), turn.channel)


def after(changes: Sequence[OpenChange], told: Sequence[Told], at: float) -> tuple[OpenChange, ...]:
    """The changes that are open after what was ``told`` then, by row."""
    known = {change.row: change for change in changes}
    for one in told:
        t = one.turn
        known.pop(t.channel, None)
        if t.level != NONE:
            known[t.channel] = OpenChange(
                t.channel, STATUS[t.level], t.kind, t.size, t.since, at, t.factor, t.value, t.usual, t.needed,
                one.cause, one.detail, t.error,
            )  # fmt: skip
    return tuple(change for _, change in sorted(known.items()))


def of_changes(about: FindingContext, told: Sequence[Told], start: float, end: float) -> Iterator[Finding]:
    """What opened, rose, got a better name or closed with the pane from ``start`` to ``end``."""
    reference = about.reference
    for turn, cause, detail, smaller in ((t.turn, t.cause, t.detail, t.before) for t in told if t.new):
        row, status, opened = turn.channel, STATUS[turn.level], turn.level != NONE
        summary = about.recent(turn.since) if opened else None
        value, usual = value_and_usual(about, turn, summary)
        moved = () if summary is None else moved_bins(reference, summary, row)
        if turn.shares is not None:
            moved = moved_shares(reference, row, *turn.shares)
        events = 0 if summary is None else int(summary.channel_events[row])
        why = because(about, turn, value, usual)
        why += in_words(cause, detail, reference.channels[row].name, percent(value)) if opened else ""
        why += f"; it began up to {duration(turn.error)} before or after then" if opened and turn.error >= ROUGH else ""
        why += "" if smaller is None or turn.times > 1 else _has_grown(smaller)
        why += f"; {ordinal(turn.times)} time since {minute(turn.first)}" if turn.times > 1 else ""
        yield Finding(
            slice=about.model.slice,
            feature=reference.channels[row].name,
            detector=CHANGE,
            status=status,
            previous=STATUS[turn.before],
            statistic=turn.size if opened else 0.0,
            threshold=turn.needed,
            effect=turn.needed,
            noise=0.0,
            ratio=turn.size / turn.needed if opened else 0.0,
            events=events,
            window_start=turn.since if opened else start,
            window_end=end,
            since=turn.since if opened else None,
            because=why,
            moved=moved,
            effective_events=about.effective(row, events),
            tests=about.tests,
            regime=about.regime(row),
            severity=SEVERITY[status] if (turn.level > turn.before or turn.grew) and not turn.quiet else None,
            kind=turn.kind.value,
            value=known(value),
            reference_value=known(usual),
            cause=cause,
            detail=detail,
            since_error_seconds=known(turn.error) if opened else None,
            times=turn.times,
            first_since=turn.first if turn.times > 1 else None,
        )


def _has_grown(before: OpenChange) -> str:
    """What somebody was called for before."""
    share = f" {percent(before.value)}" if share_of(before.kind) and np.isfinite(before.value) else ""
    return f"; it has grown: {before.kind.value}{share} since {minute(before.since)}"


def value_and_usual(about: FindingContext, turn: Turn, summary: Summary | None) -> tuple[float, float]:
    """Value and reference value in what the kind is about; NaN where there is none."""
    row, reference = turn.channel, about.reference
    if np.isfinite(turn.value) or summary is None:
        return turn.value, turn.usual
    if turn.kind is Kind.MIX:
        return turn.size, 0.0
    now, then = mean_since(about, turn, summary), mean_of(reference, reference.summary, row)
    if turn.shares is not None:
        then = mean_at(reference, row, turn.shares[0])
    if now is None or then is None:
        return turn.size, 0.0
    return (np.nan, np.nan) if _contradicts(about, turn, now - then) else (now, then)


def mean_since(about: FindingContext, turn: Turn, summary: Summary) -> float | None:
    """The mean of a numeric channel's values since the change, from their sums, as far as they hold nothing from before
    it: bins have ends. Where values are so large that their sums are clipped, their typical size says how much.
    """
    row, reference = turn.channel, about.reference
    center, scale = float(reference.center[row]), float(reference.scale[row])
    whole = about.model.hops.begun_after(turn.since)
    enough = whole is not None and whole.channel_events[row] >= SUMMED
    now = mean_of(reference, whole if enough and whole is not None else summary, row)
    usual = mean_of(reference, reference.summary, row)
    if now is None or usual is None or turn.middle is None:
        return now
    low, high = reference.summary.extremes[row]
    for middle in turn.middle if low >= 0 or high <= 0 else ():
        # no geometric mean is above the mean of numbers of one sign, but where these are clipped
        if middle.size > abs(center + middle.mean * scale) and middle.times > 1:
            return rounded(reference, row, usual * middle.times)
    since = turn.middle[0]
    return now if enough or not since.n else rounded(reference, row, center + since.mean * scale)


def _contradicts(about: FindingContext, turn: Turn, moved: float) -> bool:
    """Whether a mean has ``moved`` the other way than the level did, which a few values can make."""
    learned = about.detectors.natural
    if turn.kind is not Kind.LEVEL or turn.shares is None or learned is None:
        return False
    usual, seen = (np.asarray(shares) for shares in turn.shares)
    level = float((seen - usual) @ learned.usual.scores[turn.channel])
    return level * moved < 0 and abs(level) >= SIZES[Change.LEVEL].ticket


def because(about: FindingContext, turn: Turn, value: float, usual: float) -> str:
    """What happened, in one sentence."""
    if turn.level == NONE:
        return OVER
    then, now = percent(usual) if np.isfinite(usual) else "?", percent(max(value, 0.0))
    if turn.kind is Kind.UNIT:
        return multiplied(usual, value)
    if turn.kind is Kind.SPREAD:
        return f"spread by {value:.2g} times the reference's" if value >= 1 else f"narrower: {value:.2g} of the spread"
    if turn.kind is Kind.LEVEL and about.reference.numeric[turn.channel]:
        return (
            f"the mean moved: {text}"
            if np.isfinite(value) and (text := numbers(usual, value))
            else f"the level moved by {turn.size:.2g} sd"
        )
    if turn.kind in QUANTILES:
        return f"slower: {QUANTILES[turn.kind]} {latencies(usual, value)}".rstrip()
    if turn.kind is Kind.JOINT and usual - value > TURNED * usual:
        return "moves against its siblings: their relation has turned round"
    said = {
        Kind.MISSING: f"missing: {then} in the reference, now {now}",
        Kind.REFUSED: f"values of another type: {then} in the reference, now {now}",
        Kind.FROZEN: f"frozen: {now} of the values repeat the one before ({then} in the reference)",
        Kind.ERRORS: f"errors: {then} in the reference, now {now}",
        Kind.RENAMED: f"known values are gone and new ones came: {now} of the values are new",
        Kind.NEW_VALUE: f"new values: {then} in the reference, now {now}",
        Kind.RANGE: f"out of the reference's range: {then} of the values, now {now}",
        Kind.JOINT: f"no longer moves with its siblings: {now} of their relation is left",
        Kind.GRADUAL: f"moved away little by little: {now} of the values are out of the reference's range",
        Kind.MIX: f"the mix of values moved: {now} of them" if value > 0 else "the mix of values moved, by little",
    }
    return said.get(turn.kind, f"changed by {turn.size:.3g}")


def known(value: float) -> float | None:
    """None for NaN, which equals nothing, not even itself."""
    return None if np.isnan(value) else value


def multiplied(then: float, now: float, unit: str = "") -> str:
    """``20 times larger, typical size 3.1 -> 62``, ``about 100 times smaller, typical size was 37.5``: a power of ten
    stands for what is near it (natural.kinds), and says nothing of the size.
    """
    times = max(now / then, then / now)
    text = f"{to_digits(times, 2)} times {'larger' if now >= then else 'smaller'}"  # two digits, no exponent
    if power_of_ten(times):
        return f"about {text}, typical size was {in_unit(to_digits(then, 3), unit)}"
    return f"{text}, typical size {numbers(then, now, unit)}"
